//! Over a network: the same values, few bytes, many requests at once, and a clear end where there is none.

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

use harness::{Fault, Kind, ObjectServer, Outcome, Served, Tool, fixtures};

use crate::plans::map;
use crate::scene::{Scene, globe, hours, latitude, longitude, temperature};

/// A tool that sees nothing of the clouds and proxies that this machine is set up for.
fn hermetic(server: &ObjectServer) -> Tool {
    Tool::hermetic("zpoint").args(["--anonymous", "--endpoint", &server.endpoint()])
}

fn serve(scene: &Scene, faults: Vec<Fault>) -> ObjectServer {
    ObjectServer::start(scene.directory.path(), faults)
}

/// A run over the store of a scene.
fn run(server: &ObjectServer, arguments: &[&str]) -> Outcome {
    hermetic(server).arg(server.s3_url("source.zarr")).args(arguments).run()
}

/// The requests for chunks of `t`.
fn of_chunks(server: &ObjectServer) -> Vec<Served> {
    let is_chunk = |served: &Served| {
        let name = served.key.rsplit_once("/t/").map(|(_, name)| name);
        served.kind == Kind::Get && name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_digit()))
    };
    server.served().into_iter().filter(is_chunk).collect()
}

fn bytes(served: &[Served]) -> u64 {
    served.iter().map(|served| served.bytes).sum()
}

const POINT: [&str; 2] = ["--lat=10", "--lon=20"];

#[test]
fn a_remote_store_has_the_values_of_the_local_one() {
    let server = ObjectServer::start(&fixtures(), vec![]);
    let rows = |outcome: Outcome| outcome.expect(0).stdout;
    for flags in [&["-f", "csv"][..], &["-f", "csv", "--method", "linear", "--sel", "time=2020-01-15T03"]] {
        let local = Tool::new("zpoint").arg(fixtures().join("weather-v2.zarr")).args(POINT).args(flags).run();
        let local = rows(local);
        assert!(local.lines().count() > 1);
        for url in ["s3", "gs", "az", "http"].map(|cloud| match cloud {
            "s3" => server.s3_url("weather-v2.zarr"),
            "gs" => server.gs_url("weather-v2.zarr"),
            "az" => server.az_url("weather-v2.zarr"),
            _ => server.http_url("weather-v2.zarr"),
        }) {
            assert_eq!(rows(hermetic(&server).arg(&url).args(POINT).args(flags).run()), local, "{url}");
        }
    }
}

#[test]
fn of_a_large_chunk_only_the_blocks_are_transferred() {
    let scene = Scene::of(&map());
    let server = serve(&scene, vec![]);
    let whole = run(&server, &[&POINT[..], &["--partial-decode", "off"]].concat()).expect(0);
    let all = bytes(&of_chunks(&server));
    let server = serve(&scene, vec![]);
    let part = run(&server, &POINT).expect(0);
    let requests = of_chunks(&server);
    assert_eq!(part.of_type("row"), whole.of_type("row"));
    assert!(bytes(&requests) * 6 <= all, "{} of {all} bytes", bytes(&requests));
    // Two chunks: of each the head and one block.
    assert!(requests.len() <= 4, "{requests:?}");
}

/// A thousand points on one map: each chunk is read once.
#[test]
fn a_chunk_with_many_points_is_read_once() {
    let scene = Scene::of(&map());
    let point = |n: usize| format!("{},{}\n", (n * 617 % 1000) as f64 / 10.0 - 50.0, (n * 389 % 1000) as f64 / 10.0);
    let path = scene.file("points.csv", &format!("lat,lon\n{}", (0..1000).map(point).collect::<String>()));
    let server = serve(&scene, vec![]);
    let flags = ["--points", path.as_str(), "-f", "csv"];
    let outcome = run(&server, &flags).expect(0);
    assert_eq!(outcome.stdout.lines().count(), 2001);
    let requests = of_chunks(&server);
    let stored: u64 =
        ["0.0.0", "1.0.0"].iter().map(|key| fs::metadata(scene.store.join("t").join(key)).unwrap().len()).sum();
    assert!(bytes(&requests) <= stored + 2 * 4096, "{} of {stored} bytes", bytes(&requests));
    assert!(requests.len() <= 4, "{} requests", requests.len());
    let local = scene.run(&flags).expect(0);
    assert_eq!(outcome.stdout, local.stdout);
}

