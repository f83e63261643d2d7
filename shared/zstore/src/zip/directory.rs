//! The central directory, held compactly: about 50 bytes for each entry, 10⁷ of them among others.
//!
//! Entries are sorted by directory and name. The path of a directory is held once for all of its entries, and the names lie in
//! one piece of memory.

use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use super::record::{Damage, Header, LOCAL_BYTES, Method, damaged};
use crate::object::is_key;

/// The length of the local extra field is not known before the local header has been read.
const UNKNOWN: u16 = u16::MAX;

/// An object in the archive.
pub struct Entry {
    /// Of the local header, in the file.
    pub offset: u64,
    /// Bytes in the archive.
    pub stored: u64,
    /// Bytes of the object.
    pub size: u64,
    pub crc: u32,
    /// Of its name in [`Directory::names`].
    name: u32,
    /// Number of its directory.
    folder: u32,
    extra: AtomicU16,
    pub method: Method,
}

impl Entry {
    /// The length of the extra field of its local header, once it has been read.
    pub fn extra(&self) -> Option<u16> {
        Some(self.extra.load(Relaxed)).filter(|extra| *extra != UNKNOWN)
    }

    pub fn learn_extra(&self, extra: u16) {
        self.extra.store(extra, Relaxed);
    }
}

struct Folder {
    /// Of its path in [`Directory::paths`].
    path: u32,
    /// Number of its first entry.
    first: u32,
}

/// All entries.
#[derive(Default)]
pub struct Directory {
    folders: Vec<Folder>,
    paths: Names,
    entries: Vec<Entry>,
    names: Names,
}

/// Many short texts, each behind its length.
#[derive(Default)]
struct Names(Vec<u8>);

impl Names {
    /// Adds a text of at most 2¹⁶ bytes; nothing where there is no more room.
    fn add(&mut self, text: &[u8]) -> Option<u32> {
        let (at, len) = (u32::try_from(self.0.len()).ok()?, u16::try_from(text.len()).ok()?);
        self.0.extend_from_slice(&len.to_le_bytes());
        self.0.extend_from_slice(text);
        Some(at)
    }

    fn get(&self, at: u32) -> &[u8] {
        let at = at as usize;
        let len = usize::from(u16::from_le_bytes([self.0[at], self.0[at + 1]]));
        &self.0[at + 2..at + 2 + len]
    }
}

/// Takes in the headers one by one, in any order.
pub struct Builder {
    directory: Directory,
    /// Where the headers are, which no entry may reach.
    limit: u64,
    base: u64,
    /// End of the last entry, while each has begun behind the one before.
    in_order: Option<u64>,
}

impl Builder {
    pub fn new(limit: u64, base: u64) -> Builder {
        Builder { directory: Directory::default(), limit, base, in_order: Some(0) }
    }

    pub fn add(&mut self, header: &Header) -> Result<(), Damage> {
        let name = header.name;
        let wrong = |what: &str| damaged(name, what);
        let offset = self.base.checked_add(header.offset);
        let end = offset.and_then(|offset| offset.checked_add(LOCAL_BYTES as u64 + name.len() as u64));
        let end = end.and_then(|end| end.checked_add(header.stored)).filter(|end| *end <= self.limit);
        let (Some(offset), Some(end)) = (offset, end) else {
            return Err(wrong("it reaches into the central directory or beyond the archive"));
        };
        self.in_order = self.in_order.filter(|last| offset >= *last).map(|_| end);
        check_name(name).map_err(wrong)?;
        match name.strip_suffix(b"/") {
            // A directory says nothing that its entries do not.
            Some(_) => Ok(()),
            None => self.directory.add(header, offset).ok_or_else(|| "has too many entries".to_owned()),
        }
    }

    pub fn finish(self) -> Result<Directory, Damage> {
        let mut directory = self.directory;
        if self.in_order.is_none() {
            directory.check_overlaps()?;
        }
        directory.sort();
        Ok(directory)
    }
}

/// Names that are keys, and cannot lead anywhere else. Entries without one are damage, or an attack.
fn check_name(name: &[u8]) -> Result<(), &'static str> {
    let text = String::from_utf8_lossy(name);
    match text.strip_suffix('/').unwrap_or(&text) {
        path if path.starts_with('/') => Err("its name is an absolute path"),
        path if path.split('/').any(|part| part == "..") => Err("its name leads out of the archive"),
        path if path.contains(['\\', '\0']) => Err("its name has a backslash or a zero byte"),
        path if !is_key(path) => Err("its name has empty parts or dots"),
        _ => Ok(()),
    }
}

