//! Servers that fail while they are written to.

use harness::{Fault, Outcome, fixture};
use rustix::process::Signal;

use super::{Cloud, OUT, WEATHER, end, expected, is_metadata, local, on_every_cloud, run};

const ONE: &str = "out.zarr/u10/9.0.0";

/// Few and short waits.
const SHORT: [&str; 4] = ["--timeout", "1s", "--retries", "1"];

#[test]
fn what_passes_is_not_noticed() {
    let array = fixture("weather-v2.zarr/t2m");
    let expected = local(&array, &["--cname", "lz4"]);
    for fault in [
        Fault::FirstTries { status: 503, times: 1 },
        Fault::CutBody { key_contains: String::new(), times: 1 },
        Fault::LoseAnswer { key_contains: String::new() },
    ] {
        on_every_cloud(|number| {
            let cloud = Cloud::new(vec![fault.clone()]);
            let arguments = [array.to_str().unwrap(), &cloud.urls(OUT)[number], "--cname", "lz4"];
            let outcome = run(cloud.zrecompress(arguments));
            assert_eq!(outcome.code, 0, "{fault:?} {number}: {}", outcome.stderr);
            cloud.assert_whole(&expected);
        });
    }
}

/// One object cannot be written: it is named, the others are, and the rest can be done later.
fn one_fails(fault: Fault) -> Outcome {
    let cloud = Cloud::new(vec![fault]);
    let outcome = run(cloud.upload().args(SHORT)).expect(3);
    outcome.records();
    let errors = outcome.of_type("error");
    assert_eq!(errors.len(), 1, "{}", outcome.stdout);
    assert_eq!((&errors[0]["path"], &errors[0]["exit"]), (&format!("s3://bucket/{ONE}").into(), &6.into()));
    assert!(outcome.stderr.contains("--resume"), "{}", outcome.stderr);
    cloud.assert_hidden();
    assert_eq!(cloud.server.unfinished_uploads(), 0);

    let cloud = cloud.again(vec![]);
    run(cloud.upload().arg("--resume")).expect(0);
    cloud.assert_whole(&expected());
    let chunks: Vec<_> = cloud.written_to(OUT).into_iter().filter(|key| !is_metadata(key)).collect();
    assert_eq!(chunks, ["u10/9.0.0"]);
    outcome
}

#[test]
fn a_server_that_fails_at_one_object() {
    one_fails(Fault::Status { key_contains: ONE.into(), status: 503 });
}

#[test]
fn a_connection_that_always_breaks() {
    one_fails(Fault::CutBody { key_contains: ONE.into(), times: 99 });
}

#[test]
fn a_server_that_takes_no_more() {
    one_fails(Fault::IgnoreBody { key_contains: ONE.into() });
}

#[test]
fn a_server_that_never_answers() {
    one_fails(Fault::Silence { key_contains: ONE.into() });
}

#[test]
fn a_refused_object_is_not_the_fault_of_the_source() {
    let outcome = one_fails(Fault::Status { key_contains: ONE.into(), status: 403 });
    assert!(outcome.of_type("error")[0]["hint"].as_str().is_some_and(|hint| hint.contains("--anonymous")));
    assert!(!outcome.stderr.contains("of the source failed"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("--on-bad-chunk"), "no chunk is bad: {}", outcome.stderr);
}

/// Whoever may not write learns it at once.
#[test]
fn a_refusal_is_one() {
    for number in 0..3 {
        let cloud = Cloud::new(vec![Fault::Status { key_contains: "out.zarr".into(), status: 403 }]);
        let url = &cloud.urls(OUT)[number];
        let outcome = run(cloud.zrecompress([fixture(WEATHER).to_str().unwrap(), url])).expect(6);
        let error = &outcome.of_type("error")[0];
        assert!(error["path"].as_str().unwrap().starts_with(url), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("--anonymous"), "{error}");
        assert!(cloud.objects("").is_empty());
    }
}

/// The plan may be written, and no object: all items fail alike.
#[test]
fn a_refusal_of_every_object_is_one_too() {
    let cloud = Cloud::new(vec![Fault::Status { key_contains: "out.zarr/".into(), status: 403 }]);
    let outcome = run(cloud.upload()).expect(6);
    assert!(
        outcome.stderr.contains("s3://bucket/out.zarr/") && outcome.stderr.contains("hint: "),
        "{}",
        outcome.stderr
    );
    cloud.assert_way_on();
}

/// What is read back is not what was written.
#[test]
fn verification_reads_what_the_server_has() {
    let flip = || Cloud::new(vec![Fault::FlipByte { key_contains: ONE.into() }]);
    let cloud = flip();
    let outcome = run(cloud.upload()).expect(7);
    let error = &outcome.of_type("error")[0];
    assert_eq!(error["path"], format!("s3://bucket/{ONE}"), "{error}");
    assert!(outcome.stderr.contains("verification failed"), "{}", outcome.stderr);
    cloud.assert_hidden();
    let cloud = cloud.again(vec![]);
    run(cloud.upload().arg("--resume")).expect(0);
    cloud.assert_whole(&expected());

    run(flip().upload().args(["--verify", "none"])).expect(0);
}

/// Objects without a plan would stand in the way of every later run, and nobody would know whose they are.
#[test]
fn what_fails_at_its_first_object_leaves_a_way_on() {
    let cloud = Cloud::new(vec![Fault::FlipByte { key_contains: "out.zarr/latitude/0".into() }]);
    run(cloud.upload()).expect(7);
    cloud.assert_hidden();
    cloud.assert_way_on();
}

/// The plan itself cannot be kept: nothing goes on that could not be gone on with.
#[test]
fn a_journal_that_cannot_be_written_is_told() {
    let cloud = Cloud::new(vec![Fault::Status { key_contains: "out.zarr.plan/journal".into(), status: 503 }]);
    let outcome = run(cloud.upload().args(SHORT)).expect(6);
    assert!(outcome.stderr.contains("out.zarr.plan/journal"), "{}", outcome.stderr);
    cloud.assert_hidden();
    cloud.assert_way_on();
}

/// The time limit is a minute; whoever says stop does not wait for it.
#[test]
fn a_signal_is_heard_while_a_write_stalls() {
    for fault in [Fault::IgnoreBody { key_contains: ONE.into() }, Fault::Silence { key_contains: ONE.into() }] {
        let cloud = Cloud::new(vec![fault]);
        let child = cloud.run_until_asked(cloud.upload(), ONE);
        let outcome = end(child, Signal::INT);
        assert_eq!(outcome.code, 130, "{}", outcome.stderr);
        cloud.assert_hidden();
    }
}
