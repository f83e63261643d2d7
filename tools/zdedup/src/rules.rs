//! What is decided by options: which duplicates are kept, what must agree, how chunks are written.

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinMode {
    /// They have the same values in all stores.
    Exact,
    /// Those of the first store are used.
    Override,
}

/// The attributes of the output, in xarray's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// The same in all stores.
    Identical,
    /// All attributes, none of which differ.
    NoConflicts,
    /// Those of the first store without those that differ in others.
    DropConflicts,
    /// Those of the first store.
    Override,
}

/// How chunks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyMode {
    /// As they are stored where possible.
    Auto,
    /// Only as they are stored.
    Raw,
    /// Decoded and encoded.
    Recode,
}
