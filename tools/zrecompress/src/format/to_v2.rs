//! `zarr.json` to `.zarray` and `.zattrs`.

use serde_json::{Value, json};
use zarray::Members;

use super::dtype::{ByteOrder, DType};
use super::error::{FormatError, invalid, unsupported};
use super::fill::Fill;
use super::lengths;
use super::{compressors, filters, xarray};

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

/// A `.zarray` or `.zgroup` and, if there are attributes, a `.zattrs`.
type Documents = (Vec<u8>, Option<Vec<u8>>);

/// A codec: its name and its configuration.
type Codec<'a> = (&'a str, &'a Value);

/// The documents of an array of v3. Its chunks stay as they are; their keys become those of
/// [`keys_after`](super::keys_after).
///
/// # Errors
/// The document is wrong, or v2 has no counterpart.
pub fn array_to_v2(zarr_json: &[u8]) -> Result<Documents, FormatError> {
    let node = Members::read("zarr.json", zarr_json)?;
    let shape = node.present("shape").and_then(lengths).ok_or_else(|| invalid("\"shape\" is not a list of lengths"))?;
    let rank = shape.len();
    let chunks = chunk_shape(node.present("chunk_grid"), rank)?;
    let dtype = DType::from_v3(&node.present("data_type").ok_or_else(|| invalid("\"data_type\" is missing"))?)?;
    let fill = Fill::read(&dtype, &node.value("fill_value").unwrap_or_default())?;
    if node.present("storage_transformers").is_some_and(|transformers| transformers != json!([])) {
        return Err(unsupported("storage transformers are not supported in Zarr v2"));
    }
    let mut attributes = attributes_of(&node)?;
    let names = dimension_names(node.present("dimension_names"), rank)?;
    let fill_value = xarray::set_v2(&dtype, &fill, names, rank, &mut attributes)?;
    let codecs = node.present("codecs").ok_or_else(|| invalid("\"codecs\" is missing"))?;
    let chain = Chain::of(&codecs, dtype, rank)?;
    let document = Members::from([
        ("shape", json!(shape)),
        ("chunks", json!(chunks)),
        ("dtype", chain.dtype),
        ("fill_value", fill_value),
        ("order", json!(chain.order)),
        ("filters", chain.filters),
        ("dimension_separator", separator(node.present("chunk_key_encoding"))?),
        ("compressor", chain.compressor),
        ("zarr_format", json!(2)),
    ]);
    documents(&node, document, &attributes)
}

/// The documents of a group of v3.
///
/// # Errors
/// The document is wrong, or v2 has no counterpart.
pub fn group_to_v2(zarr_json: &[u8]) -> Result<Documents, FormatError> {
    let node = Members::read("zarr.json", zarr_json)?;
    if node.value("node_type") != Some(json!("group")) {
        return Err(invalid("\"node_type\" is not \"group\""));
    }
    documents(&node, Members::from([("zarr_format", json!(2))]), &attributes_of(&node)?)
}

fn attributes_of(node: &Members) -> Result<Members, FormatError> {
    Ok(Members::optional("\"attributes\"", node.get("attributes").filter(|text| *text != b"null"))?)
}

/// Members that the specification does not name come back as what they were in v2.
fn documents(node: &Members, mut document: Members, attributes: &Members) -> Result<Documents, FormatError> {
    for (name, _) in node.others(&KNOWN) {
        match node.value(name) {
            Some(Value::Object(mut extension)) if extension.get("must_understand") == Some(&json!(false)) => {
                extension.shift_remove("must_understand");
                document.push(name, &Value::Object(extension));
            }
            _ => {
                let text = format!("member {name:?} of zarr.json has must_understand set, but is unknown");
                return Err(unsupported(text));
            }
        }
    }
    Ok((document.document(), (*attributes != Members::default()).then(|| attributes.document())))
}

fn chunk_shape(grid: Option<Value>, rank: usize) -> Result<Vec<u64>, FormatError> {
    let grid = grid.ok_or_else(|| invalid("\"chunk_grid\" is missing"))?;
    if grid["name"] != "regular" {
        return Err(unsupported(format!(
            "chunk grid {} is not regular, but Zarr v2 supports only regular grids",
            grid["name"]
        )));
    }
    let chunks = lengths(grid["configuration"]["chunk_shape"].clone()).filter(|chunks| chunks.len() == rank);
    chunks.ok_or_else(|| invalid("\"chunk_shape\" is not a list of the same length as \"shape\""))
}

/// Names of all dimensions, or of none.
fn dimension_names(names: Option<Value>, rank: usize) -> Result<Option<Value>, FormatError> {
    let Some(names) = names else { return Ok(None) };
    let Some(list) = names.as_array() else {
        return Err(invalid(format!("\"dimension_names\" is {names}, not a list")));
    };
    if list.len() != rank {
        let count = list.len();
        return Err(invalid(format!("\"dimension_names\" has {count} names, but the array has {rank} dimensions")));
    }
    match list.iter().filter(|name| name.is_string()).count() {
        named if named == rank => Ok(Some(names)),
        0 => Ok(None),
        _ => Err(unsupported(
            "only some dimensions are named, but _ARRAY_DIMENSIONS, used in Zarr v2, must name all of them",
        )),
    }
}

