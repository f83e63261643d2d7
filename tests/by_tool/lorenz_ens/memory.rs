//! `--max-memory` holds: what fits stays within it, and what does not is refused before it is computed.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::lorenz;

/// Besides what is counted: the program itself, its threads, and buffers of a fixed size.
const BESIDES: u64 = 24 << 20;

/// The program and its threads alone.
const PROGRAM: u64 = 16 << 20;

/// Runs with a limit of so many MiB, and checks that the peak is below it, and what the program needs anyway.
fn within(directory: &Path, mebibytes: u64, arguments: &[&str]) {
    let limit = format!("{mebibytes}M");
    let outcome = lorenz(directory, &[arguments, &["--max-memory", &limit, "--timing", "-j2"]].concat()).expect(0);
    let peak = outcome.summary()["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < (mebibytes << 20) + BESIDES, "{arguments:?}: {} MiB", peak >> 20);
}

fn refused(directory: &Path, mebibytes: u64, arguments: &[&str]) {
    let limit = format!("{mebibytes}M");
    let outcome = lorenz(directory, &[arguments, &["--max-memory", &limit]].concat()).expect(2);
    assert!(outcome.stderr.contains("--max-memory"), "{arguments:?}: {}", outcome.stderr);
}

#[test]
fn states_fit_or_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let million = ["--members", "1000000", "--steps", "4"];
    // Without the limit: 24 bytes for each member, and copy.
    for (more, bytes) in [
        (&["--stats"][..], 56),
        (&["--stats", "-o", "s.zarr"], 56),
        (&["--check"], 72),
        (&["--every", "2", "-o", "a.csv"], 72),
        (&["-o", "a.zarr", "--chunks", "500,5"], 48),
    ] {
        let mebibytes = (1_000_000 * bytes) >> 20;
        refused(directory.path(), mebibytes / 2 - 1, &[&million[..], more].concat());
        within(directory.path(), mebibytes + 12, &[&million[..], more].concat());
    }
}

#[test]
fn parts_keep_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let ensemble = ["--members", "1000000", "--steps", "4", "--chunks", "500,5"];
    lorenz(directory.path(), &[&ensemble[..], &["--prepare", "--parts", "3", "-o", "a.zarr"]].concat()).expect(0);
    refused(directory.path(), 20, &["--part", "3/3", "-o", "a.zarr"]);
    for part in ["1/3", "2/3", "3/3"] {
        within(directory.path(), 40, &["--part", part, "-o", "a.zarr"]);
    }
    // The states are not needed any more.
    within(directory.path(), 4, &["--status", "-o", "a.zarr"]);
    within(directory.path(), 4, &["--finish", "-o", "a.zarr"]);
}

#[test]
fn statistics_of_many_times_are_written_on_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let many = ["--members", "2", "--steps", "200000", "--every", "1", "--stats", "-o", "s.zarr"];
    within(directory.path(), 8, &many);
}

#[test]
fn a_file_of_initial_conditions_is_not_read_beyond_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = BufWriter::new(File::create(directory.path().join("ics.csv")).unwrap());
    (0..400_000).for_each(|member| writeln!(file, "{member},0.125,20.5").unwrap());
    file.into_inner().unwrap();
    let given = ["--ics", "ics.csv", "--steps", "4"];
    let refused = |mebibytes: u64, more: &[&str]| refused(directory.path(), mebibytes, &[&given[..], more].concat());
    refused(1, &["--stats"]);
    refused(20, &["--stats"]);
    refused(60, &["-o", "a.zarr"]);
    within(directory.path(), 48, &[&given[..], &["--stats"]].concat());
    within(directory.path(), 128, &[&given[..], &["-o", "a.zarr"]].concat());
}

#[test]
fn grids_fit_or_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let grid = ["--grid", "90:-90:361,0:359.5:720", "--times", "3", "--variables", "3", "--file-ids", "2", "-o", "a"];
    refused(directory.path(), 16, &grid);
    within(directory.path(), 48, &grid);
}

/// A worker that waits for memory holds none, and a chunk is encoded by no more threads than there is memory for.
#[test]
fn more_jobs_than_fit_need_no_more_memory() {
    let directory = harness::directory();
    let large = ["-m", "16000", "-s", "400", "--chunks", "8000,201"];
    let few = ["-m", "8000", "-s", "200", "--chunks", "8000,201"];
    // The tables of the strongest compression are larger than the chunk.
    for (ensemble, mebibytes, clevel) in [(&large, 45, "1"), (&large, 45, "5"), (&few, 70, "9")] {
        for jobs in ["1", "8"] {
            let (limit, output) = (format!("{mebibytes}M"), format!("{clevel}-{jobs}.zarr"));
            let more = ["--max-memory", &limit, "--clevel", clevel, "-j", jobs, "-o", &output, "--timing"];
            let outcome = lorenz(directory.path(), &[&ensemble[..], &more].concat()).expect(0);
            let peak = outcome.summary()["peak_memory_bytes"].as_u64().unwrap();
            assert!(peak < (mebibytes << 20) + PROGRAM, "-j {jobs} --clevel {clevel}: {} MiB", peak >> 20);
        }
    }
    refused(directory.path(), 45, &[&few[..], &["--clevel", "9", "-o", "refused.zarr"]].concat());
}
