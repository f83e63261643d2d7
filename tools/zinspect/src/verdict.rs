//! What bounds the decoding of an array, in one word and one sentence, and whether recompressing would change it.
//!
//! What readers do (from their sources, 2026-11): zarr-python 3 and so xarray, zarrs, tensorstore and GDAL decode a Blosc
//! chunk with one thread and share out whole chunks; numcodecs uses threads inside a chunk when its `use_threads` is on,
//! zarr-python 2 does in its main thread, and these tools do. So more blocks only help the latter.

use zarray::Array;
use zcli::glob_escape;
use zcodec::{Blosc, Cname, Codec, Shuffle, max_speedup, predict_blocksize};
use zwire::{ArrayRecord, ChunkRecord, human_bytes, human_count, human_counted, round3, shell_quote};

use crate::sample::Sample;

/// Below this a chunk costs more to find than to decode.
const SMALL: u64 = 64 * 1024;

/// Below this a chunk is decoded before threads have been started for it.
const WORTH_THREADS: u64 = 1024 * 1024;

/// Objects enough that finding them takes noticeable time.
const MANY: u64 = 16;

const THREADED: &str = "readers that put threads inside a chunk (these tools, numcodecs with use_threads, zarr-python 2 in \
    its main thread)";
const UNTHREADED: &str =
    "zarr-python 3, xarray, zarrs, tensorstore and GDAL use one thread a chunk and share out whole chunks";

const UNCOMPRESSED: &str = "every reader that waits for its disk or network, as far as the data compress";

/// What a verdict follows from.
struct Case<'a> {
    record: &'a ArrayRecord,
    array: &'a Array,
    sample: &'a Sample,
    /// Threads inside one chunk that the verdict is for.
    threads: u64,
    /// What they gain in the ideal case.
    speedup: f64,
    /// Bytes of an element.
    itemsize: u64,
    /// Bytes of a decoded chunk, where they are known.
    chunk_bytes: Option<u64>,
}

/// The verdict on an array.
struct Verdict {
    word: &'static str,
    reason: String,
    benefit: Benefit,
}

/// Whether recompressing would help.
enum Benefit {
    /// No, with the reason.
    No(String),
    /// Which readers gain, and the codec to ask for.
    Yes(String, Blosc),
}

/// Completes the record of an array with what its sampled chunks show and what follows from it.
pub fn judge(record: &mut ArrayRecord, array: &Array, sample: &Sample, threads: u64) {
    let fewest = sample.chunks.iter().min_by_key(|chunk| chunk.max_threads);
    if !sample.chunks.is_empty() {
        record.sampled = Some(sample.chunks.len() as u64);
    }
    let (blocks, block_bytes, max_threads) = match fewest {
        Some(chunk) => (chunk.blocks, chunk.block_bytes, Some(chunk.max_threads)),
        None => predicted(array),
    };
    (record.blocks, record.block_bytes, record.max_threads) = (blocks, block_bytes, max_threads);
    let speedup = max_speedup(blocks.unwrap_or(1), threads.min(max_threads.unwrap_or(1)));
    if max_threads.is_some() {
        (record.threads, record.max_speedup) = (Some(threads), Some(round3(speedup)));
    }

    let chain = array.chain.innermost();
    let case = Case {
        record,
        array,
        sample,
        threads,
        speedup,
        itemsize: chain.itemsize.unwrap_or(1),
        chunk_bytes: sample.chunks.iter().find_map(|chunk| chunk.uncompressed_bytes).or(chain.chunk_bytes),
    };
    let verdict = case.unusable().unwrap_or_else(|| case.usable());
    record.verdict = verdict.word.to_owned();
    record.reason = verdict.reason;
    match verdict.benefit {
        Benefit::No(why) => record.benefit = why,
        Benefit::Yes(who, codec) => {
            record.recompress_helps = true;
            record.benefit = who;
            record.command = Some(command(record, &codec));
        }
    }
}

/// Blocks, bytes of a block and threads that the metadata lets expect, where no chunk was looked at.
fn predicted(array: &Array) -> (Option<u64>, Option<u64>, Option<u64>) {
    let chain = array.chain.innermost();
    match (chain.compressor(), chain.chunk_bytes) {
        (Some(Codec::Blosc(blosc, _)), Some(bytes)) => {
            let block = predict_blocksize(blosc, chain.typesize(), bytes);
            let blocks = bytes.div_ceil(block.max(1));
            let threads = if bytes / block.max(1) <= 1 { 1 } else { blocks.min(256) };
            (Some(blocks), Some(block), Some(threads))
        }
        (Some(codec), _) if codec.is_single_stream() => (None, None, Some(1)),
        _ => (None, None, None),
    }
}

fn no(word: &'static str, reason: impl Into<String>, why: impl Into<String>) -> Verdict {
    Verdict { word, reason: reason.into(), benefit: Benefit::No(why.into()) }
}

