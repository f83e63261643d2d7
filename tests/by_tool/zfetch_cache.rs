//! The cache of `zfetch`, end to end: what is found again, what is evicted, and what is kept.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Break, Fault, ObjectServer, Outcome, Tool, content, copy_tree, fixture, fixtures, tree};
use serde_json::{Value, json};
use tempfile::TempDir;

const WEATHER: &str = "weather-v2.zarr";

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn cached(source: &str, cache: &Path) -> Tool {
    Tool::hermetic("zfetch").arg(source).arg("--cache").arg(cache).args(["--json", "--var", "t2m", "--isel", "time=0"])
}

fn path_of(outcome: &Outcome) -> std::path::PathBuf {
    outcome.records().iter().find(|record| record["type"] == "fetched").unwrap()["path"].as_str().unwrap().into()
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
    assert_eq!((second.summary()["reused"].as_u64(), second.summary()["objects"].as_u64()), (Some(1), Some(0)));
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
    copy_tree(&fixture(WEATHER), &source);
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
    let reused: u64 = outcomes.iter().map(|outcome| outcome.summary()["reused"].as_u64().unwrap()).sum();
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
    let stalls = Fault::Breaks { key_contains: "u10/23".into(), times: 1, how: Break::Stall };
    let server = ObjectServer::start(&fixtures(), vec![stalls]);
    let tool = || {
        let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
        tool.arg(server.s3_url(WEATHER)).arg("--cache").arg(&cache)
    };
    let child = harness::spawn(tool().args(["--checkpoint", "10ms"]));
    harness::wait_for("the chunks", || chunks(&server).len() > 20);
    std::thread::sleep(std::time::Duration::from_millis(300));
    child.signal(rustix::process::Signal::KILL);
    child.end();
    let offline = tool().arg("--offline").run().expect(4);
    assert!(offline.stderr.contains("not in the cache"), "{}", offline.stderr);
    let outcome = tool().run().expect(0);
    assert!(outcome.summary()["resumed"].as_u64().unwrap() > 0, "{}", outcome.stdout);
    zfetch(&fixture(WEATHER), &directory.path().join("direct.zarr")).run().expect(0);
    assert_eq!(content(&path_of(&outcome)), content(&directory.path().join("direct.zarr")));
}

#[test]
fn several_stores_have_a_record_each_and_one_that_fails_stops_none() {
    let directory = directory();
    let tool = Tool::hermetic("zfetch").args(["--json", "--cache"]).arg(directory.path().join("cache"));
    let tool = tool.arg(fixture(WEATHER)).arg("/nowhere/x.zarr").arg(fixture("era5-uk-v2.zarr"));
    let outcome = tool.args(["--var", "t2m", "--isel", "time=0"]).run().expect(3);
    let fetched = outcome.records().into_iter().filter(|record| record["type"] == "fetched").count();
    assert_eq!(
        (fetched, outcome.summary()["stores"].as_u64(), outcome.summary()["errors"].as_u64()),
        (2, Some(2), Some(1))
    );
    let other = directory.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.tex"), "").unwrap();
    let refused = cached(fixture(WEATHER).to_str().unwrap(), &other).run().expect(2);
    assert!(refused.stderr.contains("not a cache of zfetch") && fs::read_dir(&other).unwrap().count() == 1);
}

/// The second of two paths is meant as an output if nothing is there.
#[test]
fn a_destination_without_its_flag_is_noticed() {
    let directory = directory();
    let at = |name: &str| directory.path().join(name).display().to_string();
    copy_tree(&fixture(WEATHER), &directory.path().join("a.zarr"));
    let tool = Tool::hermetic("zfetch").args([at("a.zarr"), at("b c.zarr"), "--cache".into(), at("cache")]);
    let outcome = tool.run().expect(4);
    let hint = format!("hint: to write it, use zfetch {} --to '{}'", at("a.zarr"), at("b c.zarr"));
    assert!(outcome.stderr.contains(&hint), "{}", outcome.stderr);
    assert!(!directory.path().join("cache").exists() && !directory.path().join("b c.zarr").exists());
}

