//! What else is done to files and directories, so that no tool does it by itself.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::system::{Steps, is_unknown};
use super::{AtomicFile, Durability, Replace};

/// Makes a directory and those above it, where they are missing.
///
/// # Errors
/// The system's.
pub fn create_directories(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Makes a directory, unless there is an empty one.
///
/// # Errors
/// The system's; [`io::ErrorKind::AlreadyExists`] where something else is there.
pub fn make_empty_directory(path: &Path) -> io::Result<()> {
    if is_empty_directory(path) { Ok(()) } else { fs::create_dir(path) }
}

/// Removes a directory that has nothing in it.
///
/// # Errors
/// The system's.
pub fn remove_empty_directory(path: &Path) -> io::Result<()> {
    fs::remove_dir(path)
}

/// Removes a directory with all that is in it. That there is none is no error.
///
/// # Errors
/// The system's.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Moves a directory to a name that nothing or an empty directory has; directories above are made.
///
/// # Errors
/// The system's.
pub fn move_directory(from: &Path, to: &Path) -> io::Result<()> {
    to.parent().map_or(Ok(()), create_directories)?;
    fs::rename(from, to)
}

/// A new file in a directory of which nobody knows yet; directories above are made.
///
/// # Errors
/// The system's.
pub fn create_file(path: &Path) -> io::Result<File> {
    path.parent().map_or(Ok(()), create_directories)?;
    File::create_new(path)
}

/// Whether there is a directory with nothing in it.
pub fn is_empty_directory(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Who may use `old` may use `new`, too, as far as that is ours to give.
pub fn keep_permissions(old: &Path, new: &Path) {
    if let Ok(metadata) = fs::metadata(old) {
        let _ = std::os::unix::fs::chown(new, None, Some(metadata.gid()));
        let _ = fs::set_permissions(new, metadata.permissions());
    }
}

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

/// Brings everything on the file system of a directory to the disk.
pub fn sync_file_system(directory: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(directory)?)?)
}

/// The name itself must survive a crash, too.
pub fn sync_parent(target: &Path) -> io::Result<()> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(parent).and_then(|directory| directory.sync_all()) {
        // Some file systems have no such thing, and who may only write a directory cannot ask for it.
        Err(error) if is_unknown(&error) || error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

#[cfg(test)]
pub mod tests {
    use super::super::system::tests::all;
    use super::*;

    /// What is in a directory, sorted.
    pub fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("lists");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("lists").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

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

    #[test]
    fn directories_are_made_moved_and_removed() {
        let directory = tempfile::tempdir().expect("directory");
        let (a, b) = (directory.path().join("a"), directory.path().join("b/c"));
        make_empty_directory(&a).expect("makes");
        make_empty_directory(&a).expect("is there and empty");
        create_file(&a.join("x/y")).expect("is new");
        assert!(create_file(&a.join("x/y")).is_err() && make_empty_directory(&a).is_err());
        assert!(remove_empty_directory(&a).is_err(), "there is something in it");
        move_directory(&a, &b).expect("moves");
        assert_eq!((names(&b), is_empty_directory(&a)), (vec!["x".to_owned()], false));
        for _ in 0..2 {
            remove_tree(&directory.path().join("b")).expect("that there is none is no error");
        }
        assert!(is_empty_directory(directory.path()));
    }
}
