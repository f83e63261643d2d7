//! Tests of rectilinear grids: edges, poles, bounds, weights, circles.

use proptest::prelude::*;

use super::*;
use crate::grid::CoordinateGrid;

fn steps(first: f64, step: f64, count: usize) -> Vec<f64> {
    (0..count).map(|at| first + step * at as f64).collect()
}

fn grid(lat: Vec<f64>, lon: Vec<f64>) -> CoordinateGrid {
    CoordinateGrid::rectilinear(lat, lon, None, None).expect("a grid")
}

fn find(grid: &CoordinateGrid, lat: f64, lon: f64) -> Match {
    grid.nearest(Point { lat, lon }, &Limits::default())
}

/// The cell that a point is in.
fn inside(grid: &CoordinateGrid, lat: f64, lon: f64) -> Option<(usize, usize)> {
    match find(grid, lat, lon) {
        Match::Inside(cell) => Some((cell.row, cell.column)),
        Match::Outside { .. } => None,
    }
}

fn why(grid: &CoordinateGrid, lat: f64, lon: f64, limits: &Limits) -> String {
    match grid.nearest(Point { lat, lon }, limits) {
        Match::Inside(cell) => format!("inside {cell:?}"),
        Match::Outside { why, .. } => why,
    }
}

#[test]
fn a_cell_says_where_it_is_and_how_far() {
    let grid = grid(steps(90.0, -0.25, 721), steps(0.0, 0.25, 1440));
    let Match::Inside(cell) = find(&grid, 53.9, -0.1) else { panic!("inside") };
    assert_eq!((cell.row, cell.column, cell.lat, cell.lon), (144, 0, 54.0, 0.0));
    assert!((cell.distance_km - 12.91).abs() < 0.05, "{cell:?}");
}

#[test]
fn the_edge_of_a_region_is_half_a_step_out_on_each_side() {
    for (lat, lon) in [(steps(40.0, 1.0, 11), steps(-5.0, 0.5, 21)), (steps(50.0, -1.0, 11), steps(355.0, 0.5, 21))] {
        let grid = grid(lat, lon);
        for (out, is_inside) in [(0.49, true), (0.5, true), (0.51, false)] {
            let sides = [(40.0 - out, 0.0), (50.0 + out, 0.0), (45.0, -5.0 - out / 2.0), (45.0, 5.0 + out / 2.0)];
            let found = sides.map(|(lat, lon)| inside(&grid, lat, lon).is_some());
            assert_eq!(found, [is_inside; 4], "{out}");
        }
    }
}

#[test]
fn outside_names_the_axis_and_the_nearest_cell() {
    let grid = grid(steps(40.0, 1.0, 11), steps(-5.0, 0.5, 21));
    let Match::Outside { nearest: Some(cell), why } = find(&grid, 45.2, 7.0) else { panic!("outside") };
    assert_eq!((cell.row, cell.column), (5, 20));
    assert_eq!(why, "longitude 7 is 2 degrees from the nearest coordinate 5: more than half a step");
}

#[test]
fn half_a_step_beyond_a_float32_edge_survives_rounding() {
    let float32 = |values: Vec<f64>| values.into_iter().map(|value| f64::from(value as f32)).collect::<Vec<f64>>();
    let grid = grid(float32(vec![45.3, 45.2, 45.1]), float32(vec![7.1, 7.2, 7.3]));
    assert_eq!(inside(&grid, 45.35, 7.35), Some((0, 2)));
    assert_eq!(inside(&grid, 45.05, 7.05), Some((2, 0)));
    assert_eq!(inside(&grid, 45.3501, 7.2), None);
}

