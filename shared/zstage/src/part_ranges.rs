//! The parts in which a large object is fetched. Where it was uploaded in parts whose checksums are known, they are divided in turn, so
//! that each of those arrives from its start to its end: a run of parts.

/// Most bytes of a part, which is one request.
pub const PART: u64 = 4 << 20;

/// The parts of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRanges {
    size: u64,
    run_bytes: u64,
}

impl PartRanges {
    /// Of an object of `size` bytes; no part crosses a multiple of `run_bytes`.
    pub fn new(size: u64, run_bytes: u64) -> PartRanges {
        PartRanges { size, run_bytes: run_bytes.max(PART) }
    }

    /// Number of parts.
    pub fn count(self) -> u64 {
        let rest = (self.size % self.run_bytes).div_ceil(PART);
        (self.size / self.run_bytes).saturating_mul(self.in_run()).saturating_add(rest)
    }

    /// Number of parts in a run, except the last one.
    fn in_run(self) -> u64 {
        self.run_bytes.div_ceil(PART)
    }

    /// Number of runs.
    pub fn runs(self) -> u64 {
        self.size.div_ceil(self.run_bytes)
    }

    /// The run of a part.
    pub fn run_of(self, part: u64) -> u64 {
        part / self.in_run()
    }

    /// Offset of a run.
    pub fn run_start(self, run: u64) -> u64 {
        run * self.run_bytes
    }

    /// The first part of a run.
    pub fn first_of(self, run: u64) -> u64 {
        run * self.in_run()
    }

    /// Offset and length of a part.
    pub fn range(self, part: u64) -> (u64, u64) {
        let run = self.run_of(part);
        let start = self.run_start(run) + (part - self.first_of(run)) * PART;
        (start, PART.min(self.run_start(run + 1).min(self.size).saturating_sub(start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_object_and_no_part_crosses_a_run() {
        const MIB: u64 = 1 << 20;
        for size in [0, 1, PART, PART + 1, 100 * MIB, 128 * MIB, 150 * MIB, 123_456_789] {
            for run in [1, 5 * MIB, 8 * MIB, 50 * MIB, 5_000_000, size, u64::MAX / 2] {
                let ranges = PartRanges::new(size, run);
                let (mut end, mut last_run) = (0, None);
                for part in 0..ranges.count() {
                    let (start, len) = ranges.range(part);
                    assert!(start == end && (1..=PART).contains(&len), "part {part} of {size} by {run}");
                    end = start + len;
                    let of = ranges.run_of(part);
                    assert_eq!((start / run.max(PART), (end - 1) / run.max(PART)), (of, of));
                    if last_run != Some(of) {
                        assert_eq!((ranges.first_of(of), ranges.run_start(of)), (part, start));
                    }
                    last_run = Some(of);
                }
                assert_eq!((end, last_run.map_or(0, |last| last + 1)), (size, ranges.runs()), "{size} by {run}");
            }
        }
    }
}
