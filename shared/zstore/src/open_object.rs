//! An object that is opened once and read several times.

use std::ops::Range;

use crate::error::StoreError;
use crate::generated::GeneratedStore;
use crate::local::LocalObject;
use crate::object::{ByteRange, Stat};
use crate::remote::RemoteStore;
use crate::zip::ZipStore;

/// An object that stays open between reads. A local file is opened once and stays the same file even if another takes its
/// name; over a network each read is a request.
pub enum OpenObject<'a> {
    /// A local file.
    Local(LocalObject),
    /// A key of a remote store.
    Remote(RemoteObject<'a>),
    /// A key of an archive, which is open already.
    Zip(ZipObject<'a>),
    /// A key of a generated store.
    Generated(GeneratedObject<'a>),
}

/// A key of a generated store.
pub struct GeneratedObject<'a>(pub(crate) &'a GeneratedStore, pub(crate) &'a str);

/// A key of a zip archive.
pub struct ZipObject<'a>(pub(crate) &'a ZipStore, pub(crate) &'a str);

/// A key of a remote store.
pub struct RemoteObject<'a>(pub(crate) &'a RemoteStore, pub(crate) &'a str);

impl OpenObject<'_> {
    /// As [`crate::Store::get_range`].
    ///
    /// # Errors
    /// As [`crate::Store::get`].
    pub fn get_range(&self, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        match self {
            OpenObject::Local(object) => object.get_range(range, buffer).map(Some),
            OpenObject::Remote(RemoteObject(store, key)) => store.get_range(key, range, buffer),
            OpenObject::Zip(ZipObject(store, key)) => store.get_range(key, range, buffer),
            OpenObject::Generated(GeneratedObject(store, key)) => store.get_range(key, range, buffer),
        }
    }

    /// As [`crate::Store::get_ranges`].
    ///
    /// # Errors
    /// As [`crate::Store::get_ranges`].
    pub fn get_ranges(&self, ranges: &[Range<u64>], buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        match self {
            OpenObject::Local(object) => object.get_ranges(ranges, buffer).map(Some),
            OpenObject::Remote(RemoteObject(store, key)) => store.get_ranges(key, ranges, buffer),
            OpenObject::Zip(ZipObject(store, key)) => store.get_ranges(key, ranges, buffer),
            OpenObject::Generated(GeneratedObject(store, key)) => store.get_ranges(key, ranges, buffer),
        }
    }

    /// The local file, which can be read in small pieces.
    pub fn local(&self) -> Option<&LocalObject> {
        match self {
            OpenObject::Local(object) => Some(object),
            OpenObject::Remote(_) | OpenObject::Zip(_) | OpenObject::Generated(_) => None,
        }
    }
}
