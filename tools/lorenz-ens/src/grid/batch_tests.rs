//! Batches: chunks of any length, plausible values, and what is planted.

use super::*;
use crate::grid::layout::GridShape;
use crate::system::{Integrator, System};

fn spec(chunk_times: Option<u64>) -> BatchSpec {
    BatchSpec {
        batch: 0,
        batches: 1,
        grid: GridShape::parse("90:-90:19,0:350:36").expect("a grid"),
        file_ids: [5, 7],
        times: 10,
        every: 2,
        variables: 20,
        system: System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.02, integrator: Integrator::Euler },
        center: [-10.0, -10.0, 25.0],
        spread: 0.5,
        seed: 42,
        chunk_times,
        nan_file: Some(6),
        damaged_file: None,
    }
}

fn store_of(spec: &BatchSpec, format: ZarrFormat) -> BatchStore {
    BatchStore::new(spec, format, 0, 0, Stop::never()).expect("documents")
}

fn object(spec: &BatchSpec, key: &str) -> Vec<u8> {
    let store = store_of(spec, ZarrFormat::V2);
    let mut buffer = Vec::new();
    store.generate(key, &mut buffer).expect("generates");
    buffer
}

#[test]
fn chunks_of_any_length_hold_the_same_values() {
    let whole = object(&spec(None), "u10/0.0.0.0");
    let map = 19 * 36 * 4;
    assert_eq!(whole.len(), 10 * map);
    let store = store_of(&spec(Some(3)), ZarrFormat::V2);
    for chunk in [2, 0, 1, 3] {
        let mut buffer = Vec::new();
        store.generate(&format!("u10/0.{chunk}.0.0"), &mut buffer).expect("generates");
        let count = if chunk == 3 { 1 } else { 3 };
        assert!(buffer[..count * map] == whole[chunk * 3 * map..][..count * map], "chunk {chunk}");
        assert!(chunk < 3 || f32::from_le_bytes(*buffer.last_chunk().expect("four bytes")).is_nan());
    }
}

#[test]
fn values_are_plausible_and_the_planted_day_is_missing() {
    let packed: Vec<i16> =
        object(&spec(None), "t2m/0.0.0.0").as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect();
    let celsius: Vec<f64> = packed.iter().map(|value| f64::from(*value) * 0.004 + 260.0 - 273.15).collect();
    let mean = celsius.iter().sum::<f64>() / celsius.len() as f64;
    assert!(mean > -20.0 && mean < 40.0 && packed.iter().all(|value| value.abs() < 20_001), "{mean}");
    let missing = object(&spec(None), "u10/1.0.0.0");
    assert!(missing.as_chunks().0.iter().all(|bytes| f32::from_le_bytes(*bytes).is_nan()));
    let ids = object(&spec(None), "file_id/0");
    assert_eq!(ids.as_chunks().0.iter().map(|id| i64::from_le_bytes(*id)).collect::<Vec<_>>(), [5, 6]);
}

#[test]
fn chunks_of_the_damaged_file_are_missing() {
    let damaged = BatchSpec { damaged_file: Some(6), ..spec(None) };
    let store = store_of(&damaged, ZarrFormat::V3);
    assert_eq!((store.size("v10/c/1/0/0/0"), store.size("v10/c/0/0/0/0")), (None, Some(10 * 19 * 36 * 4)));
    assert_eq!(damaged.damaged_key(ZarrFormat::V3).as_deref(), Some("t2m/c/1/0/0/0"));
    assert_eq!(damaged.damaged_key(ZarrFormat::V2).as_deref(), Some("t2m/1.0.0.0"));
}

#[test]
fn a_time_step_that_is_too_long_is_noticed() {
    let diverging = |spec: BatchSpec| spec.diverging_file(&Stop::never()).expect("no signal");
    assert_eq!(diverging(spec(None)), None);
    let system = System { dt: 0.3, ..spec(None).system };
    assert_eq!(diverging(BatchSpec { system, ..spec(None) }), Some(5));
    // Nothing is integrated after the last time.
    assert_eq!(diverging(BatchSpec { system, times: 1, every: 1 << 40, ..spec(None) }), None);
}

