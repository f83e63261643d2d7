//! What the command line asks of a trial.

use std::collections::BTreeMap;

use zarray::Array;
use zcli::{Ending, Session};
use zcodec::{Blosc, Cname, Shuffle, SplitMode};
use zstore::{Location, Store};
use zwire::{Failure, Record, shell_quote};

use crate::choices::{Choices, CodecFlag};
use crate::cli::Args;
use crate::plan::ArrayPlan;
use crate::trial::chooser::choose_all;
use crate::trial::grid::Narrow;
use crate::trial::report::Route;
use crate::trial::rounds::{Effort, Trial};
use crate::trial::run_trial;

/// `--trial`: tries compressors on the arrays that would be recompressed.
///
/// # Errors
/// A codec that is no Blosc, an output of records that fails.
pub fn try_out(args: &Args, store: &Store, plans: &[ArrayPlan], session: &mut Session) -> Result<Ending, Failure> {
    let trial = order(args, Effort::EXACT)?;
    let target = args.target.as_ref().map(|name| name.to_string_lossy().into_owned());
    run_trial(trial, args.trial.share_trial, route(args, store, target), store, selected(plans), session)
}

/// `--auto`: the compressor of each array that is recompressed, by path. The choices are told.
///
/// # Errors
/// The first array that cannot be tried, and as [`try_out`].
pub fn choose(
    args: &Args,
    store: &Store,
    output: &Location,
    plans: &[ArrayPlan],
    session: &mut Session,
) -> Result<BTreeMap<String, Blosc>, Failure> {
    let trial = order(args, Effort::QUICK)?;
    let arrays: Vec<&Array> = selected(plans).collect();
    let mut chosen = BTreeMap::new();
    for choice in choose_all(
        trial,
        args.trial.share_trial,
        &route(args, store, Some(output.to_string())),
        store,
        &arrays,
        &session.stop,
    )? {
        chosen.insert(choice.record.path.clone(), choice.compressor);
        session.out.emit(&Record::Choice(Box::new(choice.record)))?;
    }
    Ok(chosen)
}

fn selected(plans: &[ArrayPlan]) -> impl Iterator<Item = &Array> {
    plans.iter().filter(|plan| plan.target().is_some()).map(|plan| &plan.array)
}

fn order(args: &Args, effort: Effort) -> Result<Trial, Failure> {
    if args.choices.codec.is_some_and(|codec| codec != CodecFlag::Blosc) {
        return Err(Failure::usage("only compressors inside Blosc are tried").hint("leave out --codec"));
    }
    Ok(Trial {
        narrow: narrow(&args.choices),
        objective: args.trial.objective,
        sample: args.trial.sample.into(),
        // Many arrays at a time are tried for --auto: there threads inside a chunk would tell nothing.
        nthreads: args.nthreads.filter(|_| args.trial.trial).map_or(1, usize::from),
        effort,
        memory: args.memory.max_memory.bytes(),
    })
}

fn narrow(choices: &Choices) -> Narrow {
    Narrow {
        cname: choices.cname.as_deref().and_then(Cname::from_name),
        clevel: choices.clevel.and_then(|level| u8::try_from(level).ok()),
        shuffle: choices.shuffle.as_deref().and_then(Shuffle::from_name),
        split: choices.split.as_deref().and_then(SplitMode::from_name),
        blocksize: choices.blocksize,
    }
}

fn route(args: &Args, store: &Store, target: Option<String>) -> Route {
    Route { source: store.location().to_string(), target, others: other_flags(&args.choices), jobs: args.work.jobs() }
}

/// The flags beside the codec's that decide the bytes, as they are typed.
fn other_flags(choices: &Choices) -> Vec<String> {
    let mut flags = Vec::new();
    flags.extend(choices.min_size.map(|size| format!("--min-size {size}")));
    flags.extend(choices.zarr_format.map(|format| format!("--zarr-format {format}")));
    flags.extend(choices.chunks.iter().map(|shape| format!("--chunks {}", shell_quote(shape))));
    flags.extend(choices.shards.iter().map(|shape| format!("--shards {}", shell_quote(shape))));
    flags.extend(choices.no_shards.then(|| "--no-shards".to_owned()));
    flags.extend(choices.copy_unknown.then(|| "--copy-unknown".to_owned()));
    flags
}
