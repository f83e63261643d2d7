//! Time and memory used by a run.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde_json::Map;
use zwire::{Timing, human_bytes, round3};

/// Seconds by phase, summed over all workers.
#[derive(Default)]
pub struct Phases(Mutex<BTreeMap<&'static str, f64>>);

impl Phases {
    /// Adds seconds to a phase. The summary field is `NAME_seconds`.
    pub fn add(&self, phase: &'static str, seconds: f64) {
        let mut phases = self.0.lock();
        *phases.entry(phase).or_default() += seconds;
    }
}

/// The totals of this process.
pub fn measure(started: Instant, phases: &Phases) -> Timing {
    let phases = phases.0.lock();
    let mut by_phase = Map::new();
    for (phase, seconds) in phases.iter() {
        by_phase.insert(format!("{phase}_seconds"), round3(*seconds).into());
    }
    Timing {
        seconds: round3(started.elapsed().as_secs_f64()),
        cpu_seconds: round3(cpu_seconds().unwrap_or_default()),
        peak_memory_bytes: peak_memory().unwrap_or_default(),
        phases: by_phase,
    }
}

/// The totals in one line.
pub fn line(timing: &Timing) -> String {
    let Timing { seconds, cpu_seconds, peak_memory_bytes, phases } = timing;
    let mut line =
        format!("{seconds:.2} s, {cpu_seconds:.2} s CPU time, peak memory {}", human_bytes(*peak_memory_bytes));
    for (index, (name, seconds)) in phases.iter().enumerate() {
        let phase = name.trim_end_matches("_seconds");
        let start = if index == 0 { "; summed over all workers: " } else { ", " };
        line.push_str(&format!("{start}{phase} {:.2} s", seconds.as_f64().unwrap_or(0.0)));
    }
    line
}

/// User and system time of all threads (`utime` and `stime` in proc(5), in ticks of 1/100 s).
fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// Peak resident set size (`VmHWM` in proc(5)).
fn peak_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_time_and_memory() {
        let phases = Phases::default();
        phases.add("read", 1.5);
        phases.add("read", 0.25);
        let timing = measure(Instant::now(), &phases);
        assert_eq!(timing.phases["read_seconds"], 1.75);
        assert!(timing.peak_memory_bytes > 100_000);
        assert!(line(&timing).ends_with("; summed over all workers: read 1.75 s"), "{}", line(&timing));
    }
}
