//! `zrecompress`: what comes out equals what went in, and what goes wrong loses nothing. (Whether others can read the output
//! is judged by `tests/interop`.)
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use harness::{MakeArray, Outcome, Running, Tool, copy_tree, fixture, repository, spawn, tree};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use zarray::{Chain, json as zarr_json};
use zcodec::{Blosc, Cname, Shuffle, Workspace};

fn recompress(source: &Path, target: &Path, arguments: &[&str]) -> Outcome {
    Tool::new("zrecompress").arg(source).arg(target).args(arguments).run()
}

/// A directory, and the path of an output in it that does not exist yet.
fn output() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.zarr");
    (directory, path)
}

/// Nothing was left in the directory of an output that failed.
#[track_caller]
fn nothing_left(directory: &TempDir) {
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// The decoded chunks of a v2 array, by key.
fn decoded(array: &Path) -> Vec<(String, Vec<u8>)> {
    let metadata = zarr_json::parse(&fs::read(array.join(".zarray")).unwrap()).unwrap();
    let filters = metadata["filters"].as_array().cloned().unwrap_or_default();
    let compressor = Some(&metadata["compressor"]).filter(|compressor| !compressor.is_null());
    let elements = metadata["chunks"].as_array().unwrap().iter().map(|length| length.as_u64().unwrap()).product();
    let chain = Chain::v2(&metadata["dtype"], &filters, compressor, elements).unwrap();
    let mut chunks = Vec::new();
    for (key, stored) in tree(array) {
        if !key.contains(".z") && !key.ends_with('/') {
            let (mut bytes, mut spare) = (Vec::new(), Vec::new());
            chain.decode_tail(&stored, &mut bytes, &mut spare, 1, &mut Workspace::default()).unwrap();
            chunks.push((key, bytes));
        }
    }
    chunks
}

#[test]
fn every_codec_and_filter_comes_through_bit_for_bit() {
    for (store, arguments) in [
        ("v2-codecs.zarr", &["--cname", "zstd", "--shuffle", "bitshuffle"][..]),
        ("v2-codecs.zarr", &["--cname", "lz4hc", "--clevel", "9", "--shuffle", "noshuffle", "--nthreads", "2"]),
        ("v2-dtypes.zarr", &["--cname", "blosclz", "--clevel", "1"]),
        ("v2-dtypes.zarr", &["--cname", "zlib", "--blocksize", "256"]),
        ("v2-layout.zarr", &["--cname", "lz4", "--clevel", "0"]),
    ] {
        let (_directory, target) = output();
        recompress(&fixture(store), &target, &[arguments, &["--min-size", "0"]].concat()).expect(0).records();
        let mut seen = 0;
        for key in tree(&fixture(store)).keys().filter_map(|key| key.strip_suffix("/.zarray")) {
            let (before, after) = (decoded(&fixture(store).join(key)), decoded(&target.join(key)));
            assert!(before == after, "{store} {arguments:?}: {key}");
            seen += before.len();
        }
        assert!(seen > 20, "{store}: {seen} chunks");
        let names = |path: &Path| tree(path).into_keys().filter(|key| key != "empty/").collect::<Vec<_>>();
        assert_eq!(names(&fixture(store)), names(&target), "{store}: chunks that were absent stay absent");
    }
}

#[test]
fn only_the_codec_changes_in_the_metadata() {
    for store in ["weather-v2.zarr", "v2-layout.zarr", "v3-dtypes.zarr", "v3-sharded.zarr"] {
        let (_directory, target) = output();
        recompress(&fixture(store), &target, &["--min-size", "0", "--cname", "lz4"]).expect(0);
        let (before, after) = (tree(&fixture(store)), tree(&target));
        let documents = before.keys().filter(|key| {
            let name = key.rsplit('/').next().unwrap();
            name.starts_with(".z") || name == "zarr.json"
        });
        for key in documents {
            let changed = scrubbed(&before[key]) == scrubbed(&after[key]);
            assert!(changed, "{store}/{key}:\n{}", String::from_utf8_lossy(&after[key]));
            if key.ends_with(".zattrs") || key.ends_with(".zgroup") {
                assert_eq!(before[key], after[key], "{store}/{key}");
            }
        }
    }
}

/// A document without what a recompression may change.
fn scrubbed(text: &[u8]) -> Value {
    fn scrub(value: &mut Value) {
        if let Some(members) = value.as_object_mut() {
            members.retain(|key, _| key != "compressor" && key != "codecs");
            members.values_mut().for_each(scrub);
        }
    }
    let mut value = zarr_json::parse(text).unwrap();
    scrub(&mut value);
    value
}

#[test]
fn bare_nan_and_number_spellings_survive() {
    let (_directory, target) = output();
    recompress(&fixture("v2-layout.zarr"), &target, &[]).expect(0);
    let after = fs::read_to_string(target.join(".zmetadata")).unwrap();
    let before = fs::read_to_string(fixture("v2-layout.zarr").join(".zmetadata")).unwrap();
    let count = |text: &str, word: &str| text.matches(word).count();
    assert!(count(&before, ": NaN") > 0, "the fixture has a bare NaN");
    for word in ["NaN", "\"NaN\"", "Infinity", "1.0"] {
        assert_eq!(count(&after, word), count(&before, word), "{word}");
    }
    assert_eq!(count(&after, "\"zstd\""), count(&before, "\"compressor\""));
}

#[test]
fn a_single_array_and_a_group_will_do() {
    for (source, path) in [("weather-v2.zarr/t2m", "/"), ("v3-sharded.zarr/nested", "/deeper/line_i2")] {
        let (_directory, target) = output();
        let outcome = recompress(&fixture(source), &target, &[]).expect(0);
        outcome.record("recompress", path);
        Tool::new("zinspect").arg(&target).run().expect(0).record("array", path);
    }
}

#[test]
fn coordinates_and_what_is_not_selected_are_copied_as_they_are() {
    let (_directory, target) = output();
    let outcome = recompress(&fixture("weather-v2.zarr"), &target, &["--var", "t2m", "--var", "time"]).expect(0);
    let (before, after) = (tree(&fixture("weather-v2.zarr")), tree(&target));
    for (path, action, word) in [("/t2m", "recompress", ""), ("/time", "copy", "--min-size"), ("/msl", "copy", "--var")]
    {
        let record = outcome.record("recompress", path);
        assert_eq!(record["action"], action);
        assert!(record["reason"].as_str().unwrap_or_default().contains(word), "{record}");
        let array = &path[1..];
        let same = before.iter().filter(|(key, _)| key.starts_with(array)).all(|(key, content)| after[key] == *content);
        assert_eq!(same, action == "copy", "{path}");
    }
    recompress(&fixture("weather-v2.zarr"), &target.with_extension("x"), &["--var", "nothing"]).expect(4);
}

#[test]
fn what_is_in_the_wanted_codec_already_is_copied() {
    let (directory, target) = output();
    let arguments = ["--min-size", "0", "--cname", "zstd", "--clevel", "5"];
    recompress(&fixture("weather-v2.zarr"), &target, &arguments).expect(0);
    let again = directory.path().join("again.zarr");
    let outcome = recompress(&target, &again, &arguments).expect(0);
    assert!(outcome.of_type("recompress").iter().all(|record| record["action"] == "copy"), "{}", outcome.stdout);
    assert_eq!(tree(&target), tree(&again));
}

/// The metadata names the wanted codec, the frames were written with elements of one byte: they are made what it says.
#[test]
fn frames_that_are_not_what_the_metadata_says_are_made_so() {
    let (_directory, target) = output();
    let source = fixture("typesize1.zarr");
    let arguments = ["--cname", "zstd", "--clevel", "5", "--shuffle", "shuffle"];
    let record = recompress(&source, &target, &arguments).expect(0).record("recompress", "/data");
    assert_eq!(record["action"], "recompress");
    let chunk = Tool::new("zinspect").arg(&target).run().expect(0).record("chunk", "/data");
    assert_eq!(chunk["typesize"], 4);
    let array = Tool::new("zinspect").arg(&target).run().expect(0).record("array", "/data");
    assert_ne!(array["verdict"], "useless_shuffle");
}

#[test]
fn threads_change_no_byte() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.zarr");
    MakeArray { chunks: 3, ..MakeArray::default() }.write(&source);
    let trees: Vec<_> = [("1", "1"), ("4", "3"), ("2", "8")]
        .into_iter()
        .map(|(jobs, threads)| {
            let target = directory.path().join(format!("{jobs}-{threads}.zarr"));
            recompress(&source, &target, &["-j", jobs, "--nthreads", threads]).expect(0);
            tree(&target)
        })
        .collect();
    assert!(trees[0] == trees[1] && trees[0] == trees[2]);
}

