//! Checksums of objects, computed while they arrive and compared with those that their server has.

use std::sync::Arc;

use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use zstore::{Checksum, Stat};

use crate::checks::Check;
use crate::md5_batches::Md5Batches;
use crate::md5_lanes::{Message, sums_of_ranges};
use crate::md5_streams::Begun;
use crate::part_size::{PartSize, Search};

/// The checksum of an object that is arriving.
pub struct Sum {
    state: State,
    check: Check,
    /// Whether another one proves that the object is corrupt.
    is_certain: bool,
}

enum State {
    Crc(crc_fast::Digest, u64),
    Md5(Md5, [u8; 16]),
    /// The MD5 is known already; of parts, only if a size of theirs was found.
    Known(Option<[u8; 16]>, [u8; 16]),
    Sha(Context, Vec<u8>),
    Parts(Vec<Parts>, [u8; 16], Option<Search>),
    /// As [`State::Parts`], for an object that will be in a file: sizes that parts may have.
    PartsOfFile(Vec<u64>, [u8; 16], Option<Search>),
}

/// How the bytes of an object come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// One after the other.
    InOrder,
    /// To a file, in any order.
    ToFile,
}

/// What came of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They are the same.
    Same,
    /// They are not: the object is corrupt.
    Different,
    /// Nothing is known of the object.
    Unknown,
}

impl Sum {
    /// The sum of an object with these properties; `etags_are_md5` says what an ETag is worth, `part_size` what is known of the parts
    /// of the store's objects.
    pub fn of(stat: Stat, etags_are_md5: bool, part_size: &Arc<PartSize>, arrival: Arrival) -> Option<Sum> {
        let crc = |algorithm, sum| State::Crc(crc_fast::Digest::new(algorithm), sum);
        let (check, state) = match stat.checksum? {
            Checksum::Crc32(sum) => (Check::Crc32, crc(CrcAlgorithm::Crc32IsoHdlc, sum.into())),
            Checksum::Crc32c(sum) => (Check::Crc32c, crc(CrcAlgorithm::Crc32Iscsi, sum.into())),
            Checksum::Crc64Nvme(sum) => (Check::Crc64Nvme, crc(CrcAlgorithm::Crc64Nvme, sum)),
            Checksum::Md5(sum) => (Check::Md5, State::Md5(Md5::new(), sum)),
            Checksum::Sha1(sum) => (Check::Sha1, State::Sha(Context::new(&SHA1_FOR_LEGACY_USE_ONLY), sum.into())),
            Checksum::Sha256(sum) => (Check::Sha256, State::Sha(Context::new(&SHA256), sum.into())),
            Checksum::EtagMd5(sum) if etags_are_md5 => (Check::Md5, State::Md5(Md5::new(), sum)),
            Checksum::EtagParts(sum, parts) if etags_are_md5 => {
                let (sizes, search) = part_size.guesses(stat.size, parts);
                let state = match arrival {
                    Arrival::InOrder => State::Parts(sizes.into_iter().map(Parts::new).collect(), sum, search),
                    Arrival::ToFile => State::PartsOfFile(sizes, sum, search),
                };
                (Check::PartsMd5, state)
            }
            Checksum::EtagMd5(_) | Checksum::EtagParts(..) => return None,
        };
        // The size of the parts is a guess, unless there is only one.
        let is_certain = !matches!(stat.checksum, Some(Checksum::EtagParts(_, 2..)));
        Some(Sum { state, check, is_certain })
    }

    /// What it is.
    pub fn check(&self) -> Check {
        self.check
    }

    /// The next bytes of the object.
    pub fn add(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc(digest, _) => digest.update(bytes),
            State::Md5(digest, _) => digest.update(bytes),
            State::Sha(context, _) => context.update(bytes),
            State::Parts(guesses, ..) => guesses.iter_mut().for_each(|parts| parts.add(bytes)),
            State::Known(..) | State::PartsOfFile(..) => {}
        }
    }

    /// Takes all bytes of the object at once.
    pub fn add_whole(&mut self, bytes: &mut Vec<u8>, batches: &Md5Batches) {
        match &self.state {
            State::Md5(_, expected) => self.state = State::Known(Some(batches.sum(bytes)), *expected),
            _ => self.add(bytes),
        }
    }

    /// Whether all bytes are needed, in order.
    pub fn needs_all(&self) -> bool {
        !matches!(self.state, State::PartsOfFile(..))
    }

    /// Reads what it needs of the object, which is `size` bytes in a file. Of parts of one size, sums may have been `begun` as they
    /// arrived.
    ///
    /// # Errors
    /// Those of `read_at`.
    pub fn read_file<E>(
        &mut self,
        size: u64,
        begun: Option<&(u64, Vec<Begun>)>,
        mut read_at: impl FnMut(&mut [u8], u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let State::PartsOfFile(guesses, expected, search) = &self.state else { return Ok(()) };
        let mut found = None;
        for part in guesses {
            let begun = begun.filter(|(bytes, _)| bytes == part).map_or(&[][..], |(_, begun)| begun);
            let starts = (0..size).step_by(*part as usize).enumerate();
            let messages: Vec<_> = starts
                .map(|(number, start)| Message {
                    range: start..(start + part).min(size),
                    begun: begun.get(number).copied().unwrap_or_default(),
                })
                .collect();
            let sum: [u8; 16] = Md5::digest(sums_of_ranges(&messages, &mut read_at)?.concat()).into();
            if sum == *expected {
                found = Some(sum);
                search.iter().for_each(|search| search.found(*part));
                break;
            }
        }
        self.state = State::Known(found, *expected);
        Ok(())
    }

    /// Compares, once all bytes are there.
    pub fn compare(self) -> Verdict {
        let same = match self.state {
            State::Crc(digest, expected) => digest.finalize() == expected,
            State::Md5(digest, expected) => digest.finalize().as_slice() == expected,
            State::Known(found, expected) => found == Some(expected),
            State::PartsOfFile(..) => false,
            State::Sha(context, expected) => context.finish().as_ref() == expected,
            State::Parts(guesses, expected, search) => {
                let mut sums = guesses.into_iter().map(|parts| (parts.size, parts.finish()));
                let found = sums.find(|(_, sum)| *sum == expected).map(|(size, _)| size);
                found.iter().for_each(|size| search.iter().for_each(|search| search.found(*size)));
                found.is_some()
            }
        };
        match (same, self.is_certain) {
            (true, _) => Verdict::Same,
            (false, true) => Verdict::Different,
            (false, false) => Verdict::Unknown,
        }
    }
}

