//! Tests of an axis: the nearest coordinate, and the coordinates on both sides.

use proptest::prelude::*;

use super::*;

fn steps(first: f64, step: f64, count: usize) -> Vec<f64> {
    (0..count).map(|at| first + step * at as f64).collect()
}

fn float32(values: Vec<f64>) -> Vec<f64> {
    values.into_iter().map(|value| f64::from(value as f32)).collect()
}

fn latitude(values: Vec<f64>) -> CoordinateAxis {
    CoordinateAxis::latitude(values, None).expect("latitudes in order")
}

fn longitude(values: Vec<f64>) -> CoordinateAxis {
    CoordinateAxis::longitude(values, None).expect("longitudes in order")
}

/// The stored index nearest to a value.
fn index(axis: &CoordinateAxis, value: f64) -> usize {
    axis.indices[axis.nearest(value).at]
}

#[test]
fn ties_go_to_the_larger_coordinate_whichever_way_it_is_stored() {
    let rising = latitude(vec![0.0, 1.0, 2.0]);
    assert_eq!([0.5, 1.5, -0.5, 2.5].map(|value| index(&rising, value)), [1, 2, 0, 2]);
    let falling = latitude(vec![2.0, 1.0, 0.0]);
    assert_eq!([0.5, 1.5, -0.5, 2.5].map(|value| index(&falling, value)), [1, 0, 2, 0]);
}

// What xarray 2026.9.0 gives for `.sel(latitude=..., method="nearest")` on np.round(np.arange(60, 40, -0.1), 1) as
// float32 and as float64, at the decimal half-ways: 32-bit labels make ties of what are none in 64 bits.
#[test]
fn decimal_half_ways_fall_as_in_xarray() {
    let decimal: Vec<f64> = (0..200).map(|at| f64::from(600 - at) / 10.0).collect();
    let points = [59.95, 57.45, 53.55, 51.15, 48.85, 45.35, 42.25, 40.15];
    let narrow = latitude(float32(decimal.clone()));
    assert_eq!(points.map(|point| index(&narrow, point)), NARROW);
    assert_eq!(points.map(|point| index(&latitude(decimal.clone()), point)), WIDE);
}

const NARROW: [usize; 8] = [0, 25, 64, 88, 112, 147, 177, 198];
const WIDE: [usize; 8] = [0, 25, 65, 89, 111, 146, 177, 199];

#[test]
fn longitudes_near_the_seam_find_the_first_column() {
    let axis = longitude(steps(0.0, 0.25, 1440));
    assert!(axis.is_closed());
    assert_eq!([-0.1, 359.95, 359.9, 720.0, 359.8].map(|value| index(&axis, value)), [0, 0, 0, 0, 1439]);
    // Half-way between 359.75 and 360, the larger is the first column.
    assert_eq!([359.875, -0.125, 359.87].map(|value| index(&axis, value)), [0, 0, 1439]);
}

#[test]
fn the_date_line_is_the_first_column_of_an_axis_from_minus_180() {
    let axis = longitude(steps(-180.0, 0.5, 720));
    assert_eq!([180.0, -180.0, 179.8, 179.7, 540.0].map(|value| index(&axis, value)), [0, 0, 0, 719, 0]);
}

#[test]
fn a_repeated_column_gives_way_to_the_first() {
    let axis = longitude(steps(0.0, 1.0, 361));
    assert_eq!((axis.len(), axis.is_closed()), (360, true));
    assert_eq!([0.0, 360.0, 359.6, -0.2].map(|value| index(&axis, value)), [0; 4]);
    let (last, first) = (index(&axis, 359.4), axis.between(359.5).expect("the circle is closed"));
    assert_eq!((last, first), (359, vec![(359, 0.5), (0, 0.5)]));
}

#[test]
fn an_axis_over_the_seam_is_found_in_any_turn() {
    let axis = longitude(vec![350.0, 355.0, 0.0, 5.0]);
    assert_eq!([351.0, -4.0, 2.4, 2.5, 364.0, -356.0].map(|value| index(&axis, value)), [0, 1, 2, 3, 3, 3]);
    assert_eq!(axis.between(1.0), Ok(vec![(2, 0.8), (3, 0.2)]));
    assert!(axis.between(5.1).is_err());
}

