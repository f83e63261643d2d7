//! Whole documents, from either format to the other.

use serde_json::{Map, Value, json};

use super::error::FormatError;
use super::*;

pub const ZARRAY: &str = r#"{"chunks": [5, 4], "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": -1,
    "blocksize": 0}, "dtype": ">f4", "fill_value": NaN, "filters": null, "order": "F", "shape": [10, 4], "zarr_format": 2}"#;

const ZATTRS: &str = r#"{"units": "K", "valid_min": -Infinity, "_ARRAY_DIMENSIONS": ["time", "x"], "scale": 1.50}"#;

pub const ZARR_JSON: &str = r#"{"shape": [10, 4], "data_type": "float32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [5, 4]}},
    "chunk_key_encoding": {"name": "v2", "configuration": {"separator": "."}}, "fill_value": "NaN", "codecs": [
        {"name": "transpose", "configuration": {"order": [1, 0]}}, {"name": "bytes", "configuration": {"endian": "big"}},
        {"name": "blosc", "configuration": {"typesize": 4, "cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0}}
    ], "attributes": {"units": "K", "valid_min": -Infinity, "scale": 1.50, "_FillValue": "AAAAAAAA+H8="},
    "dimension_names": ["time", "x"], "zarr_format": 3, "node_type": "array", "storage_transformers": []}"#;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("utf-8")
}

pub fn parsed(bytes: &[u8]) -> Value {
    zarray::json::parse(bytes).expect("JSON")
}

/// `base` with some of its members replaced.
pub fn with(base: &str, members: Value) -> Vec<u8> {
    let mut document = parsed(base.as_bytes());
    document.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
    document.to_string().into_bytes()
}

fn to_v3_with(members: Value, attributes: Value) -> Result<Value, FormatError> {
    array_to_v3(&with(ZARRAY, members), Some(attributes.to_string().as_bytes())).map(|text| parsed(&text))
}

fn to_v2_with(members: Value) -> Result<(Value, Value), FormatError> {
    let (zarray, zattrs) = array_to_v2(&with(ZARR_JSON, members))?;
    Ok((parsed(&zarray), zattrs.map_or(Value::Null, |text| parsed(&text))))
}

#[test]
fn a_document_of_v3_is_laid_out_as_zarr_python_does() {
    let document = array_to_v3(ZARRAY.as_bytes(), Some(ZATTRS.as_bytes())).expect("v3 has it");
    assert_eq!(text(document), include_str!("zarr_python.json").trim_end());
    let group = group_to_v3(None).expect("v3 has it");
    assert_eq!(text(group), "{\n  \"attributes\": {},\n  \"zarr_format\": 3,\n  \"node_type\": \"group\"\n}");
}

#[test]
fn a_document_comes_back() {
    let (zarray, zattrs) = array_to_v2(ZARR_JSON.as_bytes()).expect("v2 has it");
    let mut expected = parsed(ZARRAY.as_bytes());
    expected["compressor"]["shuffle"] = json!(1);
    expected["dimension_separator"] = json!(".");
    assert_eq!(parsed(&zarray), expected);
    let attributes = text(zattrs.expect("attributes"));
    assert!(attributes.contains("\"valid_min\": -Infinity") && attributes.contains("\"scale\": 1.50"), "{attributes}");
    assert_eq!(parsed(attributes.as_bytes())["_ARRAY_DIMENSIONS"], json!(["time", "x"]));
    let group = json!({"attributes": {"a": 1}, "zarr_format": 3, "node_type": "group"}).to_string();
    let (zgroup, zattrs) = group_to_v2(group.as_bytes()).expect("v2 has it");
    assert_eq!(
        (text(zgroup), zattrs.map(text)),
        ("{\n  \"zarr_format\": 2\n}".into(), Some("{\n  \"a\": 1\n}".into()))
    );
}

