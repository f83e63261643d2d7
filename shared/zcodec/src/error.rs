//! What can be wrong with compressed bytes.

/// A chunk that cannot be decoded or encoded, without its place: whoever read the bytes knows where they came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Fewer bytes than the format needs.
    #[error("truncated: {found} bytes, but the {format} format requires {needed}")]
    Short {
        /// The format that was expected.
        format: &'static str,
        /// Bytes needed.
        needed: u64,
        /// Bytes found.
        found: u64,
    },
    /// The bytes do not have the form that the codec gives them.
    #[error("not a valid {format} chunk: {detail}")]
    Invalid {
        /// The format that was expected.
        format: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// The chunk decodes to another size than the metadata says.
    #[error("decodes to {found} bytes, but the metadata requires {expected}")]
    WrongSize {
        /// Bytes by the metadata.
        expected: u64,
        /// Bytes by the chunk.
        found: u64,
    },
    /// More bytes than a Blosc frame can hold.
    #[error("{nbytes} bytes exceed the maximum of a Blosc frame (2147483631)")]
    TooLarge {
        /// Bytes of the chunk.
        nbytes: u64,
    },
    /// The checksum stored with the bytes does not match them.
    #[error("crc32c mismatch: stored {stored:08x}, computed {computed:08x}")]
    Checksum {
        /// As stored.
        stored: u32,
        /// As computed.
        computed: u32,
    },
    /// A codec that nothing here can decode.
    #[error("unknown codec {name:?}")]
    Unknown {
        /// Its name or id in the metadata.
        name: String,
    },
    /// A codec whose configuration makes no sense.
    #[error("invalid configuration of codec {name:?}: {detail}")]
    Configuration {
        /// Its name or id in the metadata.
        name: String,
        /// What is wrong.
        detail: String,
    },
}
