//! The chunks of an array as cells: along its first dimension with several chunks, and across all others.

use std::ops::Range;

use roaring::RoaringTreemap;
use zarray::{ChunkSet, Grid};

/// What was found of the chunks of an array, by their numbers in `grid`.
pub struct Seen<'a> {
    /// The grid; with sharding, of inner chunks where the shards were looked into.
    pub grid: &'a Grid,
    /// Chunks that are stored.
    pub present: &'a RoaringTreemap,
    /// Those of them that are damaged.
    pub damaged: &'a RoaringTreemap,
    /// Those of them that hold only NaN or fill values.
    pub empty: &'a RoaringTreemap,
    /// The chunks that were fetched, of a store that holds only these.
    pub fetched: Option<&'a ChunkSet>,
}

/// What the chunks of a cell are like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell {
    /// Chunks of the cell.
    pub expected: u32,
    /// Chunks that are stored.
    pub present: u32,
    /// Stored chunks that are damaged.
    pub damaged: u32,
    /// Stored chunks without values.
    pub empty: u32,
}

/// What is drawn of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No chunk of it belongs to the array, or was fetched.
    Outside,
    /// All chunks are stored.
    Stored,
    /// Some hold only NaN or fill values.
    Empty,
    /// Some are missing.
    Missing,
    /// Some are damaged.
    Damaged,
}

impl Cell {
    /// Missing chunks.
    pub fn missing(&self) -> u32 {
        self.expected.saturating_sub(self.present)
    }

    /// The worst state of its chunks, and the share of them in that state.
    pub fn worst(&self) -> (State, f64) {
        let share = |count: u32| f64::from(count) / f64::from(self.expected.max(1));
        match self {
            Cell { expected: 0, .. } => (State::Outside, 1.0),
            Cell { damaged: 1.., .. } => (State::Damaged, share(self.damaged)),
            _ if self.missing() > 0 => (State::Missing, share(self.missing())),
            Cell { empty: 1.., .. } => (State::Empty, share(self.empty)),
            _ => (State::Stored, 1.0),
        }
    }

    /// Adds the chunks of another cell.
    pub fn merge(&mut self, other: &Cell) {
        self.expected = self.expected.saturating_add(other.expected);
        self.present = self.present.saturating_add(other.present);
        self.damaged = self.damaged.saturating_add(other.damaged);
        self.empty = self.empty.saturating_add(other.empty);
    }
}

/// A length that is divided into equal pieces, the last of which may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Division {
    /// What is divided.
    pub length: u64,
    /// Length of a piece.
    pub each: u64,
}

impl Division {
    /// `length` in at most `most` pieces.
    pub fn new(length: u64, most: usize) -> Division {
        Division { length, each: length.div_ceil(most.max(1) as u64).max(1) }
    }

    /// Number of pieces.
    pub fn count(&self) -> usize {
        zcodec::to_usize(self.length.div_ceil(self.each))
    }

    /// What a piece covers.
    pub fn range(&self, piece: usize) -> Range<u64> {
        let start = piece as u64 * self.each;
        start..start.saturating_add(self.each).min(self.length)
    }
}

/// The cells of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    /// Dimension of the columns.
    pub dimension: usize,
    /// Chunks along it.
    pub columns: Division,
    /// Chunks at one index of it, in C order.
    pub rows: Division,
    cells: Vec<Cell>,
}

impl Cells {
    /// The cells of what was seen: at most so many columns, and rows as far as that makes no more than `most` cells.
    pub fn new(seen: &Seen, most_columns: usize, most_rows: usize, most: usize) -> Cells {
        let counts = seen.grid.counts();
        // The dimensions before it have one chunk each.
        let dimension = counts.iter().position(|count| *count > 1).unwrap_or(0);
        let length = if seen.grid.is_empty() { 0 } else { counts.get(dimension).copied().unwrap_or(1) };
        let others = counts.iter().skip(dimension + 1).fold(1u64, |product, count| product.saturating_mul(*count));
        let columns = Division::new(length, most_columns);
        let rows = Division::new(others, most_rows.min(most / columns.count().max(1)));
        let cells = vec![Cell::default(); columns.count() * rows.count()];
        let mut cells = Cells { dimension, columns, rows, cells };
        cells.expect(seen);
        if seen.fetched.is_none() && seen.present.len() == seen.grid.len() {
            cells.cells.iter_mut().for_each(|cell| cell.present = cell.expected);
        } else {
            seen.present.iter().for_each(|number| cells.count(number, |cell| &mut cell.present));
        }
        seen.damaged.iter().for_each(|number| cells.count(number, |cell| &mut cell.damaged));
        seen.empty.iter().for_each(|number| cells.count(number, |cell| &mut cell.empty));
        cells
    }

