//! The contract of all tools (README, "The contract"), tested for every folder in `tools/`.
//!
//! A valid command is built from the usage line in `--help`: `STORE` and `SRC` become a fixture, `DST` a path that does not
//! exist, `--lat=LAT` and `--lon=LON` a point in the fixture. A new tool is tested as soon as its folder exists.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use harness::{MakeArray, Outcome, Tool, binary, copy_tree, fixture, repository, spawn_unread, tools, tree};
use tempfile::TempDir;

/// Every tool, including the one used only by tests, because the shared crates implement the contract.
fn all_tools() -> Vec<String> {
    let mut all = tools();
    all.push("copy_store".into());
    all
}

/// The tools that read stores: all but the one that makes its data.
fn readers() -> Vec<String> {
    tools().into_iter().filter(|tool| tool != "lorenz-ens").collect()
}

/// The same, with the tool used only by tests.
fn all_readers() -> Vec<String> {
    all_tools().into_iter().filter(|tool| tool != "lorenz-ens").collect()
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
        // Half of the chunks of one array of the other store are missing.
        let store = if tool == "zvalidate" { "era5-uk-v2.zarr" } else { "weather-v2.zarr" };
        Example { tool: tool.to_owned(), source: fixture(store), directory }
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
            "--to=DST" => Some(format!("--to={}", self.directory.path().join("out.zarr").display()).into()),
            "--dim=DIM" => Some("--dim=time".into()),
            "--members=N" => Some("--members=30".into()),
            "--lat=LAT" => Some("--lat=10".into()),
            "--lon=LON" => Some("--lon=20".into()),
            _ => None,
        });
        Tool::new(&self.tool).args(arguments)
    }

    fn run(&self, more: &[&str]) -> Outcome {
        let mut outcome = self.command().args(more).run();
        outcome.stdout = self.without_directory(&outcome.stdout);
        outcome
    }

    /// Records without the name of the output directory, which differs from run to run.
    fn without_directory(&self, text: &str) -> String {
        text.replace(self.directory.path().to_str().unwrap(), "DIRECTORY")
    }

    /// The output of a tool that writes a store.
    fn written(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        tree(self.directory.path())
    }
}

#[test]
fn help_has_numbered_examples_and_the_exit_codes() {
    for tool in tools() {
        let outcome = Tool::new(&tool).arg("--help").run().expect(0);
        assert_eq!(outcome.stderr, "", "{tool}");
        for part in ["Usage:", "Examples:", "  1. ", "Exit status:", "130", "--json", "--quiet"] {
            assert!(outcome.stdout.contains(part), "{tool} --help lacks {part:?}");
        }
        assert!(outcome.stdout.lines().filter(|line| line.contains(&tool)).count() > 3, "examples of {tool}");
    }
}

#[test]
fn short_help_fits_one_screen() {
    for tool in all_tools() {
        let text = Tool::new(&tool).arg("-h").run().expect(0).stdout;
        // The last line of the screen is the prompt.
        assert!(text.lines().count() <= 23, "{} lines: {text}", text.lines().count());
        for line in text.lines() {
            assert!(line.chars().count() < 80 && !line.contains('…'), "{tool} -h: {line}");
        }
        let flags = text.lines().filter(|line| line.starts_with("  -") || line.starts_with("      --")).count();
        assert!(flags >= if tool == "copy_store" { 5 } else { 10 }, "{tool} -h names {flags} flags: {text}");
        for part in [&format!("Usage: {tool} [OPTIONS] "), "Examples:", &format!("{tool} --help"), "man "] {
            assert!(text.contains(part), "{tool} -h lacks {part:?}: {text}");
        }
    }
}

