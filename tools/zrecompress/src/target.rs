//! The new codec of an array.

use serde_json::Value;
use zarray::{Array, Chain, ZarrFormat};
use zcodec::{Blosc, Codec, Compressor, Stream, codec_name};

use crate::choices::Choices;

/// The new codec of an array.
#[derive(Clone)]
pub struct Target {
    pub compressor: Compressor,
    /// Element size for the filter.
    pub typesize: u64,
    /// Whether a CRC-32C follows each chunk, as it did before.
    pub checksum: bool,
    /// Whether the metadata says this codec already: then chunks that really are so are copied.
    pub unchanged: bool,
}

impl Target {
    pub fn of(choices: &Choices, chosen: Option<Blosc>, chain: &Chain, format: ZarrFormat) -> Target {
        let itemsize = chain.itemsize.unwrap_or(1);
        let compressor = chosen.map_or_else(|| choices.compressor(itemsize), Compressor::Blosc);
        let mut target = Target { compressor, typesize: chain.typesize(), checksum: false, unchanged: false };
        target.checksum = chain.tail.last() == Some(&Codec::Crc32c);
        target.unchanged = target.is_what_is_there(chain, format);
        target
    }

    /// What the encoder keeps of a chunk, about. Of zstd's levels above 16, the tables are several times the data.
    pub fn encoder_bytes(&self, chunk_bytes: u64) -> u64 {
        match &self.compressor {
            Compressor::Stream(Stream::Zstd { level: 16.., .. }) => chunk_bytes.saturating_mul(8).min(700 << 20),
            _ => 4 << 20,
        }
    }

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
    fn is_what_is_there(&self, chain: &Chain, format: ZarrFormat) -> bool {
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
pub fn describes_itself(chain: &Chain) -> bool {
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
