//! A zip archive as a store that is only read.
//!
//! A key stands for a range of the archive (an entry that is stored as it is), for bytes that are made of one (a deflated
//! entry, inflated whole), or for nothing. The parser is our own: those of others hold every entry in some hundred bytes, or
//! want a file and not ranges, and what they take for damage is not ours to decide.

mod archive;
mod directory;
mod record;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use flate2::{Crc, Decompress, FlushDecompress, Status};
use parking_lot::Mutex;

use crate::location::ZipLocation;
use crate::remote::fnv1a;
use crate::{ByteRange, Entries, Listing, Object, Stat, StoreError, StoreOptions};
use archive::Archive;
use directory::{Builder, Directory, Entry};
use record::{Damage, End, LOCAL_BYTES, Method, damaged};

/// Bytes of the central directory that are read at a time.
const PIECE: u64 = 4 << 20;

/// A header is read together with what is wanted behind it, where so little lies between.
const NEAR: u64 = 16 * 1024;

/// Documents that make a directory a hierarchy.
const ROOTS: [&str; 4] = ["zarr.json", ".zgroup", ".zarray", ".zmetadata"];

/// How many inflated entries are kept: few enough to look through.
const KEPT_ENTRIES: usize = 64;

/// The share of the memory limit for inflated entries that are read again.
const KEPT_SHARE: u64 = 8;

pub struct ZipStore {
    archive: Archive,
    directory: Directory,
    /// The directory in the archive that is the store.
    root: String,
    place: String,
    /// The most bytes of one inflated entry.
    memory: u64,
    /// Extra bytes of the local header that was read last: the others have usually as many.
    usual_extra: AtomicU16,
    /// Offsets and bytes of inflated entries that parts were read of, the latest last.
    inflated: Mutex<Vec<(u64, Arc<Vec<u8>>)>>,
}

