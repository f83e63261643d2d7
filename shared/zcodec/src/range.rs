//! Decodes part of a Blosc frame: only the blocks that contain the requested bytes.

use std::ops::Range;

use crate::blosc::check_frame;
use crate::table::{BlockTable, decode_into};
use crate::{CodecError, HEADER_LEN, Header, Workspace, to_usize, try_set_len};

/// Decodes the blocks of a complete frame that overlap the decoded byte range `wanted` into `dst` (overwritten).
/// Returns the decoded byte range that `dst` then holds: whole blocks, clipped to the chunk. For readers without the
/// complete frame, see [`BlockTable`] and [`crate::decode_block`].
///
/// # Errors
/// [`CodecError::Short`] or [`CodecError::Invalid`] if the frame is truncated or inconsistent, or if one of these
/// blocks cannot be decoded. The other blocks are not checked.
pub fn decompress_range(
    frame: &[u8],
    wanted: Range<usize>,
    dst: &mut Vec<u8>,
    workspace: &mut Workspace,
) -> Result<Range<usize>, CodecError> {
    let header = check_frame(frame)?;
    let blocks = overlapping(&header, &wanted);
    let (first, end) = (header.block_bytes(blocks.start).start, header.block_bytes(blocks.end).start);
    let decoded = to_usize(first)..to_usize(end);
    try_set_len(dst, workspace.most(Some(decoded.len()))?)?;
    if blocks.is_empty() {
        return Ok(decoded);
    }
    let table = BlockTable::parse(&header, &frame[HEADER_LEN..])?;
    for (index, out) in blocks.zip(dst.chunks_mut(header.blocksize as usize)) {
        let bytes = table
            .block(index)
            .and_then(|place| frame.get(to_usize(place.start)..to_usize(place.end)))
            .ok_or_else(|| CodecError::Invalid { format: "blosc", detail: format!("there is no block {index}") })?;
        decode_into(&header, index, bytes, out, workspace)?;
    }
    Ok(decoded)
}

