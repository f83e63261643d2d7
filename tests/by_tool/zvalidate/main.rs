//! `zvalidate`, end to end: planted faults in every format, sound stores, stores against each other, rules, parts, lists.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod across;
mod expectations;
mod faults;
mod fills;
mod filters;
mod flags;
mod lessons;
mod lists;
mod made;
mod map;
mod memory;
mod numbers;
mod partial;
mod parts;
mod size;
mod sound;
