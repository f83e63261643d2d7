//! Numbers in attributes, as xarray reads them from JSON.

use serde_json::Value;
use zarray::Number;

/// A number; `"NaN"` and the infinities too, which Python writes unquoted and the metadata reader returns as strings.
pub(crate) fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => {
            let integer = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
            integer.map(Number::Int).or_else(|| number.as_f64().map(Number::Float))
        }
        Value::String(text) => match text.as_str() {
            "NaN" => Some(Number::Float(f64::NAN)),
            "Infinity" => Some(Number::Float(f64::INFINITY)),
            "-Infinity" => Some(Number::Float(f64::NEG_INFINITY)),
            _ => None,
        },
        _ => None,
    }
}

/// The scalars of a scalar, or of a nested list (NumPy's `ravel`).
pub(crate) fn scalars(value: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    let mut waiting = vec![value];
    while let Some(next) = waiting.pop() {
        match next {
            Value::Array(items) => waiting.extend(items.iter().rev()),
            scalar => found.push(scalar),
        }
    }
    found
}

/// A number as `float64`.
pub(crate) fn double(number: Number) -> f64 {
    match number {
        Number::Int(integer) => integer as f64,
        Number::Float(float) => float,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_lists_of_them() {
        assert_eq!(number(&json!(u64::MAX)), Some(Number::Int(i128::from(u64::MAX))));
        assert_eq!(number(&json!(-1.0)), Some(Number::Float(-1.0)));
        assert_eq!(number(&json!("-Infinity")), Some(Number::Float(f64::NEG_INFINITY)));
        assert_eq!((number(&json!("1")), number(&json!(true)), number(&Value::Null)), (None, None, None));
        assert_eq!(scalars(&json!([1, [2, [3]], []])), [&json!(1), &json!(2), &json!(3)]);
        assert_eq!(scalars(&json!(7)), [&json!(7)]);
    }
}
