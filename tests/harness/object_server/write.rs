//! Uploads: whole objects, multipart uploads of S3 and Google Cloud Storage, and blocks of Azure.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;

use super::answer::{Answer, etag, generation};
use super::list::{escape, unescape};
use super::request::{Kind, Request};
use super::shared::Shared;

/// Minimum size of a part, except the last.
const SMALLEST_PART: usize = 5 << 20;

/// State of uploads besides the files themselves.
#[derive(Default)]
pub struct Writing {
    begun: usize,
    /// Multipart uploads neither completed nor aborted, by upload ID.
    uploads: HashMap<String, BTreeMap<usize, Vec<u8>>>,
    /// Blocks not yet committed, by key and ID.
    blocks: HashMap<String, HashMap<String, Vec<u8>>>,
    /// Headers to return with objects.
    notes: HashMap<String, Vec<String>>,
}

impl Writing {
    pub fn unfinished(&self) -> usize {
        self.uploads.len()
    }

    pub fn notes(&self, key: &str) -> &[String] {
        self.notes.get(key).map_or(&[], Vec::as_slice)
    }

    fn part(&mut self, request: &Request) -> Answer {
        let (bytes, number) = (request.body.clone(), request.query("partNumber").parse().unwrap_or(0));
        let tag = etag(&bytes);
        if request.query("comp") == "block" {
            let blocks = self.blocks.entry(request.subject.clone()).or_default();
            blocks.insert(request.query("blockid").to_owned(), bytes);
            return Answer::done(&tag);
        }
        let Some(upload) = self.uploads.get_mut(request.query("uploadId")) else { return Answer::error(404) };
        upload.insert(number, bytes);
        Answer::done(&tag)
    }

    fn begin(&mut self) -> Answer {
        self.begun += 1;
        let name = format!("upload-{}", self.begun);
        self.uploads.insert(name.clone(), BTreeMap::new());
        Answer::xml(&format!(
            "<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
        ))
    }

    /// The object made of the listed parts, in list order; `None` if a part is missing or does not match.
    fn assemble(&mut self, request: &Request) -> Option<Vec<u8>> {
        let text = request.text();
        if request.query("comp") == "blocklist" {
            let mut blocks = self.blocks.remove(&request.subject)?;
            let names = between(&text, "<Uncommitted>", "</Uncommitted>");
            return names
                .iter()
                .map(|name| blocks.remove(name))
                .collect::<Option<Vec<_>>>()
                .map(|parts| parts.concat());
        }
        let parts = self.uploads.get(request.query("uploadId"))?;
        let numbers: Vec<usize> =
            between(&text, "<PartNumber>", "</PartNumber>").iter().map(|number| number.parse().unwrap()).collect();
        let tags = between(&text, "<ETag>", "</ETag>");
        let listed: Option<Vec<&Vec<u8>>> = numbers.iter().map(|number| parts.get(number)).collect();
        let listed = listed.filter(|listed| listed.len() == tags.len() && numbers.is_sorted())?;
        let large = listed.iter().rev().skip(1).all(|part| part.len() >= SMALLEST_PART);
        let same = listed.iter().zip(&tags).all(|(part, tag)| etag(part) == unescape(tag));
        (large && same).then(|| listed.into_iter().map(Vec::as_slice).collect::<Vec<_>>().concat())
    }
}

impl Shared {
    pub fn write(&self, request: &Request) -> Answer {
        let mut writing = self.writing.lock();
        match request.kind {
            Kind::Put => self.put(&mut writing, request),
            Kind::Begin => writing.begin(),
            Kind::Part => writing.part(request),
            Kind::Complete => self.complete(&mut writing, request),
            Kind::Abort => {
                writing.uploads.remove(request.query("uploadId")).map_or(Answer::error(404), |_| Answer::empty(204))
            }
            Kind::Delete => self.delete(&mut writing, request),
            _ => Answer::error(405),
        }
    }

    fn put(&self, writing: &mut Writing, request: &Request) -> Answer {
        let wanted = request.header("x-goog-if-generation-match");
        let only_new = request.header("if-none-match") == Some("*") || wanted == Some("0");
        let tag = self.file(&request.subject).and_then(|path| fs::read(path).ok()).map(|content| etag(&content));
        if only_new && tag.is_some() {
            return Answer::error(if request.header("x-ms-blob-type").is_some() { 409 } else { 412 });
        }
        let is_other_tag = request.header("if-match").is_some_and(|wanted| tag.as_deref() != Some(wanted));
        let generation = tag.as_deref().map_or_else(|| "0".to_owned(), generation);
        if is_other_tag || wanted.is_some_and(|wanted| wanted != generation) {
            return Answer::error(412);
        }
        let note = |(name, value): (&String, &String)| name.contains("-meta-").then(|| format!("{name}: {value}"));
        writing.notes.insert(request.subject.clone(), request.headers.iter().filter_map(note).collect());
        self.store(&request.subject, &request.body)
    }

    fn store(&self, key: &str, bytes: &[u8]) -> Answer {
        let Some(path) = self.file(key) else { return Answer::error(400) };
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        Answer::done(&etag(bytes))
    }

    fn complete(&self, writing: &mut Writing, request: &Request) -> Answer {
        if request.query("comp") != "blocklist" && !writing.uploads.contains_key(request.query("uploadId")) {
            return Answer::error(404);
        }
        let Some(bytes) = writing.assemble(request) else { return Answer::error(400) };
        writing.uploads.remove(request.query("uploadId"));
        let stored = self.store(&request.subject, &bytes);
        if request.query("comp") == "blocklist" {
            return stored;
        }
        let tag = escape(&etag(&bytes));
        Answer::xml(&format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"))
    }

    fn delete(&self, writing: &mut Writing, request: &Request) -> Answer {
        writing.notes.remove(&request.subject);
        let deleted = self.file(&request.subject).is_some_and(|path| fs::remove_file(path).is_ok());
        if request.query("comp") == "batch" {
            return Answer::batch(if deleted { 202 } else { 404 });
        }
        // S3 responds the same whether the object existed or not; Google (with bearer tokens) does not.
        let google = request.header("authorization").is_some_and(|header| header.starts_with("Bearer"));
        Answer::empty(if google && !deleted { 404 } else { 204 })
    }

    /// The file for a key; `None` if it would be outside the directory.
    pub fn file(&self, key: &str) -> Option<PathBuf> {
        let inside = key.split('/').all(|part| !matches!(part, "" | "." | ".."));
        inside.then(|| self.root.join(key))
    }
}

/// All texts between two markers.
fn between(text: &str, start: &str, end: &str) -> Vec<String> {
    text.split(start).skip(1).filter_map(|rest| Some(rest.split_once(end)?.0.to_owned())).collect()
}
