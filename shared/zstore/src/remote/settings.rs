//! Settings of a store that are looked up or checked before anything is sent.

use crate::{Address, StoreError, StoreOptions, aws_profile};

/// The options with those of the AWS profile, which others go before.
pub fn with_profile(address: &Address, options: &StoreOptions) -> Result<StoreOptions, StoreError> {
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
pub fn check_endpoint(options: &StoreOptions) -> Result<(), StoreError> {
    let Some(endpoint) = &options.endpoint else { return Ok(()) };
    let url = endpoint.typed().to_str().and_then(|text| url::Url::parse(text).ok());
    let url = url.filter(|url| url.scheme().starts_with("http")).map(Address::new);
    if url.is_some_and(|address| address.user().is_none() && address.query().is_none()) {
        return Ok(());
    }
    let detail = "an endpoint is an http or https URL without user, password and query".into();
    Err(StoreError::BadUrl { place: endpoint.to_string(), detail })
}
