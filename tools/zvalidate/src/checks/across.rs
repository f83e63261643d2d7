//! Stores against each other: the batches of one archive have the same variables, types, units and grids, and their coordinates
//! follow each other. Only the first store is remembered in full; of the others, coordinates and sizes.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use zarray::Array;
use zcoord::{Column, classify, label_of};
use zwire::{Failure, Severity, human_bytes, human_counted};

use crate::finding::Finding;
use crate::kinds::Kind;
use crate::open::Context;
use crate::sink::Sink;
use zcoord::Series;
use zvalue::ValueType;

/// A store is much smaller than the other stores below this share of the median.
const SMALL: f64 = 0.25;

/// Largest absolute values that differ by this factor are of other units.
const ORDERS: f64 = 20.0;

/// Distances of a store that are kept.
const FEW: usize = 4;

/// Attributes that change what values mean.
const MEANING: [&str; 4] = ["units", "calendar", "scale_factor", "add_offset"];

/// What is compared of a variable.
#[derive(Debug, Clone, PartialEq)]
struct Variable {
    dtype: String,
    meaning: Vec<(&'static str, Value)>,
    dims: Option<Vec<Option<String>>>,
    rank: usize,
    range: Option<[f64; 2]>,
}

/// What is compared of a coordinate.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    dim: String,
    length: usize,
    hash: u64,
    /// First and last value, in increasing order, with their labels; `None` for text.
    ends: Option<([f64; 2], [String; 2])>,
    /// Whether the values decrease.
    is_down: bool,
    step: Option<f64>,
    /// Distances between neighbours, where they are too few to tell a step.
    distances: Vec<f64>,
    /// Whether it is part of the grid: stores are not joined along it.
    is_grid: bool,
}

/// What is compared of a store.
#[derive(Debug, Clone, Default)]
pub struct Digest {
    name: String,
    variables: BTreeMap<String, Variable>,
    axes: BTreeMap<String, Axis>,
    ranges: BTreeMap<String, [f64; 2]>,
    /// Bytes of its objects, if they are known.
    pub bytes: Option<u64>,
    decoded: u64,
}

impl Digest {
    /// Adds the range of the values of an array, as stored.
    pub fn range(&mut self, path: &str, min: f64, max: f64) {
        self.ranges.insert(path.to_owned(), [min, max]);
    }

    /// Adds a coordinate.
    pub fn coordinate(&mut self, array: &Array, dim: &str, series: &Series) {
        let mut hasher = DefaultHasher::new();
        // -0.0 equals 0.0.
        (0..series.len()).for_each(|row| (series.value(row) + 0.0).to_bits().hash(&mut hasher));
        let rows = [0, series.len() - 1];
        let is_up = series.value(rows[0]) <= series.value(rows[1]);
        let rows = if is_up { rows } else { [rows[1], rows[0]] };
        let ends = (rows.map(|row| series.value(row)), rows.map(|row| series.label(row)));
        let step = series.step().map(|step| step.length());
        let pairs = if step.is_some() { 0 } else { FEW.min(series.len().saturating_sub(1)) };
        let distances = (0..pairs).map(|row| (series.value(row + 1) - series.value(row)).abs()).collect();
        self.add_axis(array, dim, (series.len(), hasher.finish()), Some(ends), step);
        if let Some(axis) = self.axes.get_mut(&array.path) {
            axis.distances = distances;
            axis.is_down = !is_up;
        }
    }

    /// Adds a coordinate of texts.
    pub fn texts(&mut self, array: &Array, dim: &str, column: &Column) {
        let mut hasher = DefaultHasher::new();
        (0..column.len()).for_each(|row| label_of(column, row).hash(&mut hasher));
        self.add_axis(array, dim, (column.len(), hasher.finish()), None, None);
    }

