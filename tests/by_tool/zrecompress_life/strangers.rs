//! Files in a store that are somebody else's: no run removes them, in place, in the way of an output, or at the end of a link.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use harness::{Outcome, Tool, tree};
use serde_json::json;
use tempfile::TempDir;

use crate::sample::{Form, GZIP, LZ4, Sample, decoded};
use crate::scene::{Scene, directory, rewrite};

/// A Zarr v2 store with the array `t` of two dimensions and a separator.
fn maps(separator: &str) -> (TempDir, PathBuf) {
    let directory = directory();
    let store = directory.path().join("maps.zarr");
    fs::create_dir_all(store.join("t")).unwrap();
    fs::write(store.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
    let metadata = json!({"zarr_format": 2, "shape": [6, 8], "chunks": [1, 8], "dtype": "<f4", "fill_value": 0, "order": "C",
        "compressor": null, "filters": null, "dimension_separator": separator});
    fs::write(store.join("t/.zarray"), metadata.to_string()).unwrap();
    for row in 0..6_u8 {
        let values: Vec<u8> = (0..8_u8).flat_map(|column| f32::from(row * 8 + column).to_le_bytes()).collect();
        put(&store, &format!("t/{row}{separator}0"), &values);
    }
    (directory, store)
}

fn put(store: &Path, key: &str, content: &[u8]) {
    fs::create_dir_all(store.join(key).parent().unwrap()).unwrap();
    fs::write(store.join(key), content).unwrap();
}

fn in_place(store: &Path, flags: &[&str]) -> Outcome {
    Tool::new("zrecompress").arg("--in-place").arg(store).args(flags).run()
}

/// The values of `t`, row by row, out of its only chunk.
fn assert_whole(store: &Path, separator: &str) {
    let bytes = fs::read(store.join(format!("t/0{separator}0"))).unwrap();
    let values: Vec<f32> = bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(values, (0..48_u8).map(f32::from).collect::<Vec<_>>());
}

/// Whole maps in one chunk, not compressed, so that the test can read them.
const RECHUNK: [&str; 4] = ["--chunks", "6,8", "--codec", "none"];

#[test]
fn what_no_reader_takes_for_a_chunk_stays_where_it_is() {
    let strange = [
        "t/1999",
        "t/2024/1/notes",
        "t/+5",
        "t/c/0/0",
        "t/.DS_Store",
        "t/.zattrs.~1~",
        "t/0.0.0",
        "t/attributes.json",
        "t/x/.zarray",
    ];
    for separator in [".", "/"] {
        for flags in [&RECHUNK[..], &["--codec", "none", "--chunks", "6,8", "--backup"]] {
            let (directory, store) = maps(separator);
            strange.iter().for_each(|key| put(&store, key, key.as_bytes()));
            symlink("nowhere", store.join("t/link")).unwrap();
            let old = directory.path().join("old");
            let more: Vec<&str> =
                flags.iter().copied().chain(flags.ends_with(&["--backup"]).then(|| old.to_str().unwrap())).collect();
            in_place(&store, &[&more[..], &["-n"]].concat()).expect(0);
            in_place(&store, &more).expect(0);
            assert_whole(&store, separator);
            for key in strange {
                assert_eq!(fs::read(store.join(key)).unwrap(), key.as_bytes(), "{key}");
            }
            assert_eq!(fs::read_link(store.join("t/link")).unwrap(), Path::new("nowhere"));
            assert!(!Path::new(&format!("{}.plan", store.display())).exists());
        }
    }
}

/// The same array in Zarr v3, with keys of its own or (`shared`) those of Zarr v2.
fn v3(shared: bool) -> serde_json::Value {
    let keys = json!({"name": if shared { "v2" } else { "default" }, "configuration": {"separator": if shared { "." } else { "/" }}});
    json!({"zarr_format": 3, "node_type": "array", "shape": [6, 8], "data_type": "float32", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3, 8]}}, "chunk_key_encoding": keys,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "attributes": {}})
}

