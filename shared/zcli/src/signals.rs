//! Signals that ask the process to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use zwire::Exit;

/// Whether a signal asked the process to stop.
#[derive(Clone)]
pub struct Stop {
    signal: Arc<AtomicUsize>,
    /// Set when the work is done: a signal that comes then is ignored.
    too_late: Arc<AtomicBool>,
}

impl Stop {
    /// Listens. A tool that only reads ends at once; one that writes sees the flag and cleans up: only a second signal
    /// ends it on the spot.
    pub fn listen(writes: bool) -> Stop {
        let stop = Stop { signal: Arc::default(), too_late: Arc::default() };
        let insist = Arc::new(AtomicBool::new(!writes));
        for (signal, exit) in [(SIGINT, Exit::Interrupted), (SIGTERM, Exit::Terminated), (SIGHUP, Exit::Terminated)] {
            // In this order: the shutdown looks at the flag before the same signal sets it. A system that lets us install
            // no handlers keeps its own, which end the process, too.
            let _ = flag::register_conditional_shutdown(signal, i32::from(exit.code()), Arc::clone(&insist));
            let _ = flag::register(signal, Arc::clone(&insist));
            let _ = flag::register_usize(signal, Arc::clone(&stop.signal), usize::from(exit.code()));
        }
        stop
    }

    /// The work is done, and its result is published: from now on signals are ignored.
    pub fn too_late(&self) {
        self.too_late.store(true, Ordering::Relaxed);
    }

    /// What becomes other than 0 when a signal comes.
    pub fn flag(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.signal)
    }

    /// The exit code of the signal that came, if one did.
    pub fn requested(&self) -> Option<Exit> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            _ if self.too_late.load(Ordering::Relaxed) => None,
            code if code == usize::from(Exit::Interrupted.code()) => Some(Exit::Interrupted),
            _ => Some(Exit::Terminated),
        }
    }
}
