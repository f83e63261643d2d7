//! How a comparison is shown in a terminal: a row for each array, and below them what differs.

use std::borrow::Cow;

use serde_json::Value;
use zcli::{Align, Column, Drops, Row, Table};
use zwire::{CompareRecord, FindingRecord, Record, Severity, Summary, human_count, human_counted};

/// Notes that are shown; the others are counted.
const NOTES: usize = 60;

/// The table.
pub fn table(verbose: bool) -> Table {
    let column = |title: &'static str, align, drops| Column {
        title: Cow::Borrowed(title),
        align,
        shrinks: title == "PATH",
        drops,
    };
    let columns = vec![
        column("PATH", Align::Left, Drops::Never),
        column("COMPARED", Align::Right, Drops::Late),
        column("DIFFERING", Align::Right, Drops::Never),
        column("MAX DIFFERENCE", Align::Right, Drops::Late),
        column("FIRST", Align::Left, Drops::Late),
        column("RESULT", Align::Left, Drops::Never),
    ];
    let (mut notes, mut hidden) = (Vec::new(), 0u64);
    let rows = move |record: &Record| match record {
        Record::Compare(compare) => vec![Row::Cells(cells(compare))],
        Record::Finding(finding) if finding.severity == Severity::Info && !verbose => Vec::new(),
        Record::Finding(finding) => {
            match notes.len() < NOTES || verbose {
                true => notes.push(note(finding)),
                false => hidden += 1,
            }
            Vec::new()
        }
        Record::Summary(_) => {
            let more = (hidden > 0)
                .then(|| Row::Note(format!("{} not shown; -v shows all", human_counted(hidden, "more finding"))));
            std::mem::take(&mut notes).into_iter().chain(more).collect()
        }
        _ => Vec::new(),
    };
    Table { columns, rows: Box::new(rows), tree: false, footer }
}

fn note(finding: &FindingRecord) -> Row {
    let place = [finding.path.as_deref(), finding.key.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let expected = finding.expected.as_ref().map(|text| format!(" (expected {text})")).unwrap_or_default();
    Row::Note(format!("{}: {place}: {}: {}{expected}", finding.severity.name(), finding.kind, finding.found))
}

fn cells(compare: &CompareRecord) -> Vec<String> {
    let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    vec![
        compare.path.clone(),
        human_count(compare.compared),
        if compare.differing == 0 { String::new() } else { human_count(compare.differing) },
        compare.max_abs_difference.as_ref().map(value).unwrap_or_default(),
        compare.first_index.as_ref().map(|index| format!("{index:?}")).unwrap_or_default(),
        result(compare),
    ]
}

/// `partly compared, 38 chunks not fetched`.
fn result(compare: &CompareRecord) -> String {
    let mut words = vec![compare.result.replace('_', " ")];
    if compare.chunks_skipped > 0 {
        words.push(format!("{} not fetched", human_counted(compare.chunks_skipped, "chunk")));
    }
    if compare.findings > 0 && compare.differing == 0 {
        words.push(human_counted(compare.findings, "finding"));
    }
    words.join(", ")
}

fn footer(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut line = vec![
        human_counted(number("arrays"), "array"),
        format!("{} compared", human_counted(number("values_compared"), "value")),
    ];
    if number("chunks_identical") > 0 {
        line.push(format!("{} equal as stored", human_counted(number("chunks_identical"), "chunk")));
    }
    let verdict =
        match (number("arrays_differing") + number("severity_error") + number("severity_warning"), summary.errors) {
            (0, 0) if number("chunks_skipped") > 0 => format!(
                "no differences in what was compared; {} not fetched",
                human_counted(number("chunks_skipped"), "chunk")
            ),
            (0, 0) => "the stores are equal".to_owned(),
            (0, errors) => format!("no differences found, but {} could not be compared", human_counted(errors, "item")),
            _ if number("arrays_differing") == 1 => "1 array differs".to_owned(),
            _ => format!("{} differ", human_counted(number("arrays_differing"), "array")),
        };
    vec![line.join(" · "), verdict]
}
