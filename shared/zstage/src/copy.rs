//! Copies one object from source to output, unchanged: at once, piece by piece, or in parts that arrive side by side.

use zarray::{HEAD_BYTES, Timer};
use zcodec::{crc32c_append, crc32c_combine};
use zstore::{ByteRange, Stat, StoreError};
use zwire::Failure;

use crate::large::{IN_PARTS, LARGE, Names, Shared};
use crate::memory::COPY_PIECE;
use crate::object_parts::{ObjectParts, Step, Sum};
use crate::options::ArrivalCheck;
use crate::read_back::checksum_of;
use crate::received::Received;
use crate::seconds::Seconds;
use crate::transcode::{Job, Outcome, WorkerScratch};

impl Job<'_> {
    /// Copies the object.
    ///
    /// # Errors
    /// The errors of [`Job::run`].
    pub fn copy(&self, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
        if let Some(parts) = self.large.left(&self.names(), self.changes)?
            && let Some(outcome) = self.copy_in_parts(parts, scratch)?
        {
            return Ok(outcome);
        }
        let may_be_large = self.plan.object_bytes().is_some_and(|bytes| bytes > IN_PARTS);
        if may_be_large && self.large.takes(self.store) {
            // However many workers there are, only some hold such an object at the same time.
            let mut whole = self.large.buffer();
            match self.store.get_up_to(&self.item.key, IN_PARTS, &mut whole)? {
                Some(stat) if stat.size > IN_PARTS => {
                    drop(whole);
                    let uploaded = self.arrivals.and_then(|arrivals| arrivals.uploaded_parts(stat));
                    if let Some(parts) = self.large.begin(&self.names(), stat, uploaded)?
                        && let Some(outcome) = self.copy_in_parts(parts, scratch)?
                    {
                        return Ok(outcome);
                    }
                    // Another process has begun it, or the server sends no parts.
                }
                found => return self.copy_pieces(Some(found), &mut whole, &mut scratch.seconds, &mut scratch.shown),
            }
        }
        let WorkerScratch { stored, seconds, shown, .. } = scratch;
        let outcome = self.copy_pieces(None, stored, seconds, shown);
        if self.store.is_remote() {
            // Most workers wait for a response, and need no buffer until it comes.
            self.arriving.give_back(std::mem::take(stored));
        }
        outcome
    }

    /// Decoded bytes for which the object stands in the progress.
    fn decoded(&self) -> u64 {
        self.plan.object_bytes().or(self.item.stat.map(|stat| stat.size)).unwrap_or(0)
    }

    fn names(&self) -> Names {
        Names { store: self.store_number, key: self.item.key.clone(), output_key: self.output_key() }
    }

    /// Copies the object in pieces, one after the other, because it may not fit in memory. Of one that was `read_before`, all is in
    /// `stored`.
    fn copy_pieces(
        &self,
        mut read_before: Option<Option<Stat>>,
        stored: &mut Vec<u8>,
        seconds: &mut Seconds,
        shown: &mut u64,
    ) -> Result<Outcome, Failure> {
        let mut timer = Timer::start();
        let key = self.output_key();
        let (mut output, mut read) = (None, None);
        let mut received: Option<Received> = None;
        let mut admitted = None;
        let (mut done, mut checksum, mut checked) = (0, 0, None);
        let (source, written) = loop {
            // A server that knows no ranges would send the whole object for every piece.
            let piece = if self.store.ignores_ranges() { u64::MAX } else { COPY_PIECE };
            let range = ByteRange::At { start: done, len: piece };
            // Only the response to a request for the whole object has its checksum.
            let found = match (read_before.take(), done) {
                (Some(found), _) => found,
                (None, 0) => self.store.get_start(&self.item.key, piece, stored, &mut |bytes| {
                    let (buffer, permit) = self.arriving.admit(bytes);
                    admitted = permit;
                    buffer
                })?,
                (None, _) => self.store.get_range(&self.item.key, range, stored)?,
            };
            let Some(stat) = found else { return self.absent() };
            if *read.get_or_insert(stat) != stat {
                return Ok(Outcome::changed());
            }
            seconds.read += timer.lap();
            done += stored.len() as u64;
            checksum = crc32c_append(checksum, stored);
            let ends = done >= stat.size || stored.is_empty();
            if ends && done != stat.size {
                let text = format!("the body has {done} of {} bytes", stat.size);
                return Err(StoreError::Network { place: self.place(), source: text.into() }.into());
            }
            if let Some(arrivals) = self.arrivals {
                match &mut received {
                    Some(received) => received.add(stored),
                    None if ends => received = Some(Received::whole(arrivals, stat, stored)),
                    None => received.insert(Received::new(arrivals, stat)).add(stored),
                }
                match received.take_if(|_| ends).map(|all| all.check(&self.array.chain)).transpose() {
                    Ok(way) => checked = way,
                    Err(why) => return Ok(Outcome { corrupt: Some(why), ..Outcome::default() }),
                }
            }
            if ends {
                self.task.compare_earlier(self.plan, self.item, checksum)?;
            }
            if ends && output.is_none() {
                break (stat, self.output.put(&key, stored)?);
            }
            let mut upload = output.take().map_or_else(|| self.output.upload(&key, 0), Ok)?;
            upload.write(stored)?;
            if ends {
                break (stat, upload.finish(&[])?);
            }
            output = Some(upload);
            let more = share(self.decoded(), done, stat.size).saturating_sub(*shown);
            self.large.advance(more);
            *shown += more;
            seconds.write += timer.lap();
        };
        seconds.write += timer.lap();
        let mut outcome =
            Outcome { source: Some(source), written: Some(written), crc32c: checksum, checked, ..Outcome::default() };
        if self.verify {
            let found =
                checksum_of(self.output, &key, stored).map_err(|error| self.verify_failure(&error.to_string()))?;
            match found {
                Some(found) if found == checksum => {}
                Some(_) => return Err(self.verify_failure("the stored bytes differ from those copied")),
                None => return Err(self.verify_failure("the object is missing")),
            }
            seconds.verify += timer.lap();
            outcome.verified = true;
        }
        Ok(outcome)
    }

    /// Copies the object in parts. This thread checks them in order as they arrive, and fetches those that are missing; other
    /// threads help. `None` if the server sends no parts.
    fn copy_in_parts(&self, mut parts: ObjectParts, scratch: &mut WorkerScratch) -> Result<Option<Outcome>, Failure> {
        let WorkerScratch { stored, seconds, shown, .. } = scratch;
        self.large.stands_for(&mut parts, self.decoded().saturating_sub(*shown));
        let mut timer = Timer::start();
        if !self.large.sends_parts(&parts) {
            parts.file.clear()?;
            *shown += parts.shown();
            return Ok(None);
        }
        let shared = self.large.share(parts);
        let outcome = self.copy_shared(&shared, stored, seconds, &mut timer);
        shared.parts.close();
        *shown += shared.parts.shown();
        outcome
    }

    fn copy_shared(
        &self,
        shared: &Shared,
        stored: &mut Vec<u8>,
        seconds: &mut Seconds,
        timer: &mut Timer,
    ) -> Result<Option<Outcome>, Failure> {
        let parts = &*shared.parts;
        let mut in_order = InOrder::new(self, parts);
        while in_order.checked < parts.count() {
            match parts.step(in_order.checked)? {
                Step::Fetch => {
                    shared.fetch_one();
                    seconds.read += timer.lap();
                }
                Step::Changed => {
                    parts.close();
                    parts.file.clear()?;
                    return Ok(Some(Outcome::changed()));
                }
                Step::NoRanges => {
                    parts.close();
                    parts.file.clear()?;
                    return Ok(None);
                }
                Step::Check(sum) => {
                    in_order.check(sum, stored)?;
                    seconds.verify += timer.lap();
                }
            }
        }
        let InOrder { mut received, checksum, read_back, .. } = in_order;
        if let Some(received) = &mut received {
            received.read_file(parts.begun().as_ref(), |bytes, start| parts.file.read_at(bytes, start))?;
            seconds.verify += timer.lap();
        }
        let checked = match received.map(|all| all.check(&self.array.chain)).transpose() {
            Ok(way) => way,
            Err(why) => {
                parts.file.clear()?;
                return Ok(Some(Outcome { corrupt: Some(why), ..Outcome::default() }));
            }
        };
        if let Err(refused) = self.task.compare_earlier(self.plan, self.item, checksum) {
            parts.file.clear()?;
            return Err(refused);
        }
        let written = self.output.finish_partial(&parts.file, &self.output_key(), parts.stat.size)?;
        seconds.write += timer.lap();
        let (source, written) = (Some(parts.stat), Some(written));
        Ok(Some(Outcome {
            source,
            written,
            crc32c: checksum,
            verified: self.verify && read_back,
            checked,
            ..Outcome::default()
        }))
    }
}

