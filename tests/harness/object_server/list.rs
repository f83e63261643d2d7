//! Object listings in pages, in the format of each cloud.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use super::answer::{Answer, HTTP_DATE, ISO_DATE, etag};
use super::shared::Shared;

/// Entries per page: few, so that every test store has several pages.
const PAGE: usize = 7;

/// Size and tag of a listed object; `None` for a prefix.
type Listed = Option<(u64, String)>;

impl Shared {
    /// The requested page of a listing.
    pub fn list(&self, query: &HashMap<String, String>) -> Answer {
        let text = |name: &str| query.get(name).map_or("", String::as_str);
        let azure = text("comp") == "list";
        let after = text(if azure { "marker" } else { "continuation-token" });
        let wanted = text(if azure { "maxresults" } else { "max-keys" }).parse().unwrap_or(PAGE).min(PAGE);
        let entries = self.entries(text("prefix"), text("delimiter"));
        let mut rest = entries.into_iter().filter(|(name, _)| name.as_str() > after).peekable();
        let page: Vec<_> = rest.by_ref().take(wanted).map(|(name, size)| self.listed(name, size)).collect();
        let next = rest.peek().and(page.last()).map_or("", |(name, _)| name);
        let xml = if azure { azure_page(&page, next) } else { s3_page(&page, next) };
        Answer::whole(xml.into_bytes(), "application/xml")
    }

    fn listed(&self, name: String, size: Option<u64>) -> (String, Listed) {
        let listed = size.map(|size| (size, etag(&fs::read(self.root.join(&name)).unwrap())));
        (name, listed)
    }

    /// Objects with their sizes and, with a delimiter, the common prefixes.
    fn entries(&self, prefix: &str, delimiter: &str) -> BTreeMap<String, Option<u64>> {
        let top = prefix.rsplit_once('/').map_or("", |(directory, _)| directory);
        let mut entries = BTreeMap::new();
        let mut waiting = vec![self.root.join(top)];
        while let Some(directory) = waiting.pop() {
            for path in fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()) {
                let key = path.strip_prefix(&self.root).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    waiting.push(path);
                } else if let Some(rest) = key.strip_prefix(prefix) {
                    match rest.split_once(delimiter).filter(|_| !delimiter.is_empty()) {
                        Some((name, _)) => entries.insert(format!("{prefix}{name}{delimiter}"), None),
                        None => entries.insert(key, Some(path.metadata().unwrap().len())),
                    };
                }
            }
        }
        entries
    }
}

/// A page in the format of S3 and Google Cloud Storage: objects first, then prefixes.
fn s3_page(page: &[(String, Listed)], next: &str) -> String {
    let object = |(key, listed): &(String, Listed)| {
        let (size, etag) = listed.as_ref()?;
        let (etag, key) = (escape(etag), escape(key));
        Some(format!(
            "<Contents><Key>{key}</Key><LastModified>{ISO_DATE}</LastModified><ETag>{etag}</ETag><Size>{size}</Size></Contents>"
        ))
    };
    let prefix = |(name, listed): &(String, Listed)| {
        listed.is_none().then(|| format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escape(name)))
    };
    let entries: String = page.iter().filter_map(object).chain(page.iter().filter_map(prefix)).collect();
    let token = match next {
        "" => String::new(),
        next => format!("<NextContinuationToken>{}</NextContinuationToken>", escape(next)),
    };
    let truncated = !next.is_empty();
    format!("<ListBucketResult>{entries}<IsTruncated>{truncated}</IsTruncated>{token}</ListBucketResult>")
}

/// A page in the format of Azure: objects and prefixes in one sequence, always with a marker.
fn azure_page(page: &[(String, Listed)], next: &str) -> String {
    let entry = |(name, listed): &(String, Listed)| {
        let name = escape(name);
        let Some((size, etag)) = listed else { return format!("<BlobPrefix><Name>{name}</Name></BlobPrefix>") };
        // Azure omits the quotation marks in lists only.
        let etag = etag.trim_matches('"');
        let properties = format!(
            "<Last-Modified>{HTTP_DATE}</Last-Modified><Etag>{etag}</Etag><Content-Length>{size}</Content-Length>\
             <Content-Type>application/octet-stream</Content-Type>"
        );
        format!("<Blob><Name>{name}</Name><Properties>{properties}</Properties></Blob>")
    };
    let entries: String = page.iter().map(entry).collect();
    let next = escape(next);
    format!("<EnumerationResults><Blobs>{entries}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>")
}

const ESCAPES: [(&str, &str); 5] = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&apos;")];

pub fn escape(text: &str) -> String {
    ESCAPES.iter().fold(text.to_owned(), |text, (plain, escaped)| text.replace(plain, escaped))
}

pub fn unescape(text: &str) -> String {
    ESCAPES.iter().rev().fold(text.to_owned(), |text, (plain, escaped)| text.replace(escaped, plain))
}
