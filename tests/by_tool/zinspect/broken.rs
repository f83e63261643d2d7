//! Stores that are damaged, odd, or no Zarr.

use super::*;

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
