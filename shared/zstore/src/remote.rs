//! Object stores and plain HTTP servers as stores.
//!
//! Each step of a request has its clock; see [`crate::transport`]. A body as a whole has no limit: a large one on a slow line is
//! healthy.

mod absence;
mod body;
mod etags;
mod identity;
mod list;
mod missing;
mod pieces;
mod read;
mod settings;
mod upload;
mod write;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, GetResult, ObjectMeta};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::cloud::{Connection, connect, sender};
use crate::secrets::Secrets;
use crate::transport::{Dead, TimeUp, Transfer, Transport};
use crate::trouble::{Sender, Trouble};
use crate::{Address, Guard, Stat, StoreError, StoreOptions};

use absence::Absence;
use identity::{stat, stat_of};

pub use identity::fnv1a;
pub use upload::RemoteUpload;
pub use write::unique;

/// How soon a wait notices that the process was asked to stop.
const ATTENTION: Duration = Duration::from_millis(100);

pub struct RemoteStore {
    connection: Connection,
    transport: Arc<Transport>,
    sender: Sender,
    prefix: Path,
    url: String,
    memory: u64,
    stop: Arc<AtomicUsize>,
    pub(crate) guard: Option<Arc<dyn Guard>>,
    runtime: &'static Runtime,
    secrets: Secrets,
    /// The largest object that is read whole where part of it is wanted.
    most_whole: u64,
    ignores_ranges: AtomicBool,
    gives_ranges: AtomicBool,
    absence: Absence,
}

/// The share of the memory limit for an object of which part is wanted, from a server that sends only whole ones.
const WHOLE_SHARE: u64 = 4;

impl RemoteStore {
    pub fn open(address: &Address, options: &StoreOptions) -> Result<RemoteStore, StoreError> {
        let address = &if options.anonymous { address.clone() } else { address.with_login() };
        let options = &settings::with_profile(address, options)?;
        let secrets = Secrets::new(address, &options.settings);
        let bad =
            |error: Error| StoreError::BadUrl { place: address.to_string(), detail: secrets.hide(&chain(&error)) };
        // First: it also chooses the TLS provider, without which there are no clients.
        let runtime = runtime()?;
        settings::check_endpoint(options)?;
        let transport = Transport::new(options, &server(address, options));
        let connection = connect(address, options, &transport).map_err(bad)?;
        // For HTTP the whole URL is the base; for a bucket, its path is a prefix of the keys.
        let path = if connection.lister.is_none() { "" } else { address.url().path().trim_matches('/') };
        let prefix = Path::from_url_path(path).map_err(|error| bad(error.into()))?;
        Ok(RemoteStore {
            connection,
            transport,
            sender: sender(address, options),
            prefix,
            url: address.to_string(),
            memory: options.memory,
            stop: Arc::clone(&options.stop),
            guard: None,
            runtime,
            secrets,
            most_whole: options.memory / WHOLE_SHARE,
            ignores_ranges: AtomicBool::new(false),
            gives_ranges: AtomicBool::new(false),
            absence: Absence::new(options.missing_status),
        })
    }

    /// Whether the server has sent a whole object where part of it was asked for.
    pub fn ignores_ranges(&self) -> bool {
        self.ignores_ranges.load(Ordering::Relaxed)
    }

    /// Whether the server has sent part of an object where part of it was asked for.
    pub fn gives_ranges(&self) -> bool {
        self.gives_ranges.load(Ordering::Relaxed)
    }

    /// Requests of this store that may be in flight now.
    pub fn requests(&self) -> usize {
        self.transport.requests()
    }

    /// Says that many objects are transferred, until the answer is dropped.
    pub fn transfer(&self) -> Transfer {
        self.transport.transfer()
    }

    fn path(&self, key: &str) -> Result<Path, StoreError> {
        let relative = Path::parse(key)
            .map_err(|error| StoreError::BadUrl { place: self.place(key), detail: error.to_string() })?;
        Ok(self.prefix.parts().chain(relative.parts()).collect())
    }

