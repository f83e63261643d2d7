//! The plan of each array, made from metadata alone before anything is written.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::json;
use zarray::{Array, Chain, ChunkKeys, Grid, Key, Part};
use zcodec::{Compressor, codec_name, predict_blocksize};
use zwire::{Exit, Failure, PlanRecord, round3};

use crate::edits::Changes;
use crate::encoding::{Encoding, is_self_describing};
use crate::layout_members::layout_members;
use crate::options::Shards;
use crate::placement::Placement;
use crate::rechunk::{Layout, RechunkPlan};
use crate::view::{ObjectSource, View};

/// How the chunks of an array are processed.
pub enum Action {
    /// Every object is copied unchanged, for this reason.
    Copy(&'static str),
    /// Every chunk gets this encoding, unless it has it already.
    Recompress(Encoding),
    /// Chunks or shards get other shapes.
    Rechunk(Box<Rechunk>),
}

/// How to rechunk an array.
pub struct Rechunk {
    /// Encoding of the new chunks.
    pub encoding: Encoding,
    /// Shapes of the new chunks and shards.
    pub layout: Layout,
    /// The regions; set once the memory has been divided.
    pub plan: Option<RechunkPlan>,
}

/// An output array and how to create it.
pub struct ArrayPlan {
    /// The source array with the shape of the output. Attributes are dropped, because they are copied as text.
    pub array: Array,
    /// The source elements of the array.
    pub view: View,
    /// The source store that has the documents of the array.
    pub origin: usize,
    /// What to do with its chunks.
    pub action: Action,
    /// Where to write its objects.
    pub placement: Placement,
    /// How shards are copied of which the view needs a part.
    pub shards: Shards,
    /// The new chunk key encoding, if it changes.
    pub new_keys: Option<ChunkKeys>,
    /// Members of the metadata that describe another layout or codec, of an array that is put together from others.
    pub new_members: Option<Changes>,
    /// Threads per object.
    pub threads: usize,
    /// Memory in bytes to process one object.
    pub need: u64,
}

/// Assumed weight of a unit of unknown size.
const UNKNOWN_UNIT_BYTES: u64 = 1 << 20;

/// The units of each array in `part`, weighted by decoded bytes: a pure function of the plan.
pub fn units(plans: &[ArrayPlan], part: Part) -> Vec<Range<u64>> {
    let bytes = |plan: &ArrayPlan| plan.unit_bytes().unwrap_or(UNKNOWN_UNIT_BYTES).max(1);
    part.ranges(&plans.iter().map(|plan| (plan.units(), bytes(plan))).collect::<Vec<_>>())
}

impl ArrayPlan {
    /// A plan for the whole of `array`, written to a new store or `in_place`.
    pub fn new(mut array: Array, action: Action, in_place: bool) -> ArrayPlan {
        array.attributes = serde_json::Map::new();
        let placement = if in_place { placement_in_place(&array, &action) } else { Placement::New };
        let shards = Shards::Whole;
        ArrayPlan {
            array,
            view: View::Whole,
            origin: 0,
            action,
            placement,
            shards,
            new_keys: None,
            new_members: None,
            threads: 1,
            need: 0,
        }
    }

    /// A plan for a view, written to a new store. `array` defines everything except the shape.
    pub fn of_view(array: &Array, view: View, action: Action) -> ArrayPlan {
        let mut array = array.clone();
        if let Some(shape) = view.shape() {
            array.grid = array.numbered().and_then(|grid| Grid::new(shape.clone(), grid.chunk_shape().to_vec()));
            array.shape = shape;
        }
        ArrayPlan { view, ..ArrayPlan::new(array, action, false) }
    }

    /// The same, written to the first source store itself: only what comes from other stores.
    pub fn appended(mut self) -> ArrayPlan {
        self.placement = match self.view {
            View::Join(join) => {
                self.view = View::Join(Box::new(join.appended_chunks()));
                Placement::Append
            }
            _ => Placement::Unchanged,
        };
        self
    }

    /// Whether its objects are created one by one, each from its source objects.
    pub fn is_by_object(&self) -> bool {
        self.placement != Placement::Unchanged && self.rechunk().is_none()
    }

    /// The codec chain of chunks (with sharding: of inner chunks).
    pub fn chain(&self) -> &Chain {
        self.array.chain.innermost()
    }

    /// The array without the codecs that are left out where it gets other chunks: those that are decoded and not encoded again.
    fn decoded(&self) -> Cow<'_, Array> {
        if self.rechunk().is_some() { self.array.as_decoded() } else { Cow::Borrowed(&self.array) }
    }

    /// Whether objects may be put together from regions of others.
    pub fn may_be_assembled(&self) -> bool {
        matches!(self.view, View::Join(_))
    }

