//! One entry of the cache: its files, its locks and its state.
//!
//! `NAME/` has `entry.json` (the marker), `lock` (held while it is fetched or evicted), `readers` (locked by readers; its time is
//! that of the last use), `pinned`, `disk_bytes` (what the store takes, once that was asked for), and for version N the store
//! `N/STORE` and its checksums, `checksums-N/`.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zstage::FileLock;
use zstore::{
    READERS, READERS_TEXT, create_directories, disk_usage, is_temporary, mark_in_use, remove_file, remove_tree,
    retire_directory, write_failed,
};
use zwire::{CacheEntryRecord, Failure};

use crate::cache::file::{hint, write};
use crate::cache::marker::{Marker, V};

/// The marker.
const MARKER: &str = "entry.json";

/// The version of the store, when it was marked, and the bytes that it takes on the disk.
const DISK_BYTES: &str = "disk_bytes";

/// Held by the process that fetches or evicts the entry.
const LOCK: &str = "lock";

/// There while the entry is pinned.
const PINNED: &str = "pinned";

/// What was fetched for one request.
pub struct Entry {
    directory: PathBuf,
    /// Name of the store inside.
    store: String,
}

impl Entry {
    /// An entry in this directory.
    pub fn new(directory: PathBuf, store: String) -> Entry {
        Entry { directory, store }
    }