#[test]
fn fill_values_without_names_of_dimensions_are_fill_values_only() {
    let document = to_v3_with(json!({"fill_value": 7}), json!({"_FillValue": "mine"})).expect("v3 has it");
    assert_eq!((&document["fill_value"], &document["attributes"]), (&json!(7.0), &json!({"_FillValue": "mine"})));
    assert_eq!(document.get("dimension_names"), None);
    let (zarray, _) =
        to_v2_with(json!({"fill_value": 7, "dimension_names": null, "attributes": {}})).expect("v2 has it");
    assert_eq!(zarray["fill_value"], json!(7.0));
}

#[test]
fn what_xarray_takes_for_missing_is_said_in_its_words() {
    let names = json!(["y", "x"]);
    for (members, stated, fill, mask) in [
        (json!({"fill_value": 1e20}), Value::Null, json!(1e20), json!("AAAAgB2vFUQ=")),
        (json!({"fill_value": 1e20}), json!(5), json!(1e20), json!("AAAAgB2vFUQ=")),
        (json!({"fill_value": null}), Value::Null, json!(0.0), Value::Null),
        (json!({"fill_value": null}), json!("NaN"), json!(0.0), json!("AAAAAAAA+H8=")),
        (json!({"fill_value": -99, "dtype": "<i2"}), Value::Null, json!(-99), json!(-99)),
        (json!({"fill_value": "", "dtype": "<U2"}), Value::Null, json!(""), Value::Null),
        (json!({"fill_value": 0, "dtype": "<M8[s]"}), Value::Null, json!(0), Value::Null),
    ] {
        let mut attributes = Map::from_iter([("_ARRAY_DIMENSIONS".to_owned(), names.clone())]);
        attributes.extend((!stated.is_null()).then(|| ("_FillValue".to_owned(), stated)));
        let document = to_v3_with(members.clone(), attributes.into()).expect("v3 has it");
        assert_eq!((&document["fill_value"], &document["attributes"]["_FillValue"]), (&fill, &mask), "{members}");
        assert_eq!(document["attributes"].get("_ARRAY_DIMENSIONS"), None);
    }
}

#[test]
fn what_a_user_should_know_is_told() {
    let told = |members, attributes: Value| notes(&with(ZARRAY, members), Some(attributes.to_string().as_bytes()));
    let named = json!({"_ARRAY_DIMENSIONS": ["y", "x"]});
    let text = told(json!({"dtype": "<U2", "fill_value": "x"}), named.clone());
    assert!(text.len() == 1 && text[0].contains("reads \"x\" as missing"), "{text:?}");
    assert!(told(json!({"dtype": "<U2", "fill_value": null}), named.clone()).is_empty());
    assert!(told(json!({"dtype": "<U2", "fill_value": "x"}), json!({})).is_empty());
    assert!(told(json!({"fill_value": 1}), named.clone()).is_empty());
    let turned = told(json!({"filters": [{"id": "delta", "dtype": ">f4"}]}), named.clone());
    assert!(turned.len() == 1 && turned[0].contains("F order"), "{turned:?}");
    assert!(told(json!({"filters": [{"id": "shuffle"}]}), named).is_empty());
}

#[test]
fn scalars_of_v3_may_be_xarrays() {
    let scalar = json!({"shape": [], "dimension_names": null, "attributes": {}, "codecs": ["bytes"], "data_type": "int8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": []}}, "fill_value": 0});
    let (zarray, zattrs) = to_v2_with(scalar.clone()).expect("v2 has it");
    assert_eq!((&zarray["fill_value"], zattrs), (&Value::Null, json!({"_ARRAY_DIMENSIONS": []})));
    let mut filled = scalar;
    filled["fill_value"] = json!(7);
    let (zarray, zattrs) = to_v2_with(filled).expect("v2 has it");
    assert_eq!((&zarray["fill_value"], zattrs), (&json!(7), Value::Null));
}

