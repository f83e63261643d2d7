//! `--trial` and `--auto`: compressors are tried on the user's own chunks, in memory.
//!
//! For each array, [`sample`] decodes a few chunks, [`candidates`] lists what to try, [`measure`] measures it, [`rank`] finds the
//! Pareto front and the best; [`rounds`] does that in two rounds, [`arrays`] for many arrays, [`report`] makes records of it.

mod arrays;
mod candidates;
pub mod human;
mod measure;
mod options;
mod rank;
mod report;
mod rounds;
mod sample;
#[cfg(test)]
mod tests;

pub use arrays::{choose, show};
pub use options::{Fixed, Objective, TrialOptions};
