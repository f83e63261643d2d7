//! Foreign files in the directory of an array that is exchanged for a new one: they are carried over or refused, never lost.

use std::path::Path;

use zarray::{Array, Key};
use zstore::{Store, create_directories, is_temporary, link_or_copy, write_failed};
use zwire::{Exit, Failure};

use crate::output_plan::OutputPlan;
use crate::placement::Placement;
use crate::report::wrong_separator;
use crate::strangers::{array_at, each_below};

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

fn fate(array: &Array, key: &str, path: &Path) -> Fate {
    match array.key_kind(key) {
        _ if path.is_symlink() && path.is_dir() => Fate::InTheWay,
        Key::Metadata | Key::Chunk(_) => Fate::Replaced,
        Key::OutsideGrid => Fate::InTheWay,
        Key::WrongSeparator => Fate::WrongSeparator,
        Key::Stray if is_temporary(key.rsplit('/').next().unwrap_or_default()) => Fate::Replaced,
        Key::Stray => Fate::CarriedOver,
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
    each_below(root, array.key_prefix(), &mut |key, path| match fate(array, &key, path) {
        Fate::WrongSeparator => Err(wrong_separator(array, store)),
        Fate::InTheWay if !has_backup => {
            Err(in_the_way(store, &key).hint("use --backup DIR to keep it, or move it out of the array"))
        }
        _ => Ok(()),
    })
}

/// Carries the foreign files of the old array `array` over to the new one in the directory `new`.
///
/// # Errors
/// As [`OutputPlan::check_swapped`]; [`zstore::StoreError::Write`].
pub fn carry_over(store: &Store, array: &str, new: &Path, has_backup: bool) -> Result<(), Failure> {
    let Some(root) = store.location().local() else { return Ok(()) };
    let directory = if array.is_empty() { root.to_owned() } else { root.join(array) };
    let Some(old) = array_at(&directory, array) else {
        return Err(Failure::new(Exit::Output, "its metadata was deleted").at(store.place(array)));
    };
    each_below(root, array, &mut |key, path| match fate(&old, &key, path) {
        Fate::Replaced => Ok(()),
        Fate::CarriedOver => {
            let to = new.join(path.strip_prefix(&directory).unwrap_or(path));
            let made = create_directories(to.parent().unwrap_or(new));
            Ok(made.and_then(|()| link_or_copy(path, &to).map(drop)).map_err(|error| write_failed(&to, error))?)
        }
        Fate::WrongSeparator => Err(wrong_separator(&old, store)),
        Fate::InTheWay if has_backup => Ok(()),
        Fate::InTheWay => Err(in_the_way(store, &key).hint("move it out of the array, then use --resume")),
    })
}

fn in_the_way(store: &Store, key: &str) -> Failure {
    let text = "is not a chunk of the array as it is, and would be lost when the array is replaced";
    Failure::new(Exit::Output, text).at(store.place(key))
}
