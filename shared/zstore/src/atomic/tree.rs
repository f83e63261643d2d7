//! What else is done to files and directories, so that no tool does it by itself.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::system::is_unknown;

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
