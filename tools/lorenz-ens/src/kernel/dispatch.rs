//! Runs the steps with the instructions that the processor has. The only unsafe code of the tool: a function that was compiled
//! for instructions may only be called where they are.

use super::cells::{self, Cells, Mix, Pack, Times};
use super::lanes::{Lanes, Members, Path};
use super::step;
use crate::system::{System, Variable};

/// Members at once: several registers of each variable, so that the chains of operations of some hide the latency of the others,
/// and few enough to stay in registers. Measured, as the next two.
pub const BASELINE: usize = 8;

pub const AVX2: usize = 12;

pub const AVX512: usize = 32;

/// Whether the processor has the instructions.
pub fn is_available(lanes: Lanes) -> bool {
    match lanes {
        Lanes::Scalar | Lanes::Baseline => true,
        #[cfg(target_arch = "x86_64")]
        Lanes::Avx2 => is_x86_feature_detected!("avx2"),
        #[cfg(target_arch = "x86_64")]
        Lanes::Avx512 => {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
        }
        #[cfg(not(target_arch = "x86_64"))]
        Lanes::Avx2 | Lanes::Avx512 => false,
    }
}

/// See [`Lanes::advance`].
pub fn advance(lanes: Lanes, system: &System, members: &mut Members, steps: u64) {
    match lanes {
        Lanes::Scalar => step::advance::<1>(system, members, steps),
        #[cfg(target_arch = "x86_64")]
        Lanes::Avx512 if is_available(lanes) => x86::advance_avx512(system, members, steps),
        #[cfg(target_arch = "x86_64")]
        Lanes::Avx2 if is_available(lanes) => x86::advance_avx2(system, members, steps),
        _ => step::advance::<BASELINE>(system, members, steps),
    }
}

/// See [`Lanes::trace`].
pub fn trace(
    lanes: Lanes,
    system: &System,
    members: &mut Members,
    variable: Variable,
    path: Path,
    rows: &mut [[u8; 8]],
) {
    match lanes {
        Lanes::Scalar => step::trace::<1>(system, members, variable, path, rows),
        #[cfg(target_arch = "x86_64")]
        Lanes::Avx512 if is_available(lanes) => x86::trace_avx512(system, members, variable, path, rows),
        #[cfg(target_arch = "x86_64")]
        Lanes::Avx2 if is_available(lanes) => x86::trace_avx2(system, members, variable, path, rows),
        _ => step::trace::<BASELINE>(system, members, variable, path, rows),
    }
}

/// Cells at once, in single precision.
#[cfg(target_arch = "x86_64")]
const CELLS: usize = 32;

const BASELINE_CELLS: usize = 16;

/// See [`cells::advance`].
pub fn advance_cells(lanes: Lanes, system: &System, cells: &mut Cells, steps: u32) {
    match lanes {
        #[cfg(target_arch = "x86_64")]
        Lanes::Avx512 if is_available(lanes) => x86::advance_cells_avx512(system, cells, steps),
        #[cfg(target_arch = "x86_64")]
        Lanes::Avx2 if is_available(lanes) => x86::advance_cells_avx2(system, cells, steps),
        Lanes::Scalar => cells::advance::<1>(system, cells, steps),
        _ => cells::advance::<BASELINE_CELLS>(system, cells, steps),
    }
}

/// What the maps of a chunk are made of.
#[derive(Clone, Copy)]
pub struct MapsOf<'a> {
    pub system: &'a System,
    pub base: &'a [f32],
    pub mix: &'a Mix,
    pub pack: Pack,
    pub times: Times,
}

