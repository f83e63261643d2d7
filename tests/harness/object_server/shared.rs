//! Connections of the server.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::Served;
use super::answer::{Answer, etag, http_date};
use super::faults::{Break, Delivery, Fault, Taking};
use super::request::{Kind, Request};
use super::write::Writing;

/// Delay between the bytes of a slow body.
const DRIP: Duration = Duration::from_millis(20);

/// Bytes that come at once of a body that trickles.
const TRICKLE: usize = 20;

/// State shared by the threads of the server.
#[derive(Default)]
pub struct Shared {
    pub root: PathBuf,
    pub writable: bool,
    pub faults: Vec<Fault>,
    pub stopping: AtomicBool,
    /// Open connections, to close them when the server stops.
    pub connections: Mutex<HashMap<usize, TcpStream>>,
    pub connected: AtomicUsize,
    pub served: Mutex<Vec<Served>>,
    pub tries: Mutex<HashMap<String, usize>>,
    /// Requests that a storm has seen.
    pub stormed: AtomicUsize,
    /// How often objects were replaced.
    pub replaced: Mutex<HashMap<String, usize>>,
    /// When an outage began.
    pub outage: Mutex<Option<Instant>>,
    /// Locked during reads and writes, so that objects are consistent.
    pub writing: Mutex<Writing>,
    /// Tags of files by path, time and length.
    pub tags: Mutex<HashMap<(PathBuf, SystemTime, usize), String>>,
    pub under_way: AtomicUsize,
    pub most_at_once: AtomicUsize,
}

impl Shared {
    pub fn accept(self: &Arc<Self>, listener: &TcpListener) {
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

    /// Handles the requests of one connection.
    fn serve(&self, stream: &TcpStream) {
        let number = self.connected.fetch_add(1, SeqCst);
        self.connections.lock().insert(number, stream.try_clone().unwrap());
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream);
        // Checked after the connection is registered, so that stopping the server closes all connections.
        while !self.stopping.load(SeqCst) {
            let Ok(Some(mut request)) = Request::read(&mut reader) else { break };
            if self.take(&mut request, &mut reader).and_then(|()| self.answer(&request, stream)).is_err() {
                break;
            }
        }
        // The registered copy would keep the connection open.
        let _ = stream.shutdown(Shutdown::Both);
        self.connections.lock().remove(&number);
    }

