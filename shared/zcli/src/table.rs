//! A table printed while its rows arrive: the first rows determine the column widths.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use zwire::{Record, Summary, human_counted};

use crate::timing;

/// Rows used to choose the column widths.
const FIRST_ROWS: usize = 256;

/// A column shrinks to this width before others are hidden.
const READABLE: usize = 16;

/// Minimum width of a column that shrinks.
const NARROWEST: usize = 8;

/// How many hidden columns are named.
const HIDDEN_NAMES: usize = 6;

/// The alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its heading.
    pub title: Cow<'static, str>,
    /// Its alignment.
    pub align: Align,
    /// Whether it shrinks when the terminal is too narrow.
    pub shrinks: bool,
    /// When it is hidden if shrinking is not enough.
    pub drops: Drops,
}

/// When a column is hidden on a narrow terminal. Of columns with the same rank, those that are equal in all rows are hidden
/// first, then those on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drops {
    /// Before others: it repeats what was asked for, or what other columns show.
    Early,
    /// After those.
    Late,
    /// Never: it tells rows apart, or is the answer.
    Never,
}

impl Drops {
    /// Late if `drops`, else never.
    pub fn late(drops: bool) -> Drops {
        if drops { Drops::Late } else { Drops::Never }
    }
}

/// One or more lines of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// One cell per column.
    Cells(Vec<String>),
    /// The same, with a first cell to be copied, such as a path: where it does not fit, it has a line of its own.
    Whole(Vec<String>),
    /// A note below a row, wrapped at the width of the terminal.
    Note(String),
    /// A line to be copied, such as a command: never wrapped.
    Verbatim(String),
}

impl Row {
    fn cells(&self) -> Option<&Vec<String>> {
        match self {
            Row::Cells(cells) | Row::Whole(cells) => Some(cells),
            Row::Note(_) | Row::Verbatim(_) => None,
        }
    }
}

/// Turns a record into rows; those that were held back come with the summary.
pub type Rows = Box<dyn FnMut(&Record) -> Vec<Row> + Send>;

/// How the records of a tool are shown in a terminal.
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows of a record; none for records that are not shown.
    pub rows: Rows,
    /// Whether the first column holds paths to be drawn as a tree (the path of a group ends with a slash). A tree is
    /// printed when its last node is known.
    pub tree: bool,
    /// The lines below the table.
    pub footer: fn(&Summary) -> Vec<String>,
}

/// Prints a table.
pub struct Printer {
    table: Table,
    /// Width of the terminal; `None` for a file, where lines are not truncated.
    width: Option<usize>,
    terminal: bool,
    colored: bool,
    waiting: Vec<Row>,
    widths: Option<Vec<usize>>,
}

impl Printer {
    pub fn new(table: Table, width: Option<usize>, terminal: bool, colored: bool) -> Printer {
        Printer { table, width, terminal, colored, waiting: Vec::new(), widths: None }
    }

    /// Replaces the table, before the first row.
    pub fn set_table(&mut self, table: Table) {
        self.table = table;
    }

    /// The text to print after one more record.
    pub fn record(&mut self, record: &Record) -> String {
        self.waiting.extend((self.table.rows)(record));
        let due = self.widths.is_some() || self.waiting.len() >= FIRST_ROWS;
        if due && !self.table.tree { self.flush() } else { String::new() }
    }

    /// The remaining text, with the footer. `elapsed` is shown on a terminal only, so that equal work prints equal files.
    pub fn finish(&mut self, summary: &Summary, elapsed: &str) -> String {
        let rows = (self.table.rows)(&Record::Summary(summary.clone()));
        self.waiting.extend(rows);
        if self.table.tree {
            draw_tree(&mut self.waiting);
        }
        let mut text = self.flush();
        let hidden = self.hidden();
        let mut lines: Vec<String> = hidden.into_iter().chain((self.table.footer)(summary)).collect();
        match &summary.timing {
            Some(timing) => lines.push(timing::line(timing)),
            None => lines.extend(self.terminal.then(|| elapsed.to_owned())),
        }
        lines.iter().for_each(|line| text.push_str(&self.note(line)));
        text
    }

