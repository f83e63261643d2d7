//! Single elements of a chunk: of a Blosc frame only the blocks are read and decoded that hold one of them, of an uncompressed
//! chunk only their bytes; anything else is read and decoded whole.
//!
//! A Blosc frame is a header, a table of where its blocks start, and the blocks. One element of a map of 4 MB lies in one block
//! of 8 to 127, so header, table and that block are all that its reader needs. No part that was not read can be checked.

use std::ops::Range;

use zcodec::{BlockTable, Codec, CodecError, HEADER_LEN, Header, Workspace, decode_cells};
use zstore::ByteRange;

use crate::elements::Itemsize;
use crate::error::ZarrError;
use crate::parallel::Semaphore;
use crate::reader::{ChunkReader, DecodeScratch, Stored};

/// Header and table of a frame are read in one piece of this size; of a frame of more than 1,020 blocks, in two.
const HEAD: u64 = 4096;

/// Chunks that decode to less than this are read whole where they are local: a second read costs more than the bytes.
const WORTH_LOCAL: u64 = 64 << 10;

/// The same across a network, where a second read costs a round trip.
const WORTH_REMOTE: u64 = 512 << 10;

/// Pieces of an object closer to each other than this are read as one.
const GAP_LOCAL: u64 = 4 << 10;
const GAP_REMOTE: u64 = 64 << 10;

/// More pieces than this are not worth their requests across a network.
const MOST_REMOTE_PIECES: usize = 16;

/// Which elements of a chunk: every pair of a step and a place. Element `(s, p)` is number `steps[s] + places[p]` of the
/// decoded chunk.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    /// Offsets along the dimensions that are wanted in full or in part, in elements.
    pub steps: &'a [u64],
    /// Offsets of the places, in elements.
    pub places: &'a [u64],
}

impl Cells<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        self.steps.len().saturating_mul(self.places.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of each, step by step.
    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.steps.iter().flat_map(|step| self.places.iter().map(move |place| step + place))
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
    /// Blosc blocks decoded, as far as the cells need them.
    pub blocks: u64,
    /// Whether the chunk was decoded whole, because it is no Blosc frame, or was asked to be.
    pub whole: bool,
}

/// What a worker keeps from chunk to chunk.
#[derive(Default)]
pub struct CellScratch {
    /// The header and the table, or the whole chunk.
    stored: Vec<u8>,
    /// Pieces of a chunk.
    pieces: Vec<u8>,
    found: Found,
    decode: DecodeScratch,
}

/// The cells of a chunk by block, and what decoding them needs.
#[derive(Default)]
struct Found {
    wanted: Vec<Wanted>,
    offsets: Vec<u32>,
    values: Vec<u8>,
    workspace: Workspace,
}

/// One element: where it lies in the decoded chunk, and which of the cells it is.
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
    /// [`ZarrError::Store`] from the store, [`ZarrError::Chunk`] where what was read of the chunk is damaged. An absent chunk
    /// is no error.
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
        let job = Job { reader: self, place: &place, cells, itemsize, partial, processor };
        let read = match self.tail() {
            [Codec::Blosc(..)] if job.is_worth_it() => job.blocks(out, scratch)?,
            [] if job.is_worth_it() => job.plain(out, scratch)?,
            _ => None,
        };
        match read {
            Some(read) => Ok(read),
            // Not worth it, or not the frame that was expected: whoever decodes it whole will say what is wrong.
            None => job.whole(index, out, scratch),
        }
    }

    /// Bytes that chunk `index` takes in the store; nothing where it is absent.
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

    /// Bytes that a worker holds at most while it reads cells of one chunk.
    pub fn cell_bytes(&self) -> u64 {
        let chunk = self.chunk_bytes();
        let compressed = if self.tail().is_empty() { 0 } else { chunk };
        chunk.saturating_add(compressed)
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
    processor: &'a Semaphore,
}

