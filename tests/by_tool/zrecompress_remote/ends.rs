//! Whatever ends a run, the output cannot be opened, and `--resume` does what is left and no more.

use std::fs;

use harness::{Fault, Running, spawn};
use rustix::process::Signal;

use super::{CHUNKS, Cloud, EXPIRED, OUT, WEATHER, assert_equal, end, expected, is_metadata, put_lock, run};

/// In the middle of the work.
const MIDDLE: &str = "out.zarr/u10/9.0.0";

fn stalled_at(key: &str) -> Cloud {
    Cloud::new(vec![Fault::IgnoreBody { key_contains: key.into() }])
}

fn chunks_written(cloud: &Cloud) -> Vec<String> {
    cloud.written_to(OUT).into_iter().filter(|key| !is_metadata(key)).collect()
}

/// Goes on over a server that is well, and writes nothing that is there.
#[track_caller]
fn assert_goes_on(cloud: Cloud) {
    let before = chunks_written(&cloud);
    cloud.assert_hidden();
    let cloud = cloud.again(vec![]);
    let outcome = run(cloud.upload().arg("--resume")).expect(0);
    cloud.assert_whole(&expected());
    let again: Vec<_> = chunks_written(&cloud).into_iter().filter(|key| before.contains(key)).collect();
    // A signal does not wait for answers: what was on its way then may have arrived, and nobody knows.
    assert!(again.len() <= ON_THEIR_WAY, "written again: {again:?}");
    assert_eq!(outcome.records().pop().unwrap()["resumed"], before.len() - again.len());
}

/// Objects whose answer may be outstanding when a run ends.
const ON_THEIR_WAY: usize = 4;

#[test]
fn a_kill_costs_no_more_than_the_checkpoint_allows() {
    let cloud = stalled_at(MIDDLE);
    let tool = cloud.upload().args(["--checkpoint", "0.001ms"]);
    let child = cloud.run_until_asked(tool, MIDDLE);
    child.kill();
    assert!(chunks_written(&cloud).len() > CHUNKS / 4, "{:?}", chunks_written(&cloud));
    let refused = run(cloud.upload()).expect(7);
    assert!(refused.stderr.contains("--resume"), "{}", refused.stderr);
    assert_goes_on(cloud);
}

/// A signal costs nothing: what is done is entered in the journal before the end.
#[test]
fn a_signal_costs_nothing() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let cloud = stalled_at(MIDDLE);
        let child = cloud.run_until_asked(cloud.upload(), MIDDLE);
        let outcome = end(child, signal);
        assert_eq!(outcome.code, code, "{}", outcome.stderr);
        outcome.records();
        assert!(outcome.stderr.contains("--resume"), "{}", outcome.stderr);
        assert_goes_on(cloud);
    }
}

/// Whether an object has arrived is not known: either nothing is left, or a plan to go on with.
#[test]
fn a_signal_before_anything_is_done_leaves_a_way_on() {
    let first = "out.zarr/latitude/0";
    let cloud = stalled_at(first);
    let child = cloud.run_until_asked(cloud.upload(), first);
    let outcome = end(child, Signal::INT);
    assert_eq!(outcome.code, 130, "{}", outcome.stderr);
    cloud.assert_hidden();
    cloud.assert_way_on();
}

/// The metadata is half there; the rest of it is all that is left to do.
#[test]
fn an_end_that_is_interrupted_is_gone_on_with() {
    for signal in [Signal::KILL, Signal::TERM] {
        for key in ["out.zarr/t2m/.zarray", "out.zarr/.zmetadata"] {
            let cloud = stalled_at(key);
            let child = cloud.run_until_asked(cloud.upload(), key);
            end(child, signal);
            let cloud = cloud.again(vec![]);
            run(cloud.upload()).expect(7);
            run(cloud.upload().arg("--resume")).expect(0);
            cloud.assert_whole(&expected());
            assert_eq!(chunks_written(&cloud), [""; 0]);
        }
    }
}

/// All is there; only the plan has not gone yet.
#[test]
fn a_plan_that_outlives_the_end_is_removed() {
    let lock = "out.zarr.plan/lock";
    let cloud = Cloud::new(vec![]);
    run(cloud.upload()).expect(0);
    put_lock(&cloud.path(lock), EXPIRED);
    let before = cloud.objects(OUT);
    // Without a plan, there is nothing to go on with; but what is there is not harmed.
    let outcome = run(cloud.upload().arg("--resume"));
    assert!([0, 2, 7].contains(&outcome.code), "{}", outcome.stderr);
    for flag in [None, Some("--overwrite")] {
        run(cloud.upload().args(flag)).expect(7);
    }
    assert_eq!(cloud.objects(OUT), before);
}

