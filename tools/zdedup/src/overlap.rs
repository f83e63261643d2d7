//! The values of a variable under a stretch of duplicates, in two batches.

use std::sync::Arc;

use zarray::{ArrayValues, Pool, Subset, ZarrError, copy_subset, read_region};
use zcodec::to_usize;
use zstage::Recode;
use zvalue::{Class, Difference, PartBuffers, Parts, Tolerance, compare, compare_mixed};

use crate::crop::Window;
use crate::duplicates::Stretch;

/// Buffers of a worker.
#[derive(Default)]
pub struct OverlapBuffers {
    first: PartBuffers,
    other: PartBuffers,
    a: Vec<u8>,
    b: Vec<u8>,
    piece: Vec<u8>,
}

/// The same variable in two batches.
pub struct Overlap<'a> {
    first: Parts<'a>,
    other: Parts<'a>,
    /// Where each begins; 0 along the joined dimension.
    start: [Vec<u64>; 2],
    /// The shape of both, whatever their length along the joined dimension.
    shape: Vec<u64>,
    dimension: usize,
    tolerance: Tolerance,
    /// Whether equal stored bytes are equal values.
    is_alike: bool,
    /// What makes elements of the other those of the first, such as times that count from another date.
    recode: Option<Arc<dyn Recode>>,
    /// Bytes that elements of variable length may take.
    memory: u64,
}

/// What differs under each value of a stretch, by number.
pub type Differences = Vec<(u64, Difference)>;

