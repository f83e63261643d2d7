//! Faults in the metadata.

use std::fs;

use serde_json::json;

use super::{DEFAULT, Fault, UNSHARDED};
use crate::made::Format::{Sharded, V2, V3};
use crate::made::Scene;

/// The faults.
pub fn metadata() -> Vec<Fault> {
    vec![
        Fault {
            kind: "metadata_invalid",
            path: "/t2m",
            located: |_| "JSON".into(),
            besides: &["unknown_key"],
            plant: |scene| scene.change(&scene.document("t2m"), |text| text.truncate(40)),
            ..DEFAULT
        },
        Fault {
            kind: "metadata_not_understood",
            path: "/t2m",
            formats: &[V3, Sharded],
            located: |_| "new_thing".into(),
            plant: |scene| {
                scene.edit("t2m/zarr.json", |document| document["new_thing"] = json!({"must_understand": true}))
            },
            ..DEFAULT
        },
        Fault {
            kind: "unknown_codec",
            path: "/tp",
            formats: UNSHARDED,
            located: |_| "nobody_knows".into(),
            plant: |scene| match scene.format {
                V2 => scene.edit("tp/.zarray", |document| document["compressor"] = json!({"id": "nobody_knows"})),
                _ => scene.edit("tp/zarr.json", |document| document["codecs"][1] = json!({"name": "nobody_knows"})),
            },
            ..DEFAULT
        },
        Fault {
            kind: "dimension_sizes",
            path: "/t2m",
            located: |_| "44 steps".into(),
            besides: &["outside_grid"],
            plant: |scene| {
                scene.edit(&scene.document("t2m"), |document| document["shape"][0] = json!(44));
            },
            ..DEFAULT
        },
        Fault {
            kind: "consolidated_stale",
            path: "/t2m",
            located: |_| "shape".into(),
            besides: &["outside_grid", "dimension_sizes", "nan_steps", "missing_steps"],
            plant: |scene| {
                scene.edit(&scene.document("t2m"), |document| document["shape"][0] = json!(44));
                scene.consolidate();
                scene.edit(&scene.document("t2m"), |document| document["shape"][0] = json!(50));
            },
            ..DEFAULT
        },
        Fault {
            kind: "consolidated_stale",
            path: "/raw",
            located: |_| "not in the consolidated metadata".into(),
            besides: &["unknown_key"],
            plant: |scene| {
                let kept =
                    Scene { arrays: scene.arrays[..6].to_vec(), directory: tempfile::tempdir().unwrap(), ..*scene };
                kept.write();
                kept.consolidate();
                let name = if scene.format == V2 { ".zmetadata" } else { "zarr.json" };
                fs::copy(kept.path(name), scene.path(name)).unwrap();
            },
            ..DEFAULT
        },
        Fault {
            kind: "consolidated_unusable",
            formats: &[V2],
            plant: |scene| scene.put(".zmetadata", b"{\"metadata\": "),
            ..DEFAULT
        },
    ]
}
