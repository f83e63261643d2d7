//! The first bytes of a stored chunk against the metadata and the size of the object.

use std::ops::Range;

use zarray::Chain;
use zcodec::{BlockTable, Codec, HEADER_LEN, Header};
use zstore::StoreError;
use zwire::Severity;

use crate::kinds::Kind;

/// First bytes of a chunk that are read: a Blosc header and the table of up to 124 blocks.
pub const HEAD: u64 = 512;

/// Something wrong with a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its kind.
    pub kind: Kind,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: Option<String>,
    /// Number of the inner chunk in its shard.
    pub inner: Option<u64>,
}

impl Problem {
    /// A problem of a chunk.
    pub fn new(kind: Kind, found: impl Into<String>) -> Problem {
        Problem { kind, found: found.into(), expected: None, inner: None }
    }

    fn expected(self, expected: impl Into<String>) -> Problem {
        Problem { expected: Some(expected.into()), ..self }
    }

    /// Whether the chunk need not be decoded to know that it is damaged.
    pub fn is_damage(&self) -> bool {
        self.kind.about().severity == Severity::Error
    }
}

/// Reads a range of the stored chunk.
pub type ReadRange<'r> = &'r mut dyn FnMut(Range<u64>) -> Result<Vec<u8>, StoreError>;

/// What is wrong with a chunk of `size` bytes that starts with `head` ([`HEAD`] bytes, or all of a smaller one).
///
/// # Errors
/// The store's, from `read`.
pub fn examine(chain: &Chain, head: &[u8], size: u64, read: ReadRange) -> Result<Vec<Problem>, StoreError> {
    if size == 0 {
        return Ok(vec![Problem::new(Kind::EmptyObject, "0 bytes").expected("a chunk")]);
    }
    if chain.unknown.is_some() || chain.sharding.is_some() {
        return Ok(Vec::new());
    }
    // Checksums follow what they are of.
    let checksums = chain.tail.iter().rev().take_while(|codec| **codec == Codec::Crc32c).count();
    let codecs = &chain.tail[..chain.tail.len() - checksums];
    let Some(stored) = size.checked_sub(4 * checksums as u64) else {
        return Ok(vec![Problem::new(Kind::Truncated, format!("{size} bytes")).expected("a chunk and its checksum")]);
    };
    match codecs.last() {
        None => Ok(raw(chain, stored).into_iter().collect()),
        Some(Codec::Blosc(..)) => blosc(chain, codecs, head, stored, read),
        Some(codec) => Ok(stream(codec, chain.chunk_bytes.filter(|_| codecs.len() == 1), head).into_iter().collect()),
    }
}

fn raw(chain: &Chain, stored: u64) -> Option<Problem> {
    let expected = chain.chunk_bytes.filter(|expected| *expected != stored)?;
    Some(Problem::new(Kind::WrongSize, format!("{stored} bytes")).expected(format!("{expected} bytes, uncompressed")))
}

