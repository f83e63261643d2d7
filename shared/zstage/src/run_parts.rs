//! The steps of an output that is written in parts: one part, which parts are done, and the end.

use zarray::Part;
use zstore::{Location, Store, Target};
use zwire::{Exit, Failure, shell_quote};

use crate::lock::Claim;
use crate::options::WriteOptions;
use crate::outcome::{Outcome, Summary};
use crate::output_plan::{OutputPlan, Planned};
use crate::parts;
use crate::plan_file::PlanFile;
use crate::publish::{publish, sweep};
use crate::read_documents::check_documents;
use crate::run::{Run, check_fingerprint, exit_of};
use crate::staged_store::StagedStore;
use crate::stats::{Seen, Work};
use crate::writer::Writer;

impl<W: Writer> Run<'_, W> {
    /// Marks the parts without any object as done: an array of jobs that runs them does no harm, and one that does not is finished.
    pub fn mark_idle(&self, plan: &OutputPlan, staged: &StagedStore, parts: u32) -> Result<(), Failure> {
        let idle = parts::without_work(&plan.plans, parts);
        let mark = |part: &Part| parts::mark_done(staged, *part, &Work::default());
        plan.pool.map(idle.iter().collect(), mark).into_iter().collect::<Result<(), Failure>>()?;
        if !idle.is_empty() {
            let busy = parts as usize - idle.len();
            self.progress.warn(&format!("only {busy} of {parts} parts have work; the others need not be run"));
        }
        Ok(())
    }

    /// One part of a prepared output.
    pub fn part(&self, given: &[Target], output: &Location, part: Part) -> Result<Outcome, Failure> {
        let Some((staged, file)) = self.open_prepared(output, Claim::Shared)? else {
            return Ok(self.complete(output, ""));
        };
        let header = &file.header;
        if part.of != header.parts {
            let text =
                format!("--part {}/{} does not match the plan, which has {} parts", part.number, part.of, header.parts);
            return Err(Failure::usage(text).at(staged.output()));
        }
        if parts::is_done(&staged, part.number)? {
            return Ok(Outcome::new(Exit::Done, Summary::PartDone { already_done: true }));
        }
        let stores = self.planned_sources(given, &file)?;
        let sources = self.sources(&stores, staged.output(), Some(&file.body))?;
        let body = self.tool.body(Some(&file.body), &sources)?;
        self.options.check_bad_chunks(header.in_place)?;
        // How the output was begun is in its plan, and not typed again.
        let options = WriteOptions { begin: header.begin(), ..self.options.clone() };
        let run = Run { options: &options, ..*self };
        let plan = match run.plan(&sources, staged.output(), &body, Some(header))? {
            Ok(plan) => plan,
            Err(refused) => return Ok(refused),
        };
        check_fingerprint(header, &plan.plans, staged.output())?;
        let work = run.do_part(&plan, &staged, header, part, false)?;
        let totals = work.totals;
        if let Some(exit) = self.progress.stopped() {
            return Ok(Outcome::new(exit, Summary::Totals(totals)));
        }
        if totals.lost > 0 {
            return Ok(Outcome::new(totals.exit_of_lost(), Summary::Totals(totals)));
        }
        staged.objects().sync()?;
        parts::mark_done(&staged, part, &work)?;
        self.progress.too_late();
        Ok(Outcome::new(exit_of(&totals), Summary::Totals(totals)))
    }

    /// Which parts of a prepared output are done.
    pub fn status(&self, output: &Location) -> Result<Outcome, Failure> {
        let Some((staged, file)) = self.open_prepared(output, Claim::Nothing)? else {
            return Ok(self.complete(output, ""));
        };
        let status = parts::status(&staged, &file.header)?;
        let exit = if status.missing.is_empty() { Exit::Done } else { Exit::No };
        Ok(Outcome::new(exit, Summary::Status(status)))
    }

    /// Publishes a prepared output whose parts are all done.
    pub fn finish(&self, given: &[Target], output: &Location) -> Result<Outcome, Failure> {
        let Some((staged, file)) = self.open_prepared(output, Claim::Alone)? else {
            return Ok(self.complete(output, ""));
        };
        let missing = parts::missing(&staged, file.header.parts)?;
        if !missing.is_empty() {
            let text = parts::missing_text(&parts::ranges(&missing), file.header.parts);
            let output = shell_quote(&output.to_string());
            let hint = format!("run each with {} --part I/{} {}{output}", W::TOOL, file.header.parts, W::OUTPUT_FLAG);
            return Err(Failure::new(Exit::No, text).at(output).hint(hint));
        }
        let Work { totals, seen } = parts::sum(&staged, file.header.parts)?;
        sweep(&staged)?;
        let stores = self.planned_sources(given, &file)?;
        if !staged.is_finishing()? {
            self.check_parts(&stores, &staged, &file, &seen)?;
            self.tool.before_publishing(&file.body, staged.objects())?;
        }
        let pool = self.options.pool(staged.objects());
        publish(staged, &file.header, &stores, &pool, self.options.keep_journal.as_deref())?;
        self.progress.too_late();
        Ok(Outcome::new(exit_of(&totals), Summary::Totals(totals)))
    }

    /// Checks that the source is as all parts read it and that all written objects are present.
    fn check_parts(
        &self,
        stores: &[Store],
        staged: &StagedStore,
        file: &PlanFile<W::Body>,
        seen: &[Seen],
    ) -> Result<(), Failure> {
        let options = WriteOptions { begin: file.header.begin(), ..self.options.clone() };
        let sources = self.sources(stores, staged.output(), Some(&file.body))?;
        let body = self.tool.body(Some(&file.body), &sources)?;
        check_documents(staged, stores, &file.header, &options.pool(&stores[0]))?;
        let plan_array = self.tool.planner(&body, options.begin)?;
        let mut plan = match OutputPlan::read(&sources, staged.output(), &options, &plan_array, self.progress)? {
            Planned::Possible(plan) => plan,
            Planned::Impossible(failures) => return failures.into_iter().next().map_or(Ok(()), Err),
        };
        plan.add(self.tool.added(&body)?);
        plan.plan_regions(file.header.memory)?;
        check_fingerprint(&file.header, &plan.plans, staged.output())?;
        plan.check_unchanged(staged, seen, self.progress)?;
        self.tool.check_written(&body, &plan.plans, staged.objects(), &sources.pool)
    }
}
