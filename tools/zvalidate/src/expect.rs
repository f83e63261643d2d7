//! What can be expected of a store, as it is written in flags and rules files.

use std::str::FromStr;

use zcoord::Tolerance;

/// Systems that annotations are printed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Annotations {
    /// GitHub Actions.
    Github,
}

/// A share: `5%` or `0.05`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let (digits, unit) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
        let number = digits.trim().parse::<f64>().ok().map(|number| number / unit);
        let number = number.filter(|share| (0.0..=1.0).contains(share));
        number.map(Share).ok_or_else(|| "expected a share such as 5% or 0.05".into())
    }
}

/// Chunks that must be stored: `all`, or a share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectChunks(pub f64);

impl FromStr for ExpectChunks {
    type Err = String;

    fn from_str(text: &str) -> Result<ExpectChunks, String> {
        match text {
            "all" => Ok(ExpectChunks(1.0)),
            text => text
                .parse()
                .map(|Share(share)| ExpectChunks(share))
                .map_err(|_| "expected all, or a share such as 95%".into()),
        }
    }
}

/// The step of a coordinate: `1h`, `time=1h`, `latitude=0.25`.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRule {
    /// The dimension; `None`: every one that it can be meant for.
    pub dim: Option<String>,
    /// The step.
    pub step: Tolerance,
}

impl FromStr for StepRule {
    type Err = String;

    fn from_str(text: &str) -> Result<StepRule, String> {
        let (dim, step) = text.split_once('=').map_or((None, text), |(dim, step)| (Some(dim.to_owned()), step));
        let step: Tolerance = step.parse().map_err(|_| "expected a step such as 1h, 1D or 0.25")?;
        let positive = match step {
            Tolerance::Number(step) | Tolerance::Time(step) => step > 0.0,
        };
        positive.then_some(StepRule { dim, step }).ok_or_else(|| "a step must be greater than 0".into())
    }
}

/// Values of a coordinate: `file_id=0:94`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// The dimension.
    pub dim: String,
    /// Label of the first value.
    pub first: String,
    /// Label of the last value.
    pub last: String,
}

impl FromStr for Expect {
    type Err = String;

    /// A colon may be one of a time of day: the range is cut at the colon in the middle.
    fn from_str(text: &str) -> Result<Expect, String> {
        let wrong = || "expected DIM=FIRST:LAST, such as file_id=0:94".to_owned();
        let (dim, range) = text.split_once('=').ok_or_else(wrong)?;
        let colons: Vec<usize> = range.match_indices(':').map(|(at, _)| at).collect();
        let middle = colons.get(colons.len() / 2).filter(|_| colons.len() % 2 == 1).ok_or_else(wrong)?;
        let (first, last) = (range[..*middle].trim(), range[middle + 1..].trim());
        match dim.is_empty() || first.is_empty() || last.is_empty() {
            true => Err(wrong()),
            false => Ok(Expect { dim: dim.to_owned(), first: first.to_owned(), last: last.to_owned() }),
        }
    }
}

/// A largest share of NaN: `0.01`, `t2m=0.01`.
#[derive(Debug, Clone, PartialEq)]
pub struct NanRule {
    /// The arrays; `*` for all.
    pub glob: String,
    /// The share.
    pub share: f64,
}

impl FromStr for NanRule {
    type Err = String;

    fn from_str(text: &str) -> Result<NanRule, String> {
        let (glob, share) = text.rsplit_once('=').unwrap_or(("*", text));
        let Share(share) = share.parse().map_err(|_| "expected VAR=SHARE, such as t2m=0.01")?;
        Ok(NanRule { glob: glob.to_owned(), share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_rules_are_parsed() {
        assert_eq!("5%".parse(), Ok(Share(0.05)));
        assert_eq!("0.25".parse(), Ok(Share(0.25)));
        assert_eq!("all".parse(), Ok(ExpectChunks(1.0)));
        assert_eq!("95%".parse(), Ok(ExpectChunks(0.95)));
        for bad in ["", "5", "-1%", "101%", "NaN", "most"] {
            assert!(bad.parse::<Share>().is_err() && bad.parse::<ExpectChunks>().is_err(), "{bad}");
        }
        assert_eq!("time=1h".parse(), Ok(StepRule { dim: Some("time".into()), step: Tolerance::Time(3.6e9) }));
        assert_eq!("0.25".parse(), Ok(StepRule { dim: None, step: Tolerance::Number(0.25) }));
        for bad in ["", "0", "time=", "1 week"] {
            assert!(bad.parse::<StepRule>().is_err(), "{bad}");
        }
        assert_eq!("t2m=0.01".parse(), Ok(NanRule { glob: "t2m".into(), share: 0.01 }));
        assert_eq!("1%".parse(), Ok(NanRule { glob: "*".into(), share: 0.01 }));
    }

    #[test]
    fn expected_values_are_cut_in_the_middle() {
        let expect = |text: &str| text.parse::<Expect>().map(|Expect { dim, first, last }| [dim, first, last]);
        assert_eq!(expect("file_id=0:94"), Ok(["file_id", "0", "94"].map(String::from)));
        let times = expect("time=2019-03-01T00:00:2019-03-31T23:00");
        assert_eq!(times, Ok(["time", "2019-03-01T00:00", "2019-03-31T23:00"].map(String::from)));
        for bad in ["file_id", "file_id=0", "=0:1", "x=:1", "x=1:"] {
            assert!(expect(bad).is_err(), "{bad}");
        }
    }
}
