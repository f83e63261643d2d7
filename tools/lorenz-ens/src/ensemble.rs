//! An ensemble: the states of all members, and how they are integrated.

use parking_lot::Mutex;
use zarray::Pool;

use crate::kernel::{Lanes, Members};
use crate::system::System;

/// Bytes of a member's state.
pub const STATE_BYTES: u64 = 24;

/// Below so many member-steps, starting threads costs more than they save.
const WORTH_THREADS: u64 = 20_000_000;

/// How members are integrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// One member at a time.
    Serial,
    /// Lanes of one thread.
    Vector,
    /// Lanes and threads.
    Parallel,
}

impl Method {
    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            Method::Serial => "serial",
            Method::Vector => "vector",
            Method::Parallel => "parallel",
        }
    }

    /// The fastest for an amount of work.
    pub fn for_work(members: u64, steps: u64, jobs: usize) -> Method {
        match members.saturating_mul(steps) < WORTH_THREADS || jobs < 2 {
            true => Method::Vector,
            false => Method::Parallel,
        }
    }
}

/// The states of all members.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ensemble {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    pub z: Vec<f64>,
}

impl Ensemble {
    /// No members yet, with room for so many.
    pub fn with_capacity(members: usize) -> Ensemble {
        let room = || Vec::with_capacity(members);
        Ensemble { x: room(), y: room(), z: room() }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.x.len()
    }

    /// Adds a member.
    pub fn push(&mut self, [x, y, z]: [f64; 3]) {
        self.x.push(x);
        self.y.push(y);
        self.z.push(z);
    }

    /// A member.
    pub fn state(&self, member: usize) -> [f64; 3] {
        [self.x[member], self.y[member], self.z[member]]
    }

    /// Some members.
    pub fn slice(&self, members: std::ops::Range<usize>) -> Ensemble {
        let take = |values: &[f64]| values[members.clone()].to_vec();
        Ensemble { x: take(&self.x), y: take(&self.y), z: take(&self.z) }
    }

    /// All members, for the kernel.
    pub fn members(&mut self) -> Members<'_> {
        Members { x: &mut self.x, y: &mut self.y, z: &mut self.z }
    }

    /// Members in blocks of `count`.
    pub fn blocks(&mut self, count: usize) -> impl Iterator<Item = Members<'_>> {
        let blocks = self.x.chunks_mut(count).zip(self.y.chunks_mut(count)).zip(self.z.chunks_mut(count));
        blocks.map(|((x, y), z)| Members { x, y, z })
    }

    /// Integrates all members on the threads of `pool`, which matters only to [`Method::Parallel`].
    pub fn advance(&mut self, system: &System, steps: u64, method: Method, pool: &Pool) {
        match method {
            Method::Serial => Lanes::Scalar.advance(system, &mut self.members(), steps),
            Method::Vector => Lanes::best().advance(system, &mut self.members(), steps),
            Method::Parallel => {
                let lanes = Lanes::best();
                let count = block(self.len(), lanes.width(), pool.workers());
                let blocks = Mutex::new(self.blocks(count));
                pool.broadcast(|_| {
                    let next = || blocks.lock().next();
                    while let Some(mut members) = next() {
                        lanes.advance(system, &mut members, steps);
                    }
                });
            }
        }
    }
}

/// Members of a block: a multiple of the lanes, and several blocks for each worker, so that all end at about the same time.
pub fn block(members: usize, width: usize, workers: usize) -> usize {
    const BLOCKS_PER_WORKER: usize = 4;
    members.div_ceil(workers * BLOCKS_PER_WORKER).next_multiple_of(width).max(width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::Integrator;

    #[test]
    fn all_methods_and_numbers_of_threads_agree_bit_for_bit() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.01, integrator: Integrator::Euler };
        let start = |count: usize| {
            let mut ensemble = Ensemble::default();
            (0..count).for_each(|member| ensemble.push([-10.0 + member as f64 * 0.01, -10.0, 25.0]));
            ensemble
        };
        for count in [1, 30, 100, 257] {
            let mut expected = start(count);
            expected.advance(&system, 500, Method::Serial, &Pool::new(1));
            for method in [Method::Serial, Method::Vector, Method::Parallel] {
                for jobs in [1, 2, 5] {
                    let mut ensemble = start(count);
                    ensemble.advance(&system, 500, method, &Pool::new(jobs));
                    assert_eq!(ensemble, expected, "{method:?} -j{jobs}");
                }
            }
        }
    }

    #[test]
    fn blocks_are_whole_groups_of_lanes() {
        assert_eq!(block(30, 32, 2), 32);
        assert_eq!(block(4096, 32, 2), 512);
        assert_eq!(block(1, 12, 8), 12);
    }
}
