//! MD5 of several messages at once. In one MD5 each step waits for the one before; four of them side by side, one in each lane of
//! the processor's vectors, take hardly longer than one.

use std::ops::Range;

use md5::{Digest, Md5};

/// Messages side by side: the lanes of vectors that every processor has.
pub const LANES: usize = 4;

/// An MD5.
pub type Sum = [u8; 16];

/// Bytes of a block.
const BLOCK: usize = 64;

/// Bytes of a message that are read at a time.
const PIECE: usize = 64 << 10;

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

/// One word of each message. Every operation is a loop over the lanes, which becomes one instruction.
#[derive(Debug, Clone, Copy)]
struct Words([u32; LANES]);

impl Words {
    #[inline(always)]
    fn zip(mut self, other: Words, operation: impl Fn(u32, u32) -> u32) -> Words {
        self.0.iter_mut().zip(other.0).for_each(|(one, other)| *one = operation(*one, other));
        self
    }

    #[inline(always)]
    fn map(self, operation: impl Fn(u32) -> u32) -> Words {
        Words(self.0.map(operation))
    }

    #[inline(always)]
    fn plus(self, other: Words) -> Words {
        self.zip(other, u32::wrapping_add)
    }

    #[inline(always)]
    fn xor(self, other: Words) -> Words {
        self.zip(other, |one, other| one ^ other)
    }

    #[inline(always)]
    fn and(self, other: Words) -> Words {
        self.zip(other, |one, other| one & other)
    }

    #[inline(always)]
    fn or_not(self, other: Words) -> Words {
        self.zip(other, |one, other| one | !other)
    }
}

/// A step of the round `round`: `k` is its constant, `word` the one of the message, `turn` how far it is rotated.
#[inline(always)]
fn step(round: usize, k: u32, turn: u32, [a, b, c, d]: [Words; 4], word: Words) -> Words {
    let mixed = match round {
        0 => d.xor(b.and(c.xor(d))),
        1 => c.xor(d.and(b.xor(c))),
        2 => b.xor(c).xor(d),
        _ => c.xor(b.or_not(d)),
    };
    a.plus(word.map(|word| word.wrapping_add(k))).plus(mixed).map(|sum| sum.rotate_left(turn)).plus(b)
}

/// Four steps, after which each word of the state has its place again.
macro_rules! four_steps {
    ($round:literal, $first:literal, $words:expr, $turns:expr, $state:ident, $message:ident) => {{
        let [a, b, c, d] = &mut $state;
        *a = step($round, K[$first], $turns[0], [*a, *b, *c, *d], $message[$words[0]]);
        *d = step($round, K[$first + 1], $turns[1], [*d, *a, *b, *c], $message[$words[1]]);
        *c = step($round, K[$first + 2], $turns[2], [*c, *d, *a, *b], $message[$words[2]]);
        *b = step($round, K[$first + 3], $turns[3], [*b, *c, *d, *a], $message[$words[3]]);
    }};
}

/// The state of messages whose blocks so far have been added.
#[derive(Debug, Clone, Copy)]
struct States([Words; 4]);

impl States {
    fn new() -> States {
        States([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476].map(|word| Words([word; LANES])))
    }

