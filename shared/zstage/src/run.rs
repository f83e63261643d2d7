//! The job of every writer: open → plan → prepare → work → publish, in one process. `run_parts.rs` has the steps of many.

use std::path::Path;

use zarray::{Part, Pool};
use zstore::{Location, METADATA, Store, StoreError, StoreOptions, Target};
use zwire::{Exit, Failure, PlanRecord, human_counted};

use crate::array_plan::ArrayPlan;
use crate::command::Command;
use crate::enclosing::enclosing_copies;
use crate::finished_values::Decided;
use crate::lock::Claim;
use crate::options::{Begin, OnBadChunk, WriteOptions};
use crate::outcome::{Outcome, Summary};
use crate::output_plan::{OutputPlan, PartRun, Planned};
use crate::overlap::check_output;
use crate::plan_file::{self, Header, PlanFile};
use crate::prepare::{Format, absolute};
use crate::progress::Progress;
use crate::publish::{publish, sweep};
use crate::read_documents::START_OVER;
use crate::sources::Sources;
use crate::staged_store::StagedStore;
use crate::stats::{ArrayStats, Totals, Work};
use crate::writer::Writer;

/// Does one step of writing an output.
///
/// # Errors
/// What ends the run before its time; what is done is kept, and can be resumed.
pub fn run<W: Writer>(
    tool: &W,
    command: &Command,
    options: &WriteOptions,
    progress: &dyn Progress,
) -> Result<Outcome, Failure> {
    let run = Run { tool, options, progress };
    match command {
        Command::Status(output) => run.status(output),
        Command::Finish { sources, output } => run.finish(sources, output),
        Command::Part { sources, output, part } => run.part(sources, output, *part),
        Command::Run { sources, output } => run.everything(sources, output),
    }
}

/// A run of a tool.
pub struct Run<'a, W> {
    pub tool: &'a W,
    pub options: &'a WriteOptions,
    pub progress: &'a dyn Progress,
}

/// An unfinished output, and its plan.
pub type Unfinished<W> = (StagedStore, PlanFile<<W as Writer>::Body>);

/// A plan that is possible, or how the run ended because it is not.
pub type PlannedOrRefused<'a> = Result<Box<OutputPlan<'a>>, Outcome>;

