//! Fetches stores into the cache, several at once; what is there and still current is used again.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use zarray::{OrderedMap, Pool};
use zcli::{Bar, Ending, Listener, Session, Totals, Unit};
use zstage::{Begin, Command, Progress, Summary, WriteOptions};
use zstore::{Location, Store, Target};
use zwire::{Exit, Failure, FetchSummary, Record};

use crate::buffered::{Buffered, Kept};
use crate::cache::{Cache, Entry, Marker, default_directory, evict};
use crate::fetch::{Fetch, Room, fetched};
use crate::options::Options;

/// Stores that are fetched at the same time: while the metadata of one is read, others transfer.
const STORES: usize = 8;

/// Fetches every store; one that fails does not stop the others.
///
/// # Errors
/// A directory that is no cache.
pub fn run(mut options: Options, names: &[Target], session: &mut Session) -> Result<Ending, Failure> {
    let directory = options.cache.clone().map_or_else(default_directory, Ok)?;
    let cache = if options.write.dry_run { Cache::planned(&directory)? } else { Cache::open(&directory)? };
    let at_once = names.len().clamp(1, STORES);
    options.write.memory_bytes /= at_once as u64;
    // What one server takes is for all of them.
    options.write.store.servers = Some(Arc::default());
    let bar = session.status.bar_of_steps(names.len() as u64, "stores", Unit::Bytes);
    let (mut totals, mut failed) = (Totals::default(), Vec::new());
    let run = Run { options: &options, cache: &cache, in_use: Mutex::default(), reserved: Mutex::default() };
    let listener = session.listener();
    let stopped = || listener.stopped().is_some();
    let pool = Pool::new(at_once);
    OrderedMap::new(&pool, at_once).stop(&stopped).run(
        names,
        |name| {
            let (kept, done) = run.store(name, &bar, &listener);
            (name, kept, done)
        },
        |(name, kept, done)| {
            kept.emit(&listener)?;
            match done {
                Ok((exit, summary)) => {
                    totals.add(&summary);
                    failed.extend(Some(exit).filter(|exit| *exit != Exit::Done));
                }
                // That it was not finished says nothing about the store.
                Err(failure) if matches!(failure.exit, Exit::Interrupted | Exit::Terminated) => {}
                Err(failure) => {
                    listener.item_failed(&failure.clone().or_at(name))?;
                    failed.push(failure.exit);
                }
            }
            Ok::<(), Failure>(())
        },
    )?;
    drop(bar);
    if let Some(exit) = listener.stopped() {
        return Ok(Ending::new(exit, &totals.into_map()));
    }
    // What was fetched may be larger than was expected.
    if failed.len() < names.len() {
        run.make_room(&listener)?;
    }
    let worst = failed.first().copied().unwrap_or(Exit::Done);
    Ok(Ending::new(Exit::of_items(names.len() as u64, failed.len() as u64, worst), &totals.into_map()))
}

/// What the stores of a run have in common.
struct Run<'a> {
    options: &'a Options,
    cache: &'a Cache,
    /// Entries of this run, marked as in use so that no other process evicts them before it ends.
    in_use: Mutex<Vec<File>>,
    /// Bytes of the selections that are being fetched, by the name of their entry.
    reserved: Mutex<HashMap<String, u64>>,
}

impl Run<'_> {
    /// One store: what is printed of it, and how it ended.
    fn store(&self, name: &Target, bar: &Bar, listener: &Listener) -> (Kept, Result<(Exit, Value), Failure>) {
        let buffered = Buffered::new(listener, bar.step());
        let done = Location::parse(name).map_err(Failure::from).and_then(|location| {
            let location = location.absolute();
            let entry = self.cache.entry(&location, &self.options.request, &self.options.readable);
            Job { run: self, name, location, entry, progress: &buffered }.run()
        });
        (buffered.kept(), done)
    }

    /// Evicts entries until the others, with what is reserved for them, fit into the limit of the cache.
    fn make_room(&self, progress: &dyn Progress) -> Result<(), Failure> {
        let Some(most) = self.options.max_size.filter(|_| !self.options.write.dry_run) else { return Ok(()) };
        // One eviction at a time.
        let reserved = self.reserved.lock();
        let evicted = evict(self.cache, most, &reserved, false)?;
        for entry in evicted.entries.iter().filter(|entry| entry.evicted == Some(true)) {
            progress.emit(&Record::CacheEntry(Box::new(entry.clone())))?;
        }
        let kept = evicted.entries.iter().filter(|entry| entry.evicted == Some(false)).count();
        if evicted.bytes > most {
            let text = format!(
                "the cache takes {}, more than --max-size {}: {} in use or pinned",
                zwire::human_bytes(evicted.bytes),
                zwire::human_bytes(most),
                if kept == 1 { "1 entry is".to_owned() } else { format!("{kept} entries are") }
            );
            progress.warn(&text);
        }
        Ok(())
    }
}

/// One store.
struct Job<'a> {
    run: &'a Run<'a>,
    name: &'a Target,
    location: Location,
    entry: Entry,
    progress: &'a dyn Progress,
}

