//! Outputs in object stores and on a full disk, and batches that correct each other.

use std::fs;
use std::process::Command;

use harness::{Fault, ObjectServer, Outcome, Tool, binary, tree};
use serde_json::json;

use crate::scene::{Batch, batches, rows, zdedup};

/// A store in a bucket that is written by `zdedup`, and the server in front of it.
struct Bucket {
    directory: tempfile::TempDir,
    server: ObjectServer,
}

impl Bucket {
    fn new() -> Bucket {
        let directory = harness::directory();
        let server = ObjectServer::start_writable(directory.path(), Vec::new());
        Bucket { directory, server }
    }

    fn urls(&self) -> [String; 3] {
        [self.server.s3_url("all.zarr"), self.server.gs_url("all.zarr"), self.server.az_url("all.zarr")]
    }

    fn zdedup(&self, args: &[&str]) -> Tool {
        let tool = Tool::hermetic("zdedup").args(["--json", "--dim", "file_id", "--anonymous"]);
        tool.args(["--endpoint", &self.server.endpoint()]).args(args)
    }
}

#[test]
fn outputs_and_appends_in_every_cloud_are_those_on_a_disk() {
    let all = [0..4, 3..7, 6..9].map(|ids| Batch { chunk: 2, ..Batch::of(ids) });
    let (local, paths) = batches(&all);
    let store = local.path().join("all.zarr");
    zdedup(&paths[..2], &["-o", store.to_str().unwrap()]).expect(0);
    let first = tree(&store);
    Tool::new("zdedup").args(["--json", "--dim", "file_id", "--append-to"]).arg(&store).args(&paths).run().expect(0);
    let both = tree(&store);
    for number in 0..3 {
        let bucket = Bucket::new();
        let url = bucket.urls()[number].clone();
        bucket.zdedup(&["-o", &url]).args(&paths[..2]).run().expect(0);
        assert!(tree(&bucket.directory.path().join("all.zarr")) == first, "{url}");
        let done = bucket.zdedup(&["--append-to", &url]).args(&paths).run().expect(0).summary();
        assert_eq!((&done["kept"], &done["duplicates"]), (&json!(9), &json!(9)), "{url}");
        assert!(tree(&bucket.directory.path().join("all.zarr")) == both, "{url}");
        let again = bucket.zdedup(&["--append-to", &url]).args(&paths).run().expect(0);
        assert!(again.stderr.contains("nothing to append"), "{}", again.stderr);
        // A bucket has no directories: what the server keeps of them is empty.
        let left = tree(bucket.directory.path());
        assert!(left.keys().all(|key| key.starts_with("all.zarr/") || key.ends_with('/')), "{:?}", left.keys());
    }
}

#[test]
fn batches_in_a_bucket_are_those_on_a_disk() {
    let (local, paths) = batches(&[Batch::of(0..4), Batch::of(2..6)]);
    let store = local.path().join("all.zarr");
    zdedup(&paths, &["-o", store.to_str().unwrap()]).expect(0);
    let server = ObjectServer::start(local.path(), Vec::new());
    let urls = [server.s3_url("batch_00.zarr"), server.s3_url("batch_01.zarr")];
    let copy = local.path().join("copy.zarr");
    let tool = Tool::hermetic("zdedup").args(["--json", "--dim", "file_id", "--anonymous", "--endpoint"]);
    tool.arg(server.endpoint()).arg("-o").arg(&copy).args(&urls).run().expect(0);
    assert!(tree(&copy) == tree(&store));
}

