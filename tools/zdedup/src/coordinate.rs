//! The coordinate values of all batches, one after the other: a row for each.

use std::cmp::Ordering;

use zcoord::{Column, Values, label_of};
use zwire::{Exit, Failure};

use crate::batch::Batch;

/// The values of all batches.
pub struct Coordinate {
    column: Column,
    /// The first row of each batch, and the number of rows.
    starts: Vec<u64>,
    /// Whether the values go down: most neighbours in a batch do.
    is_decreasing: bool,
}

/// Where a value is: in which batch, and at which index along the dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of the batch.
    pub batch: usize,
    /// Index.
    pub index: u64,
}

impl Coordinate {
    /// Puts the coordinates of all batches together.
    ///
    /// # Errors
    /// `Exit::Unreadable` if they are of different kinds or calendars, or times that cannot be decoded and count from different
    /// dates.
    pub fn new(batches: &[Batch]) -> Result<Coordinate, Failure> {
        let columns: Vec<Column> = batches.iter().map(|batch| batch.column.clone()).collect();
        let coordinate = Coordinate::of_columns(&columns).ok_or_else(|| different(batches))?;
        check_counts(batches).map(|()| coordinate)
    }

    /// Puts columns together; `None` if they are of different kinds or calendars.
    pub fn of_columns(columns: &[Column]) -> Option<Coordinate> {
        let column = Column::concatenated(columns)?;
        let mut starts = vec![0];
        starts.extend(columns.iter().scan(0, |end, column| {
            *end += column.len() as u64;
            Some(*end)
        }));
        let mut coordinate = Coordinate { column, starts, is_decreasing: false };
        coordinate.is_decreasing = coordinate.goes_down();
        Some(coordinate)
    }

    /// Number of batches.
    pub fn batches(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.column.len()
    }

    /// The values.
    pub fn column(&self) -> &Column {
        &self.column
    }

    /// The rows of a batch.
    pub fn rows(&self, batch: usize) -> std::ops::Range<usize> {
        self.starts[batch] as usize..self.starts[batch + 1] as usize
    }

    /// Where a row is.
    pub fn position(&self, row: usize) -> Position {
        let batch = self.starts.partition_point(|start| *start <= row as u64) - 1;
        Position { batch, index: row as u64 - self.starts[batch] }
    }

    /// A value as text.
    pub fn label(&self, row: usize) -> String {
        label_of(&self.column, row)
    }

    /// Whether a value is missing: NaN, not a time, or marked as missing.
    pub fn is_missing(&self, row: usize) -> bool {
        self.column.is_missing(row)
    }

    /// The order of two values that are not missing; -0.0 equals 0.0.
    pub fn compare(&self, a: usize, b: usize) -> Ordering {
        match &self.column.values {
            Values::F32(values) => values[a].partial_cmp(&values[b]).unwrap_or(Ordering::Equal),
            Values::F64(values) => values[a].partial_cmp(&values[b]).unwrap_or(Ordering::Equal),
            Values::I64(values) | Values::Time(values, _) => values[a].cmp(&values[b]),
            Values::U64(values) => values[a].cmp(&values[b]),
            Values::Bool(values) => values[a].cmp(&values[b]),
            Values::Text(values) => values[a].cmp(&values[b]),
        }
    }

    /// All rows with a value, by value; those of the same value in order.
    pub fn sorted(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.len()).filter(|row| !self.is_missing(*row)).collect();
        rows.sort_by(|a, b| self.compare(*a, *b));
        rows
    }

    /// Whether the values go down.
    pub fn is_decreasing(&self) -> bool {
        self.is_decreasing
    }

    /// The order of two values along the coordinate: a later one is greater, also if the values go down.
    pub fn along(&self, a: usize, b: usize) -> Ordering {
        if self.is_decreasing { self.compare(b, a) } else { self.compare(a, b) }
    }

    fn goes_down(&self) -> bool {
        let mut balance = 0i64;
        for batch in 0..self.batches() {
            let rows = self.rows(batch);
            let pairs = rows.clone().zip(rows.skip(1));
            let pairs = pairs.filter(|(a, b)| !self.is_missing(*a) && !self.is_missing(*b));
            balance += pairs.map(|(a, b)| self.compare(b, a) as i64).sum::<i64>();
        }
        balance < 0
    }
}

