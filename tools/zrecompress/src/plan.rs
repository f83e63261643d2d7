//! What will be done with each array, decided from metadata alone, before anything is written.

use serde_json::{Value, json};
use zarray::{Array, Chain, ChunkKeys, Elements, Grid, ZarrError, ZarrFormat, fill_element};
use zcli::{Failure, VarFilter};
use zcodec::{Blosc, Codec, CodecError, Compressor, MAX_NBYTES, Stream, codec_name, predict_blocksize};
use zstore::Store;
use zwire::{Exit, PlanRecord, round3};

use crate::choices::Choices;
use crate::format::keys_after;
use crate::metadata::Changes;
use crate::rechunk::{Assumptions, Layout, RechunkPlan, Resources, Shapes};
use crate::saved::Cut;

/// An array and what happens to it.
pub struct ArrayPlan {
    /// The array; its attributes are dropped, they are copied as text.
    pub array: Array,
    pub action: Action,
    /// Where its objects go.
    pub placement: Placement,
    /// How its objects will be called, where that changes.
    pub new_keys: Option<ChunkKeys>,
    /// Threads on one object.
    pub threads: usize,
    /// Bytes in flight while one object is being worked on.
    pub need: u64,
}

pub enum Action {
    /// Every object as it is, and why.
    Copy(&'static str),
    /// Every chunk that is not yet so is made so.
    Recompress(Target),
    /// Chunks or shards get other shapes.
    Rechunk(Box<Rechunk>),
}

/// How an array gets other chunks.
pub struct Rechunk {
    pub target: Target,
    pub layout: Layout,
    /// In which pieces; made when the memory has been shared out.
    pub plan: Option<RechunkPlan>,
}

/// Where the objects of an array go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Into the new store.
    New,
    /// Over the old ones, one by one: whichever of the two a reader meets, it can read.
    Over,
    /// Beside the old ones, to take their place all at once.
    Beside,
    /// Nowhere: the array stays as it is.
    Stays,
}

/// The new codec of an array.
#[derive(Clone)]
pub struct Target {
    pub compressor: Compressor,
    /// Element size for the filter.
    pub typesize: u64,
    /// Whether a CRC-32C follows each chunk, as it did before.
    pub checksum: bool,
    /// Whether the metadata says this codec already: then chunks that really are so are copied.
    pub unchanged: bool,
}

/// What the plan of every array depends on.
pub struct Wishes<'a> {
    pub choices: &'a Choices,
    pub var: VarFilter,
    pub shapes: Shapes,
    pub in_place: bool,
    /// Codecs that a trial chose, by path.
    pub chosen: &'a std::collections::BTreeMap<String, Blosc>,
}

impl ArrayPlan {
    /// Decides. An array that cannot be treated is a failure that names it.
    pub fn new(wishes: &Wishes, store: &Store, mut array: Array) -> Result<ArrayPlan, Failure> {
        array.attributes = serde_json::Map::new();
        let action = Action::of(wishes, store, &array)?;
        let mut plan = ArrayPlan { array, action, placement: Placement::New, new_keys: None, threads: 1, need: 0 };
        if wishes.choices.format().is_some_and(|format| format != plan.array.format) {
            plan.new_keys = Some(keys_after(&plan.array)).filter(|keys| *keys != plan.array.keys);
        }
        if wishes.in_place {
            plan.placement = plan.placement_in_place();
        }
        Ok(plan)
    }

    fn placement_in_place(&self) -> Placement {
        match &self.action {
            Action::Copy(_) => Placement::Stays,
            Action::Recompress(target) if describes_itself(self.chain()) && target.is_blosc() => Placement::Over,
            Action::Recompress(_) | Action::Rechunk(_) => Placement::Beside,
        }
    }

    /// Whether its objects are carried over one by one.
    pub fn is_transcoded(&self) -> bool {
        self.placement != Placement::Stays && self.rechunk().is_none()
    }

    /// The chain that chunks (with sharding: inner chunks) go through.
    pub fn chain(&self) -> &Chain {
        self.array.chain.innermost()
    }

