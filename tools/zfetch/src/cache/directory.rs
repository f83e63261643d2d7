//! The directory of a cache: its stamp, and its entries.

use std::fs;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use zstore::{Location, create_directories, is_temporary, write_failed};
use zwire::{Exit, Failure};

use crate::cache::entry::Entry;
use crate::cache::file::write;
use crate::cache::marker::V;

/// The file that makes a directory a cache. Programs that make backups leave such directories out:
/// <https://bford.info/cachedir/>.
const STAMP: &str = "CACHEDIR.TAG";

/// Its content; the first line is the one of the convention.
const STAMP_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a cache of zfetch.\n";

/// Characters of the readable part of a name.
const READABLE: usize = 80;

/// A directory of entries.
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// Opens a cache; a directory that is missing or empty becomes one.
    ///
    /// # Errors
    /// A directory with other things in it, and one that cannot be written.
    pub fn open(directory: &Path) -> Result<Cache, Failure> {
        if !is_stamped(directory) {
            check_free(directory)?;
            create_directories(directory).map_err(|error| write_failed(directory, error))?;
            write(&directory.join(STAMP), STAMP_TEXT.as_bytes())?;
        }
        Cache::existing(directory)
    }

    /// The cache as [`Cache::open`] would open it; nothing is written.
    ///
    /// # Errors
    /// A directory with other things in it.
    pub fn planned(directory: &Path) -> Result<Cache, Failure> {
        if is_stamped(directory) {
            return Cache::existing(directory);
        }
        check_free(directory)?;
        let directory = std::path::absolute(directory).map_err(|error| write_failed(directory, error))?;
        Ok(Cache { directory })
    }

    /// Opens a cache that is there.
    ///
    /// # Errors
    /// [`Exit::Absent`] for a directory that is none.
    pub fn existing(directory: &Path) -> Result<Cache, Failure> {
        if !is_stamped(directory) {
            let failure = Failure::new(Exit::Absent, "no cache of zfetch").at(directory.display());
            return Err(failure.hint("name its directory with --cache"));
        }
        let directory = directory.canonicalize().map_err(|error| write_failed(directory, error))?;
        Ok(Cache { directory })
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The entry of a request: `readable` describes it in its name.
    pub fn entry(&self, source: &Location, request: &str, readable: &str) -> Entry {
        let key: String = Md5::digest(format!("{}\n{source}\n{request}", V))
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = source.name().to_string_lossy().into_owned();
        let name = if name.is_empty() { "store.zarr".to_owned() } else { plain(&name) };
        let stem = name.trim_end_matches(".zarr");
        let readable: String = plain(&format!("{stem}{readable}")).chars().take(READABLE).collect();
        Entry::new(self.directory.join(format!("{readable}-{key}")), name)
    }

    /// All entries, complete or not, by name.
    ///
    /// # Errors
    /// The system's.
    pub fn entries(&self) -> Result<Vec<Entry>, Failure> {
        let failed = |error| Failure::from(write_failed(&self.directory, error));
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            entries.extend(Entry::at(&path));
        }
        entries.sort_by(|a: &Entry, b: &Entry| a.name().cmp(b.name()));
        Ok(entries)
    }
}

/// Refuses a directory with other things in it.
fn check_free(directory: &Path) -> Result<(), Failure> {
    // Another process may be making it a cache at the same time.
    let is_stamp = |name: &str| name == STAMP || is_temporary(name);
    let is_free = fs::read_dir(directory).map_or(true, |mut entries| {
        entries.all(|entry| entry.is_ok_and(|entry| is_stamp(&entry.file_name().to_string_lossy())))
    });
    if is_free {
        return Ok(());
    }
    let failure = Failure::usage("the directory is not a cache of zfetch, and not empty");
    Err(failure.at(directory.display()).hint("name another one with --cache"))
}

fn is_stamped(directory: &Path) -> bool {
    directory.join(STAMP).exists()
}

/// The default place: `$ZTOOLS_CACHE`, or `ztools` in the user's cache directory.
///
/// # Errors
/// [`Exit::Usage`] if none of the variables is set.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::marker::Marker;

    fn location(text: &str) -> Location {
        Location::parse(text).expect("a location")
    }

    #[test]
    fn requests_have_entries_of_their_own_with_readable_names() {
        let directory = tempfile::tempdir().expect("directory");
        let cache = Cache::open(&directory.path().join("cache")).expect("opens");
        let name =
            |source: &str, request: &str| cache.entry(&location(source), request, "_t2m_51.5_-0.1").name().to_owned();
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
        let marker = Marker::new(&source, ("", &[]), vec![(".zmetadata".into(), Some((7, 1)))], [3, 1, 99]);
        entry.complete(None, marker).expect("marks");
        assert!(entry.marker().is_none(), "its store is not there");
        create_directories(&path).expect("makes");
        let marker = entry.marker().expect("is complete");
        assert_eq!((entry.path(&marker), marker.bytes), (path, 99));
        assert!(entry.next(Some(&marker)).expect("makes").ends_with("2/era5.zarr"));
        let found = cache.entries().expect("lists");
        assert_eq!(found.iter().map(Entry::name).collect::<Vec<_>>(), [entry.name()]);
        assert_eq!(found[0].marker(), entry.marker());
    }

    #[test]
    fn a_directory_with_other_things_is_no_cache() {
        let directory = tempfile::tempdir().expect("directory");
        assert_eq!(Cache::existing(directory.path()).err().map(|failure| failure.exit), Some(Exit::Absent));
        Cache::open(directory.path()).expect("it is empty");
        Cache::open(directory.path()).expect("it has its stamp");
        Cache::existing(directory.path()).expect("it has its stamp");
        let other = tempfile::tempdir().expect("directory");
        write(&other.path().join("thesis.tex"), b"").expect("writes");
        assert!(Cache::planned(other.path()).is_err());
        let planned = directory.path().join("planned");
        assert_eq!(Cache::planned(&planned).expect("is free").directory(), planned);
        assert!(!planned.exists(), "nothing is written");
        assert!(Cache::open(other.path()).err().is_some_and(|failure| failure.to_string().contains("not a cache")));
    }
}
