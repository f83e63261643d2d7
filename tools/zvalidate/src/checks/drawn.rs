//! What was found of an array, as maps draw it.

use roaring::RoaringTreemap;
use zarray::Array;

use crate::checks::chunks::ChunksResult;
use crate::checks::presence::Presence;
use crate::labels::Labels;
use crate::map::{Maps, Seen, Subject, strip};
use crate::open::Context;

/// An array of a map.
pub struct Drawn<'a> {
    /// The store.
    pub context: &'a Context<'a>,
    /// Coordinate values.
    pub labels: &'a Labels<'a>,
    /// The array.
    pub array: &'a Array,
    /// Whether it describes other arrays: these are drawn only if something is wrong with them.
    pub is_coordinate: bool,
}

impl Drawn<'_> {
    /// Adds the array to the maps, by its listed or found objects and what was found in them. The strip of it, if one is wanted.
    pub fn add(&self, presence: &Presence, result: Option<&ChunksResult>, maps: &mut Maps) -> Option<String> {
        if !maps.strips && !maps.has_pictures() {
            return None;
        }
        let none = RoaringTreemap::new();
        let shards = self.array.numbered()?;
        let damage = result.map(|result| &result.damage);
        let empty = result.and_then(|result| result.values.as_ref()).map_or(&none, |values| values.empty());
        let is_sharded = self.array.chain.split_shards().is_some();
        let fetched = self.array.fetched.as_deref();
        let inner = self.array.chunk_grid().filter(|_| is_sharded && self.context.sample_is_all() && fetched.is_none());
        if let (Some(grid), Some(result)) = (inner, result) {
            let present = &result.inner_present | &result.damage.chunks;
            let seen = Seen { grid: &grid, present: &present, damaged: &result.damage.chunks, empty, fetched: None };
            return self.seen(&seen, maps);
        }
        let listed: RoaringTreemap = presence.odd_numbers().collect();
        let damaged = damage.map_or(&listed, |damage| &damage.objects);
        let empty = if is_sharded { &none } else { empty };
        self.seen(&Seen { grid: shards, present: &presence.present, damaged, empty, fetched }, maps)
    }

    fn seen(&self, seen: &Seen, maps: &mut Maps) -> Option<String> {
        let expected = seen.fetched.map_or(seen.grid.len(), |fetched| fetched.len());
        let is_sound = seen.present.len() == expected && seen.damaged.is_empty() && seen.empty.is_empty();
        let is_dull = self.is_coordinate || expected <= 1 || self.array.is_container();
        if maps.has_pictures() && !(is_dull && is_sound) && expected > 0 {
            let dimensions: Vec<String> =
                (0..seen.grid.shape().len()).map(|dimension| self.context.dimension(self.array, dimension)).collect();
            let labels = |dimension: usize, indices| self.labels.of(self.array, dimension, indices);
            let (store, path) = (self.context.name, self.array.path.as_str());
            maps.add(&Subject { store, path, dimensions: &dimensions, labels: &labels }, seen);
        }
        maps.strips.then(|| strip(seen))
    }
}
