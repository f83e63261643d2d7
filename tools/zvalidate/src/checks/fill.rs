//! What a missing chunk of an array reads as, and so how bad it is that it is missing.

use serde_json::Value;
use zarray::{Array, ZarrFormat};
use zcoord::is_fill_stated;
use zwire::Severity;

/// What a missing chunk of an array reads as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Nothing that is defined.
    Null,
    /// NaN, or a value that stands for missing data.
    Missing,
    /// An ordinary value: writers need not store chunks that hold nothing else.
    Ordinary,
}

impl Fill {
    /// That of an array.
    pub fn of(array: &Array) -> Fill {
        let fill = &array.fill_value;
        let is_zero = fill.as_f64() == Some(0.0) || *fill == Value::Bool(false) || *fill == "";
        let attribute = ["_FillValue", "missing_value"].iter().any(|name| {
            let value = array.attributes.get(*name);
            value.is_some_and(|value| value.as_f64().is_some() && value.as_f64() == fill.as_f64())
        });
        match fill {
            // xarray writes flags and counts so, and zarr-python 3 does not store those of their chunks that are all zero.
            Value::Null if is_count(array) => Fill::Ordinary,
            Value::Null => Fill::Null,
            _ if *fill == "NaN" || *fill == "NaT" || attribute || is_fill_stated(array) => Fill::Missing,
            // xarray takes the fill value of Zarr v2 for the attribute.
            _ if array.format == ZarrFormat::V2 && !is_zero => Fill::Missing,
            _ => Fill::Ordinary,
        }
    }

    /// How bad it is that whole steps are missing, and that some chunks are.
    pub fn severities(self) -> [Severity; 2] {
        match self {
            Fill::Null => [Severity::Error; 2],
            Fill::Missing => [Severity::Error, Severity::Warning],
            Fill::Ordinary => [Severity::Info; 2],
        }
    }

    /// How bad it is that no chunk of an array is stored. A whole variable of measurements that is nothing but its fill value is rather
    /// a copy of which only the metadata arrived; flags and counts may all be zero.
    pub fn no_chunks(self, array: &Array) -> Severity {
        match self {
            Fill::Ordinary if !is_measured(array) => Severity::Info,
            Fill::Ordinary => Severity::Warning,
            fill => fill.severities()[0],
        }
    }

    /// What readers get.
    pub fn sentence(self, array: &Array) -> String {
        match self {
            Fill::Null => "they read as undefined values, because the fill value is null".to_owned(),
            _ if array.fill_value.is_null() => {
                "zarr-python reads them as zeros, because the fill value is null".to_owned()
            }
            _ => format!("they read as the fill value {}", array.fill_value),
        }
    }
}

/// Whether the values of an array are flags or counts: integers or bool that stand for themselves, and for no positions.
fn is_count(array: &Array) -> bool {
    let dtype = array.dtype.as_str().unwrap_or_default().trim_start_matches(['<', '>', '|', '=']);
    let name = array.path.rsplit('/').next();
    let is_coordinate =
        array.named_dimensions().is_some_and(|names| matches!(&names[..], [own] if own.as_deref() == name));
    // The single time of a store is mostly its own reference date, and so zero.
    let is_time = array.attributes.get("units").and_then(Value::as_str).is_some_and(zcoord::is_time_units);
    let has_times = is_time && array.shape.iter().product::<u64>() > 1;
    dtype.starts_with(['b', 'i', 'u']) && !is_measured(array) && !is_coordinate && !has_times
}

/// Whether the values of an array are measurements: floating-point numbers, or packed as integers.
fn is_measured(array: &Array) -> bool {
    let dtype = array.dtype.as_str().unwrap_or_default();
    let is_float = match array.format {
        ZarrFormat::V2 => dtype.trim_start_matches(['<', '>', '|', '=']).starts_with(['f', 'c']),
        ZarrFormat::V3 => ["float", "bfloat", "complex"].iter().any(|kind| dtype.starts_with(kind)),
    };
    is_float || ["scale_factor", "add_offset"].iter().any(|name| array.attributes.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(dtype: &str, fill: &str, attributes: &str) -> Array {
        let document = format!(
            r#"{{"zarr_format":2,"shape":[9],"chunks":[3],"dtype":"{dtype}","fill_value":{fill},"order":"C","filters":null,
            "compressor":null}}"#
        );
        zarray::array_v2("/a", document.as_bytes(), Some(attributes.as_bytes())).expect("metadata")
    }

    #[test]
    fn a_variable_of_measurements_without_chunks_is_suspicious() {
        for (dtype, fill, attributes, severity) in [
            ("<f4", "0.0", "{}", Severity::Warning),
            ("|u1", "0", "{}", Severity::Info),
            ("<i2", "0", r#"{"scale_factor":0.1}"#, Severity::Warning),
            ("<f4", "\"NaN\"", "{}", Severity::Error),
            ("<f4", "null", "{}", Severity::Error),
            ("<i2", "null", r#"{"scale_factor":0.1}"#, Severity::Error),
            ("<i8", "null", r#"{"_ARRAY_DIMENSIONS":["a"]}"#, Severity::Error),
            ("<i8", "null", r#"{"_ARRAY_DIMENSIONS":["time"]}"#, Severity::Info),
            ("<i8", "null", r#"{"_ARRAY_DIMENSIONS":["step"],"units":"hours since 1970-01-01"}"#, Severity::Error),
            ("|b1", "null", "{}", Severity::Info),
        ] {
            let array = array(dtype, fill, attributes);
            assert_eq!(Fill::of(&array).no_chunks(&array), severity, "{dtype} {fill}");
        }
    }
}
