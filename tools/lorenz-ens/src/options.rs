//! The options of `lorenz-ens`, from its flags.

use std::time::Duration;

use zcli::{Format, Stop};
use zstage::{CodecOptions, Verify, WriteOptions};
use zwire::{Failure, human_count};

use crate::cli::{Args, ChunkShape, EnsembleFlags, OnDivergence};
use crate::ensemble::Method;
use crate::grid::{BatchSpec, Faults, FileIds, GridShape, SEED_BATCHES};
use crate::ics::Ics;
use crate::initial::Initial;
use crate::kernel::Lanes;
use crate::place::{Place, RowFormat, To};
use crate::system::{Integrator, System};
use crate::trajectories::Trajectories;

/// The time step of an ensemble.
const ENSEMBLE_DT: f64 = 0.01;

/// The time step of the members of a grid, and steps between times: a day is about as long as errors take to double twice.
const GRID_DT: f64 = 0.02;

const GRID_EVERY: u64 = 2;

/// The most steps from the first time of a file to the last: every file is integrated on its own.
const GRID_STEPS: u64 = 10_000_000;

/// `--checkpoint` where it is not given.
const CHECKPOINT: Duration = Duration::from_secs(10);

/// file_ids of a batch, their times, and variables.
const GRID_FILES: u64 = 4;

const GRID_TIMES: u64 = 24;

const GRID_VARIABLES: u64 = 8;

