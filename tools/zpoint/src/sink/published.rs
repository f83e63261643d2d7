//! A sink that renames its output and sidecars to their final names at the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zarray::Pool;
use zstage::NewStore;
use zwire::{Exit, Failure};

use super::staging::Staged;
use super::uploaded::Uploaded;
use super::{Sink, Written};
use crate::batch::Batch;

/// A sink with the files to publish.
pub struct Published {
    /// The sink that writes to the temporary names.
    pub inner: Box<dyn Sink + Send>,
    /// Published first.
    pub sidecars: Vec<Staged>,
    /// Published last, so that its presence means the output is complete.
    pub main: Main,
}

/// The output itself.
pub enum Main {
    /// A file, or a directory of partitions.
    Staged(Staged),
    /// A file that is uploaded when it is complete.
    Uploaded(Box<Uploaded>),
    /// A Zarr store, shared with the sink that writes it.
    Store(Arc<NewStore>),
}

impl Main {
    fn publish(self) -> Result<PathBuf, Failure> {
        match self {
            Main::Staged(staged) => staged.publish(),
            Main::Uploaded(uploaded) => uploaded.publish(),
            Main::Store(store) => {
                let unshared = Arc::into_inner(store);
                let store = unshared.ok_or_else(|| Failure::new(Exit::Bug, "the store is still being written"))?;
                Ok(store.publish()?.to_string().into())
            }
        }
    }
}

impl Sink for Published {
    fn write(&mut self, batch: &Batch, pool: &Pool) -> Result<u64, Failure> {
        self.inner.write(batch, pool)
    }

    fn buffered(&self) -> u64 {
        self.inner.buffered()
    }

    fn relieve(&mut self, pool: &Pool) -> Result<(), Failure> {
        self.inner.relieve(pool)
    }

    fn finish(self: Box<Self>) -> Result<Written, Failure> {
        let Published { inner, sidecars, main } = *self;
        let mut written = inner.finish()?;
        for staged in sidecars {
            written.paths.push(staged.publish()?);
        }
        written.paths.push(main.publish()?);
        Ok(written)
    }
}

/// Path of a sidecar: `out.csv` and `columns.jsonl` give `out.csv.columns.jsonl`, so that `out.parquet` has another one.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sidecars_have_the_name_of_the_output() {
        for (path, expected) in
            [("out.csv", "out.csv.columns.jsonl"), ("a/b.zarr", "a/b.zarr.columns.jsonl"), ("x", "x.columns.jsonl")]
        {
            assert_eq!(beside(Path::new(path), "columns.jsonl"), Path::new(expected));
        }
    }
}
