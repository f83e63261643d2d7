//! `--prepare`, `--part`, `--finish` with other chunks: the plan fixes the regions, whatever each part is allowed.

use harness::{Tool, tree};

use crate::maps::{GZIP, Maps};
use crate::scene::{Scene, spawn};

/// What the parts are told, each something else.
const TOLD: [&[&str]; 4] = [
    &["-j3", "--requests", "2"],
    &["-j1", "--max-memory", "2G", "--verify", "none"],
    &["--requests", "9", "--nthreads", "2"],
    &["-j2", "--max-memory", "100M"],
];

fn part(scene: &Scene, number: usize) -> Tool {
    Tool::new("zrecompress").args(["--part", &format!("{number}/4")]).args(TOLD[number - 1]).arg(&scene.output)
}

#[test]
fn parts_that_are_allowed_different_things_make_what_one_run_makes() {
    for (maps, flags) in [
        (Maps { codec: GZIP, ..Maps::large(2) }, &["--chunks", "8,32,32"][..]),
        (Maps::large(3), &["--chunks", "8,32,32", "--shards", "[tu]:16,64,64"]),
        (Maps::large(3), &["--chunks", "time=32,lat=20"]),
    ] {
        let scene = Scene::of(&maps, flags).tight();
        scene.run(&["--prepare", "--parts", "4"]).expect(0);
        for number in [3, 1, 4, 2] {
            part(&scene, number).run().expect(0);
            assert!(!scene.output.exists());
        }
        let outcome = scene.of_output(&["--finish"]).expect(0);
        assert!(tree(&scene.output) == scene.undisturbed(), "{flags:?}");
        let whole = scene.to("whole.zarr").run(&[]).expect(0);
        let objects = |outcome| crate::scene::number(outcome, "objects");
        assert_eq!(objects(&outcome), objects(&whole), "{flags:?}");
    }
}

#[test]
fn a_part_may_run_twice_at_once_and_be_killed() {
    let scene = Scene::of(&Maps::large(3), &["--chunks", "8,32,32", "--shards", "[tu]:16,64,64"]).tight();
    scene.run(&["--prepare", "--parts", "4"]).expect(0);
    let killed = spawn(part(&scene, 2));
    let all: Vec<_> = [1, 2, 3, 4, 2].map(|number| spawn(part(&scene, number))).into();
    killed.kill();
    all.into_iter().for_each(|child| drop(child.end().expect(0)));
    scene.of_output(&["--finish"]).expect(0);
    assert!(tree(&scene.output) == scene.undisturbed());
}

#[test]
fn in_place_parts_change_arrays_at_the_end() {
    let scene = Scene::of(&Maps::large(2), &["--chunks", "8,32,32"]).tight().in_place();
    let (before, after) = (tree(&scene.source), scene.undisturbed());
    scene.run(&["--prepare", "--parts", "4"]).expect(0);
    (1..=4).for_each(|number| drop(part(&scene, number).run().expect(0)));
    assert!(tree(&scene.source) == before, "nothing has changed yet");
    scene.of_output(&["--finish"]).expect(0);
    assert!(tree(&scene.source) == after);
    let kept = tree(&scene.path("old"));
    assert!(
        before.iter().filter(|(key, content)| after.get(*key) != Some(content)).all(|(key, _)| kept.contains_key(key))
    );
    scene.assert_left(&["old"]);
}
