//! Checks a store against a manifest: both are walked in the order of the grids, side by side.

use std::collections::BTreeSet;
use std::path::Path;

use zarray::{Array, OrderedMap, Pool, ScratchPool, Semaphore, ZarrError};
use zcli::Bar;
use zwire::{Failure, ManifestSummary, Severity, human_bytes};

use crate::checks::object::is_damage;
use crate::finding::Finding;
use crate::kinds::Kind;
use crate::level::Level;
use crate::lists::Sign;
use crate::manifest::digest::{DigestBuffers, Digester, stored};
use crate::manifest::hash::text;
use crate::manifest::line::{ArrayLine, Line, ObjectLine};
use crate::manifest::merged::{Item, Merged};
use crate::manifest::objects::Objects;
use crate::manifest::read::Lines;
use crate::options::Options;
use crate::side::Side;
use crate::sink::Sink;

/// Objects whose results are waited for, for each worker.
const AHEAD: usize = 8;

/// Checks `side` against the manifest at `path`.
///
/// # Errors
/// The manifest cannot be read, the store cannot be listed, or the output cannot be written.
pub fn check(
    path: &Path,
    side: &Side,
    options: &Options,
    bar: &Bar,
    sink: &mut Sink,
) -> Result<ManifestSummary, Failure> {
    let lines = Lines::open(path)?;
    let pool = Pool::new(options.access.readers(&side.store, options.jobs));
    let objects = Objects::of(side, &pool)?;
    let total = ManifestSummary { manifest: path.display().to_string(), ..ManifestSummary::default() };
    let by_name = options.level == Some(Level::List);
    let mut run = Run { side, options, pool, objects, by_name, lines, bar, sink, total };
    run.all()?;
    let total = run.total;
    side.still_there()?;
    Ok(total)
}

struct Run<'r, 's> {
    side: &'r Side,
    options: &'r Options,
    pool: Pool,
    objects: Objects,
    /// Whether only names and sizes are checked.
    by_name: bool,
    lines: Lines,
    bar: &'r Bar,
    sink: &'r mut Sink<'s>,
    total: ManifestSummary,
}

/// What became of it.
enum State {
    Same,
    /// Other bytes; whether the values are the same, if that is known.
    Changed {
        found: String,
        same_values: Option<bool>,
    },
    /// Not in the store; whether it held only fill values.
    Missing {
        is_fill: bool,
    },
    /// Not in the manifest; whether it holds only fill values.
    New {
        is_fill: bool,
    },
    /// In neither, after all.
    Nothing,
}

impl Run<'_, '_> {
    fn all(&mut self) -> Result<(), Failure> {
        self.others()?;
        let mut seen = BTreeSet::new();
        loop {
            if self.sink.session.stop.requested().is_some() {
                return Ok(());
            }
            match self.lines.next_line()? {
                Some(Line::Array(line)) => {
                    seen.insert(line.path.clone());
                    self.array(&line)?;
                }
                Some(Line::End { objects, .. }) if objects == self.total.manifest_objects => break,
                Some(Line::Values { .. }) => {}
                line => {
                    let found = if line.is_none() { "it has no last line" } else { "it has lines in the wrong order" };
                    self.sink.emit(Finding::new(Kind::ManifestInvalid, format!("{}: {found}", self.total.manifest)))?;
                    break;
                }
            }
        }
        let new: Vec<&Array> = self.side.arrays.values().filter(|array| !seen.contains(&array.path)).collect();
        for array in new {
            self.objects_of(Some(array), array.path.clone(), false)?;
        }
        self.sink.end()
    }

    /// Metadata, and what belongs to no array.
    fn others(&mut self) -> Result<(), Failure> {
        let mut left = std::mem::take(&mut self.objects.others);
        let mut buffer = Vec::new();
        while let Some(expected) = self.lines.next_object() {
            self.total.manifest_objects += 1;
            left.remove(&expected.key);
            let item = Item { index: None, key: expected.key.clone(), expected: Some(expected) };
            let state = self.plain(&item, &mut buffer);
            self.state(None, &item, state)?;
        }
        for key in left.into_keys() {
            let item = Item { index: None, key, expected: None };
            self.state(None, &item, Ok(State::New { is_fill: false }))?;
        }
        Ok(())
    }

    /// The state of an object without values.
    fn plain(&self, item: &Item, buffer: &mut Vec<u8>) -> Result<State, ZarrError> {
        let Some(expected) = &item.expected else { return Ok(State::New { is_fill: false }) };
        if self.by_name {
            return Ok(match self.side.store.stat(&item.key)? {
                None => State::Missing { is_fill: false },
                Some(stat) => sizes(expected, stat.size),
            });
        }
        Ok(match stored(&self.side.store, item.key.clone(), buffer)? {
            None => State::Missing { is_fill: false },
            Some(found) => bytes(expected, &found),
        })
    }