    /// The new codec, where there is one.
    pub fn target(&self) -> Option<&Target> {
        match &self.action {
            Action::Copy(_) => None,
            Action::Recompress(target) => Some(target),
            Action::Rechunk(rechunk) => Some(&rechunk.target),
        }
    }

    /// How it gets other chunks, where it does.
    pub fn rechunk(&self) -> Option<&Rechunk> {
        match &self.action {
            Action::Rechunk(rechunk) => Some(rechunk),
            _ => None,
        }
    }

    /// The regions that it is rechunked in.
    pub fn regions(&self) -> Option<&RechunkPlan> {
        self.rechunk()?.plan.as_ref()
    }

    /// The members that change in the metadata of `array`: the source's, or the same array in the other format.
    pub fn new_members(&self, array: &Array) -> Changes {
        if let Some(rechunk) = self.rechunk() {
            return rechunk.new_members(array);
        }
        let Some(target) = self.target().filter(|target| !target.unchanged) else { return Changes::new() };
        vec![match array.format {
            ZarrFormat::V2 => ("compressor", target.compressor.to_v2()),
            ZarrFormat::V3 => ("codecs", Value::Array(target.codecs_v3(&array.chain))),
        }]
    }

    /// The codec chain after the run, for people.
    pub fn new_codec(&self) -> String {
        let Some(target) = self.target() else { return self.array.chain.describe() };
        let chain = self.chain();
        let kept = chain.specs[..chain.kept].iter();
        let mut words: Vec<String> =
            kept.filter(|spec| !matches!(codec_name(spec), "bytes" | "endian")).map(zcodec::describe).collect();
        if target.compressor != Compressor::None || words.is_empty() {
            words.push(target.compressor.describe());
        }
        words.extend(target.checksum.then(|| "crc32c".to_owned()));
        let codec = words.join(" > ");
        match self
            .rechunk()
            .map(|rechunk| rechunk.layout.shards.is_some())
            .unwrap_or(self.array.chain.sharding.is_some())
        {
            true => format!("shard[{codec}]"),
            false => codec,
        }
    }

    /// The key that the object with key `key` will have. `unit` is its number in the grid.
    pub fn new_key(&self, key: &str, unit: Option<u64>) -> String {
        match (&self.new_keys, &self.array.grid, unit) {
            (Some(keys), Some(grid), Some(unit)) => self.array.key(&keys.encode(&grid.index(unit))),
            _ => key.to_owned(),
        }
    }

    /// The key of the output object `index`.
    pub fn output_key(&self, index: &[u64]) -> String {
        self.array.key(&self.new_keys.as_ref().unwrap_or(&self.array.keys).encode(index))
    }

    /// The keys of the objects of a region.
    pub fn region_keys(&self, regions: &RechunkPlan, number: u64) -> impl Iterator<Item = String> {
        let objects = regions.region(number).objects;
        (0..objects.elements()).map(move |object| self.output_key(&objects.member(object)))
    }

    /// Units of work: stored objects. An array whose objects cannot be numbered is one unit.
    pub fn units(&self) -> u64 {
        self.regions().map_or_else(|| self.array.grid.as_ref().map_or(1, Grid::len), RechunkPlan::regions)
    }

    /// Decoded bytes of a unit.
    pub fn unit_bytes(&self) -> Option<u64> {
        match self.regions() {
            Some(regions) => Some(self.array.uncompressed_bytes()?.div_ceil(regions.regions().max(1))),
            None => self.object_bytes(),
        }
    }

    /// Decoded bytes of one stored object.
    pub fn object_bytes(&self) -> Option<u64> {
        self.array.grid.as_ref()?.chunk_elements().checked_mul(self.array.itemsize?)
    }

    /// Decoded bytes of a chunk of the output.
    fn new_chunk_bytes(&self) -> Option<u64> {
        match self.rechunk() {
            Some(rechunk) => Some(rechunk.layout.chunk_bytes(self.chain().itemsize?)),
            None => self.chain().chunk_bytes,
        }
    }

