//! Flags shared by all tools that write stores, and the progress listener of a run.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use zarray::Part;
use zstage::{
    ArrivalCheck, Begin, Command, OnBadChunk, OnChange, Outcome, Progress, ScratchPlace, Summary, Verify, WriteOptions,
};
use zstore::{Location, StoreOptions, Target};
use zwire::{Exit, Failure, Record, human_counted};

use crate::bar::{Bar, Step, Unit};
use crate::flags::{JobFlags, MemoryFlags, StoreFlags, parse_duration};
use crate::output::Output;
use crate::signals::Stop;
use crate::status::Status;
use crate::timing::Phases;
use crate::{Ending, Session};

/// Help heading of the flags that divide a run into parts.
const MANY: &str = "Options for many machines and many stores";

/// The flag of tools that verify what they have encoded.
#[derive(Debug, Clone, Args)]
pub struct VerifyFlags {
    /// Objects to read back, decode and compare before DST is published: all, the first and every 16th of each array, or none
    #[arg(long, value_name = "WHAT", value_enum, default_value = "full")]
    pub verify: VerifyFlag,
}

impl VerifyFlags {
    /// What is verified.
    pub fn verify(&self) -> Verify {
        match self.verify {
            VerifyFlag::None => Verify::None,
            VerifyFlag::Sample => Verify::Sample,
            VerifyFlag::Full => Verify::Full,
        }
    }
}

/// Flags of tools that write stores.
#[derive(Debug, Clone, Args)]
pub struct WriterFlags {
    /// Replace DST if it exists, once the new store is complete; discard any unfinished run
    #[arg(long)]
    pub overwrite: bool,
    /// Print the plan and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Continue an unfinished run; begin one that was not begun, and leave a finished one as it is
    ///
    /// A finished output must be what the command would write, or the exit code is 7: its metadata, the number of its objects and the
    /// sizes of those that are copied, the values of its coordinates, and a sample of up to 16 objects of each other array. Over a
    /// network, up to 64 values of each coordinate are compared, and two objects of each of up to 32 arrays. Of values that are computed,
    /// the parameters are compared.
    #[arg(long, conflicts_with_all = ["overwrite", "dry_run"])]
    pub resume: bool,
    /// Maximum work lost in a crash: how often finished work is flushed to disk and recorded in the journal
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub checkpoint: Duration,
    /// Write only the plan for SRC to DST, divided into --parts parts. It holds no password or signature of the URL of SRC: where there
    /// is one, give SRC to each part and to --finish again
    #[arg(long, group = "of_parts", requires = "parts", conflicts_with_all = ["resume", "dry_run", "status", "finish"], help_heading = MANY)]
    pub prepare: bool,
    /// Number of parts, with --prepare or --part-index
    #[arg(long, value_name = "N", requires = "of_parts", value_parser = clap::value_parser!(u32).range(1..), help_heading = MANY)]
    pub parts: Option<u32>,
    /// Process part I of the N parts that DST was prepared for. A part can safely run twice, run concurrently, or be killed
    #[arg(long, value_name = "I/N", conflicts_with_all = ["prepare", "status", "finish", "overwrite", "dry_run"], help_heading = MANY)]
    part: Option<Part>,
    /// Process a part as --part does, counted from 0 as cloud array jobs count: --part-index 0 --parts 8 is --part 1/8
    #[arg(long, value_name = "K", group = "of_parts", requires = "parts", conflicts_with_all = ["part", "status", "finish", "overwrite", "dry_run"], help_heading = MANY)]
    part_index: Option<u32>,
    /// Show which parts of DST are finished; the exit code is 1 while any is missing
    #[arg(long, conflicts_with_all = ["finish", "overwrite"], help_heading = MANY)]
    pub status: bool,
    /// With --status: print only the missing parts, in job-array syntax ("3,7-9")
    // What conflicts with --status would lift the requirement.
    #[arg(long, requires = "status", conflicts_with_all = ["prepare", "part", "part_index", "finish", "overwrite"], help_heading = MANY)]
    pub missing: bool,
    /// With --missing: count parts from 0, as --part-index does
    #[arg(long, requires = "missing", help_heading = MANY)]
    pub from_zero: bool,
    /// Assemble the finished parts into DST
    #[arg(long, conflicts_with_all = ["overwrite", "dry_run"], help_heading = MANY)]
    pub finish: bool,
}

