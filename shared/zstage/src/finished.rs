//! Whether an output that is there already has what a command would write: the documents, the stored objects of every array, and
//! the sizes of those that are copied. What they hold is compared in `finished_values.rs`.

use parking_lot::Mutex;
use zarray::{Array, Key, Subset, fill_element};
use zstore::{Stat, Store, StoreError};
use zwire::{Exit, Failure};

use crate::array_plan::{ArrayPlan, Rechunk};
use crate::objects::{ItemSource, each_unit, source_of};
use crate::options::{OnBadChunk, WriteOptions};
use crate::output_plan::OutputPlan;
use crate::rechunk::source_hash;
use crate::source_objects::{other_fill, sources_of};
use crate::stored_bytes::copied_from;
use crate::view::ObjectSource;

/// Of an array with more objects, which of them a rechunked source makes is not worked out.
const MOST_FLAGS: u64 = 1 << 30;

/// Stored objects: their number, and the sum of the hashes of their keys in the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stored {
    objects: u64,
    keys: u64,
    /// The sum of the hashes of the keys and sizes of those that are copies.
    sizes: u64,
}

impl Stored {
    /// Adds an object; of a copy, with its size.
    fn add(&mut self, key: &str, size: Option<u64>) {
        self.objects += 1;
        self.keys = self.keys.wrapping_add(source_hash(key, None));
        if let Some(size) = size {
            self.sizes = self.sizes.wrapping_add(source_hash(key, Some(Stat::new(size, 0))));
        }
    }
}

/// The objects that an output has of an array.
pub struct Counted {
    pub objects: u64,
    /// Whether those that are copied have the sizes that they have in the source.
    pub has_same_sizes: bool,
}

impl OutputPlan<'_> {
    /// Checks that `written` has the objects that this plan writes, and counts those of each array.
    ///
    /// # Errors
    /// [`Exit::Output`] with the first array that lacks objects, or has others.
    pub fn count_finished(&self, written: &Store, options: &WriteOptions) -> Result<Vec<Counted>, Failure> {
        let finished = Finished { plan: self, written, may_lack: options.on_bad_chunk == OnBadChunk::Skip };
        // Where each object is asked for, the threads of the pool do that.
        let numbered = self.plans.iter().enumerate();
        let (listed, others): (Vec<_>, Vec<_>) = numbered.partition(|(_, plan)| finished.is_listed(plan));
        let count = |(number, plan): (usize, &ArrayPlan)| finished.check(plan).map(|counted| (number, counted));
        let mut counts = self.pool.map(listed, count);
        counts.extend(others.into_iter().map(count));
        let mut counts = counts.into_iter().collect::<Result<Vec<_>, _>>()?;
        counts.sort_by_key(|(number, _)| *number);
        Ok(counts.into_iter().map(|(_, counted)| counted).collect())
    }
}

struct Finished<'a> {
    plan: &'a OutputPlan<'a>,
    written: &'a Store,
    /// Whether objects may have been left out on request.
    may_lack: bool,
}

