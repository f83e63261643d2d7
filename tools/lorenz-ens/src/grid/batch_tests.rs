//! Batches: chunks of any length, plausible values, and what is planted.

use super::*;
use crate::grid::layout::GridShape;
use crate::system::{Integrator, System};

fn spec(chunk_times: Option<u64>) -> BatchSpec {
    BatchSpec {
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

fn object(spec: &BatchSpec, key: &str) -> Vec<u8> {
    let store = BatchStore::new(spec, ZarrFormat::V2, 0, 0).expect("documents");
    let mut buffer = Vec::new();
    store.generate(key, &mut buffer).expect("generates");
    buffer
}

#[test]
fn chunks_of_any_length_hold_the_same_values() {
    let whole = object(&spec(None), "u10/0.0.0.0");
    let map = 19 * 36 * 4;
    assert_eq!(whole.len(), 10 * map);
    let store = BatchStore::new(&spec(Some(3)), ZarrFormat::V2, 0, 0).expect("documents");
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
    let store = BatchStore::new(&damaged, ZarrFormat::V3, 0, 0).expect("documents");
    assert_eq!((store.size("v10/c/1/0/0/0"), store.size("v10/c/0/0/0/0")), (None, Some(10 * 19 * 36 * 4)));
    assert_eq!(damaged.damaged_key(ZarrFormat::V3).as_deref(), Some("t2m/c/1/0/0/0"));
    assert_eq!(damaged.damaged_key(ZarrFormat::V2).as_deref(), Some("t2m/1.0.0.0"));
}

#[test]
fn a_time_step_that_is_too_long_is_noticed() {
    assert_eq!(spec(None).diverging_file(), None);
    let system = System { dt: 0.3, ..spec(None).system };
    assert_eq!(BatchSpec { system, ..spec(None) }.diverging_file(), Some(5));
}

#[test]
fn a_file_is_the_same_in_every_batch() {
    let other = BatchSpec { file_ids: [4, 7], nan_file: None, ..spec(None) };
    assert!(object(&spec(None), "z_1000/0.0.0.0") == object(&other, "z_1000/1.0.0.0"));
    assert!(object(&spec(None), "v10/0.0.0.0") != object(&spec(None), "v10/1.0.0.0"));
}