/// Documents and chunks of the format that is not read stay, where both have chunks of their own.
#[test]
fn an_array_of_both_formats_keeps_the_other_one() {
    for read_v3 in [false, true] {
        let (directory, store) = maps(".");
        put(&store, "t/zarr.json", v3(false).to_string().as_bytes());
        let half: Vec<u8> = (0..24_u8).flat_map(|number| f32::from(number).to_le_bytes()).collect();
        ["t/c/0/0", "t/c/1/0"].iter().for_each(|key| put(&store, key, &half));
        if read_v3 {
            put(&store, "zarr.json", br#"{"zarr_format": 3, "node_type": "group", "attributes": {}}"#);
        }
        let is_v3 = |key: &String| key.ends_with("zarr.json") || key.starts_with("t/c");
        let others = |store: &Path| {
            let mut found = tree(store);
            found.retain(|key, _| is_v3(key) != read_v3 && key.starts_with("t/"));
            found
        };
        let (before, chunks) = (others(&store), if read_v3 { "3,4" } else { "6,8" });
        in_place(&store, &["--chunks", chunks, "--codec", "none"]).expect(0);
        assert!(others(&store) == before && before.len() > 2, "{:?}", others(&store).keys());
        match read_v3 {
            false => assert_whole(&store, "."),
            true => assert_eq!(fs::read(store.join("t/c/1/1")).unwrap().len(), 48),
        }
        // Both are parts of a Zarr store, which is replaced as a whole.
        let (_other, source) = maps(".");
        Tool::new("zrecompress").args(["--overwrite", "--codec", "none"]).arg(&source).arg(&store).run().expect(0);
        assert!(tree(&store) == tree(&source));
        drop(directory);
    }
}

/// One of two descriptions of the same chunks would be wrong afterwards.
#[test]
fn an_array_whose_chunks_two_formats_share_is_not_replaced() {
    for read_v3 in [false, true] {
        let (directory, store) = maps(".");
        let document = v3(true).to_string().replace("[3,8]", "[1,8]");
        put(&store, "t/zarr.json", document.as_bytes());
        if read_v3 {
            put(&store, "zarr.json", br#"{"zarr_format": 3, "node_type": "group", "attributes": {}}"#);
        }
        let before = tree(&store);
        for flags in [&["-n"][..], &[]] {
            let outcome = in_place(&store, &[&RECHUNK[..], flags].concat()).expect(7);
            assert!(outcome.stderr.contains("both Zarr formats"), "{}", outcome.stderr);
        }
        assert!(tree(&store) == before);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is begun");
    }
}

/// It would be a chunk of the new array, or be lost: nothing is begun.
#[test]
fn what_could_be_taken_for_a_chunk_stops_the_run_before_it_starts() {
    for (key, says) in [("t/6.0", "t/6.0"), ("t/99.7", "t/99.7"), ("t/0/1", "separator")] {
        let (directory, store) = maps(".");
        put(&store, key, b"mine");
        let before = tree(&store);
        for flags in [&["-n"][..], &[], &["--prepare", "--parts", "2"]] {
            let outcome = in_place(&store, &[&RECHUNK[..], flags].concat());
            assert!([5, 7].contains(&outcome.code) && outcome.stderr.contains(says), "{flags:?}: {}", outcome.stderr);
            assert!(tree(&store) == before);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is begun");
        }
    }
    // As the hint says.
    let (directory, store) = maps(".");
    put(&store, "t/6.0", b"mine");
    let outcome = in_place(&store, &RECHUNK).expect(7);
    assert!(outcome.stderr.contains("--backup DIR"), "{}", outcome.stderr);
    let old = directory.path().join("old");
    in_place(&store, &[&RECHUNK[..], &["--backup", old.to_str().unwrap()]].concat()).expect(0);
    assert_whole(&store, ".");
    assert_eq!(fs::read(old.join("t/6.0")).unwrap(), b"mine");
}

/// A link to a directory is no directory of the array.
#[test]
fn what_a_link_leads_to_is_not_replaced() {
    let (directory, store) = maps(".");
    let elsewhere = directory.path().join("elsewhere");
    put(&elsewhere, "diary.txt", b"dear");
    symlink(&elsewhere, store.join("t/mine")).unwrap();
    let outcome = in_place(&store, &RECHUNK).expect(7);
    assert!(outcome.stderr.contains("t/mine"), "{}", outcome.stderr);
    assert!(elsewhere.join("diary.txt").exists() && store.join("t/mine").is_symlink());
}

/// A change of the codec that comes after a file did: found at the end, and the hint is a way on.
#[test]
fn what_comes_into_the_way_during_the_run_is_not_lost() {
    let (directory, store) = maps(".");
    in_place(&store, &[&RECHUNK[..], &["--prepare", "--parts", "1"]].concat()).expect(0);
    Tool::new("zrecompress").args(["--part", "1/1"]).arg(&store).run().expect(0);
    put(&store, "t/6.0", b"mine");
    put(&store, "t/notes.txt", b"mine, too");
    let before = tree(&store);
    let outcome = Tool::new("zrecompress").arg("--finish").arg(&store).run().expect(7);
    assert!(outcome.stderr.contains("t/6.0") && outcome.stderr.contains("--resume"), "{}", outcome.stderr);
    assert!(tree(&store) == before);
    fs::rename(store.join("t/6.0"), directory.path().join("6.0")).unwrap();
    in_place(&store, &[&RECHUNK[..], &["--resume"]].concat()).expect(0);
    assert_whole(&store, ".");
    assert_eq!(fs::read(store.join("t/notes.txt")).unwrap(), b"mine, too");
}

/// A run that goes on sweeps what a killed one left, and nothing else.
#[test]
fn only_temporary_files_of_ours_are_swept() {
    for codec in [LZ4, GZIP] {
        let scene = Scene::in_place(Sample { chunks: 8, ..Sample::new(Form::V2, codec) }, &["--cname", "zstd"]);
        scene.all_but("a1/5");
        let elsewhere = scene.path("elsewhere");
        put(&elsewhere, ".0.tmp-host-1-0", b"behind a link");
        symlink(&elsewhere, scene.source.join("link")).unwrap();
        let ours = ["a0/.5.tmp-host-1-0", "a0/..zarray.tmp-host-77-3", "..zgroup.tmp-a-b-1-0"];
        let theirs = [
            ".notes.txt.tmp-host-1-0",
            ".5.tmp-mine",
            ".5.tmp-host-1",
            ".5.tmp-host-x-0",
            ".0.part.tmp-host-1-0",
            "5.tmp-host-1-0",
        ];
        ours.iter().chain(&theirs).for_each(|key| put(&scene.source, key, b"left"));
        scene.run(&["--resume"]).expect(0);
        ours.iter().for_each(|key| assert!(!scene.source.join(key).exists(), "{key}"));
        theirs.iter().for_each(|key| assert!(scene.source.join(key).exists(), "{key}"));
        assert!(elsewhere.join(".0.tmp-host-1-0").exists());
    }
}

/// A folder of that name with a file `lock` in it, and no plan of ours.
#[test]
fn somebodys_own_plan_is_not_touched() {
    let scene = Scene::of(Sample { chunks: 8, ..Sample::new(Form::V2, LZ4) }, &["--cname", "zstd"]);
    for files in [&["lock", "budget.ods"][..], &["lock"], &["lock", "plan.json", "store/garage.dwg"]] {
        files.iter().for_each(|name| put(&scene.plan(), name, b"mine"));
        let before = tree(&scene.plan());
        for flags in [&[][..], &["--overwrite"], &["--resume"], &["--prepare", "--parts", "2"]] {
            assert_ne!(scene.run(flags).code, 0, "{files:?} {flags:?}");
            assert!(tree(&scene.plan()) == before && !scene.output.exists(), "{files:?} {flags:?}");
        }
        for flags in [&["--finish"][..], &["--part", "1/2"], &["--status"]] {
            assert_ne!(scene.of_output(flags).code, 0, "{files:?} {flags:?}");
            assert!(tree(&scene.plan()) == before, "{files:?} {flags:?}");
        }
        fs::remove_dir_all(scene.plan()).unwrap();
    }
}

#[test]
fn overwrite_lists_what_is_no_part_of_the_store_and_refuses() {
    let scene = Scene::of(Sample { chunks: 8, ..Sample::new(Form::V2, LZ4) }, &["--cname", "zstd"]);
    Sample { chunks: 8, ..Sample::new(Form::V3, GZIP) }.write(&scene.output);
    let strange = ["thesis/chapter1.tex", "notes.txt", "a0/1999", "a0/c/0.bak", "a0/c/8"];
    strange.iter().for_each(|key| put(&scene.output, key, b"mine"));
    let before = tree(&scene.output);
    let outcome = scene.run(&["--overwrite"]).expect(7);
    strange.iter().for_each(|key| assert!(outcome.stderr.contains(key), "{key}: {}", outcome.stderr));
    assert!(tree(&scene.output) == before);
    scene.assert_left(&[]);
    strange.iter().for_each(|key| fs::remove_file(scene.output.join(key)).unwrap());
    // What comes in during the run is seen, too.
    let content = fs::read(scene.source.join("a1/5")).unwrap();
    rewrite(&scene.source.join("a1/5"), b"damaged");
    scene.run(&["--overwrite"]).expect(3);
    rewrite(&scene.source.join("a1/5"), &content);
    put(&scene.output, "letter.txt", b"mine");
    let outcome = scene.run(&["--resume"]).expect(7);
    assert!(outcome.stderr.contains("letter.txt") && scene.output.join("letter.txt").exists(), "{}", outcome.stderr);
    fs::remove_file(scene.output.join("letter.txt")).unwrap();
    scene.run(&["--resume"]).expect(0);
    assert!(decoded(&scene.output) == decoded(&scene.source));
    scene.assert_left(&[]);
}
