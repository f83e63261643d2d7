//! Chunks that cannot be decoded, and a disk that is full: what is wrong is named, all the rest goes on, and the output keeps
//! no lie about it.

use std::fs;
use std::path::Path;
use std::process::Command;

use harness::{Outcome, Tool, binary, tree};
use zarray::IndexLayout;

use crate::sample::{Form, GZIP, INNER, LZ4, Sample, decoded, index};
use crate::scene::{Scene, rewrite};

/// A scene whose source has two chunks that cannot be decoded.
fn damaged(form: Form) -> Scene {
    let scene = Scene::of(Sample::new(form, LZ4), &["--cname", "zstd"]);
    for key in keys(form) {
        fs::write(scene.source.join(key), "damaged").unwrap();
    }
    scene
}

fn keys(form: Form) -> [&'static str; 2] {
    if form == Form::V2 { ["a0/4", "a1/12"] } else { ["a0/c/4", "a1/c/12"] }
}

#[track_caller]
fn names(outcome: &Outcome, places: &[&str]) {
    outcome.records();
    let errors = outcome.of_type("error");
    let mut told: Vec<&str> = errors.iter().map(|error| error["path"].as_str().unwrap()).collect();
    told.sort_unstable();
    assert!(
        told.len() == places.len() && told.iter().zip(places).all(|(told, place)| told.ends_with(place)),
        "{told:?}"
    );
    assert!(places.iter().all(|place| outcome.stderr.contains(place)), "{}", outcome.stderr);
    assert_eq!(outcome.records().pop().unwrap()["failed"], places.len());
}

/// All chunks but those that are bad are what they were.
#[track_caller]
fn the_rest_is_right(scene: &Scene, bad: &[&str]) {
    let is_good = |key: &String| !bad.contains(&key.as_str());
    let good = |store: &Path| decoded(store).into_iter().filter(|(key, _)| is_good(key)).collect::<Vec<_>>();
    let (before, after) = (good(&scene.source), good(&scene.output));
    assert!(before == after && before.iter().all(|(_, bytes)| bytes.is_some()));
}

#[test]
fn bad_chunks_end_in_no_output_a_copy_or_nothing() {
    for form in [Form::V2, Form::V3, Form::Checked] {
        let (scene, keys) = (damaged(form), keys(form));
        // Told as often as it is tried.
        for flags in [&[][..], &["--resume"], &["--resume", "--on-bad-chunk", "error"]] {
            names(&scene.run(flags).expect(3), &keys);
            assert!(!scene.output.exists() && scene.is_begun());
        }
        let copied = scene.again();
        names(&scene.run(&["--resume", "--on-bad-chunk", "skip"]).expect(3), &keys);
        the_rest_is_right(&scene, &keys);
        assert!(keys.iter().all(|key| !scene.output.join(key).exists()));
        scene.assert_left(&[]);
        let outcome = copied.run(&["--on-bad-chunk", "copy"]).expect(3);
        names(&outcome, &keys);
        assert_eq!(outcome.records().pop().unwrap()["bad_chunks_copied"], keys.len());
        the_rest_is_right(&copied, &keys);
        assert!(keys.iter().all(|key| fs::read(copied.output.join(key)).unwrap() == b"damaged"));
        copied.assert_left(&[]);
    }
}

/// What an earlier run copied is not what `skip` leaves behind.
#[test]
fn skipped_is_skipped_even_where_an_earlier_run_copied() {
    let scene = damaged(Form::V2);
    scene.run(&["--prepare", "--parts", "1"]).expect(0);
    names(&scene.of_output(&["--part", "1/1", "--on-bad-chunk", "copy"]).expect(3), &keys(Form::V2));
    names(&scene.run(&["--resume", "--on-bad-chunk", "skip"]).expect(3), &keys(Form::V2));
    assert!(keys(Form::V2).iter().all(|key| !scene.output.join(key).exists()));
    the_rest_is_right(&scene, &keys(Form::V2));
}

#[test]
fn a_chunk_that_was_good_and_is_bad_now_is_not_kept_by_skip() {
    let scene = Scene::of(Sample::new(Form::V2, LZ4), &["--cname", "zstd"]);
    scene.all_but("a1/5");
    rewrite(&scene.source.join("a0/0"), b"damaged");
    names(&scene.run(&["--resume", "--on-bad-chunk", "skip"]).expect(3), &["a0/0"]);
    assert!(!scene.output.join("a0/0").exists());
    the_rest_is_right(&scene, &["a0/0"]);
}

/// Flips a byte in the middle of inner chunk 1 of a shard.
fn damage_inner(scene: &Scene, form: Form, key: &str) -> Vec<u8> {
    let mut shard = fs::read(scene.source.join(key)).unwrap();
    let (start, len) = index(&shard, &layout(form))[1].unwrap();
    let inner = start as usize..(start + len) as usize;
    shard[inner.start..inner.start + 8].fill(0xff);
    rewrite(&scene.source.join(key), &shard);
    shard[inner].to_vec()
}

fn layout(form: Form) -> IndexLayout {
    IndexLayout { at_end: form == Form::Shards, checksum: true, big_endian: false, chunks: INNER as u64 }
}

