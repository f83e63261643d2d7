//! The objects of an array, of the manifest and of the store, side by side.

use zarray::Array;

use crate::manifest::line::ObjectLine;
use crate::manifest::read::Lines;

/// An object of the manifest, of the store, or of both.
pub struct Item {
    /// Its index in the grid, if it is a chunk of an array that is there.
    pub index: Option<Vec<u64>>,
    /// Its key.
    pub key: String,
    /// Its line in the manifest.
    pub expected: Option<ObjectLine>,
}

/// The objects of an array, of the manifest and of the store, in the order of the grid.
pub struct Merged<'m> {
    /// The array of the store.
    pub array: Option<&'m Array>,
    /// The manifest, from the first object of the array.
    pub lines: Option<&'m mut Lines>,
    /// Numbers of the objects of the store.
    pub present: std::iter::Peekable<Box<dyn Iterator<Item = u64> + 'm>>,
    /// The next line, and its number in the grid.
    pub next: Option<(Option<u64>, ObjectLine)>,
    /// Lines so far.
    pub count: u64,
}

impl Iterator for Merged<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let grid = self.array.and_then(Array::numbered);
        if self.next.is_none() {
            let line = self.lines.as_mut().and_then(|lines| lines.next_object());
            self.count += u64::from(line.is_some());
            self.next = line.map(|line| {
                let index = self.array.and_then(|array| array.index_of(&line.key));
                (index.zip(grid).map(|(index, grid)| grid.number(&index)), line)
            });
        }
        let present = self.present.peek().copied();
        let of = |number: u64| grid.map(|grid| grid.index(number));
        match (&self.next, present) {
            (None, None) => None,
            (Some((Some(expected), _)), Some(number)) if number < *expected => {
                self.present.next();
                Some(self.new_item(number))
            }
            (None, Some(number)) => {
                self.present.next();
                Some(self.new_item(number))
            }
            (Some((expected, _)), present) => {
                let expected = *expected;
                if expected.is_some() && expected == present {
                    self.present.next();
                }
                let (_, line) = self.next.take()?;
                Some(Item { index: expected.and_then(of), key: line.key.clone(), expected: Some(line) })
            }
        }
    }
}

impl Merged<'_> {
    fn new_item(&self, number: u64) -> Item {
        let index = self.array.and_then(Array::numbered).map(|grid| grid.index(number));
        let key = self.array.zip(index.as_ref()).map(|(array, index)| array.key(&array.keys.encode(index)));
        Item { index, key: key.unwrap_or_default(), expected: None }
    }
}