#[test]
fn the_plan_writes_nothing() {
    let (directory, target) = output();
    let outcome = recompress(&fixture("weather-v2.zarr"), &target, &["--dry-run"]).expect(0);
    outcome.records();
    let plan = outcome.record("plan", "/t2m");
    assert_eq!((&plan["action"], &plan["objects_expected"]), (&json!("recompress"), &json!(2)));
    assert_eq!((&plan["from"], &plan["to"]), (&json!("zlib(4)"), &json!("blosc(zstd,3,shuffle)")));
    nothing_left(&directory);
}

#[test]
fn an_impossible_budget_is_refused_before_anything_is_written() {
    let (directory, target) = output();
    let outcome = recompress(&fixture("weather-v2.zarr"), &target, &["--max-memory", "100K"]).expect(2);
    assert!(outcome.stderr.contains("--max-memory"), "{}", outcome.stderr);
    nothing_left(&directory);
    recompress(&fixture("weather-v2.zarr"), &target, &["--max-memory", "5M", "-j4"]).expect(0);
}

#[test]
fn an_output_that_exists_is_left_alone_unless_told() {
    let (directory, target) = output();
    fs::create_dir(&target).unwrap();
    fs::write(target.join("precious"), "x").unwrap();
    // What is no store is not replaced even when told.
    recompress(&fixture("deep.zarr"), &target, &["--overwrite"]).expect(7);
    let outcome = recompress(&fixture("deep.zarr"), &target, &[]).expect(7);
    assert!(outcome.stderr.contains("already exists") && outcome.stderr.contains("--overwrite"), "{}", outcome.stderr);
    assert_eq!(tree(&target).len(), 1);
    fs::write(target.join(".zgroup"), "{\"zarr_format\": 2}").unwrap();
    let outcome = recompress(&fixture("deep.zarr"), &target, &["--overwrite"]).expect(7);
    assert!(outcome.stderr.contains("precious") && target.join("precious").exists(), "{}", outcome.stderr);
    fs::remove_file(target.join("precious")).unwrap();
    recompress(&fixture("deep.zarr"), &target, &["--overwrite"]).expect(0);
    assert!(!target.join(".zgroup").exists() && target.join("zarr.json").exists());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn source_and_output_keep_apart() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.zarr");
    copy_tree(&fixture("deep.zarr"), &source);
    let before = tree(directory.path());
    for target in
        [source.clone(), source.join("g01/new"), directory.path().to_owned(), directory.path().join("x/../source.zarr")]
    {
        let outcome = recompress(&source, &target, &["--overwrite"]);
        assert!([2, 7].contains(&outcome.code), "{}: {}", target.display(), outcome.stderr);
        assert_eq!(tree(directory.path()), before, "{}", target.display());
    }
}

