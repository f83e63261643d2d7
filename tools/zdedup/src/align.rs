//! Whether all batches agree with the first: the same variables, types and units, and the same values of everything that does not
//! lie along the joined dimension. Of each batch only what differs from the first is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use zarray::{Array, Grid, Hierarchy, Node, Pool, Subset, VarFilter, ZarrFormat};
use zcoord::{Column, Dataset, Mode, is_time_units, name, read_coordinate_part};
use zstage::{Attributes, JoinRun, JoinedArray, Recode, Sources, View, ViewError};
use zstore::Store;
use zvalue::{Parts, Tolerance, ValueType};
use zwire::{Exit, Failure, human_counted};

use crate::attributes::Combiner;
use crate::byte_order::SwapBytes;
use crate::coordinate::Position;
use crate::crop::{Crop, Window};
use crate::duplicates::Stretch;
use crate::options::OutputOptions;
use crate::overlap::{Overlap, OverlapBuffers};
use crate::rules::JoinMode;
use crate::time_shift::TimeShift;
use crate::variables::{axis, meaning_differs};

/// The batches, as far as they differ from the first.
pub struct Aligned {
    /// The dimension.
    pub dim: String,
    /// What the output has of the other dimensions.
    pub crop: Crop,
    /// Different lengths along the dimension, that of the first batch first.
    lengths: Vec<u64>,
    /// Which of them each batch has.
    length_of: Arc<[u32]>,
    /// Arrays that differ from the first batch's in more than their length, by path: batch and array.
    others: BTreeMap<String, Vec<(usize, JoinedArray)>>,
    /// New attributes of nodes.
    pub attributes: Attributes,
    /// Paths of the arrays that go into the output.
    pub wanted: BTreeSet<String>,
    /// A note on attributes that were dropped.
    pub note: Option<String>,
}

impl Aligned {
    /// Compares the metadata and coordinates of all batches with those of the first. Values may take `memory` bytes.
    ///
    /// # Errors
    /// The first disagreement, and how many there are; a batch that cannot be read.
    pub fn read(sources: &Sources, output: &OutputOptions, memory: u64, dim: &str) -> Result<Aligned, Failure> {
        let crop = crop(sources, output, memory, dim)?;
        let var = VarFilter::new(&output.var)?;
        let (first, failed) = Dataset::read(&sources.hierarchy, &sources.pool);
        if let Some(error) = failed.into_iter().next() {
            return Err(error.into());
        }
        let mut nodes = Vec::new();
        sources.hierarchy.walk(
            &sources.pool,
            |visit| visit,
            |visit| {
                if let Ok(Node::Group(group)) = visit {
                    nodes.push((group.path.trim_start_matches('/').to_owned(), group.attributes));
                }
                true
            },
        );
        nodes.extend(first.arrays().map(|array| (array.key_prefix().to_owned(), array.attributes.clone())));
        let mut alignment = Alignment {
            stores: sources.stores,
            output,
            memory,
            dim,
            crop,
            wanted: wanted(&first, &var),
            var,
            first,
            combiner: Combiner::new(output.combine_attrs, nodes.into_iter()),
            others: BTreeMap::new(),
            lengths: Vec::new(),
            length_of: Vec::new(),
            disagreements: Vec::new(),
        };
        let lengths = alignment.lengths_of_first();
        alignment.disagreements.extend(other_length(sources.store(), dim, &lengths));
        alignment.add_length(Some(sources.store().location()), lengths.first().map(|(_, length)| *length))?;
        for batch in 1..sources.stores.len() {
            alignment.batch(batch, &sources.pool)?;
        }
        alignment.finish()
    }

    /// Whether an array of some batch is stored otherwise than that of the first.
    pub fn differs(&self, array: &Array) -> bool {
        self.others.contains_key(&array.path)
    }

