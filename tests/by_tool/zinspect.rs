//! `zinspect`: records compared with golden files, verdicts on generated stores, and all kinds of broken stores.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use harness::{MakeArray, Tool, copy_tree, fixture, fixtures, repository};
use serde_json::{Value, json};
use zcodec::{Blosc, Cname, Shuffle};

fn inspect(store: &Path, arguments: &[&str]) -> harness::Outcome {
    Tool::new("zinspect").arg(store).args(arguments).run()
}

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

/// The verdict on a one-array store, for 8 threads.
fn verdict(make: &MakeArray) -> Value {
    let directory = tempfile::tempdir().unwrap();
    make.write(directory.path());
    inspect(directory.path(), &[]).expect(0).record("array", "/")
}

fn blosc(cname: Cname, clevel: u8, blocksize: u64) -> Option<Blosc> {
    Some(Blosc { blocksize, ..Blosc::new(cname, clevel, Shuffle::Shuffle) })
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

#[test]
fn stores_and_arrays_that_are_alike_have_one_row() {
    let directory = tempfile::tempdir().unwrap();
    let make = MakeArray { chunk: 1 << 10, chunks: 1, ..MakeArray::default() };
    for (store, arrays) in [("b1", 30), ("b2", 30), ("b3", 30), ("other", 2)] {
        let path = directory.path().join(store);
        fs::create_dir(&path).unwrap();
        fs::write(path.join(".zgroup"), GROUP).unwrap();
        (0..arrays).for_each(|number| make.write(&path.join(format!("v{number:02}"))));
    }
    let run = |arguments: &[&str]| {
        let stores = ["b1", "b2", "other", "b3"];
        let tool = Tool::new("zinspect").current_dir(directory.path()).args(stores).args(["--format", "table"]);
        tool.args(arguments).run().expect(0).stdout
    };
    let table = run(&["--sizes"]);
    let starts: Vec<&str> = table.lines().map(|line| line.split("  ").next().unwrap()).collect();
    let expected = [
        "PATH",
        "3 stores alike, b1 to b3, with the sizes of all together:",
        "/",
        "/v00 and 29 others alike",
        "other:",
        "/",
        "/v00",
        "/v01",
    ];
    assert_eq!(starts[..8], expected, "{table}");
    assert!(table.lines().nth(3).unwrap().contains(" 90 "), "the objects of all are summed: {table}");
    let all = run(&["-v"]);
    assert_eq!(all.lines().filter(|line| line.starts_with("/v")).count(), 92, "{all}");
    assert_eq!(all.lines().filter(|line| ["b1:", "b2:", "b3:", "other:"].contains(line)).count(), 4, "{all}");
    assert!(!run(&["-v", "--sizes"]).contains("alike"), "no heading without rows");
}

#[test]
fn arrays_are_sorted_as_asked() {
    let store = written(&[(".zgroup", GROUP)]);
    for (name, chunks, noise_bits) in [("a", 2, 32), ("b", 9, 0), ("c", 3, 32), ("d", 1, 16)] {
        MakeArray { chunk: 1 << 14, chunks, noise_bits, ..MakeArray::default() }.write(&store.path().join(name));
    }
    for (by, field, sign) in [("stored", "stored_bytes", -1.0), ("ratio", "ratio", 1.0), ("chunks", "chunks", -1.0)] {
        let outcome = inspect(store.path(), &["--sort", by]).expect(0);
        let arrays = outcome.of_type("array");
        let values: Vec<f64> = arrays.iter().map(|array| array[field].as_f64().unwrap() * sign).collect();
        assert!(values.is_sorted() && values[0] < values[3], "{by}: {values:?}");
        let paths: Vec<&str> = arrays.iter().map(|array| array["path"].as_str().unwrap()).collect();
        let table = inspect(store.path(), &["--sort", by, "--format", "table"]).expect(0).stdout;
        let rows: Vec<&str> =
            table.lines().filter_map(|line| paths.iter().find(|path| line.starts_with(**path))).copied().collect();
        assert_eq!(rows, paths, "{by}: {table}");
    }
    let by_chunks = inspect(store.path(), &["--sort", "chunks"]).expect(0).of_type("array");
    assert_eq!(by_chunks[0]["path"], "/b");
}

#[test]
fn what_recompressing_could_gain_is_the_end() {
    let store = written(&[(".zgroup", GROUP)]);
    for (name, blocksize) in [("one_block", 4 << 20), ("fine", 0)] {
        MakeArray { codec: blosc(Cname::Zstd, 3, blocksize), ..MakeArray::default() }.write(&store.path().join(name));
    }
    let outcome = inspect(store.path(), &["--sizes"]).expect(0);
    let (array, summary) = (outcome.record("array", "/one_block"), outcome.records().pop().unwrap());
    assert_eq!((&array["recompressed_speedup"], &summary["recompress_speedup"]), (&json!(8.0), &json!(8.0)));
    assert_eq!((&summary["recompress_arrays"], &summary["recompress_bytes"]), (&json!(1), &json!(8 << 20)));
    assert_eq!(summary["recompress_stored_bytes"], array["stored_bytes"]);
    let table = inspect(store.path(), &["--format", "table"]).expect(0).stdout;
    let last = "1 array would benefit from recompressing (8.00 MiB decoded): decoding at most 8.0× faster with several \
                threads per chunk; zrecompress --trial measures size and speed";
    assert_eq!(table.lines().last(), Some(last));
    let outcome = inspect(store.path(), &["--var", "fine"]).expect(0);
    assert!(outcome.records().pop().unwrap().get("recompress_arrays").is_none(), "no gain is invented");
}

#[test]
fn keys_without_an_array_are_told() {
    let outcome = inspect(&fixture("broken/strays.zarr"), &["--sizes"]).expect(0);
    let keys: Vec<(String, String)> = outcome
        .of_type("key")
        .iter()
        .map(|key| (key["key"].as_str().unwrap().to_owned(), key["kind"].as_str().unwrap().to_owned()))
        .collect();
    let expected = [
        ("notes.txt", "unknown"),
        ("t2m/.0.1.abc.partial", "temporary"),
        ("t2m/0.0.tmp", "temporary"),
        ("t2m/2.7", "outside_grid"),
    ];
    assert_eq!(keys, expected.map(|(key, kind)| (key.to_owned(), kind.to_owned())));
}

#[test]
fn a_wrong_separator_is_not_taken_for_an_empty_array() {
    let outcome = inspect(&fixture("broken/wrong-separator.zarr"), &["--sizes"]).expect(0);
    let array = outcome.record("array", "/t2m");
    assert_eq!(array["verdict"], "missing_chunks");
    assert!(array["reason"].as_str().unwrap().contains("do not use the separator"), "{array}");
    assert!(outcome.of_type("key").iter().all(|key| key["kind"] == "wrong_separator"));
}

#[test]
fn stale_consolidated_metadata_is_the_answer_no() {
    let outcome = inspect(&fixture("broken/stale-consolidated.zarr"), &["--check-consolidated"]).expect(1);
    let found: Vec<Value> =
        outcome.of_type("consolidated").iter().map(|found| json!([found["path"], found["difference"]])).collect();
    assert_eq!(found, [json!(["/added", "missing"]), json!(["/resized", "differs"])]);
    inspect(&fixture("weather-v2.zarr"), &["--check-consolidated"]).expect(0);
    // Without consolidated metadata, the walk finds all nodes.
    let walked = inspect(&fixture("broken/stale-consolidated.zarr"), &["--no-consolidated"]).expect(0);
    assert_eq!(walked.record("array", "/resized")["shape"], json!([32, 32]));
    walked.record("array", "/added");
}

#[test]
fn damaged_chunks_are_the_answer_no() {
    for (store, path, word) in [
        ("cut-chunk.zarr", "/t2m", "truncated"),
        ("short-header.zarr", "/t2m", "truncated"),
        ("zero-chunk.zarr", "/t2m", "0 bytes"),
        ("huge-chunk.zarr", "/tiny_blosc", "decodes to"),
    ] {
        let outcome = inspect(&fixture("broken").join(store), &["--sample", "2"]).expect(1);
        outcome.records();
        let array = outcome.record("array", path);
        assert_eq!(array["verdict"], "damaged", "{store}");
        assert!(array["reason"].as_str().unwrap().contains(word), "{store}: {}", array["reason"]);
    }
}

#[test]
fn nodes_that_cannot_be_read_are_errors_and_the_rest_goes_on() {
    for (store, code, errors, good) in [
        ("truncated-json.zarr", 3, vec!["/bad"], 1),
        ("bad-members.zarr", 3, vec!["/negative_shape", "/no_chunks", "/string_shape"], 1),
        ("truncated-root.zarr", 5, vec!["/zarr.json"], 0),
        ("not-zarr", 4, vec!["not-zarr"], 0),
    ] {
        let outcome = inspect(&fixture("broken").join(store), &[]).expect(code);
        outcome.records();
        let failed_paths: Vec<String> =
            outcome.of_type("error").iter().map(|error| error["path"].as_str().unwrap().to_owned()).collect();
        assert_eq!(failed_paths.len(), errors.len(), "{store}: {failed_paths:?}");
        assert!(failed_paths.iter().zip(&errors).all(|(path, end)| path.ends_with(end)), "{store}: {failed_paths:?}");
        assert_eq!(outcome.of_type("array").len(), good, "{store}");
        assert_eq!(
            outcome.stderr.lines().filter(|line| line.starts_with("zinspect: ")).count(),
            errors.len(),
            "{store}"
        );
    }
}

#[test]
fn an_array_that_no_library_opens_is_described() {
    for store in ["unknown-codec-v2.zarr", "unknown-codec-v3.zarr"] {
        let outcome = inspect(&fixture("broken").join(store), &["--zarrs"]).expect(0);
        let array = outcome.record("array", "/odd");
        assert_eq!(array["verdict"], "unknown_codec", "{store}");
        assert!(array["zarrs_error"].is_string() && array["shape"].is_array(), "{store}: {array}");
        assert!(outcome.record("array", "/good").get("zarrs_error").is_none());
    }
}

/// An unknown codec is no failure, and the end says how many arrays have one, and of how many chunks all that is known.
#[test]
fn the_last_line_counts_unknown_codecs_and_sampled_chunks() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("a.zarr");
    harness::copy_tree(&fixture("weather-v2.zarr"), &store);
    let document = store.join("t2m/.zarray");
    let mut array: Value = serde_json::from_slice(&fs::read(&document).unwrap()).unwrap();
    array["compressor"] = serde_json::json!({"id": "gribberish"});
    fs::write(&document, array.to_string()).unwrap();
    fs::remove_file(store.join(".zmetadata")).unwrap();
    let table = inspect(&store, &["--format", "table"]).expect(0).stdout;
    let end = |text: &str| text.lines().skip_while(|line| !line.starts_with("7 arrays")).collect::<Vec<_>>().join(" ");
    assert!(end(&table).contains("1 unknown_codec"), "{table}");
    assert!(end(&table).contains("7 of 34 chunks sampled"), "{table}");
    let none = inspect(&store, &["--format", "table", "--sample", "0"]).expect(0).stdout;
    assert!(end(&none).contains("0 of 34 chunks sampled"), "{none}");
    let outcome = inspect(&store, &["--json", "--sample", "2"]).expect(0);
    let summary = outcome.records().pop().unwrap();
    let sampled = outcome.of_type("chunk").len();
    assert_eq!((summary["sampled_chunks"].as_u64(), &summary["chunks"]), (Some(sampled as u64), &34.into()));
}

