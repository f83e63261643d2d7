//! Objects of a bucket are written with one request where they are small, and in parts where they are not.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::time::SystemTime;

use bytes::Bytes;
use object_store::multipart::MultipartStore;
use object_store::{
    Attribute, AttributeValue, Attributes, Error, ObjectStoreExt, PutMode, PutOptions, PutResult, UpdateVersion,
};

use super::identity::etag_number;
use super::upload::PART;
use super::*;
use crate::Checksum;
use crate::object::is_key;

/// Metadata of an object that only one of many may write: which of them did.
const WRITER: Attribute = Attribute::Metadata(Cow::Borrowed("writer"));

/// A word that no other call returns, in whatever process: the hasher's keys are random.
pub fn unique() -> String {
    format!("{:016x}", RandomState::new().hash_one(SystemTime::now()))
}

impl RemoteStore {
    pub fn create(address: &Address, options: &StoreOptions) -> Result<RemoteStore, StoreError> {
        let store = RemoteStore::open(address, options)?;
        store.writer("")?;
        Ok(store)
    }

    /// The store as one that can be written.
    pub(super) fn writer(&self, key: &str) -> Result<&Arc<dyn MultipartStore>, StoreError> {
        self.connection
            .writer
            .as_ref()
            .ok_or_else(|| StoreError::NotWritable { place: self.place(key), what: "plain HTTP servers" })
    }

    /// Where an object is to be written or deleted.
    pub(super) fn target(&self, key: &str) -> Result<Path, StoreError> {
        self.writer(key)?;
        match is_key(key) {
            true => self.path(key),
            false => Err(StoreError::BadUrl { place: self.place(key), detail: "not a key of this store".into() }),
        }
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
        let result = self.send(key, bytes, PutOptions::default())?.map_err(|error| self.failed(key, error))?;
        self.written(key, size, result)
    }

    pub fn put_new(&self, key: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let writer = AttributeValue::from(unique());
        let attributes = Attributes::from_iter([(WRITER, writer.clone())]);
        let options = PutOptions { mode: PutMode::Create, attributes, ..PutOptions::default() };
        match self.send(key, Bytes::copy_from_slice(bytes), options)? {
            Ok(_) => Ok(true),
            // Where an answer is lost, the request is sent again, and finds the object that it wrote itself.
            Err(Error::AlreadyExists { .. }) => Ok(self.written_by(key)? == Some(writer)),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    /// Who wrote an object with [`RemoteStore::put_new`].
    fn written_by(&self, key: &str) -> Result<Option<AttributeValue>, StoreError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        match self.wait(key, self.request(key, options))? {
            Ok(answer) => Ok(answer.attributes.get(&WRITER).cloned()),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    /// Replaces an object that was read as `read`, where the server compares before it writes.
    pub fn put_over(&self, key: &str, bytes: &[u8], read: Stat) -> Result<Option<Stat>, StoreError> {
        let meta = self.wait(key, self.head(key))?;
        let meta = match meta {
            Ok(meta) if stat(&meta) == read => meta,
            Ok(_) | Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(key, error)),
        };
        // Parts have no condition.
        if bytes.len() > PART {
            return self.put(key, bytes).map(Some);
        }
        let mode = PutMode::Update(UpdateVersion { e_tag: meta.e_tag, version: meta.version });
        let options = PutOptions { mode, ..PutOptions::default() };
        let error = match self.send(key, Bytes::copy_from_slice(bytes), options)? {
            Ok(result) => return self.written(key, bytes.len() as u64, result).map(Some),
            Err(error) => error,
        };
        if is_unconditional(&error) {
            return self.put(key, bytes).map(Some);
        }
        // An answer that was lost may have been that of success.
        let mut found = Vec::new();
        match self.get(key, bytes.len() as u64, &mut found)? {
            Some(stat) if found == bytes => Ok(Some(stat)),
            _ if matches!(error, Error::Precondition { .. }) => Ok(None),
            _ => Err(self.failed(key, error)),
        }
    }

    /// When an object was written last, by the clock of the server.
    pub fn modified(&self, key: &str) -> Result<Option<SystemTime>, StoreError> {
        match self.wait(key, self.head(key))? {
            Ok(meta) => Ok(Some(meta.last_modified.into())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    fn send(&self, key: &str, bytes: Bytes, how: PutOptions) -> Result<object_store::Result<PutResult>, StoreError> {
        let path = self.target(key)?;
        self.wait(key, async { Ok(self.connection.store.put_opts(&path, bytes.into(), how).await) })
    }

    /// What the store will say of an object that it has just taken.
    pub(super) fn written(&self, key: &str, size: u64, result: PutResult) -> Result<Stat, StoreError> {
        match result.e_tag {
            Some(tag) => Ok(Stat { size, tag: etag_number(&tag), checksum: Checksum::of_etag(&tag) }),
            // Its tag is made of the time of the change, which only the object's head says.
            None => self.stat(key)?.ok_or_else(|| StoreError::Absent { place: self.place(key) }),
        }
    }

    pub fn delete(&self, key: &str) -> Result<(), StoreError> {
        let path = self.target(key)?;
        match self.wait(key, async { Ok(self.connection.store.delete(&path).await) })? {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    pub fn stat(&self, key: &str) -> Result<Option<Stat>, StoreError> {
        match self.wait(key, self.head_answer(key))? {
            Ok(answer) => Ok(Some(stat_of(&answer))),
            Err(error) => self.wait(key, self.absent(key, error)).map(|()| None),
        }
    }
}

/// Whether a server knows no conditions, or says too little of its objects for one.
fn is_unconditional(error: &Error) -> bool {
    matches!(error, Error::NotImplemented { .. } | Error::NotSupported { .. })
        || ["status code: 501", "Version required", "ETag required"].iter().any(|text| chain(error).contains(text))
}
