//! How often, and with what pauses, something is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The longest random pause before the first retry; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest random pause before any.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The tries at one operation, within a number and a time.
#[derive(Debug)]
pub struct Effort {
    retries: usize,
    limit: Duration,
    tries: usize,
    spent: Duration,
}

impl Effort {
    pub fn new(retries: usize, limit: Duration) -> Effort {
        Effort { retries, limit, tries: 0, spent: Duration::ZERO }
    }

    /// A try took so long.
    pub fn tried(&mut self, time: Duration) {
        self.tries += 1;
        self.spent += time;
    }

    /// Time left for the next try.
    pub fn left(&self) -> Duration {
        self.limit.saturating_sub(self.spent)
    }

    /// The limit is only this from now on.
    pub fn limit_to(&mut self, limit: Duration) {
        self.limit = self.limit.min(limit);
    }

    /// The pause before the next try, if there is to be one: what the server asks for, and a random time on top of it, so that
    /// those who were refused together do not come back together.
    pub fn pause(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let doubled = FIRST_PAUSE * 2u32.saturating_pow(self.tries.saturating_sub(1).min(10) as u32);
        let pause = asked.unwrap_or_default().saturating_add(random(doubled.min(LONGEST_PAUSE).min(self.limit / 4)));
        let goes_on = self.tries <= self.retries && pause < self.left();
        self.spent = self.spent.saturating_add(if goes_on { pause } else { Duration::ZERO });
        goes_on.then_some(pause)
    }
}

/// A time between nothing and `most`. The keys of the hasher are random.
fn random(most: Duration) -> Duration {
    let number = RandomState::new().hash_one(most) >> 11;
    most.mul_f64(number as f64 / (1u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(effort: &mut Effort, asked: Option<Duration>) -> Vec<Duration> {
        std::iter::from_fn(|| {
            effort.tried(Duration::from_millis(10));
            effort.pause(asked)
        })
        .collect()
    }

    #[test]
    fn pauses_fill_the_time_limit_and_no_more() {
        let limit = Duration::from_secs(60);
        let pauses = pauses(&mut Effort::new(usize::MAX, limit), None);
        assert!((12..200).contains(&pauses.len()), "{pauses:?}");
        assert!(pauses.iter().sum::<Duration>() < limit);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE) && pauses[0] <= FIRST_PAUSE);
        assert!(pauses.iter().any(|pause| *pause > Duration::from_secs(1)));
    }

    #[test]
    fn a_number_of_retries_is_kept() {
        for retries in [0, 1, 7] {
            assert_eq!(pauses(&mut Effort::new(retries, Duration::from_secs(600)), None).len(), retries);
        }
    }

    #[test]
    fn what_the_server_asks_for_is_waited_and_no_longer_than_the_limit() {
        let second = Duration::from_secs(1);
        let waited = pauses(&mut Effort::new(usize::MAX, 10 * second), Some(second));
        assert!((3..10).contains(&waited.len()) && waited.iter().all(|pause| *pause >= second), "{waited:?}");
        assert!(pauses(&mut Effort::new(usize::MAX, 10 * second), Some(3600 * second)).is_empty());
    }
}
