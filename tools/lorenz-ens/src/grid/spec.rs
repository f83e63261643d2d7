//! What a batch holds: its grid, its files and variables, and the metadata that follows from them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zarray::ZarrFormat;

use crate::documents::{ArraySpec, Element, members};
use crate::grid::fields::initial;
use crate::grid::layout::{Axis, GridShape};
use crate::grid::variables::GridVariable;
use crate::kernel::Lanes;
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
    pub fn is_missing(&self, variable: usize, index: &[u64]) -> bool {
        variable == 2 && self.damaged_file.is_some_and(|file| (file - self.file_ids[0]) as u64 == index[0])
    }

    /// The first file whose members diverge, as far as a sample of the cells tells.
    pub fn diverging_file(&self) -> Option<i64> {
        let coarse = |axis: Axis| Axis { count: axis.count.min(SAMPLED_CELLS), ..axis };
        let GridShape { latitude, longitude } = self.grid;
        let sample = GridShape { latitude: coarse(latitude), longitude: coarse(longitude) };
        let steps = (self.times * self.every).min(u64::from(u32::MAX)) as u32;
        (self.file_ids[0]..self.file_ids[1]).take(SAMPLED_FILES).find(|file_id| {
            let mut cells = initial(&sample, self.center, self.spread, self.seed, *file_id);
            Lanes::best().advance_cells(&self.system, &mut cells, steps);
            cells.x.iter().chain(&cells.y).chain(&cells.z).any(|value| !value.is_finite())
        })
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

    /// All arrays: coordinates, then variables.
    pub fn arrays(&self, variables: &[GridVariable]) -> Vec<ArraySpec> {
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

    /// Attributes of the group.
    pub fn attributes(&self) -> Map<String, Value> {
        members(json!({
            "Conventions": "CF-1.11",
            "title": "Weather-like fields of Lorenz-63 members, for tests",
            "source": format!("lorenz-ens {}", env!("CARGO_PKG_VERSION")),
        }))
    }
}
