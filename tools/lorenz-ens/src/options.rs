//! The options of `lorenz-ens`, from its flags.

use zcli::Stop;
use zstage::{CodecOptions, WriteOptions};
use zstore::Target;
use zwire::Failure;

use crate::cli::{Args, ChunkShape, EnsembleFlags, OnDivergence};
use crate::ensemble::Method;
use crate::grid::{BatchSpec, Faults, FileIds, GridShape, SEED_BATCHES};
use crate::initial::Initial;
use crate::place::{Place, RowFormat, To};
use crate::system::{Integrator, System};
use crate::trajectories::Trajectories;

/// The time step of an ensemble.
const ENSEMBLE_DT: f64 = 0.01;

/// The time step of the members of a grid, and steps between times: a day is about as long as errors take to double twice.
const GRID_DT: f64 = 0.02;

const GRID_EVERY: u64 = 2;

/// file_ids of a batch.
const GRID_FILES: u64 = 4;

/// Options of a run.
pub struct Options {
    /// The ensemble.
    pub ensemble: EnsembleOptions,
    /// How it is integrated; `None`: the fastest.
    pub method: Option<Method>,
    /// Steps between states that are written or reported; `None`: only the last ones.
    pub every: Option<u64>,
    /// Members that diverge end the run.
    pub stops: bool,
    /// Version of Zarr.
    pub zarr_format: u8,
    /// How chunks are compressed.
    pub codec: CodecOptions,
    /// Members and times of a chunk.
    pub chunks: Option<ChunkShape>,
    /// How outputs are written.
    pub write: WriteOptions,
    /// Whether each array has a record.
    pub verbose: bool,
}

/// What is integrated.
pub struct EnsembleOptions {
    /// The system.
    pub system: System,
    /// Initial conditions.
    pub initial: Initial,
    /// Steps of each member.
    pub steps: u64,
}

impl Options {
    /// The options given by `args`.
    ///
    /// # Errors
    /// An ensemble that is not given, or given twice; a file of initial conditions that cannot be read.
    pub fn new(args: &Args, stop: &Stop) -> Result<Options, Failure> {
        let write = args.writer.options(false, &args.work, &args.memory, &args.store, stop);
        Ok(Options {
            ensemble: ensemble(args)?,
            method: args.method.method.0,
            every: args.method.every,
            stops: args.method.on_divergence == OnDivergence::Stop,
            zarr_format: args.format.zarr_format,
            codec: args.codec.options()?,
            chunks: args.format.chunks,
            write: WriteOptions { verify: args.verify.verify(), ..write },
            verbose: args.common.verbose,
        })
    }

    /// The method for the whole ensemble.
    pub fn method(&self) -> Method {
        let EnsembleOptions { initial, steps, .. } = &self.ensemble;
        self.method.unwrap_or_else(|| Method::for_work(initial.members(), *steps, self.write.jobs))
    }

    /// The trajectories that are written.
    ///
    /// # Errors
    /// More than can be counted.
    pub fn trajectories(&self) -> Result<Trajectories, Failure> {
        let EnsembleOptions { system, initial, steps } = &self.ensemble;
        let mut spec = Trajectories {
            system: *system,
            initial: initial.clone(),
            steps: *steps,
            every: self.every.unwrap_or(1),
            chunks: [1, 1],
        };
        let (members, times) = (initial.members(), spec.times());
        if members.checked_mul(times).and_then(|values| values.checked_mul(64)).is_none() {
            return Err(
                Failure::usage("the trajectories are too large to be written").hint("raise --every, or use --stats")
            );
        }
        let default = Trajectories::default_chunks(members, times);
        spec.chunks = match self.chunks {
            None => default,
            Some(ChunkShape { members: wanted, times: wanted_times }) => {
                [wanted.unwrap_or(default[0]).clamp(1, members), wanted_times.unwrap_or(default[1]).clamp(1, times)]
            }
        };
        Ok(spec)
    }
}

