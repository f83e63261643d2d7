//! Tests of [`super`]: the output of any rechunking equals that of a naive loop over elements.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use zarray::Grid;

use super::super::case::{Case, any_case, maps};
use super::super::groups::Groups;
use super::super::testing::{FileSink, decode, encode, make_array, open_store};
use super::super::{Assumptions, Layout, RechunkPlan, RegionOutcome, Resources};
use super::*;

const ROOMY: Resources = Resources { budget: 1 << 30, workers: 3, readers: 2, in_flight: 1, scratch_bytes: 0 };

fn copy(src: &[u8], dst: &mut Vec<u8>, _: usize, _: &mut Workspace) -> Result<(), CodecError> {
    dst.clear();
    dst.extend_from_slice(src);
    Ok(())
}

fn plan(case: &Case, array: &Array, resources: Resources) -> RechunkPlan {
    let assumptions = Assumptions { verify: true, element_bytes: 8, ..Assumptions::default() };
    RechunkPlan::new(array, &case.target(), assumptions, resources).expect("a plan")
}

/// Runs every region of a plan, with as many in parallel as the plan has in flight.
fn run_all(engine: &Engine, plan: &RechunkPlan) -> RegionOutcome {
    let directory = tempfile::tempdir().expect("a directory");
    let mut total = RegionOutcome::default();
    for (group, in_two_passes) in plan.passes(0..plan.regions()) {
        let numbers: Vec<u64> = group.clone().collect();
        let scratch = in_two_passes.then(|| engine.first_pass(&numbers, directory.path()).expect("a first pass"));
        let next = std::sync::atomic::AtomicU64::new(group.start);
        let failed = AtomicBool::new(false);
        let work = |done: &mut RegionOutcome| loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= group.end {
                return Ok(());
            }
            done.add(engine.run(number, scratch.as_ref())?);
        };
        total.add(run_workers(plan.threads.in_flight, group.end - group.start, &failed, work).expect("runs"));
    }
    total
}

fn rechunk(case: &Case, plan: &RechunkPlan, array: &Array, from: &Path, to: &Path) -> RegionOutcome {
    let store = open_store(from);
    let sink = FileSink { directory: to, array };
    let coders = match case.compressed {
        true => Coders { encode: &encode, decode: Some(&decode) },
        false => Coders { encode: &copy, decode: Some(&copy) },
    };
    let stop = || false;
    let engine = Engine::new(&store, array, plan, &sink, coders, OnBad::Error, &stop).expect("an engine");
    run_all(&engine, plan)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every output element is correct for any regions, slices and thread count.
    #[test]
    fn every_element_is_rechunked(case in any_case(), sliced: bool, workers in 1usize..5, in_flight in 1usize..3) {
        let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let array = case.write_source(from.path());
        let mut plan = plan(&case, &array, Resources { workers, in_flight, ..ROOMY });
        let rank = case.dimensions.len();
        let units: Vec<u64> = (0..rank as u64).map(|dimension| 1 + (case.units + dimension) % 3).collect();
        plan.regions = Grid::new(plan.regions.shape().to_vec(), units.clone()).expect("a grid");
        if sliced && case.target().shards.is_some() {
            plan.regions = Grid::new(plan.regions.shape().to_vec(), vec![1; rank]).expect("a grid");
            plan.slice = Some(units);
        }
        let outcome = rechunk(&case, &plan, &array, from.path(), to.path());
        prop_assert_eq!(&outcome.bad, &[]);
        prop_assert_eq!(outcome.chunks + outcome.absent_chunks, plan.chunks.len());
        case.check(to.path());
    }

    /// In two passes, the output and the fingerprint of the source are the same, and each source chunk is read once.
    #[test]
    fn two_passes_make_the_same(case in any_case(), workers in 1usize..5, in_flight in 1usize..3, dimension: prop::sample::Index, together in 1u64..5) {
        let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let array = case.write_source(from.path());
        let mut plan = plan(&case, &array, Resources { workers, in_flight, ..ROOMY });
        let rank = case.dimensions.len();
        prop_assume!(rank > 0 && plan.elements.itemsize != Itemsize::Variable);
        plan.regions = Grid::new(plan.regions.shape().to_vec(), vec![case.units; rank]).expect("a grid");
        let once = rechunk(&case, &plan, &array, from.path(), tempfile::tempdir().expect("a directory").path());
        plan.groups = Some(Groups { counts: plan.regions.counts(), dimension: dimension.index(rank), regions: together });
        let twice = rechunk(&case, &plan, &array, from.path(), to.path());
        let counters = |it: &RegionOutcome| (it.objects, it.chunks, it.absent_chunks, it.checksum, it.sources, it.source_absent);
        prop_assert_eq!(counters(&once), counters(&twice));
        prop_assert!(twice.source_chunks <= once.source_chunks);
        if plan.passes(0..plan.regions()).len() == 1 {
            prop_assert!(twice.source_chunks <= array.chunk_grid().expect("a grid").len());
        }
        case.check(to.path());
    }
}

