//! Whether the data under duplicates are identical: stretch by stretch, variable by variable.

use std::sync::Arc;

use parking_lot::Mutex;

use serde_json::Value;
use zarray::{Array, OrderedMap, Pool, ScratchPool, Semaphore};
use zcli::Session;
use zcoord::Dataset;
use zstore::Store;
use zvalue::{Difference, Parts, Tolerance};
use zwire::{ConflictRecord, Exit, Failure, Record};

use crate::alike::{is_time, shift};
use crate::batch::Batch;
use crate::coordinate::Coordinate;
use crate::crop::Crop;
use crate::duplicates::Stretch;
use crate::options::Options;
use crate::overlap::{Overlap, OverlapBuffers};
use crate::variables::{axis, is_variable, meaning_differs};

/// Variables in flight for each worker.
const WINDOW: usize = 4;

/// An opened batch.
struct Opened {
    number: usize,
    store: Store,
    dataset: Dataset,
}

/// Compares the data under duplicates.
pub struct Comparison<'a> {
    batches: &'a [Batch],
    coordinate: &'a Coordinate,
    options: &'a Options,
    dim: &'a str,
    /// What is compared of the other dimensions.
    crop: &'a Crop,
    /// Whether variables that only one of two stores has are no fault.
    only_shared: bool,
    pool: Pool,
    /// The batches that were opened last, of first and of other occurrences: stretches come in their order.
    last: [Mutex<Option<Arc<Opened>>>; 2],
}

/// What was found under the values of a stretch: how many variables differ under each, and whether any could not be compared.
pub struct Compared {
    /// Variables that differ, for each value.
    pub conflicting: Vec<u64>,
    /// Whether all variables were compared.
    pub complete: bool,
}

