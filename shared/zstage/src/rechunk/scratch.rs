//! The first of two passes: reads and decodes each source chunk of a group of regions once, and writes the part that each
//! region needs to a scratch file, at the place that it has in the buffer of the region.
//!
//! The file has no name and disappears with the process, however that ends.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use parking_lot::Mutex;
use zarray::{ScratchPool, Subset, Timer, copy_subset};
use zwire::{Exit, Failure};

use super::engine::{Engine, StoredBuffer, WorkerBuffers, run_workers};
use super::load::{Loaded, State, note_bad};
use super::outcome::RegionOutcome;
use super::region::Window;

/// Bytes that a thread reads back at once.
const PIECE: usize = 4 << 20;

/// The source elements of some regions, decoded.
pub struct Scratch<'a> {
    directory: &'a Path,
    file: File,
    /// In order of their numbers.
    regions: Vec<ScratchRegion>,
}

/// A region in the scratch file.
struct ScratchRegion {
    number: u64,
    window: Window,
    /// Offset in the file.
    start: u64,
    /// State of each part, by part number.
    states: Vec<AtomicU8>,
    /// What the first pass did for the region.
    outcome: Mutex<RegionOutcome>,
}

/// A part of a source chunk that a region needs.
struct Piece<'a> {
    region: &'a ScratchRegion,
    /// The number of the part in the window of the region.
    number: u64,
    /// Its elements, in array coordinates and stored order.
    elements: Subset,
    /// Its offset in the file.
    start: u64,
}

impl<'a> Scratch<'a> {
    fn new(windows: impl Iterator<Item = (u64, Window)>, directory: &'a Path) -> Result<Scratch<'a>, Failure> {
        let file = tempfile::tempfile_in(directory).map_err(|error| unusable(directory, &error))?;
        let mut end = 0;
        let regions = windows.map(|(number, window)| {
            let start = end;
            end += window.bytes();
            let states = (0..window.parts()).map(|_| AtomicU8::new(State::Absent as u8)).collect();
            ScratchRegion { number, window, start, states, outcome: Mutex::default() }
        });
        Ok(Scratch { directory, regions: regions.collect(), file })
    }

    fn region(&self, number: u64) -> Option<&ScratchRegion> {
        let found = self.regions.binary_search_by_key(&number, |region| region.number);
        found.ok().map(|place| &self.regions[place])
    }

    /// The smallest box that contains all source chunks, as chunk indices in stored order.
    fn sources(&self) -> Subset {
        let boxes =
            || self.regions.iter().map(|region| &region.window.sources).filter(|sources| sources.elements() > 0);
        let rank = self.regions.first().map_or(0, |region| region.window.sources.shape().len());
        let start = |dimension: usize| boxes().map(|it| it.start()[dimension]).min().unwrap_or(0);
        let end = |dimension: usize| boxes().map(|it| it.start()[dimension] + it.shape()[dimension]).max().unwrap_or(0);
        let starts: Vec<u64> = (0..rank).map(start).collect();
        let shape = (0..rank).map(|dimension| end(dimension) - starts[dimension]).collect();
        Subset::new(starts, shape)
    }
}

impl Engine<'_> {
    /// The first pass for these regions, in ascending order.
    ///
    /// # Errors
    /// A source chunk cannot be read; the scratch file cannot be written; `stop` returned true. A source chunk that cannot
    /// be decoded is listed in the outcome of its regions.
    pub fn first_pass<'s>(&self, regions: &[u64], directory: &'s Path) -> Result<Scratch<'s>, Failure> {
        let slice = |number: &u64| {
            let slice = self.plan.slices(&self.plan.region(*number)).into_iter().next();
            slice.map(|slice| (*number, self.window(&slice)))
        };
        let scratch = Scratch::new(regions.iter().filter_map(slice), directory)?;
        let sources = scratch.sources();
        let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
        // Not the buffers of the regions: those only hold the parts that a region needs.
        let buffers = ScratchPool::new(self.plan.threads.workers, WorkerBuffers::default);
        run_workers(self.plan.threads.loaders, sources.elements(), &failed, |_| {
            let stored = &mut *self.stored.take();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= sources.elements() {
                    return Ok(());
                }
                self.check_stop(&failed)?;
                self.divide(&sources.member(number), &scratch, stored, &buffers)?;
            }
        })?;
        Ok(scratch)
    }

    /// Reads source chunk `index` (in stored order) and divides it among the regions.
    fn divide(
        &self,
        index: &[u64],
        scratch: &Scratch,
        stored: &mut StoredBuffer,
        buffers: &ScratchPool<WorkerBuffers>,
    ) -> Result<(), Failure> {
        let pieces = self.pieces(index, scratch);
        let Some(needed) = pieces.iter().map(|piece| piece.elements.clone()).reduce(|a, b| around(&a, &b)) else {
            return Ok(());
        };
        let mut done = RegionOutcome::default();
        let origin = pieces[0].region.window.origin(index);
        let within = relative(&needed, &origin);
        let index = self.array_order(index);
        let mut state = self.fetch_part(&index, &within, stored, &mut done)?;
        if state == State::Present {
            let buffers = &mut *buffers.take();
            let mut timer = Timer::start();
            let WorkerBuffers { scratch: decode, references: elements } = buffers;
            elements.resize(needed.elements() as usize * self.stride(), 0);
            let threads = self.plan.threads.workers / self.plan.threads.loaders.max(1);
            match self.reader.decode_subset(&index, &stored.chunk, &within, elements, threads.max(1), decode) {
                Ok(bytes) => done.bytes_decoded += bytes,
                Err(error) => {
                    note_bad(&mut done, self.reader.place(&index), error.to_string());
                    state = State::Bad;
                }
            }
            done.seconds.decode += timer.lap();
            if state == State::Present {
                for piece in &pieces {
                    self.write_piece(piece, &needed, elements, &mut decode.spare, scratch)?;
                }
                done.seconds.gather += timer.lap();
            }
        }
        enter(&pieces, state, done);
        Ok(())
    }

    /// What the regions need of source chunk `index` (in stored order).
    fn pieces<'s>(&self, index: &[u64], scratch: &'s Scratch) -> Vec<Piece<'s>> {
        let whole = Subset::whole(self.plan.chunks.shape());
        let Some(chunk) = self.reader.grid().chunk(&self.array_order(index)).intersection(&whole) else {
            return Vec::new();
        };
        let regions = self.plan.regions_of(&chunk).filter_map(|number| scratch.region(number));
        let piece = |region: &'s ScratchRegion| {
            let (number, elements, offset) = region.window.part_of(index)?;
            Some(Piece { region, number, elements, start: region.start + offset as u64 })
        };
        regions.filter_map(piece).collect()
    }

    /// Copies a piece out of the decoded elements `from` and writes it.
    fn write_piece(
        &self,
        piece: &Piece,
        from: &Subset,
        elements: &[u8],
        spare: &mut Vec<u8>,
        scratch: &Scratch,
    ) -> Result<(), Failure> {
        let bytes = match piece.elements == *from {
            true => elements,
            false => {
                spare.resize(piece.elements.elements() as usize * self.stride(), 0);
                copy_subset(&piece.elements, from, elements, &piece.elements, spare, self.stride());
                spare
            }
        };
        scratch.file.write_all_at(bytes, piece.start).map_err(|error| unusable(scratch.directory, &error))
    }

    /// The elements of a region; `bytes` is a buffer to reuse. Nothing if the first pass did not include it.
    pub(super) fn load_scratch(
        &self,
        scratch: &Scratch,
        number: u64,
        bytes: &mut Vec<u8>,
        outcome: &mut RegionOutcome,
    ) -> Result<Option<Loaded>, Failure> {
        let Some(region) = scratch.region(number) else { return Ok(None) };
        let mut timer = Timer::start();
        let mut bytes = super::load::sized(std::mem::take(bytes), region.window.bytes() as usize);
        let pieces = Mutex::new(bytes.chunks_mut(PIECE).enumerate());
        let failed = AtomicBool::new(false);
        run_workers(self.plan.threads.workers, region.window.bytes().div_ceil(PIECE as u64), &failed, |_| {
            loop {
                self.check_stop(&failed)?;
                let Some((number, piece)) = pieces.lock().next() else { return Ok(()) };
                let start = region.start + (number * PIECE) as u64;
                // Beyond the last part that was written, the file has no bytes yet.
                read_or_zeros(&scratch.file, piece, start).map_err(|error| unusable(scratch.directory, &error))?;
            }
        })?;
        let done = std::mem::take(&mut *region.outcome.lock());
        let complete = done.source_absent == 0 && done.bad.is_empty();
        let states: Vec<AtomicU8> =
            region.states.iter().map(|state| AtomicU8::new(state.load(Ordering::Relaxed))).collect();
        self.fill_absent(&region.window, &states, &mut bytes);
        outcome.add(done);
        outcome.seconds.read += timer.lap();
        Ok(Some(Loaded::of_bytes(region.window.clone(), bytes, states, complete)))
    }

    /// Fills the parts whose source chunk is absent.
    fn fill_absent(&self, window: &Window, states: &[AtomicU8], bytes: &mut [u8]) {
        let mut start = 0;
        for (number, state) in states.iter().enumerate() {
            let (_, part) = window.part(number as u64);
            let end = start + part.elements() as usize * self.stride();
            if state.load(Ordering::Relaxed) == State::Absent as u8 {
                self.fill.elements(&mut bytes[start..end]);
            }
            start = end;
        }
    }
}

