//! The write side of a store: objects that appear whole or not at all, in a directory and in a bucket alike.

use std::sync::Arc;
use std::time::SystemTime;

use crate::local::{LocalStore, LocalUpload, PartialObject};
use crate::remote::{RemoteStore, RemoteUpload};
use crate::{Backend, Durability, Guard, Location, Stat, Store, StoreError, StoreOptions, Target};

impl Store {
    /// Opens what `name` (a path or a URL) stands for, to write it. A local directory is made where it is missing (the one
    /// above must be there); to a remote address nothing is sent.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] for a URL of an unknown kind, [`StoreError::NotWritable`] for a plain HTTP server or a zip archive,
    /// [`StoreError::NotADirectory`] where a file has the name, [`StoreError::Write`] where the directory cannot be made.
    pub fn create(name: impl Into<Target>, options: &StoreOptions) -> Result<Store, StoreError> {
        Store::create_at(&Location::output(name)?, options)
    }

    /// The same for a place that is known already.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create_at(location: &Location, options: &StoreOptions) -> Result<Store, StoreError> {
        let backend = match location {
            Location::Local(path) => Backend::Local(LocalStore::create(path)?),
            Location::Remote(address) => Backend::Remote(Box::new(RemoteStore::create(address, options)?)),
            Location::Zip(_) | Location::Generated(_) => return Err(read_only(location.to_string())),
        };
        Ok(Store { location: location.clone(), backend, memory: options.memory })
    }

    /// Writes an object. It appears whole or not at all, and replaces an older one of that key; directories above are made
    /// when they are missing. What was written survives a crash of the machine only after [`Store::sync`].
    ///
    /// # Errors
    /// [`StoreError::Write`] for local files; [`StoreError::Denied`], [`StoreError::Network`], [`StoreError::TimedOut`] and
    /// [`StoreError::Stopped`] for remote objects; [`StoreError::NotWritable`] for plain HTTP and zip archives. A key with empty parts or
    /// dots, which could lead out of the store, is [`StoreError::Write`] or [`StoreError::BadUrl`].
    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<Stat, StoreError> {
        match &self.backend {
            Backend::Local(store) => store.put(key, bytes),
            Backend::Remote(store) => store.put(key, bytes),
            Backend::Zip(_) | Backend::Generated(_) => Err(read_only(self.place(key))),
        }
    }

    /// Writes an object as [`Store::put`] does, which on a file system only its owner may read.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn put_private(&self, key: &str, bytes: &[u8]) -> Result<Stat, StoreError> {
        match &self.backend {
            Backend::Local(store) => store.put_private(key, bytes),
            Backend::Remote(_) | Backend::Zip(_) | Backend::Generated(_) => self.put(key, bytes),
        }
    }

    /// The same store, each of whose objects is on the disk before it takes the place of an older one: for a store that holds
    /// the only copy of something.
    pub fn into_durable(mut self) -> Store {
        if let Backend::Local(store) = &mut self.backend {
            store.durability = Durability::Data;
        }
        self
    }

    /// The same store, to which each request is sent, and repeated, only while `guard` holds. Nobody but the kernel guards a
    /// local one.
    pub fn into_guarded(mut self, guard: Arc<dyn Guard>) -> Store {
        if let Backend::Remote(store) = &mut self.backend {
            store.guard = Some(guard);
        }
        self
    }

    /// Writes an object where there is none of that key, and says whether it did. Of many who try at once, one does.
    ///
    /// # Errors
    /// As [`Store::put`]. After a remote failure it is not known whether the object is there.
    pub fn put_new(&self, key: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        match &self.backend {
            Backend::Local(store) => store.put_new(key, bytes),
            Backend::Remote(store) => store.put_new(key, bytes),
            Backend::Zip(_) | Backend::Generated(_) => Err(read_only(self.place(key))),
        }
    }

    /// Replaces an object that was read as `read`. If it has changed since, nothing is written and `None` returned. A write by
    /// another program between this check and the replacement is detected by object stores with conditional writes, except for
    /// objects that are written in parts.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn put_over(&self, key: &str, bytes: &[u8], read: Stat) -> Result<Option<Stat>, StoreError> {
        match &self.backend {
            Backend::Local(store) => store.put_over(key, bytes, read),
            Backend::Remote(store) => store.put_over(key, bytes, read),
            Backend::Zip(_) | Backend::Generated(_) => Err(read_only(self.place(key))),
        }
    }

    /// Starts an object that is written piece by piece and never held whole. The first `reserved` bytes (often 0) are left
    /// free, for what is known only at the end.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn upload(&self, key: &str, reserved: usize) -> Result<Upload<'_>, StoreError> {
        Ok(Upload(match &self.backend {
            Backend::Local(store) => Backing::Local(store.upload(key, reserved)?),
            Backend::Remote(store) => Backing::Remote(store.upload(key, reserved)?),
            Backend::Zip(_) | Backend::Generated(_) => return Err(read_only(self.place(key))),
        }))
    }

    /// Opens an object in the making that outlives the process; with `create` it is begun if it is not there. It is in the store
    /// under this key, which must not be that of an object. `None` without `create`, while another process has it, and from stores
    /// that are not directories.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn partial(&self, key: &str, create: bool) -> Result<Option<PartialObject>, StoreError> {
        match &self.backend {
            Backend::Local(store) => store.partial(key, create),
            Backend::Remote(_) | Backend::Zip(_) | Backend::Generated(_) => Ok(None),
        }
    }

    /// Makes a partial object, which is on the same file system and has all its `len` bytes, the object `key`.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn finish_partial(&self, partial: &PartialObject, key: &str, len: u64) -> Result<Stat, StoreError> {
        match &self.backend {
            Backend::Local(store) => partial.finish(store, key, len),
            Backend::Remote(_) | Backend::Zip(_) | Backend::Generated(_) => Err(read_only(self.place(key))),
        }
    }

    /// Removes an object. That there is none is no error. Directories above it stay.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn delete(&self, key: &str) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Local(store) => store.delete(key),
            Backend::Remote(store) => store.delete(key),
            Backend::Zip(_) | Backend::Generated(_) => Err(read_only(self.place(key))),
        }
    }

    /// Asks for size and tag of an object. `None` if the object does not exist.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn stat(&self, key: &str) -> Result<Option<Stat>, StoreError> {
        match &self.backend {
            Backend::Local(store) => store.stat(key),
            Backend::Remote(store) => store.stat(key),
            Backend::Zip(store) => Ok(store.stat(key)),
            Backend::Generated(store) => Ok(store.stat(key)),
        }
    }

    /// When an object was written last, by the clock of a remote server. `None` if the object does not exist.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn modified(&self, key: &str) -> Result<Option<SystemTime>, StoreError> {
        match &self.backend {
            Backend::Remote(store) => store.modified(key),
            Backend::Local(_) | Backend::Zip(_) | Backend::Generated(_) => {
                let path = self.location().local().map(|path| path.join(key));
                Ok(path.and_then(|path| path.metadata().ok()?.modified().ok()))
            }
        }
    }

    /// Brings all that was written to the disk, once, whatever the number of objects. What a cloud has taken is safe.
    ///
    /// # Errors
    /// [`StoreError::Write`] where the file system reports that bytes were lost.
    pub fn sync(&self) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Local(store) => store.sync(),
            Backend::Remote(_) | Backend::Zip(_) | Backend::Generated(_) => Ok(()),
        }
    }
}

