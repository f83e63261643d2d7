//! The kernel: one object from the source to the output. Bytes in, bytes out; nobody looks at values.

use std::path::Path;

use zarray::{Chain, ZarrError};
use zcli::{Failure, Phases, Timer};
use zcodec::{
    Cname, CodecError, Compressor, Header, Workspace, crc32c, crc32c_append, holds, predict_blocksize, predict_split,
    unsealed,
};
use zstore::{ByteRange, Stat, Store};
use zwire::Exit;

use crate::bench::Benches;
use crate::cli::OnBadChunk;
use crate::finish::keep_old;
use crate::plan::{ArrayPlan, COPY_PIECE, Placement, Target};
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
    /// What was read, where it was there at all.
    pub source: Option<Stat>,
    /// What was written, where anything was.
    pub written: Option<Stat>,
    pub uncompressed_bytes: u64,
    /// CRC-32C of the decoded bytes; of the stored ones where they were copied.
    pub crc32c: u32,
    /// Whether any byte of it was compressed again.
    pub recompressed: bool,
    pub verified: bool,
    /// What could not be decoded, and was carried over or left out as the flags say.
    pub bad: Vec<Failure>,
}

/// One object and all that is needed to carry it over.
pub struct Job<'a> {
    pub store: &'a Store,
    /// Where it goes.
    pub output: &'a Store,
    pub plan: &'a ArrayPlan,
    pub item: &'a Item,
    /// Read back what was written, decode and compare.
    pub verify: bool,
    /// What to do about a chunk that cannot be decoded.
    pub on_bad_chunk: OnBadChunk,
    /// Where an object is kept that another one takes the place of.
    pub backup: Option<&'a Path>,
    /// Where decoding and encoding is done.
    pub benches: &'a Benches,
}

