//! Foreign files in the directory of an array that is exchanged for a new one: they are carried over or refused, never lost.

use std::path::{Path, PathBuf};

use zarray::{Array, Key, ZarrFormat};
use zstore::{Store, create_directories, is_temporary, link_or_copy, write_failed};
use zwire::{Exit, Failure};

use crate::output_plan::OutputPlan;
use crate::placement::Placement;
use crate::report::wrong_separator;
use crate::strangers::{arrays_at, each_below};

/// How a file is handled when its array is exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It belongs to the array.
    Replaced,
    /// It cannot be a chunk of either array and is carried over.
    CarriedOver,
    /// It could be taken for a chunk of the new array, or is a link to a directory.
    InTheWay,
    /// A chunk key with the wrong separator.
    WrongSeparator,
}

/// The old array in a directory, and the one that the documents of the other Zarr format describe there.
struct Old<'a> {
    array: &'a Array,
    other: Option<&'a Array>,
}

impl<'a> Old<'a> {
    /// The array of `format` among those of a directory.
    fn of(arrays: &'a [Array], format: ZarrFormat) -> Option<Old<'a>> {
        let array = arrays.iter().find(|array| array.format == format)?;
        Some(Old { array, other: arrays.iter().find(|array| array.format != format) })
    }

    /// Refuses two descriptions of the same chunks: one of them would be wrong afterwards.
    fn check_formats(&self, store: &Store) -> Result<(), Failure> {
        let first = |array: &Array| array.keys.encode(&vec![0; array.shape.len()]);
        if self.other.is_none_or(|other| first(other) != first(self.array)) {
            return Ok(());
        }
        let text = "has metadata of both Zarr formats for the same chunks, and only one would be changed";
        Err(Failure::new(Exit::Output, text)
            .at(store.place(self.array.key_prefix()))
            .hint("write a new store, or remove the metadata of the other format"))
    }

    fn fate(&self, key: &str, path: &Path) -> Fate {
        let name = key.rsplit('/').next().unwrap_or_default();
        let is_other_chunk = || self.other.is_some_and(|other| matches!(other.key_kind(key), Key::Chunk(Some(_))));
        match self.array.key_kind(key) {
            _ if path.is_symlink() && path.is_dir() => Fate::InTheWay,
            Key::Metadata if (name == "zarr.json") == (self.array.format == ZarrFormat::V3) => Fate::Replaced,
            Key::Chunk(_) => Fate::Replaced,
            Key::Metadata => Fate::CarriedOver,
            _ if is_other_chunk() => Fate::CarriedOver,
            Key::OutsideGrid => Fate::InTheWay,
            Key::WrongSeparator => Fate::WrongSeparator,
            Key::Stray if is_temporary(name) => Fate::Replaced,
            Key::Stray => Fate::CarriedOver,
        }
    }
}

impl OutputPlan<'_> {
    /// Checks before the work that exchanging arrays will not lose foreign files.
    ///
    /// # Errors
    /// [`Exit::Output`] for a file that can be neither carried over nor kept in a backup; chunk keys with the wrong separator.
    pub fn check_swapped(&self, has_backup: bool) -> Result<(), Failure> {
        let swapped = self.plans.iter().filter(|plan| plan.placement == Placement::Swap).collect();
        let check = |plan: &crate::array_plan::ArrayPlan| check_array(self.store(), &plan.array, has_backup);
        self.pool.map(swapped, check).into_iter().collect()
    }
}

fn check_array(store: &Store, array: &Array, has_backup: bool) -> Result<(), Failure> {
    let Some(root) = store.location().local() else { return Ok(()) };
    let arrays = arrays_at(&directory_of(root, array.key_prefix()), array.key_prefix());
    let old = Old { array, other: arrays.iter().find(|other| other.format != array.format) };
    old.check_formats(store)?;
    each_below(root, array.key_prefix(), &mut |key, path| match old.fate(&key, path) {
        Fate::WrongSeparator => Err(wrong_separator(array, store)),
        Fate::InTheWay if !has_backup => {
            Err(in_the_way(store, &key).hint("use --backup DIR to keep it, or move it out of the array"))
        }
        _ => Ok(()),
    })
}

/// Carries the foreign files of the old array `array`, which has documents of `format`, over to the new one in the directory
/// `new`.
///
/// # Errors
/// As [`OutputPlan::check_swapped`]; [`zstore::StoreError::Write`].
pub fn carry_over(store: &Store, array: &str, format: ZarrFormat, new: &Path, has_backup: bool) -> Result<(), Failure> {
    let Some(root) = store.location().local() else { return Ok(()) };
    let directory = directory_of(root, array);
    let arrays = arrays_at(&directory, array);
    let Some(old) = Old::of(&arrays, format) else {
        return Err(Failure::new(Exit::Output, "its metadata was deleted").at(store.place(array)));
    };
    old.check_formats(store)?;
    each_below(root, array, &mut |key, path| match old.fate(&key, path) {
        Fate::Replaced => Ok(()),
        Fate::CarriedOver => {
            let to = new.join(path.strip_prefix(&directory).unwrap_or(path));
            let made = create_directories(to.parent().unwrap_or(new));
            Ok(made.and_then(|()| link_or_copy(path, &to).map(drop)).map_err(|error| write_failed(&to, error))?)
        }
        Fate::WrongSeparator => Err(wrong_separator(old.array, store)),
        Fate::InTheWay if has_backup => Ok(()),
        Fate::InTheWay => Err(in_the_way(store, &key).hint("move it out of the array, then use --resume")),
    })
}

fn directory_of(root: &Path, array: &str) -> PathBuf {
    if array.is_empty() { root.to_owned() } else { root.join(array) }
}

fn in_the_way(store: &Store, key: &str) -> Failure {
    let text = "is not a chunk of the array as it is, and would be lost when the array is replaced";
    Failure::new(Exit::Output, text).at(store.place(key))
}
