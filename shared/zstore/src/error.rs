//! Errors of stores, by what they mean to the user.

use std::io;
use std::path::Path;

use zwire::{Exit, Failure};

/// Why a store or one of its objects cannot be read or written. Every variant names its place.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is nothing of that name.
    #[error("{place}: no such store")]
    Absent {
        /// Path or URL.
        place: String,
    },
    /// Something is there, but it is not a directory.
    #[error("{place}: is a file, not a store")]
    NotADirectory {
        /// Path or URL.
        place: String,
    },
    /// The name is a URL that cannot be used.
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
        /// What the system or the server said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server did not answer, or not with the bytes.
    #[error("{place}: the request failed")]
    Network {
        /// URL.
        place: String,
        /// What went wrong after the last retry.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing (or next to nothing) arrived within the time limit.
    #[error("{place}: timed out: {detail}")]
    TimedOut {
        /// URL.
        place: String,
        /// Which clock ran out.
        detail: String,
    },
    /// The process was asked to stop while it waited.
    #[error("{place}: stopped")]
    Stopped {
        /// URL.
        place: String,
    },
    /// The server cannot say what it holds.
    #[error("{place}: this server cannot list what it holds")]
    NotListable {
        /// URL.
        place: String,
    },
    /// Nothing can be written there, whatever the permissions.
    #[error("{place}: cannot be written: plain HTTP servers are only read")]
    NotWritable {
        /// URL.
        place: String,
    },
    /// The file system failed to read.
    #[error("{place}: cannot be read")]
    Read {
        /// Path.
        place: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file system failed to write.
    #[error("{place}: cannot be written")]
    Write {
        /// Path.
        place: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The output is whole, but could not be given its name.
    #[error("{place}: cannot be given its name; the finished output is kept as {kept}")]
    Unpublished {
        /// Path.
        place: String,
        /// The temporary path.
        kept: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An earlier run left the output unfinished.
    #[error("{place}: an unfinished run is there")]
    Unfinished {
        /// Path or URL of the output.
        place: String,
    },
    /// Another run is at work on the output.
    #[error("{place}: another run is writing it")]
    Busy {
        /// Path or URL of the output.
        place: String,
    },
    /// There is no unfinished run to go on with.
    #[error("{place}: nothing has been begun there")]
    NotBegun {
        /// Path or URL of the output.
        place: String,
    },
    /// The output is there already.
    #[error("{place}: exists already")]
    Exists {
        /// Path.
        place: String,
    },
}

impl StoreError {
    /// The exit code that this error alone gives.
    pub fn exit(&self) -> Exit {
        match self {
            StoreError::Absent { .. } | StoreError::NotADirectory { .. } => Exit::Absent,
            StoreError::BadUrl { .. } => Exit::Usage,
            StoreError::Denied { .. } | StoreError::Network { .. } | StoreError::TimedOut { .. } => Exit::Refused,
            StoreError::NotListable { .. } => Exit::Refused,
            StoreError::Stopped { .. } => Exit::Terminated,
            StoreError::Read { .. } => Exit::Unreadable,
            StoreError::Write { .. }
            | StoreError::Exists { .. }
            | StoreError::Unfinished { .. }
            | StoreError::Busy { .. }
            | StoreError::Unpublished { .. } => Exit::Output,
            StoreError::NotBegun { .. } => Exit::Usage,
            // Not a wrong command line: as with a disk that is mounted for reading, the output is what does not do.
            StoreError::NotWritable { .. } => Exit::Output,
        }
    }

    /// Path or URL that it is about.
    pub fn place(&self) -> &str {
        match self {
            StoreError::Absent { place }
            | StoreError::NotADirectory { place }
            | StoreError::BadUrl { place, .. }
            | StoreError::Denied { place, .. }
            | StoreError::Network { place, .. }
            | StoreError::TimedOut { place, .. }
            | StoreError::Stopped { place }
            | StoreError::NotListable { place }
            | StoreError::NotWritable { place }
            | StoreError::Read { place, .. }
            | StoreError::Write { place, .. }
            | StoreError::Unpublished { place, .. }
            | StoreError::Unfinished { place }
            | StoreError::Busy { place }
            | StoreError::NotBegun { place }
            | StoreError::Exists { place } => place,
        }
    }

    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            StoreError::Exists { place } if place.contains("://") => {
                "choose another name, or remove it first: on an object store nothing is replaced all at once"
            }
            StoreError::Exists { .. } => "choose another name, or say --overwrite to replace a Zarr store",
            StoreError::Unfinished { .. } => {
                "--resume goes on with it, --overwrite gives it up; in place, removing the folder .plan does"
            }
            StoreError::Busy { .. } => "wait for it; when it is gone, --resume goes on",
            StoreError::NotBegun { .. } => "begin without --resume, or with --prepare",
            StoreError::NotListable { .. } => {
                "name one array, or use a store with consolidated metadata: plain HTTP cannot be listed"
            }
            StoreError::NotWritable { .. } => "choose a local path, or an s3:, gs: or az: URL",
            StoreError::Denied { place, .. } if place.contains("://") => {
                "for a public bucket say --anonymous; else set the cloud's usual environment variables"
            }
            StoreError::TimedOut { .. } => "raise --timeout if the server is only slow",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::from_error(error.exit(), error.place(), &error, error.hint())
    }
}

/// A failed read of `path`, by meaning.
pub fn read_failed(path: &Path, source: io::Error) -> StoreError {
    let place = path.display().to_string();
    match source.kind() {
        io::ErrorKind::NotFound => StoreError::Absent { place },
        io::ErrorKind::NotADirectory => StoreError::NotADirectory { place },
        io::ErrorKind::PermissionDenied => StoreError::Denied { place, source: source.into() },
        _ => StoreError::Read { place, source },
    }
}

/// A failed write of `path`, by meaning.
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
        assert_eq!(failure.to_string(), "na: me  x.zarr: exists already");
        assert_eq!(failure.exit, Exit::Output);
        assert!(failure.advice().is_some_and(|hint| hint.contains("--overwrite")));
        let record = failure.record();
        assert_eq!((record.path.as_str(), record.error.as_str()), ("na: me  x.zarr", "exists already"));
    }
}
