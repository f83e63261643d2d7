//! How the records of `zdedup` are shown in a terminal: a row for each batch, and below it where its duplicates are.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;
use zcli::{Align, Column, Drops, Row, Table};
use zwire::{BatchRecord, ConflictRecord, DuplicateRecord, Record, Summary, human_bytes, human_count, human_counted};

/// Notes that are shown; the others are counted.
const NOTES: usize = 60;

/// The table.
pub fn table(writes: bool) -> Table {
    let column = |title, align, shrinks, drops| Column { title: Cow::Borrowed(title), align, shrinks, drops };
    let columns = vec![
        column("BATCH", Align::Left, true, Drops::Never),
        column("VALUES", Align::Right, false, Drops::Never),
        column("FIRST", Align::Left, false, Drops::Never),
        column("LAST", Align::Left, false, Drops::Never),
        column("DUPLICATES", Align::Right, false, Drops::Never),
        column("KEPT", Align::Right, false, Drops::late(!writes)),
    ];
    let mut rows = Rows::default();
    Table { columns, rows: Box::new(move |record| rows.of(record)), tree: false, footer }
}

/// Duplicates of a batch that follow each other in both stores.
struct Run {
    store: String,
    first_store: String,
    index: u64,
    first_index: u64,
    length: u64,
    values: [String; 2],
    data: String,
}

/// Variables that differ between two stores.
struct Conflicts {
    path: String,
    stores: [String; 2],
    values: [String; 2],
    count: u64,
    differing: u64,
    largest: Option<Value>,
}

#[derive(Default)]
struct Rows {
    runs: Vec<Run>,
    conflicts: Vec<Conflicts>,
    faults: Vec<String>,
    batches: Vec<BatchRecord>,
}

impl Rows {
    fn of(&mut self, record: &Record) -> Vec<Row> {
        match record {
            Record::Duplicate(duplicate) => self.duplicate(duplicate),
            Record::Conflict(conflict) => self.conflict(conflict),
            Record::Coordinate(fault) => {
                let text = |label: &Option<String>| label.clone().unwrap_or_default();
                let (after, before) = (text(&fault.after), text(&fault.before));
                self.faults.push(match fault.kind.as_str() {
                    "gap" => {
                        let steps = human_counted(fault.missing.unwrap_or(0), "step");
                        format!("{} missing between {after} and {before}", verb(&steps))
                    }
                    "unsorted" => format!("{before} comes after {after} (index {} in {})", fault.index, fault.store),
                    "near_duplicate" => format!("{after} and {before} are much closer than a step ({})", fault.store),
                    _ => format!("index {} has no value in {}", fault.index, fault.store),
                });
            }
            Record::Batch(batch) => self.batches.push((**batch).clone()),
            Record::Plan(plan) => {
                return vec![Row::Note(format!(
                    "{}: {} {}{}, {} decoded",
                    plan.path,
                    plan.action,
                    plan.objects_expected.map_or_else(|| "?".into(), |objects| human_counted(objects, "object")),
                    match (plan.objects_copied, plan.objects_recoded) {
                        (Some(copied), Some(recoded)) => {
                            let of = |bytes: Option<u64>| {
                                bytes.map_or_else(String::new, |bytes| format!(", {}", human_bytes(bytes)))
                            };
                            let copied = human_count(copied) + &of(plan.uncompressed_bytes_copied);
                            let recoded = human_count(recoded) + &of(plan.uncompressed_bytes_recoded);
                            format!(" ({copied} copied; {recoded} encoded again)")
                        }
                        _ => String::new(),
                    },
                    plan.uncompressed_bytes.map_or_else(|| "?".into(), human_bytes)
                ))];
            }
            Record::Summary(_) => return self.all(),
            _ => {}
        }
        Vec::new()
    }

    fn duplicate(&mut self, duplicate: &DuplicateRecord) {
        let (Some(first_store), Some(first_index)) = (duplicate.stores.first(), duplicate.indices.first()) else {
            return;
        };
        for (store, index) in duplicate.stores.iter().zip(&duplicate.indices).skip(1) {
            let follows = |run: &&mut Run| {
                run.store == *store
                    && run.first_store == *first_store
                    && run.index + run.length == *index
                    && run.first_index + run.length == *first_index
                    && run.data == duplicate.data
            };
            match self.runs.iter_mut().rev().take(64).find(follows) {
                Some(run) => {
                    run.length += 1;
                    run.values[1].clone_from(&duplicate.value);
                }
                None => self.runs.push(Run {
                    store: store.clone(),
                    first_store: first_store.clone(),
                    index: *index,
                    first_index: *first_index,
                    length: 1,
                    values: [duplicate.value.clone(), duplicate.value.clone()],
                    data: duplicate.data.clone(),
                }),
            }
        }
    }