    /// The view of an array of the first batch; `None` for the whole of one that does not lie along the dimension.
    ///
    /// # Errors
    /// Arrays that cannot be joined.
    pub fn view(&self, array: &Array, runs: &Arc<[JoinRun]>) -> Result<Option<View>, Failure> {
        let refused = |error: ViewError| Failure::new(Exit::Unreadable, error.to_string());
        let window = self.crop.window(array, 0);
        let Some(dimension) = axis(array, &self.dim) else {
            if window == Window::whole(array) {
                return Ok(None);
            }
            let ranges: Vec<Vec<_>> = window.ranges().map(|range| vec![range]).collect();
            let mut array = array.clone();
            array.attributes = serde_json::Map::new();
            return View::crop(0, &Arc::new(array), &ranges).map(Some).map_err(refused);
        };
        let with_length = |length: &u64| {
            let mut array = array.clone();
            array.attributes = serde_json::Map::new();
            array.shape[dimension] = *length;
            let grid = array.numbered().and_then(|grid| Grid::new(array.shape.clone(), grid.chunk_shape().to_vec()));
            array.grid = grid;
            JoinedArray { array: Arc::new(array), recode: None, start: window.start.clone() }
        };
        let mut arrays: Vec<JoinedArray> = self.lengths.iter().map(with_length).collect();
        let mut array_of = Arc::clone(&self.length_of);
        if let Some(others) = self.others.get(&array.path) {
            let mut own = array_of.to_vec();
            for (batch, other) in others {
                own[*batch] = arrays.len() as u32;
                arrays.push(other.clone());
            }
            array_of = own.into();
        }
        let join = zstage::Join::new(arrays, array_of, dimension, window.shape, Arc::clone(runs)).map_err(refused)?;
        Ok(Some(View::Join(Box::new(join))))
    }
}

/// The comparison with the first batch.
struct Alignment<'a> {
    stores: &'a [Store],
    output: &'a OutputOptions,
    /// Bytes that values may take.
    memory: u64,
    dim: &'a str,
    crop: Crop,
    /// The variables of the output.
    var: VarFilter,
    first: Dataset,
    /// Paths of the arrays that go into the output.
    wanted: BTreeSet<String>,
    combiner: Combiner,
    others: BTreeMap<String, Vec<(usize, JoinedArray)>>,
    lengths: Vec<u64>,
    length_of: Vec<u32>,
    disagreements: Vec<Failure>,
}

/// An array of a batch compared with that of the first.
enum Agreement {
    /// They differ at most in their length along the dimension.
    Same,
    /// They are stored differently.
    Other(Box<JoinedArray>),
}

