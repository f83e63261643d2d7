//! Two runs that want the same output at the same time, and try until they get it: each has it for itself, and what is left is
//! the work of one of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Outcome, Tool, copy_tree, tree};

use crate::sample::{Form, GZIP, LZ4, Sample, decoded};
use crate::scene::{Scene, directory};

/// No pair of runs takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(2);

fn tiny(form: Form, codec: zcodec::Compressor) -> Sample {
    Sample { arrays: 3, chunks: 3, elements: 200, ..Sample::new(form, codec) }
}

/// Runs until the output was free, and gives what came of it.
fn until_free(tool: &(dyn Fn() -> Tool + Sync)) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let outcome = tool().run();
        let is_taken =
            ["another run is writing", "an unfinished run exists"].iter().any(|text| outcome.stderr.contains(text));
        if outcome.code != 7 || !is_taken {
            return outcome;
        }
        assert!(Instant::now() < deadline, "in vain: {}", outcome.stderr);
        thread::sleep(PAUSE);
    }
}

fn both(one: &(dyn Fn() -> Tool + Sync), other: &(dyn Fn() -> Tool + Sync)) -> [Outcome; 2] {
    thread::scope(|scope| {
        let one = scope.spawn(|| until_free(one));
        let other = until_free(other);
        [one.join().unwrap(), other]
    })
}

/// The values of each array, however they are cut into chunks.
fn values(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut chunks: Vec<(String, u64, Vec<u8>)> = decoded(store)
        .into_iter()
        .map(|(key, bytes)| {
            let (array, chunk) = key.rsplit_once('/').unwrap();
            (
                array.trim_end_matches("/c").to_owned(),
                chunk.parse().unwrap(),
                bytes.expect("a chunk that can be decoded"),
            )
        })
        .collect();
    chunks.sort();
    let mut values = BTreeMap::new();
    for (array, _, bytes) in chunks {
        values.entry(array).or_insert_with(Vec::new).extend(bytes);
    }
    values
}

/// Each takes the arrays out of the other's hands: other codecs, other chunks.
#[test]
fn two_runs_in_place_do_one_after_the_other() {
    let flags: [(&[&str], &[&str]); 2] = [
        (&["--cname", "zstd"], &["--codec", "gzip", "--clevel", "2"]),
        (&["--chunks", "300", "--cname", "lz4"], &["--chunks", "100", "--codec", "zstd"]),
    ];
    for round in 0..100 {
        let scene = Scene::in_place(tiny(if round % 4 < 2 { Form::V2 } else { Form::V3 }, GZIP), &[]);
        let expected = values(&scene.source);
        let (one, other) = flags[round % 2];
        let outcomes = both(&|| scene.tool(one).arg("-j2"), &|| scene.tool(other).arg("-j2"));
        for outcome in outcomes {
            assert_eq!(outcome.code, 0, "round {round}: {}", outcome.stderr);
        }
        assert!(values(&scene.source) == expected, "round {round}: the store has other values");
        scene.assert_left(&[]);
    }
}

/// Two sources, one output: it is that of one of them, whole, and the other run finds it there or replaces it.
#[test]
fn two_runs_of_a_new_output_do_not_mix() {
    for round in 0..40 {
        let directory = directory();
        let path = |name: &str| directory.path().join(name);
        tiny(Form::V2, GZIP).write(&path("one"));
        Sample { arrays: 2, elements: 300, ..tiny(Form::V3, LZ4) }.write(&path("other"));
        let overwrites = round % 2 == 1;
        let tool = |source: &str, output: &str| {
            let tool = Tool::new("zrecompress").arg(path(source)).arg(path(output)).args(["--cname", "zstd", "-j2"]);
            if overwrites { tool.arg("--overwrite") } else { tool }
        };
        let expected = ["one", "other"].map(|source| {
            tool(source, "alone").run().expect(0);
            let alone = tree(&path("alone"));
            fs::remove_dir_all(path("alone")).unwrap();
            alone
        });
        let outcomes = both(&|| tool("one", "out"), &|| tool("other", "out"));
        let done = outcomes.iter().filter(|outcome| outcome.code == 0).count();
        assert_eq!(done, if overwrites { 2 } else { 1 }, "round {round}: {outcomes:?}");
        let refused = outcomes.iter().find(|outcome| outcome.code != 0);
        assert!(refused.is_none_or(|outcome| outcome.stderr.contains("already exists")), "round {round}: {refused:?}");
        assert!(expected.contains(&tree(&path("out"))), "round {round}: the output is of neither");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3, "round {round}: something is left");
    }
}

/// A run that planned before the other one published must not go on with what it planned.
#[test]
fn a_plan_made_before_the_lock_is_not_carried_out() {
    let scene = Scene::in_place(tiny(Form::V2, GZIP), &[]);
    let expected = values(&scene.source);
    let other = directory();
    for round in 0..20 {
        let copy = other.path().join(round.to_string());
        copy_tree(&scene.source, &copy);
        let run = |flags: &'static [&'static str]| {
            let copy = copy.clone();
            move || Tool::new("zrecompress").arg("--in-place").arg(&copy).args(flags)
        };
        let tools: [&(dyn Fn() -> Tool + Sync); 3] =
            [&run(&["--chunks", "150"]), &run(&["--chunks", "600", "--codec", "gzip"]), &run(&["--codec", "zstd"])];
        thread::scope(|scope| {
            for tool in tools {
                scope.spawn(move || until_free(tool).expect(0));
            }
        });
        assert!(values(&copy) == expected, "round {round}");
    }
}
