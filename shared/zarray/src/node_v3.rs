//! A group or an array out of its `zarr.json`, and what in it is not understood.
//!
//! Zarr v3 core, "extension points": a member, chunk grid, chunk key encoding, data type or storage transformer that is not
//! known must not be ignored, unless it says `"must_understand": false`. Such an array is described as far as it is known.

use serde_json::{Map, Value};
use zcodec::codec_name;

use crate::chain::Chain;
use crate::dtype::is_known_v3;
use crate::grid::{ChunkKeys, Grid};
use crate::metadata::{
    Array, Group, Node, ZarrFormat, check_format, lengths, names, nczarr_names, parse_object, separator,
};

/// The members of `zarr.json` that the specification, and the convention of consolidated metadata, know.
const MEMBERS: [&str; 4] = ["zarr_format", "node_type", "attributes", "consolidated_metadata"];

/// Those of an array.
const ARRAY_MEMBERS: [&str; 8] = [
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "dimension_names",
    "storage_transformers",
];

/// Reads `zarr.json`, or its copy in consolidated metadata.
///
/// # Errors
/// What is wrong with the metadata, in a sentence.
pub fn node_v3(path: &str, text: &[u8]) -> Result<Node, String> {
    let mut metadata = parse_object("zarr.json", text)?;
    check_format(&metadata, 3)?;
    let attributes = match metadata.remove("attributes") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(attributes)) => attributes,
        Some(other) => return Err(format!("\"attributes\" is {other}, not an object")),
    };
    match metadata.get("node_type").and_then(Value::as_str) {
        Some("group") => {
            let not_understood = not_understood(&metadata, &[]);
            Ok(Node::Group(Group { path: path.to_owned(), format: ZarrFormat::V3, attributes, not_understood }))
        }
        Some("array") => array_v3(path, &metadata, attributes).map(|array| Node::Array(Box::new(array))),
        _ => Err("\"node_type\" is neither \"group\" nor \"array\"".into()),
    }
}

/// The array whose `zarr.json` has these members.
fn array_v3(path: &str, metadata: &Map<String, Value>, attributes: Map<String, Value>) -> Result<Array, String> {
    let shape = lengths(metadata, "shape")?;
    let dtype = metadata.get("data_type").cloned().ok_or("has no \"data_type\"")?;
    let chunk_grid = metadata.get("chunk_grid").ok_or("has no \"chunk_grid\"")?;
    let codecs = metadata.get("codecs").and_then(Value::as_array).ok_or("\"codecs\" is missing or not a list")?;
    let grid = grid(chunk_grid, &shape)?;
    let chain = match &grid {
        Some(grid) => chain(&dtype, codecs, grid)?,
        None => Chain { specs: codecs.clone(), kept: codecs.len(), chunk_bytes: None, ..Chain::v3(&dtype, &[], &[])? },
    };
    let encoding = metadata.get("chunk_key_encoding");
    let (keys, known_keys) = chunk_keys(encoding)?;
    let unknown = |what: &str, value: &Value| Some(format!("{what} {} is not supported", shown(value)));
    let not_understood = not_understood(metadata, &ARRAY_MEMBERS)
        .or_else(|| transformers(metadata))
        .or_else(|| if grid.is_none() { unknown("chunk grid", chunk_grid) } else { None })
        .or_else(|| if known_keys { None } else { unknown("chunk key encoding", encoding?) })
        .or_else(|| if is_known_v3(&dtype) { None } else { unknown("data type", &dtype) });
    Ok(Array {
        path: path.to_owned(),
        format: ZarrFormat::V3,
        grid,
        keys,
        dimension_names: metadata.get("dimension_names").and_then(names).or_else(|| nczarr_names(&attributes)),
        itemsize: crate::dtype::itemsize_v3(&dtype),
        dtype,
        fill_value: metadata.get("fill_value").cloned().unwrap_or_default(),
        order: None,
        chain: chain.into(),
        attributes,
        not_understood,
        fetched: None,
        shape,
    })
}

/// The first member that is neither known (of every node, or one of `own`) nor says that it need not be.
fn not_understood(metadata: &Map<String, Value>, own: &[&str]) -> Option<String> {
    let known = |name: &str| MEMBERS.contains(&name) || own.contains(&name);
    let strict = metadata.iter().find(|(name, value)| !known(name) && !may_be_ignored(value));
    strict.map(|(name, _)| format!("member {name:?} of zarr.json must be understood, and is not supported"))
}

