//! Steps of several members, written for any number of lanes: the compiler makes vector instructions of the loops over lanes.

use super::lanes::{Members, Path};
use crate::system::{Integrator, System, Variable};

/// Times of a trace that are collected before they are written to their rows: few enough to stay in the first cache.
const TILE: usize = 64;

/// The states of `L` members.
#[derive(Clone, Copy)]
struct Group<const L: usize> {
    x: [f64; L],
    y: [f64; L],
    z: [f64; L],
}

impl<const L: usize> Group<L> {
    /// The members from `first` on. Lanes without a member repeat the last one.
    #[inline(always)]
    fn load(members: &Members, first: usize) -> Group<L> {
        let last = members.x.len() - 1;
        let take = |values: &[f64]| std::array::from_fn(|lane| values[(first + lane).min(last)]);
        Group { x: take(members.x), y: take(members.y), z: take(members.z) }
    }

    #[inline(always)]
    fn store(&self, members: &mut Members, first: usize) {
        let count = L.min(members.x.len() - first);
        members.x[first..first + count].copy_from_slice(&self.x[..count]);
        members.y[first..first + count].copy_from_slice(&self.y[..count]);
        members.z[first..first + count].copy_from_slice(&self.z[..count]);
    }

    #[inline(always)]
    fn variable<const V: usize>(&self) -> &[f64; L] {
        match V {
            0 => &self.x,
            1 => &self.y,
            _ => &self.z,
        }
    }

    /// One step of Euler's method, in the order of the lecture.
    #[inline(always)]
    fn euler(&mut self, system: &System) {
        for i in 0..L {
            let (x, y, z) = (self.x[i], self.y[i], self.z[i]);
            let dx = system.sigma * (y - x);
            let dy = system.rho * x - y - x * z;
            let dz = x * y - system.beta * z;
            self.x[i] = x + dx * system.dt;
            self.y[i] = y + dy * system.dt;
            self.z[i] = z + dz * system.dt;
        }
    }

    /// One step of the Runge-Kutta method.
    #[inline(always)]
    fn rk4(&mut self, system: &System) {
        let (half, sixth) = (0.5 * system.dt, system.dt / 6.0);
        for i in 0..L {
            let state = (self.x[i], self.y[i], self.z[i]);
            let k1 = tendency(system, state);
            let k2 = tendency(system, moved(state, k1, half));
            let k3 = tendency(system, moved(state, k2, half));
            let k4 = tendency(system, moved(state, k3, system.dt));
            self.x[i] = state.0 + sixth * (k1.0 + 2.0 * k2.0 + 2.0 * k3.0 + k4.0);
            self.y[i] = state.1 + sixth * (k1.1 + 2.0 * k2.1 + 2.0 * k3.1 + k4.1);
            self.z[i] = state.2 + sixth * (k1.2 + 2.0 * k2.2 + 2.0 * k3.2 + k4.2);
        }
    }

    #[inline(always)]
    fn advance(&mut self, system: &System, steps: u64) {
        // A copy that nothing else refers to stays in registers.
        let (mut group, system) = (*self, *system);
        match system.integrator {
            Integrator::Euler => (0..steps).for_each(|_| group.euler(&system)),
            Integrator::Rk4 => (0..steps).for_each(|_| group.rk4(&system)),
        }
        *self = group;
    }
}

type State = (f64, f64, f64);

#[inline(always)]
fn tendency(system: &System, (x, y, z): State) -> State {
    (system.sigma * (y - x), system.rho * x - y - x * z, x * y - system.beta * z)
}

#[inline(always)]
fn moved(state: State, tendency: State, time: f64) -> State {
    (state.0 + time * tendency.0, state.1 + time * tendency.1, state.2 + time * tendency.2)
}

/// See [`super::Lanes::advance`].
#[inline(always)]
pub fn advance<const L: usize>(system: &System, members: &mut Members, steps: u64) {
    for first in (0..members.x.len()).step_by(L) {
        let mut group = Group::<L>::load(members, first);
        group.advance(system, steps);
        group.store(members, first);
    }
}

/// See [`super::Lanes::trace`].
#[inline(always)]
pub fn trace<const L: usize>(
    system: &System,
    members: &mut Members,
    variable: Variable,
    path: Path,
    rows: &mut [[u8; 8]],
) {
    match variable {
        Variable::X => trace_one::<L, 0>(system, members, path, rows),
        Variable::Y => trace_one::<L, 1>(system, members, path, rows),
        Variable::Z => trace_one::<L, 2>(system, members, path, rows),
    }
}

#[inline(always)]
fn trace_one<const L: usize, const V: usize>(system: &System, members: &mut Members, path: Path, rows: &mut [[u8; 8]]) {
    let mut tile = [[0.0; L]; TILE];
    for first in (0..members.x.len()).step_by(L) {
        let mut group = Group::<L>::load(members, first);
        let count = L.min(members.x.len() - first);
        for start in (0..path.times).step_by(TILE) {
            let times = TILE.min(path.times - start);
            let goes_on = path.goes_on || start + times < path.times;
            fill::<L, V>(system, &mut group, path.every, &mut tile[..times], goes_on);
            for lane in 0..count {
                let at = (first + lane) * path.row + start;
                for (value, states) in rows[at..at + times].iter_mut().zip(&tile) {
                    *value = states[lane].to_le_bytes();
                }
            }
        }
        group.store(members, first);
    }
}

/// States of a variable at successive times; `goes_on`: `every` steps follow the last one as well.
#[inline(always)]
fn fill<const L: usize, const V: usize>(
    system: &System,
    group: &mut Group<L>,
    every: u64,
    tile: &mut [[f64; L]],
    goes_on: bool,
) {
    let (mut own, system) = (*group, *system);
    let Some((last, before)) = tile.split_last_mut() else { return };
    match (system.integrator, every) {
        // The common case, in which the state stays in registers.
        (Integrator::Euler, 1) => {
            for states in before {
                *states = *own.variable::<V>();
                own.euler(&system);
            }
        }
        _ => {
            for states in before {
                *states = *own.variable::<V>();
                own.advance(&system, every);
            }
        }
    }
    *last = *own.variable::<V>();
    if goes_on {
        own.advance(&system, every);
    }
    *group = own;
}
