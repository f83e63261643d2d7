//! What can be wrong with a hierarchy, by meaning.

use zcodec::CodecError;
use zstore::StoreError;
use zwire::{Exit, Failure};

/// An error with its path: a store, a node or a chunk key.
#[derive(Debug, thiserror::Error)]
pub enum ZarrError {
    /// Something is there, but no Zarr metadata.
    #[error("{place}: not a Zarr store: no zarr.json, .zgroup or .zarray found")]
    NotZarr {
        /// Path or URL.
        place: String,
        /// What was probably meant.
        hint: String,
    },
    /// A store of another format.
    #[error("{place}: is {what}, not a Zarr store")]
    Foreign {
        /// Path or URL.
        place: String,
        /// The format, with its article.
        what: &'static str,
    },
    /// Metadata that is not JSON, or lacks or mistypes a member.
    #[error("{place}: {detail}")]
    Metadata {
        /// Path or URL of the metadata.
        place: String,
        /// What is wrong with it.
        detail: String,
    },
    /// More than there is memory for.
    #[error("{place}: {detail}")]
    TooLarge {
        /// Path or URL of the array.
        place: String,
        /// How large it is, and the limit.
        detail: String,
    },
    /// A chunk that cannot be decoded or encoded.
    #[error("{place}: {source}")]
    Chunk {
        /// Path or URL of the object.
        place: String,
        /// What is wrong with it. Its text is already part of this error's.
        source: CodecError,
    },
    /// A chunk of a store of which only some chunks were fetched, and not this one.
    #[error("{place}: was not fetched: this store has only the chunks of a selection (zfetch --layout mirror)")]
    NotFetched {
        /// Path or URL of the object.
        place: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ZarrError {
    /// The exit code of this error alone.
    pub fn exit(&self) -> Exit {
        match self {
            ZarrError::NotZarr { .. } | ZarrError::NotFetched { .. } => Exit::Absent,
            ZarrError::Foreign { .. } | ZarrError::Metadata { .. } | ZarrError::Chunk { .. } => Exit::Unreadable,
            ZarrError::TooLarge { .. } => Exit::Usage,
            ZarrError::Store(error) => error.exit(),
        }
    }

    /// Whether a chunk is damaged: not only too large for the memory that there is.
    pub fn is_damage(&self) -> bool {
        matches!(self, ZarrError::Chunk { source, .. } if !matches!(source, CodecError::Memory { .. }))
    }

    /// Path or URL that it is about.
    pub fn place(&self) -> &str {
        match self {
            ZarrError::NotZarr { place, .. }
            | ZarrError::Foreign { place, .. }
            | ZarrError::Metadata { place, .. }
            | ZarrError::TooLarge { place, .. }
            | ZarrError::NotFetched { place }
            | ZarrError::Chunk { place, .. } => place,
            ZarrError::Store(error) => error.place(),
        }
    }

    /// A hint, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            ZarrError::NotZarr { hint, .. } => Some(hint.clone()),
            ZarrError::Foreign { .. } => {
                Some("open it with its own library, and write what is needed of it as a Zarr store".into())
            }
            ZarrError::Chunk { source: CodecError::TooLarge { .. }, .. } => {
                Some("the chunk is too large for Blosc: rechunk or shard the array, or exclude it with --var".into())
            }
            ZarrError::TooLarge { .. } => Some("increase --max-memory".into()),
            ZarrError::NotFetched { .. } => {
                Some("select what was fetched, or fetch what is needed from the original store".into())
            }
            ZarrError::Chunk { source: CodecError::Memory { .. }, .. } => Some("increase --max-memory".into()),
            ZarrError::Chunk { .. } | ZarrError::Metadata { .. } => None,
            ZarrError::Store(error) => error.hint(),
        }
    }
}

impl From<&ZarrError> for Failure {
    fn from(error: &ZarrError) -> Failure {
        Failure::from_error(error.exit(), error.place(), error, error.hint())
    }
}

impl From<ZarrError> for Failure {
    fn from(error: ZarrError) -> Failure {
        Failure::from(&error)
    }
}
