//! Members whose states become NaN or infinite. Once a component is, it stays so: the final states tell which members diverged, and
//! only those are integrated again to find the step.

use serde::{Deserialize, Serialize};
use zcli::Stop;
use zwire::{DivergedRecord, Exit, Failure, human_count};

use crate::advance::check_stop;
use crate::ensemble::Ensemble;
use crate::kernel::Lanes;
use crate::system::System;
use crate::trajectories::time_of;

/// Members of which the step is found; the others are counted.
const LISTED: usize = 100;

/// Steps between two looks whether a signal has come.
const STEPS_PER_LOOK: u64 = 1 << 16;

/// What diverged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// Number of members.
    pub members: u64,
    /// Some of them: member and step.
    pub first: Vec<(u64, u64)>,
}

/// Whether any member has diverged.
pub fn has_diverged(ensemble: &Ensemble) -> bool {
    // A sum is finite unless a value is not, or it overflows, and then each is looked at.
    !ensemble.x.iter().chain(&ensemble.y).chain(&ensemble.z).sum::<f64>().is_finite()
        && diverged(ensemble).next().is_some()
}

fn diverged(ensemble: &Ensemble) -> impl Iterator<Item = usize> {
    (0..ensemble.len()).filter(|member| ensemble.state(*member).iter().any(|value| !value.is_finite()))
}

impl Divergence {
    /// What diverged on the way from `initial` to `last`, which is `steps` steps or more later.
    ///
    /// # Errors
    /// A signal.
    pub fn find(system: &System, initial: &Ensemble, last: &Ensemble, stop: &Stop) -> Result<Divergence, Failure> {
        if !has_diverged(last) {
            return Ok(Divergence::default());
        }
        let listed: Vec<usize> = diverged(last).take(LISTED).collect();
        let mut states = Ensemble::default();
        listed.iter().for_each(|member| states.push(initial.state(*member)));
        let mut found = vec![None; listed.len()];
        let mut step = 0u64;
        while found.iter().any(Option::is_none) {
            if step.is_multiple_of(STEPS_PER_LOOK) {
                check_stop(stop)?;
            }
            for number in diverged(&states) {
                found[number] = found[number].or(Some(step));
            }
            Lanes::best().advance(system, &mut states.members(), 1);
            step += 1;
        }
        let first = listed.iter().zip(found).filter_map(|(member, step)| Some((*member as u64, step?)));
        Ok(Divergence { members: diverged(last).count() as u64, first: first.collect() })
    }

    /// The members as records.
    pub fn records(&self, dt: f64) -> impl Iterator<Item = DivergedRecord> {
        let record = move |(member, step): &(u64, u64)| {
            let (member, step) = (*member, *step);
            DivergedRecord { member, step, time: time_of(step, dt), ..DivergedRecord::default() }
        };
        self.first.iter().map(record)
    }

    /// What diverged, in words; `None` if nothing did.
    pub fn text(&self) -> Option<String> {
        let (member, step) = self.first.first()?;
        let others = match self.members - 1 {
            0 => String::new(),
            1 => ", and 1 more member".to_owned(),
            others => format!(", and {} more members", human_count(others)),
        };
        Some(format!("member {member} is not finite from step {step} on{others}"))
    }

    /// The end of a run that stops because of it.
    pub fn failure(&self) -> Option<Failure> {
        let failure = Failure::new(Exit::No, self.text()?);
        Some(failure.hint("reduce --dt, use --integrator rk4, or keep such members with --on-divergence keep"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::Integrator;

    #[test]
    fn member_and_step_are_found() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.05, integrator: Integrator::Euler };
        let mut initial = Ensemble::default();
        initial.push([0.0, 0.0, 0.0]);
        initial.push([1e200, 1.0, 1e200]);
        initial.push([0.0, 0.0, 1.0]);
        let mut last = initial.clone();
        Lanes::best().advance(&system, &mut last.members(), 50);
        let found = Divergence::find(&system, &initial, &last, &Stop::never()).expect("no signal");
        assert_eq!(found.members, 1, "{last:?}");
        let (member, step) = found.first[0];
        assert_eq!(member, 1);
        let mut before = initial.clone();
        Lanes::Scalar.advance(&system, &mut before.members(), step - 1);
        assert!(!has_diverged(&before));
        Lanes::Scalar.advance(&system, &mut before.members(), 1);
        assert!(has_diverged(&before));
        assert!(found.text().is_some_and(|text| text.starts_with("member 1 is not finite from step ")));
        let none = Divergence::find(&system, &initial, &initial, &Stop::never()).expect("no signal");
        assert_eq!(none, Divergence::default());
    }

    #[test]
    fn a_sum_that_overflows_is_no_divergence() {
        let large = Ensemble { x: vec![f64::MAX; 3], y: vec![0.0; 3], z: vec![0.0; 3] };
        assert!(!has_diverged(&large));
    }
}
