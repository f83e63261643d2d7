//! `zfetch`, end to end: what is transferred, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;

use harness::{Fault, ObjectServer, Outcome, Tool, fixture, fixtures, tree};
use serde_json::Value;
use tempfile::TempDir;

fn zfetch(source: &Path, target: &Path) -> Tool {
    Tool::hermetic("zfetch").arg(source).arg("--to").arg(target).arg("--json")
}

fn records(outcome: &Outcome) -> Vec<Value> {
    outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn summary(outcome: &Outcome) -> Value {
    records(outcome).pop().unwrap()
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Keys of the objects that were transferred, without those of metadata.
fn chunks(server: &ObjectServer) -> Vec<String> {
    let is_metadata =
        |key: &str| key.ends_with(".zmetadata") || key.rsplit('/').next().unwrap().starts_with(['.', 'z']);
    let served = server.served().into_iter().filter(|served| served.method == "GET" && served.status < 400);
    let mut keys: Vec<String> = served.map(|served| served.key).collect();
    keys.retain(|key| !key.is_empty() && !is_metadata(key));
    keys
}

#[test]
fn only_the_chunks_of_the_selection_are_asked_for_and_nothing_is_listed() {
    let server = ObjectServer::start(&fixtures(), vec![]);
    let directory = directory();
    let out = directory.path().join("out.zarr");
    let url = server.http_url("weather-v2.zarr");
    let outcome =
        Tool::hermetic("zfetch").args([&url, "--to"]).arg(&out).args(["--json", "--var", "t2m", "--isel", "time=0"]);
    let outcome = outcome.run().expect(0);
    let keys = chunks(&server);
    let data: Vec<&String> = keys.iter().filter(|key| key.contains("t2m/")).collect();
    let local = zfetch(&fixture("weather-v2.zarr"), &directory.path().join("local.zarr"));
    local.args(["--var", "t2m", "--isel", "time=0"]).run().expect(0);
    assert_eq!(tree(&out), tree(&directory.path().join("local.zarr")));
    assert_eq!(server.lists(), 0);
    let all = fs::read_dir(fixture("weather-v2.zarr").join("t2m")).unwrap().count();
    assert!(!data.is_empty() && data.len() < all, "{data:?} of {all}");
    let mut once = data.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), data.len(), "each chunk once: {data:?}");
    assert_eq!(summary(&outcome)["failed"], 0);
}

/// The files of a store: metadata parsed, because copies in consolidated metadata are indented otherwise; without these.
fn content(store: &Path) -> Vec<(String, Result<Value, Vec<u8>>)> {
    let files = tree(store).into_iter().filter(|(key, _)| !key.ends_with(".zmetadata"));
    let parsed = |(key, bytes): (String, Vec<u8>)| {
        let is_document = key.rsplit('/').next().unwrap().starts_with(".z");
        let value = if is_document { Ok(serde_json::from_slice(&bytes).unwrap()) } else { Err(bytes) };
        (key, value)
    };
    files.map(parsed).collect()
}

#[test]
fn a_whole_store_is_copied_byte_for_byte() {
    let directory = directory();
    let out = directory.path().join("out.zarr");
    let outcome = zfetch(&fixture("era5-uk-v2.zarr"), &out).run().expect(0);
    assert_eq!(content(&out), content(&fixture("era5-uk-v2.zarr")));
    let fetched = &records(&outcome)[0];
    assert_eq!((fetched["type"].as_str(), fetched["path"].as_str()), (Some("fetched"), out.to_str()));
    assert_eq!(summary(&outcome)["recoded"], 0);
}

#[test]
fn a_chunk_that_is_not_there_is_counted_and_stays_missing() {
    let directory = directory();
    let (source, out) = (directory.path().join("in.zarr"), directory.path().join("out.zarr"));
    harness::copy_tree(&fixture("era5-uk-v2.zarr"), &source);
    let chunk = tree(&source.join("t2m")).into_keys().find(|key| !key.starts_with('.')).unwrap();
    fs::remove_file(source.join("t2m").join(&chunk)).unwrap();
    let outcome = zfetch(&source, &out).arg("-v").run().expect(0);
    let array = records(&outcome).into_iter().find(|record| record["path"] == "/t2m").unwrap();
    assert_eq!((array["type"].as_str(), array["missing"].as_u64()), (Some("fetch"), Some(1)));
    assert!(!out.join("t2m").join(&chunk).exists());
}

