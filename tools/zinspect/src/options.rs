//! What the flags of `zinspect` mean.

use std::ffi::OsString;

use zcli::{StoreFlags, VarFilter, stores};
use zwire::Failure;

use crate::cli::Args;

/// What is asked of the stores.
pub struct Options {
    /// Paths and URLs.
    pub stores: Vec<OsString>,
    /// How they are reached.
    pub access: StoreFlags,
    /// Workers.
    pub jobs: usize,
    /// Whether the whole store is listed.
    pub sizes: bool,
    /// Whether consolidated metadata is read where there is some.
    pub consolidated: bool,
    /// Whether it is compared with every node's own metadata.
    pub check_consolidated: bool,
    /// What the records of nodes hold.
    pub nodes: NodeOptions,
}

/// What is asked of each node.
pub struct NodeOptions {
    /// Which arrays.
    pub var: VarFilter,
    /// Whether attributes are part of the records.
    pub attributes: bool,
    /// Chunks to sample in each array.
    pub sample: u64,
    /// Threads inside one chunk that the verdict is for.
    pub threads: u64,
    /// Whether the decoding of sampled chunks is measured.
    pub bench: bool,
    /// Whether zarrs is asked if it can open each array.
    pub zarrs: bool,
}

/// What the table shows.
#[derive(Clone, Copy)]
pub struct TableOptions {
    /// Columns of stored sizes.
    pub sizes: bool,
    /// Paths drawn as a tree.
    pub tree: bool,
    /// Reasons and sampled chunks below the rows.
    pub verbose: bool,
}

impl Options {
    /// The meaning of `args`.
    ///
    /// # Errors
    /// A pattern that is none, a list of stores that cannot be read, or no store at all.
    pub fn new(args: &Args) -> Result<Options, Failure> {
        Ok(Options {
            nodes: NodeOptions {
                var: args.var.filter()?,
                attributes: args.attributes,
                sample: u64::from(if args.bench { args.sample.max(1) } else { args.sample }),
                threads: u64::from(args.nthreads),
                bench: args.bench,
                zarrs: args.zarrs,
            },
            stores: stores(&args.stores, args.stores_from.as_deref())?,
            access: args.store.clone(),
            jobs: args.work.jobs(),
            sizes: args.sizes,
            consolidated: !args.no_consolidated,
            check_consolidated: args.check_consolidated,
        })
    }
}

impl TableOptions {
    /// The meaning of `args`.
    pub fn new(args: &Args) -> TableOptions {
        TableOptions { sizes: args.sizes, tree: args.tree, verbose: args.common.verbose }
    }
}
