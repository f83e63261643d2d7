//! Prints a table while its rows arrive: the first rows determine the column widths.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;
use zwire::{Record, Summary, human_counted};

use crate::shorten::{cut, printable, shorten};
use crate::table::{Align, Drops, Row, Table};
use crate::timing;

/// Rows used to choose the column widths.
const FIRST_ROWS: usize = 256;

/// A column shrinks to this width before others are hidden.
const READABLE: usize = 16;

/// Minimum width of a column that shrinks.
const NARROWEST: usize = 8;

/// How many hidden columns are named.
const HIDDEN_NAMES: usize = 6;

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

#[cfg(test)]
#[path = "printer_tests.rs"]
mod tests;
