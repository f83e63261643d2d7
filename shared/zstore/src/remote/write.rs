//! Objects of a bucket are written with one request where they are small, and in parts where they are not.

use bytes::Bytes;
use object_store::multipart::MultipartStore;
use object_store::{Error, ObjectStoreExt, PutMode, PutResult};

use super::upload::PART;
use super::*;

impl RemoteStore {
    pub fn create(url: &Url, options: &StoreOptions) -> Result<RemoteStore, StoreError> {
        let store = RemoteStore::open(url, options)?;
        store.writer("")?;
        Ok(store)
    }

    /// The store as one that can be written.
    pub(super) fn writer(&self, key: &str) -> Result<&Arc<dyn MultipartStore>, StoreError> {
        self.writer.as_ref().ok_or_else(|| StoreError::NotWritable { place: self.place(key) })
    }

    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<Stat, StoreError> {
        if bytes.len() > PART {
            let mut upload = self.upload(key, 0)?;
            upload.write(bytes)?;
            return upload.finish(&[]);
        }
        self.put_whole(key, Bytes::copy_from_slice(bytes))
    }

    /// An object in one request.
    pub(super) fn put_whole(&self, key: &str, bytes: Bytes) -> Result<Stat, StoreError> {
        let size = bytes.len() as u64;
        let result = self.send(key, bytes, PutMode::Overwrite)?.map_err(|error| self.failed(key, error))?;
        self.written(key, size, result)
    }

    pub fn put_new(&self, key: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        match self.send(key, Bytes::copy_from_slice(bytes), PutMode::Create)? {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    fn send(&self, key: &str, bytes: Bytes, mode: PutMode) -> Result<object_store::Result<PutResult>, StoreError> {
        self.writer(key)?;
        let path = self.path(key)?;
        self.wait(key, self.answer(key, self.store.put_opts(&path, bytes.into(), mode.into())))
    }

    /// What the store will say of an object that it has just taken.
    pub(super) fn written(&self, key: &str, size: u64, result: PutResult) -> Result<Stat, StoreError> {
        match result.e_tag {
            Some(tag) => Ok(Stat { size, tag: fnv1a(tag.as_bytes()) }),
            // Its tag is made of the time of the change, which only the object's head says.
            None => self.stat(key)?.ok_or_else(|| StoreError::Absent { place: self.place(key) }),
        }
    }

    pub fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.writer(key)?;
        let path = self.path(key)?;
        match self.wait(key, self.answer(key, self.store.delete(&path)))? {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    pub fn stat(&self, key: &str) -> Result<Option<Stat>, StoreError> {
        match self.wait(key, self.head(key))? {
            Ok(meta) => Ok(Some(stat(&meta))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }
}
