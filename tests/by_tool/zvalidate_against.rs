//! `zvalidate --against`: two stores with the same values in other chunks, codecs, shards and formats are equal, and every
//! planted difference is found and located.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[allow(dead_code, reason = "shared with the tests of other checks")]
#[path = "zvalidate/made.rs"]
mod made;

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Fault, ObjectServer, Outcome, Tool, Zip, spawn, wait_for};
use made::{Data, FORMATS, Format, Made, Scene, arrays};
use serde_json::{Value, json};
use zcodec::{Compressor, Stream};

fn against(one: &Path, other: &Path, more: &[&str]) -> Outcome {
    Tool::new("zvalidate").arg("--json").arg(one).arg("--against").arg(other).args(more).run()
}

/// The errors and warnings: kinds and paths.
fn serious(outcome: &Outcome) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = outcome.of_type("finding").into_iter().filter(|finding| finding["severity"] != "info");
    findings.map(|finding| (text(&finding["kind"]), text(&finding["path"]))).collect()
}

/// The sound store with other chunks and compressors.
fn rechunked(format: Format) -> Vec<Made> {
    let mut all = arrays();
    for array in all.iter_mut().filter(|array| array.shape.len() == 3) {
        array.chunk = vec![25, 2, 3];
        array.shard = Some(vec![50, 4, 9]);
        array.compressor = Compressor::Stream(Stream::Zstd { level: 1, checksum: false });
        array.checksum = false;
    }
    if format == Format::Sharded {
        all.iter_mut().for_each(|array| array.chunk.iter_mut().for_each(|length| *length = (*length).min(25)));
    }
    all
}

#[test]
fn equal_whatever_format_and_chunks() {
    for one in FORMATS {
        let ours = Scene::sound(one);
        for other in FORMATS {
            for theirs in [Scene::sound(other), Scene::of(other, rechunked(other))] {
                let outcome = against(&ours.store(), &theirs.store(), &[]).expect(0);
                let summary = outcome.summary();
                assert_eq!(summary["arrays_compared"], 7, "{one:?} {other:?} {summary}");
                assert_eq!(summary["values_differing"], 0);
                assert_eq!(summary["values_compared"], 50 + 11 + 8 + 4 * 50 * 11 * 8);
                assert!(outcome.of_type("compare").iter().all(|record| record["result"] == "equal"));
            }
        }
    }
}

/// The same encoding is compared as bytes: also of chunks that nobody could decode.
#[test]
fn equal_encodings_are_not_decoded() {
    for format in FORMATS {
        let (ours, theirs) = (Scene::sound(format), Scene::sound(format));
        let key = ours.key("u10", [2, 0, 0]);
        for scene in [&ours, &theirs] {
            scene.change(&key, |bytes| bytes[9] ^= 0xff);
        }
        let summary = against(&ours.store(), &theirs.store(), &[]).expect(0).summary();
        // The three coordinates are one chunk each; variables have 9 × 2 chunks.
        assert_eq!(summary["chunks_identical"], 3 + 4 * 18, "{format:?}");
        theirs.change(&key, |bytes| bytes[9] ^= 1);
        // Both have to be decoded now, and ours is found to be damaged.
        let outcome = against(&ours.store(), &theirs.store(), &[]).expect(1);
        assert_eq!(outcome.of_type("finding")[0]["key"], key, "{}", outcome.stdout);
        assert_eq!(outcome.record("compare", "/u10")["result"], "not_compared");
    }
    // Copied chunks are equal across formats, too.
    let summary = against(&Scene::sound(Format::V2).store(), &Scene::sound(Format::V3).store(), &["--var", "t2m"]);
    assert_eq!(summary.expect(0).summary()["chunks_identical"], 18);
}

