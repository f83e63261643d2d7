//! What `zdedup` adds to the common writer: a join of all batches, and the record of each array.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use zarray::{Array, Elements, Hierarchy, Itemsize, Node, Pool};
use zcoord::{Column, Mode, dimensions, read_coordinate};
use zstage::rechunk::Shapes;
use zstage::{
    Action, ArrayPlan, ArrayStats, Attributes, Begin, Encoding, JoinRun, OutputPlan, PlanArray, Progress, Sources,
    View, Writer, as_planned,
};
use zstore::{Location, Store};
use zwire::{ConcatRecord, Exit, Failure, PlanRecord, Record, human_counted};

use crate::align::{AlignRequest, align};
use crate::aligned::Aligned;
use crate::batch::coordinate;
use crate::crop::Crop;
use crate::layout::{cannot_encode, laid_out, reads_again};
use crate::options::{Options, OutputOptions};
use crate::plan_body::{Body, GroupRuns};
use crate::rules::{CopyMode, JoinMode};
use crate::time_check::check_times;
use crate::variables::axis;

/// `zdedup` as a writer.
pub struct Concat<'a> {
    options: &'a Options,
    /// What is kept of the batches of each group; `None` for a step of an output that was prepared.
    groups: Option<Vec<GroupRuns>>,
    /// The coordinate of the store that is appended to, as the choice was made from it.
    before: Option<&'a Column>,
    /// Where in the output the choice decides, for each group.
    decided: Vec<Vec<Range<u64>>>,
    /// The coordinate of the first store.
    coordinate: Mutex<Option<Array>>,
    /// The batches of each group.
    aligned: Mutex<Option<Arc<Vec<Aligned>>>>,
    /// Whether the ranges of a group fit chunks of a length along the dimension.
    fitting: Mutex<HashMap<(usize, u64), bool>>,
    /// Objects whose stored bytes were copied.
    copied: AtomicU64,
}

