//! Headers for web servers that want a token: from the environment or a file, and never from the command line.

use std::fmt;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// A bearer token.
const TOKEN: &str = "ZTOOLS_HTTP_TOKEN";
/// A file with one `Name: value` on each line.
const FILE: &str = "ZTOOLS_HTTP_HEADERS";

/// What is wrong with the headers. It quotes none of them.
#[derive(Debug)]
pub struct HeaderError(String);

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HeaderError {}

/// Whether the environment has headers.
pub fn are_set() -> bool {
    [TOKEN, FILE].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// The headers of the environment.
///
/// # Errors
/// A file that cannot be read, or a line that is no header.
pub fn headers() -> Result<HeaderMap, HeaderError> {
    let mut headers = match std::env::var_os(FILE).filter(|path| !path.is_empty()) {
        None => HeaderMap::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| HeaderError(format!("{FILE}: {error}")))?;
            parse(&text)?
        }
    };
    if let Some(token) = std::env::var(TOKEN).ok().filter(|token| !token.is_empty()) {
        headers.insert(AUTHORIZATION, secret(&format!("Bearer {}", token.trim()), TOKEN)?);
    }
    Ok(headers)
}

fn parse(text: &str) -> Result<HeaderMap, HeaderError> {
    let mut headers = HeaderMap::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    for (number, line) in lines {
        let place = format!("{FILE}: line {}", number + 1);
        let (name, value) =
            line.split_once(':').ok_or_else(|| HeaderError(format!("{place} is not \"Name: value\"")))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes())
            .map_err(|_| HeaderError(format!("{place} is not \"Name: value\"")))?;
        headers.insert(name, secret(value.trim(), &place)?);
    }
    Ok(headers)
}

fn secret(value: &str, place: &str) -> Result<HeaderValue, HeaderError> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| HeaderError(format!("{place} has characters that no header may have")))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_header_on_each_line() {
        let headers = parse("# mine\nAuthorization: Bearer a:b\n\nX-Api-Key:c \n").expect("are headers");
        assert_eq!(
            (&headers["authorization"], &headers["x-api-key"]),
            (&"Bearer a:b".parse().expect("a value"), &"c".parse().expect("a value"))
        );
        assert!(headers.values().all(HeaderValue::is_sensitive));
        for text in ["secret", "a secret: b", "a: b\u{1}secret"] {
            let error = parse(text).expect_err("no header").to_string();
            assert!(error.contains("line 1") && !error.contains("secret"), "{error}");
        }
    }
}
