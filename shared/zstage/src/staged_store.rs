//! An output in the making: the folder `OUT.plan` beside it, which holds the plan, the journal and, locally, the objects.
//!
//! A new local output is written inside the folder and gets its name by one rename. On an object store there is no rename:
//! objects go straight to their keys. The metadata documents wait in the folder. Either way nobody can
//! open the output before it is whole, and whatever ends a run, the folder says how to go on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zstore::{
    Location, Store, StoreError, StoreOptions, give_name, is_replaceable, move_directory, remove_tree, write_failed,
};
use zwire::Failure;

use crate::folder::{
    FINISHING, JOURNAL, NAMING, OBJECTS, PLAN, check_folder, discard, empty, folder_of, give_up, remove_left_folders,
};
use crate::lock::{Claim, Claimed, Lock, claim};
use crate::options::Begin;
use crate::plan_file::{Header, PlanFile};
use crate::strangers::check_replaceable;

/// The longest that a signal waits for the journal.
const BOOKS_TIMEOUT: Duration = Duration::from_secs(10);

/// An output in the making. Dropped before [`StagedStore::keep`] it leaves nothing behind.
pub struct StagedStore {
    output: Location,
    folder: Store,
    objects: Store,
    replacements: Store,
    begin: Begin,
    kept: AtomicBool,
    lock: Lock,
}

impl StagedStore {
    /// Begins the output at `output`.
    ///
    /// # Errors
    /// [`StoreError::Exists`] and [`StoreError::Strangers`] where something is there that must not be,
    /// [`StoreError::Unfinished`] where another run left its folder, [`StoreError::Busy`] or [`StoreError::Locked`] while that
    /// run goes on, [`StoreError::Write`] where the folder cannot be made.
    pub fn begin(output: &Location, begin: Begin, options: &StoreOptions) -> Result<StagedStore, StoreError> {
        check_local(output, begin)?;
        let books = bookkeeping(options);
        let (folder, lock) = claim_new(output, &books)?;
        if folder.stat(PLAN)?.is_some() {
            if begin != Begin::Overwrite {
                let in_place = begin == Begin::InPlace;
                let is_publishing = folder.stat(FINISHING)?.is_some();
                return Err(StoreError::Unfinished { place: output.to_string(), in_place, is_publishing });
            }
            give_up(output, &folder, &lock, options)?;
        }
        // A run that was killed before it had a plan, or while it removed all this, may have left something.
        empty(&folder)?;
        remove_left_folders(folder.location())?;
        let staged = StagedStore::with(output, begin, folder, lock, options)?;
        // The previous owner of the lock may have published in the meantime.
        check_local(output, begin)?;
        staged.check_remote()?;
        Ok(staged)
    }

    /// Objects on an object store could only be replaced one by one, and the old store would be gone before the new one is
    /// whole: there must be none.
    fn check_remote(&self) -> Result<(), StoreError> {
        if self.in_place() || matches!(self.output, Location::Local(_)) {
            return Ok(());
        }
        check_empty(&self.objects)
    }

    /// Opens an output that was begun before, as its plan says it was begun, and gives the text of the plan.
    ///
    /// # Errors
    /// [`StoreError::NotBegun`] where there is no plan, [`StoreError::Busy`] or [`StoreError::Locked`] where somebody works on it
    /// who does not share, and [`zwire::Exit::Unreadable`] for a plan that is none.
    pub fn open(output: &Location, who: Claim, options: &StoreOptions) -> Result<(StagedStore, Vec<u8>), Failure> {
        let not_begun = || StoreError::NotBegun { place: output.to_string() };
        let books = bookkeeping(options);
        let folder = Store::open_at(&folder_of(output)?, &books).map_err(|error| match error {
            StoreError::Absent { .. } => not_begun(),
            other => other,
        })?;
        let mut plan = Vec::new();
        let mut read = || -> Result<Begin, Failure> {
            folder.get(PLAN, &mut plan)?.ok_or_else(not_begun)?;
            Ok(Header::parse(&plan, &folder.place(PLAN))?.begin())
        };
        // No lock file is created in a folder that is not ours.
        read()?;
        let Claimed::Held(lock) = claim(&folder, who, output, &books)? else { return Err(not_begun().into()) };
        // Read again under the lock: another run may have replaced the folder.
        let begin = read()?;
        let staged = StagedStore::with(output, begin, lock.guard(folder), lock, options)?;
        staged.keep();
        Ok((staged, plan))
    }

