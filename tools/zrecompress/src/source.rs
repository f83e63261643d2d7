//! The stored objects of all arrays as one stream of work, listed while they are worked on.

use std::sync::{Mutex, PoisonError};

use zarray::{Array, KeyKind};
use zstore::{Listing, Store, StoreError};

use crate::ledger::Ledger;
use crate::plan::ArrayPlan;

/// One object to carry over.
pub struct Item {
    /// Its array, as a number in the plan.
    pub array: usize,
    /// Its key, relative to the store.
    pub key: String,
    /// Number of the object in its array, in the order of the list.
    pub number: u64,
    /// Its stored size, where the list says it.
    pub size: Option<u64>,
}

/// What the stream brings.
pub enum Next {
    /// More work.
    Item(Item),
    /// All objects of this array are out.
    ArrayDone(usize),
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

/// The stream, shared by the workers.
pub struct Source<'a> {
    store: &'a Store,
    plans: &'a [ArrayPlan],
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
    /// From a server that cannot list: every key that the grid has, present or not.
    Computed(u64),
}

impl<'a> Source<'a> {
    pub fn new(store: &'a Store, plans: &'a [ArrayPlan]) -> Source<'a> {
        Source { store, plans, state: Mutex::new(State { array: 0, number: 0, keys: None, over: false }) }
    }

    /// The next piece of work; an object that is handed out is entered in the ledger first, so that no array can look finished
    /// while one of its objects is on its way.
    pub fn next(&self, ledger: &Ledger) -> Next {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(plan) = self.plans.get(state.array).filter(|_| !state.over) else { return Next::End };
        let array = &plan.array;
        if state.keys.is_none() {
            match self.store.list(array.key_prefix()) {
                Ok(listing) => state.keys = Some(Keys::Listed(listing)),
                Err(StoreError::NotListable { .. }) => state.keys = Some(Keys::Computed(0)),
                Err(error) => {
                    state.over = true;
                    return Next::Failed(error);
                }
            }
        }
        let next = match &mut state.keys {
            Some(Keys::Listed(listing)) => match listing.next() {
                None => None,
                Some(Err(error)) => {
                    state.over = true;
                    return Next::Failed(error);
                }
                Some(Ok(object)) => match what_is(array, &object.key) {
                    Key::Chunk => Some((object.key, Some(object.stat.size))),
                    Key::Metadata => return Next::Metadata,
                    Key::Stray => return Next::Stray,
                    Key::OtherSeparator => return Next::OtherSeparator(state.array),
                },
            },
            Some(Keys::Computed(number)) => match array.grid.as_ref().filter(|grid| *number < grid.len()) {
                None => None,
                Some(grid) => {
                    let key = array.key(&array.keys.encode(&grid.index(*number)));
                    *number += 1;
                    Some((key, None))
                }
            },
            None => None,
        };
        match next {
            Some((key, size)) => {
                state.number += 1;
                ledger.started(state.array);
                Next::Item(Item { array: state.array, key, number: state.number - 1, size })
            }
            None => {
                let done = state.array;
                *state = State { array: done + 1, number: 0, keys: None, over: false };
                Next::ArrayDone(done)
            }
        }
    }
}

enum Key {
    Chunk,
    Metadata,
    Stray,
    OtherSeparator,
}

/// What a listed key is to its array: a chunk counts only where the grid has a place for it.
fn what_is(array: &Array, key: &str) -> Key {
    let prefix = array.key_prefix();
    let relative = if prefix.is_empty() { key } else { key.get(prefix.len() + 1..).unwrap_or_default() };
    match array.keys.parse(relative, array.shape.len()) {
        _ if matches!(relative, ".zarray" | ".zattrs" | "zarr.json") => Key::Metadata,
        KeyKind::Chunk(index) if array.grid.as_ref().is_none_or(|grid| grid.contains(&index)) => Key::Chunk,
        KeyKind::WrongSeparator => Key::OtherSeparator,
        _ => Key::Stray,
    }
}
