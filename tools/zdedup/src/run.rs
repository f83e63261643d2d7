//! The job of `zdedup`: open the batches → find duplicates → compare their data → report; with an output, choose → write.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use zarray::Pool;
use zcli::{Common, Ending, Session, Table, Tool};
use zstage::{Command, Outcome, StagedStore, Summary};
use zstore::{Location, MOST_REQUESTS, Store, Target};
use zwire::{ConcatSummary, DedupSummary, Exit, Failure, human_counted};

use crate::batch::Batch;
use crate::choose::occur;
use crate::cli::{Args, EXAMPLES, SECTIONS};
use crate::concat::Concat;
use crate::coordinate::Coordinate;
use crate::crop::Crop;
use crate::human;
use crate::merge::{groups, match_groups};
use crate::options::{Options, Rule};
use crate::plan_body::GroupRuns;
use crate::rules::JoinMode;
use crate::survey::{Survey, totals};

/// Batches that are opened at the same time for each core: opening waits for disks and servers.
const OPENED_PER_CORE: usize = 4;

/// Bytes that each coordinate may take at least: most take far less than their share.
const LEAST_MEMORY: u64 = 64 << 20;

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] =
        &["dim", "output", "dry_run", "keep", "prefer", "overlap", "sort", "join", "combine_attrs", "var", "resume"];

    const EXAMPLES: &'static [(&'static str, &'static str)] = EXAMPLES;

    const SECTIONS: &'static [(&'static str, &'static str)] = SECTIONS;

    fn writes(&self) -> bool {
        self.target().is_some()
    }

    /// Records go to standard output: the output is a store.
    fn records_file(&self) -> Option<&Path> {
        None
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn table(&self) -> Table {
        human::table(self.target().is_some())
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        let options = Options::new(self, &session.stop)?;
        let target = self.target();
        if self.is_step() {
            let target = target.ok_or_else(|| Failure::usage("missing option: -o DST, the prepared output"))?;
            return self.step(&options, &target, session);
        }
        if target.is_none() && self.needs_output() {
            return Err(Failure::usage("missing option: -o DST, the store to write"));
        }
        if let (true, true, Some(store)) = (options.appends, options.write.resume, &target)
            && StagedStore::is_begun(&Command::resolved(Location::output(store)?), &options.write.store)?
        {
            // What is appended was decided; the store may be in the middle of it.
            return self.resume_append(&options, store, session);
        }
        let targets = self.batches(&options)?;
        if targets.len() == usize::from(options.appends) {
            session.note_no_stores(self.stores_from.as_deref());
            return Ok(Ending::new(Exit::Done, &DedupSummary::default()));
        }
        let dim = options.dim.clone().ok_or_else(|| Failure::usage("missing option: --dim DIM"))?;
        let (batches, failed) = open(&targets, &dim, &options, session)?;
        // It is reported already, as are the others that cannot be opened.
        if let Some(failure) = failed.filter(|_| target.is_some() || batches.is_empty()) {
            return Ok(Ending::without_totals(failure.exit));
        }
        let crop = match options.output.join == JoinMode::Inner && options.compares {
            true => common(&batches, &dim, &options)?,
            false => Crop::default(),
        };
        let names: Vec<&str> = batches.iter().map(|batch| batch.name.as_str()).collect();
        if let Rule::Prefer(preferred) = &options.rule
            && let Some(failure) = preferred.unmatched(&names)
        {
            return Err(failure);
        }
        let mut surveys = groups(batches, options.merges)
            .into_iter()
            .map(|group| Survey::new(group, &options, &dim, &crop, session))
            .collect::<Result<Vec<_>, Failure>>()?;
        if options.merges && surveys.len() == 1 {
            session.status.warn("--merge: all stores have the same variables");
        }
        let mut summary = totals(&surveys);
        let between = match_groups(&mut surveys, &crop, &options, &dim, session, &mut summary)?;
        let Some(target) = target else {
            // Without an output, what a rule says of duplicates is only shown.
            for survey in &surveys {
                survey.emit_batches(survey.kept.as_deref().unwrap_or_default(), &options, &dim, &crop, session)?;
            }
            return Ok(Ending::new(verdict(&summary, session), &summary));
        };
        between.check(&dim).and_then(|()| check(&summary, &options)).map_err(|failure| failure.at(&target))?;
        for survey in &mut surveys {
            let kept = std::mem::replace(&mut survey.kept, Ok(Vec::new()))?;
            let kept = if options.appends { appended(&survey.coordinate, kept) } else { kept };
            let is_appended = options.appends && kept.len() == survey.coordinate.rows(0).len();
            if kept.is_empty() && !is_appended {
                return Err(Failure::new(Exit::No, "no value is kept: nothing would be written").at(&target));
            }
            survey.emit_batches(&kept, &options, &dim, &crop, session)?;
            if is_appended
                && StagedStore::is_begun(&Command::resolved(Location::output(&target)?), &options.write.store)?
            {
                let failure = Failure::new(Exit::Output, "an unfinished run on it exists").at(&target);
                return Err(failure.hint("use --resume to end it"));
            }
            if is_appended {
                let values = human_counted((survey.coordinate.len() - kept.len()) as u64, "value");
                session
                    .status
                    .warn(&format!("{target}: nothing to append: {values} of {dim} are there already or not wanted"));
                return Ok(Ending::new(Exit::Done, &summary));
            }
            survey.kept = Ok(kept);
        }
        if summary.unsorted > 0 && !options.sorts && !options.appends {
            let values = human_counted(summary.unsorted, "value");
            session.status.warn(&format!("{values} out of order in the output; use --sort to sort it by {dim}"));
        }
        self.write(&options, targets, &target, &surveys, &mut summary, session)
    }
}

