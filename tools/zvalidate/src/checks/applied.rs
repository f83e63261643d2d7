//! Which rules about steps applied to a coordinate: one that applies to none, in any store, would pass whatever there is.

use std::collections::BTreeSet;

use zcoord::Tolerance;
use zwire::Failure;

use crate::expect::StepRule;
use crate::sink::Sink;

/// What the values of a coordinate are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Times.
    Times,
    /// Numbers.
    Numbers,
    /// Text, which has no step.
    Texts,
}

/// The rules without a dimension that applied, by their number. Those with one are looked for in each store.
#[derive(Debug, Default)]
pub struct Applied(BTreeSet<usize>);

impl Applied {
    /// Takes note of a rule that applied.
    pub fn add(&mut self, rule: usize) {
        self.0.insert(rule);
    }

    /// Reports the rules that applied to no coordinate.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn report(&self, rules: &[StepRule], sink: &mut Sink) -> Result<(), Failure> {
        let bare = rules.iter().enumerate().filter(|(number, rule)| rule.dim.is_none() && !self.0.contains(number));
        for (_, rule) in bare {
            let (what, hint) = match rule.step {
                Tolerance::Time(_) => {
                    ("no time coordinate was found", "times have units such as \"hours since 2019-01-01\"")
                }
                Tolerance::Number(_) => ("no dimension of --dim has numbers", "a step of times is such as 1h"),
            };
            sink.failed(&Failure::usage(what).at("--expect-step").hint(hint))?;
        }
        Ok(())
    }
}
