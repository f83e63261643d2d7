//! Reading from servers that fail in the middle of an answer: what breaks off is asked for again, what changed is not mixed, and
//! each clock says that it ran out.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::{Break, Fault, ObjectServer, Served};
use tempfile::TempDir;
use zstore::{ByteRange, Rate, Stat, Store, StoreError, StoreOptions};
use zwire::Exit;

/// No request of these tests may take longer with all its tries.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of the object: several pieces on the way.
const SIZE: usize = 300_000;

/// A directory with one object, and its server.
struct Scene {
    _directory: TempDir,
    server: ObjectServer,
}

impl Scene {
    fn with(faults: Vec<Fault>) -> Scene {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("x.zarr")).unwrap();
        fs::write(directory.path().join("x.zarr/object"), content()).unwrap();
        let server = ObjectServer::start(directory.path(), faults);
        Scene { _directory: directory, server }
    }

    /// The first responses for the object break.
    fn breaking(how: Break, times: usize, more: Option<Fault>) -> Scene {
        let breaks = Fault::Breaks { key_contains: "object".into(), times, how };
        Scene::with([Some(breaks), more].into_iter().flatten().collect())
    }

    fn urls(&self) -> [String; 4] {
        let server = &self.server;
        let azure = "abfss://bucket@account.dfs.core.windows.net/x.zarr".to_owned();
        [server.s3_url("x.zarr"), server.http_url("x.zarr"), server.gs_url("x.zarr"), azure]
    }

    fn options(&self) -> StoreOptions {
        let endpoint = Some(self.server.endpoint().into());
        StoreOptions { anonymous: true, endpoint, timeout: PATIENCE, ..StoreOptions::default() }
    }

    fn get(&self, url: &str, options: &StoreOptions) -> Result<(Vec<u8>, Stat), StoreError> {
        let mut buffer = Vec::new();
        let stat = Store::open(OsStr::new(url), options)?.get("object", &mut buffer)?.unwrap();
        Ok((buffer, stat))
    }

    /// Requests for the object.
    fn asked(&self) -> Vec<Served> {
        self.server.served().into_iter().filter(|served| served.method == "GET").collect()
    }
}

