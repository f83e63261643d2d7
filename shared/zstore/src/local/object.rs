//! An open local file.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::{ByteRange, Stat, StoreError, read_failed};

/// An open local file.
pub struct LocalObject {
    file: File,
    stat: Stat,
    path: PathBuf,
}

impl LocalObject {
    pub(crate) fn new(file: File, stat: Stat, path: PathBuf) -> LocalObject {
        LocalObject { file, stat, path }
    }

    /// Size and tag when it was opened.
    pub fn stat(&self) -> Stat {
        self.stat
    }

    /// Fills `target` from byte `start` on.
    ///
    /// # Errors
    /// [`StoreError`] from the file system, and if the file ends before.
    pub fn read_at(&self, target: &mut [u8], start: u64) -> Result<(), StoreError> {
        self.file.read_exact_at(target, start).map_err(|error| read_failed(&self.path, error))
    }

    /// Reads all of it into `buffer`, if that is no more than `most` bytes.
    pub(crate) fn get(&self, most: u64, buffer: &mut Vec<u8>) -> Result<Stat, StoreError> {
        if self.stat.size > most {
            buffer.clear();
            return Ok(self.stat);
        }
        self.get_range(ByteRange::At { start: 0, len: self.stat.size }, buffer)
    }

    pub(crate) fn get_range(&self, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Stat, StoreError> {
        let size = self.stat.size;
        let (start, len) = match range {
            ByteRange::At { start, len } => (start.min(size), len.min(size.saturating_sub(start))),
            ByteRange::Last { len } => (size.saturating_sub(len), len.min(size)),
        };
        let target = self.room(buffer, len)?;
        self.read_at(target, start)?;
        Ok(self.stat)
    }

    pub(crate) fn get_ranges(&self, ranges: &[Range<u64>], buffer: &mut Vec<u8>) -> Result<Stat, StoreError> {
        let len = |range: &Range<u64>| range.end.min(self.stat.size).saturating_sub(range.start);
        let mut target = self.room(buffer, ranges.iter().map(len).sum())?;
        for range in ranges {
            let (part, rest) = target.split_at_mut(len(range) as usize);
            self.read_at(part, range.start)?;
            target = rest;
        }
        Ok(self.stat)
    }

    /// Makes `buffer` as long as the bytes to be read. Old content is not cleared, since it is overwritten.
    fn room<'b>(&self, buffer: &'b mut Vec<u8>, len: u64) -> Result<&'b mut [u8], StoreError> {
        let len = usize::try_from(len).ok();
        let room = len.filter(|len| buffer.try_reserve_exact(len.saturating_sub(buffer.len())).is_ok());
        let room = room.ok_or_else(|| read_failed(&self.path, ErrorKind::OutOfMemory.into()))?;
        buffer.resize(room, 0);
        Ok(buffer)
    }
}
