//! Encoding of a written chunk: a Blosc frame, a single stream, or uncompressed.

use serde_json::Value;

use crate::{Blosc, Codec, CodecError, SplitMode, Stream, Workspace, describe};

/// How chunks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compressor {
    /// A Blosc frame.
    Blosc(Blosc),
    /// A single stream.
    Stream(Stream),
    /// Uncompressed.
    None,
}

impl Compressor {
    /// Compresses `src`, with elements of `typesize` bytes, into `dst` (overwritten). `threads` threads compress the
    /// blocks of a Blosc frame; the output does not depend on their number.
    ///
    /// # Errors
    /// The errors of [`Blosc::compress`] and [`Stream::compress`].
    pub fn compress(
        &self,
        typesize: usize,
        src: &[u8],
        dst: &mut Vec<u8>,
        threads: usize,
        workspace: &mut Workspace,
    ) -> Result<(), CodecError> {
        match self {
            Compressor::Blosc(blosc) => blosc.compress(typesize, src, dst, threads, workspace),
            Compressor::Stream(stream) => stream.compress(src, dst, workspace),
            Compressor::None => {
                dst.clear();
                dst.extend_from_slice(src);
                Ok(())
            }
        }
    }

    /// The codec that decodes it; `None` if uncompressed.
    pub fn codec(&self) -> Option<Codec> {
        match self {
            Compressor::Blosc(blosc) => Some(Codec::Blosc(*blosc, None)),
            Compressor::Stream(stream) => Some(stream.codec()),
            Compressor::None => None,
        }
    }

    /// The Zarr v2 `compressor`: an object, or null.
    pub fn to_v2(&self) -> Value {
        match self {
            Compressor::Blosc(blosc) => blosc.to_v2(),
            Compressor::Stream(stream) => stream.to_v2(),
            Compressor::None => Value::Null,
        }
    }

    /// The entry in a Zarr v3 `codecs` list; `None` if uncompressed.
    pub fn to_v3(&self, typesize: u64) -> Option<Value> {
        match self {
            Compressor::Blosc(blosc) => Some(blosc.to_v3(typesize)),
            Compressor::Stream(stream) => Some(stream.to_v3()),
            Compressor::None => None,
        }
    }

    /// Short description: `blosc(zstd,2,shuffle,split=always)`, `gzip(5)`, `none`.
    pub fn describe(&self) -> String {
        let text = describe(&self.to_v2());
        match self {
            Compressor::None => "none".to_owned(),
            Compressor::Blosc(blosc) if blosc.split != SplitMode::Auto => {
                format!("{},split={})", text.trim_end_matches(')'), blosc.split.name())
            }
            _ => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cname, Shuffle};

    #[test]
    fn every_kind_round_trips_and_is_described() {
        let blosc = Blosc { split: SplitMode::Always, ..Blosc::new(Cname::Zstd, 2, Shuffle::Shuffle) };
        let src: Vec<u8> = (0..9000u32).flat_map(|i| (i / 5).to_le_bytes()).collect();
        let (mut packed, mut back, mut workspace) = (Vec::new(), Vec::new(), Workspace::default());
        for (compressor, text) in [
            (Compressor::Blosc(blosc), "blosc(zstd,2,shuffle,split=always)"),
            (Compressor::Blosc(Blosc { split: SplitMode::Auto, ..blosc }), "blosc(zstd,2,shuffle)"),
            (Compressor::Stream(Stream::Gzip { level: 5 }), "gzip(5)"),
            (Compressor::None, "none"),
        ] {
            assert_eq!(compressor.describe(), text);
            assert_eq!(compressor.to_v3(4).is_none(), compressor.to_v2().is_null(), "{text}");
            compressor.compress(4, &src, &mut packed, 2, &mut workspace).expect("compresses");
            match compressor.codec() {
                Some(codec) => codec.decode(&packed, Some(src.len()), &mut back, 1, &mut workspace).expect("decodes"),
                None => back.clone_from(&packed),
            }
            assert!(back == src, "{text}");
        }
    }

    #[test]
    fn split_mode_is_not_in_metadata() {
        let blosc = Blosc { split: SplitMode::Always, ..Blosc::new(Cname::Zstd, 2, Shuffle::Shuffle) };
        let plain = Blosc { split: SplitMode::Auto, ..blosc };
        assert_eq!((blosc.to_v2(), blosc.to_v3(4)), (plain.to_v2(), plain.to_v3(4)));
        assert_eq!(Codec::from_v2(&blosc.to_v2(), 4), Ok(Codec::Blosc(plain, None)));
    }
}
