//! An object that is sent in parts while it is being written.
//!
//! Held are the part that is being filled, those under way, and (where room was reserved at its front) the first one.

use std::mem;

use bytes::Bytes;
use object_store::MultipartId;
use object_store::multipart::{MultipartStore, PartId};
use tokio::task::{JoinHandle, JoinSet};

use super::*;

/// Bytes of a part, and the most that is sent in one piece. No cloud takes parts below 5 MiB, and a part must get through
/// within a third of the time limit, as every try of a request.
pub const PART: usize = 8 << 20;

/// Of one object. Many are usually written at once, each holding its parts.
const PARTS_AT_ONCE: usize = 2;

/// The longest wait for the end of an upload that is given up.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The parts grow, so that the 10,000 that S3 and Google Cloud Storage allow hold 5 TiB, up to 2 GiB: Azure's blocks end
/// below 4 GiB.
fn part_bytes(number: usize) -> usize {
    PART << (number / 1000).min(8)
}

pub struct RemoteUpload<'a> {
    remote: &'a RemoteStore,
    writer: Arc<dyn MultipartStore>,
    key: String,
    path: Path,
    reserved: usize,
    len: u64,
    /// The part that is being filled.
    filling: Vec<u8>,
    /// The first part, waiting for its front.
    first: Option<Vec<u8>>,
    /// Parts so far; nothing for those that have not arrived.
    parts: Vec<Option<PartId>>,
    id: Option<MultipartId>,
    /// The request that begins the upload, until it is answered: a process that is asked to stop meanwhile must learn the id all
    /// the same, to give the upload up.
    creating: Option<JoinHandle<object_store::Result<MultipartId>>>,
    before: Before,
    under_way: JoinSet<(usize, object_store::Result<PartId>)>,
}

/// What had the key when the upload began.
enum Before {
    Object(ObjectMeta),
    Nothing,
    /// It may be allowed to write and not to read.
    Unknown,
}

impl RemoteStore {
    pub fn upload(&self, key: &str, reserved: usize) -> Result<RemoteUpload<'_>, StoreError> {
        Ok(RemoteUpload {
            remote: self,
            writer: Arc::clone(self.writer(key)?),
            key: key.to_owned(),
            path: self.target(key)?,
            reserved,
            len: reserved as u64,
            filling: vec![0; reserved],
            first: None,
            parts: Vec::new(),
            id: None,
            creating: None,
            before: Before::Unknown,
            under_way: JoinSet::new(),
        })
    }
}

