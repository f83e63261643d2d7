//! Directories get their names: in one step, or so that whatever happens between the steps, nothing is lost.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::name::make_beside;
use super::replace::Replace;
use super::system::{Steps, is_unknown};
use super::tree::{remove_tree, sync_file_system, sync_parent};
use crate::{StoreError, write_failed};

/// A directory that nobody knows yet. Dropped before it has its name, it is removed.
#[derive(Debug)]
pub struct AtomicDirectory {
    path: PathBuf,
    target: PathBuf,
    steps: Steps,
}

impl AtomicDirectory {
    /// An empty directory beside `target`.
    ///
    /// # Errors
    /// The system's; a target that has no name of its own (`..`, `/`).
    pub fn create(target: &Path) -> io::Result<AtomicDirectory> {
        let ((), path) = make_beside(target, |path| fs::create_dir(path))?;
        Ok(AtomicDirectory { path, target: target.to_owned(), steps: Steps::ALL })
    }

    /// Where it is until it has its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Brings all that is in it to the disk and gives it its name. What it replaces is removed.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AlreadyExists`] where something has the name and is not to be replaced.
    pub fn publish(self, replace: Replace) -> io::Result<()> {
        sync_file_system(&self.path)?;
        take_name(self.steps, &self.path, &self.target, replace)?;
        sync_parent(&self.target)
    }
}

impl Drop for AtomicDirectory {
    /// Removes what was not published, or the old directory that it changed places with.
    fn drop(&mut self) {
        let _ = remove_tree(&self.path);
    }
}

/// Gives the finished directory its name; where it replaces a store, that is then where the new one was.
///
/// # Errors
/// [`StoreError::Unpublished`] where it cannot have the name; [`StoreError::Write`] where a crash could take it away again.
pub fn give_name(finished: &Path, output: &Path, overwrite: bool) -> Result<(), StoreError> {
    let replace = if overwrite { Replace::Store } else { Replace::Never };
    take_name(Steps::ALL, finished, output, replace).map_err(|source| StoreError::Unpublished {
        place: output.display().to_string(),
        kept: finished.display().to_string(),
        source,
    })?;
    sync_parent(output).map_err(|error| write_failed(output, error))
}

/// Puts a new directory in the place of an old one; the old one is then where the new one was. One step, where the file
/// system knows it; else the old one is without its name for a moment. Done again after a kill, it goes on where it was.
///
/// # Errors
/// What the file system says; both are then where they were.
pub fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    exchange_with(Steps::ALL, new, old)
}

/// Completes an exchange in steps that was killed between them and left the old directory aside.
///
/// # Errors
/// What the file system says.
pub fn complete_exchange(new: &Path, old: &Path) -> io::Result<()> {
    if aside(new).exists() { exchange_by_steps(new, old) } else { Ok(()) }
}

fn take_name(steps: Steps, finished: &Path, output: &Path, replace: Replace) -> io::Result<()> {
    match replace.allows(output) {
        true => exchange_with(steps, finished, output),
        false => steps.name_directory(finished, output),
    }
}

fn exchange_with(steps: Steps, new: &Path, old: &Path) -> io::Result<()> {
    match steps.exchange(new, old) {
        Err(error) if is_unknown(&error) => exchange_by_steps(new, old),
        // A run that was killed between the steps left the old one aside.
        Err(error) if error.kind() == io::ErrorKind::NotFound && aside(new).exists() => exchange_by_steps(new, old),
        other => other,
    }
}

/// Without a step for both, the name is nobody's for a moment; whatever happens then, the old one is kept aside.
fn exchange_by_steps(new: &Path, old: &Path) -> io::Result<()> {
    let aside = aside(new);
    if new.exists() {
        if old.exists() {
            fs::rename(old, &aside)?;
        }
        if let Err(error) = fs::rename(new, old) {
            fs::rename(&aside, old)?;
            return Err(error);
        }
    }
    fs::rename(aside, new)
}

