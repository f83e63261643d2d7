//! Tools glued together, as scripts glue them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Stdio;
use std::time::Duration;

use harness::{MakeArray, Tool, directory, fixture, fixtures, spawn, tree};
use rustix::process::Signal;

#[test]
fn inspect_reads_stores_from_another_inspect() {
    let first =
        Tool::new("zinspect").current_dir(&fixtures()).args(["weather-v2.zarr", "v3-codecs.zarr"]).run().expect(0);
    let second = Tool::new("zinspect").current_dir(&fixtures()).args(["--stores-from", "-"]).run_on(&first.stdout);
    assert_eq!(second.stdout, first.stdout);
}

/// A pipe that stays open and says nothing holds no run back.
#[test]
fn a_signal_ends_a_run_that_waits_for_standard_input() {
    let directory = directory();
    let (to, store) = (directory.path().join("out.zarr"), fixture("era5-uk-v2.zarr"));
    let (to, store) = (to.to_str().unwrap(), store.to_str().unwrap());
    let runs: [(&str, &[&str]); 9] = [
        ("zfetch", &["--stores-from", "-", "--cache", to]),
        ("zfetch", &["--repair", "-", "--cache", to]),
        ("zfetch", &["--repair", "-", store, "--to", to]),
        ("zfetch", &["--points", "-", store, "--to", to]),
        ("zpoint", &["--points", "-", store]),
        ("zpoint", &["--points", "-", store, "-o", to]),
        ("zrecompress", &["--stores-from", "-", "--out-dir", to]),
        ("zvalidate", &["--stores-from", "-", "--write-manifest", to]),
        ("zinspect", &["--stores-from", "-"]),
    ];
    for (tool, arguments) in runs {
        for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
            let mut silent = Tool::hermetic(tool).args(arguments).arg("--json");
            silent.0.stdin(Stdio::piped());
            let mut run = spawn(silent);
            std::thread::sleep(Duration::from_millis(300));
            assert!(!run.has_ended(), "{tool} {arguments:?}: {:?}", run.end());
            run.signal(signal);
            let outcome = run.end_within(Duration::from_secs(20));
            assert_eq!(outcome.code, code, "{tool} {arguments:?}: {outcome:?}");
        }
    }
}

/// The advice of `zinspect`, taken, leads to a store of which it has nothing more to say.
#[test]
fn the_command_of_a_verdict_works_and_cures_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("it's a store.zarr");
    MakeArray { codec: None, noise_bits: 4, ..MakeArray::default() }.write(&store);
    let before = Tool::new("zinspect").arg(&store).run().expect(0).record("array", "/");
    assert_eq!((&before["verdict"], &before["recompress_helps"]), (&"stored_raw".into(), &true.into()));

    let command = before["command"].as_str().unwrap();
    let path = harness::binary("zrecompress");
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", command])
        .env("PATH", path.parent().unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{command}");
    let written = directory.path().join("it's a store.recompressed");
    let after = Tool::new("zinspect").arg(&written).run().expect(0).record("array", "/");
    assert_eq!((&after["verdict"], &after["recompress_helps"]), (&"ok".into(), &false.into()), "{after}");
}

/// A detour over another codec leads to the same bytes as the direct way.
#[test]
fn a_detour_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let [detour, end, direct] = ["detour", "end", "direct"].map(|name| directory.path().join(name));
    let source = fixture("weather-v2.zarr");
    let settings = ["--cname", "lz4", "--clevel", "4", "--shuffle", "bitshuffle", "--min-size", "0"];
    Tool::new("zrecompress").arg(&source).arg(&detour).args(["--cname", "zstd", "--min-size", "0"]).run().expect(0);
    Tool::new("zrecompress").arg(&detour).arg(&end).args(settings).run().expect(0);
    Tool::new("zrecompress").arg(&source).arg(&direct).args(settings).run().expect(0);
    assert!(tree(&end) == tree(&direct) && tree(&end) != tree(&detour));
    Tool::new("zinspect").args(["--check-consolidated", "-q"]).arg(&end).run().expect(0);
}
