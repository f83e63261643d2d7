//! Writes the batches of a grid, one store after the other.

use std::path::Path;

use zcli::{Ending, Session, WriterFlags};
use zstage::{Command, Summary, WriteOptions};
use zstore::{Location, Target, create_directories};
use zwire::{Exit, Failure, GeneratedRecord, GeneratedSummary, Record};

use crate::grid::{BatchSpec, Faults, damage};
use crate::output::{Output, SOURCE};

/// The batches to write.
pub struct Batches<'a> {
    /// The directory, or the prefix in a bucket.
    pub directory: &'a Target,
    /// The body of each; none in a step of batches that were prepared.
    pub outputs: Vec<Output>,
    /// What each holds.
    pub specs: Vec<BatchSpec>,
    /// What is planted.
    pub faults: Option<Faults>,
}

/// Writes them, or does one step of it.
///
/// # Errors
/// The first batch that fails ends the run; those before it are finished.
pub fn write(
    batches: &Batches,
    writer: &WriterFlags,
    options: &WriteOptions,
    session: &mut Session,
) -> Result<Ending, Failure> {
    let (mut totals, mut ending) = (GeneratedSummary::default(), None);
    if !writer.is_part() && !writer.status && !writer.finish && !options.dry_run {
        make(batches.directory)?;
    }
    for (number, output) in batches.outputs.iter().enumerate() {
        let location = location(batches.directory, number, batches.outputs.len())?;
        let outcome = zstage::run(output, &command(writer, &location)?, options, &session.listener())?;
        let is_written = match &outcome.summary {
            Summary::Totals(written) => {
                add(&mut totals, written);
                let spec = batches.specs.get(number);
                spec.map_or(Ok(()), |spec| session.out.emit(&record(&location, spec, written)))?;
                true
            }
            Summary::Complete { .. } | Summary::Nothing {} => true,
            Summary::Prepared { .. } | Summary::PartDone { .. } | Summary::Status(_) | Summary::Described(_) => {
                ending = Some(writer.ending(&outcome, session)?);
                false
            }
        };
        if outcome.exit != Exit::Done {
            return match ending {
                Some(ending) => Ok(ending),
                None => Ok(Ending::new(outcome.exit, &totals)),
            };
        }
        let faults = batches.faults.filter(|faults| faults.batch == number as u64 && is_written && !writer.is_part());
        if let (Some(_), Some(key)) = (faults, output.damaged_key()) {
            damage(&location, &key, &options.store)?;
            totals.faults = Some(Faults::PLANTED);
        }
    }
    Ok(ending.unwrap_or_else(|| Ending::new(Exit::Done, &totals)))
}

fn command(writer: &WriterFlags, location: &Location) -> Result<Command, Failure> {
    let (sources, output) = (vec![Target::from(SOURCE)], location.clone());
    Ok(match writer.part()? {
        _ if writer.status => Command::Status(output),
        _ if writer.finish => Command::Finish { sources: Vec::new(), output },
        Some(part) => Command::Part { sources: Vec::new(), output, part },
        None => Command::Run { sources, output },
    })
}

/// Makes the directory of the batches.
fn make(directory: &Target) -> Result<(), Failure> {
    match Location::output(directory)? {
        Location::Local(path) if !path.is_dir() => {
            create_directories(&path).map_err(|error| Failure::new(Exit::Output, error.to_string()).at(path.display()))
        }
        _ => Ok(()),
    }
}

/// Where a batch is: `DIRECTORY/batch_00.zarr`.
fn location(directory: &Target, number: usize, of: usize) -> Result<Location, Failure> {
    let digits = (of - 1).to_string().len().max(2);
    let name = format!("batch_{number:0digits$}.zarr");
    let directory = Location::output(directory)?;
    Ok(match &directory {
        Location::Local(path) => Location::Local(Path::new(path).join(name)),
        _ => directory.with_suffix(&format!("/{name}"))?,
    })
}

fn add(totals: &mut GeneratedSummary, written: &zstage::Totals) {
    totals.stores += 1;
    totals.arrays += written.arrays.unwrap_or(0);
    totals.objects += written.objects;
    totals.uncompressed_bytes += written.bytes_before;
    totals.bytes += written.bytes_after;
    totals.verified += written.verified;
    totals.resumed += written.resumed;
    totals.failed += written.failed;
}

fn record(location: &Location, spec: &BatchSpec, written: &zstage::Totals) -> Record {
    Record::Generated(Box::new(GeneratedRecord {
        store: location.to_string(),
        path: "/".into(),
        shape: spec.shape(),
        codec: String::new(),
        objects: written.objects,
        uncompressed_bytes: written.bytes_before,
        bytes: written.bytes_after,
        verified: written.verified,
        failed: written.failed,
        ..GeneratedRecord::default()
    }))
}
