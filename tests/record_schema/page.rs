//! The manual page of the records, from their schema.

use serde_json::Value;

const HEAD: &str = "\
.TH ztools\\-records 7 \"\" \"ztools\" \"ztools manual\"
.SH NAME
ztools\\-records \\- fields of the records of the ztools
.SH DESCRIPTION
The fields of each type of record; which tool prints which type is in
.BR ztools (7).
A field in brackets is omitted where it has no value.
NaN and the infinities are strings.
New types and fields may be added at any time.
The summary of a tool has the fields of every summary, and its own.
.SH RECORDS
";

/// The page, in roff.
pub fn page(schema: &Value) -> String {
    let mut text = HEAD.to_owned();
    for (name, line) in schema["$defs"].as_object().into_iter().flatten() {
        let title = name.replace("summary_", "summary of ");
        text += &format!(".SS {}\n{}\n", escaped(&title), escaped(line["description"].as_str().unwrap_or_default()));
        let required = line["required"].as_array().cloned().unwrap_or_default();
        for (field, what) in fields(line) {
            // What all records have is told once.
            if field == "type" || field == "v" {
                continue;
            }
            let is_required = name.starts_with("summary_") || required.iter().any(|it| *it == field);
            let shown = if is_required { field } else { format!("[{field}]") };
            let meaning = what["description"].as_str().unwrap_or_default();
            text += &format!(".TP\n.B {}\n{}: {}\n", escaped(&shown), kind(what), escaped(meaning));
        }
    }
    text + ".SH SEE ALSO\n.BR ztools (7)\n"
}

/// The fields of a record, those with a part of their name in common last.
fn fields(line: &Value) -> Vec<(String, &Value)> {
    let named = line["properties"].as_object().into_iter().flatten().map(|(name, what)| (name.clone(), what));
    let patterns = line["patternProperties"].as_object().into_iter().flatten().map(|(pattern, what)| {
        let name = match pattern.strip_prefix('^') {
            Some(start) => format!("{start}NAME"),
            None => format!("NAME{}", pattern.trim_end_matches('$')),
        };
        (name, what)
    });
    named.chain(patterns).collect()
}

/// The type of a value in a word.
fn kind(what: &Value) -> String {
    match (&what["type"], &what["anyOf"], &what["oneOf"]) {
        (Value::String(name), ..) if name == "array" => format!("array of {}", kind(&what["items"])),
        (Value::String(name), ..) => name.clone(),
        (Value::Array(names), ..) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        (_, Value::Array(kinds), _) => kinds.iter().map(kind).collect::<Vec<_>>().join(" or "),
        (_, _, Value::Array(_)) => "string".to_owned(),
        _ if what["enum"].is_array() => "string".to_owned(),
        _ => "any".to_owned(),
    }
}

/// Text without what roff would take for a command; code in bold.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let parts: Vec<&str> = text.split('`').collect();
    let marked = parts.iter().enumerate().map(|(number, part)| match number % 2 {
        0 => (*part).to_owned(),
        _ => format!("\\fB{part}\\fR"),
    });
    let text: String = marked.collect();
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}
