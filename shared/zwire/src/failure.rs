//! Failures: path, problem, causes, hint and exit code. None of them holds a secret that a URL carried.

use std::error::Error;
use std::fmt;

use crate::{ErrorRecord, Exit, V1, redact, redact_url};

/// A failure, ready to be shown: `path: what is wrong: cause: cause`.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    path: String,
    what: String,
    hint: Option<String>,
    closed_pipe: bool,
}

impl Failure {
    /// A failure with a message.
    pub fn new(exit: Exit, what: impl Into<String>) -> Failure {
        Failure { exit, path: String::new(), what: redact(&what.into()).into_owned(), hint: None, closed_pipe: false }
    }

    /// The same failure with its path: a store, a node, a key, a file.
    pub fn at(self, path: impl fmt::Display) -> Failure {
        Failure { path: redact_url(&path.to_string()), ..self }
    }

    /// The same failure with this path, if it has none.
    pub fn or_at(self, path: impl fmt::Display) -> Failure {
        if self.path.is_empty() { self.at(path) } else { self }
    }

    /// An error at `path`, with its chain of causes. A message that already starts with its path keeps it once.
    pub fn from_error(exit: Exit, path: &str, error: &dyn Error, hint: Option<String>) -> Failure {
        let text = error.to_string();
        let what = text.strip_prefix(path).and_then(|text| text.strip_prefix(": ")).unwrap_or(&text);
        let failure = Failure::new(exit, with_causes(what, error)).at(path);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    /// Invalid arguments.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// The same failure with a hint.
    pub fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(redact(&hint.into()).into_owned()), ..self }
    }

    /// A run that was interrupted by a signal, or (with [`Exit::Refused`]) by its deadline.
    pub fn stopped(exit: Exit) -> Failure {
        match exit {
            Exit::Refused => Failure::new(exit, "stopped: the deadline of the run has passed (--deadline)")
                .hint("raise --deadline; writers continue with --resume"),
            _ => Failure::new(exit, "interrupted by a signal"),
        }
    }

    /// An output that is no longer read (closed pipe).
    pub fn closed_pipe() -> Failure {
        Failure { closed_pipe: true, ..Failure::new(Exit::Done, "the output is no longer read") }
    }

    /// Whether the output is no longer read, which is not reported as a failure.
    pub fn is_closed_pipe(&self) -> bool {
        self.closed_pipe
    }

    /// The hint, if any.
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

/// The message with its causes, without repetitions, on one line, because server messages may have several lines.
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
