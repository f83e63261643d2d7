//! Checks before publishing: the source objects are those that were read, and all written objects are present.

use std::sync::atomic::{AtomicU64, Ordering};

use zarray::{COVERAGE, Key};
use zcodec::{CodecError, Workspace};
use zstore::{METADATA, Object, is_temporary};
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::objects::{ItemSource, each_unit, source_of};
use crate::output_plan::OutputPlan;
use crate::placement::Placement;
use crate::progress::Progress;
use crate::read_documents::RESUME;
use crate::rechunk::{Coders, Engine, ObjectSink, OnBad, ShardSink, source_hash};
use crate::source_objects::sources_now;
use crate::staged_store::StagedStore;
use crate::stats::Seen;
use crate::view::ObjectSource;

impl OutputPlan<'_> {
    /// Compares what all parts read and wrote of each array (`seen`) with what is stored now.
    ///
    /// Arrays whose chunks are replaced one by one are skipped: each chunk was checked when it was replaced, and chunks that
    /// another program writes are kept.
    ///
    /// # Errors
    /// [`Exit::Output`] with the first array that differs; errors of the stores.
    pub fn check_unchanged(&self, staged: &StagedStore, seen: &[Seen], progress: &dyn Progress) -> Result<(), Failure> {
        let look = LastLook { plan: self, staged, progress };
        let seen = |array: usize| seen.get(array).copied().unwrap_or_default();
        let arrays = || self.plans.iter().enumerate().filter(|(_, plan)| plan.placement.is_moved());
        let (listed, others): (Vec<_>, Vec<_>) = arrays().partition(|(_, plan)| look.is_listed(plan));
        self.pool
            .map(listed, |(array, plan)| look.check(plan, look.listed(plan)?, seen(array)))
            .into_iter()
            .collect::<Result<(), _>>()?;
        others.into_iter().try_for_each(|(array, plan)| {
            let sources = if plan.regions().is_some() { look.rechunked(plan)? } else { look.viewed(plan)? };
            look.check(plan, sources, seen(array))
        })
    }
}

struct LastLook<'a> {
    plan: &'a OutputPlan<'a>,
    staged: &'a StagedStore,
    progress: &'a dyn Progress,
}

impl LastLook<'_> {
    fn is_listed(&self, plan: &ArrayPlan) -> bool {
        plan.regions().is_none() && plan.view.is_whole()
    }

    fn check(&self, plan: &ArrayPlan, sources: Option<u64>, seen: Seen) -> Result<(), Failure> {
        if sources.is_some_and(|sources| sources != seen.sources) {
            let text = "chunks were added, removed or changed by another program since they were read; the output is not published";
            return Err(Failure::new(Exit::Output, text)
                .at(self.plan.store().place(plan.array.key_prefix()))
                .hint(RESUME));
        }
        self.check_written(plan, seen.written)
    }

    /// Counts the objects of an array in a local output. Object stores confirm each write.
    fn check_written(&self, plan: &ArrayPlan, written: u64) -> Result<(), Failure> {
        let output = self.staged.replacements();
        // Of a store that is appended to, most objects were there before.
        if output.is_remote() || plan.placement == Placement::Append {
            return Ok(());
        }
        let mut found = 0;
        for object in output.list(plan.array.key_prefix())? {
            let key = object?.key;
            let name = key.rsplit('/').next().unwrap_or_default();
            let is_document = [".zattrs", COVERAGE].contains(&name) || METADATA.contains(&name);
            found += u64::from(!is_document && !is_temporary(name));
        }
        if found == written {
            return Ok(());
        }
        let text = format!("{found} objects are there, and {written} were written; the output is not published");
        let hint = "use --resume to write those that are missing";
        Err(Failure::new(Exit::Output, text).at(output.place(plan.array.key_prefix())).hint(hint))
    }

    /// Hash of the stored source objects of an array; `None` for servers that cannot list, which are read-only archives.
    fn listed(&self, plan: &ArrayPlan) -> Result<Option<u64>, Failure> {
        if !self.can_look() {
            return Ok(None);
        }
        let mut sum = 0u64;
        for object in self.plan.store().list(plan.array.key_prefix())? {
            let Object { key, stat } = object?;
            if matches!(plan.array.key_kind(&key), Key::Chunk(_)) {
                sum = sum.wrapping_add(source_hash(&key, Some(stat)));
            }
            self.check_stop()?;
        }
        Ok(Some(sum))
    }

    /// Hash of the source objects of a rechunked array, each counted as often as it is read.
    fn rechunked(&self, plan: &ArrayPlan) -> Result<Option<u64>, Failure> {
        let Some(regions) = plan.regions().filter(|_| self.can_look()) else { return Ok(None) };
        let encode = |_: &[u8], _: &mut Vec<u8>, _: usize, _: &mut Workspace| -> Result<(), CodecError> { Ok(()) };
        let coders = Coders { encode: &encode, decode: None };
        let stopped = || self.progress.stopped().is_some();
        let engine = Engine::new(self.plan.store(), &plan.array, regions, &Nowhere, coders, OnBad::Skip, &stopped)?;
        let mut sum = 0u64;
        for region in 0..regions.regions() {
            sum = sum.wrapping_add(engine.sources(region)?);
        }
        Ok(Some(sum))
    }

    /// Whether the source objects are looked at again: not one by one on a server, where each look costs as much as a chunk.
    fn can_look(&self) -> bool {
        self.plan.listed || !self.plan.store().is_remote()
    }

    /// Hash of the source objects of a view.
    fn viewed(&self, plan: &ArrayPlan) -> Result<Option<u64>, Failure> {
        if self.plan.selects && !self.can_look() {
            return Ok(None);
        }
        let sum = AtomicU64::new(0);
        each_unit(&self.plan.pool, plan.units(), |unit| {
            let hash = match source_of(plan, unit) {
                Some((key, ItemSource::View(ObjectSource::Object { piece, .. }))) => {
                    let stat = self.plan.stores[plan.view.piece(piece).store].stat(&key)?;
                    stat.map_or(0, |stat| source_hash(&key, Some(stat)))
                }
                Some((_, ItemSource::View(ObjectSource::Regions(regions)))) => {
                    sources_now(self.plan.stores, plan, &regions)?
                }
                Some((_, ItemSource::Own)) | None => 0,
            };
            sum.fetch_add(hash, Ordering::Relaxed);
            self.check_stop()
        })?;
        Ok(Some(sum.into_inner()))
    }

    fn check_stop(&self) -> Result<(), Failure> {
        self.progress.stopped().map_or(Ok(()), |exit| Err(Failure::stopped(exit)))
    }
}

/// A sink for an engine that only reports its source objects.
struct Nowhere;

impl ObjectSink for Nowhere {
    fn put(&self, _: &[u64], _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    fn shard(&self, _: &[u64], _: usize) -> Result<Box<dyn ShardSink + '_>, Failure> {
        Err(Failure::usage("nothing is written"))
    }
}
