"""zpoint --method linear against xarray's .interp()."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import points
from points import Point
from ztools import FIXTURES


def interpolated(dataset: xr.Dataset, asked: list[Point], names: tuple[str, str] = ("lat", "lon")) -> xr.Dataset:
    """Bilinear by xarray."""
    lats, lons = ([getattr(point, key) for point in asked] for key in ("lat", "lon"))
    indexers = {names[0]: xr.DataArray(lats, dims="point"), names[1]: xr.DataArray(lons, dims="point")}
    return dataset.interp(indexers, method="linear")


def assert_close(found: points.Columns, expected: points.Columns, dataset: xr.Dataset) -> None:
    """Values as near as 32-bit floats are. Floats keep their type, where xarray makes 64 bits of 32."""
    assert list(found) == list(expected)
    for name, column in expected.items():
        if name == "time":
            points.assert_same_bits(found[name], column, name)
            continue
        kept = dataset[name].dtype if dataset[name].dtype.kind == "f" else np.dtype("f8")
        assert found[name].dtype == kept, name
        assert np.allclose(found[name], column, rtol=1e-6, atol=1e-6, equal_nan=True), name


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u1", "i4"])
def test_between_cells_as_xarray_interpolates(dtype: str, tmp_path: Path) -> None:
    """On coordinates, in the middle, anywhere; with falling latitudes; integers become 64-bit floats."""
    lat, lon = np.arange(50, 39, -0.5), np.arange(-5, 6, 0.25)
    dataset = points.grid(lat, lon, v=(("time", "lat", "lon"), points.numbers((3, 22, 44), dtype)))
    store = points.write(dataset, tmp_path / "store.zarr", 3)
    random = np.random.default_rng(4)
    asked = [Point(45, 0), Point(45.25, 0.125), Point(45, 0.1), Point(50, -5), Point(39.5, 5.75)]
    asked += points.anywhere(random, (39.5, 50), (-5, 5.75), 40)
    table = points.extract(tmp_path, store, asked, "--method", "linear")
    with points.opened(store) as opened:
        assert_close(points.columns(table), points.rows(interpolated(opened, asked), "time"), opened)


def test_between_cells_of_real_data(find_store, tmp_path: Path) -> None:
    """Real temperatures, packed and not."""
    asked = [Point(51.51, -0.12), Point(57.9, 1.9), Point(50, -10)]
    for name in ("era5-uk-v2.zarr", "era5-uk-packed-v2.zarr"):
        store = find_store(name)
        table = points.extract(tmp_path, store, asked, "--method", "linear")
        with points.opened(store) as opened:
            expected = points.rows(interpolated(opened, asked, ("latitude", "longitude")), "time")
            assert_close(points.columns(table), expected, opened)


def test_between_the_last_and_the_first_column(tmp_path: Path) -> None:
    """The globe is round, for which xarray needs a column more."""
    store = FIXTURES / "weather-v2.zarr"
    asked = [Point(51.5, -0.5), Point(-33.3, 359.1), Point(0, 358), Point(10.5, 1.5)]
    names = ("latitude", "longitude")
    with points.opened(store) as dataset:
        around = points.around_the_globe(dataset.load().astype("f8"), "longitude")
        around["time"] = dataset["time"]
        expected = interpolated(around, points.turned(asked, 0.0), names)
    table = points.extract(tmp_path, store, asked, "--method", "linear")
    found = points.columns(table)
    for name, column in points.rows(expected, "time").items():
        if name != "time":
            assert np.allclose(found[name], column, rtol=1e-6, atol=1e-9, equal_nan=True), name


def test_between_cells_of_which_one_is_missing(tmp_path: Path) -> None:
    """A missing neighbour makes a value missing, as in xarray; but none of weight 0."""
    lat, lon = np.arange(40, 45, 1.0), np.arange(0, 5, 1.0)
    values = points.numbers((3, 5, 5))
    values[:, 2, 2] = np.nan
    store = points.write(points.grid(lat, lon, v=(("time", "lat", "lon"), values)), tmp_path / "store.zarr")
    asked = [Point(42.5, 2.5), Point(41.5, 1.5), Point(43.2, 3.3), Point(40.5, 2)]
    table = points.extract(tmp_path, store, asked, "--method", "linear")
    with points.opened(store) as opened:
        assert_close(points.columns(table), points.rows(interpolated(opened, asked), "time"), opened)
    beside = points.extract(tmp_path, store, [Point(42, 1), Point(41, 2)], "--method", "linear")
    points.assert_same_bits(points.columns(beside)["v"], values[:, [2, 1], [1, 2]].ravel(), "v")
