//! Responses of the server.

use std::time::{SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};

use super::request::Request;

/// The modification time of every object in lists; no test requests a newer one.
pub const HTTP_DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
pub const ISO_DATE: &str = "2026-01-01T00:00:00.000Z";

/// A response before it is sent.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
    /// Start of the body within the object; the length of the object follows.
    pub start: usize,
    pub object_len: usize,
}

impl Answer {
    pub fn whole(body: Vec<u8>, content_type: &str) -> Answer {
        let headers = vec![format!("Content-Type: {content_type}")];
        Answer { status: 200, headers, object_len: body.len(), body, start: 0 }
    }

    pub fn xml(text: &str) -> Answer {
        Answer::whole(text.as_bytes().to_vec(), "application/xml")
    }

    pub fn empty(status: u16) -> Answer {
        Answer { status, headers: vec![], body: vec![], start: 0, object_len: 0 }
    }

    /// Success of a write, with the tag of the object.
    pub fn done(tag: &str) -> Answer {
        Answer { headers: identity(tag), ..Answer::empty(200) }
    }

    /// The response to an Azure batch with a single request.
    pub fn batch(status: u16) -> Answer {
        let part = format!("Content-Type: application/http\r\nContent-ID: 0\r\n\r\nHTTP/1.1 {status} .\r\n\r\n");
        let body = format!("--batch\r\n{part}\r\n--batch--\r\n");
        Answer { status: 202, ..Answer::whole(body.into_bytes(), "multipart/mixed; boundary=batch") }
    }

    /// An error response of S3, on two lines as in S3.
    pub fn error(status: u16) -> Answer {
        let code = match status {
            403 => "AccessDenied",
            404 => "NoSuchKey",
            405 => "MethodNotAllowed",
            409 => "BlobAlreadyExists",
            412 => "PreconditionFailed",
            416 => "InvalidRange",
            503 => "SlowDown",
            _ => "InternalError",
        };
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let xml = format!("{head}<Error><Code>{code}</Code><Message>{code} it is</Message></Error>");
        Answer { status, ..Answer::whole(xml.into_bytes(), "application/xml") }
    }

    /// An error that quotes the request.
    pub fn quoting(status: u16, request: &Request) -> Answer {
        let credentials = request.header("authorization").unwrap_or_default();
        let host = request.header("host").unwrap_or_default();
        let text = format!("not http://{host}{} by {credentials} nor {}", request.target, request.target);
        Answer { status, ..Answer::xml(&text) }
    }

    /// The part requested by a `Range` header. As in S3, any range of an empty object is an error.
    pub fn part(mut self, range: &str) -> Answer {
        let len = self.object_len;
        let wanted = match range.trim_start_matches("bytes=").split_once('-') {
            Some(("", last)) => last.parse().ok().map(|last: usize| (len.saturating_sub(last), len)),
            Some((start, "")) => start.parse().ok().map(|start| (start, len)),
            Some((start, end)) => start.parse().ok().zip(end.parse().ok().map(|end: usize| len.min(end + 1))),
            None => None,
        };
        let Some((start, end)) = wanted.filter(|(start, end)| start < end) else {
            let mut refusal = Answer::error(416);
            refusal.headers.push(format!("Content-Range: bytes */{len}"));
            return refusal;
        };
        self.headers.push(format!("Content-Range: bytes {start}-{}/{len}", end - 1));
        Answer { status: 206, body: self.body[start..end].to_vec(), start, ..self }
    }

    pub fn head(&self) -> String {
        let headers: String = self.headers.iter().map(|header| format!("{header}\r\n")).collect();
        format!("HTTP/1.1 {} .\r\n{headers}Content-Length: {}\r\n\r\n", self.status, self.body.len())
    }
}

/// The MD5 of the content, as in S3 and Google Cloud Storage.
pub fn etag(content: &[u8]) -> String {
    let digits: String = Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// The generation of an object with this tag, as Google counts them.
pub fn generation(tag: &str) -> String {
    let digits = tag.trim_matches('"');
    u64::from_str_radix(&digits[..digits.len().min(15)], 16).unwrap_or_default().to_string()
}

/// Headers that tell an object from an older one of its key.
pub fn identity(tag: &str) -> Vec<String> {
    vec![format!("ETag: {tag}"), format!("x-goog-generation: {}", generation(tag))]
}

/// A time as in HTTP headers.
pub fn http_date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // See https://howardhinnant.github.io/date_algorithms.html#civil_from_days
    let since = days + 719_468;
    let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12);
    let year = year + era * 400 + i64::from(month < 2);
    let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month as usize];
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days.rem_euclid(7) as usize];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT")
}
