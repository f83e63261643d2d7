//! Appends values to columns.

use zcoord::{Column, Kind, Values};

/// Appends `more` to `column`. Values of a different type become missing, because a coordinate has a single type.
pub fn extend(column: &mut Column, more: &Column) {
    let (before, added) = (column.len(), more.len());
    let fits = match (&mut column.values, &more.values) {
        (Values::F32(values), Values::F32(more)) => append(values, more),
        (Values::F64(values), Values::F64(more)) => append(values, more),
        (Values::I64(values), Values::I64(more)) => append(values, more),
        (Values::U64(values), Values::U64(more)) => append(values, more),
        (Values::Bool(values), Values::Bool(more)) => append(values, more),
        (Values::Time(values, _), Values::Time(more, _)) => append(values, more),
        (Values::Text(values), Values::Text(more)) => append(values, more),
        _ => false,
    };
    if !fits {
        return extend_missing(column, added);
    }
    if !(column.missing.is_empty() && more.missing.is_empty()) {
        column.missing.resize(before, false);
        column.missing.extend((0..added).map(|row| more.missing.get(row).copied().unwrap_or(false)));
    }
}

fn append<T: Clone>(values: &mut Vec<T>, more: &[T]) -> bool {
    values.extend_from_slice(more);
    true
}

/// Appends `count` missing values.
pub fn extend_missing(column: &mut Column, count: usize) {
    let len = column.len();
    column.missing.resize(len, false);
    column.missing.resize(len + count, true);
    let len = len + count;
    match &mut column.values {
        Values::F32(values) => values.resize(len, f32::NAN),
        Values::F64(values) => values.resize(len, f64::NAN),
        Values::I64(values) => values.resize(len, 0),
        Values::U64(values) => values.resize(len, 0),
        Values::Bool(values) => values.resize(len, false),
        Values::Time(values, _) => values.resize(len, zcoord::NOT_A_TIME),
        Values::Text(values) => values.resize(len, String::new()),
    }
}

/// An empty column of `kind`.
pub fn empty(kind: Kind) -> Column {
    let values = match kind {
        Kind::Float(bits) if bits <= 32 => Values::F32(Vec::new()),
        Kind::Float(_) => Values::F64(Vec::new()),
        Kind::Int(_) => Values::I64(Vec::new()),
        Kind::UInt(_) => Values::U64(Vec::new()),
        Kind::Bool => Values::Bool(Vec::new()),
        Kind::Time(calendar) => Values::Time(Vec::new(), calendar),
        Kind::Text => Values::Text(Vec::new()),
    };
    Column::new(kind, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_and_put_together() {
        let source =
            Column { missing: vec![false, true, false], ..Column::new(Kind::Int(16), Values::I64(vec![1, 2, 3])) };
        let taken = source.gather(&[2, 1, 1]);
        assert_eq!((taken.values.clone(), &taken.missing[..]), (Values::I64(vec![3, 2, 2]), &[false, true, true][..]));
        let mut all = empty(Kind::Int(16));
        extend(&mut all, &source.gather(&[0]));
        assert!(all.missing.iter().all(|missing| !missing));
        extend(&mut all, &taken);
        extend_missing(&mut all, 1);
        let numbers: Vec<Option<f64>> = (0..all.len()).map(|row| all.number(row)).collect();
        assert_eq!(numbers, [Some(1.0), Some(3.0), None, None, None]);
    }

    #[test]
    fn another_type_is_missing() {
        let mut column = Column::new(Kind::Int(64), Values::I64(vec![1]));
        extend(&mut column, &Column::new(Kind::Text, Values::Text(vec!["a".into()])));
        assert_eq!((column.number(0), column.number(1)), (Some(1.0), None));
    }
}
