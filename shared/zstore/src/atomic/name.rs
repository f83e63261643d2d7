//! Temporary names of files and directories that are being written.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

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

/// The target name of a temporary file left by a process that has ended. A process that runs on this host may still need
/// its file; processes of other hosts are assumed to have ended.
pub fn left_behind(name: &str) -> Option<&str> {
    let (target, host, process) = parts(name)?;
    let lives = || {
        let process = i32::try_from(process).ok().and_then(Pid::from_raw);
        process.is_some_and(|process| test_kill_process(process) != Err(Errno::SRCH))
    };
    let is_in_use = host == *HOST && process != process::id() && lives();
    (!is_in_use).then_some(target)
}

/// Host and process of a temporary name.
fn owner(name: &str) -> Option<(&str, u32)> {
    parts(name).map(|(_, host, process)| (host, process))
}

/// Target name, host and process of a temporary name as [`temporary_name`] spells it.
fn parts(name: &str) -> Option<(&str, &str, u32)> {
    let (target, owner) = name.strip_prefix('.')?.rsplit_once(MARK)?;
    let (owner, number) = owner.rsplit_once('-')?;
    let (host, process) = owner.rsplit_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_ours = !target.is_empty() && !host.is_empty() && is_number(number) && is_number(process);
    Some((target, host, process.parse().ok().filter(|_| is_ours)?))
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
        for none in [
            "0.0",
            "a.tmp-host-1-0",
            ".a.tmp-1",
            ".a.tmp",
            ".a.tmp-host-x-0",
            ".tmp-host-1",
            ".a.tmp--1-0",
            ".a.tmp-host-+1-0",
        ] {
            assert!(!is_temporary(none) && left_behind(none).is_none(), "{none}");
        }
        assert_eq!(temporary_name(Path::new("a/..")).expect_err("no name").kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_a_living_process_writes_is_not_left_behind() {
        let (own, above) = (process::id(), std::os::unix::process::parent_id());
        let name = |host: &str, process: u32| format!(".0.0.tmp-{host}-{process}-7");
        assert_eq!(left_behind(&name(&HOST, above)), None, "it runs");
        // No process has a number so large.
        for (host, process) in [("elsewhere", above), (&HOST, own), (&HOST, 0x7fff_ffff)] {
            assert_eq!(left_behind(&name(host, process)), Some("0.0"), "{host} {process}");
        }
        assert_eq!(left_behind(".a.tmp-b.tmp-host-x-1-0"), Some("a.tmp-b"));
    }
}
