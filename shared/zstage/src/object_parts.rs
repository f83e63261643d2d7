//! One large object: which of its parts have arrived, which are missing, and their checksums.

use std::collections::VecDeque;
use std::ops::DerefMut;

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use zcodec::{crc32c, crc32c_append};
use zstore::{ByteRange, PartialObject, Stat, Store, StoreError};
use zwire::{Exit, Failure};

/// Bytes of a part, which is one request.
pub const PART: u64 = 4 << 20;

/// Parts of the largest object that is continued.
const MOST_PARTS: u64 = 1 << 22;

/// Bytes that are read back at a time.
const PIECE: u64 = 256 << 10;

/// An object that arrives in parts.
pub struct ObjectParts {
    /// Index of its store.
    pub store: usize,
    key: String,
    /// What all parts are of.
    pub stat: Stat,
    part_bytes: u64,
    pub file: PartialObject,
    state: Mutex<State>,
    /// Notified when a part has arrived, or none will.
    arrived: Condvar,
}

struct State {
    missing: VecDeque<usize>,
    in_flight: usize,
    sums: Vec<Option<Sum>>,
    end: Option<End>,
}

/// The checksum of a part that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    pub crc32c: u32,
    /// Whether an earlier run has noted it.
    pub is_noted: bool,
}

/// Why no more parts are fetched.
enum End {
    Changed,
    Failed(Failure),
    Closed,
}

/// What the owner of the object does next.
pub enum Step {
    /// The part is there, with this checksum.
    Check(Sum),
    /// The part is missing, or is fetched by another worker.
    Fetch,
    /// The object has changed.
    Changed,
}

/// The first note: of what the parts are.
#[derive(Serialize, Deserialize)]
struct Header {
    size: u64,
    tag: u64,
    part_bytes: u64,
}

/// The note on a part.
#[derive(Serialize, Deserialize)]
struct Note {
    part: usize,
    crc32c: u32,
}

impl ObjectParts {
    /// An object of which nothing is there.
    ///
    /// # Errors
    /// [`Exit::Output`].
    pub fn begin(store: usize, key: &str, stat: Stat, file: PartialObject) -> Result<ObjectParts, Failure> {
        file.clear()?;
        file.note(&line(&Header { size: stat.size, tag: stat.tag, part_bytes: PART })?)?;
        Ok(ObjectParts::new(store, key, stat, PART, file, Vec::new()))
    }

    /// An object of which an earlier run has left parts; `None` if it has left no note.
    ///
    /// # Errors
    /// [`Exit::Output`].
    pub fn left(store: usize, key: &str, file: PartialObject) -> Result<Option<ObjectParts>, Failure> {
        let notes = file.notes()?;
        let mut lines = notes.split(|byte| *byte == b'\n');
        let header = lines.next().and_then(|line| serde_json::from_slice::<Header>(line).ok());
        // Another version may have had other parts, and a damaged note may claim any size.
        let is_ours = |header: &Header| header.part_bytes == PART && header.size / PART < MOST_PARTS;
        let Some(header) = header.filter(is_ours) else { return Ok(None) };
        let stat = Stat::new(header.size, header.tag);
        // A line that was cut off is no note; of two notes on a part, the later one is on what is there.
        let noted = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
        Ok(Some(ObjectParts::new(store, key, stat, header.part_bytes, file, noted)))
    }

    fn new(store: usize, key: &str, stat: Stat, part_bytes: u64, file: PartialObject, noted: Vec<Note>) -> ObjectParts {
        let mut sums = vec![None; zcodec::to_usize(stat.size.div_ceil(part_bytes))];
        for Note { part, crc32c } in noted {
            if let Some(sum) = sums.get_mut(part) {
                *sum = Some(Sum { crc32c, is_noted: true });
            }
        }
        let missing = (0..sums.len()).filter(|part| sums[*part].is_none()).collect();
        let state = Mutex::new(State { missing, in_flight: 0, sums, end: None });
        ObjectParts { store, key: key.to_owned(), stat, part_bytes, file, state, arrived: Condvar::new() }
    }

    /// Number of parts.
    pub fn count(&self) -> usize {
        zcodec::to_usize(self.stat.size.div_ceil(self.part_bytes))
    }

    /// Offset and length of a part.
    fn range(&self, part: usize) -> (u64, u64) {
        let start = part as u64 * self.part_bytes;
        (start, self.part_bytes.min(self.stat.size - start))
    }

    /// Whether there is a part that nobody fetches.
    pub fn are_missing(&self) -> bool {
        let state = self.state.lock();
        state.end.is_none() && !state.missing.is_empty()
    }

