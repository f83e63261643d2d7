"""zdedup: batches that are stored differently, and outputs with other chunks, shards and codecs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from test_dedup import COLUMNS, RANGES, ROWS, TIMES, assert_same, batch, decoded, expected, save
from ztools import run


def arrays(path: Path) -> zarr.Group:
    return zarr.open_group(path, mode="r")


LAYOUTS = {
    "longer": (["--chunks", "file_id=4"], {"chunks": (4, TIMES, 3, 4)}),
    "whole": (["--chunks", "file_id=-1,lat=-1"], {"chunks": (11, TIMES, ROWS, 4)}),
    "by position": (["--chunks", "2,5,6,8"], {"chunks": (2, 5, 6, 8)}),
    "smaller": (["--chunks", "lat=2,lon=3"], {"chunks": (2, TIMES, 2, 3)}),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("layout", ["v2", "v3", "v3-sharded"])
def test_chunks_of_the_output(tmp_path: Path, layout: str, name: str) -> None:
    flags, wanted = LAYOUTS[name]
    if layout == "v3-sharded":
        flags = [*flags, "--no-shards"]
    paths = [save(batch(ids), tmp_path / f"b{n}.zarr", layout, chunk=2) for n, ids in enumerate(RANGES)]
    # The batch of one value has chunks of one index.
    done = run("zdedup", "--dim", "file_id", *flags, "-o", tmp_path / "all.zarr", *paths)
    done.assert_done()
    assert_same(tmp_path / "all.zarr", expected(decoded(paths)))
    for variable in ("t2m", "packed"):
        array = arrays(tmp_path / "all.zarr")[variable]
        assert array.chunks == wanted["chunks"] and getattr(array, "shards", None) is None
    if name == "smaller":
        assert "is read" in done.stderr and "zrecompress --chunks" in done.stderr


@pytest.mark.parametrize("layout", ["v3", "v3-sharded"])
def test_shards_of_the_output(tmp_path: Path, layout: str) -> None:
    paths = [save(batch(ids), tmp_path / f"b{n}.zarr", layout, chunk=1) for n, ids in enumerate(RANGES)]
    command = ["zdedup", "--dim", "file_id", "--shards", "file_id=4,lat=6,lon=8", "-o", tmp_path / "all.zarr"]
    done = run(*command, *paths)
    done.assert_done()
    assert_same(tmp_path / "all.zarr", expected(decoded(paths)))
    t2m = arrays(tmp_path / "all.zarr")["t2m"]
    assert (t2m.chunks, t2m.shards) == ((1, TIMES, 3, 4), (4, TIMES, 6, 8))


def test_shards_are_refused_in_v2(tmp_path: Path) -> None:
    path = save(batch([0, 1]), tmp_path / "b.zarr", "v2")
    refused = run("zdedup", "--dim", "file_id", "--shards", "file_id=4", "-o", tmp_path / "all.zarr", path)
    assert refused.code == 2 and "Zarr v2" in refused.stderr and not (tmp_path / "all.zarr").exists()


@pytest.mark.parametrize("layout", ["v2", "v3", "v3-sharded"])
@pytest.mark.parametrize(
    ("flags", "codec"),
    [
        (["--cname", "lz4", "--clevel", "5", "--shuffle", "bitshuffle"], "lz4"),
        (["--codec", "zstd", "--clevel", "7"], "zstd"),
        (["--codec", "none"], None),
    ],
)
def test_codecs_of_the_output(tmp_path: Path, layout: str, flags: list[str], codec: str | None) -> None:
    paths = [save(batch(ids), tmp_path / f"b{n}.zarr", layout, chunk=1) for n, ids in enumerate(RANGES)]
    done = run("zdedup", "--dim", "file_id", *flags, "-o", tmp_path / "all.zarr", *paths)
    done.assert_done()
    assert_same(tmp_path / "all.zarr", expected(decoded(paths)))
    names = [str(compressor) for compressor in arrays(tmp_path / "all.zarr")["t2m"].compressors]
    assert names == [] if codec is None else codec in names[0].lower()
    # A second time, with the codec that the stores have now: everything is copied.
    again = run("zdedup", "--dim", "file_id", *flags, "-o", tmp_path / "again.zarr", tmp_path / "all.zarr")
    again.assert_done()
    assert again.summary["recoded"] == 0


def test_codec_and_chunks_in_a_dry_run_and_in_parts(tmp_path: Path) -> None:
    paths = [save(batch(ids), tmp_path / f"b{n}.zarr", "v3", chunk=1) for n, ids in enumerate(RANGES)]
    output = tmp_path / "all.zarr"
    flags = ["--dim", "file_id", "--chunks", "file_id=4", "--cname", "lz4"]
    plan = run("zdedup", *flags, "-n", "-o", output, *paths)
    t2m = next(record for record in plan.of_type("plan") if record["path"] == "/t2m")
    assert "lz4" in t2m["to"] and t2m["objects_copied"] == 0 and not output.exists()
    run("zdedup", *flags, "--prepare", "--parts", "3", "-o", output, *paths).assert_done()
    differs = run("zdedup", "--part", "1/3", "--cname", "zstd", "-o", output)
    assert differs.code == 2 and "--cname differs from the unfinished run" in differs.stderr
    for part in (1, 2, 3):
        run("zdedup", "--part", f"{part}/3", "-o", output).assert_done()
    run("zdedup", "--finish", "-o", output).assert_done()
    assert_same(output, expected(decoded(paths)))


def test_chunk_options_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    path = save(batch([0, 1]), tmp_path / "b.zarr", "v3")
    for flags, message in (
        (["--chunks", "level=3"], "no array has level"),
        (["--chunks", "t2n:lat=3"], "no array matches t2n"),
        (["--chunks", "2,2"], "as many dimensions"),
        (["--chunks", "lat=3", "--copy", "raw"], "--copy raw"),
        (["--cname", "lz4", "--codec", "zstd"], "--cname requires --codec blosc"),
    ):
        refused = run("zdedup", "--dim", "file_id", *flags, "-o", tmp_path / "all.zarr", path)
        assert refused.code in (2, 4) and message in refused.stderr, refused.stderr
        assert not (tmp_path / "all.zarr").exists()


@pytest.mark.parametrize("layout", ["v2", "v3"])
@pytest.mark.parametrize("chunk", [1, 2])
def test_the_dimension_need_not_be_the_first(tmp_path: Path, layout: str, chunk: int) -> None:
    """time, member, lat: joined along the second dimension."""
    datasets = []
    for ids in ([0, 1, 2], [2, 3], [4, 5, 6, 7, 8]):
        values = np.stack([np.random.default_rng(member).normal(size=(TIMES, ROWS)) for member in ids], axis=1)
        variables = {"x": (("time", "member", "lat"), values), "spread": (("lat", "member"), values[0].T.copy())}
        datasets.append(xr.Dataset(variables, coords={"member": ids, "lat": np.arange(ROWS)}))
    paths = []
    for number, dataset in enumerate(datasets):
        dataset["x"].encoding["chunks"] = (2, chunk, 3)
        dataset["spread"].encoding["chunks"] = (3, chunk)
        paths.append(tmp_path / f"b{number}.zarr")
        dataset.to_zarr(paths[-1], zarr_format=int(layout[1]))
    run("zdedup", "--dim", "member", "-o", tmp_path / "all.zarr", *paths).assert_done()
    assert_same(tmp_path / "all.zarr", expected(decoded(paths), dim="member"))


def write_v2(path: Path, values: np.ndarray, ids: list[int], order: str, dtype: str, compressor, separator: str = ".") -> Path:
    """A v2 store with one variable, by zarr-python."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    x = group.create_array(
        "x", shape=values.shape, chunks=(1, 3, 4), dtype=dtype, order=order, compressors=compressor,
        chunk_key_encoding={"name": "v2", "separator": separator},
    )
    x[...] = values.astype(dtype)
    x.attrs["_ARRAY_DIMENSIONS"] = ["file_id", "lat", "lon"]
    coordinate = group.create_array("file_id", shape=(len(ids),), chunks=(len(ids),), dtype="i8")
    coordinate[...] = ids
    coordinate.attrs["_ARRAY_DIMENSIONS"] = ["file_id"]
    zarr.consolidate_metadata(path)
    return path


