//! Encoders of the single-stream formats, and their Zarr metadata.
//!
//! Metadata: numcodecs 0.16's `get_config` for Zarr v2; the `zstd` and `gzip` pages of the Zarr v3 specification, and
//! zarr-python's `numcodecs.zlib`, for v3.

use std::io::{self, Write};

use flate2::Compression;
use serde_json::{Value, json};
use zstd_safe::{CCtx, CParameter, ResetDirective};

use crate::{Codec, CodecError, Workspace, set_len};

/// A compressor that writes a chunk as a single stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// One Zstandard frame with its decoded size in the header, as required by some readers.
    Zstd {
        /// Level; 0 is zstd's default.
        level: i32,
        /// Whether to store a checksum of the decoded bytes.
        checksum: bool,
    },
    /// One gzip member without modification time or file name, for deterministic output.
    Gzip {
        /// Level, 0 to 9.
        level: u32,
    },
    /// One zlib stream.
    Zlib {
        /// Level, 0 to 9.
        level: u32,
    },
}

impl Stream {
    /// Compresses `src` into `dst` (overwritten).
    ///
    /// # Errors
    /// [`CodecError::Configuration`] if the format does not support the level.
    pub fn compress(&self, src: &[u8], dst: &mut Vec<u8>, workspace: &mut Workspace) -> Result<(), CodecError> {
        match *self {
            Stream::Zstd { level, checksum } => zstd(level, checksum, src, dst, workspace),
            Stream::Gzip { level } => gzip(self.deflate(level)?, src, dst).map_err(|error| self.failed(&error)),
            Stream::Zlib { level } => zlib(self.deflate(level)?, src, dst).map_err(|error| self.failed(&error)),
        }
    }

    /// The Zarr v2 `compressor` object.
    pub fn to_v2(&self) -> Value {
        match *self {
            // Omitted like in numcodecs, because older readers do not know this member.
            Stream::Zstd { level, checksum: false } => json!({"id": "zstd", "level": level}),
            Stream::Zstd { level, checksum } => json!({"id": "zstd", "level": level, "checksum": checksum}),
            Stream::Gzip { level } => json!({"id": "gzip", "level": level}),
            Stream::Zlib { level } => json!({"id": "zlib", "level": level}),
        }
    }

    /// The entry in a Zarr v3 `codecs` list.
    pub fn to_v3(&self) -> Value {
        match *self {
            Stream::Zstd { level, checksum } => {
                json!({"name": "zstd", "configuration": {"level": level, "checksum": checksum}})
            }
            Stream::Gzip { level } => json!({"name": "gzip", "configuration": {"level": level}}),
            Stream::Zlib { level } => json!({"name": "numcodecs.zlib", "configuration": {"level": level}}),
        }
    }

    /// The codec that decodes it.
    pub fn codec(&self) -> Codec {
        match self {
            Stream::Zstd { .. } => Codec::Zstd,
            Stream::Gzip { .. } => Codec::Gzip,
            Stream::Zlib { .. } => Codec::Zlib,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Stream::Zstd { .. } => "zstd",
            Stream::Gzip { .. } => "gzip",
            Stream::Zlib { .. } => "zlib",
        }
    }

    fn deflate(&self, level: u32) -> Result<Compression, CodecError> {
        match level {
            0..=9 => Ok(Compression::new(level)),
            _ => Err(no_such_level(self.name(), format!("level {level} is not in the range 0 to 9"))),
        }
    }

    fn failed(&self, error: &io::Error) -> CodecError {
        CodecError::Invalid { format: self.name(), detail: format!("the compressor failed: {error}") }
    }
}

fn no_such_level(name: &str, detail: String) -> CodecError {
    CodecError::Configuration { name: name.to_owned(), detail }
}

fn gzip(level: Compression, src: &[u8], dst: &mut Vec<u8>) -> io::Result<()> {
    dst.clear();
    let mut encoder = flate2::GzBuilder::new().mtime(0).write(dst, level);
    encoder.write_all(src)?;
    encoder.finish().map(drop)
}

fn zlib(level: Compression, src: &[u8], dst: &mut Vec<u8>) -> io::Result<()> {
    dst.clear();
    let mut encoder = flate2::write::ZlibEncoder::new(dst, level);
    encoder.write_all(src)?;
    encoder.finish().map(drop)
}

