//! The codec and the chunk shapes that a user asks for; `None` where a flag was not given. Plan files keep them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zcodec::{Blosc, Cname, Compressor, Shuffle, SplitMode, Stream};
use zwire::{Failure, shell_quote};

use crate::rechunk::{Rule, Rules, Shapes};

/// What decides the codec of chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CodecOptions {
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

impl CodecOptions {
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

    /// Whether any flag was given.
    pub fn is_given(&self) -> bool {
        *self != CodecOptions::default()
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
}

/// What decides the shapes of chunks and shards, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChunkOptions {
    /// New chunk shapes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<String>,
    /// New shard shapes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<String>,
    /// Chunks of sharded arrays become objects of their own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_shards: bool,
}

impl ChunkOptions {
    /// Whether chunks or shards are to have another shape.
    pub fn is_given(&self) -> bool {
        *self != ChunkOptions::default()
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

    /// The flags as they are typed.
    pub fn flags(&self) -> impl Iterator<Item = String> {
        let chunks = self.chunks.iter().map(|shape| format!("--chunks {}", shell_quote(shape)));
        let shards = self.shards.iter().map(|shape| format!("--shards {}", shell_quote(shape)));
        chunks.chain(shards).chain(self.no_shards.then(|| "--no-shards".to_owned()))
    }
}

/// Options that were given on top of those of a plan, which fixes them: what was given must be what the plan has.
///
/// # Errors
/// A usage failure that names the first flag that differs.
pub fn as_planned<T: Serialize + Clone>(given: &T, planned: &T) -> Result<T, Failure> {
    let members = |options: &T| match serde_json::to_value(options) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let in_plan = members(planned);
    let differs = |(flag, value): &(&String, &Value)| in_plan.get(*flag) != Some(value);
    match members(given).iter().find(differs) {
        None => Ok(planned.clone()),
        Some((flag, _)) => {
            let text = format!("--{} differs from the unfinished run", flag.replace('_', "-"));
            Err(Failure::usage(text).hint("remove the flag, or start over with --overwrite"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_fixes_what_decides_the_bytes() {
        let plan = CodecOptions { cname: Some("lz4".into()), clevel: Some(5), ..CodecOptions::default() };
        assert_eq!(as_planned(&CodecOptions::default(), &plan).expect("no flag is given"), plan);
        assert_eq!(as_planned(&plan, &plan).expect("the same flags are given"), plan);
        let other = CodecOptions { clevel: Some(6), ..CodecOptions::default() };
        assert!(as_planned(&other, &plan).expect_err("another level").to_string().contains("--clevel"));
        let chunks = ChunkOptions { chunks: vec!["1,2".into()], ..ChunkOptions::default() };
        let failure = as_planned(&chunks, &ChunkOptions::default()).expect_err("other chunks");
        assert!(failure.to_string().contains("--chunks"));
    }

    #[test]
    fn flags_of_another_codec_are_refused() {
        let zstd = |change: fn(&mut CodecOptions)| {
            let mut options = CodecOptions { codec: Some(CodecName::Zstd), ..CodecOptions::default() };
            change(&mut options);
            options.check().is_ok()
        };
        assert!(zstd(|options| options.clevel = Some(19)));
        assert!(!zstd(|options| options.clevel = Some(23)));
        assert!(!zstd(|options| options.cname = Some("lz4".into())));
        assert!(!zstd(|options| options.split = Some("always".into())));
        let blosc = CodecOptions { clevel: Some(10), ..CodecOptions::default() };
        assert!(blosc.check().is_err());
    }
}
