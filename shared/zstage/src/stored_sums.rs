//! Compares a finished store with the checksums in the journal of the run that wrote it, so that bytes which changed on the
//! disk since are found without the source.

use std::collections::HashMap;
use std::path::Path;

use zarray::{Array, Grid, Hierarchy, Node, Pool};
use zcodec::{CodecError, Workspace, crc32c, crc32c_append};
use zstore::{ByteRange, Store, StoreOptions};
use zwire::{Exit, Failure, human_counted};

use crate::chunk::decode;
use crate::encoding::Encoding;
use crate::journal::{Entry, segments};
use crate::memory::COPY_PIECE;

/// What was compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    /// Objects that the journal names.
    pub objects: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// Objects that are missing or differ.
    pub failed: u64,
}

/// Reads every object of `store` that the journal in the directory `journal` names, and compares its size and its checksum;
/// `failed` is called with each that differs. One segment of the journal is held in memory.
///
/// # Errors
/// [`Exit::Absent`] if there is no journal, errors of the store, and those of `failed`.
pub fn check_stored(
    store: &Store,
    journal: &Path,
    pool: &Pool,
    mut failed: impl FnMut(Failure) -> Result<(), Failure>,
) -> Result<Compared, Failure> {
    let arrays = arrays(store, pool)?;
    let segments_of = Store::open(journal, &StoreOptions::default())?;
    let mut seen = Seen::default();
    let mut compared = Compared::default();
    // The newest first: of an object that was written twice, the last entry counts.
    let mut segments = segments(&segments_of, "")?;
    segments.sort_by(|one, other| name_of(other).cmp(name_of(one)));
    for segment in segments {
        let mut entries = Entry::read_segment(&segments_of, &segment)?;
        entries.reverse();
        // A path or a number that the store does not have would be that of a damaged journal.
        let is_known = |entry: &Entry| arrays.get(&entry.path).is_some_and(|array| entry.unit < units(array));
        let damaged = entries.iter().filter(|entry| !is_known(entry)).count();
        if damaged > 0 {
            compared.failed += damaged as u64;
            let text = format!("{} that the store cannot have", human_counted(damaged as u64, "object"));
            failed(Failure::new(Exit::No, text).at(segments_of.place(&segment)))?;
        }
        entries.retain(|entry| is_known(entry) && seen.insert(entry));
        compared.objects += entries.len() as u64;
        compared.bytes += entries.iter().map(|entry| entry.bytes).sum::<u64>();
        for found in pool.map(entries, |entry| check(store, &arrays, &entry)) {
            if let Some(failure) = found? {
                compared.failed += 1;
                failed(failure)?;
            }
        }
    }
    Ok(compared)
}

/// The name of a segment, which begins with the time of its run.
fn name_of(segment: &str) -> &str {
    segment.rsplit('/').next().unwrap_or(segment)
}

/// Objects in one block of bits: 8 KiB.
const BLOCK: u64 = 1 << 16;

/// The objects that were met: a bit each, in blocks by the path of their array and their number in its grid. Of a part of a large
/// array only the blocks that were met are there.
#[derive(Default)]
struct Seen(HashMap<String, HashMap<u64, Vec<u64>>>);

impl Seen {
    /// Whether the object of an entry is met for the first time.
    fn insert(&mut self, entry: &Entry) -> bool {
        if !self.0.contains_key(&entry.path) {
            self.0.insert(entry.path.clone(), HashMap::new());
        }
        let Some(blocks) = self.0.get_mut(&entry.path) else { return true };
        let words = blocks.entry(entry.unit / BLOCK).or_insert_with(|| vec![0; (BLOCK / 64) as usize]);
        let (word, bit) = ((entry.unit % BLOCK / 64) as usize, 1 << (entry.unit % 64));
        let is_new = words[word] & bit == 0;
        words[word] |= bit;
        is_new
    }
}

/// The arrays of a store by path.
fn arrays(store: &Store, pool: &Pool) -> Result<HashMap<String, Array>, Failure> {
    let hierarchy = Hierarchy::open(store, pool, false)?;
    let (mut arrays, mut failed) = (HashMap::new(), None);
    hierarchy.walk(
        pool,
        |visit| visit,
        |visit| {
            match visit {
                Ok(Node::Array(array)) => drop(arrays.insert(array.path.clone(), *array)),
                Ok(Node::Group(_)) => {}
                Err(error) => failed = Some(error),
            }
            failed.is_none()
        },
    );
    failed.map_or(Ok(arrays), |error| Err(error.into()))
}

/// What is wrong with one object, if anything is.
fn check(store: &Store, arrays: &HashMap<String, Array>, entry: &Entry) -> Result<Option<Failure>, Failure> {
    let wrong = |key: &str, what: String| Ok(Some(Failure::new(Exit::No, what).at(store.place(key))));
    let Some((array, grid)) = arrays.get(&entry.path).and_then(|array| Some((array, array.numbered()?))) else {
        return wrong(entry.path.trim_start_matches('/'), "the array is missing".into());
    };
    let index = array.fetched.as_ref().map_or_else(|| grid.index(entry.unit), |chunks| chunks.index(entry.unit));
    let key = array.key(&array.keys.encode(&index));
    let (mut piece, mut checksum, mut start) = (Vec::new(), 0, 0);
    loop {
        match store.get_range(&key, ByteRange::At { start, len: COPY_PIECE }, &mut piece)? {
            None => return wrong(&key, "missing: it was written, and is not there any more".into()),
            Some(stat) if stat.size != entry.bytes => {
                return wrong(&key, format!("has {} bytes, and {} were written", stat.size, entry.bytes));
            }
            Some(_) => {}
        }
        checksum = crc32c_append(checksum, &piece);
        start += piece.len() as u64;
        if start >= entry.bytes || piece.is_empty() {
            break;
        }
    }
    let is_sound = match entry.stored_crc32c {
        Some(stored) => checksum == stored,
        None => checksum == entry.crc32c || holds_chunk(store, array, &key, entry)?,
    };
    match is_sound {
        true => Ok(None),
        false => wrong(&key, "its bytes are not those that were written (CRC-32C)".into()),
    }
}

/// Numbers of the objects of an array in its journal.
fn units(array: &Array) -> u64 {
    let all = array.numbered().map_or(0, Grid::len);
    array.fetched.as_ref().map_or(all, |chunks| chunks.len())
}

/// Whether stored bytes are those of a chunk that was encoded when it was written, where its journal has only the checksum of the
/// decoded bytes, as those of earlier versions. Of shards that were encoded, only the size is known then.
fn holds_chunk(store: &Store, array: &Array, key: &str, entry: &Entry) -> Result<bool, Failure> {
    // Of what was copied, the journal has the checksum of the stored bytes.
    if entry.decoded_bytes == 0 {
        return Ok(false);
    }
    if array.chain.sharding.is_some() {
        return Ok(true);
    }
    let Some(encoding) = Encoding::of(array.chain.innermost(), array.format) else { return Ok(false) };
    let (mut stored, mut decoded) = (Vec::new(), Vec::new());
    store.get(key, &mut stored)?;
    let done: Result<(), CodecError> = decode(&encoding, &stored, &mut decoded, 1, &mut Workspace::default());
    Ok(done.is_ok() && crc32c_append(0, &crc32c(&decoded).to_le_bytes()) == entry.crc32c)
}
