//! `--prepare`, `--part`, `--status`, `--finish`: many processes make one output.

use std::fs;

use harness::{Outcome, Tool, fixture, tree};

use crate::sample::{Form, GZIP, LZ4, Sample, decoded};
use crate::scene::{Scene, spawn};

/// A scene that is prepared in four parts.
fn prepared(scene: Scene) -> Scene {
    let outcome = scene.run(&["--prepare", "--parts", "4"]).expect(0);
    assert_eq!(outcome.records().pop().unwrap()["parts"], 4);
    scene
}

fn part(scene: &Scene, number: u32, more: &[&str]) -> Tool {
    Tool::new("zrecompress").args(["--part", &format!("{number}/4")]).args(more).arg(&scene.output)
}

#[track_caller]
fn missing(scene: &Scene, parts: &str) {
    let code = i32::from(!parts.is_empty());
    let outcome = scene.of_output(&["--status"]).expect(code);
    let summary = outcome.records().pop().unwrap();
    assert_eq!((&summary["missing"], &summary["parts"]), (&parts.into(), &4.into()), "{summary}");
    let outcome = scene.of_output(&["--status", "--missing"]).expect(code);
    assert_eq!(outcome.stdout.lines().next().unwrap_or_default(), parts);
}

#[test]
fn four_parts_in_any_order_make_what_one_run_makes() {
    for (form, codec) in [(Form::V2, GZIP), (Form::Checked, LZ4), (Form::Shards, LZ4), (Form::ShardsIndexFirst, GZIP)] {
        let scene = prepared(Scene::of(Sample::new(form, codec), &["--cname", "zstd", "--nthreads", "1"]));
        missing(&scene, "1-4");
        for (number, left) in [(3, "1-2,4"), (1, "2,4"), (4, "2")] {
            part(&scene, number, &[]).run().expect(0);
            missing(&scene, left);
            assert!(!scene.output.exists());
            let outcome = scene.of_output(&["--finish"]).expect(1);
            let words = if number == 4 {
                "part 2 of 4 is missing".to_owned()
            } else {
                format!("parts {left} of 4 are missing")
            };
            assert!(outcome.stderr.contains(&words), "{}", outcome.stderr);
            let command = format!("zrecompress --part I/4 {}", scene.output.display());
            assert!(outcome.stderr.contains(&command), "{}", outcome.stderr);
            // What is not finished cannot be opened.
            Tool::new("zinspect").arg(&scene.output).run().expect(4);
        }
        part(&scene, 2, &[]).run().expect(0);
        missing(&scene, "");
        let summary = scene.of_output(&["--finish"]).expect(0).records().pop().unwrap();
        assert!(tree(&scene.output) == scene.undisturbed(), "{form:?}");
        let status = scene.of_output(&["--status"]).expect(0);
        assert_eq!(status.records().pop().unwrap()["already_complete"], true);
        assert_eq!(scene.of_output(&["--status", "--missing"]).expect(0).stdout, "");
        let objects = if matches!(form, Form::Shards | Form::ShardsIndexFirst) { 12 } else { 42 };
        assert_eq!((&summary["objects"], &summary["failed"]), (&objects.into(), &0.into()));
        scene.assert_left(&[]);
    }
}

#[test]
fn a_part_may_run_twice_at_once_and_be_killed() {
    for form in [Form::V2, Form::Shards] {
        let sample = Sample { chunks: 60, elements: 10_000, ..Sample::new(form, LZ4) };
        let scene = prepared(Scene::of(sample, &["--cname", "zstd", "--clevel", "7"]));
        let killed = spawn(part(&scene, 2, &["--checkpoint", "5ms", "-j1"]));
        let all: Vec<_> = [1, 2, 3, 4, 1, 2, 3, 4].map(|number| spawn(part(&scene, number, &["-j1"]))).into();
        killed.kill();
        all.into_iter().for_each(|child| drop(child.end().expect(0)));
        let again = part(&scene, 2, &[]).run().expect(0);
        assert_eq!(again.records().pop().unwrap()["already_done"], true);
        scene.of_output(&["--finish"]).expect(0);
        assert!(tree(&scene.output) == scene.undisturbed(), "{form:?}");
        scene.assert_left(&[]);
    }
}

#[test]
fn a_killed_part_goes_on_where_it_was() {
    let scene = prepared(Scene::of(Sample::new(Form::V2, GZIP), &["--cname", "zstd"]));
    let chunk = scene.source.join("a0/2");
    let content = fs::read(&chunk).unwrap();
    crate::scene::rewrite(&chunk, b"damaged");
    part(&scene, 1, &[]).run().expect(3);
    missing(&scene, "1-4");
    crate::scene::rewrite(&chunk, &content);
    let summary = part(&scene, 1, &[]).run().expect(0).records().pop().unwrap();
    assert_eq!(summary["resumed"].as_u64().unwrap() + 1, summary["objects"].as_u64().unwrap(), "{summary}");
    (2..=4).for_each(|number| drop(part(&scene, number, &[]).run().expect(0)));
    scene.of_output(&["--finish"]).expect(0);
    assert!(tree(&scene.output) == scene.undisturbed());
}

#[test]
fn one_run_may_go_on_with_what_parts_have_begun() {
    let scene = prepared(Scene::of(Sample::new(Form::V2, GZIP), &["--cname", "zstd"]));
    part(&scene, 1, &[]).run().expect(0);
    part(&scene, 3, &[]).run().expect(0);
    scene.run(&["--resume"]).expect(0);
    assert!(tree(&scene.output) == scene.undisturbed());
    scene.assert_left(&[]);
}

