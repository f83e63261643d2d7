//! Bad input: nothing panics, what is wrong is named, and nothing is written.

use std::fs;
use std::process::Command;

use harness::{binary, tree};
use serde_json::json;

use crate::lorenz;

#[test]
fn sizes_that_are_zero_or_too_large_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (&["--members", "0"][..], "--members"),
        (&["--members", "-3"], "'-3'"),
        (&["--members", "1000000000000000"], "but --max-memory is"),
        (&["--members", "18446744073709551615", "--stats"], "but --max-memory is"),
        (&["--members", "1000000000000", "--steps", "1000000000000000", "-o", "a.zarr"], "too large to be written"),
        (&["--members", "100000", "--max-memory", "1M", "-o", "a.zarr"], "--max-memory"),
        (&["--members", "1000", "--chunks", "1000,5000", "--max-memory", "20M", "-o", "a.zarr"], "one object needs"),
        (&["--members", "3", "--dt", "0"], "positive"),
        (&["--members", "3", "--dt", "nan"], "positive"),
        (&["--members", "3", "--dt", "-0.01"], "positive"),
        (&["--members", "3", "--sigma", "inf"], "finite"),
        (&["--members", "3", "--center", "1,2"], "X,Y,Z"),
        (&["--members", "3", "--seed", "4294967296"], "--seed"),
        (&["--members", "3", "--every", "0"], "--every"),
        (&["--members", "3", "--chunks", "0,5", "-o", "a.zarr"], "--chunks"),
        (&["--members", "3", "--to", "zarr"], "missing option: -o DST"),
        (&["--members", "3", "--prepare", "--parts", "2"], "missing option: -o DST"),
        (&["--members", "3", "--stats", "--resume", "-o", "a.zarr"], "--stats"),
        (&["--members", "10", "--max-memory", "100", "--stats"], "but --max-memory is"),
        (&["-o", "a.zarr"], "missing option: --members N"),
    ] {
        let outcome = lorenz(directory.path(), arguments).expect(2);
        assert!(outcome.stderr.contains(words), "{arguments:?}: {}", outcome.stderr);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    let none = lorenz(directory.path(), &["--members", "2", "--steps", "0", "-o", "zero.zarr"]).expect(0);
    assert_eq!(none.summary()["member_steps"], 0);
}

#[test]
fn a_malformed_file_of_initial_conditions_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("x,y,z\n1,2,3\n4,five,6\n", "line 3: y is not a finite number: \"five\""),
        ("1,2,3\n4,5\n", "line 2: z is missing"),
        ("1,2,nan\n", "line 1: z is not a finite number"),
        ("", "no member is listed"),
        ("x,y,z\n1,2,3\n1,2,3,4\n", "line 3: found 4 of 3 columns"),
        ("x,x,y,z\n1,2,3,4\n", "line 1: column x occurs twice"),
        ("x,y\n1,2\n", "line 1: no column z: found x,y"),
        ("x,y,z\n1,\"2,3\n", "line "),
    ] {
        fs::write(directory.path().join("ics.csv"), text).unwrap();
        let outcome = lorenz(directory.path(), &["--ics", "ics.csv"]).expect(5);
        assert!(outcome.stderr.contains("ics.csv") && outcome.stderr.contains(words), "{text:?}: {}", outcome.stderr);
    }
    fs::write(directory.path().join("ics.csv"), b"1,2,3\n\xff,2,3\n").unwrap();
    lorenz(directory.path(), &["--ics", "ics.csv"]).expect(5);
    lorenz(directory.path(), &["--ics", "none.csv"]).expect(4);
    lorenz(directory.path(), &["--ics", "ics.csv", "--members", "3"]).expect(2);
}

