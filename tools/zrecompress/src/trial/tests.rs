//! Trials of whole arrays, on small stores and on fields like those of a weather archive.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use zarray::{Array, Hierarchy, Node, Pool};
use zcodec::{Blosc, Cname, Shuffle, Workspace};
use zstage::NoProgress;
use zstore::{Store, StoreOptions};

use crate::trial::arrays::{Choice, Chooser, choose_all};
use crate::trial::options::{Fixed, Objective, TrialOptions};
use crate::trial::rounds::{Effort, Trial, Tried};
use crate::trial::sample::samples;

const SIDE: usize = 256;

/// A smooth, drifting field with noise, quantized to 1/512.
fn field(step: usize, side: usize) -> Vec<u8> {
    let mut state = 99 + step as u64;
    let mut noise = || {
        let mut sum = 0.0;
        for _ in 0..4 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            sum += (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5;
        }
        sum * 0.26
    };
    let mut bytes = Vec::with_capacity(side * side * 4);
    for row in 0..side {
        let lat = (row as f64 / side as f64 - 0.5) * std::f64::consts::PI;
        for column in 0..side {
            let lon = column as f64 / side as f64 * std::f64::consts::TAU;
            let drift = step as f64;
            let wave = (3.0 * lon + drift / 9.0).sin() * (5.0 * lat - drift / 17.0).cos();
            let value = 255.0 + 45.0 * lat.cos() + 8.0 * wave + noise();
            bytes.extend((((value * 512.0).round() / 512.0) as f32).to_le_bytes());
        }
    }
    bytes
}

