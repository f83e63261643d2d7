//! Objects that an earlier run has made, as far as they and their sources are still what its journal says.

use zarray::Subset;
use zstore::{Location, Stat};
use zwire::Failure;

use crate::array_plan::ArrayPlan;
use crate::changes::Changes;
use crate::checks::Checks;
use crate::inner_chunks::is_gathered;
use crate::journal::Done;
use crate::objects::{Item, ItemSource};
use crate::placement::Placement;
use crate::rechunk::source_hash;
use crate::source_objects::sources_now;
use crate::stats::Stats;
use crate::task::Task;
use crate::view::ObjectSource;

impl Task<'_> {
    /// What is `done` of an object, where that still holds.
    ///
    /// # Errors
    /// The store's; a changed source object that ends the run.
    pub fn resumed(
        &self,
        changes: &Changes,
        plan: &ArrayPlan,
        item: &Item,
        done: &Done,
    ) -> Result<Option<Stats>, Failure> {
        if let ItemSource::View(ObjectSource::Regions(regions)) = &item.source {
            return self.resumed_regions(changes, plan, item, regions, done);
        }
        let source = match (item.stat, self.source_of(plan, item)) {
            (Some(stat), _) => Some(stat),
            (None, Some(store)) => store.stat(&item.key)?,
            (None, None) => return Ok(None),
        };
        let Some(source) = source else {
            self.remove_output(plan, &item.key, item.unit)?;
            return Ok(None);
        };
        let Some(written) = self.still_there(changes, plan, item, done, source)? else { return Ok(None) };
        Ok(Some(Stats {
            objects: 1,
            bytes_before: source.size,
            bytes_after: written.size,
            uncompressed_bytes: plan.object_bytes().unwrap_or(0),
            verified: u64::from(done.verified),
            checks: Checks::default(),
            recompressed: u64::from(plan.encoding().is_some()),
            resumed: 1,
            bad_copied: 0,
            written: 1,
            sources: source_hash(&item.key, Some(source)),
        }))
    }

    /// The same of an object that is made of several.
    fn resumed_regions(
        &self,
        changes: &Changes,
        plan: &ArrayPlan,
        item: &Item,
        regions: &[(usize, Subset)],
        done: &Done,
    ) -> Result<Option<Stats>, Failure> {
        let sources = sources_now(self.stores, plan, regions)?;
        let Some(written) = self.still_there(changes, plan, item, done, Stat::new(0, sources))? else {
            return Ok(None);
        };
        Ok(Some(Stats {
            objects: 1,
            bytes_before: written.size,
            bytes_after: written.size,
            uncompressed_bytes: plan.object_bytes().unwrap_or(0),
            verified: u64::from(done.verified),
            checks: Checks::default(),
            recompressed: u64::from(!is_gathered(plan, regions)),
            resumed: 1,
            bad_copied: 0,
            written: 1,
            sources,
        }))
    }

    fn still_there(
        &self,
        changes: &Changes,
        plan: &ArrayPlan,
        item: &Item,
        done: &Done,
        source: Stat,
    ) -> Result<Option<Stat>, Failure> {
        if plan.placement == Placement::InPlace {
            return Ok(Some(source).filter(|stat| done.is_there_as(*stat)));
        }
        if !done.is_of(source) {
            let store = self.source_of(plan, item);
            changes.met(|| store.map_or_else(|| item.key.clone(), |store| store.place(&item.key)))?;
            return Ok(None);
        }
        let output = self.output(plan);
        match output.location() {
            // A PUT that was answered is kept; to ask for each would cost a request an object.
            Location::Remote(_) | Location::Zip(_) | Location::Generated(_) => Ok(Some(Stat::new(done.bytes, 0))),
            Location::Local(_) => {
                let stat = output.stat(&plan.new_key(&item.key, item.unit))?;
                Ok(stat.filter(|stat| done.is_there_as(*stat)))
            }
        }
    }
}
