//! A second name for a file, or a copy.

use std::fs::File;
use std::io;
use std::path::Path;

use super::file::{AtomicFile, Durability};
use super::replace::Replace;
use super::system::Steps;

/// Gives a file a second name, or makes a copy of that name where the file system takes no link. Says whether it did: what
/// has the name already is kept, and so nothing is done where there is no file.
///
/// # Errors
/// The system's.
pub fn link_or_copy(from: &Path, to: &Path) -> io::Result<bool> {
    link_or_copy_with(Steps::ALL, from, to)
}

fn link_or_copy_with(steps: Steps, from: &Path, to: &Path) -> io::Result<bool> {
    let made = match steps.link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(error) if error.kind() == io::ErrorKind::NotFound && from.exists() => Err(error),
        Err(_) => copy(from, to),
        linked => linked,
    };
    match made {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !from.exists() => Ok(false),
        Err(error) => Err(error),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut copy = AtomicFile::create(to)?;
    io::copy(&mut source, &mut copy)?;
    let _ = copy.file().set_permissions(source.metadata()?.permissions());
    copy.publish(Replace::Never, Durability::Data)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::super::system::tests::all;
    use super::super::tree::create_directories;
    use super::super::tree::tests::names;
    use super::*;

    #[test]
    fn an_object_is_kept_once_by_a_link_or_a_copy() {
        for steps in all() {
            let directory = tempfile::tempdir().expect("directory");
            let (from, to) = (directory.path().join("from"), directory.path().join("kept/to"));
            fs::write(&from, "old").expect("writes");
            assert!(link_or_copy_with(steps, &from, &to).is_err(), "no directory");
            create_directories(&directory.path().join("kept")).expect("makes");
            assert!(link_or_copy_with(steps, &from, &to).expect("keeps"));
            let links = fs::metadata(&to).expect("is there").nlink();
            assert_eq!((fs::read(&to).expect("reads"), links == 2), (b"old".to_vec(), steps.hard_link));
            fs::remove_file(&from).expect("removes");
            assert!(!link_or_copy_with(steps, &from, &directory.path().join("kept/no")).expect("there is none"));
            fs::write(&from, "new").expect("writes");
            assert!(!link_or_copy_with(steps, &from, &to).expect("is kept already"));
            assert_eq!(fs::read(&to).expect("reads"), b"old");
            assert_eq!(names(&directory.path().join("kept")), ["to"]);
        }
    }
}