#[test]
fn members_that_diverge_are_reported_with_their_step() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ics.csv"), "0,0,1\n-10,-10,25\n0,0,2\n").unwrap();
    let run = |more: &[&str]| {
        lorenz(directory.path(), &[&["--ics", "ics.csv", "--dt", "0.3", "--steps", "60"], more].concat()).expect(1)
    };
    let kept = run(&[]);
    assert_eq!(kept.of_type("state").len(), 3);
    let diverged = kept.of_type("diverged");
    assert_eq!((diverged.len(), &diverged[0]["member"]), (1, &json!(1)));
    assert_eq!(kept.summary()["diverged"], 1);
    let step = diverged[0]["step"].as_u64().unwrap();
    assert!(kept.stderr.contains(&format!("member 1 is not finite from step {step} on")), "{}", kept.stderr);
    // One step earlier, all is finite.
    let before = (step - 1).to_string();
    let fine = lorenz(directory.path(), &["--ics", "ics.csv", "--dt", "0.3", "--steps", &before]).expect(0);
    assert!(fine.of_type("state")[1]["x"].is_number());
    for more in [&["-o", "a.zarr"][..], &["-o", "a.csv"], &[]] {
        let stopped = run(&[more, &["--on-divergence", "stop"]].concat());
        assert!(stopped.stderr.contains("hint: reduce --dt") && stopped.of_type("state").is_empty());
        assert_eq!(stopped.of_type("diverged"), diverged);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is written");
    for (more, found) in [(&["-o", "a.zarr"][..], 1), (&["-o", "a.csv"], 1), (&["--stats"], 1)] {
        assert_eq!(run(more).of_type("diverged").len(), found, "{more:?}");
    }
}

/// Parts and a resumed run know what diverges from the plan.
#[test]
fn divergence_is_known_to_parts_and_resumed_runs() {
    let directory = tempfile::tempdir().unwrap();
    let ensemble = ["--members", "40", "--dt", "0.3", "--steps", "60", "--chunks", "8,20"];
    let run = |more: &[&str]| lorenz(directory.path(), &[&ensemble[..], more].concat());
    run(&["-o", "whole.zarr"]).expect(1);
    let prepared = run(&["--prepare", "--parts", "2", "-o", "parts.zarr"]).expect(1);
    assert_eq!(prepared.of_type("diverged").len(), 40);
    for part in ["1/2", "2/2"] {
        lorenz(directory.path(), &["--part", part, "-o", "parts.zarr"]).expect(0);
    }
    let finished = lorenz(directory.path(), &["--finish", "-o", "parts.zarr"]).expect(1);
    assert!(finished.stderr.contains("member 0 is not finite from step "), "{}", finished.stderr);
    let resumed = run(&["--resume", "-o", "whole.zarr"]).expect(1);
    assert!(resumed.stderr.contains("already complete"), "{}", resumed.stderr);
    assert!(tree(&directory.path().join("whole.zarr")) == tree(&directory.path().join("parts.zarr")));
    run(&["--prepare", "--parts", "2", "--on-divergence", "stop", "-o", "none.zarr"]).expect(1);
    assert!(!directory.path().join("none.zarr.plan").exists());
}

#[test]
fn an_output_that_exists_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [("a.csv", "mine"), ("a.jsonl", "mine")] {
        fs::write(directory.path().join(name), text).unwrap();
        let outcome = lorenz(directory.path(), &["--members", "2", "--steps", "3", "-o", name]).expect(7);
        assert!(outcome.stderr.contains("already exists"), "{}", outcome.stderr);
        assert_eq!(fs::read_to_string(directory.path().join(name)).unwrap(), text);
        lorenz(directory.path(), &["--members", "2", "--steps", "3", "--overwrite", "-o", name]).expect(0);
        assert!(fs::read_to_string(directory.path().join(name)).unwrap().len() > 100);
    }
    let write = |more: &[&str]| lorenz(directory.path(), &[&["--members", "2", "-o", "a.zarr"], more].concat());
    write(&[]).expect(0);
    write(&[]).expect(7);
    write(&["--overwrite"]).expect(0);
    let gone = lorenz(directory.path(), &["--members", "2", "-o", "no/such/a.csv"]).expect(7);
    assert!(gone.stderr.contains("the directory does not exist"), "{}", gone.stderr);
}

