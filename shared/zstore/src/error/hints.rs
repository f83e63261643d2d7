//! What a user can do about an error of a store.

use std::path::Path;

use zwire::shell_quote;

use super::{StoreError, missing_directory};
use crate::file_kind::{is_unfinished, neighbour};
use crate::trouble::Trouble;

impl StoreError {
    /// How to fix it, if known.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            StoreError::Exists { place } if place.contains("://") => {
                "choose another name, or remove it first: a store in a bucket cannot be replaced atomically"
            }
            StoreError::NotReplaceable { .. } => {
                "choose another name: --overwrite replaces only Zarr stores and empty directories"
            }
            StoreError::Strangers { .. } => "move them out of it, or choose another name",
            StoreError::Exists { .. } => "choose another name, or use --overwrite to replace a Zarr store",
            StoreError::Unfinished { in_place: false, .. } => {
                "use --resume to continue it or --overwrite to discard it"
            }
            StoreError::Unfinished { in_place: true, is_publishing: true, .. } => {
                "use --resume to end it: it was changing the metadata, and the store is whole only when that is done"
            }
            StoreError::Unfinished { in_place: true, .. } => {
                "use --resume to continue it, or remove its .plan directory to discard it"
            }
            StoreError::Busy { .. } => "wait until it ends, then use --resume",
            StoreError::Locked { .. } => {
                "wait until it ends; if it was killed, its lock expires a minute after it was last renewed"
            }
            StoreError::NotBegun { .. } => "prepare it first, with --prepare --parts N",
            StoreError::NotListable { .. } => {
                "use the s3:, gs: or az: URL of the store, or a copy on disk; over plain HTTP, what can be read is a store \
                 with consolidated metadata, or one array that is named"
            }
            StoreError::NoWildcards { .. } => {
                "name each store, or list their URLs, one a line, with --stores-from FILE; s3:, gs: and az: URLs are expanded"
            }
            StoreError::NoRanges { .. } => "download it and use the local copy",
            StoreError::NotWritable { .. } => "choose a local directory, or an s3:, gs: or az: URL",
            StoreError::Denied { source, .. } | StoreError::Network { source, .. } => {
                return source.downcast_ref::<Trouble>().and_then(Trouble::hint);
            }
            StoreError::NoBucket { .. } => {
                "check the name of the bucket, and --endpoint if the cloud is not the provider's own"
            }
            StoreError::NotADirectory { place, kind } => return Some(kind.hint(place)),
            StoreError::Absent { place } if is_unfinished(place) => {
                "the run that writes it is not finished: continue that run with --resume, or with --part and --finish"
            }
            StoreError::Absent { place } if !place.contains("://") => {
                return neighbour(place).map(|meant| format!("did you mean {}?", shell_quote(&meant)));
            }
            StoreError::Dead { .. } => "check the server and the network, then run the command again",
            StoreError::Hidden { .. } => {
                "use credentials that may list the bucket, or --missing-status 403 if its chunks may be missing"
            }
            StoreError::Write { place, source } if !place.contains("://") => {
                return missing_directory(Path::new(place), source);
            }
            StoreError::Changed { .. } => "run the command again when nobody writes to the store",
            StoreError::TimedOut { .. } => "raise --timeout if the server is slow",
            _ => return None,
        };
        Some(text.to_owned())
    }
}
