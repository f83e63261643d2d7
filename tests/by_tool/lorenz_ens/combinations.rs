//! Flags that would be ignored with others are refused together, before anything is computed or written.

use std::fs;

use harness::Tool;

use crate::lorenz;

#[test]
fn flags_that_decide_nothing_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let flag = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let all_of = |base: &str, others: &[&str]| -> Vec<(Vec<String>, String, String)> {
        let first = base.split([' ', '=']).find(|word| word.starts_with("--")).unwrap();
        let name = |other: &str| other.split([' ', '=']).next().unwrap().to_owned();
        others.iter().map(|other| ([flag(base), flag(other)].concat(), first.to_owned(), name(other))).collect()
    };
    let grid = "--grid 90:-90:9,0:350:36 -o a";
    let encoding = [
        "--chunks 4,4",
        "--codec zstd",
        "--cname lz4",
        "--clevel 1",
        "--shuffle auto",
        "--split auto",
        "--blocksize 64K",
        "--verify none",
    ];
    let mut cases = all_of(
        grid,
        &[
            "--members 3",
            "--steps 3",
            "--rng philox",
            "--ics i.csv",
            "--method serial",
            "--to zarr",
            "--on-divergence stop",
            "--check",
            "--compare",
            "--scaling",
            "--stats",
            "--plot a.svg",
        ],
    );
    for measure in ["--check", "--compare", "--scaling"] {
        let others = ["--every 2", "--on-divergence stop", "--method serial", "--to csv", "--stats"];
        cases.extend(all_of(&format!("{measure} -m 3"), &others));
        let both = format!("-o a.zarr {measure} -m 3");
        cases.push((flag(&both), measure.into(), "--output".into()));
    }
    cases.extend(all_of("--check -m 3", &["--compare", "--scaling", "--plot a.svg"]));
    cases.extend(all_of("--scaling=1,2 -m 3", &["--compare", "--jobs 2"]));
    let stats = ["--prepare --parts 2", "--resume", "--dry-run", "--checkpoint 1s"];
    cases.extend(all_of("--stats -m 3 -o a.zarr", &[&encoding[..], &stats].concat()));
    cases.extend(all_of("--plot a.svg -m 3 -o a.zarr", &["--dry-run", "--prepare --parts 2"]));
    for step in ["--part 1/2", "--status", "--finish", "--part-index 0 --parts 2"] {
        let others =
            ["--members 3", "--seed 1", "--rho 2", "--every 2", "--stats", "--plot a.svg", "--zarr-format 2", "--dt 1"];
        cases.extend(all_of(&format!("{step} -o a.zarr"), &[&others[..], &encoding[..7]].concat()));
    }
    cases.extend(all_of("--ics i.csv", &["--members 3", "--seed 3", "--rng philox", "--center 1,2,3", "--spread 1"]));
    for (arguments, one, other) in cases {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let outcome = lorenz(directory.path(), &arguments).expect(2);
        assert!(outcome.stderr.contains("cannot be used with"), "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(&one) && outcome.stderr.contains(&other), "{arguments:?}: {}", outcome.stderr);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is written");
}

