//! Gathers one output chunk from the loaded source elements.

use zarray::{Itemsize, Subset, copy_subset};
use zwire::{Exit, Failure};

use super::engine::{Engine, WorkerBuffers};
use super::load::{Loaded, State};
use super::vlen;

/// Whether an output chunk can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathered {
    /// All source chunks could be decoded or are absent, and at least one is present.
    Ready,
    /// None of its source chunks is present.
    Absent,
    /// One of its source chunks cannot be decoded.
    Spoiled,
}

impl Engine<'_> {
    /// Gathers the decoded bytes of output chunk `index` (array order) into `buffers.scratch.decoded`.
    pub(super) fn gather(
        &self,
        loaded: &Loaded,
        index: &[u64],
        buffers: &mut WorkerBuffers,
    ) -> Result<Gathered, Failure> {
        let chunk = Subset::chunk(index, self.plan.chunks.chunk_shape()).permuted(&self.plan.elements.order);
        let Some(part) = chunk.intersection(&loaded.window.elements) else { return Ok(Gathered::Absent) };
        let found = if loaded.complete { Gathered::Ready } else { self.found(loaded, &part)? };
        if found != Gathered::Ready {
            return Ok(found);
        }
        let (variable, stride) = (self.itemsize() == Itemsize::Variable, self.stride());
        let WorkerBuffers { scratch, references } = buffers;
        let target = if variable { &mut *references } else { &mut scratch.decoded };
        target.resize(chunk.elements() as usize * stride, 0);
        if part != chunk {
            self.fill.elements(target);
        }
        for (column, start) in loaded.window.columns_of(&part) {
            if let Some(shared) = column.intersection(&part) {
                copy_subset(&shared, &column, &loaded.bytes[start..], &chunk, target, stride);
            }
        }
        if variable {
            vlen::collect(references, &self.fill.variable, |number| loaded.variable(number), &mut scratch.decoded);
        }
        Ok(Gathered::Ready)
    }

    /// The state of an output chunk, from the source chunks that overlap `part`.
    fn found(&self, loaded: &Loaded, part: &Subset) -> Result<Gathered, Failure> {
        let (mut present, mut absent) = (false, false);
        for number in loaded.window.parts_of(part).flatten() {
            match loaded.state(number) {
                State::Bad => return Ok(Gathered::Spoiled),
                State::Present => present = true,
                State::Absent => absent = true,
            }
        }
        match &self.fill.unknown {
            _ if !present => Ok(Gathered::Absent),
            Some(why) if absent => {
                let what = format!("some of its chunks are missing, and {why}");
                Err(Failure::new(Exit::Unreadable, what).at(&self.array.path))
            }
            _ => Ok(Gathered::Ready),
        }
    }
}
