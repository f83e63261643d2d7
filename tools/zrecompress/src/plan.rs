//! What will be done with each array, decided from metadata alone, before anything is written.

use serde_json::Value;
use zarray::{Array, Chain, Grid, ZarrError, ZarrFormat};
use zcli::{Failure, VarFilter};
use zcodec::{Blosc, Codec, CodecError, MAX_NBYTES, Shuffle, codec_name, predict_blocksize};
use zstore::Store;
use zwire::{Exit, PlanRecord};

use crate::cli::Args;

/// An array and what happens to it.
pub struct ArrayPlan {
    /// The array; its attributes are dropped, they are copied as text.
    pub array: Array,
    pub action: Action,
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
}

/// The new codec of an array.
#[derive(Clone)]
pub struct Target {
    pub blosc: Blosc,
    /// Element size for the filter.
    pub typesize: u64,
    /// Whether a CRC-32C follows each chunk, as it did before.
    pub checksum: bool,
    /// Whether the metadata says this codec already: then chunks that really are so are copied.
    pub unchanged: bool,
}

impl ArrayPlan {
    /// Decides. An array that cannot be treated is a failure that names it.
    pub fn new(args: &Args, var: &VarFilter, store: &Store, mut array: Array) -> Result<ArrayPlan, Failure> {
        array.attributes = serde_json::Map::new();
        let plan = |array, action| Ok(ArrayPlan { array, action, threads: 1, need: 0 });
        if !var.matches(&array.path) {
            return plan(array, Action::Copy("not selected by --var"));
        }
        if let Some(error) = unsupported(&array.chain) {
            if args.copy_unknown {
                return plan(array, Action::Copy("its codec is not known"));
            }
            let place = store.place(array.key_prefix());
            return Err(Failure::new(Exit::Unreadable, error)
                .at(place)
                .hint("--copy-unknown copies such arrays as they are"));
        }
        if is_coordinate(&array) && array.uncompressed_bytes().is_some_and(|bytes| bytes < args.min_size) {
            return plan(array, Action::Copy("a coordinate array below --min-size"));
        }
        let chain = array.chain.innermost();
        if let Some(nbytes) = chain.chunk_bytes.filter(|bytes| *bytes > MAX_NBYTES) {
            let place = store.place(array.key_prefix());
            return Err(ZarrError::Chunk { place, source: CodecError::TooLarge { nbytes } }.into());
        }
        let target = Target::of(args, chain, array.format);
        plan(array, Action::Recompress(target))
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
        }
    }

    /// The member of the metadata that changes, and its new value. Nothing: the metadata stays.
    pub fn new_member(&self) -> Option<(&'static str, Value)> {
        let target = self.target().filter(|target| !target.unchanged)?;
        Some(match self.array.format {
            ZarrFormat::V2 => ("compressor", target.blosc.to_v2()),
            ZarrFormat::V3 => ("codecs", Value::Array(target.codecs_v3(&self.array.chain))),
        })
    }

    /// The codec chain after the run, for people.
    pub fn new_codec(&self) -> String {
        match (self.new_member(), self.array.format) {
            (None, _) => self.array.chain.describe(),
            (Some((_, codecs)), ZarrFormat::V3) => {
                let codecs = codecs.as_array().cloned().unwrap_or_default();
                let shape = self.array.grid.as_ref().map_or(&[][..], Grid::chunk_shape);
                Chain::v3(&self.array.dtype, &codecs, shape).map_or_else(|error| error, |chain| chain.describe())
            }
            (Some((_, compressor)), ZarrFormat::V2) => {
                let filters = &self.array.chain.specs[..self.array.chain.kept];
                Chain::v2(&self.array.dtype, filters, Some(&compressor), 0).describe()
            }
        }
    }

    /// Decoded bytes of one stored object.
    pub fn object_bytes(&self) -> Option<u64> {
        self.array.grid.as_ref()?.chunk_elements().checked_mul(self.array.itemsize?)
    }

    /// Blocks of a new chunk.
    pub fn blocks(&self) -> Option<u64> {
        let (target, bytes) = (self.target()?, self.chain().chunk_bytes?);
        Some(bytes.div_ceil(predict_blocksize(&target.blosc, target.typesize, bytes).max(1)))
    }

    /// The plan as a record.
    pub fn record(&self, store: &str) -> PlanRecord {
        PlanRecord {
            store: store.to_owned(),
            path: self.array.path.clone(),
            action: self.action.name().to_owned(),
            because: self.action.because(),
            from: self.array.chain.describe(),
            to: self.new_codec(),
            objects_expected: self.array.grid.as_ref().map(Grid::len),
            chunk_bytes: self.chain().chunk_bytes,
            uncompressed_bytes: self.array.uncompressed_bytes(),
            blocks: self.blocks(),
            ..PlanRecord::default()
        }
    }
}

