//! The table of planted faults: each is planted into a copy of a sound store, in every format that can have it, and has to be
//! found, named and located; the sound twin has to be clean. Directories are also packed into a zip archive and put behind an
//! object store and a web server.

use std::fs;

use harness::{ObjectServer, Outcome, Tool, Zip};
use serde_json::{Value, json};

use crate::made::{Data, FORMATS, Format, Scene};

use Format::{Sharded, V2, V3};

/// A fault of one kind.
struct Fault {
    /// The kind that has to be found.
    kind: &'static str,
    /// Path of the array or group; empty: the store.
    path: &'static str,
    formats: &'static [Format],
    /// Where it has to be located: the key, or text that the finding must hold.
    located: fn(&Scene) -> String,
    flags: &'static [&'static str],
    /// Other kinds that come with it.
    besides: &'static [&'static str],
    plant: fn(&Scene),
}

const ALL: &[Format] = &FORMATS;
const UNSHARDED: &[Format] = &[V2, V3];

fn text(_: &Scene) -> String {
    String::new()
}

const DEFAULT: Fault =
    Fault { kind: "", path: "", formats: ALL, located: text, flags: &[], besides: &[], plant: |_| {} };

fn chunk(scene: &Scene) -> String {
    scene.key("t2m", [2, 1, 0])
}

/// The bytes of the inner chunk of a shard that [`chunk`] names, or of the whole object.
fn within(scene: &Scene, name: &str, bytes: &mut [u8], change: impl FnOnce(&mut [u8])) {
    if scene.format != Sharded {
        return change(bytes);
    }
    let _ = name;
    // Chunk (2, 1, 0) is the sixth of eight in its shard, whose index has 16 bytes for each and a checksum at the end.
    let at = bytes.len() - 4 - 8 * 16 + 5 * 16;
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let (start, len) = (word(at), word(at + 8));
    change(&mut bytes[start..start + len]);
}

/// Changes the index of the shard, and makes its checksum right again.
fn index(bytes: &mut [u8], change: impl FnOnce(&mut [u8])) {
    let end = bytes.len() - 4;
    let index = &mut bytes[end - 8 * 16..end];
    change(index);
    let sum = zcodec::crc32c(index);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
}

fn faults() -> Vec<Fault> {
    let mut all = listed();
    all.extend(damaged());
    all.extend(values());
    all.extend(metadata());
    all.extend(coordinates());
    all
}

