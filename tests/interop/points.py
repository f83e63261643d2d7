"""What zpoint should extract according to xarray, and what it did extract according to pyarrow."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr
from xarray.backends.zarr import ZarrStore

import oracle
from ztools import Run, run

# The columns that say which point and which cell a row is of.
POINT_KEYS = ("point_id", "lat", "lon", "grid_lat", "grid_lon", "distance_km")

# Of the sphere on which distances are told.
EARTH_RADIUS_KM = 6371.229

Columns = dict[str, np.ndarray]
Options = tuple[str | Path, ...]


@dataclass(frozen=True)
class Point:
    """A point in degrees."""

    lat: float
    lon: float


def anywhere(
    random: np.random.Generator, lats: tuple[float, float], lons: tuple[float, float], count: int
) -> list[Point]:
    """Points with any latitudes and longitudes of two ranges."""
    pairs = zip(random.uniform(*lats, count), random.uniform(*lons, count), strict=True)
    return [Point(float(lat), float(lon)) for lat, lon in pairs]


# ------------------------------------------------------------------------ the tool


def arguments(points: list[Point]) -> Options:
    """The arguments that ask for some points."""
    return tuple(itertools.chain.from_iterable((f"--lat={point.lat!r}", f"--lon={point.lon!r}") for point in points))


def zpoint(*arguments: str | Path) -> Run:
    """A run that has to succeed."""
    done = run("zpoint", *arguments)
    done.assert_done()
    return done


def extract(directory: Path, stores: Path | list[Path], points: list[Point], *options: str | Path) -> pa.Table:
    """The rows of some points, through Parquet, which keeps every bit and type."""
    output = directory / "extracted.parquet"
    stores = stores if isinstance(stores, list) else [stores]
    zpoint(*stores, *arguments(points), "-o", output, "--overwrite", *options)
    return pq.read_table(output)


def extract_parts(
    directory: Path, stores: Path | list[Path], points: list[Point], count: int, *options: str | Path
) -> pa.Table:
    """The rows of all parts behind one another."""
    parts = (("--part", f"{number}/{count}") for number in range(1, count + 1))
    return pa.concat_tables([extract(directory, stores, points, *options, *part) for part in parts])


def refused(code: int, *arguments: str | Path) -> dict:
    """The error record of a run that has to end with an exit code."""
    done = run("zpoint", *arguments)
    assert done.code == code, f"exit {done.code}\n{done.stderr}\n{done.stdout}"
    done.assert_ends_well_formed()
    return done.of_type("error")[0]


def columns(table: pa.Table, *without: str) -> Columns:
    """The columns of a table, those of the points left out; a missing number is NaN."""
    return {name: values(table[name]) for name in table.column_names if name not in (*POINT_KEYS, *without)}


def values(column: pa.ChunkedArray) -> np.ndarray:
    """A column as NumPy has it."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us")).to_numpy()
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        assert column.null_count == 0, "a missing integer"
    return column.to_numpy()


# -------------------------------------------------------------------------- xarray


def opened(store: Path, fill_value_as_mask: bool | None = None, **options) -> xr.Dataset:
    """A store decoded by xarray, durations left as numbers."""
    options = {"chunks": None, "decode_timedelta": False, "consolidated": oracle.consolidated(store), **options}
    if fill_value_as_mask is None:
        return xr.open_zarr(store, **options)
    # xr.open_zarr() takes this option and loses it on the way.
    consolidated = options.pop("consolidated")
    backend = ZarrStore.open_group(store, consolidated=consolidated, use_zarr_fill_value_as_mask=fill_value_as_mask)
    # A fill value of coordinates is no mask for zpoint, as nothing is missing in them.
    with xr.open_zarr(store, consolidated=consolidated, chunks=None) as plain:
        return xr.open_dataset(backend, **options).assign_coords(plain.coords)


def around_the_globe(dataset: xr.Dataset, lon: str) -> xr.Dataset:
    """The same with the first and last columns repeated beyond the seam, as .sel() does not know of any."""
    longitudes = dataset[lon].values.astype("f8")
    wrapped = dataset.isel({lon: [-1, *range(len(longitudes)), 0]})
    outer = [longitudes[-1] - 360, *longitudes, longitudes[0] + 360]
    return wrapped.assign_coords({lon: (lon, np.array(outer).astype(dataset[lon].dtype))})


def turned(points: list[Point], first: float) -> list[Point]:
    """The same points with longitudes from that of the first column on, to not more than a turn from there."""
    return [Point(point.lat, (point.lon - first) % 360 + first) for point in points]


def at_points(dataset: xr.Dataset, points: list[Point], lat: str = "lat", lon: str = "lon") -> xr.Dataset:
    """The nearest cells by xarray, along a dimension `point`."""
    indexers = {
        lat: xr.DataArray([point.lat for point in points], dims="point"),
        lon: xr.DataArray([point.lon for point in points], dims="point"),
    }
    return dataset.sel(indexers, method="nearest")


def rows(dataset: xr.Dataset, *samples: str, carry: tuple[str, ...] = ()) -> Columns:
    """The wide table of a data set with the dimension `point`: a row each sample and point, features as columns."""
    keys = {name: repeated(dataset, dataset[name], samples) for name in samples if name in dataset.coords}
    return keys | {
        name: column
        for variable in sorted(dataset.data_vars)
        if "point" in dataset[variable].dims or variable in carry
        for name, column in features(dataset, dataset[variable], samples)
    }


