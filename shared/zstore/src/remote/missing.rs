//! Which objects are not there. 404 says so. 403 may say so as well: S3 does not tell those who may not list a bucket whether
//! an object is missing or forbidden. It is then found out what the server says of an object that is certainly not there.

use std::time::Instant;

use tokio::time::sleep;

use super::absence::is_chunk;
use super::*;
use crate::{METADATA, notices};

impl RemoteStore {
    /// Whether an error may say that an object is not there.
    pub(super) fn may_be_absent(&self, error: &Error) -> bool {
        matches!(error, Error::NotFound { .. } | Error::PermissionDenied { .. }) || self.is_missing_status(error)
    }

    /// Whether the status is one that stands for a missing object by the user's word.
    fn is_missing_status(&self, error: &Error) -> bool {
        self.absence.status.is_some() && Trouble::of(&chain(error), self.sender).status() == self.absence.status
    }

    /// Of an object that cannot be read: nothing if it is not there, else why.
    pub(super) async fn absent(&self, key: &str, error: Error) -> Result<(), StoreError> {
        let is_denial = matches!(error, Error::PermissionDenied { .. });
        if self.is_missing_status(&error) {
            return Ok(());
        }
        match self.failed(key, error) {
            StoreError::Absent { .. } => Ok(()),
            StoreError::Denied { source, .. }
                if is_denial && is_forbidden(source.as_ref()) && self.is_masked(key).await? =>
            {
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Whether a forbidden object is taken for a missing one: it has no head either, others of its store can be read at this moment,
    /// and one that is certainly not there is forbidden as well.
    async fn is_masked(&self, key: &str) -> Result<bool, StoreError> {
        // The readable object is asked for after the denial, and the denial is confirmed after that: access may end at any moment.
        let is_denied_now = || async { Ok::<bool, StoreError>(is_denied(&self.head(key).await?)) };
        if !self.is_readable().await?
            || !self.masks(key).await?
            || !is_denied_now().await?
            || !self.is_readable().await?
        {
            return Ok(false);
        }
        if !is_chunk(key) {
            return Ok(true);
        }
        // Where metadata is public and data is not, nothing but metadata can be read.
        if !self.has_data().await {
            return Err(StoreError::Hidden { place: self.place(key) });
        }
        let text = "the server answers 403 for objects that do not exist; 403 is taken for missing";
        notices::add(format!("{}: {text} (--missing-status 403)", self.url));
        Ok(true)
    }

    /// Whether the server forbids what is certainly not there, beside this key.
    async fn masks(&self, key: &str) -> Result<bool, StoreError> {
        let (first, rest) = key.split_once('/').unwrap_or(("", key));
        if let Some(masked) = self.absence.masked.lock().get(first) {
            return Ok(*masked);
        }
        let above = rest.rsplit_once('/').map_or(String::new(), |(above, _)| format!("{above}/"));
        // It starts as no chunk does.
        let nowhere = format!("{first}/{above}nothing-{}", unique());
        let answer = self.head(nowhere.trim_start_matches('/')).await?;
        let masked = is_denied(&answer);
        // Any other error is of this moment.
        if masked || matches!(answer, Err(Error::NotFound { .. })) {
            self.absence.masked.lock().insert(first.to_owned(), masked);
        }
        Ok(masked)
    }

    /// Whether a chunk has been read; those that are under way are waited for.
    async fn has_data(&self) -> bool {
        let until = Instant::now() + self.transport.clocks.connect;
        let has_data = || self.absence.has_data.load(Ordering::Relaxed);
        while !has_data() && Instant::now() < until {
            sleep(ATTENTION / 4).await;
        }
        has_data()
    }

    /// Whether any object can be read at this moment: one that was, or one of those that every store has. A server that has had
    /// enough refuses everything.
    async fn is_readable(&self) -> Result<bool, StoreError> {
        let known = self.absence.known.lock().clone();
        if let Some(key) = known {
            return Ok(self.head(&key).await?.is_ok());
        }
        for document in METADATA {
            if self.head(document).await?.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_forbidden(source: &(dyn std::error::Error + 'static)) -> bool {
    source.downcast_ref::<Trouble>().is_some_and(Trouble::is_forbidden)
}

fn is_denied(answer: &object_store::Result<ObjectMeta>) -> bool {
    matches!(answer, Err(Error::PermissionDenied { .. }))
}
