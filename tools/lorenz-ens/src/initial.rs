//! Initial conditions: drawn around a centre, or given.

use serde::{Deserialize, Serialize};
use serde_json::json;
use zwire::{Failure, human_bytes};

use crate::documents::members;
use crate::ensemble::{Ensemble, STATE_BYTES};
use crate::ics::Ics;
use crate::parameters::Parameters;
use crate::random::Normals;

/// Where initial conditions come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initial {
    /// Drawn: `center + randn(members, 3) · spread`.
    Drawn {
        /// Number of members.
        members: u64,
        /// The generator.
        rng: Rng,
        /// Its seed.
        seed: u32,
        /// Mean of the members.
        center: [f64; 3],
        /// Standard deviation of the members.
        spread: f64,
    },
    /// Given: those of a file, which the plan of an output keeps.
    Given {
        /// The members.
        states: Ics,
    },
}

/// A generator of random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rng {
    /// NumPy's `RandomState`.
    Numpy,
    /// Philox4x32-10.
    Philox,
}

impl Initial {
    /// Number of members.
    pub fn members(&self) -> u64 {
        match self {
            Initial::Drawn { members, .. } => *members,
            Initial::Given { states } => states.states().len() as u64,
        }
    }

    /// Bytes of so many copies of the states, and of what they are made from.
    pub fn bytes(&self, copies: u64) -> u64 {
        let given = if matches!(self, Initial::Given { .. }) { STATE_BYTES } else { 0 };
        self.members().saturating_mul(copies * STATE_BYTES + given)
    }

    /// Bytes of the states in a run that writes them from a plan: the text of a plan that keeps them is held several times.
    pub fn bytes_to_write(&self) -> u64 {
        const TEXT_BYTES: u64 = 2 * STATE_BYTES;
        const TEXTS: u64 = 4;
        let text = if matches!(self, Initial::Given { .. }) { TEXTS * TEXT_BYTES } else { 0 };
        self.bytes(1).saturating_add(self.members().saturating_mul(text))
    }

    /// What decides the members, by the names of the flags.
    pub fn parameters(&self) -> Parameters {
        members(match self {
            Initial::Given { states } => json!({"members": states.states().len(), "ics": states.checksum()}),
            Initial::Drawn { members, rng, seed, center, spread } => {
                json!({"members": members, "rng": rng, "seed": seed, "center": center, "spread": spread})
            }
        })
    }

    /// The first members.
    pub fn first(&self, count: u64) -> Initial {
        match self {
            Initial::Given { states } => {
                let states = states.states();
                Initial::Given { states: Ics::new(states[..states.len().min(count as usize)].to_vec()) }
            }
            Initial::Drawn { members, rng, seed, center, spread } => {
                let (rng, seed, center, spread) = (*rng, *seed, *center, *spread);
                Initial::Drawn { members: (*members).min(count), rng, seed, center, spread }
            }
        }
    }

    /// All members, if the `need` bytes of memory for their states are no more than `memory`.
    ///
    /// # Errors
    /// [`zwire::Exit::Usage`] if they are.
    pub fn ensemble(&self, need: u64, memory: u64) -> Result<Ensemble, Failure> {
        self.check_memory(need, memory).map(|()| self.states())
    }

    /// Refuses states that need more than `memory`.
    ///
    /// # Errors
    /// [`zwire::Exit::Usage`].
    pub fn check_memory(&self, need: u64, memory: u64) -> Result<(), Failure> {
        if need <= memory {
            return Ok(());
        }
        let (need, memory) = (human_bytes(need), human_bytes(memory));
        let text = format!("the states of all members need {need}, but --max-memory is {memory}");
        let hint = if matches!(self, Initial::Given { .. }) { "" } else { ", or reduce --members" };
        Err(Failure::usage(text).hint(format!("raise --max-memory{hint}")))
    }

    /// All members.
    pub fn states(&self) -> Ensemble {
        let mut ensemble = Ensemble::with_capacity(self.members() as usize);
        match self {
            Initial::Given { states } => states.states().iter().for_each(|state| ensemble.push(*state)),
            Initial::Drawn { members, rng, seed, center, spread } => {
                let mut normals = match rng {
                    Rng::Numpy => Normals::random_state(*seed),
                    Rng::Philox => Normals::philox(*seed),
                };
                for _ in 0..*members {
                    ensemble.push(center.map(|center| center + normals.draw() * spread));
                }
            }
        }
        ensemble
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lecture_draws_these_members() {
        let center = [-10.0, -10.0, 25.0];
        let initial = Initial::Drawn { members: 30, rng: Rng::Numpy, seed: 42, center, spread: 0.5 };
        let ensemble = initial.ensemble(initial.bytes(1), 30 * 24).expect("fits");
        // [-10, -10, 25] + np.random.randn(30, 3) * 0.5 after np.random.seed(42)
        let drawn = [0.4967141530112327, -0.13826430117118466, 0.6476885381006925];
        let first: [f64; 3] = std::array::from_fn(|i| center[i] + drawn[i] * 0.5);
        assert_eq!(ensemble.state(0).map(f64::to_bits), first.map(f64::to_bits));
        assert_eq!(ensemble.len(), 30);
        let refused = initial.ensemble(initial.bytes(1), 30 * 24 - 1);
        assert!(refused.is_err_and(|failure| failure.exit == zwire::Exit::Usage));
    }

    #[test]
    fn the_first_members_are_those_of_all() {
        let drawn = Initial::Drawn { members: 9, rng: Rng::Philox, seed: 1, center: [0.0; 3], spread: 1.0 };
        let given = Initial::Given { states: Ics::new(vec![[1.0, 2.0, 3.0]; 9]) };
        for initial in [drawn, given] {
            let all = initial.ensemble(0, 0).expect("fits");
            assert_eq!(initial.first(4).ensemble(0, 0).expect("fits"), all.slice(0..4));
            assert_eq!(initial.first(40).members(), 9);
        }
    }
}