#[test]
fn of_a_shard_only_the_inner_chunk_that_is_bad_is_left_out() {
    for form in [Form::Shards, Form::ShardsIndexFirst] {
        for threads in ["1", "3"] {
            let scene = Scene::of(Sample::new(form, LZ4), &["--cname", "zstd", "--nthreads", threads]);
            let bad = damage_inner(&scene, form, "a0/c/2");
            names(&scene.run(&[]).expect(3), &["a0/c/2 inner chunk 1"]);
            assert!(!scene.output.exists());
            let copied = scene.again();
            names(&scene.run(&["--resume", "--on-bad-chunk", "skip"]).expect(3), &["a0/c/2 inner chunk 1"]);
            the_rest_is_right(&scene, &["a0/c/2#1"]);
            assert!(!decoded(&scene.output).contains_key("a0/c/2#1"));
            names(&copied.run(&["--on-bad-chunk", "copy"]).expect(3), &["a0/c/2 inner chunk 1"]);
            the_rest_is_right(&copied, &["a0/c/2#1"]);
            let shard = fs::read(copied.output.join("a0/c/2")).unwrap();
            let (start, len) = index(&shard, &layout(form))[1].unwrap();
            assert_eq!(&shard[start as usize..(start + len) as usize], bad);
        }
    }
}

#[test]
fn in_place_a_bad_chunk_stays_as_it_is() {
    for (form, codec) in [(Form::V2, LZ4), (Form::V3, GZIP), (Form::Shards, LZ4)] {
        let scene = Scene::in_place(Sample::new(form, codec), &["--cname", "zstd"]).with_backup();
        let key = ["a0/2", "a0/c/2"][usize::from(form != Form::V2)];
        let place = if form == Form::Shards { damage_inner(&scene, form, key) } else { b"damaged".to_vec() };
        if form != Form::Shards {
            fs::write(scene.source.join(key), &place).unwrap();
        }
        let values = decoded(&scene.source);
        let outcome = scene.run(&["--on-bad-chunk", "skip"]).expect(2);
        assert!(outcome.stderr.contains("exists nowhere else") && !scene.plan().exists(), "{}", outcome.stderr);
        scene.run(&[]).expect(3);
        assert!(decoded(&scene.source) == values, "{form:?}");
        scene.run(&["--resume", "--on-bad-chunk", "skip"]).expect(2);
        let outcome = scene.run(&["--resume", "--on-bad-chunk", "copy"]).expect(3);
        assert!(outcome.stderr.contains(key), "{}", outcome.stderr);
        assert!(decoded(&scene.source) == values, "{form:?}: every chunk is as good or bad as before");
        let stored = fs::read(scene.source.join(key)).unwrap();
        assert!(stored.windows(place.len()).any(|window| window == place), "{form:?}");
        scene.assert_left(&["old"]);
    }
}

#[test]
fn parts_of_a_plan_in_place_do_not_skip_either() {
    for (form, codec) in [(Form::V3, GZIP), (Form::Shards, LZ4)] {
        let scene = Scene::in_place(Sample::new(form, codec), &["--cname", "zstd"]);
        scene.run(&["--prepare", "--parts", "1"]).expect(0);
        let before = tree(&scene.source);
        let outcome = scene.of_output(&["--part", "1/1", "--on-bad-chunk", "skip"]).expect(2);
        assert!(outcome.stderr.contains("exists nowhere else"), "{}", outcome.stderr);
        assert!(tree(&scene.source) == before);
    }
}

/// A file system that is too small, in a name space of its own where the system lets us have one; then it grows.
#[test]
fn a_full_disk_costs_nothing_that_was_done() {
    let sample = Sample { chunks: 40, elements: 20_000, ..Sample::new(Form::V2, LZ4) };
    let scene = Scene::of(sample, &["--codec", "none"]);
    let (mount, copy) = (scene.path("small"), scene.path("copy.zarr"));
    fs::create_dir(&mount).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=2m none '{0}' || exit 77
         '{1}' '{2}' '{0}/out.zarr' --codec none -j2 && exit 70
         [ $? = 7 ] || exit 71
         ls -A '{0}' >&2
         mount -o remount,size=64m '{0}' || exit 77
         '{1}' '{2}' '{0}/out.zarr' --codec none --resume || exit 72
         ls -A '{0}' >&2
         cp -r '{0}/out.zarr' '{3}'",
        mount.display(),
        binary("zrecompress").display(),
        scene.source.display(),
        copy.display()
    );
    let Ok(output) = Command::new("unshare").args(["-rm", "sh", "-c", &script]).output() else {
        return println!("skipped: there is no unshare(1) here");
    };
    let mut outcome = Outcome::of(output);
    if outcome.code == 77 || outcome.stderr.contains("unshare") {
        return println!("skipped: {}", outcome.stderr);
    }
    outcome = outcome.expect(0);
    assert!(outcome.stderr.contains("No space left"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("out.zarr.plan\n") && outcome.stderr.ends_with("out.zarr\n"), "{}", outcome.stderr);
    let summary = outcome.of_type("summary").pop().unwrap();
    assert!(summary["resumed"].as_u64().unwrap() > 5, "{summary}");
    assert!(tree(&copy) == scene.undisturbed());
    Tool::new("zinspect").arg(&copy).run().expect(0);
}