/// Other content than was compared is never published: neither metadata nor coordinate values.
#[test]
fn batches_that_change_between_comparison_and_copy_are_noticed() {
    let (local, paths) = batches(&[Batch::of(0..4), Batch::of(4..6)]);
    let metadata = fs::read_to_string(paths[1].join("t2m/.zarray")).unwrap();
    let other = metadata.replace("\"compressor\":null", "\"compressor\":{\"id\":\"zlib\",\"level\":1}");
    assert_ne!(metadata, other);
    // 3 occurs in the other batch.
    let ids = String::from_utf8([3i64, 5].iter().flat_map(|id| id.to_le_bytes()).collect()).unwrap();
    let cases = [("batch_01.zarr/t2m/.zarray", other, "metadata"), ("batch_01.zarr/file_id/0", ids, "were chosen")];
    for (key, content, said) in cases {
        let changes = Fault::Changes { key_contains: key.into(), times: 1, content };
        let server = ObjectServer::start(local.path(), vec![changes]);
        let output = local.path().join("all.zarr");
        let tool = Tool::hermetic("zdedup").args(["--json", "--dim", "file_id", "--anonymous", "-o"]).arg(&output);
        let urls = ["batch_00.zarr", "batch_01.zarr"].map(|store| server.s3_url(store));
        let refused = tool.args(["--endpoint", &server.endpoint()]).args(urls).run().expect(7);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        assert!(!output.exists());
        let _ = fs::remove_dir_all(local.path().join("all.zarr.plan"));
    }
}

#[test]
fn a_dry_run_of_an_append_changes_nothing() {
    let (local, paths) = batches(&[Batch::of(0..3), Batch::of(2..6)]);
    let store = local.path().join("all.zarr");
    zdedup(&paths[..1], &["-o", store.to_str().unwrap()]).expect(0);
    let before = tree(local.path());
    let tool = Tool::new("zdedup").args(["--json", "--dim", "file_id", "-n", "--append-to"]);
    let plan = tool.arg(&store).arg(&paths[1]).run().expect(0);
    let variable = plan.record("plan", "/t2m");
    assert_eq!((&variable["objects_expected"], &variable["objects_copied"]), (&json!(3), &json!(3)), "{variable}");
    assert_eq!(plan.summary()["kept"], json!(6));
    assert!(tree(local.path()) == before);
}

/// Chunks that lie across the end of a batch are put together; all others are copied, and so are arrays without the dimension.
#[test]
fn a_dry_run_tells_what_is_copied_and_what_is_encoded_again() {
    let with = |ids: std::ops::Range<i64>| Batch { chunk: 4, ..Batch::of(ids) };
    let (local, paths) = batches(&[with(0..6), with(6..12)]);
    let output = local.path().join("all.zarr");
    let plan = zdedup(&paths, &["-n", "-o", output.to_str().unwrap()]).expect(0);
    let (mut copied, mut recoded) = (0, 0);
    for record in plan.of_type("plan") {
        let bytes = |name: &str| record[name].as_u64().unwrap();
        let both = bytes("uncompressed_bytes_copied") + bytes("uncompressed_bytes_recoded");
        assert_eq!(both, bytes("uncompressed_bytes"), "{record}");
        copied += bytes("uncompressed_bytes_copied");
        recoded += bytes("uncompressed_bytes_recoded");
    }
    let variable = plan.record("plan", "/t2m");
    assert_eq!((&variable["objects_copied"], &variable["objects_recoded"]), (&json!(1), &json!(2)), "{variable}");
    assert_eq!(variable["uncompressed_bytes_copied"], json!(12 * 2 * 3 * 4 / 3));
    assert_eq!(plan.record("plan", "/lat")["uncompressed_bytes_copied"], json!(16));
    let summary = plan.summary();
    assert_eq!(
        (&summary["uncompressed_bytes_copied"], &summary["uncompressed_bytes_recoded"]),
        (&json!(copied), &json!(recoded))
    );
}

