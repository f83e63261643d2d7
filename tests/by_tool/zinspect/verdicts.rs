//! Records and verdicts, on fixtures and generated stores.

use super::*;

/// Golden files hold the output for the fixtures; after an intended change, run with `UPDATE_GOLDEN=1` and review the
/// difference.
#[test]
fn records_are_those_of_the_golden_files() {
    for name in
        ["weather-v2", "v2-codecs", "v2-dtypes", "v2-layout", "v3-codecs", "v3-dtypes", "v3-sharded", "typesize1"]
    {
        let store = format!("{name}.zarr");
        let golden = repository().join(format!("tests/golden/zinspect/{name}.jsonl"));
        for jobs in ["-j1", "-j4"] {
            let arguments = ["--sizes", "--attributes", "--zarrs", "--check-consolidated", "-q", jobs];
            let outcome = Tool::new("zinspect").current_dir(&fixtures()).arg(&store).args(arguments).run().expect(0);
            outcome.records();
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::create_dir_all(golden.parent().unwrap()).unwrap();
                fs::write(&golden, &outcome.stdout).unwrap();
            }
            let expected = fs::read_to_string(&golden).unwrap_or_default();
            assert!(outcome.stdout == expected, "{name} {jobs} differs from {}:\n{}", golden.display(), outcome.stdout);
        }
    }
}

#[test]
fn enough_blocks_are_ok_and_recompressing_does_not_help() {
    let array = verdict(&MakeArray { codec: blosc(Cname::Zstd, 3, 0), ..MakeArray::default() });
    assert_eq!((&array["verdict"], &array["recompress_helps"]), (&json!("ok"), &json!(false)));
    assert_eq!((&array["blocks"], &array["max_threads"], &array["max_speedup"]), (&json!(32), &json!(32), &json!(8.0)));
    assert!(array["reason"].as_str().unwrap().contains("Blosc stores no thread count"), "{array}");
    assert!(array.get("command").is_none());
}

#[test]
fn one_big_block_is_few_blocks() {
    let array = verdict(&MakeArray { codec: blosc(Cname::Zstd, 3, 4 << 20), ..MakeArray::default() });
    assert_eq!((&array["verdict"], &array["recompress_helps"]), (&json!("few_blocks"), &json!(true)));
    assert_eq!((&array["blocks"], &array["max_threads"], &array["max_speedup"]), (&json!(1), &json!(1), &json!(1.0)));
    assert!(
        array["benefit"].as_str().unwrap().contains("zarr-python 3"),
        "the readers that do not benefit are missing: {array}"
    );
}

#[test]
fn nine_blocks_on_eight_threads_gain_four_and_a_half() {
    let make = MakeArray { chunk: 9 << 15, codec: blosc(Cname::Zstd, 3, 1 << 17), ..MakeArray::default() };
    let array = verdict(&make);
    assert_eq!((&array["blocks"], &array["max_speedup"], &array["verdict"]), (&json!(9), &json!(4.5), &json!("ok")));
}

#[test]
fn uncompressed_chunks_are_stored_raw_and_worth_compressing() {
    let array = verdict(&MakeArray { codec: None, ..MakeArray::default() });
    assert_eq!((&array["verdict"], &array["recompress_helps"]), (&json!("stored_raw"), &json!(true)));
}

#[test]
fn noise_is_stored_raw_and_not_worth_compressing() {
    let array = verdict(&MakeArray { noise_bits: 32, ..MakeArray::default() });
    assert_eq!((&array["verdict"], &array["recompress_helps"]), (&json!("stored_raw"), &json!(false)));
}

#[test]
fn many_little_chunks_are_no_matter_of_codecs() {
    let array = verdict(&MakeArray { chunk: 1000, chunks: 40, ..MakeArray::default() });
    assert_eq!((&array["verdict"], &array["recompress_helps"]), (&json!("small_chunks"), &json!(false)));
}

#[test]
fn wrong_element_size_is_found_in_the_header() {
    let array = inspect(&fixture("typesize1.zarr"), &[]).expect(0).record("array", "/data");
    assert_eq!((&array["verdict"], &array["recompress_helps"]), (&json!("useless_shuffle"), &json!(true)));
    let chunk = inspect(&fixture("typesize1.zarr"), &[]).record("chunk", "/data");
    assert_eq!((&chunk["typesize"], &chunk["shuffle"]), (&json!(1), &json!("shuffle")));
    assert_eq!(chunk["notes"].as_array().unwrap().len(), 1);
}

#[test]
fn without_samples_the_metadata_has_to_do() {
    let directory = tempfile::tempdir().unwrap();
    MakeArray { codec: blosc(Cname::Zstd, 3, 0), ..MakeArray::default() }.write(directory.path());
    let outcome = inspect(directory.path(), &["--sample", "0"]).expect(0);
    let array = outcome.record("array", "/");
    assert!(outcome.of_type("chunk").is_empty() && array.get("sampled").is_none());
    assert_eq!((&array["blocks"], &array["verdict"]), (&json!(32), &json!("ok")));
    assert!(array["reason"].as_str().unwrap().starts_with("according to the metadata"), "{array}");
}

