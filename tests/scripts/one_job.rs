//! The scripts that do one job.

use std::cell::RefCell;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use harness::{MakeArray, ObjectServer, copy_tree, fixture, repository, spawn, tree};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::archive::{seed_batches, write_array, write_batch, write_batches};
use crate::script;

/// A directory whose name has a space, as paths of users have.
fn spaced(root: &Path) -> std::path::PathBuf {
    let path = root.join("my data");
    fs::create_dir(&path).unwrap();
    path
}

#[test]
fn every_script_has_a_usage_and_refuses_to_guess() {
    for name in ["audit", "mirror", "shrink", "series", "dedup", "compare", "batches"] {
        let Some(tool) = script(&format!("{name}.sh")) else { return };
        let help = tool.arg("-h").run().expect(0).stdout;
        assert!(help.contains(&format!("{name}.sh ")), "{help}");
        let bare = script(&format!("{name}.sh")).unwrap().run().expect(2);
        assert_eq!((bare.stdout.as_str(), bare.stderr), ("", help), "{name}");
        let text = fs::read_to_string(harness::repository().join(format!("scripts/{name}.sh"))).unwrap();
        assert!(text.lines().count() <= 40 && text.contains("\nset -eu\n"), "{name}");
    }
}

/// All scripts that can be run, in all folders.
fn scripts() -> Vec<String> {
    let root = repository().join("scripts");
    let mut found = Vec::new();
    for folder in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).chain([root.clone()]) {
        // Those are read by other scripts.
        if !folder.is_dir() || folder.ends_with("lib") || folder.ends_with("pipeline") {
            continue;
        }
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension == "sh") {
                found.push(file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_usage_of_every_script_is_complete() {
    let names = scripts();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let text = fs::read_to_string(repository().join("scripts").join(&name)).unwrap();
        let comment = text.lines().skip(1).take_while(|line| line.starts_with('#'));
        let last = comment.last().unwrap().trim_start_matches("# ").to_owned();
        for flag in ["-h", "--help"] {
            let Some(tool) = script(&name) else { return };
            let run = tool.arg(flag).run().expect(0);
            assert_eq!(run.stdout.lines().last().unwrap_or_default(), last, "{name} {flag}");
        }
    }
}

#[test]
fn audit_leaves_no_directory_behind_and_names_missing_stores() {
    let root = tempfile::tempdir().unwrap();
    let data = spaced(root.path());
    copy_tree(&fixture("era5-uk-v2.zarr"), &data.join("sound.zarr"));
    if script("audit.sh").is_none() {
        return;
    }
    let audit = |arguments: &[&str]| script("audit.sh").unwrap().current_dir(&data).args(arguments).run();
    audit(&["-l", "much", "report", "sound.zarr"]).expect(2);
    audit(&["report", "nowhere.zarr"]).expect(4);
    audit(&["/proc/report", "sound.zarr"]).expect(7);
    let names = || fs::read_dir(&data).unwrap().count();
    assert_eq!(names(), 1, "the corrected command can be run");

    let some = audit(&["report", "sound.zarr", "nowhere.zarr"]).expect(3);
    let records = some.of_type("audit");
    assert_eq!(
        [&records[0]["store"], &records[0]["errors"], &records[0]["error"]],
        [&json!("nowhere.zarr"), &json!(1), &json!("no such store")]
    );
    assert_eq!((records.len(), records[1]["errors"].as_u64()), (2, Some(0)), "{}", some.stdout);
    let summary = &some.of_type("summary")[0];
    assert_eq!((&summary["tool"], &summary["errors"]), (&json!("audit.sh"), &json!(1)), "counted once");

    // A web server cannot list: there are no sizes.
    let server = ObjectServer::start(&data, vec![]);
    let url = format!("{}/bucket/sound.zarr", server.endpoint());
    let remote = audit(&["web", &url]).expect(0);
    let record = &remote.of_type("audit")[0];
    assert!(record["arrays"] == 4 && record.get("stored_bytes").is_none(), "{}", remote.stdout);
    let compared = script("compare.sh").unwrap().current_dir(&data).args([&url, "sound.zarr"]).run().expect(0);
    let sizes = &compared.of_type("sizes")[0];
    assert!(sizes.get("stored_bytes").is_none() && sizes["against_stored_bytes"].is_u64(), "{sizes}");
}

#[test]
fn audit_counts_what_is_wrong_in_each_store() {
    let root = tempfile::tempdir().unwrap();
    let data = spaced(root.path());
    copy_tree(&fixture("era5-uk-v2.zarr"), &data.join("sound.zarr"));
    copy_tree(&fixture("era5-uk-v2.zarr"), &data.join("torn.zarr"));
    fs::write(data.join("torn.zarr/t2m/3.0.0"), b"torn").unwrap();
    fs::remove_file(data.join("torn.zarr/t2m/5.0.0")).unwrap();
    let Some(tool) = script("audit.sh") else { return };
    let audit = tool.current_dir(&data).args(["report 1", "sound.zarr", "torn.zarr"]).run().expect(1);
    let found = |store: &str| audit.of_type("audit").into_iter().find(|record| record["store"] == store).unwrap();
    assert_eq!((&found("sound.zarr")["errors"], &found("sound.zarr")["slow_arrays"]), (&json!(0), &json!(0)));
    assert_eq!(found("torn.zarr")["errors"], 2, "{}", audit.stdout);
    assert_eq!(audit.of_type("summary")[0]["exit"], 1);
    let listed = |name: &str| fs::read_to_string(data.join("report 1").join(name)).unwrap();
    assert_eq!(
        (listed("corrupt.txt"), listed("missing.txt")),
        ("torn.zarr/t2m/3.0.0\n".into(), "torn.zarr/t2m/5.0.0\n".into())
    );

    let again = script("audit.sh").unwrap().current_dir(&data).args(["report 1", "sound.zarr"]).run();
    assert_eq!(
        (again.code, listed("missing.txt").as_str()),
        (7, "torn.zarr/t2m/5.0.0\n"),
        "a report is not overwritten"
    );
    let lists = ["-l", "list", "report 2", "sound.zarr"];
    script("audit.sh").unwrap().current_dir(&data).args(lists).run().expect(0);
    script("audit.sh").unwrap().current_dir(&data).args(["report 3", "nowhere.zarr"]).run().expect(4);
}

#[test]
fn mirror_copies_a_selection_and_checks_it() {
    let root = tempfile::tempdir().unwrap();
    let data = spaced(root.path());
    write_batch(&data.join("a.zarr"), &[0, 1, 2], &["t2m", "tp"]);
    let mirror = ["a.zarr", "copy of a.zarr", "--var", "t2m", "--bbox=-5,58,-3,60"];
    let Some(tool) = script("mirror.sh") else { return };
    let fetched = tool.current_dir(&data).args(mirror).run().expect(0);
    assert_eq!(fetched.of_type("fetched")[0]["already_complete"], false);
    let copied = tree(&data.join("copy of a.zarr"));
    assert_eq!(copied["t2m/2.0.0"], fs::read(data.join("a.zarr/t2m/2.0.0")).unwrap());
    assert!(!copied.keys().any(|key| key.starts_with("tp/") || key.starts_with("t2m/2.1")), "only what is selected");
    script("mirror.sh").unwrap().current_dir(&data).args(mirror).run().expect(0);

    fs::write(data.join("copy of a.zarr/t2m/1.0.0"), b"short").unwrap();
    let torn = script("mirror.sh").unwrap().current_dir(&data).args(mirror).run().expect(1);
    assert_eq!(torn.of_type("finding").iter().filter(|finding| finding["key"] == "t2m/1.0.0").count(), 1);
    script("mirror.sh").unwrap().current_dir(&data).args(["nowhere.zarr", "b.zarr"]).run().expect(4);

    // What the source lacks, the copy lacks too; what only the copy lacks is an error.
    fs::remove_file(data.join("a.zarr/tp/1.0.0")).unwrap();
    let whole = ["a.zarr", "-copy.zarr"];
    for _ in 0..2 {
        let run = script("mirror.sh").unwrap().current_dir(&data).args(whole).run().expect(0);
        assert!(run.of_type("finding").iter().any(|finding| finding["key"] == "tp/1.0.0"), "{}", run.stdout);
    }
    fs::remove_file(data.join("-copy.zarr/t2m/1.0.0")).unwrap();
    let lacks = script("mirror.sh").unwrap().current_dir(&data).args(whole).run().expect(7);
    assert!(lacks.stderr.contains("1 of its 12 objects is missing"), "{}", lacks.stderr);
}

/// Schedulers and containers send it to the script alone.
#[test]
fn a_signal_to_a_script_alone_ends_its_tool() {
    let root = tempfile::tempdir().unwrap();
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 143)] {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        silent.set_nonblocking(true).unwrap();
        let url = format!("http://{}/a.zarr", silent.local_addr().unwrap());
        let Some(tool) = script("mirror.sh") else { return };
        let connections = RefCell::new(Vec::new());
        let mut running = spawn(tool.current_dir(root.path()).args([&url, "copy.zarr"]));
        let is_asked = || {
            connections.borrow_mut().extend(silent.accept());
            !connections.borrow().is_empty()
        };
        assert!(running.reaches(is_asked), "{:?}", running.end());
        running.signal(signal);
        // Its outputs are open until the tool has ended, too.
        let outcome = running.end_within(Duration::from_secs(20));
        assert_eq!(outcome.code, code, "{outcome:?}");
    }
}