    fn add_axis(
        &mut self,
        array: &Array,
        dim: &str,
        (length, hash): (usize, u64),
        ends: Option<([f64; 2], [String; 2])>,
        step: Option<f64>,
    ) {
        let text = |name: &str| array.attributes.get(name).and_then(Value::as_str).unwrap_or_default();
        let is_vertical =
            text("axis") == "Z" || !text("positive").is_empty() || dim.contains("level") || dim == "pressure";
        let is_space = matches!(text("axis"), "X" | "Y") || matches!(dim, "x" | "y");
        let is_grid = classify(array).is_some() || is_vertical || is_space;
        let (dim, distances) = (dim.to_owned(), Vec::new());
        let axis = Axis { dim, length, hash, ends, is_down: false, step, distances, is_grid };
        self.axes.insert(array.path.clone(), axis);
    }
}

type Other = (String, BTreeMap<String, Axis>, Option<u64>, u64);

/// The stores of a run.
#[derive(Default)]
pub struct Across {
    first: Option<Digest>,
    /// Of every store: name, coordinates, bytes stored, if they are known, and decoded.
    others: Vec<Other>,
}

impl Across {
    /// The digest of a store that begins.
    pub fn digest(&self, name: &str) -> Digest {
        Digest { name: name.to_owned(), ..Digest::default() }
    }

    /// Adds a store that was checked, and reports how it differs from the first.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn add(&mut self, context: &Context, mut digest: Digest, sink: &mut Sink) -> Result<(), Failure> {
        if context.options.stores.len() < 2 {
            return Ok(());
        }
        for array in context.arrays() {
            let meaning = MEANING.iter().filter_map(|name| Some((*name, array.attributes.get(*name)?.clone())));
            let variable = Variable {
                dtype: ValueType::name_of(array),
                meaning: meaning.collect(),
                dims: array.named_dimensions(),
                rank: array.shape.len(),
                range: digest.ranges.get(&array.path).copied(),
            };
            digest.variables.insert(array.path.clone(), variable);
            digest.decoded = digest.decoded.saturating_add(array.uncompressed_bytes().unwrap_or(0));
        }
        self.others.push((digest.name.clone(), digest.axes.clone(), digest.bytes, digest.decoded));
        match &self.first {
            None => self.first = Some(digest),
            Some(first) if context.division.has_rest() => differences(first, &digest, sink)?,
            // The arrays of another part have no ranges.
            Some(first) => {
                for (path, own) in &digest.variables {
                    let Some(expected) = first.variables.get(path) else { continue };
                    ranges(first, path, own, expected, sink)?;
                }
            }
        }
        Ok(())
    }

    /// Reports what only all stores together show: overlaps, gaps, small stores.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn report(&self, sink: &mut Sink) -> Result<(), Failure> {
        let paths: std::collections::BTreeSet<&String> =
            self.others.iter().flat_map(|(_, axes, ..)| axes.keys()).collect();
        for path in paths {
            self.joined(path, sink)?;
        }
        self.small(sink)
    }

    /// One coordinate of all stores, in the order of its values.
    fn joined(&self, path: &str, sink: &mut Sink) -> Result<(), Failure> {
        let mut parts: Vec<(&str, &Axis)> =
            self.others.iter().filter_map(|(name, axes, ..)| Some((name.as_str(), axes.get(path)?))).collect();
        let all_same = parts.windows(2).all(|pair| pair[0].1.hash == pair[1].1.hash);
        if parts.len() < 2 || all_same || parts.iter().any(|(_, axis)| axis.is_grid || axis.ends.is_none()) {
            return Ok(());
        }
        let ends = |axis: &Axis| axis.ends.as_ref().map_or([0.0; 2], |(ends, _)| *ends);
        parts.sort_by(|a, b| ends(a.1)[0].total_cmp(&ends(b.1)[0]));
        let common = common_step(&parts);
        // The store that reaches farthest so far.
        let mut farthest = parts[0];
        for (name, axis) in parts.iter().skip(1).copied() {
            let (Some((_, before)), Some((_, after))) = (&farthest.1.ends, &axis.ends) else { continue };
            let between = ends(axis)[0] - ends(farthest.1)[1];
            sink.begin(name);
            if between <= 0.0 {
                let last = if ends(axis)[1] < ends(farthest.1)[1] { &after[1] } else { &before[1] };
                let found = format!("{} to {} is also in {}", after[0], last, farthest.0);
                let mut finding = Finding::at(Kind::StoresOverlap, path, found);
                (finding.record.dim, finding.record.labels) =
                    (Some(axis.dim.clone()), Some([after[0].clone(), last.clone()]));
                sink.emit(finding.expected(format!("values after {}", before[1])))?;
            } else if let Some(step) = axis.step.or(farthest.1.step).or(common).filter(|step| between > 1.5 * step) {
                let missing = ((between / step).round() as u64).saturating_sub(1).max(1);
                let found = format!(
                    "{} missing between {} ({}) and {}",
                    human_counted(missing, "step"),
                    before[1],
                    farthest.0,
                    after[0]
                );
                let mut finding = Finding::at(Kind::StoresGap, path, found).count(missing);
                (finding.record.dim, finding.record.labels) =
                    (Some(axis.dim.clone()), Some([before[1].clone(), after[0].clone()]));
                sink.emit(finding)?;
            }
            if ends(axis)[1] > ends(farthest.1)[1] {
                farthest = (name, axis);
            }
        }
        Ok(())
    }

    /// Stores with far fewer bytes for their decoded size than the others.
    fn small(&self, sink: &mut Sink) -> Result<(), Failure> {
        let share = |(_, _, bytes, decoded): &Other| bytes.unwrap_or(0) as f64 / (*decoded).max(1) as f64;
        if self.others.iter().any(|(_, _, bytes, _)| bytes.is_none()) {
            return Ok(());
        }
        let mut shares: Vec<f64> = self.others.iter().map(share).collect();
        shares.sort_unstable_by(f64::total_cmp);
        // Of two stores, the larger is the measure.
        let Some(measure) = shares.get(shares.len() / 2).copied().filter(|_| shares.len() > 1) else { return Ok(()) };
        for store in self.others.iter().filter(|store| share(store) < SMALL * measure) {
            sink.begin(&store.0);
            let found = format!("{} for {} decoded", human_bytes(store.2.unwrap_or(0)), human_bytes(store.3));
            let expected = format!("about {}, as in the other stores", human_bytes((measure * store.3 as f64) as u64));
            sink.emit(Finding::new(Kind::SmallStore, found).expected(expected))?;
        }
        Ok(())
    }
}

