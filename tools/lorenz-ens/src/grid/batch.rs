//! The store of one batch: variables over file_id, time, latitude and longitude, each chunk made when it is written.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use zarray::ZarrFormat;
use zcli::Stop;
use zstore::{Generator, NotGenerated};
use zwire::Failure;

use crate::advance::{check_stop, in_pieces, piece};
use crate::generated_arrays::GeneratedArrays;
use crate::grid::fields::{climate, initial};
use crate::grid::spec::{BatchSpec, COORDINATES, MISSING};
use crate::grid::variables::GridVariable;
use crate::kernel::{Cells, Lanes, MapsOf, Mix, Pack, Times};

/// Amplitude of the noise, in units of the resolution: what the last bits of measured fields hold.
const NOISE: f32 = 6.0;

/// A member state in each cell, at a file and a time.
type Kept = (u64, u64, Arc<Cells>);

/// Makes the objects of a batch.
pub struct BatchStore {
    spec: BatchSpec,
    variables: Vec<GridVariable>,
    arrays: GeneratedArrays,
    /// States at the starts of chunks, the oldest first.
    kept: Mutex<VecDeque<Kept>>,
    /// Buffers for states.
    spare: Mutex<Vec<Cells>>,
    tag: u64,
    /// How many states are kept.
    most_kept: usize,
    /// Whether none of them will have to go, so that even what is quickly made is kept for the next variable.
    keeps_all: bool,
    stop: Stop,
}

impl BatchStore {
    /// The store of `spec`, with a memory limit.
    ///
    /// # Errors
    /// Only a bug.
    pub fn new(spec: &BatchSpec, format: ZarrFormat, tag: u64, memory: u64, stop: Stop) -> Result<BatchStore, Failure> {
        let variables = GridVariable::first(spec.variables as usize);
        let arrays = GeneratedArrays::new(format, &spec.attributes(), spec.arrays(&variables))?;
        let (kept, spare) = (Mutex::default(), Mutex::default());
        let most_kept = spec.most_kept(memory) as usize;
        let keeps_all = spec.starts(&arrays.specs[COORDINATES..]) <= most_kept as u64;
        Ok(BatchStore { spec: spec.clone(), variables, arrays, kept, spare, tag, most_kept, keeps_all, stop })
    }

    /// The states of a file at a time, from the nearest that are kept.
    ///
    /// # Errors
    /// A signal.
    fn states(&self, file: u64, time: u64) -> Result<Cells, Failure> {
        let found = {
            let kept = self.kept.lock();
            let earlier = kept.iter().filter(|(at_file, at_time, _)| *at_file == file && *at_time <= time);
            earlier.max_by_key(|(_, at_time, _)| *at_time).map(|(_, at, cells)| (*at, Arc::clone(cells)))
        };
        let mut cells = self.spare.lock().pop().unwrap_or_default();
        let from = match found {
            Some((at, states)) => {
                cells.x.clone_from(&states.x);
                cells.y.clone_from(&states.y);
                cells.z.clone_from(&states.z);
                at
            }
            None => {
                let spec = &self.spec;
                let file_id = spec.file_ids[0] + file as i64;
                cells = initial(&spec.grid, spec.center, spec.spread, spec.seed, file_id);
                if time > 0 || self.keeps_all {
                    self.keep(file, 0, cells.clone());
                }
                0
            }
        };
        self.advance(&mut cells, (time - from) * self.spec.every)?;
        Ok(cells)
    }

    fn advance(&self, cells: &mut Cells, steps: u64) -> Result<(), Failure> {
        let advance = |steps| Lanes::best().advance_cells(&self.spec.system, cells, steps as u32);
        in_pieces(self.spec.grid.cells() as usize, steps, &self.stop, advance)
    }

    fn keep(&self, file: u64, time: u64, cells: Cells) {
        let mut kept = self.kept.lock();
        if kept.iter().any(|(at_file, at_time, _)| (*at_file, *at_time) == (file, time)) {
            return;
        }
        kept.push_back((file, time, Arc::new(cells)));
        if kept.len() > self.most_kept {
            kept.pop_front();
        }
    }

