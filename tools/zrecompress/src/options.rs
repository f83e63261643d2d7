//! What the flags of `zrecompress` mean.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zarray::ZarrFormat;
use zcli::Stop;
use zcodec::{Blosc, Cname, Compressor, Shuffle, SplitMode, Stream};
use zstage::rechunk::{Rule, Rules, Shapes};
use zstage::{OnBadChunk, ScratchPlace, WriteOptions};
use zstore::Target;
use zwire::{Failure, shell_quote};

use crate::cli::{Args, BadChunkFlag, CodecFlag, EncodeFlags};
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
        encode.check()?;
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
        if encode.codec.is_some_and(|codec| codec != CodecName::Blosc) {
            return Err(Failure::usage("trials support only Blosc compressors").hint("remove --codec"));
        }
        Ok(TrialOptions {
            fixed: Fixed {
                cname: encode.cname.as_deref().and_then(Cname::from_name),
                clevel: encode.clevel.and_then(|level| u8::try_from(level).ok()),
                shuffle: encode.shuffle.as_deref().and_then(Shuffle::from_name),
                split: encode.split.as_deref().and_then(SplitMode::from_name),
                blocksize: encode.blocksize,
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
        let flags = self.clone();
        let inside_blosc = |name: &str| {
            let failure = Failure::usage(format!("--codec {name}: {name} is a compressor inside Blosc"));
            failure.hint(format!("use --cname {name}"))
        };
        let codec = |codec| match codec {
            CodecFlag::Blosc => Ok(CodecName::Blosc),
            CodecFlag::Zstd => Ok(CodecName::Zstd),
            CodecFlag::Gzip => Ok(CodecName::Gzip),
            CodecFlag::None => Ok(CodecName::None),
            CodecFlag::Lz4 => Err(inside_blosc("lz4")),
            CodecFlag::Lz4hc => Err(inside_blosc("lz4hc")),
            CodecFlag::Blosclz => Err(inside_blosc("blosclz")),
            CodecFlag::Zlib => Err(inside_blosc("zlib")),
        };
        Ok(EncodeOptions {
            codec: flags.codec.map(codec).transpose()?,
            cname: flags.cname,
            clevel: flags.clevel,
            shuffle: flags.shuffle,
            split: flags.split,
            blocksize: flags.blocksize,
            chunks: flags.chunks,
            shards: flags.shards,
            no_shards: flags.no_shards,
            zarr_format: flags.zarr_format,
            min_size: flags.min_size,
            var: flags.var,
            copy_unknown: flags.copy_unknown,
        })
    }
}

/// What decides the bytes of the output; `None` where a flag was not given. The plan file keeps it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncodeOptions {
    /// Codec of the new chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<CodecName>,
    /// Compressor inside Blosc.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cname: Option<String>,
    /// Compression level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clevel: Option<i32>,
    /// Filter inside Blosc.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<String>,
    /// Split mode of Blosc.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Bytes of a Blosc block; 0 lets Blosc choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocksize: Option<u64>,
    /// New chunk shapes, as typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<String>,
    /// New shard shapes, as typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<String>,
    /// Chunks of sharded arrays become objects of their own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_shards: bool,
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

/// A codec by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodecName {
    /// Blosc: blocks can be decoded separately.
    Blosc,
    /// One Zstandard frame per chunk.
    Zstd,
    /// One gzip member per chunk.
    Gzip,
    /// None.
    None,
}

/// Coordinate arrays below this are left alone.
const MIN_SIZE: u64 = 64 * 1024;

impl EncodeOptions {
    /// The compressor for elements of `itemsize` bytes.
    pub fn compressor(&self, itemsize: u64) -> Compressor {
        let level = self.clevel.unwrap_or(3);
        match self.codec.unwrap_or(CodecName::Blosc) {
            CodecName::Blosc => Compressor::Blosc(self.blosc(itemsize)),
            CodecName::Zstd => Compressor::Stream(Stream::Zstd { level, checksum: false }),
            CodecName::Gzip => Compressor::Stream(Stream::Gzip { level: self.clevel.unwrap_or(5).unsigned_abs() }),
            CodecName::None => Compressor::None,
        }
    }

    fn blosc(&self, itemsize: u64) -> Blosc {
        let shuffle = self.shuffle.as_deref().and_then(Shuffle::from_name).unwrap_or(Shuffle::automatic(itemsize));
        Blosc {
            cname: self.cname.as_deref().and_then(Cname::from_name).unwrap_or(Cname::Zstd),
            clevel: self.clevel.map_or(3, |level| level.unsigned_abs() as u8),
            shuffle,
            blocksize: self.blocksize.unwrap_or(0),
            split: self.split.as_deref().and_then(SplitMode::from_name).unwrap_or_default(),
        }
    }

    /// Coordinate arrays below this decoded size are copied.
    pub fn min_size(&self) -> u64 {
        self.min_size.unwrap_or(MIN_SIZE)
    }

    /// The format that was asked for.
    pub fn format(&self) -> Option<ZarrFormat> {
        self.zarr_format.map(|number| if number == 2 { ZarrFormat::V2 } else { ZarrFormat::V3 })
    }

