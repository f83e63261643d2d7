//! How each cloud is reached: builders and credentials.

use std::sync::{Arc, OnceLock};

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::gcp::{GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::http::{HttpBuilder, HttpStore};
use object_store::list::PaginatedListStore;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, GetOptions, GetResult, ObjectStore, Result, RetryConfig, StaticCredentialProvider,
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::http_headers;
use crate::redirects::PrivateConnector;
use crate::secrets::basic;
use crate::transport::{Connector, Transport};
use crate::trouble::Sender;
use crate::{Address, Payer, Setting, StoreOptions};

/// A server by what it can do.
pub struct Connection {
    pub store: Arc<dyn ObjectStore>,
    /// The same, asking for checksums, where that takes a header: S3 wants it signed, and it is not in all requests.
    checksums: Option<Arc<dyn ObjectStore>>,
    /// Whether the server answers those requests; it may forbid them.
    gives_checksums: OnceLock<bool>,
    /// The same, where it can list.
    pub lister: Option<Arc<dyn PaginatedListStore>>,
    /// The same, where it can be written.
    pub writer: Option<Arc<dyn MultipartStore>>,
}

impl Connection {
    /// Asks for (part of) an object.
    pub async fn get(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let store = self.checksums.as_ref().filter(|_| self.gives_checksums.get() != Some(&false));
        let Some(store) = store else { return self.store.get_opts(path, options).await };
        let answer = store.get_opts(path, options.clone()).await;
        let is_denied = |answer: &Result<GetResult>| matches!(answer, Err(Error::PermissionDenied { .. }));
        if !is_denied(&answer) || self.gives_checksums.get() == Some(&true) {
            let _ = answer.is_ok().then(|| self.gives_checksums.set(true));
            return answer;
        }
        // A key may be good for reading what is encrypted with it, and not for its checksums.
        let answer = self.store.get_opts(path, options).await;
        let _ = (!is_denied(&answer)).then(|| self.gives_checksums.set(false));
        answer
    }
}

/// Asks S3 for the checksums of objects.
fn checksums() -> HeaderMap {
    let mode = HeaderName::from_static("x-amz-checksum-mode");
    HeaderMap::from_iter([(mode, HeaderValue::from_static("ENABLED"))])
}

/// Connects to what an address names. Nothing is sent yet.
pub fn connect(address: &Address, options: &StoreOptions, transport: &Arc<Transport>) -> Result<Connection> {
    fn cloud<S: ObjectStore + PaginatedListStore + MultipartStore>(store: S) -> Connection {
        let store = Arc::new(store);
        Connection { lister: Some(store.clone()), writer: Some(store.clone()), ..web(store) }
    }
    fn web(store: Arc<dyn ObjectStore>) -> Connection {
        Connection { store, checksums: None, gives_checksums: OnceLock::new(), lister: None, writer: None }
    }
    let connector = Connector { transport: Arc::clone(transport), private: None };
    match address.url().scheme() {
        "s3" | "s3a" => {
            let checksums = s3(address, options, connector.clone(), checksums())?;
            let store = s3(address, options, connector, HeaderMap::new())?;
            Ok(Connection { checksums: Some(Arc::new(checksums)), ..cloud(store) })
        }
        "gs" => gcs(address, options, connector).map(cloud),
        "http" | "https" => plain_http(address, options, connector).map(|store| web(Arc::new(store))),
        _ => azure(address, options, connector).map(cloud),
    }
}

/// The clocks of the transport go before those of the client.
fn client(connector: &Connector) -> ClientOptions {
    let connect_timeout = connector.transport.clocks.connect;
    ClientOptions::new().with_allow_http(true).with_timeout_disabled().with_connect_timeout(connect_timeout)
}

/// The transport tries again.
fn retry() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// Who sends the requests to an address.
pub fn sender(address: &Address, options: &StoreOptions) -> Sender {
    let has_credentials = match address.url().scheme() {
        "s3" | "s3a" => has_aws_credentials(options),
        "gs" => has_google_credentials(options),
        "http" | "https" if address.query().is_some() => return Sender::SignedUrl,
        "http" | "https" => address.user().is_some() || (address.is_private() && http_headers::are_set()),
        _ if address.query().is_some() => return Sender::SignedUrl,
        _ => has_azure_credentials(options),
    };
    match (options.anonymous, has_credentials) {
        (true, _) => Sender::Anonymous,
        (false, true) => Sender::Signed,
        (false, false) if address.url().scheme().starts_with("http") => Sender::Visitor,
        (false, false) => Sender::Unknown,
    }
}

fn s3(address: &Address, options: &StoreOptions, connector: Connector, headers: HeaderMap) -> Result<AmazonS3> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(address.url().host_str().unwrap_or_default())
        .with_client_options(client(&connector).with_default_headers(headers))
        .with_retry(retry())
        .with_http_connector(connector)
        // Objects are deleted one by one, which every server of this protocol knows.
        .with_disable_bulk_delete(true)
        .with_skip_signature(options.anonymous || !has_aws_credentials(options));
    if let Some(endpoint) = endpoint(options) {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    if options.payer != Payer::Owner {
        builder = builder.with_request_payer(true);
    }
    for Setting { key, value } in &options.settings {
        builder = builder.with_config(key.parse()?, value);
    }
    builder.build()
}

fn gcs(address: &Address, options: &StoreOptions, connector: Connector) -> Result<GoogleCloudStorage> {
    let bad = |text: &str| Error::Generic { store: "GCS", source: text.into() };
    let headers = match &options.payer {
        Payer::Owner => HeaderMap::new(),
        Payer::Requester(None) => return Err(bad("Google Cloud Storage needs --requester-pays=PROJECT")),
        Payer::Requester(Some(project)) => {
            let project = project.parse().map_err(|_| bad("--requester-pays does not name a project"))?;
            HeaderMap::from_iter([(HeaderName::from_static("x-goog-user-project"), project)])
        }
    };
    let anonymous = options.anonymous || !has_google_credentials(options);
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(address.url().host_str().unwrap_or_default())
        .with_client_options(client(&connector).with_default_headers(headers))
        .with_retry(retry())
        .with_http_connector(connector)
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

fn azure(address: &Address, options: &StoreOptions, connector: Connector) -> Result<MicrosoftAzure> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_client_options(client(&connector))
        .with_retry(retry())
        .with_http_connector(connector)
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
            builder = builder.with_skip_signature(options.anonymous || !has_azure_credentials(options));
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

fn plain_http(address: &Address, options: &StoreOptions, connector: Connector) -> Result<HttpStore> {
    let mut url = address.url_with_query();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    let mut client = client(&connector);
    for Setting { key, value } in &options.settings {
        client = client.with_config(key.parse()?, value);
    }
    let headers = authorization(address, options)?;
    let (server, connect_timeout) = (url.origin(), connector.transport.clocks.connect);
    let private = (!headers.is_empty()).then_some(PrivateConnector { server, headers, connect_timeout });
    HttpBuilder::new()
        .with_url(url.as_str())
        .with_client_options(client)
        .with_retry(retry())
        .with_http_connector(Connector { private, ..connector })
        .build()
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

/// Without credentials, a request would first wait for a metadata server, which may not be there; public buckets need none. The
/// role of a machine is used with `skip_signature=false`.
fn has_aws_credentials(options: &StoreOptions) -> bool {
    let variables = [
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    any_set(&variables) || has_setting(options, &["access_key"]) || asks_for_role(options)
}

fn has_google_credentials(options: &StoreOptions) -> bool {
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
    let settings = ["service_account", "credentials", "bearer"];
    any_set(&variables) || default_file || has_setting(options, &settings) || asks_for_role(options)
}

fn has_azure_credentials(options: &StoreOptions) -> bool {
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
    any_set(&variables) || has_setting(options, &["key", "sas", "token", "client_id"]) || asks_for_role(options)
}

/// Whether the role of a machine or container is to be used, for which its metadata server is asked.
fn asks_for_role(options: &StoreOptions) -> bool {
    let is_no = |value: &str| ["false", "0", "no", "off", "n"].contains(&value.to_ascii_lowercase().as_str());
    options.settings.iter().any(|Setting { key, value }| key.ends_with("skip_signature") && is_no(value))
}

/// Whether a setting hands out credentials.
fn has_setting(options: &StoreOptions, names: &[&str]) -> bool {
    options.settings.iter().any(|setting| names.iter().any(|name| setting.key.contains(name)))
}

fn any_set(variables: &[&str]) -> bool {
    variables.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
