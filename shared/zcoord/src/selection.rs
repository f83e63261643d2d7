//! `--sel` and `--isel`: selection of indices of a dimension.
//!
//! xarray's terms: `sel` selects by coordinate value, both ends of a range included, and a time label of lower resolution
//! selects the whole period (pandas' partial string indexing); `isel` selects by index, the end excluded, negative indices
//! counted from the end.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::indices::Indices;
use crate::labels::{available, labelled};
use crate::nearest::Nearest;
use crate::values::Column;

/// A selection of one dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Its name.
    pub dimension: String,
    /// By value or by index.
    pub by: By,
}

/// How indices are selected.
#[derive(Debug, Clone, PartialEq)]
pub enum By {
    /// The text after `--sel DIM=`.
    Label(String),
    /// The same; of a label that is no coordinate value, the one that `nearest` finds.
    Near(String, Nearest),
    /// These, ascending.
    Indices(Indices),
    /// Start, end and step after `--isel DIM=`.
    Index {
        /// First index; negative from the end.
        start: Option<i64>,
        /// Last index, excluded; negative from the end.
        end: Option<i64>,
        /// Stride.
        step: u64,
    },
    /// One index.
    One(i64),
}

/// Why a selection matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectionError {
    /// An index beyond the dimension.
    OutOfBounds {
        /// The dimension.
        dimension: String,
        /// Its length.
        length: u64,
        /// The requested index.
        index: i64,
    },
    /// A label for a dimension without a coordinate.
    NoCoordinate(String),
    /// An invalid label, with a message.
    BadLabel(String),
    /// No index matches.
    Empty {
        /// The dimension.
        dimension: String,
        /// The coordinate values that there are, if there is a coordinate: all, or the first and the last.
        available: Option<String>,
        /// The one that is nearest to the label, if it is one.
        nearest: Option<String>,
    },
    /// Several selections of one dimension have no index in common.
    Disjoint,
}

impl fmt::Display for SelectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectionError::OutOfBounds { dimension, length, index } => {
                write!(f, "index {index} is out of bounds for {dimension}, which has length {length}")
            }
            SelectionError::NoCoordinate(dimension) => write!(f, "{dimension} has no coordinate: use --isel"),
            SelectionError::BadLabel(what) => f.write_str(what),
            SelectionError::Empty { dimension, available: None, .. } => {
                write!(f, "the selection matches no {dimension}")
            }
            SelectionError::Empty { dimension, available: Some(available), .. } => {
                write!(f, "the selection matches no {dimension}; available: {available}")
            }
            SelectionError::Disjoint => f.write_str("the selections do not overlap"),
        }
    }
}

impl std::error::Error for SelectionError {}

impl SelectionError {
    /// What to do, if it is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            SelectionError::Empty { dimension, nearest: Some(label), .. } => {
                Some(format!("the nearest is {label}: use --sel {dimension}={label}, or --sel-method nearest"))
            }
            SelectionError::Disjoint => Some("use one selection per dimension, such as a,b or a:b".into()),
            _ => None,
        }
    }
}

/// The indices of a dimension of `length` that all of its selections select, ascending; without selections every index.
///
/// # Errors
/// The first selection that matches nothing, or [`SelectionError::Disjoint`].
pub fn select<'a>(
    selections: impl IntoIterator<Item = &'a Selection>,
    dimension: &str,
    length: u64,
    coordinate: Option<&Column>,
) -> Result<Indices, SelectionError> {
    let mut indices: Option<Indices> = None;
    for selection in selections.into_iter().filter(|selection| selection.dimension == dimension) {
        let selected = selection.resolve(length, coordinate)?;
        indices = Some(match indices {
            None => selected,
            Some(others) => others.intersection(selected),
        });
    }
    let indices = indices.unwrap_or_else(|| Indices::all(length));
    if indices.is_empty() && length > 0 { Err(SelectionError::Disjoint) } else { Ok(indices) }
}

/// Parses `--sel`.
///
/// # Errors
/// A message with the expected form.
pub fn parse_sel(text: &str) -> Result<Selection, String> {
    let (dimension, label) = text.split_once('=').ok_or("expected DIM=VALUE or DIM=FROM:TO")?;
    Ok(Selection { dimension: dimension.trim().to_owned(), by: By::Label(label.trim().to_owned()) })
}

/// Parses `--isel`.
///
/// # Errors
/// A message with the expected form.
pub fn parse_isel(text: &str) -> Result<Selection, String> {
    let wrong = || "expected DIM=I, DIM=I:J or DIM=I:J:STEP".to_owned();
    let (dimension, indices) = text.split_once('=').ok_or_else(wrong)?;
    let parts: Vec<&str> = indices.split(':').map(str::trim).collect();
    let bound = |text: &str| match text {
        "" => Ok(None),
        text => i64::from_str(text).map(Some).map_err(|_| wrong()),
    };
    let by = match parts.as_slice() {
        [one] => By::One(one.parse().map_err(|_| wrong())?),
        [start, end] => By::Index { start: bound(start)?, end: bound(end)?, step: 1 },
        [start, end, step] => {
            let step = step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?;
            By::Index { start: bound(start)?, end: bound(end)?, step }
        }
        _ => return Err(wrong()),
    };
    Ok(Selection { dimension: dimension.trim().to_owned(), by })
}

