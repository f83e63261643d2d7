//! The pause that a server asks for.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, Utc};
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// What `Retry-After` asks for: seconds, or a date, which counts from the server's own.
pub fn pause(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now: DateTime<FixedOffset> = text(DATE).and_then(date).unwrap_or_else(|| Utc::now().into());
    Some((date(asked)? - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let asked = |after: &str| {
            let date = (DATE, "Thu, 01 Jan 2026 00:00:00 GMT".parse().expect("a value"));
            pause(&HeaderMap::from_iter([date, (RETRY_AFTER, after.parse().expect("a value"))]))
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Thu, 01 Jan 2026 00:01:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(asked("Wed, 31 Dec 2025 00:00:00 GMT"), Some(Duration::ZERO), "the past");
        assert_eq!(asked("soon"), None);
        assert_eq!(pause(&HeaderMap::new()), None);
    }
}
