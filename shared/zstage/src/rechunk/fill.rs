//! The fill value of the source, as element bytes.

use zarray::Itemsize;

use super::vlen::FILL;

/// The fill value in the representation of the region buffer.
pub struct Fill {
    /// The element written where the source has none; zeros if the fill value is unknown.
    pub element: Vec<u8>,
    /// The bytes of the fill value, for variable-length elements.
    pub variable: Vec<u8>,
    /// Why the fill value is unknown.
    pub unknown: Option<String>,
}

impl Fill {
    pub fn new(fill: Result<Vec<u8>, String>, itemsize: Itemsize) -> Fill {
        let (bytes, unknown) = match fill {
            Ok(bytes) => (bytes, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        match itemsize {
            Itemsize::Variable => Fill { element: FILL.to_le_bytes().to_vec(), variable: bytes, unknown },
            Itemsize::Fixed(size) if unknown.is_some() => {
                Fill { element: vec![0; size], variable: Vec::new(), unknown }
            }
            Itemsize::Fixed(_) => Fill { element: bytes, variable: Vec::new(), unknown },
        }
    }

    /// Fills a buffer that holds a whole number of elements.
    pub fn elements(&self, buffer: &mut [u8]) {
        let Some(first) = self.element.first() else { return };
        if self.element.iter().all(|byte| byte == first) {
            return buffer.fill(*first);
        }
        let mut filled = self.element.len().min(buffer.len());
        buffer[..filled].copy_from_slice(&self.element[..filled]);
        while filled < buffer.len() {
            let more = filled.min(buffer.len() - filled);
            buffer.copy_within(..more, filled);
            filled += more;
        }
    }
}
