//! The flags of `--against`.

use zcli::clap::{self, Args as ClapArgs};
use zstore::Target;

/// Flags that compare two stores.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Comparison")]
pub struct AgainstFlags {
    /// Compare values with those of OTHER, whatever the chunks, codecs, shards and format of both; nothing else is checked
    #[arg(long, value_name = "OTHER", conflicts_with_all = ["level", "sample"])]
    pub against: Option<Target>,
    /// Relative difference to OTHER that counts as equal, such as 1e-6
    #[arg(long, value_name = "X", requires = "against", value_parser = tolerance, allow_negative_numbers = true)]
    pub rtol: Option<f64>,
    /// Absolute difference that counts as equal, such as 0.01
    #[arg(long, value_name = "X", requires = "against", value_parser = tolerance, allow_negative_numbers = true)]
    pub atol: Option<f64>,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "expected a number that is not negative, such as 1e-6".to_owned())
}
