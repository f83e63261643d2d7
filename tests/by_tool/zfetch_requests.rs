//! Requests of `zfetch`, end to end: how many are in flight, which are made once, and that a run which waits for one can be stopped.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use harness::{Fault, MakeArray, ObjectServer, Tool, directory, fixture, spawn, wait_for};
use rustix::process::Signal;

/// A server with a store of many small chunks that is far away.
fn far(directory: &Path, chunks: usize, bytes: usize) -> ObjectServer {
    MakeArray { chunk: bytes / 4, chunks, codec: None, noise_bits: 32 }.write(&directory.join("in.zarr"));
    ObjectServer::start(directory, vec![Fault::Late { key_contains: "in.zarr/".into(), milliseconds: 50 }])
}

#[test]
fn many_requests_are_in_flight_to_a_server_that_is_far_away() {
    let directory = directory();
    let server = far(directory.path(), 300, 100_000);
    let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json", "-j", "2"]);
    tool.arg(server.s3_url("in.zarr")).arg("--to").arg(directory.path().join("out.zarr")).run().expect(0);
    // More would only take memory: the cores can do no more answers while a request is under way, 80 each.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = (80 * cores).clamp(64, 256) * 5 / 4;
    assert!((40..=most).contains(&server.most_at_once()), "{} at once", server.most_at_once());
}

#[test]
fn stores_on_one_server_share_its_requests() {
    let directory = directory();
    let stores: Vec<String> = (0..6).map(|number| format!("{number}.zarr")).collect();
    for store in &stores {
        MakeArray { chunk: 100, chunks: 40, codec: None, noise_bits: 32 }.write(&directory.path().join(store));
    }
    let late = Fault::Late { key_contains: ".zarr/".into(), milliseconds: 20 };
    let server = ObjectServer::start(directory.path(), vec![late]);
    let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
    let tool = tool.args(["--requests", "9", "--cache"]).arg(directory.path().join("cache"));
    let fetched = tool.args(stores.iter().map(|store| server.s3_url(store))).run().expect(0);
    assert_eq!(fetched.of_type("fetched").len(), 6);
    assert!((5..=9).contains(&server.most_at_once()), "{} at once", server.most_at_once());
}

#[test]
fn metadata_that_is_not_consolidated_is_asked_for_once_and_checked_at_the_end() {
    let directory = directory();
    harness::copy_tree(&fixture("weather-v2.zarr"), &directory.path().join("in.zarr"));
    fs::remove_file(directory.path().join("in.zarr/.zmetadata")).unwrap();
    for (dry_run, most) in [(true, 1), (false, 2)] {
        let server = ObjectServer::start(directory.path(), vec![]);
        let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
        let tool = tool.arg(server.s3_url("in.zarr")).arg("--to").arg(directory.path().join("out.zarr"));
        let tool = tool.args(["--isel", "time=0:1"]);
        if dry_run { tool.arg("-n") } else { tool }.run().expect(0);
        let mut asked = BTreeMap::new();
        for served in server.served().into_iter().filter(|served| served.method == "GET" && served.key.contains("/")) {
            *asked.entry(served.key).or_insert(0) += 1;
        }
        let of_arrays = |key: &str| [".zarray", ".zattrs"].iter().any(|name| key.ends_with(&format!("/{name}")));
        let (all, root): (Vec<_>, Vec<_>) =
            asked.iter().partition(|(key, _)| of_arrays(key) && key.matches('/').count() > 1);
        assert!(all.len() >= 14, "{asked:?}");
        assert!(all.iter().all(|(_, times)| **times == most), "{asked:?}");
        assert!(root.iter().all(|(_, times)| **times <= most), "{asked:?}");
        // The server lists seven entries a page.
        assert_eq!(server.lists(), 2, "{asked:?}");
    }
}

/// Schedulers and timeout(1) send a signal to the process, and once more to its group.
#[test]
fn a_run_that_waits_for_a_server_says_that_it_was_stopped() {
    let directory = directory();
    harness::copy_tree(&fixture("weather-v2.zarr"), &directory.path().join("in.zarr"));
    for silent in ["zarr.json", "t2m/0"] {
        for output in ["--to", "--cache"] {
            for pause in [0, 20, 200] {
                let server =
                    ObjectServer::start(directory.path(), vec![Fault::Silence { key_contains: silent.into() }]);
                let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
                let tool = tool.arg(server.s3_url("in.zarr")).arg(output).arg(directory.path().join("out"));
                let child = spawn(tool);
                wait_for("a request", || server.most_at_once() > 0);
                child.signal(Signal::TERM);
                std::thread::sleep(Duration::from_millis(pause));
                child.signal(Signal::TERM);
                let outcome = child.end();
                assert_eq!(outcome.code, 143, "{silent} {output} {pause}: {outcome:?}");
                assert!(outcome.stderr.contains("interrupted"), "{silent} {output} {pause}: {outcome:?}");
                // That it was stopped says nothing about the store.
                let errors = outcome.of_type("error");
                assert!(errors.len() == 1 && errors[0]["path"] == "", "{silent} {output} {pause}: {errors:?}");
                let _ = fs::remove_dir_all(directory.path().join("out"));
                let _ = fs::remove_dir_all(directory.path().join("out.plan"));
            }
        }
    }
}