impl Job<'_> {
    /// Carries the object over.
    ///
    /// # Errors
    /// What is wrong with the source object, or (exit code [`Exit::Output`]) with the output.
    pub fn run(&self, scratch: &mut Scratch) -> Result<Outcome, Failure> {
        let done = match self.plan.target() {
            None => return self.copy(scratch),
            Some(target) if self.plan.array.chain.sharding.is_some() => transcode_shard(self, target, scratch),
            Some(target) => self.transcode(target, scratch),
        };
        match (done, self.on_bad_chunk) {
            (Err(bad), OnBadChunk::Copy) if bad.exit == Exit::Unreadable => {
                let copied = if self.plan.placement == Placement::Over { self.kept() } else { self.copy(scratch) };
                copied.map(|outcome| Outcome { bad: vec![bad], ..outcome })
            }
            (Err(bad), OnBadChunk::Skip) if bad.exit == Exit::Unreadable => {
                Ok(Outcome { bad: vec![bad], ..Outcome::default() })
            }
            (done, _) => done,
        }
    }

    /// The object stays where it is.
    fn kept(&self) -> Result<Outcome, Failure> {
        let stat = self.store.stat(&self.item.key)?;
        Ok(Outcome { source: stat, written: stat, ..Outcome::default() })
    }

    /// The key that the object will have.
    pub fn output_key(&self) -> String {
        self.plan.new_key(&self.item.key, self.item.unit)
    }

    /// Carries the object over as it is, piece by piece: a shard may be larger than the memory.
    fn copy(&self, scratch: &mut Scratch) -> Result<Outcome, Failure> {
        let Scratch { stored, clocks } = scratch;
        let mut timer = Timer::start();
        let key = self.output_key();
        let mut output = None;
        let (mut done, mut checksum) = (0, 0);
        let source = loop {
            let range = ByteRange::At { start: done, len: COPY_PIECE };
            let Some(stat) = self.store.get_range(&self.item.key, range, stored)? else { return self.absent() };
            clocks.read += timer.lap();
            done += stored.len() as u64;
            checksum = crc32c_append(checksum, stored);
            let ends = done >= stat.size || stored.is_empty();
            if ends && output.is_none() {
                break self.put(&key, stored).map(|written| (stat, written))?;
            }
            let mut upload = output.take().map_or_else(|| self.output.upload(&key, 0), Ok)?;
            upload.write(stored)?;
            if ends {
                break (stat, upload.finish(&[])?);
            }
            output = Some(upload);
            clocks.write += timer.lap();
        };
        clocks.write += timer.lap();
        let (source, written) = source;
        let mut outcome =
            Outcome { source: Some(source), written: Some(written), crc32c: checksum, ..Outcome::default() };
        if self.verify {
            if self.checksum_of_output(&key, stored)? != checksum {
                return Err(self.not_the_same("other bytes than were copied"));
            }
            clocks.verify += timer.lap();
            outcome.verified = true;
        }
        Ok(outcome)
    }

    /// CRC-32C of what was written.
    fn checksum_of_output(&self, key: &str, buffer: &mut Vec<u8>) -> Result<u32, Failure> {
        let (mut done, mut checksum) = (0, 0);
        loop {
            let range = ByteRange::At { start: done, len: COPY_PIECE };
            let Some(stat) = self.read_output(key, range, buffer)? else { return Err(self.not_the_same("is gone")) };
            checksum = crc32c_append(checksum, buffer);
            done += buffer.len() as u64;
            if done >= stat.size || buffer.is_empty() {
                return Ok(checksum);
            }
        }
    }

    fn transcode(&self, target: &Target, scratch: &mut Scratch) -> Result<Outcome, Failure> {
        let Scratch { stored, clocks } = scratch;
        let threads = self.plan.threads;
        let mut timer = Timer::start();
        let source = self.store.get(&self.item.key, stored)?;
        clocks.read += timer.lap();
        let Some(source) = source else { return self.absent() };
        let chunk = &mut *self.benches.take();
        let recompressed = recode(self.plan.chain(), target, stored, threads, chunk, clocks)
            .map_err(|source| ZarrError::Chunk { place: self.place(), source })?;
        let mut outcome = Outcome {
            source: Some(source),
            uncompressed_bytes: chunk.decoded.len() as u64,
            crc32c: crc32c(&chunk.decoded),
            recompressed,
            ..Outcome::default()
        };
        let mut timer = Timer::start();
        if !recompressed && self.plan.placement == Placement::Over {
            return Ok(Outcome { written: Some(source), verified: self.verify, ..outcome });
        }
        if self.verify && self.plan.placement == Placement::Over {
            // What takes the old chunk's place must be good before it does.
            let encoded = std::mem::take(&mut chunk.encoded);
            let checked = check_decodes(target, &encoded, threads, chunk);
            chunk.encoded = encoded;
            checked.map_err(|error| self.not_the_same(&error.to_string()))?;
            clocks.verify += timer.lap();
        }
        let key = self.output_key();
        outcome.written = Some(self.put(&key, if recompressed { &chunk.encoded } else { stored })?);
        clocks.write += timer.lap();
        if self.verify {
            self.read_back(&key, stored)?;
            check_decodes(target, stored, threads, chunk).map_err(|error| self.not_the_same(&error.to_string()))?;
            clocks.verify += timer.lap();
            outcome.verified = true;
        }
        Ok(outcome)
    }

    /// Writes an object.
    fn put(&self, key: &str, bytes: &[u8]) -> Result<Stat, Failure> {
        self.keep_old(key)?;
        Ok(self.output.put(key, bytes)?)
    }

    /// Keeps the object whose place is about to be taken.
    pub fn keep_old(&self, key: &str) -> Result<(), Failure> {
        if self.plan.placement == Placement::Over { keep_old(self.output, key, self.backup) } else { Ok(()) }
    }

    /// Where the source object is, for messages.
    pub fn place(&self) -> String {
        self.store.place(&self.item.key)
    }

    /// A key that was computed may have no object; one that was listed must.
    pub fn absent(&self) -> Result<Outcome, Failure> {
        match self.item.stat {
            None => Ok(Outcome::default()),
            Some(_) => Err(Failure::new(Exit::Unreadable, "was listed, and is gone").at(self.place())),
        }
    }

    /// Reads what was written.
    fn read_back(&self, key: &str, buffer: &mut Vec<u8>) -> Result<(), Failure> {
        match self.output.get(key, buffer).map_err(|error| self.not_the_same(&error.to_string()))? {
            Some(_) => Ok(()),
            None => Err(self.not_the_same("is gone")),
        }
    }

    /// Reads part of what was written.
    pub fn read_output(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, Failure> {
        self.output.get_range(key, range, buffer).map_err(|error| self.not_the_same(&error.to_string()))
    }

    /// The output does not hold what was written to it.
    pub fn not_the_same(&self, what: &str) -> Failure {
        Failure::new(Exit::Output, format!("verification failed: {what}"))
            .at(self.output.place(&self.output_key()))
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

/// Encodes a decoded chunk as the target says.
pub fn encode(
    target: &Target,
    decoded: &[u8],
    encoded: &mut Vec<u8>,
    threads: usize,
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    target.compressor.compress(target.typesize as usize, decoded, encoded, threads, workspace)?;
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
    let Compressor::Blosc(blosc) = &target.compressor else { return target.unchanged };
    target.unchanged
        && Header::parse(stored).is_ok_and(|header| {
            header.cname() == Some(family(blosc.cname))
                && header.shuffle() == blosc.shuffle
                && u64::from(header.typesize) == target.typesize
                && (header.stored_raw()
                    || (u64::from(header.blocksize) == predict_blocksize(blosc, target.typesize, nbytes)
                        && header.split() == predict_split(blosc, target.typesize, nbytes)))
        })
}

/// Decodes what [`encode`] made.
pub fn decode(
    target: &Target,
    encoded: &[u8],
    decoded: &mut Vec<u8>,
    threads: usize,
    workspace: &mut Workspace,
) -> Result<(), CodecError> {
    let compressed = if target.checksum { unsealed(encoded)? } else { encoded };
    match target.compressor.codec() {
        Some(codec) => codec.decode(compressed, None, decoded, threads, workspace),
        None => {
            decoded.clear();
            decoded.extend_from_slice(compressed);
            Ok(())
        }
    }
}

/// Decodes `written` as a reader of the output will, and compares it with `chunk.decoded`.
pub fn check_decodes(
    target: &Target,
    written: &[u8],
    threads: usize,
    chunk: &mut ChunkScratch,
) -> Result<(), CodecError> {
    let ChunkScratch { decoded, again, workspace, .. } = chunk;
    let same = match target.is_blosc() {
        true => holds(if target.checksum { unsealed(written)? } else { written }, decoded, threads, workspace)?,
        false => {
            decode(target, written, again, threads, workspace)?;
            again == decoded
        }
    };
    if same {
        return Ok(());
    }
    Err(CodecError::Invalid { format: "chunk", detail: "other bytes than were written".into() })
}
