//! One large object: which of its parts have arrived, which are missing, and their checksums.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use zcodec::crc32c_append;
use zstore::{Part, PartialObject, Sink, Stat, Store, StoreError};
use zwire::{Exit, Failure};

use crate::md5_streams::{Begun, Md5Streams};
use crate::part_ranges::{PART, PartRanges};
use crate::progress::Progress;
use crate::runs::{Run, Runs};

/// Parts of the largest object that is continued.
const MOST_PARTS: u64 = 1 << 22;

/// Bytes that are read back, or written, at a time: few enough to be still in the processor's cache.
const PIECE: usize = 256 << 10;

/// So many bytes that arrive at once are written as they are, and not collected first.
const WITHOUT_COPY: usize = 64 << 10;

/// An object that arrives in parts.
pub struct ObjectParts {
    /// Index of its store.
    pub store: usize,
    key: String,
    /// What all parts are of.
    pub stat: Stat,
    ranges: PartRanges,
    pub file: PartialObject,
    /// Decoded bytes for which the object stands in the progress, and those of them that were shown.
    decoded: u64,
    shown: AtomicU64,
    /// Where the MD5 of a run is computed as it arrives.
    streams: Arc<Md5Streams>,
    state: Mutex<State>,
    /// Notified when a part has arrived, or none will.
    arrived: Condvar,
}

struct State {
    missing: BTreeSet<usize>,
    runs: Runs,
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
    /// No part crosses a multiple of it.
    #[serde(default)]
    run_bytes: Option<u64>,
}

/// The note on a part.
#[derive(Serialize, Deserialize)]
struct Note {
    part: usize,
    crc32c: u32,
}

/// What is fetched next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A part that follows on those before it in its run.
    InOrder,
    /// Any part.
    Any,
}

impl ObjectParts {
    /// An object of which nothing is there. Of one that was uploaded in parts of `run_bytes`, their MD5 sums are computed as they
    /// arrive.
    ///
    /// # Errors
    /// [`Exit::Output`].
    pub fn begin(
        store: usize,
        key: &str,
        stat: Stat,
        run_bytes: Option<u64>,
        streams: &Arc<Md5Streams>,
        file: PartialObject,
    ) -> Result<ObjectParts, Failure> {
        file.clear()?;
        let run_bytes = run_bytes.filter(|bytes| *bytes >= PART);
        file.note(&line(&Header { size: stat.size, tag: stat.tag, part_bytes: PART, run_bytes })?)?;
        let ranges = PartRanges::new(stat.size, run_bytes.unwrap_or(stat.size));
        let runs = run_bytes.map_or_else(Runs::default, |_| Runs::of(ranges));
        Ok(ObjectParts::new(store, key, stat, ranges, runs, streams, file, Vec::new()))
    }

