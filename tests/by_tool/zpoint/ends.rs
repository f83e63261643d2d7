//! Hints that work when followed, outputs of records, and totals that do not depend on the number of workers.

use std::fs;

use harness::{Fault, ObjectServer};
use rustix::process::Signal;

use crate::outputs::{at, ended, over};
use crate::plans::{POINTS, map, small_chunks};
use crate::scene::{Scene, first, hours, latitude, longitude, outputs, summary, temperature};

/// The memory limit that a hint suggests.
#[track_caller]
fn advice(stderr: &str) -> String {
    let (_, rest) = stderr.split_once("--max-memory ").unwrap_or_else(|| panic!("no advice: {stderr}"));
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn the_advice_on_memory_for_a_chunk_works() {
    let scene = Scene::of(&map());
    let outcome = scene.at(0.0, 0.0, &["--max-memory", "4M", "-o", &scene.text("out.csv")]).expect(2);
    assert!(outcome.stderr.contains("--max-memory"), "{}", outcome.stderr);
    assert!(scene.names().is_empty(), "{:?}", scene.names());
    for flags in [&[][..], &["--dry-run"]] {
        let outcome = scene.at(0.0, 0.0, &[&["--max-memory", "4M"], flags].concat()).expect(2);
        let text = advice(&outcome.stderr[outcome.stderr.find("hint").unwrap()..]);
        scene.at(0.0, 0.0, &[&["--max-memory", &text], flags].concat()).expect(0);
    }
}

#[test]
fn the_advice_on_memory_for_points_works() {
    let scene = Scene::globe();
    let lines: String = (0..40_000).map(|n| format!("{},{}\n", n % 180 - 90, n / 180)).collect();
    let path = scene.file("points.csv", &format!("lat,lon\n{lines}"));
    let flags = ["--points", &path, "--isel", "time=0:2", "-f", "csv"];
    let outcome = scene.run(&[&flags[..], &["--max-memory", "1M"]].concat()).expect(2);
    let text = advice(outcome.stderr.split_once("hint").unwrap().1);
    let outcome = scene.run(&[&flags[..], &["--max-memory", &text]].concat()).expect(0);
    assert_eq!(outcome.stdout.lines().count(), 80_001);
}

/// A file of records, replaced with --overwrite.
#[test]
fn a_file_of_records_is_replaced_when_asked() {
    let scene = Scene::globe();
    let flags = ["-f".to_owned(), "jsonl".to_owned(), "-o".to_owned(), scene.text("out.jsonl")];
    scene.run(&at(&flags, &["--isel", "time=0"])).expect(0);
    let before = outputs(&scene);
    scene.run(&at(&flags, &["--overwrite"])).expect(0);
    assert!(outputs(&scene) != before);
}

/// Rows as records appear only when they are complete, as in other formats.
#[test]
fn a_file_of_records_that_is_not_complete_is_not_there() {
    let axes = [latitude("lat", 4, 0.0, 20.0), longitude("lon", 4, 0.0, 20.0), hours(120)];
    let fields: Vec<_> = axes.into_iter().chain([temperature(120, 4, 4)]).collect();
    let scene = Scene::of(&fields);
    let flags = ["-f".to_owned(), "jsonl".to_owned(), "-o".to_owned(), scene.text("out.jsonl")];
    let outcome = ended(&scene, &at(&flags, &[]), Signal::INT).expect(130);
    assert!(scene.names().is_empty(), "{:?}: {}", scene.names(), outcome.stderr);
    let fault = Fault::Status { key_contains: "t/2.0.0".into(), status: 403 };
    let server = ObjectServer::start(scene.directory.path(), vec![fault]);
    over(&server).args(at(&flags, &[])).run().expect(6);
    assert!(scene.names().is_empty(), "{:?}", scene.names());
}

/// The coordinate that was not chosen is not data either.
#[test]
fn the_other_latitude_is_no_column() {
    let scene = crate::grids::twice();
    assert_eq!(first(&scene.at(-40.0, 40.0, &["--lat-name", "lat_mirror"]).expect(0)), Some(3.0));
    let row = scene.at(30.0, 30.0, &["--lat-name", "lat"]).expect(0).of_type("row").remove(0);
    assert!(row.get("lat_mirror").is_none(), "{row}");
}

/// A missing chunk has no bytes, even if the buffer of its reader held some.
#[test]
fn what_was_read_does_not_depend_on_who_read_it() {
    let scene = small_chunks();
    let run = |jobs: &str| summary(&scene.run(&[&POINTS[..], &[jobs]].concat()).expect(0));
    let one = run("-j1");
    assert!((0..20).all(|_| run("-j4") == one));
    let lone = Scene::globe();
    fs::remove_file(lone.store.join("t/2.0.0")).unwrap();
    let stored: u64 = ["t/0.0.0", "t/1.0.0"].iter().map(|key| fs::metadata(lone.store.join(key)).unwrap().len()).sum();
    let figures = summary(&lone.at(50.0, 30.0, &["-j1", "--partial-decode", "off"]).expect(0));
    assert_eq!(figures["bytes_read"], stored);
}

/// A reader that has closed the output gets no warnings.
#[test]
fn a_closed_pipe_is_quiet_though_chunks_are_missing() {
    let scene = small_chunks();
    let (child, stdout) = harness::spawn_unread(scene.tool(&POINTS));
    drop(stdout);
    let outcome = child.end();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("not stored"), "{}", outcome.stderr);
}