/// Directory and name of a key.
fn split(key: &[u8]) -> (&[u8], &[u8]) {
    match key.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&key[..at], &key[at + 1..]),
        None => (&[], key),
    }
}

impl Directory {
    fn add(&mut self, header: &Header, offset: u64) -> Option<()> {
        let (path, name) = split(header.name);
        // Neighbours are usually in one directory. Where they are not, it is held twice until the end.
        if self.folders.last().is_none_or(|folder| self.paths.get(folder.path) != path) {
            self.folders.push(Folder { path: self.paths.add(path)?, first: 0 });
        }
        let folder = u32::try_from(self.folders.len() - 1).ok()?;
        u32::try_from(self.entries.len() + 1).ok()?;
        let Header { method, crc, stored, size, .. } = *header;
        let (name, extra) = (self.names.add(name)?, AtomicU16::new(UNKNOWN));
        self.entries.push(Entry { offset, stored, size, crc, name, folder, extra, method });
        Some(())
    }

    /// Entries that share bytes make a small file expand without end.
    fn check_overlaps(&self) -> Result<(), Damage> {
        let mut order: Vec<u32> = (0..self.entries.len() as u32).collect();
        let entry = |number: &u32| &self.entries[*number as usize];
        order.sort_unstable_by_key(|number| entry(number).offset);
        let overlap = order.windows(2).map(|pair| (entry(&pair[0]), entry(&pair[1]))).find(|(one, next)| {
            let head = (LOCAL_BYTES + self.key(one).len()) as u64;
            one.offset + head + one.stored > next.offset
        });
        match overlap {
            Some((_, entry)) => Err(damaged(&self.key(entry), "it overlaps another")),
            None => Ok(()),
        }
    }

    /// Directory and name of an entry.
    fn key(&self, entry: &Entry) -> Vec<u8> {
        let (path, name) = (self.paths.get(self.folders[entry.folder as usize].path), self.names.get(entry.name));
        if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
    }

    fn sort(&mut self) {
        let runs = std::mem::take(&mut self.folders);
        let old_paths = std::mem::take(&mut self.paths);
        let mut order: Vec<u32> = (0..runs.len() as u32).collect();
        let path = |run: u32| old_paths.get(runs[run as usize].path);
        order.sort_unstable_by_key(|run| path(*run));
        let mut numbers = vec![0_u32; runs.len()];
        for run in order {
            if self.folders.last().is_none_or(|folder| self.paths.get(folder.path) != path(run)) {
                // There are fewer than before, so there is room.
                let Some(path) = self.paths.add(path(run)) else { continue };
                self.folders.push(Folder { path, first: 0 });
            }
            numbers[run as usize] = self.folders.len() as u32 - 1;
        }
        drop((runs, old_paths));
        for entry in &mut self.entries {
            entry.folder = numbers[entry.folder as usize];
        }
        let names = &self.names;
        // Of entries with one name the last counts, as for every program that writes an object again by adding it.
        let order = |entry: &Entry| (entry.folder, names.get(entry.name), std::cmp::Reverse(entry.name));
        self.entries.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        self.entries.dedup_by(|one, kept| one.folder == kept.folder && names.get(one.name) == names.get(kept.name));
        self.entries.shrink_to_fit();
        for (number, entry) in self.entries.iter().enumerate().rev() {
            self.folders[entry.folder as usize].first = number as u32;
        }
    }

    /// The entry of a key.
    pub fn find(&self, key: &str) -> Option<&Entry> {
        let (path, name) = split(key.as_bytes());
        let folder = self.folders.binary_search_by(|folder| self.paths.get(folder.path).cmp(path)).ok()?;
        let entries = &self.entries[self.of_folder(folder)];
        let found = entries.binary_search_by(|entry| self.names.get(entry.name).cmp(name)).ok()?;
        Some(&entries[found])
    }

    fn of_folder(&self, folder: usize) -> Range<usize> {
        let end = self.folders.get(folder + 1).map_or(self.entries.len(), |next| next.first as usize);
        self.folders[folder].first as usize..end
    }

    /// Numbers of the directories whose paths start with some bytes, which lie together.
    fn starting_with(&self, start: &[u8]) -> Range<usize> {
        let from = self.folders.partition_point(|folder| self.paths.get(folder.path) < start);
        let more = &self.folders[from..];
        from..from + more.partition_point(|folder| self.paths.get(folder.path).starts_with(start))
    }

