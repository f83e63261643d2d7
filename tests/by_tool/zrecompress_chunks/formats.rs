//! `--zarr-format` with other codecs and other chunks, in place, and interrupted.

use std::path::PathBuf;

use harness::tree;

use crate::maps::{LZ4, Maps};
use crate::scene::{Scene, Tree, chunks_of, spawn};

#[test]
fn a_new_format_alone_touches_no_chunk() {
    for (from, to) in [(2, "3"), (3, "2")] {
        let maps = Maps::new(from);
        let scene = Scene::of(&maps, &["--zarr-format", to]);
        scene.run(&[]).expect(0);
        let (before, after) = (tree(&scene.source), tree(&scene.output));
        assert_eq!(chunks_of(&before, "t").len(), chunks_of(&after, "t").len());
        let content = |tree: &Tree, array: &str| {
            let mut all: Vec<Vec<u8>> = chunks_of(tree, array).into_iter().map(|key| tree[key].clone()).collect();
            all.sort();
            all
        };
        assert!(["t", "u", "time"].iter().all(|array| content(&before, array) == content(&after, array)));
        let has = |name: &str| after.keys().any(|key| key.ends_with(name));
        assert_eq!((has("zarr.json"), has(".zarray")), (to == "3", to == "2"));
        // And back.
        let back = Scene { source: scene.output.clone(), ..scene.to("back.zarr") };
        let back = Scene { flags: vec!["--zarr-format".into(), from.to_string()], ..back };
        back.run(&[]).expect(0);
        assert!(["t", "u", "time"].iter().all(|array| content(&before, array) == content(&tree(&back.output), array)));
    }
}

#[test]
fn a_new_format_goes_with_another_codec_and_other_chunks() {
    for (from, to, chunks) in [(2, "3", "t/1.2.3"), (3, "2", "t/1/2/3")] {
        for flags in [&["--codec", "zstd"][..], &["--chunks", "12,6,5", "--cname", "lz4"]] {
            let scene = Scene::of(&Maps::new(from), &["--zarr-format", to]);
            scene.run(flags).expect(0);
            let found = tree(&scene.output);
            assert_eq!(found.contains_key(chunks), flags[0] == "--chunks", "{flags:?}");
            // In two steps, it comes to the same chunks.
            let first = scene.to("first.zarr");
            let first = Scene { flags: Vec::new(), ..first };
            first.run(flags).expect(0);
            let second = Scene { source: first.output.clone(), ..scene.to("second.zarr") };
            second.run(&[]).expect(0);
            let is_chunk = |key: &String| !key.ends_with(".zarray") && !key.ends_with("zarr.json");
            let chunks = |tree: Tree| tree.into_iter().filter(|(key, _)| is_chunk(key)).collect::<Vec<_>>();
            assert!(chunks(tree(&second.output)) == chunks(found), "{from} {flags:?}");
        }
    }
    let scene = Scene::of(&Maps::new(2), &["--zarr-format", "3", "--chunks", "6,6,5", "--shards", "t:24,18,20"]);
    scene.run(&[]).expect(0);
    assert_eq!(chunks_of(&tree(&scene.output), "t"), ["t/0.0.0"]);
}

#[test]
fn the_format_that_is_there_changes_nothing() {
    for (format, name) in [(2, "2"), (3, "3")] {
        let scene = Scene::of(&Maps::new(format), &["--zarr-format", name]);
        scene.run(&[]).expect(0);
        assert!(tree(&scene.output) == tree(&scene.source), "of {name}");
        let place = Scene::of(&Maps::new(format), &["--zarr-format", name]).in_place();
        let before = tree(&place.source);
        place.run(&[]).expect(0);
        assert!(tree(&place.source) == before, "in place, of {name}");
        let other = Scene::of(&Maps::new(format), &["--chunks", "12,6,5"]);
        other.run(&[]).expect(0);
        let found = tree(&other.output);
        other.run(&["--zarr-format", name, "--overwrite"]).expect(0);
        assert!(tree(&other.output) == found);
    }
    Scene::of(&Maps::new(2), &[]).run(&["--zarr-format", "4"]).expect(2);
}

#[test]
fn in_place_the_old_documents_are_kept() {
    let scene = Scene::of(&Maps::new(2), &["--zarr-format", "3"]).in_place();
    let before = tree(&scene.source);
    scene.run(&[]).expect(0);
    let (after, kept) = (tree(&scene.source), tree(&scene.path("old")));
    for name in [".zgroup", ".zattrs", "t/.zarray", "t/.zattrs", "time/.zarray"] {
        assert!(!after.contains_key(name) && kept[name] == before[name], "{name}");
    }
    assert!(after.contains_key("zarr.json") && after.contains_key("t/zarr.json"));
    assert!(chunks_of(&before, "t").iter().all(|key| after[*key] == before[*key]), "no chunk is touched");
    scene.assert_left(&["old"]);
}

