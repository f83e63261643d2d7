//! How requests are sent: all of them, to every cloud, go through here. What passes is tried again, each step has its clock, and
//! the number of requests in flight follows what the server takes.
//!
//! `object_store` makes the requests and signs them; its own retries, which know no Retry-After, are switched off.

mod clients;
mod clocks;
mod contact;
mod effort;
mod guarded;
mod rate;
mod retry_after;
mod window;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use object_store::{ClientOptions, Result};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use tokio::time::{sleep, timeout};

use crate::redirects::PrivateConnector;
use crate::{Checksum, StoreOptions};

pub use clocks::{Clocks, TimeUp};
pub use contact::Dead;
pub use effort::Effort;
pub use rate::Rate;
pub use window::{MOST_REQUESTS, Servers, Transfer};

use contact::Contact;
use guarded::Guarded;
use window::{Permit, Window};

/// The longest that a server is tried which has never answered: its name may be mistyped.
const FIRST_CONTACT: Duration = Duration::from_secs(5);

/// The largest refusal that is read.
const LARGEST_REFUSAL: u64 = 1 << 20;

/// The requests of one store.
#[derive(Debug)]
pub struct Transport {
    pub clocks: Clocks,
    retries: usize,
    rate: Option<Arc<Rate>>,
    window: Arc<Window>,
    contact: Contact,
    /// Whether the server is asked even if it seems dead.
    keeps_trying: bool,
}

impl Transport {
    /// For a store on `server`.
    pub fn new(options: &StoreOptions, server: &str) -> Arc<Transport> {
        let window = match &options.servers {
            Some(servers) => servers.window(server, options.requests),
            None => Window::new(options.requests),
        };
        Arc::new(Transport {
            clocks: Clocks::new(options.timeout),
            retries: options.retries.unwrap_or(usize::MAX),
            rate: options.rate.clone(),
            window,
            contact: Contact::default(),
            keeps_trying: options.keeps_trying,
        })
    }

    /// Requests of this store that may be in flight now.
    pub fn requests(&self) -> usize {
        self.window.part()
    }

    /// Says that the store transfers many objects, until the answer is dropped.
    pub fn transfer(&self) -> Transfer {
        self.window.transfer()
    }

    /// The tries at a request, or at a body that breaks off.
    pub fn effort(&self, most: usize) -> Effort {
        Effort::new(self.retries.min(most), self.clocks.operation)
    }
}

/// Makes clients that send their requests this way.
#[derive(Debug, Clone)]
pub struct Connector {
    pub transport: Arc<Transport>,
    /// For requests with secret headers.
    pub private: Option<PrivateConnector>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        let client = match &self.private {
            Some(private) => private.connect(options)?,
            None => clients::shared(options)?,
        };
        Ok(HttpClient::new(Service { client, transport: Arc::clone(&self.transport) }))
    }
}

#[derive(Debug)]
struct Service {
    client: HttpClient,
    transport: Arc<Transport>,
}

impl HttpService for Service {
    fn call<'a, 'async_trait>(
        &'a self,
        request: HttpRequest,
    ) -> BoxFuture<'async_trait, Result<HttpResponse, HttpError>>
    where
        'a: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.send(request))
    }
}

/// What came of a try.
enum Outcome {
    /// Good or bad, it is the answer.
    Final(HttpResponse),
    /// The server may answer otherwise later; it may ask for a pause.
    Refused(HttpResponse, Option<Duration>),
    Failed(HttpError),
}