impl Job<'_> {
    fn run(&self) -> Result<(Exit, Value), Failure> {
        let Job { entry, location, .. } = self;
        if self.options().write.dry_run {
            return self.fetch(None);
        }
        if let Some(marker) = self.current()? {
            return self.reuse(&marker);
        }
        if self.options().offline {
            let failure = Failure::new(Exit::Absent, "this selection of it is not in the cache").at(location);
            return Err(failure.hint("leave out --offline to fetch it"));
        }
        let waits = || self.progress.warn(&format!("{location}: another zfetch is fetching it; waiting"));
        let lock = entry.lock(waits, || self.progress.stopped().is_some())?;
        // The one that was waited for may have fetched it.
        let done = match self.current()? {
            Some(marker) => self.reuse(&marker),
            None => self.fetch(entry.marker().as_ref()),
        };
        // Nothing was begun, and nothing is there that was published just before it was marked.
        if done.is_err() && entry.marker().is_none() && !entry.is_begun(None) && !entry.planned().exists() {
            entry.discard()?;
        }
        drop(lock);
        done
    }

    fn options(&self) -> &Options {
        self.run.options
    }

    /// The marker of the entry, if it is complete and the source is as it was.
    fn current(&self) -> Result<Option<Marker>, Failure> {
        let write = &self.options().write;
        let is_usable = |marker: &Marker| marker.is_sound() && !write.begin.replaces();
        let Some(marker) = self.entry.marker().filter(is_usable) else { return Ok(None) };
        // From now on it is not evicted; it may have been just before.
        // Where files cannot be locked, it is used all the same.
        let in_use = self.entry.mark_in_use(&marker);
        let Some(marker) = self.entry.marker().filter(is_usable) else { return Ok(None) };
        if !self.options().offline {
            let store = Store::open_at(&self.location, &write.store)?;
            if !marker.is_current(&store, &write.pool(&store))? {
                return Ok(None);
            }
        }
        self.run.in_use.lock().extend(in_use);
        Ok(Some(marker))
    }

    fn reuse(&self, marker: &Marker) -> Result<(Exit, Value), Failure> {
        let path = self.entry.path(marker).display().to_string();
        self.progress.emit(&Record::Fetched(fetched(Some(self.name), path, None)))?;
        Ok((Exit::Done, json!(FetchSummary { stores: 1, reused: 1, ..FetchSummary::default() })))
    }

    /// Fetches the version after `old`.
    fn fetch(&self, old: Option<&Marker>) -> Result<(Exit, Value), Failure> {
        let Job { entry, location, .. } = self;
        let options = self.options();
        let dry_run = options.write.dry_run;
        let path = if dry_run { entry.planned() } else { entry.next(old)? };
        let make_room = |bytes| {
            self.run.reserved.lock().insert(entry.name().to_owned(), bytes);
            self.run.make_room(self.progress)
        };
        let room = Room { max_size: options.max_size.filter(|_| !dry_run), make: &make_room };
        let fetch = Fetch::new(options, Some(self.name), Some(room));
        let command = Command::Run { sources: vec![self.name.clone()], output: Location::Local(path.clone()) };
        let keep_journal = Some(entry.next_checksums(old));
        let write = WriteOptions { resume: !dry_run, begin: Begin::New, keep_journal, ..options.write.clone() };
        let again = WriteOptions { resume: false, begin: Begin::Overwrite, ..write.clone() };
        // What an earlier run has begun is continued, unless the source has changed since in a way that does not allow it.
        let is_begun = !dry_run && entry.is_begun(old);
        let is_replaced = is_begun && options.write.begin.replaces();
        // An earlier run was killed when all was published but the marker: of which state of the source it is, nobody knows.
        let is_unmarked = !dry_run && !is_begun && path.exists();
        let first = if is_replaced || is_unmarked { &again } else { &write };
        let outcome = match zstage::run(&fetch, &command, first, self.progress) {
            Err(failure) if is_begun && failure.exit == Exit::Usage && first.resume => {
                zstage::run(&fetch, &command, &again, self.progress)
            }
            // Another process has published it in the meantime.
            Ok(outcome) if !dry_run && matches!(outcome.summary, Summary::Complete { .. }) => {
                zstage::run(&fetch, &command, &again, self.progress)
            }
            done => done,
        };
        self.run.reserved.lock().remove(entry.name());
        let outcome = outcome?;
        fetch.warning().iter().for_each(|warning| self.progress.warn(warning));
        let summary = match &outcome.summary {
            Summary::Totals(totals) => fetch.summary(totals),
            other => return Ok((outcome.exit, json!(other))),
        };
        if outcome.exit == Exit::Done {
            let counts = [summary.objects, summary.missing_objects, summary.bytes];
            entry.complete(
                old,
                Marker::new(location, (&options.request, &options.arguments), fetch.documents(), counts),
            )?;
            entry.remove_older()?;
            self.run.in_use.lock().extend(entry.marker().and_then(|marker| entry.mark_in_use(&marker)));
            let path = path.display().to_string();
            self.progress.emit(&Record::Fetched(fetched(Some(self.name), path, Some(&summary))))?;
        }
        Ok((outcome.exit, json!(summary)))
    }
}
