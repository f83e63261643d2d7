//! Filters that work on elements: in v2 the first of `filters`, in v3 the array-to-array codecs `numcodecs.*` of zarr-python 3.
//!
//! v2 hands bytes from filter to filter, and each takes them for what its own configuration says. v3 hands on arrays, and what
//! each filter makes has to be what the one before it expects: a chain for which that does not hold has no meaning in v3.

use serde_json::{Map, Value, json};

use super::dtype::{ByteOrder, DType};

/// What elements are at one point of a chain.
pub type Element = (DType, ByteOrder);

/// A filter, with the members that name the types before and after it; nothing where the filter does not name them.
struct Filter {
    id: &'static str,
    types: Option<(&'static str, &'static str)>,
}

const FILTERS: [Filter; 6] = [
    Filter { id: "delta", types: Some(("dtype", "astype")) },
    Filter { id: "fixedscaleoffset", types: Some(("dtype", "astype")) },
    Filter { id: "quantize", types: Some(("dtype", "astype")) },
    Filter { id: "astype", types: Some(("decode_dtype", "encode_dtype")) },
    Filter { id: "bitround", types: None },
    Filter { id: "packbits", types: None },
];

/// Whether a codec of numcodecs works on elements.
pub fn is_filter(id: &str) -> bool {
    FILTERS.iter().any(|filter| filter.id == id)
}

/// The array-to-array codecs of v3 that do what `filters` do to the elements of an `array`, and what they make of them.
///
/// # Errors
/// A filter that takes bytes for another type than they are, or that zarr-python 3 would read otherwise.
pub fn to_v3(filters: &[Value], array: &Element) -> Result<(Vec<Value>, Element), String> {
    let mut element = array.clone();
    let mut codecs = Vec::new();
    for config in filters {
        let (filter, mut config) = understood(config["id"].as_str(), config.as_object())?;
        let (before, after) = applied(filter, &config, &element, codecs.is_empty(), None)?;
        // The array is in the machine's order in v3, and a filter takes it as it is: only a filter that says so
        // encodes what is written later as it decodes what is stored.
        let order = if codecs.is_empty() { ByteOrder::Little } else { before.1 };
        name_types(filter, &mut config, bare(before.0.to_numpy(order)), bare(after.0.to_numpy(after.1)));
        codecs.push(json!({"name": format!("numcodecs.{}", filter.id), "configuration": config}));
        element = after;
    }
    keeps_byte_order(array, &element)?;
    Ok((codecs, element))
}

/// The filters of v2 that do what array-to-array `codecs` do to the elements of an `array`, and what they make of them.
/// All types are given the byte order of the array, which is the one that the `bytes` codec stores.
///
/// # Errors
/// A codec that numcodecs does not have.
pub fn to_v2(codecs: &[(&str, &Value)], array: &Element) -> Result<(Vec<Value>, Element), String> {
    let mut element = array.clone();
    let mut filters = Vec::new();
    for (name, configuration) in codecs {
        let (filter, config) = understood(name.strip_prefix("numcodecs."), configuration.as_object())
            .map_err(|_| format!("codec {name:?} has no counterpart among the filters of Zarr v2"))?;
        let (before, after) = applied(filter, &config, &element, filters.is_empty(), Some(array.1))?;
        let mut spelled = Map::from_iter([("id".to_owned(), json!(filter.id))]);
        spelled.extend(config);
        name_types(filter, &mut spelled, before.0.to_numpy(before.1), after.0.to_numpy(after.1));
        filters.push(Value::Object(spelled));
        element = after;
    }
    Ok((filters, element))
}

/// What a filter takes and what it makes of it, all in one byte `order` where there is one to hold for all.
fn applied(
    filter: &Filter,
    config: &Map<String, Value>,
    given: &Element,
    first: bool,
    order: Option<ByteOrder>,
) -> Result<(Element, Element), String> {
    let Some((decoded, encoded)) = filter.types else {
        return Ok((given.clone(), encoded_by(filter.id, given.clone())?));
    };
    let ordered = |(dtype, own): Element| (dtype, order.unwrap_or(own));
    let before = named(config, decoded)?.map_or_else(|| given.clone(), ordered);
    let after = named(config, encoded)?.map_or_else(|| before.clone(), ordered);
    if !follows(&before, given, first) {
        return Err(reinterprets(filter.id, &before, given));
    }
    checked(filter.id, &before, after).map(|after| (before, after))
}

/// Puts the types into the members that name them, where the filter has such.
fn name_types(filter: &Filter, config: &mut Map<String, Value>, before: String, after: String) {
    if let Some((decoded, encoded)) = filter.types {
        config.insert(decoded.into(), json!(before));
        config.insert(encoded.into(), json!(after));
    }
}

/// The filter that a configuration is of, and the configuration without its `id`.
fn understood(
    id: Option<&str>,
    config: Option<&Map<String, Value>>,
) -> Result<(&'static Filter, Map<String, Value>), String> {
    let found = id.and_then(|id| FILTERS.iter().find(|filter| filter.id == id));
    let filter = found.ok_or_else(|| format!("filter {} has no codec in Zarr v3", id.unwrap_or("without an id")))?;
    let mut config = config.cloned().unwrap_or_default();
    config.shift_remove("id");
    Ok((filter, config))
}

/// The type that a member names.
fn named(config: &Map<String, Value>, member: &str) -> Result<Option<Element>, String> {
    match config.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => DType::from_numpy(text).map(Some),
        Some(other) => Err(format!("a filter has {member:?} {other}, which is no type")),
    }
}

