//! Commands that cure a finding, where one does.

use zwire::{FindingRecord, recompressed_name, shell_quote};

use crate::kinds::Kind;

/// The command for a finding about `record.store`, if there is one.
pub fn command(kind: Kind, record: &FindingRecord) -> Option<String> {
    let store = &record.store;
    match kind {
        Kind::Typesize => {
            let path = record.path.as_deref()?;
            let output = shell_quote(&recompressed_name(store, path));
            Some(format!("zrecompress {} {output} --var {} --clevel 5", shell_quote(store), shell_quote(path)))
        }
        Kind::ConsolidatedStale | Kind::ConsolidatedUnusable if !store.contains("://") => {
            // As a literal of Python, inside of one of the shell.
            let literal = format!("\"{}\"", store.replace('\\', "\\\\").replace('"', "\\\""));
            let program = format!("import zarr; zarr.consolidate_metadata({literal})");
            Some(format!("python -c {}", shell_quote(&program)))
        }
        Kind::SmallObject => {
            let var = record.path.as_deref().map(|path| format!("--var {} ", shell_quote(path)));
            Some(format!("zvalidate --level full {}{}", var.unwrap_or_default(), shell_quote(store)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_shell() {
        let record = |store: &str, path: &str| FindingRecord {
            store: store.into(),
            path: Some(path.into()),
            ..FindingRecord::default()
        };
        let typesize = command(Kind::Typesize, &record("my store.zarr", "/t2m"));
        let expected = "zrecompress 'my store.zarr' 'my store-t2m.recompressed' --var /t2m --clevel 5";
        assert_eq!(typesize.as_deref(), Some(expected));
        let stale = command(Kind::ConsolidatedStale, &record("a.zarr", "/t2m"));
        assert_eq!(stale.as_deref(), Some("python -c 'import zarr; zarr.consolidate_metadata(\"a.zarr\")'"));
        assert_eq!(command(Kind::ConsolidatedStale, &record("s3://b/a.zarr", "/t2m")), None);
        assert_eq!(command(Kind::Truncated, &record("a.zarr", "/t2m")), None);
    }
}