    pub fn place(&self, key: &str) -> String {
        if key.is_empty() { self.url.clone() } else { format!("{}/{key}", self.url) }
    }

    /// Waits for something, unless the process is asked to stop meanwhile. A store with a guard is asked nothing, not even
    /// once more, before the guard has been checked: a process that was stopped for long goes on in the middle of a request.
    fn wait<T>(&self, key: &str, future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        // A request that is given up looks for the runtime when it is dropped, which must be while it is still the current one.
        let _context = self.runtime.enter();
        let mut future = pin!(future);
        let mut step = poll_fn(|context| match self.is_stopped() || !self.is_held() {
            true => Poll::Ready(None),
            false => future.as_mut().poll(context).map(Some),
        });
        loop {
            self.check_guard()?;
            let answer = self.runtime.block_on(async {
                loop {
                    if let Ok(answer) = timeout(ATTENTION, &mut step).await {
                        return answer;
                    }
                }
            });
            match answer {
                Some(answer) => return answer,
                None if self.is_stopped() => return Err(StoreError::Stopped { place: self.place(key) }),
                None => {}
            }
        }
    }

    fn check_guard(&self) -> Result<(), StoreError> {
        self.guard.as_ref().map_or(Ok(()), |guard| guard.check())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) != 0
    }

    fn is_held(&self) -> bool {
        self.guard.as_ref().is_none_or(|guard| guard.holds())
    }

    /// Asks for (part of) an object: the head of the response.
    async fn request(&self, key: &str, options: GetOptions) -> Result<object_store::Result<GetResult>, StoreError> {
        let (path, head) = (self.path(key)?, options.head);
        let answer = self.connection.get(&path, options).await;
        if answer.is_ok() {
            self.absence.found(key, head);
        }
        Ok(answer)
    }

    async fn head(&self, key: &str) -> Result<object_store::Result<ObjectMeta>, StoreError> {
        Ok(self.head_answer(key).await?.map(|answer| answer.meta))
    }

    /// The answer to a request for the head alone, with the checksums in its headers.
    async fn head_answer(&self, key: &str) -> Result<object_store::Result<GetResult>, StoreError> {
        self.request(key, GetOptions { head: true, ..GetOptions::default() }).await
    }

    fn failed(&self, key: &str, error: Error) -> StoreError {
        let place = self.place(key);
        if let Some(clock) = TimeUp::among(&error) {
            return StoreError::TimedOut { place, detail: clock.to_string() };
        }
        if let Some(Dead(requests)) = Dead::among(&error) {
            return StoreError::Dead { place, requests };
        }
        // Servers and libraries quote requests, with the credentials in them.
        let trouble = Trouble::of(&self.secrets.hide(&chain(&error)), self.sender);
        let is_denied = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. });
        match error {
            _ if trouble.is_no_bucket() => StoreError::NoBucket { place: self.url.clone() },
            _ if is_denied || trouble.is_denial() => StoreError::Denied { place, source: trouble.into() },
            Error::NotFound { .. } => StoreError::Absent { place },
            _ if trouble.is_absent() => StoreError::Absent { place },
            _ => StoreError::Network { place, source: trouble.into() },
        }
    }
}

/// One runtime for all remote stores, started when the first is opened.
fn runtime() -> Result<&'static Runtime, StoreError> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        // reqwest is built without a TLS provider of its own. An error says that there is one already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    });
    runtime
        .as_ref()
        .map_err(|error| StoreError::Network { place: "the async runtime".into(), source: error.clone().into() })
}

/// What tells a server from others: buckets at one endpoint are on one server, others each on their own.
fn server(address: &Address, options: &StoreOptions) -> String {
    let url = address.url();
    match &options.endpoint {
        Some(endpoint) if url.scheme() == "s3" => endpoint.to_string(),
        _ => format!("{}://{}:{:?}", url.scheme(), url.host_str().unwrap_or_default(), url.port()),
    }
}

/// The message with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source()).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}
