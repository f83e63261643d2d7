//! SIGKILL at random moments: nothing is lost, nothing half-done is believed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::{remove_plan, tree};
use zcodec::Compressor;

use crate::sample::{Form, GZIP, LZ4, Sample, decoded};
use crate::scene::{Scene, spawn};

/// Kills of a test of what is done most often, and of one of the others.
const MANY: usize = 50;
const SOME: usize = 25;

/// A checkpoint every few objects, and one object after the other: many different moments.
const FLAGS: [&str; 7] = ["--cname", "zstd", "--clevel", "5", "--checkpoint", "5ms", "-j2"];

type Tree = BTreeMap<String, Vec<u8>>;

/// Moments drawn from a generator with a seed, which a failure names.
struct Moments {
    seed: u64,
    state: u64,
    longest: Duration,
    left: usize,
}

impl Moments {
    /// Anywhere in a run as long as this one, which is not disturbed.
    fn of(seed: u64, left: usize, scene: &Scene) -> Moments {
        let undisturbed = scene.again();
        let start = Instant::now();
        undisturbed.run(&[]).expect(0);
        Moments { seed, state: seed, longest: start.elapsed(), left }
    }

    fn next(&mut self) -> Duration {
        self.state = self.state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.longest.mul_f64((self.state >> 40) as f64 / (1u64 << 24) as f64)
    }

    /// Runs a scene to its end, killed at moment after moment; `check` looks at what is there after each.
    fn disturb(&mut self, scene: &Scene, expected: &Tree, mut check: impl FnMut(&str)) {
        let is_done = || scene.output.exists() && tree(&scene.output) == *expected;
        for goes_on in 0.. {
            assert!(goes_on < 1000, "seed {:#x}: it gets nowhere", self.seed);
            if !scene.is_begun() && is_done() {
                // Killed at the very last: all that is left is to remove what is left of the folder.
                return remove_plan(&scene.output);
            }
            let arguments: &[&str] = if scene.is_begun() { &["--resume"] } else { &[] };
            let child = spawn(scene.tool(arguments));
            let outcome = if self.left > 0 {
                std::thread::sleep(self.next());
                child.kill()
            } else {
                child.end()
            };
            let moment = format!("seed {:#x}, {} kills left: {}", self.seed, self.left, outcome.stderr);
            match outcome.code {
                0 => return,
                -9 => self.left -= 1,
                code => panic!("exit code {code}, {moment}"),
            }
            check(&moment);
        }
    }
}

/// Kills runs of new outputs; what comes out is what an undisturbed run makes.
fn kill_new(seed: u64, kills: usize, sample: Sample) {
    let first = Scene::of(sample, &FLAGS);
    let (before, expected) = (tree(&first.source), first.undisturbed());
    let mut moments = Moments::of(seed, kills, &first);
    while moments.left > 0 {
        let scene = first.again();
        moments.disturb(&scene, &expected, |moment| {
            // The last moment of all is the one between the name and the end of the folder.
            assert!(!scene.output.exists() || tree(&scene.output) == expected, "{moment}");
        });
        assert!(tree(&scene.output) == expected, "seed {seed:#x}, {} kills left: another result", moments.left);
        assert!(tree(&scene.source) == before);
        scene.assert_left(&[]);
    }
}

fn sample(form: Form, codec: Compressor) -> Sample {
    Sample { arrays: 3, chunks: 40, elements: 10_000, ..Sample::new(form, codec) }
}

#[test]
fn a_new_output_comes_out_as_if_nothing_had_happened() {
    kill_new(0x5eed_0001, MANY, sample(Form::V2, GZIP));
}

#[test]
fn so_does_one_of_shards() {
    kill_new(0x5eed_0002, SOME, sample(Form::ShardsIndexFirst, LZ4));
}

/// Blosc to Blosc: the store is right at every instant, each object the old or the new one, and no old one is lost.
fn kill_over(seed: u64, kills: usize, sample: Sample) {
    let first = Scene::in_place(sample, &FLAGS).with_backup();
    let (values, before, after) = (decoded(&first.source), tree(&first.source), first.undisturbed());
    let mut moments = Moments::of(seed, kills, &first);
    let mut last = first.again();
    while moments.left > 0 {
        let scene = first.again();
        moments.disturb(&scene, &after, |moment| {
            assert!(decoded(&scene.source) == values, "{moment}");
            let (now, old) = (objects(&scene.source), scene.kept());
            for (key, bytes) in &before {
                assert!(now[key] == *bytes || now[key] == after[key], "{key}, {moment}");
                let kept = now[key] == *bytes || old.get(key) == Some(bytes);
                assert!(kept, "{key} is not in the backup, {moment}");
            }
        });
        last = scene;
    }
    assert!(tree(&last.source) == after);
    last.assert_kept(&before, &after);
    last.assert_left(&["old"]);
}

#[test]
fn blosc_to_blosc_in_place_is_right_at_every_instant() {
    kill_over(0x5eed_0003, MANY, sample(Form::V2, LZ4));
}

#[test]
fn so_are_shards_in_place() {
    kill_over(0x5eed_0004, SOME, sample(Form::Shards, LZ4));
}

/// Another codec: after each kill, an array is wholly the old or the new one, with the metadata that fits.
#[test]
fn another_codec_in_place_comes_array_by_array() {
    let (seed, kills) = (0x5eed_0005, MANY);
    let first = Scene::in_place(Sample { arrays: 6, chunks: 30, ..sample(Form::V2, GZIP) }, &FLAGS).with_backup();
    let (values, before, after) = (decoded(&first.source), tree(&first.source), first.undisturbed());
    let mut moments = Moments::of(seed, kills, &first);
    let mut last = first.again();
    while moments.left > 0 {
        let scene = first.again();
        moments.disturb(&scene, &after, |moment| {
            assert!(decoded(&scene.source) == values, "{moment}");
            let now = objects(&scene.source);
            for array in (0..6).map(|number| format!("a{number}/")) {
                let is = |tree: &Tree| of(&array, &now) == of(&array, tree);
                assert!(is(&before) || is(&after), "{array} is neither, {moment}");
            }
        });
        last = scene;
    }
    assert!(tree(&last.source) == after);
    last.assert_kept(&before, &after);
    last.assert_left(&["old"]);
}

/// What is in a store without the temporary files, which no reader looks at.
fn objects(store: &Path) -> Tree {
    tree(store).into_iter().filter(|(key, _)| !key.contains(".tmp-")).collect()
}

fn of<'a>(array: &str, tree: &'a Tree) -> Vec<(&'a String, &'a Vec<u8>)> {
    tree.iter().filter(|(key, _)| key.starts_with(array)).collect()
}
