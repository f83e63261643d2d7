//! How chunks are really compressed, from the first 16 bytes of a few stored chunks.

use zarray::{Array, Chain, Sharding, find_shard_index};
use zcodec::{Codec, HEADER_LEN, Header};
use zstore::{ByteRange, Stat, Store};
use zwire::{ChunkRecord, Failure};

/// The sampled chunks of an array.
#[derive(Default)]
pub struct Sample {
    /// The sampled chunks, in sampling order.
    pub chunks: Vec<ChunkRecord>,
    /// Whether the array is known to have no stored chunks.
    pub nothing_stored: bool,
    /// Whether there are keys that would be chunk keys with the other separator.
    pub other_separator: bool,
}

/// Samples `wanted` stored chunks of an array.
///
/// # Errors
/// Fails if the store cannot be read. A damaged chunk is not an error: its record lists the problems.
pub fn sample(store: &Store, name: &str, array: &Array, wanted: u64) -> Result<Sample, Failure> {
    let (mut sample, mut head) = (Sample::default(), Vec::new());
    let sampler = Sampler { store, name, array, wanted: wanted as usize };
    let sampled = zarray::sample(store, array, wanted, |key| -> Result<u64, Failure> {
        let found = sampler.object(key, &mut head)?;
        let count = found.len() as u64;
        sample.chunks.extend(found);
        Ok(count)
    })?;
    // An incomplete list does not prove that no chunks are stored.
    if let Some(Ok(listed)) = sampled.listed {
        sample.nothing_stored = listed.complete && listed.keys.is_empty();
        sample.other_separator = listed.other_separator;
        for key in listed.keys.iter().take(sampler.wanted) {
            sample.chunks.extend(sampler.object(key, &mut head)?);
        }
    }
    Ok(sample)
}

/// Samples the stored objects of one array.
struct Sampler<'a> {
    store: &'a Store,
    name: &'a str,
    array: &'a Array,
    wanted: usize,
}

impl Sampler<'_> {
    /// The chunks of one stored object: the object itself, or the wanted number of inner chunks; none if it is missing.
    fn object(&self, key: &str, head: &mut Vec<u8>) -> Result<Vec<ChunkRecord>, Failure> {
        let array = self.array.at_key(key);
        if let Some(sharding) = array.chain.split_shards() {
            return self.shard(key, sharding, head);
        }
        let range = ByteRange::At { start: 0, len: HEADER_LEN as u64 };
        let Some(Stat { size, .. }) = self.store.get_range(key, range, head)? else { return Ok(Vec::new()) };
        let mut chunk = self.record(key, size);
        examine(&array.chain, head, &mut chunk);
        Ok(vec![chunk])
    }

    fn shard(&self, key: &str, sharding: &Sharding, head: &mut Vec<u8>) -> Result<Vec<ChunkRecord>, Failure> {
        let Some(found) = find_shard_index(self.store, key, &sharding.index, head)? else { return Ok(Vec::new()) };
        let index = match found.index {
            Ok(index) => index,
            Err(error) => {
                let problems = vec![format!("shard index: {error}")];
                let record = self.record(key, found.stat.size);
                return Ok(vec![ChunkRecord { format: "shard".into(), problems, ..record }]);
            }
        };
        let present = index.0.iter().enumerate().filter_map(|(number, entry)| Some((number, (*entry)?)));
        let mut chunks = Vec::new();
        for (number, (start, len)) in present.take(self.wanted) {
            self.store.get_range(key, ByteRange::At { start, len: len.min(HEADER_LEN as u64) }, head)?;
            let mut chunk = ChunkRecord { inner_chunk: Some(number as u64), ..self.record(key, len) };
            examine(&sharding.inner, head, &mut chunk);
            chunks.push(chunk);
        }
        Ok(chunks)
    }

    fn record(&self, key: &str, stored_bytes: u64) -> ChunkRecord {
        ChunkRecord {
            store: self.name.to_owned(),
            path: self.array.path.clone(),
            key: key.to_owned(),
            stored_bytes,
            max_threads: 1,
            ..ChunkRecord::default()
        }
    }
}