/// The step of batches of few values each, as most of their neighbours have it; all of them, where there are few.
fn common_step(parts: &[(&str, &Axis)]) -> Option<f64> {
    let mut distances: Vec<f64> = parts.iter().flat_map(|(_, axis)| axis.distances.iter().copied()).collect();
    distances.sort_unstable_by(f64::total_cmp);
    let median = *distances.get(distances.len() / 2)?;
    let alike = distances.iter().filter(|distance| (*distance - median).abs() <= 1e-3 * median).count();
    let is_common = match distances.len() {
        0..2 => false,
        2..=FEW => alike == distances.len(),
        many => alike * 10 >= many * 7,
    };
    (median > 0.0 && is_common).then_some(median)
}

/// How a store differs from the first. Stores that share no variable are not compared.
fn differences(first: &Digest, other: &Digest, sink: &mut Sink) -> Result<(), Failure> {
    let shared = other.variables.keys().filter(|path| first.variables.contains_key(*path)).count();
    if shared == 0 {
        return Ok(());
    }
    for path in first.variables.keys().filter(|path| !other.variables.contains_key(*path)) {
        let finding = Finding::at(Kind::VariablesDiffer, path, "the array is not there");
        sink.emit(finding.expected(format!("the array, as in {}", first.name)))?;
    }
    for (path, own) in &other.variables {
        let Some(expected) = first.variables.get(path) else {
            let finding = Finding::at(Kind::VariablesDiffer, path, "the array is only here");
            sink.emit(finding.expected(format!("no such array, as in {}", first.name)))?;
            continue;
        };
        variable(first, path, own, expected, sink)?;
    }
    for (path, own) in &other.axes {
        let Some(expected) = first.axes.get(path).filter(|axis| axis.is_grid && axis.hash != own.hash) else {
            continue;
        };
        let shown = |axis: &Axis| match &axis.ends {
            Some((_, [low, high])) => {
                let [first, last] = if axis.is_down { [high, low] } else { [low, high] };
                format!("{} from {first} to {last}", human_counted(axis.length as u64, "value"))
            }
            None => human_counted(axis.length as u64, "value"),
        };
        let mut finding = Finding::at(Kind::GridsDiffer, path, shown(own));
        finding.record.dim = Some(own.dim.clone());
        sink.emit(finding.expected(format!("{}, as in {}", shown(expected), first.name)))?;
    }
    Ok(())
}

