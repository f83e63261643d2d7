//! Two runs never work on one output in a bucket, unless they are parts of one plan: locks are renewed, and only the dead lose
//! theirs.

use std::fs;
use std::time::Duration;

use harness::{Fault, ObjectServer, Running, Tool, fixture, spawn};
use rustix::process::Signal;

use super::{Cloud, EXPIRED, OUT, WEATHER, end, expected, put_lock, run};

/// In the middle of the work.
const MIDDLE: &str = "out.zarr/u10/9.0.0";

const LOCK: &str = "out.zarr.plan/lock";

/// A run that stands still in the middle, and a server for others that is well.
fn halted(more: &[&str]) -> (Cloud, Running, ObjectServer) {
    let cloud = Cloud::new(vec![Fault::IgnoreBody { key_contains: MIDDLE.into() }]);
    let child = cloud.run_until_asked(cloud.upload().args(more), MIDDLE);
    let server = ObjectServer::start_writable(cloud.directory.path(), vec![]);
    (cloud, child, server)
}

fn through(server: &ObjectServer, arguments: &[&str]) -> Tool {
    Tool::hermetic("zrecompress").args(["--anonymous", "--endpoint", &server.endpoint()]).args(arguments)
}

fn upload(server: &ObjectServer, more: &[&str]) -> Tool {
    through(server, &[fixture(WEATHER).to_str().unwrap(), &server.s3_url(OUT), "--cname", "lz4"]).args(more)
}

#[test]
fn a_run_that_lives_keeps_its_lock() {
    let (cloud, child, server) = halted(&["--checkpoint", "0.001ms"]);
    let (before, process) = (cloud.objects("").into_keys().collect::<Vec<_>>(), child.id());
    for flags in [&["--overwrite"][..], &["--resume"], &[]] {
        let outcome = run(upload(&server, flags)).expect(7);
        let says = format!("another run is writing to it: process {process} on ");
        assert!(outcome.stderr.contains(&says), "{flags:?}: {}", outcome.stderr);
    }
    for flags in [&["--finish"][..], &["--part", "1/1"]] {
        run(through(&server, flags).arg(server.s3_url(OUT))).expect(7);
    }
    // To look does no harm.
    run(through(&server, &["--status", &server.s3_url(OUT)])).expect(1);
    let after = cloud.objects("").into_keys().collect::<Vec<_>>();
    assert!(before.iter().all(|key| after.contains(key)), "{before:?} {after:?}");
    // Once it is dead, its lock is nobody's.
    child.kill();
    run(upload(&server, &["--resume"])).expect(0);
    cloud.assert_whole(&expected());
}

#[test]
fn a_run_that_is_asked_to_stop_gives_its_lock_back() {
    let (cloud, child, server) = halted(&[]);
    assert!(cloud.path(LOCK).exists());
    assert_eq!(end(child, Signal::TERM).code, 143);
    assert!(!cloud.path(LOCK).exists() && cloud.path("out.zarr.plan/plan.json").exists());
    run(upload(&server, &["--resume"])).expect(0);
    cloud.assert_whole(&expected());
}

#[test]
fn a_lock_is_renewed_while_its_owner_lives() {
    let (cloud, mut child, _server) = halted(&[]);
    let first = fs::read_to_string(cloud.path(LOCK)).unwrap();
    assert!(child.reaches(|| fs::read_to_string(cloud.path(LOCK)).is_ok_and(|text| !text.is_empty() && text != first)));
    let renewed = fs::read_to_string(cloud.path(LOCK)).unwrap();
    let owner = |text: &str| text.trim_end().rsplit_once(' ').unwrap().0.to_owned();
    assert_eq!(owner(&first), owner(&renewed));
}

#[test]
fn the_lock_of_another_machine_holds_until_it_expires() {
    for cloud_number in 0..3 {
        let cloud = Cloud::new(vec![]);
        let output = &cloud.urls(OUT)[cloud_number];
        let upload = |more: &[&str]| {
            run(cloud.zrecompress([fixture(WEATHER).to_str().unwrap(), output, "--cname", "lz4"]).args(more))
        };
        put_lock(&cloud.path(LOCK), Duration::from_secs(20));
        for flags in [&[][..], &["--overwrite"], &["--resume"]] {
            let outcome = upload(flags).expect(7);
            assert!(outcome.stderr.contains("process 7 on elsewhere, 2"), "{flags:?}: {}", outcome.stderr);
            assert!(outcome.stderr.contains("expires a minute after"), "{}", outcome.stderr);
        }
        assert!(cloud.objects(OUT).is_empty());
        put_lock(&cloud.path(LOCK), EXPIRED);
        upload(&[]).expect(0);
        cloud.assert_whole(&expected());
    }
}

