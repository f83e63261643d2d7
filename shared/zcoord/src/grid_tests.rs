//! Tests shared by all kinds of grids: invalid points and invalid coordinates.

use super::*;

fn grids() -> [CoordinateGrid; 3] {
    let (lat, lon) = (vec![0.0, 0.0, 1.0, 1.0], vec![0.0, 1.0, 0.0, 1.0]);
    [
        CoordinateGrid::rectilinear(vec![0.0, 1.0], vec![0.0, 1.0], None, None).expect("a grid"),
        CoordinateGrid::curvilinear(2, 2, lat.clone(), lon.clone()).expect("a grid"),
        CoordinateGrid::scattered(lat, lon).expect("a grid"),
    ]
}

fn refused(lat: &[f64], lon: &[f64]) -> String {
    CoordinateGrid::rectilinear(lat.to_vec(), lon.to_vec(), None, None).expect_err("no grid").to_string()
}

#[test]
fn places_that_are_none_are_outside_and_near_nothing() {
    let faults = [
        (Point { lat: f64::NAN, lon: 0.0 }, "the latitude of the point is NaN"),
        (Point { lat: 0.0, lon: f64::INFINITY }, "the longitude of the point is inf"),
        (Point { lat: -90.5, lon: 0.0 }, "latitude -90.5 is beyond the pole"),
    ];
    for grid in grids() {
        for (point, why) in faults {
            let expected = Match::Outside { nearest: None, why: why.into() };
            assert_eq!(grid.nearest(point, &Limits::default()), expected);
            assert_eq!(grid.linear(point, &Limits::default()), Err(LinearError::Point(why.to_owned())));
            assert_eq!(grid.within(point, 1e9), []);
        }
    }
}

#[test]
fn matches_keep_the_order_of_the_points() {
    let points = [(1.0, 1.0), (f64::NAN, 0.0), (0.0, 1.0)].map(|(lat, lon)| Point { lat, lon });
    for grid in grids() {
        let found = grid.nearest_of_each(&points, &Limits::default());
        let expected = points.map(|point| grid.nearest(point, &Limits::default()));
        assert_eq!(found, expected);
        assert!(matches!(found.as_slice(), [Match::Inside(_), Match::Outside { nearest: None, .. }, Match::Inside(_)]));
    }
}

#[test]
fn every_kind_searches_a_radius() {
    for grid in grids() {
        let point = Point { lat: 0.1, lon: 0.1 };
        let found: Vec<(f64, f64)> = grid.within(point, 110.0).iter().map(|cell| (cell.lat, cell.lon)).collect();
        assert_eq!(found, [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]);
        assert_eq!((grid.within(point, f64::INFINITY).len(), grid.within(point, f64::NAN).len()), (4, 0));
        assert_eq!((grid.within(point, -1.0).len(), grid.within(Point { lat: 1.0, lon: 1.0 }, 0.0).len()), (0, 1));
    }
}

#[test]
fn only_axes_interpolate() {
    let [axes, plane, points] = grids();
    let linear = |grid: &CoordinateGrid| grid.linear(Point { lat: 0.5, lon: 0.5 }, &Limits::default());
    assert_eq!(linear(&axes).map(|weights| weights.len()), Ok(4));
    for grid in [plane, points] {
        assert_eq!(linear(&grid), Err(LinearError::Grid));
    }
}

#[test]
fn coordinates_that_are_not_finite_are_refused_by_index() {
    assert_eq!(refused(&[0.0, f64::NAN], &[0.0, 1.0]), "latitude is NaN at index 1");
    assert_eq!(refused(&[0.0], &[0.0, 1.0, f64::NEG_INFINITY]), "longitude is -inf at index 2");
    assert_eq!(
        (refused(&[], &[1.0]).as_str(), refused(&[1.0], &[]).as_str()),
        ("latitude has no values", "longitude has no values")
    );
}

#[test]
fn swapped_coordinates_are_called_so() {
    let swapped = "latitude has values up to 180: latitude and longitude may be swapped";
    assert_eq!(refused(&[0.0, 90.0, 180.0], &[-90.0, 0.0, 90.0]), swapped);
    assert_eq!(refused(&[0.0, 500_000.0], &[0.0, 100.0]), "latitude has values up to 500000: not in degrees north");
    assert_eq!(refused(&[0.0, 1.0], &[0.0, 5000.0]), "longitude has the value 5000: not in degrees east");
}

#[test]
fn axes_out_of_order_are_refused() {
    let out = "latitude is not monotonic: 2 is followed by 1 at index 2";
    assert_eq!(refused(&[0.0, 2.0, 1.0], &[0.0]), out);
    assert!(refused(&[0.0], &[0.0, 10.0, 5.0]).starts_with("longitude is not monotonic"));
}
