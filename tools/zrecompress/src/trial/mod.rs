//! `--trial` and `--auto`: try compressors on the user's own chunks, in memory.
//!
//! For each array, [`sample`] decodes chunks, [`candidates`] lists compressors, [`measure`] measures them, [`rank`]
//! orders them; [`settle`] chooses; [`rounds`] runs two rounds, [`arrays`] handles many arrays, [`report`] makes records.

mod arrays;
mod candidates;
pub mod human;
mod measure;
mod options;
mod rank;
mod report;
mod rounds;
mod sample;
mod settle;
#[cfg(test)]
mod tests;

pub use arrays::{choose, show};
pub use options::{Fixed, Objective, TrialOptions};