fn may_be_ignored(extension: &Value) -> bool {
    extension.get("must_understand") == Some(&Value::Bool(false))
}

fn transformers(metadata: &Map<String, Value>) -> Option<String> {
    match metadata.get("storage_transformers")? {
        Value::Null => None,
        Value::Array(all) => {
            let strict = all.iter().find(|transformer| !may_be_ignored(transformer))?;
            Some(format!("storage transformer {} is not supported", shown(strict)))
        }
        _ => Some("\"storage_transformers\" is not a list".into()),
    }
}

/// An extension, for messages: its name where it has one.
fn shown(extension: &Value) -> String {
    match codec_name(extension) {
        "" => extension.to_string(),
        name => format!("{name:?}"),
    }
}

/// The grid; `None` for one of an unknown kind.
fn grid(chunk_grid: &Value, shape: &[u64]) -> Result<Option<Grid>, String> {
    let name = codec_name(chunk_grid);
    let configuration = || {
        let configuration = chunk_grid.get("configuration").and_then(Value::as_object);
        configuration.ok_or("\"chunk_grid\" has no configuration")
    };
    match name {
        "regular" => {
            let grid = Grid::new(shape.to_vec(), lengths(configuration()?, "chunk_shape")?);
            grid.ok_or("\"chunk_shape\" does not fit \"shape\", or has a chunk length of 0".into()).map(Some)
        }
        "rectilinear" => {
            let configuration = configuration()?;
            if configuration.get("kind").is_some_and(|kind| kind != "inline") {
                return Ok(None);
            }
            let wrong = "\"chunk_shapes\" is not a list of chunk lengths for each dimension";
            let lengths = configuration.get("chunk_shapes").and_then(Value::as_array).ok_or(wrong)?;
            let lengths: Vec<_> = lengths.iter().map(edge_lengths).collect::<Option<_>>().ok_or(wrong)?;
            let grid = Grid::rectilinear(shape.to_vec(), &lengths);
            grid.ok_or("\"chunk_shapes\" does not cover \"shape\", or has a chunk length of 0".into()).map(Some)
        }
        _ => Ok(None),
    }
}

/// Lengths of the chunks along a dimension, each with how often it is repeated: a number for all, or a list of numbers and of
/// pairs of a number and its count.
fn edge_lengths(spec: &Value) -> Option<Vec<(u64, u64)>> {
    let Some(list) = spec.as_array() else { return Some(vec![(spec.as_u64()?, u64::MAX)]) };
    let run = |item: &Value| match item.as_array().map(Vec::as_slice) {
        Some([length, times]) => Some((length.as_u64()?, times.as_u64()?)),
        Some(_) => None,
        None => Some((item.as_u64()?, 1)),
    };
    list.iter().map(run).collect()
}

/// The chain of the largest chunk; inner chunks must divide shards of every length.
fn chain(dtype: &Value, codecs: &[Value], grid: &Grid) -> Result<Chain, String> {
    let chain = Chain::v3(dtype, codecs, grid.chunk_shape())?;
    // Shards of a regular grid have been checked, in the order that they are stored in.
    let Some(sharding) = chain.sharding.as_ref().filter(|_| !grid.is_regular()) else { return Ok(chain) };
    let divides = grid
        .chunk_lengths()
        .iter()
        .zip(&sharding.chunk_shape)
        .all(|(lengths, chunk)| lengths.iter().all(|(length, _)| length.is_multiple_of(*chunk)));
    let what = || format!("inner chunk shape {:?} does not divide every shard", sharding.chunk_shape);
    if divides { Ok(chain) } else { Err(what()) }
}

/// How chunks are called, and whether that is certain.
fn chunk_keys(encoding: Option<&Value>) -> Result<(ChunkKeys, bool), String> {
    let name = encoding.map_or("default", codec_name);
    let stated = encoding.and_then(|encoding| encoding.pointer("/configuration/separator"));
    let (prefixed, default) = (name != "v2", if name == "v2" { '.' } else { '/' });
    let known = matches!(name, "default" | "v2");
    let separator = stated.filter(|_| known).map_or(Ok(default), separator)?;
    Ok((ChunkKeys { prefixed, separator }, known))
}

#[cfg(test)]
#[path = "node_v3_tests.rs"]
mod tests;
