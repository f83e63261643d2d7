//! The tools over a network: the same answers as from a local store, and a clear end in bounded time where there is none.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod answers;
mod failures;
mod transfers;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Fault, MakeArray, ObjectServer, Outcome, Tool, fixture, fixtures, spawn, tree};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// With `--timeout 2s`, a run over a server that falls silent once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Nothing can listen on this port but what the system's administrator started there.
const CLOSED: &str = "http://127.0.0.1:1";

const WEATHER: &str = "weather-v2.zarr";

/// Arrays of that store, of which one is out of reach.
const OTHERS: usize = 6;

/// A tool whose clouds are all the server.
fn through(server: &ObjectServer, tool: &str) -> Tool {
    Tool::hermetic(tool).args(["--anonymous", "--endpoint", &server.endpoint()])
}

fn zinspect(server: &ObjectServer, store: &str) -> Tool {
    through(server, "zinspect").arg(store)
}

fn zrecompress(server: &ObjectServer, store: &str, target: &Path) -> Tool {
    through(server, "zrecompress").args(["--cname", "lz4", store]).arg(target)
}

fn run(tool: Tool) -> Outcome {
    tool.run()
}

fn run_within(limit: Duration, tool: Tool) -> Outcome {
    tool.run_within(limit)
}

/// Exit code and records, with one name for the store wherever it is.
fn answer(outcome: &Outcome, store: &str) -> (i32, Vec<Value>) {
    let records = outcome.stdout.replace(store, "STORE");
    (outcome.code, records.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// The answer of `zinspect` to a local store. The commands in it propose an output beside the store, which for a remote one
/// is the current directory.
fn local_answer(path: &Path, flags: &[&str]) -> (i32, Vec<Value>) {
    let mut outcome = run(Tool::hermetic("zinspect").args(flags).arg(path));
    let beside = format!(" {}/", path.parent().unwrap().display());
    outcome.stdout = outcome.stdout.replace(path.to_str().unwrap(), "STORE").replace(&beside, " ");
    answer(&outcome, "STORE")
}

#[track_caller]
fn assert_answers(server: &ObjectServer, url: &str, flags: &[&str], expected: &(i32, Vec<Value>)) {
    let outcome = run(zinspect(server, url).args(flags));
    let found = answer(&outcome, url);
    for (found, expected) in found.1.iter().zip(&expected.1) {
        assert_eq!(found, expected, "{url} {flags:?}");
    }
    assert_eq!(found.1.len(), expected.1.len(), "{url}: {}", outcome.stdout);
    assert_eq!(found.0, expected.0, "{url}: {}", outcome.stderr);
}

/// The store by the address of each cloud.
fn clouds(server: &ObjectServer, store: &str) -> [String; 3] {
    [server.s3_url(store), server.gs_url(store), server.az_url(store)]
}

/// The store by every address that it has.
fn everywhere(server: &ObjectServer, store: &str) -> Vec<String> {
    clouds(server, store).into_iter().chain([server.http_url(store)]).collect()
}

fn serve(faults: Vec<Fault>) -> ObjectServer {
    ObjectServer::start(&fixtures(), faults)
}

/// A directory and the name of an output in it.
fn output() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("out.zarr");
    (directory, target)
}

/// The one error of a run.
#[track_caller]
fn the_error(outcome: &Outcome) -> Value {
    let errors = outcome.of_type("error");
    assert_eq!(errors.len(), 1, "one error: {}\n{}", outcome.stdout, outcome.stderr);
    errors.into_iter().next().unwrap()
}

#[track_caller]
fn assert_place(outcome: &Outcome, place: &str) {
    let error = the_error(outcome);
    assert_eq!(error["path"], place, "{error}");
    assert!(outcome.stderr.contains(place), "{}", outcome.stderr);
}
