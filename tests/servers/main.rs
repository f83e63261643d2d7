//! The tools against servers of other projects: S3 and Google Cloud Storage by s3s-fs, Azure by Azurite, static files and
//! WebDAV by nginx. Whatever the server, the results are those of a local store.
//!
//! s3s-fs runs in this process; a test whose server is not installed is skipped, unless `ZTOOLS_SERVERS=all`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod azurite;
mod nginx;
mod s3;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use harness::{MakeArray, Outcome, Tool, content, copy_tree, fixture, tree};
use serde_json::Value;
use server::Server;
use tempfile::TempDir;

const WEATHER: &str = "weather-v2.zarr";
const SHARDED: &str = "v3-sharded.zarr";
const LARGE: &str = "large.zarr";
const RECOMPRESSED: &str = "zstd.zarr";

/// A selection that needs part of the chunks.
const CROP: [&str; 4] = ["--var", "t2m", "--isel", "time=0:3"];

/// A directory with the stores in `bucket`.
fn bucket() -> TempDir {
    let root = harness::directory();
    for store in [WEATHER, SHARDED] {
        copy_tree(&fixture(store), &root.path().join("bucket").join(store));
    }
    root
}

/// Everything that the tools do with a server, with the results of the same on local stores.
struct Matrix<'a> {
    server: &'a Server,
    directory: TempDir,
}