/// What is to be copied from a terminal is whole in it.
#[test]
fn the_path_of_an_entry_is_never_shortened() {
    if std::process::Command::new("script").arg("--version").output().is_err() {
        println!("skipped: script(1) not found");
        return;
    }
    let directory = directory();
    let deep = directory.path().join("a-directory-with-a-rather-long-name/and-another-one-in-it");
    let program = cached(fixture(WEATHER).to_str().unwrap(), &deep);
    let words = std::iter::once(program.0.get_program()).chain(program.0.get_args());
    let words: Vec<String> =
        words.filter(|word| *word != "--json").map(|word| format!("'{}'", word.display())).collect();
    let inside = format!("stty cols 80 && {}", words.join(" "));
    let shown = std::process::Command::new("script").args(["-qec", &inside, "/dev/null"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let path = path_of(&cached(fixture(WEATHER).to_str().unwrap(), &deep).run().expect(0)).display().to_string();
    assert!(shown.lines().any(|line| line.trim_end() == path), "{path}: {shown}");
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

/// Keys of the objects that were transferred, without those of metadata.
fn chunks(server: &ObjectServer) -> Vec<String> {
    let served = server.served().into_iter().filter(|served| served.method == "GET" && served.status < 400);
    let mut keys: Vec<String> = served.map(|served| served.key).collect();
    keys.retain(|key| !key.is_empty() && !key.rsplit('/').next().unwrap().starts_with(['.', 'z']));
    keys
}

fn zfetch(source: &Path, target: &Path) -> Tool {
    Tool::hermetic("zfetch").arg(source).arg("--to").arg(target).arg("--json")
}

/// `zfetch cache`, with the cache of a test.
fn cache_command(words: &[&str], cache: &Path) -> Tool {
    Tool::hermetic("zfetch").arg("cache").args(words).arg("--cache").arg(cache).arg("--json")
}

/// The path of a cached store, as scripts ask for it.
fn cached_path(entry: &str, cache: &Path) -> String {
    let path = Tool::hermetic("zfetch").args(["cache", "path", entry, "--cache"]).arg(cache).run().expect(0).stdout;
    path.trim_end().to_owned()
}

/// The cached stores `a`, `b` and `c`, used in this order.
fn three(directory: &Path) -> (PathBuf, Vec<String>) {
    let cache = directory.join("cache");
    let names = ["a", "b", "c"].map(|name| {
        let store = directory.join(format!("{name}.zarr"));
        copy_tree(&fixture(WEATHER), &store);
        let fetched = Tool::hermetic("zfetch").arg(store).arg("--cache").arg(&cache).arg("--json").run().expect(0);
        let path = path_of(&fetched);
        // A clock may be coarse.
        let readers = path.join("../../readers");
        let used = fs::metadata(&readers).unwrap().modified().unwrap();
        let earlier = std::time::Duration::from_secs(100 * (3 - u64::from(name.as_bytes()[0] - b'a')));
        fs::File::options().write(true).open(&readers).unwrap().set_modified(used - earlier).unwrap();
        path.parent().unwrap().parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
    });
    (cache, names.to_vec())
}

fn names(cache: &Path) -> Vec<String> {
    let entries = cache_command(&["list"], cache).run().expect(0);
    let names = entries.of_type("cache_entry").into_iter().map(|entry| entry["name"].as_str().unwrap().to_owned());
    names.collect()
}

#[test]
fn the_least_recently_used_is_evicted_and_what_is_pinned_or_in_use_stays() {
    let directory = directory();
    let (cache, all) = three(directory.path());
    assert_eq!(names(&cache), all);
    let list = cache_command(&["list"], &cache).run().expect(0);
    let bytes = list.of_type("cache_entry")[0]["disk_bytes"].as_u64().unwrap();
    let total = list.summary()["disk_bytes"].as_u64().unwrap();
    assert!(bytes > 0 && total >= 3 * bytes / 2, "{}", list.stdout);
    let most = (total - 1).to_string();
    // Nothing happens in a dry run.
    let plan = cache_command(&["evict", "-n", "--max-size", &most], &cache).run().expect(0);
    assert_eq!(plan.of_type("cache_entry")[0]["name"], all[0].as_str());
    assert_eq!(names(&cache), all);
    cache_command(&["pin", &all[1]], &cache).run().expect(0);
    let evicted = cache_command(&["evict", "--max-size", &most], &cache).run().expect(0);
    assert_eq!(names(&cache), [all[1].clone(), all[2].clone()], "{}", evicted.stdout);
    let evicted = cache_command(&["evict", "--max-size", "1"], &cache).run().expect(0);
    assert_eq!(names(&cache), [all[1].clone()], "{}", evicted.stdout);
    let kept = cache_command(&["evict", &all[1]], &cache).run().expect(3);
    assert_eq!(kept.of_type("cache_entry")[0]["reason"], "pinned");
    cache_command(&["unpin", &all[1]], &cache).run().expect(0);
    cache_command(&["evict", "a*", &all[1]], &cache).run().expect(4);
    cache_command(&["evict", &all[1]], &cache).run().expect(0);
    assert_eq!(names(&cache), Vec::<String>::new());
}

#[test]
fn an_entry_that_is_read_is_not_evicted() {
    let directory = directory();
    let (cache, all) = three(directory.path());
    let path = cached_path(&all[0], &cache);
    // The lock that every one of our readers holds while the store is open.
    let readers = fs::File::open(Path::new(path.trim()).join("../../readers")).unwrap();
    rustix::fs::flock(&readers, rustix::fs::FlockOperation::LockShared).unwrap();
    let evicted = cache_command(&["evict", "--max-size", "1"], &cache).run().expect(0);
    assert_eq!(names(&cache), [all[0].clone()], "{}", evicted.stdout);
    assert_eq!(evicted.of_type("cache_entry")[0]["reason"], "in use");
    drop(readers);
    let before = cache_command(&["list"], &cache).run().expect(0).of_type("cache_entry")[0]["last_used"].clone();
    Tool::new("zinspect").arg(path.trim()).run().expect(0);
    let after = cache_command(&["list"], &cache).run().expect(0).of_type("cache_entry")[0]["last_used"].clone();
    assert!(after.as_str() > before.as_str(), "reading is using: {before} {after}");
    cache_command(&["evict", "--max-size", "1"], &cache).run().expect(0);
    assert_eq!(names(&cache), Vec::<String>::new());
}

#[test]
fn fetching_makes_room_first_and_refuses_what_cannot_fit() {
    let directory = directory();
    let (cache, all) = three(directory.path());
    let total = cache_command(&["list"], &cache).run().expect(0).summary()["disk_bytes"].as_u64().unwrap();
    let fourth = directory.path().join("d.zarr");
    copy_tree(&fixture(WEATHER), &fourth);
    let fetch = |most: &str| {
        Tool::hermetic("zfetch").arg(&fourth).arg("--cache").arg(&cache).args(["--json", "--max-size", most])
    };
    let refused = fetch("100").run().expect(7);
    assert!(refused.stderr.contains("more than --max-size"), "{}", refused.stderr);
    assert_eq!(names(&cache), all);
    let fetched = fetch(&total.to_string()).run().expect(0);
    let evicted: Vec<Value> = fetched.of_type("cache_entry").iter().map(|entry| entry["name"].clone()).collect();
    assert_eq!(evicted, [all[0].as_str()]);
    assert!(path_of(&fetched).join(".zmetadata").exists());
    // The one that was fetched is never evicted by the run that fetched it.
    let all_others = fetch("200K").args(["--var", "t2m"]).run().expect(0);
    assert!(path_of(&all_others).exists(), "{}", all_others.stdout);
}

#[test]
fn bytes_that_changed_on_the_disk_are_found_without_the_source() {
    let directory = directory();
    let (cache, all) = three(directory.path());
    let sound = cache_command(&["verify"], &cache).run().expect(0);
    assert!(sound.summary()["verified"].as_u64().unwrap() > 3 && sound.summary()["not_verified"] == 0);
    for store in ["a", "b", "c"] {
        fs::remove_dir_all(directory.path().join(format!("{store}.zarr"))).unwrap();
    }
    let path = cached_path(&all[1], &cache);
    let store = Path::new(path.trim());
    let mut chunks =
        tree(&store.join("u10")).into_iter().filter(|(key, bytes)| !key.starts_with('.') && bytes.len() > 20);
    let ((flipped, mut bytes), (gone, _), (short, _)) =
        (chunks.next().unwrap(), chunks.next().unwrap(), chunks.next().unwrap());
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(store.join("u10").join(&flipped), bytes).unwrap();
    fs::remove_file(store.join("u10").join(&gone)).unwrap();
    fs::write(store.join("u10").join(&short), b"short").unwrap();
    let found = cache_command(&["verify"], &cache).run().expect(1);
    let errors = found.of_type("error");
    assert_eq!(errors.len(), 3, "{}", found.stdout);
    for (key, what) in [(&flipped, "CRC-32C"), (&gone, "missing"), (&short, "5 bytes")] {
        let error =
            errors.iter().find(|error| error["path"].as_str().unwrap().ends_with(&format!("u10/{key}"))).unwrap();
        assert!(error["error"].as_str().unwrap().contains(what), "{error}");
    }
    cache_command(&["verify", &all[0], &all[2]], &cache).run().expect(0);
}

#[test]
fn arrays_that_were_cut_are_verified_too() {
    let directory = directory();
    let cache = directory.path().join("cache");
    let tool = Tool::hermetic("zfetch").arg(fixture(WEATHER)).arg("--cache").arg(&cache).arg("--json");
    let fetched = tool.args(["--isel", "latitude=3:5", "--var", "latitude", "--var", "t2m"]).run().expect(0);
    let verified = cache_command(&["verify"], &cache).run().expect(0);
    assert_eq!(verified.summary()["verified"], fetched.summary()["objects"]);
    let chunk = path_of(&fetched).join("latitude/0");
    let mut bytes = fs::read(&chunk).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&chunk, bytes).unwrap();
    cache_command(&["verify"], &cache).run().expect(1);
}

/// A selection cuts the shards of the coordinate inside of their inner chunks: they are encoded again.
#[test]
fn shards_that_were_cut_are_verified_too() {
    let directory = directory();
    let (source, cache) = (directory.path().join("in.zarr"), directory.path().join("cache"));
    let array = |name: &str, chunk: u64, codecs: Value| {
        let metadata = json!({
            "zarr_format": 3, "node_type": "array", "shape": [64], "data_type": "uint8", "fill_value": 255,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [chunk]}},
            "chunk_key_encoding": {"name": "default"}, "dimension_names": ["y"], "attributes": {}, "codecs": codecs});
        fs::create_dir_all(source.join(name).join("c")).unwrap();
        fs::write(source.join(name).join("zarr.json"), metadata.to_string()).unwrap();
    };
    let sharding = json!([{"name": "sharding_indexed", "configuration": {
        "chunk_shape": [8], "codecs": [{"name": "bytes"}], "index_location": "end",
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}}]);
    array("a", 3, json!([{"name": "bytes"}]));
    array("y", 32, sharding);
    fs::write(source.join("zarr.json"), r#"{"zarr_format": 3, "node_type": "group", "attributes": {}}"#).unwrap();
    for number in 0..22 {
        fs::write(source.join(format!("a/c/{number}")), [number; 3]).unwrap();
    }
    for number in 0..2_u8 {
        let mut shard: Vec<u8> = (0..32).map(|at| number * 32 + at).collect();
        (0..4_u64).for_each(|inner| shard.extend([inner * 8, 8].map(u64::to_le_bytes).concat()));
        fs::write(source.join(format!("y/c/{number}")), shard).unwrap();
    }
    let tool = Tool::hermetic("zfetch").arg(&source).arg("--cache").arg(&cache).arg("--json");
    let fetched = tool.args(["--isel", "y=4:13"]).run().expect(0);
    assert!(fetched.summary()["recoded"].as_u64().unwrap() > 0, "{}", fetched.stdout);
    let verified = cache_command(&["verify"], &cache).run().expect(0);
    assert_eq!(verified.summary()["verified"], fetched.summary()["objects"]);
    let shard = path_of(&fetched).join("y/c/0");
    let mut bytes = fs::read(&shard).unwrap();
    bytes[2] ^= 1;
    fs::write(&shard, bytes).unwrap();
    let found = cache_command(&["verify"], &cache).run().expect(1);
    assert!(found.of_type("error")[0]["error"].as_str().unwrap().contains("CRC-32C"), "{}", found.stdout);
}

#[test]
fn a_run_that_was_killed_before_the_marker_is_completed() {
    let directory = directory();
    let cache = directory.path().join("cache");
    let source = directory.path().join("in.zarr");
    copy_tree(&fixture(WEATHER), &source);
    let first = cached(source.to_str().unwrap(), &cache).run().expect(0);
    // All was published, and then the process ended.
    let marker = path_of(&first).join("../../entry.json");
    fs::remove_file(&marker).unwrap();
    assert_eq!(cache_command(&["list"], &cache).run().expect(0).of_type("cache_entry")[0]["complete"], false);
    // Meanwhile the source has changed, in chunks alone.
    let changed = source.join("t2m/0.0.0");
    fs::copy(source.join("t2m/1.0.0"), &changed).unwrap();
    let again = cached(source.to_str().unwrap(), &cache).run().expect(0);
    assert_eq!(path_of(&again), path_of(&first));
    assert!(marker.exists());
    assert!(fs::read(path_of(&again).join("t2m/0.0.0")).unwrap() == fs::read(&changed).unwrap());
    cache_command(&["verify"], &cache).run().expect(0);
    let third = cached(source.to_str().unwrap(), &cache).run().expect(0);
    assert_eq!(third.summary()["reused"], 1);
}

#[test]
fn names_of_entries_that_do_not_exist_and_other_directories_are_refused() {
    let directory = directory();
    let (cache, all) = three(directory.path());
    let typed = all[0].replace("a-", "aa-");
    let unknown = cache_command(&["evict", &typed], &cache).run().expect(4);
    assert!(unknown.stderr.contains(&format!("did you mean {}", all[0])), "{}", unknown.stderr);
    let other = directory.path().join("a.zarr");
    let refused = cache_command(&["evict", "--max-size", "1"], &other).run().expect(4);
    assert!(refused.stderr.contains("no cache of zfetch"), "{}", refused.stderr);
    cache_command(&["evict"], &cache).run().expect(2);
    cache_command(&["pin"], &cache).run().expect(2);
    assert_eq!(names(&cache), all);
    let directory = cache.canonicalize().unwrap();
    let path = Tool::hermetic("zfetch").args(["cache", "path", "--cache"]).arg(&cache).run().expect(0).stdout;
    assert_eq!(Path::new(path.trim_end()), directory);
    let record = cache_command(&["path"], &cache).run().expect(0);
    assert_eq!(record.of_type("cache")[0]["path"], directory.to_str().unwrap(), "{}", record.stdout);
    assert_eq!(record.summary()["exit"], 0);
    // The path of an entry, for people and for programs.
    let record = cache_command(&["path", &all[0]], &cache).run().expect(0);
    let entry = &record.of_type("cache_entry")[0];
    assert_eq!((&entry["name"], &entry["path"]), (&all[0].as_str().into(), &cached_path(&all[0], &cache).into()));
}

#[test]
fn several_stores_are_fetched_at_once_and_told_in_their_order() {
    let directory = directory();
    let late = Fault::Late { key_contains: WEATHER.into(), milliseconds: 100 };
    let server = ObjectServer::start(&fixtures(), vec![late]);
    let urls = [WEATHER, "era5-uk-v2.zarr"].map(|store| server.http_url(store));
    let tool = Tool::hermetic("zfetch").args(&urls).arg("--cache").arg(directory.path().join("cache"));
    let outcome = tool.args(["--json", "--var", "t2m", "--isel", "time=0", "-v"]).run().expect(0);
    let stores: Vec<String> =
        outcome.of_type("fetched").iter().map(|record| record["store"].as_str().unwrap().to_owned()).collect();
    assert_eq!(stores, urls);
    let arrays = outcome.of_type("fetch");
    assert!(
        arrays.len() > 2 && arrays.is_sorted_by_key(|array| array["store"] != urls[0].as_str()),
        "{}",
        outcome.stdout
    );
    let served = server.served();
    let first = |store: &str| served.iter().position(|request| request.key.contains(store)).unwrap();
    let last = |store: &str| served.iter().rposition(|request| request.key.contains(store)).unwrap();
    assert!(first("era5-uk-v2.zarr") < last(WEATHER), "one after the other");
}

#[test]
fn only_the_version_before_is_kept() {
    let directory = directory();
    let (source, cache) = (directory.path().join("in.zarr"), directory.path().join("cache"));
    copy_tree(&fixture(WEATHER), &source);
    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(path_of(&cached(source.to_str().unwrap(), &cache).run().expect(0)));
        let text = fs::read_to_string(source.join(".zmetadata")).unwrap();
        fs::write(source.join(".zmetadata"), text + "\n").unwrap();
    }
    assert_eq!(paths.iter().map(|path| path.exists()).collect::<Vec<_>>(), [false, false, true, true]);
    let entry = cache_command(&["list"], &cache).run().expect(0).of_type("cache_entry")[0].clone();
    assert_eq!(entry["path"], paths[3].to_str().unwrap());
    // A refresh that fails leaves all as it was.
    fs::rename(&source, directory.path().join("gone.zarr")).unwrap();
    cached(source.to_str().unwrap(), &cache).run().expect(4);
    let again = cache_command(&["list"], &cache).run().expect(0).of_type("cache_entry")[0].clone();
    assert_eq!((&again["path"], &again["complete"]), (&entry["path"], &Value::Bool(true)));
}

