//! Single LZ4 blocks, with the C library.

#![allow(unsafe_code)]

use std::os::raw::{c_char, c_int};

/// Compresses into `dst`; returns the length, or 0 if it does not fit.
pub fn lz4_compress(src: &[u8], dst: &mut [u8], acceleration: c_int) -> usize {
    let (Ok(src_len), Ok(dst_len)) = (c_int::try_from(src.len()), c_int::try_from(dst.len())) else { return 0 };
    // SAFETY: both pointers are valid for the given lengths; LZ4 writes at most `dst.len()` bytes.
    let len = unsafe {
        lz4_sys::LZ4_compress_fast(
            src.as_ptr().cast::<c_char>(),
            dst.as_mut_ptr().cast::<c_char>(),
            src_len,
            dst_len,
            acceleration,
        )
    };
    usize::try_from(len).unwrap_or(0)
}

/// Decompresses one LZ4 block; returns the decoded length, or `None` if the block is invalid or does not fit.
pub fn lz4_decompress(src: &[u8], dst: &mut [u8]) -> Option<usize> {
    let (src_len, dst_len) = (c_int::try_from(src.len()).ok()?, c_int::try_from(dst.len()).ok()?);
    // SAFETY: both pointers are valid for the given lengths; `LZ4_decompress_safe` stays within them for any input.
    let len = unsafe {
        lz4_sys::LZ4_decompress_safe(src.as_ptr().cast::<c_char>(), dst.as_mut_ptr().cast::<c_char>(), src_len, dst_len)
    };
    usize::try_from(len).ok().filter(|len| !copies_itself(src, &dst[..*len]))
}

/// Decompresses only the first `dst.len()` bytes of an LZ4 block; returns the decoded length, or `None` if the part
/// read is invalid. The remainder is not checked.
pub fn lz4_decompress_prefix(src: &[u8], dst: &mut [u8]) -> Option<usize> {
    let (src_len, dst_len) = (c_int::try_from(src.len()).ok()?, c_int::try_from(dst.len()).ok()?);
    // A match at offset 0 copies what is here.
    dst.fill(0);
    // SAFETY: both pointers are valid for the given lengths; the function stays within them for any input (since LZ4
    // 1.9 it writes nothing beyond its target length, which here is all of `dst`).
    let len = unsafe {
        LZ4_decompress_safe_partial(
            src.as_ptr().cast::<c_char>(),
            dst.as_mut_ptr().cast::<c_char>(),
            src_len,
            dst_len,
            dst_len,
        )
    };
    usize::try_from(len).ok().filter(|len| !copies_itself(src, &dst[..*len]))
}

/// Whether a match of a decoded block has the offset 0. The format forbids it, and LZ4 takes it: it copies itself, which makes
/// four zeros or more. Only where there are some, and two in the block, sequences are walked through, which costs a third of
/// decoding or more.
fn copies_itself(block: &[u8], decoded: &[u8]) -> bool {
    let zeros = || decoded.last() == Some(&0) || has_zeros::<4>(decoded);
    has_zeros::<2>(block) && zeros() && has_offset_zero(block, decoded.len()).unwrap_or(false)
}

/// Whether `N` zeros follow one another, two or four. Of four, two are an aligned pair, and many pairs are compared at once.
fn has_zeros<const N: usize>(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<64>();
    let exact = |start: usize, end: usize| {
        let around = start.saturating_sub(N - 1)..bytes.len().min(end + N - 1);
        bytes[around].windows(N).any(|few| few == [0; N])
    };
    let in_block = |(number, block): (usize, &[u8; 64])| {
        let found = match N {
            2 => block.iter().fold(0, |found, byte| found | u8::from(*byte == 0)) != 0,
            _ => {
                let pairs = block.as_chunks::<2>().0.iter();
                pairs.fold(0, |found, pair| found | u16::from(u16::from_ne_bytes(*pair) == 0)) != 0
            }
        };
        found && exact(number * 64, number * 64 + 64)
    };
    blocks.iter().enumerate().any(in_block) || exact(bytes.len() - rest.len(), bytes.len())
}

/// Walks through the sequences of a block; `None` where it ends in one.
fn has_offset_zero(block: &[u8], wanted: usize) -> Option<bool> {
    let (mut at, mut decoded) = (0usize, 0usize);
    while decoded < wanted {
        let token = *block.get(at)?;
        at += 1;
        let (mut literals, mut matched) = (usize::from(token >> 4), usize::from(token & 15));
        if literals == 15 {
            literals += more(block, &mut at)?;
        }
        at = at.checked_add(literals)?;
        decoded = decoded.checked_add(literals)?;
        let offset = block.get(at..)?.first_chunk::<2>()?;
        if *offset == [0, 0] && decoded < wanted {
            return Some(true);
        }
        at += 2;
        if matched == 15 {
            matched += more(block, &mut at)?;
        }
        decoded = decoded.checked_add(matched + 4)?;
    }
    Some(false)
}

/// A longer length is left to LZ4 itself, so that no sum of lengths can overflow on any machine.
const LONGEST: usize = 1 << 29;

/// The rest of a length whose first four bits are all set.
pub fn more(block: &[u8], at: &mut usize) -> Option<usize> {
    let mut sum = 0usize;
    loop {
        let byte = *block.get(*at)?;
        *at += 1;
        sum = sum.checked_add(byte.into())?;
        if byte < 255 {
            return (sum < LONGEST).then_some(sum);
        }
    }
}

// In LZ4's stable interface (`lz4.h`) but missing in `lz4-sys`, which builds and links the library.
unsafe extern "C" {
    fn LZ4_decompress_safe_partial(
        src: *const c_char,
        dst: *mut c_char,
        src_len: c_int,
        target_len: c_int,
        dst_len: c_int,
    ) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "abcd", four bytes from offset `offset`, and the last literals.
    fn block(offset: u16) -> Vec<u8> {
        let mut block = vec![0x40, b'a', b'b', b'c', b'd'];
        block.extend(offset.to_le_bytes());
        block.push(0xc0);
        block.extend(1..=12);
        block
    }

    #[test]
    fn a_match_at_offset_zero_is_refused_whole_and_in_part() {
        for (offset, valid) in [(4, true), (1, true), (0, false), (5, false)] {
            assert_eq!(lz4_decompress(&block(offset), &mut [7; 20]), valid.then_some(20), "{offset}");
            assert_eq!(lz4_decompress_prefix(&block(offset), &mut [7; 6]), valid.then_some(6), "{offset}");
        }
        // It begins after all that is wanted.
        assert_eq!(lz4_decompress_prefix(&block(0), &mut [7; 4]), Some(4));
        // Zeros elsewhere are nothing special.
        let mut zeros = vec![0x40, 0, 0, 0, 0, 4, 0, 0xc0];
        zeros.extend([0; 12]);
        assert_eq!(lz4_decompress(&zeros, &mut [7; 20]), Some(20));
    }

    #[test]
    fn zeros_are_found_at_every_place() {
        find_zeros::<2>();
        find_zeros::<4>();
    }

    fn find_zeros<const N: usize>() {
        for len in [0, 1, 3, 4, 63, 64, 65, 66, 67, 68, 200] {
            assert!(!has_zeros::<N>(&vec![1; len]));
            for at in 0..len.saturating_sub(N - 1) {
                let mut bytes = vec![1; len];
                bytes[at..at + N - 1].fill(0);
                assert!(!has_zeros::<N>(&bytes));
                bytes[at + N - 1] = 0;
                assert!(has_zeros::<N>(&bytes), "{at} of {len}");
            }
        }
    }
}
