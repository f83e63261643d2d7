//! What a picture is drawn with. Lengths are pixels; y grows downwards.

use std::io;

/// A colour: red, green, blue.
pub type Color = [u8; 3];

/// Width of a character.
pub const CHARACTER: u32 = 7;

/// Height of a line of text.
pub const LINE: u32 = 16;

/// Where a text stands at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// It ends there.
    End,
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rectangle {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// Draws a picture, part by part; what comes later lies above.
pub trait Pen {
    /// A filled rectangle. `class` says what it stands for, `note` is shown when it is pointed at.
    ///
    /// # Errors
    /// The output's.
    fn rectangle(&mut self, at: Rectangle, color: Color, class: &str, note: Option<&str>) -> io::Result<()>;

    /// A line of text in a fixed-width font, whose upper edge is at `y`.
    ///
    /// # Errors
    /// The output's.
    fn text(&mut self, x: f64, y: f64, anchor: Anchor, color: Color, text: &str) -> io::Result<()>;
}