/// See [`cells::maps`].
pub fn maps(lanes: Lanes, of: MapsOf, cells: &mut Cells, maps: &mut [u8]) {
    match lanes {
        #[cfg(target_arch = "x86_64")]
        Lanes::Avx512 if is_available(lanes) => x86::maps_avx512(of, cells, maps),
        #[cfg(target_arch = "x86_64")]
        Lanes::Avx2 if is_available(lanes) => x86::maps_avx2(of, cells, maps),
        Lanes::Scalar => cells::maps::<1>(of.system, cells, of.base, of.mix, of.pack, of.times, maps),
        _ => cells::maps::<BASELINE_CELLS>(of.system, cells, of.base, of.mix, of.pack, of.times, maps),
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use crate::kernel::cells::{self, Cells};
    use crate::kernel::dispatch::{AVX2, AVX512, CELLS, MapsOf, is_available};
    use crate::kernel::lanes::{Lanes, Members, Path};
    use crate::kernel::step;
    use crate::system::{System, Variable};

    pub fn advance_cells_avx2(system: &System, cells: &mut Cells, steps: u32) {
        #[target_feature(enable = "avx2")]
        fn run(system: &System, cells: &mut Cells, steps: u32) {
            cells::advance::<CELLS>(system, cells, steps);
        }
        assert!(is_x86_feature_detected!("avx2"));
        // SAFETY: the processor has AVX2, as the line above has checked.
        unsafe { run(system, cells, steps) }
    }

    pub fn advance_cells_avx512(system: &System, cells: &mut Cells, steps: u32) {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
        fn run(system: &System, cells: &mut Cells, steps: u32) {
            cells::advance::<CELLS>(system, cells, steps);
        }
        assert!(is_available(Lanes::Avx512));
        // SAFETY: the processor has these parts of AVX-512, as the line above has checked.
        unsafe { run(system, cells, steps) }
    }

    pub fn maps_avx2(of: MapsOf, cells: &mut Cells, maps: &mut [u8]) {
        #[target_feature(enable = "avx2")]
        fn run(of: MapsOf, cells: &mut Cells, maps: &mut [u8]) {
            cells::maps::<CELLS>(of.system, cells, of.base, of.mix, of.pack, of.times, maps);
        }
        assert!(is_x86_feature_detected!("avx2"));
        // SAFETY: the processor has AVX2, as the line above has checked.
        unsafe { run(of, cells, maps) }
    }

    pub fn maps_avx512(of: MapsOf, cells: &mut Cells, maps: &mut [u8]) {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
        fn run(of: MapsOf, cells: &mut Cells, maps: &mut [u8]) {
            cells::maps::<CELLS>(of.system, cells, of.base, of.mix, of.pack, of.times, maps);
        }
        assert!(is_available(Lanes::Avx512));
        // SAFETY: the processor has these parts of AVX-512, as the line above has checked.
        unsafe { run(of, cells, maps) }
    }

    pub fn advance_avx2(system: &System, members: &mut Members, steps: u64) {
        #[target_feature(enable = "avx2")]
        fn run(system: &System, members: &mut Members, steps: u64) {
            step::advance::<AVX2>(system, members, steps);
        }
        assert!(is_x86_feature_detected!("avx2"));
        // SAFETY: the processor has AVX2, as the line above has checked.
        unsafe { run(system, members, steps) }
    }

    pub fn advance_avx512(system: &System, members: &mut Members, steps: u64) {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
        fn run(system: &System, members: &mut Members, steps: u64) {
            step::advance::<AVX512>(system, members, steps);
        }
        assert!(is_available(Lanes::Avx512));
        // SAFETY: the processor has these parts of AVX-512, as the line above has checked.
        unsafe { run(system, members, steps) }
    }

    pub fn trace_avx2(system: &System, members: &mut Members, variable: Variable, path: Path, rows: &mut [[u8; 8]]) {
        #[target_feature(enable = "avx2")]
        fn run(system: &System, members: &mut Members, variable: Variable, path: Path, rows: &mut [[u8; 8]]) {
            step::trace::<AVX2>(system, members, variable, path, rows);
        }
        assert!(is_x86_feature_detected!("avx2"));
        // SAFETY: the processor has AVX2, as the line above has checked.
        unsafe { run(system, members, variable, path, rows) }
    }

    pub fn trace_avx512(system: &System, members: &mut Members, variable: Variable, path: Path, rows: &mut [[u8; 8]]) {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
        fn run(system: &System, members: &mut Members, variable: Variable, path: Path, rows: &mut [[u8; 8]]) {
            step::trace::<AVX512>(system, members, variable, path, rows);
        }
        assert!(is_available(Lanes::Avx512));
        // SAFETY: the processor has these parts of AVX-512, as the line above has checked.
        unsafe { run(system, members, variable, path, rows) }
    }
}