#[test]
fn an_output_that_cannot_be_written_is_said_so() {
    let file = fixture("README.md");
    for target in [Path::new("/proc/out.zarr"), Path::new("/nowhere/out.zarr"), &file.join("out.zarr")] {
        let outcome = recompress(&fixture("deep.zarr"), target, &[]).expect(7);
        assert!(outcome.stderr.contains("out.zarr"), "{}", outcome.stderr);
    }
    let outcome = recompress(&fixture("deep.zarr"), Path::new("http://127.0.0.1:9/out.zarr"), &[]).expect(7);
    assert!(outcome.stderr.contains("plain HTTP"), "{}", outcome.stderr);
}

/// A source object that fails is named, the others are looked at, and no half store appears: what is done is kept.
#[test]
fn bad_chunks_are_named_and_nothing_is_published() {
    for (store, keys) in [
        ("cut-chunk.zarr", &["t2m/0.1"][..]),
        ("short-header.zarr", &["t2m/0.1"]),
        ("zero-chunk.zarr", &["t2m/0.1"]),
        ("bitflip-chunk.zarr", &["blosc_lz4/0.1", "blosc_zstd/0.1", "zlib/0.1"]),
    ] {
        let (directory, target) = output();
        let source = fixture("broken").join(store);
        let outcome = recompress(&source, &target, &["-j1"]).expect(3);
        outcome.records();
        let mut places: Vec<String> =
            outcome.of_type("error").iter().map(|error| error["path"].as_str().unwrap().to_owned()).collect();
        places.sort();
        assert_eq!(places.len(), keys.len(), "{store}: {places:?}");
        assert!(places.iter().zip(keys).all(|(place, key)| place.ends_with(key)), "{store}: {places:?}");
        assert!(outcome.of_type("error").iter().all(|error| error["exit"] == 5));
        assert!(outcome.stderr.contains("unfinished"), "{store}: {}", outcome.stderr);
        assert!(!target.exists() && directory.path().join("out.zarr.plan/journal/1").exists());
    }
}

