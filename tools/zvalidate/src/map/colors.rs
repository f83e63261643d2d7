//! The colours of a picture, and what they stand for.

use super::cells::State;
use super::pen::Color;

/// Of text.
pub const INK: Color = [0x22, 0x22, 0x22];
/// Of text that says less.
pub const GREY: Color = [0x70, 0x70, 0x70];
/// Of the axes.
pub const LINES: Color = [0xb0, 0xb0, 0xb0];
/// Behind all.
pub const PAPER: Color = [0xff, 0xff, 0xff];

/// The states of the legend.
pub const LEGEND: [(State, &str); 4] = [
    (State::Stored, "stored"),
    (State::Missing, "missing"),
    (State::Damaged, "damaged"),
    (State::Empty, "all NaN or fill value"),
];

/// The colour of a state: close to Okabe and Ito's set, which can be told apart with any colour vision.
pub fn color(state: State) -> Color {
    match state {
        State::Outside => PAPER,
        State::Stored => [0x9c, 0xc3, 0xe0],
        State::Empty => [0xf0, 0xc8, 0x20],
        State::Missing => [0xd5, 0x4a, 0x00],
        State::Damaged => [0x10, 0x10, 0x10],
    }
}

/// The name of a state, in an SVG file and its notes.
pub fn class(state: State) -> &'static str {
    match state {
        State::Outside => "outside",
        State::Stored => "stored",
        State::Empty => "empty",
        State::Missing => "missing",
        State::Damaged => "damaged",
    }
}

/// The colour of a state that a share of the chunks of a cell is in: never so pale that it is not seen.
pub fn mixed(state: State, share: f64) -> Color {
    let weight = if share >= 1.0 { 1.0 } else { 0.45 + 0.45 * (share * 4.0).round() / 4.0 };
    let (full, stored) = (color(state), color(State::Stored));
    std::array::from_fn(|at| (f64::from(stored[at]) * (1.0 - weight) + f64::from(full[at]) * weight).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_share_is_seen() {
        let stored = color(State::Stored);
        let pale = mixed(State::Missing, 0.001);
        let distance: i32 = (0..3).map(|at| (i32::from(stored[at]) - i32::from(pale[at])).abs()).sum();
        assert!(distance > 100, "{pale:?}");
        assert_eq!(mixed(State::Damaged, 1.0), color(State::Damaged));
    }
}