    /// The line that counts hidden columns.
    fn hidden(&self) -> Option<String> {
        let widths = self.widths.as_ref()?;
        let titles =
            self.table.columns.iter().zip(widths).filter(|(_, width)| **width == 0).map(|(column, _)| &*column.title);
        let titles: Vec<&str> = titles.collect();
        let shown = titles.iter().take(HIDDEN_NAMES).copied().collect::<Vec<_>>().join(", ");
        let more = if titles.len() > HIDDEN_NAMES { ", …" } else { "" };
        let count = human_counted(titles.len() as u64, "column");
        (!titles.is_empty()).then(|| format!("{count} hidden ({shown}{more}); use --wide to show all"))
    }

    fn flush(&mut self) -> String {
        let rows = std::mem::take(&mut self.waiting);
        if rows.is_empty() {
            return String::new();
        }
        let mut text = String::new();
        let widths = match self.widths.take() {
            Some(widths) => widths,
            None => {
                let widths = self.measure(&rows);
                let titles: Vec<String> =
                    self.table.columns.iter().map(|column| column.title.clone().into_owned()).collect();
                let line = self.line(&titles, &widths);
                text.push_str(&if self.colored { format!("\x1b[1m{line}\x1b[0m") } else { line });
                text.push('\n');
                widths
            }
        };
        for row in &rows {
            match row {
                Row::Cells(cells) => text.push_str(&(self.line(cells, &widths) + "\n")),
                Row::Whole(cells) => text.push_str(&self.whole(cells, &widths)),
                Row::Note(note) => text.push_str(&self.note(note)),
                Row::Verbatim(line) => text.push_str(&(printable(line) + "\n")),
            }
        }
        self.widths = Some(widths);
        text
    }

    /// Column widths for these rows. If the terminal is narrower, early columns are hidden; then columns shrink as long as
    /// different cells stay different, the widest first; then late columns are hidden; then columns shrink further.
    fn measure(&self, rows: &[Row]) -> Vec<usize> {
        let columns = &self.table.columns;
        let mut widths: Vec<usize> = columns.iter().map(|column| column.title.width()).collect();
        for row in rows {
            if let Some(cells) = row.cells() {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(cell.width());
                }
            }
        }
        let Some(terminal) = self.width else { return widths };
        let dropped = |drops: Drops| {
            let mut order: Vec<usize> = (0..columns.len()).filter(|number| columns[*number].drops == drops).collect();
            order.sort_by_key(|&number| (!is_constant(rows, number), Reverse(number)));
            order.into_iter()
        };
        let (mut early, mut late) = (dropped(Drops::Early), dropped(Drops::Late));
        let (natural, mut hidden) = (widths.clone(), Vec::new());
        let total = |widths: &[usize]| widths.iter().filter(|width| **width > 0).map(|width| width + 2).sum::<usize>();
        let readable: Vec<usize> =
            (0..columns.len()).map(|number| distinct_width(rows, number, widths[number])).collect();
        let widest_above = |widths: &[usize], least: &dyn Fn(usize) -> usize| {
            let shrinks =
                (0..columns.len()).filter(|&number| columns[number].shrinks && widths[number] > least(number));
            shrinks.max_by_key(|&number| widths[number])
        };
        while total(&widths) > terminal + 2 {
            if let Some(number) = early.next() {
                hidden.push(number);
                widths[number] = 0;
            } else if let Some(number) = widest_above(&widths, &|number| readable[number]) {
                widths[number] -= 1;
            } else if let Some(number) = late.next() {
                hidden.push(number);
                // The room that it leaves is for all others.
                widths.clone_from(&natural);
                hidden.iter().for_each(|number| widths[*number] = 0);
            } else if let Some(number) = widest_above(&widths, &|_| NARROWEST) {
                widths[number] -= 1;
            } else {
                break;
            }
        }
        widths
    }

    /// The lines of a row whose first cell is never shortened.
    fn whole(&self, cells: &[String], widths: &[usize]) -> String {
        match cells.split_first() {
            Some((first, others)) if self.width.is_some() && printable(first).width() > widths[0] => {
                let others: Vec<String> = std::iter::once(String::new()).chain(others.iter().cloned()).collect();
                format!("{}\n{}\n", printable(first), self.line(&others, widths))
            }
            _ => self.line(cells, widths) + "\n",
        }
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let last = self.table.columns.len().saturating_sub(1);
        let mut line = String::new();
        for (number, column) in self.table.columns.iter().enumerate().filter(|(number, _)| widths[*number] > 0) {
            let cell = printable(cells.get(number).map_or("", String::as_str));
            // A number that is shortened is another number.
            let shortens = self.width.is_some() && column.align == Align::Left;
            let cell = if shortens { shorten(&cell, widths[number]) } else { cell };
            let padding = " ".repeat(widths[number].saturating_sub(cell.width()));
            match column.align {
                Align::Right => line.push_str(&(padding + &cell)),
                Align::Left if number == last => line.push_str(&cell),
                Align::Left => line.push_str(&(cell + &padding)),
            }
            if number < last {
                line.push_str("  ");
            }
        }
        let line = line.trim_end();
        self.width.map_or_else(|| line.to_owned(), |width| cut(line, width))
    }

    /// A note with its newline, wrapped; the indent is repeated on each line.
    fn note(&self, note: &str) -> String {
        let note = printable(note);
        let Some(width) = self.width else { return note + "\n" };
        let indent = " ".repeat(note.len() - note.trim_start().len());
        // A path that is longer than a line is whole, to be copied.
        let fitted = |line: &str| if line.contains('/') { line.to_owned() } else { cut(line, width) };
        let mut text = String::new();
        let mut line = String::new();
        for word in note.split_whitespace() {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                text.push_str(&(fitted(&line) + "\n"));
                line.clear();
            }
            line.push_str(if line.is_empty() { &indent } else { " " });
            line.push_str(word);
        }
        text + &fitted(&line) + "\n"
    }
}

