//! Where sources differ, a choice between them decides what an output holds. A finished output is compared there in full: everything
//! else may be the same with another choice.

use std::ops::Range;

use zarray::{Pool, Subset};
use zwire::{Exit, Failure};

use crate::both_sides::{BothSides, Compared};
use crate::stored_bytes::Extent;
use crate::view::View;

/// Chunks that are compared for this of one array; a choice between more is not checked.
const MOST_CHUNKS: u64 = 1 << 16;

impl BothSides<'_> {
    /// Compares all values at these indices along the joined dimension.
    ///
    /// # Errors
    /// [`Exit::Output`] if the output has others, or that cannot be told; the stores'.
    pub fn check_decided(&self, ranges: &[Range<u64>], pool: &Pool) -> Result<(), Failure> {
        let View::Join(join) = &self.plan.view else { return Ok(()) };
        let Some(grid) = self.output.chunk_grid().filter(|_| !ranges.is_empty()) else { return Ok(()) };
        let mut parts = Vec::new();
        for range in ranges {
            let (mut start, mut shape) = (vec![0; self.output.shape.len()], self.output.shape.clone());
            (start[join.dimension()], shape[join.dimension()]) = (range.start, range.end - range.start);
            let all = Subset::new(start, shape);
            let chunks = grid.touched(&all);
            if (parts.len() as u64).saturating_add(chunks.elements()) > MOST_CHUNKS {
                return Err(self.undecided());
            }
            let indices = (0..chunks.elements()).map(|number| chunks.member(number));
            parts.extend(indices.filter_map(|index| grid.chunk(&index).intersection(&all)));
        }
        pool.map(parts, |part| self.check_choice(&part)).into_iter().collect()
    }

    fn check_choice(&self, part: &Subset) -> Result<(), Failure> {
        let index = |grid: &zarray::Grid| -> Vec<u64> {
            part.start().iter().enumerate().map(|(at, element)| grid.chunk_of(at, *element)).collect()
        };
        let Some(index) = self.objects().map(index) else { return Err(self.undecided()) };
        let is_chosen = match self.compare(part)? {
            Compared::Same => Some(true),
            Compared::Differs(_) => Some(false),
            Compared::Unknown => self.has_same_bytes(&index, Extent::All)?,
        };
        match is_chosen {
            Some(true) => Ok(()),
            Some(false) => Err(Failure::new(
                Exit::Output,
                format!("was made with another choice between values that differ: {} has others", self.key(&index)),
            )
            .at(self.written.location())
            .hint("use another output, or --overwrite to replace it")),
            None => Err(self.undecided()),
        }
    }

    fn undecided(&self) -> Failure {
        let text = format!(
            "is finished, and which of the values of {} that differ it holds is not known",
            self.output.key_prefix()
        );
        Failure::new(Exit::Output, text)
            .at(self.written.location())
            .hint("use another output, or --overwrite to replace it")
    }
}
