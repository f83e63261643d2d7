//! No answer, or a bad one: a clear end in bounded time.

use super::*;

#[test]
fn an_absent_store_is_absent_and_named() {
    let server = serve(vec![]);
    for url in everywhere(&server, "nowhere.zarr") {
        let outcome = run(zinspect(&server, &url)).expect(4);
        assert_place(&outcome, &url);
        let (directory, target) = output();
        run(zrecompress(&server, &url, &target)).expect(4);
        nothing_published(&directory, &target);
    }
}

#[test]
fn half_an_address_is_not_used() {
    let server = serve(vec![]);
    // What follows "#" would never be asked for: the records would be those of another store.
    for url in everywhere(&server, "weather-v2.zarr#old.zarr") {
        let outcome = run(zinspect(&server, &url)).expect(2);
        assert_place(&outcome, &url);
    }
}

#[test]
fn a_container_belongs_to_an_account() {
    let server = serve(vec![]);
    let mut tool = zinspect(&server, &server.az_url(WEATHER));
    tool.0.env_remove("AZURE_STORAGE_ACCOUNT_NAME");
    let outcome = run(tool).expect(2);
    assert!(outcome.stderr.to_lowercase().contains("account"), "{}", outcome.stderr);
}

#[test]
fn an_absent_bucket_is_absent_and_named() {
    let server = serve(vec![]);
    for url in ["s3://no-such-bucket/x.zarr", "gs://no-such-bucket/x.zarr", "az://no-such-bucket/x.zarr"] {
        assert_place(&run(zinspect(&server, url)).expect(4), url);
        let (_directory, target) = output();
        let outcome = run(zrecompress(&server, url, &target)).expect(4);
        assert!(outcome.stderr.contains(url), "{}", outcome.stderr);
    }
}

#[test]
fn one_absent_store_does_not_hide_the_others() {
    let server = serve(vec![]);
    let outcome = run(zinspect(&server, &server.s3_url("nowhere.zarr")).arg(server.s3_url(WEATHER))).expect(3);
    assert_place(&outcome, &server.s3_url("nowhere.zarr"));
    assert_eq!(
        outcome.of_type("array").len(),
        local_answer(&fixture(WEATHER), &[]).1.iter().filter(|r| r["type"] == "array").count()
    );
}

#[test]
fn a_server_that_cannot_list_says_so() {
    let server = serve(vec![]);
    let url = server.http_url("v2-layout-plain.zarr");
    let outcome = run(zinspect(&server, &url)).expect(3);
    assert_place(&outcome, &url);
    let error = the_error(&outcome);
    assert_eq!(error["exit"], 6);
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("consolidated")), "{error}");
    assert_eq!(outcome.of_type("group").len(), 1, "the group itself is known");

    let outcome = run(zinspect(&server, &server.http_url(WEATHER)).arg("--sizes")).expect(6);
    assert_place(&outcome, &server.http_url(WEATHER));
    for words in ["cannot list its objects", "without --sizes, no list is needed"] {
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
    let all = run(zinspect(&server, &server.http_url("*.zarr"))).expect(6);
    for words in ["a plain HTTP server cannot list its stores", "name each store", "--stores-from FILE"] {
        assert!(all.stderr.contains(words), "{}", all.stderr);
    }

    let (directory, target) = output();
    let outcome = run(zrecompress(&server, &url, &target)).expect(6);
    assert!(outcome.stderr.contains(&url) && outcome.stderr.contains("hint: "), "{}", outcome.stderr);
    nothing_published(&directory, &target);
}

#[test]
fn a_refusal_has_a_hint() {
    let server = serve(vec![Fault::Status { key_contains: String::new(), status: 403 }]);
    for url in everywhere(&server, WEATHER) {
        let outcome = run_within(PATIENCE, zinspect(&server, &url)).expect(6);
        let error = the_error(&outcome);
        assert!(error["path"].as_str().unwrap().starts_with(&url), "{error}");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--anonymous")), "{error}");
        let (directory, target) = output();
        let outcome = run_within(PATIENCE, zrecompress(&server, &url, &target)).expect(6);
        assert!(outcome.stderr.contains(&url) && outcome.stderr.contains("hint: "), "{}", outcome.stderr);
        nothing_published(&directory, &target);
    }
}

