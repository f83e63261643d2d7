//! Coordinates: every value is there, once, in order and at a regular step; bounds. `expected.rs` has what the user expects.

use std::collections::{BTreeSet, HashMap};

use zarray::{Array, ZarrError};
use zcoord::{Column, Describes, Horizontal, Mode, classify, label_of, read_coordinate};
use zwire::{Failure, Severity, human_count, human_counted};

use crate::checks::across::Digest;
use crate::checks::applied::{Applied, Axis};
use crate::finding::Finding;
use crate::kinds::Kind;
use crate::open::Context;
use crate::sink::Sink;
use zcoord::{Series, Step};

/// Runs of faults of one coordinate that are reported one by one.
const MOST_RUNS: usize = 1000;

/// Checks the coordinates of a store.
///
/// # Errors
/// The output cannot be written.
pub fn check(context: &Context, digest: &mut Digest, applied: &mut Applied, sink: &mut Sink) -> Result<(), Failure> {
    let dataset = &context.nodes.dataset;
    let described = dataset.described_by();
    let selected = dataset.with_descriptions(context.arrays());
    let expect = &context.options.expect;
    let mut seen = BTreeSet::new();
    for array in dataset.arrays() {
        if described.get(array.path.as_str()) != Some(&Describes::Dimension) {
            continue;
        }
        let names = zcoord::dimensions(array).unwrap_or_default();
        let [dim] = names.as_slice() else { continue };
        let dim = *dim;
        seen.insert(dim.to_owned());
        let named = expect.values.iter().any(|rule| rule.dim == dim);
        // Without --dim, the coordinates of selected arrays are checked with them.
        let is_wanted = match expect.dims.is_empty() {
            true => selected.contains(array.path.as_str()) || named,
            false => expect.dims.iter().any(|wanted| wanted == dim),
        };
        if is_wanted {
            Coordinate { context, array, dim }.check(digest, applied, sink)?;
        }
    }
    let wanted = expect
        .dims
        .iter()
        .chain(expect.values.iter().map(|rule| &rule.dim))
        .chain(expect.steps.iter().filter_map(|rule| rule.dim.as_ref()));
    let absent: BTreeSet<&String> = wanted.filter(|dim| !seen.contains(*dim)).collect();
    for dim in absent {
        let failure = Failure::usage(format!("no coordinate of the dimension {dim}")).at(context.name);
        let hint = zwire::did_you_mean(dim, seen.iter().map(String::as_str));
        sink.failed(&failure.hint(hint.unwrap_or_else(|| "the store has no coordinates".into())))?;
    }
    Ok(())
}

/// One coordinate.
pub struct Coordinate<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) array: &'a Array,
    pub(super) dim: &'a str,
}

