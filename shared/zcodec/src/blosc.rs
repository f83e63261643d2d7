//! Compresses and decompresses chunks as Blosc frames, with any number of threads.
//!
//! lz4 and zstd frames, by far the most common, use [`crate::block`]: faster than c-blosc, with identical output for
//! any number of threads. Other compressors use c-blosc itself.

use parking_lot::Mutex;

use crate::block::{self, BlockCodec};
use crate::blocksize::{predict_blocksize, predict_split};
use crate::workspace::Workspace;
use crate::{
    Blosc, Cname, CodecError, HEADER_LEN, Header, MAX_NBYTES, c_blosc, set_len, to_u32, to_usize, try_set_len,
};

impl Blosc {
    /// Compresses `src`, with elements of `typesize` bytes, into `dst` (overwritten).
    ///
    /// `threads` threads compress the blocks of this frame; the output does not depend on their number.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] above 2,147,483,631 bytes, [`CodecError::Configuration`] for snappy.
    pub fn compress(
        &self,
        typesize: usize,
        src: &[u8],
        dst: &mut Vec<u8>,
        threads: usize,
        workspace: &mut Workspace,
    ) -> Result<(), CodecError> {
        if src.len() as u64 > MAX_NBYTES {
            return Err(CodecError::TooLarge { nbytes: src.len() as u64 });
        }
        // The header has one byte for the element size; like c-blosc, treat larger elements as bytes.
        let typesize = if (1..=255).contains(&typesize) { typesize } else { 1 };
        if self.cname == Cname::Snappy {
            return Err(CodecError::Configuration {
                name: "blosc".into(),
                detail: "snappy is supported for reading only".into(),
            });
        }
        match BlockCodec::of(self.cname) {
            Some(codec) if self.clevel > 0 && src.len() >= block::MIN_BUFFER => {
                self.compress_blocks(codec, typesize, src, dst, threads, workspace);
                Ok(())
            }
            _ => c_blosc::compress(self, typesize, src, dst),
        }
    }

    fn compress_blocks(
        &self,
        codec: BlockCodec,
        typesize: usize,
        src: &[u8],
        dst: &mut Vec<u8>,
        threads: usize,
        workspace: &mut Workspace,
    ) {
        let blocksize = to_usize(predict_blocksize(self, typesize as u64, src.len() as u64));
        let split = predict_split(self, typesize as u64, src.len() as u64);
        let layout = block::Layout { codec, typesize, blocksize, nbytes: src.len(), shuffle: self.shuffle, split };
        let max_len = src.len() + HEADER_LEN;
        let end = if threads <= 1 || layout.blocks() < 2 {
            set_len(dst, max_len);
            layout.encode_serial(self.clevel, src, dst, workspace)
        } else {
            layout.encode_parallel(self.clevel, src, dst, threads.min(layout.blocks()), workspace)
        };
        let raw = end.is_none();
        if raw {
            dst[HEADER_LEN..max_len].copy_from_slice(src);
        }
        dst.truncate(end.unwrap_or(max_len));
        let cbytes = to_u32(dst.len());
        let shuffle_flag = [0x00, 0x01, 0x04][usize::from(self.shuffle.number())];
        dst[0] = 2;
        dst[1] = 1;
        dst[2] = shuffle_flag | u8::from(raw) << 1 | u8::from(!split) << 4 | self.cname.format() << 5;
        dst[3] = u8::try_from(typesize).unwrap_or(1);
        dst[4..8].copy_from_slice(&to_u32(src.len()).to_le_bytes());
        dst[8..12].copy_from_slice(&to_u32(blocksize).to_le_bytes());
        dst[12..16].copy_from_slice(&cbytes.to_le_bytes());
    }

    /// Like [`Blosc::compress`], but always with the C library: the reference for tests.
    #[cfg(test)]
    pub(crate) fn compress_with_c(&self, typesize: usize, src: &[u8], dst: &mut Vec<u8>) -> Result<(), CodecError> {
        c_blosc::compress(self, typesize, src, dst)
    }
}

