//! The block table of a Blosc frame, and decoding of single blocks from their stored bytes: for readers that need a few
//! cells of a chunk without fetching all of it.
//!
//! Format: c-blosc's `README_CHUNK_FORMAT.rst` (1.21). The table stores the start of each block but not its end; frames
//! written by several threads contain their blocks in order of completion.

use std::ops::Range;

use crate::block::Layout;
use crate::{CodecError, HEADER_LEN, Header, Workspace, c_blosc, set_len, to_usize};

/// Size of a length field, the minimum size of a block.
const LENGTH: u64 = 4;

/// The positions of all blocks in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockTable {
    header: Header,
    /// Start and end of each block; empty for an uncompressed frame, whose blocks are contiguous.
    places: Vec<(u32, u32)>,
}

impl BlockTable {
    /// Parses the table from `bytes`, the range [`Header::block_table_range`] of the frame (may be longer; may be empty
    /// for an uncompressed frame).
    ///
    /// # Errors
    /// [`CodecError::Short`] if bytes are missing; [`CodecError::Invalid`] if a block starts outside the frame's data
    /// section.
    pub fn parse(header: &Header, bytes: &[u8]) -> Result<BlockTable, CodecError> {
        let Some(table) = header.block_table_range() else {
            return Ok(BlockTable { header: *header, places: Vec::new() });
        };
        let needed = table.end - table.start;
        let Some(bytes) = usize::try_from(needed).ok().and_then(|needed| bytes.get(..needed)) else {
            return Err(CodecError::Short { format: "blosc block table", needed, found: bytes.len() as u64 });
        };
        let inside = table.end..u64::from(header.cbytes).saturating_sub(LENGTH - 1);
        let mut starts = Vec::with_capacity(bytes.len() / 4);
        for (index, word) in bytes.as_chunks::<4>().0.iter().enumerate() {
            let start = u32::from_le_bytes(*word);
            if !inside.contains(&start.into()) {
                let detail = format!("block {index} starts at byte {start}, outside {inside:?}");
                return Err(CodecError::Invalid { format: "blosc", detail });
            }
            starts.push(start);
        }
        Ok(BlockTable { header: *header, places: places(&starts, header.cbytes) })
    }

    /// The byte range of block `index` in the frame; `None` if there is no such block.
    pub fn block(&self, index: u64) -> Option<Range<u64>> {
        if index >= self.header.blocks() {
            return None;
        }
        if self.header.stored_raw() {
            let Range { start, end } = self.header.block_bytes(index);
            return Some(start + HEADER_LEN as u64..end + HEADER_LEN as u64);
        }
        let (start, end) = *self.places.get(usize::try_from(index).ok()?)?;
        Some(start.into()..end.into())
    }
}

/// A block ends where the next one in storage order starts; the last one ends with the frame.
fn places(starts: &[u32], cbytes: u32) -> Vec<(u32, u32)> {
    let mut order = starts.to_vec();
    order.sort_unstable();
    let end = |start: u32| order.get(order.partition_point(|&other| other <= start)).copied().unwrap_or(cbytes);
    starts.iter().map(|&start| (start, end(start))).collect()
}

/// Decodes block `index` of the frame with this `header` into `out` (overwritten), giving the decoded byte range
/// [`Header::block_bytes`]. `bytes` is the range [`BlockTable::block`] of the frame.
///
/// # Errors
/// [`CodecError::Short`] or [`CodecError::Invalid`] if the block is truncated, does not exist or cannot be decoded.
pub fn decode_block(
    header: &Header,
    index: u64,
    bytes: &[u8],
    out: &mut Vec<u8>,
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    set_len(out, block_len(header, index)?);
    decode_into(header, index, bytes, out, workspace)
}

/// The decoded size of block `index`.
pub(crate) fn block_len(header: &Header, index: u64) -> Result<usize, CodecError> {
    if index >= header.blocks() {
        let detail = format!("there is no block {index} of {}", header.blocks());
        return Err(CodecError::Invalid { format: "blosc", detail });
    }
    let Range { start, end } = header.block_bytes(index);
    Ok(to_usize(end - start))
}

/// Like [`decode_block`], for an existing block; `out` has its decoded size.
pub(crate) fn decode_into(
    header: &Header,
    index: u64,
    bytes: &[u8],
    out: &mut [u8],
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    if header.stored_raw() {
        let (needed, found) = (out.len() as u64, bytes.len() as u64);
        let source = bytes.get(..out.len()).ok_or(CodecError::Short { format: "blosc", needed, found })?;
        out.copy_from_slice(source);
        return Ok(());
    }
    match Layout::of(header) {
        Some(layout) => layout.decode_block(bytes, to_usize(index), out, workspace),
        None => c_blosc::decode_block(header, bytes, out, &mut workspace.scratch),
    }
}
