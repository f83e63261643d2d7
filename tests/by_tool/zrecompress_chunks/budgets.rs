//! `--max-memory`: what is too little is refused with what would do, and what is allowed is kept to.

use harness::tree;

use crate::maps::{Maps, place};
use crate::scene::{Scene, chunks_of, number, summary};

/// From maps to columns of 64 × 64.
const COLUMNS: [&str; 2] = ["--chunks", "time=-1,lat=64,lon=64"];

#[test]
fn the_budget_that_a_refusal_names_is_the_least_that_will_do() {
    for (format, flags) in [
        (2, &COLUMNS[..]),
        (3, &["--chunks", "8,32,32", "--shards", "t:32,128,256", "--shards", "u:32,128,256"]),
        (3, &["--chunks", "time=5,lat=7,lon=9"]),
    ] {
        let scene = Scene::of(&Maps::large(format), flags);
        let least = scene.least_memory();
        let (enough, less) = (format!("{least}M"), format!("{}M", least - 1));
        let refused = scene.run(&["--max-memory", &less]).expect(2);
        assert!(refused.stderr.contains(&format!("--max-memory {enough} is enough")), "{flags:?}: {}", refused.stderr);
        scene.assert_untouched();
        let expected = scene.undisturbed();
        for jobs in ["-j1", "-j4"] {
            let outcome = scene.run(&["--max-memory", &enough, "--timing", "--overwrite", jobs]).expect(0);
            let peak = number(&outcome, "peak_memory_bytes");
            assert!(peak <= least << 20, "{flags:?} {jobs}: {peak} bytes for {enough}");
        }
        let keys = |tree: &crate::scene::Tree| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&tree(&scene.output)), keys(&expected));
    }
}

/// The array that needs the most decides.
#[test]
fn the_budget_that_a_refusal_names_does_for_all_arrays() {
    let scene = Scene::empty(&["--chunks", "time=-1"]);
    Maps { names: vec!["a"], ..Maps::new(3) }.write(&scene.source);
    Maps::large(3).write_array(&scene.source.join("b"), 1);
    let least = format!("{}M", scene.least_memory());
    scene.run(&["--max-memory", &least]).expect(0);
}

/// What a large run takes, of data that costs nothing to make.
#[test]
fn two_hundred_megabytes_are_rechunked_in_the_memory_that_is_planned() {
    let scene = Scene::empty(&["--chunks", "time=-1,lat=64,lon=64", "-j2", "--cname", "lz4", "--clevel", "1"]);
    let maps = Maps { names: Vec::new(), shape: [48, 1024, 1024], chunks: [1, 1024, 1024], ..Maps::new(3) };
    maps.write(&scene.source);
    let array = scene.source.join("t");
    maps.document(&array, &["time", "lat", "lon"], &maps.shape, &maps.chunks);
    let map = maps.chunk(0, [0, 0, 0]);
    (0..48).for_each(|time| place(&array, &maps.key([time, 0, 0]), &map));
    for budget in [64u64, 160] {
        let flags = ["--max-memory", &format!("{budget}M"), "--timing", "--overwrite"];
        let plan = scene.run(&[&flags[..], &["-n"]].concat()).expect(0).record("plan", "/t");
        let planned = plan["peak_memory_bytes"].as_u64().unwrap();
        let outcome = scene.run(&flags).expect(0);
        let peak = number(&outcome, "peak_memory_bytes");
        assert!(planned <= budget << 20 && peak <= planned, "{peak} bytes, {planned} planned, {budget} MiB allowed");
        assert_eq!(chunks_of(&tree(&scene.output), "t").len(), 256);
        assert!(summary(&outcome)["seconds"].as_f64().unwrap() < 60.0);
    }
}

/// A shard that the memory does not hold is written piece by piece, and is the same shard to a reader.
#[test]
fn shards_beyond_the_memory_are_written_piecewise() {
    let scene = Scene::empty(&["--chunks", "16,64,64", "--cname", "lz4", "--clevel", "1"]);
    let maps = Maps { names: vec!["t"], shape: [64, 256, 512], chunks: [1, 256, 512], absent: 0, ..Maps::new(3) };
    maps.write(&scene.source);
    let plain = scene.to("plain.zarr");
    plain.run(&[]).expect(0);
    let memory = ["--max-memory", "33M", "-j1", "--requests", "1", "--timing", "--shards", "t:-1,-1,-1"];
    let outcome = scene.run(&memory).expect(0);
    assert!(number(&outcome, "peak_memory_bytes") <= 33 << 20, "{outcome:?}");
    assert_eq!(chunks_of(&tree(&scene.output), "t"), ["t/c/0/0/0"]);
    // Taken apart again, it holds the same chunks as an output without shards.
    let apart = Scene { source: scene.output.clone(), ..scene.to("apart.zarr") };
    apart.run(&["--no-shards"]).expect(0);
    let (plain, apart) = (tree(&plain.output), tree(&apart.output));
    assert_eq!(chunks_of(&plain, "t").len(), 4 * 4 * 8);
    assert!(chunks_of(&plain, "t").iter().all(|key| plain[*key] == apart[*key]));
}
