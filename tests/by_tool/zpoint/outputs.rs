//! Outputs: refused, replaced, complete or absent.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Fault, ObjectServer, Outcome, Tool, binary, spawn, spawn_unread};
use rustix::process::Signal;

use crate::made::Field;
use crate::scene::{Scene, hours, latitude, longitude, outputs, temperature};

/// Every format, by the name of its output.
pub const OUTPUTS: [&str; 5] = ["out.csv", "out.jsonl", "out.parquet", "out.npy", "out.zarr"];

/// Flags of every kind of output. Records have no temporary name: they are lines of the stream.
pub fn kinds(scene: &Scene) -> Vec<Vec<String>> {
    let files = OUTPUTS.iter().filter(|name| **name != "out.jsonl");
    let mut kinds: Vec<Vec<String>> = files.map(|name| vec!["-o".into(), scene.text(name)]).collect();
    let parts = ["-f", "parquet", "--partition-by", "point_id", "-o"].map(str::to_owned);
    kinds.push([&parts[..], &[scene.text("parts")]].concat());
    kinds
}

pub fn at<'a>(flags: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let own = ["--lat=50", "--lon=30", "--lat=0", "--lon=0"];
    own.iter().copied().chain(flags.iter().map(String::as_str)).chain(more.iter().copied()).collect()
}

