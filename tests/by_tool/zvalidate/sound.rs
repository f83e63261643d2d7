//! Sound stores of others: the fixtures, real data, and stores that writers of others made.

use std::path::Path;

use harness::{Tool, fixture, fixtures, repository};
use serde_json::Value;

fn serious(store: &Path, flags: &[&str]) -> (i32, Vec<Value>) {
    let outcome = Tool::new("zvalidate").arg("--json").args(flags).arg(store).run();
    outcome.records();
    assert_ne!(outcome.code, 101, "{}", outcome.stderr);
    let found = outcome.of_type("finding").into_iter().filter(|finding| finding["severity"] != "info");
    (outcome.code, found.collect())
}

#[test]
fn real_data_are_clean_in_full() {
    for level in ["list", "header", "full"] {
        assert_eq!(serious(&fixture("era5-uk-v2.zarr"), &["--level", level]), (0, vec![]), "{level}");
    }
    let data = repository().join("../shared/data");
    let stores = ["era5-uk-v2.zarr", "era5-uk-packed-v2.zarr", "era5-uk-v3-sharded.zarr"];
    for store in stores.map(|store| data.join(store)).iter().filter(|store| store.exists()) {
        assert_eq!(serious(store, &["--expect-step", "time=1h"]), (0, vec![]), "{}", store.display());
    }
}

/// zarr-python reads every array of these in full; what is missing in them is missing on purpose.
#[test]
fn every_codec_and_data_type_is_decoded() {
    let on_purpose = [
        "missing_chunks",
        "missing_steps",
        "no_chunks",
        "missing_null_fill",
        "missing_inner_chunks",
        "infinite_values",
        "constant_array",
        "constant_steps",
        "typesize",
    ];
    for store in [
        "v2-codecs.zarr",
        "v2-dtypes.zarr",
        "v2-layout.zarr",
        "v2-layout-plain.zarr",
        "v3-codecs.zarr",
        "v3-dtypes.zarr",
        "v3-sharded.zarr",
        "deep.zarr",
    ] {
        let (_, mut found) = serious(&fixtures().join(store), &[]);
        found.retain(|finding| !on_purpose.iter().any(|kind| finding["kind"] == *kind));
        assert!(found.is_empty(), "{store}: {found:#?}");
    }
}

#[test]
fn frames_of_zarr_python_3_0_have_typesize_1() {
    let (code, found) = serious(&fixture("typesize1.zarr"), &["--level", "header"]);
    assert_eq!(code, 1);
    assert!(!found.is_empty() && found.iter().all(|finding| finding["kind"] == "typesize"), "{found:#?}");
    assert!(found[0]["count"].as_u64().unwrap() > 1, "once for an array: {found:#?}");
    // The command that is printed cures it.
    let directory = tempfile::tempdir().unwrap();
    harness::copy_tree(&fixture("typesize1.zarr"), &directory.path().join("a.zarr"));
    let outcome = Tool::new("zvalidate").current_dir(directory.path()).arg("a.zarr").run().expect(1);
    let finding = outcome.of_type("finding").into_iter().find(|finding| finding["kind"] == "typesize").unwrap();
    let words: Vec<&str> = finding["command"].as_str().unwrap().split(' ').collect();
    Tool::new(words[0]).current_dir(directory.path()).args(&words[1..]).run().expect(0);
    let (_, cured) = serious(&directory.path().join(words[2]), &[]);
    assert!(cured.iter().all(|finding| finding["kind"] != "typesize"), "{cured:#?}");
}

/// Each store in `broken/` has one kind of damage.
#[test]
fn every_broken_store_is_noticed() {
    for (store, kind, path) in [
        ("bad-members.zarr", "metadata_invalid", "/no_chunks"),
        ("bitflip-chunk.zarr", "undecodable", "/blosc_lz4"),
        ("cut-chunk.zarr", "truncated", "/t2m"),
        ("short-header.zarr", "wrong_size", "/t2m"),
        ("stale-consolidated.zarr", "consolidated_stale", "/resized"),
        ("strays.zarr", "outside_grid", "/t2m"),
        ("truncated-json.zarr", "metadata_invalid", "/bad"),
        ("unknown-codec-v2.zarr", "unknown_codec", "/odd"),
        ("unknown-codec-v3.zarr", "unknown_codec", "/odd"),
        ("wrong-separator.zarr", "wrong_separator", "/t2m"),
        ("zero-chunk.zarr", "empty_object", "/t2m"),
        ("huge-chunk.zarr", "wrong_nbytes", "/tiny_blosc"),
    ] {
        let (code, found) = serious(&fixtures().join("broken").join(store), &[]);
        assert_eq!(code, 1, "{store}");
        assert!(found.iter().any(|finding| finding["kind"] == kind && finding["path"] == path), "{store}: {found:#?}");
        assert!(found.iter().all(|finding| finding["path"] != "/good"), "{store}: {found:#?}");
    }
    let (code, _) = serious(&fixtures().join("broken/truncated-root.zarr"), &[]);
    assert_eq!(code, 5);
}

/// What was not fetched is not missing, and what was is.
#[test]
fn a_cache_of_some_chunks_is_complete_with_those() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache.zarr");
    let fetch = Tool::new("zfetch").arg(fixture("era5-uk-v2.zarr")).arg("--to").arg(&cache);
    fetch.args(["--layout", "mirror", "--sel", "time=2019-03-03:2019-03-05"]).run().expect(0);
    for level in ["list", "header", "full"] {
        let flags = ["--level", level, "--expect-chunks", "all", "--min-ratio", "10%"];
        assert_eq!(serious(&cache, &flags), (0, vec![]), "{level}");
    }
    std::fs::remove_file(cache.join("t2m/3.0.0")).unwrap();
    let (code, found) = serious(&cache, &[]);
    assert_eq!((code, found.len(), &found[0]["key"]), (1, 1, &"t2m/3.0.0".into()), "{found:#?}");
}

/// A group and a single array are checked as stores.
#[test]
fn parts_of_a_store_are_stores() {
    let store = fixture("era5-uk-v2.zarr");
    let outcome = Tool::new("zvalidate").arg(store.join("t2m")).run().expect(0);
    assert_eq!(outcome.record("check", "/")["chunks_checked"], 31);
    let list = format!("{0}\n{0}\n", store.display());
    let outcome = Tool::new("zvalidate").args(["--level", "list", "--stores-from", "-"]).run_on(&list).expect(0);
    assert_eq!(outcome.summary()["stores"], 1);
}
