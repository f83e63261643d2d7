//! What is known of a server's answers for missing objects.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// What is known of a server's answers for missing objects.
pub struct Absence {
    /// The status that stands for a missing object by the user's word.
    pub status: Option<u16>,
    /// An object that is there.
    pub known: Mutex<Option<String>>,
    /// Whether any chunk was read, and not only documents.
    pub has_data: AtomicBool,
    /// Whether what is missing is forbidden, by the first part of the key.
    pub masked: Mutex<HashMap<String, bool>>,
}

impl Absence {
    pub fn new(status: Option<u16>) -> Absence {
        Absence { status, known: Mutex::default(), has_data: AtomicBool::new(false), masked: Mutex::default() }
    }

    /// An object was there; its bytes or only its head were asked for.
    pub fn found(&self, key: &str, head: bool) {
        self.has_data.fetch_or(!head && is_chunk(key), Ordering::Relaxed);
        self.known.lock().get_or_insert_with(|| key.to_owned());
    }
}

/// Whether a key has the form of a chunk's, such as `0.0`, `c/0/0` and `c`.
pub fn is_chunk(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    let index = name.strip_prefix('c').unwrap_or(name);
    !name.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_told_from_documents() {
        for key in ["t2m/0.0.0", "t2m/12", "a/c/0/1", "a/c.0.1", "a/c", "0"] {
            assert!(is_chunk(key), "{key}");
        }
        for key in ["zarr.json", "t2m/.zarray", ".nczarr", "attributes.json", "a/.zattrs", "", "chunk"] {
            assert!(!is_chunk(key), "{key}");
        }
    }
}
