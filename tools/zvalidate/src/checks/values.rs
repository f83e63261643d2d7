//! The values of one decoded chunk: statistics of all of it and of each step along one dimension, without the padding of
//! chunks at the edge.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use zarray::{Array, ChunkReader, DecodeScratch, Itemsize, NumberType, ZarrFormat, fill_element};
use zcodec::{CodecError, codec_name, to_usize};

use crate::checks::fill::Fill;
use crate::checks::scan::Scan;
use crate::kernel::{Scanner, Stats};

/// Steps of fewer values are not looked at one by one.
const LEAST_STEP: u64 = 16;

/// The most steps of an array that are looked at one by one: 24 MB of statistics.
const MOST_STEPS: u64 = 1 << 19;

/// Bytes that are decoded before they are looked at, so that they are still in the cache.
pub const PIECE: usize = 256 << 10;

/// How the values of an array are looked at.
pub struct Values {
    scanner: Scanner,
    /// Length of each dimension, in stored order.
    shape: Vec<u64>,
    /// The dimensions in stored order.
    pub order: Vec<usize>,
    /// Position in stored order of the dimension whose steps are looked at one by one.
    step: Option<usize>,
    /// Whether there was a chunk with some missing values: others may have boxes of them, too.
    has_boxes: AtomicBool,
}

/// A box of missing values that reaches from one edge of a chunk into it, over its whole width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeBox {
    /// The dimension along which it ends inside of the chunk.
    pub dimension: usize,
    /// Whether it begins at the first element of the chunk along it; otherwise it ends at the last.
    pub at_start: bool,
    /// Its length along it.
    pub length: u64,
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
    /// How the values of `array` are looked at; `None` if they are no numbers, or a filter encodes them.
    pub fn new(array: &Array, reader: &ChunkReader) -> Option<Values> {
        let shown = &*array.as_decoded();
        let chain = shown.chain.innermost();
        let is_layout = |name: &str| matches!(name, "transpose" | "bytes" | "endian");
        let kept = &chain.specs[..chain.kept];
        if !kept.iter().all(|spec| is_layout(codec_name(spec))) || reader.elements().itemsize == Itemsize::Variable {
            return None;
        }
        let number = match shown.format {
            ZarrFormat::V2 => NumberType::from_v2(&shown.dtype)?,
            ZarrFormat::V3 => {
                let endian = kept.last().and_then(|spec| spec.pointer("/configuration/endian"));
                NumberType::from_v3(shown.dtype.as_str()?, endian == Some(&"big".into()))?
            }
        };
        let fill = missing_element(shown, number);
        let scanner = Scanner::new(number, fill.as_deref())?;
        let order = reader.elements().order.clone();
        let shape = order.iter().map(|dimension| shown.shape[*dimension]).collect();
        let chunk: Vec<u64> = order.iter().map(|dimension| reader.grid().chunk_shape()[*dimension]).collect();
        let mut values = Values { scanner, shape, order, step: None, has_boxes: AtomicBool::new(false) };
        values.step = values.step_dimension(&chunk, array);
        Some(values)
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

    /// Whether values are floating-point numbers.
    pub fn is_float(&self) -> bool {
        self.scanner.is_float()
    }

    /// Decodes the stored bytes of a chunk of `reader`'s array, looks at it, and returns how many bytes it has.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn read(
        &self,
        reader: &ChunkReader,
        index: &[u64],
        bytes: &[u8],
        scratch: &mut DecodeScratch,
    ) -> Result<(ChunkValues, u64), CodecError> {
        let chunk = reader.grid().chunk(index);
        let at = |from: &[u64]| -> Vec<u64> { self.order.iter().map(|dimension| from[*dimension]).collect() };
        let (start, stored) = (at(chunk.start()), at(chunk.shape()));
        let valid = stored.iter().zip(&start).zip(&self.shape).map(|((length, start), end)| (*length).min(end - start));
        let valid: Vec<u64> = valid.collect();
        let mut scan = Scan::new(&self.scanner, &stored, &valid, self.step);
        let mut decoded = 0;
        // Boxes need the whole chunk.
        let is_whole = self.has_boxes.load(Ordering::Relaxed);
        let piece = if is_whole { usize::MAX } else { PIECE };
        reader.decode_pieces(index, bytes, piece, scratch, &mut |piece| {
            decoded += piece.len() as u64;
            scan.add(piece);
        })?;
        let (stats, steps) = scan.finish();
        let steps = (self.step.map_or(0, |step| start[step]), steps);
        let mut found = ChunkValues { stats, steps, boxes: Vec::new() };
        if stats.empty() > 0 && !stats.is_empty() {
            if !is_whole {
                self.has_boxes.store(true, Ordering::Relaxed);
                reader.decode(index, bytes, 1, scratch)?;
            }
            let chunk = Chunk { scanner: &self.scanner, stored: &stored, valid: &valid, decoded: &scratch.decoded };
            let boxes = (0..stored.len()).filter_map(|position| chunk.edge_box(position));
            found.boxes = boxes.map(|(position, found)| EdgeBox { dimension: self.order[position], ..found }).collect();
        }
        Ok((found, decoded))
    }
}

