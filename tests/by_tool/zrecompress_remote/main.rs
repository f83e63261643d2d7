//! `zrecompress` from and to object stores: the same objects as in a local output, nothing that can be opened before it is
//! whole, and whatever ends a run can be gone on with.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod ends;
mod equal;
mod failures;
mod in_place;
mod locks;
mod parts;
mod refusals;
mod shards;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use harness::{Fault, Kind, ObjectServer, Outcome, Running, Served, Tool, copy_tree, fixture, spawn, tree};
use rustix::process::Signal;
use tempfile::TempDir;

/// How soon a run ends that was told to.
const PATIENCE: Duration = Duration::from_secs(3);

const WEATHER: &str = "weather-v2.zarr";

/// Chunks of its array `u10`, each of which is an object.
const CHUNKS: usize = 24;

const OUT: &str = "out.zarr";

/// Objects by key, relative to the store.
type Objects = BTreeMap<String, Vec<u8>>;

/// A bucket behind a server, which may misbehave and be replaced by another one.
struct Cloud {
    directory: TempDir,
    server: ObjectServer,
}

impl Cloud {
    fn new(faults: Vec<Fault>) -> Cloud {
        let directory = tempfile::tempdir().unwrap();
        let server = ObjectServer::start_writable(directory.path(), faults);
        Cloud { directory, server }
    }

    /// The same bucket behind another server, whose books are empty.
    fn again(self, faults: Vec<Fault>) -> Cloud {
        let Cloud { directory, server } = self;
        drop(server);
        let server = ObjectServer::start_writable(directory.path(), faults);
        Cloud { directory, server }
    }

    /// Puts a committed store into the bucket.
    fn with_store(self, store: &str) -> Cloud {
        copy_tree(&fixture(store), &self.path(store));
        self
    }

    /// Where a store lies behind the server.
    fn path(&self, store: &str) -> std::path::PathBuf {
        self.directory.path().join(store)
    }

    fn s3(&self, store: &str) -> String {
        self.server.s3_url(store)
    }

    /// A store by the address of each cloud.
    fn urls(&self, store: &str) -> [String; 3] {
        [self.server.s3_url(store), self.server.gs_url(store), self.server.az_url(store)]
    }

    fn zrecompress<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Tool {
        Tool::hermetic("zrecompress").args(["--anonymous", "--endpoint", &self.server.endpoint()]).args(arguments)
    }

    /// The command that most tests give: a committed store to the bucket's output, one chunk after the other.
    fn upload(&self) -> Tool {
        self.zrecompress([fixture(WEATHER).to_str().unwrap(), &self.s3(OUT)]).args(["--cname", "lz4", "-j1"])
    }

    fn objects(&self, store: &str) -> Objects {
        match self.path(store).exists() {
            true => objects(&self.path(store)),
            false => Objects::new(),
        }
    }

    /// The output is whole: what a local run writes, and nothing beside it.
    #[track_caller]
    fn assert_whole(&self, expected: &Objects) {
        assert_equal(&self.objects(OUT), expected);
        self.assert_clean();
    }

    /// No plan, and no parts of objects.
    #[track_caller]
    fn assert_clean(&self) {
        let plan = self.objects("out.zarr.plan");
        assert!(plan.is_empty(), "left behind: {:?}", plan.keys());
        assert_eq!(self.server.unfinished_uploads(), 0);
    }

    /// Nothing is left, or a plan to go on with: over a server that is well, the next run makes the output whole.
    #[track_caller]
    fn assert_way_on(self) {
        let begun = self.path("out.zarr.plan/plan.json").exists();
        assert!(begun || self.objects("").is_empty(), "{:?}", self.objects("").keys());
        let cloud = self.again(vec![]);
        run(cloud.upload().args(begun.then_some("--resume"))).expect(0);
        cloud.assert_whole(&expected());
    }

    /// Nobody could open the output.
    #[track_caller]
    fn assert_hidden(&self) {
        let objects = self.objects(OUT);
        let seen: Vec<_> = objects.keys().filter(|key| is_metadata(key)).collect();
        assert!(seen.is_empty(), "can be opened: {seen:?}");
    }

    /// What was written, in the order of the answers, by key.
    fn written(&self) -> Vec<String> {
        let puts =
            |served: &Served| matches!(served.kind, Kind::Put | Kind::Complete) && (200..300).contains(&served.status);
        self.server.served().into_iter().filter(puts).map(|served| served.key).collect()
    }

    /// The same below one store, without its name.
    fn written_to(&self, store: &str) -> Vec<String> {
        let start = format!("{store}/");
        self.written().iter().filter_map(|key| key.strip_prefix(&start).map(str::to_owned)).collect()
    }

    /// Prefixes of all lists.
    fn listed(&self) -> Vec<String> {
        self.server.served().into_iter().filter_map(|served| served.prefix).collect()
    }

    /// Whether the server has been asked for a key to be written.
    fn was_asked(&self, key: &str) -> bool {
        let asked = |served: &Served| served.key == key && matches!(served.kind, Kind::Put | Kind::Part);
        self.server.served().iter().any(asked)
    }

    /// Starts a run and waits until it writes `key`.
    fn run_until_asked(&self, tool: Tool, key: &str) -> Running {
        let mut child = spawn(tool);
        assert!(child.reaches(|| self.was_asked(key)), "{key} was never written");
        child
    }
}

/// A lock of a process on another machine, renewed `age` ago.
fn put_lock(path: &Path, age: Duration) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "ztools elsewhere 7 1 other/pid 0123456789abcdef 4\n").unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// After this, a lock that was not renewed has expired.
const EXPIRED: Duration = Duration::from_secs(120);

/// Does something with each of the three clouds, at the same time: the clouds' time is mostly waiting.
fn on_every_cloud(action: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for number in 0..3 {
            let action = &action;
            scope.spawn(move || action(number));
        }
    });
}

/// Objects of a local store.
fn objects(store: &Path) -> Objects {
    tree(store).into_iter().filter(|(key, _)| !key.ends_with('/')).collect()
}

fn is_metadata(key: &str) -> bool {
    matches!(key.rsplit('/').next(), Some("zarr.json" | ".zgroup" | ".zarray" | ".zattrs" | ".zmetadata"))
}

#[track_caller]
fn assert_equal(found: &Objects, expected: &Objects) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, content) in expected {
        assert!(found[key] == *content, "{key}: {:?}", String::from_utf8_lossy(&found[key]));
    }
}

/// What a local run with these arguments writes.
fn local(source: &Path, arguments: &[&str]) -> Objects {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join(OUT);
    Tool::hermetic("zrecompress").arg(source).arg(&target).args(arguments).run().expect(0);
    objects(&target)
}

/// What [`Cloud::upload`] writes.
fn expected() -> Objects {
    local(&fixture(WEATHER), &["--cname", "lz4"])
}

fn run(tool: Tool) -> Outcome {
    tool.run()
}

/// Sends a signal to a run, which must end soon.
#[track_caller]
fn end(child: Running, signal: Signal) -> Outcome {
    child.signal(signal);
    child.end_within(PATIENCE)
}
