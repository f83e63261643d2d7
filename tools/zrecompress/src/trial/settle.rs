//! Chooses among the compressors measured on the full sample. Timings are repeated until they separate, and ties are decided
//! by a rule, so that the same store gets the same compressor in every run.

use super::measure::Measured;
use super::options::Objective;
use super::rank::{cost, rank, size_limit};

/// Maximum number of repeated measurements.
const REPEATS: usize = 12;

/// A repeated measurement that is faster by less than this factor confirms the previous one.
const CONFIRMED: f64 = 1.01;

/// After so many confirmations in a row a measurement counts as exact.
const CONFIRMATIONS: usize = 3;

/// A cost above the best by up to `tolerance` is a tie. Up to `noise` above that, and down to half the tolerance, a busy moment
/// may have decided, and it is measured again.
#[derive(Debug, Clone, Copy)]
struct Tie {
    tolerance: f64,
    noise: f64,
}

impl Tie {
    /// Speed enters the balanced cost with a small exponent: 1 % of it is 15 % of speed.
    fn of(objective: Objective) -> Tie {
        match objective {
            // Not timed, therefore exact.
            Objective::Size | Objective::Point => Tie { tolerance: 0.0, noise: 0.0 },
            Objective::Encode | Objective::Decode => Tie { tolerance: 0.15, noise: 0.3 },
            Objective::Balanced => Tie { tolerance: 0.01, noise: 0.03 },
        }
    }

    /// Whether another measurement could change whether this ratio of costs is a tie.
    fn is_open(self, ratio: f64) -> bool {
        ratio > 1.0 + self.tolerance / 2.0 && ratio < 1.0 + self.tolerance + self.noise
    }
}

/// The index of the best of `finalists`. `again` repeats a measurement and keeps the faster result. Of ties, the smallest
/// wins, then the first in the list.
///
/// # Errors
/// Those of `again`.
pub fn settle<E>(
    objective: Objective,
    finalists: &[usize],
    measured: &mut [Measured],
    mut again: impl FnMut(&mut Measured) -> Result<(), E>,
) -> Result<Option<usize>, E> {
    let limit = size_limit(objective, measured);
    let order: Vec<usize> = rank(objective, measured).into_iter().filter(|index| finalists.contains(index)).collect();
    let Some(&first) = order.first() else { return Ok(None) };
    let allowed: Vec<usize> =
        order.iter().copied().filter(|index| *index == first || measured[*index].size() <= limit).collect();
    let (tie, mut confirmed) = (Tie::of(objective), 0);
    for _ in 0..REPEATS {
        let (best, ratios) = ratios(objective, &allowed, measured);
        let open: Vec<usize> =
            ratios.iter().filter(|(_, ratio)| tie.is_open(*ratio)).map(|(index, _)| *index).collect();
        if open.is_empty() || confirmed == CONFIRMATIONS {
            break;
        }
        // In turn with the best, so that a busy moment does not favour one of them.
        confirmed += 1;
        for index in open.into_iter().chain([best]) {
            let before = measured[index].one_thread;
            again(&mut measured[index])?;
            let after = measured[index].one_thread;
            if after.encode > before.encode * CONFIRMED || after.decode > before.decode * CONFIRMED {
                confirmed = 0;
            }
        }
    }
    let (_, ratios) = ratios(objective, &allowed, measured);
    let ties = ratios.iter().filter(|(_, ratio)| *ratio <= 1.0 + tie.tolerance).map(|(index, _)| *index);
    Ok(ties.min_by_key(|index| (measured[*index].encoded_bytes, *index)))
}

