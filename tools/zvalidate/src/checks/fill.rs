//! What a missing chunk of an array reads as, and so how bad it is that it is missing.

use serde_json::Value;
use zarray::{Array, ZarrFormat};
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
            Value::Null => Fill::Null,
            _ if *fill == "NaN" || *fill == "NaT" || attribute => Fill::Missing,
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
            Fill::Ordinary => [Severity::Warning, Severity::Info],
        }
    }

    /// What readers get.
    pub fn sentence(self, array: &Array) -> String {
        match self {
            Fill::Null => "they read as undefined values, because the fill value is null".to_owned(),
            _ => format!("they read as the fill value {}", array.fill_value),
        }
    }
}
