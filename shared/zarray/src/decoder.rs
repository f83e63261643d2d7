//! Decodes chunks of one shape: in full, or only what a subset needs. All chunks of a regular grid have the same shape, those
//! of a rectilinear grid a few.

use std::ops::Range;

use zcodec::{Codec, CodecError, Header, decompress_pieces, decompress_range, to_usize};

use crate::chain::{Chain, DecodeScratch};
use crate::elements::{Elements, Itemsize};
use crate::fallback::Fallback;
use crate::metadata::Array;
use crate::subset::{Subset, copy_from_window, copy_subset};

/// How chunks of one shape are decoded.
pub(crate) struct Decoder {
    chain: Chain,
    /// How chunks are decoded that the fast path cannot.
    fallback: Option<Fallback>,
    pub elements: Elements,
    /// A full chunk in stored order, from the origin.
    pub chunk: Subset,
}

impl Decoder {
    /// The decoder of the chunks (with sharding: the inner chunks) of `array`, and the array as they show it. On a
    /// rectilinear grid, of the largest one.
    ///
    /// # Errors
    /// A message that names the unsupported codec.
    pub fn new(array: &Array) -> Result<(Decoder, Array), String> {
        let (shown, fallback) = match Fallback::of(array)? {
            None => (array.clone(), None),
            Some((decoded, fallback)) => (decoded, Some(fallback)),
        };
        let elements = Elements::of(&shown)?;
        let shape = shown.chunk_shape().ok_or("the chunk grid is not known")?;
        let chunk = Subset::whole(shape).permuted(&elements.order);
        Ok((Decoder { chain: array.chain.innermost().clone(), fallback, elements, chunk }, shown))
    }

    /// Whether a stored chunk is a Blosc frame without further codecs.
    pub fn is_frame(&self) -> bool {
        self.fallback.is_none() && matches!(self.chain.tail.as_slice(), [Codec::Blosc(..)])
    }

    /// Whether a stored chunk is the decoded one.
    pub fn is_plain(&self) -> bool {
        self.fallback.is_none() && self.chain.tail.is_empty()
    }

    /// How many times a chunk is in memory, in one form or another, while it is decoded.
    pub fn copies(&self) -> u64 {
        match &self.fallback {
            Some(_) => 3,
            None => 1 + u64::from(!self.is_plain()),
        }
    }

    /// Bytes of a decoded chunk, estimated where elements have no fixed size.
    pub fn chunk_bytes(&self) -> u64 {
        let size = match self.elements.itemsize {
            Itemsize::Fixed(size) => size as u64,
            Itemsize::Variable => 16,
        };
        self.chunk.elements().saturating_mul(size)
    }

    /// The most bytes that a chunk has on its way to its elements, according to the metadata; `None` where that depends on the
    /// data.
    pub fn stated_bytes(&self) -> Option<u64> {
        match self.elements.itemsize {
            Itemsize::Fixed(_) => Some(self.chunk_bytes().max(self.chain.chunk_bytes.unwrap_or(0))),
            Itemsize::Variable => None,
        }
    }

