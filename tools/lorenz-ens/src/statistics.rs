//! Statistics of an ensemble at one time: two passes over the states, whatever came before.
//!
//! Members are added up in blocks of a fixed size, and the sums of blocks in order, so that the result does not depend on the number
//! of threads. Members that are not finite are left out. Quantiles are those of NumPy (linear interpolation between the two values
//! around them, which are selected, not estimated), in one copy of a variable.

use zarray::Pool;
use zwire::{StatisticsRecord, number};

use crate::ensemble::Ensemble;
use crate::system::Variable;
use crate::trajectories::time_of;

/// Members of a block.
const BLOCK: usize = 16_384;

const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// The distribution of a variable.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Distribution {
    pub members: u64,
    pub mean: f64,
    pub spread: f64,
    pub min: f64,
    pub max: f64,
    pub quantiles: [f64; 5],
    /// Root mean square difference from the first member.
    pub error: f64,
}

#[derive(Clone, Copy)]
struct Sums {
    members: u64,
    sum: f64,
    min: f64,
    max: f64,
}

/// The distribution of some values; `scratch` becomes as long as these.
pub fn distribution(values: &[f64], pool: &Pool, scratch: &mut Vec<f64>) -> Distribution {
    let first_pass = |block: &[f64]| {
        let mut sums = Sums { members: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };
        for value in block.iter().copied().filter(|value| value.is_finite()) {
            sums.members += 1;
            sums.sum += value;
            sums.min = sums.min.min(value);
            sums.max = sums.max.max(value);
        }
        sums
    };
    let sums = pool.map(values.chunks(BLOCK).collect(), first_pass).into_iter().reduce(|a, b| Sums {
        members: a.members + b.members,
        sum: a.sum + b.sum,
        min: a.min.min(b.min),
        max: a.max.max(b.max),
    });
    let Some(sums) = sums.filter(|sums| sums.members > 0) else {
        let nan = f64::NAN;
        return Distribution {
            mean: nan,
            spread: nan,
            min: nan,
            max: nan,
            quantiles: [nan; 5],
            error: nan,
            members: 0,
        };
    };
    let mean = sums.sum / sums.members as f64;
    let first = values[0];
    let second_pass = |block: &[f64]| {
        let (mut squares, mut errors) = (0.0, 0.0);
        for value in block.iter().copied().filter(|value| value.is_finite()) {
            squares += (value - mean) * (value - mean);
            errors += (value - first) * (value - first);
        }
        (squares, errors)
    };
    let second = pool.map(values.chunks(BLOCK).collect(), second_pass);
    let (squares, errors) = second.into_iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    // The first member has no distance from itself, and is not counted.
    let others = (sums.members - 1).max(1) as f64;
    Distribution {
        members: sums.members,
        mean,
        spread: (squares / sums.members as f64).sqrt(),
        min: sums.min,
        max: sums.max,
        quantiles: quantiles(values, scratch),
        error: (errors / others).sqrt(),
    }
}

/// The quantiles of the finite values, of which there is one at least.
fn quantiles(values: &[f64], scratch: &mut Vec<f64>) -> [f64; 5] {
    scratch.clear();
    scratch.reserve_exact(values.len());
    scratch.extend(values.iter().copied().filter(|value| value.is_finite()));
    let last = scratch.len().saturating_sub(1);
    let neighbours = |quantile: f64| {
        let below = (quantile * last as f64).floor() as usize;
        (below, (below + 1).min(last))
    };
    let mut ranks: Vec<usize> =
        QUANTILES.iter().flat_map(|quantile| [neighbours(*quantile).0, neighbours(*quantile).1]).collect();
    ranks.sort_unstable();
    ranks.dedup();
    select(scratch, 0, &ranks);
    QUANTILES.map(|quantile| {
        let (below, above) = neighbours(quantile);
        between(scratch[below], scratch[above], quantile * last as f64 - below as f64)
    })
}

