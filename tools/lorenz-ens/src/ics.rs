//! Initial conditions that are given: read from a CSV file, and kept in the plan of an output.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zcodec::crc32c_append;
use zwire::{Exit, Failure, human_bytes};

use crate::ensemble::STATE_BYTES;

/// The longest line that is read.
const LONGEST_LINE: u64 = 1 << 16;

/// The members of a file. Plans keep them as the hexadecimal digits of their bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Ics(Arc<Vec<[f64; 3]>>);

impl Ics {
    /// These members.
    pub fn new(states: Vec<[f64; 3]>) -> Ics {
        Ics(Arc::new(states))
    }

    /// The members.
    pub fn states(&self) -> &[[f64; 3]] {
        &self.0
    }

    /// Checksum of the members, as text.
    pub fn checksum(&self) -> String {
        let bytes = self.0.iter().flatten().map(|value| value.to_le_bytes());
        format!("crc32c:{:08x}", bytes.fold(0, |crc, bytes| crc32c_append(crc, &bytes)))
    }

    /// Reads members from a CSV file: three columns, with or without a header that names them x, y and z. Their states take no more
    /// than `memory` bytes.
    ///
    /// # Errors
    /// A file that cannot be read; [`Exit::Unreadable`] with the line that is malformed; [`Exit::Usage`] for more members than fit.
    pub fn read(path: &Path, memory: u64) -> Result<Ics, Failure> {
        let wrong = |text: String| Failure::new(Exit::Unreadable, text).at(path.display());
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => Failure::new(Exit::Absent, "no such file").at(path.display()),
            _ => wrong(error.to_string()),
        };
        let mut lines = BufReader::new(File::open(path).map_err(failed)?);
        let (mut columns, mut width, mut is_first) = ([0, 1, 2], 3, true);
        let (mut states, mut bytes) = (Vec::new(), Vec::new());
        for line in 1u64.. {
            let at_line = |what: String| wrong(format!("line {line}: {what}"));
            bytes.clear();
            if lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes).map_err(failed)? == 0 {
                break;
            }
            if bytes.len() as u64 == LONGEST_LINE {
                return Err(at_line("is too long".into()));
            }
            let text = std::str::from_utf8(&bytes).map_err(|_| at_line("is not UTF-8 text".into()))?;
            if text.trim().is_empty() {
                continue;
            }
            let fields: Vec<&str> = text.trim_start_matches('\u{feff}').split(',').map(unquoted).collect();
            if std::mem::take(&mut is_first) && is_header(&fields) {
                (columns, width) = (header(&fields).map_err(at_line)?, fields.len());
                continue;
            }
            let state = state(&fields, columns).map_err(at_line)?;
            if fields.len() != width {
                return Err(at_line(format!("found {} of {width} columns", fields.len())));
            }
            push(&mut states, state, memory, path)?;
        }
        match states.is_empty() {
            true => Err(wrong("no member is listed".into()).hint("write a line x,y,z for each member")),
            false => Ok(Ics::new(states)),
        }
    }
}

/// Adds a member, if there is memory for it. A list that grows is copied, so that it takes twice its size.
fn push(states: &mut Vec<[f64; 3]>, state: [f64; 3], memory: u64, path: &Path) -> Result<(), Failure> {
    let bytes = (states.len() as u64 + 1) * 2 * STATE_BYTES;
    if bytes > memory {
        let text = format!("has more members than fit into memory: --max-memory is {}", human_bytes(memory));
        return Err(Failure::usage(text).at(path.display()).hint("raise --max-memory"));
    }
    states.push(state);
    Ok(())
}

impl Serialize for Ics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(self.0.len() * 48);
        for byte in self.0.iter().flatten().flat_map(|value| value.to_le_bytes()) {
            text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Ics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ics, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
        let mut number = || -> Option<f64> {
            let mut number = [0; 8];
            for byte in &mut number {
                *byte = bytes.next()??;
            }
            Some(f64::from_le_bytes(number))
        };
        let count = text.len() / 48;
        let states: Option<Vec<[f64; 3]>> = (0..count).map(|_| Some([number()?, number()?, number()?])).collect();
        let states = states.filter(|_| rest.is_empty() && count * 48 == text.len());
        states.map(Ics::new).ok_or_else(|| D::Error::custom("the members are damaged"))
    }
}