/// A run that was killed between its lock and its plan has done nothing; the way on that is named must be one.
#[test]
fn a_lock_without_a_plan_does_not_block_for_ever() {
    for flag in [None, Some("--overwrite"), Some("--resume")] {
        let cloud = Cloud::new(vec![]);
        put_lock(&cloud.path("out.zarr.plan/lock"), EXPIRED);
        run(cloud.upload().args(flag)).expect(0);
        cloud.assert_whole(&expected());
    }
}

/// Objects below the output, where no plan says that a run of ours wrote them.
#[test]
fn a_lock_without_a_plan_makes_nothing_ours() {
    let cloud = Cloud::new(vec![]);
    put_lock(&cloud.path("out.zarr.plan/lock"), EXPIRED);
    fs::create_dir_all(cloud.path("out.zarr/2020")).unwrap();
    fs::write(cloud.path("out.zarr/2020/precious"), "theirs").unwrap();
    run(cloud.upload().arg("--overwrite")).expect(7);
    assert_eq!(fs::read(cloud.path("out.zarr/2020/precious")).unwrap(), b"theirs");
}

/// Marks that an earlier run left are not those of this one.
#[test]
fn marks_of_an_earlier_run_are_not_believed() {
    let cloud = Cloud::new(vec![]);
    fs::create_dir_all(cloud.path("out.zarr.plan/done")).unwrap();
    fs::write(cloud.path("out.zarr.plan/finishing"), "").unwrap();
    let output = cloud.s3(OUT);
    let source = harness::fixture(super::WEATHER);
    let prepare = [source.to_str().unwrap(), &output, "--cname", "lz4", "--prepare", "--parts", "2"];
    run(cloud.zrecompress(prepare)).expect(0);
    for part in ["1/2", "2/2"] {
        let outcome = run(cloud.zrecompress(["--part", part, &output])).expect(0);
        assert_ne!(outcome.records().pop().unwrap()["already_done"], true, "{part}");
    }
    run(cloud.zrecompress(["--finish", &output])).expect(0);
    cloud.assert_whole(&expected());
}

/// Beside the entries of a plan, what another program put there stays.
#[test]
fn only_what_a_run_wrote_is_removed_beside_the_output() {
    let cloud = Cloud::new(vec![]);
    fs::create_dir_all(cloud.path("out.zarr.plan")).unwrap();
    fs::write(cloud.path("out.zarr.plan/notes.txt"), "theirs").unwrap();
    run(cloud.upload()).expect(0);
    assert_equal(&cloud.objects(OUT), &expected());
    let left = cloud.objects("out.zarr.plan");
    assert_eq!(left.keys().collect::<Vec<_>>(), ["notes.txt"]);
}

#[test]
fn what_is_given_up_is_removed() {
    let cloud = stalled_at(MIDDLE);
    let child = cloud.run_until_asked(cloud.upload(), MIDDLE);
    child.kill();
    let cloud = cloud.again(vec![]);
    fs::write(cloud.path("out.zarr/u10/left.over"), "x").unwrap();
    run(cloud.upload().args(["--overwrite", "--min-size", "0"])).expect(0);
    cloud.assert_whole(&super::local(&harness::fixture(super::WEATHER), &["--cname", "lz4", "--min-size", "0"]));
}

/// Of two who go on at the same time, one does, and nothing is spoiled.
#[test]
fn two_may_go_on_at_once() {
    let cloud = stalled_at(MIDDLE);
    let child = cloud.run_until_asked(cloud.upload(), MIDDLE);
    child.kill();
    let cloud = cloud.again(vec![]);
    let children: Vec<_> = (0..2).map(|_| spawn(cloud.upload().arg("--resume"))).collect();
    let outcomes: Vec<_> = children.into_iter().map(Running::end).collect();
    assert!(outcomes.iter().any(|outcome| outcome.code == 0), "{outcomes:?}");
    if !cloud.objects("out.zarr.plan").is_empty() {
        panic!("{outcomes:?}");
    }
    cloud.assert_whole(&expected());
}

/// The finished output and its source are compared by what each server lists, or answers.
#[test]
fn a_finished_output_without_a_chunk_is_not_complete() {
    let cloud = Cloud::new(vec![]).with_store(WEATHER);
    let web = cloud.server.http_url(WEATHER);
    let local = cloud.path("local.zarr").display().to_string();
    for (source, output, name) in [(&cloud.s3(WEATHER), &cloud.s3(OUT), OUT), (&web, &local, "local.zarr")] {
        let resume = || run(cloud.zrecompress([source, output]).args(["--cname", "lz4", "--resume"]));
        resume().expect(0);
        let complete = resume().expect(0);
        assert!(complete.stderr.contains("already complete"), "{}", complete.stderr);
        fs::remove_file(cloud.path(name).join("u10/9.0.0")).unwrap();
        let outcome = resume().expect(7);
        assert!(outcome.stderr.contains(&format!("1 of its {CHUNKS} objects is missing")), "{}", outcome.stderr);
    }
}
