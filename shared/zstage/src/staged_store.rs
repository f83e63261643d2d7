//! An output in the making: the folder `OUT.plan` beside it, which holds the plan, the journal and, locally, the objects.
//!
//! A new local output is written inside the folder and gets its name by one rename. On an object store there is no rename:
//! objects go straight to their keys, and what makes them a store, the metadata, waits in the folder. Either way nobody can
//! open the output before it is whole, and whatever ends a run, the folder says how to go on.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};

use zstore::{Location, METADATA, Store, StoreError, StoreOptions, give_name, is_replaceable, write_failed};
use zwire::Failure;

use crate::options::Begin;
use crate::plan_file::Header;

/// The plan of the tool that writes. An output whose folder has none has never been begun.
const PLAN: &str = "plan.json";
/// Locked while somebody works on the output; on an object store, the object that only one can make.
const LOCK: &str = "lock";
/// Number of the directory that is about to get the output's name.
const NAMING: &str = "naming";
/// Where the objects of a new local output are until it gets its name, and those that will replace old ones.
const OBJECTS: &str = "store";

/// The longest that a signal waits for the journal.
const BOOKS_TIMEOUT: Duration = Duration::from_secs(10);

/// Who else may work on the same output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nobody.
    Alone,
    /// Others that claim the same: the parts of one plan.
    Shared,
    /// Anyone: it is only read.
    Nothing,
}

/// An output in the making. Dropped before [`StagedStore::keep`] it leaves nothing behind.
pub struct StagedStore {
    output: Location,
    folder: Store,
    objects: Store,
    replacements: Store,
    begin: Begin,
    kept: AtomicBool,
    lock: Option<File>,
}

impl StagedStore {
    /// Begins the output at `output`.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where something is there that must not be, [`StoreError::Unfinished`] where another run left
    /// its folder, [`StoreError::Busy`] while that run goes on, [`StoreError::Write`] where the folder cannot be made.
    pub fn begin(output: &Location, begin: Begin, options: &StoreOptions) -> Result<StagedStore, StoreError> {
        check_local(output, begin)?;
        let location = folder_of(output)?;
        check_folder(&location)?;
        let books = &bookkeeping(options);
        let mut folder = Store::create_at(&location, books)?;
        let (mut lock, first) = claim(&folder, Claim::Alone, output)?;
        if !first || folder.stat(PLAN)?.is_some() {
            if begin != Begin::Overwrite {
                return Err(StoreError::Unfinished { place: output.to_string() });
            }
            drop(lock.take());
            give_up(output, &folder, options)?;
            folder = Store::create_at(&location, books)?;
            (lock, _) = claim(&folder, Claim::Alone, output)?;
        }
        // A run that was killed before it had a plan, or while it removed all this, may have left something.
        empty(&folder, &|name| name == LOCK)?;
        let staged = StagedStore::with(output, begin, folder, lock, options)?;
        staged.check_remote()?;
        Ok(staged)
    }

    /// Objects on an object store could only be replaced one by one, and the old store would be gone before the new one is
    /// whole: there must be none.
    fn check_remote(&self) -> Result<(), StoreError> {
        if self.in_place() || matches!(self.output, Location::Local(_)) {
            return Ok(());
        }
        match self.objects.list("")?.next() {
            None => Ok(()),
            Some(Ok(_)) => Err(StoreError::Exists { place: self.output.to_string() }),
            Some(Err(error)) => Err(error),
        }
    }

    /// Opens an output that was begun before, as its plan says it was begun, and gives the text of the plan.
    ///
    /// # Errors
    /// [`StoreError::NotBegun`] where there is no plan, [`StoreError::Busy`] where somebody works on it who does not share,
    /// and [`zwire::Exit::Unreadable`] for a plan that is none.
    pub fn open(output: &Location, who: Claim, options: &StoreOptions) -> Result<(StagedStore, Vec<u8>), Failure> {
        let not_begun = || StoreError::NotBegun { place: output.to_string() };
        let folder = Store::open_at(&folder_of(output)?, &bookkeeping(options)).map_err(|error| match error {
            StoreError::Absent { .. } => not_begun(),
            other => other,
        })?;
        let lock = match &output {
            Location::Local(_) => claim(&folder, who, output)?.0,
            Location::Remote(_) | Location::Zip(_) => None,
        };
        let mut plan = Vec::new();
        folder.get(PLAN, &mut plan)?.ok_or_else(not_begun)?;
        let begin = Header::parse(&plan, &folder.place(PLAN))?.begin();
        let staged = StagedStore::with(output, begin, folder, lock, options)?;
        staged.keep();
        Ok((staged, plan))
    }

