//! The Lorenz-63 system and how it is integrated: what decides, with the initial conditions, every bit of a trajectory.

use serde::{Deserialize, Serialize};

/// The parameters of the system, and the time step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// The Prandtl number.
    pub sigma: f64,
    /// The Rayleigh number over its critical value.
    pub rho: f64,
    /// The aspect ratio.
    pub beta: f64,
    /// Time between steps.
    pub dt: f64,
    /// How a step is made.
    pub integrator: Integrator,
}

/// How a step is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Integrator {
    /// `s + f(s)·dt`, as in the lecture.
    Euler,
    /// The classical Runge-Kutta method of fourth order.
    Rk4,
}

impl Integrator {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Integrator::Euler => "euler",
            Integrator::Rk4 => "rk4",
        }
    }
}

/// A variable of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    X,
    Y,
    Z,
}

impl Variable {
    /// All, in order.
    pub const ALL: [Variable; 3] = [Variable::X, Variable::Y, Variable::Z];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Variable::X => "x",
            Variable::Y => "y",
            Variable::Z => "z",
        }
    }
}
