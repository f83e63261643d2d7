//! Running a tool and inspecting its output.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{binary, spawn};

/// A command line of one of the tools.
pub struct Tool(pub Command);

impl Tool {
    pub fn new(tool: &str) -> Tool {
        let mut command = Command::new(binary(tool));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("NO_COLOR");
        Tool(command)
    }

    /// A tool that sees nothing of the clouds, proxies and home directory that this machine is set up with.
    pub fn hermetic(tool: &str) -> Tool {
        let mut tool = Tool::new(tool);
        for (name, _) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_ascii_uppercase();
            let cloud = ["AWS_", "GOOGLE_", "AZURE_", "SERVICE_ACCOUNT"].iter().any(|prefix| upper.starts_with(prefix));
            if cloud || upper.ends_with("_PROXY") || upper == "NETRC" {
                tool.0.env_remove(name);
            }
        }
        // Azure's containers belong to accounts, and nothing else says to which.
        tool.0.env("HOME", "/nonexistent").env("AZURE_STORAGE_ACCOUNT_NAME", "account");
        tool
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Tool {
        self.0.arg(arg);
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Tool {
        self.0.args(args);
        self
    }

    pub fn current_dir(mut self, directory: &Path) -> Tool {
        self.0.current_dir(directory);
        self
    }

    /// Runs the tool to its end; a run that hangs is killed and fails the test.
    #[track_caller]
    pub fn run(self) -> Outcome {
        spawn(self).end()
    }

    /// Runs the tool to its end, with `input` on its standard input.
    #[track_caller]
    pub fn run_on(mut self, input: &str) -> Outcome {
        self.0.stdin(Stdio::piped());
        let mut running = spawn(self);
        running.write(input);
        running.end()
    }

    /// Runs the tool to its end, with a time limit.
    #[track_caller]
    pub fn run_within(self, limit: Duration) -> Outcome {
        spawn(self).end_within(limit)
    }
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Exit code; `-n` for signal n.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    pub fn of(output: Output) -> Outcome {
        Outcome::new(output.status, output.stdout, &output.stderr)
    }

    pub(crate) fn new(status: ExitStatus, stdout: Vec<u8>, stderr: &[u8]) -> Outcome {
        Outcome {
            code: status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8_lossy(stderr).into_owned(),
        }
    }

    /// Returns the outcome, after checking the exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Outcome {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// The records of the output, which must end with a single summary containing the exit code.
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        let records: Vec<Value> = self
            .stdout
            .lines()
            .map(|line| {
                assert!(line.starts_with("{\"type\":\""), "a record starts with its type: {line}");
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect();
        assert!(records.iter().all(|record| record["v"] == 1), "every record has its version");
        let summaries = records.iter().filter(|record| record["type"] == "summary").count();
        assert_eq!(summaries, 1, "one summary: {}", self.stdout);
        let last = records.last().unwrap();
        assert_eq!(last["type"], "summary", "the summary is last");
        assert_eq!(last["exit"], self.code, "the summary says the exit code");
        assert_eq!(last["errors"], self.of_type("error").len(), "the summary counts the errors");
        records
    }

    /// The summary, after checking the output as [`Outcome::records`] does.
    #[track_caller]
    pub fn summary(&self) -> Value {
        self.records().pop().unwrap()
    }

    /// The records of one type, without checking the output otherwise.
    pub fn of_type(&self, name: &str) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str::<Value>(line).ok();
        self.stdout.lines().filter_map(parse).filter(|record| record["type"] == name).collect()
    }

    /// The only record with this type and path.
    #[track_caller]
    pub fn record(&self, name: &str, path: &str) -> Value {
        let mut found = self.of_type(name);
        found.retain(|record| record["path"] == path);
        assert_eq!(found.len(), 1, "one {name} record of {path}: {}", self.stdout);
        found.remove(0)
    }
}
