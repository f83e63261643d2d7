//! `--missing`, `--corrupt` and `--combined`: the paths of objects, one per line, with the signs of rclone's `check`. A path is that
//! of the store, a slash and the key, so that `zfetch --repair` finds the store.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use roaring::RoaringTreemap;
use zarray::{Array, Key};
use zcli::Session;
use zstore::{AtomicFile, Durability, Replace, write_failed};
use zwire::{Exit, Failure};

use crate::finding::Finding;
use crate::kinds::Kind;

/// Where lists are written: "-" is stdout.
#[derive(Debug, Clone, Default)]
pub struct ListPaths {
    /// Of missing objects.
    pub missing: Option<PathBuf>,
    /// Of objects that are damaged or differ.
    pub corrupt: Option<PathBuf>,
    /// Of all objects.
    pub combined: Option<PathBuf>,
}

impl ListPaths {
    /// Whether any list is written.
    pub fn is_any(&self) -> bool {
        [&self.missing, &self.corrupt, &self.combined].iter().any(|path| path.is_some())
    }
}

/// What is known of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It is as it should be.
    Same,
    /// It is missing.
    Missing,
    /// It should not be there.
    Extra,
    /// It is damaged, or differs.
    Differs,
    /// It could not be read.
    Error,
}

impl Sign {
    fn text(self) -> char {
        match self {
            Sign::Same => '=',
            Sign::Missing => '-',
            Sign::Extra => '+',
            Sign::Differs => '*',
            Sign::Error => '!',
        }
    }
}

/// Kinds of damage to the object that a finding names.
const DAMAGE: [Kind; 14] = [
    Kind::EmptyObject,
    Kind::WrongSize,
    Kind::Truncated,
    Kind::BadHeader,
    Kind::WrongCodec,
    Kind::WrongNbytes,
    Kind::BlockTable,
    Kind::ShardIndex,
    Kind::ShardOverlap,
    Kind::Undecodable,
    Kind::ChecksumMismatch,
    Kind::TooLarge,
    Kind::ChunkDiffers,
    Kind::NanRectangles,
];

/// Kinds of objects that belong to no array.
const EXTRA: [Kind; 5] = [Kind::OutsideGrid, Kind::WrongSeparator, Kind::TemporaryFile, Kind::UnknownKey, Kind::Link];

/// The lists of a run.
pub struct Lists {
    missing: Option<List>,
    corrupt: Option<List>,
    combined: Option<List>,
    /// Keys of the objects of the array that were found to be damaged.
    damaged: BTreeSet<String>,
    /// Keys of objects that could not be read.
    failed: BTreeSet<String>,
    /// What was written last: the findings of a shard name it several times.
    last: Option<(Sign, String)>,
}

impl Lists {
    /// The lists that the flags ask for; `None` for none. Where one is stdout, records are not printed there.
    ///
    /// # Errors
    /// `Exit::Usage` for two lists on stdout; `Exit::Output` if a file exists or cannot be created.
    pub fn open(flags: &ListPaths, session: &mut Session) -> Result<Option<Lists>, Failure> {
        let paths = [&flags.missing, &flags.corrupt, &flags.combined];
        let is_stdout = |path: &&Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
        match paths.iter().filter(|path| is_stdout(path)).count() {
            0 => {}
            1 => session.out.without_records(),
            _ => return Err(Failure::usage("only one of --missing, --corrupt and --combined may be \"-\"")),
        }
        if !flags.is_any() {
            return Ok(None);
        }
        let open = |path: &Option<PathBuf>| path.as_deref().map(List::open).transpose();
        Ok(Some(Lists {
            missing: open(&flags.missing)?,
            corrupt: open(&flags.corrupt)?,
            combined: open(&flags.combined)?,
            damaged: BTreeSet::new(),
            failed: BTreeSet::new(),
            last: None,
        }))
    }

    /// Lists an object.
    ///
    /// # Errors
    /// The list cannot be written, or is no longer read.
    pub fn put(&mut self, sign: Sign, store: &str, key: &str) -> Result<(), Failure> {
        let path = format!("{}/{key}", store.trim_end_matches('/'));
        if self.last.as_ref().is_some_and(|(last, listed)| *last == sign && *listed == path) {
            return Ok(());
        }
        self.last = Some((sign, path.clone()));
        let list = match sign {
            Sign::Missing => self.missing.as_mut(),
            Sign::Differs => self.corrupt.as_mut(),
            _ => None,
        };
        if let Some(list) = list {
            list.line(&path)?;
        }
        match &mut self.combined {
            Some(list) => list.line(&format!("{} {path}", sign.text())),
            None => Ok(()),
        }
    }

