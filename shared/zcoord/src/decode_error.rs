//! Why the values of a variable cannot be decoded.

use std::fmt;

/// The unsupported part of a variable, with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// Its data type, or its array-to-bytes codec.
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
