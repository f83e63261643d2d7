//! The end of a run, interrupted: between the name and the removal of the folder, and in the middle of putting things in place.

use std::fs;
use std::path::Path;

use harness::{MakeArray, Running, Tool, copy_tree, tree};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::sample::{Form, GZIP, LZ4, Sample, decoded};
use crate::scene::{Scene, rewrite, spawn, wait_for};

fn small(form: Form) -> Sample {
    Sample { chunks: 8, ..Sample::new(form, GZIP) }
}

/// Stops a run when something is so; whether it was stopped before its end.
fn killed_when(mut child: Running, is_so: impl Fn() -> bool) -> bool {
    child.reaches(is_so);
    match child.kill() {
        outcome if outcome.code == -9 => true,
        outcome => {
            outcome.expect(0);
            false
        }
    }
}

/// Tries until a run was stopped at that moment, and gives the scene.
fn caught(make: impl Fn() -> Scene, moment: impl Fn(&Scene) -> bool, is_caught: impl Fn(&Scene) -> bool) -> Scene {
    for _ in 0..50 {
        let scene = make();
        if killed_when(spawn(scene.tool(&[])), || moment(&scene)) && is_caught(&scene) {
            return scene;
        }
    }
    panic!("no run was caught at that moment");
}

/// The folder is large, and takes its time to go: runs are caught between the name and the end of the folder.
#[test]
fn a_run_that_has_given_the_name_has_only_to_tidy_up() {
    let make = || {
        let scene = Scene::of(small(Form::V2), &["--cname", "zstd"]);
        scene.all_but("a1/5");
        for number in 0..3000 {
            fs::create_dir_all(scene.plan().join(format!("journal/1/{number}"))).unwrap();
        }
        scene
    };
    for _ in 0..20 {
        let scene = make();
        let expected = scene.undisturbed();
        if !killed_when(spawn(scene.tool(&["--resume"])), || scene.output.exists()) || !scene.plan().exists() {
            continue;
        }
        assert!(tree(&scene.output) == expected, "the name stands for the whole");
        if scene.is_begun() {
            scene.run(&["--resume"]).expect(0);
        } else {
            scene.run(&["--overwrite"]).expect(0);
        }
        assert!(tree(&scene.output) == expected);
        scene.assert_left(&[]);
        return;
    }
    panic!("no run was caught between the name and the end of the folder");
}

#[test]
fn what_was_to_be_replaced_is_replaced_by_the_run_that_goes_on() {
    let scene = Scene::of(small(Form::V2), &["--cname", "zstd"]);
    Sample { arrays: 1, ..Sample::new(Form::V3, LZ4) }.write(&scene.output);
    let (old, content) = (tree(&scene.output), fs::read(scene.source.join("a1/5")).unwrap());
    rewrite(&scene.source.join("a1/5"), b"damaged");
    scene.run(&["--overwrite"]).expect(3);
    assert!(tree(&scene.output) == old, "until then the old one stays");
    rewrite(&scene.source.join("a1/5"), &content);
    scene.run(&["--resume"]).expect(0);
    assert!(tree(&scene.output) == scene.undisturbed());
    scene.assert_left(&[]);
}

/// A run that ended before its plan was there has not begun, and leaves nothing in the next one.
#[test]
fn what_was_never_begun_leaves_nothing_in_the_output() {
    let scene = Scene::of(small(Form::V2), &["--cname", "zstd"]);
    fs::create_dir_all(scene.plan().join("journal/1")).unwrap();
    fs::write(scene.plan().join("lock"), "ztools host 1\n").unwrap();
    copy_tree(&scene.source, &scene.plan().join("store"));
    fs::rename(scene.plan().join("store/a0"), scene.plan().join("store/ghost")).unwrap();
    scene.run(&["--resume"]).expect(0);
    assert!(tree(&scene.output) == scene.undisturbed());
    scene.assert_left(&[]);
}

/// A folder of that name may be somebody's own.
#[test]
fn a_folder_that_is_no_plan_is_left_alone() {
    let scene = Scene::of(small(Form::V2), &[]);
    fs::create_dir(scene.plan()).unwrap();
    fs::write(scene.plan().join("precious"), "x").unwrap();
    for flags in [&[][..], &["--overwrite"]] {
        scene.run(flags).expect(7);
        assert_eq!(fs::read(scene.plan().join("precious")).unwrap(), b"x");
    }
    assert!(!scene.output.exists());
}

/// A store of many arrays whose end takes its time.
fn many(codec: zcodec::Compressor) -> Sample {
    Sample { arrays: 150, chunks: 2, elements: 500, ..Sample::new(Form::V2, codec) }
}

