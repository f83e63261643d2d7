//! Source and output must keep apart.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use zstore::{Location, Store};
use zwire::{Exit, Failure};

use crate::options::Begin;

/// The output must be neither the source nor inside it, nor around it.
pub fn check_output(store: &Store, output: &Location, begin: Begin, dry_run: bool) -> Result<(), Failure> {
    if begin == Begin::InPlace {
        return Ok(());
    }
    let (Some(source), Some(target)) = (store.location().local(), output.local()) else {
        let with_slash = |location: &Location| format!("{}/", location.to_string().trim_end_matches('/'));
        return check_apart(
            &with_slash(store.location()),
            &with_slash(output),
            |text, above| text.starts_with(above),
            output,
        );
    };
    let Ok(source) = source.canonicalize() else { return Ok(()) };
    let Some(target) = resolve(target) else {
        if dry_run {
            return Ok(());
        }
        return Err(Failure::new(Exit::Output, "the directory above it does not exist")
            .at(output)
            .hint("create it first"));
    };
    check_apart(&source, &target, |path, above| path.starts_with(above), output)
}

fn check_apart<T: PartialEq>(
    source: &T,
    target: &T,
    is_below: impl Fn(&T, &T) -> bool,
    output: &Location,
) -> Result<(), Failure> {
    let what = if source == target {
        "source and output are the same store"
    } else if is_below(target, source) {
        "the output lies inside the source"
    } else if is_below(source, target) {
        "the source lies inside the output, which would be replaced"
    } else {
        return Ok(());
    };
    Err(Failure::usage(what).at(output))
}

fn resolve(target: &Path) -> Option<PathBuf> {
    if let Ok(path) = target.canonicalize() {
        return Some(path);
    }
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(parent.canonicalize().ok()?.join(target.file_name().unwrap_or(OsStr::new(""))))
}
