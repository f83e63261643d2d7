//! Decompresses a Blosc frame piece by piece: a piece is looked at while it is still in the cache, and a large chunk is never in
//! memory as a whole.

use crate::block::Layout;
use crate::blosc::{check_frame, decompress};
use crate::{CodecError, Workspace, to_usize, try_set_len};

/// Decompresses a whole frame into `dst` (overwritten), some blocks after the other, and calls `visit` with the decoded bytes of
/// each piece, in order. Pieces have about `piece` bytes, all but the last a multiple of `unit`; where blocks have not, the frame
/// is one piece, as are those of compressors that are left to c-blosc. The limit of the workspace is that of a piece.
///
/// # Errors
/// As [`decompress`]; pieces before the damage were visited.
pub fn decompress_pieces(
    frame: &[u8],
    (piece, unit): (usize, usize),
    dst: &mut Vec<u8>,
    workspace: &mut Workspace,
    visit: &mut dyn FnMut(&[u8]),
) -> Result<(), CodecError> {
    let header = check_frame(frame)?;
    let layout =
        Layout::of(&header).filter(|layout| !header.stored_raw() && layout.blocksize.is_multiple_of(unit.max(1)));
    let Some(layout) = layout.filter(|_| header.nbytes > 0) else {
        decompress(frame, dst, 1, workspace)?;
        visit(dst);
        return Ok(());
    };
    let frame = &frame[..header.cbytes as usize];
    let nbytes = header.nbytes as usize;
    let blocks = to_usize(header.blocks());
    let at_once = (piece / layout.blocksize).clamp(1, blocks.max(1));
    // No more than a piece is in memory.
    workspace.most(Some(at_once.saturating_mul(layout.blocksize).min(nbytes)))?;
    for first in (0..blocks).step_by(at_once) {
        let start = first * layout.blocksize;
        let len = (at_once * layout.blocksize).min(nbytes - start);
        try_set_len(dst, len)?;
        for (number, out) in dst.chunks_mut(layout.blocksize).enumerate() {
            layout.decode(frame, first + number, out, workspace)?;
        }
        visit(dst);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Blosc, Cname, Header, Shuffle};

    fn pieces(frame: &[u8], piece: usize, unit: usize) -> (Vec<usize>, Vec<u8>, Result<(), CodecError>) {
        let (mut lens, mut all, mut dst) = (Vec::new(), Vec::new(), vec![9; 3]);
        let done = decompress_pieces(frame, (piece, unit), &mut dst, &mut Workspace::default(), &mut |bytes| {
            lens.push(bytes.len());
            all.extend_from_slice(bytes);
        });
        (lens, all, done)
    }

    #[test]
    fn pieces_are_the_whole_in_order() {
        let src: Vec<u8> = (0..300_001u32).map(|at| (at / 7) as u8 ^ (at % 13) as u8).collect();
        for cname in [Cname::Lz4, Cname::Zstd, Cname::Zlib] {
            // Blocks at once, where the frame is more than one piece.
            for (clevel, piece, unit, at_once) in [
                (5, 0, 4, Some(1)),
                (5, 150_000, 1, Some(2)),
                (5, 1 << 20, 8, None),
                (5, 65536, 3, None),
                (0, 65536, 1, None),
            ] {
                let codec = Blosc { clevel, blocksize: 16384, ..Blosc::new(cname, 5, Shuffle::Shuffle) };
                let mut frame = Vec::new();
                codec.compress(4, &src, &mut frame, 1, &mut Workspace::default()).expect("compresses");
                let blocksize = Header::parse(&frame).expect("a frame").blocksize as usize;
                let at_once = at_once.filter(|_| cname != Cname::Zlib).map(|blocks| (piece / blocksize).max(blocks));
                let len = at_once.map_or(src.len(), |blocks| blocks * blocksize);
                let (found, all, done) = pieces(&frame, piece, unit);
                done.expect("decodes");
                assert!(all == src, "{cname:?} {piece}");
                assert_eq!(found, src.chunks(len).map(<[u8]>::len).collect::<Vec<_>>(), "{cname:?} {piece}");
                assert!(at_once.is_none() || found.len() > 1);
                frame.truncate(frame.len() - 1);
                assert!(matches!(pieces(&frame, piece, unit).2, Err(CodecError::Short { .. })));
            }
        }
    }
}
