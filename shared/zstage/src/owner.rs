//! Who holds a lock, as it is written in the lock, and whether that process is alive.

use std::fs;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use zstore::unique;

/// The file that is locked while a run works on the output; on an object store, the lease of a run that works alone.
pub const LOCK: &str = "lock";

/// First bytes of a lock, which tell it from another program's file of that name.
pub const MARK: &[u8] = b"ztools ";

/// A lease that was not renewed for this long has expired.
pub const EXPIRY: Duration = Duration::from_secs(60);

/// The word for what a system does not tell.
const UNKNOWN: &str = "-";

/// The process that wrote a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    host: String,
    process: u32,
    /// When the process started, in ticks since the machine did: numbers of processes are used again.
    started: String,
    /// The machine since it was started, and the name space in which processes have these numbers.
    machine: String,
    /// A word of this lock alone.
    token: String,
}

impl Owner {
    /// This process, for one lock.
    pub fn this() -> Owner {
        let host = rustix::system::uname().nodename().to_string_lossy().replace(char::is_whitespace, "_");
        let process = std::process::id();
        let known = |word: Option<String>| word.unwrap_or_else(|| UNKNOWN.into());
        Owner { host, process, started: known(started(process)), machine: known(machine()), token: unique() }
    }

    /// A word that no other lock has.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Text of its lock after `renewals`.
    pub fn text(&self, renewals: u64) -> Vec<u8> {
        let Owner { host, process, started, machine, token } = self;
        [MARK, format!("{host} {process} {started} {machine} {token} {renewals}\n").as_bytes()].concat()
    }

    /// The owner that wrote a lock; `None` for text of another program, or of an older version.
    pub fn parse(text: &[u8]) -> Option<Owner> {
        let words: Vec<&str> = std::str::from_utf8(text.strip_prefix(MARK)?).ok()?.split_whitespace().collect();
        let [host, process, started, machine, token, _] = words.as_slice() else { return None };
        let [host, started, machine, token] = [host, started, machine, token].map(|word| (*word).to_owned());
        Some(Owner { host, process: process.parse().ok()?, started, machine, token })
    }

    /// Whether it may still work: a process of this machine is looked up, others renewed their lock less than [`EXPIRY`] ago.
    pub fn is_alive(&self, age: Duration) -> bool {
        let is_here = machine().is_some_and(|machine| machine == self.machine);
        match is_here && !exists(self.process) {
            true => false,
            false => self.may_be(started(self.process).filter(|_| is_here), age),
        }
    }

    /// Whether it may be a process that was `started` then. Where that is not known, as of other users' processes on systems
    /// that hide them, its lock was renewed less than [`EXPIRY`] ago.
    fn may_be(&self, started: Option<String>, age: Duration) -> bool {
        match started.filter(|_| self.started != UNKNOWN) {
            Some(started) => started == self.started,
            None => age < EXPIRY,
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.process, self.host)
    }
}

/// Whether there is a process of that number, which may be another user's.
fn exists(process: u32) -> bool {
    let number = i32::try_from(process).ok().and_then(Pid::from_raw);
    number.is_some_and(|number| test_kill_process(number) != Err(Errno::SRCH))
}

/// Start time of a process, if there is one of that number that may be looked at.
fn started(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, may have spaces.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), space.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_this_machine_is_alive_while_it_runs_and_others_while_they_renew() {
        let owner = Owner::this();
        assert_eq!(Owner::parse(&owner.text(3)).as_ref(), Some(&owner));
        for text in ["host 1", "ztools host 1\n", "ztools host x 1 m t 0"] {
            assert_eq!(Owner::parse(text.as_bytes()), None, "{text}");
        }
        let (young, old) = (Duration::ZERO, EXPIRY);
        assert!(owner.is_alive(old), "stopped, but there");
        let reused = Owner { started: "0".into(), ..owner.clone() };
        let ended = Owner { process: u32::MAX, ..owner.clone() };
        assert!(!reused.is_alive(young) && !ended.is_alive(young));
        // A process that is there, of which nothing else is told, and one that did not know it of itself.
        assert!(owner.may_be(None, young) && !owner.may_be(None, old));
        let unknown = Owner { started: UNKNOWN.into(), ..owner.clone() };
        assert!(unknown.is_alive(young) && !unknown.is_alive(old));
        assert!(exists(1) && exists(owner.process) && !exists(u32::MAX) && !exists(0));
        let elsewhere = Owner { machine: "other".into(), ..ended };
        assert!(elsewhere.is_alive(young) && !elsewhere.is_alive(old));
    }
}
