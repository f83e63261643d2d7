//! Decoded values of one column: what cells hold once byte order, masks and packing are undone.

use std::ops::Range;

use crate::calendar::Calendar;

/// Values of one type, one per row.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// 32-bit floats; NaN is missing.
    F32(Vec<f32>),
    /// 64-bit floats; NaN is missing.
    F64(Vec<f64>),
    /// Signed integers of any size.
    I64(Vec<i64>),
    /// Unsigned integers of any size.
    U64(Vec<u64>),
    /// Booleans.
    Bool(Vec<bool>),
    /// Times: microseconds since 1970-01-01T00:00:00 by the calendar's own count of days; [`NOT_A_TIME`] is missing.
    Time(Vec<i64>, Calendar),
    /// Text.
    Text(Vec<String>),
}

impl Values {
    /// Adds values of the same type; `false` if they are of another.
    fn append(&mut self, more: &Values) -> bool {
        match (self, more) {
            (Values::F32(all), Values::F32(more)) => all.extend_from_slice(more),
            (Values::F64(all), Values::F64(more)) => all.extend_from_slice(more),
            (Values::I64(all), Values::I64(more)) => all.extend_from_slice(more),
            (Values::U64(all), Values::U64(more)) => all.extend_from_slice(more),
            (Values::Bool(all), Values::Bool(more)) => all.extend_from_slice(more),
            (Values::Time(all, own), Values::Time(more, other)) if own == other => all.extend_from_slice(more),
            (Values::Text(all), Values::Text(more)) => all.extend_from_slice(more),
            _ => return false,
        }
        true
    }
}

/// The missing time (NumPy's `NaT`).
pub const NOT_A_TIME: i64 = i64::MIN;

/// Kind of the values of a column, as named in dictionaries and binary formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `float32` or `float64`: bits.
    Float(u8),
    /// `int8` … `int64`: bits.
    Int(u8),
    /// `uint8` … `uint64`: bits.
    UInt(u8),
    /// `bool`.
    Bool,
    /// A time of a calendar.
    Time(Calendar),
    /// Text.
    Text,
}

impl Kind {
    /// Its NumPy name: `float32`, `int16`, `bool`, `datetime64[us]`, `str`.
    pub fn name(self) -> String {
        match self {
            Kind::Float(bits) => format!("float{bits}"),
            Kind::Int(bits) => format!("int{bits}"),
            Kind::UInt(bits) => format!("uint{bits}"),
            Kind::Bool => "bool".into(),
            Kind::Time(_) => "datetime64[us]".into(),
            Kind::Text => "str".into(),
        }
    }
}

/// A column: its values, and which of them are missing although their type has no missing value.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Kind of the values. `Float(32)` goes with `F32`, `Int(_)` with `I64`, and so on.
    pub kind: Kind,
    /// One value per row.
    pub values: Values,
    /// Which rows are missing; empty if none are, except by NaN or [`NOT_A_TIME`].
    pub missing: Vec<bool>,
}

