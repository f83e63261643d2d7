//! What a batch holds: its grid, its files and variables, and the metadata that follows from them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zarray::ZarrFormat;
use zcli::Stop;
use zwire::Failure;

use crate::advance::in_pieces;
use crate::documents::{ArraySpec, Element, members};
use crate::grid::fields::initial;
use crate::grid::layout::{Axis, GridShape};
use crate::grid::variables::GridVariable;
use crate::kernel::Lanes;
use crate::parameters::{Parameters, of_system};
use crate::system::System;

/// Bytes of a chunk by default.
const CHUNK_BYTES: u64 = 4 << 20;

/// Packed missing value.
pub const MISSING: i16 = -32_768;

/// Coordinates before the variables.
pub const COORDINATES: usize = 4;

/// Rows, columns and files of which members are integrated before anything is written, to see whether they diverge.
const SAMPLED_CELLS: u64 = 32;

const SAMPLED_FILES: usize = 100;

/// The most bytes of states that are kept, and the share of the memory limit that they may take.
const KEPT_BYTES: u64 = 256 << 20;

const KEPT_SHARE: u64 = 8;

/// States that are kept at least.
const FEWEST_KEPT: u64 = 2;

/// Bytes of the state of a cell, and of the part of a variable that does not change.
const STATE_BYTES: u64 = 12;

const BASE_BYTES: u64 = 4;

/// More decoded bytes are not written.
const MOST_BYTES: u64 = 1 << 60;

/// What decides the values of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchSpec {
    /// The number of the batch, from 0.
    pub batch: u64,
    /// How many batches there are.
    pub batches: u64,
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
    pub fn is_missing(&self, variable: usize, index: &[u64]) -> bool {
        variable == 2 && self.damaged_file.is_some_and(|file| (file - self.file_ids[0]) as u64 == index[0])
    }

    /// How many faults are planted in it.
    pub fn faults(&self, is_damaged: bool) -> u64 {
        u64::from(self.nan_file.is_some()) + u64::from(self.damaged_file.is_some()) * (1 + u64::from(is_damaged))
    }

    /// Steps from the first time of a file to its last.
    pub fn steps(&self) -> u64 {
        self.times.saturating_sub(1).saturating_mul(self.every)
    }

    /// The first file whose members diverge, as far as a sample of the cells tells.
    ///
    /// # Errors
    /// A signal.
    pub fn diverging_file(&self, stop: &Stop) -> Result<Option<i64>, Failure> {
        let coarse = |axis: Axis| Axis { count: axis.count.min(SAMPLED_CELLS), ..axis };
        let GridShape { latitude, longitude } = self.grid;
        let sample = GridShape { latitude: coarse(latitude), longitude: coarse(longitude) };
        for file_id in (self.file_ids[0]..self.file_ids[1]).take(SAMPLED_FILES) {
            let mut cells = initial(&sample, self.center, self.spread, self.seed, file_id);
            let advance = |steps| Lanes::best().advance_cells(&self.system, &mut cells, steps as u32);
            in_pieces(sample.cells() as usize, self.steps(), stop, advance)?;
            if cells.x.iter().chain(&cells.y).chain(&cells.z).any(|value| !value.is_finite()) {
                return Ok(Some(file_id));
            }
        }
        Ok(None)
    }

    /// Bytes of all variables, decoded; `None` if they are too many.
    pub fn bytes(&self) -> Option<u64> {
        let cells = self.shape().into_iter().try_fold(4u64, u64::checked_mul)?;
        cells.checked_mul(self.variables).filter(|bytes| *bytes <= MOST_BYTES)
    }

    /// How many states are kept with a memory limit.
    pub fn most_kept(&self, memory: u64) -> u64 {
        let states = (self.grid.cells() * STATE_BYTES).max(1);
        ((memory / KEPT_SHARE).min(KEPT_BYTES) / states).max(FEWEST_KEPT)
    }

    /// How many states there are at the starts of chunks of these variables, at most.
    pub fn starts(&self, variables: &[ArraySpec]) -> u64 {
        let mut lengths: Vec<u64> = variables.iter().map(|array| array.chunks[1].max(1)).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let of_a_file = lengths.into_iter().map(|times| self.times.div_ceil(times)).fold(0, u64::saturating_add);
        of_a_file.saturating_mul(self.files())
    }

    /// What is needed for the states and a single chunk, and what is left of `memory` for chunks that are compressed; `None` if that
    /// is not enough.
    pub fn memory_for_chunks(&self, memory: u64) -> (u64, Option<u64>) {
        let cells = self.grid.cells();
        let kept = cells * STATE_BYTES * self.most_kept(memory);
        let in_making = cells * (STATE_BYTES + BASE_BYTES);
        // Chunks are held three times (see zstage); those of packed variables are the smaller ones.
        let chunk = |bytes| 3 * bytes * cells * self.chunk_times(bytes);
        let need = kept + in_making + chunk(4);
        let share = chunk(2) as f64 / (chunk(2) + in_making) as f64;
        (need, memory.checked_sub(need).map(|_| ((memory - kept) as f64 * share) as u64))
    }

    /// Times of a chunk of elements of so many bytes.
    fn chunk_times(&self, bytes: u64) -> u64 {
        let map = self.grid.cells() * bytes;
        self.chunk_times.unwrap_or(CHUNK_BYTES / map.max(1)).clamp(1, self.times.max(1))
    }

    fn array(&self, variable: &GridVariable) -> ArraySpec {
        let (element, fill) = match variable.kind.packed {
            true => (Element::Int16, json!(MISSING)),
            false => (Element::Float32, json!("NaN")),
        };
        let times = self.chunk_times(element.bytes());
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

    /// All arrays: coordinates, then variables.
    pub fn arrays(&self, variables: &[GridVariable]) -> Vec<ArraySpec> {
        let GridShape { latitude, longitude } = self.grid;
        let id = json!({"long_name": "number of the file", "cf_role": "timeseries_id"});
        let time = json!({"long_name": "time since the start of the file", "standard_name": "forecast_period",
            "units": "hours"});
        let lat = json!({"long_name": "latitude", "standard_name": "latitude", "units": "degrees_north", "axis": "Y"});
        let lon = json!({"long_name": "longitude", "standard_name": "longitude", "units": "degrees_east", "axis": "X"});
        let mut arrays = vec![
            ArraySpec::coordinate("file_id", self.files(), Element::Int64, id),
            ArraySpec::coordinate("time", self.times, Element::Int64, time),
            ArraySpec::coordinate("latitude", latitude.count, Element::Float64, lat),
            ArraySpec::coordinate("longitude", longitude.count, Element::Float64, lon),
        ];
        arrays.extend(variables.iter().map(|variable| self.array(variable)));
        arrays
    }

    /// What decides the values, by the names of the flags.
    pub fn parameters(&self) -> Parameters {
        let mut all = members(json!({
            "batches": self.batches, "batch": self.batch, "grid": self.grid.text(), "file_ids": self.file_ids,
            "times": self.times, "variables": self.variables, "seed": self.seed, "center": self.center, "spread": self.spread,
        }));
        all.extend(of_system(&self.system));
        all.extend(members(json!({"every": self.every, "faults": self.faults(true)})));
        all
    }

    /// Attributes of the group.
    pub fn attributes(&self) -> Map<String, Value> {
        let mut all = members(json!({
            "Conventions": "CF-1.11",
            "title": "Weather-like fields of Lorenz-63 members, for tests",
            "source": format!("lorenz-ens {}", env!("CARGO_PKG_VERSION")),
        }));
        all.extend(self.parameters());
        all
    }
}
