//! `--trial`: compressors are tried on the chunks of the source, what they give is told, and nothing is written.

use std::process::Command;

use harness::{Outcome, Tool, tree};
use serde_json::Value;

use crate::maps::{GZIP, Maps};
use crate::scene::{Scene, number, summary};

/// One array of chunks that are alike.
fn alike() -> Scene {
    let maps =
        Maps { names: vec!["t"], codec: GZIP, absent: 0, shape: [8, 128, 256], chunks: [1, 128, 256], ..Maps::new(3) };
    Scene::of(&maps, &[])
}

fn trial(scene: &Scene, flags: &[&str]) -> Tool {
    Tool::new("zrecompress").arg("--trial").arg(&scene.source).args(flags)
}

/// The one record of the array that was chosen.
#[track_caller]
fn chosen(outcome: &Outcome, path: &str) -> Value {
    let mut chosen = outcome.of_type("trial");
    chosen.retain(|record| record["path"] == path && record["chosen"] == true);
    assert_eq!(chosen.len(), 1, "{}", outcome.stdout);
    chosen.remove(0)
}

#[test]
fn what_was_tried_is_told_and_nothing_is_written() {
    let scene = Scene::of(&Maps { shape: [8, 64, 64], chunks: [1, 64, 64], ..Maps::new(2) }, &[]);
    let before = tree(scene.directory.path());
    let outcome = trial(&scene, &[]).run().expect(0);
    assert!(tree(scene.directory.path()) == before);
    let trials = outcome.of_type("trial");
    assert_eq!(number(&outcome, "trials") as usize, trials.len());
    assert_eq!(number(&outcome, "arrays"), 2);
    for path in ["/t", "/u"] {
        let one = chosen(&outcome, path);
        let choice = outcome.record("choice", path);
        assert_eq!((&choice["to"], &choice["ratio"]), (&one["codec"], &one["ratio"]));
        assert_eq!(choice["predicted_bytes"], one["predicted_bytes"]);
        assert_eq!((&choice["objective"], &choice["from"]), (&"balanced".into(), &"blosc(lz4,5,shuffle)".into()));
        let mine: Vec<&Value> = trials.iter().filter(|trial| trial["path"] == path).collect();
        assert!(mine.len() > 10 && mine.iter().any(|trial| trial["pareto"] == true), "{}", mine.len());
        assert!(mine.iter().any(|trial| trial["pareto"] != true));
        for trial in mine {
            let positive = |field: &str| trial[field].as_f64().is_some_and(|value| value > 0.0);
            let fields = ["ratio", "encode_gb_per_second", "decode_gb_per_second", "sampled_bytes", "predicted_bytes"];
            assert!(fields.iter().all(|field| positive(field)), "{trial}");
            assert!(["blocks", "block_bytes", "point_bytes"].iter().all(|field| positive(field)), "{trial}");
        }
    }
    // The small coordinate is copied in any case.
    assert!(trials.iter().all(|trial| trial["path"] != "/time"));
}

/// The smallest is on the front, and nothing on the front is beaten by another on it.
#[test]
fn the_front_is_one() {
    let outcome = trial(&alike(), &[]).run().expect(0);
    let trials = outcome.of_type("trial");
    let costs = |trial: &Value| {
        let number = |field: &str| trial[field].as_f64().unwrap();
        [-number("ratio"), -number("encode_gb_per_second"), -number("decode_gb_per_second"), number("point_bytes")]
    };
    let front: Vec<[f64; 4]> = trials.iter().filter(|trial| trial["pareto"] == true).map(costs).collect();
    // Speeds and ratios are rounded in the records: better in everything is better before rounding.
    let beats = |one: &[f64; 4], other: &[f64; 4]| one.iter().zip(other).all(|(one, other)| one < other);
    assert!(!front.iter().any(|one| front.iter().any(|other| beats(other, one))));
    let smallest = trials.iter().map(|trial| costs(trial)[0]).fold(0.0, f64::min);
    assert!(front.iter().any(|one| one[0] == smallest));
}