impl Finished<'_> {
    /// Compares the objects of an array with those that its source makes, and counts them.
    fn check(&self, plan: &ArrayPlan) -> Result<Counted, Failure> {
        let found = self.found(plan)?;
        let counted = |has_same_sizes| Ok(Counted { objects: found.objects, has_same_sizes });
        let lacks = match self.expected(plan)? {
            None if found.objects == 0 && self.has_source(plan)? => "all its objects are missing".to_owned(),
            None => return counted(true),
            Some(expected) if (found.objects, found.keys) == (expected.objects, expected.keys) => {
                return counted(found.sizes == expected.sizes);
            }
            Some(expected) if found.objects < expected.objects => {
                match (self.may_lack, expected.objects - found.objects) {
                    (true, _) => return counted(true),
                    (false, 1) => format!("1 of its {} objects is missing", expected.objects),
                    (false, missing) => format!("{missing} of its {} objects are missing", expected.objects),
                }
            }
            Some(_) => "its objects are not those of the source".to_owned(),
        };
        Err(Failure::new(Exit::Output, format!("the output exists, but {lacks}"))
            .at(self.written.place(plan.array.key_prefix()))
            .hint("use --overwrite to write it again"))
    }

    /// Whether the source is listed, and not asked for each object.
    fn is_listed(&self, plan: &ArrayPlan) -> bool {
        self.plan.listed && plan.view.is_whole()
    }

    /// The objects of an array in the output.
    fn found(&self, plan: &ArrayPlan) -> Result<Stored, Failure> {
        let grid = match plan.rechunk() {
            Some(rechunk) => rechunk.layout.objects(&plan.array.shape),
            None => plan.array.grid.clone(),
        };
        let keys = plan.new_keys.clone().unwrap_or_else(|| plan.array.keys.clone());
        let output = Array { grid, keys, ..plan.array.clone() };
        // Of a whole array, all objects are copies, or none is.
        let is_copy = |key: &str| match plan.view.is_whole() {
            true => plan.encoding().is_none(),
            false => plan.unit_of(key).and_then(|unit| copied_from(plan, unit)).is_some(),
        };
        let mut found = Stored::default();
        for object in self.written.list(output.key_prefix())? {
            let object = object?;
            if matches!(output.key_kind(&object.key), Key::Chunk(_)) {
                found.add(&object.key, is_copy(&object.key).then_some(object.stat.size));
            }
        }
        Ok(found)
    }

    /// The objects that the source makes; `None` if that cannot be told from which objects it has.
    fn expected(&self, plan: &ArrayPlan) -> Result<Option<Stored>, Failure> {
        match plan.rechunk() {
            None if self.is_listed(plan) => self.listed(plan).map(Some),
            None if plan.view.is_whole() => self.asked(plan).map(Some),
            // Which chunks a shard has, only the shard tells.
            _ if has_shards(plan) => Ok(None),
            None => self.asked(plan).map(Some),
            Some(rechunk) if self.is_listed(plan) => self.rechunked(plan, rechunk),
            Some(_) => Ok(None),
        }
    }

    /// Each source object makes one.
    fn listed(&self, plan: &ArrayPlan) -> Result<Stored, Failure> {
        let mut expected = Stored::default();
        let is_copy = plan.encoding().is_none();
        self.each_source(plan, |key, unit, size| expected.add(&plan.new_key(key, unit), is_copy.then_some(size)))?;
        Ok(expected)
    }

    /// Each source chunk makes those that overlap it.
    fn rechunked(&self, plan: &ArrayPlan, rechunk: &Rechunk) -> Result<Option<Stored>, Failure> {
        let objects = rechunk.layout.objects(&plan.array.shape).filter(|objects| objects.len() <= MOST_FLAGS);
        let (Some(source), Some(objects)) = (plan.array.numbered(), objects) else { return Ok(None) };
        let whole = Subset::whole(&plan.array.shape);
        let mut are_made = vec![false; objects.len() as usize];
        self.each_source(plan, |_, unit, _| {
            let chunk = unit.and_then(|unit| source.chunk(&source.index(unit)).intersection(&whole));
            let Some(touched) = chunk.map(|chunk| objects.touched(&chunk)) else { return };
            for member in 0..touched.elements() {
                are_made[objects.number(&touched.member(member)) as usize] = true;
            }
        })?;
        let mut expected = Stored::default();
        let made = are_made.iter().enumerate().filter(|(_, is_made)| **is_made);
        made.for_each(|(number, _)| expected.add(&plan.output_key(&objects.index(number as u64)), None));
        Ok(Some(expected))
    }

    /// Each object whose source objects are there, one of them at least.
    fn asked(&self, plan: &ArrayPlan) -> Result<Stored, Failure> {
        let expected = Mutex::new(Stored::default());
        let Some(grid) = plan.array.numbered() else { return Ok(Stored::default()) };
        each_unit(&self.plan.pool, plan.units(), |unit| {
            if let Some(size) = self.made(plan, unit)? {
                expected.lock().add(&plan.output_key(&plan.index(grid, unit)), size);
            }
            Ok(())
        })?;
        Ok(expected.into_inner())
    }

    /// The object `unit`, if its sources are there; of one that is copied, with its size.
    fn made(&self, plan: &ArrayPlan, unit: u64) -> Result<Option<Option<u64>>, StoreError> {
        let stat = |store: usize, key: &str| self.plan.stores[store].stat(key);
        if let Some((store, key)) = copied_from(plan, unit) {
            return Ok(stat(store, &key)?.map(|stat| Some(stat.size)));
        }
        let has = |store: usize, key: &str| -> Result<bool, StoreError> { Ok(stat(store, key)?.is_some()) };
        let is_made = match source_of(plan, unit) {
            None => false,
            Some((key, ItemSource::Own)) => has(0, &key)?,
            Some((key, ItemSource::View(ObjectSource::Object { piece, .. }))) => {
                has(plan.view.piece(piece).store, &key)?
            }
            Some((_, ItemSource::View(ObjectSource::Regions(regions)))) if writes_fill(plan, &regions) => true,
            Some((_, ItemSource::View(ObjectSource::Regions(regions)))) => {
                let mut found = sources_of(plan, &regions).into_iter().map(|(store, key)| has(store, &key));
                found.find(|found| !matches!(found, Ok(false))).unwrap_or(Ok(false))?
            }
        };
        Ok(is_made.then_some(None))
    }

    /// Whether the source has any object of an array.
    fn has_source(&self, plan: &ArrayPlan) -> Result<bool, Failure> {
        if self.is_listed(plan) {
            let mut has = false;
            self.each_source(plan, |_, _, _| has = true)?;
            return Ok(has);
        }
        let units = if plan.array.numbered().is_some() { plan.units() } else { 0 };
        let made = (0..units).map(|unit| self.made(plan, unit)).find(|made| !matches!(made, Ok(None)));
        Ok(made.transpose()?.flatten().is_some())
    }

    /// Shows the key, the number and the size of each source object.
    fn each_source(&self, plan: &ArrayPlan, mut see: impl FnMut(&str, Option<u64>, u64)) -> Result<(), Failure> {
        for object in self.plan.store().list(plan.array.key_prefix())? {
            let object = object?;
            if let Key::Chunk(unit) = plan.array.key_kind(&object.key) {
                see(&object.key, unit, object.stat.size);
            }
        }
        Ok(())
    }
}

/// Whether missing chunks under `regions` are written, because they are read as another fill value than that of the output.
fn writes_fill(plan: &ArrayPlan, regions: &[(usize, Subset)]) -> bool {
    let Ok(fill) = fill_element(&plan.array) else { return false };
    regions.iter().any(|(number, _)| other_fill(&plan.view.piece(*number), &fill).is_ok_and(|fill| fill.is_some()))
}

/// Whether any source array of a plan has shards.
fn has_shards(plan: &ArrayPlan) -> bool {
    let is_sharded = |array: &Array| array.chain.sharding.is_some();
    is_sharded(&plan.array) || plan.view.pieces().any(|piece| is_sharded(&piece.array))
}
