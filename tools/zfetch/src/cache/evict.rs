//! Eviction: whole entries, the least recently used first; pinned entries and those in use are kept.

use std::time::SystemTime;

use zwire::{CacheEntryRecord, Failure};

use crate::cache::directory::Cache;

/// What came of an eviction.
#[derive(Debug, Default)]
pub struct Evicted {
    /// The entries that were looked at and what happened to them.
    pub entries: Vec<CacheEntryRecord>,
    /// Bytes that the cache takes now.
    pub disk_bytes: u64,
}

/// Evicts entries of `cache` until it takes no more than `most` bytes. With `dry_run`, nothing is removed.
///
/// # Errors
/// The system's.
pub fn evict(cache: &Cache, most: u64, dry_run: bool) -> Result<Evicted, Failure> {
    let mut entries = Vec::new();
    for entry in cache.entries()? {
        let bytes = entry.disk_bytes()?;
        entries.push((entry.last_used().unwrap_or(SystemTime::UNIX_EPOCH), bytes, entry));
    }
    entries.sort_by_key(|(used, _, _)| *used);
    let mut evicted = Evicted { disk_bytes: entries.iter().map(|(_, bytes, _)| bytes).sum(), ..Evicted::default() };
    for (_, bytes, entry) in entries {
        if evicted.disk_bytes <= most {
            break;
        }
        let mut record = entry.record()?;
        let reason = match () {
            () if record.pinned => Some("pinned"),
            () if dry_run => None,
            () => (!entry.remove()?).then_some("in use"),
        };
        record.evicted = Some(reason.is_none());
        record.reason = reason.map(str::to_owned);
        if reason.is_none() {
            evicted.disk_bytes = evicted.disk_bytes.saturating_sub(bytes);
        }
        evicted.entries.push(record);
    }
    Ok(evicted)
}
