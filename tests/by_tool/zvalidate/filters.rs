//! Values behind the filters of Zarr v2 that encode each number by itself: they are looked at as readers get them.

use harness::Outcome;
use serde_json::{Value, json};

use crate::made::{Format, Scene};
use crate::size::{bare, run};

/// Values of the array.
const VALUES: usize = 40;

/// A store of one array of numbers of type `dtype`, whose chunk holds `stored` behind `filters`.
fn filtered(dtype: &str, filters: Value, stored: &[u8]) -> Scene {
    let scene = bare(Format::V2);
    let document = json!({"zarr_format": 2, "shape": [VALUES], "chunks": [VALUES], "dtype": dtype, "fill_value": "NaN",
        "order": "C", "filters": filters, "compressor": null});
    scene.put("x/.zarray", document.to_string().as_bytes());
    scene.put("x/0", stored);
    scene
}

fn checked(dtype: &str, filters: Value, stored: &[u8]) -> Outcome {
    run(&filtered(dtype, filters, stored), &["--level", "full"])
}

/// The values that were looked at, the share of NaN, and the range.
fn values(outcome: &Outcome) -> Value {
    let record = outcome.record("check", "/x");
    json!([record["values"], record["nan_share"], record["min"], record["max"]])
}

fn floats(values: impl Fn(usize) -> f32) -> Vec<u8> {
    (0..VALUES).flat_map(|number| values(number).to_le_bytes()).collect()
}

/// Numbers from 1 to 39, and one NaN.
fn with_nan(number: usize) -> f32 {
    if number == 0 { f32::NAN } else { number as f32 }
}

#[test]
fn values_behind_filters_that_round_are_looked_at() {
    let expected = json!([40, 0.025, 1.0, 39.0]);
    let rounded = json!([{"id": "bitround", "keepbits": 12}]);
    assert_eq!(values(&checked("<f4", rounded, &floats(with_nan))), expected);
    let quantized = json!([{"id": "quantize", "digits": 1, "dtype": "<f4", "astype": "<f4"}]);
    assert_eq!(values(&checked("<f4", quantized.clone(), &floats(with_nan))), expected);
    let narrow = json!([{"id": "quantize", "digits": 1, "dtype": "<f8", "astype": "<f4"}]);
    assert_eq!(values(&checked("<f8", narrow, &floats(with_nan))), expected);
    // What is wrong with them is found.
    let outcome = checked("<f4", quantized, &floats(|_| 7.0)).expect(1);
    assert_eq!(outcome.summary()["kind_constant_array"], json!(1), "{}", outcome.stdout);
}

#[test]
fn values_behind_filters_of_another_type_are_decoded() {
    let scaled = json!([{"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<i2", "scale": 4, "offset": 250}]);
    let stored: Vec<u8> = (0..VALUES as i16).flat_map(|number| (number - 8).to_le_bytes()).collect();
    assert_eq!(values(&checked("<f4", scaled, &stored)), json!([40, 0.0, 248.0, 257.75]));
    let single = json!([{"id": "astype", "encode_dtype": "<f4", "decode_dtype": "<f8"}]);
    assert_eq!(values(&checked("<f8", single, &floats(with_nan))), json!([40, 0.025, 1.0, 39.0]));
    let big = json!([{"id": "astype", "encode_dtype": ">i2", "decode_dtype": "<f4"}]);
    let stored: Vec<u8> = (0..VALUES as i16).flat_map(|number| (5 - number).to_be_bytes()).collect();
    assert_eq!(values(&checked("<f4", big, &stored)), json!([40, 0.0, -34.0, 5.0]));
}

/// Where numbers cannot be decoded, that is said: which array, in the summary, and in the table.
#[test]
fn values_that_are_not_looked_at_are_counted() {
    let halves = json!([{"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<f2", "scale": 4, "offset": 250}]);
    let scene = filtered("<f4", halves, &[0; 2 * VALUES]);
    let outcome = run(&scene, &["--level", "full"]).expect(0);
    assert_eq!(outcome.summary()["kind_values_not_checked"], json!(1), "{}", outcome.stdout);
    let finding = outcome.of_type("finding").into_iter().find(|finding| finding["kind"] == "values_not_checked");
    assert!(finding.expect("a finding")["found"].as_str().unwrap().contains("fixedscaleoffset"), "{}", outcome.stdout);
    let table = harness::Tool::new("zvalidate").args(["--level", "full", "--format", "table"]).arg(scene.store()).run();
    assert!(table.expect(0).stdout.contains("values not looked at: 1 array"), "the table says so");
    // Text has no values of this kind.
    let outcome = checked("<U2", Value::Null, &[0; 8 * VALUES]);
    assert!(!outcome.stdout.contains("values_not_checked"), "{}", outcome.stdout);
}
