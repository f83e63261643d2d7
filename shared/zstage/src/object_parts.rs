//! One large object: which of its parts have arrived, which are missing, and their checksums.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use zcodec::crc32c_append;
use zstore::{Part, PartialObject, Sink, Stat, Store, StoreError};
use zwire::{Exit, Failure};

use crate::progress::Progress;

/// Bytes of a part, which is one request.
pub const PART: u64 = 4 << 20;

/// Parts of the largest object that is continued.
const MOST_PARTS: u64 = 1 << 22;

/// Bytes that are read back, or written, at a time: few enough to be still in the processor's cache.
const PIECE: u64 = 256 << 10;

/// So many bytes that arrive at once are written as they are, and not collected first.
const WITHOUT_COPY: usize = 64 << 10;

/// An object that arrives in parts.
pub struct ObjectParts {
    /// Index of its store.
    pub store: usize,
    key: String,
    /// What all parts are of.
    pub stat: Stat,
    part_bytes: u64,
    pub file: PartialObject,
    /// Decoded bytes for which the object stands in the progress, and those of them that were shown.
    decoded: u64,
    shown: AtomicU64,
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
    NoRanges,
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
    /// The server sends only whole objects.
    NoRanges,
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
        let (key, shown) = (key.to_owned(), AtomicU64::new(0));
        ObjectParts { store, key, stat, part_bytes, file, decoded: 0, shown, state, arrived: Condvar::new() }
    }

    /// It stands for so many decoded bytes in the progress. Those of the parts that are there are shown.
    pub fn stands_for(&mut self, decoded: u64, progress: &dyn Progress) {
        self.decoded = decoded;
        let noted = |(part, sum): (usize, &Option<Sum>)| sum.filter(|sum| sum.is_noted).map(|_| self.len(part) as u64);
        let there: u64 = self.state.lock().sums.iter().enumerate().filter_map(noted).sum();
        progress.skip(self.show(there));
    }

    /// Decoded bytes for which so many stored ones stand.
    fn show(&self, stored: u64) -> u64 {
        let share = u128::from(self.decoded) * u128::from(stored) / u128::from(self.stat.size.max(1));
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        let before = self.shown.fetch_add(share, Ordering::Relaxed);
        share.min(self.decoded.saturating_sub(before))
    }

    /// Decoded bytes that were shown.
    pub fn shown(&self) -> u64 {
        self.shown.load(Ordering::Relaxed).min(self.decoded)
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

    /// Length of a part.
    pub fn len(&self, part: usize) -> usize {
        zcodec::to_usize(self.range(part).1)
    }

    /// Fetches one of the missing parts, in order; `false` if there is none.
    pub fn fetch_one(&self, store: &Store, progress: &dyn Progress) -> bool {
        let Some(part) = self.take() else { return false };
        let fetched = self.fetch(part, store);
        let mut state = self.state.lock();
        state.in_flight -= 1;
        match fetched {
            Ok(Ok(sum)) => {
                state.sums[part] = Some(sum);
                progress.advance(self.show(self.len(part) as u64));
            }
            Ok(Err(end)) => state.end = Some(end),
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

    /// Fetches a part, or finds out why no more parts are fetched.
    fn fetch(&self, part: usize, store: &Store) -> Result<Result<Sum, End>, Failure> {
        let (start, len) = self.range(part);
        let mut sink = ToFile { file: &self.file, start, arrived: 0, written: 0, piece: Vec::new(), crc32c: 0 };
        match store.get_part(&self.key, start..start + len, &mut sink) {
            Ok(Part::Arrived(stat)) if stat == self.stat => {}
            Ok(Part::Arrived(_) | Part::Shorter(_) | Part::Absent) | Err(StoreError::Changed { .. }) => {
                return Ok(Err(End::Changed));
            }
            Ok(Part::NoRanges) => return Ok(Err(End::NoRanges)),
            Err(error) => return Err(error.into()),
        }
        sink.flush()?;
        if sink.arrived as u64 != len {
            let text = format!("the body has {} of {len} bytes", sink.arrived);
            return Err(StoreError::Network { place: store.place(&self.key), source: text.into() }.into());
        }
        let crc32c = sink.crc32c;
        self.file.note(&line(&Note { part, crc32c })?)?;
        Ok(Ok(Sum { crc32c, is_noted: false }))
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
                (Some(End::NoRanges), _) => return Ok(Step::NoRanges),
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

/// Writes a part to its place while it arrives.
struct ToFile<'a> {
    file: &'a PartialObject,
    /// Offset of the part.
    start: u64,
    arrived: usize,
    written: usize,
    /// What has arrived and is not written: little enough to be still in the processor's cache.
    piece: Vec<u8>,
    crc32c: u32,
}

impl ToFile<'_> {
    fn flush(&mut self) -> Result<(), StoreError> {
        let mut piece = std::mem::take(&mut self.piece);
        self.write(&piece)?;
        piece.clear();
        self.piece = piece;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.crc32c = crc32c_append(self.crc32c, bytes);
        self.file.write_at(bytes, self.start + self.written as u64)?;
        self.written += bytes.len();
        Ok(())
    }
}

impl Sink for ToFile<'_> {
    fn arrived(&self) -> usize {
        self.arrived
    }

    fn clear(&mut self) {
        self.piece.clear();
        (self.arrived, self.written, self.crc32c) = (0, 0, 0);
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.arrived += bytes.len();
        if self.piece.is_empty() && bytes.len() >= WITHOUT_COPY {
            return self.write(bytes);
        }
        self.piece.extend_from_slice(bytes);
        if self.piece.len() as u64 >= PIECE { self.flush() } else { Ok(()) }
    }
}

fn line(note: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut line = serde_json::to_vec(note).map_err(|error| Failure::new(Exit::Output, error.to_string()))?;
    line.push(b'\n');
    Ok(line)
}
