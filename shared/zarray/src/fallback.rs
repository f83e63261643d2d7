//! Codecs that the fast path does not support: the codecs between the elements that callers see and the compressors of
//! [`zcodec`] are decoded here, chunk by chunk, each to no more memory than its chunk may take.
//!
//! A codec is decoded only if the result is certain to equal that of zarr-python; otherwise it is an error.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use zarrs::array::{ArrayToBytesCodecTraits, Codec as Zarrs, CodecOptions, DataType, FillValue};
use zarrs::metadata::v3::MetadataV3;
use zcodec::{Codec, CodecError, codec_name, to_usize};
use zstore::ByteRange;

use crate::chain::{Chain, DecodeScratch, Sharding, most_encoded};
use crate::checksum::Checksum;
use crate::elements::{Elements, Itemsize, is_elementwise, is_variable};
use crate::fill::fill_element;
use crate::grid::Grid;
use crate::metadata::{Array, ZarrFormat};
use crate::number::NumberType;
use crate::pcodec;
use crate::shard::{IndexLayout, ShardIndex};
use crate::subset::{Subset, copy_subset};
use crate::sums::{summed, unpacked};

impl Array {
    /// The array as its decoded chunks show it: without the codecs decoded here. Most arrays
    /// have none.
    pub fn as_decoded(&self) -> Cow<'_, Array> {
        match Fallback::of(self) {
            Ok(Some((decoded, _))) => Cow::Owned(decoded),
            _ => Cow::Borrowed(self),
        }
    }
}

/// The steps from the output of [`zcodec`] to the elements that callers see.
pub(crate) struct Fallback {
    /// The chain of the array, whose tail is decoded first.
    tail: Chain,
    /// The following steps, in decoding order.
    steps: Vec<Step>,
    /// Bytes of the result, if elements have a fixed size.
    chunk_bytes: Option<u64>,
}

/// One codec's decoding.
enum Step {
    /// A codec of [`zcodec`], before one that it does not know.
    Own(Codec),
    /// A checksum.
    Checksum(Checksum),
    /// Numbers of this type.
    Pcodec(NumberType),
    /// Produces an array of a known size, with elements in native byte order.
    Array { codec: Arc<dyn ArrayToBytesCodecTraits>, shape: Vec<NonZeroU64>, data_type: DataType },
    /// numcodecs' `delta`: stored differences.
    Delta { stored: NumberType, to: NumberType },
    /// numcodecs' `packbits`.
    UnpackBits,
    /// All inner chunks of a shard.
    Shard(Box<WholeShard>),
}

impl Fallback {
    /// How chunks of `array` (with sharding: inner chunks) are decoded if the fast path cannot, and the array as they then
    /// show it; `None` if the fast path can.
    ///
    /// # Errors
    /// A message that names the unsupported codec.
    pub fn of(array: &Array) -> Result<Option<(Array, Fallback)>, String> {
        let Err(why) = Elements::of(array) else { return Ok(None) };
        let Some(shape) = array.chunk_shape().filter(|_| array.not_understood.is_none()) else { return Err(why) };
        // Of a shard whose inner chunks are encoded one by one, the fallback decodes those; else the shard as a whole.
        let chain = array.chain.split_shards().map_or(&*array.chain, |sharding| &sharding.inner);
        let specs = &chain.specs[..chain.kept];
        let visible = visible(array.format, specs);
        let mut walk = Walk::start(array, chain, &specs[..visible], shape);
        let steps = specs[visible..].iter().map(|spec| walk.step(spec)).collect::<Result<Vec<_>, String>>()?;
        let steps: Vec<Step> = steps.into_iter().flatten().rev().collect();
        if array.format == ZarrFormat::V3 && !walk.is_bytes {
            return Err(why);
        }
        let inner = match array.format {
            ZarrFormat::V2 => {
                let elements = Subset::whole(shape).elements();
                Chain::v2(&array.dtype, &specs[..visible], None, elements)?
            }
            ZarrFormat::V3 => {
                let to_bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
                let behind = if walk.behind.is_empty() { vec![to_bytes] } else { walk.behind };
                let specs: Vec<Value> = specs[..visible].iter().cloned().chain(behind).collect();
                Chain::v3(&array.dtype, &specs, shape)?
            }
        };
        let chunk_bytes = inner.chunk_bytes;
        let mut decoded = array.clone();
        match &mut Arc::make_mut(&mut decoded.chain).sharding {
            Some(sharding) if array.chain.split_shards().is_some() => sharding.inner = inner,
            _ => decoded.chain = inner.into(),
        }
        Elements::of(&decoded)?;
        // Before a codec that is not known, the size is not known either.
        let size = chain.chunk_bytes.filter(|_| chain.unknown.is_none());
        let tail = Chain { chunk_bytes: size, ..chain.clone() };
        Ok(Some((decoded, Fallback { tail, steps, chunk_bytes })))
    }