#[test]
fn a_planted_bit_is_found_and_located() {
    let at = |index: [u64; 3]| (index[0] * 11 + index[1]) * 8 + index[2];
    for (ours, theirs) in [(Format::V2, Format::Sharded), (Format::V3, Format::V3), (Format::Sharded, Format::V2)] {
        for other_chunks in [false, true] {
            for index in [[0, 0, 0], [31, 7, 5], [49, 10, 7]] {
                let sound = Scene::of(theirs, if other_chunks { rechunked(theirs) } else { arrays() });
                let changed = Scene::sound(ours);
                changed.set("t2m", |here, value| {
                    if here == index {
                        *value = f32::from_bits(value.to_bits() ^ 1);
                    }
                });
                for jobs in ["-j1", "-j3"] {
                    let outcome = against(&changed.store(), &sound.store(), &["-v", jobs]).expect(1);
                    assert_eq!(serious(&outcome), [("values_differ".to_owned(), "/t2m".to_owned())]);
                    let records = outcome.of_type("finding");
                    let array = records.iter().find(|record| record["kind"] == "values_differ").unwrap();
                    assert_eq!((&array["first_index"], &array["differing"]), (&json!(index), &1.into()), "{array}");
                    assert_eq!(array["compared"], 50 * 11 * 8);
                    let chunk = records.iter().find(|record| record["kind"] == "chunk_differs").unwrap();
                    assert_eq!(
                        chunk["key"],
                        changed.key("t2m", [index[0] / 6, index[1] / 6, index[2] / 8]),
                        "{}",
                        at(index)
                    );
                    let difference = array["max_abs_difference"].as_f64().unwrap();
                    assert!(difference > 0.0 && difference < 1e-3, "{difference}");
                }
                against(&changed.store(), &sound.store(), &["--atol", "0.001"]).expect(0);
                let close = against(&changed.store(), &sound.store(), &["--rtol", "1e-6"]).expect(0);
                assert_eq!(close.record("compare", "/t2m")["result"], "close");
            }
        }
    }
}

#[test]
fn output_is_the_same_for_any_number_of_workers() {
    let (ours, theirs) = (Scene::sound(Format::V2), Scene::of(Format::V3, rechunked(Format::V3)));
    theirs.set("t2m", |index, value| *value += if index[1] == 3 { 1.0 } else { 0.0 });
    let run =
        |jobs: &str| against(&ours.store(), &theirs.store(), &["-v", jobs, "--max-memory", "1M"]).expect(1).stdout;
    let one = run("-j1");
    assert!(one.matches("chunk_differs").count() > 5);
    assert_eq!(one, run("-j2"));
    assert_eq!(one, run("-j4"));
}

#[test]
fn metadata_that_differ_are_named() {
    let sound = Scene::sound(Format::V3);
    type Change = fn(&mut Vec<Made>);
    fn array<'a>(arrays: &'a mut [Made], name: &str) -> &'a mut Made {
        arrays.iter_mut().find(|array| array.name == name).unwrap()
    }
    let changes: [(&[&str], &str, Change); 5] = [
        (&["only_in_one"], "/tp", |arrays| arrays.retain(|array| array.name != "tp")),
        (&["attributes_differ"], "/t2m", |arrays| array(arrays, "t2m").attributes = json!({"units": "degC"})),
        (&["dimension_names_differ"], "/t2m", |arrays| array(arrays, "t2m").dims = vec!["time", "y", "x"]),
        (&["dtype_differs"], "/t2m", |arrays| {
            let Data::F32(values) = &array(arrays, "t2m").data else { panic!("floats") };
            let wide = values.iter().map(|value| f64::from(*value)).collect();
            array(arrays, "t2m").data = Data::F64(wide);
        }),
        (&["shape_differs"], "/latitude", |arrays| {
            let latitude = array(arrays, "latitude");
            latitude.shape = vec![10];
        }),
    ];
    for (kinds, path, change) in changes {
        let mut changed = arrays();
        change(&mut changed);
        let scene = Scene::of(Format::V2, changed);
        for (one, other) in [(scene.store(), sound.store()), (sound.store(), scene.store())] {
            let outcome = against(&one, &other, &[]).expect(1);
            let expected: Vec<_> = kinds.iter().map(|kind| ((*kind).to_owned(), path.to_owned())).collect();
            assert_eq!(serious(&outcome), expected, "{}", outcome.stdout);
            outcome.records();
        }
        against(&scene.store(), &sound.store(), &["--skip", kinds[0]]).expect(0);
    }
}

/// Another fill value is worth knowing: chunks that are not stored would read otherwise.
#[test]
fn another_fill_value_is_a_note() {
    let sound = Scene::sound(Format::V3);
    let mut changed = arrays();
    changed.iter_mut().find(|array| array.name == "u10").unwrap().fill = json!("NaN");
    let outcome = against(&Scene::of(Format::V2, changed).store(), &sound.store(), &[]).expect(0);
    let found = outcome.of_type("finding");
    let note = found.iter().find(|finding| finding["kind"] == "fill_value_differs").unwrap();
    assert_eq!((&note["path"], &note["severity"]), (&"/u10".into(), &"info".into()), "{note}");
}

