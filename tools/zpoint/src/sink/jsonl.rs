//! JSON Lines: one record per row, or one record per value.

use super::cells::{Dialect, Style};
use super::columns::{self, Long};
use super::lines::Lines;
use super::{Layout, Options};
use crate::batch::Schema;

/// The JSON Lines format of rows of `schema`.
pub fn lines(schema: &Schema, options: &Options) -> Lines {
    let style = Style { dialect: Dialect::Json, missing: b"null".to_vec(), times: options.time_format };
    let long = options.layout == Layout::Long;
    let features = match options.layout {
        Layout::Wide => columns::features(schema).map(|name| member(name, &style)).collect(),
        Layout::Long => long_members(schema, &style),
    };
    Lines {
        header: Vec::new(),
        start: b"{\"type\":\"row\",\"v\":1",
        keys: schema.keys.iter().map(|key| member(&key.name, &style)).collect(),
        features,
        end: b"}\n",
        long,
        style,
    }
}

/// `,"name":`. Every record already has a `type` and a `v`; columns with these names (such as the northward wind) get a
/// trailing underscore.
fn member(name: &str, style: &Style) -> Vec<u8> {
    let mut out = b",".to_vec();
    match name {
        "type" | "v" => style.text(&format!("{name}_"), &mut out),
        _ => style.text(name, &mut out),
    }
    out.push(b':');
    out
}

/// `,"variable":"t","level":850,"value":` for each feature.
fn long_members(schema: &Schema, style: &Style) -> Vec<Vec<u8>> {
    let long = Long::of(schema);
    let members = |feature| {
        let mut out = member("variable", style);
        style.cell(&long.variable, feature, &mut out);
        for dimension in &long.dimensions {
            out.extend(member(&dimension.name, style));
            style.cell(&dimension.coordinate, feature, &mut out);
        }
        out.extend(member("value", style));
        out
    };
    (0..long.variable.len()).map(members).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::sink::{Format, fixture};

    #[test]
    fn wide() {
        let text = fixture::streamed(Format::Jsonl, &Options::default(), 1);
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some(
                r#"{"type":"row","v":1,"point_id":"0","lat":51.5,"lon":-0.125,"time":"2019-03-01T00:00:00Z","t_850":281.6084,"t_500":250.0,"n":-3,"flag":true}"#
            )
        );
        assert_eq!(
            lines.next(),
            Some(
                r#"{"type":"row","v":1,"point_id":"a,\"b\"\n","lat":-33.0,"lon":18.5,"time":"2019-03-01T00:00:00Z","t_850":null,"t_500":"Infinity","n":null,"flag":false}"#
            )
        );
        assert_eq!(lines.count(), 2);
    }

    #[test]
    fn long() {
        let options = Options { layout: Layout::Long, ..Options::default() };
        let text = fixture::streamed(Format::Jsonl, &options, 1);
        let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(records.len(), 16);
        assert_eq!(
            text.lines().nth(1),
            Some(
                r#"{"type":"row","v":1,"point_id":"0","lat":51.5,"lon":-0.125,"time":"2019-03-01T00:00:00Z","variable":"t","level":500,"value":250.0}"#
            )
        );
        assert_eq!((&records[2]["level"], &records[2]["value"]), (&Value::Null, &Value::from(-3)));
    }
}
