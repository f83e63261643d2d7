//! The metadata documents of the output in the other Zarr format.

use zarray::ZarrFormat;
use zstage::{Convert, Converted, NodeTexts};
use zwire::Failure;

use crate::format::{array_to_v2, array_to_v3, consolidated_v2, consolidated_v3, group_to_v2, group_to_v3, notes};

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

    fn consolidate(
        &self,
        wanted: ZarrFormat,
        mut documents: Vec<(String, Vec<u8>)>,
    ) -> Result<(&'static str, Vec<u8>), Failure> {
        if wanted == ZarrFormat::V2 {
            return Ok((".zmetadata", consolidated_v2(documents.into_iter())?));
        }
        let root = documents.iter().position(|(key, _)| key == "zarr.json").map(|at| documents.swap_remove(at).1);
        let path = |key: String| key.trim_end_matches("zarr.json").trim_end_matches('/').to_owned();
        let nodes = documents.into_iter().map(|(key, text)| (path(key), text));
        Ok(("zarr.json", consolidated_v3(&root.unwrap_or_default(), nodes)?))
    }
}