/// Refuses counts of time that would be compared as numbers although they count in different units or from different dates.
fn check_counts(batches: &[Batch]) -> Result<(), Failure> {
    let mut filled = batches.iter().filter(|batch| !batch.column.is_empty());
    let Some(first) = filled.next() else { return Ok(()) };
    let units = |batch: &Batch| batch.not_decoded.clone().unwrap_or_else(|| "no units of time".into());
    match filled.find(|batch| batch.not_decoded != first.not_decoded) {
        None => Ok(()),
        Some(other) => {
            let text = format!(
                "its times ({}) cannot be compared with those of {} ({})",
                units(other),
                first.name,
                units(first)
            );
            let hint = "times that cannot be decoded are only compared with times of the same units";
            Err(Failure::new(Exit::Unreadable, text).at(&other.name).hint(hint))
        }
    }
}

/// The failure of coordinates that cannot be compared.
fn different(batches: &[Batch]) -> Failure {
    let kind = |batch: &Batch| match &batch.column.values {
        Values::Time(_, calendar) => format!("times of the calendar {}", calendar.name()),
        Values::Text(_) => "text".into(),
        Values::I64(_) | Values::U64(_) => "integers".into(),
        _ => "numbers".into(),
    };
    let first = batches.iter().find(|batch| !batch.column.is_empty()).or(batches.first());
    let other = batches.iter().find(|batch| first.is_some_and(|first| kind(first) != kind(batch)));
    let (Some(first), Some(other)) = (first, other) else {
        return Failure::new(Exit::Unreadable, "the coordinates of the batches are of different kinds");
    };
    let text = format!("its coordinate holds {}, and that of {} {}", kind(other), first.name, kind(first));
    Failure::new(Exit::Unreadable, text).at(&other.name)
}

#[cfg(test)]
mod tests {
    use zcoord::Kind;

    use super::*;

    fn batch(values: &[f64]) -> Batch {
        let column = Column::new(Kind::Float(64), Values::F64(values.to_vec()));
        Batch::of_column(column)
    }

    #[test]
    fn rows_have_positions_and_an_order() {
        let batches = [batch(&[3.0, f64::NAN]), batch(&[]), batch(&[-0.0, 3.0, 0.0])];
        let coordinate = Coordinate::new(&batches).expect("of one kind");
        let at = |row| (coordinate.position(row).batch, coordinate.position(row).index);
        assert_eq!([0, 1, 2, 4].map(at), [(0, 0), (0, 1), (2, 0), (2, 2)]);
        assert_eq!(coordinate.sorted(), [2, 4, 0, 3]);
        assert_eq!((coordinate.rows(0), coordinate.rows(1), coordinate.rows(2)), (0..2, 2..2, 2..5));
        assert!(!coordinate.is_decreasing());
        assert!(Coordinate::new(&[batch(&[2.0, 1.0])]).expect("numbers").is_decreasing());
        let text = Column::new(Kind::Text, Values::Text(vec!["a".into()]));
        let text = Batch::of_column(text);
        let failure = Coordinate::new(&[batch(&[1.0]), text]).map(drop).expect_err("of two kinds");
        assert!(failure.to_string().contains("holds text"), "{failure}");
    }

    /// "months since" has no length: 0 of one date is not 0 of another.
    #[test]
    fn counts_from_different_dates_are_not_compared() {
        let since =
            |units: Option<&str>, values: &[f64]| Batch { not_decoded: units.map(str::to_owned), ..batch(values) };
        let (may, june) = (Some("months since 2000-05-01"), Some("months since 2000-06-01"));
        assert!(Coordinate::new(&[since(may, &[0.0, 1.0]), since(june, &[]), since(may, &[1.0])]).is_ok());
        for other in [june, None] {
            let failure = Coordinate::new(&[since(may, &[0.0]), since(other, &[0.0])]).map(drop).expect_err("differ");
            assert_eq!(failure.exit, Exit::Unreadable, "{failure}");
            assert!(failure.to_string().contains("months since 2000-05-01"), "{failure}");
        }
    }

    #[test]
    fn large_integers_are_not_rounded() {
        let large = |values: Values, kind| Batch::of_column(Column::new(kind, values));
        let signed = || large(Values::I64(vec![1, (1 << 62) + 1]), Kind::Int(64));
        let unsigned = large(Values::U64(vec![1 << 62, 1]), Kind::UInt(64));
        let coordinate = Coordinate::new(&[signed(), unsigned]).expect("integers");
        assert_eq!(coordinate.sorted(), [0, 3, 2, 1]);
        assert_eq!(coordinate.compare(1, 2), Ordering::Greater);
        let failure = Coordinate::new(&[signed(), batch(&[1.0])]).map(drop).expect_err("cannot be compared");
        assert!(failure.to_string().contains("holds numbers, and that of b integers"), "{failure}");
    }
}
