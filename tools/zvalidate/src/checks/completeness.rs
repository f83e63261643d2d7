//! The objects of one array against its grid: whole steps that are missing, and scattered chunks.

use roaring::RoaringTreemap;
use zarray::{Array, Grid};
use zcodec::to_usize;
use zwire::{Failure, Severity, human_count, human_counted};

use crate::checks::fill::Fill;
use crate::checks::holes::{Holes, holes};
use crate::checks::keys::key_of;
use crate::checks::listing::Listing;
use crate::checks::presence::Presence;
use crate::checks::sizes;
use crate::finding::Finding;
use crate::kinds::Kind;
use crate::labels::Labels;
use crate::open::Context;
use crate::sink::Sink;

/// What is expected and present of one array.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Objects if the array were complete.
    pub expected: Option<u64>,
    /// Objects present.
    pub present: u64,
    /// Objects missing.
    pub missing: Option<u64>,
}

/// Checks the objects of one array against its grid.
pub struct ArrayCheck<'a> {
    /// The store.
    pub context: &'a Context<'a>,
    /// Coordinate values.
    pub labels: &'a Labels<'a>,
    /// The array.
    pub array: &'a Array,
    /// Its objects.
    pub presence: &'a Presence,
    /// Its keys with the other separator.
    pub other_separator: u64,
}