    /// Decodes a full chunk into `scratch.decoded`, with `threads` threads on Blosc blocks.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(&self, stored: &[u8], threads: usize, scratch: &mut DecodeScratch) -> Result<(), CodecError> {
        if let Some(fallback) = &self.fallback {
            return fallback.decode(stored, threads, scratch);
        }
        let DecodeScratch { decoded, spare, workspace } = scratch;
        self.chain.decode_tail(stored, decoded, spare, threads, workspace)
    }

    /// Decodes a full chunk, and calls `visit` with its bytes, in pieces of whole elements and in order: of a Blosc frame some
    /// blocks at a time, about `piece` bytes; of anything else all of them.
    ///
    /// # Errors
    /// What is wrong with the bytes, of which some were visited before.
    pub fn decode_pieces(
        &self,
        stored: &[u8],
        piece: usize,
        scratch: &mut DecodeScratch,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<(), CodecError> {
        if let Itemsize::Fixed(unit) = self.elements.itemsize
            && let Some((frame, _)) = self.frame(stored)?
        {
            let DecodeScratch { decoded, workspace, .. } = scratch;
            return decompress_pieces(frame, (piece, unit), decoded, workspace, visit);
        }
        if let (Some(limit), Some(bytes)) = (scratch.workspace.limit, self.chain.chunk_bytes)
            && bytes > limit
        {
            return Err(CodecError::Memory { limit });
        }
        self.decode(stored, 1, scratch)?;
        visit(&scratch.decoded);
        Ok(())
    }

    /// Decodes what `part` of a chunk (in stored order, from the chunk's origin) needs, and copies it to `target`, which is
    /// as long as the part. Returns the bytes decoded. Elements must have a fixed size.
    ///
    /// Of a plain Blosc chunk, only the blocks that overlap the part are decoded.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode_subset(
        &self,
        stored: &[u8],
        part: &Subset,
        target: &mut [u8],
        threads: usize,
        scratch: &mut DecodeScratch,
    ) -> Result<u64, CodecError> {
        let Itemsize::Fixed(itemsize) = self.elements.itemsize else { return Ok(0) };
        let chunk = &self.chunk;
        let whole = part == chunk;
        match self.frame(stored)? {
            Some((frame, header)) if !whole => {
                let DecodeScratch { decoded, workspace, .. } = scratch;
                let mut bytes = 0;
                for span in spans(part, chunk, itemsize, 2 * header.blocksize as usize) {
                    let held = decompress_range(frame, byte_range(&span, chunk, itemsize), decoded, workspace)?;
                    bytes += held.len() as u64;
                    copy_from_window(&span, chunk, (decoded, held.start), part, target, itemsize);
                }
                return Ok(bytes);
            }
            _ => {}
        }
        let decoded = match self.chain.chunk_bytes {
            // Chunks without a compressor are copied once, not twice.
            Some(bytes) if self.is_plain() && bytes == stored.len() as u64 => stored,
            _ => {
                self.decode(stored, threads, scratch)?;
                &scratch.decoded
            }
        };
        copy_subset(part, chunk, decoded, part, target, itemsize);
        Ok(decoded.len() as u64)
    }

    /// The Blosc frame that a stored chunk is, with or without a checksum behind it, and its header, checked against the size
    /// that the chunk has. Nothing where the chunk is something else.
    fn frame<'b>(&self, stored: &'b [u8]) -> Result<Option<(&'b [u8], Header)>, CodecError> {
        let frame = match self.chain.tail.as_slice() {
            _ if self.fallback.is_some() => return Ok(None),
            [Codec::Blosc(..)] => stored,
            [Codec::Blosc(..), Codec::Crc32c] => zcodec::unsealed(stored)?,
            _ => return Ok(None),
        };
        let header = Header::parse(frame)?;
        match self.chain.chunk_bytes {
            Some(expected) if expected != u64::from(header.nbytes) => {
                Err(CodecError::WrongSize { expected, found: header.nbytes.into() })
            }
            _ => Ok(Some((frame, header))),
        }
    }
}

/// The bytes of a decoded chunk from the first element of `part` to its last.
pub(crate) fn byte_range(part: &Subset, chunk: &Subset, itemsize: usize) -> Range<usize> {
    let last: Vec<u64> =
        part.start().iter().zip(part.shape()).map(|(start, length)| start + length.max(&1) - 1).collect();
    let first = to_usize(chunk.number(part.start()));
    first * itemsize..(to_usize(chunk.number(&last)) + 1) * itemsize
}

/// Splits `part` along its slowest dimensions where consecutive steps are `gap` bytes or more apart.
pub(crate) fn spans(part: &Subset, chunk: &Subset, itemsize: usize, gap: usize) -> impl Iterator<Item = Subset> {
    let (mut depth, mut shape) = (0, part.shape().to_vec());
    for dimension in 0..shape.len() {
        let length = std::mem::replace(&mut shape[dimension], 1);
        let one = Subset::new(part.start().to_vec(), shape.clone());
        let stride: u64 = chunk.shape()[dimension + 1..].iter().product();
        let between = to_usize(stride).saturating_mul(itemsize).saturating_sub(byte_range(&one, chunk, itemsize).len());
        if length > 1 && between < gap {
            shape[dimension] = length;
            break;
        }
        depth = dimension + 1;
    }
    let outer = Subset::new(part.start()[..depth].to_vec(), part.shape()[..depth].to_vec());
    let inner = part.start()[depth..].to_vec();
    (0..outer.elements()).map(move |number| Subset::new([outer.member(number), inner.clone()].concat(), shape.clone()))
}