/// The blocks that overlap the decoded byte range `wanted`, clipped to the chunk.
fn overlapping(header: &Header, wanted: &Range<usize>) -> Range<u64> {
    let blocksize = u64::from(header.blocksize.max(1));
    let start = (wanted.start as u64).min(header.nbytes.into());
    let end = (wanted.end as u64).min(header.nbytes.into());
    let first = start / blocksize;
    if start < end { first..end.div_ceil(blocksize) } else { first..first }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Blosc, Cname, Shuffle, SplitMode, decode_block, decompress};

    fn data(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed | 1;
        (0..len)
            .map(|i| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                ((i / 64) as u8).wrapping_add((state >> 56) as u8 % 5)
            })
            .collect()
    }

    /// Level 0 gives uncompressed frames.
    fn any_blosc() -> impl Strategy<Value = Blosc> {
        (
            prop::sample::select(&Cname::WRITTEN[..]),
            0..6u8,
            prop::sample::select(&Shuffle::ALL[..]),
            prop::sample::select(&SplitMode::ALL[..]),
            prop_oneof![Just(0u64), 100u64..30_000],
        )
            .prop_map(|(cname, clevel, shuffle, split, blocksize)| Blosc {
                blocksize,
                split,
                ..Blosc::new(cname, clevel, shuffle)
            })
    }

    fn framed(codec: &Blosc, typesize: usize, src: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        codec.compress(typesize, src, &mut frame, 1, &mut Workspace::default()).expect("compresses");
        frame
    }

    /// The same frame with its blocks stored in another order, as written by several threads.
    fn reordered(frame: &[u8], seed: u64) -> Vec<u8> {
        let header = Header::parse(frame).expect("valid");
        let table = BlockTable::parse(&header, &frame[HEADER_LEN..]).expect("valid");
        let Some(at) = header.block_table_range() else { return frame.to_vec() };
        let mut order: Vec<u64> = (0..header.blocks()).collect();
        order.sort_by_key(|index| (index + 1).wrapping_mul(seed | 1).rotate_left(17));
        let mut other = frame[..at.end as usize].to_vec();
        for index in order {
            let place = table.block(index).expect("is there");
            let entry = HEADER_LEN + 4 * index as usize;
            let start = (other.len() as u32).to_le_bytes();
            other[entry..entry + 4].copy_from_slice(&start);
            other.extend(&frame[place.start as usize..place.end as usize]);
        }
        other
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Blocks of a part equal those of the whole chunk, for any storage order.
        #[test]
        fn partial_decode_equals_full_decode(
            codec in any_blosc(), typesize in 1usize..20, len in 0usize..150_000, seed: u64,
            wanted in (0usize..160_000, 0usize..160_000),
        ) {
            let src = data(seed, len);
            let frame = reordered(&framed(&codec, typesize, &src), seed);
            let (mut dst, mut workspace) = (vec![9; 10], Workspace::default());
            decompress(&frame, &mut dst, 1, &mut workspace).expect("decodes");
            prop_assert!(dst == src);
            let wanted = wanted.0..wanted.1;
            let range = decompress_range(&frame, wanted.clone(), &mut dst, &mut workspace).expect("decodes");
            prop_assert!(dst == src[range.clone()], "{range:?}");
            let blocksize = Header::parse(&frame).expect("valid").blocksize as usize;
            let there = wanted.start.min(len)..wanted.end.min(len);
            if there.start < there.end {
                prop_assert!(range.start <= there.start && there.end <= range.end, "{range:?} {wanted:?}");
                prop_assert!(range.start.is_multiple_of(blocksize));
                prop_assert!(range.end.is_multiple_of(blocksize) || range.end == len);
                prop_assert!(there.start - range.start < blocksize && range.end - there.end < blocksize);
            } else {
                prop_assert!(range.is_empty());
            }
        }

        /// Each block can be decoded from exactly the byte range given by the table.
        #[test]
        fn blocks_decode_individually(codec in any_blosc(), typesize in 1usize..20, len in 1usize..100_000, seed: u64) {
            let src = data(seed, len);
            let frame = reordered(&framed(&codec, typesize, &src), seed);
            let header = Header::parse(&frame[..HEADER_LEN]).expect("valid");
            let table = header.block_table_range().map_or(&[][..], |at| &frame[at.start as usize..at.end as usize]);
            let table = BlockTable::parse(&header, table).expect("valid");
            let (mut out, mut workspace) = (Vec::new(), Workspace::default());
            let mut covered = header.block_table_range().map_or(HEADER_LEN as u64, |at| at.end);
            for index in 0..header.blocks() {
                let place = table.block(index).expect("is there");
                covered += place.end - place.start;
                let bytes = &frame[place.start as usize..place.end as usize];
                decode_block(&header, index, bytes, &mut out, &mut workspace).expect("decodes");
                let whole = header.block_bytes(index);
                prop_assert!(out == src[whole.start as usize..whole.end as usize]);
                let cut = &bytes[..bytes.len() - 1];
                prop_assert!(decode_block(&header, index, cut, &mut out, &mut workspace).is_err());
            }
            prop_assert_eq!(covered, frame.len() as u64);
            prop_assert!(table.block(header.blocks()).is_none());
            prop_assert!(decode_block(&header, header.blocks(), &frame, &mut out, &mut workspace).is_err());
        }

        /// Damaged frames give an error or wrong bytes, never a crash; truncated frames always give an error.
        #[test]
        fn damaged_frames_never_crash(
            codec in any_blosc(), len in 200usize..50_000, seed: u64, wanted in (0usize..60_000, 0usize..60_000),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
            cut: prop::sample::Index,
        ) {
            let mut frame = framed(&codec, 4, &data(seed, len));
            let (mut dst, mut workspace) = (Vec::new(), Workspace::default());
            let short = &frame[..cut.index(frame.len())];
            prop_assert!(decompress_range(short, 0..len, &mut dst, &mut workspace).is_err());
            for (at, byte, early) in damage {
                // Half of the damage is in the header and table, where it has the largest effect.
                let at = at.index(if early { frame.len().min(64) } else { frame.len() });
                frame[at] = byte;
            }
            if let Ok(range) = decompress_range(&frame, wanted.0..wanted.1, &mut dst, &mut workspace) {
                prop_assert_eq!(range.len(), dst.len());
            }
            let Ok(header) = Header::parse(&frame) else { return Ok(()) };
            let Ok(table) = BlockTable::parse(&header, &frame[HEADER_LEN..]) else { return Ok(()) };
            for index in 0..header.blocks().min(10) {
                let place = table.block(index).expect("is there");
                let bytes = frame.get(place.start as usize..place.end as usize).unwrap_or_default();
                let _ = decode_block(&header, index, bytes, &mut dst, &mut workspace);
            }
        }
    }

    #[test]
    fn block_outside_the_frame_is_refused() {
        let codec = Blosc { blocksize: 256, ..Blosc::new(Cname::Zstd, 1, Shuffle::Shuffle) };
        let frame = framed(&codec, 4, &data(1, 10_000));
        let header = Header::parse(&frame).expect("valid");
        let end = header.block_table_range().expect("is not raw").end as usize;
        for start in [0, end as u32 - 1, frame.len() as u32 - 3, u32::MAX] {
            let mut table = frame[HEADER_LEN..end].to_vec();
            table[4..8].copy_from_slice(&start.to_le_bytes());
            let error = BlockTable::parse(&header, &table).expect_err("outside").to_string();
            assert!(error.contains("block 1"), "{error}");
        }
        let short = BlockTable::parse(&header, &frame[HEADER_LEN..end - 1]);
        assert!(matches!(short, Err(CodecError::Short { .. })), "{short:?}");
    }
}
