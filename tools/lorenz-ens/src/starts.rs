//! Where the chunks of a trajectory start: a chunk of later times needs the states at the end of the one before it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use zcli::Stop;
use zwire::Failure;

use crate::advance::in_pieces;
use crate::ensemble::{Ensemble, STATE_BYTES};
use crate::initial::Initial;
use crate::kernel::Lanes;
use crate::system::System;

/// States at the starts of chunks: kept where they are known, else integrated from the nearest that are.
pub struct Starts {
    system: System,
    lanes: Lanes,
    initial: Initial,
    /// Their states, once they are needed: not to publish what others have made.
    states: OnceLock<Ensemble>,
    /// Members in a chunk.
    members: usize,
    /// Steps from the start of a chunk to that of the next.
    steps: u64,
    kept: Mutex<Kept>,
    /// Memory for those that are kept: the chunks of an array are made in order, so that few are needed again.
    kept_bytes: u64,
    stop: Stop,
}

#[derive(Default)]
struct Kept {
    states: BTreeMap<(u64, u64), Arc<Ensemble>>,
    /// The oldest first.
    order: VecDeque<(u64, u64)>,
}

/// The members and times of a chunk, as far as its start depends on them.
#[derive(Debug, Clone, Copy)]
pub struct Blocks {
    /// Members in a chunk.
    pub members: u64,
    /// Steps from the start of a chunk to that of the next.
    pub steps: u64,
    /// Memory for states that are kept.
    pub kept_bytes: u64,
}

impl Starts {
    /// The starts of all chunks; members begin at `initial`.
    pub fn new(system: System, lanes: Lanes, initial: Initial, blocks: Blocks, stop: Stop) -> Starts {
        let members = usize::try_from(blocks.members).unwrap_or(usize::MAX).max(1);
        let Blocks { steps, kept_bytes, .. } = blocks;
        let (states, kept) = (OnceLock::new(), Mutex::default());
        Starts { system, lanes, initial, states, members, steps, kept, kept_bytes, stop }
    }

    /// The states of a block of members where chunk number `chunk` starts.
    ///
    /// # Errors
    /// A signal.
    pub fn at(&self, block: u64, chunk: u64) -> Result<Ensemble, Failure> {
        let found = {
            let kept = self.kept.lock();
            let nearest = kept.states.range((block, 0)..=(block, chunk)).next_back();
            nearest.map(|((_, at), states)| (*at, Arc::clone(states)))
        };
        let (at, mut states) = match found {
            Some((at, states)) => (at, Ensemble::clone(&states)),
            None => {
                let initial = self.states.get_or_init(|| self.initial.states());
                let start = block as usize * self.members;
                (0, initial.slice(start..start.saturating_add(self.members).min(initial.len())))
            }
        };
        let count = states.len();
        let advance = |steps| self.lanes.advance(&self.system, &mut states.members(), steps);
        in_pieces(count, (chunk - at) * self.steps, &self.stop, advance)?;
        Ok(states)
    }

    /// Keeps the states at the start of a chunk.
    pub fn keep(&self, block: u64, chunk: u64, states: Ensemble) {
        let bytes = states.len() as u64 * STATE_BYTES;
        let most = (self.kept_bytes / bytes.max(1)).max(1) as usize;
        let mut kept = self.kept.lock();
        if kept.states.insert((block, chunk), Arc::new(states)).is_none() {
            kept.order.push_back((block, chunk));
        }
        while kept.order.len() > most {
            if let Some(oldest) = kept.order.pop_front() {
                kept.states.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ics::Ics;
    use crate::system::Integrator;

    #[test]
    fn kept_states_change_nothing() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.01, integrator: Integrator::Rk4 };
        let given = Initial::Given { states: Ics::new((0..10).map(|x| [f64::from(x), 1.0, 20.0]).collect()) };
        let initial = given.states();
        let blocks = Blocks { members: 4, steps: 50, kept_bytes: 1 << 10 };
        let starts = Starts::new(system, Lanes::best(), given, blocks, Stop::never());
        let at = |block, chunk| starts.at(block, chunk).expect("no signal");
        let direct = at(2, 3);
        assert_eq!(direct.len(), 2, "the last block is shorter");
        starts.keep(2, 1, at(2, 1));
        starts.keep(2, 2, at(2, 2));
        assert_eq!(at(2, 3), direct);
        assert_eq!(at(0, 0), initial.slice(0..4));
        // What is kept is bounded: 96 bytes each.
        (0..20).for_each(|chunk| starts.keep(0, chunk, initial.slice(0..4)));
        assert_eq!(starts.kept.lock().states.len(), 10);
        assert_eq!(starts.kept.lock().states.keys().next(), Some(&(0, 10)));
    }

    #[test]
    fn a_signal_ends_a_long_way() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.01, integrator: Integrator::Euler };
        let initial = Initial::Given { states: Ics::new(vec![[1.0, 1.0, 20.0]]) };
        let stop = Stop::never();
        stop.flag().store(143, std::sync::atomic::Ordering::Relaxed);
        let blocks = Blocks { members: 1, steps: 1 << 50, kept_bytes: 0 };
        assert!(Starts::new(system, Lanes::best(), initial, blocks, stop).at(0, 1).is_err());
    }
}
