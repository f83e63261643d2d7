//! Output objects without a corresponding source object: regions of pieces are read, combined, and encoded.

use std::collections::BTreeSet;

use zarray::{Array, ChunkReader, Elements, Fetched, Itemsize, ShardBuilder, Subset, Timer, ZarrError, fill_element};
use zcodec::{CodecError, crc32c, crc32c_append, crc32c_combine, to_usize};
use zstore::{Stat, Store};
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::assemble_texts::assemble_texts;
use crate::assembly_buffers::{AssemblyBuffers, fill_with};
use crate::checks::Check;
use crate::chunk::{decode, encode};
use crate::encoding::Encoding;
use crate::objects::Item;
use crate::options::{ArrivalCheck, OnBadChunk};
use crate::piece::Piece;
use crate::read_back::{at_fault, checksum_of};
use crate::received::Received;
use crate::rechunk::source_hash;
use crate::source_objects::{is_own, other_fill};
use crate::task::Task;
use crate::transcode::{Outcome, WorkerScratch};

/// The share of the memory limit that a worker may keep from object to object.
const KEPT_SHARE: u64 = 128;

/// Creates the output object of `item` from `regions`, boxes of pieces in output indices. No object is written if none
/// of the source chunks is present.
///
/// # Errors
/// A codec or fill value is not supported, a source chunk cannot be decoded, or a read or write fails.
pub fn assemble(
    task: &Task,
    plan: &ArrayPlan,
    item: &Item,
    regions: &[(usize, Subset)],
    verify: bool,
    scratch: &mut WorkerScratch,
) -> Result<Outcome, Failure> {
    let (Some(grid), Some(unit)) = (plan.array.numbered(), item.unit) else { return Ok(Outcome::default()) };
    let index = plan.index(grid, unit);
    let object = Subset::chunk(&index, grid.chunk_shape());
    if Elements::of(&plan.array).is_ok_and(|elements| elements.itemsize == Itemsize::Variable) {
        return assemble_texts(task, plan, item, &index, regions, verify, scratch);
    }
    let mut assembly = Assembly::new(task, plan, item, verify, std::mem::take(&mut scratch.assembly))?;
    let done = match &plan.array.chain.sharding {
        None => assembly.chunk(regions, &object, scratch).and_then(|present| match present {
            true => assembly.put(&plan.output_key(&index), scratch).map(Some),
            false => Ok(None),
        }),
        Some(sharding) => assembly.shard(regions, &object, &sharding.chunk_shape, &plan.output_key(&index), scratch),
    };
    let source = assembly.source();
    // Workers without an object keep their buffers, too: only small ones.
    if assembly.buffers.bytes() <= task.memory_bytes / KEPT_SHARE {
        scratch.assembly = assembly.buffers;
    }
    match done {
        Ok(written) => {
            let is_checked = written.is_some() && task.options.arrival != ArrivalCheck::None;
            let (verified, checked) = (verify && written.is_some(), is_checked.then_some(Check::Decode));
            Ok(Outcome { source, written, verified, checked, ..assembly.outcome })
        }
        Err(bad) if task.options.on_bad_chunk == OnBadChunk::Skip && bad.exit == Exit::Unreadable => {
            Ok(Outcome { bad: vec![bad], ..Outcome::default() })
        }
        Err(failure) => Err(failure),
    }
}

/// One output object being assembled.
struct Assembly<'a> {
    task: &'a Task<'a>,
    plan: &'a ArrayPlan,
    item: &'a Item,
    encoding: Encoding,
    elements: Elements,
    itemsize: usize,
    fill: Vec<u8>,
    verify: bool,
    outcome: Outcome,
    /// Stored bytes that were read, and the stored objects they are of: store, key and what was there.
    bytes_read: u64,
    sources: BTreeSet<(usize, String, Option<Stat>)>,
    buffers: AssemblyBuffers,
}