#[test]
fn several_stores_fail_each_for_itself() {
    let outcome = Tool::new("zinspect").arg(fixture("deep.zarr")).arg("/nowhere").run().expect(3);
    assert_eq!((outcome.of_type("array").len(), outcome.of_type("error").len()), (1, 1));
    let outcome = Tool::new("zinspect").args(["/nowhere", "/neither"]).run().expect(4);
    assert_eq!(outcome.of_type("error").len(), 2);
}

#[test]
fn twenty_groups_deep() {
    let outcome = inspect(&fixture("deep.zarr"), &["--attributes"]).expect(0);
    assert_eq!(outcome.of_type("group").len(), 21);
    let path = outcome.of_type("array")[0]["path"].as_str().unwrap().to_owned();
    assert_eq!(path.matches('/').count(), 21);
    let tree = inspect(&fixture("deep.zarr"), &["--tree", "--format", "table"]).expect(0).stdout;
    assert!(tree.lines().any(|line| line.starts_with(&format!("{}└ data", "  ".repeat(20)))), "{tree}");
}

#[test]
fn a_path_that_is_not_utf8_works() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.zarr"));
    copy_tree(&fixture("weather-v2.zarr"), &store);
    fs::write(store.join(std::ffi::OsStr::from_bytes(b"t2m/\xff")), "x").unwrap();
    let outcome = inspect(&store, &["--sizes"]).expect(0);
    outcome.records();
    assert_eq!(outcome.of_type("array").len(), 7);
    assert_eq!(outcome.of_type("key").len(), 1, "{}", outcome.stdout);
}

