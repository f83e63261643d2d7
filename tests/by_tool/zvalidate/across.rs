//! Stores against each other: the batches of one archive.

use harness::{Outcome, Tool};
use serde_json::{Value, json};

use crate::made::{Data, FORMATS, Format, Made, Scene, arrays};

/// Three batches that follow each other, changed by the number of the batch.
fn batches(format: Format, change: impl Fn(usize, &mut Vec<Made>)) -> Vec<Scene> {
    let batch = |number: usize| {
        let mut arrays = arrays();
        let Data::I64(times) = &mut arrays[0].data else { panic!("times") };
        times.iter_mut().for_each(|time| *time += 50 * number as i64);
        change(number, &mut arrays);
        Scene::of(format, arrays)
    };
    (0..3).map(batch).collect()
}

fn run(scenes: &[Scene]) -> Outcome {
    Tool::new("zvalidate").arg("--json").args(scenes.iter().map(Scene::store)).run()
}

/// The only serious finding, which has to be about the last store.
#[track_caller]
fn only(scenes: &[Scene], kind: &str) -> Value {
    let outcome = run(scenes).expect(1);
    outcome.records();
    let mut found = outcome.of_type("finding");
    found.retain(|finding| finding["severity"] != "info");
    assert_eq!(found.len(), 1, "{kind}: {found:#?}");
    assert_eq!(found[0]["kind"], kind);
    found.remove(0)
}

fn array<'a>(arrays: &'a mut [Made], name: &str) -> &'a mut Made {
    arrays.iter_mut().find(|array| array.name == name).unwrap()
}

#[test]
fn batches_that_follow_each_other_are_clean() {
    for format in FORMATS {
        run(&batches(format, |_, _| {})).expect(0);
    }
    // The same store twice is an overlap.
    let scenes = batches(Format::V2, |number, arrays| {
        if number == 1 {
            arrays[0].data = crate::made::arrays()[0].data.clone();
        }
    });
    let outcome = run(&scenes).expect(1);
    assert!(outcome.stdout.contains("stores_overlap") && outcome.stdout.contains("stores_gap"), "{}", outcome.stdout);
}

#[test]
fn overlaps_and_gaps_are_named_by_coordinate_value() {
    let shifted = |by: i64| {
        batches(Format::V2, move |number, arrays| {
            if let (2, Data::I64(times)) = (number, &mut arrays[0].data) {
                times.iter_mut().for_each(|time| *time += by);
            }
        })
    };
    let overlap = only(&shifted(-3), "stores_overlap");
    assert_eq!(overlap["labels"], json!(["2019-03-05T01:00:00Z", "2019-03-05T03:00:00Z"]), "{overlap}");
    // One shared value counts.
    let one = only(&shifted(-1), "stores_overlap");
    assert_eq!(one["labels"], json!(["2019-03-05T03:00:00Z", "2019-03-05T03:00:00Z"]), "{one}");
    let gap = only(&shifted(4), "stores_gap");
    assert_eq!((&gap["count"], &gap["path"]), (&4.into(), &"/time".into()), "{gap}");
}

#[test]
fn what_differs_between_batches_is_named() {
    type Change = fn(&mut Vec<Made>);
    let changes: [(&str, &str, Change); 7] = [
        ("variables_differ", "/tp", |arrays| arrays.retain(|array| array.name != "tp")),
        ("variables_differ", "/extra", |arrays| {
            let more = Made { name: "extra", ..array(arrays, "tp").clone() };
            arrays.push(more);
        }),
        ("units_differ", "/t2m", |arrays| array(arrays, "t2m").attributes = json!({"units": "degC"})),
        ("units_differ", "/t2m", |arrays| {
            array(arrays, "t2m").attributes = json!({"units": "K", "scale_factor": 0.5});
        }),
        ("grids_differ", "/latitude", |arrays| {
            let Data::F64(values) = &mut array(arrays, "latitude").data else { panic!("floats") };
            values.iter_mut().for_each(|value| *value -= 0.25);
        }),
        ("ranges_differ", "/t2m", |arrays| {
            let Data::F32(values) = &mut array(arrays, "t2m").data else { panic!("floats") };
            values.iter_mut().for_each(|value| *value -= 273.15);
        }),
        ("dtypes_differ", "/u10", |arrays| {
            let variable = array(arrays, "u10");
            let Data::F32(values) = &variable.data else { panic!("floats") };
            variable.data = Data::F64(values.iter().map(|value| f64::from(*value)).collect());
        }),
    ];
    for (kind, path, change) in changes {
        let scenes = batches(Format::V3, |number, arrays| {
            if number == 2 {
                change(arrays);
            }
        });
        let found = only(&scenes, kind);
        assert_eq!((&found["path"], &found["store"]), (&path.into(), &json!(scenes[2].store())), "{found}");
    }
}

