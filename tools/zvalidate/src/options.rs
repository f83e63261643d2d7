//! The options of `zvalidate`, from its flags and its rules file.

use std::path::{Path, PathBuf};

use zarray::{Memory, Part, VarFilter, parse_size};
use zcli::{Stop, StoreFlags, stores};
use zstore::Target;
use zwire::Failure;

use crate::cli::Args;
use crate::comparison::Against;
use crate::expect::{Expect, ExpectChunks, NanRule, Share, StepRule};
use crate::kinds::kinds;
use crate::level::Level;
use crate::lists::ListPaths;
use crate::manifest_file::Manifest;
use crate::map::MapFile;
use crate::policy::{NanLimit, Policy};
use crate::rules::Rules;
use zcoord::Tolerance as Step;
use zvalue::Tolerance;

/// Options of a run.
pub struct Options {
    /// Paths and URLs.
    pub stores: Vec<Target>,
    /// Options of the store layer.
    pub access: StoreFlags,
    /// Workers.
    pub jobs: usize,
    /// Bytes of memory for chunks and coordinates.
    pub memory: u64,
    /// How thoroughly; `None`: full for local stores, header for remote ones.
    pub level: Option<Level>,
    /// Share of the chunks whose bytes are checked.
    pub sample: Option<f64>,
    /// The part of the arrays that is checked.
    pub part: Part,
    /// Selected arrays.
    pub var: VarFilter,
    /// The store to compare with.
    pub against: Option<Against>,
    /// A manifest that is written or checked.
    pub manifest: Option<Manifest>,
    /// What is expected.
    pub expect: Expectations,
    /// What is reported.
    pub policy: Policy,
    /// The arrays that flags name, with their flag. Those of a rules file may be of other stores.
    pub named: Vec<(&'static str, VarFilter)>,
    /// Findings of a kind printed for each array; 0 for all.
    pub limit: u64,
    /// Pictures that are drawn.
    pub maps: Vec<MapFile>,
    /// Whether findings are also printed as annotations.
    pub annotations: bool,
}

/// What is expected of the stores.
#[derive(Default)]
pub struct Expectations {
    /// Chunks that must be stored.
    pub chunks: Option<ExpectChunks>,
    /// Smallest size of a store in bytes.
    pub min_size: Option<u64>,
    /// Smallest share of its decoded size.
    pub min_ratio: Option<f64>,
    /// The dimensions whose coordinates are checked; empty: all.
    pub dims: Vec<String>,
    /// Steps of coordinates.
    pub steps: Vec<StepRule>,
    /// Values of coordinates.
    pub values: Vec<Expect>,
}

impl Options {
    /// The options given by `args`, after those of its rules file.
    ///
    /// # Errors
    /// `Exit::Usage` for an unknown kind, an invalid pattern or rules file, or no store; `Exit::Absent` if a file cannot be
    /// read.
    pub fn new(args: &Args, stop: &Stop) -> Result<Options, Failure> {
        let rules = args.expect.rules.as_deref().map(Rules::read).transpose()?.unwrap_or_default();
        let (expect, report) = (&args.expect, &args.report);
        let both = |rules: &[String], flags: &[String]| [rules, flags].concat();
        let policy = Policy {
            only: kinds("--check", &both(&rules.check, &report.check))?,
            skip: kinds("--skip", &both(&rules.skip, &report.skip))?,
            severities: rules.severities()?,
            allow_nan: filters(&both(&rules.allow_nan, &expect.allow_nan))?,
            max_nan: limits(&rules.max_nan()?, &expect.max_nan)?,
        };
        let level = level(args, &rules, &policy)?;
        let max_nan: Vec<String> = expect.max_nan.iter().map(|rule| rule.glob.clone()).collect();
        let is_named = |glob: &&String| *glob != "*";
        let named = |globs: &[String]| VarFilter::new(&globs.iter().filter(is_named).cloned().collect::<Vec<_>>());
        let named = vec![("--allow-nan", named(&expect.allow_nan)?), ("--max-nan", named(&max_nan)?)];
        let expect = Expectations {
            chunks: expect.expect_chunks.or(rules.expect_chunks()?),
            min_size: expect.min_size.or(rules
                .min_size
                .as_deref()
                .map(|text| rules.parsed("min-size", parse_size(text)))
                .transpose()?),
            min_ratio: expect.min_ratio.or(rules.min_ratio()?).map(|Share(share)| share),
            dims: both(&rules.dim, &expect.dim),
            steps: [rules.steps()?, expect.expect_step.clone()].concat(),
            values: [rules.expect()?, expect.expect.clone()].concat(),
        };
        expect.check_steps()?;
        Ok(Options {
            stores: stores(&args.stores, args.stores_from.as_deref(), &args.store.options(stop))?,
            access: args.store.clone(),
            jobs: args.work.jobs(),
            memory: memory(args.memory.max_memory),
            level,
            sample: args.sample.map(|Share(share)| share),
            part: zcli::part_of(args.part, args.part_index, args.parts)?.unwrap_or(Part::WHOLE),
            var: args.var.filter()?,
            against: args.comparison(),
            manifest: args.manifest_file(),
            expect,
            policy,
            named,
            limit: report.limit,
            maps: maps(&report.map, report.overwrite)?,
            annotations: report.annotations.is_some(),
        })
    }
}

impl Expectations {
    /// Makes sure that each step has a dimension.
    fn check_steps(&self) -> Result<(), Failure> {
        let bare = self.steps.iter().find_map(|rule| match (rule.step, &rule.dim) {
            (Step::Number(step), None) if self.dims.is_empty() => Some(step),
            _ => None,
        });
        let Some(step) = bare else { return Ok(()) };
        let failure = Failure::usage(format!("--expect-step {step} needs a dimension"));
        Err(failure.hint(format!("such as --expect-step latitude={step}, or --dim latitude --expect-step {step}")))
    }
}

/// The level that is asked for, or that is needed: a limit that is not looked at would pass every store.
fn level(args: &Args, rules: &Rules, policy: &Policy) -> Result<Option<Level>, Failure> {
    let (flag, rule) = (args.level, rules.level()?);
    let needs_values = policy.only.iter().any(|kind| kind.about().level == Level::Full);
    match flag.or(rule) {
        None if needs_values || !policy.max_nan.is_empty() => Ok(Some(Level::Full)),
        Some(low) if low < Level::Full && !args.expect.max_nan.is_empty() => {
            let hint = format!("leave out {}: a limit of NaN raises the level", low.name());
            Err(Failure::usage("--max-nan needs --level full").hint(hint))
        }
        // A lower level on the command line is meant to leave out rules; that is a warning.
        Some(low) if low < Level::Full && flag.is_none() && !policy.max_nan.is_empty() => {
            rules.parsed("max-nan", Err("needs level = \"full\"".to_owned()))
        }
        level => Ok(level),
    }
}

fn memory(limit: Memory) -> u64 {
    limit.bytes()
}

/// The pictures; "-" is a strip in the table.
fn maps(paths: &[PathBuf], overwrite: bool) -> Result<Vec<MapFile>, Failure> {
    paths.iter().filter(|path| *path != Path::new("-")).map(|path| MapFile::new(path, overwrite)).collect()
}

fn filters(globs: &[String]) -> Result<Vec<VarFilter>, Failure> {
    globs.iter().map(|glob| VarFilter::new(std::slice::from_ref(glob))).collect()
}

fn limits(rules: &[NanRule], flags: &[NanRule]) -> Result<Vec<NanLimit>, Failure> {
    let limit = |rule: &NanRule| {
        let arrays = VarFilter::new(std::slice::from_ref(&rule.glob))?;
        Ok(NanLimit { arrays, share: rule.share })
    };
    rules.iter().chain(flags).map(limit).collect()
}

impl Args {
    /// The comparison that is asked for.
    fn comparison(&self) -> Option<Against> {
        let flags = &self.against;
        let other = flags.against.clone()?;
        let tolerance = Tolerance { rtol: flags.rtol.unwrap_or(0.0), atol: flags.atol.unwrap_or(0.0) };
        Some(Against { other, tolerance, each_chunk: self.common.verbose })
    }

    /// The manifest that is written or checked.
    fn manifest_file(&self) -> Option<Manifest> {
        let check = || self.manifest.manifest.clone().map(Manifest::Check);
        self.manifest.write_manifest.clone().map(Manifest::Write).or_else(check)
    }

    /// Where lists are written.
    pub fn list_paths(&self) -> ListPaths {
        let flags = self.lists.clone();
        ListPaths { missing: flags.missing, corrupt: flags.corrupt, combined: flags.combined }
    }
}
