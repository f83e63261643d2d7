//! Text in few columns of a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` with control characters replaced, so that none reaches the terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// `text` in `width` columns: what does not fit is replaced in the middle, because names often differ at their end.
pub fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let tail = width.saturating_sub(1) / 2;
    let end: String = text.chars().rev().scan(0, |used, c| fit(used, c, tail)).collect();
    let start: String = text.chars().scan(0, |used, c| fit(used, c, width.saturating_sub(1) - tail)).collect();
    format!("{start}…{}", end.chars().rev().collect::<String>())
}

/// The character, if it fits behind what is there.
fn fit(used: &mut usize, c: char, width: usize) -> Option<char> {
    *used += c.width().unwrap_or(0);
    (*used <= width).then_some(c)
}

/// `text` truncated to `width` columns, with an ellipsis.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let mut out: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used < width
        })
        .collect();
    out.push('…');
    out
}
