//! Part of a stored Blosc frame: header and block table first, then only the blocks that are wanted.
//!
//! What is fetched goes to its place in a buffer as long as the frame; what lies between is whatever the buffer held. The
//! decoder looks at the wanted blocks alone, and so cannot tell such a frame from a whole one.

use std::ops::Range;

use zcodec::{BlockTable, Codec, HEADER_LEN, Header};
use zstore::{ByteRange, Stat};

use crate::elements::Itemsize;
use crate::error::ZarrError;
use crate::reader::{ChunkReader, Fetched, Stored, byte_range, spans};
use crate::subset::Subset;

/// Below so many decoded bytes that could be spared, one read of everything is as fast as two of less.
const WORTH: u64 = 512 << 10;

/// Read at first, where the table is not expected to be longer.
const HEAD: u64 = 4096;

/// Blocks so close to each other are read together.
const GAP: u64 = 64 << 10;

/// More pieces than this are not worth their requests.
const MOST_PIECES: usize = 4;

impl ChunkReader<'_> {
    /// Reads of chunk `index` at least what decoding `part` of it (in stored order, from the chunk's origin) needs: of a large
    /// Blosc frame, the blocks that hold something of the part; of anything else, everything. `spare` is scratch space.
    ///
    /// What is in `stored` is for [`ChunkReader::decode_subset`] with this part, and for nothing else.
    ///
    /// # Errors
    /// As [`ChunkReader::fetch`].
    pub fn fetch_subset(
        &self,
        index: &[u64],
        part: &Subset,
        stored: &mut Vec<u8>,
        spare: &mut Vec<u8>,
    ) -> Result<Fetched, ZarrError> {
        if !self.is_worth_it(part) {
            return self.fetch(index, stored);
        }
        let place = match self.locate(index, stored)? {
            Ok(place) => place,
            Err(absent) => return Ok(absent),
        };
        match self.fetch_blocks(&place, part, stored, spare)? {
            Some(fetched) => Ok(fetched),
            // Not the frame that was expected: whoever decodes it will say what is wrong.
            None => self.fetch(index, stored),
        }
    }

    fn is_worth_it(&self, part: &Subset) -> bool {
        let Itemsize::Fixed(itemsize) = self.elements().itemsize else { return false };
        let chunk = self.chunk();
        let wanted = part.elements().max(1).saturating_mul(itemsize as u64);
        let whole = chunk.elements().saturating_mul(itemsize as u64);
        matches!(self.tail(), [Codec::Blosc(..)]) && whole.saturating_sub(wanted) >= WORTH
    }

    /// Nothing: everything is to be read, because that is simpler, or because something is wrong.
    fn fetch_blocks(
        &self,
        place: &Stored,
        part: &Subset,
        stored: &mut Vec<u8>,
        spare: &mut Vec<u8>,
    ) -> Result<Option<Fetched>, ZarrError> {
        let Some(stat) = self.read(place, 0..HEAD, spare)? else { return Ok(Some(Fetched::ABSENT)) };
        let Ok(header) = Header::parse(spare) else { return Ok(None) };
        // A frame that is cut must not be taken for whole because the buffer held something else before.
        if place.len.unwrap_or(stat.size) < u64::from(header.cbytes) {
            return Ok(None);
        }
        let table = header.block_table_range().unwrap_or_default();
        if table.end > spare.len() as u64 && self.read(place, 0..table.end, spare)? != Some(stat) {
            return Ok(None);
        }
        let Some(pieces) = spare.get(HEADER_LEN..).and_then(|bytes| self.pieces(&header, bytes, part)) else {
            return Ok(None);
        };
        let wanted: u64 = pieces.iter().map(|piece| piece.end - piece.start).sum();
        if pieces.len() > MOST_PIECES || wanted > u64::from(header.cbytes) / 4 * 3 {
            return Ok(None);
        }
        let mut bytes = spare.len() as u64;
        stored.resize(header.cbytes as usize, 0);
        put(stored, 0, spare);
        for piece in pieces {
            // Another size or tag: it was written anew in between.
            if self.read(place, piece.clone(), spare)? != Some(stat) || spare.len() as u64 != piece.end - piece.start {
                return Ok(None);
            }
            bytes += spare.len() as u64;
            put(stored, piece.start as usize, spare);
        }
        Ok(Some(Fetched { stat: Some(stat), present: true, bytes }))
    }

    /// Bytes of the frame that hold the blocks of `part`, in order. `bytes` are those behind the header.
    fn pieces(&self, header: &Header, bytes: &[u8], part: &Subset) -> Option<Vec<Range<u64>>> {
        let Itemsize::Fixed(itemsize) = self.elements().itemsize else { return None };
        let table = BlockTable::parse(header, bytes).ok()?;
        let (chunk, blocksize) = (self.chunk(), u64::from(header.blocksize.max(1)));
        let mut places = Vec::new();
        for span in spans(part, &chunk, itemsize, 2 * blocksize as usize) {
            let wanted = byte_range(&span, &chunk, itemsize);
            let blocks = wanted.start as u64 / blocksize..(wanted.end as u64).div_ceil(blocksize);
            for block in blocks {
                places.push(table.block(block)?);
            }
        }
        places.sort_unstable_by_key(|place| place.start);
        let mut pieces: Vec<Range<u64>> = Vec::new();
        for place in places {
            match pieces.last_mut() {
                Some(last) if place.start <= last.end + GAP => last.end = last.end.max(place.end),
                _ => pieces.push(place),
            }
        }
        Some(pieces)
    }

    /// Reads bytes of a stored chunk, as far as it has them.
    fn read(&self, place: &Stored, range: Range<u64>, buffer: &mut Vec<u8>) -> Result<Option<Stat>, ZarrError> {
        let end = place.len.map_or(range.end, |len| range.end.min(len));
        let range = ByteRange::At { start: place.start + range.start, len: end.saturating_sub(range.start) };
        Ok(self.store().get_range(&place.key, range, buffer)?)
    }
}

/// Puts bytes in their place, as far as there is room: more was read at first than a small frame has.
fn put(target: &mut [u8], start: usize, bytes: &[u8]) {
    if let Some(room) = target.get_mut(start..) {
        let len = bytes.len().min(room.len());
        room[..len].copy_from_slice(&bytes[..len]);
    }
}
