//! Faults in the bytes of chunks and shards.

use std::fs;

use super::{DEFAULT, Fault, UNSHARDED, chunk, index, within};
use crate::made::Format::{Sharded, V3};
use crate::made::Scene;

/// The faults.
pub fn damaged() -> Vec<Fault> {
    let in_chunk = |kind, plant: fn(&Scene)| Fault { kind, path: "/t2m", located: chunk, plant, ..DEFAULT };
    let in_shard = |kind, plant| Fault { formats: &[Sharded], ..in_chunk(kind, plant) };
    vec![
        Fault {
            formats: UNSHARDED,
            ..in_chunk("truncated", |scene| scene.change(&chunk(scene), |bytes| bytes.truncate(bytes.len() / 2)))
        },
        in_chunk("bad_header", |scene| {
            scene.change(&chunk(scene), |bytes| within(scene, "t2m", bytes, |chunk| chunk[2] |= 8));
        }),
        in_chunk("wrong_codec", |scene| {
            scene.change(&chunk(scene), |bytes| {
                within(scene, "t2m", bytes, |chunk| chunk[..22].copy_from_slice(b"<html>Not found</html>"));
            });
        }),
        in_chunk("wrong_nbytes", |scene| {
            scene.change(&chunk(scene), |bytes| {
                within(scene, "t2m", bytes, |chunk| {
                    chunk[4..8].copy_from_slice(&1100u32.to_le_bytes());
                    chunk[8..12].copy_from_slice(&1100u32.to_le_bytes());
                });
            });
        }),
        in_chunk("block_table", |scene| {
            scene.change(&chunk(scene), |bytes| within(scene, "t2m", bytes, |chunk| chunk[16..20].fill(0xff)));
        }),
        in_chunk("undecodable", |scene| {
            scene.change(&chunk(scene), |bytes| within(scene, "t2m", bytes, |chunk| chunk[24..90].fill(0xff)));
        }),
        Fault {
            path: "/t2m",
            kind: "typesize",
            located: chunk,
            plant: |scene| {
                scene.change(&chunk(scene), |bytes| within(scene, "t2m", bytes, |chunk| chunk[3] = 1));
            },
            // With another shuffle, the values are others.
            besides: &["undecodable", "infinite_values", "nan_values"],
            ..DEFAULT
        },
        Fault {
            kind: "wrong_codec",
            path: "/tp",
            formats: UNSHARDED,
            located: |scene| scene.key("tp", [2, 1, 0]),
            plant: |scene| {
                let other = fs::read(scene.path(&scene.key("u10", [2, 1, 0]))).unwrap();
                scene.put(&scene.key("tp", [2, 1, 0]), &other);
            },
            ..DEFAULT
        },
        Fault {
            kind: "undecodable",
            path: "/u10",
            formats: UNSHARDED,
            located: |scene| scene.key("u10", [2, 1, 0]),
            plant: |scene| {
                scene.change(&scene.key("u10", [2, 1, 0]), |bytes| {
                    let middle = bytes.len() / 2;
                    bytes[middle..middle + 40].fill(0x55);
                });
            },
            ..DEFAULT
        },
        Fault {
            kind: "checksum_mismatch",
            path: "/raw",
            formats: &[V3, Sharded],
            located: |scene| scene.key("raw", [2, 1, 0]),
            plant: |scene| {
                scene.change(&scene.key("raw", [2, 1, 0]), |bytes| within(scene, "raw", bytes, |chunk| chunk[40] ^= 1));
            },
            ..DEFAULT
        },
        in_shard("shard_index", |scene| {
            scene.change(&chunk(scene), |bytes| {
                let at = bytes.len() - 50;
                bytes[at] ^= 1;
            });
        }),
        in_shard("shard_index", |scene| {
            scene.change(&chunk(scene), |bytes| {
                index(bytes, |index| index[5 * 16..5 * 16 + 8].copy_from_slice(&(1u64 << 40).to_le_bytes()));
            });
        }),
        in_shard("shard_overlap", |scene| {
            scene.change(&chunk(scene), |bytes| {
                index(bytes, |index| {
                    let start = u64::from_le_bytes(index[5 * 16..5 * 16 + 8].try_into().unwrap()) - 3;
                    index[5 * 16..5 * 16 + 8].copy_from_slice(&start.to_le_bytes());
                });
            });
        }),
        in_shard("missing_inner_chunks", |scene| {
            scene.change(&chunk(scene), |bytes| index(bytes, |index| index[5 * 16..6 * 16].fill(0xff)));
        }),
    ]
}
