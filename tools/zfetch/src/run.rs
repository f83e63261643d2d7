//! The job of `zfetch`: select → plan → fetch → report.

use zcli::{Common, Ending, Session, Table, Tool};
use zstage::{Command, Outcome, Summary};
use zstore::{Location, Target};
use zwire::{Exit, Failure, FetchSummary, FetchedRecord, Record};

use crate::cli::{Args, EXAMPLES};
use crate::fetch::Fetch;
use crate::human;

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] =
        &["to", "var", "sel", "isel", "bbox", "lat", "lon", "dry_run", "resume", "overwrite", "anonymous", "requests"];

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
        let command = self.command()?;
        let fetch = Fetch::new(&options, self.store.as_ref());
        let outcome = zstage::run(&fetch, &command, &options.write, &session.listener())?;
        match (&outcome.summary, &command) {
            (Summary::Totals(totals), _) => {
                let summary = FetchSummary {
                    stores: 1,
                    arrays: totals.arrays.unwrap_or(0),
                    objects: totals.objects,
                    missing: fetch.missing(),
                    bytes: totals.bytes_before,
                    recoded: totals.recompressed,
                    verified: totals.verified,
                    resumed: totals.resumed,
                    failed: totals.failed,
                };
                self.report(&command, &outcome, Some(&summary), session)?;
                Ok(Ending::new(outcome.exit, &summary))
            }
            (Summary::Complete { .. }, _) => {
                self.report(&command, &outcome, None, session)?;
                self.writer.ending(&outcome, session)
            }
            _ => self.writer.ending(&outcome, session),
        }
    }
}

impl Args {
    fn command(&self) -> Result<Command, Failure> {
        match (&self.store, &self.to) {
            (None, Some(to)) => self.writer.command(Some(to), None, false),
            (Some(_), None) => Err(Failure::usage("missing argument: --to DST, the store to write")),
            (store, to) => self.writer.command(store.as_ref(), to.as_ref(), false),
        }
    }

    /// The record of a store that is complete.
    fn report(
        &self,
        command: &Command,
        outcome: &Outcome,
        summary: Option<&FetchSummary>,
        session: &mut Session,
    ) -> Result<(), Failure> {
        let (Command::Run { output, .. } | Command::Finish { output, .. }) = command else { return Ok(()) };
        if !matches!(outcome.exit, Exit::Done) {
            return Ok(());
        }
        let record = FetchedRecord {
            store: self.store.as_ref().map(Target::to_string).unwrap_or_default(),
            path: absolute(output),
            already_complete: summary.is_none(),
            objects: summary.map(|summary| summary.objects),
            missing: summary.map(|summary| summary.missing),
            bytes: summary.map(|summary| summary.bytes),
            ..FetchedRecord::default()
        };
        session.out.emit(&Record::Fetched(record))
    }
}

/// A path or URL that other tools can open from any directory.
fn absolute(output: &Location) -> String {
    output.absolute().to_string()
}
