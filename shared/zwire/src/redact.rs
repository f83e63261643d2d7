//! Text without the secrets that URLs carry: passwords before the host, signatures and tokens in the query.
//!
//! Messages of servers and libraries quote URLs, so every message and record goes through here once more, whatever its
//! author did. A URL that can be read in two ways, one of which has a secret in it, is shown without that part.

use std::borrow::Cow;
use std::net::Ipv4Addr;

/// Schemes of stores.
const SCHEMES: [&str; 10] = ["http", "https", "s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss"];

/// In place of what is not shown.
const HIDDEN: &str = "***";

/// The text, with every URL in it cut down to scheme, host and path. A URL ends at a space or a double quotation mark.
pub fn redact(text: &str) -> Cow<'_, str> {
    if !text.contains([':', '%']) && !text.contains("//") {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while !rest.is_empty() {
        let (word, others) = rest.split_at(end_of_word(rest));
        shown.push_str(&redact_url(word));
        rest = others;
    }
    Cow::Owned(shown)
}

/// The end of a word and of the character after it. A password may have such characters, too.
fn end_of_word(text: &str) -> usize {
    let end = |from: usize| {
        let found = text[from..].char_indices().find(|(_, c)| c.is_whitespace() || *c == '"');
        found.map_or(text.len(), |(at, c)| from + at + c.len_utf8())
    };
    let first = end(0);
    let is_open = end_of_scheme(&text[..first]).is_some_and(|at| has_no_port(authority(text[at..first].trim_end())));
    match text[first..].find('@') {
        Some(at) if is_open => end(first + at),
        _ => first,
    }
}

/// The same where the whole text is one path or URL, in which a password may have any characters.
pub fn redact_url(text: &str) -> String {
    if text.to_ascii_lowercase().contains("%3a%2f%2f") {
        return redact_url(&decoded(text));
    }
    let Some(start) = end_of_scheme(text) else { return text.to_owned() };
    let (scheme, rest) = text.split_at(start);
    let shown = bare(rest, ["abfs://", "abfss://"].iter().any(|azure| scheme.ends_with(azure)));
    let end = text.chars().next_back().filter(|c| (c.is_whitespace() || *c == '"') && !shown.ends_with(*c));
    format!("{scheme}{shown}{}", end.map(String::from).unwrap_or_default())
}

/// Where the host begins, if the text is a URL, even one with a slash or the colon missing.
fn end_of_scheme(text: &str) -> Option<usize> {
    let is_known = |start: &str| {
        let scheme = start.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme))
    };
    let end = |at: usize| {
        let (start, rest) = text.split_at(at);
        let inside = rest.trim_start_matches([':', '/', '\\']);
        let is_typo = || [":/", ":\\", "//"].iter().any(|typo| rest.starts_with(typo)) || rest.contains('@');
        if rest.starts_with("://") {
            Some(at + "://".len())
        } else if is_known(start) && (rest.starts_with(':') || rest.starts_with("//")) && is_typo() {
            Some(text.len() - inside.len())
        } else {
            None
        }
    };
    text.match_indices([':', '/']).find_map(|(at, _)| end(at))
}

/// What is shown of a URL after its scheme: host and path.
fn bare(rest: &str, has_container: bool) -> Cow<'_, str> {
    let host = authority(rest);
    let (path, query) = rest.split_at(end_of_path(rest));
    // A URL in a URL ("https://proxy.org/https://…") is cut down as well.
    if let Some(at) = path.find("://").filter(|_| is_surely_host(host)) {
        return format!("{}://{}", bare(&rest[..at], false), bare(&rest[at + "://".len()..], false)).into();
    }
    if is_surely_host(host) {
        let names_user = path[host.len()..].find('@').is_some_and(|at| path[host.len()..][..at].contains(':'));
        return if names_user { format!("{host}/{HIDDEN}").into() } else { without_query(rest) };
    }
    if query.contains('@') {
        // It may be the end of a password, or part of the query.
        return HIDDEN.into();
    }
    if has_container && is_container(path) {
        return without_query(rest);
    }
    let user = path.rfind('@').map(|at| at + 1);
    let encoded = || host.to_ascii_lowercase().rfind("%40").map(|at| at + 3);
    match user.or_else(encoded) {
        Some(end) => without_query(&rest[end..]),
        // A colon with nothing after it belongs to the message around the URL.
        None if has_no_port(host.trim_end()) => {
            format!("{}:{HIDDEN}", host.split(':').next().unwrap_or_default()).into()
        }
        None => without_query(rest),
    }
}