/// The element that stands for missing data, as `_FillValue`, `missing_value` or the metadata say.
fn missing_element(array: &Array, number: NumberType) -> Option<Vec<u8>> {
    let attribute = zcoord::missing_numbers(array, number).into_iter().find_map(|missing| number.encode(missing));
    attribute.or_else(|| if Fill::of(array) == Fill::Missing { fill_element(array).ok() } else { None })
}

/// A decoded chunk.
struct Chunk<'c> {
    scanner: &'c Scanner,
    /// Its lengths, in stored order.
    stored: &'c [u64],
    /// Its lengths inside of the array.
    valid: &'c [u64],
    decoded: &'c [u8],
}

impl Chunk<'_> {
    /// The bytes of elements that lie side by side.
    fn bytes(&self, elements: Range<usize>) -> &[u8] {
        let size = self.scanner.itemsize();
        self.decoded.get(elements.start * size..elements.end * size).unwrap_or_default()
    }

    /// Calls `visit` with the runs of elements inside of the array, until it returns false.
    fn runs(&self, from: usize, base: usize, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let (stored, valid) = (&self.stored[from..], &self.valid[from..]);
        let inner = to_usize(stored.iter().skip(1).product());
        match valid {
            [] => visit(self.bytes(base..base + 1)),
            [first, rest @ ..] if rest == &stored[1..] => visit(self.bytes(base..base + to_usize(*first) * inner)),
            [first, ..] => (0..to_usize(*first)).all(|at| self.runs(from + 1, base + at * inner, visit)),
        }
    }

    /// Whether all values of a plane are missing.
    fn is_plane_empty(&self, dimension: usize, at: u64) -> bool {
        self.is_empty_below(0, 0, dimension, to_usize(at))
    }

    fn is_empty_below(&self, from: usize, base: usize, dimension: usize, at: usize) -> bool {
        let inner = to_usize(self.stored[from + 1..].iter().product());
        if from == dimension {
            return self.runs(from + 1, base + at * inner, &mut |bytes| self.scanner.is_empty(bytes));
        }
        (0..to_usize(self.valid[from])).all(|index| self.is_empty_below(from + 1, base + index * inner, dimension, at))
    }

    /// The box of missing values at the start or the end of the chunk along a dimension.
    fn edge_box(&self, dimension: usize) -> Option<(usize, EdgeBox)> {
        let length = self.valid[dimension];
        if length < 2 {
            return None;
        }
        let at_start = (0..length).take_while(|at| self.is_plane_empty(dimension, *at)).count() as u64;
        let at_end = match at_start {
            0 => (0..length).rev().take_while(|at| self.is_plane_empty(dimension, *at)).count() as u64,
            _ => 0,
        };
        let found = |at_start, length| (dimension, EdgeBox { dimension, at_start, length });
        match (at_start, at_end) {
            (0, 0) => None,
            (0, length) => Some(found(false, length)),
            (length, _) => Some(found(true, length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F32: NumberType = NumberType { kind: 'f', size: 4, big_endian: false };

    fn chunk<'c>(scanner: &'c Scanner, stored: &'c [u64], valid: &'c [u64], decoded: &'c [u8]) -> Chunk<'c> {
        Chunk { scanner, stored, valid, decoded }
    }

    fn bytes(values: impl Iterator<Item = f32>) -> Vec<u8> {
        values.flat_map(f32::to_le_bytes).collect()
    }

    #[test]
    fn a_box_at_the_edge_of_a_chunk_is_measured() {
        let scanner = Scanner::new(F32, None).expect("a kernel");
        let decoded = bytes((0..60).map(|number| if number % 5 >= 3 { f32::NAN } else { 1.0 }));
        let chunk = chunk(&scanner, &[3, 4, 5], &[3, 4, 5], &decoded);
        assert_eq!(chunk.edge_box(2), Some((2, EdgeBox { dimension: 2, at_start: false, length: 2 })));
        assert_eq!((chunk.edge_box(0), chunk.edge_box(1)), (None, None));
        let decoded = bytes((0..60).map(|number| if number / 20 == 0 { f32::NAN } else { 1.0 }));
        let found = Chunk { decoded: &decoded, ..chunk }.edge_box(0);
        assert_eq!(found, Some((0, EdgeBox { dimension: 0, at_start: true, length: 1 })));
    }
}
