//! `zfetch`, end to end: what is transferred, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;

use harness::{Fault, ObjectServer, Outcome, Tool, content, fixture, fixtures, tree};
use serde_json::Value;
use tempfile::TempDir;

fn zfetch(source: &Path, target: &Path) -> Tool {
    Tool::hermetic("zfetch").arg(source).arg("--to").arg(target).arg("--json")
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
    assert_eq!(outcome.summary()["failed"], 0);
}

#[test]
fn a_whole_store_is_copied_byte_for_byte() {
    let directory = directory();
    let out = directory.path().join("out.zarr");
    let outcome = zfetch(&fixture("era5-uk-v2.zarr"), &out).run().expect(0);
    assert_eq!(content(&out), content(&fixture("era5-uk-v2.zarr")));
    let fetched = &outcome.records()[0];
    assert_eq!((fetched["type"].as_str(), fetched["path"].as_str()), (Some("fetched"), out.to_str()));
    assert_eq!(outcome.summary()["recoded"], 0);
}

#[test]
fn a_chunk_that_is_not_there_is_counted_and_stays_missing() {
    let directory = directory();
    let (source, out) = (directory.path().join("in.zarr"), directory.path().join("out.zarr"));
    harness::copy_tree(&fixture("era5-uk-v2.zarr"), &source);
    let chunk = tree(&source.join("t2m")).into_keys().find(|key| !key.starts_with('.')).unwrap();
    fs::remove_file(source.join("t2m").join(&chunk)).unwrap();
    let outcome = zfetch(&source, &out).arg("-v").run().expect(0);
    let array = outcome.records().into_iter().find(|record| record["path"] == "/t2m").unwrap();
    assert_eq!((array["type"].as_str(), array["missing_objects"].as_u64()), (Some("fetch"), Some(1)));
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
        (&["--lat=179", "--lon=45"], 2, &["latitude 179", "use --lat 45 --lon 179 if they are swapped"]),
        (&["--lat=951", "--lon=0"], 2, &["latitude 951", "latitudes go from -90 to 90"]),
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
    let plan = outcome.records().into_iter().find(|record| record["path"] == "/t2m").unwrap();
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
    let prepare = || zfetch(&era5, &parts).args(select).args(["--prepare", "--parts", "3"]);
    prepare().run().expect(0);
    let prepared = prepare().run().expect(7);
    assert!(prepared.stderr.contains("--overwrite to prepare it again"), "{}", prepared.stderr);
    prepare().arg("--overwrite").run().expect(0);
    let to = |flags: &[&str]| Tool::hermetic("zfetch").args(["--json", "--to"]).arg(&parts).args(flags).run();
    for part in ["2/3", "1/3", "3/3"] {
        to(&["--part", part]).expect(0);
    }
    to(&["--finish"]).expect(0);
    assert_eq!(tree(&one), tree(&parts));
    let again = zfetch(&era5, &one).args(select).arg("--resume").run().expect(0);
    assert_eq!(again.records()[0]["already_complete"], true);
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
    assert!(refused.stderr.contains("another selection or source: time"), "{}", refused.stderr);
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
        assert!(outcome.summary()["failed"].as_u64().unwrap() > 0, "{fault:?}");
        // The rest comes from the first run.
        let server = ObjectServer::start(&fixtures(), vec![]);
        let tool =
            Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json", "--resume"]);
        let resumed = tool.arg(server.s3_url(WEATHER)).arg("--to").arg(&out).run().expect(0);
        let chunks: Vec<String> = chunks(&server).into_iter().filter(|key| !key.contains("t2m/0")).collect();
        assert!(resumed.summary()["resumed"].as_u64().unwrap() > 20, "{fault:?}: {}", resumed.stdout);
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

// ---- The layout of the source

#[test]
fn a_mirror_has_the_chunks_that_the_points_touch_in_their_places() {
    let server = ObjectServer::start(&fixtures(), vec![]);
    let directory = directory();
    let (out, points) = (directory.path().join("out.zarr"), directory.path().join("points.csv"));
    fs::write(&points, "station,lat,lon\na,80,10\nbad,x,1\nb,-80,300\n").unwrap();
    let fetch = |flags: &[&str]| {
        let tool = Tool::hermetic("zfetch").arg(server.http_url(WEATHER)).arg("--to").arg(&out).arg("--json");
        tool.args(["--layout", "mirror", "--var", "u10", "--isel", "time=3:5", "--points"])
            .arg(&points)
            .args(flags)
            .run()
    };
    let refused = fetch(&[]).expect(2);
    assert!(refused.stderr.contains("line 3") && refused.stderr.contains("--skip-bad-points"), "{}", refused.stderr);
    let plan = fetch(&["--skip-bad-points", "-n"]).expect(0);
    assert!(plan.stderr.contains("1 point left out"), "{}", plan.stderr);
    let planned = plan.record("plan", "/u10")["objects_expected"].as_u64().unwrap();
    let before = chunks(&server).len();
    fetch(&["--skip-bad-points"]).expect(0);
    let source = tree(&fixture(WEATHER));
    let written = tree(&out);
    let own = |tree: &std::collections::BTreeMap<String, Vec<u8>>| {
        tree.keys()
            .filter(|key| key.starts_with("u10/") && !key.contains("/.") && !key.ends_with('/'))
            .cloned()
            .collect::<Vec<_>>()
    };
    let (all, ours) = (own(&source), own(&written));
    assert_eq!(ours.len() as u64, planned);
    assert!(!ours.is_empty() && ours.len() < all.len(), "{ours:?} of {all:?}");
    assert!(ours.iter().all(|key| written[key] == source[key]));
    let parsed = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap();
    assert_eq!(parsed(&written["u10/.zarray"]), parsed(&source["u10/.zarray"]));
    assert_eq!(chunks(&server).split_off(before).iter().filter(|key| key.contains("/u10/")).count(), ours.len());
    let coverage: Value = serde_json::from_slice(&written[".zfetch.json"]).unwrap();
    assert_eq!(coverage["arrays"], serde_json::json!({"/u10": 0}));
    // A finished mirror is found complete; another one is not taken for it.
    assert_eq!(fetch(&["--skip-bad-points", "--resume"]).expect(0).records()[0]["already_complete"], true);
    fetch(&["--skip-bad-points", "--resume", "--isel", "time=3:4"]).expect(7);
}

#[test]
fn a_mirror_is_a_local_store() {
    let tool =
        zfetch(&fixture(WEATHER), Path::new("s3://bucket/out.zarr")).args(["--layout", "mirror", "--isel", "time=0"]);
    let refused = tool.run().expect(2);
    assert!(refused.stderr.contains("local stores only"), "{}", refused.stderr);
}
