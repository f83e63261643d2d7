//! How the chunks of an output array are encoded.

use serde_json::Value;
use zarray::{Array, Chain, ZarrFormat};
use zcodec::{Blosc, Codec, Compressor, Stream, codec_name};

/// The encoding of an output array.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// The compressor.
    pub compressor: Compressor,
    /// Element size for the filter of Blosc, in bytes.
    pub typesize: u64,
    /// Whether a CRC-32C follows each chunk, as it does in the source.
    pub checksum: bool,
    /// Whether the metadata names this encoding already: chunks that really have it are then copied.
    pub unchanged: bool,
}

impl Encoding {
    /// `compressor` in place of the one of `chain`; what else the chain has is kept.
    pub fn new(compressor: Compressor, chain: &Chain, format: ZarrFormat) -> Encoding {
        let checksum = chain.tail.last() == Some(&Codec::Crc32c);
        let encoding = Encoding { compressor, typesize: chain.typesize(), checksum, unchanged: false };
        Encoding { unchanged: encoding.is_named_by(chain, format), ..encoding }
    }

    /// The encoding that `chain` has; `None` where its compressor is not one that is written.
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

    /// Memory that the encoder keeps for a chunk, estimated. The tables of zstd's levels above 16 are several times the data.
    pub fn encoder_bytes(&self, chunk_bytes: u64) -> u64 {
        match &self.compressor {
            Compressor::Stream(Stream::Zstd { level: 16.., .. }) => chunk_bytes.saturating_mul(8).min(700 << 20),
            _ => 4 << 20,
        }
    }

    /// Whether chunks become Blosc frames.
    pub fn is_blosc(&self) -> bool {
        matches!(self.compressor, Compressor::Blosc(_))
    }

    /// The member that changes in the metadata of `array`, where only the codec does.
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
                // Metadata has no word for the split mode; the chunks themselves are held against it.
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

    /// The compressor and what follows it.
    pub fn tail_v3(&self, chain: &Chain) -> Vec<Value> {
        let checksum = chain.specs.last().filter(|_| self.checksum).cloned();
        self.compressor.to_v3(self.typesize).into_iter().chain(checksum).collect()
    }
}

/// Whether every chunk is a Blosc frame, which says itself how it is compressed, whatever the metadata says.
pub fn is_self_describing(chain: &Chain) -> bool {
    matches!(chain.tail.as_slice(), [Codec::Blosc(..)] | [Codec::Blosc(..), Codec::Crc32c])
}

/// Whether the metadata names the filter that it means: numcodecs' automatic choice is rewritten as what it stands for, which
/// every reader understands.
fn states_shuffle(chain: &Chain) -> bool {
    chain.specs.iter().filter(|spec| codec_name(spec) == "blosc").all(|spec| {
        let members = spec.get("configuration").unwrap_or(spec);
        members.get("shuffle").is_some_and(|shuffle| shuffle.as_i64() != Some(-1))
    })
}

/// The level that the metadata names for the compressor, the default of its library where it names none.
fn level_of(chain: &Chain) -> i32 {
    let levels = chain.specs.iter().filter(|spec| matches!(codec_name(spec), "zstd" | "gzip"));
    let level = |spec: &Value| spec.get("configuration").unwrap_or(spec).get("level")?.as_i64();
    levels.filter_map(level).next_back().and_then(|level| i32::try_from(level).ok()).unwrap_or(3)
}
