//! Units of `datetime64` and `timedelta64`: in brackets in v2, a configuration in v3.

use serde_json::{Value, json};

/// What one tick of a time is, in NumPy's words: `unit` is empty for the generic one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeUnit {
    pub unit: String,
    pub scale: u64,
}

impl TimeUnit {
    /// Reads `[10s]`, or nothing at all.
    pub fn from_numpy(text: &str) -> Option<TimeUnit> {
        if text.is_empty() {
            return Some(TimeUnit { unit: String::new(), scale: 1 });
        }
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        let unit = inner.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let scale = inner.strip_suffix(unit)?;
        let scale = if scale.is_empty() { 1 } else { scale.parse().ok()? };
        TimeUnit::checked(unit, scale).filter(|_| !unit.is_empty())
    }

    /// Reads the configuration of a time type of v3.
    pub fn from_v3(configuration: &Value) -> Option<TimeUnit> {
        let unit = match configuration["unit"].as_str()? {
            "generic" => "",
            "μs" => "us",
            unit => unit,
        };
        TimeUnit::checked(unit, configuration["scale_factor"].as_u64()?)
    }

    fn checked(unit: &str, scale: u64) -> Option<TimeUnit> {
        const UNITS: [&str; 14] = ["", "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"];
        let valid = UNITS.contains(&unit) && (1..1 << 31).contains(&scale);
        valid.then(|| TimeUnit { unit: unit.to_owned(), scale })
    }

    /// The end of a type string.
    pub fn numpy(&self) -> String {
        match (self.unit.as_str(), self.scale) {
            ("", _) => String::new(),
            (unit, 1) => format!("[{unit}]"),
            (unit, scale) => format!("[{scale}{unit}]"),
        }
    }

    /// The configuration of a time type of v3.
    pub fn to_v3(&self) -> Value {
        let unit = if self.unit.is_empty() { "generic" } else { &self.unit };
        json!({"unit": unit, "scale_factor": self.scale})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_come_back() {
        for text in ["", "[ns]", "[10s]", "[M]", "[2147483647as]"] {
            let unit = TimeUnit::from_numpy(text).expect(text);
            assert_eq!(unit.numpy(), text);
            assert_eq!(TimeUnit::from_v3(&unit.to_v3()), Some(unit));
        }
        let micro = TimeUnit::from_v3(&json!({"unit": "μs", "scale_factor": 1}));
        assert_eq!(micro, TimeUnit::from_numpy("[us]"));
    }

    #[test]
    fn other_units_are_none() {
        for text in ["[xs]", "[0s]", "[-1s]", "[2147483648s]", "[99999999999999999999s]", "s", "[s", "[5]"] {
            assert_eq!(TimeUnit::from_numpy(text), None, "{text}");
        }
        assert_eq!(TimeUnit::from_v3(&json!({"unit": "s"})), None);
    }
}
