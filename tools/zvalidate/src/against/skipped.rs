//! Chunks that were not compared, because a store has only the chunks of a selection.

use roaring::RoaringTreemap;
use zwire::{Exit, Failure, human_count, human_counted};

use crate::against::pair::Pair;
use crate::sink::Sink;

/// Chunks of our array that were not compared, by number.
#[derive(Debug, Default)]
pub struct Skipped {
    /// Ours was not fetched: what it has was compared, and no more was asked for.
    ours: RoaringTreemap,
    /// The other store has nothing to compare ours with.
    theirs: RoaringTreemap,
}

impl Skipped {
    /// Adds a chunk.
    pub fn add(&mut self, pair: &Pair, number: u64) {
        let side = if pair.has_ours(number) { &mut self.theirs } else { &mut self.ours };
        side.insert(number);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.ours.len() + self.theirs.len()
    }

    /// Reports chunks of ours that could not be compared, and lists their objects.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn report(&self, pair: &Pair, sink: &mut Sink) -> Result<(), Failure> {
        if self.theirs.is_empty() {
            return Ok(());
        }
        let (reader, array) = (&pair.ours.reader, pair.ours.array);
        self.theirs.iter().for_each(|number| sink.list_failed(&reader.key(&reader.grid().index(number)).0));
        let what = format!(
            "{} of {} not compared: {} has only the chunks of a selection",
            human_count(self.theirs.len()),
            human_counted(reader.grid().len(), "chunk"),
            pair.theirs.store.place("")
        );
        let failure = Failure::new(Exit::Absent, what).at(pair.ours.store.place(array.key_prefix()));
        sink.failed(&failure.hint("compare with the store from which it was fetched"))
    }
}
