//! Decodes a few elements of a Blosc block, without decoding more of the block than necessary.
//!
//! Streams without requested bytes are skipped, uncompressed streams are read in place, a few bytes are traced through
//! LZ4 streams without decoding them, and only the requested elements are unfiltered. A zstd stream is always decoded
//! completely: up to 128 KiB of it form one zstd block, which libzstd cannot decode partially.

use std::mem::take;

use crate::block::{BlockCodec, Layout};
use crate::block_bytes::BlockBytes;
use crate::gather::copy;
use crate::lanes::{Cells, Lanes, STREAMS};
use crate::lz4_trace::Trace;
use crate::table::{block_len, decode_into};
use crate::workspace::DCtx;
use crate::{CodecError, Header, Workspace, set_len, to_usize};

/// One step from match to match costs as much as decoding this many bytes (measured); limits the number of steps.
const BYTES_PER_STEP: usize = 128;

/// Decodes the requested elements of block `index` of the frame with this `header`, and copies them to `out` in order.
///
/// `bytes` is the range returned by [`crate::BlockTable::block`]. `offsets` are byte offsets of the elements in the
/// decoded block, in any order, possibly repeated or overlapping; `itemsize` is the size of an element in bytes. `out`
/// has `offsets.len() * itemsize` bytes. Elements with the size and alignment of the filter's elements are fastest.
///
/// # Errors
/// The errors of [`crate::decode_block`], and [`CodecError::Invalid`] if an element extends beyond the block or `out`
/// has the wrong length. Bytes that are not decoded are not verified: unlike in [`crate::decode_block`], damage after
/// the last requested byte is not detected. After an error, the content of `out` is unspecified.
pub fn decode_cells(
    header: &Header,
    index: u64,
    mut bytes: impl BlockBytes,
    offsets: &[u32],
    itemsize: usize,
    out: &mut [u8],
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    let len = block_len(header, index)?;
    let cells = Cells { offsets, itemsize };
    check(cells, len, out.len())?;
    if out.is_empty() {
        return Ok(());
    }
    if header.stored_raw() {
        return copy_raw(&mut bytes, len, cells, out);
    }
    if let Some(layout) = Layout::of(header) {
        let (streams, stream_len) = layout.cut(to_usize(index), len)?;
        let lanes = Lanes::of(&layout, len, streams, stream_len);
        let block = Block { layout, index: to_usize(index), lanes };
        if layout.codec == BlockCodec::Lz4 && lanes.lookups(cells) <= few(len) {
            return block.follow(&mut bytes, cells, out, workspace);
        }
        if !lanes.prefers_whole(cells) {
            return block.pick(all(&mut bytes)?, cells, out, workspace);
        }
    }
    let mut block = take(&mut workspace.block);
    set_len(&mut block, len);
    let decoded = decode_into(header, index, all(&mut bytes)?, &mut block, workspace);
    if decoded.is_ok() {
        copy(&block, cells, out);
    }
    workspace.block = block;
    decoded
}

/// All bytes of a block.
fn all(bytes: &mut impl BlockBytes) -> Result<&[u8], CodecError> {
    let needed = bytes.len();
    bytes.get(0..needed).ok_or(CodecError::Short { format: "blosc", needed: needed as u64, found: 0 })
}

/// Copies cells of a block of `len` bytes that is stored as it is.
fn copy_raw(bytes: &mut impl BlockBytes, len: usize, cells: Cells, out: &mut [u8]) -> Result<(), CodecError> {
    let short = CodecError::Short { format: "blosc", needed: len as u64, found: bytes.len() as u64 };
    if cells.offsets.len() > few(len) {
        copy(bytes.get(0..len).ok_or(short)?, cells, out);
        return Ok(());
    }
    if bytes.len() < len {
        return Err(short);
    }
    for (&offset, cell) in cells.offsets.iter().zip(out.chunks_exact_mut(cells.itemsize)) {
        let start = offset as usize;
        cell.copy_from_slice(bytes.get(start..start + cells.itemsize).ok_or_else(|| short.clone())?);
    }
    Ok(())
}

/// Maximum number of bytes traced through the LZ4 streams of a block of `len` bytes; with more, decoding is faster
/// (measured with blocks of 32 KiB to 512 KiB).
fn few(len: usize) -> usize {
    16 + len / 10_000
}

