//! The job of `zfetch`: select → plan → fetch → report, to an output or into the cache.

use zcli::{Common, Ending, Session, Table, Tool, stores};
use zstage::{Command, Summary};
use zstore::Target;
use zwire::{Exit, Failure, Record};

use crate::cached;
use crate::cli::{Args, EXAMPLES};
use crate::fetch::{Fetch, fetched};
use crate::human;
use crate::options::Options;

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] =
        &["to", "cache", "var", "sel", "isel", "bbox", "lat", "lon", "dry_run", "resume", "offline", "anonymous"];

    const EXAMPLES: &'static [(&'static str, &'static str)] = EXAMPLES;

    fn writes(&self) -> bool {
        true
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn table(&self) -> Table {
        human::table(self.writer.dry_run)
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        let options = self.options(&session.stop)?;
        match &self.to {
            Some(to) => self.to_output(to, &options, session),
            None if self.has_parts() => Err(Failure::usage("parts of a store need an output").hint("add --to DST")),
            None => {
                let names = stores(&self.stores, self.stores_from.as_deref(), &options.write.store)?;
                cached::run(&options, &names, session)
            }
        }
    }
}

impl Args {
    fn has_parts(&self) -> bool {
        let writer = &self.writer;
        writer.prepare || writer.part.is_some() || writer.status || writer.finish
    }

    /// Fetches one store to `to`, or does one step of it.
    fn to_output(&self, to: &Target, options: &Options, session: &mut Session) -> Result<Ending, Failure> {
        let source = match self.stores.as_slice() {
            [] => None,
            [one] => Some(one),
            _ => {
                let failure = Failure::usage("--to takes one store");
                return Err(failure.hint("leave out --to to fetch several stores into the cache"));
            }
        };
        if source.is_none() && !self.has_parts() {
            return Err(Failure::usage("missing argument: STORE"));
        }
        let command = match source {
            None => self.writer.command(Some(to), None, false)?,
            Some(source) => self.writer.command(Some(source), Some(to), false)?,
        };
        let fetch = Fetch::new(options, source, false);
        let outcome = zstage::run(&fetch, &command, &options.write, &session.listener())?;
        fetch.warning().iter().for_each(|warning| session.status.warn(warning));
        let summary = match &outcome.summary {
            Summary::Totals(totals) => Some(fetch.summary(totals)),
            Summary::Complete { .. } => None,
            _ => return self.writer.ending(&outcome, session),
        };
        if let (Command::Run { output, .. } | Command::Finish { output, .. }, Exit::Done) = (&command, outcome.exit) {
            let path = output.absolute().to_string();
            session.out.emit(&Record::Fetched(fetched(source, path, summary.as_ref())))?;
        }
        match summary {
            Some(summary) => Ok(Ending::new(outcome.exit, &summary)),
            None => self.writer.ending(&outcome, session),
        }
    }
}