#[test]
fn what_a_server_says_stays_on_the_line() {
    // Clouds explain themselves in XML of several lines.
    for status in [400, 403, 501] {
        let server = serve(vec![Fault::Status { key_contains: String::new(), status }]);
        let outcome = run(zinspect(&server, &server.s3_url(WEATHER)).args(["--retries", "0"])).expect(6);
        let told = |line: &str| line.starts_with("zinspect: ") || line.starts_with("hint: ");
        assert!(outcome.stderr.lines().all(told), "{}", outcome.stderr);
    }
}

#[test]
fn a_bucket_that_forbids_lists_is_read_by_its_consolidated_metadata() {
    let server = serve(vec![Fault::Status { key_contains: ObjectServer::LIST.into(), status: 403 }]);
    let expected = local_answer(&fixture(WEATHER), &[]);
    for url in clouds(&server, WEATHER) {
        assert_answers(&server, &url, &[], &expected);
        let outcome = run(zinspect(&server, &url).arg("--sizes")).expect(6);
        let error = the_error(&outcome);
        assert_eq!(error["path"], url.as_str(), "{error}");
        assert!(error["hint"].is_string(), "{error}");
    }
}

#[test]
fn one_forbidden_object_is_one_error() {
    let server = serve(vec![Fault::Status { key_contains: "u10/0.0.0".into(), status: 403 }]);
    for url in everywhere(&server, WEATHER) {
        let outcome = run(zinspect(&server, &url)).expect(3);
        assert_place(&outcome, &format!("{url}/u10/0.0.0"));
        assert_eq!(outcome.of_type("array").len(), OTHERS, "{}", outcome.stderr);
    }
}

#[test]
fn what_fails_twice_is_tried_again() {
    for status in [500, 503, 429] {
        let server = serve(vec![Fault::FirstTries { status, times: 2 }]);
        let expected = local_answer(&fixture(WEATHER), &["--sizes"]);
        assert_answers(&server, &server.s3_url(WEATHER), &["--sizes"], &expected);
    }
    let server = serve(vec![Fault::FirstTries { status: 503, times: 2 }]);
    assert_answers(&server, &server.http_url(WEATHER), &[], &local_answer(&fixture(WEATHER), &[]));
    let (_directory, target) = output();
    run(zrecompress(&server, &server.gs_url("weather-v2.zarr/t2m"), &target)).expect(0);
}

#[test]
fn retries_have_an_end() {
    for cloud in 0..4 {
        let server = serve(vec![Fault::FirstTries { status: 503, times: 2 }]);
        let url = &everywhere(&server, WEATHER)[cloud];
        let outcome = run_within(PATIENCE, zinspect(&server, url).args(["--retries", "1"])).expect(6);
        assert!(the_error(&outcome)["path"].as_str().unwrap().starts_with(url));
    }
    let server = serve(vec![Fault::Status { key_contains: String::new(), status: 503 }]);
    run_within(PATIENCE, zinspect(&server, &server.s3_url(WEATHER)).args(["--timeout", "2s"])).expect(6);
}

#[test]
fn a_closed_port_is_refused_soon() {
    for url in ["s3://bucket/x.zarr", "gs://bucket/x.zarr", "az://bucket/x.zarr", &format!("{CLOSED}/x.zarr")] {
        let tool = Tool::hermetic("zinspect").args(["--anonymous", "--endpoint", CLOSED, "--timeout", "5s", url]);
        let outcome = run_within(Duration::from_secs(20), tool).expect(6);
        assert!(the_error(&outcome)["path"].as_str().unwrap().starts_with(url));
    }
}

