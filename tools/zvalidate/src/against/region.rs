//! Compares a region of two arrays with other chunks: the other array's part is put together, then each of our chunks is held against
//! it.

use zarray::{Subset, ZarrError, read_region};
use zcodec::to_usize;
use zvalue::{Difference, Parts};

use crate::against::fill::filled;
use crate::against::pair::{ItemResult, Pair, PairBuffers};

impl Pair<'_> {
    /// Compares a region: theirs is put together, then each of our chunks is held against it.
    pub(super) fn region(
        &self,
        region: &Subset,
        buffers: &mut PairBuffers,
        result: &mut ItemResult,
    ) -> Result<(), ZarrError> {
        let stored = self.assemble(region, buffers)?;
        let (ours, theirs) = (self.ours.reader.grid(), self.theirs.reader.grid());
        let (chunks, their_chunks) = (ours.touched(region), theirs.touched(region));
        for index in (0..chunks.elements()).map(|member| chunks.member(member)) {
            let Some(part) = ours.chunk(&index).intersection(region) else { continue };
            let touched = theirs.touched(&part);
            let mut at =
                (0..touched.elements()).map(|member| stored[to_usize(their_chunks.number(&touched.member(member)))]);
            let (any, all) = (at.clone().any(|stored| stored), at.all(|stored| stored));
            let number = ours.number(&index);
            match self.part(&index, &part, region, buffers) {
                Err(error) => result.note(|| number, Err(error)),
                Ok((is_stored, found)) => {
                    self.note_stored(&index, [is_stored, any], result);
                    // A chunk that reaches into several regions is counted where it begins.
                    let begins = part.start() == ours.chunk(&index).start();
                    result.one_sided[0] += u64::from(begins && is_stored && !all && found.differing == 0);
                    result.one_sided[1] += u64::from(begins && !is_stored && any && found.differing == 0);
                    self.add(number, &part, found, result);
                }
            }
        }
        Ok(())
    }

    /// Puts their region together, in C order; whether each of their chunks is stored.
    fn assemble(&self, region: &Subset, buffers: &mut PairBuffers) -> Result<Vec<bool>, ZarrError> {
        let grid = self.theirs.reader.grid();
        let chunks = grid.touched(region);
        let mut stored = Vec::with_capacity(to_usize(chunks.elements()));
        let size = self.theirs.itemsize;
        buffers.region.resize(to_usize(region.elements()) * size, 0);
        for index in (0..chunks.elements()).map(|member| chunks.member(member)) {
            let Some(part) = grid.chunk(&index).intersection(region) else { continue };
            let is_stored = self.theirs.fetch(&index, &mut buffers.theirs)?;
            match is_stored {
                true => self.theirs.part(&index, &part, &mut buffers.theirs, &mut buffers.b)?,
                false => filled(self.theirs.fill(&index)?, &part, &mut buffers.b),
            }
            zarray::copy_subset(&part, &part, &buffers.b, region, &mut buffers.region, size);
            stored.push(is_stored);
        }
        Ok(stored)
    }

    /// Whether our chunk `index` is stored, and what differs of its `part` from their region.
    fn part(
        &self,
        index: &[u64],
        part: &Subset,
        region: &Subset,
        buffers: &mut PairBuffers,
    ) -> Result<(bool, Difference), ZarrError> {
        let is_stored = self.ours.fetch(index, &mut buffers.ours)?;
        match is_stored {
            true => self.ours.part(index, part, &mut buffers.ours, &mut buffers.a)?,
            false => filled(self.ours.fill(index)?, part, &mut buffers.a),
        }
        if part == region {
            return Ok((is_stored, self.compare(&buffers.a, &buffers.region)));
        }
        let size = self.theirs.itemsize;
        buffers.b.resize(to_usize(part.elements()) * size, 0);
        zarray::copy_subset(part, region, &buffers.region, part, &mut buffers.b, size);
        Ok((is_stored, self.compare(&buffers.a, &buffers.b)))
    }

    /// Compares elements of variable length.
    pub(super) fn texts(&self, region: &Subset, memory: u64, result: &mut ItemResult) -> Result<(), ZarrError> {
        let read = |parts: &Parts| read_region(parts.store, parts.array, region, &zarray::Pool::new(1), memory / 2);
        let (ours, theirs) = (read(&self.ours)?, read(&self.theirs)?);
        let (zarray::ArrayValues::Variable(ours), zarray::ArrayValues::Variable(theirs)) = (ours, theirs) else {
            return Ok(());
        };
        result.compared += region.elements();
        let grid = self.ours.reader.grid();
        let whole = Subset::whole(&self.ours.array.shape);
        for (at, _) in ours.iter().zip(&theirs).enumerate().filter(|(_, (a, b))| a != b) {
            let element = region.member(at as u64);
            let chunk = grid.number(grid.touched(&Subset::new(element.clone(), vec![1; element.len()])).start());
            let first = Some(whole.number(&element));
            match result.differing.iter_mut().rfind(|(number, _)| *number == chunk) {
                Some((_, found)) => found.differing += 1,
                None => result.differing.push((chunk, Difference { differing: 1, first, max: 0.0 })),
            }
        }
        Ok(())
    }
}
