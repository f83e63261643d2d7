//! Mutated input for everything that parses bytes which others wrote: Blosc frames, cells of them, metadata documents, shard
//! indexes, zip archives. None of it may panic, or decode to values that another way of reading contradicts.
//!
//! In the normal tests each target runs over a few thousand inputs that are always the same. `scripts/dev/fuzz.sh` sets
//! `FUZZ_SECONDS` (and `FUZZ_SEED`): then it runs for that time, and every input lies in `FUZZ_DIRECTORY` while it is tried,
//! so that one which kills the process is still there. `FUZZ_INPUT=FILE` runs one input again.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{Zip, fixtures, tree};
use zarray::{Consolidated, IndexLayout, ShardIndex, array_v2, node_v3};
use zcodec::{
    BlockTable, Blosc, Cname, HEADER_LEN, Header, Shuffle, Workspace, decode_block, decode_cells, decompress,
};
use zstore::{ByteRange, Object, Store, StoreOptions};

/// Inputs of a target in the normal tests.
const INPUTS: u64 = 3_000;

/// Frames that declare more are not decoded: it is the callers that bound memory.
const MOST_BYTES: usize = 1 << 20;

/// A small generator of random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end.max(1)
    }

    /// One of the seeds, changed at a few places.
    fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..1 + self.below(4) {
            self.mutate(&mut bytes, seeds);
        }
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let (at, other) = (self.below(bytes.len()), &seeds[self.below(seeds.len())]);
        let len = self.below(9).min(bytes.len() - at.min(bytes.len()));
        match self.below(8) {
            _ if bytes.is_empty() => bytes.push(self.below(256) as u8),
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
            2 => bytes.truncate(at),
            3 => bytes[at..at + len].fill([0, 0xff][self.below(2)]),
            4 => drop(bytes.drain(at..at + len)),
            5 => {
                let copy = bytes[at..at + len].to_vec();
                let to = self.below(bytes.len());
                drop(bytes.splice(to..to, copy));
            }
            6 => {
                let from = self.below(other.len());
                let piece = other[from..(from + 1 + self.below(64)).min(other.len())].to_vec();
                drop(bytes.splice(at..at, piece));
            }
            // A number at the start or the end, where lengths and offsets are.
            _ => {
                let near = self.below(bytes.len().min(64));
                let at = if self.below(2) == 0 { near } else { bytes.len() - 1 - near };
                let number = (self.below(1 << 20) as u32).to_le_bytes();
                let len = 4.min(bytes.len() - at);
                bytes[at..at + len].copy_from_slice(&number[..len]);
            }
        }
    }
}

/// Tries inputs made from `seeds`, for as long as the environment says.
fn fuzz(name: &str, seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
    let variable = |name: &str| std::env::var(name).ok();
    if let Some(input) = variable("FUZZ_INPUT") {
        return target(&fs::read(input).unwrap());
    }
    let directory = PathBuf::from(variable("FUZZ_DIRECTORY").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into()));
    let limit = variable("FUZZ_SECONDS").map(|seconds| Duration::from_secs_f64(seconds.parse().unwrap()));
    let seed = variable("FUZZ_SEED").map_or(1, |seed| seed.parse().unwrap());
    let (mut random, started, current) = (Random(seed), Instant::now(), directory.join(format!("{name}.current")));
    seeds.iter().for_each(|seed| target(seed));
    let mut tried = 0;
    while limit.map_or(tried < INPUTS, |limit| started.elapsed() < limit) {
        let input = random.input(seeds);
        if limit.is_some() {
            fs::write(&current, &input).unwrap();
        }
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            let file = directory.join(format!("{name}-{seed}-{tried}.input"));
            fs::write(&file, &input).unwrap();
            panic!("{name}: run it again with FUZZ_INPUT={}", file.display());
        }
        tried += 1;
    }
    println!("{name}: {tried} inputs in {:.1} s", started.elapsed().as_secs_f64());
}

// ---- Frames

fn frames() -> Vec<Vec<u8>> {
    let smooth = |index: usize| (280.0 + (index as f32 / 50.0).sin() + (index % 7) as f32).to_le_bytes();
    let values: Vec<u8> = (0..6000).flat_map(smooth).collect();
    let mut frames = Vec::new();
    for cname in [Cname::Lz4, Cname::Zstd, Cname::Blosclz, Cname::Zlib] {
        for shuffle in [Shuffle::Noshuffle, Shuffle::Shuffle, Shuffle::Bitshuffle] {
            for (bytes, typesize) in [(&values[..], 4), (&values[..4001], 8), (&values[..100], 4), (&[][..], 4)] {
                let codec = Blosc { blocksize: 4096, ..Blosc::new(cname, 5, shuffle) };
                let mut frame = Vec::new();
                codec.compress(typesize, bytes, &mut frame, 1, &mut Workspace::default()).unwrap();
                frames.push(frame);
            }
        }
    }
    frames
}

fn header(bytes: &[u8]) -> Option<Header> {
    Header::parse(bytes).ok().filter(|header| header.nbytes as usize <= MOST_BYTES)
}

/// Whole and block by block: what both give is the same.
#[test]
fn blosc_frames() {
    fuzz("frames", &frames(), |bytes| {
        let Some(header) = header(bytes) else { return };
        let (mut whole, mut block, mut workspace) = (Vec::new(), Vec::new(), Workspace::default());
        let decoded = decompress(bytes, &mut whole, 1, &mut workspace);
        let Some(Ok(table)) = bytes.get(HEADER_LEN..).map(|rest| BlockTable::parse(&header, rest)) else { return };
        for index in 0..header.blocks() {
            let place = table.block(index).and_then(|at| bytes.get(at.start as usize..at.end as usize));
            let Some(stored) = place else { continue };
            let single = decode_block(&header, index, stored, &mut block, &mut workspace);
            if let (Ok(_), Ok(_)) = (&decoded, single) {
                let at = header.block_bytes(index);
                assert!(block == whole[at.start as usize..at.end as usize], "block {index}");
            }
        }
    });
}

