//! One output, many processes: which parts are done.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use zarray::Part;
use zstore::StoreError;
use zwire::{Exit, Failure};

use crate::array_plan::{ArrayPlan, units};
use crate::folder::DONE;
use crate::plan_file::Header;
use crate::staged_store::StagedStore;
use crate::stats::{Seen, Totals, Work};

/// Ranges of arrays that are computed to find parts without work, at most: a second.
const MOST_LOOKS: u64 = 50_000_000;

/// The parts of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The source store.
    pub source: String,
    /// Number of parts.
    pub parts: u32,
    /// Parts that are done.
    pub done: u64,
    /// The others, in job-array syntax: `3,7-9`.
    pub missing: String,
}

impl Status {
    /// Adds an output that was prepared for the same parts: a part is done if it is done for all outputs.
    pub fn add(&mut self, other: &Status) {
        let all: BTreeSet<u32> = numbers(&self.missing).chain(numbers(&other.missing)).collect();
        let all: Vec<u32> = all.into_iter().collect();
        self.parts = self.parts.max(other.parts);
        self.done = u64::from(self.parts).saturating_sub(all.len() as u64);
        self.missing = ranges(&all);
    }
}

/// Which parts are missing, in words.
pub fn missing_text(missing: &str, parts: u32) -> String {
    match missing.contains([',', '-']) {
        true => format!("parts {missing} of {parts} are missing"),
        false => format!("part {missing} of {parts} is missing"),
    }
}

/// The numbers in job-array syntax.
fn numbers(text: &str) -> impl Iterator<Item = u32> {
    text.split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some(first.parse().ok()?..=last.parse().ok()?)
        })
        .flatten()
}

/// Contents of a done-file.
#[derive(Serialize, Deserialize)]
struct Done {
    #[serde(flatten)]
    totals: Totals,
    /// The arrays that the part read or wrote, by number in the plan.
    #[serde(default)]
    seen: Vec<(usize, Seen)>,
}

/// Marks a part as done, whatever its scheduler reports of it.
///
/// # Errors
/// [`StoreError::Write`].
pub fn mark_done(staged: &StagedStore, part: Part, work: &Work) -> Result<(), Failure> {
    staged.prove_lock()?;
    let seen = work.seen.iter().copied().enumerate().filter(|(_, seen)| *seen != Seen::default()).collect();
    let text = serde_json::to_vec(&Done { totals: work.totals, seen })
        .map_err(|error| Failure::new(Exit::Output, error.to_string()))?;
    Ok(staged.folder().put(&done_key(part.number), &text).map(drop)?)
}

/// The parts to which no object of any array belongs.
pub fn without_work(plans: &[ArrayPlan], parts: u32) -> Vec<Part> {
    if u64::from(parts) * plans.len() as u64 > MOST_LOOKS {
        return Vec::new();
    }
    let all = (1..=parts).map(|number| Part { number, of: parts });
    all.filter(|part| units(plans, *part).iter().all(std::ops::Range::is_empty)).collect()
}

/// Whether a part is done.
///
/// # Errors
/// The store's.
pub fn is_done(staged: &StagedStore, number: u32) -> Result<bool, StoreError> {
    Ok(staged.is_finishing()? || staged.folder().stat(&done_key(number))?.is_some())
}

fn done_key(number: u32) -> String {
    format!("{DONE}/{number}")
}

/// The parts that are not done, in order.
///
/// # Errors
/// The store's.
pub fn missing(staged: &StagedStore, parts: u32) -> Result<Vec<u32>, StoreError> {
    // All of them were done when publishing began.
    if staged.is_finishing()? {
        return Ok(Vec::new());
    }
    let mut done = vec![false; parts as usize];
    for object in staged.folder().list(DONE)? {
        let key = object?.key;
        let number = key.rsplit('/').next().and_then(|name| name.parse::<usize>().ok());
        if let Some(done) = number.and_then(|number| done.get_mut(number.checked_sub(1)?)) {
            *done = true;
        }
    }
    Ok((1..=parts).filter(|number| !done[*number as usize - 1]).collect())
}

/// Which parts are done.
///
/// # Errors
/// The store's.
pub fn status(staged: &StagedStore, header: &Header) -> Result<Status, StoreError> {
    let missing = missing(staged, header.parts)?;
    Ok(Status {
        source: header.first_source().to_owned(),
        parts: header.parts,
        done: u64::from(header.parts) - missing.len() as u64,
        missing: ranges(&missing),
    })
}

/// `3,7-9`: numbers in job-array syntax.
pub fn ranges(numbers: &[u32]) -> String {
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

/// Sum over all parts.
///
/// # Errors
/// A done-file that cannot be read.
pub fn sum(staged: &StagedStore, parts: u32) -> Result<Work, Failure> {
    let mut sum = Work::default();
    let mut text = Vec::new();
    for number in 1..=parts {
        let key = done_key(number);
        if staged.folder().get(&key, &mut text)?.is_none() {
            // An earlier run was interrupted while it removed the folder.
            continue;
        }
        let done: Done = serde_json::from_slice(&text)
            .map_err(|error| Failure::new(Exit::Unreadable, error.to_string()).at(staged.folder().place(&key)))?;
        sum.totals.add(&done.totals);
        for (array, seen) in done.seen {
            if sum.seen.len() <= array {
                sum.seen.resize(array + 1, Seen::default());
            }
            sum.seen[array].add(seen);
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_are_named_in_job_array_syntax() {
        for (numbers, text) in
            [(&[][..], ""), (&[3], "3"), (&[3, 7, 8, 9], "3,7-9"), (&[1, 2, 3], "1-3"), (&[1, 3], "1,3")]
        {
            assert_eq!(ranges(numbers), text);
            assert_eq!(super::numbers(text).collect::<Vec<_>>(), numbers);
        }
    }

    #[test]
    fn a_part_is_done_if_all_outputs_have_it() {
        let status = |missing: &str, done| Status { source: String::new(), parts: 5, done, missing: missing.into() };
        let mut all = status("1,4-5", 2);
        all.add(&status("", 5));
        assert_eq!(all, status("1,4-5", 2));
        all.add(&status("2,4", 3));
        assert_eq!(all, status("1-2,4-5", 1));
    }
}
