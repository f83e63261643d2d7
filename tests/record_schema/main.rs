//! `record_schema`: prints the JSON Schema of the records, or of the lines of a file that a tool writes, from their Rust types; or
//! the manual page of the records. `scripts/dev/man.sh` writes `man/schema` and `man/ztools-records.7` with it.

mod files;
mod page;
mod totals;

use std::process::ExitCode;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use zwire::Record;

use files::{Column, ManifestLine};

/// Printed with each schema, for readers that were written for an older version.
const PROMISE: &str = "New types and fields may be added at any time, so a reader skips those that it does not know. A field is \
removed or changes its meaning only when v is incremented. A field without a value is omitted.";

/// Makes a schema.
type Make = fn() -> Value;

/// The schemas by the names of their files.
const SCHEMAS: [(&str, Make); 3] = [("records", records), ("columns", columns), ("manifest", manifest)];

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    if name == "page" {
        print!("{}", page::page(&records()));
        return ExitCode::SUCCESS;
    }
    let Some((_, schema)) = SCHEMAS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = SCHEMAS.iter().map(|(known, _)| *known).collect();
        eprintln!("record_schema: {name:?} is none of page, {}", known.join(", "));
        return ExitCode::from(2);
    };
    println!("{}", text(&schema(), 0));
    ExitCode::SUCCESS
}

/// What the tools print to stdout.
fn records() -> Value {
    let mut lines = lines_of::<Record>();
    let totals = totals::by_tool();
    if let Some((_, Value::Object(summary))) = lines.iter_mut().find(|(name, _)| *name == "summary") {
        summary.insert("allOf".into(), cases("tool", totals.keys(), |tool| format!("summary_{tool}")));
    }
    lines.extend(totals.into_iter().map(|(tool, schema)| (format!("summary_{tool}"), schema)));
    document("Records of the ztools", "A line that a tool prints to stdout.", lines)
}

/// The file `OUT.columns.jsonl`.
fn columns() -> Value {
    document("Columns of a table", "A line of OUT.columns.jsonl, which zpoint writes.", lines_of::<Column>())
}

/// The file of `zvalidate --write-manifest`.
fn manifest() -> Value {
    document(
        "Manifest of a store",
        "A line of a file that zvalidate --write-manifest writes.",
        lines_of::<ManifestLine>(),
    )
}

fn document(title: &str, what: &str, lines: Map<String, Value>) -> Value {
    let types = lines.keys().filter(|name| !name.starts_with("summary_"));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": format!("{what} {PROMISE}"),
        "type": "object",
        "properties": {"type": {"type": "string"}},
        "required": ["type"],
        "allOf": cases("type", types, ToOwned::to_owned),
        "$defs": lines,
    })
}

/// For each name, the definition that holds where `field` has that name.
fn cases<'n>(field: &str, names: impl Iterator<Item = &'n String>, definition: impl Fn(&str) -> String) -> Value {
    let case = |name: &String| {
        json!({
            "if": {"properties": {field: {"const": name}}, "required": [field]},
            "then": {"$ref": format!("#/$defs/{}", definition(name))},
        })
    };
    names.map(case).collect()
}

/// The schema of each variant of an enum that is tagged with its type.
fn lines_of<T: JsonSchema>() -> Map<String, Value> {
    let Some(Value::Array(variants)) = schema_of::<T>().remove("oneOf") else { return Map::new() };
    let mut lines = Map::new();
    for mut line in variants {
        let name = line["properties"]["type"]["const"].as_str().unwrap_or_default().to_owned();
        tidy(&mut line, &name);
        without_null(&mut line);
        lines.insert(name, line);
    }
    lines
}

/// The schema of a type as it is written.
fn schema_of<T: JsonSchema>() -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.inline_subschemas = true;
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value();
    plain(&mut schema);
    schema.as_object().cloned().unwrap_or_default()
}

/// The parts of a schema in one order, and its type without a type of its own.
fn tidy(line: &mut Value, name: &str) {
    let Value::Object(line) = line else { return };
    if let Some(properties) = line.get_mut("properties") {
        properties["type"] = json!({"const": name});
    }
    let mut parts = std::mem::take(line);
    for key in ["description", "type", "properties", "patternProperties", "additionalProperties", "required"] {
        line.extend(parts.remove(key).map(|part| (key.to_owned(), part)));
    }
}

/// Descriptions on one line, and no formats, of which JSON Schema has others.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("format").is_some_and(Value::is_string) {
                fields.remove("format");
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

/// A field that may be omitted is never null.
pub fn without_null(line: &mut Value) {
    let required: Vec<Value> = line["required"].as_array().cloned().unwrap_or_default();
    let Some(Value::Object(properties)) = line.get_mut("properties") else { return };
    for (_, field) in properties.iter_mut().filter(|(name, _)| !required.contains(&Value::String((*name).clone()))) {
        if let Some(Value::Array(types)) = field.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                field["type"] = only.clone();
            }
        }
    }
}

/// JSON with what fits on one line.
fn text(value: &Value, depth: usize) -> String {
    let short = value.to_string();
    let indent = "  ".repeat(depth + 1);
    let joined =
        |parts: Vec<String>| format!("{indent}{}\n{}", parts.join(&format!(",\n{indent}")), "  ".repeat(depth));
    match value {
        _ if short.len() + indent.len() <= 120 => short,
        Value::Object(fields) => {
            let field =
                |(key, value): (&String, &Value)| format!("{}: {}", Value::from(key.as_str()), text(value, depth + 1));
            format!("{{\n{}}}", joined(fields.iter().map(field).collect()))
        }
        Value::Array(items) => format!("[\n{}]", joined(items.iter().map(|item| text(item, depth + 1)).collect())),
        _ => short,
    }
}
