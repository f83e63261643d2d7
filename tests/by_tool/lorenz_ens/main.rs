//! `lorenz-ens`: the lecture's numbers by every method, what is written and in which formats, bad input, and batches on a grid.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod bad_input;
mod combinations;
mod grid;
mod life;
mod memory;
mod page;
mod plots;
mod steps;

use std::fs;
use std::path::Path;

use harness::{Outcome, Tool, tree};
use serde_json::{Value, json};

/// Runs the tool in a directory, with records as its output.
fn lorenz(directory: &Path, arguments: &[&str]) -> Outcome {
    Tool::new("lorenz-ens").current_dir(directory).arg("--json").args(arguments).run()
}

/// The numbers of a chunk that is not compressed.
fn numbers(path: &Path) -> Vec<f64> {
    let bytes = fs::read(path).unwrap();
    bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
}

/// x, y and z of the lecture's first members after 5,000 steps, as NumPy computes them (`tests/interop/test_lorenz.py`).
const LAST: [[f64; 3]; 2] = [
    [-6.3391996690186945, -1.62455294340588, 30.21383997356271],
    [-15.289331518355366, -17.80392035969913, 33.90449643445524],
];

#[test]
fn every_method_gives_the_numbers_of_the_lecture() {
    let directory = tempfile::tempdir().unwrap();
    for method in ["auto", "serial", "vector", "parallel"] {
        for jobs in ["-j1", "-j3"] {
            let outcome = lorenz(directory.path(), &["--members", "30", "--method", method, jobs]).expect(0);
            let states = outcome.of_type("state");
            assert_eq!(states.len(), 30);
            for (state, [x, y, z]) in states.iter().zip(LAST) {
                assert_eq!(
                    [&state["x"], &state["y"], &state["z"]],
                    [&json!(x), &json!(y), &json!(z)],
                    "{method} {jobs}"
                );
                assert_eq!((&state["step"], &state["time"]), (&json!(5000), &json!(50.0)));
            }
        }
    }
    for integrator in ["euler", "rk4"] {
        let more = ["--members", "70", "--steps", "300", "--integrator", integrator, "--check"];
        let outcome = lorenz(directory.path(), &more).expect(0);
        assert_eq!(outcome.summary()["identical"], true);
        assert!(outcome.of_type("method").len() >= 5, "{}", outcome.stdout);
    }
}

#[test]
fn initial_conditions_can_be_chosen() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ics.csv"), "x,y,z\n-10,-10,25\n1.5,2,3e1\n").unwrap();
    let given = lorenz(directory.path(), &["--ics", "ics.csv", "--steps", "0"]).expect(0);
    let states = given.of_type("state");
    assert_eq!((states.len(), &states[1]["x"], &states[1]["z"]), (2, &json!(1.5), &json!(30.0)));
    let center = ["--members", "2", "--steps", "0", "--center=1,2,-3", "--spread", "0"];
    let states = lorenz(directory.path(), &center).expect(0).of_type("state");
    assert_eq!([&states[1]["x"], &states[1]["z"]], [&json!(1.0), &json!(-3.0)]);
    let draw = |more: &[&str]| {
        let arguments = [&["--members", "1000", "--steps", "0"], more].concat();
        lorenz(directory.path(), &arguments).expect(0).of_type("state")
    };
    let philox = draw(&["--rng", "philox"]);
    assert!(philox != draw(&[]) && philox != draw(&["--rng", "philox", "--seed", "1"]));
    let mean = philox.iter().map(|state| state["x"].as_f64().unwrap()).sum::<f64>() / 1000.0;
    assert!((mean + 10.0).abs() < 0.1, "{mean}");
}