impl Alignment<'_> {
    /// The length of the dimension in each array of the first batch that has it.
    fn lengths_of_first(&self) -> Vec<(String, u64)> {
        let wanted = self.first.arrays().filter(|array| self.is_wanted(array));
        wanted.filter_map(|array| Some((array.path.clone(), array.shape[axis(array, self.dim)?]))).collect()
    }

    fn add_length(&mut self, place: Option<impl ToString>, length: Option<u64>) -> Result<(), Failure> {
        let absent = || Failure::new(Exit::Absent, format!("no variable has the dimension {}", self.dim));
        let place = place.map(|place| place.to_string()).unwrap_or_default();
        let length = length.ok_or_else(|| absent().at(place))?;
        let number = self.lengths.iter().position(|known| *known == length).unwrap_or_else(|| {
            self.lengths.push(length);
            self.lengths.len() - 1
        });
        self.length_of.push(number as u32);
        Ok(())
    }

    /// Compares a batch.
    fn batch(&mut self, batch: usize, pool: &Pool) -> Result<(), Failure> {
        let store = &self.stores[batch];
        let hierarchy = Hierarchy::open(store, pool, store.is_remote())?;
        let (mut found, mut lengths) = (BTreeSet::new(), Vec::new());
        let mut disagreements = Vec::new();
        let mut looks = Vec::new();
        hierarchy.walk(
            pool,
            |visit| visit.map_err(Failure::from).and_then(|node| self.node(batch, node)),
            |looked| {
                looks.push(looked);
                true
            },
        );
        for looked in looks {
            match looked {
                Err(failure) => disagreements.push(failure),
                Ok(Looked::Group(prefix, attributes)) => {
                    let added = self.combiner.add(&prefix, &attributes, &[]);
                    disagreements.extend(added.err().map(|name| attribute_differs(store, &prefix, &name)));
                }
                Ok(Looked::Array { array, agreement, is_time }) => {
                    found.insert(array.path.clone());
                    lengths.extend(axis(&array, self.dim).map(|axis| (array.path.clone(), array.shape[axis])));
                    let except: &[&str] = if is_time { &["units", "calendar"] } else { &[] };
                    let added = self.combiner.add(array.key_prefix(), &array.attributes, except);
                    let differs = |name: String| attribute_differs(store, array.key_prefix(), &name);
                    disagreements.extend(added.err().map(differs));
                    if let Agreement::Other(other) = agreement {
                        self.others.entry(array.path.clone()).or_default().push((batch, *other));
                    }
                }
                Ok(Looked::LeftOut) => {}
            }
        }
        for array in self.first.arrays().filter(|array| self.is_wanted(array) && !found.contains(&array.path)) {
            let failure = Failure::new(Exit::Unreadable, format!("no array {}, which the first batch has", array.path));
            disagreements.push(failure.at(store.location()).hint("leave it out with --var"));
        }
        disagreements.extend(other_length(store, self.dim, &lengths));
        self.disagreements.append(&mut disagreements);
        match self.disagreements.is_empty() {
            true => self.add_length(Some(store.location()), lengths.first().map(|(_, length)| *length)),
            // There will be no output.
            false => Ok(()),
        }
    }

    /// Whether an array goes into the output.
    fn is_wanted(&self, array: &Array) -> bool {
        self.wanted.contains(&array.path)
    }

    /// Compares a node with that of the first batch.
    fn node(&self, batch: usize, node: Node) -> Result<Looked, Failure> {
        let store = &self.stores[batch];
        let array = match node {
            Node::Group(group) => {
                return Ok(Looked::Group(group.path.trim_start_matches('/').to_owned(), group.attributes));
            }
            Node::Array(array) => array,
        };
        let at = |failure: Failure| failure.at(store.place(array.key_prefix()));
        let Some(first) = self.first.array(&array.path) else {
            if !self.var.is_everything() && !self.var.matches(&array.path) {
                return Ok(Looked::LeftOut);
            }
            let failure = Failure::new(Exit::Unreadable, "the first batch has no such array");
            return Err(at(failure.hint("leave it out with --var")));
        };
        if !self.is_wanted(first) {
            return Ok(Looked::LeftOut);
        }
        let is_time = is_time(first) && is_time(&array);
        let agreement = self.array(batch, &array, first, is_time).map_err(at)?;
        Ok(Looked::Array { array, agreement, is_time })
    }

    /// Compares an array with that of the first batch.
    fn array(&self, batch: usize, array: &Array, first: &Array, is_time: bool) -> Result<Agreement, Failure> {
        let first_store = self.stores[0].location();
        let differs = |what: String| Failure::new(Exit::Unreadable, what);
        let dimension = axis(first, self.dim);
        if array.format != first.format {
            let number = |format: ZarrFormat| format.number();
            let text = format!("is Zarr v{}, and {first_store} is v{}", number(array.format), number(first.format));
            return Err(
                differs(text).hint(format!("convert it with zrecompress --zarr-format {}", number(first.format)))
            );
        }
        if array.dimension_names != first.dimension_names {
            return Err(differs(format!("its dimensions are not those in {first_store}")));
        }
        let (own, expected) = (ValueType::name_of(array), ValueType::name_of(first));
        if own != expected {
            return Err(differs(format!("has data type {own}, and {expected} in {first_store}")));
        }
        let [own_window, window] = [self.crop.window(array, batch), self.crop.window(first, 0)];
        let pairs = own_window.shape.iter().zip(&window.shape).enumerate();
        let pairs = pairs.filter(|(axis, _)| Some(*axis) != dimension);
        if array.shape.len() != first.shape.len() || pairs.into_iter().any(|(_, (own, other))| own != other) {
            return Err(differs(format!("has shape {:?}, and {:?} in {first_store}", array.shape, first.shape)));
        }
        let recode = if is_time { shift(array, first, dimension).map_err(differs)? } else { None };
        if let Some(name) = meaning_differs(array, first, |name| is_time && matches!(name, "units" | "calendar")) {
            let shown = |array: &Array| match name {
                "fill_value" => array.fill_value.to_string(),
                name => array.attributes.get(name).map_or("none".to_owned(), Value::to_string),
            };
            return Err(differs(format!("{name} is {}, and {} in {first_store}", shown(array), shown(first))));
        }
        if dimension.is_none() {
            self.same_values(batch, array, first, is_time)?;
            return Ok(Agreement::Same);
        }
        let recode = recode.or_else(|| SwapBytes::between(array, first));
        if let (None, Some(what)) = (&recode, stored_differently(array, first)) {
            return Err(differs(format!("{what} in {first_store}"))
                .hint("recompress the batches to the same layout first: zrecompress SRC DST"));
        }
        Ok(match recode {
            None if is_stored_like(array, first)
                && own_window.start == window.start
                && (self.crop.is_empty() || is_as_long(array, first, dimension)) =>
            {
                Agreement::Same
            }
            recode => {
                let array = Array { attributes: serde_json::Map::new(), ..array.clone() };
                Agreement::Other(Box::new(JoinedArray { array: Arc::new(array), recode, start: own_window.start }))
            }
        })
    }

    /// Compares the values of an array that does not lie along the dimension.
    fn same_values(&self, batch: usize, array: &Array, first: &Array, is_time: bool) -> Result<(), Failure> {
        if self.output.join == JoinMode::Override {
            return Ok(());
        }
        let store = &self.stores[batch];
        let windows = [self.crop.window(first, 0), self.crop.window(array, batch)];
        let memory = self.memory;
        if array.shape.is_empty() || is_time {
            let read = |store: &Store, array: &Array, window: &Window| {
                let part = Subset::new(window.start.clone(), window.shape.clone());
                read_coordinate_part(store, array, &part, Mode::Cf, &Pool::new(1), memory)
            };
            let own = read(store, array, &windows[1])?.0;
            let expected = read(&self.stores[0], first, &windows[0])?.0;
            return if is_close(&own, &expected, self.output.coord_tolerance) {
                Ok(())
            } else {
                Err(self.other_values(None))
            };
        }
        let refused = |what: String| Failure::new(Exit::Unreadable, what);
        let expected = Parts::new(&self.stores[0], first, memory).map_err(refused)?;
        let own = Parts::new(store, array, memory).map_err(refused)?;
        let tolerance = Tolerance { rtol: 0.0, atol: self.output.coord_tolerance };
        let [first_at, own_at] = windows.clone().map(|window| Position { batch: 0, index: window.start[0] });
        let stretch = Stretch { first: first_at, other: own_at, length: windows[0].shape[0] };
        let overlap = Overlap::new(expected, own, windows, 0, tolerance, memory).map_err(refused)?;
        let differences = overlap.compare(&stretch, &mut OverlapBuffers::default())?;
        let differing: u64 = differences.iter().map(|(_, difference)| difference.differing).sum();
        let largest = differences.iter().map(|(_, difference)| difference.max).fold(0.0, f64::max);
        if differing == 0 { Ok(()) } else { Err(self.other_values(Some((differing, largest)))) }
    }

    fn other_values(&self, differing: Option<(u64, f64)>) -> Failure {
        let first = self.stores[0].location();
        let failure = |text| Failure::new(Exit::Unreadable, text);
        let hint = "use --join override to take the values of the first batch";
        match differing {
            None => failure(format!("its values are not those in {first}")).hint(hint),
            Some((count, largest)) if largest > 0.0 => {
                let text = format!(
                    "{} not those in {first}; the largest difference is {largest}",
                    if count == 1 { "1 value is".to_owned() } else { format!("{count} values are") }
                );
                failure(text).hint(format!("if that is rounding, use --coord-tolerance {largest}; or {hint}"))
            }
            Some((count, _)) => failure(format!("{} differ from {first}", human_counted(count, "value"))).hint(hint),
        }
    }

    fn finish(self) -> Result<Aligned, Failure> {
        let count = self.disagreements.len();
        if let Some(failure) = self.disagreements.into_iter().next() {
            let more = human_counted(count as u64 - 1, "more disagreement");
            let text = failure.to_string();
            return Err(match count {
                1 => failure,
                _ => Failure::new(failure.exit, format!("{text} ({more})"))
                    .hint(failure.advice().unwrap_or("zvalidate with all batches lists how they differ").to_owned()),
            });
        }
        let note = match self.combiner.dropped() {
            (_, 0) => None,
            (names, count) => {
                let more = if count > names.len() { ", …" } else { "" };
                let counted = match count {
                    1 => "1 attribute that differs between stores is dropped".to_owned(),
                    count => format!("{count} attributes that differ between stores are dropped"),
                };
                Some(format!("{counted}: {}{more}", names.join(", ")))
            }
        };
        Ok(Aligned {
            dim: self.dim.to_owned(),
            crop: self.crop,
            lengths: self.lengths,
            length_of: self.length_of.into(),
            others: self.others,
            wanted: self.wanted,
            attributes: self.combiner.changed(),
            note,
        })
    }
}

