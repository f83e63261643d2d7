//! How the records of `zvalidate` are shown in a terminal: a row for each array, and below them one note for each kind of finding
//! about it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::map::LEGEND;
use serde_json::Value;
use zcli::{Align, Column, Drops, Row, Table};
use zwire::{CheckRecord, FindingRecord, Record, Severity, Summary, human_bytes, human_count, human_counted};

/// Arrays up to which each has its row; of more, those with findings.
const SCREEN: usize = 30;

/// Notes that are shown; the others are counted.
const NOTES: usize = 60;

/// Keys that a note names.
const KEYS: usize = 3;

/// The table.
pub fn table(verbose: bool, several_stores: bool, strips: bool) -> Table {
    let column = |title: &'static str, align, drops| Column {
        title: Cow::Borrowed(title),
        align,
        shrinks: title == "PATH",
        drops,
    };
    let mut columns = Vec::new();
    if several_stores {
        columns.push(Column { shrinks: true, ..column("STORE", Align::Left, Drops::Never) });
    }
    columns.extend([column("PATH", Align::Left, Drops::Never), column("PRESENT", Align::Right, Drops::Never)]);
    if strips {
        columns.push(column("MAP", Align::Left, Drops::Late));
    }
    columns.extend([
        column("CHECKED", Align::Right, Drops::Late),
        column("STORED", Align::Right, Drops::Early),
        column("NAN", Align::Right, Drops::Late),
        column("FILL", Align::Right, Drops::Early),
        column("MIN", Align::Right, Drops::Early),
        column("MAX", Align::Right, Drops::Early),
        column("RESULT", Align::Left, Drops::Never),
    ]);
    let mut rows = Rows {
        verbose,
        several_stores,
        strips,
        has_holes: false,
        arrays: Vec::new(),
        sound: 0,
        groups: BTreeMap::new(),
        order: Vec::new(),
    };
    Table { columns, rows: Box::new(move |record| rows.of(record)), tree: false, footer }
}

/// Findings of one kind about one array.
struct Group {
    first: FindingRecord,
    records: u64,
    count: u64,
    keys: Vec<String>,
    labels: Option<[String; 2]>,
    /// Several runs of steps lie between the labels.
    has_gaps: bool,
}

type GroupKey = (String, String, String);

struct Rows {
    verbose: bool,
    several_stores: bool,
    /// Whether each array has a strip of its chunks.
    strips: bool,
    /// Whether a strip shows anything but stored chunks.
    has_holes: bool,
    /// Whether an array is sound, and its row.
    arrays: Vec<(bool, Row)>,
    /// Rows of sound arrays that are not kept.
    sound: u64,
    groups: BTreeMap<GroupKey, Group>,
    order: Vec<GroupKey>,
}

impl Rows {
    fn of(&mut self, record: &Record) -> Vec<Row> {
        match record {
            Record::Finding(finding) => self.finding(finding),
            Record::Check(check) => self.check(check),
            Record::Summary(_) => return self.all(),
            _ => {}
        }
        Vec::new()
    }

    fn check(&mut self, check: &CheckRecord) {
        let is_sound = check.findings == 0;
        if self.arrays.len() >= 1000 * SCREEN && is_sound {
            self.sound += 1;
            return;
        }
        self.has_holes |= check.map.as_ref().is_some_and(|map| map.chars().any(|character| character != '█'));
        self.arrays.push((is_sound, Row::Cells(cells(check, self.several_stores, self.strips))));
    }

    fn finding(&mut self, finding: &FindingRecord) {
        let key = (finding.store.clone(), finding.path.clone().unwrap_or_default(), finding.kind.clone());
        let count = finding.count.unwrap_or(1);
        let Some(group) = self.groups.get_mut(&key) else {
            let group = Group {
                first: finding.clone(),
                records: 1,
                count,
                keys: finding.key.iter().cloned().collect(),
                labels: finding.labels.clone(),
                has_gaps: false,
            };
            self.groups.insert(key.clone(), group);
            self.order.push(key);
            return;
        };
        group.records += 1;
        group.count += count;
        if group.keys.len() < KEYS {
            group.keys.extend(finding.key.clone());
        }
        if let (Some([_, last]), Some([_, more])) = (&mut group.labels, &finding.labels) {
            group.has_gaps |= *last != *more;
            more.clone_into(last);
        }
    }

