//! Buffers for output objects that are put together; a worker keeps them from object to object, because new memory costs as much time as
//! decoding into it.

use zarray::DecodeScratch;
use zcodec::Workspace;

/// The buffers.
#[derive(Default)]
pub struct AssemblyBuffers {
    /// The decoded output chunk.
    pub decoded: Vec<u8>,
    /// The encoded one.
    pub encoded: Vec<u8>,
    /// A decoded part of a source chunk.
    pub part: Vec<u8>,
    /// Its converted elements.
    pub converted: Vec<u8>,
    /// Stored bytes that were read and are not needed.
    pub spare: Vec<u8>,
    /// For decoding parts of chunks.
    pub decoder: DecodeScratch,
    /// Of the codecs.
    pub workspace: Workspace,
}

impl AssemblyBuffers {
    /// Bytes of the buffers.
    pub fn bytes(&self) -> u64 {
        let AssemblyBuffers { decoded, encoded, part, converted, spare, .. } = self;
        [decoded, encoded, part, converted, spare].iter().map(|buffer| buffer.capacity() as u64).sum()
    }
}

/// Fills `buffer` with `count` elements.
pub fn fill_with(buffer: &mut Vec<u8>, element: &[u8], count: usize) {
    buffer.clear();
    let length = element.len() * count;
    if element.iter().all(|byte| *byte == 0) {
        buffer.resize(length, 0);
        return;
    }
    buffer.reserve_exact(length);
    buffer.extend_from_slice(&element[..element.len().min(length)]);
    // What is there is doubled until it is enough.
    while buffer.len() < length {
        buffer.extend_from_within(..buffer.len().min(length - buffer.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_fill_the_buffer() {
        let mut buffer = vec![7; 100];
        for count in [0, 1, 2, 3, 5, 8, 13] {
            for element in [&[1, 2, 3][..], &[0, 0], &[9]] {
                fill_with(&mut buffer, element, count);
                assert_eq!(buffer, element.repeat(count));
            }
        }
    }
}