ZSTD = {"id": "zstd", "level": 3}
BLOSC = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}


def numcodec(spec):
    import numcodecs

    return numcodecs.get_codec(dict(spec)) if spec else None


@pytest.mark.parametrize(
    "variants",
    [
        pytest.param([("F", "<f4", BLOSC, "."), ("F", "<f4", BLOSC, ".")], id="F order in all"),
        pytest.param([(">", None, None, None)], id="big-endian in all"),
        pytest.param([("C", "<f4", BLOSC, "."), ("C", "<f4", ZSTD, ".")], id="other codec"),
        pytest.param([("C", "<f4", BLOSC, "."), ("C", "<f4", None, ".")], id="not compressed"),
        pytest.param([("C", "<f4", BLOSC, "."), ("C", "<f4", BLOSC, "/")], id="other separator"),
        pytest.param([("C", "<f4", BLOSC, "."), ("C", ">f4", BLOSC, ".")], id="other byte order"),
    ],
)
def test_batches_that_are_stored_differently(tmp_path: Path, variants: list) -> None:
    if variants[0][0] == ">":
        variants = [("C", ">f4", BLOSC, ".")] * 2
    paths, all_values = [], []
    for number, (order, dtype, compressor, separator) in enumerate(variants):
        ids = list(range(number * 3, number * 3 + 3))
        values = np.random.default_rng(number).normal(size=(3, ROWS, COLUMNS)).astype("f4")
        all_values.append(values)
        path = tmp_path / f"b{number}.zarr"
        paths.append(write_v2(path, values, ids, order, dtype, numcodec(compressor), separator))
    run("zdedup", "--dim", "file_id", "-o", tmp_path / "all.zarr", *paths).assert_done()
    found = arrays(tmp_path / "all.zarr")["x"]
    np.testing.assert_array_equal(found[...], np.concatenate(all_values))
    first = json.loads((paths[0] / "x/.zarray").read_text())
    document = json.loads((tmp_path / "all.zarr/x/.zarray").read_text())
    assert document == first | {"shape": [3 * len(paths), ROWS, COLUMNS]}