def features(dataset: xr.Dataset, variable: xr.DataArray, samples: tuple[str, ...]):
    """The columns of a variable with their names."""
    extra = [str(dim) for dim in variable.dims if dim not in (*samples, "point")]
    for index in np.ndindex(*(variable.sizes[dim] for dim in extra)):
        at = dict(zip(extra, index, strict=True))
        labels = [variable[dim].values[number] if dim in variable.coords else number for dim, number in at.items()]
        yield "_".join([str(variable.name), *map(label, labels)]), repeated(dataset, variable.isel(at), samples)


def label(value) -> str:
    """A coordinate value as names of columns spell it."""
    return str(int(value)) if isinstance(value, float | np.floating) and value == int(value) else str(value)


def repeated(dataset: xr.Dataset, array: xr.DataArray, samples: tuple[str, ...]) -> np.ndarray:
    """The value of an array in every row."""
    sizes = {name: dataset.sizes[name] for name in (*samples, "point")}
    return array.variable.set_dims(sizes).transpose(*sizes).values.ravel()


# ----------------------------------------------------------------------- comparing


def assert_same_columns(found: Columns, expected: Columns) -> None:
    """The same columns in the same order, and in each the same type and the same bits; any NaN is NaN."""
    assert list(found) == list(expected)
    for name, column in expected.items():
        assert_same_bits(found[name], column, name)


def assert_same_bits(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """The same type and bits, times and texts compared as such."""
    if expected.dtype.kind == "M":
        assert found.dtype.kind == "M", (what, found.dtype)
        np.testing.assert_array_equal(found, expected.astype("M8[us]"), err_msg=what)
        return
    if expected.dtype.kind in "OTUS":
        assert [str(value) for value in found] == [str(value) for value in expected], what
        return
    expected = expected.astype(expected.dtype.newbyteorder("="))
    assert found.dtype == expected.dtype, what
    assert found.shape == expected.shape, what
    differ = bits(found) != bits(expected)
    if expected.dtype.kind == "f":
        differ &= ~(np.isnan(found) & np.isnan(expected))
    where = np.flatnonzero(differ)
    example = f"e.g. {where[:3]}: {found[where[:3]]} for {expected[where[:3]]}"
    assert not where.size, f"{what}: {where.size} of {differ.size}, {example}"


def bits(array: np.ndarray) -> np.ndarray:
    """The elements as unsigned integers."""
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def assert_extracts(
    directory: Path,
    store: Path,
    points: list[Point],
    *samples: str,
    options: Options = (),
    names: tuple[str, str] = ("lat", "lon"),
    **opening,
) -> pa.Table:
    """What zpoint extracts is what xarray selects, cells included."""
    with opened(store, **opening) as dataset:
        chosen = at_points(dataset, points, *names).load()
    table = extract(directory, store, points, *options)
    assert_same_columns(columns(table), rows(chosen, *samples))
    for key, name in zip(("grid_lat", "grid_lon"), names, strict=True):
        cells = repeated(chosen, chosen[name].astype("f8"), samples)
        np.testing.assert_array_equal(table[key].to_numpy(), cells, err_msg=key)
    return table


def distance_km(lat: float, lon: float, to_lat: np.ndarray, to_lon: np.ndarray) -> np.ndarray:
    """The great-circle distance, by the haversine formula."""
    lat, lon, to_lat, to_lon = map(np.radians, (lat, lon, np.asarray(to_lat, "f8"), np.asarray(to_lon, "f8")))
    chord = np.sin((to_lat - lat) / 2) ** 2 + np.cos(lat) * np.cos(to_lat) * np.sin((to_lon - lon) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(chord))


# ------------------------------------------------------------------------- writing


def hours(count: int, start: str = "2019-03-01") -> np.ndarray:
    """Hourly times."""
    return np.datetime64(start, "ns") + np.arange(count) * np.timedelta64(1, "h")


def numbers(shape: tuple[int, ...], dtype: str = "f4", seed: int = 0) -> np.ndarray:
    """Values that are all different enough to tell cells apart."""
    random = np.random.default_rng(seed)
    if dtype == "b1":
        return random.integers(0, 2, size=shape).astype(bool)
    if np.dtype(dtype).kind in "iu":
        information = np.iinfo(dtype)
        native = np.dtype(dtype).newbyteorder("=")
        found = random.integers(information.min, information.max, size=shape, dtype=native, endpoint=True)
        return found.astype(dtype)
    return random.normal(280, 15, size=shape).astype(dtype)


def grid(
    lat: np.ndarray, lon: np.ndarray, times: int = 3, dims: tuple[str, ...] = ("time", "lat", "lon"), **variables
) -> xr.Dataset:
    """A data set on a rectilinear grid, with a variable `t2m` unless there are others."""
    sizes = {"time": times, "lat": len(lat), "lon": len(lon)}
    if not variables:
        variables = {"t2m": (dims, numbers(tuple(sizes[dim] for dim in dims)))}
    coordinates = {
        "time": hours(times),
        "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    return xr.Dataset(variables, coordinates)


def write(dataset: xr.Dataset, path: Path, zarr_format: int = 2, encoding: dict | None = None, **options) -> Path:
    """The data set as a store; in Zarr v2 with consolidated metadata unless told otherwise."""
    options = {"consolidated": zarr_format == 2, **options}
    dataset.to_zarr(path, zarr_format=zarr_format, encoding=encoding or {}, **options)
    return path