#[test]
fn a_missing_chunk_is_the_fill_value() {
    for (one, other) in [(Format::V2, Format::V3), (Format::V3, Format::V3)] {
        for theirs in [arrays(), rechunked(other)] {
            let (ours, theirs) = (Scene::sound(one), Scene::of(other, theirs));
            for scene in [&ours, &theirs] {
                scene.set("t2m", |index, value| {
                    if (6..12).contains(&index[0]) && index[1] < 6 {
                        *value = f32::NAN;
                    }
                });
            }
            ours.remove(&ours.key("t2m", [1, 0, 0]));
            let outcome = against(&ours.store(), &theirs.store(), &[]).expect(0);
            let noted: Vec<Value> =
                outcome.of_type("finding").into_iter().filter(|finding| finding["kind"] == "chunks_in_one").collect();
            assert_eq!((noted.len(), &noted[0]["count"], &noted[0]["severity"]), (1, &1.into(), &"info".into()));
            // Values under a missing chunk that are not the fill value.
            ours.remove(&ours.key("t2m", [3, 1, 0]));
            let outcome = against(&ours.store(), &theirs.store(), &[]).expect(1);
            let record = outcome.record("compare", "/t2m");
            assert_eq!((&record["differing"], &record["first_index"]), (&(6 * 5 * 8).into(), &json!([18, 6, 0])));
        }
    }
}

#[test]
fn archives_and_tables() {
    let (ours, theirs) = (Scene::sound(Format::V2), Scene::of(Format::Sharded, rechunked(Format::Sharded)));
    let archive = ours.directory.path().join("in.zarr.zip");
    fs::write(&archive, Zip::of(&ours.store(), "", false).finish()).unwrap();
    against(&archive, &theirs.store(), &[]).expect(0);
    theirs.set("tp", |index, value| *value += if index == [9, 9, 7] { 4.0 } else { 0.0 });
    against(&theirs.store(), &archive, &[]).expect(1);
    let table = Tool::new("zvalidate").args(["--format", "table"]).arg(&archive).arg("--against").arg(theirs.store());
    let outcome = table.run().expect(1);
    assert!(outcome.stdout.contains("[9, 9, 7]") && outcome.stdout.contains("1 array differs"), "{}", outcome.stdout);
}

/// Chunks of a store that is gone are not missing chunks.
#[test]
fn a_store_that_vanishes_is_not_compared() {
    let (ours, theirs) = (Scene::sound(Format::V2), Scene::sound(Format::V2));
    let server = ObjectServer::start(ours.directory.path(), vec![Fault::Slow { milliseconds: 40 }]);
    let run = || {
        let tool = Tool::hermetic("zvalidate").arg("--json").arg(server.s3_url("in.zarr"));
        let tool = tool.args([
            "--endpoint",
            &server.endpoint(),
            "--anonymous",
            "--region",
            "us-east-1",
            "--requests",
            "2",
            "-j1",
        ]);
        tool.arg("--against").arg(theirs.store())
    };
    run().run().expect(0);
    // The chunks of t2m are compared at this time, whose fill value NaN differs from theirs.
    let running = spawn(run());
    let before = server.served().len();
    wait_for("chunks are read", || server.served()[before..].iter().any(|served| served.key.contains("t2m/0.0.0")));
    fs::remove_dir_all(ours.store()).unwrap();
    let outcome = running.end();
    assert!([1, 3].contains(&outcome.code), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("was removed while it was being read"), "{}", outcome.stdout);
    assert!(
        outcome.of_type("compare").iter().all(|record| record["path"] != "/t2m" || record["result"] == "not_compared")
    );
    // A store that is gone from the beginning.
    against(&theirs.store(), &ours.store(), &[]).expect(4);
}

