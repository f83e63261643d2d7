//! Points outside the grid, and points at a coast.

use crate::made::Field;
use crate::scene::{Scene, first, region, summary, value, values};

/// Half a step beyond the last row, and a hundredth of a step more.
const OUTSIDE: [&str; 2] = ["--lat=50.51", "--lon=5"];
const INSIDE: [&str; 2] = ["--lat=44.4", "--lon=2.6"];

#[test]
fn half_a_cell_beyond_is_inside_and_more_is_an_error() {
    let scene = Scene::of(&region());
    assert_eq!(first(&scene.at(50.49, 5.0, &[]).expect(0)), Some(value(0, 10, 5)));
    assert_eq!(first(&scene.at(39.51, -0.49, &[]).expect(0)), Some(value(0, 0, 0)));
    for (lat, lon, name) in [(50.51, 5.0, "latitude"), (45.0, 10.51, "longitude"), (45.0, -0.51, "longitude")] {
        let outcome = scene.at(lat, lon, &[]).expect(2);
        for words in ["point 0", name, "half a step", "--out-of-bounds"] {
            assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
        }
        assert!(outcome.of_type("row").is_empty());
        outcome.records();
    }
}

#[test]
fn a_tolerance_replaces_half_a_cell() {
    let scene = Scene::of(&region());
    assert_eq!(first(&scene.at(50.9, 5.0, &["--tolerance", "lat=1,lon=1"]).expect(0)), Some(value(0, 10, 5)));
    scene.at(44.4, 5.0, &["--tolerance", "lat=0.3,lon=0.3"]).expect(2);
    scene.at(44.4, 5.0, &["--max-distance", "40km"]).expect(2);
    scene.at(44.4, 5.0, &["--max-distance", "50km"]).expect(0);
}

fn with_one_outside(scene: &Scene, what: &str) -> harness::Outcome {
    let points = [INSIDE, OUTSIDE, ["--lat=41", "--lon=7"]].concat();
    scene.run(&[&points[..], &["--out-of-bounds", what, "--isel", "time=0"]].concat())
}

#[test]
fn points_outside_are_empty_dropped_or_warned_of() {
    let scene = Scene::of(&region());
    let (one, other) = (Some(value(0, 4, 3)), Some(value(0, 1, 7)));
    let outcome = with_one_outside(&scene, "null").expect(0);
    assert_eq!(values(&outcome, "t"), [one, None, other]);
    assert_eq!(values(&outcome, "grid_lat")[1], None);
    assert_eq!(values(&outcome, "lat")[1], Some(50.51));
    assert_eq!(summary(&outcome)["points"], 3);

    let outcome = with_one_outside(&scene, "drop").expect(0);
    assert_eq!(values(&outcome, "t"), [one, other]);
    assert_eq!((outcome.stderr.as_str(), &outcome.of_type("row")[1]["point_id"]), ("", &"2".into()));

    let outcome = with_one_outside(&scene, "warn").expect(0);
    assert_eq!(values(&outcome, "t"), [one, other]);
    assert!(outcome.stderr.contains("point 1") && outcome.stderr.contains("50.51"), "{}", outcome.stderr);

    let outcome = with_one_outside(&scene, "error").expect(2);
    assert!(outcome.stderr.contains("point 1"), "{}", outcome.stderr);
}

#[test]
fn when_every_point_is_outside_there_is_nothing_to_do() {
    let scene = Scene::of(&region());
    for what in ["drop", "warn"] {
        let outcome = scene.run(&[&OUTSIDE[..], &["--out-of-bounds", what]].concat()).expect(4);
        assert!(outcome.stderr.contains("no point has a grid cell"), "{}", outcome.stderr);
    }
    let outcome = scene.run(&[&OUTSIDE[..], &["--out-of-bounds", "null"]].concat()).expect(0);
    assert_eq!(values(&outcome, "t"), [None, None]);
}

/// Of the region the columns from 5 on are sea, which alone has a temperature.
fn coast() -> Scene {
    let mut fields = region();
    let sst = |at: &[usize]| if at[2] < 5 { f64::NAN } else { value(at[0], at[1], at[2]) };
    fields.push(Field::new("sst", &[("time", 2), ("lat", 11), ("lon", 11)], sst));
    Scene::of(&fields)
}

/// At 45 degrees north, a degree of longitude is 78.6 km.
#[test]
fn at_a_coast_the_nearest_cell_with_a_value_is_taken() {
    let scene = coast();
    assert_eq!(values(&scene.at(45.0, 3.6, &["--var", "sst"]).expect(0), "sst"), [None, None]);
    let near = |radius: &str| {
        let flags = ["--nearest-valid", "sst", "--search-radius", radius];
        scene.at(45.0, 3.6, &flags)
    };
    let outcome = near("150km").expect(0);
    assert_eq!(values(&outcome, "sst"), [Some(value(0, 5, 5)), Some(value(1, 5, 5))]);
    assert_eq!(values(&outcome, "t")[0], Some(value(0, 5, 5)), "what is on the same grid moves with it");
    assert_eq!((values(&outcome, "grid_lon")[0], values(&outcome, "lon")[0]), (Some(5.0), Some(3.6)));
    let outcome = near("50km").expect(2);
    assert!(outcome.stderr.contains("within 50 km") && outcome.stderr.contains("sst"), "{}", outcome.stderr);
    let flags = ["--nearest-valid", "sst", "--search-radius", "50km", "--out-of-bounds", "null"];
    assert_eq!(values(&scene.at(45.0, 3.6, &flags).expect(0), "sst"), [None, None]);
}

#[test]
fn a_cell_that_has_a_value_stays() {
    let flags = ["--nearest-valid", "sst", "--search-radius", "300km"];
    assert_eq!(values(&coast().at(45.2, 7.3, &flags).expect(0), "sst")[0], Some(value(0, 5, 7)));
    let outcome = coast().at(45.0, 3.6, &["--nearest-valid", "ice", "--search-radius", "9km"]).expect(2);
    assert!(outcome.stderr.contains("ice"), "{}", outcome.stderr);
}
