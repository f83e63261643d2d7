//! What happens to an array, decided from its metadata and the flags.

use std::collections::BTreeMap;

use serde_json::json;
use zarray::{Array, Chain, Elements, ZarrError, ZarrFormat, fill_element};
use zcli::VarFilter;
use zcodec::{Blosc, CodecError, MAX_NBYTES};
use zstore::Store;
use zwire::{Exit, Failure};

use crate::choices::Choices;
use crate::metadata::Changes;
use crate::rechunk::{Layout, RechunkPlan, Shapes};
use crate::target::Target;

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

/// What the plan of every array depends on.
pub struct Wishes<'a> {
    pub choices: &'a Choices,
    pub var: VarFilter,
    pub shapes: Shapes,
    pub in_place: bool,
    /// Whether compressors are tried, so that a codec is asked for even where no flag names one.
    pub tries: bool,
    /// Codecs that a trial chose, by path.
    pub chosen: &'a BTreeMap<String, Blosc>,
}

impl Action {
    pub fn of(wishes: &Wishes, store: &Store, array: &Array) -> Result<Action, Failure> {
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
        let asked = wishes.tries || choices.names_a_codec() || chosen.is_some();
        if layout.is_none() && choices.format().is_some() && !asked {
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
    pub fn new_members(&self, array: &Array) -> Changes {
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
