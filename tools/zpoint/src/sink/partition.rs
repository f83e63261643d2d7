//! One directory per value of a key, with Hive-style names: `OUT/KEY=VALUE/part-0.EXT`. The files do not contain the
//! key, which readers take from the path.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zarray::Pool;
use zcoord::Column;
use zwire::Failure;

use super::failure::write_failed;
use super::staging::Staged;
use super::{Format, Options, Sink, Written, cells, table};
use crate::batch::{Batch, KeyColumn, Schema};

/// Maximum number of directories; one file in each is open at the same time.
const MOST: usize = 1000;

/// Directory name for missing values.
const MISSING: &str = "__HIVE_DEFAULT_PARTITION__";

/// A table for each value of a key.
pub struct Partitions {
    format: Format,
    directory: PathBuf,
    target: String,
    key: usize,
    name: String,
    /// The schema without the key.
    schema: Schema,
    options: Options,
    parts: Vec<Box<dyn Sink + Send>>,
    by_value: HashMap<String, usize>,
    /// Bytes written to each part.
    bytes: Vec<u64>,
}

/// Checks the key and the format.
///
/// # Errors
/// A usage failure: the key does not exist, or the format is not a table format.
pub fn check(format: Format, schema: &Schema, key: &str) -> Result<usize, Failure> {
    if matches!(format, Format::Npy | Format::Zarr) {
        let what = format!("{} output is one array and cannot be partitioned", format.name());
        return Err(Failure::usage(what).hint("omit --partition-by, or use csv, jsonl or parquet"));
    }
    schema.keys.iter().position(|known| known.name == key).ok_or_else(|| {
        let names: Vec<&str> = schema.keys.iter().map(|key| key.name.as_str()).collect();
        Failure::usage(format!("no key column {key:?} to partition by"))
            .hint(format!("key columns: {}", names.join(", ")))
    })
}

impl Partitions {
    /// Starts without directories; each is created with its first row.
    ///
    /// # Errors
    /// The errors of [`check`].
    pub fn begin(
        format: Format,
        main: &Staged,
        schema: &Schema,
        options: &Options,
        key: &str,
    ) -> Result<Partitions, Failure> {
        let at = check(format, schema, key)?;
        allow_open_files();
        let mut schema = schema.clone();
        schema.keys.remove(at);
        Ok(Partitions {
            format,
            directory: main.path().to_owned(),
            target: main.place(),
            key: at,
            name: encode(key),
            schema,
            options: options.clone(),
            parts: Vec::new(),
            by_value: HashMap::new(),
            bytes: Vec::new(),
        })
    }

    /// The index of the part for this value; creates the part if necessary.
    fn part(&mut self, values: &Column, row: usize) -> Result<usize, Failure> {
        let value = cells::plain(values, row).map_or_else(|| MISSING.to_owned(), |text| encode(&text));
        if let Some(part) = self.by_value.get(&value) {
            return Ok(*part);
        }
        if self.parts.len() == MOST {
            let what = format!("key column {:?} has more than {MOST} values, and each would be a directory", self.name);
            return Err(Failure::usage(what).at(&self.target).hint("partition by another column"));
        }
        let part = self.begin_part(&format!("{}={value}", self.name))?;
        self.parts.push(part);
        self.bytes.push(0);
        self.by_value.insert(value, self.parts.len() - 1);
        Ok(self.parts.len() - 1)
    }

    fn begin_part(&self, name: &str) -> Result<Box<dyn Sink + Send>, Failure> {
        let file_name = format!("part-0.{}", self.format.name());
        let target = Path::new(&self.target).join(name).join(&file_name).display().to_string();
        let file = zstore::create_file(&self.directory.join(name).join(file_name));
        let file = file.map_err(|error| write_failed(&target, &error))?;
        table::table(self.format, file, target, &self.schema, &self.options, None)
    }

    /// Limits the total memory of all row groups to that of one.
    fn keep_within(&mut self, pool: &Pool) -> Result<(), Failure> {
        let mut buffered: Vec<u64> = self.parts.iter().map(|part| part.buffered()).collect();
        while buffered.iter().sum::<u64>() > self.options.row_group_bytes {
            let Some(largest) = (0..buffered.len()).max_by_key(|part| buffered[*part]) else { break };
            self.parts[largest].relieve(pool)?;
            buffered[largest] = 0;
        }
        Ok(())
    }
}

impl Sink for Partitions {
    fn write(&mut self, batch: &Batch, pool: &Pool) -> Result<u64, Failure> {
        let key = &batch.keys[self.key];
        // In order of appearance, so that the same rows always give the same parts.
        let mut rows_of: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut of_code: HashMap<u32, usize> = HashMap::new();
        for (row, code) in key.codes.iter().enumerate() {
            let slot = match of_code.get(code) {
                Some(slot) => *slot,
                None => {
                    let part = self.part(&key.distinct, *code as usize)?;
                    let slot = rows_of.iter().position(|(known, _)| *known == part).unwrap_or(rows_of.len());
                    if slot == rows_of.len() {
                        rows_of.push((part, Vec::new()));
                    }
                    of_code.insert(*code, slot);
                    slot
                }
            };
            rows_of[slot].1.push(row);
        }
        for (part, rows) in rows_of {
            let batch = some_rows(batch, &rows, self.key, pool);
            self.bytes[part] = self.parts[part].write(&batch, pool)?;
        }
        self.keep_within(pool)?;
        Ok(self.bytes.iter().sum())
    }

    fn buffered(&self) -> u64 {
        self.parts.iter().map(|part| part.buffered()).sum()
    }

