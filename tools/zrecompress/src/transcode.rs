//! The kernel: one object from the source to the output. Bytes in, bytes out; nobody looks at values.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use zarray::{Chain, ZarrError};
use zcli::{Failure, Phases, Timer};
use zcodec::{Cname, Codec, CodecError, Header, Workspace, crc32c, crc32c_append, decompress, predict_blocksize};
use zstore::{ByteRange, Staging, Store, write_failed};
use zwire::Exit;

use crate::bench::Benches;
use crate::plan::{ArrayPlan, COPY_PIECE, Target};
use crate::shard::transcode_shard;
use crate::source::Item;

/// What one worker keeps from object to object.
#[derive(Default)]
pub struct Scratch {
    pub stored: Vec<u8>,
    pub clocks: Clocks,
}

/// What the transcoding of one chunk needs.
#[derive(Default)]
pub struct ChunkScratch {
    pub decoded: Vec<u8>,
    pub encoded: Vec<u8>,
    spare: Vec<u8>,
    again: Vec<u8>,
    workspace: Workspace,
}

/// Seconds of one worker by phase.
#[derive(Default)]
pub struct Clocks {
    pub read: f64,
    pub decode: f64,
    pub encode: f64,
    pub write: f64,
    pub verify: f64,
}

impl Clocks {
    pub fn total(&self) -> f64 {
        self.read + self.decode + self.encode + self.write + self.verify
    }

    pub fn add(&mut self, other: &Clocks) {
        self.read += other.read;
        self.decode += other.decode;
        self.encode += other.encode;
        self.write += other.write;
        self.verify += other.verify;
    }

    pub fn report(&self, phases: &Phases) {
        let all = [
            ("read", self.read),
            ("decode", self.decode),
            ("encode", self.encode),
            ("write", self.write),
            ("verify", self.verify),
        ];
        for (phase, seconds) in all {
            phases.add(phase, seconds);
        }
    }
}

/// What became of one object.
#[derive(Default)]
pub struct Outcome {
    /// Whether it was there at all.
    pub present: bool,
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub uncompressed_bytes: u64,
    /// Whether any byte of it was compressed again.
    pub recompressed: bool,
    pub verified: bool,
}

/// One object and all that is needed to carry it over.
pub struct Job<'a> {
    pub store: &'a Store,
    pub staging: &'a Staging,
    pub plan: &'a ArrayPlan,
    pub item: &'a Item,
    /// Read back what was written, decode and compare.
    pub verify: bool,
    /// Where decoding and encoding is done.
    pub benches: &'a Benches,
}

impl Job<'_> {
    /// Carries the object over.
    ///
    /// # Errors
    /// What is wrong with the source object, or (exit code [`Exit::Output`]) with the output.
    pub fn run(&self, scratch: &mut Scratch) -> Result<Outcome, Failure> {
        match self.plan.target() {
            None => self.copy(scratch),
            Some(target) if self.plan.array.chain.sharding.is_some() => transcode_shard(self, target, scratch),
            Some(target) => self.transcode(target, scratch),
        }
    }

    /// Carries the object over as it is, piece by piece: a shard may be larger than the memory.
    fn copy(&self, scratch: &mut Scratch) -> Result<Outcome, Failure> {
        let Scratch { stored, clocks } = scratch;
        let mut timer = Timer::start();
        let mut output = None;
        let (mut done, mut checksum) = (0, 0);
        loop {
            let range = ByteRange::At { start: done, len: COPY_PIECE };
            let Some(stat) = self.store.get_range(&self.item.key, range, stored)? else { return self.absent() };
            clocks.read += timer.lap();
            let file = match output.take() {
                Some(file) => file,
                None => self.staging.create_file(&self.item.key)?,
            };
            output.insert(file).write_all(stored).map_err(|error| write_failed(&self.target_path(), error))?;
            checksum = crc32c_append(checksum, stored);
            clocks.write += timer.lap();
            done += stored.len() as u64;
            if done >= stat.size || stored.is_empty() {
                break;
            }
        }
        let mut outcome = Outcome { present: true, bytes_before: done, bytes_after: done, ..Outcome::default() };
        if self.verify {
            if self.checksum_of_output(stored)? != checksum {
                return Err(self.not_the_same("other bytes than were copied"));
            }
            clocks.verify += timer.lap();
            outcome.verified = true;
        }
        Ok(outcome)
    }

    /// CRC-32C of what was written.
    fn checksum_of_output(&self, buffer: &mut Vec<u8>) -> Result<u32, Failure> {
        let path = self.staging.temporary().join(&self.item.key);
        let unreadable = |error: std::io::Error| self.not_the_same(&error.to_string());
        let mut file = File::open(path).map_err(unreadable)?;
        let mut checksum = 0;
        loop {
            buffer.clear();
            (&mut file).take(COPY_PIECE).read_to_end(buffer).map_err(unreadable)?;
            if buffer.is_empty() {
                return Ok(checksum);
            }
            checksum = crc32c_append(checksum, buffer);
        }
    }

    fn transcode(&self, target: &Target, scratch: &mut Scratch) -> Result<Outcome, Failure> {
        let Scratch { stored, clocks } = scratch;
        let threads = self.plan.threads;
        let mut timer = Timer::start();
        let present = self.store.get(&self.item.key, stored)?.is_some();
        clocks.read += timer.lap();
        if !present {
            return self.absent();
        }
        let chunk = &mut *self.benches.take();
        let recoded = recode(self.plan.chain(), target, stored, threads, chunk, clocks)
            .map_err(|source| ZarrError::Chunk { place: self.place(), source })?;
        let mut outcome = Outcome {
            present,
            bytes_before: stored.len() as u64,
            uncompressed_bytes: chunk.decoded.len() as u64,
            recompressed: recoded,
            ..Outcome::default()
        };
        let mut timer = Timer::start();
        let written: &[u8] = if recoded { &chunk.encoded } else { stored };
        self.staging.put(&self.item.key, written)?;
        outcome.bytes_after = written.len() as u64;
        clocks.write += timer.lap();
        if self.verify {
            self.read_back(stored)?;
            check_decodes(target, stored, threads, chunk).map_err(|error| self.not_the_same(&error.to_string()))?;
            clocks.verify += timer.lap();
            outcome.verified = true;
        }
        Ok(outcome)
    }

    /// Where the source object is, for messages.
    pub fn place(&self) -> String {
        self.store.place(&self.item.key)
    }

    /// Where the output object will be.
    pub fn target_path(&self) -> PathBuf {
        self.staging.target().join(&self.item.key)
    }

    /// A key that was computed may have no object; one that was listed must.
    pub fn absent(&self) -> Result<Outcome, Failure> {
        match self.item.size {
            None => Ok(Outcome::default()),
            Some(_) => Err(Failure::new(Exit::Unreadable, "was listed, and is gone").at(self.place())),
        }
    }

    /// Reads what was written.
    fn read_back(&self, buffer: &mut Vec<u8>) -> Result<(), Failure> {
        let path = self.staging.temporary().join(&self.item.key);
        buffer.clear();
        File::open(&path)
            .and_then(|mut file| file.read_to_end(buffer))
            .map(drop)
            .map_err(|error| self.not_the_same(&error.to_string()))
    }

    /// The output does not hold what was written to it.
    pub fn not_the_same(&self, what: &str) -> Failure {
        Failure::new(Exit::Output, format!("verification failed: {what}"))
            .at(self.target_path().display())
            .hint("the disk or the memory of this machine may be bad")
    }
}

