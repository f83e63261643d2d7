//! Puts coordinates in ascending order: descending ones are reversed, longitudes are made continuous across 360 degrees.

use crate::degrees::{CLOSING, TURN, shown};
use crate::grid_error::GridError;

/// Coordinates along one dimension, and the same in ascending order.
pub(crate) struct Ordered {
    /// `latitude` or `longitude`.
    pub name: &'static str,
    /// The coordinates as stored.
    pub stored: Vec<f64>,
    /// The same in ascending order, longitudes made continuous, without a repeated last column.
    pub values: Vec<f64>,
    /// Stored index of each of `values`.
    pub indices: Vec<usize>,
    /// Whether values 360 degrees apart are equal.
    pub cyclic: bool,
}

impl Ordered {
    /// Latitudes, ascending or descending.
    ///
    /// # Errors
    /// Latitudes that are not monotonic.
    pub fn latitude(stored: Vec<f64>) -> Result<Ordered, GridError> {
        let name = "latitude";
        let (values, indices) = ascending(name, &stored)?;
        Ok(Ordered { name, stored, values, indices, cyclic: false })
    }

    /// Longitudes, ascending or descending, possibly across the wrap from 360 to 0.
    ///
    /// # Errors
    /// Longitudes that are not monotonic, or span more than 360 degrees.
    pub fn longitude(stored: Vec<f64>) -> Result<Ordered, GridError> {
        let name = "longitude";
        let (values, indices) = unrolled(name, &stored)?;
        Ok(Ordered { name, stored, values, indices, cyclic: true })
    }
}

/// Ascending values, and where each is stored.
type Ascending = (Vec<f64>, Vec<usize>);

/// Monotonic coordinates.
///
/// # Errors
/// Coordinates that are not monotonic.
fn ascending(name: &str, stored: &[f64]) -> Result<Ascending, GridError> {
    match turn_in_order(stored) {
        Some(at) => Err(unordered(name, stored, at)),
        None => Ok(rising(stored.to_vec())),
    }
}

/// Longitudes that are monotonic once whole turns are added, such as 350, 355, 0, 5. A last one that is the
/// first again is left out.
///
/// # Errors
/// Longitudes that are not monotonic, or span more than 360 degrees.
fn unrolled(name: &str, stored: &[f64]) -> Result<Ascending, GridError> {
    let plain = turn_in_order(stored);
    let ways = [1.0, -1.0].map(|sign| along(stored, sign, plain.is_none()));
    let falls = stored.first() > stored.last();
    let chosen = match ways {
        // Two values, such as 350 and 5, can be read both ways round: the short one is meant.
        [Some(up), Some(down)] => match span(&up).total_cmp(&span(&down)) {
            std::cmp::Ordering::Less => up,
            std::cmp::Ordering::Equal if !falls => up,
            _ => down,
        },
        [up, down] => up.or(down).ok_or_else(|| match plain {
            Some(at) => unordered(name, stored, at),
            None => GridError::new(format!(
                "{name} spans more than one full turn, from {} to {}",
                stored[0],
                stored[stored.len() - 1]
            )),
        })?,
    };
    Ok(rising(without_repetition(chosen)))
}

/// Longitudes with whole turns added so that they rise (`sign` 1) or fall (-1), if they then span at most one turn.
/// Steps of more than half a turn are rejected, unless the stored longitudes are monotonic in this direction. Longitudes
/// that are monotonic in the other direction are not reversed, except if there are only two.
fn along(stored: &[f64], sign: f64, plain: bool) -> Option<Vec<f64>> {
    let kept = plain && (stored.first() < stored.last()) == (sign > 0.0);
    if plain && !kept && stored.len() > 2 {
        return None;
    }
    let mut values: Vec<f64> = Vec::with_capacity(stored.len());
    for value in stored {
        let Some(last) = values.last() else {
            values.push(*value);
            continue;
        };
        let turns = ((last - value) * sign / TURN).floor() + 1.0;
        let next = if turns == 0.0 { *value } else { value + sign * turns * TURN };
        if !kept && (next - last).abs() > TURN / 2.0 {
            return None;
        }
        values.push(next);
    }
    (span(&values) <= TURN + CLOSING * mean_step(&values)).then_some(values)
}