#[test]
fn a_kill_between_swaps_leaves_each_array_old_or_new() {
    let make = || Scene::in_place(many(GZIP), &["--cname", "zstd"]).with_backup();
    let blosc = |scene: &Scene, array: &str| {
        fs::read_to_string(scene.source.join(array).join(".zarray")).is_ok_and(|text| text.contains("blosc"))
    };
    let scene = caught(make, |scene| blosc(scene, "a0"), |scene| !blosc(scene, "a99"));
    let first = make();
    let (values, before, after) = (decoded(&first.source), tree(&first.source), first.undisturbed());
    assert!(decoded(&scene.source) == values, "between the swaps");
    scene.run(&["--resume"]).expect(0);
    assert!(tree(&scene.source) == after);
    scene.assert_kept(&before, &after);
    scene.assert_left(&["old"]);
}

/// Writes the copies of all documents that readers look at first.
fn consolidate(store: &Path, form: Form) {
    let documents = |name: &str| {
        let found = tree(store).into_iter().filter(|(key, _)| key.ends_with(name));
        found.map(|(key, text)| (key, serde_json::from_slice::<Value>(&text).unwrap())).collect::<Vec<_>>()
    };
    if form == Form::V2 {
        let all = [".zgroup", ".zarray", ".zattrs"].into_iter().flat_map(documents);
        let copies = json!({"zarr_consolidated_format": 1, "metadata": all.collect::<serde_json::Map<_, _>>()});
        return fs::write(store.join(".zmetadata"), copies.to_string()).unwrap();
    }
    let arrays = documents("zarr.json")
        .into_iter()
        .filter_map(|(key, text)| Some((key.strip_suffix("/zarr.json")?.to_owned(), text)));
    let copies =
        json!({"kind": "inline", "must_understand": false, "metadata": arrays.collect::<serde_json::Map<_, _>>()});
    let root = json!({"zarr_format": 3, "node_type": "group", "attributes": {"made": "for a test"}, "consolidated_metadata": copies});
    fs::write(store.join("zarr.json"), root.to_string()).unwrap();
}

/// The copies, as a reader finds them.
fn copies(store: &Path, form: Form) -> Option<String> {
    if form == Form::V2 {
        return fs::read_to_string(store.join(".zmetadata")).ok();
    }
    let root: Value = serde_json::from_slice(&fs::read(store.join("zarr.json")).unwrap()).unwrap();
    Some(&root["consolidated_metadata"]).filter(|copies| !copies.is_null()).map(Value::to_string)
}

/// With the old consolidated metadata, readers would look for old chunks in new arrays, and read fill values.
#[test]
fn a_kill_between_swaps_leaves_no_copies_of_old_metadata() {
    for form in [Form::V2, Form::V3] {
        let make = || {
            let scene = Scene::in_place(Sample { form, ..many(GZIP) }, &["--cname", "zstd"]).with_backup();
            consolidate(&scene.source, form);
            scene
        };
        let document = if form == Form::V2 { ".zarray" } else { "zarr.json" };
        let blosc = |scene: &Scene, array: &str| {
            fs::read_to_string(scene.source.join(array).join(document)).is_ok_and(|text| text.contains("blosc"))
        };
        let scene = caught(make, |scene| blosc(scene, "a0"), |scene| !blosc(scene, "a99"));
        assert_eq!(copies(&scene.source, form), None, "{form:?}");
        let first = make();
        let (before, after) = (tree(&first.source), first.undisturbed());
        scene.run(&["--resume"]).expect(0);
        assert!(copies(&scene.source, form).is_some_and(|copies| copies.contains("zstd") && !copies.contains("gzip")));
        assert!(tree(&scene.source) == after);
        scene.assert_kept(&before, &after);
        scene.assert_left(&["old"]);
    }
}

/// What another program writes while an end waits to be resumed is not overwritten.
#[test]
fn a_document_that_changes_after_a_kill_is_not_lost() {
    let make = || Scene::in_place(many(GZIP), &["--cname", "zstd"]);
    let blosc = |scene: &Scene, array: &str| {
        fs::read_to_string(scene.source.join(array).join(".zarray")).is_ok_and(|text| text.contains("blosc"))
    };
    let scene = caught(make, |scene| blosc(scene, "a0"), |scene| !blosc(scene, "a99"));
    let theirs = "{\"units\": \"degC\"}";
    fs::write(scene.source.join("a99/.zattrs"), theirs).unwrap();
    let values = decoded(&scene.source);
    let outcome = scene.run(&["--resume"]).expect(7);
    assert!(outcome.stderr.contains("a99/.zattrs") && outcome.stderr.contains(".plan"), "{}", outcome.stderr);
    fs::remove_dir_all(scene.plan()).unwrap();
    scene.run(&[]).expect(0);
    assert_eq!(fs::read_to_string(scene.source.join("a99/.zattrs")).unwrap(), theirs);
    assert!(decoded(&scene.source) == values);
    scene.assert_left(&[]);
}

