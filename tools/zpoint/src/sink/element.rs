//! Numbers as little-endian bytes, in the size of their type.

use zcoord::{Column, Kind, Values};

/// The type of a stored number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// A float with this many bytes.
    Float(u8),
    /// A signed integer.
    Int(u8),
    /// An unsigned integer.
    UInt(u8),
    /// A truth value, one byte.
    Bool,
}

impl Element {
    /// How values of `kind` are stored; `None` for text. Times are signed integers.
    pub fn of(kind: Kind) -> Option<Element> {
        match kind {
            Kind::Float(bits) => Some(Element::Float(if bits <= 32 { 4 } else { 8 })),
            Kind::Int(bits) => Some(Element::Int(bytes(bits))),
            Kind::UInt(bits) => Some(Element::UInt(bytes(bits))),
            Kind::Bool => Some(Element::Bool),
            Kind::Time(_) => Some(Element::Int(8)),
            Kind::Text => None,
        }
    }

    /// Size in bytes.
    pub fn size(self) -> usize {
        match self {
            Element::Float(size) | Element::Int(size) | Element::UInt(size) => usize::from(size),
            Element::Bool => 1,
        }
    }

    /// The NumPy `descr`, such as `<f4`.
    pub fn descr(self) -> String {
        let order = if self.size() == 1 { '|' } else { '<' };
        let letter = match self {
            Element::Float(_) => 'f',
            Element::Int(_) => 'i',
            Element::UInt(_) => 'u',
            Element::Bool => 'b',
        };
        format!("{order}{letter}{}", self.size())
    }

    /// The Zarr v3 data type, such as `float32`.
    pub fn zarr(self) -> String {
        let bits = self.size() * 8;
        match self {
            Element::Float(_) => format!("float{bits}"),
            Element::Int(_) => format!("int{bits}"),
            Element::UInt(_) => format!("uint{bits}"),
            Element::Bool => "bool".into(),
        }
    }

    /// The missing value of the type: NaN, or the least signed or greatest unsigned integer.
    pub fn missing_bits(self) -> u64 {
        match self {
            Element::Float(4) => u64::from(f32::NAN.to_bits()),
            Element::Float(_) => f64::NAN.to_bits(),
            Element::Int(size) => 1 << (8 * u32::from(size) - 1),
            Element::UInt(size) => u64::MAX >> (64 - 8 * u32::from(size)),
            Element::Bool => 0,
        }
    }

    /// The bits of the value of `row` in the lowest bytes, the others 0. Unspecified if the value is missing.
    pub fn bits(self, column: &Column, row: usize) -> u64 {
        let bits = match (&column.values, self) {
            (Values::F32(values), Element::Float(4)) => u64::from(values[row].to_bits()),
            (Values::F32(values), _) => f64::from(values[row]).to_bits(),
            (Values::F64(values), Element::Float(4)) => u64::from((values[row] as f32).to_bits()),
            (Values::F64(values), _) => values[row].to_bits(),
            (Values::I64(values) | Values::Time(values, _), _) => values[row] as u64,
            (Values::U64(values), _) => values[row],
            (Values::Bool(values), _) => u64::from(values[row]),
            (Values::Text(_), _) => 0,
        };
        bits & (u64::MAX >> (64 - 8 * self.size()))
    }

    /// Writes these bits to the start of `out`, which must be large enough.
    pub fn put(self, bits: u64, out: &mut [u8]) {
        out[..self.size()].copy_from_slice(&bits.to_le_bytes()[..self.size()]);
    }
}

fn bytes(bits: u8) -> u8 {
    match bits {
        0..=8 => 1,
        9..=16 => 2,
        17..=32 => 4,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use zcoord::{Calendar, NOT_A_TIME};

    use super::*;

    #[test]
    fn values_have_the_bytes_of_their_type() {
        let column = Column::new(Kind::Int(16), Values::I64(vec![-2, 300]));
        let element = Element::of(Kind::Int(16)).expect("a number");
        let mut out = [0; 4];
        element.put(element.bits(&column, 0), &mut out);
        element.put(element.bits(&column, 1), &mut out[2..]);
        assert_eq!(out, [0xfe, 0xff, 0x2c, 0x01]);
        assert_eq!((element.descr().as_str(), element.zarr().as_str()), ("<i2", "int16"));
        assert_eq!((Element::Bool.descr().as_str(), Element::UInt(1).descr().as_str()), ("|b1", "|u1"));
    }

    #[test]
    fn what_is_missing_has_a_value_of_its_own() {
        assert_eq!(Element::Int(1).missing_bits(), 0x80);
        assert_eq!(Element::Int(8).missing_bits() as i64, NOT_A_TIME);
        assert_eq!(Element::UInt(2).missing_bits(), 0xffff);
        assert!(f32::from_bits(Element::Float(4).missing_bits() as u32).is_nan());
        assert_eq!(Element::of(Kind::Time(Calendar::NoLeap)), Some(Element::Int(8)));
        assert_eq!(Element::of(Kind::Text), None);
    }
}
