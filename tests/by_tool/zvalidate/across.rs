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
fn a_batch_that_is_much_smaller_than_its_sisters_stands_out() {
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