impl Job<'_> {
    fn is_worth_it(&self) -> bool {
        let worth = if self.reader.store().is_remote() { WORTH_REMOTE } else { WORTH_LOCAL };
        let wanted = (self.cells.len() as u64).saturating_mul(self.itemsize as u64);
        match self.partial {
            PartialDecode::Off => false,
            PartialDecode::On => true,
            PartialDecode::Auto => self.reader.chunk_bytes().saturating_sub(wanted) >= worth,
        }
    }

    /// Of a Blosc frame, the blocks. Nothing: all is to be read, because that is less work, or because something is wrong.
    fn blocks(&self, out: &mut [u8], scratch: &mut CellScratch) -> Result<Option<CellsRead>, ZarrError> {
        let CellScratch { stored: head, pieces, found, .. } = scratch;
        let (store, key) = (self.reader.store(), &self.place.key);
        let len = self.place.len.map_or(HEAD, |len| len.min(HEAD));
        let Some(stat) = store.get_range(key, ByteRange::At { start: self.place.start, len }, head)? else {
            return Ok(Some(CellsRead::default()));
        };
        let mut bytes = head.len() as u64;
        let Some(header) = self.header(head, self.place.len.unwrap_or(stat.size)) else { return Ok(None) };
        let table = header.block_table_range().unwrap_or_default();
        if table.end > head.len() as u64 {
            let table = self.place.start..table.end + self.place.start;
            if store.get_ranges(key, &[table], head)? != Some(stat) {
                return Ok(None);
            }
            bytes += head.len() as u64;
        }
        let Some(ranges) = self.ranges(&header, head, found) else { return Ok(None) };
        let Some(plan) = self.pieces(&ranges, u64::from(header.cbytes)) else { return Ok(None) };
        // Another size or tag: it was written anew in between.
        if store.get_ranges(key, &plan.requests(self.place.start), pieces)? != Some(stat) {
            return Ok(None);
        }
        bytes += pieces.len() as u64;
        let blocks = self.decode(&header, &ranges, |range| plan.within(pieces, range), out, found)?;
        Ok(Some(CellsRead { present: true, bytes, blocks, whole: false }))
    }

    /// The header of the frame that `bytes` begin, of which `stored` bytes are there. Nothing: it is not the frame that was
    /// expected, or one whose blocks cut elements in two.
    fn header(&self, bytes: &[u8], stored: u64) -> Option<Header> {
        let header = Header::parse(bytes).ok()?;
        // A frame that is cut must not be taken for whole because the blocks wanted of it are there.
        let as_expected = stored >= u64::from(header.cbytes) && u64::from(header.nbytes) == self.reader.chunk_bytes();
        (as_expected && u64::from(header.blocksize).is_multiple_of(self.itemsize as u64)).then_some(header)
    }

    /// Finds the cells' blocks, and the bytes of the frame that hold each of these.
    fn ranges(&self, header: &Header, head: &[u8], found: &mut Found) -> Option<Vec<Range<u64>>> {
        let table = BlockTable::parse(header, head.get(HEADER_LEN..)?).ok()?;
        self.find(u64::from(header.blocksize), &mut found.wanted);
        blocks_of(&found.wanted).map(|block| table.block(block)).collect()
    }

    /// Decodes what the cells need of each of their blocks. Returns how many blocks these are.
    fn decode<'b>(
        &self,
        header: &Header,
        ranges: &[Range<u64>],
        bytes_of: impl Fn(&Range<u64>) -> Option<&'b [u8]>,
        out: &mut [u8],
        found: &mut Found,
    ) -> Result<u64, ZarrError> {
        let Found { wanted, offsets, values, workspace } = found;
        let _turn = self.processor.acquire(1);
        for (group, range) in wanted.chunk_by(|a, b| a.block == b.block).zip(ranges) {
            offsets.clear();
            offsets.extend(group.iter().map(|wanted| wanted.offset));
            values.resize(group.len() * self.itemsize, 0);
            let short = CodecError::Short { format: "blosc block", needed: range.end - range.start, found: 0 };
            bytes_of(range)
                .ok_or(short)
                .and_then(|block| {
                    let number = u64::from(group[0].block);
                    decode_cells(header, number, block, offsets, self.itemsize, values, workspace)
                })
                .map_err(|source| self.damaged(source))?;
            for (value, wanted) in values.chunks_exact(self.itemsize).zip(group) {
                let at = wanted.cell as usize * self.itemsize;
                out[at..at + self.itemsize].copy_from_slice(value);
            }
        }
        Ok(ranges.len() as u64)
    }

    /// Of a chunk that is not compressed, the bytes.
    fn plain(&self, out: &mut [u8], scratch: &mut CellScratch) -> Result<Option<CellsRead>, ZarrError> {
        let CellScratch { pieces, found: Found { wanted, .. }, .. } = scratch;
        let chunk_bytes = self.reader.chunk_bytes();
        // As if each element were a block.
        self.find(self.itemsize as u64, wanted);
        let size = self.itemsize as u64;
        let ranges: Vec<Range<u64>> = blocks_of(wanted).map(|block| block * size..(block + 1) * size).collect();
        let Some(plan) = self.pieces(&ranges, chunk_bytes) else { return Ok(None) };
        let requests = plan.requests(self.place.start);
        let Some(stat) = self.reader.store().get_ranges(&self.place.key, &requests, pieces)? else {
            return Ok(Some(CellsRead::default()));
        };
        // A chunk that is cut is damaged, wherever the wanted bytes are.
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
        if self.partial != PartialDecode::Off && matches!(self.reader.tail(), [Codec::Blosc(..)]) {
            // All is here, and still not all needs decoding.
            if let Some(header) = self.header(stored, stored.len() as u64)
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

    /// The ranges put together to pieces that are worth a read each. Nothing: reading all `len` bytes is less work.
    fn pieces(&self, ranges: &[Range<u64>], len: u64) -> Option<Pieces> {
        let remote = self.reader.store().is_remote();
        let pieces = Pieces::of(ranges, if remote { GAP_REMOTE } else { GAP_LOCAL });
        let many = remote && pieces.0.len() > MOST_REMOTE_PIECES;
        match self.partial {
            PartialDecode::Auto if many || pieces.bytes() > len / 2 => None,
            _ => Some(pieces),
        }
    }

    fn damaged(&self, source: CodecError) -> ZarrError {
        ZarrError::Chunk { place: self.reader.store().place(&self.place.key), source }
    }
}

/// The blocks that are wanted, each once, in order.
fn blocks_of(wanted: &[Wanted]) -> impl Iterator<Item = u64> {
    wanted.chunk_by(|a, b| a.block == b.block).map(|group| u64::from(group[0].block))
}

/// Parts of an object that are read each in one go, in order, with the bytes that those before it have.
struct Pieces(Vec<(Range<u64>, u64)>);

impl Pieces {
    /// Ranges put together where no more than `gap` bytes lie between them.
    fn of(ranges: &[Range<u64>], gap: u64) -> Pieces {
        let mut sorted = ranges.to_vec();
        sorted.sort_unstable_by_key(|range| range.start);
        let mut pieces: Vec<(Range<u64>, u64)> = Vec::new();
        let mut before = 0;
        for range in sorted {
            match pieces.last_mut() {
                Some((last, _)) if range.start <= last.end.saturating_add(gap) => last.end = last.end.max(range.end),
                last => {
                    before += last.map_or(0, |(last, _)| last.end - last.start);
                    pieces.push((range, before));
                }
            }
        }
        Pieces(pieces)
    }

    fn bytes(&self) -> u64 {
        self.0.last().map_or(0, |(last, before)| before + last.end - last.start)
    }

    fn requests(&self, start: u64) -> Vec<Range<u64>> {
        self.0.iter().map(|(range, _)| range.start + start..range.end + start).collect()
    }

    /// The bytes of `range` out of what was read, the pieces one after the other.
    fn within<'a>(&self, bytes: &'a [u8], range: &Range<u64>) -> Option<&'a [u8]> {
        let number = self.0.partition_point(|(piece, _)| piece.end < range.end);
        let (piece, before) = self.0.get(number).filter(|(piece, _)| piece.start <= range.start)?;
        let start = (before + range.start - piece.start) as usize;
        bytes.get(start..start + (range.end - range.start) as usize)
    }
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
