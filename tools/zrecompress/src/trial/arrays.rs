//! A compressor for each array, and one trial for arrays that are alike where that was asked for.

use std::collections::HashMap;

use zarray::{Array, Pool};
use zcli::Stop;
use zcodec::Blosc;
use zstore::Store;
use zwire::{ChoiceRecord, Failure, TrialRecord};

use crate::trial::report::{Route, choice_record, trial_records};
use crate::trial::rounds::Trial;

/// Chooses for one array after the other.
pub struct Chooser<'a> {
    trial: Trial,
    store: &'a Store,
    route: Route,
    /// By kind of array, which one was tried, and what was chosen; nothing where each is tried for itself.
    shared: Option<HashMap<String, (String, Blosc)>>,
}

/// What was chosen for an array.
pub struct Choice {
    /// The compressor.
    pub compressor: Blosc,
    /// The record of it.
    pub record: ChoiceRecord,
    /// What was tried; empty where nothing was.
    pub trials: Vec<TrialRecord>,
}

impl<'a> Chooser<'a> {
    /// A chooser for arrays of `store`. `share`: one trial for arrays of one data type, chunk shape and codec.
    pub fn new(trial: Trial, store: &'a Store, route: Route, share: bool) -> Chooser<'a> {
        Chooser { trial, store, route, shared: share.then(HashMap::new) }
    }

    /// Chooses for `array`. Where no chunk of it is stored, nothing can be tried, and it gets the default.
    ///
    /// # Errors
    /// As [`Trial::of`].
    pub fn choose(&mut self, array: &Array, stop: &Stop) -> Result<Choice, Failure> {
        let kind = kind(array);
        if let Some((path, compressor)) = self.shared.as_ref().and_then(|shared| shared.get(&kind)) {
            let because = format!("of the same data type, chunk shape and codec as {path}");
            return Ok(self.untried(array, *compressor, because));
        }
        let tried = self.trial.of(self.store, array, stop)?;
        let Some(chosen) = tried.chosen else {
            let default = self.trial.narrow.untried(array.chain.innermost().typesize());
            return Ok(self.untried(array, default, "no chunk of it is stored".into()));
        };
        let compressor = tried.measured[chosen].candidate.compressor;
        if let Some(shared) = &mut self.shared {
            shared.insert(kind, (array.path.clone(), compressor));
        }
        let record = choice_record(&self.route, array, self.trial.objective, &compressor, Some(&tried));
        Ok(Choice { compressor, record, trials: trial_records(&self.route, array, &tried) })
    }

    fn untried(&self, array: &Array, compressor: Blosc, because: String) -> Choice {
        let record = choice_record(&self.route, array, self.trial.objective, &compressor, None);
        Choice { compressor, record: ChoiceRecord { because: Some(because), ..record }, trials: Vec::new() }
    }
}

/// Chooses for all of `arrays`, several at a time on up to `jobs` workers, as many as there is memory for; the choices in the
/// order of the arrays. Other trials at the same time take from the speed of each, as other chunks will in the run itself.
///
/// # Errors
/// The first array's that cannot be tried.
pub fn choose_all(
    trial: Trial,
    share: bool,
    route: &Route,
    store: &Store,
    arrays: &[&Array],
    stop: &Stop,
) -> Result<Vec<Choice>, Failure> {
    let need = arrays.iter().map(|array| trial.need(array)).max().unwrap_or(0).max(1);
    let workers = usize::try_from(trial.memory / need).unwrap_or(usize::MAX).clamp(1, route.jobs.max(1));
    let trial = Trial { memory: trial.memory / workers as u64, ..trial };
    let chosen = Pool::new(workers).map(groups(arrays, share), |group| {
        let mut chooser = Chooser::new(trial, store, route.clone(), share);
        let choose = |place: usize| {
            chooser.choose(arrays[place], stop).map(|choice| (place, Choice { trials: Vec::new(), ..choice }))
        };
        group.into_iter().map(choose).collect::<Result<Vec<_>, Failure>>()
    });
    let mut all = Vec::with_capacity(arrays.len());
    for choices in chosen {
        all.extend(choices?);
    }
    all.sort_by_key(|(place, _)| *place);
    Ok(all.into_iter().map(|(_, choice)| choice).collect())
}

/// Places of arrays that share a trial, in the order of the first of them.
fn groups(arrays: &[&Array], share: bool) -> Vec<Vec<usize>> {
    if !share {
        return (0..arrays.len()).map(|place| vec![place]).collect();
    }
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut of_kind = HashMap::new();
    for (place, array) in arrays.iter().enumerate() {
        let group = *of_kind.entry(kind(array)).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(places) => places.push(place),
            None => groups.push(vec![place]),
        }
    }
    groups
}

fn kind(array: &Array) -> String {
    format!("{} {:?} {}", array.dtype, array.chunk_shape(), array.chain.describe())
}
