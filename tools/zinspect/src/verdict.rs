//! What limits the decoding speed of an array, in one word and one sentence, and whether recompressing would help.
//!
//! What readers do (from their sources, 2026-11): zarr-python 3 (and so xarray), zarrs, tensorstore and GDAL decode a Blosc
//! chunk with one thread, and several chunks in parallel; numcodecs with `use_threads`, zarr-python 2 in its main thread and
//! these tools use several threads per chunk. So more blocks help only the latter.

use zarray::Array;
use zcli::glob_escape;
use zcodec::{Blosc, Cname, Codec, Shuffle, max_speedup, predict_blocksize};
use zwire::{
    ArrayRecord, ChunkRecord, human_bytes, human_count, human_counted, recompressed_name, round3, shell_quote,
};

use crate::missing;
use crate::sample::Sample;

/// Below this size, finding a chunk costs more than decoding it.
const SMALL: u64 = 64 * 1024;

/// Below this size, a chunk is decoded in less time than it takes to start threads.
const WORTH_THREADS: u64 = 1024 * 1024;

/// With more objects than this, finding them takes noticeable time.
const MANY: u64 = 16;

const THREADED: &str = "readers that use several threads per chunk (these tools, numcodecs with use_threads, zarr-python 2 \
    in its main thread)";
const UNTHREADED: &str =
    "zarr-python 3, xarray, zarrs, tensorstore and GDAL use one thread per chunk and decode chunks in parallel";

const UNCOMPRESSED: &str = "readers limited by disk or network speed, if the data compress";

/// What a verdict is based on.
struct Case<'a> {
    record: &'a ArrayRecord,
    array: &'a Array,
    sample: &'a Sample,
    /// Threads per chunk that the verdict assumes.
    threads: u64,
    /// The maximum speed-up with these threads.
    speedup: f64,
    /// Bytes of an element.
    itemsize: u64,
    /// Bytes of a decoded chunk, if known.
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
    /// Yes: the readers that benefit, and the codec to use.
    Yes(String, Blosc),
}

/// Completes the record of an array with the blocks of its sampled chunks and the verdict.
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
    let verdict = case.unusable().unwrap_or_else(|| case.with_missing(case.usable()));
    let gain = case.gain(&verdict);
    record.verdict = verdict.word.to_owned();
    record.reason = verdict.reason;
    match verdict.benefit {
        Benefit::No(why) => record.benefit = why,
        Benefit::Yes(who, codec) => {
            record.recompress_helps = true;
            record.benefit = who;
            record.recompressed_speedup = gain;
            record.command = Some(command(record, &codec));
        }
    }
}

