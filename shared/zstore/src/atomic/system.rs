//! Steps that not every file system knows, and what is done in their place.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Which of the steps the file system is asked for: all of them, but in tests of what is done in their place.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    pub exchange: bool,
    pub no_replace: bool,
    pub hard_link: bool,
}

impl Steps {
    pub const ALL: Steps = Steps { exchange: true, no_replace: true, hard_link: true };

    /// Two names change places.
    pub fn exchange(self, one: &Path, other: &Path) -> io::Result<()> {
        known(self.exchange)?;
        Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
    }

    /// Gives a file a name that nothing has. Of many who try at once, one does.
    pub fn name_file(self, from: &Path, to: &Path) -> io::Result<()> {
        match self.rename_to_free(from, to) {
            Err(error) if is_unknown(&error) => {}
            other => return other,
        }
        // Network file systems that know only the plain rename refuse a second link to a name that is taken, too.
        match self.link(from, to) {
            Err(error) if is_unknown(&error) => {}
            linked => return linked.inspect(|()| drop(fs::remove_file(from))),
        }
        // Without links: only one can make the empty file that this replaces.
        File::create_new(to)?;
        fs::rename(from, to).inspect_err(|_| drop(fs::remove_file(to)))
    }

    /// Gives a directory a name that nothing has.
    pub fn name_directory(self, from: &Path, to: &Path) -> io::Result<()> {
        match self.rename_to_free(from, to) {
            // The plain rename replaces no directory that has anything in it.
            Err(error) if is_unknown(&error) => match to.symlink_metadata() {
                Ok(_) => Err(Errno::EXIST.into()),
                Err(_) => fs::rename(from, to),
            },
            other => other,
        }
    }

    /// A second name for a file.
    pub fn link(self, from: &Path, to: &Path) -> io::Result<()> {
        known(self.hard_link)?;
        fs::hard_link(from, to)
    }

    fn rename_to_free(self, from: &Path, to: &Path) -> io::Result<()> {
        known(self.no_replace)?;
        Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    }
}

fn known(step: bool) -> io::Result<()> {
    if step { Ok(()) } else { Err(Errno::OPNOTSUPP.into()) }
}

/// Whether the file system does not know the step. Without hard links, Linux says that they are not permitted.
pub fn is_unknown(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM))
}

#[cfg(test)]
pub mod tests {
    use super::Steps;

    /// Every set of steps that a file system may know.
    pub fn all() -> impl Iterator<Item = Steps> {
        (0..8).map(|set| Steps { exchange: set & 1 > 0, no_replace: set & 2 > 0, hard_link: set & 4 > 0 })
    }
}
