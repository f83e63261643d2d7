//! What is said of an array whose chunks are not stored. A store cannot tell whether they were lost or left out because they
//! hold only the fill value, so the verdict names both.

use zarray::Array;
use zwire::{ArrayRecord, human_count};

/// The verdict.
pub const WORD: &str = "missing_chunks";

/// Why chunks may rightly be missing.
const SPARSE: &str = "either data are missing, or they hold only that value (zarr-python does not write such chunks)";

/// The number of missing objects, if it is known and not 0.
pub fn missing(record: &ArrayRecord, array: &Array) -> Option<u64> {
    let missing = record.objects_expected?.saturating_sub(record.objects_present?);
    (missing > 0 && !array.is_container()).then_some(missing)
}

/// The reason if half of the objects or more are missing.
pub fn mostly(record: &ArrayRecord, array: &Array) -> Option<String> {
    let (missing, expected) = (missing(record, array)?, record.objects_expected?);
    let are = format!("{} of {} {} not stored", human_count(missing), human_count(expected), objects(record));
    (missing >= expected.div_ceil(2))
        .then(|| format!("{are} and read as the fill value {}: {SPARSE}", array.fill_value))
}

/// The reason if no object is stored.
pub fn all(record: &ArrayRecord, array: &Array) -> String {
    format!(
        "none of the {} stored: every value reads as the fill value {}; {SPARSE}",
        objects(record),
        array.fill_value
    )
}

fn objects(record: &ArrayRecord) -> &'static str {
    if record.shards.is_some() { "shards are" } else { "chunks are" }
}
