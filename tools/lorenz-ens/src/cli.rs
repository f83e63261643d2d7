//! The command-line flags of `lorenz-ens`; `options.rs` turns them into options.

mod combinations;

use std::path::PathBuf;

use zcli::clap::{self, Args as ClapArgs, Parser};
use zcli::{Choice, CodecFlags, Common, JobFlags, MemoryFlags, StoreFlags, VerifyFlags, WriterFlags, one_of};

use crate::ensemble::Method;
use crate::grid::{self, FileIds, GridShape};
use crate::initial::Rng;
use crate::place::{RowFormat, To};
use crate::system::Integrator;

/// Integrate ensembles of the Lorenz-63 system
///
/// Integrates --members members from initial conditions around --center, or those of --ics, by --steps steps: one member at a
/// time, in the vector lanes of the processor, or on all threads. All methods give the same trajectories, bit for bit, and with
/// the default options exactly those of the lecture that NumPy computes.
///
/// Without -o, the final state of each member is printed; with --every, the states on the way. With -o DST, all trajectories are
/// written as a Zarr store (dimensions member and time), or as CSV or JSON Lines if DST ends in .csv or .jsonl. Chunks are
/// computed as they are written, so that the output may be larger than memory. The store appears only when it is complete;
/// until then, finished work is kept next to it in a directory that ends in .plan; use --resume to continue after an
/// interruption.
///
/// With --grid, DST is a directory of stores: batches of weather-like variables over file_id, time, latitude and longitude, with a
/// member in each cell of the grid, for tests and demonstrations without data. A file_id has the same data in every batch.
///
/// Members whose state becomes NaN or infinite are reported with the step, and the exit code is 1.
#[derive(Debug, Parser)]
#[command(
    name = "lorenz-ens",
    mut_arg("output", |output| output.help(OUTPUT).value_name("DST")),
    mut_args(combinations::with_conflicts),
    override_usage = "lorenz-ens [OPTIONS] --members=N\n       lorenz-ens [OPTIONS] --members=N -o DST\n       lorenz-ens [OPTIONS] --grid=GRID -o DST"
)]
pub struct Args {
    #[command(flatten)]
    pub ensemble: EnsembleFlags,
    #[command(flatten)]
    pub method: MethodFlags,
    #[command(flatten)]
    pub grid: GridFlags,
    #[command(flatten)]
    pub format: FormatFlags,
    #[command(flatten)]
    pub codec: CodecFlags,
    #[command(flatten)]
    pub verify: VerifyFlags,
    #[command(flatten)]
    pub writer: WriterFlags,
    #[command(flatten)]
    pub memory: MemoryFlags,
    #[command(flatten)]
    pub work: JobFlags,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub store: StoreFlags,
}

/// More steps cannot be counted in a floating-point number, as the model time is.
const MOST_STEPS: u64 = 1 << 53;

const OUTPUT: &str = "Write the trajectories to DST, which must not exist: a Zarr store at a path or URL (file, s3, gs or az), or a file that ends in .csv or .jsonl";

/// What is integrated.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Ensemble")]
pub struct EnsembleFlags {
    /// Number of members
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub members: Option<u64>,
    /// Steps of each member; 0 gives the initial conditions
    #[arg(short, long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(..=MOST_STEPS))]
    pub steps: u64,
    /// Model time of a step [default: 0.01, or 0.02 with --grid]
    #[arg(long, value_name = "TIME", value_parser = positive, allow_hyphen_values = true)]
    pub dt: Option<f64>,
    /// Seed of the initial conditions
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u32,
    /// Generator of the initial conditions
    #[arg(long, value_name = "NAME", value_parser = one_of(RNGS), default_value = "numpy")]
    pub rng: Rng,
    /// Mean of the initial conditions
    #[arg(long, value_name = "X,Y,Z", default_value = "-10,-10,25", value_parser = state, allow_hyphen_values = true)]
    pub center: [f64; 3],
    /// Standard deviation of the initial conditions
    #[arg(long, value_name = "NUMBER", default_value_t = 0.5, value_parser = finite, allow_hyphen_values = true)]
    pub spread: f64,
    /// Read the initial conditions from a file; CSV with the columns x, y and z, a line for each member
    #[arg(long, value_name = "FILE")]
    pub ics: Option<PathBuf>,
    /// Parameter sigma
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, value_parser = finite, allow_hyphen_values = true)]
    pub sigma: f64,
    /// Parameter rho
    #[arg(long, value_name = "NUMBER", default_value_t = 28.0, value_parser = finite, allow_hyphen_values = true)]
    pub rho: f64,
    /// Parameter beta [default: 8/3]
    #[arg(long, value_name = "NUMBER", default_value_t = 8.0 / 3.0, hide_default_value = true, value_parser = finite, allow_hyphen_values = true)]
    pub beta: f64,
    /// How a step is made
    #[arg(long, value_name = "NAME", value_parser = one_of(INTEGRATORS), default_value = "euler")]
    pub integrator: Integrator,
}