    /// The new encoding, where there is one.
    pub fn encoding(&self) -> Option<&Encoding> {
        match &self.action {
            Action::Copy(_) => None,
            Action::Recompress(encoding) => Some(encoding),
            Action::Rechunk(rechunk) => Some(&rechunk.encoding),
        }
    }

    /// The target encoding for chunks of a source array; `None` if they already have it and are copied.
    ///
    /// # Errors
    /// Writing a codec of the output is not supported.
    pub fn encoding_of(&self, source: &Array) -> Result<Option<Encoding>, Failure> {
        let is_same = source.chain.specs == self.array.chain.specs;
        // What the metadata of the output names is not what chunks of another encoding have.
        let of_source = |encoding: Encoding| Encoding { unchanged: encoding.unchanged && is_same, ..encoding };
        match self.encoding() {
            Some(encoding) => Ok(Some(of_source(encoding.clone()))),
            None if is_same => Ok(None),
            None => self.own_encoding().map(|encoding| Some(of_source(encoding))),
        }
    }

    /// Objects of a join that are copied as they are stored, and all that are written: what lies under an object depends only on its index
    /// along the joined dimension.
    pub fn copied_objects(&self) -> Option<(u64, u64)> {
        let View::Join(join) = &self.view else { return None };
        let grid = self.array.numbered()?;
        let counts = grid.counts();
        let axis = join.dimension();
        let others: u64 = counts.iter().enumerate().filter(|(at, _)| *at != axis).map(|(_, count)| *count).product();
        let first = if self.view.chosen().is_some() { counts[axis] - self.units() / others.max(1) } else { 0 };
        let is_copied = |number: &u64| {
            let mut index = vec![0; counts.len()];
            index[axis] = *number;
            match self.view.under(grid, &index) {
                ObjectSource::Object { piece, .. } => {
                    self.encoding().is_none_or(|encoding| encoding.unchanged)
                        && self.view.piece(piece).array.chain.specs == self.array.chain.specs
                }
                ObjectSource::Regions(_) => false,
            }
        };
        let copied = (first..counts[axis]).filter(is_copied).count() as u64;
        Some((copied * others, (counts[axis] - first) * others))
    }

    /// The encoding described by the output's metadata.
    ///
    /// # Errors
    /// Writing a codec of the output is not supported.
    pub fn own_encoding(&self) -> Result<Encoding, Failure> {
        Encoding::of(self.chain(), self.array.format).ok_or_else(|| {
            let what = format!("chunks cannot be encoded with {}", self.array.chain.describe());
            Failure::new(Exit::Unreadable, what).at(&self.array.path)
        })
    }

    /// The rechunking, if the array is rechunked.
    pub fn rechunk(&self) -> Option<&Rechunk> {
        match &self.action {
            Action::Rechunk(rechunk) => Some(rechunk),
            _ => None,
        }
    }

    /// The regions, if the array is rechunked.
    pub fn regions(&self) -> Option<&RechunkPlan> {
        self.rechunk()?.plan.as_ref()
    }

    /// The metadata members that change in `array`: the source, or the same array in the other format.
    pub fn changed_members(&self, array: &Array) -> Changes {
        let mut members = match (&self.action, self.encoding()) {
            (Action::Rechunk(rechunk), _) => layout_members(&rechunk.layout, &rechunk.encoding, array),
            (_, Some(encoding)) if !encoding.unchanged && self.new_members.is_none() => {
                vec![encoding.new_member(array)]
            }
            _ => Changes::new(),
        };
        members.extend(self.view.shape().map(|shape| ("shape", json!(shape))));
        members.extend(self.new_members.iter().flatten().cloned());
        members
    }

