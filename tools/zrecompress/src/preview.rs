//! The plan as records, for whoever wants to see it first.

use serde_json::Map;
use zarray::Array;
use zcli::{Ending, Session};
use zstore::StoreError;
use zwire::{Exit, Failure, Record};

use crate::cli::Args;
use crate::plan::ArrayPlan;
use crate::rechunk::ASSUMED_RATIO;
use crate::survey::Survey;

impl Survey<'_> {
    /// What is stored of an array.
    fn stored_bytes(&self, plan: &ArrayPlan) -> Result<u64, Failure> {
        let sizes = self.store.list(plan.array.key_prefix())?.map(|object| object.map(|object| object.stat.size));
        Ok(sizes.sum::<Result<u64, StoreError>>()?)
    }

    /// The plan as records; nothing is written.
    ///
    /// # Errors
    /// The output's.
    pub fn show(&self, args: &Args, session: &mut Session) -> Result<Ending, Failure> {
        self.check_documents(args)?;
        let name = self.store.location().to_string();
        for plan in &self.plans {
            let mut record = plan.record(&name);
            if let (Some(regions), false) = (plan.regions(), self.store.is_remote()) {
                // The plan knows how much of the chunks is read, and how large they are only decoded.
                let ratio =
                    self.stored_bytes(plan)? as f64 / plan.array.uncompressed_bytes().unwrap_or(1).max(1) as f64;
                record.bytes_to_read = Some((regions.stats.read_bytes as f64 * ratio / ASSUMED_RATIO) as u64);
            }
            session.out.emit(&Record::Plan(record))?;
        }
        let sum = |field: fn(&Array) -> Option<u64>| {
            self.plans.iter().filter_map(|plan| field(&plan.array)).fold(0u64, u64::saturating_add)
        };
        let jobs = args.work.jobs() as u64;
        let need = |plan: &ArrayPlan| match plan.regions() {
            Some(regions) => regions.stats.peak_memory_bytes,
            None => plan.need.saturating_mul(jobs).min(self.budget),
        };
        let most = self.plans.iter().map(need).max().unwrap_or(0);
        let mut totals = Map::new();
        let mut put = |key: &str, value: u64| drop(totals.insert(key.to_owned(), value.into()));
        put("arrays", self.plans.len() as u64);
        put("recompress", self.plans.iter().filter(|plan| plan.target().is_some()).count() as u64);
        put("objects_expected", sum(|array| array.grid.as_ref().map(zarray::Grid::len)));
        put("uncompressed_bytes", sum(Array::uncompressed_bytes));
        put("jobs", jobs);
        put("memory_bytes", most);
        Ok(Ending { exit: Exit::Done, totals })
    }
}
