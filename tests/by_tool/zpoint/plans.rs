//! Plans, memory limits, parts and workers.

use std::fs;

use serde_json::Value;

use crate::made::{Field, LZ4};
use crate::outputs::OUTPUTS;
use crate::scene::{COLUMNS, ROWS, Scene, TIMES, globe, latitude, longitude, summary, values};

/// A map of 4 MB in one chunk.
pub fn map() -> Vec<Field> {
    let noise = |at: &[usize]| ((at[0] * 7919 + at[1] * 104_729) % 1_000_003) as f64 + at[1] as f64 / 1024.0;
    let t = Field::new("t", &[("time", 2), ("lat", 1024), ("lon", 1024)], move |at| noise(&at[1..]) + at[0] as f64);
    let axes = [latitude("lat", 1024, -51.2, 0.1), longitude("lon", 1024, 0.0, 0.1)];
    axes.into_iter().chain([t.chunks(&[1, 1024, 1024]).codec(LZ4)]).collect()
}

#[test]
fn too_little_memory_is_refused_before_any_work() {
    let scene = Scene::of(&map());
    let outcome = scene.at(0.0, 0.0, &["--max-memory", "4M", "-o", &scene.text("out.csv")]).expect(2);
    assert!(outcome.stderr.contains("--max-memory"), "{}", outcome.stderr);
    assert!(scene.names().is_empty(), "{:?}", scene.names());
    for flags in [&[][..], &["--dry-run"]] {
        scene.at(0.0, 0.0, &[&["--max-memory", "4M"], flags].concat()).expect(2);
        // Two copies of the largest chunk, which may take half of it.
        scene.at(0.0, 0.0, &[&["--max-memory", "16M"], flags].concat()).expect(0);
    }
}

/// The globe in small chunks, some of them missing, and a variable without a grid.
pub fn small_chunks() -> Scene {
    let mut fields = globe();
    fields[3] = crate::scene::temperature(TIMES, ROWS, COLUMNS).chunks(&[4, 5, 7]).codec(LZ4);
    let dimensions = [("time", TIMES), ("level", 3), ("lat", ROWS), ("lon", COLUMNS)];
    fields.push(Field::new("q", &dimensions, |at| at[1] as f64).chunks(&[5, 2, 10, 36]));
    fields.push(Field::new("orography", &[("lat", ROWS), ("lon", COLUMNS)], |at| at[0] as f64).chunks(&[4, 4]));
    fields.push(Field::new("forcing", &[("time", TIMES)], |at| at[0] as f64).chunks(&[4]));
    let scene = Scene::of(&fields);
    for key in ["t/0.0.0", "t/1.1.0", "q/0.1.0.0"] {
        fs::remove_file(scene.store.join(key)).unwrap();
    }
    scene
}

pub const POINTS: [&str; 8] =
    ["--lat=50", "--lon=30", "--lat=-33", "--lon=151", "--lat=88", "--lon=-1", "--lat=52", "--lon=31"];

#[test]
fn a_dry_run_says_what_the_run_then_does() {
    let scene = small_chunks();
    for flags in [
        &[][..],
        &["--carry"],
        &["--isel", "time=0:3"],
        &["--isel", "time=-1", "--isel", "level=1:3"],
        &["--var", "q"],
        &["--part", "2/3"],
        &["--method", "linear"],
    ] {
        let arguments = [&POINTS[..], flags].concat();
        let plan = scene.run(&[&arguments[..], &["-n"]].concat()).expect(0);
        assert!(plan.of_type("row").is_empty());
        let (plan, run) = (plan.of_type("extraction").remove(0), summary(&scene.run(&arguments).expect(0)));
        let figure = |record: &Value, name: &str| record[name].as_u64().unwrap();
        assert_eq!(figure(&plan, "rows"), figure(&run, "rows"), "{flags:?}");
        assert_eq!(figure(&plan, "columns"), figure(&run, "columns"), "{flags:?}");
        let chunks = figure(&run, "chunks_read") + figure(&run, "chunks_missing");
        assert_eq!(figure(&plan, "chunks"), chunks, "{flags:?}");
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let scene = small_chunks();
    for name in ["out.csv", "out.parquet", "out.zarr"] {
        scene.run(&[&POINTS[..], &["-n", "-f", "csv"]].concat()).expect(0);
        let plan = scene.run(&[&POINTS[..], &["-n", "-f", name.rsplit_once('.').unwrap().1]].concat()).expect(0);
        assert!(plan.of_type("extraction")[0]["output_bytes"].as_u64().unwrap() > 0);
        assert!(scene.names().is_empty());
    }
}

#[test]
fn parts_are_shares_of_the_whole() {
    let scene = small_chunks();
    let run = |more: &[&str]| scene.run(&[&POINTS[..], &["-f", "csv"], more].concat()).expect(0).stdout;
    let whole = run(&[]);
    for of in [1, 2, 3, 6, 9] {
        let share = |number: u32| {
            let part = format!("{number}/{of}");
            let header = if number == 1 { &[][..] } else { &["--no-header"] };
            run(&[&["--part", part.as_str()], header].concat())
        };
        let shares: Vec<String> = (1..=of).map(share).collect();
        assert!(shares.concat() == whole, "{of}: {shares:?}");
        assert!(of > 6 || shares.iter().all(|share| !share.is_empty()), "{of}");
    }
}

#[test]
fn the_number_of_workers_changes_no_byte() {
    let scene = small_chunks();
    for name in OUTPUTS {
        let runs: Vec<_> = ["-j1", "-j4"]
            .into_iter()
            .map(|jobs| {
                let directory = harness::directory();
                let flags = ["--cast", "f32", "-f", name.rsplit_once('.').unwrap().1, "-o", name, jobs];
                let outcome = scene.tool(&POINTS).args(flags).current_dir(directory.path()).run().expect(0);
                (outcome.of_type("match"), outcome.stderr, harness::tree(directory.path()))
            })
            .collect();
        assert!(runs[0] == runs[1], "{name}");
    }
    for flags in [&["-f", "csv"][..], &["-f", "csv", "--layout", "long"]] {
        let run = |jobs: &str| scene.run(&[&POINTS[..], flags, &[jobs]].concat()).expect(0).stdout;
        assert!(run("-j1") == run("-j4"), "{flags:?}");
    }
}

/// Partial decoding changes only the amount of work.
#[test]
fn partial_decoding_changes_no_value() {
    let scene = Scene::of(&map());
    let points = ["--lat=0", "--lon=0", "--lat=-51.2", "--lon=102.3", "--lat=51.1", "--lon=50"];
    let run = |partial: &str| scene.run(&[&points[..], &["--partial-decode", partial]].concat()).expect(0);
    let (auto, off) = (run("auto"), run("off"));
    assert_eq!(values(&auto, "t"), values(&off, "t"));
    assert_eq!(values(&auto, "t"), values(&run("on"), "t"));
    let bytes = |outcome| summary(outcome)["bytes_read"].as_u64().unwrap();
    assert!(bytes(&auto) * 2 < bytes(&off), "{} of {}", bytes(&auto), bytes(&off));
    assert_eq!((summary(&auto)["chunks_whole"].as_u64(), summary(&off)["chunks_whole"].as_u64()), (Some(0), Some(2)));
}
