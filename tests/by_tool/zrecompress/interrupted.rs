//! Signals, kills and full disks.

use super::*;

/// A store large enough to be caught in the middle.
fn slow_run(directory: &TempDir) -> (PathBuf, PathBuf, Running) {
    let (source, target) = (directory.path().join("source.zarr"), directory.path().join("out.zarr"));
    MakeArray { chunk: 1 << 17, chunks: 120, ..MakeArray::default() }.write(&source);
    let mut child = spawn(Tool::new("zrecompress").arg(&source).arg(&target).args(["--clevel", "9", "-j1"]));
    assert!(child.reaches(|| written_something(directory)), "it never wrote anything");
    (source, target, child)
}

#[test]
fn a_signal_in_the_middle_leaves_no_half_store() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let directory = tempfile::tempdir().unwrap();
        let (source, target, child) = slow_run(&directory);
        let before = tree(&source);
        child.signal(signal);
        let outcome = child.end();
        assert_eq!(outcome.code, code, "{}", outcome.stderr);
        outcome.records();
        assert_eq!(tree(&source), before);
        assert!(!target.exists() && outcome.stderr.contains("--resume"), "{}", outcome.stderr);
        recompress(&source, &target, &["--clevel", "9", "--resume"]).expect(0);
        assert_eq!(decoded(&target), decoded(&source));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "only source and output are there");
    }
}

#[test]
fn a_kill_in_the_middle_leaves_no_store_under_the_final_name() {
    let directory = tempfile::tempdir().unwrap();
    let (source, target, child) = slow_run(&directory);
    child.kill();
    assert!(!target.exists());
    let outcome = recompress(&source, &target, &["--clevel", "1"]).expect(7);
    assert!(outcome.stderr.contains("an unfinished run exists"), "{}", outcome.stderr);
    let outcome = recompress(&source, &target, &["--clevel", "1", "--resume"]).expect(2);
    assert!(outcome.stderr.contains("--clevel"), "{}", outcome.stderr);
    recompress(&source, &target, &["--clevel", "1", "--overwrite"]).expect(0);
    assert!(target.join(".zarray").exists());
}

/// A file system of one megabyte, in a name space of its own where the system lets us have one.
#[test]
fn a_full_disk_is_an_output_failure() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.zarr");
    MakeArray { codec: None, noise_bits: 32, ..MakeArray::default() }.write(&source);
    let mount = directory.path().join("small");
    fs::create_dir(&mount).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=1m none '{0}' || exit 77; '{1}' '{2}' '{0}/out.zarr'; code=$?; ls -A '{0}' | wc -l >&2; exit $code",
        mount.display(),
        harness::binary("zrecompress").display(),
        source.display()
    );
    let unshare = std::process::Command::new("unshare").args(["-rm", "sh", "-c", &script]).output();
    let Ok(output) = unshare else { return println!("skipped: there is no unshare(1) here") };
    let outcome = Outcome::of(output);
    if outcome.code == 77 || outcome.stderr.contains("unshare") {
        return println!("skipped: {}", outcome.stderr);
    }
    let outcome = outcome.expect(7);
    assert!(outcome.stderr.contains("No space left"), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().last().unwrap().trim(), "0", "nothing is left: {}", outcome.stderr);
}