fn blosc(
    chain: &Chain,
    codecs: &[Codec],
    head: &[u8],
    stored: u64,
    read: ReadRange,
) -> Result<Vec<Problem>, StoreError> {
    let header = match Header::parse(head) {
        Ok(header) if header.cname().is_some() => header,
        Ok(_) => return Ok(vec![Problem::new(Kind::BadHeader, "unknown compressor code in the Blosc header")]),
        Err(_) if stored < HEADER_LEN as u64 => {
            let problem = Problem::new(Kind::Truncated, format!("{stored} bytes"));
            return Ok(vec![problem.expected("a Blosc header of 16 bytes")]);
        }
        Err(error) => {
            // Format 2, with any of the compressors.
            let is_blosc = head.starts_with(&[2, 1]);
            let kind = if is_blosc { Kind::BadHeader } else { Kind::WrongCodec };
            let found = if is_blosc { error.to_string() } else { format_of(head).to_owned() };
            return Ok(vec![Problem::new(kind, found).expected("a Blosc frame")]);
        }
    };
    let mut problems = Vec::new();
    let cbytes = u64::from(header.cbytes);
    if cbytes > stored {
        problems.push(Problem::new(Kind::Truncated, format!("{stored} bytes")).expected(format!("{cbytes} bytes")));
    } else if cbytes < stored {
        problems.push(Problem::new(Kind::ExtraBytes, format!("{} extra bytes", stored - cbytes)));
    }
    let nbytes = u64::from(header.nbytes);
    let direct = codecs.len() == 1;
    if let Some(expected) = chain.chunk_bytes.filter(|expected| direct && *expected != nbytes) {
        let problem = Problem::new(Kind::WrongNbytes, format!("decodes to {nbytes} bytes"));
        problems.push(problem.expected(format!("{expected} bytes")));
    }
    let itemsize = chain.itemsize.filter(|size| (2..=255).contains(size));
    if let Some(itemsize) = itemsize.filter(|_| header.shuffles_nothing()) {
        let problem = Problem::new(Kind::Typesize, "element size 1 in the header");
        problems.push(problem.expected(format!("element size {itemsize}")));
    }
    if cbytes <= stored
        && let Some(range) = header.block_table_range()
    {
        let held = usize::try_from(range.end).ok().and_then(|end| head.get(range.start as usize..end));
        let table = match held {
            Some(held) => BlockTable::parse(&header, held),
            None => BlockTable::parse(&header, &read(range)?),
        };
        if let Err(error) = table {
            problems.push(Problem::new(Kind::BlockTable, error.to_string()));
        }
    }
    Ok(problems)
}

/// A chunk of a format with one stream. `expected` is its decoded size, if no other codec lies in between.
fn stream(codec: &Codec, expected: Option<u64>, head: &[u8]) -> Option<Problem> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    // Magic numbers: RFC 8878, RFC 1952, RFC 1950, the bzip2 and xz formats; numcodecs' lz4 starts with its size.
    let (name, is_right) = match codec {
        Codec::Zstd => ("Zstandard", starts(&[0x28, 0xb5, 0x2f, 0xfd])),
        Codec::Gzip => ("gzip", starts(&[0x1f, 0x8b])),
        Codec::Zlib => ("zlib", is_zlib(head)),
        Codec::Bz2 => ("bzip2", starts(b"BZh")),
        Codec::Lzma => ("xz", starts(&[0xfd, b'7', b'z', b'X', b'Z', 0]) || starts(&[0x5d, 0, 0])),
        _ => ("", true),
    };
    if !is_right {
        return Some(Problem::new(Kind::WrongCodec, format_of(head)).expected(format!("a {name} stream")));
    }
    let stated = match codec {
        Codec::Zstd => zstd_content_size(head),
        Codec::Lz4 => head.first_chunk::<4>().map(|bytes| u64::from(u32::from_le_bytes(*bytes))),
        _ => None,
    };
    let (stated, expected) = stated.zip(expected).filter(|(stated, expected)| stated != expected)?;
    Some(Problem::new(Kind::WrongNbytes, format!("decodes to {stated} bytes")).expected(format!("{expected} bytes")))
}

fn is_zlib(head: &[u8]) -> bool {
    matches!(head, [a, b, ..] if a & 15 == 8 && (u16::from(*a) << 8 | u16::from(*b)).is_multiple_of(31))
}

