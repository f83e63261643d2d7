//! Element sizes of data types.

use serde_json::Value;

/// Data types of Zarr v3 whose elements have no fixed size.
pub const VARIABLE: [&str; 3] = ["string", "bytes", "variable_length_bytes"];

/// Bytes of an element of a Zarr v2 `dtype` (NumPy type strings; a list for structured types). Nothing for objects, whose
/// elements have no fixed size.
pub fn itemsize_v2(dtype: &Value) -> Option<u64> {
    match dtype {
        Value::String(text) => itemsize_of_type_string(text),
        Value::Array(fields) => total(fields.iter().map(field_size)),
        _ => None,
    }
}

/// The sum of sizes that are all known, and do not overflow.
fn total(mut sizes: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    sizes.try_fold(0u64, |sum, size| sum.checked_add(size?))
}

/// A NumPy type string: `<f4`, `|S10`, `<U5` (4 bytes a character), `<M8[ns]`, `|V12`.
fn itemsize_of_type_string(text: &str) -> Option<u64> {
    let text = text.trim_start_matches(['<', '>', '|', '=']);
    let kind = text.chars().next()?;
    let digits: String = text[kind.len_utf8()..].chars().take_while(char::is_ascii_digit).collect();
    let count: u64 = digits.parse().ok()?;
    match kind {
        'b' | 'i' | 'u' | 'f' | 'c' | 'm' | 'M' | 'S' | 'a' | 'V' => Some(count),
        'U' => count.checked_mul(4),
        _ => None,
    }
}

/// A field of a structured type: name, type and, for a subarray, its shape.
fn field_size(field: &Value) -> Option<u64> {
    let parts = field.as_array()?;
    let size = itemsize_v2(parts.get(1)?)?;
    let Some(shape) = parts.get(2) else { return Some(size) };
    match shape {
        Value::Array(lengths) => lengths.iter().try_fold(size, |size, length| size.checked_mul(length.as_u64()?)),
        length => size.checked_mul(length.as_u64()?),
    }
}

/// Bytes of an element of a Zarr v3 `data_type`. `None` for types of variable size and unknown types.
pub fn itemsize_v3(data_type: &Value) -> Option<u64> {
    let name = data_type.as_str().or_else(|| data_type.get("name")?.as_str())?;
    let configuration = data_type.get("configuration");
    match name {
        "bool" | "int8" | "uint8" | "int4" | "uint4" | "int2" | "uint2" => Some(1),
        "int16" | "uint16" | "float16" | "bfloat16" => Some(2),
        "int32" | "uint32" | "float32" | "complex32" | "complex_float16" | "complex_bfloat16" => Some(4),
        // The registry of zarr-extensions: an element takes a byte, two if complex.
        _ if ["float8_", "float6_", "float4_"].iter().any(|small| name.starts_with(small)) => Some(1),
        _ if ["complex_float8_", "complex_float6_", "complex_float4_"].iter().any(|small| name.starts_with(small)) => {
            Some(2)
        }
        "int64" | "uint64" | "float64" | "complex64" | "complex_float32" => Some(8),
        "complex128" | "complex_float64" => Some(16),
        "numpy.datetime64" | "numpy.timedelta64" => Some(8),
        "fixed_length_utf32" | "null_terminated_bytes" | "raw_bytes" | "fixed_length_bytes" => {
            configuration?.get("length_bytes")?.as_u64()
        }
        "struct" | "structured" => {
            let fields = configuration?.get("fields")?.as_array()?;
            total(fields.iter().map(field_size_v3))
        }
        // Raw bits: `r24` is three bytes.
        _ => name.strip_prefix('r')?.parse::<u64>().ok().filter(|bits| bits % 8 == 0).map(|bits| bits / 8),
    }
}

/// Whether a Zarr v3 `data_type` is one whose elements are known: of a fixed size, or of variable size.
pub fn is_known_v3(data_type: &Value) -> bool {
    let name = data_type.as_str().or_else(|| data_type.get("name")?.as_str());
    itemsize_v3(data_type).is_some() || name.is_some_and(|name| VARIABLE.contains(&name))
}

fn field_size_v3(field: &Value) -> Option<u64> {
    let data_type = field.get("data_type").or_else(|| field.as_array()?.get(1))?;
    itemsize_v3(data_type)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn v2_types() {
        for (dtype, size) in [
            (json!("<f4"), Some(4)),
            (json!(">i2"), Some(2)),
            (json!("|b1"), Some(1)),
            (json!("<c16"), Some(16)),
            (json!("<M8[ns]"), Some(8)),
            (json!("|S10"), Some(10)),
            (json!("<U5"), Some(20)),
            (json!("|V3"), Some(3)),
            (json!("|O"), None),
            (json!([["a", "<i4"], ["b", "<f8"], ["c", "<i2", [2, 3]]]), Some(24)),
            (json!([["a", "|O"]]), None),
            (json!([["a", "|V18446744073709551615"], ["b", "|V1"]]), None),
            (json!(7), None),
        ] {
            assert_eq!(itemsize_v2(&dtype), size, "{dtype}");
        }
    }

    #[test]
    fn v3_types() {
        for (dtype, size) in [
            (json!("float32"), Some(4)),
            (json!("r24"), Some(3)),
            (json!("string"), None),
            (json!("nobody_knows"), None),
            (json!({"name": "numpy.datetime64", "configuration": {"unit": "ns", "scale_factor": 1}}), Some(8)),
            (json!({"name": "fixed_length_utf32", "configuration": {"length_bytes": 20}}), Some(20)),
            (json!({"name": "structured", "configuration": {"fields": [["a", "int32"], ["b", "float64"]]}}), Some(12)),
        ] {
            assert_eq!(itemsize_v3(&dtype), size, "{dtype}");
        }
    }
}
