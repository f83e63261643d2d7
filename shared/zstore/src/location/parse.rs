//! Text as a location: pipelines, schemes, and names of archives.

use std::path::{Path, PathBuf};

use url::Url;
use zwire::decoded;

use crate::Address;
use crate::object::is_key;

const REMOTE_SCHEMES: [&str; 11] = ["s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss", "adl", "http", "https"];

/// Ends of the names of zip archives.
const ZIP_EXTENSIONS: [&str; 2] = ["zip", "ozx"];

/// What fsspec puts before a URL to keep what it reads: nothing is kept here.
const CACHES: [&str; 4] = ["simplecache::", "filecache::", "blockcache::", "cached::"];

/// A path or URL without the caches of fsspec before it.
pub fn without_caches(text: &str) -> &str {
    let inside = CACHES.iter().find_map(|cache| text.strip_prefix(cache));
    inside.map_or(text, without_caches)
}

/// The first part of a URL pipeline, and what follows its first `|`.
pub(super) fn pipeline(text: &str) -> (&str, Option<&str>) {
    let is_scheme = |text: &str| {
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        scheme.starts_with(|c: char| c.is_ascii_lowercase()) && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match text.match_indices('|').find(|(at, _)| is_scheme(&text[at + 1..])) {
        Some((at, _)) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// The directory that `zip:INNER` names. A Zarr version may follow, which the documents say as well.
pub(super) fn inner_directory(adapters: &str) -> Result<String, String> {
    let mut parts = adapters.split('|');
    let first = parts.next().unwrap_or_default();
    let Some(inner) = first.strip_prefix("zip:") else {
        return Err(format!("{:?} is not supported in a URL pipeline; only zip: is", scheme_of(first)));
    };
    if let Some(part) = parts.find(|part| !matches!(part.trim_end_matches('/'), "zarr:" | "zarr2:" | "zarr3:")) {
        return Err(format!("{:?} is not supported after zip:", scheme_of(part)));
    }
    let inner = decoded(inner.trim_matches('/'));
    match inner.is_empty() || is_key(&inner) {
        true => Ok(inner),
        false => Err("the directory in the archive must not have empty parts, . or ..".into()),
    }
}

fn scheme_of(part: &str) -> &str {
    part.split_inclusive(':').next().unwrap_or_default()
}

/// A path, or a URL of a known scheme.
pub(super) enum Place {
    Path(PathBuf),
    Url(Address),
}

/// A path or URL without a pipeline, or what is wrong with it.
pub(super) fn plain(text: &str) -> Result<Place, String> {
    if !text.contains("://") {
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        if REMOTE_SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) && text[scheme.len()..].starts_with(":/") {
            return Err(format!("write {scheme}:// with two slashes"));
        }
        return Ok(Place::Path(text.strip_prefix("file:").unwrap_or(text).into()));
    }
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    // As fsspec spells it.
    let url = match url.scheme() {
        "gcs" => Url::parse(&format!("gs{}", &text["gcs".len()..])).map_err(|error| error.to_string())?,
        _ => url,
    };
    if url.scheme() == "file" {
        return url.to_file_path().map(Place::Path).map_err(|()| "is not an absolute file path".into());
    }
    if !REMOTE_SCHEMES.contains(&url.scheme()) {
        return Err(format!("scheme {:?} is not one of file, s3, gs, az, http, https", url.scheme()));
    }
    if url.fragment().is_some() {
        return Err("URLs must not have a fragment; write # in a name as %23".into());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the URL names no bucket or host".into());
    }
    let address = Address::new(url);
    check_credentials(&address)?;
    Ok(Place::Url(address))
}

/// Credentials that no request could carry are refused, and not left out.
fn check_credentials(address: &Address) -> Result<(), String> {
    if address.is_ambiguous() {
        return Err("write / in a password as %2F, and @ in a path as %40".into());
    }
    let scheme = address.url().scheme();
    let is_web = scheme.starts_with("http");
    if address.user().is_some() && !is_web {
        return Err(format!("{scheme} URLs take no user and password; use the cloud provider's environment variables"));
    }
    if address.query().is_some() && matches!(scheme, "s3" | "s3a" | "gs") {
        return Err(format!("{scheme} URLs take no query; write a signed URL as https"));
    }
    Ok(())
}

pub(super) fn has_zip_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ZIP_EXTENSIONS.iter().any(|zip| extension.eq_ignore_ascii_case(zip)))
}