/// A name beside `path` that nothing has.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".old");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::super::system::tests::all;
    use super::super::tree::tests::names;
    use super::*;

    /// A directory in the making with a file in it.
    fn directory(target: &Path, steps: Steps, name: &str) -> AtomicDirectory {
        let mut directory = AtomicDirectory::create(target).expect("creates");
        directory.steps = steps;
        fs::write(directory.path().join(name), "").expect("writes");
        directory
    }

    fn made(path: PathBuf, name: &str) -> PathBuf {
        fs::create_dir(&path).expect("makes");
        fs::write(path.join(name), "").expect("writes");
        path
    }

    #[test]
    fn a_directory_gets_its_name_and_replaces_its_like() {
        for steps in all() {
            let above = tempfile::tempdir().expect("directory");
            let target = above.path().join("out");
            for (name, replace) in
                [(".zgroup", Replace::Never), ("zarr.json", Replace::Store), (".zarray", Replace::Store)]
            {
                let new = directory(&target, steps, name);
                assert_eq!(new.target(), target);
                new.publish(replace).expect("is published");
                assert_eq!((names(&target), names(above.path())), (vec![name.into()], vec!["out".into()]), "{steps:?}");
            }
            fs::rename(target.join(".zarray"), target.join("time=1")).expect("renames");
            let refused = directory(&target, steps, "id=2").publish(Replace::Partitions("id")).expect_err("another");
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            directory(&target, steps, "time=2").publish(Replace::Partitions("time")).expect("replaces");
            assert_eq!((names(&target), names(above.path())), (vec!["time=2".into()], vec!["out".into()]));
        }
    }

    #[test]
    fn what_comes_up_meanwhile_is_not_replaced() {
        for steps in all() {
            let above = tempfile::tempdir().expect("directory");
            let target = above.path().join("out");
            for replace in [Replace::Never, Replace::Store, Replace::Partitions("time")] {
                let new = directory(&target, steps, ".zgroup");
                made(target.clone(), "letters.txt");
                let refused = new.publish(replace).expect_err("somebody's letters");
                assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists, "{steps:?}");
                assert_eq!((names(&target), names(above.path())), (vec!["letters.txt".into()], vec!["out".into()]));
                remove_tree(&target).expect("removes");
            }
            drop(directory(&target, steps, ".zgroup"));
            assert!(names(above.path()).is_empty());
        }
    }

    #[test]
    fn an_exchange_that_was_killed_goes_on() {
        for steps in all() {
            let above = tempfile::tempdir().expect("directory");
            let (new, old) = (above.path().join("new"), above.path().join("out"));
            for step in 0..3 {
                made(new.clone(), "2");
                made(old.clone(), "1");
                if step > 0 {
                    fs::rename(&old, aside(&new)).expect("renames");
                }
                if step > 1 {
                    fs::rename(&new, &old).expect("renames");
                }
                complete_exchange(&new, &old).expect("completes, or has nothing to do");
                if step == 0 {
                    exchange_with(steps, &new, &old).expect("exchanges");
                }
                assert_eq!((names(&new), names(&old)), (vec!["1".into()], vec!["2".into()]), "{steps:?} {step}");
                assert_eq!(names(above.path()), ["new", "out"]);
                [&new, &old].iter().for_each(|path| remove_tree(path).expect("removes"));
            }
            assert!(exchange_with(steps, &new, &old).is_err(), "there is neither");
            made(old.clone(), "1");
            assert!(exchange_with(steps, &new, &old).is_err(), "there is no new one");
            assert_eq!(names(above.path()), ["out"]);
        }
    }

    #[test]
    fn a_store_is_named_once() {
        let above = tempfile::tempdir().expect("directory");
        let (finished, output) = (made(above.path().join("store"), ".zgroup"), made(above.path().join("out"), "x"));
        for overwrite in [false, true] {
            let refused = give_name(&finished, &output, overwrite).expect_err("is no store");
            assert!(matches!(refused, StoreError::Unpublished { .. }), "{refused:?}");
        }
        fs::rename(output.join("x"), output.join("zarr.json")).expect("renames");
        give_name(&finished, &output, true).expect("replaces");
        assert_eq!((names(&output), names(&finished)), (vec![".zgroup".into()], vec!["zarr.json".into()]));
    }
}
