//! Terminal output of trials.

use std::borrow::Cow;

use serde_json::Value;
use zcli::{Align, Column, Drops, Row, Table};
use zwire::{ChoiceRecord, Record, Summary, TrialRecord, human_bytes, human_count, human_counted};

/// The table of a trial: one row per compressor, followed by the choice for each array.
pub fn table() -> Table {
    let text =
        |title, shrinks| Column { title: Cow::Borrowed(title), align: Align::Left, shrinks, drops: Drops::Never };
    let number = |title| Column {
        title: Cow::Borrowed(title),
        align: Align::Right,
        shrinks: false,
        drops: Drops::late(matches!(title, "BLOCKS" | "SECONDS" | "POINT")),
    };
    Table {
        columns: vec![
            text("PATH", true),
            text("BLOSC", true),
            number("RATIO"),
            number("ENC GB/s"),
            number("DEC GB/s"),
            number("POINT"),
            number("BLOCKS"),
            number("SIZE"),
            number("SECONDS"),
            text("", false),
        ],
        rows: Box::new(rows),
        tree: false,
        footer,
    }
}

fn rows(record: &Record) -> Vec<Row> {
    match record {
        Record::Trial(trial) => vec![Row::Cells(cells(trial))],
        Record::Choice(choice) => vec![Row::Note(sentence(choice)), Row::Verbatim(choice.command.clone())],
        // Errors are printed to stderr, which is the same terminal.
        _ => Vec::new(),
    }
}

/// Only the Blosc parameters, since only Blosc is tried: `zstd,3,shuffle`.
fn blosc_parameters(codec: &str) -> String {
    let inside = codec.strip_prefix("blosc(").and_then(|codec| codec.strip_suffix(')'));
    inside.unwrap_or(codec).to_owned()
}

fn cells(trial: &TrialRecord) -> Vec<String> {
    vec![
        trial.path.clone(),
        blosc_parameters(&trial.codec),
        format!("{:.2}", trial.ratio),
        speed(trial.encode_gb_per_second, trial.encode_threaded_gb_per_second),
        speed(trial.decode_gb_per_second, trial.decode_threaded_gb_per_second),
        human_bytes(trial.point_bytes),
        human_count(trial.blocks),
        trial.predicted_bytes.map_or_else(String::new, human_bytes),
        trial.predicted_seconds.map_or_else(String::new, duration),
        mark(trial).to_owned(),
    ]
}

/// Two decimals for short durations, none for long ones.
fn duration(seconds: f64) -> String {
    let decimals = if seconds < 10.0 { 2 } else { 0 };
    format!("{seconds:.decimals$}")
}

/// Throughput with one thread, and with several if measured: `0.31/1.15`.
fn speed(one: f64, threaded: Option<f64>) -> String {
    threaded.map_or_else(|| format!("{one:.2}"), |threaded| format!("{one:.2}/{threaded:.2}"))
}

fn mark(trial: &TrialRecord) -> &'static str {
    match (trial.chosen, trial.pareto) {
        (true, _) => "chosen",
        (false, true) => "pareto",
        (false, false) => "",
    }
}

fn sentence(choice: &ChoiceRecord) -> String {
    let ChoiceRecord { path, objective, from, to, .. } = choice;
    match (&choice.reason, choice.ratio_before, choice.ratio) {
        (Some(reason), ..) => format!("{path}: {to} ({reason})"),
        (None, Some(before), Some(after)) => {
            format!("{path}: {from} → {to} for {objective}: ratio {before:.2} → {after:.2}")
        }
        _ => format!("{path}: {from} → {to} for {objective}"),
    }
}

fn footer(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64);
    let Some(arrays) = number("arrays") else { return Vec::new() };
    let size =
        number("predicted_bytes").map_or_else(String::new, |bytes| format!(", {} predicted", human_bytes(bytes)));
    vec![format!(
        "trial: nothing is written. {}, {} tried{size}. pareto: Pareto-optimal in size, speed and bytes per point",
        human_counted(arrays, "array"),
        human_counted(number("trials").unwrap_or(0), "compressor"),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_has_a_cell_per_column() {
        let trial = TrialRecord { ratio: 2.0, encode_threaded_gb_per_second: Some(1.5), ..TrialRecord::default() };
        assert_eq!(cells(&trial).len(), table().columns.len());
        assert_eq!(cells(&trial)[3], "0.00/1.50");
        let choice = ChoiceRecord { path: "/t2m".into(), command: "zrecompress a b".into(), ..ChoiceRecord::default() };
        let rows = rows(&Record::Choice(Box::new(choice)));
        assert_eq!(rows[1], Row::Verbatim("zrecompress a b".into()));
    }
}