/// What stands before the path.
fn authority(rest: &str) -> &str {
    let path = &rest[..end_of_path(rest)];
    path.split(['/', '\\']).next().unwrap_or_default()
}

/// Where a query, encoded or not, or a fragment begins.
fn end_of_path(rest: &str) -> usize {
    let encoded = rest.to_ascii_lowercase().find("%3f");
    rest.find(['?', '#']).into_iter().chain(encoded).min().unwrap_or(rest.len())
}

/// Whether a colon is there that no port follows: a password, perhaps the beginning of one.
fn has_no_port(authority: &str) -> bool {
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let host = authority.strip_prefix('[').and_then(|host| host.split_once(']')).map_or(authority, |(_, rest)| rest);
    host.split_once(':').is_some_and(|(_, port)| !is_port(port))
}

/// Whether the text can be no user with the beginning of a password: an address, or a name with a domain and no port.
fn is_surely_host(authority: &str) -> bool {
    let (name, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if authority.starts_with('[') {
        return authority.ends_with(']') || (name.ends_with(']') && is_port);
    }
    let is_here = name == "localhost" || name.parse::<Ipv4Addr>().is_ok();
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let domain = authority.rsplit_once('.').map_or("", |(_, domain)| domain);
    let has_domain = domain.len() > 1 && domain.bytes().all(|byte| byte.is_ascii_lowercase());
    (is_here && is_port) || (has_domain && authority.chars().all(is_name))
}

/// Whether `container@account` begins an Azure URL: it names no user.
fn is_container(path: &str) -> bool {
    let (container, rest) = path.split_once('@').unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '$');
    !container.is_empty() && container.chars().all(is_plain) && !rest.contains('@')
}

/// Without what follows a question mark, encoded or not. A fragment belongs to a name, unless it holds values.
fn without_query(rest: &str) -> Cow<'_, str> {
    let is_followed = |at: &usize| rest[at + 1..].starts_with(|c: char| !c.is_whitespace());
    let has_values = |at: &usize| rest[*at..].contains('=') || rest[*at..].to_ascii_lowercase().contains("%3d");
    let fragment = rest.find('#').filter(has_values);
    let encoded = rest.to_ascii_lowercase().find("%3f").filter(has_values);
    let end = rest.find('?').into_iter().chain(fragment).chain(encoded).filter(is_followed).min();
    rest[..end.unwrap_or(rest.len())].into()
}

