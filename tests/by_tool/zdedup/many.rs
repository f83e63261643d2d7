//! Many batches, many values and many variables in bounded memory.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{ObjectServer, Outcome, Tool};
use serde_json::{Value, json};

use crate::scene::{Batch, batches};

/// Bytes that a run may take whatever the number of batches, values and variables.
const MOST_MEMORY: u64 = 150_000_000;

fn peak(outcome: &Outcome) -> u64 {
    outcome.summary()["peak_memory_bytes"].as_u64().unwrap()
}

/// Runs `zdedup` on the stores that a file names: command lines are shorter.
fn zdedup_of(list: &Path, more: &[&str]) -> Outcome {
    let limit = std::time::Duration::from_secs(300);
    Tool::new("zdedup")
        .args(["--json", "--timing", "--dim", "file_id", "--stores-from"])
        .arg(list)
        .args(more)
        .run_within(limit)
}

fn list_of(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("{}\n", path.display())).collect()
}

#[test]
fn ten_thousand_batches_of_a_million_values() {
    const BATCHES: usize = 10_000;
    const VALUES: i64 = 100;
    // Each begins with the last value of the one before.
    let batch = |number: usize| {
        let first = number as i64 * (VALUES - 1);
        Batch { chunk: VALUES as usize, ..Batch::of(first..first + VALUES) }
    };
    let (directory, paths) = batches(&(0..BATCHES).map(batch).collect::<Vec<_>>());
    let list = directory.path().join("stores.txt");
    fs::write(&list, list_of(&paths)).unwrap();
    let report = zdedup_of(&list, &[]).expect(1);
    let summary = report.summary();
    let counts = ["batches", "values", "duplicates", "identical"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(counts, [BATCHES as u64, 1_000_000, BATCHES as u64 - 1, BATCHES as u64 - 1]);
    assert!(peak(&report) < MOST_MEMORY, "{}", peak(&report));
    let output = directory.path().join("all.zarr");
    let planned = zdedup_of(&list, &["-n", "-o", output.to_str().unwrap()]).expect(0);
    assert_eq!(planned.summary()["kept"], 1_000_000 - (BATCHES as u64 - 1));
    assert!(peak(&planned) < MOST_MEMORY, "{}", peak(&planned));
    assert!(!output.exists());
}

#[test]
fn four_thousand_variables() {
    const VARIABLES: usize = 3_930;
    let all: Vec<Batch> = (0..6).map(|number| Batch::of(number * 3..number * 3 + 4)).collect();
    let (directory, paths) = batches(&all);
    for path in &paths {
        let document = |name: &str| fs::read(path.join("t2m").join(name)).unwrap();
        let [metadata, attributes] = [".zarray", ".zattrs"].map(document);
        for number in 0..VARIABLES {
            let variable = path.join(format!("v{number:04}"));
            fs::create_dir(&variable).unwrap();
            fs::write(variable.join(".zarray"), &metadata).unwrap();
            fs::write(variable.join(".zattrs"), &attributes).unwrap();
        }
    }
    let list = directory.path().join("stores.txt");
    fs::write(&list, list_of(&paths)).unwrap();
    let report = zdedup_of(&list, &[]).expect(1);
    assert_eq!(report.summary()["identical"], 5);
    assert!(peak(&report) < MOST_MEMORY, "{}", peak(&report));
    let output = directory.path().join("all.zarr");
    let written = zdedup_of(&list, &["-o", output.to_str().unwrap()]).expect(0);
    assert_eq!(written.summary()["kept"], 19);
    assert!(peak(&written) < MOST_MEMORY, "{}", peak(&written));
    let last: Value = serde_json::from_slice(&fs::read(output.join("v3929/.zarray")).unwrap()).unwrap();
    assert_eq!(last["shape"], json!([19, 2, 3]));
}

/// Batches of 1,500 variables with these lengths, in one directory. They share the directories of their variables; those of the first are
/// of their own, with `first` in place of `others` in the metadata.
#[cfg(unix)]
fn many_variables(directory: &Path, lengths: &[i64], [others, first]: [&str; 2]) -> PathBuf {
    let mut next = 0;
    let mut paths = Vec::new();
    for (number, length) in lengths.iter().enumerate() {
        let path = directory.join(format!("{number}.zarr"));
        Batch::of(next..next + length).write(&path);
        next += length;
        let shared = directory.join(format!("{length}_{}", number == 0));
        if !shared.exists() {
            let document = |name: &str| fs::read_to_string(path.join("t2m").join(name)).unwrap();
            let of = |text: String| if number == 0 { text.replace(others, first) } else { text };
            let [metadata, attributes] = [".zarray", ".zattrs"].map(|name| of(document(name)));
            for number in 0..1_500 {
                let variable = shared.join(format!("v{number:04}"));
                fs::create_dir_all(&variable).unwrap();
                fs::write(variable.join(".zarray"), &metadata).unwrap();
                fs::write(variable.join(".zattrs"), &attributes).unwrap();
            }
            fs::write(shared.join(".zgroup"), "{\"zarr_format\":2}").unwrap();
        }
        std::os::unix::fs::symlink(shared, path.join("more")).unwrap();
        paths.push(path);
    }
    let list = directory.join("stores.txt");
    fs::write(&list, list_of(&paths)).unwrap();
    list
}

/// Neither lengths that differ nor anything that differs from the first batch is held for each variable of each batch.
#[cfg(unix)]
#[test]
fn memory_does_not_grow_with_batches_times_variables() {
    let cases = [
        ("lengths", [""; 2], 0),
        ("codecs", ["\"compressor\":null", "\"compressor\":{\"id\":\"zstd\",\"level\":1}"], 0),
        ("units", ["\"units\":\"K\"", "\"units\":\"degC\""], 5),
    ];
    for (name, changed, exit) in cases {
        let of = |batches: i64| {
            let directory = harness::directory();
            let lengths: Vec<i64> = (0..batches).map(|number| if name == "lengths" { number + 1 } else { 2 }).collect();
            let list = many_variables(directory.path(), &lengths, changed);
            let output = directory.path().join("all.zarr");
            let outcome = zdedup_of(&list, &["-n", "-o", output.to_str().unwrap()]).expect(exit);
            if exit != 0 {
                let more = format!("({} more disagreements)", human(1_500 * (batches as u64 - 1) - 1));
                assert!(outcome.stderr.contains(&more), "{}", outcome.stderr);
            }
            peak(&outcome)
        };
        let [few, many] = [of(10), of(50)];
        assert!(many < few + 12_000_000, "{name}: {few} and {many}");
    }
}

/// A count with a space between thousands, as messages have it.
#[cfg(unix)]
fn human(count: u64) -> String {
    format!("{} {:03}", count / 1000, count % 1000)
}

/// Open stores of one server share its connections: each had about 0.25 MB of its own.
#[test]
fn hundreds_of_batches_on_a_server() {
    const BATCHES: i64 = 400;
    let (directory, _paths) = batches(&(0..BATCHES).map(|id| Batch::of([id])).collect::<Vec<_>>());
    let server = ObjectServer::start(directory.path(), Vec::new());
    let urls = (0..BATCHES).map(|number| format!("{}\n", server.s3_url(&format!("batch_{number:02}.zarr"))));
    let list = directory.path().join("urls.txt");
    fs::write(&list, urls.collect::<String>()).unwrap();
    let output = directory.path().join("all.zarr");
    let more = ["--anonymous", "--endpoint", &server.endpoint(), "-n", "-o", output.to_str().unwrap()];
    let planned = zdedup_of(&list, &more).expect(0);
    assert_eq!(planned.summary()["kept"], BATCHES);
    assert!(peak(&planned) < 80_000_000, "{}", peak(&planned));
}
