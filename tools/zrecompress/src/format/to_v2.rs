//! `zarr.json` to `.zarray` and `.zattrs`.

use serde_json::{Value, json};

use super::dtype::{ByteOrder, DType};
use super::fill::Fill;
use super::layout::{Members, lengths, pretty};
use super::{compressors, filters, mask};

/// Members of `zarr.json` that the specification names, and the consolidated copies.
const KNOWN: [&str; 12] = [
    "zarr_format",
    "node_type",
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "attributes",
    "dimension_names",
    "storage_transformers",
    "consolidated_metadata",
];

/// A codec: its name and its configuration.
type Codec<'a> = (&'a str, &'a Value);

/// The `.zarray` of an array of v3 and, where it has attributes, its `.zattrs`. Its chunks stay as they are; their keys are
/// those of [`keys_after`](super::keys_after).
///
/// # Errors
/// What v2 cannot say, in a sentence, or what is wrong with the document.
pub fn array_to_v2(zarr_json: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
    let node = Members::read("zarr.json", zarr_json)?;
    let present = |key: &str| node.value(key).filter(|value| !value.is_null());
    let shape = present("shape").and_then(lengths).ok_or("\"shape\" is no list of lengths")?;
    let rank = shape.len();
    let chunks = chunk_shape(present("chunk_grid"), rank)?;
    let dtype = DType::from_v3(&present("data_type").ok_or("has no \"data_type\"")?)?;
    let fill = Fill::read(&dtype, &node.value("fill_value").unwrap_or_default())?;
    if present("storage_transformers").is_some_and(|transformers| transformers != json!([])) {
        return Err("has storage transformers, which Zarr v2 lacks".into());
    }
    let mut attributes = node.get("attributes").map_or_else(|| Ok(Members::default()), read_attributes)?;
    let names = dimension_names(present("dimension_names"), rank)?;
    let fill_value = set_xarray(&dtype, &fill, names, rank, &mut attributes)?;
    let specs = present("codecs").ok_or("has no \"codecs\"")?;
    let chain = Chain::of(&specs, dtype, rank)?;

    let mut document = Members::default();
    document.push("shape", &json!(shape));
    document.push("chunks", &json!(chunks));
    document.push("dtype", &chain.dtype);
    document.push("fill_value", &fill_value);
    document.push("order", &json!(chain.order));
    document.push("filters", &chain.filters);
    document.push("dimension_separator", &separator(present("chunk_key_encoding"))?);
    document.push("compressor", &chain.compressor);
    document.push("zarr_format", &json!(2));
    keep_extensions(&node, &mut document)?;
    Ok((pretty(&document.text()), attribute_text(&attributes)))
}

/// The `.zgroup` of a group of v3 and, where it has attributes, its `.zattrs`.
///
/// # Errors
/// What v2 cannot say, or what is wrong with the document.
pub fn group_to_v2(zarr_json: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
    let node = Members::read("zarr.json", zarr_json)?;
    if node.value("node_type") != Some(json!("group")) {
        return Err("\"node_type\" is not \"group\"".into());
    }
    let attributes = node.get("attributes").map_or_else(|| Ok(Members::default()), read_attributes)?;
    let mut document = Members::default();
    document.push("zarr_format", &json!(2));
    keep_extensions(&node, &mut document)?;
    Ok((pretty(&document.text()), attribute_text(&attributes)))
}

fn read_attributes(text: &[u8]) -> Result<Members, String> {
    if text == b"null" { Ok(Members::default()) } else { Members::read("\"attributes\"", text) }
}

fn attribute_text(attributes: &Members) -> Option<Vec<u8>> {
    (!attributes.is_empty()).then(|| pretty(&attributes.text()))
}

fn chunk_shape(grid: Option<Value>, rank: usize) -> Result<Vec<u64>, String> {
    let grid = grid.ok_or("has no \"chunk_grid\"")?;
    if grid["name"] != "regular" {
        return Err(format!("chunk grid {} is not regular, and Zarr v2 has no other", grid["name"]));
    }
    let chunks = lengths(grid["configuration"]["chunk_shape"].clone()).filter(|chunks| chunks.len() == rank);
    chunks.ok_or_else(|| "\"chunk_shape\" is no list of as many lengths as \"shape\"".into())
}

