//! What other programs write to the source while a run goes on: it is in the output, or the run says that it is not, and
//! nothing is lost either way.

use std::fs;
use std::path::PathBuf;

use harness::{Outcome, tree};
use rustix::process::Signal;

use crate::sample::{Form, GZIP, LZ4, Sample, decoded};
use crate::scene::{Scene, rewrite, spawn, wait_for};

/// What another program does to the source: a name, and the change.
type Change = (&'static str, fn(&Scene));

fn chunk(scene: &Scene, number: usize) -> PathBuf {
    scene.source.join(format!("a0/{number}"))
}

fn sample() -> Sample {
    Sample { chunks: 12, elements: 500, ..Sample::new(Form::V2, GZIP) }
}

const CHANGES: [Change; 5] = [
    ("a0/.zattrs", |scene| fs::write(scene.source.join("a0/.zattrs"), r#"{"units": "degC"}"#).unwrap()),
    ("a1/.zarray", |scene| {
        let document = scene.source.join("a1/.zarray");
        let text = fs::read_to_string(&document).unwrap().replace("\"NaN\"", "0.0");
        fs::write(document, text).unwrap();
    }),
    ("a0", |scene| rewrite(&chunk(scene, 1), &sample().stored(99))),
    // Absent before.
    ("a0", |scene| fs::write(chunk(scene, 3), sample().stored(98)).unwrap()),
    ("a0", |scene| fs::remove_file(chunk(scene, 2)).unwrap()),
];

/// In every way in which arrays get other objects.
fn scenes() -> [Scene; 4] {
    [
        Scene::of(sample(), &["--cname", "zstd"]),
        Scene::in_place(sample(), &["--cname", "zstd"]),
        Scene::of(sample(), &["--chunks", "1500"]),
        Scene::in_place(sample(), &["--chunks", "1500"]),
    ]
}

#[track_caller]
fn refused(scene: &Scene, outcome: Outcome, what: &str) {
    let outcome = outcome.expect(7);
    let place = scene.source.join(what);
    assert!(outcome.stderr.contains(&format!("{}: ", place.display())), "{what}: {}", outcome.stderr);
    assert!(outcome.stderr.contains("another program") && outcome.stderr.contains("--resume"), "{}", outcome.stderr);
    assert!(scene.is_begun() && (scene.output == scene.source || !scene.output.exists()), "{what}: the work is kept");
}

#[test]
fn a_source_that_changes_between_the_parts_and_the_end_is_not_published() {
    for (what, change) in CHANGES {
        for scene in scenes() {
            scene.run(&["--prepare", "--parts", "2"]).expect(0);
            scene.of_output(&["--part", "1/2"]).expect(0);
            scene.of_output(&["--part", "2/2"]).expect(0);
            change(&scene);
            let (changed, values) = (tree(&scene.source), decoded(&scene.source));
            refused(&scene, scene.of_output(&["--finish"]), what);
            assert!(tree(&scene.source) == changed, "{what}: nothing of it is touched");
            if what == "a1/.zarray" {
                // Another array: nothing of the plan holds for it.
                scene.run(&["--resume"]).expect(2);
                continue;
            }
            let expected = scene.undisturbed();
            scene.run(&["--resume"]).expect(0);
            assert!(tree(&scene.output) == expected, "{what}");
            assert!(decoded(&scene.output).values().flatten().count() > 0 || values.is_empty());
            scene.assert_left(&[]);
        }
    }
}

/// A program that appends writes the chunk, then the shape.
#[test]
fn steps_that_are_appended_are_not_lost() {
    for codec in [GZIP, LZ4] {
        let sample = Sample { codec, ..sample() };
        let scene = Scene::in_place(sample, &["--cname", "zstd"]);
        scene.run(&["--prepare", "--parts", "1"]).expect(0);
        scene.of_output(&["--part", "1/1"]).expect(0);
        fs::write(chunk(&scene, 12), sample.stored(77)).unwrap();
        let document = scene.source.join("a0/.zarray");
        let text = fs::read_to_string(&document).unwrap();
        assert!(text.contains("6000"));
        fs::write(&document, text.replace("6000", "6500")).unwrap();
        let (changed, values) = (tree(&scene.source), decoded(&scene.source));
        refused(&scene, scene.of_output(&["--finish"]), "a0/.zarray");
        assert!(tree(&scene.source) == changed);
        let outcome = scene.run(&["--resume"]).expect(2);
        assert!(outcome.stderr.contains("remove the .plan directory"), "{}", outcome.stderr);
        fs::remove_dir_all(scene.plan()).unwrap();
        scene.run(&[]).expect(0);
        assert!(decoded(&scene.source) == values && values.len() == 21, "{}", values.len());
        scene.assert_left(&[]);
    }
}

/// A run that stands still after it has read `a0/1`.
fn halted(scene: &Scene, is_read: impl Fn() -> bool) -> harness::Running {
    let child = spawn(scene.tool(&["-j1"]));
    wait_for("the first chunks", is_read);
    child.signal(Signal::STOP);
    child
}

#[test]
fn a_source_that_changes_during_the_run_is_not_published() {
    let slow = Sample { chunks: 60, elements: 20_000, ..Sample::new(Form::V2, LZ4) };
    for in_place in [false, true] {
        let flags = ["--codec", "gzip", "--clevel", "9", "--verify=none"];
        let scene = if in_place { Scene::in_place(slow, &flags) } else { Scene::of(slow, &flags) };
        let child = halted(&scene, || scene.plan().join("store/a0/1").exists());
        rewrite(&chunk(&scene, 1), &slow.stored(99));
        let changed = tree(&scene.source);
        child.signal(Signal::CONT);
        refused(&scene, child.end(), "a0");
        assert!(tree(&scene.source) == changed);
        let expected = scene.undisturbed();
        scene.run(&["--resume"]).expect(0);
        assert!(tree(&scene.output) == expected, "in place: {in_place}");
        scene.assert_left(&[]);
    }
}

/// Blosc to Blosc, chunk by chunk: what another program writes to a chunk stays, before and after it was its turn.
#[test]
fn chunks_that_change_while_others_are_replaced_stay() {
    let slow = Sample { chunks: 60, elements: 20_000, ..Sample::new(Form::V2, LZ4) };
    for document in [None, Some("a1/.zattrs")] {
        let scene = Scene::in_place(slow, &["--cname", "zstd", "--clevel", "9", "--verify=none"]);
        let before = fs::read(chunk(&scene, 1)).unwrap();
        let child = halted(&scene, || fs::read(chunk(&scene, 1)).is_ok_and(|now| now != before));
        (0..60)
            .filter(|number| number % 7 != 3)
            .for_each(|number| rewrite(&chunk(&scene, number), &slow.stored(500 + number)));
        if let Some(document) = document {
            fs::write(scene.source.join(document), r#"{"units": "degC"}"#).unwrap();
        }
        let values = decoded(&scene.source);
        child.signal(Signal::CONT);
        match document {
            None => drop(child.end().expect(0)),
            Some(document) => {
                refused(&scene, child.end(), document);
                assert_eq!(fs::read(scene.source.join(document)).unwrap(), br#"{"units": "degC"}"#);
                scene.run(&["--resume"]).expect(0);
                assert_eq!(fs::read(scene.source.join(document)).unwrap(), br#"{"units": "degC"}"#);
            }
        }
        assert!(decoded(&scene.source) == values);
        scene.assert_left(&[]);
    }
}

/// What the parts have written is counted before anything takes a place.
#[test]
fn objects_that_are_missing_at_the_end_are_noticed() {
    for scene in scenes() {
        scene.run(&["--prepare", "--parts", "2"]).expect(0);
        scene.of_output(&["--part", "1/2"]).expect(0);
        scene.of_output(&["--part", "2/2"]).expect(0);
        let (before, expected) = (tree(&scene.source), scene.undisturbed());
        fs::remove_file(scene.plan().join("store/a1/1")).unwrap();
        let outcome = scene.of_output(&["--finish"]).expect(7);
        assert!(outcome.stderr.contains("objects are there") && outcome.stderr.contains("a1"), "{}", outcome.stderr);
        assert!(tree(&scene.source) == before && (scene.output == scene.source || !scene.output.exists()));
        scene.run(&["--resume"]).expect(0);
        assert!(tree(&scene.output) == expected);
        scene.assert_left(&[]);
    }
}

/// Nothing that could open the output lies beside its objects before the end.
#[test]
fn an_output_in_the_making_is_no_store() {
    for form in [Form::V2, Form::Shards] {
        let scene = Scene::of(Sample { chunks: 12, ..Sample::new(form, LZ4) }, &["--cname", "zstd"]);
        scene.run(&["--prepare", "--parts", "2"]).expect(0);
        let documents = || {
            let found = tree(&scene.plan()).into_keys();
            found
                .filter(|key| {
                    [".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json"].iter().any(|end| key.ends_with(end))
                })
                .count()
        };
        for part in ["1/2", "2/2"] {
            assert_eq!(documents(), 0, "{form:?}");
            scene.of_output(&["--part", part]).expect(0);
        }
        assert_eq!(documents(), 0, "{form:?}");
        scene.of_output(&["--finish"]).expect(0);
        assert!(tree(&scene.output) == scene.undisturbed());
    }
}