    /// Removes the lock of a run that ended before it had a plan, and says whether there was one. On an object store nobody can
    /// know whether its owner is alive: the user decides by resuming.
    ///
    /// # Errors
    /// The store's.
    pub fn release(output: &Location, options: &StoreOptions) -> Result<bool, StoreError> {
        if output.local().is_some() {
            return Ok(false);
        }
        let folder = Store::open_at(&folder_of(output)?, &bookkeeping(options))?;
        if folder.stat(PLAN)?.is_some() || folder.stat(LOCK)?.is_none() {
            return Ok(false);
        }
        discard(&folder)?;
        Ok(true)
    }

    fn with(
        output: &Location,
        begin: Begin,
        folder: Store,
        lock: Option<File>,
        options: &StoreOptions,
    ) -> Result<StagedStore, StoreError> {
        let inside = || match folder.location() {
            Location::Local(path) => Store::create_at(&Location::Local(path.join(OBJECTS)), options),
            Location::Remote(_) | Location::Zip(_) => Store::create_at(output, options),
        };
        let (replacements, objects) = match begin {
            Begin::InPlace => (inside()?, Store::open_at(output, options)?.into_durable()),
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

    /// Whether objects are written where nobody looks yet, so that metadata may lie beside them before the end.
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
        self.kept.load(Ordering::Relaxed)
    }

    /// Gives the output its name, where it has none yet, and removes the folder.
    ///
    /// # Errors
    /// [`StoreError::Unpublished`] where the name cannot be given; the output is whole, and kept.
    pub fn publish(mut self) -> Result<(), StoreError> {
        self.objects.sync()?;
        self.keep();
        if let (true, Location::Local(output), Location::Local(inside)) =
            (self.is_private(), &self.output, self.objects.location())
        {
            self.name(inside, output)?;
        }
        drop(self.lock.take());
        discard(&self.folder)
    }
}

impl StagedStore {
    /// Gives the finished directory its name. The number of the directory is written down before: a run that was killed right
    /// after the step must not take it a second time, and put the old store back.
    fn name(&self, inside: &Path, output: &Path) -> Result<(), StoreError> {
        let number = |path: &Path| fs::metadata(path).map(|metadata| metadata.ino().to_string()).unwrap_or_default();
        let mut named = Vec::new();
        if self.folder.get(NAMING, &mut named)?.is_some() && named == number(output).as_bytes() {
            return Ok(());
        }
        self.folder.put(NAMING, number(inside).as_bytes())?;
        self.folder.sync()?;
        give_name(inside, output, self.begin == Begin::Overwrite)
    }
}

impl Drop for StagedStore {
    fn drop(&mut self) {
        if !self.is_kept() {
            drop(self.lock.take());
            // Nobody has begun to count on it. A failure leaves a folder whose name says what it is.
            let _ = discard(&self.folder);
        }
    }
}

/// The journal is written to the end: a signal stops the work, and then what was done is entered.
fn bookkeeping(options: &StoreOptions) -> StoreOptions {
    StoreOptions { stop: Arc::default(), timeout: options.timeout.min(BOOKS_TIMEOUT), ..options.clone() }
}

/// `OUT.plan`, beside the output and never inside it.
fn folder_of(output: &Location) -> Result<Location, StoreError> {
    output.with_suffix(".plan")
}

/// What is at the output's place must be what the run was told of.
fn check_local(output: &Location, begin: Begin) -> Result<(), StoreError> {
    let Some(path) = output.local().filter(|path| path.symlink_metadata().is_ok()) else { return Ok(()) };
    match begin {
        Begin::InPlace => Ok(()),
        Begin::Overwrite if is_replaceable(path) => Ok(()),
        _ => Err(StoreError::Exists { place: output.to_string() }),
    }
}

/// What has the folder's name must be a folder of this kind, for it is going to be emptied.
fn check_folder(location: &Location) -> Result<(), StoreError> {
    let Some(path) = location.local() else { return Ok(()) };
    let ours = fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none()) || path.join(LOCK).exists();
    if ours { Ok(()) } else { Err(StoreError::Exists { place: location.to_string() }) }
}

