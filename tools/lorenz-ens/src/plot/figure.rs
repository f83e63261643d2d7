//! What is drawn: a sample of the trajectories, their spread, and methods that were measured.

use zarray::Pool;
use zwire::MethodRecord;

use crate::ensemble::{Ensemble, Method};
use crate::statistics::distribution;
use crate::system::System;

/// Members and states of the picture: more would not be seen.
const MEMBERS: usize = 10_000;
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
    /// The picture of an ensemble.
    pub fn of(system: &System, initial: &Ensemble, steps: u64, pool: &Pool) -> Figure {
        let members = initial.len();
        let title = format!(
            "{members} member{} of the Lorenz-63 system, {steps} steps of {} ({})",
            if members == 1 { "" } else { "s" },
            system.dt,
            system.integrator.name()
        );
        let mut ensemble = initial.slice(0..members.min(MEMBERS));
        let every = steps.div_ceil(POINTS).max(1);
        let drawn = ensemble.len().min(DRAWN);
        let (mut attractor, mut spread) = (vec![Vec::new(); drawn], Vec::new());
        for number in 0..=steps / every {
            if number > 0 {
                ensemble.advance(system, every, Method::Vector, pool);
            }
            for (member, points) in attractor.iter_mut().enumerate() {
                points.push((ensemble.x[member], ensemble.z[member]));
            }
            if number.is_multiple_of((steps / every).div_ceil(TIMES).max(1)) {
                let found = distribution(&ensemble.x, pool);
                spread.push(((number * every) as f64 * system.dt, found.spread, found.error));
            }
        }
        Figure { attractor, spread, methods: Vec::new(), title }
    }
}
