//! The objects of all output arrays as one stream: listed lazily, or computed from their numbers.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use zarray::{Key, Pool};
use zstore::{Listing, Stat, Store, StoreError, is_temporary};
use zwire::Failure;

use crate::array_plan::ArrayPlan;
use crate::inner_chunks::few_inner_chunks;
use crate::placement::Placement;
use crate::report::Report;
use crate::view::ObjectSource;

/// One output object to create.
pub struct Item {
    /// Index of its array in the plan.
    pub array: usize,
    /// The key of its source object; with several, the key of the output object.
    pub key: String,
    /// Its source.
    pub source: ItemSource,
    /// Sequence number within its array, in the order objects are handed out.
    pub number: u64,
    /// Its number in the grid of its array, if the grid is regular.
    pub unit: Option<u64>,
    /// Stored size and tag of the source, if listed.
    pub stat: Option<Stat>,
}

/// The source of an output object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemSource {
    /// The source object of the plan's own array.
    Own,
    /// The source given by a view.
    View(ObjectSource),
}

/// The next element of the stream.
pub enum Next {
    /// More work.
    Item(Item),
    /// All objects of this array have been handed out.
    ArrayDone(usize),
    /// This array has no objects in the part being processed.
    NotMine(usize),
    /// A metadata document; these are written last.
    Metadata,
    /// A key below an array that is not one of its chunks.
    Stray,
    /// A key that would be a chunk of this array with the other separator.
    WrongSeparator(usize),
    /// Listing failed.
    Failed(StoreError),
    /// No more arrays.
    End,
}

/// Which objects to hand out.
pub enum Work {
    /// All listed objects.
    Listed,
    /// These units of each array, present or not; avoids listing the whole array for each part.
    Units {
        /// Units of each array.
        units: Vec<Range<u64>>,
        /// Whether there are other parts.
        of_many: bool,
    },
    /// Single units of each array, in order.
    Chosen(Vec<Vec<u64>>),
}

impl Work {
    /// Whether an array is processed entirely by other parts.
    pub fn passes_over(&self, array: usize) -> bool {
        match self {
            Work::Listed => false,
            Work::Units { units, of_many } => *of_many && units[array].is_empty(),
            Work::Chosen(units) => units[array].is_empty(),
        }
    }
}

/// The stream, shared by all workers.
pub struct Objects<'a> {
    store: &'a Store,
    plans: &'a [ArrayPlan],
    work: &'a Work,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    array: usize,
    number: u64,
    keys: Option<Keys<'a>>,
    over: bool,
}

