//! The store of one batch: variables over file_id, time, latitude and longitude, each chunk made when it is written.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zarray::ZarrFormat;
use zstore::Generator;
use zwire::Failure;

use crate::documents::{ArraySpec, Element, documents, members};
use crate::grid::fields::{climate, initial};
use crate::grid::layout::GridShape;
use crate::grid::variables::GridVariable;
use crate::kernel::{Cells, Lanes, MapsOf, Mix, Pack, Times};
use crate::system::System;

/// Bytes of a chunk by default.
const CHUNK_BYTES: u64 = 4 << 20;

/// Packed missing value.
const MISSING: i16 = -32_768;

/// Amplitude of the noise, in units of the resolution: what the last bits of measured fields hold.
const NOISE: f32 = 6.0;

/// Coordinates before the variables.
const COORDINATES: usize = 4;

/// Memory for states that are kept where a map fills a chunk.
const KEPT_BYTES: u64 = 256 << 20;

/// What decides the values of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchSpec {
    /// The grid.
    pub grid: GridShape,
    /// The `file_id`s: first, and the one after the last.
    pub file_ids: [i64; 2],
    /// Times of a file.
    pub times: u64,
    /// Steps between them.
    pub every: u64,
    /// Number of variables.
    pub variables: u64,
    /// The system.
    pub system: System,
    /// Mean of the initial conditions.
    pub center: [f64; 3],
    /// How far they spread.
    pub spread: f64,
    /// Seed of the initial conditions.
    pub seed: u32,
    /// Times of a chunk.
    pub chunk_times: Option<u64>,
    /// The file whose second variable is NaN at all times.
    pub nan_file: Option<i64>,
    /// The file of whose third variable all chunks are missing, and of whose first variable the first chunk is damaged.
    pub damaged_file: Option<i64>,
}

impl BatchSpec {
    /// Memory for the state of a cell, and the part of a variable that does not change.
    pub const STATE_BYTES: u64 = 16;

    fn files(&self) -> u64 {
        self.file_ids[1].abs_diff(self.file_ids[0])
    }

    /// Files, times, latitudes and longitudes.
    pub fn shape(&self) -> Vec<u64> {
        vec![self.files(), self.times, self.grid.latitude.count, self.grid.longitude.count]
    }

    /// The key of the chunk that is damaged once the store is published.
    pub fn damaged_key(&self, format: ZarrFormat) -> Option<String> {
        let file = self.damaged_file? - self.file_ids[0];
        let name = GridVariable::first(1).first()?.name();
        Some(match format {
            ZarrFormat::V2 => format!("{name}/{file}.0.0.0"),
            ZarrFormat::V3 => format!("{name}/c/{file}/0/0/0"),
        })
    }

    /// Whether a chunk of a variable is left out.
    fn is_missing(&self, variable: usize, index: &[u64]) -> bool {
        variable == 2 && self.damaged_file.is_some_and(|file| (file - self.file_ids[0]) as u64 == index[0])
    }

    /// Bytes of all variables, decoded; `None` if they cannot be counted.
    pub fn bytes(&self) -> Option<u64> {
        let cells = self.shape().into_iter().try_fold(4u64, u64::checked_mul)?;
        cells.checked_mul(self.variables)
    }

    fn array(&self, variable: &GridVariable) -> ArraySpec {
        let (element, fill) = match variable.kind.packed {
            true => (Element::Int16, json!(MISSING)),
            false => (Element::Float32, json!("NaN")),
        };
        let map = self.grid.cells() * element.bytes();
        let times = self.chunk_times.unwrap_or(CHUNK_BYTES / map.max(1)).clamp(1, self.times.max(1));
        let kind = &variable.kind;
        let mut attributes = members(json!({"long_name": kind.long_name, "units": kind.units}));
        if !kind.standard_name.is_empty() {
            attributes.insert("standard_name".into(), kind.standard_name.into());
        }
        if let Some(level) = variable.level {
            attributes.insert("level_hPa".into(), level.into());
        }
        if kind.packed {
            attributes.insert("scale_factor".into(), kind.resolution.into());
            attributes.insert("add_offset".into(), variable.offset().into());
            attributes.insert("_FillValue".into(), MISSING.into());
        }
        ArraySpec {
            name: variable.name(),
            shape: self.shape(),
            chunks: vec![1, times, self.grid.latitude.count, self.grid.longitude.count],
            element,
            fill,
            dimensions: ["file_id", "time", "latitude", "longitude"].map(String::from).to_vec(),
            attributes,
        }
    }

    fn arrays(&self, variables: &[GridVariable]) -> Vec<ArraySpec> {
        let GridShape { latitude, longitude } = self.grid;
        let id = json!({"long_name": "number of the file", "cf_role": "timeseries_id"});
        let time = json!({"long_name": "time since the start of the file", "standard_name": "forecast_period",
            "units": "hours"});
        let lat = json!({"long_name": "latitude", "standard_name": "latitude", "units": "degrees_north", "axis": "Y"});
        let lon = json!({"long_name": "longitude", "standard_name": "longitude", "units": "degrees_east", "axis": "X"});
        let mut arrays = vec![
            ArraySpec::coordinate("file_id", self.files(), self.files(), Element::Int64, id),
            ArraySpec::coordinate("time", self.times, self.times, Element::Int64, time),
            ArraySpec::coordinate("latitude", latitude.count, latitude.count, Element::Float64, lat),
            ArraySpec::coordinate("longitude", longitude.count, longitude.count, Element::Float64, lon),
        ];
        arrays.extend(variables.iter().map(|variable| self.array(variable)));
        arrays
    }

