//! The clocks of a request, and what is said when one of them runs out.

use std::fmt;
use std::time::Duration;

/// A body that brings less than this in one minute is too slow.
const LEAST_BYTES_A_MINUTE: f64 = 65_536.0;

/// How long each step of a request may take. All follow from `--timeout`, so that several tries fit into it.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// All tries together.
    pub operation: Duration,
    pub connect: Duration,
    /// Until the head of the response is there.
    pub response: Duration,
    /// Between two pieces of a body, and the period over which its rate is measured.
    pub stall: Duration,
}

impl Clocks {
    pub fn new(timeout: Duration) -> Clocks {
        let connect = (timeout / 4).min(Duration::from_secs(10));
        Clocks { operation: timeout, connect, response: timeout / 3, stall: timeout / 3 }
    }

    /// Time for a request with so many bytes in its body: they may leave at the least rate at which bodies may arrive.
    pub fn response_to(&self, bytes: usize) -> Duration {
        let body = Duration::from_secs_f64(bytes as f64 / LEAST_BYTES_A_MINUTE * 60.0);
        (self.response + body).min(self.operation)
    }

    /// Whether a body that brought `bytes` in a period is too slow.
    pub fn is_too_slow(&self, bytes: u64) -> bool {
        (bytes as f64) < LEAST_BYTES_A_MINUTE * self.stall.as_secs_f64() / 60.0
    }
}

/// A clock that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUp {
    Connect(Duration),
    Response(Duration),
    Stall(Duration),
    /// Only so many bytes arrived in a period.
    Rate(u64, Duration),
}

impl fmt::Display for TimeUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeUp::Connect(limit) => write!(f, "no connection within {} (connect timeout)", seconds(*limit)),
            TimeUp::Response(limit) => write!(f, "no response within {} (response timeout)", seconds(*limit)),
            TimeUp::Stall(limit) => write!(f, "no data arrived for {} (stall timeout)", seconds(*limit)),
            TimeUp::Rate(bytes, period) => {
                write!(f, "only {bytes} bytes arrived in {} (minimum rate 64 KiB a minute)", seconds(*period))
            }
        }
    }
}

impl std::error::Error for TimeUp {}

impl TimeUp {
    /// The one among the causes of an error.
    pub fn among(error: &(dyn std::error::Error + 'static)) -> Option<TimeUp> {
        std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref().copied())
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", (time.as_secs_f64() * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kilobyte_a_second_is_too_slow_at_any_timeout() {
        for seconds in [3, 60, 600] {
            let clocks = Clocks::new(Duration::from_secs(seconds));
            let period = clocks.stall.as_secs_f64();
            assert!(clocks.is_too_slow((1024.0 * period) as u64), "{seconds}");
            assert!(!clocks.is_too_slow((1100.0 * period) as u64), "{seconds}");
            assert!(clocks.connect < clocks.response && clocks.response * 3 <= clocks.operation);
        }
    }

    #[test]
    fn a_request_with_a_body_has_time_to_send_it() {
        let clocks = Clocks::new(Duration::from_secs(600));
        assert_eq!(clocks.response_to(0), Duration::from_secs(200));
        assert_eq!(clocks.response_to(65_536), Duration::from_secs(260));
        assert_eq!(clocks.response_to(usize::MAX >> 12), clocks.operation);
    }

    #[test]
    fn each_clock_has_its_name() {
        let limit = Duration::from_millis(20_000);
        for (clock, name) in [
            (TimeUp::Connect(limit), "connect timeout"),
            (TimeUp::Response(limit), "response timeout"),
            (TimeUp::Stall(limit), "stall timeout"),
            (TimeUp::Rate(7, limit), "minimum rate"),
        ] {
            let text = clock.to_string();
            assert!(text.contains(name) && text.contains("20 s"), "{text}");
        }
    }
}