/// Removes everything in a local folder but what is to be kept, by name.
fn empty(folder: &Store, keep: &dyn Fn(&str) -> bool) -> Result<(), StoreError> {
    let Location::Local(path) = folder.location() else { return Ok(()) };
    let failed = |error| write_failed(path, error);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_str().is_some_and(keep) {
            continue;
        }
        match entry.file_type().map_err(failed)?.is_dir() {
            true => fs::remove_dir_all(entry.path()).map_err(failed)?,
            false => fs::remove_file(entry.path()).map_err(failed)?,
        }
    }
    Ok(())
}

/// Takes the lock; says also whether this is the first to come, where the lock cannot say whether its owner lives. Locally,
/// a process that is gone has none, however it ended.
fn claim(folder: &Store, who: Claim, output: &Location) -> Result<(Option<File>, bool), StoreError> {
    let Location::Local(path) = folder.location() else {
        let name = format!("{} {}\n", rustix::system::uname().nodename().to_string_lossy(), std::process::id());
        return Ok((None, folder.put_new(LOCK, name.as_bytes())?));
    };
    if who == Claim::Nothing {
        return Ok((None, false));
    }
    let path = path.join(LOCK);
    let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
    let file = file.map_err(|error| write_failed(&path, error))?;
    let operation = match who {
        Claim::Alone => FlockOperation::NonBlockingLockExclusive,
        Claim::Shared | Claim::Nothing => FlockOperation::NonBlockingLockShared,
    };
    match flock(&file, operation) {
        Ok(()) => Ok((Some(file), true)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Busy { place: output.to_string() }),
        // Some file systems of clusters have no locks. A part that is done twice is done alike; an end is not.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP | rustix::io::Errno::NOLCK)
            if who == Claim::Shared =>
        {
            Ok((None, true))
        }
        Err(error) => Err(write_failed(&path, error.into())),
    }
}

/// Removes what an unfinished run left: its folder, and on an object store the objects that no metadata made a store of.
fn give_up(output: &Location, folder: &Store, options: &StoreOptions) -> Result<(), StoreError> {
    if let Location::Remote(_) = output {
        let objects = Store::create_at(output, options)?;
        for name in METADATA {
            if objects.stat(name)?.is_some() {
                return Err(StoreError::Exists { place: output.to_string() });
            }
        }
        discard_objects(folder, "journal")?;
        discard_objects(&objects, "")?;
    }
    discard(folder)
}

/// Removes a folder with all that is in it. The journal goes first, for it must not name what is gone; the plan goes last, so
/// that an interrupted removal can be continued.
fn discard(folder: &Store) -> Result<(), StoreError> {
    discard_objects(folder, "journal")?;
    match folder.location() {
        Location::Local(path) => {
            // Objects before the documents that say whose they are: without those, nobody puts what is left in any place.
            let objects = path.join(OBJECTS);
            if objects.exists() {
                fs::remove_dir_all(&objects).map_err(|error| write_failed(&objects, error))?;
            }
            empty(folder, &|name| !path.join(name).is_dir())?;
            // What is left is small. Without a plan, nobody asks what has been named.
            folder.delete(PLAN)?;
            fs::remove_dir_all(path).map_err(|error| write_failed(path, error))
        }
        Location::Remote(_) | Location::Zip(_) => {
            discard_objects(folder, "metadata")?;
            discard_objects(folder, "done")?;
            folder.delete(PLAN)?;
            discard_objects(folder, "")
        }
    }
}

/// Requests in parallel, to remove what is on an object store.
const REMOVALS: usize = 32;

fn discard_objects(store: &Store, prefix: &str) -> Result<(), StoreError> {
    let hands = if store.is_remote() { REMOVALS } else { 1 };
    let listing = Mutex::new(store.list(prefix)?);
    let next = || listing.lock().next();
    let remove = || std::iter::from_fn(next).try_for_each(|object| store.delete(&object?.key));
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..hands).map(|_| scope.spawn(remove)).collect();
        let mine = remove();
        others.into_iter().map(|hand| hand.join().unwrap_or(Ok(()))).fold(mine, Result::and)
    })
}

#[cfg(test)]
#[path = "staged_store_tests.rs"]
mod tests;