/// Decompresses a whole frame into `dst` (overwritten), decoding its blocks with `threads` threads.
///
/// # Errors
/// [`CodecError::Short`] or [`CodecError::Invalid`] if the frame is truncated, inconsistent or undecodable.
pub fn decompress(
    frame: &[u8],
    dst: &mut Vec<u8>,
    threads: usize,
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    let header = check_frame(frame)?;
    let frame = &frame[..header.cbytes as usize];
    try_set_len(dst, workspace.most(Some(header.nbytes as usize))?)?;
    if header.nbytes == 0 {
        return Ok(());
    }
    if header.stored_raw() {
        dst.copy_from_slice(&frame[HEADER_LEN..]);
        return Ok(());
    }
    let threads = threads.clamp(1, to_usize(header.max_threads()));
    match block::Layout::of(&header) {
        Some(layout) => decode_blocks(&layout, frame, dst, threads, workspace),
        None => c_blosc::decompress(frame, dst, threads),
    }
}

/// Parses the header of a complete frame. Trailing bytes are accepted; a truncated frame is an error.
pub(crate) fn check_frame(frame: &[u8]) -> Result<Header, CodecError> {
    let header = Header::parse(frame)?;
    if (frame.len() as u64) < u64::from(header.cbytes) {
        return Err(CodecError::Short { format: "blosc", needed: u64::from(header.cbytes), found: frame.len() as u64 });
    }
    Ok(header)
}

