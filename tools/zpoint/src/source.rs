//! One store, opened: its variables, the axes of its rows and columns, and its grids.

use zarray::{Array, ChunkReader};
use zcli::Session;
use zcoord::{Dataset, Decoder, GridSource, name};
use zstore::{Store, Target};
use zwire::Failure;

use crate::axes::{Axes, Axis};
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
    /// Its arrays.
    pub dataset: Dataset,
    /// The axes of its rows, slowest first.
    pub samples: Vec<Axis>,
    /// The variables of its columns, in path order.
    pub variables: Vec<Variable>,
    /// The distinct grids of the variables.
    pub grids: Vec<GridSource>,
    /// Arrays that are neither variables nor coordinates, and why.
    pub left_out: Vec<(String, String)>,
}

/// A variable.
pub struct Variable {
    /// Its metadata.
    pub array: Array,
    /// Decoder of its values.
    pub decoder: Decoder,
    /// One element of the fill value, as a decoded chunk holds it.
    pub fill: Vec<u8>,
    /// Role of each of its dimensions.
    pub roles: Vec<Role>,
    /// Its grid; `None` for a variable without one.
    pub grid: Option<usize>,
    /// Its feature axes.
    pub features: Vec<Axis>,
}

impl Source {
    /// Opens a store and classifies its arrays.
    ///
    /// # Errors
    /// The store cannot be opened, no variable is on a grid, coordinates are ambiguous, or a selection matches nothing.
    pub fn open(options: &Options, name: &Target, session: &mut Session) -> Result<Source, Failure> {
        let opened = Opened::open(&options.read, name, session)?;
        let Candidates { found, grids, mut left_out } = Candidates::of(&opened, &options.data)?;
        let rows = sample_dimensions(&opened, &options.data, &found)?;
        let mut axes = Axes::new(&opened, &options.data);
        let samples = rows.iter().map(|SampleDimension { name, array }| axes.get(array, name));
        let samples = samples.collect::<Result<Vec<Axis>, Failure>>()?;
        let mut reading = Reading { opened: &opened, options: &options.data, rows: &rows, samples: &samples, axes };
        let mut variables = Vec::new();
        for candidate in found {
            match reading.variable(&candidate)? {
                Ok(variable) => {
                    if let Some(remark) = variable.decoder.note() {
                        session.status.warn(&format!("{}: {}: {remark}", opened.name, variable.array.path));
                    }
                    variables.push(variable);
                }
                Err(why) => left_out.push((candidate.array.path.clone(), why)),
            }
        }
        reading.axes.remarks.iter().for_each(|remark| session.status.warn(remark));
        reading.axes.check_selections()?;
        if variables.iter().all(|variable| variable.grid.is_none()) {
            return Err(no_variable(&opened, &options.data, &left_out));
        }
        let Opened { name, store, dataset, .. } = opened;
        Ok(Source { name, store, dataset, samples, variables, grids, left_out })
    }
}

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
    fn variable(&mut self, candidate: &Candidate) -> Result<Result<Variable, String>, Failure> {
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
        Ok(Ok(Variable { array: candidate.array.clone(), decoder, fill, roles, grid: candidate.grid, features }))
    }

    /// How the values of an array are decoded, and its fill value; or why they cannot be read.
    fn decoding(&self, array: &Array) -> Result<(Decoder, Vec<u8>), String> {
        let decoder = zcoord::decoder(array, self.options.decoding).map_err(|error| error.to_string())?;
        if decoder.itemsize().is_none() {
            return Err("variable-length text is not supported".into());
        }
        ChunkReader::new(&self.opened.store, array)?;
        Ok((decoder, zarray::fill_element(array)?))
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
        self.features.iter().map(|axis| axis.indices.len()).product()
    }
}