impl<W: Writer> Run<'_, W> {
    /// Everything in one process, or only the plan.
    fn everything(&self, sources: &[Target], output: &Location) -> Result<Outcome, Failure> {
        let options = self.options;
        let stores = self.open_sources(sources, |source| self.open_source(source, output))?;
        stores.iter().try_for_each(|store| check_output(store, output, options.begin, options.dry_run))?;
        if options.resume && StagedStore::is_begun(output, &options.store)? {
            let (staged, plan) = self.open(output, Claim::Alone)?;
            return self.resume(&stores, staged, plan);
        }
        if options.resume && options.begin == Begin::New && is_store(output, &options.store)? {
            return self.check_complete(&stores, output);
        }
        self.begin(&stores, output)
    }

    /// Checks that an existing store is what this command writes: then there is nothing left to do.
    fn check_complete(&self, stores: &[Store], output: &Location) -> Result<Outcome, Failure> {
        let sources = self.sources(stores, output, None)?;
        let mut body = self.tool.body(None, &sources)?;
        match self.plan_new(&sources, output, &mut body)? {
            Err(refused) => Ok(refused),
            Ok(plan) => {
                let written = Store::open_at(output, &self.options.store)?;
                self.tool.check_finished(&body, &written)?;
                let decided = |plan: &ArrayPlan| self.tool.decided(&body, plan);
                let decided: Option<&Decided> = if W::COMPARES_VALUES { Some(&decided) } else { None };
                let matched = plan.check_finished(self.format(&body), &written, self.options, decided)?;
                Ok(self.complete(output, &format!(": {}", matched.describe(plan.plans.len()))))
            }
        }
    }

    fn open_source(&self, source: &Target, output: &Location) -> Result<Store, Failure> {
        let store = &self.options.store;
        match self.tool.open(source, None, store) {
            Err(failure) if failure.exit == Exit::Absent && output.local().is_some() && is_store(output, store)? => {
                Err(failure.hint(format!("{output} is a store: the source comes first, then the output")))
            }
            opened => opened,
        }
    }

    /// Of an output that an earlier run has published, there is nothing to do.
    pub fn complete(&self, output: &Location, compared: &str) -> Outcome {
        self.progress.already_complete(&format!("{output}: already complete, nothing to do{compared}"));
        Outcome::new(Exit::Done, Summary::Complete { already_complete: true })
    }

    /// Opens a prepared output; `None` if it has been published.
    pub fn open_prepared(&self, output: &Location, who: Claim) -> Result<Option<Unfinished<W>>, Failure> {
        let store = &self.options.store;
        match StagedStore::is_begun(output, store)? {
            false if is_store(output, store)? => Ok(None),
            _ => self.open(output, who).map(Some),
        }
    }

    /// Opens the sources of a plan, with the credentials of `given` where there are any.
    pub fn planned_sources(&self, given: &[Target], file: &PlanFile<W::Body>) -> Result<Vec<Store>, Failure> {
        let PlanFile { header, body } = file;
        let planned: Vec<Target> = header.sources.iter().map(|source| source.as_str().into()).collect();
        let sources = if given.is_empty() { &planned } else { given };
        let stores = self.open_sources(sources, |source| self.tool.open(source, Some(body), &self.options.store))?;
        self.check_same_run(header, &stores, true)?;
        Ok(stores)
    }

    /// Opens all sources side by side, each with `open`; one at least.
    fn open_sources(
        &self,
        sources: &[Target],
        open: impl Fn(&Target) -> Result<Store, Failure> + Sync,
    ) -> Result<Vec<Store>, Failure> {
        match sources {
            [] => Err(Failure::usage("no source is given")),
            [only] => Ok(vec![open(only)?]),
            several => Pool::new(self.options.jobs).map(several.iter().collect(), open).into_iter().collect(),
        }
    }

    fn open(&self, output: &Location, who: Claim) -> Result<Unfinished<W>, Failure> {
        let (staged, text) = StagedStore::open(output, who, &self.options.store)?;
        let plan = PlanFile::parse(&text, W::TOOL, &staged.folder().place("plan.json"))?;
        Ok((staged, plan))
    }

    fn begin(&self, stores: &[Store], output: &Location) -> Result<Outcome, Failure> {
        let options = self.options;
        let begin = || StagedStore::begin(output, options.begin, &options.store).map_err(|error| self.not_begun(error));
        // In place, the lock is taken before planning, so that no other run changes the store in between.
        let is_appended_to = stores.len() > 1;
        let is_own_source =
            options.begin == Begin::InPlace && (output.local().is_some() || is_appended_to) && !options.dry_run;
        let begun = if is_own_source { Some(begin()?) } else { None };
        let sources = self.sources(stores, output, None)?;
        let mut body = self.tool.body(None, &sources)?;
        let plan = match self.plan_new(&sources, output, &mut body)? {
            Ok(plan) => plan,
            Err(refused) => return Ok(refused),
        };
        plan.check_swapped(options.backup.is_some())?;
        if options.dry_run {
            plan.check_documents(self.format(&body), options.begin == Begin::InPlace)?;
            return self.describe(&plan, &body);
        }
        let staged = begun.map_or_else(begin, Ok)?;
        let format = self.format(&body);
        let file = plan.prepare(W::TOOL, body.clone(), format, &staged, options, self.progress)?;
        if options.prepare.is_some() {
            stores.iter().for_each(|store| self.warn_credentials(store.location()));
            staged.keep();
            self.mark_idle(&plan, &staged, file.header.parts)?;
            return Ok(Outcome::new(Exit::Done, Summary::Prepared { parts: file.header.parts }));
        }
        if stores.len() == 1 {
            return self.work(&body, &plan, staged, &file.header);
        }
        drop(plan);
        let (body, plan) = self.plan_again(stores, &staged, &file)?;
        self.work(&body, &plan, staged, &file.header)
    }

    /// Plans once more from the documents whose checksums are known now: several stores take long to compare, and what was compared must
    /// be what the checksums are of. A part does the same in its own process.
    fn plan_again<'s>(
        &self,
        stores: &'s [Store],
        staged: &StagedStore,
        file: &PlanFile<W::Body>,
    ) -> Result<(W::Body, Box<OutputPlan<'s>>), Failure> {
        let changed = || {
            let text = "the metadata of a source was changed by another program while the sources were compared; nothing is written";
            Failure::new(Exit::Output, text).at(staged.output()).hint("run the command again")
        };
        let sources = self.sources(stores, staged.output(), None)?;
        let body = self.tool.body(None, &sources)?;
        let plan = self.plan(&sources, staged.output(), &body, Some(&file.header))?.map_err(|_| changed())?;
        let is_same = serde_json::to_value(&body).ok() == serde_json::to_value(&file.body).ok()
            && file.header.fingerprint == plan_file::fingerprint(&plan.plans);
        if is_same { Ok((body, plan)) } else { Err(changed()) }
    }

    /// The failure of a run that cannot begin. An output that is prepared is not continued by preparing it again.
    fn not_begun(&self, error: StoreError) -> Failure {
        let is_prepared = self.options.prepare.is_some() && matches!(error, StoreError::Unfinished { .. });
        match is_prepared {
            true => Failure::from(error).hint("--status shows its parts; use --overwrite to prepare it again"),
            false => error.into(),
        }
    }

    /// A dry run.
    fn describe(&self, plan: &OutputPlan, body: &W::Body) -> Result<Outcome, Failure> {
        let complete = |plan: &ArrayPlan, record: &mut PlanRecord| self.tool.complete(body, plan, record);
        let totals = plan.describe(self.options, W::ENCODED_AGAIN, &complete, self.progress)?;
        Ok(Outcome::new(Exit::Done, Summary::Described(totals)))
    }

    /// Plans a new run. What the tool decides once the arrays are known goes to `body`.
    pub fn plan_new<'s>(
        &self,
        sources: &Sources<'s>,
        output: &Location,
        body: &mut W::Body,
    ) -> Result<PlannedOrRefused<'s>, Failure> {
        match self.plan(sources, output, body, None)? {
            Ok(plan) if self.tool.refine(body, &plan, output, self.progress)? => self.plan(sources, output, body, None),
            planned => Ok(planned),
        }
    }

    fn resume(&self, stores: &[Store], staged: StagedStore, file: PlanFile<W::Body>) -> Result<Outcome, Failure> {
        self.check_same_run(&file.header, stores, false)?;
        if staged.is_finishing()? {
            // All was done but publishing. The source may be the output, some of whose documents are new: it is not read as a
            // store before all of them are.
            sweep(&staged)?;
            let pool = self.options.pool(&stores[0]);
            publish(staged, &file.header, stores, &pool, self.options.keep_journal.as_deref())?;
            self.warn_stale_copies(&file.header);
            return Ok(Outcome::new(Exit::Done, Summary::Nothing {}));
        }
        let sources = self.sources(stores, staged.output(), Some(&file.body))?;
        let body = self.tool.body(Some(&file.body), &sources)?;
        let plan = match self.plan(&sources, staged.output(), &body, Some(&file.header))? {
            Ok(plan) => plan,
            Err(refused) => return Ok(refused),
        };
        if self.options.dry_run {
            plan.check_documents(self.format(&body), self.options.begin == Begin::InPlace)?;
            return self.describe(&plan, &body);
        }
        check_fingerprint(&file.header, &plan.plans, staged.output())?;
        plan.check_swapped(file.header.backup.is_some())?;
        sweep(&staged)?;
        plan.write_documents(self.format(&body), &staged)?;
        if self.options.prepare.is_some() {
            return Ok(Outcome::new(Exit::Done, Summary::Prepared { parts: file.header.parts }));
        }
        self.work(&body, &plan, staged, &file.header)
    }

    /// All the work in one process, and publishing.
    fn work(
        &self,
        body: &W::Body,
        plan: &OutputPlan,
        staged: StagedStore,
        header: &Header,
    ) -> Result<Outcome, Failure> {
        let work = self.do_part(plan, &staged, header, Part::WHOLE, true).inspect_err(|_| {
            let interrupted = self.progress.stopped().is_some();
            let why = if interrupted { "interrupted" } else { "the run failed" };
            self.warn_kept(&staged, why);
        })?;
        self.conclude(body, plan, staged, header, &work)
    }

    pub fn do_part(
        &self,
        plan: &OutputPlan,
        staged: &StagedStore,
        header: &Header,
        part: Part,
        whole: bool,
    ) -> Result<Work, Failure> {
        let store = plan.store().location().to_string();
        let record = |plan: &ArrayPlan, stats: &ArrayStats| self.tool.record(&store, plan, stats);
        let (options, progress) = (self.options, self.progress);
        plan.work(&PartRun { options, staged, header, part, whole, record: &record, progress })
    }

    /// The plan of every array; how the run ends where that is not possible.
    pub fn plan<'s>(
        &self,
        sources: &Sources<'s>,
        output: &Location,
        body: &W::Body,
        planned: Option<&Header>,
    ) -> Result<PlannedOrRefused<'s>, Failure> {
        let plan_array = self.tool.planner(body, self.options.begin)?;
        let mut plan = match OutputPlan::read(sources, output, self.options, &plan_array, self.progress)? {
            Planned::Possible(plan) => plan,
            Planned::Impossible(failures) => return self.refuse(&failures).map(Err),
        };
        plan.add(self.tool.added(body)?);
        self.tool.check(body, plan.store(), &plan.plans)?;
        plan.divide(output, self.options, planned)?;
        Ok(Ok(plan))
    }

    /// Reports everything that stands in the way; nothing has been written.
    fn refuse(&self, failures: &[Failure]) -> Result<Outcome, Failure> {
        failures.iter().try_for_each(|failure| self.progress.item_failed(failure))?;
        let exit = failures.first().map_or(Exit::Unreadable, |failure| failure.exit);
        Ok(Outcome::new(exit, Summary::Nothing {}))
    }

    /// Opens the sources of a new run, or of one that was `planned`.
    pub fn sources<'s>(
        &self,
        stores: &'s [Store],
        output: &Location,
        planned: Option<&W::Body>,
    ) -> Result<Sources<'s>, Failure> {
        let sources = Sources::open(stores, output, self.options, W::SELECTS)?;
        sources.hierarchy.find_named(&self.tool.named(planned))?;
        Ok(sources)
    }

    pub fn format<'b>(&'b self, body: &'b W::Body) -> Format<'b> {
        let attributes = self.tool.attributes(body);
        Format { wanted: self.tool.format(body), convert: self.tool.convert(), attributes }
    }

    /// The command line must not contradict the unfinished run.
    fn check_same_run(&self, header: &Header, stores: &[Store], is_part: bool) -> Result<(), Failure> {
        let options = self.options;
        if (options.begin == Begin::InPlace) != header.in_place && !is_part {
            return Err(Failure::usage(format!("{} differs from the unfinished run", W::IN_PLACE_FLAG)));
        }
        if stores.len() != header.sources.len() {
            let (planned, given) = (header.sources.len(), stores.len());
            return Err(Failure::usage(format!("the unfinished run has {planned} sources, and {given} are given")));
        }
        let differs = |(store, source): &(&Store, &String)| absolute(store.location()) != **source;
        if let Some((store, source)) = stores.iter().zip(&header.sources).find(differs) {
            let text = format!("the unfinished run has another source: {source}");
            return Err(Failure::usage(text).at(store.location()));
        }
        let backup = options.backup.as_ref().map(|directory| absolute(&Location::Local(directory.clone())));
        if backup.is_some() && backup != header.backup {
            return Err(Failure::usage("--backup differs from the unfinished run"));
        }
        Ok(())
    }

    /// Publishes the output, or keeps it for a resume.
    fn conclude(
        &self,
        body: &W::Body,
        plan: &OutputPlan,
        staged: StagedStore,
        header: &Header,
        work: &Work,
    ) -> Result<Outcome, Failure> {
        let totals = work.totals;
        if let Some(exit) = self.progress.stopped() {
            self.warn_kept(&staged, "interrupted");
            return Ok(Outcome::new(exit, Summary::Totals(totals)));
        }
        if totals.lost > 0 {
            let failed = human_counted(totals.lost, "object");
            self.warn_kept(&staged, &format!("unfinished: {failed} failed"));
            if !W::SELECTS && self.options.on_bad_chunk == OnBadChunk::Error && totals.unreadable > 0 {
                self.progress.warn("use --on-bad-chunk copy or skip to finish despite unreadable chunks");
            }
            return Ok(Outcome::new(totals.exit_of_lost(), Summary::Totals(totals)));
        }
        if totals.skipped_keys > 0 {
            let strays = human_counted(totals.skipped_keys, "key");
            let what = if header.in_place { "kept" } else { "not copied" };
            let source = header.first_source();
            self.progress
                .warn(&format!("{source}: {strays} outside any array {what}; use zinspect --sizes to list them"));
        }
        let pool = self.options.pool(staged.objects());
        // The last moment at which a signal still stops it.
        staged.objects().sync()?;
        if let Some(exit) = self.progress.stopped() {
            self.warn_kept(&staged, "interrupted");
            return Ok(Outcome::new(exit, Summary::Totals(totals)));
        }
        let path = staged.output().to_string();
        // The finished work is kept whatever the checks find.
        staged.keep();
        staged.prove_lock()?;
        let looked = plan
            .check_unchanged(&staged, &work.seen, self.progress)
            .and_then(|()| self.tool.check_written(body, &plan.plans, staged.objects(), &pool))
            .and_then(|()| self.tool.before_publishing(body, staged.objects()));
        let keep_journal = self.options.keep_journal.as_deref();
        let published = looked.and_then(|()| publish(staged, header, plan.stores, &pool, keep_journal));
        published.inspect_err(|failure| {
            let next = if failure.advice().is_none() { "; rerun with --resume" } else { "" };
            self.progress.warn(&format!("{path}: all chunks are written, but publishing failed{next}"));
        })?;
        self.progress.too_late();
        self.warn_stale_copies(header);
        Ok(Outcome::new(exit_of(&totals), Summary::Totals(totals)))
    }

    /// The plan holds no credentials, and so the parts have none.
    fn warn_credentials(&self, source: &Location) {
        if source.has_credentials() {
            let text =
                "its password or signature is not stored in the plan; give each part and --finish the source again";
            self.progress.warn(&format!("{source}: {text}: --part I/N SRC {}DST", W::OUTPUT_FLAG));
        }
    }

    /// Groups above the one that was changed in place may hold copies of its metadata.
    fn warn_stale_copies(&self, header: &Header) {
        for group in enclosing_copies(Path::new(header.first_source())).filter(|_| header.in_place) {
            let text =
                "consolidated metadata is out of date, and readers see the old store in it; consolidate it again";
            self.progress.warn(&format!("{}: {text}", group.display()));
        }
    }

    /// Warns that the output is unfinished and how to continue.
    fn warn_kept(&self, staged: &StagedStore, why: &str) {
        let path = staged.output();
        self.progress.warn(&match staged.is_kept() {
            true => format!("{path}: {why}; finished work is kept, rerun with --resume to continue"),
            false => format!("{path}: not written: {why}"),
        });
    }
}

/// Whether a location is a Zarr store.
///
/// # Errors
/// The store's.
pub fn is_store(location: &Location, options: &StoreOptions) -> Result<bool, StoreError> {
    let store = match Store::open_at(location, options) {
        Err(StoreError::Absent { .. } | StoreError::NotADirectory { .. }) => return Ok(false),
        opened => opened?,
    };
    for name in METADATA {
        if store.stat(name)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The exit code of a run that lost nothing.
pub fn exit_of(totals: &Totals) -> Exit {
    if totals.failed > 0 { Exit::Partial } else { Exit::Done }
}

pub fn check_fingerprint(header: &Header, plans: &[ArrayPlan], output: &Location) -> Result<(), Failure> {
    match header.fingerprint == plan_file::fingerprint(plans) {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "the arrays of the source differ from the plan (written by version {})",
            header.version
        ))
        .at(output)
        .hint(if header.in_place { START_OVER } else { "start over with --overwrite" })),
    }
}
