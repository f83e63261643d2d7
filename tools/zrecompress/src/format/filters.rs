//! Filters that work on elements: in v2 the first of `filters`, in v3 the array-to-array codecs `numcodecs.*` of zarr-python 3.
//!
//! v2 hands bytes from filter to filter, and each interprets them by its own configuration. v3 hands on arrays, and what each
//! filter makes has to be what the next one expects: a chain without that property has no meaning in v3.

use serde_json::{Map, Value, json};

use super::dtype::{ByteOrder, DType, Element};
use super::error::{FormatError, invalid, unsupported};

/// Ids, with the members that name the types before and after the filter, if it has them.
const FILTERS: [(&str, Option<(&str, &str)>); 6] = [
    ("delta", Some(("dtype", "astype"))),
    ("fixedscaleoffset", Some(("dtype", "astype"))),
    ("quantize", Some(("dtype", "astype"))),
    ("astype", Some(("decode_dtype", "encode_dtype"))),
    ("bitround", None),
    ("packbits", None),
];

/// Whether a codec of numcodecs works on elements.
pub fn is_filter(id: &str) -> bool {
    FILTERS.iter().any(|(filter, _)| *filter == id)
}

/// The v3 array-to-array codecs that do what `filters` do to the elements of an `array`, and the elements that they make.
///
/// # Errors
/// A filter interprets bytes as another type, or zarr-python 3 would read what it stores otherwise.
pub fn to_v3(filters: &[Value], array: &Element) -> Result<(Vec<Value>, Element), FormatError> {
    let mut element = array.clone();
    let mut codecs = Vec::new();
    for config in filters {
        let step = Step::of(config["id"].as_str(), config, &element, codecs.is_empty(), None)?;
        // The array is in the machine's byte order in v3, and a filter takes it as it is: only a filter that names that
        // order encodes what is written later in the same way as what is stored.
        let order = if codecs.is_empty() { ByteOrder::Little } else { step.before.1 };
        // v3 has no byte order mark on types of one byte: NumPy reads both, zarrs only this.
        let bare = |numpy: String| numpy.trim_start_matches('|').to_owned();
        let (before, after) = (bare(step.before.0.to_numpy(order)), bare(step.after.0.to_numpy(step.after.1)));
        element = step.after.clone();
        codecs.push(
            json!({"name": format!("numcodecs.{}", step.id), "configuration": step.configuration(before, after)}),
        );
    }
    // zarr-python 3 looks at the type of the array to see whether the `bytes` codec needs a byte order, not at what the
    // filters make of it: without one it cannot read, say, an `int8` stored as `int16`.
    match element.0.has_byte_order() && !array.0.has_byte_order() {
        true => Err(unsupported(format!(
            "filters convert {1} to {0}, and zarr-python 3 loses the byte order if the array has none",
            numpy(&element),
            numpy(array)
        ))),
        false => Ok((codecs, element)),
    }
}

/// The v2 filters that do what array-to-array `codecs` do to the elements of an `array`. All types get the byte order of the
/// array, which is the one that the `bytes` codec stores.
///
/// # Errors
/// numcodecs has no such codec.
pub fn to_v2(codecs: &[(&str, &Value)], array: &Element) -> Result<Vec<Value>, FormatError> {
    let mut element = array.clone();
    let mut filters = Vec::new();
    for (name, configuration) in codecs {
        let id = name.strip_prefix("numcodecs.").filter(|id| is_filter(id));
        let id = id.ok_or_else(|| unsupported(format!("codec {name:?} has no equivalent filter in Zarr v2")))?;
        let step = Step::of(Some(id), configuration, &element, filters.is_empty(), Some(array.1))?;
        element = step.after.clone();
        let mut filter = Map::from_iter([("id".to_owned(), json!(id))]);
        filter.extend(step.configuration(numpy(&step.before), numpy(&step.after)));
        filters.push(Value::Object(filter));
    }
    Ok(filters)
}

/// One filter of a chain.
struct Step {
    id: &'static str,
    types: Option<(&'static str, &'static str)>,
    /// The configuration without `id`.
    config: Map<String, Value>,
    before: Element,
    after: Element,
}