impl Selection {
    /// Whether it needs no coordinate.
    pub fn is_by_index(&self) -> bool {
        !matches!(self.by, By::Label(_) | By::Near(..))
    }

    /// What it selects of some consecutive `part` of a dimension, counted from the beginning of the part; `indices` are those
    /// that it selects of the whole dimension. `None` if nothing.
    pub fn within(&self, indices: &Indices, part: Range<u64>) -> Option<Selection> {
        let inside = indices.clone().intersection(Indices::stepped(part.start, part.end, 1));
        let by = By::Indices(inside.counted_from(part.start));
        (!inside.is_empty()).then(|| Selection { dimension: self.dimension.clone(), by })
    }

    /// The indices that are selected of a dimension of `length` with this coordinate, ascending.
    ///
    /// # Errors
    /// Any [`SelectionError`] but [`SelectionError::Disjoint`].
    pub fn resolve(&self, length: u64, coordinate: Option<&Column>) -> Result<Indices, SelectionError> {
        let dimension = || self.dimension.clone();
        let needed = || coordinate.ok_or_else(|| SelectionError::NoCoordinate(dimension()));
        let from_end = |index: i64| match index {
            0.. => index.unsigned_abs().into(),
            _ => i128::from(length) + i128::from(index),
        };
        let indices = match &self.by {
            By::One(index) => {
                let found = u64::try_from(from_end(*index)).ok().filter(|index| *index < length);
                let outside = || SelectionError::OutOfBounds { dimension: dimension(), length, index: *index };
                let found = found.ok_or_else(outside)?;
                Indices::stepped(found, found + 1, 1)
            }
            By::Index { start, end, step } => {
                let at = |bound: i64| u64::try_from(from_end(bound).max(0)).unwrap_or(u64::MAX).min(length);
                Indices::stepped(start.map_or(0, at), end.map_or(length, at), *step)
            }
            By::Indices(indices) => indices.clone(),
            By::Label(label) => Indices::List(labelled(needed()?, label).map_err(SelectionError::BadLabel)?),
            By::Near(label, nearest) => {
                Indices::List(nearest.labelled(needed()?, label).map_err(SelectionError::BadLabel)?)
            }
        };
        match indices.is_empty() {
            true => Err(SelectionError::Empty {
                dimension: dimension(),
                available: coordinate.and_then(available),
                nearest: coordinate.zip(self.label()).and_then(|(column, label)| Nearest::ANY.label(column, label)),
            }),
            false => Ok(indices),
        }
    }