/// Decodes `stored` and, where it is not in the wanted form already, encodes it into `chunk.encoded`; says which.
pub fn recode(
    chain: &Chain,
    target: &Target,
    stored: &[u8],
    threads: usize,
    chunk: &mut ChunkScratch,
    clocks: &mut Clocks,
) -> Result<bool, CodecError> {
    let mut timer = Timer::start();
    chain.decode_tail(stored, &mut chunk.decoded, &mut chunk.spare, threads, &mut chunk.workspace)?;
    clocks.decode += timer.lap();
    if is_already(target, stored, chunk.decoded.len() as u64) {
        return Ok(false);
    }
    encode(target, &chunk.decoded, &mut chunk.encoded, threads, &mut chunk.workspace)?;
    clocks.encode += timer.lap();
    Ok(true)
}

fn encode(
    target: &Target,
    decoded: &[u8],
    encoded: &mut Vec<u8>,
    threads: usize,
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    target.blosc.compress(target.typesize as usize, decoded, encoded, threads, workspace)?;
    if target.checksum {
        let checksum = crc32c(encoded);
        encoded.extend(checksum.to_le_bytes());
    }
    Ok(())
}

/// Whether a chunk, whose metadata names the wanted codec, really has it: frames may have been written otherwise (zarr-python
/// 3.0.0 to 3.0.7 wrote elements of one byte). The level leaves no trace, and is believed.
fn is_already(target: &Target, stored: &[u8], nbytes: u64) -> bool {
    let family = |cname| if cname == Cname::Lz4hc { Cname::Lz4 } else { cname };
    target.unchanged
        && Header::parse(stored).is_ok_and(|header| {
            header.cname() == Some(family(target.blosc.cname))
                && header.shuffle() == target.blosc.shuffle
                && u64::from(header.typesize) == target.typesize
                && (header.stored_raw()
                    || u64::from(header.blocksize) == predict_blocksize(&target.blosc, target.typesize, nbytes))
        })
}

/// Decodes `written` as a reader of the output will, and compares it with `chunk.decoded`.
pub fn check_decodes(
    target: &Target,
    written: &[u8],
    threads: usize,
    chunk: &mut ChunkScratch,
) -> Result<(), CodecError> {
    let ChunkScratch { decoded, spare, again, workspace, .. } = chunk;
    let frame = match target.checksum {
        true => {
            Codec::Crc32c.decode(written, None, spare, 1, workspace)?;
            spare.as_slice()
        }
        false => written,
    };
    decompress(frame, again, threads, workspace)?;
    if again == decoded {
        return Ok(());
    }
    Err(CodecError::Invalid { format: "blosc", detail: "other bytes than were written".into() })
}
