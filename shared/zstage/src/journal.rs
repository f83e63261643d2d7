//! What is done, as JSON lines in `OUT.plan/journal/PART/`: written in segments, each after its objects have reached the
//! disk, so that whatever a segment names is really there. What is not named may be torn, and is done again.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use zcodec::crc32c_append;
use zstore::{ByteRange, Stat, Store, StoreError, is_temporary};
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::folder::JOURNAL;
use crate::staged_store::StagedStore;

/// One object, or one region of objects, that is done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Path of the array.
    pub path: String,
    /// Number of the object in the grid of its array, or of the region in the plan.
    pub unit: u64,
    /// Key of the object that was read.
    pub key: String,
    /// Stored bytes that were read.
    pub source_bytes: u64,
    /// Tag of what was read.
    pub source_tag: u64,
    /// Stored bytes that were written.
    pub bytes: u64,
    /// Tag of what was written.
    pub tag: u64,
    /// Decoded bytes.
    pub decoded_bytes: u64,
    /// CRC-32C of the decoded bytes; of the stored ones where an object was copied.
    pub crc32c: u32,
    /// CRC-32C of the stored bytes, where they were encoded and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_crc32c: Option<u32>,
    /// Objects that were written: 1, or those of a region.
    pub objects: u64,
    /// Whether it was read back and compared.
    pub verified: bool,
}

/// Of a finished unit, what is needed to believe it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    source: u32,
    output: u32,
    objects: u32,
    /// Stored bytes that were written.
    pub bytes: u64,
    pub verified: bool,
}

impl Done {
    /// Whether the source object is the one that was read.
    pub fn is_of(&self, source: Stat) -> bool {
        self.source == fingerprint(source)
    }

    /// Whether all the source objects of a region are those that were read, by the hash of them all.
    pub fn is_of_sources(&self, hash: u64) -> bool {
        self.is_of(Stat::new(0, hash))
    }

    /// Objects that were written.
    pub fn objects(&self) -> u64 {
        u64::from(self.objects)
    }

    /// Whether the output object is the one that was written.
    pub fn is_there_as(&self, output: Stat) -> bool {
        self.output == fingerprint(output)
    }
}

fn fingerprint(stat: Stat) -> u32 {
    crc32c_append(crc32c_append(0, &stat.size.to_le_bytes()), &stat.tag.to_le_bytes())
}

/// Entries that are kept until the next checkpoint, at most.
const MOST_PENDING: usize = 100_000;

/// Bytes that are held free on the disk for the first segment, some 60 entries; doubled when more wait.
const FIRST_RESERVE: usize = 16 << 10;

/// The journal of one process.
pub struct Journal<'a> {
    staged: &'a StagedStore,
    folder: String,
    every: Duration,
    state: Mutex<State>,
}

struct State {
    lines: Vec<u8>,
    pending: usize,
    /// Bytes that the reserve holds free.
    reserved: usize,
    segment: u64,
    last: Instant,
}

