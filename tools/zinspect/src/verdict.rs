//! What bounds the decoding of an array, in one word and one sentence, and whether recompressing would change it.
//!
//! What readers do (from their sources, 2026-11): zarr-python 3 and so xarray, zarrs, tensorstore and GDAL decode a Blosc
//! chunk with one thread and share out whole chunks; numcodecs uses threads inside a chunk when its `use_threads` is on,
//! zarr-python 2 does in its main thread, and these tools do. So more blocks only help the latter.

use zarray::Array;
use zcli::glob_escape;
use zcodec::{Blosc, Cname, Codec, Shuffle, ideal_speedup, predict_blocksize};
use zwire::{ArrayRecord, ChunkRecord, human_bytes, human_count, human_counted, round3, shell_quote};

use crate::sample::Sample;

/// Below this a chunk costs more to find than to decode.
const SMALL: u64 = 64 * 1024;

/// Below this a chunk is decoded before threads have been started for it.
const WORTH_THREADS: u64 = 1024 * 1024;

/// Chunks that anyone notices.
const MANY: u64 = 16;

const THREADED: &str = "readers that put threads inside a chunk (these tools, numcodecs with use_threads, zarr-python 2 in \
    its main thread)";
const UNTHREADED: &str =
    "zarr-python 3, xarray, zarrs, tensorstore and GDAL use one thread a chunk and share out whole chunks";

const UNCOMPRESSED: &str = "every reader that waits for its disk or network, as far as the data compress";

/// Bytes of an element, and of a decoded chunk where they are known.
#[derive(Clone, Copy)]
struct Size {
    itemsize: u64,
    chunk_bytes: Option<u64>,
}

/// What is said of an array.
struct Verdict {
    word: &'static str,
    because: String,
    helps: Helps,
}

enum Helps {
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
    let speedup = ideal_speedup(blocks.unwrap_or(1), threads.min(max_threads.unwrap_or(1)));
    if max_threads.is_some() {
        (record.threads, record.ideal_speedup) = (Some(threads), Some(round3(speedup)));
    }

