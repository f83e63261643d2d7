//! Two runs never work on one output, unless they are parts of one plan.

use harness::{Running, Tool, tree};
use rustix::process::Signal;

use crate::sample::{Form, LZ4, Sample, decoded};
use crate::scene::{Scene, spawn, wait_for};

fn sample() -> Sample {
    Sample { chunks: 80, elements: 20_000, ..Sample::new(Form::V2, LZ4) }
}

const FLAGS: [&str; 6] = ["--cname", "zlib", "--clevel", "9", "-j1", "--verify=none"];

/// A run that stands still in the middle.
fn halted(scene: &Scene, tool: Tool) -> Running {
    let child = spawn(tool);
    wait_for("the plan", || scene.is_begun());
    child.signal(Signal::STOP);
    assert!(scene.is_begun());
    child
}

#[test]
fn a_second_run_is_refused_while_the_first_goes_on() {
    for in_place in [false, true] {
        let scene = if in_place { Scene::in_place(sample(), &FLAGS) } else { Scene::of(sample(), &FLAGS) };
        let (values, expected) = (decoded(&scene.source), scene.undisturbed());
        let child = halted(&scene, scene.tool(&[]));
        let more: &[&[&str]] = if in_place { &[&[], &["--resume"]] } else { &[&[], &["--resume"], &["--overwrite"]] };
        for flags in more {
            let outcome = scene.run(flags).expect(7);
            assert!(outcome.stderr.contains("another run is writing to it"), "{flags:?}: {}", outcome.stderr);
        }
        for flags in [&["--finish"][..], &["--part", "1/1"]] {
            let outcome = scene.of_output(flags).expect(7);
            assert!(outcome.stderr.contains("another run"), "{flags:?}: {}", outcome.stderr);
        }
        // To look does no harm.
        scene.of_output(&["--status"]).expect(1);
        assert!(in_place || !scene.output.exists());
        child.signal(Signal::CONT);
        child.end().expect(0);
        assert!(tree(&scene.output) == expected && decoded(&scene.output) == values);
        scene.assert_left(&[]);
    }
}

#[test]
fn a_part_keeps_the_end_away_and_lets_other_parts_in() {
    let scene = Scene::of(sample(), &FLAGS);
    scene.run(&["--prepare", "--parts", "2"]).expect(0);
    let part = || Tool::new("zrecompress").args(["--part", "1/2", "-j1"]).arg(&scene.output);
    let child = spawn(part());
    wait_for("a chunk", || std::fs::read_dir(scene.plan().join("store/a0")).is_ok_and(|found| found.count() > 3));
    child.signal(Signal::STOP);
    for flags in [&["--finish"][..], &["--finish", "-q"]] {
        let outcome = scene.of_output(flags).expect(7);
        assert!(outcome.stderr.contains("another run"), "{}", outcome.stderr);
    }
    scene.run(&["--resume"]).expect(7);
    scene.of_output(&["--part", "2/2"]).expect(0);
    part().run().expect(0);
    child.signal(Signal::CONT);
    child.end().expect(0);
    scene.of_output(&["--finish"]).expect(0);
    assert!(tree(&scene.output) == scene.undisturbed());
}
