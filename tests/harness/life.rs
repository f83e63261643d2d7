//! Runs that are ended, and what they leave: the outputs of writers over several runs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::{Outcome, Tool, tree};

/// In memory, where the system lets us: runs that sync many times a second must not wait for a disk that others use.
pub fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Writes a file so that it is seen to be another one, however coarse the clock of the file system is.
pub fn rewrite(path: &Path, content: &[u8]) {
    let before = fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::now());
    fs::write(path, content).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(before + Duration::from_secs(1)).unwrap();
}

/// The objects of a store with their inode: who has still the same was not written again.
pub fn inodes(store: &Path) -> BTreeMap<String, u64> {
    let files = tree(store).into_keys().filter(|key| !key.ends_with('/'));
    files.map(|key| (key.clone(), fs::metadata(store.join(&key)).unwrap().ino())).collect()
}

pub fn spawn(tool: Tool) -> Child {
    let mut command = tool.0;
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn end(child: Child) -> Outcome {
    Outcome::of(child.wait_with_output().unwrap())
}
