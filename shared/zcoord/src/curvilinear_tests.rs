//! Tests of curvilinear grids: edges, the date line, masked cells, closed grids.

use proptest::prelude::*;

use super::*;
use crate::grid::CoordinateGrid;
use crate::sphere::distance_km;

/// A grid whose coordinates are a function of (row, column).
fn grid(rows: usize, columns: usize, at: impl Fn(f64, f64) -> (f64, f64)) -> CoordinateGrid {
    let cells = (0..rows * columns).map(|cell| at((cell / columns) as f64, (cell % columns) as f64));
    let (lat, lon) = cells.unzip();
    CoordinateGrid::curvilinear(rows, columns, lat, lon).expect("a grid")
}

fn inside(grid: &CoordinateGrid, lat: f64, lon: f64) -> Option<(usize, usize)> {
    match grid.nearest(Point { lat, lon }, &Limits::default()) {
        Match::Inside(cell) => Some((cell.row, cell.column)),
        Match::Outside { .. } => None,
    }
}

#[test]
fn the_edge_of_a_region_is_half_a_step_out_on_each_side() {
    // Across the equator, where degrees are as long both ways; turned by 30 degrees.
    let (sin, cos) = 30.0_f64.to_radians().sin_cos();
    let point = |row: f64, column: f64| {
        let (row, column) = (0.1 * (row - 5.0), 0.1 * (column - 10.0));
        (row * cos + column * sin, column * cos - row * sin)
    };
    let grid = grid(11, 21, point);
    for (out, expected) in [(0.49, true), (0.51, false)] {
        let sides = [(-out, 10.0), (10.0 + out, 10.0), (5.0, -out), (5.0, 20.0 + out), (10.0 + out, 20.0 - out)];
        let found = sides.map(|(row, column)| {
            let (lat, lon) = point(row, column);
            inside(&grid, lat, lon).is_some()
        });
        assert_eq!(found, [expected; 5], "{out}");
    }
    assert_eq!((inside(&grid, 0.0, 180.0), inside(&grid, 0.0, 0.0)), (None, Some((5, 10))));
}

#[test]
fn cells_across_the_date_line_are_neighbours() {
    let turned = |lon: f64| if lon > 180.0 { lon - 360.0 } else { lon };
    let grid = grid(9, 9, |row, column| (-4.0 + row + column / 100.0, turned(176.0 + column)));
    assert_eq!((inside(&grid, 0.0, 180.3), inside(&grid, 0.0, -179.2)), (Some((4, 4)), Some((4, 5))));
    assert_eq!((inside(&grid, 0.0, 180.0), inside(&grid, 0.0, -180.0)), (Some((4, 4)), Some((4, 4))));
    assert_eq!((inside(&grid, 0.0, -175.6), inside(&grid, 0.0, -175.4)), (Some((4, 8)), None));
}

#[test]
fn masked_cells_are_skipped_and_are_an_edge() {
    let masked = |row: f64, column: f64| if column > 4.0 { (f64::NAN, f64::NAN) } else { (row, column) };
    let grid = grid(9, 9, masked);
    assert_eq!((inside(&grid, 4.0, 4.4), inside(&grid, 4.0, 6.0)), (Some((4, 4)), None));
    let Match::Outside { nearest: Some(cell), why } = grid.nearest(Point { lat: 4.0, lon: 6.0 }, &Limits::default())
    else {
        panic!("outside")
    };
    assert_eq!((cell.row, cell.column), (4, 4));
    assert!(why.starts_with("the point is 2.0") || why.starts_with("the point is 1.99"), "{why}");
}

#[test]
fn grids_that_close_have_no_edge_at_the_seam() {
    let grid = grid(60, 120, |row, column| (-88.5 + 3.0 * row, 3.0 * column));
    assert_eq!((inside(&grid, 0.1, 358.4), inside(&grid, 0.1, 358.6)), (Some((30, 119)), Some((30, 0))));
    // Half a step from the last row to the pole.
    assert_eq!((inside(&grid, 90.0, 0.0), inside(&grid, -89.9, 180.0)), (Some((59, 0)), Some((0, 60))));
    // Four cells are equally near: the first in the grid's order.
    assert_eq!(inside(&grid, 0.0, 358.5), Some((29, 0)));
}

#[test]
fn everything_is_inside_a_grid_all_round_the_globe() {
    // Meridians close in towards the poles, so that half a column is more of a step south of a cell than beside it.
    let global = grid(45, 90, |row, column| (-88.0 + 4.0 * row, 4.0 * column - 180.0));
    let repeated = grid(45, 91, |row, column| (-88.0 + 4.0 * row, 4.0 * column - 180.0));
    for point in 0..4000 {
        let (lat, lon) = (f64::from(point % 181) - 90.0, 178.0 + f64::from(point % 97) / 24.0);
        assert!(inside(&global, lat, lon).is_some(), "{lat} {lon}");
        assert!(inside(&repeated, lat, lon).is_some(), "{lat} {lon}");
    }
}

#[test]
fn a_folded_row_is_no_edge() {
    // Two halves of the last row lie side by side, as those of tripolar grids do.
    let grid = grid(10, 40, |row, column| if column < 20.0 { (row - 9.5, column) } else { (9.5 - row, 39.0 - column) });
    assert_eq!((inside(&grid, -0.1, 7.3), inside(&grid, 0.1, 7.3)), (Some((9, 7)), Some((9, 32))));
    assert_eq!((inside(&grid, 0.0, 7.5).is_some(), inside(&grid, -10.2, 7.0)), (true, None));
}

