//! Requests with secret headers: redirects are followed without the headers where they lead to another server.

use std::time::Duration;

use futures::future::BoxFuture;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::{ClientConfigKey, ClientOptions, Error, Result};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::tls::Certificate;
use reqwest::{Client, ClientBuilder, NoProxy, Proxy};
use url::{Origin, Url};

/// As many redirects are followed as by reqwest itself.
const MOST_REDIRECTS: usize = 10;

/// Makes clients that send headers to one server, and to no other.
#[derive(Debug, Clone)]
pub struct PrivateConnector {
    /// Scheme, host and port.
    pub server: Origin,
    pub headers: HeaderMap,
    pub connect_timeout: Duration,
}

impl HttpConnector for PrivateConnector {
    fn connect(&self, client: &ClientOptions) -> Result<HttpClient> {
        let failed = |error: reqwest::Error| Error::Generic { store: "HTTP", source: error.into() };
        let builder = ClientBuilder::new()
            .redirect(Policy::none())
            .user_agent(concat!("ztools/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout);
        let client = configured(builder, client).and_then(ClientBuilder::build).map_err(failed)?;
        let (server, headers) = (self.server.clone(), self.headers.clone());
        Ok(HttpClient::new(PrivateClient { client, server, headers }))
    }
}

/// With the settings that decide which servers are reached: `object_store` makes no client that leaves redirects to others.
fn configured(mut builder: ClientBuilder, client: &ClientOptions) -> reqwest::Result<ClientBuilder> {
    let value = |key| client.get_config_value(&key);
    let is_set = |key| value(key).is_some_and(|value| ["true", "1", "yes", "on", "y"].contains(&value.as_str()));
    if let Some(agent) = value(ClientConfigKey::UserAgent) {
        builder = builder.user_agent(agent);
    }
    if let Some(url) = value(ClientConfigKey::ProxyUrl) {
        let excludes = value(ClientConfigKey::ProxyExcludes).and_then(|hosts| NoProxy::from_string(&hosts));
        builder = builder.proxy(Proxy::all(url)?.no_proxy(excludes));
    }
    if let Some(pem) = value(ClientConfigKey::ProxyCaCertificate) {
        builder = builder.tls_certs_merge([Certificate::from_pem(pem.as_bytes())?]);
    }
    if is_set(ClientConfigKey::Http1Only) {
        builder = builder.http1_only();
    }
    Ok(builder.tls_danger_accept_invalid_certs(is_set(ClientConfigKey::AllowInvalidCertificates)))
}

#[derive(Debug)]
struct PrivateClient {
    client: Client,
    server: Origin,
    headers: HeaderMap,
}

impl HttpService for PrivateClient {
    fn call<'a, 'async_trait>(
        &'a self,
        request: HttpRequest,
    ) -> BoxFuture<'async_trait, Result<HttpResponse, HttpError>>
    where
        'a: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.follow(request))
    }
}

impl PrivateClient {
    /// Sends a request, and follows redirects of those that only read.
    async fn follow(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let bad = |error: Box<dyn std::error::Error + Send + Sync>| HttpError::new_boxed(HttpErrorKind::Unknown, error);
        for _ in 0..MOST_REDIRECTS {
            let url = Url::parse(&request.uri().to_string()).map_err(|error| bad(error.into()))?;
            let response = self.send(&url, request.clone()).await?;
            let Some(next) = redirect(&url, &response).filter(|_| request.method().is_safe()) else {
                return Ok(response);
            };
            *request.uri_mut() = next.as_str().parse().map_err(|_| bad("the redirect has no valid URL".into()))?;
        }
        Err(bad("too many redirects".into()))
    }

    async fn send(&self, url: &Url, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if url.origin() == self.server {
            request.headers_mut().extend(self.headers.clone());
        }
        self.client.call(request).await
    }
}

/// Where a response redirects to.
fn redirect(from: &Url, response: &HttpResponse) -> Option<Url> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    from.join(location.to_str().ok()?).ok().filter(|url| url.scheme().starts_with("http"))
}
