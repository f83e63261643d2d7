//! What a user typed for a store, and the address that it means. Both may hold a password or a signature: they are shown
//! without, and nothing outside of this crate sees them with it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;
use zwire::{decoded, redact_url};

use crate::netrc;

/// A path or URL as typed. It is shown, and debugged, without user, password and query.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target(OsString);

impl Target {
    /// As typed.
    pub(crate) fn typed(&self) -> &OsStr {
        &self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_str() {
            Some(text) => f.write_str(&redact_url(text)),
            None => f.write_str(&redact_url(&self.0.to_string_lossy())),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl From<OsString> for Target {
    fn from(typed: OsString) -> Target {
        Target(typed)
    }
}

impl From<String> for Target {
    fn from(typed: String) -> Target {
        Target(typed.into())
    }
}

impl From<PathBuf> for Target {
    fn from(path: PathBuf) -> Target {
        Target(path.into())
    }
}

impl From<&OsStr> for Target {
    fn from(typed: &OsStr) -> Target {
        Target(typed.to_owned())
    }
}

impl From<&OsString> for Target {
    fn from(typed: &OsString) -> Target {
        Target(typed.clone())
    }
}

impl From<&str> for Target {
    fn from(typed: &str) -> Target {
        Target(typed.into())
    }
}

impl From<&Path> for Target {
    fn from(path: &Path) -> Target {
        Target(path.into())
    }
}

impl From<&Target> for Target {
    fn from(target: &Target) -> Target {
        target.clone()
    }
}

/// A URL whose user, password and query are used for requests and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Without them.
    bare: Url,
    user: Option<(String, String)>,
    query: Option<String>,
}

/// Schemes of Azure in which the part before `@` is the container.
const WITH_CONTAINER: [&str; 2] = ["abfs", "abfss"];

impl Address {
    pub(crate) fn new(mut url: Url) -> Address {
        let query = url.query().filter(|query| !query.is_empty()).map(str::to_owned);
        url.set_query(None);
        let has_user = !url.username().is_empty() || url.password().is_some();
        let has_container = WITH_CONTAINER.contains(&url.scheme()) && url.password().is_none();
        let user = (has_user && !has_container)
            .then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
        if user.is_some() {
            // Every URL with a host can do without a user.
            let _ = url.set_username("").and(url.set_password(None));
        }
        Address { bare: url, user, query }
    }

    /// Scheme, host and path.
    pub(crate) fn url(&self) -> &Url {
        &self.bare
    }

    /// User and password.
    pub(crate) fn user(&self) -> Option<(&str, &str)> {
        self.user.as_ref().map(|(user, password)| (user.as_str(), password.as_str()))
    }

    /// The same with user and password of the netrc file, unless it has its own. They go to a web server whose connection
    /// nobody else reads.
    pub(crate) fn with_login(&self) -> Address {
        let host = self.bare.host_str().unwrap_or_default();
        let user = self.user.clone().or_else(|| netrc::login(host).filter(|_| self.is_private()));
        Address { user, ..self.clone() }
    }

    /// Whether it is a web server's whose connection nobody else reads.
    pub(crate) fn is_private(&self) -> bool {
        let is_here = matches!(self.bare.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        self.bare.scheme() == "https" || (self.bare.scheme() == "http" && is_here)
    }

    /// What stands behind the question mark: a signature, or a token.
    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// As it is shown and written down. An @ of the path is encoded: what is before one may be taken for a password.
    fn shown(&self) -> String {
        let host = self.bare[..url::Position::BeforePath].to_owned();
        host + &self.bare[url::Position::BeforePath..].replace('@', "%40")
    }

    /// Whether a slash in a password, which ends the host, could have made this address.
    pub(crate) fn is_ambiguous(&self) -> bool {
        let path = self.bare.path();
        self.bare.scheme().starts_with("http")
            && path.contains('@')
            && redact_url(self.bare.as_str()) != self.bare.as_str()
    }

    /// The same with another path, percent-encoded.
    pub(crate) fn with_path(&self, path: &str) -> Address {
        let mut address = self.clone();
        address.bare.set_path(path);
        address
    }

    /// The same URL for requests that have no other place for the query.
    pub(crate) fn url_with_query(&self) -> Url {
        let mut url = self.bare.clone();
        url.set_query(self.query());
        url
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::new(Url::parse(text).expect(text))
    }

    #[test]
    fn nothing_shows_user_password_or_query() {
        for text in ["https://us%20er:se%40cret@host:81/a/x.zarr/?sig=se%2Fcret", "https://secret@host:81/a/x.zarr"] {
            let (address, target) = (address(text), Target::from(text));
            for shown in [format!("{address} {address:?}"), format!("{target} {target:?}")] {
                assert!(
                    shown.contains("host:81/a/x.zarr") && !shown.contains("cret") && !shown.contains("us"),
                    "{shown}"
                );
            }
        }
        let address = address("https://us%20er:se%40cret@host/x?sig=se%2Fcret");
        assert_eq!(address.user(), Some(("us er", "se@cret")));
        assert_eq!(address.url_with_query().as_str(), "https://host/x?sig=se%2Fcret");
        assert_eq!(address.to_string(), "https://host/x");
    }

    #[test]
    fn a_container_is_no_user() {
        let container = address("abfss://container@account.dfs.core.windows.net/x");
        assert_eq!(container.to_string(), "abfss://container@account.dfs.core.windows.net/x");
        assert_eq!(container.user(), None);
        assert!(!address("abfss://container:secret@account/x").to_string().contains("secret"));
    }
}
