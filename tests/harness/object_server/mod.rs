//! A small HTTP/1.1 server for a directory, with the parts of S3, Google Cloud Storage, Azure Blob and plain HTTP that
//! stores use, and optional faults. It never checks credentials.
//!
//! `/bucket/KEY` is the directory as a bucket (or container) of all three clouds, whose list requests differ in the
//! query; `/files/KEY` is the same directory as a server without listing or writing.

mod answer;
mod faults;
mod list;
mod request;
mod shared;
mod write;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{self, JoinHandle};

pub use faults::{Break, Fault};
pub use request::Kind;
use shared::Shared;

/// A running server. Dropping it stops it, regardless of open connections.
pub struct ObjectServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// A request and its outcome.
#[derive(Debug, Clone)]
pub struct Served {
    pub method: String,
    pub kind: Kind,
    /// Key of the object, or [`ObjectServer::LIST`].
    pub key: String,
    /// The prefix of a list request.
    pub prefix: Option<String>,
    /// The requested range.
    pub range: Option<String>,
    /// Whether the request had credentials.
    pub signed: bool,
    /// Path and query, as they came.
    pub target: String,
    /// The header with credentials.
    pub authorization: Option<String>,
    /// All headers, by lower-case name.
    pub headers: HashMap<String, String>,
    pub status: u16,
    /// Body bytes sent (or about to be sent if the client disconnected).
    pub bytes: u64,
}

impl ObjectServer {
    /// The key recorded for list requests.
    pub const LIST: &str = "?list";

    /// Serves the stores in `root`, read-only.
    pub fn start(root: &Path, faults: Vec<Fault>) -> ObjectServer {
        ObjectServer::serve(root, false, faults)
    }

    /// Serves the directory `root` as a writable bucket.
    pub fn start_writable(root: &Path, faults: Vec<Fault>) -> ObjectServer {
        ObjectServer::serve(root, true, faults)
    }

    fn serve(root: &Path, writable: bool, faults: Vec<Fault>) -> ObjectServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { root: root.to_owned(), writable, faults, ..Shared::default() });
        let server = Arc::clone(&shared);
        let accepting = thread::spawn(move || server.accept(&listener));
        ObjectServer { address, shared, accepting: Some(accepting) }
    }

    /// The value for `--endpoint`.
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

    /// The URL of a store on a plain HTTP server.
    pub fn http_url(&self, store: &str) -> String {
        format!("{}/files/{store}", self.endpoint())
    }

    /// All requests so far, in response order.
    pub fn served(&self) -> Vec<Served> {
        self.shared.served.lock().clone()
    }

    /// Number of list requests.
    pub fn lists(&self) -> usize {
        self.count(Kind::List)
    }

    /// Number of requests of one kind, including failed ones.
    pub fn count(&self, kind: Kind) -> usize {
        self.served().iter().filter(|served| served.kind == kind).count()
    }

    /// Number of multipart uploads neither completed nor aborted.
    pub fn unfinished_uploads(&self) -> usize {
        self.shared.writing.lock().unfinished()
    }

    /// Total body bytes sent.
    pub fn bytes_sent(&self) -> u64 {
        self.served().iter().map(|served| served.bytes).sum()
    }

    /// Maximum number of concurrent requests.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(SeqCst)
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, SeqCst);
        for connection in self.shared.connections.lock().values() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wake up the thread that accepts connections.
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}
