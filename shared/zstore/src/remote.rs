//! Object stores and plain HTTP servers as stores.
//!
//! Three clocks stand over every operation: connecting, the answer with all its retries, and the flow of the body, which
//! must bring something in every period. A body as a whole has no limit: a large one on a slow line is healthy.

use std::fs;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, RetryConfig};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use url::Url;

use crate::{ByteRange, Entries, Listing, Object, StoreError, StoreOptions};

/// A body that brings less than this in one period of the time limit has stalled.
const LEAST_PROGRESS: usize = 64 * 1024;

pub struct RemoteStore {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    url: String,
    timeout: Duration,
    runtime: &'static Runtime,
}

impl RemoteStore {
    pub fn open(url: &Url, options: &StoreOptions) -> Result<RemoteStore, StoreError> {
        let bad = |error: object_store::Error| StoreError::BadUrl { place: url.to_string(), detail: chain(&error) };
        let http = matches!(url.scheme(), "http" | "https");
        let store = match url.scheme() {
            "s3" | "s3a" => Arc::new(s3(url, options).map_err(bad)?) as Arc<dyn ObjectStore>,
            "gs" => Arc::new(gcs(url, options).map_err(bad)?),
            "http" | "https" => Arc::new(plain_http(url, options).map_err(bad)?),
            _ => Arc::new(azure(url, options).map_err(bad)?),
        };
        // For HTTP the whole URL is the base; for a bucket, its path is a prefix of the keys.
        let path = if http { "" } else { url.path().trim_matches('/') };
        let prefix = Path::from_url_path(path).map_err(|error| bad(error.into()))?;
        Ok(RemoteStore {
            store,
            prefix,
            url: url.as_str().trim_end_matches('/').to_owned(),
            timeout: options.timeout,
            runtime: runtime()?,
        })
    }

    fn path(&self, key: &str) -> Result<Path, StoreError> {
        let relative = Path::parse(key)
            .map_err(|error| StoreError::BadUrl { place: self.place(key), detail: error.to_string() })?;
        Ok(self.prefix.parts().chain(relative.parts()).collect())
    }

    fn place(&self, key: &str) -> String {
        if key.is_empty() { self.url.clone() } else { format!("{}/{key}", self.url) }
    }

    fn wait<T>(&self, key: &str, future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.runtime.block_on(async {
            // `object_store` retries within the same limit; the margin lets its own, better message win.
            match timeout(self.timeout + Duration::from_secs(1), future).await {
                Ok(result) => result,
                Err(_) => Err(self.stalled(key, format!("no answer within {} s", self.timeout.as_secs_f32()))),
            }
        })
    }

    fn stalled(&self, key: &str, detail: String) -> StoreError {
        StoreError::TimedOut { place: self.place(key), detail }
    }

    /// Asks for an object: the answer's head. Nothing: it is not there.
    fn request(&self, key: &str, range: Option<GetRange>) -> Result<Option<GetResult>, StoreError> {
        let path = self.path(key)?;
        self.wait(key, async {
            let wanted = GetOptions { range: range.clone(), ..GetOptions::default() };
            let answer = match self.store.get_opts(&path, wanted).await {
                // A server without ranges, or one that cannot count from the end: take what it can give.
                Err(object_store::Error::NotSupported { .. }) if range.is_some() => {
                    self.store.get_opts(&path, GetOptions::default()).await
                }
                other => other,
            };
            self.present(key, answer)
        })
    }

    fn present<T>(&self, key: &str, answer: object_store::Result<T>) -> Result<Option<T>, StoreError> {
        match answer {
            Ok(value) => Ok(Some(value)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    fn failed(&self, key: &str, error: object_store::Error) -> StoreError {
        use object_store::Error::{NotImplemented, NotSupported, PermissionDenied, Unauthenticated};
        let place = self.place(key);
        match error {
            PermissionDenied { source, .. } | Unauthenticated { source, .. } => StoreError::Denied { place, source },
            NotSupported { .. } | NotImplemented { .. } => StoreError::NotListable { place },
            other => StoreError::Network { place, source: other.into() },
        }
    }

    /// Reads a body to its end, as long as it keeps coming.
    fn body(&self, key: &str, answer: GetResult, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        buffer.clear();
        buffer.reserve((answer.range.end - answer.range.start) as usize);
        let mut stream = answer.into_stream();
        self.runtime.block_on(async {
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
                    Ok(Ok(true)) => return Ok(()),
                    Ok(Ok(false)) => {}
                    Ok(Err(error)) => return Err(error),
                    Err(_) => {
                        let seconds = self.timeout.as_secs_f32();
                        let arrived = buffer.len() - before;
                        return Err(self.stalled(key, format!("{arrived} bytes of the body in {seconds} s")));
                    }
                }
            }
        })
    }

    pub fn get(&self, key: &str, buffer: &mut Vec<u8>) -> Result<bool, StoreError> {
        let Some(answer) = self.request(key, None)? else { return Ok(false) };
        self.body(key, answer, buffer)?;
        Ok(true)
    }

    pub fn get_range(&self, key: &str, range: ByteRange, buffer: &mut Vec<u8>) -> Result<Option<u64>, StoreError> {
        let wanted = match range {
            ByteRange::At { start, len } => GetRange::Bounded(start..start + len),
            ByteRange::Last { len } => GetRange::Suffix(len),
        };
        let Some(answer) = self.request(key, Some(wanted))? else { return Ok(None) };
        let (size, offset) = (answer.meta.size, answer.range.start);
        self.body(key, answer, buffer)?;
        // Where the server sent more than was asked for, keep what was.
        let (start, len) = match range {
            ByteRange::At { start, len } => (start, len),
            ByteRange::Last { len } => (size.saturating_sub(len), len),
        };
        let skip = start.saturating_sub(offset).min(buffer.len() as u64) as usize;
        buffer.drain(..skip);
        buffer.truncate(len as usize);
        Ok(Some(size))
    }

    pub fn list(&self, prefix: &str) -> Result<Listing<'_>, StoreError> {
        if self.prefix.as_ref().is_empty() && self.url.starts_with("http") {
            return Err(StoreError::NotListable { place: self.place(prefix) });
        }
        let path = self.path(prefix)?;
        let stream = self.store.list(Some(&path));
        Ok(Box::new(RemoteListing { remote: self, stream }))
    }