impl Case<'_> {
    /// The verdict on an array whose chunks are damaged, absent or wrongly written.
    fn unusable(&self) -> Option<Verdict> {
        let Case { record, array, sample, itemsize, .. } = *self;
        let chain = array.chain.innermost();
        if let Some((chunk, fault)) = sample.chunks.iter().find_map(|chunk| Some((chunk, chunk.problems.first()?))) {
            let reason = format!("{}: {fault}", chunk.key);
            return Some(no("damaged", reason, "repair or fetch the data again first"));
        }
        if let Some(error) = &chain.unknown {
            return Some(no("unknown_codec", error.to_string(), "nothing here can decode it"));
        }
        if record.chunks == Some(0) {
            return Some(no("empty", "the array has no elements", "there is nothing to recompress"));
        }
        if sample.nothing_stored && sample.other_separator {
            let reason = format!(
                "chunk keys are not spelled with the {:?} that the metadata names, so no reader finds them: every value \
                 reads as the fill value {}",
                array.keys.separator, array.fill_value
            );
            return Some(no("no_chunks", reason, "correct the separator in the metadata first"));
        }
        if sample.nothing_stored {
            let reason = format!("no chunk is stored: every value reads as the fill value {}", array.fill_value);
            return Some(no("no_chunks", reason, "there is nothing to recompress"));
        }
        let chunk = sample.chunks.iter().find(|chunk| shuffles_nothing(chunk, chain.itemsize))?;
        let reason = format!(
            "{}: its header says elements of 1 byte where there are {itemsize}, so the byte shuffle moves nothing \
             (zarr-python 3.0.0 to 3.0.7 wrote this)",
            chunk.key
        );
        let who = "every reader: with the right element size the shuffle works, and smaller chunks are the rule";
        // The settings as they are: only the element size was wrong.
        let codec = match chain.compressor() {
            Some(Codec::Blosc(blosc, _)) => *blosc,
            _ => advised(itemsize, 0),
        };
        Some(Verdict { word: "useless_shuffle", reason, benefit: Benefit::Yes(who.into(), codec) })
    }

    fn usable(&self) -> Verdict {
        let Case { record, array, itemsize, chunk_bytes, .. } = *self;
        let object_bytes = chunk_bytes.map(|bytes| bytes.saturating_mul(inner_chunks(array)));
        let objects = record.shards.or(record.chunks).unwrap_or(0);
        if let Some(bytes) = object_bytes.filter(|bytes| *bytes < SMALL && objects > MANY) {
            let reason = format!(
                "{} objects of {}: finding and opening each costs more than decoding it",
                human_count(objects),
                human_bytes(bytes)
            );
            return no("small_chunks", reason, "no codec changes that: larger chunks, or shards, would");
        }
        let whole = record.uncompressed_bytes.unwrap_or(u64::MAX);
        if whole < WORTH_THREADS {
            let reason = format!("the whole array is {}: nothing to gain", human_bytes(whole));
            return no("ok", reason, "nobody would notice");
        }
        match array.chain.innermost().compressor() {
            None => Verdict {
                word: "stored_raw",
                reason: "chunks are not compressed: decoding is no work, reading the bytes is all of it".into(),
                benefit: Benefit::Yes(UNCOMPRESSED.into(), advised(itemsize, 0)),
            },
            Some(Codec::Blosc(blosc, _)) => self.blosc(blosc),
            Some(codec) => self.stream(codec),
        }
    }

    fn blosc(&self, blosc: &Blosc) -> Verdict {
        let Case { record, sample, threads, speedup, itemsize, chunk_bytes, .. } = *self;
        let raw = !sample.chunks.is_empty() && sample.chunks.iter().all(|chunk| chunk.stored_raw == Some(true));
        if raw && blosc.clevel == 0 {
            let benefit = Benefit::Yes(UNCOMPRESSED.into(), advised(itemsize, 0));
            return Verdict {
                word: "stored_raw",
                reason: "frames hold the bytes as they are (level 0)".into(),
                benefit,
            };
        }
        if raw {
            let why = "the compressor found nothing to gain; another filter or less noisy data might";
            return no("stored_raw", "frames hold the bytes as they are: they did not compress", why);
        }
        let basis = if sample.chunks.is_empty() { "by its metadata, " } else { "" };
        let reason = format!(
            "{basis}a chunk of {} has {} of {}: at most {} can decode it, {threads} gain {:.1}x at best (Blosc stores no \
             thread count)",
            human_bytes(chunk_bytes.unwrap_or(0)),
            human_counted(record.blocks.unwrap_or(1), "block"),
            human_bytes(record.block_bytes.unwrap_or(0)),
            human_counted(record.max_threads.unwrap_or(1), "thread"),
            speedup
        );
        let few = speedup * 2.0 < threads as f64;
        match chunk_bytes {
            Some(bytes) if bytes >= WORTH_THREADS && few => {
                let codec = advised(itemsize, blocksize_for(bytes, threads));
                let benefit = Benefit::Yes(format!("{THREADED}; {UNTHREADED}"), codec);
                Verdict { word: "few_blocks", reason, benefit }
            }
            Some(bytes) if bytes < WORTH_THREADS => {
                no("ok", reason, "chunks of this size are decoded before threads have started: read more at a time")
            }
            _ => no("ok", reason, format!("there are blocks enough; {UNTHREADED}: read more of them at a time")),
        }
    }

    fn stream(&self, codec: &Codec) -> Verdict {
        let Case { threads, itemsize, chunk_bytes, .. } = *self;
        let name = match codec {
            Codec::Zlib => "zlib",
            Codec::Gzip => "gzip",
            Codec::Zstd => "zstd",
            Codec::Lz4 => "lz4",
            Codec::Bz2 => "bz2",
            _ => "lzma",
        };
        let slow = !matches!(codec, Codec::Zstd | Codec::Lz4);
        let bytes = chunk_bytes.unwrap_or(WORTH_THREADS);
        let size = chunk_bytes.map_or_else(|| "unknown size".into(), human_bytes);
        let reason = format!(
            "{name} is one stream a chunk (of {size}): one thread decodes it, whatever the reader and its settings"
        );
        if bytes < if slow { SMALL } else { WORTH_THREADS } {
            let why = format!("chunks of {size} are too small to share; read more chunks at a time");
            return no("ok", reason, why);
        }
        let who = if slow {
            format!("every reader, because Blosc's zstd and lz4 decode faster than {name}; most of all {THREADED}")
        } else {
            format!("{THREADED}; {UNTHREADED}")
        };
        let codec = advised(itemsize, blocksize_for(bytes, threads));
        Verdict { word: "single_stream", reason, benefit: Benefit::Yes(who, codec) }
    }
}