impl Step {
    /// The filter `id` on `given` elements; with `order`, all types are in this byte order.
    fn of(
        id: Option<&str>,
        config: &Value,
        given: &Element,
        first: bool,
        order: Option<ByteOrder>,
    ) -> Result<Step, FormatError> {
        let found = FILTERS.iter().find(|(filter, _)| Some(*filter) == id);
        let (id, types) = *found.ok_or_else(|| {
            unsupported(format!("filter {} has no equivalent codec in Zarr v3", id.unwrap_or("without an id")))
        })?;
        let mut config = config.as_object().cloned().unwrap_or_default();
        config.shift_remove("id");
        let Some((decoded, encoded)) = types else {
            let after = match (id, &given.0) {
                ("packbits", DType::Bool) => (DType::UInt(1), given.1),
                ("bitround", DType::Float(_)) => given.clone(),
                _ => return Err(unsupported(format!("filter {id} does not support {}", numpy(given)))),
            };
            return Ok(Step { id, types, config, before: given.clone(), after });
        };
        let ordered = |(dtype, own): Element| (dtype, order.unwrap_or(own));
        let before = named(&config, decoded)?.map_or_else(|| given.clone(), ordered);
        let after = named(&config, encoded)?.map_or_else(|| before.clone(), ordered);
        if !follows(&before, given, first) {
            return Err(unsupported(format!(
                "filter {id} reinterprets {} as {}, for which Zarr v3 has no codec",
                numpy(given),
                numpy(&before)
            )));
        }
        if id == "quantize" && before.0 != after.0 {
            return Err(unsupported(format!(
                "filter quantize stores {}, but the Zarr v3 codec does not pass this data type on to later codecs",
                numpy(&after)
            )));
        }
        Ok(Step { id, types, config, before, after })
    }

    /// The configuration with the types by these names.
    fn configuration(&self, before: String, after: String) -> Map<String, Value> {
        let mut config = self.config.clone();
        if let Some((decoded, encoded)) = self.types {
            config.insert(decoded.into(), json!(before));
            config.insert(encoded.into(), json!(after));
        }
        config
    }
}

fn numpy((dtype, order): &Element) -> String {
    dtype.to_numpy(*order)
}

/// The type that a member names.
fn named(config: &Map<String, Value>, member: &str) -> Result<Option<Element>, FormatError> {
    match config.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => DType::from_numpy(text).map(Some),
        Some(other) => Err(invalid(format!("{member:?} of a filter is {other}, which is not a data type"))),
    }
}

