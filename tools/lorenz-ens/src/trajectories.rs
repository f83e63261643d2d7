//! The store of all trajectories: variables x, y and z over member and time, each chunk integrated when it is written.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zarray::ZarrFormat;
use zstore::Generator;
use zwire::Failure;

use crate::documents::{ArraySpec, Element, documents, members};
use crate::ensemble::Ensemble;
use crate::initial::Initial;
use crate::kernel::{Lanes, Path};
use crate::starts::Starts;
use crate::system::{System, Variable};

/// Bytes of a chunk by default.
const CHUNK_BYTES: u64 = 4 << 20;

/// Members of a chunk by default: then a chunk is as good for the series of a member as for the ensemble at a time.
const CHUNK_MEMBERS: u64 = 512;

/// Elements of a chunk of a coordinate.
const COORDINATE_CHUNK: u64 = 1 << 17;

/// What is written: with the initial conditions, all that decides the values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trajectories {
    /// The system.
    pub system: System,
    /// The initial conditions.
    pub initial: Initial,
    /// Steps of each member.
    pub steps: u64,
    /// Steps between times that are written.
    pub every: u64,
    /// Members and times of a chunk.
    pub chunks: [u64; 2],
}

impl Trajectories {
    /// Times that are written: that of the initial conditions, and every `every`-th.
    pub fn times(&self) -> u64 {
        self.steps / self.every + 1
    }

    /// The chunk shape for so many members and times, where none is asked for.
    pub fn default_chunks(members: u64, times: u64) -> [u64; 2] {
        let members = members.clamp(1, CHUNK_MEMBERS);
        [members, times.clamp(1, (CHUNK_BYTES / 8 / members).max(1))]
    }

    fn arrays(&self) -> Vec<ArraySpec> {
        let (count, times) = (self.initial.members(), self.times());
        let member = json!({"long_name": "ensemble member", "units": "1", "standard_name": "realization"});
        let time = json!({"long_name": "model time", "units": "1", "axis": "T"});
        let mut arrays = vec![
            ArraySpec::coordinate("member", count, COORDINATE_CHUNK, Element::Int64, member),
            ArraySpec::coordinate("time", times, COORDINATE_CHUNK, Element::Float64, time),
        ];
        arrays.extend(Variable::ALL.map(|variable| ArraySpec {
            name: variable.name().into(),
            shape: vec![count, times],
            chunks: self.chunks.to_vec(),
            element: Element::Float64,
            fill: json!("NaN"),
            dimensions: vec!["member".into(), "time".into()],
            attributes: members(json!({"long_name": long_name(variable), "units": "1"})),
        }));
        arrays
    }

    fn attributes(&self) -> Map<String, Value> {
        let System { sigma, rho, beta, dt, integrator } = self.system;
        members(json!({
            "Conventions": "CF-1.11",
            "title": "Ensemble of the Lorenz-63 system",
            "source": format!("lorenz-ens {}", env!("CARGO_PKG_VERSION")),
            "references": "Lorenz, E. N. (1963): Deterministic nonperiodic flow. J. Atmos. Sci. 20, 130-141",
            "sigma": sigma, "rho": rho, "beta": beta, "dt": dt, "integrator": integrator.name(),
            "steps": self.steps, "every": self.every,
        }))
    }
}

fn long_name(variable: Variable) -> &'static str {
    match variable {
        Variable::X => "intensity of the convection",
        Variable::Y => "temperature difference between rising and sinking air",
        Variable::Z => "departure of the temperature profile from a linear one",
    }
}

/// Makes the objects of the store.
pub struct TrajectoryStore {
    spec: Trajectories,
    format: ZarrFormat,
    arrays: Vec<ArraySpec>,
    documents: Vec<(String, Vec<u8>)>,
    starts: Starts,
    tag: u64,
}

impl TrajectoryStore {
    /// The store of `spec`, whose members begin at `initial`.
    ///
    /// # Errors
    /// Only a bug.
    pub fn new(
        spec: &Trajectories,
        initial: Ensemble,
        format: ZarrFormat,
        tag: u64,
    ) -> Result<TrajectoryStore, Failure> {
        let arrays = spec.arrays();
        let documents = documents(format, &spec.attributes(), &arrays)?;
        let [members, times] = spec.chunks;
        let starts = Starts::new(spec.system, initial, members, times * spec.every);
        Ok(TrajectoryStore { spec: spec.clone(), format, arrays, documents, starts, tag })
    }

    fn find(&self, key: &str) -> Option<(usize, Vec<u64>)> {
        let (name, below) = key.split_once('/')?;
        let number = self.arrays.iter().position(|array| array.name == name)?;
        Some((number, self.arrays[number].index(self.format, below)?))
    }

