//! Terminal output of `zrecompress`.

use std::borrow::Cow;

use serde_json::Value;
use zcli::{Align, Column, Drops, Row, Table};
use zwire::{PlanRecord, Record, Summary, human_bytes, human_count, human_counted};

/// The table of a run, or of a plan; of `several` stores, it names each. `in_place`, nothing is copied.
pub fn table(is_plan: bool, several: bool, in_place: bool) -> Table {
    let column = |title, align, shrinks, drops| Column { title: Cow::Borrowed(title), align, shrinks, drops };
    let text = |title, drops| column(title, Align::Left, true, drops);
    let number = |title, drops| column(title, Align::Right, false, drops);
    let sizes: &[&str] = if is_plan { &["SIZE"] } else { &["BEFORE", "AFTER", "GAIN"] };
    let mut columns = vec![
        text("PATH", Drops::Never),
        column("ACTION", Align::Left, false, Drops::Never),
        number("OBJECTS", Drops::Late),
    ];
    columns.extend(sizes.iter().map(|title| number(title, Drops::Never)));
    // zinspect shows how it was.
    columns.extend([text("FROM", Drops::Early), text("TO", Drops::Never)]);
    Table { columns, rows: Box::new(named(several, in_place)), tree: false, footer }
}

/// The rows of records, of `several` stores below a line with the name of each.
fn named(several: bool, in_place: bool) -> impl FnMut(&Record) -> Vec<Row> + Send {
    let mut last = String::new();
    move |record| {
        let store = match record {
            Record::Recompress(array) => Some(&array.store),
            Record::Plan(plan) => Some(&plan.store),
            _ => None,
        };
        let next = store.filter(|store| several && **store != last);
        let heading = next.map(|store| {
            last.clone_from(store);
            Row::Note(format!("{store}:"))
        });
        heading.into_iter().chain(rows(record, in_place)).collect()
    }
}

/// What stands in place of the new codec of an array that is only copied.
fn unchanged(reason: &str) -> String {
    format!("unchanged: {reason}")
}

fn rows(record: &Record, in_place: bool) -> Vec<Row> {
    match record {
        Record::Recompress(array) => {
            let reason = array.reason.as_ref().filter(|_| array.action == "copy");
            let to = reason.map_or_else(|| array.to.clone(), |reason| unchanged(reason));
            if in_place && array.action == "copy" {
                let (path, from, none) = (array.path.clone(), array.from.clone(), String::new);
                return vec![Row::Cells(vec![path, "none".into(), none(), none(), none(), none(), from, to])];
            }
            let gain = array.gain.map_or_else(String::new, |gain| format!("{gain:.2}"));
            vec![Row::Cells(vec![
                array.path.clone(),
                array.action.clone(),
                human_count(array.objects),
                human_bytes(array.bytes_before),
                human_bytes(array.bytes_after),
                gain,
                array.from.clone(),
                to,
            ])]
        }
        Record::Plan(plan) => plan_rows(plan, in_place),
        // Errors are printed to stderr, which is the same terminal.
        _ => Vec::new(),
    }
}

fn plan_rows(plan: &PlanRecord, in_place: bool) -> Vec<Row> {
    let reason = plan.reason.as_ref().filter(|_| plan.action == "copy");
    let action = if in_place && plan.action == "copy" { "none".to_owned() } else { plan.action.clone() };
    let cells = Row::Cells(vec![
        plan.path.clone(),
        action,
        plan.objects_expected.map_or_else(|| "?".into(), human_count),
        plan.uncompressed_bytes.map_or_else(|| "?".into(), human_bytes),
        plan.from.clone(),
        reason.map_or_else(|| plan.to.clone(), |reason| unchanged(reason)),
    ]);
    let (Some(chunk), Some(regions), Some(reads), Some(decodes), Some(peak)) =
        (&plan.chunk_shape, plan.regions, plan.chunk_reads, plan.decodes, plan.peak_memory_bytes)
    else {
        return vec![cells];
    };
    let shape = |shape: &[u64]| shape.iter().map(u64::to_string).collect::<Vec<_>>().join("×");
    let shards = plan.shard_shape.as_ref().map_or_else(String::new, |shard| format!(" in shards of {}", shape(shard)));
    let read = plan.bytes_to_read.map_or_else(String::new, |bytes| format!(", {} to read", human_bytes(bytes)));
    let scratch = plan.temporary_bytes.filter(|bytes| *bytes > 0);
    let scratch = scratch.map_or_else(String::new, |bytes| format!(", a scratch file of {}", human_bytes(bytes)));
    let note = format!(
        "chunks of {}{shards}: {}, each source chunk read {reads}× and decoded {decodes}× on average{read}, peak memory \
         {}{scratch}",
        shape(chunk),
        human_counted(regions, "region"),
        human_bytes(peak)
    );
    vec![cells, Row::Note(note)]
}

