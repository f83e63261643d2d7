//! The input stores of a command: arguments, or lines or records from a file or a pipe.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use serde_json::Value;

use zstore::{StoreOptions, Target, standard_input};
use zwire::Failure;

use crate::Session;

/// The stores given on the command line, then those read from `from` (`-` is stdin): one per line, as plain text or as a record
/// with a `store` field. URLs with wildcards are expanded by listing. Consecutive lines of one store count once.
///
/// # Errors
/// `Exit::Absent` if the file cannot be read; `Exit::Usage` for a record without a store, or if neither a store nor a file is
/// given. A file without any store is no error: it is the end of a pipe that found nothing.
pub fn stores(named: &[Target], from: Option<&Path>, options: &StoreOptions) -> Result<Vec<Target>, Failure> {
    let mut stores = Vec::new();
    each_store(named, from, options, |found| {
        if found.origin == Origin::Argument || stores.last() != Some(&found.store) {
            stores.push(found.store);
        }
    })?;
    if named.is_empty() && from.is_none() {
        return Err(no_store());
    }
    Ok(stores)
}

fn no_store() -> Failure {
    Failure::usage("no store given").hint("give a STORE, or use --stores-from FILE")
}

impl Session {
    /// Says that a list has no store, and that there is nothing to do.
    pub fn note_no_stores(&self, from: Option<&Path>) {
        let list = match from.map(|path| path.display().to_string()) {
            Some(list) if list != "-" => list,
            _ => "standard input".into(),
        };
        self.status.warn(&format!("{list}: no store is listed; nothing to do"));
    }
}

/// A store and its selected arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Path or URL.
    pub store: Target,
    /// Absolute paths of arrays; empty: the whole store.
    pub paths: Vec<String>,
}

/// The stores given on the command line and those read from `from`, each once, in order of first occurrence: a name or line of
/// plain text selects the whole store, a record with `store` and `path` one array of it.
///
/// # Errors
/// As [`stores`].
pub fn selections(named: &[Target], from: Option<&Path>, options: &StoreOptions) -> Result<Vec<Selection>, Failure> {
    let mut selections: Vec<Selection> = Vec::new();
    let mut numbers: HashMap<Target, usize> = HashMap::new();
    let mut whole: HashSet<Target> = HashSet::new();
    each_store(named, from, options, |found| {
        let number = *numbers.entry(found.store.clone()).or_insert_with(|| {
            selections.push(Selection { store: found.store.clone(), paths: Vec::new() });
            selections.len() - 1
        });
        match found.path {
            Some(path) => selections[number].paths.push(path),
            None => drop(whole.insert(found.store)),
        }
    })?;
    if named.is_empty() && from.is_none() {
        return Err(no_store());
    }
    for selection in selections.iter_mut().filter(|selection| whole.contains(&selection.store)) {
        selection.paths.clear();
    }
    Ok(selections)
}

/// A store that was named, and how.
struct Found {
    store: Target,
    path: Option<String>,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Argument,
    Line,
    Record,
}

/// Calls `see` for each store, those of wildcards one by one.
fn each_store(
    named: &[Target],
    from: Option<&Path>,
    options: &StoreOptions,
    mut see: impl FnMut(Found),
) -> Result<(), Failure> {
    let mut see_all = |found: Found| -> Result<(), Failure> {
        match found.origin {
            // What a record names was found by a tool.
            Origin::Record => see(found),
            origin => {
                let stores = found.store.expanded(options)?.into_iter();
                stores.for_each(|store| see(Found { store, path: None, origin }));
            }
        }
        Ok(())
    };
    for name in named {
        see_all(Found { store: name.clone(), path: None, origin: Origin::Argument })?;
    }
    from.map_or(Ok(()), |path| each_line(path, options, see_all))
}