#[test]
fn trajectories_are_the_same_in_every_format() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let ensemble = ["--members", "40", "--steps", "90", "--every", "3"];
    let write = |more: &[&str]| lorenz(directory.path(), &[&ensemble[..], more].concat()).expect(0);
    let stored = ["--codec", "none", "--zarr-format", "2", "--chunks", "16,10", "-o", "ens.zarr"];
    let summary = write(&stored).summary();
    assert_eq!((&summary["arrays"], &summary["objects"]), (&json!(5), &json!(2 + 3 * 3 * 4)));
    assert_eq!(summary["verified"], summary["objects"]);
    write(&["-o", "ens.csv"]);
    write(&["-o", "ens.jsonl"]);
    let csv = fs::read_to_string(at("ens.csv")).unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("step,time,member,x,y,z"));
    let jsonl = fs::read_to_string(at("ens.jsonl")).unwrap();
    assert_eq!((lines.clone().count(), jsonl.lines().count()), (31 * 40, 31 * 40));
    for (csv, json) in lines.zip(jsonl.lines()) {
        let fields: Vec<f64> = csv.split(',').map(|field| field.parse().unwrap()).collect();
        let state: Value = serde_json::from_str(json).unwrap();
        let (time, member) = (fields[0] as usize / 3, fields[2] as usize);
        for (name, value) in ["step", "time", "member", "x", "y", "z"].iter().zip(&fields) {
            assert_eq!(state[name].as_f64(), Some(*value), "{csv}");
        }
        let chunk = numbers(&at(&format!("ens.zarr/y/{}.{}", member / 16, time / 10)));
        assert_eq!(chunk[(member % 16) * 10 + time % 10], fields[4]);
    }
    // The same rows on standard output.
    let plain = Tool::new("lorenz-ens").args(ensemble).args(["--to", "csv"]).run().expect(0);
    assert_eq!(plain.stdout, csv);
    let records = lorenz(directory.path(), &ensemble).expect(0);
    assert_eq!(records.of_type("state").len(), 31 * 40);
    assert_eq!(records.summary()["rows"], json!(31 * 40));
}

#[test]
fn both_formats_of_zarr_are_valid_and_the_same_at_any_j() {
    let directory = tempfile::tempdir().unwrap();
    for format in ["2", "3"] {
        let mut stores = Vec::new();
        for jobs in ["1", "4"] {
            let name = format!("v{format}-j{jobs}.zarr");
            let more =
                ["--members", "100", "--steps", "500", "--chunks", "30,100", "--zarr-format", format, "-j", jobs];
            lorenz(directory.path(), &[&more[..], &["-o", &name]].concat()).expect(0);
            stores.push(tree(&directory.path().join(&name)));
            let found = Tool::new("zvalidate").current_dir(directory.path()).args(["--json", &name]).run().expect(0);
            assert_eq!(found.summary()["findings"], 0, "{}", found.stdout);
        }
        assert!(stores[0] == stores[1], "v{format}");
    }
}

#[test]
fn statistics_do_not_keep_trajectories() {
    let directory = tempfile::tempdir().unwrap();
    let more = ["--members", "3000", "--steps", "400", "--every", "100", "--stats", "--max-memory", "1M"];
    let outcome = lorenz(directory.path(), &more).expect(0);
    let found = outcome.of_type("statistics");
    assert_eq!(found.len(), 5 * 3);
    let first = &found[0];
    assert!(
        (first["mean"].as_f64().unwrap() + 10.0).abs() < 0.05 && (first["spread"].as_f64().unwrap() - 0.5).abs() < 0.03
    );
    let median = first["q50"].as_f64().unwrap();
    assert!((median + 10.0).abs() < 0.05, "{first}");
    assert!(found[12]["error"].as_f64() > found[0]["error"].as_f64(), "errors grow");
    for jobs in ["-j1", "-j3"] {
        let again = lorenz(directory.path(), &[&more[..], &[jobs, "-o", &format!("s{jobs}.csv")]].concat()).expect(0);
        assert_eq!(again.summary()["rows"], 15);
    }
    let [one, three] = ["s-j1.csv", "s-j3.csv"].map(|name| fs::read(directory.path().join(name)).unwrap());
    assert!(one == three && one.starts_with(b"step,time,variable,members,mean,"));
    for format in ["2", "3"] {
        let name = format!("s{format}.zarr");
        let store = [&more[..], &["--zarr-format", format, "-o", &name]].concat();
        assert_eq!(lorenz(directory.path(), &store).expect(0).summary()["arrays"], 31);
        lorenz(directory.path(), &store).expect(7);
        let key = if format == "2" { "x_mean/0" } else { "x_mean/c/0" };
        assert_eq!(numbers(&directory.path().join(name).join(key))[0], first["mean"].as_f64().unwrap());
    }
    let long = lorenz(directory.path(), &["--members", "100", "--steps", "20000", "--integrator", "rk4", "--stats"])
        .expect(0)
        .summary();
    let (exponent, error) = (long["lyapunov"].as_f64().unwrap(), long["lyapunov_error"].as_f64().unwrap());
    assert!((exponent - 0.9056).abs() < 4.0 * error && error < 0.01, "{exponent} ± {error}");
}
