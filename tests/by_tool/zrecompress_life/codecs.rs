//! Every codec into every other, in both formats: the same bytes, and metadata that says what they are in.

use std::fs;
use std::path::Path;

use harness::{Tool, tree};
use serde_json::json;
use zcodec::Compressor;

use crate::sample::{Form, GZIP, LZ4, Sample, decoded};
use crate::scene::Scene;

/// Flags, and what the chain is called then; nothing where it has no compressor.
const TARGETS: [(&[&str], &str); 11] = [
    (&["--codec", "blosc"], "blosc(zstd,3,shuffle)"),
    (&["--cname", "lz4", "--clevel", "0"], "blosc(lz4,0,shuffle)"),
    (&["--cname", "lz4hc", "--clevel", "9", "--shuffle", "bitshuffle"], "blosc(lz4hc,9,bitshuffle)"),
    (&["--cname", "zstd", "--split", "always", "--blocksize", "2048"], "blosc(zstd,3,shuffle"),
    (&["--codec", "zstd"], "zstd"),
    (&["--codec", "zstd", "--clevel", "-5"], "zstd"),
    (&["--codec", "zstd", "--clevel", "22"], "zstd"),
    (&["--codec", "gzip"], "gzip"),
    (&["--codec", "gzip", "--clevel", "0"], "gzip"),
    (&["--codec", "gzip", "--clevel", "9"], "gzip"),
    (&["--codec", "none"], ""),
];

fn sources() -> Vec<Sample> {
    let forms = [Form::V2, Form::V3, Form::Checked, Form::Shards, Form::ShardsIndexFirst];
    let codecs = [LZ4, GZIP, Compressor::None];
    let small = |form, codec| Sample { arrays: 1, chunks: 8, elements: 1500, ..Sample::new(form, codec) };
    forms.into_iter().flat_map(|form| codecs.map(|codec| small(form, codec))).collect()
}

/// The chain of the array, which must have this compressor and no other.
#[track_caller]
fn codec_of(store: &Path, name: &str) -> String {
    let array = Tool::new("zinspect").arg(store).run().expect(0).record("array", "/a0");
    let codec = array["codec"].as_str().unwrap().to_owned();
    let is_none = ["blosc", "zstd", "gzip"].iter().all(|word| !codec.contains(word));
    assert!(codec.contains(name) && is_none == name.is_empty(), "{name}: {codec}");
    codec
}

#[test]
fn every_codec_becomes_every_other() {
    for sample in sources() {
        let scene = Scene::of(sample, &[]);
        let values = decoded(&scene.source);
        assert!(values.len() == 7 && values.values().all(Option::is_some), "{sample:?}");
        for (flags, name) in TARGETS {
            scene.run(&[flags, &["--overwrite"]].concat()).expect(0);
            assert!(decoded(&scene.output) == values, "{sample:?} {flags:?}");
            let codec = codec_of(&scene.output, name);
            assert_eq!(codec.contains("crc32c"), sample.form == Form::Checked, "{codec}");
        }
        scene.assert_left(&[]);
    }
}

#[test]
fn what_is_in_the_wanted_codec_is_copied() {
    for form in [Form::V2, Form::Checked, Form::Shards] {
        for (flags, _) in TARGETS {
            let scene = Scene::of(Sample { arrays: 1, chunks: 8, elements: 1500, ..Sample::new(form, GZIP) }, flags);
            scene.run(&[]).expect(0);
            let again = scene.path("again.zarr");
            let outcome = Tool::new("zrecompress").arg(&scene.output).arg(&again).args(flags).run().expect(0);
            let record = outcome.record("recompress", "/a0");
            assert_eq!((&record["action"], &record["failed"]), (&"copy".into(), &0.into()), "{form:?} {flags:?}");
            assert!(tree(&again) == tree(&scene.output), "{form:?} {flags:?}");
        }
    }
}