#[test]
fn shrink_keeps_to_the_budget() {
    let root = tempfile::tempdir().unwrap();
    let data = spaced(root.path());
    MakeArray { codec: None, noise_bits: 4, chunk: 1 << 16, ..MakeArray::default() }.write(&data.join("raw.zarr"));
    let Some(tool) = script("shrink.sh") else { return };
    tool.current_dir(&data).args(["60%", "raw.zarr", "small one.zarr"]).run().expect(0);
    let bytes: usize = tree(&data.join("small one.zarr")).values().map(Vec::len).sum();
    assert!(bytes < 2 * (4 << 16) * 6 / 10, "{bytes}");
    let same = script("compare.sh").unwrap().current_dir(&data).args(["raw.zarr", "small one.zarr"]).run().expect(0);
    assert!(same.of_type("sizes")[0]["saved"].as_f64().unwrap() > 0.4);

    let refused = script("shrink.sh").unwrap().current_dir(&data).args(["1K", "raw.zarr", "tiny.zarr"]).run().expect(1);
    assert!(refused.stderr.contains("no compressor is strong enough") && !data.join("tiny.zarr").exists());
    script("shrink.sh").unwrap().current_dir(&data).args(["much", "raw.zarr", "tiny.zarr"]).run().expect(2);
}

