//! What the flags of `zrecompress` mean.

use serde::{Deserialize, Serialize};
use zarray::ZarrFormat;
use zcli::Stop;
use zcodec::{Cname, Shuffle, SplitMode};
use zstage::{ChunkOptions, CodecName, CodecOptions, OnBadChunk, ScratchPlace, WriteOptions};
use zstore::Target;
use zwire::Failure;

use crate::cli::{Args, BadChunkFlag, EncodeFlags};
use crate::trial::{Fixed, TrialOptions};

/// What a run is asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// What decides the bytes.
    pub encode: EncodeOptions,
    /// What every writer is asked.
    pub write: WriteOptions,
    /// How compressors are tried; `None`: they are not.
    pub trial: Option<TrialOptions>,
    /// Whether records have seconds and throughput.
    pub timing: bool,
    /// Whether the patterns of --var are paths that records name, of groups as well.
    pub var_of_records: bool,
}

impl Args {
    /// What the command line means.
    ///
    /// # Errors
    /// [`Exit::Usage`](zwire::Exit::Usage) with the flags that contradict each other.
    pub fn options(&self, stop: &Stop) -> Result<Options, Failure> {
        let encode = self.encode.options()?;
        let write = WriteOptions {
            on_bad_chunk: match self.on_bad_chunk {
                BadChunkFlag::Error => OnBadChunk::Error,
                BadChunkFlag::Copy => OnBadChunk::Copy,
                BadChunkFlag::Skip => OnBadChunk::Skip,
            },
            verify: self.verify.verify(),
            backup: self.backup.clone(),
            nthreads: self.nthreads.map(usize::from),
            scratch: match &self.scratch {
                None => ScratchPlace::BesideOutput,
                Some(path) if path.as_os_str() == "none" => ScratchPlace::None,
                Some(path) => ScratchPlace::Directory(path.clone()),
            },
            ..self.writer.options(self.in_place, &self.work, &self.memory, &self.store, stop)
        };
        write.check_bad_chunks(self.in_place)?;
        let trial = (self.trial.trial || self.trial.auto).then(|| self.trial_options(&encode, &write)).transpose()?;
        Ok(Options { encode, write, trial, timing: self.common.timing, var_of_records: false })
    }

    fn trial_options(&self, encode: &EncodeOptions, write: &WriteOptions) -> Result<TrialOptions, Failure> {
        let codec = &encode.codec;
        if codec.codec.is_some_and(|codec| codec != CodecName::Blosc) {
            return Err(Failure::usage("trials support only Blosc compressors").hint("remove --codec"));
        }
        Ok(TrialOptions {
            fixed: Fixed {
                cname: codec.cname.as_deref().and_then(Cname::from_name),
                clevel: codec.clevel.and_then(|level| u8::try_from(level).ok()),
                shuffle: codec.shuffle.as_deref().and_then(Shuffle::from_name),
                split: codec.split.as_deref().and_then(SplitMode::from_name),
                blocksize: codec.blocksize,
            },
            objective: self.trial.objective,
            sample: self.trial.sample.into(),
            share: self.trial.share_trial,
            // --auto tries many arrays in parallel: threads inside a chunk would show nothing there.
            nthreads: write.nthreads.filter(|_| self.trial.trial).unwrap_or(1),
            jobs: write.jobs,
            memory: write.memory_bytes,
            source: String::new(),
            target: self.target.as_ref().map(Target::to_string),
            other_flags: encode.other_flags(),
        })
    }
}

impl EncodeFlags {
    fn options(&self) -> Result<EncodeOptions, Failure> {
        Ok(EncodeOptions {
            codec: self.codec.options()?,
            chunk: self.chunk.options(),
            zarr_format: self.zarr_format,
            min_size: self.min_size,
            var: self.var.clone(),
            copy_unknown: self.copy_unknown,
        })
    }
}

/// What decides the bytes of the output; `None` where a flag was not given. The plan file keeps it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncodeOptions {
    /// The codec of chunks.
    #[serde(flatten)]
    pub codec: CodecOptions,
    /// The shapes of chunks and shards.
    #[serde(flatten)]
    pub chunk: ChunkOptions,
    /// Zarr format of the output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zarr_format: Option<u8>,
    /// Coordinate arrays below this decoded size are copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_size: Option<u64>,
    /// Patterns of the arrays that are recompressed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub var: Vec<String>,
    /// Arrays that cannot be decoded are copied.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub copy_unknown: bool,
}

/// Coordinate arrays below this are left alone.
const MIN_SIZE: u64 = 64 * 1024;

impl EncodeOptions {
    /// Coordinate arrays below this decoded size are copied.
    pub fn min_size(&self) -> u64 {
        self.min_size.unwrap_or(MIN_SIZE)
    }

    /// The format that was asked for.
    pub fn format(&self) -> Option<ZarrFormat> {
        self.zarr_format.map(|number| if number == 2 { ZarrFormat::V2 } else { ZarrFormat::V3 })
    }

    /// The flags beside the codec's that decide the bytes, as they are typed.
    fn other_flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        flags.extend(self.min_size.map(|size| format!("--min-size {size}")));
        flags.extend(self.zarr_format.map(|format| format!("--zarr-format {format}")));
        flags.extend(self.chunk.flags());
        flags.extend(self.copy_unknown.then(|| "--copy-unknown".to_owned()));
        flags
    }
}
