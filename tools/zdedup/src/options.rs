//! The options of `zdedup`, from its flags.

use zarray::VarFilter;
use zcli::{Stop, stores};
use zstage::{ArrivalCheck, Command, WriteOptions};
use zstore::{Location, Target};
use zwire::Failure;

use crate::cli::{Args, CombineFlag, CompareFlag, CopyFlag, JoinFlag, KeepFlag, OverlapFlag};

/// Options of a run.
pub struct Options {
    /// The dimension; unknown only for a step of an output that was prepared.
    pub dim: Option<String>,
    /// Whether the data of duplicates are compared.
    pub compares: bool,
    /// Which occurrences of duplicates are kept.
    pub rule: Rule,
    /// Whether the output is sorted.
    pub sorts: bool,
    /// How other coordinates must agree.
    pub join: JoinFlag,
    /// Largest difference of coordinates that counts as equal.
    pub tolerance: f64,
    /// What happens to attributes.
    pub combine: CombineFlag,
    /// How chunks are written.
    pub copy: CopyFlag,
    /// The variables of the output.
    pub var: VarFilter,
    /// How the output is written, and how stores are reached.
    pub write: WriteOptions,
    /// Whether each array has a record.
    pub verbose: bool,
}

/// Which occurrences of duplicates are kept.
pub enum Rule {
    /// The first if the data are identical; conflicts stop the run.
    Identical,
    /// As `--keep` says.
    Keep(KeepFlag),
    /// Those of stores whose name matches the first of these that any does, else the first.
    Prefer(Vec<VarFilter>),
    /// As `--overlap` says.
    Overlap(OverlapFlag),
}

impl Rule {
    /// Whether duplicates with conflicting data have an answer.
    pub fn decides_conflicts(&self) -> bool {
        !matches!(self, Rule::Identical)
    }
}

impl Options {
    /// The options given by `args`.
    ///
    /// # Errors
    /// `Exit::Usage` for an invalid pattern.
    pub fn new(args: &Args, stop: &Stop) -> Result<Options, Failure> {
        let decide = &args.decide;
        let prefer: Vec<VarFilter> =
            decide.prefer.iter().map(|glob| VarFilter::new(std::slice::from_ref(glob))).collect::<Result<_, _>>()?;
        let rule = match (decide.keep, decide.overlap) {
            (_, Some(overlap)) => Rule::Overlap(overlap),
            _ if !prefer.is_empty() => Rule::Prefer(prefer),
            (Some(keep), None) => Rule::Keep(keep),
            (None, None) => Rule::Identical,
        };
        let write = args.writer.options(false, &args.work, &args.memory, &args.source, stop);
        let write = WriteOptions { verify: args.verify.verify(), arrival: ArrivalCheck::Auto, ..write };
        Ok(Options {
            dim: args.dim.clone(),
            compares: decide.compare == CompareFlag::Data,
            rule,
            sorts: decide.sort,
            join: args.agree.join,
            tolerance: args.agree.coord_tolerance,
            combine: args.agree.combine_attrs,
            copy: args.agree.copy,
            var: args.var.filter()?,
            write,
            verbose: args.common.verbose,
        })
    }
}

impl Args {
    /// The store that is written, if any.
    pub fn target(&self) -> Option<Target> {
        self.common.output.as_deref().map(Target::from)
    }

    /// The stores, in order.
    ///
    /// # Errors
    /// As [`zcli::stores`].
    pub fn batches(&self, options: &Options) -> Result<Vec<Target>, Failure> {
        stores(&self.stores, self.stores_from.as_deref(), &options.write.store)
    }

    /// Whether this is a step of an output that was prepared: it reads the batches from the plan.
    pub fn is_step(&self) -> bool {
        let writer = &self.writer;
        writer.part.is_some() || writer.status || writer.finish
    }

    /// The step of writing `target`.
    ///
    /// # Errors
    /// `Exit::Usage` for an output that cannot be written.
    pub fn command(&self, sources: Vec<Target>, target: &Target) -> Result<Command, Failure> {
        let output = Location::output(target)?;
        Ok(match self.writer.part {
            _ if self.writer.status => Command::Status(output),
            _ if self.writer.finish => Command::Finish { sources, output },
            Some(part) => Command::Part { sources, output, part },
            None => Command::Run { sources, output },
        })
    }
}