    fn finish(self: Box<Self>) -> Result<Written, Failure> {
        let mut all = Written::default();
        for part in self.parts {
            let written = part.finish()?;
            all.rows += written.rows;
            all.bytes += written.bytes;
        }
        Ok(all)
    }
}

/// Selects rows of a batch and drops one key.
fn some_rows(batch: &Batch, rows: &[usize], without: usize, pool: &Pool) -> Batch {
    let codes = |key: &KeyColumn| rows.iter().map(|row| key.codes[*row]).collect();
    let kept = batch.keys.iter().enumerate().filter(|(at, _)| *at != without);
    let keys = kept.map(|(_, key)| KeyColumn { distinct: key.distinct.clone(), codes: codes(key) }).collect();
    let features = pool.map(batch.features.iter().collect(), |feature| feature.gather(rows));
    Batch { rows: rows.len(), keys, features }
}

/// A value as a path component: `/`, `=`, `%` and control characters are percent-encoded. An empty text is different
/// from a missing value, but a directory needs a name.
pub fn encode(text: &str) -> String {
    if text.is_empty() {
        return MISSING.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '/' | '=' | '%') || character.is_control() {
            let mut bytes = [0; 4];
            out.extend(character.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        } else {
            out.push(character);
        }
    }
    out
}

/// Raises the soft limit of open files. If the hard limit is too low, opening a file reports the error.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = (2 * MOST) as u64;
    if limit.current.is_some_and(|current| current < wanted) {
        let current = Some(limit.maximum.map_or(wanted, |most| wanted.min(most)));
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use zcoord::{Kind, Values};

    use super::*;
    use crate::sink::fixture::{self, names};

    fn partitioned(format: Format, key: &str, options: Options) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("out");
        let table = (fixture::schema(), fixture::batches());
        let options = Options { partition_by: Some(key.into()), ..options };
        let written = fixture::saved(format, &path, &table, &options, 2).expect("writes");
        assert_eq!(written.rows, 4);
        (directory, path)
    }

    #[test]
    fn each_value_has_a_directory_and_rows_keep_their_order() {
        let (directory, path) = partitioned(Format::Csv, "point_id", Options::default());
        assert_eq!(names(directory.path()), ["out", "out.columns.jsonl"]);
        assert_eq!(names(&path), ["point_id=0", "point_id=a,\"b\"%0A"]);
        let text = fs::read_to_string(path.join("point_id=0/part-0.csv")).expect("reads");
        assert_eq!(
            text,
            "lat,lon,time,t_850,t_500,n,flag\n\
             51.5,-0.125,2019-03-01T00:00:00Z,281.6084,250.0,-3,true\n\
             51.5,-0.125,2019-03-01T06:00:00Z,282.5,251.0,7,true\n"
        );
    }

    #[test]
    fn row_groups_of_all_parts_share_their_memory() {
        let (_directory, path) =
            partitioned(Format::Parquet, "time", Options { row_group_bytes: 1, ..Options::default() });
        assert_eq!(names(&path), ["time=2019-03-01T00:00:00Z", "time=2019-03-01T06:00:00Z"]);
        assert!(fs::metadata(path.join("time=2019-03-01T06:00:00Z/part-0.parquet")).expect("stat").len() > 0);
    }

    #[test]
    fn an_old_partition_is_replaced_when_asked() {
        let (_directory, path) = partitioned(Format::Jsonl, "time", Options::default());
        let table = (fixture::schema(), fixture::batches());
        let options = Options { partition_by: Some("time".into()), ..Options::default() };
        assert!(fixture::saved(Format::Jsonl, &path, &table, &options, 1).is_err());
        let options = Options { overwrite: true, ..options };
        fixture::saved(Format::Jsonl, &path, &table, &options, 1).expect("replaces");
        let text = fs::read_to_string(path.join("time=2019-03-01T00:00:00Z/part-0.jsonl")).expect("reads");
        assert!(text.starts_with(r#"{"type":"row","v":1,"point_id":"0","lat":51.5,"lon":-0.125,"t_850":281.6084"#));
    }

    #[test]
    fn too_many_values_are_refused() {
        let directory = tempfile::tempdir().expect("directory");
        let (schema, mut batches) = fixture::floats();
        let batch = &mut batches[0];
        let ids = (0..=MOST).map(|id| id.to_string()).collect();
        batch.rows = MOST + 1;
        batch.keys[0] =
            KeyColumn { distinct: Column::new(Kind::Text, Values::Text(ids)), codes: (0..=MOST as u32).collect() };
        let options = Options { partition_by: Some("point_id".into()), ..Options::default() };
        let path = directory.path().join("out");
        let refused = fixture::saved(Format::Csv, &path, &(schema, batches), &options, 1).expect_err("1001 values");
        assert!(refused.to_string().contains("more than 1000 values"));
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn arrays_and_unknown_keys_are_refused() {
        let schema = fixture::schema();
        assert!(check(Format::Npy, &schema, "time").is_err());
        assert!(check(Format::Zarr, &schema, "time").is_err());
        let refused = check(Format::Csv, &schema, "level").expect_err("no key");
        assert_eq!(refused.advice(), Some("key columns: point_id, lat, lon, time"));
    }

    #[test]
    fn values_are_encoded() {
        for (text, encoded) in
            [("a/b=c%", "a%2Fb%3Dc%25"), ("", MISSING), ("Zürich 1", "Zürich 1"), ("\u{85}", "%C2%85")]
        {
            assert_eq!(encode(text), encoded);
        }
    }
}
