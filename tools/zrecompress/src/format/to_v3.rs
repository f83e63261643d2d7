//! `.zarray` and `.zattrs` to `zarr.json`.

use serde_json::{Value, json};
use zarray::Members;

use super::dtype::{ByteOrder, DType, Element};
use super::error::{FormatError, invalid, unsupported};
use super::fill::Fill;
use super::lengths;
use super::{compressors, filters, xarray};

/// Members of `.zarray` that Zarr v2 names.
const KNOWN: [&str; 9] =
    ["shape", "chunks", "dtype", "fill_value", "order", "filters", "dimension_separator", "compressor", "zarr_format"];

/// Filters that tell what an array of objects holds.
const OBJECT_CODECS: [&str; 2] = ["vlen-utf8", "vlen-bytes"];

/// The `zarr.json` of an array of v2. Its chunks and their keys stay as they are.
///
/// # Errors
/// A document is wrong, or v3 has no counterpart.
pub fn array_to_v3(zarray: &[u8], zattrs: Option<&[u8]>) -> Result<Vec<u8>, FormatError> {
    let zarray = Members::read(".zarray", zarray)?;
    let mut attributes = Members::optional(".zattrs", zattrs)?;
    let shape =
        zarray.present("shape").and_then(lengths).ok_or_else(|| invalid("\"shape\" is not a list of lengths"))?;
    let rank = shape.len();
    let chunks = zarray.present("chunks").and_then(lengths).filter(|chunks| chunks.len() == rank);
    let chunks = chunks.ok_or_else(|| invalid("\"chunks\" is not a list of the same length as \"shape\""))?;
    let filters = match zarray.present("filters") {
        None => Vec::new(),
        Some(Value::Array(filters)) => filters,
        Some(other) => return Err(invalid(format!("\"filters\" is {other}, not a list"))),
    };
    let object_codec = filters.iter().map(id).find(|id| OBJECT_CODECS.contains(id));
    let dtype = zarray.present("dtype").ok_or_else(|| invalid("\"dtype\" is missing"))?;
    let element = DType::from_v2(&dtype, object_codec)?;
    let fill = zarray.present("fill_value").map(|value| Fill::read(&element.0, &value)).transpose()?;
    let names = xarray::dimension_names(&zarray, &mut attributes, rank)?;
    if names.is_some() {
        xarray::set_mask_v3(&element.0, fill.as_ref(), &mut attributes)?;
    }
    let mut codecs = transpose(zarray.present("order"), rank)?;
    codecs.extend(codecs_of(&filters, zarray.present("compressor"), &element)?);

    // The encoding that spells keys as v2 does: no chunk gets another name.
    let separator = zarray.present("dimension_separator").unwrap_or_else(|| ".".into());
    let mut document = Members::from([
        ("shape", json!(shape)),
        ("data_type", element.0.to_v3()),
        ("chunk_grid", json!({"name": "regular", "configuration": {"chunk_shape": chunks}})),
        ("chunk_key_encoding", json!({"name": "v2", "configuration": {"separator": separator}})),
        ("fill_value", fill.unwrap_or_else(|| Fill::default_of(&element.0)).to_json()),
        ("codecs", Value::from(codecs)),
    ]);
    document.push_text("attributes", attributes.text());
    if let Some(names) = names {
        document.push("dimension_names", &names);
    }
    document.push("zarr_format", &json!(3));
    document.push("node_type", &json!("array"));
    document.push("storage_transformers", &json!([]));
    keep_extensions(&zarray, &mut document)?;
    Ok(document.document())
}

/// The `zarr.json` of a group of v2.
///
/// # Errors
/// `.zattrs` is wrong.
pub fn group_to_v3(zattrs: Option<&[u8]>) -> Result<Vec<u8>, FormatError> {
    let mut document = Members::default();
    document.push_text("attributes", Members::optional(".zattrs", zattrs)?.text());
    document.push("zarr_format", &json!(3));
    document.push("node_type", &json!("group"));
    Ok(document.document())
}

