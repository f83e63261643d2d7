//! One remote output, many processes.

use harness::{Fault, Kind, Outcome, Tool, fixture, spawn};

use super::{Cloud, OUT, WEATHER, expected, is_metadata, run};

const PARTS: usize = 3;

fn prepare(cloud: &Cloud, source: &str, output: &str) -> Outcome {
    let flags = ["--cname", "lz4", "--prepare", "--parts", "3"];
    run(cloud.zrecompress([source, output]).args(flags)).expect(0)
}

fn part(cloud: &Cloud, number: usize, output: &str) -> Tool {
    cloud.zrecompress(["--part", &format!("{number}/{PARTS}"), output])
}

/// The whole way, from each source to each cloud.
#[test]
fn parts_make_what_one_run_makes() {
    let expected = expected();
    for number in 0..3 {
        let cloud = Cloud::new(vec![]).with_store(WEATHER);
        let output = &cloud.urls(OUT)[number];
        let local = fixture(WEATHER).to_str().unwrap().to_owned();
        let source = [local, cloud.s3(WEATHER), cloud.server.http_url(WEATHER)][number].clone();
        prepare(&cloud, &source, output);
        let status = |missing: bool| cloud.zrecompress(["--status", output]).args(missing.then_some("--missing"));
        let totals = run(status(false)).expect(1).records().pop().unwrap();
        assert_eq!((&totals["done"], &totals["missing"]), (&0.into(), &"1-3".into()));
        run(part(&cloud, 2, output)).expect(0);
        assert_eq!(run(status(true)).expect(1).stdout.trim(), "1,3");
        let refused = run(cloud.zrecompress(["--finish", output])).expect(1);
        assert!(refused.stderr.contains("1,3"), "{}", refused.stderr);
        for number in [1, 3] {
            run(part(&cloud, number, output)).expect(0);
        }
        run(status(false)).expect(0);
        cloud.assert_hidden();
        run(cloud.zrecompress(["--finish", output])).expect(0);
        cloud.assert_whole(&expected);
        for again in [&["--finish"][..], &["--part", "1/3"]] {
            let outcome = run(cloud.zrecompress(again).arg(output)).expect(0);
            assert_eq!(outcome.records().pop().unwrap()["already_complete"], true);
        }
        cloud.assert_whole(&expected);
    }
}

/// A list of 10⁷ chunks by each of 10⁴ parts would be the most of all requests.
#[test]
fn parts_list_no_chunks() {
    let cloud = Cloud::new(vec![]).with_store(WEATHER);
    let (source, output) = (cloud.s3(WEATHER), cloud.s3(OUT));
    prepare(&cloud, &source, &output);
    let cloud = cloud.again(vec![]);
    // The server's address is new, and no part of the plan.
    run(part(&cloud, 1, &output)).expect(0);
    let listed = cloud.listed();
    let below = |prefix: &&String| {
        let inside = prefix.strip_prefix("weather-v2.zarr/").or(prefix.strip_prefix("out.zarr/"));
        inside.is_some_and(|rest| !rest.is_empty()) || prefix.starts_with("out.zarr/")
    };
    assert_eq!(listed.iter().filter(below).count(), 0, "{listed:?}");
    // Its nodes are 10 entries at the top, on two pages of the server; one more tells whether it can list at all.
    assert!(listed.iter().filter(|prefix| *prefix == "weather-v2.zarr/").count() <= 3, "{listed:?}");
    let heads = cloud.server.served().iter().filter(|served| served.kind == Kind::Head).count();
    assert!(heads < 10, "{heads} questions about single objects");
}

#[test]
fn a_part_may_run_again() {
    let cloud = Cloud::new(vec![]);
    let output = cloud.s3(OUT);
    prepare(&cloud, fixture(WEATHER).to_str().unwrap(), &output);
    for number in 1..=PARTS {
        run(part(&cloud, number, &output)).expect(0);
    }
    let before = cloud.written_to(OUT).len();
    let again = run(part(&cloud, 2, &output)).expect(0);
    assert_eq!(again.records().pop().unwrap()["already_done"], true);
    assert_eq!(cloud.written_to(OUT).len(), before);
    run(cloud.zrecompress(["--finish", &output])).expect(0);
    cloud.assert_whole(&expected());
}