    /// Writes the maps of a chunk of a variable.
    ///
    /// # Errors
    /// A signal.
    fn maps(&self, number: usize, index: &[u64], buffer: &mut [u8]) -> Result<(), Failure> {
        let (spec, variable) = (&self.spec, &self.variables[number]);
        let array = &self.arrays.specs[COORDINATES + number];
        let (file, first) = (index[0], index[1] * array.chunks[1]);
        let file_id = spec.file_ids[0] + file as i64;
        let kind = &variable.kind;
        let (resolution, offset) = (kind.resolution, variable.offset());
        if spec.nan_file == Some(file_id) && number == 1 {
            fill_missing(kind.packed, buffer);
            return Ok(());
        }
        let count = (spec.times - first).min(array.chunks[1]);
        let base = climate(&spec.grid, (kind.equator - offset) / resolution, kind.pole / resolution);
        let [low, high] = kind.range.map(|value| ((value - offset) / resolution) as f32);
        let mix = Mix {
            weights: kind.weights.map(|weight| (weight / resolution) as f32),
            noise: NOISE,
            low,
            high,
            key: spec.seed ^ (number as u32).wrapping_mul(0x27D4_EB2F) ^ (file_id as u32).wrapping_mul(0x1656_67B1),
        };
        let pack = match kind.packed {
            true => Pack::Int16(MISSING),
            false => Pack::Float32 { scale: resolution as f32, offset: offset as f32 },
        };
        let mut cells = self.states(file, first)?;
        let map = (spec.grid.cells() * array.element.bytes()) as usize;
        if count < array.chunks[1] {
            fill_missing(kind.packed, &mut buffer[count as usize * map..]);
        }
        let goes_on = first + count < spec.times;
        let piece = piece(spec.grid.cells() as usize);
        // The way to a single next time may be long.
        let is_long = spec.every > piece;
        let at_once = (piece / spec.every).clamp(1, count);
        for start in (0..count).step_by(at_once as usize) {
            check_stop(&self.stop)?;
            let times = at_once.min(count - start);
            let goes_on = goes_on || start + times < count;
            let times = Times {
                first: (first + start) as u32,
                count: times as usize,
                every: spec.every as u32,
                goes_on: goes_on && !is_long,
            };
            let maps = MapsOf { system: &spec.system, base: &base, mix: &mix, pack, times };
            Lanes::best().maps(maps, &mut cells, &mut buffer[start as usize * map..]);
            if goes_on && is_long {
                self.advance(&mut cells, spec.every)?;
            }
        }
        match goes_on {
            true => self.keep(file, first + count, cells),
            false => self.spare.lock().push(cells),
        }
        Ok(())
    }

    fn coordinate(&self, number: usize, first: u64, values: &mut [[u8; 8]]) {
        let spec = &self.spec;
        for (index, value) in (first..).zip(values) {
            *value = match number {
                0 => (spec.file_ids[0] + index as i64).to_le_bytes(),
                1 => index.to_le_bytes(),
                2 => spec.grid.latitude.at(index).to_le_bytes(),
                _ => spec.grid.longitude.at(index).to_le_bytes(),
            };
        }
    }
}

fn fill_missing(packed: bool, buffer: &mut [u8]) {
    match packed {
        true => buffer.as_chunks_mut().0.fill(MISSING.to_le_bytes()),
        false => buffer.as_chunks_mut().0.fill(f32::NAN.to_le_bytes()),
    }
}

impl Generator for BatchStore {
    fn documents(&self) -> &[(String, Vec<u8>)] {
        &self.arrays.documents
    }

    fn keys(&self, directory: &str) -> Box<dyn Iterator<Item = String> + Send + '_> {
        self.arrays.keys(directory)
    }

    fn size(&self, key: &str) -> Option<u64> {
        let (array, index) = self.arrays.find(key)?;
        let is_missing = array.checked_sub(COORDINATES).is_some_and(|variable| self.spec.is_missing(variable, &index));
        (!is_missing).then(|| self.arrays.specs[array].chunk_bytes())
    }

    fn tag(&self) -> u64 {
        self.tag
    }

    fn generate(&self, key: &str, buffer: &mut Vec<u8>) -> Result<(), NotGenerated> {
        let (number, index) = self.arrays.begin(key, buffer)?;
        match number.checked_sub(COORDINATES) {
            None => {
                let first = index[0] * self.arrays.specs[number].chunks[0];
                self.coordinate(number, first, buffer.as_chunks_mut().0);
                Ok(())
            }
            // Only a signal ends it.
            Some(variable) => self.maps(variable, &index, buffer).map_err(|_| NotGenerated::Stopped),
        }
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
