//! Bodies of objects. One that breaks off, stalls or is too slow is asked for again: the rest of it, where the server can tell that
//! the object is still the same, and otherwise all of it.

use std::ops::Range;

use tokio::time::{Instant, sleep};

use super::pieces::Pieces;
use super::*;
use crate::Sink;
use crate::transport::Effort;

/// How often a body is asked for again that brings nothing new. Outages are waited for by each request.
const MOST_RETRIES: usize = 5;

/// So many new bytes are a fresh start.
const PROGRESS: usize = 64 << 10;

/// What arrived.
pub struct Arrived {
    pub stat: Stat,
    /// Offset of its first byte in the object.
    pub start: u64,
}

/// A body that is arriving.
struct Arriving<'a> {
    remote: &'a RemoteStore,
    key: &'a str,
    /// The range that was asked for.
    wanted: Option<GetRange>,
    /// The most bytes that are read of the answer.
    most: u64,
    stat: Stat,
    e_tag: Option<String>,
    /// The range that is to arrive.
    range: Range<u64>,
    effort: Effort,
    /// The most bytes that had arrived when progress was noted.
    best: usize,
    was_replaced: bool,
}

impl RemoteStore {
    /// Reads a body to its end, or `most` bytes of it, as long as it keeps coming; it must be as long as the head of the response
    /// says. A server may answer with more than it was asked for.
    pub(super) async fn body(
        &self,
        key: &str,
        wanted: Option<GetRange>,
        most: u64,
        answer: GetResult,
        sink: &mut dyn Sink,
    ) -> Result<Arrived, StoreError> {
        let mut arriving = Arriving {
            remote: self,
            key,
            wanted,
            most,
            stat: stat_of(&answer),
            e_tag: answer.meta.e_tag.clone(),
            range: first(&answer.range, most),
            effort: self.transport.effort(MOST_RETRIES),
            best: 0,
            was_replaced: false,
        };
        sink.clear();
        arriving.read(answer, sink).await?;
        Ok(Arrived { stat: arriving.stat, start: arriving.range.start })
    }
}

impl Arriving<'_> {
    async fn read(&mut self, mut answer: GetResult, sink: &mut dyn Sink) -> Result<(), StoreError> {
        loop {
            let expected = self.expected()?;
            sink.expect(expected);
            let began = Instant::now();
            let Err(error) = self.fill(answer, expected, sink).await else { return Ok(()) };
            match self.pause(began.elapsed(), sink.arrived()) {
                // The disk is full: asking again does not help.
                _ if matches!(error, StoreError::Write { .. }) => return Err(error),
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            }
            answer = match self.rest(sink.arrived()).await? {
                Some(rest) => rest,
                None => self.restarted(sink).await?,
            };
        }
    }

    /// Bytes that are to arrive.
    fn expected(&self) -> Result<usize, StoreError> {
        let (size, limit) = (self.range.end - self.range.start, self.remote.memory);
        let expected = usize::try_from(size).ok().filter(|_| size <= limit);
        expected.ok_or_else(|| StoreError::TooLarge { place: self.remote.place(self.key), size, limit })
    }

    async fn fill(&self, answer: GetResult, expected: usize, sink: &mut dyn Sink) -> Result<(), StoreError> {
        let is_part = self.range.end < answer.range.end;
        let mut pieces = Pieces::of(answer.into_stream(), self.remote.runtime);
        while !(is_part && sink.arrived() >= expected) {
            let Some(batch) = pieces.next().await else { break };
            for piece in batch {
                let mut piece = piece.map_err(|error| self.broken(error, sink.arrived(), expected))?;
                if is_part {
                    piece.truncate(expected - sink.arrived());
                }
                sink.add(piece)?;
            }
        }
        if sink.arrived() == expected {
            return Ok(());
        }
        let text = format!("the body has {} of {expected} bytes", sink.arrived());
        Err(StoreError::Network { place: self.remote.place(self.key), source: text.into() })
    }

    fn broken(&self, error: Error, arrived: usize, expected: usize) -> StoreError {
        match self.remote.failed(self.key, error) {
            StoreError::TimedOut { place, detail } => {
                StoreError::TimedOut { place, detail: format!("{detail}, after {arrived} of {expected} bytes") }
            }
            StoreError::Network { place, source } => {
                let text = format!("the transfer broke off after {arrived} of {expected} bytes: {source}");
                StoreError::Network { place, source: text.into() }
            }
            other => other,
        }
    }

    /// The pause before the body is asked for again, if it is to be.
    fn pause(&mut self, time: Duration, arrived: usize) -> Option<Duration> {
        self.effort.tried(time);
        if arrived >= self.best + PROGRESS {
            self.best = arrived;
            self.effort = self.remote.transport.effort(MOST_RETRIES);
            self.effort.tried(Duration::ZERO);
        }
        self.effort.pause(None)
    }

    /// Asks for what is missing, if the server can tell that it belongs to the same object.
    async fn rest(&mut self, arrived: usize) -> Result<Option<GetResult>, StoreError> {
        // A weak tag says that objects mean the same, not that they are.
        let tag = self.e_tag.clone().filter(|tag| !tag.starts_with("W/") && arrived > 0);
        let Some(tag) = tag else { return Ok(None) };
        let from = self.range.start + arrived as u64;
        let range = Some(GetRange::Bounded(from..self.range.end));
        let options = GetOptions { range, if_match: Some(tag), ..GetOptions::default() };
        match self.remote.request(self.key, options).await? {
            Ok(rest) if rest.meta.e_tag == self.e_tag && rest.range == (from..self.range.end) => Ok(Some(rest)),
            Ok(_) | Err(Error::Precondition { .. }) => self.replaced().map(|()| None),
            Err(Error::NotFound { .. }) => Err(self.changed()),
            // Servers without ranges answer with all of it.
            Err(Error::NotSupported { .. }) => Ok(None),
            Err(error) if chain(&error).contains("non-partial response") => Ok(None),
            Err(error) => Err(self.remote.failed(self.key, error)),
        }
    }

    /// Asks for all of it again.
    async fn restarted(&mut self, sink: &mut dyn Sink) -> Result<GetResult, StoreError> {
        sink.clear();
        let options = GetOptions { range: self.wanted.clone(), ..GetOptions::default() };
        match self.remote.request(self.key, options).await? {
            Ok(answer) => {
                self.stat = stat_of(&answer);
                (self.e_tag, self.range) = (answer.meta.e_tag.clone(), first(&answer.range, self.most));
                Ok(answer)
            }
            Err(Error::NotFound { .. }) => Err(self.changed()),
            Err(error) => Err(self.remote.failed(self.key, error)),
        }
    }

    /// The object is another one now, which is read from its start; once.
    fn replaced(&mut self) -> Result<(), StoreError> {
        match std::mem::replace(&mut self.was_replaced, true) {
            false => Ok(()),
            true => Err(self.changed()),
        }
    }

    fn changed(&self) -> StoreError {
        StoreError::Changed { place: self.remote.place(self.key) }
    }
}

/// The first bytes of a range.
fn first(range: &Range<u64>, most: u64) -> Range<u64> {
    range.start..range.end.min(range.start.saturating_add(most))
}
