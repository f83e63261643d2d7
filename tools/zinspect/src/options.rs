//! The options of `zinspect`, from its flags.

use zcli::{Stop, StoreFlags, VarFilter, stores};
use zstore::Target;
use zwire::Failure;

use crate::cli::Args;
use crate::totals::Sort;

/// Options of a run.
pub struct Options {
    /// Paths and URLs.
    pub stores: Vec<Target>,
    /// Options of the store layer.
    pub access: StoreFlags,
    /// Workers.
    pub jobs: usize,
    /// Whether the whole store is listed.
    pub sizes: bool,
    /// Whether missing chunks are a fault.
    pub fail_on_missing: bool,
    /// The order of arrays; `None`: that of their paths.
    pub sort: Option<Sort>,
    /// Whether consolidated metadata is used if present.
    pub consolidated: bool,
    /// Whether it is compared with the metadata of each node.
    pub check_consolidated: bool,
    /// Options of node records.
    pub nodes: NodeOptions,
}

/// Options for each node.
pub struct NodeOptions {
    /// Selected arrays.
    pub var: VarFilter,
    /// Whether records include attributes.
    pub attributes: bool,
    /// Chunks to sample in each array.
    pub sample: u64,
    /// Threads per chunk assumed by the verdict.
    pub threads: u64,
    /// Whether decoding speed is measured on the sampled chunks.
    pub bench: bool,
    /// Whether to check that zarrs can open each array.
    pub zarrs: bool,
}

/// Options of the table.
#[derive(Clone, Copy)]
pub struct TableOptions {
    /// Show columns of stored sizes.
    pub sizes: bool,
    /// Draw paths as a tree.
    pub tree: bool,
    /// Show reasons and sampled chunks below the rows, and every store and array.
    pub verbose: bool,
    /// Name the stores.
    pub several_stores: bool,
}

impl Options {
    /// The options given by `args`.
    ///
    /// # Errors
    /// `Exit::Usage` for an invalid pattern or no store; `Exit::Absent` if the list of stores cannot be read.
    pub fn new(args: &Args, stop: &Stop) -> Result<Options, Failure> {
        Ok(Options {
            nodes: NodeOptions {
                var: args.var.filter()?,
                attributes: args.attributes,
                sample: u64::from(if args.bench { args.sample.max(1) } else { args.sample }),
                threads: u64::from(args.nthreads),
                bench: args.bench,
                zarrs: args.zarrs,
            },
            stores: stores(&args.stores, args.stores_from.as_deref(), &args.store.options(stop))?,
            access: args.store.clone(),
            jobs: args.work.jobs(),
            sizes: lists(args),
            fail_on_missing: args.fail_on_missing,
            sort: args.sort,
            consolidated: !args.no_consolidated,
            check_consolidated: args.check_consolidated,
        })
    }
}

impl TableOptions {
    /// The options given by `args`.
    pub fn new(args: &Args) -> TableOptions {
        TableOptions {
            sizes: lists(args),
            tree: args.tree,
            verbose: args.common.verbose,
            several_stores: args.stores.len() > 1
                || args.stores_from.is_some()
                || args.stores.iter().any(|store| store.to_string().contains('*')),
        }
    }
}

/// Whether the whole store is listed: asked for, or needed.
fn lists(args: &Args) -> bool {
    args.sizes || args.fail_on_missing || matches!(args.sort, Some(Sort::Stored | Sort::Ratio))
}
