//! Tests of [`super`]: plans fit the budget, cover the output, and predict the engine's work.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::engine::{Coders, Engine, OnBad};
use super::super::memory::{Assumptions, Resources, Threads};
use super::super::planner::{Choice, Problem};
use super::super::search::shapes;
use super::super::testing::{NoSink, decode, encode, make_array, open_store};
use super::*;
use zarray::Array;
use zwire::{Exit, Failure};

const MIB: u64 = 1 << 20;

fn array(shape: &[u64], chunk: &[u64], codecs: Value) -> Array {
    let directory = tempfile::tempdir().expect("a directory");
    let text = json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "float32", "fill_value": 0,
        "codecs": codecs, "chunk_key_encoding": {"name": "default"},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}}});
    make_array(directory.path(), &text)
}

fn lz4() -> Value {
    json!(["bytes", {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 4}}])
}

fn layout(chunks: &[u64], shards: Option<&[u64]>) -> Layout {
    let index = |shards: &[u64]| zarray::IndexLayout {
        at_end: true,
        checksum: true,
        big_endian: false,
        chunks: shards.iter().zip(chunks).map(|(shard, chunk)| shard / chunk).product(),
    };
    Layout { chunks: chunks.to_vec(), shards: shards.map(|shards| (shards.to_vec(), index(shards))) }
}

fn resources(budget: u64) -> Resources {
    Resources { budget, workers: 2, readers: 2, in_flight: 1, scratch_bytes: 0 }
}

fn plan(array: &Array, layout: &Layout, budget: u64) -> Result<RechunkPlan, Failure> {
    RechunkPlan::new(array, layout, Assumptions::default(), resources(budget))
}

#[test]
fn maps_to_series_use_balanced_bands() {
    let array = array(&[500, 721, 1440], &[1, 721, 1440], lz4());
    let plan = plan(&array, &layout(&[240, 16, 16], None), 512 * MIB).expect("a plan");
    let stats = plan.stats;
    assert!(stats.peak_memory_bytes <= 512 * MIB && stats.region_bytes > 200 * MIB, "{stats:?}");
    assert!(stats.reads_mean <= 3.0 && stats.decodes_mean < 1.3, "{stats:?}");
    let rows: Vec<u64> = (0..stats.regions).map(|n| plan.region(n).objects.shape()[1]).collect();
    let (least, most) = (rows.iter().min().expect("some"), rows.iter().max().expect("some"));
    assert!(most - least <= 3, "{rows:?}");
}

#[test]
fn two_passes_read_once_where_one_reads_often() {
    let array = array(&[500, 721, 1440], &[1, 721, 1440], lz4());
    let layout = layout(&[500, 721, 8], None);
    let plan = |scratch_bytes, remote| {
        let assumptions = Assumptions { remote, ..Assumptions::default() };
        let resources = Resources { scratch_bytes, ..resources(512 * MIB) };
        RechunkPlan::new(&array, &layout, assumptions, resources).expect("a plan")
    };
    // A part that has less space than the plan was made for does the same regions.
    assert_eq!(plan(0, true).regions, plan(1 << 40, true).regions);
    let plan = |scratch_bytes, remote| plan(scratch_bytes, remote).stats;
    let (one, two) = (plan(0, true), plan(1 << 40, true));
    assert!(one.reads_mean > 4.0 && one.temporary_bytes == 0, "{one:?}");
    assert_eq!((two.reads_mean, two.decodes_mean, two.chunks_read), (1.0, 1.0, 500));
    assert_eq!((two.temporary_bytes, two.regions), (500 * 721 * 1440 * 4, one.regions));
    // Space for three of five regions.
    let some = plan(500 * 721 * 900 * 4, true);
    assert!(some.temporary_bytes <= 500 * 721 * 900 * 4 && some.reads_mean == 2.0, "{some:?}");
    // Space for one region is of no use.
    assert_eq!(plan(one.region_bytes, true), plan(0, true));
}

#[test]
fn large_budget_decodes_once() {
    let array = array(&[500, 721, 1440], &[1, 721, 1440], lz4());
    let stats = plan(&array, &layout(&[240, 16, 16], None), 8192 * MIB).expect("a plan").stats;
    assert_eq!((stats.reads_mean, stats.reads_most, stats.decodes_mean), (1.0, 1, 1.0));
    assert!(stats.region_bytes <= 1000 * MIB, "no more than it takes: {stats:?}");
}

#[test]
fn shard_larger_than_memory_is_written_in_slices() {
    let array = array(&[500, 721, 1440], &[1, 721, 1440], lz4());
    let layout = layout(&[10, 103, 144], Some(&[500, 721, 1440]));
    let plan = plan(&array, &layout, 256 * MIB).expect("a plan");
    assert_eq!((plan.regions(), plan.stats.objects), (1, 1));
    let slices = plan.slices(&plan.region(0));
    assert!(slices.len() > 4);
    assert_eq!(slices.iter().map(Subset::elements).sum::<u64>(), plan.chunks.len());
    assert_eq!((plan.stats.reads_mean, plan.stats.decodes_mean), (1.0, 1.0), "slices along time decode nothing twice");
}

