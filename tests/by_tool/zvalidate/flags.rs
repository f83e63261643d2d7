//! What is selected, allowed and reported: the flags and the rules file.

use std::fs;

use harness::{Outcome, Tool};
use serde_json::{Value, json};

use crate::made::{Format, Scene};

fn run(scene: &Scene, flags: &[&str]) -> Outcome {
    Tool::new("zvalidate").arg("--json").args(flags).arg(scene.store()).run()
}

fn kinds(outcome: &Outcome) -> Vec<String> {
    let findings = outcome.of_type("finding");
    let mut kinds: Vec<String> = findings.iter().map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect();
    kinds.dedup();
    kinds
}

/// A store with faults of three kinds.
fn faulty() -> Scene {
    let scene = Scene::sound(Format::V2);
    scene.set("t2m", |index, value| {
        if index[0] == 7 {
            *value = f32::NAN;
        }
    });
    scene.remove(&scene.key("tp", [3, 0, 0]));
    scene.change(&scene.key("u10", [2, 1, 0]), |bytes| bytes.truncate(40));
    scene
}

/// A mistyped name would disable the check that it stands for.
#[test]
fn names_that_no_array_has_are_errors() {
    let scene = Scene::sound(Format::V2);
    for (flags, meant) in [(["--max-nan", "t2n=0.1"], "--max-nan t2n"), (["--allow-nan", "t2n"], "--allow-nan t2n")] {
        let outcome = run(&scene, &flags).expect(3);
        assert!(outcome.stderr.contains(&format!("{meant}: no such array")), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("did you mean t2m?"), "{}", outcome.stderr);
    }
    run(&scene, &["--max-nan", "t2m=0.1", "--max-nan", "1%", "--allow-nan", "*"]).expect(0);
}

#[test]
fn kinds_are_selected_and_left_out() {
    let scene = faulty();
    let all = run(&scene, &[]).expect(1);
    for kind in ["nan_steps", "missing_chunks", "undecodable", "nan_values"] {
        assert!(kinds(&all).iter().any(|found| found == kind), "{kind}: {:?}", kinds(&all));
    }
    assert_eq!(kinds(&run(&scene, &["--check", "nan-steps"]).expect(1)), ["nan_steps"]);
    let skipped = ["--skip", "nan_steps,missing_chunks,undecodable,truncated,nan-values"];
    assert_eq!(kinds(&run(&scene, &skipped).expect(0)), Vec::<String>::new());
    let typed = run(&scene, &["--skip", "nan_step"]).expect(2);
    assert!(typed.stderr.contains("did you mean nan_steps?"), "{}", typed.stderr);
    let low = run(&scene, &["--check", "nan_steps", "--level", "list"]).expect(0);
    assert!(low.stderr.contains("nan_steps is not looked for at --level list: use full"), "{}", low.stderr);
    assert_eq!(kinds(&run(&scene, &["--var", "tp"]).expect(1)), ["missing_chunks"]);
    let unknown = run(&scene, &["--var", "tpp"]).expect(4);
    assert!(unknown.stderr.contains("did you mean tp?"), "{}", unknown.stderr);
}

#[test]
fn nan_is_allowed_by_variable() {
    let scene = Scene::sound(Format::V3);
    scene.set("t2m", |index, value| {
        if index[0] == 7 || (index[1] == 4 && index[2] == 4) {
            *value = f32::NAN;
        }
    });
    run(&scene, &[]).expect(1);
    run(&scene, &["--allow-nan", "t2m"]).expect(0);
    run(&scene, &["--allow-nan", "t2*"]).expect(0);
    run(&scene, &["--allow-nan", "u10"]).expect(1);
    let over = run(&scene, &["--max-nan", "1%", "--skip", "nan_steps"]).expect(1);
    assert_eq!(kinds(&over), ["too_many_nan"]);
    run(&scene, &["--max-nan", "1%", "--max-nan", "t2m=0.05", "--skip", "nan_steps"]).expect(0);
}

/// A missing chunk counts once, where readers get NaN for it, and not where they get an ordinary value.
#[test]
fn missing_chunks_are_part_of_the_share_of_nan() {
    for format in [Format::V2, Format::V3] {
        let scene = Scene::sound(format);
        // 240 of 4,400 values.
        ["t2m", "u10"].iter().for_each(|name| scene.remove(&scene.key(name, [2, 1, 0])));
        let over = run(&scene, &["--max-nan", "5%", "--check", "too_many_nan"]).expect(1);
        let found = over.of_type("finding");
        assert_eq!(
            (found.len(), &found[0]["path"], &found[0]["count"]),
            (1, &"/t2m".into(), &240.into()),
            "{found:#?}"
        );
        let shares = "5.455% (0.000% NaN, 0.000% fill value, 5.455% in missing chunks)";
        assert_eq!(found[0]["found"], shares, "{found:#?}");
        assert_eq!(over.record("check", "/u10")["missing_share"], over.record("check", "/t2m")["missing_share"]);
        run(&scene, &["--max-nan", "5.5%", "--check", "too_many_nan"]).expect(0);
    }
}