/// What the output has of the other dimensions.
fn crop(sources: &Sources, output: &OutputOptions, memory: u64, dim: &str) -> Result<Crop, Failure> {
    if output.join != JoinMode::Inner {
        return Ok(Crop::default());
    }
    Crop::read(sources.stores, dim, &sources.pool, memory, output.coord_tolerance)
}

/// Whether both have the same lengths, except along the joined dimension.
fn is_as_long(array: &Array, first: &Array, dimension: Option<usize>) -> bool {
    let lengths = array.shape.iter().zip(&first.shape).enumerate();
    lengths.filter(|(axis, _)| Some(*axis) != dimension).all(|(_, (own, other))| own == other)
}

/// A node that was looked at.
enum Looked {
    Group(String, serde_json::Map<String, Value>),
    Array { array: Box<Array>, agreement: Agreement, is_time: bool },
    LeftOut,
}

/// The failure of a store whose arrays have different lengths along the dimension, such as one that was only half appended to.
fn other_length(store: &Store, dim: &str, lengths: &[(String, u64)]) -> Option<Failure> {
    let own = lengths.iter().find(|(path, _)| name(path) == dim).or(lengths.first())?;
    let (path, length) = lengths.iter().find(|(_, length)| *length != own.1)?;
    let text = format!("has length {length} along {dim}, and {} has {}", own.0, own.1);
    Some(Failure::new(Exit::Unreadable, text).at(store.place(path.trim_start_matches('/'))))
}