#[test]
fn a_row_at_the_pole_is_one_point() {
    let grid = grid(11, 36, |row, column| (80.0 + row, 10.0 * column));
    assert_eq!((inside(&grid, 90.0, 77.0), inside(&grid, 89.8, 180.0)), (Some((10, 0)), Some((10, 0))));
    assert_eq!((inside(&grid, 79.6, 40.0), inside(&grid, 79.4, 40.0)), (Some((0, 4)), None));
}

#[test]
fn cells_without_neighbours_have_no_known_size() {
    let alone = grid(1, 1, |_, _| (10.0, 10.0));
    assert_eq!((inside(&alone, 10.0, 10.0), inside(&alone, 10.001, 10.0)), (Some((0, 0)), None));
    let row = grid(1, 5, |_, column| (0.0, column));
    assert_eq!((inside(&row, 0.4, 4.4), inside(&row, 0.6, 2.0), inside(&row, 0.0, 4.6)), (Some((0, 4)), None, None));
    let column = grid(5, 1, |row, _| (row, 0.0));
    assert_eq!((inside(&column, 4.4, 0.4), inside(&column, 2.0, -0.6)), (Some((4, 0)), None));
}

#[test]
fn limits_replace_the_cell_and_bound_the_distance() {
    let grid = grid(9, 9, |row, column| (row, column));
    let find = |lat, lon, limits: Limits| matches!(grid.nearest(Point { lat, lon }, &limits), Match::Inside(_));
    let both = |degrees| Limits { tolerance_lat: Some(degrees), tolerance_lon: Some(degrees), max_distance_km: None };
    assert_eq!((find(4.0, 9.0, both(1.0)), find(4.0, 9.1, both(1.0)), find(4.2, 4.0, both(0.1))), (true, false, false));
    let most = |km| Limits { max_distance_km: Some(km), ..Limits::default() };
    assert_eq!(
        (find(4.0, 4.2, most(30.0)), find(4.0, 4.4, most(30.0)), find(4.0, 9.0, most(1e4))),
        (true, false, false)
    );
}

#[test]
fn shapes_that_do_not_fit_and_empty_grids_are_refused() {
    let refused = |rows, columns, lat: Vec<f64>, lon: Vec<f64>| {
        CoordinateGrid::curvilinear(rows, columns, lat, lon).expect_err("no grid").to_string()
    };
    assert_eq!(refused(2, 2, vec![0.0; 4], vec![0.0; 3]), "longitude has 3 values for 2 rows and 2 columns");
    assert!(refused(usize::MAX, 2, vec![0.0; 4], vec![0.0; 4]).contains("latitude has 4 values"));
    let nowhere = "latitude and longitude are not both finite in any cell";
    assert_eq!(refused(1, 2, vec![f64::NAN, 0.0], vec![0.0, f64::NAN]), nowhere);
    assert_eq!(refused(0, 0, Vec::new(), Vec::new()), nowhere);
    let swapped = refused(1, 2, vec![150.0, -170.0], vec![50.0, 51.0]);
    assert_eq!(swapped, "latitude has values down to -170: latitude and longitude may be swapped");
}

fn cells() -> impl Strategy<Value = (usize, usize, Vec<(f64, f64)>)> {
    let point = prop_oneof![9 => (-90.0..=90.0_f64, -180.0..540.0_f64), 1 => Just((f64::NAN, 0.0))];
    (1_usize..30, 1_usize..30).prop_flat_map(move |(rows, columns)| {
        (Just(rows), Just(columns), prop::collection::vec(point.clone(), rows * columns))
    })
}

proptest! {
    #[test]
    fn the_nearest_and_those_within_are_found_as_by_brute_force(
        (rows, columns, cells) in cells(),
        points in prop::collection::vec((-90.0..=90.0_f64, -360.0..=360.0_f64), 1..4), radius in 0.0..21_000.0_f64,
    ) {
        prop_assume!(cells.iter().any(|(lat, _)| lat.is_finite()));
        let (lat, lon) = cells.iter().copied().unzip();
        let grid = CoordinateGrid::curvilinear(rows, columns, lat, lon).expect("a grid");
        let points: Vec<Point> = points.into_iter().map(|(lat, lon)| Point { lat, lon }).collect();
        let matches = grid.nearest_of_each(&points, &Limits::default());
        prop_assert_eq!(matches.len(), points.len());
        for (point, found) in points.iter().zip(matches) {
            let away: Vec<f64> = cells.iter().map(|(lat, lon)| distance_km([*lat, *lon], [point.lat, point.lon])).collect();
            let best = away.iter().copied().fold(f64::INFINITY, f64::min);
            let (Match::Inside(cell) | Match::Outside { nearest: Some(cell), .. }) = found else { panic!("a cell") };
            prop_assert!((away[cell.row * columns + cell.column] - best).abs() < 1e-9);
            prop_assert_eq!(grid.nearest(*point, &Limits::default()), found.clone());
            let mut within: Vec<usize> =
                grid.within(*point, radius).iter().map(|cell| cell.row * columns + cell.column).collect();
            within.sort_unstable();
            let expected: Vec<usize> = (0..away.len()).filter(|cell| away[*cell] <= radius).collect();
            prop_assert_eq!(within, expected);
        }
    }
}