#[test]
fn names_and_selections_that_do_not_exist_are_refused_with_those_that_do() {
    let directory = directory();
    let era5 = fixture("era5-uk-v2.zarr");
    for (flags, code, words) in [
        (&["--var", "t2n"][..], 4, &["t2n", "did you mean t2m"][..]),
        (&["--sel", "tiem=2019"], 2, &["tiem", "time"]),
        (&["--sel", "time=1850"], 2, &["matches no time", "available"]),
        (&["--isel", "time=99999"], 2, &["out of bounds"]),
        (&["--bbox=100,-50,110,-40"], 2, &["no grid cell"]),
        (&["--lat=-50", "--lon=100"], 2, &["point -50, 100"]),
        (&["--lat=50"], 2, &["--lon"]),
        (&["--bbox=1,2,3"], 2, &["WEST,SOUTH,EAST,NORTH"]),
    ] {
        let outcome = zfetch(&era5, &directory.path().join("out.zarr")).args(flags).run().expect(code);
        for word in words {
            assert!(outcome.stderr.contains(word), "{flags:?} lacks {word:?}: {}", outcome.stderr);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "{flags:?} leaves nothing");
    }
}

#[test]
fn a_dry_run_shows_the_amplification_and_writes_nothing() {
    let directory = directory();
    let outcome = zfetch(&fixture("era5-uk-v2.zarr"), &directory.path().join("out.zarr"));
    let outcome = outcome.args(["-n", "--var", "t2m", "--isel", "time=0"]).run().expect(0);
    let plan = records(&outcome).into_iter().find(|record| record["path"] == "/t2m").unwrap();
    assert_eq!(plan["type"], "plan");
    assert!(plan["amplification"].as_f64().unwrap() > 1.0 && plan["objects_expected"].as_u64().unwrap() > 0, "{plan}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn parts_make_the_same_store_and_a_second_run_is_complete() {
    let directory = directory();
    let (one, parts) = (directory.path().join("one.zarr"), directory.path().join("parts.zarr"));
    let select = ["--var", "t2m", "--isel", "time=3:40"];
    let era5 = fixture("era5-uk-v2.zarr");
    zfetch(&era5, &one).args(select).run().expect(0);
    zfetch(&era5, &parts).args(select).args(["--prepare", "--parts", "3"]).run().expect(0);
    let to = |flags: &[&str]| Tool::hermetic("zfetch").args(["--json", "--to"]).arg(&parts).args(flags).run();
    for part in ["2/3", "1/3", "3/3"] {
        to(&["--part", part]).expect(0);
    }
    to(&["--finish"]).expect(0);
    assert_eq!(tree(&one), tree(&parts));
    let again = zfetch(&era5, &one).args(select).arg("--resume").run().expect(0);
    assert_eq!(records(&again)[0]["already_complete"], true);
    let other = zfetch(&era5, &one).args(["--var", "t2m", "--isel", "time=0:3", "--resume"]).run().expect(7);
    assert!(other.stderr.contains("not written by this command"), "{}", other.stderr);
}

#[test]
fn an_output_of_another_batch_is_not_taken_for_this_one() {
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    // The same grid a day later: only the values differ.
    harness::copy_tree(&fixture("era5-uk-v2.zarr"), &at("next.zarr"));
    let chunk = at("next.zarr/time/0");
    let mut bytes = fs::read(&chunk).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&chunk, bytes).unwrap();
    zfetch(&fixture("era5-uk-v2.zarr"), &at("out.zarr")).run().expect(0);
    zfetch(&fixture("era5-uk-v2.zarr"), &at("out.zarr")).arg("--resume").run().expect(0);
    let refused = zfetch(&at("next.zarr"), &at("out.zarr")).arg("--resume").run().expect(7);
    assert!(
        refused.stderr.contains("not those of the source") && refused.stderr.contains("time"),
        "{}",
        refused.stderr
    );
}

