//! Reading objects whole and in part, also from servers that know no ranges.

use std::ops::Range;

use futures::future::try_join_all;
use zwire::human_bytes;

use super::body::Arrived;
use super::*;
use crate::{ByteRange, Part, Sink};

impl RemoteStore {
    pub fn get(&self, key: &str, most: u64, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        self.wait(key, async {
            match self.request(key, GetOptions::default()).await? {
                Ok(answer) if answer.meta.size > most => {
                    buffer.clear();
                    Ok(Some(stat_of(&answer)))
                }
                Ok(answer) => self.body(key, None, u64::MAX, answer, buffer).await.map(|arrived| Some(arrived.stat)),
                Err(error) => self.absent(key, error).await.map(|()| None),
            }
        })
    }

    /// The first bytes of an object.
    pub fn get_start(&self, key: &str, most: u64, sink: &mut dyn Sink) -> Result<Option<Stat>, StoreError> {
        self.wait(key, async {
            match self.request(key, GetOptions::default()).await? {
                Ok(answer) => self.body(key, None, most, answer, sink).await.map(|arrived| Some(arrived.stat)),
                Err(error) => self.absent(key, error).await.map(|()| None),
            }
        })
    }

    pub fn get_range(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        self.wait(key, self.part(key, range, buffer))
    }

    pub fn get_ranges(
        &self,
        key: &str,
        ranges: &[Range<u64>],
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Stat>, StoreError> {
        if let [Range { start, end }] = ranges {
            let range = ByteRange::At { start: *start, len: end.saturating_sub(*start) };
            return self.get_range(key, range, buffer);
        }
        let mut parts = vec![Vec::new(); ranges.len()];
        let requests = ranges.iter().zip(&mut parts).map(|(range, part)| async move {
            let len = range.end.saturating_sub(range.start);
            self.part(key, ByteRange::At { start: range.start, len }, part).await
        });
        let stats = self.wait(key, try_join_all(requests))?;
        buffer.clear();
        parts.iter().for_each(|part| buffer.extend_from_slice(part));
        match stats.split_first() {
            Some((first, others)) if others.iter().any(|other| other != first) => {
                Err(StoreError::Changed { place: self.place(key) })
            }
            Some((first, _)) => Ok(*first),
            None => Ok(None),
        }
    }

    /// As [`crate::Store::get_part`].
    pub fn get_part(&self, key: &str, part: Range<u64>, sink: &mut dyn Sink) -> Result<Part, StoreError> {
        let wanted = GetRange::Bounded(part.clone());
        self.wait(key, async {
            let answer = match self.request(key, ranged(wanted.clone())).await? {
                Ok(answer) => answer,
                Err(error) if self.may_be_absent(&error) => {
                    return self.absent(key, error).await.map(|()| Part::Absent);
                }
                Err(error) if is_whole(&error) => {
                    self.ignores_ranges.store(true, Ordering::Relaxed);
                    return Ok(Part::NoRanges);
                }
                Err(error) => {
                    return match self.head(key).await? {
                        Ok(meta) if meta.size < part.end => Ok(Part::Shorter(stat(&meta))),
                        _ => Err(self.failed(key, error)),
                    };
                }
            };
            if answer.range != part {
                return Ok(Part::Shorter(stat_of(&answer)));
            }
            self.gives_ranges.store(true, Ordering::Relaxed);
            let arrived = self.body(key, Some(wanted.clone()), u64::MAX, answer, sink).await?;
            Ok(Part::Arrived(arrived.stat))
        })
    }

    /// Part of an object, or as much of it as there is.
    async fn part(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        let wanted = match range {
            ByteRange::At { start, len } => GetRange::Bounded(start..start.saturating_add(len)),
            ByteRange::Last { len } => GetRange::Suffix(len),
        };
        let (wanted, answer) = match self.request(key, ranged(wanted.clone())).await? {
            Ok(answer) => {
                if answer.range != (0..answer.meta.size) {
                    self.gives_ranges.store(true, Ordering::Relaxed);
                }
                (Some(wanted), answer)
            }
            Err(error) if self.may_be_absent(&error) => return self.absent(key, error).await.map(|()| None),
            Err(error) => match self.second_try(key, range, error).await? {
                SecondTry::Answer(wanted, answer) => (wanted, *answer),
                SecondTry::Absent => return Ok(None),
                SecondTry::NothingThere(stat) => {
                    buffer.clear();
                    return Ok(Some(stat));
                }
            },
        };
        let Arrived { stat, start: offset } = self.body(key, wanted, u64::MAX, answer, buffer).await?;
        // Where the server sent more than was asked for, keep what was.
        let (start, len) = match range {
            ByteRange::At { start, len } => (start, len),
            ByteRange::Last { len } => (stat.size.saturating_sub(len), len),
        };
        let skip = start.saturating_sub(offset).min(buffer.len() as u64) as usize;
        buffer.drain(..skip);
        buffer.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(Some(stat))
    }

    /// After a range that the server would not give: there may be no such bytes, or it may not count from the end (Azure),
    /// or not know ranges at all.
    async fn second_try(&self, key: &str, range: ByteRange, error: Error) -> Result<SecondTry, StoreError> {
        if matches!(error, Error::Unauthenticated { .. }) {
            return Err(self.failed(key, error));
        }
        let unsupported = matches!(error, Error::NotSupported { .. });
        let meta = match self.head(key).await? {
            Ok(meta) => meta,
            Err(Error::NotFound { .. }) => return Ok(SecondTry::Absent),
            Err(_) => return Err(self.failed(key, error)),
        };
        let nothing_there = match range {
            ByteRange::At { start, .. } => meta.size <= start,
            ByteRange::Last { .. } => meta.size == 0,
        };
        if nothing_there {
            return Ok(SecondTry::NothingThere(stat(&meta)));
        }
        if !unsupported {
            return Err(self.failed(key, error));
        }
        if let ByteRange::Last { len } = range {
            let bounded = GetRange::Bounded(meta.size.saturating_sub(len)..meta.size);
            match self.request(key, ranged(bounded.clone())).await? {
                Ok(answer) => return Ok(SecondTry::Answer(Some(bounded), Box::new(answer))),
                Err(Error::NotSupported { .. }) => {}
                Err(error) => return Err(self.failed(key, error)),
            }
        }
        if meta.size > self.most_whole {
            return Err(StoreError::NoRanges { place: self.place(key), size: human_bytes(meta.size) });
        }
        self.ignores_ranges.store(true, Ordering::Relaxed);
        match self.request(key, GetOptions::default()).await? {
            Ok(answer) => Ok(SecondTry::Answer(None, Box::new(answer))),
            Err(error) => Err(self.failed(key, error)),
        }
    }
}

/// What came of asking again.
enum SecondTry {
    /// To this range, or to none.
    Answer(Option<GetRange>, Box<GetResult>),
    /// There is no such object.
    Absent,
    /// The object, of this size, ends before the range begins.
    NothingThere(Stat),
}

/// Whether the server answered with a whole object where part of it was asked for.
fn is_whole(error: &Error) -> bool {
    matches!(error, Error::NotSupported { .. }) || chain(error).contains("non-partial response")
}

fn ranged(range: GetRange) -> GetOptions {
    GetOptions { range: Some(range), ..GetOptions::default() }
}
