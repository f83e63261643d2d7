//! Errors of decoding and encoding.

/// An error in decoding or encoding a chunk. The caller adds the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Fewer bytes than the format needs.
    #[error("truncated: {found} bytes, but the {format} format requires {needed}")]
    Short {
        /// The expected format.
        format: &'static str,
        /// Bytes needed.
        needed: u64,
        /// Bytes found.
        found: u64,
    },
    /// The bytes are not valid for the codec.
    #[error("not a valid {format} chunk: {detail}")]
    Invalid {
        /// The expected format.
        format: &'static str,
        /// Details of the problem.
        detail: String,
    },
    /// The decoded size differs from the metadata.
    #[error("decodes to {found} bytes, but the metadata requires {expected}")]
    WrongSize {
        /// Size according to the metadata.
        expected: u64,
        /// Size of the decoded chunk.
        found: u64,
    },
    /// More bytes than a Blosc frame can hold.
    #[error("{nbytes} bytes exceed the maximum of a Blosc frame (2147483631)")]
    TooLarge {
        /// Size of the chunk.
        nbytes: u64,
    },
    /// It decodes to more than the metadata says; decoding was stopped before the decoded size was known.
    #[error("decodes to more than {limit} bytes, but the metadata requires {expected}")]
    Oversized {
        /// Size according to the metadata.
        expected: u64,
        /// Bytes after which decoding was stopped.
        limit: u64,
    },
    /// It decodes to more than there is memory for.
    #[error("decodes to more than {limit} bytes, for which there is no memory")]
    Memory {
        /// The most bytes allowed.
        limit: u64,
    },
    /// The checksum stored with the bytes does not match them.
    #[error("crc32c mismatch: stored {stored:08x}, computed {computed:08x}")]
    Checksum {
        /// As stored.
        stored: u32,
        /// As computed.
        computed: u32,
    },
    /// An unsupported codec.
    #[error("unknown codec {name:?}")]
    Unknown {
        /// Its name or id in the metadata.
        name: String,
    },
    /// An invalid codec configuration.
    #[error("invalid configuration of codec {name:?}: {detail}")]
    Configuration {
        /// Its name or id in the metadata.
        name: String,
        /// Details of the problem.
        detail: String,
    },
}
