//! Ranks the measured compressors by objective.

use super::measure::Measured;
use super::options::Objective;

/// Marks the Pareto-optimal ones: no other is at least as good in size, both single-thread speeds and bytes per point,
/// and better in one of them.
pub fn mark_front(measured: &mut [Measured]) {
    let costs = |one: &Measured| [one.size(), -one.one_thread.encode, -one.one_thread.decode, one.point_bytes as f64];
    let all: Vec<[f64; 4]> = measured.iter().map(costs).collect();
    for (one, own) in measured.iter_mut().zip(&all) {
        one.pareto = !all.iter().any(|other| other != own && other.iter().zip(own).all(|(other, own)| other <= own));
    }
}

/// Maximum size relative to the smallest; above, no speed is worth it.
const MAX_SIZE: f64 = 1.5;

/// For balance: the size factor that doubling a speed is worth.
const SPEED_WORTH: f64 = 1.05;

/// For balance: the size factor that halving the bytes per point is worth.
const POINT_WORTH: f64 = 1.01;

/// The indices of all, the best for `objective` first:
///
/// - `size`: the smallest.
/// - `encode`, `decode`: the fastest with a single thread, among those up to 1.5 times the smallest size. A single
///   thread, because most readers use one per chunk, and a writer has many chunks.
/// - `point`: the fewest bytes per point, with the same size limit.
/// - `balanced`: among those not larger than the default, the best by weighted size: doubling the encode or decode
///   speed is worth 5 % of the size, halving the bytes per point 1 %.
pub fn rank(objective: Objective, measured: &[Measured]) -> Vec<usize> {
    let limit = size_limit(objective, measured);
    let too_large = |index: usize| measured[index].size() > limit;
    let cost = |index: usize| cost(objective, &measured[index]);
    let mut order: Vec<usize> = (0..measured.len()).collect();
    order.sort_by(|&a, &b| too_large(a).cmp(&too_large(b)).then(cost(a).total_cmp(&cost(b))));
    order
}

/// The largest size that may be chosen.
pub fn size_limit(objective: Objective, measured: &[Measured]) -> f64 {
    let default = measured.iter().find(|one| one.candidate.default).map(Measured::size);
    match objective {
        Objective::Balanced => default.unwrap_or(f64::INFINITY),
        _ => measured.iter().map(Measured::size).fold(f64::INFINITY, f64::min) * MAX_SIZE,
    }
}

/// What `objective` minimizes.
pub fn cost(objective: Objective, one: &Measured) -> f64 {
    let speed = one.one_thread;
    match objective {
        Objective::Size => one.size(),
        Objective::Encode => 1.0 / speed.encode,
        Objective::Decode => 1.0 / speed.decode,
        Objective::Point => one.point_bytes as f64,
        Objective::Balanced => {
            let (speed_worth, point_worth) = (SPEED_WORTH.log2(), POINT_WORTH.log2());
            one.size() * (one.point_bytes as f64).powf(point_worth) / (speed.encode * speed.decode).powf(speed_worth)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zcodec::{Blosc, Cname, Shuffle};

    use super::*;
    use crate::trial::candidates::Candidate;
    use crate::trial::measure::Speed;

    /// Measurements on 1,000 bytes, with speeds in MB/s.
    fn measured(encoded_bytes: u64, encode: u32, decode: u32, point_bytes: u64) -> Measured {
        let compressor = Blosc::new(Cname::Zstd, 3, Shuffle::Shuffle);
        Measured {
            candidate: Candidate { compressor, default: false },
            sampled_bytes: 1000,
            encoded_bytes,
            one_thread: Speed { encode: f64::from(encode) * 1e6, decode: f64::from(decode) * 1e6 },
            threaded: None,
            blocks: 1,
            block_bytes: 1000,
            point_bytes,
            thorough: true,
            pareto: false,
        }
    }

    proptest! {
        /// By definition: an entry is on the front unless another one is nowhere worse and somewhere better.
        #[test]
        fn front_is_pareto_optimal(
            all in prop::collection::vec((1u64..6, 1u32..6, 1u32..6, 1u64..6), 0..25),
        ) {
            let mut found: Vec<Measured> = all.iter().map(|&(a, b, c, d)| measured(a, b, c, d)).collect();
            mark_front(&mut found);
            for (index, one) in all.iter().enumerate() {
                let mut beaten = false;
                for other in &all {
                    let nowhere_worse = other.0 <= one.0 && other.1 >= one.1 && other.2 >= one.2 && other.3 <= one.3;
                    let better = other.0 < one.0 || other.1 > one.1 || other.2 > one.2 || other.3 < one.3;
                    beaten |= nowhere_worse && better;
                }
                prop_assert_eq!(found[index].pareto, !beaten);
            }
        }

        /// For any objective, a dominated entry is preferred only because of the size limit.
        #[test]
        fn dominated_entries_are_not_chosen(
            all in prop::collection::vec((100u64..1000, 1u32..900, 1u32..900, 1u64..900), 1..25), default in 0usize..25,
        ) {
            let mut found: Vec<Measured> = all.iter().map(|&(a, b, c, d)| measured(a, b, c, d)).collect();
            let default = default % found.len();
            found[default].candidate.default = true;
            mark_front(&mut found);
            let chosen = rank(Objective::Balanced, &found)[0];
            prop_assert!(found[chosen].pareto);
            prop_assert!(found[chosen].encoded_bytes <= found[default].encoded_bytes);
            for objective in [Objective::Size, Objective::Encode, Objective::Decode, Objective::Point] {
                let mut order = rank(objective, &found);
                order.sort_unstable();
                prop_assert_eq!(order, (0..found.len()).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn each_objective_has_a_different_best() {
        let mut all = [
            measured(500, 200, 900, 100), // the default
            measured(490, 20, 900, 400),
            measured(495, 400, 800, 120),
            measured(700, 2000, 2500, 300),
            measured(690, 1900, 2600, 300),
            measured(600, 200, 900, 50),
            measured(900, 9000, 9000, 10), // too large
        ];
        all[0].candidate.default = true;
        for (objective, best) in [
            (Objective::Size, 1),
            (Objective::Encode, 3),
            (Objective::Decode, 4),
            (Objective::Point, 5),
            (Objective::Balanced, 2),
        ] {
            assert_eq!(rank(objective, &all)[0], best, "{objective:?}");
        }
        assert!(rank(Objective::Size, &[]).is_empty());
    }
}
