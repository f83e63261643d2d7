//! Weather-like batches on a latitude-longitude grid, with a member of the system in each cell.

mod batch;
mod faults;
mod fields;
mod layout;
mod spec;
mod variables;

pub use batch::BatchStore;
pub use faults::{Faults, SEED_BATCHES, damage};
pub use layout::{FileIds, GridShape};
pub use spec::{BatchSpec, COORDINATES};
pub use variables::MOST as MOST_VARIABLES;