    /// Adds a block of each message.
    #[inline(always)]
    fn add(&mut self, blocks: [&[u8; BLOCK]; LANES]) {
        let mut words = [Words([0; LANES]); 16];
        for (lane, block) in blocks.into_iter().enumerate() {
            for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
                word.0[lane] = u32::from_le_bytes(*bytes);
            }
        }
        let mut state = self.0;
        four_steps!(0, 0, [0, 1, 2, 3], [7, 12, 17, 22], state, words);
        four_steps!(0, 4, [4, 5, 6, 7], [7, 12, 17, 22], state, words);
        four_steps!(0, 8, [8, 9, 10, 11], [7, 12, 17, 22], state, words);
        four_steps!(0, 12, [12, 13, 14, 15], [7, 12, 17, 22], state, words);
        four_steps!(1, 16, [1, 6, 11, 0], [5, 9, 14, 20], state, words);
        four_steps!(1, 20, [5, 10, 15, 4], [5, 9, 14, 20], state, words);
        four_steps!(1, 24, [9, 14, 3, 8], [5, 9, 14, 20], state, words);
        four_steps!(1, 28, [13, 2, 7, 12], [5, 9, 14, 20], state, words);
        four_steps!(2, 32, [5, 8, 11, 14], [4, 11, 16, 23], state, words);
        four_steps!(2, 36, [1, 4, 7, 10], [4, 11, 16, 23], state, words);
        four_steps!(2, 40, [13, 0, 3, 6], [4, 11, 16, 23], state, words);
        four_steps!(2, 44, [9, 12, 15, 2], [4, 11, 16, 23], state, words);
        four_steps!(3, 48, [0, 7, 14, 5], [6, 10, 15, 21], state, words);
        four_steps!(3, 52, [12, 3, 10, 1], [6, 10, 15, 21], state, words);
        four_steps!(3, 56, [8, 15, 6, 13], [6, 10, 15, 21], state, words);
        four_steps!(3, 60, [4, 11, 2, 9], [6, 10, 15, 21], state, words);
        for (word, more) in self.0.iter_mut().zip(state) {
            *word = word.plus(more);
        }
    }

    /// Adds the whole blocks of each message; all have as many.
    fn add_all(&mut self, messages: [&[u8]; LANES]) {
        let [one, two, three, four] = messages.map(|message| message.as_chunks::<BLOCK>().0);
        for (((one, two), three), four) in one.iter().zip(two).zip(three).zip(four) {
            self.add([one, two, three, four]);
        }
    }

    /// The state of one lane, which another one has from now on.
    fn move_lane(&mut self, from: &States, lane: usize, to: usize) {
        for (word, from) in self.0.iter_mut().zip(from.0) {
            word.0[to] = from.0[lane];
        }
    }

    fn sum(&self, lane: usize) -> Sum {
        let mut sum = [0; 16];
        for (bytes, word) in sum.as_chunks_mut::<4>().0.iter_mut().zip(self.0) {
            *bytes = word.0[lane].to_le_bytes();
        }
        sum
    }
}

/// A message that is being read.
struct Lane {
    /// Its number.
    message: usize,
    /// What is missing of it.
    rest: Range<u64>,
    /// Its length.
    bytes: u64,
    /// What was read last.
    piece: Vec<u8>,
}

/// The sums of messages that lie in one file: each is a range of it, which `read_at` reads.
///
/// # Errors
/// Those of `read_at`.
pub fn sums_of_ranges<E>(
    ranges: &[Range<u64>],
    mut read_at: impl FnMut(&mut [u8], u64) -> Result<(), E>,
) -> Result<Vec<Sum>, E> {
    let mut sums = vec![[0; 16]; ranges.len()];
    let mut states = States::new();
    let mut lanes: [Option<Lane>; LANES] = Default::default();
    let mut waiting = ranges.iter().cloned().enumerate();
    loop {
        for (number, lane) in lanes.iter_mut().enumerate() {
            // What is left of a message is less than a block: it ends, and the next one takes its lane.
            while lane.as_ref().is_none_or(|lane| lane.left() < BLOCK as u64) {
                if let Some(Lane { message, rest, bytes, mut piece }) = lane.take() {
                    piece.resize((rest.end - rest.start) as usize, 0);
                    read_at(&mut piece, rest.start)?;
                    sums[message] = states.ended(number, &piece, bytes);
                }
                let Some((message, rest)) = waiting.next() else { break };
                states.move_lane(&States::new(), 0, number);
                let bytes = rest.end.saturating_sub(rest.start);
                *lane = Some(Lane { message, rest, bytes, piece: Vec::new() });
            }
        }
        let Some(least) = lanes.iter().flatten().map(Lane::left).min() else { return Ok(sums) };
        let len = least.min(PIECE as u64) as usize / BLOCK * BLOCK;
        for lane in lanes.iter_mut().flatten() {
            lane.piece.resize(len, 0);
            read_at(&mut lane.piece, lane.rest.start)?;
            lane.rest.start += len as u64;
        }
        // Lanes without a message repeat that of another.
        let some = lanes.iter().flatten().next().map_or(&[][..], |lane| &lane.piece);
        states.add_all([0, 1, 2, 3].map(|lane| lanes[lane].as_ref().map_or(some, |lane| &lane.piece)));
    }
}

