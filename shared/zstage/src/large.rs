//! Large objects, copied over a network to a local disk: fetched in parts, side by side, by all workers that have no object of their
//! own. Each part that has arrived is noted beside the file with its checksum, so that a killed run continues with the others.
//!
//! Notes are believed only as far as the checksums of what is in the file bear them out: in a crash of the machine they may outlive
//! the bytes. The owner of the object reads all parts back in order while others still arrive, and gives the file its key.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use zarray::{Scratch, ScratchPool, Semaphore};
use zstore::{Stat, Store};
use zwire::Failure;

use crate::changes::Changes;
use crate::folder::LARGE as FOLDER;
use crate::md5_streams::Md5Streams;
use crate::object_parts::{Next, ObjectParts};
use crate::part_ranges::PART;
use crate::progress::Progress;
use crate::staged_store::StagedStore;

/// Objects with more bytes are fetched in parts; others are held in memory.
pub const IN_PARTS: u64 = 2 * PART;

/// Objects with more bytes are large: reading them back costs more than a check that is free may.
pub const LARGE: u64 = 4 * PART;

/// Of the memory limit, this share is for objects that may be large and are not, but no less than so many.
const SHARE: u64 = 256;
const FEWEST_WHOLE: u64 = 6;

/// Parts in flight, and the memory that each takes: what has arrived of it and is not written, or not in its sum, yet.
const PARTS: u64 = 8;
const PART_MEMORY: u64 = 2 << 20;

/// How often a worker without an object looks whether it is needed.
const LOOK_AROUND: Duration = Duration::from_millis(100);

/// The large objects that are being fetched.
pub struct LargeObjects<'a> {
    stores: &'a [Store],
    staged: &'a StagedStore,
    /// Whether an earlier run may have left parts.
    again: bool,
    progress: &'a dyn Progress,
    /// A buffer for each object that may be large.
    buffers: ScratchPool<Vec<u8>>,
    parts: Semaphore,
    streams: Arc<Md5Streams>,
    /// Held by the worker that finds out whether the server sends parts.
    first_part: Mutex<()>,
    open: Mutex<Open>,
    changed: Condvar,
}

#[derive(Default)]
struct Open {
    objects: Vec<Arc<ObjectParts>>,
    /// Workers that may still begin an object.
    working: usize,
}

impl Open {
    /// The first object with such a part that nobody fetches.
    fn missing(&self, next: Next) -> Option<Arc<ObjectParts>> {
        self.objects.iter().find(|parts| parts.are_missing(next)).cloned()
    }
}

/// A source object and what it becomes.
pub struct Names {
    /// Index of its store.
    pub store: usize,
    pub key: String,
    pub output_key: String,
}

/// A worker that may still begin an object.
pub struct Working<'a>(&'a LargeObjects<'a>);

/// An object that others help to fetch.
pub struct Shared<'a> {
    objects: &'a LargeObjects<'a>,
    pub parts: Arc<ObjectParts>,
}

impl<'a> LargeObjects<'a> {
    /// Large objects of `stores` in an output. `again`: there may have been earlier runs.
    pub fn new(
        stores: &'a [Store],
        staged: &'a StagedStore,
        again: bool,
        memory_bytes: u64,
        progress: &'a dyn Progress,
    ) -> LargeObjects<'a> {
        let buffers = (memory_bytes / SHARE / IN_PARTS).max(FEWEST_WHOLE).min(memory_bytes / IN_PARTS).max(1);
        LargeObjects {
            stores,
            staged,
            again,
            progress,
            buffers: ScratchPool::new(zcodec::to_usize(buffers), Vec::new),
            parts: Semaphore::new(PARTS),
            streams: Arc::default(),
            first_part: Mutex::default(),
            open: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Waits for a buffer for an object that may be large.
    pub fn buffer(&self) -> Scratch<'_, Vec<u8>> {
        self.buffers.take()
    }

    /// Whether objects from this store are fetched in parts if they are large.
    pub fn takes(&self, store: &Store) -> bool {
        store.is_remote() && self.staged.is_private() && !store.ignores_ranges()
    }

    /// Begins an object that was found as `stat`, and was probably `uploaded` in parts of so many bytes; `None` if another process has
    /// begun it and goes on.
    ///
    /// # Errors
    /// [`zwire::Exit::Output`].
    pub fn begin(&self, names: &Names, stat: Stat, uploaded: Option<u64>) -> Result<Option<ObjectParts>, Failure> {
        match self.staged.folder().partial(&names.partial(), true)? {
            Some(file) => ObjectParts::begin(names.store, &names.key, stat, uploaded, &self.streams, file).map(Some),
            None => Ok(None),
        }
    }

