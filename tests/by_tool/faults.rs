//! The table of faults: what `zfetch` makes of each way in which a server or a network fails. What passes is lived through; what
//! stays ends in bounded time with its own sentence, nothing wrong is kept, and a later run brings the rest.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{Break, Fault, ObjectServer, Outcome, Tool, copy_tree, fixture, tree};
use tempfile::TempDir;

const STORE: &str = "in.zarr";

/// A chunk, by part of its key.
const CHUNK: &str = "t2m/0.0.0";

/// No run of this table may take longer: three seconds for each of a few tries.
const PATIENCE: Duration = Duration::from_secs(40);

struct Scene {
    directory: TempDir,
}

impl Scene {
    fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        copy_tree(&fixture("era5-uk-v2.zarr"), &directory.path().join("root").join(STORE));
        Scene { directory }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("out.zarr")
    }

    fn serve(&self, faults: Vec<Fault>) -> ObjectServer {
        ObjectServer::start(&self.root(), faults)
    }

    /// Fetches t2m and its coordinates from a server.
    fn fetch(&self, server: &ObjectServer, flags: &[&str]) -> Outcome {
        let began = Instant::now();
        let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
        let short = if flags.contains(&"--timeout") { None } else { Some("--timeout=3s") };
        let tool = tool.args(short).args(["--var", "t2m"]).args(flags);
        let outcome = tool.arg(server.s3_url(STORE)).arg("--to").arg(self.out()).run();
        assert!(began.elapsed() < PATIENCE, "{:?}: {}", began.elapsed(), outcome.stderr);
        outcome
    }

    /// What is fetched from the directory.
    fn expected(&self) -> Vec<(String, Vec<u8>)> {
        let out = self.directory.path().join("direct.zarr");
        let tool = Tool::hermetic("zfetch").arg(self.root().join(STORE)).arg("--to").arg(&out);
        tool.args(["--json", "--var", "t2m"]).run().expect(0);
        let content = content(&out);
        fs::remove_dir_all(out).unwrap();
        content
    }

    /// The run is right in spite of the faults.
    #[track_caller]
    fn passes(&self, faults: Vec<Fault>, flags: &[&str]) -> Outcome {
        let server = self.serve(faults);
        let outcome = self.fetch(&server, flags).expect(0);
        assert!(content(&self.out()) == self.expected());
        outcome
    }

    /// The run ends with this code and these words; nothing can be opened, and a run without the faults brings the rest.
    #[track_caller]
    fn fails(&self, faults: Vec<Fault>, flags: &[&str], code: i32, words: &[&str]) {
        let outcome = self.fetch(&self.serve(faults), flags).expect(code);
        for word in words {
            assert!(outcome.stderr.contains(word), "no {word:?}: {}", outcome.stderr);
        }
        assert!(!self.out().exists(), "nothing can be opened");
        self.fetch(&self.serve(vec![]), &["--resume"]).expect(0);
        assert!(content(&self.out()) == self.expected(), "what was kept is right");
    }
}

/// The files of a store without consolidated metadata.
fn content(store: &Path) -> Vec<(String, Vec<u8>)> {
    tree(store).into_iter().filter(|(key, _)| !key.ends_with(".zmetadata")).collect()
}

fn breaks(how: Break, times: usize) -> Vec<Fault> {
    vec![Fault::Breaks { key_contains: CHUNK.into(), times, how }]
}

// ---- Faults that pass

#[test]
fn a_storm_of_503_with_retry_after() {
    let storm = Fault::Storm { status: 503, percent: 50, retry_after: "1".into() };
    Scene::new().passes(vec![storm], &["--timeout", "30s"]);
}

#[test]
fn one_refusal_with_retry_after() {
    let pause = Fault::Storm { status: 503, percent: 0, retry_after: "2".into() };
    let began = Instant::now();
    // The first pause of its own would be far shorter.
    Scene::new()
        .passes(vec![Fault::FirstTries { status: 503, times: 1 }, pause], &["--retries", "1", "--timeout", "30s"]);
    assert!(began.elapsed() >= Duration::from_secs(2), "the pause that was asked for");
}

#[test]
fn a_storm_of_429_without() {
    Scene::new()
        .passes(vec![Fault::Storm { status: 429, percent: 50, retry_after: "soon".into() }], &["--timeout", "30s"]);
}

#[test]
fn all_connections_reset_once() {
    Scene::new().passes(vec![Fault::Breaks { key_contains: String::new(), times: 1, how: Break::Reset }], &[]);
}

#[test]
fn all_bodies_cut_in_half_once() {
    let cut = || Fault::Breaks { key_contains: String::new(), times: 1, how: Break::Cut };
    Scene::new().passes(vec![cut()], &[]);
    Scene::new().passes(vec![cut(), Fault::NoTags], &[]);
    Scene::new().passes(vec![cut(), Fault::NoRanges], &[]);
}