    /// The codec chain after the run, as text.
    pub fn new_codec(&self) -> String {
        let Some(encoding) = self.encoding() else { return self.array.chain.describe() };
        let decoded = self.decoded();
        let chain = decoded.chain.innermost();
        let kept = chain.specs[..chain.kept].iter();
        let mut words: Vec<String> =
            kept.filter(|spec| !matches!(codec_name(spec), "bytes" | "endian")).map(zcodec::describe).collect();
        if encoding.compressor != Compressor::None || words.is_empty() {
            words.push(encoding.compressor.describe());
        }
        words.extend(encoding.checksum.then(|| "crc32c".to_owned()));
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

    /// The new key of the object with key `key` and number `unit` in the grid.
    pub fn new_key(&self, key: &str, unit: Option<u64>) -> String {
        match (self.array.numbered(), unit) {
            (Some(grid), Some(unit)) if self.new_keys.is_some() || !self.view.is_whole() => {
                self.output_key(&self.index(grid, unit))
            }
            _ => key.to_owned(),
        }
    }

    /// The key of the output object `index`.
    pub fn output_key(&self, index: &[u64]) -> String {
        self.array.key(&self.new_keys.as_ref().unwrap_or(&self.array.keys).encode(index))
    }

    /// The keys of all objects in a region.
    pub fn region_keys(&self, regions: &RechunkPlan, number: u64) -> impl Iterator<Item = String> {
        let objects = regions.region(number).objects;
        (0..objects.elements()).map(move |object| self.output_key(&objects.member(object)))
    }

    /// Units of work: stored objects. An array without numbered objects is one unit.
    pub fn units(&self) -> u64 {
        let objects = || match self.view.chosen() {
            Some(chunks) => chunks.len(),
            None => self.array.numbered().map_or(1, Grid::len),
        };
        self.regions().map_or_else(objects, RechunkPlan::regions)
    }

    /// The index of object number `unit` in `grid`, that of the array.
    pub fn index(&self, grid: &Grid, unit: u64) -> Vec<u64> {
        self.view.chosen().map_or_else(|| grid.index(unit), |chunks| chunks.index(unit))
    }

    /// The number of the object with this key in the output, if it is one of those that are written.
    pub fn unit_of(&self, output_key: &str) -> Option<u64> {
        let Key::Chunk(Some(unit)) = self.array.key_kind(output_key) else { return None };
        let unit = match self.view.chosen() {
            Some(chunks) => chunks.number(&self.array.numbered()?.index(unit))?,
            None => unit,
        };
        // An array that gets other keys, or other chunks, has numbers of its own.
        let is_it =
            self.rechunk().is_none() && self.output_key(&self.index(self.array.numbered()?, unit)) == output_key;
        is_it.then_some(unit)
    }

    /// Objects of the source grid that are processed.
    pub fn objects_expected(&self) -> u64 {
        self.view.chosen().map_or_else(|| self.array.numbered().map_or(0, Grid::len), |chunks| chunks.len())
    }

    /// Decoded bytes of the output's objects.
    pub fn uncompressed_bytes(&self) -> Option<u64> {
        match self.view.chosen() {
            Some(chunks) => self.object_bytes().map(|bytes| bytes.saturating_mul(chunks.len())),
            None => self.array.uncompressed_bytes(),
        }
    }

    /// Decoded size of a unit in bytes.
    pub fn unit_bytes(&self) -> Option<u64> {
        match self.regions() {
            Some(regions) => Some(self.array.uncompressed_bytes()?.div_ceil(regions.regions().max(1))),
            None => self.object_bytes(),
        }
    }

    /// Decoded size of a stored object in bytes.
    pub fn object_bytes(&self) -> Option<u64> {
        self.array.numbered()?.chunk_elements().checked_mul(self.array.itemsize?)
    }

    /// Decoded size of an output chunk in bytes.
    fn new_chunk_bytes(&self) -> Option<u64> {
        match self.rechunk() {
            Some(rechunk) => Some(rechunk.layout.chunk_bytes(self.decoded().chain.innermost().itemsize?)),
            None => self.chain().chunk_bytes,
        }
    }

    /// Number of blocks in an output chunk.
    pub fn blocks(&self) -> Option<u64> {
        let (encoding, bytes) = (self.encoding()?, self.new_chunk_bytes()?);
        match &encoding.compressor {
            Compressor::Blosc(blosc) => Some(bytes.div_ceil(predict_blocksize(blosc, encoding.typesize, bytes).max(1))),
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
            reason: self.action.reason(),
            from: self.array.chain.describe(),
            to: self.new_codec(),
            objects_expected: match layout {
                Some(layout) => layout.objects(&self.array.shape).map(|grid| grid.len()),
                None => self.array.numbered().map(|_| self.units()),
            },
            chunk_bytes: self.new_chunk_bytes(),
            uncompressed_bytes: self.uncompressed_bytes(),
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
    /// The name in records.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Copy(_) => "copy",
            Action::Recompress(_) => "recompress",
            Action::Rechunk(_) => "rechunk",
        }
    }

    /// Why the array is not processed completely, if so.
    pub fn reason(&self) -> Option<String> {
        match self {
            Action::Copy(because) => Some((*because).to_owned()),
            Action::Recompress(encoding) if encoding.unchanged => Some("only chunks not yet in this codec".into()),
            Action::Recompress(_) | Action::Rechunk(_) => None,
        }
    }
}

/// Blosc frames are self-describing, so chunks can be replaced in place; otherwise the whole array is swapped.
fn placement_in_place(array: &Array, action: &Action) -> Placement {
    match action {
        Action::Copy(_) => Placement::Unchanged,
        Action::Recompress(encoding) if is_self_describing(array.chain.innermost()) && encoding.is_blosc() => {
            Placement::InPlace
        }
        Action::Recompress(_) | Action::Rechunk(_) => Placement::Swap,
    }
}
