//! Runs of the parts of a large object: each arrives in order, so that its MD5 is known when its last part is there.

use std::collections::BTreeSet;

use crate::md5_streams::{Begun, Md5Streams};
use crate::part_ranges::PartRanges;

/// The runs of an object; none, where nothing is computed as they arrive.
#[derive(Debug, Default)]
pub struct Runs {
    all: Vec<State>,
    /// Those whose next part is missing, and which nobody fetches.
    idle: BTreeSet<usize>,
}

#[derive(Debug)]
struct State {
    next: usize,
    /// The first part of the run after it.
    end: usize,
    /// While its parts come in order.
    stream: Option<u64>,
    begun: Begun,
}

/// A run whose next part is being fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub number: usize,
    pub stream: u64,
}

impl Runs {
    /// The runs of an object of which nothing is there.
    pub fn of(ranges: PartRanges) -> Runs {
        let part = |run: u64| zcodec::to_usize(ranges.first_of(run).min(ranges.count()));
        let state = |run| State { next: part(run), end: part(run + 1), stream: None, begun: Begun::default() };
        let all: Vec<State> = (0..ranges.runs()).map(state).collect();
        Runs { idle: (0..all.len()).collect(), all }
    }

    /// Whether there are any.
    pub fn are_there(&self) -> bool {
        !self.all.is_empty()
    }

    /// Whether a part can be fetched that follows in order; always, where order does not matter.
    pub fn has_next(&self) -> bool {
        !self.idle.is_empty() || !self.are_there()
    }

    /// The next part of a run.
    pub fn take(&mut self, streams: &Md5Streams) -> Option<(usize, Run)> {
        let number = self.idle.pop_first()?;
        let run = &mut self.all[number];
        let stream = *run.stream.get_or_insert_with(|| streams.open());
        Some((run.next, Run { number, stream }))
    }

    /// The next part of a run has arrived; `is_missing` says whether a part is fetched by nobody. Returns the stream of a run of which
    /// nothing more comes in order; its sum is to be given back.
    pub fn arrived(&mut self, Run { number, .. }: Run, is_missing: impl Fn(usize) -> bool) -> Option<u64> {
        let run = &mut self.all[number];
        run.next += 1;
        if run.next < run.end && is_missing(run.next) {
            self.idle.insert(number);
            return None;
        }
        run.stream.take()
    }

    /// The sum of the start of a run, whose stream has ended.
    pub fn ended(&mut self, Run { number, .. }: Run, begun: Begun) {
        self.all[number].begun = begun;
    }

    /// Ends all streams. The sum of the start of each run, as far as it came in order.
    pub fn end(&mut self, streams: &Md5Streams) -> Vec<Begun> {
        for run in &mut self.all {
            run.begun = run.stream.take().map_or(run.begun, |stream| streams.finish(stream));
        }
        self.all.iter().map(|run| run.begun).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part_ranges::PART;

    #[test]
    fn parts_of_a_run_come_one_after_the_other_and_runs_side_by_side() {
        let streams = Md5Streams::default();
        let mut runs = Runs::of(PartRanges::new(7 * PART, 3 * PART));
        let take = |runs: &mut Runs| runs.take(&streams);
        let first: Vec<_> = std::iter::from_fn(|| take(&mut runs)).collect();
        assert_eq!(first.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [0, 3, 6]);
        assert!(!runs.has_next());
        assert_eq!(runs.arrived(first[1].1, |_| true), None);
        assert_eq!(take(&mut runs), Some((4, first[1].1)));
        assert_eq!(runs.arrived(first[2].1, |_| panic!("it was the last of its run")), Some(first[2].1.stream));
        assert_eq!(runs.arrived(first[0].1, |part| part != 1), Some(first[0].1.stream), "another has fetched part 1");
        assert!(!runs.has_next());
        assert_eq!(runs.end(&streams).len(), 3);
    }
}
