//! Source chunks that cannot be decoded, that no reader finds, or that are not there, when others are made of them.

use std::fs;

use harness::{Outcome, tree};

use crate::maps::{Maps, place};
use crate::scene::{Scene, chunks_of, number};

/// Maps 0 to 31, of which map 5 of `t` is damaged; with several regions that it is part of.
fn damaged(flags: &[&str]) -> Scene {
    let scene = Scene::of(&Maps { absent: 0, ..Maps::large(3) }, flags).tight();
    fs::write(scene.source.join("t/c/5/0/0"), "damaged").unwrap();
    scene
}

#[track_caller]
fn named_once(outcome: &Outcome) {
    let errors = outcome.of_type("error");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0]["path"].as_str().unwrap().ends_with("t/c/5/0/0"), "{errors:?}");
    assert_eq!(number(outcome, "failed"), 1);
}

const SHARDED: [&str; 4] = ["--chunks", "8,32,32", "--shards", "[tu]:16,64,64"];

#[test]
fn a_bad_chunk_ends_in_no_output_and_is_named_once() {
    for flags in [&["--chunks", "8,32,32"][..], &SHARDED, &["--chunks", "4,5,6"]] {
        let scene = damaged(flags);
        for more in [&[][..], &["--resume"], &["--resume", "--on-bad-chunk", "error"]] {
            named_once(&scene.run(more).expect(3));
            assert!(!scene.output.exists() && scene.is_begun(), "{flags:?}");
        }
        let good = Maps { absent: 0, ..Maps::large(3) }.chunk(0, [5, 0, 0]);
        fs::write(scene.source.join("t/c/5/0/0"), good).unwrap();
        scene.run(&["--resume"]).expect(0);
        assert!(tree(&scene.output) == scene.undisturbed());
    }
}

#[test]
fn skip_leaves_out_the_chunks_that_it_is_part_of_and_no_other() {
    let scene = damaged(&["--chunks", "8,32,32"]);
    named_once(&scene.run(&["--on-bad-chunk", "skip"]).expect(3));
    fs::write(scene.source.join("t/c/5/0/0"), Maps::large(3).chunk(0, [5, 0, 0])).unwrap();
    let (found, expected) = (tree(&scene.output), scene.undisturbed());
    let spoiled = |key: &String| key.starts_with("t/c/0/");
    assert!(chunks_of(&found, "t").iter().all(|key| !spoiled(key)));
    assert_eq!(chunks_of(&expected, "t").len() - chunks_of(&found, "t").len(), 4 * 8);
    let rest: Vec<_> = expected.iter().filter(|(key, _)| !key.ends_with('/') && !spoiled(key)).collect();
    assert!(rest.iter().all(|(key, content)| found.get(*key) == Some(content)));
    scene.assert_left(&[]);
}

/// Of a shard, too, only the inner chunks that it is part of: taken apart, the rest is there.
#[test]
fn skip_leaves_the_rest_of_a_shard() {
    let scene = damaged(&SHARDED);
    named_once(&scene.run(&["--on-bad-chunk", "skip"]).expect(3));
    let apart = Scene { source: scene.output.clone(), ..scene.to("apart.zarr") };
    let apart = Scene { flags: vec!["--no-shards".into()], ..apart };
    apart.run(&[]).expect(0);
    let found = tree(&apart.output);
    let keys = chunks_of(&found, "t");
    assert_eq!(keys.len(), 3 * 4 * 8);
    assert!(keys.iter().all(|key| !key.starts_with("t/c/0/")));
    assert_eq!(chunks_of(&found, "u").len(), 4 * 4 * 8);
}

/// What an earlier run made of a chunk that was good is not left behind.
#[test]
fn a_chunk_that_was_good_and_is_bad_now_is_not_kept_by_skip() {
    for flags in [&["--chunks", "8,32,32"][..], &["--chunks", "8,32,32", "--shards", "[tu]:8,64,64"]] {
        let maps = Maps { absent: 0, ..Maps::large(3) };
        let scene = Scene::of(&maps, flags).tight();
        scene.all_but("u/c/31/0/0");
        crate::scene::rewrite(&scene.source.join("t/c/5/0/0"), b"damaged");
        named_once(&scene.run(&["--resume", "--on-bad-chunk", "skip"]).expect(3));
        let found = tree(&scene.output);
        assert!(chunks_of(&found, "t").iter().all(|key| !key.starts_with("t/c/0/")), "{flags:?}");
    }
}

