//! How the records of `zpoint` look in a terminal.

use std::borrow::Cow;

use serde_json::Value;
use zcli::{Align, Column, Drops, Row, Table};
use zwire::{ExtractionRecord, MatchRecord, Record, Summary, human_bytes, human_count, human_counted};

/// Points whose cells are listed.
const LISTED: u64 = 20;

/// The table of the plan, or of the cells of the points: of `all`, or of the first.
pub fn table(dry_run: bool, all: bool) -> Table {
    let text = |title| Column { title: Cow::Borrowed(title), align: Align::Left, shrinks: true, drops: Drops::Never };
    let number =
        |title| Column { title: Cow::Borrowed(title), align: Align::Right, shrinks: false, drops: Drops::Late };
    let columns = if dry_run {
        let titles = ["ROWS", "COLUMNS", "CHUNKS", "READ", "WANTED", "READ×", "FULL×", "BATCHES", "MEMORY", "OUTPUT"];
        std::iter::once(text("STORE")).chain(titles.map(number)).collect()
    } else {
        let titles = ["LAT", "LON", "GRID_LAT", "GRID_LON", "KM"];
        std::iter::once(text("POINT")).chain(titles.map(number)).chain([text("STORE")]).collect()
    };
    let mut matches = 0;
    Table {
        columns,
        rows: Box::new(move |record| match record {
            Record::Match(found) => {
                matches += 1;
                if all || matches <= LISTED { matched(found) } else { Vec::new() }
            }
            Record::Summary(_) if !all && matches > LISTED => {
                let more = human_counted(matches - LISTED, "more point");
                vec![Row::Note(format!("{more}; -v lists all"))]
            }
            Record::Extraction(plan) => vec![Row::Cells(planned(plan))],
            _ => Vec::new(),
        }),
        tree: false,
        footer,
    }
}

/// The table of rows with these columns.
pub fn rows(names: Vec<String>) -> Table {
    let column = |name: &String| Column {
        title: Cow::Owned(name.clone()),
        align: if name == "point_id" || name.contains("time") { Align::Left } else { Align::Right },
        shrinks: false,
        drops: drops(name),
    };
    Table {
        columns: names.iter().map(column).collect(),
        rows: Box::new(move |record| match record {
            Record::Row(row) => {
                let cell = |name: &String| row.values.get(name).map_or_else(String::new, cell);
                vec![Row::Cells(names.iter().map(cell).collect())]
            }
            _ => Vec::new(),
        }),
        tree: false,
        footer,
    }
}

/// Where a point lies is as asked for: its columns give way to values.
fn drops(name: &str) -> Drops {
    match name {
        "point_id" | "time" => Drops::Never,
        "lat" | "lon" | "grid_lat" | "grid_lon" | "distance_km" => Drops::Early,
        _ => Drops::Late,
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn matched(found: &MatchRecord) -> Vec<Row> {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let cells = vec![
        found.point_id.clone(),
        found.lat.to_string(),
        found.lon.to_string(),
        number(found.grid_lat),
        number(found.grid_lon),
        number(found.distance_km),
        found.store.clone(),
    ];
    let why = found.why.as_ref().map(|why| Row::Note(format!("    outside: {why}")));
    std::iter::once(Row::Cells(cells)).chain(why).collect()
}

fn planned(plan: &ExtractionRecord) -> Vec<String> {
    let times = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.0}×"));
    vec![
        plan.store.clone(),
        human_count(plan.rows),
        human_count(plan.columns),
        human_count(plan.chunks),
        human_bytes(plan.read_bytes),
        human_bytes(plan.wanted_bytes),
        times(plan.read_amplification),
        times(plan.full_chunk_amplification),
        human_count(plan.batches),
        human_bytes(plan.peak_memory_bytes),
        human_bytes(plan.output_bytes),
    ]
}

fn footer(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64);
    let Some(rows) = number("rows") else { return Vec::new() };
    let Some(columns) = number("columns") else {
        let (read, wanted) = (number("read_bytes").unwrap_or(0), number("wanted_bytes").unwrap_or(0));
        return vec![format!(
            "{} to read for {} requested (estimated from a few chunks)",
            human_bytes(read),
            human_bytes(wanted)
        )];
    };
    let mut words = vec![human_counted(rows, "row"), human_counted(columns, "column")];
    words.push(format!(
        "{} read of {}",
        human_bytes(number("bytes_read").unwrap_or(0)),
        human_counted(number("chunks_read").unwrap_or(0), "chunk")
    ));
    let whole = number("chunks_whole").unwrap_or(0);
    words.push(format!(
        "{} decoded, {}",
        human_counted(number("blocks_decoded").unwrap_or(0), "block"),
        human_counted(whole, "whole chunk")
    ));
    for (key, noun) in [("chunks_missing", "missing chunk"), ("chunks_failed", "unreadable chunk")] {
        words.extend(number(key).filter(|count| *count > 0).map(|count| human_counted(count, noun)));
    }
    let output = summary.totals.get("outputs").and_then(|outputs| outputs.get(0)).and_then(Value::as_str);
    let to = output.map_or_else(String::new, |output| format!(" to {output}"));
    words.extend(number("output_bytes").map(|bytes| format!("{} written{to}", human_bytes(bytes))));
    vec![words.join(" · ")]
}