/// What a key stands for.
enum Resolved<'a> {
    /// A range of the archive.
    Range(&'a Entry),
    /// Bytes.
    Inline(&'a Entry),
}

impl ZipStore {
    pub fn open(location: &ZipLocation, options: &StoreOptions) -> Result<ZipStore, StoreError> {
        let place = location.archive().to_string();
        let archive = Archive::open(location.archive(), options)?;
        let directory = read_directory(&archive, &place)?;
        let root = match location.inner() {
            "" => find_root(&directory),
            inner => inner.to_owned(),
        };
        if !location.inner().is_empty() && directory.below(root.clone()).next().is_none() {
            return Err(StoreError::Absent { place: format!("{place}|zip:{root}") });
        }
        let (memory, usual_extra, inflated) = (options.memory, AtomicU16::new(0), Mutex::default());
        Ok(ZipStore { archive, directory, root, place, memory, usual_extra, inflated })
    }

    pub fn is_remote(&self) -> bool {
        self.archive.is_remote()
    }

    fn key(&self, key: &str) -> String {
        match (self.root.as_str(), key) {
            ("", key) => key.to_owned(),
            (root, "") => root.to_owned(),
            (root, key) => format!("{root}/{key}"),
        }
    }

    fn resolve(&self, key: &str) -> Result<Option<Resolved<'_>>, StoreError> {
        let Some(entry) = self.directory.find(key) else { return Ok(None) };
        match entry.method {
            Method::Stored => Ok(Some(Resolved::Range(entry))),
            Method::Deflated => Ok(Some(Resolved::Inline(entry))),
            Method::Encrypted => Err(self.wrong(key, "is encrypted, which is not supported")),
            Method::Unsupported => {
                Err(self.wrong(key, "is compressed by a method that is not supported: only stored and deflated are"))
            }
        }
    }

    fn wrong(&self, key: &str, what: &str) -> StoreError {
        StoreError::Archive { place: self.place.clone(), detail: damaged(key.as_bytes(), what) }
    }

    fn stat_of(&self, entry: &Entry) -> Stat {
        let identity = [self.archive.stat.tag, entry.offset, u64::from(entry.crc)].map(u64::to_le_bytes);
        Stat::new(entry.size, fnv1a(identity.as_flattened()))
    }

    pub fn stat(&self, key: &str) -> Option<Stat> {
        self.directory.find(&self.key(key)).map(|entry| self.stat_of(entry))
    }

    pub fn get(&self, key: &str, most: u64, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        let key = self.key(key);
        let entry = match self.resolve(&key)? {
            None => return Ok(None),
            Some(Resolved::Range(entry) | Resolved::Inline(entry)) if entry.size > most => {
                buffer.clear();
                entry
            }
            Some(Resolved::Range(entry)) => {
                let all = 0..entry.stored;
                self.read(&key, entry, &[all], buffer)?;
                self.check(&key, entry, buffer)?;
                entry
            }
            Some(Resolved::Inline(entry)) => {
                *buffer = self.inflate(&key, entry)?;
                entry
            }
        };
        Ok(Some(self.stat_of(entry)))
    }

    pub fn get_range(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        let Some(stat) = self.stat(key) else { return Ok(None) };
        let range = match range {
            ByteRange::At { start, len } => start..start.saturating_add(len),
            ByteRange::Last { len } => stat.size.saturating_sub(len)..stat.size,
        };
        self.get_ranges(key, &[range], buffer)
    }

    pub fn get_ranges(
        &self,
        key: &str,
        ranges: &[Range<u64>],
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Stat>, StoreError> {
        let key = self.key(key);
        let Some(resolved) = self.resolve(&key)? else { return Ok(None) };
        let (Resolved::Range(entry) | Resolved::Inline(entry)) = resolved;
        let clip = |range: &Range<u64>| {
            range.start.min(entry.size)..range.end.min(entry.size).max(range.start.min(entry.size))
        };
        let ranges: Vec<Range<u64>> = ranges.iter().map(clip).collect();
        match resolved {
            Resolved::Range(_) => self.read(&key, entry, &ranges, buffer)?,
            Resolved::Inline(_) => {
                let bytes = self.kept(&key, entry)?;
                buffer.clear();
                ranges
                    .iter()
                    .for_each(|range| buffer.extend_from_slice(&bytes[range.start as usize..range.end as usize]));
            }
        }
        Ok(Some(self.stat_of(entry)))
    }

    pub fn list(&self, prefix: &str) -> Listing<'_> {
        let inside = self.key(prefix);
        let skip = if self.root.is_empty() { 0 } else { self.root.len() + 1 };
        let object =
            move |(key, entry): (String, &Entry)| Object { key: key[skip..].to_owned(), stat: self.stat_of(entry) };
        Box::new(self.directory.below(inside).map(object).map(Ok))
    }

    pub fn entries(&self, prefix: &str) -> Entries {
        let inside = self.key(prefix);
        Entries { directories: self.directory.folders(&inside), files: self.directory.files(&inside) }
    }

    /// Reads ranges of the stored bytes of an entry, one behind the other. The first read of an entry also reads its local
    /// header, in the same request where the range is near: only that says where the bytes begin.
    fn read(&self, key: &str, entry: &Entry, ranges: &[Range<u64>], buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        let head = entry.offset + (LOCAL_BYTES + key.len()) as u64;
        let at = |extra: u16| {
            let data = head + u64::from(extra);
            ranges.iter().map(move |range| data + range.start..data + range.end)
        };
        if let Some(extra) = entry.extra() {
            return self.archive.read(&at(extra).collect::<Vec<_>>(), buffer);
        }
        let guess = self.usual_extra.load(Relaxed);
        let mut wanted: Vec<Range<u64>> = at(guess).collect();
        let near =
            ranges.first().filter(|range| range.start <= NEAR && self.is_remote()).map_or(0, |range| range.start);
        match wanted.first_mut().filter(|_| self.is_remote() && ranges[0].start <= NEAR) {
            Some(first) => first.start = entry.offset,
            None => wanted.insert(0, entry.offset..head + u64::from(guess)),
        }
        self.archive.read(&wanted, buffer)?;
        let header = buffer.get(..LOCAL_BYTES + key.len()).unwrap_or_default();
        let extra = record::local(header, key.as_bytes(), entry.method, entry.crc, entry.stored);
        let extra = extra.map_err(|what| self.wrong(key, &what))?;
        entry.learn_extra(extra);
        self.usual_extra.store(extra, Relaxed);
        if extra != guess {
            return self.archive.read(&at(extra).collect::<Vec<_>>(), buffer);
        }
        buffer.drain(..(LOCAL_BYTES + key.len() + usize::from(guess) + near as usize).min(buffer.len()));
        Ok(())
    }

    fn check(&self, key: &str, entry: &Entry, bytes: &[u8]) -> Result<(), StoreError> {
        let mut crc = Crc::new();
        crc.update(bytes);
        match bytes.len() as u64 == entry.size && crc.sum() == entry.crc {
            true => Ok(()),
            false => Err(self.wrong(key, "its bytes do not have the checksum of the central directory")),
        }
    }

    /// The bytes of an entry that parts are read of, several times.
    fn kept(&self, key: &str, entry: &Entry) -> Result<Arc<Vec<u8>>, StoreError> {
        let found =
            self.inflated.lock().iter().find(|(offset, _)| *offset == entry.offset).map(|(_, bytes)| bytes.clone());
        if let Some(bytes) = found {
            return Ok(bytes);
        }
        let bytes = Arc::new(self.inflate(key, entry)?);
        let mut kept = self.inflated.lock();
        kept.push((entry.offset, Arc::clone(&bytes)));
        if kept.len() > KEPT_ENTRIES {
            kept.remove(0);
        }
        let mut total: u64 = kept.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        while total > self.memory / KEPT_SHARE && !kept.is_empty() {
            total -= kept.remove(0).1.len() as u64;
        }
        Ok(bytes)
    }

    fn inflate(&self, key: &str, entry: &Entry) -> Result<Vec<u8>, StoreError> {
        let needed = entry.size.saturating_add(entry.stored);
        let room = Some(needed).filter(|needed| *needed <= self.memory).and_then(|_| usize::try_from(entry.size).ok());
        let refused = || {
            let (needed, limit) = (zwire::human_bytes(needed), zwire::human_bytes(self.memory));
            self.wrong(key, &format!("is compressed and needs {needed} of memory, which is limited to {limit}"))
        };
        let size = room.ok_or_else(refused)?;
        let (mut packed, mut bytes) = (Vec::new(), Vec::new());
        let all = 0..entry.stored;
        self.read(key, entry, &[all], &mut packed)?;
        // One more: too many bytes are not taken for the right number.
        bytes.try_reserve_exact(size + 1).map_err(|_| refused())?;
        let mut inflater = Decompress::new(false);
        let end = loop {
            let (read, made) = (inflater.total_in() as usize, bytes.len());
            match inflater.decompress_vec(&packed[read.min(packed.len())..], &mut bytes, FlushDecompress::Finish) {
                Ok(Status::StreamEnd) => break true,
                Ok(_) if inflater.total_in() as usize > read || bytes.len() > made => {}
                _ => break false,
            }
        };
        match end {
            true => self.check(key, entry, &bytes).map(|()| bytes),
            false => Err(self.wrong(key, "its compressed bytes are damaged")),
        }
    }
}

