//! JSON as archives hold it: strict, but for the bare `NaN` and `Infinity` that Python writes, and the byte order mark that
//! some editors put before it.
//!
//! Tools change metadata in place, as text: every byte outside the changed member stays as it was. A
//! parsed and reprinted document would not keep number spellings and bare NaN.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::Error as _;
use serde_json::{Error, Map, Value};

/// Values nested deeper than this are refused: Python reads about as many.
const DEEPEST: usize = 1000;

/// UTF-8's byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Maximum number of bytes between the start of a line and a value in it.
const DEEPEST_INDENT: usize = 4096;

/// Parses a document, bare `NaN`, `Infinity` and `-Infinity` as strings.
///
/// # Errors
/// The error of `serde_json` for the document as it is; one that names the limit if it is nested too deep.
pub fn parse(text: &[u8]) -> Result<Value, Error> {
    let text = without_mark(text);
    strict(text).or_else(|error| match quote_bare_floats(text) {
        Cow::Borrowed(_) => Err(error),
        Cow::Owned(quoted) => strict(&quoted).map_err(|_| error),
    })
}

/// A document without the byte order mark before it.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Parses a document nested as deep as Python reads it.
fn strict(text: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(text).or_else(|error| {
        let start = skip_space(text, 0);
        let whole = value_end(text, start).is_some_and(|end| skip_space(text, end) == text.len());
        match is_too_deep(&error) && whole {
            false => Err(error),
            true if depth(text) > DEEPEST => Err(Error::custom(format!("nested more than {DEEPEST} levels deep"))),
            true => deep(&text[start..]),
        }
    })
}

fn is_too_deep(error: &Error) -> bool {
    error.to_string().starts_with("recursion limit exceeded")
}

/// Parses a value; one that is nested deeper than `serde_json` reads is taken apart level by level.
fn deep(text: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(text).or_else(|error| match text.first() {
        Some(b'{') if is_too_deep(&error) => {
            let members = members(text, 0).ok_or(error)?.into_iter();
            members
                .map(|(key, range)| Ok((key, deep(&text[range])?)))
                .collect::<Result<Map<_, _>, Error>>()
                .map(Value::Object)
        }
        Some(b'[') if is_too_deep(&error) => {
            let items = items(text, 0).ok_or(error)?.into_iter();
            items.map(|range| deep(&text[range])).collect::<Result<_, Error>>().map(Value::Array)
        }
        _ => Err(error),
    })
}

/// The deepest level of nesting.
fn depth(text: &[u8]) -> usize {
    let (mut at, mut level, mut deepest) = (0, 0usize, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = string_end(text, at).unwrap_or(text.len());
                continue;
            }
            b'{' | b'[' => level += 1,
            b'}' | b']' => level = level.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(level);
        at += 1;
    }
    deepest
}

/// Puts quotes around the float words that JSON lacks.
fn quote_bare_floats(text: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'"' {
            at = string_end(text, at).unwrap_or(text.len());
            continue;
        }
        match [&b"NaN"[..], b"-Infinity", b"Infinity"].into_iter().find(|word| text[at..].starts_with(word)) {
            Some(word) => {
                out.extend_from_slice(&text[copied..at]);
                out.push(b'"');
                out.extend_from_slice(word);
                out.push(b'"');
                at += word.len();
                copied = at;
            }
            None => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(&text[copied..]);
    Cow::Owned(out)
}

/// The members of the object that starts at (or after white space from) `at`: each key with the range of its value, in
/// document order, in one pass. `None` if there is no well-formed object.
pub fn members(text: &[u8], at: usize) -> Option<Vec<(String, Range<usize>)>> {
    let mut found = Vec::new();
    let mut at = skip_space(text, at);
    if text.get(at) != Some(&b'{') {
        return None;
    }
    at = skip_space(text, at + 1);
    if text.get(at) == Some(&b'}') {
        return Some(found);
    }
    loop {
        let key_end = string_end(text, at)?;
        let key: String = serde_json::from_slice(&text[at..key_end]).ok()?;
        at = skip_space(text, key_end);
        if text.get(at) != Some(&b':') {
            return None;
        }
        let start = skip_space(text, at + 1);
        let end = value_end(text, start)?;
        found.push((key, start..end));
        at = skip_space(text, end);
        match text.get(at)? {
            b',' => at = skip_space(text, at + 1),
            b'}' => return Some(found),
            _ => return None,
        }
    }
}

/// The ranges of the items of the list that starts at `at`. `None` if there is no well-formed list.
fn items(text: &[u8], at: usize) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    if text.get(at) != Some(&b'[') {
        return None;
    }
    let mut at = skip_space(text, at + 1);
    if text.get(at) == Some(&b']') {
        return Some(found);
    }
    loop {
        let end = value_end(text, at)?;
        found.push(at..end);
        at = skip_space(text, end);
        match text.get(at)? {
            b',' => at = skip_space(text, at + 1),
            b']' => return Some(found),
            _ => return None,
        }
    }
}

