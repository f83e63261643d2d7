//! Requests of clients.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};

use super::ObjectServer;

/// The purpose of a request, independent of the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    List,
    Get,
    Head,
    /// Upload of a whole object.
    Put,
    /// Start of a multipart upload (not in Azure).
    Begin,
    Part,
    Complete,
    /// Abort of a multipart upload (not in Azure).
    Abort,
    Delete,
    Other,
}

pub struct Request {
    pub method: String,
    pub kind: Kind,
    /// As received.
    pub target: String,
    /// Service and key.
    path: String,
    pub query: HashMap<String, String>,
    /// By lower-case name.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    /// Key of the object, or [`ObjectServer::LIST`].
    pub subject: String,
}

impl Request {
    /// Reads the next request of a connection, without its body; `None` at the end of the connection.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
        let mut lines = reader.by_ref().lines();
        let Some(line) = lines.next().transpose()? else { return Ok(None) };
        let mut words = line.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = HashMap::new();
        for line in lines {
            let line = line?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let text = |encoded: &str| decode(&encoded.replace('+', " "));
        let query = pairs.map(|(name, value)| (text(name), text(value))).collect();
        let path = decode(path.trim_start_matches('/'));
        let at_top = !path.contains('/') || path.ends_with('/');
        let kind = kind(&method, &query, at_top && path.starts_with("bucket"));
        let mut request = Request { method, kind, path, query, headers, target, body: vec![], subject: String::new() };
        request.subject = if kind == Kind::List { ObjectServer::LIST.into() } else { request.place().1.to_owned() };
        Ok(Some(request))
    }

    /// Length of the body.
    pub fn body_len(&self) -> u64 {
        self.header("content-length").and_then(|len| len.parse().ok()).unwrap_or(0)
    }

    /// Reads up to `len` bytes of the body.
    pub fn read_body(&mut self, reader: &mut impl Read, len: u64) -> io::Result<()> {
        reader.take(len).read_to_end(&mut self.body)?;
        // Azure deletes in batches, with the objects in the body.
        if self.query("comp") == "batch" {
            let line = self.text().lines().find_map(|line| Some(line.strip_prefix("DELETE /bucket/")?.to_owned()));
            self.subject = line.and_then(|line| Some(decode(line.split_once(' ')?.0))).unwrap_or_default();
        }
        Ok(())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// A query parameter; empty if missing.
    pub fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub fn range(&self) -> Option<&str> {
        self.header("range").or(self.header("x-ms-range"))
    }

    /// The service and key of the request.
    pub fn place(&self) -> (&str, &str) {
        self.path.split_once('/').unwrap_or((&self.path, ""))
    }

    pub fn concerns(&self, key_contains: &str) -> bool {
        self.subject.contains(key_contains)
    }
}

fn kind(method: &str, query: &HashMap<String, String>, bucket: bool) -> Kind {
    let comp = query.get("comp").map_or("", String::as_str);
    match method {
        "GET" | "HEAD" if bucket => Kind::List,
        "GET" => Kind::Get,
        "HEAD" => Kind::Head,
        "PUT" if query.contains_key("partNumber") || comp == "block" => Kind::Part,
        "PUT" if comp == "blocklist" => Kind::Complete,
        "PUT" => Kind::Put,
        "POST" if query.contains_key("uploads") => Kind::Begin,
        "POST" if query.contains_key("uploadId") => Kind::Complete,
        "POST" if comp == "batch" => Kind::Delete,
        "DELETE" if query.contains_key("uploadId") => Kind::Abort,
        "DELETE" => Kind::Delete,
        _ => Kind::Other,
    }
}

/// Decodes percent-encoding.
fn decode(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match digits.filter(|_| *byte == b'%') {
            Some(encoded) => (decoded.push(encoded), rest = &after[2..]),
            None => (decoded.push(*byte), rest = after),
        };
    }
    String::from_utf8(decoded).unwrap()
}
