//! Encoding of the chunks of an output array.

use serde_json::Value;
use zarray::{Array, Chain, ZarrFormat};
use zcodec::{Blosc, Codec, Compressor, Stream, codec_name};

/// The encoding of an output array.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// The compressor.
    pub compressor: Compressor,
    /// Element size of the Blosc filter, in bytes.
    pub typesize: u64,
    /// Whether a CRC-32C follows each chunk, as in the source.
    pub checksum: bool,
    /// Whether the metadata already names this encoding; chunks that really have it are copied.
    pub unchanged: bool,
}

impl Encoding {
    /// Replaces the compressor of `chain` by `compressor`; the other codecs are kept.
    pub fn new(compressor: Compressor, chain: &Chain, format: ZarrFormat) -> Encoding {
        let checksum = chain.tail.last() == Some(&Codec::Crc32c);
        let encoding = Encoding { compressor, typesize: chain.typesize(), checksum, unchanged: false };
        Encoding { unchanged: encoding.is_named_by(chain, format), ..encoding }
    }

    /// The encoding of `chain`; `None` if writing its compressor is not supported.
    pub fn of(chain: &Chain, format: ZarrFormat) -> Option<Encoding> {
        let compressor = match chain.compressor() {
            None if chain.unknown.is_none() => Compressor::None,
            Some(Codec::Blosc(blosc, _)) => Compressor::Blosc(*blosc),
            Some(Codec::Zstd) => Compressor::Stream(Stream::Zstd { level: level_of(chain), checksum: false }),
            Some(Codec::Gzip) => Compressor::Stream(Stream::Gzip { level: level_of(chain).unsigned_abs() }),
            _ => return None,
        };
        Some(Encoding::new(compressor, chain, format))
    }

    /// Estimated memory of each thread that encodes a chunk, besides the chunk and its frame.
    pub fn thread_bytes(&self, chunk_bytes: u64) -> u64 {
        self.compressor.thread_bytes(self.typesize, chunk_bytes)
    }

    /// As [`Encoding::thread_bytes`], of a worker that makes chunks of several sizes.
    pub fn encoder_bytes(&self, chunk_bytes: u64) -> u64 {
        self.thread_bytes(chunk_bytes).max(4 << 20)
    }

    /// Whether chunks are Blosc frames.
    pub fn is_blosc(&self) -> bool {
        matches!(self.compressor, Compressor::Blosc(_))
    }

    /// The metadata member that changes in `array` if only the codec changes.
    pub fn new_member(&self, array: &Array) -> (&'static str, Value) {
        match array.format {
            ZarrFormat::V2 => ("compressor", self.compressor.to_v2()),
            ZarrFormat::V3 => ("codecs", Value::Array(self.codecs_v3(&array.chain))),
        }
    }

    /// Whether the metadata of `chain` names this compressor.
    fn is_named_by(&self, chain: &Chain, format: ZarrFormat) -> bool {
        let compressors = &chain.tail[..chain.tail.len() - usize::from(self.checksum)];
        let specs = &chain.specs[chain.kept..chain.kept + compressors.len()];
        match (&self.compressor, compressors) {
            (Compressor::Blosc(new), [Codec::Blosc(old, stated)]) => {
                let typesize = format == ZarrFormat::V2 || *stated == Some(self.typesize);
                // The metadata does not store the split mode; it is checked on the chunks themselves.
                let same = Blosc { split: new.split, ..*old } == *new;
                same && typesize && states_shuffle(chain)
            }
            (Compressor::None, []) => true,
            (Compressor::Stream(stream), [_]) => {
                specs == [if format == ZarrFormat::V2 { stream.to_v2() } else { stream.to_v3() }]
            }
            _ => false,
        }
    }

    fn codecs_v3(&self, chain: &Chain) -> Vec<Value> {
        let mut codecs = chain.specs[..chain.kept].to_vec();
        if let (Some(sharding), Some(spec)) = (&chain.sharding, codecs.last_mut()) {
            spec["configuration"]["codecs"] = Value::Array(self.codecs_v3(&sharding.inner));
            return codecs;
        }
        codecs.extend(self.tail_v3(chain));
        codecs
    }

    /// The compressor and the codecs after it.
    pub fn tail_v3(&self, chain: &Chain) -> Vec<Value> {
        let checksum = chain.specs.last().filter(|_| self.checksum).cloned();
        self.compressor.to_v3(self.typesize).into_iter().chain(checksum).collect()
    }
}

/// Whether every chunk is a Blosc frame, which can be decoded independently of the metadata.
pub fn is_self_describing(chain: &Chain) -> bool {
    matches!(chain.tail.as_slice(), [Codec::Blosc(..)] | [Codec::Blosc(..), Codec::Crc32c])
}

/// Whether the metadata names the actual filter: the automatic choice of numcodecs is replaced by the filter it
/// selects, which every reader understands.
fn states_shuffle(chain: &Chain) -> bool {
    chain.specs.iter().filter(|spec| codec_name(spec) == "blosc").all(|spec| {
        let members = spec.get("configuration").unwrap_or(spec);
        members.get("shuffle").is_some_and(|shuffle| shuffle.as_i64() != Some(-1))
    })
}

/// The compression level in the metadata, or the library's default if missing.
fn level_of(chain: &Chain) -> i32 {
    let levels = chain.specs.iter().filter(|spec| matches!(codec_name(spec), "zstd" | "gzip"));
    let level = |spec: &Value| spec.get("configuration").unwrap_or(spec).get("level")?.as_i64();
    levels.filter_map(level).next_back().and_then(|level| i32::try_from(level).ok()).unwrap_or(3)
}
