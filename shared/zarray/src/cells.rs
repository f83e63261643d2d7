//! Single elements of a chunk: of a Blosc frame only the blocks are read and decoded that hold one of them, of an uncompressed
//! chunk only their bytes; any other chunk is read and decoded in full.
//!
//! One element of a map of 4 MB lies in one block of 8 to 127, so header, table and that block are all that its reader needs.

use std::ops::Range;

use zcodec::{BlockBytes, CodecError, Header, decode_cells, to_usize};
use zstore::LocalObject;

use crate::chain::DecodeScratch;
use crate::elements::Itemsize;
use crate::error::ZarrError;
use crate::file_block::FileBlock;
use crate::frame_reader::{Frame, Opened, ReadPolicy, block_ranges, frame_header};
use crate::parallel::ScratchPool;
use crate::reader::{Attempt, ChunkReader, Stored};

/// The elements of a chunk to read: every pair of a step and a point (`points`). Element `(s, p)` has number
/// `steps[s] + points[p]` in the decoded chunk.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    /// Offsets along the dimensions read in full or in part, in elements.
    pub steps: &'a [u64],
    /// Offsets of the points, in elements.
    pub points: &'a [u64],
}

impl Cells<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        self.steps.len().saturating_mul(self.points.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of each, step by step.
    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.steps.iter().flat_map(|step| self.points.iter().map(move |point| step + point))
    }
}

/// Whether chunks are read in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialDecode {
    /// Where it is less work.
    Auto,
    /// Wherever it can be done.
    On,
    /// Never.
    Off,
}

/// What it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CellsRead {
    /// Whether the chunk is there; the elements of one that is not are not written.
    pub present: bool,
    /// Bytes read of the store.
    pub bytes: u64,
    /// Number of Blosc blocks decoded.
    pub blocks: u64,
    /// Whether the chunk was decoded in full, because it is not a Blosc frame, or by request.
    pub whole: bool,
}

/// What decoding keeps from chunk to chunk.
#[derive(Default)]
pub struct CellDecoder {
    decode: DecodeScratch,
    offsets: Vec<u32>,
    values: Vec<u8>,
}

/// What a thread keeps from chunk to chunk.
#[derive(Default)]
pub struct CellScratch {
    /// The index of a shard.
    head: Vec<u8>,
    /// The header and the table, or the full chunk.
    stored: Vec<u8>,
    /// Pieces of a chunk.
    pieces: Vec<u8>,
    /// The cells by block.
    wanted: Vec<Wanted>,
}

/// One element: its offset in the decoded chunk, and its cell number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    /// Number of the block, or of the element in a chunk that is not compressed.
    block: u64,
    offset: u32,
    cell: u32,
}

