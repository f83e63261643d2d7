//! A strip of characters for the table: the chunks of an array along its first dimension.

use super::cells::{Cell, Cells, Seen, State};

/// Characters of a strip.
const MOST: usize = 32;

/// What the characters mean, for a line below the table.
pub const LEGEND: &str = "MAP, along the first dimension: █ all chunks stored, ▁ … ▇ a share of them, · none, ░ all NaN or fill value, × damaged";

/// The strip of an array. `Seen` is all that is known.
pub fn strip(seen: &Seen) -> String {
    Cells::new(seen, MOST, 1, MOST).row(0).iter().map(character).collect()
}

fn character(cell: &Cell) -> char {
    const EIGHTHS: [char; 8] = ['▁', '▁', '▂', '▃', '▄', '▅', '▆', '▇'];
    match cell.worst() {
        (State::Damaged, _) => '×',
        (State::Outside, _) => ' ',
        (State::Missing, 1.0) => '·',
        (State::Missing, share) => EIGHTHS[((1.0 - share) * 8.0) as usize % 8],
        (State::Empty, 1.0) => '░',
        // Most chunks have values.
        _ => '█',
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::tests::cells;
    use super::*;

    fn text(counts: &[u64], states: &str) -> String {
        cells(counts, states, [MOST, 1]).row(0).iter().map(character).collect()
    }

    #[test]
    fn a_hole_is_a_dot_and_damage_a_cross() {
        assert_eq!(text(&[8], "##..#xn#"), "██··█×░█");
        assert_eq!(text(&[4, 4], "#####...##..###."), "█▂▄▆");
        assert_eq!(text(&[64], &"#".repeat(64)), "█".repeat(32));
        assert_eq!(text(&[2, 2], "#n##"), "██");
        assert_eq!(text(&[1, 9], "#........"), "█········");
    }

    #[test]
    fn one_hole_among_many_chunks_is_seen() {
        let mut states = "#".repeat(32 * 100);
        states.replace_range(500..501, ".");
        assert_eq!(text(&[32 * 100], &states).chars().filter(|character| *character == '▇').count(), 1);
    }
}
