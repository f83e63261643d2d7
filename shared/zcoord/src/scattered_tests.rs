//! Tests of scattered grids: the size of cells by rule of thumb, limits, refusals.

use super::*;
use crate::grid::CoordinateGrid;

/// A patch of cells a degree apart around (0, 0), in no order.
fn patch() -> CoordinateGrid {
    let cells = (0..121_usize).map(|cell| (cell * 37) % 121);
    let (lat, lon) = cells.map(|cell| ((cell / 11) as f64 - 5.0, (cell % 11) as f64 - 5.0)).unzip();
    CoordinateGrid::scattered(lat, lon).expect("a grid")
}

fn inside(grid: &CoordinateGrid, lat: f64, lon: f64, limits: Limits) -> Option<(f64, f64)> {
    match grid.nearest(Point { lat, lon }, &limits) {
        Match::Inside(cell) => Some((cell.lat, cell.lon)),
        Match::Outside { .. } => None,
    }
}

#[test]
fn a_cell_reaches_as_far_as_the_third_nearest_other() {
    let (grid, limits) = (patch(), Limits::default());
    assert_eq!(grid.shape(), (121, 1));
    assert_eq!(inside(&grid, 2.4, 359.3, limits), Some((2.0, -1.0)));
    // At an edge the third neighbour is a degree away, at a corner 1.41.
    assert_eq!((inside(&grid, 5.99, 0.0, limits), inside(&grid, 6.01, 0.0, limits)), (Some((5.0, 0.0)), None));
    assert_eq!(inside(&grid, 5.9, 5.9, limits), Some((5.0, 5.0)));
    let Match::Outside { nearest: Some(cell), why } = grid.nearest(Point { lat: 9.0, lon: 0.0 }, &limits) else {
        panic!("outside")
    };
    assert_eq!((cell.lat, cell.lon, cell.column), (5.0, 0.0, 0));
    assert!(why.starts_with("the nearest cell is 444.79"), "{why}");
}

#[test]
fn limits_replace_the_rule_of_thumb() {
    let grid = patch();
    let most = |km| Limits { max_distance_km: Some(km), ..Limits::default() };
    assert_eq!((inside(&grid, 9.0, 0.0, most(450.0)), inside(&grid, 0.4, 0.0, most(40.0))), (Some((5.0, 0.0)), None));
    let both = Limits { tolerance_lat: Some(4.0), tolerance_lon: Some(0.1), max_distance_km: None };
    assert_eq!((inside(&grid, 9.0, 0.1, both), inside(&grid, 5.0, 0.2, both)), (Some((5.0, 0.0)), None));
    let one = Limits { tolerance_lat: Some(9.0), ..Limits::default() };
    assert_eq!(inside(&grid, 9.0, 0.0, one), None);
}

#[test]
fn twins_and_lone_cells_have_a_size() {
    let twins = CoordinateGrid::scattered(vec![0.0, 0.0, 1.0], vec![0.0, 360.0, 0.0]).expect("a grid");
    let limits = Limits::default();
    assert_eq!((inside(&twins, -0.9, 0.0, limits), inside(&twins, -1.1, 0.0, limits)), (Some((0.0, 0.0)), None));
    let lone = CoordinateGrid::scattered(vec![10.0], vec![20.0]).expect("a grid");
    assert_eq!((inside(&lone, 10.0, 380.0, limits), inside(&lone, 10.001, 20.0, limits)), (Some((10.0, 20.0)), None));
}

#[test]
fn cells_within_a_radius_come_nearest_first() {
    let cells = patch().within(Point { lat: 0.1, lon: 0.0 }, 125.0);
    let found: Vec<(f64, f64)> = cells.iter().map(|cell| (cell.lat, cell.lon)).collect();
    assert_eq!(found[0], (0.0, 0.0));
    assert_eq!(found.len(), 5);
    assert_eq!((found[1], found[4]), ((1.0, 0.0), (-1.0, 0.0)));
}

#[test]
fn coordinates_that_are_none_are_refused() {
    let refused = |lat: &[f64], lon: &[f64]| {
        CoordinateGrid::scattered(lat.to_vec(), lon.to_vec()).expect_err("no grid").to_string()
    };
    let nowhere = "latitude and longitude are not both finite in any cell";
    assert_eq!(refused(&[0.0, f64::NAN], &[f64::INFINITY, 1.0]), nowhere);
    assert_eq!(refused(&[0.0], &[0.0, 1.0]), "latitude has 1 values and longitude 2");
    assert_eq!(refused(&[], &[]), nowhere);
}

#[test]
fn cells_without_a_position_are_never_found() {
    let (nan, limits) = (f64::NAN, Limits { max_distance_km: Some(9e3), ..Limits::default() });
    let grid = CoordinateGrid::scattered(vec![nan, 1.0, 50.0, 2.0], vec![0.0, nan, 10.0, 12.0]).expect("a grid");
    for point in [(0.0, 0.0), (1.0, 1.0), (2.0, 11.0)] {
        assert_eq!(inside(&grid, point.0, point.1, limits), Some((2.0, 12.0)), "{point:?}");
    }
    let within = grid.within(Point { lat: 1.0, lon: 11.0 }, 20_000.0);
    assert_eq!(within.iter().map(|cell| cell.row).collect::<Vec<_>>(), [3, 2]);
}
