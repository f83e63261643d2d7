//! Checks stored output objects as a reader meets them: the index of a shard, and every chunk that is decoded.

use zarray::{Array, ChunkReader, DecodeScratch, StoredIndex, Subset, find_shard_index};
use zstore::Store;
use zwire::Failure;

use crate::array_plan::ArrayPlan;
use crate::checks::Check;
use crate::options::ArrivalCheck;
use crate::transcode::{Job, Outcome, WorkerScratch};

impl Job<'_> {
    /// Checks what was written of a copy, as far as is asked for. A damaged object is removed, and is copied again.
    ///
    /// # Errors
    /// Errors of the output.
    pub fn check_stored(&self, outcome: &mut Outcome, scratch: &mut WorkerScratch) -> Result<(), Failure> {
        if self.encoding.is_some() || outcome.written.is_none() || !outcome.bad.is_empty() {
            return Ok(());
        }
        let (key, stored) = (self.output_key(), &mut scratch.stored);
        let checked = match self.arrival {
            ArrivalCheck::None => return Ok(()),
            ArrivalCheck::Size => Ok(Some(Check::Size)),
            ArrivalCheck::Auto => check_index(self.output, &key, self.array, stored),
            ArrivalCheck::Decode => match check_index(self.output, &key, self.array, stored) {
                Ok(index) => {
                    decode_chunks(self.output, self.plan, self.item.unit, stored).map(|decoded| decoded.or(index))
                }
                damaged => damaged,
            },
        };
        match checked {
            Ok(check) => outcome.checked = outcome.checked.max(check),
            Err(why) => {
                self.output.delete(&key)?;
                *outcome = Outcome { corrupt: Some(why), ..Outcome::default() };
            }
        }
        Ok(())
    }
}

/// Checks the index of a stored shard, and names the check; `None` if it is none.
fn check_index(output: &Store, key: &str, array: &Array, buffer: &mut Vec<u8>) -> Result<Option<Check>, String> {
    let Some(sharding) = array.chain.split_shards() else { return Ok(None) };
    let found = find_shard_index(output, key, &sharding.index, buffer).map_err(|error| error.to_string())?;
    let Some(StoredIndex { stat, index }) = found else { return Err("it is missing".into()) };
    let checked = index.and_then(|index| index.check_overlaps(&sharding.index, stat.size));
    checked.map(|()| Some(Check::ShardIndex)).map_err(|error| error.to_string())
}

/// Decodes all chunks of a stored object, and names the check; `None` if its codecs cannot be decoded here.
///
/// # Errors
/// What is wrong with the first damaged chunk.
pub fn decode_chunks(
    output: &Store,
    plan: &ArrayPlan,
    unit: Option<u64>,
    stored: &mut Vec<u8>,
) -> Result<Option<Check>, String> {
    let keys = plan.new_keys.clone().unwrap_or_else(|| plan.array.keys.clone());
    let array = Array { keys, ..plan.array.clone() };
    let (Some(grid), Some(unit)) = (array.numbered(), unit) else { return Ok(None) };
    let Ok(reader) = ChunkReader::new(output, &array) else { return Ok(None) };
    let object = grid.chunk(&plan.index(grid, unit)).intersection(&Subset::whole(&array.shape));
    let Some(chunks) = object.map(|object| object.chunks(reader.grid().chunk_shape())) else { return Ok(None) };
    let mut scratch = DecodeScratch::default();
    for index in (0..chunks.elements()).map(|number| chunks.member(number)) {
        let fetched = reader.fetch(&index, stored).map_err(|error| error.to_string())?;
        if fetched.present {
            let decoded = reader.decode(&index, stored, plan.threads, &mut scratch);
            decoded.map_err(|error| format!("{}: {error}", reader.place(&index)))?;
        }
    }
    Ok(Some(Check::Decode))
}
