//! What a target means: a path, a URL of a known scheme, or a directory in a zip archive at one of these.

mod parse;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use zwire::decoded;

use crate::object::is_key;
use crate::{Address, StoreError, Target};

use parse::{Place, has_zip_extension, inner_directory, pipeline, plain};

pub use parse::without_caches;

/// A local directory, a remote address, or a zip archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A path, in whatever bytes the file system uses.
    Local(PathBuf),
    /// A URL with one of the schemes that [`Location::parse`] accepts.
    Remote(Address),
    /// A directory in a zip archive, which is only read.
    Zip(ZipLocation),
    /// A store whose objects are made when they are read. No text stands for it: it is only shown.
    Generated(String),
}

/// A directory in a zip archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipLocation {
    archive: Box<Location>,
    /// Without slashes at its ends; empty: the root of the hierarchy is to be found.
    inner: String,
}

impl ZipLocation {
    /// The archive.
    pub(crate) fn archive(&self) -> &Location {
        &self.archive
    }

    /// The local directory that only has the name of an archive.
    pub(crate) fn directory(&self) -> Option<&Location> {
        let is_directory = self.inner.is_empty() && self.archive.local().is_some_and(Path::is_dir);
        is_directory.then_some(&*self.archive)
    }

    /// The directory, if one is named.
    pub(crate) fn inner(&self) -> &str {
        &self.inner
    }
}

impl Location {
    /// Anything with `://` in it is a URL; all else is a path. What ends in `.zip` or `.ozx` is an archive, and so is what
    /// `|zip:` or `|zip:INNER` follows.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] for a scheme nobody here knows, credentials in a URL whose scheme does not take them, and a
    /// pipeline of anything but one zip archive.
    pub fn parse(name: impl Into<Target>) -> Result<Location, StoreError> {
        let target = name.into();
        let Some(text) = target.typed().to_str() else {
            return Ok(zip_by_name(Location::Local(target.typed().into())));
        };
        let text = without_caches(text);
        let parsed = match pipeline(text) {
            (base, None) => plain(base).map(|place| zip_by_name(place.into())),
            (base, Some(adapters)) => inner_directory(adapters).and_then(|inner| {
                let archive = Box::new(plain(base)?.into());
                Ok(Location::Zip(ZipLocation { archive, inner }))
            }),
        };
        parsed.map_err(|detail| StoreError::BadUrl { place: target.to_string(), detail })
    }

    /// The location of an output.
    ///
    /// # Errors
    /// As [`Location::parse`]; [`StoreError::NotWritable`] for a zip archive.
    pub fn output(name: impl Into<Target>) -> Result<Location, StoreError> {
        match Location::parse(name)? {
            zip @ Location::Zip(_) => Err(StoreError::NotWritable { place: zip.to_string(), what: "zip archives" }),
            location => Ok(location),
        }
    }

    /// Whether it is an address and not a path.
    pub fn is_remote(&self) -> bool {
        self.local().is_none()
    }

    /// Whether it carries a password or a signature, which are never shown or stored.
    pub fn has_credentials(&self) -> bool {
        match self {
            Location::Local(_) | Location::Generated(_) => false,
            Location::Remote(address) => address.user().is_some() || address.query().is_some(),
            Location::Zip(zip) => zip.archive.has_credentials(),
        }
    }

    /// The path, where it is local: of an archive, the archive's.
    pub fn local(&self) -> Option<&Path> {
        match self {
            Location::Local(path) => Some(path),
            Location::Remote(_) | Location::Generated(_) => None,
            Location::Zip(zip) => zip.archive.local(),
        }
    }

    /// The archive at a location whose name does not say that it is one.
    pub(crate) fn into_zip(self) -> Location {
        Location::Zip(ZipLocation { archive: Box::new(self), inner: String::new() })
    }

    /// A location that means the same in every directory.
    pub fn absolute(&self) -> Location {
        match self {
            Location::Local(path) => Location::Local(path.canonicalize().unwrap_or_else(|_| path.clone())),
            Location::Remote(_) | Location::Generated(_) => self.clone(),
            Location::Zip(ZipLocation { archive, inner }) => {
                Location::Zip(ZipLocation { archive: Box::new(archive.absolute()), inner: inner.clone() })
            }
        }
    }

