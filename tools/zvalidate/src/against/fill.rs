//! The values of chunks that are not stored.

use zarray::Subset;
use zcodec::to_usize;

/// The fill value, once for each element of `part`.
pub fn filled(fill: &[u8], part: &Subset, target: &mut Vec<u8>) {
    target.clear();
    match fill.first().filter(|first| fill.iter().all(|byte| byte == *first)) {
        Some(first) => target.resize(to_usize(part.elements()) * fill.len(), *first),
        None => (0..part.elements()).for_each(|_| target.extend_from_slice(fill)),
    }
}
