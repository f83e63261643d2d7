//! Groups and arrays, out of the metadata of either Zarr format.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::chain::Chain;
use crate::chunk_set::ChunkSet;
use crate::grid::{ChunkKeys, Grid, Key, KeyKind};
use crate::json;

/// The two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZarrFormat {
    /// `.zarray`, `.zgroup`, `.zattrs`.
    V2,
    /// `zarr.json`.
    V3,
}

impl ZarrFormat {
    /// 2 or 3.
    pub fn number(self) -> u8 {
        match self {
            ZarrFormat::V2 => 2,
            ZarrFormat::V3 => 3,
        }
    }
}

/// A node of a hierarchy.
#[derive(Debug, Clone)]
pub enum Node {
    /// A group.
    Group(Group),
    /// An array.
    Array(Box<Array>),
}

impl Node {
    /// Its absolute path.
    pub fn path(&self) -> &str {
        match self {
            Node::Group(group) => &group.path,
            Node::Array(array) => &array.path,
        }
    }
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Absolute path.
    pub path: String,
    /// Its format.
    pub format: ZarrFormat,
    /// Its attributes.
    pub attributes: Map<String, Value>,
    /// What of its metadata has to be understood and is not.
    pub not_understood: Option<String>,
}

/// An array, whatever its data type and codecs are.
#[derive(Debug, Clone)]
pub struct Array {
    /// Absolute path.
    pub path: String,
    /// Its format.
    pub format: ZarrFormat,
    /// Length of each dimension.
    pub shape: Vec<u64>,
    /// The grid of stored objects (chunks, or shards); `None` if its kind is not known.
    pub grid: Option<Grid>,
    /// How its objects are called.
    pub keys: ChunkKeys,
    /// Dimension names; in v2, those that xarray keeps in `_ARRAY_DIMENSIONS`.
    pub dimension_names: Option<Vec<Option<String>>>,
    /// Data type in the words of the metadata.
    pub dtype: Value,
    /// Bytes of an element; `None` if elements have no fixed size or the type is not known.
    pub itemsize: Option<u64>,
    /// Fill value in the words of the metadata.
    pub fill_value: Value,
    /// `C` or `F`; v2 only.
    pub order: Option<String>,
    /// The codecs, which many arrays may share.
    pub chain: Arc<Chain>,
    /// Its attributes.
    pub attributes: Map<String, Value>,
    /// What of its metadata has to be understood and is not: its objects may only be copied, all of them.
    pub not_understood: Option<String>,
    /// The chunks that are there, if only some of them were fetched.
    pub fetched: Option<Arc<ChunkSet>>,
}

impl Array {
    /// Its path as the start of its keys: without the leading slash, empty for the top.
    pub fn key_prefix(&self) -> &str {
        self.path.trim_start_matches('/')
    }

    /// The key, relative to the store, of something below the array.
    pub fn key(&self, relative: &str) -> String {
        match self.key_prefix() {
            "" => relative.to_owned(),
            prefix => format!("{prefix}/{relative}"),
        }
    }

    /// The grid that numbers the stored objects; `None` if they can only be listed.
    pub fn numbered(&self) -> Option<&Grid> {
        self.grid.as_ref().filter(|_| self.not_understood.is_none())
    }