/// Paths of the arrays that go into the output: those that are selected, and all that describe them.
fn wanted(dataset: &Dataset, var: &VarFilter) -> BTreeSet<String> {
    let selected = dataset.arrays().filter(|array| var.matches(&array.path));
    dataset.with_descriptions(selected).into_iter().map(str::to_owned).collect()
}

/// Whether all values are equal, or numbers that differ by no more than `tolerance`; NaN equals NaN.
fn is_close(a: &Column, b: &Column, tolerance: f64) -> bool {
    let close = |(a, b): (f64, f64)| a == b || (a - b).abs() <= tolerance || (a.is_nan() && b.is_nan());
    match (a.numbers(), b.numbers()) {
        (Some(a), Some(b)) => a.len() == b.len() && a.into_iter().zip(b).all(close),
        _ => a.values == b.values,
    }
}

fn is_time(array: &Array) -> bool {
    array.attributes.get("units").and_then(Value::as_str).is_some_and(is_time_units)
}

/// The conversion of times, if they count from another date.
fn shift(array: &Array, first: &Array, dimension: Option<usize>) -> Result<Option<Arc<dyn Recode>>, String> {
    let same = |name: &str| array.attributes.get(name) == first.attributes.get(name);
    if (same("units") && same("calendar")) || dimension.is_none() {
        return Ok(None);
    }
    let shift = TimeShift::between(array, first)?;
    Ok(shift.map(|shift| Arc::new(shift) as Arc<dyn Recode>))
}

/// What keeps elements of both from being put together.
fn stored_differently(array: &Array, first: &Array) -> Option<String> {
    let order = |array: &Array| array.order.clone().unwrap_or_else(|| "C".to_owned());
    if order(array) != order(first) {
        return Some(format!("is stored in order {}, and {}", order(array), order(first)));
    }
    let differ = || format!("is encoded with {}, and {}", array.chain.describe(), first.chain.describe());
    (!zstage::is_stored_alike(array, first)).then(differ)
}

/// Whether an array is stored like the first batch's, apart from its length.
fn is_stored_like(array: &Array, first: &Array) -> bool {
    let chunks = |array: &Array| array.numbered().map(|grid| grid.chunk_shape().to_vec());
    array.chain.specs == first.chain.specs
        && array.dtype == first.dtype
        && array.order == first.order
        && array.fill_value == first.fill_value
        && array.keys == first.keys
        && chunks(array) == chunks(first)
}

fn attribute_differs(store: &Store, prefix: &str, name: &str) -> Failure {
    let failure = Failure::new(Exit::Unreadable, format!("the attribute {name} is not that of the first batch"));
    failure.at(store.place(prefix)).hint("use --combine-attrs drop-conflicts or override")
}