fn read_only(place: String) -> StoreError {
    StoreError::NotWritable { place, what: "zip archives" }
}

/// An object in the making. Nobody sees it before [`Upload::finish`]; dropped before, it leaves nothing.
#[must_use]
pub struct Upload<'a>(Backing<'a>);

enum Backing<'a> {
    Local(LocalUpload),
    Remote(RemoteUpload<'a>),
}

impl Upload<'_> {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// As [`Store::put`]. The object cannot be finished any more.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        match &mut self.0 {
            Backing::Local(upload) => upload.write(bytes),
            Backing::Remote(upload) => upload.write(bytes),
        }
    }

    /// Bytes so far, the reserved ones among them: the offset of what is written next.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> u64 {
        match &self.0 {
            Backing::Local(upload) => upload.len(),
            Backing::Remote(upload) => upload.len(),
        }
    }

    /// Fills the room at the front with `start`, which must be as long as was reserved, and gives the object its key.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn finish(self, start: &[u8]) -> Result<Stat, StoreError> {
        match self.0 {
            Backing::Local(upload) => upload.finish(start),
            Backing::Remote(upload) => upload.finish(start),
        }
    }

    /// Like [`Upload::finish`], but replaces an object that was read as `read`, as [`Store::put_over`] does.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn finish_over(self, start: &[u8], read: Stat) -> Result<Option<Stat>, StoreError> {
        match self.0 {
            Backing::Local(upload) => upload.finish_over(start, read),
            Backing::Remote(upload) if upload.stat()? == Some(read) => upload.finish(start).map(Some),
            Backing::Remote(_) => Ok(None),
        }
    }
}
