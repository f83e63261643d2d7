//! Mutated input for everything that parses bytes which others wrote: Blosc frames, cells of them, metadata documents, shard
//! indexes, zip archives. None of it may panic, or decode to values that another way of reading contradicts.
//!
//! In the normal tests each target runs over a few thousand inputs that are always the same. `scripts/dev/fuzz.sh` sets
//! `FUZZ_SECONDS` (and `FUZZ_SEED`): then it runs for that time, and every input lies in `FUZZ_DIRECTORY` while it is tried,
//! so that one which kills the process is still there. `FUZZ_INPUT=FILE` runs one input again, and `FUZZ_SEEDS=DIR` writes the seeds
//! of each target there. The inputs that libFuzzer found are seeds, too: `fuzz/` has its targets, and `fuzz/corpus/` the inputs.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "fuzz/targets.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{Zip, fixtures, repository, tree};
use zarray::ShardIndex;
use zcodec::{Blosc, Cname, Shuffle, Workspace};
use zstore::{ByteRange, Object, Store, StoreOptions};

/// Inputs of a target in the normal tests.
const INPUTS: u64 = 3_000;

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

/// The committed inputs of a target.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = repository().join("tests/fuzz/corpus").join(name);
    let files = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
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
    let seeds = [seeds.to_vec(), corpus(name)].concat();
    if let Some(directory) = variable("FUZZ_SEEDS") {
        let directory = Path::new(&directory).join(name);
        fs::create_dir_all(&directory).unwrap();
        seeds.iter().enumerate().for_each(|(at, seed)| fs::write(directory.join(at.to_string()), seed).unwrap());
    }
    let (mut random, started, current) = (Random(seed), Instant::now(), directory.join(format!("{name}.current")));
    seeds.iter().for_each(|seed| target(seed));
    let mut tried = 0;
    while limit.map_or(tried < INPUTS, |limit| started.elapsed() < limit) {
        let input = random.input(&seeds);
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

/// The targets of libFuzzer are those of this file, and each has a committed corpus.
#[test]
fn every_target_has_a_corpus_and_runs_here() {
    let folder = repository().join("tests/fuzz");
    let text = |path: &str| fs::read_to_string(repository().join(path)).unwrap();
    let (tests, manifest) = (text("tests/fuzz.rs"), text("tests/fuzz/Cargo.toml"));
    let targets = fs::read_dir(folder.join("fuzz_targets")).unwrap().map(|entry| entry.unwrap().path());
    let names: Vec<String> = targets.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(!corpus(&name).is_empty(), "{name} has a corpus");
        assert!(tests.contains(&format!("fn {name}()")), "{name} runs in the normal tests");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is built by scripts/dev/fuzz.sh");
    }
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

#[test]
fn blosc_frames() {
    fuzz("blosc_frames", &frames(), targets::blosc_frames);
}

#[test]
fn blosc_pieces() {
    fuzz("blosc_pieces", &frames(), targets::blosc_pieces);
}

#[test]
fn blosc_cells() {
    fuzz("blosc_cells", &frames(), targets::blosc_cells);
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
fn metadata_v2() {
    fuzz("metadata_v2", &documents(&[".zarray", ".zattrs", ".zgroup"]), targets::metadata_v2);
}

#[test]
fn metadata_v3() {
    fuzz("metadata_v3", &documents(&["zarr.json"]), targets::metadata_v3);
}

#[test]
fn consolidated() {
    fuzz("consolidated", &documents(&[".zmetadata", "zarr.json"]), targets::consolidated);
}

/// Only the committed inputs: metadata and a chunk each.
#[test]
fn chunk_decode() {
    fuzz("chunk_decode", &[], targets::chunk_decode);
}

// ---- Indexes and archives

#[test]
fn shard_index() {
    let index = ShardIndex((0..9).map(|number| (number != 4).then_some((number * 100, 100))).collect());
    let seeds = targets::layouts().map(|layout| index.encode(&layout));
    fuzz("shard_index", &seeds, targets::shard_index);
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