impl Lane {
    fn left(&self) -> u64 {
        self.rest.end.saturating_sub(self.rest.start)
    }
}

impl States {
    /// The sum of the message in a lane, of `bytes` altogether, of which `rest` is less than a block.
    fn ended(&self, lane: usize, rest: &[u8], bytes: u64) -> Sum {
        let mut end = [0; 2 * BLOCK];
        end[..rest.len()].copy_from_slice(rest);
        end[rest.len()] = 0x80;
        let blocks = if rest.len() < BLOCK - 8 { 1 } else { 2 };
        end[blocks * BLOCK - 8..blocks * BLOCK].copy_from_slice(&bytes.wrapping_mul(8).to_le_bytes());
        let mut states = *self;
        states.add_all([&end[..blocks * BLOCK]; LANES]);
        states.sum(lane)
    }
}

/// The sums of messages in memory.
pub fn sums_of(messages: &[&[u8]]) -> Vec<Sum> {
    match messages {
        [only] => vec![Md5::digest(only).into()],
        several => several.chunks(LANES).flat_map(sums_of_lanes).collect(),
    }
}

/// The sums of no more messages than there are lanes.
fn sums_of_lanes(messages: &[&[u8]]) -> Vec<Sum> {
    let common = messages.iter().map(|message| message.len()).min().unwrap_or(0) / BLOCK * BLOCK;
    let mut states = States::new();
    let start = |lane: usize| messages.get(lane).or(messages.first()).map_or(&[][..], |message| &message[..common]);
    states.add_all([start(0), start(1), start(2), start(3)]);
    let rest = |(lane, message): (usize, &&[u8])| {
        let mut states = states;
        let blocks = message.len() / BLOCK * BLOCK;
        let more = &message[common..blocks];
        states.add_all([more; LANES]);
        states.ended(lane, &message[blocks..], message.len() as u64)
    };
    messages.iter().enumerate().map(rest).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn bytes(len: usize, seed: u32) -> Vec<u8> {
        (0..len as u32).map(|index| (index.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
    }

    #[test]
    fn the_sums_of_messages_side_by_side_are_those_of_each() {
        let lengths = [0, 1, 55, 56, 63, 64, 65, 127, 128, 1000, 1024, 100_000];
        for count in 1..=9 {
            for shift in 0..lengths.len() {
                let of = |number: usize| bytes(lengths[(number * 5 + shift) % lengths.len()], number as u32);
                let messages: Vec<Vec<u8>> = (0..count).map(of).collect();
                let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
                let expected: Vec<Sum> = messages.iter().map(|message| Md5::digest(message).into()).collect();
                assert_eq!(sums_of(&slices), expected, "{count} messages from {shift}");
            }
        }
    }

    #[test]
    fn the_sums_of_ranges_are_those_of_their_bytes() {
        let file = bytes(1_000_003, 7);
        let read_at = |target: &mut [u8], start: u64| -> Result<(), Infallible> {
            target.copy_from_slice(&file[start as usize..][..target.len()]);
            Ok(())
        };
        for part in [1, 63, 64, 1000, 65_536, 300_000, 700_000, 2_000_000] {
            let from = if part < 1000 { 999_000 } else { 0 };
            let starts = (from..file.len()).step_by(part);
            let ranges: Vec<Range<u64>> =
                starts.map(|start| start as u64..(start + part).min(file.len()) as u64).collect();
            let of = |range: &Range<u64>| Md5::digest(&file[range.start as usize..range.end as usize]).into();
            let expected: Vec<Sum> = ranges.iter().map(of).collect();
            assert_eq!(sums_of_ranges(&ranges, read_at), Ok(expected), "parts of {part}");
        }
        assert_eq!(sums_of_ranges(&[], read_at), Ok(Vec::new()));
        assert_eq!(sums_of_ranges(&[5..5], read_at), Ok(vec![Md5::digest(b"").into()]));
        let failing = |_: &mut [u8], _| Err("the disk");
        assert_eq!(sums_of_ranges(&[0..100], failing), Err("the disk"));
    }
}