/// The share of `whole` that `part` of `all` is.
fn share(whole: u64, part: u64, all: u64) -> u64 {
    let share = u128::from(whole) * u128::from(part) / u128::from(all.max(1));
    u64::try_from(share).unwrap_or(whole).min(whole)
}

/// The first parts of an object, which have been checked.
struct InOrder<'a> {
    job: &'a Job<'a>,
    parts: &'a ObjectParts,
    received: Option<Received>,
    checked: usize,
    checksum: u32,
    /// Whether all of them were read back.
    read_back: bool,
}

impl<'a> InOrder<'a> {
    fn new(job: &'a Job<'a>, parts: &'a ObjectParts) -> InOrder<'a> {
        let received = job.arrivals.map(|arrivals| Received::to_file(arrivals, parts.stat));
        InOrder { job, parts, received, checked: 0, checksum: 0, read_back: true }
    }

    /// Checks the next part. One that an earlier run has noted, and that is not there, is fetched again.
    fn check(&mut self, sum: Sum, buffer: &mut Vec<u8>) -> Result<(), Failure> {
        let (job, parts, part) = (self.job, self.parts, self.checked);
        // Reading back what has left the caches costs more than a free check may: a large object is read where its checksum needs it.
        let is_asked_for = job.verify && (job.arrival != ArrivalCheck::Auto || parts.stat.size <= LARGE);
        let needs_all = self.received.as_ref().is_some_and(Received::needs_all);
        let reads = sum.is_noted || is_asked_for || needs_all;
        let found = match reads {
            true => parts.read(part, buffer, |bytes| self.received.iter_mut().for_each(|all| all.add(bytes))),
            false => self.pass_over(part).map(|()| sum.crc32c),
        };
        match found {
            Ok(found) if found == sum.crc32c => {
                self.checksum = crc32c_combine(self.checksum, sum.crc32c, parts.len(part));
                self.checked += 1;
                self.read_back &= reads;
                Ok(())
            }
            _ if sum.is_noted => {
                parts.lose(part);
                *self = InOrder::new(job, parts);
                Ok(())
            }
            Ok(_) => Err(job.verify_failure("the stored bytes differ from those copied")),
            Err(failure) => Err(failure),
        }
    }

    /// Of a part that is not read back, only the start of the object is looked at.
    fn pass_over(&mut self, part: usize) -> Result<(), Failure> {
        let Some(received) = &mut self.received else { return Ok(()) };
        let mut head = [0; HEAD_BYTES];
        let head = if part == 0 { &mut head[..] } else { &mut [] };
        self.parts.file.read_at(head, 0)?;
        received.add(head);
        received.skip(self.parts.len(part) - head.len());
        Ok(())
    }
}