    /// The last part of its path, without the extension of an archive; empty where there is none.
    pub fn name(&self) -> OsString {
        match self {
            Location::Local(path) => {
                let absolute = || path.canonicalize().ok().and_then(|path| path.file_name().map(OsString::from));
                path.file_name().map(OsString::from).or_else(absolute).unwrap_or_default()
            }
            Location::Remote(address) => split_path(address.url().path()).map_or("".into(), |(_, name)| name.into()),
            Location::Zip(zip) if zip.inner.is_empty() => {
                let name = zip.archive.name();
                let stem = Path::new(&name).file_stem().filter(|_| has_zip_extension(Path::new(&name)));
                stem.map_or(name.clone(), OsString::from)
            }
            Location::Zip(zip) => zip.inner.rsplit('/').next().unwrap_or("").into(),
            Location::Generated(name) => name.into(),
        }
    }

    /// The location above it, and its name there; `None` at the top, and in an archive.
    pub fn parent(&self) -> Option<(Location, String)> {
        match self.absolute() {
            Location::Local(path) => {
                let name = path.file_name()?.to_str()?.to_owned();
                Some((Location::Local(path.parent()?.to_owned()), name))
            }
            Location::Remote(address) => {
                let (above, name) = split_path(address.url().path())?;
                Some((Location::Remote(address.with_path(above)), name))
            }
            Location::Zip(_) | Location::Generated(_) => None,
        }
    }

    /// The place beside it whose name has `suffix` at its end: `out.zarr` gives `out.zarr.plan`.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] where there is no name that a suffix could follow: `.`, `/`, a whole bucket, an archive.
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
            Location::Remote(address) => {
                let path = Some(address.url().path().trim_end_matches('/')).filter(|path| !path.is_empty());
                let path = format!("{}{suffix}", path.ok_or_else(nameless)?);
                Ok(Location::Remote(address.with_path(&path)))
            }
            Location::Zip(_) | Location::Generated(_) => Err(nameless()),
        }
    }

    /// The place of a key below it, for messages.
    pub fn join(&self, key: &str) -> String {
        let base = self.to_string();
        match key {
            "" => base,
            _ if base.ends_with("|zip:") || matches!(self, Location::Generated(_)) => format!("{base}{key}"),
            _ => format!("{}/{key}", base.trim_end_matches('/')),
        }
    }
}

impl From<Place> for Location {
    fn from(place: Place) -> Location {
        match place {
            Place::Path(path) => Location::Local(path),
            Place::Url(address) => Location::Remote(address),
        }
    }
}

fn zip_by_name(location: Location) -> Location {
    match is_zip_name(&location) {
        true => location.into_zip(),
        false => location,
    }
}

/// Whether the name of a file is that of a zip archive; a slash at the end makes it a directory.
fn is_zip_name(location: &Location) -> bool {
    match location {
        Location::Local(path) => !path.as_os_str().as_encoded_bytes().ends_with(b"/") && has_zip_extension(path),
        Location::Remote(address) => {
            has_zip_extension(Path::new(address.url().path())) && !address.url().path().ends_with('/')
        }
        Location::Zip(_) | Location::Generated(_) => false,
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Local(path) => path.display().fmt(f),
            Location::Remote(address) => address.fmt(f),
            Location::Generated(name) => name.fmt(f),
            Location::Zip(ZipLocation { archive, inner }) if inner.is_empty() && is_zip_name(archive) => archive.fmt(f),
            Location::Zip(ZipLocation { archive, inner }) => write!(f, "{archive}|zip:{}", encoded(inner)),
        }
    }
}

/// The path of a URL above its last part, and that part as the name which it encodes. A slash may be encoded as well.
fn split_path(path: &str) -> Option<(&str, String)> {
    let path = path.trim_end_matches('/');
    let (above, name) = path.rsplit_once('/')?;
    let encoded = name.to_ascii_lowercase().rfind("%2f").map(|at| above.len() + 1 + at);
    let (above, name) = encoded.map_or((above, name), |at| (&path[..at], &path[at + "%2f".len()..]));
    Some((above, decoded(name))).filter(|(_, name)| is_key(name))
}

