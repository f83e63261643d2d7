//! What the user expects of a coordinate: `--expect-step` and `--expect`.

use std::ops::Range;

use zcoord::{Series, Tolerance};
use zwire::{Failure, human_counted};

use crate::checks::coordinates::Coordinate;
use crate::expect::Expect;
use crate::finding::Finding;
use crate::kinds::Kind;
use crate::sink::Sink;

/// Runs of missing values of one coordinate that are reported one by one.
const MOST_RUNS: usize = 1000;

impl Coordinate<'_> {
    /// The step that a rule sets, in units of the series.
    pub(super) fn step_rule(&self, series: &Series) -> Option<f64> {
        let expect = &self.context.options.expect;
        let fits = |dim: &Option<String>, is_time: bool| match dim {
            Some(dim) => dim == self.dim,
            None if is_time => series.is_time(),
            None => !series.is_time() && expect.dims.iter().any(|dim| dim == self.dim),
        };
        expect.steps.iter().rev().find_map(|rule| match rule.step {
            Tolerance::Time(step) if fits(&rule.dim, true) && series.is_time() => Some(step),
            Tolerance::Number(step) if fits(&rule.dim, false) && !series.is_time() => Some(step),
            _ => None,
        })
    }

    /// `--expect-step`: steps that differ from it.
    pub(super) fn expected_step(&self, series: &Series, step: f64, sink: &mut Sink) -> Result<(), Failure> {
        let rounding = series.rounding().max(1e-6 * step);
        for row in 1..series.len() {
            let difference = series.difference(row, row - 1).abs();
            if (difference - step).abs() <= rounding {
                continue;
            }
            let labels = [series.label(row - 1), series.label(row)];
            let count = (difference / step).round();
            let missing = if (difference - count * step).abs() <= rounding * count && count >= 2.0 {
                count as u64 - 1
            } else {
                0
            };
            let found = match missing {
                0 => format!("a step of {} from {} to {}", series.length_text(difference), labels[0], labels[1]),
                missing => {
                    format!("{} missing between {} and {}", human_counted(missing, "step"), labels[0], labels[1])
                }
            };
            let finding = self.finding(Kind::CoordinateStep, found, [row - 1, row], labels);
            let finding = finding.expected(format!("a step of {}", series.length_text(step)));
            sink.emit(if missing > 0 { finding.count(missing) } else { finding })?;
        }
        Ok(())
    }

    /// `--expect`: all values from the first to the last, or only these two where no step is known.
    pub(super) fn expected_values(
        &self,
        series: &Series,
        expect: &Expect,
        step: Option<f64>,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        let bounds = series.parse(&expect.first).and_then(|first| Ok((first, series.parse(&expect.last)?)));
        let ([first, first_end], [last_start, last]) = match bounds {
            Ok(bounds) => bounds,
            Err(error) => return sink.failed(&Failure::usage(error).at(format!("--expect {}", expect.dim))),
        };
        let range = format!("{} to {}", expect.first, expect.last);
        let step = step.or((series.is_whole() && first.fract() == 0.0).then_some(1.0));
        let rounding = series.rounding().max(step.map_or(0.0, |step| 1e-6 * step));
        let outside =
            (0..series.len()).filter(|row| !(first - rounding..=last + rounding).contains(&series.value(*row)));
        let outside: Vec<usize> = outside.collect();
        if let (Some(a), Some(b)) = (outside.first(), outside.last()) {
            let labels = [series.label(*a), series.label(*b)];
            let found = format!("{} outside of {range}", human_counted(outside.len() as u64, "value"));
            let finding = self.finding(Kind::CoordinateValues, found, [*a, *b], labels);
            sink.emit(finding.count(outside.len() as u64).expected(range.clone()))?;
        }
        let mut values: Vec<f64> = (0..series.len()).map(|row| series.value(row)).collect();
        values.sort_unstable_by(f64::total_cmp);
        let has = |low: f64, high: f64| {
            let at = values.partition_point(|value| *value < low - rounding);
            values.get(at).is_some_and(|value| *value <= high + rounding)
        };
        let missing = match step {
            Some(step) => missing_values(first, last, step, |value| has(value, value)),
            None => {
                let ends = [(first, first_end), (last_start, last)];
                ends.into_iter().filter(|(low, high)| !has(*low, *high)).map(|(low, _)| (low, low, 1)).collect()
            }
        };
        for (from, to, count) in missing {
            let labels = [series.label_of(from), series.label_of(to)];
            let found = format!("{} missing: {} to {}", human_counted(count, "value"), labels[0], labels[1]);
            let mut finding =
                Finding::of(Kind::CoordinateValues, self.array, found).count(count).expected(range.clone());
            (finding.record.dim, finding.record.labels) = (Some(self.dim.to_owned()), Some(labels));
            sink.emit(finding)?;
        }
        Ok(())
    }
}

/// Runs of values from `first` to `last` that are not there: the first and the last of each, and how many.
fn missing_values(first: f64, last: f64, step: f64, has: impl Fn(f64) -> bool) -> Vec<(f64, f64, u64)> {
    let count = whole_steps(first, last, step);
    let mut runs: Vec<(f64, f64, u64)> = Vec::new();
    let steps: Range<u64> = 0..(count.clamp(0.0, 1e7) as u64).saturating_add(1);
    let mut follows = false;
    for number in steps {
        let value = first + number as f64 * step;
        if has(value) {
            follows = false;
            continue;
        }
        let is_full = runs.len() >= MOST_RUNS;
        match runs.last_mut().filter(|_| follows) {
            Some((_, end, count)) => (*end, *count) = (value, *count + 1),
            None if is_full => continue,
            None => runs.push((value, value, 1)),
        }
        follows = true;
    }
    runs
}

/// How many whole steps lie between two values. Times are whole microseconds: a day ends one before the next begins, however
/// many steps there are.
fn whole_steps(first: f64, last: f64, step: f64) -> f64 {
    const MOST_EXACT: f64 = (1_u64 << 53) as f64;
    let is_exact = |value: f64| value.fract() == 0.0 && value.abs() < MOST_EXACT;
    match [first, last, step].into_iter().all(is_exact) && step != 0.0 {
        true => ((last as i64 - first as i64) / step as i64) as f64,
        false => (((last - first) / step) * (1.0 + 1e-12)).floor(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_day_is_before_the_next() {
        const DAY: f64 = 86_400e6;
        for days in [1.0, 11.0, 12.0, 31.0, 36_525.0] {
            let last = days * DAY - 1.0;
            assert_eq!(missing_values(0.0, last, DAY, |value| value <= last), []);
            assert_eq!(missing_values(0.0, last, DAY / 24.0, |value| value < last - DAY / 24.0).len(), 1);
        }
    }

    #[test]
    fn missing_values_come_in_runs() {
        let there = [0.0, 1.0, 4.0, 6.0];
        let missing = missing_values(0.0, 7.0, 1.0, |value| there.contains(&value));
        assert_eq!(missing, [(2.0, 3.0, 2), (5.0, 5.0, 1), (7.0, 7.0, 1)]);
        assert_eq!(missing_values(0.0, 0.75, 0.25, |_| true), []);
        assert_eq!(missing_values(0.0, 0.3, 0.1, |_| false), [(0.0, 0.30000000000000004, 4)]);
    }
}