impl Service {
    /// Sends a request until there is an answer, or no more time.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let contact = &self.transport.contact;
        if let Some(requests) = contact.dead_after().filter(|_| !self.transport.keeps_trying) {
            return Err(HttpError::new(HttpErrorKind::Unknown, Dead(requests)));
        }
        let result = self.send_until_answered(request).await;
        if result.is_err() {
            contact.not_answered();
        }
        result
    }

    async fn send_until_answered(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut effort = self.transport.effort(usize::MAX);
        let mut last = None;
        let most = self.transport.clocks.response_to(request.body().content_length());
        loop {
            let permit = self.transport.window.enter().await;
            self.pay(&request).await;
            let sent = Instant::now();
            let limit = most.min(effort.left());
            let outcome = self.attempt(&request, limit, permit).await;
            effort.tried(sent.elapsed());
            if !self.transport.contact.has_answered() {
                effort.limit_to(FIRST_CONTACT);
            }
            let (pause, result) = match outcome {
                Outcome::Final(response) => {
                    // The answer to HEAD has no body. What is sent costs as much as what is received.
                    let received = content_length(response.headers()).filter(|_| request.method() != Method::HEAD);
                    let bytes = received.unwrap_or(0).max(request.body().content_length() as u64);
                    self.transport.window.answered(sent.elapsed(), bytes);
                    return Ok(response);
                }
                Outcome::Refused(response, asked) => {
                    if is_overload(response.status()) {
                        self.transport.window.refused(sent);
                    }
                    (effort.pause(asked), Ok(response))
                }
                Outcome::Failed(error) if is_passing(&error) => (effort.pause(None), Err(error)),
                Outcome::Failed(error) => return Err(error),
            };
            // A try that had less time than the others tells less than they do.
            let result = last.take_if(|_| limit < most).unwrap_or(result);
            match pause {
                Some(pause) => sleep(pause).await,
                None => return result,
            }
            last = Some(result);
        }
    }

    /// Waits until the body of a request is paid for.
    async fn pay(&self, request: &HttpRequest) {
        let bytes = request.body().content_length();
        if let Some(rate) = self.transport.rate.as_ref().filter(|_| bytes > 0) {
            sleep(rate.take(bytes)).await;
        }
    }

    async fn attempt(&self, request: &HttpRequest, limit: Duration, permit: Permit) -> Outcome {
        let clocks = self.transport.clocks;
        let late = |clock| HttpError::new(HttpErrorKind::Timeout, clock);
        let response = match timeout(limit, self.client.execute(request.clone())).await {
            Err(_) => return Outcome::Failed(late(TimeUp::Response(limit))),
            Ok(Err(error)) if is_connect_timeout(&error) => {
                return Outcome::Failed(late(TimeUp::Connect(clocks.connect)));
            }
            Ok(Err(error)) => return Outcome::Failed(error),
            Ok(Ok(response)) => response,
        };
        self.transport.contact.answered();
        let refused = is_refusal(request, response.status());
        let (mut parts, body) = response.into_parts();
        // A part of an object may have a checksum of its own.
        if let Some(checksum) = Checksum::of_headers(&parts.headers).filter(|_| parts.status == StatusCode::OK) {
            parts.extensions.insert(checksum);
        }
        let asked = retry_after::pause(&parts.headers).filter(|_| refused);
        let body = HttpResponseBody::new(Guarded::new(body, clocks, self.transport.rate.clone(), permit));
        if !(refused || is_read_whole(request)) {
            return Outcome::Final(HttpResponse::from_parts(parts, body));
        }
        if refused && content_length(&parts.headers).is_some_and(|size| size > LARGEST_REFUSAL) {
            return Outcome::Refused(HttpResponse::from_parts(parts, HttpResponseBody::from(Vec::new())), asked);
        }
        match body.bytes().await {
            Ok(bytes) if refused || is_late_refusal(request, parts.status, &bytes) => {
                Outcome::Refused(HttpResponse::from_parts(parts, bytes.into()), asked)
            }
            Ok(bytes) => Outcome::Final(HttpResponse::from_parts(parts, bytes.into())),
            Err(error) => Outcome::Failed(error),
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get("content-length")?.to_str().ok()?.parse().ok()
}

fn is_overload(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// Whether the same request may be answered otherwise later.
fn is_refusal(request: &HttpRequest, status: StatusCode) -> bool {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => true,
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => false,
        // S3 answers so where two conditional writes meet.
        StatusCode::CONFLICT => {
            request.method() == Method::PUT
                && request.headers().contains_key("if-match")
                && request.headers().keys().any(|name| name.as_str().starts_with("x-amz-"))
        }
        status => status.is_server_error(),
    }
}

/// Whether the answer counts only once all of it is there: short ones, and pages of lists, of which no part can be asked for.
fn is_read_whole(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let is_list = || ["list-type=2", "comp=list"].iter().any(|list| query.split('&').any(|pair| pair == *list));
    request.method() == Method::POST || (request.method() == Method::GET && is_list())
}

/// S3 begins to answer before it has put the parts of an object together, and may then say that it could not.
fn is_late_refusal(request: &HttpRequest, status: StatusCode, answer: &[u8]) -> bool {
    let says = |word: &str| answer.windows(word.len()).any(|window| window == word.as_bytes());
    request.method() == Method::POST && status.is_success() && (says("InternalError") || says("SlowDown"))
}

/// Whether a failure of the network may pass. All requests may be sent twice: those that write look for what they wrote.
fn is_passing(error: &HttpError) -> bool {
    !matches!(error.kind(), HttpErrorKind::Unknown | HttpErrorKind::Decode)
}

fn is_connect_timeout(error: &HttpError) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let is_it = |error: &reqwest::Error| error.is_connect() && error.is_timeout();
    causes.filter_map(|error| error.downcast_ref()).any(is_it)
}