    fn all(&mut self) -> Vec<Row> {
        let arrays = std::mem::take(&mut self.arrays);
        let all = arrays.len() <= SCREEN || self.verbose;
        let hidden = self.sound + arrays.iter().filter(|(is_sound, _)| *is_sound && !all).count() as u64;
        let mut rows: Vec<Row> =
            arrays.into_iter().filter(|(is_sound, _)| all || !is_sound).map(|(_, row)| row).collect();
        if hidden > 0 {
            rows.push(Row::Note(format!(
                "{} without errors and warnings; -v shows all",
                human_counted(hidden, "more array")
            )));
        }
        if self.has_holes {
            rows.push(Row::Note(LEGEND.to_owned()));
        }
        let mut order = std::mem::take(&mut self.order);
        // The worst first; of the same severity, in the order in which they were found.
        order.sort_by_key(|key| std::cmp::Reverse(self.groups.get(key).map(|group| group.first.severity)));
        let shown = if self.verbose { order.len() } else { NOTES };
        let is_shown = |group: &&Group| self.verbose || group.first.severity > Severity::Info;
        let groups: Vec<&Group> = order.iter().filter_map(|key| self.groups.get(key)).collect();
        let quiet = groups.iter().filter(|group| !is_shown(group)).count();
        let groups: Vec<&Group> = groups.into_iter().filter(is_shown).collect();
        rows.extend(groups.iter().take(shown).flat_map(|group| group.rows(self.several_stores, self.verbose)));
        if groups.len() > shown {
            rows.push(Row::Note(format!("{} more kinds of findings; -v shows all", groups.len() - shown)));
        }
        if quiet > 0 {
            let noun = if quiet == 1 { "note is" } else { "notes are" };
            rows.push(Row::Note(format!("{quiet} {noun} not shown (info); -v shows all")));
        }
        rows
    }
}

impl Group {
    /// `error: t2m: missing_steps: 312 chunks, all of 2019-03-04 … 2019-03-07`, and what to do.
    fn rows(&self, several_stores: bool, verbose: bool) -> Vec<Row> {
        let first = &self.first;
        let place = match (&first.path, several_stores) {
            (Some(path), true) => format!("{} {path}", first.store),
            (Some(path), false) => path.clone(),
            (None, _) => first.store.clone(),
        };
        let found = if self.records == 1 {
            let expected = first.expected.as_ref().map(|text| format!(" (expected {text})")).unwrap_or_default();
            format!("{}{expected}", first.found)
        } else {
            human_counted(self.count, noun(&first.kind))
        };
        let along = match (&self.labels, &first.dim) {
            (Some([first, last]), Some(dim)) if first == last => format!("; {dim} {first}"),
            (Some([first, last]), Some(dim)) => {
                let of = if self.has_gaps { "between" } else { "all of" };
                format!("; {of} {dim} {first} … {last}")
            }
            _ => String::new(),
        };
        let keys = match self.keys.len() as u64 {
            0 => String::new(),
            shown if shown < self.records => format!("; {}, …", self.keys.join(", ")),
            _ => format!("; {}", self.keys.join(", ")),
        };
        let mut rows =
            vec![Row::Note(format!("{}: {place}: {}: {found}{along}{keys}", first.severity.name(), first.kind))];
        if verbose || first.severity > Severity::Info {
            rows.push(Row::Note(format!("    {}", first.hint)));
        }
        rows.extend(first.command.clone().map(|command| Row::Verbatim(format!("    {command}"))));
        rows
    }
}

/// What is counted.
fn noun(kind: &str) -> &'static str {
    match kind {
        _ if kind.starts_with("coordinate_") => "value",
        "nan_steps" | "constant_steps" => "value",
        "unknown_key" | "temporary_file" | "outside_grid" | "wrong_separator" | "link" => "key",
        "consolidated_stale" | "metadata_invalid" => "node",
        _ => "chunk",
    }
}

