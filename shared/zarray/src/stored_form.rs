//! Whether a stored object can be what its metadata says, judged by its first bytes and its size: nothing is decoded.
//!
//! A server that answers with an error page, and a transfer that was cut, give bytes that no codec wrote.

use zcodec::{Codec, Header};

use crate::chain::Chain;

/// First bytes of an object that are looked at.
pub const HEAD_BYTES: usize = 16;

/// Bytes of a CRC-32C.
const CHECKSUM: u64 = 4;

impl Chain {
    /// What [`Chain::check_form`] checks, in a word: the compressor whose header it reads, or the size.
    pub fn form(&self) -> &'static str {
        if self.unknown.is_some() || self.sharding.is_some() {
            return "size";
        }
        let mut compressors = self.tail.iter().rev().filter(|codec| !matches!(codec, Codec::Crc32c));
        match compressors.next() {
            Some(Codec::Blosc(..)) => "blosc",
            Some(Codec::Zstd) => "zstd",
            Some(Codec::Gzip) => "gzip",
            Some(Codec::Bz2) => "bz2",
            Some(Codec::Zlib) => "zlib",
            _ => "size",
        }
    }

    /// Checks an object of `size` bytes that starts with `head` ([`HEAD_BYTES`], or all of a smaller one). Shards and codecs
    /// whose form does not show are let pass.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_form(&self, head: &[u8], size: u64) -> Result<(), String> {
        if self.unknown.is_some() || self.sharding.is_some() {
            return Ok(());
        }
        let (size, codecs) = match self.tail.split_last() {
            Some((Codec::Crc32c, before)) => {
                (size.checked_sub(CHECKSUM).ok_or("it is shorter than its checksum")?, before)
            }
            _ => (size, self.tail.as_slice()),
        };
        match codecs.last() {
            Some(Codec::Blosc(..)) => {
                let header = Header::parse(head).map_err(|error| error.to_string())?;
                // Some writers leave bytes after the frame, which decoders do not look at.
                match u64::from(header.cbytes) <= size {
                    true => Ok(()),
                    false => Err(format!("its Blosc header says {} bytes, and it has {size}", header.cbytes)),
                }
            }
            Some(Codec::Zstd) => starts(head, &[0x28, 0xb5, 0x2f, 0xfd], "Zstandard"),
            Some(Codec::Gzip) => starts(head, &[0x1f, 0x8b], "gzip"),
            Some(Codec::Bz2) => starts(head, b"BZh", "bzip2"),
            Some(Codec::Zlib) => match head {
                [method, flags, ..] if method & 15 == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0 => {
                    Ok(())
                }
                _ => Err("it is not a zlib stream".into()),
            },
            None if self.chunk_bytes.is_some_and(|bytes| bytes != size) => {
                Err(format!("it has {size} bytes, and an uncompressed chunk {}", self.chunk_bytes.unwrap_or(0)))
            }
            _ => Ok(()),
        }
    }
}

fn starts(head: &[u8], magic: &[u8], name: &str) -> Result<(), String> {
    if head.starts_with(magic) { Ok(()) } else { Err(format!("it is not a {name} stream")) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use zcodec::{Blosc, Cname, Compressor, Shuffle, Stream, Workspace};

    use super::*;

    fn chain(compressor: &Value) -> Chain {
        Chain::v2(&json!("<u2"), &[], Some(compressor).filter(|it| !it.is_null()), 100).expect("a chain")
    }

    #[test]
    fn chunks_pass_and_what_a_server_puts_in_their_place_does_not() {
        let blosc = Compressor::Blosc(Blosc::new(Cname::Lz4, 5, Shuffle::Shuffle));
        let zstd = Compressor::Stream(Stream::Zstd { level: 3, checksum: false });
        let gzip = Compressor::Stream(Stream::Gzip { level: 3 });
        let raw: Vec<u8> = (0..200).collect();
        for compressor in [blosc, zstd, gzip, Compressor::None] {
            let mut stored = Vec::new();
            compressor.compress(2, &raw, &mut stored, 1, &mut Workspace::default()).expect("compresses");
            let chain = chain(&compressor.to_v2());
            let check = |bytes: &[u8]| chain.check_form(&bytes[..bytes.len().min(HEAD_BYTES)], bytes.len() as u64);
            assert_eq!(check(&stored), Ok(()), "{compressor:?}");
            assert!(check(b"<html><body>Not found</body></html>").is_err(), "{compressor:?}");
            assert!(check(b"").is_err(), "{compressor:?}");
            if matches!(compressor, Compressor::Blosc(_) | Compressor::None) {
                assert!(check(&stored[..stored.len() / 2]).is_err(), "{compressor:?} cut in half");
            }
        }
    }

    #[test]
    fn a_checksum_after_the_frame_is_not_of_it() {
        let codecs = [json!({"name": "bytes", "configuration": {"endian": "little"}}), json!({"name": "crc32c"})];
        let chain = Chain::v3(&json!("uint16"), &codecs, &[100]).expect("a chain");
        assert_eq!(chain.check_form(&[0; 16], 204), Ok(()));
        assert!(chain.check_form(&[0; 16], 200).is_err() && chain.check_form(&[0; 3], 3).is_err());
    }
}
