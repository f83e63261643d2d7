//! NumPy's words for data types, which are those of Zarr v2: type strings (`<f4`, `|S10`, `>M8[10s]`) and names (`float32`).

use super::dtype::{ByteOrder, DType};
use super::time_unit::TimeUnit;

/// Most bytes of an element. None that archives hold comes near it, and a fill value of it is spelled out in full.
pub const MOST_BYTES: u64 = 1 << 24;

impl DType {
    /// Reads a NumPy type string (`<f4`, `|S10`, `>M8[10s]`) or the name of a number's type (`float32`).
    ///
    /// # Errors
    /// There is no such type in v3.
    pub fn from_numpy(text: &str) -> Result<(DType, ByteOrder), String> {
        if let Some(dtype) = from_name(text) {
            return Ok((dtype, ByteOrder::Little));
        }
        let order = if text.starts_with('>') { ByteOrder::Big } else { ByteOrder::Little };
        let plain = text.trim_start_matches(['<', '>', '|', '=']);
        let unsayable = || format!("dtype {text:?} is none that Zarr v3 has");
        from_kind_and_size(plain).map(|dtype| (dtype, order)).ok_or_else(unsayable)
    }

    /// The NumPy type string; of a structured type, its size as raw bytes.
    pub fn to_numpy(&self, order: ByteOrder) -> String {
        let mark = match order {
            _ if !self.has_byte_order() => '|',
            ByteOrder::Little => '<',
            ByteOrder::Big => '>',
        };
        match self {
            DType::Bool => "|b1".into(),
            DType::Int(size) => format!("{mark}i{size}"),
            DType::UInt(size) => format!("{mark}u{size}"),
            DType::Float(size) => format!("{mark}f{size}"),
            DType::Complex(size) => format!("{mark}c{size}"),
            DType::Datetime(unit) => format!("{mark}M8{}", unit.numpy()),
            DType::Timedelta(unit) => format!("{mark}m8{}", unit.numpy()),
            DType::Bytes(size) => format!("|S{size}"),
            DType::Unicode(characters) => format!("{mark}U{characters}"),
            DType::Raw(_) | DType::Struct(_) => format!("|V{}", self.itemsize()),
            DType::String | DType::VariableBytes => "|O".into(),
        }
    }
}

/// The types that bear the same name in NumPy and in v3.
pub fn from_name(name: &str) -> Option<DType> {
    let numbers = [(DType::Int as fn(u64) -> DType, "int"), (DType::UInt, "uint"), (DType::Float, "float")];
    let sized =
        numbers.into_iter().chain([(DType::Complex as fn(u64) -> DType, "complex")]).find_map(|(make, kind)| {
            let bits: u64 = name.strip_prefix(kind)?.parse().ok()?;
            number(make, bits / 8).filter(|_| bits.is_multiple_of(8))
        });
    sized.or_else(|| (name == "bool").then_some(DType::Bool))
}

/// A number of so many bytes, where NumPy and v3 have it.
fn number(make: fn(u64) -> DType, size: u64) -> Option<DType> {
    let dtype = make(size);
    let sizes: &[u64] = match dtype {
        DType::Float(_) => &[2, 4, 8],
        DType::Complex(_) => &[8, 16],
        _ => &[1, 2, 4, 8],
    };
    sizes.contains(&size).then_some(dtype)
}

/// A type string without its byte order.
fn from_kind_and_size(text: &str) -> Option<DType> {
    match text.get(..2) {
        Some("M8") => return TimeUnit::from_numpy(&text[2..]).map(DType::Datetime),
        Some("m8") => return TimeUnit::from_numpy(&text[2..]).map(DType::Timedelta),
        _ => {}
    }
    let size: u64 = text.get(1..)?.parse().ok()?;
    // zarr-python has no elements of no bytes.
    match text.chars().next().filter(|_| size > 0)? {
        'b' if size == 1 => Some(DType::Bool),
        'i' => number(DType::Int, size),
        'u' => number(DType::UInt, size),
        'f' => number(DType::Float, size),
        'c' => number(DType::Complex, size),
        'S' if size <= MOST_BYTES => Some(DType::Bytes(size)),
        'U' if size <= MOST_BYTES / 4 => Some(DType::Unicode(size)),
        'V' if size <= MOST_BYTES => Some(DType::Raw(size)),
        _ => None,
    }
}
