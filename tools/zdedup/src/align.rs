//! Whether all batches agree with the first: the same variables, types and units, and the same values of everything that does not
//! lie along the joined dimension. Of each batch only what differs from the first is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use zarray::{Array, Hierarchy, Node, Pool, Subset, VarFilter, ZarrFormat};
use zcoord::{Dataset, Mode, name, read_coordinate_part};
use zstage::JoinedArray;
use zstore::Store;
use zvalue::{Parts, Tolerance, ValueType};
use zwire::{Exit, Failure, human_counted};

use crate::aligned::Aligned;
use crate::alike::{is_as_long, is_close, is_stored_like, is_time, shift, stored_differently};
use crate::attributes::Combiner;
use crate::byte_order::SwapBytes;
use crate::coordinate::Position;
use crate::crop::{Crop, Window};
use crate::duplicates::Stretch;
use crate::kinds::{Histories, OtherArrays};
use crate::options::OutputOptions;
use crate::overlap::{Overlap, OverlapBuffers};
use crate::rules::JoinMode;
use crate::variables::{axis, meaning_differs};

/// Compares the metadata and coordinates of the batches `members` with those of the first of them, whose nodes are in `hierarchy`. Of the
/// batches `apart`, which have other variables, only what they share without the dimension is compared.
///
/// # Errors
/// The first disagreement, and how many there are; a batch that cannot be read.
pub fn align(
    members: &[usize],
    apart: &[usize],
    hierarchy: &Hierarchy,
    request: &AlignRequest,
) -> Result<Aligned, Failure> {
    let AlignRequest { stores, pool, output, dim, .. } = *request;
    let var = VarFilter::new(&output.var)?;
    let (dataset, failed) = Dataset::read(hierarchy, pool);
    if let Some(error) = failed.into_iter().next() {
        return Err(error.into());
    }
    let mut nodes = Vec::new();
    hierarchy.walk(
        pool,
        |visit| visit,
        |visit| {
            if let Ok(Node::Group(group)) = visit {
                nodes.push((group.path.trim_start_matches('/').to_owned(), group.attributes));
            }
            true
        },
    );
    nodes.extend(dataset.arrays().map(|array| (array.key_prefix().to_owned(), array.attributes.clone())));
    let first = members.first().copied().unwrap_or(0);
    let mut alignment = Alignment {
        request,
        number: first,
        wanted: wanted(&dataset, &var),
        var,
        first: dataset,
        combiner: Combiner::new(output.combine_attrs, nodes.into_iter()),
        others: BTreeMap::new(),
        histories: Histories::default(),
        lengths: vec![0; stores.len()],
        disagreements: Disagreements::default(),
    };
    let lengths = alignment.lengths_of_first();
    alignment.disagreements.add(other_length(&stores[first], dim, &lengths));
    alignment.add_length(first, lengths.first().map(|(_, length)| *length))?;
    for batch in members.iter().skip(1) {
        alignment.batch(*batch, Batches::Same)?;
    }
    for batch in apart {
        alignment.batch(*batch, Batches::Apart)?;
    }
    alignment.finish()
}

impl AlignRequest<'_> {
    /// What to do about stores with other variables.
    fn of_variables(&self) -> &'static str {
        match self.appends {
            true => "--append-to needs all variables of the store, and no others; write a new store with -o",
            false => "leave it out with --var; or use --merge if stores have different variables for the same values",
        }
    }
}

/// What all comparisons of batches have in common.
pub struct AlignRequest<'a> {
    /// All batches.
    pub stores: &'a [Store],
    /// Threads that read.
    pub pool: &'a Pool,
    /// What must agree.
    pub output: &'a OutputOptions,
    /// Bytes that values may take.
    pub memory: u64,
    /// The dimension.
    pub dim: &'a str,
    /// What the output has of the other dimensions.
    pub crop: &'a Crop,
    /// Whether batches are appended to the first one.
    pub appends: bool,
}

/// Which batches are compared with the first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Batches {
    /// Those with the same variables.
    Same,
    /// Those with other variables for the same values.
    Apart,
}

