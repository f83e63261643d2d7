//! Fields on a grid, a member in each cell: from the states of the members, the values of a variable at successive times.
//!
//! The states of a group of cells stay in registers from the first time to the last; for each value there are only a few
//! multiplications and additions in single precision, so that making a field costs less than compressing it.

use crate::system::System;

/// A variable as a function of a member's state, in units of its resolution: `base + x·X + y·Y + z·Z + noise`, rounded.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Weights of x, y and z.
    pub weights: [f32; 3],
    /// Amplitude of the noise.
    pub noise: f32,
    /// Smallest value.
    pub low: f32,
    /// Largest value.
    pub high: f32,
    /// Distinguishes the noise of variables and files.
    pub key: u32,
}

/// How rounded values are stored.
#[derive(Debug, Clone, Copy)]
pub enum Pack {
    /// As 16-bit integers; NaN is this one.
    Int16(i16),
    /// As single-precision numbers: `value · scale + offset`.
    Float32 {
        /// Resolution.
        scale: f32,
        /// Offset.
        offset: f32,
    },
}

/// Times of a chunk.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Number of the first.
    pub first: u32,
    /// How many.
    pub count: usize,
    /// Steps from one to the next.
    pub every: u32,
    /// Whether they follow the last one as well.
    pub goes_on: bool,
}

/// The states of the members of all cells.
#[derive(Debug, Clone, Default)]
pub struct Cells {
    pub x: Vec<f32>,
    pub y: Vec<f32>,
    pub z: Vec<f32>,
}

/// Adding and subtracting this rounds to the nearest integer, and leaves the integer in the lowest bits.
const ROUND: f32 = 12_582_912.0;

#[derive(Clone, Copy)]
struct Group<const L: usize> {
    x: [f32; L],
    y: [f32; L],
    z: [f32; L],
    base: [f32; L],
}

/// The values of a group. Inlined like all that handles groups: a call would pass them through memory.
#[inline(always)]
fn take<const L: usize>(values: &[f32], first: usize) -> [f32; L] {
    match values[first..].first_chunk::<L>() {
        Some(values) => *values,
        None => std::array::from_fn(|lane| values[(first + lane).min(values.len() - 1)]),
    }
}

impl<const L: usize> Group<L> {
    /// Lanes without a cell repeat the last one.
    #[inline(always)]
    fn load(cells: &Cells, base: &[f32], first: usize) -> Group<L> {
        Group { x: take(&cells.x, first), y: take(&cells.y, first), z: take(&cells.z, first), base: take(base, first) }
    }

    #[inline(always)]
    fn store(&self, cells: &mut Cells, first: usize) {
        let count = L.min(cells.x.len() - first);
        cells.x[first..first + count].copy_from_slice(&self.x[..count]);
        cells.y[first..first + count].copy_from_slice(&self.y[..count]);
        cells.z[first..first + count].copy_from_slice(&self.z[..count]);
    }

    #[inline(always)]
    fn advance(&mut self, system: &Single, steps: u32) {
        for _ in 0..steps {
            for i in 0..L {
                let (x, y, z) = (self.x[i], self.y[i], self.z[i]);
                self.x[i] = x + system.sigma * (y - x) * system.dt;
                self.y[i] = y + (system.rho * x - y - x * z) * system.dt;
                self.z[i] = z + (x * y - system.beta * z) * system.dt;
            }
        }
    }

    /// Values in units of the resolution, not rounded.
    #[inline(always)]
    fn mix(&self, mix: &Mix, first: u32, time: u32) -> [f32; L] {
        let [a, b, c] = mix.weights;
        // Of a counter, not of a sequence: any cell and time can be had alone.
        let key = mix.key.wrapping_add(time.wrapping_mul(0x9E37_79B1));
        let mut values = [0.0; L];
        for (i, value) in values.iter_mut().enumerate() {
            let mut hash = (first + i as u32) ^ key;
            hash = hash.wrapping_mul(0x85EB_CA6B);
            hash ^= hash >> 15;
            hash = hash.wrapping_mul(0xC2B2_AE35);
            let noise = (hash >> 8) as i32 as f32 * (1.0 / 16_777_216.0) - 0.5;
            let mixed = self.base[i] + a * self.x[i] + b * self.y[i] + c * self.z[i] + mix.noise * noise;
            // Comparisons that keep NaN.
            let mixed = if mixed < mix.low { mix.low } else { mixed };
            *value = if mixed > mix.high { mix.high } else { mixed };
        }
        values
    }
}

/// The system in single precision.
#[derive(Clone, Copy)]
struct Single {
    sigma: f32,
    rho: f32,
    beta: f32,
    dt: f32,
}

impl From<&System> for Single {
    fn from(system: &System) -> Single {
        let System { sigma, rho, beta, dt, .. } = *system;
        Single { sigma: sigma as f32, rho: rho as f32, beta: beta as f32, dt: dt as f32 }
    }
}

/// Integrates all cells by `steps` steps.
#[inline(always)]
pub fn advance<const L: usize>(system: &System, cells: &mut Cells, steps: u32) {
    let system = Single::from(system);
    for first in (0..cells.x.len()).step_by(L) {
        let mut group = Group::<L>::load(cells, &cells.x, first);
        group.advance(&system, steps);
        group.store(cells, first);
    }
}

/// Writes the maps of a variable at successive times, one after the other, and integrates all cells to the last of them, or to the
/// time after it.
/// `base` is the part of each cell that does not change.
#[inline(always)]
pub fn maps<const L: usize>(
    system: &System,
    cells: &mut Cells,
    base: &[f32],
    mix: &Mix,
    pack: Pack,
    times: Times,
    maps: &mut [u8],
) {
    match pack {
        Pack::Int16(fill) => each::<L, 2>(system, cells, base, mix, times, maps, |value| {
            let rounded = (value + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i16;
            (if value.is_nan() { fill } else { rounded }).to_le_bytes()
        }),
        Pack::Float32 { scale, offset } => each::<L, 4>(system, cells, base, mix, times, maps, |value| {
            (((value + ROUND) - ROUND) * scale + offset).to_le_bytes()
        }),
    }
}

#[inline(always)]
fn each<const L: usize, const B: usize>(
    system: &System,
    cells: &mut Cells,
    base: &[f32],
    mix: &Mix,
    times: Times,
    maps: &mut [u8],
    pack: impl Fn(f32) -> [u8; B],
) {
    let (system, mix, count) = (Single::from(system), *mix, cells.x.len());
    let (values, _) = maps.as_chunks_mut::<B>();
    for first in (0..count).step_by(L) {
        let mut group = Group::<L>::load(cells, base, first);
        for time in 0..times.count {
            let mixed = group.mix(&mix, first as u32, times.first + time as u32);
            let at = time * count + first;
            match values[at..(at + L).min((time + 1) * count)].first_chunk_mut::<L>() {
                Some(whole) => *whole = std::array::from_fn(|lane| pack(mixed[lane])),
                None => {
                    let rest = &mut values[at..(time + 1) * count];
                    rest.iter_mut().zip(mixed).for_each(|(value, mixed)| *value = pack(mixed));
                }
            }
            if times.goes_on || time + 1 < times.count {
                group.advance(&system, times.every);
            }
        }
        group.store(cells, first);
    }
}
