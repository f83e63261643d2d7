//! Fetches single objects of a finished output again, in place: those that were found damaged or missing. The others are not
//! touched, and nor are the metadata documents, which must be those that the same command would write today.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use zarray::Part;
use zstore::{Location, Store, StoreError, StoreOptions, Target};
use zwire::{Exit, Failure, human_counted};

use crate::array_plan::ArrayPlan;
use crate::folder::JOURNAL;
use crate::journal::{Completed, Entry, Journal, segments};
use crate::objects::Work;
use crate::options::{Begin, OnChange, WriteOptions};
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
/// [`Exit::Output`] if `output` is not what this command writes from the source as it is now, or has other coordinates; keys that are no objects of it are failed
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
    let damaged = keys.iter().map(String::as_str).collect();
    plan.check_repairable(&written, options, &damaged).map_err(|failure| match failure.exit {
        Exit::Output => failure.hint("use the command that fetched it, with the same source and selection"),
        _ => failure,
    })?;
    let (units, mut failures) = plan.units_of(keys, &written);
    failures.iter().try_for_each(|failure| progress.item_failed(failure))?;
    let chosen: HashSet<(String, u64)> = plan.chosen(&units).collect();
    let earlier = options.keep_journal.as_deref().map_or_else(|| Ok(Sums::new()), |kept| sums_of(kept, &chosen))?;
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
        let changed = add_to_journal(&staged, kept, &earlier, options.on_change)?;
        match options.on_change {
            OnChange::Stop => {
                for key in changed {
                    let text = "the source has changed since it was fetched: the object has other bytes than before";
                    let failure = Failure::new(Exit::Output, text).at(plan.store().place(&key));
                    let failure = failure.hint("fetch the whole store again; until then, zfetch cache verify reports it");
                    progress.item_failed(&failure)?;
                    failures.push(failure);
                }
            }
            // What was fetched may have been wrong, and mended since.
            OnChange::Refetch if !changed.is_empty() => progress.warn(&format!(
                "{output}: {} fetched again with other bytes than before, because the source has changed; all others are \
                 as they were",
                human_counted(changed.len() as u64, "object")
            )),
            OnChange::Refetch => {}
        }
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

/// CRC-32C of objects, by the path of their array and their number.
type Sums = HashMap<(String, u64), u32>;

/// The checksums that earlier runs entered for the objects that are `chosen`; of one that was written twice, the last.
fn sums_of(kept: &Path, chosen: &HashSet<(String, u64)>) -> Result<Sums, StoreError> {
    let kept = match Store::open(kept, &StoreOptions::default()) {
        Err(StoreError::Absent { .. }) => return Ok(Sums::new()),
        opened => opened?,
    };
    let mut sums = Sums::new();
    for key in segments(&kept, "")? {
        let entries =
            Entry::read_segment(&kept, &key)?.into_iter().map(|entry| ((entry.path, entry.unit), entry.crc32c));
        sums.extend(entries.filter(|(object, _)| chosen.contains(object)));
    }
    Ok(sums)
}

/// Adds the segments of the journal to those that were kept of earlier runs: the name of a segment begins with the time of its run.
/// Returns the source keys of objects that are not what they were `earlier`; where a change stops the run, their old checksums
/// stay, so that they do not pass for sound.
fn add_to_journal(
    staged: &StagedStore,
    kept: &Path,
    earlier: &Sums,
    on_change: OnChange,
) -> Result<Vec<String>, Failure> {
    let kept = Store::create_at(&Location::Local(kept.to_owned()), &StoreOptions::default())?;
    let mut changed = Vec::new();
    for segment in segments(staged.folder(), JOURNAL)? {
        let mut text = Vec::new();
        for entry in Entry::read_segment(staged.folder(), &segment)? {
            let before = earlier.get(&(entry.path.clone(), entry.unit));
            let has_changed = before.is_some_and(|sum| *sum != entry.crc32c);
            if !has_changed || on_change == OnChange::Refetch {
                text.extend(entry.line()?);
            }
            if has_changed {
                changed.push(entry.key);
            }
        }
        if !text.is_empty() {
            kept.put(segment.strip_prefix(JOURNAL).unwrap_or(&segment).trim_start_matches('/'), &text)?;
        }
    }
    kept.sync()?;
    Ok(changed)
}

impl OutputPlan<'_> {
    /// The path of the array and the number of each object that is chosen.
    fn chosen(&self, units: &[Vec<u64>]) -> impl Iterator<Item = (String, u64)> {
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
