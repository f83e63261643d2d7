//! How the server misbehaves when it is told to.

use std::time::Duration;

use super::answer::Answer;
use super::request::{Kind, Request};
use super::shared::Shared;

/// How the server misbehaves. `key_contains` is part of an object's key; nothing is in every request, and
/// [`ObjectServer::LIST`] in every list.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The first tries of every object and every page of a list are answered with an error.
    FirstTries { status: u16, times: usize },
    /// Always answered with an error.
    Status { key_contains: String, status: u16 },
    /// The request is taken and never answered.
    Silence { key_contains: String },
    /// The answer stops in the middle of the body, and the connection stays.
    Stall { key_contains: String },
    /// The body comes byte by byte, too slow to ever arrive.
    Drip { key_contains: String },
    /// The connection closes in the middle of the object, at every try.
    Truncate { key_contains: String },
    /// Half of a wanted range comes, as if that were all of it (a proxy that lost the rest).
    ShortRange { key_contains: String },
    /// A byte in the middle of what is read is another one.
    FlipByte { key_contains: String },
    /// Ranges are not understood: the whole object comes.
    NoRanges,
    /// The connection closes in the middle of what is being written, at the first tries.
    CutBody { key_contains: String, times: usize },
    /// What is being written is taken to its half, and no further, and the connection stays.
    IgnoreBody { key_contains: String },
    /// One part of every object in parts (of S3 and Google Cloud Storage) is always answered with an error.
    Part { number: usize, status: u16 },
    /// No object in parts is ever put together.
    Complete { status: u16 },
    /// What is asked for is done, and the connection closes before the first answer.
    LoseAnswer { key_contains: String },
    /// Every answer comes this much later.
    Slow { milliseconds: u64 },
}

impl Shared {
    pub fn delay(&self) -> Duration {
        let slow = |fault: &Fault| if let Fault::Slow { milliseconds } = fault { *milliseconds } else { 0 };
        Duration::from_millis(self.faults.iter().map(slow).sum())
    }

    /// The error that a request is answered with, where it is to fail.
    pub fn failure(&self, request: &Request) -> Option<u16> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::FirstTries { status, times } => (self.tries_of("answer", request) <= *times).then_some(*status),
            Fault::Status { key_contains, status } => request.concerns(key_contains).then_some(*status),
            Fault::Complete { status } => (request.kind == Kind::Complete).then_some(*status),
            Fault::Part { number, status } => (request.query("partNumber") == number.to_string()).then_some(*status),
            _ => None,
        })
    }

    /// Makes an answer with (a part of) an object a wrong one, where it is to be.
    pub fn spoil(&self, request: &Request, answer: &mut Answer) {
        for fault in &self.faults {
            let half = answer.body.len() / 2;
            match fault {
                Fault::ShortRange { key_contains } if request.concerns(key_contains) && answer.status == 206 => {
                    answer.body.truncate(half);
                }
                Fault::FlipByte { key_contains } if request.concerns(key_contains) && answer.status < 300 => {
                    answer.body.get_mut(half).into_iter().for_each(|byte| *byte ^= 0x55);
                }
                _ => {}
            }
        }
    }

    /// Which part of the body of a request is taken.
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

    /// How often `what` was tried, this time included.
    fn tries_of(&self, what: &str, request: &Request) -> usize {
        let mut tries = self.tries.lock();
        let tries = tries.entry(format!("{what} {} {}", request.method, request.target)).or_default();
        *tries += 1;
        *tries
    }

    pub fn delivery(&self, request: &Request, answer: &Answer) -> Delivery {
        let len = answer.body.len();
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
        faulty.filter(|_| answer.status < 300).unwrap_or(Delivery::Whole)
    }
}

/// How much of a body is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    Whole,
    HalfThenClose,
    HalfThenSilence,
}

/// How an answer is sent.
#[derive(Clone, Copy)]
pub enum Delivery {
    Whole,
    Nothing,
    /// Not at all: the connection ends.
    Lost,
    Drip,
    /// So much of the body, and then nothing more.
    ThenSilence(usize),
    /// So much of the body, and then the end of the connection.
    ThenClose(usize),
}

impl Delivery {
    /// Bytes of the body that go out.
    pub fn bytes(self, answer: &Answer) -> usize {
        match self {
            Delivery::Whole | Delivery::Drip => answer.body.len(),
            Delivery::Nothing | Delivery::Lost => 0,
            Delivery::ThenSilence(bytes) | Delivery::ThenClose(bytes) => bytes,
        }
    }
}