#[test]
fn a_kill_between_documents_can_be_resumed() {
    let make = || Scene::in_place(many(LZ4), &["--cname", "zstd"]);
    let zstd = |scene: &Scene, array: &str| {
        fs::read_to_string(scene.source.join(array).join(".zarray")).is_ok_and(|text| text.contains("zstd"))
    };
    let scene = caught(make, |scene| zstd(scene, "a0"), |scene| !zstd(scene, "a99"));
    let first = make();
    assert!(decoded(&scene.source) == decoded(&first.source), "between the documents");
    // Where a kill came while one was written.
    fs::write(scene.source.join("a99/..zarray.tmp-host-1-0"), "torn").unwrap();
    scene.run(&["--resume"]).expect(0);
    assert!(tree(&scene.source) == first.undisturbed());
    scene.assert_left(&[]);
}

#[test]
fn an_end_by_parts_can_be_repeated() {
    let scene = Scene::in_place(many(GZIP), &["--cname", "zstd"]).with_backup();
    let (before, after) = (tree(&scene.source), scene.undisturbed());
    scene.run(&["--prepare", "--parts", "2"]).expect(0);
    for part in ["1/2", "2/2"] {
        scene.of_output(&["--part", part]).expect(0);
    }
    let first = scene.source.join("a0/.zarray");
    let finish = spawn(Tool::new("zrecompress").arg("--finish").arg(&scene.source));
    killed_when(finish, || fs::read_to_string(&first).is_ok_and(|text| text.contains("blosc")));
    if scene.is_begun() {
        scene.of_output(&["--finish"]).expect(0);
    }
    assert!(tree(&scene.source) == after);
    scene.assert_kept(&before, &after);
    scene.assert_left(&["old"]);
}

/// The backup is made before the plan; a run that ended between the two has not begun.
#[test]
fn an_empty_backup_of_a_run_that_never_began_is_taken() {
    let scene = Scene::in_place(small(Form::V2), &["--cname", "zstd"]).with_backup();
    let (before, after) = (tree(&scene.source), scene.undisturbed());
    fs::create_dir(scene.path("old")).unwrap();
    scene.run(&[]).expect(0);
    scene.assert_kept(&before, &after);
    let other = Scene::in_place(small(Form::V2), &["--cname", "zstd"]).with_backup();
    MakeArray { chunk: 10, ..MakeArray::default() }.write(&other.path("old"));
    let (kept, before) = (tree(&other.path("old")), tree(&other.source));
    other.run(&[]).expect(7);
    assert!(tree(&other.path("old")) == kept && tree(&other.source) == before);
    assert!(!other.plan().exists());
}

/// An end that was killed while it tidied up, with only part of the old array left and its documents gone: taken up again, it
/// must not put that part in the new array's place.
#[test]
fn what_is_left_of_the_old_array_takes_no_place() {
    let directory = harness::directory();
    let source = directory.path().join("weather-v2.zarr");
    harness::copy_tree(&harness::fixture("weather-v2.zarr"), &source);
    let plan = directory.path().join("weather-v2.zarr.plan");
    let tool = |arguments: &[&str]| harness::Tool::new("zrecompress").arg(&source).args(arguments);
    tool(&["--in-place", "--prepare", "--parts", "1", "--codec", "gzip"]).run().expect(0);
    let text = std::fs::read(plan.join("plan.json")).unwrap();
    tool(&["--part", "1/1"]).run().expect(0);
    tool(&["--finish"]).run().expect(0);
    let whole = harness::tree(&source);
    std::fs::create_dir_all(plan.join("store/u10")).unwrap();
    std::fs::write(plan.join("store/u10/0.0.0"), "of the old array").unwrap();
    for (name, content) in [("lock", &b""[..]), ("finishing", b""), ("plan.json", &text)] {
        std::fs::write(plan.join(name), content).unwrap();
    }
    tool(&["--finish"]).run().expect(0);
    assert!(harness::tree(&source) == whole && !plan.exists());
}

/// Whether a finished object lies in a directory that is being written.
fn has_objects(directory: &std::path::Path) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut visible = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    visible.any(|entry| entry.path().is_file() || has_objects(&entry.path()))
}

/// The chunks in progress may take long; that the signal was heard is said at once.
#[test]
fn an_interrupt_is_acknowledged() {
    // A chunk takes longer than the signal to be noticed.
    let sample = Sample { chunks: 8, elements: 4_000_000, ..Sample::new(Form::V2, LZ4) };
    let first = Scene::of(sample, &["--cname", "zlib", "--clevel", "9", "-j1"]);
    for (signal, is_said) in [(Signal::INT, true), (Signal::TERM, false)] {
        let scene = first.again();
        let child = spawn(scene.tool(&[]));
        wait_for("the first chunk", || has_objects(&scene.plan().join("store")));
        // The next chunk is in progress, and takes much longer than this.
        std::thread::sleep(std::time::Duration::from_millis(50));
        child.signal(signal);
        let outcome = child.end();
        assert!([130, 143].contains(&outcome.code), "{}", outcome.stderr);
        assert_eq!(outcome.stderr.contains("press again to stop now"), is_said, "{}", outcome.stderr);
    }
}
