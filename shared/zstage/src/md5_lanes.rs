//! MD5 of several messages at once. In one MD5 each step waits for the one before; several of them side by side, one in each lane
//! of the processor's vectors, take hardly longer than one.

use std::ops::Range;

use md5::{Digest, Md5};
use zcodec::md5::{BLOCK, Blocks, LANES, START, State, add_blocks};

use crate::md5_streams::Begun;

/// An MD5.
pub type Sum = [u8; 16];

/// Bytes of a message that are read at a time: those of all lanes stay in the processor's cache.
const PIECE: usize = 32 << 10;

/// Adds the blocks of messages, of which some may have more than others.
fn add_all(states: &mut [State], messages: &[Blocks]) {
    let mut done = 0;
    loop {
        let unfinished: Vec<usize> = (0..messages.len()).filter(|number| messages[*number].len() > done).collect();
        let Some(end) = unfinished.iter().map(|number| messages[*number].len()).min() else { return };
        let mut some: Vec<State> = unfinished.iter().map(|number| states[*number]).collect();
        let blocks: Vec<Blocks> = unfinished.iter().map(|number| &messages[*number][done..end]).collect();
        add_blocks(&mut some, &blocks);
        unfinished.into_iter().zip(some).for_each(|(number, state)| states[number] = state);
        done = end;
    }
}

/// A message that lies in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub range: Range<u64>,
    /// Its start need not be read.
    pub begun: Begun,
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

/// The sums of messages that lie in one file, which `read_at` reads.
///
/// # Errors
/// Those of `read_at`.
pub fn sums_of_ranges<E>(
    messages: &[Message],
    mut read_at: impl FnMut(&mut [u8], u64) -> Result<(), E>,
) -> Result<Vec<Sum>, E> {
    let mut sums = vec![[0; 16]; messages.len()];
    let (mut lanes, mut states): (Vec<Lane>, Vec<State>) = (Vec::new(), Vec::new());
    let mut waiting = messages.iter().enumerate();
    loop {
        for (number, Message { range, begun }) in waiting.by_ref().take(LANES - lanes.len()) {
            let bytes = range.end.saturating_sub(range.start);
            let rest = range.start.saturating_add(begun.bytes)..range.end;
            lanes.push(Lane { message: number, rest, bytes, piece: Vec::new() });
            states.push(begun.state);
        }
        // What is left of a message is less than a block: it ends, and another one takes its lane.
        if let Some(ends) = lanes.iter().position(|lane| lane.left() < BLOCK as u64) {
            let (Lane { message, rest, bytes, mut piece }, state) = (lanes.remove(ends), states.remove(ends));
            piece.resize(rest.end.saturating_sub(rest.start) as usize, 0);
            read_at(&mut piece, rest.start)?;
            sums[message] = ended(state, &piece, bytes);
            continue;
        }
        let Some(least) = lanes.iter().map(Lane::left).min() else { return Ok(sums) };
        let len = least.min(PIECE as u64) as usize / BLOCK * BLOCK;
        for lane in &mut lanes {
            lane.piece.resize(len, 0);
            read_at(&mut lane.piece, lane.rest.start)?;
            lane.rest.start += len as u64;
        }
        let blocks: Vec<Blocks> = lanes.iter().map(|lane| blocks(&lane.piece)).collect();
        add_blocks(&mut states, &blocks);
    }
}

impl Lane {
    fn left(&self) -> u64 {
        self.rest.end.saturating_sub(self.rest.start)
    }
}

/// The whole blocks of a message.
fn blocks(message: &[u8]) -> Blocks<'_> {
    message.as_chunks().0
}

/// The sum of a message of `bytes` altogether, of which `rest` is less than a block.
fn ended(state: State, rest: &[u8], bytes: u64) -> Sum {
    let (end, count) = end_of(rest, bytes);
    let mut states = [state];
    add_blocks(&mut states, &[&end[..count]]);
    sum(states[0])
}

/// The last blocks of a message, one or two: what is left of it, and its length.
fn end_of(rest: &[u8], bytes: u64) -> ([[u8; BLOCK]; 2], usize) {
    let mut end = [[0; BLOCK]; 2];
    let count = if rest.len() < BLOCK - 8 { 1 } else { 2 };
    end[0][..rest.len()].copy_from_slice(rest);
    end[0][rest.len()] = 0x80;
    end[count - 1][BLOCK - 8..].copy_from_slice(&bytes.wrapping_mul(8).to_le_bytes());
    (end, count)
}

fn sum(state: State) -> Sum {
    let mut sum = [0; 16];
    sum.as_chunks_mut::<4>().0.iter_mut().zip(state).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
    sum
}

/// The sums of messages in memory.
pub fn sums_of(messages: &[&[u8]]) -> Vec<Sum> {
    if let [only] = messages {
        return vec![Md5::digest(only).into()];
    }
    let mut states = vec![START; messages.len()];
    let starts: Vec<Blocks> = messages.iter().map(|message| blocks(message)).collect();
    add_all(&mut states, &starts);
    let ends = messages.iter().map(|message| end_of(message.as_chunks::<BLOCK>().1, message.len() as u64));
    let ends: Vec<_> = ends.collect();
    let ends: Vec<Blocks> = ends.iter().map(|(end, count)| &end[..*count]).collect();
    add_all(&mut states, &ends);
    states.into_iter().map(sum).collect()
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
        for count in [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33] {
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
        let message = |range: &Range<u64>| Message { range: range.clone(), begun: Begun::default() };
        for part in [1, 63, 64, 1000, 65_536, 300_000, 700_000, 2_000_000] {
            let from = if part < 1000 { 999_000 } else { 0 };
            let starts = (from..file.len()).step_by(part);
            let ranges: Vec<Range<u64>> =
                starts.map(|start| start as u64..(start + part).min(file.len()) as u64).collect();
            let of = |range: &Range<u64>| Md5::digest(&file[range.start as usize..range.end as usize]).into();
            let expected: Vec<Sum> = ranges.iter().map(of).collect();
            let messages: Vec<Message> = ranges.iter().map(message).collect();
            assert_eq!(sums_of_ranges(&messages, read_at), Ok(expected), "parts of {part}");
        }
        assert_eq!(sums_of_ranges(&[], read_at), Ok(Vec::new()));
        assert_eq!(sums_of_ranges(&[message(&(5..5))], read_at), Ok(vec![Md5::digest(b"").into()]));
        let failing = |_: &mut [u8], _| Err("the disk");
        assert_eq!(sums_of_ranges(&[message(&(0..100))], failing), Err("the disk"));
    }
}
