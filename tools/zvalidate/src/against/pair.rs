//! Compares the values of two arrays of one shape: chunk by chunk where their chunks are the same, else region by region.

use zarray::{ScratchPool, Subset, ZarrError};
use zstore::ByteRange;

use crate::against::encoding::{are_shards_alike, is_alike};
use crate::against::fill::filled;
use crate::against::regions::{Limits, Regions};
use zvalue::Class;
use zvalue::{Difference, Tolerance, compare};
use zvalue::{PartBuffers, Parts};

/// Bytes of a shard that are compared at once.
const PIECE: u64 = 4 << 20;

/// Regions that fit the memory side by side. Like the next, it is the same on every machine, so that the output is.
const SHARES: u64 = 4;

/// Bytes of memory that a region of small chunks may take.
const ENOUGH: u64 = 64 << 20;

/// Workers that regions are cut for: with fewer, little is decoded twice in vain; more have something to do in large arrays.
const WORKERS: u64 = 4;

/// Two arrays.
pub struct Pair<'a> {
    /// The array of the store that is checked.
    pub ours: Parts<'a>,
    /// The array that it is compared with.
    pub theirs: Parts<'a>,
    tolerance: Tolerance,
    /// Whether equal stored bytes are equal values.
    is_alike: bool,
    /// Whether they are numbers of two types.
    is_mixed: bool,
    walk: Walk,
}

/// How the arrays are walked.
enum Walk {
    /// Shards with the same inner chunks.
    Shards,
    /// The same chunks.
    Chunks,
    /// Boxes that fit the memory.
    Regions(Regions),
}

/// Buffers of a worker.
#[derive(Default)]
pub struct PairBuffers {
    pub(super) ours: PartBuffers,
    pub(super) theirs: PartBuffers,
    pub(super) a: Vec<u8>,
    pub(super) b: Vec<u8>,
    pub(super) region: Vec<u8>,
}

/// What was found of one item: a shard, a chunk or a region.
#[derive(Default)]
pub struct ItemResult {
    /// Values that were compared.
    pub compared: u64,
    /// Chunks of our array that differ, by number, with the number of their first differing value in the array.
    pub differing: Vec<(u64, Difference)>,
    /// Chunks whose stored bytes are equal, so that they were not decoded.
    pub identical: u64,
    /// Chunks that only our store, and only the other has, and that hold the fill value.
    pub one_sided: [u64; 2],
    /// Objects of our array, by number, that are not stored while the other store has chunks there, and, of shards, the stored ones.
    pub lacking: Vec<u64>,
    /// Shards of our array of which a chunk is stored.
    pub stored: Vec<u64>,
    /// Chunks of our array, by number, that were not compared, because one of the stores was fetched without them.
    pub skipped: Vec<u64>,
    /// Chunks of our array that could not be compared, and why.
    pub failed: Vec<(u64, ZarrError)>,
    /// Bytes that were compared.
    pub bytes: u64,
}

