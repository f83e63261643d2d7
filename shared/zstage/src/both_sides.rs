//! An array of a finished output beside what its plan makes of the sources: boxes of both are read and compared.

use zarray::{Array, ArrayValues, Grid, Pool, Subset, ZarrError, copy_subset, read_region};
use zcodec::to_usize;
use zcoord::{DecodeOptions, Mode, decoder, label_of};
use zstore::Store;
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::stored_bytes::{Extent, copied_from, have_same_bytes};

/// An array of the output, and its plan.
pub struct BothSides<'a> {
    pub plan: &'a ArrayPlan,
    /// The array as the documents of the output describe it.
    pub output: Array,
    pub stores: &'a [Store],
    pub written: &'a Store,
    /// Bytes of memory that a box may take on either side.
    pub memory: u64,
}

/// What a comparison found.
#[derive(Debug)]
pub enum Compared {
    /// Both sides have the same values.
    Same,
    /// They have not.
    Differs(Difference),
    /// One side cannot be decoded, because of its codec or because the source is damaged.
    Unknown,
}

/// The first element that differs, as decoded chunks hold it.
#[derive(Debug)]
pub struct Difference {
    pub found: Vec<u8>,
    pub expected: Vec<u8>,
}

impl BothSides<'_> {
    /// Compares the values of a box of the output with those that the plan makes.
    ///
    /// # Errors
    /// The stores', and [`Exit::Output`] for a chunk of the output that is damaged.
    pub fn compare(&self, part: &Subset) -> Result<Compared, Failure> {
        let Some(expected) = readable(self.expected(part))? else { return Ok(Compared::Unknown) };
        let found = match read_region(self.written, &self.output, part, &Pool::new(1), self.memory) {
            Err(error @ ZarrError::Chunk { .. }) => {
                let failure = Failure::new(Exit::Output, format!("the output exists, but cannot be read: {error}"));
                return Err(failure.hint("use --overwrite to write it again"));
            }
            found => readable(found.map_err(Failure::from))?,
        };
        let Some(found) = found else { return Ok(Compared::Unknown) };
        Ok(compared(&found, &expected))
    }

    /// What the plan makes of the sources in a box of the output.
    fn expected(&self, part: &Subset) -> Result<ArrayValues, Failure> {
        let view = &self.plan.view;
        if view.is_whole() {
            return Ok(read_region(&self.stores[0], &self.plan.array, part, &Pool::new(1), self.memory)?);
        }
        let regions = view.regions_of(part);
        if let [(number, region)] = regions.as_slice()
            && region == part
        {
            return self.of_piece(*number, region);
        }
        let mut all: Option<ArrayValues> = None;
        for (number, region) in &regions {
            let values = self.of_piece(*number, region)?;
            match (all.get_or_insert_with(|| empty(&values, part)), values) {
                (ArrayValues::Fixed { itemsize, bytes }, ArrayValues::Fixed { itemsize: own, bytes: values })
                    if *itemsize == own =>
                {
                    copy_subset(region, region, &values, part, bytes, own);
                }
                (ArrayValues::Variable(all), ArrayValues::Variable(values)) => {
                    for (at, value) in values.into_iter().enumerate() {
                        all[to_usize(part.number(&region.member(at as u64)))] = value;
                    }
                }
                _ => {
                    return Err(Failure::new(Exit::Unreadable, "its elements differ in size").at(&self.plan.array.path));
                }
            }
        }
        let covered: u64 = regions.iter().map(|(_, region)| region.elements()).sum();
        let all = all.filter(|_| covered == part.elements());
        all.ok_or_else(|| Failure::new(Exit::Unreadable, "no source has its elements").at(&self.plan.array.path))
    }

    /// Elements of a piece, as the output has them.
    fn of_piece(&self, number: usize, region: &Subset) -> Result<ArrayValues, Failure> {
        let piece = self.plan.view.piece(number);
        let store = &self.stores[piece.store];
        let values = read_region(store, &piece.array, &piece.in_source(region), &Pool::new(1), self.memory)?;
        let Some(recode) = &piece.recode else { return Ok(values) };
        let convert = |source: &[u8]| {
            let mut converted = Vec::with_capacity(source.len());
            let refused = |why: String| Failure::new(Exit::Unreadable, why).at(&self.plan.array.path);
            recode.recode(source, &mut converted).map(|()| converted).map_err(refused)
        };
        match values {
            ArrayValues::Fixed { bytes, .. } => {
                let bytes = convert(&bytes)?;
                Ok(ArrayValues::Fixed { itemsize: bytes.len() / to_usize(region.elements().max(1)), bytes })
            }
            ArrayValues::Variable(values) => {
                Ok(ArrayValues::Variable(values.iter().map(|value| convert(value)).collect::<Result<_, _>>()?))
            }
        }
    }

    /// The grid of the objects of the output.
    pub fn objects(&self) -> Option<&Grid> {
        self.output.numbered()
    }

    /// The key of an object of the output.
    pub fn key(&self, index: &[u64]) -> String {
        self.output.key(&self.output.keys.encode(index))
    }

    /// The number that the object with this index has in the plan, where the array keeps its chunks.
    pub fn unit(&self, index: &[u64]) -> Option<u64> {
        let grid = self.plan.array.numbered().filter(|_| self.plan.rechunk().is_none())?;
        match self.plan.view.chosen() {
            Some(chunks) => chunks.number(index),
            None => grid.contains(index).then(|| grid.number(index)),
        }
    }

    /// Whether an object has the stored bytes of the one that it is a copy of; `None` if it is none, or one of them is missing.
    ///
    /// # Errors
    /// The stores'.
    pub fn has_same_bytes(&self, index: &[u64], extent: Extent) -> Result<Option<bool>, Failure> {
        let Some((store, key)) = self.unit(index).and_then(|unit| copied_from(self.plan, unit)) else {
            return Ok(None);
        };
        Ok(have_same_bytes((&self.stores[store], &key), (self.written, &self.key(index)), extent)?)
    }

    /// Two elements as they are read: `first 2019-03-01T00:00, expected 2019-03-02T00:00`; `None` if their type is not supported.
    pub fn labels(&self, difference: &Difference) -> Option<String> {
        let decoder = decoder(&self.output, DecodeOptions { mode: Mode::Cf, fill_value_as_mask: Some(false) }).ok()?;
        let label = |element: &Vec<u8>| {
            let column = match decoder.itemsize() {
                Some(size) if size == element.len() => decoder.decode(element, &[]).column,
                Some(_) => return None,
                None => decoder.decode_text(std::slice::from_ref(element), &[]).column,
            };
            (column.len() == 1).then(|| label_of(&column, 0))
        };
        Some(format!("first {}, expected {}", label(&difference.found)?, label(&difference.expected)?))
    }
}