#[test]
fn the_printed_command_does_what_was_predicted() {
    for objective in ["size", "balanced"] {
        let scene = alike();
        let outcome = trial(&scene, &["--objective", objective]).run().expect(0);
        let choice = outcome.record("choice", "/t");
        let command = choice["command"].as_str().unwrap();
        let tool = harness::binary("zrecompress");
        let command = command.replacen("zrecompress", tool.to_str().unwrap(), 1);
        let done = Outcome::of(Command::new("sh").args(["-c", &command]).output().unwrap()).expect(0);
        let array = done.record("recompress", "/t");
        let (predicted, after) = (choice["predicted_bytes"].as_f64().unwrap(), array["bytes_after"].as_f64().unwrap());
        assert!((predicted / after - 1.0).abs() < 0.2, "{objective}: {predicted} predicted, {after} written");
        assert_eq!(array["to"], choice["to"]);
    }
}

#[test]
fn the_output_that_is_named_is_in_the_command_and_is_not_written() {
    let scene = alike();
    let outcome = trial(&scene, &["--cname", "lz4", "--sample", "1"]).arg(&scene.output).run().expect(0);
    let command = outcome.record("choice", "/t")["command"].as_str().unwrap().to_owned();
    assert!(command.contains("out.zarr") && command.contains("--var /t"), "{command}");
    scene.assert_untouched();
}

#[test]
fn every_objective_chooses_what_it_says() {
    let scene = alike();
    for (objective, field, least) in [
        ("size", "ratio", false),
        ("encode", "encode_gb_per_second", false),
        ("decode", "decode_gb_per_second", false),
        ("point", "point_bytes", true),
    ] {
        let outcome = trial(&scene, &["--objective", objective, "--sample", "2"]).run().expect(0);
        let one = chosen(&outcome, "/t");
        assert_eq!(outcome.record("choice", "/t")["objective"], objective);
        let ratio = |trial: &Value| trial["ratio"].as_f64().unwrap();
        let best = outcome.of_type("trial").iter().map(ratio).fold(0.0, f64::max);
        assert!(ratio(&one) * 1.51 > best, "{objective}: not much larger than the smallest");
        // Speeds are measured anew each time; sizes are what they are.
        if objective == "size" || objective == "point" {
            let value = |trial: &Value| trial[field].as_f64().unwrap();
            let is_beaten = |other: &Value| match least {
                true => value(other) * 1.1 < value(&one),
                false => value(other) > value(&one) * 1.02,
            };
            let small = outcome.of_type("trial").into_iter().filter(|trial| ratio(trial) * 1.4 > best);
            assert!({ small }.all(|trial| !is_beaten(&trial)), "{objective}: {one}");
        }
    }
    let outcome = trial(&scene, &["--objective", "balanced"]).run().expect(0);
    let default = outcome.of_type("trial").into_iter().find(|trial| trial["codec"] == "blosc(zstd,3,shuffle)").unwrap();
    assert!(chosen(&outcome, "/t")["ratio"].as_f64() >= default["ratio"].as_f64(), "never larger than without a trial");
}

#[test]
fn flags_of_the_codec_narrow_the_grid() {
    let scene = alike();
    for (flags, field, value) in [
        (["--cname", "lz4"], "cname", Value::from("lz4")),
        (["--clevel", "7"], "clevel", 7.into()),
        (["--shuffle", "bitshuffle"], "shuffle", "bitshuffle".into()),
        (["--split", "always"], "split", "always".into()),
        (["--blocksize", "16K"], "blocksize", 16384.into()),
    ] {
        let outcome = trial(&scene, &[&flags[..], &["--sample", "1"]].concat()).run().expect(0);
        let trials = outcome.of_type("trial");
        assert!(trials.len() > 1 && trials.iter().all(|trial| trial[field] == value), "{flags:?}: {trials:?}");
    }
    let one = ["--cname", "zlib", "--clevel", "2", "--shuffle", "noshuffle", "--split", "never", "--blocksize", "8K"];
    assert_eq!(number(&trial(&scene, &one).run().expect(0), "trials"), 1);
}

