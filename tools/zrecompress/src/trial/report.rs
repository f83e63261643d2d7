//! Records of a trial, and the command that applies the choice.

use zarray::Array;
use zcli::glob_escape;
use zcodec::{Blosc, Compressor, SplitMode};
use zwire::{ChoiceRecord, TrialRecord, ratio, recompressed_name, round3, shell_quote, three_digits};

use super::measure::Measured;
use super::options::TrialOptions;
use super::rank::rank;
use super::rounds::Tried;

/// One record per compressor tried.
pub fn trial_records(options: &TrialOptions, array: &Array, tried: &Tried) -> Vec<TrialRecord> {
    let order = rank(options.objective, &tried.measured);
    let record = |(index, one): (usize, &Measured)| {
        let predicted = predicted(options, array, tried, one);
        TrialRecord {
            store: options.source.clone(),
            path: array.path.clone(),
            chosen: tried.chosen == Some(index),
            rank: order.iter().position(|other| *other == index).map_or(0, |place| place as u64 + 1),
            predicted_bytes: predicted.map(|(bytes, _)| bytes),
            predicted_seconds: predicted.map(|(_, seconds)| seconds),
            ..trial_record(one)
        }
    };
    tried.measured.iter().enumerate().map(record).collect()
}

fn trial_record(one: &Measured) -> TrialRecord {
    let codec = one.candidate.compressor;
    let gigabytes = |bytes: f64| three_digits(bytes / 1e9);
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

/// The record of a choice: `codec`, which is one of `tried` unless no trial was possible.
pub fn choice_record(options: &TrialOptions, array: &Array, codec: &Blosc, tried: Option<&Tried>) -> ChoiceRecord {
    let chosen = tried.and_then(|tried| Some((tried, &tried.measured[tried.chosen?])));
    let predicted = chosen.and_then(|(tried, one)| predicted(options, array, tried, one));
    let ratio_before = tried.and_then(|tried| ratio(tried.samples.decoded_bytes, tried.samples.stored_bytes));
    let decoded = chosen.zip(predicted).map(|((_, one), (bytes, _))| bytes as f64 / one.size());
    ChoiceRecord {
        bytes_before: decoded.zip(ratio_before).map(|(decoded, ratio)| (decoded / ratio) as u64),
        store: options.source.clone(),
        path: array.path.clone(),
        objective: options.objective.name().to_owned(),
        from: array.chain.describe(),
        to: Compressor::Blosc(*codec).describe(),
        sampled: tried.map_or(0, |tried| tried.sampled),
        ratio_before,
        ratio: chosen.map(|(_, one)| round3(1.0 / one.size())),
        predicted_bytes: predicted.map(|(bytes, _)| bytes),
        predicted_seconds: predicted.map(|(_, seconds)| seconds),
        command: command(options, array, codec),
        ..ChoiceRecord::default()
    }
}

/// Predicted size of the array in bytes, and seconds to compress it with all workers busy on separate chunks.
fn predicted(options: &TrialOptions, array: &Array, tried: &Tried, one: &Measured) -> Option<(u64, f64)> {
    let inner = array.chain.sharding.as_ref().map_or(1, |sharding| sharding.index.chunks);
    let object_bytes = array.chain.innermost().chunk_bytes? as f64 * inner as f64;
    // Only the chunks estimated to be stored; edge chunks are stored in full size.
    let decoded = array.grid.as_ref()?.len() as f64 * object_bytes * tried.samples.present;
    let speed = one.threaded.map_or(one.one_thread, |(_, speed)| speed).encode;
    Some(((decoded * one.size()) as u64, round3(decoded / (speed * options.jobs.max(1) as f64))))
}

/// The command that recompresses this array with `codec`, for a POSIX shell.
fn command(options: &TrialOptions, array: &Array, codec: &Blosc) -> String {
    let target = options.target.clone().unwrap_or_else(|| recompressed_name(&options.source, &array.path));
    let mut words = vec!["zrecompress".to_owned(), shell_quote(&options.source), shell_quote(&target)];
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
    words.extend(options.other_flags.iter().cloned());
    words.join(" ")
}
