//! `--join inner`: the range of each other dimension whose coordinate values all batches have.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use zarray::{Array, Hierarchy, Pool};
use zcoord::{Column, Dataset, Mode, dimensions, label_of, read_coordinate};
use zstore::Store;
use zwire::{Exit, Failure};

/// The dimensions that are cropped in some batch, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Crop(BTreeMap<String, Common>);

/// The common values of a dimension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Common {
    /// How many they are.
    length: u64,
    /// The index of the first of them in each batch.
    starts: Vec<u64>,
    /// Whether the first batch has others.
    is_cropped_in_first: bool,
}

/// The box of an array that lies within the common ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its first indices.
    pub start: Vec<u64>,
    /// Its shape.
    pub shape: Vec<u64>,
}

impl Window {
    /// The whole of an array.
    pub fn whole(array: &Array) -> Window {
        Window { start: vec![0; array.shape.len()], shape: array.shape.clone() }
    }

    /// The indices of each dimension.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.start.iter().zip(&self.shape).map(|(start, length)| *start..start + length)
    }
}

impl Crop {
    /// Finds the common ranges of all dimensions but `dim` that have a coordinate in the first of `stores`.
    ///
    /// # Errors
    /// A store that cannot be read; values that all stores have, but not one after the other; no common value.
    pub fn read(stores: &[Store], dim: &str, pool: &Pool, memory: u64, tolerance: f64) -> Result<Crop, Failure> {
        let memory = memory / pool.workers() as u64;
        let one = Pool::new(1);
        let first = coordinates(&stores[0], dim, &one, memory)?;
        let batches = pool.map((1..stores.len()).collect(), |batch| -> Result<Vec<Matched>, Failure> {
            let own = coordinates(&stores[batch], dim, &one, memory)?;
            let matched = |(name, values): (&String, &Column)| match own.get(name) {
                Some(own) => Matched { stretches: stretches(values, own, tolerance), length: own.len() as u64 },
                // That it lacks the coordinate is found when arrays are compared.
                None => Matched::whole(values.len() as u64),
            };
            Ok(first.iter().map(matched).collect())
        });
        let batches = batches.into_iter().collect::<Result<Vec<_>, Failure>>()?;
        let mut crop = Crop::default();
        for (number, (name, values)) in first.iter().enumerate() {
            let of_batches: Vec<&Matched> = batches.iter().map(|matched| &matched[number]).collect();
            let failed = |(batch, what): (usize, String)| {
                let store = stores.get(batch + 1).unwrap_or(&stores[0]);
                Failure::new(Exit::Unreadable, what).at(store.place(name))
            };
            let common = common(values.len() as u64, &of_batches).map_err(failed)?;
            let is_whole = |matched: &&Matched| matched.length == common.length;
            if common.length < values.len() as u64 || !of_batches.iter().all(is_whole) {
                crop.0.insert(name.clone(), common);
            }
        }
        Ok(crop)
    }

    /// The box of an array of a batch.
    pub fn window(&self, array: &Array, batch: usize) -> Window {
        let mut window = Window::whole(array);
        for (axis, name) in dimensions(array).unwrap_or_default().into_iter().enumerate() {
            if let Some(common) = self.0.get(name) {
                (window.start[axis], window.shape[axis]) = (common.starts[batch], common.length);
            }
        }
        window
    }

    /// A dimension of which the first batch has values that are left out.
    pub fn cropped_in_first(&self) -> Option<&str> {
        self.0.iter().find(|(_, common)| common.is_cropped_in_first).map(|(name, _)| name.as_str())
    }

    /// Whether no dimension is cropped.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the cropped dimensions, each with the length that is left.
    pub fn dimensions(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, common)| (name.as_str(), common.length))
    }
}

/// Values of the first batch that follow each other in another batch, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    /// Index in the first batch.
    first: u64,
    /// Index in the other batch.
    own: u64,
    length: u64,
}

/// The values of a dimension that a batch shares with the first.
struct Matched {
    stretches: Vec<Stretch>,
    /// How many values the batch has.
    length: u64,
}

