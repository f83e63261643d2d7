//! Options from the command-line flags. Conflicting flags are rejected here, before any store is opened.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use zarray::{Part, PartialDecode, Pool, VarFilter};
use zcli::Session;
use zcoord::{CoordinateNames, DecodeOptions, Limits, Selection};
use zstore::{Store, StoreOptions, requests_in_flight};
use zwire::Failure;

use crate::cli::Args;
use crate::naming::Template;
use crate::points::{Method, NearestValid, OutOfBounds, SameCell};
use crate::sink::{self, Format, NO_NETCDF, THROUGH_ZARR};

/// All options of a run.
pub struct Options {
    /// What to read from the stores.
    pub data: DataOptions,
    /// How points are matched to cells.
    pub points: PointOptions,
    /// What to write.
    pub output: OutputOptions,
    /// How stores are read.
    pub read: ReadOptions,
}

/// Which arrays, and which indices of their dimensions.
pub struct DataOptions {
    /// The requested arrays.
    pub var: VarFilter,
    /// Those that are requested by exact name, one by one.
    pub named: Vec<VarFilter>,
    /// Names of the latitude and longitude variables.
    pub names: CoordinateNames,
    /// Whether to include variables without latitude and longitude.
    pub carry: bool,
    /// How values are decoded.
    pub decoding: DecodeOptions,
    /// Selected labels and indices.
    pub selections: Vec<Selection>,
    /// Dimensions used as rows, instead of the defaults.
    pub row_dims: Option<Vec<String>>,
    /// Dimensions used as columns.
    pub feature_dims: Vec<String>,
}

impl DataOptions {
    /// Whether an array is requested by its exact name.
    pub fn asks_for(&self, path: &str) -> bool {
        self.named.iter().any(|filter| filter.matches(path))
    }
}

/// How points are matched to cells.
pub struct PointOptions {
    /// How values at a point are computed.
    pub method: Method,
    /// Maximum distance to its cell.
    pub limits: Limits,
    /// How points outside the grid are handled.
    pub out_of_bounds: OutOfBounds,
    /// Whether a point moves to the nearest cell with a value.
    pub nearest_valid: Option<NearestValid>,
    /// What to do if grids have different cells for a point.
    pub same_cell: SameCell,
}

/// What to write.
pub struct OutputOptions {
    /// The file of the rows; `None` is standard output.
    pub file: Option<PathBuf>,
    /// Their format.
    pub format: Format,
    /// Whether rows are records, on standard output or in a file.
    pub are_records: bool,
    /// Column names of variables with further dimensions.
    pub column_name: Option<Template>,
    /// Whether rows have a column with the store.
    pub store_column: bool,
    /// How rows are written.
    pub sink: sink::Options,
}

/// How stores are read.
pub struct ReadOptions {
    /// Whether this is a dry run.
    pub dry_run: bool,
    /// Part of the rows.
    pub part: Part,
    /// Whether chunks are decoded partially.
    pub partial: PartialDecode,
    /// Workers.
    pub jobs: usize,
    /// Reads in flight; `None` for the default.
    pub requests: Option<usize>,
    /// Bytes of memory.
    pub memory: u64,
    /// How stores are accessed.
    pub store: StoreOptions,
    /// The threads that read from local stores, and from remote ones.
    pools: [OnceLock<Arc<Pool>>; 2],
}

impl ReadOptions {
    /// The threads that read from `store`: one store after the other has the same.
    pub fn pool(&self, store: &Store) -> Arc<Pool> {
        let remote = store.is_remote();
        let new = || Arc::new(Pool::new(requests_in_flight(self.requests, remote, self.jobs)));
        Arc::clone(self.pools[usize::from(remote)].get_or_init(new))
    }
}

impl Args {
    /// The options of these flags. If rows replace the records on standard output, nothing else is written there from
    /// now on.
    ///
    /// # Errors
    /// Usage failures.
    pub fn options(&self, session: &mut Session) -> Result<Options, Failure> {
        self.check()?;
        let output = self.output_options(session);
        if output.file.is_none() && !output.are_records && !self.read.dry_run {
            session.out.bytes(&[])?;
        }
        let (data, points) = (self.data_options()?, self.point_options());
        Ok(Options { data, points, output, read: self.read_options(session)? })
    }

    /// Rejects conflicting flags.
    fn check(&self) -> Result<(), Failure> {
        let file = self.rows_file();
        if self.rows.partition_by.is_some() && file.is_none() {
            return Err(
                Failure::usage("--partition-by writes a directory, but no output is given").hint("name it with -o")
            );
        }
        if let Some(path) = file.filter(|path| is_netcdf(path) && self.row_format().is_none()) {
            return Err(Failure::usage(NO_NETCDF).at(path.display()).hint(THROUGH_ZARR));
        }
        if self.rows.partition_by.is_some() && file.is_some_and(is_url) {
            return Err(Failure::usage("--partition-by writes a local directory").at("--output"));
        }
        if let Some(path) = file.filter(|_| self.rows.partition_by.is_none()) {
            self.check_name(path)?;
        }
        let is_records = |path: &Path| path.extension().is_none() || format_of(path) == Some(Format::Jsonl);
        let unknown = file.is_some_and(|path| !is_records(path)) || self.rows.partition_by.is_some();
        if unknown && self.row_format().is_none() && !self.read.dry_run {
            return Err(Failure::usage("cannot infer the format from the file name")
                .at("--output")
                .hint("use -f FORMAT"));
        }
        Ok(())
    }