/// Puts the values of these ranks, which rise, where they would be if all were sorted; the first of `values` has rank `first`.
fn select(values: &mut [f64], first: usize, ranks: &[usize]) {
    let Some(rank) = ranks.get(ranks.len() / 2) else { return };
    let (lower, upper) = ranks.split_at(ranks.len() / 2);
    let (before, _, after) = values.select_nth_unstable_by(rank - first, f64::total_cmp);
    select(before, first, lower);
    select(after, rank + 1, &upper[1..]);
}

/// A value between two others, as NumPy computes it.
fn between(below: f64, above: f64, share: f64) -> f64 {
    let difference = above - below;
    if share >= 0.5 { above - difference * (1.0 - share) } else { below + difference * share }
}

/// Names of the columns of [`csv`].
pub const COLUMNS: &str = "step,time,variable,members,mean,spread,min,q05,q25,q50,q75,q95,max,error";

/// The distributions of all variables at one time.
pub fn at(step: u64, dt: f64, ensemble: &Ensemble, pool: &Pool, scratch: &mut Vec<f64>) -> [StatisticsRecord; 3] {
    Variable::ALL.map(|variable| {
        let values = match variable {
            Variable::X => &ensemble.x,
            Variable::Y => &ensemble.y,
            Variable::Z => &ensemble.z,
        };
        let found = distribution(values, pool, scratch);
        let [q05, q25, q50, q75, q95] = found.quantiles.map(number);
        StatisticsRecord {
            step,
            time: time_of(step, dt),
            variable: variable.name().into(),
            members: found.members,
            mean: number(found.mean),
            spread: number(found.spread),
            min: number(found.min),
            q05,
            q25,
            q50,
            q75,
            q95,
            max: number(found.max),
            error: number(found.error),
            ..StatisticsRecord::default()
        }
    })
}

/// A record as a line of CSV.
pub fn csv(record: &StatisticsRecord) -> String {
    let StatisticsRecord {
        step, time, variable, members, mean, spread, min, q05, q25, q50, q75, q95, max, error, ..
    } = record;
    let values = [mean, spread, min, q05, q25, q50, q75, q95, max, error];
    let text = values.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    format!("{step},{time:?},{variable},{members},{}\n", text.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], jobs: usize) -> Distribution {
        distribution(values, &Pool::new(jobs), &mut Vec::new())
    }

    #[test]
    fn small_ensembles_are_exact() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0, f64::NAN];
        let found = of(&values, 1);
        // numpy.quantile(values, [.05, .25, .5, .75, .95])
        assert_eq!(found.quantiles, [1.2, 2.0, 3.0, 4.0, 4.8]);
        assert_eq!((found.members, found.mean, found.min, found.max), (5, 3.0, 1.0, 5.0));
        assert_eq!(found.spread, 2f64.sqrt());
        assert_eq!(found.error, ((9.0 + 1.0 + 4.0 + 1.0) / 4.0f64).sqrt());
        assert!(of(&[f64::NAN], 1).mean.is_nan());
        assert_eq!(of(&[7.0], 1).quantiles, [7.0; 5]);
        assert_eq!(of(&[7.0, 8.0], 1).quantiles, [7.05, 7.25, 7.5, 7.75, 7.95]);
    }

    /// Also with members that are about to diverge, far from all others.
    #[test]
    fn large_ensembles_are_exact_and_do_not_depend_on_threads() {
        let mut normals = crate::random::Normals::philox(3);
        let mut values: Vec<f64> = (0..200_000).map(|_| normals.draw()).collect();
        (values[7], values[99_999], values[150_000]) = (1e300, -1e250, f64::INFINITY);
        let found = of(&values, 1);
        for jobs in [2, 5] {
            assert_eq!(of(&values, jobs), found);
        }
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        for (quantile, found) in QUANTILES.iter().zip(found.quantiles) {
            let at = quantile * (sorted.len() - 1) as f64;
            let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
            assert_eq!(found, between(below, above, at.fract()), "{quantile}");
        }
        assert!((found.quantiles[2]).abs() < 0.01 && (found.quantiles[4] - 1.645).abs() < 0.02, "{found:?}");
    }
}
