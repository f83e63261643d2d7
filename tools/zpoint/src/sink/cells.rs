//! Formats single values as text, for CSV and JSON.

use std::io::Write;

use zcoord::{Column, Values};

use super::{TimeFormat, time};

/// The text dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// CSV: text is quoted if necessary.
    Csv,
    /// JSON: text is always quoted and escaped; infinities are strings.
    Json,
    /// Plain: text is unchanged.
    Plain,
}

/// Format of values.
#[derive(Debug, Clone)]
pub struct Style {
    /// The text dialect.
    pub dialect: Dialect,
    /// Text of a missing value.
    pub missing: Vec<u8>,
    /// Time format.
    pub times: TimeFormat,
}

impl Style {
    /// Appends the value of `row`; a float has the fewest digits that round-trip in its own precision.
    pub fn cell(&self, column: &Column, row: usize, out: &mut Vec<u8>) {
        if column.missing.get(row).copied().unwrap_or(false) {
            return out.extend_from_slice(&self.missing);
        }
        match &column.values {
            Values::F32(values) => self.float(values[row], out),
            Values::F64(values) => self.float(values[row], out),
            Values::I64(values) => display(values[row], out),
            Values::U64(values) => display(values[row], out),
            Values::Bool(values) => display(values[row], out),
            Values::Text(values) => self.text(&values[row], out),
            Values::Time(..) if column.is_missing(row) => out.extend_from_slice(&self.missing),
            Values::Time(values, calendar) => {
                let mut text = String::new();
                time::append(values[row], *calendar, self.times, &mut text);
                self.moment(&text, out);
            }
        }
    }

    fn float<F: zmij::Float + Into<f64> + Copy>(&self, value: F, out: &mut Vec<u8>) {
        let wide: f64 = value.into();
        if wide.is_finite() {
            out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
        } else if wide.is_nan() {
            out.extend_from_slice(&self.missing);
        } else {
            out.extend_from_slice(self.infinity(wide > 0.0).as_bytes());
        }
    }

    fn infinity(&self, positive: bool) -> &'static str {
        match (self.dialect, positive) {
            (Dialect::Json, true) => "\"Infinity\"",
            (Dialect::Json, false) => "\"-Infinity\"",
            (_, true) => "inf",
            (_, false) => "-inf",
        }
    }

    fn moment(&self, text: &str, out: &mut Vec<u8>) {
        let quoted = self.dialect == Dialect::Json && self.times == TimeFormat::Iso;
        if quoted { json_text(text, out) } else { out.extend_from_slice(text.as_bytes()) }
    }

    /// Appends text.
    pub fn text(&self, text: &str, out: &mut Vec<u8>) {
        match self.dialect {
            Dialect::Csv => csv_text(text, out),
            Dialect::Json => json_text(text, out),
            Dialect::Plain => out.extend_from_slice(text.as_bytes()),
        }
    }
}

/// The value of `row` as plain text; `None` if missing.
pub fn plain(column: &Column, row: usize) -> Option<String> {
    if column.is_missing(row) {
        return None;
    }
    let style = Style { dialect: Dialect::Plain, missing: Vec::new(), times: TimeFormat::Iso };
    let mut out = Vec::new();
    style.cell(column, row, &mut out);
    Some(String::from_utf8_lossy(&out).into_owned())
}

fn display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{value}");
}

fn json_text(text: &str, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, text);
}

