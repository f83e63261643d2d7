//! Shape rules from the command line: an optional array glob and a length per dimension.

use std::str::FromStr;

use zarray::{Array, VarFilter};
use zwire::Failure;

/// One rule: `[GLOB:]SHAPE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Arrays the rule applies to; `None`: every array with these dimensions.
    glob: Option<String>,
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// `time=744`: only the named dimensions.
    Named(Vec<(String, Length)>),
    /// `744,16,16`: all dimensions.
    Listed(Vec<Length>),
}

/// A length; `None` is the whole dimension.
type Length = Option<u64>;

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Rule, String> {
        let (glob, shape) = match text.rsplit_once(':') {
            Some((glob, shape)) => (Some(glob.to_owned()), shape),
            None => (None, text),
        };
        let parts: Vec<&str> = shape.split(',').map(str::trim).collect();
        let named = |part: &&str| part.rsplit_once('=').map(|(name, text)| Ok((name.trim().to_owned(), length(text)?)));
        let pairs: Vec<_> = parts.iter().filter_map(named).collect::<Result<_, String>>()?;
        let shape = match pairs.len() {
            0 => Shape::Listed(parts.into_iter().map(length).collect::<Result<_, _>>()?),
            n if n == parts.len() => Shape::Named(pairs),
            _ => return Err("use either DIM=N,… or N,…".into()),
        };
        Ok(Rule { glob, shape })
    }
}

fn length(text: &str) -> Result<Length, String> {
    match text.trim() {
        "-1" => Ok(None),
        text => match text.parse::<u64>() {
            Ok(length) if length > 0 => Ok(Some(length)),
            _ => Err(format!("{text:?} is not a length: use a number above 0, or -1 for the whole dimension")),
        },
    }
}

/// A part of a rule that is for nothing in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unused {
    /// A glob that matches no array.
    Array(String),
    /// A dimension that no array has.
    Dimension(String),
}

/// Rules in command-line order.
#[derive(Default)]
pub struct Rules(Vec<(Rule, Option<VarFilter>)>);

impl Rules {
    /// Compiles the globs.
    ///
    /// # Errors
    /// An invalid glob.
    pub fn new(rules: &[Rule]) -> Result<Rules, Failure> {
        let compile = |rule: &Rule| {
            let glob = rule.glob.clone().map(|glob| VarFilter::new(&[glob])).transpose()?;
            Ok((rule.clone(), glob))
        };
        rules.iter().map(compile).collect::<Result<_, Failure>>().map(Rules)
    }

    /// The shape of `array` from the last matching rule, or `None` if no rule matches. Dimensions that the rule does
    /// not name keep their length in `kept`. `whole` returns the full length of a dimension from its number and length.
    ///
    /// # Errors
    /// A rule with a glob that matches the array but does not fit its dimensions.
    pub fn apply(
        &self,
        array: &Array,
        kept: &[u64],
        whole: impl Fn(usize, u64) -> u64,
    ) -> Result<Option<Vec<u64>>, Failure> {
        let rank = array.shape.len();
        let fits = |(rule, filter): &&(Rule, Option<VarFilter>)| match (filter, &rule.shape) {
            (Some(filter), _) => filter.matches(&array.path),
            // A rule without a glob skips arrays without these dimensions, such as coordinates.
            (None, Shape::Listed(lengths)) => lengths.len() == rank,
            (None, Shape::Named(_)) => true,
        };
        let Some((rule, _)) = self.0.iter().rfind(fits) else { return Ok(None) };
        let resolve =
            |dimension: usize, length: Length| length.unwrap_or_else(|| whole(dimension, array.shape[dimension]));
        let mut shape = kept.to_vec();
        match &rule.shape {
            Shape::Listed(lengths) if lengths.len() != rank => {
                let what = format!("has {rank} dimensions, but {} lengths were given", lengths.len());
                return Err(Failure::usage(what).at(&array.path));
            }
            Shape::Listed(lengths) => {
                shape = lengths.iter().enumerate().map(|(dimension, length)| resolve(dimension, *length)).collect();
            }
            Shape::Named(pairs) => {
                for (name, length) in pairs {
                    match dimension(array, name) {
                        Some(dimension) => shape[dimension] = resolve(dimension, *length),
                        None if rule.glob.is_some() => return Err(no_dimension(array, name)),
                        None => {}
                    }
                }
            }
        }
        Ok(Some(shape))
    }

    /// Whether there are rules for all arrays, but none has as many lengths as `array` has dimensions.
    pub fn pass_over(&self, array: &Array) -> bool {
        let fits = |(rule, filter): &(Rule, Option<VarFilter>)| match (filter, &rule.shape) {
            (Some(filter), _) => filter.matches(&array.path),
            (None, Shape::Listed(lengths)) => lengths.len() == array.shape.len(),
            (None, Shape::Named(_)) => true,
        };
        self.0.iter().any(|(rule, _)| rule.glob.is_none()) && !self.0.iter().any(fits)
    }

    /// Unused parts of the rules.
    pub fn unused<'a>(&self, arrays: impl Iterator<Item = &'a Array> + Clone) -> Vec<Unused> {
        let mut unused = Vec::new();
        for (rule, filter) in &self.0 {
            match (filter, &rule.shape) {
                (Some(filter), _) => {
                    let seen = arrays.clone().any(|array| filter.matches(&array.path));
                    unused.extend(rule.glob.clone().filter(|_| !seen).map(Unused::Array));
                }
                (None, Shape::Listed(_)) => {}
                (None, Shape::Named(pairs)) => {
                    let missing =
                        pairs.iter().filter(|(name, _)| !arrays.clone().any(|a| dimension(a, name).is_some()));
                    unused.extend(missing.map(|(name, _)| Unused::Dimension(name.clone())));
                }
            }
        }
        unused
    }
}

fn dimension(array: &Array, name: &str) -> Option<usize> {
    let names = array.dimension_names.as_ref()?;
    names.iter().take(array.shape.len()).position(|known| known.as_deref() == Some(name))
}

fn no_dimension(array: &Array, name: &str) -> Failure {
    let names: Vec<&str> = array.dimension_names.iter().flatten().flatten().map(String::as_str).collect();
    let hint = match names.is_empty() {
        true => "the dimensions are unnamed: give all lengths as a list".to_owned(),
        false => format!("available dimensions: {}", names.join(", ")),
    };
    Failure::usage(format!("has no dimension {name}")).at(&array.path).hint(hint)
}

/// A shape in command-line notation.
pub fn words(shape: &[u64]) -> String {
    shape.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}