#[test]
fn invalid_arguments() {
    let scene = Scene::sound(Format::V2);
    let run = |arguments: &[&str]| Tool::new("zvalidate").arg(scene.store()).args(arguments).run();
    let store = scene.store().display().to_string();
    run(&["--rtol", "1"]).expect(2);
    run(&["--against", &store, "--atol", "-1"]).expect(2);
    run(&["--against", &store, "--level", "list"]).expect(2);
    run(&[&store, "--against", &store]).expect(2);
    run(&["--against", "/nowhere/at-all.zarr"]).expect(4);
    run(&["--against", &store, "--var", "nothing"]).expect(4);
    run(&["--against", &store, "--max-memory", "100"]).expect(3);
}

/// An array of 5 by 7 elements of any type, without compression.
struct Raw {
    dtype: String,
    itemsize: usize,
}

const ROWS: usize = 5;
const COLUMNS: usize = 7;

impl Raw {
    /// Writes `bytes`, the elements in C order, in chunks of this shape and order.
    fn write(&self, store: &Path, chunk: [usize; 2], order: &str, bytes: &[u8]) -> PathBuf {
        fs::create_dir_all(store).unwrap();
        let document = json!({"zarr_format": 2, "shape": [ROWS, COLUMNS], "chunks": chunk, "dtype": self.dtype,
            "order": order, "fill_value": null, "filters": null, "compressor": null});
        fs::write(store.join(".zarray"), document.to_string()).unwrap();
        let counts = [ROWS.div_ceil(chunk[0]), COLUMNS.div_ceil(chunk[1])];
        for (row, column) in (0..counts[0]).flat_map(|row| (0..counts[1]).map(move |column| (row, column))) {
            let mut content = Vec::new();
            for number in 0..chunk[0] * chunk[1] {
                let (r, c) = match order {
                    "F" => (number % chunk[0], number / chunk[0]),
                    _ => (number / chunk[1], number % chunk[1]),
                };
                let (r, c) = (row * chunk[0] + r, column * chunk[1] + c);
                let at = (r * COLUMNS + c) * self.itemsize;
                match r < ROWS && c < COLUMNS {
                    true => content.extend_from_slice(&bytes[at..at + self.itemsize]),
                    false => content.extend(vec![0xaa; self.itemsize]),
                }
            }
            fs::write(store.join(format!("{row}.{column}")), content).unwrap();
        }
        store.to_owned()
    }
}

fn v2(dtype: &str, itemsize: usize) -> Raw {
    Raw { dtype: dtype.to_owned(), itemsize }
}

/// Two orders of bytes, of dimensions, two chunkings.
#[test]
fn every_data_type_in_every_layout() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for (number, (kind, size)) in [
        ("f", 2),
        ("f", 4),
        ("f", 8),
        ("i", 1),
        ("i", 2),
        ("i", 8),
        ("u", 4),
        ("c", 8),
        ("c", 16),
        ("M", 8),
        ("U", 12),
        ("S", 5),
        ("b", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let name = |order: char| match kind {
            "M" => format!("{order}M8[s]"),
            "U" => format!("{order}U3"),
            _ => format!("{order}{kind}{size}"),
        };
        let bytes: Vec<u8> = match kind {
            "b" => (0..35).map(|at| u8::from(at % 3 == 0)).collect(),
            _ => (0..35 * size).map(|at| (at * 7 % 120) as u8).collect(),
        };
        let unit = match kind {
            "c" => size / 2,
            "U" => 4,
            "S" | "b" => 1,
            _ => size,
        };
        let swapped: Vec<u8> = bytes.chunks(unit).flat_map(|word| word.iter().rev().copied()).collect();
        let one = v2(&name('<'), size).write(&path(&format!("{number}-a")), [2, 3], "C", &bytes);
        let layouts = [([2, 3], "C"), ([2, 3], "F"), ([4, 2], "F"), ([5, 7], "C"), ([1, 7], "C")];
        for (layout, (chunk, order)) in layouts.into_iter().enumerate() {
            let two = v2(&name('>'), size).write(&path(&format!("{number}-{layout}")), chunk, order, &swapped);
            against(&one, &two, &[]).expect(0);
            let mut changed = swapped.clone();
            // Element [3, 4].
            changed[25 * size] ^= 1;
            let two = v2(&name('>'), size).write(&path(&format!("{number}-{layout}-c")), chunk, order, &changed);
            let record = against(&one, &two, &[]).expect(1).record("compare", "/");
            assert_eq!(
                (&record["differing"], &record["first_index"]),
                (&1.into(), &json!([3, 4])),
                "{kind}{size} {record}"
            );
        }
    }
}

