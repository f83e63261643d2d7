//! The values of arrays side by side: what their elements mean, parts of their chunks in C order, and what differs.
//!
//! Two arrays with the same values may have other chunks, codecs, byte orders, filters or Zarr formats. This crate reads values,
//! and never writes any.

mod difference;
mod mixed;
mod parts;
mod value_type;

pub use difference::{Difference, Tolerance, compare};
pub use mixed::compare as compare_mixed;
pub use parts::{PartBuffers, Parts};
pub use value_type::{Class, ValueType};