impl<'a> ArrayCheck<'a> {
    /// The check of an array of a store that was listed.
    pub fn new(
        context: &'a Context<'a>,
        labels: &'a Labels<'a>,
        listing: &Listing,
        array: &'a Array,
        presence: &'a Presence,
    ) -> ArrayCheck<'a> {
        ArrayCheck { context, labels, array, presence, other_separator: listing.other_separator(&array.path) }
    }

    /// Reports missing objects and those of odd sizes.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn report(&self, sink: &mut Sink) -> Result<Counts, Failure> {
        sizes::check(self.array, self.presence, sink)?;
        let present = self.presence.objects();
        let Some(grid) = self.array.numbered() else { return Ok(Counts { present, ..Counts::default() }) };
        if let Some(fetched) = &self.array.fetched {
            // What was not fetched is not missing.
            let numbers = (0..fetched.len()).map(|number| grid.number(&fetched.index(number)));
            let missing = || numbers.clone().filter(|number| !self.presence.present.contains(*number));
            let (all, limit) = (missing().count() as u64, self.context.options.limit);
            let first: Vec<u64> = missing().take(if limit == 0 { usize::MAX } else { to_usize(limit) }).collect();
            if all > 0 {
                // The source may have left them out, too, where its fill value is an ordinary value.
                let [steps, scattered] = self.severities(present as f64 / fetched.len() as f64, sink)?;
                let severity = if present == 0 { steps } else { scattered };
                self.scattered(grid, &first, all, severity, sink)?;
            }
            return Ok(Counts { expected: Some(fetched.len()), present, missing: Some(all) });
        }
        let expected = grid.len();
        let missing = expected.saturating_sub(present);
        if missing > 0 && !self.array.is_container() {
            self.missing(grid, present, sink)?;
        }
        Ok(Counts { expected: Some(expected), present, missing: Some(missing) })
    }

    /// How bad it is that whole steps are missing, and that some chunks are.
    fn severities(&self, share: f64, sink: &mut Sink) -> Result<[Severity; 2], Failure> {
        let Some(wanted) = self.context.options.expect.chunks else {
            return Ok(Fill::of(self.array).severities());
        };
        if wanted.0 >= 1.0 {
            return Ok([Severity::Error; 2]);
        }
        if share >= wanted.0 {
            return Ok([Severity::Info; 2]);
        }
        let percent = |share: f64| format!("{:.1}% of the chunks", share * 100.0);
        let finding = Finding::of(Kind::TooFewChunks, self.array, percent(share)).expected(percent(wanted.0));
        sink.emit(finding)?;
        Ok([Severity::Error, Severity::Warning])
    }

    fn missing(&self, grid: &Grid, present: u64, sink: &mut Sink) -> Result<(), Failure> {
        let expected = grid.len();
        let [mut steps, mut scattered] = self.severities(present as f64 / expected as f64, sink)?;
        let mut fill = Fill::of(self.array).sentence(self.array);
        let is_open = self.context.options.expect.chunks.is_none();
        let is_whole_coordinate =
            is_open && Fill::of(self.array) != Fill::Missing && self.labels.is_monotonic(self.array);
        if is_whole_coordinate {
            // zarr-python leaves out chunks of zeros, whatever the metadata say: a time that begins at its reference date.
            (steps, scattered) = (Severity::Info, Severity::Info);
            let value =
                if self.array.fill_value.is_null() { "0".to_owned() } else { self.array.fill_value.to_string() };
            fill = format!("they read as {value}, with which the coordinate is complete and in order");
        }
        if present == 0 {
            if self.other_separator > 0 {
                return Ok(());
            }
            // zarr-python leaves out a scalar that is zero, whatever the metadata say.
            let is_free = is_whole_coordinate || self.array.shape.is_empty();
            let severity = match is_open {
                true if is_free => Severity::Info,
                true => Fill::of(self.array).no_chunks(self.array),
                false => steps,
            };
            let found = format!("0 of {}: {fill}", human_counted(expected, "chunk"));
            let finding = Finding::of(Kind::NoChunks, self.array, found).count(expected);
            return sink.emit(self.graded(finding, severity));
        }
        let holes = holes(grid, &self.presence.present);
        for (dimension, ranges) in &holes.steps {
            for range in ranges {
                self.steps(grid, *dimension, range.start..range.end, steps, &fill, sink)?;
            }
        }
        let limit = if self.context.options.limit == 0 { u64::MAX } else { self.context.options.limit };
        let first = holes.first_scattered(grid, &self.presence.present, limit);
        self.scattered(grid, &first, holes.scattered, scattered, sink)
    }

    /// The finding as bad as this. Of an ordinary fill value, nothing need be done.
    fn graded(&self, finding: Finding, severity: Severity) -> Finding {
        let mut finding = finding.severity(severity);
        if severity == Severity::Info && self.context.options.expect.chunks.is_none() {
            "none needed if they are all fill values; --expect-chunks all makes it an error"
                .clone_into(&mut finding.record.hint);
        }
        finding
    }

    fn steps(
        &self,
        grid: &Grid,
        dimension: usize,
        range: std::ops::Range<u64>,
        severity: Severity,
        fill: &str,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        let (first, _) = grid.extent(dimension, range.start);
        let (last, length) = grid.extent(dimension, range.end - 1);
        let last = (last + length).min(grid.shape()[dimension]).saturating_sub(1);
        let count = Holes::in_steps(grid, dimension, &range);
        let steps = human_counted(last + 1 - first, "step");
        let labels = self.labels.of(self.array, dimension, [first, last]);
        let found = format!("{steps}, {} missing: {fill}", human_counted(count, "chunk"));
        let kind = if Fill::of(self.array) == Fill::Null { Kind::MissingNullFill } else { Kind::MissingSteps };
        let finding = self.graded(Finding::of(kind, self.array, found).count(count), severity);
        sink.emit(finding.steps(&self.context.dimension(self.array, dimension), [first, last], labels))
    }

    /// One finding for each missing object of `first`, and one for all others.
    fn scattered(
        &self,
        grid: &Grid,
        first: &[u64],
        all: u64,
        severity: Severity,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        let fill = Fill::of(self.array);
        let kind = if fill == Fill::Null { Kind::MissingNullFill } else { Kind::MissingChunks };
        let sentence = fill.sentence(self.array);
        let limit = self.context.options.limit;
        let shown = if limit == 0 { first.len() } else { first.len().min(to_usize(limit)) };
        for number in &first[..shown] {
            let index = grid.index(*number);
            let key = self.array.key(&self.array.keys.encode(&index));
            let finding =
                Finding::of(kind, self.array, format!("not stored: {}", sentence.replacen("they read", "it reads", 1)));
            let finding = self.graded(finding.key(&key), severity);
            sink.emit(self.along(finding, grid, &index))?;
        }
        let more = all - shown as u64;
        if more > 0 {
            let found = format!("{} more missing chunks; --limit 0 prints all", human_count(more));
            sink.emit(self.graded(Finding::of(kind, self.array, found).count(more), severity))?;
        }
        Ok(())
    }

    /// Reports inner chunks that are missing from stored shards, of which `present` are there.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn inner(&self, grid: &Grid, present: &RoaringTreemap, sink: &mut Sink) -> Result<(), Failure> {
        let [steps, scattered] = match self.context.options.expect.chunks {
            Some(_) => [Severity::Error; 2],
            None => Fill::of(self.array).severities(),
        };
        let fill = Fill::of(self.array).sentence(self.array);
        let holes = holes(grid, present);
        for (dimension, ranges) in &holes.steps {
            for range in ranges {
                self.steps(grid, *dimension, range.start..range.end, steps, &fill, sink)?;
            }
        }
        let limit = if self.context.options.limit == 0 { u64::MAX } else { self.context.options.limit };
        let first = holes.first_scattered(grid, present, limit);
        for number in &first {
            let index = grid.index(*number);
            let (key, inner) = key_of(self.array, grid, &index);
            let finding = Finding::of(Kind::MissingInnerChunks, self.array, format!("not in its shard: {fill}"));
            let finding = finding.key(&key).inner(inner).severity(scattered);
            sink.emit(self.along(finding, grid, &index))?;
        }
        let more = holes.scattered - (first.len() as u64).min(holes.scattered);
        if more > 0 {
            let found = format!("{} more missing inner chunks; --limit 0 prints all", human_count(more));
            sink.emit(Finding::of(Kind::MissingInnerChunks, self.array, found).count(more).severity(scattered))?;
        }
        Ok(())
    }

    /// The finding with the steps of a chunk along the first dimension with several, by coordinate value.
    fn along(&self, finding: Finding, grid: &Grid, index: &[u64]) -> Finding {
        let Some(dimension) = grid.counts().iter().position(|count| *count > 1) else { return finding };
        let (start, length) = grid.extent(dimension, index[dimension]);
        let last = (start + length).min(grid.shape()[dimension]).saturating_sub(1);
        let labels = self.labels.of(self.array, dimension, [start, last]);
        finding.steps(&self.context.dimension(self.array, dimension), [start, last], labels)
    }
}
