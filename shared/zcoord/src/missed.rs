//! What selections that match nothing have missed: over several columns of one dimension, as if they were one.

use crate::labels::label_of;
use crate::nearest::{Nearest, NearestMethod};
use crate::number::Number;
use crate::selection::{Selection, SelectionError};
use crate::values::Column;

/// The label of a selection that matches nothing, and the outline of the column in which it does not.
#[derive(Debug, Clone)]
pub struct Missed {
    dimension: String,
    label: String,
    method: Option<NearestMethod>,
    /// The smallest value, the largest one, and the nearest to the label.
    outline: Column,
}

impl Missed {
    /// What `selection` has missed in `column`; `None` where it is not by label, or the values have no order.
    pub fn of(selection: &Selection, column: &Column) -> Option<Missed> {
        let label = selection.label()?.to_owned();
        let mut rows: Vec<usize> = ends(column)?.into();
        rows.extend(Nearest::ANY.row(column, &label));
        let (dimension, method) = (selection.dimension.clone(), selection.method());
        Some(Missed { dimension, label, method, outline: column.gather(&rows) })
    }

    /// The one error for all of them; `None` where they are not of one selection, or their columns of different kinds.
    pub fn joined(all: &[Missed]) -> Option<SelectionError> {
        let Missed { dimension, label, method, .. } = all.first()?;
        if all.iter().any(|other| other.dimension != *dimension || other.label != *label) {
            return None;
        }
        let outlines: Vec<Column> = all.iter().map(|missed| missed.outline.clone()).collect();
        let values = Column::concatenated(&outlines)?;
        let [first, last] = ends(&values)?.map(|row| label_of(&values, row));
        let nearest = Nearest::ANY.row(&values, label).map(|row| label_of(&values, row));
        let available = Some(format!("{first} to {last}"));
        Some(SelectionError::Empty { dimension: dimension.clone(), available, nearest, method: *method })
    }
}

/// The rows of the smallest and the largest value; `None` where there are none that can be compared.
fn ends(column: &Column) -> Option<[usize; 2]> {
    let numbers = || (0..column.len()).filter_map(|row| Some((row, Number::of(column, row)?)));
    let finite = || numbers().filter(|(_, number)| number.is_finite());
    let first = finite().reduce(|least, other| if other.1.minus(least.1) < 0.0 { other } else { least })?;
    let last = finite().reduce(|most, other| if other.1.minus(most.1) > 0.0 { other } else { most })?;
    Some([first.0, last.0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::parse_sel;
    use crate::values::{Kind, Values};

    fn levels(values: &[i64]) -> Column {
        Column::new(Kind::Int(64), Values::I64(values.to_vec()))
    }

    #[test]
    fn several_columns_have_one_range_and_one_nearest_value() {
        let selection = parse_sel("level=690").expect("a selection");
        let missed = |values: &[i64]| Missed::of(&selection, &levels(values)).expect("levels have an order");
        let all = [missed(&[1000, 850]), missed(&[500, 700, 300]), missed(&[100])];
        let error = Missed::joined(&all).expect("of one selection");
        assert_eq!(error.to_string(), "the selection matches no level; available: 100 to 1000");
        assert!(error.hint().expect("there is one").contains("the nearest is 700"), "{:?}", error.hint());
        let other = Missed::of(&parse_sel("step=1").expect("a selection"), &levels(&[5])).expect("has an order");
        assert!(Missed::joined(&[all[0].clone(), other]).is_none());
        let names = Column::new(Kind::Text, Values::Text(vec!["a".into()]));
        assert!(Missed::of(&selection, &names).is_none(), "text has no range");
    }
}