    /// Decodes a chunk into `scratch.decoded`.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(&self, stored: &[u8], threads: usize, scratch: &mut DecodeScratch) -> Result<(), CodecError> {
        if let Some(limit) =
            scratch.workspace.limit.filter(|limit| self.chunk_bytes.is_some_and(|bytes| bytes > *limit))
        {
            return Err(CodecError::Memory { limit });
        }
        match self.chunk_bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
            // No type is eight times as large as another; bits of booleans are, and become larger.
            Some(bytes) => {
                let limit = most_encoded(bytes.saturating_mul(8));
                let outer = scratch.workspace.limit.replace(limit.min(scratch.workspace.limit.unwrap_or(limit)));
                let done = self.run(stored, threads, scratch);
                scratch.workspace.limit = outer;
                done?;
            }
            None => self.run(stored, threads, scratch)?,
        }
        match self.chunk_bytes {
            Some(expected) if expected != scratch.decoded.len() as u64 => {
                Err(CodecError::WrongSize { expected, found: scratch.decoded.len() as u64 })
            }
            _ => Ok(()),
        }
    }

    fn run(&self, stored: &[u8], threads: usize, scratch: &mut DecodeScratch) -> Result<(), CodecError> {
        let DecodeScratch { decoded, spare, workspace } = scratch;
        self.tail.decode_tail(stored, decoded, spare, threads, workspace)?;
        for step in &self.steps {
            std::mem::swap(decoded, spare);
            match step {
                Step::Own(codec) => codec.decode(spare, None, decoded, threads, workspace)?,
                Step::Shard(shard) => shard.decode(spare, threads, workspace.limit, decoded)?,
                _ => step.decode(spare, workspace.limit.unwrap_or(u64::MAX), decoded)?,
            }
        }
        Ok(())
    }
}

impl Step {
    /// Decodes to at most `limit` bytes.
    fn decode(&self, source: &[u8], limit: u64, target: &mut Vec<u8>) -> Result<(), CodecError> {
        let options = CodecOptions::default();
        let invalid = |detail: String| CodecError::Invalid { format: "encoded", detail };
        target.clear();
        let longer = match self {
            Step::Delta { stored, to } => (source.len() / stored.size).saturating_mul(to.size),
            // The first byte says how many of the last bits are none.
            Step::UnpackBits => source.len().saturating_sub(1).saturating_mul(8).saturating_sub(7),
            _ => 0,
        };
        if longer as u64 > limit {
            return Err(CodecError::Memory { limit });
        }
        match self {
            Step::Own(_) | Step::Shard(_) => {}
            Step::Checksum(checksum) => target.extend_from_slice(checksum.unsealed(source)?),
            Step::Pcodec(number) => pcodec::decode(*number, source, limit, target)?,
            Step::Array { codec, shape, data_type } => {
                let decoded = codec.decode(source.into(), shape, data_type, &no_fill(data_type), &options);
                let decoded = decoded.map_err(|error| invalid(error.to_string()))?;
                target.extend_from_slice(&decoded.into_fixed().map_err(|error| invalid(error.to_string()))?);
            }
            Step::Delta { stored, to } => summed(source, *stored, *to, target),
            Step::UnpackBits => unpacked(source, target)?,
        }
        Ok(())
    }
}

/// How many codecs from the front leave elements as callers expect them: they move whole elements, or encode each by itself.
fn visible(format: ZarrFormat, specs: &[Value]) -> usize {
    let variable = specs.first().is_some_and(|spec| format == ZarrFormat::V2 && is_variable(codec_name(spec)));
    let stays = |spec: &&Value| is_elementwise(spec) || (format == ZarrFormat::V3 && codec_name(spec) == "transpose");
    if variable { 1 } else { specs.iter().take_while(stays).count() }
}