impl Args {
    /// Writes the concatenation of the rows that are kept.
    fn write(
        &self,
        options: &Options,
        targets: Vec<Target>,
        target: &Target,
        surveys: &[Survey],
        summary: &mut DedupSummary,
        session: &mut Session,
    ) -> Result<Ending, Failure> {
        let first = surveys.first();
        let before = first.and_then(|first| first.batches.first()).map(|store| &store.column);
        let kept = first.map_or(0, |first| first.rows().len() as u64);
        let groups = surveys.iter().map(GroupRuns::of).collect();
        let concat = Concat::new(options, Some(groups), before.filter(|_| options.appends));
        let concat = concat.with_decided(surveys.iter().map(Survey::decided).collect());
        let command = self.command(targets, target)?;
        let outcome = zstage::run(&concat, &command, &options.write, &session.listener())?;
        summary.concat = totals_of(&outcome, &concat, Some(kept));
        if let Summary::Described(plan) = &outcome.summary {
            let mut ending = Ending::new(outcome.exit, &*summary);
            ending.totals.insert("kept".into(), kept.into());
            ending.totals.extend(plan.clone());
            return Ok(ending);
        }
        match &outcome.summary {
            Summary::Totals(_) | Summary::Complete { .. } | Summary::Nothing {} => {
                // What could not be compared was reported, and a rule decided.
                let is_partial = outcome.exit == Exit::Done && session.out.errors() > 0;
                Ok(Ending::new(if is_partial { Exit::Partial } else { outcome.exit }, &*summary))
            }
            _ => self.writer.ending(&outcome, session),
        }
    }

    /// Continues an interrupted run that appends to a store.
    fn resume_append(&self, options: &Options, store: &Target, session: &mut Session) -> Result<Ending, Failure> {
        let concat = Concat::new(options, None, None);
        let command = self.command(self.batches(options)?, store)?;
        let outcome = zstage::run(&concat, &command, &options.write, &session.listener())?;
        let dim = options.dim.clone().unwrap_or_default();
        let concat = totals_of(&outcome, &concat, None);
        Ok(Ending::new(outcome.exit, &DedupSummary { dim, concat, ..DedupSummary::default() }))
    }

    /// A step of an output that was prepared.
    fn step(&self, options: &Options, target: &Target, session: &mut Session) -> Result<Ending, Failure> {
        let sources =
            if self.stores.is_empty() && self.stores_from.is_none() { Vec::new() } else { self.batches(options)? };
        let command = self.command(sources, target)?;
        let outcome = zstage::run(&Concat::new(options, None, None), &command, &options.write, &session.listener())?;
        self.writer.ending(&outcome, session)
    }
}

/// The rows when the other batches are appended to the first, which keeps all of its own.
fn appended(coordinate: &Coordinate, kept: Vec<usize>) -> Vec<usize> {
    let own = coordinate.rows(0);
    own.clone().chain(kept.into_iter().filter(|row| !own.contains(row))).collect()
}

