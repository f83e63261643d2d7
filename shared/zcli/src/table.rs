//! A table printed while its rows arrive: the first rows determine the column widths.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use zwire::{Record, Summary, Timing};

use zwire::human_bytes;

/// Rows used to choose the column widths.
const FIRST_ROWS: usize = 256;

/// Minimum width of a column that shrinks.
const NARROWEST: usize = 8;

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
    /// Whether it is hidden if shrinking is not enough, starting from the right.
    pub drops: bool,
}

/// One or more lines of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// One cell per column.
    Cells(Vec<String>),
    /// A note below a row, wrapped at the width of the terminal.
    Note(String),
    /// A line to be copied, such as a command: never wrapped.
    Verbatim(String),
}

/// Turns a record into rows.
pub type Rows = Box<dyn Fn(&Record) -> Vec<Row> + Send>;

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
    colored: bool,
    waiting: Vec<Row>,
    widths: Option<Vec<usize>>,
}

impl Printer {
    pub fn new(table: Table, width: Option<usize>, colored: bool) -> Printer {
        Printer { table, width, colored, waiting: Vec::new(), widths: None }
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

    /// The remaining text, with the footer.
    pub fn finish(&mut self, summary: &Summary) -> String {
        if self.table.tree {
            draw_tree(&mut self.waiting);
        }
        let mut text = self.flush();
        for line in (self.table.footer)(summary).into_iter().chain(summary.timing.as_ref().map(timing_line)) {
            text.push_str(&self.note(&line));
        }
        text
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
                Row::Note(note) => text.push_str(&self.note(note)),
                Row::Verbatim(line) => text.push_str(&(printable(line) + "\n")),
            }
        }
        self.widths = Some(widths);
        text
    }

    /// Column widths for these rows; if the terminal is narrower, columns shrink, the widest first.
    fn measure(&self, rows: &[Row]) -> Vec<usize> {
        let columns = &self.table.columns;
        let mut widths: Vec<usize> = columns.iter().map(|column| column.title.width()).collect();
        for row in rows {
            if let Row::Cells(cells) = row {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(cell.width());
                }
            }
        }
        let Some(terminal) = self.width else { return widths };
        let total = |widths: &[usize]| widths.iter().filter(|width| **width > 0).map(|width| width + 2).sum::<usize>();
        while total(&widths) > terminal + 2 {
            let widest = (0..columns.len())
                .filter(|&number| columns[number].shrinks && widths[number] > NARROWEST)
                .max_by_key(|&number| widths[number]);
            let droppable = || (0..columns.len()).rev().find(|&number| columns[number].drops && widths[number] > 0);
            match (widest, droppable()) {
                (Some(number), _) => widths[number] -= 1,
                (None, Some(number)) => widths[number] = 0,
                (None, None) => break,
            }
        }
        widths
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let last = self.table.columns.len().saturating_sub(1);
        let mut line = String::new();
        for (number, column) in self.table.columns.iter().enumerate().filter(|(number, _)| widths[*number] > 0) {
            let cell = printable(cells.get(number).map_or("", String::as_str));
            let cell = if self.width.is_some() { cut(&cell, widths[number]) } else { cell };
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
        let mut text = String::new();
        let mut line = String::new();
        for word in note.split_whitespace() {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                text.push_str(&(cut(&line, width) + "\n"));
                line.clear();
            }
            line.push_str(if line.is_empty() { &indent } else { " " });
            line.push_str(word);
        }
        text + &cut(&line, width) + "\n"
    }
}

fn timing_line(timing: &Timing) -> String {
    let memory = human_bytes(timing.peak_memory_bytes);
    format!("{:.2} s, {:.2} s CPU time, peak memory {memory}", timing.seconds, timing.cpu_seconds)
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
                Column { title: "KEY".into(), align: Align::Left, shrinks: true, drops: false },
                Column { title: "SIZE".into(), align: Align::Right, shrinks: false, drops: true },
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
        let mut printer = Printer::new(table(), width, false);
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
        text + &printer.finish(&summary)
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(print(None, &["a", "long/key"]), "KEY       SIZE\na            5\nlong/key     5\n0 errors\n");
    }

    #[test]
    fn a_narrow_terminal_cuts_what_shrinks() {
        let text = print(Some(15), &["a/very/long/key/indeed"]);
        assert!(text.lines().all(|line| line.width() <= 15), "{text}");
        assert!(text.contains("a/very/l…") && text.contains("   5"), "{text}");
        assert_eq!(print(Some(10), &["a/very/long/key/indeed"]), "KEY\na/very/…\n0 errors\n");
    }

    #[test]
    fn notes_are_broken_between_words() {
        let printer = Printer::new(table(), Some(12), false);
        assert_eq!(printer.note("  one two three four"), "  one two\n  three four\n");
        assert_eq!(printer.note("  incomprehensibilities"), "  incompreh…\n");
        assert_eq!(Printer::new(table(), None, false).note("  one two three four"), "  one two three four\n");
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
                Row::Cells(cells) => cells[0].as_str(),
                Row::Note(note) | Row::Verbatim(note) => note,
            })
            .collect();
        assert_eq!(drawn, ["/", "├ a/", "│ ├ b/", "a remark", "│ │ └ x", "│ └ c", "└ d"]);
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