impl Action {
    pub fn name(&self) -> &'static str {
        match self {
            Action::Copy(_) => "copy",
            Action::Recompress(_) => "recompress",
        }
    }

    pub fn because(&self) -> Option<String> {
        match self {
            Action::Copy(because) => Some((*because).to_owned()),
            Action::Recompress(target) if target.unchanged => Some("only chunks that are not in this codec yet".into()),
            Action::Recompress(_) => None,
        }
    }
}

impl Target {
    fn of(args: &Args, chain: &Chain, format: ZarrFormat) -> Target {
        let itemsize = chain.itemsize.unwrap_or(1);
        let blosc = Blosc {
            cname: args.cname.0,
            clevel: args.clevel,
            shuffle: args.shuffle.0.unwrap_or(Shuffle::automatic(itemsize)),
            blocksize: args.blocksize,
            split: zcodec::SplitMode::Auto,
        };
        let typesize = chain.typesize();
        let checksum = chain.tail.last() == Some(&Codec::Crc32c);
        let compressors = &chain.tail[..chain.tail.len() - usize::from(checksum)];
        let unchanged = match compressors {
            [Codec::Blosc(old, stated)] => {
                *old == blosc && (format == ZarrFormat::V2 || *stated == Some(typesize)) && states_shuffle(chain)
            }
            _ => false,
        };
        Target { blosc, typesize, checksum, unchanged }
    }

    fn codecs_v3(&self, chain: &Chain) -> Vec<Value> {
        let mut codecs = chain.specs[..chain.kept].to_vec();
        if let (Some(sharding), Some(spec)) = (&chain.sharding, codecs.last_mut()) {
            spec["configuration"]["codecs"] = Value::Array(self.codecs_v3(&sharding.inner));
            return codecs;
        }
        codecs.push(self.blosc.to_v3(self.typesize));
        if self.checksum {
            codecs.extend(chain.specs.last().cloned());
        }
        codecs
    }
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

/// One dimension that bears the array's own name (CF conventions, section 1.2).
fn is_coordinate(array: &Array) -> bool {
    let name = array.path.rsplit('/').next().unwrap_or_default();
    matches!(array.dimension_names.as_deref(), Some([Some(dimension)]) if dimension == name)
}

/// Work in flight for one byte of a decoded chunk: stored, decoded and encoded, and to verify, read back and decoded again.
const COPIES: u64 = 3;
const COPIES_VERIFIED: u64 = 5;

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
        if plan.target().is_none() {
            plan.need = plan.object_bytes().unwrap_or(COPY_PIECE).min(COPY_PIECE);
            continue;
        }
        let Some(bytes) = plan.chain().chunk_bytes else {
            // What a chunk decodes to is not known before; typical text compresses so far.
            (plan.threads, plan.need) = (nthreads.unwrap_or(1), 0);
            continue;
        };
        let chunk_need = bytes.saturating_mul(if verified { COPIES_VERIFIED } else { COPIES });
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

fn objects(plan: &ArrayPlan) -> u64 {
    plan.array.grid.as_ref().map_or(u64::MAX, Grid::len)
}