    /// The array as its stored object `index` shows it: on a rectilinear grid with chunks of the shape that this one has.
    pub fn at(&self, index: &[u64]) -> Cow<'_, Array> {
        match self.grid.as_ref().filter(|grid| !grid.is_regular()) {
            Some(grid) => self.with_chunks(grid.chunk(index).shape()).map_or(Cow::Borrowed(self), Cow::Owned),
            None => Cow::Borrowed(self),
        }
    }

    /// The array with a regular grid of objects of `shape`.
    pub(crate) fn with_chunks(&self, shape: &[u64]) -> Option<Array> {
        let chain = Chain::v3(&self.dtype, &self.chain.specs, shape).ok()?.into();
        let grid = Some(Grid::new(self.shape.clone(), shape.to_vec())?);
        Some(Array { grid, chain, attributes: Map::new(), ..self.clone() })
    }

    /// The array with stored objects of another shape, and these codecs in place of its own: all of them in v3, the filters and the
    /// compressor in v2.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn with_encoding(
        &self,
        objects: &[u64],
        codecs: &[Value],
        compressor: Option<&Value>,
    ) -> Result<Array, String> {
        let elements = objects.iter().fold(1u64, |product, length| product.saturating_mul(*length));
        let chain = match self.format {
            ZarrFormat::V2 => Chain::v2(&self.dtype, codecs, compressor.filter(|spec| !spec.is_null()), elements)?,
            ZarrFormat::V3 => Chain::v3(&self.dtype, codecs, objects)?,
        };
        let grid = Grid::new(self.shape.clone(), objects.to_vec()).ok_or("its chunks have a length of 0")?;
        Ok(Array { grid: Some(grid), chain: chain.into(), ..self.clone() })
    }

    /// As [`Array::at`], by the key of the object.
    pub fn at_key(&self, key: &str) -> Cow<'_, Array> {
        self.index_of(key).map_or(Cow::Borrowed(self), |index| self.at(&index))
    }

    /// The index of the object with key `key`; `None` if it is not a chunk of a known grid.
    pub fn index_of(&self, key: &str) -> Option<Vec<u64>> {
        match self.key_kind(key) {
            Key::Chunk(Some(number)) => Some(self.numbered()?.index(number)),
            _ => None,
        }
    }

    /// The kind of a key below the array. A chunk key counts only if the grid contains it. Below an array that is not
    /// understood, everything but its metadata is an object of it.
    pub fn key_kind(&self, key: &str) -> Key {
        let prefix = self.key_prefix();
        let relative = if prefix.is_empty() { key } else { key.get(prefix.len() + 1..).unwrap_or_default() };
        if matches!(relative, ".zarray" | ".zattrs" | "zarr.json") {
            return Key::Metadata;
        }
        let Some(grid) = self.numbered() else { return Key::Chunk(None) };
        match self.keys.parse(relative, self.shape.len()) {
            KeyKind::Chunk(index) if grid.contains(&index) => Key::Chunk(Some(grid.number(&index))),
            KeyKind::Chunk(_) => Key::OutsideGrid,
            KeyKind::WrongSeparator => Key::WrongSeparator,
            KeyKind::Other => Key::Stray,
        }
    }

    /// Shape of a chunk; with sharding, of an inner chunk, unless shards are encoded as a whole. On a rectilinear grid, the
    /// longest along each dimension.
    pub fn chunk_shape(&self) -> Option<&[u64]> {
        match self.chain.split_shards() {
            Some(sharding) => Some(&sharding.chunk_shape),
            None => self.grid.as_ref().map(Grid::chunk_shape),
        }
    }

    /// The grid of chunks; with sharding, of inner chunks, unless shards are encoded as a whole.
    pub fn chunk_grid(&self) -> Option<Cow<'_, Grid>> {
        match self.chain.split_shards() {
            Some(sharding) => Grid::new(self.shape.clone(), sharding.chunk_shape.clone()).map(Cow::Owned),
            None => self.grid.as_ref().map(Cow::Borrowed),
        }
    }

    /// Number of chunks; with sharding, of inner chunks.
    pub fn chunks(&self) -> Option<u64> {
        self.chunk_grid().map(|grid| grid.len())
    }

    /// Whether it is a scalar whose value means nothing: it exists for its attributes (CF grid mappings).
    pub fn is_container(&self) -> bool {
        const CONTAINERS: [&str; 3] = ["grid_mapping_name", "crs_wkt", "spatial_ref"];
        self.shape.is_empty() && CONTAINERS.iter().any(|name| self.attributes.contains_key(*name))
    }

    /// Bytes of the whole array, decoded.
    pub fn uncompressed_bytes(&self) -> Option<u64> {
        let elements = self.shape.iter().fold(1u64, |product, length| product.saturating_mul(*length));
        Some(elements.saturating_mul(self.itemsize?))
    }
}

