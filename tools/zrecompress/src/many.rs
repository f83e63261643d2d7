//! Many stores in one run, named by lines or by the records of another tool.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use serde_json::{Map, Value};
use zcli::{Ending, Selection, Session, glob_escape, selections};
use zstage::{Command, Outcome, Summary};
use zstore::{Location, Target, create_directories, write_failed};
use zwire::{Exit, Failure};

use crate::options::Options;
use crate::recompress::Recompress;

/// Recompresses every store that `from` names into `directory`, one after the other; one that fails does not stop the others.
///
/// # Errors
/// A list that cannot be read, or two stores of one name.
pub fn run(options: &Options, from: &Path, directory: &Path, session: &mut Session) -> Result<Ending, Failure> {
    if directory.to_string_lossy().contains("://") {
        return Err(Failure::usage("must be a local directory, not a URL").at(directory.display()));
    }
    let stores = selections(from)?;
    check_names(&stores)?;
    if !options.write.dry_run {
        create_directories(directory).map_err(|error| write_failed(directory, error))?;
    }
    let mut failed = Vec::new();
    let mut totals = Map::new();
    for selection in &stores {
        let output = Location::Local(directory.join(name(&selection.store)));
        match one(options, selection, &output, session) {
            Ok(outcome) => {
                add(&mut totals, &outcome.summary);
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
    totals.insert("stores".into(), stores.len().into());
    if let Some(exit) = session.stop.requested() {
        return Ok(Ending::new(exit, &totals));
    }
    let worst = failed.first().copied().unwrap_or(Exit::Done);
    Ok(Ending::new(Exit::of_items(stores.len() as u64, failed.len() as u64, worst), &totals))
}

fn one(options: &Options, selection: &Selection, output: &Location, session: &mut Session) -> Result<Outcome, Failure> {
    let mut options = options.clone();
    if !selection.paths.is_empty() {
        if !options.encode.var.is_empty() {
            return Err(Failure::usage("--var cannot be combined with records that name arrays"));
        }
        options.encode.var = selection.paths.iter().map(|path| glob_escape(path)).collect();
    }
    let command = Command::Run { source: selection.store.clone(), output: output.clone() };
    zstage::run(&Recompress::new(&options), &command, &options.write, &session.listener())
}

/// Adds the counts of another store.
fn add(totals: &mut Map<String, Value>, summary: &Summary) {
    let Ok(Value::Object(more)) = serde_json::to_value(summary) else { return };
    for (key, value) in more {
        if let Some(value) = value.as_u64() {
            let sum = totals.get(&key).and_then(Value::as_u64).unwrap_or(0);
            totals.insert(key, sum.saturating_add(value).into());
        }
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