/// Along a coordinate that goes down, "newer" values are smaller ones.
#[test]
fn overlap_rules_follow_the_direction_of_the_coordinate() {
    let down = |ids: std::ops::Range<i64>, offset| Batch { offset, ..Batch::of(ids.rev()) };
    let (local, paths) = batches(&[down(4..8, 0.0), down(2..6, 1.0), down(0..3, 2.0)]);
    let first = |overlap: &str| {
        let store = local.path().join(format!("{overlap}.zarr"));
        let done = zdedup(&paths, &["--overlap", overlap, "-o", store.to_str().unwrap()]);
        (done, store)
    };
    let offsets = |overlap: &str| {
        let (done, store) = first(overlap);
        done.expect(0);
        let rows = rows(&store);
        let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
        let offsets: Vec<f32> = rows.iter().map(|(id, value)| value - 100.0 * *id as f32).collect();
        (ids, offsets)
    };
    let (ids, kept) = offsets("newer");
    assert_eq!(ids, [7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(kept, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
    let (ids, kept) = offsets("retain");
    assert_eq!((ids, kept), (vec![7, 6, 5, 4, 3, 2, 1, 0], vec![0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0]));
    let (ids, kept) = offsets("replace");
    assert_eq!((ids, kept), (vec![7, 6, 5, 4, 3, 2, 1, 0], vec![0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0]));
    let (refused, store) = first("error");
    assert!(!refused.expect(1).stderr.is_empty() && !store.exists());
}

/// A file system that is too small, in a name space of its own where the system lets us have one; then it grows. Nothing is
/// entered in the journal before the disk is full: the entries of what was done need room on it then.
#[test]
fn a_full_disk_costs_nothing_that_was_done() {
    let many = |ids: std::ops::Range<i64>| Batch { latitudes: vec![51.5, 51.25], ..Batch::of(ids) };
    let (local, paths) = batches(&[many(0..400), many(390..900)]);
    let whole = local.path().join("whole.zarr");
    zdedup(&paths, &["-o", whole.to_str().unwrap()]).expect(0);
    let (mount, copy) = (local.path().join("small"), local.path().join("copy.zarr"));
    fs::create_dir(&mount).unwrap();
    let sources: Vec<String> = paths.iter().map(|path| format!("'{}'", path.display())).collect();
    let script = format!(
        "mount -t tmpfs -o size=2m none '{0}' || exit 77
         '{1}' --json --dim file_id -o '{0}/all.zarr' --checkpoint 1h -j2 {2} && exit 70
         [ $? = 7 ] || exit 71
         mount -o remount,size=64m '{0}' || exit 77
         '{1}' --json --dim file_id -o '{0}/all.zarr' --resume {2} || exit 72
         ls -A '{0}' >&2
         cp -r '{0}/all.zarr' '{3}'",
        mount.display(),
        binary("zdedup").display(),
        sources.join(" "),
        copy.display()
    );
    let Ok(output) = Command::new("unshare").args(["-rm", "sh", "-c", &script]).output() else {
        return println!("skipped: there is no unshare(1) here");
    };
    let outcome = Outcome::of(output);
    if outcome.code == 77 || outcome.stderr.contains("unshare") {
        return println!("skipped: {}", outcome.stderr);
    }
    let outcome = outcome.expect(0);
    assert!(outcome.stderr.contains("No space left") && outcome.stderr.ends_with("all.zarr\n"), "{}", outcome.stderr);
    let summary = outcome.of_type("summary").pop().unwrap();
    assert!(summary["resumed"].as_u64().unwrap() > 100, "{summary}");
    assert!(tree(&copy) == tree(&whole));
}

/// The file that could not be written is named, not the source that its text comes from. Of all files the consolidated metadata is
/// the largest here.
#[test]
fn a_document_that_does_not_fit_is_named() {
    let local = tempfile::tempdir().unwrap();
    let (archive, output) = (local.path().join("archive"), local.path().join("all.zarr"));
    let tool = Tool::new("lorenz-ens").args(["--grid", "50:52:3,0:2:3", "--batches", "1", "-o"]);
    tool.arg(&archive).run().expect(0);
    let script = format!(
        "ulimit -f 16; trap '' XFSZ; exec '{}' --dim file_id '{}' -o '{}'",
        binary("zdedup").display(),
        archive.join("batch_00.zarr").display(),
        output.display()
    );
    let outcome = Outcome::of(Command::new("sh").args(["-c", &script]).output().unwrap()).expect(7);
    let written = format!("zdedup: {}", local.path().join("all.zarr.plan/metadata/zarr.json").display());
    assert!(outcome.stderr.starts_with(&written), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("File too large"), "{}", outcome.stderr);
}
