//! Damaged and missing chunks.

use std::fs;
use std::os::unix::fs::FileExt;

use harness::Outcome;
use serde_json::json;
use zarray::{IndexLayout, ShardIndex};

use crate::made::{BLOSC_ZSTD, Codec, Field, LZ4, NONE, ZSTD};
use crate::scene::{
    COLUMNS, ROWS, Scene, TIMES, csv, globe, hours, latitude, longitude, summary, temperature, value, values,
};

/// The globe with a second variable, whose chunks are stored with `codec`.
fn scene(codec: Codec) -> Scene {
    let mut fields = globe();
    fields[3] = temperature(TIMES, ROWS, COLUMNS).codec(codec);
    let dimensions = [("time", TIMES), ("lat", ROWS), ("lon", COLUMNS)];
    fields
        .push(Field::new("u", &dimensions, |at| -value(at[0], at[1], at[2])).chunks(&[2, ROWS, COLUMNS]).codec(codec));
    Scene::of(&fields)
}

/// The cells of the damaged chunk are empty, all others as they should be.
#[track_caller]
fn only_the_second_chunk_is_lost(outcome: &Outcome, key: &str) {
    let errors = outcome.of_type("error");
    assert_eq!(errors.len(), 1, "{}", outcome.stdout);
    assert!(errors[0]["path"].as_str().unwrap().contains(key), "{}", errors[0]);
    assert!(outcome.stderr.contains(key), "{}", outcome.stderr);
    let expected: Vec<Option<f64>> = (0..TIMES).map(|time| (time / 2 != 1).then_some(value(time, 4, 3))).collect();
    assert_eq!(values(outcome, "t"), expected);
    let figures = summary(outcome);
    assert_eq!((&figures["chunks_failed"], &figures["exit"]), (&1.into(), &3.into()));
}

fn flip_the_middle(bytes: &mut [u8]) {
    let half = bytes.len() / 2;
    bytes[half] ^= 0xff;
}

#[test]
fn a_damaged_chunk_costs_its_own_cells() {
    for codec in [LZ4, BLOSC_ZSTD, ZSTD, Codec::Zlib, NONE] {
        let scene = scene(codec);
        let chunk = scene.store.join("t/1.0.0");
        let whole = fs::read(&chunk).unwrap();
        let half = whole[..whole.len() / 2].to_vec();
        for damaged in [b"damaged".to_vec(), half, Vec::new()] {
            fs::write(&chunk, &damaged).unwrap();
            for partial in ["auto", "on", "off"] {
                let outcome = scene.at(50.0, 30.0, &["--partial-decode", partial]).expect(3);
                only_the_second_chunk_is_lost(&outcome, "source.zarr/t/1.0.0");
                let u: Vec<Option<f64>> = (0..TIMES).map(|time| Some(-value(time, 4, 3))).collect();
                assert_eq!(values(&outcome, "u"), u, "{codec:?}");
            }
        }
    }
}

