//! Reads an array, or a box of it, into memory: for coordinates, which are small.

use parking_lot::Mutex;

use zcodec::{CodecError, to_usize};
use zstore::Store;

use crate::chain::DecodeScratch;
use crate::elements::Itemsize;
use crate::error::ZarrError;
use crate::fill::fill_element;
use crate::metadata::Array;
use crate::parallel::{OrderedMap, Pool};
use crate::reader::ChunkReader;
use crate::subset::{Subset, copy_subset};

/// The elements of an array in C order, as decoded chunks hold them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArrayValues {
    /// Elements of fixed size, contiguous.
    Fixed {
        /// Bytes per element.
        itemsize: usize,
        /// The bytes of all elements.
        bytes: Vec<u8>,
    },
    /// Elements of variable length.
    Variable(Vec<Vec<u8>>),
}

/// Reads all of `array`, which may take `most_bytes` of memory. Missing chunks read as the fill value.
///
/// # Errors
/// [`ZarrError::Metadata`] if its codecs are not supported, or a chunk is missing and the fill value is not supported;
/// [`ZarrError::TooLarge`], [`ZarrError::Store`], and [`ZarrError::Chunk`] for the first chunk that is damaged.
pub fn read_whole(store: &Store, array: &Array, pool: &Pool, most_bytes: u64) -> Result<ArrayValues, ZarrError> {
    read_region(store, array, &Subset::whole(&array.shape), pool, most_bytes)
}

/// As [`read_whole`], of a box of `array` only.
///
/// # Errors
/// As [`read_whole`].
pub fn read_region(
    store: &Store,
    array: &Array,
    region: &Subset,
    pool: &Pool,
    most_bytes: u64,
) -> Result<ArrayValues, ZarrError> {
    let wrong = |detail: String| ZarrError::Metadata { place: store.place(array.key_prefix()), detail };
    let reader = ChunkReader::new(store, array).map_err(wrong)?.with_limit(most_bytes);
    let elements = region.elements();
    let size = match reader.elements().itemsize {
        Itemsize::Fixed(size) => size,
        Itemsize::Variable => size_of::<Vec<u8>>(),
    };
    let needed = elements.saturating_mul(size as u64).max(reader.chunk_bytes());
    let too_large = |needed: u64| {
        let (needed, limit) = (zwire::human_bytes(needed), zwire::human_bytes(most_bytes));
        let detail =
            format!("reading {elements} values needs {needed} of memory; the limit for coordinates is {limit}");
        ZarrError::TooLarge { place: store.place(array.key_prefix()), detail }
    };
    let count = usize::try_from(elements).ok().filter(|_| needed <= most_bytes).ok_or_else(|| too_large(needed))?;
    let chunks = reader.grid().touched(region);
    let numbers = 0..chunks.elements();
    let whole = Region { reader: &reader, region, chunks, fill: fill_element(array) };
    match reader.elements().itemsize {
        Itemsize::Fixed(itemsize) => {
            let filled = whole.fill.as_ref().map_or_else(|_| vec![0; count * itemsize], |fill| fill.repeat(count));
            let bytes = Mutex::new(filled);
            let window = 4 * pool.workers();
            OrderedMap::new(pool, window).run(numbers, |number| whole.fixed(number, itemsize, &bytes), |done| done)?;
            let bytes = bytes.into_inner();
            Ok(ArrayValues::Fixed { itemsize, bytes })
        }
        Itemsize::Variable => {
            let fill = whole.fill.clone().unwrap_or_default();
            let mut held = elements.saturating_mul((size + fill.len()) as u64);
            if held > most_bytes {
                return Err(too_large(held));
            }
            let mut values = vec![fill; count];
            for number in numbers {
                let fits = |bytes: u64| match held.saturating_add(bytes) {
                    needed if needed > most_bytes => Err(too_large(needed)),
                    _ => Ok(()),
                };
                held += whole.variable(number, &mut values, fits)?;
            }
            Ok(ArrayValues::Variable(values))
        }
    }
}