/// Parts that run keep everybody away who is alone, and let other parts in.
#[test]
fn a_part_that_runs_keeps_the_plan() {
    let cloud = Cloud::new(vec![]);
    let output = cloud.s3(OUT);
    let flags = ["--cname", "lz4", "--prepare", "--parts", "2"];
    run(cloud.zrecompress([fixture(WEATHER).to_str().unwrap(), &output]).args(flags)).expect(0);
    assert!(!cloud.path(LOCK).exists(), "no process works on it");
    let claim = cloud.path("out.zarr.plan/claims/0123456789abcdef");
    put_lock(&claim, Duration::ZERO);
    for flags in [&["--overwrite"][..], &["--resume"]] {
        let outcome = run(cloud.upload().args(flags)).expect(7);
        assert!(outcome.stderr.contains("process 7 on elsewhere"), "{}", outcome.stderr);
    }
    for part in ["1/2", "2/2"] {
        run(cloud.zrecompress(["--part", part, &output])).expect(0);
    }
    run(cloud.zrecompress(["--finish", &output])).expect(7);
    put_lock(&claim, EXPIRED);
    run(cloud.zrecompress(["--finish", &output])).expect(0);
    cloud.assert_whole(&expected());
}

/// Cut off for too long, or stopped: another run has the output now.
#[test]
fn a_run_that_lost_its_lock_writes_nothing_more() {
    let cloud = Cloud::new(vec![Fault::Slow { milliseconds: 60 }]);
    let child = cloud.run_until_asked(cloud.upload(), MIDDLE);
    put_lock(&cloud.path(LOCK), Duration::ZERO);
    let theirs = fs::read(cloud.path(LOCK)).unwrap();
    let outcome = child.end().expect(7);
    assert!(outcome.stderr.contains("another run took its lock"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("--resume"), "{}", outcome.stderr);
    cloud.assert_hidden();
    assert_eq!(fs::read(cloud.path(LOCK)).unwrap(), theirs);
    assert!(cloud.path("out.zarr.plan/plan.json").exists(), "what is there now is the other's");
}

/// A chunk that began to be read while the lock was held, and arrives when it is another run's.
#[test]
fn what_was_begun_with_the_lock_is_not_written_without_it() {
    let late = Fault::Late { key_contains: format!("{WEATHER}/u10/9.0.0"), milliseconds: 12_000 };
    let cloud = Cloud::new(vec![late]).with_store(WEATHER);
    let upload = cloud.zrecompress([cloud.s3(WEATHER), cloud.s3(OUT)]).args(["--cname", "lz4"]);
    let child = cloud.run_until_asked(upload, "out.zarr/u10/8.0.0");
    put_lock(&cloud.path(LOCK), Duration::ZERO);
    let outcome = child.end().expect(7);
    assert!(outcome.stderr.contains("another run took its lock"), "{}", outcome.stderr);
    assert!(!cloud.was_asked(MIDDLE), "written into the store of another run");
    cloud.assert_hidden();
}

/// Of many who begin at once, one does.
#[test]
fn of_many_who_begin_one_does() {
    let cloud = Cloud::new(vec![]);
    put_lock(&cloud.path(LOCK), EXPIRED);
    let children: Vec<_> = (0..4).map(|_| spawn(cloud.upload())).collect();
    let outcomes: Vec<_> = children.into_iter().map(Running::end).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.code == 0).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| [0, 7].contains(&outcome.code)), "{outcomes:?}");
    cloud.assert_whole(&expected());
}

/// Its folder was removed by hand, or by a run that did not see its lock.
#[test]
fn a_run_whose_plan_is_gone_publishes_nothing() {
    let cloud = Cloud::new(vec![Fault::Slow { milliseconds: 60 }]);
    let child = cloud.run_until_asked(cloud.upload(), MIDDLE);
    fs::remove_file(cloud.path("out.zarr.plan/plan.json")).unwrap();
    let outcome = child.end().expect(7);
    assert!(outcome.stderr.contains("discarded"), "{}", outcome.stderr);
    cloud.assert_hidden();
}