#[test]
fn what_cannot_be_carried_over_is_refused_before_anything_is_written() {
    for (store, code, word) in [
        ("truncated-json.zarr", 5, "bad"),
        ("truncated-root.zarr", 5, "zarr.json"),
        ("bad-members.zarr", 5, "negative_shape"),
        ("unknown-codec-v2.zarr", 5, "nobody_knows"),
        ("unknown-codec-v3.zarr", 5, "odd"),
        ("huge-chunk.zarr", 5, "2147483631"),
        ("huge-chunk-v3.zarr", 5, "2147483631"),
        ("not-zarr", 4, "not-zarr"),
    ] {
        let (directory, target) = output();
        let outcome = recompress(&fixture("broken").join(store), &target, &[]).expect(code);
        outcome.records();
        assert!(outcome.stderr.contains(word), "{store}: {}", outcome.stderr);
        assert!(outcome.stderr.lines().any(|line| line.starts_with("zrecompress: ")), "{}", outcome.stderr);
        nothing_left(&directory);
    }
}

#[test]
fn unknown_codecs_can_be_copied() {
    let (_directory, target) = output();
    let source = fixture("broken/unknown-codec-v2.zarr");
    let outcome = recompress(&source, &target, &["--copy-unknown"]).expect(0);
    assert_eq!(outcome.record("recompress", "/odd")["action"], "copy");
    assert_eq!(outcome.record("recompress", "/good")["action"], "recompress");
    let (before, after) = (tree(&source), tree(&target));
    assert!(before.iter().filter(|(key, _)| key.starts_with("odd")).all(|(key, content)| after[key] == *content));
}

#[test]
fn keys_that_belong_to_no_array_are_left_out_and_told() {
    let (_directory, target) = output();
    let outcome = recompress(&fixture("broken/strays.zarr"), &target, &[]).expect(0);
    assert_eq!(outcome.records().pop().unwrap()["skipped_keys"], 4);
    assert!(outcome.stderr.contains("4 keys outside any array not copied"), "{}", outcome.stderr);
    assert!(tree(&target).keys().all(|key| !key.contains("tmp") && !key.contains("partial") && key != "t2m/2.7"));
}

/// No reader finds such chunks, so a copy would be without them.
#[test]
fn chunks_with_the_wrong_separator_are_not_lost_in_silence() {
    let (directory, target) = output();
    let outcome = recompress(&fixture("broken/wrong-separator.zarr"), &target, &[]).expect(3);
    outcome.records();
    assert!(outcome.stderr.contains("do not use the separator"), "{}", outcome.stderr);
    nothing_left(&directory);
}