/// Enters the outcome of a source chunk in its regions. What was read and decoded counts once.
fn enter(pieces: &[Piece], state: State, done: RegionOutcome) {
    let again = RegionOutcome {
        sources: done.sources,
        source_absent: done.source_absent,
        bad: done.bad.clone(),
        ..RegionOutcome::default()
    };
    let outcomes = std::iter::once(done).chain(std::iter::repeat(again));
    for (piece, outcome) in pieces.iter().zip(outcomes) {
        piece.region.states[piece.number as usize].store(state as u8, Ordering::Relaxed);
        piece.region.outcome.lock().add(outcome);
    }
}

/// The smallest box around two boxes.
fn around(a: &Subset, b: &Subset) -> Subset {
    let ends = |it: &Subset| -> Vec<u64> { it.start().iter().zip(it.shape()).map(|(start, n)| start + n).collect() };
    let start: Vec<u64> = a.start().iter().zip(b.start()).map(|(a, b)| *a.min(b)).collect();
    let shape = ends(a).iter().zip(ends(b)).zip(&start).map(|((a, b), start)| (*a).max(b) - start).collect();
    Subset::new(start, shape)
}

/// A box, relative to `origin`.
fn relative(elements: &Subset, origin: &[u64]) -> Subset {
    let start = elements.start().iter().zip(origin).map(|(start, origin)| start - origin).collect();
    Subset::new(start, elements.shape().to_vec())
}

/// Fills `buffer` from the file at `start`; bytes beyond its end are zeros.
fn read_or_zeros(file: &File, buffer: &mut [u8], start: u64) -> std::io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], start + done as u64) {
            Ok(0) => {
                buffer[done..].fill(0);
                break;
            }
            Ok(count) => done += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn unusable(directory: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Output, format!("cannot use a scratch file: {error}")).at(directory.display().to_string())
}
