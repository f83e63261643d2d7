//! What a server's or a network's refusal means, in one sentence and with what can be done: never the server's own XML.

use std::fmt;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    kind: Kind,
    /// The status of the answer, if there was one.
    status: Option<u16>,
    /// What the server said beside that, if it says more.
    detail: String,
}

/// Kinds of trouble that have different remedies.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    NoBucket,
    /// The bucket lies in this region, if the server says so.
    OtherRegion(Option<String>),
    NoCredentials,
    NoLogin,
    Anonymous,
    Expired,
    SignedUrlExpired,
    UnknownKey,
    WrongKey,
    Clock,
    Forbidden,
    NoSuchHost,
    NoConnection,
    Certificate,
    NotTls,
    Tls,
    Overloaded,
    Server(u16),
    Other,
}

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Credentials, or a signature in the URL.
    Signed,
    /// A signed URL.
    SignedUrl,
    /// Nobody, as asked for.
    Anonymous,
    /// Nobody, for want of credentials.
    Unknown,
    /// Nobody, to a web server.
    Visitor,
}

impl Trouble {
    /// Reads an error of the library: its chain of causes as text.
    pub fn of(text: &str, sender: Sender) -> Trouble {
        let text = without_request(text);
        let kind = kind(text, sender);
        let detail = match kind {
            Kind::Other | Kind::Forbidden | Kind::Server(_) | Kind::Tls | Kind::NoConnection => detail(text),
            _ => String::new(),
        };
        Trouble { kind, status: status(text), detail }
    }

    /// The status of the answer.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether access to one object was refused, and not to all for want of valid credentials.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.kind, Kind::Forbidden | Kind::NoCredentials | Kind::NoLogin | Kind::Anonymous)
    }

    /// Whether there is no such object.
    pub fn is_absent(&self) -> bool {
        self.status == Some(404)
    }

    /// Whether the bucket does not exist.
    pub fn is_no_bucket(&self) -> bool {
        self.kind == Kind::NoBucket
    }

    /// Whether access was refused, and not only impossible.
    pub fn is_denial(&self) -> bool {
        use Kind::{
            Anonymous, Clock, Expired, Forbidden, NoCredentials, NoLogin, SignedUrlExpired, UnknownKey, WrongKey,
        };
        matches!(
            self.kind,
            Anonymous
                | Clock
                | Expired
                | Forbidden
                | NoCredentials
                | NoLogin
                | SignedUrlExpired
                | UnknownKey
                | WrongKey
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match &self.kind {
            Kind::NoBucket => return None,
            Kind::OtherRegion(Some(region)) => return Some(format!("use --region {region}")),
            Kind::OtherRegion(None) => "use --region with the region of the bucket",
            Kind::NoCredentials => {
                "use --anonymous for a public bucket; otherwise set AWS_PROFILE, or the cloud provider's environment variables; \
                 --store-option skip_signature=false uses the role of this machine"
            }
            Kind::NoLogin => {
                "add user and password to ~/.netrc, set ZTOOLS_HTTP_TOKEN or ZTOOLS_HTTP_HEADERS, or use a signed URL"
            }
            Kind::Anonymous => "leave out --anonymous, and set the cloud provider's environment variables",
            Kind::Expired => "renew the credentials, then run the command again",
            Kind::SignedUrlExpired => "get a new signed URL",
            Kind::UnknownKey => "check the access key, and that it belongs to this cloud and endpoint",
            Kind::WrongKey => "check the secret key",
            Kind::Clock => "set the clock of this machine",
            Kind::Forbidden => "use credentials that may access it, or check the path",
            Kind::NoSuchHost => "check the spelling of the host, the region, and the network",
            Kind::NoConnection => "check the network, a proxy (HTTPS_PROXY), and --endpoint",
            Kind::Certificate => "check the clock and the host; SSL_CERT_FILE names further certificates",
            Kind::NotTls => "write http:// if the server has no TLS",
            Kind::Tls => "check the host and its port; write http:// if the server has no TLS",
            Kind::Overloaded => "use fewer --requests, or a longer --timeout",
            Kind::Server(_) | Kind::Other => return None,
        };
        Some(text.to_owned())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.kind {
            Kind::NoBucket => "there is no such bucket",
            Kind::OtherRegion(Some(region)) => return write!(f, "the bucket is in the region {region}"),
            Kind::OtherRegion(None) => "the bucket is in another region",
            Kind::NoCredentials => "no credentials were found, and it is not public",
            Kind::NoLogin => "the server asks for a login",
            Kind::Anonymous => "it is not public",
            Kind::Expired => "the credentials have expired",
            Kind::SignedUrlExpired => "the signed URL has expired",
            Kind::UnknownKey => "the access key is not known",
            Kind::WrongKey => "the signature is wrong",
            Kind::Clock => "the clock of this machine differs from the server's",
            Kind::Forbidden => "the server refuses access",
            Kind::NoSuchHost => "the host was not found",
            Kind::NoConnection => "cannot connect to the host",
            Kind::Certificate => "the certificate of the host is not valid",
            Kind::NotTls => "the server does not speak TLS",
            Kind::Tls => "TLS failed",
            Kind::Overloaded => "the server is overloaded",
            Kind::Server(status) => return write!(f, "the server failed with status {status}{}", Behind(&self.detail)),
            Kind::Other => return f.write_str(&self.detail),
        };
        write!(f, "{what}{}", Behind(&self.detail))
    }
}

impl std::error::Error for Trouble {}

/// A detail behind a sentence.
struct Behind<'a>(&'a str);

