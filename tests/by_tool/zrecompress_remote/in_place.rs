//! Stores that are changed where they are.

use std::path::Path;
use std::time::Duration;

use harness::{Fault, Tool, copy_tree, fixture};

use super::{Cloud, EXPIRED, Objects, WEATHER, assert_equal, is_metadata, objects, put_lock, run};

/// What is Blosc already.
const BLOSC: [&str; 6] = ["--var", "u10", "--var", "msl", "--cname", "zstd"];

const MIDDLE: &str = "weather-v2.zarr/u10/9.0.0";

fn in_place(cloud: &Cloud, flags: &[&str]) -> Tool {
    cloud.zrecompress(["--in-place", &cloud.s3(WEATHER)]).args(flags)
}

/// What the same run makes of a local copy.
fn local(flags: &[&str]) -> Objects {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join(WEATHER);
    copy_tree(&fixture(WEATHER), &store);
    Tool::hermetic("zrecompress").arg("--in-place").arg(&store).args(flags).run().expect(0);
    objects(&store)
}

#[track_caller]
fn assert_done(cloud: &Cloud, expected: &Objects) {
    assert_equal(&cloud.objects(WEATHER), expected);
    assert!(!Path::new(&cloud.path("weather-v2.zarr.plan")).join("plan.json").exists());
    assert!(cloud.objects("weather-v2.zarr.plan").is_empty());
}

#[test]
fn blosc_to_blosc_chunk_by_chunk() {
    let cloud = Cloud::new(vec![]).with_store(WEATHER);
    run(in_place(&cloud, &BLOSC)).expect(0);
    assert_done(&cloud, &local(&BLOSC));
    let written = cloud.written_to(WEATHER);
    assert!(written.iter().map(|key| is_metadata(key)).is_sorted(), "metadata is last: {written:?}");
    let others = |key: &String| key.contains('/') && !key.starts_with("u10/") && !key.starts_with("msl/");
    assert!(!written.iter().any(others), "not selected: {written:?}");
}

#[test]
fn a_kill_in_the_middle_is_gone_on_with() {
    let cloud = Cloud::new(vec![Fault::IgnoreBody { key_contains: MIDDLE.into() }]).with_store(WEATHER);
    let tool = in_place(&cloud, &BLOSC).args(["-j1", "--requests", "1", "--checkpoint", "0.001ms"]);
    let child = cloud.run_until_asked(tool, MIDDLE);
    child.kill();
    let before = cloud.written_to(WEATHER);
    assert!(before.len() > 3 && !before.iter().any(|key| is_metadata(key)), "{before:?}");
    let cloud = cloud.again(vec![]);
    run(in_place(&cloud, &BLOSC)).expect(7);
    run(in_place(&cloud, &BLOSC).arg("--resume")).expect(0);
    assert_done(&cloud, &local(&BLOSC));
    let again: Vec<_> = cloud.written_to(WEATHER).into_iter().filter(|key| before.contains(key)).collect();
    assert_eq!(again, [""; 0], "written again");
}

/// Readers would meet chunks that the metadata does not describe.
#[test]
fn another_codec_is_refused_before_anything_is_written() {
    let cloud = Cloud::new(vec![]).with_store(WEATHER);
    let backup = cloud.path("backup");
    let keeping = ["--var", "u10", "--cname", "zstd", "--backup", backup.to_str().unwrap()];
    for flags in [&[][..], &["--codec", "zstd"], &["--var", "t2m"], &["--var", "u10", "--codec", "none"], &keeping] {
        let outcome = run(in_place(&cloud, flags)).expect(2);
        assert!(outcome.stderr.contains(WEATHER), "{}", outcome.stderr);
    }
    assert_eq!(cloud.written(), [""; 0]);
    assert_eq!(cloud.server.count(harness::Kind::Delete), 0);
    assert_equal(&cloud.objects(WEATHER), &objects(&fixture(WEATHER)));
    assert!(!backup.exists());
}

#[test]
fn the_other_format_without_a_chunk() {
    let flags = ["--zarr-format", "3"];
    let cloud = Cloud::new(vec![]).with_store(WEATHER);
    run(in_place(&cloud, &flags)).expect(0);
    assert_done(&cloud, &local(&flags));
    assert!(cloud.written_to(WEATHER).iter().all(|key| is_metadata(key)));
}

/// A run that was killed between its lock and its plan has changed nothing, and must not block the store for ever: in place,
/// there is no `--overwrite` to give it up with.
#[test]
fn a_lock_without_a_plan_does_not_block_for_ever() {
    let cloud = Cloud::new(vec![]).with_store(WEATHER);
    let lock = cloud.path("weather-v2.zarr.plan/lock");
    put_lock(&lock, Duration::ZERO);
    let outcome = run(in_place(&cloud, &BLOSC)).expect(7);
    assert!(outcome.stderr.contains("its lock expires"), "{}", outcome.stderr);
    put_lock(&lock, EXPIRED);
    run(in_place(&cloud, &BLOSC)).expect(0);
    assert_done(&cloud, &local(&BLOSC));
}
