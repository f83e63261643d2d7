//! Whether a server answers. One that is dead is not asked again: each request would be waited for in full.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// So many requests in a row without an answer, each after all its retries, and the server is dead.
const LAST_REQUESTS: usize = 5;

/// What is known of a server from the requests so far.
#[derive(Debug, Default)]
pub struct Contact {
    has_answered: AtomicBool,
    /// Requests in a row without an answer.
    unanswered: AtomicUsize,
}

impl Contact {
    /// Whether it has ever answered.
    pub fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    /// Notes an answer.
    pub fn answered(&self) {
        self.unanswered.store(0, Ordering::Relaxed);
        self.has_answered.store(true, Ordering::Relaxed);
    }

    /// Notes a request that was not answered.
    pub fn not_answered(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of requests in a row without an answer, if there were enough: one is enough of a server that has never
    /// answered.
    pub fn dead_after(&self) -> Option<usize> {
        let enough = if self.has_answered() { LAST_REQUESTS } else { 1 };
        Some(self.unanswered.load(Ordering::Relaxed)).filter(|requests| *requests >= enough)
    }
}

/// A server that is not asked any more: so many requests in a row had no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dead(pub usize);

impl fmt::Display for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server did not answer the last {} requests", self.0)
    }
}

impl std::error::Error for Dead {}

impl Dead {
    /// The one among the causes of an error.
    pub fn among(error: &(dyn std::error::Error + 'static)) -> Option<Dead> {
        std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_dead_after_its_first_silence_or_after_many_in_a_row() {
        let contact = Contact::default();
        assert_eq!(contact.dead_after(), None);
        contact.not_answered();
        assert_eq!(contact.dead_after(), Some(1), "it has never answered");
        contact.answered();
        for _ in 1..LAST_REQUESTS {
            contact.not_answered();
            assert_eq!(contact.dead_after(), None);
        }
        contact.answered();
        contact.not_answered();
        assert_eq!(contact.dead_after(), None);
        for _ in 1..LAST_REQUESTS {
            contact.not_answered();
        }
        assert_eq!(contact.dead_after(), Some(LAST_REQUESTS));
    }
}
