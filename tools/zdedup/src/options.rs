//! The options of `zdedup`, from its flags.

use serde::{Deserialize, Serialize};
use zarray::VarFilter;
use zcli::{Stop, stores};
use zstage::{ArrivalCheck, ChunkOptions, CodecOptions, Command, WriteOptions};
use zstore::{Location, Target};
use zwire::Failure;

use crate::cli::{Args, CombineFlag, CompareFlag, CopyFlag, JoinFlag, KeepFlag, OverlapFlag};
use crate::rules::{Combine, CopyMode, JoinMode, Keep, OverlapRule};

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
    /// Whether stores with different variables are merged.
    pub merges: bool,
    /// Whether the first batch is the store that the others are appended to.
    pub appends: bool,
    /// What decides the output.
    pub output: OutputOptions,
    /// The variables of the output.
    pub var: VarFilter,
    /// How the output is written, and how stores are reached.
    pub write: WriteOptions,
    /// Whether each array has a record.
    pub verbose: bool,
}

/// What decides the output besides the batches and the choice of duplicates. The plan file keeps it, without what is not given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputOptions {
    /// How other coordinates must agree.
    #[serde(skip_serializing_if = "is_default")]
    pub join: JoinMode,
    /// Largest difference of coordinates that counts as equal.
    #[serde(skip_serializing_if = "is_default")]
    pub coord_tolerance: f64,
    /// What happens to attributes.
    #[serde(skip_serializing_if = "is_default")]
    pub combine_attrs: Combine,
    /// How chunks are written.
    #[serde(skip_serializing_if = "is_default")]
    pub copy: CopyMode,
    /// Patterns of the variables of the output.
    #[serde(skip_serializing_if = "is_default")]
    pub var: Vec<String>,
    /// The codec, if it is not that of the first batch.
    #[serde(flatten)]
    pub codec: CodecOptions,
    /// The chunk shapes, if they are not those of the first batch.
    #[serde(flatten)]
    pub chunk: ChunkOptions,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Which occurrences of duplicates are kept.
pub enum Rule {
    /// The first if the data are identical; conflicts stop the run.
    Identical,
    /// `--keep`.
    Keep(Keep),
    /// Those of stores with a name that `--prefer` prefers.
    Prefer(Preferred),
    /// `--overlap`.
    Overlap(OverlapRule),
}

impl Rule {
    /// Whether duplicates with conflicting data have an answer.
    pub fn decides_conflicts(&self) -> bool {
        !matches!(self, Rule::Identical | Rule::Overlap(OverlapRule::Error))
    }
}

/// Patterns of store names, the most preferred first.
pub struct Preferred(Vec<(String, VarFilter)>);

impl Preferred {
    /// Compiles patterns.
    ///
    /// # Errors
    /// `Exit::Usage`.
    pub fn new(globs: &[String]) -> Result<Preferred, Failure> {
        let compile = |glob: &String| {
            let invalid = |_| Failure::usage("the pattern is invalid").at(format!("--prefer {glob}"));
            VarFilter::new(std::slice::from_ref(glob)).map(|filter| (glob.clone(), filter)).map_err(invalid)
        };
        globs.iter().map(compile).collect::<Result<_, _>>().map(Preferred)
    }

    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The number of the first pattern that a store's name matches; [`Preferred::len`] if there is none.
    pub fn rank(&self, name: &str) -> usize {
        let path = format!("/{}", name.trim_start_matches('/'));
        self.0.iter().position(|(_, filter)| filter.matches(&path)).unwrap_or(self.len())
    }

    /// The failure of a pattern that matches none of the stores.
    pub fn unmatched(&self, names: &[&str]) -> Option<Failure> {
        let path = |name: &str| format!("/{}", name.trim_start_matches('/'));
        let (glob, _) = self.0.iter().find(|(_, filter)| !names.iter().any(|name| filter.matches(&path(name))))?;
        Some(Failure::usage("no store has a name that matches").at(format!("--prefer {glob}")))
    }
}

impl Options {
    /// The options given by `args`.
    ///
    /// # Errors
    /// `Exit::Usage` for an invalid pattern.
    pub fn new(args: &Args, stop: &Stop) -> Result<Options, Failure> {
        let decide = &args.decide;
        let prefer = Preferred::new(&decide.prefer)?;
        let rule = match (decide.keep, decide.overlap) {
            (_, Some(overlap)) => Rule::Overlap(overlap.into()),
            _ if prefer.len() > 0 => Rule::Prefer(prefer),
            (Some(keep), None) => Rule::Keep(keep.into()),
            (None, None) => Rule::Identical,
        };
        let appends = args.append_to.is_some();
        if let (true, Some(flag)) = (appends, replacing(decide.keep, decide.overlap)) {
            let failure =
                Failure::usage(format!("--append-to keeps what the store has, and cannot be combined with {flag}"));
            return Err(failure.hint("write a new store with -o"));
        }
        let (codec, chunk) = (args.codec.options()?, args.chunk.options());
        if args.agree.copy == CopyFlag::Raw && (codec.is_given() || chunk.is_given()) {
            return Err(Failure::usage("--copy raw cannot be combined with codec or chunk options")
                .hint("stored chunks have the codec and shape of the batches; use --copy auto"));
        }
        let write = args.writer.options(appends, &args.work, &args.memory, &args.source, stop);
        let write = WriteOptions { verify: args.verify.verify(), arrival: ArrivalCheck::Auto, ..write };
        Ok(Options {
            dim: args.dim.clone(),
            compares: decide.compare == CompareFlag::Data,
            rule,
            sorts: decide.sort,
            merges: decide.merge,
            appends,
            output: OutputOptions {
                join: args.agree.join.into(),
                coord_tolerance: args.agree.coord_tolerance,
                combine_attrs: if appends { Combine::Override } else { args.agree.combine_attrs.into() },
                copy: args.agree.copy.into(),
                var: args.var.var.clone(),
                codec,
                chunk,
            },
            var: args.var.filter()?,
            write,
            verbose: args.common.verbose,
        })
    }
}