const RNGS: [Choice<Rng>; 2] = [
    ("numpy", "numpy.random.RandomState(seed).randn: MT19937 and the polar method", Rng::Numpy),
    ("philox", "Philox4x32-10 and the Box-Muller transform", Rng::Philox),
];

const INTEGRATORS: [Choice<Integrator>; 2] = [
    ("euler", "Euler's method, as in the lecture", Integrator::Euler),
    ("rk4", "the Runge-Kutta method of fourth order", Integrator::Rk4),
];

/// How it is integrated, and what is reported.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Methods")]
pub struct MethodFlags {
    /// How members are integrated; auto is the fastest for the amount of work. The chunks of a Zarr store are made on -j threads
    /// with either
    #[arg(long, value_name = "NAME", value_parser = one_of(METHODS), default_value = "auto")]
    pub method: MethodChoice,
    /// Report or write the states of every K-th step [with --grid: steps between times, default 2]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=MOST_STEPS))]
    pub every: Option<u64>,
    /// Format of the trajectories [default: by the name of DST]
    #[arg(short = 'f', long, value_name = "FORMAT", value_parser = one_of(TO))]
    pub to: Option<To>,
    /// What to do with members whose state becomes NaN or infinite
    #[arg(long, value_name = "WHAT", value_parser = one_of(ON_DIVERGENCE), default_value = "keep")]
    pub on_divergence: OnDivergence,
    /// Integrate with every method and set of instructions, and check that the final states are identical
    #[arg(long)]
    pub check: bool,
    /// Measure all methods on the same work: seconds, member-steps per second, speed-up, efficiency, and what Amdahl's law predicts
    #[arg(long)]
    pub compare: bool,
    /// Measure the parallel method with these numbers of threads [default: 1,2,4 and so on]
    #[arg(long, value_name = "N,…", num_args = 0..=1, require_equals = true, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub scaling: Option<Vec<u16>>,
    /// Report or write statistics instead of states; at every K-th step, by default 100 times, with the leading Lyapunov exponent
    #[arg(long)]
    pub stats: bool,
    /// Draw the attractor and the spread over time, and with --compare or --scaling the speed-up, to a .svg or .png file
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// `--method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodChoice(pub Option<Method>);

/// `--chunks`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChunkShape {
    pub members: Option<u64>,
    pub times: Option<u64>,
}

/// `--on-divergence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDivergence {
    /// Go on.
    Keep,
    /// Write nothing.
    Stop,
}

const METHODS: [Choice<MethodChoice>; 4] = [
    ("auto", "the fastest", MethodChoice(None)),
    ("serial", "one member at a time", MethodChoice(Some(Method::Serial))),
    ("vector", "vector lanes of one thread", MethodChoice(Some(Method::Vector))),
    ("parallel", "vector lanes of -j threads", MethodChoice(Some(Method::Parallel))),
];

const TO: [Choice<To>; 3] = [
    ("zarr", "a Zarr store", To::Zarr),
    ("csv", "a line for each time and member", To::Rows(RowFormat::Csv)),
    ("jsonl", "an object for each time and member", To::Rows(RowFormat::Jsonl)),
];

const ON_DIVERGENCE: [Choice<OnDivergence>; 2] =
    [("keep", "keep them", OnDivergence::Keep), ("stop", "stop before anything is written", OnDivergence::Stop)];