/// Whether a filter gets the type that it names. Times are counts: the first filter may take them as such.
fn follows(expected: &Element, given: &Element, first: bool) -> bool {
    let is_count =
        first && matches!((&expected.0, &given.0), (DType::Int(8), DType::Datetime(_) | DType::Timedelta(_)));
    let ordered = expected.1 == given.1 || !expected.0.has_byte_order();
    (expected.0 == given.0 || is_count) && ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(text: &str) -> Element {
        DType::from_numpy(text).expect(text)
    }

    fn v3(filters: Value, array: &str) -> Result<(Vec<Value>, Element), FormatError> {
        to_v3(filters.as_array().expect("a list"), &element(array))
    }

    fn back(codecs: &[Value], array: &str) -> Result<Vec<Value>, FormatError> {
        let pairs: Vec<(&str, &Value)> =
            codecs.iter().map(|codec| (codec["name"].as_str().expect("a name"), &codec["configuration"])).collect();
        to_v2(&pairs, &element(array))
    }

    #[test]
    fn each_filter_and_back() {
        for (array, filter, stored) in [
            ("<i4", json!({"id": "delta", "dtype": "<i4", "astype": "<i2"}), "<i2"),
            ("|u1", json!({"id": "delta", "dtype": "|u1", "astype": "|u1"}), "|u1"),
            (
                "<f8",
                json!({"id": "fixedscaleoffset", "scale": 10, "offset": 1.5, "dtype": "<f8", "astype": "<i2"}),
                "<i2",
            ),
            ("<f4", json!({"id": "quantize", "digits": 3, "dtype": "<f4", "astype": "<f4"}), "<f4"),
            ("<f4", json!({"id": "bitround", "keepbits": 7}), "<f4"),
            ("|b1", json!({"id": "packbits"}), "|u1"),
            ("<i8", json!({"id": "astype", "encode_dtype": "<i4", "decode_dtype": "<i8"}), "<i4"),
        ] {
            let (codecs, made) = v3(json!([filter]), array).expect("both have it");
            assert_eq!((codecs.len(), &made), (1, &element(stored)));
            assert_eq!(codecs[0]["name"], format!("numcodecs.{}", filter["id"].as_str().expect("an id")));
            assert_eq!(back(&codecs, array).expect("both have it"), vec![filter]);
        }
    }

    #[test]
    fn what_is_stored_keeps_its_byte_order_and_the_array_gets_the_machines() {
        let (codecs, stored) = v3(json!([{"id": "delta", "dtype": ">i4"}]), ">i4").expect("both have it");
        assert_eq!(codecs[0]["configuration"], json!({"dtype": "<i4", "astype": ">i4"}));
        assert_eq!(stored, element(">i4"));
        let filters = back(&codecs, ">i4").expect("both have it");
        assert_eq!(filters, [json!({"id": "delta", "dtype": ">i4", "astype": ">i4"})]);
    }

    #[test]
    fn single_bytes_have_no_order() {
        let (codecs, _) = v3(json!([{"id": "delta", "dtype": "|u1"}]), "|u1").expect("both have it");
        assert_eq!(codecs[0]["configuration"], json!({"dtype": "u1", "astype": "u1"}));
    }

    #[test]
    fn chains_hand_on_what_they_make() {
        let filters = json!([
            {"id": "fixedscaleoffset", "scale": 10, "offset": 0, "dtype": "<f8", "astype": "<i4"},
            {"id": "delta", "dtype": "<i4", "astype": "<i2"}
        ]);
        let (codecs, stored) = v3(filters.clone(), "<f8").expect("both have it");
        assert_eq!(stored, element("<i2"));
        assert_eq!(back(&codecs, "<f8").expect("both have it"), *filters.as_array().expect("a list"));
    }

    #[test]
    fn times_may_be_taken_as_counts() {
        let filters = json!([{"id": "delta", "dtype": "<i8", "astype": "<i8"}]);
        let (codecs, _) = v3(filters.clone(), "<M8[ns]").expect("both have it");
        assert_eq!(back(&codecs, "<M8[ns]").expect("both have it"), *filters.as_array().expect("a list"));
        assert!(v3(filters, ">M8[ns]").expect_err("bytes swapped").to_string().contains("reinterprets >M8[ns] as <i8"));
    }

    #[test]
    fn types_are_named_as_other_writers_do() {
        let codecs = [json!({"name": "numcodecs.delta", "configuration": {"dtype": "uint32"}})];
        let filters = back(&codecs, "<u4").expect("both have it");
        assert_eq!(filters, [json!({"id": "delta", "dtype": "<u4", "astype": "<u4"})]);
        let codecs = [json!({"name": "numcodecs.fixedscaleoffset", "configuration": {"scale": 2, "offset": 0}})];
        let filters = back(&codecs, ">f4").expect("both have it");
        assert_eq!(filters[0]["dtype"], ">f4");
    }

    #[test]
    fn what_v3_would_read_otherwise_is_refused() {
        for (array, filter, word) in [
            ("<i4", json!({"id": "delta", "dtype": "<i8"}), "reinterprets <i4 as <i8"),
            ("<i4", json!({"id": "delta", "dtype": ">i4"}), "reinterprets <i4 as >i4"),
            (
                "<f4",
                json!({"id": "quantize", "digits": 2, "dtype": "<f4", "astype": "<f2"}),
                "does not pass this data type",
            ),
            ("|i1", json!({"id": "delta", "dtype": "|i1", "astype": "<i2"}), "loses the byte order"),
            ("<i4", json!({"id": "bitround", "keepbits": 3}), "does not support <i4"),
            ("|u1", json!({"id": "packbits"}), "does not support |u1"),
            ("<f4", json!({"id": "astype", "encode_dtype": 5}), "not a data type"),
            ("<f4", json!({"id": "categorize"}), "categorize has no equivalent codec"),
            ("<f4", json!({}), "without an id"),
        ] {
            let error = v3(json!([filter]), array).expect_err(word);
            assert!(error.to_string().contains(word), "{error}");
        }
        let codec = [json!({"name": "cast_value", "configuration": {}})];
        assert!(back(&codec, "<f4").expect_err("unknown").to_string().contains("\"cast_value\""));
    }
}