#[test]
fn nothing_is_asked_for_twice() {
    let scene = Scene::globe();
    let server = serve(&scene, vec![]);
    run(&server, &["--lat=50", "--lon=30", "--lat=-50", "--lon=300"]).expect(0);
    let requests = of_chunks(&server);
    let distinct: HashSet<_> = requests.iter().map(|served| (&served.key, &served.range)).collect();
    assert_eq!((requests.len(), distinct.len()), (3, 3), "{requests:?}");
}

/// Two hundred chunks of a small grid.
fn many() -> Scene {
    let axes = [latitude("lat", 4, 0.0, 20.0), longitude("lon", 4, 0.0, 20.0), hours(400)];
    let fields: Vec<_> = axes.into_iter().chain([temperature(400, 4, 4)]).collect();
    Scene::of(&fields)
}

#[test]
fn requests_are_under_way_together() {
    let scene = many();
    let server = serve(&scene, vec![Fault::Slow { milliseconds: 20 }]);
    run(&server, &[&POINT[..], &["-j1"]].concat()).expect(0);
    assert!(server.most_at_once() > 4, "{} at once", server.most_at_once());
    let server = serve(&scene, vec![Fault::Slow { milliseconds: 5 }]);
    run(&server, &[&POINT[..], &["--requests", "2", "-j1"]].concat()).expect(0);
    assert!(server.most_at_once() <= 2, "{} at once", server.most_at_once());
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let scene = Scene::globe();
    let undisturbed = run(&serve(&scene, vec![]), &POINT).expect(0).stdout;
    let fault = Fault::FirstTries { status: 503, times: 1 };
    let server = serve(&scene, vec![fault]);
    assert_eq!(run(&server, &POINT).expect(0).stdout, undisturbed);
    assert!(server.served().iter().any(|served| served.status == 503));
}

#[test]
fn a_server_that_stalls_ends_the_run_in_time() {
    let scene = Scene::globe();
    for fault in [
        Fault::Stall { key_contains: "t/1.0.0".into() },
        Fault::Silence { key_contains: "t/1.0.0".into() },
        Fault::Status { key_contains: "t/1.0.0".into(), status: 503 },
        Fault::Status { key_contains: "t/1.0.0".into(), status: 403 },
    ] {
        let server = serve(&scene, vec![fault.clone()]);
        let started = Instant::now();
        let flags = ["--timeout", "2s", "--retries", "1", "-o", &scene.text("out.csv")];
        let outcome = run(&server, &[&POINT[..], &flags].concat()).expect(6);
        assert!(started.elapsed() < Duration::from_secs(10), "{fault:?}: {:?}", started.elapsed());
        assert!(outcome.stderr.contains("s3://bucket/source.zarr/t/1.0.0"), "{fault:?}: {}", outcome.stderr);
        outcome.records();
        assert!(scene.names().is_empty(), "{fault:?}: {:?}", scene.names());
    }
}

#[test]
fn a_chunk_that_is_cut_on_the_way_is_no_value() {
    let scene = Scene::globe();
    let fault = Fault::Truncate { key_contains: "t/1.0.0".into() };
    let outcome = run(&serve(&scene, vec![fault]), &[&POINT[..], &["--timeout", "2s", "--retries", "1"]].concat());
    assert_ne!(outcome.code, 0, "{}", outcome.stdout);
    assert!(outcome.stderr.contains("t/1.0.0"), "{}", outcome.stderr);
}

#[test]
fn a_dry_run_reads_hardly_anything() {
    let scene = many();
    let server = serve(&scene, vec![]);
    let plan = run(&server, &[&POINT[..], &["-n"]].concat()).expect(0);
    assert!(of_chunks(&server).len() <= 2, "{:?}", of_chunks(&server));
    assert_eq!(plan.of_type("extraction")[0]["chunks"], 200);
}

