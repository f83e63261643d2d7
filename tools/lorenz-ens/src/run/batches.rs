//! Writes the batches of a grid, one store after the other.

use serde_json::{Map, Value};
use zcli::{Ending, Session, Unit};
use zstage::{Command, Summary, WriteOptions};
use zstore::{Location, Target, create_directories};
use zwire::{Exit, Failure, GeneratedRecord, GeneratedSummary, Record, human_bytes, human_counted};

use crate::cli::Args;
use crate::divergence::Divergence;
use crate::grid::{BatchSpec, GridShape};
use crate::kernel::Lanes;
use crate::output::{Body, Content, Output, SOURCE};
use crate::prepared::{check_output, locations};

/// A batch, and where it is written.
struct Batch {
    spec: BatchSpec,
    body: Body,
    location: Location,
}

impl Args {
    /// Writes batches on a grid.
    pub(super) fn grid(&self, shape: GridShape, directory: &Target, session: &mut Session) -> Result<Ending, Failure> {
        let write = self.write_options(&session.stop);
        let (specs, codec) = (self.batches(shape)?, self.codec.options()?);
        let directory = Location::output(directory)?;
        let locations = locations(&directory, specs.len() as u64)?;
        let body = |spec: &BatchSpec| Body {
            content: Content::Batch(spec.clone()),
            zarr_format: self.zarr_format(),
            codec: codec.clone(),
            diverged: Divergence::default(),
        };
        let batches: Vec<Batch> = specs
            .into_iter()
            .zip(locations)
            .map(|(spec, location)| Batch { body: body(&spec), spec, location })
            .collect();
        let memory = memory_for_chunks(&batches, write.memory_bytes)?;
        if !write.dry_run {
            // Before the first one is begun: batches of other parameters are not mixed.
            for batch in &batches {
                check_output(&batch.location, &batch.body, &write)?;
            }
        }
        for batch in &batches {
            check_divergence(&batch.spec, session)?;
        }
        if !write.dry_run {
            make(&directory)?;
        }
        let chunks = WriteOptions { memory_bytes: memory, ..write.clone() };
        self.write(&batches, &directory, write.memory_bytes, &chunks, session)
    }

    /// Writes them. The first batch that fails ends the run; those before it are finished.
    fn write(
        &self,
        batches: &[Batch],
        directory: &Location,
        memory: u64,
        options: &WriteOptions,
        session: &mut Session,
    ) -> Result<Ending, Failure> {
        let (mut totals, mut ending, mut complete) = (GeneratedSummary::default(), None, 0);
        let bar = session.status.bar_of_steps(batches.len() as u64, "batches", Unit::Bytes);
        for Batch { spec, body, location } in batches {
            let output = Output::new(Some(body.clone()), Lanes::best(), memory, &session.stop, self.common.verbose);
            let output = output.of_batch(location);
            let command = Command::Run { sources: vec![Target::from(SOURCE)], output: location.clone() };
            let outcome = zstage::run(&output, &command, options, &session.listener_of_step(bar.step()))?;
            match &outcome.summary {
                Summary::Totals(written) => {
                    add(&mut totals, written, body.arrays());
                    session.out.emit(&record(location, spec, body, written))?;
                }
                Summary::Complete { .. } => complete += 1,
                Summary::Nothing {} => {}
                Summary::Described(plan) => {
                    let before = ending.take().unwrap_or_else(|| Ending::without_totals(Exit::Done));
                    ending = Some(Ending { totals: with_plan(before.totals, plan), ..before });
                }
                _ => ending = Some(self.writer.ending(&outcome, session)?),
            }
            if outcome.exit != Exit::Done {
                return Ok(ending.unwrap_or_else(|| Ending::new(outcome.exit, &totals)));
            }
            let faults = if ending.is_none() { body.faults() } else { 0 };
            totals.faults = Some(totals.faults.unwrap_or(0) + faults).filter(|faults| *faults > 0);
        }
        drop(bar);
        if complete > 0 {
            let stores = human_counted(complete, "store");
            session.status.warn(&format!("{directory}: already complete, nothing to do: {stores}"));
        }
        Ok(ending.unwrap_or_else(|| Ending::new(Exit::Done, &totals)))
    }
}

/// What is left of the memory for chunks that are compressed. All batches have the same grid.
fn memory_for_chunks(batches: &[Batch], memory: u64) -> Result<u64, Failure> {
    if batches.iter().any(|batch| batch.spec.bytes().is_none()) {
        let failure = Failure::usage("the batches are too large to be written");
        return Err(failure.hint("reduce --grid, --times or --file-ids"));
    }
    let Some(Batch { spec, .. }) = batches.first() else { return Ok(memory) };
    match spec.memory_for_chunks(memory) {
        (_, Some(left)) => Ok(left),
        (need, None) => {
            let (need, memory) = (human_bytes(need), human_bytes(memory));
            let text = format!("the states of all cells and a chunk need {need}, but --max-memory is {memory}");
            Err(Failure::usage(text).hint("raise --max-memory, or reduce --grid or --chunks"))
        }
    }
}

/// The totals of the plans of several stores: stores are written one after the other, so that they need the most of the memory of any.
fn with_plan(mut all: Map<String, Value>, plan: &Map<String, Value>) -> Map<String, Value> {
    const MOST: [&str; 2] = ["jobs", "memory_bytes"];
    for (key, value) in plan {
        let (before, now) = (all.get(key).and_then(Value::as_u64).unwrap_or(0), value.as_u64().unwrap_or(0));
        let together = if MOST.contains(&key.as_str()) { before.max(now) } else { before.saturating_add(now) };
        all.insert(key.clone(), together.into());
    }
    all
}

fn check_divergence(spec: &BatchSpec, session: &Session) -> Result<(), Failure> {
    let Some(file_id) = spec.diverging_file(&session.stop)? else { return Ok(()) };
    let dt = spec.system.dt;
    let text = format!("the members of file_id {file_id} become infinite or NaN with a time step of {dt}");
    Err(Failure::new(Exit::No, text).hint("reduce --dt"))
}

/// Makes the directory of the batches.
fn make(directory: &Location) -> Result<(), Failure> {
    match directory {
        Location::Local(path) if !path.is_dir() => {
            create_directories(path).map_err(|error| Failure::new(Exit::Output, error.to_string()).at(path.display()))
        }
        _ => Ok(()),
    }
}

/// Adds what was written of a store with so many arrays.
pub fn add(totals: &mut GeneratedSummary, written: &zstage::Totals, arrays: u64) {
    totals.stores += 1;
    totals.arrays += written.arrays.unwrap_or(arrays);
    totals.objects += written.objects;
    totals.uncompressed_bytes += written.bytes_before;
    totals.bytes += written.bytes_after;
    totals.verified += written.verified;
    totals.resumed += written.resumed;
    totals.failed += written.failed;
}

fn record(location: &Location, spec: &BatchSpec, body: &Body, written: &zstage::Totals) -> Record {
    Record::Generated(Box::new(GeneratedRecord {
        store: location.to_string(),
        path: "/".into(),
        shape: spec.shape(),
        // Elements of more than a byte are all encoded alike.
        codec: body.codec.compressor(4).describe(),
        objects: written.objects,
        uncompressed_bytes: written.bytes_before,
        bytes: written.bytes_after,
        verified: written.verified,
        failed: written.failed,
        ..GeneratedRecord::default()
    }))
}
