//! Many stores in one run, named by arguments, by lines or by the records of another tool.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use serde_json::{Map, Value};
use zcli::{Ending, Selection, Session, Step, Totals, Unit, glob_escape};
use zstage::{Command, Outcome, Summary};
use zstore::{Location, Target, create_directories, write_failed};
use zwire::{Exit, Failure, ratio};

use crate::options::Options;
use crate::recompress::Recompress;

/// Recompresses every one of `stores` into `directory`, one after the other; one that fails does not stop the others.
///
/// # Errors
/// Two stores of one name, or a directory that cannot be made.
pub fn run(
    options: &Options,
    stores: &[Selection],
    directory: &Path,
    session: &mut Session,
) -> Result<Ending, Failure> {
    if directory.to_string_lossy().contains("://") {
        return Err(Failure::usage("must be a local directory, not a URL").at(directory.display()));
    }
    check_names(stores)?;
    if !options.write.dry_run {
        create_directories(directory).map_err(|error| write_failed(directory, error))?;
    }
    let bar = session.status.bar_of_steps(stores.len() as u64, "stores", Unit::Bytes);
    let mut failed = Vec::new();
    let mut totals = Sums::default();
    for selection in stores {
        let output = Location::Local(directory.join(name(&selection.store)));
        match one(options, selection, &output, session, bar.step()) {
            Ok(outcome) => {
                totals.add(&outcome.summary);
                failed.extend(Some(outcome.exit).filter(|exit| *exit != Exit::Done));
            }
            Err(failure) => {
                session.item_failed(&failure)?;
                failed.push(failure.exit);
            }
        }
        if session.stop.requested().is_some() {
            break;
        }
    }
    drop(bar);
    let totals = totals.of(stores.len(), failed.len());
    if let Some(exit) = session.stop.requested() {
        return Ok(Ending::new(exit, &totals));
    }
    let worst = failed.first().copied().unwrap_or(Exit::Done);
    Ok(Ending::new(Exit::of_items(stores.len() as u64, failed.len() as u64, worst), &totals))
}

fn one(
    options: &Options,
    selection: &Selection,
    output: &Location,
    session: &mut Session,
    step: Step,
) -> Result<Outcome, Failure> {
    let mut options = options.clone();
    if !selection.paths.is_empty() {
        if !options.encode.var.is_empty() {
            let failure = Failure::usage("--var cannot be combined with records that name arrays");
            return Err(failure.at(&selection.store));
        }
        options.var_of_records = true;
        options.encode.var = selection.paths.iter().map(|path| glob_escape(path)).collect();
    }
    let command = Command::Run { sources: vec![selection.store.clone()], output: output.clone() };
    let done = zstage::run(&Recompress::new(&options), &command, &options.write, &session.listener_of_step(step));
    // Of many, the one that it is about.
    done.map_err(|failure| failure.or_at(output))
}

/// What the summaries of all stores say together.
#[derive(Default)]
struct Sums {
    counts: Totals,
    complete: u64,
}

impl Sums {
    /// Adds the counts of another store.
    fn add(&mut self, summary: &Summary) {
        self.complete += u64::from(matches!(summary, Summary::Complete { .. }));
        self.counts.add(summary);
    }

    /// The totals of a run over so many stores, of which some failed.
    fn of(self, stores: usize, failed: usize) -> Map<String, Value> {
        let Sums { counts, complete } = self;
        let gain = counts.get("bytes_before").zip(counts.get("bytes_after")).and_then(|(from, to)| ratio(from, to));
        let mut counts = counts.into_map();
        if let Some(gain) = gain {
            counts.insert("gain".into(), gain.into());
        }
        counts.insert("stores".into(), stores.into());
        if failed > 0 {
            counts.insert("stores_failed".into(), failed.into());
        }
        if complete > 0 {
            counts.insert("stores_complete".into(), complete.into());
        }
        counts
    }
}

/// The last part of a path or URL: what the output is called.
fn name(store: &Target) -> OsString {
    let shown = || store.to_string().trim_end_matches('/').rsplit('/').next().map(OsString::from);
    Location::parse(store).ok().map(|location| location.name()).or_else(shown).unwrap_or_default()
}

/// Two outputs of one name would be one.
fn check_names(stores: &[Selection]) -> Result<(), Failure> {
    let mut names: HashMap<OsString, &Target> = HashMap::new();
    for selection in stores {
        let name = name(&selection.store);
        if name.is_empty() {
            return Err(Failure::usage("the store has no name to use for its output").at(&selection.store));
        }
        if let Some(other) = names.insert(name, &selection.store) {
            let text = format!("has the same name as {other}, so both outputs would have the same path");
            return Err(Failure::usage(text).at(&selection.store));
        }
    }
    Ok(())
}
