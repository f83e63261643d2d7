//! Pcodec streams, decoded to no more bytes than their chunk has: a few bytes of a stream can stand for millions of numbers.

use half::f16;
use pco::data_types::Number;
use pco::errors::PcoError;
use pco::standalone::{DecompressorItem, FileDecompressor};
use zcodec::CodecError;

use crate::number::NumberType;

/// Numbers decoded at once: what pco asks for, or a multiple.
const BATCH: usize = 4096;

/// Decodes `source`, whose numbers are of this type, to at most `most` bytes in `target`, which is empty.
///
/// # Errors
/// [`CodecError::WrongSize`] for more bytes, and what is wrong with the stream.
pub fn decode(number: NumberType, source: &[u8], most: u64, target: &mut Vec<u8>) -> Result<(), CodecError> {
    macro_rules! numbers {
        ($type:ty) => {
            numbers(source, most, target, <$type>::to_le_bytes)
        };
    }
    match (number.kind, number.size) {
        ('u', 2) => numbers!(u16),
        ('u', 4) => numbers!(u32),
        ('u', 8) => numbers!(u64),
        ('i', 2) => numbers!(i16),
        ('i', 4) => numbers!(i32),
        ('i', 8) => numbers!(i64),
        ('f', 2) => numbers!(f16),
        ('f', 4) => numbers!(f32),
        ('f', 8) => numbers!(f64),
        (kind, size) => Err(invalid(format!("does not encode {kind}{size}"))),
    }
}

/// Whether there is pcodec for numbers of this type.
pub fn encodes(number: NumberType) -> bool {
    matches!((number.kind, number.size), ('u' | 'i' | 'f', 2 | 4 | 8)) && !number.big_endian
}

fn numbers<T: Number + Default, const SIZE: usize>(
    source: &[u8],
    most: u64,
    target: &mut Vec<u8>,
    bytes_of: fn(T) -> [u8; SIZE],
) -> Result<(), CodecError> {
    let (file, mut rest) = FileDecompressor::new(source).map_err(wrong)?;
    let mut batch = vec![T::default(); BATCH];
    while let DecompressorItem::Chunk(mut chunk) = file.chunk_decompressor::<T, _>(rest).map_err(wrong)? {
        let found = (target.len() as u64).saturating_add((chunk.n() * SIZE) as u64);
        if found > most {
            return Err(CodecError::WrongSize { expected: most, found });
        }
        loop {
            let progress = chunk.read(&mut batch).map_err(wrong)?;
            batch[..progress.n_processed].iter().for_each(|number| target.extend(bytes_of(*number)));
            if progress.finished {
                break;
            }
        }
        rest = chunk.into_src();
    }
    Ok(())
}

fn invalid(detail: String) -> CodecError {
    CodecError::Invalid { format: "pcodec", detail }
}

fn wrong(error: PcoError) -> CodecError {
    invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use pco::ChunkConfig;
    use pco::standalone::simple_compress;

    use super::*;

    const F32: NumberType = NumberType { kind: 'f', size: 4, big_endian: false };

    /// A hundred bytes that stand for four megabytes.
    fn stream(count: usize) -> Vec<u8> {
        simple_compress(&vec![1.5f32; count], &ChunkConfig::default()).expect("compresses")
    }

    #[test]
    fn numbers_come_back() {
        for count in [0, 1, 255, 4096, 5000] {
            let (numbers, mut target) = ((0..count).map(|i| i as f32).collect::<Vec<_>>(), Vec::new());
            let packed = simple_compress(&numbers, &ChunkConfig::default()).expect("compresses");
            decode(F32, &packed, 4 * count as u64, &mut target).expect("decodes");
            assert_eq!(target, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>());
            assert!(count == 0 || decode(F32, &packed[..packed.len() / 2], u64::MAX, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn a_stream_of_more_numbers_than_expected_takes_no_memory() {
        let (packed, mut target) = (stream(1 << 20), Vec::new());
        assert!(packed.len() < 1000);
        let error = decode(F32, &packed, 4000, &mut target);
        assert_eq!(error, Err(CodecError::WrongSize { expected: 4000, found: 4 << 18 }), "of its first part");
        assert!(target.capacity() <= 4000);
    }
}