#[test]
fn an_array_that_arrives_empty_is_named() {
    let directory = directory();
    let source = directory.path().join("in.zarr");
    harness::copy_tree(&fixture(WEATHER), &source);
    for entry in fs::read_dir(source.join("u10")).unwrap().map(Result::unwrap) {
        if !entry.file_name().to_string_lossy().starts_with('.') {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let outcome = zfetch(&source, &directory.path().join("out.zarr")).run().expect(0);
    assert!(outcome.stderr.contains("no chunk is stored of") && outcome.stderr.contains("/u10"), "{}", outcome.stderr);
}

#[test]
fn a_part_that_would_not_be_true_is_refused() {
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    harness::copy_tree(&fixture(WEATHER), &at("nc.zarr"));
    let group = r#"{"zarr_format": 2, "_nczarr_superblock": {"version": "2.0.0"}}"#;
    fs::write(at("nc.zarr/.zgroup"), group).unwrap();
    let refused = zfetch(&at("nc.zarr"), &at("out.zarr")).args(["--isel", "time=0"]).run().expect(2);
    assert!(refused.stderr.contains("NCZarr"), "{}", refused.stderr);
    zfetch(&at("nc.zarr"), &at("out.zarr")).run().expect(0);
}

#[test]
fn cut_arrays_are_checked_as_they_arrive() {
    let directory = directory();
    let out = directory.path().join("out.zarr");
    let server = ObjectServer::start(&fixtures(), vec![Fault::FlipByte { key_contains: "latitude/0".into() }]);
    let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
    let tool = tool.arg(server.s3_url(WEATHER)).arg("--to").arg(&out);
    let outcome = tool.args(["--isel", "latitude=3:5", "--var", "latitude", "--var", "t2m"]).run().expect(3);
    assert!(outcome.stderr.contains("latitude/0") && outcome.stderr.contains("MD5"), "{}", outcome.stderr);
    assert!(!out.exists());
}

#[test]
fn upwards_and_back_again_is_the_same() {
    let directory = directory();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let server = ObjectServer::start_writable(&root, vec![]);
    let through = |arguments: [&str; 3]| {
        let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
        tool.args(arguments).run().expect(0);
    };
    let (url, back, direct) =
        (server.s3_url("up.zarr"), directory.path().join("back.zarr"), directory.path().join("direct.zarr"));
    through([fixture("era5-uk-v2.zarr").to_str().unwrap(), "--to", &url]);
    through([&url, "--to", back.to_str().unwrap()]);
    zfetch(&fixture("era5-uk-v2.zarr"), &direct).run().expect(0);
    assert_eq!(content(&back), content(&direct));
}

// ---- Servers that fail

const WEATHER: &str = "weather-v2.zarr";

/// Fetches the store of a server with these faults within `--timeout 2s`.
fn through(faults: Vec<Fault>, target: &Path) -> Outcome {
    let server = ObjectServer::start(&fixtures(), faults);
    let tool =
        Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--timeout", "2s", "--json"]);
    tool.arg(server.s3_url(WEATHER)).arg("--to").arg(target).run()
}

/// What is wrong with a chunk, and what the error says.
fn bad_chunks() -> Vec<(Fault, &'static str)> {
    let key_contains = || "t2m/0".to_owned();
    let page = "<html><body>Welcome</body></html>".to_owned();
    vec![
        (Fault::FlipByte { key_contains: key_contains() }, "its MD5 differs"),
        (Fault::Says { key_contains: key_contains(), status: 200, body: page }, "t2m/0"),
        (Fault::Truncate { key_contains: key_contains() }, "t2m/0"),
        (Fault::ShortRange { key_contains: key_contains() }, "t2m/0"),
        (Fault::Stall { key_contains: key_contains() }, "t2m/0"),
        (Fault::Drip { key_contains: key_contains() }, "t2m/0"),
        (Fault::Silence { key_contains: key_contains() }, "t2m/0"),
        (Fault::Status { key_contains: key_contains(), status: 500 }, "t2m/0"),
        (Fault::Status { key_contains: key_contains(), status: 403 }, "t2m/0"),
    ]
}

#[test]
fn no_bad_chunk_is_accepted_and_the_others_are_kept() {
    for (fault, words) in bad_chunks() {
        let directory = directory();
        let out = directory.path().join("out.zarr");
        let outcome = through(vec![fault.clone()], &out).expect(3);
        assert!(outcome.stderr.contains(words), "{fault:?}: {}", outcome.stderr);
        assert!(!out.exists(), "{fault:?}: nothing can be opened");
        assert!(summary(&outcome)["failed"].as_u64().unwrap() > 0, "{fault:?}");
        // The rest comes from the first run.
        let server = ObjectServer::start(&fixtures(), vec![]);
        let tool =
            Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json", "--resume"]);
        let resumed = tool.arg(server.s3_url(WEATHER)).arg("--to").arg(&out).run().expect(0);
        let chunks: Vec<String> = chunks(&server).into_iter().filter(|key| !key.contains("t2m/0")).collect();
        assert!(summary(&resumed)["resumed"].as_u64().unwrap() > 20, "{fault:?}: {}", resumed.stdout);
        assert_eq!(chunks, [""; 0], "{fault:?}");
        zfetch(&fixture(WEATHER), &directory.path().join("direct.zarr")).run().expect(0);
        assert_eq!(content(&out), content(&directory.path().join("direct.zarr")), "{fault:?}");
    }
}

#[test]
fn a_storm_of_errors_is_lived_through() {
    let directory = directory();
    let out = directory.path().join("out.zarr");
    through(vec![Fault::FirstTries { status: 503, times: 2 }], &out).expect(0);
    zfetch(&fixture(WEATHER), &directory.path().join("direct.zarr")).run().expect(0);
    assert_eq!(content(&out), content(&directory.path().join("direct.zarr")));
}

// ---- The cache

fn cached(source: &str, cache: &Path) -> Tool {
    Tool::hermetic("zfetch").arg(source).arg("--cache").arg(cache).args(["--json", "--var", "t2m", "--isel", "time=0"])
}

fn path_of(outcome: &Outcome) -> std::path::PathBuf {
    records(outcome).iter().find(|record| record["type"] == "fetched").unwrap()["path"].as_str().unwrap().into()
}

#[test]
fn the_second_time_nothing_is_transferred() {
    let server = ObjectServer::start(&fixtures(), vec![]);
    let directory = directory();
    let cache = directory.path().join("cache");
    let url = server.http_url(WEATHER);
    let first = cached(&url, &cache).run().expect(0);
    assert!(path_of(&first).join(".zmetadata").exists() && path_of(&first).starts_with(&cache));
    let before = server.served().len();
    let second = cached(&url, &cache).run().expect(0);
    assert_eq!(path_of(&second), path_of(&first));
    assert_eq!((summary(&second)["reused"].as_u64(), summary(&second)["objects"].as_u64()), (Some(1), Some(0)));
    let asked = server.served().split_off(before);
    assert!(asked.iter().all(|served| served.method == "HEAD") && asked.len() <= 5, "{asked:?}");
    // Another selection is another entry.
    let other = cached(&url, &cache).args(["--isel", "latitude=0:10"]).run().expect(0);
    assert_ne!(path_of(&other), path_of(&first));
    // Without the server.
    drop(server);
    let offline = cached(&url, &cache).arg("--offline").run().expect(0);
    assert_eq!(path_of(&offline), path_of(&first));
    let absent = cached(&url, &cache).args(["--offline", "--isel", "latitude=0"]).run().expect(4);
    assert!(absent.stderr.contains("not in the cache"), "{}", absent.stderr);
}

#[test]
fn a_source_that_changed_is_fetched_again_beside_the_old_version() {
    let directory = directory();
    let (source, cache) = (directory.path().join("in.zarr"), directory.path().join("cache"));
    harness::copy_tree(&fixture(WEATHER), &source);
    let fetch = || path_of(&cached(source.to_str().unwrap(), &cache).run().expect(0));
    let first = fetch();
    assert_eq!(fetch(), first);
    let text = fs::read_to_string(source.join(".zmetadata")).unwrap();
    fs::write(source.join(".zmetadata"), text + "\n").unwrap();
    let second = fetch();
    assert_ne!(second, first);
    assert!(first.exists(), "somebody may read it");
    assert_eq!((content(&first), fetch()), (content(&second), second));
}

#[test]
fn a_second_process_waits_for_the_first() {
    let server = ObjectServer::start(&fixtures(), vec![Fault::Slow { milliseconds: 100 }]);
    let directory = directory();
    let cache = directory.path().join("cache");
    let url = server.http_url(WEATHER);
    let both = [0, 1].map(|_| harness::spawn(cached(&url, &cache)));
    let outcomes = both.map(|child| child.end());
    let reused: u64 = outcomes.iter().map(|outcome| summary(outcome)["reused"].as_u64().unwrap()).sum();
    assert_eq!((outcomes.each_ref().map(|outcome| outcome.code), reused), ([0, 0], 1), "{outcomes:?}");
    assert_eq!(path_of(&outcomes[0]), path_of(&outcomes[1]));
    let mut data = chunks(&server);
    let all = data.len();
    data.sort_unstable();
    data.dedup();
    assert!(data.iter().any(|key| key.contains("t2m/")) && data.len() == all, "each chunk once");
}

#[test]
fn a_killed_run_leaves_no_entry_and_is_continued() {
    let directory = directory();
    let cache = directory.path().join("cache");
    let slow = ObjectServer::start(&fixtures(), vec![Fault::Stall { key_contains: "u10/23".into() }]);
    let url = |server: &ObjectServer| server.s3_url(WEATHER);
    let tool = |server: &ObjectServer| {
        let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
        tool.arg(url(server)).arg("--cache").arg(&cache)
    };
    let child = harness::spawn(tool(&slow).args(["--checkpoint", "10ms"]));
    harness::wait_for("the chunks", || chunks(&slow).len() > 20);
    std::thread::sleep(std::time::Duration::from_millis(300));
    child.signal(rustix::process::Signal::KILL);
    child.end();
    let server = ObjectServer::start(&fixtures(), vec![]);
    let offline = tool(&server).arg("--offline").run().expect(4);
    assert!(offline.stderr.contains("not in the cache"), "{}", offline.stderr);
    let outcome = tool(&server).run().expect(0);
    assert!(summary(&outcome)["resumed"].as_u64().unwrap() > 0, "{}", outcome.stdout);
    zfetch(&fixture(WEATHER), &directory.path().join("direct.zarr")).run().expect(0);
    assert_eq!(content(&path_of(&outcome)), content(&directory.path().join("direct.zarr")));
}

#[test]
fn several_stores_have_a_record_each_and_one_that_fails_stops_none() {
    let directory = directory();
    let tool = Tool::hermetic("zfetch").args(["--json", "--cache"]).arg(directory.path().join("cache"));
    let tool = tool.arg(fixture(WEATHER)).arg("/nowhere/x.zarr").arg(fixture("era5-uk-v2.zarr"));
    let outcome = tool.args(["--var", "t2m", "--isel", "time=0"]).run().expect(3);
    let fetched = records(&outcome).into_iter().filter(|record| record["type"] == "fetched").count();
    assert_eq!(
        (fetched, summary(&outcome)["stores"].as_u64(), summary(&outcome)["errors"].as_u64()),
        (2, Some(2), Some(1))
    );
    let other = directory.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.tex"), "").unwrap();
    let refused = cached(fixture(WEATHER).to_str().unwrap(), &other).run().expect(2);
    assert!(refused.stderr.contains("not a cache of zfetch") && fs::read_dir(&other).unwrap().count() == 1);
}

/// A request that is under way when the signal comes is given up without a word of the runtime.
#[test]
fn a_signal_ends_a_request_under_way() {
    let server = ObjectServer::start(&fixtures(), vec![Fault::Silence { key_contains: "t2m/".into() }]);
    for _ in 0..10 {
        let directory = directory();
        let url = server.http_url(WEATHER);
        let before = server.served().len();
        let child = harness::spawn(cached(&url, &directory.path().join("cache")));
        harness::wait_for("the chunk", || {
            server.served().iter().skip(before).any(|served| served.key.contains("t2m/0"))
        });
        child.signal(rustix::process::Signal::INT);
        let outcome = child.end();
        assert_eq!(outcome.code, 130, "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("internal error"), "{}", outcome.stderr);
    }
}
