//! What `zrecompress` adds to the common writer: which encoding each array gets, and the record of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zarray::{Array, VarFilter, ZarrFormat};
use zcodec::{Blosc, Codec, SplitMode};
use zstage::{
    ArrayPlan, ArrayStats, Begin, Convert, OnBadChunk, OutputPlan, PlanArray, Progress, Sources, WriteOptions, Writer,
    as_planned,
};
use zstore::{Location, Store};
use zwire::{Failure, RecompressRecord, Record, ratio, round3};

use crate::convert::Converter;
use crate::options::{EncodeOptions, Options};
use crate::request::{Request, is_coordinate};
use crate::trial::{self, TrialOptions};

/// `zrecompress` as a writer.
pub struct Recompress<'a> {
    options: &'a Options,
}

/// The failure of a pattern that matches no array. Records name groups, too: of their paths, and of those that a plan has
/// from them, one that matches is enough.
fn unmatched(options: &Options, var: &[String], paths: &[String]) -> Result<Option<Failure>, Failure> {
    let all = VarFilter::new(var)?;
    let is_typed = !options.var_of_records && !options.encode.var.is_empty();
    let is_enough = !is_typed && paths.iter().any(|path| all.matches(path));
    Ok(all.unmatched(paths).into_iter().next().filter(|_| !is_enough))
}

/// What the plan file keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The flags that decide the bytes.
    #[serde(rename = "choices")]
    pub encode: EncodeOptions,
    /// Codecs that a trial chose, by path of the array.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub chosen: BTreeMap<String, Value>,
}

impl<'a> Recompress<'a> {
    /// A run with these options.
    pub fn new(options: &'a Options) -> Recompress<'a> {
        Recompress { options }
    }

    fn write(&self) -> &WriteOptions {
        &self.options.write
    }
}

/// The arrays that get another encoding.
pub fn recompressed(plans: &[ArrayPlan]) -> impl Iterator<Item = &Array> {
    plans.iter().filter(|plan| plan.encoding().is_some()).map(|plan| &plan.array)
}

impl Writer for Recompress<'_> {
    type Body = Body;

    const TOOL: &'static str = "zrecompress";

    fn body(&self, planned: Option<&Body>, _: &Sources) -> Result<Body, Failure> {
        let given = &self.options.encode;
        match planned {
            None => Ok(Body { encode: given.clone(), chosen: BTreeMap::new() }),
            Some(planned) => Ok(Body { encode: as_planned(given, &planned.encode)?, chosen: planned.chosen.clone() }),
        }
    }

    fn plan(&self, body: &Body, begin: Begin, store: &Store, array: Array) -> Result<Option<ArrayPlan>, Failure> {
        self.planner(body, begin)?(store, array)
    }

    fn planner<'b>(&'b self, body: &'b Body, begin: Begin) -> Result<Box<PlanArray<'b>>, Failure> {
        let chosen = body.chosen();
        let request = Request {
            encode: &body.encode,
            var: VarFilter::new(&body.encode.var)?,
            shapes: body.encode.chunk.shapes()?,
            in_place: begin == Begin::InPlace,
            tries: self.options.trial.is_some() || !chosen.is_empty(),
            chosen,
        };
        Ok(Box::new(move |store: &Store, array: Array| request.plan(store, array).map(Some)))
    }

    fn check(&self, body: &Body, store: &Store, plans: &[ArrayPlan]) -> Result<(), Failure> {
        let paths: Vec<String> = plans.iter().map(|plan| plan.array.path.clone()).collect();
        if let Some(failure) = unmatched(self.options, &body.encode.var, &paths)? {
            return Err(failure.at(store.location()));
        }
        if !body.encode.chunk.is_given() {
            return Ok(());
        }
        body.check_shapes(plans).map_err(|failure| failure.at(store.location()))?;
        if self.write().on_bad_chunk == OnBadChunk::Copy && plans.iter().any(|plan| plan.rechunk().is_some()) {
            return Err(Failure::usage(
                "--on-bad-chunk copy cannot be combined with --chunks: chunks that cannot be decoded cannot be rechunked",
            ));
        }
        Ok(())
    }

