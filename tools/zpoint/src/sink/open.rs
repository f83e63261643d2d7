//! Opens outputs of all formats; unsupported requests are refused before any work.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use zcoord::Kind;
use zstage::NewStore;
use zstore::Location;
use zwire::Failure;

use super::cast::{self, Cast};
use super::failure::write_failed;
use super::published::{Main, Published, beside};
use super::staging::{Staged, What, refuse_existing};
use super::text::Text;
use super::uploaded::Uploaded;
use super::{
    Format, Layout, Options, Shape, Sink, TimeFormat, columns, csv, dictionary, jsonl, npy, partition, table, zarr,
};
use crate::batch::Schema;

/// Opens the output at `path`, with its sidecars.
///
/// # Errors
/// The output exists already, column names clash, or the format does not support the layout or data.
pub fn open(
    format: Format,
    path: &Path,
    schema: &Schema,
    options: &Options,
    shape: Shape,
) -> Result<Box<dyn Sink + Send>, Failure> {
    let cast = options.cast_f32.then(|| cast::schema(schema));
    let schema = cast.as_ref().unwrap_or(schema);
    columns::check(schema, options.layout)?;
    check_times(schema, options)?;
    if options.layout == Layout::Long && matches!(format, Format::Npy | Format::Zarr) {
        let what = format!("{} has no long layout: it holds an array, not a value a row", format.name());
        return Err(Failure::usage(what));
    }
    let what = what(format, schema, options)?;
    // Sidecars cannot be written next to a URL.
    let is_remote = matches!(Location::parse(path)?, Location::Remote(_));
    let none = is_remote || !options.sidecar;
    let sidecars = if none { Vec::new() } else { sidecar_names(format, options.layout) };
    // The output is what the user named, and its sidecars are not.
    refuse_existing(path, &what, options.overwrite)?;
    for ending in &sidecars {
        refuse_existing(&beside(path, ending), &What::File, options.overwrite)?;
    }
    let main = begin(path, what, options)?;
    let begin_file = |ending: &&str| Staged::begin(&beside(path, ending), What::File, options.overwrite);
    let sidecars = sidecars.iter().map(begin_file).collect::<Result<Vec<_>, _>>()?;
    if let Some(dictionary) = sidecars.first() {
        write_dictionary(dictionary, schema)?;
    }
    let inner = inner(format, &main, sidecars.get(1), schema, options, shape)?;
    let published = Published { inner, sidecars, main };
    Ok(if cast.is_some() { Box::new(Cast { inner: published }) } else { Box::new(published) })
}

/// Starts the output itself: a Zarr store with the common writer, otherwise a file or directory.
fn begin(path: &Path, what: What, options: &Options) -> Result<Main, Failure> {
    match (&what, Location::parse(path)?) {
        (What::Store, _) => {}
        (What::File, location @ Location::Remote(_)) => {
            return Uploaded::begin(&location, options).map(|uploaded| Main::Uploaded(Box::new(uploaded)));
        }
        _ => return Staged::begin(path, what, options.overwrite).map(Main::Staged),
    }
    refuse_existing(path, &what, options.overwrite)?;
    let location = Location::output(path)?;
    Ok(Main::Store(Arc::new(NewStore::begin(&location, options.overwrite, &options.store)?)))
}

/// Opens a text format that is written to the caller's writer.
///
/// # Errors
/// Column names clash, the format is not a text format, or the writer fails.
pub fn stream(
    format: Format,
    writer: Box<dyn Write + Send>,
    schema: &Schema,
    options: &Options,
) -> Result<Box<dyn Sink + Send>, Failure> {
    let cast = options.cast_f32.then(|| cast::schema(schema));
    let schema = cast.as_ref().unwrap_or(schema);
    columns::check(schema, options.layout)?;
    check_times(schema, options)?;
    let lines = match format {
        Format::Csv => csv::lines(schema, options),
        Format::Jsonl => jsonl::lines(schema, options),
        Format::Parquet | Format::Npy | Format::Zarr => {
            let what = format!("{} cannot be written to standard output", format.name());
            return Err(Failure::usage(what).hint("use --output"));
        }
    };
    let text = Text::begin(lines, writer, "stdout".into())?;
    Ok(if cast.is_some() { Box::new(Cast { inner: text }) } else { Box::new(text) })
}

/// Checks that Unix time is used only with Gregorian calendars, because it is undefined in others.
fn check_times(schema: &Schema, options: &Options) -> Result<(), Failure> {
    let kinds = schema.keys.iter().map(|key| (&key.name, key.kind));
    let mut kinds = kinds.chain(schema.variables.iter().map(|variable| (&variable.name, variable.kind)));
    let other = kinds.find_map(|(name, kind)| match kind {
        Kind::Time(calendar) if !calendar.is_gregorian() => Some((name, calendar)),
        _ => None,
    });
    match other {
        Some((name, calendar)) if options.time_format == TimeFormat::Unix => {
            let what = format!("{name} is in the calendar {}, which Unix time does not know", calendar.name());
            Err(Failure::usage(what).hint("use --time-format iso"))
        }
        _ => Ok(()),
    }
}