    /// An array of the manifest: object by object if its grid is still the same, else by its values.
    fn array(&mut self, line: &ArrayLine) -> Result<(), Failure> {
        let array = self.side.arrays.get(&line.path);
        self.sink.summary.arrays += 1;
        if let Some(array) = array.filter(|array| ArrayLine::of(array) != *line) {
            return self.rechunked(array, line);
        }
        self.objects_of(array, line.path.clone(), true)
    }

    /// An array with another shape, data type, chunks or format: only its values can be compared.
    fn rechunked(&mut self, array: &Array, line: &ArrayLine) -> Result<(), Failure> {
        while self.lines.next_object().is_some() {
            self.total.manifest_objects += 1;
        }
        let expected = match self.lines.next_line()? {
            Some(Line::Values { values, .. }) => values,
            _ => None,
        };
        let now = ArrayLine::of(array);
        let described = |line: &ArrayLine| {
            format!("{} {:?} in chunks of {:?}, Zarr v{}", line.dtype, line.shape, line.chunks, line.zarr_format)
        };
        let differs = |kind| Finding::of(kind, array, described(&now)).expected(described(line));
        if now.shape != line.shape || now.dtype != line.dtype || self.by_name {
            return self.sink.emit(differs(Kind::ArrayChanged));
        }
        let sum = self.sum(array)?;
        match (sum.map(text), expected) {
            (Some(sum), Some(expected)) if sum == expected => self.sink.emit(differs(Kind::ArrayRechunked)),
            (Some(_), Some(_)) => {
                let found = "the hash of its values is another one; its chunks are others, too";
                self.sink.emit(Finding::of(Kind::ArrayChanged, array, found))
            }
            _ => {
                let finding = differs(Kind::ArrayChanged).severity(Severity::Warning);
                self.sink.emit(finding)
            }
        }
    }

    /// The hash of the values of all objects.
    fn sum(&mut self, array: &Array) -> Result<Option<u128>, Failure> {
        let digester = Digester::new(self.side, array, self.options.memory);
        let Some(grid) = array.numbered().filter(|_| digester.hashes_values()) else { return Ok(None) };
        let buffers = ScratchPool::new(self.pool.workers(), DigestBuffers::default);
        let (memory, cost) = (Semaphore::new(self.options.memory), digester.cost());
        let cost_of = |_: &u64| cost;
        let mut sum = Some(0u128);
        let (sink, bar) = (&mut *self.sink, self.bar);
        OrderedMap::new(&self.pool, AHEAD * self.pool.workers()).memory(&memory, &cost_of).run(
            self.objects.numbers(array),
            |number| digester.sum(&grid.index(number), &mut buffers.take()),
            |found| {
                bar.advance(1);
                match found {
                    Ok(more) => sum = sum.zip(more).map(|(sum, more)| sum.wrapping_add(more)),
                    Err(error) => {
                        sum = None;
                        sink.failed(&Failure::from(error))?;
                    }
                }
                Ok::<(), Failure>(())
            },
        )?;
        Ok(sum)
    }

    /// The objects of an array that the store has (`array`), or the manifest (`is_expected`), or both.
    fn objects_of(&mut self, array: Option<&Array>, path: String, is_expected: bool) -> Result<(), Failure> {
        let mut states = Vec::new();
        {
            let digester = array.map(|array| Digester::new(self.side, array, self.options.memory));
            let buffers = ScratchPool::new(self.pool.workers(), DigestBuffers::default);
            let memory = Semaphore::new(self.options.memory);
            let cost = digester.as_ref().map_or(1, Digester::cost);
            let cost_of = |_: &Item| cost;
            let window = AHEAD * self.pool.workers();
            let Run { objects, by_name, lines, pool, .. } = self;
            let present: Box<dyn Iterator<Item = u64>> = match array {
                // Of a store that cannot be listed, only what is expected is asked for.
                Some(array) if objects.is_listed || !is_expected => objects.numbers(array),
                _ => Box::new(std::iter::empty()),
            };
            let lines: Option<&mut Lines> = is_expected.then_some(lines);
            let mut merged = Merged { array, lines, present: present.peekable(), next: None, count: 0 };
            let check =
                Check { side: self.side, digester: digester.as_ref(), by_name: *by_name, is_listed: objects.is_listed };
            // Batches, so that findings are printed while the walk goes on.
            loop {
                let batch: Vec<Item> = merged.by_ref().take(64 * window).collect();
                if batch.is_empty() {
                    break;
                }
                OrderedMap::new(pool, window).memory(&memory, &cost_of).run(
                    batch,
                    |item| {
                        let state = check.state(&item, &mut buffers.take());
                        (item, state)
                    },
                    |(item, state)| {
                        states.push((item, state));
                        Ok::<(), Failure>(())
                    },
                )?;
                for (item, state) in states.drain(..) {
                    report(self.sink, &mut self.total, array, &path, &item, state)?;
                    self.bar.advance(1);
                }
                if self.sink.session.stop.requested().is_some() {
                    return Ok(());
                }
            }
            self.total.manifest_objects += merged.count;
        }
        Ok(())
    }

