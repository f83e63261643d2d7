//! `zfetch --repair`: fetches again what was found damaged or missing in the cache. Only there is it known what was selected: an output
//! of another selection may look the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::BufRead;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zcli::{Ending, Session, Totals, open_lines};
use zstage::{Progress, Repaired, Summary, WriteOptions, is_store};
use zstore::{Location, Store, Target};
use zwire::{Exit, Failure, FetchSummary, Record, human_counted};

use crate::cache::{Cache, Entry, Marker, default_directory};
use crate::cli::Args;
use crate::fetch::{Fetch, fetched};
use crate::options::Options;
use crate::run::named::{self, Named};

/// Fetches again what the lines of `file` name.
///
/// # Errors
/// A file that cannot be read, and a store that is not what was fetched.
pub fn run(args: &Args, file: &Path, session: &mut Session) -> Result<Ending, Failure> {
    let lines = open_lines(file, &args.source.options(&session.stop))?;
    let (paths, unnamed) =
        paths(lines).map_err(|error| Failure::new(Exit::Absent, error.to_string()).at(file.display()))?;
    if unnamed > 0 {
        session.item_failed(&named::unnamed(unnamed))?;
    }
    let ending = match &args.to {
        Some(to) => repair_output(args, to, &paths, session),
        None => repair_cache(args, &paths, session),
    }?;
    let is_partial = unnamed > 0 && ending.exit == Exit::Done;
    Ok(if is_partial { Ending { exit: Exit::Partial, ..ending } } else { ending })
}

/// Into an output of `--to`, by the command that wrote it.
fn repair_output(args: &Args, to: &Target, paths: &[String], session: &mut Session) -> Result<Ending, Failure> {
    let [source] = args.stores.as_slice() else {
        let failure =
            Failure::usage("--repair needs the store from which DST was fetched, and what was selected of it");
        return Err(failure.hint("use the command that fetched it, with --repair FILE"));
    };
    let options = args.options(&session.stop, |text| session.status.warn(text))?;
    let output = Location::output(to)?;
    if !is_store(&output, &options.write.store)? {
        let failure = Failure::new(Exit::Absent, "no store to repair").at(&output);
        return Err(failure.hint("leave out --repair to fetch it"));
    }
    let (mut keys, mut failed) = (Vec::new(), 0);
    for path in paths {
        match key_in(&output, path) {
            Some(key) => keys.push(key),
            None => {
                session.item_failed(&elsewhere(path, &format!("not in {output}")))?;
                failed += 1;
            }
        }
    }
    let mut totals = Totals::default();
    let mut exit = if failed == 0 { Exit::Done } else { Exit::Partial };
    if !keys.is_empty() {
        let job = Job { source, output: &output, options: &options, write: &options.write };
        exit = match job.run(&keys, session, &mut totals)?.outcome.exit {
            Exit::Done => exit,
            other => other,
        };
    }
    Ok(Ending::new(exit, &totals.into_map()))
}

/// The key of an object in an output, from its path or URL.
fn key_in(output: &Location, path: &str) -> Option<String> {
    match output.local() {
        Some(root) => {
            let key = absolute(Path::new(path)).strip_prefix(absolute(root)).ok()?.to_str()?.to_owned();
            Some(key).filter(|key| !key.is_empty())
        }
        None => {
            let key = path.strip_prefix(&output.to_string())?.strip_prefix('/')?;
            Some(key.to_owned()).filter(|key| !key.is_empty())
        }
    }
}

/// Fetches objects of one store again.
struct Job<'a> {
    source: &'a Target,
    output: &'a Location,
    options: &'a Options,
    write: &'a WriteOptions,
}

impl Job<'_> {
    fn run(&self, keys: &[String], session: &mut Session, totals: &mut Totals) -> Result<Repaired, Failure> {
        let fetch = Fetch::new(self.options, Some(self.source), None);
        let listener = session.listener();
        let repaired = zstage::repair(&fetch, (self.source, self.output), keys, self.write, &listener)?;
        let outcome = &repaired.outcome;
        if let Summary::Totals(done) = &outcome.summary {
            let summary = FetchSummary { unknown_versions: Some(repaired.unknown), ..fetch.summary(done) };
            totals.add(&serde_json::json!(summary));
            if outcome.exit == Exit::Done {
                let path = self.output.absolute().to_string();
                listener.emit(&Record::Fetched(fetched(Some(self.source), path, Some(&summary))))?;
            }
        }
        if repaired.unknown > 0 {
            let objects = human_counted(repaired.unknown, "object");
            let text = "no checksums were kept when they were fetched first; whether the source has changed since is not known";
            listener.warn(&format!("{}: {objects}: {text}", self.output));
        }
        Ok(repaired)
    }
}

/// The paths of objects: a line of text is one, and a record may name one. Also the number of records that only report damage.
fn paths(lines: impl BufRead) -> std::io::Result<(Vec<String>, u64)> {
    let (mut paths, mut unnamed) = (Vec::new(), 0);
    for line in lines.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        match serde_json::from_str::<Value>(&line) {
            _ if line.is_empty() => {}
            Ok(Value::Object(record)) => match named::named(&record) {
                Named::Object(path) => paths.push(path),
                Named::Unknown => unnamed += 1,
                Named::Nothing => {}
            },
            _ => paths.push(line),
        }
    }
    Ok((paths, unnamed))
}

