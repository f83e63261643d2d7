//! The job of `zrecompress`: open → plan → begin → work → finish. One process does it all, or many do a part each.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use serde_json::Map;
use zarray::{Array, Part, json};
use zcli::{Ending, Session};
use zstore::{Begin, Claim, Draft, Location, Store};
use zwire::{Exit, Failure, human_counted};

use crate::apart::check_output;
use crate::choices::Choices;
use crate::cli::{Args, OnBadChunk};
use crate::finish::{finish, is_finishing, sweep};
use crate::ledger::Totals;
use crate::machines;
use crate::many;
use crate::order::{Order, check_bad_chunks};
use crate::plan::{self, ArrayPlan};
use crate::saved::{self, Saved};
use crate::source::Work;
use crate::survey::{Survey, Surveyed, absolute, refuse};
use crate::trial;
use crate::trial_flags::trial_options;

pub fn run(args: &Args, session: &mut Session) -> Result<Ending, Failure> {
    args.choices.check()?;
    if args.trial.trial {
        return try_out(args, session);
    }
    if let (Some(from), Some(directory)) = (&args.machines.stores_from, &args.machines.out_dir) {
        return many::run(args, from, directory, session);
    }
    match Order::of(args)? {
        Order::Status(output) => machines::status(args, &output, session),
        Order::Finish(output) => machines::finish_output(args, &output, session),
        Order::Part(output, part) => {
            let (draft, saved) = machines::open(&output, Claim::Shared, &args.store.options(&session.stop))?;
            do_part(args, draft, &saved, part, session)
        }
        Order::Whole { source, output, begin } => {
            let order = Whole { choices: &args.choices, source: &source, output: &output, begin, resume: args.resume };
            whole(args, &order, session)
        }
    }
}

/// Tries compressors on the source, and writes nothing.
fn try_out(args: &Args, session: &mut Session) -> Result<Ending, Failure> {
    let source = args.source.as_ref().ok_or_else(|| Failure::usage("SRC is needed"))?;
    let store = Store::open(source, &args.store.options(&session.stop))?;
    match Survey::of(args, &store, &args.choices, &BTreeMap::new(), Begin::New, None, session)? {
        Surveyed::Possible(survey) => {
            let target = args.target.as_ref().map(|name| name.to_string_lossy().into_owned());
            let options = trial_options(args, &store, target)?;
            trial::show(&options, &store, recompressed(&survey.plans), session)
        }
        Surveyed::Impossible(failures) => refuse(&failures, session),
    }
}

/// The arrays that would be recompressed.
fn recompressed(plans: &[ArrayPlan]) -> impl Iterator<Item = &Array> {
    plans.iter().filter(|plan| plan.target().is_some()).map(|plan| &plan.array)
}

/// One output from its beginning to its end.
pub struct Whole<'a> {
    pub choices: &'a Choices,
    pub source: &'a OsStr,
    pub output: &'a Location,
    pub begin: Begin,
    pub resume: bool,
}