#[test]
fn a_body_that_stalls_once() {
    Scene::new().passes(breaks(Break::Stall, 1), &[]);
}

#[test]
fn a_body_that_trickles_once() {
    Scene::new().passes(breaks(Break::Trickle, 1), &[]);
}

#[test]
fn a_server_that_is_silent_once() {
    Scene::new().passes(breaks(Break::Silence, 1), &[]);
}

#[test]
fn a_flipped_byte_once() {
    Scene::new().passes(breaks(Break::Flip, 1), &[]);
}

/// Archives move: what was one server is another one now.
#[test]
fn redirects_are_followed() {
    let scene = Scene::new();
    let target = scene.serve(vec![]);
    let server = scene.serve(vec![Fault::Redirects { to: target.endpoint() }]);
    let tool = Tool::hermetic("zfetch").args(["--json", "--timeout=3s", "--var", "t2m"]);
    tool.arg(server.http_url(STORE)).arg("--to").arg(scene.out()).run().expect(0);
    assert!(content(&scene.out()) == scene.expected());
    let asked = |server: &ObjectServer| server.served().iter().filter(|served| served.key.contains("/t2m/")).count();
    assert!(asked(&server) >= 31 && asked(&target) >= 31, "each request is redirected");
}

// ---- Faults that stay

#[test]
fn redirects_to_where_nobody_is() {
    let scene = Scene::new();
    let server = scene.serve(vec![Fault::Redirects { to: "http://127.0.0.1:9".into() }]);
    let began = Instant::now();
    let tool = Tool::hermetic("zfetch").args(["--json", "--timeout=3s", "--var", "t2m"]);
    let outcome = tool.arg(server.http_url(STORE)).arg("--to").arg(scene.out()).run().expect(6);
    assert!(began.elapsed() < PATIENCE && !scene.out().exists(), "{}", outcome.stderr);
}

#[test]
fn a_storm_that_never_ends() {
    let refused = Fault::Status { key_contains: CHUNK.into(), status: 503 };
    Scene::new().fails(vec![refused], &[], 3, &[CHUNK, "overloaded"]);
}

#[test]
fn a_body_that_is_always_cut() {
    let cut = Fault::Truncate { key_contains: CHUNK.into() };
    Scene::new().fails(vec![cut.clone()], &[], 3, &[CHUNK, "broke off after"]);
    Scene::new().fails(vec![cut, Fault::NoTags], &[], 3, &[CHUNK, "broke off after"]);
}

#[test]
fn a_body_that_always_stalls() {
    Scene::new().fails(breaks(Break::Stall, 99), &[], 3, &[CHUNK, "timed out", "stall timeout"]);
}

#[test]
fn a_body_that_always_trickles() {
    Scene::new().fails(breaks(Break::Trickle, 99), &[], 3, &[CHUNK, "timed out", "minimum rate"]);
}

#[test]
fn a_server_that_never_answers() {
    Scene::new().fails(breaks(Break::Silence, 99), &[], 3, &[CHUNK, "timed out", "response timeout"]);
}

#[test]
fn an_object_that_is_always_replaced() {
    Scene::new().fails(breaks(Break::Replaced, 99), &[], 3, &[CHUNK, "changed while it was being read"]);
}

#[test]
fn a_page_of_html_for_a_chunk() {
    let body = "<html><body>Welcome</body></html>".into();
    let page = Fault::Says { key_contains: CHUNK.into(), status: 200, body };
    Scene::new().fails(vec![page], &[], 3, &[CHUNK, "corrupt"]);
}

/// Size and ETag are right.
#[test]
fn a_byte_that_is_always_flipped() {
    Scene::new().fails(breaks(Break::Flip, 999), &[], 3, &[CHUNK, "its MD5 differs"]);
}

#[test]
fn a_flipped_byte_is_found_by_the_checksum_headers_of_each_cloud() {
    let scene = Scene::new();
    let chunk = fs::read(scene.root().join(STORE).join(CHUNK)).unwrap();
    let opaque = || Fault::Tag { key_contains: String::new(), tag: "\"opaque\"".into() };
    for (header, name) in [
        (format!("x-amz-checksum-crc32c: {}", base64(&zcrc32c(&chunk).to_be_bytes())), "its CRC-32C differs"),
        (format!("x-goog-hash: crc32c={}", base64(&zcrc32c(&chunk).to_be_bytes())), "its CRC-32C differs"),
        (format!("Content-MD5: {}", base64(&md5(&chunk))), "its MD5 differs"),
    ] {
        let header = Fault::Header { key_contains: CHUNK.into(), header };
        Scene::new().passes(vec![header.clone(), opaque()], &[]);
        let flipped = [breaks(Break::Flip, 999), vec![header, opaque()]].concat();
        Scene::new().fails(flipped, &[], 3, &[CHUNK, name]);
    }
}