#[test]
fn series_has_the_values_of_each_point_and_names_the_others() {
    let root = tempfile::tempdir().unwrap();
    let data = spaced(root.path());
    write_batches(&data, &[vec![0, 1], vec![2]], &["t2m"]);
    fs::write(data.join("my points.csv"), "id,lat,lon\nnear,59.9,-4.1\nfar,0,90\n").unwrap();
    let Some(tool) = script("series.sh") else { return };
    let series = ["my points.csv", "out.csv", "batch_00.zarr", "batch_01.zarr", "--var", "t2m"];
    let run = tool.current_dir(&data).args(series).run().expect(3);
    assert!(run.stderr.contains("far") && run.stderr.contains("3 rows from 2 stores"), "{}", run.stderr);
    let text = fs::read_to_string(data.join("out.csv")).unwrap();
    // The cell 60 N, 4 W is the second of the first chunk.
    let values: Vec<&str> = text.lines().skip(1).map(|row| row.rsplit(',').next().unwrap()).collect();
    assert_eq!(values, ["1.0", "1001.0", "2001.0"], "{text}");

    fs::write(data.join("near.csv"), "id,lat,lon\nnear,59.9,-4.1\n").unwrap();
    let one = ["-d", "20km", "near.csv", "near.parquet", "batch_00.zarr"];
    script("series.sh").unwrap().current_dir(&data).args(one).run().expect(0);
    assert!(data.join("near.parquet").exists());
    script("series.sh").unwrap().current_dir(&data).args(one).run().expect(7);
    script("series.sh").unwrap().current_dir(&data).args(["nowhere.csv", "b.csv", "batch_00.zarr"]).run().expect(4);

    // An id may have a line break; points that are read once would be gone.
    fs::write(data.join("lines.csv"), "id,lat,lon\n\"near\nby\",59.9,-4.1\n").unwrap();
    let run = |arguments: &[&str]| script("series.sh").unwrap().current_dir(&data).args(arguments).run();
    run(&["lines.csv", "-lines.csv", "batch_00.zarr"]).expect(0);
    let piped = run(&["-", "c.csv", "batch_00.zarr"]).expect(2);
    assert!(piped.stderr.contains("must be a file"), "{}", piped.stderr);
    let none = run(&["-d", "10m", "near.csv", "d.csv", "batch_00.zarr"]).expect(4);
    assert!(none.stderr.contains("more than") && !none.stderr.contains("outside the grid"), "{}", none.stderr);
}

