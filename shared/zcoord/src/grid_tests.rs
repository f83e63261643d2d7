//! Tests of what all kinds of grids share: places that are none, and coordinates that are refused.

use super::*;

fn grids() -> [Grid; 3] {
    let (lat, lon) = (vec![0.0, 0.0, 1.0, 1.0], vec![0.0, 1.0, 0.0, 1.0]);
    [
        Grid::rectilinear(vec![0.0, 1.0], vec![0.0, 1.0], None, None).expect("a grid"),
        Grid::curvilinear(2, 2, lat.clone(), lon.clone()).expect("a grid"),
        Grid::scattered(lat, lon).expect("a grid"),
    ]
}

fn refused(lat: &[f64], lon: &[f64]) -> String {
    Grid::rectilinear(lat.to_vec(), lon.to_vec(), None, None).expect_err("no grid").to_string()
}

#[test]
fn places_that_are_none_are_outside_and_near_nothing() {
    let faults = [
        (Place { lat: f64::NAN, lon: 0.0 }, "the latitude of the place is NaN"),
        (Place { lat: 0.0, lon: f64::INFINITY }, "the longitude of the place is inf"),
        (Place { lat: -90.5, lon: 0.0 }, "latitude -90.5 is beyond the pole"),
    ];
    for grid in grids() {
        for (place, why) in faults {
            let expected = Match::Outside { nearest: None, why: why.into() };
            assert_eq!(grid.nearest(place, &Limits::default()), expected);
            assert_eq!(grid.linear(place, &Limits::default()), Err(why.to_owned()));
            assert_eq!(grid.within(place, 1e9), []);
        }
    }
}

#[test]
fn matches_keep_the_order_of_the_places() {
    let places = [(1.0, 1.0), (f64::NAN, 0.0), (0.0, 1.0)].map(|(lat, lon)| Place { lat, lon });
    for grid in grids() {
        let found = grid.nearest_of_each(&places, &Limits::default());
        let expected = places.map(|place| grid.nearest(place, &Limits::default()));
        assert_eq!(found, expected);
        assert!(matches!(found.as_slice(), [Match::Inside(_), Match::Outside { nearest: None, .. }, Match::Inside(_)]));
    }
}

#[test]
fn every_kind_searches_a_radius() {
    for grid in grids() {
        let place = Place { lat: 0.1, lon: 0.1 };
        let found: Vec<(f64, f64)> = grid.within(place, 110.0).iter().map(|cell| (cell.lat, cell.lon)).collect();
        assert_eq!(found, [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]);
        assert_eq!((grid.within(place, f64::INFINITY).len(), grid.within(place, f64::NAN).len()), (4, 0));
        assert_eq!((grid.within(place, -1.0).len(), grid.within(Place { lat: 1.0, lon: 1.0 }, 0.0).len()), (0, 1));
    }
}

#[test]
fn only_axes_interpolate() {
    let [axes, plane, points] = grids();
    let linear = |grid: &Grid| grid.linear(Place { lat: 0.5, lon: 0.5 }, &Limits::default());
    assert_eq!(linear(&axes).map(|weights| weights.len()), Ok(4));
    for grid in [plane, points] {
        assert!(linear(&grid).is_err_and(|why| why.contains("dimension of their own")));
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
    let swapped = "latitude has values up to 180: latitude and longitude look swapped";
    assert_eq!(refused(&[0.0, 90.0, 180.0], &[-90.0, 0.0, 90.0]), swapped);
    assert_eq!(
        refused(&[0.0, 500_000.0], &[0.0, 100.0]),
        "latitude has values up to 500000: these are no degrees north"
    );
    assert_eq!(refused(&[0.0, 1.0], &[0.0, 5000.0]), "longitude has the value 5000: these are no degrees east");
}

#[test]
fn axes_out_of_order_are_refused() {
    let out = "latitude neither rises nor falls throughout: 2 is followed by 1 at index 2";
    assert_eq!(refused(&[0.0, 2.0, 1.0], &[0.0]), out);
    assert!(refused(&[0.0], &[0.0, 10.0, 5.0]).starts_with("longitude neither rises nor falls"));
}
