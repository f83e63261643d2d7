//! The steps of MD5 for several messages at once. In one MD5 each step waits for the one before; several of them side by side, one in
//! each lane of the processor's vectors, take hardly longer than one.

mod baseline;
mod kernels;

use kernels::kernel;

/// The most messages that are worth waiting for: no processor takes more at once.
pub const LANES: usize = 16;

/// Bytes of a block.
pub const BLOCK: usize = 64;

/// The state of a message whose blocks so far have been added.
pub type State = [u32; 4];

/// The blocks of a message.
pub type Blocks<'a> = &'a [[u8; BLOCK]];

/// The state of a message without a block.
pub const START: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The words that a step adds: those of RFC 1321.
#[rustfmt::skip]
const K: [u32; BLOCK] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501, 0x6980_98d8,
    0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821, 0xf61e_2562, 0xc040_b340,
    0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8, 0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87,
    0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a, 0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c,
    0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70, 0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039,
    0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665, 0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92,
    0xffef_f47d, 0x8584_5dd1, 0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb,
    0xeb86_d391,
];

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