/// As a file without the permission to read it, a link in a circle can be read by nobody, not even by root.
#[test]
fn a_chunk_file_that_cannot_be_read_costs_its_own_cells() {
    let scene = scene(LZ4);
    let chunk = scene.store.join("t/1.0.0");
    fs::remove_file(&chunk).unwrap();
    std::os::unix::fs::symlink("1.0.0", &chunk).unwrap();
    only_the_second_chunk_is_lost(&scene.at(50.0, 30.0, &[]).expect(3), "source.zarr/t/1.0.0");
    scene.at(50.0, 30.0, &["-n"]).expect(0);
    fs::remove_file(&chunk).unwrap();
    fs::write(&chunk, "damaged").unwrap();
    fs::set_permissions(&chunk, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    only_the_second_chunk_is_lost(&scene.at(50.0, 30.0, &[]).expect(3), "source.zarr/t/1.0.0");
}

#[test]
fn a_checksum_is_looked_at() {
    let scene = scene(Codec::Zlib);
    let chunk = scene.store.join("t/1.0.0");
    let mut bytes = fs::read(&chunk).unwrap();
    flip_the_middle(&mut bytes);
    fs::write(&chunk, bytes).unwrap();
    only_the_second_chunk_is_lost(&scene.at(50.0, 30.0, &[]).expect(3), "t/1.0.0");
}

/// Of a shard only the inner chunk is lost.
#[test]
fn a_damaged_chunk_of_a_shard_costs_its_own_cells() {
    for codec in [LZ4, ZSTD] {
        let t = temperature(TIMES, ROWS, COLUMNS).codec(codec).shards(&[3, 1, 1]);
        let axes = [latitude("lat", ROWS, 90.0, -10.0), longitude("lon", COLUMNS, 0.0, 10.0), hours(TIMES)];
        let fields: Vec<Field> = axes.into_iter().map(|axis| axis.dtype("<f8", json!(0.0))).chain([t]).collect();
        let scene = Scene::written(true, &fields);
        let shard = scene.store.join("t/c/0/0/0");
        let mut bytes = fs::read(&shard).unwrap();
        let layout = IndexLayout { at_end: true, checksum: true, big_endian: false, chunks: 3 };
        let index_at = bytes.len() - layout.len().unwrap() as usize;
        let (start, len) = ShardIndex::parse(&layout, &bytes[index_at..], bytes.len() as u64).unwrap().0[1].unwrap();
        bytes[start as usize..(start + len) as usize].fill(0xff);
        fs::write(&shard, bytes).unwrap();
        only_the_second_chunk_is_lost(&scene.at(50.0, 30.0, &[]).expect(3), "t/c/0/0/0");
    }
}

/// The output is there, with missing values for what is lost, and no other file.
#[test]
fn an_output_with_damage_is_whole_otherwise() {
    let scene = scene(LZ4);
    fs::write(scene.store.join("t/1.0.0"), "damaged").unwrap();
    let outcome = scene.at(50.0, 30.0, &["-o", &scene.text("out.csv"), "--na-rep", "lost"]).expect(3);
    assert_eq!(outcome.of_type("error").len(), 1);
    let text = fs::read_to_string(scene.path("out.csv")).unwrap();
    let t = csv(&text, "t");
    assert_eq!((t[2].as_str(), t[3].as_str(), t[4].as_str()), ("lost", "lost", "40403.0"));
    assert_eq!(csv(&text, "u").len(), TIMES);
    assert_eq!(scene.names(), ["out.csv", "out.csv.columns.jsonl"]);
}

/// Rows as plain CSV have no room for the record; the error goes to stderr, and the exit code is 3.
#[test]
fn plain_rows_tell_of_damage_on_standard_error() {
    let scene = scene(LZ4);
    fs::write(scene.store.join("t/1.0.0"), "damaged").unwrap();
    let outcome = scene.at(50.0, 30.0, &["-f", "csv"]).expect(3);
    assert_eq!(outcome.stdout.lines().count(), TIMES + 1, "{}", outcome.stdout);
    assert!(outcome.stderr.contains("t/1.0.0"), "{}", outcome.stderr);
}

#[test]
fn a_chunk_that_is_not_there_has_the_fill_value() {
    for (fill, flags, expected) in [
        (json!("NaN"), &[][..], None),
        // As in xarray: in Zarr v2 the fill value marks missing values.
        (json!(7.0), &[], None),
        (json!(7.0), &["--fill-value-as-mask", "false"], Some(7.0)),
        (json!(7.0), &["--decode", "raw"], Some(7.0)),
        (json!(null), &["--decode", "raw"], Some(0.0)),
    ] {
        let mut fields = globe();
        fields[3] = temperature(TIMES, ROWS, COLUMNS).dtype("<f4", fill.clone());
        let scene = Scene::of(&fields);
        fs::remove_file(scene.store.join("t/1.0.0")).unwrap();
        let outcome = scene.at(50.0, 30.0, flags).expect(0);
        let found = values(&outcome, "t");
        assert_eq!((found[1], found[2], found[3]), (Some(value(1, 4, 3)), expected, expected), "{fill} {flags:?}");
        let figures = summary(&outcome);
        assert_eq!((&figures["chunks_missing"], &figures["chunks_read"]), (&1.into(), &2.into()));
        assert!(outcome.stderr.contains("1 chunk") && outcome.stderr.contains("fill value"), "{}", outcome.stderr);
    }
}

/// Without coordinates no point can be located.
#[test]
fn a_damaged_coordinate_ends_the_run() {
    for (name, exit) in [("lat", 5), ("lon", 5), ("time", 5)] {
        let scene = Scene::globe();
        fs::write(scene.store.join(name).join("0"), "damaged").unwrap();
        let outcome = scene.at(50.0, 30.0, &["-o", &scene.text("out.csv")]).expect(exit);
        assert!(outcome.stderr.contains(&format!("source.zarr/{name}/0")), "{}", outcome.stderr);
        assert!(scene.names().is_empty());
    }
}

/// Each damaged chunk is reported, and in every format all other values are unchanged.
#[test]
fn every_format_goes_on_without_the_damaged_chunk() {
    for name in crate::outputs::OUTPUTS {
        let scene = scene(LZ4);
        for key in ["t/1.0.0", "u/2.0.0"] {
            fs::write(scene.store.join(key), "damaged").unwrap();
        }
        let format = name.rsplit_once('.').unwrap().1;
        let outcome = scene.at(50.0, 30.0, &["-f", format, "-o", &scene.text(name)]).expect(3);
        for key in ["t/1.0.0", "u/2.0.0"] {
            assert!(outcome.stderr.contains(key), "{name}: {}", outcome.stderr);
        }
        assert!(scene.names().contains(&name.to_owned()) && scene.names().iter().all(|name| !name.contains("tmp")));
    }
}

/// An uncompressed chunk of 5 GB, which takes no disk and no memory: the element beyond 2^32 is not the one its number is
/// cut to.
#[test]
fn elements_beyond_32_bits_are_their_own() {
    let (rows, columns) = (80 * 1024, 64 * 1024);
    let axes = [latitude("lat", rows, -40.96, 0.001), longitude("lon", columns, 0.0, 0.001)];
    let scene = Scene::of(&axes);
    let array = scene.store.join("t");
    fs::create_dir(&array).unwrap();
    let metadata = json!({"zarr_format": 2, "shape": [rows, columns], "chunks": [rows, columns], "dtype": "|u1",
        "fill_value": null, "order": "C", "filters": null, "compressor": null});
    fs::write(array.join(".zarray"), metadata.to_string()).unwrap();
    fs::write(array.join(".zattrs"), json!({"_ARRAY_DIMENSIONS": ["lat", "lon"]}).to_string()).unwrap();
    let file = fs::File::create(array.join("0.0")).unwrap();
    file.set_len((rows * columns) as u64).unwrap();
    // Row 65,536 begins at element 2^32.
    for (row, byte) in [(0, 99), (65_536, 7)] {
        file.write_all_at(&[byte], row * columns as u64 + 7).unwrap();
    }
    let outcome = scene.at(-40.96 + 65.536, 0.007, &["--max-memory", "200M"]).expect(0);
    assert_eq!(values(&outcome, "t"), [Some(7.0)]);
    assert_eq!(values(&scene.at(-40.96, 0.007, &[]).expect(0), "t"), [Some(99.0)]);
    // All of it cannot be had in so little memory.
    scene.at(0.0, 0.007, &["--max-memory", "200M", "--partial-decode", "off"]).expect(2);
}