    pub fn entries(&self, prefix: &str) -> Result<Entries, StoreError> {
        if self.prefix.as_ref().is_empty() && self.url.starts_with("http") {
            return Err(StoreError::NotListable { place: self.place(prefix) });
        }
        let path = self.path(prefix)?;
        let found = self.wait(prefix, async {
            self.store.list_with_delimiter(Some(&path)).await.map_err(|error| self.failed(prefix, error))
        })?;
        let name = |path: &Path| path.filename().map(str::to_owned);
        Ok(Entries {
            directories: found.common_prefixes.iter().filter_map(name).collect(),
            files: found.objects.iter().filter_map(|meta| name(&meta.location)).collect(),
        })
    }

    fn object(&self, meta: ObjectMeta) -> Object {
        let location = meta.location.as_ref();
        let key = location.strip_prefix(self.prefix.as_ref()).unwrap_or(location).trim_start_matches('/');
        Object { key: key.to_owned(), size: meta.size }
    }
}

struct RemoteListing<'a> {
    remote: &'a RemoteStore,
    stream: BoxStream<'static, object_store::Result<ObjectMeta>>,
}

impl Iterator for RemoteListing<'_> {
    type Item = Result<Object, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let remote = self.remote;
        let next = remote.wait("", async { Ok(self.stream.next().await) });
        match next {
            Err(error) => Some(Err(error)),
            Ok(None) => None,
            Ok(Some(Ok(meta))) => Some(Ok(remote.object(meta))),
            Ok(Some(Err(error))) => Some(Err(remote.failed("", error))),
        }
    }
}

/// One runtime for all remote stores, started when the first is opened.
fn runtime() -> Result<&'static Runtime, StoreError> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
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

fn client(options: &StoreOptions) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(true)
        .with_timeout_disabled()
        .with_connect_timeout(options.timeout.min(Duration::from_secs(10)))
        // Several silent tries fit into the time limit of the operation.
        .with_read_timeout(options.timeout / 3)
}

fn retry(options: &StoreOptions) -> RetryConfig {
    RetryConfig { max_retries: options.retries, retry_timeout: options.timeout, ..RetryConfig::default() }
}

fn s3(url: &Url, options: &StoreOptions) -> object_store::Result<object_store::aws::AmazonS3> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(url.host_str().unwrap_or_default())
        .with_client_options(client(options))
        .with_retry(retry(options))
        .with_skip_signature(options.anonymous || !has_aws_credentials());
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    builder.build()
}

fn gcs(url: &Url, options: &StoreOptions) -> object_store::Result<object_store::gcp::GoogleCloudStorage> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(url.host_str().unwrap_or_default())
        .with_client_options(client(options))
        .with_retry(retry(options))
        .with_skip_signature(options.anonymous || !has_google_credentials());
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    builder.build()
}

fn azure(url: &Url, options: &StoreOptions) -> object_store::Result<object_store::azure::MicrosoftAzure> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_client_options(client(options))
        .with_retry(retry(options))
        .with_allow_http(true);
    builder = match url.scheme() {
        "az" | "azure" | "adl" => builder.with_container_name(url.host_str().unwrap_or_default()),
        _ => builder.with_url(url.as_str()),
    };
    if options.anonymous {
        builder = builder.with_skip_signature(true);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    builder.build()
}

fn plain_http(url: &Url, options: &StoreOptions) -> object_store::Result<object_store::http::HttpStore> {
    HttpBuilder::new()
        .with_url(url.as_str().trim_end_matches('/'))
        .with_client_options(client(options))
        .with_retry(retry(options))
        .build()
}

/// Without credentials, and not on a machine of the cloud that hands them out, a request would first wait for a metadata
/// server that is not there; public buckets need none.
fn has_aws_credentials() -> bool {
    let variables = [
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    any_set(&variables) || machine_is("sys_vendor", "Amazon")
}

fn has_google_credentials() -> bool {
    let variables = [
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_BEARER_TOKEN",
        "SERVICE_ACCOUNT",
    ];
    let default_file = std::env::home_dir()
        .map(|home| home.join(".config/gcloud/application_default_credentials.json"))
        .is_some_and(|path| path.exists());
    any_set(&variables) || default_file || machine_is("product_name", "Google")
}

fn any_set(variables: &[&str]) -> bool {
    variables.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn machine_is(file: &str, vendor: &str) -> bool {
    fs::read_to_string(format!("/sys/class/dmi/id/{file}")).is_ok_and(|text| text.starts_with(vendor))
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