fn ensemble(args: &Args) -> Result<EnsembleOptions, Failure> {
    let flags = &args.ensemble;
    let initial = match (&flags.ics, flags.members) {
        (Some(path), _) => Initial::read(path)?,
        (None, None) => {
            return Err(
                Failure::usage("missing option: --members N, the number of members").hint("lorenz-ens --members 30")
            );
        }
        (None, Some(members)) => {
            Initial::Drawn { members, rng: flags.rng, seed: flags.seed, center: flags.center, spread: flags.spread }
        }
    };
    Ok(EnsembleOptions { system: flags.system(ENSEMBLE_DT), initial, steps: flags.steps })
}

impl EnsembleFlags {
    /// The system, with a time step where none is given.
    fn system(&self, dt: f64) -> System {
        System {
            sigma: self.sigma,
            rho: self.rho,
            beta: self.beta,
            dt: self.dt.unwrap_or(dt),
            integrator: self.integrator,
        }
    }
}

impl Args {
    /// The batches of a grid, and the faults in them.
    ///
    /// # Errors
    /// Options that do not fit together.
    pub fn batches(&self, grid: GridShape) -> Result<(Vec<BatchSpec>, Option<Faults>), Failure> {
        let (flags, ensemble) = (&self.grid, &self.ensemble);
        if ensemble.integrator != Integrator::Euler {
            return Err(Failure::usage("--grid integrates with Euler's method only").hint("leave out --integrator"));
        }
        if flags.faults && flags.variables < Faults::VARIABLES {
            return Err(Failure::usage(format!("--faults needs at least {} variables", Faults::VARIABLES)));
        }
        let batches = self.batch_count();
        let ranges = match &flags.file_ids {
            None if flags.faults => Faults::file_ids(batches),
            given => given.clone().unwrap_or(FileIds::Each(GRID_FILES)).ranges(batches).map_err(Failure::usage)?,
        };
        let faults = Faults::of(&ranges).filter(|_| flags.faults);
        let every = self.method.every.unwrap_or(GRID_EVERY);
        if flags.times.saturating_mul(every) > u64::from(u32::MAX) {
            return Err(Failure::usage("--times and --every are too large for --grid"));
        }
        let spec = |(number, file_ids): (u64, [i64; 2])| {
            let faults = faults.filter(|faults| faults.batch == number);
            BatchSpec {
                grid,
                file_ids,
                times: flags.times,
                every,
                variables: flags.variables,
                system: ensemble.system(GRID_DT),
                center: ensemble.center,
                spread: ensemble.spread,
                seed: ensemble.seed,
                chunk_times: self.format.chunks.and_then(|chunks| chunks.times),
                nan_file: faults.map(|faults| faults.nan_file),
                damaged_file: faults.map(|faults| faults.damaged_file),
            }
        };
        Ok(((0..).zip(ranges).map(spec).collect(), faults))
    }

    /// Number of batches.
    pub fn batch_count(&self) -> u64 {
        self.grid.batches.unwrap_or(if self.grid.faults { SEED_BATCHES } else { 1 })
    }

    /// Whether batches are written.
    pub fn is_grid(&self) -> bool {
        self.grid.grid.is_some() || self.grid.batches.is_some()
    }

    /// Where the result goes.
    ///
    /// # Errors
    /// A format that cannot be written there.
    pub fn place(&self) -> Result<Place, Failure> {
        let target = self.common.output.as_deref().filter(|path| path.as_os_str() != "-");
        let Some(path) = target else {
            return match self.method.to {
                None => Ok(Place::Records),
                Some(To::Rows(format)) => Ok(Place::Stdout(format)),
                Some(To::Zarr) => Err(Failure::usage("missing option: -o DST, the store to write")),
            };
        };
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        let by_name = match extension.as_deref() {
            Some("csv") => To::Rows(RowFormat::Csv),
            Some("jsonl" | "ndjson") => To::Rows(RowFormat::Jsonl),
            _ => To::Zarr,
        };
        Ok(match self.method.to.unwrap_or(by_name) {
            To::Zarr => Place::Store(Target::from(path)),
            To::Rows(format) => Place::File(path.to_owned(), format),
        })
    }

    /// Whether this is a step of an output that was prepared: it reads the ensemble from the plan.
    pub fn is_step(&self) -> bool {
        let writer = &self.writer;
        writer.is_part() || writer.status || writer.finish
    }
}