#[test]
fn in_place_parts_change_the_store_itself() {
    for (form, codec) in [(Form::V2, LZ4), (Form::V2, GZIP), (Form::Shards, LZ4), (Form::V3, GZIP)] {
        let scene = Scene::in_place(Sample::new(form, codec), &["--cname", "zstd"]).with_backup();
        let (values, before, after) = (decoded(&scene.source), tree(&scene.source), scene.undisturbed());
        let scene = prepared(scene);
        // Each twice, and at once.
        let all: Vec<_> = [4, 4, 2, 2, 1, 1, 3, 3].map(|number| spawn(part(&scene, number, &["-j1"]))).into();
        all.into_iter().for_each(|child| drop(child.end().expect(0)));
        assert!(decoded(&scene.source) == values, "{form:?}: the store is right before the end");
        scene.of_output(&["--finish"]).expect(0);
        assert!(tree(&scene.source) == after, "{form:?}");
        scene.assert_kept(&before, &after);
        scene.assert_left(&["old"]);
    }
}

#[test]
fn parts_that_there_are_not_are_refused() {
    let scene = Scene::of(Sample::new(Form::V2, GZIP), &[]);
    for flags in [&["--part", "1/4"][..], &["--status"], &["--finish"]] {
        let outcome = scene.of_output(flags).expect(4);
        assert!(outcome.stderr.contains("no unfinished run found"), "{flags:?}: {}", outcome.stderr);
        scene_is_untouched(&scene);
    }
    let scene = prepared(scene);
    for wrong in ["0/4", "5/4", "1/3", "1/8", "1/0", "-1/4", "1", "a/4"] {
        let outcome = scene.of_output(&[&format!("--part={wrong}")]).expect(2);
        assert!(outcome.stderr.contains("part"), "{wrong}: {}", outcome.stderr);
    }
    let outcome = Tool::new("zrecompress").args(["--part", "1/4"]).arg(scene.path("out.zarr.plan")).arg(&scene.output);
    assert!(outcome.run().expect(2).stderr.contains("another source"));
    let outcome = part(&scene, 1, &["--clevel", "9"]).run().expect(2);
    assert!(outcome.stderr.contains("--clevel"), "{}", outcome.stderr);
    missing(&scene, "1-4");
}

fn scene_is_untouched(scene: &Scene) {
    assert_eq!(fs::read_dir(scene.directory.path()).unwrap().count(), 1, "nothing but the source");
}

#[test]
fn a_plan_is_made_once() {
    let scene = prepared(Scene::of(Sample::new(Form::V2, GZIP), &["--cname", "zstd"]));
    let plan = fs::read(scene.plan().join("plan.json")).unwrap();
    let outcome = scene.run(&["--prepare", "--parts", "2"]).expect(7);
    assert!(outcome.stderr.contains("an unfinished run exists"), "{}", outcome.stderr);
    assert_eq!(fs::read(scene.plan().join("plan.json")).unwrap(), plan);
    part(&scene, 1, &[]).run().expect(0);
    scene.run(&["--prepare", "--parts", "2", "--overwrite"]).expect(0);
    let outcome = scene.of_output(&["--status", "--missing"]).expect(1);
    assert!(outcome.stdout.starts_with("1-2\n"), "{}", outcome.stdout);
    scene.run(&["--prepare"]).expect(2);
}

#[test]
fn a_source_that_is_not_the_one_of_the_plan_any_more_is_refused() {
    let scene = prepared(Scene::of(Sample::new(Form::V3, LZ4), &["--cname", "zstd"]));
    part(&scene, 1, &[]).run().expect(0);
    Sample::new(Form::V3, GZIP).write_array(&scene.source.join("a1"), 1);
    let outcome = part(&scene, 2, &[]).run().expect(2);
    assert!(outcome.stderr.contains("differ from the plan"), "{}", outcome.stderr);
    missing(&scene, "2-4");
}

/// Parts compute the keys, and would find nothing.
#[test]
fn chunks_with_the_wrong_separator_are_not_lost_in_silence() {
    let scene = Scene::of(Sample::new(Form::V2, GZIP), &[]);
    let run = |arguments: &[&str]| Tool::new("zrecompress").args(arguments).run();
    let source = fixture("broken/wrong-separator.zarr");
    let (source, output) = (source.to_str().unwrap(), scene.output.to_str().unwrap());
    let mut codes: Vec<Outcome> = vec![run(&["--prepare", "--parts", "2", source, output])];
    codes.extend(["1/2", "2/2"].map(|part| run(&["--part", part, output])));
    codes.push(run(&["--finish", output]));
    assert!(codes.iter().any(|outcome| ![0, 2].contains(&outcome.code)), "{codes:?}");
    assert!(!scene.output.exists());
}

#[test]
fn a_bad_chunk_of_one_part_shows_at_the_end() {
    let scene = Scene::of(Sample::new(Form::V2, LZ4), &["--cname", "zstd"]);
    fs::write(scene.source.join("a0/2"), "damaged").unwrap();
    let scene = prepared(scene);
    let outcome = part(&scene, 1, &["--on-bad-chunk", "copy"]).run().expect(3);
    assert!(outcome.of_type("error")[0]["path"].as_str().unwrap().ends_with("a0/2"));
    (2..=4).for_each(|number| drop(part(&scene, number, &[]).run().expect(0)));
    let summary = scene.of_output(&["--finish"]).expect(3).records().pop().unwrap();
    assert_eq!(summary["failed"], 1);
    assert_eq!(fs::read(scene.output.join("a0/2")).unwrap(), b"damaged");
}