/// The cache of the story: 0.4 of 286 GB.
#[test]
fn a_batch_that_is_much_smaller_than_the_others_stands_out() {
    let scenes = batches(Format::V2, |_, _| {});
    for entry in ["t2m", "u10", "tp", "raw"].iter().flat_map(|name| std::fs::read_dir(scenes[1].path(name)).unwrap()) {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_str().unwrap().starts_with('.') && !path.ends_with("0.0.0") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let outcome = run(&scenes).expect(1);
    let found: Vec<Value> =
        outcome.of_type("finding").into_iter().filter(|finding| finding["kind"] == "small_store").collect();
    assert_eq!(found.len(), 1, "{}", outcome.stdout);
    assert_eq!(found[0]["store"], json!(scenes[1].store()));
    // By itself, the same store names the steps.
    let outcome = Tool::new("zvalidate").args(["--level", "list"]).arg(scenes[1].store()).run().expect(1);
    assert!(outcome.stdout.contains("missing_steps"), "{}", outcome.stdout);
}

#[test]
fn the_same_types_in_both_formats_are_no_difference() {
    let formats = [Format::V2, Format::V3, Format::Sharded];
    let mut scenes: Vec<Scene> = Vec::new();
    for (number, format) in formats.into_iter().enumerate() {
        scenes.push(batches(format, |_, _| {}).remove(number));
    }
    let outcome = run(&scenes);
    let kinds: Vec<Value> = outcome.of_type("finding").iter().map(|finding| finding["kind"].clone()).collect();
    assert!(!kinds.contains(&json!("dtypes_differ")), "{}", outcome.stdout);
}

#[test]
fn the_sign_of_zero_is_no_difference_of_grids() {
    run(&batches(Format::V2, |number, arrays| {
        if let Data::F64(values) = &mut array(arrays, "longitude").data {
            values[0] = if number == 1 { -0.0 } else { 0.0 };
        }
    }))
    .expect(0);
}

#[test]
fn a_dry_batch_is_worth_a_note_and_no_more() {
    let scenes = batches(Format::V2, |number, arrays| {
        if let Data::F32(values) = &mut array(arrays, "tp").data {
            let scale = if number == 2 { 1e-5 } else { 1e-2 };
            values.iter_mut().enumerate().for_each(|(index, value)| *value = (index % 100) as f32 * scale);
        }
    });
    let outcome = run(&scenes).expect(0);
    let found: Vec<Value> =
        outcome.of_type("finding").into_iter().filter(|finding| finding["kind"] == "ranges_differ").collect();
    assert!(found.len() == 1 && found[0]["severity"] == "info", "{}", outcome.stdout);
}

/// Longitudes jump once in a crop across the meridian at which their grid starts; twice, or to values that were there, they do not.
#[test]
fn longitudes_are_in_order_but_for_one_turn() {
    let check = |longitudes: [f64; 8]| {
        let mut arrays = arrays();
        array(&mut arrays, "longitude").data = Data::F64(longitudes.to_vec());
        let scene = Scene::of(Format::V2, arrays);
        let outcome = Tool::new("zvalidate").arg("--json").arg(scene.store()).run();
        let mut kinds: Vec<String> =
            outcome.of_type("finding").iter().map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect();
        kinds.dedup();
        (outcome.code, kinds)
    };
    assert_eq!(check([356.0, 357.0, 358.0, 359.0, 0.0, 1.0, 2.0, 3.0]), (0, vec![]));
    let (code, kinds) = check([0.0, 90.0, 180.0, 270.0, 0.0, 90.0, 180.0, 270.0]);
    assert!(code == 1 && kinds.contains(&"coordinate_duplicates".to_owned()), "{kinds:?}");
    let (code, kinds) = check([359.0, 1.0, 359.5, 1.5, 359.6, 1.6, 359.7, 1.7]);
    assert!(code == 1 && kinds.contains(&"coordinate_order".to_owned()), "{kinds:?}");
}

/// Latitudes in the other direction: the first and the last value show it.
#[test]
fn a_flipped_axis_is_shown_as_it_is() {
    let flipped = Scene::sound(Format::V2);
    flipped.rewrite("latitude", |array| {
        let Data::F64(values) = &mut array.data else { panic!("floats") };
        values.reverse();
    });
    let sound = Scene::sound(Format::V2);
    let outcome = Tool::new("zvalidate").arg("--json").arg(sound.store()).arg(flipped.store()).run().expect(1);
    let found = outcome.of_type("finding");
    let grid = found.iter().find(|finding| finding["kind"] == "grids_differ").unwrap();
    assert_eq!(grid["found"], "11 values from 55 to 60", "{grid}");
    assert!(grid["expected"].as_str().unwrap().starts_with("11 values from 60 to 55"), "{grid}");
}