/// Walks through the codecs to decode, in encoding order.
struct Walk<'a> {
    array: &'a Array,
    chain: &'a Chain,
    shape: &'a [u64],
    /// The elements at this point; `None` if they are not numbers.
    number: Option<NumberType>,
    /// Whether the codecs that stay change the order of elements.
    transposed: bool,
    /// Whether a decoded codec changes the elements.
    changed: bool,
    /// Whether the array has become bytes.
    is_bytes: bool,
    /// The codecs from the one that did so on, if callers see its output.
    behind: Vec<Value>,
}

impl<'a> Walk<'a> {
    fn start(array: &'a Array, chain: &'a Chain, visible: &[Value], shape: &'a [u64]) -> Walk<'a> {
        let own = match array.format {
            ZarrFormat::V2 => number_v2(&array.dtype),
            // Before the array-to-bytes codec, elements are in native byte order.
            ZarrFormat::V3 => NumberType::from_v3(codec_name(&array.dtype), false),
        };
        let number = visible.iter().fold(own, |number, spec| encoded(number?, spec));
        let transposed = visible.iter().any(|spec| codec_name(spec) == "transpose");
        Walk { array, chain, shape, number, transposed, changed: false, is_bytes: false, behind: Vec::new() }
    }

    /// The step that decodes one more codec; `None` if callers see its output.
    fn step(&mut self, spec: &Value) -> Result<Option<Step>, String> {
        let step = if self.is_bytes { self.of_bytes(spec).map(Some) } else { self.of_array(spec) };
        step.ok_or_else(|| format!("codec {spec} cannot be decoded for data type {}", self.array.dtype))
    }

    fn is_v2(&self) -> bool {
        self.array.format == ZarrFormat::V2
    }

    /// A codec that is given an array.
    fn of_array(&mut self, spec: &Value) -> Option<Option<Step>> {
        let name = codec_name(spec);
        let of_numcodecs = if self.is_v2() { Some(name) } else { name.strip_prefix("numcodecs.") };
        match (of_numcodecs, name) {
            // These flatten an array as it lies in memory, which is another order than that of a transposed view.
            (Some("delta" | "packbits" | "pcodec"), _) if self.transposed => None,
            (Some("delta"), _) => self.delta(spec).map(Some),
            (Some("packbits"), _) => self.numcodecs_packbits().map(Some),
            (Some("pcodec"), _) => self.pcodec().map(Some),
            (None, "sharding_indexed") => self.shard().map(Some),
            (None, "packbits") => self.zarrs_array(spec, &self.array.dtype.clone()).map(Some),
            (None, "bytes" | "endian") => self.bytes(spec),
            (None, _) if is_variable(name) => {
                (self.is_bytes, self.behind) = (true, vec![spec.clone()]);
                Some(None)
            }
            _ if self.is_v2() => self.of_bytes(spec).map(Some),
            _ => None,
        }
    }

    /// A codec whose input is bytes, or an array taken as bytes.
    fn of_bytes(&mut self, spec: &Value) -> Option<Step> {
        self.is_bytes = true;
        let own = if self.is_v2() { Codec::from_v2(spec, 1) } else { Codec::from_v3(spec) };
        match own {
            Ok(codec) => Some(Step::Own(codec)),
            Err(_) => Checksum::of(spec).map(Step::Checksum),
        }
    }

    fn bytes(&mut self, spec: &Value) -> Option<Option<Step>> {
        self.is_bytes = true;
        let big_endian = spec.pointer("/configuration/endian").and_then(Value::as_str) == Some("big");
        match self.changed {
            false => self.behind = vec![spec.clone()],
            true if big_endian && self.number.is_none_or(|number| number.size > 1) => return None,
            true => {}
        }
        Some(None)
    }

    /// A shard, whose inner chunks show the array without the codecs that are decoded in them.
    fn shard(&mut self) -> Option<Step> {
        let sharding = self.chain.sharding.as_ref().filter(|_| !self.changed)?;
        let (shard, shown) = WholeShard::new(self.array, sharding)?;
        (self.is_bytes, self.behind) = (true, shown);
        Some(Step::Shard(Box::new(shard)))
    }

    fn delta(&mut self, spec: &Value) -> Option<Step> {
        let number = self.number?;
        let own = stated(spec, "dtype").unwrap_or(Some(number))?;
        let stored = stated(spec, "astype").unwrap_or(Some(own))?;
        // NumPy sums up in the type that both have in common, which is another one for other pairs.
        let sums = stored.kind == own.kind && (matches!(own.kind, 'i' | 'u') || own.kind == 'f' && own.size > 2);
        let same_float = own.kind != 'f' || stored.size == own.size;
        self.number = Some(stored);
        self.changed = true;
        // In Zarr v2 the bytes of the sums are taken for elements, whatever these are; in Zarr v3 the sums are.
        let fits = if self.is_v2() { own.size == number.size } else { own == number };
        (fits && sums && same_float).then_some(Step::Delta { stored, to: own })
    }

    fn numcodecs_packbits(&mut self) -> Option<Step> {
        let is_bool = self.number.take()?.kind == 'b';
        self.number = Some(NumberType { kind: 'u', size: 1, big_endian: false });
        self.changed = true;
        is_bool.then_some(Step::UnpackBits)
    }

    fn pcodec(&mut self) -> Option<Step> {
        self.is_bytes = true;
        self.number.filter(|number| pcodec::encodes(*number)).map(Step::Pcodec)
    }

    /// An array-to-bytes codec of `zarrs` for this type.
    fn zarrs_array(&mut self, spec: &Value, data_type: &Value) -> Option<Step> {
        let Zarrs::ArrayToBytes(codec) = zarrs_codec(spec)? else { return None };
        let shape: Vec<NonZeroU64> = self.shape.iter().map(|length| NonZeroU64::new(*length)).collect::<Option<_>>()?;
        // Beyond this, sizes in bits would overflow.
        Subset::whole(self.shape).elements().checked_mul(1 << 16)?;
        let metadata: MetadataV3 = serde_json::from_value(data_type.clone()).ok()?;
        let data_type = DataType::from_metadata(&metadata).ok()?;
        codec.encoded_representation(&shape, &data_type, &no_fill(&data_type)).ok()?;
        self.is_bytes = true;
        Some(Step::Array { codec, shape, data_type })
    }
}

/// The numbers that elements of a Zarr v2 `dtype` are; times are integers.
fn number_v2(dtype: &Value) -> Option<NumberType> {
    let time = |text: &str| ["M8", "m8"].iter().any(|time| text.get(1..3) == Some(time));
    match dtype.as_str() {
        Some(text) if time(text) => Some(NumberType { kind: 'i', size: 8, big_endian: text.starts_with('>') }),
        _ => NumberType::from_v2(dtype),
    }
}

/// A fill value for codecs that would use one for sparse arrays only.
fn no_fill(data_type: &DataType) -> FillValue {
    FillValue::from(vec![0; data_type.fixed_size().unwrap_or(0)])
}

/// The codec of `zarrs` with this name and configuration; `None` if there is none.
fn zarrs_codec(spec: &Value) -> Option<Zarrs> {
    let (name, mut configuration) = match spec.get("id").and_then(Value::as_str) {
        Some(id) => (format!("numcodecs.{id}"), spec.as_object()?.clone()),
        None => {
            let configuration = spec.get("configuration").and_then(Value::as_object).cloned();
            (codec_name(spec).to_owned(), configuration.unwrap_or_default())
        }
    };
    configuration.remove("id");
    let metadata: MetadataV3 = serde_json::from_value(json!({"name": name, "configuration": configuration})).ok()?;
    Zarrs::from_metadata(&metadata).ok()
}

/// The number type that a codec states; `Some(None)` for one that is not understood.
fn stated(spec: &Value, key: &str) -> Option<Option<NumberType>> {
    let dtype = spec.get("configuration").unwrap_or(spec).get(key).filter(|dtype| !dtype.is_null())?;
    Some(NumberType::from_v2(dtype).or_else(|| NumberType::from_v3(dtype.as_str()?, false)))
}

/// The effect on elements of a codec that is kept.
fn encoded(from: NumberType, spec: &Value) -> Option<NumberType> {
    let name = codec_name(spec);
    match name.strip_prefix("numcodecs.").unwrap_or(name) {
        "quantize" | "fixedscaleoffset" => {
            stated(spec, "astype").or_else(|| stated(spec, "dtype")).unwrap_or(Some(from))
        }
        "astype" => stated(spec, "encode_dtype")?,
        "cast_value" => stated(spec, "data_type")?,
        _ => Some(from),
    }
}

/// How a shard that has to be decoded as a whole, because other codecs work on it or it lies in another shard, becomes one
/// chunk.
struct WholeShard {
    index: IndexLayout,
    /// The inner chunks.
    grid: Grid,
    chain: Arc<Chain>,
    /// How they are decoded that the chain alone cannot.
    fallback: Option<Fallback>,
    elements: Elements,
    itemsize: usize,
    /// What a missing inner chunk holds, or why that is not certain.
    fill: Result<Vec<u8>, String>,
}

impl WholeShard {
    /// The shard of `array`, and the codecs of its inner chunks as far as they are still in its elements. `None` if the inner
    /// chunks cannot be decoded, or their elements have no fixed size.
    fn new(array: &Array, sharding: &Sharding) -> Option<(WholeShard, Vec<Value>)> {
        let grid = Grid::new(sharding.shape.clone(), sharding.chunk_shape.clone())?;
        let mut chain = sharding.inner.clone();
        if let Some(nested) = &mut chain.sharding {
            nested.whole = true;
        }
        let inner = Array {
            shape: sharding.shape.clone(),
            grid: Some(grid.clone()),
            chain: chain.into(),
            attributes: Map::new(),
            ..array.clone()
        };
        let (shown, fallback) = match Fallback::of(&inner).ok()? {
            None => (inner.clone(), None),
            Some((shown, fallback)) => (shown, Some(fallback)),
        };
        let elements = Elements::of(&shown).ok()?;
        let Itemsize::Fixed(itemsize) = elements.itemsize else { return None };
        let fill = fill_element(&shown);
        let chain = inner.chain;
        let specs = shown.chain.specs.clone();
        Some((WholeShard { index: sharding.index, grid, chain, fallback, elements, itemsize, fill }, specs))
    }

