//! Terminal output of `zfetch`.

use std::borrow::Cow;

use serde_json::Value;
use zcli::{Align, Column, Drops, Row, Table};
use zwire::{Record, Summary, human_bytes, human_count, human_counted};

/// The table of a plan, or of what was fetched.
pub fn table(is_plan: bool) -> Table {
    let column = |title, align, shrinks, drops| Column { title: Cow::Borrowed(title), align, shrinks, drops };
    let number = |title| column(title, Align::Right, false, Drops::Never);
    let columns = match is_plan {
        true => vec![
            column("PATH", Align::Left, true, Drops::Never),
            number("OBJECTS"),
            number("SIZE"),
            number("AMPLIFICATION"),
            column("CODEC", Align::Left, true, Drops::Early),
        ],
        false => vec![
            column("PATH", Align::Left, true, Drops::Never),
            number("OBJECTS"),
            number("MISSING"),
            number("BYTES"),
            column("STORE", Align::Left, true, Drops::Early),
        ],
    };
    Table { columns, rows: Box::new(rows), tree: false, footer }
}

fn rows(record: &Record) -> Vec<Row> {
    let or_unknown = |number: Option<u64>, shown: fn(u64) -> String| number.map_or_else(|| "?".into(), shown);
    let cells = match record {
        Record::Plan(plan) => vec![
            plan.path.clone(),
            or_unknown(plan.objects_expected, human_count),
            or_unknown(plan.uncompressed_bytes, human_bytes),
            plan.amplification.map_or_else(String::new, |amplification| format!("{amplification:.1}")),
            plan.from.clone(),
        ],
        Record::Fetch(array) => vec![
            array.path.clone(),
            human_count(array.objects),
            human_count(array.missing),
            human_bytes(array.bytes),
            array.store.clone(),
        ],
        Record::Fetched(store) if store.already_complete => {
            vec![store.path.clone(), "complete".into(), String::new(), String::new(), store.store.clone()]
        }
        Record::Fetched(store) => vec![
            store.path.clone(),
            or_unknown(store.objects, human_count),
            or_unknown(store.missing, human_count),
            or_unknown(store.bytes, human_bytes),
            store.store.clone(),
        ],
        // Errors are printed to stderr, which is the same terminal.
        _ => return Vec::new(),
    };
    vec![Row::Cells(cells)]
}

fn footer(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64);
    let mut lines: Vec<String> = zcli::parts_line(summary).into_iter().collect();
    if let Some(reused) = number("reused").filter(|reused| *reused > 0) {
        lines.push(format!("{} in the cache already", human_counted(reused, "store")));
    }
    let all_reused = number("reused").is_some() && number("reused") == number("stores");
    if let (Some(objects), Some(bytes), false) = (number("objects"), number("bytes"), all_reused) {
        let missing = number("missing").filter(|missing| *missing > 0);
        let missing =
            missing.map_or_else(String::new, |missing| format!(", {} missing in the source", human_count(missing)));
        let verified = human_count(number("verified").unwrap_or(0));
        lines.push(format!(
            "{}, {}{missing}, {verified} verified",
            human_counted(objects, "object"),
            human_bytes(bytes)
        ));
    } else if let (Some(objects), Some(bytes)) = (number("objects_expected"), number("uncompressed_bytes")) {
        lines.push(format!(
            "dry run: nothing is written. {}, {} decoded",
            human_counted(objects, "object"),
            human_bytes(bytes)
        ));
    }
    lines
}
