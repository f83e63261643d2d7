//! Divides memory and cores: number of objects in parallel, threads per object, size of the regions.

use zarray::Grid;
use zstore::Store;
use zwire::{Failure, human_bytes};

use crate::array_plan::{Action, ArrayPlan};
use crate::encoding::Encoding;
use crate::plan_file::MemoryPlan;
use crate::rechunk::{Assumptions, RechunkPlan, Resources};

/// Memory in flight per byte of a decoded chunk: stored (and read back), decoded and encoded, plus a complete decoded
/// copy if one is needed for verification.
const COPIES: u64 = 3;

const COPIES_DECODED_AGAIN: u64 = 5;

/// An encoder of this size is not refused where nothing but it exceeds the limit.
const SMALL_ENCODER: u64 = 4 << 20;

/// Objects that are only copied are read in pieces of this size.
pub const COPY_PIECE: u64 = 8 << 20;

/// Shards up to this size are read in one request.
pub const WHOLE_SHARD: u64 = 64 << 20;

/// Inner chunks per thread and batch: few enough to hold in memory, enough to pay for the thread.
pub fn batch(chunk_bytes: Option<u64>) -> usize {
    const BATCH_BYTES: u64 = 4 << 20;
    (BATCH_BYTES / chunk_bytes.unwrap_or(BATCH_BYTES).max(1)).clamp(1, 64) as usize
}

/// Divides the cores: objects in parallel are limited by workers, objects and memory; remaining cores become threads
/// per object.
///
/// # Errors
/// The budget is too small for a single object.
pub fn divide(
    plans: &mut [ArrayPlan],
    jobs: usize,
    nthreads: Option<usize>,
    verified: bool,
    budget: u64,
) -> Result<(), Failure> {
    let objects = plans.iter().map(objects).fold(0u64, u64::saturating_add);
    for plan in plans {
        if plan.rechunk().is_some() {
            continue;
        }
        if plan.may_be_assembled() {
            // Of a shard, one inner chunk at a time.
            let own = plan.chain().chunk_bytes.filter(|_| plan.array.chain.sharding.is_some()).or(plan.object_bytes());
            let bytes = own.unwrap_or(COPY_PIECE).max(plan.view.largest_chunk());
            let index =
                plan.array.chain.sharding.as_ref().map_or(0, |sharding| sharding.index.chunks.saturating_mul(16));
            let copies = bytes.saturating_mul(COPIES_DECODED_AGAIN).saturating_add(index);
            // Chunks as the sources have them are worked on one at a time, if need be; others were asked for.
            if plan.new_members.is_some() && copies > budget {
                return Err(Failure::usage(format!(
                    "one object needs {} of memory, but --max-memory is {}",
                    human_bytes(copies),
                    human_bytes(budget)
                ))
                .at(&plan.array.path)
                .hint("choose smaller --chunks or --shards, or raise --max-memory"));
            }
            let need = copies.saturating_add(COPY_PIECE);
            plan.need = need.min(budget);
            let at_once = (budget / need.max(1)).min(objects).clamp(1, jobs as u64) as usize;
            let blocks = plan.blocks().and_then(|blocks| usize::try_from(blocks).ok()).unwrap_or(usize::MAX);
            plan.threads = nthreads.unwrap_or((jobs / at_once).max(1)).min(blocks.max(1));
            continue;
        }
        if plan.encoding().is_none() {
            plan.need = plan.object_bytes().unwrap_or(COPY_PIECE).min(COPY_PIECE);
            continue;
        }
        let Some(bytes) = plan.chain().chunk_bytes else {
            // The decoded size is unknown; typical text compresses by about this much.
            (plan.threads, plan.need) = (nthreads.unwrap_or(1), 0);
            continue;
        };
        // A Blosc frame is compared block by block, without a decoded copy.
        let again = verified && !plan.encoding().is_some_and(Encoding::is_blosc);
        let chunk_need = bytes.saturating_mul(if again { COPIES_DECODED_AGAIN } else { COPIES });
        let whole = plan
            .array
            .chain
            .sharding
            .as_ref()
            .map_or(0, |sharding| sharding.index.chunks.saturating_mul(bytes).min(WHOLE_SHARD));
        let encoder = plan.encoding().map_or(0, |encoding| encoding.thread_bytes(bytes));
        let at_once = (budget / (chunk_need + whole + encoder).max(1)).min(objects).clamp(1, jobs as u64) as usize;
        let units = match &plan.array.chain.sharding {
            Some(sharding) => sharding.index.chunks,
            None => plan.blocks().unwrap_or(1),
        };
        let most = usize::try_from(units).unwrap_or(usize::MAX).max(1);
        let is_sharded = plan.array.chain.sharding.is_some();
        let need = |threads: u64| {
            let chunks = match is_sharded {
                // Each thread works on one inner chunk and holds the finished ones of its batch.
                true => {
                    chunk_need.saturating_add(bytes.saturating_mul(batch(Some(bytes)) as u64)).saturating_mul(threads)
                }
                false => chunk_need,
            };
            chunks.saturating_add(whole).saturating_add(encoder.saturating_mul(threads))
        };
        let wanted = nthreads.unwrap_or((jobs / at_once).max(1)).min(most);
        // Every thread has an encoder: no more of them than fit into the limit.
        let share = if is_sharded { budget } else { budget / at_once as u64 };
        plan.threads = (1..=wanted).rev().find(|threads| need(*threads as u64) <= share).unwrap_or(1);
        plan.need =
            need(plan.threads as u64).saturating_sub(if need(1) > budget { encoder.min(SMALL_ENCODER) } else { 0 });
        if plan.need > budget {
            return Err(Failure::usage(format!(
                "one object needs {} of memory, but --max-memory is {}",
                human_bytes(plan.need),
                human_bytes(budget)
            ))
            .at(&plan.array.path)
            .hint("raise --max-memory, or reduce --verify"));
        }
    }
    Ok(())
}

