//! What decides the bytes of the output. A plan fixes it: whoever goes on with an unfinished output, or does a part of it, gets
//! the same.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zarray::ZarrFormat;
use zcli::clap::{self, Args, ValueEnum};
use zcodec::{Blosc, Cname, Compressor, Shuffle, SplitMode, Stream};
use zwire::Failure;

use crate::cli::{parse_blocksize, parse_size_text};
use crate::rechunk::{Rule, Rules, Shapes};

/// Flags that decide the bytes of the output; nothing where a flag was not given.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Codec options")]
#[serde(default)]
pub struct Choices {
    /// Codec of the new chunks [default: blosc]
    #[arg(long, value_name = "CODEC", value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<CodecFlag>,
    /// Compressor inside Blosc [default: zstd]
    #[arg(long, value_name = "NAME", value_parser = ["zstd", "lz4", "lz4hc", "blosclz", "zlib"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cname: Option<String>,
    /// Compression level: 0 to 9, with --codec zstd up to 22 [default: 3; with --codec gzip 5]
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clevel: Option<i32>,
    /// Filter inside Blosc; auto is bitshuffle for elements of one byte and shuffle for all others [default: auto]
    #[arg(long, value_name = "FILTER", value_parser = ["auto", "shuffle", "bitshuffle", "noshuffle"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<String>,
    /// Whether a Blosc block is compressed as one stream a byte position; auto is Blosc's own choice [default: auto]
    #[arg(long, value_name = "MODE", value_parser = ["auto", "always", "never"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Bytes of a Blosc block, the unit that threads share; 0 lets Blosc choose [default: 0]
    #[arg(long, value_name = "SIZE", value_parser = parse_blocksize)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocksize: Option<u64>,
    /// New chunk shape: "time=744,latitude=16", or "744,16,16"; -1 is the whole dimension, a dimension not named keeps its
    /// length. "t2m:time=744" is for arrays of that name only (a glob). Repeatable, the last match counts
    #[arg(long, value_name = "SHAPE", allow_hyphen_values = true, help_heading = "Chunk options")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<String>,
    /// New shard shape, a multiple of the chunk shape, in the same words; Zarr v3 only. A shard larger than the memory is written
    /// in slices: the order of its chunks, not their values, then depends on --max-memory and --jobs
    #[arg(long, value_name = "SHAPE", allow_hyphen_values = true, help_heading = "Chunk options")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<String>,
    /// Store the chunks of sharded arrays as objects of their own
    #[arg(long, conflicts_with = "shards", help_heading = "Chunk options")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_shards: bool,
    /// Zarr format of the output [default: that of the source]
    #[arg(long, value_name = "FORMAT", value_parser = clap::value_parser!(u8).range(2..=3), help_heading = "Chunk options")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zarr_format: Option<u8>,
    /// Coordinate arrays below this decoded size are copied as they are [default: 64K]
    #[arg(long, value_name = "SIZE", value_parser = parse_size_text, help_heading = "Selection options")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_size: Option<u64>,
    /// Only arrays that match: a name ("t2m", "*_mean"), or with a slash the whole path ("/surface/*"); repeatable. The others
    /// are copied as they are
    #[arg(long, value_name = "GLOB", help_heading = "Selection options")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub var: Vec<String>,
    /// Copy arrays that cannot be taken apart as they are, instead of refusing the store
    #[arg(long, help_heading = "Selection options")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub copy_unknown: bool,
}

/// `--codec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodecFlag {
    /// Blosc, whose blocks can be decoded one by one.
    Blosc,
    /// One Zstandard frame a chunk.
    Zstd,
    /// One gzip member a chunk.
    Gzip,
    /// Nothing.
    None,
}

/// Coordinate arrays below this are left alone.
const MIN_SIZE: u64 = 64 * 1024;

impl Choices {
    /// The compressor for elements of `itemsize` bytes.
    pub fn compressor(&self, itemsize: u64) -> Compressor {
        let level = self.clevel.unwrap_or(3);
        match self.codec.unwrap_or(CodecFlag::Blosc) {
            CodecFlag::Blosc => Compressor::Blosc(self.blosc(itemsize)),
            CodecFlag::Zstd => Compressor::Stream(Stream::Zstd { level, checksum: false }),
            CodecFlag::Gzip => Compressor::Stream(Stream::Gzip { level: self.clevel.unwrap_or(5).unsigned_abs() }),
            CodecFlag::None => Compressor::None,
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
        let blosc = self.codec.unwrap_or(CodecFlag::Blosc) == CodecFlag::Blosc;
        let of_blosc = [
            ("--cname", self.cname.is_some()),
            ("--shuffle", self.shuffle.is_some()),
            ("--split", self.split.is_some()),
            ("--blocksize", self.blocksize.is_some()),
        ];
        if let Some((flag, _)) = of_blosc.iter().find(|(_, given)| *given && !blosc) {
            return Err(Failure::usage(format!("{flag} is for --codec blosc")));
        }
        let levels = match self.codec {
            Some(CodecFlag::Zstd) => -131_072..=22,
            Some(CodecFlag::None) => {
                return self
                    .clevel
                    .map_or(Ok(()), |_| Err(Failure::usage("--clevel is for a codec, and --codec none is none")));
            }
            _ => 0..=9,
        };
        match self.clevel.filter(|level| !levels.contains(level)) {
            Some(level) => {
                let text = format!("--clevel {level} is not in {} to {}", levels.start(), levels.end());
                Err(Failure::usage(text))
            }
            None => Ok(()),
        }
    }

    /// These flags on top of those of a plan: what was given must be what the plan says, for it fixes everything.
    ///
    /// # Errors
    /// A usage failure that names the first flag that differs.
    pub fn resume(&self, plan: &Choices) -> Result<Choices, Failure> {
        let (given, planned) = (self.members(), plan.members());
        let differs = |(flag, value): &(&String, &Value)| planned.get(*flag) != Some(value);
        match given.iter().find(differs) {
            None => Ok(plan.clone()),
            Some((flag, _)) => {
                let flag = flag.replace('_', "-");
                let text = format!("--{flag} is not what the unfinished run was begun with");
                Err(Failure::usage(text).hint("leave it out, or begin anew with --overwrite"))
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
        let plan = Choices { cname: Some("lz4".into()), clevel: Some(5), ..Choices::default() };
        assert_eq!(Choices::default().resume(&plan).expect("nothing is said"), plan);
        assert_eq!(plan.resume(&plan).expect("the same is said"), plan);
        let other = Choices { clevel: Some(6), ..Choices::default() };
        assert!(other.resume(&plan).expect_err("another level").to_string().contains("--clevel"));
        let other = Choices { chunks: vec!["1,2".into()], ..Choices::default() };
        assert!(other.resume(&plan).expect_err("other chunks").to_string().contains("--chunks"));
    }

    #[test]
    fn flags_of_another_codec_are_refused() {
        let zstd = |change: fn(&mut Choices)| {
            let mut choices = Choices { codec: Some(CodecFlag::Zstd), ..Choices::default() };
            change(&mut choices);
            choices.check().is_ok()
        };
        assert!(zstd(|choices| choices.clevel = Some(19)));
        assert!(!zstd(|choices| choices.clevel = Some(23)));
        assert!(!zstd(|choices| choices.cname = Some("lz4".into())));
        assert!(!zstd(|choices| choices.split = Some("always".into())));
        let blosc = Choices { clevel: Some(10), ..Choices::default() };
        assert!(blosc.check().is_err());
    }
}
