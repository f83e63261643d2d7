//! Runs `zvalidate`: checks each store in turn, then compares them, and returns the exit code.

use std::io::IsTerminal;
use std::path::Path;

use zcli::{Common, Ending, Format, Session, Table, Tool, Unit};
use zwire::{Exit, Failure};

use crate::against;
use crate::cli::{Args, EXAMPLES};
use crate::human;
use crate::kinds::LISTED;
use crate::lists::Lists;
use crate::manifest;
use crate::map::Maps;
use crate::options::Options;
use crate::sink::Sink;
use crate::validate::Run;

impl Args {
    /// Whether each array has a strip of its chunks: on a terminal, and where it is asked for.
    fn strips(&self) -> bool {
        let common = &self.common;
        let is_table = !common.json && matches!(common.format, Format::Auto | Format::Table);
        let is_terminal = is_table && common.output.is_none() && std::io::stdout().is_terminal();
        is_terminal || self.report.map.iter().any(|path| path == Path::new("-"))
    }
}

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] = &[
        "verbose",
        "var",
        "level",
        "sample",
        "expect_chunks",
        "expect_step",
        "max_nan",
        "skip",
        "against",
        "rules",
        "stores_from",
        "json",
        "quiet",
    ];

    const EXAMPLES: &'static [(&'static str, &'static str)] = EXAMPLES;

    const SECTIONS: &'static [(&'static str, &'static str)] = &[("KINDS OF FINDINGS", LISTED)];

    fn writes(&self) -> bool {
        self.manifest.write_manifest.is_some()
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn table(&self) -> Table {
        if self.against.against.is_some() {
            return against::human::table(self.common.verbose);
        }
        let several = self.stores.len() > 1 || self.stores_from.is_some();
        let table = human::table(self.common.verbose, several, self.strips());
        match (&self.manifest.write_manifest, &self.manifest.manifest) {
            (Some(_), _) => Table { footer: manifest::human::written, ..table },
            (_, Some(_)) => Table { footer: manifest::human::checked, ..table },
            _ => table,
        }
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        let options = Options::new(self, &session.stop)?;
        if options.stores.is_empty() {
            session.note_no_stores(self.stores_from.as_deref());
        }
        let bar = session.status.bar(0, Unit::Bytes);
        let lists = Lists::open(&self.list_paths(), session)?;
        let mut sink = Sink::new(session, &options.policy, options.limit, options.annotations);
        sink.lists = lists;
        let strips = self.strips();
        sink.maps = Maps::new(options.maps.clone(), strips);
        if let Some(manifest) = &options.manifest {
            return manifest::run(&options, manifest, sink, &bar);
        }
        if let Some(against) = &options.against {
            return against::run(&options, against, sink, &bar);
        }
        let mut run = Run::new(&options, sink, &bar);
        for name in &options.stores {
            if let Err(failure) = run.store(name) {
                if failure.is_closed_pipe() || failure.exit == Exit::Output {
                    return Err(failure);
                }
                run.store_failed(&failure)?;
            }
        }
        run.compare()?;
        run.ending()
    }
}
