//! The cache: a directory with an entry for each store and selection.
//!
//! An entry is complete only when its marker is there, which is written last; it names the store that was fetched and the
//! metadata documents of the source with their tags. The same request finds it as long as these are unchanged. When they change,
//! the next version is fetched beside the old one, which readers may still have open.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use zarray::Pool;
use zstage::FileLock;
use zstore::{AtomicFile, Durability, Location, Replace, Store, create_directories, is_temporary, write_failed};
use zwire::{Exit, Failure};

/// The file that makes a directory a cache. Programs that make backups leave such directories out:
/// <https://bford.info/cachedir/>.
const STAMP: &str = "CACHEDIR.TAG";

/// Its content; the first line is the one of the convention.
const STAMP_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a cache of zfetch.\n";

/// The marker of an entry.
const MARKER: &str = "entry.json";

/// The lock of an entry.
const LOCK: &str = "lock";

/// Version of entries: others are not found.
const V: u32 = 1;

/// Characters of the readable part of a name.
const READABLE: usize = 80;

/// A directory of entries.
pub struct Cache {
    directory: PathBuf,
}

/// What was fetched for one request.
pub struct Entry {
    directory: PathBuf,
    /// Name of the store inside.
    name: String,
}

/// A metadata document of the source: its key, size and tag; neither if it is absent.
type Document = (String, Option<(u64, u64)>);

/// The marker of a complete entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    v: u32,
    /// The source, without credentials.
    pub store: String,
    /// What was selected.
    pub request: String,
    /// The metadata documents of the source as they were.
    documents: Vec<Document>,
    /// Number of the version.
    version: u64,
    /// Objects and stored bytes that were fetched, and objects that the source does not have.
    pub objects: u64,
    pub missing: u64,
    pub bytes: u64,
}

impl Cache {
    /// Opens a cache; a directory that is missing or empty becomes one.
    ///
    /// # Errors
    /// A directory with other things in it, and one that cannot be written.
    pub fn open(directory: &Path) -> Result<Cache, Failure> {
        let stamp = directory.join(STAMP);
        if !stamp.exists() {
            // Another process may be making it a cache at the same time.
            let is_stamp = |name: &str| name == STAMP || is_temporary(name);
            let is_free = fs::read_dir(directory).map_or(true, |mut entries| {
                entries.all(|entry| entry.is_ok_and(|entry| is_stamp(&entry.file_name().to_string_lossy())))
            });
            if !is_free {
                let failure = Failure::usage("the directory is not a cache of zfetch, and not empty");
                return Err(failure.at(directory.display()).hint("name another one with --cache"));
            }
            create_directories(directory).map_err(|error| write_failed(directory, error))?;
            write(&stamp, STAMP_TEXT.as_bytes())?;
        }
        let directory = directory.canonicalize().map_err(|error| write_failed(directory, error))?;
        Ok(Cache { directory })
    }

    /// The entry of a request: `readable` tells people what it is.
    pub fn entry(&self, source: &Location, request: &str, readable: &str) -> Entry {
        let key: String =
            Md5::digest(format!("{V}\n{source}\n{request}")).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let name = source.name().to_string_lossy().into_owned();
        let name = if name.is_empty() { "store.zarr".to_owned() } else { plain(&name) };
        let stem = name.trim_end_matches(".zarr");
        let readable: String = plain(&format!("{stem}{readable}")).chars().take(READABLE).collect();
        Entry { directory: self.directory.join(format!("{readable}-{key}")), name }
    }
}

impl Entry {
    /// Takes the lock of the entry, once no other process is fetching it.
    ///
    /// # Errors
    /// The system's, and a signal while waiting.
    pub fn lock(&self, waits: impl FnOnce(), stopped: impl Fn() -> bool) -> Result<FileLock, Failure> {
        create_directories(&self.directory).map_err(|error| write_failed(&self.directory, error))?;
        Ok(FileLock::wait(&self.directory.join(LOCK), waits, stopped)?)
    }

    /// The marker, if the entry is complete.
    pub fn marker(&self) -> Option<Marker> {
        let marker: Marker = serde_json::from_slice(&fs::read(self.directory.join(MARKER)).ok()?).ok()?;
        (marker.v == V && self.path(&marker).is_dir()).then_some(marker)
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
        let path = self.version(old.map_or(1, |old| old.version + 1));
        let above = path.parent().unwrap_or(&self.directory);
        create_directories(above).map_err(|error| write_failed(above, error))?;
        Ok(path)
    }

    /// Where the first version would go.
    pub fn planned(&self) -> PathBuf {
        self.version(1)
    }

    /// Marks the version after `old` as complete.
    ///
    /// # Errors
    /// The system's.
    pub fn complete(&self, old: Option<&Marker>, mut marker: Marker) -> Result<(), Failure> {
        marker.version = old.map_or(1, |old| old.version + 1);
        // A structure of numbers and strings always serialises.
        write(&self.directory.join(MARKER), &serde_json::to_vec_pretty(&marker).unwrap_or_default())
    }