impl<'a> Pair<'a> {
    /// Two arrays of one shape; `memory` bytes are for all workers.
    ///
    /// # Errors
    /// A message if their values cannot be compared.
    pub fn new(ours: Parts<'a>, theirs: Parts<'a>, tolerance: Tolerance, memory: u64) -> Result<Pair<'a>, String> {
        let is_mixed = ours.value.name != theirs.value.name;
        let both_numbers = |parts: &Parts| matches!(parts.value.class, Class::Number(_));
        if is_mixed && !(both_numbers(&ours) && both_numbers(&theirs)) {
            return Err(format!("values of type {} and {} cannot be compared", ours.value.name, theirs.value.name));
        }
        let is_alike = is_alike(&ours, &theirs);
        let walk = if is_alike && are_shards_alike(ours.array, theirs.array) {
            Walk::Shards
        } else if ours.reader.grid() == theirs.reader.grid() {
            Walk::Chunks
        } else {
            let chunks = chunk_memory(&ours).saturating_add(chunk_memory(&theirs));
            // To decode some chunks several times costs less than memory that is new to a core; large chunks need large regions.
            let share = (memory / SHARES).min(ENOUGH.max(chunks.saturating_mul(2)));
            // A region is held of one side, and once more while a part of it is compared.
            let bytes = (share.saturating_sub(chunks) / 2).max(1);
            let itemsize = bytes_of_element(&ours).max(bytes_of_element(&theirs));
            let limits = Limits { itemsize, bytes, workers: WORKERS };
            let regions = Regions::new(ours.reader.grid(), theirs.reader.grid(), limits);
            Walk::Regions(regions.ok_or("their chunk grids cannot be cut into regions")?)
        };
        Ok(Pair { ours, theirs, tolerance, is_alike, is_mixed, walk })
    }

    /// Shards, chunks or regions.
    pub fn items(&self) -> u64 {
        match &self.walk {
            Walk::Shards => self.ours.array.grid.as_ref().map_or(0, zarray::Grid::len),
            Walk::Chunks => self.ours.reader.grid().len(),
            Walk::Regions(regions) => regions.len(),
        }
    }

    /// Bytes of an item of one side, decoded.
    pub fn item_bytes(&self) -> u64 {
        match &self.walk {
            Walk::Shards => {
                let elements = self.ours.array.grid.as_ref().map_or(1, zarray::Grid::chunk_elements);
                elements.saturating_mul(bytes_of_element(&self.ours))
            }
            Walk::Chunks => self.ours.reader.chunk_bytes(),
            Walk::Regions(regions) => regions.elements().saturating_mul(bytes_of_element(&self.ours)),
        }
    }

    /// How often a byte is decoded on average.
    pub fn amplification(&self) -> f64 {
        match &self.walk {
            Walk::Regions(regions) => regions.amplification,
            _ => 1.0,
        }
    }

    /// The least bytes of memory that it takes.
    pub fn needed(&self) -> u64 {
        match &self.walk {
            Walk::Shards => chunk_memory(&self.ours).saturating_add(chunk_memory(&self.theirs)),
            _ => self.cost(),
        }
    }

    /// Bytes of memory that an item takes.
    pub fn cost(&self) -> u64 {
        let chunks = chunk_memory(&self.ours).saturating_add(chunk_memory(&self.theirs));
        match &self.walk {
            Walk::Shards => chunks.saturating_add(2 * PIECE),
            Walk::Chunks => chunks,
            Walk::Regions(regions) => {
                let itemsize = bytes_of_element(&self.ours).max(bytes_of_element(&self.theirs));
                chunks.saturating_add(regions.elements().saturating_mul(2 * itemsize))
            }
        }
    }

    /// Compares an item.
    pub fn item(&self, number: u64, buffers: &ScratchPool<PairBuffers>, memory: u64) -> ItemResult {
        let mut buffers = buffers.take();
        let mut result = ItemResult::default();
        match &self.walk {
            Walk::Shards => self.shard(number, &mut buffers, memory, &mut result),
            Walk::Chunks => self.chunk(number, &mut buffers, memory, &mut result),
            Walk::Regions(regions) => {
                let region = regions.region(number);
                let first = || self.ours.reader.grid().number(&self.ours.reader.grid().touched(&region).member(0));
                let done = match self.ours.itemsize {
                    0 => self.texts(&region, memory, &mut result),
                    _ => self.region(&region, &mut buffers, &mut result),
                };
                match done {
                    // All of the region is unknown.
                    Err(ZarrError::NotFetched { .. }) => {
                        let (grid, chunks) = (self.ours.reader.grid(), self.ours.reader.grid().touched(&region));
                        let numbers = (0..chunks.elements()).map(|member| grid.number(&chunks.member(member)));
                        result.skipped.extend(numbers);
                    }
                    done => result.note(first, done),
                }
            }
        }
        result
    }

    /// Whether our chunk `number` was fetched; of most stores, every one was.
    pub fn has_ours(&self, number: u64) -> bool {
        let array = self.ours.array;
        let (Some(fetched), Some(objects)) = (&array.fetched, &array.grid) else { return true };
        let index = self.ours.reader.grid().index(number);
        match array.chain.split_shards() {
            Some(_) => fetched.contains(objects.touched(&self.ours.inside(&index)).start()),
            None => fetched.contains(&index),
        }
    }

    /// Compares a shard: as bytes, else by its chunks.
    fn shard(&self, number: u64, buffers: &mut PairBuffers, memory: u64, result: &mut ItemResult) {
        let Some(shards) = &self.ours.array.grid else { return };
        let index = shards.index(number);
        let array = Subset::whole(&self.ours.array.shape);
        let Some(elements) = shards.chunk(&index).intersection(&array) else { return };
        let grid = self.ours.reader.grid();
        let chunks = grid.touched(&elements);
        let is_known = |parts: &Parts| parts.array.fetched.is_none();
        if is_known(&self.ours) && is_known(&self.theirs) {
            let keys = [&self.ours, &self.theirs].map(|parts| parts.array.key(&parts.array.keys.encode(&index)));
            match self.same_objects(&keys, buffers) {
                Ok(Some(size)) => {
                    result.stored.push(number);
                    result.identical += chunks.elements();
                    result.compared += elements.elements();
                    result.bytes += size;
                    return;
                }
                Ok(None) => {}
                Err(error) => return result.failed.push((grid.number(&chunks.member(0)), error)),
            }
        }
        for member in 0..chunks.elements() {
            self.chunk(grid.number(&chunks.member(member)), buffers, memory, result);
        }
    }

    /// The size of two objects with the same bytes; `None` if they differ or one is missing.
    fn same_objects(&self, keys: &[String; 2], buffers: &mut PairBuffers) -> Result<Option<u64>, ZarrError> {
        let mut start = 0;
        loop {
            let range = ByteRange::At { start, len: PIECE };
            let ours = self.ours.store.get_range(&keys[0], range, &mut buffers.a)?;
            let theirs = self.theirs.store.get_range(&keys[1], range, &mut buffers.b)?;
            let (Some(ours), Some(theirs)) = (ours, theirs) else { return Ok(None) };
            if ours.size != theirs.size || buffers.a != buffers.b {
                return Ok(None);
            }
            start += buffers.a.len() as u64;
            if start >= ours.size || buffers.a.is_empty() {
                return Ok(Some(ours.size));
            }
        }
    }

    /// Compares chunk `number`, which both arrays have.
    fn chunk(&self, number: u64, buffers: &mut PairBuffers, memory: u64, result: &mut ItemResult) {
        let index = self.ours.reader.grid().index(number);
        let done = self.chunk_at(&index, number, buffers, memory, result);
        result.note(|| number, done);
    }

    fn chunk_at(
        &self,
        index: &[u64],
        number: u64,
        buffers: &mut PairBuffers,
        memory: u64,
        result: &mut ItemResult,
    ) -> Result<(), ZarrError> {
        let part = self.ours.inside(index);
        let present = [self.ours.fetch(index, &mut buffers.ours)?, self.theirs.fetch(index, &mut buffers.theirs)?];
        if present == [true; 2] && self.is_alike && buffers.ours.stored == buffers.theirs.stored {
            self.note_stored(index, present, result);
            result.identical += 1;
            result.bytes += buffers.ours.stored.len() as u64;
            result.compared += part.elements();
            return Ok(());
        }
        if self.ours.itemsize == 0 {
            return self.texts(&part, memory, result);
        }
        let found = match present {
            [false, false] => {
                let found = self.compare(self.ours.fill(index)?, self.theirs.fill(index)?);
                Difference { differing: found.differing * part.elements(), ..found }
            }
            [true, true] => self.decoded(index, &part, buffers)?,
            [true, false] => {
                self.ours.part(index, &part, &mut buffers.ours, &mut buffers.a)?;
                filled(self.theirs.fill(index)?, &part, &mut buffers.b);
                self.compare(&buffers.a, &buffers.b)
            }
            [false, true] => {
                self.theirs.part(index, &part, &mut buffers.theirs, &mut buffers.b)?;
                filled(self.ours.fill(index)?, &part, &mut buffers.a);
                self.compare(&buffers.a, &buffers.b)
            }
        };
        self.note_stored(index, present, result);
        result.one_sided[0] += u64::from(present == [true, false] && found.differing == 0);
        result.one_sided[1] += u64::from(present == [false, true] && found.differing == 0);
        self.add(number, &part, found, result);
        Ok(())
    }

    /// Takes note of the object of our chunk, and of whether it and what the other store has there are stored.
    pub(super) fn note_stored(&self, index: &[u64], [ours, theirs]: [bool; 2], result: &mut ItemResult) {
        let array = self.ours.array;
        let (Some(grid), is_shard) = (&array.grid, array.chain.split_shards().is_some()) else { return };
        let number = || match is_shard {
            true => grid.number(grid.touched(&self.ours.inside(index)).start()),
            false => grid.number(index),
        };
        let list = match ours {
            true if is_shard => &mut result.stored,
            false if theirs => &mut result.lacking,
            _ => return,
        };
        let number = number();
        if list.last() != Some(&number) {
            list.push(number);
        }
    }

    /// Compares two fetched chunks.
    fn decoded(&self, index: &[u64], part: &Subset, buffers: &mut PairBuffers) -> Result<Difference, ZarrError> {
        let same_order = self.ours.reader.elements() == self.theirs.reader.elements();
        let is_whole = part.elements() == self.ours.reader.chunk(index).elements();
        if same_order && is_whole {
            self.ours.decode(index, &mut buffers.ours)?;
            self.theirs.decode(index, &mut buffers.theirs)?;
            let (a, b) = (&buffers.ours.scratch.decoded, &buffers.theirs.scratch.decoded);
            let is_same = self.is_alike_decoded() && a == b;
            if is_same || (self.ours.is_c_order() && a.len() == b.len()) {
                return Ok(if is_same { Difference::default() } else { self.compare(a, b) });
            }
        }
        self.ours.part(index, part, &mut buffers.ours, &mut buffers.a)?;
        self.theirs.part(index, part, &mut buffers.theirs, &mut buffers.b)?;
        Ok(self.compare(&buffers.a, &buffers.b))
    }

    fn is_alike_decoded(&self) -> bool {
        self.ours.value.is_stored_like(&self.theirs.value)
    }

    /// Compares elements, as decoded chunks hold them.
    pub(super) fn compare(&self, a: &[u8], b: &[u8]) -> Difference {
        if self.is_alike_decoded() && a == b {
            return Difference::default();
        }
        let (a, b) = (self.ours.value.values(a), self.theirs.value.values(b));
        if let (true, Class::Number(ours), Class::Number(theirs)) =
            (self.is_mixed, self.ours.value.class, self.theirs.value.class)
        {
            return zvalue::compare_mixed([ours, theirs], &a, &b, self.tolerance);
        }
        compare(self.ours.value.class, self.ours.value.size, &a, &b, self.tolerance)
    }

    /// Adds what was found in `part`, which lies in our chunk `number`.
    pub(super) fn add(&self, number: u64, part: &Subset, found: Difference, result: &mut ItemResult) {
        result.compared += part.elements();
        result.bytes += part.elements().saturating_mul(self.ours.itemsize as u64);
        if found.differing > 0 || found.max > 0.0 {
            let whole = Subset::whole(&self.ours.array.shape);
            let first = found.first.map(|first| whole.number(&part.member(first)));
            result.differing.push((number, Difference { first, ..found }));
        }
    }
}

impl ItemResult {
    /// Notes a chunk that could not be compared.
    pub(super) fn note(&mut self, number: impl FnOnce() -> u64, done: Result<(), ZarrError>) {
        match done {
            Ok(()) => {}
            Err(ZarrError::NotFetched { .. }) => self.skipped.push(number()),
            Err(error) => self.failed.push((number(), error)),
        }
    }
}

/// Bytes of an element; estimated for variable length.
fn bytes_of_element(parts: &Parts) -> u64 {
    if parts.itemsize == 0 { 32 } else { parts.itemsize as u64 }
}

/// Bytes of memory that a chunk takes: stored, decoded, and as a part.
fn chunk_memory(parts: &Parts) -> u64 {
    parts.reader.chunk_bytes().saturating_mul(3)
}