/// The comparison with the first batch.
struct Alignment<'a> {
    request: &'a AlignRequest<'a>,
    /// The number of the first batch, and its nodes.
    number: usize,
    first: Dataset,
    /// The variables of the output.
    var: VarFilter,
    /// Paths of the arrays that go into the output.
    wanted: BTreeSet<String>,
    combiner: Combiner,
    others: BTreeMap<String, OtherArrays>,
    histories: Histories,
    /// The length of each batch along the dimension.
    lengths: Vec<u64>,
    disagreements: Disagreements,
}

/// What keeps batches from being put together: there may be as many as batches × variables.
#[derive(Default)]
struct Disagreements {
    first: Option<Failure>,
    count: u64,
}

impl Disagreements {
    fn add(&mut self, more: impl IntoIterator<Item = Failure>) {
        for failure in more {
            self.count += 1;
            self.first.get_or_insert(failure);
        }
    }

    fn append(&mut self, more: Disagreements) {
        self.count += more.count;
        self.first = self.first.take().or(more.first);
    }
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
        wanted.filter_map(|array| Some((array.path.clone(), array.shape[axis(array, self.request.dim)?]))).collect()
    }

    fn add_length(&mut self, batch: usize, length: Option<u64>) -> Result<(), Failure> {
        let absent = || match self.var.is_everything() {
            true => Failure::new(Exit::Absent, format!("no variable has the dimension {}", self.request.dim)),
            false => Failure::new(Exit::Absent, format!("no variable with {} matches --var", self.request.dim))
                .hint("each store needs one; leave the store out, or change --var"),
        };
        self.lengths[batch] = length.ok_or_else(|| absent().at(self.request.stores[batch].location()))?;
        Ok(())
    }

    /// Compares a batch.
    fn batch(&mut self, batch: usize, kind: Batches) -> Result<(), Failure> {
        let pool = self.request.pool;
        let store = &self.request.stores[batch];
        let hierarchy = Hierarchy::open(store, pool, store.is_remote())?;
        let (mut found, mut lengths) = (BTreeSet::new(), Vec::new());
        let mut disagreements = Disagreements::default();
        let mut looks = Vec::new();
        hierarchy.walk(
            pool,
            |visit| visit.map_err(Failure::from).and_then(|node| self.node(batch, kind, node)),
            |looked| {
                looks.push(looked);
                true
            },
        );
        for looked in looks {
            match looked {
                Err(failure) => disagreements.add([failure]),
                Ok(Looked::Refused(path, failure)) => {
                    found.insert(path);
                    disagreements.add([failure]);
                }
                Ok(Looked::Group(prefix, attributes)) => {
                    let added = self.combiner.add(&prefix, &attributes, &[]);
                    disagreements.add(added.err().map(|name| attribute_differs(store, &prefix, &name)));
                }
                Ok(Looked::Array { array, agreement, is_time }) => {
                    found.insert(array.path.clone());
                    lengths.extend(axis(&array, self.request.dim).map(|axis| (array.path.clone(), array.shape[axis])));
                    let except: &[&str] = if is_time { &["units", "calendar"] } else { &[] };
                    let added = self.combiner.add(array.key_prefix(), &array.attributes, except);
                    let differs = |name: String| attribute_differs(store, array.key_prefix(), &name);
                    disagreements.add(added.err().map(differs));
                    if let Agreement::Other(other) = agreement {
                        let others = self.others.entry(array.path.clone()).or_default();
                        others.add(batch, *other, axis(&array, self.request.dim), &mut self.histories);
                    }
                }
                Ok(Looked::LeftOut) => {}
            }
        }
        if kind == Batches::Apart {
            self.disagreements.append(disagreements);
            return Ok(());
        }
        for array in self.first.arrays().filter(|array| self.is_wanted(array) && !found.contains(&array.path)) {
            let failure = Failure::new(Exit::Unreadable, format!("no array {}, which the first batch has", array.path));
            disagreements.add([failure.at(store.location()).hint(self.request.of_variables())]);
        }
        disagreements.add(other_length(store, self.request.dim, &lengths));
        self.disagreements.append(disagreements);
        match self.disagreements.count == 0 {
            true => self.add_length(batch, lengths.first().map(|(_, length)| *length)),
            // There will be no output.
            false => Ok(()),
        }
    }

    /// Whether an array goes into the output.
    fn is_wanted(&self, array: &Array) -> bool {
        self.wanted.contains(&array.path)
    }

    /// Compares a node with that of the first batch.
    fn node(&self, batch: usize, kind: Batches, node: Node) -> Result<Looked, Failure> {
        let store = &self.request.stores[batch];
        let array = match node {
            Node::Group(group) => {
                return Ok(Looked::Group(group.path.trim_start_matches('/').to_owned(), group.attributes));
            }
            Node::Array(array) => array,
        };
        let at = |failure: Failure| failure.at(store.place(array.key_prefix()));
        let Some(first) = self.first.array(&array.path) else {
            if kind == Batches::Apart {
                return Ok(Looked::LeftOut);
            }
            if !self.var.is_everything() && !self.var.matches(&array.path) {
                return Ok(Looked::LeftOut);
            }
            let failure = Failure::new(Exit::Unreadable, "the first batch has no such array");
            return Err(at(failure.hint(self.request.of_variables())));
        };
        if !self.is_wanted(first) {
            return Ok(Looked::LeftOut);
        }
        if kind == Batches::Apart && axis(first, self.request.dim).is_some() != axis(&array, self.request.dim).is_some()
        {
            let text = format!("only one of the stores has it along {}", self.request.dim);
            return Err(at(Failure::new(Exit::Unreadable, text).hint("leave it out with --var")));
        }
        if kind == Batches::Apart && axis(first, self.request.dim).is_some() {
            // What both have along the dimension is compared value by value.
            return Ok(Looked::LeftOut);
        }
        let is_time = is_time(first) && is_time(&array);
        Ok(match self.array(batch, &array, first, is_time) {
            Ok(agreement) => Looked::Array { array, agreement, is_time },
            Err(failure) => Looked::Refused(array.path.clone(), at(failure)),
        })
    }

    /// Compares an array with that of the first batch.
    fn array(&self, batch: usize, array: &Array, first: &Array, is_time: bool) -> Result<Agreement, Failure> {
        let first_store = self.request.stores[self.number].location();
        let differs = |what: String| Failure::new(Exit::Unreadable, what);
        let dimension = axis(first, self.request.dim);
        if array.format != first.format {
            let number = |format: ZarrFormat| format.number();
            let text = format!("is Zarr v{}, and {first_store} is v{}", number(array.format), number(first.format));
            return Err(
                differs(text).hint(format!("convert it with zrecompress --zarr-format {}", number(first.format)))
            );
        }
        if array.named_dimensions() != first.named_dimensions() {
            return Err(differs(format!("its dimensions are not those in {first_store}")));
        }
        let (own, expected) = (ValueType::name_of(array), ValueType::name_of(first));
        if own != expected {
            return Err(differs(format!("has data type {own}, and {expected} in {first_store}")));
        }
        let [own_window, window] =
            [self.request.crop.window(array, batch), self.request.crop.window(first, self.number)];
        let pairs = own_window.shape.iter().zip(&window.shape).enumerate();
        let pairs = pairs.filter(|(axis, _)| Some(*axis) != dimension);
        if array.shape.len() != first.shape.len() || pairs.into_iter().any(|(_, (own, other))| own != other) {
            return Err(differs(format!("has shape {:?}, and {:?} in {first_store}", array.shape, first.shape)));
        }
        // zvalidate compares times as times, whatever their units are, so it would not list this.
        let units = |what| differs(what).hint("write the times of all batches in the same units and calendar");
        let recode = if is_time { shift(array, first, dimension).map_err(units)? } else { None };
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
                && (self.request.crop.is_empty() || is_as_long(array, first, dimension)) =>
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
        if self.request.output.join == JoinMode::Override {
            return Ok(());
        }
        let store = &self.request.stores[batch];
        let windows = [self.request.crop.window(first, self.number), self.request.crop.window(array, batch)];
        let memory = self.request.memory;
        if array.shape.is_empty() || is_time {
            let read = |store: &Store, array: &Array, window: &Window| {
                let part = Subset::new(window.start.clone(), window.shape.clone());
                read_coordinate_part(store, array, &part, Mode::Cf, &Pool::new(1), memory)
            };
            let own = read(store, array, &windows[1])?.0;
            let expected = read(&self.request.stores[self.number], first, &windows[0])?.0;
            return if is_close(&own, &expected, self.request.output.coord_tolerance) {
                Ok(())
            } else {
                Err(self.other_values(None))
            };
        }
        let refused = |what: String| Failure::new(Exit::Unreadable, what);
        let expected = Parts::new(&self.request.stores[self.number], first, memory).map_err(refused)?;
        let own = Parts::new(store, array, memory).map_err(refused)?;
        let tolerance = Tolerance { rtol: 0.0, atol: self.request.output.coord_tolerance };
        let [first_at, own_at] = windows.clone().map(|window| Position { batch: 0, index: window.start[0] });
        let stretch = Stretch { first: first_at, other: own_at, length: windows[0].shape[0] };
        let overlap = Overlap::new(expected, own, windows, 0, tolerance, memory).map_err(refused)?;
        let differences = overlap.compare(&stretch, &mut OverlapBuffers::default())?;
        let differing: u64 = differences.iter().map(|(_, difference)| difference.differing).sum();
        let largest = differences.iter().map(|(_, difference)| difference.max).fold(0.0, f64::max);
        if differing == 0 { Ok(()) } else { Err(self.other_values(Some((differing, largest)))) }
    }

    fn other_values(&self, differing: Option<(u64, f64)>) -> Failure {
        let first = self.request.stores[self.number].location();
        let failure = |text| Failure::new(Exit::Unreadable, text);
        let hint = "use --join override to take the values of the first batch";
        match differing {
            None => failure(format!("its values are not those in {first}")).hint(hint),
            Some((count, largest)) if largest > 0.0 && largest.is_finite() => {
                let text = format!(
                    "{} not those in {first}; the largest difference is {largest}",
                    if count == 1 { "1 value is".to_owned() } else { format!("{count} values are") }
                );
                failure(text).hint(format!("if that is rounding, use --coord-tolerance {largest}; or {hint}"))
            }
            Some((count, _)) => {
                let differ = if count == 1 { "differs" } else { "differ" };
                failure(format!("{} {differ} from {first}", human_counted(count, "value"))).hint(hint)
            }
        }
    }

    fn finish(self) -> Result<Aligned, Failure> {
        let count = self.disagreements.count;
        if let Some(failure) = self.disagreements.first {
            let more = human_counted(count - 1, "more disagreement");
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
        // Those of the first of all batches are planned from its nodes.
        let wanted = self.first.arrays().filter(|array| self.number > 0 && self.wanted.contains(&array.path));
        let arrays = wanted.cloned().collect();
        Ok(Aligned {
            dim: self.request.dim.to_owned(),
            arrays,
            first: self.number,
            crop: self.request.crop.clone(),
            lengths: self.lengths.into(),
            histories: self.histories,
            others: self.others,
            wanted: self.wanted,
            attributes: self.combiner.changed(),
            note,
            kinds: Mutex::default(),
        })
    }
}

/// A node that was looked at.
enum Looked {
    Group(String, serde_json::Map<String, Value>),
    Array {
        array: Box<Array>,
        agreement: Agreement,
        is_time: bool,
    },
    LeftOut,
    /// The path of an array that does not agree with that of the first batch, and why.
    Refused(String, Failure),
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

fn attribute_differs(store: &Store, prefix: &str, name: &str) -> Failure {
    let failure = Failure::new(Exit::Unreadable, format!("the attribute {name} is not that of the first batch"));
    failure.at(store.place(prefix)).hint("use --combine-attrs drop-conflicts or override")
}