/// One object of the store stays away in some way: first the metadata that everything hangs on, then a chunk.
fn does_not_wait_for(fault: fn(String) -> Fault) {
    let short = ["--timeout", "2s"];
    let metadata = serve(vec![fault(".zmetadata".into())]);
    let chunk = serve(vec![fault("u10/0.0.0".into())]);
    for cloud in [0, 3] {
        let url = &everywhere(&metadata, WEATHER)[cloud];
        let outcome = run_within(PATIENCE, zinspect(&metadata, url).args(short)).expect(6);
        assert_place(&outcome, &format!("{url}/.zmetadata"));

        let url = &everywhere(&chunk, WEATHER)[cloud];
        let outcome = run_within(PATIENCE, zinspect(&chunk, url).args(short)).expect(3);
        assert_place(&outcome, &format!("{url}/u10/0.0.0"));
        assert_eq!(the_error(&outcome)["exit"], 6);
        assert_eq!(outcome.of_type("array").len(), OTHERS, "{}", outcome.stderr);
    }
    let (directory, target) = output();
    let url = chunk.s3_url(WEATHER);
    let outcome = run_within(PATIENCE, zrecompress(&chunk, &url, &target).args(short)).expect(3);
    assert!(outcome.stderr.contains(&format!("{url}/u10/0.0.0: ")), "{}", outcome.stderr);
    nothing_published(&directory, &target);
}

#[test]
fn a_body_that_stops_is_given_up() {
    does_not_wait_for(|key_contains| Fault::Stall { key_contains });
}

#[test]
fn an_answer_that_never_comes_is_given_up() {
    does_not_wait_for(|key_contains| Fault::Silence { key_contains });
}

#[test]
fn a_body_that_drips_is_given_up() {
    does_not_wait_for(|key_contains| Fault::Drip { key_contains });
}

#[test]
fn a_signal_is_heard_while_a_server_is_silent() {
    let server = serve(vec![Fault::Silence { key_contains: "u10/3.0.0".into() }]);
    let (directory, target) = output();
    let tool = zrecompress(&server, &server.s3_url(WEATHER), &target).args(["--timeout", "30s"]);
    let started = Instant::now();
    let child = spawn(tool);
    let asked = || server.served().iter().any(|served| served.key.contains("u10/3.0.0"));
    while !asked() {
        assert!(started.elapsed() < PATIENCE, "the chunk is not asked for: {:?}", server.served());
        thread::sleep(Duration::from_millis(20));
    }
    child.signal(Signal::TERM);
    let outcome = child.end();
    assert_eq!(outcome.code, 143, "{}", outcome.stderr);
    nothing_published(&directory, &target);
    // Schedulers kill what has not ended half a minute after the signal, and then nobody cleans up.
    assert!(started.elapsed() < Duration::from_secs(20), "took {:?}", started.elapsed());
}

#[test]
fn a_list_that_stops_is_given_up() {
    for fault in [
        Fault::Stall { key_contains: ObjectServer::LIST.into() },
        Fault::Silence { key_contains: ObjectServer::LIST.into() },
    ] {
        let server = serve(vec![fault]);
        for url in clouds(&server, WEATHER) {
            let tool = zinspect(&server, &url).args(["--sizes", "--timeout", "2s"]);
            let outcome = run_within(PATIENCE, tool).expect(6);
            assert_place(&outcome, &url);
        }
    }
}

#[test]
fn a_long_list_has_no_limit_as_long_as_it_comes() {
    let directory = tempfile::tempdir().unwrap();
    MakeArray { chunk: 4, chunks: 300, ..MakeArray::default() }.write(&directory.path().join("long.zarr"));
    let server = ObjectServer::start(directory.path(), vec![Fault::Slow { milliseconds: 100 }]);
    // 43 pages take longer than the limit, none of them does.
    let patience = ["--timeout", "2s", "--requests", "64"];
    run(zinspect(&server, &server.s3_url("long.zarr")).arg("--sizes").args(patience)).expect(0);
    let (_directory, target) = output();
    run(zrecompress(&server, &server.s3_url("long.zarr"), &target).args(patience).args(["-j", "16"])).expect(0);
}

#[test]
fn ranges_are_not_needed() {
    let server = serve(vec![Fault::NoRanges]);
    assert_answers(
        &server,
        &server.http_url(WEATHER),
        &["--sample", "3"],
        &local_answer(&fixture(WEATHER), &["--sample", "3"]),
    );
}

