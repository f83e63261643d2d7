//! Codecs that the fast path does not support: the codecs between the elements that callers see and the compressors of
//! [`zcodec`] are decoded here, chunk by chunk, with [`zarrs`] if it has the codec.
//!
//! A codec is decoded only if the result is certain to equal that of zarr-python; otherwise it is an error.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;

use serde_json::{Value, json};
use zarrs::array::{
    ArrayToBytesCodecTraits, BytesRepresentation, BytesToBytesCodecTraits, Codec as Zarrs, CodecOptions, DataType,
    FillValue,
};
use zarrs::metadata::v3::MetadataV3;
use zcodec::{Codec, CodecError, codec_name};

use crate::chain::{Chain, DecodeScratch, most_encoded};
use crate::elements::{Elements, is_elementwise, is_variable};
use crate::metadata::{Array, ZarrFormat};
use crate::number::NumberType;
use crate::subset::Subset;

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
    /// A checksum, or another compressor.
    Bytes(Arc<dyn BytesToBytesCodecTraits>),
    /// Produces an array, with elements in native byte order.
    Array { codec: Arc<dyn ArrayToBytesCodecTraits>, shape: Vec<NonZeroU64>, data_type: DataType },
    /// numcodecs' `delta`: stored differences.
    Delta { stored: NumberType, to: NumberType },
    /// numcodecs' `packbits`.
    UnpackBits,
}

impl Fallback {
    /// How chunks of `array` (with sharding: inner chunks) are decoded if the fast path cannot, and the array as they then
    /// show it; `None` if the fast path can.
    ///
    /// # Errors
    /// A message that names the unsupported codec.
    pub fn of(array: &Array) -> Result<Option<(Array, Fallback)>, String> {
        let Err(why) = Elements::of(array) else { return Ok(None) };
        if array.chain.sharding.as_ref().is_some_and(|sharding| sharding.inner.sharding.is_some()) {
            return Err(why);
        }
        let (Some(shape), Some(grid)) = (array.chunk_shape(), &array.grid) else { return Err(why) };
        let chain = array.chain.innermost();
        let specs = &chain.specs[..chain.kept];
        let visible = visible(array.format, specs);
        let mut walk = Walk::start(array, &specs[..visible], shape);
        let steps = specs[visible..].iter().map(|spec| walk.step(spec)).collect::<Result<Vec<_>, String>>()?;
        let steps: Vec<Step> = steps.into_iter().flatten().rev().collect();
        if array.format == ZarrFormat::V3 && !walk.is_bytes {
            return Err(why);
        }
        let inner = match array.format {
            ZarrFormat::V2 => Chain::v2(&array.dtype, &specs[..visible], None, grid.chunk_elements()),
            ZarrFormat::V3 => {
                let to_bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
                let to_bytes = walk.to_bytes.unwrap_or(to_bytes);
                let specs: Vec<Value> = specs[..visible].iter().cloned().chain([to_bytes]).collect();
                Chain::v3(&array.dtype, &specs, shape)?
            }
        };
        let chunk_bytes = inner.chunk_bytes;
        let mut decoded = array.clone();
        match &mut decoded.chain.sharding {
            Some(sharding) => sharding.inner = inner,
            None => decoded.chain = inner,
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
                _ => step.decode(spare, decoded)?,
            }
        }
        Ok(())
    }
}