/// Names of all dimensions, or of none.
fn dimension_names(names: Option<Value>, rank: usize) -> Result<Option<Value>, String> {
    let Some(names) = names else { return Ok(None) };
    let list = names.as_array().ok_or_else(|| format!("\"dimension_names\" is {names}, not a list"))?;
    match list.iter().filter(|name| name.is_string()).count() {
        _ if list.len() != rank => {
            Err(format!("\"dimension_names\" has {} names, and the array has {rank} dimensions", list.len()))
        }
        0 if rank > 0 => Ok(None),
        named if named == rank => Ok(Some(names)),
        _ => Err(
            "some dimensions have a name and some have none: _ARRAY_DIMENSIONS, which keeps them in Zarr v2, names all"
                .into(),
        ),
    }
}

/// Says in the attributes of v2 what xarray reads in v3; returns the fill value that goes with them.
fn set_xarray(
    dtype: &DType,
    fill: &Fill,
    names: Option<Value>,
    rank: usize,
    attributes: &mut Members,
) -> Result<Value, String> {
    if names.is_some() || attributes.get("_ARRAY_DIMENSIONS").is_some() {
        let fill_value = split_mask(dtype, fill, attributes)?;
        set_dimensions(names, attributes)?;
        return Ok(fill_value);
    }
    // xarray names no dimensions where there are none, so any such array may be its own.
    let mut scalar = attributes.clone();
    match split_mask(dtype, fill, &mut scalar) {
        Ok(fill_value) if rank == 0 => {
            scalar.push("_ARRAY_DIMENSIONS", &json!([]));
            *attributes = scalar;
            Ok(fill_value)
        }
        _ => Ok(fill.to_json()),
    }
}

fn set_dimensions(names: Option<Value>, attributes: &mut Members) -> Result<(), String> {
    let Some(names) = names else { return Ok(()) };
    if let Some(stated) = attributes.take("_ARRAY_DIMENSIONS").filter(|stated| *stated != names) {
        return Err(format!("attribute _ARRAY_DIMENSIONS is {stated}, and \"dimension_names\" is {names}"));
    }
    attributes.push("_ARRAY_DIMENSIONS", &names);
    Ok(())
}

/// The fill value of v2 for an array that xarray reads; leaves the attribute where v2 needs it.
fn split_mask(dtype: &DType, fill: &Fill, attributes: &mut Members) -> Result<Value, String> {
    let stated = attributes.take("_FillValue").filter(|value| !value.is_null());
    let mask = stated.map(|stated| mask::read_v3(dtype, &stated)).transpose()?;
    let (fill_value, attribute) = mask::split_v2(dtype, fill, mask.as_ref())?;
    if let Some(attribute) = attribute {
        attributes.push("_FillValue", &attribute);
    }
    Ok(fill_value)
}

fn separator(encoding: Option<Value>) -> Result<Value, String> {
    let encoding = encoding.unwrap_or_else(|| json!("default"));
    let stated = encoding.pointer("/configuration/separator").cloned();
    match encoding.as_str().or_else(|| encoding["name"].as_str()) {
        Some("default") => Ok(stated.unwrap_or_else(|| "/".into())),
        Some("v2") => Ok(stated.unwrap_or_else(|| ".".into())),
        _ => Err(format!("chunk key encoding {encoding} has no counterpart in Zarr v2")),
    }
}

/// The members that v2 has for a chain of codecs.
struct Chain {
    dtype: Value,
    order: &'static str,
    filters: Value,
    compressor: Value,
}

