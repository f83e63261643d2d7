//! `plan.json`: what whoever goes on with an output, does a part of it, or finishes it must know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zcodec::{Blosc, Codec, SplitMode, crc32c};
use zstore::Begin;
use zwire::Exit;
use zwire::Failure;

use crate::choices::Choices;
use crate::plan::{ArrayPlan, Placement};

/// The plan as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Version of this document.
    pub v: u32,
    /// Always `zrecompress`.
    pub tool: String,
    /// The version that wrote it.
    pub version: String,
    /// The source store: an absolute path, or a URL.
    pub source: String,
    /// Whether the source itself is changed.
    pub in_place: bool,
    /// Whether a store that has the output's name is replaced.
    #[serde(default)]
    pub overwrite: bool,
    /// Where what is replaced goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// Parts of the work.
    pub parts: u32,
    /// What the regions of rechunked arrays were planned for: every part cuts them alike.
    pub cut: Cut,
    /// The flags that decide the bytes.
    pub choices: Choices,
    /// Codecs that a trial chose, by path of the array.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub chosen: BTreeMap<String, Value>,
    /// CRC-32C over the arrays of the source, as their metadata describes them, and what becomes of each.
    pub fingerprint: u32,
    /// Arrays (their keys) that take the place of the old ones all at once, at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// Documents of the other format, which are removed at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
}

/// What decides how arrays are cut into regions, beside their own shapes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Workers.
    pub jobs: usize,
    /// Reads under way at once.
    pub readers: usize,
    /// Whether what was encoded is decoded again.
    pub verify: bool,
    /// Whether objects are held until they have crossed a network.
    pub remote_output: bool,
}

/// Version of the document.
pub const V: u32 = 1;

impl Saved {
    /// Reads it.
    ///
    /// # Errors
    /// A document of another tool or version.
    pub fn parse(text: &[u8], place: &str) -> Result<Saved, Failure> {
        let wrong = |what: String| Failure::new(Exit::Unreadable, format!("the plan cannot be used: {what}")).at(place);
        let saved: Saved = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
        match (saved.tool.as_str(), saved.v) {
            ("zrecompress", V) => Ok(saved),
            (tool, v) => Err(wrong(format!("it is of {tool}, version {v} of the document"))),
        }
    }

    /// What the run was told about what is there.
    pub fn begin(&self) -> Begin {
        match (self.in_place, self.overwrite) {
            (true, _) => Begin::InPlace,
            (false, true) => Begin::Overwrite,
            (false, false) => Begin::New,
        }
    }

    /// Its text.
    pub fn text(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// The codecs that a trial chose.
    pub fn chosen(&self) -> BTreeMap<String, Blosc> {
        self.chosen.iter().filter_map(|(path, spec)| Some((path.clone(), blosc_of(spec)?))).collect()
    }
}

/// A Blosc codec with its split mode, which Zarr's metadata has no word for.
pub fn spec_of(blosc: &Blosc) -> Value {
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

/// CRC-32C over everything of the arrays that decides how their objects are read, and what is decided about them: another
/// version of this program may decide otherwise.
pub fn fingerprint(plans: &[ArrayPlan]) -> u32 {
    let describe = |plan: &ArrayPlan| {
        let array = &plan.array;
        let grid = array.grid.as_ref().map(|grid| grid.chunk_shape().to_vec());
        let target = plan.target().map(|target| (target.compressor.to_v2(), target.typesize, target.checksum));
        let layout = plan.rechunk().map(|rechunk| (&rechunk.layout.chunks, rechunk.layout.object_shape()));
        let decided = json!([plan.action.name(), target, layout, plan.placement == Placement::Over]);
        json!([array.path, array.shape, grid, array.dtype, array.fill_value, array.order, array.chain.specs, decided])
            .to_string()
    };
    plans.iter().fold(0, |crc, plan| crc32c(format!("{crc:08x}{}", describe(plan)).as_bytes()))
}

/// Keys of the arrays that are written beside the old ones.
pub fn beside(plans: &[ArrayPlan]) -> Vec<String> {
    let beside = plans.iter().filter(|plan| plan.placement == Placement::Beside);
    beside.map(|plan| plan.array.key_prefix().to_owned()).collect()
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

    #[test]
    fn a_foreign_plan_is_refused() {
        let saved = Saved {
            v: V,
            tool: "zfetch".into(),
            version: "0".into(),
            source: "s".into(),
            in_place: false,
            overwrite: false,
            backup: None,
            parts: 1,
            cut: Cut { memory_bytes: 1, jobs: 1, readers: 1, verify: true, remote_output: false },
            choices: Choices::default(),
            chosen: BTreeMap::new(),
            fingerprint: 0,
            beside: Vec::new(),
            removed: Vec::new(),
        };
        assert!(Saved::parse(&saved.text(), "x").expect_err("of another tool").to_string().contains("zfetch"));
        let ours = Saved { tool: "zrecompress".into(), ..saved };
        assert_eq!(Saved::parse(&ours.text(), "x").expect("ours"), ours);
        assert!(Saved::parse(b"{", "x").is_err());
    }
}
