//! Runs `zinspect`: inspects each store in turn and returns the exit code.

use zcli::{Common, Ending, Session, Table, Tool};
use zwire::{Exit, Failure};

use crate::cli::{Args, EXAMPLES};
use crate::human;
use crate::inspect::inspect;
use crate::options::{Options, TableOptions};
use crate::totals::Totals;

impl Tool for Args {
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
        let options = Options::new(self)?;
        let mut totals = Totals::new(options.stores.len(), options.sizes);
        for name in &options.stores {
            if let Err(failure) = inspect(&options, name, session, &mut totals) {
                if failure.is_closed_pipe() || failure.exit == Exit::Output {
                    return Err(failure);
                }
                session.item_failed(&failure)?;
                totals.store_failed(&failure);
            }
        }
        Ok(totals.ending())
    }
}
