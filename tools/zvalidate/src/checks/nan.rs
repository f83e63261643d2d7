//! Where values are missing or all equal: the statistics of an array, collected over its chunks.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use roaring::RoaringTreemap;
use serde_json::Value;
use zarray::{Array, Grid, Number};
use zwire::{Failure, Severity, human_counted};

use crate::checks::bounds::EdgeBox;
use crate::checks::keys::key_of;
use crate::checks::values::{ObjectValues, Values};
use crate::finding::Finding;
use crate::kernel::Stats;
use crate::kinds::Kind;
use crate::labels::Labels;
use crate::open::Context;
use crate::sink::Sink;

/// Places of a grid that are compared over time, at most.
const MOST_PLACES: usize = 1 << 20;

/// Boxes of missing values that are kept, at most.
const MOST_BOXES: usize = 100_000;

/// Chunks of one place that have to be there before one of them stands out.
const ENOUGH: u32 = 3;

/// The statistics of an array.
#[derive(Default)]
pub struct ArrayValues {
    /// All values.
    pub stats: Stats,
    /// The values of each step.
    steps: Vec<Stats>,
    /// Chunks that hold only missing values.
    empty: RoaringTreemap,
    /// For each place of the grid, apart from the dimension of the steps, its chunks with and without data.
    places: HashMap<u64, [u32; 2]>,
    /// Boxes of missing values by chunk, and how often each is found at one place.
    boxes: Vec<(u64, EdgeBox)>,
    patterns: HashMap<(u64, EdgeBox), u32>,
}

/// What the findings are about.
pub struct About<'a> {
    /// The store.
    pub context: &'a Context<'a>,
    /// Coordinate values.
    pub labels: &'a Labels<'a>,
    /// The array.
    pub array: &'a Array,
    /// Its chunks (with sharding: its inner chunks).
    pub grid: &'a Grid,
    /// How its values are looked at.
    pub values: &'a Values,
    /// Values of missing chunks that read as NaN or as a value for missing data.
    pub missing: u64,
    /// Whether every stored chunk was decoded.
    pub is_complete: bool,
    /// Whether it describes other arrays.
    pub is_coordinate: bool,
}

impl ArrayValues {
    /// Adds what an object holds. `dimension` is that of the steps.
    pub fn add(&mut self, grid: &Grid, dimension: Option<usize>, object: &ObjectValues) {
        self.stats.merge(&object.stats);
        let (first, steps) = (zcodec::to_usize(object.steps.0), &object.steps.1);
        if self.steps.len() < first + steps.len() {
            self.steps.resize(first + steps.len(), Stats::default());
        }
        self.steps[first..].iter_mut().zip(steps).for_each(|(sum, step)| sum.merge(step));
        for (number, is_empty) in &object.chunks {
            if *is_empty {
                self.empty.insert(*number);
            }
            let place = place(grid, dimension, *number);
            if self.places.len() < MOST_PLACES || self.places.contains_key(&place) {
                self.places.entry(place).or_default()[usize::from(*is_empty)] += 1;
            }
        }
        for (number, found) in &object.boxes {
            if self.boxes.len() < MOST_BOXES {
                self.boxes.push((*number, *found));
                *self.patterns.entry((place(grid, dimension, *number), *found)).or_default() += 1;
            }
        }
    }

    /// The chunks that hold only missing values.
    pub fn empty(&self) -> &RoaringTreemap {
        &self.empty
    }

    /// Share of missing values among those of stored chunks.
    pub fn share(&self, count: u64) -> Option<f64> {
        (self.stats.values > 0).then(|| round6(count as f64 / self.stats.values as f64))
    }

