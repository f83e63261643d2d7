//! `zvalidate`, end to end: planted faults in every format, sound stores, stores against each other, rules.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod across;
mod faults;
mod flags;
mod made;
mod map;
mod size;
mod sound;
