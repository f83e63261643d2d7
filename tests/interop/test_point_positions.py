"""zpoint against xarray and zarr-python: units of coordinates, cells without a position, filters and carried coordinates."""

from __future__ import annotations

from pathlib import Path

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr

import points
from points import Point
from test_point_decode import LAT, LON, SHAPE, add, base


def cells(store: Path, lat: np.ndarray, lon: np.ndarray, zarr_format: int, fill, **attributes) -> Path:
    """Values over cells, with the coordinates `clat` and `clon` of any units and fill value."""
    group = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    dims = ["cell"] if lat.ndim == 1 else ["y", "x"]

    def put(name: str, values: np.ndarray, fill, **own) -> None:
        options = {"dimension_names": dims} if zarr_format == 3 else {}
        if zarr_format == 2:
            own["_ARRAY_DIMENSIONS"] = dims
        array = group.create_array(
            name, shape=values.shape, chunks=values.shape, dtype=values.dtype, fill_value=fill, attributes=own, **options
        )
        array[...] = values

    put("clat", lat, fill, standard_name="latitude", **attributes)
    put("clon", lon, fill, standard_name="longitude", **attributes)
    put("t", np.arange(lat.size, dtype="f4").reshape(lat.shape), np.nan, coordinates="clat clon")
    return store


def nearest(store: Path, point: Point, degrees: float = 1.0) -> float:
    """The value of the nearest cell that has a position according to xarray."""
    with points.opened(store) as dataset:
        lat, lon = (np.asarray(dataset[name].values, "f8") * degrees for name in ("clat", "clon"))
        far = points.distance_km(point.lat, point.lon, lat, lon)
        return float(dataset["t"].values.ravel()[np.nanargmin(far)])


def anywhere(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells all over the globe."""
    random = np.random.default_rng(5)
    return np.degrees(np.arcsin(random.uniform(-1, 1, count))), random.uniform(-180, 180, count)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("units", "degrees"), [("radian", np.degrees(1)), ("radians", np.degrees(1)), ("0.01 degrees", 0.01)])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_units(units: str, degrees: float, dtype: str, zarr_format: int, tmp_path: Path) -> None:
    """Coordinates in other units give the cells that they give in degrees."""
    lat, lon = anywhere(3000)
    store = cells(tmp_path / "s.zarr", (lat / degrees).astype(dtype), (lon / degrees).astype(dtype), zarr_format, None if zarr_format == 2 else 0, units=units)
    asked = points.anywhere(np.random.default_rng(1), (-85, 85), (-180, 180), 50)
    table = points.extract(tmp_path, store, asked, "--max-distance", "5000km")
    assert [float(value.as_py()) for value in table["t"]] == [nearest(store, point, degrees) for point in asked]


@pytest.mark.parametrize(("zarr_format", "fill"), [(2, 1e20), (2, np.nan), (2, -999.0), (2, -1.0), (3, np.nan), (3, 1e20)])
@pytest.mark.parametrize("rank", [1, 2])
def test_cells_without_a_position(rank: int, zarr_format: int, fill: float, tmp_path: Path) -> None:
    """What xarray masks is no candidate: land of an ocean grid, a station that has not been surveyed."""
    lat, lon = anywhere(3000)
    gone = np.random.default_rng(2).random(lat.size) < 0.3
    lat[gone], lon[gone] = fill, fill
    if rank == 2:
        lat, lon = lat.reshape(50, 60), lon.reshape(50, 60)
    store = cells(tmp_path / "s.zarr", lat, lon, zarr_format, fill, units="degrees")
    asked = points.anywhere(np.random.default_rng(3), (-85, 85), (-180, 180), 50)
    table = points.extract(tmp_path, store, asked, "--max-distance", "5000km", "--tolerance", "lat=180,lon=360")
    assert [float(value.as_py()) for value in table["t"]] == [nearest(store, point) for point in asked]


@pytest.mark.parametrize("fill", [np.nan, 1e20, 0.0, 250.0])
def test_a_fill_value_that_the_stored_type_cannot_hold(fill: float, tmp_path: Path) -> None:
    """Bytes of a fixed scale have no NaN: zarr-python reads stored chunks, and fills missing ones."""
    store = base(tmp_path, 2)
    values = np.linspace(200, 300, int(np.prod(SHAPE)), dtype="f4").reshape(SHAPE)
    filters = [numcodecs.FixedScaleOffset(offset=250, scale=2, dtype="f4", astype="i2")]
    add(store, "x", values, {}, filters=filters, fill_value=fill, chunks=(1, 4, 6))
    (store / "x/3.0.0").unlink()
    asked = [Point(41, 0), Point(43, 3)]
    points.assert_extracts(tmp_path, store, asked, "time")
    raw = zarr.open_array(store / "x")[:, 1, 2]
    table = points.extract(tmp_path, store, asked[:1], "--decode", "raw")
    np.testing.assert_array_equal(table["x"].to_numpy(), raw)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_coordinates_are_carried(zarr_format: int, tmp_path: Path) -> None:
    """Scalars, text and coordinates of two dimensions, as xarray has them."""
    times = points.hours(4)
    dataset = xr.Dataset(
        {"t": (("time", "step", "lat", "lon"), points.numbers((4, 2, len(LAT), len(LON))))},
        {
            "time": times,
            "step": [0, 6],
            "lat": ("lat", LAT, {"units": "degrees_north"}),
            "lon": ("lon", LON, {"units": "degrees_east"}),
            "number": 3,
            "valid_time": (("time", "step"), times[:, None] + np.array([0, 6]) * np.timedelta64(1, "h")),
            "expver": ("time", np.array(["0001", "0001", "0005", "0005"])),
        },
    )
    store = points.write(dataset, tmp_path / "s.zarr", zarr_format)
    table = points.extract(tmp_path, store, [Point(41, 0)], "--carry", "--row-dims", "time,step")
    with points.opened(store) as opened:
        shape = {"time": 4, "step": 2}
        for name in ("number", "valid_time", "expver"):
            expected = opened[name].variable.set_dims(shape).values.ravel()
            found = points.values(table[name])
            if expected.dtype.kind in "OTUS":
                assert [str(value) for value in found] == [str(value) for value in expected]
            else:
                np.testing.assert_array_equal(found, expected.astype(found.dtype), err_msg=name)
