//! `--stores-from` and `--out-dir`: many stores in one run.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Outcome, Tool, spawn, tree};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::maps::{GZIP, Maps};
use crate::scene::{chunks_of, directory, number, summary};

/// Stores `a.zarr`, `b.zarr`, `c.zarr`, and a list of them.
struct Stores {
    directory: TempDir,
}

impl Stores {
    fn new() -> Stores {
        let stores = Stores { directory: directory() };
        for name in ["a", "b", "c"] {
            Maps { codec: GZIP, ..Maps::new(2) }.write(&stores.store(name));
        }
        stores
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn store(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.zarr"))
    }

    fn output(&self, name: &str) -> PathBuf {
        self.path("out").join(format!("{name}.zarr"))
    }

    /// A line for each of these stores.
    fn lines(&self, names: &[&str]) -> String {
        names.iter().map(|name| format!("{}\n", self.store(name).display())).collect()
    }

    fn tool(&self, list: &str, flags: &[&str]) -> Tool {
        fs::write(self.path("list"), list).unwrap();
        let tool = Tool::new("zrecompress").arg("--stores-from").arg(self.path("list"));
        tool.arg("--out-dir").arg(self.path("out")).args(flags)
    }

    fn run(&self, list: &str, flags: &[&str]) -> Outcome {
        self.tool(list, flags).run()
    }

    /// The names of what was made.
    fn made(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("out")) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

#[track_caller]
fn is_done(source: &Path, output: &Path, flags: &[&str]) {
    let directory = directory();
    let alone = directory.path().join("alone.zarr");
    Tool::new("zrecompress").arg(source).arg(&alone).args(flags).run().expect(0);
    assert!(tree(output) == tree(&alone), "{}", output.display());
}

#[test]
fn each_store_becomes_what_it_becomes_alone() {
    let stores = Stores::new();
    for flags in [&["--cname", "lz4"][..], &["--chunks", "12,6,5"], &["--zarr-format", "3", "--codec", "zstd"]] {
        let outcome = stores.run(&stores.lines(&["b", "a", "c"]), flags).expect(0);
        assert_eq!(stores.made(), ["a.zarr", "b.zarr", "c.zarr"]);
        ["a", "b", "c"].iter().for_each(|name| is_done(&stores.store(name), &stores.output(name), flags));
        assert_eq!((number(&outcome, "stores"), number(&outcome, "arrays")), (3, 9));
        let order: Vec<_> = outcome.of_type("recompress").iter().map(|record| record["store"].clone()).collect();
        let expected: Vec<_> = ["b", "a", "c"].iter().flat_map(|name| vec![json!(stores.store(name)); 3]).collect();
        assert_eq!(order, expected);
        fs::remove_dir_all(stores.path("out")).unwrap();
    }
}

#[test]
fn a_list_may_come_through_a_pipe() {
    let stores = Stores::new();
    let tool = Tool::new("zrecompress").args(["--stores-from", "-", "--out-dir"]).arg(stores.path("new/deep"));
    let text = format!("\n{}\n  {}  \n", stores.store("a").display(), stores.store("b").display());
    tool.run_on(&text).expect(0);
    // Directories are made where they are missing.
    is_done(&stores.store("b"), &stores.path("new/deep/b.zarr"), &[]);
    assert!(stores.path("new/deep/a.zarr").exists());
}

#[test]
fn records_select_the_arrays_that_they_name() {
    let stores = Stores::new();
    let record =
        |name: &str, path: &str| format!("{}\n", json!({"type": "array", "store": stores.store(name), "path": path}));
    let list = [record("a", "/t"), record("b", "/u"), record("a", "/u"), stores.lines(&["c"])].concat();
    let outcome = stores.run(&list, &["--chunks", "time=12"]).expect(0);
    assert_eq!(stores.made(), ["a.zarr", "b.zarr", "c.zarr"]);
    let count = |name: &str, array: &str| chunks_of(&tree(&stores.output(name)), array).len();
    assert_eq!([count("a", "t"), count("a", "u"), count("b", "u"), count("c", "t")], [2, 2, 2, 2]);
    let untouched = chunks_of(&tree(&stores.store("b")), "t").len();
    assert_eq!(count("b", "t"), untouched);
    assert_eq!(number(&outcome, "stores"), 3);
    // What zinspect prints can be read as it is.
    let inspected = Tool::new("zinspect").arg(stores.store("a")).run().expect(0);
    fs::remove_dir_all(stores.path("out")).unwrap();
    stores.run(&inspected.stdout, &[]).expect(0);
    is_done(&stores.store("a"), &stores.output("a"), &[]);
}

#[test]
fn lists_that_cannot_be_are_refused_before_anything_is_written() {
    let stores = Stores::new();
    let twin = stores.path("elsewhere/a.zarr");
    Maps::new(3).write(&twin);
    for (list, code, word) in [
        (format!("{}{}\n", stores.lines(&["b", "a"]), twin.display()), 2, "same name"),
        (format!("{}/\n", stores.lines(&["a", "b"])), 2, "no name"),
        (format!("{}{{\"type\":\"array\"}}\n", stores.lines(&["a"])), 2, "line 2"),
        (format!("{}{{\"store\":\n", stores.lines(&["a"])), 2, "line 2"),
    ] {
        let outcome = stores.run(&list, &[]).expect(code);
        assert!(outcome.stderr.contains(word), "{}", outcome.stderr);
        assert!(!stores.path("out").exists(), "{word}");
    }
    let tool = Tool::new("zrecompress").arg("--stores-from").arg(stores.path("gone"));
    tool.arg("--out-dir").arg(stores.path("out")).run().expect(4);
    Tool::new("zrecompress").arg("--stores-from").arg(stores.path("list")).run().expect(2);
    Tool::new("zrecompress").arg("--out-dir").arg(stores.path("out")).run().expect(2);
    let three = ["a", "b", "c"].map(|name| stores.store(name));
    let outcome = Tool::new("zrecompress").args(&three).run().expect(2);
    assert!(outcome.stderr.contains("3 arguments") && outcome.stderr.contains("--stores-from"), "{}", outcome.stderr);
    stores.tool(&stores.lines(&["a"]), &[]).arg(stores.store("b")).run().expect(2);
    assert!(!stores.path("out").exists());
}

/// A store named twice, also in other words, is done once.
#[test]
fn one_store_in_two_spellings_is_no_clash_of_names() {
    let stores = Stores::new();
    let a = stores.store("a");
    let list = format!("{}\n{}\n", a.display(), a.display());
    assert_eq!(number(&stores.run(&list, &[]).expect(0), "stores"), 1);
    fs::remove_dir_all(stores.path("out")).unwrap();
    let outcome = stores.run(&format!("{}\n{}/\n", a.display(), a.display()), &[]);
    assert!(outcome.code == 2 || number(&outcome, "stores") == 1, "{outcome:?}");
}

#[test]
fn one_bad_store_stops_no_other() {
    let stores = Stores::new();
    fs::write(stores.store("b").join("t/.zarray"), "{").unwrap();
    let outcome = stores.run(&stores.lines(&["a", "b", "c"]), &["--cname", "lz4"]).expect(3);
    assert_eq!(stores.made(), ["a.zarr", "c.zarr"]);
    assert_eq!(outcome.of_type("error").len(), 1);
    assert!(outcome.stderr.contains("b.zarr"), "{}", outcome.stderr);
    outcome.records();
    let gone = format!("{}{}", stores.lines(&["a"]), stores.lines(&["gone"]));
    let outcome = stores.run(&gone, &["--overwrite"]).expect(3);
    assert!(outcome.stderr.contains("gone.zarr"), "{}", outcome.stderr);
    // All of them: the exit code is that of the first.
    stores.run(&stores.lines(&["gone", "b"]), &["--overwrite"]).expect(4);
    let outcome = stores.run(&stores.lines(&["a", "c"]), &[]).expect(7);
    assert_eq!(outcome.of_type("error").len(), 2, "outputs that exist are left alone");
}

#[test]
fn finished_stores_are_passed_over_by_a_run_that_goes_on() {
    let stores = Stores::new();
    let flags = ["--chunks", "12,6,5"];
    fs::write(stores.store("b").join("t/5.0.0"), "damaged").unwrap();
    stores.run(&stores.lines(&["a", "b"]), &flags).expect(3);
    assert_eq!(stores.made(), ["a.zarr", "b.zarr.plan"]);
    let before = crate::scene::inodes(&stores.output("a"));
    fs::write(stores.store("b").join("t/5.0.0"), Maps { codec: GZIP, ..Maps::new(2) }.chunk(0, [5, 0, 0])).unwrap();
    let outcome = stores.run(&stores.lines(&["a", "b", "c"]), &[&flags[..], &["--resume"]].concat()).expect(0);
    assert_eq!(stores.made(), ["a.zarr", "b.zarr", "c.zarr"]);
    assert_eq!(crate::scene::inodes(&stores.output("a")), before);
    assert!(outcome.of_type("recompress").iter().all(|record| record["store"] != json!(stores.store("a"))));
    ["b", "c"].iter().for_each(|name| is_done(&stores.store(name), &stores.output(name), &flags));
}

/// Nothing found, nothing to do: the end of a pipe that found no fault.
#[test]
fn an_empty_list_is_no_work() {
    let stores = Stores::new();
    for list in ["", "\n\n", "{\"type\":\"summary\",\"v\":1}\n"] {
        let outcome = stores.run(list, &[]).expect(0);
        assert_eq!(summary(&outcome)["stores"], 0);
        assert!(outcome.stderr.ends_with("list: no store is listed; nothing to do\n"), "{}", outcome.stderr);
        assert!(stores.made().is_empty());
    }
}

#[test]
fn a_dry_run_of_many_writes_nothing() {
    let stores = Stores::new();
    let flags = ["-n", "--chunks", "12,6,5", "-j", "3"];
    let outcome = stores.run(&stores.lines(&["a", "b"]), &flags).expect(0);
    let alone = stores.run(&stores.lines(&["a"]), &flags).expect(0);
    // One store after the other has all workers and all memory.
    for total in ["jobs", "memory_bytes"] {
        assert_eq!(number(&outcome, total), number(&alone, total), "{total}");
    }
    let table = stores.run(&stores.lines(&["a", "b"]), &[&flags[..], &["--format", "table"]].concat()).expect(0).stdout;
    assert!(table.contains("3 workers, peak memory ") && !table.contains("memory limit"), "{table}");
    assert_eq!(outcome.of_type("plan").len(), 6);
    assert!(!stores.path("out").exists());
}

#[test]
fn choices_name_their_store() {
    let stores = Stores::new();
    let outcome = stores.run(&stores.lines(&["a", "b"]), &["--auto", "--cname", "lz4", "--clevel", "1"]).expect(0);
    let choices = outcome.of_type("choice");
    assert_eq!(choices.len(), 4);
    for (choice, name) in choices.iter().zip(["a", "a", "b", "b"]) {
        assert_eq!(choice["store"], json!(stores.store(name)), "{choice}");
        let (source, output) = (stores.store(name), stores.output(name));
        let command = choice["command"].as_str().unwrap();
        assert!(command.contains(source.to_str().unwrap()) && command.contains(output.to_str().unwrap()), "{command}");
    }
}

/// These speak of one output, and would do something else with many.
#[test]
fn flags_for_one_output_are_refused_with_many() {
    let stores = Stores::new();
    let list = stores.lines(&["a", "b"]);
    for flags in [
        &["--in-place"][..],
        &["--status"],
        &["--finish"],
        &["--part", "1/2"],
        &["--trial"],
        &["--prepare", "--parts", "2"],
    ] {
        let outcome = stores.run(&list, flags);
        assert_eq!((outcome.code, stores.made().len()), (2, 0), "{flags:?}: {}", outcome.stdout);
    }
    let outcome = stores.run(&list, &["--in-place", "--backup", stores.path("old").to_str().unwrap()]);
    assert_eq!((outcome.code, stores.made().len()), (2, 0), "{}", outcome.stdout);
}

#[test]
fn a_verbose_table_of_several_stores_names_each() {
    let stores = Stores::new();
    let flags = ["--codec", "zstd", "--format", "table", "-v"];
    let table = stores.run(&stores.lines(&["a", "b"]), &flags).expect(0).stdout;
    let names = |line: &&str| line.ends_with(".zarr:");
    let headings: Vec<String> = ["a", "b"].map(|name| format!("{}:", stores.store(name).display())).into();
    assert_eq!(table.lines().filter(names).collect::<Vec<_>>(), headings, "{table}");
    assert!(names(&table.lines().nth(1).unwrap()), "a heading stands above the rows of its store: {table}");
}

#[test]
fn a_table_of_several_stores_has_a_row_for_each() {
    let stores = Stores::new();
    let list = stores.lines(&["a", "b", "c"]);
    let flags = ["--codec", "zstd", "--format", "table"];
    let table = stores.run(&list, &flags).expect(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5, "a heading, three stores, the sum: {table}");
    for (line, name) in lines[1..].iter().zip(["a", "b", "c"]) {
        assert!(line.starts_with(stores.store(name).to_str().unwrap()) && line.ends_with("zstd(3)"), "{table}");
    }
    assert!(lines[4].starts_with("3 stores, "), "{table}");
    let again = stores.run(&list, &[&flags[..], &["--resume"]].concat()).expect(0);
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), ("3 stores already complete\n", ""));
    let verbose = stores.run(&list, &[&flags[..], &["--resume", "-v"]].concat()).expect(0);
    assert_eq!(verbose.stderr.matches("already complete, nothing to do").count(), 3, "{}", verbose.stderr);
    let records = stores.run(&list, &["--codec", "zstd", "--resume"]).expect(0);
    assert_eq!((number(&records, "stores"), number(&records, "stores_complete")), (3, 3));
}