fn cells(check: &CheckRecord, several_stores: bool, strips: bool) -> Vec<String> {
    let count = |count: Option<u64>| count.map(human_count).unwrap_or_default();
    let present = match (check.present, check.expected) {
        (Some(present), Some(expected)) if present != expected => {
            format!("{}/{}", human_count(present), human_count(expected))
        }
        (present, _) => count(present),
    };
    let share = |share: Option<f64>| share.map(|share| format!("{:.1}%", share * 100.0)).unwrap_or_default();
    let value = |value: &Option<Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
        Some(value) => value.as_f64().map(|value| format!("{}", (value * 1e4).round() / 1e4)).unwrap_or_default(),
        None => String::new(),
    };
    let result = match check.findings {
        0 => "ok".to_owned(),
        count => human_counted(count, "finding"),
    };
    let mut cells = if several_stores { vec![check.store.clone()] } else { Vec::new() };
    cells.extend([check.path.clone(), present]);
    if strips {
        cells.push(check.map.clone().unwrap_or_default());
    }
    cells.extend([
        count(check.chunks_checked),
        check.stored_bytes.map(human_bytes).unwrap_or_default(),
        share(check.nan_share),
        share(check.fill_share),
        value(&check.min),
        value(&check.max),
        result,
    ]);
    cells
}

fn footer(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64).unwrap_or(0);
    let level = summary.totals.get("level").and_then(Value::as_str).unwrap_or("none");
    let mut words = vec![human_counted(number("arrays"), "array"), format!("level {level}")];
    words.push(format!(
        "{} of {} present",
        human_count(number("objects_present")),
        human_counted(number("objects_expected"), "object")
    ));
    if number("chunks_checked") > 0 {
        let damaged = human_count(number("chunks_damaged"));
        words.push(format!("{} checked, {damaged} damaged", human_counted(number("chunks_checked"), "chunk")));
    }
    let mut lines = vec![words.join(" · ")];
    lines.extend(severities(&number));
    let is_clean = number("severity_error") + number("severity_warning") == 0;
    let unseen = number("kind_values_not_checked");
    if unseen > 0 {
        lines.push(format!("values not looked at: {}; -v tells which", human_counted(unseen, "array")));
    }
    lines.extend(next(level, is_clean, &number));
    lines
}

/// How many errors and warnings there are; nothing where no array was checked.
pub fn severities(number: &impl Fn(&str) -> u64) -> Vec<String> {
    let severities = ["error", "warning"].map(|name| (name, number(&format!("severity_{name}"))));
    let found: Vec<String> =
        severities.iter().filter(|(_, count)| *count > 0).map(|(name, count)| human_counted(*count, name)).collect();
    match found.is_empty() {
        true if number("arrays") == 0 => Vec::new(),
        true => vec!["no errors, no warnings".into()],
        false => vec![found.join(", ")],
    }
}

/// What to run next.
fn next(level: &str, is_clean: bool, number: &impl Fn(&str) -> u64) -> Option<String> {
    let any = |kinds: &[&str]| kinds.iter().any(|kind| number(&format!("kind_{kind}")) > 0);
    let text = match level {
        _ if any(&["wrong_separator"]) => "correct the separator in the metadata, then run zvalidate again",
        _ if any(&["no_chunks", "missing_steps", "missing_chunks", "missing_null_fill", "too_few_chunks"])
            && !is_clean =>
        {
            "fetch what is missing again (zfetch), then run zvalidate again; --json lists keys and steps"
        }
        _ if number("chunks_damaged") > 0 => {
            "fetch the damaged chunks again, then run zvalidate again; --json lists their keys"
        }
        _ if any(&["typesize"]) => "zinspect -v shows the command that recompresses the array",
        "list" if is_clean => "--level header checks the first bytes of each chunk, --level full every value",
        "header" if is_clean => "--level full checks every value",
        _ => return None,
    };
    Some(format!("next: {text}"))
}
