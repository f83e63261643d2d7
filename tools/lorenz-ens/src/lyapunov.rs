//! The leading Lyapunov exponent: how fast small errors grow. Each member has a twin that starts close by; after a while the
//! distance is noted, and the twin is moved back along the line between them (Benettin et al., 1980).

use zwire::Failure;

use crate::advance::Integration;
use crate::ensemble::Ensemble;

/// Distance of a twin.
const DISTANCE: f64 = 1e-8;

/// Model time until a twin is moved back.
const INTERVAL: f64 = 0.5;

/// The share of the intervals at the start that does not count: the twin turns into the direction that grows, and members that start
/// close to each other become independent.
const SPIN_UP_SHARE: u64 = 4;

/// Fewer intervals say nothing.
const FEWEST: u64 = 16;

/// Members that have a twin.
const MOST_MEMBERS: usize = 256;

/// An exponent with its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exponent {
    /// Mean over the members, per unit of model time.
    pub mean: f64,
    /// Standard error of the mean; `None` for a single member.
    pub error: Option<f64>,
    /// Members.
    pub members: u64,
}

/// The exponent along `steps` steps of the first members; `None` if these are too few, or all members diverge.
///
/// # Errors
/// A signal.
pub fn exponent(how: &Integration, initial: &Ensemble, steps: u64) -> Result<Option<Exponent>, Failure> {
    let interval = (INTERVAL / how.system.dt).round().max(1.0) as u64;
    let all = steps / interval;
    if all < FEWEST {
        return Ok(None);
    }
    let spin_up = all / SPIN_UP_SHARE;
    let count = initial.len().min(MOST_MEMBERS);
    let mut both = initial.slice(0..count);
    for member in 0..count {
        let [x, y, z] = initial.state(member);
        both.push([x + DISTANCE, y, z]);
    }
    let mut growth = vec![0.0; count];
    for number in 0..all {
        how.advance(&mut both, interval)?;
        for (member, growth) in growth.iter_mut().enumerate() {
            let factor = move_back(&mut both, member, count + member);
            *growth += if number < spin_up { 0.0 } else { factor.ln() };
        }
    }
    let time = (all - spin_up) as f64 * interval as f64 * how.system.dt;
    let exponents: Vec<f64> = growth.iter().map(|growth| growth / time).filter(|value| value.is_finite()).collect();
    let members = exponents.len() as f64;
    let mean = exponents.iter().sum::<f64>() / members;
    let variance = exponents.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (members - 1.0);
    let error = (exponents.len() > 1).then(|| (variance / members).sqrt());
    Ok((!exponents.is_empty()).then_some(Exponent { mean, error, members: exponents.len() as u64 }))
}

/// Moves a twin back, and returns by which factor its distance had grown.
fn move_back(both: &mut Ensemble, member: usize, twin: usize) -> f64 {
    let (own, other) = (both.state(member), both.state(twin));
    let apart: [f64; 3] = std::array::from_fn(|i| other[i] - own[i]);
    let factor = apart.iter().map(|value| value * value).sum::<f64>().sqrt() / DISTANCE;
    both.x[twin] = own[0] + apart[0] / factor;
    both.y[twin] = own[1] + apart[1] / factor;
    both.z[twin] = own[2] + apart[2] / factor;
    factor
}

#[cfg(test)]
mod tests {
    use zarray::Pool;
    use zcli::Stop;

    use super::*;
    use crate::ensemble::Method;
    use crate::initial::{Initial, Rng};
    use crate::system::{Integrator, System};

    #[test]
    fn the_exponent_is_that_of_the_literature() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.01, integrator: Integrator::Rk4 };
        let center = [-10.0, -10.0, 25.0];
        let initial = Initial::Drawn { members: 40, rng: Rng::Numpy, seed: 42, center, spread: 0.5 };
        let initial = initial.ensemble(0, 0).expect("fits");
        let (pool, stop) = (Pool::new(1), Stop::never());
        let exponent = |system: &System, steps| {
            let how = Integration { system, method: Method::Vector, pool: &pool, stop: &stop };
            exponent(&how, &initial, steps).expect("no signal")
        };
        let found = exponent(&system, 20_000).expect("an exponent");
        let error = found.error.expect("an error");
        // 0.9056 (Viswanath, 1998)
        assert!((found.mean - 0.9056).abs() < 4.0 * error && error < 0.01, "{found:?}");
        assert_eq!(found.members, 40);
        assert_eq!(exponent(&system, 700), None);
        // Below the critical Rayleigh number all states end in a fixed point.
        let calm = System { rho: 10.0, ..system };
        assert!(exponent(&calm, 20_000).expect("an exponent").mean < 0.0);
    }
}
