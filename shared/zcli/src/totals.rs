//! The summaries of several stores as one.

use serde::Serialize;
use serde_json::{Map, Value};

/// Numbers that do not add up, because the stores are processed one after the other.
const LARGEST: [&str; 2] = ["jobs", "memory_bytes"];

/// Counts summed over the stores of a run, some of them by name.
#[derive(Debug, Default)]
pub struct Totals(Map<String, Value>);

impl Totals {
    /// Adds the counts of another store: the numbers of a struct, and those of its maps. Of limits, the largest counts.
    pub fn add(&mut self, summary: &impl Serialize) {
        let Ok(Value::Object(more)) = serde_json::to_value(summary) else { return };
        for (key, value) in more {
            if value.is_object() {
                let mut named = Totals(self.0.get(&key).and_then(Value::as_object).cloned().unwrap_or_default());
                named.add(&value);
                self.0.insert(key, named.0.into());
                continue;
            }
            let Some(value) = value.as_u64() else { continue };
            let before = self.get(&key).unwrap_or(0);
            let both = if LARGEST.contains(&key.as_str()) { before.max(value) } else { before.saturating_add(value) };
            self.0.insert(key, both.into());
        }
    }

    /// A count, if any store has it.
    pub fn get(&self, key: &str) -> Option<u64> {
        self.0.get(key).and_then(Value::as_u64)
    }

    /// As the totals of a run.
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_add_up_and_limits_do_not() {
        let mut totals = Totals::default();
        totals.add(&json!({"objects": 3, "jobs": 2, "gain": 1.5}));
        totals.add(&json!({"objects": 4, "jobs": 1, "failed": 1}));
        totals.add(&json!({"checks": {"md5": 2, "size": 1}}));
        totals.add(&json!({"checks": {"md5": 3, "blosc": 1}}));
        let checks = json!({"md5": 5, "size": 1, "blosc": 1});
        assert_eq!(Value::from(totals.into_map()), json!({"objects": 7, "jobs": 2, "failed": 1, "checks": checks}));
    }
}