def test_chunks_in_another_order_are_refused(tmp_path: Path) -> None:
    values = np.zeros((3, ROWS, COLUMNS), dtype="f4")
    paths = [write_v2(tmp_path / f"{order}.zarr", values, [n * 3, n * 3 + 1, n * 3 + 2], order, "<f4", None) for n, order in enumerate("CF")]
    refused = run("zdedup", "--dim", "file_id", "-o", tmp_path / "all.zarr", *paths)
    assert refused.code == 5 and "order" in refused.stderr and not (tmp_path / "all.zarr").exists()


@pytest.mark.parametrize("first", ["v3", "v3-sharded"])
def test_batches_with_other_shards(tmp_path: Path, first: str) -> None:
    """One batch has shards, the other does not."""
    second = "v3" if first == "v3-sharded" else "v3-sharded"
    paths = [save(batch([0, 1, 2]), tmp_path / "a.zarr", first), save(batch([3, 4]), tmp_path / "b.zarr", second)]
    run("zdedup", "--dim", "file_id", "-o", tmp_path / "all.zarr", *paths).assert_done()
    assert_same(tmp_path / "all.zarr", expected(decoded(paths)))
    shards = arrays(tmp_path / "all.zarr")["t2m"].shards
    assert shards == (None if first == "v3" else (1, TIMES, 6, 8))


@pytest.mark.parametrize("flags", [["--codec", "zstd", "--chunks", "file_id=99999999999999"], ["--shards", "t2m:file_id=9999999999"]])
def test_chunks_that_do_not_fit_the_memory_are_refused_before_the_work(tmp_path: Path, flags: list[str]) -> None:
    path = save(batch([0, 1]), tmp_path / "b.zarr", "v3")
    refused = run("zdedup", "--dim", "file_id", *flags, "-o", tmp_path / "all.zarr", path)
    assert refused.code == 2 and ("memory" in refused.stderr or "more than" in refused.stderr), refused.stderr
    assert not (tmp_path / "all.zarr").exists() and not (tmp_path / "all.zarr.plan").exists()


def test_rules_are_for_variables_of_one_dimension_too(tmp_path: Path) -> None:
    paths = [save(batch(ids), tmp_path / f"b{n}.zarr", "v2", chunk=2) for n, ids in enumerate(RANGES)]
    run("zdedup", "--dim", "file_id", "--chunks", "flag:file_id=2", "-o", tmp_path / "all.zarr", *paths).assert_done()
    assert arrays(tmp_path / "all.zarr")["flag"].chunks == (2,)
    assert_same(tmp_path / "all.zarr", expected(decoded(paths)))


def test_null_and_zero_as_fill_values_are_different(tmp_path: Path) -> None:
    """In Zarr v2, the one masks nothing, and the other masks 0."""
    values = np.zeros((3, ROWS, COLUMNS), dtype="f4")
    paths = [write_v2(tmp_path / f"{n}.zarr", values, [n * 3, n * 3 + 1, n * 3 + 2], "C", "<f4", None) for n in range(2)]
    for path, fill in zip(paths, (None, 0.0)):
        document = json.loads((path / "x/.zarray").read_text())
        (path / "x/.zarray").write_text(json.dumps(document | {"fill_value": fill}))
    refused = run("zdedup", "--dim", "file_id", "-o", tmp_path / "all.zarr", *paths)
    assert refused.code == 5 and "fill_value" in refused.stderr and not (tmp_path / "all.zarr").exists()