impl Matched {
    fn whole(length: u64) -> Matched {
        Matched { stretches: vec![Stretch { first: 0, own: 0, length }], length }
    }
}

/// The coordinates of the dimensions of a store other than `dim`, by name.
fn coordinates(store: &Store, dim: &str, pool: &Pool, memory: u64) -> Result<BTreeMap<String, Column>, Failure> {
    let hierarchy = Hierarchy::open(store, pool, store.is_remote())?;
    let (dataset, _) = Dataset::read(&hierarchy, pool);
    let mut found: BTreeMap<String, (String, Column)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for array in dataset.arrays() {
        for name in dimensions(array).unwrap_or_default().into_iter().filter(|name| *name != dim) {
            let Some(coordinate) = dataset.coordinate(array, name) else { continue };
            if !seen.insert(coordinate.path.clone()) {
                continue;
            }
            let (column, _) = read_coordinate(store, coordinate, Mode::Cf, pool, memory)?;
            match found.get(name) {
                Some((path, other)) if other.values != column.values => {
                    let text = format!("--join inner: {name} has other values in {path}");
                    return Err(Failure::new(Exit::Unreadable, text)
                        .at(store.place(coordinate.key_prefix()))
                        .hint("concatenate the groups one by one"));
                }
                Some(_) => {}
                None => {
                    found.insert(name.to_owned(), (coordinate.path.clone(), column));
                }
            }
        }
    }
    Ok(found.into_iter().map(|(name, (_, column))| (name, column)).collect())
}

/// Where the values of `first` are in `own`, in stretches of values that follow each other in both.
fn stretches(first: &Column, own: &Column, tolerance: f64) -> Vec<Stretch> {
    let place: Box<dyn Fn(usize) -> Option<usize>> = match (first.numbers(), own.numbers()) {
        (Some(first), Some(own)) => {
            // Values that are the same throughout need not be found one by one: NaN, and values that occur twice.
            if first.len() == own.len() && first.iter().zip(&own).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())) {
                return vec![Stretch { first: 0, own: 0, length: first.len() as u64 }];
            }
            let numbers = own.into_iter().zip(0..).filter(|(value, _)| !value.is_nan());
            let mut sorted: Vec<(f64, usize)> = numbers.collect();
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
            Box::new(move |row| {
                let value = first[row];
                // The nearest one, which is beside the place where the value would be.
                let at = sorted.partition_point(|(own, _)| *own < value);
                let distance = |own: f64| if own == value { 0.0 } else { (own - value).abs() };
                let beside = sorted[at.saturating_sub(1)..].iter().take(2);
                let nearest = beside.min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
                nearest.filter(|(own, _)| distance(*own) <= tolerance).map(|(_, index)| *index)
            })
        }
        _ => {
            let places: HashMap<String, usize> = (0..own.len()).rev().map(|row| (label_of(own, row), row)).collect();
            let is_same = first.kind == own.kind;
            Box::new(move |row| places.get(&label_of(first, row)).copied().filter(|_| is_same))
        }
    };
    let mut all: Vec<Stretch> = Vec::new();
    for (row, own) in (0..first.len()).filter_map(|row| Some((row as u64, place(row)? as u64))) {
        match all.last_mut().filter(|last| (last.first + last.length, last.own + last.length) == (row, own)) {
            Some(last) => last.length += 1,
            None => all.push(Stretch { first: row, own, length: 1 }),
        }
    }
    all
}

