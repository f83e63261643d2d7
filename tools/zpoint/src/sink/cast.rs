//! Converts all numeric features to 32-bit floats; missing values become NaN.

use zarray::Pool;
use zcoord::{Column, Kind, Values};
use zwire::Failure;

use super::{Sink, Written};
use crate::batch::{Batch, Schema};

const SINGLE: Kind = Kind::Float(32);

/// A sink that converts numeric features before passing them on.
pub struct Cast<S> {
    /// The inner sink.
    pub inner: S,
}

fn is_cast(kind: Kind) -> bool {
    kind != SINGLE && !matches!(kind, Kind::Time(_) | Kind::Text)
}

/// The schema of the converted rows.
pub fn schema(schema: &Schema) -> Schema {
    let mut schema = schema.clone();
    for variable in schema.variables.iter_mut().filter(|variable| is_cast(variable.kind)) {
        variable.kind = SINGLE;
    }
    schema
}

/// The converted column; `None` if it is unchanged.
fn column(column: &Column) -> Option<Column> {
    if !is_cast(column.kind) {
        return None;
    }
    let numbers = (0..column.len()).map(|row| column.number(row).unwrap_or(f64::NAN) as f32);
    Some(Column::new(SINGLE, Values::F32(numbers.collect())))
}

impl<S: Sink> Sink for Cast<S> {
    fn write(&mut self, batch: &Batch, pool: &Pool) -> Result<u64, Failure> {
        if !batch.features.iter().any(|feature| is_cast(feature.kind)) {
            return self.inner.write(batch, pool);
        }
        let features: Vec<&Column> = batch.features.iter().collect();
        let features = pool.map(features, |feature| column(feature).unwrap_or_else(|| feature.clone()));
        self.inner.write(&Batch { rows: batch.rows, keys: batch.keys.clone(), features }, pool)
    }

    fn buffered(&self) -> u64 {
        self.inner.buffered()
    }

    fn relieve(&mut self, pool: &Pool) -> Result<(), Failure> {
        self.inner.relieve(pool)
    }

    fn finish(self: Box<Self>) -> Result<Written, Failure> {
        Box::new(self.inner).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::sink::{Format, Options, fixture};

    #[test]
    fn numbers_become_floats_and_missing_ones_nan() {
        let options = Options { cast_f32: true, na_rep: "NA".into(), ..Options::default() };
        let text = fixture::streamed(Format::Csv, &options, 2);
        assert!(text.contains("281.6084,250.0,-3.0,1.0\n"));
        assert!(text.contains("NA,inf,NA,0.0\n"));
    }
}
