//! The kernel: integrates many members at once, in the lanes of the processor's vector registers.
//!
//! Members are independent of each other, so each lane does for its member exactly what a scalar loop does, in the same order
//! and without fused multiply-add: whatever the number of lanes, the result is the same bit for bit. Several registers are
//! interleaved, because each operation of a step waits for the one before it.

mod cells;
mod dispatch;
mod lanes;
mod step;

pub use cells::{Cells, Mix, Pack, Times};
pub use dispatch::MapsOf;
pub use lanes::{Lanes, Members, Path};

use crate::system::{System, Variable};

impl Lanes {
    /// The fastest that this processor has.
    pub fn best() -> Lanes {
        let mut all = Lanes::available();
        all.pop().unwrap_or(Lanes::Scalar)
    }

    /// All that this processor has, the fastest last.
    pub fn available() -> Vec<Lanes> {
        let all = [Lanes::Scalar, Lanes::Baseline, Lanes::Avx2, Lanes::Avx512];
        all.into_iter().filter(|lanes| dispatch::is_available(*lanes)).collect()
    }

    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            Lanes::Scalar => "scalar",
            Lanes::Baseline if cfg!(target_arch = "aarch64") => "neon",
            Lanes::Baseline if cfg!(target_arch = "x86_64") => "sse2",
            Lanes::Baseline => "baseline",
            Lanes::Avx2 => "avx2",
            Lanes::Avx512 => "avx512",
        }
    }

    /// Members that are integrated at once.
    pub fn width(self) -> usize {
        match self {
            Lanes::Scalar => 1,
            Lanes::Baseline => dispatch::BASELINE,
            Lanes::Avx2 => dispatch::AVX2,
            Lanes::Avx512 => dispatch::AVX512,
        }
    }

    /// Integrates all members by `steps` steps.
    pub fn advance(self, system: &System, members: &mut Members, steps: u64) {
        dispatch::advance(self, system, members, steps);
    }

    /// Writes `times` values of one variable of each member to `rows`, a row per member, as little-endian bytes: the first value is that
    /// of the state now, and `every` steps are integrated from each to the next.
    pub fn trace(self, system: &System, members: &mut Members, variable: Variable, path: Path, rows: &mut [[u8; 8]]) {
        dispatch::trace(self, system, members, variable, path, rows);
    }

    /// Integrates the members of all cells of a grid by `steps` steps of Euler's method, in single precision.
    pub fn advance_cells(self, system: &System, cells: &mut Cells, steps: u32) {
        dispatch::advance_cells(self, system, cells, steps);
    }

    /// Writes the maps of a variable on a grid at successive times to `maps`, one after the other, and integrates all cells to the last
    /// of them, or to the time after it.
    pub fn maps(self, of: MapsOf, cells: &mut Cells, maps: &mut [u8]) {
        dispatch::maps(self, of, cells, maps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::Integrator;

    fn system(integrator: Integrator) -> System {
        System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.01, integrator }
    }

    fn start(members: usize) -> [Vec<f64>; 3] {
        let value = |offset: f64| (0..members).map(|member| offset + 0.37 * member as f64).collect();
        [value(-10.0), value(-9.0), value(25.0)]
    }

    /// As the lecture writes it, one member at a time.
    fn lecture(system: &System, mut state: [f64; 3], steps: u64) -> [f64; 3] {
        let tendency =
            |[x, y, z]: [f64; 3]| [system.sigma * (y - x), system.rho * x - y - x * z, x * y - system.beta * z];
        let moved = |s: [f64; 3], k: [f64; 3], h: f64| [s[0] + h * k[0], s[1] + h * k[1], s[2] + h * k[2]];
        for _ in 0..steps {
            let k1 = tendency(state);
            if system.integrator == Integrator::Euler {
                state = [state[0] + k1[0] * system.dt, state[1] + k1[1] * system.dt, state[2] + k1[2] * system.dt];
                continue;
            }
            let half = 0.5 * system.dt;
            let k2 = tendency(moved(state, k1, half));
            let k3 = tendency(moved(state, k2, half));
            let k4 = tendency(moved(state, k3, system.dt));
            let sixth = system.dt / 6.0;
            state = std::array::from_fn(|i| state[i] + sixth * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]));
        }
        state
    }

    #[test]
    fn all_lanes_do_bit_for_bit_what_a_scalar_loop_does() {
        for integrator in [Integrator::Euler, Integrator::Rk4] {
            let system = system(integrator);
            for lanes in Lanes::available() {
                for count in [0, 1, 2, 7, 8, 31, 32, 33, 70] {
                    let [mut x, mut y, mut z] = start(count);
                    lanes.advance(&system, &mut Members { x: &mut x, y: &mut y, z: &mut z }, 777);
                    let [x0, y0, z0] = start(count);
                    for member in 0..count {
                        let expected = lecture(&system, [x0[member], y0[member], z0[member]], 777);
                        let found = [x[member], y[member], z[member]];
                        assert_eq!(found.map(f64::to_bits), expected.map(f64::to_bits), "{lanes:?} {integrator:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_trace_is_the_states_on_the_way() {
        let system = system(Integrator::Euler);
        for lanes in Lanes::available() {
            for (count, times, goes_on) in
                [(1, 1, true), (1, 1, false), (5, 9, true), (33, 64, false), (40, 130, true), (40, 130, false)]
            {
                let [mut x, mut y, mut z] = start(count);
                let path = Path { times, every: 3, row: times + 2, goes_on };
                let mut rows = vec![(-1.0f64).to_le_bytes(); count * path.row];
                let mut members = Members { x: &mut x, y: &mut y, z: &mut z };
                lanes.trace(&system, &mut members, Variable::Y, path, &mut rows);
                let [x0, y0, z0] = start(count);
                for member in 0..count {
                    let at = |steps| lecture(&system, [x0[member], y0[member], z0[member]], steps);
                    for time in 0..times {
                        assert_eq!(rows[member * path.row + time], at(3 * time as u64)[1].to_le_bytes());
                    }
                    assert_eq!(
                        rows[member * path.row + times],
                        (-1.0f64).to_le_bytes(),
                        "the rest of a row is left alone"
                    );
                    let last = if goes_on { times } else { times - 1 };
                    assert_eq!(z[member].to_bits(), at(3 * last as u64)[2].to_bits(), "{lanes:?}");
                }
            }
        }
    }

    /// A grid of `count` cells, with values of one variable at five times, from the third on.
    fn grid(lanes: Lanes, count: usize, pack: Pack) -> (Vec<u8>, Cells) {
        let value = |offset: f32| (0..count).map(|cell| offset + 0.01 * cell as f32).collect::<Vec<_>>();
        let mut cells = Cells { x: value(-10.0), y: value(-9.0), z: value(25.0) };
        let mix = Mix { weights: [3.0, -1.5, 20.0], noise: 4.0, low: -600.0, high: 700.0, key: 5 };
        let base = value(-20.0);
        let times = Times { first: 2, count: 5, every: 2, goes_on: true };
        let mut maps = vec![0; count * 5 * if matches!(pack, Pack::Int16(_)) { 2 } else { 4 }];
        let system = System { dt: 0.02, ..system(Integrator::Euler) };
        lanes.maps(MapsOf { system: &system, base: &base, mix: &mix, pack, times }, &mut cells, &mut maps);
        lanes.advance_cells(&system, &mut cells, 3);
        (maps, cells)
    }

    #[test]
    fn fields_are_the_same_bytes_with_all_instructions() {
        for count in [1, 31, 32, 100] {
            for pack in [Pack::Int16(-32768), Pack::Float32 { scale: 0.25, offset: 100.0 }] {
                let (expected, cells) = grid(Lanes::Scalar, count, pack);
                for lanes in Lanes::available() {
                    let (found, after) = grid(lanes, count, pack);
                    assert!(found == expected && after.x == cells.x && after.z == cells.z, "{lanes:?} {count}");
                }
            }
        }
    }

    #[test]
    fn packed_and_unpacked_fields_agree() {
        let (packed, _) = grid(Lanes::best(), 50, Pack::Int16(-32768));
        let (plain, _) = grid(Lanes::best(), 50, Pack::Float32 { scale: 0.25, offset: 100.0 });
        for (packed, plain) in packed.as_chunks::<2>().0.iter().zip(plain.as_chunks::<4>().0) {
            let packed = i16::from_le_bytes(*packed);
            assert!((-600..=700).contains(&packed));
            assert_eq!(f32::from(packed) * 0.25 + 100.0, f32::from_le_bytes(*plain));
        }
    }

    #[test]
    fn what_diverges_does_so_alike() {
        let system = System { dt: 0.5, ..system(Integrator::Euler) };
        let mut all = Vec::new();
        for lanes in Lanes::available() {
            let [mut x, mut y, mut z] = start(9);
            lanes.advance(&system, &mut Members { x: &mut x, y: &mut y, z: &mut z }, 40);
            assert!(x.iter().chain(&y).chain(&z).any(|value| !value.is_finite()));
            all.push(x.iter().map(|value| value.is_nan()).collect::<Vec<_>>());
        }
        assert!(all.iter().all(|nan| *nan == all[0]));
    }
}
