//! Arrays of the source that its consolidated metadata does not know, because they were added later: a copy of the whole store
//! does not have them.

use std::collections::HashSet;

use zarray::{ZarrFormat, json};
use zstage::OutputPlan;
use zstore::{StoreError, Trail};
use zwire::{Failure, human_counted};

/// Arrays that a warning names.
const SHOWN: usize = 5;

/// Paths of such arrays. Each group is listed once, which plain HTTP servers cannot do: none are found there.
///
/// # Errors
/// The store's.
pub fn unlisted_arrays(plan: &OutputPlan) -> Result<Vec<String>, Failure> {
    let Some(consolidated) = plan.hierarchy.consolidated() else { return Ok(Vec::new()) };
    let store = plan.store();
    let known: HashSet<String> =
        consolidated.paths().map(|(path, _)| path.trim_start_matches('/').to_owned()).collect();
    let groups: Vec<String> = plan.groups.iter().map(|path| path.trim_start_matches('/').to_owned()).collect();
    let unknown = |group: &str| -> Result<Vec<String>, StoreError> {
        let below = |name: String| if group.is_empty() { name } else { format!("{group}/{name}") };
        let directories = store.entries(group)?.directories.into_iter().map(below);
        Ok(directories.filter(|path| !known.contains(path)).collect())
    };
    let mut waiting = Vec::new();
    for found in plan.pool.map(groups, |group| unknown(&group)) {
        match found {
            Err(StoreError::NotListable { .. }) => return Ok(Vec::new()),
            found => waiting.extend(found?.into_iter().map(|path| (path, Trail::default()))),
        }
    }
    let mut arrays = Vec::new();
    while let Some((path, trail)) = waiting.pop() {
        let Some(trail) = store.enter(&trail, &path) else { continue };
        match kind(plan, &path)? {
            Some(Kind::Array) => arrays.push(path),
            Some(Kind::Group) => waiting.extend(unknown(&path)?.into_iter().map(|path| (path, trail.clone()))),
            None => {}
        }
    }
    arrays.sort_unstable();
    Ok(arrays)
}

/// The warning about such arrays, if there are any.
pub fn warning(source: &str, arrays: &[String]) -> Option<String> {
    let first = arrays.get(..SHOWN).unwrap_or(arrays).join(", ");
    let more = if arrays.len() > SHOWN { format!(" and {} more", arrays.len() - SHOWN) } else { String::new() };
    let are = if arrays.len() == 1 { "is" } else { "are" };
    let count = human_counted(arrays.len() as u64, "array");
    let text = format!("{source}: {count} {are} not in the consolidated metadata and {are} not copied: {first}{more}");
    (!arrays.is_empty()).then_some(text)
}

enum Kind {
    Array,
    Group,
}

/// What a directory is by its own metadata.
fn kind(plan: &OutputPlan, path: &str) -> Result<Option<Kind>, StoreError> {
    let store = plan.store();
    let has = |name: &str| Ok(store.stat(&format!("{path}/{name}"))?.is_some());
    if plan.hierarchy.format() == ZarrFormat::V2 {
        let is_array: Result<bool, StoreError> = has(".zarray");
        return Ok(match is_array? {
            true => Some(Kind::Array),
            false => has(".zgroup")?.then_some(Kind::Group),
        });
    }
    let mut text = Vec::new();
    if store.get(&format!("{path}/zarr.json"), &mut text)?.is_none() {
        return Ok(None);
    }
    let document = json::parse(&text).unwrap_or_default();
    Ok(match document["node_type"].as_str() {
        Some("array") => Some(Kind::Array),
        Some("group") => Some(Kind::Group),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_names_some_arrays() {
        let arrays = |count: usize| (0..count).map(|number| format!("a{number}")).collect::<Vec<_>>();
        assert_eq!(warning("in.zarr", &[]), None);
        let text = |count| warning("in.zarr", &arrays(count)).expect("a warning");
        assert_eq!(text(1), "in.zarr: 1 array is not in the consolidated metadata and is not copied: a0");
        assert!(text(7).ends_with(
            "7 arrays are not in the consolidated metadata and are not copied: a0, a1, a2, a3, a4 and 2 more"
        ));
    }
}