/// Everything in one process, or with `--prepare` the plan.
///
/// # Errors
/// What ends the run before its time.
pub fn whole(args: &Args, order: &Whole, session: &mut Session) -> Result<Ending, Failure> {
    let Whole { output, begin, .. } = *order;
    let options = args.store.options(&session.stop);
    let store = Store::open(order.source, &options)?;
    check_output(&store, output, begin, args.dry_run)?;
    let unfinished = match order.resume {
        false => None,
        true => {
            let (draft, saved) = match machines::open(output, Claim::Alone, &options) {
                Err(_) if Draft::release(output, &options)? => {
                    return whole(args, &Whole { resume: false, ..*order }, session);
                }
                opened => opened?,
            };
            if is_finishing(&draft)? {
                // All was done but the end; the source may have changed its metadata since, being the output.
                resume(args, order.choices, &saved, &store)?;
                sweep(&draft)?;
                finish(draft, &saved, &args.pool(&store))?;
                return Ok(Ending { exit: Exit::Done, totals: Map::new() });
            }
            Some((draft, saved))
        }
    };
    let choices = match &unfinished {
        Some((_, saved)) => resume(args, order.choices, saved, &store)?,
        None => order.choices.clone(),
    };
    let mut chosen = unfinished.as_ref().map(|(_, saved)| saved.chosen()).unwrap_or_default();
    let earlier = unfinished.as_ref().map(|(_, saved)| saved);
    let mut survey = match Survey::of(args, &store, &choices, &chosen, begin, earlier, session)? {
        Surveyed::Possible(survey) => survey,
        Surveyed::Impossible(failures) => return refuse(&failures, session),
    };
    if args.trial.auto && unfinished.is_none() {
        let options = trial_options(args, &store, Some(output.to_string()))?;
        let arrays: Vec<&Array> = recompressed(&survey.plans).collect();
        chosen = trial::choose(&options, &store, &arrays, session)?;
        survey = match Survey::of(args, &store, &choices, &chosen, begin, None, session)? {
            Surveyed::Possible(survey) => survey,
            Surveyed::Impossible(failures) => return refuse(&failures, session),
        };
    }
    if args.dry_run {
        return survey.show(args, session);
    }
    let (draft, saved) = match unfinished {
        Some((draft, saved)) => {
            check_fingerprint(&saved, &survey.plans, output)?;
            sweep(&draft)?;
            survey.write_documents(&draft, &choices)?;
            (draft, saved)
        }
        None => {
            let draft = Draft::begin(output, begin, &options)?;
            let saved = survey.begin(args, &draft, choices, &chosen, &session.status)?;
            (draft, saved)
        }
    };
    if args.machines.prepare {
        draft.keep();
        let mut totals = Map::new();
        totals.insert("parts".into(), saved.parts.into());
        return Ok(Ending { exit: Exit::Done, totals });
    }
    let work = if survey.listable {
        Work::Listed
    } else {
        Work::Units { units: plan::units(&survey.plans, Part::WHOLE), of_many: false }
    };
    let totals = survey.work(args, &draft, &saved, work, Part::WHOLE, session).inspect_err(|_| {
        let why = if session.stop.requested().is_some() { "because a signal came" } else { "because the run failed" };
        tell_kept(&draft, session, why);
    })?;
    conclude(args, draft, &saved, totals, session)
}

/// One part of a plan.
fn do_part(args: &Args, draft: Draft, saved: &Saved, part: Part, session: &mut Session) -> Result<Ending, Failure> {
    if part.of != saved.parts {
        let text = format!("--part {}/{} of a plan that has {} parts", part.number, part.of, saved.parts);
        return Err(Failure::usage(text).at(draft.output()));
    }
    if machines::is_done(&draft, part.number)? {
        let mut totals = Map::new();
        totals.insert("already_done".into(), true.into());
        return Ok(Ending { exit: Exit::Done, totals });
    }
    let store = Store::open(OsStr::new(&saved.source), &args.store.options(&session.stop))?;
    let choices = resume(args, &args.choices, saved, &store)?;
    check_bad_chunks(args, saved.in_place)?;
    let survey = match Survey::of(args, &store, &choices, &saved.chosen(), saved.begin(), Some(saved), session)? {
        Surveyed::Possible(survey) => survey,
        Surveyed::Impossible(failures) => return refuse(&failures, session),
    };
    check_fingerprint(saved, &survey.plans, draft.output())?;
    let work = Work::Units { units: plan::units(&survey.plans, part), of_many: part.of > 1 };
    let totals = survey.work(args, &draft, saved, work, part, session)?;
    if let Some(exit) = session.stop.requested() {
        return Ok(Ending { exit, totals: totals.fields });
    }
    if totals.lost > 0 {
        return Ok(Ending { exit: totals.exit(), totals: totals.fields });
    }
    draft.objects().sync()?;
    machines::mark_done(&draft, part, &totals)?;
    session.stop.too_late();
    let exit = if totals.failed > 0 { Exit::Partial } else { Exit::Done };
    Ok(Ending { exit, totals: totals.fields })
}

