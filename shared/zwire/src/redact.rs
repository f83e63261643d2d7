//! Text without the secrets that URLs carry: passwords before the host, signatures and tokens in the query.
//!
//! Messages of servers and libraries quote URLs, so every message and record goes through here once more, whatever its
//! author did.

use std::borrow::Cow;

/// Schemes of stores.
const SCHEMES: [&str; 6] = ["http", "https", "s3", "gs", "az", "abfss"];

/// The text, with every URL in it cut down to scheme, host and path. A URL ends at a space or a double quotation mark.
pub fn redact(text: &str) -> Cow<'_, str> {
    if !text.contains(":/") {
        return Cow::Borrowed(text);
    }
    let ends = |c: char| c.is_whitespace() || c == '"';
    Cow::Owned(text.split_inclusive(ends).map(redact_url).collect())
}

/// The same where the whole text is one path or URL, in which a password may have any characters.
pub fn redact_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return redact_typo(text) };
    // A URL in a URL ("zip::https://…") is cut down as well.
    let rest = redact_url(bare(rest, scheme.ends_with("abfs") || scheme.ends_with("abfss")));
    let end = text.chars().next_back().filter(|c| (c.is_whitespace() || *c == '"') && !rest.ends_with(*c));
    format!("{scheme}://{rest}{}", end.map(String::from).unwrap_or_default())
}

/// A URL with one slash too few.
fn redact_typo(text: &str) -> String {
    let is_scheme = |(start, _): &(&str, &str)| {
        let scheme = start.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme))
    };
    match text.split_once(":/").filter(is_scheme) {
        Some((start, rest)) => format!("{start}:/{}", bare(rest, false)),
        None => text.to_owned(),
    }
}

/// Host and path of what follows `://`. Azure's `container@account` names no user.
fn bare(mut rest: &str, has_container: bool) -> &str {
    while let Some(at) = end_of_user(rest) {
        if has_container && !rest[..at].contains(':') {
            break;
        }
        rest = &rest[at + 1..];
    }
    let is_followed = |at: &usize| rest[at + 1..].starts_with(|c: char| !c.is_whitespace());
    // A fragment belongs to a name, unless it holds values.
    let fragment = rest.find('#').filter(|at| rest[*at..].contains('='));
    let end = rest.find('?').into_iter().chain(fragment).filter(is_followed).min();
    &rest[..end.unwrap_or(rest.len())]
}

/// Where the `@` after user and password is. One that is not before the first slash follows a password with a slash, which a
/// host with something other than a port gives away.
fn end_of_user(rest: &str) -> Option<usize> {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let port = authority.rsplit_once(':').map_or("80", |(_, port)| port);
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_host = authority.ends_with(']') || is_port;
    authority.rfind('@').or_else(|| if is_host { None } else { rest.rfind('@') })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_user_and_query() {
        for (text, expected) in [
            ("https://u:secret@host/x.zarr", "https://host/x.zarr"),
            ("https://secret@host:81/x", "https://host:81/x"),
            ("https://u:se@cr:et@host/x", "https://host/x"),
            ("https://u:sec/ret@host/x", "https://host/x"),
            ("https://u@v:sec/ret@host/x", "https://host/x"),
            ("https://u:sec#ret?@host/x", "https://host/x"),
            ("https://u:sec://ret@host/x", "https://host/x"),
            ("https://host/x?sig=secret", "https://host/x"),
            ("https://host/x#token=secret", "https://host/x"),
            ("https://host/x#y", "https://host/x#y"),
            ("zip::https://u:secret@host/x.zip?secret", "zip::https://host/x.zip"),
            ("https://host/https://u:secret@other/x", "https://host/https://other/x"),
            (
                "abfss://container@account.dfs.core.windows.net/x?sig=secret",
                "abfss://container@account.dfs.core.windows.net/x",
            ),
            ("abfss://container:secret@account/x", "abfss://account/x"),
            ("https://[::1]:80/a@b", "https://[::1]:80/a@b"),
            ("https://host/a@b", "https://host/a@b"),
            ("https:/u:secret@host/x", "https:/host/x"),
            ("a/b?c@d", "a/b?c@d"),
            ("a:/b?c@d", "a:/b?c@d"),
        ] {
            assert_eq!(redact_url(text), expected);
            assert_eq!(redact(text), expected);
        }
        assert_eq!(redact_url("https://u:secret \"secret@host/x"), "https://host/x");
    }

    #[test]
    fn the_text_around_urls_stays() {
        for (text, expected) in [
            ("no URL at all?", "no URL at all?"),
            ("error for (https://u:secret@h/x?secret) after", "error for (https://h/x after"),
            ("open \"s3://b/x\": is that s3://b/y? no", "open \"s3://b/x\": is that s3://b/y? no"),
            ("a https://h/x?secret\nb \"https://h/y?secret\" c\n", "a https://h/x\nb \"https://h/y\" c\n"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }
}
