//! The tools over a network: the same answers as from a local store, and a clear end in bounded time where there is none.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Fault, MakeArray, ObjectServer, Outcome, Tool, fixture, fixtures, spawn, tree};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// With `--timeout 2s`, a run over a server that falls silent once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Nothing can listen on this port but what the system's administrator started there.
const CLOSED: &str = "http://127.0.0.1:1";

const WEATHER: &str = "weather-v2.zarr";

/// Arrays of that store, of which one is out of reach.
const OTHERS: usize = 6;

// ---- Running the tools

/// A tool whose clouds are all the server.
fn through(server: &ObjectServer, tool: &str) -> Tool {
    Tool::hermetic(tool).args(["--anonymous", "--endpoint", &server.endpoint()])
}

fn zinspect(server: &ObjectServer, store: &str) -> Tool {
    through(server, "zinspect").arg(store)
}

fn zrecompress(server: &ObjectServer, store: &str, target: &Path) -> Tool {
    through(server, "zrecompress").args(["--cname", "lz4", store]).arg(target)
}

fn run(tool: Tool) -> Outcome {
    tool.run()
}

fn run_within(limit: Duration, tool: Tool) -> Outcome {
    tool.run_within(limit)
}

/// Exit code and records, with one name for the store wherever it is.
fn answer(outcome: &Outcome, store: &str) -> (i32, Vec<Value>) {
    let records = outcome.stdout.replace(store, "STORE");
    (outcome.code, records.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// The answer of `zinspect` to a local store. The commands in it propose an output beside the store, which for a remote one
/// is the current directory.
fn local_answer(path: &Path, flags: &[&str]) -> (i32, Vec<Value>) {
    let mut outcome = run(Tool::hermetic("zinspect").args(flags).arg(path));
    let beside = format!(" {}/", path.parent().unwrap().display());
    outcome.stdout = outcome.stdout.replace(path.to_str().unwrap(), "STORE").replace(&beside, " ");
    answer(&outcome, "STORE")
}

#[track_caller]
fn assert_answers(server: &ObjectServer, url: &str, flags: &[&str], expected: &(i32, Vec<Value>)) {
    let outcome = run(zinspect(server, url).args(flags));
    let found = answer(&outcome, url);
    for (found, expected) in found.1.iter().zip(&expected.1) {
        assert_eq!(found, expected, "{url} {flags:?}");
    }
    assert_eq!(found.1.len(), expected.1.len(), "{url}: {}", outcome.stdout);
    assert_eq!(found.0, expected.0, "{url}: {}", outcome.stderr);
}

/// The store by the address of each cloud.
fn clouds(server: &ObjectServer, store: &str) -> [String; 3] {
    [server.s3_url(store), server.gs_url(store), server.az_url(store)]
}

/// The store by every address that it has.
fn everywhere(server: &ObjectServer, store: &str) -> Vec<String> {
    clouds(server, store).into_iter().chain([server.http_url(store)]).collect()
}

fn serve(faults: Vec<Fault>) -> ObjectServer {
    ObjectServer::start(&fixtures(), faults)
}

/// A directory and the name of an output in it.
fn output() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("out.zarr");
    (directory, target)
}

/// The one error of a run.
#[track_caller]
fn the_error(outcome: &Outcome) -> Value {
    let errors = outcome.of_type("error");
    assert_eq!(errors.len(), 1, "one error: {}\n{}", outcome.stdout, outcome.stderr);
    errors.into_iter().next().unwrap()
}

#[track_caller]
fn assert_place(outcome: &Outcome, place: &str) {
    let error = the_error(outcome);
    assert_eq!(error["path"], place, "{error}");
    assert!(outcome.stderr.contains(place), "{}", outcome.stderr);
}

// ---- The same answers

#[test]
fn every_cloud_answers_as_the_local_store_does() {
    let server = serve(vec![]);
    let flags = ["--sizes", "--sample", "3", "--attributes", "--zarrs"];
    for store in [WEATHER, "v2-layout.zarr", "v2-layout-plain.zarr", "v3-sharded.zarr", "v3-dtypes.zarr", "deep.zarr"] {
        let expected = local_answer(&fixture(store), &flags);
        assert_eq!(expected.0, 0, "{store}");
        for url in clouds(&server, store) {
            assert_answers(&server, &url, &flags, &expected);
        }
    }
    assert!(server.lists() > 100, "lists of several pages");
}

#[test]
fn walks_without_sizes_give_the_same() {
    let server = serve(vec![]);
    for flags in [&[][..], &["--no-consolidated"], &["--check-consolidated"], &["--var", "u10", "--sample", "9"]] {
        let expected = local_answer(&fixture(WEATHER), flags);
        for url in clouds(&server, WEATHER) {
            assert_answers(&server, &url, flags, &expected);
        }
    }
}

/// What `zinspect` says of the chunks of a damaged store, from everywhere that can list it.
fn same_damage(name: &str) {
    let server = serve(vec![]);
    let (store, flags) = (format!("broken/{name}"), ["--sizes", "--sample", "9"]);
    let expected = local_answer(&fixture(&store), &flags);
    for url in clouds(&server, &store) {
        assert_answers(&server, &url, &flags, &expected);
    }
}

/// No part can be asked of an object without bytes: clouds answer 416.
const EMPTY_OBJECT: &str = "zero-chunk.zarr";

#[test]
fn damage_is_the_same_damage() {
    let names = fs::read_dir(fixtures().join("broken")).unwrap().map(|entry| entry.unwrap().file_name());
    for name in names.filter(|name| name != EMPTY_OBJECT) {
        same_damage(name.to_str().unwrap());
    }
}

#[test]
fn an_empty_object_is_one_that_is_there() {
    same_damage(EMPTY_OBJECT);
}

#[test]
fn plain_http_needs_no_list_where_metadata_is_consolidated() {
    let server = serve(vec![]);
    for flags in [&["--attributes"][..], &["--sample", "5"], &["--check-consolidated"]] {
        assert_answers(&server, &server.http_url(WEATHER), flags, &local_answer(&fixture(WEATHER), flags));
    }
    assert_eq!(server.lists(), 0);
    assert!(server.served().iter().all(|served| served.method == "GET"), "nothing but reads");
}

#[test]
fn a_single_array_has_an_address() {
    let server = serve(vec![]);
    for array in ["weather-v2.zarr/u10", "v2-layout-plain.zarr/gaps"] {
        let array = array.to_owned();
        let path = fixtures().join(&array);
        assert!(path.exists(), "{array}");
        for url in everywhere(&server, &array) {
            assert_answers(&server, &url, &[], &local_answer(&path, &[]));
            // A slash at the end, as shells complete directories, changes nothing.
            let slash = run(zinspect(&server, &format!("{url}/")));
            assert_eq!(answer(&slash, &url), local_answer(&path, &[]));
        }
    }
}

#[test]
fn a_whole_bucket_or_site_may_be_a_store() {
    // Only the name that is proposed for an output comes from elsewhere.
    let without_commands = |(code, mut records): (i32, Vec<Value>)| {
        records.iter_mut().filter_map(Value::as_object_mut).for_each(|record| drop(record.remove("command")));
        (code, records)
    };
    let server = ObjectServer::start(&fixture(WEATHER), vec![]);
    let site = format!("{}/files", server.endpoint());
    let sizes = &["--sizes"][..];
    for (url, flags) in [("s3://bucket", sizes), ("gs://bucket", sizes), ("az://bucket", sizes), (&site, &[])] {
        let found = answer(&run(zinspect(&server, url).args(flags)), url);
        assert_eq!(without_commands(found), without_commands(local_answer(&fixture(WEATHER), flags)), "{url}");
    }
}

#[test]
fn keys_are_spelled_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let group = directory.path().join("with space & ö.zarr");
    for name in ["plain", "two words", "50%25", "a+b", "höhe", "x#y?z=1&t", "<'\">"] {
        MakeArray { chunk: 8, chunks: 9, ..MakeArray::default() }.write(&group.join(name));
    }
    fs::write(group.join(".zgroup"), "{\"zarr_format\": 2}").unwrap();
    let server = ObjectServer::start(directory.path(), vec![]);
    let expected = local_answer(&group, &["--sizes"]);
    assert_eq!(expected.0, 0);
    for url in clouds(&server, "with%20space%20&%20%C3%B6.zarr") {
        assert_answers(&server, &url, &["--sizes"], &expected);
    }
    let array = "with%20space%20&%20%C3%B6.zarr/x%23y%3Fz=1&t";
    for url in everywhere(&server, array) {
        assert_answers(&server, &url, &[], &local_answer(&group.join("x#y?z=1&t"), &[]));
    }
}

