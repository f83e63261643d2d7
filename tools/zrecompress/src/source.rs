//! The stored objects of all arrays as one stream of work, listed while they are worked on.

use std::ops::Range;

use parking_lot::Mutex;
use zarray::{Array, KeyKind};
use zstore::{Listing, Stat, Store, StoreError};

use crate::ledger::Ledger;
use crate::plan::{ArrayPlan, Placement};

/// One object to carry over.
pub struct Item {
    /// Its array, as a number in the plan.
    pub array: usize,
    /// Its key, relative to the store.
    pub key: String,
    /// Number of the object in its array, in the order it was handed out.
    pub number: u64,
    /// Its number in the grid of its array, where there is one.
    pub unit: Option<u64>,
    /// Its stored size and tag, where the list says them.
    pub stat: Option<Stat>,
}

/// What the stream brings.
pub enum Next {
    /// More work.
    Item(Item),
    /// All objects of this array are out.
    ArrayDone(usize),
    /// Nothing of this array belongs to the part that is done.
    NotMine(usize),
    /// A metadata document, which is written anew at the end.
    Metadata,
    /// A key below an array that is none of its chunks.
    Stray,
    /// A key that would be a chunk of this array, were the separator the other one.
    OtherSeparator(usize),
    /// The list broke off.
    Failed(StoreError),
    /// No more arrays.
    End,
}

/// Which objects are handed out.
pub enum Work {
    /// All that a list finds.
    Listed,
    /// These units of each array, present or not: whoever does a part does not list the whole.
    Units {
        units: Vec<Range<u64>>,
        /// Whether there are other parts.
        of_many: bool,
    },
}

impl Work {
    /// Whether nothing of an array is to be done here, because other parts do it.
    pub fn passes_over(&self, array: usize) -> bool {
        matches!(self, Work::Units { of_many: true, units } if units[array].is_empty())
    }
}

/// The stream, shared by the workers.
pub struct Source<'a> {
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
    /// The keys of these units, present or not.
    Computed(Range<u64>),
}

impl<'a> Source<'a> {
    pub fn new(store: &'a Store, plans: &'a [ArrayPlan], work: &'a Work) -> Source<'a> {
        let state = State { array: 0, number: 0, keys: None, over: false };
        Source { store, plans, work, state: Mutex::new(state) }
    }

    /// The next piece of work; an object that is handed out is entered in the ledger first, so that no array can look finished
    /// while one of its objects is on its way.
    pub fn next(&self, ledger: &Ledger) -> Next {
        let mut state = self.state.lock();
        let Some(plan) = self.plans.get(state.array).filter(|_| !state.over) else { return Next::End };
        if self.work.passes_over(state.array) {
            state.array += 1;
            return Next::NotMine(state.array - 1);
        }
        if !plan.is_transcoded() {
            state.array += 1;
            return if plan.placement == Placement::Stays { Next::ArrayDone(state.array - 1) } else { Next::Metadata };
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
                Some(Ok(object)) => match what_is(&plan.array, &object.key) {
                    Key::Chunk(unit) => Some((object.key, unit, Some(object.stat))),
                    Key::Metadata => return Next::Metadata,
                    // Of our own: what another worker is about to put in an old object's place.
                    Key::Stray if plan.placement == Placement::Over && object.key.contains(".tmp-") => {
                        return Next::Metadata;
                    }
                    Key::Stray => return Next::Stray,
                    Key::OtherSeparator => return Next::OtherSeparator(state.array),
                },
            },
            Some(Keys::Computed(units)) => {
                units.next().and_then(|unit| Some((key_of(&plan.array, unit)?, Some(unit), None)))
            }
            None => None,
        };
        match found {
            Some((key, unit, stat)) => {
                state.number += 1;
                ledger.started(state.array);
                Next::Item(Item { array: state.array, key, number: state.number - 1, unit, stat })
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
        if !listed {
            return Ok(Keys::Computed(units));
        }
        match self.store.list(plan.array.key_prefix()) {
            Ok(listing) => Ok(Keys::Listed(listing)),
            Err(StoreError::NotListable { .. }) => Ok(Keys::Computed(units)),
            Err(error) => Err(error),
        }
    }
}

/// The key of the object with that number.
fn key_of(array: &Array, unit: u64) -> Option<String> {
    let grid = array.grid.as_ref()?;
    Some(array.key(&array.keys.encode(&grid.index(unit))))
}

/// Whether a listed key would be a chunk of `array`, were the separator the other one.
pub fn is_misspelled(array: &Array, key: &str) -> bool {
    matches!(what_is(array, key), Key::OtherSeparator)
}

/// What a listed key is to its array.
pub enum Key {
    /// A chunk, with its number in the grid.
    Chunk(Option<u64>),
    Metadata,
    Stray,
    OtherSeparator,
}

/// What a listed key is to its array: a chunk counts only where the grid has a place for it.
pub fn what_is(array: &Array, key: &str) -> Key {
    let prefix = array.key_prefix();
    let relative = if prefix.is_empty() { key } else { key.get(prefix.len() + 1..).unwrap_or_default() };
    match array.keys.parse(relative, array.shape.len()) {
        _ if matches!(relative, ".zarray" | ".zattrs" | "zarr.json") => Key::Metadata,
        KeyKind::Chunk(index) => match &array.grid {
            None => Key::Chunk(None),
            Some(grid) if grid.contains(&index) => Key::Chunk(Some(grid.number(&index))),
            Some(_) => Key::Stray,
        },
        KeyKind::WrongSeparator => Key::OtherSeparator,
        _ => Key::Stray,
    }
}
