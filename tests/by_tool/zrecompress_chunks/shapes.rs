//! Every way to say a shape, and what comes of it in the plan and in the output's metadata.

use std::fs;

use harness::tree;
use serde_json::{Value, json};

use crate::maps::{GZIP, Maps};
use crate::scene::{Scene, chunks_of};

/// The chunk shape that the plan says `/t` gets, and its shard shape.
#[track_caller]
fn planned(scene: &Scene, flags: &[&str]) -> (Value, Value) {
    let plan = scene.run(&[flags, &["-n"]].concat()).expect(0).record("plan", "/t");
    scene.assert_untouched();
    (plan["chunk_shape"].clone(), plan["shard_shape"].clone())
}

#[test]
fn a_shape_can_be_said_by_names_as_a_list_and_for_some_arrays() {
    let scene = Scene::of(&Maps::new(3), &[]);
    for (rules, expected) in [
        (&["time=12,lat=6,lon=5"][..], [12, 6, 5]),
        (&["lon=5,time=12,lat=6"], [12, 6, 5]),
        (&[" time = 12 , lat=6, lon=5 "], [12, 6, 5]),
        (&["12,6,5"], [12, 6, 5]),
        (&["time=12"], [12, 18, 20]),
        (&["-1,6,5"], [24, 6, 5]),
        (&["time=-1"], [24, 18, 20]),
        (&["time=1000"], [1000, 18, 20]),
        (&["t:12,6,5"], [12, 6, 5]),
        (&["/t:time=12"], [12, 18, 20]),
        (&["[st]:time=12"], [12, 18, 20]),
        (&["12,6,5", "t:6,6,5"], [6, 6, 5]),
        (&["t:6,6,5", "12,6,5"], [12, 6, 5]),
        (&["time=12", "u:lat=6"], [12, 18, 20]),
        // The last match counts, and it does not add to the one before.
        (&["time=12", "t:lat=6"], [1, 6, 20]),
    ] {
        let flags: Vec<&str> = rules.iter().flat_map(|rule| ["--chunks", rule]).collect();
        assert_eq!(planned(&scene, &flags), (json!(expected), Value::Null), "{rules:?}");
    }
}

#[test]
fn shards_are_said_in_the_same_words() {
    let scene = Scene::of(&Maps::new(3), &["--chunks", "6,7,5"]);
    for (rule, expected) in [
        ("time=12", [12, 7, 5]),
        ("12,14,10", [12, 14, 10]),
        // The whole dimension, in whole chunks.
        ("time=-1,lat=-1", [24, 21, 5]),
        ("t:-1,-1,-1", [24, 21, 20]),
        ("6,7,5", [6, 7, 5]),
    ] {
        let found = planned(&scene, &["--shards", rule]);
        assert_eq!(found, (json!([6, 7, 5]), json!(expected)), "{rule}");
    }
    let v2 = Scene::of(&Maps::new(2), &["--chunks", "6,7,5", "--shards", "time=12", "--zarr-format", "3"]);
    assert_eq!(planned(&v2, &[]), (json!([6, 7, 5]), json!([12, 7, 5])));
}

#[test]
fn only_arrays_that_a_rule_names_get_other_chunks() {
    let scene = Scene::of(&Maps::new(3), &["--chunks", "t:time=12", "--cname", "lz4", "--clevel", "5"]);
    let outcome = scene.run(&[]).expect(0);
    let actions = ["/t", "/u", "/time"].map(|path| outcome.record("recompress", path)["action"].clone());
    assert_eq!(actions, ["rechunk", "copy", "copy"]);
    let (before, after) = (tree(&scene.source), tree(&scene.output));
    let of_u = |tree: &crate::scene::Tree| chunks_of(tree, "u").len();
    assert_eq!(of_u(&before), of_u(&after));
    assert_eq!(chunks_of(&after, "t"), ["t/c/0/0/0", "t/c/1/0/0"]);
    assert_eq!(before["time/zarr.json"], after["time/zarr.json"]);
}

