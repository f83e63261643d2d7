//! Checks of the bytes of an object as they arrive, before it is written: against the checksum that the store has of it, and
//! against the form that its codec gives it.

use std::sync::Arc;

use md5::{Digest, Md5};
use zarray::{Chain, HEAD_BYTES, Hierarchy};
use zstore::{Checksum, METADATA, Stat, Store, StoreError};
use zwire::{Exit, Failure};

use crate::checks::Check;
use crate::md5_batches::Md5Batches;
use crate::md5_streams::Begun;
use crate::part_size::PartSize;
use crate::sums::{Arrival, Sum, Verdict};

/// Number of attempts on an object that arrives corrupt.
pub const TRIES: usize = 5;

/// What is known of the objects of a source store.
#[derive(Debug, Clone)]
pub struct Arrivals {
    /// Whether its ETags are MD5 sums. S3 and Google Cloud Storage have them; with a key of the user's own (SSE-C, SSE-KMS) they
    /// look the same and are none.
    etags_are_md5: bool,
    /// Whether it is worth while to ask again.
    is_remote: bool,
    part_size: Arc<PartSize>,
    batches: Arc<Md5Batches>,
}

impl Arrivals {
    /// Compares a metadata document of the store with its ETag: one that was read with its `hierarchy`, where it was opened as one.
    ///
    /// # Errors
    /// The store's.
    pub fn of(store: &Store, hierarchy: Option<&Hierarchy>) -> Result<Arrivals, StoreError> {
        let mut arrivals = Arrivals {
            etags_are_md5: false,
            is_remote: store.is_remote(),
            part_size: Arc::default(),
            batches: Arc::default(),
        };
        if !arrivals.is_remote {
            return Ok(arrivals);
        }
        for key in METADATA {
            let found = match hierarchy {
                Some(hierarchy) => hierarchy.tagged_document(key)?,
                None => {
                    let mut text = Vec::new();
                    store.get(key, &mut text)?.map(|stat| (stat, text))
                }
            };
            if let Some((stat, text)) = found {
                arrivals.etags_are_md5 = stat.is_tagged_with(Md5::digest(&text).into());
                break;
            }
        }
        Ok(arrivals)
    }

    /// The bytes of the parts in which an object was probably uploaded, where its checksum is that of such parts.
    pub fn uploaded_parts(&self, stat: Stat) -> Option<u64> {
        match stat.checksum? {
            Checksum::EtagParts(_, parts) if self.etags_are_md5 => self.part_size.likely(stat.size, parts),
            _ => None,
        }
    }

    /// Number of attempts on an object.
    pub fn tries(&self) -> usize {
        if self.is_remote { TRIES } else { 1 }
    }

    /// The failure of an object at `place` that was corrupt at every attempt.
    pub fn failure(&self, why: &str, place: String) -> Failure {
        let text = match self.is_remote {
            true => format!("received {TRIES} times, always corrupt: {why}"),
            false => why.to_owned(),
        };
        Failure::new(Exit::Unreadable, text).at(place).hint(match self.etags_are_md5 {
            true => "if only some ETags of the store are MD5 sums, use --verify size",
            false => "the stored object seems damaged; zvalidate --corrupt finds all that are",
        })
    }
}

/// An object that is arriving.
pub struct Received {
    head: Vec<u8>,
    size: u64,
    sum: Option<Sum>,
}

impl Received {
    /// An object of a store.
    pub fn new(arrivals: &Arrivals, stat: Stat) -> Received {
        Received::by(arrivals, stat, Arrival::InOrder)
    }

    /// An object of a store that arrives in a file; see [`Received::read_file`].
    pub fn to_file(arrivals: &Arrivals, stat: Stat) -> Received {
        Received::by(arrivals, stat, Arrival::ToFile)
    }

    /// An object of a store that has arrived whole.
    pub fn whole(arrivals: &Arrivals, stat: Stat, bytes: &mut Vec<u8>) -> Received {
        let mut received = Received::new(arrivals, stat);
        received.head.extend_from_slice(&bytes[..HEAD_BYTES.min(bytes.len())]);
        received.size = bytes.len() as u64;
        received.sum.iter_mut().for_each(|sum| sum.add_whole(bytes, &arrivals.batches));
        received
    }

    fn by(arrivals: &Arrivals, stat: Stat, arrival: Arrival) -> Received {
        let sum = Sum::of(stat, arrivals.etags_are_md5, &arrivals.part_size, arrival);
        Received { head: Vec::new(), size: 0, sum }
    }

    /// The next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        let missing = HEAD_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        self.size += bytes.len() as u64;
        self.sum.iter_mut().for_each(|sum| sum.add(bytes));
    }

    /// Whether all its bytes are needed for the check, and not only the first.
    pub fn needs_all(&self) -> bool {
        self.sum.as_ref().is_some_and(Sum::needs_all)
    }

    /// Reads what the check needs of the file in which the object is; see [`Sum::read_file`].
    ///
    /// # Errors
    /// Those of `read_at`.
    pub fn read_file<E>(
        &mut self,
        begun: Option<&(u64, Vec<Begun>)>,
        read_at: impl FnMut(&mut [u8], u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let size = self.size;
        self.sum.as_mut().map_or(Ok(()), |sum| sum.read_file(size, begun, read_at))
    }

    /// Passes over the next bytes, which are not needed.
    pub fn skip(&mut self, bytes: usize) {
        self.size += bytes as u64;
    }

    /// Checks it, once all bytes are there, and says how; `chain` are the codecs of its array.
    ///
    /// # Errors
    /// Why it is not what the store holds.
    pub fn check(self, chain: &Chain) -> Result<Check, String> {
        let mut done = Check::of_form(chain.form());
        if let Some(sum) = self.sum {
            let check = sum.check();
            match sum.compare() {
                Verdict::Same => done = check,
                Verdict::Different => {
                    return Err(format!("its {} differs from the one that the server has", check.name()));
                }
                Verdict::Unknown => {}
            }
        }
        chain.check_form(&self.head, self.size).map(|()| done)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zstore::Checksum;

    use super::*;

    fn arrive(arrivals: &Arrivals, etag: &[u8], bytes: &[u8]) -> Result<Check, String> {
        let chain = Chain::v2(&json!("<u2"), &[], None, 2).expect("a chain");
        let checksum = Some(Checksum::EtagMd5(Md5::digest(etag).into()));
        let stat = Stat { checksum, ..Stat::new(bytes.len() as u64, 0) };
        let mut received = Received::new(arrivals, stat);
        bytes.chunks(3).for_each(|part| received.add(part));
        received.check(&chain)
    }

    #[test]
    fn a_flipped_byte_is_found_where_etags_are_sums() {
        let sums =
            Arrivals { etags_are_md5: true, is_remote: true, part_size: Arc::default(), batches: Arc::default() };
        assert_eq!(arrive(&sums, b"abcd", b"abcd"), Ok(Check::Md5));
        assert!(arrive(&sums, b"abcd", b"abcE").expect_err("flipped").contains("MD5"));
        let others = Arrivals { etags_are_md5: false, ..sums };
        assert_eq!(arrive(&others, b"abcd", b"abcE"), Ok(Check::Size), "nothing else is known of it");
    }

    #[test]
    fn the_form_is_checked_without_a_sum() {
        let others =
            Arrivals { etags_are_md5: false, is_remote: true, part_size: Arc::default(), batches: Arc::default() };
        assert!(arrive(&others, b"", b"abcde").is_err());
    }
}
