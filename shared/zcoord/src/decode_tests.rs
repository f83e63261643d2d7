//! Tests of [`super`]: whole variables, held against what xarray makes of the same stores.

use std::sync::Arc;

use serde_json::json;
use zarray::{Node, array_v2, node_v3};

use super::*;
use crate::Clock;
use crate::calendar::Calendar;

/// Days since 1970-01-01.
struct Days;

impl Clock for Days {
    fn calendar(&self) -> Calendar {
        Calendar::Standard
    }
    fn int(&self, count: i64) -> Option<i64> {
        count.checked_mul(86_400_000_000)
    }
    fn float(&self, count: f64) -> Option<i64> {
        Some((count * 86_400e6) as i64).filter(|_| count.abs() < 1e8)
    }
}

/// Knows one unit only.
struct OneClock;

impl Clocks for OneClock {
    fn since(&self, units: &str, calendar: &str) -> Result<Arc<dyn Clock>, String> {
        match (units, calendar) {
            ("days since 1970-01-01", "standard") => Ok(Arc::new(Days)),
            _ => Err(format!("units {units:?} are not understood")),
        }
    }
    fn datetime64(&self, unit: &str) -> Option<Arc<dyn Clock>> {
        (unit == "D").then_some(Arc::new(Days) as Arc<dyn Clock>)
    }
}

const CF: DecodeOptions = DecodeOptions { mode: Mode::Cf, fill_value_as_mask: None };
const RAW: DecodeOptions = DecodeOptions { mode: Mode::Raw, fill_value_as_mask: None };

fn v2(dtype: &str, fill: Value, attributes: Value, filters: Value) -> Array {
    let text = json!({"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": dtype, "fill_value": fill, "order": "C",
        "filters": filters, "compressor": null});
    array_v2("/x", text.to_string().as_bytes(), Some(attributes.to_string().as_bytes())).expect("an array")
}

fn v3(data_type: Value, endian: &str, fill: Value, attributes: Value) -> Array {
    let codec = match data_type == "string" {
        true => json!("vlen-utf8"),
        false => json!({"name": "bytes", "configuration": {"endian": endian}}),
    };
    let text = json!({"zarr_format": 3, "node_type": "array", "shape": [4], "data_type": data_type,
        "fill_value": fill, "codecs": [codec], "chunk_key_encoding": {"name": "default"}, "attributes": attributes,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}}});
    let Ok(Node::Array(array)) = node_v3("/x", text.to_string().as_bytes()) else { panic!("an array") };
    *array
}

fn decoder(array: &Array, options: DecodeOptions) -> Decoder {
    Decoder::new(array, options, &OneClock).expect("understood")
}

fn decode(array: &Array, bytes: &[u8]) -> Column {
    decoder(array, CF).decode(bytes, &[]).column
}

