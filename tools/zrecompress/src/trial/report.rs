//! What a trial found, as records; and the command that does what was chosen.

use zarray::{Array, Grid};
use zcli::glob_escape;
use zcodec::{Blosc, Compressor, SplitMode};
use zwire::{ChoiceRecord, TrialRecord, ratio, round3, shell_quote};

use crate::trial::flags::Objective;
use crate::trial::measure::Measured;
use crate::trial::rounds::Tried;

/// Where the chosen compressor goes.
#[derive(Debug, Clone)]
pub struct Route {
    /// The source, as it was named.
    pub source: String,
    /// The output, where it was named.
    pub target: Option<String>,
    /// The other flags that decide the bytes.
    pub others: Vec<String>,
    /// Chunks on the processor at once.
    pub jobs: usize,
}

/// One record for each compressor that was tried.
pub fn trial_records(route: &Route, array: &Array, tried: &Tried) -> Vec<TrialRecord> {
    let record = |(index, one): (usize, &Measured)| TrialRecord {
        store: route.source.clone(),
        path: array.path.clone(),
        chosen: tried.chosen == Some(index),
        predicted_bytes: predicted_bytes(array, tried, one.size()),
        predicted_seconds: predicted_seconds(route, array, tried, one),
        ..trial_record(one)
    };
    tried.measured.iter().enumerate().map(record).collect()
}

fn trial_record(one: &Measured) -> TrialRecord {
    let codec = one.candidate.compressor;
    let gigabytes = |bytes: f64| round3(bytes / 1e9);
    TrialRecord {
        codec: Compressor::Blosc(codec).describe(),
        cname: codec.cname.name().to_owned(),
        clevel: codec.clevel,
        shuffle: codec.shuffle.name().to_owned(),
        split: codec.split.name().to_owned(),
        blocksize: codec.blocksize,
        sampled_bytes: one.sampled_bytes,
        ratio: round3(1.0 / one.size()),
        encode_gb_per_second: gigabytes(one.one_thread.encode),
        decode_gb_per_second: gigabytes(one.one_thread.decode),
        threads: one.threaded.map(|(threads, _)| threads as u64),
        encode_threaded_gb_per_second: one.threaded.map(|(_, speed)| gigabytes(speed.encode)),
        decode_threaded_gb_per_second: one.threaded.map(|(_, speed)| gigabytes(speed.decode)),
        blocks: one.blocks,
        block_bytes: one.block_bytes,
        point_bytes: one.point_bytes,
        pareto: one.pareto,
        ..TrialRecord::default()
    }
}

/// The record of the choice: `codec`, which is `tried`'s where something could be tried.
pub fn choice_record(
    route: &Route,
    array: &Array,
    objective: Objective,
    codec: &Blosc,
    tried: Option<&Tried>,
) -> ChoiceRecord {
    let chosen = tried.and_then(|tried| Some((tried, &tried.measured[tried.chosen?])));
    let before = tried.and_then(|tried| ratio(tried.samples.decoded_bytes, tried.samples.stored_bytes));
    ChoiceRecord {
        store: route.source.clone(),
        path: array.path.clone(),
        objective: objective.name().to_owned(),
        from: array.chain.describe(),
        to: Compressor::Blosc(*codec).describe(),
        sampled: tried.map_or(0, |tried| tried.sampled),
        ratio_before: before,
        ratio: chosen.map(|(_, one)| round3(1.0 / one.size())),
        predicted_bytes: chosen.and_then(|(tried, one)| predicted_bytes(array, tried, one.size())),
        predicted_seconds: chosen.and_then(|(tried, one)| predicted_seconds(route, array, tried, one)),
        command: command(route, array, codec),
        ..ChoiceRecord::default()
    }
}

/// Decoded bytes of the chunks that seem to be there. Chunks at the edge are stored whole.
fn present_bytes(array: &Array, tried: &Tried) -> Option<f64> {
    let bytes = array.grid.as_ref().map(Grid::len)? as f64 * object_bytes(array)?;
    Some(bytes * tried.samples.present)
}

fn object_bytes(array: &Array) -> Option<f64> {
    let chain = array.chain.innermost();
    let inner = array.chain.sharding.as_ref().map_or(1, |sharding| sharding.index.chunks);
    Some(chain.chunk_bytes? as f64 * inner as f64)
}

fn predicted_bytes(array: &Array, tried: &Tried, size: f64) -> Option<u64> {
    present_bytes(array, tried).map(|bytes| (bytes * size) as u64)
}

/// With all workers busy, each on chunks of its own with its threads.
fn predicted_seconds(route: &Route, array: &Array, tried: &Tried, one: &Measured) -> Option<f64> {
    let speed = one.threaded.map_or(one.one_thread, |(_, speed)| speed).encode;
    present_bytes(array, tried).map(|bytes| round3(bytes / (speed * route.jobs.max(1) as f64)))
}

/// The command that recompresses this array so, for a POSIX shell.
pub fn command(route: &Route, array: &Array, codec: &Blosc) -> String {
    let target = route.target.clone().unwrap_or_else(|| beside(&route.source));
    let mut words = vec!["zrecompress".to_owned(), shell_quote(&route.source), shell_quote(&target)];
    if array.path != "/" {
        words.push(format!("--var {}", shell_quote(&glob_escape(&array.path))));
    }
    words.push(format!("--cname {} --clevel {} --shuffle {}", codec.cname.name(), codec.clevel, codec.shuffle.name()));
    if codec.split != SplitMode::Auto {
        words.push(format!("--split {}", codec.split.name()));
    }
    if codec.blocksize > 0 {
        words.push(format!("--blocksize {}", codec.blocksize));
    }
    words.extend(route.others.iter().cloned());
    words.join(" ")
}

/// A name for the output of a run whose output was not named: beside a local source, here for a remote one.
fn beside(source: &str) -> String {
    let name = source.trim_end_matches('/');
    let stem = match name.rsplit('/').next() {
        Some("." | ".." | "") | None => "../copy",
        Some(last) if name.contains("://") => last,
        Some(_) => name,
    };
    format!("{}-blosc.zarr", stem.strip_suffix(".zarr").unwrap_or(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_lies_beside_a_local_source_and_here_for_a_remote_one() {
        for (source, target) in [
            ("/data/a.zarr/", "/data/a-blosc.zarr"),
            ("b", "b-blosc.zarr"),
            (".", "../copy-blosc.zarr"),
            ("s3://bucket/dir/c.zarr", "c-blosc.zarr"),
        ] {
            assert_eq!(beside(source), target);
        }
    }
}