/// The documents of an array, and of its chunks' metadata only what must change.
#[test]
fn of_the_metadata_only_the_shapes_and_the_codec_change() {
    for (format, name, shapes) in
        [(2, "t/.zarray", &["chunks", "compressor"][..]), (3, "t/zarr.json", &["chunk_grid", "codecs"])]
    {
        let scene = Scene::of(&Maps::new(format), &["--chunks", "time=12"]);
        scene.run(&[]).expect(0);
        let read = |store: &std::path::Path| -> Value {
            let mut document: Value = serde_json::from_slice(&fs::read(store.join(name)).unwrap()).unwrap();
            let members = document.as_object_mut().unwrap();
            let changed: Vec<Value> = shapes.iter().map(|shape| members.remove(*shape).unwrap()).collect();
            assert!(store == scene.source || changed[0].to_string().contains("[12,18,20]"), "{changed:?}");
            document
        };
        assert_eq!(read(&scene.source), read(&scene.output));
        let others = |store| tree(store).into_iter().filter(|(key, _)| key.ends_with(".zattrs")).collect::<Vec<_>>();
        assert_eq!(others(&scene.source), others(&scene.output));
    }
}

/// There and back again: what comes out is what recompressing alone makes, byte for byte.
#[test]
fn the_way_back_leads_to_the_same_bytes() {
    for (format, flags) in [
        (2, &["--chunks", "7,5,9"][..]),
        (3, &["--chunks", "time=-1,lat=4,lon=4"]),
        (3, &["--chunks", "5,5,5", "--shards", "10,10,10"]),
    ] {
        let maps = Maps { absent: 0, codec: GZIP, ..Maps::new(format) };
        let scene = Scene::of(&maps, &["--cname", "zstd", "--clevel", "1"]);
        scene.run(flags).expect(0);
        let mut back = Scene::empty(&["--cname", "zstd", "--clevel", "1", "--chunks", "1,18,20", "--no-shards"]);
        back.source = scene.output.clone();
        back.run(&[]).expect(0);
        assert!(tree(&back.output) == scene.undisturbed(), "{flags:?}");
    }
}

#[test]
fn shards_are_dissolved_into_the_same_chunks() {
    let maps = Maps { absent: 5, ..Maps::new(3) };
    let scene = Scene::of(&maps, &["--cname", "lz4", "--clevel", "5", "--shuffle", "shuffle"]);
    scene.run(&["--shards", "6,18,20"]).expect(0);
    assert_eq!(chunks_of(&tree(&scene.output), "t").len(), 4);
    let mut back = Scene::empty(&["--no-shards"]);
    back.flags.extend(scene.flags.clone());
    back.source = scene.output.clone();
    back.run(&[]).expect(0);
    let (before, after) = (tree(&scene.source), tree(&back.output));
    assert!(chunks_of(&before, "t") == chunks_of(&after, "t"), "chunks that were absent are absent again");
    assert!(chunks_of(&before, "t").iter().all(|key| before[*key] == after[*key]));
}

#[test]
fn the_shape_that_is_there_already_is_no_rechunking() {
    let scene = Scene::of(&Maps::new(2), &["--chunks", "time=1"]);
    let plan = scene.run(&["-n"]).expect(0).record("plan", "/t");
    assert_eq!((&plan["action"], &plan["regions"]), (&"recompress".into(), &Value::Null));
}

#[test]
fn threads_change_no_byte() {
    for (format, flags) in [
        (2, &["--chunks", "7,5,9"][..]),
        (3, &["--chunks", "5,5,5", "--shards", "10,10,10"]),
        (3, &["--shards", "time=6"]),
    ] {
        let scene = Scene::of(&Maps::new(format), flags);
        let one = scene.run(&["-j1"]).expect(0);
        let first = tree(&scene.output);
        let four = scene.run(&["-j4", "--overwrite"]).expect(0);
        assert_eq!(one.stdout, four.stdout, "{flags:?}");
        assert!(first == tree(&scene.output), "{flags:?}");
    }
}

#[test]
fn verification_can_be_left_out() {
    let scene = Scene::of(&Maps::new(3), &["--chunks", "7,5,9"]);
    let full = scene.run(&["--verify", "full"]).expect(0);
    let first = tree(&scene.output);
    let none = scene.run(&["--verify", "none", "--overwrite"]).expect(0);
    assert!(first == tree(&scene.output));
    let count = |outcome, field| crate::scene::number(outcome, field);
    assert_eq!(count(&none, "verified"), 0);
    assert_eq!(count(&full, "verified"), count(&full, "objects"));
}
