//! One store, opened: its variables, the axes of its rows and columns, and its grids.

use zarray::{Array, ChunkReader};
use zcli::Session;
use zcoord::{Column, Decoder, GridCoordinates, GridSource, Points, Selection, name, read_coordinate};
use zstore::Store;
use zwire::Failure;

use crate::axes::{Axes, Axis, AxisFailure};
use crate::grids::located;
use crate::left_out::LeftOut;
use crate::lookup::Lookup;
use crate::opened::Opened;
use crate::options::{DataOptions, Options};
use crate::roles::{Role, SampleDimension, sample_dimensions};
use crate::variables::{Candidate, Candidates, no_variable};

/// An opened store.
pub struct Source {
    /// Its path or URL as given.
    pub name: String,
    /// The store itself.
    pub store: Store,
    /// Paths of all its arrays.
    pub paths: Vec<String>,
    /// The axes of its rows, slowest first.
    pub samples: Vec<Axis>,
    /// The variables of its columns, in path order.
    pub variables: Vec<Variable>,
    /// The distinct grids of the variables.
    pub grids: Vec<GridSource>,
    /// Arrays that are neither variables nor coordinates, and why.
    pub left_out: Vec<LeftOut>,
}

/// A variable.
pub struct Variable {
    /// Its metadata.
    pub array: Array,
    /// Decoder of its values.
    pub decoder: Decoder,
    /// One element of the fill value, as a decoded chunk holds it; `None` if the filters have none that stands for it, and the
    /// decoder puts it in.
    pub fill: Option<Vec<u8>>,
    /// All its values, if it is text of variable length without a grid, of which no part can be read by itself.
    pub held: Option<Column>,
    /// Role of each of its dimensions.
    pub roles: Vec<Role>,
    /// Its grid; `None` for a variable without one.
    pub grid: Option<usize>,
    /// Its feature axes.
    pub features: Vec<Axis>,
}

impl Source {
    /// Classifies the arrays of a store, and finds the cells of the points on each of its grids.
    ///
    /// # Errors
    /// No variable is on a grid that can be used, or a selection matches nothing.
    pub fn of(
        options: &Options,
        opened: Opened,
        selections: &[Selection],
        points: &Points,
        session: &mut Session,
    ) -> Result<(Source, Vec<(GridCoordinates, Lookup)>), AxisFailure> {
        let mut candidates = Candidates::of(&opened, &options.data)?;
        let located = located(&options.points, &opened, &mut candidates, points, session)?;
        let Candidates { found, grids, mut left_out, .. } = candidates;
        let rows = sample_dimensions(&opened, &options.data, &found)?;
        let mut axes = Axes::new(&opened, &options.data, selections);
        let samples = rows.iter().map(|SampleDimension { name, array }| axes.get(array, name));
        let samples = samples.collect::<Result<Vec<Axis>, AxisFailure>>()?;
        let mut reading = Reading { opened: &opened, options: &options.data, rows: &rows, samples: &samples, axes };
        let mut variables = Vec::new();
        for candidate in found {
            match reading.variable(&candidate)? {
                Ok(variable) => {
                    if let Some(remark) = variable.decoder.note() {
                        session.status.warn_of(&opened.name, &format!("{}: {remark}", variable.array.path));
                    }
                    variables.push(variable);
                }
                Err(why) => left_out.push(LeftOut::unreadable(&candidate.array.path, why)),
            }
        }
        reading.axes.remarks.iter().for_each(|remark| session.status.warn_of(&opened.name, remark));
        reading.axes.check_selections()?;
        if variables.iter().all(|variable| variable.grid.is_none()) {
            return Err(no_variable(&opened, &options.data, &left_out).into());
        }
        let paths = opened.paths();
        let Opened { name, store, .. } = opened;
        Ok((Source { name, store, paths, samples, variables, grids, left_out }, located))
    }
}

/// Bytes of a column without any row: its name in several tables.
const COLUMN_BYTES: u64 = 256;

