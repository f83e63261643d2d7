//! Fetches stores into the cache, one after the other; what is there and still current is used again.

use serde_json::{Value, json};
use zcli::{Ending, Session, Totals};
use zstage::{Command, Summary, WriteOptions};
use zstore::{Location, METADATA, Store, Target};
use zwire::{Exit, Failure, FetchSummary, Record};

use crate::cache::{Cache, Entry, Marker, default_directory, documents};
use crate::fetch::{Fetch, fetched};
use crate::options::Options;

/// Fetches every store; one that fails does not stop the others.
///
/// # Errors
/// A directory that is no cache.
pub fn run(options: &Options, names: &[Target], session: &mut Session) -> Result<Ending, Failure> {
    let directory = options.cache.clone().map_or_else(default_directory, Ok)?;
    let cache = Cache::open(&directory)?;
    let mut totals = Totals::default();
    let mut failed = Vec::new();
    for name in names {
        let job = Job { options, cache: &cache, name };
        match job.run(session) {
            Ok((exit, summary)) => {
                totals.add(&summary);
                failed.extend(Some(exit).filter(|exit| *exit != Exit::Done));
            }
            Err(failure) => {
                session.item_failed(&failure)?;
                failed.push(failure.exit);
            }
        }
        if let Some(exit) = session.stop.requested() {
            return Ok(Ending::new(exit, &totals.into_map()));
        }
    }
    let worst = failed.first().copied().unwrap_or(Exit::Done);
    Ok(Ending::new(Exit::of_items(names.len() as u64, failed.len() as u64, worst), &totals.into_map()))
}

/// One store.
struct Job<'a> {
    options: &'a Options,
    cache: &'a Cache,
    name: &'a Target,
}

impl Job<'_> {
    fn run(&self, session: &mut Session) -> Result<(Exit, Value), Failure> {
        let location = Location::parse(self.name)?.absolute();
        let entry = self.cache.entry(&location, &self.options.request, &self.options.readable);
        if self.options.write.dry_run {
            return self.fetch(&location, &entry, None, session);
        }
        if let Some(marker) = self.current(&location, &entry)? {
            return self.reuse(&entry, &marker, session);
        }
        if self.options.offline {
            let failure = Failure::new(Exit::Absent, "this selection of it is not in the cache").at(&location);
            return Err(failure.hint("leave out --offline to fetch it"));
        }
        let waits = || session.status.warn(&format!("{location}: another zfetch is fetching it; waiting"));
        let lock = entry.lock(waits, || session.stop.requested().is_some())?;
        // The one that was waited for may have fetched it.
        let done = match self.current(&location, &entry)? {
            Some(marker) => self.reuse(&entry, &marker, session),
            None => self.fetch(&location, &entry, entry.marker().as_ref(), session),
        };
        drop(lock);
        done
    }

    /// The marker of the entry, if it is complete and the source is as it was.
    fn current(&self, location: &Location, entry: &Entry) -> Result<Option<Marker>, Failure> {
        let Some(marker) = entry.marker().filter(|_| !self.options.write.begin.replaces()) else { return Ok(None) };
        if self.options.offline {
            return Ok(Some(marker));
        }
        let store = Store::open_at(location, &self.options.write.store)?;
        let current = marker.is_current(&store, &self.options.write.pool(&store))?;
        Ok(Some(marker).filter(|_| current))
    }

    fn reuse(&self, entry: &Entry, marker: &Marker, session: &mut Session) -> Result<(Exit, Value), Failure> {
        let path = entry.path(marker).display().to_string();
        session.out.emit(&Record::Fetched(fetched(Some(self.name), path, None)))?;
        Ok((Exit::Done, json!(FetchSummary { stores: 1, reused: 1, ..FetchSummary::default() })))
    }

    /// Fetches the version after `old`.
    fn fetch(
        &self,
        location: &Location,
        entry: &Entry,
        old: Option<&Marker>,
        session: &mut Session,
    ) -> Result<(Exit, Value), Failure> {
        let dry_run = self.options.write.dry_run;
        let path = if dry_run { entry.planned() } else { entry.next(old)? };
        let store = Store::open_at(location, &self.options.write.store)?;
        let pool = self.options.write.pool(&store);
        let root = METADATA.into_iter().chain([".zattrs"]).map(str::to_owned).collect();
        let mut watched = documents(&store, root, &pool)?;
        let fetch = Fetch::new(self.options, Some(self.name), true);
        let command = Command::Run { source: self.name.clone(), output: Location::Local(path.clone()) };
        // What an earlier run has begun is continued.
        let begin = zstage::Begin::New;
        let write = WriteOptions { resume: !dry_run, begin, ..self.options.write.clone() };
        let outcome = zstage::run(&fetch, &command, &write, &session.listener())?;
        fetch.warning().iter().for_each(|warning| session.status.warn(warning));
        let summary = match &outcome.summary {
            Summary::Totals(totals) => fetch.summary(totals),
            other => return Ok((outcome.exit, json!(other))),
        };
        if outcome.exit == Exit::Done {
            watched.extend(documents(&store, fetch.documents(), &pool)?);
            let counts = [summary.objects, summary.missing, summary.bytes];
            entry.complete(old, Marker::new(location, &self.options.request, watched, counts))?;
            session.out.emit(&Record::Fetched(fetched(Some(self.name), path.display().to_string(), Some(&summary))))?;
        }
        Ok((outcome.exit, json!(summary)))
    }
}
