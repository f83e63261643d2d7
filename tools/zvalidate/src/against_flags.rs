//! The flags of `--against`.

use zcli::clap::{self, Args as ClapArgs};
use zstore::Target;
use zwire::Failure;

use crate::against::kernel::Tolerance;

/// Flags that compare two stores.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Comparison")]
pub struct AgainstFlags {
    /// Compare values with those of OTHER, whatever the chunks, codecs, shards and format of both; nothing else is checked
    #[arg(long, value_name = "OTHER", conflicts_with_all = ["level", "sample", "part"])]
    pub against: Option<Target>,
    /// Relative difference to OTHER that counts as equal, such as 1e-6
    #[arg(long, value_name = "X", requires = "against", value_parser = tolerance)]
    pub rtol: Option<f64>,
    /// Absolute difference that counts as equal, such as 0.01
    #[arg(long, value_name = "X", requires = "against", value_parser = tolerance)]
    pub atol: Option<f64>,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "expected a number that is not negative, such as 1e-6".to_owned())
}

/// What is compared with.
pub struct Against {
    /// The other store.
    pub other: Target,
    /// The difference that counts as equal.
    pub tolerance: Tolerance,
    /// Whether each chunk that differs is reported.
    pub each_chunk: bool,
}

impl Against {
    /// The comparison that the flags ask for.
    pub fn new(flags: &AgainstFlags, each_chunk: bool) -> Option<Against> {
        let other = flags.against.clone()?;
        let tolerance = Tolerance { rtol: flags.rtol.unwrap_or(0.0), atol: flags.atol.unwrap_or(0.0) };
        Some(Against { other, tolerance, each_chunk })
    }

    /// The only store of `stores`.
    ///
    /// # Errors
    /// `Exit::Usage` if there are none or several.
    pub fn only<'t>(&self, stores: &'t [Target]) -> Result<&'t Target, Failure> {
        match stores {
            [only] => Ok(only),
            _ => Err(Failure::usage(format!("--against compares one store with another, not {}", stores.len()))),
        }
    }
}