fn what(format: Format, schema: &Schema, options: &Options) -> Result<What, Failure> {
    match (&options.partition_by, format) {
        (Some(key), _) => {
            partition::check(format, schema, key)?;
            Ok(What::Partitions(partition::encode(key)))
        }
        (None, Format::Zarr) => Ok(What::Store),
        (None, _) => Ok(What::File),
    }
}

/// Sidecars of a format, the dictionary first.
fn sidecar_names(format: Format, layout: Layout) -> Vec<&'static str> {
    match (format, layout) {
        (_, Layout::Long) => vec![],
        (Format::Npy, Layout::Wide) => vec!["columns.jsonl", "rows.csv"],
        (_, Layout::Wide) => vec!["columns.jsonl"],
    }
}

fn write_dictionary(staged: &Staged, schema: &Schema) -> Result<(), Failure> {
    let written = staged.file()?.write_all(&dictionary::lines(schema));
    written.map_err(|error| write_failed(staged.place(), &error))
}

fn inner(
    format: Format,
    main: &Main,
    rows: Option<&Staged>,
    schema: &Schema,
    options: &Options,
    shape: Shape,
) -> Result<Box<dyn Sink + Send>, Failure> {
    let (file, place) = match main {
        Main::Store(store) => return Ok(Box::new(zarr::Zarr::begin(store, schema, options, shape)?)),
        Main::Staged(main) => match &options.partition_by {
            Some(key) => return Ok(Box::new(partition::Partitions::begin(format, main, schema, options, key)?)),
            None => (main.file()?, main.place()),
        },
        Main::Uploaded(main) => (main.file()?, main.place()),
    };
    match format {
        Format::Npy => Ok(Box::new(npy::Npy::begin(file, place, rows, schema, options, shape)?)),
        _ => table::table(format, file, place, schema, options, Some(shape)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use zarray::Pool;

    use super::*;
    use crate::sink::fixture::{self, SHAPE, names};

    fn outputs() -> [(Format, &'static str); 5] {
        [
            (Format::Csv, "out.csv"),
            (Format::Jsonl, "out.jsonl"),
            (Format::Parquet, "out.parquet"),
            (Format::Npy, "out.npy"),
            (Format::Zarr, "out.zarr"),
        ]
    }

    #[test]
    fn every_format_is_published_with_its_sidecars() {
        let table = fixture::floats();
        for (format, name) in outputs() {
            let directory = tempfile::tempdir().expect("directory");
            let path = directory.path().join(name);
            let written = fixture::saved(format, &path, &table, &Options::default(), 2).expect("writes");
            assert_eq!((written.rows, written.paths.last()), (4, Some(&path)));
            let (dictionary, rows) = (format!("{name}.columns.jsonl"), format!("{name}.rows.csv"));
            let mut expected = vec![name, &dictionary];
            if format == Format::Npy {
                expected.push(&rows);
            }
            expected.sort_unstable();
            assert_eq!(names(directory.path()), expected);
        }
    }

    #[test]
    fn what_is_there_is_refused_before_any_work_and_replaced_when_asked() {
        let table = fixture::floats();
        for (format, name) in outputs() {
            let directory = tempfile::tempdir().expect("directory");
            let path = directory.path().join(name);
            fixture::saved(format, &path, &table, &Options::default(), 1).expect("writes");
            let before = names(directory.path());
            let refused = open(format, &path, &table.0, &Options::default(), SHAPE).err().expect("is there");
            assert!(refused.to_string().ends_with("already exists"), "{refused}");
            let options = Options { overwrite: true, ..Options::default() };
            fixture::saved(format, &path, &table, &options, 1).expect("replaces");
            assert_eq!(names(directory.path()), before);
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.expect("removes");
            let refused = open(format, &path, &table.0, &Options::default(), SHAPE).err().expect("sidecar is there");
            assert!(refused.to_string().contains("columns.jsonl"), "{refused}");
        }
    }

    #[test]
    fn a_dropped_sink_leaves_nothing() {
        let (schema, batches) = fixture::floats();
        for (format, name) in outputs() {
            for partition_by in [None, Some("time".to_owned())] {
                if partition_by.is_some() && matches!(format, Format::Npy | Format::Zarr) {
                    continue;
                }
                let directory = tempfile::tempdir().expect("directory");
                let options = Options { partition_by, ..Options::default() };
                let mut sink = open(format, &directory.path().join(name), &schema, &options, SHAPE).expect("begins");
                sink.write(&batches[0], &Pool::new(1)).expect("writes");
                assert!(!names(directory.path()).is_empty());
                drop(sink);
                assert!(names(directory.path()).is_empty());
            }
        }
    }

    #[test]
    fn arrays_have_no_long_layout_and_no_standard_output() {
        let directory = tempfile::tempdir().expect("directory");
        let options = Options { layout: Layout::Long, ..Options::default() };
        let schema = fixture::floats().0;
        for format in [Format::Npy, Format::Zarr] {
            let refused = open(format, &directory.path().join("x"), &schema, &options, SHAPE).err().expect("long");
            assert!(refused.to_string().contains("no long layout"));
        }
        let refused = stream(Format::Parquet, Box::new(Vec::new()), &schema, &options).err().expect("binary");
        assert_eq!(refused.exit, zwire::Exit::Usage);
    }
}
