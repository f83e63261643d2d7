//! MD5 sums of what arrives side by side: each is a stream, and what has come of several is added together, one stream in each lane
//! of the processor's vectors.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Buf, Bytes};
use parking_lot::{Condvar, Mutex, MutexGuard};
use zcodec::md5::{BLOCK, Blocks, START, State, add_blocks};

/// Bytes of a stream that wait for those of others.
const MOST_WAITING: usize = 512 << 10;

/// So many streams are enough.
const ENOUGH: usize = 8;

/// How long a stream waits for others.
const PATIENCE: Duration = Duration::from_millis(2);

/// The sum of the start of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    pub state: State,
    /// Bytes in it: whole blocks.
    pub bytes: u64,
}

impl Default for Begun {
    fn default() -> Begun {
        Begun { state: START, bytes: 0 }
    }
}

/// The streams that are arriving.
#[derive(Debug, Default)]
pub struct Md5Streams {
    all: Mutex<BTreeMap<u64, Stream>>,
    /// Notified when pieces have been added.
    added: Condvar,
}

#[derive(Debug, Default)]
struct Stream {
    lane: Lane,
    /// Bytes that wait in it.
    waiting: usize,
    /// Whether a thread adds what waits, which it has taken out.
    is_busy: bool,
    /// Some of it came twice, and the first time is in the sum.
    is_spoilt: bool,
}

/// A sum and what is to be added.
#[derive(Debug, Default)]
struct Lane {
    begun: Begun,
    /// What follows, and is less than a block.
    rest: Vec<u8>,
    /// The pieces that follow.
    pieces: VecDeque<Bytes>,
}

type All<'a> = MutexGuard<'a, BTreeMap<u64, Stream>>;

impl Md5Streams {
    /// Begins a stream.
    pub fn open(&self) -> u64 {
        let mut all = self.all.lock();
        let id = all.last_key_value().map_or(0, |(last, _)| last + 1);
        all.insert(id, Stream::default());
        id
    }

    /// The next bytes of a stream. When enough of them wait, they are added together with those of other streams.
    pub fn add(&self, id: u64, piece: Bytes) {
        let mut all = self.all.lock();
        let Some(stream) = all.get_mut(&id).filter(|stream| !stream.is_spoilt) else { return };
        stream.waiting += piece.len();
        stream.lane.pieces.push_back(piece);
        let mut is_late = false;
        while all.get(&id).is_some_and(|stream| stream.waiting > MOST_WAITING) {
            if is_late || all.values().filter(|stream| stream.is_ready()).count() >= ENOUGH {
                self.add_some(&mut all);
            } else {
                is_late = self.added.wait_for(&mut all, PATIENCE).timed_out();
            }
        }
    }

    /// What came of a stream after its first `bytes` comes once more.
    pub fn restart(&self, id: u64, bytes: u64) {
        let mut all = self.all.lock();
        while all.get(&id).is_some_and(|stream| stream.is_busy) {
            self.added.wait(&mut all);
        }
        let Some(stream) = all.get_mut(&id) else { return };
        let mut end = stream.lane.begun.bytes + stream.lane.rest.len() as u64;
        stream.is_spoilt |= end > bytes;
        stream.lane.pieces.retain(|piece| {
            end += piece.len() as u64;
            end <= bytes
        });
        stream.waiting = stream.lane.pieces.iter().map(Bytes::len).sum();
    }

    /// Ends a stream.
    pub fn finish(&self, id: u64) -> Begun {
        let mut all = self.all.lock();
        while all.get(&id).is_some_and(|stream| stream.is_busy || !(stream.is_spoilt || stream.waiting == 0)) {
            self.add_some(&mut all);
        }
        all.remove(&id).filter(|stream| !stream.is_spoilt).map_or_else(Begun::default, |stream| stream.lane.begun)
    }

    /// Adds what waits of every stream; waits itself where all of them are being added.
    fn add_some(&self, all: &mut All<'_>) {
        let ready = all.iter_mut().filter(|(_, stream)| stream.is_ready());
        let (ids, mut lanes): (Vec<u64>, Vec<Lane>) = ready
            .map(|(id, stream)| {
                stream.is_busy = true;
                (*id, std::mem::take(&mut stream.lane))
            })
            .unzip();
        if lanes.is_empty() {
            return self.added.wait(all);
        }
        MutexGuard::unlocked(all, || add_lanes(&mut lanes));
        for (id, mut lane) in ids.into_iter().zip(lanes) {
            if let Some(stream) = all.get_mut(&id) {
                // What has come meanwhile follows.
                lane.pieces.append(&mut stream.lane.pieces);
                stream.waiting = lane.pieces.iter().map(Bytes::len).sum();
                (stream.lane, stream.is_busy) = (lane, false);
            }
        }
        self.added.notify_all();
    }
}

