//! Where results go, and in which format.

use std::path::{Path, PathBuf};

use zstore::{Location, Target};
use zwire::Failure;

/// Where rows or a store go.
pub enum Place {
    /// Final states, or with `--every` states on the way, as records.
    Records,
    /// A Zarr store.
    Store(Target),
    /// A file of rows.
    File(PathBuf, RowFormat),
    /// Rows on standard output.
    Stdout(RowFormat),
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    Csv,
    Jsonl,
}

/// `--to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Zarr,
    Rows(RowFormat),
}

/// Ends of the names of files that are no Zarr stores, and that this tool does not write.
const OTHERS: [&str; 26] = [
    "arrow", "bin", "bz2", "dat", "feather", "gif", "grib", "grib2", "gz", "h5", "hdf", "hdf5", "jpg", "json", "mat",
    "nc", "nc4", "npy", "npz", "parquet", "pdf", "png", "pq", "svg", "tsv", "txt",
];

impl Place {
    /// The place of an output with this name, in a format that is given or follows from the name.
    ///
    /// # Errors
    /// A name of another format; rows behind a URL.
    pub fn of(path: &Path, to: Option<To>) -> Result<Place, Failure> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        let by_name = match extension.as_deref() {
            Some("csv") => To::Rows(RowFormat::Csv),
            Some("jsonl" | "ndjson") => To::Rows(RowFormat::Jsonl),
            Some(other) if to.is_none() && OTHERS.contains(&other) => {
                let text = format!("cannot write .{other} files");
                let hint = "the name ends in .csv, .jsonl or, for a Zarr store, .zarr; or give the format with --to";
                return Err(Failure::usage(text).at(path.display()).hint(hint));
            }
            _ => To::Zarr,
        };
        let format = match to.unwrap_or(by_name) {
            To::Zarr => return Ok(Place::Store(Target::from(path))),
            To::Rows(format) => format,
        };
        match Location::parse(path)? {
            Location::Local(path) => Ok(Place::File(path, format)),
            location => Err(Failure::usage("CSV and JSON Lines are written to local files only")
                .at(location)
                .hint("write a local file, or a Zarr store")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_format_or_is_refused() {
        let of = |name: &str, to| Place::of(Path::new(name), to);
        for name in ["a.zarr", "a", "run.2024", "s3://bucket/a.zarr", "a.ZARR"] {
            assert!(matches!(of(name, None), Ok(Place::Store(_))), "{name}");
        }
        for (name, format) in
            [("a.csv", RowFormat::Csv), ("b/a.NDJSON", RowFormat::Jsonl), ("file:///b/a.jsonl", RowFormat::Jsonl)]
        {
            assert!(matches!(of(name, None), Ok(Place::File(_, found)) if found == format), "{name}");
        }
        for name in ["a.parquet", "a.nc", "a.csv.gz", "s3://bucket/a.csv", "s3://bucket/a.npy"] {
            assert!(of(name, None).is_err(), "{name}");
        }
        assert!(matches!(of("a.parquet", Some(To::Zarr)), Ok(Place::Store(_))));
        assert!(matches!(of("a.txt", Some(To::Rows(RowFormat::Csv))), Ok(Place::File(..))));
        assert!(of("s3://bucket/a", Some(To::Rows(RowFormat::Csv))).is_err());
    }
}
