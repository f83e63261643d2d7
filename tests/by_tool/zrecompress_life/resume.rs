//! `--resume`: what is done is not done again, what is torn is not believed, and the result is that of the source as it is now.

use std::fs;
use std::os::unix::fs::MetadataExt;

use harness::{Outcome, tree};
use rustix::process::Signal;

use crate::sample::{Form, GZIP, LZ4, Sample, decoded};
use crate::scene::{Scene, inodes, rewrite, spawn, wait_for};

/// A scene in which all is done but one chunk.
fn unfinished(form: Form, flags: &[&str]) -> Scene {
    let scene = Scene::of(Sample::new(form, GZIP), &[&["--cname", "zstd"], flags].concat());
    scene.all_but(CHUNK[usize::from(form != Form::V2)]);
    scene
}

/// The chunk that is not done, in Zarr v2 and v3.
const CHUNK: [&str; 2] = ["a1/5", "a1/c/5"];

#[track_caller]
fn finish(scene: &Scene) -> Outcome {
    let outcome = scene.run(&["--resume"]).expect(0);
    assert!(tree(&scene.output) == scene.undisturbed(), "another result than that of an undisturbed run");
    scene.assert_left(&[]);
    outcome
}

fn summary(outcome: &Outcome, field: &str) -> u64 {
    outcome.records().pop().unwrap()[field].as_u64().unwrap()
}

#[test]
fn what_is_done_is_not_done_again() {
    let scene = unfinished(Form::V2, &[]);
    let before = inodes(&scene.plan().join("store"));
    let outcome = finish(&scene);
    let after = inodes(&scene.output);
    let is_chunk = |key: &&String| !key.rsplit('/').next().unwrap().starts_with('.');
    let again: Vec<&String> = after.keys().filter(is_chunk).filter(|key| before.get(*key) != after.get(*key)).collect();
    assert_eq!(again, [CHUNK[0]], "only the chunk that was missing is written");
    assert_eq!((summary(&outcome, "objects"), summary(&outcome, "resumed")), (42, 41));
    assert_eq!(outcome.record("recompress", "/a0")["objects"], 21);
}

#[test]
fn what_the_journal_does_not_name_is_not_believed() {
    let scene = unfinished(Form::V2, &[]);
    fs::write(scene.plan().join("store").join(CHUNK[0]), "torn").unwrap();
    assert_eq!(summary(&finish(&scene), "resumed"), 41);
}

#[test]
fn an_object_that_is_not_as_it_was_written_is_done_again() {
    for form in [Form::V2, Form::Checked] {
        let scene = unfinished(form, &[]);
        let folder = if form == Form::V2 { "a0" } else { "a0/c" };
        let at = |name: &str| scene.plan().join("store").join(folder).join(name);
        let content = fs::read(at("0")).unwrap();
        fs::write(at("0"), &content[..content.len() / 2]).unwrap();
        rewrite(&at("1"), &vec![0; fs::metadata(at("1")).unwrap().size() as usize]);
        fs::remove_file(at("2")).unwrap();
        assert_eq!(summary(&finish(&scene), "resumed"), 38, "{form:?}");
    }
}

/// What a crash makes of the text of a segment.
type Tear<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

