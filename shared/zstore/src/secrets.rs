//! What must not appear in any message, though a server or a library may quote it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zwire::{decoded, redact};

use crate::{Address, Setting, http_headers};

/// Variables of the clouds whose values are secret.
const VARIABLES: [&str; 13] = [
    "ZTOOLS_HTTP_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_CLIENT_SECRET",
    "GOOGLE_BEARER_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
];

/// Shorter values would hide every other word of a message.
const LEAST_SECRET: usize = 4;

/// The secrets of a connection.
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Those of an address, of settings and of the environment.
    pub fn new(address: &Address, settings: &[Setting]) -> Secrets {
        let mut secrets: Vec<String> = settings.iter().map(|setting| setting.value.clone()).collect();
        if let Some((user, password)) = address.user() {
            secrets.extend([basic(user, password), password.to_owned()]);
            // A token may stand in the place of a user.
            secrets.extend(password.is_empty().then(|| user.to_owned()));
        }
        let headers = http_headers::headers().unwrap_or_default();
        let values = headers.values().filter_map(|value| value.to_str().ok());
        // What follows the scheme of the credentials is as secret as all of it.
        secrets.extend(values.flat_map(|value| [value, value.rsplit(' ').next().unwrap_or(value)]).map(str::to_owned));
        let environment = VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
        for text in environment.chain(address.query().map(str::to_owned)) {
            let values = text.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned());
            secrets.extend(values);
            secrets.push(text);
        }
        let plain: Vec<String> = secrets.iter().map(|secret| decoded(secret)).collect();
        secrets.extend(plain);
        secrets.retain(|secret| secret.len() >= LEAST_SECRET);
        // The longest first: others may be parts of it.
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        Secrets(secrets)
    }

    /// The text without them, and without those that its URLs carry.
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(redact(text).into_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// What follows `Basic` in a request with a password.
pub fn basic(user: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("{user}:{password}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_quotes_is_hidden() {
        let url = url::Url::parse("https://me:pa%20ss@host/x?sv=2020&sig=ab%2Bcd").expect("a URL");
        let secrets = Secrets::new(&Address::new(url), &[]);
        let text = "for me: Basic bWU6cGEgc3M= is pa ss, sig=ab%2Bcd or ab+cd; https://a:b@host/?c";
        assert_eq!(secrets.hide(text), "for me: Basic *** is ***, sig=*** or ***; https://host/");
    }
}