    /// An object of which an earlier run has left parts; `None` if it has left no note.
    ///
    /// # Errors
    /// [`Exit::Output`].
    pub fn left(
        store: usize,
        key: &str,
        streams: &Arc<Md5Streams>,
        file: PartialObject,
    ) -> Result<Option<ObjectParts>, Failure> {
        let notes = file.notes()?;
        let mut lines = notes.split(|byte| *byte == b'\n');
        let header = lines.next().and_then(|line| serde_json::from_slice::<Header>(line).ok());
        // Another version may have had other parts, and a damaged note may claim any size.
        let ranges = |header: &Header| PartRanges::new(header.size, header.run_bytes.unwrap_or(header.size));
        let is_ours = |header: &Header| header.part_bytes == PART && ranges(header).count() <= MOST_PARTS;
        let Some(header) = header.filter(is_ours) else { return Ok(None) };
        let stat = Stat::new(header.size, header.tag);
        // A line that was cut off is no note; of two notes on a part, the later one is on what is there.
        let noted = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
        // What is there is read back in any case.
        let runs = Runs::default();
        Ok(Some(ObjectParts::new(store, key, stat, ranges(&header), runs, streams, file, noted)))
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of an object")]
    fn new(
        store: usize,
        key: &str,
        stat: Stat,
        ranges: PartRanges,
        runs: Runs,
        streams: &Arc<Md5Streams>,
        file: PartialObject,
        noted: Vec<Note>,
    ) -> ObjectParts {
        let mut sums = vec![None; zcodec::to_usize(ranges.count())];
        for Note { part, crc32c } in noted {
            if let Some(sum) = sums.get_mut(part) {
                *sum = Some(Sum { crc32c, is_noted: true });
            }
        }
        let missing = (0..sums.len()).filter(|part| sums[*part].is_none()).collect();
        ObjectParts {
            store,
            key: key.to_owned(),
            stat,
            ranges,
            file,
            decoded: 0,
            shown: AtomicU64::new(0),
            streams: Arc::clone(streams),
            state: Mutex::new(State { missing, runs, in_flight: 0, sums, end: None }),
            arrived: Condvar::new(),
        }
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
        zcodec::to_usize(self.ranges.count())
    }

    /// Length of a part.
    pub fn len(&self, part: usize) -> usize {
        zcodec::to_usize(self.ranges.range(part as u64).1)
    }

    /// Whether there is such a part that nobody fetches.
    pub fn are_missing(&self, next: Next) -> bool {
        let state = self.state.lock();
        state.end.is_none() && !state.missing.is_empty() && (next == Next::Any || state.runs.has_next())
    }

    /// Fetches one of the missing parts; `false` if there is none.
    pub fn fetch_one(&self, next: Next, store: &Store, progress: &dyn Progress) -> bool {
        let Some((part, run)) = self.take(next) else { return false };
        let fetched = self.fetch(part, run.as_ref(), store);
        if let (Some(run), Ok(Ok(_))) = (run, &fetched) {
            self.follow(run);
        }
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

    /// After a part of a run has arrived.
    fn follow(&self, run: Run) {
        let mut state = self.state.lock();
        let State { missing, runs, .. } = &mut *state;
        let Some(stream) = runs.arrived(run, |next| missing.contains(&next)) else { return };
        // It may take a while, and others need the state.
        let begun = MutexGuard::unlocked(&mut state, || self.streams.finish(stream));
        state.runs.ended(run, begun);
    }

    /// A missing part, and its run if it is the next one of that.
    fn take(&self, next: Next) -> Option<(usize, Option<Run>)> {
        let mut state = self.state.lock();
        let State { missing, runs, end, .. } = &mut *state;
        if end.is_some() {
            return None;
        }
        let (part, run) = match runs.take(&self.streams) {
            Some((part, run)) => {
                missing.remove(&part);
                (part, Some(run))
            }
            // Of runs, the last parts: they are farthest from those that follow in order.
            None if next == Next::Any && runs.are_there() => (missing.pop_last()?, None),
            None if next == Next::Any || !runs.are_there() => (missing.pop_first()?, None),
            None => return None,
        };
        state.in_flight += 1;
        Some((part, run))
    }

    /// Fetches a part, or finds out why no more parts are fetched.
    fn fetch(&self, part: usize, run: Option<&Run>, store: &Store) -> Result<Result<Sum, End>, Failure> {
        let (start, len) = self.ranges.range(part as u64);
        let stream = run.map(|run| (&*self.streams, run.stream, start - self.ranges.run_start(run.number as u64)));
        let mut sink = ToFile { file: &self.file, start, arrived: 0, written: 0, piece: Vec::new(), crc32c: 0, stream };
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

    /// The length of the runs, and the MD5 of the start of each, as far as it came in order; once all parts are there.
    pub fn begun(&self) -> Option<(u64, Vec<Begun>)> {
        let mut state = self.state.lock();
        let begun = state.runs.end(&self.streams);
        (!begun.is_empty()).then(|| (self.ranges.run_start(1), begun))
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
        let (start, len) = self.ranges.range(part as u64);
        let mut sum = 0;
        for at in (0..len).step_by(PIECE) {
            buffer.resize(PIECE.min(zcodec::to_usize(len - at)), 0);
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
        state.missing.insert(part);
    }

    /// Waits until nobody fetches a part any more; none is fetched from then on.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.end.get_or_insert(End::Closed);
        while state.in_flight > 0 {
            self.arrived.wait(&mut state);
        }
        state.runs.end(&self.streams);
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
    /// The stream of its run, and its offset in that.
    stream: Option<(&'a Md5Streams, u64, u64)>,
}

impl ToFile<'_> {
    fn flush(&mut self) -> Result<(), StoreError> {
        let piece = std::mem::take(&mut self.piece);
        if piece.is_empty() { Ok(()) } else { self.write(piece.into()) }
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.crc32c = crc32c_append(self.crc32c, &bytes);
        self.file.write_at(&bytes, self.start + self.written as u64)?;
        self.written += bytes.len();
        if let Some((streams, stream, _)) = self.stream {
            streams.add(stream, bytes);
        }
        Ok(())
    }
}

impl Sink for ToFile<'_> {
    fn arrived(&self) -> usize {
        self.arrived
    }

    fn clear(&mut self) {
        self.piece.clear();
        if let Some((streams, stream, offset)) = self.stream.filter(|_| self.written > 0) {
            streams.restart(stream, offset);
        }
        (self.arrived, self.written, self.crc32c) = (0, 0, 0);
    }

    fn add(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.arrived += bytes.len();
        if self.piece.is_empty() && bytes.len() >= WITHOUT_COPY {
            return self.write(bytes);
        }
        self.piece.extend_from_slice(&bytes);
        if self.piece.len() >= PIECE { self.flush() } else { Ok(()) }
    }
}

fn line(note: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut line = serde_json::to_vec(note).map_err(|error| Failure::new(Exit::Output, error.to_string()))?;
    line.push(b'\n');
    Ok(line)
}
