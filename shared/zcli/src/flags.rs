//! Flags that mean the same in every tool that has them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use zarray::{Memory, VarFilter, available_cores};
use zstore::{Store, StoreOptions, requests_in_flight};
use zwire::Failure;

use crate::signals::Stop;

/// How records are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table on a terminal, JSON lines elsewhere.
    Auto,
    /// A table for people.
    Table,
    /// One JSON object a line.
    Jsonl,
}

/// When to use colour, or to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What `--generate` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generate {
    /// The manual page.
    Man,
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
}

/// Flags of every tool.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output options")]
pub struct Common {
    /// How to print: a table on a terminal and JSON lines in a pipe, or one of them always
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "auto")]
    pub format: Format,
    /// Print JSON lines (the same as --format jsonl)
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Write the records to FILE, which must not exist, instead of standard output ("-")
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Add seconds, processor time and peak memory to the summary
    #[arg(long)]
    pub timing: bool,
    /// Say nothing on standard error but failures
    #[arg(short, long)]
    pub quiet: bool,
    /// Say more on standard error
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub color: Color,
    /// When to show a progress bar
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub progress: Color,
}

/// Flags of tools that read stores.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Store options")]
pub struct StoreFlags {
    /// Send no credentials
    #[arg(long)]
    pub anonymous: bool,
    /// Address of the object store, where it is not the cloud's own
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Region of the bucket
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// Time limit of one remote operation, its retries included
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Retries of one remote operation
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub retries: usize,
    /// Reads under way at once, where that is more than --jobs [default: 64 remotely]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub requests: Option<u16>,
}

impl StoreFlags {
    /// Threads that read from `store`, of which `jobs` at a time may be on the processor.
    pub fn readers(&self, store: &Store, jobs: usize) -> usize {
        requests_in_flight(self.requests.map(usize::from), store.is_remote(), jobs)
    }

    /// The same for the store layer; waits end when `stop` says so.
    pub fn options(&self, stop: &Stop) -> StoreOptions {
        StoreOptions {
            anonymous: self.anonymous,
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            timeout: self.timeout,
            retries: self.retries,
            stop: stop.flag(),
        }
    }
}

/// The flag of tools that keep the processor busy.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Work options")]
pub struct JobFlags {
    /// Workers: chunks on the processor at once [default: all cores that this process may use]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
}

impl JobFlags {
    /// Workers to start.
    pub fn jobs(&self) -> usize {
        self.jobs.map_or_else(available_cores, usize::from)
    }
}

/// The flag of tools that hold chunks in memory.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Work options")]
pub struct MemoryFlags {
    /// Bound for everything in flight: a share of the memory, or bytes with K, M, G or T
    #[arg(long, value_name = "SIZE", default_value = "20%")]
    pub max_memory: Memory,
}

/// Flags that choose arrays.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Selection options")]
pub struct VarFlags {
    /// Only arrays that match: a name ("t2m", "*_mean"), or with a slash the whole path ("/surface/*"); repeatable
    #[arg(long, value_name = "GLOB")]
    pub var: Vec<String>,
}

impl VarFlags {
    /// The patterns, ready to match.
    ///
    /// # Errors
    /// A usage failure that names the pattern.
    pub fn filter(&self) -> Result<VarFilter, Failure> {
        VarFilter::new(&self.var)
    }
}

/// `60s`, `500ms`, `2m`; a bare number is seconds.
///
/// # Errors
/// A sentence that says what is expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("a time is a number with ms, s, m or h".into()),
    };
    match digits.parse::<f64>() {
        Ok(number) if number > 0.0 && number * unit <= 1e6 => Ok(Duration::from_secs_f64(number * unit)),
        _ => Err("a time is a number above 0 with ms, s, m or h".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("7"), Ok(Duration::from_secs(7)));
        for bad in ["", "s", "-1s", "0", "1y", "NaN"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