#[test]
fn a_long_way_between_times_is_interrupted_and_changes_nothing() {
    let system = System { dt: 1e-7, ..spec(None).system };
    let grid = GridShape::parse("10:-10:3,0:20:3").expect("a grid");
    // More steps from one time to the next than a piece has.
    let every = piece(9) + 100;
    let two = BatchSpec { grid, system, times: 2, every, nan_file: None, ..spec(None) };
    let last = object(&two, "u10/0.0.0.0")[36..].to_vec();
    assert!(last == object(&BatchSpec { chunk_times: Some(1), ..two.clone() }, "u10/0.1.0.0"));
    let one = BatchSpec { times: 1, every: 1 << 31, ..two };
    assert_eq!(object(&one, "u10/0.0.0.0").len(), 36, "ends at once");
    let stop = Stop::never();
    stop.flag().store(143, std::sync::atomic::Ordering::Relaxed);
    let stopped = BatchStore::new(&spec(None), ZarrFormat::V2, 0, 0, stop).expect("documents");
    assert_eq!(stopped.generate("u10/0.0.0.0", &mut Vec::new()), Err(NotGenerated::Stopped));
}

/// With much memory, states are made once and serve all variables; with little, the same values come from fewer.
#[test]
fn initial_states_are_made_once() {
    let spec = spec(Some(3));
    let (small, large) =
        (store_of(&spec, ZarrFormat::V2), BatchStore::new(&spec, ZarrFormat::V2, 0, 1 << 30, Stop::never()));
    let large = large.expect("documents");
    assert!(large.keeps_all && !small.keeps_all);
    for name in ["t2m", "v10", "z_1000"] {
        for key in ["0.0.0.0", "1.0.0.0", "1.2.0.0"].map(|chunk| format!("{name}/{chunk}")) {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            small.generate(&key, &mut one).expect("generates");
            large.generate(&key, &mut other).expect("generates");
            assert!(one == other, "{key}");
        }
    }
    let kept = large.kept.lock();
    let starts: Vec<(u64, u64)> = kept.iter().map(|(file, time, _)| (*file, *time)).collect();
    assert_eq!(starts.iter().filter(|(_, time)| *time == 0).count(), 2, "{starts:?}");
    assert!(kept.len() as u64 <= spec.starts(&large.arrays.specs[COORDINATES..]));
}

#[test]
fn memory_is_left_for_chunks_or_refused() {
    let large = BatchSpec { grid: GridShape::parse("90:-90:721,0:359.75:1440").expect("a grid"), ..spec(None) };
    let (need, left) = large.memory_for_chunks(40_000_000);
    assert!(need > 50_000_000 && left.is_none(), "{need}");
    let (_, left) = large.memory_for_chunks(100_000_000);
    assert!(left.is_some_and(|left| (15_000_000..40_000_000).contains(&left)), "{left:?}");
}

#[test]
fn parameters_name_all_that_decides_the_values() {
    let found = spec(None).parameters();
    for name in
        ["batches", "batch", "grid", "file_ids", "times", "every", "variables", "seed", "center", "spread", "rho", "dt"]
    {
        assert!(found.contains_key(name), "{name}");
    }
    assert_eq!((&found["faults"], &found["grid"]), (&1.into(), &"90:-90:19,0:350:36".into()));
}

#[test]
fn a_file_is_the_same_in_every_batch() {
    let other = BatchSpec { file_ids: [4, 7], nan_file: None, ..spec(None) };
    assert!(object(&spec(None), "z_1000/0.0.0.0") == object(&other, "z_1000/1.0.0.0"));
    assert!(object(&spec(None), "v10/0.0.0.0") != object(&spec(None), "v10/1.0.0.0"));
}
