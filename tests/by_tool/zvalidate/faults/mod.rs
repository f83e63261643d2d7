//! The table of planted faults: each is planted into a copy of a sound store, in every format that can have it, and has to be
//! found, named and located; the sound twin has to be clean. Directories are also packed into a zip archive and put behind an
//! object store and a web server.

mod carried;
mod coordinates;
mod damaged;
mod listed;
mod metadata;
mod values;

use std::fs;

use harness::{Outcome, Tool};
use serde_json::Value;

use crate::made::{FORMATS, Format, Scene};

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
    let mut all = listed::listed();
    all.extend(damaged::damaged());
    all.extend(values::values());
    all.extend(metadata::metadata());
    all.extend(coordinates::coordinates());
    all
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

/// One that the grid does not cut: a chunk at the edge is mostly padding.
#[test]
fn an_object_much_smaller_than_the_others_is_a_note() {
    for format in UNSHARDED {
        let scene = Scene::sound(*format);
        let key = scene.key("t2m", [2, 0, 0]);
        scene.change(&key, |bytes| bytes.truncate(20));
        let outcome = Tool::new("zvalidate").args(["--json", "--level", "list"]).arg(scene.store()).run().expect(0);
        let found = outcome.of_type("finding");
        let small: Vec<&Value> = found.iter().filter(|finding| finding["kind"] == "small_object").collect();
        assert_eq!((small.len(), &small[0]["key"]), (1, &key.into()), "{found:#?}");
        assert!(small[0]["expected"].as_str().unwrap().contains("median"), "{}", small[0]);
    }
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
