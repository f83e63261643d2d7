//! Options for remote stores.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use crate::Target;
use crate::transport::{Rate, Servers};

/// How to connect to remote stores.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Send no credentials.
    pub anonymous: bool,
    /// Custom S3-compatible endpoint.
    pub endpoint: Option<Target>,
    /// Region of the bucket.
    pub region: Option<String>,
    /// Further settings, by the names that the clouds' configuration has.
    pub settings: Vec<Setting>,
    /// The longest that one request may take with all its tries; the clocks of its steps follow from it. A body that keeps coming
    /// may take longer.
    pub timeout: Duration,
    /// Retries of one operation, with backoff and jitter; `None`: as many as fit into the time limit.
    pub retries: Option<usize>,
    /// Requests in flight to one store, or to one of `servers`; `None`: as many as it takes.
    pub requests: Option<usize>,
    /// Where all stores on a server that are opened with these options share its requests. The calling thread must not wait for one of
    /// them while it reads the body of another.
    pub servers: Option<Arc<Servers>>,
    /// Limits what all stores with these options transfer.
    pub rate: Option<Arc<Rate>>,
    /// A status that stands for a missing object, such as 403; 404 does in any case.
    pub missing_status: Option<u16>,
    /// Who pays for requests.
    pub payer: Payer,
    /// The most bytes of an object that is held whole to be read: a document, a chunk, a compressed entry of an archive.
    pub memory: u64,
    /// Whether a server that does not answer any more is asked again and again.
    pub keeps_trying: bool,
    /// Becomes other than 0 when the process is asked to stop: every wait for a server then ends at once.
    pub stop: Arc<AtomicUsize>,
}

/// Who pays for requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payer {
    /// The owner of the bucket.
    Owner,
    /// Who asks; on Google Cloud Storage, this project.
    Requester(Option<String>),
}

/// A setting of a cloud or of its connections, such as `aws_request_payer=true`. Its value may be secret, and is not shown.
#[derive(Clone)]
pub struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// The key of text that is not `KEY=VALUE`, which no store knows.
const NO_KEY: &str = "(not KEY=VALUE)";

impl FromStr for Setting {
    type Err = Infallible;

    /// Text without a key is refused when the store is opened, and not here: a parser of arguments would quote the text, which
    /// may be secret.
    fn from_str(text: &str) -> Result<Setting, Infallible> {
        Ok(match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Setting { key: key.trim().to_lowercase(), value: value.into() },
            _ => Setting { key: NO_KEY.into(), value: text.into() },
        })
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=***", self.key)
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            anonymous: false,
            endpoint: None,
            region: None,
            settings: Vec::new(),
            timeout: Duration::from_secs(60),
            retries: None,
            requests: None,
            servers: None,
            rate: None,
            missing_status: None,
            payer: Payer::Owner,
            memory: 2 << 30,
            keeps_trying: false,
            stop: Arc::default(),
        }
    }
}

/// Requests in flight where nothing else is asked for and each costs a round trip.
const REMOTE_REQUESTS: usize = 64;

/// Requests in flight: as many as asked for, else as suits a `remote` or local store; at least one a worker.
pub fn requests_in_flight(asked: Option<usize>, remote: bool, jobs: usize) -> usize {
    asked.unwrap_or(if remote { REMOTE_REQUESTS } else { jobs }).max(jobs)
}
