//! Fetches single objects of a finished output again, in place: those that were found damaged or missing. The others are not
//! touched, and nor are the metadata documents, which must be those that the same command would write today.

use std::collections::HashMap;
use std::path::Path;

use zarray::Part;
use zstore::{Location, Store, StoreError, StoreOptions, Target};
use zwire::{Exit, Failure};

use crate::folder::JOURNAL;
use crate::journal::{Completed, Journal, segments};
use crate::objects::Work;
use crate::options::{Begin, WriteOptions};
use crate::outcome::{Outcome, Summary};
use crate::output_plan::OutputPlan;
use crate::progress::Progress;
use crate::run::{Run, exit_of};
use crate::staged_store::StagedStore;
use crate::stats::ArrayStats;
use crate::task::Task;
use crate::writer::Writer;

/// Writes the objects `keys` of the finished `output` again, from `source`. Each replaces the old one only once it is there and
/// verified. The new entries of the journal are added to the one that was kept (`WriteOptions::keep_journal`).
///
/// # Errors
/// [`Exit::Output`] if `output` is not what this command writes from the source as it is now; keys that are no objects of it are failed
/// items.
pub fn repair<W: Writer>(
    tool: &W,
    (source, output): (&Target, &Location),
    keys: &[String],
    options: &WriteOptions,
    progress: &dyn Progress,
) -> Result<Outcome, Failure> {
    let run = Run { tool, options, progress };
    let stores = [Store::open(source.clone(), &options.store)?];
    let written = Store::open_at(output, &options.store)?;
    // The lock is taken before planning, so that no other run changes the store in between.
    let staged = StagedStore::begin(output, Begin::InPlace, &options.store)?;
    let sources = run.sources(&stores, output)?;
    let mut body = tool.body(None, &sources)?;
    let plan = match run.plan_new(&sources, output, &mut body)? {
        Ok(plan) => plan,
        Err(refused) => return Ok(refused),
    };
    plan.check_written(run.format(&body), &written)?;
    let (units, failures) = plan.units_of(keys, &written);
    failures.iter().try_for_each(|failure| progress.item_failed(failure))?;
    let store = plan.store().location().to_string();
    let record = |plan: &_, stats: &ArrayStats| tool.record(&store, plan, stats);
    let task = Task {
        options,
        again: false,
        stores: plan.stores,
        staged: &staged,
        plans: &plan.plans,
        work: Work::Chosen(units),
        completed: Completed::default(),
        journal: Journal::new(&staged, Part::WHOLE.number, options.checkpoint),
        arrivals: plan.arrivals(options)?,
        scratch: options.scratch.directory(staged.folder().location()),
        backup: None,
        memory_bytes: options.memory_bytes,
        record: &record,
        progress,
    };
    let work = task.run(&plan.pool, 0);
    staged.objects().sync()?;
    if let Some(kept) = &options.keep_journal {
        add_to_journal(&staged, kept)?;
    }
    staged.publish()?;
    let totals = work?.totals;
    let exit = match progress.stopped() {
        Some(exit) => exit,
        None if totals.lost > 0 => totals.exit_of_lost(),
        None if !failures.is_empty() => Exit::Partial,
        None => exit_of(&totals),
    };
    Ok(Outcome::new(exit, Summary::Totals(totals)))
}

/// Adds the segments of the journal to those that were kept of earlier runs: the name of a segment begins with the time of its run.
fn add_to_journal(staged: &StagedStore, kept: &Path) -> Result<(), StoreError> {
    let kept = Store::create_at(&Location::Local(kept.to_owned()), &StoreOptions::default())?;
    let mut text = Vec::new();
    for key in segments(staged.folder(), JOURNAL)? {
        staged.folder().get(&key, &mut text)?;
        kept.put(key.strip_prefix(JOURNAL).unwrap_or(&key).trim_start_matches('/'), &text)?;
    }
    kept.sync()
}

impl OutputPlan<'_> {
    /// The numbers of objects by their keys in the output, for each array in order; and keys that are no objects of it.
    fn units_of(&self, keys: &[String], written: &Store) -> (Vec<Vec<u64>>, Vec<Failure>) {
        let arrays: HashMap<&str, usize> =
            self.plans.iter().enumerate().map(|(number, plan)| (plan.array.key_prefix(), number)).collect();
        let mut units = vec![Vec::new(); self.plans.len()];
        let mut failures = Vec::new();
        for key in keys {
            let prefixes = key.rmatch_indices('/').map(|(at, _)| &key[..at]).chain([""]);
            let array = prefixes.filter_map(|prefix| arrays.get(prefix)).next();
            match array.and_then(|array| Some((array, self.plans[*array].unit_of(key)?))) {
                Some((array, unit)) => units[*array].push(unit),
                None => {
                    let failure = Failure::new(Exit::Absent, "not a chunk of this store");
                    failures.push(
                        failure
                            .at(written.place(key))
                            .hint("metadata and other files are written by fetching it again with --overwrite"),
                    );
                }
            }
        }
        for units in &mut units {
            units.sort_unstable();
            units.dedup();
        }
        (units, failures)
    }
}