    /// Reports what stands out.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn report(&self, about: &About, sink: &mut Sink) -> Result<(), Failure> {
        if self.stats.values == 0 {
            return Ok(());
        }
        self.nan_share(about, sink)?;
        self.extremes(about, sink)?;
        if self.stats.is_empty() {
            let found = format!("all of {} are NaN or the fill value", human_counted(self.stats.values, "value"));
            return sink.emit(Finding::of(Kind::AllNan, about.array, found).count(self.stats.values));
        }
        let empty_steps = self.nan_steps(about, sink)?;
        let empty_slabs = self.nan_slabs(about, sink)?;
        self.nan_chunks(about, &empty_steps, &empty_slabs, sink)?;
        self.nan_boxes(about, &empty_steps, sink)?;
        self.constant(about, sink)
    }

    fn nan_share(&self, about: &About, sink: &mut Sink) -> Result<(), Failure> {
        let Stats { values, nan, fill, .. } = self.stats;
        let all = values + about.missing;
        let share = (nan + fill + about.missing) as f64 / all as f64;
        let percent = |share: f64| format!("{:.3}%", share * 100.0);
        let parts = format!(
            "{} ({} NaN, {} fill value, {} in missing chunks)",
            percent(share),
            percent(nan as f64 / all as f64),
            percent(fill as f64 / all as f64),
            percent(about.missing as f64 / all as f64)
        );
        match sink.policy().max_nan(&about.array.path) {
            Some(limit) if share > limit => {
                let finding = Finding::of(Kind::TooManyNan, about.array, parts);
                sink.emit(finding.expected(format!("at most {}", percent(limit))).count(nan + fill + about.missing))
            }
            Some(_) => Ok(()),
            None if nan > 0 => sink.emit(Finding::of(Kind::NanValues, about.array, parts).count(nan)),
            None => Ok(()),
        }
    }

    fn extremes(&self, about: &About, sink: &mut Sink) -> Result<(), Failure> {
        let Stats { values, nan, fill, min, max, .. } = self.stats;
        if nan + fill == values {
            return Ok(());
        }
        if about.values.is_float() && (min.is_infinite() || max.is_infinite()) {
            sink.emit(Finding::of(
                Kind::InfiniteValues,
                about.array,
                format!("from {} to {}", shown(min), shown(max)),
            ))?;
        }
        let (low, high) = valid_range(about.array);
        let below = low.filter(|low| min < *low);
        let above = high.filter(|high| max > *high);
        if below.is_none() && above.is_none() {
            return Ok(());
        }
        let [min, max] = match about.values.extremes(&self.stats) {
            Some(ends) => ends.map(shown_number),
            None => [min, max].map(shown),
        };
        let bound = |bound: Option<f64>| bound.map_or("any".to_owned(), |bound| bound.to_string());
        let finding = Finding::of(Kind::OutOfRange, about.array, format!("from {min} to {max}, as stored"));
        sink.emit(finding.expected(format!("from {} to {}", bound(low), bound(high))))
    }

    /// Reports steps that are missing everywhere; they are returned as ranges.
    fn nan_steps(&self, about: &About, sink: &mut Sink) -> Result<Vec<Range<u64>>, Failure> {
        let Some(dimension) = about.values.dimension() else { return Ok(Vec::new()) };
        let ranges = self.runs(about, dimension, |step| step.is_empty());
        for range in &ranges {
            let values = self.steps_in(range).iter().map(|step| step.values).sum();
            let found = format!("{}, all NaN or the fill value", human_counted(range.end - range.start, "step"));
            sink.emit(about.steps(Finding::of(Kind::NanSteps, about.array, found).count(values), dimension, range))?;
        }
        Ok(ranges)
    }

    /// Reports indices of dimensions before that of the steps under which everything is missing, such as a file; they are returned.
    fn nan_slabs(&self, about: &About, sink: &mut Sink) -> Result<Vec<(usize, Range<u64>)>, Failure> {
        let mut slabs: Vec<(usize, Range<u64>)> = Vec::new();
        for dimension in about.values.outer_dimensions().iter().copied().filter(|_| about.is_complete) {
            let counts = about.grid.counts();
            let chunks = about.grid.len() / counts[dimension].max(1);
            let mut empty: BTreeMap<u64, u64> = BTreeMap::new();
            for number in &self.empty {
                *empty.entry(about.grid.index(number)[dimension]).or_default() += 1;
            }
            let is_slab = |(_, count): &(u64, u64)| *count == chunks && counts[dimension] > 1;
            for (index, _) in empty.into_iter().filter(is_slab) {
                match slabs.last_mut() {
                    Some((last, range)) if *last == dimension && range.end == index => range.end += 1,
                    _ => slabs.push((dimension, index..index + 1)),
                }
            }
        }
        for (dimension, range) in &slabs {
            let found = format!("{}, all NaN or the fill value", human_counted(range.end - range.start, "step"));
            let values = about.array.shape.iter().product::<u64>() / about.array.shape[*dimension].max(1);
            let finding = Finding::of(Kind::NanSteps, about.array, found).count(values * (range.end - range.start));
            sink.emit(about.steps(finding, *dimension, range))?;
        }
        Ok(slabs)
    }

    fn steps_in(&self, range: &Range<u64>) -> &[Stats] {
        &self.steps[zcodec::to_usize(range.start)..zcodec::to_usize(range.end)]
    }

    /// Ranges of steps that are alike, if all of the values of a step were seen.
    fn runs(&self, about: &About, dimension: usize, is_alike: impl Fn(&Stats) -> bool) -> Vec<Range<u64>> {
        let all = |step: &Stats| {
            about.is_complete
                || step.values == about.array.shape.iter().product::<u64>() / about.array.shape[dimension].max(1)
        };
        let (mut ranges, mut from) = (Vec::new(), None);
        for (at, step) in self.steps.iter().enumerate() {
            let at = at as u64;
            match (step.values > 0 && is_alike(step) && all(step), from) {
                (true, None) => from = Some(at),
                (false, Some(start)) => {
                    ranges.push(start..at);
                    from = None;
                }
                _ => {}
            }
        }
        ranges.extend(from.map(|start| start..self.steps.len() as u64));
        ranges
    }

    /// Chunks without data where most others at the same place have some.
    fn nan_chunks(
        &self,
        about: &About,
        empty_steps: &[Range<u64>],
        empty_slabs: &[(usize, Range<u64>)],
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        let dimension = about.values.dimension();
        for number in &self.empty {
            let counts = self.places.get(&place(about.grid, dimension, number)).copied().unwrap_or_default();
            let stands_out = counts[0] + counts[1] >= ENOUGH && counts[0] > counts[1];
            let is_in_slab = |(dimension, range): &(usize, Range<u64>)| {
                about.is_in(Some(*dimension), number, std::slice::from_ref(range))
            };
            let is_reported = about.is_in(dimension, number, empty_steps) || empty_slabs.iter().any(is_in_slab);
            if stands_out && !is_reported {
                let [others, _] = counts;
                let finding = Finding::of(Kind::NanChunks, about.array, "all values are NaN or the fill value");
                let finding = finding.expected(format!("data, as in {others} other chunks at the same place"));
                sink.emit(about.chunk(finding, number))?;
            }
        }
        Ok(())
    }

    /// Boxes of missing values that most chunks at the same place do not have.
    fn nan_boxes(&self, about: &About, empty_steps: &[Range<u64>], sink: &mut Sink) -> Result<(), Failure> {
        let dimension = about.values.dimension();
        for (number, found) in &self.boxes {
            let place = place(about.grid, dimension, *number);
            let alike = self.patterns.get(&(place, *found)).copied().unwrap_or(0);
            let [data, empty] = self.places.get(&place).copied().unwrap_or_default();
            if (data + empty >= ENOUGH && 2 * alike > data) || about.is_box_in(*number, found, empty_steps) {
                continue;
            }
            let name = about.context.dimension(about.array, found.dimension);
            let range = about.box_range(*number, found);
            let text =
                format!("NaN in {} along {name}, over the whole chunk otherwise", human_counted(found.length, "step"));
            let finding = Finding::of(Kind::NanRectangles, about.array, text);
            // Without others to compare with, it may be the edge of a mask.
            let severity = if data + empty >= ENOUGH { Severity::Warning } else { Severity::Info };
            let finding = about.chunk(finding.severity(severity), *number);
            sink.emit(about.steps(finding, found.dimension, &range))?;
        }
        Ok(())
    }

    fn constant(&self, about: &About, sink: &mut Sink) -> Result<(), Failure> {
        if about.is_coordinate || !about.values.is_float() || !about.is_complete {
            return Ok(());
        }
        // Zero is a value that a field may have everywhere, such as rain.
        let severity = |value: f64| if value == 0.0 { Severity::Info } else { Severity::Warning };
        if self.stats.is_constant() {
            if self.stats.values < 16 {
                return Ok(());
            }
            let found = format!("all of {} are {}", human_counted(self.stats.values, "value"), shown(self.stats.min));
            return sink.emit(Finding::of(Kind::ConstantArray, about.array, found).severity(severity(self.stats.min)));
        }
        let Some(dimension) = about.values.dimension() else { return Ok(()) };
        for range in self.runs(about, dimension, Stats::is_constant) {
            let value = self.steps_in(&range).first().map_or(0.0, |step| step.min);
            let found =
                format!("{}, each with one value ({})", human_counted(range.end - range.start, "step"), shown(value));
            let finding = Finding::of(Kind::ConstantSteps, about.array, found).severity(severity(value));
            sink.emit(about.steps(finding.count(range.end - range.start), dimension, &range))?;
        }
        Ok(())
    }
}