/// Batches on a grid.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Weather-like batches")]
pub struct GridFlags {
    /// Write weather-like batches on a grid; LAT0:LAT1:N,LON0:LON1:M, with a member in each cell: DST is the directory of
    /// batch_00.zarr and so on
    #[arg(long, value_name = "GRID", value_parser = GridShape::parse, allow_hyphen_values = true)]
    pub grid: Option<GridShape>,
    /// Number of batches [default: 1, or 22 with --faults]; a step of batches that were prepared knows it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub batches: Option<u64>,
    /// file_ids of the batches: N in each, or a range A:B for each, which may overlap [default: 4]
    #[arg(long, value_name = "N|A:B,…", value_parser = FileIds::parse, allow_hyphen_values = true)]
    pub file_ids: Option<FileIds>,
    /// Times of each file_id [default: 24]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub times: Option<u64>,
    /// Number of variables [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=grid::MOST_VARIABLES as u64))]
    pub variables: Option<u64>,
    /// Plant faults: 26 file_ids that occur twice (with --file-ids, those that are given; in one batch, none), and in a batch that
    /// alone has them, a file that is all NaN, missing chunks and a damaged chunk
    #[arg(long)]
    pub faults: bool,
}

/// How stores are written.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Options for stores")]
pub struct FormatFlags {
    /// Version of the Zarr format [default: 3]
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u8).range(2..=3))]
    pub zarr_format: Option<u8>,
    /// Chunk shape: "64,1000" or "member=64,time=1000"; -1 is the whole dimension. With --grid, "time=6"; chunks hold whole maps
    /// [default: 4 MiB, of 512 members, or more if there are few times]
    #[arg(long, value_name = "SHAPE", value_parser = chunk, allow_hyphen_values = true)]
    pub chunks: Option<ChunkShape>,
}

fn finite(text: &str) -> Result<f64, String> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(|| "must be a finite number".into())
}

fn positive(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|number| *number > 0.0).ok_or_else(|| "must be a positive number".into())
}

fn state(text: &str) -> Result<[f64; 3], String> {
    let values: Vec<f64> = text.split(',').map(finite).collect::<Result<_, _>>()?;
    <[f64; 3]>::try_from(values).map_err(|_| "must be three numbers: X,Y,Z".into())
}

fn chunk(text: &str) -> Result<ChunkShape, String> {
    let wrong = || {
        "must be MEMBERS,TIMES, such as 64,1000 or member=64,time=1000, with --grid time=6; -1 is the whole dimension"
            .to_owned()
    };
    let number = |text: &str| match text.trim() {
        "-1" => Ok(u64::MAX),
        text => text.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(wrong),
    };
    let mut shape = ChunkShape::default();
    let parts: Vec<&str> = text.split(',').collect();
    for (left, part) in (0..parts.len()).rev().zip(&parts) {
        // Without names: the last number is for times.
        let (name, length) = part.split_once('=').unwrap_or((if left == 0 { "time" } else { "member" }, part));
        let place = match name.trim() {
            "member" => &mut shape.members,
            "time" => &mut shape.times,
            _ => return Err(wrong()),
        };
        if place.replace(number(length)?).is_some() {
            return Err(wrong());
        }
    }
    Ok(shape)
}

/// Examples for `--help` and the man page.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("The lecture's ensemble: 30 members, 5,000 steps; print the final states", "lorenz-ens --members 30"),
    ("Write all trajectories as a Zarr store", "lorenz-ens --members 30 -o ens.zarr"),
    ("Print every 100th step as CSV", "lorenz-ens --members 30 --every 100 --to csv | head -n 4"),
    (
        "Make an archive of 22 batches with the faults of a real one",
        "lorenz-ens --grid 90:-90:19,0:350:36 --faults --times 4 -o archive",
    ),
    (
        "Measure the methods against each other, and draw the result",
        "lorenz-ens --members 4096 --compare --plot lorenz.svg",
    ),
    (
        "Statistics of a larger ensemble over time as CSV, without keeping its trajectories",
        "lorenz-ens --members 9000 --steps 2000 --every 200 --stats -o spread.csv",
    ),
    ("Check that all methods agree bit for bit", "lorenz-ens --members 1000 --check"),
];
