//! Faults that the server simulates.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::answer::{Answer, identity};
use super::request::{Kind, Request};
use super::shared::Shared;

/// A fault of the server. `key_contains` is part of an object key; the empty string matches every request, and
/// [`ObjectServer::LIST`] every list.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The first requests for every object and every list page fail.
    FirstTries { status: u16, times: usize },
    /// Every request fails.
    Status { key_contains: String, status: u16 },
    /// The request is accepted but never answered.
    Silence { key_contains: String },
    /// The response stops in the middle of the body; the connection stays open.
    Stall { key_contains: String },
    /// The body is sent byte by byte, too slowly to ever complete.
    Drip { key_contains: String },
    /// The first responses for an object break in this way.
    Breaks { key_contains: String, times: usize, how: Break },
    /// Objects have no ETags.
    NoTags,
    /// Objects have this ETag.
    Tag { key_contains: String, tag: String },
    /// Objects have this header.
    Header { key_contains: String, header: String },
    /// Every so many percent of the requests are refused, with this pause asked for.
    Storm { status: u16, percent: usize, retry_after: String },
    /// All but the objects with these keys are refused.
    Only { key_contains: String, status: u16 },
    /// Requests with this header are not allowed.
    Forbids { header: String },
    /// After so many requests, all are refused.
    Enough { after: usize, status: u16 },
    /// What is not found is forbidden, as without permission to list.
    Masks,
    /// The connection closes in the middle of the object, at every attempt.
    Truncate { key_contains: String },
    /// Half of what was requested is sent as if it were complete (as by a faulty proxy).
    ShortRange { key_contains: String },
    /// One byte in the middle of the response is changed.
    FlipByte { key_contains: String },
    /// Ranges are ignored: the whole object is sent.
    NoRanges,
    /// The connection closes in the middle of an upload, at the first attempts.
    CutBody { key_contains: String, times: usize },
    /// The server stops reading in the middle of an upload; the connection stays open.
    IgnoreBody { key_contains: String },
    /// One part of every multipart upload (S3 and Google Cloud Storage) always fails.
    Part { number: usize, status: u16 },
    /// Completing any multipart upload fails.
    Complete { status: u16 },
    /// The request is executed, but the connection closes before the first response.
    LoseAnswer { key_contains: String },
    /// Without this text in its target or its credentials, a request is not allowed.
    Needs { secret: String },
    /// Errors quote the request, with the credentials in it.
    Quotes,
    /// The request is answered with this status and body.
    Says { key_contains: String, status: u16, body: String },
    /// After it was read so many times, the object has this content.
    Changes { key_contains: String, times: usize, content: String },
    /// Every request is redirected to another server, where the path is the same.
    Redirects { to: String },
    /// After so many requests, all fail for a while.
    Outage { after: usize, milliseconds: u64 },
    /// After so many requests, none is answered any more.
    Dies { after: usize },
    /// Every response is delayed.
    Slow { milliseconds: u64 },
    /// The response for an object is delayed.
    Late { key_contains: String, milliseconds: u64 },
}

/// How a response breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The connection closes in the middle of the body.
    Cut,
    /// The body stops; the connection stays open.
    Stall,
    /// The body comes at 1 kB/s.
    Trickle,
    /// There is no response; the connection closes.
    Reset,
    /// There is no response; the connection stays open.
    Silence,
    /// One byte is changed.
    Flip,
    /// The body is cut, and the object is another one afterwards.
    Replaced,
}

impl Shared {
    pub fn delay(&self, request: &Request) -> Duration {
        let slow = |fault: &Fault| match fault {
            Fault::Slow { milliseconds } => *milliseconds,
            Fault::Late { key_contains, milliseconds } if request.concerns(key_contains) => *milliseconds,
            _ => 0,
        };
        Duration::from_millis(self.faults.iter().map(slow).sum())
    }

