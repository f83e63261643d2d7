//! What a list of the store shows: objects present and missing, objects of impossible sizes, and keys that belong to no array.

use std::collections::{BTreeMap, HashMap, HashSet};

use roaring::RoaringTreemap;
use serde_json::Value;
use zarray::{Array, Found, Grid, Owners, Sizes, Tally, ZarrFormat};
use zcodec::{Codec, to_usize};
use zstore::{Object, StoreError};
use zwire::{Failure, Severity, human_bytes, human_count, human_counted};

use crate::checks::holes::{Holes, holes};
use crate::checks::keys::key_of;
use crate::finding::Finding;
use crate::kinds::Kind;
use crate::labels::Labels;
use crate::open::Context;
use crate::sink::Sink;

/// Keys and objects of one kind that are kept to be named; all are counted.
const KEPT: usize = 1000;

/// The smallest objects of an array that are kept.
const SMALLEST: usize = 4;

/// An object is suspiciously small below this share of the median of its array.
const SMALL: u64 = 20;

/// The objects of one array.
#[derive(Default)]
pub struct Presence {
    /// Numbers of the objects in the grid.
    pub present: RoaringTreemap,
    /// Objects of an array whose grid is not known.
    pub unnumbered: u64,
    /// Their sizes.
    pub sizes: Sizes,
    /// Bytes of all.
    pub bytes: u64,
    /// The smallest objects: size and number.
    smallest: BTreeMap<(u64, u64), ()>,
    /// Objects of an impossible size: number and size.
    odd: BTreeMap<u64, u64>,
    odd_count: u64,
}

impl Presence {
    /// Objects present.
    pub fn objects(&self) -> u64 {
        self.present.len() + self.unnumbered
    }

    /// Whether object `number` has an impossible size that was reported.
    pub fn is_odd(&self, number: u64) -> bool {
        self.odd.contains_key(&number)
    }

    /// The objects of impossible sizes that are kept.
    pub fn odd_numbers(&self) -> impl Iterator<Item = u64> {
        self.odd.keys().copied()
    }

    /// Counts an object that a read has found, and judged by its bytes.
    pub fn add_found(&mut self, number: u64, size: u64) {
        self.bytes += size;
        self.sizes.add(size);
        self.present.insert(number);
    }

    fn add(&mut self, array: &Array, number: Option<u64>, size: u64) {
        self.bytes += size;
        self.sizes.add(size);
        let Some(number) = number else {
            self.unnumbered += 1;
            return;
        };
        self.present.insert(number);
        if is_impossible(array, size) {
            self.odd_count += 1;
            self.odd.insert(number, size);
            if self.odd.len() > KEPT {
                self.odd.pop_last();
            }
            return;
        }
        self.smallest.insert((size, number), ());
        if self.smallest.len() > SMALLEST {
            self.smallest.pop_last();
        }
    }

    fn merge(&mut self, other: Presence) {
        self.present |= other.present;
        self.unnumbered += other.unnumbered;
        self.sizes.merge(other.sizes);
        self.bytes += other.bytes;
        self.odd_count += other.odd_count;
        self.odd.extend(other.odd);
        while self.odd.len() > KEPT {
            self.odd.pop_last();
        }
        self.smallest.extend(other.smallest);
        while self.smallest.len() > SMALLEST {
            self.smallest.pop_last();
        }
    }
}

/// Whether no codec of the array makes an object of this size.
fn is_impossible(array: &Array, size: u64) -> bool {
    size == 0 || exact_size(array).is_some_and(|exact| exact != size) || size < least_size(array)
}

/// The size of every object of an array without compression.
fn exact_size(array: &Array) -> Option<u64> {
    let chain = &array.chain;
    if chain.sharding.is_some() || chain.unknown.is_some() || !array.numbered()?.is_regular() {
        return None;
    }
    let checksums = chain.tail.iter().all(|codec| *codec == Codec::Crc32c);
    chain.chunk_bytes.filter(|_| checksums).map(|bytes| bytes + 4 * chain.tail.len() as u64)
}

/// The least bytes that an object has: the header of its format, or the index of a shard.
fn least_size(array: &Array) -> u64 {
    let chain = &array.chain;
    if let Some(sharding) = chain.split_shards() {
        let regular = array.numbered().is_some_and(Grid::is_regular);
        return if regular { sharding.index.len().unwrap_or(1) } else { 1 };
    }
    match chain.tail.last() {
        Some(Codec::Blosc(..)) => 16,
        Some(Codec::Gzip) => 18,
        Some(Codec::Zlib) => 8,
        Some(Codec::Zstd) => 9,
        Some(Codec::Bz2) => 14,
        _ => 1,
    }
}

/// What a list of a store shows.
#[derive(Default)]
pub struct Listing {
    /// By path of the array.
    pub arrays: HashMap<String, Presence>,
    /// Bytes of metadata documents.
    pub metadata_bytes: u64,
    /// Keys that belong to no array, by kind and key, with their size and the array below which they lie.
    strays: BTreeMap<&'static str, Strays>,
    failures: Vec<StoreError>,
}

