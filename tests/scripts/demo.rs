//! `demo.sh`: every tool on a generated archive, from the faults to the picture.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::{Tool, binary, directory, repository, spawn};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The demo, which runs in `directory` or writes below it.
fn demo(directory: &Path) -> Tool {
    let mut command = Command::new(repository().join("scripts/demo.sh"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("ZTOOLS_BIN", binary("zinspect").parent().unwrap());
    command.env("HOME", "/nonexistent").env("TMPDIR", directory);
    Tool(command).current_dir(directory)
}

fn last_record(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn the_demo_finds_and_mends_what_was_planted() {
    let root = directory();
    let run = demo(root.path()).args(["--keep", "my demo"]).run().expect(0);
    let out = root.path().join("my demo");

    let table = run.stdout.split_once("\nSTEP ").unwrap().1;
    let steps = [
        "lorenz-ens ",
        "zinspect ",
        "zfetch ",
        "zfetch again ",
        "zvalidate ",
        "zfetch --repair ",
        "zdedup ",
        "zpoint ",
        "zrecompress ",
        "zpoint again ",
        "lorenz-ens ",
    ];
    let rows: Vec<&str> = table.lines().skip(1).take(steps.len()).collect();
    assert!(rows.len() == steps.len() && rows.iter().zip(steps).all(|(row, step)| row.starts_with(step)), "{table}");
    assert!(rows[6].ends_with("26 duplicates of 95 file_ids"), "{table}");
    let commands = run.stdout.lines().filter(|line| line.starts_with("$ ")).count();
    assert!(commands > 20, "{commands} commands are printed");

    let dedup = last_record(&out.join("dedup.jsonl"));
    let counts = ["values", "duplicates", "identical", "kept"].map(|name| &dedup[name]);
    assert_eq!(counts, [&json!(95), &json!(26), &json!(26), &json!(69)]);
    let metadata: Value = serde_json::from_slice(&fs::read(out.join("all.zarr/t2m/zarr.json")).unwrap()).unwrap();
    assert_eq!(metadata["shape"], json!([69, 30, 73, 144]));
    let lists = ["damaged.txt", "missing.txt"].map(|name| fs::read_to_string(out.join(name)).unwrap());
    assert!(lists[0].ends_with("batch_21.zarr/t2m/c/3/0/0/0\n") && lists[0].lines().count() == 1, "{lists:?}");
    assert!(lists[1].ends_with("batch_21.zarr/v10/c/3/0/0/0\n") && lists[1].lines().count() == 1, "{lists:?}");
    assert_eq!(last_record(&out.join("repair.jsonl"))["objects"], 3);
    assert_eq!(last_record(&out.join("again.jsonl"))["bytes"], 0);

    let rows = fs::read_to_string(out.join("point.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + 69 * 30);
    assert!(rows.lines().all(|row| !row.ends_with(',') && !row.contains(",,")), "every value is there");
    assert_eq!(fs::read_to_string(out.join("fixed.csv")).unwrap(), rows);
    let bytes_read = ["point.jsonl", "series.jsonl"].map(|name| last_record(&out.join(name))["bytes_read"].as_u64());
    assert!(bytes_read[0] > bytes_read[1].map(|bytes| 10 * bytes), "{bytes_read:?}");
    assert!(fs::read(out.join("point.parquet")).unwrap().starts_with(b"PAR1"));
    for name in ["map", "lorenz"] {
        let svg = fs::read_to_string(out.join(format!("{name}.svg"))).unwrap();
        assert!(svg.contains("<svg") && svg.trim_end().ends_with("</svg>"), "{name}");
        assert!(fs::read(out.join(format!("{name}.png"))).unwrap().starts_with(b"\x89PNG"), "{name}");
    }

    let again = demo(root.path()).args(["--keep", "my demo"]).run().expect(7);
    assert!(!again.stdout.contains("lorenz-ens "), "a directory is not written into: {}", again.stdout);
    for arguments in [&["--keep"][..], &["a.zarr"], &["--keep", "a", "b"]] {
        let refused = demo(root.path()).args(arguments).run().expect(2);
        assert!(refused.stderr.contains("--keep DIR"), "{arguments:?}: {}", refused.stderr);
    }
}

#[test]
fn the_demo_leaves_nothing_behind_after_ctrl_c() {
    let root = directory();
    let is_empty = || fs::read_dir(root.path()).unwrap().next().is_none();
    let mut running = spawn(demo(root.path()));
    assert!(running.reaches(|| !is_empty()), "the demo has begun");
    running.signal(Signal::INT);
    running.end().expect(130);
    assert!(is_empty());
}
