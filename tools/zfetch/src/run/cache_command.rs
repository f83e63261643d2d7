//! `zfetch cache`: lists, verifies, evicts and pins what is in the cache.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use zarray::Pool;
use zcli::{Ending, Format, Session, VarFilter};
use zstage::check_stored;
use zstore::{Location, Store, StoreOptions};
use zwire::{CacheEntryRecord, CacheRecord, Exit, Failure, Record};

use crate::cache::{Cache, Entry, default_directory, evict};
use crate::cli::{CacheAction, CacheArgs};

/// Does what the command line asks.
///
/// # Errors
/// A directory that is no cache, and names of entries that do not exist.
pub fn run(args: &CacheArgs, session: &mut Session) -> Result<Ending, Failure> {
    let directory = args.cache.clone().map_or_else(default_directory, Ok)?;
    let cache = Cache::existing(&directory)?;
    let chosen = chosen(&cache, &args.entries)?;
    match args.action {
        CacheAction::List => list(&chosen, session),
        CacheAction::Verify => verify(&chosen, &Pool::new(args.work.jobs()), session),
        CacheAction::Evict => remove(&cache, &chosen, args, session),
        CacheAction::Pin => pin(&chosen, true, args, session),
        CacheAction::Unpin => pin(&chosen, false, args, session),
        CacheAction::Path => path(&cache, &chosen, args, session),
    }
}

/// The entries that are named: by name, by pattern, or by a path in the cache. Without any, all.
fn chosen(cache: &Cache, names: &[String]) -> Result<Vec<Entry>, Failure> {
    let mut entries = cache.entries()?;
    let inside = |name: &String| {
        let path = Path::new(name).canonicalize().ok()?;
        entries.iter().find(|entry| entry.contains(&path)).map(|entry| entry.name().to_owned())
    };
    let names: Vec<String> = names.iter().map(|name| inside(name).unwrap_or_else(|| name.clone())).collect();
    for name in &names {
        let one = VarFilter::new(std::slice::from_ref(name))?;
        if !entries.iter().any(|entry| one.matches(entry.name())) {
            let failure = Failure::new(Exit::Absent, format!("no entry {name:?}")).at(cache.directory().display());
            let closest = zwire::did_you_mean(name, entries.iter().map(Entry::name));
            return Err(failure.hint(closest.unwrap_or_else(|| "zfetch cache list shows the entries".to_owned())));
        }
    }
    let filter = VarFilter::new(&names)?;
    entries.retain(|entry| filter.matches(entry.name()));
    Ok(entries)
}

fn emit(record: CacheEntryRecord, session: &mut Session) -> Result<(), Failure> {
    session.out.emit(&Record::CacheEntry(Box::new(record)))
}

fn ending(exit: Exit, totals: Value) -> Ending {
    let totals = if let Value::Object(totals) = totals { totals } else { Map::new() };
    Ending { exit, totals }
}

fn list(entries: &[Entry], session: &mut Session) -> Result<Ending, Failure> {
    let mut bytes = 0;
    for entry in entries {
        let record = entry.record()?;
        bytes += record.disk_bytes;
        emit(record, session)?;
    }
    Ok(ending(Exit::Done, json!({"entries": entries.len(), "disk_bytes": bytes})))
}

