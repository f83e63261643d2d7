//! What tells one version of an object from another.

use object_store::{GetResult, ObjectMeta};

use crate::{Checksum, Stat};

/// Size and tag out of the head of an answer.
pub fn stat(meta: &ObjectMeta) -> Stat {
    let modified = meta.last_modified.timestamp_nanos_opt().unwrap_or_default();
    let tag = meta.e_tag.as_deref().map_or_else(|| fnv1a(&modified.to_le_bytes()), etag_number);
    Stat { size: meta.size, tag, checksum: meta.e_tag.as_deref().and_then(Checksum::of_etag) }
}

/// Size, tag and checksum out of an answer. The headers of the whole object go before its ETag.
pub fn stat_of(answer: &GetResult) -> Stat {
    let stat = stat(&answer.meta);
    Stat { checksum: answer.extensions.get::<Checksum>().copied().or(stat.checksum), ..stat }
}

impl Stat {
    /// Whether the ETag of the object is this MD5.
    pub fn is_tagged_with(&self, md5: [u8; 16]) -> bool {
        let digits: String = md5.iter().map(|byte| format!("{byte:02x}")).collect();
        self.tag == etag_number(&digits)
    }
}

/// An ETag as a number. Azure puts it into quotation marks in answers about an object, and not in lists.
pub fn etag_number(etag: &str) -> u64 {
    fnv1a(etag.trim_matches('"').as_bytes())
}

/// The 64-bit FNV-1a hash: the same in every version of this program, for tags are written down.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
