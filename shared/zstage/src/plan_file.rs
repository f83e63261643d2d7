//! `OUT.plan/plan.json`: what every process that continues an output, does a part of it or publishes it must know.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zcodec::crc32c;
use zwire::{Exit, Failure};

use crate::array_plan::ArrayPlan;
use crate::options::Begin;
use crate::piece::Piece;
use crate::placement::Placement;
use crate::view::View;

/// The plan as it is stored: what every writer has, and the tool's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanFile<T> {
    /// What every writer has.
    #[serde(flatten)]
    pub header: Header,
    /// The tool's own: what decides the bytes of the output.
    #[serde(flatten)]
    pub body: T,
}

/// What the plan of every writer has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of this document.
    pub v: u32,
    /// The tool that wrote it.
    pub tool: String,
    /// The version of the tool.
    pub version: String,
    /// The source stores: absolute paths, or URLs.
    pub sources: Vec<String>,
    /// Whether the source itself is changed.
    pub in_place: bool,
    /// Whether a store that has the output's name is replaced.
    #[serde(default)]
    pub overwrite: bool,
    /// Directory that keeps what is replaced in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// Parts of the work.
    pub parts: u32,
    /// What the regions of rechunked arrays were planned for: every part has the same.
    #[serde(rename = "cut")]
    pub memory: MemoryPlan,
    /// CRC-32C over the source arrays, as their metadata describes them, and what is done with each.
    pub fingerprint: u32,
    /// Arrays (their keys) that are exchanged with the old ones when the output is published.
    #[serde(default, rename = "beside", skip_serializing_if = "Vec::is_empty")]
    pub swapped: Vec<String>,
    /// Documents of the other Zarr format, which are removed when the output is published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
}

/// What decides how arrays are divided into regions, beside their own shapes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MemoryPlan {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Workers.
    pub jobs: usize,
    /// Reads in flight.
    pub readers: usize,
    /// Whether what was encoded is decoded again.
    pub verify: bool,
    /// Whether objects are held until they have crossed a network.
    pub remote_output: bool,
    /// Disk space for the scratch file of a rechunked array.
    #[serde(default)]
    pub scratch_bytes: u64,
}

/// Version of the document.
pub const V: u32 = 2;

impl Header {
    /// The first source store.
    pub fn first_source(&self) -> &str {
        self.sources.first().map_or("", String::as_str)
    }

    /// How the output was begun.
    pub fn begin(&self) -> Begin {
        match (self.in_place, self.overwrite) {
            (true, _) => Begin::InPlace,
            (false, true) => Begin::Overwrite,
            (false, false) => Begin::New,
        }
    }
}

impl<T: Serialize + DeserializeOwned> PlanFile<T> {
    /// Reads the plan of `tool`; `path` is for messages.
    ///
    /// # Errors
    /// [`Exit::Unreadable`] for a document of another tool or version.
    pub fn parse(text: &[u8], tool: &str, path: &str) -> Result<PlanFile<T>, Failure> {
        let header = Header::parse(text, path)?;
        if (header.tool.as_str(), header.v) != (tool, V) {
            return Err(unusable(&format!("it was written by {}, format version {}", header.tool, header.v), path));
        }
        serde_json::from_slice(text).map_err(|error| unusable(&error.to_string(), path))
    }

    /// Its text.
    pub fn text(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

impl Header {
    /// Reads only what every writer's plan has.
    ///
    /// # Errors
    /// [`Exit::Unreadable`] for anything that is no plan.
    pub fn parse(text: &[u8], path: &str) -> Result<Header, Failure> {
        serde_json::from_slice(text).map_err(|error| unusable(&error.to_string(), path))
    }
}

fn unusable(what: &str, path: &str) -> Failure {
    Failure::new(Exit::Unreadable, format!("cannot use the plan: {what}")).at(path)
}

/// CRC-32C over everything of the arrays that decides how their objects are read, and what is decided about them: another
/// version of the tool may decide otherwise.
pub fn fingerprint(plans: &[ArrayPlan]) -> u32 {
    let describe = |plan: &ArrayPlan| {
        let array = &plan.array;
        let grid = array.grid.as_ref().map(|grid| (grid.chunk_shape().to_vec(), grid.counts()));
        let encoding = plan.encoding().map(|it| (it.compressor.to_v2(), it.typesize, it.checksum));
        let layout = plan.rechunk().map(|rechunk| (&rechunk.layout.chunks, rechunk.layout.object_shape()));
        let decided = json!([plan.action.name(), encoding, layout, plan.placement == Placement::InPlace]);
        let piece = |piece: Cow<Piece>| {
            let recode = piece.recode.as_ref().map(|recode| recode.describe());
            let (start, shape) = (piece.region.start(), piece.region.shape());
            json!([piece.store, piece.array.path, start, shape, piece.offset, recode])
        };
        let pieces: Vec<_> = match &plan.view {
            View::Join(join) => vec![json!(join.fingerprint())],
            view => view.pieces().map(piece).collect(),
        };
        let own = json!([
            array.path,
            array.shape,
            grid,
            array.dtype,
            array.fill_value,
            array.order,
            array.chain.specs,
            decided
        ]);
        match plan.view.chosen() {
            Some(chunks) => json!([own, pieces, **chunks]).to_string(),
            None if pieces.is_empty() => own.to_string(),
            None => json!([own, pieces]).to_string(),
        }
    };
    plans.iter().fold(0, |crc, plan| crc32c(format!("{crc:08x}{}", describe(plan)).as_bytes()))
}

/// Keys of the arrays that are exchanged when the output is published.
pub fn swapped(plans: &[ArrayPlan]) -> Vec<String> {
    let swapped = plans.iter().filter(|plan| plan.placement == Placement::Swap);
    swapped.map(|plan| plan.array.key_prefix().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Body {
        level: i32,
    }

    fn plan(tool: &str) -> PlanFile<Body> {
        let memory =
            MemoryPlan { memory_bytes: 1, jobs: 1, readers: 1, verify: true, remote_output: false, scratch_bytes: 0 };
        let header = Header {
            v: V,
            tool: tool.into(),
            version: "0".into(),
            sources: vec!["s".into()],
            in_place: false,
            overwrite: false,
            backup: None,
            parts: 1,
            memory,
            fingerprint: 0,
            swapped: Vec::new(),
            removed: Vec::new(),
        };
        PlanFile { header, body: Body { level: 3 } }
    }

    #[test]
    fn a_plan_comes_back_and_a_foreign_one_is_refused() {
        let ours = plan("zrecompress");
        assert_eq!(PlanFile::<Body>::parse(&ours.text(), "zrecompress", "x").expect("ours"), ours);
        let refused = PlanFile::<Body>::parse(&plan("zfetch").text(), "zrecompress", "x").expect_err("of another tool");
        assert!(refused.to_string().contains("zfetch"));
        assert!(PlanFile::<Body>::parse(b"{", "zrecompress", "x").is_err());
    }
}
