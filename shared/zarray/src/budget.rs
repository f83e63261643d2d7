//! What this process may use: cores and memory.

use std::fs;
use std::str::FromStr;

/// Cores that affinity and control groups allow.
pub fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory available to this process in bytes: that of the machine, or less if limited by a control group.
pub fn available_memory() -> u64 {
    let machine = meminfo("MemTotal:").unwrap_or(1 << 30);
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let group = limits.iter().find_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    group.map_or(machine, |limit| limit.min(machine))
}

fn meminfo(key: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// A memory limit: a percentage of RAM, or bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Memory {
    /// Percent of [`available_memory`].
    Percent(f64),
    /// Bytes.
    Bytes(u64),
}

impl Memory {
    /// The limit in bytes on this machine.
    #[allow(clippy::cast_possible_truncation, reason = "a share of the memory, which is no more than it")]
    pub fn bytes(self) -> u64 {
        match self {
            Memory::Percent(percent) => (available_memory() as f64 * percent / 100.0) as u64,
            Memory::Bytes(bytes) => bytes,
        }
    }
}

impl FromStr for Memory {
    type Err = String;

    /// `20%`, `8G`, `512M`, `1000000`: GNU sort's spelling, but a bare number is bytes.
    fn from_str(text: &str) -> Result<Memory, String> {
        match text.strip_suffix('%') {
            Some(percent) => match percent.parse::<f64>() {
                Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(Memory::Percent(percent)),
                _ => Err("expected a percentage above 0 and up to 100".into()),
            },
            None => parse_size(text).map(Memory::Bytes),
        }
    }
}

/// Bytes from `512`, `64K`, `4M`, `8G`, `1T` (powers of 1024; `KiB` and so on are the same) or `500MB` (powers of 1000).
///
/// # Errors
/// A message with the expected format.
#[allow(clippy::cast_possible_truncation, reason = "checked to be in range")]
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (base, power) = match &text[digits.len()..].to_ascii_lowercase()[..] {
        "" | "b" => (1024f64, 0),
        "k" | "kib" => (1024.0, 1),
        "m" | "mib" => (1024.0, 2),
        "g" | "gib" => (1024.0, 3),
        "t" | "tib" => (1024.0, 4),
        "kb" => (1000.0, 1),
        "mb" => (1000.0, 2),
        "gb" => (1000.0, 3),
        "tb" => (1000.0, 4),
        _ => return Err("expected a number of bytes with K, M, G or T, such as 8G".into()),
    };
    let number: f64 =
        digits.parse().map_err(|_| "expected a number of bytes with K, M, G or T, such as 8G".to_owned())?;
    let bytes = number * base.powi(power);
    if bytes.is_finite() && (0.0..1e18).contains(&bytes) { Ok(bytes as u64) } else { Err("is out of range".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_shares() {
        assert_eq!(parse_size("4M"), Ok(4 << 20));
        assert_eq!(parse_size("1.5k"), Ok(1536));
        assert_eq!(parse_size("0"), Ok(0));
        assert_eq!(parse_size("500MB"), Ok(500_000_000));
        assert_eq!("8GiB".parse(), Ok(Memory::Bytes(8 << 30)));
        assert_eq!("20%".parse(), Ok(Memory::Percent(20.0)));
        for bad in ["", "x", "4Q", "-1", "0%", "101%", "NaN", "1e30"] {
            assert!(bad.parse::<Memory>().is_err(), "{bad}");
        }
        assert!(available_cores() >= 1 && available_memory() > 1 << 20);
    }
}
