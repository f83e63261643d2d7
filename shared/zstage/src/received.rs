//! Checks of the bytes of an object as they arrive, before it is written: against its MD5, where the store has one, and against
//! the form that its codec gives it.

use std::sync::atomic::{AtomicU8, Ordering};

use md5::{Digest, Md5};
use zarray::{Chain, HEAD_BYTES};
use zstore::Stat;

/// Whether the ETags of a store are MD5 sums. S3 and Google Cloud Storage have them; with a key of the user's own (SSE-C,
/// SSE-KMS) they look the same and are none.
#[derive(Debug, Default)]
pub struct EtagKind(AtomicU8);

const UNKNOWN: u8 = 0;
const MD5: u8 = 1;
const OTHER: u8 = 2;

impl EtagKind {
    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An object that is arriving.
pub struct Received {
    head: Vec<u8>,
    size: u64,
    md5: Option<Md5>,
}

/// What was found about an object that arrived in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// It is what the store holds, by this check.
    Verified(&'static str),
    /// Nothing speaks against it.
    Plausible,
    /// It is not what it should be, for this reason.
    Corrupt(String),
}

impl Received {
    /// An object whose ETag may be an MD5 sum.
    pub fn new(kind: &EtagKind, stat: Stat) -> Received {
        let looks_like_it = stat.md5.is_some() && kind.get() != OTHER;
        Received { head: Vec::new(), size: 0, md5: looks_like_it.then(Md5::new) }
    }

    /// The next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        let missing = HEAD_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        self.size += bytes.len() as u64;
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// What is known once all bytes are there. `before` is the sum of the last attempt, if that differed from the ETag: equal
    /// bytes received twice mean that the ETag is no MD5, unless those of other objects of the store were.
    pub fn end(self, kind: &EtagKind, stat: Stat, chain: &Chain, before: &mut Option<[u8; 16]>) -> Arrival {
        if let Err(why) = chain.check_form(&self.head, self.size) {
            return Arrival::Corrupt(why);
        }
        let (Some(md5), Some(expected)) = (self.md5, stat.md5) else { return Arrival::Plausible };
        let found: [u8; 16] = md5.finalize().into();
        if found == expected {
            kind.0.store(MD5, Ordering::Relaxed);
            return Arrival::Verified("md5");
        }
        if kind.get() == UNKNOWN && before.replace(found) == Some(found) {
            kind.0.store(OTHER, Ordering::Relaxed);
            return Arrival::Plausible;
        }
        Arrival::Corrupt("its MD5 differs from the one in its ETag".into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chain() -> Chain {
        Chain::v2(&json!("<u2"), &[], None, 2).expect("a chain")
    }

    fn arrive(kind: &EtagKind, etag: [u8; 16], bytes: &[u8], before: &mut Option<[u8; 16]>) -> Arrival {
        let stat = Stat { md5: Some(etag), ..Stat::new(bytes.len() as u64, 0) };
        let mut received = Received::new(kind, stat);
        bytes.chunks(3).for_each(|part| received.add(part));
        received.end(kind, stat, &chain(), before)
    }

    fn sum(bytes: &[u8]) -> [u8; 16] {
        Md5::digest(bytes).into()
    }

    #[test]
    fn a_flipped_byte_is_found_where_etags_are_sums() {
        let kind = EtagKind::default();
        assert_eq!(arrive(&kind, sum(b"abcd"), b"abcd", &mut None), Arrival::Verified("md5"));
        let mut before = None;
        for _ in 0..3 {
            assert!(matches!(arrive(&kind, sum(b"abcd"), b"abcE", &mut before), Arrival::Corrupt(_)));
        }
    }

    #[test]
    fn etags_that_only_look_like_sums_are_let_be() {
        let (kind, mut before) = (EtagKind::default(), None);
        assert!(matches!(arrive(&kind, [7; 16], b"abcd", &mut before), Arrival::Corrupt(_)), "once more");
        assert_eq!(arrive(&kind, [7; 16], b"abcd", &mut before), Arrival::Plausible);
        assert_eq!(arrive(&kind, [8; 16], b"efgh", &mut None), Arrival::Plausible);
        let mut other = None;
        let kind = EtagKind::default();
        assert!(matches!(arrive(&kind, sum(b"abcd"), b"abcE", &mut other), Arrival::Corrupt(_)));
        assert_eq!(
            arrive(&kind, sum(b"abcd"), b"abcd", &mut other),
            Arrival::Verified("md5"),
            "the second time it is right"
        );
    }

    #[test]
    fn the_form_is_checked_without_a_sum() {
        let kind = EtagKind::default();
        let mut received = Received::new(&kind, Stat::new(5, 0));
        received.add(b"abcde");
        assert!(matches!(received.end(&kind, Stat::new(5, 0), &chain(), &mut None), Arrival::Corrupt(_)));
    }
}
