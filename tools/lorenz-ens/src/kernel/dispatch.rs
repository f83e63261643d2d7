//! Runs the steps with the instructions that the processor has. The only unsafe code of the tool: a function that was compiled
//! for instructions may only be called where they are.

use super::{Lanes, Members, Path, step};
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

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use super::{AVX2, AVX512, Members, Path, System, Variable, step};

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
        assert!(super::is_available(super::Lanes::Avx512));
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
        assert!(super::is_available(super::Lanes::Avx512));
        // SAFETY: the processor has these parts of AVX-512, as the line above has checked.
        unsafe { run(system, members, variable, path, rows) }
    }
}
