//! Temporary names of files and directories that are being written.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

const MARK: &str = ".tmp-";

static HOST: LazyLock<String> =
    LazyLock::new(|| rustix::system::uname().nodename().to_string_lossy().replace('/', "_"));

/// `.NAME.tmp-HOST-PROCESS-NUMBER` beside the target: a name that no other writer chooses, and that tells whose it is. A
/// target without a name of its own (`..`, `/`) has none.
pub fn temporary_name(target: &Path) -> io::Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!("{MARK}{}-{}-{number}", *HOST, process::id()));
    Ok(target.with_file_name(temporary))
}

/// Makes something under a temporary name that is free.
pub fn make_beside<T>(target: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(T, PathBuf)> {
    loop {
        let path = temporary_name(target)?;
        match make(&path) {
            Ok(made) => return Ok((made, path)),
            // Left by a process that was killed and had this number: in containers, they all have. The next name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a file name is a temporary one of any host and process.
pub fn is_temporary(name: &str) -> bool {
    owner(name).is_some()
}

/// Whether a file name is a temporary one of this very process.
pub fn is_own_temporary(name: &str) -> bool {
    owner(name) == Some((HOST.as_str(), process::id()))
}

/// Host and process of a temporary name.
fn owner(name: &str) -> Option<(&str, u32)> {
    let (_, owner) = name.strip_prefix('.')?.rsplit_once(MARK)?;
    let (owner, number) = owner.rsplit_once('-')?;
    let (host, process) = owner.rsplit_once('-')?;
    number.parse::<u64>().ok()?;
    Some((host, process.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_recognized() {
        let name = |target: &str| {
            let path = temporary_name(Path::new(target)).expect("a name");
            path.file_name().expect("a name").to_str().expect("text").to_owned()
        };
        for target in ["a/0.0", "a/.zgroup", "a/b.tmp-c-1-2"] {
            let name = name(target);
            assert!(is_temporary(&name) && is_own_temporary(&name), "{name}");
        }
        for other in [".1.tmp-host-1-0", "..zgroup.tmp-a-b-1-0", ".7-1-000001.jsonl.tmp-host-1-0"] {
            assert!(is_temporary(other) && !is_own_temporary(other), "{other}");
        }
        for none in ["0.0", "a.tmp-host-1-0", ".a.tmp-1", ".a.tmp", ".a.tmp-host-x-0", ".tmp-host-1"] {
            assert!(!is_temporary(none), "{none}");
        }
        assert_eq!(temporary_name(Path::new("a/..")).expect_err("no name").kind(), io::ErrorKind::InvalidInput);
    }
}
