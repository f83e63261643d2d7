//! The one table of exit codes.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// The exit code of a process; the same for every tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Success.
    Done = 0,
    /// Check failed: a problem, a difference or a duplicate was found.
    No = 1,
    /// Invalid arguments.
    Usage = 2,
    /// Some items failed; the others are done.
    Partial = 3,
    /// Not found: no such store or node, or not Zarr.
    Absent = 4,
    /// Corrupt metadata or data, or an unsupported codec or data type.
    Unreadable = 5,
    /// Credentials, permissions, or network errors after all retries.
    Refused = 6,
    /// The output exists, is full or cannot be written.
    Output = 7,
    /// A bug in the tool.
    Bug = 101,
    /// Stopped by SIGINT; the output is consistent.
    Interrupted = 130,
    /// Stopped by SIGTERM; the output is consistent.
    Terminated = 143,
}

/// The table as printed in `--help`, the man pages and the README.
pub const EXIT_STATUS: &str = concat!(
    "  0    done\n",
    "  1    check failed: a problem, a difference or a duplicate was found\n",
    "  2    invalid arguments\n",
    "  3    partial: some items failed, the others are done\n",
    "  4    not found: no such store or node, or not Zarr\n",
    "  5    unreadable: corrupt metadata or data, unsupported codec or data type\n",
    "  6    access failed: credentials, permissions, or network errors after all retries\n",
    "  7    output error: already exists, disk full or not writable\n",
    "  101  internal error (a bug)\n",
    "  130  stopped by SIGINT (143 by SIGTERM); the output is consistent",
);

impl Exit {
    /// Every exit code.
    pub const ALL: [Exit; 11] = [
        Exit::Done,
        Exit::No,
        Exit::Usage,
        Exit::Partial,
        Exit::Absent,
        Exit::Unreadable,
        Exit::Refused,
        Exit::Output,
        Exit::Bug,
        Exit::Interrupted,
        Exit::Terminated,
    ];

    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The exit code of a run over several items: all succeeded, all failed, or some of each.
    ///
    /// `items` counts every item, `failed` those that failed, `worst` is the code of the first failure.
    pub fn of_items(items: u64, failed: u64, worst: Exit) -> Exit {
        match failed {
            0 => Exit::Done,
            n if n == items => worst,
            _ => Exit::Partial,
        }
    }
}

impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}

impl JsonSchema for Exit {
    fn schema_name() -> Cow<'static, str> {
        "exit".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "enum": Exit::ALL.map(Exit::code)})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_every_code() {
        for exit in Exit::ALL {
            assert!(EXIT_STATUS.contains(&exit.code().to_string()), "{exit:?} is not in the table");
        }
    }

    #[test]
    fn items_fail_wholly_or_in_part() {
        assert_eq!(Exit::of_items(3, 0, Exit::Done), Exit::Done);
        assert_eq!(Exit::of_items(3, 3, Exit::Absent), Exit::Absent);
        assert_eq!(Exit::of_items(3, 1, Exit::Absent), Exit::Partial);
    }
}
