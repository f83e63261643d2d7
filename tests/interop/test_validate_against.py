"""`zvalidate --against` and manifests, judged by zarr-python, xarray and NumPy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from ztools import Run, run

SHAPE = (13, 17, 8)
CHUNKS = ((13, 17, 8), (1, 17, 8), (4, 5, 3), (13, 2, 8))
DTYPES = ("f4", ">f8", "f2", "i2", ">i4", "u8", "c8", "c16", "M8[s]", "m8[ms]", "?", "S3", "U4")


def values_of(dtype: str, seed: int = 1) -> np.ndarray:
    """Values of a type, with NaN and negative zeros where it has them."""
    random = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind in "SU":
        return random.integers(0, 999, SHAPE).astype(dtype)
    values = random.integers(0, 100, SHAPE).astype("i8" if kind in "mM" else dtype)
    values = values.astype(dtype)
    if kind in "fc":
        values[random.random(SHAPE) < 0.1] = np.nan
        values[random.random(SHAPE) < 0.1] = -0.0
    return values


def write(path: Path, values: np.ndarray, *, zarr_format: int, chunks: tuple, shards: tuple | None = None, order: str = "C") -> Path:
    """One array as a store of its own."""
    more: dict = {"shards": shards} if shards else {}
    if zarr_format == 2:
        more["order"] = order
    array = zarr.create_array(path, shape=values.shape, chunks=chunks, dtype=values.dtype, zarr_format=zarr_format, **more)
    array[...] = values
    return path


def compare(one: Path, other: Path, *more: str) -> Run:
    """The comparison of two stores."""
    return run("zvalidate", one, "--against", other, *more)


def expected(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where NumPy sees a difference."""
    same = one == other
    if one.dtype.kind in "fc":
        same |= np.isnan(one) & np.isnan(other)
    if one.dtype.kind in "mM":
        same |= np.isnat(one) & np.isnat(other)
    return ~same


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", DTYPES)
def test_differs_exactly_where_numpy_says(dtype: str, tmp_path: Path) -> None:
    """Equal in any chunks, and with the first and the number of the differences that NumPy counts."""
    values, other = values_of(dtype), values_of(dtype)
    spots = np.random.default_rng(7).random(SHAPE) < 0.03
    other[spots] = values_of(dtype, seed=2)[spots]
    layouts = [
        {"zarr_format": 2, "chunks": CHUNKS[0]},
        {"zarr_format": 2, "chunks": CHUNKS[2], "order": "F"},
        {"zarr_format": 3, "chunks": CHUNKS[1]},
        {"zarr_format": 3, "chunks": CHUNKS[2], "shards": (8, 20, 6)},
        {"zarr_format": 3, "chunks": CHUNKS[3]},
    ]
    first = write(tmp_path / "first", values, **layouts[2])
    differs = expected(values, other)
    for number, layout in enumerate(layouts):
        same = compare(first, write(tmp_path / f"same{number}", values, **layout))
        assert same.code == 0, same.stdout
        found = compare(first, write(tmp_path / f"other{number}", other, **layout))
        assert found.code == 1, found.stdout
        [record] = found.of_type("compare")
        assert record["differing"] == np.count_nonzero(differs)
        assert tuple(record["first_index"]) == tuple(np.argwhere(differs)[0])
        assert record["compared"] == values.size


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u4"])
@pytest.mark.parametrize(("rtol", "atol"), [(0.0, 0.5), (0.01, 0.0), (1e-3, 2.0)])
def test_tolerances_are_those_of_isclose(dtype: str, rtol: float, atol: float, tmp_path: Path) -> None:
    """numpy.isclose in double precision, and the largest absolute difference."""
    random = np.random.default_rng(3)
    values = (random.random(SHAPE) * 300).astype(dtype)
    other = (values + random.normal(0, 2, SHAPE)).clip(0, 400).astype(dtype)
    one = write(tmp_path / "one", values, zarr_format=3, chunks=CHUNKS[1])
    two = write(tmp_path / "two", other, zarr_format=2, chunks=CHUNKS[2])
    found = compare(one, two, "--rtol", str(rtol), "--atol", str(atol))
    [record] = found.of_type("compare")
    a, b = values.astype("f8"), other.astype("f8")
    assert record["differing"] == np.count_nonzero(~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True))
    assert record["max_abs_difference"] == np.abs(a - b).max()


