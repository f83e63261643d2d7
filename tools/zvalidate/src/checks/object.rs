//! One stored object: its bytes against the metadata, and its values.

use std::ops::Range;

use zarray::{Array, Chain, ChunkReader, DecodeScratch, Itemsize, ZarrError};
use zcodec::CodecError;
use zstore::{ByteRange, Stat};
use zwire::Failure;

use crate::checks::headers::{HEAD, Problem, examine};
use crate::checks::presence::Presence;
use crate::checks::raw::{Raw, is_raw};
use crate::checks::values::{Each, ObjectValues, PIECE, Values};
use crate::kinds::Kind;
use crate::level::Level;
use crate::open::Context;

/// Buffers of a worker.
#[derive(Default)]
pub struct Buffers {
    /// Stored bytes.
    pub stored: Vec<u8>,
    /// Decoded bytes.
    pub scratch: DecodeScratch,
}

/// What was found of one object.
#[derive(Default)]
pub struct ObjectResult {
    /// Its number in the grid of objects.
    pub number: u64,
    /// Whether it is not stored.
    pub is_missing: bool,
    /// Its size, if it is.
    pub size: u64,
    /// Chunks that were checked.
    pub chunks: u64,
    /// Chunks that are damaged.
    pub damaged: u64,
    /// Inner chunks that are not in the shard, though they lie inside of the array.
    pub inner_missing: u64,
    /// The others, by their numbers in the grid of chunks.
    pub inner_present: Vec<u64>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Why it could not be checked.
    pub failure: Option<Failure>,
    /// The values of its chunks.
    pub values: ObjectValues,
    /// Bytes that were decoded.
    pub decoded: u64,
}

/// The array that objects belong to, and how they are checked.
pub struct Job<'a> {
    /// The store.
    pub context: &'a Context<'a>,
    /// The array.
    pub array: &'a Array,
    /// Reads its chunks; `None` if its codecs are not known.
    pub reader: Option<&'a ChunkReader<'a>>,
    /// How its values are looked at.
    pub values: Option<&'a Values>,
    /// What a list says of it, if there is one.
    pub presence: Option<&'a Presence>,
}