/// An existing output is an error before any chunk is read.
#[test]
fn what_is_there_is_refused_before_any_work() {
    let scene = Scene::of(&globe());
    for name in crate::outputs::OUTPUTS {
        let path = scene.file(name, "somebody's");
        let server = serve(&scene, vec![]);
        run(&server, &[&POINT[..], &["-o", &path]].concat()).expect(7);
        assert!(of_chunks(&server).is_empty(), "{name}");
        assert_eq!(fs::read(&path).unwrap(), b"somebody's");
    }
}

#[test]
fn a_zarr_output_at_a_url_is_the_local_one_and_appears_complete() {
    let directory = tempfile::tempdir().unwrap();
    let source = fixtures().join("weather-v2.zarr");
    let local = directory.path().join("local.zarr");
    Tool::new("zpoint").arg(&source).args(POINT).arg("-o").arg(&local).run().expect(0);
    let server = ObjectServer::start_writable(directory.path(), vec![]);
    hermetic(&server).arg(&source).args(POINT).args(["-o", &server.s3_url("remote.zarr")]).run().expect(0);
    let remote = directory.path().join("remote.zarr");
    assert!(harness::tree(&remote).len() > 3);
    assert_eq!(harness::tree(&remote), harness::tree(&local));
    assert!(!directory.path().join("remote.zarr.plan").join("lock").exists(), "nothing is left beside it");
    let puts: Vec<String> =
        server.served().into_iter().filter(|served| served.kind == Kind::Put).map(|served| served.key).collect();
    let last = puts.iter().rfind(|key| key.contains("remote.zarr/")).unwrap();
    assert!(last.ends_with("remote.zarr/zarr.json"), "what opens the store comes last: {puts:?}");
    let again = hermetic(&server).arg(&source).args(POINT).args(["-o", &server.s3_url("remote.zarr")]).run().expect(7);
    assert!(again.stderr.contains("already exists"), "{}", again.stderr);
}

/// Files of rows at a URL are the local ones, without sidecars.
#[test]
fn rows_go_to_any_url() {
    let directory = tempfile::tempdir().unwrap();
    let source = fixtures().join("weather-v2.zarr");
    let server = ObjectServer::start_writable(directory.path(), vec![]);
    for name in ["rows.csv", "rows.jsonl", "rows.parquet", "rows.npy"] {
        let flags = if name.ends_with("npy") { &["--cast", "f32"][..] } else { &[] };
        let at = |output: &str| hermetic(&server).arg(&source).args(POINT).args(flags).args(["-o", output]).run();
        let outcome = at(&server.s3_url(name)).expect(0);
        assert_eq!(outcome.of_type("match").len(), 1, "{name}: {}", outcome.stdout);
        let there = fs::read(directory.path().join(name)).unwrap();
        let local = directory.path().join(format!("local.{name}"));
        at(local.to_str().unwrap()).expect(0);
        let rows = |bytes: &[u8]| match name.ends_with("jsonl") {
            true => String::from_utf8_lossy(bytes).lines().filter(|line| line.contains("\"type\":\"row\"")).count(),
            false => bytes.len(),
        };
        assert!(!there.is_empty() && rows(&there) == rows(&fs::read(&local).unwrap()), "{name}");
        let again = at(&server.s3_url(name)).expect(7);
        assert!(again.stderr.contains("already exists"), "{}", again.stderr);
    }
    let names = harness::tree(directory.path()).into_keys().filter(|name| name.starts_with("rows"));
    assert_eq!(names.collect::<Vec<_>>(), ["rows.csv", "rows.jsonl", "rows.npy", "rows.parquet"]);
}