#[test]
fn strings_have_codecs_of_their_own() {
    let members = json!({"dtype": "|O", "filters": [{"id": "vlen-utf8"}], "fill_value": "", "order": "C"});
    let document = to_v3_with(members, json!({})).expect("v3 has it");
    assert_eq!(document["data_type"], "string");
    assert_eq!(document["codecs"][0], json!({"name": "vlen-utf8", "configuration": {}}));
    assert_eq!(document["codecs"][1]["configuration"]["typesize"], 1);
    let codecs = json!(["vlen-bytes", {"name": "zstd", "configuration": {"level": 1, "checksum": false}}]);
    let members = json!({"data_type": "variable_length_bytes", "codecs": codecs, "fill_value": "", "attributes": {}});
    let (zarray, _) = to_v2_with(members).expect("v2 has it");
    let expected = (json!("|O"), json!([{"id": "vlen-bytes"}]), json!({"id": "zstd", "level": 1}));
    assert_eq!((zarray["dtype"].clone(), zarray["filters"].clone(), zarray["compressor"].clone()), expected);
}

#[test]
fn filters_on_bytes_come_after_those_on_elements() {
    let filters = json!([{"id": "delta", "dtype": ">f4", "astype": "<f4"}, {"id": "shuffle"}, {"id": "crc32"}]);
    let document =
        to_v3_with(json!({"filters": filters, "compressor": null, "order": "C"}), json!({})).expect("has it");
    let names: Vec<&str> =
        document["codecs"].as_array().expect("codecs").iter().filter_map(|codec| codec["name"].as_str()).collect();
    assert_eq!(names, ["numcodecs.delta", "bytes", "numcodecs.shuffle", "numcodecs.crc32"]);
    assert_eq!(document["codecs"][1]["configuration"]["endian"], "little");
    let (zarray, _) = array_to_v2(document.to_string().as_bytes()).expect("v2 has it");
    let zarray = parsed(&zarray);
    assert_eq!(zarray["compressor"], Value::Null);
    let ids: Vec<&str> =
        zarray["filters"].as_array().expect("filters").iter().filter_map(|filter| filter["id"].as_str()).collect();
    assert_eq!(ids, ["delta", "shuffle", "crc32"]);
}

#[test]
fn members_that_are_not_named_are_kept_or_refused() {
    let nczarr = json!({"dimrefs": ["/g/time", "/x"], "storage": "chunked"});
    let document = to_v3_with(json!({"_NCZARR_ARRAY": nczarr}), json!({})).expect("v3 has it");
    assert_eq!(document["dimension_names"], json!(["time", "x"]));
    assert_eq!(document["_NCZARR_ARRAY"]["must_understand"], json!(false));
    let (zarray, _) = array_to_v2(document.to_string().as_bytes()).expect("v2 has it");
    assert_eq!(parsed(&zarray)["_NCZARR_ARRAY"], nczarr);
}

#[test]
fn what_v3_cannot_say() {
    for (members, attributes, word) in [
        (json!({"writer": "me"}), json!({}), "\"writer\""),
        (json!({}), json!({"_ARRAY_DIMENSIONS": ["x"]}), "_ARRAY_DIMENSIONS has 1 names"),
        (json!({}), json!({"_ARRAY_DIMENSIONS": ["x", 1]}), "not a list of names"),
        (json!({"dtype": "|O", "filters": [{"id": "pickle"}]}), json!({}), "arbitrary objects"),
        (
            json!({"dtype": "|O", "filters": [{"id": "shuffle"}, {"id": "vlen-utf8"}], "fill_value": ""}),
            json!({}),
            "must start",
        ),
        (json!({"filters": [{"id": "shuffle"}, {"id": "bitround", "keepbits": 1}]}), json!({}), "bitround comes after"),
        (json!({"filters": [{"id": "json2"}]}), json!({}), "json2"),
        (json!({"compressor": {"id": "jpeg"}}), json!({}), "jpeg"),
        (json!({"order": "A"}), json!({}), "\"order\""),
        (json!({"filters": 3}), json!({}), "not a list"),
        (json!({"chunks": [5]}), json!({}), "\"chunks\""),
        (json!({"shape": "x"}), json!({}), "\"shape\""),
        (json!({"dtype": null}), json!({}), "\"dtype\""),
        (
            json!({"dtype": "<U2", "fill_value": null}),
            json!({"_ARRAY_DIMENSIONS": ["y", "x"], "_FillValue": "a"}),
            "does not support it",
        ),
    ] {
        let error = to_v3_with(members, attributes).expect_err(word);
        assert!(error.to_string().contains(word), "{error}");
    }
    assert!(array_to_v3(ZARRAY.as_bytes(), Some(b"[]")).expect_err("no object").to_string().contains(".zattrs"));
}

