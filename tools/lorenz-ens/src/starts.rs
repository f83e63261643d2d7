//! Where the chunks of a trajectory start: a chunk of later times needs the states at the end of the one before it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::ensemble::{Ensemble, STATE_BYTES};
use crate::kernel::Lanes;
use crate::system::System;

/// Memory for states that are kept: the chunks of an array are made in order, so that few are needed again.
const KEPT_BYTES: u64 = 64 << 20;

/// States at the starts of chunks: kept where they are known, else integrated from the nearest that are.
pub struct Starts {
    system: System,
    initial: Ensemble,
    /// Members in a chunk.
    members: usize,
    /// Steps from the start of a chunk to that of the next.
    steps: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    states: BTreeMap<(u64, u64), Arc<Ensemble>>,
    /// The oldest first.
    order: VecDeque<(u64, u64)>,
}

impl Starts {
    /// Of chunks of so many members, from one of which to the next are so many steps.
    pub fn new(system: System, initial: Ensemble, members: u64, steps: u64) -> Starts {
        let members = usize::try_from(members).unwrap_or(usize::MAX).max(1);
        Starts { system, initial, members, steps, kept: Mutex::default() }
    }

    /// The states of a block of members where chunk number `chunk` starts.
    pub fn at(&self, block: u64, chunk: u64) -> Ensemble {
        let found = {
            let kept = self.kept.lock();
            let nearest = kept.states.range((block, 0)..=(block, chunk)).next_back();
            nearest.map(|((_, at), states)| (*at, Arc::clone(states)))
        };
        let (at, mut states) = match found {
            Some((at, states)) => (at, Ensemble::clone(&states)),
            None => {
                let start = block as usize * self.members;
                (0, self.initial.slice(start..self.initial.len().min(start + self.members)))
            }
        };
        Lanes::best().advance(&self.system, &mut states.members(), (chunk - at) * self.steps);
        states
    }

    /// Keeps the states at the start of a chunk.
    pub fn keep(&self, block: u64, chunk: u64, states: Ensemble) {
        let bytes = states.len() as u64 * STATE_BYTES;
        let most = (KEPT_BYTES / bytes.max(1)).max(4) as usize;
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
    use crate::system::Integrator;

    #[test]
    fn kept_states_change_nothing() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.01, integrator: Integrator::Rk4 };
        let mut initial = Ensemble::default();
        (0..10).for_each(|member| initial.push([member as f64, 1.0, 20.0]));
        let starts = Starts::new(system, initial.clone(), 4, 50);
        let direct = starts.at(2, 3);
        assert_eq!(direct.len(), 2, "the last block is shorter");
        starts.keep(2, 1, starts.at(2, 1));
        starts.keep(2, 2, starts.at(2, 2));
        assert_eq!(starts.at(2, 3), direct);
        assert_eq!(starts.at(0, 0), initial.slice(0..4));
        // What is kept is bounded.
        let many = Starts { initial: Ensemble::default(), ..Starts::new(system, initial, 4, 1) };
        let large = Ensemble { x: vec![0.0; 1 << 20], y: vec![0.0; 1 << 20], z: vec![0.0; 1 << 20] };
        (0..9).for_each(|chunk| many.keep(0, chunk, large.clone()));
        assert_eq!(many.kept.lock().states.len(), 4);
    }
}
