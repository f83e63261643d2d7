//! Parts of the JSON Schema of the records that types alone do not tell.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A number; NaN and the infinities are strings.
pub fn number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
}

/// Fields whose names end with `_seconds`.
pub fn phases(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"patternProperties": {
        "_seconds$": {"description": "Seconds of a phase, summed over the workers.", "type": "number"}
    }})
}

/// Counts as fields whose names start with `prefix`.
pub fn counts(prefix: &str, description: &str) -> Schema {
    let count = json_schema!({"description": description, "type": "integer", "minimum": 0});
    json_schema!({"patternProperties": {format!("^{prefix}"): count}})
}
