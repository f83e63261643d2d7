//! JSON objects as text, laid out as zarr-python 3 does.
//!
//! Members that a conversion does not change keep their spelling. Attributes hold what a parsed document would lose: bare
//! `NaN`, numbers such as `1.50`, integers of any length.

use serde_json::Value;

use crate::json;

/// The members of a JSON object, each with its value as text, in document order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members(Vec<(String, Vec<u8>)>);

impl<const N: usize> From<[(&str, Value); N]> for Members {
    fn from(members: [(&str, Value); N]) -> Members {
        Members(members.map(|(key, value)| (key.to_owned(), value.to_string().into_bytes())).into())
    }
}

impl Members {
    /// Reads a document. `name` is what errors call it.
    ///
    /// # Errors
    /// It is not JSON, or not an object: a sentence without the path of the document.
    pub fn read(name: &str, text: &[u8]) -> Result<Members, String> {
        json::parse(text).map_err(|error| format!("{name} is not JSON: {error}"))?;
        let found = json::members(text, 0).ok_or_else(|| format!("{name} is not a JSON object"))?;
        Ok(Members(found.into_iter().map(|(key, range)| (key, text[range].to_vec())).collect()))
    }

    /// Reads a document that may be absent, which is the same as empty.
    ///
    /// # Errors
    /// As [`Members::read`].
    pub fn optional(name: &str, text: Option<&[u8]>) -> Result<Members, String> {
        text.map_or_else(|| Ok(Members::default()), |text| Members::read(name, text))
    }

    /// The text of a member; the last of several, as in JSON parsers.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().rfind(|(name, _)| name == key).map(|(_, text)| text.as_slice())
    }

    /// A member, parsed.
    pub fn value(&self, key: &str) -> Option<Value> {
        json::parse(self.get(key)?).ok()
    }

    /// A member, parsed, if it is there and not `null`.
    pub fn present(&self, key: &str) -> Option<Value> {
        self.value(key).filter(|value| !value.is_null())
    }

    /// Removes a member and returns it, parsed.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        let value = self.value(key);
        self.0.retain(|(name, _)| name != key);
        value
    }

    /// Adds a member at the end.
    pub fn push(&mut self, key: &str, value: &Value) {
        self.push_text(key, value.to_string().into_bytes());
    }

    /// Adds a member at the end, as text.
    pub fn push_text(&mut self, key: &str, text: Vec<u8>) {
        self.0.push((key.to_owned(), text));
    }

    /// The members that are not in `named`.
    pub fn others(&self, named: &[&str]) -> impl Iterator<Item = (&str, &[u8])> {
        let unnamed = self.0.iter().filter(move |(key, _)| !named.contains(&key.as_str()));
        unnamed.map(|(key, text)| (key.as_str(), text.as_slice()))
    }

    /// The object as text.
    pub fn text(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (number, (key, text)) in self.0.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_slice(Value::from(key.as_str()).to_string().as_bytes());
            out.push(b':');
            out.extend_from_slice(text);
        }
        out.push(b'}');
        out
    }

    /// The object as a document.
    pub fn document(&self) -> Vec<u8> {
        pretty(&self.text())
    }
}

/// JSON text with each member and element on a line of its own, two spaces a level, and empty objects and lists on one line.
/// Strings, numbers and words keep their spelling.
fn pretty(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in text {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            out.push(byte);
            continue;
        }
        let after_opening = matches!(out.last(), Some(b'{' | b'['));
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if !after_opening {
                    new_line(&mut out, depth);
                }
            }
            _ if after_opening => new_line(&mut out, depth),
            _ => {}
        }
        out.push(byte);
        match byte {
            b'{' | b'[' => depth += 1,
            b',' => new_line(&mut out, depth),
            b':' => out.push(b' '),
            b'"' => in_string = true,
            _ => {}
        }
    }
    out
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', 2 * depth));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::any_json;

    #[test]
    fn spelling_survives() {
        let text = br#"{"a": 1.50, "b": NaN, "c": "\u00e9 \" ] ,", "a": 12345678901234567890123}"#;
        let mut members = Members::read("it", text).expect("an object");
        assert_eq!(members.get("a"), Some(&b"12345678901234567890123"[..]));
        members.push("d", &Value::from("x"));
        let expected = "{\n  \"a\": 1.50,\n  \"b\": NaN,\n  \"c\": \"\\u00e9 \\\" ] ,\",\n  \"a\": 12345678901234567890123,\n  \"d\": \"x\"\n}";
        assert_eq!(String::from_utf8(pretty(&members.text())).expect("utf-8"), expected);
        assert_eq!(members.take("a").and_then(|value| value.as_f64()), Some(12345678901234567890123.0));
        assert_eq!(members.get("a"), None);
    }

    #[test]
    fn other_things_are_refused() {
        for (text, word) in [("[1]", "not a JSON object"), ("{\"a\": }", "not JSON"), ("", "not JSON")] {
            assert!(Members::read(".zattrs", text.as_bytes()).expect_err(text).contains(word));
        }
    }

    proptest! {
        /// The layout is that of a printer that knows the values.
        #[test]
        fn pretty_text_is_that_of_a_real_printer(value in any_json()) {
            let expected = serde_json::to_string_pretty(&value).expect("prints");
            let compact = String::from_utf8(pretty(value.to_string().as_bytes())).expect("utf-8");
            prop_assert_eq!(&compact, &expected);
            let again = String::from_utf8(pretty(expected.as_bytes())).expect("utf-8");
            prop_assert_eq!(again, expected);
        }
    }
}
