//! What is done with an array, decided from its metadata and the flags.

use std::borrow::Cow;
use std::collections::BTreeMap;

use zarray::{Array, Chain, Elements, Grid, VarFilter, ZarrError, fill_element};
use zcodec::{Blosc, CodecError, Compressor, MAX_NBYTES};
use zstage::rechunk::{Layout, Shapes};
use zstage::{Action, ArrayPlan, Encoding, Rechunk};
use zstore::Store;
use zwire::{Exit, Failure};

use crate::format::keys_after;
use crate::options::EncodeOptions;

/// What the plan of every array depends on.
pub struct Request<'a> {
    pub encode: &'a EncodeOptions,
    pub var: VarFilter,
    pub shapes: Shapes,
    pub in_place: bool,
    /// Whether compressors are tried, so that a codec is asked for even where no flag names one.
    pub tries: bool,
    /// Codecs that a trial chose, by path.
    pub chosen: BTreeMap<String, Blosc>,
}

impl Request<'_> {
    /// The plan of one array.
    ///
    /// # Errors
    /// A failure that names the array, where it cannot be recompressed as asked.
    pub fn plan(&self, store: &Store, array: Array) -> Result<ArrayPlan, Failure> {
        let action = self.action(store, &array)?;
        let mut plan = ArrayPlan::new(array, action, self.in_place);
        if self.encode.format().is_some_and(|format| format != plan.array.format) {
            plan.new_keys = Some(keys_after(&plan.array)).filter(|keys| *keys != plan.array.keys);
        }
        Ok(plan)
    }

    fn action(&self, store: &Store, array: &Array) -> Result<Action, Failure> {
        let encode = self.encode;
        if !self.var.matches(&array.path) {
            return Ok(Action::Copy("not selected by --var"));
        }
        let path = || store.place(array.key_prefix());
        if let Some(why) = &array.not_understood {
            return match encode.copy_unknown {
                true => Ok(Action::Copy("not understood")),
                false => Err(unreadable(why).at(path())),
            };
        }
        let chosen = self.chosen.get(&array.path).copied();
        if encode.chunk.is_given() && is_small_coordinate(array, encode) {
            // Before its chunks are asked about: a rule for all arrays need not fit it.
            return Ok(Action::Copy(SMALL_COORDINATE));
        }
        let opaque = || unsupported(&array.chain).is_some() && Elements::of(&array.as_decoded()).is_err();
        let layout = match encode.copy_unknown && opaque() {
            true => None,
            false => self.new_layout(array).map_err(|failure| failure.at(path()))?,
        };
        let asked = self.tries || encode.codec.is_given() || chosen.is_some();
        if layout.is_none() && encode.format().is_some() && !asked {
            return Ok(Action::Copy("no codec requested"));
        }
        if let Some(error) = unsupported(&array.chain).filter(|_| layout.is_none()) {
            return match encode.copy_unknown {
                true => Ok(Action::Copy("unknown codec")),
                false => Err(unreadable(error).at(path())),
            };
        }
        if is_small_coordinate(array, encode) {
            return Ok(Action::Copy(SMALL_COORDINATE));
        }
        let decoded = if layout.is_some() { array.as_decoded() } else { Cow::Borrowed(array) };
        let chain = decoded.chain.innermost();
        let compressor = chosen.map(Compressor::Blosc);
        let compressor = compressor.unwrap_or_else(|| encode.codec.compressor(chain.itemsize.unwrap_or(1)));
        let encoding = Encoding::new(compressor, chain, array.format);
        if let Some(layout) = layout {
            return self.rechunk(&decoded, encoding, layout, path());
        }
        if let Some(nbytes) = chain.chunk_bytes.filter(|bytes| *bytes > MAX_NBYTES && encoding.is_blosc()) {
            return Err(ZarrError::Chunk { place: path(), source: CodecError::TooLarge { nbytes } }.into());
        }
        Ok(Action::Recompress(encoding))
    }

    /// The plan of an array that gets other chunks, as its decoded chunks show it.
    fn rechunk(&self, array: &Array, encoding: Encoding, layout: Layout, path: String) -> Result<Action, Failure> {
        if let Err(what) = Elements::of(array) {
            return match self.encode.copy_unknown {
                true => Ok(Action::Copy("element boundaries are unknown")),
                false => Err(unreadable(what).at(path)),
            };
        }
        if self.encode.copy_unknown && fill_element(array).is_err() {
            return Ok(Action::Copy("encoding of the fill value is unknown"));
        }
        let limit = if encoding.is_blosc() { MAX_NBYTES } else { u64::MAX };
        layout.check_size(array, array.chain.innermost().itemsize.unwrap_or(1), limit)?;
        Ok(Action::Rechunk(Box::new(Rechunk { encoding, layout, plan: None })))
    }

    /// The layout that an array gets, where that is not the one it has.
    fn new_layout(&self, array: &Array) -> Result<Option<Layout>, Failure> {
        if !self.encode.chunk.is_given() {
            return Ok(None);
        }
        let regular = array.grid.as_ref().is_some_and(Grid::is_regular);
        if !regular && !self.shapes.concern(array)? {
            return Ok(None);
        }
        let layout = Layout::new(array, &self.shapes, self.encode.format().unwrap_or(array.format))?;
        Ok(Some(layout).filter(|layout| !regular || Layout::of(array).as_ref() != Some(layout)))
    }
}

/// An array that cannot be recompressed.
fn unreadable(what: impl Into<String>) -> Failure {
    Failure::new(Exit::Unreadable, what).hint("use --copy-unknown to copy such arrays unchanged")
}

/// Why the chunks of this chain cannot be recompressed one by one.
fn unsupported(chain: &Chain) -> Option<String> {
    match chain.split_shards() {
        None if chain.sharding.is_some() => Some("codecs applied to a whole shard are not supported".into()),
        None => chain.unknown.as_ref().map(CodecError::to_string),
        Some(sharding) if sharding.inner.sharding.is_some() => Some("nested shards are not supported".into()),
        Some(sharding) => sharding.inner.unknown.as_ref().map(CodecError::to_string),
    }
}

/// Why a coordinate is only copied.
const SMALL_COORDINATE: &str = "coordinate below --min-size";

fn is_small_coordinate(array: &Array, encode: &EncodeOptions) -> bool {
    is_coordinate(array) && array.uncompressed_bytes().is_some_and(|bytes| bytes < encode.min_size())
}

/// One dimension that bears the array's own name (CF conventions, section 1.2).
pub fn is_coordinate(array: &Array) -> bool {
    let name = array.path.rsplit('/').next().unwrap_or_default();
    matches!(array.dimension_names.as_deref(), Some([Some(dimension)]) if dimension == name)
}