#[test]
fn a_store_that_cannot_be_entered_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("locked.zarr");
    copy_tree(&fixture("deep.zarr"), &store);
    let locked = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    fs::set_permissions(&store, locked).unwrap();
    let mut command = Tool::new("zinspect").arg(&store).0;
    if rustix::process::geteuid().is_root() {
        // Root may read everything, so the tool is run as another user.
        let tool = command.get_program().to_owned();
        command = std::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(tool).arg(&store);
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(directory.path(), open).unwrap();
    }
    let outcome = harness::Outcome::of(command.output().unwrap());
    if outcome.code == 127 || outcome.code == 126 || outcome.stderr.starts_with("setpriv") {
        println!("skipped: {}", outcome.stderr);
    } else {
        let outcome = outcome.expect(6);
        assert!(
            outcome.stderr.contains("locked.zarr") && outcome.stderr.contains("ermission denied"),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn var_chooses_arrays() {
    let outcome = inspect(&fixture("v2-layout.zarr"), &["--var", "gaps*", "--var", "/a/b/*"]).expect(0);
    let paths: Vec<Value> = outcome.of_type("array").iter().map(|array| array["path"].clone()).collect();
    assert_eq!(paths, ["/a/b/absent", "/a/b/slash_3d", "/a/gaps_slash", "/gaps"]);
    assert!(outcome.of_type("group").is_empty());
    let outcome = inspect(&fixture("v2-layout.zarr"), &["--var", "gaps", "--var", "gasp_slash"]).expect(3);
    assert_eq!(outcome.of_type("array").len(), 1);
    let error = &outcome.of_type("error")[0];
    assert_eq!((&error["error"], &error["exit"]), (&json!("--var gasp_slash: no such array"), &json!(4)));
    assert!(error["hint"].as_str().unwrap().starts_with("did you mean gaps_slash? available: "), "{error}");
    let outcome = Tool::new("zinspect").args([fixture("deep.zarr"), fixture("v2-layout.zarr")]).arg("--var=t2m*").run();
    assert_eq!(outcome.expect(4).of_type("error").len(), 1, "one error for all stores");
    let outcome = inspect(&fixture("v2-layout.zarr"), &["--var", "["]).expect(2);
    assert!(outcome.stderr.contains("--var ["), "{}", outcome.stderr);
}

#[test]
fn attributes_with_bare_nan_are_read() {
    let outcome = inspect(&fixture("v2-layout-plain.zarr"), &["--attributes", "--var", "nan_attrs"]).expect(0);
    let array = outcome.record("array", "/a/nan_attrs");
    assert_eq!((&array["attributes"]["valid"], &array["attributes"]["x"]), (&json!("NaN"), &json!([1.0, "Infinity"])));
}

/// The real store of the fixtures, and those next to the repository if they exist.
#[test]
fn real_era5_stores() {
    let data = repository().join("../shared/data");
    for (path, codec, cells) in [
        (fixture("era5-uk-v2.zarr"), "blosc(lz4,5,shuffle)", [17, 25]),
        (data.join("era5-uk-v2.zarr"), "blosc(lz4,5,shuffle)", [33, 49]),
        (data.join("era5-uk-packed-v2.zarr"), "zlib(4)", [33, 49]),
        (data.join("era5-uk-v3-sharded.zarr"), "shard[blosc(zstd,3,shuffle)]", [33, 49]),
    ] {
        if !path.exists() {
            assert!(path.starts_with(&data), "{} is part of the fixtures", path.display());
            continue;
        }
        let outcome = inspect(&path, &["--sizes", "--check-consolidated"]).expect(0);
        let array = outcome.record("array", "/t2m");
        assert_eq!((&array["codec"], &array["shape"]), (&json!(codec), &json!([744, cells[0], cells[1]])), "{path:?}");
        assert_eq!(array["objects_present"], array["objects_expected"], "{path:?}");
    }
}

/// Writes documents and chunks below a new directory.
fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (key, text) in files {
        let path = directory.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

const GROUP: &str = r#"{"zarr_format": 2}"#;
const ARRAY: &str = r#"{"zarr_format": 2, "shape": [2], "chunks": [1], "dtype": "|u1", "fill_value": "nan", "order": "C",
    "filters": null, "compressor": null}"#;

#[test]
fn copies_of_copies_are_no_difference() {
    let empty =
        r#"{"zarr_format": 2, "consolidated_metadata": {"metadata": {}, "must_understand": false, "kind": "inline"}}"#;
    let copies =
        format!(r#"{{"zarr_consolidated_format": 1, "metadata": {{".zgroup": {GROUP}, "a/.zgroup": {empty}}}}}"#);
    let store = written(&[(".zgroup", GROUP), (".zmetadata", &copies), ("a/.zgroup", GROUP)]);
    let outcome = inspect(store.path(), &["--check-consolidated"]).expect(0);
    assert_eq!(outcome.of_type("consolidated").len(), 0);
}

#[test]
fn what_is_odd_is_read_or_named_and_the_rest_goes_on() {
    let deep = |levels: usize| format!(r#"{{"k": {}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let marked = format!("\u{feff}{ARRAY}");
    let empty = ARRAY.replace("[2]", "[0]").replace("[1]", "[0]");
    let (read, refused) = (deep(300), deep(3000));
    let store = written(&[
        (".zgroup", GROUP),
        ("marked/.zarray", &marked),
        ("empty/.zarray", &empty),
        ("deep/.zarray", ARRAY),
        ("deep/.zattrs", &read),
        ("bottomless/.zarray", ARRAY),
        ("bottomless/.zattrs", &refused),
    ]);
    let outcome = inspect(store.path(), &["--sizes"]).expect(3);
    let arrays: Vec<_> = outcome.of_type("array").iter().map(|array| array["path"].clone()).collect();
    assert_eq!(arrays, ["/deep", "/empty", "/marked"]);
    let errors = outcome.of_type("error");
    assert_eq!(errors.len(), 1);
    assert!(errors[0]["error"].as_str().unwrap().contains("nested more than 1000 levels deep"), "{errors:?}");
}

#[test]
fn links_in_circles_end_and_are_named() {
    let store = written(&[("outside", "x"), ("s/.zgroup", GROUP), ("s/a/.zgroup", GROUP), ("s/b/.zgroup", GROUP)]);
    let root = store.path().join("s");
    // Two groups linked to each other many times, a link to all, one to itself, and one out of the store.
    for number in 0..20 {
        std::os::unix::fs::symlink("../b", root.join(format!("a/to{number}"))).unwrap();
        std::os::unix::fs::symlink("../a", root.join(format!("b/to{number}"))).unwrap();
    }
    for (target, link) in [("..", "up"), ("me", "me"), ("/", "everything")] {
        std::os::unix::fs::symlink(target, root.join(link)).unwrap();
    }
    let started = std::time::Instant::now();
    let outcome = inspect(&root, &["--sizes"]).expect(0);
    assert!(started.elapsed().as_secs() < 20);
    let links: Vec<_> = outcome.of_type("key").iter().map(|key| (key["key"].clone(), key["kind"].clone())).collect();
    assert_eq!(links, ["everything", "me", "up"].map(|key| (json!(key), json!("link"))));
}

#[test]
fn other_formats_are_named_and_refused() {
    let references = r#"{"record_size": 10, "metadata": {".zgroup": {"zarr_format": 2}}}"#;
    for (key, text, word) in [
        (".zmetadata", references, "kerchunk"),
        ("refs/branch.main/ref.json", r#"{"snapshot": "X"}"#, "Icechunk"),
        ("attributes.json", r#"{"n5": "4.0.0"}"#, "N5"),
    ] {
        let store = written(&[(key, text)]);
        let outcome = inspect(store.path(), &[]).expect(5);
        assert!(outcome.stderr.contains(word) && outcome.stderr.contains("hint: "), "{}", outcome.stderr);
    }
}

#[test]
fn an_array_that_is_not_understood_is_named_and_refused_or_carried_whole() {
    let array = |members: &str| {
        format!(
            r#"{{"zarr_format": 3, "node_type": "array", "shape": [1], "data_type": "uint8", "fill_value": 0, {members}
            "chunk_grid": {{"name": "regular", "configuration": {{"chunk_shape": [1]}}}}, "codecs": ["bytes"],
            "chunk_key_encoding": {{"name": "default"}}}}"#
        )
    };
    for (members, word) in [
        (r#""storage_transformers": [{"name": "manifest"}],"#, "manifest"),
        (r#""extension": {"name": "proj"},"#, "extension"),
    ] {
        let text = array(members);
        let group = r#"{"zarr_format": 3, "node_type": "group"}"#;
        let store = written(&[("s/zarr.json", group), ("s/x/zarr.json", &text), ("s/x/m/0", "m"), ("s/x/c/0", "c")]);
        let record = inspect(&store.path().join("s"), &[]).expect(0).record("array", "/x");
        assert_eq!(record["verdict"], "not_understood");
        assert!(record["reason"].as_str().unwrap().contains(word), "{record}");
        let (source, output) = (store.path().join("s"), store.path().join("o"));
        let (source, output) = (source.to_str().unwrap(), output.to_str().unwrap());
        Tool::new("zrecompress").args([source, output, "--codec", "zstd"]).run().expect(5);
        Tool::new("zrecompress").args([source, output, "--codec", "zstd", "--copy-unknown"]).run().expect(0);
        for key in ["zarr.json", "m/0", "c/0"] {
            let read = |store: &str| std::fs::read(format!("{store}/x/{key}")).unwrap();
            assert_eq!(read(source), read(output), "{key}");
        }
    }
}