/// Draws paths in walking order as a tree, from the end, because a branch depends on whether a sibling follows.
fn draw_tree(rows: &mut [Row]) {
    let mut more_to_come: Vec<bool> = Vec::new();
    for row in rows.iter_mut().rev() {
        let Row::Cells(cells) = row else { continue };
        let Some(path) = cells.first_mut() else { continue };
        let suffix = if path.ends_with('/') { "/" } else { "" };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let depth = parts.len();
        more_to_come.resize(depth, false);
        let Some(name) = parts.last() else { continue };
        let bars: String = more_to_come[..depth - 1].iter().map(|more| if *more { "│ " } else { "  " }).collect();
        let branch = if more_to_come[depth - 1] { "├ " } else { "└ " };
        let drawn = format!("{bars}{branch}{name}{suffix}");
        more_to_come[depth - 1] = true;
        *path = drawn;
    }
}

/// `text` with control characters replaced, so that none reaches the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Whether all rows, at least two, have the same text in a column.
fn is_constant(rows: &[Row], number: usize) -> bool {
    let cells: Vec<_> = rows.iter().filter_map(|row| Some(row.cells()?.get(number))).collect();
    cells.len() > 1 && cells.windows(2).all(|pair| pair[0] == pair[1])
}

/// The least width, and at least [`READABLE`], at which cells of a column that differ still differ when they are shortened.
fn distinct_width(rows: &[Row], number: usize, width: usize) -> usize {
    let cells = rows.iter().filter_map(|row| match row {
        Row::Whole(_) if number == 0 => None,
        row => row.cells()?.get(number).map(String::as_str),
    });
    let cells: BTreeSet<&str> = cells.collect();
    let distinct = |width: &usize| cells.iter().map(|cell| shorten(cell, *width)).collect::<BTreeSet<_>>().len();
    (READABLE.min(width)..width).find(|width| distinct(width) == cells.len()).unwrap_or(width)
}

/// `text` in `width` columns: what does not fit is replaced in the middle, because names often differ at their end.
fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let tail = width.saturating_sub(1) / 2;
    let end: String = text.chars().rev().scan(0, |used, c| fit(used, c, tail)).collect();
    let start: String = text.chars().scan(0, |used, c| fit(used, c, width.saturating_sub(1) - tail)).collect();
    format!("{start}…{}", end.chars().rev().collect::<String>())
}

/// The character, if it fits behind what is there.
fn fit(used: &mut usize, c: char, width: usize) -> Option<char> {
    *used += c.width().unwrap_or(0);
    (*used <= width).then_some(c)
}