/// Everything that stands in the way is told at once.
#[test]
fn all_untreatable_arrays_are_named() {
    for (store, count) in [("bad-members.zarr", 3), ("huge-chunk.zarr", 3)] {
        let (_directory, target) = output();
        let outcome = recompress(&fixture("broken").join(store), &target, &[]).expect(5);
        assert_eq!(outcome.of_type("error").len(), count, "{store}: {}", outcome.stdout);
    }
}

/// Failures are told in the order of their keys, however many workers find them.
#[test]
fn failing_runs_print_the_same_at_any_number_of_workers() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.zarr");
    MakeArray { chunk: 1000, chunks: 40, ..MakeArray::default() }.write(&source);
    for chunk in ["3", "17", "30", "31"] {
        fs::write(source.join(chunk), "damaged").unwrap();
    }
    let run = |jobs| {
        let outcome = recompress(&source, &directory.path().join("out.zarr"), &["--overwrite", jobs]).expect(3);
        assert_eq!(outcome.of_type("error").len(), 4);
        (outcome.stdout, outcome.stderr)
    };
    let expected = run("-j1");
    for _ in 0..5 {
        assert_eq!(run("-j4"), expected);
    }
}

/// A node of the other format would be left out of the walk, and so of the copy.
#[test]
fn mixed_hierarchies_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("mixed.zarr");
    copy_tree(&fixture("deep.zarr"), &source);
    MakeArray { chunk: 10, ..MakeArray::default() }.write(&source.join("g01/old"));
    let outcome = recompress(&source, &directory.path().join("out.zarr"), &[]).expect(5);
    assert!(outcome.stderr.contains("g01/old") && outcome.stderr.contains(".zarray"), "{}", outcome.stderr);
}

/// Of two members of one name, parsers believe the last.
#[test]
fn the_codec_that_readers_see_is_the_one_that_changes() {
    let directory = tempfile::tempdir().unwrap();
    let (source, target) = (directory.path().join("source.zarr"), directory.path().join("out.zarr"));
    MakeArray { chunk: 1000, ..MakeArray::default() }.write(&source);
    let text = fs::read_to_string(source.join(".zarray")).unwrap();
    fs::write(source.join(".zarray"), text.replacen('{', "{\"compressor\": null, ", 1)).unwrap();
    recompress(&source, &target, &["--cname", "zlib"]).expect(0);
    assert_eq!(decoded(&source), decoded(&target));
}

/// Links that lead back up are not followed for ever.
#[test]
fn links_that_lead_back_up_end() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.zarr");
    copy_tree(&fixture("deep.zarr"), &source);
    for name in ["up", "again"] {
        std::os::unix::fs::symlink("..", source.join("g01").join(name)).unwrap();
    }
    let outcome = Tool::new("zinspect").arg(&source).run().expect(0);
    assert_eq!(outcome.of_type("group").len(), 21);
    recompress(&source, &directory.path().join("out.zarr"), &[]).expect(0);
}

/// Sizes that no number holds are refused, not wrapped around.
#[test]
fn sizes_that_overflow_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.zarr");
    fs::create_dir_all(source.join("c/0")).unwrap();
    let shard = 1u64 << 40;
    let metadata = json!({
        "zarr_format": 3, "node_type": "array", "shape": [shard, shard], "data_type": "int8", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [shard, shard]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "sharding_indexed", "configuration": {"chunk_shape": [1, 1], "codecs": ["bytes"],
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "index_location": "end"}}],
    });
    fs::write(source.join("zarr.json"), metadata.to_string()).unwrap();
    fs::write(source.join("c/0/0"), "x".repeat(100)).unwrap();
    Tool::new("zinspect").arg(&source).run().expect(5).records();
    recompress(&source, &directory.path().join("out.zarr"), &[]).expect(5).records();
}