impl Stream {
    fn is_ready(&self) -> bool {
        !self.is_busy && self.waiting > 0
    }
}

/// Adds what waits, as long as three quarters of the lanes have something.
fn add_lanes(lanes: &mut [Lane]) {
    let least = (lanes.len() * 3).div_ceil(4);
    loop {
        lanes.iter_mut().for_each(Lane::align);
        let mut full: Vec<&mut Lane> = lanes.iter_mut().filter(|lane| !lane.blocks().is_empty()).collect();
        let count = full.iter().map(|lane| lane.blocks().len()).min().filter(|_| full.len() >= least);
        let Some(count) = count else { return };
        let mut states: Vec<State> = full.iter().map(|lane| lane.begun.state).collect();
        let blocks: Vec<Blocks> = full.iter().map(|lane| &lane.blocks()[..count]).collect();
        add_blocks(&mut states, &blocks);
        for (lane, state) in full.iter_mut().zip(states) {
            let bytes = count * BLOCK;
            lane.begun = Begun { state, bytes: lane.begun.bytes + bytes as u64 };
            lane.pieces.front_mut().into_iter().for_each(|piece| piece.advance(bytes));
        }
    }
}

impl Lane {
    /// The whole blocks at the start of what waits.
    fn blocks(&self) -> Blocks<'_> {
        self.pieces.front().map_or(&[], |piece| piece.as_chunks().0)
    }

    /// Makes the next piece start with a block: what is less than one, at the end of the piece before, is completed and added.
    fn align(&mut self) {
        while let Some(piece) = self.pieces.front_mut() {
            if self.rest.is_empty() && piece.len() >= BLOCK {
                return;
            }
            let missing = (BLOCK - self.rest.len()).min(piece.len());
            self.rest.extend_from_slice(&piece.split_to(missing));
            if piece.is_empty() {
                self.pieces.pop_front();
            }
            if let Ok(block) = <[u8; BLOCK]>::try_from(self.rest.as_slice()) {
                let mut states = [self.begun.state];
                add_blocks(&mut states, &[&[block]]);
                self.begun = Begun { state: states[0], bytes: self.begun.bytes + BLOCK as u64 };
                self.rest.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use md5::{Digest, Md5};

    use super::*;
    use crate::md5_lanes::{Message, Sum, sums_of_ranges};

    fn message(len: usize, seed: usize) -> Bytes {
        (0..len).map(|index| (index.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
    }

    fn pieces(message: &Bytes, mut len: usize) -> Vec<Bytes> {
        let mut rest = message.clone();
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            pieces.push(rest.split_to(len.min(rest.len())));
            len = len % 50_000 + 777;
        }
        pieces
    }

    /// The sum of the rest of a message.
    fn ended(begun: Begun, message: &[u8]) -> Sum {
        let read_at = |target: &mut [u8], start: u64| -> Result<(), Infallible> {
            target.copy_from_slice(&message[start as usize..][..target.len()]);
            Ok(())
        };
        let Ok(sums) = sums_of_ranges(&[Message { range: 0..message.len() as u64, begun }], read_at);
        sums[0]
    }

    #[test]
    fn streams_side_by_side_have_the_sums_of_each() {
        for threads in [1, 2, 5, 20] {
            let streams = Md5Streams::default();
            std::thread::scope(|scope| {
                for thread in 0..threads {
                    let streams = &streams;
                    scope.spawn(move || {
                        for round in 0..5 {
                            let whole = message([0, 63, 64, 1_000_003, 300_000][round], thread);
                            let id = streams.open();
                            pieces(&whole, 100 * thread + 1).into_iter().for_each(|piece| streams.add(id, piece));
                            let begun = streams.finish(id);
                            assert_eq!(begun.bytes, (whole.len() / BLOCK * BLOCK) as u64);
                            let expected: Sum = Md5::digest(&whole).into();
                            assert_eq!(ended(begun, &whole), expected, "stream {thread} of {threads}");
                        }
                    });
                }
            });
            assert!(streams.all.lock().is_empty());
        }
    }

    #[test]
    fn what_comes_again_counts_once() {
        let whole = message(200_000, 3);
        let (first, second) = (whole.slice(..100_001), whole.slice(100_001..));
        for before in [0, 1, 7] {
            let streams = Md5Streams::default();
            let id = streams.open();
            streams.add(id, first.clone());
            for _ in 0..before {
                streams.add(id, message(100_000, 5));
            }
            streams.restart(id, first.len() as u64);
            streams.add(id, second.clone());
            let begun = streams.finish(id);
            assert_eq!(begun.bytes > 0, before < 7, "{before}: a sum that has them is of no use");
            let expected: Sum = Md5::digest(&whole).into();
            assert_eq!(ended(begun, &whole), expected, "{before}");
        }
    }
}
