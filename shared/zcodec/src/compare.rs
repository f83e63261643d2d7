//! Compares the content of a frame with bytes, block by block, without allocating a decoded chunk.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::block::Layout;
use crate::blosc::check_frame;
use crate::{CodecError, HEADER_LEN, Workspace, c_blosc, set_len, to_usize};

/// Whether `frame` decodes to `expected`; its blocks are decoded by `threads` threads.
///
/// # Errors
/// The errors of [`crate::decompress`].
pub fn holds(frame: &[u8], expected: &[u8], threads: usize, workspace: &mut Workspace) -> Result<bool, CodecError> {
    let header = check_frame(frame)?;
    let frame = &frame[..header.cbytes as usize];
    if header.nbytes as usize != expected.len() {
        return Ok(false);
    }
    if header.nbytes == 0 || header.stored_raw() {
        return Ok(expected.is_empty() || &frame[HEADER_LEN..] == expected);
    }
    let threads = threads.clamp(1, to_usize(header.max_threads()));
    match Layout::of(&header) {
        Some(layout) => blocks_hold(&layout, frame, expected, threads, workspace),
        None => {
            let mut decoded = std::mem::take(&mut workspace.block);
            set_len(&mut decoded, expected.len());
            let done = c_blosc::decompress(frame, &mut decoded, threads);
            let same = decoded == expected;
            workspace.block = decoded;
            done.map(|()| same)
        }
    }
}

fn blocks_hold(
    layout: &Layout,
    frame: &[u8],
    expected: &[u8],
    threads: usize,
    workspace: &mut Workspace,
) -> Result<bool, CodecError> {
    let next = AtomicUsize::new(0);
    let differs = AtomicBool::new(false);
    let work = |workspace: &mut Workspace| {
        let mut block = std::mem::take(&mut workspace.block);
        let mut result = Ok(());
        while !differs.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let start = index.saturating_mul(layout.blocksize);
            let Some(rest) = expected.get(start..).filter(|rest| !rest.is_empty()) else { break };
            let expected = &rest[..rest.len().min(layout.blocksize)];
            set_len(&mut block, expected.len());
            result = layout.decode(frame, index, &mut block, workspace);
            if result.is_err() || block != expected {
                differs.store(true, Ordering::Relaxed);
            }
        }
        workspace.block = block;
        result
    };
    if threads <= 1 {
        return work(workspace).map(|()| !differs.load(Ordering::Relaxed));
    }
    let failed = Mutex::new(None);
    workspace.with_threads(threads, |workspaces| {
        std::thread::scope(|scope| {
            for workspace in workspaces {
                scope.spawn(|| {
                    if let Err(error) = work(workspace) {
                        *failed.lock() = Some(error);
                    }
                });
            }
        });
    });
    match failed.into_inner() {
        Some(error) => Err(error),
        None => Ok(!differs.load(Ordering::Relaxed)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Blosc, Cname, Shuffle, decompress};

    proptest! {
        /// Agrees with decoding the whole frame, for valid frames, changed bytes and damaged frames.
        #[test]
        fn comparison_agrees_with_decoder(
            seed: u8, len in 0usize..40_000, cname in prop::sample::select(&Cname::WRITTEN[..]), threads in 1usize..4,
            clevel in 0u8..6, changed in any::<Option<prop::sample::Index>>(), damaged in any::<Option<prop::sample::Index>>()
        ) {
            let data: Vec<u8> = (0..len).map(|i| (i / 13) as u8 ^ seed).collect();
            let mut workspace = Workspace::default();
            let mut frame = Vec::new();
            let blosc = Blosc { blocksize: 4096, ..Blosc::new(cname, clevel, Shuffle::Shuffle) };
            blosc.compress(4, &data, &mut frame, 1, &mut workspace).expect("compresses");
            let mut expected = data;
            if let Some(index) = changed.filter(|_| len > 0) {
                expected[index.index(len)] ^= 1;
            }
            if let Some(index) = damaged {
                let at = index.index(frame.len());
                frame[at] ^= 0x10;
            }
            let mut decoded = Vec::new();
            let whole = decompress(&frame, &mut decoded, 1, &mut workspace).map(|()| decoded == expected);
            let found = holds(&frame, &expected, threads, &mut workspace);
            match whole {
                Ok(same) => prop_assert_eq!(found, Ok(same)),
                // In an undecodable frame, a difference may be found first.
                Err(_) => prop_assert_ne!(found, Ok(true)),
            }
        }
    }
}