#[test]
fn a_coordinate_stands_alone_in_interpolation() {
    let axis = latitude(float32(vec![45.4, 45.3, 45.2]));
    assert_eq!(axis.between(45.3), Ok(vec![(1, 1.0)]));
    assert_eq!((axis.between(45.4), axis.between(45.2)), (Ok(vec![(2, 1.0)]), Ok(vec![(0, 1.0)])));
    let beyond = axis.between(45.43).expect_err("beyond the outermost");
    assert_eq!(beyond.to_string(), "latitude 45.43 is beyond the outermost coordinate 45.4");
}

#[test]
fn windows_go_over_the_seam_once() {
    let axis = longitude(steps(0.0, 90.0, 4));
    let sorted = |value, reach| {
        let mut window = axis.window(value, reach);
        window.sort_unstable();
        window
    };
    assert_eq!((sorted(350.0, 20.0), sorted(-90.0, 90.0)), (vec![0], vec![0, 2, 3]));
    assert_eq!((sorted(45.0, 179.0), sorted(45.0, 1e9)), (vec![0, 1, 2, 3], vec![0, 1, 2, 3]));
}

prop_compose! {
    /// Different coordinates in order: (first, gaps).
    fn coordinates(most: f64)(gaps in prop::collection::vec(0.01..1.0_f64, 1..40), share in 0.05..0.999_f64, start in 0.0..1.0_f64)
        -> Vec<f64> {
        let total: f64 = gaps.iter().sum();
        let scale = most * share / total;
        let mut at = start * most * (1.0 - share);
        gaps.iter().map(|gap| { at += gap * scale; at }).collect()
    }
}

proptest! {
    #[test]
    fn latitudes_are_found_as_by_brute_force(
        mut values in coordinates(180.0), falling: bool, point in -90.0..=90.0_f64,
    ) {
        values.iter_mut().for_each(|value| *value -= 90.0);
        if falling {
            values.reverse();
        }
        let axis = latitude(values.clone());
        let away = |at: usize| (values[at] - point).abs();
        let best = (0..values.len()).map(away).fold(f64::INFINITY, f64::min);
        prop_assert_eq!(away(index(&axis, point)), best);
        prop_assert_eq!(axis.nearest(point).offset.abs(), best);
    }

    #[test]
    fn longitudes_are_found_as_by_brute_force_modulo_a_turn(
        values in coordinates(360.0), falling: bool, shift in -400.0..400.0_f64, wrapped: bool, point in -720.0..720.0_f64,
    ) {
        let wrap = |value: f64| if wrapped { (value + shift).rem_euclid(TURN) } else { value + shift };
        let mut values: Vec<f64> = values.into_iter().map(wrap).collect();
        if falling {
            values.reverse();
        }
        // Steps of more than half a turn over the seam cannot be told from disorder.
        if let Ok(axis) = CoordinateAxis::longitude(values.clone(), None) {
            let away = |at: usize| {
                let east = (values[at] - point).rem_euclid(TURN);
                east.min(TURN - east)
            };
            let best = (0..values.len()).map(away).fold(f64::INFINITY, f64::min);
            prop_assert!((away(index(&axis, point)) - best).abs() < 1e-9);
            prop_assert!((axis.nearest(point).offset.abs() - best).abs() < 1e-9);
        } else {
            prop_assert!(wrapped);
        }
    }

    #[test]
    fn weights_give_the_value_back(mut values in coordinates(180.0), falling: bool, part in 0.0..=1.0_f64) {
        values.iter_mut().for_each(|value| *value -= 90.0);
        let point = values[0] + part * (values[values.len() - 1] - values[0]);
        if falling {
            values.reverse();
        }
        let axis = latitude(values);
        let weights = axis.between(point).expect("among the coordinates");
        let value: f64 = weights.iter().map(|(at, weight)| axis.values[*at] * weight).sum();
        prop_assert!((value - point).abs() < 1e-3);
        prop_assert!(weights.iter().all(|(_, weight)| *weight > 0.0 && *weight <= 1.0));
        prop_assert!((weights.iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