    let verdict = decide(record, array, sample, threads, speedup);
    record.verdict = verdict.word.to_owned();
    record.because = verdict.because;
    match verdict.helps {
        Helps::No(why) => record.helps = why,
        Helps::Yes(who, codec) => {
            record.recompress_helps = true;
            record.helps = who;
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

fn decide(record: &ArrayRecord, array: &Array, sample: &Sample, threads: u64, speedup: f64) -> Verdict {
    let chain = array.chain.innermost();
    let chunk_bytes = sample.chunks.iter().find_map(|chunk| chunk.uncompressed_bytes).or(chain.chunk_bytes);
    let chunks = record.chunks.unwrap_or(0);
    let itemsize = chain.itemsize.unwrap_or(1);
    let no = |word, because: String, why: &str| Verdict { word, because, helps: Helps::No(why.to_owned()) };

    if let Some((chunk, fault)) = sample.chunks.iter().find_map(|chunk| Some((chunk, chunk.faults.first()?))) {
        return no("damaged", format!("{}: {fault}", chunk.key), "repair or fetch the data again first");
    }
    if let Some(error) = &chain.unknown {
        return no("unknown_codec", error.to_string(), "nothing here can decode it");
    }
    if record.chunks == Some(0) {
        return no("empty", "the array has no elements".into(), "there is nothing to recompress");
    }
    if sample.nothing_stored && sample.other_separator {
        let because = format!(
            "chunk keys are not spelled with the {:?} that the metadata names, so no reader finds them: every value reads as \
             the fill value {}",
            array.keys.separator, array.fill_value
        );
        return no("no_chunks", because, "correct the separator in the metadata first");
    }
    if sample.nothing_stored {
        let because = format!("no chunk is stored: every value reads as the fill value {}", array.fill_value);
        return no("no_chunks", because, "there is nothing to recompress");
    }
    if let Some(chunk) = sample.chunks.iter().find(|chunk| shuffles_nothing(chunk, chain.itemsize)) {
        let because = format!(
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
        let helps = Helps::Yes(who.into(), codec);
        return Verdict { word: "useless_shuffle", because, helps };
    }

    let whole = record.uncompressed_bytes.unwrap_or(u64::MAX);
    let object_bytes = chunk_bytes.map(|bytes| bytes.saturating_mul(inner_chunks(array)));
    let objects = record.shards.unwrap_or(chunks);
    if let Some(bytes) = object_bytes.filter(|bytes| *bytes < SMALL && objects > MANY) {
        let because = format!(
            "{} objects of {}: finding and opening each costs more than decoding it",
            human_count(objects),
            human_bytes(bytes)
        );
        return no("small_chunks", because, "no codec changes that: larger chunks, or shards, would");
    }
    if whole < WORTH_THREADS {
        let because = format!("the whole array is {}: nothing to gain", human_bytes(whole));
        return no("ok", because, "nobody would notice");
    }
    match chain.compressor() {
        None => Verdict {
            word: "stored_raw",
            because: "chunks are not compressed: decoding is no work, reading the bytes is all of it".into(),
            helps: Helps::Yes(UNCOMPRESSED.into(), advised(itemsize, 0)),
        },
        Some(Codec::Blosc(blosc, _)) => {
            judge_blosc(record, sample, blosc, Size { itemsize, chunk_bytes }, threads, speedup)
        }
        Some(codec) => judge_stream(codec, Size { itemsize, chunk_bytes }, threads),
    }
}

fn judge_blosc(
    record: &ArrayRecord,
    sample: &Sample,
    blosc: &Blosc,
    Size { itemsize, chunk_bytes }: Size,
    threads: u64,
    speedup: f64,
) -> Verdict {
    let raw = !sample.chunks.is_empty() && sample.chunks.iter().all(|chunk| chunk.stored_raw == Some(true));
    if raw {
        let (because, helps) = if blosc.clevel == 0 {
            ("frames hold the bytes as they are (level 0)", Helps::Yes(UNCOMPRESSED.into(), advised(itemsize, 0)))
        } else {
            let why = "the compressor found nothing to gain; another filter or less noisy data might";
            ("frames hold the bytes as they are: they did not compress", Helps::No(why.into()))
        };
        return Verdict { word: "stored_raw", because: because.into(), helps };
    }
    let (blocks, block_bytes) = (record.blocks.unwrap_or(1), record.block_bytes.unwrap_or(0));
    let basis = if sample.chunks.is_empty() { "by its metadata, " } else { "" };
    let most = record.max_threads.unwrap_or(1);
    let shape = format!(
        "{basis}a chunk of {} has {} of {}: at most {} can decode it, {threads} gain {:.1}x at best (Blosc stores no thread \
         count)",
        human_bytes(chunk_bytes.unwrap_or(0)),
        human_counted(blocks, "block"),
        human_bytes(block_bytes),
        human_counted(most, "thread"),
        speedup
    );
    let few = speedup * 2.0 < threads as f64;
    match chunk_bytes {
        Some(bytes) if bytes >= WORTH_THREADS && few => Verdict {
            word: "few_blocks",
            because: shape,
            helps: Helps::Yes(format!("{THREADED}; {UNTHREADED}"), advised(itemsize, blocksize_for(bytes, threads))),
        },
        Some(bytes) if bytes < WORTH_THREADS => Verdict {
            word: "ok",
            because: shape,
            helps: Helps::No("chunks of this size are decoded before threads have started: read more at a time".into()),
        },
        _ => Verdict {
            word: "ok",
            because: shape,
            helps: Helps::No(format!("there are blocks enough; {UNTHREADED}: read more of them at a time")),
        },
    }
}

fn judge_stream(codec: &Codec, Size { itemsize, chunk_bytes }: Size, threads: u64) -> Verdict {
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
    let because = format!(
        "{name} is one stream a chunk (of {size}): one thread decodes it, whatever the reader and its settings"
    );
    if bytes < if slow { SMALL } else { WORTH_THREADS } {
        let why = format!("chunks of {size} are too small to share; read more chunks at a time");
        return Verdict { word: "ok", because, helps: Helps::No(why) };
    }
    let who = if slow {
        format!("every reader, because Blosc's zstd and lz4 decode faster than {name}; most of all {THREADED}")
    } else {
        format!("{THREADED}; {UNTHREADED}")
    };
    let codec = advised(itemsize, blocksize_for(bytes, threads));
    Verdict { word: "single_stream", because, helps: Helps::Yes(who, codec) }
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