    fn expect(&mut self, seen: &Seen) {
        if let Some(fetched) = seen.fetched {
            let numbers = (0..fetched.len()).map(|number| seen.grid.number(&fetched.index(number)));
            return numbers.for_each(|number| self.count(number, |cell| &mut cell.expected));
        }
        let columns = self.columns.count();
        for (at, cell) in self.cells.iter_mut().enumerate() {
            let (column, row) = (self.columns.range(at % columns.max(1)), self.rows.range(at / columns.max(1)));
            let chunks = (column.end - column.start).saturating_mul(row.end - row.start);
            cell.expected = u32::try_from(chunks).unwrap_or(u32::MAX);
        }
    }

    fn count(&mut self, number: u64, field: impl Fn(&mut Cell) -> &mut u32) {
        let length = self.rows.length.max(1);
        let (column, row) = (number / length / self.columns.each, number % length / self.rows.each);
        let at = zcodec::to_usize(row).saturating_mul(self.columns.count()).saturating_add(zcodec::to_usize(column));
        if let Some(cell) = self.cells.get_mut(at) {
            let count = field(cell);
            *count = count.saturating_add(1);
        }
    }

    /// The cells of a row, from the first column on.
    pub fn row(&self, row: usize) -> &[Cell] {
        let columns = self.columns.count();
        self.cells.get(row * columns..(row + 1) * columns).unwrap_or_default()
    }

    /// All cells together.
    pub fn total(&self) -> Cell {
        let mut total = Cell::default();
        self.cells.iter().for_each(|cell| total.merge(cell));
        total
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Chunks of a grid: `.` missing, `#` stored, `x` damaged, `n` all NaN.
    pub fn cells(counts: &[u64], states: &str, most: [usize; 2]) -> Cells {
        let grid = Grid::new(counts.to_vec(), vec![1; counts.len()]).expect("a grid");
        let of = |wanted: &str| -> RoaringTreemap {
            let numbers = states.chars().enumerate().filter(|(_, state)| wanted.contains(*state));
            numbers.map(|(number, _)| number as u64).collect()
        };
        let (present, damaged, empty) = (of("#xn"), of("x"), of("n"));
        let seen = Seen { grid: &grid, present: &present, damaged: &damaged, empty: &empty, fetched: None };
        Cells::new(&seen, most[0], most[1], usize::MAX)
    }

    fn worst(cells: &Cells, row: usize) -> Vec<State> {
        cells.row(row).iter().map(|cell| cell.worst().0).collect()
    }

    #[test]
    fn the_first_dimension_with_several_chunks_is_that_of_the_columns() {
        use State::{Damaged, Empty, Missing, Stored};
        let cells = cells(&[1, 4, 2], "#.x##n##", [10, 10]);
        assert_eq!((cells.dimension, cells.columns.count(), cells.rows.count()), (1, 4, 2));
        assert_eq!(worst(&cells, 0), [Stored, Damaged, Stored, Stored]);
        assert_eq!(worst(&cells, 1), [Missing, Stored, Empty, Stored]);
        assert_eq!(cells.total(), Cell { expected: 8, present: 7, damaged: 1, empty: 1 });
    }

    #[test]
    fn several_chunks_are_one_cell_that_shows_the_worst() {
        let cells = cells(&[7], "###.##x", [3, 1]);
        assert_eq!((cells.columns.count(), cells.columns.range(2)), (3, 6..7));
        let found: Vec<(State, f64)> = cells.row(0).iter().map(Cell::worst).collect();
        assert_eq!(found[0], (State::Stored, 1.0));
        assert_eq!(found[1], (State::Missing, 1.0 / 3.0));
        assert_eq!(found[2], (State::Damaged, 1.0));
    }

    #[test]
    fn a_scalar_and_an_array_without_elements_have_a_row_each() {
        assert_eq!(worst(&cells(&[], "#", [9, 9]), 0), [State::Stored]);
        let grid = Grid::new(vec![0, 5], vec![2, 1]).expect("a grid");
        let none = RoaringTreemap::new();
        let seen = Seen { grid: &grid, present: &none, damaged: &none, empty: &none, fetched: None };
        assert_eq!(Cells::new(&seen, 9, 9, 81).total(), Cell::default());
    }

    #[test]
    fn a_grid_of_any_size_has_few_cells() {
        let grid = Grid::new(vec![u64::MAX, 1 << 40], vec![1, 1]).expect("a grid");
        let none = RoaringTreemap::new();
        let seen = Seen { grid: &grid, present: &none, damaged: &none, empty: &none, fetched: None };
        let cells = Cells::new(&seen, 100, 10, 500);
        assert!(cells.columns.count() <= 100 && cells.rows.count() <= 5);
        assert_eq!(cells.row(0)[0].worst(), (State::Missing, 1.0));
    }
}
