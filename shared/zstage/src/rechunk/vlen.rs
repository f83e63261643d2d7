//! Variable-length elements.
//!
//! Format: `vlen-utf8` and `vlen-bytes` of numcodecs: the number of elements, then each element preceded by its length,
//! all as 32-bit little-endian integers. Elements are moved as 8-byte references: the number of the part and the offset
//! of the length field in its decoded bytes.

use zcodec::CodecError;

/// Size of a reference in bytes.
pub const REFERENCE: usize = 8;

/// The reference to the fill value.
pub const FILL: u64 = u64::MAX;

fn invalid(detail: &str) -> CodecError {
    CodecError::Invalid { format: "vlen", detail: detail.to_owned() }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_le_bytes(*word))
}

/// Writes references to the `elements` elements of `decoded`, which is part `number`, to `references`.
///
/// # Errors
/// The bytes do not contain this number of complete elements.
pub fn references(decoded: &[u8], number: u64, elements: u64, references: &mut Vec<u8>) -> Result<(), CodecError> {
    let found = u64::from(word(decoded, 0).ok_or_else(|| invalid("is shorter than its element count"))?);
    if found != elements {
        return Err(CodecError::WrongSize { expected: elements, found });
    }
    if decoded.len() > u32::MAX as usize || number >= u64::from(u32::MAX) {
        return Err(invalid("is too large to rechunk"));
    }
    references.clear();
    let mut at = 4;
    for _ in 0..elements {
        let len = word(decoded, at).ok_or_else(|| invalid("ends before its last element"))?;
        references.extend_from_slice(&(number << 32 | at as u64).to_le_bytes());
        at += 4 + len as usize;
    }
    if at > decoded.len() { Err(invalid("ends before its last element")) } else { Ok(()) }
}

/// Encodes the referenced elements to `encoded`. `part` returns the decoded bytes of a part.
pub fn collect<'a>(references: &[u8], fill: &[u8], part: impl Fn(u64) -> &'a [u8], encoded: &mut Vec<u8>) {
    encoded.clear();
    encoded.extend_from_slice(&((references.len() / REFERENCE) as u32).to_le_bytes());
    for reference in references.as_chunks::<REFERENCE>().0 {
        match u64::from_le_bytes(*reference) {
            FILL => {
                encoded.extend_from_slice(&(fill.len() as u32).to_le_bytes());
                encoded.extend_from_slice(fill);
            }
            reference => {
                let (bytes, at) = (part(reference >> 32), (reference & u64::from(u32::MAX)) as usize);
                let len = word(bytes, at).map_or(0, |len| len as usize);
                encoded.extend_from_slice(bytes.get(at..at + 4 + len).unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(elements: &[&[u8]]) -> Vec<u8> {
        let mut bytes = (elements.len() as u32).to_le_bytes().to_vec();
        for element in elements {
            bytes.extend((element.len() as u32).to_le_bytes());
            bytes.extend_from_slice(element);
        }
        bytes
    }

    #[test]
    fn references_can_be_reordered() {
        let parts = [encoded(&[b"one", b"", b"three"]), encoded(&[b"four"])];
        let mut all = Vec::new();
        let mut some = Vec::new();
        for (number, elements) in [(0, 3), (1, 1)] {
            references(&parts[number], number as u64, elements, &mut some).expect("valid");
            all.extend_from_slice(&some);
        }
        all.extend(FILL.to_le_bytes());
        all.rotate_left(REFERENCE);
        let mut out = Vec::new();
        collect(&all, b"fill", |number| &parts[number as usize], &mut out);
        assert_eq!(out, encoded(&[b"", b"three", b"four", b"fill", b"one"]));
    }

    #[test]
    fn damaged_chunks_are_rejected() {
        let good = encoded(&[b"one", b"two"]);
        let mut huge = good.clone();
        huge[4..8].fill(0xff);
        for (bytes, elements) in
            [(&good[..], 3), (&good[..good.len() - 1], 2), (&good[..9], 2), (&good[..2], 2), (&huge, 2)]
        {
            assert!(references(bytes, 0, elements, &mut Vec::new()).is_err(), "{bytes:?}");
        }
    }
}
