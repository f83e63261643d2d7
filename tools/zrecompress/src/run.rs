//! The job of `zrecompress`: flags become options, and the common writer does the work.

use zcli::{Common, Ending, Listener, Session, Table, Tool, selections};
use zstage::{OutputPlan, Planned, Progress, Sources, Writer};
use zstore::{Store, Target};
use zwire::{Exit, Failure};

use crate::cli::{Args, EXAMPLES};
use crate::options::Options;
use crate::recompress::{Recompress, recompressed};
use crate::trial::{self, TrialOptions};
use crate::{human, many, per_store};

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] = &[
        "dry_run",
        "cname",
        "clevel",
        "shuffle",
        "chunks",
        "auto",
        "trial",
        "var",
        "resume",
        "overwrite",
        "max_memory",
    ];

    const EXAMPLES: &'static [(&'static str, &'static str)] = EXAMPLES;

    fn writes(&self) -> bool {
        true
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn table(&self) -> Table {
        match self.trial.trial {
            true => trial::human::table(self.common.verbose, self.trial.objective),
            false if self.many.out_dir.is_some() && !self.common.verbose => per_store::table(self.writer.dry_run),
            false => human::table(self.writer.dry_run, self.many.out_dir.is_some(), self.in_place),
        }
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        let options = self.options(&session.stop)?;
        if let (true, Some(trial)) = (self.trial.trial, &options.trial) {
            let source = self.source.as_ref().ok_or_else(|| Failure::usage("missing argument: SRC"))?;
            return try_out(source, &options, trial, &session.listener());
        }
        if let Some(directory) = &self.many.out_dir {
            let stores = selections(&self.sources(), self.many.stores_from.as_deref(), &options.write.store)?;
            if stores.is_empty() {
                session.note_no_stores(self.many.stores_from.as_deref());
            }
            return many::run(&options, &stores, directory, session);
        }
        if !self.more.is_empty() {
            let count = self.sources().len();
            let failure = Failure::usage(format!("{count} arguments, but one SRC and one DST are expected"));
            return Err(failure.hint("for many stores, use --out-dir DIR SRC..., or --stores-from FILE --out-dir DIR"));
        }
        let command = self.writer.command(self.source.as_ref(), self.target.as_ref(), self.in_place)?;
        let outcome = zstage::run(&Recompress::new(&options), &command, &options.write, &session.listener())?;
        self.writer.ending(&outcome, session)
    }
}

impl Args {
    /// All arguments, which `--out-dir` makes sources.
    fn sources(&self) -> Vec<Target> {
        self.source.iter().chain(&self.target).chain(&self.more).cloned().collect()
    }
}

/// `--trial`: tries compressors on the source, and writes nothing.
fn try_out(source: &Target, options: &Options, trial: &TrialOptions, listener: &Listener) -> Result<Ending, Failure> {
    let stores = [Store::open(source, &options.write.store)?];
    let tool = Recompress::new(options);
    let sources = Sources::open(&stores, stores[0].location(), &options.write, false)?;
    let body = tool.body(None, &sources)?;
    let plan_array = tool.planner(&body, options.write.begin)?;
    match OutputPlan::read(&sources, stores[0].location(), &options.write, &plan_array, listener)? {
        Planned::Possible(plan) => {
            tool.check(&body, plan.store(), &plan.plans)?;
            let trial = TrialOptions { source: stores[0].location().to_string(), ..trial.clone() };
            trial::show(&trial, &stores[0], recompressed(&plan.plans), listener)
        }
        Planned::Impossible(failures) => {
            failures.iter().try_for_each(|failure| listener.item_failed(failure))?;
            let exit = failures.first().map_or(Exit::Unreadable, |failure| failure.exit);
            Ok(Ending::without_totals(exit))
        }
    }
}