/// Reads `.zarray` and `.zattrs`, if present.
///
/// # Errors
/// What is wrong with the metadata, in a sentence.
pub fn array_v2(path: &str, zarray: &[u8], zattrs: Option<&[u8]>) -> Result<Array, String> {
    let metadata = parse_object(".zarray", zarray)?;
    let attributes = zattrs.map_or_else(|| Ok(Map::new()), |text| parse_object(".zattrs", text))?;
    check_format(&metadata, 2)?;
    let shape = lengths(&metadata, "shape")?;
    let grid = Grid::new(shape.clone(), lengths(&metadata, "chunks")?)
        .ok_or("\"chunks\" does not fit \"shape\", or has a chunk length of 0")?;
    let dtype = metadata.get("dtype").cloned().ok_or("has no \"dtype\"")?;
    let present = |key: &str| metadata.get(key).filter(|value| !value.is_null());
    let filters = match present("filters") {
        None => Vec::new(),
        Some(Value::Array(filters)) => filters.clone(),
        Some(other) => return Err(format!("\"filters\" is {other}, not a list")),
    };
    let separator = match present("dimension_separator") {
        None => '.',
        Some(value) => separator(value)?,
    };
    let chain = Chain::v2(&dtype, &filters, present("compressor"), grid.chunk_elements())?.into();
    Ok(Array {
        path: path.to_owned(),
        format: ZarrFormat::V2,
        shape,
        grid: Some(grid),
        keys: ChunkKeys { prefixed: false, separator },
        dimension_names: attributes
            .get("_ARRAY_DIMENSIONS")
            .and_then(names)
            .or_else(|| nczarr_names(&metadata))
            .or_else(|| nczarr_names(&attributes)),
        itemsize: crate::dtype::itemsize_v2(&dtype),
        dtype,
        fill_value: metadata.get("fill_value").cloned().unwrap_or_default(),
        order: present("order").and_then(Value::as_str).map(str::to_owned),
        chain,
        attributes,
        not_understood: None,
        fetched: None,
    })
}

/// Reads `.zgroup` and `.zattrs`, if present.
///
/// # Errors
/// What is wrong with the metadata, in a sentence.
pub fn group_v2(path: &str, zgroup: &[u8], zattrs: Option<&[u8]>) -> Result<Group, String> {
    check_format(&parse_object(".zgroup", zgroup)?, 2)?;
    let attributes = zattrs.map_or_else(|| Ok(Map::new()), |text| parse_object(".zattrs", text))?;
    Ok(Group { path: path.to_owned(), format: ZarrFormat::V2, attributes, not_understood: None })
}

pub(crate) fn parse_object(name: &str, text: &[u8]) -> Result<Map<String, Value>, String> {
    match json::parse(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(format!("{name} is not a JSON object")),
        Err(error) => Err(format!("{name} is not JSON: {error}")),
    }
}

pub(crate) fn check_format(metadata: &Map<String, Value>, format: u64) -> Result<(), String> {
    match metadata.get("zarr_format") {
        Some(found) if found.as_u64() == Some(format) => Ok(()),
        Some(found) => Err(format!("\"zarr_format\" is {found} where {format} belongs")),
        None => Err("has no \"zarr_format\"".into()),
    }
}

pub(crate) fn lengths(metadata: &Map<String, Value>, key: &str) -> Result<Vec<u64>, String> {
    let value = metadata.get(key).ok_or_else(|| format!("has no {key:?}"))?;
    value
        .as_array()
        .and_then(|lengths| lengths.iter().map(Value::as_u64).collect())
        .ok_or_else(|| format!("{key:?} is {value}, not a list of non-negative integers"))
}

