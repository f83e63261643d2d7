//! Turns stored elements into columns: decodes them, arranges them in rows, and interpolates between cells.

use zcoord::{Column, Decoder, Kind, Values};

use crate::lookup::Stencil;

/// The elements of one variable in one batch: feature by feature, in each sample by sample, in each cell by cell.
pub struct Raw {
    /// Encoded elements.
    pub bytes: Vec<u8>,
    /// Which of them could not be read; empty if none.
    pub failed: Vec<bool>,
    /// Which of them are in chunks that are not stored; empty if the elements have the fill value already.
    pub absent: Vec<bool>,
}

/// Maps the samples and points of a batch to elements.
pub struct Rows<'a> {
    /// Cells of the variable.
    pub cells: usize,
    /// Number of samples of the variable itself.
    pub own_samples: usize,
    /// For each sample of the batch, its sample of the variable; `None` if they are identical.
    pub sample_of: Option<Vec<usize>>,
    /// For each point, its cells.
    pub stencils: &'a [Stencil],
    /// Samples of the batch.
    pub samples: usize,
}

impl Rows<'_> {
    /// Whether the rows of a feature are its elements in order.
    fn are_elements(&self) -> bool {
        let in_order = |(number, stencil): (usize, &Stencil)| matches!(stencil, Stencil::One(cell) if *cell == number);
        self.sample_of.is_none() && self.stencils.len() == self.cells && self.stencils.iter().enumerate().all(in_order)
    }
}

/// Decodes a variable and splits it into the columns of its features; and the number of values outside the valid range.
pub fn columns(decoder: &Decoder, raw: &Raw, rows: &Rows, features: usize) -> (Vec<Column>, u64) {
    let decoded = decoder.decode_present(&raw.bytes, &raw.failed, &raw.absent);
    (arranged(decoded.column, rows, features), decoded.out_of_range)
}

/// Splits the values of a variable into the columns of its features.
pub fn arranged(column: Column, rows: &Rows, features: usize) -> Vec<Column> {
    let per_feature = rows.own_samples * rows.cells;
    let plain = rows.are_elements();
    if plain && features == 1 {
        return vec![column];
    }
    let cut = |feature: usize| {
        let start = feature * per_feature;
        if plain { column.slice(start..start + per_feature) } else { at_points(&column, start, rows) }
    };
    (0..features).map(cut).collect()
}

/// The rows of one feature, whose elements start at `start`.
fn at_points(column: &Column, start: usize, rows: &Rows) -> Column {
    if rows.stencils.iter().any(|stencil| matches!(stencil, Stencil::Weighted(_))) {
        return between(column, start, rows);
    }
    let mut picked = Vec::with_capacity(rows.samples * rows.stencils.len());
    let mut missing = Vec::new();
    for sample in 0..rows.samples {
        let own = rows.sample_of.as_ref().map_or(sample, |of| of[sample]);
        for stencil in rows.stencils {
            match stencil {
                Stencil::One(cell) => picked.push(Some(start + own * rows.cells + cell)),
                _ => picked.push(None),
            }
        }
    }
    if picked.iter().any(Option::is_none) {
        missing = picked.iter().map(Option::is_none).collect();
    }
    if column.is_empty() {
        return all_missing(column, picked.len());
    }
    let found: Vec<usize> = picked.iter().map(|row| row.unwrap_or(0)).collect();
    with_missing(column.gather(&found), &missing)
}

/// A column of missing values.
fn all_missing(like: &Column, rows: usize) -> Column {
    let values = match &like.values {
        Values::F32(_) => Values::F32(vec![f32::NAN; rows]),
        Values::F64(_) => Values::F64(vec![f64::NAN; rows]),
        Values::I64(_) => Values::I64(vec![0; rows]),
        Values::U64(_) => Values::U64(vec![0; rows]),
        Values::Bool(_) => Values::Bool(vec![false; rows]),
        Values::Time(_, calendar) => Values::Time(vec![zcoord::NOT_A_TIME; rows], *calendar),
        Values::Text(_) => Values::Text(vec![String::new(); rows]),
    };
    Column { kind: like.kind, values, missing: vec![true; rows] }
}

