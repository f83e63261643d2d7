//! The store of one batch: variables over file_id, time, latitude and longitude, each chunk made when it is written.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use zarray::ZarrFormat;
use zstore::Generator;
use zwire::Failure;

use crate::documents::{ArraySpec, documents};
use crate::grid::fields::{climate, initial};
use crate::grid::spec::{BatchSpec, COORDINATES, MISSING};
use crate::grid::variables::GridVariable;
use crate::kernel::{Cells, Lanes, MapsOf, Mix, Pack, Times};

/// Amplitude of the noise, in units of the resolution: what the last bits of measured fields hold.
const NOISE: f32 = 6.0;

/// Memory for states that are kept where a map fills a chunk.
const KEPT_BYTES: u64 = 256 << 20;

/// The share of the memory limit that they may take.
const KEPT_SHARE: u64 = 8;

/// A member state in each cell, at a file and a time.
type Kept = (u64, u64, Arc<Cells>);

/// Makes the objects of a batch.
pub struct BatchStore {
    spec: BatchSpec,
    format: ZarrFormat,
    variables: Vec<GridVariable>,
    arrays: Vec<ArraySpec>,
    documents: Vec<(String, Vec<u8>)>,
    /// States at the starts of chunks, the oldest first.
    kept: Mutex<VecDeque<Kept>>,
    /// Buffers for states.
    spare: Mutex<Vec<Cells>>,
    tag: u64,
    /// How many states are kept.
    most_kept: usize,
}

impl BatchStore {
    /// The store of `spec`.
    ///
    /// # Errors
    /// Only a bug.
    pub fn new(spec: &BatchSpec, format: ZarrFormat, tag: u64, memory: u64) -> Result<BatchStore, Failure> {
        let variables = GridVariable::first(spec.variables as usize);
        let arrays = spec.arrays(&variables);
        let documents = documents(format, &spec.attributes(), &arrays)?;
        let (kept, spare) = (Mutex::default(), Mutex::default());
        let most_kept = ((memory / KEPT_SHARE).min(KEPT_BYTES) / (spec.grid.cells() * 12).max(1)).max(2) as usize;
        Ok(BatchStore { spec: spec.clone(), format, variables, arrays, documents, kept, spare, tag, most_kept })
    }

    fn find(&self, key: &str) -> Option<(usize, Vec<u64>)> {
        let (name, below) = key.split_once('/')?;
        let number = self.arrays.iter().position(|array| array.name == name)?;
        Some((number, self.arrays[number].index(self.format, below)?))
    }

    /// The states of a file at a time, from the nearest that are kept.
    fn states(&self, file: u64, time: u64) -> Cells {
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
                if time > 0 {
                    self.keep(file, 0, cells.clone());
                }
                0
            }
        };
        let steps = (time - from) * self.spec.every;
        Lanes::best().advance_cells(&self.spec.system, &mut cells, steps as u32);
        cells
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
    fn maps(&self, number: usize, index: &[u64], buffer: &mut [u8]) {
        let (spec, variable, array) = (&self.spec, &self.variables[number], &self.arrays[COORDINATES + number]);
        let (file, first) = (index[0], index[1] * array.chunks[1]);
        let file_id = spec.file_ids[0] + file as i64;
        let kind = &variable.kind;
        let (resolution, offset) = (kind.resolution, variable.offset());
        if spec.nan_file == Some(file_id) && number == 1 {
            return fill_missing(kind.packed, buffer);
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
        let mut cells = self.states(file, first);
        let times = Times { first: first as u32, count: count as usize, every: spec.every as u32 };
        if count < array.chunks[1] {
            let written = (count * spec.grid.cells() * array.element.bytes()) as usize;
            fill_missing(kind.packed, &mut buffer[written..]);
        }
        Lanes::best().maps(MapsOf { system: &spec.system, base: &base, mix: &mix, pack, times }, &mut cells, buffer);
        match first + count < spec.times {
            true => self.keep(file, first + count, cells),
            false => self.spare.lock().push(cells),
        }
    }

    fn coordinate(&self, number: usize, values: &mut [[u8; 8]]) {
        let spec = &self.spec;
        for (index, value) in (0u64..).zip(values) {
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
        &self.documents
    }

    fn keys(&self, directory: &str) -> Box<dyn Iterator<Item = String> + Send + '_> {
        let is_all = directory.is_empty();
        let found: Vec<&ArraySpec> = self.arrays.iter().filter(|array| is_all || array.name == directory).collect();
        Box::new(found.into_iter().flat_map(|array| array.keys(self.format)))
    }

    fn size(&self, key: &str) -> Option<u64> {
        let (array, index) = self.find(key)?;
        let is_missing = array.checked_sub(COORDINATES).is_some_and(|variable| self.spec.is_missing(variable, &index));
        (!is_missing).then(|| self.arrays[array].chunk_bytes())
    }

    fn tag(&self) -> u64 {
        self.tag
    }

    fn generate(&self, key: &str, buffer: &mut Vec<u8>) -> Result<(), String> {
        let (number, index) = self.find(key).ok_or("no chunk has this key")?;
        let bytes = usize::try_from(self.arrays[number].chunk_bytes()).map_err(|_| "the chunk is too large")?;
        buffer.resize(bytes, 0);
        match number.checked_sub(COORDINATES) {
            None => self.coordinate(number, buffer.as_chunks_mut().0),
            Some(variable) => self.maps(variable, &index, buffer),
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
