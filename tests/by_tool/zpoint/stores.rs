//! Several stores in one run.

use std::path::PathBuf;

use harness::Outcome;
use serde_json::json;

use crate::made::{Field, store};
use crate::scene::{
    COLUMNS, ROWS, Scene, TIMES, globe, latitude, longitude, region, summary, temperature, value, values,
};

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
fn one_store_of_many_that_is_not_there_is_a_failed_item() {
    let scene = Scene::globe();
    let outcome = with(&scene, &"/nowhere/other.zarr".into(), &[]).expect(3);
    assert!(outcome.stderr.contains("/nowhere/other.zarr"), "{}", outcome.stderr);
    assert_eq!(values(&outcome, "t").len(), TIMES);
    assert_eq!(outcome.of_type("error").len(), 1);
    let outcome = with(&scene, &"/nowhere/other.zarr".into(), &["-o", &scene.text("out.csv")]).expect(3);
    assert_eq!(scene.names(), ["out.csv", "out.csv.columns.jsonl"], "{}", outcome.stderr);
    // None of them: as if each were given by itself.
    let tool = harness::Tool::new("zpoint").args(["--lat=50", "--lon=30", "/nowhere/a.zarr", "/nowhere/b.zarr"]);
    let outcome = tool.run().expect(4);
    assert!(outcome.stderr.contains("a.zarr") && outcome.stderr.contains("b.zarr"), "{}", outcome.stderr);
}

/// A second globe whose times go on where those of the first end.
fn later(scene: &Scene) -> PathBuf {
    let mut fields = globe();
    let field = Field::new("time", &[("time", TIMES)], |at| (at[0] + TIMES) as f64).dtype("<f8", json!(null));
    fields[2] = field.attributes(json!({"units": "hours since 2019-03-01", "calendar": "standard"}));
    beside(scene, &fields)
}

/// As in xarray over the concatenation of the stores.
#[test]
fn a_selection_is_one_over_all_stores() {
    let scene = Scene::globe();
    let other = later(&scene);
    let times = |flags: &[&str]| {
        let outcome = with(&scene, &other, flags).expect(0);
        let hour = |row: serde_json::Value| row["time"].as_str().unwrap()[11..13].parse::<u32>().unwrap();
        (outcome.of_type("row").into_iter().map(hour).collect::<Vec<_>>(), outcome.stderr)
    };
    for (flags, expected, empty) in [
        (["--sel", "time=2019-03-01T07"], vec![7], true),
        (["--sel", "time=2019-03-01T04:2019-03-01T07"], vec![4, 5, 6, 7], false),
        (["--isel", "time=4:8"], vec![4, 5, 6, 7], false),
        (["--isel", "time=-1"], vec![11], true),
        (["--isel", "time=::5"], vec![0, 5, 10], false),
        (["--isel", "time=0:2"], vec![0, 1], true),
    ] {
        let (found, stderr) = times(&flags);
        assert_eq!(found, expected, "{flags:?}");
        assert_eq!(stderr.contains("nothing selected in 1 store of 2"), empty, "{flags:?}: {stderr}");
    }
    let near = ["--sel", "time=2019-03-01T05:20", "--sel-method", "nearest"];
    assert_eq!(times(&near).0, [5], "of all stores, the nearest");
    // Only none anywhere is an error, which names the range over all.
    for (label, nearest) in [("time=2099", "2019-03-01T11"), ("time=1999", "2019-03-01T00")] {
        let outcome = with(&scene, &other, &["--sel", label]).expect(2);
        let range = "2 stores: the selection matches no time; available: 2019-03-01T00:00:00Z to 2019-03-01T11:00:00Z";
        assert!(outcome.stderr.contains(range), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("the nearest is {nearest}")), "{}", outcome.stderr);
    }
    for flags in [["--sel", "time=2020"], ["--isel", "time=12"]] {
        let outcome = with(&scene, &other, &flags).expect(2);
        assert!(outcome.stderr.contains("time"), "{}", outcome.stderr);
    }
}

