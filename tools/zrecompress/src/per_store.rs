//! Terminal output of a run over many stores: one row per store. With `--verbose`, the rows of `human.rs`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use zcli::{Align, Column, Drops, Row, Table};
use zwire::{PlanRecord, RecompressRecord, Record, human_bytes, human_count};

use crate::human::footer;

/// The table of a run over many stores, or of its plan.
pub fn table(is_plan: bool) -> Table {
    let column = |title, align, drops| {
        let shrinks = align == Align::Left;
        Column { title: Cow::Borrowed(title), align, shrinks, drops }
    };
    let sizes: &[&str] = if is_plan { &["SIZE"] } else { &["BEFORE", "AFTER", "GAIN"] };
    let mut columns = vec![
        column("STORE", Align::Left, Drops::Never),
        column("ARRAYS", Align::Right, Drops::Never),
        column("COPIED", Align::Right, Drops::Late),
        column("OBJECTS", Align::Right, Drops::Late),
    ];
    columns.extend(sizes.iter().map(|title| column(title, Align::Right, Drops::Never)));
    columns.push(column("TO", Align::Left, Drops::Late));
    let mut current: Option<Sums> = None;
    let rows = move |record: &Record| {
        let (store, add): (&str, &dyn Fn(&mut Sums)) = match record {
            Record::Recompress(array) => (&array.store, &|sums| sums.add_result(array)),
            Record::Plan(array) => (&array.store, &|sums| sums.add_plan(array)),
            Record::Summary(_) => return current.take().map(|sums| sums.row(is_plan)).into_iter().collect(),
            // Errors are printed to stderr, which is the same terminal.
            _ => return Vec::new(),
        };
        let finished = current.take_if(|sums| sums.store != store);
        add(current.get_or_insert_with(|| Sums { store: store.to_owned(), ..Sums::default() }));
        finished.map(|sums| sums.row(is_plan)).into_iter().collect()
    };
    Table { columns, rows: Box::new(rows), tree: false, footer }
}

/// The sums over the arrays of a store.
#[derive(Default)]
struct Sums {
    store: String,
    arrays: u64,
    copied: u64,
    /// Whether those of an array are not known.
    unknown_objects: bool,
    objects: u64,
    before: u64,
    after: u64,
    decoded: u64,
    codecs: BTreeSet<String>,
}

impl Sums {
    fn add_result(&mut self, array: &RecompressRecord) {
        self.add(&array.action, &array.to, Some(array.objects));
        self.before += array.bytes_before;
        self.after += array.bytes_after;
    }

    fn add_plan(&mut self, array: &PlanRecord) {
        self.add(&array.action, &array.to, array.objects_expected);
        self.decoded = self.decoded.saturating_add(array.uncompressed_bytes.unwrap_or(0));
    }

    fn add(&mut self, action: &str, codec: &str, objects: Option<u64>) {
        self.arrays += 1;
        self.unknown_objects |= objects.is_none();
        self.objects = self.objects.saturating_add(objects.unwrap_or(0));
        match action {
            "copy" => self.copied += 1,
            _ => drop(self.codecs.insert(codec.to_owned())),
        }
    }

    fn row(self, is_plan: bool) -> Row {
        let objects = if self.unknown_objects { "?".into() } else { human_count(self.objects) };
        let gain =
            if self.after == 0 { String::new() } else { format!("{:.2}", self.before as f64 / self.after as f64) };
        let sizes = match is_plan {
            true => vec![human_bytes(self.decoded)],
            false => vec![human_bytes(self.before), human_bytes(self.after), gain],
        };
        let to = match self.codecs.len() {
            0 => String::new(),
            1 => self.codecs.into_iter().next().unwrap_or_default(),
            several => format!("{several} codecs (-v)"),
        };
        let counts = [self.store, human_count(self.arrays), human_count(self.copied), objects];
        Row::Cells(counts.into_iter().chain(sizes).chain([to]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(store: &str, action: &str, to: &str) -> Record {
        Record::Recompress(RecompressRecord {
            store: store.into(),
            action: action.into(),
            to: to.into(),
            objects: 2,
            bytes_before: 3000,
            bytes_after: 1000,
            ..RecompressRecord::default()
        })
    }

    #[test]
    fn a_store_has_one_row() {
        let mut table = table(false);
        let mut rows = |record: &Record| (table.rows)(record);
        assert_eq!(rows(&array("a", "recompress", "zstd")), []);
        assert_eq!(rows(&array("a", "copy", "none")), []);
        let row = |cells: [&str; 8]| Row::Cells(cells.map(str::to_owned).to_vec());
        let first = row(["a", "2", "1", "4", "5.86 KiB", "1.95 KiB", "3.00", "zstd"]);
        assert_eq!(rows(&array("b", "recompress", "zstd")), [first]);
        assert_eq!(rows(&array("b", "rechunk", "lz4")), []);
        let last = row(["b", "2", "0", "4", "5.86 KiB", "1.95 KiB", "3.00", "2 codecs (-v)"]);
        assert_eq!(rows(&array("c", "copy", "zstd")), [last]);
    }
}
