//! What the user expects of a coordinate: `--expect-step` and `--expect`.

use zcoord::{Column, Series, Tolerance, label_of};
use zwire::{Failure, human_count, human_counted};

use crate::checks::applied::{Applied, Axis};
use crate::checks::coordinates::Coordinate;
use crate::expect::Expect;
use crate::finding::Finding;
use crate::kinds::Kind;
use crate::sink::Sink;

/// Runs of missing values of one coordinate that are reported one by one.
const MOST_RUNS: usize = 1000;

/// Values that are looked for.
const MOST_STEPS: u64 = 10_000_000;

impl Coordinate<'_> {
    /// What its values are, by the metadata alone.
    fn axis(&self) -> Axis {
        if zcoord::is_time(self.array) { Axis::Times } else { Axis::Numbers }
    }

    /// The rules about steps that are meant for it, the last first: its number, the step, and whether values can have it.
    fn step_rules(&self, axis: Axis) -> impl Iterator<Item = (usize, f64, bool)> {
        let expect = &self.context.options.expect;
        let is_listed = expect.dims.iter().any(|dim| dim == self.dim);
        expect.steps.iter().enumerate().rev().filter_map(move |(number, rule)| {
            let (step, fits) = match rule.step {
                Tolerance::Time(step) => (step, axis == Axis::Times),
                Tolerance::Number(step) => (step, axis == Axis::Numbers),
            };
            let is_meant = match (&rule.dim, rule.step) {
                (Some(dim), _) => dim == self.dim,
                (None, Tolerance::Time(_)) => fits,
                (None, Tolerance::Number(_)) => fits && is_listed,
            };
            is_meant.then_some((number, step, fits))
        })
    }

    /// Takes the rules that are meant for it by the metadata alone for applied; whether there are any.
    pub(super) fn presume(&self, applied: &mut Applied) -> bool {
        let rules: Vec<usize> = self.step_rules(self.axis()).map(|(number, ..)| number).collect();
        rules.iter().for_each(|number| applied.add(*number));
        !rules.is_empty() || self.context.options.expect.values.iter().any(|expect| expect.dim == self.dim)
    }

    /// The step that the last of the rules sets, in units of the values; an error if they can have no such step.
    pub(super) fn step_rule(&self, axis: Axis, applied: &mut Applied, sink: &mut Sink) -> Result<Option<f64>, Failure> {
        self.step_rules(axis).for_each(|(number, ..)| applied.add(number));
        let Some((_, step, fits)) = self.step_rules(axis).next() else { return Ok(None) };
        if fits {
            return Ok(Some(step));
        }
        let (values, hint) = match axis {
            Axis::Times => ("times, and the step is a number", format!("such as --expect-step {}=1h", self.dim)),
            Axis::Numbers => ("numbers, and the step is a time", format!("such as --expect-step {}=0.25", self.dim)),
            Axis::Texts => ("text, which has no step", format!("--expect {}=FIRST:LAST checks its ends", self.dim)),
        };
        let what = format!("--expect-step cannot be checked: the coordinate has {values}");
        let place = self.context.store.place(self.array.key_prefix());
        sink.failed(&Failure::usage(what).at(place).hint(hint))?;
        Ok(None)
    }

    /// What is expected of a coordinate without values.
    pub(super) fn empty(&self, applied: &mut Applied, sink: &mut Sink) -> Result<(), Failure> {
        let step = self.step_rule(self.axis(), applied, sink)?;
        let found = "the coordinate has no values";
        let mut ranges = self.context.options.expect.values.iter().filter(|expect| expect.dim == self.dim).peekable();
        if step.is_some() && ranges.peek().is_none() {
            sink.emit(Finding::of(Kind::CoordinateStep, self.array, found).expected("values (--expect-step)"))?;
        }
        ranges.try_for_each(|expect| {
            let finding = Finding::of(Kind::CoordinateValues, self.array, found);
            sink.emit(finding.expected(format!("{} to {}", expect.first, expect.last)))
        })
    }

    /// What is expected of text: the first and the last, in either order.
    pub(super) fn expected_texts(
        &self,
        column: &Column,
        applied: &mut Applied,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        self.step_rule(Axis::Texts, applied, sink)?;
        let ends = [label_of(column, 0), label_of(column, column.len().saturating_sub(1))];
        for expect in self.context.options.expect.values.iter().filter(|expect| expect.dim == self.dim) {
            let wanted = [&expect.first, &expect.last];
            if wanted == [&ends[0], &ends[1]] || wanted == [&ends[1], &ends[0]] {
                continue;
            }
            let found = format!("from {} to {}", ends[0], ends[1]);
            let finding =
                self.finding(Kind::CoordinateValues, found, [0, column.len().saturating_sub(1)], ends.clone());
            sink.emit(finding.expected(format!("{} to {}", expect.first, expect.last)))?;
        }
        Ok(())
    }

    /// `--expect-step`: steps that differ from it. Steps are missing only where values go on in the direction of the others.
    pub(super) fn expected_step(&self, series: &Series, step: f64, sink: &mut Sink) -> Result<(), Failure> {
        let rounding = series.rounding().max(1e-6 * step);
        let (up, down) = series.differences().fold((0usize, 0usize), |(up, down), difference| {
            (up + usize::from(difference > 0.0), down + usize::from(difference < 0.0))
        });
        let sign = if down > up { -1.0 } else { 1.0 };
        for row in 1..series.len() {
            let mut difference = sign * series.difference(row, row - 1);
            if difference < 0.0 && self.is_wrap(series, row) {
                difference += 360.0;
            }
            if (difference - step).abs() <= rounding {
                continue;
            }
            let labels = [series.label(row - 1), series.label(row)];
            if difference < 0.0 {
                let found =
                    format!("a step back of {} from {} to {}", series.length_text(-difference), labels[0], labels[1]);
                let mut finding = self.finding(Kind::CoordinateStep, found, [row - 1, row], labels);
                "remove steps that are there twice, and sort the store along the dimension"
                    .clone_into(&mut finding.record.hint);
                sink.emit(finding.expected(format!("a step of {}", series.length_text(step))))?;
                continue;
            }
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
            // The direction of the coordinate does not matter: 60:50 is 50:60.
            Ok((first, last)) if last[0] < first[0] => (last, first),
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
            Some(step) => {
                let missing = missing_values(first, last, step, |value| has(value, value));
                self.report_cut(&missing, &range, sink)?;
                missing.runs
            }
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

    /// What the runs of missing values do not show.
    fn report_cut(&self, missing: &Missing, range: &str, sink: &mut Sink) -> Result<(), Failure> {
        if missing.more > 0 {
            let found = format!("{} missing, not listed", human_counted(missing.more, "more value"));
            let finding = Finding::of(Kind::CoordinateValues, self.array, found).count(missing.more);
            sink.emit(finding.expected(range))?;
        }
        if missing.unchecked > 0 {
            let what = format!(
                "--expect: only the first {} from {range} were looked for, not the {} behind them",
                human_counted(MOST_STEPS, "value"),
                human_count(missing.unchecked)
            );
            let place = self.context.store.place(self.array.key_prefix());
            sink.failed(&Failure::usage(what).at(place).hint("expect a shorter range, or a longer step"))?;
        }
        Ok(())
    }
}

/// Values that are not there.
#[derive(Debug, Default, PartialEq)]
struct Missing {
    /// Runs of them: the first and the last of each, and how many.
    runs: Vec<(f64, f64, u64)>,
    /// Those in further runs.
    more: u64,
    /// Values that were not looked for, because there are too many.
    unchecked: u64,
}

/// The values from `first` to `last` that are not there.
fn missing_values(first: f64, last: f64, step: f64, has: impl Fn(f64) -> bool) -> Missing {
    let count = whole_steps(first, last, step).max(0.0) as u64;
    let mut missing = Missing { unchecked: count.saturating_add(1).saturating_sub(MOST_STEPS), ..Missing::default() };
    let mut follows = false;
    for number in 0..count.saturating_add(1).min(MOST_STEPS) {
        let value = first + number as f64 * step;
        if has(value) {
            follows = false;
            continue;
        }
        let is_full = missing.runs.len() >= MOST_RUNS;
        match missing.runs.last_mut().filter(|_| follows) {
            Some((_, end, count)) => (*end, *count) = (value, *count + 1),
            None if is_full => {
                missing.more += 1;
                continue;
            }
            None => missing.runs.push((value, value, 1)),
        }
        follows = true;
    }
    missing
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
            assert_eq!(missing_values(0.0, last, DAY, |value| value <= last).runs, []);
            assert_eq!(missing_values(0.0, last, DAY / 24.0, |value| value < last - DAY / 24.0).runs.len(), 1);
        }
    }

    #[test]
    fn missing_values_come_in_runs() {
        let there = [0.0, 1.0, 4.0, 6.0];
        let missing = missing_values(0.0, 7.0, 1.0, |value| there.contains(&value));
        assert_eq!(missing.runs, [(2.0, 3.0, 2), (5.0, 5.0, 1), (7.0, 7.0, 1)]);
        assert_eq!(missing_values(0.0, 0.75, 0.25, |_| true), Missing::default());
        assert_eq!(missing_values(0.0, 0.3, 0.1, |_| false).runs, [(0.0, 0.30000000000000004, 4)]);
    }

    /// What is cut is counted.
    #[test]
    fn many_missing_values_are_counted() {
        let every_other = missing_values(0.0, 2999.0, 1.0, |value| value % 2.0 == 0.0);
        assert_eq!((every_other.runs.len(), every_other.more, every_other.unchecked), (MOST_RUNS, 500, 0));
        let many = missing_values(0.0, 1.2e7, 1.0, |_| true);
        assert_eq!((many.runs.len(), many.unchecked), (0, 2_000_001));
    }
}