enum Keys<'a> {
    Listed(Listing<'a>),
    /// These units, present or not.
    Computed(Range<u64>),
    Chosen(std::slice::Iter<'a, u64>),
}

impl<'a> Objects<'a> {
    /// The objects of `plans`, whose own arrays are in `store`.
    pub fn new(store: &'a Store, plans: &'a [ArrayPlan], work: &'a Work) -> Objects<'a> {
        let state = State { array: 0, number: 0, keys: None, over: false };
        Objects { store, plans, work, state: Mutex::new(state) }
    }

    /// The next element. An object is registered in the report before it is returned, so that no array looks finished
    /// while one of its objects is in flight.
    pub fn next(&self, report: &Report) -> Next {
        let mut state = self.state.lock();
        let Some(plan) = self.plans.get(state.array).filter(|_| !state.over) else { return Next::End };
        if self.work.passes_over(state.array) {
            state.array += 1;
            return Next::NotMine(state.array - 1);
        }
        if !plan.is_by_object() {
            state.array += 1;
            return if plan.placement == Placement::Unchanged {
                Next::ArrayDone(state.array - 1)
            } else {
                Next::Metadata
            };
        }
        if state.keys.is_none() {
            match self.keys(state.array) {
                Ok(keys) => state.keys = Some(keys),
                Err(error) => {
                    state.over = true;
                    return Next::Failed(error);
                }
            }
        }
        let computed = |unit| source_of(plan, unit).map(|(key, source)| (key, source, Some(unit), None));
        let found = match &mut state.keys {
            Some(Keys::Listed(listing)) => match listing.next() {
                None => None,
                Some(Err(error)) => {
                    state.over = true;
                    return Next::Failed(error);
                }
                Some(Ok(object)) => match plan.array.key_kind(&object.key) {
                    Key::Chunk(unit) => Some((object.key, ItemSource::Own, unit, Some(object.stat))),
                    Key::Metadata => return Next::Metadata,
                    // Our own temporary object, which another worker is about to rename over an old one.
                    Key::Stray | Key::OutsideGrid
                        if plan.placement == Placement::InPlace
                            && is_temporary(object.key.rsplit('/').next().unwrap_or_default()) =>
                    {
                        return Next::Metadata;
                    }
                    Key::Stray | Key::OutsideGrid => return Next::Stray,
                    Key::WrongSeparator => return Next::WrongSeparator(state.array),
                },
            },
            Some(Keys::Computed(units)) => units.next().and_then(computed),
            Some(Keys::Chosen(units)) => units.next().copied().and_then(computed),
            None => None,
        };
        match found {
            Some((key, source, unit, stat)) => {
                state.number += 1;
                report.started(state.array);
                Next::Item(Item { array: state.array, key, source, number: state.number - 1, unit, stat })
            }
            None => {
                let done = state.array;
                *state = State { array: done + 1, number: 0, keys: None, over: false };
                Next::ArrayDone(done)
            }
        }
    }

    fn keys(&self, array: usize) -> Result<Keys<'a>, StoreError> {
        let plan = &self.plans[array];
        let units = match self.work {
            Work::Listed => 0..plan.units(),
            Work::Units { units, .. } => units[array].clone(),
            Work::Chosen(units) => return Ok(Keys::Chosen(units[array].iter())),
        };
        // Without a known grid no key can be computed: such an array is one unit, which is listed.
        let listed = matches!(self.work, Work::Listed) || (plan.array.numbered().is_none() && !units.is_empty());
        if !listed || !plan.view.is_whole() {
            return Ok(Keys::Computed(units));
        }
        match self.store.list(plan.array.key_prefix()) {
            Ok(listing) => Ok(Keys::Listed(listing)),
            Err(StoreError::NotListable { .. }) if plan.array.numbered().is_some() => Ok(Keys::Computed(units)),
            Err(error) => Err(error),
        }
    }
}

/// Does something with each number of an object, on all threads of `pool`.
///
/// # Errors
/// The first failure of `look`.
pub fn each_unit(pool: &Pool, units: u64, look: impl Fn(u64) -> Result<(), Failure> + Sync) -> Result<(), Failure> {
    if units < 2 {
        return (0..units).try_for_each(look);
    }
    let (next, failed) = (AtomicU64::new(0), Mutex::new(None));
    pool.broadcast(|_| {
        let mut units = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|unit| *unit < units));
        if let Err(failure) = units.try_for_each(&look) {
            *failed.lock() = Some(failure);
        }
    });
    failed.into_inner().map_or(Ok(()), Err)
}

/// The key and source of the output object with this number.
pub fn source_of(plan: &ArrayPlan, unit: u64) -> Option<(String, ItemSource)> {
    let grid = plan.array.numbered()?;
    let index = plan.index(grid, unit);
    if plan.view.is_whole() {
        return Some((plan.array.key(&plan.array.keys.encode(&index)), ItemSource::Own));
    }
    let mut under = plan.view.under(grid, &index);
    if let ObjectSource::Object { piece, .. } = under
        && let Some(region) = few_inner_chunks(plan, piece, &grid.chunk(&index))
    {
        under = ObjectSource::Regions(vec![(piece, region)]);
    }
    let key = match &under {
        ObjectSource::Object { piece, index } => {
            let array = &plan.view.piece(*piece).array;
            array.key(&array.keys.encode(index))
        }
        ObjectSource::Regions(_) => plan.output_key(&index),
    };
    Some((key, ItemSource::View(under)))
}