    /// Enters the first bytes of the object, which are some whole parts.
    ///
    /// # Errors
    /// [`Exit::Output`].
    pub fn enter(&self, bytes: &[u8]) -> Result<(), Failure> {
        for (part, bytes) in bytes.chunks_exact(zcodec::to_usize(self.part_bytes)).enumerate() {
            let sum = self.write(part, bytes)?;
            let mut state = self.state.lock();
            state.missing.retain(|missing| *missing != part);
            state.sums[part] = Some(sum);
        }
        Ok(())
    }

    /// Length of a part.
    pub fn len(&self, part: usize) -> usize {
        zcodec::to_usize(self.range(part).1)
    }

    fn write(&self, part: usize, bytes: &[u8]) -> Result<Sum, Failure> {
        let crc32c = crc32c(bytes);
        self.file.write_at(bytes, self.range(part).0)?;
        self.file.note(&line(&Note { part, crc32c })?)?;
        Ok(Sum { crc32c, is_noted: false })
    }

    /// Fetches one of the missing parts, in order; `false` if there is none.
    pub fn fetch_one<B: DerefMut<Target = Vec<u8>>>(&self, store: &Store, buffer: impl FnOnce() -> B) -> bool {
        // The buffer comes first: parts begin in order.
        let mut buffer = buffer();
        let Some(part) = self.take() else { return false };
        let fetched = self.fetch(part, store, &mut buffer);
        let mut state = self.state.lock();
        state.in_flight -= 1;
        match fetched {
            Ok(Some(sum)) => state.sums[part] = Some(sum),
            Ok(None) => state.end = Some(End::Changed),
            Err(failure) => drop(state.end.get_or_insert(End::Failed(failure))),
        }
        self.arrived.notify_all();
        true
    }

    fn take(&self) -> Option<usize> {
        let mut state = self.state.lock();
        let part = if state.end.is_none() { state.missing.pop_front() } else { None };
        state.in_flight += usize::from(part.is_some());
        part
    }

    /// Fetches a part; `None` if the object has changed.
    fn fetch(&self, part: usize, store: &Store, buffer: &mut Vec<u8>) -> Result<Option<Sum>, Failure> {
        let (start, len) = self.range(part);
        let stat = match store.get_range(&self.key, ByteRange::At { start, len }, buffer) {
            Err(StoreError::Changed { .. }) => return Ok(None),
            read => read?,
        };
        if stat != Some(self.stat) {
            return Ok(None);
        }
        if buffer.len() as u64 != len {
            let text = format!("the body has {} of {len} bytes", buffer.len());
            return Err(StoreError::Network { place: store.place(&self.key), source: text.into() }.into());
        }
        self.write(part, buffer).map(Some)
    }

    /// What the owner does next, once `part` is there; waits if others fetch the last parts.
    ///
    /// # Errors
    /// Why a part cannot be fetched.
    pub fn step(&self, part: usize) -> Result<Step, Failure> {
        let mut state = self.state.lock();
        loop {
            match (&state.end, state.sums[part]) {
                (Some(End::Failed(_)), _) => {
                    let Some(End::Failed(failure)) = state.end.replace(End::Closed) else { return Ok(Step::Changed) };
                    return Err(failure);
                }
                (Some(_), _) => return Ok(Step::Changed),
                (None, Some(sum)) => return Ok(Step::Check(sum)),
                (None, None) if state.missing.is_empty() => self.arrived.wait(&mut state),
                (None, None) => return Ok(Step::Fetch),
            }
        }
    }

    /// Reads a part back piece by piece and returns its checksum.
    ///
    /// # Errors
    /// What the file system says; a file that ends before.
    pub fn read(&self, part: usize, buffer: &mut Vec<u8>, mut see: impl FnMut(&[u8])) -> Result<u32, Failure> {
        let (start, len) = self.range(part);
        let mut sum = 0;
        for at in (0..len).step_by(zcodec::to_usize(PIECE)) {
            buffer.resize(zcodec::to_usize(PIECE.min(len - at)), 0);
            self.file.read_at(buffer, start + at)?;
            sum = crc32c_append(sum, buffer);
            see(buffer);
        }
        Ok(sum)
    }

    /// A part that an earlier run noted is not in the file.
    pub fn lose(&self, part: usize) {
        let mut state = self.state.lock();
        state.sums[part] = None;
        state.missing.push_front(part);
    }

    /// Waits until nobody fetches a part any more; none is fetched from then on.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.end.get_or_insert(End::Closed);
        while state.in_flight > 0 {
            self.arrived.wait(&mut state);
        }
    }
}

fn line(note: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut line = serde_json::to_vec(note).map_err(|error| Failure::new(Exit::Output, error.to_string()))?;
    line.push(b'\n');
    Ok(line)
}