#[test]
fn dedup_drops_the_26_duplicates() {
    let root = tempfile::tempdir().unwrap();
    let data = spaced(root.path());
    let batches = write_batches(&data, &seed_batches(), &["t2m"]);
    let Some(tool) = script("dedup.sh") else { return };
    let out = data.join("all of them.zarr");
    let report = tool.arg("file_id").arg(&out).args(&batches).run().expect(0).summary();
    assert_eq!([&report["duplicates"], &report["kept"]], [&json!(26), &json!(69)]);
    let metadata: Value = serde_json::from_slice(&fs::read(out.join("t2m/.zarray")).unwrap()).unwrap();
    assert_eq!(metadata["shape"][0], 69);
    script("dedup.sh").unwrap().arg("file_id").arg(&out).args(&batches).run().expect(0);

    // A duplicate with other data.
    fs::write(batches[1].join("t2m/2.0.0"), [7; 80]).unwrap();
    let other = data.join("other.zarr");
    let conflict = script("dedup.sh").unwrap().arg("file_id").arg(&other).args(&batches).run().expect(1);
    assert_eq!(conflict.of_type("conflict")[0]["value"], "2");
    assert!(!other.exists());
    script("dedup.sh").unwrap().arg("file_id").arg(&other).args(&batches).args(["--keep", "last"]).run().expect(0);
}

#[test]
fn compare_pairs_the_stores_of_two_directories() {
    let root = tempfile::tempdir().unwrap();
    let data = spaced(root.path());
    for name in ["a", "b"] {
        write_batches(&data.join(name), &[vec![0], vec![1]], &["t2m"]);
    }
    let Some(tool) = script("compare.sh") else { return };
    let same = tool.current_dir(&data).args(["a", "b"]).run().expect(0);
    assert_eq!((same.of_type("sizes").len(), same.of_type("finding").len()), (2, 0));
    fs::write(data.join("b/batch_01.zarr/t2m/0.1.1"), [0; 80]).unwrap();
    let differs = script("compare.sh").unwrap().current_dir(&data).args(["a", "b"]).run().expect(1);
    assert!(differs.of_type("compare").iter().any(|record| record["result"] == "different"));
    fs::remove_dir_all(data.join("b/batch_01.zarr")).unwrap();
    let fewer = script("compare.sh").unwrap().current_dir(&data).args(["a", "b"]).run().expect(1);
    assert!(fewer.stderr.contains("only in one: a/batch_01.zarr"), "{}", fewer.stderr);
}

