//! Outputs under temporary names, which get their own when they are whole: in one step, and without replacing anything
//! that was not meant.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use rustix::io::Errno;
use zwire::{Exit, Failure};

use super::failure::write_failed;

/// One of these makes a Zarr store.
const ZARR: [&str; 4] = ["zarr.json", ".zgroup", ".zarray", ".zmetadata"];

/// What an output is, and so what it may replace where that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file, in place of a file.
    File,
    /// A Zarr store, in place of another or of an empty directory.
    Store,
    /// A directory of partitions `KEY=VALUE`, in place of one with the same key or of an empty directory.
    Partitions(String),
}

/// An output in the making. Dropped before [`Staged::publish`] it leaves nothing behind.
#[derive(Debug)]
pub struct Staged {
    temporary: PathBuf,
    target: PathBuf,
    what: What,
    overwrite: bool,
}

impl Staged {
    /// Makes an empty file or directory beside `target`.
    ///
    /// # Errors
    /// As [`refuse_existing`]; a directory that is not there or cannot be written.
    pub fn begin(target: &Path, what: What, overwrite: bool) -> Result<Staged, Failure> {
        refuse_existing(target, &what, overwrite)?;
        let temporary = zstore::temporary_name(target)?;
        let made = match what {
            What::File => File::create_new(&temporary).map(drop),
            What::Store | What::Partitions(_) => fs::create_dir(&temporary),
        };
        made.map_err(|error| write_failed(target.display(), &error))?;
        Ok(Staged { temporary, target: target.to_owned(), what, overwrite })
    }

    /// Where it is until it is whole.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Its name, for messages.
    pub fn place(&self) -> String {
        self.target.display().to_string()
    }

    /// The file, to be written from its start.
    ///
    /// # Errors
    /// What the system says.
    pub fn file(&self) -> Result<File, Failure> {
        File::options().write(true).open(&self.temporary).map_err(|error| write_failed(self.place(), &error))
    }

    /// Makes sure that all of it would survive a crash, and gives it its name.
    ///
    /// # Errors
    /// What the system says; an output that somebody else has made meanwhile.
    pub fn publish(self) -> Result<PathBuf, Failure> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.target),
            _ => write_failed(self.place(), &error),
        };
        self.sync().map_err(failed)?;
        let replaced = self.overwrite && self.target.symlink_metadata().is_ok();
        match (replaced, &self.what) {
            (false, _) => rename_to_nothing(&self.temporary, &self.target).map_err(failed)?,
            (true, What::File) => fs::rename(&self.temporary, &self.target).map_err(failed)?,
            // What has come to be there meanwhile may be something else.
            (true, what) => {
                refuse_existing(&self.target, what, true)?;
                replace_directory(&self.temporary, &self.target).map_err(failed)?;
            }
        }
        sync_parent(&self.target).map_err(failed)?;
        Ok(self.target.clone())
    }

    fn sync(&self) -> io::Result<()> {
        let opened = File::open(&self.temporary)?;
        match self.what {
            What::File => opened.sync_all(),
            What::Store | What::Partitions(_) => syncfs(&opened).map_err(io::Error::from),
        }
    }
}

impl Drop for Staged {
    /// Removes what was not published, or the old directory that it changed places with.
    fn drop(&mut self) {
        let _ = match self.what {
            What::File => fs::remove_file(&self.temporary),
            What::Store | What::Partitions(_) => fs::remove_dir_all(&self.temporary),
        };
    }
}

/// Refuses an output that is there, before any work.
///
/// # Errors
/// It is there, and is not to be replaced, or is not what may be replaced.
pub fn refuse_existing(target: &Path, what: &What, overwrite: bool) -> Result<(), Failure> {
    let Ok(found) = target.symlink_metadata() else { return Ok(()) };
    if !overwrite {
        return Err(exists(target));
    }
    let (may, kind) = match what {
        What::File => (found.is_file(), "a file"),
        What::Store => (found.is_dir() && is_store(target), "a Zarr store"),
        What::Partitions(key) => (found.is_dir() && is_partitioned(target, key), "a directory of the same partitions"),
    };
    if may {
        return Ok(());
    }
    let what = format!("is there and is not {kind}, so it is not replaced");
    Err(Failure::new(Exit::Output, what).at(target.display()).hint("choose another name"))
}

fn exists(target: &Path) -> Failure {
    let failure = Failure::new(Exit::Output, "exists already").at(target.display());
    failure.hint("say --overwrite, or choose another name")
}

