//! A file for a URL: written to a temporary local file, and uploaded once it is complete.

use std::env;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;

use zstore::{AtomicFile, Location, Store};
use zwire::{Exit, Failure};

use super::Options;
use super::failure::write_failed;

/// Bytes read and uploaded at once.
const PIECE: usize = 8 << 20;

/// An output that is not uploaded yet. If dropped before [`Uploaded::publish`], it leaves nothing behind.
pub struct Uploaded {
    file: AtomicFile,
    /// What is above the object, and its key there.
    store: Store,
    key: String,
    overwrite: bool,
}

impl Uploaded {
    /// Creates the temporary file.
    ///
    /// # Errors
    /// The object exists and is not to be replaced; the store or the directory for temporary files cannot be written.
    pub fn begin(location: &Location, options: &Options) -> Result<Uploaded, Failure> {
        let nameless = || Failure::usage("has no name for a file").at(location).hint("add one, such as rows.csv");
        let (above, key) = location.parent().ok_or_else(nameless)?;
        let store = Store::create_at(&above, &options.store)?;
        let temporary = env::temp_dir().join(&key);
        let file = AtomicFile::create(&temporary).map_err(|error| write_failed(temporary.display(), &error))?;
        let uploaded = Uploaded { file, store, key, overwrite: options.overwrite };
        uploaded.refuse_existing()?;
        Ok(uploaded)
    }

    fn refuse_existing(&self) -> Result<(), Failure> {
        if self.overwrite || self.store.stat(&self.key)?.is_none() {
            return Ok(());
        }
        let failure = Failure::new(Exit::Output, "already exists").at(self.place());
        Err(failure.hint("use --overwrite, or choose another name"))
    }

    /// The URL, for messages.
    pub fn place(&self) -> String {
        self.store.place(&self.key)
    }

    /// The temporary file, opened for writing from the start.
    ///
    /// # Errors
    /// An I/O error.
    pub fn file(&self) -> Result<File, Failure> {
        self.file.file().try_clone().map_err(|error| write_failed(self.file.path().display(), &error))
    }

    /// Uploads the file.
    ///
    /// # Errors
    /// An I/O error, a failure of the store, or another process has created the object in the meantime.
    pub fn publish(self) -> Result<PathBuf, Failure> {
        self.refuse_existing()?;
        let failed = |error: io::Error| write_failed(self.file.path().display(), &error);
        let mut file = self.file()?;
        file.rewind().map_err(failed)?;
        let mut upload = self.store.upload(&self.key, 0)?;
        let mut piece = Vec::with_capacity(PIECE);
        loop {
            piece.clear();
            (&mut file).take(PIECE as u64).read_to_end(&mut piece).map_err(failed)?;
            if piece.is_empty() {
                break;
            }
            upload.write(&piece)?;
        }
        upload.finish(&[])?;
        Ok(self.place().into())
    }
}
