//! URLs with wildcards in their path: `s3://bucket/*.zarr`, expanded by listing, as a shell expands paths.

use zwire::decoded;

use crate::location::encoded;
use crate::{Store, StoreError, StoreOptions, Target};

impl Target {
    /// The stores that a URL with `*` in its path stands for, in order of their names; anything else is itself.
    ///
    /// # Errors
    /// [`StoreError::Absent`] if no name matches, [`StoreError::NoWildcards`] from plain HTTP servers, and other errors of the
    /// listing.
    pub fn expanded(&self, options: &StoreOptions) -> Result<Vec<Target>, StoreError> {
        let Some(pattern) = self.typed().to_str().and_then(Pattern::of) else { return Ok(vec![self.clone()]) };
        let mut found = vec![pattern.base.to_owned()];
        for part in &pattern.parts {
            let below = found.into_iter().map(|above| pattern.below(&above, part, options));
            found = below.collect::<Result<Vec<_>, _>>()?.concat();
        }
        match found.is_empty() {
            true => Err(StoreError::Absent { place: self.to_string() }),
            false => Ok(found.into_iter().map(|url| Target::from(url + pattern.query)).collect()),
        }
    }
}

/// A URL with wildcards.
#[derive(Debug, PartialEq, Eq)]
struct Pattern<'a> {
    /// The URL up to its first part with a wildcard.
    base: &'a str,
    /// The parts from there on.
    parts: Vec<&'a str>,
    /// The query, such as a signature, with its question mark: it belongs to each URL.
    query: &'a str,
}

impl Pattern<'_> {
    fn of(text: &str) -> Option<Pattern<'_>> {
        let (text, query) = text.split_at(text.find('?').unwrap_or(text.len()));
        let (scheme, rest) = text.split_once("://")?;
        let slash = rest[..rest.find('*')?].rfind('/')?;
        let base = &text[..scheme.len() + 3 + slash];
        Some(Pattern { base, parts: rest[slash + 1..].trim_end_matches('/').split('/').collect(), query })
    }

    /// What there is below a URL of the name `part`, which may have wildcards.
    fn below(&self, above: &str, part: &str, options: &StoreOptions) -> Result<Vec<String>, StoreError> {
        if !part.contains('*') {
            return Ok(vec![format!("{above}/{part}")]);
        }
        let entries = Store::open(format!("{above}{}", self.query).as_str(), options)?.entries("");
        let entries = entries.map_err(|error| match error {
            StoreError::NotListable { .. } => StoreError::NoWildcards { place: format!("{above}/{part}") },
            other => other,
        })?;
        // Of the URL, whose other parts are encoded, too.
        let part = decoded(part);
        let mut names: Vec<String> = entries.directories.into_iter().chain(entries.files).collect();
        names.retain(|name| {
            matches(part.as_bytes(), name.as_bytes()) && (part.starts_with('.') || !name.starts_with('.'))
        });
        names.sort_unstable();
        Ok(names.into_iter().map(|name| format!("{above}/{}", encoded(&name))).collect())
    }
}

/// Whether `name` is `pattern`, where `*` stands for any bytes.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut next) = (0, 0);
    // Behind the last `*`, and where the bytes that it stands for end. Earlier ones need not be tried again.
    let mut last: Option<(usize, usize)> = None;
    while next < name.len() {
        match (pattern.get(at), last) {
            (Some(b'*'), _) => {
                at += 1;
                last = Some((at, next));
            }
            (Some(letter), _) if *letter == name[next] => (at, next) = (at + 1, next + 1),
            (_, Some((behind, end))) => {
                last = Some((behind, end + 1));
                (at, next) = (behind, end + 1);
            }
            _ => return false,
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_wildcards_are_cut_before_the_first() {
        let pattern = |base, parts, query| Some(Pattern { base, parts, query });
        assert_eq!(Pattern::of("s3://b/*.zarr"), pattern("s3://b", vec!["*.zarr"], ""));
        assert_eq!(Pattern::of("gs://b/a/era*/x.zarr/"), pattern("gs://b/a", vec!["era*", "x.zarr"], ""));
        assert_eq!(Pattern::of("az://b/a/*.zarr?sig=1"), pattern("az://b/a", vec!["*.zarr"], "?sig=1"));
        for text in ["s3://b/x.zarr", "az://b/x.zarr?sig=*", "local/*.zarr", "s3://b*"] {
            assert_eq!(Pattern::of(text), None, "{text}");
        }
    }

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name, expected) in
            [("*.zarr", "a.zarr", true), ("*.zarr", "a.zarr.zip", false), ("*a*b*", "xaxbx", true), ("", "", true)]
        {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*", "a", true),
            ("a*b", "ab", true),
            ("a*b", "abc", false),
            ("*ab", "aab", true),
            ("a", "", false),
            ("**b*", "abb", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    /// Trying all ways would take years.
    #[test]
    fn many_wildcards_over_a_long_name_take_no_time() {
        let name = vec![b'a'; 5000];
        let pattern = [&b"a*".repeat(30)[..], b"b"].concat();
        assert!(!matches(&pattern, &name));
        assert!(matches(&pattern, &[&name[..], b"b"].concat()));
    }
}
