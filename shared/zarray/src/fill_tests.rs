//! Tests of [`super`]: every notation, compared with zarr-python.

use serde_json::json;

use super::*;
use crate::metadata::{Node, array_v2};
use crate::node_v3::node_v3;

fn v2(dtype: Value, filters: Value, fill: Value) -> Result<Vec<u8>, String> {
    let text = json!({"zarr_format": 2, "shape": [4], "chunks": [2], "dtype": dtype, "fill_value": fill, "order": "C",
        "filters": filters, "compressor": null});
    fill_element(&array_v2("/x", text.to_string().as_bytes(), None).expect("an array"))
}

fn v3(data_type: Value, endian: &str, fill: Value) -> Result<Vec<u8>, String> {
    let variable = matches!(data_type.as_str(), Some("string" | "variable_length_bytes"));
    let bytes = json!({"name": "bytes", "configuration": {"endian": endian}});
    let codec = if variable { json!("vlen-utf8") } else { bytes };
    let text = json!({"zarr_format": 3, "node_type": "array", "shape": [4], "data_type": data_type,
        "fill_value": fill, "codecs": [codec], "chunk_key_encoding": {"name": "default"},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}}});
    let Ok(Node::Array(array)) = node_v3("/x", text.to_string().as_bytes()) else { panic!("an array") };
    fill_element(&array)
}

/// The expected bytes are those of zarr-python's own reading of the same metadata.
#[test]
fn v2_spellings() {
    for (dtype, fill, bytes) in [
        (json!("<f4"), json!("NaN"), &b"\x00\x00\xc0\x7f"[..]),
        (json!(">f4"), json!("Infinity"), b"\x7f\x80\x00\x00"),
        (json!("<f8"), json!("-Infinity"), b"\x00\x00\x00\x00\x00\x00\xf0\xff"),
        (json!("<f2"), json!(1.5), b"\x00\x3e"),
        (json!(">i2"), json!(-5), b"\xff\xfb"),
        (json!("<u8"), json!(9223372036854775809u64), b"\x01\x00\x00\x00\x00\x00\x00\x80"),
        (json!("|b1"), json!(true), b"\x01"),
        (json!("<c8"), json!([1.0, "NaN"]), b"\x00\x00\x80\x3f\x00\x00\xc0\x7f"),
        (json!("<M8[ns]"), json!(i64::MIN), b"\x00\x00\x00\x00\x00\x00\x00\x80"),
        (json!("<M8[ns]"), json!("NaT"), b"\x00\x00\x00\x00\x00\x00\x00\x80"),
        (json!("<m8[ms]"), json!(7), b"\x07\x00\x00\x00\x00\x00\x00\x00"),
        (json!("|S5"), json!("YWI="), b"ab\0\0\0"),
        (json!("<U3"), json!("aé"), b"a\0\0\0\xe9\0\0\0\0\0\0\0"),
        (json!(">U2"), json!("a"), b"\0\0\0a\0\0\0\0"),
        (json!("|V4"), json!("AQIDBA=="), b"\x01\x02\x03\x04"),
        (json!([["a", "<i4"], ["b", "<f8"]]), json!("AQAAAAAAAAAAAARA"), b"\x01\0\0\0\0\0\0\0\0\0\x04\x40"),
        (json!([["a", "<i4"], ["b", "<f8"]]), Value::Null, &[0; 12]),
        (json!("<f4"), Value::Null, &[0; 4]),
        (json!("|S3"), json!(0), &[0; 3]),
    ] {
        assert_eq!(v2(dtype.clone(), Value::Null, fill.clone()).as_deref(), Ok(bytes), "{dtype} {fill}");
    }
}

