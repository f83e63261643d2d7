//! Clients that several stores share: each has its connections and its certificates, about 0.25 MB, and the stores of one archive are
//! mostly on one server.

use object_store::client::{HttpClient, HttpConnector, ReqwestConnector};
use object_store::{ClientOptions, Result};
use parking_lot::Mutex;

/// Most clients that are kept: options differ between clouds, not between stores.
const MOST_CLIENTS: usize = 16;

/// Clients by their options.
static CLIENTS: Mutex<Vec<(String, HttpClient)>> = Mutex::new(Vec::new());

/// A client for these options, which hold no secrets: they are compared as they are printed.
///
/// # Errors
/// Options that are not valid.
pub fn shared(options: &ClientOptions) -> Result<HttpClient> {
    let key = format!("{options:?}");
    let mut clients = CLIENTS.lock();
    if let Some((_, client)) = clients.iter().find(|(known, _)| *known == key) {
        return Ok(client.clone());
    }
    let client = ReqwestConnector::default().connect(options)?;
    if clients.len() < MOST_CLIENTS {
        clients.push((key, client.clone()));
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn equal_options_have_one_client() {
        // As the runtime of remote stores does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let of = |seconds| {
            let options = ClientOptions::new().with_connect_timeout(Duration::from_secs(seconds));
            shared(&options).map(drop).expect("valid options");
            let key = format!("{options:?}");
            CLIENTS.lock().iter().filter(|(known, _)| *known == key).count()
        };
        assert_eq!([of(4001), of(4001), of(4002)], [1, 1, 1]);
        assert!(CLIENTS.lock().len() >= 2);
    }
}