/// Compares every object with the checksum that it had when it was written.
fn verify(entries: &[Entry], pool: &Pool, session: &mut Session) -> Result<Ending, Failure> {
    let (mut verified, mut failed, mut without) = (0, 0, 0);
    for entry in entries {
        let mut record = entry.record()?;
        let Some(marker) = entry.marker() else {
            record.reason = Some("not complete".into());
            if let Some(store) = entry.lost_store() {
                let failure = Failure::new(Exit::No, "missing: it was fetched, and is not there any more");
                let hint = "run the command that fetched it again";
                session.item_failed(&failure.at(store.display()).hint(hint))?;
                (record.reason, record.failed) = (Some("its store is missing".into()), Some(1));
                failed += 1;
            }
            emit(record, session)?;
            continue;
        };
        match entry.checksums(&marker) {
            None => {
                without += 1;
                record.reason = Some("no checksums were kept".into());
            }
            Some(checksums) => {
                let opened = Store::open_at(&Location::Local(entry.path(&marker)), &StoreOptions::default());
                let compared = opened
                    .map_err(Failure::from)
                    .and_then(|store| check_stored(&store, &checksums, pool, |failure| session.item_failed(&failure)));
                match compared {
                    Ok(compared) => {
                        record.verified = Some(compared.objects);
                        record.failed = Some(compared.failed);
                        verified += compared.objects;
                        failed += compared.failed;
                    }
                    // The others are verified all the same.
                    Err(failure) if failure.exit != Exit::Output => {
                        session.item_failed(&failure)?;
                        record.failed = Some(1);
                        failed += 1;
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        emit(record, session)?;
        if let Some(exit) = session.stop.requested() {
            return Err(Failure::stopped(exit));
        }
    }
    if without > 0 {
        session
            .status
            .warn(&format!("{}: their checksums were not kept", zwire::human_counted(without, "entry not verified")));
    }
    let exit = match (failed, without) {
        (0, 0) => Exit::Done,
        // What is not compared is not found sound.
        (0, _) => Exit::Partial,
        _ => Exit::No,
    };
    Ok(ending(exit, json!({"entries": entries.len(), "verified": verified, "failed": failed, "not_verified": without})))
}

/// Evicts what is named, or the least recently used until the cache is small enough.
fn remove(cache: &Cache, entries: &[Entry], args: &CacheArgs, session: &mut Session) -> Result<Ending, Failure> {
    let evicted = match (args.max_size, args.entries.is_empty()) {
        (Some(_), false) => return Err(Failure::usage("--max-size chooses the entries itself; leave out their names")),
        (Some(most), true) => evict(cache, most, &HashMap::new(), args.dry_run)?.entries,
        (None, true) => {
            let failure = Failure::usage("nothing to evict is named");
            return Err(failure.hint("name entries, or use --max-size SIZE to evict the least recently used"));
        }
        (None, false) => entries.iter().map(|entry| entry.evict(args.dry_run)).collect::<Result<_, Failure>>()?,
    };
    let gone = |record: &&CacheEntryRecord| record.evicted == Some(true);
    let bytes: u64 = evicted.iter().filter(gone).map(|record| record.disk_bytes).sum();
    let (count, kept) = (evicted.iter().filter(gone).count(), evicted.iter().filter(|record| !gone(record)).count());
    // What was named and is still there is a failure; the least recently used gives way to the next.
    let exit = if kept > 0 && args.max_size.is_none() { Exit::Partial } else { Exit::Done };
    for record in evicted {
        emit(record, session)?;
    }
    Ok(ending(exit, json!({"evicted": count, "kept": kept, "freed_bytes": bytes, "dry_run": args.dry_run})))
}

fn pin(entries: &[Entry], pinned: bool, args: &CacheArgs, session: &mut Session) -> Result<Ending, Failure> {
    if args.entries.is_empty() {
        return Err(Failure::usage("no entry given").hint("zfetch cache list shows the entries"));
    }
    for entry in entries {
        entry.pin(pinned)?;
        emit(entry.record()?, session)?;
    }
    Ok(ending(Exit::Done, json!({"entries": entries.len()})))
}

/// The paths of the stores, for scripts: as text, unless records are asked for. Without names, that of the cache.
fn path(cache: &Cache, entries: &[Entry], args: &CacheArgs, session: &mut Session) -> Result<Ending, Failure> {
    let as_records = args.common.json || args.common.format == Format::Jsonl;
    if args.entries.is_empty() {
        let path = cache.directory().display().to_string();
        match as_records {
            true => session.out.emit(&Record::Cache(CacheRecord { path, ..CacheRecord::default() }))?,
            false => session.out.plain(&path)?,
        }
        return Ok(Ending::without_totals(Exit::Done));
    }
    for entry in entries {
        match entry.marker() {
            Some(_) if as_records => emit(entry.record()?, session)?,
            Some(marker) => session.out.plain(&entry.path(&marker).display().to_string())?,
            None => {
                let failure = Failure::new(Exit::Absent, "the entry is not complete").at(entry.name());
                return Err(failure.hint("run the command that fetched it again"));
            }
        }
    }
    Ok(Ending::without_totals(Exit::Done))
}