/// Blocks, bytes of a block and threads predicted from the metadata, if no chunk was sampled.
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
    /// The verdict on an array whose chunks are damaged, missing or incorrectly written.
    fn unusable(&self) -> Option<Verdict> {
        let Case { record, array, sample, itemsize, .. } = *self;
        let chain = array.chain.innermost();
        if let Some(why) = &array.not_understood {
            return Some(no(
                "not_understood",
                why.clone(),
                "zrecompress --copy-unknown copies such an array unchanged",
            ));
        }
        if let Some((chunk, fault)) = sample.chunks.iter().find_map(|chunk| Some((chunk, chunk.problems.first()?))) {
            let reason = format!("{}: {fault}", chunk.key);
            return Some(no("damaged", reason, "repair the data or download it again first"));
        }
        if let Some(error) = chain.unknown.as_ref().or(array.chain.unknown.as_ref()) {
            return Some(no("unknown_codec", error.to_string(), "the codec is not supported"));
        }
        if record.chunks == Some(0) {
            return Some(no("empty", "the array has no elements", "no data to recompress"));
        }
        if sample.nothing_stored && sample.other_separator {
            let reason = format!(
                "chunk keys do not use the separator {:?} given in the metadata, so readers cannot find them: every value \
                 reads as the fill value {}",
                array.keys.separator, array.fill_value
            );
            return Some(no(missing::WORD, reason, "correct the separator in the metadata first"));
        }
        if sample.nothing_stored && array.is_container() {
            return Some(no("ok", "a scalar that holds only attributes (a grid mapping)", "no data to recompress"));
        }
        if sample.nothing_stored {
            return Some(no(missing::WORD, missing::all(record, array), "no data to recompress"));
        }
        let chunk = sample.chunks.iter().find(|chunk| shuffles_nothing(chunk, chain.itemsize))?;
        let reason = format!(
            "{}: the header gives an element size of 1 byte instead of {itemsize}, so the byte shuffle has no effect \
             (written by zarr-python 3.0.0 to 3.0.7)",
            chunk.key
        );
        let who = "all readers: with the correct element size the shuffle works, and chunks usually become smaller";
        // The current settings: only the element size was wrong.
        let codec = match chain.compressor() {
            Some(Codec::Blosc(blosc, _)) => *blosc,
            _ => advised(itemsize, 0),
        };
        Some(Verdict { word: "useless_shuffle", reason, benefit: Benefit::Yes(who.into(), codec) })
    }

    /// The verdict, unless half of the chunks or more are missing: that matters more than their speed.
    fn with_missing(&self, verdict: Verdict) -> Verdict {
        match missing::mostly(self.record, self.array) {
            Some(reason) => Verdict { word: missing::WORD, reason, ..verdict },
            None => verdict,
        }
    }

    /// How many times more the threads gain once a chunk has the blocks of the suggested codec.
    fn gain(&self, verdict: &Verdict) -> Option<f64> {
        let Benefit::Yes(_, codec) = &verdict.benefit else { return None };
        // Uncompressed chunks are not decoded at all.
        let chain = self.array.chain.innermost();
        let bytes = self.chunk_bytes.filter(|_| chain.compressor().is_some() && verdict.word != "stored_raw")?;
        let blocks = bytes.div_ceil(predict_blocksize(codec, self.itemsize, bytes).max(1));
        let gain = max_speedup(blocks, self.threads.min(blocks)) / self.speedup.max(1.0);
        (gain > 1.0).then(|| round3(gain))
    }

    fn usable(&self) -> Verdict {
        let Case { record, array, itemsize, chunk_bytes, .. } = *self;
        let object_bytes = chunk_bytes.map(|bytes| bytes.saturating_mul(inner_chunks(array)));
        let objects = record.shards.or(record.chunks).unwrap_or(0);
        if let Some(bytes) = object_bytes.filter(|bytes| *bytes < SMALL && objects > MANY) {
            let reason = format!(
                "{} objects of {}: finding and opening each one costs more than decoding it",
                human_count(objects),
                human_bytes(bytes)
            );
            return no("small_chunks", reason, "the codec does not matter; use larger chunks or shards");
        }
        let whole = record.uncompressed_bytes.unwrap_or(u64::MAX);
        if whole < WORTH_THREADS {
            let reason = format!("the whole array is only {}", human_bytes(whole));
            return no("ok", reason, "no measurable benefit");
        }
        match array.chain.innermost().compressor() {
            None => Verdict {
                word: "stored_raw",
                reason: "chunks are not compressed: read speed is limited by disk or network alone".into(),
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
                reason: "Blosc stored the chunks uncompressed (level 0)".into(),
                benefit,
            };
        }
        if raw {
            let why = "the data do not compress with this codec; another filter or fewer significant bits might help";
            return no("stored_raw", "Blosc stored the chunks uncompressed, because they did not compress", why);
        }
        let basis = if sample.chunks.is_empty() { "according to the metadata, " } else { "" };
        let reason = format!(
            "{basis}a chunk of {} has {} of {}: at most {} can decode it; {}: at most {:.1}× faster \
             (Blosc stores no thread count)",
            human_bytes(chunk_bytes.unwrap_or(0)),
            human_counted(record.blocks.unwrap_or(1), "block"),
            human_bytes(record.block_bytes.unwrap_or(0)),
            human_counted(record.max_threads.unwrap_or(1), "thread"),
            human_counted(threads, "thread"),
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
                no("ok", reason, "too small to benefit from threads; use larger chunks")
            }
            _ => no("ok", reason, format!("enough blocks already; {UNTHREADED}")),
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
            "{name} writes a chunk (of {size}) as a single stream, which only one thread can decode, in any reader"
        );
        if bytes < if slow { SMALL } else { WORTH_THREADS } {
            let why = format!("chunks of {size} are too small to benefit from threads; use larger chunks");
            return no("ok", reason, why);
        }
        let who = if slow {
            format!("all readers, because zstd and lz4 in Blosc decode faster than {name}; especially {THREADED}")
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
    array.chain.split_shards().map_or(1, |sharding| sharding.index.chunks)
}

/// A block size that gives every thread at least two blocks: a power of two, at least 32 KiB; 0 if Blosc's default for zstd
/// at level 3 is small enough.
fn blocksize_for(chunk_bytes: u64, threads: u64) -> u64 {
    const DEFAULT_SIZE: u64 = 128 * 1024;
    let wanted = chunk_bytes / (2 * threads);
    if wanted >= DEFAULT_SIZE { 0 } else { (1 << (63 - wanted.max(1).leading_zeros())).max(32 * 1024) }
}

/// The codec suggested by default.
fn advised(itemsize: u64, blocksize: u64) -> Blosc {
    Blosc { blocksize, ..Blosc::new(Cname::Zstd, 3, Shuffle::automatic(itemsize)) }
}

fn command(record: &ArrayRecord, codec: &Blosc) -> String {
    let output = recompressed_name(&record.store, &record.path);
    let mut words = vec!["zrecompress".to_owned(), shell_quote(&record.store), shell_quote(&output)];
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