/// A few cells of a block are those of the block, where it can be decoded.
#[test]
fn cells_of_frames() {
    fuzz("cells", &frames(), |bytes| {
        let Some(header) = header(bytes) else { return };
        let Some(Ok(table)) = bytes.get(HEADER_LEN..).map(|rest| BlockTable::parse(&header, rest)) else { return };
        let (mut block, mut workspace) = (Vec::new(), Workspace::default());
        for index in 0..header.blocks() {
            let place = table.block(index).and_then(|at| bytes.get(at.start as usize..at.end as usize));
            let Some(stored) = place else { continue };
            let at = header.block_bytes(index);
            let len = (at.end - at.start) as usize;
            let offsets: Vec<u32> = [0, len / 3 / 4 * 4, len.saturating_sub(4), len].map(|at| at as u32).to_vec();
            for (offsets, itemsize) in [(&offsets[..2], 4), (&offsets[..3], 2), (&offsets[2..3], 3), (&offsets[..], 1)]
            {
                let mut out = vec![0; offsets.len() * itemsize];
                // From a buffer that held something else before.
                workspace = if index % 2 == 0 { workspace } else { Workspace::default() };
                let cells = decode_cells(&header, index, stored, offsets, itemsize, &mut out, &mut workspace);
                let whole = decode_block(&header, index, stored, &mut block, &mut workspace);
                if let (Ok(_), Ok(_)) = (cells, whole) {
                    for (cell, at) in out.chunks(itemsize).zip(offsets) {
                        assert_eq!(cell, &block[*at as usize..*at as usize + itemsize], "block {index} at {at}");
                    }
                }
            }
        }
    });
}

// ---- Documents

/// Every document of the committed stores.
fn documents(names: &[&str]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for directory in fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let is_document =
            |name: &str| names.iter().any(|end| Path::new(name).file_name().is_some_and(|name| name == *end));
        found.extend(tree(&directory).into_iter().filter(|(name, _)| is_document(name)).map(|(_, content)| content));
    }
    found.retain(|document| document.len() < 20_000);
    found.sort();
    found.dedup();
    assert!(found.len() > 20, "there are documents");
    found
}

#[test]
fn metadata_documents() {
    let v2 = documents(&[".zarray", ".zattrs", ".zgroup"]);
    fuzz("metadata-v2", &v2, |bytes| {
        let _ = array_v2("/a", bytes, Some(bytes));
        let _ = array_v2("/a", bytes, None);
    });
    let v3 = documents(&["zarr.json"]);
    fuzz("metadata-v3", &v3, |bytes| drop(node_v3("/a", bytes)));
    let consolidated = documents(&[".zmetadata", "zarr.json"]);
    fuzz("consolidated", &consolidated, |bytes| {
        let Ok(copy) = Consolidated::v2(bytes.to_vec()) else { return };
        let _ = copy.root();
        copy.paths().for_each(|(path, span)| drop(copy.node(&path, span)));
    });
}

// ---- Indexes and archives

/// An index never names bytes that are not in the shard.
#[test]
fn shard_indexes() {
    let layout = |checksum, big_endian| IndexLayout { at_end: true, checksum, big_endian, chunks: 9 };
    let index = ShardIndex((0..9).map(|number| (number != 4).then_some((number * 100, 100))).collect());
    let layouts = [layout(true, false), layout(false, false), layout(false, true)];
    let seeds = layouts.map(|layout| index.encode(&layout));
    fuzz("shard-index", &seeds, |bytes| {
        for layout in layouts {
            let Ok(index) = ShardIndex::parse(&layout, bytes, 1000) else { continue };
            assert_eq!(index.0.len(), 9);
            assert!(index.0.iter().flatten().all(|(offset, len)| offset + len <= 1000));
        }
    });
}

/// An archive reads to its end or is refused, and every key has the size that the list says.
#[test]
fn zip_archives() {
    let archive = |zip64, deflate, extra: usize| {
        let zip = Zip::with_headers(zip64, vec![0; extra]);
        zip.with("a/.zgroup", b"{\"zarr_format\":2}", deflate)
            .with("a/t/0.0", &[7; 300], deflate)
            .with("a/t/0.1", b"", false)
    };
    let seeds = [(false, false, 0), (true, false, 4), (false, true, 9), (true, true, 0)];
    let seeds = seeds.map(|(zip64, deflate, extra)| archive(zip64, deflate, extra).finish());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.zip");
    let options = StoreOptions { memory: 1 << 20, ..StoreOptions::default() };
    fuzz("zip", &seeds, |bytes| {
        fs::write(&path, bytes).unwrap();
        let Ok(store) = Store::open(path.as_path(), &options) else { return };
        let mut buffer = Vec::new();
        // A key that is no text is shown, and cannot be asked for.
        let is_text = |object: &Object| !object.key.contains('\u{fffd}');
        for object in store.list("").unwrap().map(Result::unwrap).filter(is_text) {
            if let Ok(stat) = store.get(&object.key, &mut buffer) {
                assert_eq!((stat, buffer.len() as u64), (Some(object.stat), object.stat.size));
                let whole = buffer.clone();
                let last = store.get_range(&object.key, ByteRange::Last { len: 5 }, &mut buffer);
                assert!(last.is_err() || whole.ends_with(&buffer));
            }
        }
        let _ = store.entries("a").unwrap();
    });
}
