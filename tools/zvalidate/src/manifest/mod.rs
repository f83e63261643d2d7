//! Manifests: a list of all objects of a store with hashes of their bytes and values, and the check of a store against it later.

mod check;
mod digest;
mod hash;
pub mod human;
mod line;
mod merged;
mod objects;
mod read;
mod write;

use zcli::{Bar, Ending};
use zwire::{Exit, Failure};

use crate::manifest_file::Manifest;
use crate::options::Options;
use crate::side::Side;
use crate::sink::Sink;

/// Writes a manifest, or checks the store of `options` against it.
///
/// # Errors
/// The store or the manifest cannot be read, or an output cannot be written.
pub fn run(options: &Options, manifest: &Manifest, mut sink: Sink, bar: &Bar) -> Result<Ending, Failure> {
    let side = Side::open(manifest.only(&options.stores)?, options, sink.session)?;
    sink.begin(&side.name);
    sink.summary.stores = 1;
    for error in &side.failed {
        sink.failed(&Failure::from(error))?;
    }
    let total = match manifest {
        Manifest::Write(path) => write::write(path, &side, options, bar, &mut sink)?,
        Manifest::Check(path) => check::check(path, &side, options, bar, &mut sink)?,
    };
    sink.end()?;
    sink.finish_lists()?;
    sink.summary.manifest = Some(total);
    let exit = match sink.session.out.errors() > 0 {
        _ if sink.serious > 0 => Exit::No,
        true => Exit::Partial,
        false => Exit::Done,
    };
    Ok(Ending::new(exit, &sink.summary))
}
