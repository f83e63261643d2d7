//! What is decided by options: which duplicates are kept, what must agree, how chunks are written.

use serde::{Deserialize, Serialize};

/// Which occurrence of a duplicate is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The first.
    First,
    /// The last.
    Last,
    /// None of them.
    None,
    /// There must not be any duplicates.
    Error,
}

/// How a store updates those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlapRule {
    /// It must not overlap them.
    Error,
    /// Only with values beyond theirs.
    Newer,
    /// Its duplicates replace theirs.
    Replace,
    /// Theirs are retained.
    Retain,
}

/// How variables without the joined dimension agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinMode {
    /// They have the same values in all stores.
    #[default]
    Exact,
    /// Only the values that all stores have.
    Inner,
    /// Those of the first store are used.
    Override,
}

/// The attributes of the output, in xarray's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// The same in all stores.
    Identical,
    /// All attributes, none of which differ.
    NoConflicts,
    /// Those of the first store without those that differ in others.
    #[default]
    DropConflicts,
    /// Those of the first store.
    Override,
}

/// How chunks are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyMode {
    /// As they are stored where possible.
    #[default]
    Auto,
    /// Only as they are stored.
    Raw,
    /// Decoded and encoded.
    Recode,
}