impl Job<'_> {
    /// One object that is one chunk.
    ///
    /// # Errors
    /// The store's; damage is part of the result.
    pub fn chunk(&self, index: &[u64], buffers: &mut Buffers, result: &mut ObjectResult) -> Result<(), ZarrError> {
        let key = self.array.key(&self.array.keys.encode(index));
        let Buffers { stored, .. } = buffers;
        let array = self.array.at(index);
        let whole = self.reader.filter(|_| self.context.level == Level::Full);
        let store = self.context.store;
        let mut fetch = |reader: &ChunkReader, stored: &mut Vec<u8>| match reader.fetch(index, stored) {
            Ok(fetched) => Ok(fetched.stat),
            Err(ZarrError::Chunk { source, .. }) if !is_damage(&source) => {
                // It is there, though it is not read.
                result.size = store.stat(&key)?.map_or(0, |stat| stat.size);
                Err(reader.failure(index, source))
            }
            Err(error) => Err(error),
        };
        let in_pieces = |reader: &ChunkReader| is_raw(self.array, &array.chain, reader) && !store.ignores_ranges();
        let mut is_raw = whole.is_some_and(in_pieces);
        let mut stat = match whole {
            Some(reader) if !is_raw => fetch(reader, stored)?,
            _ => store.get_range(&key, ByteRange::At { start: 0, len: HEAD }, stored)?,
        };
        // A server that sent the whole object for its first bytes would do so for each piece.
        if let Some(reader) = whole.filter(|_| is_raw && stat.is_some() && store.ignores_ranges()) {
            (stat, is_raw) = (fetch(reader, stored)?, false);
        }
        let Some(Stat { size, .. }) = stat else {
            result.is_missing = true;
            return Ok(());
        };
        (result.size, result.chunks) = (size, 1);
        self.examine(&array.chain, &key, (0, size), None, &buffers.stored, result)?;
        if result.damaged == 0
            && let Some(reader) = whole
        {
            let chunk = (index, reader.grid().number(index), None);
            match is_raw {
                true => self.look_raw(reader, chunk, &array.chain, (&key, 0), &mut buffers.stored, result),
                false => self.decode(reader, chunk, &buffers.stored, &mut buffers.scratch, result),
            }
        }
        Ok(())
    }

    /// Checks the first bytes of a chunk that lies at `start` in its object. `head` may be all of it.
    ///
    /// # Errors
    /// The store's.
    pub fn examine(
        &self,
        chain: &Chain,
        key: &str,
        (start, size): (u64, u64),
        inner: Option<u64>,
        head: &[u8],
        result: &mut ObjectResult,
    ) -> Result<(), ZarrError> {
        let mut table = |range: Range<u64>| {
            let mut bytes = Vec::new();
            let range = ByteRange::At { start: start + range.start, len: range.end - range.start };
            self.context.store.get_range(key, range, &mut bytes)?;
            Ok(bytes)
        };
        let problems = examine(chain, head, size, &mut table)?;
        result.damaged += u64::from(problems.iter().any(Problem::is_damage));
        result.problems.extend(problems.into_iter().map(|problem| Problem { inner, ..problem }));
        Ok(())
    }

    /// Decodes the chunk with this index and number in the grid of chunks, and its number in its shard, and looks at its values.
    pub fn decode(
        &self,
        reader: &ChunkReader,
        chunk: (&[u64], u64, Option<u64>),
        bytes: &[u8],
        scratch: &mut DecodeScratch,
        result: &mut ObjectResult,
    ) {
        let index = chunk.0;
        let failure = |error| reader.failure(index, error);
        self.look(
            reader,
            chunk,
            &mut |visit| reader.decode_pieces(index, bytes, PIECE, scratch, visit).map_err(failure),
            result,
        );
    }

    /// The same of an uncompressed chunk that goes through `chain` and lies at `start` in the object `key`: it is read in pieces.
    pub fn look_raw(
        &self,
        reader: &ChunkReader,
        chunk: (&[u64], u64, Option<u64>),
        chain: &Chain,
        (key, start): (&str, u64),
        buffer: &mut Vec<u8>,
        result: &mut ObjectResult,
    ) {
        let Itemsize::Fixed(itemsize) = reader.elements().itemsize else { return };
        let (store, has_checksum) = (self.context.store, !chain.tail.is_empty());
        let raw = Raw { store, key, start, len: chain.chunk_bytes.unwrap_or(0), itemsize, has_checksum };
        self.look(reader, chunk, &mut |visit| raw.each(buffer, visit), result);
    }

    /// Looks at the values of a chunk that `each` decodes.
    fn look(
        &self,
        reader: &ChunkReader,
        (index, number, inner): (&[u64], u64, Option<u64>),
        each: Each,
        result: &mut ObjectResult,
    ) {
        let decoded = match self.values {
            Some(values) => values.read(reader, index, each).map(|(found, decoded)| {
                result.values.add(number, found);
                decoded
            }),
            None => {
                let mut decoded = 0;
                each(&mut |piece| decoded += piece.len() as u64).map(|()| decoded)
            }
        };
        match decoded {
            Ok(decoded) => result.decoded += decoded,
            Err(error) => result.undecoded(inner, error),
        }
    }
}

impl ObjectResult {
    /// A chunk that was counted and could not be decoded: it is damaged, or could not be checked.
    pub fn undecoded(&mut self, inner: Option<u64>, error: ZarrError) {
        match error {
            ZarrError::Chunk { source, .. } if is_damage(&source) => {
                self.damaged += 1;
                self.problems.push(Problem { inner, ..problem_of(&source) });
            }
            error => {
                self.chunks = self.chunks.saturating_sub(1);
                self.failure = Some(error.into());
            }
        }
    }

    /// A problem that makes the object damaged.
    pub fn problem(&mut self, problem: Problem) {
        self.chunks = self.chunks.max(1);
        self.damaged += 1;
        self.problems.push(problem);
    }
}

/// Whether an error says that a chunk is damaged: not only that there is no memory to decode it.
pub fn is_damage(error: &CodecError) -> bool {
    !matches!(error, CodecError::Memory { .. })
}

/// A decoding error as a problem.
pub fn problem_of(error: &CodecError) -> Problem {
    let kind = match error {
        CodecError::Oversized { .. } | CodecError::Memory { .. } | CodecError::TooLarge { .. } => Kind::TooLarge,
        CodecError::Checksum { .. } => Kind::ChecksumMismatch,
        CodecError::WrongSize { .. } => Kind::WrongNbytes,
        CodecError::Short { format: "shard index", .. } => Kind::ShardIndex,
        CodecError::Short { .. } => Kind::Truncated,
        CodecError::Invalid { format: "shard", .. } => Kind::ShardIndex,
        CodecError::Unknown { .. } | CodecError::Configuration { .. } => Kind::UnknownCodec,
        CodecError::Invalid { .. } => Kind::Undecodable,
    };
    Problem::new(kind, error.to_string())
}
