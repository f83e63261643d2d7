//! Command-line flags of tools that encode chunks: the codec, and the shapes of chunks and shards.

use clap::{Args, ValueEnum};
use zarray::parse_size;
use zstage::{ChunkOptions, CodecName, CodecOptions};
use zwire::Failure;

/// Flags that decide the codec; `None` if not given.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Codec options")]
pub struct CodecFlags {
    /// Codec of the output chunks [default: blosc]
    #[arg(long, value_name = "CODEC", value_enum)]
    pub codec: Option<CodecFlag>,
    /// Compressor inside Blosc [default: zstd]
    #[arg(long, value_name = "NAME", value_parser = ["zstd", "lz4", "lz4hc", "blosclz", "zlib"])]
    pub cname: Option<String>,
    /// Compression level: 0 to 9, or up to 22 with --codec zstd [default: 3, or 5 with --codec gzip]
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true)]
    pub clevel: Option<i32>,
    /// Shuffle filter of Blosc; auto is bitshuffle for 1-byte elements, otherwise shuffle [default: auto]
    #[arg(long, value_name = "FILTER", value_parser = ["auto", "shuffle", "bitshuffle", "noshuffle"])]
    pub shuffle: Option<String>,
    /// Whether Blosc splits each block into one stream per byte position; auto lets Blosc choose [default: auto]
    #[arg(long, value_name = "MODE", value_parser = ["auto", "always", "never"])]
    pub split: Option<String>,
    /// Blosc block size in bytes; threads work on separate blocks; 0 lets Blosc choose [default: 0]
    #[arg(long, value_name = "SIZE", value_parser = parse_blocksize)]
    pub blocksize: Option<u64>,
}

/// Flags that decide the shapes of chunks and shards.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Chunk options")]
pub struct ChunkFlags {
    /// New chunk shape: "time=744,latitude=16" or "744,16,16"; -1 is the whole dimension; dimensions not named keep their chunk
    /// length. "t2m:time=744" applies only to arrays whose name matches the glob. Repeatable; the last match wins
    #[arg(long, value_name = "SHAPE", allow_hyphen_values = true)]
    pub chunks: Vec<String>,
    /// New shard shape, a multiple of the chunk shape, in the same syntax; Zarr v3 only
    #[arg(long, value_name = "SHAPE", allow_hyphen_values = true)]
    pub shards: Vec<String>,
    /// Store the chunks of sharded arrays as separate objects
    #[arg(long, conflicts_with = "shards")]
    pub no_shards: bool,
}

impl CodecFlags {
    /// The options.
    ///
    /// # Errors
    /// [`Exit::Usage`](zwire::Exit::Usage) with the flags that contradict each other.
    pub fn options(&self) -> Result<CodecOptions, Failure> {
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
        let options = CodecOptions {
            codec: self.codec.map(codec).transpose()?,
            cname: self.cname.clone(),
            clevel: self.clevel,
            shuffle: self.shuffle.clone(),
            split: self.split.clone(),
            blocksize: self.blocksize,
        };
        options.check()?;
        Ok(options)
    }
}

impl ChunkFlags {
    /// The options.
    pub fn options(&self) -> ChunkOptions {
        ChunkOptions { chunks: self.chunks.clone(), shards: self.shards.clone(), no_shards: self.no_shards }
    }
}

/// `--codec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CodecFlag {
    /// Blosc: blocks can be decoded separately.
    Blosc,
    /// One Zstandard frame per chunk.
    Zstd,
    /// One gzip member per chunk.
    Gzip,
    /// No compression.
    None,
    /// A compressor inside Blosc, which `--cname` names.
    #[value(hide = true)]
    Lz4,
    /// The same.
    #[value(hide = true)]
    Lz4hc,
    /// The same.
    #[value(hide = true)]
    Blosclz,
    /// The same.
    #[value(hide = true)]
    Zlib,
}

/// Allowed block sizes: c-blosc 1.21 enlarges blocks below 128 bytes, and its `BLOSC_MAX_BLOCKSIZE` is the upper limit.
const BLOCKSIZES: std::ops::RangeInclusive<u64> = 128..=(i32::MAX as u64 - 255 * 4) / 3;

fn parse_blocksize(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        size if size == 0 || BLOCKSIZES.contains(&size) => Ok(size),
        _ => Err(format!("the block size must be {} to {} bytes", BLOCKSIZES.start(), BLOCKSIZES.end())),
    }
}
