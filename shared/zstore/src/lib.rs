//! Opens a path or URL as a store of keys and bytes.
//!
//! Local files are read with plain positional reads on the caller's thread and never see the async runtime; everything else
//! goes through `object_store` on a runtime that this crate starts when the first remote store is opened. This crate does
//! not know what the bytes mean.

mod atomic;
mod aws_profile;
mod checksum;
mod cloud;
mod error;
mod file_kind;
mod generated;
mod guard;
mod http_headers;
mod local;
mod location;
mod netrc;
mod notices;
mod object;
mod open_object;
mod options;
mod redirects;
mod remote;
mod secrets;
mod sink;
mod standard_input;
mod target;
mod transport;
mod trouble;
mod wildcard;
mod write;
mod zip;

use std::io::Read;
use std::ops::Range;
use std::path::Path;

pub use atomic::{
    AtomicDirectory, AtomicFile, Durability, METADATA, Replace, complete_exchange, create_directories, create_file,
    disk_usage, exchange, give_name, is_empty_directory, is_own_temporary, is_replaceable, is_temporary,
    keep_permissions, link_or_copy, make_empty_directory, move_directory, remove_empty_directory, remove_file,
    remove_left_behind, remove_retired, remove_tree, retire_directory,
};
pub use checksum::Checksum;
pub use error::{StoreError, missing_directory, read_failed, write_failed};
pub use file_kind::FileKind;
pub use generated::{Generator, NotGenerated};
pub use guard::Guard;
pub use local::{LocalObject, PartialObject, READERS, READERS_TEXT, is_at, mark_in_use};
pub use location::{Location, ZipLocation, without_caches};
pub use notices::take_notices;
pub use object::{ByteRange, Entries, Listing, Object, Stat};
pub use open_object::{GeneratedObject, OpenObject, RemoteObject, ZipObject};
pub use options::{Payer, Setting, StoreOptions, requests_in_flight};
pub use sink::{Part, Sink};
pub use standard_input::standard_input;
pub use target::{Address, Target};
pub use transport::{MOST_REQUESTS, Rate, Servers, Transfer};
pub use write::Upload;

use generated::GeneratedStore;
use local::LocalStore;
pub use local::walk::{Child, Children, NameBuffer, Trail};
pub use remote::unique;

use remote::RemoteStore;
use sink::Admitted;
use zip::ZipStore;

/// A store that can be read and, unless it is a plain HTTP server or a zip archive, written. Cheap to share between threads.
pub struct Store {
    location: Location,
    backend: Backend,
    /// The most bytes that an object may have to be read whole.
    memory: u64,
}

enum Backend {
    Local(LocalStore),
    Remote(Box<RemoteStore>),
    Zip(Box<ZipStore>),
    Generated(GeneratedStore),
}

impl Store {
    /// Opens what `name` (a path or a URL) stands for. A local path must be there and be a directory or a zip archive; a
    /// remote address is only asked when something is read, unless it is an archive's.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] for a URL of an unknown kind, [`StoreError::Absent`] or [`StoreError::Denied`] for a local
    /// path that is not there or cannot be entered, [`StoreError::Archive`] for a damaged archive.
    pub fn open(name: impl Into<Target>, options: &StoreOptions) -> Result<Store, StoreError> {
        Store::open_at(&Location::parse(name)?, options)
    }