#[test]
fn checksum_depends_only_on_elements() {
    let mut checksums = Vec::new();
    for (workers, units, sharded) in [(1, 1, false), (3, 2, false), (2, 5, true)] {
        let case = Case { target_sharded: sharded, ..maps() };
        let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let array = case.write_source(from.path());
        let mut plan = plan(&case, &array, Resources { workers, ..ROOMY });
        plan.regions = Grid::new(plan.regions.shape().to_vec(), vec![units; 3]).expect("a grid");
        checksums.push(rechunk(&case, &plan, &array, from.path(), to.path()).checksum);
    }
    assert!(checksums[0] != 0 && checksums.iter().all(|checksum| *checksum == checksums[0]), "{checksums:?}");
}

#[test]
fn shards_are_identical_for_any_worker_count() {
    let case = Case { target_sharded: true, ..maps() };
    let mut outputs = Vec::new();
    for workers in [1, 4] {
        let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let array = case.write_source(from.path());
        let plan = plan(&case, &array, Resources { workers, ..ROOMY });
        let outcome = rechunk(&case, &plan, &array, from.path(), to.path());
        assert_eq!((outcome.objects, outcome.source_chunks), (1, 8));
        outputs.push(std::fs::read(to.path().join("x/c/0/0/0")).expect("a shard"));
        assert_eq!(outputs[0].len() as u64, outcome.bytes_written);
    }
    assert!(outputs[0] == outputs[1]);
}

/// Runs region 0 with source chunk 2 truncated; returns the outcome and the output chunks present.
fn run_with_truncated_chunk(case: &Case, on_bad: OnBad) -> (RegionOutcome, Vec<Vec<u64>>) {
    let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let array = case.write_source(from.path());
    let path = from.path().join("x/c/2/0/0");
    let bytes = std::fs::read(&path).expect("is there");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("is written");
    let plan = plan(case, &array, ROOMY);
    let (store, sink, stop) = (open_store(from.path()), FileSink { directory: to.path(), array: &array }, || false);
    let coders = Coders { encode: &encode, decode: None };
    let engine = Engine::new(&store, &array, &plan, &sink, coders, on_bad, &stop).expect("an engine");
    let outcome = engine.run(0, None).expect("runs");
    let written = make_array(to.path(), &case.metadata(&case.target()));
    let target = open_store(to.path());
    let reader = ChunkReader::new(&target, &written).expect("readable");
    let all = (0..reader.grid().len()).map(|number| reader.grid().index(number));
    let there = all.filter(|index| reader.fetch(index, &mut Vec::new()).expect("reads").present).collect();
    (outcome, there)
}

#[test]
fn bad_chunk_affects_only_overlapping_output_chunks() {
    for on_bad in [OnBad::Error, OnBad::Skip] {
        let (outcome, there) = run_with_truncated_chunk(&maps(), on_bad);
        assert_eq!(outcome.bad.len(), 1);
        assert!(
            outcome.bad[0].place.ends_with("x/c/2/0/0") && outcome.bad[0].cause.contains("truncated"),
            "{outcome:?}"
        );
        assert_eq!((outcome.chunks, outcome.spoiled_chunks, outcome.objects), (4, 4, 4));
        assert!(there.iter().all(|index| index[0] == 1) && there.len() == 4, "{there:?}");
        // In a shard, the other chunks are written only with `OnBad::Skip`.
        let (outcome, there) = run_with_truncated_chunk(&Case { target_sharded: true, ..maps() }, on_bad);
        let kept = if on_bad == OnBad::Skip { 4 } else { 0 };
        assert_eq!((outcome.spoiled_chunks, there.len()), (4, kept));
        assert_eq!(outcome.objects, u64::from(kept > 0));
    }
}

/// Writes the source of `case` to a temporary directory and calls `try_it` with an engine for it.
fn with_engine<T>(
    case: &Case,
    stop: &(dyn Fn() -> bool + Sync),
    sink: &dyn ObjectSink,
    try_it: impl Fn(&Engine) -> T,
) -> T {
    let from = tempfile::tempdir().expect("a directory");
    let array = case.write_source(from.path());
    let (plan, store) = (plan(case, &array, ROOMY), open_store(from.path()));
    let coders = Coders { encode: &encode, decode: None };
    try_it(&Engine::new(&store, &array, &plan, sink, coders, OnBad::Error, stop).expect("an engine"))
}