fn span(values: &[f64]) -> f64 {
    values.last().zip(values.first()).map_or(0.0, |(last, first)| (last - first).abs())
}

fn mean_step(values: &[f64]) -> f64 {
    span(values) / values.len().saturating_sub(1).max(1) as f64
}

fn without_repetition(mut values: Vec<f64>) -> Vec<f64> {
    if values.len() > 2 && (span(&values) - TURN).abs() <= CLOSING * mean_step(&values) {
        values.pop();
    }
    values
}

/// Values that rise or fall, rising.
fn rising(mut values: Vec<f64>) -> Ascending {
    let mut indices: Vec<usize> = (0..values.len()).collect();
    if values.first() > values.last() {
        values.reverse();
        indices.reverse();
    }
    (values, indices)
}

/// The first index whose value does not go on in the direction of the first two.
fn turn_in_order(values: &[f64]) -> Option<usize> {
    let falls = values.len() > 1 && values[1] < values[0];
    values.windows(2).position(|pair| if falls { pair[1] >= pair[0] } else { pair[1] <= pair[0] }).map(|at| at + 1)
}

fn unordered(name: &str, stored: &[f64], at: usize) -> GridError {
    let (before, value) = (shown(stored[at - 1]), shown(stored[at]));
    GridError::new(format!("{name} is not monotonic: {before} is followed by {value} at index {at}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(stored: &[f64]) -> Vec<f64> {
        unrolled("longitude", stored).expect("longitudes in order").0
    }

    #[test]
    fn seams_are_unrolled_either_way() {
        assert_eq!(values(&[350.0, 355.0, 0.0, 5.0]), [350.0, 355.0, 360.0, 365.0]);
        assert_eq!(values(&[5.0, 0.0, 355.0, 350.0]), [-10.0, -5.0, 0.0, 5.0]);
        assert_eq!(values(&[350.0, 5.0]), [350.0, 365.0]);
        assert_eq!(values(&[170.0, -170.0]), [170.0, 190.0]);
        assert_eq!(values(&[0.0, 180.0]), [0.0, 180.0]);
        assert_eq!(values(&[180.0, 0.0]), [0.0, 180.0]);
        assert_eq!(values(&[0.0, 10.0, 350.0]), [0.0, 10.0, 350.0]);
        assert_eq!(values(&[-350.0, 15.0]), [-350.0, -345.0]);
    }

    #[test]
    fn a_repeated_column_counts_once_and_the_first_is_kept() {
        let (values, indices) = unrolled("longitude", &[0.0, 90.0, 180.0, 270.0, 360.0]).expect("a closed axis");
        assert_eq!((values, indices), (vec![0.0, 90.0, 180.0, 270.0], vec![0, 1, 2, 3]));
        let (values, indices) = unrolled("longitude", &[180.0, 90.0, 0.0, -90.0, -180.0]).expect("a closed axis");
        assert_eq!((values, indices), (vec![-90.0, 0.0, 90.0, 180.0], vec![3, 2, 1, 0]));
        let (_, indices) = unrolled("longitude", &[0.0, 90.0, 180.0, 270.0, 0.0]).expect("a closed axis");
        assert_eq!(indices, [0, 1, 2, 3]);
    }

    #[test]
    fn what_is_not_in_order_is_refused_with_its_index() {
        let refused = |stored: &[f64]| unrolled("longitude", stored).expect_err("out of order").to_string();
        assert_eq!(refused(&[0.0, 10.0, 5.0]), "longitude is not monotonic: 10 is followed by 5 at index 2");
        assert!(refused(&[0.0, 0.0]).ends_with("0 is followed by 0 at index 1"));
        assert_eq!(refused(&[0.0, 200.0, 400.0]), "longitude spans more than one full turn, from 0 to 400");
        let lat = ascending("latitude", &[3.0, 2.0, 2.0]).expect_err("repeated").to_string();
        assert_eq!(lat, "latitude is not monotonic: 2 is followed by 2 at index 2");
    }
}
