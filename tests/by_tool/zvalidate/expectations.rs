//! What is expected of coordinates and values is looked at, or said not to have been: no expectation passes because it applies to
//! nothing.

use std::fs;
use std::path::Path;

use harness::{ObjectServer, Outcome, Tool};
use serde_json::{Value, json};

use crate::made::{Data, FORMATS, Format, Made, Scene, arrays};

fn run(store: &Path, flags: &[&str]) -> Outcome {
    Tool::new("zvalidate").arg("--json").args(flags).arg(store).run()
}

/// Kinds and texts of the errors and warnings.
fn serious(outcome: &Outcome) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = outcome.of_type("finding").into_iter().filter(|finding| finding["severity"] != "info");
    findings.map(|finding| (text(&finding["kind"]), text(&finding["found"]))).collect()
}

/// A store of one coordinate of times.
fn times(format: Format, hours: &[i64]) -> Scene {
    let length = hours.len() as u64;
    let data = Data::I64(hours.to_vec());
    Scene::of(format, vec![Made { shape: vec![length], chunk: vec![length.max(1)], data, ..arrays().remove(0) }])
}

/// A store of one coordinate of text.
fn names(directory: &Path) {
    let document = json!({"zarr_format": 3, "node_type": "array", "shape": [3], "data_type": "string", "fill_value": "",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3]}}, "dimension_names": ["name"],
        "chunk_key_encoding": {"name": "default"}, "codecs": [{"name": "vlen-utf8"}]});
    let bytes: Vec<u8> = [3u32, 1].iter().flat_map(|word| word.to_le_bytes()).collect();
    let bytes = [&bytes, &b"a"[..], &1u32.to_le_bytes(), b"b", &1u32.to_le_bytes(), b"c"].concat();
    fs::create_dir_all(directory.join("name/c")).unwrap();
    fs::write(directory.join("name/zarr.json"), document.to_string()).unwrap();
    fs::write(directory.join("name/c/0"), bytes).unwrap();
    let group = json!({"zarr_format": 3, "node_type": "group", "attributes": {}});
    fs::write(directory.join("zarr.json"), group.to_string()).unwrap();
}

#[test]
fn a_coordinate_without_values_is_found() {
    for format in FORMATS {
        let scene = times(format, &[]);
        let range = ["--expect", "time=2019-01-01:2019-01-31", "--expect-step", "1h"];
        let outcome = run(&scene.store(), &range).expect(1);
        assert_eq!(serious(&outcome), [("coordinate_values".into(), "the coordinate has no values".into())]);
        let outcome = run(&scene.store(), &["--expect-step", "1h"]).expect(1);
        assert_eq!(serious(&outcome), [("coordinate_step".into(), "the coordinate has no values".into())]);
        run(&scene.store(), &[]).expect(0);
    }
}

#[test]
fn ends_of_text_are_compared_and_a_step_of_text_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    names(directory.path());
    let store = directory.path();
    for flags in [["--expect", "name=a:c"], ["--expect", "name=c:a"]] {
        run(store, &flags).expect(0);
    }
    let outcome = run(store, &["--expect", "name=x:z"]).expect(1);
    assert_eq!(serious(&outcome), [("coordinate_values".into(), "from a to c".into())]);
    for flags in [&["--expect-step", "name=1"][..], &["--dim", "name", "--expect-step", "1"]] {
        let outcome = run(store, flags).expect(3);
        assert_eq!(outcome.of_type("error").len(), 1, "{}", outcome.stdout);
    }
}