    /// Writes a chunk of a variable; what lies beyond the last member or time is NaN.
    fn trajectories(&self, variable: Variable, index: &[u64], buffer: &mut [u8]) {
        let [_, times] = self.spec.chunks;
        let (block, chunk) = (index[0], index[1]);
        let mut states = self.starts.at(block, chunk);
        let row = times as usize;
        let count = (self.spec.times() - chunk * times).min(times) as usize;
        let path = Path { times: count, every: self.spec.every, row };
        let (values, _) = buffer.as_chunks_mut::<8>();
        if states.len() * row < values.len() || count < row {
            values.fill(f64::NAN.to_le_bytes());
        }
        Lanes::best().trace(&self.spec.system, &mut states.members(), variable, path, values);
        if count == row {
            self.starts.keep(block, chunk + 1, states);
        }
    }
}

impl Generator for TrajectoryStore {
    fn documents(&self) -> &[(String, Vec<u8>)] {
        &self.documents
    }

    fn keys(&self, directory: &str) -> Box<dyn Iterator<Item = String> + Send + '_> {
        let is_all = directory.is_empty();
        let found: Vec<&ArraySpec> = self.arrays.iter().filter(|array| is_all || array.name == directory).collect();
        Box::new(found.into_iter().flat_map(|array| array.keys(self.format)))
    }

    fn size(&self, key: &str) -> Option<u64> {
        self.find(key).map(|(array, _)| self.arrays[array].chunk_bytes())
    }

    fn tag(&self) -> u64 {
        self.tag
    }

    fn generate(&self, key: &str, buffer: &mut Vec<u8>) -> Result<(), String> {
        let (array, index) = self.find(key).ok_or("no chunk has this key")?;
        let spec = &self.arrays[array];
        let bytes = usize::try_from(spec.chunk_bytes()).map_err(|_| "the chunk is too large")?;
        buffer.resize(bytes, 0);
        let first = index[0] * spec.chunks[0];
        let (values, _) = buffer.as_chunks_mut::<8>();
        match array {
            0 => values.iter_mut().zip(first..).for_each(|(value, member)| *value = member.to_le_bytes()),
            1 => values.iter_mut().zip(first..).for_each(|(value, time)| {
                *value = time_of(time * self.spec.every, self.spec.system.dt).to_le_bytes();
            }),
            variable => self.trajectories(Variable::ALL[variable - 2], &index, buffer),
        }
        Ok(())
    }
}

/// The model time after so many steps.
pub fn time_of(step: u64, dt: f64) -> f64 {
    step as f64 * dt
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initial::Rng;
    use crate::system::Integrator;

    #[test]
    fn chunks_of_any_shape_hold_the_same_values() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.01, integrator: Integrator::Euler };
        let initial = Initial::Drawn { members: 7, rng: Rng::Numpy, seed: 1, center: [0.0, 1.0, 20.0], spread: 1.0 };
        let store = |chunks| {
            let spec = Trajectories { system, initial: initial.clone(), steps: 41, every: 2, chunks };
            let ensemble = initial.ensemble(u64::MAX).expect("fits");
            TrajectoryStore::new(&spec, ensemble, ZarrFormat::V2, 0).expect("documents")
        };
        let value = |store: &TrajectoryStore, member: u64, time: u64| {
            let [members, times] = store.spec.chunks;
            let mut buffer = Vec::new();
            store.generate(&format!("z/{}.{}", member / members, time / times), &mut buffer).expect("generates");
            let at = ((member % members) * times + time % times) as usize;
            buffer.as_chunks::<8>().0[at]
        };
        let (whole, cut) = (store([7, 21]), store([3, 4]));
        for member in 0..7 {
            for time in (0..21).rev() {
                assert_eq!(value(&whole, member, time), value(&cut, member, time), "{member} {time}");
            }
        }
        let mut buffer = Vec::new();
        cut.generate("x/2.5", &mut buffer).expect("generates");
        let last: Vec<f64> = buffer.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        assert!(last[0].is_finite() && last[1..].iter().all(|value| value.is_nan()), "one member, one time");
        assert_eq!(cut.keys("").count(), 1 + 1 + 3 * 3 * 6);
        assert_eq!((cut.size("x/2.5"), cut.size("x/3.0"), cut.size("w/0.0")), (Some(96), None, None));
    }

    #[test]
    fn chunks_suit_both_ways_of_access() {
        assert_eq!(Trajectories::default_chunks(30, 5001), [30, 5001]);
        assert_eq!(Trajectories::default_chunks(1_000_000, 5001), [512, 1024]);
        assert_eq!(Trajectories::default_chunks(1, 1), [1, 1]);
    }
}