/// The share of the stored bytes that is saved.
pub fn saved(before: u64, after: u64) -> String {
    let share = |part: u64| (100.0 * part as f64 / before as f64).round();
    match before {
        0 => String::new(),
        _ if after > before => format!(" ({}% larger)", share(after - before)),
        _ => format!(" ({}% saved)", share(before - after)),
    }
}

/// How many of several stores were written.
fn stores_done(summary: &Summary) -> Option<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64);
    let stores = number("stores")?;
    let (failed, complete) = (number("stores_failed").unwrap_or(0), number("stores_complete").unwrap_or(0));
    let done = stores.saturating_sub(failed + complete);
    Some(match failed {
        0 => human_counted(done, "store"),
        _ => format!("{} of {}", human_count(done), human_counted(stores, "store")),
    })
}

/// The lines below a table.
pub fn footer(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64);
    let mut lines = Vec::new();
    if let Some(complete) = number("stores_complete").filter(|stores| *stores > 0) {
        lines.push(format!("{} already complete", human_counted(complete, "store")));
    }
    if let (Some(before), Some(after)) = (number("bytes_before"), number("bytes_after")) {
        let verified = number("verified").unwrap_or(0);
        let stores = stores_done(summary).map_or_else(String::new, |stores| stores + ", ");
        let copied = number("bad_chunks_copied").unwrap_or(0);
        let copied = match copied {
            0 => String::new(),
            _ => format!(", {} copied as stored", human_counted(copied, "bad chunk")),
        };
        lines.push(format!(
            "{stores}{}, {} → {}{}, {} verified{copied}",
            human_counted(number("objects").unwrap_or(0), "object"),
            human_bytes(before),
            human_bytes(after),
            saved(before, after),
            human_count(verified)
        ));
    } else if let Some(line) = zcli::parts_line(summary) {
        lines.push(line);
    } else if let Some(bytes) = number("uncompressed_bytes") {
        lines.push(format!(
            "dry run: nothing is written. {} decoded, {}, peak memory {}",
            human_bytes(bytes),
            human_counted(number("jobs").unwrap_or(0), "worker"),
            human_bytes(number("memory_bytes").unwrap_or(0))
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_that_failed_are_not_counted_as_done() {
        let summary = |totals: Value| Summary {
            totals: totals.as_object().cloned().unwrap_or_default(),
            v: zwire::V1,
            tool: "zrecompress".into(),
            exit: zwire::Exit::Partial,
            errors: 0,
            timing: None,
        };
        let line = |totals: Value| footer(&summary(totals)).pop().unwrap_or_default();
        let counts = |stores: Value| {
            let mut counts = serde_json::json!({"objects": 3, "bytes_before": 8, "bytes_after": 4, "verified": 3});
            counts
                .as_object_mut()
                .into_iter()
                .for_each(|counts| counts.extend(stores.as_object().cloned().unwrap_or_default()));
            line(counts)
        };
        let rest = "3 objects, 8 B → 4 B (50% saved), 3 verified";
        assert_eq!(counts(serde_json::json!({"stores": 44})), format!("44 stores, {rest}"));
        assert_eq!(counts(serde_json::json!({"stores": 44, "stores_failed": 1})), format!("43 of 44 stores, {rest}"));
        let bad = counts(serde_json::json!({"bad_chunks_copied": 2}));
        assert_eq!(bad, format!("{rest}, 2 bad chunks copied as stored"));
    }

    #[test]
    fn the_share_that_is_saved_is_told() {
        for (before, after, text) in
            [(0, 0, ""), (200, 100, " (50% saved)"), (100, 100, " (0% saved)"), (100, 250, " (150% larger)")]
        {
            assert_eq!(saved(before, after), text);
        }
    }
}
