//! Compares the metadata of two arrays, as far as readers see it: shape, data type, dimension names, fill value, attributes.

use serde_json::{Map, Value};
use zarray::{Array, fill_element};

use crate::finding::Finding;
use crate::kinds::Kind;
use zvalue::ValueType;
use zvalue::{Tolerance, compare};

/// Attributes that a finding names.
const NAMED: usize = 5;

/// What differs between our array and theirs, the expected one.
pub fn differences(ours: &Array, theirs: &Array) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut differs = |kind, found: String, expected: String| {
        findings.push(Finding::of(kind, ours, found).expected(expected));
    };
    if ours.shape != theirs.shape {
        differs(Kind::ShapeDiffers, format!("{:?}", ours.shape), format!("{:?}", theirs.shape));
    }
    let types = [ours, theirs].map(ValueType::name_of);
    if types[0] != types[1] {
        let [found, expected] = types;
        differs(Kind::DtypeDiffers, found, expected);
    }
    let names = [ours, theirs].map(dimension_names);
    if names[0] != names[1] {
        let [found, expected] = names;
        differs(Kind::DimensionNamesDiffer, found, expected);
    }
    if !same_fill(ours, theirs) {
        differs(Kind::FillValueDiffers, ours.fill_value.to_string(), theirs.fill_value.to_string());
    }
    // xarray spells a fill value in the attributes of Zarr v3, and in the metadata of v2.
    let is_kept = |name: &str| name != "_ARRAY_DIMENSIONS" && (ours.format == theirs.format || name != "_FillValue");
    if let Some((found, expected)) = attributes(&ours.attributes, &theirs.attributes, is_kept) {
        differs(Kind::AttributesDiffer, found, expected);
    }
    findings
}

/// What differs in the attributes of a node that both stores have: found and expected.
pub fn attributes(
    ours: &Map<String, Value>,
    theirs: &Map<String, Value>,
    is_kept: impl Fn(&str) -> bool,
) -> Option<(String, String)> {
    let mut names: Vec<&String> = ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))).collect();
    names.retain(|name| is_kept(name) && !same(ours.get(*name), theirs.get(*name)));
    if names.is_empty() {
        return None;
    }
    let list = |of: &Map<String, Value>| {
        let one = |name: &&String| match of.get(*name) {
            Some(value) => format!("{name}={}", shortened(value)),
            None => format!("no {name}"),
        };
        let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
        format!("{}{more}", names.iter().take(NAMED).map(one).collect::<Vec<_>>().join(", "))
    };
    Some((list(ours), list(theirs)))
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether two values of JSON are equal, numbers by value: 1 and 1.0 are.
fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => {
            a == b || (a.is_f64() != b.is_f64() && a.as_f64() == b.as_f64())
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Some(a), Some(b)))
        }
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.len() == b.len() && a.iter().all(|(name, value)| same(Some(value), b.get(name)))
        }
        (a, b) => a == b,
    }
}

fn dimension_names(array: &Array) -> String {
    match array.named_dimensions() {
        Some(names) => {
            let names: Vec<&str> = names.iter().map(|name| name.as_deref().unwrap_or("null")).collect();
            format!("[{}]", names.join(", "))
        }
        None => "none".to_owned(),
    }
}

/// Whether missing chunks of both read as the same value; of two data types, the spelling decides.
fn same_fill(ours: &Array, theirs: &Array) -> bool {
    let values = |array: &Array| {
        let value = ValueType::of(array).ok()?;
        let fill = fill_element(array).ok()?;
        let bytes = value.values(&fill).into_owned();
        Some((value, bytes))
    };
    match (values(ours), values(theirs)) {
        (Some((one, a)), Some((other, b))) if one.name == other.name => {
            a == b
                || (a.len() == b.len()
                    && compare(one.class, one.size, &a, &b, Tolerance::default()).differing == 0
                    && one.size > 0)
        }
        _ => same(Some(&ours.fill_value), Some(&theirs.fill_value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn attributes_are_compared_by_value() {
        let all = |_: &str| true;
        let one = object(json!({"a": 1, "b": [1, 2.0], "c": {"x": "y"}}));
        let same = object(json!({"c": {"x": "y"}, "b": [1.0, 2], "a": 1.0}));
        assert_eq!(attributes(&one, &same, all), None);
        let other = object(json!({"a": 2, "c": {"x": "y"}, "d": null}));
        let (found, expected) = attributes(&one, &other, all).expect("differs");
        assert_eq!((found.as_str(), expected.as_str()), ("a=1, b=[1,2.0], no d", "a=2, no b, d=null"));
        assert_eq!(attributes(&one, &other, |name| name == "c"), None);
        // Large integers are not compared as floating-point numbers.
        let large = |last: u64| object(json!({"a": 9_007_199_254_740_992u64 + last}));
        assert!(attributes(&large(0), &large(1), all).is_some());
    }
}
