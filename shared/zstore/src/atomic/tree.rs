//! What else is done to files and directories, so that no tool does it by itself.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::name::{left_behind, temporary_name};
use super::system::is_unknown;

/// Unit of the number of blocks of a file, whatever the file system.
const BLOCK_BYTES: u64 = 512;

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

/// Removes a file. That there is none is no error.
///
/// # Errors
/// The system's.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Bytes that a directory takes on the disk with all that is in it, as `du` counts them. What disappears meanwhile counts no more.
///
/// # Errors
/// The system's.
pub fn disk_usage(path: &Path) -> io::Result<u64> {
    unless_gone(fs::symlink_metadata(path).and_then(|metadata| disk_usage_of(path, &metadata)))
}

fn disk_usage_of(path: &Path, metadata: &Metadata) -> io::Result<u64> {
    let mut sum = metadata.blocks() * BLOCK_BYTES;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // The metadata of an entry is found from its directory, without looking up the whole path again.
            sum += unless_gone(entry.metadata().and_then(|metadata| disk_usage_of(&entry.path(), &metadata)))?;
        }
    }
    Ok(sum)
}

fn unless_gone(bytes: io::Result<u64>) -> io::Result<u64> {
    match bytes {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        other => other,
    }
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

/// Renames a directory to a temporary name in one step, then removes it.
///
/// # Errors
/// The system's.
pub fn retire_directory(path: &Path) -> io::Result<()> {
    retire_with(path, &remove_tree)
}

fn retire_with(path: &Path, remove: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let nameless = temporary_name(path)?;
    fs::rename(path, &nameless)?;
    // A network file system may keep an open file of it until it is closed; the next run removes what is left.
    let _ = remove(&nameless);
    Ok(())
}

/// Removes directories that killed processes were removing with [`retire_directory`].
///
/// # Errors
/// The system's.
pub fn remove_retired(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let target = name.to_str().and_then(left_behind);
        if target.is_some_and(|target| path.file_name() == Some(target.as_ref())) && entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes temporary files of ended processes below a directory, if `is_ours` accepts the target name. Links are neither
/// followed nor removed.
///
/// # Errors
/// The system's.
pub fn remove_left_behind(directory: &Path, is_ours: &dyn Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        if kind.is_dir() {
            remove_left_behind(&entry.path(), is_ours)?;
        } else if kind.is_file() && name.to_str().and_then(left_behind).is_some_and(is_ours) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
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
    match File::open(parent(target)).and_then(|directory| directory.sync_all()) {
        // Some file systems have no such thing, and who may only write a directory cannot ask for it.
        Err(error) if is_unknown(&error) || error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// The directory that contains a path.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
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

    #[test]
    fn the_space_of_a_tree_is_counted_in_blocks() {
        let directory = tempfile::tempdir().expect("directory");
        let empty = disk_usage(directory.path()).expect("counts");
        for name in ["a/x", "b/c/y"] {
            create_file(&directory.path().join(name)).expect("is new");
            fs::write(directory.path().join(name), vec![1; 10_000]).expect("writes");
        }
        let used = disk_usage(directory.path()).expect("counts");
        assert!(used >= empty + 20_000 && used < empty + 100_000, "{used}");
        assert_eq!(disk_usage(&directory.path().join("none")).expect("counts"), 0);
        remove_file(&directory.path().join("a/x")).expect("removes");
        remove_file(&directory.path().join("a/x")).expect("that there is none is no error");
        assert!(disk_usage(directory.path()).expect("counts") < used);
    }

    #[test]
    fn a_directory_loses_its_name_before_it_goes() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("out.plan");
        create_file(&path.join("deep/plan.json")).expect("is new");
        retire_directory(&path).expect("removes");
        assert!(is_empty_directory(directory.path()) && retire_directory(&path).is_err());
        // Killed in between, a run leaves it under the other name.
        let kept = [".out.plan.tmp-mine", ".other.plan.tmp-host-1-0", "out.plan"];
        for name in [".out.plan.tmp-host-1-0", kept[0], kept[1], kept[2]] {
            create_file(&directory.path().join(name).join("x")).expect("is new");
        }
        remove_retired(&path).expect("removes");
        let mut kept = kept.to_vec();
        kept.sort_unstable();
        assert_eq!(names(directory.path()), kept);
    }

    /// NFS renames a file that is open when it is removed, and so its directory stays.
    #[test]
    fn what_cannot_be_removed_now_is_removed_by_the_next_run() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("out.plan");
        create_file(&path.join("lock")).expect("is new");
        let keeps_an_open_file = |nameless: &Path| {
            fs::rename(nameless.join("lock"), nameless.join(".nfs0001"))?;
            Err(io::ErrorKind::DirectoryNotEmpty.into())
        };
        retire_with(&path, &keeps_an_open_file).expect("the name is free");
        assert!(!path.exists());
        let left = names(directory.path());
        assert!(left.len() == 1 && left[0].starts_with(".out.plan.tmp-"), "{left:?}");
        remove_retired(&path).expect("removes");
        assert!(is_empty_directory(directory.path()));
    }

    #[test]
    fn only_what_was_left_behind_is_removed_and_never_through_a_link() {
        let directory = tempfile::tempdir().expect("directory");
        let (store, elsewhere) = (directory.path().join("store"), directory.path().join("elsewhere"));
        for path in
            ["store/a/.0.tmp-host-1-0", "store/a/.notes.tmp-host-1-0", "store/a/.0.tmp-1", "elsewhere/.0.tmp-host-1-0"]
        {
            create_file(&directory.path().join(path)).expect("is new");
        }
        std::os::unix::fs::symlink(&elsewhere, store.join("b")).expect("links");
        std::os::unix::fs::symlink(elsewhere.join("x"), store.join(".1.tmp-host-1-0")).expect("links");
        remove_left_behind(&store, &|name| name.bytes().all(|byte| byte.is_ascii_digit())).expect("removes");
        assert_eq!(names(&store), [".1.tmp-host-1-0", "a", "b"]);
        assert_eq!(names(&store.join("a")), [".0.tmp-1", ".notes.tmp-host-1-0"]);
        assert_eq!(names(&elsewhere), [".0.tmp-host-1-0"]);
    }
}
