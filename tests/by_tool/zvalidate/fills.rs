//! Fill values: those of attributes, and what it means that chunks of them are not stored.

use std::fs;
use std::path::Path;

use harness::{Outcome, Tool};
use serde_json::{Value, json};

use crate::made::{Data, FORMATS, Format, Made, Scene, arrays};

/// -9999 in Base64, as xarray writes `_FillValue` of floats of Zarr v3.
const MISSING: &str = "AAAAAICHw8A=";

fn run(store: &Path, flags: &[&str]) -> Outcome {
    Tool::new("zvalidate").arg("--json").args(flags).arg(store).run()
}

/// The findings of a kind about an array.
fn found(outcome: &Outcome, kind: &str, path: &str) -> Vec<Value> {
    let is_it = |finding: &Value| finding["kind"] == kind && finding["path"] == path;
    outcome.of_type("finding").into_iter().filter(is_it).collect()
}

/// Removes all chunks of an array.
fn empty(scene: &Scene, name: &str) {
    for entry in fs::read_dir(scene.path(name)).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.file_name().and_then(|name| name.to_str()).unwrap() {
            "zarr.json" | ".zarray" | ".zattrs" => {}
            "c" => fs::remove_dir_all(entry).unwrap(),
            _ => fs::remove_file(entry).unwrap(),
        }
    }
}

/// Of the sound store, one array.
fn made(name: &str) -> Made {
    arrays().into_iter().find(|array| array.name == name).unwrap()
}

#[test]
fn fill_values_in_base64_count_as_missing() {
    for (format, fill) in [
        (Format::V3, json!("NaN")),
        (Format::V3, json!(0.0)),
        (Format::Sharded, json!("NaN")),
        (Format::V2, json!(0.0)),
    ] {
        let scene = Scene::sound(format);
        scene.rewrite("t2m", |array| {
            array.fill = fill;
            array.attributes =
                json!({"_FillValue": if format == Format::V2 { json!(-9999.0) } else { json!(MISSING) }});
            let Data::F32(values) = &mut array.data else { panic!("floats") };
            values.iter_mut().step_by(4).for_each(|value| *value = -9999.0);
        });
        let outcome = run(&scene.store(), &["--max-nan", "0.01"]).expect(1);
        assert_eq!(found(&outcome, "too_many_nan", "/t2m").len(), 1, "{}", outcome.stdout);
        let record = outcome.record("check", "/t2m");
        assert_eq!(record["fill_share"], json!(0.25), "{record}");
        assert!(record["min"].as_f64().unwrap() > 200.0, "{record}");
    }
}

/// The fill value of the metadata is the one that the attribute states: no chunk of it is left out on purpose.
#[test]
fn a_missing_chunk_of_a_stated_fill_value_is_a_warning() {
    for attributes in [json!({"_FillValue": MISSING}), json!({"missing_value": -9999})] {
        let scene = Scene::sound(Format::V3);
        scene.rewrite("t2m", |array| (array.fill, array.attributes) = (json!(-9999.0), attributes));
        run(&scene.store(), &[]).expect(0);
        scene.remove(&scene.key("t2m", [2, 1, 0]));
        let outcome = run(&scene.store(), &[]).expect(1);
        assert_eq!(found(&outcome, "missing_chunks", "/t2m")[0]["severity"], "warning");
    }
}

/// zarr-python does not store a chunk of nothing but an ordinary fill value: dry hours, and flags that are never set.
#[test]
fn chunks_of_an_ordinary_fill_value_are_no_fault() {
    for format in FORMATS {
        let scene = Scene::sound(format);
        for index in [[3, 0, 0], [3, 1, 0]] {
            let key = scene.key("u10", index);
            if scene.path(&key).exists() {
                scene.remove(&key);
            }
        }
        scene.rewrite("raw", |array| array.fill = json!(0));
        empty(&scene, "raw");
        let outcome = run(&scene.store(), &[]).expect(0);
        assert_eq!(found(&outcome, "missing_steps", "/u10")[0]["severity"], "info", "{format:?}");
        assert_eq!(found(&outcome, "no_chunks", "/raw")[0]["severity"], "info", "{format:?}");
        let all = run(&scene.store(), &["--expect-chunks", "all"]).expect(1);
        assert_eq!(found(&all, "missing_steps", "/u10")[0]["severity"], "error", "{format:?}");
        // A whole variable of measurements without chunks is rather a copy of the metadata.
        empty(&scene, "u10");
        let outcome = run(&scene.store(), &[]).expect(1);
        assert_eq!(found(&outcome, "no_chunks", "/u10")[0]["severity"], "warning", "{format:?}");
    }
}