/// Text with its percent-encoded bytes put back; as it is where they are not UTF-8.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let hex = others.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.filter(|hex| !hex.starts_with('+')).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &others[2..] } else { others };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_lose_user_and_query() {
        for (text, expected) in [
            ("https://u:secret@host/x.zarr", "https://host/x.zarr"),
            ("https://secret@host:81/x", "https://host:81/x"),
            ("https://u:se@cr:et@host/x", "https://host/x"),
            ("https://u:sec/ret@host/x", "https://host/x"),
            ("https://user:12/34@host/x", "https://host/x"),
            ("https://john.doe:12/34@host/x", "https://host/x"),
            ("https://u@v:sec/ret@host/x", "https://host/x"),
            ("https://u:sec#ret?@host/x", "https://***"),
            ("https://u:1?2@host/x", "https://***"),
            ("https://u:sec://ret@host/x", "https://host/x"),
            ("https://u:secret/x", "https://u:***"),
            ("https://host/x?sig=secret", "https://host/x"),
            ("https://host/x%3Fsig=secret", "https://host/x"),
            ("https://host/x?mail=a@secret", "https://***"),
            ("https://example.org/x?mail=a@secret", "https://example.org/x"),
            ("https://host/x#token=secret", "https://host/x"),
            ("https://host/x#y", "https://host/x#y"),
            ("https://user%3Asecret%40host/x", "https://host/x"),
            ("https%3A%2F%2Fuser%3Asecret%40host/x", "https://host/x"),
            ("zip::https://u:secret@host/x.zip?secret", "zip::https://host/x.zip"),
            ("https://example.org/https://u:secret@other/x", "https://example.org/https://other/x"),
            ("https://example.org/u:secret@other/x", "https://example.org/***"),
            (
                "abfss://container@account.dfs.core.windows.net/x?sig=secret",
                "abfss://container@account.dfs.core.windows.net/x",
            ),
            ("abfss://container:secret@account/x", "abfss://account/x"),
            ("https://[::1]:80/a@b", "https://[::1]:80/a@b"),
            ("https://localhost:8000/a@b", "https://localhost:8000/a@b"),
            ("https://cdn.example.org/data@v1/x.zarr", "https://cdn.example.org/data@v1/x.zarr"),
            ("https:/u:secret@host/x", "https:/host/x"),
            ("https:u:secret@host/x", "https:host/x"),
            ("https//u:secret@host/x", "https//host/x"),
            ("https:\\\\u:secret@host/x", "https:\\\\host/x"),
            ("a/b?c@d", "a/b?c@d"),
            ("a:/b?c@d", "a:/b?c@d"),
        ] {
            assert_eq!(redact_url(text), expected);
            assert_eq!(redact(text), expected);
        }
        for text in ["https://u:secret \"secret@host/x", "https://u:secret\tsecret@host/x"] {
            assert_eq!((redact_url(text).as_str(), &*redact(text)), ("https://host/x", "https://host/x"));
        }
    }

    #[test]
    fn the_text_around_urls_stays() {
        for (text, expected) in [
            ("no URL at all?", "no URL at all?"),
            ("s3://bucket: not a Zarr store", "s3://bucket: not a Zarr store"),
            ("s3://: the URL names no bucket", "s3://: the URL names no bucket"),
            ("error for (https://u:secret@h/x?secret) after", "error for (https://h/x after"),
            ("open \"s3://b/x\": is that s3://b/y? no", "open \"s3://b/x\": is that s3://b/y? no"),
            ("a https://h/x?secret\nb \"https://h/y?secret\" c\n", "a https://h/x\nb \"https://h/y\" c\n"),
            ("https://h:80/x: 50% of 3: done, ask me@h", "https://h:80/x: 50% of 3: done, ask me@h"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn percent_encoding_is_undone_where_it_is_one() {
        for (text, expected) in
            [("a%20b", "a b"), ("100%", "100%"), ("%4", "%4"), ("%+1", "%+1"), ("%ff", "%ff"), ("%c3%a9", "é")]
        {
            assert_eq!(decoded(text), expected);
        }
    }

    /// Words that are nowhere else, with what a URL or a message could be cut at between them.
    fn secret() -> impl Strategy<Value = (Vec<String>, String)> {
        let word = prop_oneof!["[Q-Z]{4}", "[6-9]{4}", "[Q-Z][6-9]{3}"];
        let mark =
            prop::sample::select(vec!["/", "@", ":", "?", "#", "%", "&", "=", "+", ".", "%2F", "%40", "://", ""]);
        prop::collection::vec((word, mark), 1..5).prop_map(|pairs| {
            let text: String = pairs.iter().map(|(word, mark)| format!("{word}{mark}")).collect();
            (pairs.into_iter().map(|(word, _)| word).collect(), text)
        })
    }

    fn encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn no_secret_is_shown_wherever_it_stands(
            (words, secret) in secret(),
            scheme in prop::sample::select(vec!["https", "http", "HTTPS", "s3", "gs", "az", "zip::https"]),
            host in prop::sample::select(vec!["host", "example.org", "host:81", "127.0.0.1:8000", "[::1]:80"]),
        ) {
            let mut urls: Vec<String> = ["user", "john.doe", "", "a@b"]
                .iter()
                .flat_map(|user| [format!("{scheme}://{user}:{secret}@{host}/x.zarr"),
                    format!("{scheme}:/{user}:{secret}@{host}/x.zarr"),
                    format!("{scheme}:{user}:{secret}@{host}/x.zarr"),
                    format!("{scheme}://{user}:{secret}@{host}/x.zarr?a=b"),
                    format!("{scheme}://{user}:{}@{host}/x", encoded(&secret)),
                    format!("{scheme}%3A%2F%2F{user}%3A{}%40{host}/x", encoded(&secret))])
                .collect();
            urls.push(format!("{scheme}://{host}/x.zarr?sig={secret}"));
            urls.push(format!("{scheme}://user:pw@{host}/x.zarr?sig={secret}&a=b"));
            urls.push(format!("{scheme}://{host}/x.zarr#sig={secret}"));
            urls.push(format!("{scheme}://{host}/x.zarr%3Fsig={secret}"));
            if !secret.contains('.') {
                urls.push(format!("{scheme}://{secret}@{host}/x.zarr"));
            }
            for url in urls {
                for shown in [redact_url(&url), redact(&url).into_owned(), redact(&format!("of ({url}), no")).into_owned()] {
                    let shown = format!("{shown} {}", decoded(&shown));
                    for word in &words {
                        prop_assert!(!shown.contains(word.as_str()), "{url}: {shown}");
                    }
                }
            }
        }
    }
}