/// Plans the regions of every array to be rechunked, within the memory budget.
///
/// # Errors
/// No region of an array fits the budget, or its element boundaries are unknown.
pub fn plan_regions(plans: &mut [ArrayPlan], memory: MemoryPlan, store: &Store) -> Result<(), Failure> {
    let resources = Resources {
        budget: memory.memory_bytes,
        workers: memory.jobs,
        readers: memory.readers,
        in_flight: IN_FLIGHT,
        scratch_bytes: memory.scratch_bytes,
    };
    let mut refused = Vec::new();
    for plan in plans {
        let Action::Rechunk(rechunk) = &mut plan.action else { continue };
        let assumptions = Assumptions {
            remote: store.is_remote(),
            verify: memory.verify,
            element_bytes: TEXT_BYTES,
            encoder_bytes: rechunk.encoding.encoder_bytes(rechunk.layout.chunk_bytes(plan.array.itemsize.unwrap_or(1))),
            sink_bytes: if memory.remote_output { REMOTE_SINK } else { LOCAL_SINK },
            ..Assumptions::default()
        };
        match RechunkPlan::new(&plan.array, &rechunk.layout, assumptions, resources) {
            Ok(regions) => rechunk.plan = Some(regions),
            Err(failure) => {
                let needed = RechunkPlan::smallest_budget(&plan.array, &rechunk.layout, assumptions);
                refused.push((needed, failure.at(store.place(plan.array.key_prefix()))));
            }
        }
    }
    // A budget sufficient for the largest array is sufficient for all.
    refused.sort_by_key(|(needed, _)| *needed);
    refused.pop().map_or(Ok(()), |(_, failure)| Err(failure))
}

/// Regions in parallel: one is read while the other is written.
const IN_FLIGHT: usize = 2;

/// Assumed size of a variable-length element, in bytes.
const TEXT_BYTES: u64 = 64;

/// Memory of an object being written: a buffer, or parts in flight over a network.
const LOCAL_SINK: u64 = 256 << 10;

const REMOTE_SINK: u64 = 24 << 20;

fn objects(plan: &ArrayPlan) -> u64 {
    plan.array.numbered().map_or(u64::MAX, Grid::len)
}
