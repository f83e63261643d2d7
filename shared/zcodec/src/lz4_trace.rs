//! Single bytes of an LZ4 block without decompressing it: its sequences are listed, not copied, and each wanted byte is
//! followed from match to match back to the literal that it was copied from.
//!
//! Format: LZ4's `lz4_Block_format.md`. Listing costs a fraction of decompressing, since nothing is written and no branch
//! depends on the data but for long lengths; following costs a search for each match on the way.

use crate::lz4::more;

/// Where a sequence begins: its first decoded byte, and its token in the block.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sequence {
    decoded: u32,
    token: u32,
}

/// The sequences of a block up to some decoded byte.
#[derive(Debug, Clone, Copy)]
pub struct Trace<'a> {
    block: &'a [u8],
    sequences: &'a [Sequence],
}

const MIN_MATCH: usize = 4;

impl<'a> Trace<'a> {
    /// Lists the sequences that hold the first `wanted` decoded bytes, into `buffer`, which only ever grows. Nothing where
    /// the block is truncated or ends before.
    pub fn new(block: &'a [u8], wanted: usize, buffer: &'a mut Vec<Sequence>) -> Option<Trace<'a>> {
        // A sequence with a match is three bytes or more; one more has none.
        let most = block.len() / 3 + 1;
        if buffer.len() < most {
            buffer.resize(most, Sequence::default());
        }
        u32::try_from(block.len()).and(u32::try_from(wanted)).ok()?;
        let (mut at, mut decoded) = (0, 0);
        for (count, sequence) in buffer.iter_mut().enumerate() {
            *sequence = Sequence { decoded: u32::try_from(decoded).ok()?, token: u32::try_from(at).ok()? };
            let token = *block.get(at)?;
            let (mut literals, mut matched) = (usize::from(token >> 4), usize::from(token & 15));
            at += 1;
            if literals == 15 {
                literals += more(block, &mut at)?;
            }
            at += literals + 2;
            if matched == 15 && decoded + literals < wanted {
                matched += more(block, &mut at)?;
            }
            decoded += literals + matched + MIN_MATCH;
            if decoded >= wanted {
                return Some(Trace { block, sequences: &buffer[..=count] });
            }
        }
        None
    }

    /// The decoded byte at `at`, which is one of those wanted. `None` if the block is not LZ4, or more than
    /// `steps` matches (which are counted down) lie between the byte and its literal.
    pub fn byte(&self, mut at: usize, steps: &mut usize) -> Option<u8> {
        let mut sequences = self.sequences;
        loop {
            let count = sequences.partition_point(|sequence| sequence.decoded as usize <= at);
            sequences = &sequences[..count];
            let &Sequence { decoded, token } = sequences.last()?;
            let (decoded, mut place) = (decoded as usize, token as usize + 1);
            let mut literals = usize::from(self.block.get(token as usize)? >> 4);
            if literals == 15 {
                literals += more(self.block, &mut place)?;
            }
            if at - decoded < literals {
                return self.block.get(place + (at - decoded)).copied();
            }
            let start = decoded + literals;
            let offset = self.block.get(place + literals..)?.first_chunk::<2>()?;
            let offset = usize::from(u16::from_le_bytes(*offset));
            if offset == 0 || offset > start {
                return None;
            }
            // A match longer than its offset repeats what it copies.
            let within = at - start;
            at = start - offset + if within < offset { within } else { within % offset };
            *steps = steps.checked_sub(1)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lz4::{lz4_compress, lz4_decompress};

    /// Runs of copies from near and far, of noise, and of one byte, from short to so long that lengths need more bytes.
    fn any_text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec((0u8..3, any::<u16>(), 1usize..700, any::<u8>()), 1..60).prop_map(|runs| {
            let mut text: Vec<u8> = Vec::new();
            for (kind, back, len, seed) in runs {
                for i in 0..len {
                    let copied = text.len().checked_sub(1 + usize::from(back)).map(|at| text[at]);
                    text.push(match kind {
                        0 => (i as u8).wrapping_mul(seed | 1) ^ (i as u8 >> 3),
                        1 => copied.unwrap_or(seed),
                        _ => seed,
                    });
                }
            }
            text
        })
    }

    proptest! {
        /// Returns every byte of the listed part, and none beyond the end.
        #[test]
        fn bytes_are_those_of_the_text(text in any_text(), wanted: prop::sample::Index) {
            let mut block = vec![0; text.len() + text.len() / 200 + 20];
            let len = lz4_compress(&text, &mut block, 1);
            let block = &block[..len];
            let mut buffer = Vec::new();
            for wanted in [wanted.index(text.len()) + 1, text.len()] {
                let trace = Trace::new(block, wanted, &mut buffer).expect("is LZ4");
                for (at, byte) in text[..wanted].iter().enumerate() {
                    prop_assert_eq!(trace.byte(at, &mut usize::MAX.clone()), Some(*byte), "at {}", at);
                }
            }
            let beyond = Trace::new(block, text.len() + 100, &mut buffer);
            prop_assert!(beyond.is_none());
        }

        /// Damage never crashes; where LZ4 decodes it all the same, the bytes are its own.
        #[test]
        fn damaged_blocks_never_crash(
            text in any_text(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        ) {
            let mut block = vec![0; text.len() + text.len() / 200 + 20];
            let len = lz4_compress(&text, &mut block, 1);
            block.truncate(len);
            for (at, byte) in damage {
                block[at.index(len)] = byte;
            }
            let mut decoded = vec![0; text.len()];
            let whole = lz4_decompress(&block, &mut decoded) == Some(text.len());
            let mut buffer = Vec::new();
            let trace = Trace::new(&block, text.len(), &mut buffer);
            prop_assert!(trace.is_some() || !whole);
            for (at, byte) in decoded.iter().enumerate() {
                let found = trace.and_then(|trace| trace.byte(at, &mut usize::MAX.clone()));
                prop_assert!(!whole || found == Some(*byte));
            }
        }
    }

    #[test]
    fn the_number_of_steps_is_bounded() {
        // "abcd", four matches of 4 bytes at offset 4, and the last literals.
        let mut block = vec![0x40, b'a', b'b', b'c', b'd', 4, 0];
        block.extend([0, 4, 0].repeat(3));
        block.extend([0x50, 1, 2, 3, 4, 5]);
        let mut buffer = Vec::new();
        let trace = Trace::new(&block, 20, &mut buffer).expect("is LZ4");
        assert_eq!(trace.byte(18, &mut 4), Some(b'c'));
        assert_eq!(trace.byte(18, &mut 3), None);
        assert_eq!(trace.byte(2, &mut 0), Some(b'c'));
        // One byte repeated 219 times is one step, at any position in the run.
        let block = [0x1f, b'x', 1, 0, 200, 0x50, 1, 2, 3, 4, 5];
        let trace = Trace::new(&block, 220, &mut buffer).expect("is LZ4");
        assert_eq!(trace.byte(219, &mut 1), Some(b'x'));
    }
}
