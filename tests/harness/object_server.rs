//! A small HTTP/1.1 server over a directory: as much of S3, Google Cloud Storage, Azure Blob and plain HTTP as a reader of
//! stores asks for, and on request as unreliable as they are. It never writes, and never looks at credentials.
//!
//! `/bucket/KEY` is the directory as a bucket (or container) of all three clouds, which tell their lists apart by the query;
//! `/files/KEY` is the same directory on a server that cannot list.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Entries of one page of a list: so few that every store of the tests has several pages.
const PAGE: usize = 7;

/// Pause between the bytes of a body that drips.
const DRIP: Duration = Duration::from_millis(20);

/// Every object was changed then; nobody here asks for anything newer.
const HTTP_DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
const ISO_DATE: &str = "2026-01-01T00:00:00.000Z";

/// How the server misbehaves. `key_contains` is part of an object's key; nothing is in every request, and
/// [`ObjectServer::LIST`] in every list.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The first tries of every object and every page of a list are answered with an error.
    FirstTries { status: u16, times: usize },
    /// Always answered with an error.
    Status { key_contains: String, status: u16 },
    /// The request is taken and never answered.
    Silence { key_contains: String },
    /// The answer stops in the middle of the body, and the connection stays.
    Stall { key_contains: String },
    /// The body comes byte by byte, too slow to ever arrive.
    Drip { key_contains: String },
    /// The connection closes in the middle of the object, at every try.
    Truncate { key_contains: String },
    /// Half of a wanted range comes, as if that were all of it (a proxy that lost the rest).
    ShortRange { key_contains: String },
    /// Ranges are not understood: the whole object comes.
    NoRanges,
    /// Every answer comes this much later.
    Slow { milliseconds: u64 },
}

/// A running server. It ends when it is dropped, whatever its clients are doing.
pub struct ObjectServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// One request, and what came of it.
#[derive(Debug, Clone)]
pub struct Served {
    pub method: String,
    /// Key of the object, or [`ObjectServer::LIST`].
    pub key: String,
    /// The range that was asked for.
    pub range: Option<String>,
    /// Whether credentials came with it.
    pub signed: bool,
    pub status: u16,
    /// Bytes of the body that were sent (or were about to be, where the client left before).
    pub bytes: u64,
}

impl ObjectServer {
    /// What stands for a key in requests for lists.
    pub const LIST: &str = "?list";

    /// Serves the stores in `root`.
    pub fn start(root: &Path, faults: Vec<Fault>) -> ObjectServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { root: root.to_owned(), faults, ..Shared::default() });
        let server = Arc::clone(&shared);
        let accepting = thread::spawn(move || server.accept(&listener));
        ObjectServer { address, shared, accepting: Some(accepting) }
    }

    /// What `--endpoint` is to be.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn s3_url(&self, store: &str) -> String {
        format!("s3://bucket/{store}")
    }

    pub fn gs_url(&self, store: &str) -> String {
        format!("gs://bucket/{store}")
    }

    pub fn az_url(&self, store: &str) -> String {
        format!("az://bucket/{store}")
    }

    /// The store as files of a plain HTTP server.
    pub fn http_url(&self, store: &str) -> String {
        format!("{}/files/{store}", self.endpoint())
    }

    /// Every request so far, in the order of their answers.
    pub fn served(&self) -> Vec<Served> {
        self.shared.served.lock().unwrap().clone()
    }

    /// Number of requests for lists.
    pub fn lists(&self) -> usize {
        self.served().iter().filter(|served| served.key == Self::LIST).count()
    }

    /// Bytes of all bodies.
    pub fn bytes_sent(&self) -> u64 {
        self.served().iter().map(|served| served.bytes).sum()
    }

    /// The most requests that were waiting for their answers at the same time.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(SeqCst)
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, SeqCst);
        for connection in self.shared.connections.lock().unwrap().values() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}