    fn label(&self) -> Option<&str> {
        match &self.by {
            By::Label(label) | By::Near(label, _) => Some(label),
            By::Index { .. } | By::One(_) | By::Indices(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Calendar;
    use crate::time::parse_label;
    use crate::values::{Kind, Values};

    fn levels() -> Column {
        Column::new(Kind::Float(64), Values::F64(vec![1000.0, 850.0, 500.0, f64::from(0.1f32)]))
    }

    fn sel(text: &str, column: &Column) -> Result<Vec<u64>, String> {
        let selected = parse_sel(text)?.resolve(column.len() as u64, Some(column));
        selected.map(|indices| indices.iter().collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_by_value_both_ends_included_in_either_order() {
        assert_eq!(sel("level=850", &levels()), Ok(vec![1]));
        assert_eq!(sel("level=500:850", &levels()), Ok(vec![1, 2]));
        assert_eq!(sel("level=850:500", &levels()), Ok(vec![1, 2]));
        assert_eq!(sel("level=:500", &levels()), Ok(vec![2, 3]));
        assert_eq!(sel("level=1000,0.1", &levels()), Ok(vec![0, 3]));
        assert!(sel("level=700", &levels()).expect_err("nothing").contains("available: 1000, 850, 500, 0.1"));
        let many = Column::new(Kind::Int(64), Values::I64((0..100).collect()));
        assert!(sel("level=700", &many).expect_err("nothing").ends_with("available: 0 to 99 (100 values)"));
        assert!(sel("level=x", &levels()).is_err());
    }

    #[test]
    fn indices_as_python_counts_them() {
        let isel = |text: &str| -> Result<Vec<u64>, String> {
            let selected = parse_isel(text)?.resolve(10, None).map_err(|error| error.to_string())?;
            Ok(selected.iter().collect::<Vec<u64>>())
        };
        assert_eq!(isel("time=3"), Ok(vec![3]));
        assert_eq!(isel("time=-1"), Ok(vec![9]));
        assert_eq!(isel("time=0:3"), Ok(vec![0, 1, 2]));
        assert_eq!(isel("time=-3:"), Ok(vec![7, 8, 9]));
        assert_eq!(isel("time=1:9:4"), Ok(vec![1, 5]));
        assert_eq!(isel("time=8:20"), Ok(vec![8, 9]));
        for bad in ["time=10", "time=-11", "time=5:5", "time", "time=a:b", "time=::0", "time=1:2:3:4"] {
            assert!(isel(bad).is_err(), "{bad}");
        }
        assert!(parse_sel("time=3").expect("parses").resolve(10, None).is_err(), "there are no labels");
    }

    #[test]
    fn times_by_label_cut_short_or_whole() {
        let hour = 3_600_000_000i64;
        let start = parse_label("2019-03-01", Calendar::ProlepticGregorian).expect("a label").start;
        let moments = (0..72).map(|n| start + n * hour).collect();
        let calendar = Calendar::ProlepticGregorian;
        let column = Column::new(Kind::Time(calendar), Values::Time(moments, calendar));
        for (text, expected) in [
            ("time=2019-03-02", 24..48),
            ("time=2019-03", 0..72),
            ("time=2019-03-01:2019-03-02", 0..48),
            ("time=2019-03-01/2019-03-02", 0..48),
            ("time=2019-03-01T06:30:2019-03-01T09:00", 7..10),
            ("time=2019-03-01T06:00", 6..7),
            ("time=:2019-03-01T02", 0..3),
            ("time=2019-03-03T20:", 68..72),
        ] {
            assert_eq!(sel(text, &column), Ok(expected.collect()), "{text}");
        }
        assert!(sel("time=monday", &column).is_err() && sel("time=2020", &column).is_err());
    }

    /// As in xarray, where such a slice is empty.
    #[test]
    fn a_range_that_starts_after_it_ends_is_refused_unless_values_decrease() {
        let start = parse_label("2019-03-01", Calendar::ProlepticGregorian).expect("a label").start;
        let calendar = Calendar::ProlepticGregorian;
        let days = |order: &mut dyn Iterator<Item = i64>| {
            let moments = order.map(|day| start + day * 86_400_000_000).collect();
            Column::new(Kind::Time(calendar), Values::Time(moments, calendar))
        };
        let (up, down) = (days(&mut (0..9)), days(&mut (0..9).rev()));
        for text in ["time=2019-03-04:2019-03-02", "time=2019-04:2019-03-02", "time=2019-03-01,2019-03-04/2019-03-02"] {
            assert!(sel(text, &up).expect_err(text).contains("starts after it ends: use 2019-03-02:"), "{text}");
        }
        assert_eq!(sel("time=2019-03-07:2019-03", &up), Ok(vec![6, 7, 8]), "from that day to the end of the month");
        assert_eq!(sel("time=2019-03-04:2019-03-02", &down), Ok(vec![5, 6, 7]));
        assert_eq!(sel("time=2019-03-02:2019-03-04", &down), Ok(vec![5, 6, 7]));
        assert_eq!(sel("time=:2019-03-02", &down), Ok(vec![7, 8]));
        let numbers = Column::new(Kind::Int(64), Values::I64((0..9).collect()));
        assert!(sel("x=5:3", &numbers).expect_err("reversed").contains("use 3:5"));
    }

    /// As xarray's over a concatenation: indices of the whole, one part after the other.
    #[test]
    fn parts_have_their_share_of_a_selection() {
        let share = |text: &str, part: Range<u64>| {
            let selection = parse_isel(text).expect("parses");
            let indices = selection.resolve(30, None).expect("selects");
            let own = selection.within(&indices, part.clone())?;
            let own = own.resolve(part.end - part.start, None).expect("selects");
            Some(own.iter().collect::<Vec<_>>())
        };
        assert_eq!(share("time=8:12", 0..10), Some(vec![8, 9]));
        assert_eq!(share("time=8:12", 10..20), Some(vec![0, 1]));
        assert_eq!(share("time=8:12", 20..30), None);
        assert_eq!(share("time=-1", 20..30), Some(vec![9]));
        assert_eq!(share("time=::7", 10..20), Some(vec![4]));
    }

    #[test]
    fn selections_of_one_dimension_intersect() {
        let parse = |texts: &[&str]| texts.iter().map(|text| parse_isel(text).expect("parses")).collect::<Vec<_>>();
        let both = parse(&["x=0:6", "x=4:9", "y=1"]);
        assert_eq!(select(&both, "x", 10, None), Ok(Indices::stepped(4, 6, 1)));
        assert_eq!(select(&both, "z", 1 << 60, None), Ok(Indices::all(1 << 60)));
        assert_eq!(select(&parse(&["x=0:2", "x=5"]), "x", 10, None), Err(SelectionError::Disjoint));
    }
}
