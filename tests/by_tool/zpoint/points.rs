//! Points from a file, and invalid points.

use harness::Outcome;

use crate::scene::{Scene, value, values};

const POINTS: &str = "name,id,lon,lat\nLondon,ldn,-0.1,51.5\n\"Sydney, NSW\",syd,151.2,-33.9\n";

#[test]
fn a_file_has_points_and_more() {
    let scene = Scene::globe();
    let outcome = scene.run(&["--points", &scene.file("points.csv", POINTS), "--isel", "time=1"]).expect(0);
    assert_eq!(values(&outcome, "t"), [Some(value(1, 4, 0)), Some(value(1, 12, 15))]);
    let rows = outcome.of_type("row");
    assert_eq!((&rows[1]["point_id"], &rows[1]["name"]), (&"syd".into(), &"Sydney, NSW".into()));
}

#[test]
fn points_come_by_standard_input_too() {
    let scene = Scene::globe();
    let outcome = scene.tool(&["--points", "-", "--isel", "time=0"]).run_on(POINTS).expect(0);
    assert_eq!(values(&outcome, "t"), [Some(value(0, 4, 0)), Some(value(0, 12, 15))]);
}

#[test]
fn a_bad_line_is_named_by_its_number() {
    let scene = Scene::globe();
    for (text, words) in [
        ("id,lat,lon\na,1,2\nb,north,2\n", ["line 3", "north"]),
        ("id,lat,lon\na,1,2\nb,151.2,-33.9\n", ["line 3", "swapped"]),
        ("id,lat,lon\na,1,2\nb,3\n", ["line", "3"]),
        ("id,lat,lon\na,NaN,2\n", ["line 2", "NaN"]),
        ("id,lat,lon\na,1,2\na,2,3\n", ["line 3", "line 2"]),
        ("id,latt,lon\na,1,2\n", ["line 1", "lat"]),
    ] {
        let path = scene.file("points.csv", text);
        let outcome = scene.run(&["--points", &path]).expect(2);
        assert!(words.iter().all(|word| outcome.stderr.contains(word)), "{words:?}: {}", outcome.stderr);
        assert!(outcome.stderr.starts_with(&format!("zpoint: {path}: ")), "{}", outcome.stderr);
        outcome.records();
    }
}

#[test]
fn a_file_that_is_not_there_or_empty_is_told() {
    let scene = Scene::globe();
    let outcome = scene.run(&["--points", "/nowhere/points.csv"]).expect(4);
    assert!(outcome.stderr.contains("/nowhere/points.csv"), "{}", outcome.stderr);
    let path = scene.file("points.csv", "id,lat,lon\n");
    assert!(scene.run(&["--points", &path]).expect(2).stderr.contains("has no points below its header"));
}

fn refused(arguments: &[&str]) -> Outcome {
    Scene::globe().run(arguments).expect(2)
}

#[test]
fn invalid_points_are_refused() {
    for (arguments, word) in [
        (&["--lat=151.2", "--lon=-33.9"][..], "swapped"),
        (&["--lat=91", "--lon=0"], "91"),
        (&["--lat=0", "--lon=400"], "400"),
        (&["--lat=NaN", "--lon=0"], "NaN"),
        (&["--lat=1", "--lat=2", "--lon=0"], "2 latitudes and 1 longitude"),
        (&[], "--lat"),
    ] {
        let outcome = refused(arguments);
        assert!(outcome.stderr.contains(word), "{word}: {}", outcome.stderr);
    }
}

#[test]
fn coordinates_without_flags_are_told_how_to_be_given() {
    let scene = Scene::globe();
    let store = scene.store.to_str().unwrap();
    let run = |more: &[&str]| harness::Tool::new("zpoint").arg(store).args(more).run().expect(2).stderr;
    for (more, hint) in [
        (&["51.5", "-0.1"][..], "hint: use --lat 51.5 --lon -0.1"),
        (&["51.5"], "hint: use --lat LAT --lon LON"),
        (&["--lat", "x", "--lon", "1"], "expected a number"),
        (&["--lat", "1"], "1 latitude and 0 longitudes are given"),
        (&["--lat", "1", "--lon", "1", "-j", "0"], "use a number from 1 to 1024"),
    ] {
        let stderr = run(more);
        assert!(stderr.contains(hint) && !stderr.contains("literal"), "{stderr}");
    }
    for (content, words) in [
        ("", "is empty: expected a header"),
        ("id;lat;lon\na;1;2\n", "semicolons"),
        ("id,lat,lon\n", "no points below"),
    ] {
        let file = scene.file("points.csv", content);
        let stderr = run(&["--points", &file]);
        assert!(stderr.contains(words) && stderr.contains("points.csv: "), "{stderr}");
    }
}

#[test]
fn a_reversed_range_of_times_is_refused() {
    let scene = Scene::globe();
    let outcome = scene.at(0.0, 0.0, &["--sel", "time=2019-03-02:2019-03-01"]).expect(2);
    assert!(
        outcome.stderr.contains("time: the range 2019-03-02:2019-03-01 starts after it ends"),
        "{}",
        outcome.stderr
    );
}