impl Column {
    /// A column without a mask: only NaN and [`NOT_A_TIME`] are missing.
    pub fn new(kind: Kind, values: Values) -> Column {
        Column { kind, values, missing: Vec::new() }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::F32(values) => values.len(),
            Values::F64(values) => values.len(),
            Values::I64(values) => values.len(),
            Values::U64(values) => values.len(),
            Values::Bool(values) => values.len(),
            Values::Time(values, _) => values.len(),
            Values::Text(values) => values.len(),
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the value of `row` is missing.
    pub fn is_missing(&self, row: usize) -> bool {
        if self.missing.get(row).copied().unwrap_or(false) {
            return true;
        }
        match &self.values {
            Values::F32(values) => values[row].is_nan(),
            Values::F64(values) => values[row].is_nan(),
            Values::Time(values, _) => values[row] == NOT_A_TIME,
            Values::I64(_) | Values::U64(_) | Values::Bool(_) | Values::Text(_) => false,
        }
    }

    /// The value of `row` as a number; `None` if it is missing or not a number.
    pub fn number(&self, row: usize) -> Option<f64> {
        if self.is_missing(row) {
            return None;
        }
        match &self.values {
            Values::F32(values) => Some(f64::from(values[row])),
            Values::F64(values) => Some(values[row]),
            Values::I64(values) => Some(values[row] as f64),
            Values::U64(values) => Some(values[row] as f64),
            Values::Bool(values) => Some(f64::from(u8::from(values[row]))),
            Values::Time(..) | Values::Text(_) => None,
        }
    }

    /// All values as numbers, missing ones as NaN; `None` if they are not numbers.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        match &self.values {
            Values::Time(..) | Values::Text(_) => None,
            _ => Some((0..self.len()).map(|row| self.number(row).unwrap_or(f64::NAN)).collect()),
        }
    }

    /// The rows with these indices, in this order.
    ///
    /// # Panics
    /// If a row does not exist.
    pub fn gather(&self, rows: &[usize]) -> Column {
        fn pick<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|row| values[*row].clone()).collect()
        }
        let values = match &self.values {
            Values::F32(values) => Values::F32(pick(values, rows)),
            Values::F64(values) => Values::F64(pick(values, rows)),
            Values::I64(values) => Values::I64(pick(values, rows)),
            Values::U64(values) => Values::U64(pick(values, rows)),
            Values::Bool(values) => Values::Bool(pick(values, rows)),
            Values::Time(values, calendar) => Values::Time(pick(values, rows), *calendar),
            Values::Text(values) => Values::Text(pick(values, rows)),
        };
        let missing = if self.missing.is_empty() { Vec::new() } else { pick(&self.missing, rows) };
        Column { kind: self.kind, values, missing }
    }

    /// The rows `range`.
    ///
    /// # Panics
    /// If there are fewer rows.
    pub fn slice(&self, range: Range<usize>) -> Column {
        let values = match &self.values {
            Values::F32(values) => Values::F32(values[range.clone()].to_vec()),
            Values::F64(values) => Values::F64(values[range.clone()].to_vec()),
            Values::I64(values) => Values::I64(values[range.clone()].to_vec()),
            Values::U64(values) => Values::U64(values[range.clone()].to_vec()),
            Values::Bool(values) => Values::Bool(values[range.clone()].to_vec()),
            Values::Time(values, calendar) => Values::Time(values[range.clone()].to_vec(), *calendar),
            Values::Text(values) => Values::Text(values[range.clone()].to_vec()),
        };
        let missing = if self.missing.is_empty() { Vec::new() } else { self.missing[range].to_vec() };
        Column { kind: self.kind, values, missing }
    }

    /// Columns one after the other; `None` if they are of different kinds. Integers of different types become int64 if they fit, other
    /// numbers of different types float64 if it holds all integers.
    pub fn concatenated(columns: &[Column]) -> Option<Column> {
        let (first, others) = columns.split_first()?;
        let rows = || columns.iter().flat_map(|column| (0..column.len()).map(move |row| (column, row)));
        let mut values = first.values.clone();
        if others.iter().all(|column| values.append(&column.values)) {
            let is_masked = columns.iter().any(|column| !column.missing.is_empty());
            let missing = rows().filter(|_| is_masked).map(|(column, row)| column.is_missing(row)).collect();
            return Some(Column { kind: first.kind, values, missing });
        }
        if columns.iter().any(|column| matches!(column.values, Values::Time(..) | Values::Text(_))) {
            return None;
        }
        if let Some(integers) = columns.iter().map(Column::integers).collect::<Option<Vec<_>>>() {
            let missing = rows().map(|(column, row)| column.is_missing(row)).collect();
            return Some(Column { kind: Kind::Int(64), values: Values::I64(integers.concat()), missing });
        }
        if columns.iter().any(Column::exceeds_float64) {
            return None;
        }
        let numbers = rows().map(|(column, row)| column.number(row).unwrap_or(f64::NAN)).collect();
        Some(Column::new(Kind::Float(64), Values::F64(numbers)))
    }

    /// Its integers, if all fit int64.
    fn integers(&self) -> Option<Vec<i64>> {
        match &self.values {
            Values::I64(values) => Some(values.clone()),
            Values::U64(values) => values.iter().map(|value| i64::try_from(*value).ok()).collect(),
            _ => None,
        }
    }

    /// Whether it has integers that float64 does not hold.
    fn exceeds_float64(&self) -> bool {
        const MOST: u64 = 1 << 53;
        let is_large = |row: usize| match &self.values {
            Values::I64(values) => values[row].unsigned_abs() > MOST,
            Values::U64(values) => values[row] > MOST,
            _ => false,
        };
        (0..self.len()).any(|row| !self.is_missing(row) && is_large(row))
    }

    /// Indices as a column, for a dimension without a coordinate.
    pub fn indices(indices: &[u64]) -> Column {
        Column::new(Kind::Int(64), Values::I64(indices.iter().map(|index| *index as i64).collect()))
    }

    /// Bytes of one value in memory.
    pub fn value_bytes(kind: Kind) -> usize {
        match kind {
            Kind::Float(32) => 4,
            Kind::Bool => 1,
            Kind::Text => 24,
            _ => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_one_type_keep_it_behind_one_another() {
        let large = |missing| Column { missing, ..Column::new(Kind::Int(64), Values::I64(vec![(1 << 53) + 1, 7])) };
        let both = Column::concatenated(&[large(vec![]), large(vec![false, true])]).expect("of one kind");
        assert_eq!(both.values, Values::I64(vec![(1 << 53) + 1, 7, (1 << 53) + 1, 7]));
        assert_eq!(both.missing, [false, false, false, true]);
        let narrow = Column::new(Kind::Float(32), Values::F32(vec![0.1]));
        let mixed = Column::concatenated(&[large(vec![true, false]), narrow.clone()]).expect("numbers");
        assert!(matches!(mixed.values, Values::F64(ref all) if all[0].is_nan() && all[2] == f64::from(0.1f32)));
        assert_eq!(Column::concatenated(&[large(vec![]), narrow.clone()]), None, "float64 would round");
        let unsigned = Column::new(Kind::UInt(64), Values::U64(vec![1 << 62]));
        let exact = Column::concatenated(&[large(vec![]), unsigned]).expect("integers");
        assert_eq!(exact.values, Values::I64(vec![(1 << 53) + 1, 7, 1 << 62]));
        assert_eq!(Column::concatenated(&[narrow.clone(), narrow.clone()]).expect("alike").kind, Kind::Float(32));
        assert_eq!(Column::concatenated(&[narrow, Column::new(Kind::Text, Values::Text(vec![]))]), None);
    }
}
