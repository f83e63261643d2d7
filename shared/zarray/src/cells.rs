//! Single elements of a chunk: of a Blosc frame only the blocks are read and decoded that hold one of them, of an uncompressed
//! chunk only their bytes; any other chunk is read and decoded in full.
//!
//! One element of a map of 4 MB lies in one block of 8 to 127, so header, table and that block are all that its reader needs.

use std::ops::Range;

use zcodec::{BlockBytes, CodecError, Header, Workspace, decode_cells};
use zstore::LocalObject;

use crate::chain::DecodeScratch;
use crate::elements::Itemsize;
use crate::error::ZarrError;
use crate::file_block::FileBlock;
use crate::frame_reader::{Frame, Opened, ReadPolicy, block_ranges, frame_header};
use crate::parallel::Semaphore;
use crate::reader::{ChunkReader, Stored};

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

/// What a worker keeps from chunk to chunk.
#[derive(Default)]
pub struct CellScratch {
    /// The header and the table, or the full chunk.
    stored: Vec<u8>,
    /// Pieces of a chunk.
    pieces: Vec<u8>,
    found: Found,
    decode: DecodeScratch,
}

/// The cells of a chunk by block, with the data required to decode them.
#[derive(Default)]
struct Found {
    wanted: Vec<Wanted>,
    decoding: Decoding,
}

/// What decoding the cells of one block takes.
#[derive(Default)]
struct Decoding {
    offsets: Vec<u32>,
    values: Vec<u8>,
    workspace: Workspace,
}

/// One element: its offset in the decoded chunk, and its cell number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    block: u32,
    offset: u32,
    cell: u32,
}

impl ChunkReader<'_> {
    /// Reads elements of chunk `index` into `out`, one after the other (step by step, as [`Cells`] numbers them), each as a
    /// decoded chunk holds it. Elements must have a fixed size. A thread has its turn at `processor` while it decodes.
    ///
    /// # Errors
    /// [`ZarrError::Store`] from the store, [`ZarrError::Chunk`] if what was read of the chunk is damaged. A missing chunk
    /// is not an error.
    pub fn read_cells(
        &self,
        index: &[u64],
        cells: &Cells,
        partial: PartialDecode,
        processor: &Semaphore,
        out: &mut Vec<u8>,
        scratch: &mut CellScratch,
    ) -> Result<CellsRead, ZarrError> {
        let Itemsize::Fixed(itemsize) = self.elements().itemsize else { return Ok(CellsRead::default()) };
        out.resize(cells.len() * itemsize, 0);
        let place = match self.locate(index, &mut scratch.stored)? {
            Ok(place) => place,
            Err(_) => return Ok(CellsRead::default()),
        };
        let policy = if self.store().is_remote() { ReadPolicy::FAR } else { ReadPolicy::NEAR };
        let policy = if partial == PartialDecode::On { policy.always() } else { policy };
        let job = Job { reader: self, place: &place, cells, itemsize, partial, policy, processor };
        let read = match partial != PartialDecode::Off && job.is_worth_it() {
            true if self.is_frame() => job.blocks(out, scratch)?,
            true if self.is_plain() => job.plain(out, scratch)?,
            _ => None,
        };
        match read {
            Some(read) => Ok(read),
            // Not worthwhile, or not the expected frame: decoding it in full reports the error.
            None => job.whole(index, out, scratch),
        }
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
    pub fn cell_bytes(&self) -> u64 {
        let chunk = self.chunk_bytes();
        chunk.saturating_mul(self.copies())
    }

    /// Bytes of a decoded chunk.
    pub fn chunk_bytes(&self) -> u64 {
        match self.elements().itemsize {
            Itemsize::Fixed(size) => self.grid().chunk_elements().saturating_mul(size as u64),
            Itemsize::Variable => self.grid().chunk_elements().saturating_mul(16),
        }
    }
}

/// Elements of one chunk.
struct Job<'a> {
    reader: &'a ChunkReader<'a>,
    place: &'a Stored,
    cells: &'a Cells<'a>,
    itemsize: usize,
    partial: PartialDecode,
    policy: ReadPolicy,
    processor: &'a Semaphore,
}

