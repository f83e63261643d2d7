//! Tools running in the background, to observe or terminate them, and helpers to compare outputs over several runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, ChildStdout};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Outcome, Tool, tree};

/// Timeout of a run or wait; sufficient for the slowest machines.
const HANGS: Duration = Duration::from_secs(180);

/// In memory if possible: runs that sync many times per second should not wait for a shared disk.
pub fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Writes a file with a different modification time than before, even if the file system's clock is coarse.
pub fn rewrite(path: &Path, content: &[u8]) {
    let before = fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::now());
    fs::write(path, content).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(before + Duration::from_secs(1)).unwrap();
}

/// The objects of a store with their inodes: an object with the same inode was not rewritten.
pub fn inodes(store: &Path) -> BTreeMap<String, u64> {
    let files = tree(store).into_keys().filter(|key| !key.ends_with('/'));
    files.map(|key| (key.clone(), fs::metadata(store.join(&key)).unwrap().ino())).collect()
}

/// Removes what a run left that was killed while it removed the folder beside its output, under one name or the other.
pub fn remove_plan(output: &Path) {
    let name = format!("{}.plan", output.file_name().unwrap().to_string_lossy());
    for entry in fs::read_dir(output.parent().unwrap()).unwrap().map(Result::unwrap) {
        let found = entry.file_name().to_string_lossy().into_owned();
        if found == name || found.starts_with(&format!(".{name}.tmp-")) {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

/// Waits until something is so.
#[track_caller]
pub fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + HANGS;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// Starts a tool.
pub fn spawn(tool: Tool) -> Running {
    let (mut running, stdout) = spawn_unread(tool);
    running.stdout = Drain::of(stdout);
    running
}

/// Starts a tool with a standard output that the test reads or closes.
pub fn spawn_unread(tool: Tool) -> (Running, Option<ChildStdout>) {
    let mut command = tool.0;
    let mut child = command.spawn().unwrap();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let running = Running {
        command: format!("{command:?}"),
        child,
        stdout: Drain::of(None::<ChildStdout>),
        stderr: Drain::of(stderr),
    };
    (running, stdout)
}

/// A running tool. Its outputs are drained, so that it never blocks on a full pipe. Killed when dropped.
pub struct Running {
    command: String,
    child: Child,
    stdout: Drain,
    stderr: Drain,
}

impl Running {
    /// Writes `input` to its standard input.
    pub fn write(&mut self, input: &str) {
        self.child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until something is so; false if the run ended before. Pauses are as short as the moments that tests wait for.
    #[track_caller]
    pub fn reaches(&mut self, is_so: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + HANGS;
        while !is_so() {
            if self.has_ended() {
                return is_so();
            }
            self.check(deadline);
            thread::sleep(Duration::from_micros(20));
        }
        true
    }

    /// Kills the process; no effect if it has ended already.
    #[track_caller]
    pub fn kill(mut self) -> Outcome {
        self.child.kill().unwrap();
        self.end()
    }

    /// Waits for the process to end.
    #[track_caller]
    pub fn end(self) -> Outcome {
        self.end_within(HANGS)
    }

    /// Waits for the process to end, with a time limit.
    #[track_caller]
    pub fn end_within(mut self, limit: Duration) -> Outcome {
        let deadline = Instant::now() + limit;
        while !(self.stdout.is_closed_by(deadline) && self.stderr.is_closed_by(deadline) && self.has_ended()) {
            self.check(deadline);
            thread::sleep(Duration::from_micros(200));
        }
        let status = self.child.wait().unwrap();
        Outcome::new(status, self.stdout.take(), &self.stderr.take())
    }

    /// Fails with the output so far if the deadline has passed.
    #[track_caller]
    fn check(&mut self, deadline: Instant) {
        if Instant::now() > deadline {
            let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            panic!("hangs: {}\nstdout: {}\nstderr: {}", self.command, text(&stdout), text(&stderr));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects the data from a pipe in a thread, until the pipe closes.
struct Drain {
    seen: Arc<Mutex<Vec<u8>>>,
    /// Never receives a message; the sender is dropped when the pipe closes.
    closed: Receiver<()>,
}

impl Drain {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Drain {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (open, closed) = mpsc::channel();
        if let Some(mut pipe) = pipe {
            let mut into = Seen(Arc::clone(&seen));
            thread::spawn(move || {
                let _open = open;
                io::copy(&mut pipe, &mut into)
            });
        }
        Drain { seen, closed }
    }

    fn is_closed_by(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        self.closed.recv_timeout(left) == Err(RecvTimeoutError::Disconnected)
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.seen.lock())
    }
}

struct Seen(Arc<Mutex<Vec<u8>>>);

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