/// What the threads of the server share.
#[derive(Default)]
struct Shared {
    root: PathBuf,
    faults: Vec<Fault>,
    stopping: AtomicBool,
    /// Open connections, so that the end of the server ends them.
    connections: Mutex<HashMap<usize, TcpStream>>,
    connected: AtomicUsize,
    served: Mutex<Vec<Served>>,
    tries: Mutex<HashMap<String, usize>>,
    under_way: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        let mut serving = Vec::new();
        for stream in listener.incoming() {
            if self.stopping.load(SeqCst) {
                break;
            }
            let shared = Arc::clone(self);
            serving.extend(stream.map(|stream| thread::spawn(move || shared.serve(&stream))));
        }
        for thread in serving {
            let _ = thread.join();
        }
    }

    /// One connection, request after request.
    fn serve(&self, stream: &TcpStream) {
        let number = self.connected.fetch_add(1, SeqCst);
        self.connections.lock().unwrap().insert(number, stream.try_clone().unwrap());
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream);
        // Looked at after the connection is in the book, so that none escapes the end of the server.
        while !self.stopping.load(SeqCst) {
            let Ok(Some(request)) = Request::read(&mut reader) else { break };
            if self.answer(&request, stream).is_err() {
                break;
            }
        }
        // The book's copy of the connection would keep it open.
        let _ = stream.shutdown(Shutdown::Both);
        self.connections.lock().unwrap().remove(&number);
    }

    /// Answers one request. An error ends the connection.
    fn answer(&self, request: &Request, stream: &TcpStream) -> io::Result<()> {
        self.most_at_once.fetch_max(self.under_way.fetch_add(1, SeqCst) + 1, SeqCst);
        thread::sleep(self.delay());
        let range = request.range.clone().filter(|_| !self.faults.iter().any(|fault| matches!(fault, Fault::NoRanges)));
        let answer = match self.failure(request) {
            Some(status) => Answer::error(status),
            None => self.respond(request, range.as_deref()),
        };
        let delivery = self.delivery(request, &answer);
        // In the books before it is on the way: the client goes on as soon as it has it.
        self.under_way.fetch_sub(1, SeqCst);
        self.served.lock().unwrap().push(Served {
            method: request.method.clone(),
            key: request.subject().to_owned(),
            range: request.range.clone(),
            signed: request.signed,
            status: answer.status,
            bytes: if request.method == "HEAD" { 0 } else { delivery.bytes(&answer) as u64 },
        });
        self.send(request, &answer, delivery, stream)
    }

    fn delay(&self) -> Duration {
        let slow = |fault: &Fault| if let Fault::Slow { milliseconds } = fault { *milliseconds } else { 0 };
        Duration::from_millis(self.faults.iter().map(slow).sum())
    }

    /// The error that a request is answered with, where it is to fail.
    fn failure(&self, request: &Request) -> Option<u16> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::FirstTries { status, times } => (self.tries_of(&request.target) <= *times).then_some(*status),
            Fault::Status { key_contains, status } => request.concerns(key_contains).then_some(*status),
            _ => None,
        })
    }

    fn tries_of(&self, target: &str) -> usize {
        let mut tries = self.tries.lock().unwrap();
        let tries = tries.entry(target.to_owned()).or_default();
        *tries += 1;
        *tries
    }

    fn delivery(&self, request: &Request, answer: &Answer) -> Delivery {
        let len = answer.body.len();
        let faulty = self.faults.iter().find_map(|fault| match fault {
            Fault::Silence { key_contains } if request.concerns(key_contains) => Some(Delivery::Nothing),
            Fault::Stall { key_contains } if request.concerns(key_contains) => Some(Delivery::ThenSilence(len / 2)),
            Fault::Drip { key_contains } if request.concerns(key_contains) => Some(Delivery::Drip),
            Fault::Truncate { key_contains } if request.concerns(key_contains) => {
                let left = (answer.object_len / 2).saturating_sub(answer.start).min(len);
                (left < len).then_some(Delivery::ThenClose(left))
            }
            _ => None,
        });
        faulty.filter(|_| answer.status < 300).unwrap_or(Delivery::Whole)
    }

    fn respond(&self, request: &Request, range: Option<&str>) -> Answer {
        let (service, key) = request.place();
        match (request.method.as_str(), service) {
            ("GET" | "HEAD", "bucket") if key.is_empty() => self.list(&request.query),
            ("GET" | "HEAD", "bucket" | "files") => {
                let mut answer = self.object(key, range);
                let short = |fault: &Fault| matches!(fault, Fault::ShortRange { key_contains } if request.concerns(key_contains));
                if answer.status == 206 && self.faults.iter().any(short) {
                    answer.body.truncate(answer.body.len() / 2);
                }
                answer
            }
            ("GET" | "HEAD", _) => Answer::error(404),
            _ => Answer::error(405),
        }
    }

    fn object(&self, key: &str, range: Option<&str>) -> Answer {
        let inside = key.split('/').all(|part| !matches!(part, "" | "." | ".."));
        let path = self.root.join(key);
        if !inside || !path.is_file() {
            return Answer::error(404);
        }
        let mut answer = Answer::whole(fs::read(path).unwrap(), "application/octet-stream");
        answer.headers.push(format!("Last-Modified: {HTTP_DATE}"));
        answer.headers.push(format!("ETag: {}", etag(key)));
        match range {
            Some(range) => answer.part(range),
            None => answer,
        }
    }

    /// A page of the list that the query asks for.
    fn list(&self, query: &HashMap<String, String>) -> Answer {
        let text = |name: &str| query.get(name).map_or("", String::as_str);
        let azure = text("comp") == "list";
        let after = text(if azure { "marker" } else { "continuation-token" });
        let wanted = text(if azure { "maxresults" } else { "max-keys" }).parse().unwrap_or(PAGE).min(PAGE);
        let entries = self.entries(text("prefix"), text("delimiter"));
        let mut rest = entries.into_iter().filter(|(name, _)| name.as_str() > after).peekable();
        let page: Vec<_> = rest.by_ref().take(wanted).collect();
        let next = rest.peek().and(page.last()).map_or("", |(name, _)| name);
        let xml = if azure { azure_page(&page, next) } else { s3_page(&page, next) };
        Answer::whole(xml.into_bytes(), "application/xml")
    }

    /// Objects with their sizes, and (with a delimiter) the prefixes that stand for the objects below them.
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

    fn send(&self, request: &Request, answer: &Answer, delivery: Delivery, stream: &TcpStream) -> io::Result<()> {
        let mut writer = stream;
        if matches!(delivery, Delivery::Nothing) {
            return hang_on(stream);
        }
        let mut message = answer.head().into_bytes();
        if request.method != "HEAD" {
            message.extend(&answer.body[..delivery.bytes(answer)]);
        }
        match delivery {
            Delivery::Whole | Delivery::Nothing => writer.write_all(&message),
            Delivery::ThenSilence(_) => writer.write_all(&message).and_then(|()| hang_on(stream)),
            Delivery::ThenClose(_) => writer.write_all(&message).and(Err(io::ErrorKind::ConnectionAborted.into())),
            Delivery::Drip => message.iter().try_for_each(|byte| {
                thread::sleep(DRIP);
                writer.write_all(&[*byte])
            }),
        }
    }
}

