//! Encodes the blocks of a Blosc frame one after the other, on one thread or several.

use parking_lot::Mutex;

use crate::block::Layout;
use crate::workspace::Workspace;
use crate::{HEADER_LEN, set_len, to_u32};

impl Layout {
    /// Where the blocks start: after the header and the table of their offsets.
    fn table_end(&self) -> usize {
        HEADER_LEN + 4 * self.blocks()
    }

    /// Encodes all blocks to `dst`, which is as long as a frame may be; returns the end of the frame, or `None` if it would not be
    /// smaller than the input.
    pub fn encode_serial(&self, clevel: u8, src: &[u8], dst: &mut [u8], workspace: &mut Workspace) -> Option<usize> {
        let mut at = self.table_end();
        for (index, bytes) in src.chunks(self.blocksize).enumerate() {
            if at > dst.len() {
                return None;
            }
            set_offset(dst, index, at)?;
            at += self.encode(clevel, bytes, &mut dst[at..], workspace)?;
        }
        Some(at)
    }

    /// Like [`Self::encode_serial`], with `threads` threads; the frame is the same. `dst` is made as long as it needs to be.
    pub fn encode_parallel(
        &self,
        clevel: u8,
        src: &[u8],
        dst: &mut Vec<u8>,
        threads: usize,
        workspace: &mut Workspace,
    ) -> Option<usize> {
        let (table_end, room) = (self.table_end(), self.max_block_len());
        let max_len = src.len() + HEADER_LEN;
        // Every block is encoded to where its worst case would be, and moved to its place afterwards: nothing else is held.
        set_len(dst, max_len.max(table_end + self.blocks() * room));
        let mut lens = vec![None; self.blocks()];
        let slots = dst[table_end..].chunks_mut(room).zip(&mut lens);
        let blocks = Mutex::new(src.chunks(self.blocksize).zip(slots));
        workspace.with_threads(threads, |workspaces| {
            std::thread::scope(|scope| {
                for workspace in workspaces {
                    scope.spawn(|| {
                        loop {
                            let next = blocks.lock().next();
                            let Some((bytes, (slot, len))) = next else { return };
                            *len = self.encode(clevel, bytes, slot, workspace);
                        }
                    });
                }
            });
        });
        let mut at = table_end;
        for (index, (len, bytes)) in lens.into_iter().zip(src.chunks(self.blocksize)).enumerate() {
            let (mut start, mut len) = (table_end + index * room, len?);
            let left = max_len.checked_sub(at)?;
            if left < room {
                // A single thread has less space for this block and may encode it differently.
                start = at;
                len = self.encode(clevel, bytes, dst.get_mut(at..max_len)?, workspace)?;
            }
            set_offset(dst, index, at)?;
            dst.copy_within(start..start + len, at);
            at += len;
        }
        Some(at)
    }
}

/// Enters where block `index` starts; `None` if the frame has no space for that.
fn set_offset(frame: &mut [u8], index: usize, at: usize) -> Option<()> {
    let start = HEADER_LEN + 4 * index;
    frame.get_mut(start..start + 4)?.copy_from_slice(&to_u32(at).to_le_bytes());
    Some(())
}