impl Step {
    fn decode(&self, source: &[u8], target: &mut Vec<u8>) -> Result<(), CodecError> {
        let options = CodecOptions::default();
        let invalid = |detail: String| CodecError::Invalid { format: "encoded", detail };
        target.clear();
        match self {
            Step::Own(_) => {}
            Step::Bytes(codec) => {
                let decoded = codec.decode(source.into(), &BytesRepresentation::UnboundedSize, &options);
                target.extend_from_slice(&decoded.map_err(|error| invalid(error.to_string()))?);
            }
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
    shape: &'a [u64],
    /// The elements at this point; `None` if they are not numbers.
    number: Option<NumberType>,
    /// Whether the codecs that stay change the order of elements.
    transposed: bool,
    /// Whether a decoded codec changes the elements.
    changed: bool,
    /// Whether the array has become bytes.
    is_bytes: bool,
    /// The codec that did so, if callers see its output.
    to_bytes: Option<Value>,
}

impl<'a> Walk<'a> {
    fn start(array: &'a Array, visible: &[Value], shape: &'a [u64]) -> Walk<'a> {
        let own = match array.format {
            ZarrFormat::V2 => NumberType::from_v2(&array.dtype),
            // Before the array-to-bytes codec, elements are in native byte order.
            ZarrFormat::V3 => NumberType::from_v3(codec_name(&array.dtype), false),
        };
        let number = visible.iter().fold(own, |number, spec| encoded(number?, spec));
        let transposed = visible.iter().any(|spec| codec_name(spec) == "transpose");
        Walk { array, shape, number, transposed, changed: false, is_bytes: false, to_bytes: None }
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
            (Some("pcodec"), _) => self.pcodec(spec).map(Some),
            (None, "packbits") => self.zarrs_array(spec, &self.array.dtype.clone()).map(Some),
            (None, "bytes" | "endian") => self.bytes(spec),
            (None, _) if is_variable(name) => {
                (self.is_bytes, self.to_bytes) = (true, Some(spec.clone()));
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
            Err(_) => match zarrs_codec(spec)? {
                Zarrs::BytesToBytes(codec) => Some(Step::Bytes(codec)),
                _ => None,
            },
        }
    }

    fn bytes(&mut self, spec: &Value) -> Option<Option<Step>> {
        self.is_bytes = true;
        let big_endian = spec.pointer("/configuration/endian").and_then(Value::as_str) == Some("big");
        match self.changed {
            false => self.to_bytes = Some(spec.clone()),
            true if big_endian && self.number.is_none_or(|number| number.size > 1) => return None,
            true => {}
        }
        Some(None)
    }

    fn delta(&mut self, spec: &Value) -> Option<Step> {
        let to = self.number?;
        let own = stated(spec, "dtype").unwrap_or(Some(to))?;
        let stored = stated(spec, "astype").unwrap_or(Some(own))?;
        // NumPy sums up in the type that both have in common, which is another one for other pairs.
        let sums = stored.kind == own.kind && (matches!(own.kind, 'i' | 'u') || own.kind == 'f' && own.size > 2);
        let same_float = own.kind != 'f' || stored.size == own.size;
        self.number = Some(stored);
        self.changed = true;
        (own == to && sums && same_float).then_some(Step::Delta { stored, to })
    }

    fn numcodecs_packbits(&mut self) -> Option<Step> {
        let is_bool = self.number.take()?.kind == 'b';
        self.number = Some(NumberType { kind: 'u', size: 1, big_endian: false });
        self.changed = true;
        is_bool.then_some(Step::UnpackBits)
    }

    fn pcodec(&mut self, spec: &Value) -> Option<Step> {
        let number = self.number.filter(|number| !number.big_endian)?;
        let word = match number.kind {
            'i' => "int",
            'u' => "uint",
            'f' => "float",
            _ => return None,
        };
        self.zarrs_array(spec, &format!("{word}{}", 8 * number.size).into())
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

/// A fill value for codecs that would use one for sparse arrays only.
fn no_fill(data_type: &DataType) -> FillValue {
    FillValue::from(vec![0; data_type.fixed_size().unwrap_or(0)])
}

/// The codec of `zarrs` with this name and configuration; `None` if there is none.
fn zarrs_codec(spec: &Value) -> Option<Zarrs> {
    let (mut name, mut configuration) = match spec.get("id").and_then(Value::as_str) {
        Some(id) => (format!("numcodecs.{id}"), spec.as_object()?.clone()),
        None => {
            let configuration = spec.get("configuration").and_then(Value::as_object).cloned();
            (codec_name(spec).to_owned(), configuration.unwrap_or_default())
        }
    };
    configuration.remove("id");
    if name == "numcodecs.crc32c" {
        // numcodecs can put it before the bytes, too.
        name = "crc32c".into();
        if configuration.remove("location").is_some_and(|location| location != "end") {
            return None;
        }
    }
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

/// Running sums of differences.
#[allow(clippy::cast_possible_truncation, reason = "the bits of a number of this size")]
fn summed(source: &[u8], stored: NumberType, to: NumberType, target: &mut Vec<u8>) {
    macro_rules! sum {
        ($float:ty, $bits:ty) => {{
            let value = |element: &[u8]| <$float>::from_bits(word(element, stored) as $bits);
            let mut sum: Option<$float> = None;
            for element in source.chunks_exact(stored.size) {
                let next = sum.map_or(value(element), |sum| sum + value(element));
                put(target, u64::from(next.to_bits()), to);
                sum = Some(next);
            }
        }};
    }
    match (to.kind, to.size) {
        ('f', 4) => sum!(f32, u32),
        ('f', _) => sum!(f64, u64),
        _ => {
            let mut sum = 0u64;
            for element in source.chunks_exact(stored.size) {
                sum = sum.wrapping_add(word(element, stored));
                put(target, sum, to);
            }
        }
    }
}

/// The bits of an element, a signed integer extended to 64.
#[allow(clippy::cast_possible_truncation, reason = "the size of a number, in bits")]
fn word(element: &[u8], number: NumberType) -> u64 {
    let mut word = [0; 8];
    word[..number.size].copy_from_slice(element);
    if number.big_endian {
        word[..number.size].reverse();
    }
    let (bits, unused) = (u64::from_le_bytes(word), 64 - 8 * number.size as u32);
    if number.kind == 'i' { ((bits << unused) as i64 >> unused) as u64 } else { bits }
}

fn put(target: &mut Vec<u8>, bits: u64, number: NumberType) {
    let mut word = bits.to_le_bytes();
    if number.big_endian {
        word[..number.size].reverse();
    }
    target.extend_from_slice(&word[..number.size]);
}

/// Booleans from bits, the highest first; the first byte is the number of padding bits.
fn unpacked(source: &[u8], target: &mut Vec<u8>) -> Result<(), CodecError> {
    let short = CodecError::Short { format: "packbits", needed: 1, found: 0 };
    let (padded, packed) = source.split_first().ok_or(short)?;
    target.extend(packed.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)));
    let len = target.len().checked_sub(usize::from(*padded)).filter(|_| *padded < 8);
    let detail = || format!("{padded} bits pad {} bytes", packed.len());
    target.truncate(len.ok_or_else(|| CodecError::Invalid { format: "packbits", detail: detail() })?);
    Ok(())
}

#[cfg(test)]
#[path = "fallback_tests.rs"]
mod tests;