/// Which objects are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyFlag {
    /// No objects.
    None,
    /// The first object and every 16th of each array.
    Sample,
    /// All objects.
    Full,
}

impl WriterFlags {
    /// The part to process, if only one is.
    ///
    /// # Errors
    /// [`Exit::Usage`] for an index that is not below the number of parts.
    pub fn part(&self) -> Result<Option<Part>, Failure> {
        part_of(self.part, self.part_index, self.parts)
    }

    /// Whether only a part is processed.
    pub fn is_part(&self) -> bool {
        self.part.is_some() || self.part_index.is_some()
    }

    /// Converts the flags to the options of a run. Options that only some tools offer keep their defaults: full verification, no
    /// checks on arrival, no backup, no Blosc threads, bad chunks are errors, changed objects are read again.
    pub fn options(
        &self,
        in_place: bool,
        work: &JobFlags,
        memory: &MemoryFlags,
        store: &StoreFlags,
        stop: &Stop,
    ) -> WriteOptions {
        WriteOptions {
            begin: match (in_place, self.overwrite) {
                (true, _) => Begin::InPlace,
                (false, true) => Begin::Overwrite,
                (false, false) => Begin::New,
            },
            resume: self.resume,
            dry_run: self.dry_run,
            prepare: self.parts.filter(|_| self.prepare),
            verify: Verify::Full,
            arrival: ArrivalCheck::None,
            on_bad_chunk: OnBadChunk::Error,
            on_change: OnChange::Refetch,
            checkpoint: self.checkpoint,
            backup: None,
            keep_journal: None,
            jobs: work.jobs(),
            nthreads: None,
            memory_bytes: memory.max_memory.bytes(),
            scratch: ScratchPlace::BesideOutput,
            requests: store.requests.map(usize::from),
            store: StoreOptions { memory: memory.max_memory.bytes(), ..store.options(stop) },
        }
    }

    /// The command to run. `source` and `target` are as typed; with `in_place`, the source is also the target.
    ///
    /// # Errors
    /// [`Exit::Usage`] if an argument is missing, or if there is one too many.
    pub fn command(
        &self,
        source: Option<&Target>,
        target: Option<&Target>,
        in_place: bool,
    ) -> Result<Command, Failure> {
        let of_output = self.status || self.finish || self.is_part();
        if of_output {
            let (source, output) = match (source, target) {
                (Some(output), None) => (None, output),
                (Some(_), Some(_)) if self.status => return Err(Failure::usage("--status takes only the output")),
                (Some(source), Some(output)) => (Some(source.clone()), output),
                _ => return Err(Failure::usage("missing argument: the prepared output")),
            };
            let output = Command::prepared(Location::output(output)?);
            return Ok(match self.part()? {
                _ if self.status => Command::Status(output),
                _ if self.finish => Command::Finish { sources: source.into_iter().collect(), output },
                Some(part) => Command::Part { sources: source.into_iter().collect(), output, part },
                None => Command::Status(output),
            });
        }
        let (source, target) = match (source, target) {
            (Some(_), Some(target)) if in_place => {
                Location::parse(target)?;
                return Err(Failure::usage("--in-place modifies SRC and takes no DST"));
            }
            (Some(source), Some(target)) => (source, target),
            (Some(source), None) if in_place => (source, source),
            _ if in_place => return Err(Failure::usage("missing argument: SRC")),
            (Some(_), None) => return Err(Failure::usage("missing argument: DST, the store to write")),
            _ => return Err(Failure::usage("missing arguments: SRC and DST")),
        };
        let output = Location::output(target)?;
        let output = if in_place { Command::resolved(output) } else { output };
        Ok(Command::Run { sources: vec![source.clone()], output })
    }

    /// Ends a run: exit code, summary, and with `--missing` the missing parts.
    ///
    /// # Errors
    /// As [`Output::plain`].
    pub fn ending(&self, outcome: &Outcome, session: &mut Session) -> Result<Ending, Failure> {
        match &outcome.summary {
            Summary::Status(status) if self.missing && self.from_zero => {
                session.out.plain(&from_zero(&status.missing))?;
            }
            Summary::Status(status) if self.missing => session.out.plain(&status.missing)?,
            Summary::Complete { .. } if self.missing => session.out.plain("")?,
            _ => {}
        }
        Ok(Ending::new(outcome.exit, &outcome.summary))
    }
}

