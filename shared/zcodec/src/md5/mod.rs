//! The steps of MD5 for several messages at once. In one MD5 each step waits for the one before; several of them side by side, one in
//! each lane of the processor's vectors, take hardly longer than one.

mod baseline;
mod kernels;
mod state;

use kernels::kernel;

pub use state::{BLOCK, Blocks, State};

/// The most messages that are worth waiting for: no processor takes more at once.
pub const LANES: usize = 16;

/// The state of a message without a block.
pub const START: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Adds blocks to the states of messages. Each message has as many blocks.
pub fn add_blocks(mut states: &mut [State], mut messages: &[Blocks]) {
    while !messages.is_empty() {
        let (add, lanes) = kernel(messages.len()).unwrap_or((baseline::add_blocks, baseline::LANES));
        let count = lanes.min(messages.len());
        let (first, others) = states.split_at_mut(count);
        add(first, &messages[..count]);
        (states, messages) = (others, &messages[count..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(count: usize, seed: u32) -> Vec<[u8; BLOCK]> {
        let byte = |index: u32| (index.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8;
        (0..count as u32).map(|block| std::array::from_fn(|at| byte(block * 64 + at as u32))).collect()
    }

    /// The block that pads an empty message.
    #[test]
    fn the_sum_of_nothing_is_that_of_rfc_1321() {
        let mut end = [0; BLOCK];
        end[0] = 0x80;
        let mut states = [START; 5];
        add_blocks(&mut states, &[&[end][..]; 5]);
        assert_eq!(states, [[0xd98c_1dd4, 0x04b2_008f, 0x9809_80e9, 0x7e42_f8ec]; 5]);
    }

    #[test]
    fn all_kernels_agree() {
        let messages: Vec<Vec<[u8; BLOCK]>> = (0..LANES).map(|number| blocks(10, number as u32)).collect();
        let all: Vec<Blocks> = messages.iter().map(Vec::as_slice).collect();
        let mut expected = vec![START; LANES];
        let four = baseline::LANES;
        expected.chunks_mut(four).zip(all.chunks(four)).for_each(|(states, all)| baseline::add_blocks(states, all));
        for (add, lanes) in kernels::available() {
            for count in 1..=lanes {
                let mut states = vec![START; count];
                add(&mut states, &all[..count]);
                assert_eq!(states, expected[..count], "{count} of {lanes}");
            }
        }
    }
}
