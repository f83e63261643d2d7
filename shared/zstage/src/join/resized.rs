//! An array with another length along a dimension, made when it is needed: the arrays of 10^4 batches have hundreds of lengths.

use std::sync::Arc;

use parking_lot::Mutex;
use zarray::{Array, Grid};

/// The array that was made last: neighbouring objects mostly are of the same one.
#[derive(Debug, Default)]
pub struct LastResized(Mutex<Option<(u32, Arc<Array>)>>);

impl Clone for LastResized {
    fn clone(&self) -> LastResized {
        LastResized::default()
    }
}

impl LastResized {
    /// The array `number`, which is `array`, with `length` indices along `dimension`.
    pub fn get(&self, number: u32, array: &Arc<Array>, dimension: usize, length: u64) -> Arc<Array> {
        if array.shape[dimension] == length {
            return Arc::clone(array);
        }
        let mut last = self.0.lock();
        if let Some((_, made)) = last.as_ref().filter(|(of, made)| *of == number && made.shape[dimension] == length) {
            return Arc::clone(made);
        }
        let made = Arc::new(resized(array, dimension, length));
        *last = Some((number, Arc::clone(&made)));
        made
    }
}

fn resized(array: &Array, dimension: usize, length: u64) -> Array {
    let mut array = array.clone();
    array.shape[dimension] = length;
    array.grid = array.numbered().and_then(|grid| Grid::new(array.shape.clone(), grid.chunk_shape().to_vec()));
    array
}