/// A kill may come between an object and its entry in the journal.
#[test]
fn nor_is_what_no_journal_tells_of() {
    for flags in [&["--chunks", "1,128,128"][..], &["--cname", "zstd"]] {
        let scene = Scene::of(&Maps { absent: 0, ..Maps::large(3) }, flags);
        scene.all_but("u/c/31/0/0");
        assert!(scene.plan().join("store/t/c/5/0/0").exists());
        fs::remove_dir_all(scene.plan().join("journal")).unwrap();
        fs::create_dir(scene.plan().join("journal")).unwrap();
        crate::scene::rewrite(&scene.source.join("t/c/5/0/0"), b"damaged");
        named_once(&scene.run(&["--resume", "--on-bad-chunk", "skip"]).expect(3));
        let left = chunks_of(&tree(&scene.output), "t").into_iter().filter(|key| key.starts_with("t/c/5/")).count();
        assert_eq!(left, 0, "{flags:?}");
    }
}

#[test]
fn a_chunk_that_cannot_be_cut_cannot_be_copied() {
    let scene = damaged(&["--chunks", "8,32,32"]);
    let outcome = scene.run(&["--on-bad-chunk", "copy"]).expect(2);
    assert!(outcome.stderr.contains("--on-bad-chunk copy"), "{}", outcome.stderr);
    scene.assert_untouched();
    // Nor by a part of a plan.
    scene.run(&["--prepare", "--parts", "2"]).expect(0);
    scene.of_output(&["--part", "1/2", "--on-bad-chunk", "copy"]).expect(2);
}

#[test]
fn chunks_that_no_reader_finds_are_not_lost_in_silence() {
    let scene = Scene::of(&Maps::new(2), &["--chunks", "12,6,5"]);
    fs::create_dir_all(scene.source.join("t/5/0")).unwrap();
    fs::rename(scene.source.join("t/5.0.0"), scene.source.join("t/5/0/0")).unwrap();
    for flags in [&[][..], &["--resume"]] {
        let outcome = scene.run(flags).expect(3);
        assert!(outcome.stderr.contains("separator"), "{}", outcome.stderr);
        assert!(!scene.output.exists());
    }
    fs::remove_dir_all(scene.plan()).unwrap();
    let outcome = scene.run(&["--prepare", "--parts", "2"]);
    assert_ne!(outcome.code, 0, "parts list nothing: {}", outcome.stderr);
}

#[test]
fn keys_that_belong_to_no_array_are_left_out_and_told() {
    let scene = Scene::of(&Maps::new(3), &["--chunks", "12,6,5"]);
    let expected = scene.undisturbed();
    place(&scene.source, "t/notes.txt", b"mine");
    place(&scene.source, "t/c/99/0/0", b"outside");
    place(&scene.source, "loose", b"mine");
    let outcome = scene.run(&[]).expect(0);
    assert_eq!(number(&outcome, "skipped_keys"), 3, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("3 keys"), "{}", outcome.stderr);
    assert!(tree(&scene.output) == expected);
}

#[test]
fn chunks_made_of_nothing_stay_absent() {
    // Maps 3, 10, 17 are absent, alone and as a block of eight.
    let scene = Scene::of(&Maps { names: vec!["t"], ..Maps::new(3) }, &["--chunks", "1,9,10"]);
    (8..16).for_each(|time| drop(fs::remove_file(scene.source.join(format!("t/c/{time}/0/0")))));
    let absent = [3, 8, 9, 10, 11, 12, 13, 14, 15, 17];
    scene.run(&[]).expect(0);
    let found = tree(&scene.output);
    assert_eq!(chunks_of(&found, "t").len(), (24 - absent.len()) * 4);
    assert!(absent.iter().all(|time| !found.contains_key(&format!("t/c/{time}/0/0"))));
    let blocks = Scene { flags: vec!["--chunks".into(), "8,18,20".into()], ..scene.to("blocks.zarr") };
    blocks.run(&[]).expect(0);
    assert_eq!(chunks_of(&tree(&blocks.output), "t"), ["t/c/0/0/0", "t/c/2/0/0"]);
}
