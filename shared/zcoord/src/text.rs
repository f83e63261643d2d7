//! Elements that are text: padded with zeros (NumPy's `S` and `U`), or of variable length.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zarray::Array;

use crate::attribute::scalars;
use crate::decode_error::DecodeError;
use crate::element::Element;

/// How elements become text, and which text marks missing values.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Texts {
    /// Each byte is a character (ISO 8859-1); UTF-8 otherwise.
    latin: bool,
    /// Texts that mark missing values.
    fills: Vec<String>,
}

impl Texts {
    /// The texts of `array`. As in xarray, text is masked like numbers: with Zarr's fill value (`zarr_fill`), the empty
    /// text of many arrays included, or `_FillValue`; and with `missing_value`. Bytes are masked only with Zarr's own
    /// fill value, and not at all once they are decoded by `_Encoding`.
    ///
    /// # Errors
    /// [`DecodeError::Attribute`] for an unknown `_Encoding`.
    pub fn of(array: &Array, element: &Element, masked: bool, zarr_fill: bool) -> Result<Texts, DecodeError> {
        let encoding = array.attributes.get("_Encoding").and_then(Value::as_str).filter(|_| element.is_bytes());
        let latin = match encoding.map(str::to_ascii_lowercase).as_deref() {
            None | Some("utf-8" | "utf8" | "ascii" | "us-ascii") => false,
            Some("latin-1" | "latin1" | "iso-8859-1" | "iso8859-1") => true,
            Some(other) => {
                let what = format!("attribute _Encoding {other:?} is not supported");
                return Err(DecodeError::Attribute(what));
            }
        };
        let mut texts = Texts { latin, fills: Vec::new() };
        if masked && encoding.is_none() {
            texts.fills = fills(array, element, zarr_fill);
        }
        Ok(texts)
    }

    /// The text of a padded element, and whether it is a missing one.
    pub fn padded(&self, element: &Element, bytes: &[u8]) -> (String, bool) {
        let text = match element {
            Element::Characters(_, big_endian) => characters(bytes, *big_endian),
            _ => {
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                self.text(&bytes[..end]).into_owned()
            }
        };
        let missing = self.fills.contains(&text);
        (text, missing)
    }

    /// The text of a variable-length element, and whether it is a missing one.
    pub fn whole(&self, bytes: &[u8]) -> (String, bool) {
        let text = self.text(bytes).into_owned();
        let missing = self.fills.contains(&text);
        (text, missing)
    }

    fn text<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        match self.latin {
            true => bytes.iter().map(|byte| char::from(*byte)).collect(),
            false => String::from_utf8_lossy(bytes),
        }
    }
}

impl Element {
    fn is_bytes(&self) -> bool {
        matches!(self, Element::Bytes(_))
    }
}

fn fills(array: &Array, element: &Element, zarr_fill: bool) -> Vec<String> {
    let attribute = |key: &str| {
        let values = array.attributes.get(key).filter(|_| !element.is_bytes()).map(scalars).unwrap_or_default();
        values.into_iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<String>>()
    };
    let mut fills = attribute("missing_value");
    match array.fill_value.as_str().filter(|_| zarr_fill) {
        // Bytes are Base64 in the metadata.
        Some(text) if element.is_bytes() => {
            let bytes = STANDARD.decode(text).ok();
            fills.extend(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned()));
        }
        Some(text) => fills.push(text.to_owned()),
        None => fills.extend(attribute("_FillValue")),
    }
    fills
}

/// UCS-4 text without the zeros behind it; invalid characters become the replacement character.
fn characters(bytes: &[u8], big_endian: bool) -> String {
    let word = |unit: &[u8; 4]| if big_endian { u32::from_be_bytes(*unit) } else { u32::from_le_bytes(*unit) };
    let units: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(word).collect();
    let end = units.iter().rposition(|unit| *unit != 0).map_or(0, |last| last + 1);
    units[..end].iter().map(|unit| char::from_u32(*unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn texts(dtype: &str, fill: Value, attributes: Value) -> Result<(Texts, Element), DecodeError> {
        let text = json!({"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": dtype, "fill_value": fill,
            "order": "C", "filters": null, "compressor": null});
        let attributes = attributes.to_string();
        let array = zarray::array_v2("/x", text.to_string().as_bytes(), Some(attributes.as_bytes())).expect("an array");
        let element = Element::of(&array)?;
        Ok((Texts::of(&array, &element, true, true)?, element))
    }

    fn missing(dtype: &str, fill: Value, attributes: Value, bytes: &[&[u8]]) -> Vec<bool> {
        let (texts, element) = texts(dtype, fill, attributes).expect("text");
        bytes.iter().map(|bytes| texts.padded(&element, bytes).1).collect()
    }

    /// xarray 2026.9 makes NaN of these.
    #[test]
    fn masked_texts() {
        let bytes: [&[u8]; 3] = [b"ab\0", b"\0\0\0", b"abc"];
        assert_eq!(missing("|S3", json!(""), json!({}), &bytes), [false, true, false]);
        assert_eq!(missing("|S3", json!("YWI="), json!({}), &bytes), [true, false, false]);
        assert_eq!(missing("|S3", Value::Null, json!({"missing_value": "ab"}), &bytes), [false; 3]);
        assert_eq!(missing("|S3", json!(""), json!({"_Encoding": "utf-8"}), &bytes), [false; 3]);
        let characters: [&[u8]; 2] = [b"a\0\0\0", b"\0\0\0\0"];
        assert_eq!(missing("<U1", json!(""), json!({}), &characters), [false, true]);
        assert_eq!(missing("<U1", Value::Null, json!({"_FillValue": "a"}), &characters), [true, false]);
        assert_eq!(missing("<U1", json!(0), json!({"missing_value": ["x", "a"]}), &characters), [true, false]);
    }

    #[test]
    fn encodings() {
        let decode = |encoding: &str, bytes: &[u8]| {
            texts("|S2", Value::Null, json!({"_Encoding": encoding}))
                .map(|(texts, element)| texts.padded(&element, bytes).0)
        };
        assert_eq!(decode("utf-8", "é".as_bytes()), Ok("é".into()));
        assert_eq!(decode("ISO-8859-1", &[0xe9, 0]), Ok("é".into()));
        assert_eq!(decode("utf-8", &[0xe9, b'a']), Ok("\u{fffd}a".into()));
        assert!(decode("ebcdic", b"ab").is_err_and(|error| error.to_string().contains("ebcdic")));
        assert_eq!(characters(&[0, 0xd8, 0, 0], false), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn characters_come_back(text: String, big_endian: bool, padding in 0usize..3) {
            prop_assume!(!text.ends_with('\0'));
            let unit = |c: char| if big_endian { (c as u32).to_be_bytes() } else { (c as u32).to_le_bytes() };
            let mut bytes: Vec<u8> = text.chars().flat_map(unit).collect();
            bytes.resize(bytes.len() + 4 * padding, 0);
            prop_assert_eq!(characters(&bytes, big_endian), text);
        }
    }
}