impl<'a> Concat<'a> {
    /// A concatenation of these ranges.
    pub fn new(options: &'a Options, groups: Option<Vec<GroupRuns>>, before: Option<&'a Column>) -> Concat<'a> {
        Concat {
            options,
            groups,
            before,
            decided: Vec::new(),
            coordinate: Mutex::default(),
            aligned: Mutex::default(),
            fitting: Mutex::default(),
            copied: AtomicU64::new(0),
        }
    }

    /// The same, with the indices of the output of each group whose data differ between batches.
    pub fn with_decided(self, decided: Vec<Vec<Range<u64>>>) -> Concat<'a> {
        Concat { decided, ..self }
    }

    /// Bytes that values which are compared may take.
    fn memory(&self) -> u64 {
        self.options.write.memory_bytes / 4
    }

    /// Compares the batches of each group, and the first batches of all groups.
    fn align(
        &self,
        groups: &[GroupRuns],
        sources: &Sources,
        output: &OutputOptions,
        crop: &Crop,
        dim: &str,
    ) -> Result<Vec<Aligned>, Failure> {
        let (stores, pool) = (sources.stores, &*sources.pool);
        let appends = self.options.appends;
        let request = AlignRequest { stores, pool, output, memory: self.memory(), dim, crop, appends };
        let firsts: Vec<usize> = groups.iter().filter_map(|group| group.batches.first().copied()).collect();
        let later = |number: usize| -> Vec<usize> {
            groups.iter().skip(number + 1).flat_map(|group| &group.batches).copied().collect()
        };
        let nodes = if groups.len() > 1 { group_paths(&sources.hierarchy, pool) } else { BTreeSet::new() };
        let align_group = |(number, group): (usize, &GroupRuns)| {
            if number == 0 {
                return align(&group.batches, &later(0), &sources.hierarchy, &request);
            }
            let first = &stores[firsts[number]];
            let hierarchy = Hierarchy::open(first, pool, first.is_remote())?;
            if hierarchy.format() != sources.hierarchy.format() {
                let text = format!("is of another Zarr format than {}", stores[firsts[0]].location());
                return Err(Failure::new(Exit::Unreadable, text)
                    .at(first.location())
                    .hint("convert it with zrecompress --zarr-format"));
            }
            let aligned = align(&group.batches, &later(number), &hierarchy, &request)?;
            check_groups(&aligned.arrays, &nodes).map_err(|failure| failure.at(first.location()))?;
            Ok(aligned)
        };
        groups.iter().enumerate().map(align_group).collect()
    }

    /// Objects whose stored bytes were copied.
    pub fn copied(&self) -> u64 {
        self.copied.load(Ordering::Relaxed)
    }

    fn array(
        &self,
        body: &Body,
        aligned: &Aligned,
        runs: &Arc<[JoinRun]>,
        shapes: &Shapes,
        array: &Array,
    ) -> Result<ArrayPlan, Failure> {
        let Some(view) = aligned.view(array, runs)? else {
            let plan = ArrayPlan::new(array.clone(), Action::Copy("no such dimension"), body.append);
            return Ok(plan);
        };
        if !matches!(view, View::Join(_)) {
            return Ok(ArrayPlan::of_view(array, view, Action::Copy("no such dimension")));
        }
        let plan = ArrayPlan::of_view(array, view, Action::Copy("stored chunks where possible"));
        let plan = if body.append { plan } else { laid_out(body, shapes, array, plan)? };
        self.check(array, aligned, runs, &plan)?;
        Ok(if body.append { plan.appended() } else { plan })
    }

    /// Chunks that are assembled must be encoded, and are not wanted with `--copy raw`, except those of coordinates.
    fn check(&self, array: &Array, aligned: &Aligned, runs: &[JoinRun], plan: &ArrayPlan) -> Result<(), Failure> {
        let (Some(axis), Some(grid)) = (axis(array, &aligned.dim), plan.array.numbered()) else { return Ok(()) };
        let is_raw = self.options.output.copy == CopyMode::Raw && array.shape.len() > 1;
        let is_text = Elements::of(array).is_ok_and(|elements| elements.itemsize == Itemsize::Variable);
        let can_encode = plan.encoding().is_some() || Encoding::of(array.chain.innermost(), array.format).is_some();
        let can_assemble = can_encode && !(is_text && plan.array.chain.sharding.is_some());
        if can_assemble && !is_raw {
            return Ok(());
        }
        let is_copied = plan.new_members.is_none()
            && match aligned.differs(array) || !aligned.crop.is_empty() {
                false => self.fits(runs, grid.chunk_shape()[axis]),
                true => plan.copied_objects().is_some_and(|(copied, all)| copied == all),
            };
        if is_copied {
            return Ok(());
        }
        if can_encode && !can_assemble {
            let text = "shards of elements of variable length cannot be assembled";
            let hint = match self.options.appends {
                true => "write a new store: use -o and --no-shards in place of --append-to",
                false => "use --no-shards",
            };
            return Err(Failure::new(Exit::Unreadable, text).at(&array.path).hint(hint));
        }
        if is_raw {
            let text = format!(
                "--copy raw: the chunks of some batches cannot be copied: they have {} indices along {}, or are encoded otherwise",
                grid.chunk_shape()[axis],
                aligned.dim
            );
            return Err(Failure::usage(text).at(&array.path).hint("use --copy auto"));
        }
        Err(cannot_encode(array)())
    }

    /// Whether all ranges begin and end where chunks of this length do. Most arrays have the same.
    fn fits(&self, runs: &[JoinRun], chunk: u64) -> bool {
        let fits = |run: &JoinRun| run.offset.is_multiple_of(chunk) && run.start.is_multiple_of(chunk);
        let is_full = |run: &JoinRun| run.length.is_multiple_of(chunk);
        *self
            .fitting
            .lock()
            .entry((runs.as_ptr() as usize, chunk))
            .or_insert_with(|| runs.iter().all(fits) && runs.iter().rev().skip(1).all(is_full))
    }
}

/// Paths of the groups of a store.
fn group_paths(hierarchy: &Hierarchy, pool: &Pool) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    hierarchy.walk(
        pool,
        |visit| visit,
        |visit| {
            if let Ok(Node::Group(group)) = visit {
                paths.insert(group.path.trim_end_matches('/').to_owned());
            }
            true
        },
    );
    paths
}