/// Of an object that was uploaded in one part, as `hex-1` says.
#[test]
fn a_flipped_byte_is_found_by_the_tag_of_an_upload_in_parts() {
    let scene = Scene::new();
    let chunk = fs::read(scene.root().join(STORE).join(CHUNK)).unwrap();
    let digits: String = md5(&md5(&chunk)).iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = Fault::Tag { key_contains: CHUNK.into(), tag: format!("\"{digits}-1\"") };
    scene.passes(vec![tag.clone()], &[]);
    let flipped = [breaks(Break::Flip, 999), vec![tag]].concat();
    Scene::new().fails(flipped, &[], 3, &[CHUNK, "its MD5 of parts differs"]);
}

#[test]
fn each_array_says_how_its_objects_were_checked() {
    let checked = |faults: Vec<Fault>| {
        let outcome = Scene::new().passes(faults, &["-v"]);
        let checks = outcome.record("fetch", "/t2m")["checks"].as_object().cloned().unwrap();
        let md5 = checks.get("md5").map_or(0, |count| count.as_u64().unwrap());
        (md5, checks.values().map(|count| count.as_u64().unwrap()).sum::<u64>())
    };
    assert_eq!(checked(vec![]), (31, 31));
    assert_eq!(checked(vec![Fault::NoTags]), (0, 31));
    let opaque = Fault::Tag { key_contains: CHUNK.into(), tag: "\"opaque\"".into() };
    assert_eq!(checked(vec![opaque]), (30, 31));
}

#[test]
fn a_run_past_its_deadline() {
    let began = Instant::now();
    let flags = ["--timeout", "60s", "--deadline", "2s"];
    Scene::new().fails(breaks(Break::Silence, 99), &flags, 6, &["deadline", "--deadline"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

// ---- Missing or forbidden

/// A store without one of its chunks.
fn sparse() -> Scene {
    let scene = Scene::new();
    fs::remove_file(scene.root().join(STORE).join(CHUNK)).unwrap();
    scene
}

#[test]
fn a_missing_chunk_is_missing() {
    let outcome = sparse().passes(vec![], &[]);
    assert_eq!(outcome.summary()["missing_objects"], 1, "{}", outcome.stdout);
}

#[test]
fn a_server_that_answers_403_for_what_is_missing() {
    let outcome = sparse().passes(vec![Fault::Masks], &[]);
    assert_eq!(outcome.summary()["missing_objects"], 1, "{}", outcome.stdout);
    let warned = outcome.stderr.matches("403 is taken for missing").count();
    assert_eq!(warned, 1, "{}", outcome.stderr);
}

#[test]
fn a_server_that_forbids_a_chunk_that_is_there() {
    let forbidden = || Fault::Status { key_contains: CHUNK.into(), status: 403 };
    Scene::new().fails(vec![forbidden()], &[], 3, &[CHUNK, "permission denied"]);
}

#[test]
fn a_status_that_the_user_calls_missing() {
    for status in [403, 410] {
        let scene = sparse();
        let forbidden = Fault::Status { key_contains: CHUNK.into(), status };
        let flags = ["--missing-status", &status.to_string()];
        let outcome = scene.passes(vec![forbidden], &flags);
        assert_eq!(outcome.summary()["missing_objects"], 1, "{}", outcome.stdout);
    }
}

/// Nobody can tell whether the chunks are there.
#[test]
fn a_server_that_shows_only_metadata() {
    let only = || Fault::Only { key_contains: "/.z".into(), status: 403 };
    Scene::new().fails(vec![only()], &[], 6, &["absent or forbidden", "--missing-status 403"]);
}

/// A server that refuses everything after a while hides nothing.
#[test]
fn a_server_that_has_had_enough() {
    let scene = Scene::new();
    let healthy = scene.serve(vec![Fault::Masks]);
    scene.fetch(&healthy, &["--requests", "1"]).expect(0);
    fs::remove_dir_all(scene.out()).unwrap();
    let enough = Fault::Enough { after: healthy.served().len() - 20, status: 403 };
    scene.fails(vec![enough, Fault::Masks], &["--requests", "1"], 3, &["permission denied"]);
}

// ---- Sums

fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest;
    md5::Md5::digest(bytes).into()
}

/// CRC-32C, bit by bit.
fn zcrc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let number = (0..3).fold(0, |number, at| number << 8 | u32::from(*group.get(at).unwrap_or(&0)));
        let digit = |at: usize| char::from(DIGITS[(number >> (18 - 6 * at)) as usize & 63]);
        (0..4).map(|at| if at <= group.len() { digit(at) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}