/// The decoded size that a Zstandard frame states, if it does (RFC 8878, 3.1.1.1).
fn zstd_content_size(head: &[u8]) -> Option<u64> {
    let descriptor = *head.get(4)?;
    let single_segment = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let length = match descriptor >> 6 {
        0 if single_segment => 1,
        0 => return None,
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let start = 5 + usize::from(!single_segment) + dictionary;
    let mut word = [0; 8];
    word[..length].copy_from_slice(head.get(start..start + length)?);
    // Two bytes count from 256.
    Some(u64::from_le_bytes(word) + if length == 2 { 256 } else { 0 })
}

/// What some bytes look like.
fn format_of(head: &[u8]) -> &'static str {
    let text = head.trim_ascii_start();
    match head {
        _ if head.iter().all(|byte| *byte == 0) => "zeros, as in a file that was never written",
        _ if text.starts_with(b"<") => "HTML or XML, such as the error page of a server",
        _ if text.starts_with(b"{") => "JSON",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a Zstandard stream",
        [0x1f, 0x8b, ..] => "a gzip stream",
        [b'B', b'Z', b'h', ..] => "a bzip2 stream",
        [0xfd, b'7', b'z', ..] => "an xz stream",
        [2, 1, ..] if Header::parse(head).is_ok() => "a Blosc frame",
        _ if text.starts_with(b"version https://git-lfs") => "a pointer of Git LFS",
        _ if is_zlib(head) => "perhaps a zlib stream",
        _ => "an unknown format",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use zcodec::{Blosc, Cname, Compressor, Shuffle, Stream, Workspace};

    use super::*;

    fn chain(compressor: &Value) -> Chain {
        Chain::v2(&json!("<u2"), &[], Some(compressor).filter(|it| !it.is_null()), 1000).expect("a chain")
    }

    fn problems(chain: &Chain, stored: &[u8]) -> Vec<Kind> {
        let head = &stored[..stored.len().min(HEAD as usize)];
        let mut read = |range: Range<u64>| {
            let end = (range.end as usize).min(stored.len());
            Ok(stored[(range.start as usize).min(end)..end].to_vec())
        };
        let problems = examine(chain, head, stored.len() as u64, &mut read).expect("reads");
        problems.into_iter().map(|problem| problem.kind).collect()
    }

    fn compressed(compressor: &Compressor) -> Vec<u8> {
        let raw: Vec<u8> = (0..1000u16).flat_map(|number| (number / 3).to_le_bytes()).collect();
        let mut stored = Vec::new();
        compressor.compress(2, &raw, &mut stored, 1, &mut Workspace::default()).expect("compresses");
        stored
    }

    #[test]
    fn sound_chunks_have_no_problems_and_each_fault_has_its_kind() {
        let blosc = Compressor::Blosc(Blosc::new(Cname::Zstd, 5, Shuffle::Shuffle));
        let zstd = Compressor::Stream(Stream::Zstd { level: 3, checksum: false });
        let gzip = Compressor::Stream(Stream::Gzip { level: 3 });
        for compressor in [&blosc, &zstd, &gzip, &Compressor::None] {
            let (stored, chain) = (compressed(compressor), chain(&compressor.to_v2()));
            assert_eq!(problems(&chain, &stored), [], "{compressor:?}");
            assert_eq!(problems(&chain, b""), [Kind::EmptyObject]);
            let html = b"<html><body>Not found</body></html>";
            let kind = if *compressor == Compressor::None { Kind::WrongSize } else { Kind::WrongCodec };
            assert_eq!(problems(&chain, html), [kind], "{compressor:?}");
        }
        let (stored, chain) = (compressed(&blosc), chain(&blosc.to_v2()));
        assert_eq!(problems(&chain, &stored[..stored.len() - 1]), [Kind::Truncated]);
        assert_eq!(problems(&chain, &stored[..9]), [Kind::Truncated]);
        assert_eq!(problems(&chain, &[&stored[..], b"x"].concat()), [Kind::ExtraBytes]);
        let mut table = stored.clone();
        table[16..20].fill(0xff);
        assert_eq!(problems(&chain, &table), [Kind::BlockTable]);
        let mut typesize = stored.clone();
        typesize[3] = 1;
        assert_eq!(problems(&chain, &typesize), [Kind::Typesize]);
        let mut reserved = stored;
        reserved[2] |= 8;
        assert_eq!(problems(&chain, &reserved), [Kind::BadHeader]);
    }

    #[test]
    fn a_zstandard_frame_states_its_size() {
        let zstd = Compressor::Stream(Stream::Zstd { level: 3, checksum: false });
        assert_eq!(zstd_content_size(&compressed(&zstd)), Some(2000));
        let larger = Chain::v2(&json!("<u2"), &[], Some(&zstd.to_v2()), 1001).expect("a chain");
        assert_eq!(problems(&larger, &compressed(&zstd)), [Kind::WrongNbytes]);
    }
}
