"""Stores of any number of arrays and chunks for scaling.py, made quickly: links to a few files, and chunks that are missing."""

import csv
import json
import os
import random
import shutil
import struct
from pathlib import Path

LINKS = 30_000  # file systems have a limit for the links to one file
VALUES = 1024
FILL = "NaN"


def once(directory: Path, make) -> Path:
    """What `make` writes into a directory, which gets its name when it is complete."""
    if not directory.exists():
        building = directory.with_name(directory.name + ".part")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        make(building)
        building.rename(directory)
    return directory


def metadata(shape: int, chunk: int) -> str:
    blosc = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
    more = {"dtype": "<f4", "fill_value": FILL, "order": "C", "filters": None, "compressor": blosc}
    return json.dumps({"zarr_format": 2, "shape": [shape], "chunks": [chunk], **more})


def frame() -> bytes:
    """A Blosc frame (version 2, LZ4, stored raw) of float32."""
    size = 4 * VALUES
    header = struct.pack("<BBBBIII", 2, 1, 0x23, 4, size, size, size + 16)
    return header + struct.pack(f"<{VALUES}f", *range(VALUES))


class Links:
    """The same file under many names."""

    def __init__(self, content: bytes):
        self.content, self.count, self.first = content, 0, Path()

    def at(self, path: Path) -> None:
        if self.count % LINKS == 0:
            path.write_bytes(self.content)
            self.first = path
        else:
            os.link(self.first, path)
        self.count += 1


def arrays(store: Path, count: int) -> None:
    """As many arrays of one chunk each."""
    group(store)
    documents, chunks = Links(metadata(VALUES, VALUES).encode()), Links(frame())
    attributes = Links(b'{"_ARRAY_DIMENSIONS": ["cell"]}')
    for number in range(count):
        array = store / f"feature_{number:06}"
        array.mkdir()
        documents.at(array / ".zarray")
        attributes.at(array / ".zattrs")
        chunks.at(array / "0")


def missing_chunks(store: Path, count: int) -> None:
    """An array of as many chunks, of which only the last is stored."""
    one_array(store, count)
    (store / f"t2m/{count - 1}").write_bytes(frame())


def stored_chunks(store: Path, count: int) -> None:
    """An array of as many chunks, all stored."""
    one_array(store, count)
    chunks = Links(frame())
    for number in range(count):
        chunks.at(store / f"t2m/{number}")


def one_array(store: Path, count: int) -> None:
    group(store)
    (store / "t2m").mkdir()
    (store / "t2m/.zarray").write_text(metadata(count * VALUES, VALUES))
    (store / "t2m/.zattrs").write_text('{"_ARRAY_DIMENSIONS": ["time"]}')


def group(store: Path) -> None:
    (store / ".zgroup").write_text('{"zarr_format": 2}')


def inner_chunks(store: Path, count: int) -> None:
    """A shard of as many inner chunks, of which only the last is stored; its index has 16 bytes for each."""
    little, size = {"name": "bytes", "configuration": {"endian": "little"}}, 4 * VALUES

    def grid(length: int) -> dict:
        return {"name": "regular", "configuration": {"chunk_shape": [length]}}

    sharding = {"chunk_shape": [VALUES], "codecs": [little], "index_codecs": [little], "index_location": "end"}
    array = {"zarr_format": 3, "node_type": "array", "shape": [count * VALUES], "data_type": "float32", "fill_value": FILL}
    array |= {"chunk_grid": grid(count * VALUES), "dimension_names": ["time"], "attributes": {}}
    array |= {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}}
    array |= {"codecs": [{"name": "sharding_indexed", "configuration": sharding}]}
    (store / "t2m/c").mkdir(parents=True)
    (store / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    (store / "t2m/zarr.json").write_text(json.dumps(array))
    with open(store / "t2m/c/0", "wb") as shard:
        shard.write(struct.pack(f"<{VALUES}f", *range(VALUES)))
        absent = b"\xff" * 16
        for start in range(0, count - 1, 1 << 16):
            shard.write(absent * min(1 << 16, count - 1 - start))
        shard.write(struct.pack("<QQ", 0, size))


def points(file: Path, count: int) -> Path:
    """Random points within a degree grid."""
    random.seed(3)
    with open(file, "w", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(("id", "lat", "lon"))
        for number in range(count):
            table.writerow((number, f"{random.uniform(-89, 89):.3f}", f"{random.uniform(0, 358.9):.3f}"))
    return file