    /// Blocks of a new chunk.
    pub fn blocks(&self) -> Option<u64> {
        let (target, bytes) = (self.target()?, self.new_chunk_bytes()?);
        match &target.compressor {
            Compressor::Blosc(blosc) => Some(bytes.div_ceil(predict_blocksize(blosc, target.typesize, bytes).max(1))),
            _ => Some(1),
        }
    }

    /// The plan as a record.
    pub fn record(&self, store: &str) -> PlanRecord {
        let stats = self.regions().map(|regions| regions.stats);
        let layout = self.rechunk().map(|rechunk| &rechunk.layout);
        PlanRecord {
            store: store.to_owned(),
            path: self.array.path.clone(),
            action: self.action.name().to_owned(),
            because: self.action.because(),
            from: self.array.chain.describe(),
            to: self.new_codec(),
            objects_expected: match layout {
                Some(layout) => layout.objects(&self.array.shape).map(|grid| grid.len()),
                None => self.array.grid.as_ref().map(Grid::len),
            },
            chunk_bytes: self.new_chunk_bytes(),
            uncompressed_bytes: self.array.uncompressed_bytes(),
            blocks: self.blocks(),
            chunk_shape: layout.map(|layout| layout.chunks.clone()),
            shard_shape: layout.and_then(|layout| Some(layout.shards.as_ref()?.0.clone())),
            regions: stats.map(|stats| stats.regions),
            chunk_reads: stats.map(|stats| round3(stats.reads_mean)),
            chunk_reads_most: stats.map(|stats| stats.reads_most),
            decodes: stats.map(|stats| round3(stats.decodes_mean)),
            output_bytes: stats.map(|stats| stats.output_bytes),
            peak_memory_bytes: stats.map(|stats| stats.peak_memory_bytes),
            temporary_bytes: stats.map(|stats| stats.temporary_bytes),
            ..PlanRecord::default()
        }
    }
}

impl Action {
    fn of(wishes: &Wishes, store: &Store, array: &Array) -> Result<Action, Failure> {
        let choices = wishes.choices;
        if !wishes.var.matches(&array.path) {
            return Ok(Action::Copy("not selected by --var"));
        }
        let chosen = wishes.chosen.get(&array.path).copied();
        if choices.rechunks() && is_small_coordinate(array, choices) {
            // Before its chunks are asked about: a rule for all arrays need not fit it.
            return Ok(Action::Copy(SMALL_COORDINATE));
        }
        let layout = match unsupported(&array.chain) {
            Some(_) if choices.copy_unknown => None,
            _ => wishes.new_layout(array).map_err(|failure| failure.at(store.place(array.key_prefix())))?,
        };
        if chosen.is_none() && layout.is_none() && choices.format().is_some() && !choices.names_a_codec() {
            return Ok(Action::Copy("no codec is asked for"));
        }
        if let Some(error) = unsupported(&array.chain) {
            if choices.copy_unknown {
                return Ok(Action::Copy("its codec is not known"));
            }
            let place = store.place(array.key_prefix());
            return Err(Failure::new(Exit::Unreadable, error)
                .at(place)
                .hint("--copy-unknown copies such arrays as they are"));
        }
        if is_small_coordinate(array, choices) {
            return Ok(Action::Copy(SMALL_COORDINATE));
        }
        let chain = array.chain.innermost();
        let target = Target::of(choices, chosen, chain, array.format);
        if let Some(layout) = layout {
            if let Err(what) = Elements::of(array) {
                if choices.copy_unknown {
                    return Ok(Action::Copy("its elements cannot be told apart"));
                }
                let failure = Failure::new(Exit::Unreadable, what).at(store.place(array.key_prefix()));
                return Err(failure.hint("--copy-unknown copies such arrays as they are"));
            }
            if choices.copy_unknown && fill_element(array).is_err() {
                return Ok(Action::Copy("how its fill value is stored is not certain"));
            }
            let limit = if target.is_blosc() { MAX_NBYTES } else { u64::MAX };
            layout.check_size(array, chain.itemsize.unwrap_or(1), limit)?;
            return Ok(Action::Rechunk(Box::new(Rechunk { target, layout, plan: None })));
        }
        if let Some(nbytes) = chain.chunk_bytes.filter(|bytes| *bytes > MAX_NBYTES && target.is_blosc()) {
            let place = store.place(array.key_prefix());
            return Err(ZarrError::Chunk { place, source: CodecError::TooLarge { nbytes } }.into());
        }
        Ok(Action::Recompress(target))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Action::Copy(_) => "copy",
            Action::Recompress(_) => "recompress",
            Action::Rechunk(_) => "rechunk",
        }
    }

    pub fn because(&self) -> Option<String> {
        match self {
            Action::Copy(because) => Some((*because).to_owned()),
            Action::Recompress(target) if target.unchanged => Some("only chunks that are not in this codec yet".into()),
            Action::Recompress(_) | Action::Rechunk(_) => None,
        }
    }
}

