//! Commands that are printed run as they are printed: the examples of `--help` and the manual pages, and those of the
//! README, the tour and the page on threads.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use harness::{MakeArray, ObjectServer, Tool, binary, copy_tree, fixture, repository, tools};
use serde_json::json;
use tempfile::TempDir;

/// Runs a command line in a directory, with the tools on the PATH. A pipeline fails where any of its commands does.
fn shell(command: &str, directory: &Path, server: &ObjectServer) -> Output {
    let tools = binary("zinspect").parent().unwrap().to_owned();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("set -o pipefail\n{command}")]).current_dir(directory).stdin(Stdio::null());
    bash.env("PATH", path).env("AWS_ENDPOINT_URL", server.endpoint()).env("HOME", "/nonexistent");
    bash.output().unwrap()
}

/// A command that needs a program of others, which is not installed here, is left out.
#[track_caller]
fn assert_runs(command: &str, directory: &Path, server: &ObjectServer) -> String {
    if command.contains("jq ") && Command::new("jq").arg("--version").output().is_err() {
        eprintln!("skipped, because jq is not installed: {command}");
        return String::new();
    }
    let output = shell(command, directory, server);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n$ {command}\n{stdout}{stderr}", output.status);
    stdout
}

/// The examples of `--help`: those of the manual page are the same, as `pages.rs` tests.
fn examples(tool: &str) -> Vec<String> {
    let help = Tool::new(tool).arg("--help").run().stdout;
    let text = help.split_once("Examples:\n").unwrap().1.split_once("\nExit status:").unwrap().0;
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("       ") {
            None => found.push(String::new()),
            Some(line) => {
                let example = found.last_mut().unwrap();
                *example += if example.is_empty() { "" } else { "\n" };
                *example += line;
            }
        }
    }
    assert!(found.len() > 3 && found.iter().all(|example| !example.is_empty()), "{help}");
    found
}