// ---- What is transferred

/// A group with one array of two chunks of 4 MiB that do not compress.
fn large_chunks(directory: &Path) -> PathBuf {
    let store = directory.join("large.zarr");
    MakeArray { noise_bits: 32, ..MakeArray::default() }.write(&store.join("t2m"));
    fs::write(store.join(".zgroup"), "{\"zarr_format\": 2}").unwrap();
    store
}

#[test]
fn inspecting_reads_headers_and_no_chunks() {
    let directory = tempfile::tempdir().unwrap();
    let store = large_chunks(directory.path());
    for cloud in 0..4 {
        let server = ObjectServer::start(directory.path(), vec![]);
        // A group of a plain server cannot be walked, so there it is the array.
        let name = if cloud == 3 { "large.zarr/t2m" } else { "large.zarr" };
        let outcome = run(zinspect(&server, &everywhere(&server, name)[cloud]).args(["--sample", "2"])).expect(0);
        assert_eq!(outcome.of_type("chunk").len(), 2);
        let chunk_bytes = fs::metadata(store.join("t2m/0")).unwrap().len();
        assert!(chunk_bytes > 4_000_000);
        assert!(server.bytes_sent() < 10_000, "{}: {} bytes", outcome.stdout, server.bytes_sent());
        let heads: Vec<_> = server.served().into_iter().filter(|served| served.status == 206).collect();
        assert!(heads.iter().all(|served| served.bytes == 16), "{heads:?}");
    }
}

