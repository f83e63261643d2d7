//! `--resume` of a run that makes other chunks: finished regions are believed as long as their source is what it was, and the
//! result is that of the source as it is now.

use std::collections::BTreeSet;
use std::fs;

use harness::{Outcome, tree};

use crate::maps::{Maps, place};
use crate::scene::{Scene, chunks_of, inodes, number, rewrite};

/// A map that is read late, and the arrays around it.
const LATE: [u64; 3] = [31, 0, 0];

/// A scene whose array `u` is done but for the regions that need its last map.
fn unfinished(maps: &Maps, flags: &[&str]) -> Scene {
    let scene = Scene::of(maps, flags).tight();
    scene.all_but(&format!("u/{}", maps.key(LATE)));
    scene
}

fn maps(format: u8) -> Maps {
    Maps { absent: 9, ..Maps::large(format) }
}

#[track_caller]
fn finish(scene: &Scene, more: &[&str]) -> Outcome {
    let outcome = scene.run(&[&["--resume"], more].concat()).expect(0);
    // A folder that has become empty is nothing to a reader.
    let objects = |mut tree: crate::scene::Tree| {
        tree.retain(|key, _| !key.ends_with('/'));
        tree
    };
    let (found, expected) = (objects(tree(&scene.output)), objects(scene.undisturbed()));
    let keys = |tree: &crate::scene::Tree| tree.keys().cloned().collect::<BTreeSet<_>>();
    let (more, less): (Vec<_>, Vec<_>) = {
        let (found, expected) = (keys(&found), keys(&expected));
        (found.difference(&expected).cloned().collect(), expected.difference(&found).cloned().collect())
    };
    assert!(more.is_empty() && less.is_empty(), "too many: {more:?}, missing: {less:?}");
    assert!(found == expected, "other content than that of an undisturbed run");
    scene.assert_left(&[]);
    outcome
}

const SHARDED: [&str; 4] = ["--chunks", "8,32,32", "--shards", "[tu]:16,64,64"];

#[test]
fn finished_regions_are_not_done_again() {
    for (format, flags) in [(2, &["--chunks", "8,32,32"][..]), (3, &["--chunks", "8,32,32"]), (3, &SHARDED)] {
        let scene = unfinished(&maps(format), flags);
        let before = inodes(&scene.plan().join("store"));
        let outcome = finish(&scene, &[]);
        let after = inodes(&scene.output);
        let mine = tree(&scene.output);
        let again = chunks_of(&mine, "u").into_iter().filter(|key| before.get(*key) != after.get(*key)).count() as u64;
        assert!(chunks_of(&mine, "t").iter().all(|key| before.get(*key) == after.get(*key)), "t was done");
        let objects = number(&outcome, "objects");
        assert!(again > 0 && again < chunks_of(&mine, "u").len() as u64, "{again} of {objects} again");
        assert_eq!(number(&outcome, "resumed") + again, objects, "{flags:?}");
    }
}

#[test]
fn a_source_that_changed_meanwhile_is_done_again_where_it_changed() {
    for flags in [&["--chunks", "8,32,32"][..], &SHARDED] {
        let maps = maps(3);
        let scene = unfinished(&maps, flags);
        rewrite(&scene.source.join("t").join(maps.key([5, 0, 0])), &maps.chunk(77, [5, 0, 0]));
        let before = inodes(&scene.plan().join("store"));
        let outcome = finish(&scene, &[]);
        assert!(number(&outcome, "resumed") > 0);
        let after = inodes(&scene.output);
        let mine = tree(&scene.output);
        let kept = chunks_of(&mine, "t").into_iter().filter(|key| before.get(*key) == after.get(*key)).count();
        // Maps 0 to 7, or with shards 0 to 15, hold the one that changed.
        assert!(kept > 0 && kept < chunks_of(&mine, "t").len(), "{kept}");
    }
}

/// Absent maps 3, 12, 21, 30 appear; map 5 goes.
#[test]
fn chunks_that_came_and_went_meanwhile_come_and_go_in_the_output() {
    for flags in [&["--chunks", "1,32,32"][..], &["--chunks", "1,32,32", "--shards", "[tu]:1,128,256"]] {
        let maps = maps(3);
        let scene = unfinished(&maps, flags);
        place(&scene.source.join("t"), &maps.key([3, 0, 0]), &maps.chunk(0, [3, 0, 0]));
        fs::remove_file(scene.source.join("t").join(maps.key([5, 0, 0]))).unwrap();
        finish(&scene, &[]);
    }
}

#[test]
fn what_was_written_and_is_not_as_it_was_is_done_again() {
    let scene = unfinished(&maps(3), &["--chunks", "8,32,32"]);
    let at = |key: &str| scene.plan().join("store/t").join(key);
    fs::remove_file(at("c/0/0/0")).unwrap();
    fs::write(at("c/0/0/1"), "torn").unwrap();
    finish(&scene, &[]);
}

#[test]
fn a_run_that_goes_on_counts_what_was_done_before() {
    let scene = unfinished(&maps(3), &["--chunks", "8,32,32"]);
    let outcome = finish(&scene, &[]);
    let whole = scene.to("whole.zarr").run(&[]).expect(0);
    for field in ["objects", "recompressed", "verified", "bytes_after"] {
        assert_eq!(number(&outcome, field), number(&whole, field), "{field}");
    }
}

/// What is stored is counted once, however often it is read.
#[test]
fn bytes_before_are_those_that_are_stored() {
    let scene = Scene::of(&maps(2), &["--chunks", "32,8,256"]).tight();
    let source = tree(&scene.source);
    let stored: u64 = chunks_of(&source, "t").iter().map(|key| source[*key].len() as u64).sum();
    let plan = scene.run(&["-n"]).expect(0).record("plan", "/t");
    assert!(plan["regions"].as_u64().unwrap() > 1, "{plan}");
    let record = scene.run(&[]).expect(0).record("recompress", "/t");
    assert_eq!(record["bytes_before"], stored, "{plan}");
}

#[test]
fn the_regions_are_those_of_the_plan_whatever_is_allowed_later() {
    for flags in [&["--chunks", "8,32,32"][..], &SHARDED] {
        let scene = unfinished(&maps(3), flags);
        let mut other = scene.to("out.zarr");
        other.flags.clear();
        let outcome = other.run(&["--resume", "-j4", "--max-memory", "1G", "--requests", "8"]).expect(0);
        assert!(number(&outcome, "resumed") > 0);
        assert!(tree(&scene.output) == scene.undisturbed());
    }
}

#[test]
fn other_shapes_than_the_plan_has_are_refused() {
    let scene = unfinished(&maps(3), &SHARDED);
    let mut other = scene.to("out.zarr");
    other.flags.clear();
    for flags in
        [&["--chunks", "8,32,64"][..], &["--shards", "[tu]:32,64,64"], &["--zarr-format", "3"], &["--no-shards"]]
    {
        let outcome = other.run(&[&["--resume"], flags].concat()).expect(2);
        assert!(outcome.stderr.contains(flags[0]), "{}", outcome.stderr);
    }
    finish(&scene, &[]);
}