/// A box of an array that is being read.
struct Region<'a> {
    reader: &'a ChunkReader<'a>,
    region: &'a Subset,
    /// Its chunks.
    chunks: Subset,
    /// Only a missing chunk needs it.
    fill: Result<Vec<u8>, String>,
}

impl Region<'_> {
    /// The stored bytes of a chunk; `None` if it is missing.
    fn stored(&self, index: &[u64]) -> Result<Option<Vec<u8>>, ZarrError> {
        let mut stored = Vec::new();
        if self.reader.fetch(index, &mut stored)?.present {
            return Ok(Some(stored));
        }
        let missing = |why: &String| format!("it is not stored, and {why}");
        let wrong = |why| ZarrError::Metadata { place: self.reader.place(index), detail: missing(why) };
        self.fill.as_ref().map(|_| None).map_err(wrong)
    }

    /// A chunk, and the part of it inside the box, in the order of the array.
    fn inside(&self, index: &[u64]) -> (Subset, Subset) {
        let chunk = self.reader.grid().chunk(index);
        let part = chunk.intersection(self.region).unwrap_or_else(|| Subset::whole(&vec![0; index.len()]));
        (chunk, part)
    }

    fn fixed(&self, number: u64, itemsize: usize, bytes: &Mutex<Vec<u8>>) -> Result<(), ZarrError> {
        let reader = self.reader;
        let index = self.chunks.member(number);
        let damaged = |source| ZarrError::Chunk { place: reader.place(&index), source };
        let Some(stored) = self.stored(&index)? else { return Ok(()) };
        let (whole, (chunk, part)) = (self.region, self.inside(&index));
        let mut scratch = DecodeScratch::default();
        // The chunk is in C order of its permuted dimensions, the target in the order of the array.
        let order = &reader.elements().order;
        if order.iter().enumerate().all(|(place, dimension)| place == *dimension) {
            let start = part.start().iter().zip(chunk.start()).map(|(part, chunk)| part - chunk).collect();
            let within = Subset::new(start, part.shape().to_vec());
            if part == *whole {
                // A large coordinate is often one chunk.
                return reader
                    .decode_subset(&index, &stored, &within, &mut bytes.lock(), 1, &mut scratch)
                    .map(drop)
                    .map_err(damaged);
            }
            let mut decoded = vec![0; to_usize(part.elements()) * itemsize];
            reader.decode_subset(&index, &stored, &within, &mut decoded, 1, &mut scratch).map_err(damaged)?;
            copy_subset(&part, &part, &decoded, whole, &mut bytes.lock(), itemsize);
            return Ok(());
        }
        reader.decode(&index, &stored, 1, &mut scratch).map_err(damaged)?;
        if (scratch.decoded.len() as u64) < chunk.elements().saturating_mul(itemsize as u64) {
            let (expected, found) = (reader.chunk_bytes(), scratch.decoded.len() as u64);
            return Err(damaged(CodecError::WrongSize { expected, found }));
        }
        let mut target = bytes.lock();
        let stored = chunk.permuted(order);
        for member in (0..part.elements()).map(|number| part.member(number)) {
            let picked: Vec<u64> = order.iter().map(|dimension| member[*dimension]).collect();
            let (from, to) = (to_usize(stored.number(&picked)) * itemsize, to_usize(whole.number(&member)) * itemsize);
            target[to..to + itemsize].copy_from_slice(&scratch.decoded[from..from + itemsize]);
        }
        Ok(())
    }

    /// Takes in the values of a chunk, if they fit the memory beside the decoded chunk; returns their bytes.
    fn variable(
        &self,
        number: u64,
        values: &mut [Vec<u8>],
        fits: impl Fn(u64) -> Result<(), ZarrError>,
    ) -> Result<u64, ZarrError> {
        let reader = self.reader;
        let index = self.chunks.member(number);
        let damaged = |source| ZarrError::Chunk { place: reader.place(&index), source };
        let Some(stored) = self.stored(&index)? else { return Ok(0) };
        let (mut scratch, mut bytes) = (DecodeScratch::default(), 0);
        reader.decode(&index, &stored, 1, &mut scratch).map_err(damaged)?;
        let (whole, (chunk, part)) = (self.region, self.inside(&index));
        let decoded = scratch.decoded.len() as u64;
        fits(decoded.saturating_add(chunk.elements().saturating_mul(size_of::<&[u8]>() as u64)))?;
        let items = separated(&scratch.decoded, to_usize(chunk.elements()))
            .ok_or_else(|| damaged(CodecError::Invalid { format: "vlen", detail: "truncated element".to_owned() }))?;
        let stored = chunk.permuted(&reader.elements().order);
        for member in (0..part.elements()).map(|number| part.member(number)) {
            let picked: Vec<u64> = reader.elements().order.iter().map(|dimension| member[*dimension]).collect();
            let item = items[to_usize(stored.number(&picked))];
            bytes += item.len() as u64;
            fits(decoded.saturating_add(bytes))?;
            values[to_usize(whole.number(&member))] = item.to_vec();
        }
        Ok(bytes)
    }
}