/// Opens all batches side by side. Those that cannot be opened are reported; the first failure is returned.
fn open(
    targets: &[Target],
    dim: &str,
    options: &Options,
    session: &mut Session,
) -> Result<(Vec<Batch>, Option<Failure>), Failure> {
    let write = &options.write;
    let pool = Pool::new((write.jobs * OPENED_PER_CORE).min(MOST_REQUESTS).min(targets.len()));
    let memory = (write.memory_bytes / 2 / targets.len() as u64).max(LEAST_MEMORY);
    let one = Pool::new(1);
    let known = Mutex::default();
    let opened = pool.map(targets.iter().enumerate().collect(), |(number, target): (usize, &Target)| {
        let trusts = !(options.appends && number == 0);
        let opened = Batch::open(
            (number, target),
            dim,
            &write.store,
            &one,
            memory,
            trusts,
            options.merges.then_some(&options.var),
        );
        opened.map(|batch| shared(batch, &known))
    });
    let (mut batches, mut first) = (Vec::new(), None);
    for opened in opened {
        match opened {
            Ok(batch) => {
                // Among those that could be opened.
                let batch = Batch { number: batches.len(), ..batch };
                batch.note.iter().for_each(|note| session.status.warn(&format!("{}: {dim}: {note}", batch.name)));
                batches.push(batch);
            }
            Err(failure) if targets.len() == 1 => return Err(failure),
            Err(failure) => {
                session.item_failed(&failure)?;
                first = first.or(Some(failure));
            }
        }
    }
    Ok((batches, first))
}

/// The batch with its names of variables held once, where others have the same.
fn shared(batch: Batch, known: &Mutex<Vec<Arc<BTreeSet<String>>>>) -> Batch {
    let mut known = known.lock();
    let variables = match known.iter().find(|names| **names == batch.variables) {
        Some(names) => Arc::clone(names),
        None => {
            known.push(Arc::clone(&batch.variables));
            Arc::clone(&batch.variables)
        }
    };
    Batch { variables, ..batch }
}

/// What all batches have of the other dimensions.
fn common(batches: &[Batch], dim: &str, options: &Options) -> Result<Crop, Failure> {
    let open = |batch: &Batch| Store::open(&batch.target, &options.write.store);
    let stores = batches.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let pool = Pool::new((options.write.jobs * OPENED_PER_CORE).min(MOST_REQUESTS));
    Crop::read(&stores, dim, &pool, options.write.memory_bytes / 4, options.output.coord_tolerance)
}

/// Refuses to write if no flag decides about what was found.
fn check(summary: &DedupSummary, options: &Options) -> Result<(), Failure> {
    if summary.missing_values > 0 {
        let values = human_counted(summary.missing_values, "value");
        let are = if summary.missing_values == 1 { "is" } else { "are" };
        let text = format!("{values} of {} {are} missing: such rows cannot be told apart", summary.dim);
        return Err(Failure::new(Exit::No, text));
    }
    if summary.unmatched > 0 {
        let values = human_counted(summary.unmatched, "value");
        let text = format!("--merge: {values} of {} not in the stores of all variables", summary.dim);
        return Err(Failure::new(Exit::No, text).hint("give stores with the same values, or write two outputs"));
    }
    if options.rule.decides_conflicts() || (summary.duplicates == 0 && summary.conflicting == 0) {
        return Ok(());
    }
    let decide = match (options.appends, &options.rule) {
        (true, _) => "use --keep first to leave the new data out",
        (false, Rule::Overlap(_)) => "use --overlap newer, replace or retain to decide",
        (false, _) => "use --keep first or --keep last, --prefer GLOB or --overlap to decide",
    };
    if summary.conflicting > 0 {
        let text = format!("{} more than once with different data", occur(summary.conflicting));
        return Err(Failure::new(Exit::No, text).hint(decide));
    }
    if summary.not_compared > 0 {
        let values = human_counted(summary.not_compared, "value");
        return Err(Failure::new(
            Exit::No,
            format!("the data of {values} that occur more than once were not compared"),
        )
        .hint(decide));
    }
    Ok(())
}

/// The verdict on the batches.
fn verdict(summary: &DedupSummary, session: &Session) -> Exit {
    let found = summary.duplicates
        + summary.unmatched
        + summary.conflicting
        + summary.gaps
        + summary.unsorted
        + summary.near_duplicates
        + summary.missing_values;
    match session.out.errors() > 0 {
        _ if found > 0 => Exit::No,
        true => Exit::Partial,
        false => Exit::Done,
    }
}

fn totals_of(outcome: &Outcome, concat: &Concat, kept: Option<u64>) -> Option<ConcatSummary> {
    let Summary::Totals(totals) = &outcome.summary else { return None };
    Some(ConcatSummary {
        kept,
        arrays: totals.arrays.unwrap_or(0),
        objects: totals.objects,
        copied: concat.copied(),
        recoded: totals.recompressed,
        bytes: totals.bytes_after,
        verified: totals.verified,
        resumed: totals.resumed,
        failed: totals.failed,
    })
}
