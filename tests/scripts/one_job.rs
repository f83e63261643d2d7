//! The scripts that do one job.

use std::fs;
use std::path::Path;

use harness::{MakeArray, copy_tree, fixture, tree};
use serde_json::{Value, json};

use crate::archive::{seed_batches, write_batch, write_batches};
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
