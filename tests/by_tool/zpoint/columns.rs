//! Columns: variables, levels, variables without a grid, selections, and types that do not fit together.

use serde_json::{Value, json};

use crate::made::Field;
use crate::scene::{COLUMNS, ROWS, Scene, TIMES, csv, globe, summary, value, values};

/// The globe, with a series that is the same everywhere.
fn with_series() -> Scene {
    let mut fields = globe();
    fields.push(Field::new("forcing", &[("time", TIMES)], |at| 0.5 + at[0] as f64).chunks(&[4]));
    Scene::of(&fields)
}

#[test]
fn variables_without_a_grid_are_left_out_with_a_warning() {
    let outcome = with_series().at(50.0, 0.0, &[]).expect(0);
    assert!(outcome.stderr.contains("left out") && outcome.stderr.contains("/forcing"), "{}", outcome.stderr);
    assert_eq!(summary(&outcome)["columns"], 1);
    assert!(outcome.of_type("row").iter().all(|row| row.get("forcing").is_none()));
    assert_eq!(with_series().at(50.0, 0.0, &["-q"]).expect(0).stderr, "");
}

#[test]
fn variables_without_a_grid_can_be_carried_to_every_row() {
    let scene = with_series();
    let points = ["--lat=50", "--lon=0", "--lat=0", "--lon=90"];
    for flags in [&["--carry"][..], &["--var", "t", "--var", "forcing"]] {
        let outcome = scene.run(&[&points[..], flags].concat()).expect(0);
        assert_eq!(outcome.stderr, "", "{flags:?}");
        let carried: Vec<Option<f64>> = (0..2 * TIMES).map(|row| Some(0.5 + (row / 2) as f64)).collect();
        assert_eq!(values(&outcome, "forcing"), carried, "{flags:?}");
        assert_eq!(values(&outcome, "t")[3], Some(value(1, 9, 9)));
    }
}

/// The globe at two levels and two steps, next to the plain one.
fn with_levels() -> Scene {
    let mut fields = globe();
    let level = |at: &[usize]| [500.0, 850.0, 1000.0][at[0]];
    let coordinate = Field::new("level", &[("level", 3)], level).dtype("<f8", Value::Null);
    fields.push(coordinate.attributes(json!({"units": "hPa", "positive": "down"})));
    let dimensions = [("time", TIMES), ("level", 3), ("lat", ROWS), ("lon", COLUMNS)];
    let q = Field::new("q", &dimensions, |at| (at[1] * 100_000) as f64 + value(at[0], at[2], at[3]));
    fields.push(q.chunks(&[3, 2, 10, 10]));
    Scene::of(&fields)
}

#[test]
fn levels_are_columns() {
    let scene = with_levels();
    let outcome = scene.at(50.0, 30.0, &["-f", "csv"]).expect(0);
    let header = outcome.stdout.lines().next().unwrap();
    let columns: Vec<&str> = header.split(',').skip(7).collect();
    assert_eq!(columns.len(), 4, "{header}");
    for (number, level) in ["500", "850", "1000"].iter().enumerate() {
        let column = columns.iter().find(|column| column.starts_with('q') && column.contains(level)).unwrap();
        let found: Vec<f64> = csv(&outcome.stdout, column).iter().map(|text| text.parse().unwrap()).collect();
        let expected: Vec<f64> = (0..TIMES).map(|time| (number * 100_000) as f64 + value(time, 4, 3)).collect();
        assert_eq!(found, expected, "{column}");
    }
    let flags = ["-f", "csv", "--sel", "level=850", "--column-name", "{var}[-at-{level}]"];
    let outcome = scene.at(50.0, 30.0, &flags).expect(0);
    assert_eq!(csv(&outcome.stdout, "q-at-850").len(), TIMES, "{}", outcome.stdout);
    assert_eq!(csv(&outcome.stdout, "t").len(), TIMES);
}

#[test]
fn selections_are_by_value_or_index() {
    let scene = Scene::globe();
    for (flags, times) in [
        (["--sel", "time=2019-03-01T02:00:00:2019-03-01T04:00:00"], vec![2, 3, 4]),
        (["--sel", "time=2019-03-01T05"], vec![5]),
        (["--isel", "time=1:6:2"], vec![1, 3, 5]),
        (["--isel", "time=-1"], vec![5]),
    ] {
        let expected: Vec<Option<f64>> = times.iter().map(|time| Some(value(*time, 4, 0))).collect();
        assert_eq!(values(&scene.at(50.0, 0.0, &flags).expect(0), "t"), expected, "{flags:?}");
    }
}

#[test]
fn a_dimension_that_is_not_there_is_refused_with_those_that_are() {
    let outcome = with_levels().at(50.0, 0.0, &["--sel", "depth=10"]).expect(2);
    for words in ["\"depth\"", "level", "time"] {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
    assert!(outcome.of_type("row").is_empty());
}

#[test]
fn a_selection_of_nothing_says_what_there_is() {
    let scene = with_levels();
    for (flags, words) in [
        (["--sel", "time=1990"], ["time", "2019-03-01"]),
        (["--sel", "level=925"], ["level", "500"]),
        (["--isel", "time=4:4"], ["time", "2019-03-01"]),
        (["--isel", "time=6"], ["time", "6"]),
        (["--sel", "level=high"], ["level", "high"]),
    ] {
        let outcome = scene.at(50.0, 0.0, &flags).expect(2);
        assert!(words.iter().all(|word| outcome.stderr.contains(word)), "{flags:?}: {}", outcome.stderr);
        outcome.records();
    }
}

/// The globe with a variable of another type.
fn mixed() -> Scene {
    let mut fields = globe();
    let dimensions = [("time", TIMES), ("lat", ROWS), ("lon", COLUMNS)];
    let count = Field::new("count", &dimensions, |at| (at[0] + at[1]) as f64).dtype("<i2", Value::Null);
    fields.push(count);
    Scene::of(&fields)
}

#[test]
fn a_matrix_has_one_type() {
    let scene = mixed();
    let output = scene.text("out.npy");
    let outcome = scene.at(50.0, 0.0, &["-o", &output]).expect(2);
    for words in ["\"count\"", "\"t\"", "int16", "float32", "--cast f32"] {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
    assert!(scene.names().is_empty(), "{:?}", scene.names());
    scene.at(50.0, 0.0, &["-o", &output, "--cast", "f32"]).expect(0);
    let bytes = std::fs::read(&output).unwrap();
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..end]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("(6, 2)"), "{header}");
    let matrix: Vec<f32> = bytes[end..].as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    let expected = (0..TIMES).flat_map(|time| [(time + 4) as f32, value(time, 4, 0) as f32]);
    assert_eq!(matrix, expected.collect::<Vec<_>>());
    assert_eq!(scene.names(), ["out.npy", "out.npy.columns.jsonl", "out.npy.rows.csv"]);
}

#[test]
fn columns_of_one_name_are_refused() {
    let mut fields = globe();
    fields.push(Field::new("grid_lat", &[("lat", ROWS), ("lon", COLUMNS)], |at| at[0] as f64));
    let outcome = Scene::of(&fields).at(50.0, 0.0, &[]).expect(2);
    assert!(outcome.stderr.contains("grid_lat") && outcome.stderr.contains("--var"), "{}", outcome.stderr);
}