    /// Decodes a shard into `target`, whose elements lie in the order of the inner chunks' elements.
    ///
    /// # Errors
    /// What is wrong with the bytes, or that a missing chunk has no known fill value.
    fn decode(
        &self,
        stored: &[u8],
        threads: usize,
        limit: Option<u64>,
        target: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let index = self.read_index(stored)?;
        let order = &self.elements.order;
        let shard = Subset::whole(self.grid.shape()).permuted(order);
        let bytes = usize::try_from(shard.elements().saturating_mul(self.itemsize as u64)).unwrap_or(usize::MAX);
        target.clear();
        if limit.is_some_and(|limit| bytes as u64 > limit) || target.try_reserve_exact(bytes).is_err() {
            return Err(CodecError::Memory { limit: limit.unwrap_or(bytes as u64) });
        }
        if index.0.contains(&None) {
            let fill =
                self.fill.as_ref().map_err(|why| CodecError::Invalid { format: "shard", detail: why.clone() })?;
            target.extend(fill.iter().cycle().take(bytes));
        }
        target.resize(bytes, 0);
        let mut scratch = DecodeScratch::default();
        scratch.workspace.limit = limit;
        for (number, (start, len)) in index.0.iter().enumerate().filter_map(|(number, entry)| Some((number, (*entry)?)))
        {
            let inner = stored.get(to_usize(start)..to_usize(start + len)).unwrap_or_default();
            match &self.fallback {
                Some(fallback) => fallback.decode(inner, threads, &mut scratch)?,
                None => {
                    let DecodeScratch { decoded, spare, workspace } = &mut scratch;
                    self.chain.decode_tail(inner, decoded, spare, threads, workspace)?;
                }
            }
            let chunk = self.grid.chunk(&self.grid.index(number as u64)).permuted(order);
            copy_subset(&chunk, &chunk, &scratch.decoded, &shard, target, self.itemsize);
        }
        Ok(())
    }

    fn read_index(&self, stored: &[u8]) -> Result<ShardIndex, CodecError> {
        let len = stored.len();
        let range = match self.index.range() {
            ByteRange::At { start, len: wanted } => to_usize(start)..len.min(to_usize(wanted)),
            ByteRange::Last { len: wanted } => len.saturating_sub(to_usize(wanted))..len,
        };
        ShardIndex::parse(&self.index, &stored[range], len as u64)
    }
}

#[cfg(test)]
#[path = "fallback_tests.rs"]
mod tests;
