//! An output that is there already: `--resume` takes it for complete only if it has what the command would write.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;

use harness::{ObjectServer, Outcome, Tool, copy_tree, fixture, fixtures, tree};

/// 31 chunks of a day each, and one of time.
const ERA5: &str = "era5-uk-v2.zarr";

fn fetch(source: impl AsRef<std::ffi::OsStr>, output: &Path, more: &[&str]) -> Outcome {
    Tool::hermetic("zfetch").arg(source).args(["--json", "--to"]).arg(output).args(more).run()
}

fn recompress(source: &Path, output: &Path, more: &[&str]) -> Outcome {
    Tool::hermetic("zrecompress").arg(source).arg(output).args(["--json", "--cname", "zstd"]).args(more).run()
}

/// The same documents with the chunks of t2m in another order.
fn shifted(target: &Path) {
    copy_tree(&fixture(ERA5), target);
    let chunk = |number: usize| format!("t2m/{number}.0.0");
    for number in 0..31 {
        fs::copy(fixture(ERA5).join(chunk((number + 1) % 31)), target.join(chunk(number))).unwrap();
    }
}

#[test]
fn another_selection_of_equal_shape_is_not_complete() {
    let directory = harness::directory();
    let output = directory.path().join("out.zarr");
    for (flag, first, second) in
        [("--sel", "time=2019-03-01", "time=2019-03-02"), ("--isel", "time=0:24", "time=24:48")]
    {
        let run = |selection: &str, more: &str| fetch(fixture(ERA5), &output, &[flag, selection, more]);
        run(first, "--overwrite").expect(0);
        let complete = run(first, "--resume").expect(0);
        assert_eq!(complete.records()[0]["already_complete"], true);
        assert!(complete.stderr.contains("and the values of 3 coordinates and"), "{}", complete.stderr);
        let before = tree(&output);
        let refused = run(second, "--resume").expect(7);
        let text =
            "another selection or source: time differs (first 2019-03-01T00:00:00Z, expected 2019-03-02T00:00:00Z)";
        assert!(refused.stderr.contains(text), "{}", refused.stderr);
        assert_eq!(tree(&output), before);
    }
}

#[test]
fn another_source_with_the_same_metadata_is_not_complete() {
    let directory = harness::directory();
    let (source, output) = (directory.path().join("in.zarr"), directory.path().join("out.zarr"));
    shifted(&source);
    for more in [&[][..], &["--isel", "time=24:72"], &["--isel", "time=12:36", "--var", "t2m"]] {
        fetch(fixture(ERA5), &output, &[more, &["--overwrite"]].concat()).expect(0);
        fetch(fixture(ERA5), &output, &[more, &["--resume"]].concat()).expect(0);
        let refused = fetch(&source, &output, &[more, &["--resume"]].concat()).expect(7);
        assert!(refused.stderr.contains("another selection or source"), "{}", refused.stderr);
        assert!(refused.stderr.contains("t2m"), "{}", refused.stderr);
    }
    for more in [&[][..], &["--chunks", "t2m:time=100,longitude=5"], &["--zarr-format", "3"]] {
        recompress(&fixture(ERA5), &output, &[more, &["--overwrite"]].concat()).expect(0);
        let complete = recompress(&fixture(ERA5), &output, &[more, &["--resume"]].concat()).expect(0);
        assert!(complete.stderr.contains("sampled object"), "{}", complete.stderr);
        let refused = recompress(&source, &output, &[more, &["--resume"]].concat()).expect(7);
        assert!(refused.stderr.contains("another selection or source: t2m/"), "{more:?}: {}", refused.stderr);
    }
}

/// One other object of many is found by its size, whichever it is.
#[test]
fn an_object_of_another_size_is_found() {
    let directory = harness::directory();
    let (source, output) = (directory.path().join("in.zarr"), directory.path().join("out.zarr"));
    copy_tree(&fixture(ERA5), &source);
    fetch(&source, &output, &[]).expect(0);
    let sizes = |number: usize| fs::metadata(source.join(format!("t2m/{number}.0.0"))).unwrap().len();
    let other = (0..31).find(|number| sizes(*number) != sizes(17)).unwrap();
    fs::copy(fixture(ERA5).join(format!("t2m/{other}.0.0")), source.join("t2m/17.0.0")).unwrap();
    let refused = fetch(&source, &output, &["--resume"]).expect(7);
    assert!(refused.stderr.contains("the objects of t2m have other sizes"), "{}", refused.stderr);
}

