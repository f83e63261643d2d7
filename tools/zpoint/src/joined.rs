//! Selections over all stores together, as over their concatenation along the first dimension of their rows.

use std::ops::Range;

use zarray::Array;
use zcoord::{By, Column, Selection};
use zwire::Failure;

use crate::axes::{Axes, length_of};
use crate::opened::Opened;
use crate::options::DataOptions;
use crate::roles::{SampleDimension, sample_dimensions};
use crate::variables::Candidates;

/// The part of one store in the concatenation.
struct Part<'a> {
    opened: &'a Opened,
    /// The dimension, and an array that has it.
    dimension: SampleDimension<'a>,
    range: Range<u64>,
}

/// The selections of each store; `None` for a store in which they select nothing. Those by value are the same in all: what a
/// store has of them does not depend on the others.
///
/// # Errors
/// An index outside of the concatenation, and read errors of the stores.
pub fn selections(opened: &[Opened], options: &DataOptions) -> Result<Vec<Option<Vec<Selection>>>, Failure> {
    let same = || Ok(opened.iter().map(|_| Some(options.selections.clone())).collect());
    let over_all = |selection: &Selection| !matches!(selection.by, By::Label(_));
    if opened.len() < 2 || !options.selections.iter().any(over_all) {
        return same();
    }
    let Some(parts) = parts(opened, options) else { return same() };
    let dimension = &parts[0].dimension.name;
    let mut of_stores: Vec<Option<Vec<Selection>>> = opened.iter().map(|_| Some(Vec::new())).collect();
    for selection in &options.selections {
        if selection.dimension != *dimension || !over_all(selection) {
            of_stores.iter_mut().flatten().for_each(|own| own.push(selection.clone()));
            continue;
        }
        let total = parts.last().map_or(0, |part| part.range.end);
        let labels = if selection.is_by_index() { None } else { labels(&parts, options)? };
        let indices = selection.resolve(total, labels.as_ref()).map_err(|error| {
            let failure = Failure::usage(error.to_string()).at(format!("{} stores: {dimension}", parts.len()));
            error.hint().map_or(failure.clone(), |hint| failure.hint(hint))
        })?;
        for (own, part) in of_stores.iter_mut().zip(&parts) {
            match (own.as_mut(), selection.within(&indices, part.range.clone())) {
                (Some(all), Some(selected)) => all.push(selected),
                _ => *own = None,
            }
        }
    }
    Ok(of_stores)
}

/// The parts of all stores; `None` if they are not parts of one dimension.
fn parts<'a>(opened: &'a [Opened], options: &'a DataOptions) -> Option<Vec<Part<'a>>> {
    let mut parts: Vec<Part> = Vec::new();
    for store in opened {
        let candidates = Candidates::of(store, options).ok()?;
        let dimension = sample_dimensions(store, options, &candidates.found).ok()?.into_iter().next()?;
        let start = parts.last().map_or(0, |part| part.range.end);
        let length = length_of(dimension.array, &dimension.name);
        if parts.first().is_some_and(|first| first.dimension.name != dimension.name) {
            return None;
        }
        parts.push(Part { opened: store, dimension, range: start..start.checked_add(length)? });
    }
    Some(parts)
}

/// The coordinate values of all parts; `None` if one has none, or they are of different kinds.
fn labels(parts: &[Part], options: &DataOptions) -> Result<Option<Column>, Failure> {
    let of = |Part { opened, dimension: SampleDimension { name, array }, .. }: &Part| {
        let array: &Array = array;
        Axes::new(opened, options, &[]).labels(array, name)
    };
    let columns = parts.iter().map(of).collect::<Result<Option<Vec<Column>>, Failure>>()?;
    Ok(columns.and_then(|columns| Column::concatenated(&columns)))
}