    fn conflict(&mut self, conflict: &ConflictRecord) {
        let stores = [conflict.store.clone(), conflict.other_store.clone()];
        let larger = |a: &Option<Value>, b: &Option<Value>| {
            let number = |value: &Option<Value>| value.as_ref().map(|value| value.as_f64().unwrap_or(f64::INFINITY));
            if number(a) >= number(b) { a.clone() } else { b.clone() }
        };
        match self
            .conflicts
            .iter_mut()
            .rev()
            .take(64)
            .find(|known| known.path == conflict.path && known.stores == stores)
        {
            Some(known) => {
                known.count += 1;
                known.differing += conflict.differing;
                known.values[1].clone_from(&conflict.value);
                known.largest = larger(&known.largest, &conflict.max_abs_difference);
            }
            None => self.conflicts.push(Conflicts {
                path: conflict.path.clone(),
                stores,
                values: [conflict.value.clone(), conflict.value.clone()],
                count: 1,
                differing: conflict.differing,
                largest: conflict.max_abs_difference.clone(),
            }),
        }
    }

    fn all(&mut self) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut left = NOTES;
        let mut runs: HashMap<&str, Vec<&Run>> = HashMap::new();
        self.runs.iter().for_each(|run| runs.entry(run.store.as_str()).or_default().push(run));
        for batch in &self.batches {
            rows.push(Row::Whole(vec![
                batch.store.clone(),
                human_count(batch.length),
                batch.first.clone().unwrap_or_default(),
                batch.last.clone().unwrap_or_default(),
                human_count(batch.duplicates),
                human_count(batch.kept),
            ]));
            let own = runs.remove(batch.store.as_str()).unwrap_or_default();
            for run in own.iter().take(left) {
                let data = run.data.replace('_', " ");
                rows.push(Row::Note(format!("{} also in {}: {data}", range(&run.values), run.first_store)));
            }
            if own.len() > left {
                rows.push(Row::Note(format!("{} more ranges of duplicates; use --json", own.len() - left)));
            }
            left = left.saturating_sub(own.len());
        }
        let conflicts = self.conflicts.iter().map(|conflict| {
            let largest = match &conflict.largest {
                Some(largest) => format!(", by up to {largest}"),
                None => String::new(),
            };
            let values = human_counted(conflict.differing, "element");
            format!(
                "{}: {values} under {} differ between {} and {}{largest}",
                conflict.path,
                range(&conflict.values),
                conflict.stores[0],
                conflict.stores[1]
            )
        });
        let notes: Vec<String> = conflicts.chain(self.faults.drain(..)).collect();
        rows.extend(notes.iter().take(NOTES).map(|note| Row::Note(note.clone())));
        if notes.len() > NOTES {
            rows.push(Row::Note(format!("{} more findings; use --json", notes.len() - NOTES)));
        }
        rows
    }
}

fn range([first, last]: &[String; 2]) -> String {
    if first == last { first.clone() } else { format!("{first} … {last}") }
}

fn verb(counted: &str) -> String {
    format!("{counted} {}", if counted.starts_with("1 ") { "is" } else { "are" })
}

fn footer(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut lines: Vec<String> = zcli::parts_line(summary).into_iter().collect();
    if number("batches") == 0 {
        return lines;
    }
    let (identical, conflicting, duplicates) = (number("identical"), number("conflicting"), number("duplicates"));
    let values = identical + conflicting;
    let of_values = match (values, conflicting) {
        (0, _) => String::new(),
        (_, 0) => format!(" of {}, all with identical data", human_counted(values, "value")),
        _ => format!(" of {}, {} with conflicting data", human_counted(values, "value"), human_count(conflicting)),
    };
    lines.push(format!(
        "{}, {}, {} unique, {}{of_values}",
        human_counted(number("batches"), "store"),
        human_counted(number("values"), "value"),
        human_count(number("unique")),
        human_counted(duplicates, "duplicate"),
    ));
    if summary.totals.contains_key("objects_expected") {
        let (values, bytes) = (number("kept"), human_bytes(number("uncompressed_bytes")));
        lines.push(format!("dry run: nothing is written. {}, {bytes} decoded", human_counted(values, "value")));
    } else if summary.totals.contains_key("kept") {
        lines.push(format!(
            "{} written: {} copied, {} encoded again, {}, {} verified",
            human_counted(number("objects"), "object"),
            human_count(number("copied")),
            human_count(number("recoded")),
            human_bytes(number("bytes")),
            human_count(number("verified"))
        ));
    }
    lines
}