/// The range of the value of top-level member `key` of the object at `at`. Of several, the last one is the one that parsers
/// believe.
pub fn member(text: &[u8], at: usize, key: &str) -> Option<Range<usize>> {
    members(text, at)?.into_iter().rfind(|(name, _)| name == key).map(|(_, range)| range)
}

/// `text` with each range replaced. Ranges are in ascending order and do not overlap.
pub fn splice(text: &[u8], replacements: &[(Range<usize>, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut copied = 0;
    for (range, value) in replacements {
        out.extend_from_slice(&text[copied..range.start]);
        out.extend_from_slice(value);
        copied = range.end;
    }
    out.extend_from_slice(&text[copied..]);
    out
}

/// `value` as text in the style of the document around it: indented as deep as the place it goes to, or compact where the
/// document is.
pub fn print_like(text: &[u8], at: usize, value: &Value) -> Vec<u8> {
    // No further back than an indent can be: a compact document is one line of megabytes.
    let start = at.saturating_sub(DEEPEST_INDENT);
    let line = text[start..at].iter().rposition(|&byte| byte == b'\n').map(|newline| &text[start + newline + 1..at]);
    let Some(line) = line else { return value.to_string().into_bytes() };
    let indent = line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let Ok(pretty) = serde_json::to_string_pretty(value) else { return value.to_string().into_bytes() };
    // `serde_json` indents by two spaces; the document's indent is that of its first indented line.
    let unit = first_indent(text).max(1);
    let mut out = Vec::new();
    for (number, line) in pretty.lines().enumerate() {
        let depth = (line.len() - line.trim_start().len()) / 2;
        if number > 0 {
            out.push(b'\n');
            out.extend(std::iter::repeat_n(b' ', indent + depth * unit));
        }
        out.extend_from_slice(line.trim_start().as_bytes());
    }
    out
}

fn first_indent(text: &[u8]) -> usize {
    let Some(newline) = text.iter().position(|&byte| byte == b'\n') else { return 0 };
    text[newline + 1..].iter().take_while(|&&byte| byte == b' ').count()
}

fn skip_space(text: &[u8], at: usize) -> usize {
    let at = if at == 0 && text.starts_with(MARK) { MARK.len() } else { at };
    at + text.get(at..).map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count())
}

/// The end of the string whose opening quote is at `at`.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The end of the value that starts at `at`.
fn value_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string_end(text, at),
        b'{' | b'[' => {
            let mut depth = 0usize;
            let mut at = at;
            loop {
                match text.get(at)? {
                    b'"' => at = string_end(text, at)?,
                    byte => {
                        match byte {
                            b'{' | b'[' => depth += 1,
                            b'}' | b']' => depth -= 1,
                            _ => {}
                        }
                        at += 1;
                        if depth == 0 {
                            return Some(at);
                        }
                    }
                }
            }
        }
        _ => {
            let len = text[at..].iter().take_while(|byte| !b",}] \t\r\n".contains(byte)).count();
            (len > 0).then_some(at + len)
        }
    }
}

