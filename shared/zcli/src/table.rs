//! A table that is printed while its rows come in: the first rows decide the widths, the rest follow them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use zwire::{Record, Summary};

/// Rows that are looked at before the first is printed.
const FIRST_ROWS: usize = 256;

/// Columns are never narrower than this, whatever the terminal.
const NARROWEST: usize = 8;

/// Which side of its column a cell leans to.
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
    pub title: &'static str,
    /// Its side.
    pub align: Align,
    /// Whether it gives way when the terminal is too narrow.
    pub shrinks: bool,
}

/// The rows that a record has.
pub type Rows = Box<dyn Fn(&Record) -> Vec<Vec<String>> + Send>;

/// How a tool's records look to people.
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The cells of a record; nothing for records that have no row. A row of a single cell is a note: it has the line for
    /// itself.
    pub rows: Rows,
    /// The lines below the table.
    pub footer: fn(&Summary) -> Vec<String>,
}

/// A table on its way out.
pub struct Printer {
    table: Table,
    /// Width of the terminal; nothing for a file, where nothing is cut.
    width: Option<usize>,
    colored: bool,
    waiting: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl Printer {
    pub fn new(table: Table, width: Option<usize>, colored: bool) -> Printer {
        Printer { table, width, colored, waiting: Vec::new(), widths: None }
    }

    /// The text that one more record brings out.
    pub fn record(&mut self, record: &Record) -> String {
        self.waiting.extend((self.table.rows)(record));
        if self.widths.is_some() || self.waiting.len() >= FIRST_ROWS { self.flush() } else { String::new() }
    }

    /// The rest, with the footer.
    pub fn finish(&mut self, summary: &Summary) -> String {
        let mut text = self.flush();
        for line in (self.table.footer)(summary) {
            text.push_str(&self.fit(&line));
            text.push('\n');
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
                let titles: Vec<String> = self.table.columns.iter().map(|column| column.title.to_owned()).collect();
                let line = self.line(&titles, &widths);
                text.push_str(&if self.colored { format!("\x1b[1m{line}\x1b[0m") } else { line });
                text.push('\n');
                widths
            }
        };
        for row in &rows {
            text.push_str(&self.line(row, &widths));
            text.push('\n');
        }
        self.widths = Some(widths);
        text
    }

    /// Widths that the rows need; where the terminal has less, the columns that shrink share the loss, widest first.
    fn measure(&self, rows: &[Vec<String>]) -> Vec<usize> {
        let columns = &self.table.columns;
        let mut widths: Vec<usize> = columns
            .iter()
            .enumerate()
            .map(|(number, column)| {
                let full = rows.iter().filter(|row| row.len() > 1);
                let cells = full.filter_map(|row| row.get(number)).map(|cell| cell.width());
                cells.chain([column.title.width()]).max().unwrap_or(0)
            })
            .collect();
        let Some(terminal) = self.width else { return widths };
        let gaps = 2 * columns.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > terminal {
            let widest = (0..columns.len())
                .filter(|&number| columns[number].shrinks && widths[number] > NARROWEST)
                .max_by_key(|&number| widths[number]);
            match widest {
                Some(number) => widths[number] -= 1,
                None => break,
            }
        }
        widths
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        if let ([note], true) = (cells, widths.len() > 1) {
            return note.clone();
        }
        let last = self.table.columns.len().saturating_sub(1);
        let mut line = String::new();
        for (number, column) in self.table.columns.iter().enumerate() {
            let cell = cells.get(number).map_or("", String::as_str);
            let cell = if self.width.is_some() { cut(cell, widths[number]) } else { cell.to_owned() };
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
        self.fit(line.trim_end())
    }

    fn fit(&self, line: &str) -> String {
        self.width.map_or_else(|| line.to_owned(), |width| cut(line, width))
    }
}

/// `text` in at most `width` columns; what is cut shows as an ellipsis. Control characters never reach a terminal.
fn cut(text: &str, width: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.width() <= width {
        return text;
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
                Column { title: "KEY", align: Align::Left, shrinks: true },
                Column { title: "SIZE", align: Align::Right, shrinks: false },
            ],
            rows: Box::new(|record| match record {
                Record::Key(key) => vec![vec![key.key.clone(), key.stored_bytes.to_string()]],
                _ => Vec::new(),
            }),
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