#[test]
fn a_damaged_journal_is_a_finding_and_the_other_entries_are_verified() {
    let directory = directory();
    let (cache, all) = three(directory.path());
    let checksums = cache.join(&all[0]).join("checksums-1/1");
    let segment = fs::read_dir(&checksums).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&segment).unwrap();
    let damaged = text.replacen("\"unit\":0", "\"unit\":99999999999999", 1);
    let damaged = damaged.replacen("\"path\":\"/t2m\",\"unit\":1,", "\"path\":\"/x\",\"unit\":99999999999999,", 1);
    assert!(damaged.contains("\"/x\""), "{damaged}");
    fs::write(&segment, damaged).unwrap();
    let store = cached_path(&all[1], &cache);
    fs::write(Path::new(store.trim()).join("t2m/.zarray"), "{").unwrap();
    let found = cache_command(&["verify"], &cache).run().expect(1);
    let states: Vec<bool> =
        found.of_type("cache_entry").iter().map(|entry| entry["failed"].as_u64().unwrap() > 0).collect();
    assert_eq!(states, [true, true, false], "{}", found.stdout);
}

#[test]
fn many_stores_share_a_small_cache() {
    let directory = directory();
    let cache = directory.path().join("cache");
    let stores: Vec<PathBuf> = (0..8).map(|number| directory.path().join(format!("{number}.zarr"))).collect();
    stores.iter().for_each(|store| copy_tree(&fixture(WEATHER), store));
    let fetch = |flags: &[&str]| {
        Tool::hermetic("zfetch")
            .args(&stores)
            .arg("--cache")
            .arg(&cache)
            .args(["--json", "--max-size", "3M"])
            .args(flags)
            .run()
    };
    fetch(&[]).expect(0);
    // Two processes evict at the same time what the other selection left.
    let both = ["time=0:12", "time=12:24"].map(|times| {
        let tool = Tool::hermetic("zfetch").args(&stores).arg("--cache").arg(&cache);
        harness::spawn(tool.args(["--json", "--max-size", "3M", "--isel", times]))
    });
    for outcome in both.map(|child| child.end()) {
        let outcome = outcome.expect(0);
        assert_eq!(outcome.of_type("fetched").len(), 8, "{}", outcome.stdout);
    }
    // What was in use then is not any more.
    cache_command(&["evict", "--max-size", "3M"], &cache).run().expect(0);
    let left = cache_command(&["list"], &cache).run().expect(0).summary();
    let [entries, bytes] = ["entries", "disk_bytes"].map(|name| left[name].as_u64().unwrap());
    assert!(entries > 0 && entries < 24 && bytes <= 3 << 20, "{left}");
}

