//! SIGKILL at random moments of a run that makes other chunks: nothing is lost, nothing half-done is believed.

use std::time::{Duration, Instant};

use harness::{remove_plan, tree};

use crate::maps::{GZIP, Maps};
use crate::scene::{Scene, Tree, spawn};

/// Kills of each test.
const KILLS: usize = 15;

/// Many small steps, each entered in the journal.
const CHUNKS: [&str; 4] = ["--chunks", "8,32,32", "--checkpoint", "1ms"];

/// Moments drawn from a generator with a seed, which a failure names, anywhere in a run as long as one that is not disturbed.
struct Moments {
    seed: u64,
    state: u64,
    longest: Duration,
    left: usize,
}

impl Moments {
    fn of(seed: u64, scene: &Scene) -> Moments {
        let start = Instant::now();
        scene.again().run(&[]).expect(0);
        Moments { seed, state: seed, longest: start.elapsed(), left: KILLS }
    }

    fn next(&mut self) -> Duration {
        self.state = self.state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.longest.mul_f64((self.state >> 40) as f64 / (1u64 << 24) as f64)
    }

    /// Runs a scene to its end, killed at moment after moment; `check` looks at what is there after each.
    fn disturb(&mut self, scene: &Scene, expected: &Tree, check: impl Fn(&str)) {
        for goes_on in 0.. {
            assert!(goes_on < 200, "seed {:#x}: it gets nowhere", self.seed);
            if !scene.is_begun() && scene.output.exists() && tree(&scene.output) == *expected {
                // Killed at the very last: all that is left is to remove what is left of the folder.
                return remove_plan(&scene.output);
            }
            let child = spawn(scene.tool(if scene.is_begun() { &["--resume"] } else { &[] }));
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

#[test]
fn a_new_output_comes_out_as_if_nothing_had_happened() {
    for (seed, maps, flags) in [
        (0x5eed_0011, Maps { codec: GZIP, ..Maps::large(2) }, &CHUNKS[..]),
        (0x5eed_0012, Maps::large(3), &["--chunks", "8,32,32", "--shards", "[tu]:16,64,64", "--checkpoint", "1ms"]),
        // In two passes.
        (0x5eed_0014, Maps::large(2), &["--chunks", "32,128,8", "--checkpoint", "1ms"]),
    ] {
        let first = Scene::of(&maps, flags).tight();
        let (before, expected) = (tree(&first.source), first.undisturbed());
        let mut moments = Moments::of(seed, &first);
        while moments.left > 0 {
            let scene = first.again();
            moments.disturb(&scene, &expected, |moment| {
                assert!(!scene.output.exists() || tree(&scene.output) == expected, "{moment}");
            });
            assert!(tree(&scene.output) == expected, "seed {seed:#x}: another result");
            assert!(tree(&scene.source) == before);
            scene.assert_left(&[]);
        }
    }
}

/// In place, an array is wholly the old or the new one after each kill.
#[test]
fn in_place_arrays_change_one_by_one() {
    let seed = 0x5eed_0013;
    let first = Scene::of(&Maps::large(2), &CHUNKS).tight().in_place();
    let (before, after) = (tree(&first.source), first.undisturbed());
    let mut moments = Moments::of(seed, &first);
    while moments.left > 0 {
        let scene = first.again();
        moments.disturb(&scene, &after, |moment| {
            let now: Tree = tree(&scene.source).into_iter().filter(|(key, _)| !key.contains(".tmp-")).collect();
            for array in ["t/", "u/", "time/"] {
                let is = |other: &Tree| of(array, &now) == of(array, other);
                assert!(is(&before) || is(&after), "{array} is neither, {moment}");
            }
        });
        assert!(tree(&scene.source) == after, "seed {seed:#x}: another result");
        let kept = tree(&scene.path("old"));
        assert!(kept.iter().all(|(key, content)| before.get(key) == Some(content)));
        let gone = before.iter().filter(|(key, content)| after.get(*key) != Some(content));
        assert!({ gone }.all(|(key, content)| kept.get(key) == Some(content)), "seed {seed:#x}: not all is kept");
        scene.assert_left(&["old"]);
    }
}

fn of<'a>(array: &str, tree: &'a Tree) -> Vec<(&'a String, &'a Vec<u8>)> {
    tree.iter().filter(|(key, _)| key.starts_with(array)).collect()
}
