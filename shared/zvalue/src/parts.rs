//! Reads parts of the chunks of an array, as elements in C order.

use zarray::{Array, ChunkReader, DecodeScratch, Itemsize, Subset, ZarrError, fill_element};
use zcodec::to_usize;
use zstore::Store;

use crate::value_type::ValueType;

/// Buffers of a worker for one array.
#[derive(Default)]
pub struct PartBuffers {
    /// Stored bytes.
    pub stored: Vec<u8>,
    /// Decoded bytes.
    pub scratch: DecodeScratch,
    /// The part, before its dimensions are put into C order.
    permuted: Vec<u8>,
}

/// The chunks of an array.
pub struct Parts<'a> {
    /// Its store.
    pub store: &'a Store,
    /// The array.
    pub array: &'a Array,
    /// Reads its chunks.
    pub reader: ChunkReader<'a>,
    /// What its elements mean.
    pub value: ValueType,
    /// Bytes of an element in a decoded chunk; 0 for variable length.
    pub itemsize: usize,
    /// The element of missing chunks, or why it is not known.
    fill: Result<Vec<u8>, String>,
}

impl<'a> Parts<'a> {
    /// The chunks of `array`, each of which may take `limit` bytes.
    ///
    /// # Errors
    /// A message that names the codec or the data type that is not supported.
    pub fn new(store: &'a Store, array: &'a Array, limit: u64) -> Result<Parts<'a>, String> {
        let reader = ChunkReader::new(store, array)?.with_limit(limit);
        let itemsize = match reader.elements().itemsize {
            Itemsize::Fixed(size) => size,
            Itemsize::Variable => 0,
        };
        Ok(Parts { store, array, value: ValueType::of(array)?, itemsize, fill: fill_element(array), reader })
    }

    /// The element of the fill value, as decoded chunks hold it.
    ///
    /// # Errors
    /// [`ZarrError::Metadata`] if it is not known; `index` is the missing chunk.
    pub fn fill(&self, index: &[u64]) -> Result<&[u8], ZarrError> {
        let wrong = |why: &String| format!("it is not stored, and {why}");
        self.fill.as_deref().map_err(|why| ZarrError::Metadata { place: self.reader.place(index), detail: wrong(why) })
    }

    /// Chunk `index` without the padding that lies outside of the array.
    pub fn inside(&self, index: &[u64]) -> Subset {
        let (chunk, array) = (self.reader.grid().chunk(index), Subset::whole(&self.array.shape));
        chunk.intersection(&array).unwrap_or_else(|| Subset::whole(&vec![0; index.len()]))
    }

    /// Whether decoded chunks are in C order.
    pub fn is_c_order(&self) -> bool {
        self.reader.elements().order.is_sorted()
    }

    /// Reads the stored bytes of chunk `index` into the buffer; whether it is there.
    ///
    /// # Errors
    /// As [`ChunkReader::fetch`].
    pub fn fetch(&self, index: &[u64], buffers: &mut PartBuffers) -> Result<bool, ZarrError> {
        self.reader.fetch(index, &mut buffers.stored).map(|fetched| fetched.present)
    }

    /// Decodes the fetched chunk `index` in full into the scratch buffer, in stored order.
    ///
    /// # Errors
    /// [`ZarrError::Chunk`], and [`ZarrError::TooLarge`] where it does not fit the memory.
    pub fn decode(&self, index: &[u64], buffers: &mut PartBuffers) -> Result<(), ZarrError> {
        let damaged = |source| self.reader.failure(index, source);
        self.reader.decode(index, &buffers.stored, 1, &mut buffers.scratch).map_err(damaged)
    }

    /// Decodes the elements of `part` of the fetched chunk `index`, in C order, into `target`, whose old content is lost.
    ///
    /// # Errors
    /// [`ZarrError::Chunk`], and [`ZarrError::TooLarge`] where it does not fit the memory.
    pub fn part(
        &self,
        index: &[u64],
        part: &Subset,
        buffers: &mut PartBuffers,
        target: &mut Vec<u8>,
    ) -> Result<(), ZarrError> {
        let damaged = |source| self.reader.failure(index, source);
        let chunk = self.reader.grid().chunk(index);
        let start = part.start().iter().zip(chunk.start()).map(|(part, chunk)| part - chunk).collect();
        let order = &self.reader.elements().order;
        let within = Subset::new(start, part.shape().to_vec()).permuted(order);
        let bytes = to_usize(part.elements()) * self.itemsize;
        let PartBuffers { stored, scratch, permuted } = buffers;
        if order.is_sorted() {
            target.resize(bytes, 0);
            self.reader.decode_subset(index, stored, &within, target, 1, scratch).map_err(damaged)?;
            return Ok(());
        }
        permuted.resize(bytes, 0);
        self.reader.decode_subset(index, stored, &within, permuted, 1, scratch).map_err(damaged)?;
        to_c_order(permuted, part.shape(), order, self.itemsize, target);
        Ok(())
    }
}

/// Puts elements into C order: `source` holds a box of `shape` whose dimension `order[i]` is its dimension `i`.
pub fn to_c_order(source: &[u8], shape: &[u64], order: &[usize], itemsize: usize, target: &mut Vec<u8>) {
    let mut strides = vec![0; shape.len()];
    let mut stride = itemsize;
    for dimension in order.iter().rev() {
        strides[*dimension] = stride;
        stride *= to_usize(shape[*dimension]);
    }
    target.clear();
    target.reserve(source.len());
    let axes: Vec<(usize, usize)> = shape.iter().map(|length| to_usize(*length)).zip(strides).collect();
    append(&axes, 0, source, itemsize, target);
}

fn append(axes: &[(usize, usize)], at: usize, source: &[u8], itemsize: usize, target: &mut Vec<u8>) {
    match axes {
        [] => target.extend_from_slice(&source[at..at + itemsize]),
        [(length, stride)] => {
            (0..*length).for_each(|step| target.extend_from_slice(&source[at + step * stride..][..itemsize]));
        }
        [(length, stride), faster @ ..] => {
            (0..*length).for_each(|step| append(faster, at + step * stride, source, itemsize, target));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn dimensions_are_put_into_c_order(
            (shape, order) in prop::collection::vec(1u64..5, 1..5).prop_flat_map(|shape| {
                let order: Vec<usize> = (0..shape.len()).collect();
                (Just(shape), Just(order).prop_shuffle())
            }),
            itemsize in 1usize..4,
        ) {
            let whole = Subset::whole(&shape);
            let stored = whole.permuted(&order);
            let element = |number: u64| (0..itemsize).map(move |byte| (number as usize * itemsize + byte) as u8);
            let source: Vec<u8> = (0..stored.elements())
                .flat_map(|number| {
                    let picked = stored.member(number);
                    let mut member = vec![0; shape.len()];
                    order.iter().zip(&picked).for_each(|(dimension, at)| member[*dimension] = *at);
                    element(whole.number(&member))
                })
                .collect();
            let mut target = vec![9; 3];
            to_c_order(&source, &shape, &order, itemsize, &mut target);
            let expected: Vec<u8> = (0..whole.elements()).flat_map(element).collect();
            prop_assert_eq!(target, expected);
        }
    }
}
