//! Measures size, speed and block layout of one compressor on sampled chunks.

use std::time::{Duration, Instant};

use zcodec::{Blosc, CodecError, HEADER_LEN, Header, Workspace, decompress, predict_blocksize};

use super::candidates::Candidate;

/// Accuracy of a measurement.
#[derive(Debug, Clone, Copy)]
pub struct Care {
    /// Minimum time of a measurement; it is repeated until then, and the best round counts.
    pub enough: Duration,
    /// Threads per chunk to measure in addition to a single thread.
    pub nthreads: usize,
}

/// The result of a measurement. Speeds are in decoded bytes per second.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The compressor.
    pub candidate: Candidate,
    /// Decoded bytes.
    pub sampled_bytes: u64,
    /// Compressed bytes.
    pub encoded_bytes: u64,
    /// Speed of one thread.
    pub one_thread: Speed,
    /// Number of threads per chunk, if several were measured, and their speed.
    pub threaded: Option<(usize, Speed)>,
    /// Number of blocks of a whole chunk.
    pub blocks: u64,
    /// Size of a block in bytes.
    pub block_bytes: u64,
    /// Bytes needed to read one point: header, block table and one block.
    pub point_bytes: u64,
    /// Whether it was measured on the whole sample.
    pub thorough: bool,
    /// Whether it is Pareto-optimal.
    pub pareto: bool,
}

/// Decoded bytes per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Compression speed.
    pub encode: f64,
    /// Decompression speed.
    pub decode: f64,
}

impl Speed {
    /// The faster of two measurements in each direction.
    pub fn max(self, other: Speed) -> Speed {
        Speed { encode: self.encode.max(other.encode), decode: self.decode.max(other.decode) }
    }
}

impl Measured {
    /// Compressed bytes per decoded byte.
    pub fn size(&self) -> f64 {
        self.encoded_bytes as f64 / self.sampled_bytes.max(1) as f64
    }
}

/// Measures `candidate` on `samples`, beginnings of chunks of `chunk_bytes` bytes with elements of `typesize` bytes.
///
/// # Errors
/// The compressor fails, or decoding does not return the input ([`CodecError::Invalid`]).
pub fn measure(
    candidate: &Candidate,
    samples: &[&[u8]],
    typesize: usize,
    chunk_bytes: u64,
    care: Care,
) -> Result<Measured, CodecError> {
    let (frames, decoded, workspace) = (vec![Vec::new(); samples.len()], Vec::new(), Workspace::default());
    let mut work = Work { codec: &candidate.compressor, samples, typesize, frames, decoded, workspace };
    let one_thread = work.speed(1, care.enough)?;
    let threaded = match care.nthreads {
        0 | 1 => None,
        threads => Some((threads, work.speed(threads, care.enough)?)),
    };
    let block_bytes = predict_blocksize(&candidate.compressor, typesize as u64, chunk_bytes).max(1);
    let blocks = chunk_bytes.div_ceil(block_bytes);
    Ok(Measured {
        candidate: *candidate,
        sampled_bytes: samples.iter().map(|sample| sample.len() as u64).sum(),
        encoded_bytes: work.frames.iter().map(|frame| frame.len() as u64).sum(),
        one_thread,
        threaded,
        blocks,
        block_bytes,
        point_bytes: work.point_bytes(blocks)?,
        thorough: false,
        pareto: false,
    })
}

/// State of a measurement.
struct Work<'a> {
    codec: &'a Blosc,
    samples: &'a [&'a [u8]],
    typesize: usize,
    frames: Vec<Vec<u8>>,
    decoded: Vec<u8>,
    workspace: Workspace,
}