/// How an answer is sent.
#[derive(Clone, Copy)]
enum Delivery {
    Whole,
    Nothing,
    Drip,
    /// So much of the body, and then nothing more.
    ThenSilence(usize),
    /// So much of the body, and then the end of the connection.
    ThenClose(usize),
}

impl Delivery {
    /// Bytes of the body that go out.
    fn bytes(self, answer: &Answer) -> usize {
        match self {
            Delivery::Whole | Delivery::Drip => answer.body.len(),
            Delivery::Nothing => 0,
            Delivery::ThenSilence(bytes) | Delivery::ThenClose(bytes) => bytes,
        }
    }
}

/// Says nothing until the client hangs up.
fn hang_on(mut stream: &TcpStream) -> io::Result<()> {
    io::copy(&mut stream, &mut io::sink())?;
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// A request without its body, which no reader sends.
struct Request {
    method: String,
    /// As it came.
    target: String,
    path: String,
    query: HashMap<String, String>,
    range: Option<String>,
    signed: bool,
}

impl Request {
    /// The next request of a connection; nothing at its end.
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
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
        let body = headers.get("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
        io::copy(&mut reader.take(body), &mut io::sink())?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let text = |encoded: &str| decode(&encoded.replace('+', " "));
        Ok(Some(Request {
            path: decode(path.trim_start_matches('/')),
            query: pairs.map(|(name, value)| (text(name), text(value))).collect(),
            range: headers.get("range").or(headers.get("x-ms-range")).cloned(),
            signed: headers.contains_key("authorization"),
            method,
            target,
        }))
    }

    /// Which of the two services is asked, and for which key.
    fn place(&self) -> (&str, &str) {
        self.path.split_once('/').unwrap_or((&self.path, ""))
    }

    fn subject(&self) -> &str {
        match self.place() {
            ("bucket", "") => ObjectServer::LIST,
            (_, key) => key,
        }
    }

    fn concerns(&self, key_contains: &str) -> bool {
        self.subject().contains(key_contains)
    }
}

/// Undoes percent-encoding.
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

/// An answer before it is sent.
struct Answer {
    status: u16,
    headers: Vec<String>,
    body: Vec<u8>,
    /// Where the body begins in its object, and how long that is.
    start: usize,
    object_len: usize,
}

impl Answer {
    fn whole(body: Vec<u8>, content_type: &str) -> Answer {
        let headers = vec![format!("Content-Type: {content_type}")];
        Answer { status: 200, headers, object_len: body.len(), body, start: 0 }
    }

    /// An error in the words of S3, on two lines as there.
    fn error(status: u16) -> Answer {
        let code = match status {
            403 => "AccessDenied",
            404 => "NoSuchKey",
            405 => "MethodNotAllowed",
            416 => "InvalidRange",
            503 => "SlowDown",
            _ => "InternalError",
        };
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let xml = format!("{head}<Error><Code>{code}</Code><Message>{code} it is</Message></Error>");
        Answer { status, ..Answer::whole(xml.into_bytes(), "application/xml") }
    }

    /// The part that a `Range` header asks for. As in the clouds, there is no part of an empty object.
    fn part(mut self, range: &str) -> Answer {
        let len = self.object_len;
        let wanted = match range.trim_start_matches("bytes=").split_once('-') {
            Some(("", last)) => last.parse().ok().map(|last: usize| (len.saturating_sub(last), len)),
            Some((start, "")) => start.parse().ok().map(|start| (start, len)),
            Some((start, end)) => start.parse().ok().zip(end.parse().ok().map(|end: usize| len.min(end + 1))),
            None => None,
        };
        let Some((start, end)) = wanted.filter(|(start, end)| start < end) else {
            let mut refusal = Answer::error(416);
            refusal.headers.push(format!("Content-Range: bytes */{len}"));
            return refusal;
        };
        self.headers.push(format!("Content-Range: bytes {start}-{}/{len}", end - 1));
        Answer { status: 206, body: self.body[start..end].to_vec(), start, ..self }
    }

    fn head(&self) -> String {
        let headers = self.headers.join("\r\n");
        format!("HTTP/1.1 {} .\r\n{headers}\r\nContent-Length: {}\r\n\r\n", self.status, self.body.len())
    }
}

/// Objects here do not change, so their name is enough.
fn etag(key: &str) -> String {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// A page as S3 and Google Cloud Storage write it: objects first, then prefixes.
fn s3_page(page: &[(String, Option<u64>)], next: &str) -> String {
    let object = |(key, size): &(String, Option<u64>)| {
        let (size, etag, key) = ((*size)?, escape(&etag(key)), escape(key));
        Some(format!(
            "<Contents><Key>{key}</Key><LastModified>{ISO_DATE}</LastModified><ETag>{etag}</ETag><Size>{size}</Size></Contents>"
        ))
    };
    let prefix = |(name, size): &(String, Option<u64>)| {
        size.is_none().then(|| format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escape(name)))
    };
    let entries: String = page.iter().filter_map(object).chain(page.iter().filter_map(prefix)).collect();
    let token = match next {
        "" => String::new(),
        next => format!("<NextContinuationToken>{}</NextContinuationToken>", escape(next)),
    };
    let truncated = !next.is_empty();
    format!("<ListBucketResult>{entries}<IsTruncated>{truncated}</IsTruncated>{token}</ListBucketResult>")
}

/// A page as Azure writes it: objects and prefixes in one order, and the marker of the next page always.
fn azure_page(page: &[(String, Option<u64>)], next: &str) -> String {
    let entry = |(name, size): &(String, Option<u64>)| {
        let (etag, name) = (escape(&etag(name)), escape(name));
        let Some(size) = size else { return format!("<BlobPrefix><Name>{name}</Name></BlobPrefix>") };
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

fn escape(text: &str) -> String {
    let escapes = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&apos;")];
    escapes.iter().fold(text.to_owned(), |text, (plain, escaped)| text.replace(plain, escaped))
}
