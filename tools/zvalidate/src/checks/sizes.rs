//! Objects of one array whose sizes are impossible, or far below those of the others.

use zarray::Array;
use zwire::{Failure, human_count};

use crate::checks::presence::{Presence, SMALLEST, exact_size, least_size};
use crate::finding::Finding;
use crate::kinds::Kind;
use crate::sink::Sink;

/// An object is suspiciously small below this share of the median of its array.
const SMALL: u64 = 20;

/// Reports them.
///
/// # Errors
/// The output cannot be written.
pub fn check(array: &Array, presence: &Presence, sink: &mut Sink) -> Result<(), Failure> {
    for (number, size) in &presence.odd {
        let (kind, expected) = match (size, exact_size(array)) {
            (0, _) => (Kind::EmptyObject, "a chunk".to_owned()),
            (_, Some(exact)) => (Kind::WrongSize, format!("{exact} bytes")),
            _ => (Kind::WrongSize, format!("at least {} bytes", least_size(array))),
        };
        let found = format!("{size} bytes");
        sink.emit(Finding::of(kind, array, found).key(&key(array, *number)).expected(expected))?;
    }
    let more = presence.odd_count - presence.odd.len() as u64;
    if more > 0 {
        let found = format!("{} more objects of impossible sizes", human_count(more));
        sink.emit(Finding::of(Kind::WrongSize, array, found).count(more))?;
    }
    let Some(median) = presence.sizes.median().filter(|_| presence.objects() > SMALLEST as u64) else {
        return Ok(());
    };
    let grid = array.numbered();
    // A chunk at the edge is mostly padding.
    let is_inner = |number: u64| {
        grid.is_none_or(|grid| {
            let chunk = grid.chunk(&grid.index(number));
            let ends = chunk.start().iter().zip(chunk.shape()).zip(grid.shape());
            ends.into_iter().all(|((start, length), end)| start.saturating_add(*length) <= *end)
        })
    };
    let small = presence.smallest.iter().filter(|(size, number)| *size < median / SMALL && is_inner(*number));
    for (size, number) in small {
        let finding = Finding::of(Kind::SmallObject, array, format!("{size} bytes"));
        sink.emit(
            finding.key(&key(array, *number)).expected(format!("about {median} bytes, the median of the array")),
        )?;
    }
    Ok(())
}

/// The key of an object.
fn key(array: &Array, number: u64) -> String {
    let index = array.numbered().map(|grid| grid.index(number)).unwrap_or_default();
    array.key(&array.keys.encode(&index))
}
