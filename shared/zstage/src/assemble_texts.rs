//! Output chunks of elements of variable length, assembled from regions of others: labels of samples, mostly.

use std::collections::BTreeSet;

use zarray::{ArrayValues, Elements, Pool, Subset, Timer, fill_element, read_region};
use zcodec::{CodecError, Workspace, crc32c, to_usize};
use zstore::Stat;
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::chunk::{decode, encode};
use crate::objects::Item;
use crate::piece::Piece;
use crate::read_back::at_fault;
use crate::rechunk::source_hash;
use crate::source_objects::{objects_of, sources_of};
use crate::task::Task;
use crate::transcode::{Outcome, WorkerScratch};

/// Creates the output chunk `index` from `regions`, boxes of pieces in output indices. No object is written if none of the source
/// chunks is present.
///
/// # Errors
/// Shards, a codec that is not supported, a source chunk that cannot be decoded, or a read or write that fails.
pub fn assemble_texts(
    task: &Task,
    plan: &ArrayPlan,
    item: &Item,
    index: &[u64],
    regions: &[(usize, Subset)],
    verify: bool,
    scratch: &mut WorkerScratch,
) -> Result<Outcome, Failure> {
    let refused = |what: String| Failure::new(Exit::Unreadable, what).at(&plan.array.path);
    let Some(grid) = plan.array.numbered().filter(|_| plan.array.chain.sharding.is_none()) else {
        return Err(refused("shards of elements of variable length cannot be assembled".into()));
    };
    let order = Elements::of(&plan.array).map_err(refused)?.order;
    let encoding = plan.encoding().cloned().map_or_else(|| plan.own_encoding(), Ok)?;
    let mut timer = Timer::start();
    // Looked at before they are read: a change in between is found when the output is published.
    let mut sources: BTreeSet<(usize, String, Option<Stat>)> = BTreeSet::new();
    for (store, key) in sources_of(plan, regions) {
        let stat = task.stores[store].stat(&key)?;
        sources.insert((store, key, stat));
    }
    let tag = sources.iter().map(|(_, key, stat)| source_hash(key, *stat)).fold(0, u64::wrapping_add);
    let bytes_read = sources.iter().filter_map(|(_, _, stat)| stat.map(|stat| stat.size)).sum();
    let source = (!sources.is_empty()).then(|| Stat::new(bytes_read, tag));
    let is_there = |(store, key): (usize, String)| task.stores[store].stat(&key).map(|stat| stat.is_some());
    let present = objects_of(plan, regions.iter()).into_iter().map(is_there);
    let is_present = present.collect::<Result<Vec<bool>, _>>()?.contains(&true);
    let fill = fill_element(&plan.array).map_err(refused)?;
    // What is missing in a source may be read otherwise than what would be missing here.
    let reads_alike = |(number, _): &(usize, Subset)| Ok(fill_of(&plan.view.piece(*number))? == fill);
    if !is_present
        && regions
            .iter()
            .map(reads_alike)
            .collect::<Result<Vec<bool>, String>>()
            .map_err(refused)?
            .iter()
            .all(|alike| *alike)
    {
        return Ok(Outcome { source, recompressed: true, ..Outcome::default() });
    }
    let chunk = Subset::chunk(index, grid.chunk_shape());
    let mut elements = vec![fill; to_usize(chunk.elements())];
    // The order in which the chunk holds its elements.
    let stored = chunk.permuted(&order);
    for (number, region) in regions {
        let piece = plan.view.piece(*number);
        let store = &task.stores[piece.store];
        let values = read_region(
            store,
            &piece.array,
            &piece.in_source(region),
            &Pool::new(1),
            task.memory_bytes / task.options.jobs.max(1) as u64,
        )?;
        let ArrayValues::Variable(values) = values else { continue };
        for (at, value) in values.into_iter().enumerate() {
            let member = region.member(at as u64);
            let picked: Vec<u64> = order.iter().map(|dimension| member[*dimension]).collect();
            elements[to_usize(stored.number(&picked))] = match &piece.recode {
                None => value,
                Some(recode) => {
                    let mut converted = Vec::with_capacity(value.len());
                    recode.recode(&value, &mut converted).map_err(refused)?;
                    converted
                }
            };
        }
    }
    scratch.seconds.read += timer.lap();
    let decoded = joined(&elements);
    let (mut encoded, mut workspace) = (Vec::new(), Workspace::default());
    let failed = |what: &str| {
        let failure = Failure::new(Exit::Output, format!("verification failed: {what}")).at(&plan.array.path);
        failure.hint(at_fault(task.output(plan)))
    };
    encode(&encoding, &decoded, &mut encoded, plan.threads, &mut workspace)
        .map_err(|error: CodecError| failed(&error.to_string()))?;
    scratch.seconds.encode += timer.lap();
    let sum = crc32c(&crc32c(&decoded).to_le_bytes());
    task.compare_earlier(plan, item, sum)?;
    let output = task.output(plan);
    let key = plan.output_key(index);
    let written = output.put(&key, &encoded)?;
    scratch.seconds.write += timer.lap();
    if verify {
        let mut again = Vec::new();
        let is_stored = output.get(&key, &mut scratch.stored)?.is_some() && scratch.stored == encoded;
        let is_same = decode(&encoding, &encoded, &mut again, plan.threads, &mut workspace).is_ok() && again == decoded;
        scratch.seconds.verify += timer.lap();
        if !is_stored || !is_same {
            return Err(failed("the stored bytes differ from those written"));
        }
    }
    Ok(Outcome {
        source,
        written: Some(written),
        verified: verify,
        recompressed: true,
        uncompressed_bytes: decoded.len() as u64,
        crc32c: sum,
        stored_crc32c: Some(crc32c(&encoded)),
        ..Outcome::default()
    })
}

/// What elements of missing chunks of a piece are in the output.
fn fill_of(piece: &Piece) -> Result<Vec<u8>, String> {
    let fill = fill_element(&piece.array)?;
    let Some(recode) = &piece.recode else { return Ok(fill) };
    let mut converted = Vec::with_capacity(fill.len());
    recode.recode(&fill, &mut converted).map(|()| converted)
}

/// Elements as `vlen-utf8` and `vlen-bytes` of numcodecs have them: their number, then each preceded by its length, all as 32-bit
/// little-endian integers.
fn joined(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + elements.iter().map(|element| 4 + element.len()).sum::<usize>());
    bytes.extend_from_slice(&(elements.len() as u32).to_le_bytes());
    for element in elements {
        bytes.extend_from_slice(&(element.len() as u32).to_le_bytes());
        bytes.extend_from_slice(element);
    }
    bytes
}
