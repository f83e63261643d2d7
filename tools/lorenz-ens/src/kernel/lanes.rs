//! Sets of instructions, and what the kernel works on.

/// A set of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// One member at a time.
    Scalar,
    /// Vectors that every processor of the target has: SSE2 on x86-64, NEON on 64-bit ARM.
    Baseline,
    /// AVX2, if the processor has it.
    Avx2,
    /// AVX-512, if the processor has it.
    Avx512,
}

/// The states of some members.
pub struct Members<'a> {
    pub x: &'a mut [f64],
    pub y: &'a mut [f64],
    pub z: &'a mut [f64],
}

/// The states along a trajectory that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// How many.
    pub times: usize,
    /// Steps from one to the next.
    pub every: u64,
    /// Length of a row: at least `times`.
    pub row: usize,
    /// Whether `every` steps follow the last one as well.
    pub goes_on: bool,
}