    /// Rejects the name of an output that contradicts its format, or names a directory.
    fn check_name(&self, path: &Path) -> Result<(), Failure> {
        let (named, format) = (format_of(path), self.row_format().unwrap_or(Format::Jsonl));
        if let Some(named) = named.filter(|named| *named != format) {
            let (named, format) = (named.name(), format.name());
            let failure = Failure::usage(format!("the name is one of {named}, but -f {format} is given"));
            let name = path.with_extension(format);
            return Err(failure.at(path.display()).hint(format!("use -o {}, or -f {named}", name.display())));
        }
        if format != Format::Zarr && path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            let failure = Failure::usage("is the name of a directory, but rows go to a file").at(path.display());
            let name = path.join(format!("points.{}", format.name()));
            return Err(failure.hint(format!("use -o {}, or --partition-by KEY", name.display())));
        }
        Ok(())
    }

    /// The output file of the rows; `None` is standard output.
    pub fn rows_file(&self) -> Option<&Path> {
        self.common.output.as_deref().filter(|path| path.as_os_str() != "-")
    }

    /// Whether rows are records, on standard output or in a file.
    pub fn rows_are_records(&self) -> bool {
        let elsewhere = self.rows.partition_by.is_some() || self.rows_file().is_some_and(is_url);
        !elsewhere && matches!(self.row_format(), None | Some(Format::Jsonl))
    }

    /// The format of the rows; `None`: that of records.
    fn row_format(&self) -> Option<Format> {
        let named = self.rows.to.or_else(|| sink::Format::named(self.common.format.extra()?));
        named.or_else(|| format_of(self.rows_file()?).filter(|format| *format != Format::Jsonl))
    }

    fn data_options(&self) -> Result<DataOptions, Failure> {
        let what = &self.what;
        let exact = self.var.var.iter().filter(|text| !text.contains(['*', '?', '[', '{']));
        let named = exact.map(|text| VarFilter::new(std::slice::from_ref(text)));
        Ok(DataOptions {
            var: self.var.filter()?,
            named: named.collect::<Result<_, Failure>>()?,
            names: CoordinateNames { latitude: self.point.lat_name.clone(), longitude: self.point.lon_name.clone() },
            carry: what.carry,
            decoding: DecodeOptions { mode: what.decode, fill_value_as_mask: what.fill_value_as_mask },
            selections: what.select.selections()?,
            row_dims: what.row_dims.clone(),
            feature_dims: what.feature_dims.clone(),
        })
    }

    fn point_options(&self) -> PointOptions {
        let point = &self.point;
        let tolerance = point.tolerance.unwrap_or_default();
        let valid = point.nearest_valid.clone().zip(point.search_radius);
        PointOptions {
            method: point.method,
            limits: Limits {
                tolerance_lat: tolerance.lat,
                tolerance_lon: tolerance.lon,
                max_distance_km: point.max_distance,
            },
            out_of_bounds: point.out_of_bounds,
            nearest_valid: valid.map(|(variable, radius_km)| NearestValid { variable, radius_km }),
            same_cell: point.same_cell,
        }
    }

    fn output_options(&self, session: &Session) -> OutputOptions {
        let rows = &self.rows;
        OutputOptions {
            file: self.rows_file().map(Path::to_owned),
            format: self.row_format().unwrap_or(Format::Jsonl),
            are_records: self.rows_are_records(),
            column_name: self.what.column_name.clone(),
            store_column: rows.store_column,
            sink: sink::Options {
                layout: rows.layout,
                na_rep: rows.na_rep.clone(),
                header: !rows.no_header,
                sidecar: !rows.no_sidecar,
                time_format: rows.time_format,
                cast_f32: rows.cast_f32 == Some(true),
                overwrite: rows.overwrite,
                tool: format!("zpoint {}", env!("CARGO_PKG_VERSION")),
                row_group_bytes: (self.memory.max_memory.bytes() / 4).clamp(1 << 20, 256 << 20),
                partition_by: rows.partition_by.clone(),
                store: self.store.options(&session.stop),
            },
        }
    }

    fn read_options(&self, session: &Session) -> Result<ReadOptions, Failure> {
        Ok(ReadOptions {
            dry_run: self.read.dry_run,
            part: zcli::part_of(self.read.part, self.read.part_index, self.read.parts)?.unwrap_or(Part::WHOLE),
            partial: self.read.partial_decode,
            jobs: self.work.jobs(),
            requests: self.store.requests.map(usize::from),
            memory: self.memory.max_memory.bytes(),
            store: StoreOptions { memory: self.memory.max_memory.bytes(), ..self.store.options(&session.stop) },
            pools: Default::default(),
        })
    }
}

/// The format that a file name stands for.
fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "csv" => Some(Format::Csv),
        "parquet" | "pq" => Some(Format::Parquet),
        "npy" => Some(Format::Npy),
        "zarr" => Some(Format::Zarr),
        "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
        _ => None,
    }
}

fn is_netcdf(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| ["nc", "nc4", "cdf", "netcdf"].contains(&extension.as_str()))
}

fn is_url(path: &Path) -> bool {
    path.to_string_lossy().contains("://")
}