    fn version(&self, number: u64) -> PathBuf {
        self.directory.join(number.to_string()).join(&self.name)
    }
}

impl Marker {
    /// A marker of what was fetched from `source` while its documents were these.
    pub fn new(
        source: &Location,
        request: &str,
        documents: Vec<Document>,
        [objects, missing, bytes]: [u64; 3],
    ) -> Marker {
        Marker {
            v: V,
            store: source.to_string(),
            request: request.to_owned(),
            documents,
            version: 0,
            objects,
            missing,
            bytes,
        }
    }

    /// Whether the documents of the source are as they were.
    ///
    /// # Errors
    /// The store's.
    pub fn is_current(&self, store: &Store, pool: &Pool) -> Result<bool, Failure> {
        let keys = self.documents.iter().map(|(key, _)| key.clone()).collect();
        Ok(documents(store, keys, pool)? == self.documents)
    }
}

/// Documents as they are now.
///
/// # Errors
/// The store's.
pub fn documents(store: &Store, keys: Vec<String>, pool: &Pool) -> Result<Vec<Document>, Failure> {
    let look = |key: String| -> Result<Document, Failure> {
        let stat = store.stat(&key)?;
        Ok((key, stat.map(|stat| (stat.size, stat.tag))))
    };
    pool.map(keys, look).into_iter().collect()
}

/// The default place: `$ZTOOLS_CACHE`, or `ztools` in the user's cache directory.
pub fn default_directory() -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    variable("ZTOOLS_CACHE").or_else(|| Some(user()?.join("ztools"))).ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no cache directory: neither ZTOOLS_CACHE nor HOME is set")
            .hint("use --cache DIR or --to DST")
    })
}

/// A name without characters that mean something to a shell.
fn plain(text: &str) -> String {
    let keeps = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '+' | '_' | '=');
    text.chars().map(|c| if keeps(c) { c } else { '_' }).collect()
}

fn write(path: &Path, text: &[u8]) -> Result<(), Failure> {
    let written = AtomicFile::create(path).and_then(|mut file| {
        file.write_all(text)?;
        file.publish(Replace::File, Durability::Full)
    });
    Ok(written.map_err(|error| write_failed(path, error))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &str) -> Location {
        Location::parse(text).expect("a location")
    }

    #[test]
    fn requests_have_entries_of_their_own_with_readable_names() {
        let directory = tempfile::tempdir().expect("directory");
        let cache = Cache::open(&directory.path().join("cache")).expect("opens");
        let name = |source: &str, request: &str| {
            let entry = cache.entry(&location(source), request, "_t2m_51.5_-0.1");
            entry.directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let one = name("s3://bucket/era5.zarr", "t2m");
        assert!(one.starts_with("era5_t2m_51.5_-0.1-") && one.len() == "era5_t2m_51.5_-0.1-".len() + 16, "{one}");
        assert_eq!(one, name("s3://bucket/era5.zarr", "t2m"));
        assert_ne!(one, name("s3://bucket/era5.zarr", "u10"));
        assert_ne!(one, name("s3://other/era5.zarr", "t2m"));
        assert!(name("s3://b/a b;$(c).zarr", "").starts_with("a_b___c__"));
    }

    #[test]
    fn an_entry_is_complete_with_its_marker_and_its_store() {
        let directory = tempfile::tempdir().expect("directory");
        let cache = Cache::open(directory.path()).expect("opens");
        let source = location("s3://bucket/era5.zarr");
        let entry = cache.entry(&source, "", "");
        let _lock = entry.lock(|| panic!("nobody holds it"), || false).expect("locks");
        let path = entry.next(None).expect("makes");
        assert!(path.ends_with("1/era5.zarr") && entry.marker().is_none());
        let marker = Marker::new(&source, "", vec![(".zmetadata".into(), Some((7, 1)))], [3, 1, 99]);
        entry.complete(None, marker).expect("marks");
        assert!(entry.marker().is_none(), "its store is not there");
        create_directories(&path).expect("makes");
        let marker = entry.marker().expect("is complete");
        assert_eq!((entry.path(&marker), marker.bytes), (path, 99));
        assert!(entry.next(Some(&marker)).expect("makes").ends_with("2/era5.zarr"));
    }

    #[test]
    fn a_directory_with_other_things_is_no_cache() {
        let directory = tempfile::tempdir().expect("directory");
        Cache::open(directory.path()).expect("it is empty");
        Cache::open(directory.path()).expect("it has its stamp");
        let other = tempfile::tempdir().expect("directory");
        AtomicFile::create(&other.path().join("thesis.tex"))
            .and_then(|file| file.publish(Replace::Never, Durability::Deferred))
            .expect("writes");
        assert!(Cache::open(other.path()).err().is_some_and(|failure| failure.to_string().contains("not a cache")));
    }
}