/// Reads the central directory once, piece by piece.
fn read_directory(archive: &Archive, place: &str) -> Result<Directory, StoreError> {
    let wrong = |detail: Damage| StoreError::Archive { place: place.to_owned(), detail };
    let end = End::find(archive.tail(), archive.stat.size).map_err(wrong)?;
    let mut builder = Builder::new(end.directory.start, end.base);
    let (mut at, mut held, mut piece, mut count) = (end.directory.start, Vec::new(), Vec::new(), 0_u64);
    while at < end.directory.end {
        let wanted = at..end.directory.end.min(at + PIECE);
        at = wanted.end;
        archive.read(&[wanted], &mut piece)?;
        held.extend_from_slice(&piece);
        let mut used = 0;
        while let Some((header, len)) = record::central(&held[used..]).map_err(wrong)? {
            builder.add(&header).map_err(wrong)?;
            (used, count) = (used + len, count + 1);
        }
        held.drain(..used);
        if held.len() > record::LONGEST_HEADER {
            return Err(wrong("the central directory is damaged: it goes on behind its last header".into()));
        }
    }
    let counted = if end.zip64 { count } else { count % (1 << 16) };
    if counted != end.entries {
        return Err(wrong(format!("the central directory is damaged: it has {count} of {} entries", end.entries)));
    }
    builder.finish().map_err(wrong)
}

/// The hierarchy is at the root of the archive, or it is its only directory that is one.
fn find_root(directory: &Directory) -> String {
    let is_root = |path: &str| {
        let key = |name: &&str| if path.is_empty() { (*name).to_owned() } else { format!("{path}/{name}") };
        ROOTS.iter().any(|name| directory.find(&key(name)).is_some())
    };
    if is_root("") {
        return String::new();
    }
    let mut found = directory.folders("");
    found.retain(|path| is_root(path));
    if found.len() == 1 { found.remove(0) } else { String::new() }
}