/// Marks rows as missing: with NaN, or in the mask for types without NaN.
fn with_missing(mut column: Column, missing: &[bool]) -> Column {
    if missing.is_empty() {
        return column;
    }
    match &mut column.values {
        Values::F32(values) => mark(values, missing, f32::NAN),
        Values::F64(values) => mark(values, missing, f64::NAN),
        Values::Time(values, _) => mark(values, missing, zcoord::NOT_A_TIME),
        _ if column.missing.is_empty() => column.missing = missing.to_vec(),
        _ => column.missing.iter_mut().zip(missing).for_each(|(is, also)| *is |= also),
    }
    column
}

fn mark<T: Copy>(values: &mut [T], missing: &[bool], marker: T) {
    for (value, _) in values.iter_mut().zip(missing).filter(|(_, missing)| **missing) {
        *value = marker;
    }
}

/// Weighted sums of cells; missing if any of them is. 32-bit floats stay 32-bit floats.
fn between(column: &Column, start: usize, rows: &Rows) -> Column {
    let mut values = Vec::with_capacity(rows.samples * rows.stencils.len());
    for sample in 0..rows.samples {
        let own = rows.sample_of.as_ref().map_or(sample, |of| of[sample]);
        let at = |cell: usize| column.number(start + own * rows.cells + cell).unwrap_or(f64::NAN);
        for stencil in rows.stencils {
            values.push(match stencil {
                Stencil::Empty => f64::NAN,
                Stencil::One(cell) => at(*cell),
                Stencil::Weighted(cells) => cells.iter().map(|(cell, weight)| at(*cell) * weight).sum(),
            });
        }
    }
    match between_kind(column.kind) {
        Kind::Float(32) => {
            Column::new(Kind::Float(32), Values::F32(values.iter().map(|value| *value as f32).collect()))
        }
        _ => Column::new(Kind::Float(64), Values::F64(values)),
    }
}

/// The kind of interpolated values.
pub fn between_kind(kind: Kind) -> Kind {
    if kind == Kind::Float(32) { kind } else { Kind::Float(64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<'a>(stencils: &'a [Stencil], sample_of: Option<Vec<usize>>) -> Rows<'a> {
        Rows { cells: 2, own_samples: 2, samples: sample_of.as_ref().map_or(2, Vec::len), sample_of, stencils }
    }

    fn column() -> Column {
        Column::new(Kind::Float(32), Values::F32(vec![0.0, 1.0, 10.0, 11.0, 100.0, 101.0, 110.0, 111.0]))
    }

    #[test]
    fn points_take_their_cells_and_samples_repeat() {
        let stencils = [Stencil::One(1), Stencil::Empty, Stencil::One(1)];
        let found = at_points(&column(), 4, &rows(&stencils, None));
        let Values::F32(values) = &found.values else { panic!("floats") };
        assert_eq!((values[0], values[2], values[3], values[5]), (101.0, 101.0, 111.0, 111.0));
        assert!(found.is_missing(1) && found.is_missing(4) && !found.is_missing(0));
        let found = at_points(&column(), 0, &rows(&[Stencil::One(0)], Some(vec![0, 0, 1, 1])));
        assert_eq!(found.values, Values::F32(vec![0.0, 0.0, 10.0, 10.0]));
    }

    #[test]
    fn between_cells_is_the_weighted_sum_and_missing_spreads() {
        let mut column = column();
        let stencils = [Stencil::Weighted(vec![(0, 0.25), (1, 0.75)])];
        assert_eq!(between(&column, 0, &rows(&stencils, None)).values, Values::F32(vec![0.75, 10.75]));
        let Values::F32(values) = &mut column.values else { panic!("floats") };
        values[1] = f32::NAN;
        let found = between(&column, 0, &rows(&stencils, None));
        assert!(found.is_missing(0) && !found.is_missing(1));
    }

    #[test]
    fn missing_integers_are_marked_beside_their_values() {
        let column = Column::new(Kind::Int(16), Values::I64(vec![1, 2, 3, 4]));
        let found = at_points(&column, 0, &rows(&[Stencil::Empty, Stencil::One(1)], None));
        assert_eq!(found.missing, [true, false, true, false]);
        assert_eq!(found.number(3), Some(4.0));
    }
}
