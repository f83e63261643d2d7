//! What a subset of a chunk needs: of a large Blosc frame, the blocks that hold something of it.
//!
//! The ranges read are placed in a buffer as long as the frame; the gaps keep their old content. The decoder uses only the
//! requested blocks, and so cannot distinguish such a frame from a complete one.

use crate::decoder::{byte_range, spans};
use crate::elements::Itemsize;
use crate::error::ZarrError;
use crate::frame_reader::{Frame, Opened, ReadPolicy, block_ranges};
use crate::reader::{Attempt, ChunkReader, Fetched, Stored};
use crate::subset::Subset;

impl ChunkReader<'_> {
    /// Reads of chunk `index` at least what decoding `part` of it (in stored order, from the chunk's origin) needs: of a large
    /// Blosc frame, the blocks that hold something of the part; of anything else, everything. `spare` is scratch space.
    ///
    /// `stored` may only be passed to [`ChunkReader::decode_subset`] with the same part.
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
        let Itemsize::Fixed(itemsize) = self.elements().itemsize else { return self.fetch(index, stored) };
        let wanted = part.elements().max(1).saturating_mul(itemsize as u64);
        if !self.is_frame() || !ReadPolicy::SUBSET.is_worth_it(self.bytes_of(index), wanted) {
            return self.fetch(index, stored);
        }
        let fetched = self.at(
            index,
            stored,
            |absent| Ok(Some(absent)),
            |place, stored| self.fetch_blocks(index, place, part, itemsize, stored, spare),
        );
        match fetched? {
            Some(fetched) => Ok(fetched),
            // Not the expected frame: the decoder reports the error.
            None => self.fetch(index, stored),
        }
    }

    /// `None` if everything is to be read, because that is less work, or because something is wrong.
    fn fetch_blocks(
        &self,
        index: &[u64],
        place: &Stored,
        part: &Subset,
        itemsize: usize,
        stored: &mut Vec<u8>,
        spare: &mut Vec<u8>,
    ) -> Result<Attempt<Option<Fetched>>, ZarrError> {
        let mut frame = match Frame::open(self.store(), place, self.bytes_of(index), spare)? {
            Opened::Frame(frame) => frame,
            Opened::Absent => return Ok(Attempt::Done(Some(Fetched::ABSENT))),
            Opened::Other => return Ok(Attempt::Done(None)),
            Opened::Replaced => return Ok(Attempt::Replaced),
        };
        let (chunk, blocksize) = (self.chunk(index), frame.header.blocksize.max(1) as usize);
        let blocks = spans(part, &chunk, itemsize, 2 * blocksize).flat_map(|span| {
            let wanted = byte_range(&span, &chunk, itemsize);
            (wanted.start / blocksize) as u64..wanted.end.div_ceil(blocksize) as u64
        });
        let frame_bytes = u64::from(frame.header.cbytes);
        let ranges = block_ranges(&frame.header, spare, blocks);
        let Some(pieces) = ranges.and_then(|ranges| ReadPolicy::SUBSET.pieces(&ranges, frame_bytes)) else {
            return Ok(Attempt::Done(None));
        };
        stored.resize(zcodec::to_usize(frame_bytes), 0);
        let head = spare.len().min(stored.len());
        stored[..head].copy_from_slice(&spare[..head]);
        if !frame.read(place, &pieces, spare)? {
            return Ok(Attempt::Done(None));
        }
        pieces.scatter(spare, stored);
        Ok(Attempt::Done(Some(Fetched { stat: Some(frame.stat), present: true, bytes: frame.bytes })))
    }
}
