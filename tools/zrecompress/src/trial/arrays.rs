//! Trials of many arrays: one per array, or one per group of similar arrays.

use std::collections::{BTreeMap, HashMap};

use zarray::{Array, Pool};
use zcli::Ending;
use zcodec::Blosc;
use zstage::Progress;
use zstore::Store;
use zwire::{ChoiceRecord, Exit, Failure, Record, TrialRecord, TrialSummary, round3};

use super::options::TrialOptions;
use super::report::{choice_record, trial_records};
use super::rounds::{Effort, Trial};

/// `--trial`: tries compressors on each of `arrays` and reports the results; nothing is written. An array that cannot
/// be tried gives an error record.
///
/// # Errors
/// Writing the records fails.
pub fn show<'a>(
    options: &TrialOptions,
    store: &Store,
    arrays: impl Iterator<Item = &'a Array>,
    progress: &dyn Progress,
) -> Result<Ending, Failure> {
    let mut chooser = Chooser::new(options, Effort::EXACT, store);
    let arrays: Vec<&Array> = arrays.collect();
    let most = |array: &&Array| chooser.trial.most_measurements(array);
    progress.start_items(arrays.iter().map(most).sum(), "measurements");
    let mut totals = TrialSummary::default();
    let mut failed: Vec<Exit> = Vec::new();
    for array in arrays {
        if progress.stopped().is_some() {
            break;
        }
        match chooser.choose(array, progress) {
            Ok(choice) => {
                progress.skip(chooser.trial.most_measurements(array).saturating_sub(choice.measurements));
                totals.arrays += 1;
                totals.bytes_before = totals.bytes_before.saturating_add(choice.record.bytes_before.unwrap_or(0));
                totals.trials += choice.trials.len() as u64;
                totals.predicted_bytes =
                    totals.predicted_bytes.saturating_add(choice.record.predicted_bytes.unwrap_or(0));
                totals.predicted_seconds += choice.record.predicted_seconds.unwrap_or(0.0);
                for trial in choice.trials {
                    progress.emit(&Record::Trial(Box::new(trial)))?;
                }
                progress.emit(&Record::Choice(Box::new(choice.record)))?;
            }
            // The CLI reports the signal.
            Err(_) if progress.stopped().is_some() => break,
            Err(failure) => {
                failed.push(failure.exit);
                progress.item_failed(&failure)?;
            }
        }
    }
    progress.finish();
    totals.predicted_seconds = round3(totals.predicted_seconds);
    let failures = failed.len() as u64;
    let first = failed.first().copied().unwrap_or(Exit::Done);
    Ok(Ending::new(Exit::of_items(totals.arrays + failures, failures, first), &totals))
}

/// `--auto`: chooses a compressor for each of `arrays`, by path, and reports the choices.
///
/// # Errors
/// An array cannot be tried (the first such failure), or writing the records fails.
pub fn choose(
    options: &TrialOptions,
    store: &Store,
    arrays: &[&Array],
    progress: &dyn Progress,
) -> Result<BTreeMap<String, Blosc>, Failure> {
    let mut chosen = BTreeMap::new();
    for choice in choose_all(options, Effort::QUICK, store, arrays, progress)? {
        chosen.insert(choice.record.path.clone(), choice.compressor);
        progress.emit(&Record::Choice(Box::new(choice.record)))?;
    }
    Ok(chosen)
}

/// Chooses compressors for `arrays` on up to `jobs` workers, or as many as fit in memory; returns the choices in array
/// order. Parallel trials slow each other down, like the chunks of the actual run.
pub(super) fn choose_all(
    options: &TrialOptions,
    effort: Effort,
    store: &Store,
    arrays: &[&Array],
    progress: &dyn Progress,
) -> Result<Vec<Choice>, Failure> {
    let trial = Trial { options, effort, memory: options.memory };
    let need = arrays.iter().map(|array| trial.need(array)).max().unwrap_or(0).max(1);
    let workers = usize::try_from(options.memory / need).unwrap_or(usize::MAX).clamp(1, options.jobs.max(1));
    let memory = options.memory / workers as u64;
    let chosen = Pool::new(workers).map(groups(arrays, options.share), |group| {
        let mut chooser = Chooser::new(options, effort, store);
        chooser.trial.memory = memory;
        let choose = |index: usize| {
            chooser.choose(arrays[index], progress).map(|choice| (index, Choice { trials: Vec::new(), ..choice }))
        };
        group.into_iter().map(choose).collect::<Result<Vec<_>, Failure>>()
    });
    let mut all = chosen.into_iter().collect::<Result<Vec<_>, Failure>>()?.concat();
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, choice)| choice).collect())
}

/// Groups of array indices that share a trial, ordered by their first array.
fn groups(arrays: &[&Array], share: bool) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known = HashMap::new();
    for (index, array) in arrays.iter().enumerate() {
        let group = *known.entry(if share { kind(array) } else { array.path.clone() }).or_insert(groups.len());
        groups.resize_with(groups.len().max(group + 1), Vec::new);
        groups[group].push(index);
    }
    groups
}

/// The key by which arrays share a trial.
fn kind(array: &Array) -> String {
    format!("{} {:?} {}", array.dtype, array.chunk_shape(), array.chain.describe())
}

/// Chooses compressors, one array at a time.
pub(super) struct Chooser<'a> {
    trial: Trial<'a>,
    store: &'a Store,
    /// For each kind of array, the path of the tried array and the chosen compressor; used only for shared trials.
    known: HashMap<String, (String, Blosc)>,
}

/// The choice for an array.
#[derive(Clone)]
pub(super) struct Choice {
    pub compressor: Blosc,
    pub record: ChoiceRecord,
    /// The compressors tried; may be empty.
    pub trials: Vec<TrialRecord>,
    /// How often a compressor was measured, but for repetitions.
    pub measurements: u64,
}

impl<'a> Chooser<'a> {
    pub fn new(options: &'a TrialOptions, effort: Effort, store: &'a Store) -> Chooser<'a> {
        Chooser { trial: Trial { options, effort, memory: options.memory }, store, known: HashMap::new() }
    }

    /// Chooses a compressor for `array`. If none of its chunks is stored, it gets the default.
    ///
    /// # Errors
    /// The errors of [`Trial::run`].
    pub fn choose(&mut self, array: &Array, progress: &dyn Progress) -> Result<Choice, Failure> {
        let options = self.trial.options;
        let kind = kind(array);
        if let Some((path, compressor)) = self.known.get(&kind).filter(|_| options.share) {
            let reason = format!("same data type, chunk shape and codec as {path}");
            return Ok(self.untried(array, *compressor, reason));
        }
        let tried = self.trial.run(self.store, array, progress)?;
        let Some(chosen) = tried.chosen else {
            let default = options.fixed.untried(array.chain.innermost().typesize());
            return Ok(self.untried(array, default, "no chunks are stored".into()));
        };
        let compressor = tried.measured[chosen].candidate.compressor;
        self.known.insert(kind, (array.path.clone(), compressor));
        let record = choice_record(options, array, &compressor, Some(&tried));
        Ok(Choice {
            compressor,
            record,
            trials: trial_records(options, array, &tried),
            measurements: tried.measurements,
        })
    }

    fn untried(&self, array: &Array, compressor: Blosc, reason: String) -> Choice {
        let record = choice_record(self.trial.options, array, &compressor, None);
        Choice {
            compressor,
            record: ChoiceRecord { reason: Some(reason), ..record },
            trials: Vec::new(),
            measurements: 0,
        }
    }
}