/// The flags of an unfinished run, which the command line must not contradict.
fn resume(args: &Args, given: &Choices, saved: &Saved, store: &Store) -> Result<Choices, Failure> {
    if args.in_place != saved.in_place && args.machines.part.is_none() {
        return Err(Failure::usage("--in-place is not what the unfinished run was begun with"));
    }
    if absolute(store.location()) != saved.source {
        let text = format!("the unfinished run was begun from {}", saved.source);
        return Err(Failure::usage(text).at(store.location()));
    }
    let backup = args.backup.as_ref().map(|directory| absolute(&Location::Local(directory.clone())));
    if backup.is_some() && backup != saved.backup {
        return Err(Failure::usage("--backup is not what the unfinished run was begun with"));
    }
    given.resume(&saved.choices)
}

fn check_fingerprint(saved: &Saved, plans: &[ArrayPlan], output: &Location) -> Result<(), Failure> {
    match saved.fingerprint == saved::fingerprint(plans) {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "the arrays of the source are no longer those of the plan (of version {})",
            saved.version
        ))
        .at(output)
        .hint("begin anew with --overwrite")),
    }
}

/// What becomes of the output after the work.
fn conclude(
    args: &Args,
    draft: Draft,
    saved: &Saved,
    totals: Totals,
    session: &mut Session,
) -> Result<Ending, Failure> {
    if let Some(exit) = session.stop.requested() {
        tell_kept(&draft, session, "because a signal came");
        return Ok(Ending { exit, totals: totals.fields });
    }
    if totals.lost > 0 {
        let failed = human_counted(totals.lost, "object");
        tell_kept(&draft, session, &format!("because {failed} failed"));
        if args.on_bad_chunk == OnBadChunk::Error && totals.unreadable > 0 {
            session.status.warn("--on-bad-chunk copy or skip carries the rest over");
        }
        return Ok(Ending { exit: totals.exit(), totals: totals.fields });
    }
    if totals.strays > 0 {
        let strays = human_counted(totals.strays, "key");
        let what = if saved.in_place { "belong" } else { "left out that belong" };
        session.status.warn(&format!("{}: {strays} {what} to no array; zinspect --sizes lists them", saved.source));
    }
    let pool = args.pool(draft.objects());
    // The last moment at which a signal still stops it.
    draft.objects().sync()?;
    if let Some(exit) = session.stop.requested() {
        tell_kept(&draft, session, "because a signal came");
        return Ok(Ending { exit, totals: totals.fields });
    }
    let place = draft.output().to_string();
    finish(draft, saved, &pool).inspect_err(|_| {
        session.status.warn(&format!("{place}: all is done but the end; --resume ends it"));
    })?;
    session.stop.too_late();
    tell_stale_copy(saved, session);
    let exit = if totals.failed > 0 { Exit::Partial } else { Exit::Done };
    Ok(Ending { exit, totals: totals.fields })
}

/// A store above the one that was changed in place may hold a copy of its metadata.
fn tell_stale_copy(saved: &Saved, session: &Session) {
    let Some(above) = Path::new(&saved.source).parent().filter(|_| saved.in_place) else { return };
    let copies = std::fs::read(above.join("zarr.json")).unwrap_or_default();
    let has_copies = json::member(&copies, 0, "consolidated_metadata").is_some_and(|range| &copies[range] != b"null");
    if has_copies || above.join(".zmetadata").exists() {
        session.status.warn(&format!(
            "{}: holds a consolidated copy of the metadata that has changed: consolidate it again",
            above.display()
        ));
    }
}

/// Says how to go on with what is not finished.
fn tell_kept(draft: &Draft, session: &Session, why: &str) {
    let place = draft.output();
    match draft.is_kept() {
        true => session
            .status
            .warn(&format!("{place}: not finished, {why}; what is done is kept, --resume goes on with it")),
        false => session.status.warn(&format!("{place}: not written, {why}")),
    }
}
