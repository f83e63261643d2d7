//! Runs `zinspect`: inspects each store in turn and returns the exit code.

use zcli::{Common, Ending, Session, Table, Tool, Unit};
use zwire::{Exit, Failure};

use crate::cli::{Args, EXAMPLES};
use crate::human;
use crate::inspect::inspect;
use crate::options::{Options, TableOptions};
use crate::totals::Totals;

impl Tool for Args {
    const MAIN_FLAGS: &'static [&'static str] = &[
        "verbose",
        "var",
        "sizes",
        "sort",
        "fail_on_missing",
        "bench",
        "check_consolidated",
        "tree",
        "stores_from",
        "anonymous",
        "json",
        "quiet",
    ];

    const EXAMPLES: &'static [(&'static str, &'static str)] = EXAMPLES;

    fn writes(&self) -> bool {
        false
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn table(&self) -> Table {
        human::table(TableOptions::new(self))
    }

    fn run(&self, session: &mut Session) -> Result<Ending, Failure> {
        let options = Options::new(self, &session.stop)?;
        if options.stores.is_empty() {
            session.note_no_stores(self.stores_from.as_deref());
        }
        let mut totals = Totals::new(options.stores.len(), options.sizes);
        let bar = session.status.bar(0, Unit::Items("arrays"));
        for name in &options.stores {
            if let Err(failure) = inspect(&options, name, session, &bar, &mut totals) {
                if failure.is_closed_pipe() || failure.exit == Exit::Output {
                    return Err(failure);
                }
                session.item_failed(&failure)?;
                totals.store_failed(&failure);
            }
        }
        drop(bar);
        let paths: Vec<String> = std::mem::take(&mut totals.paths).into_iter().collect();
        let unmatched = if totals.any_store() { options.nodes.var.unmatched(&paths) } else { Vec::new() };
        unmatched.iter().try_for_each(|failure| session.item_failed(failure))?;
        Ok(totals.ending(!unmatched.is_empty(), options.fail_on_missing))
    }
}