impl<'a> Assembly<'a> {
    fn new(
        task: &'a Task<'a>,
        plan: &'a ArrayPlan,
        item: &'a Item,
        verify: bool,
        buffers: AssemblyBuffers,
    ) -> Result<Assembly<'a>, Failure> {
        let refused = |what: String| Failure::new(Exit::Unreadable, what).at(&plan.array.path);
        let encoding = plan.encoding().cloned().map_or_else(|| plan.own_encoding(), Ok)?;
        let elements = Elements::of(&plan.array).map_err(refused)?;
        let Itemsize::Fixed(itemsize) = elements.itemsize else {
            return Err(refused("its elements have variable length".into()));
        };
        let fill = fill_element(&plan.array).map_err(refused)?;
        Ok(Assembly {
            task,
            plan,
            item,
            encoding,
            elements,
            itemsize,
            fill,
            verify,
            outcome: Outcome { recompressed: true, ..Outcome::default() },
            bytes_read: 0,
            sources: BTreeSet::new(),
            buffers,
        })
    }

    /// Gathers and encodes the output chunk with the box `chunk`; `false` if none of its source chunks is present.
    fn chunk(
        &mut self,
        regions: &[(usize, Subset)],
        chunk: &Subset,
        scratch: &mut WorkerScratch,
    ) -> Result<bool, Failure> {
        fill_with(&mut self.buffers.decoded, &self.fill, to_usize(chunk.elements()));
        let mut present = false;
        for (number, region) in regions {
            if let Some(region) = region.intersection(chunk) {
                present |= self.region(&self.plan.view.piece(*number), &region, chunk, scratch)?;
            }
        }
        if present {
            let mut timer = Timer::start();
            let encoded = encode(
                &self.encoding,
                &self.buffers.decoded,
                &mut self.buffers.encoded,
                self.plan.threads,
                &mut self.buffers.workspace,
            );
            encoded.map_err(|error| self.failed(&error.to_string()))?;
            self.outcome.uncompressed_bytes += self.buffers.decoded.len() as u64;
            self.outcome.crc32c = crc32c_append(self.outcome.crc32c, &crc32c(&self.buffers.decoded).to_le_bytes());
            scratch.seconds.encode += timer.lap();
            if self.verify {
                decode(
                    &self.encoding,
                    &self.buffers.encoded,
                    &mut self.buffers.part,
                    self.plan.threads,
                    &mut self.buffers.workspace,
                )
                .and_then(|()| same(&self.buffers.part, &self.buffers.decoded))
                .map_err(|error| self.failed(&error.to_string()))?;
                scratch.seconds.verify += timer.lap();
            }
        }
        Ok(present)
    }

    /// Copies a box of a piece into the output chunk; `false` if none of its source chunks is present.
    fn region(
        &mut self,
        piece: &Piece,
        region: &Subset,
        chunk: &Subset,
        scratch: &mut WorkerScratch,
    ) -> Result<bool, Failure> {
        let store = &self.task.stores[piece.store];
        let (reader, itemsize) = self.reader(store, piece)?;
        let fill = self.fill_of(piece, store)?;
        let order = self.elements.order.clone();
        let source = piece.in_source(region);
        let grid = reader.grid().chunk_shape();
        let chunks = source.chunks(grid);
        let mut present = false;
        for number in 0..chunks.elements() {
            let index = chunks.member(number);
            let whole = Subset::chunk(&index, grid);
            let Some(inside) = whole.intersection(&source) else { continue };
            let start = inside.start().iter().zip(whole.start()).map(|(at, origin)| at - origin).collect();
            let within = Subset::new(start, inside.shape().to_vec()).permuted(&order);
            let mut timer = Timer::start();
            let fetched = self.fetch(piece, &reader, &index, &within, &mut scratch.stored)?;
            scratch.seconds.read += timer.lap();
            self.bytes_read += fetched.bytes;
            if !is_own(self.plan, piece) {
                self.sources.insert((piece.store, reader.key(&index).0, fetched.stat));
            }
            let elements = inside.elements() as usize;
            match (fetched.present, &fill) {
                (true, _) => {
                    self.buffers.part.resize(elements * itemsize, 0);
                    let (stored, part) = (&scratch.stored, &mut self.buffers.part);
                    reader
                        .decode_subset(&index, stored, &within, part, self.plan.threads, &mut self.buffers.decoder)
                        .map_err(|source| ZarrError::Chunk { place: reader.place(&index), source })?;
                    scratch.seconds.decode += timer.lap();
                    self.convert(piece, || reader.place(&index))?;
                }
                (false, None) => continue,
                // It is read as another value than a missing chunk of the output.
                (false, Some(fill)) => self.buffers.converted = fill.repeat(elements),
            }
            present = true;
            let start = inside.start().iter().zip(source.start()).zip(region.start());
            let start = start.map(|((at, from), to)| at - from + to).collect();
            let target = Subset::new(start, inside.shape().to_vec()).permuted(&order);
            zarray::copy_subset(
                &target,
                &target,
                if piece.recode.is_some() { &self.buffers.converted } else { &self.buffers.part },
                &chunk.permuted(&order),
                &mut self.buffers.decoded,
                self.itemsize,
            );
            scratch.seconds.gather += timer.lap();
        }
        Ok(present)
    }

    /// Reads what `within` needs of a source chunk. Where objects are checked as they arrive, that is all of it.
    fn fetch(
        &mut self,
        piece: &Piece,
        reader: &ChunkReader,
        index: &[u64],
        within: &Subset,
        stored: &mut Vec<u8>,
    ) -> Result<Fetched, Failure> {
        let Some(arrivals) = self.task.arrivals.get(piece.store) else {
            return Ok(reader.fetch_subset(index, within, stored, &mut self.buffers.spare)?);
        };
        let mut corrupt = String::new();
        for _ in 0..arrivals.tries() {
            let fetched = reader.fetch(index, stored)?;
            let (Some(stat), None) = (fetched.stat, reader.key(index).1) else { return Ok(fetched) };
            let mut received = Received::new(arrivals, stat);
            received.add(stored);
            match received.check(&piece.array.chain) {
                Ok(_) => return Ok(fetched),
                Err(why) => corrupt = why,
            }
        }
        Err(arrivals.failure(&corrupt, reader.place(index)))
    }

    /// Converts the decoded part of a source chunk to elements of the output.
    fn convert(&mut self, piece: &Piece, place: impl Fn() -> String) -> Result<(), Failure> {
        let Some(recode) = &piece.recode else { return Ok(()) };
        self.buffers.converted.clear();
        recode
            .recode(&self.buffers.part, &mut self.buffers.converted)
            .map_err(|why| Failure::new(Exit::Unreadable, why).at(place()))
    }

    /// The element of the output for those of a missing source chunk; `None`: it is missing in the output, too.
    fn fill_of(&self, piece: &Piece, store: &Store) -> Result<Option<Vec<u8>>, Failure> {
        let refused = |what: String| Failure::new(Exit::Unreadable, what).at(store.place(piece.array.key_prefix()));
        other_fill(piece, &self.fill).map_err(refused)
    }

    /// A reader for a source array and the size of its elements, after checking that they are stored like those of the output, or are
    /// converted.
    fn reader<'r>(&self, store: &'r Store, piece: &'r Piece) -> Result<(ChunkReader<'r>, usize), Failure> {
        let array = &*piece.array;
        let refused = |what: String| Failure::new(Exit::Unreadable, what).at(store.place(array.key_prefix()));
        let reader = ChunkReader::new(store, array).map_err(refused)?;
        let Itemsize::Fixed(itemsize) = reader.elements().itemsize else {
            return Err(refused("its elements have variable length".into()));
        };
        if piece.recode.is_some() && reader.elements().order == self.elements.order {
            return Ok((reader, itemsize));
        }
        let kept = |array: &Array| {
            let chain = array.chain.innermost();
            chain.specs[..chain.kept].to_vec()
        };
        let alike = *reader.elements() == self.elements && kept(array) == kept(&self.plan.array);
        if !alike || fill_element(array).map_err(refused)? != self.fill {
            return Err(refused(format!(
                "its elements are encoded differently from those of {}",
                self.plan.array.path
            )));
        }
        Ok((reader, itemsize))
    }

    /// All source objects as one: their bytes, and the sum of their hashes as the tag.
    fn source(&self) -> Option<Stat> {
        let hashes = self.sources.iter().map(|(_, key, stat)| source_hash(key, *stat));
        let tag = hashes.reduce(u64::wrapping_add)?;
        Some(Stat::new(self.bytes_read, tag))
    }

    fn put(&mut self, key: &str, scratch: &mut WorkerScratch) -> Result<Stat, Failure> {
        let mut timer = Timer::start();
        self.task.compare_earlier(self.plan, self.item, self.outcome.crc32c)?;
        let output = self.task.output(self.plan);
        let stat = output.put(key, &self.buffers.encoded)?;
        self.outcome.stored_crc32c = Some(crc32c(&self.buffers.encoded));
        scratch.seconds.write += timer.lap();
        if self.verify {
            let stored = output.get(key, &mut scratch.stored)?.is_some() && scratch.stored == self.buffers.encoded;
            scratch.seconds.verify += timer.lap();
            if !stored {
                return Err(self.failed("the stored bytes differ from those written"));
            }
        }
        Ok(stat)
    }

    /// Writes a shard, one inner chunk at a time.
    fn shard(
        &mut self,
        regions: &[(usize, Subset)],
        object: &Subset,
        inner: &[u64],
        key: &str,
        scratch: &mut WorkerScratch,
    ) -> Result<Option<Stat>, Failure> {
        let Some(layout) = self.plan.array.chain.sharding.as_ref().map(|sharding| sharding.index) else {
            return Ok(None);
        };
        let inner_chunks = object.chunks(inner);
        let mut shard = ShardBuilder::new(layout);
        let (mut upload, mut checksum, mut len) = (None, 0, 0);
        for number in 0..inner_chunks.elements() {
            let chunk = Subset::chunk(&inner_chunks.member(number), inner);
            if !self.chunk(regions, &chunk, scratch)? {
                continue;
            }
            let upload = match &mut upload {
                Some(upload) => upload,
                none => none.insert(self.task.output(self.plan).upload(key, layout.reserved() as usize)?),
            };
            let mut timer = Timer::start();
            shard.append(number as usize, self.buffers.encoded.len());
            upload.write(&self.buffers.encoded)?;
            checksum = crc32c_append(checksum, &self.buffers.encoded);
            len += self.buffers.encoded.len();
            scratch.seconds.write += timer.lap();
        }
        let Some(mut upload) = upload else { return Ok(None) };
        let end = shard.finish();
        upload.write(&end.append)?;
        let body = crc32c_append(checksum, &end.append);
        let expected = crc32c_combine(crc32c(&end.start), body, len + end.append.len());
        self.task.compare_earlier(self.plan, self.item, self.outcome.crc32c)?;
        let written = upload.finish(&end.start)?;
        self.outcome.stored_crc32c = Some(expected);
        let output = self.task.output(self.plan);
        if self.verify && checksum_of(output, key, &mut scratch.stored)? != Some(expected) {
            return Err(self.failed("the stored bytes differ from those written"));
        }
        Ok(Some(written))
    }

    fn failed(&self, what: &str) -> Failure {
        Failure::new(Exit::Output, format!("verification failed: {what}"))
            .at(&self.plan.array.path)
            .hint(at_fault(self.task.output(self.plan)))
    }
}

fn same(decoded: &[u8], expected: &[u8]) -> Result<(), CodecError> {
    let other = || CodecError::Invalid { format: "chunk", detail: "the stored bytes differ from those written".into() };
    (decoded == expected).then_some(()).ok_or_else(other)
}
