//! What `--against` asks for.

use zstore::Target;
use zwire::Failure;

use zvalue::Tolerance;

/// What is compared with.
pub struct Against {
    /// The other store.
    pub other: Target,
    /// The difference that counts as equal.
    pub tolerance: Tolerance,
    /// Whether each chunk that differs is reported.
    pub each_chunk: bool,
}

impl Against {
    /// The only store of `stores`.
    ///
    /// # Errors
    /// `Exit::Usage` if there are none or several.
    pub fn only<'t>(&self, stores: &'t [Target]) -> Result<&'t Target, Failure> {
        match stores {
            [only] => Ok(only),
            _ => Err(Failure::usage(format!("--against compares one store with another, not {}", stores.len()))),
        }
    }
}