impl Coordinate<'_> {
    fn read(&self, array: &Array, mode: Mode) -> Result<Column, ZarrError> {
        let (store, pool, memory) = (self.context.store, self.context.pool, self.context.options.memory);
        read_coordinate(store, array, mode, pool, memory / 2).map(|(column, _)| column)
    }

    fn check(&self, digest: &mut Digest, applied: &mut Applied, sink: &mut Sink) -> Result<(), Failure> {
        let read = self.read(self.array, Mode::Cf);
        // A rule about a coordinate that cannot be read has found it.
        let is_expected = read.is_err() && self.presume(applied);
        let column = match read {
            Ok(column) => column,
            Err(ZarrError::NotFetched { .. }) if !is_expected => return Ok(()),
            Err(error) if error.is_damage() || matches!(error, ZarrError::Metadata { .. }) => {
                return sink.emit(Finding::of(Kind::CoordinateUnreadable, self.array, error.to_string()));
            }
            Err(error) => return sink.failed(&error.into()),
        };
        if column.is_empty() {
            return self.empty(applied, sink);
        }
        if let Some(finding) = self.missing_values(&column) {
            self.presume(applied);
            return sink.emit(finding);
        }
        let Some(series) = Series::new(&column) else {
            self.texts(&column, digest, sink)?;
            return self.expected_texts(&column, applied, sink);
        };
        digest.coordinate(self.array, self.dim, &series);
        let breaks = self.duplicates_and_order(&series, sink)?;
        let rule = self.step_rule(if series.is_time() { Axis::Times } else { Axis::Numbers }, applied, sink)?;
        match rule {
            Some(step) => self.expected_step(&series, step, sink)?,
            None if breaks == 0 => self.gaps(&series, sink)?,
            None => {}
        }
        for expect in self.context.options.expect.values.iter().filter(|expect| expect.dim == self.dim) {
            self.expected_values(&series, expect, rule, sink)?;
        }
        self.bounds(sink)
    }

    /// A finding about neighbours or a range of values.
    pub(super) fn finding(
        &self,
        kind: Kind,
        found: impl Into<String>,
        indices: [usize; 2],
        labels: [String; 2],
    ) -> Finding {
        let indices = indices.map(|index| index as u64);
        Finding::of(kind, self.array, found).steps(self.dim, indices, Some(labels))
    }

    fn missing_values(&self, column: &Column) -> Option<Finding> {
        let is_wrong =
            |row: &usize| column.is_missing(*row) || column.number(*row).is_some_and(|number| !number.is_finite());
        let wrong: Vec<usize> = (0..column.len()).filter(is_wrong).collect();
        let (first, last) = (*wrong.first()?, *wrong.last()?);
        let found = format!(
            "{} of {} NaN, infinite or the fill value",
            human_count(wrong.len() as u64),
            human_count(column.len() as u64)
        );
        let labels = [label_of(column, first), label_of(column, last)];
        Some(self.finding(Kind::CoordinateMissingValues, found, [first, last], labels).count(wrong.len() as u64))
    }

    /// Texts only have to be different.
    fn texts(&self, column: &Column, digest: &mut Digest, sink: &mut Sink) -> Result<(), Failure> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        digest.texts(self.array, self.dim, column);
        for row in 0..column.len() {
            let label = label_of(column, row);
            if let Some(first) = seen.get(&label) {
                let found = format!("{label} is there twice");
                let labels = [label.clone(), label];
                sink.emit(self.finding(Kind::CoordinateDuplicates, found, [*first, row], labels))?;
            } else {
                seen.insert(label, row);
            }
        }
        Ok(())
    }

    /// Reports values that are there twice, and where the order turns; how many of them there are.
    fn duplicates_and_order(&self, series: &Series, sink: &mut Sink) -> Result<usize, Failure> {
        let (up, down) = series.differences().fold((0usize, 0usize), |(up, down), difference| {
            (up + usize::from(difference > 0.0), down + usize::from(difference < 0.0))
        });
        let sign = if down > up { -1.0 } else { 1.0 };
        let mut duplicates: Vec<(usize, usize)> = Vec::new();
        let mut turns: Vec<usize> = Vec::new();
        let mut wraps = 0;
        for row in 1..series.len() {
            let difference = sign * series.difference(row, row - 1);
            if difference == 0.0 {
                duplicates.push((row - 1, row));
            } else if difference < 0.0 && wraps == 0 && self.is_wrap(series, row) {
                wraps = 1;
            } else if difference < 0.0 {
                turns.push(row);
            }
        }
        if wraps + turns.len() > 0 {
            // Values that come again are not side by side.
            let mut rows: Vec<usize> = (0..series.len()).collect();
            rows.sort_by(|a, b| series.value(*a).total_cmp(&series.value(*b)).then(a.cmp(b)));
            let again =
                rows.windows(2).filter(|pair| series.difference(pair[1], pair[0]) == 0.0 && pair[1] != pair[0] + 1);
            duplicates.extend(again.map(|pair| (pair[0], pair[1])));
            duplicates.sort_unstable();
        }
        self.report_duplicates(series, &duplicates, sink)?;
        for row in turns.iter().take(MOST_RUNS) {
            let labels = [series.label(row - 1), series.label(*row)];
            let found = format!("{} is followed by {}", labels[0], labels[1]);
            let order = if sign > 0.0 { "increasing values" } else { "decreasing values" };
            sink.emit(self.finding(Kind::CoordinateOrder, found, [row - 1, *row], labels).expected(order))?;
        }
        if let Some(more) = turns.len().checked_sub(MOST_RUNS).filter(|more| *more > 0) {
            let found = format!("the order turns at {}", human_counted(more as u64, "more value"));
            sink.emit(Finding::of(Kind::CoordinateOrder, self.array, found).count(more as u64))?;
        }
        Ok(duplicates.len() + turns.len())
    }

    /// Whether longitudes jump by about a full turn, as a crop across the meridian at which a grid starts does once.
    pub(super) fn is_wrap(&self, series: &Series, row: usize) -> bool {
        let is_longitude = classify(self.array).is_some_and(|(which, _)| which == Horizontal::Longitude);
        is_longitude && series.difference(row, row - 1).abs() > 180.0
    }

    /// Duplicates in runs: `a a b b` is one run of two values.
    fn report_duplicates(
        &self,
        series: &Series,
        duplicates: &[(usize, usize)],
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        let mut at = 0;
        for _ in 0..MOST_RUNS {
            let Some((first, second)) = duplicates.get(at).copied() else { break };
            let follows = |next: usize| duplicates.get(at + next) == Some(&(first + next, second + next));
            let count = (1..).take_while(|next| follows(*next)).count() + 1;
            at += count;
            let last = first + count - 1;
            let labels = [series.label(first), series.label(last)];
            let found = match count {
                1 => format!("{} is at {first} and at {second}", labels[0]),
                _ => format!(
                    "{} from {} to {} are at {first} and again at {second}",
                    human_counted(count as u64, "value"),
                    labels[0],
                    labels[1]
                ),
            };
            let finding = self.finding(Kind::CoordinateDuplicates, found, [first, second + count - 1], labels);
            sink.emit(finding.count(count as u64).expected("every value once"))?;
        }
        let more: usize = duplicates.len() - at;
        if more > 0 {
            let finding = Finding::of(Kind::CoordinateDuplicates, self.array, format!("{more} more duplicates"));
            sink.emit(finding.count(more as u64))?;
        }
        Ok(())
    }

    /// Where an otherwise regular series leaves steps out, or has values that are nearly equal.
    fn gaps(&self, series: &Series, sink: &mut Sink) -> Result<(), Failure> {
        let Some(step) = series.step() else { return Ok(()) };
        let severity = if series.is_time() { Severity::Warning } else { Severity::Info };
        let mut wraps = 0;
        for row in 1..series.len() {
            let difference = series.difference(row, row - 1).abs();
            let labels = || [series.label(row - 1), series.label(row)];
            let missing = step.missing(difference);
            if missing > 0 && wraps == 0 && self.is_wrap(series, row) {
                wraps = 1;
            } else if missing > 0 {
                let found =
                    format!("{} missing between {} and {}", human_counted(missing, "step"), labels()[0], labels()[1]);
                let finding = self.finding(Kind::CoordinateGaps, found, [row - 1, row], labels());
                let expected = format!("a step of {}", series.length_text(step.length()));
                sink.emit(finding.count(missing).expected(expected).severity(severity))?;
            } else if step.is_tiny(difference) && matches!(step, Step::Even(..)) {
                let found = format!("{} and {} are nearly equal", labels()[0], labels()[1]);
                let finding = self.finding(Kind::CoordinateNearDuplicates, found, [row - 1, row], labels());
                sink.emit(finding.expected(format!("a step of {}", series.length_text(step.length()))))?;
            }
        }
        Ok(())
    }

    /// Bounds contain their value, and neighbours share an edge.
    fn bounds(&self, sink: &mut Sink) -> Result<(), Failure> {
        let (climatology, name) = match self.array.attributes.get("bounds").and_then(|name| name.as_str()) {
            Some(name) => (false, name),
            None => match self.array.attributes.get("climatology").and_then(|name| name.as_str()) {
                Some(name) => (true, name),
                None => return Ok(()),
            },
        };
        let Some(array) = self.context.nodes.dataset.named(self.array, name) else {
            let found = format!("the array {name}, which the attribute names, is not there");
            return sink.emit(Finding::of(Kind::CoordinateBounds, self.array, found));
        };
        if array.shape != [self.array.shape[0], 2] {
            return Ok(());
        }
        // Without units of their own, bounds have those of their coordinate (CF section 7.1).
        let mode = if array.attributes.contains_key("units") { Mode::Cf } else { Mode::Raw };
        let (values, edges) = match (self.read(self.array, mode), self.read(array, mode)) {
            (Ok(values), Ok(edges)) => (values, edges),
            (_, Err(error)) if error.is_damage() => {
                return sink.emit(Finding::of(Kind::CoordinateUnreadable, array, error.to_string()));
            }
            _ => return Ok(()),
        };
        let (Some(values), Some(edges)) = (Series::new(&values), Series::new(&edges)) else { return Ok(()) };
        let rounding = values.rounding().max(edges.rounding());
        for row in 0..values.len() {
            let (value, edge) = (values.value(row), [edges.value(2 * row), edges.value(2 * row + 1)]);
            let [low, high] = if edge[0] <= edge[1] { edge } else { [edge[1], edge[0]] };
            let is_inside = (low - rounding..=high + rounding).contains(&value);
            let next = (row + 1 < values.len()).then(|| [edges.value(2 * row + 2), edges.value(2 * row + 3)]);
            let touches = |next: [f64; 2]| next.iter().any(|a| edge.iter().any(|b| (a - b).abs() <= rounding));
            let found = match next {
                _ if !is_inside => format!("{} is not between {low} and {high}", values.label(row)),
                Some(next) if !climatology && !touches(next) => {
                    format!("bounds end at {} and go on at {}", edge[1], next[0])
                }
                _ => continue,
            };
            let labels = [values.label(row), values.label(row)];
            sink.emit(self.finding(Kind::CoordinateBounds, found, [row, row], labels))?;
        }
        Ok(())
    }
}
