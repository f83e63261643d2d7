//! How the records of `zinspect` are shown in a terminal.

use std::borrow::Cow;

use serde_json::Value;
use zcli::{Align, Column, Drops, Row, Table};
use zwire::{
    ArrayRecord, BenchRecord, ChunkRecord, ConsolidatedRecord, Record, Summary, human_bytes, human_count, human_counted,
};

use crate::alike::{Shown, Store, Stores, name_of};
use crate::options::TableOptions;
use crate::presence::{first_divided, strip};

/// The table.
pub fn table(options: TableOptions) -> Table {
    // Hidden first on a narrow terminal: columns that can be derived from others.
    let drops = |title| match title {
        "DTYPE" | "CHUNK" => Drops::Early,
        "SHAPE" | "BLOCKS" if options.sizes => Drops::Early,
        "RATIO" | "BLOCKS" => Drops::Late,
        _ => Drops::Never,
    };
    let text =
        |title, shrinks| Column { title: Cow::Borrowed(title), align: Align::Left, shrinks, drops: drops(title) };
    let number =
        |title| Column { title: Cow::Borrowed(title), align: Align::Right, shrinks: false, drops: drops(title) };
    let mut columns = vec![text(if options.tree { "NODE" } else { "PATH" }, true), text("DTYPE", false)];
    columns.extend([text("SHAPE", true), text("CHUNK", true), number("SIZE")]);
    if options.sizes {
        columns.extend([number("STORED"), number("RATIO"), number("PRESENT")]);
    }
    columns.extend([text("CODEC", true), number("BLOCKS"), text("VERDICT", false)]);
    let mut rows = Rows { options, store: None, stores: Stores::default() };
    Table { columns, rows: Box::new(move |record| rows.of(record)), tree: options.tree, footer }
}

/// Turns records into rows: at once, or when all are known, so that what is alike has one row.
struct Rows {
    options: TableOptions,
    /// The store of the last record.
    store: Option<Store>,
    stores: Stores,
}

impl Rows {
    fn of(&mut self, record: &Record) -> Vec<Row> {
        if matches!(record, Record::Summary(_)) {
            return self.all();
        }
        let Some((name, entry)) = entry(record, self.options) else { return Vec::new() };
        let mut rows = Vec::new();
        if self.store.as_ref().is_none_or(|store| store.name() != name) {
            rows.extend(self.options.several_stores.then(|| Row::Note(format!("{name}:"))));
            self.stores.add_some(self.store.replace(Store::named(name)));
        }
        if self.options.verbose || self.options.tree {
            rows.extend(self.rows(entry));
            return rows;
        }
        if let Some(store) = &mut self.store {
            match entry {
                Entry::Node(node) => store.node(node),
                Entry::Note(text) => store.note(text),
            }
        }
        Vec::new()
    }

    fn rows(&self, entry: Entry) -> Vec<Row> {
        match entry {
            Entry::Node(node) => node_rows(&node, 1, self.options),
            Entry::Note(text) => vec![Row::Note(text)],
        }
    }

    fn all(&mut self) -> Vec<Row> {
        if self.options.verbose || self.options.tree {
            // All rows have been shown.
            return Vec::new();
        }
        self.stores.add_some(self.store.take());
        let named = self.options.several_stores;
        let rows = |store: Store| store.into_rows(named, |node, count| node_rows(node, count, self.options));
        self.stores.take().into_iter().flat_map(rows).collect()
    }
}

/// What a record becomes.
enum Entry {
    Node(Shown),
    Note(String),
}

fn note(store: &str, text: String) -> Option<(&str, Entry)> {
    Some((store, Entry::Note(text)))
}

/// The store of a record, and what it becomes; none for records that are not shown.
fn entry(record: &Record, TableOptions { verbose, .. }: TableOptions) -> Option<(&str, Entry)> {
    match record {
        Record::Group(group) => Some((&group.store, Entry::Node(Shown { path: group.path.clone(), array: None }))),
        Record::Array(array) => {
            let shown = Shown { path: array.path.clone(), array: Some(array.clone()) };
            Some((&array.store, Entry::Node(shown)))
        }
        Record::Chunk(chunk) if verbose || !chunk.problems.is_empty() => {
            note(&chunk.store, indented(&chunk_line(chunk)))
        }
        Record::Key(key) => note(&key.store, format!("{} ({}): {}", key.key, human_bytes(key.stored_bytes), key.kind)),
        Record::Consolidated(difference) => note(&difference.store, consolidated_line(difference)),
        Record::Bench(bench) => note(&bench.store, indented(&bench_line(bench))),
        // Errors are printed to stderr, which is the same terminal.
        _ => None,
    }
}