#[test]
fn rules_of_a_file_are_those_of_the_flags() {
    let scene = faulty();
    let rules = scene.directory.path().join("rules.toml");
    let with = |text: &str, flags: &[&str]| {
        fs::write(&rules, text).unwrap();
        run(&scene, &[&["--rules", rules.to_str().unwrap()], flags].concat())
    };
    assert_eq!(kinds(&with("level = \"list\"\n", &[]).expect(1)), ["missing_chunks"]);
    with("level = \"list\"\n[severity]\nmissing-chunks = \"info\"\n", &[]).expect(0);
    let error = with("[severity]\nmissing-chunks = \"error\"\n", &["--check", "missing_chunks"]).expect(1);
    assert_eq!(error.of_type("finding")[0]["severity"], "error");
    with("check = [\"nan-steps\"]\nallow-nan = [\"t2m\"]\n", &[]).expect(0);
    with("check = [\"coordinate-values\"]\n[expect]\ntime = \"2019-03-01:2019-03-04\"\n", &[]).expect(1);
    let wrong = with("levle = \"list\"\n", &[]).expect(2);
    assert!(wrong.stderr.contains("rules.toml: line 1") && wrong.stderr.contains("levle"), "{}", wrong.stderr);
    assert!(with("[max-nan]\nt2m = 7.0\n", &[]).expect(2).stderr.contains("not a share"));
    let absent = run(&scene, &["--rules", "/nowhere/rules.toml"]).expect(4);
    assert!(absent.stderr.contains("/nowhere/rules.toml"), "{}", absent.stderr);
}

/// The rules that a page shows are rules.
#[test]
fn the_rules_of_the_pages_are_read() {
    let pages = ["README.md", "man/tour.md"].map(|page| fs::read_to_string(harness::repository().join(page)));
    let pages = pages.map(Result::unwrap_or_default).concat();
    let rules = pages.split_once("# rules.toml, for zvalidate").unwrap().1.split_once('\n').unwrap().1;
    let rules = rules.split_once("```").unwrap().0;
    let scene = Scene::sound(Format::V3);
    let file = scene.directory.path().join("rules.toml");
    fs::write(&file, rules).unwrap();
    run(&scene, &["--rules", file.to_str().unwrap()]).expect(0);
    scene.remove(&scene.key("u10", [3, 0, 0]));
    let outcome = run(&scene, &["--rules", file.to_str().unwrap()]).expect(1);
    assert_eq!(outcome.of_type("finding")[0]["severity"], "error");
}

#[test]
fn annotations_are_those_of_github() {
    let scene = faulty();
    let outcome = run(&scene, &["--annotations", "github", "--check", "missing_chunks"]).expect(1);
    let line = outcome.stderr.lines().find(|line| line.starts_with("::warning ")).unwrap();
    assert!(line.starts_with("::warning title=missing_chunks::") && line.contains("/tp tp/3.0.0: "), "{line}");
    outcome.records();
}

#[test]
fn a_sample_reads_a_share_of_each_array() {
    let scene = Scene::sound(Format::V2);
    let sampled = run(&scene, &["--sample", "20%"]).expect(0);
    for path in ["/t2m", "/u10", "/tp"] {
        let checked = sampled.record("check", path)["chunks_checked"].as_u64().unwrap();
        assert!((3..=5).contains(&checked), "{path}: {checked} of 18");
    }
    assert_eq!(sampled.record("check", "/time")["chunks_checked"], 1);
}

#[test]
fn many_findings_of_a_kind_are_counted() {
    let scene = Scene::sound(Format::V2);
    for at in 0..9 {
        scene.change(&scene.key("u10", [at, 0, 0]), |bytes| bytes.truncate(60));
    }
    let outcome = run(&scene, &["--limit", "3"]).expect(1);
    let found = outcome.of_type("finding");
    assert_eq!(found.len(), 4, "{found:#?}");
    assert_eq!((&found[3]["count"], &outcome.summary()["findings"]), (&6.into(), &9.into()));
    assert_eq!(run(&scene, &["--limit", "0"]).expect(1).of_type("finding").len(), 9);
    let table = Tool::new("zvalidate").args(["--format", "table"]).arg(scene.store()).run().expect(1).stdout;
    assert!(table.contains("9 chunks; all of time") || table.contains("9 chunks; "), "{table}");
    assert!(table.contains("next: fetch the damaged chunks again"), "{table}");
}

/// Steps are named in the table by the values of their coordinate.
#[test]
fn the_table_groups_findings_and_names_steps() {
    let scene = Scene::sound(Format::V2);
    for index in [[2, 0, 0], [2, 1, 0], [3, 0, 0], [3, 1, 0]] {
        scene.remove(&scene.key("t2m", index));
    }
    let table = Tool::new("zvalidate").args(["--format", "table"]).arg(scene.store()).run().expect(1).stdout;
    let words = "missing_steps: 12 steps, 4 chunks missing: they read as the fill value \"NaN\"; \
        all of time 2019-03-01T12:00:00Z … 2019-03-01T23:00:00Z";
    assert!(table.contains(words), "{table}");
}

/// Without permission, nothing is known, and that is not a fault of the store.
#[test]
fn what_cannot_be_read_is_not_a_finding() {
    use harness::{Fault, ObjectServer};
    let scene = Scene::sound(Format::V3);
    let server = ObjectServer::start(
        scene.directory.path(),
        vec![Fault::Status { key_contains: "u10/c/2/1".into(), status: 403 }],
    );
    let tool = Tool::hermetic("zvalidate").args(["--json", "--anonymous", "--level", "full", "--endpoint"]);
    let outcome = tool.arg(server.endpoint()).arg(server.s3_url("in.zarr")).run().expect(3);
    let errors = outcome.of_type("error");
    assert_eq!(errors.len(), 1, "{}", outcome.stdout);
    assert!(errors[0]["path"].as_str().unwrap().contains("u10/c/2/1/0"), "{}", errors[0]);
    let serious = outcome.of_type("finding").into_iter().filter(|finding| finding["severity"] != "info");
    assert_eq!(serious.collect::<Vec<Value>>(), Vec::<Value>::new());
    assert_eq!(outcome.record("check", "/u10")["chunks_checked"], json!(17));
}