#[test]
fn a_mistyped_flag_or_value_names_the_closest() {
    for tool in all_tools() {
        for (typed, meant) in
            [(&["--timign"][..], "--timing"), (&["--format", "tabel"], "table"), (&["--quite"], "--quiet")]
        {
            let outcome = Example::of(&tool).run(typed).expect(2);
            let (error, hints) = outcome.stderr.split_once('\n').unwrap();
            assert!(error.starts_with(&format!("{tool}: ")), "{tool}: {error}");
            assert!(hints.contains("hint: ") && outcome.stderr.contains(meant), "{tool} {typed:?}: {}", outcome.stderr);
        }
    }
}

/// Any two letters of a flag may have changed places.
#[test]
fn a_flag_with_swapped_letters_names_the_one_that_is_meant() {
    for tool in all_tools() {
        let help = Tool::new(&tool).arg("--help").run().stdout;
        for (flag, typed) in [("--var", "--vra"), ("--jobs", "--josb"), ("--sel", "--sle"), ("--lat", "--lta")] {
            if help.contains(&format!("{flag} <")) {
                let outcome = Example::of(&tool).run(&[typed, "1"]).expect(2);
                let hint = format!("hint: a similar argument exists: '{flag}'");
                assert!(outcome.stderr.contains(&hint), "{tool} {typed}: {}", outcome.stderr);
            }
        }
    }
}

/// The end of a pipe that found nothing.
#[test]
fn a_list_without_stores_is_no_work_and_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("list");
    std::fs::write(&list, "{\"type\":\"summary\",\"v\":1}\n\n").unwrap();
    for tool in readers() {
        let help = Tool::new(&tool).arg("--help").run().stdout;
        let more: &[&str] = match tool.as_str() {
            "zrecompress" => &["--out-dir"],
            "zfetch" => &["--cache"],
            _ => &[],
        };
        assert!(help.contains("--stores-from"), "{tool}");
        let command = || {
            let command = Tool::new(&tool).args(more).args(more.iter().map(|_| directory.path().join("output")));
            if tool == "zpoint" { command.args(["--lat=50", "--lon=10"]) } else { command }
        };
        let outcome = command().arg("--stores-from").arg(&list).run().expect(0);
        let words = format!("{tool}: {}: no store is listed; nothing to do\n", list.display());
        assert_eq!(outcome.stderr, words);
        assert_eq!(outcome.records().len(), 1, "{tool}: {}", outcome.stdout);
        let outcome = command().args(["--stores-from", "-"]).run_on("").expect(0);
        assert!(outcome.stderr.contains("standard input: no store is listed"), "{tool}: {}", outcome.stderr);
        command().run().expect(2);
    }
}

/// An output that is not there yet is not mistaken for its plan, and no flag is named that a tool does not have.
#[test]
fn an_unfinished_output_is_named_with_what_continues_it() {
    for tool in all_tools() {
        let help = Tool::new(&tool).arg("--help").run().stdout;
        if !help.contains("--prepare") {
            continue;
        }
        let example = Example::of(&tool);
        // Without an output, this tool only reports.
        let own = example.directory.path().join("out.zarr").display().to_string();
        let output_flag: &[&str] = if ["zdedup", "lorenz-ens"].contains(&tool.as_str()) { &["-o", &own] } else { &[] };
        example.run(&[&["--prepare", "--parts", "2"], output_flag].concat()).expect(0);
        let plan = example.written().into_keys().find_map(|key| Some(key.split_once(".plan/")?.0.to_owned())).unwrap();
        let output = example.directory.path().join(plan);
        let outcome = example.run(output_flag).expect(7);
        assert!(outcome.stderr.contains("use --resume to continue it or --overwrite"), "{tool}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("--in-place"), "{tool}: {}", outcome.stderr);
        let reader = Tool::new("zinspect").arg(&output).run().expect(4);
        assert!(!reader.stderr.contains(".plan") && reader.stderr.contains("--resume"), "{}", reader.stderr);
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
    for tool in all_readers() {
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
        if tool != "lorenz-ens" {
            let outcome = Example::without_source(&tool).run(&["-q"]).expect(4);
            assert!(!outcome.stderr.is_empty(), "{tool}: errors are printed nevertheless");
        }
        let outcome = Example::of(&tool).run(&["-q", "--format", "table"]).expect(0);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""), "{tool} prints no table");
    }
}

