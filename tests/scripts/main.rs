//! The scripts in `scripts/`, run end to end on small stores: with nothing but the tools, a shell and jq.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod archive;
mod demo;
mod one_job;
mod parts;
mod pipeline;

use std::process::{Command, Stdio};

use harness::{Tool, binary, repository};

/// A script, with the tools on the PATH; `None`, said on stderr, where jq is not installed.
fn script(name: &str) -> Option<Tool> {
    if Command::new("jq").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: scripts: jq is not installed");
        return None;
    }
    let tools = binary("zinspect").parent().unwrap().to_owned();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(repository().join("scripts").join(name));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("PATH", path)
        .env("HOME", "/nonexistent");
    Some(Tool(command))
}
