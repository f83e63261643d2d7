//! The values of one decoded chunk: statistics of all of it and of each step along one dimension, without the padding of
//! chunks at the edge.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use zarray::{Array, ChunkReader, Itemsize, Number, NumberType, ZarrError, ZarrFormat, codec_name, fill_element};
use zcodec::to_usize;
use zcoord::{Element, Filters};

use crate::checks::bounds::{Bounds, EdgeBox};
use crate::checks::fill::Fill;
use crate::checks::scan::Scan;
use crate::kernel::{Scanner, Stats};

/// Steps of fewer values are not looked at one by one.
const LEAST_STEP: u64 = 16;

/// The most steps of an array that are looked at one by one: 30 MB of statistics.
const MOST_STEPS: u64 = 1 << 19;

/// Bytes that are decoded before they are looked at, so that they are still in the cache.
pub const PIECE: usize = 256 << 10;

/// Decodes a chunk, and calls a function with its bytes, in order and in pieces of whole elements. It may be called again.
pub type Each<'e> = &'e mut dyn FnMut(&mut dyn FnMut(&[u8])) -> Result<(), ZarrError>;

/// How the values of an array are looked at.
pub struct Values {
    scanner: Scanner,
    /// The filters that encode each number by itself, where they change it.
    filters: Option<Filters>,
    /// Length of each dimension, in stored order.
    shape: Vec<u64>,
    /// The dimensions in stored order.
    pub order: Vec<usize>,
    /// Position in stored order of the dimension whose steps are looked at one by one.
    step: Option<usize>,
    /// Whether there was a chunk with some missing values: others may have boxes of them, too.
    has_boxes: AtomicBool,
}

/// What the values of a chunk are like.
#[derive(Debug, Default)]
pub struct ChunkValues {
    /// All values.
    pub stats: Stats,
    /// Index of the first step, and the values of each.
    pub steps: (u64, Vec<Stats>),
    /// Boxes of missing values.
    pub boxes: Vec<EdgeBox>,
}

/// What the values of all chunks of an object are like; a shard may have very many.
#[derive(Debug, Default)]
pub struct ObjectValues {
    /// All values.
    pub stats: Stats,
    /// Index of the first step, and the values of each.
    pub steps: (u64, Vec<Stats>),
    /// The number of each chunk in the grid of chunks, and whether all its values are missing.
    pub chunks: Vec<(u64, bool)>,
    /// Boxes of missing values by chunk.
    pub boxes: Vec<(u64, EdgeBox)>,
}

impl ObjectValues {
    /// Adds a chunk.
    pub fn add(&mut self, number: u64, chunk: ChunkValues) {
        self.stats.merge(&chunk.stats);
        self.chunks.push((number, chunk.stats.is_empty()));
        self.boxes.extend(chunk.boxes.into_iter().map(|found| (number, found)));
        let (first, steps) = chunk.steps;
        if self.steps.1.is_empty() {
            self.steps = (first, steps);
            return;
        }
        // Chunks come in the order of the grid, so that an earlier step is rare.
        let before = to_usize(self.steps.0.saturating_sub(first));
        self.steps.1.splice(0..0, std::iter::repeat_n(Stats::default(), before));
        self.steps.0 -= before as u64;
        let at = to_usize(first - self.steps.0);
        let end = (at + steps.len()).max(self.steps.1.len());
        self.steps.1.resize(end, Stats::default());
        self.steps.1[at..].iter_mut().zip(&steps).for_each(|(sum, step)| sum.merge(step));
    }
}

impl Values {
    /// How the values of `array` are looked at; `None` if they are text.
    ///
    /// # Errors
    /// The filter or the data type that is not supported.
    pub fn new(array: &Array, reader: &ChunkReader) -> Result<Option<Values>, String> {
        let shown = &*array.as_decoded();
        if reader.elements().itemsize == Itemsize::Variable {
            return Ok(None);
        }
        let Some(number) = number_type(shown)? else { return Ok(None) };
        let filters = Filters::of(shown, Some(number)).map_err(|error| error.to_string())?;
        let (number, filters) = match filters {
            // Rounded numbers are stored as such.
            Some(filters) if rounds_only(shown) && is_alike(filters.encoded, number) => (filters.encoded, None),
            Some(filters) => (NumberType { big_endian: false, ..number }, Some(filters)),
            None => (number, None),
        };
        let fill = missing_element(shown, number, filters.is_some());
        let scanner = Scanner::new(number, fill.as_deref()).ok_or_else(|| unsupported(shown))?;
        let order = reader.elements().order.clone();
        let shape = order.iter().map(|dimension| shown.shape[*dimension]).collect();
        let chunk: Vec<u64> = order.iter().map(|dimension| reader.grid().chunk_shape()[*dimension]).collect();
        let mut values = Values { scanner, filters, shape, order, step: None, has_boxes: AtomicBool::new(false) };
        values.step = values.step_dimension(&chunk, array);
        Ok(Some(values))
    }

    /// The first dimension with several elements, if those of one step of a chunk lie side by side and are enough; a time
    /// dimension behind such with one element a chunk.
    fn step_dimension(&self, chunk: &[u64], array: &Array) -> Option<usize> {
        let is_time = |dimension: usize| {
            let names = array.dimension_names.as_ref();
            names.and_then(|names| names.get(dimension)?.as_deref()).is_some_and(|name| name.contains("time"))
        };
        let contiguous = |at: usize| chunk[..at].iter().all(|length| *length == 1);
        let fits = |at: usize| {
            let values: u64 = chunk[at + 1..].iter().product();
            self.shape[at] > 1 && self.shape[at] <= MOST_STEPS && values >= LEAST_STEP
        };
        let positions: Vec<usize> = (0..chunk.len()).filter(|at| contiguous(*at) && fits(*at)).collect();
        positions.iter().find(|at| is_time(self.order[**at])).or(positions.first()).copied()
    }

