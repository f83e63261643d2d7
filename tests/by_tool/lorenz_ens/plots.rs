//! Measures, and pictures: drawn when all is done, never in a dry run, and never over another file.

use std::fs;

use harness::Tool;

use crate::lorenz;

#[test]
fn methods_are_measured_and_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let work = ["--members", "64", "--steps", "200"];
    let compared = lorenz(directory.path(), &[&work[..], &["--compare", "--plot", "a.svg", "-j2"]].concat()).expect(0);
    let methods = compared.of_type("method");
    let names: Vec<&str> = methods.iter().map(|method| method["method"].as_str().unwrap()).collect();
    assert_eq!(names, ["serial", "vector", "parallel"]);
    for method in &methods {
        assert!(method["seconds"].as_f64() > Some(0.0) && method["member_steps_per_second"].as_f64() > Some(0.0));
        assert_eq!(method["identical"], true);
    }
    assert!(methods[2]["predicted_speedup"].as_f64() > Some(0.0) && methods[2]["startup_seconds"].is_number());
    let svg = fs::read_to_string(at("a.svg")).unwrap();
    assert!(svg.contains("Attractor") && svg.contains("speed-up"), "labelled");
    let scaled = lorenz(directory.path(), &[&work[..], &["--scaling=1,2,3", "--plot", "b.png"]].concat()).expect(0);
    let jobs: Vec<u64> = scaled.of_type("method").iter().map(|method| method["jobs"].as_u64().unwrap()).collect();
    assert_eq!(jobs, [1, 1, 2, 3]);
    let cores: Vec<u64> = lorenz(directory.path(), &[&work[..], &["--scaling"]].concat())
        .expect(0)
        .of_type("method")
        .iter()
        .map(|method| method["jobs"].as_u64().unwrap())
        .collect();
    assert!(cores.starts_with(&[1, 1]) && cores[1..].is_sorted_by(|a, b| a < b), "{cores:?}");
    let picture = png::Decoder::new(std::io::Cursor::new(fs::read(at("b.png")).unwrap())).read_info().unwrap();
    assert!(picture.info().width >= 800);
    let exists = lorenz(directory.path(), &[&work[..], &["--plot", "a.svg"]].concat()).expect(7);
    assert!(exists.stderr.contains("a.svg: already exists"), "{}", exists.stderr);
    let format = lorenz(directory.path(), &[&work[..], &["--plot", "a.jpg"]].concat()).expect(2);
    assert!(format.stderr.contains("use .svg or .png"), "{}", format.stderr);
}

#[test]
fn a_picture_is_drawn_after_the_store_and_only_then() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let run = |more: &[&str]| lorenz(directory.path(), &[&["-m", "20", "--steps", "300"], more].concat());
    // An output that cannot be written, and members that end the run: no picture.
    run(&["-o", "no/such/a.zarr", "--plot", "a.svg"]).expect(7);
    let gone = run(&["-o", "a.zarr", "--plot", "no/such/a.svg"]).expect(7);
    assert!(gone.stderr.contains("the directory does not exist"), "{}", gone.stderr);
    run(&["--dt", "0.5", "--on-divergence", "stop", "-o", "a.zarr", "--plot", "a.svg"]).expect(1);
    run(&["--dt", "0.5", "--on-divergence", "stop", "--plot", "a.svg"]).expect(1);
    assert!(!at("a.svg").exists() && !at("a.zarr").exists());
    // A picture that exists is noticed before the store is written.
    fs::write(at("mine.svg"), "mine").unwrap();
    let refused = run(&["-o", "a.zarr", "--plot", "mine.svg"]).expect(7);
    assert!(refused.stderr.contains("mine.svg: already exists"), "{}", refused.stderr);
    assert!(!at("a.zarr").exists() && fs::read(at("mine.svg")).unwrap() == b"mine");
    run(&["-o", "a.zarr", "--plot", "a.svg"]).expect(0);
    assert!(at("a.zarr").exists() && at("a.svg").exists());
    // Finished is finished, and another picture is kept.
    run(&["-o", "a.zarr", "--plot", "a.svg", "--resume"]).expect(0);
    run(&["-o", "a.zarr", "--plot", "mine.svg", "--resume"]).expect(7);
    assert_eq!(fs::read(at("mine.svg")).unwrap(), b"mine");
    run(&["--every", "10", "-o", "a.csv", "--plot", "b.png"]).expect(0);
    assert!(fs::read(at("b.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn json_lines_and_csv_are_printed() {
    let more = ["-m", "3", "--steps", "40", "--every", "20"];
    let csv = Tool::new("lorenz-ens").args(more).args(["-f", "csv"]).run().expect(0);
    assert_eq!(csv.stdout.lines().count(), 1 + 3 * 3);
    let jsonl = Tool::new("lorenz-ens").args(more).args(["-f", "jsonl"]).run().expect(0);
    let states = jsonl.of_type("state");
    assert_eq!(states.len(), 9);
    for (line, state) in csv.stdout.lines().skip(1).zip(states) {
        let x: f64 = line.split(',').nth(3).unwrap().parse().unwrap();
        assert_eq!(state["x"].as_f64(), Some(x));
    }
}