fn variable(first: &Digest, path: &str, own: &Variable, expected: &Variable, sink: &mut Sink) -> Result<(), Failure> {
    let as_in = |text: String| format!("{text}, as in {}", first.name);
    if own.dtype != expected.dtype {
        let finding = Finding::at(Kind::DtypesDiffer, path, own.dtype.clone());
        sink.emit(finding.expected(as_in(expected.dtype.clone())))?;
    }
    let dims = |variable: &Variable| {
        let names = variable.dims.iter().flatten().map(|name| name.clone().unwrap_or_else(|| "?".into()));
        let names: Vec<String> = names.collect();
        match names.is_empty() {
            true => format!("{} dimensions without names", variable.rank),
            false => format!("dimensions {}", names.join(", ")),
        }
    };
    if own.dims != expected.dims || own.rank != expected.rank {
        let finding = Finding::at(Kind::GridsDiffer, path, dims(own));
        sink.emit(finding.expected(as_in(dims(expected))))?;
    }
    // Times are compared as times: their units may count from another day.
    let is_time = |variable: &Variable| {
        variable
            .meaning
            .iter()
            .any(|(name, value)| *name == "units" && value.as_str().is_some_and(|units| units.contains(" since ")))
    };
    for name in MEANING {
        let value = |variable: &Variable| {
            variable.meaning.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        };
        let (found, wanted) = (value(own), value(expected));
        if found == wanted || (name != "calendar" && is_time(own) && is_time(expected)) {
            continue;
        }
        let shown = |value: Option<Value>| value.map_or("none".to_owned(), |value| value.to_string());
        let finding = Finding::at(Kind::UnitsDiffer, path, format!("{name} {}", shown(found)));
        sink.emit(finding.expected(as_in(format!("{name} {}", shown(wanted)))))?;
    }
    ranges(first, path, own, expected, sink)
}

fn ranges(first: &Digest, path: &str, own: &Variable, expected: &Variable, sink: &mut Sink) -> Result<(), Failure> {
    let is_axis = first.axes.contains_key(path);
    let (Some(found), Some(wanted)) = (own.range, expected.range) else { return Ok(()) };
    let same_packing = own.meaning == expected.meaning;
    if is_axis
        || !same_packing && own.dtype != expected.dtype
        || !found.iter().chain(&wanted).all(|end| end.is_finite())
    {
        return Ok(());
    }
    let largest = |range: [f64; 2]| range[0].abs().max(range[1].abs());
    let (a, b) = (largest(found), largest(wanted));
    let orders = a > 0.0 && b > 0.0 && (a / b > ORDERS || b / a > ORDERS);
    let width = (wanted[1] - wanted[0]).max(found[1] - found[0]);
    let apart = (found[0] - wanted[1]).max(wanted[0] - found[1]);
    if orders || (width > 0.0 && apart > 3.0 * width) {
        let shown = |[low, high]: [f64; 2]| format!("from {low} to {high}");
        let finding = Finding::at(Kind::RangesDiffer, path, shown(found));
        // Amounts that begin at 0, such as rain, differ by orders between dry and wet times.
        let begin_at_0 = found[0] == 0.0 && wanted[0] == 0.0;
        let finding = if begin_at_0 { finding.severity(Severity::Info) } else { finding };
        sink.emit(finding.expected(format!("{}, as in {}", shown(wanted), first.name)))?;
    }
    Ok(())
}
