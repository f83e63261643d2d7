//! Flags whose values are names, each with a line of help.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// The name of a choice, its help, and its value.
pub type Choice<T> = (&'static str, &'static str, T);

/// A parser of one of these choices.
pub fn one_of<T, const N: usize>(choices: [Choice<T>; N]) -> impl TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
{
    let names = choices.each_ref().map(|(name, help, _)| PossibleValue::new(*name).help(*help));
    PossibleValuesParser::new(names).try_map(move |typed| {
        let found = choices.iter().find(|(name, ..)| *name == typed);
        found.map(|(.., value)| value.clone()).ok_or("not one of the choices")
    })
}