impl Wishes<'_> {
    /// The layout that an array gets, where that is not the one it has.
    fn new_layout(&self, array: &Array) -> Result<Option<Layout>, Failure> {
        if !self.choices.rechunks() {
            return Ok(None);
        }
        let layout = Layout::new(array, &self.shapes, self.choices.format().unwrap_or(array.format))?;
        Ok(Some(layout).filter(|layout| Layout::of(array).as_ref() != Some(layout)))
    }
}

impl Rechunk {
    /// The members that change in the metadata of `array`.
    fn new_members(&self, array: &Array) -> Changes {
        match array.format {
            ZarrFormat::V2 => {
                vec![("chunks", json!(self.layout.chunks)), ("compressor", self.target.compressor.to_v2())]
            }
            ZarrFormat::V3 => {
                let grid = json!({"name": "regular", "configuration": {"chunk_shape": self.layout.object_shape()}});
                let codecs = self.layout.codecs_v3(array, self.target.tail_v3(array.chain.innermost()));
                vec![("chunk_grid", grid), ("codecs", codecs.into())]
            }
        }
    }
}

impl Target {
    fn of(choices: &Choices, chosen: Option<Blosc>, chain: &Chain, format: ZarrFormat) -> Target {
        let itemsize = chain.itemsize.unwrap_or(1);
        let compressor = chosen.map_or_else(|| choices.compressor(itemsize), Compressor::Blosc);
        let mut target = Target { compressor, typesize: chain.typesize(), checksum: false, unchanged: false };
        target.checksum = chain.tail.last() == Some(&Codec::Crc32c);
        target.unchanged = target.is_what_is_there(chain, format);
        target
    }

    /// What the encoder keeps of a chunk, about. Of zstd's levels above 16, the tables are several times the data.
    fn encoder_bytes(&self, chunk_bytes: u64) -> u64 {
        match &self.compressor {
            Compressor::Stream(Stream::Zstd { level: 16.., .. }) => chunk_bytes.saturating_mul(8).min(700 << 20),
            _ => 4 << 20,
        }
    }

    pub fn is_blosc(&self) -> bool {
        matches!(self.compressor, Compressor::Blosc(_))
    }

    /// Whether the metadata of `chain` names this compressor.
    fn is_what_is_there(&self, chain: &Chain, format: ZarrFormat) -> bool {
        let compressors = &chain.tail[..chain.tail.len() - usize::from(self.checksum)];
        let specs = &chain.specs[chain.kept..chain.kept + compressors.len()];
        match (&self.compressor, compressors) {
            (Compressor::Blosc(new), [Codec::Blosc(old, stated)]) => {
                let typesize = format == ZarrFormat::V2 || *stated == Some(self.typesize);
                // Metadata has no word for the split mode; the chunks themselves are held against it.
                let same = Blosc { split: new.split, ..*old } == *new;
                same && typesize && states_shuffle(chain)
            }
            (Compressor::None, []) => true,
            (Compressor::Stream(stream), [_]) => {
                specs == [if format == ZarrFormat::V2 { stream.to_v2() } else { stream.to_v3() }]
            }
            _ => false,
        }
    }

