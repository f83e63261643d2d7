//! How the records of a tool are shown in a terminal: columns and rows. `printer.rs` prints them.

use std::borrow::Cow;

use zwire::{Record, Summary};

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
    /// Its cells.
    pub(crate) fn cells(&self) -> Option<&Vec<String>> {
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
