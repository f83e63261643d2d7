//! The chunks of a variable that a batch needs, and where their elements go.
//!
//! In a chunk the wanted elements are all pairs of a step (an index along every dimension that is not one of the
//! grid's) and a cell.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use zarray::{ChunkReader, Selected, TouchedChunk, TouchedChunks};

use crate::axes::Axis;
use crate::roles::Role;
use crate::source::Variable;
use crate::spans::Span;

/// The cells of points that lie in one chunk.
#[derive(Debug, Clone, Default)]
pub struct PointGroup {
    /// Index of the chunk along the grid's dimensions, by the dimension's number.
    pub chunk: Vec<(usize, u64)>,
    /// For each cell its position in the chunk along each of these dimensions.
    positions: Vec<u64>,
    /// The numbers of the cells.
    pub cells: Vec<u32>,
}

impl PointGroup {
    /// The one cell of a variable without a grid.
    pub fn single() -> PointGroup {
        PointGroup { cells: vec![0], ..PointGroup::default() }
    }

    /// For each cell its offset in a decoded chunk with these strides, in elements.
    pub fn offsets(&self, strides: &[u64]) -> Vec<u64> {
        let offset = |positions: &[u64]| {
            positions.iter().zip(&self.chunk).map(|(position, (dimension, _))| position * strides[*dimension]).sum()
        };
        match self.chunk.len() {
            0 => vec![0; self.cells.len()],
            dimensions => self.positions.chunks_exact(dimensions).map(offset).collect(),
        }
    }
}

/// The chunks of one variable that a batch needs.
pub struct Tasks<'a> {
    touched: TouchedChunks,
    groups: &'a [PointGroup],
}

/// One chunk.
#[derive(Debug, Clone, Default)]
pub struct Task {
    /// Its index, the offsets of the steps, and which row of cells each step is in the target.
    pub steps: TouchedChunk,
    /// Which group of cells.
    pub group: usize,
}

/// The cells of a variable by chunk. A cell is a row and, on grids of two dimensions, a column.
pub fn group_points(reader: &ChunkReader, variable: &Variable, cells: &[[u64; 2]]) -> Vec<PointGroup> {
    let part = |(dimension, role): (usize, &Role)| match role {
        Role::Row => Some((dimension, 0)),
        Role::Column => Some((dimension, 1)),
        Role::Sample(_) | Role::Feature(_) => None,
    };
    let grid: Vec<(usize, usize)> = variable.roles.iter().enumerate().filter_map(part).collect();
    let mut groups: BTreeMap<Vec<(usize, u64)>, PointGroup> = BTreeMap::new();
    for (number, cell) in cells.iter().enumerate() {
        let chunks = reader.grid();
        let chunk: Vec<(usize, u64)> = grid.iter().map(|(at, part)| (*at, chunks.chunk_of(*at, cell[*part]))).collect();
        let positions =
            grid.iter().zip(&chunk).map(|((at, part), (_, chunk))| cell[*part] - chunks.extent(*at, *chunk).0);
        let positions: Vec<u64> = positions.collect();
        let group = groups.entry(chunk).or_default();
        group.positions.extend(positions);
        group.cells.push(number as u32);
    }
    groups.into_iter().map(|(chunk, group)| PointGroup { chunk, ..group }).collect()
}

/// Lengths of a variable's sample axes within a batch; 1 for axes it does not have.
pub fn own_samples(variable: &Variable, span: &Span) -> Vec<u64> {
    let has = |number: usize| variable.roles.contains(&Role::Sample(number));
    span.iter().enumerate().map(|(number, range)| if has(number) { range.len() as u64 } else { 1 }).collect()
}

impl<'a> Tasks<'a> {
    /// The chunks that `variable` needs for the samples in `span`.
    pub fn new(
        reader: &ChunkReader,
        variable: &Variable,
        samples: &[Axis],
        span: &Span,
        groups: &'a [PointGroup],
    ) -> Tasks<'a> {
        let own = own_samples(variable, span);
        let all_samples: u64 = own.iter().product();
        let inner =
            |number: usize| -> u64 { variable.features[number + 1..].iter().map(|axis| axis.len() as u64).product() };
        // Rows of cells in the target are numbered feature by feature, in each sample by sample.
        let picked = |(dimension, role): (usize, &Role)| {
            let (indices, output_stride) = match role {
                Role::Sample(number) => {
                    let Range { start, end } = span[*number];
                    (samples[*number].indices.slice(start as u64..end as u64), own[number + 1..].iter().product())
                }
                Role::Feature(number) => {
                    let indices = &variable.features[*number].indices;
                    (indices.slice(0..indices.len()), inner(*number) * all_samples)
                }
                Role::Row | Role::Column => return None,
            };
            Some((dimension, indices, output_stride))
        };
        let picked: Vec<(usize, Cow<[u64]>, u64)> = variable.roles.iter().enumerate().filter_map(picked).collect();
        let selected: Vec<Selected> = picked
            .iter()
            .map(|(dimension, indices, output_stride)| Selected {
                dimension: *dimension,
                indices,
                output_stride: *output_stride,
            })
            .collect();
        Tasks { touched: TouchedChunks::new(reader.grid(), &reader.elements().order, &selected), groups }
    }

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.touched.len() * self.groups.len()
    }

    /// Task `number`.
    pub fn get(&self, number: usize) -> Task {
        let groups = self.groups.len().max(1);
        let (number, group) = (number / groups, number % groups);
        let steps = self.touched.get(number, &self.groups[group].chunk);
        Task { steps, group }
    }
}