/// Bytes that are nowhere the same.
fn content() -> Vec<u8> {
    (0..SIZE).map(|index| (index.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

#[test]
fn a_body_that_breaks_off_is_continued() {
    for how in [Break::Cut, Break::Stall, Break::Trickle] {
        let healthy = Scene::with(vec![]);
        for (number, url) in healthy.urls().iter().enumerate() {
            let scene = Scene::breaking(how, 1, None);
            let url = if number == 1 { &scene.urls()[1] } else { url };
            let (found, stat) = scene.get(url, &scene.options()).unwrap();
            assert!(found == content() && stat.size == SIZE as u64, "{how:?} {url}");
            let asked = scene.asked();
            assert_eq!(asked.len(), 2, "{how:?} {url}: {asked:?}");
            let range = asked[1].range.clone().unwrap();
            let from: usize = range["bytes=".len()..].split('-').next().unwrap().parse().unwrap();
            assert!(from > 0 && range.ends_with(&format!("-{}", SIZE - 1)), "{range}");
            assert!(asked[1].headers.contains_key("if-match"), "{how:?} {url}: {asked:?}");
        }
    }
}

#[test]
fn a_part_that_breaks_off_is_continued() {
    let scene = Scene::breaking(Break::Cut, 2, None);
    let store = Store::open(OsStr::new(&scene.urls()[0]), &scene.options()).unwrap();
    let mut buffer = Vec::new();
    for (range, expected) in [
        (ByteRange::At { start: 1000, len: 200_000 }, 1000..201_000),
        (ByteRange::Last { len: 100_000 }, SIZE - 100_000..SIZE),
    ] {
        store.get_range("object", range, &mut buffer).unwrap().unwrap();
        assert!(buffer == content()[expected], "{range:?}");
    }
    let asked: Vec<_> = scene.asked().into_iter().map(|served| served.range.unwrap()).collect();
    assert_eq!(asked[0], "bytes=1000-200999");
    assert_eq!(asked[1], "bytes=101000-200999");
    assert_eq!(asked.len(), 4, "{asked:?}");
}

#[test]
fn without_a_tag_it_is_read_again_from_its_start() {
    for faults in [Fault::NoTags, Fault::Tag { key_contains: "object".into(), tag: "W/\"weak\"".into() }] {
        let scene = Scene::breaking(Break::Cut, 2, Some(faults));
        for url in &scene.urls()[..2] {
            let (found, _) = scene.get(url, &scene.options()).unwrap();
            assert!(found == content(), "{url}");
        }
        let asked = scene.asked();
        assert!(asked.iter().all(|served| served.range.is_none()) && asked.len() >= 4, "{asked:?}");
    }
}

#[test]
fn a_server_without_ranges_sends_it_again() {
    for url in 0..2 {
        let scene = Scene::breaking(Break::Cut, 1, Some(Fault::NoRanges));
        let (found, _) = scene.get(&scene.urls()[url], &scene.options()).unwrap();
        assert!(found == content(), "{url}");
    }
}

#[test]
fn what_never_arrives_is_given_up() {
    for more in [None, Some(Fault::NoTags)] {
        let cut = || Fault::Truncate { key_contains: "object".into() };
        let scene = Scene::with([Some(cut()), more.clone()].into_iter().flatten().collect());
        let began = Instant::now();
        let error = scene.get(&scene.urls()[0], &scene.options()).unwrap_err();
        assert!(matches!(error, StoreError::Network { .. }) && error.exit() == Exit::Refused, "{error:?}");
        let text = zwire::Failure::from(error).to_string();
        assert!(text.contains("broke off after 150000 of 300000 bytes"), "{text}");
        assert!(scene.asked().len() <= 7 && began.elapsed() < 4 * PATIENCE, "{:?}", began.elapsed());
        // As often as asked for.
        let asked = scene.asked().len();
        scene.get(&scene.urls()[0], &StoreOptions { retries: Some(0), ..scene.options() }).unwrap_err();
        assert_eq!(scene.asked().len(), asked + 1);
    }
}

#[test]
fn an_object_that_is_replaced_is_read_again_whole_and_never_mixed() {
    let healthy = Scene::with(vec![]);
    for (number, url) in healthy.urls().iter().enumerate() {
        let scene = Scene::breaking(Break::Replaced, 1, None);
        let url = if number == 1 { &scene.urls()[1] } else { url };
        let (found, stat) = scene.get(url, &scene.options()).unwrap();
        let expected = [content(), b" ".to_vec()].concat();
        assert!(found == expected && stat.size == expected.len() as u64, "{url}: {}", found.len());
        let scene = Scene::breaking(Break::Replaced, 99, None);
        let url = if number == 1 { &scene.urls()[1] } else { url };
        let error = scene.get(url, &scene.options()).unwrap_err();
        assert!(matches!(error, StoreError::Changed { .. }), "{error:?}");
        assert!(error.to_string().contains("changed while it was being read") && error.exit() == Exit::Refused);
    }
}

#[test]
fn each_clock_says_that_it_ran_out() {
    for (how, name) in [
        (Break::Silence, "(response timeout)"),
        (Break::Stall, "(stall timeout)"),
        (Break::Trickle, "(minimum rate 64 KiB a minute)"),
    ] {
        for url in 0..2 {
            let scene = Scene::breaking(how, 99, None);
            let began = Instant::now();
            let error = scene.get(&scene.urls()[url], &scene.options()).unwrap_err();
            assert!(matches!(error, StoreError::TimedOut { .. }) && error.exit() == Exit::Refused, "{error:?}");
            assert!(error.to_string().contains(name), "{error}");
            let took = began.elapsed();
            assert!(took < 4 * PATIENCE && took > PATIENCE / 3, "{how:?}: {took:?}");
        }
    }
}

/// A server whose queue is full lets nobody connect.
#[test]
fn the_connect_clock_says_that_it_ran_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(300));
    let waiting: Vec<TcpStream> = std::iter::from_fn(|| connect().ok()).take(10_000).collect();
    assert!(waiting.len() < 10_000, "the queue is full");
    let options = StoreOptions { timeout: PATIENCE, ..StoreOptions::default() };
    let url = format!("http://{address}/x.zarr");
    let began = Instant::now();
    let error = Store::open(OsStr::new(&url), &options).unwrap().get("object", &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("(connect timeout)"), "{error}");
    assert!(began.elapsed() < 2 * PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn a_connection_that_is_reset_or_silent_once_is_no_matter() {
    for how in [Break::Reset, Break::Silence] {
        for url in 0..2 {
            let scene = Scene::breaking(how, 1, None);
            let (found, _) = scene.get(&scene.urls()[url], &scene.options()).unwrap();
            assert!(found == content(), "{how:?}");
        }
    }
}

#[test]
fn a_storm_of_refusals_is_waited_out_as_the_server_asks() {
    for retry_after in ["1", "0", "soon"] {
        let scene = Scene::with(vec![Fault::Storm { status: 503, percent: 50, retry_after: retry_after.into() }]);
        let options = StoreOptions { timeout: Duration::from_secs(60), ..scene.options() };
        let store = Arc::new(Store::open(OsStr::new(&scene.urls()[0]), &options).unwrap());
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..50 {
                let store = Arc::clone(&store);
                scope.spawn(move || {
                    let mut buffer = Vec::new();
                    store.get("object", &mut buffer).unwrap().unwrap();
                    assert!(buffer == content());
                });
            }
        });
        let refused = scene.asked().iter().filter(|served| served.status == 503).count();
        assert!(refused >= 40, "{refused}");
        assert!(began.elapsed() < Duration::from_secs(30), "{retry_after}: {:?}", began.elapsed());
        if retry_after == "1" {
            assert!(began.elapsed() >= Duration::from_secs(1), "the pause that was asked for");
        }
    }
    // Nobody waits longer than the time limit.
    let scene = Scene::with(vec![Fault::Storm { status: 503, percent: 100, retry_after: "3600".into() }]);
    let began = Instant::now();
    let error = scene.get(&scene.urls()[0], &scene.options()).unwrap_err();
    assert!(error.exit() == Exit::Refused && began.elapsed() < PATIENCE, "{error} after {:?}", began.elapsed());
}

#[test]
fn a_rate_is_kept_by_all_stores_together() {
    let scene = Scene::with(vec![]);
    let options = StoreOptions { rate: Some(Arc::new(Rate::new(400_000))), ..scene.options() };
    let (urls, began) = (scene.urls(), Instant::now());
    std::thread::scope(|scope| {
        for url in &urls[..2] {
            scope.spawn(|| assert!(scene.get(url, &options).unwrap().0 == content()));
        }
    });
    let took = began.elapsed().as_secs_f64();
    // 600,000 bytes, of which a burst of 80,000 is free.
    assert!((1.2..4.0).contains(&took), "{took}");
}