#[test]
fn an_output_has_the_key_that_its_url_encodes() {
    let directory = tempfile::tempdir().unwrap();
    let server = ObjectServer::start_writable(directory.path(), vec![]);
    let source = fixtures().join("weather-v2.zarr");
    for (url, key) in [
        ("dir%20x/a%20b.csv", "dir x/a b.csv"),
        ("dir%20x/a b.csv2.csv", "dir x/a b.csv2.csv"),
        ("c%23%2525.csv", "c#%25.csv"),
        ("d%2Fe.csv", "d/e.csv"),
    ] {
        hermetic(&server).arg(&source).args(POINT).args(["-o", &server.s3_url(url)]).run().expect(0);
        assert!(directory.path().join(key).exists(), "{key}: {:?}", harness::tree(directory.path()).keys());
    }
    // An array in place of its store, whose group is above it.
    harness::copy_tree(&source, &directory.path().join("w s.zarr"));
    fs::rename(directory.path().join("w s.zarr/t2m"), directory.path().join("w s.zarr/t 2m")).unwrap();
    fs::remove_file(directory.path().join("w s.zarr/.zmetadata")).unwrap();
    let outcome = hermetic(&server).arg(server.s3_url("w%20s.zarr/t%202m")).args(POINT).run().expect(0);
    assert!(!outcome.of_type("row").is_empty(), "{}", outcome.stdout);
}

/// A bucket has no shell that would expand names.
#[test]
fn wildcards_in_a_url_are_expanded_by_listing() {
    let scene = Scene::globe();
    for name in ["batch_1.zarr", "batch_2.zarr"] {
        crate::made::store(&scene.path(name), false, &globe());
    }
    let server = serve(&scene, vec![]);
    let of = |pattern: &str| hermetic(&server).arg(server.s3_url(pattern)).args(POINT).run();
    let stores = |outcome: Outcome| crate::scene::summary(&outcome)["stores"].as_u64();
    assert_eq!(stores(of("batch_*.zarr").expect(0)), Some(2));
    assert_eq!(stores(of("*_2.zarr").expect(0)), Some(1));
    assert_eq!(stores(of("*").expect(0)), Some(3));
    assert!(of("bitch_*.zarr").expect(4).stderr.contains("no such store"));
    // A name is any text, and a URL is not.
    for (name, rows) in [("p%20q.zarr", 1), ("p q.zarr", 2), ("c#1.zarr", 3), ("c?2@3|zip:.zarr", 4)] {
        let mut fields = globe();
        (fields[2], fields[3]) = (hours(rows), temperature(rows, 19, 36));
        crate::made::store(&scene.path(name), false, &fields);
    }
    let rows = |pattern: &str| of(pattern).expect(0).of_type("row").len();
    assert_eq!([rows("p*.zarr"), rows("p%20*.zarr"), rows("p *.zarr"), rows("p%25*")], [3, 2, 2, 1]);
    assert_eq!([rows("c*.zarr"), rows("c%23*.zarr")], [7, 3]);
    let outcome = Tool::hermetic("zinspect")
        .args(["--anonymous", "--endpoint", &server.endpoint(), &server.s3_url("batch_*.zarr")])
        .run()
        .expect(0);
    assert!(outcome.stdout.contains("batch_1.zarr") && outcome.stdout.contains("batch_2.zarr"), "{}", outcome.stdout);
}

/// A hundred chunks of 4 MB, of which each of 64 requests holds a piece.
#[test]
fn many_requests_take_little_memory() {
    let scene = Scene::of(&map());
    let array = scene.store.join("t");
    let mut metadata: serde_json::Value = serde_json::from_slice(&fs::read(array.join(".zarray")).unwrap()).unwrap();
    metadata["shape"][0] = 100.into();
    fs::write(array.join(".zarray"), metadata.to_string()).unwrap();
    for time in 2..100 {
        fs::hard_link(array.join("0.0.0"), array.join(format!("{time}.0.0"))).unwrap();
    }
    let server = serve(&scene, vec![]);
    let outcome = run(&server, &[&POINT[..], &["--timing", "--requests", "64"]].concat()).expect(0);
    let peak = crate::scene::summary(&outcome)["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < 64 << 20, "{peak}");
}