impl Work<'_> {
    /// Measures the speed with `threads` threads per chunk, after verifying that decoding returns the input.
    fn speed(&mut self, threads: usize, enough: Duration) -> Result<Speed, CodecError> {
        let Work { codec, samples, typesize, frames, decoded, workspace } = self;
        let sampled_bytes: usize = samples.iter().map(|sample| sample.len()).sum();
        let per_second = |seconds: f64| sampled_bytes as f64 / seconds.max(f64::MIN_POSITIVE);
        let encode = best_seconds(enough, || {
            let mut pairs = samples.iter().zip(&mut *frames);
            pairs.try_for_each(|(sample, frame)| codec.compress(*typesize, sample, frame, threads, workspace))
        })?;
        for (sample, frame) in samples.iter().zip(&*frames) {
            decompress(frame, decoded, 1, workspace)?;
            if decoded != *sample {
                let detail = "decoded bytes differ from the input".into();
                return Err(CodecError::Invalid { format: "blosc", detail });
            }
        }
        let decode = best_seconds(enough, || {
            frames.iter().try_for_each(|frame| decompress(frame, decoded, threads, workspace))
        })?;
        Ok(Speed { encode: per_second(encode), decode: per_second(decode) })
    }

    /// Bytes read for a point: header, table of a chunk with `blocks` blocks, and an average block.
    fn point_bytes(&self, blocks: u64) -> Result<u64, CodecError> {
        let (mut found, mut bytes, mut raw) = (0, 0, true);
        for frame in &self.frames {
            let header = Header::parse(frame)?;
            let before = header.block_table_range().map_or(HEADER_LEN as u64, |table| table.end);
            raw &= header.stored_raw();
            found += header.blocks();
            bytes += frame.len() as u64 - before;
        }
        let table = if raw { 0 } else { 4 * blocks };
        Ok(HEADER_LEN as u64 + table + bytes.div_ceil(found.max(1)))
    }
}

/// The time in seconds of the fastest round of `work`.
fn best_seconds(enough: Duration, mut work: impl FnMut() -> Result<(), CodecError>) -> Result<f64, CodecError> {
    let started = Instant::now();
    let mut best = f64::INFINITY;
    loop {
        let round = Instant::now();
        work()?;
        best = best.min(round.elapsed().as_secs_f64());
        if started.elapsed() >= enough {
            return Ok(best);
        }
    }
}

#[cfg(test)]
mod tests {
    use zcodec::{Cname, Shuffle};

    use super::*;

    fn care(nthreads: usize) -> Care {
        Care { enough: Duration::from_millis(1), nthreads }
    }

    #[test]
    fn size_and_blocks_match_the_frames() {
        let sample: Vec<u8> = (0..500_000u32).flat_map(|i| (i / 3).to_le_bytes()).collect();
        let compressor = Blosc { blocksize: 64 << 10, ..Blosc::new(Cname::Zstd, 1, Shuffle::Shuffle) };
        let candidate = Candidate { compressor, default: false };
        let samples = [sample.as_slice(), &sample[..100_000]];
        let measured = measure(&candidate, &samples, 4, 20_000_000, care(2)).expect("measures");
        let frames = samples.map(|sample| {
            let mut frame = Vec::new();
            compressor.compress(4, sample, &mut frame, 1, &mut Workspace::default()).expect("compresses");
            frame.len() as u64
        });
        assert_eq!((measured.encoded_bytes, measured.sampled_bytes), (frames.iter().sum(), 2_100_000));
        assert_eq!((measured.block_bytes, measured.blocks), (64 << 10, 306));
        // 31 and 2 blocks.
        let block = (measured.encoded_bytes - 2 * 16 - 33 * 4).div_ceil(33);
        assert_eq!(measured.point_bytes, 16 + 306 * 4 + block);
        let (threads, threaded) = measured.threaded.expect("was measured");
        assert_eq!(threads, 2);
        assert!([measured.one_thread, threaded].iter().all(|speed| speed.encode > 1e6 && speed.decode > 1e6));
    }

    #[test]
    fn uncompressed_frame_has_no_table() {
        let candidate = Candidate { compressor: Blosc::new(Cname::Lz4, 0, Shuffle::Shuffle), default: false };
        let measured = measure(&candidate, &[&[7; 100]], 4, 100, care(1)).expect("measures");
        assert_eq!((measured.point_bytes, measured.encoded_bytes, measured.threaded), (116, 116, None));
    }

    #[test]
    fn unwritable_compressor_is_an_error() {
        let candidate = Candidate { compressor: Blosc::new(Cname::Snappy, 5, Shuffle::Shuffle), default: false };
        assert!(measure(&candidate, &[&[7; 100]], 4, 100, care(1)).is_err());
    }
}
