//! Many stores in one run, named by lines or by the records of another tool.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use zcli::{Ending, Selection, Session, glob_escape, selections};
use zstore::{Begin, Location, write_failed};
use zwire::{Exit, Failure};

use crate::cli::Args;
use crate::run::{Whole, whole};

/// Recompresses every store that `from` names into `directory`, one after the other; one that fails does not stop the others.
///
/// # Errors
/// A list that cannot be read, or two stores of one name.
pub fn run(args: &Args, from: &Path, directory: &Path, session: &mut Session) -> Result<Ending, Failure> {
    if directory.to_string_lossy().contains("://") {
        return Err(Failure::usage("is a URL, and must be a local directory").at(directory.display()));
    }
    let stores = selections(from)?;
    check_names(&stores)?;
    if !args.dry_run {
        fs::create_dir_all(directory).map_err(|error| write_failed(directory, error))?;
    }
    let mut failed = Vec::new();
    let mut totals = Map::new();
    for selection in &stores {
        let output = Location::Local(directory.join(name(&selection.store)));
        match one(args, selection, &output, session) {
            Ok(ending) => {
                add(&mut totals, &ending.totals);
                failed.extend(Some(ending.exit).filter(|exit| *exit != Exit::Done));
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
    let worst = failed.first().copied().unwrap_or(Exit::Done);
    let exit = Exit::of_items(stores.len() as u64, failed.len() as u64, worst);
    Ok(Ending { exit, totals })
}

fn one(args: &Args, selection: &Selection, output: &Location, session: &mut Session) -> Result<Ending, Failure> {
    let mut choices = args.choices.clone();
    if !selection.paths.is_empty() {
        if !choices.var.is_empty() {
            return Err(Failure::usage("--var and records that name arrays do not go together"));
        }
        choices.var = selection.paths.iter().map(|path| glob_escape(path)).collect();
    }
    let order = |resume| Whole {
        choices: &choices,
        source: &selection.store,
        output,
        begin: if args.overwrite { Begin::Overwrite } else { Begin::New },
        resume,
    };
    let begun = output.with_suffix(".plan").is_ok_and(|plan| plan.local().is_some_and(|path| path.exists()));
    match (args.resume, output.local().is_some_and(Path::exists)) {
        // An earlier run finished this one.
        (true, true) if !begun => Ok(Ending { exit: Exit::Done, totals: Map::new() }),
        (resume, _) => whole(args, &order(resume && begun), session),
    }
}

/// The last part of a path or URL: what the output is called.
fn name(store: &OsStr) -> OsString {
    let text = store.to_string_lossy();
    if text.contains("://") {
        return text.trim_end_matches('/').rsplit('/').next().unwrap_or_default().into();
    }
    let path = Path::new(store);
    match path.file_name() {
        Some(name) => name.to_owned(),
        None => path.canonicalize().ok().and_then(|path| path.file_name().map(OsStr::to_owned)).unwrap_or_default(),
    }
}

/// Two outputs of one name would be one.
fn check_names(stores: &[Selection]) -> Result<(), Failure> {
    let mut names: HashMap<OsString, &OsStr> = HashMap::new();
    for selection in stores {
        let name = name(&selection.store);
        if name.is_empty() {
            return Err(Failure::usage("has no name that an output could have").at(selection.store.display()));
        }
        if let Some(other) = names.insert(name, &selection.store) {
            let text = format!("has the same name as {}, and so would its output", other.display());
            return Err(Failure::usage(text).at(selection.store.display()));
        }
    }
    Ok(())
}

/// Adds up what can be added up.
fn add(totals: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        if let Some(value) = value.as_u64() {
            let sum = totals.get(key).and_then(Value::as_u64).unwrap_or(0);
            totals.insert(key.clone(), sum.saturating_add(value).into());
        }
    }
}