/// Opens a file of lines; "-" is standard input, of which reads fail once the process is asked to stop.
///
/// # Errors
/// [`zwire::Exit::Absent`].
pub fn open_lines(path: &Path, options: &StoreOptions) -> Result<Box<dyn BufRead>, Failure> {
    let place = path.display().to_string();
    let opened: io::Result<Box<dyn BufRead>> = match place.as_str() {
        "-" => standard_input(&options.stop).map(|input| Box::new(input) as _),
        _ => File::open(path).map(|file| Box::new(BufReader::new(file)) as _),
    };
    opened.map_err(|error| Failure::new(zwire::Exit::Absent, error.to_string()).at(&place))
}

fn each_line(
    path: &Path,
    options: &StoreOptions,
    mut see: impl FnMut(Found) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let place = path.display().to_string();
    let failed = |error: io::Error| Failure::new(zwire::Exit::Absent, error.to_string()).at(&place);
    for (number, line) in open_lines(path, options)?.split(b'\n').enumerate() {
        let line = line.map_err(failed)?;
        let found = found_in(&line);
        let found = found.map_err(|what| Failure::usage(format!("line {}: {what}", number + 1)).at(&place))?;
        found.map_or(Ok(()), &mut see)?;
    }
    Ok(())
}

fn found_in(line: &[u8]) -> Result<Option<Found>, String> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    if line[0] != b'{' {
        return Ok(Some(Found { store: OsString::from_vec(line.to_vec()).into(), path: None, origin: Origin::Line }));
    }
    let record: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let member = |key: &str| record.get(key).and_then(Value::as_str);
    match (member("store"), member("type")) {
        (Some(store), _) => {
            Ok(Some(Found { store: store.into(), path: member("path").map(str::to_owned), origin: Origin::Record }))
        }
        // A record about something else: a summary, an error, a value that several stores have.
        (None, Some("summary" | "error")) => Ok(None),
        (None, Some(_)) if record.get("v").is_some() => Ok(None),
        _ => Err("the record has no \"store\" field".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_records_name_stores() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("list");
        let text = "a.zarr\n\n{\"type\":\"array\",\"store\":\"b.zarr\"}\n{\"type\":\"array\",\"store\":\"b.zarr\"}\n{\"type\":\"summary\"}\n";
        std::fs::write(&path, text).expect("writes");
        let named = stores(&["x".into()], Some(&path), &StoreOptions::default()).expect("stores");
        assert_eq!(named, ["x", "a.zarr", "b.zarr"].map(Target::from));
        let text = format!("{text}{}\n{}\n", r#"{"store":"c","path":"/t"}"#, r#"{"store":"c","path":"/u"}"#);
        std::fs::write(&path, format!("{text}{}\n", r#"{"store":"a.zarr","path":"/t"}"#)).expect("writes");
        let found = selections(&[], Some(&path), &StoreOptions::default()).expect("selections");
        let found: Vec<_> = found.iter().map(|found| (found.store.to_string(), found.paths.join(" "))).collect();
        let expected = [("a.zarr", ""), ("b.zarr", ""), ("c", "/t /u")];
        assert_eq!(found, expected.map(|(store, paths)| (store.to_owned(), paths.to_owned())));
        std::fs::write(&path, "\n{\"type\":\"summary\"}\n{\"type\":\"duplicate\",\"v\":1,\"stores\":[\"a\"]}\n")
            .expect("writes");
        assert_eq!(stores(&[], Some(&path), &StoreOptions::default()).expect("nothing to do"), []);
        assert_eq!(selections(&[], None, &StoreOptions::default()).expect_err("none").exit, zwire::Exit::Usage);
        std::fs::write(&path, "{\"type\":\"array\"}\n").expect("writes");
        assert!(
            stores(&[], Some(&path), &StoreOptions::default()).expect_err("no store").to_string().contains("line 1")
        );
        assert_eq!(stores(&[], None, &StoreOptions::default()).expect_err("none").exit, zwire::Exit::Usage);
        assert_eq!(
            stores(&[], Some(&dir.path().join("gone")), &StoreOptions::default()).expect_err("none").exit,
            zwire::Exit::Absent
        );
    }
}
