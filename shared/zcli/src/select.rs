//! Flags that select a part of each dimension, in xarray's words.

use clap::Args;
use zcoord::{By, Nearest, NearestMethod, Selection, Tolerance, parse_isel, parse_sel};
use zwire::Failure;

use crate::choice::{Choice, one_of};

/// Flags that select by coordinate value or by index.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Selection options")]
pub struct SelectFlags {
    /// Select by coordinate value: level=850, level=500,850, level=500:850, time=2019-03 (the whole month),
    /// time=2019-03-01:2019-03-07 (both ends included); repeatable, once per dimension
    #[arg(long, value_name = "DIM=LABEL", value_parser = parse_sel)]
    pub sel: Vec<Selection>,
    /// Select by index, as in Python: level=0:3 (3 excluded), time=-1, time=::24; repeatable, once per dimension
    #[arg(long, value_name = "DIM=INDEX", value_parser = parse_isel)]
    pub isel: Vec<Selection>,
    /// Take the coordinate value nearest to a label of --sel, the last one before it (pad) or the first one after it
    /// (backfill), instead of one that is equal
    #[arg(long, value_name = "HOW", value_parser = one_of(SEL_METHODS))]
    pub sel_method: Option<NearestMethod>,
    /// Maximum difference of --sel-method: 0.01 in the units of the coordinate, or 30min, 1h, 1D for times
    #[arg(long, value_name = "DIFFERENCE")]
    pub sel_tolerance: Option<Tolerance>,
}

const SEL_METHODS: [Choice<NearestMethod>; 5] = [
    ("nearest", "Nearest value", NearestMethod::Nearest),
    ("pad", "Last value that is not larger", NearestMethod::Pad),
    ("ffill", "The same as pad", NearestMethod::Pad),
    ("backfill", "First value that is not smaller", NearestMethod::Backfill),
    ("bfill", "The same as backfill", NearestMethod::Backfill),
];

impl SelectFlags {
    /// The selections by value and by index; with --sel-method, of the coordinate value for a label.
    ///
    /// # Errors
    /// `Exit::Usage` for a tolerance without a method.
    pub fn selections(&self) -> Result<Vec<Selection>, Failure> {
        if self.sel_tolerance.is_some() && self.sel_method.is_none() {
            let failure = Failure::usage("is a limit of --sel-method, which is not given");
            return Err(failure.at("--sel-tolerance").hint("add --sel-method nearest"));
        }
        let near = |selection: Selection| match (&selection.by, self.sel_method) {
            (By::Label(label), Some(method)) => {
                let by = By::Near(label.clone(), Nearest { method, tolerance: self.sel_tolerance });
                Selection { by, ..selection }
            }
            _ => selection,
        };
        Ok(self.sel.iter().cloned().map(near).chain(self.isel.iter().cloned()).collect())
    }
}
