//! A small HTTP/1.1 server over a directory: as much of S3, Google Cloud Storage, Azure Blob and plain HTTP as readers and
//! writers of stores ask for, and on request as unreliable as they are. It never looks at credentials.
//!
//! `/bucket/KEY` is the directory as a bucket (or container) of all three clouds, which tell their lists apart by the query;
//! `/files/KEY` is the same directory on a server that can neither list nor be written.

mod answer;
mod faults;
mod list;
mod request;
mod shared;
mod write;

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{self, JoinHandle};

pub use faults::Fault;
pub use request::Kind;
use shared::Shared;

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
    pub kind: Kind,
    /// Key of the object, or [`ObjectServer::LIST`].
    pub key: String,
    /// The prefix of the keys that a list is to have.
    pub prefix: Option<String>,
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

    /// Serves the stores in `root`, which cannot be written.
    pub fn start(root: &Path, faults: Vec<Fault>) -> ObjectServer {
        ObjectServer::serve(root, false, faults)
    }

    /// Serves the directory `root` as a bucket that can be written.
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
        self.shared.served.lock().clone()
    }

    /// Number of requests for lists.
    pub fn lists(&self) -> usize {
        self.count(Kind::List)
    }

    /// Number of requests of one kind, the failed ones among them.
    pub fn count(&self, kind: Kind) -> usize {
        self.served().iter().filter(|served| served.kind == kind).count()
    }

    /// Objects in parts that were begun, and are neither complete nor given up.
    pub fn unfinished_uploads(&self) -> usize {
        self.shared.writing.lock().unfinished()
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
        for connection in self.shared.connections.lock().values() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}
