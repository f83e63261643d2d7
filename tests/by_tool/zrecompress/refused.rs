//! What is refused, left out, or named.

use super::*;

/// Nothing was left in the directory of an output that failed.
#[track_caller]
fn nothing_left(directory: &TempDir) {
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
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
