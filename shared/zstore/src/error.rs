//! Errors of stores, classified by what they mean to the user.

mod hints;

use std::io;
use std::path::Path;

use zwire::{Exit, Failure};

use crate::file_kind::FileKind;

/// Why a store or one of its objects cannot be read or written. Every variant names its path or URL.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store does not exist.
    #[error("{place}: no such store")]
    Absent {
        /// Path or URL.
        place: String,
    },
    /// The bucket does not exist.
    #[error("{place}: there is no such bucket")]
    NoBucket {
        /// URL.
        place: String,
    },
    /// The path exists but is not a directory.
    #[error("{place}: is {}, not a Zarr store", kind.name())]
    NotADirectory {
        /// Path or URL.
        place: String,
        /// What it is.
        kind: FileKind,
    },
    /// The URL cannot be used.
    #[error("{place}: {detail}")]
    BadUrl {
        /// As it was typed.
        place: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Permissions or credentials do not suffice.
    #[error("{place}: permission denied")]
    Denied {
        /// Path or URL.
        place: String,
        /// Error of the system or the server.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server answers in the same way whether an object is missing or forbidden, and nothing but metadata could be read.
    #[error("{place}: absent or forbidden: the server answers 403 for both")]
    Hidden {
        /// URL.
        place: String,
    },
    /// The request failed after all retries.
    #[error("{place}: request failed")]
    Network {
        /// URL.
        place: String,
        /// What went wrong after the last retry.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The object was replaced or removed between its parts.
    #[error("{place}: changed while it was being read")]
    Changed {
        /// URL.
        place: String,
    },
    /// No data, or too little, arrived within the time limit.
    #[error("{place}: timed out: {detail}")]
    TimedOut {
        /// URL.
        place: String,
        /// Which time limit was exceeded.
        detail: String,
    },
    /// The server has not answered several requests in a row, and is not asked any more.
    #[error("{place}: not requested: the server did not answer {}", before(*requests))]
    Dead {
        /// URL.
        place: String,
        /// How many requests.
        requests: usize,
    },
    /// The process was asked to stop while waiting for the server.
    #[error("{place}: stopped")]
    Stopped {
        /// URL.
        place: String,
    },
    /// The server cannot list its objects.
    #[error("{place}: this server cannot list its objects")]
    NotListable {
        /// URL.
        place: String,
    },
    /// A wildcard for a server that cannot list its stores.
    #[error("{place}: a plain HTTP server cannot list its stores, so * stands for none")]
    NoWildcards {
        /// URL.
        place: String,
    },
    /// The server sends only whole objects, and this one is too large for that.
    #[error("{place}: the server does not support range requests, and the whole object has {size}")]
    NoRanges {
        /// URL.
        place: String,
        /// Size of the object.
        size: String,
    },
    /// Stores of this kind are read-only.
    #[error("{place}: cannot be written: {what} are read-only")]
    NotWritable {
        /// Path or URL.
        place: String,
        /// The kind.
        what: &'static str,
    },
    /// An archive that cannot be read, or an entry of it.
    #[error("{place}: {detail}")]
    Archive {
        /// Path or URL of the archive.
        place: String,
        /// What is wrong with it.
        detail: String,
    },
    /// An object that would be held whole, and is larger than the memory for that.
    #[error("{place}: has {}, and the memory for it is limited to {}", zwire::human_bytes(*size), zwire::human_bytes(*limit))]
    TooLarge {
        /// Path or URL.
        place: String,
        /// Its bytes.
        size: u64,
        /// The most bytes.
        limit: u64,
    },
    /// The file system failed to read.
    #[error("{place}: cannot be read")]
    Read {
        /// Path.
        place: String,
        /// Error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The file system failed to write.
    #[error("{place}: cannot be written")]
    Write {
        /// Path.
        place: String,
        /// Error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The output is complete but could not be renamed to its final name.
    #[error("{place}: cannot be renamed to its final name; the complete output is kept as {kept}")]
    Unpublished {
        /// Path.
        place: String,
        /// The temporary path.
        kept: String,
        /// Error of the operating system.
        #[source]
        source: io::Error,
    },
    /// An earlier run left the output unfinished.
    #[error("{place}: an unfinished run exists")]
    Unfinished {
        /// Path or URL of the output.
        place: String,
        /// Whether this run would change a store in place, so that there is nothing to overwrite.
        in_place: bool,
        /// Whether that run has begun to put its result in place, so that it can only be ended.
        is_publishing: bool,
    },
    /// Another run is writing to the output.
    #[error("{place}: another run is writing to it")]
    Busy {
        /// Path or URL of the output.
        place: String,
    },
    /// Another run holds the lock of an output on an object store.
    #[error("{place}: another run is writing to it: {owner}, {seconds} s ago")]
    Locked {
        /// URL of the output.
        place: String,
        /// Its process and host.
        owner: String,
        /// Since it last renewed its lock.
        seconds: u64,
    },
    /// The lock of this run on an output is another's now, or has expired.
    #[error("{place}: another run took its lock; this run writes nothing more")]
    LockLost {
        /// URL of the output.
        place: String,
    },
    /// There is no unfinished run to continue.
    #[error("{place}: no unfinished run found")]
    NotBegun {
        /// Path or URL of the output.
        place: String,
    },
    /// Replacing the output would remove files that are not part of a Zarr store.
    #[error("{place}: contains files that are not part of a Zarr store: {others}")]
    Strangers {
        /// Path.
        place: String,
        /// Names of some of them.
        others: String,
    },
    /// The output exists and is not a Zarr store, which alone is replaced.
    #[error("{place}: is not a Zarr store, and is not replaced")]
    NotReplaceable {
        /// Path.
        place: String,
    },
    /// The output already exists.
    #[error("{place}: already exists")]
    Exists {
        /// Path.
        place: String,
    },
}

impl StoreError {
    /// The exit code if this is the only error.
    pub fn exit(&self) -> Exit {
        match self {
            StoreError::Absent { .. } | StoreError::NoBucket { .. } | StoreError::NotADirectory { .. } => Exit::Absent,
            StoreError::BadUrl { .. } | StoreError::TooLarge { .. } => Exit::Usage,
            StoreError::Denied { .. } | StoreError::Network { .. } | StoreError::TimedOut { .. } => Exit::Refused,
            StoreError::NotListable { .. } | StoreError::NoWildcards { .. } => Exit::Refused,
            StoreError::NoRanges { .. } | StoreError::Dead { .. } => Exit::Refused,
            StoreError::Changed { .. } | StoreError::Hidden { .. } => Exit::Refused,
            StoreError::Stopped { .. } => Exit::Terminated,
            StoreError::Read { .. } | StoreError::Archive { .. } => Exit::Unreadable,
            StoreError::Write { .. }
            | StoreError::Exists { .. }
            | StoreError::Strangers { .. }
            | StoreError::NotReplaceable { .. }
            | StoreError::Unfinished { .. }
            | StoreError::Busy { .. }
            | StoreError::Locked { .. }
            | StoreError::LockLost { .. }
            | StoreError::Unpublished { .. } => Exit::Output,
            StoreError::NotBegun { .. } => Exit::Absent,
            // Not a usage error: as with a read-only file system, the output is at fault, not the command line.
            StoreError::NotWritable { .. } => Exit::Output,
        }
    }

    /// Path or URL of the store or object.
    pub fn place(&self) -> &str {
        match self {
            StoreError::Absent { place }
            | StoreError::NoBucket { place }
            | StoreError::NotADirectory { place, .. }
            | StoreError::BadUrl { place, .. }
            | StoreError::Denied { place, .. }
            | StoreError::Network { place, .. }
            | StoreError::TimedOut { place, .. }
            | StoreError::Dead { place, .. }
            | StoreError::Changed { place }
            | StoreError::Hidden { place }
            | StoreError::Stopped { place }
            | StoreError::NotListable { place }
            | StoreError::NoWildcards { place }
            | StoreError::NoRanges { place, .. }
            | StoreError::NotWritable { place, .. }
            | StoreError::Archive { place, .. }
            | StoreError::TooLarge { place, .. }
            | StoreError::Read { place, .. }
            | StoreError::Write { place, .. }
            | StoreError::Unpublished { place, .. }
            | StoreError::Unfinished { place, .. }
            | StoreError::Busy { place }
            | StoreError::Locked { place, .. }
            | StoreError::LockLost { place }
            | StoreError::NotBegun { place }
            | StoreError::Strangers { place, .. }
            | StoreError::NotReplaceable { place }
            | StoreError::Exists { place } => place,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::from_error(error.exit(), error.place(), &error, error.hint())
    }
}

/// Requests before one that was not sent.
fn before(requests: usize) -> String {
    if requests == 1 { "the request before it".into() } else { format!("the {requests} requests before it") }
}

/// Classifies a failed read of `path`.
pub fn read_failed(path: &Path, source: io::Error) -> StoreError {
    let place = path.display().to_string();
    match source.kind() {
        io::ErrorKind::NotFound => StoreError::Absent { place },
        io::ErrorKind::NotADirectory => StoreError::NotADirectory { place, kind: FileKind::Other },
        io::ErrorKind::PermissionDenied => StoreError::Denied { place, source: source.into() },
        _ => StoreError::Read { place, source },
    }
}

/// The hint for a file that cannot be created because its directory does not exist.
pub fn missing_directory(path: &Path, error: &io::Error) -> Option<String> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists())?;
    let is_it = error.kind() == io::ErrorKind::NotFound;
    is_it.then(|| format!("create the directory first: mkdir -p {}", zwire::shell_quote(&parent.to_string_lossy())))
}

/// Classifies a failed write of `path`.
pub fn write_failed(path: &Path, source: io::Error) -> StoreError {
    let place = path.display().to_string();
    match source.kind() {
        io::ErrorKind::AlreadyExists => StoreError::Exists { place },
        _ => StoreError::Write { place, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_place_cause_and_advice() {
        let error = StoreError::Exists { place: "na: me  x.zarr".into() };
        let failure = Failure::from(error);
        assert_eq!(failure.to_string(), "na: me  x.zarr: already exists");
        assert_eq!(failure.exit, Exit::Output);
        assert!(failure.advice().is_some_and(|hint| hint.contains("--overwrite")));
        let record = failure.record();
        assert_eq!((record.path.as_str(), record.error.as_str()), ("na: me  x.zarr", "already exists"));
    }
}
