//! The checksums of numcodecs: four bytes before or after the bytes that they are of.

use serde_json::Value;
use zcodec::{CodecError, codec_name, crc32c};

/// A checksum, and where it is.
#[derive(Debug, Clone, Copy)]
pub struct Checksum {
    compute: fn(&[u8]) -> u32,
    at_start: bool,
}

impl Checksum {
    /// The checksum that a codec of numcodecs is; `None` for any other codec.
    pub fn of(spec: &Value) -> Option<Checksum> {
        let name = codec_name(spec).trim_start_matches("https://codec.zarrs.dev/bytes_to_bytes/");
        let (compute, at_start): (fn(&[u8]) -> u32, bool) = match name.strip_prefix("numcodecs.").unwrap_or(name) {
            "fletcher32" => (fletcher32, false),
            "adler32" => (adler32, true),
            "crc32" => (crc32, true),
            "crc32c" => (crc32c, false),
            _ => return None,
        };
        let location = spec.get("configuration").unwrap_or(spec).get("location").filter(|location| !location.is_null());
        let at_start = match location.map(|location| location.as_str()) {
            None => at_start,
            Some(Some("start")) => true,
            Some(Some("end")) => false,
            Some(_) => return None,
        };
        Some(Checksum { compute, at_start })
    }

    /// The bytes without the checksum, which must be theirs.
    ///
    /// # Errors
    /// [`CodecError::Short`], or [`CodecError::Checksum`].
    pub fn unsealed<'b>(&self, stored: &'b [u8]) -> Result<&'b [u8], CodecError> {
        let split = match self.at_start {
            true => stored.split_first_chunk::<4>(),
            false => stored.split_last_chunk::<4>().map(|(bytes, checksum)| (checksum, bytes)),
        };
        let short = CodecError::Short { format: "checksum", needed: 4, found: stored.len() as u64 };
        let (checksum, bytes) = split.ok_or(short)?;
        let (stored, computed) = (u32::from_le_bytes(*checksum), (self.compute)(bytes));
        if stored == computed { Ok(bytes) } else { Err(CodecError::Checksum { stored, computed }) }
    }
}

/// HDF5's Fletcher-32: of big-endian words, the last one padded with a zero.
fn fletcher32(bytes: &[u8]) -> u32 {
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let (mut one, mut two) = (0u32, 0u32);
    // So few words that no sum overflows.
    for block in bytes.chunks(720) {
        for word in block.chunks(2) {
            one += u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low));
            two += one;
        }
        (one, two) = (fold(one), fold(two));
    }
    fold(two) << 16 | fold(one)
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut one, mut two) = (1u32, 0u32);
    for block in bytes.chunks(5552) {
        for byte in block {
            one += u32::from(*byte);
            two += one;
        }
        (one, two) = (one % 65521, two % 65521);
    }
    two << 16 | one
}

/// The CRC-32 of zlib.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc32_table();
    !bytes.iter().fold(!0u32, |crc, byte| crc >> 8 ^ TABLE[((crc ^ u32::from(*byte)) & 255) as usize])
}

const fn crc32_table() -> [u32; 256] {
    let mut table = [0; 256];
    let (mut index, mut byte) = (0, 0u32);
    while index < 256 {
        let (mut crc, mut bit) = (byte, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        (index, byte) = (index + 1, byte + 1);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn known_checksums() {
        assert_eq!((adler32(b"Wikipedia"), crc32(b"123456789")), (0x11e6_0398, 0xcbf4_3926));
        assert_eq!((fletcher32(b""), fletcher32(b"\x00\x01\x02")), (0, (1 + 0x201) << 16 | 0x201));
        let long: Vec<u8> = (0..100_000u32).map(|byte| byte as u8).collect();
        assert_eq!((adler32(&long), fletcher32(&[255; 5001])), (1_634_040_335, 0xff00_ff00));
    }

    #[test]
    fn a_checksum_is_where_the_metadata_says() {
        let sealed = |sum: u32, at_start: bool| {
            let (sum, bytes) = (sum.to_le_bytes().to_vec(), b"123456789".to_vec());
            if at_start { [sum, bytes].concat() } else { [bytes, sum].concat() }
        };
        for (spec, at_start) in [
            (json!({"id": "crc32"}), true),
            (json!({"id": "crc32", "location": "end"}), false),
            (json!({"name": "numcodecs.crc32", "configuration": {"location": null}}), true),
        ] {
            let checksum = Checksum::of(&spec).expect("a checksum");
            let (good, bad) = (sealed(0xcbf4_3926, at_start), sealed(7, at_start));
            assert_eq!(checksum.unsealed(&good), Ok(&b"123456789"[..]));
            assert!(matches!(checksum.unsealed(&bad), Err(CodecError::Checksum { stored: 7, .. })));
            assert!(matches!(checksum.unsealed(b"123"), Err(CodecError::Short { .. })));
        }
        assert!(Checksum::of(&json!({"id": "crc32", "location": "middle"})).is_none());
        assert!(Checksum::of(&json!({"id": "zlib"})).is_none());
    }
}
