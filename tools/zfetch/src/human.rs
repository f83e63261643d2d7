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
            number("EST. BYTES"),
            number("DECODED"),
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

/// The table of the entries of the cache.
pub fn cache_table() -> Table {
    let column = |title, align, drops| {
        let shrinks = align == Align::Left;
        Column { title: Cow::Borrowed(title), align, shrinks, drops }
    };
    let columns = vec![
        column("ENTRY", Align::Left, Drops::Never),
        column("SIZE", Align::Right, Drops::Never),
        column("STATE", Align::Left, Drops::Never),
        column("LAST USED", Align::Left, Drops::Late),
        column("STORE", Align::Left, Drops::Early),
    ];
    Table { columns, rows: Box::new(cache_rows), tree: false, footer: cache_footer }
}

fn cache_rows(record: &Record) -> Vec<Row> {
    let Record::CacheEntry(entry) = record else { return Vec::new() };
    let state = match (entry.evicted, &entry.reason) {
        (Some(true), _) => "evicted".to_owned(),
        (_, Some(reason)) => reason.clone(),
        _ if entry.failed.is_some_and(|failed| failed > 0) => "damaged".to_owned(),
        _ if entry.verified.is_some() => "verified".to_owned(),
        _ if !entry.complete => "not complete".to_owned(),
        _ if entry.pinned => "pinned".to_owned(),
        _ => "complete".to_owned(),
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = [entry.name.clone(), human_bytes(entry.disk_bytes), state, text(&entry.last_used), text(&entry.store)];
    vec![Row::Cells(cells.to_vec())]
}

fn cache_footer(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64);
    let entries =
        |count: u64| if count == 1 { "1 entry".to_owned() } else { format!("{} entries", human_count(count)) };
    match (number("entries"), number("disk_bytes"), number("verified"), number("evicted")) {
        (Some(count), Some(bytes), _, _) => vec![format!("{}, {}", entries(count), human_bytes(bytes))],
        (Some(count), None, Some(verified), _) => {
            let failed = number("failed").unwrap_or(0);
            vec![format!(
                "{}, {} verified, {} damaged",
                entries(count),
                human_counted(verified, "object"),
                human_count(failed)
            )]
        }
        (_, _, _, Some(count)) => {
            let verb =
                if summary.totals.get("dry_run") == Some(&Value::Bool(true)) { "would be evicted" } else { "evicted" };
            vec![format!("{} {verb}, {}", entries(count), human_bytes(number("freed_bytes").unwrap_or(0)))]
        }
        _ => Vec::new(),
    }
}

fn rows(record: &Record) -> Vec<Row> {
    let or_unknown = |number: Option<u64>, shown: fn(u64) -> String| number.map_or_else(|| "?".into(), shown);
    let cells = match record {
        Record::Plan(plan) => vec![
            plan.path.clone(),
            or_unknown(plan.objects_expected, human_count),
            or_unknown(plan.estimated_bytes, human_bytes),
            or_unknown(plan.uncompressed_bytes, human_bytes),
            plan.amplification.map_or_else(String::new, |amplification| format!("{amplification:.1}")),
            plan.from.clone(),
        ],
        Record::Fetch(array) => vec![
            array.path.clone(),
            human_count(array.objects),
            human_count(array.missing_objects),
            human_bytes(array.bytes),
            array.store.clone(),
        ],
        Record::Fetched(store) if store.already_complete => {
            let none = String::new;
            return vec![Row::Whole(vec![store.path.clone(), "complete".into(), none(), none(), store.store.clone()])];
        }
        Record::Fetched(store) => {
            return vec![Row::Whole(vec![
                store.path.clone(),
                or_unknown(store.objects, human_count),
                or_unknown(store.missing_objects, human_count),
                or_unknown(store.bytes, human_bytes),
                store.store.clone(),
            ])];
        }
        Record::CacheEntry(entry) if entry.evicted == Some(true) => {
            vec![entry.name.clone(), "evicted".into(), String::new(), human_bytes(entry.disk_bytes), String::new()]
        }
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
        let missing = number("missing_objects").filter(|missing| *missing > 0);
        let missing =
            missing.map_or_else(String::new, |missing| format!(", {} missing in the source", human_count(missing)));
        let verified = human_count(number("verified").unwrap_or(0));
        let checks = summary.totals.get("checks").and_then(Value::as_object);
        let checks = checks.into_iter().flatten().filter_map(|(check, count)| Some((check, count.as_u64()?)));
        let checks: String = checks.map(|(check, count)| format!(", {check} {}", human_count(count))).collect();
        let checks = checks.strip_prefix(", ").map_or_else(String::new, |checks| format!(" ({checks})"));
        lines.push(format!(
            "{}, {}{missing}, {verified} verified{checks}",
            human_counted(objects, "object"),
            human_bytes(bytes)
        ));
    } else if let (Some(objects), Some(bytes)) = (number("objects_expected"), number("uncompressed_bytes")) {
        let estimated = number("estimated_bytes").map_or_else(|| "?".into(), human_bytes);
        let objects = human_counted(objects, "object");
        lines.push(format!(
            "dry run: nothing is written. {objects}, about {estimated} to fetch, {} decoded",
            human_bytes(bytes)
        ));
    }
    lines
}
