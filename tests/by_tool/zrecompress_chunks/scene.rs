//! One source, one output, and the flags of all runs between them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use harness::{Outcome, Tool, copy_tree, tree};
pub use harness::{directory, inodes, rewrite, spawn, wait_for};
use serde_json::Value;
use tempfile::TempDir;

use crate::maps::Maps;

pub type Tree = BTreeMap<String, Vec<u8>>;

pub struct Scene {
    pub directory: Rc<TempDir>,
    pub source: PathBuf,
    /// The output; in place, the source.
    pub output: PathBuf,
    pub flags: Vec<String>,
}

impl Scene {
    /// A source made for one test, and an output beside it that does not exist yet.
    pub fn of(maps: &Maps, flags: &[&str]) -> Scene {
        let scene = Scene::empty(flags);
        maps.write(&scene.source);
        scene
    }

    /// The same, without a source.
    pub fn empty(flags: &[&str]) -> Scene {
        let directory = Rc::new(directory());
        let (source, output) = (directory.path().join("source.zarr"), directory.path().join("out.zarr"));
        Scene { directory, source, output, flags: flags.iter().map(|flag| (*flag).to_owned()).collect() }
    }

    /// The same source, flags and directory, with another output.
    pub fn to(&self, name: &str) -> Scene {
        let (directory, source, flags) = (self.directory.clone(), self.source.clone(), self.flags.clone());
        Scene { output: self.path(name), directory, source, flags }
    }

    /// To be changed in place, with what is replaced kept in `old`.
    pub fn in_place(self) -> Scene {
        Scene { output: self.source.clone(), ..self }
    }

    /// With the least memory that will do, and one worker: as many regions as there can be.
    pub fn tight(mut self) -> Scene {
        let least = self.least_memory();
        self.flags.extend(["-j1", "--requests", "1", "--max-memory"].map(str::to_owned));
        self.flags.push(format!("{least}M"));
        self
    }

    /// The megabytes that a refusal names.
    pub fn least_memory(&self) -> u64 {
        let refused = self.run(&["-n", "--max-memory", "1M"]).expect(2);
        let words: Vec<&str> = refused.stderr.split_whitespace().collect();
        let place = words.iter().position(|word| *word == "--max-memory").unwrap();
        words[place + 1].trim_end_matches('M').parse().unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn is_in_place(&self) -> bool {
        self.output == self.source
    }

    /// A run with all flags of the scene.
    pub fn tool(&self, more: &[&str]) -> Tool {
        let tool = Tool::new("zrecompress").arg(&self.source);
        let tool = match self.is_in_place() {
            true => tool.arg("--in-place").arg("--backup").arg(self.path("old")),
            false => tool.arg(&self.output),
        };
        tool.args(&self.flags).args(more)
    }

    pub fn run(&self, more: &[&str]) -> Outcome {
        self.tool(more).run()
    }

    /// A run that names only the output: a part, or the end.
    pub fn of_output(&self, flags: &[&str]) -> Outcome {
        Tool::new("zrecompress").args(flags).arg(&self.output).run()
    }

    /// The folder beside the output.
    pub fn plan(&self) -> PathBuf {
        let mut name = self.output.clone().into_os_string();
        name.push(".plan");
        name.into()
    }

    pub fn is_begun(&self) -> bool {
        self.plan().join("plan.json").exists()
    }

    /// What the source as it is now becomes in a new output when nothing disturbs the run.
    pub fn undisturbed(&self) -> Tree {
        let directory = directory();
        let output = directory.path().join("undisturbed.zarr");
        Tool::new("zrecompress").arg(&self.source).arg(&output).args(&self.flags).run().expect(0);
        tree(&output)
    }

    /// Another scene with the same source, which is copied.
    pub fn again(&self) -> Scene {
        let directory = Rc::new(directory());
        let source = directory.path().join("source.zarr");
        copy_tree(&self.source, &source);
        let output = directory.path().join(self.output.file_name().unwrap());
        Scene { output, source, directory, flags: self.flags.clone() }
    }

    /// A run that does everything but what needs one chunk: it is damaged while the run goes on, and then as it was.
    pub fn all_but(&self, key: &str) {
        let chunk = self.source.join(key);
        let content = fs::read(&chunk).unwrap();
        rewrite(&chunk, b"damaged");
        let outcome = self.run(&[]).expect(3);
        assert!(outcome.stderr.contains(key) && self.is_begun(), "{}", outcome.stderr);
        rewrite(&chunk, &content);
    }

    /// The source and the output are there, and nothing else but what `others` names.
    #[track_caller]
    pub fn assert_left(&self, others: &[&str]) {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut expected: Vec<String> = others.iter().map(|name| (*name).to_owned()).collect();
        expected.extend([name(&self.source), name(&self.output)]);
        expected.sort();
        expected.dedup();
        assert_eq!(self.names(), expected);
    }

    /// Nothing was written.
    #[track_caller]
    pub fn assert_untouched(&self) {
        assert_eq!(self.names(), ["source.zarr"]);
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

pub fn summary(outcome: &Outcome) -> Value {
    outcome.records().pop().unwrap()
}

/// A number of the summary; 0 where it is left out.
pub fn number(outcome: &Outcome, field: &str) -> u64 {
    summary(outcome)[field].as_u64().unwrap_or(0)
}

/// The objects of an array that are chunks or shards, by key.
pub fn chunks_of<'a>(tree: &'a Tree, array: &str) -> Vec<&'a String> {
    let is_chunk = |key: &&String| key.ends_with(|last: char| last.is_ascii_digit());
    tree.keys().filter(|key| key.starts_with(&format!("{array}/"))).filter(is_chunk).collect()
}
