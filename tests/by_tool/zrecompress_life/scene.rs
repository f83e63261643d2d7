//! One source, one output, and the flags of all runs between them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use harness::{Outcome, Tool, copy_tree, tree};
pub use harness::{directory, inodes, rewrite, spawn, wait_for};
use tempfile::TempDir;

use crate::sample::Sample;

pub struct Scene {
    pub directory: TempDir,
    pub source: PathBuf,
    /// The output; in place, the source.
    pub output: PathBuf,
    flags: Vec<String>,
    backup: bool,
}

impl Scene {
    /// A source made for one test, and an output beside it that does not exist yet.
    pub fn of(sample: Sample, flags: &[&str]) -> Scene {
        let directory = directory();
        let (source, output) = (directory.path().join("source.zarr"), directory.path().join("out.zarr"));
        sample.write(&source);
        Scene { directory, source, output, flags: owned(flags), backup: false }
    }

    /// The same, to be changed in place.
    pub fn in_place(sample: Sample, flags: &[&str]) -> Scene {
        let scene = Scene::of(sample, flags);
        Scene { output: scene.source.clone(), ..scene }
    }

    /// The same, with what is replaced kept in `old`.
    pub fn with_backup(self) -> Scene {
        Scene { backup: true, ..self }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A run with all flags of the scene.
    pub fn tool(&self, more: &[&str]) -> Tool {
        let tool = Tool::new("zrecompress").arg(&self.source);
        let tool = if self.output == self.source { tool.arg("--in-place") } else { tool.arg(&self.output) };
        let tool = if self.backup { tool.arg("--backup").arg(self.path("old")) } else { tool };
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

    /// What the source as it is now becomes when nothing disturbs the run.
    pub fn undisturbed(&self) -> BTreeMap<String, Vec<u8>> {
        let directory = directory();
        let output = directory.path().join("undisturbed.zarr");
        Tool::new("zrecompress").arg(&self.source).arg(&output).args(&self.flags).run().expect(0);
        tree(&output)
    }

    /// A run that does everything but one chunk: it is damaged while the run goes on, and then as it was.
    pub fn all_but(&self, key: &str) {
        let chunk = self.source.join(key);
        let content = fs::read(&chunk).unwrap();
        rewrite(&chunk, b"damaged");
        let outcome = self.run(&[]).expect(3);
        assert!(outcome.stderr.contains(key), "{}", outcome.stderr);
        rewrite(&chunk, &content);
        assert!(self.is_begun() && (self.output == self.source || !self.output.exists()));
    }

    /// The output is there, and nothing else but what `others` names.
    #[track_caller]
    pub fn assert_left(&self, others: &[&str]) {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut expected: Vec<String> = others.iter().map(|name| (*name).to_owned()).collect();
        expected.extend([name(&self.source), name(&self.output)]);
        expected.sort();
        expected.dedup();
        let mut found: Vec<String> =
            fs::read_dir(self.directory.path()).unwrap().map(|entry| name(&entry.unwrap().path())).collect();
        found.sort();
        assert_eq!(found, expected);
    }

    /// What is in the backup so far.
    pub fn kept(&self) -> BTreeMap<String, Vec<u8>> {
        if self.path("old").exists() { tree(&self.path("old")) } else { BTreeMap::new() }
    }

    /// All that is not as before is in the backup as it was before.
    #[track_caller]
    pub fn assert_kept(&self, before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) {
        let kept = self.kept();
        assert!(kept.iter().all(|(key, content)| before.get(key) == Some(content)), "only what was there before");
        for (key, content) in before.iter().filter(|(key, content)| after.get(*key) != Some(content)) {
            assert!(kept.get(key) == Some(content), "{key} is not in the backup");
        }
    }

    /// Another scene with the same source, which is copied.
    pub fn again(&self) -> Scene {
        let directory = directory();
        let source = directory.path().join("source.zarr");
        copy_tree(&self.source, &source);
        let name = self.output.file_name().unwrap();
        let output = directory.path().join(name);
        Scene { output, source, directory, flags: self.flags.clone(), backup: self.backup }
    }
}

fn owned(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}
