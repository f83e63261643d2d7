//! Rust sources as tokens, without comments and without what only tests compile: enough to see which names a file uses.

/// A piece of source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A name, a keyword or a number.
    Word(String),
    /// The text of a string literal.
    Text(String),
    /// `::`.
    Path,
    /// Any other character.
    Mark(char),
}

impl Token {
    /// The name, where this is one.
    pub fn word(&self) -> Option<&str> {
        if let Token::Word(word) = self { Some(word) } else { None }
    }

    /// Whether this is the character `mark`.
    pub fn is(&self, mark: char) -> bool {
        *self == Token::Mark(mark)
    }
}

/// The tokens of `text` that a build without tests compiles.
pub fn tokens(text: &str) -> Vec<Token> {
    without_tests(&all_tokens(text))
}

fn all_tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, len) = next_token(rest, first);
        tokens.extend(token);
        rest = &rest[len..];
    }
    tokens
}

fn next_token(rest: &str, first: char) -> (Option<Token>, usize) {
    if rest.starts_with("//") {
        return (None, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (None, rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    if rest.starts_with("::") {
        return (Some(Token::Path), 2);
    }
    if let Some((text, len)) = string(rest) {
        return (Some(Token::Text(text)), len);
    }
    if first == '\'' {
        return (None, character_or_lifetime(rest));
    }
    if first.is_alphanumeric() || first == '_' {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        return (Some(Token::Word(rest[..end].to_owned())), end);
    }
    ((!first.is_whitespace()).then_some(Token::Mark(first)), first.len_utf8())
}

/// A string literal at the start of `rest`, plain, raw or of bytes, and its length with the quotes.
fn string(rest: &str) -> Option<(String, usize)> {
    let body = rest.trim_start_matches(['b', 'c']);
    if rest.len() - body.len() > 1 {
        return None;
    }
    let raw = body.strip_prefix('r');
    let hashes = raw.map_or(0, |raw| raw.len() - raw.trim_start_matches('#').len());
    let quoted = raw.map_or(body, |raw| &raw[hashes..]).strip_prefix('"')?;
    let start = rest.len() - quoted.len();
    let end = match raw {
        Some(_) => quoted.find(&format!("\"{}", "#".repeat(hashes)))?,
        None => closing_quote(quoted)?,
    };
    Some((quoted[..end].to_owned(), start + end + 1 + hashes))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    })
}

fn character_or_lifetime(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some((at, _))) => rest[at + 1..].find('\'').map_or(rest.len(), |end| at + 1 + end + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// `tokens` without the items below `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match attribute(&tokens[at..]) {
            Some(len) if is_for_tests(&tokens[at..at + len]) => at += len + item(&tokens[at + len..]),
            _ => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// Length of the attribute (`#[…]`) at the start of `tokens`.
fn attribute(tokens: &[Token]) -> Option<usize> {
    (tokens.first()?.is('#') && tokens.get(1)?.is('[')).then(|| 1 + group(&tokens[1..]))
}

fn is_for_tests(attribute: &[Token]) -> bool {
    let has = |word: &str| attribute.iter().any(|token| token.word() == Some(word));
    has("cfg") && has("test") && !has("not")
}

/// Length of the item at the start of `tokens`: further attributes, then all up to its semicolon or its block.
fn item(tokens: &[Token]) -> usize {
    let imports = tokens.iter().take(6).any(|token| token.word() == Some("use"));
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            Token::Mark(';' | ',') => return at + 1,
            Token::Mark('{') if !imports => return at + group(&tokens[at..]),
            Token::Mark('(' | '[' | '{') => at += group(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}

/// Length of the bracketed group at the start of `tokens`.
pub fn group(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = r##"
        // crate::a
        /* crate::b */
        let text = "say \"crate::c\" {"; let raw = br#"x"#; let quote = '"'; let escaped = '\''; fn f<'a>() {}
        #[cfg(test)]
        use crate::{d, e};
        #[cfg(test)]
        #[path = "f.rs"]
        mod tests;
        #[cfg(test)]
        mod inline { fn g() { h(); } }
        kept!()
    "##;
    let tokens = tokens(text);
    let words: Vec<&str> = tokens.iter().filter_map(Token::word).collect();
    assert_eq!(words, ["let", "text", "let", "raw", "let", "quote", "let", "escaped", "fn", "f", "a", "kept"]);
    let texts = tokens.iter().filter(|token| matches!(token, Token::Text(_))).count();
    assert_eq!(texts, 2);
}