pub(crate) fn separator(value: &Value) -> Result<char, String> {
    match value.as_str() {
        Some(".") => Ok('.'),
        Some("/") => Ok('/'),
        _ => Err(format!("separator {value} is neither \".\" nor \"/\"")),
    }
}

pub(crate) fn names(value: &Value) -> Option<Vec<Option<String>>> {
    Some(value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect())
}

/// Dimension names as netCDF-C writes them: paths of shared dimensions, in a member of `.zarray` or an attribute.
pub(crate) fn nczarr_names(members: &Map<String, Value>) -> Option<Vec<Option<String>>> {
    let own = ["_NCZARR_ARRAY", "_nczarr_array"].iter().find_map(|key| members.get(*key))?;
    dimension_references(own)
}

/// The names in the `dimrefs` (since netCDF-C 4.9.3 `dimension_references`) of an NCZarr array.
fn dimension_references(own: &Value) -> Option<Vec<Option<String>>> {
    let paths = names(own.get("dimrefs").or_else(|| own.get("dimension_references"))?)?;
    let last = |path: String| path.rsplit('/').next().map(str::to_owned).filter(|name| !name.is_empty());
    Some(paths.into_iter().map(|path| path.and_then(last)).collect())
}

impl Array {
    /// Dimension names in one spelling, to be compared: an array without dimensions has no names to lack (xarray writes an empty
    /// list in v2, and nothing in v3), and names of which none is set are not there.
    pub fn named_dimensions(&self) -> Option<Vec<Option<String>>> {
        match self.shape.is_empty() {
            true => Some(Vec::new()),
            false => self.dimension_names.clone().filter(|names| names.iter().any(Option::is_some)),
        }
    }