    fn attributes(&self) -> Map<String, Value> {
        members(json!({
            "Conventions": "CF-1.11",
            "title": "Weather-like fields of Lorenz-63 members, for tests",
            "source": format!("lorenz-ens {}", env!("CARGO_PKG_VERSION")),
        }))
    }
}

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
}

impl BatchStore {
    /// The store of `spec`.
    ///
    /// # Errors
    /// Only a bug.
    pub fn new(spec: &BatchSpec, format: ZarrFormat, tag: u64) -> Result<BatchStore, Failure> {
        let variables = GridVariable::first(spec.variables as usize);
        let arrays = spec.arrays(&variables);
        let documents = documents(format, &spec.attributes(), &arrays)?;
        let (kept, spare) = (Mutex::default(), Mutex::default());
        Ok(BatchStore { spec: spec.clone(), format, variables, arrays, documents, kept, spare, tag })
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
        let most = (KEPT_BYTES / (self.spec.grid.cells() * 12).max(1)).max(2) as usize;
        let mut kept = self.kept.lock();
        if kept.iter().any(|(at_file, at_time, _)| (*at_file, *at_time) == (file, time)) {
            return;
        }
        kept.push_back((file, time, Arc::new(cells)));
        if kept.len() > most {
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

    fn keys(&self) -> Box<dyn Iterator<Item = String> + Send + '_> {
        Box::new(self.arrays.iter().flat_map(|array| array.keys(self.format)))
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
mod tests {
    use super::*;
    use crate::system::Integrator;

    fn spec(chunk_times: Option<u64>) -> BatchSpec {
        BatchSpec {
            grid: GridShape::parse("90:-90:19,0:350:36").expect("a grid"),
            file_ids: [5, 7],
            times: 10,
            every: 2,
            variables: 20,
            system: System { sigma: 10.0, rho: 28.0, beta: 8.0 / 3.0, dt: 0.02, integrator: Integrator::Euler },
            center: [-10.0, -10.0, 25.0],
            spread: 0.5,
            seed: 42,
            chunk_times,
            nan_file: Some(6),
            damaged_file: None,
        }
    }

    fn object(spec: &BatchSpec, key: &str) -> Vec<u8> {
        let store = BatchStore::new(spec, ZarrFormat::V2, 0).expect("documents");
        let mut buffer = Vec::new();
        store.generate(key, &mut buffer).expect("generates");
        buffer
    }

    #[test]
    fn chunks_of_any_length_hold_the_same_values() {
        let whole = object(&spec(None), "u10/0.0.0.0");
        let map = 19 * 36 * 4;
        assert_eq!(whole.len(), 10 * map);
        let store = BatchStore::new(&spec(Some(3)), ZarrFormat::V2, 0).expect("documents");
        for chunk in [2, 0, 1, 3] {
            let mut buffer = Vec::new();
            store.generate(&format!("u10/0.{chunk}.0.0"), &mut buffer).expect("generates");
            let count = if chunk == 3 { 1 } else { 3 };
            assert!(buffer[..count * map] == whole[chunk * 3 * map..][..count * map], "chunk {chunk}");
            assert!(chunk < 3 || f32::from_le_bytes(*buffer.last_chunk().expect("four bytes")).is_nan());
        }
    }

    #[test]
    fn values_are_plausible_and_the_planted_day_is_missing() {
        let packed: Vec<i16> =
            object(&spec(None), "t2m/0.0.0.0").as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect();
        let celsius: Vec<f64> = packed.iter().map(|value| f64::from(*value) * 0.004 + 260.0 - 273.15).collect();
        let mean = celsius.iter().sum::<f64>() / celsius.len() as f64;
        assert!(mean > -20.0 && mean < 40.0 && packed.iter().all(|value| value.abs() < 20_001), "{mean}");
        let missing = object(&spec(None), "u10/1.0.0.0");
        assert!(missing.as_chunks().0.iter().all(|bytes| f32::from_le_bytes(*bytes).is_nan()));
        let ids = object(&spec(None), "file_id/0");
        assert_eq!(ids.as_chunks().0.iter().map(|id| i64::from_le_bytes(*id)).collect::<Vec<_>>(), [5, 6]);
    }

    #[test]
    fn chunks_of_the_damaged_file_are_missing() {
        let damaged = BatchSpec { damaged_file: Some(6), ..spec(None) };
        let store = BatchStore::new(&damaged, ZarrFormat::V3, 0).expect("documents");
        assert_eq!((store.size("v10/c/1/0/0/0"), store.size("v10/c/0/0/0/0")), (None, Some(10 * 19 * 36 * 4)));
        assert_eq!(damaged.damaged_key(ZarrFormat::V3).as_deref(), Some("t2m/c/1/0/0/0"));
        assert_eq!(damaged.damaged_key(ZarrFormat::V2).as_deref(), Some("t2m/1.0.0.0"));
    }

    #[test]
    fn a_file_is_the_same_in_every_batch() {
        let other = BatchSpec { file_ids: [4, 7], nan_file: None, ..spec(None) };
        assert!(object(&spec(None), "z_1000/0.0.0.0") == object(&other, "z_1000/1.0.0.0"));
        assert!(object(&spec(None), "v10/0.0.0.0") != object(&spec(None), "v10/1.0.0.0"));
    }
}