fn listed() -> Vec<Fault> {
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

fn damaged() -> Vec<Fault> {
    let in_chunk = |kind, plant: fn(&Scene)| Fault { kind, path: "/t2m", located: chunk, plant, ..DEFAULT };
    let in_shard = |kind, plant| Fault { formats: &[Sharded], ..in_chunk(kind, plant) };
    vec![
        Fault {
            formats: UNSHARDED,
            ..in_chunk("truncated", |scene| scene.change(&chunk(scene), |bytes| bytes.truncate(bytes.len() / 2)))
        },
        in_chunk("bad_header", |scene| {
            scene.change(&chunk(scene), |bytes| within(scene, "t2m", bytes, |chunk| chunk[2] |= 8));
        }),
        in_chunk("wrong_codec", |scene| {
            scene.change(&chunk(scene), |bytes| {
                within(scene, "t2m", bytes, |chunk| chunk[..22].copy_from_slice(b"<html>Not found</html>"));
            });
        }),
        in_chunk("wrong_nbytes", |scene| {
            scene.change(&chunk(scene), |bytes| {
                within(scene, "t2m", bytes, |chunk| {
                    chunk[4..8].copy_from_slice(&1100u32.to_le_bytes());
                    chunk[8..12].copy_from_slice(&1100u32.to_le_bytes());
                });
            });
        }),
        in_chunk("block_table", |scene| {
            scene.change(&chunk(scene), |bytes| within(scene, "t2m", bytes, |chunk| chunk[16..20].fill(0xff)));
        }),
        in_chunk("undecodable", |scene| {
            scene.change(&chunk(scene), |bytes| within(scene, "t2m", bytes, |chunk| chunk[24..90].fill(0xff)));
        }),
        Fault {
            path: "/t2m",
            kind: "typesize",
            located: chunk,
            plant: |scene| {
                scene.change(&chunk(scene), |bytes| within(scene, "t2m", bytes, |chunk| chunk[3] = 1));
            },
            // With another shuffle, the values are others.
            besides: &["undecodable", "infinite_values", "nan_values"],
            ..DEFAULT
        },
        Fault {
            kind: "wrong_codec",
            path: "/tp",
            formats: UNSHARDED,
            located: |scene| scene.key("tp", [2, 1, 0]),
            plant: |scene| {
                let other = fs::read(scene.path(&scene.key("u10", [2, 1, 0]))).unwrap();
                scene.put(&scene.key("tp", [2, 1, 0]), &other);
            },
            ..DEFAULT
        },
        Fault {
            kind: "undecodable",
            path: "/u10",
            formats: UNSHARDED,
            located: |scene| scene.key("u10", [2, 1, 0]),
            plant: |scene| {
                scene.change(&scene.key("u10", [2, 1, 0]), |bytes| {
                    let middle = bytes.len() / 2;
                    bytes[middle..middle + 40].fill(0x55);
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "checksum_mismatch",
            path: "/raw",
            formats: &[V3, Sharded],
            located: |scene| scene.key("raw", [2, 1, 0]),
            plant: |scene| {
                scene.change(&scene.key("raw", [2, 1, 0]), |bytes| within(scene, "raw", bytes, |chunk| chunk[40] ^= 1));
            },
            ..DEFAULT
        },
        Fault {
            kind: "too_large",
            path: "/t2m",
            flags: &["--max-memory", "1K"],
            formats: UNSHARDED,
            located: |scene| scene.key("t2m", [0, 0, 0]),
            besides: &["too_large"],
            ..DEFAULT
        },
        in_shard("shard_index", |scene| {
            scene.change(&chunk(scene), |bytes| {
                let at = bytes.len() - 50;
                bytes[at] ^= 1;
            });
        }),
        in_shard("shard_index", |scene| {
            scene.change(&chunk(scene), |bytes| {
                index(bytes, |index| index[5 * 16..5 * 16 + 8].copy_from_slice(&(1u64 << 40).to_le_bytes()));
            });
        }),
        in_shard("shard_overlap", |scene| {
            scene.change(&chunk(scene), |bytes| {
                index(bytes, |index| {
                    let start = u64::from_le_bytes(index[5 * 16..5 * 16 + 8].try_into().unwrap()) - 3;
                    index[5 * 16..5 * 16 + 8].copy_from_slice(&start.to_le_bytes());
                });
            });
        }),
        in_shard("missing_inner_chunks", |scene| {
            scene.change(&chunk(scene), |bytes| index(bytes, |index| index[5 * 16..6 * 16].fill(0xff)));
        }),
    ]
}

fn values() -> Vec<Fault> {
    vec![
        Fault {
            kind: "too_many_nan",
            path: "/t2m",
            flags: &["--max-nan", "t2m=0.001"],
            located: |_| "0.227%".into(),
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if index[0] < 10 && index[1] == 4 && index[2] == 4 {
                        *value = f32::NAN;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "all_nan",
            path: "/t2m",
            located: |_| "4 400 values".into(),
            plant: |scene| scene.set("t2m", |_, value| *value = f32::NAN),
            ..DEFAULT
        },
        Fault {
            kind: "nan_steps",
            path: "/t2m",
            located: |_| "2019-03-01T07:00:00Z 2019-03-01T09:00:00Z".into(),
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if (7..10).contains(&index[0]) {
                        *value = f32::NAN;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "nan_chunks",
            path: "/t2m",
            located: chunk,
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if (12..18).contains(&index[0]) && index[1] >= 6 {
                        *value = f32::NAN;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "nan_rectangles",
            path: "/t2m",
            located: chunk,
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if (12..18).contains(&index[0]) && index[1] >= 8 {
                        *value = f32::NAN;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "constant_steps",
            path: "/t2m",
            located: |_| "2019-03-01T07:00:00Z 2019-03-01T08:00:00Z".into(),
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if (7..9).contains(&index[0]) {
                        *value = 273.15;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "constant_array",
            path: "/t2m",
            located: |_| "273".into(),
            plant: |scene| scene.set("t2m", |_, value| *value = 273.0),
            ..DEFAULT
        },
        Fault {
            kind: "infinite_values",
            path: "/t2m",
            located: |_| "inf".into(),
            plant: |scene| {
                scene.set("t2m", |index, value| {
                    if index == [20, 3, 3] {
                        *value = f32::INFINITY;
                    }
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "out_of_range",
            path: "/t2m",
            located: |_| "as stored".into(),
            plant: |scene| scene.edit_attributes("t2m", |attributes| attributes["valid_max"] = json!(270)),
            ..DEFAULT
        },
    ]
}

fn metadata() -> Vec<Fault> {
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

fn coordinates() -> Vec<Fault> {
    fn times(scene: &Scene, change: impl FnOnce(&mut Vec<i64>)) {
        scene.rewrite("time", |array| {
            let Data::I64(values) = &mut array.data else { panic!("time has whole numbers") };
            change(values);
        });
    }
    fn latitudes(scene: &Scene, change: impl FnOnce(&mut Vec<f64>)) {
        scene.rewrite("latitude", |array| {
            let Data::F64(values) = &mut array.data else { panic!("latitude has floats") };
            change(values);
        });
    }
    vec![
        Fault {
            kind: "coordinate_duplicates",
            path: "/time",
            located: |_| "2019-03-01T20:00:00Z".into(),
            plant: |scene| times(scene, |times| times[21] = 20),
            besides: &["coordinate_gaps"],
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_duplicates",
            path: "/time",
            located: |_| "10 values".into(),
            // A batch that was appended twice.
            plant: |scene| times(scene, |times| (40..50).for_each(|at| times[at] = at as i64 - 30)),
            besides: &["coordinate_order"],
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_order",
            path: "/time",
            located: |_| "2019-03-02T06:00:00Z 2019-03-02T05:00:00Z".into(),
            plant: |scene| times(scene, |times| times.swap(29, 30)),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_missing_values",
            path: "/latitude",
            located: |_| "1 of 11".into(),
            plant: |scene| latitudes(scene, |values| values[4] = f64::NAN),
            besides: &["nan_values"],
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_missing_values",
            path: "/latitude",
            located: |_| "1 of 11".into(),
            plant: |scene| latitudes(scene, |values| values[4] = f64::INFINITY),
            besides: &["infinite_values"],
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_gaps",
            path: "/time",
            located: |_| "3 steps missing between 2019-03-02T05:00:00Z and 2019-03-02T09:00:00Z".into(),
            plant: |scene| times(scene, |times| times[30..].iter_mut().for_each(|time| *time += 3)),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_near_duplicates",
            path: "/latitude",
            located: |_| "nearly equal".into(),
            plant: |scene| latitudes(scene, |values| values[10] = values[9] - 1e-5),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_step",
            path: "/time",
            flags: &["--expect-step", "1h"],
            located: |_| "3 steps missing".into(),
            plant: |scene| times(scene, |times| times[30..].iter_mut().for_each(|time| *time += 3)),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_step",
            path: "/latitude",
            flags: &["--expect-step", "latitude=0.5"],
            located: |_| "a step of".into(),
            plant: |scene| latitudes(scene, |values| values[10] -= 0.2),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_values",
            path: "/time",
            flags: &["--expect", "time=2019-03-01:2019-03-03T01", "--expect-step", "1h"],
            located: |_| "2019-03-03T01:00:00Z".into(),
            plant: |scene| times(scene, |times| times.iter_mut().for_each(|time| *time -= 1)),
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_unreadable",
            path: "/longitude",
            located: |_| "longitude".into(),
            plant: |scene| scene.change(&scene.axis_key("longitude"), |bytes| bytes.truncate(20)),
            besides: &["truncated"],
            ..DEFAULT
        },
        Fault {
            kind: "coordinate_bounds",
            path: "/latitude",
            located: |_| "not there".into(),
            plant: |scene| scene.edit_attributes("latitude", |attributes| attributes["bounds"] = json!("lat_bnds")),
            ..DEFAULT
        },
    ]
}

fn run(scene: &Scene, fault: &Fault) -> Outcome {
    Tool::new("zvalidate").arg("--json").args(fault.flags).arg(scene.store()).run()
}

/// Findings that are errors or warnings.
fn serious(outcome: &Outcome) -> Vec<Value> {
    outcome.of_type("finding").into_iter().filter(|finding| finding["severity"] != "info").collect()
}

#[track_caller]
fn assert_found(outcome: &Outcome, fault: &Fault, scene: &Scene, what: &str) {
    let what = format!("{what}: {} at {} in {:?}", fault.kind, fault.path, scene.format);
    assert_eq!(outcome.code, 1, "{what}\n{}\n{}", outcome.stdout, outcome.stderr);
    outcome.records();
    let found = serious(outcome);
    let located = (fault.located)(scene);
    let is_it = |finding: &&Value| {
        let path = finding["path"].as_str().unwrap_or_default();
        let labels: Vec<&str> = finding["labels"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let words = [
            finding["key"].as_str().unwrap_or_default(),
            finding["found"].as_str().unwrap_or_default(),
            finding["expected"].as_str().unwrap_or_default(),
            &labels.join(" "),
        ]
        .join("\n");
        finding["kind"] == fault.kind && path == fault.path && words.contains(&located)
    };
    assert!(found.iter().any(|finding| is_it(&finding)), "{what}: {located:?} not in {found:#?}");
    let others = found
        .iter()
        .filter(|finding| finding["kind"] != fault.kind && !fault.besides.iter().any(|kind| finding["kind"] == *kind));
    let others: Vec<&Value> = others.collect();
    assert!(others.is_empty(), "{what}: more than it: {others:#?}");
}

#[test]
fn sound_stores_are_clean_in_every_format() {
    for format in FORMATS {
        let scene = Scene::sound(format);
        for level in ["list", "header", "full"] {
            let outcome = Tool::new("zvalidate").args(["--json", "--level", level]).arg(scene.store()).run().expect(0);
            assert_eq!(serious(&outcome), Vec::<Value>::new(), "{format:?} {level}");
            assert_eq!(outcome.summary()["arrays"], 7);
        }
        scene.consolidate();
        let outcome = Tool::new("zvalidate").arg(scene.store()).run().expect(0);
        let t2m = outcome.record("check", "/t2m");
        assert_eq!(
            (&t2m["values"], &t2m["chunks_checked"], &t2m["nan_share"]),
            (&4400.into(), &18.into(), &0.0.into())
        );
    }
}

/// Each fault, by itself, in each format.
#[test]
fn every_planted_fault_is_found_named_and_located() {
    let faults = faults();
    let cases: usize = faults.iter().map(|fault| fault.formats.len()).sum();
    assert!(cases >= 50, "{cases} cases");
    let failed = Vec::from_iter(faults.iter().flat_map(|fault| {
        fault.formats.iter().filter_map(move |format| {
            let test = || {
                let scene = Scene::sound(*format);
                let twin = Scene::sound(*format);
                let clean = Tool::new("zvalidate").arg("--json").arg(twin.store()).run().expect(0);
                assert_eq!(serious(&clean), Vec::<Value>::new());
                (fault.plant)(&scene);
                assert_found(&run(&scene, fault), fault, &scene, "directory");
            };
            let error = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test)).err()?;
            let text = error.downcast_ref::<String>().cloned().unwrap_or_default();
            Some(format!("{text}\n"))
        })
    }));
    assert!(failed.is_empty(), "{} of {cases} cases failed:\n{}", failed.len(), failed.concat());
}

/// What is worth knowing and no fault: the exit code is 0.
#[test]
fn notes_are_found_and_do_not_fail() {
    type Plant = fn(&Scene);
    let notes: [(&str, Option<&str>, &[Format], Plant); 9] = [
        ("null_fill_value", Some("/t2m"), &[V2], |scene| {
            scene.edit("t2m/.zarray", |document| document["fill_value"] = Value::Null);
        }),
        ("dimension_without_coordinate", Some("/raw"), ALL, |scene| {
            fs::remove_dir_all(scene.path("longitude")).unwrap();
        }),
        ("unnamed_dimensions", Some("/tp"), ALL, |scene| match scene.format {
            V2 => scene
                .edit("tp/.zattrs", |attributes| drop(attributes.as_object_mut().unwrap().remove("_ARRAY_DIMENSIONS"))),
            _ => {
                scene.edit("tp/zarr.json", |document| drop(document.as_object_mut().unwrap().remove("dimension_names")))
            }
        }),
        ("unknown_key", None, ALL, |scene| scene.put("notes.txt", b"hello")),
        ("link", None, ALL, |scene| {
            std::os::unix::fs::symlink("/", scene.path("elsewhere")).unwrap();
        }),
        ("missing_chunks", Some("/u10"), UNSHARDED, |scene| scene.remove(&scene.key("u10", [3, 0, 0]))),
        ("missing_inner_chunks", Some("/u10"), &[Sharded], |scene| {
            scene.change(&scene.key("u10", [2, 1, 0]), |bytes| index(bytes, |index| index[5 * 16..6 * 16].fill(0xff)));
        }),
        ("extra_bytes", Some("/t2m"), UNSHARDED, |scene| scene.change(&chunk(scene), |bytes| bytes.extend(b"more"))),
        ("nan_values", Some("/t2m"), ALL, |scene| {
            scene.set("t2m", |index, value| {
                if index == [20, 3, 3] {
                    *value = f32::NAN;
                }
            });
        }),
    ];
    for (kind, path, formats, plant) in notes {
        for format in formats {
            let scene = Scene::sound(*format);
            plant(&scene);
            let outcome = Tool::new("zvalidate").arg("--json").arg(scene.store()).run().expect(0);
            let found = outcome.of_type("finding");
            let is_it = |finding: &Value| finding["kind"] == kind && finding["path"].as_str() == path;
            assert!(found.iter().any(is_it), "{kind} in {format:?}: {found:#?}");
        }
    }
}

/// Faults that a list shows, in an archive.
#[test]
fn faults_are_found_inside_of_a_zip_archive() {
    for fault in faults().iter().filter(|fault| fault.formats.contains(&V2)) {
        let scene = Scene::sound(V2);
        (fault.plant)(&scene);
        let archive = scene.directory.path().join("in.zarr.zip");
        fs::write(&archive, Zip::of(&scene.store(), "", false).finish()).unwrap();
        let outcome = Tool::new("zvalidate").arg("--json").args(fault.flags).arg(&archive).run();
        assert_found(&outcome, fault, &scene, "zip");
    }
}

/// The same over a network.
#[test]
fn faults_are_found_in_an_object_store() {
    for fault in faults().iter().filter(|fault| fault.formats.contains(&Sharded) && fault.kind != "constant_array") {
        let scene = Scene::sound(Sharded);
        (fault.plant)(&scene);
        let server = ObjectServer::start(scene.directory.path(), vec![]);
        let tool = Tool::hermetic("zvalidate").args(["--json", "--anonymous", "--level", "full", "--endpoint"]);
        let outcome = tool.arg(server.endpoint()).args(fault.flags).arg(server.s3_url("in.zarr")).run();
        assert_found(&outcome, fault, &scene, "s3");
    }
}

/// A web server cannot list: chunks that are not there are found by asking for each.
#[test]
fn faults_are_found_behind_a_web_server() {
    let kinds = ["missing_chunks", "missing_steps", "truncated", "empty_object", "undecodable", "nan_steps"];
    for fault in faults().iter().filter(|fault| fault.formats.contains(&V3) && kinds.contains(&fault.kind)) {
        let scene = Scene::sound(V3);
        (fault.plant)(&scene);
        scene.consolidate();
        let server = ObjectServer::start(scene.directory.path(), vec![]);
        let tool = Tool::hermetic("zvalidate").args(["--json", "--level", "full"]).args(fault.flags);
        let outcome = tool.arg(server.http_url("in.zarr")).run();
        assert_found(&outcome, fault, &scene, "http");
    }
    let scene = Scene::sound(V3);
    scene.consolidate();
    let server = ObjectServer::start(scene.directory.path(), vec![]);
    let header = Tool::hermetic("zvalidate").arg(server.http_url("in.zarr")).run().expect(0);
    assert_eq!(header.summary()["level"], "header");
    let list = Tool::hermetic("zvalidate").args(["--level", "list"]).arg(server.http_url("in.zarr")).run();
    assert!(list.code != 0 && list.stderr.contains("--level header"), "{}", list.stderr);
}
