//! numcodecs' `delta` and `packbits`, undone.

use zcodec::CodecError;

use crate::number::NumberType;

/// Running sums of differences.
#[allow(clippy::cast_possible_truncation, reason = "the bits of a number of this size")]
pub fn summed(source: &[u8], stored: NumberType, to: NumberType, target: &mut Vec<u8>) {
    macro_rules! sum {
        ($float:ty, $bits:ty) => {{
            let value = |element: &[u8]| <$float>::from_bits(word(element, stored) as $bits);
            let mut sum: Option<$float> = None;
            for element in source.chunks_exact(stored.size) {
                let next = sum.map_or(value(element), |sum| sum + value(element));
                put(target, u64::from(next.to_bits()), to);
                sum = Some(next);
            }
        }};
    }
    match (to.kind, to.size) {
        ('f', 4) => sum!(f32, u32),
        ('f', _) => sum!(f64, u64),
        _ => {
            let mut sum = 0u64;
            for element in source.chunks_exact(stored.size) {
                sum = sum.wrapping_add(word(element, stored));
                put(target, sum, to);
            }
        }
    }
}

/// The bits of an element, a signed integer extended to 64.
#[allow(clippy::cast_possible_truncation, reason = "the size of a number, in bits")]
fn word(element: &[u8], number: NumberType) -> u64 {
    let mut word = [0; 8];
    word[..number.size].copy_from_slice(element);
    if number.big_endian {
        word[..number.size].reverse();
    }
    let (bits, unused) = (u64::from_le_bytes(word), 64 - 8 * number.size as u32);
    if number.kind == 'i' { ((bits << unused) as i64 >> unused) as u64 } else { bits }
}

fn put(target: &mut Vec<u8>, bits: u64, number: NumberType) {
    let mut word = bits.to_le_bytes();
    if number.big_endian {
        word[..number.size].reverse();
    }
    target.extend_from_slice(&word[..number.size]);
}

/// Booleans from bits, the highest first; the first byte is the number of padding bits.
pub fn unpacked(source: &[u8], target: &mut Vec<u8>) -> Result<(), CodecError> {
    let short = CodecError::Short { format: "packbits", needed: 1, found: 0 };
    let (padded, packed) = source.split_first().ok_or(short)?;
    target.extend(packed.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)));
    let len = target.len().checked_sub(usize::from(*padded)).filter(|_| *padded < 8);
    let detail = || format!("{padded} bits pad {} bytes", packed.len());
    target.truncate(len.ok_or_else(|| CodecError::Invalid { format: "packbits", detail: detail() })?);
    Ok(())
}