    fn state(&mut self, array: Option<&Array>, item: &Item, state: Result<State, ZarrError>) -> Result<(), Failure> {
        report(self.sink, &mut self.total, array, "", item, state)
    }
}

/// How an object of an array is checked.
struct Check<'c> {
    side: &'c Side,
    digester: Option<&'c Digester<'c>>,
    by_name: bool,
    is_listed: bool,
}

impl Check<'_> {
    fn state(&self, item: &Item, buffers: &mut DigestBuffers) -> Result<State, ZarrError> {
        let is_fill = |line: &ObjectLine| line.values.as_ref() == Some(&text(0));
        let missing = |line: &ObjectLine| State::Missing { is_fill: is_fill(line) };
        if self.by_name {
            let stat = self.side.store.stat(&item.key)?;
            return Ok(match (&item.expected, stat) {
                (Some(expected), Some(stat)) => sizes(expected, stat.size),
                (Some(expected), None) => missing(expected),
                (None, Some(_)) => State::New { is_fill: false },
                (None, None) => State::Nothing,
            });
        }
        let Some(expected) = &item.expected else {
            let (Some(digester), Some(index)) = (self.digester, &item.index) else { return Ok(State::Nothing) };
            let found = digester.object(index, buffers)?;
            return Ok(match found {
                Some(found) => State::New { is_fill: found.sum == Some(0) },
                None if self.is_listed => State::Nothing,
                None => State::Nothing,
            });
        };
        let Some(found) = stored(&self.side.store, item.key.clone(), &mut buffers.bytes)? else {
            return Ok(missing(expected));
        };
        let state = bytes(expected, &found);
        let State::Changed { found, .. } = state else { return Ok(state) };
        let (Some(digester), Some(index), Some(before)) = (self.digester, &item.index, &expected.values) else {
            return Ok(State::Changed { found, same_values: None });
        };
        // Other bytes may be the same values, compressed again.
        Ok(match digester.sum(index, buffers) {
            Ok(sum) => State::Changed { found, same_values: sum.map(|sum| text(sum) == *before) },
            Err(ZarrError::Chunk { source, .. }) if is_damage(&source) => {
                State::Changed { found: format!("{found}; it cannot be decoded: {source}"), same_values: Some(false) }
            }
            // That it has other bytes is certain, whatever its values are.
            Err(error @ (ZarrError::Chunk { .. } | ZarrError::TooLarge { .. })) => {
                State::Changed { found: format!("{found}; its values were not compared: {error}"), same_values: None }
            }
            Err(error) => return Err(error),
        })
    }
}

fn sizes(expected: &ObjectLine, size: u64) -> State {
    match expected.size == size {
        true => State::Same,
        false => {
            let found = format!("{} ({size} bytes), expected {} bytes", human_bytes(size), expected.size);
            State::Changed { found, same_values: None }
        }
    }
}

fn bytes(expected: &ObjectLine, found: &ObjectLine) -> State {
    match sizes(expected, found.size) {
        State::Same if expected.sha256 == found.sha256 => State::Same,
        State::Same => State::Changed {
            found: format!("SHA-256 {}, expected {}", found.sha256, expected.sha256),
            same_values: None,
        },
        state => state,
    }
}

/// Reports the state of an object.
fn report(
    sink: &mut Sink,
    total: &mut ManifestSummary,
    array: Option<&Array>,
    path: &str,
    item: &Item,
    state: Result<State, ZarrError>,
) -> Result<(), Failure> {
    let path = array.map_or(path, |array| &array.path);
    let finding = |kind, found: String| {
        let finding = Finding::new(kind, found).key(&item.key);
        if path.is_empty() { finding } else { finding.path(path) }
    };
    let (finding, sign) = match state {
        Ok(State::Nothing) => return Ok(()),
        Ok(State::Same) => {
            total.objects_same += 1;
            return sink.list(Sign::Same, &item.key);
        }
        Ok(State::Changed { found, same_values: Some(true) }) => {
            total.objects_changed += 1;
            (finding(Kind::ObjectRecoded, found), Sign::Same)
        }
        Ok(State::Changed { found, .. }) => {
            total.objects_changed += 1;
            (finding(Kind::ObjectChanged, found), Sign::Differs)
        }
        Ok(State::Missing { is_fill }) => {
            total.objects_gone += 1;
            let size = item.expected.as_ref().map_or(0, |expected| expected.size);
            let found = finding(Kind::ObjectMissing, format!("not stored, expected {}", human_bytes(size)));
            (if is_fill { found.severity(Severity::Info) } else { found }, Sign::Missing)
        }
        Ok(State::New { is_fill }) => {
            total.objects_new += 1;
            let found = finding(Kind::ObjectNew, "not in the manifest".to_owned());
            (if is_fill { found.severity(Severity::Info) } else { found }, Sign::Extra)
        }
        Err(error) => {
            sink.list(Sign::Error, &item.key)?;
            return sink.failed(&Failure::from(error));
        }
    };
    sink.list(sign, &item.key)?;
    sink.emit(finding)
}
