"""zdedup: the concatenation without duplicates, judged by xarray's own concatenation of the same batches."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ztools import binary, run

ROWS, COLUMNS, TIMES = 6, 8, 5


def batch(ids, first_time="2019-01-01", dim="file_id", seed=0, **changes) -> xr.Dataset:
    """A batch whose data follow from its coordinate, so that equal values of it have equal data."""
    ids = np.asarray(ids)
    weather = np.stack([np.random.default_rng([seed, int(i)]).normal(280, 9, (TIMES, ROWS, COLUMNS)) for i in ids]) if len(
        ids
    ) else np.empty((0, TIMES, ROWS, COLUMNS))
    dataset = xr.Dataset(
        {
            "t2m": ((dim, "time", "lat", "lon"), weather.astype("f4"), {"units": "K"}),
            "packed": ((dim, "time", "lat", "lon"), weather),
            "flag": ((dim,), ids % 2 == 0),
            "mask": (("lat", "lon"), np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) % 3 == 0),
        },
        coords={
            dim: ids,
            "label": ((dim,), np.array([f"file {i:03}" for i in ids], dtype="<U12")),
            "time": np.datetime64(first_time, "ns") + np.arange(TIMES).astype("m8[h]"),
            "lat": ("lat", np.linspace(60, 50, ROWS), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(-10, 4, COLUMNS), {"units": "degrees_east"}),
        },
        attrs={"title": "batches", "history": f"made of {list(map(int, ids))}"},
    )
    return dataset.assign(changes)


PACKING = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}


def save(dataset: xr.Dataset, path: Path, layout: str, chunk: int = 1) -> Path:
    """Writes a batch; `layout` is v2, v3 or v3-sharded."""
    dim = dataset["t2m"].dims[0]
    length = max(1, dataset.sizes[dim])
    encoding = {name: {"chunks": (min(chunk, length), TIMES, 3, 4)} for name in ("t2m", "packed")}
    encoding["packed"] |= PACKING
    if layout == "v3-sharded":
        encoding["t2m"]["shards"] = (min(chunk, length), TIMES, 6, 8)
    dataset.to_zarr(path, zarr_format=int(layout[1]), encoding=encoding)
    return path


def expected(datasets: list[xr.Dataset], dim: str = "file_id", keep: str = "first") -> xr.Dataset:
    joined = xr.concat(
        datasets, dim=dim, data_vars="minimal", coords="minimal", compat="override", join="exact", combine_attrs="drop_conflicts"
    )
    return joined.drop_duplicates(dim, keep=keep)


def decoded(paths: list[Path]) -> list[xr.Dataset]:
    return [xr.open_zarr(path).load() for path in paths]


def assert_same(output: Path, wanted: xr.Dataset) -> None:
    with xr.open_zarr(output, consolidated=True) as found:
        found = found.load()
    xr.testing.assert_identical(found.drop_encoding(), wanted.drop_encoding())
    # Without consolidated metadata, the same.
    with xr.open_zarr(output, consolidated=False) as found:
        xr.testing.assert_identical(found.load().drop_encoding(), wanted.drop_encoding())


RANGES = [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6], [7], [6, 7, 8, 9, 10]]


@pytest.mark.parametrize("layout", ["v2", "v3", "v3-sharded"])
@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_the_concatenation_is_xarrays(tmp_path: Path, layout: str, chunk: int) -> None:
    paths = [save(batch(ids), tmp_path / f"batch_{n}.zarr", layout, chunk) for n, ids in enumerate(RANGES)]
    wanted = expected(decoded(paths))
    done = run("zdedup", "--dim", "file_id", "-o", tmp_path / "all.zarr", *paths)
    done.assert_done()
    summary = done.summary
    assert (summary["values"], summary["unique"], summary["duplicates"]) == (17, 11, 6)
    assert (summary["identical"], summary["conflicting"], summary["kept"]) == (6, 0, 11)
    assert summary["copied"] > 0 and (summary["objects"] == summary["copied"] + summary["recoded"])
    assert_same(tmp_path / "all.zarr", wanted)


@pytest.mark.parametrize("keep", ["first", "last"])
def test_conflicts_are_decided_by_keep(tmp_path: Path, keep: str) -> None:
    datasets = [batch([0, 1, 2]), batch([1, 2, 3], seed=1)]
    paths = [save(dataset, tmp_path / f"b{n}.zarr", "v3") for n, dataset in enumerate(datasets)]
    refused = run("zdedup", "--dim", "file_id", "-o", tmp_path / "all.zarr", *paths)
    assert refused.code == 1 and not (tmp_path / "all.zarr").exists()
    run("zdedup", "--dim", "file_id", "--keep", keep, "-o", tmp_path / "all.zarr", *paths).assert_done()
    assert_same(tmp_path / "all.zarr", expected(decoded(paths), keep=keep))


@pytest.mark.parametrize("differs", [False, True])
def test_duplicates_whose_times_count_from_other_dates_are_compared(tmp_path: Path, differs: bool) -> None:
    """Equal times are identical data, whatever date they count from; xarray sees the same."""
    paths = []
    for number, ids in enumerate([[0, 1, 2], [2, 3]]):
        hours = np.asarray(ids) * 24 + np.array([[6], [18]])
        valid = (np.datetime64("2019-01-01", "ns") + hours.T.astype("m8[h]")).astype("M8[ns]")
        if differs and number:
            valid[0, 1] += np.timedelta64(1, "h")
        dataset = batch(ids).assign(valid=(("file_id", "lead"), valid))
        dataset["valid"].encoding = {"units": f"hours since 2019-01-0{1 + number}", "dtype": "i8"}
        dataset["time"].encoding = {"units": "hours since 2019-01-01", "dtype": "i8"}
        paths.append(save(dataset, tmp_path / f"b{number}.zarr", "v2"))
    report = run("zdedup", "--dim", "file_id", *paths)
    assert report.code == 1
    summary = report.summary
    assert (summary["duplicates"], summary["identical"], summary["not_compared"]) == (1, int(not differs), 0)
    if differs:
        (conflict,) = report.of_type("conflict")
        assert (conflict["path"], conflict["differing"], conflict["max_abs_difference"]) == ("/valid", 1, 1)
        return
    run("zdedup", "--dim", "file_id", "-o", tmp_path / "all.zarr", *paths).assert_done()
    assert_same(tmp_path / "all.zarr", expected(decoded(paths)))


def test_sorted_by_time_with_other_reference_dates(tmp_path: Path) -> None:
    """Each month counts from its own date, as xarray writes it."""
    days = [np.datetime64("2019-03-01", "ns"), np.datetime64("2019-01-01", "ns"), np.datetime64("2019-02-01", "ns")]
    paths = []
    for number, first in enumerate(days):
        times = first + np.arange(7).astype("m8[h]")
        values = np.arange(7 * ROWS * COLUMNS, dtype="f4").reshape(7, ROWS, COLUMNS) + 1000 * number
        dataset = xr.Dataset({"t2m": (("time", "lat", "lon"), values)}, coords={"time": times})
        units = f"hours since {str(first)[:10]}"
        dataset.to_zarr(tmp_path / f"m{number}.zarr", encoding={"time": {"units": units, "dtype": "i8"}, "t2m": {"chunks": (7, 3, 4)}})
        paths.append(tmp_path / f"m{number}.zarr")
    run("zdedup", "--dim", "time", "--sort", "-o", tmp_path / "all.zarr", *paths).assert_done()
    wanted = xr.concat(decoded(paths), dim="time").sortby("time")
    assert_same(tmp_path / "all.zarr", wanted)


def test_calendars_are_not_mixed(tmp_path: Path) -> None:
    paths = []
    for calendar in ("noleap", "360_day"):
        attributes = {"units": "days since 2019-01-01", "calendar": calendar}
        coords = {"time": ("time", np.arange(3), attributes)}
        xr.Dataset({"t": (("time",), np.arange(3.0))}, coords=coords).to_zarr(tmp_path / f"{calendar}.zarr")
        paths.append(tmp_path / f"{calendar}.zarr")
    refused = run("zdedup", "--dim", "time", "-o", tmp_path / "all.zarr", *paths)
    assert refused.code == 5 and "calendar" in refused.stderr


def test_string_coordinates(tmp_path: Path) -> None:
    names = [["a", "b", "c"], ["c", "dd"], ["a longer name"]]
    paths = []
    for number, labels in enumerate(names):
        values = np.array([[float(ord(label[0]))] * 3 for label in labels])
        dataset = xr.Dataset({"x": (("station", "time"), values)}, coords={"station": np.array(labels, dtype=object)})
        dataset.to_zarr(tmp_path / f"s{number}.zarr", zarr_format=2)
        paths.append(tmp_path / f"s{number}.zarr")
    run("zdedup", "--dim", "station", "-o", tmp_path / "all.zarr", *paths).assert_done()
    with xr.open_zarr(tmp_path / "all.zarr") as found:
        assert list(found["station"].values) == ["a", "b", "c", "dd", "a longer name"]
        np.testing.assert_array_equal(found["x"].values[:, 0], [97.0, 98.0, 99.0, 100.0, 97.0])


def test_missing_chunks_are_read_as_the_fill_values_of_their_batch(tmp_path: Path) -> None:
    """Batches with other fill values, and chunks that are not stored."""
    paths = []
    for number, fill in enumerate([np.nan, -1.0]):
        ids = np.arange(3) + 3 * number
        values = np.full((3, 4), fill)
        values[1] = 7.0
        dataset = xr.Dataset({"x": (("file_id", "lat"), values)}, coords={"file_id": ids})
        dataset["x"].encoding = {"chunks": (1, 4), "_FillValue": None}
        path = tmp_path / f"f{number}.zarr"
        dataset.to_zarr(path, zarr_format=3, consolidated=False, write_empty_chunks=False)
        document = json.loads((path / "x/zarr.json").read_text())
        document["fill_value"] = "NaN" if np.isnan(fill) else fill
        (path / "x/zarr.json").write_text(json.dumps(document))
        for chunk in (0, 2):
            (path / f"x/c/{chunk}/0").unlink(missing_ok=True)
        paths.append(path)
    run("zdedup", "--dim", "file_id", "-o", tmp_path / "all.zarr", *paths).assert_done()
    with xr.open_zarr(tmp_path / "all.zarr", mask_and_scale=False) as found:
        np.testing.assert_array_equal(found["x"].values[:, 0], [np.nan, 7, np.nan, -1, 7, -1])


@pytest.mark.parametrize("layout", ["v2", "v3", "v3-sharded"])
@pytest.mark.parametrize("chunk", [1, 3])
def test_appended_batches_are_xarrays_concatenation(tmp_path: Path, layout: str, chunk: int) -> None:
    ranges = [[0, 1, 2, 3, 4], [4, 5, 6, 7], [8], [7, 8, 9, 10]]
    paths = [save(batch(ids), tmp_path / f"b{n}.zarr", layout, chunk) for n, ids in enumerate(ranges)]
    datasets = decoded(paths)
    store = tmp_path / "all.zarr"
    run("zdedup", "--dim", "file_id", "-o", store, paths[0]).assert_done()
    for number, path in enumerate(paths[1:], start=2):
        done = run("zdedup", "--dim", "file_id", "--append-to", store, path)
        done.assert_done()
        wanted = expected(datasets[:number])
        # The attributes of the store are kept.
        assert_same(store, wanted.assign_attrs(datasets[0].attrs))
    again = run("zdedup", "--dim", "file_id", "--append-to", store, *paths)
    again.assert_done()
    assert "nothing to append" in again.stderr


def test_readers_in_between_see_the_old_store_or_the_new_one(tmp_path: Path) -> None:
    """A chunk that was partly filled is replaced, and the run is killed at random moments."""
    first = save(batch(np.arange(4)), tmp_path / "first.zarr", "v2", chunk=3)
    later = save(batch(np.arange(4, 200)), tmp_path / "later.zarr", "v2", chunk=3)
    old, new = (xr.open_zarr(path).load() for path in (first, later))
    for milliseconds in (0, 20, 60, 120):
        store = tmp_path / f"all_{milliseconds}.zarr"
        run("zdedup", "--dim", "file_id", "-o", store, first).assert_done()
        command = [binary("zdedup"), "--json", "--dim", "file_id", "--checkpoint", "10ms", "--append-to", store, later]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(milliseconds / 1000)
        child.kill()
        child.wait(timeout=60)
        for _ in range(2):
            with xr.open_zarr(store, consolidated=True) as found:
                found = found.load()
            assert found.sizes["file_id"] in (4, 200)
            np.testing.assert_array_equal(found["t2m"].values[:4], old["t2m"].values)
            np.testing.assert_array_equal(found["file_id"].values, np.arange(found.sizes["file_id"]))
            run("zdedup", "--dim", "file_id", "--resume", "--append-to", store, later).assert_done()
        np.testing.assert_array_equal(found["t2m"].values[4:], new["t2m"].values)


def test_a_missing_coordinate_value_is_no_duplicate(tmp_path: Path) -> None:
    paths = []
    for number, values in enumerate(([0.0, np.nan], [1.0, np.nan])):
        dataset = xr.Dataset({"x": (("level",), np.arange(2.0))}, coords={"level": values})
        dataset["level"].encoding["_FillValue"] = None
        dataset.to_zarr(tmp_path / f"n{number}.zarr")
        paths.append(tmp_path / f"n{number}.zarr")
    found = run("zdedup", "--dim", "level", *paths)
    assert found.code == 1
    assert (found.summary["missing_values"], found.summary["duplicates"]) == (2, 0)
    refused = run("zdedup", "--dim", "level", "-o", tmp_path / "all.zarr", *paths)
    assert refused.code == 1 and "missing" in refused.stderr and not (tmp_path / "all.zarr").exists()


def test_longitude_conventions_are_not_mixed(tmp_path: Path) -> None:
    west, east = batch([0, 1]), batch([2, 3])
    east = east.assign_coords(lon=("lon", east.lon.values % 360, east.lon.attrs))
    paths = [save(dataset, tmp_path / f"{n}.zarr", "v3") for n, dataset in enumerate((west, east))]
    refused = run("zdedup", "--dim", "file_id", "-o", tmp_path / "all.zarr", *paths)
    assert refused.code == 5 and "lon" in refused.stderr and "not those in" in refused.stderr
