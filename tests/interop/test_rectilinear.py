"""Rectilinear chunk grids (zarr-extensions; zarr-python 3.2 and later): chunks of several lengths along a dimension.

The source is made chunk by chunk with zarr-python's own codecs, so that these tests run with any version of it; where it
knows such grids, it reads what is copied.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr

import oracle
import points
from points import Point
from test_point_codecs import LAT, LON, SHAPE, smooth, store_of
from ztools import run

# Of 18 times, 17 rows and 23 columns; the last column chunk reaches beyond the edge.
LENGTHS = ((5, 4, 9), (10, 7), (8, 8, 8))
SPELLED = [[5, [4, 1], 9], [[10, 1], 7], 8]
ASKED = [Point(40, -10), Point(56, 12), Point(50, -2), Point(49, -3), Point(44, 1)]
ZSTD = {"name": "zstd", "configuration": {"level": 3, "checksum": False}}


def boxes() -> list[tuple[tuple[int, ...], tuple[slice, ...], tuple[int, ...]]]:
    """Index, elements and shape of every chunk."""
    extents = [list(zip(np.cumsum((0, *lengths[:-1])), lengths, strict=True)) for lengths in LENGTHS]
    found = []
    for index in itertools.product(*(range(len(extent)) for extent in extents)):
        bounds = [extents[dimension][number] for dimension, number in enumerate(index)]
        slices = tuple(slice(start, start + length) for start, length in bounds)
        found.append((index, slices, tuple(length for _, length in bounds)))
    return found


def encode(chunk: np.ndarray, kind: str) -> bytes:
    """A stored chunk."""
    match kind:
        case "raw":
            return chunk.tobytes()
        case "blosc":
            return numcodecs.Blosc(cname="lz4", blocksize=256).encode(chunk)
        case "turned":
            return numcodecs.Zstd(3).encode(np.ascontiguousarray(chunk.transpose(2, 1, 0)))
        case "delta":
            return numcodecs.Zstd(3).encode(numcodecs.Delta("<i4").encode(chunk.reshape(-1)))
        case _:
            return numcodecs.Zstd(3).encode(chunk)


def codecs(kind: str) -> list[dict]:
    """The chain that `encode` follows."""
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    blosc = {"typesize": 4, "cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 256}
    turned = {"name": "transpose", "configuration": {"order": [2, 1, 0]}}
    return {
        "raw": [little],
        "blosc": [little, {"name": "blosc", "configuration": blosc}],
        "turned": [turned, little, ZSTD],
        "delta": [{"name": "numcodecs.delta", "configuration": {"dtype": "<i4"}}, little, ZSTD],
    }.get(kind, [little, ZSTD])


def values(kind: str) -> np.ndarray:
    """What the array `kind` holds."""
    return smooth("i4" if kind == "delta" else "f4", len(kind))


KINDS = ("raw", "blosc", "turned", "delta", "sparse")
FILL = 7.0
ABSENT = ((0, 0, 0), (2, 1, 2))


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """An array for each kind of codec chain; of `sparse`, two chunks are not stored."""
    store = store_of(tmp_path_factory.mktemp("rectilinear") / "source.zarr", 3)
    for kind in KINDS:
        (store / kind).mkdir()
        array = values(kind)
        document = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": SHAPE,
            "data_type": array.dtype.name,
            "chunk_grid": {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": SPELLED}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": FILL,
            "codecs": codecs(kind),
            "attributes": {},
            "dimension_names": ["time", "lat", "lon"],
        }
        (store / kind / "zarr.json").write_text(json.dumps(document))
        for index, slices, shape in boxes():
            if kind == "sparse" and index in ABSENT:
                continue
            chunk = np.full(shape, FILL, array.dtype)
            inside = array[slices]
            chunk[tuple(slice(0, length) for length in inside.shape)] = inside
            path = store / kind / "c" / "/".join(map(str, index))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(chunk, kind))
    return store


def expected(kind: str) -> np.ndarray:
    """What a reader finds."""
    array = values(kind).copy()
    if kind == "sparse":
        for index, slices, _ in boxes():
            if index in ABSENT:
                array[slices] = FILL
    return array


def test_all_chunks_are_listed(source: Path) -> None:
    """Each is expected and present, and none is out of place."""
    done = run("zinspect", source, "--sizes")
    done.assert_done()
    arrays = {array["path"]: array for array in done.of_type("array")}
    for kind in KINDS:
        array = arrays[f"/{kind}"]
        present = 18 - len(ABSENT) * (kind == "sparse")
        assert (array["chunks"], array["objects_expected"], array["objects_present"]) == (18, 18, present)
        assert array["chunk_lengths"] == [[[5, 1], [4, 1], [9, 1]], [[10, 1], [7, 1]], [[8, 3]]]
        assert "chunk_shape" not in array
    assert not done.of_type("key")
    assert not any(chunk["problems"] for chunk in done.of_type("chunk"))


@pytest.mark.parametrize("select", [(), ("--isel", "time=3:12")], ids=str)
@pytest.mark.parametrize("partial", ["auto", "on", "off"])
def test_points(partial: str, select: tuple[str, ...], source: Path, tmp_path: Path) -> None:
    """Of every kind, the values at the points."""
    table = points.extract(tmp_path, source, ASKED, *select, "--partial-decode", partial, "--decode", "raw")
    rows = [int(np.abs(LAT - point.lat).argmin()) for point in ASKED]
    columns = [int(np.abs(LON - point.lon).argmin()) for point in ASKED]
    times = slice(3, 12) if select else slice(None)
    for kind in KINDS:
        found = points.values(table[kind])
        assert np.array_equal(found, expected(kind)[times][:, rows, columns].reshape(-1)), kind


def test_a_transcoded_copy_has_the_same_chunks(source: Path, tmp_path: Path) -> None:
    """The grid stays, every object is there, and its elements are the same."""
    result = tmp_path / "copy.zarr"
    run("zrecompress", source, result, "--codec", "zstd", "--verify", "full").assert_done()
    for kind in KINDS:
        before, after = (json.loads((store / kind / "zarr.json").read_text()) for store in (source, result))
        assert after["chunk_grid"] == before["chunk_grid"]
        assert after["codecs"][-1]["name"] == "zstd"
        assert set(oracle.chunk_files(result / kind)) == set(oracle.chunk_files(source / kind))
    for index, slices, shape in boxes():
        stored = (result / "raw/c" / "/".join(map(str, index))).read_bytes()
        chunk = np.frombuffer(numcodecs.Zstd().decode(stored), "f4").reshape(shape)
        inside = values("raw")[slices]
        assert np.array_equal(chunk[tuple(slice(0, length) for length in inside.shape)], inside)
    if "rectilinear_chunks" in zarr.config.get("array"):
        with zarr.config.set({"array.rectilinear_chunks": True}):
            for kind in KINDS:
                assert np.array_equal(zarr.open_array(result / kind)[...], expected(kind)), kind


@pytest.mark.parametrize("arguments", [(), ("--shards", "12,12,20")], ids=str)
@pytest.mark.parametrize("memory", ["1G", "60M"])
def test_regular_chunks_hold_the_same_values(
    memory: str, arguments: tuple[str, ...], source: Path, tmp_path: Path
) -> None:
    """zarr-python reads them, whatever the codecs were."""
    result = tmp_path / "regular.zarr"
    run("zrecompress", source, result, "--chunks", "6,6,5", "--max-memory", memory, *arguments).assert_done()
    for kind in KINDS:
        array = zarr.open_array(result / kind, mode="r")
        assert array.chunks == (6, 6, 5)
        assert np.array_equal(array[...], expected(kind)), kind


def test_a_rule_for_another_array_leaves_the_grid(source: Path, tmp_path: Path) -> None:
    """Only what the rule is for gets other chunks."""
    result = tmp_path / "one.zarr"
    run("zrecompress", source, result, "--chunks", "/raw:6,6,5").assert_done()
    grids = [json.loads((result / kind / "zarr.json").read_text())["chunk_grid"]["name"] for kind in KINDS]
    assert grids == ["regular"] + ["rectilinear"] * 4


def test_the_other_format_is_refused_by_name(source: Path, tmp_path: Path) -> None:
    """Zarr v2 has regular grids only."""
    refused = run("zrecompress", source, tmp_path / "v2.zarr", "--zarr-format", "2")
    assert refused.code == 5
    assert "rectilinear" in refused.stderr


def test_in_place(source: Path, tmp_path: Path) -> None:
    """Blosc to Blosc keeps the grid; so does another run."""
    import shutil

    store = tmp_path / "store.zarr"
    shutil.copytree(source, store)
    for _ in range(2):
        run("zrecompress", store, "--in-place", "--cname", "zstd", "--codec", "blosc").assert_done()
    table = points.extract(tmp_path, store, ASKED, "--decode", "raw")
    rows = [int(np.abs(LAT - point.lat).argmin()) for point in ASKED]
    columns = [int(np.abs(LON - point.lon).argmin()) for point in ASKED]
    assert np.array_equal(points.values(table["blosc"]), values("blosc")[:, rows, columns].reshape(-1))


def test_shards_of_several_lengths(tmp_path: Path) -> None:
    """Inner chunks all alike in shards that are not."""
    store = store_of(tmp_path / "sharded.zarr", 3)
    inside = (1, 2, 4)
    array = values("raw")[:, :16, :16]
    lengths = ((4, 4, 10), (10, 6), (8, 8))
    sharding = {
        "chunk_shape": inside,
        "codecs": codecs("zstd"),
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        "index_location": "end",
    }
    # Each shard is written by zarr-python as an array of one shard.
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": array.shape,
        "data_type": "float32",
        "chunk_grid": {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": lengths}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0.0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": {},
        "dimension_names": ["time", "y", "x"],
    }
    (store / "t").mkdir()
    (store / "t/zarr.json").write_text(json.dumps(document))
    starts = [np.cumsum((0, *axis[:-1])) for axis in lengths]
    for index in itertools.product(*(range(len(axis)) for axis in lengths)):
        shape = tuple(axis[number] for axis, number in zip(lengths, index, strict=True))
        slices = tuple(
            slice(start[number], start[number] + length)
            for start, number, length in zip(starts, index, shape, strict=True)
        )
        one = zarr.create_array(
            tmp_path / "one.zarr", shape=shape, chunks=inside, shards=shape, dtype="f4", overwrite=True, fill_value=0
        )
        one[...] = array[slices]
        path = store / "t/c" / "/".join(map(str, index))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((tmp_path / "one.zarr/c/0/0/0").read_bytes())
    inspected = run("zinspect", store, "--sizes", "--var", "/t")
    inspected.assert_done()
    (record,) = inspected.of_type("array")
    assert (record["chunks"], record["objects_expected"], record["objects_present"]) == (18 * 8 * 4, 12, 12)
    copy, regular = tmp_path / "copy.zarr", tmp_path / "regular.zarr"
    run("zrecompress", store, copy, "--cname", "lz4", "--verify", "full", "--var", "/t").assert_done()
    for source in (store, copy):
        run("zrecompress", source, regular, "--chunks", "/t:5,5,5", "--no-shards", "--overwrite").assert_done()
        assert np.array_equal(zarr.open_array(regular / "t")[...], array)