impl Matrix<'_> {
    fn new(server: &Server) -> Matrix<'_> {
        Matrix { server, directory: harness::directory() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    #[track_caller]
    fn run(&self, tool: &str, arguments: &[&str]) -> Outcome {
        self.server.tool(tool).args(arguments).run().expect(0)
    }

    /// The path of a new output, as an argument.
    fn output(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    fn read(&self) {
        self.fetches(WEATHER, "whole", &[]);
        self.fetches(WEATHER, "crop", &CROP);
        // Without consolidated metadata, arrays are found by a list.
        self.fetches(if self.server.lists { SHARDED } else { "v3-sharded.zarr/plain_inner" }, "sharded", &[]);
        self.inspects();
        self.extracts_a_point();
        self.recompresses_from();
        self.names_what_is_missing();
    }

    fn write(&self) {
        // In several parts.
        let large = MakeArray { chunk: 5 << 20, chunks: 2, codec: None, noise_bits: 32 };
        large.write(&self.at(LARGE));
        self.uploads(&self.at(LARGE), LARGE);
        self.recompresses_to();
        self.does_not_overwrite();
    }

    /// Down is the same as from the local store.
    fn fetches(&self, store: &str, name: &str, flags: &[&str]) {
        let (remote, local) = (format!("{name}.zarr"), format!("{name}-local.zarr"));
        self.run("zfetch", &[&[self.server.url(store).as_str(), "--to", &self.output(&remote)][..], flags].concat());
        Tool::hermetic("zfetch").arg(fixture(store)).args(["--to", &self.output(&local)]).args(flags).run().expect(0);
        self.assert_same(&remote, &local);
    }

    /// Up and down again is the same.
    fn uploads(&self, store: &Path, name: &str) {
        let (url, back, local) = (self.server.url(name), format!("back-{name}"), format!("local-{name}"));
        self.run("zfetch", &[store.to_str().unwrap(), "--to", &url]);
        self.run("zfetch", &[&url, "--to", &self.output(&back)]);
        Tool::hermetic("zfetch").arg(store).args(["--to", &self.output(&local)]).run().expect(0);
        self.assert_same(&back, &local);
    }

    /// Two stores are equal, except for the form of their metadata and empty directories, which no bucket has.
    #[track_caller]
    fn assert_same(&self, one: &str, other: &str) {
        let files = |name: &str| -> BTreeMap<_, _> {
            content(&self.at(name)).into_iter().filter(|(key, _)| !key.ends_with('/')).collect()
        };
        let (one, other) = (files(one), files(other));
        let different: BTreeSet<&String> =
            one.keys().chain(other.keys()).filter(|key| one.get(*key) != other.get(*key)).collect();
        assert!(different.is_empty(), "{}: {different:?}", self.server.name);
    }

    fn inspects(&self) {
        let flags = if self.server.lists { &["--sizes", "--sample", "3"][..] } else { &["--sample", "3"] };
        let url = self.server.url(WEATHER);
        let remote = self.run("zinspect", &[&["--json", url.as_str()][..], flags].concat());
        let local = Tool::hermetic("zinspect").arg("--json").arg(fixture(WEATHER)).args(flags).run().expect(0);
        assert_eq!(arrays(&remote), arrays(&local), "{}", self.server.name);
        assert!(!arrays(&remote).is_empty());
    }

    fn extracts_a_point(&self) {
        let flags = ["--lat", "51.5", "--lon", "0.5", "-f", "csv", "--var", "t2m"];
        let remote = self.run("zpoint", &[&[self.server.url(WEATHER).as_str()][..], &flags].concat());
        let local = Tool::hermetic("zpoint").arg(fixture(WEATHER)).args(flags).run().expect(0);
        assert_eq!(remote.stdout, local.stdout, "{}", self.server.name);
        assert!(local.stdout.lines().count() > 20, "{}", local.stdout);
    }

    fn recompresses_from(&self) {
        let out = self.output(RECOMPRESSED);
        self.run("zrecompress", &[&self.server.url(WEATHER), &out, "--cname", "zstd"]);
        let local = self.output("zstd-local.zarr");
        Tool::hermetic("zrecompress").arg(fixture(WEATHER)).args([&local, "--cname", "zstd"]).run().expect(0);
        self.assert_same(RECOMPRESSED, "zstd-local.zarr");
    }

    fn recompresses_to(&self) {
        let url = self.server.url(RECOMPRESSED);
        self.run("zrecompress", &[fixture(WEATHER).to_str().unwrap(), &url, "--cname", "zstd"]);
        self.run("zfetch", &[&url, "--to", &self.output("zstd-back.zarr")]);
        self.assert_same("zstd-back.zarr", "zstd-local.zarr");
    }

    fn names_what_is_missing(&self) {
        let url = self.server.url("no.zarr");
        let outcome = self.server.tool("zinspect").arg(&url).run().expect(4);
        assert!(outcome.stderr.contains("no.zarr"), "{}: {}", self.server.name, outcome.stderr);
    }

    fn does_not_overwrite(&self) {
        let outcome = self.server.tool("zfetch").arg(fixture(WEATHER)).arg("--to").arg(self.server.url(WEATHER));
        let outcome = outcome.run().expect(7);
        assert!(outcome.stderr.contains("already exists"), "{}: {}", self.server.name, outcome.stderr);
    }
}

/// The records of arrays, without the path of their store.
fn arrays(outcome: &Outcome) -> Vec<Value> {
    let mut records = outcome.of_type("array");
    for record in &mut records {
        record.as_object_mut().unwrap().retain(|name, _| name != "store" && name != "command");
    }
    records
}

/// A server that can be written, filled by uploads.
fn reads_and_writes(server: &Server) {
    let matrix = Matrix::new(server);
    for store in [WEATHER, SHARDED] {
        matrix.uploads(&fixture(store), store);
    }
    matrix.read();
    matrix.write();
}

/// An empty bucket of s3s-fs, which is a directory.
fn empty_bucket() -> TempDir {
    let root = harness::directory();
    fs::create_dir(root.path().join("bucket")).unwrap();
    root
}

// ---- S3 and Google Cloud Storage

/// The stores and nothing else: no plans, no locks. Directories may be left behind.
#[track_caller]
fn assert_clean(root: &TempDir) {
    let mut found: Vec<String> =
        tree(&root.path().join("bucket")).into_keys().filter(|key| !key.ends_with('/')).collect();
    found.iter_mut().for_each(|key| key.truncate(key.find('/').unwrap_or(key.len())));
    found.dedup();
    assert_eq!(found, [LARGE, SHARDED, WEATHER, RECOMPRESSED]);
}

#[test]
fn s3_with_signatures() {
    let root = empty_bucket();
    reads_and_writes(&s3::signed(root.path()));
    assert_clean(&root);
}

#[test]
fn s3_refuses_a_wrong_key() {
    let root = bucket();
    let mut server = s3::signed(root.path());
    server.set("AWS_SECRET_ACCESS_KEY", "another");
    let outcome = server.tool("zinspect").arg(server.url(WEATHER)).run().expect(6);
    assert!(outcome.stderr.contains("signature is wrong"), "{}", outcome.stderr);
    let output = root.path().join("out.zarr");
    server.tool("zfetch").arg(server.url(WEATHER)).arg("--to").arg(&output).run().expect(6);
    assert!(!output.exists());
}

#[test]
fn google_cloud_storage_for_everyone() {
    let root = empty_bucket();
    reads_and_writes(&s3::google(root.path()));
    assert_clean(&root);
}

// ---- Azure

#[test]
fn azure() {
    let directory = harness::directory();
    if let Some(server) = azurite::start(directory.path()) {
        reads_and_writes(&server);
    }
}

// ---- HTTP

#[test]
fn static_files() {
    let root = bucket();
    if let Some(server) = nginx::start(root.path()) {
        Matrix::new(&server).read();
    }
}

#[test]
fn webdav() {
    let root = bucket();
    let Some(server) = nginx::start_webdav(root.path()) else { return };
    Matrix::new(&server).read();
    let before = tree(root.path());
    let outcome = server.tool("zfetch").arg(fixture(WEATHER)).arg("--to").arg(server.url("up.zarr")).run().expect(7);
    assert!(outcome.stderr.contains("HTTP servers are read-only"), "{}", outcome.stderr);
    assert!(tree(root.path()) == before, "nothing is written");
}
