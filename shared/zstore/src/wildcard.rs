//! URLs with wildcards in their path: `s3://bucket/*.zarr`, expanded by listing, as a shell expands paths.

use crate::{Store, StoreError, StoreOptions, Target};

impl Target {
    /// The stores that a URL with `*` or `?` in its path stands for, in order of their names; anything else is itself.
    ///
    /// # Errors
    /// [`StoreError::Absent`] if no name matches, [`StoreError::NotListable`] from plain HTTP servers, and other errors of the
    /// listing.
    pub fn expanded(&self, options: &StoreOptions) -> Result<Vec<Target>, StoreError> {
        let Some((base, parts)) = self.typed().to_str().and_then(wildcards) else { return Ok(vec![self.clone()]) };
        let mut found = vec![base.to_owned()];
        for part in parts {
            found =
                found.into_iter().map(|above| below(&above, part, options)).collect::<Result<Vec<_>, _>>()?.concat();
        }
        match found.is_empty() {
            true => Err(StoreError::Absent { place: self.to_string() }),
            false => Ok(found.into_iter().map(Target::from).collect()),
        }
    }
}

/// A URL up to its first part with a wildcard, and the parts from there on. In HTTP, a `?` begins a query.
fn wildcards(text: &str) -> Option<(&str, Vec<&str>)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_http = scheme.starts_with("http");
    let path = if is_http { rest.split('?').next().unwrap_or(rest) } else { rest };
    let at = path.find('*').into_iter().chain(path.find('?')).min()?;
    let slash = rest[..at].rfind('/')?;
    let base = &text[..scheme.len() + 3 + slash];
    Some((base, rest[slash + 1..].trim_end_matches('/').split('/').collect()))
}

/// What there is below a URL of the name `part`, which may have wildcards.
fn below(above: &str, part: &str, options: &StoreOptions) -> Result<Vec<String>, StoreError> {
    if !part.contains(['*', '?']) {
        return Ok(vec![format!("{above}/{part}")]);
    }
    let entries = Store::open(above, options)?.entries("")?;
    let mut names: Vec<String> = entries.directories.into_iter().chain(entries.files).collect();
    names.retain(|name| matches(part.as_bytes(), name.as_bytes()) && (part.starts_with('.') || !name.starts_with('.')));
    names.sort_unstable();
    Ok(names.into_iter().map(|name| format!("{above}/{name}")).collect())
}

/// Whether `name` is `pattern`, where `*` stands for anything and `?` for one letter.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|skipped| matches(rest, &name[skipped..])),
        ([b'?', rest @ ..], [_, name @ ..]) => matches(rest, name),
        ([letter, rest @ ..], [first, name @ ..]) => letter == first && matches(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_wildcards_are_cut_before_the_first() {
        assert_eq!(wildcards("s3://b/*.zarr"), Some(("s3://b", vec!["*.zarr"])));
        assert_eq!(wildcards("gs://b/a/era?/x.zarr/"), Some(("gs://b/a", vec!["era?", "x.zarr"])));
        assert_eq!(wildcards("https://h/a/*.zarr?sig=1"), Some(("https://h/a", vec!["*.zarr?sig=1"])));
        for text in ["s3://b/x.zarr", "https://h/x.zarr?a=*", "local/*.zarr", "s3://b*"] {
            assert_eq!(wildcards(text), None, "{text}");
        }
    }

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.zarr", "a.zarr", true),
            ("*.zarr", "a.zarr.zip", false),
            ("batch_??.zarr", "batch_07.zarr", true),
            ("batch_??.zarr", "batch_7.zarr", false),
            ("*a*b*", "xaxbx", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
