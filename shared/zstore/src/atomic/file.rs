//! A file that is written under a temporary name beside its target, and gets its own name in one step.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::name::make_beside;
use super::replace::Replace;
use super::system::Steps;
use super::tree::{keep_permissions, sync_parent};

/// What survives a crash of the machine once a file has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing yet: one of many files that are synced all at once later.
    Deferred,
    /// Its bytes: the name never stands for a file that is not complete. The permissions of a file that is replaced are kept.
    Data,
    /// Its bytes and its name.
    Full,
}

/// A file that nobody knows yet. Dropped before it has its name, it is removed.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    path: PathBuf,
    target: PathBuf,
    steps: Steps,
    published: bool,
}

impl AtomicFile {
    /// An empty file beside `target`.
    ///
    /// # Errors
    /// The system's; a target that has no name of its own (`..`, `/`).
    pub fn create(target: &Path) -> io::Result<AtomicFile> {
        let (file, path) = make_beside(target, |path| File::create_new(path))?;
        Ok(AtomicFile { file, path, target: target.to_owned(), steps: Steps::ALL, published: false })
    }

    /// Where it is until it has its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The open file, for positional writes.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AlreadyExists`] where something has the name and is not to be replaced.
    pub fn publish(mut self, replace: Replace, durability: Durability) -> io::Result<()> {
        if durability != Durability::Deferred {
            if replace == Replace::File {
                keep_permissions(&self.target, &self.path);
            }
            self.file.sync_data()?;
        }
        match replace {
            Replace::File => fs::rename(&self.path, &self.target)?,
            _ => self.steps.name_file(&self.path, &self.target)?,
        }
        self.published = true;
        match durability {
            Durability::Full => sync_parent(&self.target),
            _ => Ok(()),
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.published {
            // A failure leaves a file whose name tells what it is.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::super::name::temporary_name;
    use super::super::system::tests::all;
    use super::super::tree::tests::names;
    use super::*;

    fn file(target: &Path, steps: Steps, text: &str) -> AtomicFile {
        let mut file = AtomicFile::create(target).expect("creates");
        file.steps = steps;
        file.write_all(text.as_bytes()).expect("writes");
        file
    }

    #[test]
    fn a_file_gets_its_name_when_it_is_complete() {
        for steps in all() {
            let directory = tempfile::tempdir().expect("directory");
            let target = directory.path().join("out.csv");
            for durability in [Durability::Deferred, Durability::Data, Durability::Full] {
                let new = file(&target, steps, "new");
                assert!(!target.exists() && new.path.exists() && new.target() == target);
                new.publish(Replace::Never, durability).expect("is published");
                assert_eq!(names(directory.path()), ["out.csv"], "{steps:?}");
                file(&target, steps, "newer").publish(Replace::File, durability).expect("replaces");
                assert_eq!(fs::read(&target).expect("reads"), b"newer");
                fs::remove_file(&target).expect("removes");
            }
        }
    }

    #[test]
    fn what_comes_up_meanwhile_is_not_replaced() {
        for steps in all() {
            let directory = tempfile::tempdir().expect("directory");
            let target = directory.path().join("out.csv");
            let new = file(&target, steps, "new");
            fs::write(&target, "theirs").expect("writes");
            let error = new.publish(Replace::Never, Durability::Full).expect_err("is there now");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{steps:?}");
            assert_eq!(fs::read(&target).expect("reads"), b"theirs");
            assert_eq!(names(directory.path()), ["out.csv"]);
            fs::remove_file(&target).expect("removes");
            fs::create_dir(&target).expect("makes");
            for replace in [Replace::Never, Replace::File] {
                assert!(file(&target, steps, "new").publish(replace, Durability::Deferred).is_err(), "a directory");
            }
            assert_eq!(names(directory.path()), ["out.csv"]);
        }
    }

    #[test]
    fn of_many_one_gets_the_name() {
        for steps in all() {
            let directory = tempfile::tempdir().expect("directory");
            let (target, published) = (directory.path().join("lock"), AtomicUsize::new(0));
            thread::scope(|scope| {
                for number in 0..8 {
                    let new = file(&target, steps, &number.to_string());
                    let published = &published;
                    scope.spawn(move || {
                        let named = new.publish(Replace::Never, Durability::Deferred);
                        published.fetch_add(usize::from(named.is_ok()), SeqCst);
                    });
                }
            });
            assert_eq!((published.into_inner(), names(directory.path())), (1, vec!["lock".to_owned()]), "{steps:?}");
            assert_eq!(fs::read(&target).expect("reads").len(), 1);
        }
    }

    #[test]
    fn permissions_are_kept_when_replacing() {
        let directory = tempfile::tempdir().expect("directory");
        let target = directory.path().join("out.csv");
        fs::write(&target, "old").expect("writes");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o604)).expect("is ours");
        file(&target, Steps::ALL, "new").publish(Replace::File, Durability::Data).expect("replaces");
        assert_eq!(fs::metadata(&target).expect("is there").permissions().mode() & 0o777, 0o604);
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        let directory = tempfile::tempdir().expect("directory");
        drop(file(&directory.path().join("out.csv"), Steps::ALL, "half"));
        assert!(names(directory.path()).is_empty());
        let error = AtomicFile::create(&directory.path().join("nowhere/out.csv")).expect_err("no directory");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn names_that_killed_processes_left_are_passed_over() {
        let directory = tempfile::tempdir().expect("directory");
        let target = directory.path().join("a");
        // The numbers that this process gives out next: other tests take some of them.
        let taken = temporary_name(&target).expect("a name");
        let (stem, number) = taken.to_str().expect("text").rsplit_once('-').expect("a number");
        let number: u64 = number.parse().expect("a number");
        for next in number..number + 1000 {
            fs::write(format!("{stem}-{next}"), b"left").expect("writes");
        }
        file(&target, Steps::ALL, "1").publish(Replace::File, Durability::Deferred).expect("is published");
        assert_eq!(fs::read(&target).expect("reads"), b"1");
        assert_eq!(names(directory.path()).len(), 1001, "what is not ours stays");
    }
}
