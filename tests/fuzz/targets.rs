//! What the parsers of foreign bytes must hold for any input: none of it panics, and no way of reading contradicts another. Both
//! the fuzz targets of this folder and `tests/fuzz.rs` call these functions.

use std::path::Path;

use zarray::{
    Array, ChunkReader, Consolidated, DecodeScratch, IndexLayout, Itemsize, Node, ShardIndex, Subset, array_v2, node_v3,
};
use zcodec::{BlockTable, HEADER_LEN, Header, Workspace, decode_block, decode_cells, decompress, decompress_pieces};
use zstore::{Store, StoreOptions};

/// Frames that declare more are not decoded: it is the callers that bound memory.
const MOST_BYTES: usize = 1 << 20;

/// Inner chunks of the shards.
const CHUNKS: usize = 9;

/// Size of the shards in bytes.
const SHARD: u64 = 1000;

fn header(bytes: &[u8]) -> Option<Header> {
    Header::parse(bytes).ok().filter(|header| header.nbytes as usize <= MOST_BYTES)
}

/// The block table and the stored bytes of the blocks that lie in the frame.
fn blocks<'b>(header: &Header, bytes: &'b [u8]) -> Vec<(u64, &'b [u8])> {
    let Some(Ok(table)) = bytes.get(HEADER_LEN..).map(|rest| BlockTable::parse(header, rest)) else {
        return Vec::new();
    };
    let stored = |index| table.block(index).and_then(|at| bytes.get(at.start as usize..at.end as usize));
    (0..header.blocks()).filter_map(|index| Some((index, stored(index)?))).collect()
}

/// Whole and block by block: what both give is the same.
pub fn blosc_frames(bytes: &[u8]) {
    let Some(header) = header(bytes) else { return };
    let (mut whole, mut block, mut workspace) = (Vec::new(), Vec::new(), Workspace::default());
    let decoded = decompress(bytes, &mut whole, 1, &mut workspace);
    for (index, stored) in blocks(&header, bytes) {
        let single = decode_block(&header, index, stored, &mut block, &mut workspace);
        if let (Ok(_), Ok(_)) = (&decoded, single) {
            let at = header.block_bytes(index);
            assert!(block == whole[at.start as usize..at.end as usize], "block {index}");
        }
    }
}

/// Piece by piece, whatever the pieces are: together they are the whole frame, and both fail for the same frames.
pub fn blosc_pieces(bytes: &[u8]) {
    if header(bytes).is_none() {
        return;
    }
    let (mut whole, mut piece, mut workspace) = (Vec::new(), Vec::new(), Workspace::default());
    let decoded = decompress(bytes, &mut whole, 1, &mut workspace);
    for (len, unit) in [(0, 1), (5000, 4), (9000, 3), (MOST_BYTES, 8)] {
        let mut pieces = Vec::new();
        let mut add = |bytes: &[u8]| pieces.extend_from_slice(bytes);
        let done = decompress_pieces(bytes, (len, unit), &mut piece, &mut workspace, &mut add);
        assert_eq!(done.is_ok(), decoded.is_ok(), "pieces of {len} bytes");
        assert!(done.is_err() || pieces == whole, "pieces of {len} bytes");
    }
}

/// A few cells of a block are those of the block, where it can be decoded.
pub fn blosc_cells(bytes: &[u8]) {
    let Some(header) = header(bytes) else { return };
    let (mut block, mut workspace) = (Vec::new(), Workspace::default());
    for (index, stored) in blocks(&header, bytes) {
        let at = header.block_bytes(index);
        let len = (at.end - at.start) as usize;
        let offsets: Vec<u32> = [0, len / 3 / 4 * 4, len.saturating_sub(4), len].map(|at| at as u32).to_vec();
        for (offsets, itemsize) in [(&offsets[..2], 4), (&offsets[..3], 2), (&offsets[2..3], 3), (&offsets[..], 1)] {
            let mut out = vec![0; offsets.len() * itemsize];
            // From a buffer that held something else before.
            workspace = if index % 2 == 0 { workspace } else { Workspace::default() };
            let cells = decode_cells(&header, index, stored, offsets, itemsize, &mut out, &mut workspace);
            let whole = decode_block(&header, index, stored, &mut block, &mut workspace);
            if let (Ok(_), Ok(_)) = (cells, whole) {
                for (cell, at) in out.chunks(itemsize).zip(offsets) {
                    assert_eq!(cell, &block[*at as usize..*at as usize + itemsize], "block {index} at {at}");
                }
            }
        }
    }
}

