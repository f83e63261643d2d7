//! Object stores and plain HTTP servers as stores.
//!
//! Clocks stand over every operation: connecting; the answer with all its retries; each page of a list; and the flow of a
//! body, which must bring something in every period. A body as a whole has no limit: a large one on a slow line is healthy.

mod upload;
mod write;

use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use futures::StreamExt;
use futures::future::try_join_all;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use zwire::human_bytes;

use crate::aws_profile;
use crate::cloud::{Connection, Patience, connect, sender};
use crate::secrets::Secrets;
use crate::trouble::{Sender, Trouble};
use crate::{Address, ByteRange, Entries, Guard, Listing, Object, Stat, StoreError, StoreOptions};

pub use upload::RemoteUpload;
pub use write::unique;

/// A body that brings less than this in one period of the time limit has stalled.
const LEAST_PROGRESS: usize = 64 * 1024;

/// How soon a wait notices that the process was asked to stop.
const ATTENTION: Duration = Duration::from_millis(100);

pub struct RemoteStore {
    /// For a server that has never answered, and for one that has.
    connections: [Connection; 2],
    has_answered: AtomicBool,
    sender: Sender,
    prefix: Path,
    url: String,
    timeout: Duration,
    memory: u64,
    stop: Arc<AtomicUsize>,
    pub(crate) guard: Option<Arc<dyn Guard>>,
    runtime: &'static Runtime,
    secrets: Secrets,
    /// The largest object that is read whole where part of it is wanted.
    most_whole: u64,
    ignores_ranges: AtomicBool,
}

/// The share of the memory limit for an object of which part is wanted, from a server that sends only whole ones.
const WHOLE_SHARE: u64 = 4;

impl RemoteStore {
    pub fn open(address: &Address, options: &StoreOptions) -> Result<RemoteStore, StoreError> {
        let address = &if options.anonymous { address.clone() } else { address.with_login() };
        let options = &with_profile(address, options)?;
        let secrets = Secrets::new(address, &options.settings);
        let bad =
            |error: Error| StoreError::BadUrl { place: address.to_string(), detail: secrets.hide(&chain(&error)) };
        // First: it also chooses the TLS provider, without which there are no clients.
        let runtime = runtime()?;
        check_endpoint(options)?;
        let connect = |patience| connect(address, options, patience).map_err(bad);
        let connections = [connect(Patience::FirstContact)?, connect(Patience::Outage)?];
        // For HTTP the whole URL is the base; for a bucket, its path is a prefix of the keys.
        let path = if connections[0].lister.is_none() { "" } else { address.url().path().trim_matches('/') };
        let prefix = Path::from_url_path(path).map_err(|error| bad(error.into()))?;
        Ok(RemoteStore {
            connections,
            has_answered: AtomicBool::new(false),
            sender: sender(address, options),
            prefix,
            url: address.to_string(),
            timeout: options.timeout,
            memory: options.memory,
            stop: Arc::clone(&options.stop),
            guard: None,
            runtime,
            secrets,
            most_whole: options.memory / WHOLE_SHARE,
            ignores_ranges: AtomicBool::new(false),
        })
    }

    /// Whether the server has sent a whole object where part of it was asked for.
    pub fn ignores_ranges(&self) -> bool {
        self.ignores_ranges.load(Ordering::Relaxed)
    }

    fn path(&self, key: &str) -> Result<Path, StoreError> {
        let relative = Path::parse(key)
            .map_err(|error| StoreError::BadUrl { place: self.place(key), detail: error.to_string() })?;
        Ok(self.prefix.parts().chain(relative.parts()).collect())
    }

    pub fn place(&self, key: &str) -> String {
        if key.is_empty() { self.url.clone() } else { format!("{}/{key}", self.url) }
    }