impl<'a> Overlap<'a> {
    /// The boxes `windows` of a variable that has the joined dimension at `dimension`.
    ///
    /// # Errors
    /// A message if its values cannot be compared.
    pub fn new(
        first: Parts<'a>,
        other: Parts<'a>,
        windows: [Window; 2],
        dimension: usize,
        tolerance: Tolerance,
        memory: u64,
    ) -> Result<Overlap<'a>, String> {
        let lengths = |window: &Window| {
            let others = window.shape.iter().enumerate().filter(|(axis, _)| *axis != dimension);
            others.map(|(_, length)| *length).collect::<Vec<u64>>()
        };
        let [mut own, mut theirs] = windows;
        (own.start[dimension], theirs.start[dimension]) = (0, 0);
        if own.shape.len() != theirs.shape.len() || lengths(&own) != lengths(&theirs) {
            return Err(format!("shapes {:?} and {:?} do not match", first.array.shape, other.array.shape));
        }
        let numbers = [&first, &other].iter().all(|parts| matches!(parts.value.class, Class::Number(_)));
        if first.value.name != other.value.name && !numbers {
            return Err(format!("values of type {} and {} cannot be compared", first.value.name, other.value.name));
        }
        let is_alike = first.value.is_stored_like(&other.value)
            && first.reader.elements() == other.reader.elements()
            && first.reader.grid().chunk_shape() == other.reader.grid().chunk_shape()
            && first.array.chain.innermost().specs == other.array.chain.innermost().specs;
        Ok(Overlap {
            first,
            other,
            start: [own.start, theirs.start],
            shape: own.shape,
            dimension,
            tolerance,
            is_alike,
            recode: None,
            memory,
        })
    }

    /// The same, with elements of the other that are converted before they are compared.
    pub fn with_recode(self, recode: Option<Arc<dyn Recode>>) -> Overlap<'a> {
        Overlap { is_alike: self.is_alike && recode.is_none(), recode, ..self }
    }

    /// Values under one coordinate value.
    pub fn elements(&self) -> u64 {
        let lengths = self.shape.iter().enumerate().filter(|(axis, _)| *axis != self.dimension);
        lengths.map(|(_, length)| *length).product()
    }

    /// Bytes of memory that a comparison takes.
    pub fn cost(&self) -> u64 {
        let chunk = |parts: &Parts| parts.reader.chunk_bytes().saturating_mul(3);
        chunk(&self.first).saturating_add(chunk(&self.other))
    }

    /// Compares what is under a stretch.
    ///
    /// # Errors
    /// A chunk cannot be read or decoded.
    pub fn compare(&self, stretch: &Stretch, buffers: &mut OverlapBuffers) -> Result<Differences, ZarrError> {
        let region = self.region(stretch.first.index, stretch.length);
        if self.first.itemsize == 0 {
            return self.texts(stretch, &region);
        }
        let mut found: Differences = Vec::new();
        let grid = self.first.reader.grid();
        let chunks = grid.touched(&region);
        for index in (0..chunks.elements()).map(|number| chunks.member(number)) {
            let Some(part) = grid.chunk(&index).intersection(&region) else { continue };
            if !self.is_same_chunk(&index, &part, stretch, buffers)? {
                self.part(&index, &part, stretch, buffers, &mut found)?;
            }
        }
        found.sort_by_key(|(number, _)| *number);
        Ok(merged(found))
    }

    /// The box of a range of the joined dimension.
    fn region(&self, start: u64, length: u64) -> Subset {
        let (mut starts, mut shape) = (self.start[0].clone(), self.shape.clone());
        (starts[self.dimension], shape[self.dimension]) = (start, length);
        Subset::new(starts, shape)
    }

    /// The same box in the other batch.
    fn moved(&self, part: &Subset, stretch: &Stretch) -> Subset {
        let mut start: Vec<u64> = part.start().iter().zip(&self.start[0]).map(|(at, start)| at - start).collect();
        start.iter_mut().zip(&self.start[1]).for_each(|(at, start)| *at += start);
        start[self.dimension] = start[self.dimension] - stretch.first.index + stretch.other.index;
        Subset::new(start, part.shape().to_vec())
    }

    /// Whether a part is a whole chunk in both batches, with the same stored bytes.
    fn is_same_chunk(
        &self,
        index: &[u64],
        part: &Subset,
        stretch: &Stretch,
        buffers: &mut OverlapBuffers,
    ) -> Result<bool, ZarrError> {
        let moved = self.moved(part, stretch);
        let chunks = self.other.reader.grid().touched(&moved);
        if !self.is_alike || chunks.elements() != 1 || *part != self.first.inside(index) {
            return Ok(false);
        }
        let other = chunks.member(0);
        if moved != self.other.inside(&other) {
            return Ok(false);
        }
        let present = [self.first.fetch(index, &mut buffers.first)?, self.other.fetch(&other, &mut buffers.other)?];
        Ok(match present {
            [true, true] => buffers.first.stored == buffers.other.stored,
            [false, false] => self.first.fill(index)? == self.other.fill(&other)?,
            _ => false,
        })
    }

    /// Compares a part of a chunk value by value.
    fn part(
        &self,
        index: &[u64],
        part: &Subset,
        stretch: &Stretch,
        buffers: &mut OverlapBuffers,
        found: &mut Differences,
    ) -> Result<(), ZarrError> {
        let OverlapBuffers { first, other, a, b, piece } = buffers;
        read_part(&self.first, index, part, first, a)?;
        let moved = self.moved(part, stretch);
        let size = self.other.itemsize;
        b.resize(to_usize(moved.elements()) * size, 0);
        let grid = self.other.reader.grid();
        let chunks = grid.touched(&moved);
        for index in (0..chunks.elements()).map(|number| chunks.member(number)) {
            let Some(inside) = grid.chunk(&index).intersection(&moved) else { continue };
            read_part(&self.other, &index, &inside, other, piece)?;
            copy_subset(&inside, &inside, piece, &moved, b, size);
        }
        if let Some(recode) = &self.recode {
            piece.clear();
            let place = || self.other.store.place(self.other.array.key_prefix());
            recode.recode(b, piece).map_err(|detail| ZarrError::Metadata { place: place(), detail })?;
            std::mem::swap(b, piece);
        }
        if self.first.value.is_stored_like(&self.other.value) && a == b {
            return Ok(());
        }
        let (a, b) = (self.first.value.values(a), self.other.value.values(b));
        let steps = part.shape()[self.dimension];
        let before = part.start()[self.dimension] - stretch.first.index;
        let inner: u64 = part.shape()[self.dimension + 1..].iter().product();
        let outer: u64 = part.shape()[..self.dimension].iter().product();
        for step in 0..steps {
            let mut all = Difference::default();
            for row in 0..outer {
                let at = |size: usize| {
                    let start = to_usize((row * steps + step) * inner) * size;
                    start..start + to_usize(inner) * size
                };
                let slab = self.slab(&a[at(self.first.value.size)], &b[at(self.other.value.size)]);
                all.differing += slab.differing;
                all.max = all.max.max(slab.max);
            }
            if all.differing > 0 {
                found.push((before + step, all));
            }
        }
        Ok(())
    }

    fn slab(&self, a: &[u8], b: &[u8]) -> Difference {
        match (self.first.value.class, self.other.value.class) {
            (Class::Number(first), Class::Number(other)) if self.first.value.name != self.other.value.name => {
                compare_mixed([first, other], a, b, self.tolerance)
            }
            (class, _) => compare(class, self.first.value.size, a, b, self.tolerance),
        }
    }

    /// Compares elements of variable length.
    fn texts(&self, stretch: &Stretch, region: &Subset) -> Result<Differences, ZarrError> {
        let pool = Pool::new(1);
        let read = |parts: &Parts, region: &Subset| match read_region(
            parts.store,
            parts.array,
            region,
            &pool,
            self.memory / 2,
        )? {
            ArrayValues::Variable(values) => Ok(values),
            ArrayValues::Fixed { .. } => Ok::<_, ZarrError>(Vec::new()),
        };
        let (a, b) = (read(&self.first, region)?, read(&self.other, &self.moved(region, stretch))?);
        let differing = a.iter().zip(&b).enumerate().filter(|(_, (a, b))| a != b);
        let one = Difference { differing: 1, ..Difference::default() };
        let mut found: Differences =
            differing.map(|(at, _)| (region.member(at as u64)[self.dimension] - stretch.first.index, one)).collect();
        found.sort_by_key(|(number, _)| *number);
        Ok(merged(found))
    }
}

/// Reads a part of a chunk as elements in C order; of a missing chunk, fill values.
fn read_part(
    parts: &Parts,
    index: &[u64],
    part: &Subset,
    buffers: &mut PartBuffers,
    target: &mut Vec<u8>,
) -> Result<(), ZarrError> {
    if parts.fetch(index, buffers)? {
        return parts.part(index, part, buffers, target);
    }
    *target = parts.fill(index)?.repeat(to_usize(part.elements()));
    Ok(())
}

/// Adds up what belongs to the same value.
fn merged(found: Differences) -> Differences {
    let mut all: Differences = Vec::new();
    for (number, difference) in found {
        match all.last_mut().filter(|(last, _)| *last == number) {
            Some((_, sum)) => {
                sum.differing += difference.differing;
                sum.max = sum.max.max(difference.max);
            }
            None => all.push((number, difference)),
        }
    }
    all
}
