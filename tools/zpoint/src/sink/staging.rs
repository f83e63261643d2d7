//! Outputs with temporary names, renamed when complete. They may replace only outputs of the same kind.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use zstage::check_replaceable;
use zstore::{AtomicDirectory, AtomicFile, Durability, Replace};
use zwire::{Exit, Failure};

use super::failure::write_failed;

/// The kind of an output, which determines what it may replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file; replaces a file.
    File,
    /// A Zarr store; replaces a Zarr store or an empty directory.
    Store,
    /// A directory of partitions `KEY=VALUE`; replaces one with the same key, or an empty directory.
    Partitions(String),
}

impl What {
    fn like(&self) -> (Replace<'_>, &'static str) {
        match self {
            What::File => (Replace::File, "a file"),
            What::Store => (Replace::Store, "a Zarr store"),
            What::Partitions(key) => (Replace::Partitions(key), "a directory of the same partitions"),
        }
    }
}

/// An unpublished output. If dropped before [`Staged::publish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Staged {
    output: Output,
    what: What,
    overwrite: bool,
}

#[derive(Debug)]
enum Output {
    File(AtomicFile),
    Directory(AtomicDirectory),
}

impl Staged {
    /// Creates an empty file or directory next to `target`.
    ///
    /// # Errors
    /// The errors of [`refuse_existing`], or the directory does not exist or is not writable.
    pub fn begin(target: &Path, what: What, overwrite: bool) -> Result<Staged, Failure> {
        refuse_existing(target, &what, overwrite)?;
        let output = match what {
            What::File => AtomicFile::create(target).map(Output::File),
            What::Store | What::Partitions(_) => AtomicDirectory::create(target).map(Output::Directory),
        };
        let output = output.map_err(|error| write_failed(target.display(), &error))?;
        Ok(Staged { output, what, overwrite })
    }

    fn target(&self) -> &Path {
        match &self.output {
            Output::File(file) => file.target(),
            Output::Directory(directory) => directory.target(),
        }
    }

    /// The temporary path.
    pub fn path(&self) -> &Path {
        match &self.output {
            Output::File(file) => file.path(),
            Output::Directory(directory) => directory.path(),
        }
    }

    /// The final path, for messages.
    pub fn place(&self) -> String {
        self.target().display().to_string()
    }

    /// The file, opened for writing from the start.
    ///
    /// # Errors
    /// An I/O error.
    pub fn file(&self) -> Result<File, Failure> {
        let file = match &self.output {
            Output::File(file) => file.file().try_clone(),
            Output::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        };
        file.map_err(|error| write_failed(self.place(), &error))
    }

    /// Syncs the output to disk and renames it to its final name.
    ///
    /// # Errors
    /// An I/O error, or another process has created the output in the meantime.
    pub fn publish(self) -> Result<PathBuf, Failure> {
        let target = self.target().to_owned();
        if self.overwrite {
            // The existing output may have been replaced by something else in the meantime.
            refuse_existing(&target, &self.what, true)?;
        }
        let replace = if self.overwrite { self.what.like().0 } else { Replace::Never };
        let published = match self.output {
            Output::File(file) => file.publish(replace, Durability::Full),
            Output::Directory(directory) => directory.publish(replace),
        };
        match published {
            Ok(()) => Ok(target),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&target)),
            Err(error) => Err(write_failed(target.display(), &error)),
        }
    }
}

/// Refuses an existing output, before any work.
///
/// # Errors
/// The output exists and replacing it is not requested, or it is of a different kind.
pub fn refuse_existing(target: &Path, what: &What, overwrite: bool) -> Result<(), Failure> {
    let Ok(found) = target.symlink_metadata() else { return Ok(()) };
    if !overwrite {
        return Err(exists(target));
    }
    let (replace, like) = what.like();
    if (*what == What::File || found.is_dir()) && replace.allows(target) {
        return if *what == What::Store { Ok(check_replaceable(target)?) } else { Ok(()) };
    }
    let text = format!("is there and is not {like}, so it is not replaced");
    Err(Failure::new(Exit::Output, text).at(target.display()).hint("choose another name"))
}

fn exists(target: &Path) -> Failure {
    let failure = Failure::new(Exit::Output, "already exists").at(target.display());
    failure.hint("use --overwrite, or choose another name")
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        assert_eq!(failure.to_string(), format!("{}: already exists", target.display()));
    }

    #[test]
    fn what_comes_up_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().expect("directory");
        let target = directory.path().join("out.csv");
        let staged = Staged::begin(&target, What::File, false).expect("begins");
        fs::write(&target, "theirs").expect("writes");
        let failure = staged.publish().expect_err("is there now");
        assert!(failure.to_string().ends_with("already exists"));
        assert_eq!(fs::read(&target).expect("reads"), b"theirs");
        assert_eq!(names(directory.path()), ["out.csv"]);
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
        fs::write(target.join("zarr.json"), "{}").expect("writes");
        let failure = Staged::begin(&target, What::Store, true).expect_err("letters in a store");
        assert!(failure.to_string().ends_with("letters.txt"), "{failure}");
        fs::remove_file(target.join("letters.txt")).expect("removes");
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