/// The result of a read; `None` for what cannot be decoded, or not in the memory that there is.
fn readable<T>(read: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match read {
        Err(failure) if matches!(failure.exit, Exit::Unreadable | Exit::Usage) => Ok(None),
        read => read.map(Some),
    }
}

/// Values of the kind of `like`, as many as `part` has.
fn empty(like: &ArrayValues, part: &Subset) -> ArrayValues {
    let count = to_usize(part.elements());
    match like {
        ArrayValues::Fixed { itemsize, .. } => {
            ArrayValues::Fixed { itemsize: *itemsize, bytes: vec![0; count * itemsize] }
        }
        ArrayValues::Variable(_) => ArrayValues::Variable(vec![Vec::new(); count]),
    }
}

fn compared(found: &ArrayValues, expected: &ArrayValues) -> Compared {
    let differs = |found: &[u8], expected: &[u8]| {
        Compared::Differs(Difference { found: found.to_vec(), expected: expected.to_vec() })
    };
    match (found, expected) {
        (ArrayValues::Fixed { itemsize, bytes: found }, ArrayValues::Fixed { itemsize: other, bytes: expected })
            if itemsize == other && *itemsize > 0 =>
        {
            if found == expected {
                return Compared::Same;
            }
            let mut pairs = found.chunks(*itemsize).zip(expected.chunks(*itemsize));
            pairs.find(|(a, b)| a != b).map_or(Compared::Unknown, |(found, expected)| differs(found, expected))
        }
        (ArrayValues::Variable(found), ArrayValues::Variable(expected)) => {
            let mut pairs = found.iter().zip(expected);
            pairs.find(|(a, b)| a != b).map_or(Compared::Same, |(found, expected)| differs(found, expected))
        }
        _ => Compared::Unknown,
    }
}
