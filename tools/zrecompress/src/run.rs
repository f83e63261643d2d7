//! The job of `zrecompress`: flags become options, and the common writer does the work.

use zcli::{Common, Ending, Listener, Session, Table, Tool};
use zstage::{OutputPlan, Planned, Progress, Writer};
use zstore::{Store, Target};
use zwire::{Exit, Failure};

use crate::cli::{Args, EXAMPLES};
use crate::options::Options;
use crate::recompress::{Recompress, recompressed};
use crate::trial::{self, TrialOptions};
use crate::{human, many};

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
            false => human::table(self.writer.dry_run, self.many.stores_from.is_some()),
        }
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        let options = self.options(&session.stop)?;
        if let (true, Some(trial)) = (self.trial.trial, &options.trial) {
            let source = self.source.as_ref().ok_or_else(|| Failure::usage("missing argument: SRC"))?;
            return try_out(source, &options, trial, &session.listener());
        }
        if let (Some(from), Some(directory)) = (&self.many.stores_from, &self.many.out_dir) {
            return many::run(&options, from, directory, session);
        }
        let command = self.writer.command(self.source.as_ref(), self.target.as_ref(), self.in_place)?;
        let outcome = zstage::run(&Recompress::new(&options), &command, &options.write, &session.listener())?;
        self.writer.ending(&outcome, session)
    }
}

/// `--trial`: tries compressors on the source, and writes nothing.
fn try_out(source: &Target, options: &Options, trial: &TrialOptions, listener: &Listener) -> Result<Ending, Failure> {
    let stores = [Store::open(source, &options.write.store)?];
    let tool = Recompress::new(options);
    let body = tool.body(None)?;
    let plan_array = tool.planner(&body, options.write.begin)?;
    match OutputPlan::read(&stores, stores[0].location(), &options.write, false, &plan_array, listener)? {
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