#[test]
fn what_v2_cannot_say() {
    let codecs = |codecs: Value| json!({"codecs": codecs});
    let turned = json!([{"name": "transpose", "configuration": {"order": [0, 0]}}, "bytes"]);
    for (members, word) in [
        (json!({"dimension_names": ["x", null]}), "only some dimensions"),
        (json!({"dimension_names": ["x"]}), "1 names"),
        (json!({"attributes": {"_ARRAY_DIMENSIONS": ["a", "b"]}}), "\"dimension_names\" is"),
        (json!({"chunk_grid": {"name": "rectilinear"}}), "not regular"),
        (json!({"chunk_grid": {"name": "regular"}}), "\"chunk_shape\""),
        (json!({"chunk_key_encoding": {"name": "suffix"}}), "chunk key encoding"),
        (json!({"storage_transformers": [{"name": "x"}]}), "storage transformers"),
        (json!({"fill_value": null}), "fill value null"),
        (json!({"fill_value": 7, "attributes": {}}), "is valid data in Zarr v3"),
        (json!({"data_type": "bfloat16"}), "bfloat16"),
        (json!({"extra": {"must_understand": true}}), "\"extra\""),
        (codecs(json!([])), "array-to-bytes"),
        (codecs(json!("x")), "not a list of codecs"),
        (codecs(json!(["sharding_indexed"])), "sharded"),
        (codecs(json!(["numcodecs.pcodec"])), "numcodecs.pcodec"),
        (codecs(json!(["vlen-utf8"])), "does not store"),
        (codecs(json!(["cast_value", "bytes"])), "cast_value"),
        (codecs(json!(["bytes", "numcodecs.zfpy"])), "zfpy"),
        (codecs(json!([{"name": "bytes", "configuration": {"endian": "middle"}}])), "middle"),
        (codecs(turned), "transpose"),
    ] {
        let error = to_v2_with(members).expect_err(word);
        assert!(error.to_string().contains(word), "{error}");
    }
    assert!(group_to_v2(ZARR_JSON.as_bytes()).expect_err("an array").to_string().contains("node_type"));
}

#[test]
fn keys_lose_their_prefix_on_the_way_to_v2() {
    for (prefixed, separator) in [(true, '/'), (true, '.'), (false, '/'), (false, '.')] {
        let keys = keys_after(&array_with(ChunkKeys { prefixed, separator }));
        assert_eq!(keys, ChunkKeys { prefixed: false, separator });
    }
    for (encoding, separator) in [("default", "/"), ("default", "."), ("v2", "/"), ("v2", ".")] {
        let keys = json!({"name": encoding, "configuration": {"separator": separator}});
        let (zarray, _) = to_v2_with(json!({"chunk_key_encoding": keys})).expect("v2 has it");
        assert_eq!(zarray["dimension_separator"], separator);
    }
    let (zarray, _) = to_v2_with(json!({"chunk_key_encoding": "default"})).expect("v2 has it");
    assert_eq!(zarray["dimension_separator"], "/");
}

fn array_with(keys: ChunkKeys) -> Array {
    let chain = zarray::Chain {
        specs: Vec::new(),
        kept: 0,
        tail: Vec::new(),
        itemsize: None,
        chunk_bytes: None,
        unknown: None,
        sharding: None,
    };
    Array {
        path: "/a".into(),
        format: zarray::ZarrFormat::V3,
        shape: vec![2],
        grid: None,
        keys,
        dimension_names: None,
        dtype: json!("int8"),
        itemsize: Some(1),
        fill_value: json!(0),
        order: None,
        chain: chain.into(),
        attributes: Map::new(),
        not_understood: None,
        fetched: None,
    }
}
