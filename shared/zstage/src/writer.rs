//! What a tool adds to the common writer, whose job is in `run.rs`.

use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zarray::{Array, Pool, ZarrFormat};
use zstore::{Location, Store, StoreOptions, Target};
use zwire::{Failure, PlanRecord, Record};

use crate::array_plan::ArrayPlan;
use crate::documents::{Attributes, Convert};
use crate::options::Begin;
use crate::output_plan::{OutputPlan, PlanArray};
use crate::progress::Progress;
use crate::sources::Sources;
use crate::stats::ArrayStats;

/// All nodes keep their attributes.
static NO_ATTRIBUTES: Attributes = Attributes::new();

/// What a tool adds to the common writer.
pub trait Writer: Sync {
    /// The tool's part of the plan file: what decides the bytes of the output.
    type Body: Clone + Serialize + DeserializeOwned + Sync;

    /// The tool's name in the plan file.
    const TOOL: &'static str;

    /// Whether the output may be a part of the source: see [`Sources::open`].
    const SELECTS: bool = false;

    /// The total of a plan for arrays whose chunks are encoded again.
    const ENCODED_AGAIN: &'static str = "recompress";

    /// The flag before the output in commands, with a space after it; empty where the output is an argument.
    const OUTPUT_FLAG: &'static str = "";

    /// The flag that writes to the source itself.
    const IN_PLACE_FLAG: &'static str = "--in-place";

    /// Whether the values of a finished output are compared with those of the source. Where these are computed, the output says from what.
    const COMPARES_VALUES: bool = true;

    /// Names or paths of the arrays that are wanted, if they are named, or those that were `planned`: a server may not be able to list
    /// what there is.
    fn named(&self, _planned: Option<&Self::Body>) -> Vec<String> {
        Vec::new()
    }

    /// Opens a source store, by default at its path or URL; a tool that computes its data opens a store that generates them. `planned` is
    /// what an unfinished run has decided, if its plan was read before.
    ///
    /// # Errors
    /// The store's.
    fn open(&self, source: &Target, _planned: Option<&Self::Body>, options: &StoreOptions) -> Result<Store, Failure> {
        Ok(Store::open(source, options)?)
    }

    /// What decides the bytes: as the command line says, or of an unfinished run, which the command line must not
    /// contradict.
    ///
    /// # Errors
    /// [`Exit::Usage`] with the flag that differs.
    fn body(&self, planned: Option<&Self::Body>, sources: &Sources) -> Result<Self::Body, Failure>;

    /// What is done with one array of the source, in an output that was begun as `begin` says; `None` leaves it out, which only
    /// a tool that selects does.
    ///
    /// # Errors
    /// What stands in the way of this array, and so of the output.
    fn plan(&self, body: &Self::Body, begin: Begin, store: &Store, array: Array) -> Result<Option<ArrayPlan>, Failure>;

    /// Makes the planner of single arrays; work that all arrays share is done once.
    ///
    /// # Errors
    /// Options that cannot be applied to any array.
    fn planner<'a>(&'a self, body: &'a Self::Body, begin: Begin) -> Result<Box<PlanArray<'a>>, Failure> {
        Ok(Box::new(move |store: &Store, array: Array| self.plan(body, begin, store, array)))
    }

    /// The plans of arrays that the first source store does not have, as views of others.
    ///
    /// # Errors
    /// What stands in their way.
    fn added(&self, _body: &Self::Body) -> Result<Vec<ArrayPlan>, Failure> {
        Ok(Vec::new())
    }

    /// Looks at the plans of all arrays together.
    ///
    /// # Errors
    /// A selection that selects nothing, and the like.
    fn check(&self, _body: &Self::Body, _store: &Store, _plans: &[ArrayPlan]) -> Result<(), Failure> {
        Ok(())
    }

    /// Changes the body of a new run once its arrays are known; `true`: they are planned again.
    ///
    /// # Errors
    /// What ends the run.
    fn refine(
        &self,
        _body: &mut Self::Body,
        _plan: &OutputPlan,
        _output: &Location,
        _progress: &dyn Progress,
    ) -> Result<bool, Failure> {
        Ok(false)
    }

    /// Looks at what was written of an output that is about to be published; `written` is the store of its objects.
    ///
    /// # Errors
    /// What is wrong with it: it is not published.
    fn check_written(
        &self,
        _body: &Self::Body,
        _plans: &[ArrayPlan],
        _written: &Store,
        _pool: &Pool,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// Compares what a finished output says of itself in its attributes with what is asked for now.
    ///
    /// # Errors
    /// [`Exit::Output`](zwire::Exit::Output) with what differs.
    fn check_finished(&self, _body: &Self::Body, _written: &Store) -> Result<(), Failure> {
        Ok(())
    }

    /// The indices of a plan along its joined dimension at which sources differ, so that a choice between them decided: a finished output
    /// is compared there in full.
    fn decided(&self, _body: &Self::Body, _plan: &ArrayPlan) -> Vec<Range<u64>> {
        Vec::new()
    }

    /// Changes stored objects of an output, once all are written and before it is published. Can be repeated.
    ///
    /// # Errors
    /// The store's.
    fn before_publishing(&self, _body: &Self::Body, _objects: &Store) -> Result<(), Failure> {
        Ok(())
    }

    /// The Zarr format of the output; `None`: the source's.
    fn format(&self, _body: &Self::Body) -> Option<ZarrFormat> {
        None
    }

    /// What converts documents to that format.
    fn convert(&self) -> Option<&dyn Convert> {
        None
    }

    /// New attributes of nodes, by the start of their keys.
    fn attributes<'b>(&self, _body: &'b Self::Body) -> &'b Attributes {
        &NO_ATTRIBUTES
    }

    /// Completes the record of an array in a dry run.
    fn complete(&self, _body: &Self::Body, _plan: &ArrayPlan, _record: &mut PlanRecord) {}

    /// The record of a finished array of the source store `store`, if it has one.
    fn record(&self, store: &str, plan: &ArrayPlan, stats: &ArrayStats) -> Option<Record>;
}
