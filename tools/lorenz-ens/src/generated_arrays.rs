//! The arrays of a generated store: their documents, and which chunk a key stands for.

use serde_json::{Map, Value};
use zarray::ZarrFormat;
use zstore::NotGenerated;
use zwire::Failure;

use crate::documents::{ArraySpec, documents};

/// The arrays of a generated store.
pub struct GeneratedArrays {
    format: ZarrFormat,
    /// In the order of their numbers.
    pub specs: Vec<ArraySpec>,
    /// Keys and texts.
    pub documents: Vec<(String, Vec<u8>)>,
}

impl GeneratedArrays {
    /// Arrays of a group with these attributes.
    ///
    /// # Errors
    /// Only a bug.
    pub fn new(
        format: ZarrFormat,
        attributes: &Map<String, Value>,
        specs: Vec<ArraySpec>,
    ) -> Result<GeneratedArrays, Failure> {
        let documents = documents(format, attributes, &specs)?;
        Ok(GeneratedArrays { format, specs, documents })
    }

    /// The array and the index of the chunk with this key.
    pub fn find(&self, key: &str) -> Option<(usize, Vec<u64>)> {
        let (name, below) = key.split_once('/')?;
        let number = self.specs.iter().position(|array| array.name == name)?;
        Some((number, self.specs[number].index(self.format, below)?))
    }

    /// Keys of all chunks below a directory; of all arrays if that is empty.
    pub fn keys(&self, directory: &str) -> Box<dyn Iterator<Item = String> + Send + '_> {
        let is_all = directory.is_empty();
        let found: Vec<&ArraySpec> = self.specs.iter().filter(|array| is_all || array.name == directory).collect();
        Box::new(found.into_iter().flat_map(|array| array.keys(self.format)))
    }

    /// The chunk with this key, and a buffer of its size.
    ///
    /// # Errors
    /// A key that no chunk has; a chunk that is larger than memory can be.
    pub fn begin(&self, key: &str, buffer: &mut Vec<u8>) -> Result<(usize, Vec<u64>), NotGenerated> {
        let (number, index) = self.find(key).ok_or(NotGenerated::Failed("no chunk has this key"))?;
        let bytes = usize::try_from(self.specs[number].chunk_bytes());
        buffer.resize(bytes.map_err(|_| NotGenerated::Failed("the chunk is too large"))?, 0);
        Ok((number, index))
    }
}
