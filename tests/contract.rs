//! The contract of all tools (README, "The contract"), tested for every folder in `tools/`.
//!
//! A valid command is built from the usage line in `--help`: `STORE` and `SRC` become a fixture, `DST` a path that does not
//! exist, `--lat=LAT` and `--lon=LON` a point in the fixture. A new tool is tested as soon as its folder exists.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use harness::{Outcome, Tool, binary, fixture, repository, spawn_unread, tools, tree};
use tempfile::TempDir;

/// Every tool, including the one used only by tests, because the shared crates implement the contract.
fn all_tools() -> Vec<String> {
    let mut all = tools();
    all.push("copy_store".into());
    all
}

/// A valid command of a tool, and its output directory.
struct Example {
    tool: String,
    source: PathBuf,
    directory: TempDir,
}

impl Example {
    fn of(tool: &str) -> Example {
        let directory = tempfile::tempdir().unwrap();
        Example { tool: tool.to_owned(), source: fixture("weather-v2.zarr"), directory }
    }

    /// The same with a missing source.
    fn without_source(tool: &str) -> Example {
        Example { source: PathBuf::from("/nowhere/at-all.zarr"), ..Example::of(tool) }
    }

    fn command(&self) -> Tool {
        let help = Tool::new(&self.tool).arg("--help").run().stdout;
        let usage = help.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap();
        let words = usage.split_whitespace().map(|word| word.trim_matches(['[', ']', '<', '>', '.']));
        let arguments = words.filter_map(|word| match word {
            "STORE" | "SRC" => Some(self.source.clone()),
            "DST" => Some(self.directory.path().join("out.zarr")),
            "--lat=LAT" => Some("--lat=10".into()),
            "--lon=LON" => Some("--lon=20".into()),
            _ => None,
        });
        Tool::new(&self.tool).args(arguments)
    }

    fn run(&self, more: &[&str]) -> Outcome {
        self.command().args(more).run()
    }

    /// The output of a tool that writes a store.
    fn written(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        tree(self.directory.path())
    }
}

#[test]
fn help_has_numbered_examples_and_the_exit_codes() {
    for tool in tools() {
        for flag in ["--help", "-h"] {
            let outcome = Tool::new(&tool).arg(flag).run().expect(0);
            assert_eq!(outcome.stderr, "", "{tool} {flag}");
            for part in ["Usage:", "Examples:", "  1. ", "Exit status:", "130", "--json", "--quiet"] {
                assert!(outcome.stdout.contains(part), "{tool} {flag} lacks {part:?}");
            }
            assert!(outcome.stdout.lines().filter(|line| line.contains(&tool)).count() > 3, "examples of {tool}");
        }
    }
}