/// Completes the record from the first bytes, and compares them with the metadata and the size of the object.
fn examine(chain: &Chain, head: &[u8], chunk: &mut ChunkRecord) {
    // A checksum after the compressed bytes is not part of them.
    let checksums = chain.tail.iter().rev().take_while(|codec| **codec == Codec::Crc32c).count() as u64;
    let stored = chunk.stored_bytes.saturating_sub(4 * checksums);
    chunk.format = match chain.compressor() {
        Some(codec) => format_name(codec).to_owned(),
        None if chain.unknown.is_some() => "unknown".to_owned(),
        None if chain.sharding.is_some() => "shard".to_owned(),
        None => "none".to_owned(),
    };
    if chunk.stored_bytes == 0 {
        chunk.problems.push("the chunk has 0 bytes".into());
        return;
    }
    match chain.compressor() {
        Some(Codec::Blosc(..)) => examine_frame(chain, head, stored, chunk),
        Some(codec) => examine_stream(codec, chain, head, chunk),
        None if chain.unknown.is_none() => {
            chunk.stored_raw = Some(true);
            chunk.uncompressed_bytes = Some(stored);
            if let Some(expected) = chain.chunk_bytes.filter(|expected| *expected != stored) {
                chunk
                    .problems
                    .push(format!("size mismatch: {stored} bytes stored, {expected} expected (no compression)"));
            }
        }
        None => {}
    }
}

fn examine_frame(chain: &Chain, head: &[u8], stored: u64, chunk: &mut ChunkRecord) {
    let header = match Header::parse(head) {
        Ok(header) => header,
        Err(error) => return chunk.problems.push(error.to_string()),
    };
    let nbytes = u64::from(header.nbytes);
    chunk.format_version = Some(header.version);
    chunk.compressor = header.cname().map(|cname| cname.name().to_owned());
    chunk.shuffle = Some(header.shuffle().name().to_owned());
    chunk.typesize = Some(header.typesize);
    chunk.split = Some(header.split());
    chunk.stored_raw = Some(header.stored_raw());
    chunk.uncompressed_bytes = Some(nbytes);
    chunk.block_bytes = Some(u64::from(header.blocksize));
    chunk.blocks = Some(header.blocks());
    chunk.max_threads = header.max_threads();

    let cbytes = u64::from(header.cbytes);
    if cbytes > stored {
        chunk.problems.push(format!("truncated: {stored} bytes stored, {cbytes} expected from the header"));
    } else if cbytes < stored {
        chunk.notes.push(format!("{} extra bytes after the frame", stored - cbytes));
    }
    // The sizes must match only if no other codec lies between the frame and the elements.
    let direct = matches!(chain.tail.first(), Some(Codec::Blosc(..)));
    if let Some(expected) = chain.chunk_bytes.filter(|expected| direct && *expected != nbytes) {
        chunk.problems.push(format!("decodes to {nbytes} bytes, but the metadata requires {expected}"));
    }
    let itemsize = chain.itemsize.unwrap_or(1);
    if header.shuffles_nothing() && itemsize > 1 {
        chunk
            .notes
            .push(format!("byte shuffle has no effect: element size 1 in the header, {itemsize} in the metadata"));
    }
    if header.cname().is_none() {
        chunk.problems.push("unknown compressor code in the Blosc header".into());
    }
}

fn examine_stream(codec: &Codec, chain: &Chain, head: &[u8], chunk: &mut ChunkRecord) {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let little_endian = head.first_chunk::<4>().map(|bytes| u64::from(u32::from_le_bytes(*bytes)));
    let right = match codec {
        // Magic numbers: RFC 8878, RFC 1952, RFC 1950, bzip2 and xz file formats; numcodecs' lz4 starts with its size.
        Codec::Zstd => starts(&[0x28, 0xb5, 0x2f, 0xfd]),
        Codec::Gzip => starts(&[0x1f, 0x8b]),
        Codec::Zlib => {
            matches!(head, [a, b, ..] if a & 15 == 8 && (u16::from(*a) << 8 | u16::from(*b)).is_multiple_of(31))
        }
        Codec::Bz2 => starts(b"BZh"),
        Codec::Lzma => starts(&[0xfd, b'7', b'z', b'X', b'Z', 0]) || starts(&[0x5d, 0, 0]),
        Codec::Lz4 => chain.chunk_bytes.is_none() || little_endian == chain.chunk_bytes,
        _ => true,
    };
    if !right {
        chunk.problems.push(format!("not in {} format", format_name(codec)));
    }
}

fn format_name(codec: &Codec) -> &'static str {
    match codec {
        Codec::Blosc(..) => "blosc",
        Codec::Zlib => "zlib",
        Codec::Gzip => "gzip",
        Codec::Zstd => "zstd",
        Codec::Lz4 => "lz4",
        Codec::Bz2 => "bz2",
        Codec::Lzma => "lzma",
        Codec::Shuffle(_) => "shuffle",
        Codec::Crc32c => "crc32c",
    }
}