fn decode_blocks(
    layout: &block::Layout,
    frame: &[u8],
    dst: &mut [u8],
    threads: usize,
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    let blocks = dst.chunks_mut(layout.blocksize).enumerate();
    if threads <= 1 {
        for (index, out) in blocks {
            layout.decode(frame, index, out, workspace)?;
        }
        return Ok(());
    }
    let queue = Mutex::new(blocks);
    let failed = Mutex::new(None);
    workspace.with_threads(threads, |workspaces| {
        std::thread::scope(|scope| {
            for workspace in workspaces {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().next();
                        let Some((index, out)) = next else { return };
                        if let Err(error) = layout.decode(frame, index, out, workspace) {
                            *failed.lock() = Some(error);
                            return;
                        }
                    }
                });
            }
        });
    });
    failed.into_inner().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Shuffle, SplitMode};

    /// Test data from constant to noise, so that blocks compress well, poorly, or not at all.
    fn data(seed: u64, len: usize, noise: u8) -> Vec<u8> {
        let mut state = seed | 1;
        (0..len)
            .map(|i| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let random = (state >> 56) as u8;
                ((i / 64) as u8).wrapping_add(if noise == 0 { 0 } else { random % noise })
            })
            .collect()
    }

    fn any_blosc() -> impl Strategy<Value = Blosc> {
        let split = prop::sample::select(&SplitMode::ALL[..]);
        (0..Cname::WRITTEN.len(), 0..=9u8, 0..3usize, prop_oneof![Just(0u64), 1u64..100_000], split).prop_map(
            |(cname, clevel, shuffle, blocksize, split)| Blosc {
                cname: Cname::WRITTEN[cname],
                clevel: if Cname::WRITTEN[cname] == Cname::Zstd { clevel.min(6) } else { clevel },
                shuffle: Shuffle::ALL[shuffle],
                blocksize,
                split,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// The frame is identical to that of c-blosc, with one thread and with three.
        #[test]
        fn frames_equal_c_blosc(
            codec in any_blosc(), typesize in 1usize..20, len in 0usize..200_000, seed: u64, noise: u8,
        ) {
            let src = data(seed, len, noise);
            let mut workspace = Workspace::default();
            let (mut ours, mut threaded, mut theirs) = (vec![7; 100], Vec::new(), Vec::new());
            codec.compress(typesize, &src, &mut ours, 1, &mut workspace).expect("compresses");
            codec.compress(typesize, &src, &mut threaded, 3, &mut workspace).expect("compresses");
            codec.compress_with_c(typesize, &src, &mut theirs).expect("compresses");
            prop_assert!(ours == theirs, "{codec:?} typesize {typesize} len {len}");
            prop_assert!(threaded == theirs, "threaded {codec:?} typesize {typesize} len {len}");
        }

        /// A round trip returns the input, with this decoder and with c-blosc.
        #[test]
        fn round_trip_returns_input(
            codec in any_blosc(), typesize in 1usize..20, len in 0usize..200_000, seed: u64, noise: u8, threads in 1usize..5,
        ) {
            let src = data(seed, len, noise);
            let mut workspace = Workspace::default();
            let (mut frame, mut back) = (Vec::new(), vec![1; 3]);
            codec.compress(typesize, &src, &mut frame, 1, &mut workspace).expect("compresses");
            decompress(&frame, &mut back, threads, &mut workspace).expect("decodes");
            prop_assert!(back == src);
            if !src.is_empty() {
                let mut theirs = vec![0; len];
                c_blosc::decompress(&frame, &mut theirs, 1).expect("decodes");
                prop_assert!(theirs == src);
            }
        }

        /// Frames that barely fit are identical too, although their last blocks have less space.
        #[test]
        fn barely_compressible_frames_equal_c_blosc(
            seed: u64, blocks in 20usize..400, zeros in 0usize..3000, typesize in prop_oneof![Just(1usize), Just(4), Just(8)],
            cname in prop_oneof![Just(Cname::Lz4), Just(Cname::Zstd)],
        ) {
            let codec = Blosc { blocksize: 256, ..Blosc::new(cname, 3, Shuffle::Noshuffle) };
            let mut src = data(seed, blocks * 256, 255);
            let end = zeros.min(src.len());
            src[..end].fill(0);
            let mut workspace = Workspace::default();
            let (mut ours, mut threaded, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
            codec.compress(typesize, &src, &mut ours, 1, &mut workspace).expect("compresses");
            codec.compress(typesize, &src, &mut threaded, 3, &mut workspace).expect("compresses");
            codec.compress_with_c(typesize, &src, &mut theirs).expect("compresses");
            prop_assert!(ours == theirs && threaded == theirs, "{codec:?} typesize {typesize}");
        }

        /// Damaged frames give an error or wrong bytes, never a crash.
        #[test]
        fn damaged_frames_never_crash(
            codec in any_blosc(), len in 200usize..50_000, seed: u64, at: prop::sample::Index, bit in 0u8..8, cut: prop::sample::Index,
        ) {
            let src = data(seed, len, 16);
            let mut workspace = Workspace::default();
            let (mut frame, mut back) = (Vec::new(), Vec::new());
            codec.compress(4, &src, &mut frame, 1, &mut workspace).expect("compresses");
            let at = at.index(frame.len());
            frame[at] ^= 1 << bit;
            let _ = decompress(&frame, &mut back, 2, &mut workspace);
            let cut = cut.index(frame.len());
            frame[at] ^= 1 << bit;
            prop_assert!(decompress(&frame[..cut], &mut back, 1, &mut workspace).is_err());
        }
    }

    #[test]
    fn snappy_frames_are_decoded() {
        let src = data(7, 1000, 3);
        let stream = snap::raw::Encoder::new().compress_vec(&src).expect("compresses");
        let mut frame = vec![2, 1, 0x10 | 2 << 5, 1];
        for word in [1000, 1000, 24 + stream.len() as u32, 20, stream.len() as u32] {
            frame.extend(word.to_le_bytes());
        }
        frame.extend(&stream);
        let (mut back, mut workspace) = (Vec::new(), Workspace::default());
        decompress(&frame, &mut back, 1, &mut workspace).expect("decodes");
        assert_eq!(back, src);
        let range = crate::decompress_range(&frame, 10..20, &mut back, &mut workspace).expect("decodes");
        assert_eq!((range, &back), (0..1000, &src));
        let at = frame.len() - stream.len();
        frame[at] ^= 0xff;
        assert!(decompress(&frame, &mut back, 1, &mut workspace).is_err());
        let codec = Blosc::new(Cname::Snappy, 5, Shuffle::Noshuffle);
        assert!(codec.compress(1, &src, &mut back, 1, &mut workspace).is_err());
    }

    #[test]
    fn chunk_over_the_limit_is_refused() {
        // Only the length is checked, so untouched zero pages suffice.
        let src = vec![0u8; MAX_NBYTES as usize + 1];
        let codec = Blosc::new(Cname::Lz4, 1, Shuffle::Noshuffle);
        let error = codec.compress(4, &src, &mut Vec::new(), 1, &mut Workspace::default()).expect_err("too large");
        assert_eq!(error, CodecError::TooLarge { nbytes: MAX_NBYTES + 1 });
    }
}
