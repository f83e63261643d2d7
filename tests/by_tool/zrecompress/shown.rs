//! Shards, real stores, and what messages and tables show.

use super::*;

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
