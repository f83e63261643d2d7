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
    dimension: &'a SampleDimension<'a>,
    range: Range<u64>,
}

/// The first dimension of the rows of a store, if they have one.
type First<'a> = Result<Option<SampleDimension<'a>>, Failure>;

/// The selections of each store; `None` for a store in which they select nothing. Those by value are the same in all: what a
/// store has of them does not depend on the others, nor on stores that `failed` to open.
///
/// # Errors
/// An index outside of the concatenation, a store without a place in it, and read errors of the stores.
pub fn selections(
    opened: &[Opened],
    failed: &[Failure],
    options: &DataOptions,
) -> Result<Vec<Option<Vec<Selection>>>, Failure> {
    let over_all = |selection: &Selection| !matches!(selection.by, By::Label(_));
    if opened.len() + failed.len() < 2 || !options.selections.iter().any(over_all) {
        return Ok(opened.iter().map(|_| Some(options.selections.clone())).collect());
    }
    let firsts: Vec<First> = opened.iter().map(|store| first(store, options)).collect();
    let mut of_stores: Vec<Option<Vec<Selection>>> = opened.iter().map(|_| Some(Vec::new())).collect();
    for selection in &options.selections {
        let dimension = &selection.dimension;
        let is_joined = firsts.iter().flatten().flatten().any(|first| first.name == *dimension);
        if !is_joined || !over_all(selection) {
            of_stores.iter_mut().flatten().for_each(|own| own.push(selection.clone()));
            continue;
        }
        let parts = parts(opened, &firsts, failed, dimension).map_err(|failure| unplaced(failure, dimension))?;
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

fn first<'a>(store: &'a Opened, options: &'a DataOptions) -> First<'a> {
    let candidates = Candidates::of(store, options)?;
    Ok(sample_dimensions(store, options, &candidates.found)?.into_iter().next())
}

/// The parts of all stores, or the failure of one that has no place among them: every index after it would be another.
fn parts<'a>(
    opened: &'a [Opened],
    firsts: &'a [First<'a>],
    failed: &[Failure],
    dimension: &str,
) -> Result<Vec<Part<'a>>, Failure> {
    if let Some(failure) = failed.first() {
        return Err(failure.clone());
    }
    let mut parts: Vec<Part> = Vec::new();
    for (opened, first) in opened.iter().zip(firsts) {
        let other = || Failure::usage(format!("its rows do not begin with {dimension}")).at(&opened.name);
        let own = first.as_ref().map_err(Failure::clone)?.as_ref();
        let own = own.filter(|own| own.name == dimension).ok_or_else(other)?;
        let start = parts.last().map_or(0, |part| part.range.end);
        let end = start.checked_add(length_of(own.array, dimension)).ok_or_else(other)?;
        parts.push(Part { opened, dimension: own, range: start..end });
    }
    Ok(parts)
}

/// Why a store is needed that has no place in the concatenation.
fn unplaced(failure: Failure, dimension: &str) -> Failure {
    let why =
        format!("leave it out, or use --sel without --sel-method: {dimension} is selected over all stores together");
    let hint = failure.advice().map_or_else(|| why.clone(), |advice| format!("{advice}; {why}"));
    failure.hint(hint)
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