    /// Takes dimension names from `.nczarray`, the document of netCDF-C 4.8.0, if there are none yet.
    pub(crate) fn complete_from_nczarray(&mut self, text: &[u8]) {
        if let Ok(Value::Object(own)) = json::parse(text) {
            self.dimension_names = dimension_references(&Value::Object(own));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZARRAY: &str = r#"{"shape": [10, 4], "chunks": [5, 4], "dtype": "<f4", "fill_value": NaN, "order": "C",
        "filters": null, "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
        "zarr_format": 2}"#;

    #[test]
    fn reads_a_v2_array() {
        let array =
            array_v2("/t2m", ZARRAY.as_bytes(), Some(br#"{"_ARRAY_DIMENSIONS": ["time", "x"]}"#)).expect("an array");
        assert_eq!(array.chunks(), Some(2));
        assert_eq!(array.chain.chunk_bytes, Some(80));
        assert_eq!(array.dimension_names, Some(vec![Some("time".into()), Some("x".into())]));
        assert_eq!(array.fill_value, "NaN");
        assert_eq!(array.key("0.0"), "t2m/0.0");
    }

    #[test]
    fn dimension_names_of_netcdf_c() {
        let names = |array: Array| array.dimension_names;
        let expected = Some(vec![Some("time".to_owned()), Some("x".to_owned())]);
        let member = r#""_NCZARR_ARRAY": {"dimrefs": ["/time", "/deep/er/x"], "storage": "chunked"}, "zarr_format""#;
        let text = ZARRAY.replace("\"zarr_format\"", member);
        assert_eq!(names(array_v2("/t2m", text.as_bytes(), None).expect("an array")), expected);
        let attribute = br#"{"_nczarr_array": {"dimension_references": ["/time", "/x"], "storage": "chunked"}}"#;
        assert_eq!(names(array_v2("/t2m", ZARRAY.as_bytes(), Some(attribute)).expect("an array")), expected);
        let xarray = br#"{"_ARRAY_DIMENSIONS": ["a", "b"]}"#;
        let both = names(array_v2("/t2m", text.as_bytes(), Some(xarray)).expect("an array"));
        assert_eq!(both, Some(vec![Some("a".to_owned()), Some("b".to_owned())]), "xarray's come first");
        let mut array = array_v2("/t2m", ZARRAY.as_bytes(), None).expect("an array");
        array.complete_from_nczarray(br#"{"dimrefs": ["/time", "/x"], "storage": "chunked"}"#);
        assert_eq!(names(array), expected);
    }

    /// xarray writes an empty list for a scalar in v2, and no names in v3; `null` for each dimension says no more than no list.
    #[test]
    fn names_that_mean_the_same_are_equal() {
        let scalar = ZARRAY.replace("[10, 4]", "[]").replace("[5, 4]", "[]");
        let v3 = |rank: usize, more: &str| {
            let lengths = vec![4; rank];
            let text = format!(
                r#"{{"zarr_format": 3, "node_type": "array", "shape": {lengths:?}, "data_type": "int16", "fill_value": 0,
                "chunk_grid": {{"name": "regular", "configuration": {{"chunk_shape": {lengths:?}}}}},
                "chunk_key_encoding": {{"name": "default"}}, "codecs": [{{"name": "bytes"}}]{more}}}"#
            );
            match crate::node_v3::node_v3("/t2m", text.as_bytes()).expect("an array") {
                Node::Array(array) => array.named_dimensions(),
                Node::Group(_) => panic!("an array"),
            }
        };
        let v2 = |text: &str, attributes: Option<&[u8]>| {
            array_v2("/t2m", text.as_bytes(), attributes).expect("an array").named_dimensions()
        };
        let list = br#"{"_ARRAY_DIMENSIONS": []}"#;
        for names in [v2(&scalar, Some(list)), v2(&scalar, None), v3(0, ""), v3(0, r#", "dimension_names": []"#)] {
            assert_eq!(names, Some(vec![]));
        }
        for names in [v2(ZARRAY, None), v3(2, ""), v3(2, r#", "dimension_names": [null, null]"#)] {
            assert_eq!(names, None);
        }
        assert_eq!(v3(2, r#", "dimension_names": [null, "x"]"#), Some(vec![None, Some("x".into())]));
    }

    #[test]
    fn keys_are_told_apart() {
        let array = array_v2("/a/t2m", ZARRAY.as_bytes(), None).expect("an array");
        for (key, kind) in [
            ("a/t2m/1.0", Key::Chunk(Some(1))),
            ("a/t2m/2.0", Key::OutsideGrid),
            ("a/t2m/1/0", Key::WrongSeparator),
            ("a/t2m/.zarray", Key::Metadata),
            ("a/t2m/.zattrs", Key::Metadata),
            ("a/t2m/.1.0.tmp-host-1-0", Key::Stray),
            ("a/t2m/notes.txt", Key::Stray),
            ("a/t2m/below/.zarray", Key::Stray),
        ] {
            assert_eq!(array.key_kind(key), kind, "{key}");
        }
        let top = Array { path: "/".into(), not_understood: Some("reason".into()), ..array };
        assert_eq!(top.key_kind("manifest/7"), Key::Chunk(None), "whatever it is");
        assert_eq!(top.key_kind(".zarray"), Key::Metadata);
    }

    #[test]
    fn says_what_is_wrong() {
        for (from, to, word) in [
            ("\"chunks\": [5, 4]", "\"chunk\": 1", "\"chunks\""),
            ("[10, 4]", "[-10, 4]", "\"shape\""),
            ("[10, 4]", "\"ten\"", "\"shape\""),
            ("[5, 4]", "[0, 4]", "length of 0"),
            ("[5, 4]", "[5]", "does not fit"),
            ("\"zarr_format\": 2", "\"zarr_format\": 3", "zarr_format"),
            ("\"zarr_format\": 2}", "", "not JSON"),
            ("\"filters\": null", "\"filters\": 3", "filters"),
        ] {
            let error = array_v2("/", ZARRAY.replace(from, to).as_bytes(), None).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
    }
}