/// JSON of any kind, for tests of text.
#[cfg(test)]
pub(crate) fn any_json() -> impl proptest::prelude::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((".*", inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn bare_floats_are_read_and_real_errors_kept() {
        let text = br#"{"valid": NaN, "x": [1.0, Infinity, -Infinity], "s": "NaN \" NaN"}"#;
        assert_eq!(
            parse(text).expect("parses"),
            json!({"valid": "NaN", "x": [1.0, "Infinity", "-Infinity"], "s": "NaN \" NaN"})
        );
        assert!(parse(br#"{"a": NaN, "b"#).is_err());
        assert!(parse(b"").is_err());
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let text = b"\xef\xbb\xbf{\"a\": NaN}";
        assert_eq!(parse(text).expect("parses"), json!({"a": "NaN"}));
        assert_eq!(member(text, 0, "a").map(|range| &text[range]), Some(&b"NaN"[..]));
    }

    #[test]
    fn deep_values_are_read_and_bottomless_ones_named() {
        let nested = |levels: usize| format!("{}NaN{}", "{\"k\": [".repeat(levels / 2), "]}".repeat(levels / 2));
        for levels in [2, 126, 128, 200, 900] {
            let mut value = &parse(nested(levels).as_bytes()).expect("parses");
            for _ in 0..levels / 2 {
                value = &value["k"][0];
            }
            assert_eq!(value, "NaN", "{levels}");
        }
        for levels in [1_200, 1_000_000] {
            let error = parse(nested(levels).replace("NaN", "1").as_bytes()).expect_err("too deep").to_string();
            assert!(error.contains("nested more than 1000 levels deep"), "{error}");
        }
        for broken in [nested(200) + "x", nested(200).replace("]}", "}"), "[".repeat(300)] {
            assert!(parse(broken.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_splice_touches_nothing_else() {
        let text = b"{\n    \"a\": 1.50,\n    \"codec\": {\"x\": [1, {\"}\": 2}]},\n    \"v\": NaN\n}";
        let range = member(text, 0, "codec").expect("is there");
        let value = print_like(text, range.start, &json!({"id": "blosc"}));
        let out = splice(text, &[(range, value)]);
        assert_eq!(
            String::from_utf8(out).expect("utf-8"),
            "{\n    \"a\": 1.50,\n    \"codec\": {\n        \"id\": \"blosc\"\n    },\n    \"v\": NaN\n}"
        );
    }

    #[test]
    fn the_last_of_several_members_counts() {
        let text = br#"{"a": 1, "b": 2, "a": 3}"#;
        assert_eq!(member(text, 0, "a").map(|range| &text[range]), Some(&b"3"[..]));
        assert_eq!(parse(text).expect("parses")["a"], 3);
    }

    #[test]
    fn broken_objects_have_no_members() {
        for text in
            ["", "[1]", "{", "{\"a\"", "{\"a\":", "{\"a\": 1", "{\"a\": \"x", "{\"a\": [1, {", "{\"a\" 1}", "{\"a\\"]
        {
            assert_eq!(members(text.as_bytes(), 0), None, "{text}");
        }
    }

    proptest! {
        /// The ranges found are those of the values that a real parser finds.
        #[test]
        fn members_agree_with_a_real_parser(value in any_json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.expect("prints");
            match value.as_object() {
                None => prop_assert_eq!(members(text.as_bytes(), 0), None),
                Some(object) => {
                    let found = members(text.as_bytes(), 0).expect("an object");
                    prop_assert_eq!(found.len(), object.len());
                    for (key, range) in found {
                        let inner: Value = serde_json::from_str(&text[range]).expect("a value");
                        prop_assert_eq!(&inner, &object[&key]);
                    }
                }
            }
        }
    }
}