/// Text that may need quotes is written by the library; plain letters and digits are copied.
fn csv_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b' ' | 128..))
    {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut writer = csv::WriterBuilder::new().buffer_capacity(text.len() * 2 + 3).from_writer(&mut *out);
    // Writing to memory cannot fail.
    let _ = writer.write_record([text]).and_then(|()| Ok(writer.flush()?));
    drop(writer);
    // Remove the newline of the record, because the line continues.
    out.pop();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zcoord::{Calendar, Kind, NOT_A_TIME};

    use super::*;

    fn cells(dialect: Dialect, column: &Column) -> Vec<String> {
        let missing = if dialect == Dialect::Json { "null" } else { "NA" };
        let style = Style { dialect, missing: missing.into(), times: TimeFormat::Iso };
        let cell = |row| {
            let mut out = Vec::new();
            style.cell(column, row, &mut out);
            String::from_utf8(out).expect("UTF-8")
        };
        (0..column.len()).map(cell).collect()
    }

    #[test]
    fn floats_have_the_digits_of_their_size() {
        let values = vec![281.6084, 280.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-20];
        let single = Column::new(Kind::Float(32), Values::F32(values));
        assert_eq!(cells(Dialect::Csv, &single), ["281.6084", "280.0", "NA", "inf", "-inf", "-0.0", "1e-20"]);
        let json = cells(Dialect::Json, &single);
        assert_eq!(json, ["281.6084", "280.0", "null", "\"Infinity\"", "\"-Infinity\"", "-0.0", "1e-20"]);
        let double = Column::new(Kind::Float(64), Values::F64(vec![f64::from(281.6084f32)]));
        assert_eq!(cells(Dialect::Csv, &double), ["281.6083984375"]);
    }

    #[test]
    fn the_other_types() {
        let ints = Column { missing: vec![false, true], ..Column::new(Kind::Int(8), Values::I64(vec![-5, 0])) };
        assert_eq!(cells(Dialect::Csv, &ints), ["-5", "NA"]);
        let bools = Column::new(Kind::Bool, Values::Bool(vec![true, false]));
        assert_eq!(cells(Dialect::Json, &bools), ["true", "false"]);
        let calendar = Calendar::ProlepticGregorian;
        let times = Column::new(Kind::Time(calendar), Values::Time(vec![0, NOT_A_TIME], calendar));
        assert_eq!(cells(Dialect::Csv, &times), ["1970-01-01T00:00:00Z", "NA"]);
        assert_eq!(cells(Dialect::Json, &times), ["\"1970-01-01T00:00:00Z\"", "null"]);
        assert_eq!((plain(&times, 0), plain(&times, 1)), (Some("1970-01-01T00:00:00Z".into()), None));
    }

    #[test]
    fn evil_text_is_quoted() {
        let texts = ["plain", "", "a,b", "say \"x\"", "two\nlines", "cr\r", "Zürich 1", "(x)"];
        let column = Column::new(Kind::Text, Values::Text(texts.map(String::from).to_vec()));
        assert_eq!(
            cells(Dialect::Csv, &column),
            ["plain", "", "\"a,b\"", "\"say \"\"x\"\"\"", "\"two\nlines\"", "\"cr\r\"", "Zürich 1", "(x)"]
        );
        for (cell, text) in cells(Dialect::Json, &column).iter().zip(texts) {
            assert_eq!(serde_json::from_str::<String>(cell).expect("JSON"), text);
        }
    }

    proptest! {
        /// Any text reads back unchanged, next to other columns.
        #[test]
        fn text_reads_back(texts in prop::collection::vec(".*|[\"\r\n, a]{0,6}", 2..5)) {
            let column = Column::new(Kind::Text, Values::Text(texts.clone()));
            // After a header, as in real output: the start of a file may be mistaken for a byte order mark.
            let header = vec!["x"; texts.len()].join(",");
            let text = format!("{header}\n{}", cells(Dialect::Csv, &column).join(","));
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let record = reader.records().next().expect("a record").expect("CSV");
            prop_assert_eq!(record.iter().collect::<Vec<_>>(), texts.iter().collect::<Vec<_>>());
            let json = format!("[{}]", cells(Dialect::Json, &column).join(","));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&json).expect("JSON"), texts);
        }

        #[test]
        fn floats_read_back(single: f32, double: f64) {
            prop_assume!(!single.is_nan() && !double.is_nan());
            let cell = cells(Dialect::Csv, &Column::new(Kind::Float(32), Values::F32(vec![single])));
            prop_assert_eq!(cell[0].parse::<f32>().expect("a float").to_bits(), single.to_bits());
            let cell = cells(Dialect::Csv, &Column::new(Kind::Float(64), Values::F64(vec![double])));
            prop_assert_eq!(cell[0].parse::<f64>().expect("a float").to_bits(), double.to_bits());
        }
    }
}
