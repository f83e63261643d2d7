//! `zfetch` of large objects, end to end: parts side by side, killed runs that continue, objects that change in between.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use harness::{Break, Fault, MakeArray, ObjectServer, Outcome, Running, Tool, binary, directory, spawn, wait_for};
use md5::{Digest, Md5};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

const PART: u64 = 4 << 20;
const PARTS: u64 = 28;

/// A store of one object of 112 MiB, and what is needed to fetch it.
struct Scene {
    directory: TempDir,
}

impl Scene {
    fn new() -> Scene {
        Scene::of(1, (PARTS * PART) as usize)
    }

    fn of(chunks: usize, bytes: usize) -> Scene {
        let directory = directory();
        MakeArray { chunk: bytes / 4, chunks, codec: None, noise_bits: 32 }.write(&directory.path().join("in.zarr"));
        Scene { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn server(&self, faults: Vec<Fault>) -> ObjectServer {
        ObjectServer::start(self.directory.path(), faults)
    }

    fn tool(&self, server: &ObjectServer, flags: &[&str]) -> Tool {
        let tool = Tool::hermetic("zfetch").args(["--anonymous", "--endpoint", &server.endpoint(), "--json"]);
        tool.arg(server.s3_url("in.zarr")).arg("--to").arg(self.path("out.zarr")).args(flags)
    }

    /// Replaces the object by another of the same size in one step.
    fn replace(&self) {
        let mut bytes = fs::read(self.path("in.zarr/0")).unwrap();
        bytes.iter_mut().for_each(|byte| *byte ^= 0x5a);
        fs::write(self.path("new"), bytes).unwrap();
        let later = SystemTime::now() + Duration::from_secs(5);
        fs::File::options().write(true).open(self.path("new")).unwrap().set_modified(later).unwrap();
        fs::rename(self.path("new"), self.path("in.zarr/0")).unwrap();
    }

    /// Parts that are noted beside the unfinished file.
    fn noted(&self) -> BTreeSet<u64> {
        let notes = fs::read_to_string(self.path("out.zarr.plan/large/0.parts")).unwrap_or_default();
        let part = |line: &str| serde_json::from_str::<Value>(line).ok()?["part"].as_u64();
        notes.lines().filter_map(part).collect()
    }

    /// Starts a run against a slow server and kills it in the middle; the parts that it has noted.
    fn killed(&self) -> BTreeSet<u64> {
        let slow = self.server(slow());
        let child = spawn(self.tool(&slow, &[]));
        wait_for("some parts", || self.noted().len() >= 6);
        child.signal(Signal::KILL);
        child.end();
        let noted = self.noted();
        assert!(noted.len() < PARTS as usize, "killed in the middle");
        assert!(!self.path("out.zarr").exists());
        noted
    }

    #[track_caller]
    fn check_same(&self) {
        assert!(fs::read(self.path("out.zarr/0")).unwrap() == fs::read(self.path("in.zarr/0")).unwrap());
        let mut names: Vec<_> =
            fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["in.zarr", "out.zarr"], "nothing is left behind");
    }
}

fn slow() -> Vec<Fault> {
    vec![Fault::Late { key_contains: "in.zarr/0".into(), milliseconds: 150 }]
}

/// Parts of the object that a server was asked for, in order.
fn parts(server: &ObjectServer) -> Vec<u64> {
    let start = |range: String| range.trim_start_matches("bytes=").split('-').next().unwrap().parse::<u64>().unwrap();
    let served = server.served().into_iter().filter(|served| served.method == "GET" && served.key == "in.zarr/0");
    // The first request is for the whole object, of which only the head is read: it has the size and the checksum.
    let mut parts: Vec<u64> = served.filter_map(|served| served.range).map(|range| start(range) / PART).collect();
    parts.sort_unstable();
    parts
}

#[test]
fn a_large_object_arrives_in_parts_side_by_side() {
    let scene = Scene::new();
    let server = scene.server(slow());
    let outcome = scene.tool(&server, &[]).run().expect(0);
    assert_eq!(parts(&server), (0..PARTS).collect::<Vec<_>>(), "each part once");
    assert!(server.most_at_once() >= 4, "{} at once", server.most_at_once());
    assert_eq!((outcome.summary()["objects"].as_u64(), outcome.summary()["verified"].as_u64()), (Some(1), Some(1)));
    scene.check_same();
    // One request after the other where that is asked for.
    fs::remove_dir_all(scene.path("out.zarr")).unwrap();
    let server = scene.server(vec![]);
    scene.tool(&server, &["--requests", "1"]).run().expect(0);
    assert!(server.most_at_once() <= 2, "metadata is read by two: {}", server.most_at_once());
    scene.check_same();
}

#[test]
fn a_killed_run_continues_with_the_missing_parts() {
    let scene = Scene::new();
    let noted = scene.killed();
    let server = scene.server(vec![]);
    scene.tool(&server, &["--resume"]).run().expect(0);
    assert_eq!(parts(&server), (0..PARTS).filter(|part| !noted.contains(part)).collect::<Vec<_>>());
    scene.check_same();
}

#[test]
fn an_interrupted_run_keeps_its_parts_and_overwrite_gives_them_up() {
    let scene = Scene::new();
    let interrupt = || {
        let slow = scene.server(slow());
        let child = spawn(scene.tool(&slow, &["--resume"]));
        let before = scene.noted().len();
        wait_for("some parts", || scene.noted().len() >= before + 4);
        child.signal(Signal::INT);
        let outcome = child.end();
        assert!(outcome.code == 130 && outcome.stderr.contains("--resume"), "{outcome:?}");
        scene.noted().len()
    };
    let first = interrupt();
    assert!(interrupt() > first);
    let server = scene.server(vec![]);
    scene.tool(&server, &["--overwrite"]).run().expect(0);
    assert_eq!(parts(&server).len() as u64, PARTS);
    scene.check_same();
}

#[test]
fn parts_that_a_crash_has_lost_are_fetched_again() {
    let scene = Scene::new();
    let noted: Vec<u64> = scene.killed().into_iter().collect();
    // After a power cut the notes may be there, and the bytes not.
    let file = scene.path("out.zarr.plan/large/0");
    let mut bytes = fs::read(&file).unwrap();
    let lost = noted[noted.len() / 2];
    bytes[(lost * PART) as usize..][..4096].fill(0);
    fs::write(&file, bytes).unwrap();
    let server = scene.server(vec![]);
    scene.tool(&server, &["--resume"]).run().expect(0);
    let missing = (0..PARTS).filter(|part| !noted.contains(part) || *part == lost);
    assert_eq!(parts(&server), missing.collect::<Vec<_>>());
    scene.check_same();
    // Nor is a file believed that is shorter than its notes.
    fs::remove_dir_all(scene.path("out.zarr")).unwrap();
    let noted = scene.killed();
    fs::File::options().write(true).open(&file).unwrap().set_len(PART).unwrap();
    let server = scene.server(vec![]);
    scene.tool(&server, &["--resume", "--verify", "none"]).run().expect(0);
    assert_eq!(parts(&server), (0..PARTS).filter(|part| !noted.contains(part) || *part > 0).collect::<Vec<_>>());
    scene.check_same();
}

#[test]
fn an_object_that_changed_between_two_runs_is_fetched_again_or_ends_the_run() {
    let scene = Scene::new();
    let noted = scene.killed();
    scene.replace();
    let server = scene.server(vec![]);
    let stopped = scene.tool(&server, &["--resume", "--on-change", "stop"]).run().expect(7);
    assert!(stopped.stderr.contains("in.zarr/0: was changed by another program"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("--on-change refetch"), "{}", stopped.stderr);
    assert_eq!((parts(&server).len(), scene.noted()), (0, noted));
    let outcome = scene.tool(&server, &["--resume"]).run().expect(0);
    assert!(outcome.stderr.contains("1 source object changed"), "{}", outcome.stderr);
    assert_eq!(parts(&server), (0..PARTS).collect::<Vec<_>>());
    scene.check_same();
}

#[test]
fn an_object_that_changes_during_a_run_is_fetched_again_or_ends_the_run() {
    for on_change in ["refetch", "stop"] {
        let scene = Scene::new();
        let server = scene.server(slow());
        let child: Running = spawn(scene.tool(&server, &["--on-change", on_change]));
        wait_for("some parts", || scene.noted().len() >= 6);
        scene.replace();
        let outcome = child.end();
        if on_change == "stop" {
            assert_eq!(outcome.code, 7, "{outcome:?}");
            assert!(outcome.stderr.contains("was changed by another program"), "{}", outcome.stderr);
            assert!(!scene.path("out.zarr").exists());
        } else {
            assert_eq!(outcome.code, 0, "{outcome:?}");
            assert!(outcome.stderr.contains("1 source object changed"), "{}", outcome.stderr);
            scene.check_same();
        }
    }
}

#[test]
fn a_small_object_that_changed_between_two_runs_ends_the_run_too() {
    let scene = Scene::of(3, 3 * 4096);
    let late = Fault::Late { key_contains: "in.zarr/2".into(), milliseconds: 200 };
    let hangs = scene.server(vec![Fault::Silence { key_contains: "in.zarr/1".into() }, late]);
    let child = spawn(scene.tool(&hangs, &["--checkpoint", "1ms"]));
    let journal = || fs::read_dir(scene.path("out.zarr.plan/journal/1")).map_or(0, Iterator::count);
    wait_for("two objects", || journal() > 0);
    child.signal(Signal::KILL);
    child.end();
    scene.replace();
    let server = scene.server(vec![]);
    let stopped = scene.tool(&server, &["--resume", "--on-change", "stop"]).run().expect(7);
    assert!(stopped.stderr.contains("in.zarr/0: was changed"), "{}", stopped.stderr);
    let outcome = scene.tool(&server, &["--resume"]).run().expect(0);
    assert!(outcome.stderr.contains("1 source object changed"), "{}", outcome.stderr);
    scene.check_same();
}

#[test]
fn a_flipped_byte_in_a_part_is_not_accepted() {
    let scene = Scene::of(1, 24 << 20);
    let server = scene.server(vec![Fault::FlipByte { key_contains: "in.zarr/0".into() }]);
    let outcome = scene.tool(&server, &[]).run().expect(3);
    assert!(outcome.stderr.contains("in.zarr/0") && outcome.stderr.contains("MD5"), "{}", outcome.stderr);
    assert!(!scene.path("out.zarr").exists());
    let server = scene.server(vec![]);
    scene.tool(&server, &["--resume"]).run().expect(0);
    scene.check_same();
}

/// The ETag of an object that was uploaded in parts of so many bytes.
fn uploaded_in(part: usize, bytes: &[u8]) -> Fault {
    let sums: Vec<u8> = bytes.chunks(part).flat_map(|part| Md5::digest(part).to_vec()).collect();
    let sum: String = Md5::digest(&sums).iter().map(|byte| format!("{byte:02x}")).collect();
    Fault::Tag { key_contains: "in.zarr/0".into(), tag: format!("\"{sum}-{}\"", bytes.len().div_ceil(part)) }
}

/// The sums of 50 MiB are computed as they arrive; those of 40 MiB, which was not guessed first, from the file.
#[test]
fn the_etag_of_an_upload_in_parts_is_compared() {
    let scene = Scene::new();
    let bytes = fs::read(scene.path("in.zarr/0")).unwrap();
    for (part, resumed) in
        [(50 << 20, false), (5 << 20, false), (40 << 20, false), (50_000_000, false), (50 << 20, true)]
    {
        let broken = |how| Fault::Breaks { key_contains: "in.zarr/0".into(), times: 5, how };
        let faults = vec![uploaded_in(part, &bytes), broken(Break::Cut)];
        if resumed {
            let slow = scene.server([slow(), vec![uploaded_in(part, &bytes)]].concat());
            let child = spawn(scene.tool(&slow, &[]));
            wait_for("some parts", || scene.noted().len() >= 9);
            child.signal(Signal::KILL);
            child.end();
        }
        let server = scene.server(faults);
        let outcome = scene.tool(&server, if resumed { &["--resume"] } else { &[] }).run().expect(0);
        assert_eq!(outcome.summary()["checks"]["parts_md5"].as_u64(), Some(1), "parts of {part}: {outcome:?}");
        scene.check_same();
        fs::remove_dir_all(scene.path("out.zarr")).unwrap();
    }
}

/// Such a server sends the whole object for each part that it is asked for.
#[test]
fn a_server_without_ranges_is_asked_for_one_part_and_then_for_whole_objects() {
    let scene = Scene::of(3, 40 << 20);
    let server = scene.server(vec![Fault::NoRanges]);
    scene.tool(&server, &[]).run().expect(0);
    let asked = |with_range: bool| {
        let chunks = server
            .served()
            .into_iter()
            .filter(|served| served.method == "GET" && served.key.ends_with(|c: char| c.is_ascii_digit()));
        chunks.filter(|served| served.range.is_some() == with_range).count()
    };
    assert_eq!(asked(true), 1, "the first part tells");
    assert!(asked(false) <= 2 * 3, "{} requests for 3 objects", asked(false));
    for chunk in 0..3 {
        let read = |store: &str| fs::read(scene.path(store).join(chunk.to_string())).unwrap();
        assert!(read("out.zarr") == read("in.zarr"), "{chunk}");
    }
}

#[test]
fn a_full_disk_keeps_the_parts_that_are_there() {
    let scene = Scene::new();
    let server = scene.server(vec![]);
    let mount = scene.path("small");
    fs::create_dir(&mount).unwrap();
    let fetch = format!(
        "'{}' --anonymous --endpoint {} --json {} --to '{}/out.zarr'",
        binary("zfetch").display(),
        server.endpoint(),
        server.s3_url("in.zarr"),
        mount.display()
    );
    let script = format!(
        "mount -t tmpfs -o size=64m none '{0}' || exit 77
         {fetch}
         [ $? = 7 ] || exit 71
         ls -A '{0}' '{0}/out.zarr.plan/large' >&2
         mount -o remount,size=256m '{0}' || exit 77
         {fetch} --resume || exit 72
         ls -A '{0}' >&2
         cmp '{0}/out.zarr/0' '{1}'",
        mount.display(),
        scene.path("in.zarr/0").display()
    );
    let Ok(output) = Command::new("unshare").args(["-rm", "sh", "-c", &script]).output() else {
        return println!("skipped: there is no unshare(1) here");
    };
    let outcome = Outcome::of(output);
    if outcome.code == 77 || outcome.stderr.contains("unshare") {
        return println!("skipped: {}", outcome.stderr);
    }
    let outcome = outcome.expect(0);
    assert!(outcome.stderr.contains("No space left") && outcome.stderr.contains("0.parts"), "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with("out.zarr\n"), "{}", outcome.stderr);
    let asked = parts(&server);
    assert!(
        asked.len() as u64 <= PARTS + 10,
        "{} of {PARTS} parts: those on the disk are not asked for again",
        asked.len()
    );
}

#[test]
fn large_objects_need_little_memory() {
    let scene = Scene::of(8, 32 << 20);
    let server = scene.server(vec![]);
    let mut child = spawn(scene.tool(&server, &[]));
    let status = format!("/proc/{}/status", child.id());
    let peak = std::cell::Cell::new(0);
    child.reaches(|| {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak.set(peak.get().max(kilobytes.unwrap_or(0)));
        false
    });
    child.end().expect(0);
    assert!((1..64_000).contains(&peak.get()), "{} kB", peak.get());
    for chunk in 0..8 {
        let read = |store: &str| fs::read(scene.path(store).join(chunk.to_string())).unwrap();
        assert!(read("out.zarr") == read("in.zarr"), "{chunk}");
    }
}

/// The same part may run in two processes: both finish, and no parts are mixed.
#[test]
fn two_runs_of_a_part_do_not_share_a_file() {
    let scene = Scene::of(1, 40 << 20);
    let server = scene.server(slow());
    scene.tool(&server, &["--prepare", "--parts", "1"]).run().expect(0);
    let part = || spawn(scene.tool(&server, &["--part", "1/1"]));
    let [one, other] = [part(), part()];
    one.end().expect(0);
    other.end().expect(0);
    scene.tool(&server, &["--finish"]).run().expect(0);
    scene.check_same();
}