#[test]
fn poles_belong_to_global_grids_with_and_without_a_row_there() {
    let around = || steps(0.0, 1.0, 360);
    let with_row = grid(steps(90.0, -1.0, 181), around());
    assert_eq!((inside(&with_row, 90.0, 12.2), inside(&with_row, -90.0, 12.2)), (Some((0, 12)), Some((180, 12))));
    let half_way = grid(steps(-89.5, 1.0, 180), around());
    assert_eq!((inside(&half_way, 90.0, 0.0), inside(&half_way, -90.0, 0.0)), (Some((179, 0)), Some((0, 0))));
    // N80-like: the pole is less than half a step beyond 89.46 at steps of 1.12. A whole step is the most.
    let gaussian = grid(steps(89.46, -1.12, 160), around());
    assert_eq!((inside(&gaussian, 90.0, 0.0), inside(&gaussian, 89.99, 7.0)), (Some((0, 0)), Some((0, 7))));
    let a_step_short = grid(steps(89.0, -1.0, 179), around());
    assert_eq!((inside(&a_step_short, 90.0, 0.0), inside(&a_step_short, -89.7, 0.0)), (Some((0, 0)), Some((178, 0))));
    let two_steps_short = grid(steps(88.0, -1.0, 177), around());
    assert_eq!((inside(&two_steps_short, 90.0, 0.0), inside(&two_steps_short, 88.4, 0.0)), (None, Some((0, 0))));
    // A region that ends as near to the pole does not hold it.
    assert_eq!(inside(&grid(steps(80.0, 1.0, 10), steps(0.0, 1.0, 90)), 90.0, 10.0), None);
}

#[test]
fn a_single_row_is_a_cell_of_unknown_size() {
    let grid = grid(vec![45.0], steps(0.0, 1.0, 10));
    assert_eq!((inside(&grid, 45.0, 3.0), inside(&grid, 45.001, 3.0)), (Some((0, 3)), None));
    let limits = Limits { tolerance_lat: Some(0.5), ..Limits::default() };
    assert!(matches!(grid.nearest(Point { lat: 45.5, lon: 3.0 }, &limits), Match::Inside(_)));
    assert!(why(&grid, 45.001, 3.0, &Limits::default()).contains("the only coordinate"));
    assert_eq!(grid.linear(Point { lat: 45.0, lon: 3.5 }, &Limits::default()), Ok(vec![((0, 3), 0.5), ((0, 4), 0.5)]));
    assert!(grid.linear(Point { lat: 45.1, lon: 3.5 }, &Limits::default()).is_err());
}

#[test]
fn bounds_take_the_place_of_half_steps() {
    // A Gaussian-like row that reaches farther north than half a step, and a column whose bounds are in another turn.
    let lat_bounds = vec![[52.0, 50.9], [50.9, 50.0]];
    let lon_bounds = vec![[359.0, 1.0], [1.0, 2.5]];
    let lat = vec![51.4, 50.5];
    let grid = CoordinateGrid::rectilinear(lat, vec![0.0, 2.0], Some(lat_bounds), Some(lon_bounds)).expect("a grid");
    assert_eq!((inside(&grid, 52.0, 359.0), inside(&grid, 52.01, 0.0)), (Some((0, 0)), None));
    assert_eq!(
        (inside(&grid, 50.2, 2.5), inside(&grid, 50.2, 2.51), inside(&grid, 50.2, 358.9)),
        (Some((1, 1)), None, None)
    );
    // Nearest to the southern row, in the bounds of the northern one.
    assert_eq!(inside(&grid, 50.94, 1.0), Some((1, 1)));
    assert!(why(&grid, 49.9, 1.0, &Limits::default()).starts_with("latitude 49.9 is outside the bounds"));
}

#[test]
fn a_zonal_mean_holds_every_longitude() {
    let bounds = Some(vec![[0.0, 360.0]]);
    let grid = CoordinateGrid::rectilinear(steps(-89.0, 2.0, 90), vec![180.0], None, bounds).expect("a grid");
    assert_eq!((inside(&grid, 1.0, -3.0), inside(&grid, 90.0, 200.0)), (Some((45, 0)), Some((89, 0))));
}

#[test]
fn bounds_that_fit_no_cells_are_refused() {
    let refused = |bounds| {
        CoordinateGrid::rectilinear(vec![0.0, 1.0], vec![0.0, 1.0], Some(bounds), None)
            .expect_err("bad bounds")
            .to_string()
    };
    assert_eq!(refused(vec![[0.0, 1.0]]), "the bounds of latitude are 1 pairs for 2 cells");
    assert_eq!(refused(vec![[0.0, 1.0], [f64::NAN, 1.0]]), "the bounds of latitude at index 1 are not finite");
}