    /// Takes note of a finding: of a damaged object, until its array is listed; of one that belongs to no array, at once.
    ///
    /// # Errors
    /// As [`Lists::put`].
    pub fn finding(&mut self, finding: &Finding, store: &str) -> Result<(), Failure> {
        let Some(key) = &finding.record.key else { return Ok(()) };
        if DAMAGE.contains(&finding.kind) {
            self.damaged.insert(key.clone());
        }
        match EXTRA.contains(&finding.kind) {
            true => self.put(Sign::Extra, store, key),
            false => Ok(()),
        }
    }

    /// Takes note of an object that could not be read.
    pub fn failed(&mut self, path: &str, store: &str) {
        let path = path.split(" inner chunk ").next().unwrap_or(path);
        if let Some(key) = path.strip_prefix(store).filter(|_| self.combined.is_some()) {
            self.failed.insert(key.trim_start_matches('/').to_owned());
        }
    }

    /// Lists the objects of an array, in the order of the grid, after all findings about it.
    ///
    /// # Errors
    /// As [`Lists::put`].
    pub fn array(&mut self, array: &Array, present: &RoaringTreemap, store: &str) -> Result<(), Failure> {
        // The same store may be given twice.
        self.last = None;
        let (damaged, failed) = (std::mem::take(&mut self.damaged), std::mem::take(&mut self.failed));
        let Some(grid) = array.numbered() else {
            return damaged.iter().try_for_each(|key| self.put(Sign::Differs, store, key));
        };
        if self.missing.is_none() && self.combined.is_none() {
            let number = |key: &String| match array.key_kind(key) {
                Key::Chunk(number) => number,
                _ => None,
            };
            let is_missing = |key: &String| number(key).is_some_and(|number| !present.contains(number));
            let mut damaged: Vec<&String> = damaged.iter().filter(|key| !is_missing(key)).collect();
            damaged.sort_by_cached_key(|key| number(key));
            return damaged.into_iter().try_for_each(|key| self.put(Sign::Differs, store, key));
        }
        let numbers: Box<dyn Iterator<Item = u64>> = match &array.fetched {
            // What was not fetched is not missing.
            Some(fetched) => Box::new((0..fetched.len()).map(|number| grid.number(&fetched.index(number)))),
            None => Box::new(0..grid.len()),
        };
        let all = self.combined.is_some();
        for number in numbers {
            let is_present = present.contains(number);
            if is_present && !all && damaged.is_empty() {
                continue;
            }
            let key = array.key(&array.keys.encode(&grid.index(number)));
            let sign = match is_present {
                true if damaged.contains(&key) => Sign::Differs,
                _ if failed.contains(&key) => Sign::Error,
                true => Sign::Same,
                false if array.is_container() => continue,
                false => Sign::Missing,
            };
            self.put(sign, store, &key)?;
        }
        Ok(())
    }

    /// Completes the lists: files get their names.
    ///
    /// # Errors
    /// A list cannot be written.
    pub fn finish(self) -> Result<(), Failure> {
        [self.missing, self.corrupt, self.combined].into_iter().flatten().try_for_each(List::finish)
    }
}

/// One list.
enum List {
    Stdout(BufWriter<io::Stdout>),
    File(PathBuf, BufWriter<AtomicFile>),
}

impl List {
    fn open(path: &Path) -> Result<List, Failure> {
        if path == Path::new("-") {
            return Ok(List::Stdout(BufWriter::new(io::stdout())));
        }
        if path.symlink_metadata().is_ok() {
            return Err(Failure::new(Exit::Output, "already exists").at(path.display()).hint("choose another name"));
        }
        let file = AtomicFile::create(path).map_err(|error| Failure::from(write_failed(path, error)))?;
        Ok(List::File(path.to_owned(), BufWriter::new(file)))
    }

    fn line(&mut self, text: &str) -> Result<(), Failure> {
        match self {
            List::Stdout(out) => printed(writeln!(out, "{text}")),
            List::File(path, out) => writeln!(out, "{text}").map_err(|error| Failure::from(write_failed(path, error))),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            List::Stdout(mut out) => printed(out.flush()),
            List::File(path, out) => {
                let file = out.into_inner().map_err(|error| Failure::from(write_failed(&path, error.into_error())))?;
                let published = file.publish(Replace::Never, Durability::Data);
                published.map_err(|error| Failure::from(write_failed(&path, error)))
            }
        }
    }
}

fn printed(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::closed_pipe()),
        Err(error) => Err(Failure::new(Exit::Output, error.to_string()).at("stdout")),
        Ok(()) => Ok(()),
    }
}