    fn refine(
        &self,
        body: &mut Body,
        plan: &OutputPlan,
        output: &Location,
        progress: &dyn Progress,
    ) -> Result<bool, Failure> {
        if let Some(note) = body.check_shapes(&plan.plans)? {
            progress.warn(&note);
        }
        let Some(options) = &self.options.trial else { return Ok(false) };
        let source = plan.store().location().to_string();
        let options = TrialOptions { source, target: Some(output.to_string()), ..options.clone() };
        let arrays: Vec<&Array> = recompressed(&plan.plans).collect();
        let chosen = trial::choose(&options, plan.store(), &arrays, progress)?;
        body.chosen = chosen.iter().map(|(path, blosc)| (path.clone(), spec_of(blosc))).collect();
        Ok(true)
    }

    fn format(&self, body: &Body) -> Option<ZarrFormat> {
        body.encode.format()
    }

    fn convert(&self) -> Option<&dyn Convert> {
        Some(&Converter)
    }

    fn record(&self, store: &str, plan: &ArrayPlan, array: &ArrayStats) -> Option<Record> {
        let ArrayStats { stats, failed, seconds } = *array;
        // An array all of whose chunks turned out to be in the wanted encoding was only copied.
        let untouched = plan.encoding().is_some_and(|encoding| encoding.unchanged) && stats.recompressed == 0;
        let recompressed = plan.encoding().is_some() && !untouched;
        let timing = self.options.timing;
        Some(Record::Recompress(RecompressRecord {
            store: store.to_owned(),
            path: plan.array.path.clone(),
            action: match plan.rechunk() {
                Some(_) => plan.action.name(),
                None if recompressed => "recompress",
                None => "copy",
            }
            .to_owned(),
            reason: if untouched { Some("already in this codec".to_owned()) } else { plan.action.reason() },
            from: plan.array.chain.describe(),
            to: plan.new_codec(),
            objects: stats.objects,
            bytes_before: stats.bytes_before,
            bytes_after: stats.bytes_after,
            uncompressed_bytes: plan.encoding().map(|_| stats.uncompressed_bytes),
            // How much was stored of a rechunked array whose source was not listed is not known.
            gain: ratio(stats.bytes_before, stats.bytes_after).filter(|_| stats.bytes_before > 0),
            verified: stats.verified,
            failed,
            worker_seconds: timing.then(|| round3(seconds)),
            bytes_per_worker_second: timing
                .then(|| (stats.uncompressed_bytes.max(stats.bytes_before) as f64 / seconds.max(1e-9)).round()),
            ..RecompressRecord::default()
        }))
    }
}

impl Body {
    /// The arrays that are asked for and are not the coordinate of a dimension; if there are none, those coordinates.
    fn data_arrays<'a>(&self, plans: &'a [ArrayPlan]) -> Result<impl Iterator<Item = &'a Array> + use<'a>, Failure> {
        let var = VarFilter::new(&self.encode.var)?;
        let asked: Vec<&Array> =
            plans.iter().map(|plan| &plan.array).filter(|array| var.matches(&array.path)).collect();
        let only_coordinates = asked.iter().all(|array| is_coordinate(array));
        Ok(asked.into_iter().filter(move |array| only_coordinates || !is_coordinate(array)))
    }

    /// Checks the shapes that were asked for, and returns a note on data arrays that keep their chunks.
    fn check_shapes(&self, plans: &[ArrayPlan]) -> Result<Option<String>, Failure> {
        let all: Vec<&Array> = plans.iter().map(|plan| &plan.array).collect();
        let data: Vec<&Array> = self.data_arrays(plans)?.collect();
        self.encode.chunk.shapes()?.check(&all, &data)
    }

    /// The codecs that a trial chose.
    fn chosen(&self) -> BTreeMap<String, Blosc> {
        self.chosen.iter().filter_map(|(path, spec)| Some((path.clone(), blosc_of(spec)?))).collect()
    }
}

/// A Blosc codec with its split mode, which Zarr's metadata cannot express.
fn spec_of(blosc: &Blosc) -> Value {
    let mut spec = blosc.to_v2();
    spec["split"] = json!(blosc.split.name());
    spec
}

fn blosc_of(spec: &Value) -> Option<Blosc> {
    let split = SplitMode::from_name(spec.get("split")?.as_str()?)?;
    match Codec::from_v2(spec, 1) {
        Ok(Codec::Blosc(blosc, _)) => Some(Blosc { split, ..blosc }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use zcodec::{Cname, Shuffle};

    use super::*;

    #[test]
    fn a_chosen_codec_comes_back() {
        let blosc =
            Blosc { split: SplitMode::Always, blocksize: 4096, ..Blosc::new(Cname::Zstd, 2, Shuffle::Bitshuffle) };
        assert_eq!(blosc_of(&spec_of(&blosc)), Some(blosc));
    }
}