/// The flag that would change what a store has.
fn replacing(keep: Option<KeepFlag>, overlap: Option<OverlapFlag>) -> Option<&'static str> {
    match (keep, overlap) {
        (Some(KeepFlag::Last), _) => Some("--keep last"),
        (Some(KeepFlag::None), _) => Some("--keep none"),
        (_, Some(OverlapFlag::Replace)) => Some("--overlap replace"),
        _ => None,
    }
}

impl Args {
    /// The store that is written, if any.
    pub fn target(&self) -> Option<Target> {
        self.append_to.clone().or_else(|| self.common.output.as_deref().map(Target::from))
    }

    /// The stores, in order; the one that is appended to comes first.
    ///
    /// # Errors
    /// As [`zcli::stores`]; `Exit::Usage` if a store is appended to itself.
    pub fn batches(&self, options: &Options) -> Result<Vec<Target>, Failure> {
        let batches = stores(&self.stores, self.stores_from.as_deref(), &options.write.store)?;
        let Some(first) = &self.append_to else { return Ok(batches) };
        let own = Command::resolved(Location::output(first)?);
        for batch in &batches {
            if Command::resolved(Location::parse(batch)?).to_string() == own.to_string() {
                return Err(Failure::usage("a store cannot be appended to itself").at(batch));
            }
        }
        Ok(std::iter::once(first.clone()).chain(batches).collect())
    }

    /// Whether a flag is given that makes sense only for an output.
    pub fn needs_output(&self) -> bool {
        let writer = &self.writer;
        writer.prepare || writer.dry_run || writer.resume || writer.overwrite
    }

    /// Whether this is a step of an output that was prepared: it reads the batches from the plan.
    pub fn is_step(&self) -> bool {
        let writer = &self.writer;
        writer.is_part() || writer.status || writer.finish
    }

    /// The step of writing `target`.
    ///
    /// # Errors
    /// `Exit::Usage` for an output that cannot be written.
    pub fn command(&self, sources: Vec<Target>, target: &Target) -> Result<Command, Failure> {
        let output = Location::output(target)?;
        let output = if self.append_to.is_some() { Command::resolved(output) } else { output };
        Ok(match self.writer.part()? {
            _ if self.writer.status => Command::Status(output),
            _ if self.writer.finish => Command::Finish { sources, output },
            Some(part) => Command::Part { sources, output, part },
            None => Command::Run { sources, output },
        })
    }
}

impl From<KeepFlag> for Keep {
    fn from(flag: KeepFlag) -> Keep {
        match flag {
            KeepFlag::First => Keep::First,
            KeepFlag::Last => Keep::Last,
            KeepFlag::None => Keep::None,
            KeepFlag::Error => Keep::Error,
        }
    }
}

impl From<OverlapFlag> for OverlapRule {
    fn from(flag: OverlapFlag) -> OverlapRule {
        match flag {
            OverlapFlag::Error => OverlapRule::Error,
            OverlapFlag::Newer => OverlapRule::Newer,
            OverlapFlag::Replace => OverlapRule::Replace,
            OverlapFlag::Retain => OverlapRule::Retain,
        }
    }
}

impl From<JoinFlag> for JoinMode {
    fn from(flag: JoinFlag) -> JoinMode {
        match flag {
            JoinFlag::Exact => JoinMode::Exact,
            JoinFlag::Inner => JoinMode::Inner,
            JoinFlag::Override => JoinMode::Override,
        }
    }
}

impl From<CombineFlag> for Combine {
    fn from(flag: CombineFlag) -> Combine {
        match flag {
            CombineFlag::Identical => Combine::Identical,
            CombineFlag::NoConflicts => Combine::NoConflicts,
            CombineFlag::DropConflicts => Combine::DropConflicts,
            CombineFlag::Override => Combine::Override,
        }
    }
}

impl From<CopyFlag> for CopyMode {
    fn from(flag: CopyFlag) -> CopyMode {
        match flag {
            CopyFlag::Auto => CopyMode::Auto,
            CopyFlag::Raw => CopyMode::Raw,
            CopyFlag::Recode => CopyMode::Recode,
        }
    }
}
