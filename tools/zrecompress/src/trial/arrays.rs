//! Trials of many arrays: each for itself, or one for all that are alike.

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

/// `--trial`: tries compressors on each of `arrays`, and reports them; nothing is written. An array that cannot be tried is an
/// error record.
///
/// # Errors
/// The output fails.
pub fn show<'a>(
    options: &TrialOptions,
    store: &Store,
    arrays: impl Iterator<Item = &'a Array>,
    progress: &dyn Progress,
) -> Result<Ending, Failure> {
    let mut chooser = Chooser::new(options, Effort::EXACT, store);
    let mut totals = TrialSummary::default();
    let mut failed: Vec<Exit> = Vec::new();
    for array in arrays {
        if progress.stopped().is_some() {
            break;
        }
        match chooser.choose(array, progress) {
            Ok(choice) => {
                totals.arrays += 1;
                totals.trials += choice.trials.len() as u64;
                totals.predicted_bytes =
                    totals.predicted_bytes.saturating_add(choice.record.predicted_bytes.unwrap_or(0));
                totals.predicted_seconds += choice.record.predicted_seconds.unwrap_or(0.0);
                for trial in choice.trials {
                    progress.emit(&Record::Trial(Box::new(trial)))?;
                }
                progress.emit(&Record::Choice(Box::new(choice.record)))?;
            }
            // The chassis reports the signal.
            Err(_) if progress.stopped().is_some() => break,
            Err(failure) => {
                failed.push(failure.exit);
                progress.item_failed(&failure)?;
            }
        }
    }
    totals.predicted_seconds = round3(totals.predicted_seconds);
    let failures = failed.len() as u64;
    let first = failed.first().copied().unwrap_or(Exit::Done);
    Ok(Ending::new(Exit::of_items(totals.arrays + failures, failures, first), &totals))
}

/// `--auto`: the compressor of each of `arrays`, by path. The choices are reported.
///
/// # Errors
/// That of the first array that cannot be tried; or the output fails.
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

/// Chooses for all of `arrays`, in parallel on up to `jobs` workers, as many as there is memory for; the choices are in the
/// order of the arrays. Trials at the same time slow each other down, as other chunks will in the run itself.
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

/// Indices of the arrays that share a trial, in the order of the first of them.
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

/// What arrays that can share a trial have in common.
fn kind(array: &Array) -> String {
    format!("{} {:?} {}", array.dtype, array.chunk_shape(), array.chain.describe())
}

/// Chooses a compressor for one array after the other.
pub(super) struct Chooser<'a> {
    trial: Trial<'a>,
    store: &'a Store,
    /// By kind of array, the path of the array that was tried and the compressor that was chosen; used if trials are shared.
    known: HashMap<String, (String, Blosc)>,
}

/// What was chosen for an array.
#[derive(Clone)]
pub(super) struct Choice {
    pub compressor: Blosc,
    pub record: ChoiceRecord,
    /// What was tried; may be empty.
    pub trials: Vec<TrialRecord>,
}

impl<'a> Chooser<'a> {
    pub fn new(options: &'a TrialOptions, effort: Effort, store: &'a Store) -> Chooser<'a> {
        Chooser { trial: Trial { options, effort, memory: options.memory }, store, known: HashMap::new() }
    }

    /// Chooses for `array`. If none of its chunks is stored, nothing can be tried, and it gets the default.
    ///
    /// # Errors
    /// As [`Trial::run`].
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
        Ok(Choice { compressor, record, trials: trial_records(options, array, &tried) })
    }

    fn untried(&self, array: &Array, compressor: Blosc, reason: String) -> Choice {
        let record = choice_record(self.trial.options, array, &compressor, None);
        Choice { compressor, record: ChoiceRecord { reason: Some(reason), ..record }, trials: Vec::new() }
    }
}