#[derive(Default)]
struct Strays {
    count: u64,
    kept: BTreeMap<String, (u64, Option<String>)>,
    /// How many lie below each array.
    below: BTreeMap<String, u64>,
}

impl Strays {
    fn cut(&mut self) {
        while self.kept.len() > KEPT {
            self.kept.pop_last();
        }
    }
}

impl Tally for Listing {
    fn add(&mut self, object: Object, found: Found) {
        match found {
            Found::Metadata => self.metadata_bytes += object.stat.size,
            Found::Chunk(array, number) => {
                // The path is copied only for the first object of an array.
                match self.arrays.get_mut(&array.path) {
                    Some(presence) => presence.add(array, number, object.stat.size),
                    None => {
                        self.arrays.entry(array.path.clone()).or_default().add(array, number, object.stat.size);
                    }
                }
            }
            Found::Stray(kind, array) => {
                let strays = self.strays.entry(kind).or_default();
                strays.count += 1;
                if let Some(array) = array {
                    *strays.below.entry(array.path.clone()).or_default() += 1;
                }
                strays.kept.insert(object.key, (object.stat.size, array.map(|array| array.path.clone())));
                strays.cut();
            }
        }
    }

    fn failed(&mut self, error: StoreError) {
        self.failures.push(error);
    }

    fn merge(&mut self, other: Listing) {
        for (path, presence) in other.arrays {
            self.arrays.entry(path).or_default().merge(presence);
        }
        self.metadata_bytes += other.metadata_bytes;
        for (kind, more) in other.strays {
            let strays = self.strays.entry(kind).or_default();
            strays.count += more.count;
            strays.kept.extend(more.kept);
            more.below.into_iter().for_each(|(path, count)| *strays.below.entry(path).or_default() += count);
            strays.cut();
        }
        self.failures.extend(other.failures);
    }
}

impl Listing {
    /// Lists a store; `None` if it cannot be listed.
    ///
    /// # Errors
    /// The store fails, or a signal came.
    pub fn take(context: &Context) -> Result<Option<Listing>, StoreError> {
        let nodes = context.nodes;
        let groups = nodes.groups.iter().map(|group| group.path.as_str());
        match Owners::new(groups, nodes.dataset.arrays()).count(context.store, context.pool) {
            Ok(listing) => Ok(Some(listing)),
            Err(StoreError::NotListable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keys of an array that have the other separator.
    fn other_separator(&self, path: &str) -> u64 {
        self.strays.get("wrong_separator").and_then(|strays| strays.below.get(path)).copied().unwrap_or(0)
    }

    /// Reports what could not be read, and the keys that belong to no array.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn report(&mut self, context: &Context, sink: &mut Sink) -> Result<(), Failure> {
        self.failures.sort_by(|a, b| a.place().cmp(b.place()));
        let failures = std::mem::take(&mut self.failures);
        let known: HashSet<&str> = context.nodes.failed.iter().map(zarray::ZarrError::place).collect();
        for error in failures.into_iter().filter(|error| !known.contains(&error.place())) {
            sink.failed(&error.into())?;
        }
        for (name, strays) in &self.strays {
            let kind = Kind::named(match *name {
                "temporary" => "temporary_file",
                "unknown" => "unknown_key",
                other => other,
            });
            let Some(kind) = kind else { continue };
            for (key, (size, array)) in &strays.kept {
                let finding = Finding::new(kind, human_bytes(*size)).key(key);
                sink.emit(match array {
                    Some(path) => finding.path(path),
                    None => finding,
                })?;
            }
            let more = strays.count - strays.kept.len() as u64;
            if more > 0 {
                sink.emit(Finding::new(kind, format!("{} more keys", human_count(more))).count(more))?;
            }
        }
        Ok(())
    }
}

/// What a missing chunk of an array reads as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Nothing that is defined.
    Null,
    /// NaN, or a value that stands for missing data.
    Missing,
    /// An ordinary value: writers need not store chunks that hold nothing else.
    Ordinary,
}

impl Fill {
    /// That of an array.
    pub fn of(array: &Array) -> Fill {
        let fill = &array.fill_value;
        let is_zero = fill.as_f64() == Some(0.0) || *fill == Value::Bool(false) || *fill == "";
        let attribute = ["_FillValue", "missing_value"].iter().any(|name| {
            let value = array.attributes.get(*name);
            value.is_some_and(|value| value.as_f64().is_some() && value.as_f64() == fill.as_f64())
        });
        match fill {
            Value::Null => Fill::Null,
            _ if *fill == "NaN" || *fill == "NaT" || attribute => Fill::Missing,
            // xarray takes the fill value of Zarr v2 for the attribute.
            _ if array.format == ZarrFormat::V2 && !is_zero => Fill::Missing,
            _ => Fill::Ordinary,
        }
    }