#[test]
fn a_torn_journal_costs_only_what_it_does_not_say() {
    let half = |text: &[u8]| text[..text.len() / 2].to_vec();
    let more = |text: &[u8]| [text, br#"{"path":"/a0","un"#].concat();
    let zeros = |text: &[u8]| vec![0; text.len()];
    let tears: [Tear; 4] = [&half, &more, &zeros, &|_| Vec::new()];
    for tear in tears {
        let scene = unfinished(Form::V2, &[]);
        let journal = scene.plan().join("journal");
        let segment = tree(&journal).into_keys().find(|key| key.ends_with(".jsonl")).unwrap();
        let text = fs::read(journal.join(&segment)).unwrap();
        fs::write(journal.join(&segment), tear(&text)).unwrap();
        assert!(summary(&finish(&scene), "resumed") <= 41);
    }
}

#[test]
fn what_dead_runs_left_is_neither_read_nor_published() {
    let scene = unfinished(Form::V2, &[]);
    for left in ["store/a0/.1.tmp-host-1-0", "store/..zgroup.tmp-host-1-0", "journal/1/.7-1-000001.jsonl.tmp-host-1-0"]
    {
        fs::write(scene.plan().join(left), "torn").unwrap();
    }
    assert_eq!(summary(&finish(&scene), "resumed"), 41);
}

#[test]
fn flags_that_contradict_the_plan_are_named() {
    let scene = unfinished(Form::V2, &[]);
    for (flag, value) in [
        ("--clevel", "9"),
        ("--codec", "zstd"),
        ("--shuffle", "bitshuffle"),
        ("--split", "always"),
        ("--blocksize", "4096"),
        ("--var", "a0"),
        ("--min-size", "1"),
    ] {
        // With a codec of its own, --cname contradicts already.
        let tool = harness::Tool::new("zrecompress").arg(&scene.source).arg(&scene.output);
        let outcome = tool.args(["--resume", flag, value]).run().expect(2);
        assert!(outcome.stderr.contains(flag), "{flag}: {}", outcome.stderr);
    }
    let tool = harness::Tool::new("zrecompress").arg(&scene.source).arg(&scene.output);
    tool.args(["--resume", "--copy-unknown"]).run().expect(2);
    scene.run(&["--resume", "--overwrite"]).expect(2);
    // What changes no byte may be said anew.
    let tool = harness::Tool::new("zrecompress").arg(&scene.source).arg(&scene.output);
    tool.args(["--resume", "-j1", "--nthreads", "2", "--checkpoint", "1s", "--verify", "sample"]).run().expect(0);
    assert!(tree(&scene.output) == scene.undisturbed());
}

/// The same command begins, goes on, and has nothing to do once all is done.
#[test]
fn resume_is_the_same_before_and_after() {
    let scene = Scene::of(Sample::new(Form::V2, GZIP), &[]);
    scene.run(&["--resume"]).expect(0);
    let (before, kept) = (tree(&scene.output), inodes(&scene.output));
    for again in [scene.run(&["--resume"]), scene.of_output(&["--finish"]), scene.of_output(&["--part", "1/4"])] {
        let outcome = again.expect(0);
        assert!(outcome.stderr.contains("already complete"), "{}", outcome.stderr);
        assert_eq!(outcome.records().pop().unwrap()["already_complete"], true);
    }
    // Another command writes another store.
    let outcome = scene.run(&["--resume", "--clevel", "9"]).expect(7);
    assert!(outcome.stderr.contains("was not written by this command"), "{}", outcome.stderr);
    assert!(tree(&scene.output) == before && inodes(&scene.output) == kept);
    scene.assert_left(&[]);
    // What is no store is no finished output.
    fs::remove_dir_all(&scene.output).unwrap();
    fs::create_dir_all(scene.output.join("thesis")).unwrap();
    scene.run(&["--resume"]).expect(7);
    scene.of_output(&["--finish"]).expect(4);
}

/// Keys of the chunks and shards of a store.
fn chunks(store: &std::path::Path) -> Vec<String> {
    let is_chunk = |key: &String| key.rsplit('/').next().unwrap().starts_with(|first: char| first.is_ascii_digit());
    tree(store).into_keys().filter(is_chunk).collect()
}

/// How much of a finished output must be missing to be noticed.
const ALL: usize = usize::MAX;

#[test]
fn a_finished_output_without_its_chunks_is_not_complete() {
    let cases: [(Form, &[&str], usize); 7] = [
        (Form::V2, &[], 1),
        (Form::V3, &[], 1),
        (Form::Shards, &[], 1),
        (Form::V2, &["--zarr-format", "3"], 1),
        (Form::V2, &["--chunks", "1500"], 1),
        (Form::Checked, &["--chunks", "500", "--shards", "3000"], 1),
        // Which of its chunks are there, a shard does not tell from outside.
        (Form::Shards, &["--chunks", "1000"], ALL),
    ];
    for (form, flags, noticed) in cases {
        let scene = Scene::of(Sample::new(form, GZIP), &[&["--cname", "lz4"], flags].concat());
        scene.run(&[]).expect(0);
        let all = chunks(&scene.output);
        let complete = scene.run(&["--resume"]).expect(0);
        assert_eq!(complete.records().pop().unwrap()["already_complete"], true);
        let says = format!("the metadata of 2 arrays and {} stored objects compared", all.len());
        assert!(complete.stderr.contains(&says), "{form:?} {flags:?}: {}", complete.stderr);
        for lost in [1, all.len()] {
            all.iter().take(lost).for_each(|key| drop(fs::remove_file(scene.output.join(key))));
            let outcome = scene.run(&["--resume"]);
            let code = if lost >= noticed.min(all.len()) { 7 } else { 0 };
            assert_eq!(outcome.code, code, "{form:?} {flags:?} {lost}: {}", outcome.stderr);
            assert!(code == 0 || outcome.stderr.contains("missing"), "{}", outcome.stderr);
        }
        scene.run(&["--overwrite"]).expect(0);
        assert_eq!(chunks(&scene.output), all);
        // Another chunk in place of one that is missing is none of them.
        let (from, to) =
            (scene.output.join(&all[0]), scene.output.join(all[0].replace("a0", "a1")).with_file_name("3"));
        if !to.exists() && flags.is_empty() {
            fs::rename(from, to).unwrap();
            scene.run(&["--resume"]).expect(7);
        }
    }
}

#[test]
fn chunks_that_were_left_out_on_request_are_not_missing() {
    let flags = ["--cname", "lz4", "--on-bad-chunk", "skip"];
    let scene = Scene::of(Sample::new(Form::V2, GZIP), &flags);
    rewrite(&scene.source.join("a1/5"), b"damaged");
    scene.run(&[]).expect(3);
    scene.run(&["--resume"]).expect(0);
}

#[test]
fn attributes_added_to_a_finished_output_are_no_difference() {
    for form in [Form::V2, Form::V3, Form::Shards] {
        let scene = Scene::of(Sample::new(form, GZIP), &["--cname", "lz4"]);
        scene.run(&[]).expect(0);
        let name = if form == Form::V2 { "a0/.zattrs" } else { "a0/zarr.json" };
        let edit = |change: fn(&mut serde_json::Value)| {
            let path = scene.output.join(name);
            let mut document = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            change(&mut document);
            fs::write(&path, serde_json::to_vec_pretty(&document).unwrap()).unwrap();
        };
        if form == Form::V2 {
            edit(|document| document["history"] = "checked by hand".into());
        } else {
            edit(|document| document["attributes"]["history"] = "checked by hand".into());
        }
        let outcome = scene.run(&["--resume"]).expect(0);
        assert!(outcome.stderr.contains("already complete"), "{}", outcome.stderr);
        if form != Form::V2 {
            edit(|document| document["fill_value"] = 7.into());
            scene.run(&["--resume"]).expect(7);
        }
    }
}

/// In place, everything is done already once all has the codec.
#[test]
fn resume_in_place_begins_and_ends_alike() {
    let scene = Scene::in_place(Sample::new(Form::V2, LZ4), &["--cname", "zstd"]);
    let values = decoded(&scene.source);
    scene.run(&["--resume"]).expect(0);
    let before = inodes(&scene.source);
    scene.run(&["--resume"]).expect(0);
    let chunks = |objects: std::collections::BTreeMap<String, u64>| {
        objects.into_iter().filter(|(key, _)| !key.contains(".z")).collect::<Vec<_>>()
    };
    assert_eq!(chunks(inodes(&scene.source)), chunks(before));
    assert!(decoded(&scene.source) == values);
}

#[test]
fn another_source_is_not_taken_for_the_one_that_was_begun() {
    let scene = unfinished(Form::V2, &[]);
    let other = scene.path("other.zarr");
    harness::copy_tree(&scene.source, &other);
    let outcome = harness::Tool::new("zrecompress").arg(&other).arg(&scene.output).arg("--resume").run().expect(2);
    assert!(outcome.stderr.contains("source.zarr"), "{}", outcome.stderr);
    fs::remove_dir_all(&other).unwrap();
    finish(&scene);
}

#[test]
fn overwrite_gives_an_unfinished_run_up() {
    let scene = unfinished(Form::V2, &[]);
    let outcome = scene.run(&[]).expect(7);
    assert!(outcome.stderr.contains("--resume") && outcome.stderr.contains("--overwrite"), "{}", outcome.stderr);
    let other = Scene::of(Sample { arrays: 1, ..Sample::new(Form::V3, LZ4) }, &["--codec", "gzip"]);
    harness::Tool::new("zrecompress")
        .arg(&other.source)
        .arg(&scene.output)
        .args(["--codec", "gzip", "--overwrite"])
        .run()
        .expect(0);
    assert!(tree(&scene.output) == other.undisturbed(), "nothing of the old run is in it");
    scene.assert_left(&[]);
}

#[test]
fn chunks_that_changed_appeared_or_went_are_as_they_are_now() {
    for form in [Form::V2, Form::V3, Form::Shards] {
        let sample = Sample { chunks: 28, ..Sample::new(form, LZ4) };
        let scene = Scene::of(sample, &["--cname", "zstd"]);
        let key = |number: usize| format!("a0/{}{number}", if form == Form::V2 { "" } else { "c/" });
        scene.all_but(&key(6).replace("a0", "a1"));
        let other = Scene::of(Sample { elements: 2000, ..sample }, &[]);
        let (from, there) = (other.source.join(key(1)), scene.source.join(key(0)));
        rewrite(&there, &fs::read(from).unwrap());
        fs::remove_file(scene.source.join(key(2))).unwrap();
        if form != Form::Shards {
            fs::write(scene.source.join(key(3)), sample.stored(77)).unwrap();
        }
        scene.run(&["--resume"]).expect(0);
        assert!(decoded(&scene.output) == decoded(&scene.source), "{form:?}");
        assert!(tree(&scene.output) == scene.undisturbed(), "{form:?}");
    }
}

#[test]
fn attributes_are_as_they_are_now() {
    for (form, document) in [(Form::V2, "a0/.zattrs"), (Form::V3, "a0/zarr.json")] {
        let scene = unfinished(form, &[]);
        let text = fs::read_to_string(scene.source.join(document)).unwrap();
        fs::write(scene.source.join(document), text.replace("\"K\"", "\"degC\"")).unwrap();
        finish(&scene);
    }
}

#[test]
fn an_array_that_has_another_shape_now_needs_a_new_beginning() {
    let scene = unfinished(Form::V2, &[]);
    let document = scene.source.join("a0/.zarray");
    let text = fs::read_to_string(&document).unwrap();
    fs::write(&document, text.replace("48000", "46000")).unwrap();
    let outcome = scene.run(&["--resume"]).expect(2);
    assert!(outcome.stderr.contains("differ from the plan"), "{}", outcome.stderr);
    assert!(scene.is_begun() && !scene.output.exists());
    scene.run(&["--overwrite"]).expect(0);
}

/// `--verify full` is a promise about all of the output, whoever wrote it.
#[test]
fn what_an_earlier_run_did_not_verify_is_verified() {
    for (first, then, verified) in [("none", "full", 42), ("sample", "full", 42), ("full", "none", 41)] {
        let scene = Scene::of(Sample::new(Form::V2, GZIP), &["--cname", "zstd"]);
        fs::write(scene.source.join("a1/5"), "damaged").unwrap();
        scene.run(&["--verify", first]).expect(3);
        rewrite(&scene.source.join("a1/5"), &Sample::new(Form::V2, GZIP).stored(1005));
        let outcome = scene.run(&["--resume", "--verify", then]).expect(0);
        assert_eq!(summary(&outcome, "verified"), verified, "{first}, then {then}");
        assert!(tree(&scene.output) == scene.undisturbed());
    }
}

#[test]
fn after_an_interrupt_the_rest_is_done() {
    for in_place in [false, true] {
        let sample = Sample { chunks: 80, elements: 20_000, ..Sample::new(Form::V2, LZ4) };
        let flags = ["--cname", "zlib", "--clevel", "9", "-j1", "--checkpoint", "10ms"];
        let scene = if in_place { Scene::in_place(sample, &flags) } else { Scene::of(sample, &flags) };
        let (values, expected) = (decoded(&scene.source), scene.undisturbed());
        let child = spawn(scene.tool(&[]));
        wait_for("a segment of the journal", || scene.plan().join("journal/1").exists());
        child.signal(Signal::INT);
        let outcome = child.end().expect(130);
        assert!(outcome.stderr.contains("--resume"), "{}", outcome.stderr);
        assert!(!in_place || decoded(&scene.source) == values);
        let outcome = scene.run(&["--resume"]).expect(0);
        assert!(summary(&outcome, "resumed") > 0, "in place: {in_place}");
        assert!(tree(&scene.output) == expected, "in place: {in_place}");
        scene.assert_left(&[]);
    }
}

/// A dry run and the run mean the same by BEFORE.
#[test]
fn a_dry_run_knows_the_stored_bytes() {
    let scene = Scene::of(Sample::new(Form::V2, GZIP), &[]);
    let planned = scene.run(&["-n"]).expect(0);
    let done = scene.run(&[]).expect(0);
    let before = |outcome: &Outcome, name: &str| -> Vec<u64> {
        outcome.of_type(name).iter().map(|record| record["bytes_before"].as_u64().unwrap()).collect()
    };
    assert_eq!(before(&planned, "plan"), before(&done, "recompress"));
    assert!(before(&planned, "plan").iter().sum::<u64>() > 0);
}
