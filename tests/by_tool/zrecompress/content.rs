//! What comes out equals what went in.

use super::*;

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