    fn connection(&self) -> &Connection {
        &self.connections[usize::from(self.has_answered.load(Ordering::Relaxed))]
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

    /// One request and its answer, within the time limit.
    async fn answer<T>(
        &self,
        key: &str,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<object_store::Result<T>, StoreError> {
        let answer = timeout(self.limit(), request).await.map_err(|_| self.unanswered(key))?;
        if matches!(answer, Ok(_) | Err(Error::NotFound { .. })) {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        Ok(answer)
    }

    /// `object_store` retries within the time limit; the margin lets its own, better message win.
    fn limit(&self) -> Duration {
        self.timeout + Duration::from_secs(1)
    }

    fn unanswered(&self, key: &str) -> StoreError {
        self.stalled(key, format!("no response within {} s", self.timeout.as_secs_f32()))
    }

    fn stalled(&self, key: &str, detail: String) -> StoreError {
        StoreError::TimedOut { place: self.place(key), detail }
    }

    /// Asks for (part of) an object: the answer's head.
    async fn request(&self, key: &str, range: Option<GetRange>) -> Result<object_store::Result<GetResult>, StoreError> {
        let path = self.path(key)?;
        self.answer(key, self.connection().store.get_opts(&path, GetOptions { range, ..GetOptions::default() })).await
    }

    async fn head(&self, key: &str) -> Result<object_store::Result<ObjectMeta>, StoreError> {
        let path = self.path(key)?;
        let options = GetOptions { head: true, ..GetOptions::default() };
        let answer = self.answer(key, self.connection().store.get_opts(&path, options)).await?;
        Ok(answer.map(|result| result.meta))
    }

    fn failed(&self, key: &str, error: Error) -> StoreError {
        let place = self.place(key);
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

    /// Of an object that is not found: nothing, unless its bucket is not there.
    fn absent(&self, key: &str, error: Error) -> Result<(), StoreError> {
        match self.failed(key, error) {
            StoreError::Absent { .. } => Ok(()),
            other => Err(other),
        }
    }

    /// Reads a body to its end, as long as it keeps coming; it must be as long as the answer's head says. A server may answer
    /// with more than it was asked for.
    async fn body(&self, key: &str, answer: GetResult, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        let size = answer.range.end - answer.range.start;
        let expected = usize::try_from(size).ok().filter(|_| size <= self.memory);
        let too_large = || StoreError::TooLarge { place: self.place(key), size, limit: self.memory };
        let expected = expected.ok_or_else(too_large)?;
        buffer.clear();
        buffer.reserve(expected);
        let mut stream = answer.into_stream();
        loop {
            let before = buffer.len();
            let period = timeout(self.timeout, async {
                while buffer.len() < before + LEAST_PROGRESS {
                    match stream.next().await {
                        None => return Ok(true),
                        Some(Ok(bytes)) => buffer.extend_from_slice(&bytes),
                        Some(Err(error)) => return Err(self.failed(key, error)),
                    }
                }
                Ok(false)
            });
            match period.await {
                Ok(Ok(true)) if buffer.len() == expected => return Ok(()),
                Ok(Ok(true)) => return Err(self.short(key, buffer.len() as u64, expected as u64)),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    let (arrived, seconds) = (buffer.len() - before, self.timeout.as_secs_f32());
                    return Err(self.stalled(key, format!("only {arrived} bytes of the body arrived in {seconds} s")));
                }
            }
        }
    }

    pub fn get(&self, key: &str, most: u64, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        self.wait(key, async {
            match self.request(key, None).await? {
                Ok(answer) => {
                    let stat = stat(&answer.meta);
                    if stat.size > most {
                        buffer.clear();
                        return Ok(Some(stat));
                    }
                    self.body(key, answer, buffer).await.map(|()| Some(stat))
                }
                Err(error @ Error::NotFound { .. }) => self.absent(key, error).map(|()| None),
                Err(error) => Err(self.failed(key, error)),
            }
        })
    }

    pub fn get_range(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        self.wait(key, self.part(key, range, buffer))
    }

    pub fn get_ranges(
        &self,
        key: &str,
        ranges: &[Range<u64>],
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Stat>, StoreError> {
        if let [Range { start, end }] = ranges {
            let range = ByteRange::At { start: *start, len: end.saturating_sub(*start) };
            return self.get_range(key, range, buffer);
        }
        let mut parts = vec![Vec::new(); ranges.len()];
        let requests = ranges.iter().zip(&mut parts).map(|(range, part)| async move {
            let len = range.end.saturating_sub(range.start);
            self.part(key, ByteRange::At { start: range.start, len }, part).await
        });
        let stats = self.wait(key, try_join_all(requests))?;
        buffer.clear();
        parts.iter().for_each(|part| buffer.extend_from_slice(part));
        match stats.split_first() {
            Some((first, others)) if others.iter().any(|other| other != first) => {
                Err(StoreError::Network { place: self.place(key), source: "changed while it was being read".into() })
            }
            Some((first, _)) => Ok(*first),
            None => Ok(None),
        }
    }

    fn short(&self, key: &str, found: u64, expected: u64) -> StoreError {
        let text = format!("the body has {found} of {expected} bytes");
        StoreError::Network { place: self.place(key), source: text.into() }
    }

    /// Part of an object, or as much of it as there is.
    async fn part(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<Stat>, StoreError> {
        let wanted = match range {
            ByteRange::At { start, len } => GetRange::Bounded(start..start.saturating_add(len)),
            ByteRange::Last { len } => GetRange::Suffix(len),
        };
        let answer = match self.request(key, Some(wanted)).await? {
            Ok(answer) => answer,
            Err(error @ Error::NotFound { .. }) => return self.absent(key, error).map(|()| None),
            Err(error) => match self.second_try(key, range, error).await? {
                SecondTry::Answer(answer) => *answer,
                SecondTry::Absent => return Ok(None),
                SecondTry::NothingThere(stat) => {
                    buffer.clear();
                    return Ok(Some(stat));
                }
            },
        };
        let (stat, offset) = (stat(&answer.meta), answer.range.start);
        self.body(key, answer, buffer).await?;
        // Where the server sent more than was asked for, keep what was.
        let (start, len) = match range {
            ByteRange::At { start, len } => (start, len),
            ByteRange::Last { len } => (stat.size.saturating_sub(len), len),
        };
        let skip = start.saturating_sub(offset).min(buffer.len() as u64) as usize;
        buffer.drain(..skip);
        buffer.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(Some(stat))
    }

    /// After a range that the server would not give: there may be no such bytes, or it may not count from the end (Azure),
    /// or not know ranges at all.
    async fn second_try(&self, key: &str, range: ByteRange, error: Error) -> Result<SecondTry, StoreError> {
        if matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) {
            return Err(self.failed(key, error));
        }
        let unsupported = matches!(error, Error::NotSupported { .. });
        let meta = match self.head(key).await? {
            Ok(meta) => meta,
            Err(Error::NotFound { .. }) => return Ok(SecondTry::Absent),
            Err(_) => return Err(self.failed(key, error)),
        };
        let nothing_there = match range {
            ByteRange::At { start, .. } => meta.size <= start,
            ByteRange::Last { .. } => meta.size == 0,
        };
        if nothing_there {
            return Ok(SecondTry::NothingThere(stat(&meta)));
        }
        if !unsupported {
            return Err(self.failed(key, error));
        }
        if let ByteRange::Last { len } = range {
            let bounded = GetRange::Bounded(meta.size.saturating_sub(len)..meta.size);
            match self.request(key, Some(bounded)).await? {
                Ok(answer) => return Ok(SecondTry::Answer(Box::new(answer))),
                Err(Error::NotSupported { .. }) => {}
                Err(error) => return Err(self.failed(key, error)),
            }
        }
        if meta.size > self.most_whole {
            return Err(StoreError::NoRanges { place: self.place(key), size: human_bytes(meta.size) });
        }
        self.ignores_ranges.store(true, Ordering::Relaxed);
        match self.request(key, None).await? {
            Ok(answer) => Ok(SecondTry::Answer(Box::new(answer))),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    pub fn list(&self, prefix: &str) -> Result<Listing<'_>, StoreError> {
        let pages = self.pages(prefix, false)?;
        Ok(Box::new(pages.flat_map(|page| match page {
            Ok(page) => page.objects.into_iter().map(|meta| Ok(self.object(meta))).collect(),
            Err(error) => vec![Err(error)],
        })))
    }

    pub fn entries(&self, prefix: &str) -> Result<Entries, StoreError> {
        let mut entries = Entries::default();
        let name = |path: &Path| path.filename().map(str::to_owned);
        for page in self.pages(prefix, true)? {
            let page = page?;
            entries.directories.extend(page.common_prefixes.iter().filter_map(name));
            entries.files.extend(page.objects.iter().filter_map(|meta| name(&meta.location)));
        }
        Ok(entries)
    }

    /// A list page by page, each within the time limit.
    fn pages(&self, prefix: &str, one_level: bool) -> Result<Pages<'_>, StoreError> {
        let Some(lister) = &self.connection().lister else {
            return Err(StoreError::NotListable { place: self.place(prefix) });
        };
        let path = self.path(prefix)?;
        let directory = if path.as_ref().is_empty() { String::new() } else { format!("{path}/") };
        Ok(Pages { remote: self, lister, key: prefix.to_owned(), directory, one_level, next: Next::First })
    }

    fn object(&self, meta: ObjectMeta) -> Object {
        let location = meta.location.as_ref();
        let key = location.strip_prefix(self.prefix.as_ref()).unwrap_or(location).trim_start_matches('/');
        Object { key: key.to_owned(), stat: stat(&meta) }
    }
}

/// Size and tag out of the head of an answer.
fn stat(meta: &ObjectMeta) -> Stat {
    let modified = meta.last_modified.timestamp_nanos_opt().unwrap_or_default();
    let tag = meta.e_tag.as_deref().map_or_else(|| fnv1a(&modified.to_le_bytes()), etag_number);
    Stat { size: meta.size, tag, md5: meta.e_tag.as_deref().and_then(md5_of) }
}

/// An ETag as a number. Azure puts it into quotation marks in answers about an object, and not in lists.
fn etag_number(etag: &str) -> u64 {
    fnv1a(etag.trim_matches('"').as_bytes())
}

/// The MD5 that an ETag may be: 32 hexadecimal digits. Objects that were uploaded in parts have a number behind theirs.
fn md5_of(etag: &str) -> Option<[u8; 16]> {
    let digits = etag.trim_matches('"').as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.as_chunks::<2>().0.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    let bytes: Option<Vec<u8>> = pairs.collect();
    bytes?.try_into().ok().filter(|_| digits.len() == 32)
}

/// The 64-bit FNV-1a hash: the same in every version of this program, for tags are written down.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What came of asking again.
enum SecondTry {
    Answer(Box<GetResult>),
    /// There is no such object.
    Absent,
    /// The object, of this size, ends before the range begins.
    NothingThere(Stat),
}

struct Pages<'a> {
    remote: &'a RemoteStore,
    lister: &'a Arc<dyn PaginatedListStore>,
    /// What is listed, for messages.
    key: String,
    directory: String,
    one_level: bool,
    next: Next,
}

enum Next {
    First,
    Token(String),
    End,
}

impl Iterator for Pages<'_> {
    type Item = Result<object_store::ListResult, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let page_token = match std::mem::replace(&mut self.next, Next::End) {
            Next::First => None,
            Next::Token(token) => Some(token),
            Next::End => return None,
        };
        let delimiter = self.one_level.then_some("/".into());
        let options = PaginatedListOptions { delimiter, page_token, ..PaginatedListOptions::default() };
        let prefix = (!self.directory.is_empty()).then_some(self.directory.as_str());
        let remote = self.remote;
        let page = remote.wait(&self.key, async {
            let answer = remote.answer(&self.key, self.lister.list_paginated(prefix, options)).await?;
            answer.map_err(|error| remote.failed(&self.key, error))
        });
        Some(page.map(|page| {
            self.next = page.page_token.map_or(Next::End, Next::Token);
            page.result
        }))
    }
}

/// The options with those of the AWS profile, which others go before.
fn with_profile(address: &Address, options: &StoreOptions) -> Result<StoreOptions, StoreError> {
    let has_keys = options.settings.iter().any(|setting| setting.key.contains("access_key"));
    if !matches!(address.url().scheme(), "s3" | "s3a") || options.anonymous || has_keys {
        return Ok(options.clone());
    }
    let bad = |detail| StoreError::BadUrl { place: address.to_string(), detail };
    let mut settings = aws_profile::settings().map_err(bad)?;
    settings.retain(|setting| match setting.key.as_str() {
        "aws_region" => options.region.is_none(),
        "aws_endpoint" => options.endpoint.is_none(),
        _ => true,
    });
    settings.extend(options.settings.iter().cloned());
    Ok(StoreOptions { settings, ..options.clone() })
}

/// Credentials of an endpoint would be sent nowhere.
fn check_endpoint(options: &StoreOptions) -> Result<(), StoreError> {
    let Some(endpoint) = &options.endpoint else { return Ok(()) };
    let url = endpoint.typed().to_str().and_then(|text| url::Url::parse(text).ok());
    let url = url.filter(|url| url.scheme().starts_with("http")).map(Address::new);
    if url.is_some_and(|address| address.user().is_none() && address.query().is_none()) {
        return Ok(());
    }
    let detail = "an endpoint is an http or https URL without user, password and query".into();
    Err(StoreError::BadUrl { place: endpoint.to_string(), detail })
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

/// The message with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source()).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}