/// xarray writes flags and counts of Zarr v2 with a fill value of null, and zarr-python 3 does not store their zeros.
#[test]
fn flags_without_a_fill_value_may_all_be_zero() {
    let scene = Scene::sound(Format::V2);
    scene.rewrite("raw", |array| array.fill = Value::Null);
    empty(&scene, "raw");
    let outcome = run(&scene.store(), &[]).expect(0);
    let finding = &found(&outcome, "no_chunks", "/raw")[0];
    assert_eq!(finding["severity"], "info", "{finding}");
    assert!(finding["found"].as_str().unwrap().contains("zarr-python reads them as zeros"), "{finding}");
    run(&scene.store(), &["--expect-chunks", "all"]).expect(1);
}

/// A time that is its reference date, a latitude of the equator: zeros, which zarr-python does not store.
#[test]
fn a_coordinate_of_zeros_is_not_missing() {
    let cases = [
        (Format::V3, "time", Data::I64(vec![0]), json!(0)),
        (Format::V2, "time", Data::I64(vec![0]), Value::Null),
        (Format::V2, "time", Data::I64(vec![0]), json!(0)),
        (Format::V3, "latitude", Data::F64(vec![0.0]), json!(0.0)),
    ];
    for (format, name, data, fill) in cases {
        let one = Made { shape: vec![1], chunk: vec![1], fill: fill.clone(), data, ..made(name) };
        let scene = Scene::of(format, vec![one]);
        empty(&scene, name);
        let outcome = run(&scene.store(), &[]).expect(0);
        let findings = found(&outcome, "no_chunks", &format!("/{name}"));
        assert_eq!(findings[0]["severity"], "info", "{format:?} {fill}");
        run(&scene.store(), &["--expect-chunks", "all"]).expect(1);
    }
    // The first of several chunks.
    let time = |fill| Made { shape: vec![4], chunk: vec![1], fill, data: Data::I64(vec![0, 1, 2, 3]), ..made("time") };
    for (format, fill) in [(Format::V2, Value::Null), (Format::V3, json!(0))] {
        let scene = Scene::of(format, vec![time(fill.clone())]);
        scene.remove(&scene.axis_key("time"));
        run(&scene.store(), &[]).expect(0);
        // The last one reads as zero, too.
        scene.remove(if format == Format::V2 { "time/3" } else { "time/c/3" });
        let outcome = run(&scene.store(), &[]).expect(1);
        assert!(outcome.stdout.contains("coordinate_"), "{}", outcome.stdout);
        if fill.is_null() {
            assert_eq!(found(&outcome, "missing_null_fill", "/time")[0]["severity"], "error");
        }
    }
    // All of several values.
    let scene = Scene::of(Format::V2, vec![Made { chunk: vec![4], ..time(Value::Null) }]);
    empty(&scene, "time");
    assert_eq!(found(&run(&scene.store(), &[]).expect(1), "no_chunks", "/time")[0]["severity"], "error");
}

/// What the source does not store is not missing from a copy of a part of it.
#[test]
fn a_mirror_of_a_sparse_store_is_complete() {
    let source = Scene::sound(Format::V3);
    source.remove(&source.key("u10", [1, 0, 0]));
    run(&source.store(), &[]).expect(0);
    let mirror = source.directory.path().join("mirror.zarr");
    let fetch = Tool::new("zfetch").arg(source.store()).arg("--to").arg(&mirror).args(["--layout", "mirror"]);
    fetch.args(["--isel", "time=0:12"]).run().expect(0);
    let outcome = run(&mirror, &[]).expect(0);
    assert_eq!(found(&outcome, "missing_chunks", "/u10")[0]["severity"], "info", "{}", outcome.stdout);
    run(&mirror, &["--expect-chunks", "all"]).expect(1);
    fs::remove_file(mirror.join("t2m/c/1/1/0")).unwrap();
    let outcome = run(&mirror, &[]).expect(1);
    assert_eq!(found(&outcome, "missing_chunks", "/t2m")[0]["severity"], "warning", "{}", outcome.stdout);
}