#[test]
fn insufficient_budget_reports_sufficient_one() {
    let array = array(&[500, 721, 1440], &[1, 721, 1440], lz4());
    let layout = layout(&[500, 100, 1440], None);
    let failure = plan(&array, &layout, 64 * MIB).expect_err("too little");
    assert_eq!(failure.exit, Exit::Usage);
    let hint = failure.advice().expect("advice").to_owned();
    let wanted: u64 = hint.split(['M', ' ']).find_map(|word| word.parse().ok()).expect("a size");
    assert!(plan(&array, &layout, wanted * MIB).is_ok(), "{hint}");
    assert!(plan(&array, &layout, (wanted - 2) * MIB).is_err(), "{hint}");
}

#[test]
fn unsupported_codec_is_named() {
    let array = array(&[4], &[4], json!(["zfp"]));
    let failure = plan(&array, &layout(&[2], None), MIB).expect_err("cannot");
    assert!(failure.exit == Exit::Unreadable && failure.to_string().contains("\"zfp\""), "{failure}");
}

#[test]
fn huge_grids_are_planned_quickly() {
    let started = std::time::Instant::now();
    let array = array(&[10_000_000, 721, 1440, 37], &[1, 721, 1440, 1], lz4());
    let stats = plan(&array, &layout(&[1000, 7, 9, 37], Some(&[10000, 70, 90, 37])), 4096 * MIB).expect("a plan").stats;
    assert!(stats.peak_memory_bytes <= 4096 * MIB && stats.source_chunks == 370_000_000, "{stats:?}");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

fn any_grid() -> impl Strategy<Value = (Vec<u64>, Vec<u64>, Vec<u64>, Vec<u64>)> {
    prop::collection::vec((1u64..40, 1u64..20, 1u64..20, 1u64..4), 0..4).prop_map(|dimensions| {
        let pick = |of: fn(&(u64, u64, u64, u64)) -> u64| dimensions.iter().map(of).collect::<Vec<_>>();
        (pick(|d| d.0), pick(|d| d.1), pick(|d| d.2), pick(|d| d.2 * d.3))
    })
}

proptest! {
    /// Every object is in exactly one region, slices fit the planned buffer, and the reads match the prediction.
    #[test]
    fn regions_cover_the_output((shape, source, chunks, shards) in any_grid(), sharded: bool, units in 1u64..4, sliced: bool) {
        let array = array(&shape, &source, lz4());
        let layout = layout(&chunks, sharded.then_some(shards.as_slice()));
        let model = Threads { workers: 2, loaders: 2, in_flight: 1 };
        let elements = Elements::of(&array).expect("movable");
        let problem = Problem::new(&array, &layout, &elements, Assumptions::default()).expect("regular");
        let model = problem.model(model);
        let sliced = sliced && sharded;
        let choices = shapes(&problem.axes(&model, sliced), f64::INFINITY, |shape| shape.reads);
        for shape in choices.into_iter().step_by(units as usize) {
            let peak = model.peak(&shape, 0.0);
            let plan = problem.plan(Choice { shape, peak, model: model.clone() }, sliced, 0).expect("a plan");
            let (directory, sink, stop) = (tempfile::tempdir().expect("a directory"), NoSink::default(), || false);
            let store = open_store(directory.path());
            let coders = Coders { encode: &encode, decode: Some(&decode) };
            let engine = Engine::new(&store, &array, &plan, &sink, coders, OnBad::Skip, &stop).expect("an engine");
            let (mut objects, mut found, mut read) = (0, 0, 0);
            for region in (0..plan.regions()).map(|number| plan.region(number)) {
                objects += region.objects.elements();
                for slice in plan.slices(&region) {
                    found += slice.elements();
                    let window = engine.window(&slice);
                    read += window.parts();
                    prop_assert!(window.bytes() <= plan.stats.region_bytes);
                }
            }
            prop_assert_eq!(objects, plan.stats.objects);
            prop_assert_eq!(found, plan.chunks.len());
            prop_assert!(read <= plan.stats.chunks_read && (sliced || read == plan.stats.chunks_read));
        }
    }

    /// For any budget, the plan fits it or the error names a sufficient budget.
    #[test]
    fn plan_fits_budget_or_reports_sufficient_one((shape, source, chunks, shards) in any_grid(), sharded: bool, budget in 20u64..30) {
        let array = array(&shape, &source, lz4());
        let layout = layout(&chunks, sharded.then_some(shards.as_slice()));
        match plan(&array, &layout, budget * MIB) {
            Ok(plan) => prop_assert!(plan.stats.peak_memory_bytes <= budget * MIB),
            Err(failure) => {
                let hint = failure.advice().expect("advice").to_owned();
                let wanted: u64 = hint.split(['M', ' ']).find_map(|word| word.parse().ok()).expect("a size");
                prop_assert!(wanted > budget && plan(&array, &layout, wanted * MIB).is_ok(), "{}", hint);
            }
        }
    }
}