#[test]
fn the_bench_measures_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    MakeArray { codec: blosc(Cname::Zstd, 3, 0), ..MakeArray::default() }.write(directory.path());
    let outcome = inspect(directory.path(), &["--bench", "-j2"]).expect(0);
    let runs: Vec<(String, u64)> = outcome
        .of_type("bench")
        .iter()
        .map(|run| {
            assert!(run["gb_per_second"].as_f64().unwrap() > 0.0, "{run}");
            (run["mode"].as_str().unwrap().to_owned(), run["threads"].as_u64().unwrap())
        })
        .collect();
    let expected = [("inside", 1), ("across", 1), ("inside", 2), ("across", 2)];
    assert_eq!(runs, expected.map(|(mode, threads)| (mode.to_owned(), threads)));
}

#[test]
fn sizes_count_what_is_there_and_what_is_not() {
    let outcome = inspect(&fixture("weather-v2.zarr"), &["--sizes"]).expect(0);
    let array = outcome.record("array", "/tp");
    let on_disk = |key: &str| fs::metadata(fixture("weather-v2.zarr").join(key)).unwrap().len();
    assert_eq!((&array["objects_present"], &array["objects_expected"]), (&json!(2), &json!(4)));
    assert_eq!(array["stored_bytes"], on_disk("tp/0.0.0") + on_disk("tp/1.0.0"));
    assert_eq!(array["ratio"], 1.0);
    let missing = inspect(&fixture("v3-sharded.zarr"), &["--sizes"]).expect(0).record("array", "/missing_all");
    assert_eq!((&missing["verdict"], &missing["objects_present"]), (&json!("missing_chunks"), &json!(0)));
}

/// A store with an array of eight chunks, of which these are stored.
fn with_chunks(present: &[usize]) -> tempfile::TempDir {
    let store = written(&[(".zgroup", GROUP)]);
    let codec = blosc(Cname::Zstd, 1, 1 << 15);
    MakeArray { chunk: 1 << 18, chunks: 8, codec, ..MakeArray::default() }.write(&store.path().join("x"));
    for number in (0..8).filter(|number| !present.contains(number)) {
        fs::remove_file(store.path().join("x").join(number.to_string())).unwrap();
    }
    store
}

#[test]
fn missing_chunks_are_a_verdict_and_with_a_flag_a_fault() {
    for (present, verdict, code) in [
        (&[0, 1, 2, 3, 4, 5, 6, 7][..], "ok", 0),
        (&[0, 1, 2, 4, 5], "ok", 1),
        (&[0, 1, 2, 7], "missing_chunks", 1),
        (&[3], "missing_chunks", 1),
        (&[], "missing_chunks", 1),
    ] {
        let store = with_chunks(present);
        let outcome = inspect(store.path(), &["--sizes"]).expect(0);
        let array = outcome.record("array", "/x");
        assert_eq!(array["verdict"], verdict, "{present:?}");
        let summary = outcome.records().pop().unwrap();
        assert_eq!(summary["incomplete_arrays"], u64::from(present.len() < 8), "{present:?}");
        let shares: Vec<f64> = (0..8).map(|number| f64::from(u8::from(present.contains(&number)))).collect();
        let expected = if (1..8).contains(&present.len()) { json!(shares) } else { Value::Null };
        assert_eq!(array["present_shares"], expected, "{present:?}");
        inspect(store.path(), &["--fail-on-missing"]).expect(code);
        let other = inspect(store.path(), &["--fail-on-missing", "--format", "table"]).expect(code).stdout;
        let strip: String = (0..8).map(|number| if present.contains(&number) { '█' } else { '·' }).collect();
        let line = format!("    {strip} stored along dimension 0 (█ all, ▒ some, · none)");
        assert_eq!(other.lines().any(|other| other == line), (1..8).contains(&present.len()), "{other}");
    }
}

#[test]
fn an_array_that_is_sparse_by_design_is_told_fairly() {
    let scalar = ARRAY.replace("[2]", "[]").replace("[1]", "[]").replace("\"nan\"", "0");
    let store = written(&[
        (".zgroup", GROUP),
        ("crs/.zarray", &scalar),
        ("crs/.zattrs", r#"{"grid_mapping_name": "latitude_longitude"}"#),
        ("number/.zarray", &scalar),
    ]);
    let outcome = inspect(store.path(), &["--fail-on-missing"]).expect(1);
    assert_eq!(outcome.record("array", "/crs")["verdict"], "ok");
    let number = outcome.record("array", "/number");
    assert_eq!(number["verdict"], "missing_chunks");
    for part in ["reads as the fill value 0", "either data are missing, or", "zarr-python does not write such chunks"] {
        assert!(number["reason"].as_str().unwrap().contains(part), "{number}");
    }
    inspect(store.path(), &["--fail-on-missing", "--var", "crs"]).expect(0);
}