#[test]
fn stop_interrupts_region() {
    for sharded in [true, false] {
        let asked = std::sync::atomic::AtomicU64::new(0);
        // In the middle of the write phase.
        let stop = || asked.fetch_add(1, Ordering::Relaxed) > 12;
        let case = Case { target_sharded: sharded, ..maps() };
        let to = tempfile::tempdir().expect("a directory");
        let array = make_array(to.path(), &case.metadata(&case.target()));
        let sink = FileSink { directory: to.path(), array: &array };
        let failure = with_engine(&case, &stop, &sink, |engine| engine.run(0, None).expect_err("is stopped"));
        assert!(failure.to_string().contains("stopped"), "{failure}");
        assert!(!sharded || !to.path().join("x/c/0/0/0").exists(), "half a shard");
    }
}

#[test]
fn sink_failure_is_returned() {
    struct Full;
    impl ObjectSink for Full {
        fn put(&self, _: &[u64], _: &[u8]) -> Result<(), Failure> {
            Err(Failure::new(Exit::Output, "the disk is full"))
        }

        fn shard(&self, _: &[u64], _: usize) -> Result<Box<dyn super::super::ShardSink + '_>, Failure> {
            Err(Failure::new(Exit::Output, "the disk is full"))
        }
    }
    for sharded in [true, false] {
        let case = Case { target_sharded: sharded, ..maps() };
        let failure = with_engine(&case, &|| false, &Full, |engine| engine.run(0, None).expect_err("is full"));
        assert_eq!((failure.exit, failure.to_string().as_str()), (Exit::Output, "the disk is full"));
    }
}

#[test]
fn sources_fingerprint_detects_changes() {
    let case = maps();
    let sum = |touch: bool| {
        let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let array = case.write_source(from.path());
        let plan = plan(&case, &array, ROOMY);
        let first = rechunk(&case, &plan, &array, from.path(), to.path()).sources;
        let path = from.path().join("x/c/3/0/0");
        if touch {
            std::fs::remove_file(path).expect("was there");
        }
        let to = tempfile::tempdir().expect("a directory");
        first == rechunk(&case, &plan, &array, from.path(), to.path()).sources
    };
    assert!(sum(false) && !sum(true));
}

#[test]
fn verify_detects_lossy_encoder() {
    let case = maps();
    let from = tempfile::tempdir().expect("a directory");
    let array = case.write_source(from.path());
    let (plan, store, stop) = (plan(&case, &array, ROOMY), open_store(from.path()), || false);
    let forgetful = |src: &[u8], dst: &mut Vec<u8>, threads: usize, workspace: &mut Workspace| {
        encode(&src[4..], dst, threads, workspace)
    };
    let sink = super::super::testing::NoSink::default();
    let coders = Coders { encode: &forgetful, decode: Some(&decode) };
    let engine = Engine::new(&store, &array, &plan, &sink, coders, OnBad::Error, &stop).expect("an engine");
    let failure = engine.run(0, None).expect_err("is noticed");
    assert!(failure.to_string().contains("/x output chunk") && failure.exit == Exit::Output, "{failure}");
    assert_eq!(*sink.0.lock().expect("not poisoned"), 0);
}

#[test]
fn unknown_fill_value_fails_only_if_needed() {
    let text = |fill: Value| {
        json!({"zarr_format": 2, "shape": [4], "chunks": [1], "dtype": "<f4", "fill_value": fill, "order": "C",
            "filters": [{"id": "fixedscaleoffset", "dtype": "<f4", "astype": "|u1", "scale": 1, "offset": 0}],
            "compressor": null})
    };
    let layout = |length| Layout { chunks: vec![length], shards: None };
    for (fill, length, present, ok) in [
        (json!("NaN"), 2, 4, true),
        (json!("NaN"), 2, 3, false),
        (json!("NaN"), 3, 4, true),
        (json!("NaN"), 1, 2, true),
        (json!(5), 2, 3, true),
    ] {
        let (from, to) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let array = make_array(from.path(), &text(fill.clone()));
        (0..present).for_each(|n| std::fs::write(from.path().join(format!("x/{n}")), [n as u8]).expect("is written"));
        let plan = RechunkPlan::new(&array, &layout(length), Assumptions::default(), ROOMY).expect("a plan");
        let (store, sink, stop) = (open_store(from.path()), FileSink { directory: to.path(), array: &array }, || false);
        let coders = Coders { encode: &copy, decode: None };
        let engine = Engine::new(&store, &array, &plan, &sink, coders, OnBad::Error, &stop).expect("an engine");
        let result = engine.run(0, None);
        assert_eq!(result.is_ok(), ok, "{fill} {length} {present}: {result:?}");
        if let Err(failure) = result {
            assert!(failure.to_string().contains("fixedscaleoffset"), "{failure}");
        } else if fill == 5 {
            assert_eq!(std::fs::read(to.path().join("x/1")).expect("a chunk"), [2, 5]);
        }
    }
}