/// The MD5s of the parts of an object, whose size is a guess.
struct Parts {
    size: u64,
    /// Bytes missing of the part that is being filled.
    missing: u64,
    part: Md5,
    sums: Md5,
}

impl Parts {
    fn new(size: u64) -> Parts {
        Parts { size, missing: size, part: Md5::new(), sums: Md5::new() }
    }

    fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.missing == 0 {
                self.end_part();
            }
            let len = usize::try_from(self.missing).unwrap_or(usize::MAX).min(bytes.len());
            self.part.update(&bytes[..len]);
            self.missing -= len as u64;
            bytes = &bytes[len..];
        }
    }

    fn end_part(&mut self) {
        let part = std::mem::replace(&mut self.part, Md5::new());
        self.sums.update(part.finalize());
        self.missing = self.size;
    }

    fn finish(mut self) -> [u8; 16] {
        self.end_part();
        self.sums.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(checksum: Checksum, bytes: &[u8]) -> Verdict {
        let stat = Stat { checksum: Some(checksum), ..Stat::new(bytes.len() as u64, 0) };
        let sum = |arrival| Sum::of(stat, true, &Arc::default(), arrival).expect("a sum");
        let mut in_order = sum(Arrival::InOrder);
        bytes.chunks(7 << 10).for_each(|part| in_order.add(part));
        let in_order = in_order.compare();
        let mut whole = sum(Arrival::InOrder);
        whole.add_whole(&mut bytes.to_vec(), &Md5Batches::default());
        assert_eq!(whole.compare(), in_order, "at once");
        let mut to_file = sum(Arrival::ToFile);
        if to_file.needs_all() {
            to_file.add(bytes);
        }
        let read_at = |target: &mut [u8], start: u64| {
            target.copy_from_slice(&bytes[start as usize..][..target.len()]);
            Ok::<(), ()>(())
        };
        to_file.read_file(bytes.len() as u64, None, read_at).expect("reads");
        assert_eq!(to_file.compare(), in_order, "from a file");
        in_order
    }

    /// The check values of the catalogues, of `123456789`.
    #[test]
    fn known_sums_are_found_and_flipped_bytes_as_well() {
        let md5 = Md5::digest(b"123456789").into();
        let sha = |algorithm| ring::digest::digest(algorithm, b"123456789").as_ref().to_vec();
        for checksum in [
            Checksum::Crc32(0xcbf4_3926),
            Checksum::Crc32c(0xe306_9283),
            Checksum::Crc64Nvme(0xae8b_1486_0a79_9888),
            Checksum::Md5(md5),
            Checksum::EtagMd5(md5),
            Checksum::EtagParts(Md5::digest(Md5::digest(b"123456789")).into(), 1),
            Checksum::Sha1(sha(&SHA1_FOR_LEGACY_USE_ONLY).try_into().expect("20 bytes")),
            Checksum::Sha256(sha(&SHA256).try_into().expect("32 bytes")),
        ] {
            assert_eq!(verdict(checksum, b"123456789"), Verdict::Same, "{checksum:?}");
            assert_eq!(verdict(checksum, b"123456788"), Verdict::Different, "{checksum:?}");
        }
    }

    #[test]
    fn an_etag_is_believed_only_where_the_store_is_known_for_it() {
        let stat = Stat { checksum: Some(Checksum::EtagMd5([0; 16])), ..Stat::new(1, 0) };
        assert!(
            Sum::of(stat, false, &Arc::default(), Arrival::InOrder).is_none()
                && Sum::of(Stat::new(1, 0), true, &Arc::default(), Arrival::InOrder).is_none()
        );
    }

    #[test]
    fn the_size_of_parts_is_guessed() {
        let bytes: Vec<u8> = (0..20_500_000u32).map(|index| (index >> 5) as u8).collect();
        for (part, parts) in [(8 << 20, 3), (5 << 20, 4), (7 << 20, 3), (16 << 20, 2), (10_000_000, 3)] {
            let sums: Vec<u8> = bytes.chunks(part).flat_map(|part| Md5::digest(part).to_vec()).collect();
            let etag = Checksum::EtagParts(Md5::digest(&sums).into(), parts);
            assert_eq!(verdict(etag, &bytes), Verdict::Same, "{part}");
            // Another size of parts would give another sum as well.
            assert_eq!(verdict(etag, &bytes[1..]), Verdict::Unknown, "{part}");
        }
        assert_eq!(verdict(Checksum::EtagParts([0; 16], 9999), &bytes), Verdict::Unknown);
    }
}