/// Creates a v2 array of float32 maps compressed with lz4; only the `stored` steps have a chunk.
fn make(root: &Path, name: &str, steps: usize, stored: &[usize]) {
    let directory = root.join(name);
    fs::create_dir_all(&directory).expect("temporary directory");
    let codec = Blosc::new(Cname::Lz4, 5, Shuffle::Shuffle);
    let zarray = json!({"zarr_format": 2, "shape": [steps, SIDE, SIDE], "chunks": [1, SIDE, SIDE], "dtype": "<f4",
        "compressor": codec.to_v2(), "filters": null, "fill_value": 0, "order": "C"});
    fs::write(root.join(".zgroup"), r#"{"zarr_format":2}"#).expect("writes");
    fs::write(directory.join(".zarray"), zarray.to_string()).expect("writes");
    for step in stored {
        let mut frame = Vec::new();
        codec.compress(4, &field(*step, SIDE), &mut frame, 1, &mut Workspace::default()).expect("compresses");
        fs::write(directory.join(format!("{step}.0.0")), frame).expect("writes");
    }
}

fn open(root: &Path) -> Store {
    Store::open(root.as_os_str(), &StoreOptions::default()).expect("a store")
}

fn arrays(store: &Store) -> Vec<Array> {
    let pool = Pool::new(1);
    let mut found = Vec::new();
    let hierarchy = Hierarchy::open(store, &pool, false).expect("a hierarchy");
    hierarchy.walk(
        &pool,
        |visit| visit.ok(),
        |node| {
            if let Some(Node::Array(array)) = node {
                found.push(*array);
            }
            true
        },
    );
    found
}

const EFFORT: Effort = Effort { enough: Duration::from_millis(5), ..Effort::QUICK };

fn options(objective: Objective, jobs: usize) -> TrialOptions {
    let source = "my store.zarr".into();
    TrialOptions { objective, sample: 2, nthreads: 2, jobs, memory: 1 << 30, source, ..TrialOptions::default() }
}

#[test]
fn samples_are_spread_and_truncated() {
    let directory = tempfile::tempdir().expect("temporary directory");
    make(directory.path(), "t2m", 8, &[0, 1, 2, 3, 4, 5, 6, 7]);
    let store = open(directory.path());
    let array = &arrays(&store)[0];
    let found = samples(&store, array, 3, 1001).expect("samples");
    let start = (4 * SIDE * SIDE - 1000) / 2;
    let middle = |step| field(step, SIDE)[start..start + 1000].to_vec();
    assert_eq!(found.chunks, [middle(0), middle(7), middle(4)]);
    assert_eq!((found.decoded_bytes, found.present), (3 * 4 * (SIDE * SIDE) as u64, 1.0));
    let whole = samples(&store, array, 100, usize::MAX).expect("samples");
    assert_eq!((whole.chunks.len(), whole.present), (8, 1.0));
}

#[test]
fn sparse_array_is_sampled_from_listing() {
    let directory = tempfile::tempdir().expect("temporary directory");
    make(directory.path(), "tp", 10_000, &[4321]);
    let store = open(directory.path());
    let found = samples(&store, &arrays(&store)[0], 3, usize::MAX).expect("samples");
    assert_eq!(found.chunks, [field(4321, SIDE)]);
    assert!((found.present - 0.0001).abs() < 1e-9, "{}", found.present);
}

#[test]
fn damaged_chunk_is_named() {
    let directory = tempfile::tempdir().expect("temporary directory");
    make(directory.path(), "t2m", 2, &[0, 1]);
    fs::write(directory.path().join("t2m/1.0.0"), b"rubbish").expect("writes");
    let store = open(directory.path());
    let failure = samples(&store, &arrays(&store)[0], 2, 1 << 20).expect_err("damaged");
    assert!(failure.to_string().contains("t2m/1.0.0"), "{failure}");
}

#[test]
fn trial_gives_records_choice_and_command() {
    let directory = tempfile::tempdir().expect("temporary directory");
    make(directory.path(), "t2m", 4, &[0, 1, 2, 3]);
    let store = open(directory.path());
    let array = &arrays(&store)[0];
    let options = options(Objective::Size, 3);
    let mut chooser = Chooser::new(&options, EFFORT, &store);
    let choice = chooser.choose(array, &NoProgress).expect("a choice");
    let chosen: Vec<_> = choice.trials.iter().filter(|trial| trial.chosen).collect();
    assert_eq!(chosen.len(), 1);
    assert!(chosen[0].sampled_bytes == 2 * 4 * (SIDE * SIDE) as u64 && chosen[0].threads == Some(2));
    let predicted = choice.record.predicted_bytes.expect("a prediction");
    let by_ratio = 4.0 * 4.0 * (SIDE * SIDE) as f64 / chosen[0].ratio;
    assert!((predicted as f64 / by_ratio - 1.0).abs() < 0.01, "{predicted} {by_ratio}");
    assert!(choice.trials.iter().any(|trial| trial.pareto) && choice.record.ratio > choice.record.ratio_before);
    let command =
        format!("zrecompress 'my store.zarr' 'my store-t2m.recompressed' --var /t2m --cname {}", chosen[0].cname);
    assert!(choice.record.command.starts_with(&command), "{}", choice.record.command);
    let split = format!("--split {}", chosen[0].split);
    assert_eq!(choice.record.command.contains(&split), chosen[0].split != "auto", "{}", choice.record.command);
}

#[test]
fn memory_limit_is_enforced() {
    let directory = tempfile::tempdir().expect("temporary directory");
    make(directory.path(), "t2m", 4, &[0, 1, 2, 3]);
    let store = open(directory.path());
    let (array, progress) = (&arrays(&store)[0], NoProgress);
    let whole = 3 * 4 * (SIDE * SIDE) as u64;
    let options = options(Objective::Size, 1);
    let with = |memory| Trial { options: &options, effort: EFFORT, memory }.run(&store, array, &progress);
    let failure = with(whole + 1000).err().expect("too little");
    assert_eq!(failure.exit, zwire::Exit::Usage);
    let tried = with(whole + 4 * (100 << 10)).expect("tries");
    assert!(tried.measured.iter().all(|one| one.sampled_bytes <= 2 * (100 << 10)));
}

#[test]
fn trial_is_shared_only_if_requested() {
    let directory = tempfile::tempdir().expect("temporary directory");
    make(directory.path(), "a", 2, &[0]);
    make(directory.path(), "b", 3, &[1]);
    make(directory.path(), "c", 3, &[]);
    let store = open(directory.path());
    let arrays = arrays(&store);
    let progress = NoProgress;
    for share in [false, true] {
        let options = TrialOptions { share, ..options(Objective::Point, 2) };
        let mut chooser = Chooser::new(&options, EFFORT, &store);
        check_shared(share, arrays.iter().map(|array| chooser.choose(array, &progress).expect("a choice")));
        let all: Vec<&Array> = arrays.iter().collect();
        let choices = choose_all(&options, EFFORT, &store, &all, &progress).expect("choices");
        check_shared(share, choices.into_iter());
    }
}

fn check_shared(share: bool, choices: impl Iterator<Item = Choice>) {
    let [a, b, c]: [Choice; 3] = choices.collect::<Vec<_>>().try_into().ok().expect("one an array");
    assert_eq!([&a, &b, &c].map(|choice| choice.record.path.as_str()), ["/a", "/b", "/c"]);
    assert!(a.record.reason.is_none() && a.record.sampled > 0);
    assert_eq!(b.record.reason.is_some(), share);
    assert_eq!(b.record.sampled == 0, share);
    let reason = c.record.reason.as_deref().expect("nothing is stored");
    let shared = "same data type, chunk shape and codec as /a";
    assert_eq!(reason, if share { shared } else { "no chunks are stored" });
    assert_eq!(c.compressor, if share { a.compressor } else { Fixed::default().untried(4) });
}

/// The choice for balance, against zstd level 3 with shuffle: not larger, in at most 0.6 of the time.
fn check_balance(tried: &Tried) {
    let chosen = &tried.measured[tried.chosen.expect("a choice")];
    let default = tried.measured.iter().find(|one| one.candidate.default).expect("is always tried");
    assert_eq!(default.candidate.compressor, Blosc::new(Cname::Zstd, 3, Shuffle::Shuffle));
    assert!(chosen.encoded_bytes <= default.encoded_bytes && default.thorough, "{chosen:?} {default:?}");
    let time = default.one_thread.encode / chosen.one_thread.encode;
    assert!(time <= 0.6, "{time:.2} of the time: {chosen:?} {default:?}");
}

#[test]
fn balance_is_smaller_and_faster_than_the_default() {
    let directory = tempfile::tempdir().expect("temporary directory");
    make(directory.path(), "t2m", 4, &[0, 1, 2, 3]);
    let store = open(directory.path());
    let options = options(Objective::Balanced, 1);
    let trial = Trial { options: &options, effort: EFFORT, memory: options.memory };
    let tried = trial.run(&store, &arrays(&store)[0], &NoProgress).expect("tries");
    check_balance(&tried);
}