/// In a file system of its own, where that is allowed.
#[test]
fn a_full_disk_is_an_output_error_and_can_be_continued() {
    let directory = tempfile::tempdir().unwrap();
    let (place, tool) = (directory.path().display(), binary("lorenz-ens"));
    let script = format!(
        "mount -t tmpfs -o size=2m none '{place}' || exit 77
        cd '{place}'
        '{0}' --members 200 --codec none -o full.zarr && exit 1
        code=$?; [ $code = 3 ] || [ $code = 7 ] || exit 2
        [ -e full.zarr ] && exit 3
        rm -rf full.zarr.plan
        '{0}' --members 2000 -o full.csv; [ $? = 7 ] || exit 4
        [ -z \"$(ls -A)\" ] || exit 5
        '{0}' --members 20 --codec none -q -o fits.zarr && exit 6
        mount -o remount,size=64m '{place}'
        '{0}' --members 20 --codec none -q --resume -o fits.zarr || exit 7
        [ -e fits.zarr ] && [ ! -e fits.zarr.plan ]",
        tool.display()
    );
    let output = Command::new("unshare").args(["-rm", "sh", "-c", &script]).output();
    match output {
        Ok(output) if output.status.code() != Some(77) && output.status.code() != Some(1) => {
            assert!(output.status.success(), "{output:?}");
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(text.contains("No space left on device"), "{text}");
        }
        refused => println!("skipped: no file system of its own: {refused:?}"),
    }
}

/// A device, a pipe and a link keep their names; what is printed goes through them by redirection.
#[test]
fn only_a_regular_file_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("mine.csv"), "mine").unwrap();
    std::os::unix::fs::symlink("mine.csv", at("link.csv")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe.csv")).status().unwrap().success());
    let null = "/dev/null";
    for (name, hint) in
        [("link.csv", "choose another name"), ("pipe.csv", "--to csv > pipe.csv"), (null, "> /dev/null")]
    {
        for more in [&[][..], &["--overwrite"], &["--stats"], &["--stats", "--overwrite"]] {
            let refused = lorenz(directory.path(), &[&["-m", "3", "--to", "csv", "-o", name], more].concat()).expect(7);
            assert!(refused.stderr.contains(&format!("{name}: is not a regular file")), "{}", refused.stderr);
            assert!(refused.stderr.contains(hint) && !refused.stderr.contains("--overwrite"), "{}", refused.stderr);
        }
    }
    assert!(at("link.csv").symlink_metadata().unwrap().is_symlink());
    assert!(!at("pipe.csv").symlink_metadata().unwrap().is_file());
    lorenz(directory.path(), &["-m", "3", "--overwrite", "-o", "mine.csv"]).expect(0);
    for output in ["no/such/a.zarr", "no/such/a.csv"] {
        let gone = lorenz(directory.path(), &["-m", "3", "-o", output]).expect(7);
        assert!(gone.stderr.contains("hint: create the directory first: mkdir -p no/such"), "{}", gone.stderr);
    }
}

/// Also where the answer would be no.
#[test]
fn a_full_standard_output_is_a_failed_output() {
    let directory = tempfile::tempdir().unwrap();
    for more in [&[][..], &["--stats"], &["--plot", "a.svg"], &["--on-divergence", "stop"], &["--check"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(binary("lorenz-ens"));
        let done =
            command.current_dir(directory.path()).args(["-m", "3", "--dt", "1"]).args(more).stdout(full).output();
        let done = done.unwrap();
        let text = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(7), "{more:?}: {text}");
        assert!(text.contains("stdout: No space left on device"), "{more:?}: {text}");
    }
}

#[test]
fn members_that_diverge_are_reported_by_measures() {
    let directory = tempfile::tempdir().unwrap();
    for measure in ["--check", "--compare", "--scaling=1"] {
        let outcome = lorenz(directory.path(), &["-m", "3", "-s", "100", "--dt", "1", measure]).expect(1);
        let summary = outcome.summary();
        assert_eq!((&summary["diverged"], &summary["identical"]), (&json!(3), &json!(true)), "{measure}");
        assert_eq!(outcome.of_type("diverged").len(), 3, "{measure}");
        let fine = lorenz(directory.path(), &["-m", "3", "-s", "100", measure]).expect(0).summary();
        assert_eq!(fine["diverged"], 0, "{measure}");
    }
}

#[test]
fn rates_have_three_digits() {
    let directory = tempfile::tempdir().unwrap();
    for method in lorenz(directory.path(), &["-m", "64", "-s", "1000", "--compare"]).expect(0).of_type("method") {
        let rate = method["member_steps_per_second"].as_f64().unwrap();
        let digits = format!("{rate:e}").split('e').next().unwrap().len();
        assert!(digits <= "1.23".len(), "{rate}");
    }
}