/// `text` truncated to `width` columns, with an ellipsis.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let mut out: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used < width
        })
        .collect();
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use zwire::{Exit, KeyRecord, V1};

    use super::*;

    fn table() -> Table {
        Table {
            columns: vec![
                Column { title: "KEY".into(), align: Align::Left, shrinks: true, drops: Drops::Never },
                Column { title: "SIZE".into(), align: Align::Right, shrinks: false, drops: Drops::Late },
            ],
            rows: Box::new(|record| match record {
                Record::Key(key) => vec![Row::Cells(vec![key.key.clone(), key.stored_bytes.to_string()])],
                Record::Error(error) => vec![Row::Note(error.error.clone())],
                _ => Vec::new(),
            }),
            tree: false,
            footer: |summary| vec![format!("{} errors", summary.errors)],
        }
    }

    fn print(width: Option<usize>, keys: &[&str]) -> String {
        let mut printer = Printer::new(table(), width, false, false);
        let mut text = String::new();
        for key in keys {
            let record = KeyRecord { key: (*key).to_owned(), stored_bytes: 5, ..KeyRecord::default() };
            text.push_str(&printer.record(&Record::Key(record)));
        }
        let summary = Summary {
            v: V1,
            tool: "t".into(),
            exit: Exit::Done,
            errors: 0,
            totals: serde_json::Map::new(),
            timing: None,
        };
        text + &printer.finish(&summary, "1 s")
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(print(None, &["a", "long/key"]), "KEY       SIZE\na            5\nlong/key     5\n0 errors\n");
    }

    #[test]
    fn a_narrow_terminal_shortens_then_hides() {
        let text = print(Some(22), &["a/very/long/key/indeed"]);
        assert_eq!(text, "KEY               SIZE\na/very/l…/indeed     5\n0 errors\n");
        let text = print(Some(10), &["a/very/long/key/indeed"]);
        assert_eq!(text, "KEY\na/ver…deed\n1 column\nhidden\n(SIZE);\nuse --wide\nto show\nall\n0 errors\n");
    }

    #[test]
    fn a_cell_to_be_copied_is_never_shortened() {
        let whole = |record: &Record| match record {
            Record::Key(key) => vec![Row::Whole(vec![key.key.clone(), key.stored_bytes.to_string()])],
            _ => Vec::new(),
        };
        let printed = |width| {
            let mut printer = Printer::new(Table { rows: Box::new(whole), ..table() }, Some(width), false, false);
            let record = |key: &str| Record::Key(KeyRecord { key: key.into(), ..KeyRecord::default() });
            let rows = printer.record(&record("/short")) + &printer.record(&record("/a/path/that/is/to/be/copied"));
            rows + &printer.flush()
        };
        let path = "/a/path/that/is/to/be/copied";
        assert_eq!(printed(40), format!("KEY{:27}SIZE\n/short{:27}0\n{path}{:5}0\n", "", "", ""));
        assert_eq!(printed(22), format!("KEY{:15}SIZE\n/short{:15}0\n{path}\n{:21}0\n", "", "", ""));
    }

    /// Five columns of six letters each, of which the second is the same in all rows.
    fn wide_rows(width: usize) -> String {
        let drops = [Drops::Never, Drops::Late, Drops::Early, Drops::Late, Drops::Late];
        let column = |(number, drops)| Column {
            title: format!("title{number}").into(),
            align: Align::Left,
            shrinks: false,
            drops,
        };
        let cells = |record: &Record| match record {
            Record::Key(key) => {
                let cell = |number| format!("{}{number}", if number == 1 { "same_" } else { key.key.as_str() });
                vec![Row::Cells((0..5).map(cell).collect())]
            }
            _ => Vec::new(),
        };
        let columns = drops.into_iter().enumerate().map(column).collect();
        let table = Table { columns, rows: Box::new(cells), tree: false, footer: |_| Vec::new() };
        let mut printer = Printer::new(table, Some(width), false, false);
        let record = |key: &str| Record::Key(KeyRecord { key: key.into(), ..KeyRecord::default() });
        let mut text = printer.record(&record("cell_")) + &printer.record(&record("last_"));
        let summary =
            Summary { v: V1, tool: "t".into(), exit: Exit::Done, errors: 0, totals: Default::default(), timing: None };
        text.push_str(&printer.finish(&summary, "1 s"));
        text
    }

    #[test]
    fn columns_that_say_nothing_are_hidden_first_and_counted() {
        let first_line = |width| wide_rows(width).lines().next().unwrap_or_default().to_owned();
        assert_eq!(first_line(38), "title0  title1  title2  title3  title4");
        assert_eq!(first_line(37), "title0  title1  title3  title4");
        assert_eq!(first_line(29), "title0  title3  title4");
        assert_eq!(first_line(21), "title0  title3");
        assert_eq!(first_line(13), "title0");
        let text = wide_rows(21);
        let text = text.replace('\n', " ");
        assert!(text.contains("3 columns hidden (title1, title2, title4); use --wide to show all"), "{text}");
    }

    #[test]
    fn the_room_of_a_hidden_column_is_for_the_others() {
        let column = |title, drops| Column { title: Cow::Borrowed(title), align: Align::Left, shrinks: true, drops };
        let columns = vec![column("FROM", Drops::Late), column("TO", Drops::Never)];
        let printer = Printer::new(Table { columns, ..table() }, Some(30), false, false);
        let rows = [Row::Cells(vec!["x".repeat(40), "y".repeat(28)])];
        assert_eq!(printer.measure(&rows), [0, 28]);
    }

    #[test]
    fn numbers_are_never_shortened() {
        let column =
            |title| Column { title: Cow::Borrowed(title), align: Align::Right, shrinks: false, drops: Drops::Never };
        let printer =
            Printer::new(Table { columns: vec![column("A"), column("B")], ..table() }, Some(40), false, false);
        assert_eq!(printer.line(&["0.123456".into(), "1".into()], &[3, 1]), "0.123456  1");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shorten("/geopotential_500", 11), "/geop…l_500");
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("ab", 1), "…");
    }

    #[test]
    fn cells_that_differ_stay_different() {
        let rows = |cells: &[&str]| cells.iter().map(|cell| Row::Cells(vec![(*cell).to_owned()])).collect::<Vec<_>>();
        let codecs = ["blosc(lz4,5,shuffle)", "blosc(lz4,9,shuffle)", "none"];
        assert_eq!(distinct_width(&rows(&codecs), 0, 20), 20);
        assert_eq!(distinct_width(&rows(&codecs[1..]), 0, 20), READABLE);
        assert_eq!(distinct_width(&rows(&["short"]), 0, 5), 5);
        let lengths: Vec<String> = (0..9).map(|number| format!("/surface/geopotential_{number}00/mean")).collect();
        let paths: Vec<&str> = lengths.iter().map(String::as_str).collect();
        let width = distinct_width(&rows(&paths), 0, 30);
        assert_eq!(shorten(paths[0], width), "/surface…000/mean");
    }

    #[test]
    fn notes_are_broken_between_words() {
        let printer = Printer::new(table(), Some(12), false, false);
        assert_eq!(printer.note("  one two three four"), "  one two\n  three four\n");
        assert_eq!(printer.note("  incomprehensibilities"), "  incompreh…\n");
        assert_eq!(printer.note("written to /a/long/path.zarr"), "written to\n/a/long/path.zarr\n");
        assert_eq!(Printer::new(table(), None, false, false).note("  one two three four"), "  one two three four\n");
    }

    #[test]
    fn trees_know_the_last_of_their_branches() {
        let paths = ["/", "/a/", "/a/b/", "/a/b/x", "/a/c", "/d"];
        let mut rows: Vec<Row> = paths.iter().map(|path| Row::Cells(vec![(*path).to_owned()])).collect();
        rows.insert(3, Row::Note("a remark".into()));
        draw_tree(&mut rows);
        let drawn: Vec<&str> = rows
            .iter()
            .map(|row| match row {
                Row::Cells(cells) | Row::Whole(cells) => cells[0].as_str(),
                Row::Note(note) | Row::Verbatim(note) => note,
            })
            .collect();
        assert_eq!(drawn, ["/", "├ a/", "│ ├ b/", "a remark", "│ │ └ x", "│ └ c", "└ d"]);
    }

    #[test]
    fn only_a_terminal_shows_the_elapsed_time() {
        let summary =
            Summary { v: V1, tool: "t".into(), exit: Exit::Done, errors: 0, totals: Default::default(), timing: None };
        for (terminal, text) in [(true, "0 errors\n1.50 s, 2 GiB/s\n"), (false, "0 errors\n")] {
            let mut printer = Printer::new(table(), Some(80), terminal, false);
            assert_eq!(printer.finish(&summary, "1.50 s, 2 GiB/s"), text);
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert!(!print(Some(80), &["evil\x1b[2Jkey"]).contains('\x1b'));
    }

    #[test]
    fn many_rows_are_printed_as_they_come() {
        let keys: Vec<String> = (0..1000).map(|number| format!("k{number}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert_eq!(print(None, &keys).lines().count(), 1002);
    }
}