    fn codecs_v3(&self, chain: &Chain) -> Vec<Value> {
        let mut codecs = chain.specs[..chain.kept].to_vec();
        if let (Some(sharding), Some(spec)) = (&chain.sharding, codecs.last_mut()) {
            spec["configuration"]["codecs"] = Value::Array(self.codecs_v3(&sharding.inner));
            return codecs;
        }
        codecs.extend(self.tail_v3(chain));
        codecs
    }

    /// The compressor and what follows it.
    fn tail_v3(&self, chain: &Chain) -> Vec<Value> {
        let checksum = chain.specs.last().filter(|_| self.checksum).cloned();
        self.compressor.to_v3(self.typesize).into_iter().chain(checksum).collect()
    }
}

/// Whether every chunk is a Blosc frame, which says itself how it is compressed, whatever the metadata says.
fn describes_itself(chain: &Chain) -> bool {
    matches!(chain.tail.as_slice(), [Codec::Blosc(..)] | [Codec::Blosc(..), Codec::Crc32c])
}

/// Whether the metadata names the filter that it means: numcodecs' automatic choice is rewritten as what it stands for, which
/// every reader understands.
fn states_shuffle(chain: &Chain) -> bool {
    chain.specs.iter().filter(|spec| codec_name(spec) == "blosc").all(|spec| {
        let members = spec.get("configuration").unwrap_or(spec);
        members.get("shuffle").is_some_and(|shuffle| shuffle.as_i64() != Some(-1))
    })
}

/// Why the chunks of this chain cannot be taken apart.
fn unsupported(chain: &Chain) -> Option<String> {
    match &chain.sharding {
        None => chain.unknown.as_ref().map(CodecError::to_string),
        Some(_) if !chain.tail.is_empty() => Some("codecs around a whole shard are not supported".into()),
        Some(sharding) if sharding.inner.sharding.is_some() => Some("shards within shards are not supported".into()),
        Some(sharding) => sharding.inner.unknown.as_ref().map(CodecError::to_string),
    }
}

/// Why a coordinate is only copied.
const SMALL_COORDINATE: &str = "a coordinate array below --min-size";

fn is_small_coordinate(array: &Array, choices: &Choices) -> bool {
    is_coordinate(array) && array.uncompressed_bytes().is_some_and(|bytes| bytes < choices.min_size())
}

/// One dimension that bears the array's own name (CF conventions, section 1.2).
fn is_coordinate(array: &Array) -> bool {
    let name = array.path.rsplit('/').next().unwrap_or_default();
    matches!(array.dimension_names.as_deref(), Some([Some(dimension)]) if dimension == name)
}

/// Work in flight for one byte of a decoded chunk: stored (and read back), decoded and encoded; where it is decoded again whole,
/// that as well.
const COPIES: u64 = 3;
const COPIES_DECODED_AGAIN: u64 = 5;

/// Objects that are only copied are held in pieces of this size.
pub const COPY_PIECE: u64 = 8 << 20;

/// Shards up to this are read in one piece.
pub const WHOLE_SHARD: u64 = 64 << 20;

/// Inner chunks that a thread is given at a time: few enough to hold, enough to pay for the thread.
pub fn batch(chunk_bytes: Option<u64>) -> usize {
    const BATCH_BYTES: u64 = 4 << 20;
    (BATCH_BYTES / chunk_bytes.unwrap_or(BATCH_BYTES).max(1)).clamp(1, 64) as usize
}