impl ChunkReader<'_> {
    /// Reads elements of chunk `index` into `out`, one after the other (step by step, as [`Cells`] numbers them), each as a
    /// decoded chunk holds it. Elements must have a fixed size. A thread borrows one of `decoders` while it decodes: there are as
    /// many as processors, and more threads, each with a read in flight, need no memory for more.
    ///
    /// # Errors
    /// [`ZarrError::Store`] from the store, [`ZarrError::Chunk`] if what was read of the chunk is damaged. A missing chunk
    /// is not an error.
    pub fn read_cells(
        &self,
        index: &[u64],
        cells: &Cells,
        partial: PartialDecode,
        decoders: &ScratchPool<CellDecoder>,
        out: &mut Vec<u8>,
        scratch: &mut CellScratch,
    ) -> Result<CellsRead, ZarrError> {
        let Itemsize::Fixed(itemsize) = self.elements().itemsize else { return Ok(CellsRead::default()) };
        out.resize(cells.len() * itemsize, 0);
        let policy = if self.store().is_remote() { ReadPolicy::FAR } else { ReadPolicy::NEAR };
        let policy = if partial == PartialDecode::On || self.is_too_large() { policy.always() } else { policy };
        let job = Job { reader: self, chunk_bytes: self.bytes_of(index), cells, itemsize, partial, policy, decoders };
        let mut buffer = std::mem::take(&mut scratch.head);
        let read = self.at(
            index,
            &mut buffer,
            |_| Ok(Some(CellsRead::default())),
            |place, _| match partial != PartialDecode::Off && job.is_worth_it() {
                true if self.is_frame() => job.blocks(place, out, scratch),
                true if self.is_plain() => job.plain(place, out, scratch),
                _ => Ok(Attempt::Done(None)),
            },
        );
        scratch.head = buffer;
        let read = match read? {
            Some(read) => Ok(read),
            // Not worthwhile, or not the expected frame: decoding it in full reports the error.
            None => job.whole(index, out, scratch),
        };
        if self.store().is_remote() {
            // Many threads wait for a network; what each has read is not kept until it reads again.
            (scratch.stored, scratch.pieces) = (Vec::new(), Vec::new());
        }
        read
    }

    /// Stored bytes of chunk `index`; `None` if it is missing.
    ///
    /// # Errors
    /// As [`ChunkReader::read_cells`].
    pub fn stored_bytes(&self, index: &[u64]) -> Result<Option<u64>, ZarrError> {
        match self.locate(index, &mut Vec::new())? {
            Ok(Stored { len: Some(len), .. }) => Ok(Some(len)),
            Ok(place) => Ok(self.store().stat(&place.key)?.map(|stat| stat.size)),
            Err(_) => Ok(None),
        }
    }

    /// Peak memory of a worker while it reads cells of one chunk.
    pub fn cell_bytes(&self, partial: PartialDecode) -> u64 {
        match self.limit() {
            Some(limit) if partial != PartialDecode::Off && self.is_too_large() => limit / 16,
            _ => self.chunk_bytes().saturating_mul(self.copies()),
        }
    }

    /// Whether a chunk is larger than the memory, and can be read in pieces all the same, as it is not compressed.
    fn is_too_large(&self) -> bool {
        self.is_plain() && self.limit().is_some_and(|limit| self.chunk_bytes() > limit)
    }
}

/// Elements of one chunk.
struct Job<'a> {
    reader: &'a ChunkReader<'a>,
    /// Bytes of the chunk, decoded.
    chunk_bytes: u64,
    cells: &'a Cells<'a>,
    itemsize: usize,
    partial: PartialDecode,
    policy: ReadPolicy,
    decoders: &'a ScratchPool<CellDecoder>,
}