    /// Shows that more decoded bytes of an object are done.
    pub fn advance(&self, decoded: u64) {
        self.progress.advance(decoded);
    }

    /// An object stands for so many decoded bytes in the progress.
    pub fn stands_for(&self, parts: &mut ObjectParts, decoded: u64) {
        parts.stands_for(decoded, self.progress);
    }

    /// An object of which an earlier run has left parts, unless it has changed since.
    ///
    /// # Errors
    /// As [`LargeObjects::begin`]; errors of the source; a changed object that ends the run.
    pub fn left(&self, names: &Names, changes: &Changes) -> Result<Option<ObjectParts>, Failure> {
        let store = &self.stores[names.store];
        if !self.again || !self.takes(store) {
            return Ok(None);
        }
        let Some(file) = self.staged.folder().partial(&names.partial(), false)? else { return Ok(None) };
        let Some(mut parts) = ObjectParts::left(names.store, &names.key, &self.streams, file)? else { return Ok(None) };
        match store.stat(&names.key)? {
            Some(now) if now == parts.stat => {
                parts.stat = now;
                Ok(Some(parts))
            }
            _ => {
                changes.met(|| store.place(&names.key))?;
                parts.file.clear()?;
                Ok(None)
            }
        }
    }

    /// Finds out whether the server of an object sends parts, with its first one: a server that does not would send the whole object
    /// for each. One object at a time does so.
    pub fn sends_parts(&self, parts: &ObjectParts) -> bool {
        let store = &self.stores[parts.store];
        if !store.gives_ranges() && !store.ignores_ranges() {
            let _one = self.first_part.lock();
            if !store.gives_ranges() && !store.ignores_ranges() {
                parts.fetch_one(Next::Any, store, self.progress);
            }
        }
        !store.ignores_ranges()
    }

    /// Lets other workers help with an object until the answer is dropped.
    pub fn share(&self, parts: ObjectParts) -> Shared<'_> {
        // What has arrived is kept whatever ends the run.
        self.staged.keep();
        let parts = Arc::new(parts);
        self.open.lock().objects.push(Arc::clone(&parts));
        self.changed.notify_all();
        Shared { objects: self, parts }
    }

    /// Says that the calling worker may still begin an object.
    pub fn working(&self) -> Working<'_> {
        self.open.lock().working += 1;
        Working(self)
    }

    /// Fetches parts of the objects of others until no worker has an object any more.
    pub fn help(&self, memory: &Semaphore, is_over: impl Fn() -> bool) {
        let mut open = self.open.lock();
        while !is_over() && open.working > 0 {
            match [Next::InOrder, Next::Any].into_iter().find_map(|next| open.missing(next)) {
                None => drop(self.changed.wait_for(&mut open, LOOK_AROUND)),
                Some(_) => MutexGuard::unlocked(&mut open, || {
                    let _permit = memory.acquire(PART_MEMORY);
                    self.fetch_one(None);
                }),
            }
        }
    }
}

impl LargeObjects<'_> {
    /// Fetches a missing part on this thread: one that follows in order, of `own` if it has one, and else any.
    fn fetch_one(&self, own: Option<&ObjectParts>) {
        // The permit comes first: parts begin in order.
        let _permit = self.parts.acquire(1);
        let fetch = |parts: &ObjectParts, next| parts.fetch_one(next, &self.stores[parts.store], self.progress);
        for next in [Next::InOrder, Next::Any] {
            if own.is_some_and(|own| fetch(own, next)) {
                return;
            }
            let others = self.open.lock().missing(next);
            if others.is_some_and(|others| fetch(&others, next)) {
                return;
            }
        }
    }
}

impl Names {
    /// Key of the partial object in the folder.
    fn partial(&self) -> String {
        format!("{FOLDER}/{}", self.output_key)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        let mut open = self.0.open.lock();
        open.working -= 1;
        // Those that help wait for the last one: hundreds that each wakes all before it would keep the cores busy.
        if open.working == 0 {
            self.0.changed.notify_all();
        }
    }
}

impl Shared<'_> {
    /// Fetches one of its missing parts on this thread, or first one of another object that follows in order.
    pub fn fetch_one(&self) {
        self.objects.fetch_one(Some(&self.parts));
    }
}

impl Drop for Shared<'_> {
    /// Nobody writes to the file any more when it is removed, or begun again.
    fn drop(&mut self) {
        self.objects.open.lock().objects.retain(|open| !Arc::ptr_eq(open, &self.parts));
        self.parts.close();
    }
}
