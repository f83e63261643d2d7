//! Reads part of a stored object: of a Blosc frame the header and the block table first, then only the requested blocks; of
//! anything else, pieces of it.
//!
//! A Blosc frame is a header, a table of where its blocks start, and the blocks. Parts that were not read cannot be checked.

use std::ops::Range;

use zcodec::{BlockTable, HEADER_LEN, Header, to_usize};
use zstore::{ByteRange, OpenObject, Stat, Store};

use crate::error::ZarrError;
use crate::reader::Stored;

/// Header and table of a frame are read in one piece of this size; of a frame of more than 1,020 blocks, in two.
const HEAD: u64 = 4096;

/// When part of an object is worth reading by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadPolicy {
    /// Below so many decoded bytes that could be spared, one read of everything is as fast as two of less.
    worth: u64,
    /// Pieces up to this far apart are read as one.
    gap: u64,
    /// More pieces than this are not worth their requests.
    most_pieces: usize,
    /// Of a larger part than so many quarters, all is read.
    most_quarters: u64,
}

impl ReadPolicy {
    /// For a subset, local or remote, if all bytes read are decoded.
    pub const SUBSET: ReadPolicy = ReadPolicy { worth: 512 << 10, gap: 64 << 10, most_pieces: 4, most_quarters: 3 };

    /// Single elements of a local chunk: a second read costs more than some bytes.
    pub const NEAR: ReadPolicy =
        ReadPolicy { worth: 64 << 10, gap: 4 << 10, most_pieces: usize::MAX, most_quarters: 2 };

    /// The same for remote stores, where a second read costs a round trip.
    pub const FAR: ReadPolicy = ReadPolicy { worth: 512 << 10, gap: 64 << 10, most_pieces: 16, most_quarters: 2 };

    /// The same, whatever it costs.
    pub fn always(self) -> ReadPolicy {
        ReadPolicy { worth: 0, most_pieces: usize::MAX, most_quarters: u64::MAX, ..self }
    }

    /// Whether it may be worthwhile to read only `wanted` of `whole` decoded bytes.
    pub fn is_worth_it(&self, whole: u64, wanted: u64) -> bool {
        whole.saturating_sub(wanted) >= self.worth
    }

    /// `ranges` of an object of `len` bytes, merged to pieces that are worth a read each; `None` if reading all of it is less
    /// work.
    pub fn pieces(&self, ranges: &[Range<u64>], len: u64) -> Option<Pieces> {
        let pieces = Pieces::of(ranges, self.gap);
        let most = len.saturating_mul(self.most_quarters) / 4;
        (pieces.0.len() <= self.most_pieces && pieces.bytes() <= most).then_some(pieces)
    }
}

/// The result of opening a frame.
pub(crate) enum Opened<'a> {
    /// No object.
    Absent,
    /// A frame.
    Frame(Frame<'a>),
    /// Something else, or a truncated frame: decoding it in full reports the error.
    Other,
    /// Part of another shard than the one it was located in.
    Replaced,
}

/// A stored frame whose header and table have been read.
pub(crate) struct Frame<'a> {
    pub object: OpenObject<'a>,
    pub header: Header,
    /// Bytes read so far.
    pub bytes: u64,
    pub stat: Stat,
}