impl Job<'_> {
    fn is_worth_it(&self) -> bool {
        let wanted = (self.cells.len() as u64).saturating_mul(self.itemsize as u64);
        self.policy.is_worth_it(self.chunk_bytes, wanted)
    }

    /// Of a Blosc frame, the blocks. Nothing: all is to be read, because that is less work, or because something is wrong.
    fn blocks(&self, place: &Stored, out: &mut [u8], scratch: &mut CellScratch) -> Read {
        let CellScratch { stored: head, pieces, wanted, .. } = scratch;
        let store = self.reader.store();
        let mut frame = match Frame::open(store, place, self.chunk_bytes, head)? {
            Opened::Frame(frame) => frame,
            Opened::Absent => return Ok(Attempt::Done(Some(CellsRead::default()))),
            Opened::Other => return Ok(Attempt::Done(None)),
            Opened::Replaced => return Ok(Attempt::Replaced),
        };
        let Some(ranges) = self.ranges(&frame.header, head, wanted) else { return Ok(Attempt::Done(None)) };
        if let Some(object) = frame.object.local() {
            let read = self.local_blocks(place, &frame, object, &ranges, out, scratch)?;
            return Ok(Attempt::Done(Some(read)));
        }
        let Some(plan) = self.policy.pieces(&ranges, u64::from(frame.header.cbytes)) else {
            return Ok(Attempt::Done(None));
        };
        if !frame.read(place, &plan, pieces)? {
            return Ok(Attempt::Done(None));
        }
        let blocks =
            self.decode(&place.key, &frame.header, &ranges, |range| plan.within(pieces, range), out, wanted)?;
        Ok(Attempt::Done(Some(CellsRead { present: true, bytes: frame.bytes, blocks, whole: false })))
    }

    /// Of a frame in an open file, one block after the other: what is read of a block is decoded while it is in the cache of
    /// the core.
    fn local_blocks(
        &self,
        place: &Stored,
        frame: &Frame,
        object: &LocalObject,
        ranges: &[Range<u64>],
        out: &mut [u8],
        scratch: &mut CellScratch,
    ) -> Result<CellsRead, ZarrError> {
        let CellScratch { stored: head, pieces: buffer, wanted, .. } = scratch;
        let decoder = &mut *self.decoders.take();
        let mut bytes = frame.bytes;
        let start = place.start;
        for (group, range) in wanted.chunk_by(|a, b| a.block == b.block).zip(ranges) {
            let range = range.start + start..range.end + start;
            let mut block =
                FileBlock { object, range, head, head_start: start, buffer, held: 0..0, bytes: 0, error: None };
            let decoded = self.decode_block(&place.key, &frame.header, group, &mut block, out, decoder);
            bytes += block.bytes;
            if let Some(error) = block.error {
                return Err(error.into());
            }
            decoded?;
        }
        Ok(CellsRead { present: true, bytes, blocks: ranges.len() as u64, whole: false })
    }

    /// Finds the blocks of the cells, and their byte ranges in the frame; `None` if blocks cut elements in two, or the
    /// table is damaged.
    fn ranges(&self, header: &Header, head: &[u8], wanted: &mut Vec<Wanted>) -> Option<Vec<Range<u64>>> {
        let blocksize = u64::from(header.blocksize);
        if !blocksize.is_multiple_of(self.itemsize as u64) {
            return None;
        }
        self.find(blocksize, wanted)?;
        block_ranges(header, head, blocks_of(wanted))
    }

    /// Decodes the required part of each block with cells. Returns the number of blocks.
    fn decode<'b>(
        &self,
        key: &str,
        header: &Header,
        ranges: &[Range<u64>],
        bytes_of: impl Fn(&Range<u64>) -> Option<&'b [u8]>,
        out: &mut [u8],
        wanted: &[Wanted],
    ) -> Result<u64, ZarrError> {
        let decoder = &mut *self.decoders.take();
        for (group, range) in wanted.chunk_by(|a, b| a.block == b.block).zip(ranges) {
            let short = CodecError::Short { format: "blosc block", needed: range.end - range.start, found: 0 };
            let block = bytes_of(range).ok_or(short).map_err(|source| self.damaged(key, source))?;
            self.decode_block(key, header, group, block, out, decoder)?;
        }
        Ok(ranges.len() as u64)
    }

    /// Decodes the cells of one block.
    fn decode_block(
        &self,
        key: &str,
        header: &Header,
        group: &[Wanted],
        block: impl BlockBytes,
        out: &mut [u8],
        decoder: &mut CellDecoder,
    ) -> Result<(), ZarrError> {
        let CellDecoder { decode: DecodeScratch { workspace, .. }, offsets, values } = decoder;
        offsets.clear();
        offsets.extend(group.iter().map(|wanted| wanted.offset));
        values.resize(group.len() * self.itemsize, 0);
        decode_cells(header, group[0].block, block, offsets, self.itemsize, values, workspace)
            .map_err(|source| self.damaged(key, source))?;
        for (value, wanted) in values.chunks_exact(self.itemsize).zip(group) {
            let at = wanted.cell as usize * self.itemsize;
            out[at..at + self.itemsize].copy_from_slice(value);
        }
        Ok(())
    }

    /// Of a chunk that is not compressed, the bytes.
    fn plain(&self, place: &Stored, out: &mut [u8], scratch: &mut CellScratch) -> Read {
        let CellScratch { pieces, wanted, .. } = scratch;
        let size = self.itemsize as u64;
        // As if each element were a block.
        if self.find(size, wanted).is_none() {
            return Ok(Attempt::Done(None));
        }
        let ranges: Vec<Range<u64>> = blocks_of(wanted).map(|block| block * size..(block + 1) * size).collect();
        let Some(plan) = self.policy.pieces(&ranges, self.chunk_bytes) else { return Ok(Attempt::Done(None)) };
        let requests = plan.requests(place.start);
        let Some(stat) = self.reader.store().get_ranges(&place.key, &requests, pieces)? else {
            return Ok(if place.shard.is_some() {
                Attempt::Replaced
            } else {
                Attempt::Done(Some(CellsRead::default()))
            });
        };
        if !place.is_of(stat) {
            return Ok(Attempt::Replaced);
        }
        // A truncated chunk is damaged, wherever the requested bytes are.
        if place.len.unwrap_or(stat.size) != self.chunk_bytes {
            return Ok(Attempt::Done(None));
        }
        for (group, range) in wanted.chunk_by(|a, b| a.block == b.block).zip(&ranges) {
            let Some(value) = plan.within(pieces, range) else { return Ok(Attempt::Done(None)) };
            for wanted in group {
                let at = wanted.cell as usize * self.itemsize;
                out[at..at + self.itemsize].copy_from_slice(value);
            }
        }
        let bytes = pieces.len() as u64;
        Ok(Attempt::Done(Some(CellsRead { present: true, bytes, blocks: 0, whole: false })))
    }

    fn whole(&self, index: &[u64], out: &mut [u8], scratch: &mut CellScratch) -> Result<CellsRead, ZarrError> {
        let CellScratch { stored, wanted, .. } = scratch;
        let fetched = self.reader.fetch(index, stored)?;
        if !fetched.present {
            return Ok(CellsRead { bytes: fetched.bytes, ..CellsRead::default() });
        }
        if self.partial != PartialDecode::Off && self.reader.is_frame() {
            // All is here, and still not all needs decoding.
            if let Some(header) = frame_header(stored, stored.len() as u64, self.chunk_bytes)
                && let Some(ranges) = self.ranges(&header, stored, wanted)
            {
                let bytes_of = |range: &Range<u64>| stored.get(to_usize(range.start)..to_usize(range.end));
                let key = self.reader.key(index).0;
                let blocks = self.decode(&key, &header, &ranges, bytes_of, out, wanted)?;
                return Ok(CellsRead { present: true, bytes: fetched.bytes, blocks, whole: false });
            }
        }
        let decoder = &mut *self.decoders.take();
        let decode = &mut decoder.decode;
        let damaged = |source| self.damaged(&self.reader.key(index).0, source);
        self.reader.decode(index, stored, 1, decode).map_err(damaged)?;
        for (value, number) in out.chunks_exact_mut(self.itemsize).zip(self.cells.numbers()) {
            let at = usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(self.itemsize);
            let element = decode.decoded.get(at..at.saturating_add(self.itemsize));
            value.copy_from_slice(element.ok_or_else(|| {
                let found = decode.decoded.len() as u64;
                damaged(CodecError::WrongSize { expected: self.chunk_bytes, found })
            })?);
        }
        Ok(CellsRead { present: true, bytes: fetched.bytes, blocks: 0, whole: true })
    }

    /// The cells by block, those of a block together; `None` if they are too many, or the chunk too large, to be numbered.
    fn find(&self, blocksize: u64, wanted: &mut Vec<Wanted>) -> Option<()> {
        let size = self.itemsize as u64;
        wanted.clear();
        for (cell, number) in self.cells.numbers().enumerate() {
            let at = number.checked_mul(size)?;
            let (offset, cell) = (u32::try_from(at % blocksize).ok()?, u32::try_from(cell).ok()?);
            wanted.push(Wanted { block: at / blocksize, offset, cell });
        }
        if !wanted.is_sorted() {
            wanted.sort_unstable();
        }
        Some(())
    }

    fn damaged(&self, key: &str, source: CodecError) -> ZarrError {
        ZarrError::Chunk { place: self.reader.store().place(key), source }
    }
}

/// Elements read at one place: `None` if all of the chunk has to be read.
type Read = Result<Attempt<Option<CellsRead>>, ZarrError>;

/// The required blocks, each once, in order.
fn blocks_of(wanted: &[Wanted]) -> impl Iterator<Item = u64> {
    wanted.chunk_by(|a, b| a.block == b.block).map(|group| group[0].block)
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
