//! Fetches single objects of a finished output again, in place: those that were found damaged or missing. The others are not
//! touched, and nor are the metadata documents, which must be those that the same command would write today.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use zarray::Part;
use zstore::{Location, Store, StoreOptions, Target};
use zwire::{Exit, Failure, human_counted};

use crate::array_plan::ArrayPlan;
use crate::earlier::{Compared, Earlier, ObjectId};
use crate::folder::JOURNAL;
use crate::journal::{Completed, Entry, Journal, segments};
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

/// How a repair ended.
pub struct Repaired {
    /// As of other runs.
    pub outcome: Outcome,
    /// Keys of the objects in the output that were written again.
    pub written: Vec<String>,
    /// Keys of those of which the source has another version, so that they were not.
    pub refused: Vec<String>,
    /// Number of the objects that could not be compared with those before, because no checksum was kept.
    pub unknown: u64,
}

/// Writes the objects `keys` of the finished `output` again, from `source`. Each replaces the old one only once it is there and
/// verified; one with other bytes than before only with [`OnChange::Refetch`](crate::OnChange). The new entries of the journal are added
/// to the one that was kept (`WriteOptions::keep_journal`).
///
/// # Errors
/// [`Exit::Output`] if `output` is not what this command writes from the source as it is now, or has other coordinates; keys that are no
/// objects of it are failed items.
pub fn repair<W: Writer>(
    tool: &W,
    (source, output): (&Target, &Location),
    keys: &[String],
    options: &WriteOptions,
    progress: &dyn Progress,
) -> Result<Repaired, Failure> {
    let run = Run { tool, options, progress };
    let stores = [Store::open(source.clone(), &options.store)?];
    let written = Store::open_at(output, &options.store)?;
    // The lock is taken before planning, so that no other run changes the store in between.
    let staged = StagedStore::begin(output, Begin::InPlace, &options.store)?;
    let sources = run.sources(&stores, output, None)?;
    let mut body = tool.body(None, &sources)?;
    let plan = match run.plan_new(&sources, output, &mut body)? {
        Ok(plan) => plan,
        Err(outcome) => return Ok(Repaired { outcome, written: Vec::new(), refused: Vec::new(), unknown: 0 }),
    };
    plan.check_written(run.format(&body), &written)?;
    let damaged = keys.iter().map(String::as_str).collect();
    plan.check_repairable(&written, options, &damaged).map_err(|failure| match failure.exit {
        Exit::Output => failure.hint("use the command that fetched it, with the same source and selection"),
        _ => failure,
    })?;
    let (units, failures) = plan.units_of(keys, &written);
    failures.iter().try_for_each(|failure| progress.item_failed(failure))?;
    let chosen: HashSet<ObjectId> = plan.chosen(&units).collect();
    let earlier = Earlier::read(options.keep_journal.as_deref(), &chosen, options.on_change)?;
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
        earlier: Some(&earlier),
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
    let written = plan.written(&staged)?;
    let Compared { refused, changed, unknown } = earlier.compared();
    // What was fetched may have been wrong, and mended since.
    if !changed.is_empty() {
        progress.warn(&format!(
            "{output}: {} fetched again with other bytes than before, because the source has changed; all others are as they \
             were",
            human_counted(changed.len() as u64, "object")
        ));
    }
    staged.publish()?;
    let totals = work?.totals;
    let exit = match progress.stopped() {
        Some(exit) => exit,
        None if totals.lost > 0 => totals.exit_of_lost(),
        None if !failures.is_empty() => Exit::Partial,
        None => exit_of(&totals),
    };
    Ok(Repaired { outcome: Outcome::new(exit, Summary::Totals(totals)), written, refused, unknown })
}

/// Adds the segments of the journal to those that were kept of earlier runs: the name of a segment begins with the time of its run.
fn add_to_journal(staged: &StagedStore, kept: &Path) -> Result<(), Failure> {
    let kept = Store::create_at(&Location::Local(kept.to_owned()), &StoreOptions::default())?;
    for segment in segments(staged.folder(), JOURNAL)? {
        let mut text = Vec::new();
        if staged.folder().get(&segment, &mut text)?.is_some() {
            kept.put(segment.strip_prefix(JOURNAL).unwrap_or(&segment).trim_start_matches('/'), &text)?;
        }
    }
    Ok(kept.sync()?)
}

impl OutputPlan<'_> {
    /// Keys of the objects in the output that this run has written.
    fn written(&self, staged: &StagedStore) -> Result<Vec<String>, Failure> {
        let plans: HashMap<&str, &ArrayPlan> = self.plans.iter().map(|plan| (plan.array.path.as_str(), plan)).collect();
        let mut written = Vec::new();
        for segment in segments(staged.folder(), JOURNAL)? {
            let entries = Entry::read_segment(staged.folder(), &segment)?.into_iter();
            written.extend(
                entries.filter_map(|entry| Some(plans.get(&*entry.path)?.new_key(&entry.key, Some(entry.unit)))),
            );
        }
        Ok(written)
    }

    /// The path of the array and the number of each object that is chosen.
    fn chosen(&self, units: &[Vec<u64>]) -> impl Iterator<Item = ObjectId> {
        let of_array = |(plan, units): (&ArrayPlan, &Vec<u64>)| {
            let path = plan.array.path.clone();
            units.iter().map(move |unit| (path.clone(), *unit)).collect::<Vec<_>>()
        };
        self.plans.iter().zip(units).flat_map(of_array)
    }

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