/// The best of `allowed`, and the cost of each relative to it.
fn ratios(objective: Objective, allowed: &[usize], measured: &[Measured]) -> (usize, Vec<(usize, f64)>) {
    let cost = |index: usize| cost(objective, &measured[index]);
    let best = allowed.iter().copied().min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or(0);
    (best, allowed.iter().map(|&index| (index, cost(index) / cost(best))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zcodec::{Blosc, Cname, Shuffle};

    use super::*;
    use crate::trial::candidates::Candidate;
    use crate::trial::measure::Speed;

    /// A finalist with this size (of 1,000 bytes) and speed in both directions; the first one is the default.
    fn finalist(number: usize, encoded_bytes: u64, speed: f64) -> Measured {
        Measured {
            candidate: Candidate { compressor: Blosc::new(Cname::Zstd, 3, Shuffle::Shuffle), default: number == 0 },
            sampled_bytes: 1000,
            encoded_bytes,
            one_thread: Speed { encode: speed, decode: speed },
            threaded: None,
            blocks: 1,
            block_bytes: 1000,
            point_bytes: 100,
            thorough: true,
            pareto: false,
        }
    }

    fn settled(objective: Objective, true_speeds: &[(u64, f64)], mut noise: impl FnMut() -> f64) -> Option<usize> {
        let measure = |(number, &(size, speed)): (usize, &(u64, f64))| finalist(number, size, speed * noise());
        let mut measured: Vec<Measured> = true_speeds.iter().enumerate().map(measure).collect();
        let finalists: Vec<usize> = (0..measured.len()).collect();
        let speed_of: Vec<f64> = true_speeds.iter().map(|(_, speed)| *speed).collect();
        let position =
            |one: &Measured| true_speeds.iter().position(|(size, _)| *size == one.encoded_bytes).expect("sizes differ");
        let again = |one: &mut Measured| {
            let speed = speed_of[position(one)] * noise();
            one.one_thread = one.one_thread.max(Speed { encode: speed, decode: speed });
            Ok::<(), ()>(())
        };
        settle(objective, &finalists, &mut measured, again).expect("no error")
    }

    /// A busy machine makes runs slower, never faster than they are.
    fn busy(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed | 1;
        move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            1.0 - 0.12 * ((state >> 40) as f64 / (1u64 << 24) as f64).powi(2)
        }
    }

    #[test]
    fn equal_speeds_are_decided_by_size_whatever_the_noise() {
        let speeds = [(700, 1e9), (690, 1.02e9), (691, 1.05e9), (720, 9e9), (640, 1e8)];
        for seed in 0..200 {
            assert_eq!(settled(Objective::Balanced, &speeds, busy(seed)), Some(1), "seed {seed}");
        }
    }

    #[test]
    fn without_finalists_nothing_is_chosen() {
        assert_eq!(settled(Objective::Size, &[], || 1.0), None);
    }

    proptest! {
        /// What is chosen costs hardly more than the best, and for the balance is not larger than the default.
        #[test]
        fn the_choice_is_nearly_the_best(
            sizes in prop::collection::btree_set(300u64..900, 1..9), speeds in prop::collection::vec(1u32..40, 9), seed: u64,
        ) {
            let all: Vec<(u64, f64)> = sizes.iter().zip(&speeds).map(|(size, speed)| (*size, f64::from(*speed) * 1e8)).collect();
            let exact: Vec<Measured> = all.iter().enumerate().map(|(number, &(size, speed))| finalist(number, size, speed)).collect();
            for objective in [Objective::Balanced, Objective::Size, Objective::Encode] {
                let chosen = settled(objective, &all, busy(seed)).expect("something is chosen");
                let limit = size_limit(objective, &exact);
                prop_assert!(exact[chosen].size() <= limit);
                let costs = exact.iter().filter(|one| one.size() <= limit).map(|one| cost(objective, one));
                let best = costs.fold(f64::INFINITY, f64::min);
                // Tolerance, and noise of up to 12 %.
                let most = match objective { Objective::Balanced => 1.03, Objective::Size => 1.0, _ => 1.35 };
                prop_assert!(cost(objective, &exact[chosen]) <= best * most, "{objective:?}");
            }
        }
    }
}
