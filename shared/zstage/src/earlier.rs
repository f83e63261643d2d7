//! Objects as earlier runs wrote them: what a repair fetches again is compared with their checksums before it takes their place.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use parking_lot::Mutex;
use zstore::{Store, StoreError, StoreOptions};
use zwire::{Exit, Failure};

use crate::journal::{Entry, segments};
use crate::options::OnChange;

/// An object: the path of its array, and its number.
pub type ObjectId = (String, u64);

/// The checksums of objects that earlier runs wrote, and what was found of those that are written again.
pub struct Earlier {
    sums: HashMap<ObjectId, u32>,
    on_change: OnChange,
    seen: Mutex<Compared>,
}

/// What was found of the objects that are written again: keys in the output.
#[derive(Debug, Default)]
pub struct Compared {
    /// Objects with other bytes than before, which were not written.
    pub refused: Vec<String>,
    /// Objects with other bytes than before, which were written.
    pub changed: Vec<String>,
    /// Number of the objects of which no checksum is known, so that another version was not noticed.
    pub unknown: u64,
}

impl Earlier {
    /// The checksums in the journal of the directory `kept`, of the objects that are `chosen`; of one that was written twice, the last.
    ///
    /// # Errors
    /// The store's.
    pub fn read(kept: Option<&Path>, chosen: &HashSet<ObjectId>, on_change: OnChange) -> Result<Earlier, StoreError> {
        let sums = kept.map_or_else(|| Ok(HashMap::new()), |kept| sums_of(kept, chosen))?;
        Ok(Earlier { sums, on_change, seen: Mutex::default() })
    }

    /// Compares an object that has arrived with the one before: `sum` is its checksum as the journal enters it, `key` its key in the
    /// output, and `place` that of its source.
    ///
    /// # Errors
    /// [`Exit::No`] for one that differs, where a change stops the run.
    pub fn compare(
        &self,
        (path, unit): (&str, Option<u64>),
        sum: u32,
        key: &str,
        place: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let Some(before) = unit.and_then(|unit| self.sums.get(&(path.to_owned(), unit))) else {
            self.seen.lock().unknown += 1;
            return Ok(());
        };
        if *before == sum {
            return Ok(());
        }
        let mut seen = self.seen.lock();
        match self.on_change {
            OnChange::Refetch => {
                seen.changed.push(key.to_owned());
                Ok(())
            }
            OnChange::Stop => {
                seen.refused.push(key.to_owned());
                let text =
                    "has changed since it was fetched: it has other bytes than before, and the old object is kept";
                let failure = Failure::new(Exit::No, text).at(place());
                Err(failure.hint("fetch the whole store again, or take the new version with --on-change refetch"))
            }
        }
    }

    /// What was found.
    pub fn compared(self) -> Compared {
        self.seen.into_inner()
    }
}

fn sums_of(kept: &Path, chosen: &HashSet<ObjectId>) -> Result<HashMap<ObjectId, u32>, StoreError> {
    let kept = match Store::open(kept, &StoreOptions::default()) {
        Err(StoreError::Absent { .. }) => return Ok(HashMap::new()),
        opened => opened?,
    };
    let mut sums = HashMap::new();
    for key in segments(&kept, "")? {
        let entries =
            Entry::read_segment(&kept, &key)?.into_iter().map(|entry| ((entry.path, entry.unit), entry.crc32c));
        sums.extend(entries.filter(|(object, _)| chosen.contains(object)));
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn earlier(on_change: OnChange) -> Earlier {
        Earlier { sums: HashMap::from([(("/a".into(), 1), 7)]), on_change, seen: Mutex::default() }
    }

    #[test]
    fn an_object_with_another_checksum_is_refused_or_taken() {
        let stops = earlier(OnChange::Stop);
        let place = || "s3://b/a/1".to_owned();
        stops.compare(("/a", Some(1)), 7, "a/1", place).expect("the same");
        stops.compare(("/a", Some(2)), 8, "a/2", place).expect("not known");
        let refused = stops.compare(("/a", Some(1)), 8, "a/1", place).expect_err("differs");
        assert_eq!((refused.exit, refused.to_string().contains("s3://b/a/1")), (Exit::No, true));
        let compared = stops.compared();
        assert_eq!((compared.refused, compared.unknown), (vec!["a/1".to_owned()], 1));
        let takes = earlier(OnChange::Refetch);
        takes.compare(("/a", Some(1)), 8, "a/1", place).expect("is taken");
        let compared = takes.compared();
        assert_eq!((compared.changed.len(), compared.refused.len()), (1, 0));
    }
}
