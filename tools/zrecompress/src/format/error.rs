//! Why a document cannot be converted.

use std::fmt;

use zwire::{Exit, Failure};

/// Why a document cannot be converted; the text is a sentence without the path of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatError {
    /// The document is not what its own format prescribes.
    Invalid(String),
    /// The other format, or one of its readers, has no counterpart.
    Unsupported(String),
}

pub fn invalid(text: impl Into<String>) -> FormatError {
    FormatError::Invalid(text.into())
}

pub fn unsupported(text: impl Into<String>) -> FormatError {
    FormatError::Unsupported(text.into())
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (FormatError::Invalid(text) | FormatError::Unsupported(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for FormatError {}

/// A document that cannot be read is not what its format prescribes.
impl From<String> for FormatError {
    fn from(what: String) -> FormatError {
        FormatError::Invalid(what)
    }
}

impl From<FormatError> for Failure {
    fn from(error: FormatError) -> Failure {
        Failure::new(Exit::Unreadable, error.to_string())
    }
}