impl RemoteUpload<'_> {
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        self.len += bytes.len() as u64;
        while !bytes.is_empty() {
            // A part goes only when more comes: an object that fits into one is sent in one piece.
            if self.filling.len() >= part_bytes(self.parts.len()) {
                self.part_is_full()?;
            }
            let room = part_bytes(self.parts.len()) - self.filling.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.filling.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn part_is_full(&mut self) -> Result<(), StoreError> {
        let number = self.parts.len();
        let part = mem::take(&mut self.filling);
        self.parts.push(None);
        if number == 0 && self.reserved > 0 {
            self.first = Some(part);
            return Ok(());
        }
        self.send(number, part)
    }

    /// Puts a part on its way, once there is room for it.
    fn send(&mut self, number: usize, part: Vec<u8>) -> Result<(), StoreError> {
        let id = self.begin()?;
        while self.under_way.len() >= PARTS_AT_ONCE {
            self.receive()?;
        }
        self.remote.check_guard()?;
        let (writer, path) = (Arc::clone(&self.writer), self.path.clone());
        let sending = async move { (number, writer.put_part(&path, &id, number, Bytes::from(part).into()).await) };
        self.under_way.spawn_on(sending, self.remote.runtime.handle());
        Ok(())
    }

    /// Tells the server, once, that parts will come, and asks what has the key now.
    fn begin(&mut self) -> Result<MultipartId, StoreError> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        let (remote, key) = (self.remote, &self.key);
        remote.check_guard()?;
        let (writer, path) = (Arc::clone(&self.writer), self.path.clone());
        let creating = remote.runtime.spawn(async move { writer.create_multipart(&path).await });
        let creating = self.creating.insert(creating);
        // The id first, and alone: it must not be lost to a stop that comes between two answers.
        let answer = remote.wait(key, async { Ok(created(creating).await) })?;
        self.creating = None;
        let id = answer.map_err(|error| remote.failed(key, error))?;
        self.id = Some(id.clone());
        let before = remote.wait(key, async { Ok(remote.head(key).await) })?;
        self.before = match before {
            Ok(Ok(meta)) => Before::Object(meta),
            Ok(Err(Error::NotFound { .. })) => Before::Nothing,
            _ => Before::Unknown,
        };
        Ok(id)
    }

    /// Waits until a part has arrived.
    fn receive(&mut self) -> Result<(), StoreError> {
        let (remote, key, under_way) = (self.remote, &self.key, &mut self.under_way);
        let arrived = remote.wait(key, async { Ok(under_way.join_next().await) })?;
        match arrived {
            None => Ok(()),
            Some(Ok((number, Ok(part)))) => {
                self.parts[number] = Some(part);
                Ok(())
            }
            Some(Ok((_, Err(error)))) => Err(remote.failed(key, error)),
            Some(Err(error)) => Err(StoreError::Network { place: remote.place(key), source: error.into() }),
        }
    }

    /// Size and tag of the object as it is now.
    pub fn stat(&self) -> Result<Option<Stat>, StoreError> {
        self.remote.stat(&self.key)
    }

    pub fn finish(mut self, start: &[u8]) -> Result<Stat, StoreError> {
        let front = self.first.as_mut().unwrap_or(&mut self.filling).get_mut(..self.reserved);
        match front.filter(|front| front.len() == start.len()) {
            Some(front) => front.copy_from_slice(start),
            None => return Err(self.broken("the header does not have the reserved size")),
        }
        if self.parts.is_empty() {
            return self.remote.put_whole(&self.key, mem::take(&mut self.filling).into());
        }
        let (number, last) = (self.parts.len(), mem::take(&mut self.filling));
        self.parts.push(None);
        self.send(number, last)?;
        if let Some(first) = self.first.take() {
            self.send(0, first)?;
        }
        while !self.under_way.is_empty() {
            self.receive()?;
        }
        self.complete()
    }

    fn complete(&mut self) -> Result<Stat, StoreError> {
        let parts: Option<Vec<PartId>> = mem::take(&mut self.parts).into_iter().collect();
        let (Some(parts), Some(id)) = (parts, &self.id) else {
            return Err(self.broken("a part of the upload is missing"));
        };
        let (remote, key) = (self.remote, &self.key);
        let answer = self.writer.complete_multipart(&self.path, id, parts);
        match remote.wait(key, async { answer.await.map_err(|error| remote.failed(key, error)) }) {
            Ok(result) => {
                self.id = None;
                remote.written(key, self.len, result)
            }
            Err(error) => self.appeared().ok_or(error),
        }
    }

    /// The object, where it is there all the same. A server that has put the parts together knows nothing of them any more:
    /// where its answer is lost, or late, the request is sent again, and fails.
    fn appeared(&self) -> Option<Stat> {
        let now = self.remote.wait(&self.key, self.remote.head(&self.key)).ok()?.ok()?;
        let new = match &self.before {
            Before::Object(before) => *before != now,
            Before::Nothing => true,
            Before::Unknown => false,
        };
        (new && now.size == self.len).then(|| stat(&now))
    }

    fn broken(&self, detail: &str) -> StoreError {
        StoreError::Network { place: self.remote.place(&self.key), source: detail.into() }
    }
}

/// The id of an upload that a task begins.
async fn created(task: &mut JoinHandle<object_store::Result<MultipartId>>) -> object_store::Result<MultipartId> {
    task.await.unwrap_or_else(|error| Err(Error::Generic { store: "upload", source: error.into() }))
}

impl Drop for RemoteUpload<'_> {
    /// Parts of an object that never becomes one would be stored, and paid for, until somebody looks.
    fn drop(&mut self) {
        let (id, creating) = (self.id.take(), self.creating.take());
        if id.is_none() && creating.is_none() {
            return;
        }
        let farewell = async {
            // A part that arrives after the end would stay.
            self.under_way.shutdown().await;
            let id = match (id, creating) {
                (None, Some(mut creating)) => created(&mut creating).await?,
                (id, _) => id.unwrap_or_default(),
            };
            self.writer.abort_multipart(&self.path, &id).await
        };
        let limit = ABORT_TIMEOUT.min(self.remote.transport.clocks.operation);
        // Best effort: buckets have rules for what is left behind, and there is nobody to tell.
        let _ = self.remote.runtime.block_on(async { timeout(limit, farewell).await });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_hold_the_largest_object() {
        assert!((0..10_000).map(part_bytes).sum::<usize>() >= 5 << 40);
        assert!((0..50_000).map(part_bytes).all(|bytes| (PART..4000 << 20).contains(&bytes)));
        assert!((0..1000).all(|number| part_bytes(number) == PART), "equal parts, as some servers want them");
    }
}