    /// Opens the store at a parsed location.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_at(location: &Location, options: &StoreOptions) -> Result<Store, StoreError> {
        let backend = match location {
            Location::Zip(zip) => match zip.directory() {
                Some(directory) => return Store::open_at(directory, options),
                None => Backend::Zip(Box::new(ZipStore::open(zip, options)?)),
            },
            Location::Local(path) if is_zip(path) => return Store::open_at(&location.clone().into_zip(), options),
            Location::Local(path) => Backend::Local(LocalStore::open(path, options.stop.clone())?),
            Location::Remote(address) => Backend::Remote(Box::new(RemoteStore::open(address, options)?)),
            Location::Generated(name) => return Err(StoreError::Absent { place: name.clone() }),
        };
        Ok(Store { location: location.clone(), backend, memory: options.memory })
    }

    /// A store whose objects `generator` makes; `name` stands for it in messages and plans.
    pub fn generated(name: &str, generator: Box<dyn Generator>) -> Store {
        let backend = Backend::Generated(GeneratedStore::new(name.to_owned(), generator));
        Store { location: Location::Generated(name.to_owned()), backend, memory: u64::MAX }
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Whether reads cross a network, so that many should run concurrently.
    pub fn is_remote(&self) -> bool {
        match &self.backend {
            Backend::Local(_) | Backend::Generated(_) => false,
            Backend::Remote(_) => true,
            Backend::Zip(store) => store.is_remote(),
        }
    }

    /// Whether the server has sent a whole object where part of it was asked for.
    pub fn ignores_ranges(&self) -> bool {
        matches!(&self.backend, Backend::Remote(store) if store.ignores_ranges())
    }

    /// Whether part of an object has arrived where part of it was asked for.
    pub fn gives_ranges(&self) -> bool {
        match &self.backend {
            Backend::Remote(store) => store.gives_ranges(),
            Backend::Local(_) | Backend::Zip(_) | Backend::Generated(_) => true,
        }
    }

    /// Says that many of its objects are transferred, until the answer is dropped: where several stores share the requests to a server,
    /// it has its part of them. `None` if it is not remote.
    pub fn transfer(&self) -> Option<Transfer> {
        match &self.backend {
            Backend::Remote(store) => Some(store.transfer()),
            Backend::Local(_) | Backend::Zip(_) | Backend::Generated(_) => None,
        }
    }

    /// Requests that may be in flight to it now; `None` if it is not remote.
    pub fn requests(&self) -> Option<usize> {
        match &self.backend {
            Backend::Remote(store) => Some(store.requests()),
            Backend::Local(_) | Backend::Zip(_) | Backend::Generated(_) => None,
        }
    }

    /// Path or URL of a key, for messages.
    pub fn place(&self, key: &str) -> String {
        self.location.join(key)
    }

    /// Opens an object for several reads. `None` if it does not exist; over a network, that is seen by the first read.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn open_object<'a>(&'a self, key: &'a str) -> Result<Option<OpenObject<'a>>, StoreError> {
        match &self.backend {
            Backend::Local(store) => Ok(store.open_object(key)?.map(OpenObject::Local)),
            Backend::Remote(store) => Ok(Some(OpenObject::Remote(RemoteObject(store, key)))),
            Backend::Zip(store) => Ok(Some(OpenObject::Zip(ZipObject(store, key)))),
            Backend::Generated(store) => Ok(Some(OpenObject::Generated(GeneratedObject(store, key)))),
        }
    }

    /// Reads a whole object into `buffer` (its previous contents are overwritten). `None` if the object does not exist.
    ///
    /// # Errors
    /// [`StoreError`] with the place; an absent object is none. [`StoreError::TooLarge`] for more than
    /// [`StoreOptions::memory`].
    pub fn get(&self, key: &str, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        let limit = self.memory;
        match self.get_up_to(key, limit, buffer)? {
            Some(Stat { size, .. }) if size > limit => {
                Err(StoreError::TooLarge { place: self.place(key), size, limit })
            }
            found => Ok(found),
        }
    }

    /// As [`Store::get`]; but of an object of more than `most` bytes nothing is read, and `buffer` is empty.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_up_to(&self, key: &str, most: u64, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        match &self.backend {
            Backend::Local(store) => store.get(key, most, buffer),
            Backend::Remote(store) => store.get(key, most, buffer),
            Backend::Zip(store) => store.get(key, most, buffer),
            Backend::Generated(store) => store.get(key, most, buffer),
        }
    }

    /// Reads the first `most` bytes of an object, or all where it is shorter, into `buffer` (overwritten). A server then gives its
    /// checksum of the whole object, as with [`Store::get`] and unlike with a range. `admit` is called when a server has answered and
    /// so many bytes are to come: until it returns the buffer for them, they take no memory.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_start(
        &self,
        key: &str,
        most: u64,
        buffer: &mut Vec<u8>,
        admit: &mut dyn FnMut(u64) -> Vec<u8>,
    ) -> Result<Option<Stat>, StoreError> {
        match &self.backend {
            Backend::Remote(store) => store.get_start(key, most, &mut Admitted::new(buffer, admit)),
            Backend::Local(_) | Backend::Zip(_) | Backend::Generated(_) => {
                self.get_range(key, ByteRange::At { start: 0, len: most }, buffer)
            }
        }
    }

    /// Reads part of an object into `buffer` (its previous contents are overwritten) and says what the whole object is like.
    /// `None` if the object does not exist.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_range(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        match &self.backend {
            Backend::Local(store) => store.get_range(key, range, buffer),
            Backend::Remote(store) => store.get_range(key, range, buffer),
            Backend::Zip(store) => store.get_range(key, range, buffer),
            Backend::Generated(store) => store.get_range(key, range, buffer),
        }
    }

    /// Has `sink` take the bytes of part of an object as they arrive.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_part(&self, key: &str, part: Range<u64>, sink: &mut dyn Sink) -> Result<Part, StoreError> {
        match &self.backend {
            Backend::Remote(store) => store.get_part(key, part, sink),
            Backend::Local(_) | Backend::Zip(_) | Backend::Generated(_) => {
                let mut bytes = Vec::new();
                let range = ByteRange::At { start: part.start, len: part.end.saturating_sub(part.start) };
                let Some(stat) = self.get_range(key, range, &mut bytes)? else { return Ok(Part::Absent) };
                if stat.size < part.end {
                    return Ok(Part::Shorter(stat));
                }
                sink.clear();
                sink.add(bytes.into())?;
                Ok(Part::Arrived(stat))
            }
        }
    }

    /// Reads several parts of an object, one after the other, into `buffer` (overwritten): over a network all at
    /// once. Where one reaches beyond the end of the object, the buffer is shorter than they are. Nothing: there is no such
    /// object.
    ///
    /// # Errors
    /// As [`Store::get`]; [`StoreError::Changed`] where the object changed in between.
    pub fn get_ranges(
        &self,
        key: &str,
        ranges: &[Range<u64>],
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Stat>, StoreError> {
        match &self.backend {
            Backend::Local(store) => store.get_ranges(key, ranges, buffer),
            Backend::Remote(store) => store.get_ranges(key, ranges, buffer),
            Backend::Zip(store) => store.get_ranges(key, ranges, buffer),
            Backend::Generated(store) => store.get_ranges(key, ranges, buffer),
        }
    }

    /// Every object whose key starts with the directory `prefix` (empty: all), as a stream in no particular order.
    ///
    /// # Errors
    /// [`StoreError::NotListable`] from plain HTTP servers. An error that comes up later is an item of the stream.
    pub fn list(&self, prefix: &str) -> Result<Listing<'_>, StoreError> {
        match &self.backend {
            Backend::Local(store) => store.list(prefix),
            Backend::Remote(store) => store.list(prefix),
            Backend::Zip(store) => Ok(store.list(prefix)),
            Backend::Generated(store) => Ok(store.list(prefix)),
        }
    }

    /// The direct children of the directory `prefix` (empty: the root).
    ///
    /// # Errors
    /// As [`Store::list`].
    pub fn entries(&self, prefix: &str) -> Result<Entries, StoreError> {
        let mut entries = match &self.backend {
            Backend::Local(store) => store.entries(prefix),
            Backend::Remote(store) => store.entries(prefix),
            Backend::Zip(store) => Ok(store.entries(prefix)),
            Backend::Generated(store) => Ok(store.entries(prefix)),
        }?;
        entries.directories.sort_unstable();
        entries.files.sort_unstable();
        Ok(entries)
    }

    /// Whether it is a directory, which [`Store::children`] reads.
    pub fn is_directory(&self) -> bool {
        matches!(self.backend, Backend::Local(_))
    }

    /// What lies right below the directory `prefix` of a local store, in no particular order, as a stream; `None` if the store is
    /// not a directory, and its objects can only be listed all together.
    ///
    /// # Errors
    /// As [`Store::list`].
    pub fn children(&self, prefix: &str) -> Result<Option<Children<'_>>, StoreError> {
        match &self.backend {
            Backend::Local(store) => store.children(prefix).map(Some),
            Backend::Remote(_) | Backend::Zip(_) | Backend::Generated(_) => Ok(None),
        }
    }

    /// The way on into the directory `prefix`, on a walk that has come along `trail`; `None` if it goes in circles.
    pub fn enter(&self, trail: &Trail, prefix: &str) -> Option<Trail> {
        match &self.backend {
            Backend::Local(store) => store.enter(trail, prefix),
            Backend::Remote(_) | Backend::Zip(_) | Backend::Generated(_) => Some(trail.clone()),
        }
    }
}

/// Whether a file starts as archives do, whatever its name is.
fn is_zip(path: &Path) -> bool {
    let mut start = [0; 4];
    let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
    let mut read = || std::fs::File::open(path)?.read_exact(&mut start);
    is_file && read().is_ok() && matches!(&start, b"PK\x03\x04" | b"PK\x05\x06")
}
