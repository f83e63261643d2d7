//! How objects were checked as they arrived: the ways by name, and how many objects each has seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How an object was checked as it arrived, the weakest way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// By its size.
    Size,
    /// By the first bytes that its compressor writes.
    Header,
    /// By its Blosc header.
    Blosc,
    /// By the index of its inner chunks.
    ShardIndex,
    /// By its CRC-32.
    Crc32,
    /// By its CRC-32C.
    Crc32c,
    /// By its CRC-64/NVME.
    Crc64Nvme,
    /// By the MD5 of the MD5s of its parts.
    PartsMd5,
    /// By its MD5.
    Md5,
    /// By its SHA-1.
    Sha1,
    /// By its SHA-256.
    Sha256,
    /// By decoding all its chunks.
    Decode,
}

impl Check {
    const ALL: [Check; 12] = [
        Check::Size,
        Check::Header,
        Check::Blosc,
        Check::ShardIndex,
        Check::Crc32,
        Check::Crc32c,
        Check::Crc64Nvme,
        Check::PartsMd5,
        Check::Md5,
        Check::Sha1,
        Check::Sha256,
        Check::Decode,
    ];

    /// The check of a form, by its name in `zarray`.
    pub fn of_form(form: &str) -> Check {
        match form {
            "size" => Check::Size,
            "blosc" => Check::Blosc,
            _ => Check::Header,
        }
    }

    /// Its name in records.
    pub fn key(self) -> &'static str {
        match self {
            Check::Size => "size",
            Check::Header => "header",
            Check::Blosc => "blosc",
            Check::ShardIndex => "shard_index",
            Check::Crc32 => "crc32",
            Check::Crc32c => "crc32c",
            Check::Crc64Nvme => "crc64nvme",
            Check::PartsMd5 => "parts_md5",
            Check::Md5 => "md5",
            Check::Sha1 => "sha1",
            Check::Sha256 => "sha256",
            Check::Decode => "decode",
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Check::Size | Check::Header | Check::Blosc | Check::ShardIndex => "form",
            Check::Crc32 => "CRC-32",
            Check::Crc32c => "CRC-32C",
            Check::Crc64Nvme => "CRC-64/NVME",
            Check::PartsMd5 => "MD5 of parts",
            Check::Md5 => "MD5",
            Check::Sha1 => "SHA-1",
            Check::Sha256 => "SHA-256",
            Check::Decode => "content",
        }
    }
}

/// Number of objects that were checked in each way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checks([u64; Check::ALL.len()]);

impl Checks {
    /// Counts those of other objects.
    pub fn add(&mut self, others: &Checks) {
        self.0.iter_mut().zip(others.0).for_each(|(number, other)| *number += other);
    }

    /// The names of the ways in records, each with its number.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Check::ALL.iter().zip(self.0).filter(|(_, number)| *number > 0).map(|(check, number)| (check.key(), number))
    }

    /// Whether nothing was checked.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|number| *number == 0)
    }
}

impl Serialize for Checks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.counts())
    }
}

impl<'de> Deserialize<'de> for Checks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Checks, D::Error> {
        let counts = BTreeMap::<String, u64>::deserialize(deserializer)?;
        Ok(Checks(Check::ALL.map(|check| counts.get(check.key()).copied().unwrap_or(0))))
    }
}

impl From<Option<Check>> for Checks {
    fn from(check: Option<Check>) -> Checks {
        let mut checks = Checks::default();
        check.into_iter().for_each(|check| checks.0[check as usize] += 1);
        checks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_named_and_counted() {
        let mut checks = Checks::default();
        assert!(checks.is_empty());
        (0..3).for_each(|_| checks.add(&Some(Check::Crc32c).into()));
        checks.add(&Some(Check::Size).into());
        let text = serde_json::to_string(&checks).expect("serializes");
        assert_eq!(text, r#"{"size":1,"crc32c":3}"#);
        assert_eq!(serde_json::from_str::<Checks>(&text).expect("parses"), checks);
        assert!(Check::ALL.iter().enumerate().all(|(number, check)| *check as usize == number));
    }
}
