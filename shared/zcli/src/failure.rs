//! What ends a run: where, what, why, what to do, and the exit code.

use std::error::Error;
use std::fmt;

use zarray::ZarrError;
use zstore::StoreError;
use zwire::{ErrorRecord, Exit, V1};

/// A failure, ready to be shown: `place: what is wrong: cause: cause`.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The exit code that it gives.
    pub exit: Exit,
    message: String,
    hint: Option<String>,
    closed_pipe: bool,
}

impl Failure {
    /// A failure of the tool's own finding; `message` starts with the place.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into(), hint: None, closed_pipe: false }
    }

    /// A command line that cannot be carried out.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// The same failure with advice.
    pub fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(hint.into()), ..self }
    }

    pub(crate) fn stopped(exit: Exit) -> Failure {
        Failure::new(exit, "stopped by a signal")
    }

    pub(crate) fn closed_pipe() -> Failure {
        Failure { closed_pipe: true, ..Failure::new(Exit::Done, "nobody reads the output any more") }
    }

    /// Whether the reader of the output went away, which is no failure of anybody's.
    pub fn is_closed_pipe(&self) -> bool {
        self.closed_pipe
    }

    /// Advice, where there is any.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The failure as a record of the stream.
    pub fn record(&self) -> ErrorRecord {
        let (place, error) = self.message.split_once(": ").unwrap_or(("", &self.message));
        ErrorRecord {
            v: V1,
            place: place.to_owned(),
            error: error.to_owned(),
            exit: self.exit,
            hint: self.hint.clone(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ZarrError> for Failure {
    fn from(error: ZarrError) -> Failure {
        Failure { hint: error.hint(), ..Failure::new(error.exit(), chain(&error)) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        ZarrError::from(error).into()
    }
}

/// An error with its causes, each said once, on one line: what servers say may have several.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_place_cause_and_advice() {
        let error = StoreError::Exists { place: "out.zarr".into() };
        let failure = Failure::from(error);
        assert_eq!(failure.to_string(), "out.zarr: exists already");
        assert_eq!(failure.exit, Exit::Output);
        assert!(failure.advice().is_some_and(|hint| hint.contains("--overwrite")));
        let record = failure.record();
        assert_eq!((record.place.as_str(), record.error.as_str()), ("out.zarr", "exists already"));
    }
}
