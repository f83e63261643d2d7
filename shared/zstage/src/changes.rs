//! Source objects that another program replaces while they are read, or has replaced since an earlier run read them.

use std::sync::atomic::{AtomicU64, Ordering};

use zwire::{Exit, Failure, human_counted};

use crate::options::OnChange;

/// Counts them, or ends the run with the first.
pub struct Changes {
    on_change: OnChange,
    count: AtomicU64,
}

impl Changes {
    pub fn new(on_change: OnChange) -> Changes {
        Changes { on_change, count: AtomicU64::new(0) }
    }

    /// The object at `place` has changed and is going to be read again.
    ///
    /// # Errors
    /// [`Exit::Output`] with [`OnChange::Stop`].
    pub fn met(&self, place: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.on_change == OnChange::Stop {
            let failure = Failure::new(Exit::Output, "was changed by another program since it was first read");
            return Err(failure.at(place()).hint("use --on-change refetch to read it again"));
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// What to tell the user at the end.
    pub fn warning(&self) -> Option<String> {
        let count = self.count.load(Ordering::Relaxed);
        let objects = human_counted(count, "source object");
        (count > 0).then(|| format!("{objects} changed since first read, and read again"))
    }
}
