//! SIGKILL at random moments of `zfetch`: no half store is ever believed, and what was fetched is not fetched again.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{Fault, MakeArray, ObjectServer, Tool, copy_tree, directory, fixture, spawn, tree};
use tempfile::TempDir;

const KILLS: usize = 30;

/// A group of many small chunks, and an array of one object that arrives in parts.
const SMALL: &str = "era5-uk-v2.zarr";
const LARGE: &str = "large.zarr";

/// A checkpoint every few objects: many different moments.
const FLAGS: [&str; 5] = ["--anonymous", "--json", "--checkpoint", "5ms", "--endpoint"];

/// Moments drawn from a generator with a seed.
struct Moments {
    state: u64,
    longest: Duration,
}

impl Moments {
    fn next(&mut self) -> Duration {
        self.state = self.state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.longest.mul_f64((self.state >> 40) as f64 / (1u64 << 24) as f64)
    }
}

struct Scene {
    directory: TempDir,
    server: ObjectServer,
}

impl Scene {
    fn new() -> Scene {
        let directory = directory();
        let root = directory.path().join("root");
        copy_tree(&fixture(SMALL), &root.join(SMALL));
        MakeArray { chunk: 6 << 20, chunks: 1, codec: None, noise_bits: 32 }.write(&root.join(LARGE));
        let server = ObjectServer::start(&root, vec![Fault::Slow { milliseconds: 5 }]);
        Scene { directory, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn tool(&self, store: &str) -> Tool {
        Tool::hermetic("zfetch").args(FLAGS).arg(self.server.endpoint()).arg(self.server.s3_url(store))
    }

    /// What an undisturbed run writes, and how long it takes.
    fn undisturbed(&self, store: &str) -> (BTreeMap<String, Vec<u8>>, Moments) {
        let began = Instant::now();
        let out = self.path("undisturbed").join(store);
        std::fs::create_dir_all(out.parent().unwrap()).unwrap();
        self.tool(store).arg("--to").arg(&out).run().expect(0);
        (tree(&out), Moments { state: 0x2f3c, longest: began.elapsed() })
    }
}

/// Names below a directory, those of hidden files as well.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn outputs_are_whole_or_not_there_whenever_a_run_is_killed() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("outputs")).unwrap();
    let (mut kills, mut rounds) = (0, 0);
    let stores = [SMALL, LARGE].map(|store| (store, scene.undisturbed(store)));
    let mut moments = stores.each_ref().map(|(_, (_, moments))| Moments { ..*moments });
    while kills < KILLS {
        let number = rounds % 2;
        let (store, (expected, _)) = &stores[number];
        let out = scene.path("outputs").join(format!("{rounds}.zarr"));
        let run = || scene.tool(store).arg("--resume").arg("--to").arg(&out);
        for _ in 0..3 {
            let child = spawn(run());
            std::thread::sleep(moments[number].next());
            let outcome = child.kill();
            kills += usize::from(outcome.code == -9);
            assert!(matches!(outcome.code, 0 | -9), "{outcome:?}");
            assert!(!out.exists() || tree(&out) == *expected, "after {kills} kills: half a store");
        }
        run().run().expect(0);
        assert!(tree(&out) == *expected, "after {kills} kills: another store");
        rounds += 1;
    }
    let mut left = names(&scene.path("outputs"));
    left.retain(|name| !(0..rounds).any(|round| *name == format!("{round}.zarr")));
    // Killed between the name of the output and the end of its folder, nothing but the folder is left.
    assert!(left.iter().all(|name| name.ends_with(".plan")), "{left:?}");
}

#[test]
fn entries_of_the_cache_are_whole_or_not_there_whenever_a_run_is_killed() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("cache")).unwrap();
    let (expected, mut moments) = scene.undisturbed(SMALL);
    let path = |outcome: &harness::Outcome| PathBuf::from(outcome.of_type("fetched")[0]["path"].as_str().unwrap());
    let (mut kills, mut rounds) = (0, 0);
    while kills < KILLS {
        let cache = scene.path("cache").join(rounds.to_string());
        let tool = || scene.tool(SMALL).arg("--cache").arg(&cache);
        for _ in 0..3 {
            let child = spawn(tool());
            std::thread::sleep(moments.next());
            let outcome = child.kill();
            kills += usize::from(outcome.code == -9);
            assert!(matches!(outcome.code, 0 | -9), "{outcome:?}");
        }
        let offline = tool().arg("--offline").run();
        let outcome = tool().run().expect(0);
        match offline.code {
            0 => assert_eq!(path(&offline), path(&outcome), "it was complete"),
            code => assert_eq!(code, 4, "{offline:?}"),
        }
        assert!(tree(&path(&outcome)) == expected, "after {kills} kills: another store");
        Tool::hermetic("zfetch").args(["cache", "verify", "--json", "--cache"]).arg(&cache).run().expect(0);
        rounds += 1;
    }
}
