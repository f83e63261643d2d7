//! Shared by the end-to-end tests: the built binaries, running them, and stores.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test that cannot go on should stop where it is")]

mod life;
mod object_server;
mod programs;
mod run;
mod store;
mod story;
mod zip;

pub use life::{Running, directory, inodes, remove_plan, rewrite, spawn, spawn_unread, wait_for};
pub use object_server::{Break, Fault, Kind, ObjectServer, Served};
pub use programs::{free_port, is_installed};
pub use run::{Outcome, Tool};
pub use store::{MakeArray, content, copy_tree, fixture, fixtures, tree};
pub use story::run_story;
pub use zip::{Zip, patch};

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All tools: the directories in `tools/`.
pub fn tools() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(repository().join("tools"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(!names.is_empty(), "there are no tools");
    names
}

/// The binary of a tool, from the directory `ZTOOLS_BIN` if set, otherwise built from the current tree.
pub fn binary(tool: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| std::env::var_os("ZTOOLS_BIN").map_or_else(build, PathBuf::from)).join(tool)
}

fn build() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--workspace", "--bins"]).current_dir(repository());
    assert!(cargo.status().unwrap().success(), "the tools do not build");
    // target/debug/deps/test-… → target/debug
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}