    /// Whether an unfinished run has left a plan.
    ///
    /// # Errors
    /// The store's; an output without a name of its own.
    pub fn is_begun(output: &Location, options: &StoreOptions) -> Result<bool, StoreError> {
        match Store::open_at(&folder_of(output)?, options) {
            Err(StoreError::Absent { .. }) => Ok(false),
            opened => Ok(opened?.stat(PLAN)?.is_some()),
        }
    }

    /// The plan that an unfinished run of `tool` has left, read without its lock; `None` if there is none.
    ///
    /// # Errors
    /// The store's; [`zwire::Exit::Unreadable`] for the plan of another tool.
    pub fn plan_of<T: Serialize + DeserializeOwned>(
        output: &Location,
        tool: &str,
        options: &StoreOptions,
    ) -> Result<Option<PlanFile<T>>, Failure> {
        let mut text = Vec::new();
        match Store::open_at(&folder_of(output)?, options) {
            Err(StoreError::Absent { .. }) => Ok(None),
            opened => {
                let folder = opened?;
                let found = folder.get(PLAN, &mut text)?;
                found.map(|_| PlanFile::parse(&text, tool, &folder.place(PLAN))).transpose()
            }
        }
    }

    /// Refuses an output that a new run could not begin, before work that takes long. Only [`StagedStore::begin`] takes the lock: what
    /// is found here may change until then.
    ///
    /// # Errors
    /// As [`StagedStore::begin`].
    pub fn check_free(output: &Location, begin: Begin, options: &StoreOptions) -> Result<(), StoreError> {
        check_local(output, begin)?;
        if begin == Begin::New && StagedStore::is_begun(output, options)? {
            return Err(StoreError::Unfinished { place: output.to_string(), in_place: false, is_publishing: false });
        }
        match output {
            Location::Remote(_) => check_empty(&Store::create_at(output, options)?),
            Location::Local(_) | Location::Zip(_) | Location::Generated(_) => Ok(()),
        }
    }

    fn with(
        output: &Location,
        begin: Begin,
        folder: Store,
        lock: Lock,
        options: &StoreOptions,
    ) -> Result<StagedStore, StoreError> {
        let inside = || match folder.location() {
            Location::Local(path) => Store::create_at(&Location::Local(path.join(OBJECTS)), options),
            Location::Remote(_) | Location::Zip(_) | Location::Generated(_) => {
                Ok(lock.guard(Store::create_at(output, options)?))
            }
        };
        let (replacements, objects) = match begin {
            Begin::InPlace => (inside()?, lock.guard(Store::open_at(output, options)?.into_durable())),
            _ => (inside()?, inside()?),
        };
        let output = output.clone();
        Ok(StagedStore { output, folder, objects, replacements, begin, kept: AtomicBool::new(false), lock })
    }

    /// Where the finished output will be.
    pub fn output(&self) -> &Location {
        &self.output
    }

    /// The folder beside it: plan, journal, done-files.
    pub fn folder(&self) -> &Store {
        &self.folder
    }

    /// Where objects are written.
    pub fn objects(&self) -> &Store {
        &self.objects
    }

    /// Where objects wait that take the place of others all at once (in place only; else the same as [`StagedStore::objects`]).
    pub fn replacements(&self) -> &Store {
        &self.replacements
    }

    /// Whether the output is the store itself.
    pub fn in_place(&self) -> bool {
        self.begin == Begin::InPlace
    }

    /// Whether all the work is done and publishing was interrupted.
    ///
    /// # Errors
    /// The store's.
    pub fn is_finishing(&self) -> Result<bool, StoreError> {
        Ok(self.folder.stat(FINISHING)?.is_some())
    }

    /// Whether objects are written to the folder until the output is renamed.
    pub fn is_private(&self) -> bool {
        !self.in_place() && matches!(self.output, Location::Local(_))
    }

    /// The place of an object's key in the finished output, for messages.
    pub fn place(&self, key: &str) -> String {
        self.output.join(key)
    }

