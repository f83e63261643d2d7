"""zdedup --join inner: batches of different areas, judged by xarray's own inner join."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from test_dedup import assert_same, batch, decoded, save
from ztools import run


def inner(datasets: list[xr.Dataset], dim: str = "file_id") -> xr.Dataset:
    joined = xr.concat(datasets, dim=dim, data_vars="minimal", coords="minimal", compat="override", join="inner", combine_attrs="drop_conflicts")
    return joined.drop_duplicates(dim)


def area(ids, lat: slice, lon: slice) -> xr.Dataset:
    return batch(ids).isel(lat=lat, lon=lon)


AREAS = [
    [(slice(0, 6), slice(0, 8)), (slice(1, 6), slice(0, 6)), (slice(0, 5), slice(2, 8))],
    # Chunks of 3 x 4: a crop on a chunk boundary, whose chunks are copied.
    [(slice(0, 6), slice(4, 8)), (slice(0, 6), slice(0, 8))],
    [(slice(0, 6), slice(0, 8)), (slice(3, 6), slice(4, 8))],
]


@pytest.mark.parametrize("layout", ["v2", "v3", "v3-sharded"])
@pytest.mark.parametrize("areas", AREAS)
def test_the_common_area(tmp_path: Path, layout: str, areas: list) -> None:
    paths = []
    for number, (lat, lon) in enumerate(areas):
        dataset = area([2 * number, 2 * number + 1, 2 * number + 2], lat, lon)
        if layout == "v3-sharded" and dataset.sizes != batch([0]).sizes:
            chunks = (1, 5, 3, 4)
            shards = (1, 5, -(-dataset.sizes["lat"] // 3) * 3, -(-dataset.sizes["lon"] // 4) * 4)
            encoding = {"t2m": {"chunks": chunks, "shards": shards}, "packed": {"chunks": chunks, "dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}}
            dataset.to_zarr(tmp_path / f"b{number}.zarr", zarr_format=3, encoding=encoding)
            paths.append(tmp_path / f"b{number}.zarr")
        else:
            paths.append(save(dataset, tmp_path / f"b{number}.zarr", layout))
    wanted = inner(decoded(paths))
    refused = run("zdedup", "--dim", "file_id", "--keep", "first", "-o", tmp_path / "exact.zarr", *paths)
    assert refused.code == 5 and "shape" in refused.stderr
    done = run("zdedup", "--dim", "file_id", "--join", "inner", "-o", tmp_path / "all.zarr", *paths)
    done.assert_done()
    assert done.summary["conflicting"] == 0
    assert "the output has the" in done.stderr and "that all stores have" in done.stderr
    assert_same(tmp_path / "all.zarr", wanted)
    if layout != "v3-sharded" and areas[0][1] == slice(4, 8):
        # All but the coordinates and the variables of one dimension.
        assert done.summary["copied"] >= 2 * 5 * 2


def test_the_same_area_is_whole(tmp_path: Path) -> None:
    paths = [save(batch(ids), tmp_path / f"b{n}.zarr", "v3") for n, ids in enumerate([[0, 1], [2, 3]])]
    done = run("zdedup", "--dim", "file_id", "--join", "inner", "-o", tmp_path / "all.zarr", *paths)
    done.assert_done()
    assert "the output has" not in done.stderr
    assert_same(tmp_path / "all.zarr", inner(decoded(paths)))


def test_jitter_is_matched_within_the_tolerance(tmp_path: Path) -> None:
    first, second = batch([0, 1]), batch([2, 3]).isel(lat=slice(2, 6))
    second = second.assign_coords(lat=("lat", second.lat.values + 1e-9, second.lat.attrs))
    paths = [save(dataset, tmp_path / f"b{n}.zarr", "v3") for n, dataset in enumerate((first, second))]
    refused = run("zdedup", "--dim", "file_id", "--join", "inner", "-o", tmp_path / "all.zarr", *paths)
    assert refused.code == 5 and "lat" in refused.stderr
    run("zdedup", "--dim", "file_id", "--join", "inner", "--coord-tolerance", "1e-6", "-o", tmp_path / "all.zarr", *paths).assert_done()
    with xr.open_zarr(tmp_path / "all.zarr") as found:
        np.testing.assert_array_equal(found.lat.values, first.lat.values[2:])
        np.testing.assert_array_equal(found.t2m.values[2:], second.t2m.values)


def test_duplicates_are_compared_in_the_common_area(tmp_path: Path) -> None:
    """They differ only outside of it."""
    first, second = batch([0, 1]), batch([1, 2]).isel(lat=slice(0, 4))
    changed = first.copy(deep=True)
    changed["t2m"][:, :, 5, :] = 0
    paths = [save(dataset, tmp_path / f"b{n}.zarr", "v3") for n, dataset in enumerate((changed, second))]
    found = run("zdedup", "--dim", "file_id", "--join", "inner", *paths)
    assert (found.code, found.summary["identical"], found.summary["conflicting"]) == (1, 1, 0)
    changed["t2m"][:, :, 2, :] = 0
    paths[0] = save(changed, tmp_path / "c.zarr", "v3")
    found = run("zdedup", "--dim", "file_id", "--join", "inner", *paths)
    assert (found.code, found.summary["identical"], found.summary["conflicting"]) == (1, 0, 1)


def test_areas_without_a_common_range_are_refused(tmp_path: Path) -> None:
    apart = [area([0], slice(0, 3), slice(0, 8)), area([1], slice(3, 6), slice(0, 8))]
    paths = [save(dataset, tmp_path / f"apart{n}.zarr", "v3") for n, dataset in enumerate(apart)]
    refused = run("zdedup", "--dim", "file_id", "--join", "inner", "-o", tmp_path / "all.zarr", *paths)
    assert refused.code == 5 and "lat" in refused.stderr and not (tmp_path / "all.zarr").exists()
    thinned = batch([1]).isel(lat=[0, 2, 4])
    paths[1] = save(thinned, tmp_path / "thinned.zarr", "v3")
    refused = run("zdedup", "--dim", "file_id", "--join", "inner", "-o", tmp_path / "all.zarr", *paths)
    assert refused.code == 5 and "follow" in refused.stderr and not (tmp_path / "all.zarr").exists()


def test_an_append_keeps_the_area_of_the_store(tmp_path: Path) -> None:
    store = save(area([0, 1], slice(1, 4), slice(0, 8)), tmp_path / "all.zarr", "v3")
    old = decoded([store])[0]
    larger = save(batch([2, 3]), tmp_path / "larger.zarr", "v3")
    run("zdedup", "--dim", "file_id", "--join", "inner", "--append-to", store, larger).assert_done()
    with xr.open_zarr(store) as found:
        assert found.sizes["lat"] == 3 and list(found.file_id.values) == [0, 1, 2, 3]
        np.testing.assert_array_equal(found.t2m.values, np.concatenate([old.t2m.values, batch([2, 3]).t2m.values[:, :, 1:4]]))
    smaller = save(area([4], slice(1, 3), slice(0, 8)), tmp_path / "smaller.zarr", "v3")
    refused = run("zdedup", "--dim", "file_id", "--join", "inner", "--append-to", store, smaller)
    assert refused.code == 5 and "not all values of lat" in refused.stderr


def test_parts_have_the_same_area(tmp_path: Path) -> None:
    paths = [save(area([0, 1], slice(0, 6), slice(0, 8)), tmp_path / "a.zarr", "v2"), save(area([2, 3], slice(2, 6), slice(1, 7)), tmp_path / "b.zarr", "v2")]
    output = tmp_path / "all.zarr"
    run("zdedup", "--dim", "file_id", "--join", "inner", "--prepare", "--parts", "2", "-o", output, *paths).assert_done()
    refused = run("zdedup", "--join", "override", "--part", "1/2", "-o", output)
    assert refused.code == 2 and "--join differs from the unfinished run" in refused.stderr
    for part in ("1/2", "2/2"):
        run("zdedup", "--part", part, "-o", output).assert_done()
    run("zdedup", "--finish", "-o", output).assert_done()
    assert_same(output, inner(decoded(paths)))


def line(path: Path, ids: list[int], lat: list[float]) -> Path:
    values = np.array(ids)[:, None] * 100.0 + np.nan_to_num(np.array(lat), nan=50, posinf=60)[None, :]
    dataset = xr.Dataset({"t": (("file_id", "lat"), values)}, coords={"file_id": ids, "lat": lat})
    dataset["lat"].encoding["_FillValue"] = None
    dataset.to_zarr(path)
    return path


def test_the_nearest_value_within_the_tolerance_is_taken(tmp_path: Path) -> None:
    paths = [line(tmp_path / "a.zarr", [0], [0, 1, 2, 3]), line(tmp_path / "b.zarr", [1], [-1, 0, 1, 2, 3])]
    command = ["zdedup", "--dim", "file_id", "--join", "inner", "--coord-tolerance", "1"]
    run(*command, "-o", tmp_path / "all.zarr", *paths).assert_done()
    with xr.open_zarr(tmp_path / "all.zarr") as found:
        assert list(found.lat.values) == [0, 1, 2, 3]
        np.testing.assert_array_equal(found.t.values, [[0, 1, 2, 3], [100, 101, 102, 103]])


@pytest.mark.parametrize("lat", [[0, 1, np.nan], [0, np.nan, 2], [0, 1, np.inf], [1, 1, 2]])
def test_equal_coordinates_are_whole_whatever_they_hold(tmp_path: Path, lat: list[float]) -> None:
    paths = [line(tmp_path / f"{n}.zarr", [n], lat) for n in range(2)]
    run("zdedup", "--dim", "file_id", "--join", "inner", "-o", tmp_path / "all.zarr", *paths).assert_done()
    with xr.open_zarr(tmp_path / "all.zarr") as found:
        np.testing.assert_array_equal(found.lat.values, lat)


def test_a_store_that_cannot_be_read_does_not_mix_up_the_others(tmp_path: Path) -> None:
    first = line(tmp_path / "a.zarr", [0, 1], [0, 1, 2])
    last = line(tmp_path / "c.zarr", [1, 2], [1, 2, 3])
    (tmp_path / "b.zarr").mkdir()
    found = run("zdedup", "--dim", "file_id", "--join", "inner", first, tmp_path / "b.zarr", last)
    assert found.code == 1 and len(found.of_type("error")) == 1
    assert (found.summary["identical"], found.summary["conflicting"]) == (1, 0)