impl<'a> Journal<'a> {
    /// A journal of part `part`, with a segment `every` so often.
    pub fn new(staged: &'a StagedStore, part: u32, every: Duration) -> Journal<'a> {
        // The same part may run twice at once: no two runs share a segment.
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let folder = format!("{}/{started:x}-{:x}", folder(part), std::process::id());
        let state = State { lines: Vec::new(), pending: 0, reserved: 0, segment: 0, last: Instant::now() };
        Journal { staged, folder, every, state: Mutex::new(state) }
    }

    /// Something is done.
    ///
    /// # Errors
    /// As [`Journal::checkpoint`].
    pub fn note(&self, entry: &Entry) -> Result<(), Failure> {
        let line = entry.line()?;
        let mut state = self.state.lock();
        state.lines.extend_from_slice(&line);
        state.pending += 1;
        // The entry waits also where there is no more room: the last checkpoint may find some.
        self.reserve(&mut state)?;
        let due = state.last.elapsed() >= self.every || state.pending >= MOST_PENDING;
        drop(state);
        if due { self.checkpoint() } else { Ok(()) }
    }

    /// Holds room on the disk for the lines that wait: objects that fill the disk must not leave it without
    /// room for the entries that say they are done.
    fn reserve(&self, state: &mut State) -> Result<(), Failure> {
        let needed = state.lines.len();
        if needed <= state.reserved || self.staged.folder().is_remote() {
            return Ok(());
        }
        let size = FIRST_RESERVE.max(state.reserved * 2).max(needed);
        self.staged.folder().put(&self.reserve_key(), &vec![0; size])?;
        state.reserved = size;
        Ok(())
    }

    fn reserve_key(&self) -> String {
        format!("{}.reserve", self.folder)
    }

    /// Brings what is done to the disk, then says so.
    ///
    /// # Errors
    /// [`StoreError::Write`], or what an object store says. The entries wait for the next checkpoint then.
    pub fn checkpoint(&self) -> Result<(), Failure> {
        let (lines, segment) = {
            let mut state = self.state.lock();
            state.last = Instant::now();
            state.pending = 0;
            state.segment += 1;
            (std::mem::take(&mut state.lines), state.segment)
        };
        if lines.is_empty() {
            return Ok(());
        }
        let written = self.write_segment(segment, &lines);
        match written {
            Ok(()) => self.staged.keep(),
            Err(_) => {
                let mut state = self.state.lock();
                let newer = std::mem::replace(&mut state.lines, lines);
                state.lines.extend(newer);
            }
        }
        written
    }

    /// The last checkpoint of a run, however it ends.
    ///
    /// # Errors
    /// As [`Journal::checkpoint`].
    pub fn close(&self) -> Result<(), Failure> {
        self.checkpoint()?;
        self.give_reserve_up().map(|_| ())
    }

    /// Writes a segment, in place of the reserve where there is no other room.
    fn write_segment(&self, segment: u64, lines: &[u8]) -> Result<(), Failure> {
        self.staged.objects().sync()?;
        let key = format!("{}-{segment:06}.jsonl", self.folder);
        let put = || Ok(self.staged.folder().put(&key, lines).map(|_| ())?);
        put().or_else(|failure| if self.give_reserve_up()? { put() } else { Err(failure) })
    }

    /// Removes the reserve. Whether there was one.
    fn give_reserve_up(&self) -> Result<bool, Failure> {
        let there_was = std::mem::take(&mut self.state.lock().reserved) > 0;
        if there_was {
            self.staged.folder().delete(&self.reserve_key())?;
        }
        Ok(there_was)
    }
}

/// Bytes of a segment that are read at a time.
const PIECE: u64 = 1 << 20;

/// Reads an object line by line, of which only a piece is held.
fn each_line(store: &Store, key: &str, mut look: impl FnMut(&[u8])) -> Result<(), StoreError> {
    let (mut start, mut piece, mut held) = (0, Vec::new(), Vec::new());
    while store.get_range(key, ByteRange::At { start, len: PIECE }, &mut piece)?.is_some() && !piece.is_empty() {
        start += piece.len() as u64;
        held.extend_from_slice(&piece);
        let complete = held.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        held[..complete].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(&mut look);
        held.drain(..complete);
    }
    if !held.is_empty() {
        look(&held);
    }
    Ok(())
}

/// Reads the entries of a segment. A line that is incomplete after a crash is skipped, and its object is done again.
fn each_entry(store: &Store, key: &str, mut look: impl FnMut(Entry)) -> Result<(), StoreError> {
    each_line(store, key, |line| serde_json::from_slice(line).ok().into_iter().for_each(&mut look))
}

fn folder(part: u32) -> String {
    format!("{JOURNAL}/{part}")
}

/// Keys of the segments below `folder`, the oldest of each part first.
///
/// # Errors
/// The store's.
pub fn segments(store: &Store, folder: &str) -> Result<Vec<String>, StoreError> {
    let mut keys: Vec<String> = store.list(folder)?.map(|object| Ok(object?.key)).collect::<Result<_, StoreError>>()?;
    keys.retain(|key| key.ends_with(".jsonl") && !is_temporary(key.rsplit('/').next().unwrap_or_default()));
    keys.sort_unstable();
    Ok(keys)
}

/// What earlier runs of one part have done, by array (its number in the plan) and unit: some 50 bytes an object.
#[derive(Default)]
pub struct Completed(HashMap<(usize, u64), Done>);

impl Completed {
    /// Reads all segments of part `part`. Of a unit done twice the last entry counts.
    ///
    /// # Errors
    /// The store's.
    pub fn read(store: &Store, part: u32, plans: &[ArrayPlan]) -> Result<Completed, Failure> {
        let paths: HashMap<&str, usize> =
            plans.iter().enumerate().map(|(number, plan)| (plan.array.path.as_str(), number)).collect();
        let mut completed = Completed::default();
        for key in segments(store, &folder(part))? {
            each_entry(store, &key, |entry| {
                if let Some(array) = paths.get(entry.path.as_str()) {
                    completed.0.insert((*array, entry.unit), entry.done());
                }
            })?;
        }
        Ok(completed)
    }

    /// What is known of a unit.
    pub fn get(&self, array: usize, unit: Option<u64>) -> Option<&Done> {
        self.0.get(&(array, unit?))
    }

    /// How many units are done.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The units that are done.
    pub fn units(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.keys().copied()
    }
}

impl Entry {
    /// The entry as a line of a segment.
    ///
    /// # Errors
    /// None: a structure of numbers and strings always serialises.
    pub fn line(&self) -> Result<Vec<u8>, Failure> {
        let mut line = serde_json::to_vec(self).map_err(|error| Failure::new(Exit::Output, error.to_string()))?;
        line.push(b'\n');
        Ok(line)
    }

    /// The entries of a segment, in order.
    ///
    /// # Errors
    /// The store's.
    pub fn read_segment(store: &Store, key: &str) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        each_entry(store, key, |entry| entries.push(entry))?;
        Ok(entries)
    }

    fn done(&self) -> Done {
        Done {
            source: fingerprint(Stat::new(self.source_bytes, self.source_tag)),
            output: fingerprint(Stat::new(self.bytes, self.tag)),
            objects: u32::try_from(self.objects).unwrap_or(u32::MAX),
            bytes: self.bytes,
            verified: self.verified,
        }
    }
}

#[cfg(test)]
mod tests {
    use zstore::StoreOptions;

    use super::*;

    /// Lines that lie across the pieces, one longer than a piece, and one without an end.
    #[test]
    fn a_segment_is_read_line_by_line() {
        let directory = tempfile::tempdir().expect("directory");
        let store = Store::create(directory.path(), &StoreOptions::default()).expect("opens");
        let mut lines: Vec<Vec<u8>> = (0..3000_usize).map(|number| vec![b'a'; 1 + number % 997]).collect();
        lines.insert(1000, vec![b'b'; 3 << 20]);
        for end in ["", "\n", "\n\n"] {
            let text = [lines.join(&b'\n').as_slice(), end.as_bytes()].concat();
            store.put("1.jsonl", &text).expect("writes");
            let mut found = Vec::new();
            each_line(&store, "1.jsonl", |line| found.push(line.to_vec())).expect("reads");
            assert!(found == lines, "{} of {}", found.len(), lines.len());
        }
        each_line(&store, "2.jsonl", |_| panic!("there is none")).expect("no line");
    }
}
