//! What will be done with each array, decided from metadata alone, before anything is written.

use std::ops::Range;

use zarray::{Array, Chain, ChunkKeys, Grid, Part};
use zcodec::{Compressor, codec_name, predict_blocksize};
use zstore::Store;
use zwire::Failure;
use zwire::{PlanRecord, round3};

use crate::action::{Action, Rechunk, Wishes};
use crate::format::keys_after;
use crate::metadata::Changes;
use crate::rechunk::RechunkPlan;
use crate::target::{Target, describes_itself};

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

/// What a unit of an array of unknown size counts.
const UNKNOWN_UNIT_BYTES: u64 = 1 << 20;

/// The units of each array that belong to `part`, weighted by their decoded bytes: a pure function of the plan.
pub fn units(plans: &[ArrayPlan], part: Part) -> Vec<Range<u64>> {
    let bytes = |plan: &ArrayPlan| plan.unit_bytes().unwrap_or(UNKNOWN_UNIT_BYTES).max(1);
    part.ranges(&plans.iter().map(|plan| (plan.units(), bytes(plan))).collect::<Vec<_>>())
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
        vec![target.new_member(array)]
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
