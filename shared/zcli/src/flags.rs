//! Flags that mean the same in every tool that has them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use zarray::{Memory, VarFilter, available_cores, parse_size};
use zstore::{Payer, Rate, Setting, Store, StoreOptions, Target, requests_in_flight};
use zwire::Failure;

use crate::signals::Stop;

/// How records are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table on a terminal, otherwise JSON Lines.
    Auto,
    /// A table.
    Table,
    /// One JSON object per line.
    Jsonl,
    /// A format that only one tool has, for what it writes besides records.
    #[value(skip)]
    Extra(&'static str),
}

impl Format {
    /// The format that only this tool has.
    pub fn extra(self) -> Option<&'static str> {
        match self {
            Format::Extra(name) => Some(name),
            _ => None,
        }
    }

    /// A parser that knows further formats, each with its help.
    pub fn parser<const N: usize>(extra: [(&'static str, &'static str); N]) -> impl TypedValueParser<Value = Format> {
        let common = Format::value_variants().iter().filter_map(|format| format.to_possible_value());
        let known = common.clone().map(|value| value.get_name().to_owned()).collect::<Vec<_>>();
        let own = extra.iter().filter(|(name, _)| !known.iter().any(|known| known == name));
        let own: Vec<(&'static str, &'static str)> = own.copied().collect();
        let names = common.chain(own.iter().map(|(name, help)| PossibleValue::new(*name).help(*help)));
        PossibleValuesParser::new(names).try_map(move |typed| match own.iter().find(|(name, _)| *name == typed) {
            Some((name, _)) => Ok(Format::Extra(name)),
            None => <Format as ValueEnum>::from_str(&typed, false),
        })
    }
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
    /// Output format; auto is a table on a terminal and JSON Lines otherwise
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "auto")]
    pub format: Format,
    /// Print JSON Lines (same as --format jsonl)
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Write records to FILE, which must not exist, instead of stdout ("-")
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Show all columns of a table in full, however wide the terminal is
    #[arg(long)]
    pub wide: bool,
    /// Add elapsed time, CPU time and peak memory to the summary
    #[arg(long)]
    pub timing: bool,
    /// Print only errors to stderr, and no table; JSON Lines are printed all the same
    #[arg(short, long)]
    pub quiet: bool,
    /// Print more, such as reasons and where the time went
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
    /// Send no credentials (public data)
    #[arg(long)]
    pub anonymous: bool,
    /// Custom S3-compatible endpoint
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<Target>,
    /// Region of the bucket
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// Set an option of the cloud or its connections, such as aws_request_payer=true; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub store_option: Vec<Setting>,
    /// The requester pays for S3 requests; on Google Cloud Storage, give the PROJECT
    #[arg(long, value_name = "PROJECT", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub requester_pays: Option<String>,
    /// Status that stands for a missing object besides 404, such as 403 [default: 403 is decided by a probe]
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=499))]
    pub missing_status: Option<u16>,
    /// Timeout of a remote operation, including retries; connecting, waiting and stalls have shares of it
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Retries per remote operation [default: as many as fit into --timeout]
    #[arg(long, value_name = "N")]
    pub retries: Option<usize>,
    /// Stop the run after this time, such as 6h; what was written is consistent
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub deadline: Option<Duration>,
    /// Requests in flight to a remote store [default: as many as it takes, 16 to 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub requests: Option<u16>,
    /// Limit what all remote stores transfer together, in bytes per second, such as 500MB/s
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub rate: Option<Arc<Rate>>,
}

impl StoreFlags {
    /// Threads that read from `store`; at most `jobs` of them compute at the same time.
    pub fn readers(&self, store: &Store, jobs: usize) -> usize {
        requests_in_flight(self.requests.map(usize::from), store.is_remote(), jobs)
    }

    /// The options of the store layer; waiting ends when `stop` is set.
    pub fn options(&self, stop: &Stop) -> StoreOptions {
        self.deadline.into_iter().for_each(|time| stop.after(time));
        StoreOptions {
            anonymous: self.anonymous,
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            settings: self.store_option.clone(),
            timeout: self.timeout,
            retries: self.retries,
            requests: self.requests.map(usize::from),
            rate: self.rate.clone(),
            missing_status: self.missing_status,
            payer: match self.requester_pays.as_deref() {
                None => Payer::Owner,
                Some(project) => Payer::Requester(Some(project.to_owned()).filter(|project| !project.is_empty())),
            },
            stop: stop.flag(),
            ..StoreOptions::default()
        }
    }
}

/// Flags of tools that process chunks in parallel.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Work options")]
pub struct JobFlags {
    /// Chunks processed in parallel: the number of workers [default: all available cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
}

impl JobFlags {
    /// Number of workers.
    pub fn jobs(&self) -> usize {
        self.jobs.map_or_else(available_cores, usize::from)
    }
}

/// Flags of tools that hold chunks in memory.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Work options")]
pub struct MemoryFlags {
    /// Memory limit, in bytes (with K, M, G or T) or as a percentage of RAM
    #[arg(long, value_name = "SIZE", default_value = "20%")]
    pub max_memory: Memory,
}

/// Flags that select arrays.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Selection options")]
pub struct VarFlags {
    /// Select arrays by name ("t2m", "*_mean") or, with a slash, by path ("/surface/*"); repeatable
    #[arg(long, value_name = "GLOB")]
    pub var: Vec<String>,
}

impl VarFlags {
    /// The compiled patterns.
    ///
    /// # Errors
    /// `Exit::Usage` if a pattern is invalid.
    pub fn filter(&self) -> Result<VarFilter, Failure> {
        VarFilter::new(&self.var)
    }
}

/// `60s`, `500ms`, `2m`; a bare number is seconds.
///
/// # Errors
/// A message with the expected format.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a number with ms, s, m or h, such as 30s".into()),
    };
    match digits.parse::<f64>() {
        Ok(number) if number > 0.0 && number * unit <= 1e6 => Ok(Duration::from_secs_f64(number * unit)),
        _ => Err("expected a positive number with ms, s, m or h, such as 30s".into()),
    }
}

/// `500MB/s`, `10M`; a bare number is bytes per second.
///
/// # Errors
/// A message with the expected format.
pub fn parse_rate(text: &str) -> Result<Arc<Rate>, String> {
    let bytes = parse_size(text.trim_end_matches("/s")).ok().filter(|bytes| *bytes > 0);
    let bytes = bytes.ok_or("expected a number of bytes per second with K, M or G, such as 500MB/s")?;
    Ok(Arc::new(Rate::new(bytes)))
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

    #[test]
    fn rates() {
        for good in ["500MB/s", "10M", "1000", "2.5GiB/s"] {
            assert!(parse_rate(good).is_ok(), "{good}");
        }
        for bad in ["", "0", "fast", "10m/h", "-1M"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }
}