/// The values that all batches have, in a dimension of `length` values in the first.
///
/// # Errors
/// The number of a batch other than the first, and why there is no common range.
fn common(length: u64, batches: &[&Matched]) -> Result<Common, (usize, String)> {
    let (mut left, mut right) = (0, length);
    let mut gaps: Vec<(usize, Range<u64>)> = Vec::new();
    for (batch, Matched { stretches, .. }) in batches.iter().enumerate() {
        let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else {
            return Err((batch, "--join inner: none of its values is one of the first store".into()));
        };
        (left, right) = (left.max(first.first), right.min(last.first + last.length));
        gaps.extend(stretches.windows(2).map(|pair| (batch, pair[0].first + pair[0].length..pair[1].first)));
    }
    if left >= right {
        return Err((0, "--join inner: no value is in all stores".into()));
    }
    // Between two stretches values are missing, or the next ones lie elsewhere in the batch.
    let is_within = |(_, gap): &&(usize, Range<u64>)| gap.end > left && gap.start < right;
    if let Some((batch, _)) = gaps.iter().find(is_within) {
        return Err((*batch, "--join inner: the values that all stores have do not follow each other here".into()));
    }
    let start = |matched: &&Matched| {
        let stretch =
            matched.stretches.iter().find(|stretch| (stretch.first..stretch.first + stretch.length).contains(&left));
        stretch.map_or(0, |stretch| stretch.own + left - stretch.first)
    };
    Ok(Common {
        length: right - left,
        starts: std::iter::once(left).chain(batches.iter().map(start)).collect(),
        is_cropped_in_first: right - left < length,
    })
}

#[cfg(test)]
mod tests {
    use zcoord::{Kind, Values};

    use super::*;

    fn column(values: &[f64]) -> Column {
        Column::new(Kind::Float(64), Values::F64(values.to_vec()))
    }

    fn found(batches: &[&[f64]], tolerance: f64) -> Result<Common, (usize, String)> {
        let first = column(batches[0]);
        let matched = |batch: &&[f64]| Matched {
            stretches: stretches(&first, &column(batch), tolerance),
            length: batch.len() as u64,
        };
        let all: Vec<Matched> = batches[1..].iter().map(matched).collect();
        common(first.len() as u64, &all.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_common_range_of_all_batches() {
        let first = [0.0, 1.0, 2.0, 3.0, 4.0];
        let common = found(&[&first, &[1.0, 2.0, 3.0, 4.0, 5.0], &[-1.0, 0.0, 1.0, 2.0, 3.0]], 0.0).expect("a range");
        assert_eq!((common.length, common.starts), (3, vec![1, 0, 2]));
        let common = found(&[&first, &first], 0.0).expect("all");
        assert_eq!((common.length, common.starts), (5, vec![0, 0]));
        let common = found(&[&first, &[1.04, 2.04]], 0.05).expect("within the tolerance");
        assert_eq!((common.length, common.starts), (2, vec![1, 0]));
        let descending = found(&[&[4.0, 3.0, 2.0], &[9.0, 3.0, 2.0, 1.0]], 0.0).expect("descending");
        assert_eq!((descending.length, descending.starts), (2, vec![1, 1]));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let first = [0.0, 1.0, 2.0, 3.0];
        assert_eq!(found(&[&first, &[7.0, 8.0]], 0.0).expect_err("nothing in common").0, 0);
        assert!(found(&[&first, &[0.0, 1.0], &[2.0, 3.0]], 0.0).is_err());
        for other in [&[0.0, 1.0, 3.0][..], &[3.0, 2.0, 1.0, 0.0], &[0.0, 1.0, 9.0, 2.0, 3.0]] {
            assert!(found(&[&first, other], 0.0).expect_err("no range").1.contains("follow"), "{other:?}");
        }
        // The nearest value counts, not the first within the tolerance.
        let common = found(&[&first, &[-1.0, 0.0, 1.0, 2.0, 3.0]], 1.0).expect("a range");
        assert_eq!((common.length, common.starts), (4, vec![0, 1]));
        // Equal columns are whole, whatever is in them.
        let odd = [f64::NAN, 1.0, 1.0, f64::INFINITY];
        assert_eq!(found(&[&odd, &odd], 0.0).expect("all").length, 4);
        let common = found(&[&[1.0, f64::INFINITY], &[0.0, 1.0, f64::INFINITY]], 0.0).expect("a range");
        assert_eq!((common.length, common.starts), (2, vec![0, 1]));
        // A gap outside of what all have does not matter.
        let common = found(&[&first, &[0.0, 2.0, 3.0], &[2.0, 3.0]], 0.0).expect("a range");
        assert_eq!((common.length, common.starts), (2, vec![2, 1, 0]));
    }
}
