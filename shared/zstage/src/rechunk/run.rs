//! Runs one region: loads the source elements of each slice, then writes its objects.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use zarray::Subset;
use zwire::Failure;

use super::engine::{Engine, run_workers};
use super::load::Loaded;
use super::memory::shards_at_once;
use super::outcome::{RegionOutcome, source_hash};
use super::plan::Region;
use super::scratch::Scratch;

impl Engine<'_> {
    /// Processes region `number`: reads its source chunks, or takes them from a first pass that included it, and writes its
    /// objects.
    ///
    /// # Errors
    /// A read or write that fails, or `stop` returning true. A source chunk that cannot be decoded is not an error: it
    /// is listed in the outcome.
    pub fn run(&self, number: u64, scratch: Option<&Scratch>) -> Result<RegionOutcome, Failure> {
        let region = self.plan.region(number);
        let mut buffer = self.regions.take();
        let mut outcome = RegionOutcome::default();
        match self.plan.layout.shards {
            Some(_) => self.run_shards(&region, scratch, &mut buffer, &mut outcome)?,
            None => {
                for slice in self.plan.slices(&region) {
                    let loaded = self.load_slice(&region, &slice, scratch, &mut buffer, &mut outcome)?;
                    self.write_chunks(&loaded, &slice, &mut outcome)?;
                    *buffer = loaded.bytes;
                }
            }
        }
        outcome.bad.sort_unstable();
        outcome.bad.dedup();
        Ok(outcome)
    }

    /// Writes the shards of a region; a shard stays open until its last slice is written.
    fn run_shards(
        &self,
        region: &Region,
        scratch: Option<&Scratch>,
        buffer: &mut Vec<u8>,
        outcome: &mut RegionOutcome,
    ) -> Result<(), Failure> {
        let (slices, count) = (self.plan.slices(region), region.objects.elements());
        // A single slice holds all shards, written a few at a time; with several slices, the region is one shard.
        let inner = self.plan.layout.shards.as_ref().map_or(1, |(_, index)| index.chunks);
        let few = shards_at_once(self.plan.threads, inner) as usize;
        let at_once = if slices.len() == 1 { few } else { count.max(1) as usize };
        let mut open = Vec::new();
        for slice in &slices {
            let loaded = self.load_slice(region, slice, scratch, buffer, outcome)?;
            for first in (0..count).step_by(at_once) {
                if open.is_empty() {
                    open = self.open_shards(&region.objects, first..count.min(first + at_once as u64));
                }
                self.write_inner_chunks(&loaded, slice, &open, outcome)?;
                if slices.len() == 1 {
                    self.finish_shards(std::mem::take(&mut open), outcome)?;
                }
            }
            *buffer = loaded.bytes;
        }
        self.finish_shards(open, outcome)
    }

    /// Loads the source elements of a slice of `region`.
    fn load_slice(
        &self,
        region: &Region,
        slice: &Subset,
        scratch: Option<&Scratch>,
        buffer: &mut Vec<u8>,
        outcome: &mut RegionOutcome,
    ) -> Result<Loaded, Failure> {
        let loaded = scratch.map(|scratch| self.load_scratch(scratch, region.number, buffer, outcome)).transpose()?;
        match loaded.flatten() {
            Some(loaded) => Ok(loaded),
            None => self.load(self.window(slice), std::mem::take(buffer), outcome),
        }
    }

    /// Fingerprint of the source objects of region `number` as they are now; equals [`RegionOutcome::sources`] of a run
    /// if they have not changed since.
    ///
    /// # Errors
    /// The size or tag of a source object cannot be read.
    pub fn sources(&self, number: u64) -> Result<u64, Failure> {
        let region = self.plan.region(number);
        let mut hash = 0u64;
        for slice in self.plan.slices(&region) {
            let window = self.window(&slice);
            let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
            let done = run_workers(self.plan.threads.loaders, window.parts(), &failed, |done| {
                loop {
                    let part = next.fetch_add(1, Ordering::Relaxed);
                    if part >= window.parts() {
                        return Ok(());
                    }
                    self.check_stop(&failed)?;
                    let (index, _) = window.part(part);
                    let (key, _) = self.reader.key(&self.array_order(&index));
                    done.sources = done.sources.wrapping_add(source_hash(&key, self.store.stat(&key)?));
                }
            })?;
            hash = hash.wrapping_add(done.sources);
        }
        Ok(hash)
    }
}
