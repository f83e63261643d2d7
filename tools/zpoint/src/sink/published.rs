//! A sink whose output gets its name at the end, with what stands beside it.

use std::path::{Path, PathBuf};

use zarray::Pool;
use zwire::Failure;

use super::staging::Staged;
use super::{Sink, Written};
use crate::batch::Batch;

/// A sink, and the names that its output will have.
pub struct Published {
    /// What writes to the temporary names.
    pub inner: Box<dyn Sink + Send>,
    /// Published first.
    pub sidecars: Vec<Staged>,
    /// Published last: who sees it sees everything.
    pub main: Staged,
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
        for staged in sidecars.into_iter().chain([main]) {
            written.paths.push(staged.publish()?);
        }
        Ok(written)
    }
}

/// `out.csv` and `columns.jsonl` make `out.columns.jsonl`.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sidecars_have_the_stem_of_the_output() {
        for (path, expected) in
            [("out.csv", "out.columns.jsonl"), ("a/b.c.zarr", "a/b.c.columns.jsonl"), ("x", "x.columns.jsonl")]
        {
            assert_eq!(beside(Path::new(path), "columns.jsonl"), Path::new(expected));
        }
    }
}