/// Arrays of other stores go into groups that the first one has, and take no group's place.
fn check_groups(arrays: &[Array], groups: &BTreeSet<String>) -> Result<(), Failure> {
    let refused = |text: String| {
        let failure = Failure::new(Exit::Unreadable, text);
        failure.hint("merge the groups one by one: STORE/GROUP; or leave arrays out with --var")
    };
    for array in arrays {
        let parent = array.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if groups.contains(&array.path) {
            return Err(refused(format!("--merge: {} is a group in the first store", array.path)));
        }
        if !groups.contains(parent) {
            return Err(refused(format!("--merge: the first store has no group {parent}")));
        }
    }
    Ok(())
}

/// Dimensions of the same name and group have the same length in all arrays, or xarray could not open the output.
fn check_lengths(plans: &[ArrayPlan]) -> Result<(), Failure> {
    let mut seen: HashMap<(&str, &str), (u64, &str)> = HashMap::new();
    for plan in plans {
        let array = &plan.array;
        let parent = array.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        for (name, length) in dimensions(array).unwrap_or_default().into_iter().zip(&array.shape) {
            let (other, path) = *seen.entry((parent, name)).or_insert((*length, &array.path));
            if other != *length {
                let text = format!(
                    "--merge: the dimension {name} has length {length} in {}, and {other} in {path}",
                    array.path
                );
                return Err(Failure::new(Exit::Unreadable, text).hint("leave one out with --var"));
            }
        }
    }
    Ok(())
}

/// Attributes that change: of each node as the first group that has it combined them.
fn attributes(aligned: &[Aligned]) -> Attributes {
    let mut all = Attributes::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for (number, group) in aligned.iter().enumerate() {
        let of_array = |prefix: &str| group.wanted.contains(&format!("/{prefix}"));
        let changed = group.attributes.iter();
        // The groups of the hierarchy are those of the first store.
        let own = changed.filter(|(prefix, _)| number == 0 || (of_array(prefix) && !known.contains(prefix.as_str())));
        all.extend(own.map(|(prefix, attributes)| (prefix.clone(), attributes.clone())));
        known.extend(group.wanted.iter().map(|path| path.trim_start_matches('/')));
    }
    all
}

/// A plan that was edited may name stores that there are not.
fn check_numbers(groups: &[GroupRuns], stores: usize) -> Result<(), Failure> {
    let is_store = |number: &usize| *number < stores;
    let is_valid = |group: &GroupRuns| {
        let ranges =
            group.ranges.iter().all(|(store, start, length)| is_store(store) && start.checked_add(*length).is_some());
        !group.batches.is_empty() && group.batches.iter().all(is_store) && ranges
    };
    match !groups.is_empty() && groups.iter().all(is_valid) {
        true => Ok(()),
        false => Err(Failure::new(Exit::Unreadable, "the plan names stores that it does not have")
            .hint("remove the .plan directory next to the output, then run the command again")),
    }
}

/// A store that is appended to keeps its values.
fn check_area(crop: &Crop, sources: &Sources) -> Result<(), Failure> {
    let Some(name) = crop.cropped_in_first() else { return Ok(()) };
    let text = format!("--join inner: a store has not all values of {name} that the store to append to has");
    Err(Failure::new(Exit::Unreadable, text).at(sources.store().location()).hint("write a new store with -o"))
}

/// Another program may have appended to the store since its coordinate was read: now, it is locked.
fn check_before(sources: &Sources, dim: &str, before: &Column, options: &Options) -> Result<(), Failure> {
    let store = sources.store();
    let array = coordinate(&sources.hierarchy, dim, &sources.pool).map_err(|failure| failure.at(store.location()))?;
    let memory = options.write.memory_bytes / 2;
    let (now, _) = read_coordinate(store, &array, Mode::Cf, &sources.pool, memory)?;
    if now.values == before.values {
        return Ok(());
    }
    let failure = Failure::new(Exit::Output, format!("{dim} was changed by another program; nothing is appended"));
    Err(failure.at(store.location()).hint("run the command again"))
}