#[test]
fn limits_replace_the_cell_and_bound_the_distance() {
    let grid = grid(steps(90.0, -1.0, 181), steps(0.0, 1.0, 360));
    let limits = Limits { tolerance_lat: Some(0.1), tolerance_lon: Some(0.1), max_distance_km: None };
    assert!(why(&grid, 45.1, 359.9, &limits).starts_with("inside"));
    assert!(why(&grid, 45.2, 0.0, &limits).contains("more than the tolerance of 0.1 degrees"));
    assert!(why(&grid, 45.0, 0.2, &limits).starts_with("longitude 0.2 is 0.2 degrees"));
    let limits = Limits { max_distance_km: Some(30.0), ..Limits::default() };
    assert!(why(&grid, 45.2, 0.0, &limits).starts_with("inside"));
    assert!(why(&grid, 45.4, 0.0, &limits).contains("km away, more than 30 km"));
    assert!(grid.linear(Point { lat: 45.4, lon: 0.0 }, &limits).is_err());
}

#[test]
fn bilinear_weights_are_those_of_both_axes() {
    let grid = grid(vec![50.0, 49.0, 47.0], steps(0.0, 90.0, 4));
    let linear = |lat, lon| grid.linear(Point { lat, lon }, &Limits::default());
    assert_eq!(linear(48.5, 292.5), Ok(vec![((2, 3), 0.1875), ((2, 0), 0.0625), ((1, 3), 0.5625), ((1, 0), 0.1875)]));
    assert_eq!(linear(49.0, -90.0), Ok(vec![((1, 3), 1.0)]));
    assert_eq!(linear(49.0, -45.0), Ok(vec![((1, 3), 0.5), ((1, 0), 0.5)]));
    assert!(linear(50.1, 0.0).is_err_and(|why| why.to_string().contains("beyond the outermost coordinate 50")));
}

proptest! {
    #[test]
    fn within_is_what_a_filter_over_all_cells_finds(
        lat in -90.0..=90.0_f64, lon in -400.0..400.0_f64, radius in prop_oneof![0.0..500.0_f64, 0.0..21_000.0_f64],
        start in -180.0..180.0_f64, rows in 1_usize..40, columns in 1_usize..40, global: bool,
    ) {
        let (lats, lons) = match global {
            true => (steps(90.0, -180.0 / rows as f64, rows + 1), steps(start, 360.0 / columns as f64, columns)),
            false => (steps(-30.0, 1.5, rows), steps(start, 2.0, columns)),
        };
        let grid = grid(lats.clone(), lons.clone());
        let mut expected = Vec::new();
        for (row, cell_lat) in lats.iter().enumerate() {
            for (column, cell_lon) in lons.iter().enumerate() {
                if distance_km([*cell_lat, *cell_lon], [lat, lon]) <= radius {
                    expected.push((row, column));
                }
            }
        }
        let cells = grid.within(Point { lat, lon }, radius);
        prop_assert!(cells.is_sorted_by(|a, b| a.distance_km <= b.distance_km));
        let mut found: Vec<_> = cells.iter().map(|cell| (cell.row, cell.column)).collect();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn bilinear_weights_of_a_plane_give_it_back(lat in -20.0..=20.0_f64, lon in -10.0..=10.0_f64) {
        let (lats, lons) = (steps(20.0, -2.5, 17), steps(-10.0, 0.5, 41));
        let weights = grid(lats.clone(), lons.clone()).linear(Point { lat, lon }, &Limits::default()).expect("inside");
        let plane = |lat: f64, lon: f64| 3.0 * lat - 7.0 * lon + 1.0;
        let value: f64 = weights.iter().map(|((row, column), weight)| weight * plane(lats[*row], lons[*column])).sum();
        prop_assert!((value - plane(lat, lon)).abs() < 1e-4);
    }
}