/// What a user should know of an array that goes to v3, beyond what its documents hold. Its values are the same.
pub fn notes(zarray: &[u8], zattrs: Option<&[u8]>) -> Vec<String> {
    let (Ok(zarray), Ok(attributes)) = (Members::read(".zarray", zarray), Members::optional(".zattrs", zattrs)) else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    let dtype = zarray.value("dtype").unwrap_or_default();
    let is_text = dtype.as_str().is_some_and(|dtype| dtype.contains(['O', 'S', 'U']));
    // xarray reads no `_FillValue` of texts in v3.
    if let Some(fill) =
        zarray.present("fill_value").filter(|_| is_text && attributes.get("_ARRAY_DIMENSIONS").is_some())
    {
        notes.push(format!("xarray reads {fill} as missing in Zarr v2, but as an ordinary string in Zarr v3"));
    }
    // zarr-python 3.1 hands a transposed view to filters of numcodecs, which take it in the order of memory: what it writes,
    // it reads in another order. What is stored already it reads as it is.
    let filters = zarray.value("filters").unwrap_or_default();
    let on_elements =
        filters.as_array().is_some_and(|filters| filters.iter().any(|config| filters::is_filter(id(config))));
    if on_elements && zarray.value("order").is_some_and(|order| order == "F") {
        let text = "the array is in F order and has filters: zarr-python 3.1 reads it correctly, but writes chunks that it \
                    cannot read";
        notes.push(text.into());
    }
    notes
}

/// The `id` of a filter or compressor; empty if it has none.
fn id(config: &Value) -> &str {
    config["id"].as_str().unwrap_or_default()
}

/// F order is a transposition to C order.
fn transpose(order: Option<Value>, rank: usize) -> Result<Vec<Value>, FormatError> {
    match order.as_ref().map_or(Some("C"), Value::as_str) {
        Some("F") if rank > 1 => {
            let order: Vec<usize> = (0..rank).rev().collect();
            Ok(vec![json!({"name": "transpose", "configuration": {"order": order}})])
        }
        Some("C" | "F") => Ok(Vec::new()),
        _ => Err(invalid("\"order\" is neither \"C\" nor \"F\"")),
    }
}

/// The codecs after a transposition: on elements, to bytes, on bytes.
fn codecs_of(filters: &[Value], compressor: Option<Value>, element: &Element) -> Result<Vec<Value>, FormatError> {
    let is_object_codec = |config: &Value| OBJECT_CODECS.contains(&id(config));
    let has_objects = matches!(element.0, DType::String | DType::VariableBytes);
    let on_bytes = |config: &Value| compressors::is_bytes_codec(id(config)) || is_object_codec(config);
    let split = filters.iter().position(on_bytes).unwrap_or(filters.len());
    let (on_elements, mut rest) = filters.split_at(split);
    if let Some(late) = rest.iter().find(|config| filters::is_filter(id(config))) {
        let text =
            format!("filter {} comes after a bytes-to-bytes filter, but must come before it in Zarr v3", id(late));
        return Err(unsupported(text));
    }
    let (mut codecs, stored) = filters::to_v3(on_elements, element)?;
    match rest {
        [first, after @ ..] if has_objects && is_object_codec(first) => {
            codecs.push(json!({"name": id(first), "configuration": {}}));
            rest = after;
        }
        _ if has_objects => {
            return Err(invalid("the filters of an object array must start with the one that encodes the objects"));
        }
        // A byte order is named where the data type of the array has one.
        _ => codecs.push(match (element.0.has_byte_order(), stored.1) {
            (false, _) => json!({"name": "bytes"}),
            (true, ByteOrder::Little) => json!({"name": "bytes", "configuration": {"endian": "little"}}),
            (true, ByteOrder::Big) => json!({"name": "bytes", "configuration": {"endian": "big"}}),
        }),
    }
    // A codec on bytes makes single bytes for the next one.
    let mut itemsize = stored.0.itemsize();
    for config in rest.iter().chain(&compressor) {
        codecs.push(compressors::to_v3(config, itemsize)?);
        itemsize = 1;
    }
    Ok(codecs)
}

/// Keeps members that Zarr v2 does not name. It tells readers to ignore them; v3 allows that for objects that are marked so.
/// Anything else would be lost, and what it meant to its writer is not known here.
fn keep_extensions(zarray: &Members, document: &mut Members) -> Result<(), FormatError> {
    for (name, _) in zarray.others(&KNOWN) {
        let Some(Value::Object(mut extension)) = zarray.value(name) else {
            return Err(unsupported(format!("unknown member {name:?} of .zarray cannot be expressed in Zarr v3")));
        };
        extension.insert("must_understand".into(), json!(false));
        document.push(name, &Value::Object(extension));
    }
    Ok(())
}
