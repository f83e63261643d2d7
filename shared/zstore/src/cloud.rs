//! How each cloud is reached: builders, credentials, clocks and retries.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::gcp::{GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::http::{HttpBuilder, HttpStore};
use object_store::list::PaginatedListStore;
use object_store::multipart::MultipartStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, Result, RetryConfig, StaticCredentialProvider};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::http_headers;
use crate::redirects::PrivateConnector;
use crate::secrets::basic;
use crate::trouble::Sender;
use crate::{Address, Setting, StoreOptions};

/// A server by what it can do.
pub struct Connection {
    pub store: Arc<dyn ObjectStore>,
    /// The same, where it can list.
    pub lister: Option<Arc<dyn PaginatedListStore>>,
    /// The same, where it can be written.
    pub writer: Option<Arc<dyn MultipartStore>>,
}

/// The longest that a server is tried which has never answered: its name may be mistyped.
const FIRST_CONTACT: Duration = Duration::from_secs(5);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How patiently a server is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It has never answered.
    FirstContact,
    /// It has answered before, and an outage may pass.
    Outage,
}

/// Connects to what an address names. Nothing is sent yet.
pub fn connect(address: &Address, options: &StoreOptions, patience: Patience) -> Result<Connection> {
    fn cloud<S: ObjectStore + PaginatedListStore + MultipartStore>(store: S) -> Connection {
        let store = Arc::new(store);
        Connection { store: store.clone(), lister: Some(store.clone()), writer: Some(store) }
    }
    let web = |store| Connection { store: Arc::new(store), lister: None, writer: None };
    match address.url().scheme() {
        "s3" | "s3a" => s3(address, options, patience).map(cloud),
        "gs" => gcs(address, options, patience).map(cloud),
        "http" | "https" => plain_http(address, options, patience).map(web),
        _ => azure(address, options, patience).map(cloud),
    }
}

fn client(options: &StoreOptions) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(true)
        .with_timeout_disabled()
        .with_connect_timeout(connect_timeout(options))
        .with_read_timeout(read_timeout(options))
}

fn connect_timeout(options: &StoreOptions) -> Duration {
    options.timeout.min(Duration::from_secs(10))
}

/// Several silent tries fit into the time limit of the operation.
fn read_timeout(options: &StoreOptions) -> Duration {
    options.timeout / 3
}

fn retry(options: &StoreOptions, patience: Patience) -> RetryConfig {
    let retry_timeout = match patience {
        Patience::FirstContact => options.timeout.min(FIRST_CONTACT),
        Patience::Outage => options.timeout,
    };
    let backoff = BackoffConfig { max_backoff: LONGEST_PAUSE.min(retry_timeout / 4), ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: options.retries.unwrap_or(usize::MAX), retry_timeout }
}

/// Who sends the requests to an address.
pub fn sender(address: &Address, options: &StoreOptions) -> Sender {
    let has_credentials = match address.url().scheme() {
        "s3" | "s3a" => has_aws_credentials() || has_setting(options, &["access_key"]),
        "gs" => has_google_credentials() || has_setting(options, &["service_account", "credentials", "bearer"]),
        "http" | "https" if address.query().is_some() => return Sender::SignedUrl,
        "http" | "https" => address.user().is_some() || (address.is_private() && http_headers::are_set()),
        _ if address.query().is_some() => return Sender::SignedUrl,
        _ => has_azure_credentials() || has_setting(options, &["key", "sas", "token", "client_id"]),
    };
    match (options.anonymous, has_credentials) {
        (true, _) => Sender::Anonymous,
        (false, true) => Sender::Signed,
        (false, false) if address.url().scheme().starts_with("http") => Sender::Visitor,
        (false, false) => Sender::Unknown,
    }
}

fn s3(address: &Address, options: &StoreOptions, patience: Patience) -> Result<AmazonS3> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(address.url().host_str().unwrap_or_default())
        .with_client_options(client(options))
        .with_retry(retry(options, patience))
        // Objects are deleted one by one, which every server of this protocol knows.
        .with_disable_bulk_delete(true)
        .with_skip_signature(options.anonymous || !(has_aws_credentials() || has_setting(options, &["access_key"])));
    if let Some(endpoint) = endpoint(options) {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    for Setting { key, value } in &options.settings {
        builder = builder.with_config(key.parse()?, value);
    }
    builder.build()
}