/// Schedulers start what they believe lost a second time.
#[test]
fn parts_may_run_at_once_even_twice() {
    let cloud = Cloud::new(vec![]).with_store(WEATHER);
    let output = cloud.s3(OUT);
    prepare(&cloud, &cloud.s3(WEATHER), &output);
    let children: Vec<_> = [1, 2, 3, 2, 1].map(|number| spawn(part(&cloud, number, &output))).into_iter().collect();
    for child in children {
        child.end().expect(0);
    }
    run(cloud.zrecompress(["--finish", &output])).expect(0);
    cloud.assert_whole(&expected());
}

#[test]
fn a_part_that_was_killed_goes_on() {
    let stalled = "out.zarr/u10/9.0.0";
    let cloud = Cloud::new(vec![Fault::IgnoreBody { key_contains: stalled.into() }]);
    let output = cloud.s3(OUT);
    prepare(&cloud, fixture(WEATHER).to_str().unwrap(), &output);
    // One request at a time: what is written is in the journal before the next object is begun.
    let whose =
        |number: usize| part(&cloud, number, &output).args(["-j1", "--requests", "1", "--checkpoint", "0.001ms"]);
    run(whose(1)).expect(0);
    run(whose(2)).expect(0);
    let child = cloud.run_until_asked(whose(3), stalled);
    child.kill();
    let before = cloud.written_to(OUT);
    let cloud = cloud.again(vec![]);
    assert_eq!(run(cloud.zrecompress(["--status", "--missing", &output])).expect(1).stdout.trim(), "3");
    run(part(&cloud, 3, &output)).expect(0);
    let again: Vec<_> = cloud.written_to(OUT).into_iter().filter(|key| before.contains(key)).collect();
    assert_eq!(again, [""; 0], "written again");
    run(cloud.zrecompress(["--finish", &output])).expect(0);
    cloud.assert_whole(&expected());
}

/// One run can do what is left of a plan with parts.
#[test]
fn a_finish_that_was_killed_goes_on() {
    let stalled = "out.zarr/.zmetadata";
    let cloud = Cloud::new(vec![Fault::IgnoreBody { key_contains: stalled.into() }]);
    let output = cloud.s3(OUT);
    prepare(&cloud, fixture(WEATHER).to_str().unwrap(), &output);
    for number in 1..=PARTS {
        run(part(&cloud, number, &output)).expect(0);
    }
    let child = cloud.run_until_asked(cloud.zrecompress(["--finish", &output]), stalled);
    child.kill();
    let cloud = cloud.again(vec![]);
    run(cloud.zrecompress(["--finish", &output])).expect(0);
    cloud.assert_whole(&expected());
    assert!(cloud.written_to(OUT).iter().all(|key| is_metadata(key)));
}

#[test]
fn a_part_that_fails_is_not_done() {
    let cloud = Cloud::new(vec![Fault::Status { key_contains: "out.zarr/u10/9.0.0".into(), status: 403 }]);
    let output = cloud.s3(OUT);
    prepare(&cloud, fixture(WEATHER).to_str().unwrap(), &output);
    let codes: Vec<i32> = (1..=PARTS).map(|number| run(part(&cloud, number, &output)).code).collect();
    assert_eq!(codes, [0, 0, 3]);
    let cloud = cloud.again(vec![]);
    assert_eq!(run(cloud.zrecompress(["--status", "--missing", &output])).expect(1).stdout.trim(), "3");
    run(part(&cloud, 3, &output)).expect(0);
    run(cloud.zrecompress(["--finish", &output])).expect(0);
    cloud.assert_whole(&expected());
}

#[test]
fn what_was_not_prepared_has_no_parts() {
    let cloud = Cloud::new(vec![]);
    let output = cloud.s3(OUT);
    for flags in [&["--part", "1/3"][..], &["--status"], &["--finish"]] {
        let outcome = run(cloud.zrecompress(flags).arg(&output)).expect(4);
        assert!(outcome.stderr.contains(&output), "{}", outcome.stderr);
    }
    prepare(&cloud, fixture(WEATHER).to_str().unwrap(), &output);
    run(cloud.zrecompress(["--part", "1/4", &output])).expect(2);
}