/// The part that `--part`, or `--part-index` with `--parts`, names.
///
/// # Errors
/// [`Exit::Usage`] for an index that is not below the number of parts.
pub fn part_of(part: Option<Part>, index: Option<u32>, parts: Option<u32>) -> Result<Option<Part>, Failure> {
    match (index, parts) {
        (Some(index), Some(of)) if index < of => Ok(Some(Part { number: index + 1, of })),
        (Some(index), Some(of)) => {
            let text =
                format!("--part-index {index} is not in the range 0 to {} of --parts {of}", of.saturating_sub(1));
            Err(Failure::usage(text))
        }
        _ => Ok(part),
    }
}

/// Numbers of parts in job-array syntax, counted from 0.
fn from_zero(missing: &str) -> String {
    let number = |text: &str| text.parse::<u32>().map_or_else(|_| text.to_owned(), |number| (number - 1).to_string());
    let range = |text: &str| text.split('-').map(number).collect::<Vec<_>>().join("-");
    missing.split(',').map(range).collect::<Vec<_>>().join(",")
}

/// The last line of a table of `--status` or `--prepare`.
pub fn parts_line(summary: &zwire::Summary) -> Option<String> {
    let number = |key: &str| summary.totals.get(key).and_then(Value::as_u64);
    let parts = number("parts")?;
    let counted = human_counted(parts, "part");
    Some(match number("done") {
        None => format!("{counted} prepared: run each with --part I/{parts}, then use --finish"),
        Some(done) => {
            let missing = summary.totals.get("missing").and_then(Value::as_str).unwrap_or_default();
            let missing = if missing.is_empty() { String::new() } else { format!("; missing: {missing}") };
            format!("{done} of {counted} done{missing}")
        }
    })
}

/// Receives the progress of a run from several worker threads and writes it to the session's output.
pub struct Listener<'a> {
    out: Mutex<&'a mut Output>,
    status: &'a Status,
    stop: &'a Stop,
    phases: &'a Phases,
    bar: RwLock<Option<Arc<Bar>>>,
    /// Of a run over many stores, its step in the bar over all of them.
    step: Option<Step>,
}

impl Session {
    /// Makes this session the listener of a run.
    pub fn listener(&mut self) -> Listener<'_> {
        self.listener_with(None)
    }

    /// Makes this session the listener of a run over one of many stores, whose work is a step of a bar.
    pub fn listener_of_step(&mut self, step: Step) -> Listener<'_> {
        self.listener_with(Some(step))
    }

    fn listener_with(&mut self, step: Option<Step>) -> Listener<'_> {
        let Session { out, status, stop, phases } = self;
        stop.begin();
        Listener { out: Mutex::new(out), status, stop, phases, bar: RwLock::new(None), step }
    }
}

impl Progress for Listener<'_> {
    fn start(&self, bytes: u64) {
        match &self.step {
            None => *self.bar.write() = Some(Arc::new(self.status.bar(bytes, Unit::Bytes))),
            Some(step) => step.begin(bytes),
        }
    }

    fn start_items(&self, total: u64, plural: &'static str) {
        // The bar over all stores counts bytes.
        let own = self.step.is_none().then(|| Arc::new(self.status.bar(total, Unit::Items(plural))));
        *self.bar.write() = own;
    }

    fn advance(&self, bytes: u64) {
        self.bar.read().iter().for_each(|bar| bar.advance(bytes));
        self.step.iter().for_each(|step| step.advance(bytes));
    }

    fn skip(&self, bytes: u64) {
        self.bar.read().iter().for_each(|bar| bar.skip(bytes));
        self.step.iter().for_each(|step| step.skip(bytes));
    }

    fn finish(&self) {
        *self.bar.write() = None;
    }

    fn phase(&self, name: &'static str, seconds: f64) {
        self.phases.add(name, seconds);
    }

    fn warn(&self, text: &str) {
        self.status.warn(text);
    }

    fn already_complete(&self, text: &str) {
        if self.step.is_none() || self.status.is_verbose() {
            self.status.warn(text);
        }
    }

    fn item_failed(&self, failure: &Failure) -> Result<(), Failure> {
        self.status.item_failure(failure);
        self.emit(&Record::Error(failure.record()))
    }

    fn emit(&self, record: &Record) -> Result<(), Failure> {
        self.out.lock().emit(record)
    }

    fn stopped(&self) -> Option<Exit> {
        self.stop.requested()
    }

    fn too_late(&self) {
        self.stop.too_late();
    }
}
