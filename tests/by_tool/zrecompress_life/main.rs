//! The life of an output of `zrecompress`: begun, killed, resumed, divided into parts, finished, or changed in place. Whatever
//! ends a run, the result of going on is that of a run that nothing disturbed.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod bad_chunks;
mod changes;
mod codecs;
mod ends;
mod in_place;
mod kills;
mod locks;
mod parts;
mod races;
mod resume;
mod sample;
mod scene;
mod strangers;
