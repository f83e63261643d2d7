//! Terminal output of trials.

use std::borrow::Cow;

use super::options::Objective;
use serde_json::Value;
use zcli::{Align, Column, Drops, Row, Table};
use zwire::{ChoiceRecord, Record, Summary, TrialRecord, human_bytes, human_count, human_counted};

use crate::human::saved;

/// Compressors shown of each array.
const BEST: usize = 3;

/// The table of a trial: the best compressors of each array (with `all`, every one), followed by the choice for it.
pub fn table(all: bool, objective: Objective) -> Table {
    let text =
        |title, shrinks| Column { title: Cow::Borrowed(title), align: Align::Left, shrinks, drops: Drops::Never };
    let number = |title| Column {
        title: Cow::Borrowed(title),
        align: Align::Right,
        shrinks: false,
        drops: match title {
            "POINT" if objective != Objective::Point => Drops::Early,
            "BLOCKS" | "SECONDS" => Drops::Early,
            _ => Drops::Never,
        },
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
        rows: Box::new(rows(all)),
        tree: false,
        footer,
    }
}

/// The compressors of an array are held until its choice comes, so that the best can be told.
fn rows(all: bool) -> impl FnMut(&Record) -> Vec<Row> + Send {
    let mut tried: Vec<TrialRecord> = Vec::new();
    move |record| match record {
        Record::Trial(trial) => {
            tried.push((**trial).clone());
            Vec::new()
        }
        Record::Choice(choice) => {
            let mut tried = std::mem::take(&mut tried);
            tried.sort_by_key(|trial| (!trial.chosen, trial.rank));
            let shown = if all { tried.len() } else { BEST };
            let rows = tried.iter().take(shown).map(|trial| Row::Cells(cells(trial)));
            rows.chain([Row::Note(sentence(choice)), Row::Verbatim(choice.command.clone())]).collect()
        }
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
        (false, true) => "trade-off",
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
    let (before, after) = (number("bytes_before").unwrap_or(0), number("predicted_bytes").unwrap_or(0));
    let seconds = summary.totals.get("predicted_seconds").and_then(Value::as_f64).unwrap_or(0.0);
    let mut lines = vec![format!(
        "trial: nothing is written. {}, {} tried (-v shows all). trade-off: no other is better in size, speed and bytes per point together",
        human_counted(arrays, "array"),
        human_counted(number("trials").unwrap_or(0), "compressor"),
    )];
    if before > 0 {
        lines.push(format!(
            "estimated for all: {} → {}{}, {} s to compress",
            human_bytes(before),
            human_bytes(after),
            saved(before, after),
            duration(seconds)
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_has_a_cell_per_column() {
        let trial = TrialRecord { ratio: 2.0, encode_threaded_gb_per_second: Some(1.5), ..TrialRecord::default() };
        assert_eq!(cells(&trial).len(), table(false, Objective::Size).columns.len());
        assert_eq!(cells(&trial)[3], "0.00/1.50");
    }

    #[test]
    fn best_of_each_array_are_shown_the_chosen_one_first() {
        let choice = ChoiceRecord { path: "/t2m".into(), command: "zrecompress a b".into(), ..ChoiceRecord::default() };
        for (all, shown) in [(false, "3 1 2"), (true, "3 1 2 4 5")] {
            let mut rows = rows(all);
            for rank in [4, 2, 5, 3, 1] {
                let trial = TrialRecord { rank, chosen: rank == 3, codec: rank.to_string(), ..TrialRecord::default() };
                assert!(rows(&Record::Trial(Box::new(trial))).is_empty());
            }
            let found = rows(&Record::Choice(Box::new(choice.clone())));
            let codec = |row: &Row| if let Row::Cells(cells) = row { Some(cells[1].clone()) } else { None };
            assert_eq!(found.iter().filter_map(codec).collect::<Vec<_>>().join(" "), shown);
            assert_eq!(found.last(), Some(&Row::Verbatim("zrecompress a b".into())));
        }
    }
}
