//! The shapes that were asked for, checked against the arrays that are there.

use std::collections::BTreeSet;

use zarray::Array;
use zwire::{Exit, Failure, did_you_mean, human_counted};

use super::rules::{Rules, Unused};

/// The shape options from the command line.
pub struct Shapes {
    /// `--chunks`.
    pub chunks: Rules,
    /// `--shards`.
    pub shards: Rules,
    /// `--no-shards`.
    pub no_shards: bool,
}

impl Shapes {
    /// Whether anything of it is for `array`.
    ///
    /// # Errors
    /// A rule for this very array that does not fit it.
    pub fn concern(&self, array: &Array) -> Result<bool, Failure> {
        let matches = |rules: &Rules| rules.apply(array, &array.shape, |_, length| length).map(|shape| shape.is_some());
        Ok((self.no_shards && array.chain.sharding.is_some()) || matches(&self.chunks)? || matches(&self.shards)?)
    }

    /// Checks that every shape is for some array of `all`, and fits one of `data`, those that are meant by shapes without a name. Returns a
    /// note on those of `data` that keep their chunks.
    ///
    /// # Errors
    /// `Exit::Absent` for an array and `Exit::Usage` for a dimension that is not there; `Exit::Usage` if no array fits.
    pub fn check(&self, all: &[&Array], data: &[&Array]) -> Result<Option<String>, Failure> {
        let arrays = all.iter().copied();
        let unused = self.chunks.unused(arrays.clone()).into_iter().chain(self.shards.unused(arrays)).next();
        if let Some(unused) = unused {
            return Err(not_there(&unused, all));
        }
        // A number has no dimension that could be divided.
        let passes =
            |array: &&&Array| !array.shape.is_empty() && (self.chunks.pass_over(array) || self.shards.pass_over(array));
        let misfits: Vec<&&Array> = data.iter().filter(passes).collect();
        let Some(first) = misfits.first() else { return Ok(None) };
        if misfits.len() == data.len() {
            return Err(no_fit(first));
        }
        let count = human_counted(misfits.len() as u64, "array");
        let more = if misfits.len() > 1 { ", …" } else { "" };
        Ok(Some(format!(
            "{count} with other dimensions than --chunks or --shards keep their chunks: {}{more}",
            first.path
        )))
    }
}

/// The failure of a shape for a dimension or an array that is not there. What a store lacks is absent, and a dimension is no
/// node of it but part of the request.
fn not_there(unused: &Unused, arrays: &[&Array]) -> Failure {
    let (failure, hint) = match unused {
        Unused::Array(glob) => {
            let failure = Failure::new(Exit::Absent, format!("no array matches {glob}"));
            (failure, did_you_mean(glob, arrays.iter().map(|array| array.key_prefix())))
        }
        Unused::Dimension(name) => {
            let names = arrays.iter().flat_map(|array| array.dimension_names.iter().flatten().flatten());
            let names: BTreeSet<&str> = names.map(String::as_str).collect();
            (Failure::usage(format!("no array has {name}")), did_you_mean(name, names))
        }
    };
    hint.map_or(failure.clone(), |hint| failure.hint(hint))
}

/// The failure of shapes that no data array fits.
fn no_fit(array: &Array) -> Failure {
    let names: Vec<&str> = array.dimension_names.iter().flatten().flatten().map(String::as_str).collect();
    let dimensions = human_counted(array.shape.len() as u64, "dimension");
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    let what = format!(
        "no data array has as many dimensions as --chunks or --shards has lengths: {} has {dimensions}{names}",
        array.path
    );
    Failure::usage(what).hint("give a length for each dimension, or name some of them: --chunks DIM=N")
}