/// Without one of the stores, every later index would be another.
#[test]
fn a_selection_over_all_stores_needs_all_of_them() {
    let scene = Scene::globe();
    let other = later(&scene);
    let run = |missing: &str, flags: &[&str]| {
        let mut tool = harness::Tool::new("zpoint").args(["--lat=50", "--lon=30"]);
        for store in [missing, &scene.text("source.zarr"), other.to_str().unwrap()] {
            tool = tool.arg(store);
        }
        tool.args(flags).run()
    };
    // Its rows are along another dimension, or it has none.
    let mut fields = globe();
    fields[2] = Field::new("file_id", &[("file_id", 2)], |at| at[0] as f64);
    fields[3] = Field::new("t", &[("file_id", 2), ("lat", ROWS), ("lon", COLUMNS)], |_| 1.0);
    store(&scene.path("files.zarr"), false, &fields);
    fields.remove(2);
    fields[2] = Field::new("t", &[("lat", ROWS), ("lon", COLUMNS)], |_| 1.0);
    store(&scene.path("still.zarr"), false, &fields);
    let near = ["--sel", "time=2019-03-01T05:20", "--sel-method", "nearest"];
    for (missing, code) in [("gone.zarr", 4), ("files.zarr", 2), ("still.zarr", 2)] {
        for flags in [&["--isel", "time=0"][..], &["--isel", "time=4:8"], &near] {
            let outcome = run(&scene.text(missing), flags).expect(code);
            for words in [missing, "time is selected over all stores"] {
                assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
            }
            assert!(outcome.of_type("row").is_empty());
        }
    }
    // What a store has of these does not depend on the others.
    for flags in [&["--sel", "time=2019-03-01T07"][..], &["--isel", "lat=4"]] {
        let outcome = run(&scene.text("gone.zarr"), flags);
        assert!(!outcome.stderr.contains("over all stores"), "{}", outcome.stderr);
    }
    assert_eq!(values(&run(&scene.text("gone.zarr"), &["--sel", "time=2019-03-01T07"]).expect(3), "t").len(), 1);
}

#[test]
fn rows_name_their_store_when_asked() {
    let scene = Scene::globe();
    let other = later(&scene);
    let outcome = with(&scene, &other, &["--store-column", "--isel", "time=5:7"]).expect(0);
    let stores: Vec<String> =
        outcome.of_type("row").iter().map(|row| row["store"].as_str().unwrap().to_owned()).collect();
    assert_eq!(stores, [scene.text("source.zarr"), scene.text("other.zarr")]);
    for name in ["out.parquet", "out.csv", "out.zarr", "out.npy"] {
        with(&scene, &other, &["--store-column", "-o", &scene.text(name)]).expect(0);
    }
    let outcome = with(&scene, &other, &["--store-column", "-f", "csv", "--isel", "time=6"]).expect(0);
    assert_eq!(crate::scene::csv(&outcome.stdout, "store"), [scene.text("other.zarr")]);
}

#[test]
fn what_is_so_in_many_stores_is_said_once() {
    let fields = || {
        let mut fields = region();
        fields[0] = latitude("lat", 11, 40.0, 1.0).attributes(json!({}));
        fields
    };
    let scene = Scene::of(&fields());
    let copies: Vec<PathBuf> =
        (0..4).map(|number| store(&scene.path(&format!("{number}.zarr")), false, &fields())).collect();
    let outcome = scene.tool(&["--lat=45", "--lon=7"]).args(&copies).run().expect(0);
    let text = "/lat has no units; assumed to be degrees";
    assert_eq!(outcome.stderr.matches(text).count(), 1, "{}", outcome.stderr);
    let line = outcome.stderr.lines().find(|line| line.contains(text)).unwrap();
    assert!(line.contains("source.zarr (and 4 more stores): "), "{line}");
}