impl Chain {
    fn of(specs: &Value, dtype: DType, rank: usize) -> Result<Chain, String> {
        let codecs = specs.as_array().and_then(|specs| specs.iter().map(named).collect::<Option<Vec<Codec>>>());
        let codecs = codecs.ok_or("\"codecs\" is no list of codecs")?;
        let to_bytes = codecs.iter().position(|(name, _)| is_array_to_bytes(name));
        let to_bytes = to_bytes.ok_or("\"codecs\" has none that makes bytes and that Zarr v2 has a word for")?;
        let (order, on_elements) = memory_order(&codecs[..to_bytes], rank)?;
        let (serializer, configuration) = codecs[to_bytes];
        let element = (dtype, byte_order(configuration)?);
        check_serializer(serializer, &element)?;
        let (mut filters, _) = filters::to_v2(on_elements, &element)?;
        if serializer != "bytes" {
            filters.push(json!({"id": serializer}));
        }
        let on_bytes =
            codecs[to_bytes + 1..].iter().map(|(name, configuration)| compressors::to_v2(name, configuration));
        filters.extend(on_bytes.collect::<Result<Vec<Value>, String>>()?);
        let compresses = |config: &mut Value| {
            config["id"].as_str().is_some_and(|id| compressors::is_bytes_codec(id) && !compressors::is_filter(id))
        };
        let compressor = filters.pop_if(compresses).unwrap_or_default();
        let filters = if filters.is_empty() { Value::Null } else { Value::from(filters) };
        Ok(Chain { dtype: element.0.to_v2(element.1), order, filters, compressor })
    }
}

/// A codec may stand there by its name alone.
fn named(spec: &Value) -> Option<Codec<'_>> {
    let name = spec.as_str().or_else(|| spec["name"].as_str())?;
    Some((name, &spec["configuration"]))
}

fn is_array_to_bytes(name: &str) -> bool {
    ["bytes", "vlen-utf8", "vlen-bytes", "sharding_indexed", "numcodecs.pcodec", "numcodecs.zfpy"].contains(&name)
}

/// C or F order for a transposition at the front, and the codecs after it.
fn memory_order<'a, 'b>(codecs: &'b [Codec<'a>], rank: usize) -> Result<(&'static str, &'b [Codec<'a>]), String> {
    let [("transpose", configuration), rest @ ..] = codecs else { return Ok(("C", codecs)) };
    let order: Option<Vec<u64>> =
        configuration["order"].as_array().map(|order| order.iter().filter_map(Value::as_u64).collect());
    let order = order.unwrap_or_default();
    let rank = rank as u64;
    if order.iter().copied().eq(0..rank) {
        Ok(("C", rest))
    } else if order.iter().copied().eq((0..rank).rev()) {
        Ok(("F", rest))
    } else {
        Err(format!("codec transpose has order {}, and Zarr v2 has C and F order only", configuration["order"]))
    }
}

fn byte_order(configuration: &Value) -> Result<ByteOrder, String> {
    match configuration["endian"].as_str() {
        None | Some("little") => Ok(ByteOrder::Little),
        Some("big") => Ok(ByteOrder::Big),
        Some(other) => Err(format!("codec bytes has endian {other:?}")),
    }
}

fn check_serializer(name: &str, (dtype, order): &filters::Element) -> Result<(), String> {
    match (name, dtype) {
        ("sharding_indexed", _) => Err("the array is sharded, and Zarr v2 has no shards".into()),
        ("vlen-utf8", DType::String) | ("vlen-bytes", DType::VariableBytes) => Ok(()),
        ("bytes", DType::Struct(_)) if *order == ByteOrder::Big => {
            Err("fields of a structured type are big-endian here, which not all readers of Zarr v3 agree on".into())
        }
        ("bytes", DType::String | DType::VariableBytes) | ("vlen-utf8" | "vlen-bytes", _) => {
            Err(format!("codec {name} does not store data type {}", dtype.to_v3()))
        }
        ("bytes", _) => Ok(()),
        _ => Err(format!("codec {name:?} makes bytes of an array, for which Zarr v2 has no codec")),
    }
}

/// Members that the specification does not name come back as what they were in v2.
fn keep_extensions(node: &Members, document: &mut Members) -> Result<(), String> {
    for (name, _) in node.others(&KNOWN) {
        match node.value(name) {
            Some(Value::Object(mut extension)) if extension.get("must_understand") == Some(&json!(false)) => {
                extension.shift_remove("must_understand");
                document.push(name, &Value::Object(extension));
            }
            _ => return Err(format!("member {name:?} of zarr.json has to be understood, and is not")),
        }
    }
    Ok(())
}