    /// Writes the plan: from now on the output counts as begun.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn save_plan(&self, plan: &[u8]) -> Result<(), StoreError> {
        self.folder.put_private(PLAN, plan)?;
        self.folder.sync()
    }

    /// Something has been done that is worth going on with.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Whether it would be there to go on with after the run.
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed) && !self.is_lost()
    }

    /// Proves by a request, before the output is published, that it is still this run's: on an object store, the lock is lost
    /// by a run that was cut off or stopped for too long.
    ///
    /// # Errors
    /// [`StoreError::LockLost`]; errors of the store while the lock cannot be renewed.
    pub fn prove_lock(&self) -> Result<(), StoreError> {
        if let Lock::Lease(lease) = &self.lock { lease.prove() } else { Ok(()) }
    }

    fn is_lost(&self) -> bool {
        matches!(&self.lock, Lock::Lease(lease) if lease.is_lost())
    }

    /// Moves the journal to `kept` before it would be removed with the folder: once all is written, no resume needs it.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn keep_journal(&self, kept: &Path) -> Result<(), StoreError> {
        let Location::Local(folder) = self.folder.location() else { return Ok(()) };
        let journal = folder.join(JOURNAL);
        // A run that was killed after this step has moved it already.
        if journal.exists() {
            let moved = remove_tree(kept).and_then(|()| move_directory(&journal, kept));
            moved.map_err(|error| write_failed(kept, error))?;
        }
        Ok(())
    }

    /// Gives the output its name, where it has none yet, and removes the folder.
    ///
    /// # Errors
    /// [`StoreError::Unpublished`] where the name cannot be given; the output is whole, and kept.
    pub fn publish(self) -> Result<(), StoreError> {
        self.prove_lock()?;
        self.objects.sync()?;
        self.keep();
        if let (true, Location::Local(output), Location::Local(inside)) =
            (self.is_private(), &self.output, self.objects.location())
        {
            self.name(inside, output)?;
        }
        // The lock is held until the folder is removed.
        discard(&self.folder)
    }

    /// Gives the finished directory its name. The number of the directory is written down before: a run that was killed right
    /// after the step must not take it a second time, and put the old store back.
    fn name(&self, inside: &Path, output: &Path) -> Result<(), StoreError> {
        let number = |path: &Path| fs::metadata(path).map(|metadata| metadata.ino().to_string()).unwrap_or_default();
        let mut named = Vec::new();
        // It was renamed by an earlier run, even if it has been moved since.
        if self.folder.get(NAMING, &mut named)?.is_some() && named != number(inside).as_bytes() {
            return Ok(());
        }
        if self.begin == Begin::Overwrite {
            check_local(&self.output, self.begin)?;
        }
        self.folder.put(NAMING, number(inside).as_bytes())?;
        self.folder.sync()?;
        give_name(inside, output, self.begin == Begin::Overwrite)
    }
}

impl Drop for StagedStore {
    fn drop(&mut self) {
        if !self.is_kept() && !self.is_lost() {
            // Nobody has begun to count on it. A failure leaves a folder whose name says what it is.
            let _ = discard(&self.folder);
        }
    }
}

fn check_empty(objects: &Store) -> Result<(), StoreError> {
    match objects.list("")?.next() {
        None => Ok(()),
        Some(Ok(_)) => Err(StoreError::Exists { place: objects.location().to_string() }),
        Some(Err(error)) => Err(error),
    }
}

/// The journal is written to the end: a signal stops the work, and then what was done is entered.
fn bookkeeping(options: &StoreOptions) -> StoreOptions {
    let timeout = options.timeout.min(BOOKS_TIMEOUT);
    // A lease is kept through an outage.
    StoreOptions { stop: Arc::default(), timeout, keeps_trying: true, ..options.clone() }
}

/// Creates the folder if missing and takes its lock.
fn claim_new(output: &Location, books: &StoreOptions) -> Result<(Store, Lock), StoreError> {
    let location = folder_of(output)?;
    loop {
        check_folder(&location)?;
        let folder = match Store::create_at(&location, books) {
            // Removed by its owner in the meantime.
            Err(StoreError::Absent { .. }) => continue,
            other => other?,
        };
        if let Claimed::Held(lock) = claim(&folder, Claim::Alone, output, books)? {
            return Ok((lock.guard(folder), lock));
        }
    }
}

/// Checks that the output's path is free, or holds what `begin` allows.
fn check_local(output: &Location, begin: Begin) -> Result<(), StoreError> {
    let Some(path) = output.local().filter(|path| path.symlink_metadata().is_ok()) else { return Ok(()) };
    match begin {
        Begin::InPlace => Ok(()),
        Begin::Overwrite if is_replaceable(path) => check_replaceable(path),
        Begin::Overwrite => Err(StoreError::NotReplaceable { place: output.to_string() }),
        Begin::New => Err(StoreError::Exists { place: output.to_string() }),
    }
}

#[cfg(test)]
#[path = "staged_store_tests.rs"]
mod tests;