/// A store of many arrays, whose documents take their time.
fn many() -> Scene {
    let scene = Scene::of(&Maps { names: Vec::new(), ..Maps::new(2) }, &["--zarr-format", "3", "-j1"]);
    let maps = Maps { shape: [1, 4, 4], chunks: [1, 4, 4], codec: LZ4, absent: 0, ..Maps::new(2) };
    (0..MANY).for_each(|number| maps.write_array(&array(&scene, number), number));
    scene.in_place()
}

const MANY: u64 = 400;

fn array(scene: &Scene, number: u64) -> PathBuf {
    scene.source.join(format!("a{number:03}"))
}

/// Stops a run when something is so, and tries until one was stopped in the middle.
fn caught(moment: impl Fn(&Scene) -> bool, in_the_middle: impl Fn(&Scene) -> bool) -> Scene {
    for _ in 0..50 {
        let scene = many();
        let mut child = spawn(scene.tool(&[]));
        child.reaches(|| moment(&scene));
        if child.kill().code == -9 && in_the_middle(&scene) {
            return scene;
        }
    }
    panic!("no run was caught at that moment");
}

#[track_caller]
fn goes_on(scene: &Scene) {
    let first = many();
    let before = tree(&first.source);
    first.run(&[]).expect(0);
    scene.run(&["--resume"]).expect(0);
    assert!(tree(&scene.source) == tree(&first.source), "another store than that of an undisturbed run");
    assert!(tree(&scene.path("old")) == tree(&first.path("old")), "another backup");
    assert!(tree(&first.path("old")).iter().all(|(key, content)| before.get(key) == Some(content)));
    scene.assert_left(&["old"]);
}

#[test]
fn a_kill_while_the_new_documents_come_can_be_resumed() {
    let has_come = |scene: &Scene| array(scene, 0).join("zarr.json").exists();
    goes_on(&caught(has_come, |scene| has_come(scene) && !scene.source.join("zarr.json").exists()));
}

#[test]
fn a_kill_while_the_old_documents_go_can_be_resumed() {
    // Those of the root go first.
    let has_gone = |scene: &Scene| !scene.source.join(".zgroup").exists();
    let is_there = |scene: &Scene, name: &str| (0..MANY).any(|number| array(scene, number).join(name).exists());
    let scene = caught(has_gone, |scene| has_gone(scene) && is_there(scene, ".zattrs") && scene.is_begun());
    // The new ones are all there.
    assert!(scene.source.join("zarr.json").exists());
    assert!((0..MANY).all(|number| array(&scene, number).join("zarr.json").exists()));
    goes_on(&scene);
}

#[test]
fn what_cannot_be_said_in_the_other_format_is_refused_and_left() {
    // Zarr v2 has no shards.
    let scene = Scene::of(&Maps::new(3), &["--shards", "[tu]:6,18,20"]);
    scene.run(&[]).expect(0);
    for flags in [&["--zarr-format", "2"][..], &["--zarr-format", "2", "--codec", "zstd"]] {
        let sharded = Scene { flags: Vec::new(), source: scene.output.clone(), ..scene.to("v2.zarr") };
        let before = tree(&sharded.source);
        let outcome = sharded.run(flags);
        assert!([2, 5].contains(&outcome.code) && outcome.stderr.contains("shard"), "{outcome:?}");
        let place = Scene { output: sharded.source.clone(), ..sharded };
        let outcome = place.run(flags);
        assert!([2, 5].contains(&outcome.code), "{outcome:?}");
        assert!(tree(&place.source) == before);
        place.assert_left(&["source.zarr"]);
    }
    // Dissolved, they can be.
    let plain = Scene { flags: Vec::new(), source: scene.output.clone(), ..scene.to("v2.zarr") };
    plain.run(&["--zarr-format", "2", "--no-shards"]).expect(0);
}

/// What would be refused is refused by a dry run, too.
#[test]
fn a_dry_run_refuses_what_the_run_refuses() {
    for flags in [&["--chunks", "12,6,5", "--zarr-format", "3"][..], &["--codec", "gzip", "--zarr-format", "3"]] {
        let scene = Scene::of(&Maps::new(2), flags).in_place();
        scene.run(&[]).expect(2);
        scene.assert_untouched();
        assert_eq!(scene.run(&["-n"]).code, 2, "{flags:?}");
    }
    let scene = Scene::of(&Maps::new(3), &["--shards", "[tu]:6,18,20"]);
    scene.run(&[]).expect(0);
    let sharded =
        Scene { flags: vec!["--zarr-format".into(), "2".into()], source: scene.output.clone(), ..scene.to("v2") };
    assert_eq!(sharded.run(&["-n"]).code, sharded.run(&[]).code);
}