    /// How bad it is that whole steps are missing, and that some chunks are.
    fn severities(self) -> [Severity; 2] {
        match self {
            Fill::Null => [Severity::Error; 2],
            Fill::Missing => [Severity::Error, Severity::Warning],
            Fill::Ordinary => [Severity::Warning, Severity::Info],
        }
    }

    fn sentence(self, array: &Array) -> String {
        match self {
            Fill::Null => "they read as undefined values, because the fill value is null".to_owned(),
            _ => format!("they read as the fill value {}", array.fill_value),
        }
    }
}

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

    /// What is expected and present.
    pub fn counts(&self) -> Counts {
        let present = self.presence.objects();
        let grid = self.array.numbered();
        let expected = self.array.fetched.as_ref().map(|fetched| fetched.len()).or(grid.map(Grid::len));
        Counts { expected, present, missing: expected.map(|expected| expected.saturating_sub(present)) }
    }

    /// Reports missing objects and those of odd sizes.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn report(&self, sink: &mut Sink) -> Result<Counts, Failure> {
        self.sizes(sink)?;
        let present = self.presence.objects();
        let Some(grid) = self.array.numbered() else { return Ok(Counts { present, ..Counts::default() }) };
        if let Some(fetched) = &self.array.fetched {
            // What was not fetched is not missing.
            let numbers = (0..fetched.len()).map(|number| grid.number(&fetched.index(number)));
            let missing = || numbers.clone().filter(|number| !self.presence.present.contains(*number));
            let (all, limit) = (missing().count() as u64, self.context.options.limit);
            let first: Vec<u64> = missing().take(if limit == 0 { usize::MAX } else { to_usize(limit) }).collect();
            self.scattered(grid, &first, all, Severity::Error, sink)?;
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
        let [steps, scattered] = self.severities(present as f64 / expected as f64, sink)?;
        let fill = Fill::of(self.array).sentence(self.array);
        if present == 0 {
            if self.other_separator > 0 {
                return Ok(());
            }
            // zarr-python leaves out a scalar that is zero, whatever the metadata say.
            let is_free = self.array.shape.is_empty() && self.context.options.expect.chunks.is_none();
            let steps = if is_free { Severity::Info } else { steps };
            let found = format!("0 of {}: {fill}", human_counted(expected, "chunk"));
            return sink.emit(Finding::of(Kind::NoChunks, self.array, found).count(expected).severity(steps));
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
        let finding = Finding::of(kind, self.array, found).count(count).severity(severity);
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
            let finding = finding.key(&key).severity(severity);
            sink.emit(self.along(finding, grid, &index))?;
        }
        let more = all - shown as u64;
        if more > 0 {
            let found = format!("{} more missing chunks; --limit 0 prints all", human_count(more));
            sink.emit(Finding::of(kind, self.array, found).count(more).severity(severity))?;
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

    fn key(&self, number: u64) -> String {
        let index = self.array.numbered().map(|grid| grid.index(number)).unwrap_or_default();
        self.array.key(&self.array.keys.encode(&index))
    }

    fn sizes(&self, sink: &mut Sink) -> Result<(), Failure> {
        let presence = self.presence;
        for (number, size) in &presence.odd {
            let (kind, expected) = match (size, exact_size(self.array)) {
                (0, _) => (Kind::EmptyObject, "a chunk".to_owned()),
                (_, Some(exact)) => (Kind::WrongSize, format!("{exact} bytes")),
                _ => (Kind::WrongSize, format!("at least {} bytes", least_size(self.array))),
            };
            let found = format!("{size} bytes");
            sink.emit(Finding::of(kind, self.array, found).key(&self.key(*number)).expected(expected))?;
        }
        let more = presence.odd_count - presence.odd.len() as u64;
        if more > 0 {
            let found = format!("{} more objects of impossible sizes", human_count(more));
            sink.emit(Finding::of(Kind::WrongSize, self.array, found).count(more))?;
        }
        let Some(median) = presence.sizes.median().filter(|_| presence.objects() > SMALLEST as u64) else {
            return Ok(());
        };
        let grid = self.array.numbered();
        // A chunk at the edge is mostly padding.
        let is_inner = |number: u64| {
            grid.is_none_or(|grid| {
                let chunk = grid.chunk(&grid.index(number));
                let ends = chunk.start().iter().zip(chunk.shape()).zip(grid.shape());
                ends.into_iter().all(|((start, length), end)| start.saturating_add(*length) <= *end)
            })
        };
        let small = presence.smallest.keys().filter(|(size, number)| *size < median / SMALL && is_inner(*number));
        for (size, number) in small {
            let finding = Finding::of(Kind::SmallObject, self.array, format!("{size} bytes"));
            sink.emit(
                finding.key(&self.key(*number)).expected(format!("about {median} bytes, the median of the array")),
            )?;
        }
        Ok(())
    }
}