#[test]
fn inspecting_reads_indexes_of_shards_and_not_shards() {
    for cloud in 0..3 {
        let server = serve(vec![]);
        run(zinspect(&server, &clouds(&server, "v3-sharded.zarr")[cloud]).args(["--sample", "2"])).expect(0);
        let shards = server.served().into_iter().filter(|served| served.key.contains("/c/") && served.status < 300);
        let whole: Vec<_> = shards.filter(|served| served.range.is_none() && served.bytes > 0).collect();
        assert!(whole.is_empty(), "whole shards were read: {whole:?}");
    }
}

#[test]
fn requests_bound_what_is_under_way() {
    let slow = || serve(vec![Fault::Slow { milliseconds: 20 }]);
    let most_of_zinspect = |requests: &str| {
        let server = slow();
        run(zinspect(&server, &server.s3_url("v2-codecs.zarr")).args(["--requests", requests])).expect(0);
        server.most_at_once()
    };
    assert_eq!(most_of_zinspect("2"), 2);
    assert!(most_of_zinspect("32") > 8);
}

#[test]
fn recompressing_reads_ahead_of_its_workers() {
    let server = serve(vec![Fault::Slow { milliseconds: 20 }]);
    let (_directory, target) = output();
    run(zrecompress(&server, &server.s3_url(WEATHER), &target).args(["-j", "1", "--requests", "8"])).expect(0);
    // Five requests open a hierarchy at once; chunks follow.
    let chunks = server.served().iter().filter(|served| served.key.contains("/u10/")).count();
    assert!(chunks > 20 && server.most_at_once() > 5, "{} at once", server.most_at_once());
}

#[test]
fn credentials_are_sent_when_there_are_any_and_wanted() {
    let secrets =
        [("AWS_ACCESS_KEY_ID", "me"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")];
    for anonymous in [true, false] {
        let server = serve(vec![]);
        for url in [server.s3_url(WEATHER), server.az_url(WEATHER)] {
            let mut tool = Tool::hermetic("zinspect").args(["--endpoint", &server.endpoint(), &url]);
            tool.0.envs(secrets);
            let tool = if anonymous { tool.arg("--anonymous") } else { tool };
            let outcome = run(tool).expect(0);
            assert!(!outcome.stdout.contains("secret") && !outcome.stderr.contains("secret"));
        }
        assert!(server.served().iter().all(|served| served.signed != anonymous), "anonymous: {anonymous}");
    }
}

// ---- No answer, or a bad one

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

// ---- Recompressing

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