/// A field without the spaces and quotes around it.
fn unquoted(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}

/// Whether the first row names columns: it has no number.
fn is_header(row: &[&str]) -> bool {
    row.iter().all(|field| field.parse::<f64>().is_err())
}

/// The columns of x, y and z.
fn header(row: &[&str]) -> Result<[usize; 3], String> {
    let mut columns = [0; 3];
    for (place, name) in columns.iter_mut().zip(["x", "y", "z"]) {
        let mut found = row.iter().enumerate().filter(|(_, field)| field.eq_ignore_ascii_case(name));
        *place = found.next().ok_or_else(|| format!("no column {name}: found {}", row.join(",")))?.0;
        if found.next().is_some() {
            return Err(format!("column {name} occurs twice"));
        }
    }
    Ok(columns)
}

fn state(row: &[&str], columns: [usize; 3]) -> Result<[f64; 3], String> {
    let mut state = [0.0; 3];
    for ((value, column), name) in state.iter_mut().zip(columns).zip(["x", "y", "z"]) {
        let field = row.get(column).ok_or_else(|| format!("{name} is missing: found {} of 3 columns", row.len()))?;
        *value = match field.parse::<f64>() {
            Ok(number) if number.is_finite() => number,
            _ => return Err(format!("{name} is not a finite number: {field:?}")),
        };
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, memory: u64) -> Result<Ics, Failure> {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("ics.csv");
        std::fs::write(&path, text).expect("writes");
        Ics::read(&path, memory)
    }

    #[test]
    fn members_are_read_in_any_order_of_columns_and_kept_in_a_plan() {
        let given = Ics::new(vec![[1.0, 2.0, 3.0], [-4.0, 5.5, 6e1]]);
        assert_eq!(read("1,2,3\n-4, 5.5 ,6e1\n", 1 << 20).expect("reads"), given);
        assert_eq!(read("member,z,y,x\r\n0,3,2,1\r\n1,6e1,5.5,-4", 1 << 20).expect("reads"), given);
        let text = serde_json::to_string(&given).expect("text");
        assert_eq!(serde_json::from_str::<Ics>(&text).expect("members"), given);
        for damaged in [&text[..text.len() - 2], "\"0\"", &text.replace("40", "4x")] {
            assert!(serde_json::from_str::<Ics>(damaged).is_err(), "{damaged}");
        }
        assert_ne!(given.checksum(), Ics::new(vec![[1.0, 2.0, 3.0]]).checksum());
        assert!(given.checksum().starts_with("crc32c:"));
    }

    #[test]
    fn a_malformed_line_is_named() {
        let long = format!("1,2,3\n{}", "1".repeat(100_000));
        for (text, expected) in [
            ("x,y,z\n1,2,3\n1,two,3\n", "line 3: y is not a finite number: \"two\""),
            ("1,2\n", "line 1: z is missing: found 2 of 3 columns"),
            ("1,2,3\n\n1,2,inf\n", "line 3: z is not a finite number: \"inf\""),
            ("x,y,z\n", "no member is listed"),
            ("", "no member is listed"),
            ("x,y,z\n1,2,3,4\n", "line 2: found 4 of 3 columns"),
            ("1,2,3\n1,2,3,\n", "line 2: found 4 of 3 columns"),
            ("x,y,z,name\n1,2,3\n", "line 2: found 3 of 4 columns"),
            ("x,x,y,z\n1,2,3,4\n", "line 1: column x occurs twice"),
            ("x,y\n1,2\n", "line 1: no column z: found x,y"),
            (&long, "line 2: is too long"),
        ] {
            let failure = read(text, 1 << 20).expect_err(expected);
            assert!(failure.to_string().contains(expected), "{failure}");
            assert_eq!(failure.exit, Exit::Unreadable);
        }
    }

    #[test]
    fn a_file_is_not_read_beyond_the_memory() {
        let text = "1,2,3\n".repeat(100);
        assert_eq!(read(&text, 4800).expect("fits").states().len(), 100);
        let failure = read(&text, 4799).expect_err("does not fit");
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains("--max-memory"), "{failure}");
    }
}
