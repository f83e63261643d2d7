//! `--auto`: each array gets the compressor that a trial chose for it, and whoever goes on with the run keeps to that.

use std::fs;

use harness::{Outcome, tree};
use serde_json::Value;

use crate::maps::{GZIP, Maps};
use crate::scene::{Scene, number};

fn scene(flags: &[&str]) -> Scene {
    Scene::of(&Maps { codec: GZIP, absent: 0, shape: [24, 64, 64], chunks: [1, 64, 64], ..Maps::new(2) }, flags)
}

/// What the metadata of the output says of an array's compressor, as people write it.
fn written(scene: &Scene, array: &str) -> String {
    let text = fs::read(scene.output.join(array).join(".zarray")).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    let member = |name: &str| document["compressor"][name].clone();
    let shuffle = ["noshuffle", "shuffle", "bitshuffle"][member("shuffle").as_u64().unwrap() as usize];
    format!("blosc({},{},{shuffle}", member("cname").as_str().unwrap(), member("clevel"))
}

#[track_caller]
fn is_what_was_chosen(scene: &Scene, outcome: &Outcome) {
    for array in ["t", "u"] {
        let choice = outcome.record("choice", &format!("/{array}"));
        assert!(choice["to"].as_str().unwrap().starts_with(&written(scene, array)), "{choice}");
        assert_eq!(choice["store"], scene.source.to_str().unwrap());
    }
}

#[test]
fn the_output_is_in_the_codec_that_was_chosen() {
    for objective in ["size", "encode", "decode", "point", "balanced"] {
        let scene = scene(&["--auto", "--objective", objective]);
        let outcome = scene.run(&[]).expect(0);
        is_what_was_chosen(&scene, &outcome);
        assert_eq!(outcome.record("choice", "/t")["objective"], objective);
        let record = outcome.record("recompress", "/t");
        assert_eq!(record["to"], outcome.record("choice", "/t")["to"]);
        assert!(outcome.of_type("trial").is_empty() && outcome.of_type("choice").len() == 2);
        scene.assert_left(&[]);
    }
}

#[test]
fn the_plan_of_a_dry_run_says_what_was_chosen() {
    let scene = scene(&["--auto", "--cname", "lz4", "-n"]);
    let outcome = scene.run(&[]).expect(0);
    assert_eq!(outcome.record("plan", "/t")["to"], outcome.record("choice", "/t")["to"]);
    scene.assert_untouched();
}

#[test]
fn a_run_that_goes_on_keeps_the_choice_and_tries_nothing() {
    for flags in [&["--auto", "--objective", "point"][..], &["--auto", "--chunks", "8,32,32"]] {
        let scene = scene(flags);
        let chunk = scene.source.join("u/23.0.0");
        let content = fs::read(&chunk).unwrap();
        // The last chunk may be a sample, and is damaged when the samples have been taken.
        let begun = scene.run(&["--prepare", "--parts", "1"]).expect(0);
        crate::scene::rewrite(&chunk, b"damaged");
        scene.run(&["--resume"]).expect(3);
        crate::scene::rewrite(&chunk, &content);
        let outcome = scene.run(&["--resume"]).expect(0);
        assert!(outcome.of_type("choice").is_empty() && outcome.of_type("trial").is_empty());
        assert!(flags.contains(&"--chunks") || number(&outcome, "resumed") > 0);
        is_what_was_chosen(&scene, &begun);
        scene.assert_left(&[]);
    }
}

#[test]
fn parts_keep_the_choice() {
    let scene = scene(&["--auto"]);
    let begun = scene.run(&["--prepare", "--parts", "3"]).expect(0);
    for part in ["2/3", "1/3", "3/3"] {
        let outcome = scene.of_output(&["--part", part]).expect(0);
        assert!(outcome.of_type("choice").is_empty());
    }
    scene.of_output(&["--finish"]).expect(0);
    is_what_was_chosen(&scene, &begun);
}

#[test]
fn a_killed_run_goes_on_with_its_choice() {
    for _ in 0..5 {
        let scene = scene(&["--auto", "--checkpoint", "1ms", "-j1"]);
        let mut child = crate::scene::spawn(scene.tool(&[]));
        child.reaches(|| scene.is_begun());
        if child.kill().code == 0 {
            continue;
        }
        let plan: Value = serde_json::from_slice(&fs::read(scene.plan().join("plan.json")).unwrap()).unwrap();
        scene.run(&["--resume"]).expect(0);
        let chosen = |array: &str| plan["chosen"][format!("/{array}")].clone();
        for array in ["t", "u"] {
            let (cname, clevel) = (chosen(array)["cname"].clone(), chosen(array)["clevel"].clone());
            let expected = format!("blosc({},{clevel},", cname.as_str().unwrap());
            assert!(written(&scene, array).starts_with(&expected), "{expected}");
        }
        return;
    }
    panic!("no run was caught");
}

#[test]
fn arrays_that_are_alike_share_a_choice() {
    let scene = scene(&["--auto", "--share-trial", "--objective", "encode"]);
    let outcome = scene.run(&[]).expect(0);
    assert!(outcome.record("choice", "/u")["reason"].as_str().unwrap().contains("/t"));
    assert_eq!(written(&scene, "t"), written(&scene, "u"));
}

#[test]
fn what_contradicts_a_choice_is_refused() {
    for flags in [&["--codec", "gzip"][..], &["--codec", "zstd"], &["--codec", "none"], &["--trial"]] {
        let scene = scene(&["--auto"]);
        let outcome = scene.run(flags).expect(2);
        assert!(outcome.stderr.contains("--codec") || outcome.stderr.contains("--trial"), "{}", outcome.stderr);
        scene.assert_untouched();
    }
}

#[test]
fn flags_of_the_codec_narrow_the_choice() {
    let scene = scene(&["--auto", "--cname", "lz4", "--clevel", "2", "--codec", "blosc"]);
    scene.run(&[]).expect(0);
    assert!(written(&scene, "t").starts_with("blosc(lz4,2,"), "{}", written(&scene, "t"));
}

/// A new format alone leaves the codecs as they are; with a choice it does not.
#[test]
fn a_new_format_keeps_nothing_from_being_chosen() {
    let scene = scene(&["--auto", "--zarr-format", "3"]);
    let outcome = scene.run(&[]).expect(0);
    assert_eq!(outcome.of_type("choice").len(), 2, "{}", outcome.stdout);
    assert_eq!(outcome.record("recompress", "/t")["to"], outcome.record("choice", "/t")["to"]);
}

#[test]
fn shapes_and_a_choice_go_together() {
    let scene = scene(&["--auto", "--chunks", "time=8"]);
    let outcome = scene.run(&[]).expect(0);
    is_what_was_chosen(&scene, &outcome);
    assert_eq!(crate::scene::chunks_of(&tree(&scene.output), "t").len(), 3);
}
