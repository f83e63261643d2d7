//! Objects too large for one request: they are written in parts, shards with a front that is known last among them.

use std::fs;
use std::path::Path;

use harness::{Fault, Kind, MakeArray};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use zcodec::crc32c;

use super::{Cloud, OUT, end, local, run};

/// Bytes of an inner chunk, of which a shard has four.
const INNER: usize = 5 << 20;

const FLAGS: [&str; 6] = ["--cname", "lz4", "--var", "front", "--var", "back"];

/// A group with a shard of 20 MiB whose index is at its front, one with it at its end, and a chunk of 20 MiB.
fn large_store() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let group = json!({"zarr_format": 3, "node_type": "group", "attributes": {}});
    fs::write(directory.path().join("zarr.json"), group.to_string()).unwrap();
    let noise = MakeArray { chunk: INNER, chunks: 1, codec: None, noise_bits: 32 }.bytes(0);
    write_array(&directory.path().join("front"), &sharded("start"), &shard(&noise, true));
    write_array(&directory.path().join("back"), &sharded("end"), &shard(&noise, false));
    write_array(&directory.path().join("plain"), &json!([{"name": "bytes"}]), &noise);
    directory
}

fn sharded(location: &str) -> serde_json::Value {
    let little = json!({"name": "bytes", "configuration": {"endian": "little"}});
    let configuration = json!({
        "chunk_shape": [INNER], "codecs": [{"name": "bytes"}], "index_codecs": [little, {"name": "crc32c"}],
        "index_location": location,
    });
    json!([{"name": "sharding_indexed", "configuration": configuration}])
}

fn write_array(path: &Path, codecs: &serde_json::Value, object: &[u8]) {
    let metadata = json!({
        "zarr_format": 3, "node_type": "array", "shape": [4 * INNER], "data_type": "uint8", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4 * INNER]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": codecs, "attributes": {},
    });
    fs::create_dir_all(path.join("c")).unwrap();
    fs::write(path.join("zarr.json"), metadata.to_string()).unwrap();
    fs::write(path.join("c/0"), object).unwrap();
}

/// Inner chunks as they are, and their index.
fn shard(bytes: &[u8], index_first: bool) -> Vec<u8> {
    let index_len = 4 * 16 + 4;
    let front = if index_first { index_len } else { 0 };
    let entry = |number: usize| [(front + number * INNER) as u64, INNER as u64].map(u64::to_le_bytes).concat();
    let mut index: Vec<u8> = (0..4).flat_map(entry).collect();
    index.extend(crc32c(&index).to_le_bytes());
    if index_first { [&index, bytes].concat() } else { [bytes, &index].concat() }
}

fn upload(cloud: &Cloud, source: &TempDir, number: usize) -> harness::Tool {
    cloud.zrecompress([source.path().to_str().unwrap(), &cloud.urls(OUT)[number]]).args(FLAGS)
}

#[test]
fn large_objects_go_in_parts() {
    let source = large_store();
    let expected = local(source.path(), &FLAGS);
    for number in 0..3 {
        let cloud = Cloud::new(vec![]);
        run(upload(&cloud, &source, number)).expect(0);
        cloud.assert_whole(&expected);
        let parts: Vec<_> =
            cloud.server.served().into_iter().filter(|served| served.kind == Kind::Part).map(|s| s.key).collect();
        for key in ["out.zarr/front/c/0", "out.zarr/back/c/0", "out.zarr/plain/c/0"] {
            assert_eq!(parts.iter().filter(|part| *part == key).count(), 3, "{key}: {parts:?}");
        }
    }
}

#[test]
fn large_objects_get_through_a_bad_connection() {
    let source = large_store();
    let expected = local(source.path(), &FLAGS);
    for fault in [Fault::FirstTries { status: 503, times: 1 }, Fault::CutBody { key_contains: "c/0".into(), times: 1 }]
    {
        let cloud = Cloud::new(vec![fault]);
        run(upload(&cloud, &source, 0)).expect(0);
        cloud.assert_whole(&expected);
    }
}

/// Parts that nobody puts together would be paid for.
#[test]
fn parts_of_what_fails_are_taken_away() {
    let source = large_store();
    for fault in [Fault::Part { number: 2, status: 403 }, Fault::Complete { status: 403 }] {
        let cloud = Cloud::new(vec![fault]);
        let outcome = run(upload(&cloud, &source, 0));
        assert!([3, 6].contains(&outcome.code), "{}: {}", outcome.code, outcome.stderr);
        assert_eq!(outcome.of_type("error")[0]["exit"], 6, "{}", outcome.stdout);
        assert_eq!(cloud.server.unfinished_uploads(), 0);
        assert!(cloud.server.count(Kind::Abort) > 0);
        cloud.assert_hidden();
    }
}

#[test]
fn parts_of_what_is_stopped_are_taken_away() {
    let source = large_store();
    let stalled = "out.zarr/front/c/0";
    let cloud = Cloud::new(vec![Fault::IgnoreBody { key_contains: stalled.into() }]);
    let child = cloud.run_until_asked(upload(&cloud, &source, 0), stalled);
    let outcome = end(child, Signal::TERM);
    assert_eq!(outcome.code, 143, "{}", outcome.stderr);
    assert_eq!(cloud.server.unfinished_uploads(), 0);
    cloud.assert_hidden();
}