@pytest.mark.filterwarnings("ignore")
def test_stores_of_xarray(tmp_path: Path) -> None:
    """The same dataset in both formats and other chunks is equal, also with values that are not stored."""
    times = np.datetime64("2020-01-01", "ns") + np.arange(30) * np.timedelta64(6, "h")
    field = np.random.default_rng(5).normal(280, 9, (30, 20, 24)).astype("f4")
    field[10:20] = np.nan
    dataset = xr.Dataset(
        {"t2m": (("time", "lat", "lon"), field, {"units": "K"}), "name": (("lat",), [f"row {n}" for n in range(20)])},
        {"time": times, "lat": np.linspace(90, -90, 20), "lon": np.arange(24) * 15.0},
    )
    dataset.to_zarr(tmp_path / "maps", zarr_format=2, encoding={"t2m": {"chunks": (1, 20, 24)}}, write_empty_chunks=False)
    dataset.to_zarr(tmp_path / "series", zarr_format=2, encoding={"t2m": {"chunks": (30, 5, 6)}}, write_empty_chunks=True)
    found = compare(tmp_path / "maps", tmp_path / "series")
    found.assert_done()
    assert {record["path"]: record["result"] for record in found.of_type("compare")}["/t2m"] == "equal"
    noted = [record for record in found.of_type("finding") if record["kind"] == "chunks_in_one"]
    assert not noted or noted[0]["severity"] == "info"
    changed = dataset.copy(deep=True)
    changed["t2m"][25, 19, 23] += 1
    changed.to_zarr(tmp_path / "changed", zarr_format=2, encoding={"t2m": {"chunks": (7, 7, 7)}})
    found = compare(tmp_path / "changed", tmp_path / "maps")
    assert found.code == 1
    [finding] = [record for record in found.of_type("finding") if record["severity"] == "error"]
    assert (finding["first_index"], finding["differing"]) == ([25, 19, 23], 1)


@pytest.mark.parametrize("layout", range(4))
def test_lists_name_the_objects_that_numpy_says(layout: int, tmp_path: Path) -> None:
    """Missing are those that only the other store has, corrupt those that hold other values or cannot be decoded."""
    random = np.random.default_rng(layout)
    values = random.normal(0, 1, SHAPE).astype("f4")
    chunks = (4, 5, 3)
    counts = [-(-length // chunk) for length, chunk in zip(SHAPE, chunks, strict=True)]
    every = [tuple(index) for index in np.ndindex(*counts)]
    picked = [every[number] for number in random.choice(len(every), 9, replace=False)]
    missing, damaged, different = picked[:3], picked[3:6], picked[6:]
    changed = values.copy()
    for index in different:
        changed[tuple(number * chunk for number, chunk in zip(index, chunks, strict=True))] += 1
    store = write(tmp_path / "store", changed, zarr_format=2, chunks=chunks)
    others = [
        {"zarr_format": 2, "chunks": chunks},
        {"zarr_format": 3, "chunks": (13, 2, 8)},
        {"zarr_format": 3, "chunks": (2, 2, 2), "shards": (8, 20, 6)},
        {"zarr_format": 2, "chunks": (13, 17, 8), "order": "F"},
    ]
    other = write(tmp_path / "other", values, **others[layout])
    key = {index: ".".join(map(str, index)) for index in every}
    for index in missing:
        (store / key[index]).unlink()
    for index in damaged:
        (store / key[index]).write_bytes(b"not a chunk")

    def listed(flag: str) -> list[str]:
        file = tmp_path / flag
        assert compare(store, other, flag, str(file)).code == 1
        return file.read_text().splitlines()

    assert listed("--missing") == [f"{store}/{key[index]}" for index in sorted(missing)]
    assert listed("--corrupt") == [f"{store}/{key[index]}" for index in sorted(damaged + different)]
    combined = dict(line.split(" ", 1)[::-1] for line in listed("--combined"))
    assert len(combined) == len(every)
    assert sum(sign == "=" for sign in combined.values()) == len(every) - 9


def test_manifest_of_rechunked_stores(tmp_path: Path) -> None:
    """Hashes of values are equal in any chunks, and those of bytes are SHA-256."""
    import hashlib

    values = values_of("f4")
    hashes = set()
    for number, chunks in enumerate(CHUNKS):
        for zarr_format in (2, 3):
            store = write(tmp_path / f"{number}-{zarr_format}", values, zarr_format=zarr_format, chunks=chunks)
            manifest = tmp_path / f"{number}-{zarr_format}.manifest"
            run("zvalidate", store, "--write-manifest", manifest).assert_done()
            run("zvalidate", store, "--manifest", manifest).assert_done()
            lines = [json.loads(line) for line in manifest.read_text().splitlines()]
            [array] = [line for line in lines if line["type"] == "values"]
            hashes.add(array["values"])
            for line in lines:
                if line["type"] == "object":
                    assert line["sha256"] == hashlib.sha256((store / line["key"]).read_bytes()).hexdigest()
    assert len(hashes) == 1