/// A key so that [`Location::parse`] reads it back from a URL.
pub fn encoded(key: &str) -> String {
    let special = |c: char| matches!(c, '%' | '|' | '?' | '#' | ' ' | '"' | '@' | '*' | '\\') || c.is_ascii_control();
    key.chars().map(|c| if special(c) { format!("%{:02X}", u32::from(c)) } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location, StoreError> {
        Location::parse(text)
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
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let location = Location::parse(OsStr::from_bytes(b"d/\xff.zarr/")).expect("a path");
        let beside = location.with_suffix(".plan").expect("has a name");
        assert_eq!(beside.local().expect("a path").as_os_str().as_bytes(), b"d/\xff.zarr.plan");
    }

    #[test]
    fn bad_urls_are_usage_errors() {
        for text in [
            "ftp://host/x",
            "s3:///x",
            "s3://b/x.zarr?X-Amz-Signature=1",
            "s3://key:secret@b/x",
            "az://key:secret@b/x",
            "s3://b/x#y",
            "http://",
            "https:/u:secret@host/x",
            "https://u:secret/x@host:1/x",
            "s3://b/x.gz|gzip:",
            "x.zip|zip:a/../b",
            "x.zip|zip:|zip:",
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.exit(), zwire::Exit::Usage, "{text}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("secret") && !shown.contains("Signature"), "{shown}");
        }
    }

    #[test]
    fn archives_are_known_by_name_or_by_pipeline() {
        for (text, archive, inner, shown) in [
            ("a/x.zarr.zip", "a/x.zarr.zip", "", "a/x.zarr.zip"),
            ("x.OZX", "x.OZX", "", "x.OZX"),
            ("s3://b/x.zip|zip:", "s3://b/x.zip", "", "s3://b/x.zip"),
            ("s3://b/x.zip|zip:/in/ner/|zarr3:", "s3://b/x.zip", "in/ner", "s3://b/x.zip|zip:in/ner"),
            ("x.bin|zip:", "x.bin", "", "x.bin|zip:"),
            ("x.bin|zip:a%20b", "x.bin", "a b", "x.bin|zip:a%20b"),
            ("https://u:secret@host/x.zip?sig=secret", "https://host/x.zip", "", "https://host/x.zip"),
        ] {
            let location = parse(text).expect(text);
            let Location::Zip(zip) = &location else { panic!("{text}: {location:?}") };
            assert_eq!((zip.archive.to_string().as_str(), zip.inner.as_str()), (archive, inner), "{text}");
            assert_eq!(location.to_string(), shown);
            assert_eq!(parse(shown).expect(shown).to_string(), shown);
            assert!(matches!(Location::output(text), Err(StoreError::NotWritable { .. })), "{text}");
            assert!(location.with_suffix(".plan").is_err());
        }
        for text in ["x.zip/", "s3://b/x.zip/", "x.zipped", "a|b", "zip", "x.zip/a"] {
            assert!(!matches!(parse(text).expect(text), Location::Zip(_)), "{text}");
        }
    }

    #[test]
    fn keys_are_what_urls_encode() {
        for (text, above, name) in [
            ("s3://b/dir%20x/a%20b.csv", "s3://b/dir%20x", "a b.csv"),
            ("s3://b/a b.csv", "s3://b", "a b.csv"),
            ("s3://b/caf\u{e9}.csv", "s3://b", "caf\u{e9}.csv"),
            ("s3://b/a%2520b.csv/", "s3://b", "a%20b.csv"),
            ("s3://b/x%2Fa%23.csv", "s3://b/x", "a#.csv"),
            ("s3://b/%2Fetc%2fa.csv", "s3://b/%2Fetc", "a.csv"),
        ] {
            let (parent, found) = parse(text).expect(text).parent().expect(text);
            assert_eq!((parent.to_string().as_str(), found.as_str()), (above, name), "{text}");
            assert_eq!(parse(text).expect(text).name(), name, "{text}");
            assert_eq!(parse(&format!("s3://b/{}", encoded(name))).expect(name).name(), name);
        }
        for text in ["s3://b", "s3://b/", "s3://b/a%2F..", "s3://b/a%2F"] {
            assert_eq!(parse(text).expect(text).parent(), None, "{text}");
        }
    }

    #[test]
    fn names_are_those_of_outputs() {
        for (text, name) in [
            ("a/x.zarr", "x.zarr"),
            ("https://u:secret@host/x.zarr/?sig=secret", "x.zarr"),
            ("x.zarr.zip", "x.zarr"),
            ("x.ozx|zip:in/ner", "ner"),
            ("x.bin|zip:", "x.bin"),
            ("s3://bucket", ""),
        ] {
            assert_eq!(parse(text).expect(text).name(), name, "{text}");
        }
    }
}