#[test]
fn an_unfinished_fetch_of_a_source_that_has_changed_begins_again() {
    let directory = directory();
    let cache = directory.path().join("cache");
    copy_tree(&fixture(WEATHER), &directory.path().join("in.zarr"));
    let server = ObjectServer::start(directory.path(), vec![Fault::Stall { key_contains: "u10/23".into() }]);
    let tool = || {
        let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
        tool.arg(server.s3_url("in.zarr")).arg("--cache").arg(&cache).args(["--checkpoint", "10ms"])
    };
    let child = harness::spawn(tool());
    harness::wait_for("most chunks", || {
        server.served().iter().filter(|served| served.key.contains("u10/")).count() > 10
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    child.signal(rustix::process::Signal::KILL);
    child.end();
    // Another array has come to the source, and the one that stalls is gone.
    let store = directory.path().join("in.zarr");
    fs::rename(store.join("u10"), store.join("v10")).unwrap();
    let text = fs::read_to_string(store.join(".zmetadata")).unwrap();
    fs::write(store.join(".zmetadata"), text.replace("u10/", "v10/")).unwrap();
    let outcome = tool().run().expect(0);
    assert!(path_of(&outcome).join("v10/0.0.0").exists() && !path_of(&outcome).join("u10").exists());
}

/// What cannot be compared any more is not found sound.
#[test]
fn entries_without_checksums_or_store_are_not_verified() {
    let directory = directory();
    let (cache, all) = three(directory.path());
    let store = |name: &str| cached_path(name, &cache);
    let entry = |name: &str| Path::new(&store(name)).ancestors().nth(2).unwrap().to_owned();
    fs::remove_dir_all(entry(&all[0]).join("checksums-1")).unwrap();
    let partly = cache_command(&["verify"], &cache).run().expect(3);
    assert!(partly.summary()["not_verified"] == 1 && partly.summary()["failed"] == 0, "{}", partly.stdout);
    let lost = store(&all[1]);
    fs::remove_dir_all(&lost).unwrap();
    let found = cache_command(&["verify"], &cache).run().expect(1);
    assert_eq!(found.summary()["failed"], 1);
    let errors = found.of_type("error");
    assert!(errors.len() == 1 && errors[0]["path"] == lost.as_str(), "{}", found.stdout);
}