#[test]
fn what_is_there_is_refused_and_replaced_when_asked() {
    let scene = Scene::globe();
    for flags in kinds(&scene) {
        scene.run(&at(&flags, &[])).expect(0);
        let before = outputs(&scene);
        let outcome = scene.run(&at(&flags, &["--isel", "time=0"])).expect(7);
        assert!(outcome.stderr.contains("already exists"), "{}", outcome.stderr);
        assert!(outputs(&scene) == before, "{flags:?} leaves it alone");
        scene.run(&at(&flags, &["--isel", "time=0", "--overwrite"])).expect(0);
        let after = outputs(&scene);
        assert!(after != before, "{flags:?}");
        scene.run(&at(&flags, &["--overwrite"])).expect(0);
        assert!(outputs(&scene) == before, "{flags:?}");
        for name in scene.names() {
            let path = scene.path(&name);
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
    }
}

#[test]
fn other_things_are_not_replaced() {
    let scene = Scene::globe();
    fs::create_dir(scene.path("letters")).unwrap();
    scene.file("letters/dear", "x");
    for format in ["csv", "parquet", "zarr"] {
        let outcome = scene.at(0.0, 0.0, &["-f", format, "-o", &scene.text("letters"), "--overwrite"]).expect(7);
        assert!(outcome.stderr.contains("not replaced"), "{}", outcome.stderr);
    }
    assert_eq!(scene.names(), ["letters"]);
    let store = scene.store.to_str().unwrap().to_owned();
    let before = harness::tree(&scene.store);
    scene.at(0.0, 0.0, &["-f", "zarr", "-o", &store]).expect(7);
    assert!(harness::tree(&scene.store) == before);
}

/// A server that gives everything but one chunk ends the run.
#[test]
fn a_failure_leaves_nothing_behind() {
    let scene = Scene::globe();
    let fault = Fault::Status { key_contains: "t/2.0.0".into(), status: 403 };
    let server = ObjectServer::start(scene.directory.path(), vec![fault]);
    for flags in kinds(&scene) {
        let outcome = over(&server).args(at(&flags, &[])).run().expect(6);
        assert!(outcome.stderr.contains("t/2.0.0"), "{}", outcome.stderr);
        assert!(scene.names().is_empty(), "{flags:?}: {:?}", scene.names());
    }
}

#[test]
fn an_output_without_a_directory_is_told_before_any_work() {
    let scene = Scene::globe();
    for name in OUTPUTS {
        let outcome = scene.at(0.0, 0.0, &["-o", &format!("/nowhere/{name}")]).expect(7);
        assert!(outcome.stderr.contains("/nowhere/"), "{}", outcome.stderr);
    }
}

/// Rows of a hundred thousand times, out of a small store.
fn long() -> Scene {
    let times = 100_000;
    let t = Field::new("t", &[("time", times), ("lat", 2), ("lon", 2)], |at| {
        (at[0] as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(24) as u32 as f64
    });
    Scene::of(&[latitude("lat", 2, 40.0, 1.0), longitude("lon", 2, 0.0, 1.0), hours(times), t.chunks(&[5000, 2, 2])])
}

/// A file system that is too small, in a name space of its own where the system lets us have one.
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let scene = long();
    fs::create_dir(scene.path("small")).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=256k none '{0}' || exit 77
         for name in out.csv out.jsonl out.parquet out.npy; do
           '{1}' '{2}' --lat 40 --lon 0 -o '{0}'/$name -f ${{name#out.}}
           echo $name $? $(ls -A '{0}') >&2
         done",
        scene.text("small"),
        binary("zpoint").display(),
        scene.store.display(),
    );
    let Ok(output) = Command::new("unshare").args(["-rm", "sh", "-c", &script]).output() else {
        return println!("skipped: there is no unshare(1) here");
    };
    let outcome = Outcome::of(output);
    if outcome.code == 77 || outcome.stderr.contains("unshare") {
        return println!("skipped: {}", outcome.stderr);
    }
    // A Zarr store of these values is small enough to fit.
    for name in ["out.csv", "out.jsonl", "out.parquet", "out.npy"] {
        assert!(outcome.stderr.lines().any(|line| line == format!("{name} 7")), "{name}: {}", outcome.stderr);
    }
    assert!(outcome.stderr.contains("No space left"), "{}", outcome.stderr);
}

/// A run over the store of a scene behind a server.
pub fn over(server: &ObjectServer) -> Tool {
    let tool = Tool::new("zpoint").args(["--anonymous", "--endpoint", &server.endpoint()]);
    tool.arg(server.s3_url("source.zarr"))
}

/// Runs over a server that takes its time, and ends them as soon as their output is begun.
pub fn ended(scene: &Scene, flags: &[&str], signal: Signal) -> Outcome {
    let server = ObjectServer::start(scene.directory.path(), vec![Fault::Slow { milliseconds: 50 }]);
    let child = spawn(over(&server).args(["--requests", "1", "-j1"]).args(flags));
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_reading = || server.served().iter().filter(|served| served.key.contains("source.zarr/t/")).count() > 2;
    while !is_reading() || scene.names().is_empty() {
        assert!(Instant::now() < deadline, "{flags:?}: nothing begins");
        std::thread::sleep(Duration::from_millis(2));
    }
    let started = Instant::now();
    child.signal(signal);
    let outcome = child.end();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    outcome
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let (rows, columns, times) = (4, 4, 120);
    let axes = [latitude("lat", rows, 0.0, 20.0), longitude("lon", columns, 0.0, 20.0), hours(times)];
    let fields: Vec<Field> = axes.into_iter().chain([temperature(times, rows, columns)]).collect();
    let scene = Scene::of(&fields);
    for flags in kinds(&scene) {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let outcome = ended(&scene, &at(&flags, &[]), signal);
            assert_eq!(outcome.code, code, "{flags:?}: {}", outcome.stderr);
            assert!(scene.names().is_empty(), "{flags:?}: {:?}", scene.names());
        }
    }
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let scene = long();
    for flags in [&["-f", "csv"][..], &["--json"], &["--format", "table"], &["--layout", "long", "-f", "csv"]] {
        let (child, stdout) = spawn_unread(scene.tool(&["--lat=40", "--lon=0"]).args(flags));
        let mut lines = BufReader::new(stdout.unwrap()).lines();
        assert!(lines.next().unwrap().is_ok());
        drop(lines);
        let outcome = child.end();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{flags:?}");
    }
}

/// Outputs beside each other have sidecars of their own, or none.
#[test]
fn sidecars_belong_to_one_output() {
    let scene = Scene::globe();
    for name in ["x.csv", "x.parquet", "x.npy"] {
        scene.at(50.0, 30.0, &["-o", &scene.text(name)]).expect(0);
    }
    let sidecars = ["x.csv.columns.jsonl", "x.npy.columns.jsonl", "x.npy.rows.csv", "x.parquet.columns.jsonl"];
    assert!(sidecars.iter().all(|name| scene.names().contains(&(*name).to_owned())), "{:?}", scene.names());
    let scene = Scene::globe();
    for name in ["y.csv", "y.npy"] {
        scene.at(50.0, 30.0, &["--no-sidecar", "-o", &scene.text(name)]).expect(0);
    }
    assert_eq!(scene.names(), ["y.csv", "y.npy"]);
}

/// `--format` takes the formats of rows as `-f` does.
#[test]
fn formats_of_rows_are_formats() {
    let scene = Scene::globe();
    let plain = scene.at(50.0, 30.0, &["-f", "csv"]).expect(0);
    assert_eq!(scene.at(50.0, 30.0, &["--format", "csv"]).expect(0).stdout, plain.stdout);
    scene.at(50.0, 30.0, &["--format", "parquet", "-o", &scene.text("a")]).expect(0);
    assert_eq!(&fs::read(scene.path("a")).unwrap()[..4], b"PAR1");
    assert!(scene.at(50.0, 30.0, &["--format", "csw"]).expect(2).stderr.contains("csv"));
    for flags in [["-o", "x.nc"], ["-f", "netcdf"]] {
        let outcome = scene.at(50.0, 30.0, &flags).expect(2);
        assert!(
            outcome.stderr.contains("NetCDF is not written") && outcome.stderr.contains("to_netcdf"),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn a_name_that_contradicts_the_format_or_its_directory_is_refused_with_one_that_does_not() {
    let scene = Scene::globe();
    let text = |name: &str| scene.text(name);
    for (flags, code, words) in [
        (
            vec!["-o".into(), text("x.parquet"), "-f".into(), "csv".into()],
            2,
            ["one of parquet", "x.csv, or -f parquet"],
        ),
        (vec!["-o".into(), text("x.jsonl"), "-f".into(), "npy".into()], 2, ["one of jsonl", "x.npy, or -f jsonl"]),
        (
            vec!["-o".into(), text("new/"), "-f".into(), "csv".into()],
            2,
            ["new/: is the name of a directory", "points.csv"],
        ),
        (vec!["-o".into(), text("none/x.csv")], 7, ["none/x.csv: the directory does not exist", "none"]),
        (vec!["-o".into(), text("none/x.jsonl")], 7, ["none/x.jsonl: the directory does not exist", "none"]),
    ] {
        let outcome = scene.run(&at(&flags, &[])).expect(code);
        words.iter().for_each(|word| assert!(outcome.stderr.contains(word), "{word}: {}", outcome.stderr));
        assert!(
            code == 2 || outcome.stderr.contains("hint: create the directory first: mkdir -p "),
            "{}",
            outcome.stderr
        );
        assert!(scene.names().is_empty(), "{:?}", scene.names());
    }
    let flags = vec!["-o".to_owned(), text("x.csv")];
    scene.run(&at(&flags, &[])).expect(0);
    let outcome = scene.run(&at(&flags, &[])).expect(7);
    assert!(outcome.stderr.contains("x.csv: already exists"), "not its sidecar: {}", outcome.stderr);
}

#[test]
fn a_table_of_many_points_shows_the_first_and_names_the_output() {
    let scene = Scene::globe();
    let lines: String = (0..50).map(|number| format!("p{number},0,{number}\n")).collect();
    let points = scene.file("points.csv", &format!("id,lat,lon\n{lines}"));
    let run = |name: &str, more: &[&str]| {
        let output = scene.text(name);
        scene.run(&[&["--points", &points, "-o", &output, "--format", "table"], more].concat()).expect(0).stdout
    };
    let table = run("x.csv", &[]);
    assert_eq!(table.lines().filter(|line| line.starts_with('p')).count(), 20, "{table}");
    assert!(table.contains("\n30 more points; -v lists all\n"), "{table}");
    assert!(table.lines().last().unwrap().ends_with(&format!(" written to {}", scene.text("x.csv"))), "{table}");
    assert_eq!(run("y.csv", &["-v"]).lines().filter(|line| line.starts_with('p')).count(), 50);
}
