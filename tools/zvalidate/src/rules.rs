//! The rules file: what a team expects of its stores, in TOML. Its keys are the flags.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;
use zwire::{Exit, Failure, Severity};

use crate::expect::{Expect, ExpectChunks, NanRule, Share, StepRule};
use crate::kinds::{Kind, kind};
use crate::level::Level;

/// The file as written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Rules {
    /// As `--check`.
    pub check: Vec<String>,
    /// As `--skip`.
    pub skip: Vec<String>,
    /// As `--allow-nan`.
    pub allow_nan: Vec<String>,
    /// As `--dim`.
    pub dim: Vec<String>,
    /// As `--min-size`.
    pub min_size: Option<String>,
    level: Option<String>,
    expect_chunks: Option<String>,
    min_ratio: Option<String>,
    /// Largest shares of NaN by pattern.
    max_nan: BTreeMap<String, f64>,
    /// Steps by dimension.
    expect_step: BTreeMap<String, String>,
    /// `FIRST:LAST` by dimension.
    expect: BTreeMap<String, String>,
    /// Severities by kind.
    severity: BTreeMap<String, String>,
    #[serde(skip)]
    path: String,
}

impl Rules {
    /// Reads a rules file.
    ///
    /// # Errors
    /// `Exit::Absent` if it cannot be read, `Exit::Usage` with the line if it is not a rules file.
    pub fn read(path: &Path) -> Result<Rules, Failure> {
        let name = path.display().to_string();
        let failed = |error: std::io::Error| Failure::new(Exit::Absent, error.to_string()).at(&name);
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let rules: Rules = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            Failure::usage(format!("{line}{}", error.message().replace('\n', " "))).at(&name)
        })?;
        Ok(Rules { path: name, ..rules })
    }

    /// A value of the file, or where it is wrong.
    ///
    /// # Errors
    /// `Exit::Usage` with the key.
    pub fn parsed<T>(&self, key: &str, value: Result<T, String>) -> Result<T, Failure> {
        value.map_err(|error| Failure::usage(format!("{key}: {error}")).at(&self.path))
    }

    fn optional<T: FromStr<Err = String>>(&self, key: &str, text: Option<&String>) -> Result<Option<T>, Failure> {
        text.map(|text| self.parsed(key, text.parse())).transpose()
    }

    /// The level.
    ///
    /// # Errors
    /// `Exit::Usage` for an unknown one, as of the other values.
    pub fn level(&self) -> Result<Option<Level>, Failure> {
        let known = |text: &String| match text.as_str() {
            "list" => Ok(Level::List),
            "header" => Ok(Level::Header),
            "full" => Ok(Level::Full),
            _ => Err("expected list, header or full".to_owned()),
        };
        self.level.as_ref().map(|text| self.parsed("level", known(text))).transpose()
    }

    /// As `--expect-chunks`.
    ///
    /// # Errors
    /// `Exit::Usage`.
    pub fn expect_chunks(&self) -> Result<Option<ExpectChunks>, Failure> {
        self.optional("expect-chunks", self.expect_chunks.as_ref())
    }

    /// As `--min-ratio`.
    ///
    /// # Errors
    /// `Exit::Usage`.
    pub fn min_ratio(&self) -> Result<Option<Share>, Failure> {
        self.optional("min-ratio", self.min_ratio.as_ref())
    }

    /// As `--max-nan`.
    ///
    /// # Errors
    /// `Exit::Usage`.
    pub fn max_nan(&self) -> Result<Vec<NanRule>, Failure> {
        let rule = |(glob, share): (&String, &f64)| match (0.0..=1.0).contains(share) {
            true => Ok(NanRule { glob: glob.clone(), share: *share }),
            false => self.parsed("max-nan", Err(format!("{share} is not a share from 0 to 1"))),
        };
        self.max_nan.iter().map(rule).collect()
    }

    /// As `--expect-step`.
    ///
    /// # Errors
    /// `Exit::Usage`.
    pub fn steps(&self) -> Result<Vec<StepRule>, Failure> {
        let rule = |(dim, step): (&String, &String)| self.parsed("expect-step", format!("{dim}={step}").parse());
        self.expect_step.iter().map(rule).collect()
    }

    /// As `--expect`.
    ///
    /// # Errors
    /// `Exit::Usage`.
    pub fn expect(&self) -> Result<Vec<Expect>, Failure> {
        let rule = |(dim, range): (&String, &String)| self.parsed("expect", format!("{dim}={range}").parse());
        self.expect.iter().map(rule).collect()
    }

    /// Severities by kind.
    ///
    /// # Errors
    /// `Exit::Usage` for an unknown kind or severity.
    pub fn severities(&self) -> Result<BTreeMap<Kind, Severity>, Failure> {
        let rule = |(name, severity): (&String, &String)| {
            let severity = match severity.as_str() {
                "info" => Ok(Severity::Info),
                "warning" => Ok(Severity::Warning),
                "error" => Ok(Severity::Error),
                other => Err(format!("{other:?} is not info, warning or error")),
            };
            Ok((kind(&self.path, name)?, self.parsed("severity", severity)?))
        };
        self.severity.iter().map(rule).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rules, Failure> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("rules.toml");
        std::fs::write(&path, text).expect("writes");
        Rules::read(&path)
    }

    #[test]
    fn keys_are_the_flags() {
        let rules = read(
            "level = \"list\"\nskip = [\"unknown-key\"]\nmin-size = \"1G\"\n[max-nan]\nt2m = 0.01\n\
            [expect]\nfile_id = \"0:94\"\n[severity]\nmissing-chunks = \"error\"\n[expect-step]\ntime = \"1h\"\n",
        )
        .expect("rules");
        assert_eq!(rules.level().expect("a level"), Some(Level::List));
        assert_eq!(rules.max_nan().expect("limits"), [NanRule { glob: "t2m".into(), share: 0.01 }]);
        assert_eq!(rules.expect().expect("values")[0].last, "94");
        assert_eq!(rules.severities().expect("severities")[&Kind::MissingChunks], Severity::Error);
        assert_eq!(rules.steps().expect("steps").len(), 1);
    }

    #[test]
    fn a_mistyped_key_is_named_with_its_line() {
        let error = read("level = \"list\"\nmin_size = 3\n").expect_err("unknown key");
        assert!(error.to_string().contains("line 2") && error.to_string().contains("min_size"), "{error}");
        let wrong = read("level = \"half\"").expect("reads").level().expect_err("no level");
        assert!(wrong.to_string().contains("level"), "{wrong}");
    }
}
