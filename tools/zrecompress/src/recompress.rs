//! What `zrecompress` adds to the common writer: which encoding each array gets, and the record of each.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zarray::{Array, VarFilter, ZarrFormat};
use zcodec::{Blosc, Codec, SplitMode};
use zstage::{
    ArrayPlan, ArrayStats, Begin, Convert, OnBadChunk, OutputPlan, PlanArray, Progress, WriteOptions, Writer,
};
use zstore::{Location, Store};
use zwire::{Exit, Failure, RecompressRecord, Record, did_you_mean, ratio, round3};

use crate::convert::Converter;
use crate::options::{EncodeOptions, Options};
use crate::request::Request;
use crate::trial::{self, TrialOptions};

/// `zrecompress` as a writer.
pub struct Recompress<'a> {
    options: &'a Options,
}

/// The failure of a pattern that matches no array. Of many, paths that do not are let pass: records of groups name some, too.
fn unmatched(var: &[String], paths: &[String]) -> Result<Option<Failure>, Failure> {
    let all = VarFilter::new(var)?;
    if !paths.iter().any(|path| all.matches(path)) {
        return Ok(all.unmatched(paths).into_iter().next());
    }
    let names: Vec<String> = var.iter().filter(|pattern| !pattern.starts_with('/')).cloned().collect();
    Ok(VarFilter::new(&names)?.unmatched(paths).into_iter().next())
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

    fn body(&self, planned: Option<&Body>) -> Result<Body, Failure> {
        let given = &self.options.encode;
        match planned {
            None => Ok(Body { encode: given.clone(), chosen: BTreeMap::new() }),
            Some(planned) => Ok(Body { encode: given.resume(&planned.encode)?, chosen: planned.chosen.clone() }),
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
            shapes: body.encode.shapes()?,
            in_place: begin == Begin::InPlace,
            tries: self.options.trial.is_some() || !chosen.is_empty(),
            chosen,
        };
        Ok(Box::new(move |store: &Store, array: Array| request.plan(store, array).map(Some)))
    }

    fn check(&self, body: &Body, store: &Store, plans: &[ArrayPlan]) -> Result<(), Failure> {
        let paths: Vec<String> = plans.iter().map(|plan| plan.array.path.clone()).collect();
        if let Some(failure) = unmatched(&body.encode.var, &paths)? {
            return Err(failure.at(store.location()));
        }
        if !body.encode.rechunks() {
            return Ok(());
        }
        let shapes = body.encode.shapes()?;
        let arrays = plans.iter().map(|plan| &plan.array);
        let unused = shapes.chunks.unused(arrays.clone()).into_iter().chain(shapes.shards.unused(arrays)).next();
        if let Some(name) = unused {
            let failure = Failure::new(Exit::Absent, format!("no array has {name}")).at(store.location());
            let dimensions: BTreeSet<&str> = plans
                .iter()
                .flat_map(|plan| plan.array.dimension_names.iter().flatten().flatten())
                .map(String::as_str)
                .collect();
            return Err(match did_you_mean(&name, dimensions) {
                Some(hint) => failure.hint(hint),
                None => failure,
            });
        }
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