#[test]
fn version_is_that_of_the_workspace() {
    for tool in all_tools() {
        for flag in ["--version", "-V"] {
            let outcome = Tool::new(&tool).arg(flag).run().expect(0);
            assert_eq!(outcome.stdout, format!("{tool} {}\n", env!("CARGO_PKG_VERSION")));
        }
    }
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    for tool in all_tools() {
        let outcome = Example::of(&tool).run(&["--no-such-flag"]).expect(2);
        assert!(outcome.stderr.contains("--no-such-flag"), "{tool}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "");
        let outcome = Tool::new(&tool).run().expect(2);
        assert!(!outcome.stderr.is_empty(), "{tool} without arguments prints an error");
    }
}

#[test]
fn an_absent_store_is_named() {
    for tool in all_tools() {
        let outcome = Example::without_source(&tool).run(&[]).expect(4);
        assert!(outcome.stderr.starts_with(&format!("{tool}: /nowhere/at-all.zarr: ")), "{tool}: {}", outcome.stderr);
        outcome.records();
        let errors = outcome.of_type("error");
        assert_eq!(errors.len(), 1);
        assert_eq!((&errors[0]["path"], &errors[0]["exit"]), (&"/nowhere/at-all.zarr".into(), &4.into()));
    }
}

#[test]
fn every_line_is_a_record_and_the_last_is_the_summary() {
    for tool in all_tools() {
        let outcome = Example::of(&tool).run(&[]).expect(0);
        let records = outcome.records();
        assert!(records.len() > 1, "{tool} says something");
        assert_eq!(records.last().unwrap()["tool"], tool.as_str());
        for record in &records {
            let names = record.as_object().unwrap().keys();
            for name in names {
                assert!(
                    name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
                    "{tool}: {name}"
                );
            }
        }
    }
}

#[test]
fn the_number_of_workers_changes_no_byte() {
    for tool in all_tools() {
        let runs: Vec<_> = ["-j1", "-j4"]
            .into_iter()
            .map(|jobs| {
                let example = Example::of(&tool);
                let outcome = example.run(&[jobs]).expect(0);
                (outcome.stdout, outcome.stderr, example.written())
            })
            .collect();
        assert_eq!(runs[0], runs[1], "{tool}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure_and_writers_finish() {
    for tool in all_tools() {
        let whole = Example::of(&tool);
        whole.run(&[]).expect(0);
        let example = Example::of(&tool);
        let (child, stdout) = spawn_unread(example.command());
        drop(stdout);
        let outcome = child.end();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{tool}");
        assert_eq!(example.written(), whole.written(), "{tool} completes its output");
    }
}

#[test]
fn a_full_output_is_noticed() {
    for tool in all_tools() {
        for arguments in [&["--json"][..], &["--format", "table"], &["--help"], &["--version"]] {
            let full = File::options().write(true).open("/dev/full").unwrap();
            // Kept until the end of the run, because its directory holds the output.
            let example = Example::of(&tool);
            let mut command = example.command().args(arguments);
            command.0.stdout(full);
            let outcome = command.run();
            assert_eq!(outcome.code, 7, "{tool} {arguments:?}: {}", outcome.stderr);
            assert!(outcome.stderr.contains("stdout"), "{tool} {arguments:?}: {}", outcome.stderr);
        }
    }
}

#[test]
fn quiet_means_quiet() {
    for tool in all_tools() {
        let outcome = Example::of(&tool).run(&["-q"]).expect(0);
        assert_eq!(outcome.stderr, "", "{tool}");
        let outcome = Example::without_source(&tool).run(&["-q"]).expect(4);
        assert!(!outcome.stderr.is_empty(), "{tool}: errors are printed nevertheless");
    }
}

#[test]
fn no_escape_bytes_without_a_terminal() {
    for tool in all_tools() {
        for arguments in [&[][..], &["--format", "table"], &["--help"], &["--no-such-flag"]] {
            let outcome = Example::of(&tool).run(arguments);
            assert!(!outcome.stdout.contains('\x1b') && !outcome.stderr.contains('\x1b'), "{tool} {arguments:?}");
        }
    }
}

#[test]
fn the_format_follows_the_reader() {
    for tool in all_tools() {
        let table = Example::of(&tool).run(&["--format", "table"]).expect(0).stdout;
        assert!(table.lines().count() > 2 && !table.contains("{\""), "{tool}: {table}");
        let json = Example::of(&tool).run(&["--json"]).expect(0).stdout;
        assert_eq!(json, Example::of(&tool).run(&[]).expect(0).stdout, "{tool} prints JSON Lines into a pipe");
    }
}

/// `script` (util-linux) runs the tool in a terminal.
#[test]
fn on_a_terminal_the_table_fits() {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: script(1) not found");
        return;
    }
    for tool in all_tools() {
        let example = Example::of(&tool);
        let command = example.command().0;
        let words: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let inside = format!("stty cols 72 && {}", words.join(" "));
        let output = Command::new("script").args(["-qec", &inside, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("{\""), "{tool} prints a table: {text}");
        let visible = |line: &str| {
            let mut text = String::new();
            let mut rest = line;
            while let Some((before, after)) = rest.split_once("\x1b[") {
                text.push_str(before);
                rest = after.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, after)| after);
            }
            text.push_str(rest);
            text.trim_end().chars().count()
        };
        assert!(text.lines().count() > 3 && text.lines().all(|line| visible(line) <= 72), "{tool}: {text}");
    }
}

#[test]
fn records_can_go_to_a_file_that_does_not_exist_yet() {
    for tool in all_tools() {
        let example = Example::of(&tool);
        let file = example.directory.path().join("records.jsonl");
        let file = file.to_str().unwrap();
        assert_eq!(example.run(&["-o", file]).expect(0).stdout, "");
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(text, Example::of(&tool).run(&[]).expect(0).stdout, "{tool}");
        let again = Example::of(&tool).run(&["-o", file]).expect(7);
        assert!(again.stderr.contains("already exists"), "{tool}: {}", again.stderr);
        assert_eq!(std::fs::read_to_string(file).unwrap(), text, "{tool} does not change the file");
    }
}

#[test]
fn timing_is_asked_for() {
    for tool in all_tools() {
        let plain = Example::of(&tool).run(&[]).expect(0);
        assert!(!plain.stdout.contains("_seconds"), "{tool}: output is identical between runs");
        let outcome = Example::of(&tool).run(&["--timing"]).expect(0);
        let summary = outcome.records().pop().unwrap();
        for field in ["seconds", "cpu_seconds", "peak_memory_bytes"] {
            assert!(summary[field].is_number(), "{tool}: {field}");
        }
    }
}

#[test]
fn the_manual_page_is_that_of_the_flags() {
    for tool in tools() {
        let page = Tool::new(&tool).args(["--generate", "man"]).run().expect(0).stdout;
        let path = repository().join("man").join(format!("{tool}.1"));
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page, "man/{tool}.1 is stale: run scripts/dev/man.sh");
        for section in ["NAME", "SYNOPSIS", "OPTIONS", "EXAMPLES", "EXIT STATUS"] {
            assert!(page.contains(section), "{tool}.1 has no {section}");
        }
    }
}

#[test]
fn completions_know_the_flags() {
    for tool in all_tools() {
        for shell in ["bash", "zsh", "fish"] {
            let text = Tool::new(&tool).args(["--generate", shell]).run().expect(0).stdout;
            assert!(text.contains(&tool) && text.contains("timing"), "{tool} for {shell}");
        }
    }
}

#[test]
fn binaries_are_named_after_their_folders() {
    for tool in tools() {
        assert!(binary(&tool).exists(), "{tool}");
    }
}
