//! One output, many processes: which parts are done, and the end.

use serde_json::{Map, Value, json};
use zarray::Part;
use zcli::{Ending, Session};
use zstore::{Claim, Draft, Location, StoreError, StoreOptions};
use zwire::{Exit, Failure};

use crate::cli::Args;
use crate::finish::{finish, is_finishing, sweep};
use crate::ledger::Totals;
use crate::saved::Saved;

/// An output that was prepared, and its plan.
///
/// # Errors
/// [`StoreError::NotBegun`], [`StoreError::Busy`], or a plan that cannot be used.
pub fn open(output: &Location, who: Claim, options: &StoreOptions) -> Result<(Draft, Saved), Failure> {
    let (draft, plan) = Draft::open(output, who, options)?;
    let saved = Saved::parse(&plan, &draft.folder().place("plan.json"))?;
    Ok((draft.resumed_as(saved.begin(), options)?, saved))
}

/// Says that a part is done, whatever the scheduler says of it.
///
/// # Errors
/// [`StoreError::Write`].
pub fn mark_done(draft: &Draft, part: Part, totals: &Totals) -> Result<(), Failure> {
    let mut fields = totals.fields.clone();
    fields.insert("failed".into(), totals.failed.into());
    let text = Value::Object(fields).to_string();
    Ok(draft.folder().put(&done_key(part.number), text.as_bytes()).map(drop)?)
}

/// Whether a part is done.
///
/// # Errors
/// The store's.
pub fn is_done(draft: &Draft, number: u32) -> Result<bool, StoreError> {
    Ok(is_finishing(draft)? || draft.folder().stat(&done_key(number))?.is_some())
}

fn done_key(number: u32) -> String {
    format!("done/{number}")
}

/// The parts that are not done, in order.
fn missing(draft: &Draft, saved: &Saved) -> Result<Vec<u32>, StoreError> {
    // All of them were done when the end began.
    if is_finishing(draft)? {
        return Ok(Vec::new());
    }
    let mut done = vec![false; saved.parts as usize];
    for object in draft.folder().list("done")? {
        let key = object?.key;
        let number = key.rsplit('/').next().and_then(|name| name.parse::<usize>().ok());
        if let Some(done) = number.and_then(|number| done.get_mut(number.checked_sub(1)?)) {
            *done = true;
        }
    }
    Ok((1..=saved.parts).filter(|number| !done[*number as usize - 1]).collect())
}

/// `3,7-9`, as array jobs of schedulers are named.
fn ranges(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let words: Vec<String> = runs
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    words.join(",")
}

/// `--status`.
///
/// # Errors
/// As [`open`].
pub fn status(args: &Args, output: &Location, session: &mut Session) -> Result<Ending, Failure> {
    let (draft, saved) = open(output, Claim::Nothing, &args.store.options(&session.stop))?;
    let missing = missing(&draft, &saved)?;
    let exit = if missing.is_empty() { Exit::Done } else { Exit::No };
    let text = ranges(&missing);
    if args.machines.missing {
        session.out.plain(&text)?;
    }
    let totals = [
        ("source", json!(saved.source)),
        ("parts", json!(saved.parts)),
        ("done", json!(u64::from(saved.parts) - missing.len() as u64)),
        ("missing", json!(text)),
    ];
    Ok(Ending { exit, totals: totals.into_iter().map(|(key, value)| (key.to_owned(), value)).collect() })
}

/// `--finish`.
///
/// # Errors
/// Parts that are missing, and as [`finish`].
pub fn finish_output(args: &Args, output: &Location, session: &mut Session) -> Result<Ending, Failure> {
    let (draft, saved) = open(output, Claim::Alone, &args.store.options(&session.stop))?;
    let missing = missing(&draft, &saved)?;
    if !missing.is_empty() {
        let text = format!("parts {} of {} are not done", ranges(&missing), saved.parts);
        return Err(Failure::new(Exit::No, text).at(output).hint("zrecompress --part I/N does one"));
    }
    let totals = sums(&draft, saved.parts)?;
    let failed = totals.get("failed").and_then(Value::as_u64).unwrap_or(0);
    sweep(&draft)?;
    let pool = args.pool(draft.objects());
    finish(draft, &saved, &pool)?;
    session.stop.too_late();
    Ok(Ending { exit: if failed > 0 { Exit::Partial } else { Exit::Done }, totals })
}

/// The totals of all parts.
fn sums(draft: &Draft, parts: u32) -> Result<Map<String, Value>, Failure> {
    let mut sums = Map::new();
    let mut text = Vec::new();
    for number in 1..=parts {
        let key = done_key(number);
        if draft.folder().get(&key, &mut text)?.is_none() {
            // Of an end that was interrupted when it tidied up.
            continue;
        }
        let totals: Map<String, Value> = serde_json::from_slice(&text)
            .map_err(|error| Failure::new(Exit::Unreadable, error.to_string()).at(draft.folder().place(&key)))?;
        for (key, value) in totals {
            // What every part counts alike, and what cannot be added up.
            if let (Some(value), false) = (value.as_u64(), key == "arrays") {
                let sum = sums.get(&key).and_then(Value::as_u64).unwrap_or(0);
                sums.insert(key, (sum + value).into());
            }
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_are_named_as_schedulers_take_them() {
        for (numbers, text) in
            [(&[][..], ""), (&[3], "3"), (&[3, 7, 8, 9], "3,7-9"), (&[1, 2, 3], "1-3"), (&[1, 3], "1,3")]
        {
            assert_eq!(ranges(numbers), text);
        }
    }
}