fn separator(encoding: Option<Value>) -> Result<Value, FormatError> {
    let encoding = encoding.unwrap_or_else(|| json!("default"));
    let stated = encoding.pointer("/configuration/separator").cloned();
    match encoding.as_str().or_else(|| encoding["name"].as_str()) {
        Some("default") => Ok(stated.unwrap_or_else(|| "/".into())),
        Some("v2") => Ok(stated.unwrap_or_else(|| ".".into())),
        _ => Err(unsupported(format!("chunk key encoding {encoding} has no equivalent in Zarr v2"))),
    }
}

/// The members of v2 for a chain of codecs.
struct Chain {
    dtype: Value,
    order: &'static str,
    filters: Value,
    compressor: Value,
}

impl Chain {
    fn of(codecs: &Value, dtype: DType, rank: usize) -> Result<Chain, FormatError> {
        let codecs = codecs.as_array().and_then(|codecs| codecs.iter().map(named).collect::<Option<Vec<Codec>>>());
        let codecs = codecs.ok_or_else(|| invalid("\"codecs\" is not a list of codecs"))?;
        let to_bytes = codecs
            .iter()
            .position(|(name, _)| TO_BYTES.contains(name))
            .ok_or_else(|| unsupported("\"codecs\" has no array-to-bytes codec that Zarr v2 supports"))?;
        let (order, on_elements) = memory_order(&codecs[..to_bytes], rank)?;
        let (serializer, configuration) = codecs[to_bytes];
        let element = (dtype, byte_order(configuration)?);
        check_serializer(serializer, &element.0, element.1)?;
        let mut filters = filters::to_v2(on_elements, &element)?;
        if serializer != "bytes" {
            filters.push(json!({"id": serializer}));
        }
        for (name, configuration) in &codecs[to_bytes + 1..] {
            filters.push(compressors::to_v2(name, configuration)?);
        }
        let compressor =
            filters.pop_if(|config| config["id"].as_str().is_some_and(compressors::is_compressor)).unwrap_or_default();
        let filters = if filters.is_empty() { Value::Null } else { Value::from(filters) };
        Ok(Chain { dtype: element.0.to_v2(element.1), order, filters, compressor })
    }
}

/// A codec may be given by its name alone.
fn named(codec: &Value) -> Option<Codec<'_>> {
    let name = codec.as_str().or_else(|| codec["name"].as_str())?;
    Some((name, &codec["configuration"]))
}

/// Codecs that make bytes of an array.
const TO_BYTES: [&str; 6] =
    ["bytes", "vlen-utf8", "vlen-bytes", "sharding_indexed", "numcodecs.pcodec", "numcodecs.zfpy"];

/// C or F order for a transposition at the front, and the codecs after it.
fn memory_order<'a, 'b>(codecs: &'b [Codec<'a>], rank: usize) -> Result<(&'static str, &'b [Codec<'a>]), FormatError> {
    let [("transpose", configuration), rest @ ..] = codecs else { return Ok(("C", codecs)) };
    let order: Vec<u64> = configuration["order"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    let rank = rank as u64;
    if order.iter().copied().eq(0..rank) {
        Ok(("C", rest))
    } else if order.iter().copied().eq((0..rank).rev()) {
        Ok(("F", rest))
    } else {
        let order = &configuration["order"];
        Err(unsupported(format!("codec transpose has order {order}, but Zarr v2 supports only C and F order")))
    }
}

fn byte_order(configuration: &Value) -> Result<ByteOrder, FormatError> {
    match configuration["endian"].as_str() {
        None | Some("little") => Ok(ByteOrder::Little),
        Some("big") => Ok(ByteOrder::Big),
        Some(other) => Err(invalid(format!("codec bytes has endian {other:?}"))),
    }
}

fn check_serializer(name: &str, dtype: &DType, order: ByteOrder) -> Result<(), FormatError> {
    match (name, dtype) {
        ("sharding_indexed", _) => Err(unsupported("the array is sharded, but Zarr v2 does not support shards")),
        ("vlen-utf8", DType::String) | ("vlen-bytes", DType::VariableBytes) => Ok(()),
        ("bytes", DType::Struct(_)) if order == ByteOrder::Big => Err(unsupported(
            "the fields of the structured type are big-endian, which Zarr v3 readers interpret differently",
        )),
        ("bytes", DType::String | DType::VariableBytes) | ("vlen-utf8" | "vlen-bytes", _) => {
            Err(invalid(format!("codec {name} does not store data type {}", dtype.to_v3())))
        }
        ("bytes", _) => Ok(()),
        _ => Err(unsupported(format!("array-to-bytes codec {name:?} has no equivalent in Zarr v2"))),
    }
}