fn is_store(directory: &Path) -> bool {
    let is_empty = || fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none());
    ZARR.iter().any(|name| directory.join(name).is_file()) || is_empty()
}

fn is_partitioned(directory: &Path, key: &str) -> bool {
    let start = format!("{key}=");
    let is_partition = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&start);
    fs::read_dir(directory).is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(is_partition)))
}

/// Gives `from` the name `to`, which nothing may have.
fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network file systems know no such step.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if to.symlink_metadata().is_ok() => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::rename(from, to),
        other => other.map_err(io::Error::from),
    }
}

/// Puts the directory `new` in the place of `old`, which is then where `new` was.
fn replace_directory(new: &Path, old: &Path) -> io::Result<()> {
    let known = |error: &io::Error| {
        !matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
    };
    match zstore::exchange(new, old) {
        Err(error) if !known(&error) => {}
        other => return other,
    }
    // Without a step for both, the old one is aside for a moment.
    let mut aside = new.as_os_str().to_owned();
    aside.push(".old");
    fs::rename(old, &aside)?;
    if let Err(error) = fs::rename(new, old) {
        fs::rename(&aside, old)?;
        return Err(error);
    }
    fs::rename(&aside, new)
}

/// The name itself must survive a crash, too.
fn sync_parent(target: &Path) -> io::Result<()> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::fixture::names;

    #[test]
    fn a_file_gets_its_name_when_it_is_whole() {
        let directory = tempfile::tempdir().expect("directory");
        let target = directory.path().join("out.csv");
        let staged = Staged::begin(&target, What::File, false).expect("begins");
        assert!(names(directory.path())[0].starts_with(".out.csv.tmp-"));
        fs::write(staged.path(), "new").expect("writes");
        assert_eq!(staged.publish().expect("published"), target);
        assert_eq!(names(directory.path()), ["out.csv"]);
        let failure = Staged::begin(&target, What::File, false).expect_err("is there");
        assert_eq!((failure.exit, failure.advice().is_some()), (Exit::Output, true));
        assert_eq!(failure.to_string(), format!("{}: exists already", target.display()));
    }

    #[test]
    fn what_comes_up_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().expect("directory");
        let target = directory.path().join("out.csv");
        let staged = Staged::begin(&target, What::File, false).expect("begins");
        fs::write(&target, "theirs").expect("writes");
        let failure = staged.publish().expect_err("is there now");
        assert!(failure.to_string().ends_with("exists already"));
        assert_eq!(fs::read(&target).expect("reads"), b"theirs");
        assert_eq!(names(directory.path()), ["out.csv"]);
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        let directory = tempfile::tempdir().expect("directory");
        for what in [What::File, What::Store] {
            let staged = Staged::begin(&directory.path().join("out"), what.clone(), false).expect("begins");
            if what == What::Store {
                fs::write(staged.path().join("zarr.json"), "{}").expect("writes");
            }
            drop(staged);
            assert!(names(directory.path()).is_empty());
        }
    }

    #[test]
    fn only_the_like_is_replaced() {
        let directory = tempfile::tempdir().expect("directory");
        let target = directory.path().join("out");
        fs::create_dir(&target).expect("makes");
        fs::write(target.join("letters.txt"), "dear").expect("writes");
        for what in [What::File, What::Store, What::Partitions("time".into())] {
            let failure = Staged::begin(&target, what, true).expect_err("somebody's letters");
            assert!(failure.to_string().contains("not replaced"));
        }
        fs::rename(target.join("letters.txt"), target.join("zarr.json")).expect("renames");
        let staged = Staged::begin(&target, What::Store, true).expect("a store");
        fs::write(staged.path().join(".zgroup"), "{}").expect("writes");
        staged.publish().expect("published");
        assert_eq!((names(&target), names(directory.path())), (vec![".zgroup".into()], vec!["out".into()]));
        fs::rename(target.join(".zgroup"), target.join("time=1")).expect("renames");
        assert!(Staged::begin(&target, What::Partitions("time".into()), true).is_ok());
        assert!(Staged::begin(&target, What::Partitions("id".into()), true).is_err());
    }

    #[test]
    fn a_directory_that_is_not_there_is_told() {
        let failure = Staged::begin(Path::new("/nowhere/out.csv"), What::File, false).expect_err("no directory");
        assert_eq!((failure.exit, failure.to_string().starts_with("/nowhere/out.csv: ")), (Exit::Output, true));
    }
}