#[test]
fn v3_spellings() {
    let structure = json!({"name": "structured", "configuration": {"fields": [["a", "int16"], ["b", "float32"]]}});
    for (data_type, endian, fill, bytes) in [
        (json!("float32"), "little", json!("0x7fc00001"), &b"\x01\x00\xc0\x7f"[..]),
        (json!("float32"), "big", json!("NaN"), b"\x7f\xc0\x00\x00"),
        (json!("bfloat16"), "little", json!(1.0), b"\x80\x3f"),
        (json!("int16"), "big", json!(-5), b"\xff\xfb"),
        (json!("complex64"), "big", json!([1.0, "0x7fc00000"]), b"\x3f\x80\0\0\x7f\xc0\0\0"),
        (json!("r24"), "little", json!([1, 2, 3]), b"\x01\x02\x03"),
        (json!({"name": "numpy.datetime64", "configuration": {"unit": "s"}}), "big", json!(5), b"\0\0\0\0\0\0\0\x05"),
        (
            json!({"name": "null_terminated_bytes", "configuration": {"length_bytes": 3}}),
            "little",
            json!("YWI="),
            b"ab\0",
        ),
        (
            json!({"name": "fixed_length_utf32", "configuration": {"length_bytes": 8}}),
            "big",
            json!("a"),
            b"\0\0\0a\0\0\0\0",
        ),
        (structure.clone(), "little", json!("AQAAAIA/"), b"\x01\0\0\0\x80\x3f"),
        (structure.clone(), "big", json!({"a": 1, "b": 1.0}), b"\0\x01\x3f\x80\0\0"),
        (json!("string"), "little", json!("xx"), b"xx"),
    ] {
        assert_eq!(v3(data_type.clone(), endian, fill.clone()).as_deref(), Ok(bytes), "{data_type} {fill}");
    }
    assert!(v3(structure, "big", json!("AQAAAIA/")).is_err(), "little-endian by convention, but of what order?");
}

#[test]
fn elements_of_variable_length() {
    let text = |fill: Value| v2(json!("|O"), json!([{"id": "vlen-utf8"}]), fill);
    assert_eq!(text(json!("xx")).as_deref(), Ok(&b"xx"[..]));
    assert_eq!(text(json!("AQAAAAIAAABhYg==")).as_deref(), Ok(&b"ab"[..]), "as zarr-python 2 wrote it");
    for empty in [json!(""), json!(0), Value::Null] {
        assert_eq!(text(empty).as_deref(), Ok(&b""[..]));
    }
    assert_eq!(text(json!("YWI=")).as_deref(), Ok(&b"YWI="[..]), "text that looks like Base64 is text");
    let bytes = |fill: Value| v2(json!("|O"), json!([{"id": "vlen-bytes"}]), fill);
    assert_eq!(bytes(json!("YWI=")).as_deref(), Ok(&b"ab"[..]));
    assert!(text(json!({})).is_err() && bytes(json!("?")).is_err());
}

#[test]
fn filters_encode_the_fill_value_or_say_that_they_cannot() {
    let packed = |scale: f64, offset: f64| json!([{"id": "fixedscaleoffset", "dtype": "<f4", "astype": "<i2", "scale": scale, "offset": offset}]);
    assert_eq!(v2(json!("<f4"), packed(10.0, 0.0), json!(2.5)).as_deref(), Ok(&[25, 0][..]));
    assert_eq!(v2(json!("<f4"), packed(1.0, -5.0), json!(0.0)).as_deref(), Ok(&[5, 0][..]));
    let quantize = json!([{"id": "quantize", "digits": 1, "dtype": "<f4", "astype": "<f4"}]);
    assert_eq!(v2(json!("<f4"), quantize.clone(), json!("NaN")).as_deref(), Ok(&b"\x00\x00\xc0\x7f"[..]));
    assert_eq!(v2(json!("<f4"), quantize.clone(), json!(0.25)).as_deref(), Ok(&0.25f32.to_le_bytes()[..]));
    let bitround = json!([{"id": "bitround", "keepbits": 3}]);
    assert_eq!(v2(json!("<f4"), bitround.clone(), json!(1.5)).as_deref(), Ok(&1.5f32.to_le_bytes()[..]));
    let astype = json!([{"id": "astype", "encode_dtype": ">f4", "decode_dtype": "<f8"}]);
    assert_eq!(v2(json!("<f8"), astype.clone(), json!(0.5)).as_deref(), Ok(&0.5f32.to_be_bytes()[..]));
    for (dtype, filter, fill) in [
        ("<f4", packed(10.0, 0.0), json!("NaN")),
        ("<f4", packed(10.0, 0.0), json!(0.123)),
        ("<f4", packed(10.0, 0.0), json!(1e9)),
        ("<f4", quantize, json!(0.1)),
        ("<f4", bitround, json!(0.1)),
        ("<f8", astype, json!(0.1)),
    ] {
        let error = v2(json!(dtype), filter, fill).expect_err("not certain");
        assert!(error.contains("does not preserve the fill value"), "{error}");
    }
}

#[test]
fn spellings_that_nobody_knows() {
    for (dtype, fill) in [
        ("<f4", json!("many")),
        ("<i4", json!(0.5)),
        ("|S3", json!("?")),
        ("|S1", json!("YWI=")),
        ("<c8", json!([1.0])),
        ("<U1", json!("ab")),
    ] {
        let error = v2(json!(dtype), Value::Null, fill).expect_err(dtype);
        assert!(error.contains("not valid"), "{error}");
    }
}