/// Turns candidates into variables.
struct Reading<'a> {
    opened: &'a Opened,
    options: &'a DataOptions,
    rows: &'a [SampleDimension<'a>],
    samples: &'a [Axis],
    axes: Axes<'a>,
}

impl Reading<'_> {
    /// A variable with its axes; or why it cannot be one.
    fn variable(&mut self, candidate: &Candidate) -> Result<Result<Variable, String>, AxisFailure> {
        let (decoder, fill) = match self.decoding(candidate.array) {
            Ok(decoding) => decoding,
            Err(why) => return Ok(Err(why)),
        };
        let roles = Role::of_dimensions(candidate, self.rows);
        let mut features = Vec::new();
        for (at, (role, dimension)) in roles.iter().zip(&candidate.names).enumerate() {
            match role {
                Role::Sample(number) => self.check_length(candidate.array, at, *number)?,
                Role::Feature(_) => features.push(self.axes.get(candidate.array, dimension)?),
                Role::Row | Role::Column => {}
            }
        }
        let held = match decoder.itemsize() {
            Some(_) => None,
            None => match self.texts(candidate) {
                Ok(texts) => Some(texts),
                Err(why) => return Ok(Err(why)),
            },
        };
        let array = candidate.array.clone();
        let variable = Variable { array, decoder, fill, held, roles, grid: candidate.grid, features };
        self.check_columns(&variable)?;
        Ok(Ok(variable))
    }

    /// The columns of a variable must fit in memory, before they have names.
    fn check_columns(&self, variable: &Variable) -> Result<(), Failure> {
        let columns = variable.feature_count();
        if (columns as u64).saturating_mul(COLUMN_BYTES) <= self.opened.memory {
            return Ok(());
        }
        let names: Vec<&str> = variable.features.iter().map(|axis| axis.name.as_str()).collect();
        let what = format!("{columns} columns (dimensions {}) do not fit in memory", names.join(", "));
        let failure = Failure::usage(what).at(format!("{}: {}", self.opened.name, variable.array.path));
        Err(failure.hint(
            "select some of them with --sel or --isel, make rows of them with --row-dims, or increase --max-memory",
        ))
    }

    /// How the values of an array are decoded, and its fill value; or why they cannot be read.
    fn decoding(&self, array: &Array) -> Result<(Decoder, Option<Vec<u8>>), String> {
        let decoder = zcoord::decoder(array, self.options.decoding).map_err(|error| error.to_string())?;
        ChunkReader::new(&self.opened.store, array)?;
        match zarray::fill_element(array) {
            Ok(fill) => Ok((decoder, Some(fill))),
            Err(_) if decoder.has_fill() => Ok((decoder, None)),
            Err(why) => Err(why),
        }
    }

    /// All values of an array of variable-length text, which must have no grid.
    fn texts(&self, candidate: &Candidate) -> Result<Column, String> {
        if candidate.grid.is_some() {
            return Err("variable-length text on a grid is not supported".into());
        }
        let Opened { store, pool, memory, .. } = self.opened;
        let read = read_coordinate(store, candidate.array, self.options.decoding.mode, pool, *memory);
        read.map(|(column, _)| column).map_err(|error| error.to_string())
    }

    /// A row dimension must have the same length in every variable.
    fn check_length(&self, array: &Array, dimension: usize, sample: usize) -> Result<(), Failure> {
        let (own, Axis { name, length, .. }) = (array.shape[dimension], &self.samples[sample]);
        if own == *length {
            return Ok(());
        }
        let what = format!("dimension {name} has length {own} here and {length} in {}", self.rows[sample].array.path);
        let failure = Failure::usage(what).at(format!("{}: {}", self.opened.name, array.path));
        Err(failure.hint("select variables with the same length with --var"))
    }
}

impl Variable {
    /// Its name.
    pub fn name(&self) -> &str {
        name(&self.array.path)
    }

    /// Number of its features.
    pub fn feature_count(&self) -> usize {
        self.features.iter().fold(1, |product: usize, axis| product.saturating_mul(axis.len()))
    }
}