/// A type of one byte goes without a mark for its order in v3: NumPy reads either, zarrs this one only.
fn bare(numpy: String) -> String {
    numpy.trim_start_matches('|').to_owned()
}

/// Whether a filter gets the type it names. Times are counts: the first filter may take them as such.
fn follows(expected: &Element, given: &Element, first: bool) -> bool {
    let is_count =
        first && matches!((&expected.0, &given.0), (DType::Int(8), DType::Datetime(_) | DType::Timedelta(_)));
    let ordered = expected.1 == given.1 || !expected.0.has_byte_order();
    (expected.0 == given.0 || is_count) && ordered
}

fn reinterprets(id: &str, expected: &Element, given: &Element) -> String {
    let (expected, given) = (expected.0.to_numpy(expected.1), given.0.to_numpy(given.1));
    format!("filter {id} takes {given} for {expected}: Zarr v2 reads the bytes anew, and Zarr v3 has no codec for that")
}

/// What a filter makes, where zarr-python 3 knows that it does.
fn checked(id: &str, before: &Element, after: Element) -> Result<Element, String> {
    match id == "quantize" && before.0 != after.0 {
        true => Err(format!(
            "filter quantize stores {}, and the codec of Zarr v3 does not say so to the ones after it",
            after.0.to_numpy(after.1)
        )),
        false => Ok(after),
    }
}

/// What the filters make that name no types.
fn encoded_by(id: &str, element: Element) -> Result<Element, String> {
    match (id, &element.0) {
        ("packbits", DType::Bool) => Ok((DType::UInt(1), element.1)),
        ("bitround", DType::Float(_)) => Ok(element),
        _ => Err(format!("filter {id} is not made for {}", element.0.to_numpy(element.1))),
    }
}

/// zarr-python 3 looks at the type of the array to see whether the `bytes` codec needs a byte order, not at what the filters
/// make of it: without one it cannot read, say, an `int8` stored as `int16`.
fn keeps_byte_order(array: &Element, stored: &Element) -> Result<(), String> {
    match stored.0.has_byte_order() && !array.0.has_byte_order() {
        true => Err(format!(
            "filters make {} of {}, and zarr-python 3 forgets the byte order of what it reads where the array has none",
            stored.0.to_numpy(stored.1),
            array.0.to_numpy(array.1)
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(text: &str) -> Element {
        DType::from_numpy(text).expect(text)
    }

    fn v3(filters: Value, array: &str) -> Result<(Vec<Value>, Element), String> {
        to_v3(filters.as_array().expect("a list"), &element(array))
    }

    fn back(codecs: &[Value], array: &str) -> Result<(Vec<Value>, Element), String> {
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
            assert_eq!(back(&codecs, array).expect("both have it"), (vec![filter], made));
        }
    }

    #[test]
    fn what_is_stored_keeps_its_byte_order_and_the_array_gets_the_machines() {
        let (codecs, stored) = v3(json!([{"id": "delta", "dtype": ">i4"}]), ">i4").expect("both have it");
        assert_eq!(codecs[0]["configuration"], json!({"dtype": "<i4", "astype": ">i4"}));
        assert_eq!(stored, element(">i4"));
        let (filters, _) = back(&codecs, ">i4").expect("both have it");
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
        assert_eq!(back(&codecs, "<f8").expect("both have it").0, *filters.as_array().expect("a list"));
    }

    #[test]
    fn times_may_be_taken_as_counts() {
        let filters = json!([{"id": "delta", "dtype": "<i8", "astype": "<i8"}]);
        let (codecs, _) = v3(filters.clone(), "<M8[ns]").expect("both have it");
        assert_eq!(back(&codecs, "<M8[ns]").expect("both have it").0, *filters.as_array().expect("a list"));
        assert!(v3(filters, ">M8[ns]").expect_err("bytes swapped").contains("takes >M8[ns] for <i8"));
    }

    #[test]
    fn types_are_named_as_other_writers_do() {
        let codecs = [json!({"name": "numcodecs.delta", "configuration": {"dtype": "uint32"}})];
        let (filters, _) = back(&codecs, "<u4").expect("both have it");
        assert_eq!(filters, [json!({"id": "delta", "dtype": "<u4", "astype": "<u4"})]);
        let codecs = [json!({"name": "numcodecs.fixedscaleoffset", "configuration": {"scale": 2, "offset": 0}})];
        let (filters, _) = back(&codecs, ">f4").expect("both have it");
        assert_eq!(filters[0]["dtype"], ">f4");
    }

    #[test]
    fn what_v3_would_read_otherwise_is_refused() {
        for (array, filter, word) in [
            ("<i4", json!({"id": "delta", "dtype": "<i8"}), "takes <i4 for <i8"),
            ("<i4", json!({"id": "delta", "dtype": ">i4"}), "takes <i4 for >i4"),
            ("<f4", json!({"id": "quantize", "digits": 2, "dtype": "<f4", "astype": "<f2"}), "does not say so"),
            ("|i1", json!({"id": "delta", "dtype": "|i1", "astype": "<i2"}), "forgets the byte order"),
            ("<i4", json!({"id": "bitround", "keepbits": 3}), "not made for <i4"),
            ("|u1", json!({"id": "packbits"}), "not made for |u1"),
            ("<f4", json!({"id": "astype", "encode_dtype": 5}), "no type"),
            ("<f4", json!({"id": "categorize"}), "categorize has no codec"),
            ("<f4", json!({}), "without an id"),
        ] {
            let error = v3(json!([filter]), array).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
        let codec = [json!({"name": "cast_value", "configuration": {}})];
        assert!(back(&codec, "<f4").expect_err("unknown").contains("\"cast_value\""));
    }
}