/// Checks that all elements lie inside a block of `len` bytes and exactly fill `room` bytes.
fn check(cells: Cells, len: usize, room: usize) -> Result<(), CodecError> {
    let invalid = |detail| Err(CodecError::Invalid { format: "blosc", detail });
    let Cells { offsets, itemsize } = cells;
    if offsets.len().checked_mul(itemsize) != Some(room) {
        return invalid(format!("{} elements of {itemsize} bytes do not fill {room} bytes", offsets.len()));
    }
    match offsets.iter().max() {
        Some(&last) if (last as usize).checked_add(itemsize).is_none_or(|end| end > len) => {
            invalid(format!("an element of {itemsize} bytes at {last} extends beyond a block of {len} bytes"))
        }
        _ => Ok(()),
    }
}

/// A compressed block.
struct Block {
    layout: Layout,
    index: usize,
    lanes: Lanes,
}

impl Block {
    /// Decodes the required part of each stream, and picks the cells from the filtered bytes.
    fn pick(&self, bytes: &[u8], cells: Cells, out: &mut [u8], workspace: &mut Workspace) -> Result<(), CodecError> {
        let Workspace { filtered, dctx, .. } = workspace;
        let needed = self.lanes.needed(cells);
        let mut decoded: [&[u8]; STREAMS] = [&[]; STREAMS];
        let mut at = 0;
        for (room, (target, &wanted)) in self.lanes.rooms(filtered).zip(decoded.iter_mut().zip(&needed)) {
            let source = self.layout.source(bytes, &mut at, self.index)?;
            *target = if wanted == 0 || source.len() == room.len() {
                source
            } else {
                self.decode(source, room, wanted, dctx)?;
                &room[..wanted]
            };
        }
        self.lanes.gather(&decoded, cells, out);
        Ok(())
    }

    /// Traces single bytes through LZ4 streams, which are decoded only if that takes too many steps.
    fn follow(
        &self,
        bytes: &mut impl BlockBytes,
        cells: Cells,
        out: &mut [u8],
        workspace: &mut Workspace,
    ) -> Result<(), CodecError> {
        let Workspace { filtered, dctx, sequences, .. } = workspace;
        let needed = self.lanes.needed(cells);
        let mut at = 0;
        out.fill(0);
        for ((stream, room), &wanted) in self.lanes.rooms(filtered).enumerate().zip(&needed) {
            let source = self.layout.stream(bytes, &mut at, self.index)?;
            let mut gather =
                |read: &mut dyn FnMut(usize) -> Option<u8>| self.lanes.gather_stream(stream, cells, out, read);
            if wanted == 0 {
                continue;
            }
            if source.len() == room.len() {
                let byte = &mut |at: usize| bytes.get(source.start + at..source.start + at + 1)?.first().copied();
                gather(byte).ok_or_else(|| self.layout.undecodable(self.index))?;
                continue;
            }
            // The beginning of a stream is mostly enough; if not, all of it is taken.
            let part = bytes.attempt((source.len() * wanted).div_ceil(room.len()), source.len()).min(source.len());
            let mut ends = [part, source.len()].into_iter().skip(usize::from(part == source.len()));
            let traced = ends.any(|end| {
                let mut steps = wanted / BYTES_PER_STEP;
                let trace = bytes.get(source.start..source.start + end);
                let trace = trace.and_then(|stream| Trace::new(stream, wanted, sequences));
                trace.and_then(|trace| gather(&mut |at| trace.byte(at, &mut steps))).is_some()
            });
            if !traced {
                let stream = bytes.get(source).ok_or_else(|| self.layout.undecodable(self.index))?;
                self.decode(stream, room, wanted, dctx)?;
                gather(&mut |at| room.get(at).copied());
            }
        }
        Ok(())
    }

    fn decode(&self, source: &[u8], room: &mut [u8], wanted: usize, dctx: &mut DCtx) -> Result<(), CodecError> {
        self.layout.decode_stream(source, room, wanted, dctx).ok_or_else(|| self.layout.undecodable(self.index))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::{BlockTable, Blosc, Cname, HEADER_LEN, Shuffle, SplitMode, decode_block};

    /// Test data from constant to noise, so that streams compress well, poorly, or not at all.
    fn data(seed: u64, len: usize, noise: u8) -> Vec<u8> {
        let mut state = seed | 1;
        (0..len)
            .map(|i| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let random = (state >> 56) as u8;
                // Every second byte is noise: after a shuffle, some streams are stored uncompressed and others are not.
                ((i / 64) as u8).wrapping_add(if noise == 0 || i % 2 == 0 { 0 } else { random % noise })
            })
            .collect()
    }

    fn any_blosc() -> impl Strategy<Value = Blosc> {
        let split = prop::sample::select(&SplitMode::ALL[..]);
        let (cnames, shuffles) = (prop::sample::select(&Cname::WRITTEN[..]), prop::sample::select(&Shuffle::ALL[..]));
        (cnames, 0..=9u8, shuffles, prop_oneof![Just(0u64), 100u64..60_000], split).prop_map(
            |(cname, clevel, shuffle, blocksize, split)| {
                let clevel = if cname == Cname::Zstd { clevel.min(6) } else { clevel };
                Blosc { blocksize, split, ..Blosc::new(cname, clevel, shuffle) }
            },
        )
    }

