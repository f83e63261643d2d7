"""zpoint against xarray: which cell a point has, on grids of every kind, and values between cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr

import points
from points import Point

GLOBE = np.arange(0, 360, 0.25)


# --------------------------------------------------------------------- longitudes


@pytest.fixture(scope="module")
def globe(tmp_path_factory) -> Path:
    """Longitudes 0 to 359.75, latitudes 90 to -90."""
    dataset = points.grid(np.arange(90, -91, -30, dtype="f4"), GLOBE.astype("f4"))
    return points.write(dataset, tmp_path_factory.mktemp("globe") / "globe.zarr")


@pytest.fixture(scope="module")
def atlantic(tmp_path_factory) -> Path:
    """Longitudes -180 to 179, latitudes -90 to 90."""
    dataset = points.grid(np.arange(-90, 91, 30.0), np.arange(-180, 180, 1.0))
    return points.write(dataset, tmp_path_factory.mktemp("atlantic") / "atlantic.zarr", 3)


def assert_on_globe(directory: Path, store: Path, asked: list[Point]) -> pa.Table:
    """The cells and values are those of xarray on the grid that goes round."""
    with points.opened(store) as dataset:
        first = float(dataset["lon"].values[0])
        chosen = points.at_points(points.around_the_globe(dataset, "lon"), points.turned(asked, first)).load()
        cells = points.at_points(dataset, [Point(0, lon) for lon in unwrapped(chosen, first)])["lon"].values
    table = points.extract(directory, store, asked)
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))
    found = table["grid_lon"].to_numpy()[: len(asked)]
    np.testing.assert_array_equal(found, cells.astype("f8"))
    return table


def unwrapped(chosen: xr.Dataset, first: float) -> np.ndarray:
    """The longitudes of cells as the grid has them."""
    return (chosen["lon"].values.astype("f8") - first) % 360 + first


@pytest.mark.parametrize(
    ("lon", "cell"),
    [(-0.1, 0.0), (359.95, 0.0), (360, 0.0), (-360, 0.0), (359.9, 0.0), (359.8, 359.75), (-0.2, 359.75), (-5, 355.0)],
)
def test_longitudes_of_a_grid_from_0(lon: float, cell: float, globe: Path, tmp_path: Path) -> None:
    """Beyond the last column is the first one again."""
    table = assert_on_globe(tmp_path, globe, [Point(60, lon)])
    assert table["grid_lon"][0].as_py() == cell
    assert table["lon"][0].as_py() == lon


@pytest.mark.parametrize(
    ("lon", "cell"),
    [(180, -180.0), (-180, -180.0), (179.4, 179.0), (179.6, -180.0), (350, -10.0), (180.6, -179.0), (-180.4, -180.0)],
)
def test_longitudes_of_a_grid_from_minus_180(lon: float, cell: float, atlantic: Path, tmp_path: Path) -> None:
    """180 is -180, and 350 is -10."""
    table = assert_on_globe(tmp_path, atlantic, [Point(60, lon)])
    assert table["grid_lon"][0].as_py() == cell


def test_random_longitudes_in_both_conventions(globe: Path, atlantic: Path, tmp_path: Path) -> None:
    """Hundreds of points anywhere."""
    random = np.random.default_rng(7)
    asked = points.anywhere(random, (-90, 90), (-360, 360), 300)
    for store in (globe, atlantic):
        assert_on_globe(tmp_path, store, asked)


@pytest.mark.parametrize("lat", [90, -90, 89.999, -75.001])
def test_poles(lat: float, globe: Path, atlantic: Path, tmp_path: Path) -> None:
    """Both are rows of the grid."""
    for store in (globe, atlantic):
        assert_on_globe(tmp_path, store, [Point(lat, 12.3), Point(lat, 300)])


@pytest.mark.parametrize("flip", ["", "lat", "lon", "both"])
def test_axes_may_fall(flip: str, tmp_path: Path) -> None:
    """Latitudes or longitudes or both."""
    lat, lon = np.arange(40, 50, 0.5), np.arange(-10, 10, 0.5)
    lat, lon = (lat[::-1] if flip in ("lat", "both") else lat), (lon[::-1] if flip in ("lon", "both") else lon)
    store = points.write(points.grid(lat, lon), tmp_path / "store.zarr")
    random = np.random.default_rng(1)
    asked = points.anywhere(random, (40, 49.5), (-10, 9.5), 50)
    points.assert_extracts(tmp_path, store, asked, "time")


@pytest.mark.parametrize("rising", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_ties_are_broken_as_pandas_does(dtype: str, rising: bool, tmp_path: Path) -> None:
    """Points in the middle of two latitudes of 0.1 degrees, as decimals and in the precision of the axis."""
    lat = (np.arange(600, 399, -1) / 10).astype(dtype)[:: -1 if rising else 1]
    lon = np.array([0.0, 1.0, 2.0])
    store = points.write(points.grid(lat, lon, times=1), tmp_path / "store.zarr")
    decimals = [n / 100 for n in range(4005, 6000, 10)]
    halves = [float(half) for half in (lat[1:] + lat[:-1]) / np.array(2, dtype)]
    exact = [float(half) for half in (lat[1:].astype("f8") + lat[:-1].astype("f8")) / 2]
    asked = [Point(value, 1.0) for value in (*decimals, *halves, *exact, *map(float, lat))]
    points.assert_extracts(tmp_path, store, asked, "time")


def test_ties_of_longitudes_are_broken_as_pandas_does(tmp_path: Path) -> None:
    """Within a region, where xarray and the globe are the same."""
    lon = (np.arange(-100, 101) / 10).astype("f4")
    store = points.write(points.grid(np.array([0.0, 1.0]), lon, times=1), tmp_path / "store.zarr")
    halves = [float(half) for half in (lon[1:] + lon[:-1]) / np.float32(2)]
    asked = [Point(1.0, value) for value in (*halves, *(n / 100 for n in range(-995, 1000, 10)))]
    points.assert_extracts(tmp_path, store, asked, "time")


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dims", ["lon lat time", "lat time lon", "time lon lat", "lat lon"])
def test_dimensions_come_in_any_order(dims: str, zarr_format: int, tmp_path: Path) -> None:
    """What a dimension is for is told by its name."""
    order = tuple(dims.split())
    lat, lon = np.arange(6.0), np.arange(9.0)
    dataset = points.grid(lat, lon, times=5, dims=order)
    encoding = {"t2m": {"chunks": (2, 4, 3)[: len(order)]}}
    store = points.write(dataset, tmp_path / "store.zarr", zarr_format, encoding)
    samples = ("time",) if "time" in order else ()
    points.assert_extracts(tmp_path, store, [Point(3, 7), Point(0, 0), Point(5, 8)], *samples)


@pytest.mark.parametrize("names", [("latitude", "longitude"), ("nav_lat", "nav_lon"), ("y", "x")])
def test_coordinates_are_known_by_their_attributes(names: tuple[str, str], tmp_path: Path) -> None:
    """Whatever they are called."""
    lat, lon = np.arange(6.0), np.arange(9.0)
    dataset = points.grid(lat, lon).rename(dict(zip(("lat", "lon"), names, strict=True)))
    store = points.write(dataset, tmp_path / "store.zarr")
    points.assert_extracts(tmp_path, store, [Point(3, 7)], "time", names=names)


# ---------------------------------------------------------------- outside of the grid


@pytest.fixture(scope="module")
def region(tmp_path_factory) -> Path:
    """A degree by a degree."""
    dataset = points.grid(np.arange(40, 45, dtype="f8"), np.arange(-5, 6, dtype="f8"))
    return points.write(dataset, tmp_path_factory.mktemp("region") / "region.zarr")


OUTSIDE = [Point(44.51, 0), Point(39.49, 0), Point(42, 5.51), Point(42, -5.51), Point(42, 180)]
INSIDE = [Point(44.49, 0), Point(39.51, 0), Point(42, 5.49), Point(42, -5.49), Point(44.5, 5.5), Point(39.5, -5.5)]


@pytest.mark.parametrize("point", OUTSIDE, ids=str)
def test_a_point_outside_ends_the_run(point: Point, region: Path, tmp_path: Path) -> None:
    """By more than half a cell; the message says which point and where the grid is."""
    output = tmp_path / "out.csv"
    error = points.refused(2, region, *points.arguments([Point(42, 0), point]), "-o", output)
    text = f"{error['path']} {error['error']} {error.get('hint', '')}"
    assert str(point.lat if point.lon == 0 else point.lon) in text, text
    assert "--out-of-bounds" in text
    assert list(tmp_path.iterdir()) == []


def test_half_a_cell_around_the_grid_is_inside(region: Path, tmp_path: Path) -> None:
    """As far as the cells of the outermost coordinates go."""
    points.assert_extracts(tmp_path, region, INSIDE, "time")


def test_points_outside_have_empty_values(region: Path, tmp_path: Path) -> None:
    """With null, rows are there."""
    asked = [OUTSIDE[0], Point(42, 0), OUTSIDE[2]]
    table = points.extract(tmp_path, region, asked, "--out-of-bounds", "null")
    with points.opened(region) as dataset:
        chosen = points.at_points(dataset, asked).load()
    expected = points.rows(chosen.where(xr.DataArray([False, True, False], dims="point")), "time")
    points.assert_same_columns(points.columns(table), expected)
    np.testing.assert_array_equal(table["grid_lat"].to_numpy()[:3], [np.nan, 42.0, np.nan])


@pytest.mark.parametrize("what", ["drop", "warn"])
def test_points_outside_have_no_rows(what: str, region: Path, tmp_path: Path) -> None:
    """Nobody hears of it, or there is a warning."""
    output = tmp_path / "out.parquet"
    asked = [OUTSIDE[0], Point(42, 0), OUTSIDE[2], Point(40, 5)]
    done = points.zpoint(region, *points.arguments(asked), "--out-of-bounds", what, "-o", output)
    table = pq.read_table(output)
    assert table["point_id"].to_pylist() == ["1", "3"] * 3
    with points.opened(region) as dataset:
        chosen = points.at_points(dataset, [asked[1], asked[3]]).load()
    points.assert_same_columns(points.columns(table), points.rows(chosen, "time"))
    assert ("44.51" in done.stderr) == (what == "warn"), done.stderr


def test_tolerance_and_distance_are_bounds(region: Path, tmp_path: Path) -> None:
    """Farther than half a cell, or less; as xarray's tolerance."""
    table = points.extract(tmp_path, region, [OUTSIDE[0]], "--tolerance", "lat=0.6,lon=0.6")
    assert table["grid_lat"][0].as_py() == 44.0
    for option in (("--tolerance", "lat=0.2,lon=0.2"), ("--max-distance", "20km")):
        assert points.refused(2, region, *points.arguments([Point(42.3, 0)]), *option)["error"]
    table = points.extract(tmp_path, region, [Point(42.3, 0)], "--max-distance", "40km")
    assert table["grid_lat"][0].as_py() == 42.0


def test_bounds_are_the_cells_and_no_data(tmp_path: Path) -> None:
    """Where CF bounds say that cells are larger, points there are inside."""
    lat, lon = np.arange(40, 45.0), np.arange(-5, 6.0)
    dataset = points.grid(lat, lon)
    wide = np.array([[value - 0.5, value + 0.5] for value in lat])
    wide[-1, 1] = 45.2
    dataset["lat"].attrs["bounds"] = "lat_bnds"
    dataset["lat_bnds"] = (("lat", "nv"), wide)
    store = points.write(dataset, tmp_path / "store.zarr")
    table = points.extract(tmp_path, store, [Point(45.1, 0)])
    assert list(points.columns(table)) == ["time", "t2m"]
    assert table["grid_lat"][0].as_py() == 44.0
    assert points.refused(2, store, *points.arguments([Point(45.3, 0)]))["error"]