    /// Whether chunks or shards are to have another shape.
    pub fn rechunks(&self) -> bool {
        !self.chunks.is_empty() || !self.shards.is_empty() || self.no_shards
    }

    /// The shapes that were asked for.
    ///
    /// # Errors
    /// A usage failure that names the rule.
    pub fn shapes(&self) -> Result<Shapes, Failure> {
        let rules = |flag: &str, texts: &[String]| {
            let parse =
                |text: &String| text.parse::<Rule>().map_err(|what| Failure::usage(what).at(format!("{flag} {text}")));
            Rules::new(&texts.iter().map(parse).collect::<Result<Vec<_>, Failure>>()?)
        };
        Ok(Shapes {
            chunks: rules("--chunks", &self.chunks)?,
            shards: rules("--shards", &self.shards)?,
            no_shards: self.no_shards,
        })
    }

    /// The flags beside the codec's that decide the bytes, as they are typed.
    fn other_flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        flags.extend(self.min_size.map(|size| format!("--min-size {size}")));
        flags.extend(self.zarr_format.map(|format| format!("--zarr-format {format}")));
        flags.extend(self.chunks.iter().map(|shape| format!("--chunks {}", shell_quote(shape))));
        flags.extend(self.shards.iter().map(|shape| format!("--shards {}", shell_quote(shape))));
        flags.extend(self.no_shards.then(|| "--no-shards".to_owned()));
        flags.extend(self.copy_unknown.then(|| "--copy-unknown".to_owned()));
        flags
    }

    /// Whether any flag about the codec was given.
    pub fn names_a_codec(&self) -> bool {
        let words = [&self.cname, &self.shuffle, &self.split];
        self.codec.is_some()
            || self.clevel.is_some()
            || self.blocksize.is_some()
            || words.iter().any(|word| word.is_some())
    }

    /// Flags that contradict each other.
    ///
    /// # Errors
    /// A usage failure that names them.
    pub fn check(&self) -> Result<(), Failure> {
        let blosc = self.codec.unwrap_or(CodecName::Blosc) == CodecName::Blosc;
        let of_blosc = [
            ("--cname", self.cname.is_some()),
            ("--shuffle", self.shuffle.is_some()),
            ("--split", self.split.is_some()),
            ("--blocksize", self.blocksize.is_some()),
        ];
        if let Some((flag, _)) = of_blosc.iter().find(|(_, given)| *given && !blosc) {
            return Err(Failure::usage(format!("{flag} requires --codec blosc")));
        }
        let levels = match self.codec {
            Some(CodecName::Zstd) => -131_072..=22,
            Some(CodecName::None) => {
                return self
                    .clevel
                    .map_or(Ok(()), |_| Err(Failure::usage("--clevel cannot be combined with --codec none")));
            }
            _ => 0..=9,
        };
        match self.clevel.filter(|level| !levels.contains(level)) {
            Some(level) => {
                let text = format!("--clevel {level} is not in the range {} to {}", levels.start(), levels.end());
                Err(Failure::usage(text))
            }
            None => Ok(()),
        }
    }

    /// These flags on top of those of a plan: what was given must be what the plan says, for it fixes everything.
    ///
    /// # Errors
    /// A usage failure that names the first flag that differs.
    pub fn resume(&self, plan: &EncodeOptions) -> Result<EncodeOptions, Failure> {
        let (given, planned) = (self.members(), plan.members());
        let differs = |(flag, value): &(&String, &Value)| planned.get(*flag) != Some(value);
        match given.iter().find(differs) {
            None => Ok(plan.clone()),
            Some((flag, _)) => {
                let flag = flag.replace('_', "-");
                let text = format!("--{flag} differs from the unfinished run");
                Err(Failure::usage(text).hint("remove the flag, or start over with --overwrite"))
            }
        }
    }

    fn members(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_fixes_what_decides_the_bytes() {
        let plan = EncodeOptions { cname: Some("lz4".into()), clevel: Some(5), ..EncodeOptions::default() };
        assert_eq!(EncodeOptions::default().resume(&plan).expect("nothing is said"), plan);
        assert_eq!(plan.resume(&plan).expect("the same is said"), plan);
        let other = EncodeOptions { clevel: Some(6), ..EncodeOptions::default() };
        assert!(other.resume(&plan).expect_err("another level").to_string().contains("--clevel"));
        let other = EncodeOptions { chunks: vec!["1,2".into()], ..EncodeOptions::default() };
        assert!(other.resume(&plan).expect_err("other chunks").to_string().contains("--chunks"));
    }

    #[test]
    fn flags_of_another_codec_are_refused() {
        let zstd = |change: fn(&mut EncodeOptions)| {
            let mut options = EncodeOptions { codec: Some(CodecName::Zstd), ..EncodeOptions::default() };
            change(&mut options);
            options.check().is_ok()
        };
        assert!(zstd(|options| options.clevel = Some(19)));
        assert!(!zstd(|options| options.clevel = Some(23)));
        assert!(!zstd(|options| options.cname = Some("lz4".into())));
        assert!(!zstd(|options| options.split = Some("always".into())));
        let blosc = EncodeOptions { clevel: Some(10), ..EncodeOptions::default() };
        assert!(blosc.check().is_err());
    }
}
