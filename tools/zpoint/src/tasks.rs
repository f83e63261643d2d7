//! The chunks of a variable that a batch needs, and which of their elements go where.
//!
//! In a chunk the wanted elements are all pairs of a step (an index along every dimension that is not the place's) and a place.
//! So each dimension's share of an element's offset is worked out once a batch, and a task is a product of those.

use std::collections::BTreeMap;

use zarray::ChunkReader;

use crate::source::{Role, Variable};
use crate::spans::Span;

/// Cells that lie in one chunk.
#[derive(Debug, Clone, Default)]
pub struct PlaceGroup {
    /// Index of the chunk along the place's dimensions, by the dimension's number.
    pub chunk: Vec<(usize, u64)>,
    /// For each cell its offset in the decoded chunk, in elements.
    pub offsets: Vec<u64>,
    /// The numbers of the cells.
    pub cells: Vec<u32>,
}

/// Part of a dimension that lies in one chunk.
#[derive(Debug, Clone, Default)]
struct Piece {
    chunk: u64,
    /// For each index its share of the offset in the decoded chunk, and of the place in the target, both in elements.
    steps: Vec<(u64, u64)>,
}

/// The chunks of one variable that a batch needs.
pub struct Tasks<'a> {
    dimensions: Vec<(usize, Vec<Piece>)>,
    groups: &'a [PlaceGroup],
    rank: usize,
}

/// One chunk.
#[derive(Debug, Clone, Default)]
pub struct Task {
    /// Its index.
    pub chunk: Vec<u64>,
    /// Offsets of the steps, in elements.
    pub steps: Vec<u64>,
    /// Where the elements of each step go: number of a row of cells.
    pub targets: Vec<u64>,
    /// Which group of cells.
    pub group: usize,
}

/// Elements from one index to the next along each dimension, in a decoded chunk.
pub fn strides(reader: &ChunkReader) -> Vec<u64> {
    let shape = reader.grid().chunk_shape();
    let mut strides = vec![0; shape.len()];
    let mut stride = 1;
    for dimension in reader.elements().order.iter().rev() {
        strides[*dimension] = stride;
        stride *= shape[*dimension];
    }
    strides
}

/// The cells of a variable by chunk. A cell is a row and, on grids of two dimensions, a column.
pub fn group_places(reader: &ChunkReader, variable: &Variable, cells: &[[u64; 2]]) -> Vec<PlaceGroup> {
    let (shape, strides) = (reader.grid().chunk_shape(), strides(reader));
    let place: Vec<(usize, usize)> = variable
        .roles
        .iter()
        .enumerate()
        .filter_map(|(dimension, role)| match role {
            Role::Row => Some((dimension, 0)),
            Role::Column => Some((dimension, 1)),
            Role::Sample(_) | Role::Feature(_) => None,
        })
        .collect();
    let mut groups: BTreeMap<Vec<(usize, u64)>, PlaceGroup> = BTreeMap::new();
    for (number, cell) in cells.iter().enumerate() {
        let chunk: Vec<(usize, u64)> = place.iter().map(|(at, part)| (*at, cell[*part] / shape[*at])).collect();
        let offset = place.iter().map(|(at, part)| cell[*part] % shape[*at] * strides[*at]).sum();
        let group = groups.entry(chunk).or_default();
        group.offsets.push(offset);
        group.cells.push(number as u32);
    }
    groups.into_iter().map(|(chunk, group)| PlaceGroup { chunk, ..group }).collect()
}

/// Lengths of the sample axes that a variable has, within a batch; 1 for those that it lacks.
pub fn own_samples(variable: &Variable, span: &Span) -> Vec<u64> {
    let has = |number: usize| variable.roles.contains(&Role::Sample(number));
    span.iter().enumerate().map(|(number, range)| if has(number) { range.len() as u64 } else { 1 }).collect()
}

impl<'a> Tasks<'a> {
    /// The chunks that `variable` needs for the samples in `span`.
    pub fn new(
        reader: &ChunkReader,
        variable: &Variable,
        samples: &[crate::source::Axis],
        span: &Span,
        groups: &'a [PlaceGroup],
    ) -> Tasks<'a> {
        let (shape, strides) = (reader.grid().chunk_shape(), strides(reader));
        let own = own_samples(variable, span);
        let all_samples: u64 = own.iter().product();
        let feature_lengths: Vec<u64> = variable.features.iter().map(|axis| axis.indices.len() as u64).collect();
        let mut dimensions = Vec::new();
        for (dimension, role) in variable.roles.iter().enumerate() {
            // Target rows are numbered feature by feature, in each sample by sample.
            let (indices, unit) = match role {
                Role::Sample(number) => {
                    (&samples[*number].indices[span[*number].clone()], own[number + 1..].iter().product())
                }
                Role::Feature(number) => {
                    let inner: u64 = feature_lengths[number + 1..].iter().product();
                    (variable.features[*number].indices.as_slice(), inner * all_samples)
                }
                Role::Row | Role::Column => continue,
            };
            dimensions.push((dimension, pieces(indices, shape[dimension], strides[dimension], unit)));
        }
        Tasks { dimensions, groups, rank: shape.len() }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.dimensions.iter().map(|(_, pieces)| pieces.len()).product::<usize>() * self.groups.len()
    }

    /// Task `number`.
    pub fn get(&self, mut number: usize) -> Task {
        let group = number % self.groups.len().max(1);
        number /= self.groups.len().max(1);
        let mut task = Task { chunk: vec![0; self.rank], steps: vec![0], targets: vec![0], group };
        for (dimension, chunk) in &self.groups[group].chunk {
            task.chunk[*dimension] = *chunk;
        }
        let mut picked = Vec::with_capacity(self.dimensions.len());
        for (dimension, pieces) in self.dimensions.iter().rev() {
            picked.push((*dimension, &pieces[number % pieces.len()]));
            number /= pieces.len();
        }
        for (dimension, piece) in picked.into_iter().rev() {
            task.chunk[dimension] = piece.chunk;
            let product = |own: &[u64], part: fn(&(u64, u64)) -> u64| -> Vec<u64> {
                own.iter().flat_map(|sum| piece.steps.iter().map(move |step| sum + part(step))).collect()
            };
            task.steps = product(&task.steps, |step| step.0);
            task.targets = product(&task.targets, |step| step.1);
        }
        task
    }
}

fn pieces(indices: &[u64], length: u64, stride: u64, unit: u64) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (position, index) in indices.iter().enumerate() {
        let chunk = index / length;
        if pieces.last().is_none_or(|piece| piece.chunk != chunk) {
            pieces.push(Piece { chunk, steps: Vec::new() });
        }
        if let Some(piece) = pieces.last_mut() {
            piece.steps.push((index % length * stride, position as u64 * unit));
        }
    }
    pieces
}