#[test]
fn in_place_every_codec_becomes_every_other() {
    for form in [Form::V2, Form::Checked, Form::Shards] {
        let scene = Scene::in_place(Sample { arrays: 1, chunks: 8, elements: 1500, ..Sample::new(form, LZ4) }, &[]);
        let values = decoded(&scene.source);
        for (flags, name) in TARGETS {
            scene.run(flags).expect(0);
            assert!(decoded(&scene.source) == values, "{form:?} {flags:?}");
            codec_of(&scene.source, name);
            scene.assert_left(&[]);
        }
    }
}

#[test]
fn flags_that_belong_to_another_codec_are_refused() {
    let scene = Scene::of(Sample { arrays: 1, chunks: 8, ..Sample::new(Form::V2, LZ4) }, &[]);
    for (flags, word) in [
        (&["--codec", "zstd", "--clevel", "23"][..], "--clevel"),
        (&["--codec", "gzip", "--clevel", "10"], "--clevel"),
        (&["--codec", "gzip", "--clevel", "-1"], "--clevel"),
        (&["--clevel", "10"], "--clevel"),
        (&["--codec", "none", "--clevel", "1"], "--clevel"),
        (&["--codec", "gzip", "--cname", "lz4"], "--cname"),
        (&["--codec", "zstd", "--shuffle", "shuffle"], "--shuffle"),
        (&["--codec", "none", "--blocksize", "4096"], "--blocksize"),
        (&["--codec", "zstd", "--split", "never"], "--split"),
    ] {
        let outcome = scene.run(flags).expect(2);
        assert!(outcome.stderr.contains(word), "{flags:?}: {}", outcome.stderr);
    }
    assert!(!scene.output.exists() && !scene.plan().exists());
}

/// Arrays of no elements, with a chunk length of 0 or of more: there is nothing to do but the metadata.
#[test]
fn arrays_of_no_elements_are_copied() {
    let metadata = |shape: &[u64], chunks: &[u64], form: Form| match form {
        Form::V2 => {
            json!({"zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": "<f8", "fill_value": 0, "order": "C",
            "filters": null, "compressor": {"id": "gzip", "level": 1}})
        }
        _ => json!({"zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "float64", "fill_value": 0.0,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}}, "attributes": {},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}),
    };
    let arrays: [(&[u64], &[u64]); 4] = [(&[10, 0], &[5, 0]), (&[10, 0], &[5, 1]), (&[0], &[0]), (&[0, 0], &[0, 7])];
    for form in [Form::V2, Form::V3] {
        let write = |store: &Path| {
            Sample { arrays: 1, chunks: 8, ..Sample::new(form, GZIP) }.write(store);
            for (number, (shape, chunks)) in arrays.iter().enumerate() {
                let array = store.join(format!("empty{number}"));
                fs::create_dir_all(&array).unwrap();
                let name = if form == Form::V2 { ".zarray" } else { "zarr.json" };
                fs::write(array.join(name), metadata(shape, chunks, form).to_string()).unwrap();
            }
        };
        for flags in
            [&["--cname", "zstd"][..], &["--codec", "none"], &["--chunks", "4000", "--var", "a0"], &["--copy-unknown"]]
        {
            let scene = Scene::of(Sample { arrays: 1, chunks: 8, ..Sample::new(form, GZIP) }, flags);
            write(&scene.source);
            scene.run(&["-n"]).expect(0);
            scene.run(&[]).expect(0);
            let documents: Vec<String> =
                tree(&scene.output).into_keys().filter(|key| key.starts_with("empty")).collect();
            assert_eq!(documents.iter().filter(|key| !key.ends_with('/')).count(), arrays.len(), "{documents:?}");
            for (number, (shape, _)) in arrays.iter().enumerate() {
                let record = Tool::new("zinspect")
                    .arg(&scene.output)
                    .run()
                    .expect(0)
                    .record("array", &format!("/empty{number}"));
                assert_eq!(record["shape"], json!(shape));
            }
            let place = Scene::in_place(Sample { arrays: 1, chunks: 8, ..Sample::new(form, GZIP) }, flags);
            write(&place.source);
            place.run(&[]).expect(0);
            assert!(tree(&place.source) == tree(&scene.output), "{form:?} {flags:?}");
        }
    }
}
