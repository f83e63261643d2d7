//! Copies one object from source to output, unchanged: at once, piece by piece, or in parts that arrive side by side.

use zarray::{HEAD_BYTES, Timer};
use zcodec::{crc32c_append, crc32c_combine};
use zstore::{ByteRange, StoreError};
use zwire::Failure;

use crate::large::{LARGE, Names};
use crate::memory::COPY_PIECE;
use crate::object_parts::{ObjectParts, PART, Step, Sum};
use crate::options::ArrivalCheck;
use crate::read_back::checksum_of;
use crate::received::Received;
use crate::seconds::Seconds;
use crate::transcode::{Job, Outcome, WorkerScratch};

/// What came of copying piece by piece.
enum Copied {
    Ended(Box<Outcome>),
    /// The first piece has shown that the object is large.
    Begun(Box<ObjectParts>),
}

impl Job<'_> {
    /// Copies the object.
    ///
    /// # Errors
    /// The errors of [`Job::run`].
    pub fn copy(&self, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
        if let Some(parts) = self.large.left(&self.names(), self.changes)? {
            return self.copy_in_parts(parts, scratch);
        }
        let may_be_large = self.plan.object_bytes().is_some_and(|bytes| bytes > LARGE);
        let copied = match may_be_large && self.large.takes(self.store) {
            // However many workers there are, only some have a piece of a large object at the same time.
            true => self.copy_pieces(PART, &mut self.large.buffer(), &mut scratch.seconds)?,
            false => {
                let copied = self.copy_pieces(COPY_PIECE, &mut scratch.stored, &mut scratch.seconds)?;
                if self.store.is_remote() {
                    // Most workers wait for a response, and need no buffer until it comes.
                    scratch.stored = Vec::new();
                }
                copied
            }
        };
        match copied {
            Copied::Ended(outcome) => Ok(*outcome),
            Copied::Begun(parts) => self.copy_in_parts(*parts, scratch),
        }
    }

    fn names(&self) -> Names {
        Names { store: self.store_number, key: self.item.key.clone(), output_key: self.output_key() }
    }

    /// Copies the object in pieces, one after the other, because it may not fit in memory.
    fn copy_pieces(&self, piece: u64, stored: &mut Vec<u8>, seconds: &mut Seconds) -> Result<Copied, Failure> {
        let ended = |outcome| Ok(Copied::Ended(Box::new(outcome)));
        let mut timer = Timer::start();
        let key = self.output_key();
        let (mut output, mut read, mut received) = (None, None, None);
        let (mut done, mut checksum, mut checked) = (0, 0, None);
        let (source, written) = loop {
            // A server that knows no ranges would send the whole object for every piece.
            let piece = if self.store.ignores_ranges() { u64::MAX } else { piece };
            let range = ByteRange::At { start: done, len: piece };
            // Only the response to a request for the whole object has its checksum.
            let found = match done {
                0 => self.store.get_start(&self.item.key, piece, stored)?,
                _ => self.store.get_range(&self.item.key, range, stored)?,
            };
            let Some(stat) = found else { return ended(self.absent()?) };
            if *read.get_or_insert(stat) != stat {
                return ended(Outcome::changed());
            }
            seconds.read += timer.lap();
            done += stored.len() as u64;
            if output.is_none()
                && done == piece
                && stat.size > LARGE
                && self.large.takes(self.store)
                && let Some(parts) = self.large.begin(&self.names(), stat)?
            {
                parts.enter(stored)?;
                seconds.write += timer.lap();
                return Ok(Copied::Begun(Box::new(parts)));
            }
            checksum = crc32c_append(checksum, stored);
            let ends = done >= stat.size || stored.is_empty();
            if ends && done != stat.size {
                let text = format!("the body has {done} of {} bytes", stat.size);
                return Err(StoreError::Network { place: self.place(), source: text.into() }.into());
            }
            if let Some(arrivals) = self.arrivals {
                received.get_or_insert_with(|| Received::new(arrivals, stat)).add(stored);
                match received.take_if(|_| ends).map(|all| all.check(&self.array.chain)).transpose() {
                    Ok(way) => checked = way,
                    Err(why) => return ended(Outcome { corrupt: Some(why), ..Outcome::default() }),
                }
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
        ended(outcome)
    }

    /// Copies the object in parts. This thread checks them in order as they arrive, and fetches those that are missing; other
    /// threads help.
    fn copy_in_parts(&self, parts: ObjectParts, scratch: &mut WorkerScratch) -> Result<Outcome, Failure> {
        let WorkerScratch { stored, seconds, .. } = scratch;
        let shared = self.large.share(parts);
        let parts = &*shared.parts;
        let mut timer = Timer::start();
        let mut in_order = InOrder::new(self, parts);
        while in_order.checked < parts.count() {
            match parts.step(in_order.checked)? {
                Step::Fetch => {
                    shared.fetch_one(self.store);
                    seconds.read += timer.lap();
                }
                Step::Changed => {
                    parts.close();
                    parts.file.clear()?;
                    return Ok(Outcome::changed());
                }
                Step::Check(sum) => {
                    in_order.check(sum, stored)?;
                    seconds.verify += timer.lap();
                }
            }
        }
        let InOrder { received, checksum, read_back, .. } = in_order;
        let checked = match received.map(|all| all.check(&self.array.chain)).transpose() {
            Ok(way) => way,
            Err(why) => {
                parts.file.clear()?;
                return Ok(Outcome { corrupt: Some(why), ..Outcome::default() });
            }
        };
        let written = self.output.finish_partial(&parts.file, &self.output_key(), parts.stat.size)?;
        seconds.write += timer.lap();
        let (source, written) = (Some(parts.stat), Some(written));
        Ok(Outcome {
            source,
            written,
            crc32c: checksum,
            verified: self.verify && read_back,
            checked,
            ..Outcome::default()
        })
    }
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
        let received = job.arrivals.map(|arrivals| Received::new(arrivals, parts.stat));
        InOrder { job, parts, received, checked: 0, checksum: 0, read_back: true }
    }

    /// Checks the next part. One that an earlier run has noted, and that is not there, is fetched again.
    fn check(&mut self, sum: Sum, buffer: &mut Vec<u8>) -> Result<(), Failure> {
        let (job, parts, part) = (self.job, self.parts, self.checked);
        // Reading back what has left the caches costs more than a free check may: a large object is read where its checksum needs it.
        let is_asked_for = job.verify && job.arrival != ArrivalCheck::Auto;
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