/// Shares out the cores: so many objects at once as there are workers, objects and room for, and what is left of the cores
/// as threads on each object.
///
/// # Errors
/// A budget that not even one object fits into.
pub fn share_out(
    plans: &mut [ArrayPlan],
    jobs: usize,
    nthreads: Option<usize>,
    verified: bool,
    budget: u64,
) -> Result<(), Failure> {
    let objects = plans.iter().map(objects).fold(0u64, u64::saturating_add);
    for plan in plans {
        if plan.rechunk().is_some() {
            continue;
        }
        if plan.target().is_none() {
            plan.need = plan.object_bytes().unwrap_or(COPY_PIECE).min(COPY_PIECE);
            continue;
        }
        let Some(bytes) = plan.chain().chunk_bytes else {
            // What a chunk decodes to is not known before; typical text compresses so far.
            (plan.threads, plan.need) = (nthreads.unwrap_or(1), 0);
            continue;
        };
        // A Blosc frame is held against what was encoded block by block.
        let again = verified && !plan.target().is_some_and(Target::is_blosc);
        let chunk_need = bytes.saturating_mul(if again { COPIES_DECODED_AGAIN } else { COPIES });
        let whole = plan
            .array
            .chain
            .sharding
            .as_ref()
            .map_or(0, |sharding| sharding.index.chunks.saturating_mul(bytes).min(WHOLE_SHARD));
        let at_once = (budget / (chunk_need + whole).max(1)).min(objects).clamp(1, jobs as u64) as usize;
        let units = match &plan.array.chain.sharding {
            Some(sharding) => sharding.index.chunks,
            None => plan.blocks().unwrap_or(1),
        };
        let most = usize::try_from(units).unwrap_or(usize::MAX).max(1);
        plan.threads = nthreads.unwrap_or((jobs / at_once).max(1)).min(most);
        let (in_flight, waiting) = match plan.array.chain.sharding {
            // Each thread works on one inner chunk, and holds those of its batch that are done.
            Some(_) => (plan.threads as u64, bytes.saturating_mul(batch(Some(bytes)) as u64 * plan.threads as u64)),
            None => (1, 0),
        };
        plan.need = chunk_need.saturating_mul(in_flight).saturating_add(whole).saturating_add(waiting);
        if plan.need > budget {
            return Err(Failure::usage(format!(
                "one object needs {} of memory, --max-memory allows {}",
                zcli::human_bytes(plan.need),
                zcli::human_bytes(budget)
            ))
            .at(&plan.array.path)
            .hint("raise --max-memory, or verify less"));
        }
    }
    Ok(())
}

/// Cuts every array that gets other chunks into regions that fit the memory.
///
/// # Errors
/// An array that no region of fits, or whose elements cannot be told apart.
pub fn cut_into_regions(plans: &mut [ArrayPlan], cut: Cut, store: &Store) -> Result<(), Failure> {
    let resources =
        Resources { budget: cut.memory_bytes, workers: cut.jobs, readers: cut.readers, in_flight: IN_FLIGHT };
    let mut refused = Vec::new();
    for plan in plans {
        let Action::Rechunk(rechunk) = &mut plan.action else { continue };
        let assumptions = Assumptions {
            remote: store.is_remote(),
            verify: cut.verify,
            element_bytes: TEXT_BYTES,
            encoder_bytes: rechunk.target.encoder_bytes(rechunk.layout.chunk_bytes(plan.array.itemsize.unwrap_or(1))),
            sink_bytes: if cut.remote_output { REMOTE_SINK } else { LOCAL_SINK },
            ..Assumptions::default()
        };
        match RechunkPlan::new(&plan.array, &rechunk.layout, assumptions, resources) {
            Ok(regions) => rechunk.plan = Some(regions),
            Err(failure) => {
                let needed = RechunkPlan::smallest_budget(&plan.array, &rechunk.layout, assumptions);
                refused.push((needed, failure.at(store.place(plan.array.key_prefix()))));
            }
        }
    }
    // What is enough for the largest is enough for all.
    refused.sort_by_key(|(needed, _)| *needed);
    refused.pop().map_or(Ok(()), |(_, failure)| Err(failure))
}

/// Regions under way at once: one is read while the other is written.
const IN_FLIGHT: usize = 2;

/// Bytes of an element of variable length, where nothing else is known.
const TEXT_BYTES: u64 = 64;

/// What a store keeps of an object that is being written: a buffer, or parts on their way over a network.
const LOCAL_SINK: u64 = 256 << 10;
const REMOTE_SINK: u64 = 24 << 20;

fn objects(plan: &ArrayPlan) -> u64 {
    plan.array.grid.as_ref().map_or(u64::MAX, Grid::len)
}