impl<'a> Frame<'a> {
    /// Reads the head of the frame that is stored at `place`, and that decodes to `chunk_bytes`, into `head`.
    pub fn open(
        store: &'a Store,
        place: &'a Stored,
        chunk_bytes: u64,
        head: &mut Vec<u8>,
    ) -> Result<Opened<'a>, ZarrError> {
        let Some(object) = store.open_object(&place.key)? else {
            return Ok(if place.shard.is_some() { Opened::Replaced } else { Opened::Absent });
        };
        let len = place.len.map_or(HEAD, |len| len.min(HEAD));
        let range = ByteRange::At { start: place.start, len };
        let stat = object.get_range(range, head)?;
        if place.shard.is_some() && stat != place.shard {
            return Ok(Opened::Replaced);
        }
        let Some(stat) = stat else { return Ok(Opened::Absent) };
        let mut bytes = head.len() as u64;
        let Some(header) = frame_header(head, place.len.unwrap_or(stat.size), chunk_bytes) else {
            return Ok(Opened::Other);
        };
        let table = header.block_table_range().unwrap_or_default();
        if table.end > bytes {
            let table = place.start..place.start + table.end;
            if object.get_ranges(&[table], head)? != Some(stat) {
                return Ok(Opened::Other);
            }
            bytes += head.len() as u64;
        }
        Ok(Opened::Frame(Frame { object, header, bytes, stat }))
    }

    /// Reads `pieces` of the frame, one after the other, into `buffer`. Returns whether they are of the frame that was opened;
    /// with another size or tag, it was rewritten in between.
    pub fn read(&mut self, place: &Stored, pieces: &Pieces, buffer: &mut Vec<u8>) -> Result<bool, ZarrError> {
        let stat = self.object.get_ranges(&pieces.requests(place.start), buffer)?;
        self.bytes += buffer.len() as u64;
        Ok(stat == Some(self.stat) && buffer.len() as u64 == pieces.bytes())
    }
}

/// The header of the frame that `bytes` begin, of which `stored` bytes are there; `None` if it is not a frame of `chunk_bytes`,
/// or a truncated one, which must not be taken for complete because the requested blocks are present.
pub(crate) fn frame_header(bytes: &[u8], stored: u64, chunk_bytes: u64) -> Option<Header> {
    let header = Header::parse(bytes).ok()?;
    (stored >= u64::from(header.cbytes) && u64::from(header.nbytes) == chunk_bytes).then_some(header)
}

/// The bytes of each of `blocks` in a frame whose first bytes, header and table at least, are `head`.
pub(crate) fn block_ranges(
    header: &Header,
    head: &[u8],
    mut blocks: impl Iterator<Item = u64>,
) -> Option<Vec<Range<u64>>> {
    let table = BlockTable::parse(header, head.get(HEADER_LEN..)?).ok()?;
    blocks.try_fold(Vec::new(), |mut ranges, block| {
        ranges.push(table.block(block)?);
        Some(ranges)
    })
}

/// Parts of an object that are read each in one go, in order, with the bytes that those before it have.
pub(crate) struct Pieces(Vec<(Range<u64>, u64)>);

impl Pieces {
    /// Ranges merged where no more than `gap` bytes lie between them.
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

    /// Bytes of all of them.
    pub fn bytes(&self) -> u64 {
        self.0.last().map_or(0, |(last, before)| before + last.end - last.start)
    }

    /// Where they lie in an object in which what they are parts of begins at `start`.
    pub fn requests(&self, start: u64) -> Vec<Range<u64>> {
        self.0.iter().map(|(range, _)| range.start + start..range.end + start).collect()
    }

    /// The bytes of `range` from the pieces read, in order.
    pub fn within<'a>(&self, bytes: &'a [u8], range: &Range<u64>) -> Option<&'a [u8]> {
        let number = self.0.partition_point(|(piece, _)| piece.end < range.end);
        let (piece, before) = self.0.get(number).filter(|(piece, _)| piece.start <= range.start)?;
        let start = to_usize(before + range.start - piece.start);
        bytes.get(start..start + to_usize(range.end - range.start))
    }

    /// Copies the pieces to their positions in `target`, which is as long as the whole.
    pub fn scatter(&self, bytes: &[u8], target: &mut [u8]) {
        for (piece, _) in &self.0 {
            let target = target.get_mut(to_usize(piece.start)..to_usize(piece.end));
            if let (Some(target), Some(bytes)) = (target, self.within(bytes, piece)) {
                target.copy_from_slice(bytes);
            }
        }
    }
}