fn gcs(address: &Address, options: &StoreOptions, patience: Patience) -> Result<GoogleCloudStorage> {
    let anonymous = options.anonymous
        || !(has_google_credentials() || has_setting(options, &["service_account", "credentials", "bearer"]));
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(address.url().host_str().unwrap_or_default())
        .with_client_options(client(options))
        .with_retry(retry(options, patience))
        .with_skip_signature(anonymous);
    if anonymous {
        // Writes are signed in any case. Without this, they would ask the cloud's own machines for credentials first.
        let nobody = GcpCredential { bearer: "anonymous".into() };
        builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(nobody)));
    }
    if let Some(endpoint) = endpoint(options) {
        builder = builder.with_base_url(endpoint);
    }
    for Setting { key, value } in &options.settings {
        builder = builder.with_config(key.parse()?, value);
    }
    builder.build()
}

fn azure(address: &Address, options: &StoreOptions, patience: Patience) -> Result<MicrosoftAzure> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_client_options(client(options))
        .with_retry(retry(options, patience))
        .with_allow_http(true);
    builder = match address.url().scheme() {
        "az" | "azure" | "adl" => builder.with_container_name(address.url().host_str().unwrap_or_default()),
        _ => builder.with_url(address.url().as_str()),
    };
    match address.query() {
        // A shared access signature.
        Some(query) => {
            builder = builder
                .with_config(AzureConfigKey::SasKey, query)
                .with_config(AzureConfigKey::CredentialType, "sas_token")
        }
        None => {
            builder = builder.with_skip_signature(
                options.anonymous
                    || !(has_azure_credentials() || has_setting(options, &["key", "sas", "token", "client_id"])),
            )
        }
    }
    if let Some(endpoint) = endpoint(options) {
        builder = builder.with_endpoint(endpoint.to_owned());
    }
    for Setting { key, value } in &options.settings {
        builder = builder.with_config(key.parse()?, value);
    }
    builder.build()
}

fn plain_http(address: &Address, options: &StoreOptions, patience: Patience) -> Result<HttpStore> {
    let mut url = address.url_with_query();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    let mut client = client(options);
    for Setting { key, value } in &options.settings {
        client = client.with_config(key.parse()?, value);
    }
    let headers = authorization(address, options)?;
    let builder = HttpBuilder::new().with_url(url.as_str()).with_client_options(client);
    let builder = builder.with_retry(retry(options, patience));
    match headers.is_empty() {
        true => builder.build(),
        false => {
            let (connect_timeout, read_timeout) = (connect_timeout(options), read_timeout(options));
            let server = url.origin();
            builder.with_http_connector(PrivateConnector { server, headers, connect_timeout, read_timeout }).build()
        }
    }
}

/// The headers of the environment, and that which carries user and password, if there are any.
fn authorization(address: &Address, options: &StoreOptions) -> Result<HeaderMap> {
    let mut headers = match address.is_private() && !options.anonymous {
        true => http_headers::headers()
            .map_err(|error| object_store::Error::Generic { store: "HTTP", source: error.into() })?,
        false => HeaderMap::new(),
    };
    let value = address.user().and_then(|(user, password)| {
        let mut value = HeaderValue::from_str(&format!("Basic {}", basic(user, password))).ok()?;
        value.set_sensitive(true);
        Some((AUTHORIZATION, value))
    });
    headers.extend(value);
    Ok(headers)
}

fn endpoint(options: &StoreOptions) -> Option<&str> {
    options.endpoint.as_ref().and_then(|endpoint| endpoint.typed().to_str())
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

fn has_azure_credentials() -> bool {
    let variables = [
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCESS_KEY",
        "AZURE_STORAGE_SAS_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_TOKEN",
        "AZURE_STORAGE_CLIENT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_USE_AZURE_CLI",
        "IDENTITY_ENDPOINT",
        "MSI_ENDPOINT",
    ];
    any_set(&variables) || machine_is("sys_vendor", "Microsoft")
}

/// Whether a setting hands out credentials.
fn has_setting(options: &StoreOptions, names: &[&str]) -> bool {
    options.settings.iter().any(|setting| names.iter().any(|name| setting.key.contains(name)))
}

fn any_set(variables: &[&str]) -> bool {
    variables.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn machine_is(file: &str, vendor: &str) -> bool {
    fs::read_to_string(format!("/sys/class/dmi/id/{file}")).is_ok_and(|text| text.starts_with(vendor))
}