#[test]
fn compare_refuses_to_compare_nothing() {
    let root = tempfile::tempdir().unwrap();
    let data = spaced(root.path());
    write_batches(&data.join("a"), &[vec![0]], &["t2m"]);
    fs::create_dir(data.join("empty")).unwrap();
    fs::create_dir(data.join("empty too")).unwrap();
    if script("compare.sh").is_none() {
        return;
    }
    for (arguments, code, says) in [
        (&["a", "nowhere"][..], 4, "nowhere: no such directory"),
        (&["nowhere", "a"], 4, "nowhere: no such directory"),
        (&["empty", "empty too"], 4, "nothing is compared"),
        (&["a", "empty"], 4, "nothing is compared"),
        (&["-t", "abc", "a", "a"], 2, "--rtol"),
    ] {
        let run = script("compare.sh").unwrap().current_dir(&data).args(arguments).run();
        assert!(run.code == code && run.stderr.contains(says), "{arguments:?}: {} {}", run.code, run.stderr);
        assert!(run.stderr.lines().count() <= 3, "said once: {}", run.stderr);
    }
}

#[test]
fn batches_are_common_multiples_of_the_chunks_of_decoded_values() {
    let root = tempfile::tempdir().unwrap();
    let data = spaced(root.path());
    for (name, chunk) in [("t2m", 10), ("tp", 6)] {
        write_array(&data.join("a.zarr"), name, "<i2", &[69, 100], &[chunk, 100], &["file_id", "cell"]);
    }
    fs::write(data.join("a.zarr/.zgroup"), r#"{"zarr_format": 2}"#).unwrap();
    if script("batches.sh").is_none() {
        return;
    }
    let batch = |memory: &str| {
        let run = script("batches.sh").unwrap().current_dir(&data).args(["-m", memory, "file_id", "a.zarr"]).run();
        let record = run.expect(0).of_type("batches")[0].clone();
        (record["batch"].as_u64().unwrap(), record["bytes_per_index"].as_u64().unwrap())
    };
    // 400 bytes for each file_id.
    assert_eq!(batch("25000"), (60, 400));
    assert_eq!(batch("13000"), (30, 400));
    for memory in ["1g", "1GiB", "1GB"] {
        assert_eq!(batch(memory), (69, 400), "no more than there are");
    }
    let small = ["-m", "5000", "file_id", "a.zarr"];
    let run = script("batches.sh").unwrap().current_dir(&data).args(small).run().expect(0);
    assert!(run.of_type("batches")[0]["batch"] == 10 && run.stderr.contains("read twice"), "{}", run.stderr);
    script("batches.sh").unwrap().current_dir(&data).args(["-m", "200%", "file_id", "a.zarr"]).run().expect(2);

    // Packed values are four times as large.
    let attributes = json!({"_ARRAY_DIMENSIONS": ["file_id", "cell"], "scale_factor": 0.1});
    fs::write(data.join("a.zarr/tp/.zattrs"), attributes.to_string()).unwrap();
    assert_eq!(batch("1G"), (69, 1000));
}

#[test]
fn batches_fill_the_memory_with_whole_chunks() {
    let root = tempfile::tempdir().unwrap();
    let data = spaced(root.path());
    write_batch(&data.join("a b.zarr"), &(0..69).collect::<Vec<i64>>(), &["t2m"]);
    // 328 bytes of t2m and file_id for each file_id: 10 fit in 3,500 bytes.
    let Some(tool) = script("batches.sh") else { return };
    let advice = tool.current_dir(&data).args(["-m", "3500", "file_id", "a b.zarr"]).run().expect(0).of_type("batches");
    assert_eq!([&advice[0]["batch"], &advice[0]["batches"]], [&json!(10), &json!(7)], "{advice:?}");
    let ranges =
        script("batches.sh").unwrap().current_dir(&data).args(["-r", "-m", "3500", "file_id", "a b.zarr"]).run();
    let last = ranges.expect(0).stdout.lines().last().unwrap().to_owned();
    assert_eq!(last, "a b.zarr\t60:69");
    for (arguments, code) in [(["-m", "300", "file_id"], 1), (["-m", "3X", "file_id"], 2), (["-m", "1G", "depth"], 4)] {
        let run = script("batches.sh").unwrap().current_dir(&data).args(arguments).arg("a b.zarr").run();
        assert_eq!((run.code, run.stderr.contains("batches.sh: ")), (code, true), "{arguments:?}: {}", run.stderr);
    }
}
