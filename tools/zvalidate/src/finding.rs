//! A finding on its way to the sink.

use zarray::Array;
use zwire::{FindingRecord, Severity};

use crate::kinds::Kind;

/// A finding: its kind, and its record without name and hint of the kind, which the sink adds.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// Everything else.
    pub record: FindingRecord,
}

impl Finding {
    /// A finding about a whole store, which the sink names.
    pub fn new(kind: Kind, found: impl Into<String>) -> Finding {
        let record = FindingRecord { severity: kind.about().severity, found: found.into(), ..FindingRecord::default() };
        Finding { kind, record }
    }

    /// A finding about a node.
    pub fn at(kind: Kind, path: &str, found: impl Into<String>) -> Finding {
        Finding::new(kind, found).path(path)
    }

    /// A finding about an array.
    pub fn of(kind: Kind, array: &Array, found: impl Into<String>) -> Finding {
        Finding::at(kind, &array.path, found)
    }

    /// The same at a node.
    pub fn path(mut self, path: &str) -> Finding {
        self.record.path = Some(path.to_owned());
        self
    }

    /// The same about an object.
    pub fn key(mut self, key: &str) -> Finding {
        self.record.key = Some(key.to_owned());
        self
    }

    /// The same about an inner chunk.
    pub fn inner(mut self, number: Option<u64>) -> Finding {
        self.record.inner_chunk = number;
        self
    }

    /// What was expected.
    pub fn expected(mut self, expected: impl Into<String>) -> Finding {
        self.record.expected = Some(expected.into());
        self
    }

    /// How many it stands for.
    pub fn count(mut self, count: u64) -> Finding {
        self.record.count = Some(count);
        self
    }

    /// As bad as this.
    pub fn severity(mut self, severity: Severity) -> Finding {
        self.record.severity = severity;
        self
    }

    /// The steps along a dimension, and the coordinate values of the first and the last.
    pub fn steps(mut self, dim: &str, indices: [u64; 2], labels: Option<[String; 2]>) -> Finding {
        (self.record.dim, self.record.indices, self.record.labels) = (Some(dim.to_owned()), Some(indices), labels);
        self
    }
}