impl Job<'_> {
    fn is_worth_it(&self) -> bool {
        let wanted = (self.cells.len() as u64).saturating_mul(self.itemsize as u64);
        self.policy.is_worth_it(self.reader.chunk_bytes(), wanted)
    }

    /// Of a Blosc frame, the blocks. Nothing: all is to be read, because that is less work, or because something is wrong.
    fn blocks(&self, out: &mut [u8], scratch: &mut CellScratch) -> Result<Option<CellsRead>, ZarrError> {
        let CellScratch { stored: head, pieces, found, .. } = scratch;
        let store = self.reader.store();
        let mut frame = match Frame::open(store, self.place, self.reader.chunk_bytes(), head)? {
            Opened::Frame(frame) => frame,
            Opened::Absent => return Ok(Some(CellsRead::default())),
            Opened::Other => return Ok(None),
        };
        let Some(ranges) = self.ranges(&frame.header, head, found) else { return Ok(None) };
        if let Some(object) = frame.object.local() {
            return self.local_blocks(&frame, object, head, &ranges, out, pieces, found).map(Some);
        }
        let Some(plan) = self.policy.pieces(&ranges, u64::from(frame.header.cbytes)) else { return Ok(None) };
        if !frame.read(self.place, &plan, pieces)? {
            return Ok(None);
        }
        let blocks = self.decode(&frame.header, &ranges, |range| plan.within(pieces, range), out, found)?;
        Ok(Some(CellsRead { present: true, bytes: frame.bytes, blocks, whole: false }))
    }

    /// Of a frame in an open file, one block after the other: what is read of a block is decoded while it is in the cache of
    /// the core.
    fn local_blocks(
        &self,
        frame: &Frame,
        object: &LocalObject,
        head: &[u8],
        ranges: &[Range<u64>],
        out: &mut [u8],
        buffer: &mut Vec<u8>,
        found: &mut Found,
    ) -> Result<CellsRead, ZarrError> {
        let _turn = self.processor.acquire(1);
        let mut bytes = frame.bytes;
        let start = self.place.start;
        for (group, range) in found.wanted.chunk_by(|a, b| a.block == b.block).zip(ranges) {
            let range = range.start + start..range.end + start;
            let mut block =
                FileBlock { object, range, head, head_start: start, buffer, held: 0..0, bytes: 0, error: None };
            let decoded = self.decode_block(&frame.header, group, &mut block, out, &mut found.decoding);
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
    fn ranges(&self, header: &Header, head: &[u8], found: &mut Found) -> Option<Vec<Range<u64>>> {
        let blocksize = u64::from(header.blocksize);
        if !blocksize.is_multiple_of(self.itemsize as u64) {
            return None;
        }
        self.find(blocksize, &mut found.wanted);
        block_ranges(header, head, blocks_of(&found.wanted))
    }

    /// Decodes the required part of each block with cells. Returns the number of blocks.
    fn decode<'b>(
        &self,
        header: &Header,
        ranges: &[Range<u64>],
        bytes_of: impl Fn(&Range<u64>) -> Option<&'b [u8]>,
        out: &mut [u8],
        found: &mut Found,
    ) -> Result<u64, ZarrError> {
        let _turn = self.processor.acquire(1);
        for (group, range) in found.wanted.chunk_by(|a, b| a.block == b.block).zip(ranges) {
            let short = CodecError::Short { format: "blosc block", needed: range.end - range.start, found: 0 };
            let block = bytes_of(range).ok_or(short).map_err(|source| self.damaged(source))?;
            self.decode_block(header, group, block, out, &mut found.decoding)?;
        }
        Ok(ranges.len() as u64)
    }

    /// Decodes the cells of one block.
    fn decode_block(
        &self,
        header: &Header,
        group: &[Wanted],
        block: impl BlockBytes,
        out: &mut [u8],
        decoding: &mut Decoding,
    ) -> Result<(), ZarrError> {
        let Decoding { offsets, values, workspace } = decoding;
        offsets.clear();
        offsets.extend(group.iter().map(|wanted| wanted.offset));
        values.resize(group.len() * self.itemsize, 0);
        decode_cells(header, u64::from(group[0].block), block, offsets, self.itemsize, values, workspace)
            .map_err(|source| self.damaged(source))?;
        for (value, wanted) in values.chunks_exact(self.itemsize).zip(group) {
            let at = wanted.cell as usize * self.itemsize;
            out[at..at + self.itemsize].copy_from_slice(value);
        }
        Ok(())
    }

    /// Of a chunk that is not compressed, the bytes.
    fn plain(&self, out: &mut [u8], scratch: &mut CellScratch) -> Result<Option<CellsRead>, ZarrError> {
        let CellScratch { pieces, found: Found { wanted, .. }, .. } = scratch;
        let chunk_bytes = self.reader.chunk_bytes();
        // As if each element were a block.
        self.find(self.itemsize as u64, wanted);
        let size = self.itemsize as u64;
        let ranges: Vec<Range<u64>> = blocks_of(wanted).map(|block| block * size..(block + 1) * size).collect();
        let Some(plan) = self.policy.pieces(&ranges, chunk_bytes) else { return Ok(None) };
        let requests = plan.requests(self.place.start);
        let Some(stat) = self.reader.store().get_ranges(&self.place.key, &requests, pieces)? else {
            return Ok(Some(CellsRead::default()));
        };
        // A truncated chunk is damaged, wherever the requested bytes are.
        if self.place.len.unwrap_or(stat.size) != chunk_bytes {
            return Ok(None);
        }
        for (group, range) in wanted.chunk_by(|a, b| a.block == b.block).zip(&ranges) {
            let Some(value) = plan.within(pieces, range) else { return Ok(None) };
            for wanted in group {
                let at = wanted.cell as usize * self.itemsize;
                out[at..at + self.itemsize].copy_from_slice(value);
            }
        }
        Ok(Some(CellsRead { present: true, bytes: pieces.len() as u64, blocks: 0, whole: false }))
    }

    fn whole(&self, index: &[u64], out: &mut [u8], scratch: &mut CellScratch) -> Result<CellsRead, ZarrError> {
        let CellScratch { stored, decode, found, .. } = scratch;
        let fetched = self.reader.fetch(index, stored)?;
        if !fetched.present {
            return Ok(CellsRead { bytes: fetched.bytes, ..CellsRead::default() });
        }
        if self.partial != PartialDecode::Off && self.reader.is_frame() {
            // All is here, and still not all needs decoding.
            if let Some(header) = frame_header(stored, stored.len() as u64, self.reader.chunk_bytes())
                && let Some(ranges) = self.ranges(&header, stored, found)
            {
                let bytes_of = |range: &Range<u64>| stored.get(range.start as usize..range.end as usize);
                let blocks = self.decode(&header, &ranges, bytes_of, out, found)?;
                return Ok(CellsRead { present: true, bytes: fetched.bytes, blocks, whole: false });
            }
        }
        let _turn = self.processor.acquire(1);
        self.reader.decode(stored, 1, decode).map_err(|source| self.damaged(source))?;
        for (value, number) in out.chunks_exact_mut(self.itemsize).zip(self.cells.numbers()) {
            let at = number as usize * self.itemsize;
            let element = decode.decoded.get(at..at + self.itemsize);
            value.copy_from_slice(element.ok_or_else(|| {
                let found = decode.decoded.len() as u64;
                self.damaged(CodecError::WrongSize { expected: self.reader.chunk_bytes(), found })
            })?);
        }
        Ok(CellsRead { present: true, bytes: fetched.bytes, blocks: 0, whole: true })
    }

    /// The cells by block, those of a block together.
    fn find(&self, blocksize: u64, wanted: &mut Vec<Wanted>) {
        let size = self.itemsize as u64;
        wanted.clear();
        wanted.extend(self.cells.numbers().enumerate().map(|(cell, number)| {
            let at = number * size;
            Wanted { block: (at / blocksize) as u32, offset: (at % blocksize) as u32, cell: cell as u32 }
        }));
        if !wanted.is_sorted() {
            wanted.sort_unstable();
        }
    }

    fn damaged(&self, source: CodecError) -> ZarrError {
        ZarrError::Chunk { place: self.reader.store().place(&self.place.key), source }
    }
}

/// The required blocks, each once, in order.
fn blocks_of(wanted: &[Wanted]) -> impl Iterator<Item = u64> {
    wanted.chunk_by(|a, b| a.block == b.block).map(|group| u64::from(group[0].block))
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