/// A header that claims more than the chunk has is not believed.
#[test]
fn a_claim_of_gigabytes_takes_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.zarr");
    MakeArray { chunk: 1000, ..MakeArray::default() }.write(&source);
    let mut frame = vec![2, 1, 0x11, 4];
    frame.extend(2_000_000_000u32.to_le_bytes());
    frame.extend(500_000_000u32.to_le_bytes());
    frame.extend(64u32.to_le_bytes());
    frame.resize(64, 0);
    fs::write(source.join("0"), frame).unwrap();
    let outcome = recompress(&source, &directory.path().join("out.zarr"), &["--timing"]).expect(3);
    let peak = outcome.records().pop().unwrap()["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak < 100 << 20, "{peak}");
}

/// Arrays that the consolidated copy has forgotten are not lost.
#[test]
fn stale_consolidated_metadata_loses_no_array() {
    let (_directory, target) = output();
    let outcome = recompress(&fixture("broken/stale-consolidated.zarr"), &target, &[]).expect(0);
    outcome.record("recompress", "/added");
    assert!(target.join("added/0.0").exists());
}

#[test]
fn a_path_that_is_not_utf8_works() {
    let directory = tempfile::tempdir().unwrap();
    let name = |bytes: &[u8]| directory.path().join(std::ffi::OsStr::from_bytes(bytes));
    let (source, target) = (name(b"caf\xe9.zarr"), name(b"out\xff.zarr"));
    copy_tree(&fixture("weather-v2.zarr"), &source);
    recompress(&source, &target, &[]).expect(0).records();
    assert!(target.join(".zmetadata").exists());
}

/// A store large enough to be caught in the middle.
fn slow_run(directory: &TempDir) -> (PathBuf, PathBuf, Running) {
    let (source, target) = (directory.path().join("source.zarr"), directory.path().join("out.zarr"));
    MakeArray { chunk: 1 << 17, chunks: 120, ..MakeArray::default() }.write(&source);
    let mut child = spawn(Tool::new("zrecompress").arg(&source).arg(&target).args(["--clevel", "9", "-j1"]));
    assert!(child.reaches(|| written_something(directory)), "it never wrote anything");
    (source, target, child)
}

/// Whether a chunk is there, beside `.zarray`.
fn written_something(directory: &TempDir) -> bool {
    fs::read_dir(directory.path().join("out.zarr.plan/store")).is_ok_and(|entries| entries.count() > 2)
}

#[test]
fn a_signal_in_the_middle_leaves_no_half_store() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let directory = tempfile::tempdir().unwrap();
        let (source, target, child) = slow_run(&directory);
        let before = tree(&source);
        child.signal(signal);
        let outcome = child.end();
        assert_eq!(outcome.code, code, "{}", outcome.stderr);
        outcome.records();
        assert_eq!(tree(&source), before);
        assert!(!target.exists() && outcome.stderr.contains("--resume"), "{}", outcome.stderr);
        recompress(&source, &target, &["--clevel", "9", "--resume"]).expect(0);
        assert_eq!(decoded(&target), decoded(&source));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "only source and output are there");
    }
}

#[test]
fn a_kill_in_the_middle_leaves_no_store_under_the_final_name() {
    let directory = tempfile::tempdir().unwrap();
    let (source, target, child) = slow_run(&directory);
    child.kill();
    assert!(!target.exists());
    let outcome = recompress(&source, &target, &["--clevel", "1"]).expect(7);
    assert!(outcome.stderr.contains("an unfinished run exists"), "{}", outcome.stderr);
    let outcome = recompress(&source, &target, &["--clevel", "1", "--resume"]).expect(2);
    assert!(outcome.stderr.contains("--clevel"), "{}", outcome.stderr);
    recompress(&source, &target, &["--clevel", "1", "--overwrite"]).expect(0);
    assert!(target.join(".zarray").exists());
}

