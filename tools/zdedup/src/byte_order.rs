//! Elements in the other byte order.

use std::sync::Arc;

use zarray::Array;
use zstage::Recode;
use zvalue::ValueType;

/// Reverses the bytes of each number.
#[derive(Debug)]
pub struct SwapBytes {
    /// Bytes of a number.
    size: usize,
}

impl SwapBytes {
    /// The conversion from `source` to `target`, if they differ in nothing but their byte order.
    pub fn between(source: &Array, target: &Array) -> Option<Arc<dyn Recode>> {
        let (from, to) = (ValueType::of(source).ok()?, ValueType::of(target).ok()?);
        let size = from.swapped(&to)?;
        Some(Arc::new(SwapBytes { size }))
    }
}

impl Recode for SwapBytes {
    fn recode(&self, source: &[u8], target: &mut Vec<u8>) -> Result<(), String> {
        let start = target.len();
        target.extend_from_slice(source);
        target[start..].chunks_exact_mut(self.size).for_each(<[u8]>::reverse);
        Ok(())
    }

    fn may_fail(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        format!("bytes of {} reversed", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_reversed() {
        let mut target = vec![9];
        SwapBytes { size: 2 }.recode(&[1, 2, 3, 4], &mut target).expect("reversed");
        assert_eq!(target, [9, 2, 1, 4, 3]);
    }
}
