//! The outcome of a region.

use zstore::Stat;

use crate::seconds::Seconds;

/// Counters of one region, with checksums of its source and its output.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegionOutcome {
    /// Output objects written.
    pub objects: u64,
    /// Output chunks written (with sharding: inner chunks).
    pub chunks: u64,
    /// Output chunks that stay absent, because none of their source chunks is present.
    pub absent_chunks: u64,
    /// Output chunks not written, because one of their source chunks cannot be decoded.
    pub spoiled_chunks: u64,
    /// Source chunks read.
    pub source_chunks: u64,
    /// Source chunks that are absent.
    pub source_absent: u64,
    /// Stored bytes read.
    pub bytes_read: u64,
    /// Decoded bytes of the source.
    pub bytes_decoded: u64,
    /// Decoded bytes of the output, including edge padding.
    pub bytes_encoded: u64,
    /// Stored bytes written, including shard indexes.
    pub bytes_written: u64,
    /// Sum of `chunk_hash` over the output chunks; independent of the order of the work.
    pub checksum: u64,
    /// Sum of [`source_hash`] over the source objects read.
    pub sources: u64,
    /// Source chunks that cannot be decoded.
    pub bad: Vec<BadChunk>,
    /// Time per phase, summed over all threads.
    pub seconds: Seconds,
}

/// A source chunk that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BadChunk {
    /// Path of the chunk; with sharding, followed by the number of the inner chunk.
    pub place: String,
    /// Why it cannot be decoded.
    pub cause: String,
}

impl RegionOutcome {
    /// Adds the outcome of another worker for the same region.
    pub fn add(&mut self, other: RegionOutcome) {
        self.objects += other.objects;
        self.chunks += other.chunks;
        self.absent_chunks += other.absent_chunks;
        self.spoiled_chunks += other.spoiled_chunks;
        self.source_chunks += other.source_chunks;
        self.source_absent += other.source_absent;
        self.bytes_read += other.bytes_read;
        self.bytes_decoded += other.bytes_decoded;
        self.bytes_encoded += other.bytes_encoded;
        self.bytes_written += other.bytes_written;
        self.checksum = self.checksum.wrapping_add(other.checksum);
        self.sources = self.sources.wrapping_add(other.sources);
        self.bad.extend(other.bad);
        self.seconds.add(&other.seconds);
    }
}

/// Hash of the key, size and tag of a source object (`None`: absent). [`RegionOutcome::sources`] sums these hashes, so
/// the order of the reads does not matter.
pub fn source_hash(key: &str, stat: Option<Stat>) -> u64 {
    let (size, tag) = stat.map_or((u64::MAX, 0), |stat| (stat.size, stat.tag));
    // FNV-1a, see http://www.isthe.com/chongo/tech/comp/fnv/
    let bytes = key.bytes().chain(size.to_le_bytes()).chain(tag.to_le_bytes());
    mixed(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// Hash of an output chunk: its number in the grid and the CRC-32C of its decoded bytes.
pub fn chunk_hash(number: u64, checksum: u32) -> u64 {
    mixed(mixed(number).wrapping_add(u64::from(checksum)))
}

/// Spreads a number over all 64 bits so that sums do not cancel (the finalizer of SplitMix64).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_hash_depends_on_key_size_and_tag() {
        let stat = |size, tag| Some(Stat::new(size, tag));
        let all = [("a", stat(1, 2)), ("b", stat(1, 2)), ("a", stat(2, 2)), ("a", stat(1, 3)), ("a", None)];
        let mut hashes: Vec<u64> = all.iter().map(|(key, stat)| source_hash(key, *stat)).collect();
        assert_eq!(hashes[0], source_hash("a", stat(1, 2)));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), all.len());
        assert_ne!(chunk_hash(0, 1).wrapping_add(chunk_hash(1, 0)), chunk_hash(0, 0).wrapping_add(chunk_hash(1, 1)));
    }
}
