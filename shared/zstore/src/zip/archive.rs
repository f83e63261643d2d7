//! The file that an archive is, read by ranges: on a disk, or behind a URL.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::local::file_stat;
use crate::remote::RemoteStore;
use crate::{Address, ByteRange, Location, Stat, StoreError, StoreOptions, read_failed};

/// Bytes read from the end at first: with most archives of one store that is more than the end record and its comment.
const TAIL: u64 = 128 * 1024;

/// An archive. All reads see the same version of it.
pub struct Archive {
    file: Source,
    pub stat: Stat,
    /// The last bytes, or all of them, which hold much that is read: the central directory, and often the metadata.
    tail: Vec<u8>,
}

enum Source {
    Local(PathBuf, File),
    Remote(Box<RemoteStore>),
}

impl Archive {
    pub fn open(location: &Location, options: &StoreOptions) -> Result<Archive, StoreError> {
        match location {
            Location::Local(path) => Archive::local(path.clone()),
            Location::Remote(address) => Archive::remote(address, options),
            Location::Zip(_) | Location::Generated(_) => Err(StoreError::Absent { place: location.to_string() }),
        }
    }

    fn local(path: PathBuf) -> Result<Archive, StoreError> {
        let file = File::open(&path).map_err(|error| read_failed(&path, error))?;
        let metadata = file.metadata().map_err(|error| read_failed(&path, error))?;
        let stat = file_stat(&metadata);
        let mut tail = vec![0; TAIL.min(stat.size) as usize];
        let start = stat.size - tail.len() as u64;
        file.read_exact_at(&mut tail, start).map_err(|error| read_failed(&path, error))?;
        Ok(Archive { file: Source::Local(path, file), stat, tail })
    }

    fn remote(address: &Address, options: &StoreOptions) -> Result<Archive, StoreError> {
        let store = RemoteStore::open(address, options)?;
        let mut tail = Vec::new();
        let stat = store.get_range("", ByteRange::Last { len: TAIL }, &mut tail)?;
        let mut stat = stat.ok_or_else(|| StoreError::Absent { place: address.to_string() })?;
        if store.ignores_ranges() {
            // Every read would fetch all of it: it is fetched once, and held.
            stat = store
                .get("", options.memory, &mut tail)?
                .ok_or_else(|| StoreError::Absent { place: address.to_string() })?;
        }
        Ok(Archive { file: Source::Remote(Box::new(store)), stat, tail })
    }

    /// The last bytes.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    pub fn is_remote(&self) -> bool {
        matches!(self.file, Source::Remote(_))
    }

    /// Reads ranges, one behind the other, into `buffer` (overwritten): over a network all at once. What lies beyond the end
    /// is left out.
    pub fn read(&self, ranges: &[Range<u64>], buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        let size = self.stat.size;
        let clip = |range: &Range<u64>| range.start.min(size)..range.end.clamp(range.start.min(size), size);
        let ranges: Vec<Range<u64>> = ranges.iter().map(clip).filter(|range| !range.is_empty()).collect();
        buffer.clear();
        let tail = size - self.tail.len() as u64;
        if ranges.iter().all(|range| range.start >= tail) {
            let held = |range: &Range<u64>| &self.tail[(range.start - tail) as usize..(range.end - tail) as usize];
            ranges.iter().for_each(|range| buffer.extend_from_slice(held(range)));
            return Ok(());
        }
        match &self.file {
            Source::Local(path, file) => {
                self.read_file(file, &ranges, buffer).map_err(|error| read_failed(path, error))
            }
            Source::Remote(store) => match store.get_ranges("", &ranges, buffer)? {
                Some(stat) if stat == self.stat => Ok(()),
                _ => Err(changed(store.place(""))),
            },
        }
    }

    fn read_file(&self, file: &File, ranges: &[Range<u64>], buffer: &mut Vec<u8>) -> io::Result<()> {
        if file_stat(&file.metadata()?) != self.stat {
            return Err(io::Error::other("changed while it was being read"));
        }
        for range in ranges {
            let (start, len) = (buffer.len(), (range.end - range.start) as usize);
            buffer.try_reserve_exact(len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
            buffer.resize(start + len, 0);
            file.read_exact_at(&mut buffer[start..], range.start)?;
        }
        Ok(())
    }
}

fn changed(place: String) -> StoreError {
    StoreError::Network { place, source: "changed while it was being read".into() }
}
