//! Objects of lists without ETags: compared with what was read, every object would seem to have changed.

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::{Error, ObjectMeta};

use super::RemoteStore;
use crate::StoreError;

/// Objects asked for at once.
const AT_ONCE: usize = 64;

impl RemoteStore {
    /// The objects of a page with the ETags that answers about them have.
    pub(super) fn with_etags(&self, prefix: &str, objects: Vec<ObjectMeta>) -> Result<Vec<ObjectMeta>, StoreError> {
        if objects.iter().all(|meta| meta.e_tag.is_some()) {
            return Ok(objects);
        }
        let ask = |meta: ObjectMeta| async move {
            let key = self.object(meta.clone()).key;
            match self.head(&key).await? {
                Ok(now) => Ok(now),
                // Removed meanwhile.
                Err(Error::NotFound { .. }) => Ok(meta),
                Err(error) => Err(self.failed(&key, error)),
            }
        };
        self.wait(prefix, stream::iter(objects).map(ask).buffered(AT_ONCE).try_collect())
    }
}
