//! Metadata: nodes that cannot be read, codecs and extensions that are not known, dimensions that disagree, and consolidated
//! metadata that is out of date.

use std::collections::{BTreeMap, HashSet};

use zarray::{Array, ChunkReader, Hierarchy, ZarrError, ZarrFormat, differences};
use zstore::StoreError;
use zwire::{Failure, Severity};

use crate::finding::Finding;
use crate::kinds::Kind;
use crate::level::Level;
use crate::open::Context;
use crate::sink::Sink;

/// Checks the metadata of a store.
///
/// # Errors
/// The output cannot be written.
pub fn check(context: &Context, hierarchy: &Hierarchy, sink: &mut Sink) -> Result<(), Failure> {
    if let Some(error) = &hierarchy.unusable {
        sink.emit(Finding::new(Kind::ConsolidatedUnusable, detail(error)))?;
    }
    for error in &context.nodes.failed {
        node_failed(context, error, sink)?;
    }
    for group in &context.nodes.groups {
        if let Some(why) = &group.not_understood {
            sink.emit(Finding::at(Kind::MetadataNotUnderstood, &group.path, why))?;
        }
    }
    for array in context.arrays() {
        array_metadata(context, array, sink)?;
    }
    dimension_lengths(context, sink)?;
    dimension_coordinates(context, sink)?;
    consolidated(context, hierarchy, sink)
}

/// What is wrong, without the path in front.
fn detail(error: &ZarrError) -> String {
    match error {
        ZarrError::Metadata { detail, .. } => detail.clone(),
        error => error.to_string(),
    }
}

/// Metadata that cannot be read is a finding; a node that the store does not give is not checked.
fn node_failed(context: &Context, error: &ZarrError, sink: &mut Sink) -> Result<(), Failure> {
    let ZarrError::Metadata { place, detail } = error else { return sink.failed(&error.into()) };
    let top = context.store.place("");
    let below = place.strip_prefix(top.trim_end_matches('/')).unwrap_or(place).trim_start_matches('/');
    sink.emit(Finding::at(Kind::MetadataInvalid, &format!("/{below}"), detail))
}

fn array_metadata(context: &Context, array: &Array, sink: &mut Sink) -> Result<(), Failure> {
    if let Some(why) = &array.not_understood {
        return sink.emit(Finding::of(Kind::MetadataNotUnderstood, array, why));
    }
    if let Err(why) = ChunkReader::new(context.store, array) {
        sink.emit(Finding::of(Kind::UnknownCodec, array, why))?;
    }
    // An array of one chunk is there or is not; of several, some may be missing.
    let several = array.numbered().is_some_and(|grid| grid.len() > 1);
    if array.fill_value.is_null() && array.format == ZarrFormat::V2 && several {
        sink.emit(Finding::of(Kind::NullFillValue, array, "fill_value is null").expected("a fill value"))?;
    }
    Ok(())
}

/// The group of a node: its path up to the last slash.
fn group_of(path: &str) -> &str {
    &path[..path.rfind('/').unwrap_or(0)]
}

/// The length of each dimension of a group, and the array that it was first seen in.
type Lengths<'a> = BTreeMap<(&'a str, &'a str), (u64, &'a str)>;

/// Arrays of a group share the lengths of their dimensions, unless they are levels of a pyramid.
fn dimension_lengths(context: &Context, sink: &mut Sink) -> Result<(), Failure> {
    let mut known: Lengths = BTreeMap::new();
    let pyramids = context.nodes.groups.iter().filter(|group| group.is_pyramid);
    let pyramids: HashSet<&str> = pyramids.map(|group| group.path.trim_end_matches('/')).collect();
    // Coordinates first: they say how long a dimension is.
    let is_coordinate = |array: &Array| {
        array
            .dimension_names
            .as_ref()
            .is_some_and(|names| matches!(names.as_slice(), [Some(own)] if array.path.rsplit('/').next() == Some(own)))
    };
    let all = || context.nodes.dataset.arrays();
    for array in all().filter(|array| is_coordinate(array)).chain(all().filter(|array| !is_coordinate(array))) {
        let group = group_of(&array.path);
        if pyramids.contains(group) {
            continue;
        }
        for (name, length) in array.dimension_names.iter().flatten().zip(&array.shape) {
            let Some(name) = name.as_deref() else { continue };
            let (first, path) = *known.entry((group, name)).or_insert((*length, &array.path));
            if first != *length && context.options.var.matches(&array.path) {
                let mut finding = Finding::of(Kind::DimensionSizes, array, format!("{name} has {length} steps"));
                finding.record.dim = Some(name.to_owned());
                sink.emit(finding.expected(format!("{first} steps, as in {path}")))?;
            }
        }
    }
    Ok(())
}

/// Dimensions without a coordinate, one finding for each of a group; arrays without names where others have them.
fn dimension_coordinates(context: &Context, sink: &mut Sink) -> Result<(), Failure> {
    let mut bare: BTreeMap<(&str, &str), (&Array, u64)> = BTreeMap::new();
    let named =
        context.nodes.dataset.arrays().any(|array| zcoord::dimensions(array).is_some_and(|names| !names.is_empty()));
    for array in context.arrays() {
        match zcoord::dimensions(array) {
            None if named => sink.emit(Finding::of(Kind::UnnamedDimensions, array, "no dimension names"))?,
            None => {}
            Some(names) => {
                for name in names {
                    let is_bare = context.nodes.dataset.coordinate(array, name).is_none()
                        && context.nodes.dataset.labels(array, name).is_none();
                    if is_bare {
                        bare.entry((group_of(&array.path), name)).or_insert((array, 0)).1 += 1;
                    }
                }
            }
        }
    }
    for ((_, name), (array, count)) in bare {
        let mut finding = Finding::of(Kind::DimensionWithoutCoordinate, array, format!("no coordinate for {name}"));
        finding.record.dim = Some(name.to_owned());
        sink.emit(finding.count(count))?;
    }
    Ok(())
}

/// Consolidated metadata against the documents of each node, which takes a few small reads for each.
fn consolidated(context: &Context, hierarchy: &Hierarchy, sink: &mut Sink) -> Result<(), Failure> {
    // Over a network that takes longer than a list.
    let is_wanted = sink.wants(Kind::ConsolidatedStale) && !(context.store.is_remote() && context.level == Level::List);
    // The documents of all nodes are read by one part only; the counts of findings in the records of others lack these.
    let is_wanted = is_wanted && context.division.has_rest();
    let Some(copy) = hierarchy.consolidated().filter(|_| is_wanted) else { return Ok(()) };
    let found = match differences(context.store, copy, hierarchy.format(), context.pool) {
        Ok(found) => found,
        Err(ZarrError::Store(StoreError::NotListable { .. })) => return Ok(()),
        Err(error) => return sink.failed(&error.into()),
    };
    for difference in found {
        let (found, expected) = match difference.difference {
            "missing" => ("the node is not in the consolidated metadata".to_owned(), "a copy of its metadata"),
            "gone" => ("the consolidated metadata has a node that is not there".to_owned(), "the node, or no copy"),
            _ => (format!("differs in {}", difference.members.join(", ")), "the metadata of the node"),
        };
        let finding = Finding::at(Kind::ConsolidatedStale, &difference.path, found).expected(expected);
        // Readers of the copy do not see what is missing from it, and everything else is as it was.
        let severity = if difference.difference == "missing" { Severity::Warning } else { Severity::Error };
        sink.emit(finding.severity(severity))?;
    }
    Ok(())
}