    /// The error status of a request, if it should fail.
    pub fn failure(&self, request: &Request) -> Option<u16> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Storm { status, percent, .. } => {
                let number = self.stormed.fetch_add(1, SeqCst) + 1;
                (number * percent / 100 > (number - 1) * percent / 100).then_some(*status)
            }
            Fault::Enough { after, status } => (self.served.lock().len() >= *after).then_some(*status),
            Fault::Only { key_contains, status } => (!request.concerns(key_contains)).then_some(*status),
            Fault::Forbids { header } => request.header(header).is_some().then_some(403),
            Fault::FirstTries { status, times } => (self.tries_of("answer", request) <= *times).then_some(*status),
            Fault::Status { key_contains, status } => request.concerns(key_contains).then_some(*status),
            Fault::Needs { secret } => {
                let credentials = request.header("authorization").unwrap_or_default();
                (!request.target.contains(secret) && !credentials.contains(secret)).then_some(403)
            }
            Fault::Outage { after, milliseconds } => self.is_out(*after, *milliseconds).then_some(503),
            Fault::Complete { status } => (request.kind == Kind::Complete).then_some(*status),
            Fault::Part { number, status } => (request.query("partNumber") == number.to_string()).then_some(*status),
            _ => None,
        })
    }

    /// What the server says in place of an answer.
    pub fn said(&self, request: &Request) -> Option<Answer> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Says { key_contains, status, body } if request.concerns(key_contains) => {
                Some(Answer { status: *status, ..Answer::xml(body) })
            }
            Fault::Redirects { to } => {
                let mut answer = Answer::empty(302);
                answer.headers.push(format!("Location: {to}{}", request.target));
                Some(answer)
            }
            _ => None,
        })
    }

    /// The pause that a refusal asks for.
    pub fn retry_after(&self) -> Option<String> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Storm { retry_after, .. } => Some(format!("Retry-After: {retry_after}")),
            _ => None,
        })
    }

    pub fn masks(&self) -> bool {
        self.faults.iter().any(|fault| matches!(fault, Fault::Masks))
    }

    /// How this response for an object breaks.
    pub fn broken(&self, request: &Request) -> Option<Break> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Breaks { key_contains, times, how }
                if request.concerns(key_contains) && request.kind == Kind::Get =>
            {
                (self.tries_of("break", request) <= *times).then_some(*how)
            }
            _ => None,
        })
    }

    /// Whether an object was replaced, how often.
    pub fn replacements(&self, key: &str) -> usize {
        self.replaced.lock().get(key).copied().unwrap_or(0)
    }

    /// The headers that identify an object, and those that a fault adds.
    pub fn identity(&self, key: &str, tag: &str) -> Vec<String> {
        let other = self.faults.iter().find_map(|fault| match fault {
            Fault::NoTags => Some(Vec::new()),
            Fault::Tag { key_contains, tag } if key.contains(key_contains) => Some(identity(tag)),
            _ => None,
        });
        let added = self.faults.iter().filter_map(|fault| match fault {
            Fault::Header { key_contains, header } if key.contains(key_contains) => Some(header.clone()),
            _ => None,
        });
        other.unwrap_or_else(|| identity(tag)).into_iter().chain(added).collect()
    }

    /// Whether an outage that begins with request `after` goes on.
    fn is_out(&self, after: usize, milliseconds: u64) -> bool {
        let served = self.served.lock().len();
        let mut began = self.outage.lock();
        let began = match (&*began, served >= after) {
            (None, true) => *began.insert(Instant::now()),
            (Some(began), _) => *began,
            (None, false) => return false,
        };
        began.elapsed() < Duration::from_millis(milliseconds)
    }

    pub fn quotes(&self) -> bool {
        self.faults.iter().any(|fault| matches!(fault, Fault::Quotes))
    }

    /// Corrupts a response with (part of) an object, if requested.
    pub fn spoil(&self, request: &Request, answer: &mut Answer, broken: Option<Break>) {
        for fault in &self.faults {
            if let Fault::Changes { key_contains, times, content } = fault
                && request.concerns(key_contains)
                && request.kind == Kind::Get
                && self.tries_of("change", request) > *times
            {
                *answer = Answer::whole(content.clone().into_bytes(), "application/octet-stream");
            }
        }
        if broken == Some(Break::Flip) {
            let half = answer.body.len() / 2;
            answer.body.get_mut(half).into_iter().for_each(|byte| *byte ^= 0x55);
        }
        for fault in &self.faults {
            let half = answer.body.len() / 2;
            match fault {
                Fault::ShortRange { key_contains } if request.concerns(key_contains) && request.kind == Kind::Get => {
                    answer.body.truncate(half);
                }
                Fault::FlipByte { key_contains } if request.concerns(key_contains) && answer.status < 300 => {
                    answer.body.get_mut(half).into_iter().for_each(|byte| *byte ^= 0x55);
                }
                _ => {}
            }
        }
    }

    /// How much of a request body to read.
    pub fn taking(&self, request: &Request) -> Taking {
        let faulty = self.faults.iter().find_map(|fault| match fault {
            Fault::CutBody { key_contains, times } if request.concerns(key_contains) && request.body_len() > 0 => {
                (self.tries_of("body", request) <= *times).then_some(Taking::HalfThenClose)
            }
            Fault::IgnoreBody { key_contains } if request.concerns(key_contains) && request.body_len() > 0 => {
                Some(Taking::HalfThenSilence)
            }
            _ => None,
        });
        faulty.unwrap_or(Taking::Whole)
    }

    /// Number of attempts at `what`, including this one.
    fn tries_of(&self, what: &str, request: &Request) -> usize {
        let mut tries = self.tries.lock();
        let tries = tries.entry(format!("{what} {} {}", request.method, request.target)).or_default();
        *tries += 1;
        *tries
    }

    pub fn delivery(&self, request: &Request, answer: &Answer, broken: Option<Break>) -> Delivery {
        let len = answer.body.len();
        match broken.filter(|_| answer.status < 300) {
            Some(Break::Cut) => return Delivery::ThenClose(len / 2),
            Some(Break::Replaced) => {
                *self.replaced.lock().entry(request.subject.clone()).or_default() += 1;
                return Delivery::ThenClose(len / 2);
            }
            Some(Break::Stall) => return Delivery::ThenSilence(len / 2),
            Some(Break::Trickle) => return Delivery::Trickle,
            Some(Break::Reset) => return Delivery::Lost,
            Some(Break::Silence) => return Delivery::Nothing,
            Some(Break::Flip) | None => {}
        }
        let faulty = self.faults.iter().find_map(|fault| match fault {
            Fault::Silence { key_contains } if request.concerns(key_contains) => Some(Delivery::Nothing),
            Fault::LoseAnswer { key_contains } if request.concerns(key_contains) => {
                (self.tries_of("lost", request) == 1).then_some(Delivery::Lost)
            }
            Fault::Stall { key_contains } if request.concerns(key_contains) => Some(Delivery::ThenSilence(len / 2)),
            Fault::Drip { key_contains } if request.concerns(key_contains) => Some(Delivery::Drip),
            Fault::Truncate { key_contains } if request.concerns(key_contains) => {
                let left = (answer.object_len / 2).saturating_sub(answer.start).min(len);
                (left < len).then_some(Delivery::ThenClose(left))
            }
            _ => None,
        });
        let served = self.served.lock().len();
        let is_dead = self.faults.iter().any(|fault| matches!(fault, Fault::Dies { after } if served >= *after));
        match is_dead {
            true => Delivery::Nothing,
            false => faulty.filter(|_| answer.status < 300).unwrap_or(Delivery::Whole),
        }
    }
}

/// How much of a body to read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    Whole,
    HalfThenClose,
    HalfThenSilence,
}

/// How to send a response.
#[derive(Clone, Copy)]
pub enum Delivery {
    Whole,
    Nothing,
    /// Nothing: the connection closes.
    Lost,
    Drip,
    /// The head, and then a few bytes at a time.
    Trickle,
    /// This many bytes of the body, then nothing more.
    ThenSilence(usize),
    /// This many bytes of the body, then the connection closes.
    ThenClose(usize),
}

impl Delivery {
    /// Number of body bytes sent.
    pub fn bytes(self, answer: &Answer) -> usize {
        match self {
            Delivery::Whole | Delivery::Drip | Delivery::Trickle => answer.body.len(),
            Delivery::Nothing | Delivery::Lost => 0,
            Delivery::ThenSilence(bytes) | Delivery::ThenClose(bytes) => bytes,
        }
    }
}
