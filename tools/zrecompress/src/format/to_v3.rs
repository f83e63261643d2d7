//! `.zarray` and `.zattrs` to `zarr.json`.

use serde_json::{Value, json};

use super::dtype::{ByteOrder, DType};
use super::fill::Fill;
use super::layout::{Members, lengths, pretty};
use super::{compressors, filters, mask};

/// Members of `.zarray` that Zarr v2 names.
const KNOWN: [&str; 9] =
    ["shape", "chunks", "dtype", "fill_value", "order", "filters", "dimension_separator", "compressor", "zarr_format"];

/// Filters that say what an array of objects holds.
const OBJECT_CODECS: [&str; 2] = ["vlen-utf8", "vlen-bytes"];

/// The `zarr.json` of an array of v2. Its chunks stay as they are, under the keys that they have.
///
/// # Errors
/// What v3 cannot say, in a sentence, or what is wrong with the documents.
pub fn array_to_v3(zarray: &[u8], zattrs: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let zarray = Members::read(".zarray", zarray)?;
    let mut attributes = read_attributes(zattrs)?;
    let present = |key: &str| zarray.value(key).filter(|value| !value.is_null());
    let (shape, chunks) = grid(present("shape"), present("chunks"))?;
    let filters = filters_of(present("filters"))?;
    let object_codec = filters.iter().filter_map(|filter| filter["id"].as_str()).find(|id| OBJECT_CODECS.contains(id));
    let element = DType::from_v2(&present("dtype").ok_or("has no \"dtype\"")?, object_codec)?;
    let fill = present("fill_value").map(|value| Fill::read(&element.0, &value)).transpose()?;
    let names = dimension_names(&zarray, &mut attributes, shape.len())?;
    if names.is_some() {
        set_mask(&element.0, fill.as_ref(), &mut attributes)?;
    }
    let mut codecs = transpose(present("order"), shape.len())?;
    codecs.extend(codecs_of(&filters, present("compressor"), &element)?);

    let mut document = Members::default();
    document.push("shape", &json!(shape));
    document.push("data_type", &element.0.to_v3());
    document.push("chunk_grid", &json!({"name": "regular", "configuration": {"chunk_shape": chunks}}));
    // The encoding that spells keys as v2 does: no chunk gets another name.
    let separator = present("dimension_separator").unwrap_or_else(|| ".".into());
    document.push("chunk_key_encoding", &json!({"name": "v2", "configuration": {"separator": separator}}));
    document.push("fill_value", &fill.unwrap_or_else(|| Fill::default_of(&element.0)).to_json());
    document.push("codecs", &Value::from(codecs));
    document.push_text("attributes", attributes.text());
    if let Some(names) = names {
        document.push("dimension_names", &names);
    }
    document.push("zarr_format", &json!(3));
    document.push("node_type", &json!("array"));
    document.push("storage_transformers", &json!([]));
    keep_extensions(&zarray, &mut document)?;
    Ok(pretty(&document.text()))
}

/// The `zarr.json` of a group of v2.
///
/// # Errors
/// What is wrong with `.zattrs`.
pub fn group_to_v3(zattrs: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let mut document = Members::default();
    document.push_text("attributes", read_attributes(zattrs)?.text());
    document.push("zarr_format", &json!(3));
    document.push("node_type", &json!("group"));
    Ok(pretty(&document.text()))
}

/// What a user should know of an array that goes to v3, beyond what its documents say. Its values are the same.
pub fn remarks(zarray: &[u8], zattrs: Option<&[u8]>) -> Vec<String> {
    let (Ok(zarray), Ok(attributes)) = (Members::read(".zarray", zarray), read_attributes(zattrs)) else {
        return Vec::new();
    };
    [mask_lost(&zarray, &attributes), written_otherwise(&zarray)].into_iter().flatten().collect()
}

/// xarray reads no `_FillValue` of texts in v3.
fn mask_lost(zarray: &Members, attributes: &Members) -> Option<String> {
    let fill = zarray.value("fill_value").filter(|fill| !fill.is_null())?;
    let dtype = zarray.value("dtype")?;
    let is_text = dtype.as_str().is_some_and(|dtype| dtype.contains(['O', 'S', 'U']));
    let is_lost = is_text && attributes.get("_ARRAY_DIMENSIONS").is_some();
    is_lost.then(|| format!("xarray takes {fill} for missing in Zarr v2, and for a text like any other in Zarr v3"))
}

/// zarr-python 3.1 hands a transposed view to filters of numcodecs, which take it in the order of memory: what it writes, it
/// reads in another order. What is stored already it reads as it is.
fn written_otherwise(zarray: &Members) -> Option<String> {
    let is_fortran = zarray.value("order")? == "F";
    let filters = zarray.value("filters")?;
    let on_elements = filters.as_array()?.iter().any(|config| config["id"].as_str().is_some_and(filters::is_filter));
    (is_fortran && on_elements).then(|| {
        "the array is in F order and has filters: zarr-python 3.1 reads it as it is, but writes chunks that it cannot read"
            .into()
    })
}

fn grid(shape: Option<Value>, chunks: Option<Value>) -> Result<(Vec<u64>, Vec<u64>), String> {
    let shape = shape.and_then(lengths).ok_or("\"shape\" is no list of lengths")?;
    let chunks = chunks.and_then(lengths).filter(|chunks| chunks.len() == shape.len());
    Ok((shape, chunks.ok_or("\"chunks\" is no list of as many lengths as \"shape\"")?))
}

fn read_attributes(zattrs: Option<&[u8]>) -> Result<Members, String> {
    zattrs.map_or_else(|| Ok(Members::default()), |text| Members::read(".zattrs", text))
}