/// A part without an object is done from the start.
#[test]
fn more_parts_than_objects_are_said_once_and_need_not_be_run() {
    let directory = directory();
    let (source, out) = (fixture("weather-v2.zarr"), directory.path().join("out.zarr"));
    let step = |flags: &[&str]| {
        Tool::hermetic("zfetch").arg(&source).arg("--to").arg(&out).arg("--json").args(flags).run().expect(0)
    };
    let prepared = step(&["--prepare", "--parts", "100"]);
    assert_eq!(
        prepared.stderr.matches("of 100 parts have work; the others need not be run").count(),
        1,
        "{}",
        prepared.stderr
    );
    let status = || Tool::hermetic("zfetch").args(["--status", "--json", "--to"]).arg(&out).run();
    let waiting = status().expect(1).summary()["missing"].as_str().unwrap().to_owned();
    let bounds = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
    };
    let parts: Vec<u32> = waiting.split(',').flat_map(bounds).collect();
    assert!((1..=40).contains(&parts.len()), "{waiting}");
    let idle = (1..=100).find(|part| !parts.contains(part)).unwrap();
    assert_eq!(step(&["--part", &format!("{idle}/100")]).summary()["already_done"], true);
    for part in &parts {
        assert_eq!(step(&["--part", &format!("{part}/100")]).stderr, "");
    }
    status().expect(0);
    step(&["--finish"]);
    assert_eq!(harness::content(&out), harness::content(&source));
}

#[test]
fn a_plan_names_what_it_counts() {
    let directory = directory();
    let plan = Tool::hermetic("zfetch").arg(fixture("weather-v2.zarr")).args(["-n", "--json", "--to"]);
    let summary = plan.arg(directory.path().join("out.zarr")).run().expect(0).summary();
    assert!(summary.get("recompress").is_none() && summary["recoded_arrays"] == 0, "{summary}");
}

/// A coordinate that is cut inside its chunk is read whole and encoded again, which its plan says.
#[test]
fn a_plan_says_what_is_recoded() {
    let directory = directory();
    let fetch = |more: &[&str]| {
        let tool =
            Tool::hermetic("zfetch").arg(fixture("era5-uk-v2.zarr")).args(["--isel", "time=24:48", "-v", "--json"]);
        tool.args(more).arg("--to").arg(directory.path().join("out.zarr")).run().expect(0)
    };
    let plan = fetch(&["-n"]);
    let done = fetch(&[]);
    let (planned, summary) = (plan.record("plan", "/time"), done.summary());
    assert!(plan.summary()["recoded_arrays"] == 1 && summary["recoded"] == 1, "{}", plan.stdout);
    assert!(planned["objects_copied"] == 0 && planned["objects_recoded"] == 1, "{planned}");
    assert!(planned["action"] == "recompress" && planned["amplification"] == 31.0, "{planned}");
    assert_eq!(planned["estimated_bytes"], done.record("fetch", "/time")["bytes"]);
    let other = plan.record("plan", "/t2m");
    assert!(other["action"] == "copy" && other["amplification"] == 1.0, "{other}");
    assert_eq!(plan.summary()["estimated_bytes"], summary["bytes"]);
}

/// A plain HTTP server cannot list: arrays that are named are found with what describes them.
#[test]
fn arrays_are_named_where_nothing_can_be_listed() {
    let directory = directory();
    harness::copy_tree(&fixture("weather-v2.zarr"), &directory.path().join("in.zarr"));
    fs::remove_file(directory.path().join("in.zarr/.zmetadata")).unwrap();
    let server = ObjectServer::start(directory.path(), vec![]);
    let fetch = |source: &str, name: &str, flags: &[&str]| {
        Tool::hermetic("zfetch").args([source, "--json", "--to"]).arg(directory.path().join(name)).args(flags).run()
    };
    let (url, local) = (server.http_url("in.zarr"), directory.path().join("in.zarr"));
    let refused = fetch(&url, "all", &[]).expect(6);
    assert!(refused.stderr.contains("cannot list"), "{}", refused.stderr);
    let flags = ["--var", "t2m", "--var", "/u10", "--isel", "time=0:1"];
    fetch(&url, "remote", &flags).expect(0);
    fetch(local.to_str().unwrap(), "local", &flags).expect(0);
    assert_eq!(harness::tree(&directory.path().join("remote")), harness::tree(&directory.path().join("local")));
    let absent = fetch(&url, "absent", &["--var", "t2m", "--var", "t3m"]).expect(4);
    assert!(absent.stderr.contains("did you mean t2m"), "{}", absent.stderr);
    // Where none of them is there, no other is known.
    for names in [&["--var", "nope"][..], &["--var", "/nope/t2m", "--var", "nope"]] {
        let absent = fetch(&url, "absent", names).expect(4);
        assert!(absent.stderr.contains("no such array"), "{}", absent.stderr);
    }
    // A pattern needs a list.
    let refused = fetch(&url, "all", &["--var", "t*"]).expect(6);
    assert!(refused.stderr.contains("cannot list"), "{}", refused.stderr);
}

