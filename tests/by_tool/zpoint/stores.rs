//! Several stores in one run.

use std::path::PathBuf;

use harness::Outcome;
use serde_json::json;

use crate::made::{Field, store};
use crate::scene::{COLUMNS, ROWS, Scene, TIMES, globe, longitude, summary, temperature, value, values};

/// Runs over the globe and one more store.
fn with(scene: &Scene, other: &PathBuf, flags: &[&str]) -> Outcome {
    scene.tool(&["--lat=50", "--lon=30"]).arg(other).args(flags).run()
}

fn beside(scene: &Scene, fields: &[Field]) -> PathBuf {
    store(&scene.path("other.zarr"), false, fields)
}

#[test]
fn rows_follow_the_order_of_the_stores() {
    let scene = Scene::globe();
    let other = beside(&scene, &globe());
    let outcome = with(&scene, &other, &[]).expect(0);
    let expected: Vec<Option<f64>> = (0..2 * TIMES).map(|row| Some(value(row % TIMES, 4, 3))).collect();
    assert_eq!(values(&outcome, "t"), expected);
    assert_eq!((&summary(&outcome)["stores"], &summary(&outcome)["rows"]), (&2.into(), &12.into()));
}

#[test]
fn stores_come_by_the_line() {
    let scene = Scene::globe();
    let list = scene.file("stores", &format!("{{\"store\":\"{0}\"}}\n{0}\n", scene.text("source.zarr")));
    let tool = harness::Tool::new("zpoint").args(["--lat=50", "--lon=30", "--stores-from", &list]);
    assert_eq!(values(&tool.run().expect(0), "t").len() % TIMES, 0);
}

#[test]
fn columns_that_differ_are_refused_by_name() {
    let dimensions = [("time", TIMES), ("lat", ROWS), ("lon", COLUMNS)];
    let more = || Field::new("gust", &dimensions, |_| 1.0);
    for (change, words) in [
        (vec![more()], ["\"gust\"", "has the column"]),
        (vec![Field::new("t", &dimensions, |_| 1.0).dtype("<f8", json!("NaN"))], ["\"t\"", "float64"]),
    ] {
        let scene = Scene::globe();
        let mut fields = globe();
        fields.extend(change);
        let other = beside(&scene, &fields);
        let outcome = with(&scene, &other, &[]).expect(2);
        for words in words.iter().chain(&["other.zarr", "--var"]) {
            assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
        }
        assert!(outcome.of_type("row").is_empty());
        with(&scene, &other, &["--var", "t", "--cast", "f32"]).expect(0);
    }
    let scene = Scene::globe();
    let mut fields = globe();
    fields[3] = more();
    let outcome = with(&scene, &beside(&scene, &fields), &[]).expect(2);
    assert!(outcome.stderr.contains("\"gust\"") || outcome.stderr.contains("\"t\""), "{}", outcome.stderr);
}

#[test]
fn cells_that_differ_are_an_answer() {
    let scene = Scene::globe();
    let mut fields = globe();
    fields[1] = longitude("lon", 72, 2.0, 5.0);
    fields[3] = temperature(TIMES, ROWS, 72);
    let other = beside(&scene, &fields);
    let outcome = with(&scene, &other, &[]).expect(1);
    for words in ["point 0", "50, 30", "50, 32", "other.zarr", "--same-cell"] {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
    assert!(outcome.of_type("row").is_empty());
    let outcome = with(&scene, &other, &["--same-cell", "warn"]).expect(0);
    assert!(outcome.stderr.contains("point 0"), "{}", outcome.stderr);
    assert_eq!(values(&outcome, "grid_lon")[TIMES - 1..=TIMES], [Some(30.0), Some(32.0)]);
    assert_eq!(values(&outcome, "t")[TIMES], Some(value(0, 4, 6)));
}

/// Coordinates kept as 32-bit floats, and in the other convention, are of the same cells.
#[test]
fn cells_that_are_the_same_otherwise_written_do_not_differ() {
    let scene = Scene::globe();
    let mut fields = globe();
    let lon = Field::new("lon", &[("lon", COLUMNS)], |at| at[0] as f64 * 10.0 - 180.0);
    fields[1] = lon.attributes(json!({"units": "degrees_east"}));
    let outcome = with(&scene, &beside(&scene, &fields), &[]).expect(0);
    assert_eq!(outcome.stderr, "");
    assert_eq!(values(&outcome, "t")[TIMES], Some(value(0, 4, 21)));
}

#[test]
fn one_store_that_is_not_there_ends_the_run() {
    let scene = Scene::globe();
    let outcome = with(&scene, &"/nowhere/other.zarr".into(), &["-o", &scene.text("out.csv")]).expect(4);
    assert!(outcome.stderr.contains("/nowhere/other.zarr"), "{}", outcome.stderr);
    assert!(scene.names().is_empty());
}