    /// The dimension of the array whose steps are looked at.
    pub fn dimension(&self) -> Option<usize> {
        self.step.map(|at| self.order[at])
    }

    /// The dimensions before that of the steps, of which a chunk holds one index: forecasts or files, mostly.
    pub fn outer_dimensions(&self) -> &[usize] {
        self.step.map_or(&[], |at| &self.order[..at])
    }

    /// The smallest and the largest value, if there are any.
    pub fn extremes(&self, stats: &Stats) -> Option<[Number; 2]> {
        self.scanner.extremes(stats)
    }

    /// Whether values are floating-point numbers.
    pub fn is_float(&self) -> bool {
        self.scanner.is_float()
    }

    /// Elements of a decoded chunk without the filters.
    fn undone<'p>(&self, piece: &'p [u8]) -> Cow<'p, [u8]> {
        self.filters.as_ref().map_or(Cow::Borrowed(piece), |filters| Cow::Owned(filters.undo(piece)))
    }

    /// Looks at a chunk of `reader`'s array, which `each` decodes piece by piece, and returns how many bytes it has.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn read(&self, reader: &ChunkReader, index: &[u64], each: Each) -> Result<(ChunkValues, u64), ZarrError> {
        let chunk = reader.grid().chunk(index);
        let at = |from: &[u64]| -> Vec<u64> { self.order.iter().map(|dimension| from[*dimension]).collect() };
        let (start, stored) = (at(chunk.start()), at(chunk.shape()));
        let valid = stored.iter().zip(&start).zip(&self.shape).map(|((length, start), end)| (*length).min(end - start));
        let valid: Vec<u64> = valid.collect();
        let mut scan = Scan::new(&self.scanner, &stored, &valid, self.step);
        let mut decoded = 0;
        let mut bounds = Bounds::new(&self.scanner, &stored, &valid);
        let has_boxes = self.has_boxes.load(Ordering::Relaxed);
        each(&mut |piece| {
            decoded += piece.len() as u64;
            let piece = self.undone(piece);
            scan.add(&piece);
            if has_boxes {
                bounds.add(&piece);
            }
        })?;
        let (stats, steps) = scan.finish();
        let steps = (self.step.map_or(0, |step| start[step]), steps);
        let mut found = ChunkValues { stats, steps, boxes: Vec::new() };
        if stats.empty() > 0 && !stats.is_empty() {
            if !has_boxes {
                self.has_boxes.store(true, Ordering::Relaxed);
                each(&mut |piece| bounds.add(&self.undone(piece)))?;
            }
            let boxes = bounds.boxes();
            found.boxes = boxes.map(|found| EdgeBox { dimension: self.order[found.dimension], ..found }).collect();
        }
        Ok((found, decoded))
    }
}

/// The numbers of an array in stored byte order; `None` for text.
fn number_type(array: &Array) -> Result<Option<NumberType>, String> {
    let chain = array.chain.innermost();
    let endian = chain.specs[..chain.kept].last().and_then(|spec| spec.pointer("/configuration/endian"));
    let number = match array.format {
        ZarrFormat::V2 => NumberType::from_v2(&array.dtype),
        ZarrFormat::V3 => {
            array.dtype.as_str().and_then(|name| NumberType::from_v3(name, endian == Some(&"big".into())))
        }
    };
    match Element::of(array) {
        _ if number.is_some() => Ok(number),
        Ok(Element::Bytes(_) | Element::Characters(..) | Element::Text) => Ok(None),
        _ => Err(unsupported(array)),
    }
}

fn unsupported(array: &Array) -> String {
    format!("data type {} is not supported", array.dtype)
}

/// Whether the filters of an array do no more than round its numbers before they are stored.
fn rounds_only(array: &Array) -> bool {
    let chain = array.chain.innermost();
    let names = chain.specs[..chain.kept].iter().map(codec_name);
    let rounds = |name: &str| matches!(name.strip_prefix("numcodecs.").unwrap_or(name), "bitround" | "quantize");
    names.filter(|name| !matches!(*name, "transpose" | "bytes" | "endian")).all(rounds)
}

/// Whether two types are the same but for their byte order.
fn is_alike(one: NumberType, other: NumberType) -> bool {
    (one.kind, one.size) == (other.kind, other.size)
}

/// The element that stands for missing data, as `_FillValue`, `missing_value` or the metadata say; of decoded elements (`decodes`),
/// else as it is stored.
fn missing_element(array: &Array, number: NumberType, decodes: bool) -> Option<Vec<u8>> {
    let attribute = ["_FillValue", "missing_value"]
        .iter()
        .find_map(|name| number.element(array.attributes.get(*name)?))
        // As text in Base64, which xarray writes.
        .or_else(|| zcoord::missing_numbers(array, number).into_iter().find_map(|missing| number.encode(missing)));
    let fill = || match Fill::of(array) {
        Fill::Missing if decodes => number.element(&array.fill_value),
        Fill::Missing => fill_element(array).ok(),
        _ => None,
    };
    attribute.or_else(fill)
}