    /// Every entry below a directory (empty: all), with its key.
    pub fn below(&self, path: String) -> impl Iterator<Item = (String, &Entry)> {
        let folders = self.starting_with(path.as_bytes());
        let inside = move |folder: &usize| {
            let rest = self.paths.get(self.folders[*folder].path).strip_prefix(path.as_bytes());
            rest.is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
        };
        folders.filter(inside).flat_map(move |folder| {
            let entries = &self.entries[self.of_folder(folder)];
            entries.iter().map(|entry| (String::from_utf8_lossy(&self.key(entry)).into_owned(), entry))
        })
    }

    /// Names of the entries right in a directory.
    pub fn files(&self, path: &str) -> Vec<String> {
        let folder = self.folders.binary_search_by(|folder| self.paths.get(folder.path).cmp(path.as_bytes()));
        let entries = folder.map_or(&[][..], |folder| &self.entries[self.of_folder(folder)]);
        entries.iter().map(|entry| String::from_utf8_lossy(self.names.get(entry.name)).into_owned()).collect()
    }

    /// Names of the directories right in a directory, sorted.
    pub fn folders(&self, path: &str) -> Vec<String> {
        let start = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut range = self.starting_with(start.as_bytes());
        while let Some(folder) = range.next() {
            let path = self.paths.get(self.folders[folder].path);
            let rest = &path[start.len()..];
            let name = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            names.push(name.to_vec());
            if name.len() < rest.len() {
                // All others of that name lie behind, together.
                range.start = self.starting_with(&path[..start.len() + name.len() + 1]).end;
            }
        }
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| String::from_utf8_lossy(&name).into_owned()).collect()
    }

    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.folders.capacity() * size_of::<Folder>()
            + self.names.0.capacity()
            + self.paths.0.capacity()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn header(name: &str, offset: u64) -> Header<'_> {
        Header { name: name.as_bytes(), method: Method::Stored, crc: 0, stored: 10, size: 10, offset }
    }

    fn directory(names: &[&str]) -> Directory {
        let mut builder = Builder::new(u64::MAX, 0);
        for (number, name) in names.iter().enumerate() {
            builder.add(&header(name, number as u64 * 1000)).expect(name);
        }
        builder.finish().expect("no overlap")
    }

    #[test]
    fn directories_follow_from_names() {
        let names = ["b/y", "a", "a-b/x", "b/c/d/e", "ab/x", "b/y/", "b-c", "b/c-d/z", "b/c/d/f"];
        let directory = directory(&names);
        assert_eq!(directory.folders(""), ["a-b", "ab", "b"]);
        assert_eq!(directory.files(""), ["a", "b-c"]);
        assert_eq!(directory.folders("b"), ["c", "c-d"]);
        assert_eq!(directory.folders("b/c"), ["d"]);
        assert_eq!(directory.files("b/c/d"), ["e", "f"]);
        let below = |path: &str| directory.below(path.into()).map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(below("b"), ["b/y", "b/c-d/z", "b/c/d/e", "b/c/d/f"].map(String::from).to_vec());
        assert_eq!(below("").len(), 8);
        assert!(names.iter().filter(|name| !name.ends_with('/')).all(|name| directory.find(name).is_some()));
        assert!(["b", "b/c", "c", "", "b/y/"].iter().all(|name| directory.find(name).is_none()));
    }

    /// In any order, and with a directory for each few entries.
    #[test]
    fn many_entries_take_little_memory_and_time() {
        const ENTRIES: u64 = 200_000;
        let started = Instant::now();
        let mut builder = Builder::new(u64::MAX, 0);
        for number in 0..ENTRIES {
            let number = number * 7919 % ENTRIES;
            builder.add(&header(&format!("t2m/c/{}/{}", number / 8, number % 8), number * 100)).expect("a name");
        }
        let directory = builder.finish().expect("no overlap");
        let each = directory.bytes() as u64 / ENTRIES;
        assert!(each <= 64, "{each} bytes an entry");
        assert!((0..ENTRIES).all(|number| {
            directory
                .find(&format!("t2m/c/{}/{}", number / 8, number % 8))
                .is_some_and(|entry| entry.offset == number * 100)
        }));
        assert_eq!(directory.folders("t2m/c").len() as u64, ENTRIES / 8);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
