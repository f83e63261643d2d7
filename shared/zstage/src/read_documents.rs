//! Checksums of the source documents as they were read, compared again before publishing.

use parking_lot::Mutex;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use zarray::Pool;
use zcodec::crc32c;
use zstore::{Store, StoreError};
use zwire::{Exit, Failure};

use crate::folder::READ;
use crate::piece_documents::PieceDocuments;
use crate::plan_file::Header;
use crate::retire::without_copies;
use crate::staged_store::StagedStore;
use crate::waiting::waiting_if_any;

/// CRC-32C and length of a document; `None` if absent.
type Checksum = Option<(u32, u64)>;

/// A line of the list: key and checksum of a document, and the number of its store.
#[derive(Serialize, Deserialize)]
struct Line(String, Checksum, #[serde(default)] usize);

/// The documents read so far, as JSON lines.
#[derive(Default)]
pub struct ReadDocuments(Mutex<Vec<u8>>);

impl ReadDocuments {
    /// Notes a document of source store `store` that was read, or that is absent.
    pub fn note(&self, store: usize, key: &str, text: Option<&[u8]>) {
        // A structure of numbers and strings always serialises.
        let line = serde_json::to_vec(&Line(key.to_owned(), text.map(checksum), store)).unwrap_or_default();
        let mut lines = self.0.lock();
        lines.extend(line);
        lines.push(b'\n');
    }

    /// Notes the documents of joined arrays.
    pub fn note_pieces(&self, pieces: &[PieceDocuments]) {
        let mut lines = self.0.lock();
        for documents in pieces {
            lines.extend(serde_json::to_vec(documents).unwrap_or_default());
            lines.push(b'\n');
        }
    }

    /// Writes the list to the folder.
    ///
    /// # Errors
    /// [`StoreError::Write`], or what an object store answers.
    pub fn save(&self, staged: &StagedStore) -> Result<(), StoreError> {
        staged.folder().put(READ, &self.0.lock()).map(drop)
    }
}

/// Checks that every source document is as it was read, or already as this run publishes it.
///
/// # Errors
/// [`Exit::Output`] with the first document that differs; errors of the stores.
pub fn check_documents(staged: &StagedStore, sources: &[Store], header: &Header, pool: &Pool) -> Result<(), Failure> {
    let mut text = Vec::new();
    if staged.folder().get(READ, &mut text)?.is_none() {
        return Ok(());
    }
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let unusable =
        |error: serde_json::Error| Failure::new(Exit::Unreadable, error.to_string()).at(staged.folder().place(READ));
    let (pieces, lines): (Vec<&[u8]>, Vec<&[u8]>) = lines.into_iter().partition(|line| line.starts_with(b"{"));
    for line in pieces {
        let documents: PieceDocuments = serde_json::from_slice(line).map_err(unusable)?;
        if let Some(number) = documents.changed(sources, pool)? {
            let source =
                sources.get(number).ok_or_else(|| unusable(serde_json::Error::custom("a source store is missing")))?;
            return Err(changed(staged, source, header, "")?);
        }
    }
    let check = |line: &[u8]| {
        let Line(key, read, store) = serde_json::from_slice(line).map_err(unusable)?;
        let source =
            sources.get(store).ok_or_else(|| unusable(serde_json::Error::custom("a source store is missing")))?;
        let mut now = Vec::new();
        let now = source.get(&key, &mut now)?.map(|_| now);
        let is_same = now.as_deref().map(checksum) == read;
        match is_same || (header.in_place && is_ours(staged, header, &key, now.as_deref())?) {
            true => Ok(()),
            false => Err(changed(staged, source, header, &key)?),
        }
    };
    pool.map(lines, check).into_iter().collect()
}

fn checksum(text: &[u8]) -> (u32, u64) {
    (crc32c(text), text.len() as u64)
}

/// Whether a document in the source is in a state that publishing in place gives it.
fn is_ours(staged: &StagedStore, header: &Header, key: &str, now: Option<&[u8]>) -> Result<bool, StoreError> {
    let Some(now) = now else {
        return Ok(key.ends_with(".zmetadata") || header.removed.iter().any(|gone| gone == key));
    };
    let Some(ours) = waiting_if_any(staged, key)? else { return Ok(false) };
    Ok(now == ours || without_copies(&ours).is_some_and(|retired| now == retired))
}

fn changed(staged: &StagedStore, source: &Store, header: &Header, key: &str) -> Result<Failure, StoreError> {
    let (since, hint) = match staged.is_finishing()? {
        true => ("the run was interrupted", START_OVER),
        false if header.in_place => ("the run began; nothing has been replaced by it", RESUME),
        false => ("the run began; the output is not published", RESUME),
    };
    let what = if key.is_empty() { "its metadata was" } else { "was" };
    Ok(Failure::new(Exit::Output, format!("{what} changed by another program since {since}"))
        .at(source.place(key))
        .hint(hint))
}

/// Hint for a source that has changed.
pub const RESUME: &str = "use --resume to continue with the source as it is now; finished work is kept";

/// Hint for a source that has changed so that the run cannot continue.
pub const START_OVER: &str = "remove the .plan directory next to the store, then run the command again";
