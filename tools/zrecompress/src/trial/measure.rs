//! What one compressor does to sampled chunks: size, speed, blocks.

use std::time::{Duration, Instant};

use zcodec::{Blosc, CodecError, HEADER_LEN, Header, Workspace, decompress, predict_blocksize};

use crate::trial::grid::Candidate;

/// How well a compressor is measured.
#[derive(Debug, Clone, Copy)]
pub struct Care {
    /// A measurement is repeated until it has taken this long; the best round counts.
    pub enough: Duration,
    /// Threads on one chunk, besides one.
    pub nthreads: usize,
}

/// What was measured. Speeds are decoded bytes in a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The compressor.
    pub candidate: Candidate,
    /// Decoded bytes that went into it.
    pub sampled_bytes: u64,
    /// Bytes that came out.
    pub encoded_bytes: u64,
    /// Speed of one thread.
    pub one_thread: Speed,
    /// Speed of several threads on one chunk, and how many.
    pub threaded: Option<(usize, Speed)>,
    /// Blocks of a whole chunk.
    pub blocks: u64,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// Bytes that a reader of one cell needs: header, block table and one block.
    pub point_bytes: u64,
    /// Whether it was measured on everything that was sampled.
    pub thorough: bool,
    /// Whether nothing else is better in every way ([`crate::trial::choose::front`]).
    pub pareto: bool,
}

/// Decoded bytes in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Of the compressor.
    pub encode: f64,
    /// Of the decompressor.
    pub decode: f64,
}

impl Measured {
    /// Compressed bytes for each decoded byte.
    pub fn size(&self) -> f64 {
        self.encoded_bytes as f64 / self.sampled_bytes.max(1) as f64
    }
}

/// Measures `candidate` on `samples`, parts of chunks that have `chunk_bytes` bytes, with elements of `typesize` bytes.
///
/// # Errors
/// What the compressor says, or [`CodecError::Invalid`] where decoding gives other bytes than were encoded.
pub fn measure(
    candidate: &Candidate,
    samples: &[&[u8]],
    typesize: usize,
    chunk_bytes: u64,
    care: Care,
) -> Result<Measured, CodecError> {
    let mut work = Work::new(&candidate.compressor, samples, typesize);
    let sampled_bytes: usize = samples.iter().map(|sample| sample.len()).sum();
    let speed = work.speed(1, care.enough)?;
    let threaded = match care.nthreads {
        0 | 1 => None,
        threads => Some((threads, work.speed(threads, care.enough)?)),
    };
    let per_second = |Speed { encode, decode }| Speed {
        encode: sampled_bytes as f64 / encode.max(f64::MIN_POSITIVE),
        decode: sampled_bytes as f64 / decode.max(f64::MIN_POSITIVE),
    };
    let block_bytes = predict_blocksize(&candidate.compressor, typesize as u64, chunk_bytes).max(1);
    let blocks = chunk_bytes.div_ceil(block_bytes);
    Ok(Measured {
        candidate: *candidate,
        sampled_bytes: sampled_bytes as u64,
        encoded_bytes: work.frames.iter().map(|frame| frame.len() as u64).sum(),
        one_thread: per_second(speed),
        threaded: threaded.map(|(threads, speed)| (threads, per_second(speed))),
        blocks,
        block_bytes,
        point_bytes: work.point_bytes(blocks)?,
        thorough: false,
        pareto: false,
    })
}

/// One compressor at work.
struct Work<'a> {
    codec: &'a Blosc,
    samples: &'a [&'a [u8]],
    typesize: usize,
    frames: Vec<Vec<u8>>,
    decoded: Vec<u8>,
    workspace: Workspace,
}

impl<'a> Work<'a> {
    fn new(codec: &'a Blosc, samples: &'a [&'a [u8]], typesize: usize) -> Work<'a> {
        let frames = vec![Vec::new(); samples.len()];
        Work { codec, samples, typesize, frames, decoded: Vec::new(), workspace: Workspace::default() }
    }

    /// Seconds that all samples take, in the best round.
    fn speed(&mut self, threads: usize, enough: Duration) -> Result<Speed, CodecError> {
        let encode = best(enough, || self.encode(threads))?;
        self.check()?;
        let decode = best(enough, || self.decode(threads))?;
        Ok(Speed { encode, decode })
    }

    fn encode(&mut self, threads: usize) -> Result<(), CodecError> {
        for (sample, frame) in self.samples.iter().zip(&mut self.frames) {
            self.codec.compress(self.typesize, sample, frame, threads, &mut self.workspace)?;
        }
        Ok(())
    }

    fn decode(&mut self, threads: usize) -> Result<(), CodecError> {
        for frame in &self.frames {
            decompress(frame, &mut self.decoded, threads, &mut self.workspace)?;
        }
        Ok(())
    }

    /// No speed counts whose result is wrong.
    fn check(&mut self) -> Result<(), CodecError> {
        for (sample, frame) in self.samples.iter().zip(&self.frames) {
            decompress(frame, &mut self.decoded, 1, &mut self.workspace)?;
            if self.decoded != *sample {
                let detail = "decodes to other bytes than were encoded".into();
                return Err(CodecError::Invalid { format: "blosc", detail });
            }
        }
        Ok(())
    }

    /// Header, the table of a chunk with `blocks` blocks, and an average block.
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

/// The seconds of the best round of `work`.
fn best(enough: Duration, mut work: impl FnMut() -> Result<(), CodecError>) -> Result<f64, CodecError> {
    let started = Instant::now();
    let mut best = f64::INFINITY;
    loop {
        let begin = Instant::now();
        work()?;
        best = best.min(begin.elapsed().as_secs_f64());
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
    fn size_and_blocks_are_those_of_the_frames() {
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
    fn what_is_stored_raw_has_no_table() {
        let candidate = Candidate { compressor: Blosc::new(Cname::Lz4, 0, Shuffle::Shuffle), default: false };
        let measured = measure(&candidate, &[&[7; 100]], 4, 100, care(1)).expect("measures");
        assert_eq!((measured.point_bytes, measured.encoded_bytes, measured.threaded), (116, 116, None));
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let candidate = Candidate { compressor: Blosc::new(Cname::Snappy, 5, Shuffle::Shuffle), default: false };
        assert!(measure(&candidate, &[&[7; 100]], 4, 100, care(1)).is_err());
    }
}
