//! Signals that ask the process to stop, and its deadline, which does so as well.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use zwire::{Exit, Failure};

/// How soon a signal is acknowledged.
const ATTENTION: Duration = Duration::from_millis(50);

/// How long after the first signal others are taken for the same request: timeout(1) and schedulers send one to the process, and
/// another to its group. Ending at the second one would end the run before it has said so.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// The flag at the deadline; no signal has this exit code.
const DEADLINE: usize = Exit::Refused as usize;

/// Whether a signal requested a stop.
#[derive(Clone)]
pub struct Stop {
    signal: Arc<AtomicUsize>,
    writes: bool,
    has_deadline: Arc<AtomicBool>,
    /// Set when the work is done: later signals are ignored.
    too_late: Arc<AtomicBool>,
    /// Set when the next signal ends the process at once.
    insist: Arc<AtomicBool>,
}

impl Stop {
    /// Installs the signal handlers. A tool that only reads exits at once; a tool that writes checks the flag and cleans up,
    /// and exits at once only at a second signal.
    pub fn listen(writes: bool) -> Stop {
        let stop = Stop { writes, insist: Arc::new(AtomicBool::new(!writes)), ..Stop::never() };
        for (signal, exit) in [(SIGINT, Exit::Interrupted), (SIGTERM, Exit::Terminated), (SIGHUP, Exit::Terminated)] {
            // The order matters: the shutdown handler checks the flag before the same signal sets it. If handlers cannot be
            // installed, the default ones end the process.
            let _ = flag::register_conditional_shutdown(signal, i32::from(exit.code()), Arc::clone(&stop.insist));
            if signal == SIGINT {
                let _ = flag::register(signal, Arc::clone(&stop.insist));
            }
            let _ = flag::register_usize(signal, Arc::clone(&stop.signal), usize::from(exit.code()));
        }
        stop
    }

    /// No signal ever requests a stop: the default handlers end the process.
    pub fn never() -> Stop {
        Stop {
            signal: Arc::default(),
            writes: true,
            has_deadline: Arc::default(),
            too_late: Arc::default(),
            insist: Arc::default(),
        }
    }

    /// Requests a stop after this time, counted from the first call. As at a signal, a tool that only reads ends at once.
    pub fn after(&self, time: Duration) {
        if self.has_deadline.swap(true, Ordering::Relaxed) {
            return;
        }
        let stop = self.clone();
        // Without a thread there is no deadline, but each request still has its own limit.
        let _ = std::thread::Builder::new().name("deadline".into()).spawn(move || {
            std::thread::sleep(time);
            let _ = stop.signal.compare_exchange(0, DEADLINE, Ordering::Relaxed, Ordering::Relaxed);
            if !stop.writes && stop.requested() == Some(Exit::Refused) {
                // If stderr is closed, the message is lost.
                let _ = writeln!(io::stderr(), "{}", Failure::stopped(Exit::Refused));
                std::process::exit(i32::from(Exit::Refused.code()));
            }
        });
    }

    /// Calls `acknowledge` when the user interrupts the work, which may notice that late, and when it goes on for long after another
    /// signal. From then on the next signal ends the process.
    pub fn when_stopped(&self, acknowledge: impl FnOnce(Exit) + Send + 'static) {
        let stop = self.clone();
        // Without a thread, the signal is only acknowledged by the end of the run.
        let _ = std::thread::Builder::new().name("signals".into()).spawn(move || {
            while stop.signal.load(Ordering::Relaxed) == 0 {
                std::thread::sleep(ATTENTION);
            }
            if stop.signal.load(Ordering::Relaxed) != usize::from(Exit::Interrupted.code()) {
                std::thread::sleep(SAME_REQUEST);
            }
            if let Some(exit) = stop.requested().filter(|exit| *exit != Exit::Refused) {
                acknowledge(exit);
            }
            stop.insist.store(true, Ordering::Relaxed);
        });
    }

    /// Ignores signals from now on: the work is done and its result is published.
    pub fn too_late(&self) {
        self.too_late.store(true, Ordering::Relaxed);
    }

    /// Heeds signals again: another run begins.
    pub fn begin(&self) {
        self.too_late.store(false, Ordering::Relaxed);
    }

    /// The flag, which is nonzero after a signal.
    pub fn flag(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.signal)
    }

    /// The exit code of the received signal, or of the deadline, if any.
    pub fn requested(&self) -> Option<Exit> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            _ if self.too_late.load(Ordering::Relaxed) => None,
            DEADLINE => Some(Exit::Refused),
            code if code == usize::from(Exit::Interrupted.code()) => Some(Exit::Interrupted),
            _ => Some(Exit::Terminated),
        }
    }
}
