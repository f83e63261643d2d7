//! The store of all trajectories: variables x, y and z over member and time, each chunk integrated when it is written.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zarray::ZarrFormat;
use zcli::Stop;
use zstore::{Generator, NotGenerated};
use zwire::{Failure, human_bytes};

use crate::advance::{check_stop, in_pieces, piece};
use crate::documents::{ArraySpec, Element, members};
use crate::ensemble::{Ensemble, STATE_BYTES};
use crate::generated_arrays::GeneratedArrays;
use crate::initial::Initial;
use crate::kernel::{Lanes, Path};
use crate::parameters::{Parameters, of_ensemble};
use crate::starts::{Blocks, Starts};
use crate::system::{System, Variable};

/// Bytes of a chunk by default.
const CHUNK_BYTES: u64 = 4 << 20;

/// Members of a chunk by default: then a chunk is as good for the series of a member as for the ensemble at a time.
const CHUNK_MEMBERS: u64 = 512;

/// The attribute of a store with members that diverge: how many.
pub const DIVERGED: &str = "diverged";

/// The most memory for states that are kept at the starts of chunks, and the share of the memory limit that they may take.
const KEPT_BYTES: u64 = 64 << 20;

const KEPT_SHARE: u64 = 8;

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
        let values = CHUNK_BYTES / 8;
        let times = times.clamp(1, values / members.clamp(1, CHUNK_MEMBERS));
        // Of few times, more members.
        [members.clamp(1, CHUNK_MEMBERS.max(values / times)), times]
    }

    pub fn arrays(&self) -> Vec<ArraySpec> {
        let (count, times) = (self.initial.members(), self.times());
        let member = json!({"long_name": "ensemble member", "units": "1", "standard_name": "realization"});
        let time = json!({"long_name": "model time", "units": "1", "axis": "T"});
        let mut arrays = vec![
            ArraySpec::coordinate("member", count, Element::Int64, member),
            ArraySpec::coordinate("time", times, Element::Float64, time),
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

    /// What decides the values, by the names of the flags.
    pub fn parameters(&self) -> Parameters {
        of_ensemble(self.initial.parameters(), &self.system, self.steps, self.every)
    }

    fn attributes(&self, diverged: u64) -> Map<String, Value> {
        let mut all = members(json!({
            "Conventions": "CF-1.11",
            "title": "Ensemble of the Lorenz-63 system",
            "source": format!("lorenz-ens {}", env!("CARGO_PKG_VERSION")),
            "references": "Lorenz, E. N. (1963): Deterministic nonperiodic flow. J. Atmos. Sci. 20, 130-141",
        }));
        all.extend(self.parameters());
        if diverged > 0 {
            all.insert(DIVERGED.into(), diverged.into());
        }
        all
    }

    /// Bytes of the states of the members in a chunk, and of those that are kept with a memory limit.
    fn block_bytes(&self, memory: u64) -> (u64, u64) {
        let block = self.chunks[0].saturating_mul(STATE_BYTES);
        (block, (memory / KEPT_SHARE).min(KEPT_BYTES).max(block))
    }

    /// What is left of `memory` for chunks that are compressed.
    ///
    /// # Errors
    /// States that do not fit beside a chunk.
    pub fn chunks_memory(&self, memory: u64) -> Result<u64, Failure> {
        self.memory_for_chunks(memory).ok_or_else(|| {
            let states = human_bytes(self.initial.bytes_to_write());
            let [members, times] = self.chunks;
            let chunk = human_bytes(members.saturating_mul(times).saturating_mul(3 * 8));
            let memory = human_bytes(memory);
            let text = format!(
                "the states of all members need {states} and one object needs {chunk}, but --max-memory is {memory}"
            );
            Failure::usage(text).hint("raise --max-memory, choose smaller --chunks, or reduce --members")
        })
    }

    /// What is left of `memory` for chunks that are compressed, if all states are held as well; `None` if one chunk does not fit.
    fn memory_for_chunks(&self, memory: u64) -> Option<u64> {
        let [members, times] = self.chunks;
        let (block, kept) = self.block_bytes(memory);
        let left = memory.checked_sub(self.initial.bytes_to_write())?.checked_sub(kept)?;
        // Each chunk in the making holds the states of its members as well as the values, three times (see zstage).
        let chunk = members.saturating_mul(times).saturating_mul(3 * 8);
        let share = chunk as f64 / chunk.saturating_add(block) as f64;
        (chunk.saturating_add(block) <= left).then_some((left as f64 * share) as u64)
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
    lanes: Lanes,
    arrays: GeneratedArrays,
    starts: Starts,
    stop: Stop,
    tag: u64,
}

/// How chunks are made: nothing of this changes a byte.
#[derive(Clone)]
pub struct Making {
    /// With which instructions.
    pub lanes: Lanes,
    /// The limit of memory.
    pub memory: u64,
    /// What ends it.
    pub stop: Stop,
}

impl TrajectoryStore {
    /// The store of `spec`, of whose members so many diverge.
    ///
    /// # Errors
    /// States that do not fit into memory.
    pub fn new(
        spec: &Trajectories,
        format: ZarrFormat,
        tag: u64,
        making: Making,
        diverged: u64,
    ) -> Result<TrajectoryStore, Failure> {
        let arrays = GeneratedArrays::new(format, &spec.attributes(diverged), spec.arrays())?;
        let [members, times] = spec.chunks;
        let Making { lanes, memory, stop } = making;
        spec.initial.check_memory(spec.initial.bytes_to_write(), memory)?;
        let blocks =
            Blocks { members, steps: times.saturating_mul(spec.every), kept_bytes: spec.block_bytes(memory).1 };
        let starts = Starts::new(spec.system, lanes, spec.initial.clone(), blocks, stop.clone());
        Ok(TrajectoryStore { spec: spec.clone(), lanes, arrays, starts, stop, tag })
    }

    /// Writes a chunk of a variable; what lies beyond the last member or time is NaN.
    fn trajectories(&self, variable: Variable, index: &[u64], buffer: &mut [u8]) -> Result<(), Failure> {
        let [_, times] = self.spec.chunks;
        let (block, chunk) = (index[0], index[1]);
        let mut states = self.starts.at(block, chunk)?;
        let row = times as usize;
        let count = (self.spec.times() - chunk * times).min(times) as usize;
        let goes_on = (chunk + 1) * times < self.spec.times();
        let path = Path { times: count, every: self.spec.every, row, goes_on };
        let (values, _) = buffer.as_chunks_mut::<8>();
        if states.len() * row < values.len() || count < row {
            values.fill(f64::NAN.to_le_bytes());
        }
        self.trace(&mut states, variable, path, values)?;
        if goes_on {
            self.starts.keep(block, chunk + 1, states);
        }
        Ok(())
    }

    /// As [`Lanes::trace`], in pieces.
    fn trace(
        &self,
        states: &mut Ensemble,
        variable: Variable,
        path: Path,
        values: &mut [[u8; 8]],
    ) -> Result<(), Failure> {
        let (system, piece) = (&self.spec.system, piece(states.len()));
        // The way to a single next time may be long.
        let is_long = path.every > piece;
        let at_once = ((piece / path.every.max(1)) as usize).clamp(1, path.times.max(1));
        for first in (0..path.times).step_by(at_once) {
            check_stop(&self.stop)?;
            let times = at_once.min(path.times - first);
            let goes_on = path.goes_on || first + times < path.times;
            let part = Path { times, goes_on: goes_on && !is_long, ..path };
            self.lanes.trace(system, &mut states.members(), variable, part, &mut values[first..]);
            if goes_on && is_long {
                let count = states.len();
                let advance = |steps| self.lanes.advance(system, &mut states.members(), steps);
                in_pieces(count, path.every, &self.stop, advance)?;
            }
        }
        Ok(())
    }
}

impl Generator for TrajectoryStore {
    fn documents(&self) -> &[(String, Vec<u8>)] {
        &self.arrays.documents
    }

    fn keys(&self, directory: &str) -> Box<dyn Iterator<Item = String> + Send + '_> {
        self.arrays.keys(directory)
    }

    fn size(&self, key: &str) -> Option<u64> {
        self.arrays.find(key).map(|(array, _)| self.arrays.specs[array].chunk_bytes())
    }

    fn tag(&self) -> u64 {
        self.tag
    }

    fn generate(&self, key: &str, buffer: &mut Vec<u8>) -> Result<(), NotGenerated> {
        let (array, index) = self.arrays.begin(key, buffer)?;
        let first = index[0] * self.arrays.specs[array].chunks[0];
        let (values, _) = buffer.as_chunks_mut::<8>();
        match array {
            0 => values.iter_mut().zip(first..).for_each(|(value, member)| *value = member.to_le_bytes()),
            1 => values.iter_mut().zip(first..).for_each(|(value, time)| {
                *value = time_of(time * self.spec.every, self.spec.system.dt).to_le_bytes();
            }),
            variable => {
                let made = self.trajectories(Variable::ALL[variable - 2], &index, buffer);
                // Only a signal ends it.
                made.map_err(|_| NotGenerated::Stopped)?;
            }
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

    fn making() -> Making {
        Making { lanes: Lanes::best(), memory: 1 << 30, stop: Stop::never() }
    }

    #[test]
    fn a_long_way_between_times_is_interrupted_and_changes_nothing() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 1e-7, integrator: Integrator::Euler };
        let initial = Initial::Drawn { members: 3, rng: Rng::Numpy, seed: 1, center: [0.0, 1.0, 20.0], spread: 1.0 };
        let store = |every, stop: &Stop| {
            let spec = Trajectories { system, initial: initial.clone(), steps: 2 * every, every, chunks: [3, 2] };
            let making = Making { stop: stop.clone(), ..making() };
            TrajectoryStore::new(&spec, ZarrFormat::V2, 0, making, 0).expect("documents")
        };
        let stop = Stop::never();
        let mut buffer = Vec::new();
        // More steps from one time to the next than a piece has.
        let every = piece(3) + 1000;
        store(every, &stop).generate("z/0.0", &mut buffer).expect("generates");
        let mut direct = initial.ensemble(0, 0).expect("fits");
        Lanes::best().advance(&system, &mut direct.members(), every);
        assert_eq!(buffer.as_chunks::<8>().0[1], direct.z[0].to_le_bytes());
        stop.flag().store(143, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(store(1 << 40, &stop).generate("z/0.0", &mut buffer), Err(NotGenerated::Stopped));
        assert_eq!(store(1 << 40, &stop).generate("time/0", &mut buffer), Ok(()));
    }

    #[test]
    fn memory_is_left_for_chunks_or_refused() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.01, integrator: Integrator::Euler };
        let initial =
            Initial::Drawn { members: 1_000_000, rng: Rng::Numpy, seed: 1, center: [0.0, 1.0, 20.0], spread: 1.0 };
        let spec = Trajectories { system, initial, steps: 99, every: 1, chunks: [500, 100] };
        assert_eq!(spec.memory_for_chunks(24_000_000), None);
        let left = spec.memory_for_chunks(40_000_000).expect("fits");
        assert!((10_000_000..11_000_000).contains(&left), "{left}");
        assert_eq!(Trajectories { chunks: [500, 2_000], ..spec }.memory_for_chunks(40_000_000), None);
    }

    #[test]
    fn chunks_of_any_shape_hold_the_same_values() {
        let system = System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.01, integrator: Integrator::Euler };
        let initial = Initial::Drawn { members: 7, rng: Rng::Numpy, seed: 1, center: [0.0, 1.0, 20.0], spread: 1.0 };
        let store = |chunks| {
            let spec = Trajectories { system, initial: initial.clone(), steps: 41, every: 2, chunks };
            TrajectoryStore::new(&spec, ZarrFormat::V2, 0, making(), 0).expect("documents")
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
        assert_eq!(Trajectories::default_chunks(1_000_000, 5), [104_857, 5]);
        assert_eq!(Trajectories::default_chunks(u64::MAX, u64::MAX), [512, 1024]);
    }
}
