//! Statistics of an ensemble at one time: two passes over the states, whatever came before.
//!
//! Members are added up in blocks of a fixed size, and the sums of blocks in order, so that the result does not depend on the number
//! of threads. Members that are not finite are left out. Quantiles are those of NumPy (linear interpolation between the
//! neighbours), exact for up to [`EXACT`] members, else from a histogram with [`BINS`] bins between minimum and maximum.

use zarray::Pool;
use zwire::{StatisticsRecord, number};

use crate::ensemble::Ensemble;
use crate::system::Variable;
use crate::trajectories::time_of;

/// Members of a block.
const BLOCK: usize = 16_384;

/// So many members are sorted.
pub const EXACT: usize = 131_072;

/// Bins of a histogram.
pub const BINS: usize = 65_536;

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

/// The distribution of some values.
pub fn distribution(values: &[f64], pool: &Pool) -> Distribution {
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
        quantiles: quantiles(values, &sums, pool),
        error: (errors / others).sqrt(),
    }
}

fn quantiles(values: &[f64], sums: &Sums, pool: &Pool) -> [f64; 5] {
    if sums.members as usize > EXACT {
        return estimated(values, sums, pool);
    }
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    QUANTILES.map(|quantile| {
        let at = quantile * (sorted.len() - 1) as f64;
        let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        below + (above - below) * at.fract()
    })
}

/// Quantiles from a histogram: at most the width of a bin from the exact ones.
fn estimated(values: &[f64], sums: &Sums, pool: &Pool) -> [f64; 5] {
    let width = (sums.max - sums.min) / BINS as f64;
    if width <= 0.0 || !width.is_finite() {
        return [sums.min; 5];
    }
    let count = |block: &[f64]| {
        let mut bins = vec![0u64; BINS];
        for value in block.iter().filter(|value| value.is_finite()) {
            bins[(((value - sums.min) / width) as usize).min(BINS - 1)] += 1;
        }
        bins
    };
    // Few large pieces, because each has a histogram; whole numbers add up alike in any order.
    let piece = values.len().div_ceil(pool.workers() * 2).max(BLOCK);
    let mut bins = vec![0u64; BINS];
    for part in pool.map(values.chunks(piece).collect(), count) {
        bins.iter_mut().zip(part).for_each(|(bin, count)| *bin += count);
    }
    QUANTILES.map(|quantile| {
        let wanted = quantile * (sums.members - 1) as f64;
        let mut before = 0.0;
        for (bin, count) in bins.iter().enumerate() {
            let count = *count as f64;
            if before + count > wanted {
                return sums.min + width * (bin as f64 + (wanted - before + 0.5) / count);
            }
            before += count;
        }
        sums.max
    })
}

/// Names of the columns of [`csv`].
pub const COLUMNS: &str = "step,time,variable,members,mean,spread,min,q05,q25,q50,q75,q95,max,error";

/// The distributions of all variables at one time.
pub fn at(step: u64, dt: f64, ensemble: &Ensemble, pool: &Pool) -> [StatisticsRecord; 3] {
    Variable::ALL.map(|variable| {
        let values = match variable {
            Variable::X => &ensemble.x,
            Variable::Y => &ensemble.y,
            Variable::Z => &ensemble.z,
        };
        let found = distribution(values, pool);
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

    #[test]
    fn small_ensembles_are_exact() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0, f64::NAN];
        let found = distribution(&values, &Pool::new(1));
        // numpy.quantile(values, [.05, .25, .5, .75, .95])
        assert_eq!(found.quantiles, [1.2, 2.0, 3.0, 4.0, 4.8]);
        assert_eq!((found.members, found.mean, found.min, found.max), (5, 3.0, 1.0, 5.0));
        assert_eq!(found.spread, 2f64.sqrt());
        assert_eq!(found.error, ((9.0 + 1.0 + 4.0 + 1.0) / 4.0f64).sqrt());
        assert!(distribution(&[f64::NAN], &Pool::new(1)).mean.is_nan());
        assert_eq!(distribution(&[7.0], &Pool::new(1)).quantiles, [7.0; 5]);
    }

    #[test]
    fn large_ensembles_are_close_and_do_not_depend_on_threads() {
        let mut normals = crate::random::Normals::philox(3);
        let values: Vec<f64> = (0..EXACT + 10).map(|_| normals.draw()).collect();
        let found = distribution(&values, &Pool::new(1));
        for jobs in [2, 5] {
            assert_eq!(distribution(&values, &Pool::new(jobs)), found);
        }
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        for (quantile, found_at) in QUANTILES.iter().zip(found.quantiles) {
            let exact = sorted[(quantile * (sorted.len() - 1) as f64) as usize];
            assert!((exact - found_at).abs() < 2.0 * (found.max - found.min) / BINS as f64, "{exact} {found_at}");
        }
    }
}
