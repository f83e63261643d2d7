//! Why the values of a variable cannot be decoded.

use std::fmt;

/// What is not understood of a variable, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// Its data type, or the codec that makes bytes of it.
    DataType(String),
    /// A filter.
    Filter(String),
    /// The fill value of its metadata.
    FillValue(String),
    /// An attribute.
    Attribute(String),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (DecodeError::DataType(what)
        | DecodeError::Filter(what)
        | DecodeError::FillValue(what)
        | DecodeError::Attribute(what)) = self;
        formatter.write_str(what)
    }
}

impl std::error::Error for DecodeError {}
