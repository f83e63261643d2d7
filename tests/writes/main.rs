//! Writing to stores: the same promises for a directory and for every cloud, and a clear end where a server fails.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod failures;
mod guards;
mod promises;
mod requests;

use std::ffi::OsStr;
use std::time::Duration;

use harness::{Fault, ObjectServer, tree};
use tempfile::TempDir;
use zstore::{Stat, Store, StoreOptions};

/// No request of these tests may take longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// More than one part, and the last one a small one.
const LARGE: usize = (20 << 20) + 12345;

/// A bucket that can be written, and the directory behind it.
struct Bucket {
    directory: TempDir,
    server: ObjectServer,
}

impl Bucket {
    fn with(faults: Vec<Fault>) -> Bucket {
        let directory = tempfile::tempdir().unwrap();
        let server = ObjectServer::start_writable(directory.path(), faults);
        Bucket { directory, server }
    }

    /// The store by the address of each cloud.
    fn clouds(&self) -> [String; 3] {
        // With the account in its name, Azure needs no environment.
        let azure = "abfss://bucket@account.dfs.core.windows.net/az.zarr".to_owned();
        [self.server.s3_url("s3.zarr"), self.server.gs_url("gs.zarr"), azure]
    }

    fn create(&self, url: &str) -> Store {
        create(url, &self.options())
    }

    fn options(&self) -> StoreOptions {
        StoreOptions {
            anonymous: true,
            endpoint: Some(self.server.endpoint().into()),
            timeout: PATIENCE,
            ..StoreOptions::default()
        }
    }

    /// Keys of all objects behind the server.
    fn keys(&self) -> Vec<String> {
        tree(self.directory.path()).into_keys().filter(|key| !key.ends_with('/')).collect()
    }
}

fn create(name: &str, options: &StoreOptions) -> Store {
    Store::create(OsStr::new(name), options).unwrap()
}

/// Bytes that are nowhere the same.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index.wrapping_mul(2654435761) >> 11) as u8).collect()
}

fn get(store: &Store, key: &str) -> Option<(Vec<u8>, Stat)> {
    let mut buffer = Vec::new();
    let stat = store.get(key, &mut buffer).unwrap()?;
    Some((buffer, stat))
}