fn shorts(values: &[i16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn singles(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Kind and bits, missing ones as nothing.
fn bits(column: &Column) -> (String, Vec<Option<u64>>) {
    let bits = |row: usize| match &column.values {
        Values::F32(values) => u64::from(values[row].to_bits()),
        Values::F64(values) => values[row].to_bits(),
        Values::I64(values) | Values::Time(values, _) => values[row] as u64,
        Values::U64(values) => values[row],
        Values::Bool(values) => u64::from(values[row]),
        Values::Text(values) => values[row].len() as u64,
    };
    let rows = (0..column.len()).map(|row| (!column.is_missing(row)).then(|| bits(row)));
    (column.kind.name(), rows.collect())
}

fn single(values: &[Option<f32>]) -> (String, Vec<Option<u64>>) {
    ("float32".into(), values.iter().map(|value| value.map(|value| u64::from(value.to_bits()))).collect())
}

fn double(values: &[Option<f64>]) -> (String, Vec<Option<u64>>) {
    ("float64".into(), values.iter().map(|value| value.map(f64::to_bits)).collect())
}

fn whole(kind: &str, values: &[Option<i64>]) -> (String, Vec<Option<u64>>) {
    (kind.into(), values.iter().map(|value| value.map(|value| value as u64)).collect())
}

/// xarray 2026.9.0 with NumPy 2.4.6 gives these, to the bit.
#[test]
fn packed_shorts() {
    let bytes = shorts(&[0, 1, -5, -9999]);
    let packed = |fill, attributes| bits(&decode(&v2("<i2", fill, attributes, Value::Null), &bytes));
    let both = json!({"scale_factor": 0.1, "add_offset": 273.15});
    assert_eq!(
        packed(Value::Null, both.clone()),
        double(&[Some(273.15), Some(273.25), Some(272.65), Some(-726.750_000_000_000_1)])
    );
    assert_eq!(packed(json!(-9999), both), double(&[Some(273.15), Some(273.25), Some(272.65), None]));
    let scale = |scale: Value| packed(Value::Null, json!({"scale_factor": scale}));
    assert_eq!(scale(json!(0.1)), double(&[Some(0.0), Some(0.1), Some(-0.5), Some(-999.900_000_000_000_1)]));
    assert_eq!(scale(json!(2)), whole("int64", &[Some(0), Some(2), Some(-10), Some(-19998)]));
    assert_eq!(scale(Value::Null), single(&[Some(0.0), Some(1.0), Some(-5.0), Some(-9999.0)]));
    assert_eq!(packed(json!(0), json!({})), single(&[None, Some(1.0), Some(-5.0), Some(-9999.0)]));
    assert_eq!(packed(Value::Null, json!({})), whole("int16", &[Some(0), Some(1), Some(-5), Some(-9999)]));
    assert_eq!(packed(json!(0), json!({"missing_value": [1, -5.0]})), single(&[None, None, None, Some(-9999.0)]));
}

/// xarray 2026.9.0 gives these. A JSON number is no `float32`: -9999.9 masks none where it is an attribute.
#[test]
fn masked_floats() {
    let bytes = singles(&[-9999.9, 1.0, f32::NAN, -0.0]);
    let floats = |fill, attributes| bits(&decode(&v2("<f4", fill, attributes, Value::Null), &bytes));
    let plain = single(&[Some(-9999.9), Some(1.0), None, Some(-0.0)]);
    assert_eq!(floats(json!("NaN"), json!({})), plain);
    assert_eq!(floats(Value::Null, json!({"missing_value": -9999.9})), plain);
    assert_eq!(floats(json!(-9999.9), json!({})), single(&[None, Some(1.0), None, Some(-0.0)]));
    assert_eq!(floats(json!(0), json!({"_FillValue": "NaN"})), single(&[Some(-9999.9), Some(1.0), None, None]));
    // The fill value is NaN only, so float32 is kept, and the factors are rounded to it.
    let packed = floats(json!("NaN"), json!({"scale_factor": 0.1, "add_offset": 3}));
    assert_eq!(packed, single(&[Some(-996.990_05), Some(3.1), None, Some(3.0)]));
    let packed = floats(Value::Null, json!({"scale_factor": 0.5}));
    assert_eq!(packed, double(&[Some(-4_999.950_195_312_5), Some(0.5), None, Some(-0.0)]));
}

/// xarray 2026.9.0 gives these.
#[test]
fn unsigned_and_signed_bytes() {
    let unsigned = |attributes: Value| decode(&v2("|i1", Value::Null, attributes, Value::Null), &[1, 0, 255]);
    assert_eq!(bits(&unsigned(json!({"_Unsigned": "true"}))), whole("uint8", &[Some(1), Some(0), Some(255)]));
    assert_eq!(bits(&unsigned(json!({"_Unsigned": true}))), whole("int8", &[Some(1), Some(0), Some(-1)]));
    assert_eq!(bits(&unsigned(json!({"_Unsigned": "true", "_FillValue": -1}))), single(&[Some(1.0), Some(0.0), None]));
    assert_eq!(
        bits(&unsigned(json!({"_Unsigned": "true", "missing_value": -1}))),
        single(&[Some(1.0), Some(0.0), Some(255.0)])
    );
    let signed = v2("|u1", json!(255), json!({"_Unsigned": "false"}), Value::Null);
    assert_eq!(bits(&decode(&signed, &[1, 254, 255])), single(&[Some(1.0), Some(-2.0), None]));
}

/// xarray 2026.9.0 gives these: Base64 of a double is 100, and Zarr's own fill value masks nothing in v3.
#[test]
fn v3_fill_values() {
    let bytes = [100f32, 0.0].iter().flat_map(|value| value.to_be_bytes()).collect::<Vec<u8>>();
    let array = v3(json!("float32"), "big", json!(0), json!({"_FillValue": "AAAAAAAAWUA="}));
    assert_eq!(bits(&decode(&array, &bytes)), single(&[None, Some(0.0)]));
    let options = |as_mask| DecodeOptions { mode: Mode::Cf, fill_value_as_mask: Some(as_mask) };
    let decoded = decoder(&array, options(true)).decode(&bytes, &[]).column;
    assert_eq!(bits(&decoded), single(&[Some(100.0), None]));
    let array = v3(json!("int16"), "little", json!(0), json!({"_FillValue": -9999}));
    assert_eq!(bits(&decode(&array, &shorts(&[0, -9999]))), single(&[Some(0.0), None]));
    let array = v2("<i2", json!(0), json!({}), Value::Null);
    let decoded = decoder(&array, options(false)).decode(&shorts(&[0, 1]), &[]).column;
    assert_eq!(bits(&decoded), whole("int16", &[Some(0), Some(1)]));
}

/// xarray 2026.9.0 gives the same numbers as `float16`.
#[test]
fn half_precision() {
    let bytes: Vec<u8> = [1f32, 2.0, 0.3].iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()).collect();
    let halves = |fill, attributes| bits(&decode(&v2("<f2", fill, attributes, Value::Null), &bytes));
    assert_eq!(halves(json!(2), json!({})), single(&[Some(1.0), None, Some(0.300_048_83)]));
    let packed = halves(json!("NaN"), json!({"scale_factor": 0.1, "add_offset": 3}));
    assert_eq!(packed, single(&[Some(3.099_609_4), Some(3.199_218_8), Some(3.029_296_9)]));
    let brain = v3(json!("bfloat16"), "little", json!(0), json!({}));
    assert_eq!(bits(&decode(&brain, &[0x80, 0x3f, 0xc0, 0x7f])), single(&[Some(1.0), None]));
}

#[test]
fn truth_values() {
    let array = v2("|b1", json!(false), json!({}), Value::Null);
    assert_eq!(bits(&decode(&array, &[1, 0, 2])), whole("bool", &[Some(1), Some(0), Some(1)]));
    let array = v2("|i1", json!(2), json!({"dtype": "bool", "note": "x"}), Value::Null);
    assert_eq!(bits(&decode(&array, &[1, 0, 2])), whole("bool", &[Some(1), Some(0), None]));
    assert_eq!(decoder(&array, CF).attributes(&array), [("note".to_owned(), json!("x"))]);
}

#[test]
fn moments_from_units() {
    const DAY: i64 = 86_400_000_000;
    let units = "days since 1970-01-01";
    let array = v2("<i2", json!(-1), json!({"units": units, "calendar": "standard", "axis": "T"}), Value::Null);
    let found = decode(&array, &shorts(&[0, 5, -1]));
    assert_eq!(found.values, Values::Time(vec![0, 5 * DAY, NOT_A_TIME], Calendar::Standard));
    assert_eq!(found.kind, Kind::Time(Calendar::Standard));
    assert_eq!(decoder(&array, CF).attributes(&array), [("axis".to_owned(), json!("T"))]);
    let array = v2("<f4", json!(-1), json!({"units": units}), Value::Null);
    let found = decode(&array, &singles(&[0.5, -1.0, f32::NAN, 1e30]));
    assert_eq!(bits(&found).1, [Some(43_200_000_000), None, None, None]);
    let array = v2("<i2", Value::Null, json!({"units": units, "scale_factor": 0.5}), Value::Null);
    assert_eq!(bits(&decode(&array, &shorts(&[1, -2]))).1, [Some(43_200_000_000), Some(-DAY as u64)]);
    let numbers = v2("<i2", Value::Null, json!({"units": "days since then"}), Value::Null);
    let decoder = decoder(&numbers, CF);
    assert!(decoder.note().is_some_and(|note| note.contains("days since then")));
    assert_eq!((decoder.kind(), decoder.attributes(&numbers).len()), (Kind::Int(16), 1));
}

/// xarray 2026.9.0 keeps such integers integers, with the least one for missing values.
#[test]
fn durations_stay_integers() {
    let array = v2("<i2", json!(-1), json!({"units": "hours"}), Value::Null);
    assert_eq!(bits(&decode(&array, &shorts(&[7, -1]))), whole("int64", &[Some(7), None]));
    let array = v2("<m8[s]", json!(0), json!({}), Value::Null);
    let bytes: Vec<u8> = [0, 5, i64::MIN].iter().flat_map(|span: &i64| span.to_le_bytes()).collect();
    assert_eq!(bits(&decode(&array, &bytes)), whole("int64", &[Some(0), Some(5), None]));
}

#[test]
fn moments_of_numpy_are_no_matter_of_masks() {
    let array = v2(">M8[D]", json!(0), json!({"scale_factor": 0.5}), Value::Null);
    let bytes: Vec<u8> = [0, 1, i64::MIN].iter().flat_map(|day: &i64| day.to_be_bytes()).collect();
    for options in [CF, RAW] {
        let found = decoder(&array, options).decode(&bytes, &[]).column;
        assert_eq!(found.values, Values::Time(vec![0, 86_400_000_000, NOT_A_TIME], Calendar::Standard));
    }
    let unknown = v2("<M8[Y]", json!(0), json!({}), Value::Null);
    assert!(Decoder::new(&unknown, CF, &OneClock).is_err_and(|error| error.to_string().contains("\"Y\"")));
}

#[test]
fn valid_ranges_are_in_packed_numbers() {
    let array = v2("<i2", json!(-9), json!({"valid_range": [0, 10], "scale_factor": 0.5}), Value::Null);
    let decoded = decoder(&array, CF).decode(&shorts(&[-9, -1, 10, 11, 99]), &[false, false, false, false, true]);
    assert_eq!((bits(&decoded.column), decoded.out_of_range), (double(&[None, None, Some(5.0), None, None]), 2));
    let array = v2("|u1", Value::Null, json!({"valid_max": 3}), Value::Null);
    let decoded = decoder(&array, CF).decode(&[3, 4], &[]);
    assert_eq!((bits(&decoded.column), decoded.out_of_range), (whole("uint8", &[Some(3), None]), 1));
    let array = v2("<i2", Value::Null, json!({"valid_max": 5.0, "scale_factor": 0.5}), Value::Null);
    let decoder = decoder(&array, CF);
    assert_eq!(decoder.decode(&shorts(&[100]), &[]).out_of_range, 0);
    assert!(decoder.note().is_some_and(|note| note.contains("valid_max")));
}

#[test]
fn raw_numbers_are_what_is_stored() {
    let attributes = json!({"scale_factor": 0.5, "valid_max": 1, "_ARRAY_DIMENSIONS": ["x"], "units": "hours"});
    let array = v2("<i2", json!(0), attributes, Value::Null);
    let decoder = decoder(&array, RAW);
    let decoded = decoder.decode(&shorts(&[0, 7]), &[false, true]);
    assert_eq!((bits(&decoded.column), decoded.out_of_range), (whole("int16", &[Some(0), None]), 0));
    let names: Vec<String> = decoder.attributes(&array).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["scale_factor", "valid_max", "units"]);
}

#[test]
fn texts_of_fixed_and_of_any_length() {
    let array = v2("|S3", Value::Null, json!({}), Value::Null);
    let found = decoder(&array, CF).decode(b"ab\0abc\0\0\0", &[false, true]).column;
    assert_eq!(found.values, Values::Text(vec!["ab".into(), String::new(), String::new()]));
    assert_eq!(found.missing, [false, true, false]);
    let array = v3(json!("string"), "", json!(""), json!({"_FillValue": "none"}));
    let decoder = decoder(&array, CF);
    assert_eq!((decoder.itemsize(), decoder.kind()), (None, Kind::Text));
    let found = decoder.decode_text(&[b"one".to_vec(), b"none".to_vec(), vec![]], &[]).column;
    assert_eq!(bits(&found).1, [Some(3), None, Some(0)]);
    assert!(decoder.decode(b"one", &[]).column.is_empty());
}

/// xarray 2026.9.0 with numcodecs 0.16.6 gives these.
#[test]
fn masks_apply_behind_filters() {
    let filter = json!([{"id": "fixedscaleoffset", "dtype": ">f4", "astype": "<i2", "scale": 10, "offset": 0}]);
    let array = v2(">f4", json!(0.5), json!({}), filter);
    let decoder = decoder(&array, CF);
    assert_eq!(decoder.itemsize(), Some(2));
    let found = decoder.decode(&shorts(&[5, -7]), &[]).column;
    assert_eq!(bits(&found), single(&[None, Some(-0.7)]));
}

#[test]
fn what_cannot_be_decoded_is_named() {
    for (array, word) in [
        (v2("<c8", Value::Null, json!({}), Value::Null), "<c8"),
        (v2("|V4", Value::Null, json!({}), Value::Null), "|V4"),
        (v2("|O", Value::Null, json!({}), json!([{"id": "vlen-bytes"}])), "|O"),
        (v2("<f4", Value::Null, json!({}), json!([{"id": "categorize", "dtype": "<f4"}])), "categorize"),
        (v2("<f4", Value::Null, json!({"add_offset": "high"}), Value::Null), "add_offset"),
        (v2("<i2", json!("NaN"), json!({}), Value::Null), "fill value"),
        (v3(json!("r16"), "little", json!([0, 0]), json!({})), "r16"),
    ] {
        let error = Decoder::new(&array, CF, &OneClock).err().expect(word);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[path = "decode_properties.rs"]
mod properties;