/// Into the entries of the cache: each knows what it was fetched from.
fn repair_cache(args: &Args, paths: &[String], session: &mut Session) -> Result<Ending, Failure> {
    if !args.stores.is_empty() {
        let failure = Failure::usage("--repair finds the entries of the cache by the paths");
        return Err(failure.hint("leave out the stores; to repair an output, add --to DST"));
    }
    let directory = args.cache.clone().map_or_else(default_directory, Ok)?;
    let cache = Cache::existing(&directory)?;
    let entries = cache.entries()?;
    let mut found: BTreeMap<usize, Vec<PathBuf>> = BTreeMap::new();
    let (mut totals, mut exits) = (Totals::default(), Vec::new());
    for path in paths {
        let whole = absolute(Path::new(path));
        match entries.iter().position(|entry| entry.contains(&whole)) {
            Some(entry) => found.entry(entry).or_default().push(whole),
            None => {
                session.item_failed(&elsewhere(path, &format!("not in the cache {}", cache.directory().display())))?;
                exits.push(Exit::Partial);
            }
        }
    }
    for (entry, paths) in found {
        let done = repair_entry(&entries[entry], &paths, session, &mut totals);
        exits.push(match done {
            Ok(exit) => exit,
            Err(failure) => {
                session.item_failed(&failure)?;
                failure.exit
            }
        });
        if let Some(exit) = session.stop.requested() {
            return Ok(Ending::new(exit, &totals.into_map()));
        }
    }
    let failed: Vec<Exit> = exits.iter().copied().filter(|exit| *exit != Exit::Done).collect();
    let worst = failed.first().copied().unwrap_or(Exit::Done);
    Ok(Ending::new(Exit::of_items(exits.len() as u64, failed.len() as u64, worst), &totals.into_map()))
}

fn repair_entry(entry: &Entry, paths: &[PathBuf], session: &mut Session, totals: &mut Totals) -> Result<Exit, Failure> {
    let _lock = entry.lock(|| (), || session.stop.requested().is_some())?;
    let again = |text: &str| {
        let failure = Failure::new(Exit::Absent, text).at(entry.name());
        failure.hint("run the command that fetched it again, with --overwrite if it is complete")
    };
    let Some(marker) = entry.marker() else { return Err(again("the entry is not complete")) };
    let _in_use = entry.mark_in_use(&marker);
    if marker.arguments.iter().any(|argument| argument == "--points=-") {
        return Err(again("its points came from standard input and are not known any more"));
    }
    let (source, options) = options_of(&marker, session)?;
    if options.request != marker.request {
        return Err(again("its selection has changed: was the file of --points edited?"));
    }
    let store = Store::open(source.clone(), &options.write.store)?;
    let pool = options.write.pool(&store);
    if !marker.is_current(&store, &pool)? {
        if !marker.has_same_sizes(&store, &pool)? {
            return Err(again("the metadata of its source has changed since it was fetched"));
        }
        // What they say is compared with what was written.
        let text = "the metadata of the source was rewritten since it was fetched, without a change";
        session.status.warn(&format!("{}: {text}", marker.store));
    }
    let root = entry.path(&marker);
    let relative = |path: &PathBuf| Some(path.strip_prefix(&root).ok()?.to_str()?.to_owned());
    let keys: Vec<String> = paths.iter().filter_map(relative).collect();
    for path in paths.iter().filter(|path| relative(path).is_none()) {
        session.item_failed(&elsewhere(&path.display().to_string(), "not in the current version of the entry"))?;
    }
    if keys.is_empty() {
        return Ok(Exit::Partial);
    }
    let write = WriteOptions { keep_journal: entry.checksums(&marker), ..options.write.clone() };
    let output = Location::Local(root);
    let job = Job { source: &source, output: &output, options: &options, write: &write };
    let repaired = job.run(&keys, session, totals);
    entry.forget_disk_bytes()?;
    let repaired = repaired?;
    note_refused(entry, marker, &repaired)?;
    let exit = repaired.outcome.exit;
    Ok(if keys.len() < paths.len() && exit == Exit::Done { Exit::Partial } else { exit })
}

/// Enters in the marker of an entry which of its objects stay damaged, so that it does not pass as complete.
fn note_refused(entry: &Entry, mut marker: Marker, repaired: &Repaired) -> Result<(), Failure> {
    let written: HashSet<&String> = repaired.written.iter().collect();
    let before = marker.refused.iter().filter(|key| !written.contains(key));
    let refused: BTreeSet<String> = before.chain(&repaired.refused).cloned().collect();
    if refused == marker.refused {
        return Ok(());
    }
    marker.refused = refused;
    entry.mark(&marker)
}

/// The source of an entry, and the options with which it was fetched, where the command line has no others.
fn options_of(marker: &Marker, session: &Session) -> Result<(Target, Options), Failure> {
    let merged = Args::with_earlier(&marker.store, &marker.arguments)
        .map_err(|error| Failure::usage(error).at(&marker.store))?;
    let source = merged.stores.first().cloned().unwrap_or_else(|| marker.store.as_str().into());
    let options = merged.options(&session.stop, |text| session.status.warn(text))?;
    Ok((source, options))
}

fn elsewhere(path: &str, what: &str) -> Failure {
    Failure::new(Exit::Absent, what).at(path)
}

/// A path without links, as far as it exists.
fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match existing {
        // An empty path would be joined as a slash at the end.
        Some((above, real)) => match path.strip_prefix(above) {
            Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
            _ => real,
        },
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_records_name_objects() {
        let text = "c/a.zarr/t2m/0.0\n\n{\"type\":\"finding\",\"store\":\"c/b.zarr/\",\"key\":\"t2m/c/0\"}\n{\"type\":\"finding\",\"store\":\"x\"}\n{\"type\":\"summary\",\"store\":\"x\"}\n";
        assert_eq!(
            paths(text.as_bytes()).expect("reads"),
            (vec!["c/a.zarr/t2m/0.0".into(), "c/b.zarr/t2m/c/0".into()], 1)
        );
    }
}
