//! Floating-point numbers of 2, 4 or 8 bytes (IEEE 754).

use super::error::{FormatError, unsupported};

/// `value` rounded to the nearest number of `size` bytes, ties to even.
pub fn rounded(value: f64, size: u64) -> f64 {
    match size {
        4 => f64::from(value as f32),
        2 => rounded_to_half(value),
        _ => value,
    }
}

/// Numbers of 2 bytes are `2^(exponent - 10)` apart, and no closer than `2^-24`; 65520 is the first that rounds to infinity.
/// All of the arithmetic is exact.
fn rounded_to_half(value: f64) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    if value.abs() >= 65520.0 {
        return f64::INFINITY.copysign(value);
    }
    let exponent = (value.to_bits() >> 52 & 0x7ff) as i32 - 1023;
    let spacing = f64::from(exponent.max(-14) - 10).exp2();
    (value / spacing).round_ties_even() * spacing
}

/// The number whose bits, most significant first, are `digits` in hexadecimal, as v3 spells fill values; `None` if they are
/// not the bits of `size` bytes.
///
/// # Errors
/// A NaN with other bits than those of `"NaN"`, which v2 cannot spell.
pub fn float_from_hex(digits: &str, size: u64) -> Result<Option<f64>, FormatError> {
    let hexadecimal = digits.len() as u64 == 2 * size && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let Some(bits) = u64::from_str_radix(digits, 16).ok().filter(|_| hexadecimal) else { return Ok(None) };
    let (value, canonical) = match size {
        2 => (half(bits), 0x7e00),
        4 => (f64::from(f32::from_bits(bits as u32)), 0x7fc0_0000),
        _ => (f64::from_bits(bits), 0x7ff8_0000_0000_0000),
    };
    match value.is_nan() && bits != canonical {
        true => Err(unsupported(format!(
            "fill value 0x{digits} is a NaN with a payload, but Zarr v2 supports only the default NaN"
        ))),
        false => Ok(Some(value)),
    }
}

/// The number with these 16 bits: sign, 5 bits of exponent, 10 of fraction.
fn half(bits: u64) -> f64 {
    let (exponent, fraction) = ((bits >> 10 & 0x1f) as i32, (bits & 0x3ff) as f64);
    let magnitude = match exponent {
        0x1f if fraction != 0.0 => f64::NAN,
        0x1f => f64::INFINITY,
        0 => fraction * f64::from(-24).exp2(),
        _ => (1.0 + fraction / 1024.0) * f64::from(exponent - 15).exp2(),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_its_own_rounding_and_neighbours_round_to_it() {
        for bits in 0..0x7c00 {
            let value = half(bits);
            assert_eq!(rounded(value, 2), value);
            let next = half(bits + 1);
            if next.is_finite() {
                assert_eq!(rounded(value + (next - value) * 0.49, 2), value);
                assert_eq!(rounded(value + (next - value) * 0.51, 2), next);
                let even = if bits % 2 == 0 { value } else { next };
                assert_eq!(rounded((value + next) / 2.0, 2), even);
            }
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        assert_eq!(rounded(65519.9, 2), 65504.0);
        assert_eq!(rounded(-65520.0, 2), f64::NEG_INFINITY);
        assert_eq!(rounded(1e-9, 2), 0.0);
        assert!(rounded(f64::NAN, 2).is_nan());
        assert_eq!(rounded(0.1, 4), f64::from(0.1_f32));
    }

    #[test]
    fn bits_are_read() {
        assert_eq!(float_from_hex("c000", 2), Ok(Some(-2.0)));
        assert_eq!(float_from_hex("0001", 2), Ok(Some(2f64.powi(-24))));
        assert_eq!(float_from_hex("7c00", 2), Ok(Some(f64::INFINITY)));
        assert_eq!(float_from_hex("3f800000", 4), Ok(Some(1.0)));
        assert_eq!(float_from_hex("3f80", 4), Ok(None));
        assert_eq!(float_from_hex("+f800000", 4), Ok(None));
        assert!(float_from_hex("7e01", 2).is_err());
    }
}