/// The same numbers since another day.
#[test]
fn other_units_of_a_coordinate_are_another_source() {
    let directory = harness::directory();
    let (source, output) = (directory.path().join("in.zarr"), directory.path().join("out.zarr"));
    copy_tree(&fixture(ERA5), &source);
    fetch(&source, &output, &[]).expect(0);
    for key in ["time/.zattrs", ".zmetadata"] {
        let text = fs::read_to_string(source.join(key)).unwrap();
        let changed = text.replace("since 2019-03-01", "since 2019-04-01");
        assert_ne!(text, changed);
        fs::write(source.join(key), changed).unwrap();
    }
    let refused = fetch(&source, &output, &["--resume"]).expect(7);
    assert!(refused.stderr.contains("the attribute units of time differs"), "{}", refused.stderr);
    // Attributes that say nothing of values may differ.
    let path = output.join("time/.zattrs");
    let mut attributes: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    attributes["history"] = "checked by hand".into();
    fs::write(&path, serde_json::to_vec(&attributes).unwrap()).unwrap();
    fetch(fixture(ERA5), &output, &["--resume"]).expect(0);
}

/// Each coordinate and two objects of each array, besides the question for the size of each object.
#[test]
fn comparing_with_a_server_takes_few_requests() {
    let server = ObjectServer::start(&fixtures(), vec![]);
    let directory = harness::directory();
    let output = directory.path().join("out.zarr");
    let url = server.http_url(ERA5);
    fetch(&url, &output, &[]).expect(0);
    let before = server.served().len();
    fetch(&url, &output, &["--resume"]).expect(0);
    let asked = server.served().split_off(before);
    let bodies = asked.iter().filter(|asked| asked.method == "GET" && !asked.key.contains("/.z")).count();
    assert!(bodies <= 3 + 3 + 2, "{bodies}: {asked:?}");
    let source = directory.path().join("in.zarr");
    shifted(&source);
    let server = ObjectServer::start(directory.path(), vec![]);
    let refused = fetch(server.http_url("in.zarr"), &output, &["--resume"]).expect(7);
    assert!(refused.stderr.contains("another selection or source"), "{}", refused.stderr);
}

/// Arrays that were added after the metadata were consolidated.
#[test]
fn arrays_that_consolidated_metadata_does_not_know_are_named() {
    let directory = harness::directory();
    let (source, output) = (directory.path().join("in.zarr"), directory.path().join("out.zarr"));
    copy_tree(&fixture(ERA5), &source);
    let quiet = fetch(&source, &output, &[]).expect(0);
    assert_eq!(quiet.stderr, "");
    for name in ["vnew", "group/below"] {
        copy_tree(&fixture(ERA5).join("t2m"), &source.join(name));
    }
    fs::copy(source.join(".zgroup"), source.join("group/.zgroup")).unwrap();
    fs::create_dir(source.join("notes")).unwrap();
    let text = "2 arrays are not in the consolidated metadata and are not copied: group/below, vnew";
    for (name, more) in [("new.zarr", "-n"), ("out.zarr", "--overwrite")] {
        let warned = fetch(&source, &directory.path().join(name), &[more]).expect(0);
        assert!(warned.stderr.contains(text), "{}", warned.stderr);
    }
    // What is selected does not include them, and a plain HTTP server cannot list.
    assert_eq!(fetch(&source, &output, &["--var", "t2m", "--overwrite"]).expect(0).stderr, "");
    let server = ObjectServer::start(directory.path(), vec![]);
    let silent = fetch(server.http_url("in.zarr"), &output, &["--overwrite"]).expect(0);
    assert!(!silent.stderr.contains("consolidated") && server.lists() == 0, "{}", silent.stderr);
}