    /// Reads the body of a request. An error closes the connection.
    fn take(&self, request: &mut Request, reader: &mut BufReader<&TcpStream>) -> io::Result<()> {
        let len = request.body_len();
        let taking = self.taking(request);
        request.read_body(reader, if taking == Taking::Whole { len } else { len / 2 })?;
        if taking == Taking::Whole {
            return Ok(());
        }
        self.record(request, 0, 0);
        if taking == Taking::HalfThenSilence {
            // Read nothing more until the server stops.
            while !self.stopping.load(SeqCst) {
                thread::sleep(DRIP);
            }
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Records a request.
    fn record(&self, request: &Request, status: u16, bytes: usize) {
        self.served.lock().push(Served {
            method: request.method.clone(),
            kind: request.kind,
            key: request.subject.clone(),
            prefix: (request.kind == Kind::List).then(|| request.query("prefix").to_owned()),
            range: request.range().map(str::to_owned),
            signed: request.header("authorization").is_some(),
            target: request.target.clone(),
            authorization: request.header("authorization").map(str::to_owned),
            headers: request.headers.clone(),
            status,
            bytes: if request.method == "HEAD" { 0 } else { bytes as u64 },
        });
    }

    /// Answers one request. An error closes the connection.
    fn answer(&self, request: &Request, stream: &TcpStream) -> io::Result<()> {
        self.most_at_once.fetch_max(self.under_way.fetch_add(1, SeqCst) + 1, SeqCst);
        thread::sleep(self.delay(request));
        let range = request.range().filter(|_| !self.faults.iter().any(|fault| matches!(fault, Fault::NoRanges)));
        let broken = self.broken(request);
        let mut answer = match self.failure(request) {
            None if self.said(request).is_some() => self.said(request).unwrap(),
            Some(status) if self.quotes() => Answer::quoting(status, request),
            Some(status) => Answer::error(status),
            None => self.respond(request, range, broken),
        };
        if answer.status == 404 && self.masks() {
            answer = Answer::error(403);
        }
        if answer.status >= 400 {
            answer.headers.extend(self.retry_after());
        }
        let delivery = self.delivery(request, &answer, broken);
        // Recorded before it is sent, because the client continues as soon as it has the response.
        self.under_way.fetch_sub(1, SeqCst);
        self.record(request, answer.status, delivery.bytes(&answer));
        self.send(request, &answer, delivery, stream)
    }

    fn respond(&self, request: &Request, range: Option<&str>, broken: Option<Break>) -> Answer {
        let (service, key) = request.place();
        match (request.kind, service) {
            (Kind::List, _) => self.list(&request.query),
            (Kind::Get | Kind::Head, "bucket" | "files") => {
                let mut answer = self.object(key, range, request.header("if-match"));
                self.spoil(request, &mut answer, broken);
                answer
            }
            (Kind::Get | Kind::Head, _) => Answer::error(404),
            (_, "bucket") if self.writable => self.write(request),
            _ => Answer::error(405),
        }
    }

    fn object(&self, key: &str, range: Option<&str>, wanted: Option<&str>) -> Answer {
        let writing = self.writing.lock();
        let Some(path) = self.file(key).filter(|path| path.is_file()) else { return Answer::error(404) };
        let modified = path.metadata().unwrap().modified().unwrap();
        let mut content = fs::read(&path).unwrap();
        content.extend(vec![b' '; self.replacements(key)]);
        let identity = self.identity(key, &self.tag(&path, modified, &content));
        let is_wanted = |wanted: &str| identity.iter().any(|header| *header == format!("ETag: {wanted}"));
        if wanted.is_some_and(|wanted| !is_wanted(wanted)) {
            return Answer::error(412);
        }
        let mut answer = Answer::whole(content, "application/octet-stream");
        answer.headers.push(format!("Last-Modified: {}", http_date(modified)));
        answer.headers.extend(identity);
        answer.headers.extend_from_slice(writing.notes(key));
        match range {
            Some(range) => answer.part(range),
            None => answer,
        }
    }

    /// The tag of a file, which is computed once for the many parts of a large one.
    fn tag(&self, path: &Path, modified: SystemTime, content: &[u8]) -> String {
        let mut tags = self.tags.lock();
        let key = (path.to_owned(), modified, content.len());
        if tags.len() > 1000 {
            tags.clear();
        }
        tags.entry(key).or_insert_with(|| etag(content)).clone()
    }

    fn send(&self, request: &Request, answer: &Answer, delivery: Delivery, stream: &TcpStream) -> io::Result<()> {
        let mut writer = stream;
        match delivery {
            Delivery::Nothing => return hang_on(stream),
            Delivery::Lost => return Err(io::ErrorKind::ConnectionAborted.into()),
            _ => {}
        }
        let head = answer.head().into_bytes();
        if let Delivery::Trickle = delivery {
            writer.write_all(&head)?;
            return answer.body.chunks(TRICKLE).try_for_each(|bytes| {
                thread::sleep(DRIP);
                writer.write_all(bytes)
            });
        }
        let mut message = head;
        if request.method != "HEAD" {
            message.extend(&answer.body[..delivery.bytes(answer)]);
        }
        match delivery {
            Delivery::Whole | Delivery::Nothing | Delivery::Lost | Delivery::Trickle => writer.write_all(&message),
            Delivery::ThenSilence(_) => writer.write_all(&message).and_then(|()| hang_on(stream)),
            Delivery::ThenClose(_) => writer.write_all(&message).and(Err(io::ErrorKind::ConnectionAborted.into())),
            Delivery::Drip => message.iter().try_for_each(|byte| {
                thread::sleep(DRIP);
                writer.write_all(&[*byte])
            }),
        }
    }
}

/// Sends nothing until the client disconnects.
fn hang_on(mut stream: &TcpStream) -> io::Result<()> {
    io::copy(&mut stream, &mut io::sink())?;
    Err(io::ErrorKind::ConnectionAborted.into())
}
