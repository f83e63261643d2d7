//! Reads a whole array into memory: for coordinates, which are small.

use parking_lot::Mutex;

use zcodec::CodecError;
use zstore::Store;

use crate::chain::DecodeScratch;
use crate::elements::Itemsize;
use crate::error::ZarrError;
use crate::fill::fill_element;
use crate::metadata::Array;
use crate::parallel::{OrderedMap, Pool};
use crate::reader::ChunkReader;
use crate::subset::{Subset, copy_subset};

/// Maximum size of a coordinate.
const MOST_BYTES: u64 = 4 << 30;

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

/// Reads all of `array`. Missing chunks read as the fill value.
///
/// # Errors
/// [`ZarrError::Metadata`] if its codecs or fill value are not supported or it is too large for a coordinate,
/// [`ZarrError::Store`], and [`ZarrError::Chunk`] for the first chunk that is damaged.
pub fn read_whole(store: &Store, array: &Array, pool: &Pool) -> Result<ArrayValues, ZarrError> {
    let place = || store.place(array.key_prefix());
    let wrong = |detail: String| ZarrError::Metadata { place: place(), detail };
    let reader = ChunkReader::new(store, array).map_err(wrong)?;
    let elements = reader.grid().elements();
    let size = match reader.elements().itemsize {
        Itemsize::Fixed(size) => size,
        Itemsize::Variable => 1,
    };
    if elements.saturating_mul(size as u64) > MOST_BYTES {
        return Err(wrong(format!("has {elements} elements, too many for a coordinate")));
    }
    let fill = fill_element(array).map_err(wrong)?;
    let numbers = 0..reader.grid().len();
    match reader.elements().itemsize {
        Itemsize::Fixed(itemsize) => {
            let bytes = Mutex::new(fill.repeat(elements as usize));
            let window = 4 * pool.workers();
            OrderedMap::new(pool, window).run(
                numbers,
                |number| fixed(&reader, number, itemsize, &bytes),
                |done| done,
            )?;
            let bytes = bytes.into_inner();
            Ok(ArrayValues::Fixed { itemsize, bytes })
        }
        Itemsize::Variable => {
            let mut values = vec![fill; elements as usize];
            for number in numbers {
                variable(&reader, number, &mut values)?;
            }
            Ok(ArrayValues::Variable(values))
        }
    }
}

/// Decodes a chunk; `None` if it is missing.
fn decoded(reader: &ChunkReader, index: &[u64], scratch: &mut DecodeScratch) -> Result<bool, ZarrError> {
    let mut stored = Vec::new();
    if !reader.fetch(index, &mut stored)?.present {
        return Ok(false);
    }
    let chunk = |source| ZarrError::Chunk { place: reader.place(index), source };
    reader.decode(&stored, 1, scratch).map_err(chunk).map(|()| true)
}

/// The array, and the part of a chunk inside it, in the order of the array.
fn inside(reader: &ChunkReader, index: &[u64]) -> (Subset, Subset, Subset) {
    let whole = Subset::whole(reader.grid().shape());
    let chunk = Subset::chunk(index, reader.grid().chunk_shape());
    let part = chunk.intersection(&whole).unwrap_or_else(|| Subset::whole(&vec![0; index.len()]));
    (whole, chunk, part)
}

fn fixed(reader: &ChunkReader, number: u64, itemsize: usize, bytes: &Mutex<Vec<u8>>) -> Result<(), ZarrError> {
    let index = reader.grid().index(number);
    let mut scratch = DecodeScratch::default();
    if !decoded(reader, &index, &mut scratch)? {
        return Ok(());
    }
    let (whole, chunk, part) = inside(reader, &index);
    if (scratch.decoded.len() as u64) < chunk.elements().saturating_mul(itemsize as u64) {
        let source = CodecError::WrongSize { expected: reader.chunk_bytes(), found: scratch.decoded.len() as u64 };
        return Err(ZarrError::Chunk { place: reader.place(&index), source });
    }
    // The chunk is in C order of its permuted dimensions, the target in the order of the array.
    let order = &reader.elements().order;
    let mut target = bytes.lock();
    if order.iter().enumerate().all(|(place, dimension)| place == *dimension) {
        copy_subset(&part, &chunk, &scratch.decoded, &whole, &mut target, itemsize);
        return Ok(());
    }
    let stored = chunk.permuted(order);
    for member in (0..part.elements()).map(|number| part.member(number)) {
        let picked: Vec<u64> = order.iter().map(|dimension| member[*dimension]).collect();
        let (from, to) = (stored.number(&picked) as usize * itemsize, whole.number(&member) as usize * itemsize);
        target[to..to + itemsize].copy_from_slice(&scratch.decoded[from..from + itemsize]);
    }
    Ok(())
}

fn variable(reader: &ChunkReader, number: u64, values: &mut [Vec<u8>]) -> Result<(), ZarrError> {
    let index = reader.grid().index(number);
    let mut scratch = DecodeScratch::default();
    if !decoded(reader, &index, &mut scratch)? {
        return Ok(());
    }
    let (whole, chunk, part) = inside(reader, &index);
    let items = separated(&scratch.decoded).filter(|items| items.len() as u64 >= chunk.elements());
    let items = items.ok_or_else(|| {
        let detail = "truncated element".to_owned();
        ZarrError::Chunk { place: reader.place(&index), source: CodecError::Invalid { format: "vlen", detail } }
    })?;
    let stored = chunk.permuted(&reader.elements().order);
    for member in (0..part.elements()).map(|number| part.member(number)) {
        let picked: Vec<u64> = reader.elements().order.iter().map(|dimension| member[*dimension]).collect();
        values[whole.number(&member) as usize] = items[stored.number(&picked) as usize].to_vec();
    }
    Ok(())
}

/// The elements of a chunk in the format of the `vlen` codecs of numcodecs: the count, then each element after its length,
/// as 32-bit integers.
pub(crate) fn separated(decoded: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, mut rest) = decoded.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*count) as usize;
    let mut items = Vec::with_capacity(count.min(rest.len() / 4));
    for _ in 0..count {
        let (len, behind) = rest.split_first_chunk::<4>()?;
        let (item, behind) = behind.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        items.push(item);
        rest = behind;
    }
    Some(items)
}
