//! What a user typed for a store: a path, or a URL of a known scheme.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use crate::StoreError;

/// A local directory or a remote address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A path, in whatever bytes the file system uses.
    Local(PathBuf),
    /// A URL with one of the schemes that [`Location::parse`] accepts.
    Remote(Url),
}

const REMOTE_SCHEMES: [&str; 10] = ["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "http", "https"];

impl Location {
    /// Anything with `://` in it is a URL; all else is a path.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] for a scheme nobody here knows, or a URL with a query string (a signed URL), which no store
    /// could be walked with.
    pub fn parse(name: &OsStr) -> Result<Location, StoreError> {
        let Some(text) = name.to_str().filter(|text| text.contains("://")) else {
            let local = name.to_str().and_then(|text| text.strip_prefix("file:"));
            return Ok(Location::Local(local.map_or_else(|| PathBuf::from(name), PathBuf::from)));
        };
        let bad = |detail: String| StoreError::BadUrl { place: text.to_owned(), detail };
        let url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
        if url.scheme() == "file" {
            return url.to_file_path().map(Location::Local).map_err(|()| bad("is not an absolute file path".into()));
        }
        if !REMOTE_SCHEMES.contains(&url.scheme()) {
            return Err(bad(format!("scheme {:?} is not one of file, s3, gs, az, http, https", url.scheme())));
        }
        if url.query().is_some() {
            return Err(bad("URLs with a query (signed URLs) name one object, not a store".into()));
        }
        if url.fragment().is_some() {
            return Err(bad("URLs must not have a fragment; write # in a name as %23".into()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(bad("the URL names no bucket or host".into()));
        }
        Ok(Location::Remote(url))
    }

    /// Whether it is an address and not a path.
    pub fn is_remote(&self) -> bool {
        self.local().is_none()
    }

    /// The path, where it is local.
    pub fn local(&self) -> Option<&Path> {
        match self {
            Location::Local(path) => Some(path),
            Location::Remote(_) => None,
        }
    }

    /// The place beside it whose name has `suffix` at its end: `out.zarr` gives `out.zarr.plan`.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] where there is no name that a suffix could follow: `.`, `/`, a whole bucket.
    pub fn with_suffix(&self, suffix: &str) -> Result<Location, StoreError> {
        let nameless = || StoreError::BadUrl {
            place: self.to_string(),
            detail: format!("the path has no final component, so NAME{suffix} cannot be created next to it"),
        };
        match self {
            Location::Local(path) => {
                let mut name = path.file_name().ok_or_else(nameless)?.to_owned();
                name.push(suffix);
                Ok(Location::Local(path.with_file_name(name)))
            }
            Location::Remote(url) => {
                let path = Some(url.path().trim_end_matches('/')).filter(|path| !path.is_empty());
                let path = format!("{}{suffix}", path.ok_or_else(nameless)?);
                let mut url = url.clone();
                url.set_path(&path);
                Ok(Location::Remote(url))
            }
        }
    }

    /// The place of a key below it, for messages.
    pub fn join(&self, key: &str) -> String {
        let base = self.to_string();
        match key {
            "" => base,
            _ => format!("{}/{key}", base.trim_end_matches('/')),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Local(path) => path.display().fmt(f),
            Location::Remote(url) => url.as_str().trim_end_matches('/').fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location, StoreError> {
        Location::parse(OsStr::new(text))
    }

    #[test]
    fn paths_and_urls_are_told_apart() {
        assert_eq!(parse("a/b.zarr").expect("path"), Location::Local("a/b.zarr".into()));
        assert_eq!(parse("file:///a/b.zarr").expect("url"), Location::Local("/a/b.zarr".into()));
        assert_eq!(parse("file:a/b.zarr").expect("url"), Location::Local("a/b.zarr".into()));
        assert_eq!(parse("c:odd").expect("path"), Location::Local("c:odd".into()));
        assert!(matches!(parse("s3://bucket/x.zarr").expect("url"), Location::Remote(_)));
    }

    #[test]
    fn a_suffix_makes_the_name_of_a_neighbour() {
        for (name, expected) in [
            ("out.zarr", "out.zarr.plan"),
            ("a/out.zarr//", "a/out.zarr.plan"),
            ("file:///a/out.zarr/", "/a/out.zarr.plan"),
            ("s3://bucket/a%20b/out.zarr/", "s3://bucket/a%20b/out.zarr.plan"),
            ("https://host:81/out.zarr", "https://host:81/out.zarr.plan"),
        ] {
            let beside = parse(name).expect(name).with_suffix(".plan").expect(name);
            assert_eq!(beside, parse(expected).expect(expected), "{name}");
        }
        for name in ["/", ".", "a/..", "s3://bucket", "s3://bucket/", "http://host"] {
            assert!(parse(name).expect(name).with_suffix(".plan").is_err(), "{name}");
        }
    }

    #[test]
    fn a_suffix_keeps_bytes_that_are_not_text() {
        use std::os::unix::ffi::OsStrExt;
        let location = Location::parse(OsStr::from_bytes(b"d/\xff.zarr/")).expect("a path");
        let beside = location.with_suffix(".plan").expect("has a name");
        assert_eq!(beside.local().expect("a path").as_os_str().as_bytes(), b"d/\xff.zarr.plan");
    }

    #[test]
    fn bad_urls_are_usage_errors() {
        for text in ["ftp://host/x", "s3:///x", "https://host/x.zarr?sig=1", "s3://b/x#y", "http://"] {
            assert_eq!(parse(text).expect_err(text).exit(), zwire::Exit::Usage, "{text}");
        }
    }
}
