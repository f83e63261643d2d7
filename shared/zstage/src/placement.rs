//! Where the objects of an output array go.

/// Where the objects of an array go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Into a new store.
    New,
    /// In place of the old ones, one by one: whichever of the two a reader meets, it can decode.
    InPlace,
    /// Beside the old ones; the whole array is exchanged when all are written.
    Swap,
    /// Nowhere: the array stays as it is.
    Unchanged,
}

impl Placement {
    /// Whether all objects are written to a new place.
    pub fn is_moved(self) -> bool {
        matches!(self, Placement::New | Placement::Swap)
    }
}