#[test]
fn a_cut_body_is_no_body() {
    let server = serve(vec![Fault::Truncate { key_contains: "u10/3.0.0".into() }]);
    for url in everywhere(&server, WEATHER) {
        let (directory, target) = output();
        let outcome = run(zrecompress(&server, &url, &target).args(["--retries", "2"])).expect(3);
        assert_place(&outcome, &format!("{url}/u10/3.0.0"));
        nothing_published(&directory, &target);
    }
    let server = serve(vec![Fault::Truncate { key_contains: ".zmetadata".into() }]);
    let url = server.s3_url(WEATHER);
    let outcome = run(zinspect(&server, &url).args(["--retries", "2"])).expect(6);
    assert_place(&outcome, &format!("{url}/.zmetadata"));
}

#[test]
fn less_than_a_range_is_not_taken_for_the_range() {
    let server = serve(vec![Fault::ShortRange { key_contains: "u10/0.0.0".into() }]);
    for url in everywhere(&server, WEATHER) {
        // The chunk is whole: whoever calls it damaged blames the wrong one.
        let outcome = run(zinspect(&server, &url)).expect(3);
        assert_place(&outcome, &format!("{url}/u10/0.0.0"));
        assert_eq!(the_error(&outcome)["exit"], 6);
    }
}

#[test]
fn a_remote_source_gives_the_same_output() {
    let server = serve(vec![]);
    for store in [WEATHER, "v2-layout.zarr", "v3-sharded.zarr"] {
        let (_here, expected) = output();
        run(Tool::hermetic("zrecompress").args(["--cname", "lz4"]).arg(fixture(store)).arg(&expected)).expect(0);
        for url in clouds(&server, store) {
            let (_directory, target) = output();
            run(zrecompress(&server, &url, &target)).expect(0);
            assert!(tree(&target) == tree(&expected), "{url}: {:?}", tree(&target).keys());
        }
    }
}

#[test]
fn plain_http_gives_the_same_output_by_its_consolidated_metadata() {
    let server = serve(vec![]);
    for store in [WEATHER, "v2-layout.zarr", "v3-dtypes.zarr"] {
        let (_here, expected) = output();
        let local =
            Tool::hermetic("zrecompress").args(["--cname", "lz4", "--copy-unknown"]).arg(fixture(store)).arg(&expected);
        run(local).expect(0);
        let (_directory, target) = output();
        run(zrecompress(&server, &server.http_url(store), &target).arg("--copy-unknown")).expect(0);
        let keys = |path: &Path| tree(path).into_keys().filter(|key| !key.ends_with('/')).collect::<Vec<_>>();
        assert_eq!(keys(&target), keys(&expected), "{store}");
        assert!(tree(&target) == tree(&expected), "{store}");
    }
    assert_eq!(server.lists(), 0);
}

/// The output is not there; what is done of it is, to go on with.
#[track_caller]
fn nothing_published(directory: &TempDir, target: &Path) {
    assert!(!target.exists());
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "out.zarr.plan"), "left behind: {left:?}");
}

#[test]
fn nothing_is_written_when_a_chunk_is_refused() {
    let server = serve(vec![Fault::Status { key_contains: "u10/3.0.0".into(), status: 403 }]);
    for url in everywhere(&server, WEATHER) {
        let (directory, target) = output();
        let outcome = run(zrecompress(&server, &url, &target)).expect(3);
        let error = outcome.of_type("error");
        assert_eq!(error.len(), 1, "{}", outcome.stdout);
        assert_eq!(error[0]["path"], format!("{url}/u10/3.0.0"));
        assert!(outcome.stderr.contains("out.zarr: unfinished"), "{}", outcome.stderr);
        nothing_published(&directory, &target);
    }
}

#[test]
fn nothing_is_written_when_a_listed_chunk_is_gone() {
    let server = serve(vec![Fault::Status { key_contains: "u10/3.0.0".into(), status: 404 }]);
    for url in clouds(&server, WEATHER) {
        let (directory, target) = output();
        let outcome = run(zrecompress(&server, &url, &target)).expect(3);
        assert!(
            outcome.stderr.contains(&format!("{url}/u10/3.0.0: deleted after it was listed")),
            "{}",
            outcome.stderr
        );
        nothing_published(&directory, &target);
    }
}