fn zstd(
    level: i32,
    checksum: bool,
    src: &[u8],
    dst: &mut Vec<u8>,
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    let levels = zstd_safe::min_c_level()..=zstd_safe::max_c_level();
    if !levels.contains(&level) {
        return Err(no_such_level(
            "zstd",
            format!("level {level} is not in the range {} to {}", levels.start(), levels.end()),
        ));
    }
    let failed = |code| CodecError::Invalid {
        format: "zstd",
        detail: format!("the compressor failed: {}", zstd_safe::get_error_name(code).to_ascii_lowercase()),
    };
    let cctx = workspace.cctx.get_or_insert_with(CCtx::create);
    cctx.reset(ResetDirective::SessionAndParameters).map_err(failed)?;
    let parameters =
        [CParameter::CompressionLevel(level), CParameter::ChecksumFlag(checksum), CParameter::ContentSizeFlag(true)];
    for parameter in parameters {
        cctx.set_parameter(parameter).map_err(failed)?;
    }
    set_len(dst, zstd_safe::compress_bound(src.len()));
    let len = cctx.compress2(dst.as_mut_slice(), src).map_err(failed)?;
    dst.truncate(len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Blosc, Cname, Shuffle};

    fn any_stream() -> impl Strategy<Value = Stream> {
        prop_oneof![
            (-5..12i32, any::<bool>()).prop_map(|(level, checksum)| Stream::Zstd { level, checksum }),
            (0..=9u32).prop_map(|level| Stream::Gzip { level }),
            (0..=9u32).prop_map(|level| Stream::Zlib { level }),
        ]
    }

    proptest! {
        #[test]
        fn every_stream_round_trips(
            stream in any_stream(), words in prop::collection::vec(0u16..50, 0..5000), known: bool,
        ) {
            let src: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let (mut packed, mut back, mut workspace) = (vec![1; 7], vec![2; 3], Workspace::default());
            stream.compress(&src, &mut packed, &mut workspace).expect("compresses");
            let expected = known.then_some(src.len());
            stream.codec().decode(&packed, expected, &mut back, 1, &mut workspace).expect("decodes");
            prop_assert!(back == src);
            prop_assert_eq!(Codec::from_v2(&stream.to_v2(), 4), Ok(stream.codec()));
            prop_assert_eq!(Codec::from_v3(&stream.to_v3()), Ok(stream.codec()));
        }
    }

    #[test]
    fn zstd_frames_store_size_and_checksum() {
        let src = vec![3u8; 100_000];
        let (mut plain, mut checked, mut workspace) = (Vec::new(), Vec::new(), Workspace::default());
        Stream::Zstd { level: 3, checksum: true }.compress(&src, &mut checked, &mut workspace).expect("compresses");
        Stream::Zstd { level: 3, checksum: false }.compress(&src, &mut plain, &mut workspace).expect("compresses");
        assert!(matches!(zstd_safe::get_frame_content_size(&plain), Ok(Some(100_000))));
        assert_eq!(plain.len() + 4, checked.len());
        *checked.last_mut().expect("not empty") ^= 1;
        let mut back = Vec::new();
        assert!(Codec::Zstd.decode(&checked, Some(src.len()), &mut back, 1, &mut workspace).is_err());
    }

    #[test]
    fn reused_context_writes_identical_blosc_frames() {
        let src: Vec<u8> = (0..60_000u32).flat_map(|i| (i / 9).to_le_bytes()).collect();
        let codec = Blosc::new(Cname::Zstd, 3, Shuffle::Shuffle);
        let (mut fresh, mut used, mut workspace) = (Vec::new(), Vec::new(), Workspace::default());
        codec.compress(4, &src, &mut fresh, 1, &mut Workspace::default()).expect("compresses");
        Stream::Zstd { level: 9, checksum: true }.compress(&src, &mut used, &mut workspace).expect("compresses");
        codec.compress(4, &src, &mut used, 1, &mut workspace).expect("compresses");
        assert!(fresh == used);
    }

    #[test]
    fn gzip_stores_neither_time_nor_name() {
        let mut packed = Vec::new();
        Stream::Gzip { level: 1 }.compress(b"abc", &mut packed, &mut Workspace::default()).expect("compresses");
        assert_eq!(packed[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn metadata_matches_zarr_python() {
        let zstd = Stream::Zstd { level: 3, checksum: false };
        assert_eq!(zstd.to_v2().to_string(), r#"{"id":"zstd","level":3}"#);
        assert_eq!(zstd.to_v3().to_string(), r#"{"name":"zstd","configuration":{"level":3,"checksum":false}}"#);
        let gzip = Stream::Gzip { level: 5 };
        assert_eq!(gzip.to_v2().to_string(), r#"{"id":"gzip","level":5}"#);
        assert_eq!(gzip.to_v3().to_string(), r#"{"name":"gzip","configuration":{"level":5}}"#);
        let zlib = Stream::Zlib { level: 4 };
        assert_eq!(zlib.to_v2().to_string(), r#"{"id":"zlib","level":4}"#);
        assert_eq!(zlib.to_v3().to_string(), r#"{"name":"numcodecs.zlib","configuration":{"level":4}}"#);
    }

    #[test]
    fn unsupported_levels_are_refused() {
        let (mut dst, mut workspace) = (Vec::new(), Workspace::default());
        let streams =
            [Stream::Zstd { level: 23, checksum: false }, Stream::Gzip { level: 10 }, Stream::Zlib { level: u32::MAX }];
        for stream in streams {
            let error = stream.compress(b"abc", &mut dst, &mut workspace);
            assert!(matches!(error, Err(CodecError::Configuration { .. })), "{stream:?}: {error:?}");
        }
    }
}