/// A file system of one megabyte, in a name space of its own where the system lets us have one.
#[test]
fn a_full_disk_is_an_output_failure() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.zarr");
    MakeArray { codec: None, noise_bits: 32, ..MakeArray::default() }.write(&source);
    let mount = directory.path().join("small");
    fs::create_dir(&mount).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=1m none '{0}' || exit 77; '{1}' '{2}' '{0}/out.zarr'; code=$?; ls -A '{0}' | wc -l >&2; exit $code",
        mount.display(),
        harness::binary("zrecompress").display(),
        source.display()
    );
    let unshare = std::process::Command::new("unshare").args(["-rm", "sh", "-c", &script]).output();
    let Ok(output) = unshare else { return println!("skipped: there is no unshare(1) here") };
    let outcome = Outcome::of(output);
    if outcome.code == 77 || outcome.stderr.contains("unshare") {
        return println!("skipped: {}", outcome.stderr);
    }
    let outcome = outcome.expect(7);
    assert!(outcome.stderr.contains("No space left"), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().last().unwrap().trim(), "0", "nothing is left: {}", outcome.stderr);
}

#[test]
fn shards_are_transcoded_inside_and_their_index_is_right() {
    for arguments in [&["-j1", "--nthreads", "1"][..], &["-j1", "--nthreads", "3"]] {
        let (_directory, target) = output();
        recompress(&fixture("v3-sharded.zarr"), &target, &[arguments, &["--cname", "lz4"]].concat()).expect(0);
        let outcome = Tool::new("zinspect").args(["--sample", "50", "--sizes"]).arg(&target).run().expect(0);
        let chunks = outcome.of_type("chunk");
        assert!(chunks.len() > 40 && chunks.iter().all(|chunk| chunk["format"] == "blosc"), "{}", chunks.len());
        // The inner chunks that are missing stay missing.
        let inner = |store: &Path| {
            let outcome = Tool::new("zinspect").args(["--sample", "50"]).arg(store).run().expect(0);
            let key = |chunk: &Value| json!([chunk["path"], chunk["key"], chunk["inner_chunk"]]);
            outcome.of_type("chunk").iter().map(key).collect::<Vec<_>>()
        };
        assert_eq!(inner(&fixture("v3-sharded.zarr")), inner(&target));
    }
}

/// The real store of the fixtures, and those beside the repository where they are.
#[test]
fn real_era5_stores() {
    let data = repository().join("../shared/data");
    let beside = ["era5-uk-v2.zarr", "era5-uk-packed-v2.zarr", "era5-uk-v3-sharded.zarr"].map(|store| data.join(store));
    for store in [fixture("era5-uk-v2.zarr")].iter().chain(beside.iter().filter(|store| store.exists())) {
        let (_directory, target) = output();
        let outcome = recompress(store, &target, &["--shuffle", "bitshuffle"]).expect(0);
        assert_eq!(outcome.record("recompress", "/t2m")["action"], "recompress");
        let array = Tool::new("zinspect").arg(&target).run().expect(0).record("array", "/t2m");
        assert!(array["codec"].as_str().unwrap().contains("blosc(zstd,3,bitshuffle)"), "{array}");
    }
}

/// No metadata bounds what a chunk of elements of variable length decodes to: the memory limit does.
#[test]
fn a_chunk_that_decodes_to_more_than_the_memory_is_refused() {
    let (directory, target) = output();
    let source = directory.path().join("source.zarr");
    let array = source.join("t");
    fs::create_dir_all(&array).unwrap();
    fs::write(source.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
    let metadata = json!({"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "fill_value": "", "order": "C",
        "filters": [{"id": "vlen-utf8"}], "compressor": {"id": "zlib", "level": 1}});
    fs::write(array.join(".zarray"), metadata.to_string()).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(1));
    let zeros = vec![0; 1 << 20];
    for _ in 0..300 {
        zlib.write_all(&zeros).unwrap();
    }
    fs::write(array.join("0"), zlib.finish().unwrap()).unwrap();
    let outcome = recompress(&source, &target, &["--max-memory", "100M", "--timing"]);
    assert_ne!(outcome.code, 0);
    assert!(outcome.stderr.contains("t/0") && outcome.stderr.contains("memory"), "{}", outcome.stderr);
    let peak = outcome.records().pop().unwrap()["timing"]["peak_memory_bytes"].as_u64();
    assert!(peak.is_none_or(|peak| peak < 200 << 20), "{peak:?}");
}