/// The rows of a node that stands for `count` nodes.
fn node_rows(node: &Shown, count: usize, options: TableOptions) -> Vec<Row> {
    let Some(array) = &node.array else {
        let path = name_of(&group_path(&node.path, options.tree), count);
        let mut cells = vec![String::new(); if options.sizes { 11 } else { 8 }];
        (cells[0], cells[if options.sizes { 10 } else { 7 }]) = (path, "group".into());
        return vec![Row::Cells(cells)];
    };
    let path = name_of(&node.path, count);
    let mut rows = vec![Row::Cells(array_row(array, path, options.sizes))];
    rows.extend(array.present_shares.as_ref().map(|shares| Row::Note(indented(&presence_line(array, shares)))));
    if options.verbose {
        rows.extend(reasons(array));
    }
    rows
}

/// Which objects are stored, along the first dimension with several.
fn presence_line(array: &ArrayRecord, shares: &[f64]) -> String {
    let object = array.shard_shape.as_ref().or(array.chunk_shape.as_ref());
    let counts = object.map(|object| array.shape.iter().zip(object).map(|(length, object)| length.div_ceil(*object)));
    let dimension = counts.map_or(0, |counts| first_divided(&counts.collect::<Vec<_>>()));
    let name = array.dimension_names.as_ref().and_then(|names| names.get(dimension)?.clone());
    let name = name.unwrap_or_else(|| format!("dimension {dimension}"));
    format!("{} stored along {name} (█ all, ▒ some, · none)", strip(shares))
}

/// In a tree, the path of a group ends with a slash.
fn group_path(path: &str, tree: bool) -> String {
    if tree && path != "/" { format!("{path}/") } else { path.to_owned() }
}

/// A note below its row.
fn indented(text: &str) -> String {
    format!("    {text}")
}

fn consolidated_line(difference: &ConsolidatedRecord) -> String {
    let what = match difference.difference.as_str() {
        "missing" => "does not contain this node".to_owned(),
        "gone" => "contains this node, but it no longer exists".to_owned(),
        _ => format!("differs: {}", difference.members.join(", ")),
    };
    format!("{}: consolidated metadata {what}", difference.path)
}

fn bench_line(bench: &BenchRecord) -> String {
    let what = match bench.mode.as_str() {
        "inside" => human_counted(bench.threads, "thread") + " per chunk",
        _ => human_counted(bench.threads, "chunk") + " in parallel",
    };
    format!("{what}: {:.2} GB/s, {:.2}×", bench.gb_per_second, bench.speedup)
}

fn array_row(array: &ArrayRecord, path: String, sizes: bool) -> Vec<String> {
    let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "?".into(), human_bytes);
    let chunk = match (&array.chunk_shape, &array.chunk_lengths) {
        (Some(lengths), _) => shape(lengths),
        (None, Some(lengths)) => lengths.iter().map(|runs| bounds(runs)).collect::<Vec<_>>().join("×"),
        (None, None) => "?".into(),
    };
    let mut row = vec![path, dtype(&array.dtype), shape(&array.shape), chunk, bytes(array.uncompressed_bytes)];
    if sizes {
        row.push(bytes(array.stored_bytes));
        row.push(array.ratio.map_or_else(String::new, |ratio| format!("{ratio:.1}")));
        row.push(match (array.objects_present, array.objects_expected) {
            (Some(present), Some(expected)) if present == expected => human_count(present),
            (Some(present), Some(expected)) => format!("{}/{}", human_count(present), human_count(expected)),
            (Some(present), None) => human_count(present),
            _ => String::new(),
        });
    }
    row.extend([array.codec.clone(), array.blocks.map_or_else(String::new, human_count), array.verdict.clone()]);
    row
}

fn shape(lengths: &[u64]) -> String {
    if lengths.is_empty() {
        return "()".into();
    }
    lengths.iter().map(u64::to_string).collect::<Vec<_>>().join("×")
}

/// The shortest and the longest chunk along a dimension: `28–31`.
fn bounds(runs: &[(u64, u64)]) -> String {
    let lengths = || runs.iter().map(|(length, _)| *length);
    match (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0)) {
        (shortest, longest) if shortest == longest => longest.to_string(),
        (shortest, longest) => format!("{shortest}–{longest}"),
    }
}