fn shuffles_nothing(chunk: &ChunkRecord, itemsize: Option<u64>) -> bool {
    chunk.shuffle.as_deref() == Some("shuffle")
        && chunk.typesize == Some(1)
        && chunk.stored_raw == Some(false)
        && itemsize.is_some_and(|size| size > 1)
}

fn inner_chunks(array: &Array) -> u64 {
    array.chain.sharding.as_ref().map_or(1, |sharding| sharding.index.chunks)
}

/// A block size that gives every thread at least two blocks, where zstd's own choice at level 3 would not: a power of two
/// from 32 KiB on. 0: Blosc's own choice does.
fn blocksize_for(chunk_bytes: u64, threads: u64) -> u64 {
    const OWN_CHOICE: u64 = 128 * 1024;
    let wanted = chunk_bytes / (2 * threads);
    if wanted >= OWN_CHOICE { 0 } else { (1 << (63 - wanted.max(1).leading_zeros())).max(32 * 1024) }
}

/// The codec that is advised where nothing speaks for another.
fn advised(itemsize: u64, blocksize: u64) -> Blosc {
    Blosc { blocksize, ..Blosc::new(Cname::Zstd, 3, Shuffle::automatic(itemsize)) }
}

fn command(record: &ArrayRecord, codec: &Blosc) -> String {
    let name = record.store.trim_end_matches('/');
    let stem = match name.rsplit('/').next() {
        // The store has no name here; a copy beside it does.
        Some("." | ".." | "") | None => "../copy",
        _ => name.strip_suffix(".zarr").unwrap_or(name),
    };
    // A remote store's copy goes to where the command is run.
    let stem = if stem.contains("://") { stem.rsplit('/').next().unwrap_or("store") } else { stem };
    let mut words =
        vec!["zrecompress".to_owned(), shell_quote(&record.store), shell_quote(&format!("{stem}-blosc.zarr"))];
    if record.path != "/" {
        words.push(format!("--var {}", shell_quote(&glob_escape(&record.path))));
    }
    words.push(format!("--cname {} --clevel {} --shuffle {}", codec.cname.name(), codec.clevel, codec.shuffle.name()));
    if codec.blocksize > 0 {
        words.push(format!("--blocksize {}", codec.blocksize));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_sizes_give_each_thread_two_blocks() {
        assert_eq!(blocksize_for(4 << 20, 8), 0);
        assert_eq!(blocksize_for(1 << 20, 8), 64 * 1024);
        assert_eq!(blocksize_for(1 << 20, 64), 32 * 1024);
        for (bytes, threads) in [(3_000_000u64, 8), (1 << 20, 4), (5_000_000, 16)] {
            let blocksize = blocksize_for(bytes, threads);
            let block = if blocksize == 0 { 128 * 1024 } else { blocksize };
            assert!(bytes / block >= 2 * threads, "{bytes} {threads} {blocksize}");
        }
    }
}