    /// The entry in a directory of the cache; `None` for anything else, and for one that is being removed.
    pub fn at(directory: &Path) -> Option<Entry> {
        let name = directory.file_name()?.to_str()?;
        if name.starts_with('.') || !directory.join(LOCK).is_file() {
            return None;
        }
        let versions = fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let mut versions: Vec<PathBuf> = versions.filter(|path| number(path).is_some()).collect();
        versions.sort_by_key(|path| number(path));
        let name_in = |version: &PathBuf| {
            let names = fs::read_dir(version).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            // Until it is published, its name is known from the directory beside it.
            let names = names.filter(|name| !is_temporary(name));
            names.map(|name| name.strip_suffix(".plan").map_or(name.clone(), str::to_owned)).min()
        };
        let marked = read_marker(directory).map(|marker| marker.name).filter(|name| !name.is_empty());
        let store = marked.or_else(|| versions.iter().rev().find_map(name_in));
        Some(Entry::new(directory.to_owned(), store.unwrap_or_default()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.directory.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Whether `path` is the directory of the entry, or in it.
    pub fn contains(&self, path: &Path) -> bool {
        path.starts_with(&self.directory)
    }

    /// Takes the lock of the entry, once no other process is fetching it.
    ///
    /// # Errors
    /// The system's, and a signal while waiting.
    pub fn lock(&self, waits: impl FnOnce(), stopped: impl Fn() -> bool) -> Result<FileLock, Failure> {
        let lock = FileLock::wait(&self.directory.join(LOCK), waits, stopped)?;
        let readers = self.directory.join(READERS);
        if !readers.exists() {
            write(&readers, READERS_TEXT.as_bytes())?;
        }
        Ok(lock)
    }

    /// Marks the entry as in use until the file is dropped.
    pub fn mark_in_use(&self, marker: &Marker) -> Option<File> {
        mark_in_use(&self.path(marker))
    }

    /// The marker, if the entry is complete.
    pub fn marker(&self) -> Option<Marker> {
        read_marker(&self.directory).filter(|marker| self.path(marker).is_dir())
    }

    /// The store of an entry that was complete, if it is gone.
    pub fn lost_store(&self) -> Option<PathBuf> {
        read_marker(&self.directory).map(|marker| self.path(&marker)).filter(|path| !path.is_dir())
    }

    /// The store of a complete entry.
    pub fn path(&self, marker: &Marker) -> PathBuf {
        self.version(marker.version)
    }

    /// Where the next version goes: one that was begun and not completed is continued.
    ///
    /// # Errors
    /// The system's.
    pub fn next(&self, old: Option<&Marker>) -> Result<PathBuf, Failure> {
        let path = self.version(next(old));
        let above = path.parent().unwrap_or(&self.directory);
        create_directories(above).map_err(|error| write_failed(above, error))?;
        Ok(path)
    }

    /// Where the first version would go.
    pub fn planned(&self) -> PathBuf {
        self.version(1)
    }

    /// Where the journal of the version after `old` is kept.
    pub fn next_checksums(&self, old: Option<&Marker>) -> PathBuf {
        self.checksums_of(next(old))
    }

    /// The journal of a complete entry, if it was kept.
    pub fn checksums(&self, marker: &Marker) -> Option<PathBuf> {
        Some(self.checksums_of(marker.version)).filter(|path| path.is_dir())
    }

    /// Marks the version after `old` as complete.
    ///
    /// # Errors
    /// The system's.
    pub fn complete(&self, old: Option<&Marker>, mut marker: Marker) -> Result<(), Failure> {
        marker.version = next(old);
        marker.name.clone_from(&self.store);
        self.forget_disk_bytes()?;
        self.mark(&marker)
    }

    /// Writes the marker of a complete entry.
    ///
    /// # Errors
    /// The system's.
    pub fn mark(&self, marker: &Marker) -> Result<(), Failure> {
        // A structure of numbers and strings always serialises.
        write(&self.directory.join(MARKER), &serde_json::to_vec_pretty(marker).unwrap_or_default())
    }

    /// Whether it is never evicted.
    pub fn is_pinned(&self) -> bool {
        self.directory.join(PINNED).exists()
    }

    /// Pins it, or takes the pin away.
    ///
    /// # Errors
    /// The system's.
    pub fn pin(&self, pinned: bool) -> Result<(), Failure> {
        let path = self.directory.join(PINNED);
        match pinned {
            true => write(&path, b""),
            false => Ok(remove_file(&path).map_err(|error| write_failed(&path, error))?),
        }
    }

    /// When it was last used.
    pub fn last_used(&self) -> Option<SystemTime> {
        fs::metadata(self.directory.join(READERS)).ok()?.modified().ok()
    }

    /// Bytes on the disk. What is complete is counted once: that takes a look at every object.
    ///
    /// # Errors
    /// The system's.
    pub fn disk_bytes(&self) -> Result<u64, Failure> {
        let failed = |error| Failure::from(write_failed(&self.directory, error));
        let marker = self.marker();
        let mut sum = match &marker {
            Some(marker) => self.counted(marker).map_err(failed)?,
            None => 0,
        };
        let entries = match fs::read_dir(&self.directory) {
            // It was evicted in the meantime.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            other => other.map_err(failed)?,
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if marker.as_ref().is_none_or(|marker| number(&path) != Some(marker.version)) {
                sum += disk_usage(&path).map_err(failed)?;
            }
        }
        Ok(sum)
    }

    /// Bytes on the disk of the store of a complete entry, from the file of them if that was written for this marker.
    fn counted(&self, marker: &Marker) -> io::Result<u64> {
        let file = self.directory.join(DISK_BYTES);
        let of = format!("{} {} ", marker.version, self.marked_at());
        let known = fs::read_to_string(&file).unwrap_or_default();
        if let Some(bytes) = known.strip_prefix(&of).and_then(|bytes| bytes.parse().ok()) {
            return Ok(bytes);
        }
        let bytes = disk_usage(&self.path(marker))?;
        // Where it cannot be written, or the entry is evicted meanwhile, it is counted again.
        let _ = hint(&file, &format!("{of}{bytes}"));
        Ok(bytes)
    }

    /// When the marker was written, in nanoseconds: other versions that had the same number were marked at other times.
    fn marked_at(&self) -> u128 {
        let modified = fs::metadata(self.directory.join(MARKER)).and_then(|metadata| metadata.modified());
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
        modified.ok().and_then(since).map_or(0, |since| since.as_nanos())
    }

    /// What the store takes on the disk is counted again.
    ///
    /// # Errors
    /// The system's.
    pub fn forget_disk_bytes(&self) -> Result<(), Failure> {
        let path = self.directory.join(DISK_BYTES);
        Ok(remove_file(&path).map_err(|error| write_failed(&path, error))?)
    }

    /// Evicts it, unless it is pinned, or another process fetches or reads it. With `dry_run`, nothing is removed.
    ///
    /// # Errors
    /// The system's.
    pub fn evict(&self, dry_run: bool) -> Result<CacheEntryRecord, Failure> {
        let record = self.record()?;
        let reason = match () {
            () if record.pinned => Some("pinned"),
            () if dry_run => None,
            () => (!self.remove()?).then_some("in use"),
        };
        Ok(CacheEntryRecord { evicted: Some(reason.is_none()), reason: reason.map(str::to_owned), ..record })
    }

    /// Removes it, unless another process fetches or reads it. `false` if one does.
    fn remove(&self) -> Result<bool, Failure> {
        // Another process may have evicted it.
        if !self.directory.exists() {
            return Ok(true);
        }
        let Some(_fetching) = FileLock::attempt(&self.directory.join(LOCK))? else { return Ok(false) };
        let Some(_reading) = FileLock::attempt(&self.directory.join(READERS))? else { return Ok(false) };
        retire_directory(&self.directory).map_err(|error| write_failed(&self.directory, error))?;
        Ok(true)
    }

    /// Removes an entry in which nothing is; the caller holds its lock.
    ///
    /// # Errors
    /// The system's.
    pub fn discard(&self) -> Result<(), Failure> {
        Ok(retire_directory(&self.directory).map_err(|error| write_failed(&self.directory, error))?)
    }

    /// Whether the version after `old` was begun and is not complete.
    pub fn is_begun(&self, old: Option<&Marker>) -> bool {
        let mut name = self.version(next(old)).into_os_string();
        name.push(".plan");
        Path::new(&name).exists()
    }

    /// Removes all versions but the one of the marker and the one before it, which readers may still have open, unless the entry is in
    /// use.
    ///
    /// # Errors
    /// The system's.
    pub fn remove_older(&self) -> Result<(), Failure> {
        let failed = |error| Failure::from(write_failed(&self.directory, error));
        let Some(marker) = self.marker() else { return Ok(()) };
        let Some(_reading) = FileLock::attempt(&self.directory.join(READERS))? else { return Ok(()) };
        for version in (1..marker.version.saturating_sub(1))
            .rev()
            .take_while(|version| self.directory.join(version.to_string()).exists())
        {
            retire_directory(&self.directory.join(version.to_string())).map_err(failed)?;
            remove_tree(&self.checksums_of(version)).map_err(failed)?;
        }
        Ok(())
    }

    /// What is known of it.
    ///
    /// # Errors
    /// The system's.
    pub fn record(&self) -> Result<CacheEntryRecord, Failure> {
        let marker = self.marker();
        Ok(CacheEntryRecord {
            name: self.name().to_owned(),
            store: marker.as_ref().map(|marker| marker.store.clone()),
            path: marker.as_ref().map(|marker| self.path(marker).display().to_string()),
            complete: marker.as_ref().is_some_and(Marker::is_sound),
            reason: marker.as_ref().and_then(Marker::problem),
            pinned: self.is_pinned(),
            objects: marker.as_ref().map(|marker| marker.objects),
            disk_bytes: self.disk_bytes()?,
            last_used: self.last_used().map(iso),
            ..CacheEntryRecord::default()
        })
    }

    fn version(&self, number: u64) -> PathBuf {
        self.directory.join(number.to_string()).join(&self.store)
    }

    fn checksums_of(&self, version: u64) -> PathBuf {
        self.directory.join(format!("checksums-{version}"))
    }
}

/// The marker in the directory of an entry.
fn read_marker(directory: &Path) -> Option<Marker> {
    let marker: Marker = serde_json::from_slice(&fs::read(directory.join(MARKER)).ok()?).ok()?;
    (marker.v == V).then_some(marker)
}

/// Number of the version after `old`.
fn next(old: Option<&Marker>) -> u64 {
    old.map_or(1, |old| old.version + 1)
}

/// The number of a version, of its directory.
fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.parse().ok()
}

/// A time as the other tools print it, to the second.
fn iso(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut text = String::new();
    zcoord::format_iso(i64::try_from(seconds).unwrap_or(0) * 1_000_000, zcoord::Calendar::Standard, &mut text);
    text
}
