//! The job of `zfetch`: select → plan → fetch → report, to an output or into the cache.

mod cache_command;
mod named;
mod repair;

use zcli::{Common, Ending, Session, Table, Tool, stores};
use zstage::{Command, Summary};
use zstore::{Location, Target};
use zwire::{Exit, Failure, Record, shell_quote};

use crate::cached;
use crate::cli::{Args, EXAMPLES, SECTIONS, Subcommand};
use crate::fetch::{Fetch, fetched};
use crate::human;
use crate::options::{Layout, Options};

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] =
        &["to", "cache", "var", "sel", "isel", "bbox", "lat", "lon", "dry_run", "resume", "anonymous"];

    const EXAMPLES: &'static [(&'static str, &'static str)] = EXAMPLES;

    const SECTIONS: &'static [(&'static str, &'static str)] = SECTIONS;

    fn writes(&self) -> bool {
        true
    }

    fn common(&self) -> &Common {
        match &self.command {
            None => &self.common,
            Some(Subcommand::Cache(cache)) => &cache.common,
        }
    }

    fn table(&self) -> Table {
        match &self.command {
            None => human::table(self.writer.dry_run),
            Some(Subcommand::Cache(_)) => human::cache_table(),
        }
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        if let Some(Subcommand::Cache(cache)) = &self.command {
            return cache_command::run(cache, session);
        }
        if let Some(file) = &self.repair {
            return repair::run(self, file, session);
        }
        let options = self.options(&session.stop, |text| session.status.warn(text))?;
        match &self.to {
            Some(to) => self.to_output(to, &options, session),
            None if self.has_parts() => Err(Failure::usage("parts of a store need an output").hint("add --to DST")),
            None => {
                self.check_second()?;
                let names = stores(&self.stores, self.stores_from.as_deref(), &options.write.store)?;
                if names.is_empty() {
                    session.note_no_stores(self.stores_from.as_deref());
                }
                cached::run(options, &names, session)
            }
        }
    }
}

impl Args {
    fn has_parts(&self) -> bool {
        let writer = &self.writer;
        writer.prepare || writer.is_part() || writer.status || writer.finish
    }

    /// Rejects `zfetch SRC DST`: the second of two paths is where nothing is.
    fn check_second(&self) -> Result<(), Failure> {
        let [first, second] = self.stores.as_slice() else { return Ok(()) };
        match Location::parse(second)? {
            Location::Local(path) if !path.exists() => {
                let (source, output) = (shell_quote(&first.to_string()), shell_quote(&second.to_string()));
                let failure = Failure::new(Exit::Absent, "no such store").at(second);
                Err(failure.hint(format!("to write it, use zfetch {source} --to {output}")))
            }
            _ => Ok(()),
        }
    }

    /// Fetches one store to `to`, or does one step of it.
    fn to_output(&self, to: &Target, options: &Options, session: &mut Session) -> Result<Ending, Failure> {
        let stores: Vec<Vec<Target>> =
            self.stores.iter().map(|store| store.expanded(&options.write.store)).collect::<Result<_, _>>()?;
        let stores = stores.concat();
        let source = match stores.as_slice() {
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
        if options.select.layout == Layout::Mirror && Location::output(to)?.local().is_none() {
            let failure = Failure::usage("--layout mirror writes local stores only").at(to);
            return Err(failure.hint("use --layout crop, or fetch to a local path"));
        }
        let fetch = Fetch::new(options, source, None);
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