impl<'a> Comparison<'a> {
    /// A comparison of these batches.
    pub fn new(
        batches: &'a [Batch],
        coordinate: &'a Coordinate,
        options: &'a Options,
        dim: &'a str,
        crop: &'a Crop,
        only_shared: bool,
    ) -> Comparison<'a> {
        let pool = Pool::new(options.write.jobs);
        Comparison { batches, coordinate, options, dim, crop, only_shared, pool, last: Default::default() }
    }

    /// Compares what is under a stretch; each difference is emitted, and each variable that cannot be compared.
    ///
    /// # Errors
    /// A batch cannot be opened; the output cannot be written.
    pub fn stretch(&self, stretch: Stretch, session: &mut Session) -> Result<Compared, Failure> {
        let first = self.opened(stretch.first.batch, 0)?;
        let other = match stretch.first.batch == stretch.other.batch {
            true => Arc::clone(&first),
            false => self.opened(stretch.other.batch, 1)?,
        };
        let mut compared = Compared { conflicting: vec![0; stretch.length as usize], complete: true };
        let (first, other) = (&*first, &*other);
        let variables = self.variables(first, other);
        let memory = Semaphore::new(self.options.write.memory_bytes / 2);
        let buffers: ScratchPool<OverlapBuffers> = ScratchPool::new(self.pool.workers(), OverlapBuffers::default);
        let stop = session.stop.clone();
        let stopped = || stop.requested().is_some();
        let work = |(a, b): (&Array, Option<&Array>)| {
            let result = self.variable(&stretch, [first, other], a, b, &memory, &buffers);
            (a.path.clone(), result)
        };
        let window = WINDOW * self.pool.workers();
        OrderedMap::new(&self.pool, window).stop(&stopped).run(variables, work, |(path, result)| match result {
            Ok((elements, differences)) => {
                for (number, difference) in differences {
                    compared.conflicting[number as usize] += 1;
                    session.out.emit(&self.conflict(&path, &stretch, number, elements, difference))?;
                }
                Ok(())
            }
            Err(failure) => {
                compared.complete = false;
                session.item_failed(&failure)
            }
        })?;
        Ok(compared)
    }

    /// A batch, which is opened if it was not the last one.
    fn opened(&self, number: usize, side: usize) -> Result<Arc<Opened>, Failure> {
        let mut last = self.last[side].lock();
        if let Some(opened) = last.as_ref().filter(|opened| opened.number == number) {
            return Ok(Arc::clone(opened));
        }
        let opened = Arc::new(self.open(number)?);
        *last = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn open(&self, number: usize) -> Result<Opened, Failure> {
        let store = Store::open(&self.batches[number].target, &self.options.write.store)?;
        let hierarchy = zarray::Hierarchy::open(&store, &self.pool, store.is_remote())?;
        let (dataset, failed) = Dataset::read(&hierarchy, &self.pool);
        match failed.into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(Opened { number, dataset, store }),
        }
    }

    /// The variables along the dimension, apart from its coordinate, with the same one in the other batch; then those that only the
    /// other batch has.
    fn variables<'o>(&self, first: &'o Opened, other: &'o Opened) -> Vec<(&'o Array, Option<&'o Array>)> {
        let coordinate = &self.batches[first.number].path;
        let is_wanted = |array: &&Array| is_variable(array, self.dim, coordinate, &self.options.var);
        let shared = first.dataset.arrays().filter(is_wanted).map(|array| (array, other.dataset.array(&array.path)));
        let only = other.dataset.arrays().filter(is_wanted).filter(|array| first.dataset.array(&array.path).is_none());
        let all = shared.chain(only.map(|array| (array, None)));
        all.filter(|(_, other)| !self.only_shared || other.is_some()).collect()
    }

    /// Compares a variable: the values under each coordinate value, and what differs.
    fn variable(
        &self,
        stretch: &Stretch,
        opened: [&Opened; 2],
        a: &Array,
        b: Option<&Array>,
        memory: &Semaphore,
        buffers: &ScratchPool<OverlapBuffers>,
    ) -> Result<(u64, Vec<(u64, Difference)>), Failure> {
        let [first, other] = opened;
        let refused = |what: String| Failure::new(Exit::Unreadable, what).at(first.store.place(a.key_prefix()));
        let b = b.ok_or_else(|| refused(format!("is not in both stores ({})", other.store.location())))?;
        let dimension = axis(a, self.dim).ok_or_else(|| refused(format!("has no dimension {}", self.dim)))?;
        if axis(b, self.dim) != Some(dimension) {
            return Err(refused(format!("{} is another dimension in {}", self.dim, other.store.location())));
        }
        let is_time = is_time(a) && is_time(b);
        let recode = if is_time { shift(b, a, Some(dimension)).map_err(refused)? } else { None };
        if let Some(what) = meaning_differs(a, b, |name| is_time && matches!(name, "units" | "calendar")) {
            return Err(refused(format!("{what} is another in {}: values are not compared", other.store.location())));
        }
        let lengths = [(first, a), (other, b)].map(|(opened, array)| (opened.number, array.shape[dimension]));
        if lengths.iter().any(|(number, length)| *length != self.batches[*number].len()) {
            return Err(refused(format!("its length along {} is not that of the coordinate", self.dim)));
        }
        let limit = self.options.write.memory_bytes;
        let first_parts = Parts::new(&first.store, a, limit).map_err(refused)?;
        let other_parts = Parts::new(&other.store, b, limit).map_err(refused)?;
        let number = |opened: &Opened| self.batches[opened.number].number;
        let windows = [self.crop.window(a, number(first)), self.crop.window(b, number(other))];
        let overlap =
            Overlap::new(first_parts, other_parts, windows, dimension, Tolerance::default(), limit).map_err(refused)?;
        let overlap = overlap.with_recode(recode);
        let _permit = memory.acquire(overlap.cost());
        let differences = overlap.compare(stretch, &mut buffers.take())?;
        Ok((overlap.elements(), differences))
    }

    fn conflict(&self, path: &str, stretch: &Stretch, number: u64, compared: u64, difference: Difference) -> Record {
        let row = self.coordinate.rows(stretch.first.batch).start + (stretch.first.index + number) as usize;
        let is_number = difference.max > 0.0;
        Record::Conflict(Box::new(ConflictRecord {
            dim: self.dim.to_owned(),
            value: self.coordinate.label(row),
            path: path.to_owned(),
            store: self.batches[stretch.first.batch].name.clone(),
            index: stretch.first.index + number,
            other_store: self.batches[stretch.other.batch].name.clone(),
            other_index: stretch.other.index + number,
            compared,
            differing: difference.differing,
            max_abs_difference: is_number.then(|| largest(difference.max)),
            ..ConflictRecord::default()
        }))
    }
}

/// A difference as a value of a record.
pub fn largest(difference: f64) -> Value {
    if difference.is_finite() { difference.into() } else { "Infinity".into() }
}