/// A step that no value of the coordinate can have, and one that no coordinate is there for.
#[test]
fn steps_that_apply_to_nothing_are_errors() {
    let scene = Scene::sound(Format::V3);
    for (flags, says) in [
        (&["--expect-step", "time=0.25"][..], "the coordinate has times, and the step is a number"),
        (&["--expect-step", "latitude=1h"], "the coordinate has numbers, and the step is a time"),
        (&["--dim", "latitude", "--expect-step", "1h"], "no time coordinate was found"),
        (&["--dim", "time", "--expect-step", "0.25"], "no dimension of --dim has numbers"),
    ] {
        let outcome = run(&scene.store(), flags).expect(3);
        assert_eq!(outcome.of_type("error").len(), 1, "{flags:?}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(says), "{flags:?}: {}", outcome.stderr);
    }
    let bare = run(&scene.store(), &["--expect-step", "0.3"]).expect(2);
    assert!(bare.stderr.contains("--expect-step 0.3 needs a dimension"), "{}", bare.stderr);
    run(&scene.store(), &["--dim", "latitude", "--expect-step", "0.5"]).expect(0);
    // The later rule counts.
    run(&scene.store(), &["--expect-step", "time=0.25", "--expect-step", "time=1h"]).expect(0);
    fs::remove_dir_all(scene.path("time")).unwrap();
    let none = run(&scene.store(), &["--expect-step", "1h"]).expect(3);
    assert!(none.stderr.contains("no time coordinate was found"), "{}", none.stderr);
    // One store of several has times.
    let other = times(Format::V3, &[0, 1, 2]);
    let both = Tool::new("zvalidate").args(["--json", "--expect-step", "1h"]).arg(scene.store()).arg(other.store());
    assert_eq!(both.run().of_type("error"), Vec::<Value>::new());
    // It is said once, by the first part.
    for (part, code) in [("1/2", 3), ("2/2", 0)] {
        run(&scene.store(), &["--expect-step", "1h", "--part", part]).expect(code);
    }
}

/// The latitudes go from 60 to 55.
#[test]
fn a_range_may_be_written_in_either_order() {
    let scene = Scene::sound(Format::V2);
    for range in ["latitude=60:55", "latitude=55:60", "time=2019-03-03T01:2019-03-01"] {
        for step in [&[][..], &["--expect-step", "latitude=0.5", "--expect-step", "1h"]] {
            run(&scene.store(), &[&["--expect", range], step].concat()).expect(0);
        }
    }
    for range in ["latitude=61:55", "latitude=60:54", "latitude=54:60", "time=2019-03-04:2019-03-01"] {
        let outcome = run(&scene.store(), &["--expect", range]).expect(1);
        assert_eq!(serious(&outcome)[0].0, "coordinate_values", "{range}");
    }
}

/// Ten hours that are there twice.
#[test]
fn a_step_back_is_no_gap() {
    let hours: Vec<i64> = (0..30).chain(20..40).collect();
    for (hours, from, to) in [(hours.clone(), "2019-03-02T05", "2019-03-01T20"), {
        let down = hours.iter().map(|hour| -hour).collect();
        (down, "2019-02-27T19", "2019-02-28T04")
    }] {
        let outcome = run(&times(Format::V2, &hours).store(), &["--expect-step", "1h"]).expect(1);
        let found = outcome.of_type("finding");
        let steps: Vec<&Value> = found.iter().filter(|finding| finding["kind"] == "coordinate_step").collect();
        let text = format!("a step back of 9h from {from}:00:00Z to {to}:00:00Z");
        assert_eq!((steps.len(), &steps[0]["found"], steps[0].get("count")), (1, &text.into(), None), "{found:#?}");
    }
}

/// A limit of NaN that is not looked at would pass every store.
#[test]
fn a_limit_of_nan_reads_the_values() {
    let scene = Scene::sound(Format::V3);
    scene.set("t2m", |index, value| {
        if index[0] % 2 == 0 {
            *value = f32::NAN;
        }
    });
    let server = ObjectServer::start(scene.directory.path(), vec![]);
    let endpoint = server.endpoint();
    let remote = |flags: &[&str]| {
        let tool = Tool::hermetic("zvalidate").args(["--json", "--anonymous", "--endpoint", &endpoint]).args(flags);
        tool.arg(server.s3_url("in.zarr")).run()
    };
    assert_eq!(remote(&[]).summary()["level"], "header");
    for flags in [["--max-nan", "10%"], ["--max-nan", "t2m=0.1"]] {
        let outcome = remote(&flags).expect(1);
        assert_eq!(outcome.summary()["level"], "full");
        assert!(serious(&outcome).iter().any(|(kind, _)| kind == "too_many_nan"), "{}", outcome.stdout);
    }
    assert_eq!(remote(&["--check", "nan_steps"]).expect(1).summary()["level"], "full");
    for level in ["list", "header"] {
        let outcome = remote(&["--max-nan", "10%", "--level", level]).expect(2);
        assert!(outcome.stderr.contains("--max-nan needs --level full"), "{}", outcome.stderr);
    }
    let rules = scene.directory.path().join("rules.toml");
    fs::write(&rules, "[max-nan]\n\"*\" = 0.1\n").unwrap();
    let path = rules.to_str().unwrap();
    remote(&["--rules", path]).expect(1);
    let low = remote(&["--rules", path, "--level", "list"]).expect(0);
    assert!(low.stderr.contains("max-nan of the rules is not looked for at --level list"), "{}", low.stderr);
    fs::write(&rules, "level = \"list\"\n[max-nan]\n\"*\" = 0.1\n").unwrap();
    assert!(remote(&["--rules", path]).expect(2).stderr.contains("max-nan: needs level"));
}
