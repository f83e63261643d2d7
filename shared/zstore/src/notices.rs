//! What a user should know of the stores of this process, and what is no error. Each is said once.

use std::collections::BTreeSet;

use parking_lot::Mutex;

static NOTICES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes something.
pub(crate) fn add(text: String) {
    NOTICES.lock().insert(text);
}

/// Takes what was noted since the last call.
pub fn take_notices() -> Vec<String> {
    std::mem::take(&mut *NOTICES.lock()).into_iter().collect()
}