impl About<'_> {
    fn steps(&self, finding: Finding, dimension: usize, range: &Range<u64>) -> Finding {
        let indices = [range.start, range.end - 1];
        let labels = self.labels.of(self.array, dimension, indices);
        finding.steps(&self.context.dimension(self.array, dimension), indices, labels)
    }

    /// The finding at a chunk, with its steps along the dimension that is looked at.
    fn chunk(&self, finding: Finding, number: u64) -> Finding {
        let index = self.grid.index(number);
        let (key, inner) = key_of(self.array, self.grid, &index);
        let finding = finding.key(&key).inner(inner);
        match self.values.dimension() {
            None => finding,
            Some(dimension) => {
                let (start, length) = self.grid.extent(dimension, index[dimension]);
                self.steps(finding, dimension, &(start..(start + length).min(self.array.shape[dimension])))
            }
        }
    }

    /// Whether the steps of a chunk lie in one of the ranges.
    fn is_in(&self, dimension: Option<usize>, number: u64, ranges: &[Range<u64>]) -> bool {
        let Some(dimension) = dimension else { return false };
        let (start, length) = self.grid.extent(dimension, self.grid.index(number)[dimension]);
        let end = (start + length).min(self.array.shape[dimension]);
        ranges.iter().any(|range| range.start <= start && end <= range.end)
    }

    /// The elements of the array that a box covers along its dimension.
    fn box_range(&self, number: u64, found: &EdgeBox) -> Range<u64> {
        let (start, length) = self.grid.extent(found.dimension, self.grid.index(number)[found.dimension]);
        let end = (start + length).min(self.array.shape[found.dimension]);
        if found.at_start { start..start + found.length } else { end - found.length..end }
    }

    fn is_box_in(&self, number: u64, found: &EdgeBox, ranges: &[Range<u64>]) -> bool {
        let covered = self.box_range(number, found);
        Some(found.dimension) == self.values.dimension()
            && ranges.iter().any(|range| range.start <= covered.start && covered.end <= range.end)
    }
}

/// The number of a chunk in its grid, were its index along `dimension` the first.
fn place(grid: &Grid, dimension: Option<usize>, number: u64) -> u64 {
    let Some(dimension) = dimension else { return number };
    let mut index = grid.index(number);
    index[dimension] = 0;
    grid.number(&index)
}

/// The valid range of an array as stored, by its attributes.
fn valid_range(array: &Array) -> (Option<f64>, Option<f64>) {
    let number = |name: &str| array.attributes.get(name).and_then(Value::as_f64);
    match array.attributes.get("valid_range").and_then(Value::as_array).map(Vec::as_slice) {
        Some([low, high]) => (low.as_f64(), high.as_f64()),
        _ => (number("valid_min"), number("valid_max")),
    }
}

/// A float in few digits, an integer in all of its digits.
fn shown_number(number: Number) -> String {
    match number {
        Number::Int(number) => number.to_string(),
        Number::Float(number) => shown(number),
    }
}

/// A number in few digits.
fn shown(value: f64) -> String {
    if value != 0.0 && value.is_finite() && !(1e-4..1e9).contains(&value.abs()) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

fn round6(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
