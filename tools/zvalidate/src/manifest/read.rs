//! Reads a manifest line by line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use zstore::read_failed;
use zwire::{Exit, Failure};

use crate::manifest::line::{Line, VERSION};

/// The longest line: a key of a store is shorter.
const LONGEST: u64 = 1 << 20;

/// A manifest that is being read.
pub struct Lines {
    file: BufReader<File>,
    path: PathBuf,
    number: u64,
    /// A line that was read too early.
    kept: Option<Line>,
    /// What went wrong; then there are no more lines.
    failure: Option<Failure>,
}

impl Lines {
    /// Opens the manifest at `path` and reads its first line.
    ///
    /// # Errors
    /// `Exit::Absent` if it cannot be read, `Exit::Unreadable` if it is no manifest or one of a later version.
    pub fn open(path: &Path) -> Result<Lines, Failure> {
        let file = File::open(path).map_err(|error| Failure::from(read_failed(path, error)))?;
        let mut lines =
            Lines { file: BufReader::new(file), path: path.to_owned(), number: 0, kept: None, failure: None };
        match lines.next_line()? {
            Some(Line::Manifest { v: VERSION, .. }) => Ok(lines),
            Some(Line::Manifest { v, .. }) => Err(lines.wrong(format!("version {v} of the format is not known"))),
            _ => Err(lines
                .wrong("is not a manifest of zvalidate")
                .hint("zvalidate STORE --write-manifest FILE writes one")),
        }
    }

    fn wrong(&self, what: impl Into<String>) -> Failure {
        Failure::new(Exit::Unreadable, what).at(self.path.display())
    }

    /// The next line; `None` at the end of the file.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not one of a manifest.
    pub fn next_line(&mut self) -> Result<Option<Line>, Failure> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if let Some(line) = self.kept.take() {
            return Ok(Some(line));
        }
        let mut text = String::new();
        let mut limited = std::io::Read::take(&mut self.file, LONGEST);
        let read = limited.read_line(&mut text).map_err(|error| Failure::from(read_failed(&self.path, error)))?;
        self.number += 1;
        if read == 0 {
            return Ok(None);
        }
        let line = serde_json::from_str(&text);
        line.map(Some).map_err(|error| self.wrong(format!("line {} is not valid: {error}", self.number)))
    }

    /// The next line, if it is an object; a failure comes with the line after it.
    pub fn next_object(&mut self) -> Option<crate::manifest::line::ObjectLine> {
        match self.next_line() {
            Ok(Some(Line::Object(object))) => return Some(object),
            Ok(line) => self.kept = line,
            Err(failure) => self.failure = Some(failure),
        }
        None
    }
}
