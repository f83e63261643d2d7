//! Faults that a list of names and sizes shows.

use std::fs;

use serde_json::Value;

use super::{DEFAULT, Fault, UNSHARDED, chunk};
use crate::made::Format::{Sharded, V2, V3};

/// The faults.
pub fn listed() -> Vec<Fault> {
    vec![
        Fault {
            kind: "missing_chunks",
            path: "/t2m",
            formats: UNSHARDED,
            located: chunk,
            plant: |scene| scene.remove(&chunk(scene)),
            ..DEFAULT
        },
        Fault {
            kind: "missing_steps",
            path: "/t2m",
            formats: UNSHARDED,
            located: |_| "2019-03-01T12:00:00Z 2019-03-01T23:00:00Z".into(),
            plant: |scene| {
                for index in [[2, 0, 0], [2, 1, 0], [3, 0, 0], [3, 1, 0]] {
                    scene.remove(&scene.key("t2m", index));
                }
            },
            ..DEFAULT
        },
        Fault {
            kind: "missing_steps",
            path: "/t2m",
            formats: &[Sharded],
            located: |_| "2019-03-02T00:00:00Z 2019-03-02T23:00:00Z".into(),
            plant: |scene| scene.remove(&scene.key("t2m", [4, 0, 0])),
            ..DEFAULT
        },
        Fault {
            kind: "no_chunks",
            path: "/tp",
            plant: |scene| {
                for entry in fs::read_dir(scene.path("tp")).unwrap().map(|entry| entry.unwrap()) {
                    let name = entry.file_name().into_string().unwrap();
                    match name.as_str() {
                        "zarr.json" => {}
                        "c" => fs::remove_dir_all(entry.path()).unwrap(),
                        name if name.starts_with('.') => {}
                        _ => fs::remove_file(entry.path()).unwrap(),
                    }
                }
            },
            ..DEFAULT
        },
        Fault {
            kind: "missing_null_fill",
            path: "/t2m",
            formats: &[V2],
            located: chunk,
            plant: |scene| {
                scene.edit("t2m/.zarray", |document| document["fill_value"] = Value::Null);
                scene.remove(&chunk(scene));
            },
            ..DEFAULT
        },
        Fault {
            kind: "missing_chunks",
            path: "/u10",
            formats: UNSHARDED,
            flags: &["--expect-chunks", "all"],
            located: |scene| scene.key("u10", [3, 0, 0]),
            plant: |scene| scene.remove(&scene.key("u10", [3, 0, 0])),
            ..DEFAULT
        },
        Fault {
            kind: "too_few_chunks",
            path: "/u10",
            formats: UNSHARDED,
            flags: &["--expect-chunks", "95%"],
            located: |_| "94.4%".into(),
            besides: &["missing_chunks"],
            plant: |scene| scene.remove(&scene.key("u10", [3, 0, 0])),
        },
        Fault {
            kind: "outside_grid",
            path: "/t2m",
            located: |scene| scene.key("t2m", [100, 0, 0]),
            plant: |scene| scene.put(&scene.key("t2m", [100, 0, 0]), b"0123456789abcdef"),
            ..DEFAULT
        },
        Fault {
            kind: "wrong_separator",
            path: "/t2m",
            formats: UNSHARDED,
            located: |scene| if scene.format == V2 { "t2m/1/0/0".into() } else { "t2m/c.1.0.0".into() },
            plant: |scene| {
                let right = scene.key("t2m", [1, 0, 0]);
                let wrong = if scene.format == V2 { "t2m/1/0/0" } else { "t2m/c.1.0.0" };
                scene.put(wrong, &fs::read(scene.path(&right)).unwrap());
            },
            ..DEFAULT
        },
        Fault {
            kind: "temporary_file",
            path: "/t2m",
            located: |_| "t2m/.0.0.0.ab12.partial".into(),
            plant: |scene| scene.put("t2m/.0.0.0.ab12.partial", b"half"),
            ..DEFAULT
        },
        Fault {
            kind: "empty_object",
            path: "/t2m",
            located: chunk,
            plant: |scene| scene.change(&chunk(scene), Vec::clear),
            ..DEFAULT
        },
        Fault {
            kind: "wrong_size",
            path: "/raw",
            formats: UNSHARDED,
            located: |scene| scene.key("raw", [2, 1, 0]),
            plant: |scene| scene.change(&scene.key("raw", [2, 1, 0]), |bytes| bytes.truncate(100)),
            ..DEFAULT
        },
        Fault {
            kind: "wrong_size",
            path: "/t2m",
            located: chunk,
            plant: |scene| scene.change(&chunk(scene), |bytes| bytes.truncate(9)),
            ..DEFAULT
        },
        Fault {
            kind: "unfinished_output",
            formats: &[V3],
            located: |_| "in.zarr.plan is there".into(),
            plant: |scene| fs::create_dir(scene.directory.path().join("in.zarr.plan")).unwrap(),
            ..DEFAULT
        },
        Fault { kind: "store_too_small", flags: &["--min-size", "1G"], located: |_| "1.00 GiB".into(), ..DEFAULT },
        Fault { kind: "low_ratio", flags: &["--min-ratio", "99%"], located: |_| "99.000%".into(), ..DEFAULT },
    ]
}