/// Options of a run.
pub struct Options {
    /// The ensemble.
    pub ensemble: EnsembleOptions,
    /// How it is integrated; `None`: the fastest.
    pub method: Option<Method>,
    /// Steps between states that are written or reported, no more than one beyond the last; `None`: only the last states.
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
        let write = args.write_options(stop);
        let ensemble = ensemble(args, write.memory_bytes)?;
        Ok(Options {
            method: args.method.method.0,
            every: args.method.every.map(|every| every.min(ensemble.steps.saturating_add(1))),
            ensemble,
            stops: args.method.on_divergence == OnDivergence::Stop,
            zarr_format: args.zarr_format(),
            codec: args.codec.options()?,
            chunks: args.format.chunks,
            write,
            verbose: args.common.verbose,
        })
    }

    /// The instructions for the chunks of a store.
    pub fn lanes(&self) -> Lanes {
        if self.method == Some(Method::Serial) { Lanes::Scalar } else { Lanes::best() }
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

fn ensemble(args: &Args, memory: u64) -> Result<EnsembleOptions, Failure> {
    let flags = &args.ensemble;
    let initial = match (&flags.ics, flags.members) {
        (Some(path), _) => Initial::Given { states: Ics::read(path, memory)? },
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
    /// The options of the common writer.
    pub fn write_options(&self, stop: &Stop) -> WriteOptions {
        let write = self.writer.options(false, &self.work, &self.memory, &self.store, stop);
        WriteOptions { verify: self.verify.verify(), ..write }
    }

    /// The version of Zarr.
    pub fn zarr_format(&self) -> u8 {
        self.format.zarr_format.unwrap_or(3)
    }

    /// The batches of a grid.
    ///
    /// # Errors
    /// Options that do not fit together.
    pub fn batches(&self, grid: GridShape) -> Result<Vec<BatchSpec>, Failure> {
        let (flags, ensemble) = (&self.grid, &self.ensemble);
        if ensemble.integrator != Integrator::Euler {
            return Err(Failure::usage("--grid integrates with Euler's method only").hint("leave out --integrator"));
        }
        let variables = flags.variables.unwrap_or(GRID_VARIABLES);
        if flags.faults && variables < Faults::VARIABLES {
            let text = format!("--faults needs at least {} variables: --variables is {variables}", Faults::VARIABLES);
            return Err(Failure::usage(text));
        }
        if self.format.chunks.is_some_and(|chunks| chunks.members.is_some()) {
            let text = "--chunks: with --grid, chunks hold whole maps, and only their times can be chosen";
            return Err(Failure::usage(text).hint("--chunks time=6"));
        }
        let batches = self.batch_count();
        let ranges = match &flags.file_ids {
            None if flags.faults => Faults::file_ids(batches),
            given => given.clone().unwrap_or(FileIds::Each(GRID_FILES)).ranges(batches).map_err(Failure::usage)?,
        };
        let faults = Faults::of(&ranges).filter(|_| flags.faults);
        if flags.faults && faults.is_none() {
            let text = "--faults needs a file_id that only one batch has: all of --file-ids occur twice";
            return Err(Failure::usage(text).hint("give a batch another range of --file-ids"));
        }
        let every = self.method.every.unwrap_or(GRID_EVERY);
        let spec = |(number, file_ids): (u64, [i64; 2])| {
            let faults = faults.filter(|faults| faults.batch == number);
            BatchSpec {
                batch: number,
                batches,
                grid,
                file_ids,
                times: flags.times.unwrap_or(GRID_TIMES),
                every,
                variables,
                system: ensemble.system(GRID_DT),
                center: ensemble.center,
                spread: ensemble.spread,
                seed: ensemble.seed,
                chunk_times: self.format.chunks.and_then(|chunks| chunks.times),
                nan_file: faults.map(|faults| faults.nan_file),
                damaged_file: faults.map(|faults| faults.damaged_file),
            }
        };
        let specs: Vec<BatchSpec> = (0..).zip(ranges).map(spec).collect();
        if specs.first().is_some_and(|spec| spec.steps() > GRID_STEPS) {
            let most = human_count(GRID_STEPS);
            let text =
                format!("--times and --every: the members of a grid are integrated by no more than {most} steps");
            return Err(Failure::usage(text));
        }
        Ok(specs)
    }

    /// Number of batches.
    pub fn batch_count(&self) -> u64 {
        self.grid.batches.unwrap_or(if self.grid.faults { SEED_BATCHES } else { 1 })
    }

    /// Where the result goes.
    ///
    /// # Errors
    /// A format that cannot be written there; options for another one.
    pub fn place(&self) -> Result<Place, Failure> {
        let target = self.common.output.as_deref().filter(|path| path.as_os_str() != "-");
        let place = match (target, self.method.to) {
            (Some(path), to) => Place::of(path, to)?,
            (None, None) => Place::Records,
            (None, Some(To::Rows(format))) => Place::Stdout(format),
            (None, Some(To::Zarr)) => return Err(Failure::usage("missing option: -o DST, the store to write")),
        };
        let (json, format) = (self.common.json, self.common.format);
        match place {
            Place::Stdout(RowFormat::Csv) if json || format != Format::Auto => {
                let text = "--to csv prints rows instead of records: it cannot be used with --json or --format";
                return Err(Failure::usage(text).hint("write the rows to a file with -o FILE.csv"));
            }
            Place::Stdout(RowFormat::Jsonl) if format == Format::Table => {
                return Err(Failure::usage("--to jsonl cannot be used with --format table"));
            }
            _ => {}
        }
        self.check_place(&place)?;
        Ok(place)
    }

    /// Refuses options for stores and grids without one, and `--overwrite` of nothing.
    fn check_place(&self, place: &Place) -> Result<(), Failure> {
        if let (Some(flag), false) = (self.for_stores(), matches!(place, Place::Store(_))) {
            return Err(match place {
                Place::File(path, _) => {
                    Failure::usage(format!("{flag} is for Zarr stores, which -o does not name")).at(path.display())
                }
                _ => Failure::usage(format!("missing option: -o DST, the store that {flag} is for")),
            });
        }
        if let (Some(flag), None, false) = (self.for_grids(), self.grid.grid, self.is_step()) {
            return Err(Failure::usage(format!("missing option: --grid GRID, for {flag}")));
        }
        let writes = !matches!(place, Place::Records | Place::Stdout(_)) || self.method.plot.is_some();
        if self.writer.overwrite && !writes {
            return Err(Failure::usage("missing option: -o DST, the output that --overwrite replaces"));
        }
        Ok(())
    }

    /// The first option that is for grids only.
    fn for_grids(&self) -> Option<&'static str> {
        let flags = &self.grid;
        let all = [
            ("--batches", flags.batches.is_some()),
            ("--file-ids", flags.file_ids.is_some()),
            ("--times", flags.times.is_some()),
            ("--variables", flags.variables.is_some()),
            ("--faults", flags.faults),
        ];
        all.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
    }

    /// The first option that is for stores only.
    fn for_stores(&self) -> Option<&'static str> {
        let (codec, writer) = (&self.codec, &self.writer);
        let all = [
            ("--chunks", self.format.chunks.is_some()),
            ("--zarr-format", self.format.zarr_format.is_some()),
            ("--codec", codec.codec.is_some()),
            ("--cname", codec.cname.is_some()),
            ("--clevel", codec.clevel.is_some()),
            ("--shuffle", codec.shuffle.is_some()),
            ("--split", codec.split.is_some()),
            ("--blocksize", codec.blocksize.is_some()),
            ("--verify", self.verify.verify() != Verify::Full),
            ("--prepare", writer.prepare),
            ("--resume", writer.resume),
            ("--checkpoint", writer.checkpoint != CHECKPOINT),
            ("--dry-run", writer.dry_run),
            ("--status", writer.status),
            ("--finish", writer.finish),
            ("--part", writer.is_part()),
            ("--grid", self.grid.grid.is_some()),
        ];
        all.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
    }

    /// Whether this is a step of an output that was prepared: it reads the ensemble from the plan.
    pub fn is_step(&self) -> bool {
        let writer = &self.writer;
        writer.is_part() || writer.status || writer.finish
    }
}
