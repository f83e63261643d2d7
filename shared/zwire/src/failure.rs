//! What ends a run: where, what, why, what to do, and the exit code.

use std::error::Error;
use std::fmt;

use crate::{ErrorRecord, Exit, V1};

/// A failure, ready to be shown: `path: what is wrong: cause: cause`.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The exit code that it gives.
    pub exit: Exit,
    path: String,
    what: String,
    hint: Option<String>,
    closed_pipe: bool,
}

impl Failure {
    /// A failure of the tool's own finding.
    pub fn new(exit: Exit, what: impl Into<String>) -> Failure {
        Failure { exit, path: String::new(), what: what.into(), hint: None, closed_pipe: false }
    }

    /// The same failure with its path: a store, a node, a key, a file.
    pub fn at(self, path: impl fmt::Display) -> Failure {
        Failure { path: path.to_string(), ..self }
    }

    /// An error at `path`, with the causes in its chain. A text that starts with its own path says it once.
    pub fn from_error(exit: Exit, path: &str, error: &dyn Error, hint: Option<String>) -> Failure {
        let text = error.to_string();
        let what = text.strip_prefix(path).and_then(|text| text.strip_prefix(": ")).unwrap_or(&text);
        Failure { hint, ..Failure::new(exit, with_causes(what, error)).at(path) }
    }

    /// A command line that cannot be carried out.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// The same failure with advice.
    pub fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(hint.into()), ..self }
    }

    /// A run that a signal ended.
    pub fn stopped(exit: Exit) -> Failure {
        Failure::new(exit, "stopped by a signal")
    }

    /// An output whose reader went away.
    pub fn closed_pipe() -> Failure {
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
        ErrorRecord {
            v: V1,
            path: self.path.clone(),
            error: self.what.clone(),
            exit: self.exit,
            hint: self.hint.clone(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.what),
            path => write!(f, "{path}: {}", self.what),
        }
    }
}

/// What is wrong, with its causes, each said once, on one line: what servers say may have several.
fn with_causes(what: &str, error: &dyn Error) -> String {
    let mut text = what.to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
