//! Where the objects of an output array go.

/// Where the objects of an array go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Into a new store.
    New,
    /// In place of the old ones, one by one: whichever of the two a reader meets, it can decode.
    InPlace,
    /// Into the store itself, beyond the shape that readers see. A chunk that crosses it is replaced by one with the same elements up to
    /// there.
    Append,
    /// Beside the old ones; the whole array is exchanged when all are written.
    Swap,
    /// Nowhere: the array stays as it is.
    Unchanged,
}

impl Placement {
    /// Whether all objects that are written come from elsewhere, so that these can be looked at again.
    pub fn is_moved(self) -> bool {
        matches!(self, Placement::New | Placement::Append | Placement::Swap)
    }
}