/// The documents of Zarr v2: `.zarray` and `.zattrs`.
pub fn metadata_v2(bytes: &[u8]) {
    let _ = array_v2("/a", bytes, Some(bytes));
    let _ = array_v2("/a", bytes, None);
}

/// The document of Zarr v3.
pub fn metadata_v3(bytes: &[u8]) {
    drop(node_v3("/a", bytes));
}

/// Consolidated metadata: `.zmetadata`, and the copies in a `zarr.json`.
pub fn consolidated(bytes: &[u8]) {
    let read = |copies: &Consolidated| {
        let _ = copies.root();
        copies.paths().for_each(|(path, span)| drop(copies.node(&path, span)));
    };
    if let Ok(copies) = Consolidated::v2(bytes.to_vec()) {
        read(&copies);
    }
    if let Some((member, _)) = zarray::inline_copies(bytes)
        && let Ok(copies) = Consolidated::v3(bytes.to_vec(), &member)
    {
        read(&copies);
    }
}

/// Bytes of memory for the chunk of any metadata.
const LIMIT: u64 = 16 << 20;

/// A chunk behind the metadata of its array, and a zero byte between them: it decodes to the bytes that its metadata say, and a part
/// of it to the same part.
pub fn chunk_decode(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == 0) else { return };
    let (document, stored) = (&bytes[..end], &bytes[end + 1..]);
    if let Ok(array) = array_v2("/a", document, None) {
        decode(&array, stored);
    }
    if let Ok(Node::Array(array)) = node_v3("/a", document) {
        decode(&array, stored);
    }
}

fn decode(array: &Array, stored: &[u8]) {
    // Nothing of it is read.
    let Ok(store) = Store::open(Path::new("/"), &StoreOptions::default()) else { return };
    let Ok(reader) = ChunkReader::new(&store, array) else { return };
    let reader = reader.with_limit(LIMIT);
    let (index, mut scratch) = (vec![0; array.shape.len()], DecodeScratch::default());
    if reader.chunk_bytes() > LIMIT || reader.decode(&index, stored, 1, &mut scratch).is_err() {
        return;
    }
    let whole = std::mem::take(&mut scratch.decoded);
    assert!(whole.len() as u64 <= LIMIT, "{} bytes", whole.len());
    let Itemsize::Fixed(size) = reader.elements().itemsize else { return };
    let chunk = reader.chunk(&index);
    assert_eq!(whole.len() as u64, chunk.elements() * size as u64);
    let rank = chunk.shape().len();
    for part in [chunk.clone(), Subset::new(vec![0; rank], vec![1; rank])] {
        let mut target = vec![0; part.elements() as usize * size];
        if part.elements() <= chunk.elements()
            && reader.decode_subset(&index, stored, &part, &mut target, 1, &mut scratch).is_ok()
        {
            assert!(target == whole[..target.len()], "a part differs from the whole");
        }
    }
}

/// The layouts of an index that are tried.
pub fn layouts() -> [IndexLayout; 3] {
    let layout = |checksum, big_endian| IndexLayout { at_end: true, checksum, big_endian, chunks: CHUNKS as u64 };
    [layout(true, false), layout(false, false), layout(false, true)]
}

/// An index never names bytes that are not in the shard, and once overlaps are excluded, is written as it was read.
pub fn shard_index(bytes: &[u8]) {
    for layout in layouts() {
        let Ok(index) = ShardIndex::parse(&layout, bytes, SHARD) else { continue };
        assert_eq!(index.0.len(), CHUNKS);
        assert!(index.0.iter().flatten().all(|(offset, len)| offset + len <= SHARD));
        let _ = index.check_overlaps(&layout, SHARD);
        let again = ShardIndex::parse(&layout, &index.encode(&layout), SHARD).expect("parses what was written");
        assert_eq!(again, index);
    }
    let _ = zarray::index_of_shard(&layouts()[0], bytes);
}
