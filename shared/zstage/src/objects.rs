//! The objects of all output arrays as one stream of work: listed while they are worked on, or computed from their numbers.

use std::ops::Range;

use parking_lot::Mutex;
use zarray::Key;
use zstore::{Listing, Stat, Store, StoreError, is_temporary};

use crate::array_plan::ArrayPlan;
use crate::placement::Placement;
use crate::report::Report;
use crate::view::ObjectSource;

/// One output object to make.
pub struct Item {
    /// Its array, as a number in the plan.
    pub array: usize,
    /// The key of its source object; where it has several, the key of the output.
    pub key: String,
    /// What its source is.
    pub source: ItemSource,
    /// Number of the object in its array, in the order it was handed out.
    pub number: u64,
    /// Its number in the grid of its array, where there is one.
    pub unit: Option<u64>,
    /// Stored size and tag of the source, where a list says them.
    pub stat: Option<Stat>,
}

/// What an output object is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemSource {
    /// The source object of the plan's own array.
    Own,
    /// What a view has under it.
    View(ObjectSource),
}

/// What the stream brings.
pub enum Next {
    /// More work.
    Item(Item),
    /// All objects of this array are out.
    ArrayDone(usize),
    /// This array has no object in the part that is done.
    NotMine(usize),
    /// A metadata document, which is written at the end.
    Metadata,
    /// A key below an array that is none of its chunks.
    Stray,
    /// A key that would be a chunk of this array with the other separator.
    WrongSeparator(usize),
    /// The list broke off.
    Failed(StoreError),
    /// No more arrays.
    End,
}

/// Which objects are handed out.
pub enum Work {
    /// All that a list finds.
    Listed,
    /// These units of each array, present or not: a part does not list the whole.
    Units {
        /// Of each array.
        units: Vec<Range<u64>>,
        /// Whether there are other parts.
        of_many: bool,
    },
}

impl Work {
    /// Whether other parts do all of an array.
    pub fn passes_over(&self, array: usize) -> bool {
        matches!(self, Work::Units { of_many: true, units } if units[array].is_empty())
    }
}

/// The stream, shared by the workers.
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
}

impl<'a> Objects<'a> {
    /// The objects of `plans`, whose own arrays lie in `store`.
    pub fn new(store: &'a Store, plans: &'a [ArrayPlan], work: &'a Work) -> Objects<'a> {
        let state = State { array: 0, number: 0, keys: None, over: false };
        Objects { store, plans, work, state: Mutex::new(state) }
    }

    /// The next piece of work. An object that is handed out is entered in the report first, so that no array can look
    /// finished while one of its objects is in flight.
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
                    // Our own: what another worker is about to put in the place of an old object.
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
            Some(Keys::Computed(units)) => units.next().and_then(|unit| {
                let (key, source) = source_of(plan, unit)?;
                Some((key, source, Some(unit), None))
            }),
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
        };
        // Without a regular grid no key can be computed: such an array is one unit, which is listed.
        let listed = matches!(self.work, Work::Listed) || (plan.array.grid.is_none() && !units.is_empty());
        if !listed || !plan.view.is_whole() {
            return Ok(Keys::Computed(units));
        }
        match self.store.list(plan.array.key_prefix()) {
            Ok(listing) => Ok(Keys::Listed(listing)),
            Err(StoreError::NotListable { .. }) => Ok(Keys::Computed(units)),
            Err(error) => Err(error),
        }
    }
}

/// The key and source of the output object with that number.
fn source_of(plan: &ArrayPlan, unit: u64) -> Option<(String, ItemSource)> {
    let grid = plan.array.grid.as_ref()?;
    let index = grid.index(unit);
    if plan.view.is_whole() {
        return Some((plan.array.key(&plan.array.keys.encode(&index)), ItemSource::Own));
    }
    let under = plan.view.under(grid, &index);
    let key = match &under {
        ObjectSource::Object { piece, index } => {
            let array = &plan.view.pieces()[*piece].array;
            array.key(&array.keys.encode(index))
        }
        ObjectSource::Regions(_) => plan.output_key(&index),
    };
    Some((key, ItemSource::View(under)))
}