fn filters_of(filters: Option<Value>) -> Result<Vec<Value>, String> {
    match filters {
        None => Ok(Vec::new()),
        Some(Value::Array(filters)) => Ok(filters),
        Some(other) => Err(format!("\"filters\" is {other}, not a list")),
    }
}

/// The names of dimensions, out of the attribute that xarray writes, or out of the member that NetCDF-C writes.
fn dimension_names(zarray: &Members, attributes: &mut Members, rank: usize) -> Result<Option<Value>, String> {
    let (names, place) = match attributes.take("_ARRAY_DIMENSIONS") {
        Some(names) => (names, "attribute _ARRAY_DIMENSIONS"),
        None => match zarray.value("_NCZARR_ARRAY").and_then(|array| array.get("dimrefs").cloned()) {
            Some(paths) => (last_parts(&paths), "_NCZARR_ARRAY"),
            None => return Ok(None),
        },
    };
    let list = names.as_array().filter(|names| names.iter().all(Value::is_string));
    match list.map(Vec::len) {
        None => Err(format!("{place} is {names}, not a list of names")),
        Some(count) if count != rank => Err(format!("{place} has {count} names, and the array has {rank} dimensions")),
        Some(_) => Ok(Some(names)),
    }
}

/// NetCDF-C names dimensions by their path.
fn last_parts(paths: &Value) -> Value {
    let last = |path: &Value| json!(path.as_str().map(|path| path.rsplit('/').next().unwrap_or(path)));
    paths.as_array().map_or(Value::Null, |paths| paths.iter().map(last).collect())
}

/// Says in v3 what xarray takes for missing in v2: the fill value if there is one, else an attribute.
fn set_mask(dtype: &DType, fill: Option<&Fill>, attributes: &mut Members) -> Result<(), String> {
    let stated = attributes.take("_FillValue").filter(|value| !value.is_null());
    let mask = match (fill, stated) {
        (Some(fill), _) => fill.clone(),
        (None, None) => return Ok(()),
        (None, Some(_)) if !mask::is_maskable(dtype) => {
            return Err(format!("attribute _FillValue: xarray reads none of data type {} in Zarr v3", dtype.to_v3()));
        }
        (None, Some(stated)) => Fill::read(dtype, &stated).map_err(|error| format!("attribute _FillValue: {error}"))?,
    };
    if mask::is_maskable(dtype) {
        attributes.push("_FillValue", &mask::attribute_v3(dtype, &mask));
    }
    Ok(())
}

/// F order is a transposition to C order.
fn transpose(order: Option<Value>, rank: usize) -> Result<Vec<Value>, String> {
    match order.as_ref().map_or(Some("C"), Value::as_str) {
        Some("C") => Ok(Vec::new()),
        Some("F") if rank < 2 => Ok(Vec::new()),
        Some("F") => {
            let order: Vec<usize> = (0..rank).rev().collect();
            Ok(vec![json!({"name": "transpose", "configuration": {"order": order}})])
        }
        _ => Err("\"order\" is neither \"C\" nor \"F\"".into()),
    }
}

/// The codecs after a transposition: on elements, to bytes, on bytes.
fn codecs_of(filters: &[Value], compressor: Option<Value>, element: &filters::Element) -> Result<Vec<Value>, String> {
    let id = |config: &Value| config["id"].as_str().map(str::to_owned).unwrap_or_default();
    let is_object_codec = |config: &Value| OBJECT_CODECS.contains(&id(config).as_str());
    let has_objects = matches!(element.0, DType::String | DType::VariableBytes);
    let on_bytes = |config: &Value| compressors::is_bytes_codec(&id(config));
    let split = filters.iter().position(|config| on_bytes(config) || is_object_codec(config)).unwrap_or(filters.len());
    let (on_elements, rest) = filters.split_at(split);
    if let Some(late) = rest.iter().find(|config| filters::is_filter(&id(config))) {
        return Err(format!("filter {} comes after one that works on bytes, and Zarr v3 has it before", id(late)));
    }
    let (mut codecs, stored) = filters::to_v3(on_elements, element)?;
    let rest = match (rest, has_objects) {
        ([first, rest @ ..], true) if is_object_codec(first) => {
            codecs.push(json!({"name": id(first), "configuration": {}}));
            rest
        }
        (rest, false) => {
            codecs.push(bytes_codec(&element.0, stored.1));
            rest
        }
        _ => return Err("the filters of an array of objects do not begin with the one that stores them".into()),
    };
    for (number, config) in rest.iter().chain(&compressor).enumerate() {
        codecs.push(compressors::to_v3(config, compressors::typesize(&stored.0, number))?);
    }
    Ok(codecs)
}

/// The codec that puts elements down as bytes. It has a byte order where the data type of the array has.
fn bytes_codec(dtype: &DType, order: ByteOrder) -> Value {
    match (dtype.has_byte_order(), order) {
        (false, _) => json!({"name": "bytes"}),
        (true, ByteOrder::Little) => json!({"name": "bytes", "configuration": {"endian": "little"}}),
        (true, ByteOrder::Big) => json!({"name": "bytes", "configuration": {"endian": "big"}}),
    }
}

/// Members that Zarr v2 does not name. It tells readers to ignore them; v3 allows that for objects that say so themselves.
/// Anything else would be lost, and what it meant to its writer is not known here.
fn keep_extensions(zarray: &Members, document: &mut Members) -> Result<(), String> {
    for (name, _) in zarray.others(&KNOWN) {
        let Some(Value::Object(mut extension)) = zarray.value(name) else {
            return Err(format!("member {name:?} of .zarray is unknown, and Zarr v3 has no place for it"));
        };
        extension.insert("must_understand".into(), json!(false));
        document.push(name, &Value::Object(extension));
    }
    Ok(())
}
