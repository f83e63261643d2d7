"""zpoint on grids without axes: the cell that is nearest over the sphere; and the nearest valid cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import points
from points import Point
from ztools import run


def curvilinear(shape: tuple[int, int], origin: Point, step: float, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """A turned grid around a point; longitudes within ±180."""
    y, x = np.meshgrid(*((np.arange(length) - length / 2) * step for length in shape), indexing="ij")
    cos, sin = np.cos(turn), np.sin(turn)
    lat, lon = origin.lat + cos * y - sin * x, origin.lon + (sin * y + cos * x) / np.cos(np.radians(origin.lat))
    return lat, (lon + 180) % 360 - 180


def nearest_by_distance(lat: np.ndarray, lon: np.ndarray, asked: list[Point]) -> list[np.ndarray]:
    """The index of the cell that is nearest over the sphere, for each point."""
    flat = [int(np.argmin(points.distance_km(point.lat, point.lon, lat, lon))) for point in asked]
    return list(np.unravel_index(flat, lat.shape))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("origin", [Point(52, 4), Point(-40, 180), Point(70, -179)], ids=str)
def test_latitudes_over_two_dimensions(origin: Point, zarr_format: int, tmp_path: Path) -> None:
    """Also across the date line; nearest is nearest over the sphere."""
    lat, lon = curvilinear((20, 26), origin, 0.2, 0.4)
    dataset = xr.Dataset(
        {"t2m": (("time", "y", "x"), points.numbers((3, 20, 26)))},
        {
            "time": points.hours(3),
            "lat": (("y", "x"), lat, {"units": "degrees_north"}),
            "lon": (("y", "x"), lon, {"units": "degrees_east"}),
        },
    )
    store = points.write(dataset, tmp_path / "store.zarr", zarr_format, {"t2m": {"chunks": (2, 7, 9)}})
    random = np.random.default_rng(3)
    cells = [(int(y), int(x)) for y, x in zip(random.integers(1, 19, 30), random.integers(1, 25, 30), strict=True)]
    shift = random.uniform(-0.08, 0.08, (30, 2))
    asked = [Point(float(lat[at] + d[0]), float(lon[at] + d[1])) for at, d in zip(cells, shift, strict=True)]
    rows, cols = nearest_by_distance(lat, lon, asked)
    chosen = dataset.isel(y=xr.DataArray(rows, dims="point"), x=xr.DataArray(cols, dims="point"))
    table = points.extract(tmp_path, store, asked)
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))
    np.testing.assert_array_equal(table["grid_lat"].to_numpy()[:30], chosen["lat"].values)
    np.testing.assert_array_equal(table["grid_lon"].to_numpy()[:30], chosen["lon"].values)
    far = Point(origin.lat - 12, origin.lon)
    assert points.refused(2, store, *points.arguments([far]))["error"]


def test_latitudes_over_cells(tmp_path: Path) -> None:
    """Of a reduced or unstructured grid: one dimension for both."""
    random = np.random.default_rng(5)
    lat, lon = np.degrees(np.arcsin(random.uniform(-1, 1, 4000))), random.uniform(-180, 180, 4000)
    dataset = xr.Dataset(
        {"t2m": (("time", "cell"), points.numbers((3, 4000)))},
        {
            "time": points.hours(3),
            "lat": ("cell", lat, {"units": "degrees_north"}),
            "lon": ("cell", lon, {"units": "degrees_east"}),
        },
    )
    store = points.write(dataset, tmp_path / "store.zarr", 2, {"t2m": {"chunks": (2, 300)}})
    asked = points.anywhere(random, (-89, 89), (-180, 360), 40)
    (cells,) = nearest_by_distance(lat, lon, asked)
    chosen = dataset.isel(cell=xr.DataArray(cells, dims="point"))
    table = points.extract(tmp_path, store, asked, "--max-distance", "2000km")
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))


def test_projected_coordinates_beside_latitudes_are_not_used(tmp_path: Path) -> None:
    """x and y in metres name the dimensions; lat and lon are what counts."""
    lat, lon = curvilinear((12, 15), Point(52, 4), 0.2, 0.3)
    dataset = xr.Dataset(
        {
            "t2m": (("time", "y", "x"), points.numbers((3, 12, 15)), {"grid_mapping": "crs"}),
            "crs": ((), np.int32(0), {"grid_mapping_name": "lambert_conformal_conic"}),
        },
        {
            "time": points.hours(3),
            "y": ("y", np.arange(12) * 2e4, {"units": "m", "standard_name": "projection_y_coordinate"}),
            "x": ("x", np.arange(15) * 2e4, {"units": "m", "standard_name": "projection_x_coordinate"}),
            "lat": (("y", "x"), lat, {"units": "degrees_north"}),
            "lon": (("y", "x"), lon, {"units": "degrees_east"}),
        },
    )
    store = points.write(dataset, tmp_path / "store.zarr")
    asked = [Point(52.03, 4.1), Point(float(lat[3, 4]), float(lon[3, 4]))]
    rows, cols = nearest_by_distance(lat, lon, asked)
    chosen = dataset.isel(y=xr.DataArray(rows, dims="point"), x=xr.DataArray(cols, dims="point"))
    table = points.extract(tmp_path, store, asked)
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))


def test_metres_alone_are_refused_by_name(tmp_path: Path) -> None:
    """A projection without latitudes has no points."""
    dataset = xr.Dataset(
        {"t2m": (("y", "x"), points.numbers((4, 5)))},
        {
            "y": ("y", np.arange(4) * 2e4, {"units": "m", "standard_name": "projection_y_coordinate"}),
            "x": ("x", np.arange(5) * 2e4, {"units": "m", "standard_name": "projection_x_coordinate"}),
        },
    )
    store = points.write(dataset, tmp_path / "store.zarr")
    done = run("zpoint", store, *points.arguments([Point(1, 1)]))
    assert done.code == 2, done.stdout
    assert "lat" in done.of_type("error")[0]["error"]


# --------------------------------------------------------------------- nearest valid


def test_the_nearest_valid_cell_is_the_nearest_that_is_not_missing(tmp_path: Path) -> None:
    """Within the radius; without one in it, the run ends."""
    lat, lon = np.arange(50, 56, 0.5), np.arange(0, 10, 0.5)
    sst = points.numbers((3, 12, 20))
    land = np.random.default_rng(2).random((12, 20)) < 0.8
    sst[:, land] = np.nan
    dims = ("time", "lat", "lon")
    variables = {"sst": (dims, sst), "t2m": (dims, points.numbers((3, 12, 20), seed=9))}
    dataset = points.grid(lat, lon, **variables)
    store = points.write(dataset, tmp_path / "store.zarr")
    asked = [Point(52.13, 4.31), Point(54.4, 8.8), Point(50.1, 0.2)]
    lats, lons = np.meshgrid(lat, lon, indexing="ij")
    distances = [np.where(land, np.inf, points.distance_km(point.lat, point.lon, lats, lons)) for point in asked]
    rows, cols = np.unravel_index([int(np.argmin(distance)) for distance in distances], land.shape)
    chosen = dataset.isel(lat=xr.DataArray(rows, dims="point"), lon=xr.DataArray(cols, dims="point"))
    table = points.extract(tmp_path, store, asked, "--nearest-valid", "sst", "--search-radius", "200km")
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))
    dataset["sst"][:] = np.nan
    void = points.write(dataset, tmp_path / "void.zarr")
    done = run("zpoint", void, *points.arguments(asked), "--nearest-valid", "sst", "--search-radius", "200km")
    assert done.code in (1, 2), done.stdout