#[test]
fn one_trial_is_shared_by_arrays_that_are_alike() {
    let scene = Scene::of(&Maps { names: vec!["t", "u", "v"], ..Maps::new(3) }, &[]);
    let lz4 = ["--cname", "lz4"];
    let each = trial(&scene, &lz4).run().expect(0);
    let shared = trial(&scene, &[&lz4[..], &["--share-trial"]].concat()).run().expect(0);
    assert_eq!(number(&each, "trials"), 3 * number(&shared, "trials"));
    assert_eq!(shared.of_type("choice").len(), 3);
    let (t, u) = (shared.record("choice", "/t"), shared.record("choice", "/u"));
    assert_eq!((&t["to"], t["reason"].is_null()), (&u["to"], true));
    assert!(u["reason"].as_str().unwrap().contains("/t"), "{u}");
}

#[test]
fn as_many_chunks_are_sampled_as_were_asked_for() {
    let scene = alike();
    for (wanted, sampled) in [("1", 1), ("3", 3), ("200", 8)] {
        let outcome = trial(&scene, &["--cname", "lz4", "--clevel", "1", "--sample", wanted]).run().expect(0);
        assert_eq!(outcome.record("choice", "/t")["sampled"], sampled);
    }
    for wrong in ["0", "257", "-1", "x"] {
        trial(&scene, &[&format!("--sample={wrong}")]).run().expect(2);
    }
}

#[test]
fn flags_that_make_no_sense_with_a_trial_are_refused() {
    let scene = alike();
    for flags in [
        &["--auto"][..],
        &["--dry-run"],
        &["--resume"],
        &["--in-place"],
        &["--codec", "gzip"],
        &["--codec", "none"],
        &["--objective", "fast"],
    ] {
        trial(&scene, flags).run().expect(2);
        scene.assert_untouched();
    }
    Tool::new("zrecompress").arg("--trial").run().expect(2);
    // Of a run that tries nothing, these would say nothing.
    for flags in [&["--objective", "size"][..], &["--sample", "2"], &["--share-trial"]] {
        let outcome = scene.run(flags);
        assert_eq!(outcome.code, 2, "{flags:?} without a trial is passed over in silence");
        scene.assert_untouched();
    }
}

/// Only the metadata is asked for, but so is a trial.
#[test]
fn a_new_format_keeps_nothing_from_being_tried() {
    let scene = Scene::of(&Maps { names: vec!["t"], ..Maps::new(2) }, &[]);
    let outcome = trial(&scene, &["--zarr-format", "3", "--cname", "lz4"]).run().expect(0);
    assert_eq!(number(&outcome, "arrays"), 1, "{}", summary(&outcome));
    let outcome = trial(&scene, &["--zarr-format", "3", "--clevel", "1"]).run().expect(0);
    assert_eq!(number(&outcome, "arrays"), 1);
    let outcome = trial(&scene, &["--zarr-format", "3"]).run().expect(0);
    assert_eq!(number(&outcome, "arrays"), 1, "nothing is tried: {}", summary(&outcome));
}

/// What the command line says beside the codec must be in the command, too, or it does something else.
#[test]
fn the_command_says_what_the_trial_was_told() {
    let scene = Scene::of(&Maps { names: vec!["t"], ..Maps::new(2) }, &[]);
    let outcome =
        trial(&scene, &["--cname", "lz4", "--min-size", "0", "--chunks", "time=6", "--zarr-format", "3"]).run();
    let outcome = outcome.expect(0);
    let command = outcome.record("choice", "/time")["command"].as_str().unwrap().to_owned();
    for flag in ["--min-size", "--chunks time=6", "--zarr-format 3"] {
        assert!(command.contains(flag), "{flag} is not in {command}");
    }
}