/// What was selected is in the plan: the parts need to know no more than the output, also of a server that cannot list.
#[test]
fn parts_need_only_the_output() {
    let directory = directory();
    harness::copy_tree(&fixture("weather-v2.zarr"), &directory.path().join("in.zarr"));
    fs::remove_file(directory.path().join("in.zarr/.zmetadata")).unwrap();
    let server = ObjectServer::start(directory.path(), vec![]);
    let (url, flags) = (server.http_url("in.zarr"), ["--var", "t2m", "--isel", "latitude=3:5"]);
    let (whole, out) = (directory.path().join("whole"), directory.path().join("out"));
    let run = |output: &Path, flags: &[&str]| {
        Tool::hermetic("zfetch").args(flags).arg("--json").arg("--to").arg(output).run()
    };
    run(&whole, &[&[url.as_str()], &flags[..]].concat()).expect(0);
    run(&out, &[&[url.as_str()], &flags[..], &["--prepare", "--parts", "2"]].concat()).expect(0);
    for part in ["1/2", "2/2"] {
        run(&out, &["--part", part]).expect(0);
    }
    run(&out, &["--finish"]).expect(0);
    assert_eq!(harness::tree(&out), harness::tree(&whole));
}

/// What a run needs of the root, it asks for once, and once more before it publishes.
#[test]
fn each_document_is_asked_for_once_at_the_start_of_a_run() {
    let directory = directory();
    for name in ["weather-v2.zarr", "v3-codecs.zarr"] {
        harness::copy_tree(&fixture(name), &directory.path().join(name));
    }
    harness::copy_tree(&fixture("weather-v2.zarr"), &directory.path().join("plain.zarr"));
    fs::remove_file(directory.path().join("plain.zarr/.zmetadata")).unwrap();
    for (name, is_http) in
        [("weather-v2.zarr", true), ("weather-v2.zarr", false), ("plain.zarr", true), ("v3-codecs.zarr", false)]
    {
        for output in ["--to", "--cache"] {
            for dry_run in [true, false] {
                let server = ObjectServer::start(directory.path(), vec![]);
                let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
                let url = if is_http { server.http_url(name) } else { server.s3_url(name) };
                let tool = tool.arg(url).arg(output).arg(directory.path().join("out"));
                let tool = if name == "plain.zarr" { tool.args(["--var", "t2m"]) } else { tool };
                if dry_run { tool.arg("-n") } else { tool }.run().expect(0);
                let mut asked = BTreeMap::new();
                for served in server.served() {
                    let file = served.key.rsplit('/').next().unwrap().to_owned();
                    if file == "zarr.json" || file.starts_with(".z") || file == ".nczarr" {
                        *asked.entry(served.key).or_insert(0) += 1;
                    }
                }
                let most = if dry_run { 1 } else { 2 };
                assert!(asked.len() >= 6, "{name} {output}: {asked:?}");
                assert!(asked.values().all(|times| *times <= most), "{name} {output} {dry_run}: {asked:?}");
                let _ = fs::remove_dir_all(directory.path().join("out"));
            }
        }
    }
}

#[test]
fn a_wildcard_is_one_store_or_too_many_for_an_output() {
    let directory = directory();
    for name in ["a.zarr", "b.zarr", "c"] {
        harness::copy_tree(&fixture("era5-uk-v2.zarr"), &directory.path().join(name));
    }
    let server = ObjectServer::start(directory.path(), vec![]);
    let fetch = |pattern: &str, code: i32| {
        let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
        tool.arg(format!("s3://bucket/{pattern}")).arg("--to").arg(directory.path().join("out.zarr")).run().expect(code)
    };
    let many = fetch("*.zarr", 2);
    assert!(many.stderr.contains("--to takes one store") && many.stderr.contains("hint: "), "{}", many.stderr);
    assert!(fetch("*.nc", 4).stderr.contains("s3://bucket/*.nc"));
    fetch("a*.zarr", 0);
    assert_eq!(harness::content(&directory.path().join("out.zarr")), harness::content(&fixture("era5-uk-v2.zarr")));
}

#[test]
fn latitude_and_longitude_that_are_swapped_are_noticed() {
    let directory = directory();
    let tool = Tool::hermetic("zfetch").arg(fixture("era5-uk-v2.zarr")).arg("--to").arg(directory.path().join("out"));
    let outcome = tool.args(["--lat=-120", "--lon=51.5"]).run().expect(2);
    assert!(outcome.stderr.contains("hint: use --lat 51.5 --lon -120 if they are swapped"), "{}", outcome.stderr);
}

#[test]
fn a_port_where_nobody_listens_has_a_hint() {
    let directory = directory();
    let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", "http://127.0.0.1:9", "--timeout", "2s"]);
    let outcome = tool.args(["s3://bucket/in.zarr", "--to"]).arg(directory.path().join("out")).run().expect(6);
    assert!(
        outcome.stderr.contains("hint: check the network") && outcome.stderr.contains("--endpoint"),
        "{}",
        outcome.stderr
    );
}