/// Of many stores, a failure names its own, and the last line counts those that are done.
#[test]
fn what_fails_of_many_is_named_and_not_counted_as_done() {
    let stores = Stores::new();
    let output = stores.output("b");
    fs::create_dir_all(output.parent().unwrap()).unwrap();
    let begun = Tool::new("zrecompress").arg(stores.store("b")).arg(&output);
    begun.args(["--clevel", "9", "--prepare", "--parts", "2"]).run().expect(0);
    let flags = ["--clevel", "1", "--resume", "--format", "table"];
    let outcome = stores.run(&stores.lines(&["a", "b", "c"]), &flags).expect(3);
    let words = format!("zrecompress: {}: --clevel differs from the unfinished run", output.display());
    assert!(outcome.stderr.contains(&words), "{}", outcome.stderr);
    assert!(outcome.stdout.lines().any(|line| line.starts_with("2 of 3 stores, ")), "{}", outcome.stdout);
}

#[test]
fn arguments_may_be_many_stores() {
    let stores = Stores::new();
    let tool = || Tool::new("zrecompress").arg("--out-dir").arg(stores.path("out"));
    let three = ["a", "b", "c"].map(|name| stores.store(name));
    for sources in [&three[..], &three[..2], &three[..1]] {
        let outcome = tool().args(sources).args(["--cname", "lz4"]).run().expect(0);
        assert_eq!(number(&outcome, "stores") as usize, sources.len());
        assert_eq!(stores.made().len(), sources.len());
        is_done(&stores.store("a"), &stores.output("a"), &["--cname", "lz4"]);
        fs::remove_dir_all(stores.path("out")).unwrap();
    }
}

#[test]
fn a_signal_stops_the_later_stores() {
    let stores = Stores::new();
    let names: Vec<String> = (0..150).map(|number| format!("s{number:03}")).collect();
    names.iter().for_each(|name| Maps { codec: GZIP, ..Maps::new(2) }.write(&stores.store(name)));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut running = spawn(stores.tool(&stores.lines(&names), &[]));
    assert!(running.reaches(|| stores.output("s000").exists()));
    running.signal(Signal::INT);
    let outcome = running.end().expect(130);
    assert_eq!(outcome.records().last().unwrap()["exit"], 130);
    let done = names.iter().filter(|name| stores.output(name).exists()).count();
    assert!((1..names.len()).contains(&done), "{done} of {} stores", names.len());
    let outcome = stores.run(&stores.lines(&names), &["--resume"]).expect(0);
    assert_eq!(number(&outcome, "stores_complete") as usize, done);
    names.iter().for_each(|name| assert!(stores.output(name).exists(), "{name}"));
}
