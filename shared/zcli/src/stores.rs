//! Which stores a command is about: arguments, or lines or records from a file or a pipe.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;

/// The stores named on the command line, then those read from `from` (`-` is standard input): one a line, as plain text or
/// as a record with a `store` member. Records of one store that follow each other name it once.
///
/// # Errors
/// A file that cannot be read, a record without a store, or no store at all.
pub fn stores(named: &[OsString], from: Option<&Path>) -> Result<Vec<OsString>, Failure> {
    let mut stores = named.to_vec();
    if let Some(path) = from {
        let place = path.display().to_string();
        let failed = |error: io::Error| Failure::new(zwire::Exit::Absent, error.to_string()).at(&place);
        let reader: Box<dyn BufRead> = match place.as_str() {
            "-" => Box::new(io::stdin().lock()),
            _ => Box::new(BufReader::new(File::open(path).map_err(failed)?)),
        };
        for (number, line) in reader.split(b'\n').enumerate() {
            let line = line.map_err(failed)?;
            let found =
                store_of(&line).map_err(|what| Failure::usage(format!("line {}: {what}", number + 1)).at(&place))?;
            if let Some(store) = found.filter(|store| stores.last() != Some(store)) {
                stores.push(store);
            }
        }
    }
    if stores.is_empty() {
        return Err(Failure::usage("no store is named").hint("name a STORE, or say --stores-from FILE"));
    }
    Ok(stores)
}

fn store_of(line: &[u8]) -> Result<Option<OsString>, String> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    if line[0] != b'{' {
        return Ok(Some(OsString::from_vec(line.to_vec())));
    }
    let record: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match (record.get("store").and_then(Value::as_str), record.get("type").and_then(Value::as_str)) {
        (Some(store), _) => Ok(Some(store.into())),
        (None, Some("summary" | "error")) => Ok(None),
        _ => Err("the record names no store".into()),
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
        let named = stores(&["x".into()], Some(&path)).expect("stores");
        assert_eq!(named, ["x", "a.zarr", "b.zarr"]);
        std::fs::write(&path, "{\"type\":\"array\"}\n").expect("writes");
        assert!(stores(&[], Some(&path)).expect_err("no store").to_string().contains("line 1"));
        assert_eq!(stores(&[], None).expect_err("none").exit, zwire::Exit::Usage);
        assert_eq!(stores(&[], Some(&dir.path().join("gone"))).expect_err("none").exit, zwire::Exit::Absent);
    }
}
