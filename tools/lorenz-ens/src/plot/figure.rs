//! What is drawn: a sample of the trajectories, their spread, and methods that were measured.

use zwire::{Failure, MethodRecord, human_count};

use crate::advance::{Integration, check_stop};
use crate::ensemble::Ensemble;
use crate::statistics::distribution;

/// Members and states of the picture: more would not be seen.
pub const MEMBERS: u64 = 10_000;
const DRAWN: usize = 12;
const POINTS: u64 = 5_000;
const TIMES: u64 = 500;

/// What is drawn.
#[derive(Default)]
pub struct Figure {
    /// x and z along some trajectories.
    pub attractor: Vec<Vec<(f64, f64)>>,
    /// Model time, spread of x, and distance of x from the first member.
    pub spread: Vec<(f64, f64, f64)>,
    /// Methods that were measured.
    pub methods: Vec<MethodRecord>,
    /// What was integrated, in words.
    pub title: String,
}

impl Figure {
    /// The picture of an ensemble of so many members, the first of which are `ensemble`.
    ///
    /// # Errors
    /// A signal.
    pub fn of(how: &Integration, mut ensemble: Ensemble, members: u64, steps: u64) -> Result<Figure, Failure> {
        let system = how.system;
        let title = format!(
            "{} member{} of the Lorenz-63 system, {} steps of {} ({})",
            human_count(members),
            if members == 1 { "" } else { "s" },
            human_count(steps),
            system.dt,
            system.integrator.name()
        );
        let every = steps.div_ceil(POINTS).max(1);
        let times = steps / every;
        let drawn = ensemble.len().min(DRAWN);
        let (mut attractor, mut spread, mut scratch) = (vec![Vec::new(); drawn], Vec::new(), Vec::new());
        for number in 0..=times {
            check_stop(how.stop)?;
            if number > 0 {
                how.advance(&mut ensemble, every)?;
            }
            for (member, points) in attractor.iter_mut().enumerate() {
                points.push((ensemble.x[member], ensemble.z[member]));
            }
            if number.is_multiple_of(times.div_ceil(TIMES).max(1)) {
                let found = distribution(&ensemble.x, how.pool, &mut scratch);
                spread.push(((number * every) as f64 * system.dt, found.spread, found.error));
            }
        }
        Ok(Figure { attractor, spread, methods: Vec::new(), title })
    }
}