/// Frames of every compressor are read, whoever wrote them.
#[test]
fn verify_finds_nothing_wrong_with_any_compressor() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.zarr");
    let codec = Some(Blosc::new(Cname::Zlib, 4, Shuffle::Bitshuffle));
    MakeArray { codec, chunk: 100_000, chunks: 33, noise_bits: 12 }.write(&source);
    for (number, (verify, verified)) in [("none", 0), ("sample", 3), ("full", 33)].into_iter().enumerate() {
        let target = directory.path().join(format!("{number}.zarr"));
        let record = recompress(&source, &target, &["--verify", verify]).expect(0).record("recompress", "/");
        assert_eq!(record["verified"], verified, "{verify}");
    }
}

#[test]
fn mistyped_arrays_and_dimensions_name_the_closest() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.zarr");
    for (arguments, code, error, hint) in [
        (["--var", "t2"], 4, "--var t2: no such array", "did you mean t2m? available: latitude, longitude, msl,"),
        (["--var", "/t2"], 4, "--var /t2: no such array", "did you mean /t2m? available: /latitude,"),
        (["--var=/t2m", "--var=/t2"], 4, "--var /t2: no such array", "did you mean /t2m?"),
        (["--chunks", "t2:1,1,1"], 4, "no array matches t2", "did you mean t2m?"),
        // As of any selection, a dimension that does not exist is a wrong argument.
        (["--chunks", "tiem=2"], 2, "no array has tiem", "did you mean time? available: latitude, longitude, time"),
    ] {
        let tool = Tool::new("zrecompress").arg(fixture("weather-v2.zarr")).arg(&output).args(arguments);
        let run = tool.run().expect(code);
        assert!(run.stderr.contains(error) && run.stderr.contains(&format!("hint: {hint}")), "{}", run.stderr);
        assert!(!output.exists());
    }
}

#[test]
fn shapes_that_fit_only_some_arrays_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let source = fixture("weather-v2.zarr");
    let run = |name: &str, flags: &[&str]| recompress(&source, &directory.path().join(name), flags);
    // Only the coordinates have one dimension.
    for flags in [&["--chunks", "744"][..], &["--chunks", "2", "--var", "t2m"]] {
        let outcome = run("a.zarr", flags).expect(2);
        assert!(outcome.stderr.contains("no data array has as many dimensions"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("3 dimensions (time, latitude, longitude)"), "{}", outcome.stderr);
        assert!(!directory.path().join("a.zarr").exists());
    }
    let outcome = run("b.zarr", &["--chunks", "2", "--var", "time", "--min-size", "0"]).expect(0);
    assert_eq!(outcome.stderr, "", "a coordinate that is asked for by name is an array like others");
}

#[test]
fn a_table_says_why_an_array_is_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("x.zarr");
    harness::copy_tree(&fixture("weather-v2.zarr"), &store);
    let flags = ["--var", "t2m", "--format", "table"];
    let table = recompress(&store, &directory.path().join("y.zarr"), &flags).expect(0).stdout;
    let row = |table: &str| table.lines().find(|line| line.starts_with("/tp ")).unwrap().to_owned();
    assert!(row(&table).contains(" copy ") && row(&table).ends_with("unchanged: not selected by --var"), "{table}");
    let table = Tool::new("zrecompress").arg("--in-place").arg(&store).args(flags).run().expect(0).stdout;
    assert!(row(&table).contains(" none ") && !row(&table).contains(" 0 B "), "{table}");
}

#[test]
fn several_names_in_one_flag_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = recompress(&fixture("weather-v2.zarr"), &directory.path().join("x.zarr"), &["--var", "tp,t2m"]);
    let outcome = outcome.expect(4);
    assert!(outcome.stderr.contains("hint: repeat the flag: --var tp --var t2m"), "{}", outcome.stderr);
}