#[test]
fn verbose_adds_something() {
    for tool in all_tools() {
        let plain = Example::of(&tool).run(&[]).expect(0);
        let outcome = Example::of(&tool).run(&["-v"]).expect(0);
        let mut more = outcome.stdout.lines();
        assert!(plain.stdout.lines().all(|line| more.any(|other| other == line)), "{tool}: no record changes");
        let last = outcome.stderr.lines().last().unwrap();
        assert!(last.starts_with(&format!("{tool}: ")) && last.contains(" s CPU time, peak memory "), "{tool}: {last}");
    }
}

/// Paths that are no stores, and what the hint says.
#[test]
fn what_is_no_store_is_named_with_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let write = |name: &str, content: &[u8]| std::fs::write(at(name), content).unwrap();
    write("a.nc", b"CDF\x01");
    write("b.grib", b"GRIB\0\0\0\x02");
    write("ref.json", br#"{"version": 1, "refs": {}}"#);
    write("list.txt", b"one.zarr\n");
    std::fs::create_dir(at("folder")).unwrap();
    for store in ["folder/one.zarr", "folder/two.zarr", "only.zarr"] {
        copy_tree(&fixture("weather-v2.zarr"), &at(store));
    }
    for (path, what, hint) in [
        ("a.nc", "is a NetCDF file, not a Zarr store", "to_zarr("),
        ("b.grib", "is a GRIB file, not a Zarr store", "engine=\"cfgrib\""),
        ("ref.json", "is a file of kerchunk references, not a Zarr store", "engine=\"kerchunk\""),
        ("list.txt", "is a file, not a Zarr store", "--stores-from FILE"),
        ("only.zarr/.zgroup", "is a metadata document of a Zarr store", "only.zarr"),
        ("folder", "not a Zarr store", "folder/*.zarr"),
        ("only", "no such store", "only.zarr?"),
        ("onyl.zarr", "no such store", "only.zarr?"),
        ("only.zarr/t2", "no such store", "only.zarr/t2m?"),
    ] {
        for tool in all_readers() {
            let outcome = Example { source: at(path), ..Example::of(&tool) }.run(&[]).expect(4);
            let (error, advice) = outcome.stderr.split_once("hint: ").unwrap_or((&outcome.stderr, ""));
            assert!(error.contains(what) && advice.contains(hint), "{tool} {path}: {}", outcome.stderr);
        }
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

/// The output of a command in a terminal of 72 columns, by `script` (util-linux); `None` if that is not installed.
fn on_terminal(command: &Command) -> Option<String> {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: script(1) not found");
        return None;
    }
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let inside = format!("stty cols 72 && {}", words.join(" "));
    let output = Command::new("script").args(["-qec", &inside, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn on_a_terminal_the_table_fits() {
    for tool in all_tools() {
        let example = Example::of(&tool);
        let Some(text) = on_terminal(&example.command().0) else { return };
        assert!(!text.contains("{\""), "{tool} prints a table: {text}");
        let visible = |line: &str| {
            let mut text = String::new();
            let mut rest = line;
            while let Some((before, after)) = rest.split_once("\x1b[") {
                text.push_str(before);
                rest = after.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, after)| after);
            }
            text.push_str(rest);
            // A bar that was drawn meanwhile is overwritten.
            text.trim_end().rsplit('\r').next().unwrap().chars().count()
        };
        assert!(text.lines().count() > 3 && text.lines().all(|line| visible(line) <= 72), "{tool}: {text}");
        let last = text.lines().last().unwrap();
        assert!(last.split(", ").next().unwrap().ends_with(" s"), "{tool} ends with the elapsed time: {last}");
    }
}

#[test]
fn long_work_shows_a_bar_from_its_start_and_removes_it() {
    let directory = tempfile::tempdir().unwrap();
    let (source, output) = (directory.path().join("a.zarr"), directory.path().join("b.zarr"));
    // One chunk, so that nothing is finished while the bar is shown.
    MakeArray { chunk: 8 << 20, chunks: 1, ..MakeArray::default() }.write(&source);
    let arguments = ["--codec", "gzip", "--clevel", "9", "-j1", "--verify", "none"];
    let command = Tool::new("zrecompress").args([&source, &output]).args(arguments).0;
    let Some(text) = on_terminal(&command) else { return };
    assert!(text.contains("  0%  0 B of 32.0 MiB"), "{text:?}");
    let last = text.lines().last().unwrap();
    assert!(last.contains("MiB/s") && !last.contains('%'), "the bar is gone, and the throughput is told: {text:?}");
}

#[test]
fn records_can_go_to_a_file_that_does_not_exist_yet() {
    // The output of zdedup is a store, and that of lorenz-ens holds trajectories.
    for tool in all_tools().into_iter().filter(|tool| tool != "zdedup" && tool != "lorenz-ens") {
        let example = Example::of(&tool);
        let file = example.directory.path().join("records.jsonl");
        let file = file.to_str().unwrap();
        assert_eq!(example.run(&["-o", file]).expect(0).stdout, "");
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(example.without_directory(&text), Example::of(&tool).run(&[]).expect(0).stdout, "{tool}");
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
fn completions_know_flags_choices_variables_and_dimensions() {
    let store = fixture("weather-v2.zarr");
    let store = store.to_str().unwrap();
    let found = |tool: &str, words: &[&str]| -> Vec<String> {
        let outcome = Tool::new(tool).args(["--complete", "fish"]).args(words).run().expect(0);
        outcome.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    };
    for tool in all_tools() {
        assert_eq!(found(&tool, &["--timi"]), ["--timing"], "{tool}");
        assert_eq!(found(&tool, &[store, "--format", "t"]), ["table"], "{tool}");
        let help = Tool::new(&tool).arg("--help").run().stdout;
        if help.contains("--var <GLOB>") {
            assert_eq!(found(&tool, &[store, "--var", "t"]), ["t2m", "time", "tp"], "{tool}");
        }
        if help.contains("--sel <DIM") {
            assert_eq!(found(&tool, &[store, "--sel=l"]), ["--sel=latitude=", "--sel=longitude="], "{tool}");
        }
    }
}

/// Each shell loads its script and completes with it, where it is installed.
#[test]
fn completion_works_in_the_shells() {
    let bash = "COMP_WORDS=(zinspect STORE --var u); COMP_CWORD=3; _zinspect TOOL; echo \"${COMPREPLY[@]}\"";
    let zsh = "_describe() { print -r -- ${found[*]} }; words=(TOOL STORE --var u); CURRENT=4; _zinspect";
    let fish = "complete -C 'zinspect STORE --var u' | string match '*u10*'";
    let store = fixture("weather-v2.zarr");
    for (shell, arguments, test) in
        [("bash", &["-c"][..], bash), ("zsh", &["-fc"], zsh), ("fish", &["--no-config", "-c"], fish)]
    {
        let tool = binary("zinspect");
        let script = Tool::new("zinspect").args(["--generate", shell]).run().expect(0).stdout;
        let test = test.replace("STORE", store.to_str().unwrap()).replace("TOOL", tool.to_str().unwrap());
        let before = if shell == "zsh" { "compdef() { : }; " } else { "" };
        let path = format!("{}:{}", tool.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(shell);
        command.args(arguments).arg(format!("{before}{script}\n{test}")).env("PATH", path);
        let Ok(output) = command.output() else {
            println!("skipped: {shell} not found");
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("u10") && !text.contains("t2m"),
            "{shell}: {text} {:?}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn binaries_are_named_after_their_folders() {
    for tool in tools() {
        assert!(binary(&tool).exists(), "{tool}");
    }
}