#[test]
fn options_for_another_kind_of_output_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let stores =
        [("--chunks", "4,4"), ("--zarr-format", "3"), ("--cname", "lz4"), ("--verify", "none"), ("--codec", "zstd")];
    for (flag, value) in stores {
        let none = lorenz(directory.path(), &["-m", "3", flag, value]).expect(2);
        assert!(none.stderr.contains("missing option: -o DST") && none.stderr.contains(flag), "{}", none.stderr);
        let rows = lorenz(directory.path(), &["-m", "3", flag, value, "-o", "a.csv"]).expect(2);
        assert!(rows.stderr.contains(&format!("{flag} is for Zarr stores")), "{}", rows.stderr);
    }
    for (arguments, words) in [
        (&["-m", "3", "--resume", "-o", "a.csv"][..], "--resume is for Zarr stores"),
        (&["-m", "3", "--dry-run", "-o", "a.jsonl"], "--dry-run is for Zarr stores"),
        (&["-m", "3", "--dry-run"], "missing option: -o DST"),
        (&["-m", "3", "--checkpoint", "1s", "-o", "a.csv"], "--checkpoint is for Zarr stores"),
        (&["-m", "3", "--checkpoint", "1s"], "missing option: -o DST"),
        (&["-m", "3", "--scaling=0"], "use a number from 1 to 1024"),
        (&["--grid", "90:-90:9,0:350:36", "--chunks", "latitude=3,time=2", "-o", "a"], "with --grid time=6"),
        (&["-m", "3", "--overwrite"], "--overwrite"),
        (&["-m", "3", "--to", "csv"], "--to csv prints rows instead of records"),
        (&["-m", "3", "--to", "jsonl"], "--to jsonl cannot be used with --format table"),
        (&["-m", "3", "--times", "3"], "missing option: --grid GRID, for --times"),
        (&["-m", "3", "--variables", "3"], "missing option: --grid GRID, for --variables"),
        (&["-m", "3", "--batches", "3"], "missing option: --grid GRID, for --batches"),
        (&["-m", "3", "--faults", "-o", "a.zarr"], "missing option: --grid GRID, for --faults"),
        (&["-m", "3", "--file-ids", "4"], "missing option: --grid GRID, for --file-ids"),
        (&["--grid", "90:-90:9,0:350:36", "--chunks", "member=3,time=2", "-o", "a"], "chunks hold whole maps"),
        (&["-m", "3", "-o", "a.parquet"], "cannot write .parquet files"),
        (&["-m", "3", "-o", "a.nc"], "cannot write .nc files"),
        (&["-m", "3", "--stats", "-o", "a.npy"], "cannot write .npy files"),
        (&["-m", "3", "-o", "a.zip"], "zip archives are read-only"),
        (&["-m", "3", "-o", "s3://bucket/a.csv"], "written to local files only"),
        (&["-m", "3", "--to", "jsonl", "-o", "gs://bucket/a"], "written to local files only"),
    ] {
        let outcome = match arguments {
            [.., "jsonl"] => {
                let tool = Tool::new("lorenz-ens").current_dir(directory.path());
                tool.args(arguments).args(["--format", "table"]).run()
            }
            _ => lorenz(directory.path(), arguments),
        };
        assert!([2, 7].contains(&outcome.code), "{arguments:?}: {} {}", outcome.code, outcome.stderr);
        assert!(outcome.stderr.contains(words), "{arguments:?}: {}", outcome.stderr);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is written");
}

#[test]
fn numbers_that_would_overflow_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let grid = ["--grid", "90:-90:3,0:350:3", "-o", "a"];
    for (arguments, words) in [
        (&["-m", "3", "--steps", "9007199254740993"][..], "--steps"),
        (&["-m", "3", "--steps", "18446744073709551615"], "--steps"),
        (&["-m", "3", "--every", "9007199254740993"], "--every"),
        (&["--file-ids", "9223372036854775806:9223372036854775807"], "--file-ids"),
        (&["--file-ids", "-9223372036854775808:9223372036854775807"], "--file-ids"),
        (&["--file-ids", "4611686018427387904", "--batches", "2"], "--file-ids"),
        (&["--file-ids", "0:4611686018427387904"], "too large to be written"),
        (&["--times", "1000000", "--every", "11"], "--times and --every"),
        (&["--times", "2", "--every", "9007199254740992"], "--times and --every"),
    ] {
        let all = if arguments.contains(&"-m") { arguments.to_vec() } else { [&grid[..], arguments].concat() };
        let outcome = lorenz(directory.path(), &all).expect(2);
        assert!(outcome.stderr.contains(words), "{arguments:?}: {}", outcome.stderr);
    }
    // The largest that are allowed.
    let most = ["--steps", "9007199254740992", "--every", "9007199254740992", "-m", "2"];
    lorenz(directory.path(), &[&most[..], &["-o", "b.zarr", "--dry-run"]].concat()).expect(0);
    let one = [&grid[..], &["--times", "1", "--every", "9007199254740992"]].concat();
    lorenz(directory.path(), &one).expect(0);
    let far = ["--file-ids", "4611686018427387902:4611686018427387904", "--times", "2"];
    lorenz(directory.path(), &[&grid[..2], &far, &["-o", "far"]].concat()).expect(0);
}

/// What requires --status never starts a run.
#[test]
fn the_missing_parts_are_asked_for_with_status() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (&["--missing"][..], "--status"),
        (&["--missing", "-m", "3"], "--missing"),
        (&["--missing", "-m", "3", "-o", "a.zarr"], "--missing"),
        (&["--missing", "--from-zero", "-m", "3", "-o", "a.zarr"], "--missing"),
        (&["--missing", "--finish", "-o", "a.zarr"], "--missing"),
        (&["--missing", "--part", "1/2", "-o", "a.zarr"], "--missing"),
        (&["--from-zero", "-m", "3"], "--from-zero"),
    ] {
        let refused = lorenz(directory.path(), arguments).expect(2);
        assert!(refused.stderr.contains(words) && refused.stdout.is_empty(), "{arguments:?}: {}", refused.stderr);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is written");
}