/// What a command names, in a new directory.
fn scene(command: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let era5 = fixture("era5-uk-v2.zarr");
    for name in [
        "era5.zarr",
        "archive.zarr",
        "batch_0.zarr",
        "batch_1.zarr",
        "cache/batch_0.zarr",
        "month_0.zarr",
        "month_1.zarr",
        "weather_0.zarr",
        "rain_0.zarr",
    ] {
        let pattern = name.replace("0.zarr", "*.zarr").replace("1.zarr", "*.zarr");
        if command.contains(&pattern) || (name == "era5.zarr" && command.contains(" *.zarr")) {
            copy_tree(&era5, &at(name));
            if command.contains("file_id") {
                let follows = command.starts_with("zdedup") || command.starts_with("zvalidate");
                rename_time(&at(name), name.ends_with("_1.zarr") && follows);
            }
            if name.starts_with("rain") {
                fs::rename(at(name).join("t2m"), at(name).join("tp")).unwrap();
            }
        }
    }
    if command.contains("big.zarr") || command.contains("few_blocks") {
        fs::create_dir(at("big.zarr")).unwrap();
        fs::write(at("big.zarr/.zgroup"), r#"{"zarr_format": 2}"#).unwrap();
        // One block a chunk.
        MakeArray::default().write(&at("big.zarr/t2m"));
    }
    if command.contains("merged.zarr") {
        batch(&at("merged.zarr"), 0..95);
    }
    if command.contains("ocean.zarr") {
        ocean(&at("ocean.zarr"));
    }
    fs::write(at("points.csv"), "id,lat,lon\nlondon,51.5,-0.1\nparis,50.0,0.5\n").unwrap();
    directory
}

/// Makes the time of a store its `file_id`, from 0; of the second batch, those that follow.
fn rename_time(store: &Path, is_second: bool) {
    let metadata = fs::read_to_string(store.join("time/.zarray")).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let length = metadata["shape"][0].as_i64().unwrap();
    fs::remove_dir_all(store.join("time")).unwrap();
    fs::create_dir(store.join("file_id")).unwrap();
    let own = json!({"zarr_format": 2, "shape": [length], "chunks": [length], "dtype": "<i8", "fill_value": null,
        "order": "C", "filters": null, "compressor": null});
    fs::write(store.join("file_id/.zarray"), own.to_string()).unwrap();
    fs::write(store.join("file_id/.zattrs"), r#"{"_ARRAY_DIMENSIONS": ["file_id"]}"#).unwrap();
    let start = if is_second { length } else { 0 };
    let ids: Vec<u8> = (start..start + length).flat_map(i64::to_le_bytes).collect();
    fs::write(store.join("file_id/0"), ids).unwrap();
    let attributes = fs::read_to_string(store.join("t2m/.zattrs")).unwrap();
    fs::write(store.join("t2m/.zattrs"), attributes.replace("\"time\"", "\"file_id\"")).unwrap();
    let _ = fs::remove_file(store.join(".zmetadata"));
}

/// A batch along `file_id`, whose values follow from it.
fn batch(store: &Path, ids: std::ops::Range<i64>) {
    let array = |name: &str, shape: &[i64], chunks: &[i64], dtype: &str, dimensions: &[&str]| {
        fs::create_dir_all(store.join(name)).unwrap();
        let metadata = json!({
            "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "fill_value": null, "order": "C",
            "filters": null, "compressor": null,
        });
        fs::write(store.join(name).join(".zarray"), metadata.to_string()).unwrap();
        let attributes = json!({"_ARRAY_DIMENSIONS": dimensions});
        fs::write(store.join(name).join(".zattrs"), attributes.to_string()).unwrap();
    };
    let length = ids.end - ids.start;
    array("file_id", &[length], &[length], "<i8", &["file_id"]);
    array("t2m", &[length, 2], &[1, 2], "<f4", &["file_id", "cell"]);
    fs::write(store.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
    fs::write(store.join("file_id/0"), ids.clone().flat_map(i64::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    for (number, id) in ids.enumerate() {
        let values: Vec<u8> = [id as f32, 0.5].into_iter().flat_map(f32::to_le_bytes).collect();
        fs::write(store.join(format!("t2m/{number}.0")), values).unwrap();
    }
}

/// A store of 3 × 3 cells around Heligoland, of which the land has no sea surface temperature.
fn ocean(store: &Path) {
    let array = |name: &str, shape: &[usize], dimensions: &[&str], units: &str, values: &[f32]| {
        let path = store.join(name);
        fs::create_dir_all(&path).unwrap();
        let metadata = json!({
            "zarr_format": 2, "shape": shape, "chunks": shape, "dtype": "<f4", "fill_value": "NaN", "order": "C",
            "filters": null, "compressor": null,
        });
        fs::write(path.join(".zarray"), metadata.to_string()).unwrap();
        let attributes = json!({"_ARRAY_DIMENSIONS": dimensions, "units": units});
        fs::write(path.join(".zattrs"), attributes.to_string()).unwrap();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        fs::write(path.join(vec!["0"; shape.len()].join(".")), bytes).unwrap();
    };
    let land = f32::NAN;
    array("lat", &[3], &["lat"], "degrees_north", &[53.5, 53.75, 54.0]);
    array("lon", &[3], &["lon"], "degrees_east", &[8.25, 8.5, 8.75]);
    array("time", &[1], &["time"], "hours since 2019-01-01", &[0.0]);
    let sst = [280.0, 281.0, land, 280.0, 281.0, land, 280.0, land, land];
    array("sst", &[1, 3, 3], &["time", "lat", "lon"], "K", &sst);
    fs::write(store.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
}

#[test]
fn examples_run_as_printed() {
    let bucket = tempfile::tempdir().unwrap();
    copy_tree(&fixture("era5-uk-v2.zarr"), &bucket.path().join("era5.zarr"));
    let server = ObjectServer::start(bucket.path(), vec![]);
    for tool in tools() {
        for example in examples(&tool) {
            let directory = scene(&example);
            if example.contains("--resume") {
                let first = example.replace(" --resume", " --prepare --parts 1");
                assert_runs(&first, directory.path(), &server);
            }
            assert_runs(&example, directory.path(), &server);
        }
    }
}

#[test]
fn examples_fit_a_terminal_and_paste() {
    for tool in tools() {
        for example in examples(&tool) {
            let lines: Vec<&str> = example.lines().collect();
            for (number, line) in lines.iter().enumerate() {
                assert!(line.chars().count() <= 72, "{tool}: {line}");
                assert_eq!(line.ends_with('\\'), number + 1 < lines.len(), "{tool}: {line}");
            }
        }
    }
}

/// The commands of a page that start with one of the tools, in their order, each with the lines printed below it.
fn commands(page: &str) -> Vec<(String, Vec<&str>)> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(first) = line.strip_prefix("$ ") else { continue };
        let mut command = first.to_owned();
        while command.ends_with('\\') {
            command += "\n";
            command += lines.next().unwrap();
        }
        let mut shown = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ") && !line.starts_with("```")) {
            shown.push(line);
        }
        if tools().iter().any(|tool| command.starts_with(&format!("{tool} "))) {
            found.push((command, shown));
        }
    }
    found
}

/// A directory with the stores that the tour begins with.
fn directory_of_the_tour() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for store in ["weather-v2.zarr", "era5-uk-v2.zarr"] {
        copy_tree(&fixture(store), &directory.path().join(store));
    }
    directory
}

/// Those and the batches that the README names.
fn directory_of_the_readme() -> TempDir {
    let directory = directory_of_the_tour();
    for (name, ids) in [("batch_00", 0..4), ("batch_01", 0..4), ("batch_02", 4..7)] {
        batch(&directory.path().join(format!("{name}.zarr")), ids);
    }
    directory
}

/// What a command prints on a terminal of 80 columns, by `script` (util-linux), without what was overwritten; `None` without `script`.
fn on_terminal(command: &str, directory: &Path, server: &ObjectServer) -> Option<String> {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: script(1) is not installed");
        return None;
    }
    fs::write(directory.join(".command"), format!("stty cols 80 rows 24\nset -o pipefail\n{command}\n")).unwrap();
    let output = shell("LC_ALL=C.UTF-8 script -qec 'bash .command' /dev/null", directory, server);
    let text = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    assert!(output.status.success(), "$ {command}\n{text}");
    let visible = |line: &str| {
        let mut parts = line.split("\x1b[");
        let mut text = parts.next().unwrap_or_default().to_owned();
        parts.for_each(|part| text += part.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, rest)| rest));
        text.rsplit('\r').next().unwrap_or_default().trim_end().to_owned()
    };
    Some(text.lines().map(visible).collect::<Vec<_>>().join("\n"))
}

#[test]
fn commands_of_the_readme_run_as_printed() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let directory = directory_of_the_readme();
    let server = ObjectServer::start(directory.path(), vec![]);
    let commands = commands(&readme);
    for (command, _) in &commands {
        assert_runs(command, directory.path(), &server);
    }
    assert!(!commands.is_empty(), "no commands found in README.md");
}

/// The commands in the tables of lessons, on those stores. One that finds what its lesson is about ends with 1.
#[test]
fn commands_of_the_lessons_run() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let tables = readme.split_once("## Lessons and commands").unwrap().1.split_once("\n## ").unwrap().0;
    let directory = directory_of_the_readme();
    fs::write(directory.path().join("points.csv"), "id,lat,lon\nlondon,51.5,-0.1\n").unwrap();
    let server = ObjectServer::start(directory.path(), vec![]);
    let (tools, mut run) = (tools(), 0);
    for row in tables.lines().filter(|line| line.starts_with('|')) {
        for command in row.split('`').skip(1).step_by(2) {
            if !tools.iter().any(|tool| command.starts_with(&format!("{tool} "))) {
                continue;
            }
            let (store, output) = ("weather-v2.zarr", format!("out-{run}.zarr"));
            let stores = if command.starts_with("zdedup") { "batch_*.zarr" } else { store };
            let names = [("STORE...", stores), ("STORE", store), ("SRC", store), ("DST", &output), ("DIR", "cache")];
            let names = names.into_iter().chain([
                ("FILE", "points.csv"),
                (" A ", " weather-v2.zarr "),
                (" B", " weather-v2.zarr"),
            ]);
            let line = names.fold(command.to_owned(), |line, (name, value)| line.replace(name, value));
            let done = shell(&format!("export ZTOOLS_CACHE=cache\n{line}"), directory.path(), &server);
            let words = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(matches!(done.status.code(), Some(0 | 1)), "{}\n$ {line}\n{words}", done.status);
            run += 1;
        }
    }
    assert!(run >= 15, "{run} commands found");
}

/// The tour shows what a terminal shows, but for what is measured.
#[test]
fn commands_of_the_tour_print_what_it_shows() {
    let tour = fs::read_to_string(repository().join("man/tour.md")).unwrap();
    let directory = directory_of_the_tour();
    let server = ObjectServer::start(directory.path(), vec![]);
    let (commands, mut compared) = (commands(&tour), 0);
    let is_measured = |line: &str| line.ends_with(" s") || line.contains(" s, ");
    for (command, shown) in &commands {
        let Some(printed) = on_terminal(command, directory.path(), &server) else { return };
        if ["--trial", "--compare", "cache verify"].iter().any(|part| command.contains(part)) {
            continue;
        }
        for line in shown.iter().filter(|line| !is_measured(line)) {
            assert!(printed.lines().any(|each| each == line.trim_end()), "$ {command}\n{printed}\nlacks {line:?}");
            compared += 1;
        }
    }
    assert!(commands.len() > 15 && compared > 100, "{} commands and {compared} lines found", commands.len());
}

/// The page on threads makes its own stores, and shows what the commands print, except for what is measured.
#[test]
fn commands_of_the_page_on_threads_print_what_it_shows() {
    let page = fs::read_to_string(repository().join("man/blosc-threads.md")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let server = ObjectServer::start(directory.path(), vec![]);
    let commands = commands(&page);
    let mut compared = 0;
    for (command, shown) in &commands {
        let printed = assert_runs(command, directory.path(), &server);
        for line in shown.iter().filter(|line| **line != "…" && !command.contains("--bench")) {
            assert!(printed.lines().any(|each| each == *line), "$ {command}\n{printed}\nlacks {line:?}");
            compared += 1;
        }
    }
    assert_eq!(
        commands.len(),
        page.lines().filter(|line| line.starts_with("$ ")).count(),
        "a command starts with no tool"
    );
    assert!(commands.len() > 5 && compared > 15, "{} commands and {compared} lines found in the page", commands.len());
}

#[test]
fn commands_that_zinspect_prints_run_one_after_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let server = ObjectServer::start(directory.path(), vec![]);
    let store = directory.path().join("slow.zarr");
    copy_tree(&fixture("weather-v2.zarr"), &store);
    // Arrays of single streams, whose names are alike.
    fs::create_dir(store.join("wind")).unwrap();
    fs::write(store.join("wind/.zgroup"), r#"{"zarr_format": 2}"#).unwrap();
    for name in ["wind-u", "wind/u"] {
        copy_tree(&store.join("t2m"), &store.join(name));
    }
    fs::remove_file(store.join(".zmetadata")).unwrap();
    let outcome = Tool::new("zinspect").current_dir(directory.path()).args(["--json", "slow.zarr"]).run().expect(0);
    let commands: Vec<String> =
        outcome.records().iter().filter_map(|record| Some(record["command"].as_str()?.to_owned())).collect();
    assert_eq!(commands.len(), 3, "{}", outcome.stdout);
    for command in &commands {
        assert_runs(command, directory.path(), &server);
    }
    let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stores: Vec<String> = names.filter(|name| name.ends_with(".zarr")).collect();
    assert_eq!(stores, ["slow.zarr"], "what is written is not found by the next *.zarr");
}