fn dtype(dtype: &Value) -> String {
    match dtype {
        Value::String(name) => name.clone(),
        Value::Object(members) => members.get("name").and_then(Value::as_str).unwrap_or("?").to_owned(),
        _ => "structured".into(),
    }
}

fn reasons(array: &ArrayRecord) -> Vec<Row> {
    let answer = if array.recompress_helps { "recompressing helps" } else { "recompressing does not help" };
    let mut rows =
        vec![Row::Note(indented(&array.reason)), Row::Note(indented(&format!("{answer}: {}", array.benefit)))];
    rows.extend(array.command.as_ref().map(|command| Row::Verbatim(indented(command))));
    rows.extend(array.zarrs_error.as_ref().map(|error| Row::Note(indented(&format!("zarrs cannot open it: {error}")))));
    rows
}

fn chunk_line(chunk: &ChunkRecord) -> String {
    let mut words = vec![chunk.format.clone()];
    words.extend(chunk.compressor.clone());
    words.extend(chunk.shuffle.clone());
    words.extend(chunk.typesize.map(|size| format!("typesize {size}")));
    words.extend(
        chunk.blocks.zip(chunk.block_bytes).map(|(blocks, bytes)| format!("{blocks} × {}", human_bytes(bytes))),
    );
    words.extend(chunk.stored_raw.filter(|raw| *raw).map(|_| "stored uncompressed".into()));
    words.extend(chunk.problems.iter().map(|problem| format!("PROBLEM: {problem}")));
    words.extend(chunk.notes.iter().cloned());
    let inner = chunk.inner_chunk.map_or_else(String::new, |number| format!(" inner chunk {number}"));
    format!("{}{inner} ({}): {}", chunk.key, human_bytes(chunk.stored_bytes), words.join(", "))
}

fn footer(summary: &Summary) -> Vec<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64);
    let Some(arrays) = number("arrays") else { return Vec::new() };
    if arrays == 0 && number("groups") == Some(0) && summary.errors > 0 {
        return Vec::new();
    }
    let mut words = vec![human_counted(arrays, "array"), human_counted(number("groups").unwrap_or(0), "group")];
    words.push(format!("{} decoded", human_bytes(number("uncompressed_bytes").unwrap_or(0))));
    if let Some(stored) = number("stored_bytes") {
        words.push(format!("{} stored", human_bytes(stored)));
    }
    match (number("objects_present"), number("objects_expected")) {
        (Some(present), Some(expected)) => {
            words.push(format!("{} of {} present", human_count(present), human_counted(expected, "object")));
        }
        (Some(present), None) => words.push(format!("{} present", human_counted(present, "object"))),
        _ => {}
    }
    if let (Some(sampled), Some(chunks)) = (number("sampled_chunks"), number("chunks")) {
        words.push(format!("{} of {} sampled", human_count(sampled), human_counted(chunks, "chunk")));
    }
    for (key, value) in &summary.totals {
        if let (Some(kind), Some(count)) = (key.strip_prefix("keys_"), value.as_u64()) {
            words.push(human_counted(count, &format!("{kind} key")));
        }
    }
    let verdicts: Vec<String> = summary
        .totals
        .iter()
        .filter_map(|(key, value)| Some(format!("{} {}", value.as_u64()?, key.strip_prefix("verdict_")?)))
        .collect();
    let mut lines = vec![words.join(" · ")];
    if !verdicts.is_empty() {
        lines.push(format!("verdicts: {} (-v shows why)", verdicts.join(", ")));
    }
    lines.extend(gain_line(summary));
    lines
}

/// What recompressing could gain, as far as it is known without trying.
fn gain_line(summary: &Summary) -> Option<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64);
    let arrays = number("recompress_arrays")?;
    let mut size = format!("{} decoded", human_bytes(number("recompress_bytes").unwrap_or(0)));
    if let Some(stored) = number("recompress_stored_bytes") {
        size.push_str(&format!(", {} stored", human_bytes(stored)));
    }
    let speedup = summary.totals.get("recompress_speedup").and_then(Value::as_f64);
    let speedup = speedup.map_or_else(String::new, |speedup| {
        format!(": decoding at most {speedup:.1}× faster with several threads per chunk")
    });
    let verb = format!("{} would benefit from recompressing ({size})", human_counted(arrays, "array"));
    Some(format!("{verb}{speedup}; zrecompress --trial measures size and speed"))
}
