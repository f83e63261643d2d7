//! MD5 of four messages at once, in the lanes of vectors that every processor has.

use super::state::{BLOCK, Blocks, K, State};

/// Messages side by side.
pub const LANES: usize = 4;

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
    /// Those of so many messages; lanes without one repeat the last.
    fn of(states: &[State]) -> States {
        let lane = |word: usize| move |lane: usize| states[lane.min(states.len() - 1)][word];
        States([0, 1, 2, 3].map(|word| Words(std::array::from_fn(lane(word)))))
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
}

/// Adds blocks to the states of up to [`LANES`] messages. Each message has as many blocks.
pub fn add_blocks(states: &mut [State], messages: &[Blocks]) {
    let Some(last) = states.len().min(messages.len()).checked_sub(1) else { return };
    let mut side_by_side = States::of(states);
    let [one, two, three, four] = [0, 1, 2, 3].map(|lane: usize| messages[lane.min(last)]);
    for (((one, two), three), four) in one.iter().zip(two).zip(three).zip(four) {
        side_by_side.add([one, two, three, four]);
    }
    for (lane, state) in states.iter_mut().enumerate() {
        *state = side_by_side.0.map(|word| word.0[lane]);
    }
}