#[test]
fn nan_and_zero_are_as_in_numpy() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let words = |change: fn(usize) -> f64| -> Vec<u8> { (0..35).flat_map(|at| change(at).to_le_bytes()).collect() };
    let array = || v2("<f8", 8);
    let one = array().write(&path("a"), [2, 3], "C", &words(|at| if at % 2 == 0 { f64::NAN } else { 0.0 }));
    let same = words(|at| if at % 2 == 0 { f64::from_bits(f64::NAN.to_bits() | 99) } else { -0.0 });
    for (number, chunk) in [[2, 3], [5, 2]].into_iter().enumerate() {
        let two = array().write(&path(&format!("b{number}")), chunk, "C", &same);
        let record = against(&one, &two, &[]).expect(0).record("compare", "/");
        assert_eq!(record["result"], "equal");
    }
    let infinite = words(|at| if at % 2 == 0 { f64::NAN } else { f64::INFINITY });
    let two = array().write(&path("c"), [2, 3], "C", &infinite);
    let record = against(&one, &two, &["--atol", "1e300", "--rtol", "1e300"]).expect(1).record("compare", "/");
    assert_eq!((&record["differing"], &record["max_abs_difference"]), (&17.into(), &"Infinity".into()));
}

#[test]
fn text_of_variable_length() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, is_v3: bool, chunk: usize, change: Option<usize>| {
        let store = directory.path().join(name);
        fs::create_dir_all(store.join("c")).unwrap();
        let document = match is_v3 {
            false => {
                json!({"zarr_format": 2, "shape": [9], "chunks": [chunk], "dtype": "|O", "order": "C", "fill_value": "",
                "filters": [{"id": "vlen-utf8"}], "compressor": null})
            }
            true => json!({"zarr_format": 3, "node_type": "array", "shape": [9], "data_type": "string",
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [chunk]}}, "fill_value": "",
                "chunk_key_encoding": {"name": "default"}, "codecs": [{"name": "vlen-utf8"}]}),
        };
        fs::write(store.join(if is_v3 { "zarr.json" } else { ".zarray" }), document.to_string()).unwrap();
        for number in 0..9usize.div_ceil(chunk) {
            let mut bytes = (chunk as u32).to_le_bytes().to_vec();
            for at in number * chunk..(number + 1) * chunk {
                let text = if Some(at) == change { "other".into() } else { "x".repeat(if at < 9 { at } else { 3 }) };
                bytes.extend((text.len() as u32).to_le_bytes());
                bytes.extend(text.as_bytes());
            }
            fs::write(store.join(if is_v3 { format!("c/{number}") } else { number.to_string() }), bytes).unwrap();
        }
        store
    };
    let one = write("a", false, 2, None);
    for (name, is_v3, chunk) in [("b", false, 2), ("c", true, 2), ("d", true, 4)] {
        against(&one, &write(name, is_v3, chunk, None), &[]).expect(0);
        let changed = write(&format!("{name}-changed"), is_v3, chunk, Some(5));
        let record = against(&one, &changed, &[]).expect(1).record("compare", "/");
        assert_eq!((&record["differing"], &record["first_index"]), (&1.into(), &json!([5])), "{record}");
    }
}

#[test]
fn lists_of_keys() {
    let (ours, theirs) = (Scene::sound(Format::V2), Scene::sound(Format::V3));
    ours.set("t2m", |index, value| *value += if index[0] == 13 { 1.0 } else { 0.0 });
    let outcome = against(&ours.store(), &theirs.store(), &["--corrupt", "-"]).expect(1);
    let store = ours.store().display().to_string();
    assert_eq!(outcome.stdout, format!("{store}/t2m/2.0.0\n{store}/t2m/2.1.0\n"));
    let list = ours.directory.path().join("all");
    against(&ours.store(), &theirs.store(), &["--combined", list.to_str().unwrap()]).expect(1).records();
    let text = fs::read_to_string(&list).unwrap();
    let signs = |sign: &str| text.lines().filter(|line| line.starts_with(sign)).count();
    assert_eq!((signs("= "), signs("* "), text.lines().count()), (3 + 4 * 18 - 2, 2, 3 + 4 * 18), "{text}");
    // A list never replaces a file.
    against(&ours.store(), &theirs.store(), &["--combined", list.to_str().unwrap()]).expect(7);
}
