//! A pen that writes SVG.

use std::io::{self, Write};

use super::pen::{Anchor, Color, Pen, Rectangle};
use super::picture::Picture;

/// Writes a picture as SVG.
///
/// # Errors
/// The output's.
pub fn write(picture: &Picture, out: &mut dyn Write) -> io::Result<()> {
    let (width, height) = picture.size();
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"'Noto Sans Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"11.6\">"
    )?;
    picture.draw(&mut Svg { out })?;
    writeln!(out, "</svg>")
}

struct Svg<'w> {
    out: &'w mut dyn Write,
}

impl Pen for Svg<'_> {
    fn rectangle(&mut self, at: Rectangle, color: Color, class: &str, note: Option<&str>) -> io::Result<()> {
        let Rectangle { x, y, width, height } = at;
        write!(
            self.out,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"",
            number(x),
            number(y),
            number(width),
            number(height),
            hex(color)
        )?;
        match note {
            Some(note) => writeln!(self.out, "><title>{}</title></rect>", escaped(note)),
            None => writeln!(self.out, "/>"),
        }
    }

    fn text(&mut self, x: f64, y: f64, anchor: Anchor, color: Color, text: &str) -> io::Result<()> {
        let anchor = ["start", "end"][anchor as usize];
        let (x, y, color) = (number(x), number(y + 12.0), hex(color));
        writeln!(
            self.out,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"{color}\" xml:space=\"preserve\">{}</text>",
            escaped(text)
        )
    }
}

fn hex(color: Color) -> String {
    let [red, green, blue] = color;
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A length in hundredths of a pixel.
fn number(value: f64) -> String {
    format!("{}", (value * 100.0).round() / 100.0)
}

/// A text without what XML reserves or forbids.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::panel::tests::panel;
    use super::*;

    #[test]
    fn a_name_cannot_break_the_document() {
        let panels = [panel("/<b>&\"\u{1}\u{ffff}", 3, 1, &[1], &[])];
        let mut out = Vec::new();
        write(&Picture::new(&panels, "full", 0), &mut out).expect("writes");
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("&lt;b&gt;&amp;&quot;\u{fffd}\u{fffd}"), "{text}");
        assert!(text.contains("<title>time: chunk 1, 1 chunks, missing</title>"), "{text}");
        assert!(text.starts_with("<svg xmlns=") && text.ends_with("</svg>\n"));
    }
}