impl Writer for Concat<'_> {
    type Body = Body;

    const TOOL: &'static str = "zdedup";

    const SELECTS: bool = true;

    const OUTPUT_FLAG: &'static str = "-o ";

    const IN_PLACE_FLAG: &'static str = "--append-to";

    fn body(&self, planned: Option<&Body>, sources: &Sources) -> Result<Body, Failure> {
        let dim = planned.map(|planned| planned.dim.clone()).or_else(|| self.options.dim.clone());
        let dim = dim.ok_or_else(|| Failure::usage("missing option: --dim DIM"))?;
        let given = &self.options.output;
        let output = planned.map_or_else(|| Ok(given.clone()), |planned| as_planned(given, &planned.output))?;
        let groups = match (&self.groups, planned) {
            (None, Some(planned)) => planned.groups.clone(),
            (groups, _) => groups.clone().unwrap_or_default(),
        };
        check_numbers(&groups, sources.stores.len())?;
        let crop = match output.join {
            JoinMode::Inner => Crop::read(sources.stores, &dim, &sources.pool, self.memory(), output.coord_tolerance)?,
            _ => Crop::default(),
        };
        let aligned = self.align(&groups, sources, &output, &crop, &dim)?;
        let attributes = attributes(&aligned);
        *self.coordinate.lock() = coordinate(&sources.hierarchy, &dim, &sources.pool).map(Some)?;
        *self.aligned.lock() = Some(Arc::new(aligned));
        if self.options.appends {
            check_area(&crop, sources)?;
        }
        if let (None, Some(before)) = (planned, self.before) {
            check_before(sources, &dim, before, self.options)?;
        }
        let body = Body {
            dim,
            groups,
            output,
            crop,
            append: planned.map_or(self.options.appends, |planned| planned.append),
            attributes,
        };
        match planned.is_none_or(|planned| *planned == body) {
            true => Ok(body),
            false => Err(Failure::usage("the batches or the choice of duplicates differ from the unfinished run")
                .hint("start over with --overwrite")),
        }
    }

    fn plan(&self, body: &Body, begin: Begin, store: &Store, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        self.planner(body, begin)?(store, array)
    }

    fn planner<'b>(&'b self, body: &'b Body, _: Begin) -> Result<Box<PlanArray<'b>>, Failure> {
        let groups = self.aligned.lock().clone();
        let groups = groups.ok_or_else(|| Failure::new(Exit::Bug, "the batches were not compared"))?;
        let runs = body.groups.first().map(GroupRuns::runs).unwrap_or_else(|| Vec::new().into());
        let shapes = body.output.chunk.shapes()?;
        Ok(Box::new(move |store: &Store, array: Array| {
            let Some(aligned) = groups.first().filter(|aligned| aligned.wanted.contains(&array.path)) else {
                return Ok(None);
            };
            let plan = self.array(body, aligned, &runs, &shapes, &array);
            plan.map(Some).map_err(|failure| failure.at(store.place(array.key_prefix())))
        }))
    }

    fn added(&self, body: &Body) -> Result<Vec<ArrayPlan>, Failure> {
        let groups = self.aligned.lock().clone();
        let groups = groups.ok_or_else(|| Failure::new(Exit::Bug, "the batches were not compared"))?;
        let shapes = body.output.chunk.shapes()?;
        let mut plans: Vec<ArrayPlan> = Vec::new();
        let mut paths: BTreeSet<&str> =
            groups.iter().take(1).flat_map(|group| &group.wanted).map(String::as_str).collect();
        for (aligned, group) in groups.iter().zip(&body.groups).skip(1) {
            let runs = group.runs();
            for array in &aligned.arrays {
                if paths.insert(&array.path) {
                    let plan =
                        self.array(body, aligned, &runs, &shapes, array).map_err(|failure| failure.at(&array.path))?;
                    plans.push(ArrayPlan { origin: aligned.first, ..plan });
                }
            }
        }
        Ok(plans)
    }

    fn refine(
        &self,
        body: &mut Body,
        plan: &OutputPlan,
        _: &Location,
        progress: &dyn Progress,
    ) -> Result<bool, Failure> {
        check_times(plan, self.memory(), &|| progress.stopped().is_some())?;
        if let Some(exit) = progress.stopped() {
            return Err(Failure::stopped(exit));
        }
        body.check_shapes(&plan.plans)?.iter().for_each(|note| progress.warn(note));
        let cropped: Vec<String> = body
            .crop
            .dimensions()
            .map(|(name, length)| format!("{} of {name}", human_counted(length, "value")))
            .collect();
        if !cropped.is_empty() {
            progress.warn(&format!("--join inner: the output has the {} that all stores have", cropped.join(", ")));
        }
        reads_again(&plan.plans).iter().for_each(|note| progress.warn(note));
        self.aligned
            .lock()
            .iter()
            .flat_map(|groups| groups.iter())
            .filter_map(|group| group.note.as_ref())
            .for_each(|note| progress.warn(note));
        Ok(false)
    }

    fn check(&self, body: &Body, store: &Store, plans: &[ArrayPlan]) -> Result<(), Failure> {
        if body.groups.len() > 1 {
            check_lengths(plans).map_err(|failure| failure.at(store.location()))?;
        }
        body.check_shapes(plans).map(drop).map_err(|failure| failure.at(store.location()))
    }

    fn check_written(&self, body: &Body, plans: &[ArrayPlan], written: &Store, pool: &Pool) -> Result<(), Failure> {
        let Some(coordinate) = self.coordinate.lock().clone() else { return Ok(()) };
        let Some(plan) = plans.iter().find(|plan| plan.array.path == coordinate.path) else { return Ok(()) };
        // Plans have no attributes, by which times are read.
        let array = Array { attributes: coordinate.attributes, ..plan.array.clone() };
        body.check_coordinate(&array, written, pool, self.memory())
    }

    fn decided(&self, body: &Body, plan: &ArrayPlan) -> Vec<Range<u64>> {
        let group = body.groups.iter().position(|group| group.batches.contains(&plan.origin)).unwrap_or(0);
        self.decided.get(group).cloned().unwrap_or_default()
    }

    fn attributes<'b>(&self, body: &'b Body) -> &'b Attributes {
        &body.attributes
    }

    fn complete(&self, _: &Body, plan: &ArrayPlan, record: &mut PlanRecord) {
        record.action = action(plan).into();
        // Arrays without the dimension are those of the first batch, as they are or all encoded again.
        let whole = |all| (if plan.encoding().is_none() { all } else { 0 }, all);
        let Some((copied, all)) = plan.copied_objects().or(record.objects_expected.map(whole)) else { return };
        (record.objects_copied, record.objects_recoded) = (Some(copied), Some(all - copied));
        if let Some(bytes) = record.uncompressed_bytes {
            let share = u128::from(bytes) * u128::from(copied) / u128::from(all.max(1));
            let share = u64::try_from(share).unwrap_or(bytes);
            record.uncompressed_bytes_copied = Some(share);
            record.uncompressed_bytes_recoded = Some(bytes - share);
        }
    }

    fn record(&self, store: &str, plan: &ArrayPlan, array: &ArrayStats) -> Option<Record> {
        let stats = &array.stats;
        let copied = stats.objects.saturating_sub(stats.recompressed);
        self.copied.fetch_add(copied, Ordering::Relaxed);
        let is_shown = self.options.verbose || array.failed > 0;
        is_shown.then(|| {
            Record::Concat(Box::new(ConcatRecord {
                store: store.to_owned(),
                path: plan.array.path.clone(),
                shape: plan.array.shape.clone(),
                action: action(plan).into(),
                objects: stats.objects,
                copied,
                recoded: stats.recompressed,
                bytes: stats.bytes_after,
                verified: stats.verified,
                failed: array.failed,
                ..ConcatRecord::default()
            }))
        })
    }
}

fn action(plan: &ArrayPlan) -> &'static str {
    if matches!(plan.view, View::Join(_)) { "concatenate" } else { "copy" }
}
