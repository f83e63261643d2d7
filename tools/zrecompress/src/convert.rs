//! The metadata documents of the output in the other Zarr format.

use zarray::ZarrFormat;
use zstage::{Convert, Converted, NodeTexts};
use zwire::Failure;

use crate::format::{array_to_v2, array_to_v3, group_to_v2, group_to_v3, notes};

/// Converts documents by the rules of [`crate::format`].
pub struct Converter;

impl Convert for Converter {
    fn node(&self, wanted: ZarrFormat, texts: &NodeTexts, is_array: bool) -> Result<Converted, Failure> {
        let NodeTexts { node, attributes } = texts;
        let attributes = attributes.as_deref();
        let plain = |(node, attributes)| (NodeTexts { node, attributes }, Vec::new());
        Ok(match (wanted, is_array) {
            (ZarrFormat::V3, true) => {
                let converted = array_to_v3(node, attributes)?;
                (NodeTexts { node: converted, attributes: None }, notes(node, attributes))
            }
            (ZarrFormat::V3, false) => plain((group_to_v3(attributes)?, None)),
            (ZarrFormat::V2, true) => plain(array_to_v2(node)?),
            (ZarrFormat::V2, false) => plain(group_to_v2(node)?),
        })
    }
}