impl fmt::Display for Behind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// The text without the request that failed, whose URL or path may have any words in it.
fn without_request(text: &str) -> &str {
    const START: &str = "Error performing ";
    let is_request = |at: &usize| {
        let method = text[at + START.len()..].split(' ').next().unwrap_or_default();
        !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    let after = |at: usize| text[at..].split_once(" in ")?.1.split_once(" - ").map(|(_, cause)| cause);
    text.match_indices(START).map(|(at, _)| at).find(is_request).and_then(after).unwrap_or(text)
}

fn kind(text: &str, sender: Sender) -> Kind {
    match (status(text), between(text, "<Code>", "</Code>")) {
        (None, None) => unanswered(text),
        (status, code) => refusal(status, code.unwrap_or_default(), text, sender),
    }
}

/// What a server means by a status and a code of its answer.
fn refusal(status: Option<u16>, code: &str, text: &str, sender: Sender) -> Kind {
    let message = message(text);
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["The specified bucket does not exist"]) {
        return Kind::NoBucket;
    }
    if says(&[
        "Request has expired",
        "Signature not valid in the specified time frame",
        "Signature did not match. String",
    ]) {
        return Kind::SignedUrlExpired;
    }
    let expired = || if sender == Sender::SignedUrl { Kind::SignedUrlExpired } else { Kind::Expired };
    if says(&["token is expired", "has expired", "invalid_grant"]) {
        return expired();
    }
    let denied = || match sender {
        Sender::Signed | Sender::SignedUrl => Kind::Forbidden,
        Sender::Anonymous => Kind::Anonymous,
        Sender::Unknown => Kind::NoCredentials,
        Sender::Visitor => Kind::NoLogin,
    };
    match (code.trim_end_matches("Exception"), status) {
        ("NoSuchBucket" | "ContainerNotFound" | "InvalidBucketName", _) => Kind::NoBucket,
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraint", _) => {
            Kind::OtherRegion(region(text))
        }
        ("ExpiredToken" | "TokenRefreshRequired", _) => expired(),
        ("InvalidAccessKeyId" | "InvalidToken", _) => Kind::UnknownKey,
        ("SignatureDoesNotMatch" | "AuthenticationFailed", _) => Kind::WrongKey,
        ("RequestTimeTooSkewed", _) => Kind::Clock,
        ("SlowDown" | "TooManyRequests", _) | (_, Some(429 | 503)) => Kind::Overloaded,
        ("AccessDenied", _) | (_, Some(401 | 403)) => denied(),
        (_, Some(status @ 500..)) => Kind::Server(status),
        _ => Kind::Other,
    }
}

/// What a server says in words: of XML, the elements that hold no names of objects.
fn message(text: &str) -> String {
    let element = |name: &str| between(text, &format!("<{name}>"), &format!("</{name}>"));
    match (element("Message"), element("AuthenticationErrorDetail")) {
        (None, None) if text.contains("<Code>") => String::new(),
        (None, None) => text.to_owned(),
        (message, detail) => format!("{} {}", message.unwrap_or_default(), detail.unwrap_or_default()),
    }
}

/// Why there is no answer.
fn unanswered(text: &str) -> Kind {
    let by_words: [(&[&str], Kind); 6] = [
        (&["redirect without LOCATION"], Kind::OtherRegion(None)),
        (&["dns error", "failed to lookup address", "Name or service not known"], Kind::NoSuchHost),
        (&["InvalidContentType", "corrupt message", "wrong version number"], Kind::NotTls),
        (&["certificate"], Kind::Certificate),
        (&["HandshakeFailure", "handshake", "tls error", "TLS"], Kind::Tls),
        (
            &[
                "Connection refused",
                "No route to host",
                "Network is unreachable",
                "tcp connect error",
                "error trying to connect",
            ],
            Kind::NoConnection,
        ),
    ];
    let found = by_words.into_iter().find(|(words, _)| words.iter().any(|word| text.contains(word)));
    found.map_or(Kind::Other, |(_, kind)| kind)
}

fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// The region that an answer of S3 names.
fn region(text: &str) -> Option<String> {
    let named = between(text, "<Region>", "</Region>").or_else(|| between(text, "expecting '", "'"));
    named.filter(|region| !region.is_empty()).map(str::to_owned)
}

/// What the server or the library says, without its markup, without the request, and in one line.
fn detail(text: &str) -> String {
    let told = match (between(text, "<Code>", "</Code>"), between(text, "<Message>", "</Message>")) {
        (Some(code), Some(message)) => format!("{message} ({code})"),
        (None, Some(message)) => message.to_owned(),
        (Some(code), None) => code.to_owned(),
        (None, None) => json_message(text).unwrap_or_else(|| innermost(text)),
    };
    let line = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = if line.contains(['<', '{']) { String::new() } else { line };
    if line.is_empty() {
        status(text).map_or_else(|| "the request failed".into(), |status| format!("status {status}"))
    } else {
        line
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inside, _)| inside)
}

/// The message of an answer in JSON.
fn json_message(text: &str) -> Option<String> {
    let message = text.split_once("\"message\"")?.1.split_once('"')?.1.split_once('"')?.0;
    Some(message.to_owned())
}

/// The last cause, without what the library puts before it.
fn innermost(text: &str) -> String {
    let last = text.rsplit(" - ").next().unwrap_or(text);
    let last = last.split_once("status code: ").map_or(last, |(_, rest)| rest);
    last.rsplit(": ").next().unwrap_or(last).trim().to_owned()
}

#[cfg(test)]
#[path = "trouble_tests.rs"]
mod tests;
