//! Times that have no exact value in the units of the output are found before anything is written.

use zarray::OrderedMap;
use zstage::{OutputPlan, Piece, View};
use zvalue::{PartBuffers, Parts};
use zwire::{Exit, Failure};

/// Pieces in flight for each worker.
const WINDOW: usize = 4;

/// Converts all values that are kept of arrays whose times count from another date, within `memory` bytes.
///
/// # Errors
/// `Exit::Unreadable` with the first value that cannot be converted; a chunk that cannot be read.
pub fn check_times(plan: &OutputPlan, memory: u64, is_stopped: &(dyn Fn() -> bool + Sync)) -> Result<(), Failure> {
    let memory = memory / plan.pool.workers() as u64;
    let joins = plan.plans.iter().filter_map(|array| match &array.view {
        View::Join(join) if join.may_fail() => Some(join),
        _ => None,
    });
    for join in joins {
        let work = |number| check_piece(plan, &join.piece(number), memory);
        let map = OrderedMap::new(&plan.pool, WINDOW * plan.pool.workers()).stop(is_stopped);
        map.run(0..join.len(), work, |checked| checked)?;
    }
    Ok(())
}

/// Converts the values of a piece, chunk by chunk.
fn check_piece(plan: &OutputPlan, piece: &Piece, memory: u64) -> Result<(), Failure> {
    let Some(recode) = piece.recode.as_deref().filter(|recode| recode.may_fail()) else { return Ok(()) };
    let (store, array) = (&plan.stores[piece.store], &piece.array);
    let at = |failure: Failure| failure.at(store.place(array.key_prefix()));
    let refused = |what: String| at(Failure::new(Exit::Unreadable, what));
    let converted = |bytes: &[u8], target: &mut Vec<u8>| {
        let hint = "encode its times in these units first, or leave the store out";
        target.clear();
        recode.recode(bytes, target).map_err(|what| refused(what).hint(hint))
    };
    let parts = Parts::new(store, array, memory).map_err(refused)?;
    let (mut buffers, mut elements, mut target) = (PartBuffers::default(), Vec::new(), Vec::new());
    let (grid, mut is_fill_known) = (parts.reader.grid(), false);
    let chunks = grid.touched(&piece.region);
    for index in (0..chunks.elements()).map(|number| chunks.member(number)) {
        let Some(part) = grid.chunk(&index).intersection(&piece.region) else { continue };
        if parts.fetch(&index, &mut buffers)? {
            parts.part(&index, &part, &mut buffers, &mut elements)?;
            converted(&elements, &mut target)?;
        } else if !is_fill_known {
            // A missing chunk is read as fill values, all of which are the same.
            converted(parts.fill(&index)?, &mut target)?;
            is_fill_known = true;
        }
    }
    Ok(())
}