    /// From one cell, to a few that are traced, to so many that the whole block is decoded.
    fn any_offsets() -> impl Strategy<Value = Vec<Index>> {
        let count = prop_oneof![4 => 0usize..8, 2 => 8usize..80, 1 => 500usize..4000];
        count.prop_flat_map(|count| prop::collection::vec(any::<Index>(), count))
    }

    fn framed(codec: &Blosc, typesize: usize, src: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        codec.compress(typesize, src, &mut frame, 1, &mut Workspace::default()).expect("compresses");
        frame
    }

    /// A block that is handed out piece by piece.
    struct Pieces<'a> {
        block: &'a [u8],
        handed_out: usize,
    }

    impl BlockBytes for Pieces<'_> {
        fn len(&self) -> usize {
            self.block.len()
        }

        fn get(&mut self, range: std::ops::Range<usize>) -> Option<&[u8]> {
            self.handed_out += range.len();
            self.block.get(range)
        }

        fn attempt(&self, wanted: usize, _len: usize) -> usize {
            wanted
        }
    }

    fn block_of<'a>(frame: &'a [u8], header: &Header, index: u64) -> &'a [u8] {
        let table = BlockTable::parse(header, &frame[HEADER_LEN..]).expect("valid");
        let place = table.block(index).expect("is there");
        &frame[place.start as usize..place.end as usize]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Cells equal the input, for any offset and size, aligned with the elements or not.
        #[test]
        fn cells_equal_the_input(
            codec in any_blosc(), typesize in 1usize..20, itemsize in 1usize..17, len in 1usize..150_000, seed: u64,
            noise: u8, aligned: bool, offsets in any_offsets(), block: Index,
        ) {
            let src = data(seed, len, noise);
            let frame = framed(&codec, typesize, &src);
            let header = Header::parse(&frame).expect("valid");
            let index = block.index(header.blocks() as usize) as u64;
            let whole = header.block_bytes(index);
            let block = &src[whole.start as usize..whole.end as usize];
            let itemsize = if aligned { typesize } else { itemsize };
            prop_assume!(itemsize <= block.len());
            let step = if aligned { typesize } else { 1 };
            let places = (block.len() - itemsize) / step + 1;
            let offsets: Vec<u32> = offsets.iter().map(|at| (at.index(places) * step) as u32).collect();
            let mut out = vec![7; offsets.len() * itemsize];
            let mut workspace = Workspace::default();
            for _ in 0..2 {
                let bytes = block_of(&frame, &header, index);
                decode_cells(&header, index, bytes, &offsets, itemsize, &mut out, &mut workspace).expect("decodes");
                let expected = offsets.iter().flat_map(|&at| &block[at as usize..at as usize + itemsize]);
                prop_assert!(out.iter().eq(expected), "{codec:?} typesize {typesize} itemsize {itemsize} {offsets:?}");
                let mut pieces = Pieces { block: bytes, handed_out: 0 };
                let mut again = vec![9; out.len()];
                decode_cells(&header, index, &mut pieces, &offsets, itemsize, &mut again, &mut workspace).expect("decodes");
                prop_assert_eq!(&again, &out);
                // A part, then all of a stream to be followed and again to be decoded; of a raw block, cells may overlap.
                let most = 3 * bytes.len() + 4 * STREAMS + out.len();
                prop_assert!(pieces.handed_out <= most, "{} of {}", pieces.handed_out, bytes.len());
            }
        }

        /// Damaged blocks give an error or wrong bytes, never a crash; cells agree with a full decode if it succeeds.
        #[test]
        fn damaged_blocks_never_crash(
            codec in any_blosc(), typesize in 1usize..20, itemsize in 1usize..17, len in 200usize..50_000, seed: u64,
            noise: u8, offsets in any_offsets(), block: Index, cut: Index,
            damage in prop::collection::vec((any::<Index>(), any::<u8>(), any::<bool>()), 1..6),
        ) {
            let mut frame = framed(&codec, typesize, &data(seed, len, noise));
            for (at, byte, early) in damage {
                // Half of the damage is in the header, table and first length, where it has the largest effect.
                let at = at.index(if early { frame.len().min(64) } else { frame.len() });
                frame[at] = byte;
            }
            let Ok(header) = Header::parse(&frame) else { return Ok(()) };
            let Ok(table) = BlockTable::parse(&header, &frame[HEADER_LEN..]) else { return Ok(()) };
            prop_assume!(header.blocks() > 0);
            let index = block.index(header.blocks() as usize) as u64;
            let place = table.block(index).expect("is there");
            let bytes = frame.get(place.start as usize..place.end as usize).unwrap_or_default();
            let whole = header.block_bytes(index);
            let Some(places) = (whole.end - whole.start).checked_sub(itemsize as u64 - 1).filter(|&n| n > 0) else {
                return Ok(());
            };
            // A damaged header may claim gigabytes; skip those to save time.
            prop_assume!(places < 1 << 24);
            let offsets: Vec<u32> = offsets.iter().map(|at| at.index(places as usize) as u32).collect();
            let mut out = vec![7; offsets.len() * itemsize];
            let (mut decoded, mut workspace) = (Vec::new(), Workspace::default());
            let result = decode_cells(&header, index, bytes, &offsets, itemsize, &mut out, &mut workspace);
            if decode_block(&header, index, bytes, &mut decoded, &mut workspace).is_ok() {
                result.clone().expect("what decodes whole decodes in part");
                let expected = offsets.iter().flat_map(|&at| &decoded[at as usize..at as usize + itemsize]);
                prop_assert!(out.iter().eq(expected));
            }
            let mut pieces = Pieces { block: bytes, handed_out: 0 };
            let mut again = vec![9; out.len()];
            let piecewise = decode_cells(&header, index, &mut pieces, &offsets, itemsize, &mut again, &mut workspace);
            prop_assert_eq!(piecewise.map(|()| again), result.map(|()| out.clone()));
            let cut = &bytes[..cut.index(bytes.len() + 1)];
            let _ = decode_cells(&header, index, cut, &offsets, itemsize, &mut out, &mut workspace);
        }
    }

    /// A frame of one LZ4 block whose second match has the offset 0, which copies what the buffer held before.
    #[test]
    fn a_match_at_offset_zero_is_refused_by_every_way() {
        let literals: Vec<u8> = (0..14).map(|n| n * 7 + 1).collect();
        let mut stream = [&[0xe4][..], &literals, &[14, 0]].concat();
        stream.extend([0x0f, 0, 0, 255, 255, 255, 225]);
        stream.extend([0x50, 1, 2, 3, 4, 5]);
        let len = 14 + 8 + 15 + 4 + 3 * 255 + 225 + 5;
        let mut frame = vec![2, 1, 0x30, 1];
        for word in [len, len, 16 + 4 + 4 + stream.len(), 20, stream.len()] {
            frame.extend((word as u32).to_le_bytes());
        }
        frame.extend(&stream);
        let header = Header::parse(&frame).expect("valid");
        let bytes = block_of(&frame, &header, 0);
        let (mut decoded, mut workspace) = (Vec::new(), Workspace::default());
        assert!(decode_block(&header, 0, bytes, &mut decoded, &mut workspace).is_err());
        assert!(crate::decompress(&frame, &mut decoded, 1, &mut workspace).is_err());
        let last = (len - 1) as u32;
        for offsets in [vec![40], vec![200, last], (22..last).collect::<Vec<u32>>()] {
            let mut out = vec![7; offsets.len()];
            let result = decode_cells(&header, 0, bytes, &offsets, 1, &mut out, &mut workspace);
            assert!(result.is_err(), "{offsets:?}");
        }
    }

    #[test]
    fn cells_outside_the_block_are_refused() {
        let frame = framed(&Blosc::new(Cname::Lz4, 5, Shuffle::Shuffle), 4, &data(3, 4000, 9));
        let header = Header::parse(&frame).expect("valid");
        let bytes = block_of(&frame, &header, 0);
        let mut workspace = Workspace::default();
        let mut cells = |index, offsets: &[u32], itemsize, room| {
            decode_cells(&header, index, bytes, offsets, itemsize, &mut vec![0; room], &mut workspace)
        };
        cells(0, &[3996, 0], 4, 8).expect("inside");
        cells(0, &[], 4, 0).expect("nothing wanted");
        cells(0, &[4000], 0, 0).expect("nothing at the end");
        for (index, offsets, itemsize, room, word) in [
            (0, &[0, 3997][..], 4, 8, "beyond"),
            (0, &[u32::MAX], 4, 4, "beyond"),
            (0, &[0], 4001, 4001, "beyond"),
            (0, &[0], 4, 5, "fill"),
            (0, &[0, 0, 0, 0], usize::MAX / 2, 4, "fill"),
            (1, &[0], 4, 4, "no block 1"),
        ] {
            let error = cells(index, offsets, itemsize, room).expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
