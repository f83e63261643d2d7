//! Eviction: whole entries, the least recently used first; pinned entries and those in use are kept.

use std::collections::HashMap;
use std::time::SystemTime;

use zwire::{CacheEntryRecord, Failure};

use crate::cache::directory::Cache;

/// What came of an eviction.
#[derive(Debug, Default)]
pub struct Evicted {
    /// The entries that were looked at and what happened to them.
    pub entries: Vec<CacheEntryRecord>,
    /// Bytes that the cache takes now, with what is reserved.
    pub bytes: u64,
}

/// Evicts entries of `cache` until it takes no more than `most` bytes; `reserved` are those of entries that are being fetched, by
/// name. With `dry_run`, nothing is removed.
///
/// # Errors
/// The system's.
pub fn evict(cache: &Cache, most: u64, reserved: &HashMap<String, u64>, dry_run: bool) -> Result<Evicted, Failure> {
    let mut entries = Vec::new();
    for entry in cache.entries()? {
        let bytes = entry.disk_bytes()?.max(reserved.get(entry.name()).copied().unwrap_or(0));
        entries.push((entry.last_used().unwrap_or(SystemTime::UNIX_EPOCH), bytes, entry));
    }
    entries.sort_by_key(|(used, _, _)| *used);
    let mut evicted = Evicted { bytes: entries.iter().map(|(_, bytes, _)| bytes).sum(), ..Evicted::default() };
    for (_, bytes, entry) in entries {
        if evicted.bytes <= most {
            break;
        }
        let record = entry.evict(dry_run)?;
        if record.evicted == Some(true) {
            evicted.bytes = evicted.bytes.saturating_sub(bytes);
        }
        evicted.entries.push(record);
    }
    Ok(evicted)
}