/// The first `count` elements of a chunk in the format of the `vlen` codecs of numcodecs: how many there are, then each after
/// its length, as 32-bit integers.
fn separated(decoded: &[u8], count: usize) -> Option<Vec<&[u8]>> {
    let (stored, mut rest) = decoded.split_first_chunk::<4>()?;
    if (u32::from_le_bytes(*stored) as usize) < count {
        return None;
    }
    let mut items = Vec::with_capacity(count.min(rest.len() / 4));
    for _ in 0..count {
        let (len, behind) = rest.split_first_chunk::<4>()?;
        let (item, behind) = behind.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        items.push(item);
        rest = behind;
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use zstore::StoreOptions;

    use super::*;

    /// Three chunks of two texts each, of a megabyte.
    fn texts() -> (tempfile::TempDir, Store, Array) {
        let directory = tempfile::tempdir().expect("a directory");
        let text = br#"{"zarr_format": 2, "shape": [6], "chunks": [2], "dtype": "|O", "fill_value": "", "order": "C",
            "filters": [{"id": "vlen-utf8"}], "compressor": null}"#;
        for number in 0..3 {
            let mut chunk = 2u32.to_le_bytes().to_vec();
            for letter in [b'a', b'b'] {
                chunk.extend((1u32 << 20).to_le_bytes());
                chunk.extend(vec![letter; 1 << 20]);
            }
            fs::write(directory.path().join(number.to_string()), chunk).expect("writes");
        }
        let store = Store::open(directory.path(), &StoreOptions::default()).expect("a store");
        let array = crate::array_v2("/", text, None).expect("an array");
        (directory, store, array)
    }

    /// Beside the values, one decoded chunk is in memory.
    #[test]
    fn text_that_does_not_fit_the_memory_is_refused() {
        let (_directory, store, array) = texts();
        let read = |most: u64| read_whole(&store, &array, &Pool::new(1), most);
        match read(10 << 20).expect("fits") {
            ArrayValues::Variable(values) => {
                assert!(values.len() == 6 && values.iter().all(|value| value.len() == 1 << 20));
                assert_eq!((values[4][0], values[5][0]), (b'a', b'b'));
            }
            other => panic!("{other:?}"),
        }
        for most in [7 << 20, 4 << 20, 3 << 20] {
            let error = read(most).expect_err("too large");
            assert!(matches!(&error, ZarrError::TooLarge { .. }), "{most}: {error}");
        }
        assert!(matches!(read(1 << 20), Err(ZarrError::Chunk { source: CodecError::Memory { .. }, .. })));
    }

    #[test]
    fn elements_are_counted_before_they_are_taken() {
        assert_eq!(separated(&[2, 0, 0, 0, 1, 0, 0, 0, b'x', 0, 0, 0, 0], 2), Some(vec![&b"x"[..], b""]));
        for bytes in [&[1, 0, 0, 0, 0, 0, 0, 0][..], &[2, 0, 0, 0, 9, 0, 0, 0, 1], &[2, 0]] {
            assert_eq!(separated(bytes, 2), None, "{bytes:?}");
        }
    }
}
